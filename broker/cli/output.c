/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/cli/cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *cli_colour(FILE *stream, enum cli_colour colour)
{
	static const char *const codes[] = {"\033[0m", "\033[32m", "\033[31m", "\033[2m"};
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	if ((no && *no) || !term || strcmp(term, "dumb") == 0 || !isatty(fileno(stream)))
		return "";
	return codes[colour];
}

int cli_say(int code, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list args;

	va_start(args, fmt);
	if (vasprintf(&text, fmt, args) < 0)
		text = NULL;
	va_end(args);
	fprintf(stderr, "%shawser:%s %s\n", cli_colour(stderr, code > 0 ? CLI_BAD : CLI_PLAIN),
		cli_colour(stderr, CLI_PLAIN), text ? cli_clean(text) : "no memory");
	return code;
}

bool cli_can_ask(void)
{
	return isatty(0) && isatty(2);
}

bool cli_ask(const char *question)
{
	char answer[16] = "";

	fflush(stdout);
	fprintf(stderr, "%s [y/N] ", question);
	return fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y');
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

	if (span_type(value) == SPAN_STRING && isatty(1)) { /* elsewhere it goes as it is */
		_cleanup_free_ char *shown = span_strdup(value, value.len);

		puts(shown ? cli_clean(shown) : "(text with a NUL)");
		fflush(stdout);
	} else if (span_type(value) == SPAN_STRING && span_string(value, &text) == 0) {
		cli_print_span(span_of(buf_head(&text), text.len));
	} else {
		cli_print_span(value);
	}
}

/* C0 but line breaks and tabs, DEL, C1 in UTF-8, and what turns the direction of text around. */
static size_t control_at(const unsigned char *p)
{
	if ((*p < 0x20 && *p != '\n' && *p != '\t') || *p == 0x7f)
		return 1;
	if (*p == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0)
		return 2;
	if (*p == 0xe2 && p[1] == 0x80 && p[2] >= 0xaa && p[2] <= 0xae)
		return 3;
	return *p == 0xe2 && p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9 ? 3 : 0;
}

char *cli_clean(char *text)
{
	unsigned char *from = (unsigned char *)text, *to = from;

	while (from && *from) {
		size_t n = control_at(from);

		*to++ = n ? '?' : *from;
		from += n ? n : 1;
	}
	if (to)
		*to = '\0';
	return text;
}

char *cli_member(struct span object, const char *name)
{
	struct span value = object.p ? span_member(object, name) : SPAN_NONE;

	return value.p ? span_strdup(value, value.len) : NULL;
}
