/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes for one end of a tunnel. The first byte says in which state it meets them: a listener before the proof, a
 * listener or a dialler behind it (bytes as they are), or either with frames that the target builds from the input,
 * with the right numbers, so that what is behind the sequence check is reached. The end answers like an application
 * that is steered by the input as well.
 */
#include "tests/fuzz/fuzz.h"

#include "tunnel/proto/tunnel.h"

#include <string.h>

enum { MODES = 5, RAW_LISTENER_STRANGER = 0, RAW_LISTENER, RAW_DIALLER, FRAMES_LISTENER, FRAMES_DIALLER };
enum { HELD_MAX = 1 << 20, SCRATCH = 1 << 17 };

struct app {
	struct tunnel *t;
	struct tunnel_link *link;
	uint32_t salt; /* steers what it does */
	unsigned long frames;
};

static void on_random(void *user, void *data, size_t len)
{
	uint64_t *seed = user;

	for (size_t i = 0; i < len; i++) {
		*seed = *seed * 6364136223846793005u + 1442695040888963407u;
		((uint8_t *)data)[i] = (uint8_t)(*seed >> 56);
	}
}

static unsigned dice(struct app *a, unsigned sides)
{
	a->salt = a->salt * 1664525u + 1013904223u;
	return (a->salt >> 16) % sides;
}

static void act(struct app *a, uint32_t stream)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	uint32_t opened;

	switch (dice(a, 8)) {
	case 0:
		tunnel_reset(a->t, stream, "{}", 2);
		break;
	case 1:
		(void)!tunnel_head(a->t, stream, "{}", 2, "x", 1, dice(a, 2), &err);
		break;
	case 2:
		(void)!tunnel_send(a->t, stream, (uint16_t)dice(a, 3), "body", 4, dice(a, 2));
		break;
	case 3:
		(void)!tunnel_tail(a->t, stream, "{}", 2);
		break;
	case 4:
		(void)!tunnel_open(a->t, "{}", 2, NULL, 0, dice(a, 2), &opened, &err);
		break;
	case 5:
		tunnel_cancel(a->t, stream, "{}", 2);
		break;
	case 6:
		tunnel_keep_after_reset(a->t, stream);
		break;
	default:
		break;
	}
}

static void on_open(void *user, uint32_t stream, const char *head, size_t len)
{
	FUZZ_CHECK(len <= FRAME_HEAD_MAX);
	act(user, stream);
}

static void on_body(void *user, uint32_t stream, uint16_t channel, const uint8_t *data, size_t len)
{
	struct app *a = user;

	FUZZ_CHECK(len > 0 && len <= FRAME_PAYLOAD_MAX);
	if (dice(a, 2))
		tunnel_consumed(a->t, stream, len);
	act(a, stream);
}

static void on_end(void *user, uint32_t stream, const char *tail, size_t len)
{
	FUZZ_CHECK(len <= FRAME_HEAD_MAX);
	act(user, stream);
}

static void on_stream(void *user, uint32_t stream)
{
	act(user, stream);
}

static void on_frame(void *user, uint32_t stream, uint32_t sequence)
{
	struct app *a = user;

	a->frames++;
	if (dice(a, 4))
		tunnel_handled(a->t, sequence);
}

static void app_start(struct app *a, bool dialler, uint64_t *seed)
{
	static const struct tunnel_events events = {
		.open = on_open,
		.head = on_open,
		.body = on_body,
		.end = on_end,
		.reset = on_end,
		.stream_lost = on_stream,
		.writable = on_stream,
		.frame = on_frame,
	};
	struct tunnel_options o = {.dialler = dialler,
				   .id.bytes = {1},
				   .secret = {2},
				   .unacked_max = HELD_MAX,
				   .random = on_random,
				   .random_user = seed};
	_cleanup_error_ struct error err = ERROR_INIT;

	on_random(seed, &o.boot, sizeof(o.boot));
	FUZZ_CHECK(tunnel_new(&o, &events, a, &a->t, &err) == 0);
	FUZZ_CHECK(tunnel_link_new(a->t, 1, NULL, NULL, &a->link, &err) == 0);
}

/* Writes what a wants to write; into to if that is not NULL. */
static void drain(struct app *a, struct app *to)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct tunnel_stats stats;
	struct iovec iov[4];
	size_t n;

	while ((n = tunnel_pull(a->link, iov, 4, 4096, 2)) > 0) {
		size_t bytes = 0;

		for (size_t i = 0; i < n; i++) {
			bytes += iov[i].iov_len;
			if (to)
				FUZZ_CHECK(tunnel_feed(to->link, iov[i].iov_base, iov[i].iov_len, 2, &err) == 0);
		}
		tunnel_pulled(a->link, bytes);
	}
	tunnel_stats(a->t, &stats);
	FUZZ_CHECK(stats.unacked <= 3 * HELD_MAX);
	FUZZ_CHECK(stats.streams <= 65536);
}

static void app_stop(struct app *a)
{
	a->link = tunnel_link_free(a->link);
	a->t = tunnel_free(a->t);
}

static int feed(struct app *a, const uint8_t *data, size_t len)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	int r = tunnel_feed(a->link, data, len, 3, &err);

	FUZZ_CHECK(r <= 0 && r == err.code);
	drain(a, NULL);
	if (r < 0)
		FUZZ_CHECK(!tunnel_link_is_up(a->link));
	return r;
}

/* Input: type, flags, channel, stream, step of the number, length class; then the payload, all zeros if it runs out. */
static void feed_frames(struct app *a, const uint8_t *data, size_t size)
{
	static uint8_t scratch[SCRATCH];
	uint32_t sequence = 0;

	while (size >= 6) {
		struct frame f = {.type = data[0] % 24,
				  .flags = data[1] & 1,
				  .channel = data[0] % 24 == FRAME_BODY ? data[2] % 6 : 0,
				  .stream = data[3]};
		size_t want = (size_t)data[5] * (data[5] & 1 ? 1 : 257), have;

		data += 6;
		size -= 6;
		if (f.type == FRAME_ACK)
			want = 4;
		if (f.type == FRAME_CREDIT)
			want = 8;
		if (f.type == FRAME_TAIL)
			f.flags = FRAME_FIN;
		if (frame_type_numbered(f.type)) {
			f.sequence = sequence + 1 + (data[-2] > 250);
			sequence += data[-2] < 240;
		}
		have = want < size ? want : size;
		f.length = (uint32_t)want;
		memset(scratch, 0, FRAME_HEADER + want);
		frame_encode(&f, scratch);
		memcpy(scratch + FRAME_HEADER, data, have);
		data += have;
		size -= have;
		if (feed(a, scratch, FRAME_HEADER + want) < 0)
			return;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct app dialler = {0}, listener = {0}, *a;
	uint64_t seed = 42;
	unsigned mode;

	if (size < 2)
		return 0;
	mode = data[0] % MODES;
	dialler.salt = listener.salt = data[1];
	data += 2;
	size -= 2;
	app_start(&dialler, true, &seed);
	app_start(&listener, false, &seed);
	if (mode != RAW_LISTENER_STRANGER) {
		drain(&dialler, &listener);
		drain(&listener, &dialler);
		drain(&dialler, &listener);
		FUZZ_CHECK(tunnel_is_up(dialler.t) && tunnel_is_up(listener.t));
	}
	a = mode == RAW_DIALLER || mode == FRAMES_DIALLER ? &dialler : &listener;
	if (mode == FRAMES_LISTENER || mode == FRAMES_DIALLER)
		feed_frames(a, data, size);
	else
		feed(a, data, size);
	if (mode == RAW_LISTENER_STRANGER)
		FUZZ_CHECK(!tunnel_is_up(a->t) && a->frames == 0);
	app_stop(&dialler);
	app_stop(&listener);
	return 0;
}
