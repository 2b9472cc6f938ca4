/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a call: what the server answered, or why none was asked, becomes the reply and a line of the audit log. */
#include "broker/core/call.h"

#include "base/clock.h"
#include "base/log.h"

#include <string.h>

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
	free(call->run_name);
	free(call->asked_id);
	free(call->answered_by);
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
		.run = call->run ? call->run->id : call->run_name,
		.server = call->server_name,
		.tool = call->tool_name,
		.verdict = call->decided ? policy_verdict_name(call->decision.verdict) : NULL,
		.rule = call->decided ? call->decision.rule : NULL,
		.approval = call->asked_id,
		.answer = ask_outcome_name(call->answer),
		.answered_by = call->answered_by,
		.waited_ms = call->waited_ns / 1000000u,
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

bool call_audit_is_resting(const struct core *core)
{
	return core->audit_failed_ms && clock_now_ms() - core->audit_failed_ms < CORE_AUDIT_REST_MS;
}

static void deliver(void *user)
{
	struct call *call = user;
	struct call_reply reply = {.ok = !call->kind, .kind = call->kind, .retryable = call->retryable};
	uint64_t ms = (clock_now_ns() - call->started_ns - call->waited_ns) / 1000000u;
	uint64_t bytes = call->result.len;

	call->core->calls_open--;
	if (!call->unrecorded && !(call->run && call->builtin))
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

void call_finish(struct call *call)
{
	if (call->starting)
		loop_defer(call->core->loop, deliver, call);
	else
		deliver(call);
}

void call_fail(struct call *call, const char *kind, bool retryable, const char *fix, const char *fmt, ...)
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
	call_finish(call);
}

/* ---- the answer of the server ---- */

/* As much of a text of the result as a message has room for. */
static int add_error_text(struct buf *message, struct span text)
{
	_cleanup_buf_ struct buf plain = BUF_INIT(text.len);
	size_t room = buf_room(message) - 1; /* the NUL of text_of() */
	int r = span_string(text, &plain);

	if (r < 0)
		return r;
	return buf_append(message, buf_head(&plain),
			  span_utf8_floor((const char *)buf_head(&plain), plain.len < room ? plain.len : room));
}

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
		if (call->message.len && (buf_room(&call->message) < 2 || buf_append(&call->message, "\n", 1) < 0))
			break;
		if (buf_room(&call->message) < 2 || add_error_text(&call->message, text) < 0)
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
	if (call->is_error)
		take_error_text(call);
}

static void on_result(void *user)
{
	struct call *call = user;

	call->working = false;
	if (call->result_error.code) {
		buf_done(&call->result);
		call_fail(call, "internal", false, NULL, "the answer of %s.%s has a secret where a number should be",
			  call->server_name, call->tool_name);
		return;
	}
	if (call->is_error)
		call->kind = "tool_error";
	call_finish(call);
}

static void take_result(struct call *call, struct buf *result)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	const struct config_limits *limits = &call->view->config->limits;

	if (result->len > (size_t)limits->result) {
		call_fail(call, "too_large", false,
			  "ask the tool for less, or raise limits.result in the configuration",
			  "the answer of %s.%s has %zu bytes, limits.result is %lld", call->server_name,
			  call->tool_name, result->len, (long long)limits->result);
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

void call_fail_down(struct call *call, const char *text)
{
	char cure[CALL_MESSAGE_MAX];

	view_server_cure(call->server, cure, sizeof(cure));
	call_fail(call, "upstream_down", true, *cure ? cure : NULL, "%s", text);
}

static void on_reply(void *user, struct upstream_reply *reply)
{
	struct call *call = user;
	const char *text = reply->message ? reply->message : "no reason given";

	if (reply->outcome == UPSTREAM_TIMEOUT && reply->sent)
		call_is_given_up(call);
	call->request = NULL;
	call_is_back(call);
	switch (reply->outcome) {
	case UPSTREAM_OK:
		take_result(call, reply->result);
		return;
	case UPSTREAM_ERROR:
		call_fail(call, "tool_error", false, NULL, "%s", text);
		return;
	case UPSTREAM_DOWN:
		if (!reply->sent)
			return call_fail_down(call, text);
		call_fail(call, "upstream_down", false, "the call may have had its effect: look before you repeat it",
			  "%s", text);
		return;
	case UPSTREAM_TIMEOUT:
		call_fail(call, "timeout", false, "raise limits.call_ms or the server's timeout in the configuration",
			  "%s.%s did not answer within %lld ms", call->server_name, call->tool_name,
			  (long long)call->timeout_ms);
		return;
	case UPSTREAM_TOO_LARGE:
		call_fail(call, "too_large", false, "ask the tool for less", "%s", text);
		return;
	case UPSTREAM_CANCELLED:
		call_fail(call, "cancelled", false, NULL, "%s.%s was cancelled", call->server_name, call->tool_name);
		return;
	}
}

void call_send(struct call *call)
{
	_cleanup_error_ struct error err = ERROR_INIT;

	if (audit_reserve(call->core->audit, call->core->calls_open, &err) < 0) {
		call->core->audit_failed_ms = clock_now_ms();
		log_error("audit_failed", LOG_S("reason", error_text(&err)));
		call->unrecorded = true;
		call_fail(call, "internal", true, "make room on the disk of the state directory", "%s",
			  error_text(&err));
		return;
	}
	if (upstream_call_take(call->server->shared->upstream, call->tool->name, &call->args,
			       (uint64_t)call->timeout_ms, NULL, on_reply, call, &call->request, &err) < 0)
		call_fail(call, "upstream_down", true, NULL, "%s", error_text(&err));
	else
		call_is_sent(call);
}
