/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_DOORS_MCP_SAMPLES_H
#define HAWSER_BROKER_DOORS_MCP_SAMPLES_H

#include <stddef.h>

/* Every piece of code that a model is shown. tests/e2e/samples.py takes them from the prompt and from the instructions
 * as a client gets them, and runs each against a server "files"; a sample that fails there is not shown to anybody. */
struct mcp_sample {
	const char *what; /* the sentence before it */
	const char *language;
	const char *code;
};
extern const struct mcp_sample mcp_samples[];
extern const size_t mcp_sample_count;

#endif
