/* SPDX-License-Identifier: Apache-2.0 */
/* The handshake, and what each message of a server means. */
#include "base/clock.h"
#include "broker/upstream/internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- the handshake ---- */

#define CLIENT_INFO "\"clientInfo\":{\"name\":\"hawser\",\"version\":\"" HAWSER_VERSION "\"}"

/* Roots do not change under a server: who has others uses another server (core/upstreams.c). */
#define ELICITATION "\"elicitation\":{}"
#define ROOTS "\"roots\":{\"listChanged\":false}"
#define HELLO(capabilities) \
	SPAN_LIT("{\"protocolVersion\":\"2025-11-25\",\"capabilities\":{" capabilities "}," CLIENT_INFO "}")

void session_initialize(struct upstream *u)
{
	static const struct span params[2][2] = {{HELLO(""), HELLO(ROOTS)},
						 {HELLO(ELICITATION), HELLO(ELICITATION "," ROOTS)}};
	_cleanup_buf_ struct buf message = BUF_INIT(1024);
	char id[24];

	u->initialize_id = ++u->last_id;
	u->roots_told_ms = 0;
	snprintf(id, sizeof(id), "%" PRIu64, u->initialize_id);
	if (jsonrpc_write_request(&message, span_of(id, strlen(id)), "initialize",
				  params[u->events.ask != NULL][u->offers_roots]) == 0)
		session_send(u, OUTGOING_INITIALIZE, u->initialize_id, &message);
}

static void fail_with_text(struct upstream *u, const char *before, struct span literal, const char *after)
{
	_cleanup_free_ char *text = span_strdup(literal, 1024);
	char why[1400];

	snprintf(why, sizeof(why), "%s%s%s", before, text ? text : "(nothing)", after);
	session_fail(u, why);
}

static void take_initialized(struct upstream *u, const struct jsonrpc_message *m)
{
	static const char *const spoken[] = {"2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"};
	_cleanup_buf_ struct buf message = BUF_INIT(256);
	struct span version = span_member(m->result, "protocolVersion");
	size_t i = 0;

	u->initialize_id = 0;
	if (m->kind == JSONRPC_ERROR) {
		fail_with_text(u, "refused to start: ", m->error.message, "");
		return;
	}
	while (i < ARRAY_SIZE(spoken) && !span_string_equals(version, spoken[i]))
		i++;
	if (i == ARRAY_SIZE(spoken)) {
		fail_with_text(u, "speaks MCP revision \"", version, "\"; Hawser speaks 2024-11-05 to 2025-11-25");
		return;
	}
	if (u->transport->ops->agreed)
		u->transport->ops->agreed(u->transport, spoken[i]);
	u->has_tools = span_type(span_pointer(m->result, "/capabilities/tools")) == SPAN_OBJECT;
	if (jsonrpc_write_request(&message, SPAN_NONE, "notifications/initialized", SPAN_NONE) == 0)
		session_send(u, OUTGOING_INITIALIZED, 0, &message);
	offers_ask(u, span_member(m->result, "capabilities"));
	tools_fetch(u);
}

/* ---- messages ---- */

static int answer_roots(struct upstream *u, const struct jsonrpc_message *m, struct buf *message)
{
	size_t len = strlen(u->roots);
	_cleanup_buf_ struct buf result = BUF_INIT(len + sizeof("{\"roots\":}"));
	int r = buf_printf(&result, "{\"roots\":%s}", u->roots);

	if (u->roots_told_ms == 0)
		u->roots_told_ms = clock_now_ms();
	message->max += len;
	return r < 0 ? r : jsonrpc_write_response(message, m->id, span_of(buf_head(&result), result.len));
}

bool upstream_asked_roots(const struct upstream *u)
{
	return u->roots_told_ms != 0;
}

static void answer_request(struct upstream *u, const struct jsonrpc_message *m)
{
	_cleanup_buf_ struct buf message = BUF_INIT(20 * 1024);
	_cleanup_free_ char *method = span_strdup(m->method, 128);
	char text[256];
	int r;

	if (span_string_equals(m->method, "ping")) {
		r = jsonrpc_write_response(&message, m->id, SPAN_LIT("{}"));
	} else if (span_string_equals(m->method, "roots/list") && u->roots) {
		r = answer_roots(u, m, &message);
	} else {
		if (span_string_equals(m->method, "sampling/createMessage"))
			u->offers |= UPSTREAM_SAMPLING;
		snprintf(text, sizeof(text), "Hawser does not offer %s: it declared no such capability",
			 method ? method : "this method");
		r = jsonrpc_write_error(&message, m->id, JSONRPC_METHOD_NOT_FOUND, text, SPAN_NONE);
	}
	if (r == 0)
		session_send(u, OUTGOING_NOTE, 0, &message);
}

static void take_notification(struct upstream *u, const struct jsonrpc_message *m)
{
	if (span_string_equals(m->method, "notifications/progress"))
		calls_progress(u, m->params);
	else if (span_string_equals(m->method, "notifications/tools/list_changed"))
		tools_changed(u);
	else if (span_string_equals(m->method, "notifications/cancelled"))
		asks_cancelled(u, m->params);
}

static void take_answer(struct upstream *u, const struct jsonrpc_message *m, struct buf *line)
{
	int64_t id;

	if (span_int64(m->id, &id) < 0 || id <= 0)
		return; /* not one of ours */
	if ((uint64_t)id == u->initialize_id)
		take_initialized(u, m);
	else if ((uint64_t)id == u->list_id)
		tools_answer(u, m, line);
	else if (!offers_answer(u, (uint64_t)id, m))
		calls_answer(u, (uint64_t)id, m, line);
}

/* Revision 2025-03-26 may put several messages in one line. */
static void take_batch(struct upstream *u, struct span array, uint64_t about)
{
	const struct transport *transport = u->transport;
	struct jsonrpc_message m;
	struct span element;
	size_t at = 0;

	while (u->transport == transport && !u->freed && span_next_element(array, &at, &element)) {
		jsonrpc_read(element, &m);
		if (m.kind != JSONRPC_BATCH)
			session_message(u, &m, NULL, about);
	}
}

void session_message(struct upstream *u, const struct jsonrpc_message *m, struct buf *line, uint64_t about)
{
	if (m->kind != JSONRPC_INVALID)
		u->garbage = 0;
	switch (m->kind) {
	case JSONRPC_REQUEST:
		if (!asks_take(u, m, about))
			answer_request(u, m);
		break;
	case JSONRPC_NOTIFICATION:
		take_notification(u, m);
		break;
	case JSONRPC_RESPONSE:
	case JSONRPC_ERROR:
		take_answer(u, m, line);
		break;
	case JSONRPC_BATCH:
		take_batch(u, m->whole, about);
		break;
	case JSONRPC_INVALID:
		if (m->id.p && !m->method.p)
			take_answer(u, m, line);
		else
			session_garbage(u, m->whole, m->fault);
		break;
	}
}
