/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two tunnels over a carrier that cuts, delays and splits. `test-tunnel-sim` runs seeds 1 to 12 and one by chance;
 * `test-tunnel-sim SEED [STEPS]` runs one; HAWSER_TRACE=FILE writes both ends' frames. Connections are cut in three
 * ways: both ends notice; the dialler does and dials again while the listener still reads what was on its way; or a
 * part of what was on its way is lost. Strangers connect too.
 */
#include "tests/scenario/tunnel-sim.h"

#include "tunnel/proto/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { STEPS = 6000, FINISH_STEPS = 200000, WIRE_MAX = 16 << 20, SEEDS = 12 };

uint64_t sim_random(struct sim *s, uint64_t below)
{
	s->random ^= s->random << 13;
	s->random ^= s->random >> 7;
	s->random ^= s->random << 17;
	return below ? (s->random >> 11) % below : 0;
}

void sim_fail(const struct sim *s, const char *fmt, ...)
{
	va_list ap;

	printf("not ok - seed %" PRIu64 ", step %lu: ", s->seed, s->step);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
	exit(1);
}

/* ---- connections ---- */

static void connection_close(struct sim *s, struct connection *c, int who)
{
	c->link[who] = tunnel_link_free(c->link[who]);
	buf_clear(&c->wire[who]);
	if (who == 0 && s->dialled == c) {
		s->dialled = NULL;
		s->dial_at = s->now + (tunnel_link_moved(s->end[0].t) ? 0 : 50) + sim_random(s, 20);
	}
	if (!c->link[0] && !c->link[1])
		c->used = false;
}

static void dial(struct sim *s)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct connection *c = NULL;

	for (int i = 0; i < SIM_CONNECTIONS; i++)
		if (!s->connections[i].used)
			c = &s->connections[i];
	if (!c) {
		for (int i = 0; i < SIM_CONNECTIONS; i++)
			connection_close(s, &s->connections[i], 1);
		return;
	}
	c->used = true;
	c->linger = UINT64_MAX;
	for (int who = 0; who < 2; who++) {
		buf_clear(&c->wire[who]);
		c->wire[who].max = WIRE_MAX;
		c->life[who] = s->end[who].life;
		SIM_CHECK(s, tunnel_link_new(s->end[who].t, s->now, NULL, NULL, &c->link[who], &err) == 0);
	}
	s->dialled = c;
}

static void cut(struct sim *s)
{
	struct connection *c = s->dialled;

	if (!c)
		return;
	s->totals.cuts++;
	if (sim_random(s, 2)) /* a part of what is on its way is lost */
		c->wire[1].len -= sim_random(s, c->wire[1].len + 1);
	connection_close(s, c, 0);
	if (sim_random(s, 3) == 0)
		connection_close(s, c, 1);
	else
		c->linger = s->now + sim_random(s, 60);
}

/* Somebody who has no secret, at the listener's door: his noise, or what he overheard. */
static void stranger(struct sim *s)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct tunnel_link *link;
	uint8_t noise[FRAME_HEADER + 96 + FRAME_HEADER + 32] = {0};
	struct frame hello = {.type = FRAME_HELLO, .length = 96}, proof = {.type = FRAME_PROOF, .length = 32};
	struct hello h = {.low = 1, .high = 1, .tunnel = s->end[0].t->options.id, .boot = s->end[0].t->boot};
	int r;

	s->totals.strangers++;
	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (uint8_t)sim_random(s, 256);
	if (sim_random(s, 2)) {
		if (sim_random(s, 2))
			h.boot.bytes[0] ^= 1;
		frame_encode(&hello, noise);
		hello_encode(&h, noise + FRAME_HEADER);
		frame_encode(&proof, noise + FRAME_HEADER + 96);
	}
	SIM_CHECK(s, tunnel_link_new(s->end[1].t, s->now, NULL, NULL, &link, &err) == 0);
	r = tunnel_feed(link, noise, sizeof(noise), s->now, &err);
	SIM_CHECK(s, r <= 0 && !tunnel_link_is_proven(link));
	tunnel_link_free(link);
}

/* ---- moving bytes ---- */

static void write_some(struct sim *s, struct connection *c, int who)
{
	struct buf *to = &c->wire[!who];
	struct iovec iov[16];
	struct tunnel_stats stats;
	size_t n, bytes = 0, most;

	if (!c->link[who] || to->len > 200000)
		return;
	n = tunnel_pull(c->link[who], iov, 1 + sim_random(s, 16), 1 + sim_random(s, 200000), s->now);
	for (size_t i = 0; i < n; i++)
		bytes += iov[i].iov_len;
	most = s->quiet || sim_random(s, 4) ? bytes : sim_random(s, bytes + 1);
	tunnel_pulled(c->link[who], most);
	for (size_t i = 0; i < n; i++) {
		size_t part = iov[i].iov_len < most ? iov[i].iov_len : most;

		if (c->link[!who])
			SIM_CHECK(s, buf_append(to, iov[i].iov_base, part) == 0);
		most -= part;
	}
	tunnel_stats(s->end[who].t, &stats);
	SIM_CHECK(s, stats.unacked <= 3u << 20 && stats.streams <= 3000);
}

static void read_some(struct sim *s, struct connection *c, int who)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct buf *from = &c->wire[who];
	size_t n = from->len;
	bool was_up;
	int r;

	if (!c->link[who] || n == 0)
		return;
	if (!s->quiet)
		n = sim_random(s, 3) ? 1 + sim_random(s, n) : 1 + sim_random(s, n < 40 ? n : 40);
	s->fed = c;
	was_up = tunnel_link_is_up(c->link[who]);
	r = tunnel_feed(c->link[who], buf_head(from), n, s->now, &err);
	buf_consume(from, n);
	if (r >= 0)
		return;
	/* The ends are honest: a link may be refused as stale or replaced, nothing else. */
	if (r != -ESTALE && r != -ECONNRESET)
		sim_fail(s, "end %d (%s): %s", who, was_up ? "up" : "not up", error_text(&err));
	connection_close(s, c, who);
}

static void tick(struct sim *s, struct connection *c, int who)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	int r;

	if (!c->link[who] || s->now < tunnel_deadline(c->link[who]))
		return;
	r = tunnel_tick(c->link[who], s->now, &err);
	if (r == -ESTALE || (r == -ETIMEDOUT && !s->quiet))
		connection_close(s, c, who);
	else if (r < 0)
		sim_fail(s, "end %d: %s", who, error_text(&err));
}

static void move(struct sim *s)
{
	for (int i = 0; i < SIM_CONNECTIONS; i++) {
		struct connection *c = &s->connections[i];

		for (int who = 0; who < 2 && c->used; who++) {
			write_some(s, c, who);
			if (s->quiet || sim_random(s, 3))
				read_some(s, c, who);
			tick(s, c, who);
		}
		if (c->used && s->now >= c->linger)
			connection_close(s, c, 1);
		if (c->used && !c->link[1] && c->link[0] && c->wire[0].len == 0)
			connection_close(s, c, 0);
	}
}

static void restart(struct sim *s, int who)
{
	s->totals.restarts++;
	for (int i = 0; i < SIM_CONNECTIONS; i++)
		if (s->connections[i].used)
			connection_close(s, &s->connections[i], who);
	app_stop(s, who);
	app_start(s, who);
	if (who == 0)
		s->dial_at = s->now;
}

/* ---- a run ---- */

/* Both numberings shortly before they wrap. Only while nothing is on its way. */
static void near_wrap(struct sim *s)
{
	const uint64_t count = UINT32_MAX - 40;

	for (int i = 0; i < 100; i++) {
		s->quiet = true;
		if (!s->dialled)
			dial(s);
		move(s);
	}
	s->quiet = false;
	SIM_CHECK(s, tunnel_is_up(s->end[0].t) && tunnel_is_up(s->end[1].t));
	for (int who = 0; who < 2; who++) {
		struct tunnel *t = s->end[who].t;

		t->sent = t->acked = t->arrived = t->received = t->handled = t->ack_sent = count;
	}
}

static void step(struct sim *s)
{
	uint64_t what = sim_random(s, 1000);

	s->now += sim_random(s, sim_random(s, 500) ? 3 : 40000);
	if (!s->dialled && s->now >= s->dial_at)
		dial(s);
	app_act(s, 0);
	app_act(s, 1);
	move(s);
	if (what < 40)
		cut(s);
	else if (what < 43)
		stranger(s);
	else if (what < 44)
		restart(s, (int)sim_random(s, 2));
}

static void finish(struct sim *s)
{
	s->quiet = true;
	for (int i = 0; i < FINISH_STEPS && !(app_settled(s) && !s->end[0].stale && !s->end[1].stale); i++) {
		s->step++;
		s->now += 5;
		if (!s->dialled && s->now >= s->dial_at)
			dial(s);
		app_finish(s, 0);
		app_finish(s, 1);
		move(s);
	}
	if (!app_settled(s))
		sim_fail(s, "does not come to rest");
	app_check_final(s);
}

static void run(uint64_t seed, unsigned long steps, struct sim_totals *ret)
{
	struct sim *s = calloc(1, sizeof(*s));
	struct tunnel_stats stats;

	if (!s)
		abort();
	s->seed = seed;
	s->random = (seed + 1) * 0x9e3779b97f4a7c15u;
	s->now = 1000;
	if (getenv("HAWSER_TRACE"))
		s->trace = fopen(getenv("HAWSER_TRACE"), "we");
	app_start(s, 0);
	app_start(s, 1);
	if (seed % 2)
		near_wrap(s);
	for (s->step = 0; s->step < steps; s->step++)
		step(s);
	finish(s);
	for (int who = 0; who < 2; who++) {
		tunnel_stats(s->end[who].t, &stats);
		s->totals.duplicates += stats.duplicates;
		s->totals.resent += stats.resent;
	}
	*ret = s->totals;
	for (int i = 0; i < SIM_CONNECTIONS; i++) {
		connection_close(s, &s->connections[i], 0);
		connection_close(s, &s->connections[i], 1);
		buf_done(&s->connections[i].wire[0]);
		buf_done(&s->connections[i].wire[1]);
	}
	app_stop(s, 0);
	app_stop(s, 1);
	if (s->trace)
		fclose(s->trace);
	free(s);
}

static void report(int n, uint64_t seed, const struct sim_totals *t)
{
	printf("ok %d - seed %" PRIu64 ": %lu streams, %" PRIu64 " bytes, %lu cuts, %lu times resumed, %lu anew, %lu "
	       "restarts, %lu strangers, %lu frames sent again, %lu duplicates dropped\n",
	       n, seed, t->streams, t->bytes, t->cuts, t->resumed, t->anew, t->restarts, t->strangers, t->resent,
	       t->duplicates);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct sim_totals totals;
	struct timespec ts;
	uint64_t seed;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc > 1) {
		seed = strtoull(argv[1], NULL, 10);
		printf("1..1\n");
		run(seed, argc > 2 ? strtoul(argv[2], NULL, 10) : STEPS, &totals);
		report(1, seed, &totals);
		return 0;
	}
	clock_gettime(CLOCK_REALTIME, &ts);
	printf("1..%d\n", SEEDS + 1);
	for (int i = 1; i <= SEEDS + 1; i++) {
		seed = i <= SEEDS ? (uint64_t)i : ((uint64_t)ts.tv_sec << 10 ^ (uint64_t)ts.tv_nsec) % 1000000000;
		run(seed, STEPS, &totals);
		report(i, seed, &totals);
	}
	return 0;
}
