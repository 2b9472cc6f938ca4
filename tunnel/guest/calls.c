/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tool calls on their way: an even stream of a shim's link becomes a `call` stream of the tunnel, its head gets the run
 * and an id, its answer comes back as it is.
 */
#include "tunnel/guest/shim.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CALL_FRAME_MAX = FRAME_PAYLOAD_MAX - 2 /* head and body of an OPEN */ };

static struct call *call_find(const struct shim_link *link, uint32_t stream)
{
	for (struct call *c = link->calls; c; c = c->next)
		if (c->shim_stream == stream)
			return c;
	return NULL;
}

/* Takes the call off its link. Its frames from the broker find no stream any more. */
static void call_free(struct call *call)
{
	struct run *run = call->run;

	for (struct call **at = &call->link->calls; *at; at = &(*at)->next)
		if (*at == call) {
			*at = call->next;
			break;
		}
	guest_stream_remove(run->guest, &call->stream);
	free(call);
	if (run->calls_open-- >= run->limits.calls_open)
		shim_run_writable(run); /* a link may wait for its turn */
}

static void call_cancel(struct call *call)
{
	static const char json[] = "{\"reason\":\"cancelled\"}";

	tunnel_reset(call->run->guest->tunnel, call->stream.id, json, sizeof(json) - 1);
	call_free(call);
}

void call_cancel_all(struct shim_link *link)
{
	while (link->calls)
		call_cancel(link->calls);
}

/* ---- from the shim ---- */

/* An answer of our own. */
static enum shim_verdict refuse(struct shim_link *link, uint32_t stream, const char *kind, const char *message,
				const char *fix)
{
	char json[512];
	int n = snprintf(json, sizeof(json),
			 "{\"ok\":false,\"kind\":\"%s\",\"message\":\"%s\",\"fix\":\"%s\",\"retryable\":false}", kind,
			 message, fix);

	return shim_queue(link, FRAME_HEAD, true, 0, stream, json, (size_t)n, NULL, 0) < 0 ? SHIM_BROKEN : SHIM_TAKEN;
}

/* The broker's head out of the shim's: names are spliced as they are written. */
static int call_head_json(struct run *run, struct span head, uint64_t id, struct buf *out)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct span object, server, tool, timeout;
	int r = span_check(head, true, &object, &err);

	if (r < 0)
		return r;
	server = span_member(object, "server");
	tool = span_member(object, "tool");
	timeout = span_member(object, "timeout_ms");
	if (!span_string_equals(span_member(object, "kind"), "call") || span_type(server) != SPAN_STRING ||
	    span_type(tool) != SPAN_STRING)
		return -EINVAL;
	r = buf_append_str(out, "{\"kind\":\"call\"");
	if (r == 0)
		r = buf_append_member(out, "run", run->id);
	if (r == 0)
		r = buf_printf(out, ",\"id\":%llu,\"server\":%.*s,\"tool\":%.*s", (unsigned long long)id,
			       (int)server.len, server.p, (int)tool.len, tool.p);
	if (r == 0 && span_type(timeout) == SPAN_NUMBER)
		r = buf_printf(out, ",\"timeout_ms\":%.*s", (int)timeout.len, timeout.p);
	return r == 0 ? buf_append_str(out, "}") : r;
}

/* Sends on what is left of a body; the stream's own credit and the tunnel's memory decide how much. */
static enum shim_verdict call_send(struct shim_link *link, struct call *call, const uint8_t *body, size_t len, bool fin)
{
	struct tunnel *t = link->run->guest->tunnel;
	ssize_t sent;

	if (len == link->done && (!fin || call->sent_all))
		return SHIM_TAKEN;
	sent = tunnel_send(t, call->stream.id, CHANNEL_MAIN, body + link->done, len - link->done, fin);
	if (sent < 0)
		return SHIM_TAKEN; /* the broker has abandoned it */
	link->done += (size_t)sent;
	if (link->done < len)
		return SHIM_BLOCKED;
	call->sent_all = fin;
	return SHIM_TAKEN;
}

static int call_new(struct shim_link *link, uint32_t stream, const struct buf *head, const uint8_t *body, size_t len,
		    bool fin, struct call **ret)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct run *run = link->run;
	struct call *call = calloc(1, sizeof(*call));
	size_t first = len < CALL_FRAME_MAX - head->len ? len : CALL_FRAME_MAX - head->len;
	uint32_t id;
	int r = call ? tunnel_open(run->guest->tunnel, (const char *)buf_head(head), head->len, body, first,
				   fin && first == len, &id, &err)
		     : -ENOMEM;

	if (r < 0) {
		free(call);
		return r;
	}
	*call = (struct call){.link = link, .run = run, .shim_stream = stream, .sent_all = fin && first == len};
	call->stream = (struct guest_stream){.kind = STREAM_CALL, .id = id};
	call->next = link->calls;
	link->calls = call;
	run->calls_open++;
	run->calls_made++;
	run->guest->calls++;
	guest_stream_add(run->guest, &call->stream);
	link->done = first;
	*ret = call;
	return 0;
}

static enum shim_verdict call_open(struct shim_link *link, const struct frame *f, const uint8_t *payload)
{
	_cleanup_buf_ struct buf head = BUF_INIT(FRAME_HEAD_MAX);
	struct run *run = link->run;
	const char *shim_head;
	const uint8_t *body;
	size_t shim_head_len, len;
	struct call *call = link->done > 0 ? call_find(link, f->stream) : NULL;
	int r;

	if (!frame_split_head(payload, f->length, &shim_head, &shim_head_len, &body, &len))
		return SHIM_BROKEN;
	if (call) /* it was opened, and waited for room */
		return call_send(link, call, body, len, f->flags & FRAME_FIN);
	if (link->done > 0)
		return SHIM_TAKEN; /* it was opened, and answered before the rest found room: not to be made again */
	if (f->stream == 0 || f->stream % 2 || call_find(link, f->stream))
		return SHIM_BROKEN;
	if (run->lost || run->state > RUN_RUNNING)
		return SHIM_TAKEN;
	if (run->calls_made >= run->limits.calls)
		return refuse(link, f->stream, "budget", "this run has made all the calls that it may make",
			      "Make fewer calls: filter in code, or ask for more at once.");
	if (run->calls_open >= run->limits.calls_open)
		return SHIM_BLOCKED;
	r = call_head_json(run, span_of(shim_head, shim_head_len), run->guest->calls + 1, &head);
	if (r < 0)
		return refuse(link, f->stream, "invalid_arguments", "the head of this call is not one",
			      "Give server and tool as strings.");
	r = call_new(link, f->stream, &head, body, len, f->flags & FRAME_FIN, &call);
	if (r == -ENOBUFS)
		return SHIM_BLOCKED;
	if (r < 0)
		return refuse(link, f->stream, "too_large", "the names of this call are too long", "Shorten them.");
	return call_send(link, call, body, len, f->flags & FRAME_FIN);
}

enum shim_verdict call_frame(struct shim_link *link, const struct frame *f, const uint8_t *payload)
{
	struct call *call;

	if (f->type == FRAME_OPEN)
		return call_open(link, f, payload);
	call = call_find(link, f->stream);
	switch (f->type) {
	case FRAME_BODY:
		/* Behind the end of a call its body is no news: the answer came first, or it was refused. */
		return call && !call->sent_all ? call_send(link, call, payload, f->length, f->flags & FRAME_FIN)
					       : SHIM_TAKEN;
	case FRAME_RESET:
		if (call)
			call_cancel(call);
		return SHIM_TAKEN;
	case FRAME_TAIL:
		return SHIM_TAKEN;
	default:
		return SHIM_BROKEN;
	}
}

/* ---- from the broker ---- */

static void call_failed(struct call *call, int r)
{
	if (r < 0)
		call_cancel(call); /* the link is gone or cannot take it */
}

void call_head(struct call *call, const char *head, size_t len)
{
	call_failed(call, shim_queue(call->link, FRAME_HEAD, false, 0, call->shim_stream, head, len, NULL, 0));
}

void call_body(struct call *call, const uint8_t *data, size_t len)
{
	call->deferred += len;
	call->link->deferred = true;
	if (!shim_merge_body(call->link, call->shim_stream, data, len))
		call_failed(call, shim_queue(call->link, FRAME_BODY, false, 0, call->shim_stream, NULL, 0, data, len));
}

void call_end(struct call *call, const char *tail, size_t len)
{
	(void)tail;
	(void)len;
	(void)!shim_queue_fin(call->link, call->shim_stream);
	if (!call->sent_all) /* an answer before all arguments: the rest is not wanted */
		call_cancel(call);
	else
		call_free(call);
}

void call_reset(struct call *call, const char *json, size_t len)
{
	(void)!shim_queue(call->link, FRAME_RESET, false, 0, call->shim_stream, NULL, 0, (const uint8_t *)json, len);
	call_free(call);
}

void call_lost(struct call *call)
{
	static const char json[] = "{\"reason\":\"lost\",\"message\":\"the connection to the broker began anew\"}";

	call_reset(call, json, sizeof(json) - 1);
}

void call_writable(struct call *call)
{
	shim_run_writable(call->run);
}

void call_settle(struct shim_link *link)
{
	for (struct call *c = link->calls; c; c = c->next) {
		if (c->deferred > 0)
			tunnel_consumed(link->run->guest->tunnel, c->stream.id, c->deferred);
		c->deferred = 0;
	}
}
