/* SPDX-License-Identifier: Apache-2.0 */
/* hawser call SERVER.TOOL: text of the answer on stdout, or with --json the whole CallToolResult as the server wrote
 * it. */
#include "broker/cli/asking.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { ARGS_MAX = 72 * 1024 * 1024 };

static int read_stdin(struct buf *out, struct error *err)
{
	ssize_t n;

	do {
		uint8_t *room = buf_reserve(out, 64 * 1024);

		if (!room)
			return error_set(err, -E2BIG, "the arguments are over %d bytes", ARGS_MAX);
		n = read(0, room, 64 * 1024);
		if (n < 0 && errno != EINTR)
			return error_set_errno(err, -errno, "reading stdin");
		if (n > 0)
			buf_commit(out, (size_t)n);
	} while (n != 0);
	return 0;
}

/* The arguments pass as they are written, numbers and all; only that they are one JSON object is checked here. */
static int print_request(const struct cli_args *args, struct buf *out, struct error *err)
{
	_cleanup_buf_ struct buf input = BUF_INIT(ARGS_MAX);
	const char *text = args->operand_count > 1 ? args->operands[1] : args->args;
	struct span given = SPAN_LIT("{}"), object = {0};
	int r = 0;

	if (args->operand_count > 1 && args->args)
		return error_set(err, -EINVAL, "the arguments are there twice, as a word and as --args");
	if (text && strcmp(text, "-") == 0) {
		r = read_stdin(&input, err);
		given = span_of(buf_head(&input), input.len);
	} else if (text) {
		given = span_of(text, strlen(text));
	}
	if (r == 0)
		r = span_check(given, false, &object, err);
	if (r < 0)
		return error_wrap(err, "the arguments");
	if (span_type(object) != SPAN_OBJECT)
		return error_set(err, -EINVAL, "the arguments are a JSON object, for instance '{\"path\": \".\"}'");
	r = buf_append_str(out, "{\"name\":");
	if (r == 0)
		r = buf_append_json(out, args->operands[0], strlen(args->operands[0]));
	if (r == 0)
		r = buf_append_str(out, ",\"args\":");
	if (r == 0)
		r = buf_append(out, object.p, object.len);
	if (r == 0)
		r = buf_append_str(out, "}");
	return r < 0 ? error_set(err, r, "the arguments are over %d bytes", ARGS_MAX) : 0;
}

static void print_item(struct span item)
{
	_cleanup_free_ char *type = cli_member(item, "type"), *mime = cli_member(item, "mimeType");
	_cleanup_free_ char *uri = cli_member(item, "uri");
	struct span data = span_member(item, "data");

	if (type && strcmp(type, "text") == 0)
		cli_print_value(span_member(item, "text"));
	else
		printf("[%s%s%s%s%s, %zu bytes of base64; --json has it]\n", type ? cli_clean(type) : "?",
		       mime ? " " : "", mime ? cli_clean(mime) : "", uri ? " " : "", uri ? cli_clean(uri) : "",
		       data.len);
}

static int print_answer(const struct cli_args *args, struct span answer)
{
	struct span result = span_member(answer, "result"), content = SPAN_NONE, item;
	_cleanup_free_ char *kind = cli_member(answer, "kind"), *message = cli_member(answer, "message");
	_cleanup_free_ char *fix = cli_member(answer, "fix");
	bool ok = span_bool(span_member(answer, "ok"), false);
	size_t at = 0;

	if (args->json) {
		cli_print_span(ok ? result : answer);
		return ok ? CLI_OK : CLI_FAILED;
	}
	if (!ok) {
		cli_say(0, "%s: %s", kind ? kind : "failed", message ? message : "");
		if (fix)
			fprintf(stderr, "fix: %s\n", cli_clean(fix));
		return CLI_FAILED;
	}
	if (result.p)
		content = span_member(result, "content");
	while (content.p && span_next_element(content, &at, &item))
		print_item(item);
	if (at == 0 && result.p)
		cli_print_span(result);
	return CLI_OK;
}

/* ---- a person at the terminal can be asked about the call ---- */

static void on_notification(void *user, struct span method, struct span params)
{
	(void)asking_notified(user, method, params);
}

static void on_input(void *user, struct wire *w)
{
	asking_input(user, w);
}

static int ask(const struct cli_args *args, struct wire *w, struct span request, struct span *ret_answer)
{
	static const struct wire_events events = {.notification = on_notification, .input = on_input};
	bool reads_stdin = args->operand_count > 1 && strcmp(args->operands[1], "-") == 0;
	struct asking asking;
	struct span nothing;
	int status = CLI_OK;

	asking_init(&asking, w, reads_stdin);
	if (asking.can)
		status = wire_ask(w, "approvals.here", SPAN_LIT("{}"), NULL, NULL, &nothing);
	if (status == CLI_OK)
		status = wire_ask(w, "call", request, &events, &asking, ret_answer);
	asking_done(&asking);
	return status;
}

int cli_call(const struct cli_args *args)
{
	_cleanup_buf_ struct buf request = BUF_INIT(ARGS_MAX + 4096);
	_cleanup_error_ struct error err = ERROR_INIT;
	struct span answer;
	struct wire w;
	int status;

	if (print_request(args, &request, &err) < 0)
		return cli_say(CLI_USAGE, "%s", error_text(&err));
	status = wire_open_or_say(args, true, &w);
	if (status != CLI_OK)
		return status;
	status = ask(args, &w, span_of(buf_head(&request), request.len), &answer);
	if (status == CLI_OK)
		status = print_answer(args, answer);
	wire_close(&w);
	return status;
}
