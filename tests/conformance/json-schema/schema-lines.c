/* SPDX-License-Identifier: Apache-2.0 */
/* Reads lines {"schema":...,"data":...} and answers each with "true", "false" or "error: why": the schema check as a
 * filter. */
#include "policy/schema/schema.h"

#include <stdio.h>
#include <string.h>

static void answer(struct span line)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_buf_ struct buf faults = BUF_INIT(16 << 10);
	struct schema *s = NULL;

	if (span_check(line, false, NULL, &err) < 0 || schema_compile(span_member(line, "schema"), &s, &err) < 0)
		printf("error: %s\n", error_text(&err));
	else
		puts(schema_check(s, span_member(line, "data"), &faults) ? "true" : "false");
	schema_free(s);
}

int main(void)
{
	_cleanup_free_ char *line = NULL;
	size_t cap = 0;
	ssize_t n;

	while ((n = getline(&line, &cap, stdin)) > 0)
		answer(span_of(line, (size_t)n));
	return 0;
}
