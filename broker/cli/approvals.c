/* SPDX-License-Identifier: Apache-2.0 */
/* hawser approvals, approve, refuse: the questions of all runs, from any window. */
#include "broker/cli/asking.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct follow {
	struct asking asking;
	bool json, interrupted;
	struct wire *wire;
};

/* What --args wants, one field a line. */
static void print_form(struct span form)
{
	struct span fields = span_member(form, "properties"), key, field;
	size_t at = 0;

	while (fields.p && span_next_member(fields, &at, &key, &field)) {
		_cleanup_free_ char *name = span_strdup(key, 200), *type = cli_member(field, "type");
		_cleanup_free_ char *text = cli_member(field, "description");

		printf("  %s%s%s%s%s%s\n", name ? cli_line(name) : "?", type ? " (" : "", type ? cli_line(type) : "",
		       type ? ")" : "", text ? ": " : "", text ? cli_line(text) : "");
	}
	printf("answer it with --args '{\"FIELD\": VALUE, ...}'\n");
}

static void print_approval(struct span approval)
{
	struct span form = span_member(approval, "form");
	_cleanup_free_ char *id = cli_member(approval, "id"), *text = cli_member(approval, "text");
	int64_t left = 0;

	if (span_int64(span_member(approval, "left_ms"), &left) < 0)
		left = 0;
	printf("%s  (%" PRId64 " s left)\n%s\n", id ? id : "?", left / 1000, text ? cli_clean(text) : "");
	if (span_type(form) == SPAN_OBJECT)
		print_form(form);
}

static int list(const struct cli_args *args, struct wire *w)
{
	struct span answer, approval;
	size_t at = 0;
	int status = wire_ask(w, "approvals.list", SPAN_LIT("{}"), NULL, NULL, &answer);

	if (status != CLI_OK)
		return status;
	if (args->json) {
		cli_print_span(answer);
		return CLI_OK;
	}
	while (span_next_element(answer, &at, &approval))
		print_approval(approval);
	if (at == 0)
		puts("nothing waits for your word");
	else
		puts("hawser approve ID, or hawser refuse ID");
	return CLI_OK;
}

/* ---- --follow ---- */

static void print_over(struct span params)
{
	_cleanup_free_ char *id = cli_member(params, "id"), *outcome = cli_member(params, "outcome");
	_cleanup_free_ char *by = cli_member(params, "by"), *note = cli_member(params, "note");

	printf("%s %s%s%s\n", id ? id : "?", outcome ? outcome : "over", by ? ", by " : "", by ? cli_clean(by) : "");
	if (note)
		puts(cli_clean(note));
}

static void on_notification(void *user, struct span method, struct span params)
{
	struct follow *f = user;

	if (f->json)
		printf("{\"event\":%.*s,\"approval\":%.*s}\n", (int)method.len, method.p, (int)params.len, params.p);
	else if (asking_notified(&f->asking, method, params))
		return;
	else if (span_string_equals(method, "approval.asked"))
		print_approval(params);
	else if (span_string_equals(method, "approval.over"))
		print_over(params);
	else
		puts("waiting for questions; ^C ends this");
	fflush(stdout);
}

static void on_input(void *user, struct wire *w)
{
	struct follow *f = user;

	asking_input(&f->asking, w);
}

static int follow(const struct cli_args *args, struct wire *w)
{
	static const struct wire_events events = {.notification = on_notification, .input = on_input};
	struct follow f = {.json = args->json, .wire = w};
	struct span answer;
	int status;

	if (!args->json)
		asking_init(&f.asking, w, false);
	status = wire_ask(w, "approvals.follow", SPAN_LIT("{}"), &events, &f, &answer);
	asking_done(&f.asking);
	return status;
}

int cli_approvals(const struct cli_args *args)
{
	struct wire w;
	int status = wire_open_or_say(args, false, &w);

	if (status != CLI_OK)
		return status;
	status = args->follow ? follow(args, &w) : list(args, &w);
	wire_close(&w);
	return status;
}

/* ---- answers ---- */

static void print_answered(const struct cli_args *args, struct span result, const char *outcome)
{
	struct span note = span_member(result, "note");
	_cleanup_free_ char *text = cli_member(result, "note");

	if (args->json)
		printf("{\"id\":\"%s\",\"outcome\":\"%s\",\"note\":%.*s}\n", args->operands[0], outcome,
		       note.p ? (int)note.len : 4, note.p ? note.p : "null");
	else
		printf("%s %s\n%s%s", args->operands[0], outcome, text ? cli_clean(text) : "", text ? "\n" : "");
}

static int answer(const struct cli_args *args, bool approve)
{
	_cleanup_buf_ struct buf params = BUF_INIT(128 * 1024);
	_cleanup_error_ struct error err = ERROR_INIT;
	const char *id = args->operands[0];
	struct span result, content;
	struct wire w;
	int status, r;

	r = buf_append_str(&params, "{\"id\":");
	if (r == 0)
		r = buf_append_json(&params, id, strlen(id));
	if (r == 0)
		r = buf_printf(&params, ",\"approve\":%s,\"always\":%s,\"how\":\"hawser %s\"",
			       approve ? "true" : "false", args->always ? "true" : "false", args->verb->name);
	if (r == 0 && args->args) {
		if (span_check(span_of(args->args, strlen(args->args)), true, &content, &err) < 0)
			return cli_say(CLI_USAGE, "--args: %s", error_text(&err));
		r = buf_append_str(&params, ",\"content\":");
		if (r == 0)
			r = buf_append(&params, content.p, content.len);
	}
	if (r == 0)
		r = buf_append_str(&params, "}");
	if (r < 0)
		return cli_say(CLI_USAGE, "that is too long; hawser approvals lists the questions");
	status = wire_open_or_say(args, false, &w);
	if (status != CLI_OK)
		return status;
	status = wire_ask(&w, "approvals.answer", span_of(buf_head(&params), params.len), NULL, NULL, &result);
	if (status == CLI_OK)
		print_answered(args, result, approve ? "approved" : "refused");
	wire_close(&w);
	return status;
}

int cli_approve(const struct cli_args *args)
{
	return answer(args, true);
}

int cli_refuse(const struct cli_args *args)
{
	return answer(args, false);
}

int cli_policy(const struct cli_args *args)
{
	_cleanup_buf_ struct buf params = BUF_INIT(4096);
	const char *name = args->operands[1];
	struct span nothing;
	struct wire w;
	int status;

	if (strcmp(args->operands[0], "forget") != 0)
		return cli_say(CLI_USAGE, "hawser policy forget SERVER.TOOL");
	if (buf_append_str(&params, "{\"name\":") < 0 || buf_append_json(&params, name, strlen(name)) < 0 ||
	    buf_append_str(&params, "}") < 0)
		return cli_say(CLI_USAGE, "the name of the tool is too long");
	status = wire_open_or_say(args, true, &w);
	if (status != CLI_OK)
		return status;
	status = wire_ask(&w, "policy.forget", span_of(buf_head(&params), params.len), NULL, NULL, &nothing);
	if (status == CLI_OK)
		printf(args->json ? "{\"forgotten\":true}\n" : "the rule is out of the configuration\n");
	wire_close(&w);
	return status;
}
