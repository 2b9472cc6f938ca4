/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one pipeline of every tool call, from code, a door or the command line:
 *
 *   resolve names -> budgets -> server ready -> tool known -> check arguments (schema) -> needs, facts, decide ->
 * upstream
 *     -> redact, look at isError -> reply, audit
 *
 * Each step either goes on or ends the call with finish(), once. Bodies from CORE_LARGE on are checked and redacted on
 * another thread. A call belongs to whoever started it until done; calls_forget() cuts that tie.
 */
#include "broker/core/calls.h"
#include "broker/core/runs.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <string.h>

enum { CALL_MESSAGE_MAX = 4096 };

struct call {
	struct core *core;
	struct view *view;
	struct run *run;
	char *server_name, *tool_name; /* as spelled, then as resolved */
	struct view_server *server;
	const struct upstream_tool *tool; /* looked up anew after each wait */
	struct shared_schema *schema;
	struct buf args;
	size_t args_len; /* for the audit, after args went away */
	int64_t timeout_ms;
	call_done_fn *done;
	void *user;
	struct upstream_request *request;
	uint64_t started_ns;
	struct policy_decision decision;
	bool decided;
	bool starting; /* inside calls_start(): the reply waits for the next turn */
	bool working; /* another thread has args or result */
	bool cancelled;
	/* the reply */
	const char *kind; /* NULL: ok */
	struct buf message, fix;
	bool retryable;
	struct buf result;
	/* what the other thread found */
	struct error args_error, result_error;
	bool args_fit, is_error;
};

static void check_tool(struct call *call);
static void decide(struct call *call);

/* ---- the end ---- */

static void free_call(struct call *call)
{
	shared_schema_unref(call->schema);
	buf_done(&call->args);
	buf_done(&call->message);
	buf_done(&call->fix);
	buf_done(&call->result);
	error_done(&call->args_error);
	error_done(&call->result_error);
	free(call->server_name);
	free(call->tool_name);
	view_unref(call->view);
	free(call);
}

static const char *text_of(struct buf *b)
{
	return b->len && buf_append(b, "", 1) == 0 ? (const char *)buf_head(b) : NULL;
}

static void audit(struct call *call, uint64_t ms)
{
	struct audit_record record = {
		.subject = call->view->subject,
		.run = call->run ? call->run->id : NULL,
		.server = call->server_name,
		.tool = call->tool_name,
		.verdict = call->decided ? policy_verdict_name(call->decision.verdict) : NULL,
		.rule = call->decided ? call->decision.rule : NULL,
		.outcome = call->kind ? call->kind : "ok",
		.ms = ms,
		.bytes_in = call->args_len,
		.bytes_out = call->result.len,
	};
	_cleanup_error_ struct error err = ERROR_INIT;

	if (audit_record(call->core->audit, &record, &err) == 0) {
		call->core->audit_failed_ms = 0;
		return;
	}
	call->core->audit_failed_ms = clock_now_ms();
	log_error("audit_failed", LOG_S("reason", error_text(&err)));
}

/* After a line that could not be written no call is made for a while, then one shows whether it works again. */
static bool audit_is_resting(const struct core *core)
{
	return core->audit_failed_ms && clock_now_ms() - core->audit_failed_ms < CORE_AUDIT_REST_MS;
}

static void deliver(void *user)
{
	struct call *call = user;
	struct call_reply reply = {.ok = !call->kind, .kind = call->kind, .retryable = call->retryable};
	uint64_t ms = (clock_now_ns() - call->started_ns) / 1000000u;
	uint64_t bytes = call->result.len;

	if (!call->run || call->server)
		audit(call, ms);
	if (call->run)
		runs_count(call->run, call->server_name, call->tool_name, call->kind, ms, call->args_len + bytes);
	reply.message = text_of(&call->message);
	reply.fix = text_of(&call->fix);
	reply.body = &call->result;
	if (call->done)
		call->done(call->user, &reply);
	free_call(call);
}

static void finish(struct call *call)
{
	if (call->starting)
		loop_defer(call->core->loop, deliver, call);
	else
		deliver(call);
}

static void fail(struct call *call, const char *kind, bool retryable, const char *fix, const char *fmt, ...)
	_printf_(5, 6);

static void fail(struct call *call, const char *kind, bool retryable, const char *fix, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	call->kind = kind;
	call->retryable = retryable;
	if (text && buf_append(&call->message, text, span_utf8_floor(text, strnlen(text, CALL_MESSAGE_MAX - 1))) == 0)
		redact_buf(call->view->redact, &call->message);
	if (fix && buf_append(&call->fix, fix, span_utf8_floor(fix, strnlen(fix, CALL_MESSAGE_MAX - 1))) == 0)
		redact_buf(call->view->redact, &call->fix);
	finish(call);
}

/* ---- the answer of the server ---- */

/* The texts of a failed result, as the message of a ToolError. */
static void take_error_text(struct call *call)
{
	struct span result = span_of(buf_head(&call->result), call->result.len), content, item;
	size_t at = 0;

	content = span_member(result, "content");
	while (span_type(content) == SPAN_ARRAY && span_next_element(content, &at, &item)) {
		struct span text = span_member(item, "text");

		if (span_type(text) != SPAN_STRING)
			continue;
		if (call->message.len && buf_append(&call->message, "\n", 1) < 0)
			break;
		if (span_string(text, &call->message) < 0)
			break;
	}
	if (call->message.len == 0 && buf_append_str(&call->message, "the tool failed without a text") < 0)
		buf_clear(&call->message);
}

static void look_at_result(void *user)
{
	struct call *call = user;

	/* A secret of digits may have stood for a bare number: what was blanked must be JSON still. */
	if (redact_buf(call->view->redact, &call->result) > 0 &&
	    span_check(span_of(buf_head(&call->result), call->result.len), false, NULL, &call->result_error) < 0)
		return;
	call->is_error = span_bool(span_member(span_of(buf_head(&call->result), call->result.len), "isError"), false);
}

static void on_result(void *user)
{
	struct call *call = user;

	call->working = false;
	if (call->result_error.code) {
		buf_done(&call->result);
		fail(call, "internal", false, NULL, "the answer of %s.%s has a secret where a number should be",
		     call->server_name, call->tool_name);
		return;
	}
	if (call->is_error) {
		call->kind = "tool_error";
		take_error_text(call);
	}
	finish(call);
}

static void take_result(struct call *call, struct buf *result)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	const struct config_limits *limits = &call->view->config->limits;

	if (result->len > (size_t)limits->result) {
		fail(call, "too_large", false, "ask the tool for less, or raise limits.result in the configuration",
		     "the answer of %s.%s has %zu bytes, limits.result is %lld", call->server_name, call->tool_name,
		     result->len, (long long)limits->result);
		return;
	}
	call->result = *result;
	*result = (struct buf)BUF_INIT(0);
	call->result.max = call->result.len + call->result.len / 2 + 4096; /* redaction may lengthen it */
	if (call->result.len >= CORE_LARGE &&
	    loop_work_start(call->core->loop, look_at_result, on_result, call, &err) == 0) {
		call->working = true;
		return;
	}
	look_at_result(call);
	on_result(call);
}

static void on_reply(void *user, struct upstream_reply *reply)
{
	struct call *call = user;
	const char *text = reply->message ? reply->message : "no reason given";

	call->request = NULL;
	switch (reply->outcome) {
	case UPSTREAM_OK:
		take_result(call, reply->result);
		return;
	case UPSTREAM_ERROR:
		fail(call, "tool_error", false, NULL, "%s", text);
		return;
	case UPSTREAM_DOWN:
		fail(call, "upstream_down", !reply->sent,
		     reply->sent ? "the call may have had its effect: look before you repeat it" : NULL, "%s", text);
		return;
	case UPSTREAM_TIMEOUT:
		fail(call, "timeout", false, "raise limits.call_ms or the server's timeout in the configuration",
		     "%s.%s did not answer within %lld ms", call->server_name, call->tool_name,
		     (long long)call->timeout_ms);
		return;
	case UPSTREAM_TOO_LARGE:
		fail(call, "too_large", false, "ask the tool for less", "%s", text);
		return;
	case UPSTREAM_CANCELLED:
		fail(call, "cancelled", false, NULL, "%s.%s was cancelled", call->server_name, call->tool_name);
		return;
	}
}

static void send(struct call *call)
{
	_cleanup_error_ struct error err = ERROR_INIT;

	if (upstream_call_take(call->server->shared->upstream, call->tool->name, &call->args,
			       (uint64_t)call->timeout_ms, NULL, on_reply, call, &call->request, &err) < 0)
		fail(call, "upstream_down", true, NULL, "%s", error_text(&err));
}

/* ---- policy ---- */

static void decide(struct call *call)
{
	struct policy_call facts_of_call = {
		.subject = call->view->subject,
		.server = call->server->config->name,
		.tool = call->tool->name,
		.args = span_of(buf_head(&call->args), call->args.len),
		.trusted = call->server->config->trusted,
		.read_only = call->tool->read_only,
		.destructive = call->tool->destructive,
		.idempotent = call->tool->idempotent,
		.open_world = call->tool->open_world,
		.allowed_tools = call->run && call->run->request.allowed_tools.items
					 ? (const char *const *)call->run->request.allowed_tools.items
					 : NULL,
	};
	/* Facts (a real path, the addresses of a host) are gathered here, between the two; no rule wants one yet. */
	struct policy_facts facts = {.have = policy_needs(call->view->policy, &facts_of_call)};

	policy_decide(call->view->policy, &facts_of_call, &facts, &call->decision);
	call->decided = true;
	switch (call->decision.verdict) {
	case POLICY_ALLOW:
		send(call);
		return;
	case POLICY_DENY:
		fail(call, "denied", false, call->decision.fix, "%s.%s is denied by %s", call->server_name,
		     call->tool_name, call->decision.rule);
		return;
	case POLICY_ASK:
		fail(call, "denied", false, call->decision.fix,
		     "%s.%s wants a person's word (%s), and nobody can be asked here", call->server_name,
		     call->tool_name, call->decision.rule);
		return;
	}
}

/* ---- arguments ---- */

static void look_at_args(void *user)
{
	struct call *call = user;
	struct span args = span_of(buf_head(&call->args), call->args.len), value = SPAN_NONE;

	if (span_check(args, true, &value, &call->args_error) < 0)
		return;
	if (span_type(value) != SPAN_OBJECT) {
		error_set(&call->args_error, -EINVAL, "they must be a JSON object");
		return;
	}
	call->args_fit = !call->schema || schema_check(call->schema->schema, value, &call->fix);
}

static void on_args(void *user)
{
	struct call *call = user;

	call->working = false;
	if (call->cancelled) {
		fail(call, "cancelled", false, NULL, "%s.%s was cancelled", call->server_name, call->tool_name);
		return;
	}
	if (call->args_error.code) {
		fail(call, "invalid_arguments", false, "pass one JSON object with each key once",
		     "the arguments of %s.%s: %s", call->server_name, call->tool_name, error_text(&call->args_error));
		return;
	}
	if (!call->args_fit) {
		redact_buf(call->view->redact, &call->fix);
		fail(call, "invalid_arguments", false, NULL, "the arguments do not fit %s.%s", call->server_name,
		     call->tool_name);
		return;
	}
	/* The list may have changed while another thread looked. */
	call->tool = upstream_find(call->server->shared->upstream, call->tool_name);
	if (!call->tool) {
		fail(call, "not_found", false, NULL, "%s.%s went away", call->server_name, call->tool_name);
		return;
	}
	decide(call);
}

static void check_args(struct call *call)
{
	_cleanup_error_ struct error err = ERROR_INIT;

	call->schema = catalogue_schema(call->view, call->tool);
	if (call->args.len >= CORE_LARGE && loop_work_start(call->core->loop, look_at_args, on_args, call, &err) == 0) {
		call->working = true;
		return;
	}
	look_at_args(call);
	on_args(call);
}

/* ---- names ---- */

static int rename_to(char **name, const char *to)
{
	char *copy = strdup(to);

	if (!copy)
		return -ENOMEM;
	free(*name);
	*name = copy;
	return 0;
}

static void check_tool(struct call *call)
{
	const char *hint = NULL;

	call->tool = catalogue_tool(call->view, call->server, call->tool_name, &hint);
	if (!call->tool) {
		_cleanup_free_ char *fix = NULL;

		if (hint &&
		    asprintf(&fix, "did you mean %s.%s? search_tools() finds tools", call->server_name, hint) < 0)
			fix = NULL;
		fail(call, "not_found", false, fix ? fix : "search_tools() finds tools", "server %s has no tool %s",
		     call->server_name, call->tool_name);
		return;
	}
	if (rename_to(&call->tool_name, call->tool->name) < 0) {
		fail(call, "internal", false, NULL, "no memory");
		return;
	}
	check_args(call);
}

static void on_ready(void *user, struct upstream_reply *reply)
{
	struct call *call = user;

	call->request = NULL;
	if (reply->outcome == UPSTREAM_OK)
		check_tool(call);
	else if (reply->outcome == UPSTREAM_CANCELLED)
		fail(call, "cancelled", false, NULL, "%s.%s was cancelled", call->server_name, call->tool_name);
	else
		fail(call, "upstream_down", true, NULL, "%s", reply->message ? reply->message : "no reason given");
}

static void reach_server(struct call *call)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct upstream *upstream;

	if (!call->server->shared) {
		fail(call, "upstream_down", false, NULL, "server %s cannot be used: %s", call->server_name,
		     call->server->problem ? call->server->problem : "no reason given");
		return;
	}
	upstream = call->server->shared->upstream;
	if (upstream_state(upstream) == UPSTREAM_READY)
		check_tool(call);
	else if (upstream_ensure(upstream, on_ready, call, &call->request, &err) < 0)
		fail(call, "upstream_down", true, NULL, "%s", error_text(&err));
}

static void resolve(struct call *call)
{
	const char *hint = NULL, *tool = NULL;

	call->server = call->server_name[0] ? catalogue_server(call->view, call->server_name, &hint) : NULL;
	if (!call->server && (call->server = catalogue_split(call->view, call->tool_name, &tool)))
		memmove(call->tool_name, tool, strlen(tool) + 1);
	if (!call->server) {
		_cleanup_free_ char *fix = NULL;

		if (hint && asprintf(&fix, "did you mean %s?", hint) < 0)
			fix = NULL;
		fail(call, "not_found", false,
		     fix ? fix : "hawser tools --servers lists the servers; mcpServers in the configuration adds one",
		     "there is no server %s", call->server_name);
		return;
	}
	if (rename_to(&call->server_name, call->server->config->name) < 0) {
		fail(call, "internal", false, NULL, "no memory");
		return;
	}
	reach_server(call);
}

/* ---- the broker's own tools ---- */

static void on_builtin(void *user, struct buf *json, const struct error *err)
{
	struct call *call = user;
	int r;

	if (err) {
		fail(call, "invalid_arguments", false, NULL, "%s", error_text(err));
		return;
	}
	call->result.max = json->len + 64;
	r = buf_append_str(&call->result, "{\"content\":[],\"structuredContent\":");
	if (r == 0)
		r = buf_append(&call->result, buf_head(json), json->len);
	if (r == 0)
		r = buf_append_str(&call->result, "}");
	if (r < 0)
		fail(call, "internal", false, NULL, "no memory for the answer");
	else
		finish(call);
}

static void run_builtin(struct call *call)
{
	_cleanup_error_ struct error err = ERROR_INIT;

	if (builtins_call(call->view, call->run, call->tool_name, span_of(buf_head(&call->args), call->args.len),
			  on_builtin, call, &err) < 0)
		fail(call, err.code == -ENOENT ? "not_found" : "invalid_arguments", false, NULL, "%s",
		     error_text(&err));
}

/* ---- the beginning ---- */

static bool over_budget(struct call *call)
{
	const struct config_limits *limits = &call->view->config->limits;
	struct run *run = call->run;

	if (run && run->calls >= (uint64_t)limits->calls) {
		fail(call, "budget", false, "raise limits.calls in the configuration", "the run made its %lld calls",
		     (long long)limits->calls);
		return true;
	}
	if (run && run->calls_open > (uint64_t)limits->calls_open) {
		fail(call, "budget", true, "await some calls before starting more, or raise limits.calls_open",
		     "more than %lld calls of the run are open", (long long)limits->calls_open);
		return true;
	}
	if (audit_is_resting(call->core)) {
		fail(call, "internal", true, "make room on the disk of the state directory",
		     "the audit log cannot be written, so no call is made");
		return true;
	}
	return false;
}

static void begin(struct call *call)
{
	if (over_budget(call))
		return;
	if (call->run)
		call->run->calls++;
	if (strcmp(call->server_name, "hawser") == 0)
		run_builtin(call);
	else
		resolve(call);
}

static int64_t timeout_of(const struct call_request *request)
{
	int64_t most = request->view->config->limits.call_ms;

	return request->timeout_ms > 0 && request->timeout_ms < most ? request->timeout_ms : most;
}

struct call *calls_start(const struct call_request *request, call_done_fn *done, void *user)
{
	struct call *call = calloc(1, sizeof(*call));

	if (!call)
		abort(); /* a few hundred bytes: nothing sensible is left to be done */
	call->core = request->view->core;
	call->view = view_ref(request->view);
	call->run = request->run;
	call->server_name = strdup(request->server);
	call->tool_name = strdup(request->tool);
	call->args = *request->args;
	*request->args = (struct buf)BUF_INIT(0);
	call->args_len = call->args.len;
	call->timeout_ms = timeout_of(request);
	call->done = done;
	call->user = user;
	call->started_ns = clock_now_ns();
	call->message.max = call->fix.max = CALL_MESSAGE_MAX;
	if (!call->server_name || !call->tool_name)
		abort();
	if (call->args.len == 0) {
		call->args.max = 2;
		if (buf_append(&call->args, "{}", 2) < 0)
			abort();
	}
	call->starting = true;
	begin(call);
	call->starting = false;
	return call;
}

void call_cancel(struct call *call)
{
	call->cancelled = true;
	if (call->request)
		upstream_cancel(call->request, "cancelled");
}

void calls_forget(struct call *call)
{
	call->done = NULL;
	call->run = NULL;
	call_cancel(call);
}
