/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/cli/cli.h"

#include <stdarg.h>
#include <stdio.h>

int cli_say(int code, const char *fmt, ...)
{
	va_list args;

	fputs("hawser: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	return code;
}

void cli_print_span(struct span text)
{
	if (text.len > 0)
		fwrite(text.p, 1, text.len, stdout);
	if (text.len == 0 || text.p[text.len - 1] != '\n')
		fputc('\n', stdout);
	fflush(stdout);
}

void cli_print_value(struct span value)
{
	_cleanup_buf_ struct buf text = BUF_INIT(value.len + 1);

	if (span_type(value) == SPAN_STRING && span_string(value, &text) == 0)
		cli_print_span(span_of(buf_head(&text), text.len));
	else
		cli_print_span(value);
}

char *cli_member(struct span object, const char *name)
{
	struct span value = object.p ? span_member(object, name) : SPAN_NONE;

	return value.p ? span_strdup(value, value.len) : NULL;
}
