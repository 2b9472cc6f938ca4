/* SPDX-License-Identifier: Apache-2.0 */
/* What the tunnel says, handed to whoever owns the stream. */
#include "tunnel/guest/guest.h"

#include "base/log.h"
#include "tunnel/guest/runs.h"
#include "tunnel/guest/server.h"

#include <string.h>

static struct guest_stream **bucket(struct guest *g, uint32_t id)
{
	return &g->streams[id % GUEST_BUCKETS];
}

struct guest_stream *guest_stream_find(const struct guest *g, uint32_t id)
{
	struct guest_stream *s = g->streams[id % GUEST_BUCKETS];

	while (s && s->id != id)
		s = s->next;
	return s;
}

void guest_stream_add(struct guest *g, struct guest_stream *s)
{
	s->next = *bucket(g, s->id);
	*bucket(g, s->id) = s;
}

void guest_stream_remove(struct guest *g, struct guest_stream *s)
{
	for (struct guest_stream **at = bucket(g, s->id); *at; at = &(*at)->next)
		if (*at == s) {
			*at = s->next;
			return;
		}
}

void guest_kick(struct guest *g)
{
	server_kick(g->server);
}

/* The owner of a stream, if it is of that kind; streams that are over here are taken and dropped. */
static struct run *run_of(struct guest *g, uint32_t id)
{
	struct guest_stream *s = guest_stream_find(g, id);

	return s && s->kind == STREAM_RUN ? (struct run *)s : NULL;
}

static struct call *call_of(struct guest *g, uint32_t id)
{
	struct guest_stream *s = guest_stream_find(g, id);

	return s && s->kind == STREAM_CALL ? (struct call *)s : NULL;
}

static struct hold *hold_of(struct guest *g, uint32_t id)
{
	struct guest_stream *s = guest_stream_find(g, id);

	return s && s->kind == STREAM_HOLD ? (struct hold *)s : NULL;
}

static void on_up(void *user, bool resumed)
{
	struct guest *g = user;

	if (!resumed)
		g->calls = 0;
	log_info("tunnel_up", LOG_S("resumed", resumed ? "yes" : "no"));
}

static void on_open(void *user, uint32_t stream, const char *head, size_t len)
{
	static const char unknown[] = "{\"reason\":\"unknown_kind\"}", bad[] = "{\"reason\":\"bad_head\"}";
	struct guest *g = user;
	_cleanup_error_ struct error err = ERROR_INIT;
	struct span object;

	if (span_check(span_of(head, len), false, &object, &err) < 0)
		tunnel_reset(g->tunnel, stream, bad, sizeof(bad) - 1);
	else if (span_string_equals(span_member(object, "kind"), "run"))
		run_open(g, stream, object);
	else if (span_string_equals(span_member(object, "kind"), "hold"))
		hold_open(g, stream, object);
	else
		tunnel_reset(g->tunnel, stream, unknown, sizeof(unknown) - 1);
}

static void on_head(void *user, uint32_t stream, const char *head, size_t len)
{
	struct call *call = call_of(user, stream);

	if (call)
		call_head(call, head, len);
}

static void on_body(void *user, uint32_t stream, uint16_t channel, const uint8_t *data, size_t len)
{
	struct guest *g = user;
	struct run *run = run_of(g, stream);
	struct call *call = call_of(g, stream);

	if (run)
		run_body(run, channel, data, len);
	else if (call && channel == CHANNEL_MAIN)
		call_body(call, data, len);
	else
		tunnel_consumed(g->tunnel, stream, len);
}

static void on_end(void *user, uint32_t stream, const char *tail, size_t len)
{
	struct run *run = run_of(user, stream);
	struct call *call = call_of(user, stream);

	if (run)
		run_end(run);
	else if (call)
		call_end(call, tail, len);
}

static void on_reset(void *user, uint32_t stream, const char *json, size_t len)
{
	struct run *run = run_of(user, stream);
	struct call *call = call_of(user, stream);
	struct hold *hold = hold_of(user, stream);

	if (run)
		run_reset(run, span_of(json, len));
	else if (call)
		call_reset(call, json, len);
	else if (hold)
		hold_reset(hold);
}

static void on_stream_lost(void *user, uint32_t stream)
{
	struct run *run = run_of(user, stream);
	struct call *call = call_of(user, stream);
	struct hold *hold = hold_of(user, stream);

	if (run)
		run_lost(run);
	else if (call)
		call_lost(call);
	else if (hold)
		hold_reset(hold);
}

static void on_writable(void *user, uint32_t stream)
{
	struct run *run = run_of(user, stream);
	struct call *call = call_of(user, stream);

	if (run)
		run_writable(run);
	else if (call)
		call_writable(call);
}

const struct tunnel_events guest_tunnel_events = {
	.up = on_up,
	.open = on_open,
	.head = on_head,
	.body = on_body,
	.end = on_end,
	.reset = on_reset,
	.stream_lost = on_stream_lost,
	.writable = on_writable,
};
