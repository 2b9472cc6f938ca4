/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_CLI_FORMS_H
#define HAWSER_BROKER_CLI_FORMS_H

#include "broker/cli/cli.h"

/* A form as MCP servers ask for it (elicitation), filled in line by line: text, numbers, yes or no, one of a list.
 * Pure. */
struct form;

/* NULL: it has something that cannot be asked in one line. */
struct form *form_new(struct span schema);
struct form *form_free(struct form *f);
/* What to ask next, on the heap; NULL: it is filled in. */
char *form_prompt(const struct form *f);
/* A line for it, without its end. False: it is no answer, the same is asked again. */
bool form_take(struct form *f, const char *line);
/* The object that was filled in. */
int form_content(const struct form *f, struct buf *out) _must_check_;

#endif
