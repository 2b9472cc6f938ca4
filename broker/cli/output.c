/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/cli/cli.h"

#include "base/utf8.h"

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

/* What commands a terminal, and what turns the direction of text around: no more, as text in all scripts and signs
 * has characters without a width. */
static bool is_command(uint32_t c)
{
	return (c < 0x20 && c != '\n' && c != '\t') || (c >= 0x7f && c < 0xa0) || (c >= 0x202a && c <= 0x202e) ||
	       (c >= 0x2066 && c <= 0x2069);
}

static bool is_hidden(uint32_t c)
{
	return c != '\n' && c != '\t' && utf8_is_unseen(c);
}

static bool is_hidden_or_break(uint32_t c)
{
	return utf8_is_unseen(c);
}

static char *replace(char *text, bool (*is_bad)(uint32_t c))
{
	char *from = text, *to = text;
	size_t left = text ? strlen(text) : 0, width;

	for (; left > 0; from += width, left -= width) {
		width = utf8_width(from, left);
		if (width > 0 && !is_bad(utf8_get(from, width))) {
			memmove(to, from, width);
			to += width;
		} else {
			*to++ = '?';
		}
		width = width ? width : 1;
	}
	if (to)
		*to = '\0';
	return text;
}

char *cli_clean(char *text)
{
	return replace(text, is_hidden);
}

char *cli_line(char *text)
{
	return replace(text, is_hidden_or_break);
}

static char *clean_result(char *text)
{
	return replace(text, is_command);
}

void cli_print_value(struct span value)
{
	_cleanup_buf_ struct buf text = BUF_INIT(value.len + 1);

	if (span_type(value) == SPAN_STRING && isatty(1)) { /* elsewhere it goes as it is */
		_cleanup_free_ char *shown = span_strdup(value, value.len);

		puts(shown ? clean_result(shown) : "(text with a NUL)");
		fflush(stdout);
	} else if (span_type(value) == SPAN_STRING && span_string(value, &text) == 0) {
		cli_print_span(span_of(buf_head(&text), text.len));
	} else {
		cli_print_span(value);
	}
}

char *cli_member(struct span object, const char *name)
{
	struct span value = object.p ? span_member(object, name) : SPAN_NONE;

	return value.p ? span_strdup(value, value.len) : NULL;
}
