/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_CLI_FINDINGS_H
#define HAWSER_BROKER_CLI_FINDINGS_H

#include "broker/cli/cli.h"

/* What doctor and state check have found, printed one by one: a line for people, or one JSON object in the end. */
struct findings {
	bool json;
	size_t count;
	int64_t bad;
};
/* cure: a command, or NULL. Does not count what is bad. */
void findings_print(struct findings *f, const char *key, const char *text, const char *cure, bool good);
void findings_add(struct findings *f, const char *key, const char *text, const char *cure, bool good);
void findings_end(const struct findings *f);

#endif
