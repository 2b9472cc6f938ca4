/* SPDX-License-Identifier: Apache-2.0 */
/* The applications of the simulation: what they do by chance, and what must hold whatever they do. */
#include "tests/scenario/tunnel-sim.h"

#include "tunnel/proto/trace.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { SEND_MOST = 100000, PLAN_SMALL = 8000, PLAN_MOST = 600000 };

static uint8_t pattern(int stream, int who, uint64_t at)
{
	uint64_t x = ((uint64_t)stream * 2 + (uint64_t)who + 1) * 0x9e3779b97f4a7c15u + at * 0xbf58476d1ce4e5b9u;

	return (uint8_t)(x >> 32);
}

/* How much one direction of a stream will carry: mostly little, now and then more than the credit. */
static uint64_t plan_bytes(struct sim *s)
{
	return sim_random(s, sim_random(s, 16) ? PLAN_SMALL : PLAN_MOST);
}

/* ---- events ---- */

static struct sim_stream *stream_by_id(struct sim_end *e, uint32_t id, int *ret_index)
{
	int index = id < SIM_STREAMS * 2 ? e->stream_of[id] - 1 : -1;

	SIM_CHECK(e->sim, index >= 0);
	if (ret_index)
		*ret_index = index;
	return &e->sim->streams[index];
}

static void receive(struct sim_end *e, uint32_t id, const uint8_t *data, size_t len)
{
	struct sim *s = e->sim;
	int index;
	struct sim_stream *st = stream_by_id(e, id, &index);
	struct half *h = &st->half[e->who], *other = &st->half[!e->who];

	SIM_CHECK(s, h->open && !h->recv_over);
	SIM_CHECK(s, h->received + len <= other->sent);
	for (size_t i = 0; i < len; i++)
		if (data[i] != pattern(index, !e->who, h->received + i))
			sim_fail(s, "stream %u: wrong byte at %" PRIu64, id, h->received + i);
	h->received += len;
	s->totals.bytes += len;
	SIM_CHECK(s, h->received - h->consumed <= SIM_WINDOW); /* credit is respected */
}

static void on_up(void *user, bool resumed)
{
	struct sim_end *e = user;

	if (resumed) {
		e->sim->totals.resumed++;
		return;
	}
	e->sim->totals.anew++;
	for (uint32_t id = e->who == 0 ? 2 : 1; id < SIM_STREAMS * 2; id += 2)
		e->stream_of[id] = 0; /* the other end's numbers may come again */
	if (e->sim->fed->life[!e->who] == e->sim->end[!e->who].life)
		e->stale = false;
	e->pending_count = 0;
}

static void on_open(void *user, uint32_t id, const char *head, size_t len)
{
	struct sim_end *e = user;
	struct sim *s = e->sim;
	char text[32];
	int index;

	SIM_CHECK(s, len < sizeof(text) && id < SIM_STREAMS * 2);
	memcpy(text, head, len);
	text[len % sizeof(text)] = '\0';
	SIM_CHECK(s, sscanf(text, "{\"m\":%d}", &index) == 1 && index < s->stream_count);
	struct sim_stream *st = &s->streams[index];
	struct half *h = &st->half[e->who];

	SIM_CHECK(s, st->opener == !e->who && h->id == 0 && e->stream_of[id] == 0); /* never twice */
	SIM_CHECK(s, st->half[!e->who].id == id);
	*h = (struct half){.id = id, .open = true, .plan = plan_bytes(s)};
	e->stream_of[id] = index + 1;
	if (st->kept)
		tunnel_keep_after_reset(e->t, id);
}

static void on_head(void *user, uint32_t id, const char *head, size_t len)
{
	struct sim_end *e = user;
	struct sim_stream *st = stream_by_id(e, id, NULL);

	SIM_CHECK(e->sim, st->opener == e->who && len == 2 && memcmp(head, "{}", 2) == 0);
	SIM_CHECK(e->sim, st->half[!e->who].answered && !st->half[e->who].answered);
	st->half[e->who].answered = true;
}

static void on_body(void *user, uint32_t id, uint16_t channel, const uint8_t *data, size_t len)
{
	receive(user, id, data, len);
}

static void half_settle(struct half *h)
{
	if (h->send_over && h->recv_over)
		h->open = false;
}

static void on_end(void *user, uint32_t id, const char *tail, size_t len)
{
	struct sim_end *e = user;
	struct sim_stream *st = stream_by_id(e, id, NULL);
	struct half *h = &st->half[e->who];

	SIM_CHECK(e->sim, h->open && !h->recv_over);
	SIM_CHECK(e->sim, st->half[!e->who].send_over && h->received == st->half[!e->who].sent);
	h->recv_over = true;
	half_settle(h);
}

static void on_reset(void *user, uint32_t id, const char *json, size_t len)
{
	struct sim_end *e = user;
	struct sim_stream *st = stream_by_id(e, id, NULL);
	struct half *h = &st->half[e->who];

	SIM_CHECK(e->sim, h->open && (st->half[!e->who].reset || st->cancelled));
	h->recv_over = true;
	if (st->kept && st->opener != e->who) {
		half_settle(h);
		return;
	}
	h->open = false;
}

static void on_lost(void *user, uint32_t id)
{
	struct sim_end *e = user;
	struct sim_stream *st = stream_by_id(e, id, NULL);

	SIM_CHECK(e->sim, st->doomed && st->half[e->who].open);
	st->half[e->who].open = false;
	e->stream_of[id] = 0;
}

static void on_writable(void *user, uint32_t id)
{
	struct sim_end *e = user;

	SIM_CHECK(e->sim, tunnel_room(e->t, id) > 0);
}

static void on_frame(void *user, uint32_t id, uint32_t sequence)
{
	struct sim_end *e = user;

	if (e->pending_count == SIM_PENDING || sim_random(e->sim, 2))
		tunnel_handled(e->t, sequence);
	else
		e->pending[e->pending_count++] = sequence;
}

static void on_random(void *user, void *data, size_t len)
{
	uint64_t *seed = user;

	for (size_t i = 0; i < len; i++) {
		*seed = *seed * 6364136223846793005u + 1442695040888963407u;
		((uint8_t *)data)[i] = (uint8_t)(*seed >> 56);
	}
}

static void on_trace(void *user, uint64_t now_ms, bool outgoing, const struct frame *frame)
{
	struct sim_end *e = user;
	char line[TRACE_LINE_MAX] = "";
	size_t len = trace_format(line, now_ms, outgoing, e->who == 0 ? "dialler" : "listener", frame);

	fwrite(line, 1, len, e->sim->trace);
}

/* ---- life ---- */

void app_start(struct sim *s, int who)
{
	static const struct tunnel_events events = {
		.up = on_up,
		.open = on_open,
		.head = on_head,
		.body = on_body,
		.end = on_end,
		.reset = on_reset,
		.stream_lost = on_lost,
		.writable = on_writable,
		.frame = on_frame,
	};
	struct sim_end *e = &s->end[who];
	struct tunnel_options o = {.dialler = who == 0,
				   .id.bytes = {5},
				   .secret = {6},
				   .unacked_max = 1 << 20,
				   .random = on_random,
				   .random_user = &e->seed,
				   .trace = s->trace ? on_trace : NULL,
				   .trace_user = e};
	_cleanup_error_ struct error err = ERROR_INIT;

	e->sim = s;
	e->who = who;
	e->life++;
	e->seed += s->seed * 2 + (uint64_t)who + 1;
	on_random(&e->seed, &o.boot, sizeof(o.boot));
	e->stream_of = calloc(SIM_STREAMS * 2, sizeof(*e->stream_of));
	SIM_CHECK(s, e->stream_of && tunnel_new(&o, &events, e, &e->t, &err) == 0);
	e->pending_count = 0;
	e->stale = false;
}

/* All streams of this end die with it; those of the other will be told so. */
void app_stop(struct sim *s, int who)
{
	struct sim_end *e = &s->end[who];

	for (int i = 0; i < s->stream_count; i++) {
		struct sim_stream *st = &s->streams[i];

		/* Given up here, but on its way to the other end: it may still hear of it. */
		bool on_its_way = st->opener == who && st->half[!who].id == 0;

		if (st->half[who].open || st->half[!who].open || on_its_way)
			st->doomed = true;
		st->half[who].open = false;
	}
	s->end[!who].stale = true;
	e->t = tunnel_free(e->t);
	free(e->stream_of);
	e->stream_of = NULL;
}

/* ---- what they do ---- */

static void act_open(struct sim *s, int who)
{
	struct sim_end *e = &s->end[who];
	_cleanup_error_ struct error err = ERROR_INIT;
	int index = s->stream_count;
	struct sim_stream *st = &s->streams[index];
	struct half *h = &st->half[who];
	char head[32];
	uint8_t body[3000];
	size_t len = sim_random(s, 2) ? sim_random(s, sizeof(body)) : 0;
	uint64_t plan = sim_random(s, 3) ? plan_bytes(s) : 0;
	int n = snprintf(head, sizeof(head), "{\"m\":%d}", index), r;
	bool fin = plan <= len;

	if (index == SIM_STREAMS)
		return;
	for (size_t i = 0; i < len; i++)
		body[i] = pattern(index, who, i);
	*st = (struct sim_stream){.opener = who, .kept = sim_random(s, 3) == 0, .doomed = e->stale};
	r = tunnel_open(e->t, head, (size_t)n, body, len, fin, &h->id, &err);
	if (r == -ENOBUFS)
		return;
	SIM_CHECK(s, r == 0 && h->id < SIM_STREAMS * 2);
	h->open = true;
	h->plan = plan < len ? len : plan;
	h->sent = len;
	h->send_over = fin;
	e->stream_of[h->id] = index + 1;
	s->stream_count++;
	s->totals.streams++;
}

static void act_send(struct sim *s, int who, int index, size_t most)
{
	static uint8_t data[SEND_MOST];
	struct sim_end *e = &s->end[who];
	struct sim_stream *st = &s->streams[index];
	struct half *h = &st->half[who];
	_cleanup_error_ struct error err = ERROR_INIT;
	size_t len = h->plan - h->sent < most ? h->plan - h->sent : most, room = tunnel_room(e->t, h->id);
	bool fin = h->sent + len == h->plan;
	ssize_t n;

	if (st->opener != who && !h->answered) {
		int r = tunnel_head(e->t, h->id, "{}", 2, NULL, 0, false, &err);

		SIM_CHECK(s, r == 0 || r == -ENOBUFS);
		h->answered = r == 0;
		return;
	}
	if (fin && len == 0 && sim_random(s, 2)) {
		SIM_CHECK(s, tunnel_tail(e->t, h->id, "{}", 2) == 0);
		h->send_over = true;
		half_settle(h);
		return;
	}
	for (size_t i = 0; i < len; i++)
		data[i] = pattern(index, who, h->sent + i);
	n = tunnel_send(e->t, h->id, (uint16_t)sim_random(s, 6), data, len, fin);
	SIM_CHECK(s, n >= 0 && (size_t)n == (room < len ? room : len));
	h->sent += (uint64_t)n;
	h->send_over = fin && (size_t)n == len;
	half_settle(h);
}

static void act_consume(struct sim *s, int who, int index)
{
	struct half *h = &s->streams[index].half[who];
	size_t n = (size_t)(h->received - h->consumed);

	if (n > 0 && !s->quiet && sim_random(s, 2))
		n = 1 + sim_random(s, n);
	h->consumed += n;
	tunnel_consumed(s->end[who].t, h->id, n);
}

static void act_give_up(struct sim *s, int who, int index)
{
	struct sim_stream *st = &s->streams[index];
	struct half *h = &st->half[who];

	if (st->kept && st->opener == who) {
		tunnel_cancel(s->end[who].t, h->id, "{\"reason\":\"cancelled\"}", 22);
		st->cancelled = true;
		h->send_over = true;
		half_settle(h);
		return;
	}
	tunnel_reset(s->end[who].t, h->id, "{}", 2);
	h->reset = true;
	h->open = false;
}

static void act_handled(struct sim *s, int who, size_t most)
{
	struct sim_end *e = &s->end[who];

	while (most-- > 0 && e->pending_count > 0) {
		size_t i = sim_random(s, e->pending_count);

		tunnel_handled(e->t, e->pending[i]);
		e->pending[i] = e->pending[--e->pending_count];
	}
}

/* An open stream of this end, by chance; -1: none found. Recent ones are preferred, so that many are finished. */
static int pick(struct sim *s, int who)
{
	for (int tries = 0; tries < 8 && s->stream_count > 0; tries++) {
		int near = s->stream_count < 40 ? s->stream_count : 40;
		int i = s->stream_count - 1 - (int)sim_random(s, (uint64_t)near);

		if (s->streams[i].half[who].open)
			return i;
	}
	return -1;
}

void app_act(struct sim *s, int who)
{
	uint64_t what = sim_random(s, 100);
	int index = pick(s, who);
	struct half *h = index < 0 ? NULL : &s->streams[index].half[who];

	if (what < 6 || !h)
		act_open(s, who);
	else if (what < 50 && !h->send_over)
		act_send(s, who, index, 1 + sim_random(s, sim_random(s, 4) ? 200 : SEND_MOST));
	else if (what < 80)
		act_consume(s, who, index);
	else if (what < 97)
		act_handled(s, who, 1 + sim_random(s, 30));
	else if (what < 98 && !h->reset)
		act_give_up(s, who, index);
}

void app_finish(struct sim *s, int who)
{
	act_handled(s, who, SIM_PENDING);
	for (int i = 0; i < s->stream_count; i++) {
		struct half *h = &s->streams[i].half[who];

		if (!h->open)
			continue;
		act_consume(s, who, i);
		if (!h->send_over)
			act_send(s, who, i, SEND_MOST);
	}
}

bool app_settled(const struct sim *s)
{
	for (int i = 0; i < s->stream_count; i++)
		if (s->streams[i].half[0].open || s->streams[i].half[1].open)
			return false;
	for (int who = 0; who < 2; who++) {
		struct tunnel_stats stats;

		tunnel_stats(s->end[who].t, &stats);
		if (stats.unacked > 0 || stats.streams > 0)
			return false;
	}
	return true;
}

/* Each direction of each stream that nobody gave up and no restart killed arrived whole. */
void app_check_final(const struct sim *s)
{
	for (int i = 0; i < s->stream_count; i++) {
		const struct sim_stream *st = &s->streams[i];

		if (st->doomed || st->half[0].reset || st->half[1].reset)
			continue;
		for (int who = 0; who < 2; who++) {
			const struct half *from = &st->half[who], *to = &st->half[!who];

			if (st->cancelled && who == st->opener)
				continue;
			if (!to->recv_over || to->received != from->sent || from->sent != from->plan)
				sim_fail(s, "stream %d: %" PRIu64 " of %" PRIu64 " bytes arrived", i, to->received,
					 from->plan);
		}
	}
}
