/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/tunnel/pair.h"

#include "tests/unit/unit.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { WIRE_MAX = 64 << 20, STORY_MAX = 1 << 20 };

static void say(struct end *e, const char *fmt, ...) _printf_(2, 3);
static void say(struct end *e, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	/* version 14 does not see va_start() above in this file */
	vsnprintf(text, sizeof(text), fmt, ap); /* NOLINT(clang-analyzer-valist.Uninitialized) */
	va_end(ap);
	assert_int_equal(buf_append_str(&e->story, text), 0);
}

static void on_up(void *user, bool resumed)
{
	say(user, "up %s;", resumed ? "resumed" : "anew");
}

static void on_open(void *user, uint32_t stream, const char *head, size_t len)
{
	struct end *e = user;

	say(e, "open %u %.*s;", stream, (int)len, head);
	if (e->keep)
		tunnel_keep_after_reset(e->t, stream);
}

static void on_head(void *user, uint32_t stream, const char *head, size_t len)
{
	say(user, "head %u %.*s;", stream, (int)len, head);
}

static void on_body(void *user, uint32_t stream, uint16_t channel, const uint8_t *data, size_t len)
{
	struct end *e = user;

	if (len <= 16)
		say(e, "body %u.%u %.*s;", stream, channel, (int)len, (const char *)data);
	else
		say(e, "body %u.%u (%zu);", stream, channel, len);
	if (e->consume)
		tunnel_consumed(e->t, stream, len);
}

static void on_end(void *user, uint32_t stream, const char *tail, size_t len)
{
	say(user, "end %u %.*s;", stream, tail ? (int)len : 1, tail ? tail : "-");
}

static void on_reset(void *user, uint32_t stream, const char *json, size_t len)
{
	say(user, "reset %u %.*s;", stream, (int)len, json);
}

static void on_lost(void *user, uint32_t stream)
{
	say(user, "lost %u;", stream);
}

static void on_writable(void *user, uint32_t stream)
{
	say(user, "writable %u;", stream);
}

static void on_frame(void *user, uint32_t stream, uint32_t sequence)
{
	struct end *e = user;

	e->last_sequence = sequence;
	if (e->handle)
		tunnel_handled(e->t, sequence);
}

static void on_replaced(void *user)
{
	struct end *e = user;

	e->replaced++;
}

static void on_random(void *user, void *data, size_t len)
{
	struct pair *p = user;

	for (size_t i = 0; i < len; i++) {
		p->seed = p->seed * 6364136223846793005u + 1442695040888963407u;
		((uint8_t *)data)[i] = (uint8_t)(p->seed >> 56);
	}
}

struct tunnel_options pair_options(struct pair *p, bool dialler)
{
	struct tunnel_options o = {.dialler = dialler, .random = on_random, .random_user = p};

	memset(o.id.bytes, 7, sizeof(o.id));
	memset(o.secret, 9, sizeof(o.secret));
	on_random(p, &o.boot, sizeof(o.boot));
	return o;
}

void end_start(struct end *e, const struct tunnel_options *options)
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
	_cleanup_error_ struct error err = ERROR_INIT;

	assert_int_equal(tunnel_new(options, &events, e, &e->t, &err), 0);
}

void end_stop(struct end *e)
{
	e->link = tunnel_link_free(e->link);
	e->t = tunnel_free(e->t);
}

void pair_init(struct pair *p)
{
	struct tunnel_options d, l;

	*p = (struct pair){.now = 1000, .seed = 1};
	d = pair_options(p, true);
	l = pair_options(p, false);
	struct end *ends[] = {&p->d, &p->l};

	for (int i = 0; i < 2; i++) {
		*ends[i] = (struct end){.wire.max = WIRE_MAX, .story.max = STORY_MAX, .consume = true, .handle = true};
		end_start(ends[i], i == 0 ? &d : &l);
	}
}

void pair_done(struct pair *p)
{
	struct end *ends[] = {&p->d, &p->l};

	for (int i = 0; i < 2; i++) {
		end_stop(ends[i]);
		buf_done(&ends[i]->wire);
		buf_done(&ends[i]->story);
	}
}

void pair_cut(struct pair *p)
{
	p->d.link = tunnel_link_free(p->d.link);
	p->l.link = tunnel_link_free(p->l.link);
	buf_clear(&p->d.wire);
	buf_clear(&p->l.wire);
}

void pair_connect(struct pair *p)
{
	_cleanup_error_ struct error err = ERROR_INIT;

	pair_cut(p);
	assert_int_equal(tunnel_link_new(p->d.t, p->now, on_replaced, &p->d, &p->d.link, &err), 0);
	assert_int_equal(tunnel_link_new(p->l.t, p->now, on_replaced, &p->l, &p->l.link, &err), 0);
}

void end_pull(struct end *e, struct buf *to, uint64_t now)
{
	struct iovec iov[8];
	size_t n;

	while ((n = tunnel_pull(e->link, iov, 8, 1 << 20, now)) > 0) {
		size_t bytes = 0;

		for (size_t i = 0; i < n; i++) {
			assert_int_equal(buf_append(to, iov[i].iov_base, iov[i].iov_len), 0);
			bytes += iov[i].iov_len;
		}
		tunnel_pulled(e->link, bytes);
	}
}

static int end_feed(struct end *e, uint64_t now, struct error *err)
{
	size_t len = e->wire.len;
	int r;

	if (len == 0)
		return 0;
	r = tunnel_feed(e->link, buf_head(&e->wire), len, now, err);
	buf_consume(&e->wire, len);
	return r;
}

int pair_pump(struct pair *p, struct error *err)
{
	int r = 0;

	do {
		end_pull(&p->d, &p->l.wire, p->now);
		end_pull(&p->l, &p->d.wire, p->now);
		if (r < 0)
			return r;
		r = end_feed(&p->d, p->now, err);
		if (r == 0)
			r = end_feed(&p->l, p->now, err);
		if (r < 0)
			continue; /* a BYE may be waiting */
		end_pull(&p->d, &p->l.wire, p->now);
		end_pull(&p->l, &p->d.wire, p->now);
	} while (r < 0 || p->d.wire.len > 0 || p->l.wire.len > 0);
	return r;
}

const char *story_of(struct end *e)
{
	const char *text;

	assert_int_equal(buf_append(&e->story, "", 1), 0);
	text = (const char *)buf_head(&e->story);
	buf_consume(&e->story, e->story.len);
	return text;
}

void wire_frame(struct buf *wire, uint8_t type, uint8_t flags, uint16_t channel, uint32_t stream, uint32_t sequence,
		const void *payload, size_t len)
{
	struct frame f = {(uint32_t)len, type, flags, channel, stream, sequence};
	uint8_t header[FRAME_HEADER];

	frame_encode(&f, header);
	assert_int_equal(buf_append(wire, header, sizeof(header)), 0);
	assert_int_equal(buf_append(wire, payload, len), 0);
}

/* ---- for cmocka ---- */

int pair_setup(void **state)
{
	static struct pair p;

	pair_init(&p);
	*state = &p;
	return 0;
}

int pair_teardown(void **state)
{
	pair_done(*state);
	return 0;
}

void pair_pump_all(struct pair *p)
{
	_cleanup_error_ struct error err = ERROR_INIT;

	if (pair_pump(p, &err) < 0)
		fail_msg("%s", error_text(&err));
}
