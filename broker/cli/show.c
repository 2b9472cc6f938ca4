/* SPDX-License-Identifier: Apache-2.0 */
/* A run at a terminal or in a pipe: its output as it comes, its value at the end on stdout, everything else on stderr.
 */
#include "broker/cli/show.h"

#include <stdio.h>
#include <string.h>

void show_clear_line(struct show *s)
{
	if (s->line_shown)
		fputs("\r\033[K", stderr);
	s->line_shown = false;
}

static int base64_digit(char ch)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = ch ? strchr(digits, ch) : NULL;

	return at ? (int)(at - digits) : -1;
}

static int decode_base64(struct span text, struct buf *out)
{
	unsigned bits = 0, have = 0;
	int r = 0;

	for (size_t i = 0; i < text.len && r == 0; i++) {
		int digit = base64_digit(text.p[i]);
		unsigned char byte;

		if (digit < 0)
			continue;
		bits = bits << 6 | (unsigned)digit;
		have += 6;
		if (have < 8)
			continue;
		have -= 8;
		byte = (unsigned char)(bits >> have);
		r = buf_append(out, &byte, 1);
	}
	return r;
}

/* Log records are JSON objects {level, text}, a line each: what is said goes to stdout, what is wrong to stderr. */
static void print_log(struct span text)
{
	while (text.p && text.len > 0) {
		const char *lf = memchr(text.p, '\n', text.len);
		struct span line = span_of(text.p, lf ? (size_t)(lf - text.p) : text.len), record;
		_cleanup_error_ struct error err = ERROR_INIT;
		_cleanup_free_ char *level = NULL, *words = NULL;

		text = span_of(line.p + line.len + (lf ? 1 : 0), text.len - line.len - (lf ? 1 : 0));
		if (line.len == 0)
			continue;
		if (span_check(line, false, &record, &err) == 0 && span_type(record) == SPAN_OBJECT) {
			level = cli_member(record, "level");
			words = cli_member(record, "text");
		}
		if (!words)
			fprintf(stdout, "%.*s\n", (int)line.len, line.p);
		else if (level && (strcmp(level, "error") == 0 || strcmp(level, "warn") == 0))
			fprintf(stderr, "%s\n", words);
		else
			fprintf(stdout, "%s\n", words);
	}
}

void show_output(struct show *s, struct span params)
{
	_cleanup_free_ char *channel = cli_member(params, "channel");
	struct span data = span_member(params, "data");
	_cleanup_buf_ struct buf bytes = BUF_INIT(data.len + 1);
	struct span text;

	if (!channel || !data.p || decode_base64(data, &bytes) < 0)
		return;
	show_clear_line(s);
	text = span_of(buf_head(&bytes), bytes.len);
	if (strcmp(channel, "log") == 0) {
		print_log(text);
	} else {
		FILE *to = strcmp(channel, "stderr") == 0 ? stderr : stdout;

		fwrite(text.p, 1, text.len, to);
	}
	fflush(stdout);
}

void show_state(struct show *s, struct span params)
{
	_cleanup_free_ char *what = cli_member(params, "what");

	if (s->json || (!s->terminal && !s->verbose))
		return;
	show_clear_line(s);
	if (what && s->verbose)
		fprintf(stderr, "hawser: %s\n", what);
	else if (what)
		s->line_shown = fprintf(stderr, "%s ...", what) > 0;
}

/* ---- the end ---- */

/* What was left out of the live output because this end was too slow. */
static void print_rest(struct span result, struct span live, const char *channel, FILE *to)
{
	_cleanup_free_ char *text = cli_member(result, channel);
	int64_t sent = 0;

	if (text && span_int64(span_member(live, channel), &sent) == 0 && sent >= 0 && (size_t)sent < strlen(text))
		fputs(text + sent, to);
	fflush(to);
}

static void print_error(struct span result)
{
	struct span detail = span_member(result, "error_detail"), line;
	_cleanup_free_ char *error = cli_member(result, "error"), *fix = cli_member(detail, "fix");
	_cleanup_free_ char *name = cli_member(detail, "name"), *file = cli_member(detail, "file");
	const char *where = file ? file : "line";

	if (!error)
		return;
	line = detail.p ? span_member(detail, "line") : SPAN_NONE;
	fprintf(stderr, "%s%s%s%s%s", cli_colour(stderr, CLI_BAD),
		name && strncmp(error, name, strlen(name)) != 0 ? name : "",
		name && strncmp(error, name, strlen(name)) != 0 ? ": " : "", error, cli_colour(stderr, CLI_PLAIN));
	if (span_type(line) == SPAN_NUMBER)
		fprintf(stderr, " (%s%c%.*s)", where, file ? ':' : ' ', (int)line.len, line.p);
	fprintf(stderr, "\n");
	if (fix)
		fprintf(stderr, "%sfix:%s %s\n", cli_colour(stderr, CLI_GOOD), cli_colour(stderr, CLI_PLAIN), fix);
}

/* ", server.tool 3 (1 failed)" for each; how many there are. */
static size_t print_calls(struct span result, const char *before)
{
	struct span calls = span_member(result, "tool_calls"), call;
	size_t at = 0, count = 0;

	while (calls.p && span_next_element(calls, &at, &call)) {
		_cleanup_free_ char *server = cli_member(call, "server"), *tool = cli_member(call, "tool");
		struct span n = span_member(call, "calls"), failed = span_member(call, "errors");

		fprintf(stderr, "%s%s.%s %.*s", count++ ? ", " : before, server ? server : "?", tool ? tool : "?",
			(int)n.len, n.p ? n.p : "");
		if (failed.p && !span_equals(failed, "0"))
			fprintf(stderr, " (%.*s failed)", (int)failed.len, failed.p);
	}
	return count;
}

/* Who stops a program half way wants to know what it did to the world until then. */
static void print_done(struct span result)
{
	fprintf(stderr, "%shawser: interrupted; done until then:", cli_colour(stderr, CLI_DIM));
	if (print_calls(result, " ") == 0)
		fprintf(stderr, " nothing was called");
	fprintf(stderr, "%s\n", cli_colour(stderr, CLI_PLAIN));
}

static void print_summary(struct span result)
{
	struct span usage = span_member(result, "usage");
	struct span wall = usage.p ? span_member(usage, "wall_ms") : SPAN_NONE;
	_cleanup_free_ char *provider = cli_member(span_member(result, "sandbox"), "provider");

	fprintf(stderr, "%shawser: %.*s ms%s%s", cli_colour(stderr, CLI_DIM), wall.p ? (int)wall.len : 1,
		wall.p ? wall.p : "?", provider ? ", " : "", provider ? provider : "");
	print_calls(result, ", ");
	fprintf(stderr, "%s\n", cli_colour(stderr, CLI_PLAIN));
}

int show_finish(const struct cli_args *args, struct show *s, struct span answer)
{
	struct span result = span_member(answer, "result"), live = span_member(answer, "live"), value;
	_cleanup_free_ char *status = cli_member(result, "status");
	bool ok = span_bool(span_member(answer, "ok"), false);

	show_clear_line(s);
	if (args->json) {
		cli_print_span(result);
	} else {
		print_rest(result, live, "stdout", stdout);
		print_rest(result, live, "stderr", stderr);
		value = span_member(result, "result");
		if (value.p && span_type(value) != SPAN_NULL)
			cli_print_value(value);
		print_error(result);
		if (s->interrupted)
			print_done(result);
		else if (args->verbose || s->terminal)
			print_summary(result);
	}
	if (ok)
		return CLI_OK;
	if (status && strcmp(status, "timeout") == 0)
		return CLI_TIMEOUT;
	return s->interrupted ? CLI_INTERRUPTED : CLI_FAILED;
}
