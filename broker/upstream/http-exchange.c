/* SPDX-License-Identifier: Apache-2.0 */
/* One request, as it is written: its URL, its headers, its body; and its end. What comes back is in the other files. */
#include "broker/upstream/http-internal.h"

#include "base/http-url.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>

enum { HEADERS_MAX = 8, HEADER_TEXT_MAX = SSE_ID_MAX + 64 };

struct exchange *exchange_new(struct http_transport *t, int kind, uint64_t id)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct exchange *ex = calloc(1, sizeof(*ex));

	if (!ex)
		return NULL;
	ex->t = t;
	ex->kind = kind;
	ex->id = id;
	ex->session = t->session_number;
	sse_init(&ex->sse, t->message_max);
	DL_APPEND(t->exchanges, ex);
	if (loop_timer_new(t->loop, stream_on_timer, ex, &ex->timer, &err) < 0 || stream_wire_new(ex, &err) < 0) {
		exchange_free(ex);
		return NULL;
	}
	return ex;
}

void exchange_free(struct exchange *ex)
{
	if (!ex || ex->dead)
		return;
	ex->dead = true;
	DL_DELETE(ex->t->exchanges, ex);
	if (ex->kind == OUTGOING_CALL)
		http_tell_drained(ex->t);
	http_free(ex->http);
	wire_free(ex->wire);
	loop_timer_free(ex->timer);
	sse_done(&ex->sse);
	buf_done(&ex->head);
	buf_done(&ex->body);
	buf_done(&ex->text);
	free(ex->url);
	free(ex->fault);
	free(ex->cut);
	loop_defer(ex->t->loop, free, ex); /* its callbacks may be on the stack */
}

void exchange_lost(struct exchange *ex, enum upstream_outcome outcome, const char *why)
{
	struct http_transport *t = ex->t;
	char *fault = TAKE_PTR(ex->fault); /* why may be it: it outlives the exchange */
	uint64_t id = ex->answered ? 0 : ex->id;
	bool left = ex->left, vital = ex->kind == OUTGOING_INITIALIZED || (ex->kind == EXCHANGE_LISTEN && t->old);

	exchange_free(ex);
	if (id)
		t->events.lost(t->user, id, outcome, left, why);
	else if (vital)
		t->events.ended(t->user, why);
	free(fault);
}

/* ---- events of the request ---- */

static void on_head(void *user, int status)
{
	answer_head(user, status);
}

static size_t on_data(void *user, const uint8_t *bytes, size_t len)
{
	return stream_data(user, bytes, len);
}

/* Where it was going, without what may be a secret in its query. */
static int short_url(const struct exchange *ex)
{
	return (int)strcspn(ex->url, "?");
}

/* It may be sent again, when there is somebody to send it to. */
static void return_call(struct exchange *ex, const char *why)
{
	_cleanup_buf_ struct buf body = ex->body;
	struct http_transport *t = ex->t;

	ex->body = (struct buf)BUF_INIT(0);
	t->events.returned(t->user, ex->id, &body, false, why);
	if (!http_unreachable(t, ex, why))
		exchange_free(ex);
}

/* What to look at, by the code of the reason (http.h). */
static const char *next_step(int code)
{
	static const struct {
		int code;
		const char *text;
	} steps[] = {
		{-ECONNREFUSED, "; is the server running? Start it, or correct the url of its entry"},
		{-EHOSTUNREACH, "; check the host in the url of its entry, and the network"},
		{-ETIMEDOUT, "; is the server running, and does a firewall or a proxy stand between?"},
		{-EPROTO, "; does it speak TLS there? If not, write http:// in the url of its entry"},
		{-EKEYREJECTED, "; to trust another authority, write caFile: FILE"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
		if (steps[i].code == code)
			return steps[i].text;
	return "";
}

/* Nobody has seen a byte of it. */
static void not_reached(struct exchange *ex, const struct error *reason)
{
	_cleanup_free_ char *why = NULL;
	int shown = short_url(ex);

	if (asprintf(&why, "cannot be reached at %.*s: %.900s%s", shown > 512 ? 512 : shown, ex->url,
		     error_text(reason), next_step(reason->code)) < 0)
		abort();
	if (ex->kind == OUTGOING_CALL)
		return_call(ex, why);
	else if (!http_unreachable(ex->t, ex, why))
		stream_over(ex, why);
}

static void on_done(void *user, const struct error *reason)
{
	struct exchange *ex = user;
	bool sent = http_was_sent(ex->http);

	ex->left = ex->left || sent;
	if (ex->kind == EXCHANGE_LEAVE)
		http_left(ex->t);
	else if (reason && !(ex->kind == EXCHANGE_LISTEN ? sent : ex->left))
		not_reached(ex, reason);
	else
		stream_over(ex, reason ? error_text(reason) : NULL);
}

/* ---- its start ---- */

struct header_lines {
	char text[HEADERS_MAX][HEADER_TEXT_MAX];
	const char *lines[HEADERS_MAX + 1];
	size_t count;
};

static void add_line(struct header_lines *h, const char *name, const char *value)
{
	snprintf(h->text[h->count], HEADER_TEXT_MAX, "%s: %s", name, value);
	if (!http_header_good(h->text[h->count]))
		return;
	h->lines[h->count] = h->text[h->count];
	h->lines[++h->count] = NULL;
}

static void compose_headers(const struct exchange *ex, bool post, struct header_lines *h)
{
	const struct http_transport *t = ex->t;

	*h = (struct header_lines){0};
	if (post)
		add_line(h, "Content-Type", "application/json");
	add_line(h, "Accept", post ? "application/json, text/event-stream" : "text/event-stream");
	if (!post)
		add_line(h, "Cache-Control", "no-cache");
	if (!t->old && t->session[0])
		add_line(h, "Mcp-Session-Id", t->session);
	if (!t->old && t->version[0])
		add_line(h, "MCP-Protocol-Version", t->version);
	if (!post && ex->sse.id[0])
		add_line(h, "Last-Event-ID", ex->sse.id);
}

static struct iovec iov_of(const struct buf *b)
{
	return (struct iovec){buf_head(b), b->len};
}

/* Told on the next turn: whoever sends does not wait for an answer yet. */
static void start_failed(struct exchange *ex, const struct error *reason)
{
	free(ex->fault);
	if (asprintf(&ex->fault, "cannot be asked: %s", error_text(reason)) < 0)
		abort();
	ex->broken = true;
	loop_timer_start(ex->timer, 0);
}

void exchange_start(struct exchange *ex)
{
	static const struct http_events events = {.head = on_head, .data = on_data, .done = on_done};
	/* An answer that was cut is asked for with GET; all else that is no message is GET too. */
	bool post = ex->kind <= OUTGOING_CALL && !ex->resumes;
	struct http_transport *t = ex->t;
	_cleanup_error_ struct error err = ERROR_INIT;
	struct header_lines h;
	struct http_options o = {
		.method = ex->kind == EXCHANGE_LEAVE ? "DELETE"
			  : post                     ? "POST"
						     : "GET",
		.headers = (const char *const *)t->headers,
		.more_headers = h.lines,
		.ca_file = t->ca_file,
		.proxy = t->proxy,
		.no_proxy = t->no_proxy,
		.connect_ms = HTTP_CONNECT_MS,
	};

	if (!ex->url)
		ex->url = strdup(t->target && !(t->old && ex->kind == EXCHANGE_LISTEN) ? t->target : t->url);
	if (!ex->url)
		abort();
	compose_headers(ex, post, &h);
	ex->in_session = t->session[0];
	ex->theirs = strcmp(ex->url, t->url) != 0;
	o.url = ex->url;
	o.public_only = ex->theirs && !t->peer_private;
	if (post) {
		o.body[0] = iov_of(&ex->head);
		o.body[1] = iov_of(&ex->body);
		o.body[2] = (struct iovec){ex->tail, ex->tail_len};
	}
	ex->state = OPEN;
	ex->body_kind = BODY_IGNORED;
	ex->body_over = false;
	http_free(ex->http);
	ex->http = NULL;
	if (http_new(t->loop, &o, &events, ex, &ex->http, &err) < 0)
		start_failed(ex, &err);
	else if (wire_paused(ex->wire)) /* by what an earlier stream brought */
		http_pause(ex->http);
}
