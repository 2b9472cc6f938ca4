/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One MCP session: a line becomes a message, a message a method of the table. A call that comes while something of the
 * client is missing is parked (parking.c); "hawser/env", which the relay in front answers, brings variables. What comes
 * while the broker stops is given back to the relay by "hawser/again".
 */
#include "broker/doors/mcp/internal.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>

int mcp_new(const struct mcp_options *options, struct mcp **ret, struct error *err)
{
	struct mcp *m = calloc(1, sizeof(*m));

	if (!m)
		return error_set(err, -ENOMEM, "no memory");
	m->o = *options;
	m->revision = MCP_2025_11_25;
	*ret = m;
	return 0;
}

struct mcp *mcp_free(struct mcp *m)
{
	if (!m)
		return NULL;
	while (m->requests)
		mcp_abandon(m->requests, "the client hung up");
	mcp_asking_done(m);
	mcp_roots_done(m);
	mcp_park_done(m);
	free(m);
	return NULL;
}

/* ---- ends of requests ---- */

static void send_buf(struct mcp *m, struct buf *out)
{
	/* a connection that does not take it is torn down by its owner */
	(void)!m->o.send(m->o.user, buf_head(out), out->len);
}

struct mcp_request *mcp_request_free(struct mcp_request *q)
{
	if (!q)
		return NULL;
	if (q->m) {
		DL_DELETE(q->m->requests, q);
		q->m->request_count--;
	}
	loop_timer_free(q->yield);
	loop_timer_free(q->progress);
	free(q->id);
	free(q->token);
	free(q);
	return NULL;
}

void mcp_abandon(struct mcp_request *q, const char *reason)
{
	assert(q->m); /* it was not abandoned before */
	if (q->run) {
		struct run *run = TAKE_PTR(q->run);

		run_follow(run, NULL, NULL);
		run_cancel(run, reason);
	}
	if (!q->owed) {
		mcp_request_free(q);
		return;
	}
	DL_DELETE(q->m->requests, q); /* core still owes it a callback, which frees it */
	q->m->request_count--;
	q->m = NULL;
}

void mcp_answer(struct mcp_request *q, struct span result)
{
	_cleanup_buf_ struct buf out = BUF_INIT(MCP_ANSWER_MAX);
	struct mcp *m = q->m;

	if (m && jsonrpc_write_response(&out, span_of(q->id, strlen(q->id)), result) < 0) {
		mcp_fail(q, JSONRPC_INTERNAL_ERROR, "the answer is too large");
		return;
	}
	mcp_request_free(q);
	if (m)
		send_buf(m, &out);
}

void mcp_answer_buf(struct mcp_request *q, struct buf *result)
{
	mcp_answer(q, span_of(buf_head(result), result->len));
}

void mcp_fail_with(struct mcp_request *q, int code, const char *message, struct span data)
{
	_cleanup_buf_ struct buf out = BUF_INIT(64 * 1024);
	struct mcp *m = q->m;
	int r = m ? jsonrpc_write_error(&out, span_of(q->id, strlen(q->id)), code, message, data) : 0;

	mcp_request_free(q);
	if (m && r == 0)
		send_buf(m, &out);
}

void mcp_fail(struct mcp_request *q, int code, const char *message)
{
	mcp_fail_with(q, code, message, SPAN_NONE);
}

void mcp_answer_tool(struct mcp_request *q, struct span text, struct span structured, bool is_error)
{
	_cleanup_buf_ struct buf out = BUF_INIT(MCP_ANSWER_MAX);
	int r = buf_append_str(&out, "{\"content\":[{\"type\":\"text\",\"text\":");

	if (r == 0)
		r = buf_append_json(&out, text.p ? text.p : "", text.len);
	if (r == 0)
		r = buf_append_str(&out, "}]");
	if (r == 0 && structured.p && q->m && q->m->revision >= MCP_2025_06_18) {
		r = buf_append_str(&out, ",\"structuredContent\":");
		if (r == 0)
			r = buf_append(&out, structured.p, structured.len);
	}
	if (r == 0)
		r = buf_append_str(&out, is_error ? ",\"isError\":true}" : "}");
	if (r < 0)
		mcp_fail(q, JSONRPC_INTERNAL_ERROR, "the answer is too large");
	else
		mcp_answer_buf(q, &out);
}

void mcp_answer_text(struct mcp_request *q, bool is_error, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list args;
	int n;

	va_start(args, fmt);
	n = vasprintf(&text, fmt, args);
	va_end(args);
	mcp_answer_tool(q, n < 0 ? SPAN_LIT("no memory") : span_of(text, (size_t)n), SPAN_NONE, is_error);
}

void mcp_refuse(struct mcp *m, struct span id, int code, const char *message)
{
	_cleanup_buf_ struct buf out = BUF_INIT(4096);

	if (jsonrpc_write_error(&out, id, code, message, SPAN_NONE) == 0)
		send_buf(m, &out);
}

void mcp_notify(struct mcp *m, const char *method, struct span params)
{
	_cleanup_buf_ struct buf out = BUF_INIT(1024 * 1024);

	if (jsonrpc_write_request(&out, SPAN_NONE, method, params) == 0)
		send_buf(m, &out);
}

/* ---- methods ---- */

typedef void method_fn(struct mcp_request *q, const struct jsonrpc_message *message);

static void method_initialize(struct mcp_request *q, const struct jsonrpc_message *message)
{
	struct span wanted = message->params.p ? span_member(message->params, "protocolVersion") : SPAN_NONE;
	_cleanup_buf_ struct buf out = BUF_INIT(MCP_ANSWER_MAX);
	struct mcp *m = q->m;

	if (!mcp_revision_find(wanted, &m->revision))
		m->revision = MCP_2025_11_25;
	mcp_asking_init(m, message->params);
	mcp_roots_init(m, message->params);
	if (buf_printf(&out, "{\"protocolVersion\":\"%s\",", mcp_revision_name(m->revision)) < 0 ||
	    mcp_put_initialize(m, &out) < 0)
		mcp_fail(q, JSONRPC_INTERNAL_ERROR, "no memory");
	else
		mcp_answer_buf(q, &out);
	mcp_unpark(m); /* a question for roots that they waited for is forgotten with the handshake before */
}

static void method_ping(struct mcp_request *q, const struct jsonrpc_message *message)
{
	mcp_answer(q, SPAN_LIT("{}"));
}

static void method_tools_list(struct mcp_request *q, const struct jsonrpc_message *message)
{
	_cleanup_buf_ struct buf out = BUF_INIT(MCP_ANSWER_MAX);

	if (mcp_put_tools(q->m, &out) < 0)
		mcp_fail(q, JSONRPC_INTERNAL_ERROR, "no memory");
	else
		mcp_answer_buf(q, &out);
}

static void method_prompts_list(struct mcp_request *q, const struct jsonrpc_message *message)
{
	_cleanup_buf_ struct buf out = BUF_INIT(MCP_ANSWER_MAX);

	if (mcp_put_prompts(&out) < 0)
		mcp_fail(q, JSONRPC_INTERNAL_ERROR, "no memory");
	else
		mcp_answer_buf(q, &out);
}

static void method_prompts_get(struct mcp_request *q, const struct jsonrpc_message *message)
{
	struct span name = message->params.p ? span_member(message->params, "name") : SPAN_NONE;
	_cleanup_buf_ struct buf out = BUF_INIT(MCP_ANSWER_MAX);

	if (!name.p || !span_string_equals(name, "code_mode"))
		mcp_fail(q, JSONRPC_INVALID_PARAMS, "no such prompt; there is code_mode");
	else if (mcp_put_prompt(door_client_get(q->m->o.client), &out) < 0)
		mcp_fail(q, JSONRPC_INTERNAL_ERROR, "no memory");
	else
		mcp_answer_buf(q, &out);
}

static const struct {
	const char *name;
	method_fn *handle;
} methods[] = {
	{"initialize", method_initialize},     {"ping", method_ping},
	{"tools/list", method_tools_list},     {"tools/call", mcp_tools_call},
	{"prompts/list", method_prompts_list}, {"prompts/get", method_prompts_get},
};

static void on_request(struct mcp *m, const struct jsonrpc_message *message)
{
	struct mcp_request *q = calloc(1, sizeof(*q));

	if (!q || !(q->id = strndup(message->id.p, message->id.len))) {
		free(q);
		return;
	}
	q->m = m;
	DL_APPEND(m->requests, q);
	if (++m->request_count > MCP_REQUESTS_MAX)
		return mcp_fail(q, JSONRPC_INTERNAL_ERROR, "too many requests at once");
	if (mcp_refuse_revision(q, message->params))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
		if (span_string_equals(message->method, methods[i].name))
			return methods[i].handle(q, message);
	mcp_fail(q, JSONRPC_METHOD_NOT_FOUND, "no such method");
}

static void on_cancelled(struct mcp *m, struct span params)
{
	struct span id = params.p ? span_member(params, "requestId") : SPAN_NONE;

	if (!id.p || mcp_park_cancel(m, id))
		return;
	for (struct mcp_request *q = m->requests; q; q = q->next)
		if (span_equals(id, q->id))
			return mcp_abandon(q, "cancelled by the client");
}

static void on_notification(struct mcp *m, const struct jsonrpc_message *message)
{
	if (span_string_equals(message->method, "notifications/cancelled"))
		on_cancelled(m, message->params);
	else if (span_string_equals(message->method, "notifications/initialized"))
		mcp_roots_ask(m);
	else if (span_string_equals(message->method, "notifications/roots/list_changed"))
		mcp_roots_changed(m);
	else if (span_string_equals(message->method, "hawser/env"))
		mcp_park_variables(m, message->params);
}

static void on_message(struct mcp *m, const struct jsonrpc_message *message)
{
	switch (message->kind) {
	case JSONRPC_REQUEST:
		if (!span_string_equals(message->method, "tools/call") ||
		    (!mcp_pass_on(m, message) && !mcp_park(m, message)))
			on_request(m, message);
		return;
	case JSONRPC_NOTIFICATION:
		on_notification(m, message);
		return;
	case JSONRPC_RESPONSE:
	case JSONRPC_ERROR:
		if (!mcp_roots_answered(m, message))
			mcp_asking_answered(m, message);
		return;
	case JSONRPC_INVALID:
	case JSONRPC_BATCH:
		break;
	}
	mcp_refuse(m, message->id, JSONRPC_INVALID_REQUEST,
		   message->fault ? message->fault : "batches are not spoken in this revision");
}

/* Each message costs an answer and more: a line of 80 MiB would be 40 million, all in one turn of the loop. */
static bool is_long_batch(struct span batch)
{
	struct span element;
	size_t at = 0, count = 0;

	while (count <= MCP_BATCH_MAX && span_next_element(batch, &at, &element))
		count++;
	return count > MCP_BATCH_MAX;
}

void mcp_line(struct mcp *m, struct span line)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct jsonrpc_message message, part;
	struct span element;
	size_t at = 0;

	if (line.len == 0)
		return;
	if (jsonrpc_parse(line, true, &message, &err) < 0)
		return mcp_refuse(m, SPAN_NONE, JSONRPC_PARSE_ERROR, error_text(&err));
	if (message.kind != JSONRPC_BATCH || m->revision != MCP_2025_03_26)
		return on_message(m, &message);
	if (is_long_batch(message.whole))
		return mcp_refuse(m, SPAN_NONE, JSONRPC_INVALID_REQUEST, "a batch has at most 256 messages");
	while (span_next_element(message.whole, &at, &element)) { /* each is answered by a line of its own */
		jsonrpc_read(element, &part);
		on_message(m, &part);
	}
}
