/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies of answers: one JSON text, or a stream of events. Every message goes through the exchange's wire, which checks
 * big ones on another thread. A stream that ends before its answer has come is resumed behind the last event that had
 * an id; one without ids is lost.
 */
#include "broker/upstream/http-internal.h"

#include <stdio.h>
#include <string.h>
#include <utlist.h>

static void settle(struct exchange *ex);

/* ---- messages ---- */

static bool is_answer_to(const struct exchange *ex, const struct jsonrpc_message *m)
{
	int64_t id;

	return m->kind != JSONRPC_REQUEST && m->kind != JSONRPC_NOTIFICATION && ex->id && span_int64(m->id, &id) == 0 &&
	       (uint64_t)id == ex->id;
}

static bool holds_answer_to(const struct exchange *ex, struct span batch)
{
	struct jsonrpc_message m;
	struct span element;
	size_t at = 0;

	while (span_next_element(batch, &at, &element)) {
		jsonrpc_read(element, &m);
		if (is_answer_to(ex, &m))
			return true;
	}
	return false;
}

void stream_message(struct exchange *ex, const struct jsonrpc_message *m, struct buf *line)
{
	struct http_transport *t = ex->t;

	if (m->kind == JSONRPC_ERROR && !m->id.p && ex->id) { /* about the request as a whole */
		free(ex->fault);
		ex->fault = span_strdup(m->error.message, 300);
		return;
	}
	if (is_answer_to(ex, m) || (m->kind == JSONRPC_BATCH && holds_answer_to(ex, m->whole))) {
		ex->answered = true;
		loop_timer_start(ex->timer, HTTP_LINGER_MS);
	}
	t->events.message(t->user, m, line, ex->id);
}

static void on_message(void *user, const struct jsonrpc_message *m, struct buf *line)
{
	stream_message(user, m, line);
}

static void on_garbage(void *user, struct span line, const char *why)
{
	struct exchange *ex = user;
	char text[400];

	(void)line;
	snprintf(text, sizeof(text), "gave an answer that cannot be read: %.300s", why);
	if (ex->id && !ex->answered)
		exchange_lost(ex, UPSTREAM_ERROR, text);
	else
		ex->t->events.garbage(ex->t->user, line, why);
}

static void on_pause(void *user, bool paused)
{
	struct exchange *ex = user;

	if (!ex->http)
		return;
	if (paused)
		http_pause(ex->http);
	else
		http_resume(ex->http);
}

static void on_idle(void *user)
{
	settle(user);
}

int stream_wire_new(struct exchange *ex, struct error *err)
{
	static const struct wire_events events = {
		.message = on_message, .garbage = on_garbage, .pause = on_pause, .idle = on_idle};

	return wire_new(ex->t->loop, ex->t->message_max, &events, ex, &ex->wire, err);
}

/* ---- bytes ---- */

static void too_large(struct exchange *ex)
{
	struct http_transport *t = ex->t;
	char text[128];

	snprintf(text, sizeof(text), "gave an answer of over %zu bytes", t->message_max);
	if (ex->kind == EXCHANGE_LISTEN)
		t->events.ended(t->user, text);
	else
		exchange_lost(ex, UPSTREAM_TOO_LARGE, text);
}

/* Many answers at once, each within its limit. */
static bool over_all(const struct exchange *ex)
{
	const struct exchange *other;
	size_t sum = 0;

	if (ex->text.len + ex->sse.data.len < 1 << 20)
		return false;
	DL_FOREACH (ex->t->exchanges, other)
		sum += other->text.len + other->sse.data.len;
	return sum > HTTP_HELD_MAX;
}

static void take_event(struct exchange *ex)
{
	ex->resumes = ex->resumes ? 1 : 0; /* there is progress: the count begins anew */
	if (strcmp(ex->sse.type, "endpoint") == 0 && ex->t->old) {
		_cleanup_free_ char *url = buf_steal(&ex->sse.data, NULL);

		if (url)
			http_set_endpoint(ex->t, ex, url);
	} else if (ex->sse.data.len && (!ex->sse.type[0] || strcmp(ex->sse.type, "message") == 0)) {
		wire_take(ex->wire, &ex->sse.data);
	}
}

static size_t take_events(struct exchange *ex, const uint8_t *bytes, size_t len)
{
	size_t at = 0, used;
	enum sse_result r;

	do {
		r = sse_read(&ex->sse, bytes + at, len - at, &used);
		at += used;
		if (r == SSE_TOO_LARGE || over_all(ex)) {
			too_large(ex);
			return len;
		}
		if (r == SSE_EVENT)
			take_event(ex);
	} while (r == SSE_EVENT && !ex->dead && !wire_paused(ex->wire));
	return ex->dead ? len : at;
}

size_t stream_data(struct exchange *ex, const uint8_t *bytes, size_t len)
{
	if (ex->body_kind == BODY_EVENTS)
		return take_events(ex, bytes, len);
	if (ex->body_kind == BODY_IGNORED)
		return len;
	if (ex->body_kind == BODY_FAULT && len > buf_room(&ex->text))
		(void)!buf_append(&ex->text, bytes, buf_room(&ex->text)); /* the beginning is enough */
	else if (buf_append(&ex->text, bytes, len) < 0 || over_all(ex))
		too_large(ex);
	return len;
}

/* ---- the end ---- */

static uint64_t pause_of(const struct exchange *ex)
{
	uint64_t ms = ex->sse.retry_ms >= 0 ? (uint64_t)ex->sse.retry_ms : HTTP_RETRY_MS;

	if (ex->kind == EXCHANGE_LISTEN)
		for (unsigned i = 1; i < ex->resumes && ms < HTTP_LISTEN_BACKOFF_MAX_MS; i++)
			ms += ms / 2 + 1;
	if (ms < HTTP_RETRY_MIN_MS)
		return HTTP_RETRY_MIN_MS;
	return ms < HTTP_RETRY_MAX_MS ? ms : HTTP_RETRY_MAX_MS;
}

static void again_later(struct exchange *ex)
{
	ex->resumes += ex->resumes < 100;
	ex->state = PAUSING;
	ex->http = http_free(ex->http);
	loop_timer_start(ex->timer, pause_of(ex));
}

void stream_on_timer(void *user)
{
	struct exchange *ex = user;

	if (ex->broken)
		exchange_lost(ex, UPSTREAM_DOWN, ex->fault);
	else if (ex->answered)
		exchange_free(ex);
	else if (ex->state == PAUSING)
		exchange_start(ex);
}

static void old_stream_over(struct exchange *ex, const char *reason)
{
	struct http_transport *t = ex->t;
	char why[1024];

	if (t->first_fault)
		snprintf(why, sizeof(why), "%s", t->first_fault);
	else if (ex->body_kind == BODY_FAULT)
		answer_describe(ex, why);
	else
		snprintf(why, sizeof(why), "closed its event stream%s%.400s", reason ? ": " : "", reason ? reason : "");
	t->events.ended(t->user, why);
}

static void listening_over(struct exchange *ex, const char *reason)
{
	struct http_transport *t = ex->t;
	bool refused = ex->body_kind == BODY_FAULT;

	if (t->old)
		old_stream_over(ex, reason);
	else if (refused && t->listened && ex->status == 404)
		http_forgot(t, ex->session, "answered 404 Not Found to the session's stream");
	else if (refused && !(t->listened && ex->status >= 500)) /* it has none to offer */
		exchange_free(ex);
	else
		again_later(ex);
}

/* A notification or an answer was taken, or not: nobody waits for it. */
static void note_over(struct exchange *ex, const char *reason)
{
	struct http_transport *t = ex->t;
	bool initialized = ex->kind == OUTGOING_INITIALIZED;
	char why[1024];

	if (initialized && (reason || ex->body_kind == BODY_FAULT)) {
		answer_describe(ex, why);
		exchange_lost(ex, UPSTREAM_DOWN, reason ? reason : why);
		return;
	}
	exchange_free(ex);
	if (!initialized)
		return;
	t->open = true;
	http_tell_drained(t);
	if (!t->old)
		http_listen(t);
	http_pump(t);
}

static bool can_resume(const struct exchange *ex)
{
	if (ex->resumes >= HTTP_RESUMES_MAX)
		return false;
	return (ex->body_kind == BODY_EVENTS && ex->sse.id[0]) || (ex->resumes && ex->cut);
}

/* All that came has been looked at, and the answer was not in it. */
static void answer_missing(struct exchange *ex)
{
	char why[512];

	if (can_resume(ex)) {
		again_later(ex);
	} else if (ex->cut) {
		snprintf(why, sizeof(why), "broke the connection in the middle of its answer: %.300s", ex->cut);
		exchange_lost(ex, UPSTREAM_DOWN, why);
	} else if (ex->body_kind == BODY_FAULT) {
		answer_refused(ex);
	} else if (ex->t->old && ex->status >= 200) { /* its answer comes on the stream */
		exchange_free(ex);
	} else {
		exchange_lost(ex, UPSTREAM_DOWN, ex->fault ? ex->fault : "ended its answer before the result had come");
	}
}

/* Nothing is judged before all bytes are here and no message of them is on another thread: it may be the answer. */
static void settle(struct exchange *ex)
{
	if (!ex->body_over || ex->dead || wire_busy(ex->wire))
		return;
	if (ex->answered)
		exchange_free(ex);
	else
		answer_missing(ex);
}

static void answer_over(struct exchange *ex, const char *reason)
{
	free(ex->cut);
	ex->cut = reason ? strdup(reason) : NULL;
	if (!reason && ex->body_kind == BODY_JSON && ex->text.len)
		wire_take(ex->wire, &ex->text);
	if (ex->dead)
		return;
	ex->body_over = true;
	settle(ex);
}

void stream_over(struct exchange *ex, const char *reason)
{
	if (ex->kind == EXCHANGE_LISTEN)
		listening_over(ex, reason);
	else if (!ex->id)
		note_over(ex, reason);
	else
		answer_over(ex, reason);
}
