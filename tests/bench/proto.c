/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What tunnel/proto alone costs: two tunnels in one process, bytes handed over by pointer. Prints calls (OPEN + HEAD,
 * 100 bytes each way, acknowledged) and bytes a second of one CPU; budget: 40,000 small frames/s at a few per cent.
 */
#include "base/clock.h"
#include "base/ids.h"
#include "tunnel/proto/tunnel.h"

#include <stdio.h>
#include <string.h>

enum { CALLS = 1000000, BATCH = 16, SMALL = 100, BULK = 512 << 20, PIECE = 65536 };

struct end {
	struct tunnel *t;
	struct tunnel_link *link;
	bool answers;
	unsigned long answered;
	size_t bytes;
};

static char data[PIECE];

static void on_end(void *user, uint32_t stream, const char *tail, size_t len)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct end *e = user;

	e->answered++;
	if (e->answers && tunnel_head(e->t, stream, "{\"ok\":true}", 11, data, SMALL, true, &err) < 0)
		abort();
}

static void on_body(void *user, uint32_t stream, uint16_t channel, const uint8_t *bytes, size_t len)
{
	struct end *e = user;

	e->bytes += len;
	tunnel_consumed(e->t, stream, len);
}

static void on_frame(void *user, uint32_t stream, uint32_t sequence)
{
	tunnel_handled(((struct end *)user)->t, sequence);
}

static void on_random(void *user, void *bytes, size_t len)
{
	random_bytes(bytes, len);
}

static void start(struct end *e, bool dialler)
{
	static const struct tunnel_events events = {.end = on_end, .body = on_body, .frame = on_frame};
	struct tunnel_options o = {.dialler = dialler, .id.bytes = {1}, .random = on_random};
	_cleanup_error_ struct error err = ERROR_INIT;

	random_bytes(&o.boot, sizeof(o.boot));
	if (tunnel_new(&o, &events, e, &e->t, &err) < 0 || tunnel_link_new(e->t, 0, NULL, NULL, &e->link, &err) < 0)
		abort();
}

static bool hand_over(struct end *from, struct end *to)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct iovec iov[64];
	size_t n = tunnel_pull(from->link, iov, 64, 256 << 10, 1), bytes = 0;

	for (size_t i = 0; i < n; i++) {
		if (tunnel_feed(to->link, iov[i].iov_base, iov[i].iov_len, 1, &err) < 0)
			abort();
		bytes += iov[i].iov_len;
	}
	tunnel_pulled(from->link, bytes);
	return n > 0;
}

static void settle(struct end *a, struct end *b)
{
	bool moved;

	do {
		moved = hand_over(a, b);
		moved = hand_over(b, a) || moved;
	} while (moved);
}

static double since(uint64_t start_ns)
{
	return (double)(clock_now_ns() - start_ns) / 1e9;
}

int main(void)
{
	struct end broker = {.answers = true}, guest = {0};
	_cleanup_error_ struct error err = ERROR_INIT;
	struct tunnel_stats stats;
	uint64_t begun;
	uint32_t stream;
	double s;

	start(&broker, true);
	start(&guest, false);
	settle(&broker, &guest);
	begun = clock_now_ns();
	for (int i = 0; i < CALLS; i += BATCH) {
		for (int k = 0; k < BATCH; k++)
			if (tunnel_open(guest.t, "{\"kind\":\"call\"}", 15, data, SMALL, true, &stream, &err) < 0)
				abort();
		settle(&guest, &broker);
	}
	s = since(begun);
	tunnel_stats(guest.t, &stats);
	printf("calls: %.0f/s, %.0f frames/s each way, %.2f us a call of both ends; 40,000 frames/s are %.1f %% of a "
	       "CPU\n",
	       CALLS / s, CALLS / s, s / CALLS * 1e6, 40000 / (2 * CALLS / s) * 100);
	if (guest.answered != CALLS || stats.streams > 0)
		return 1;
	broker.answers = false;
	broker.bytes = 0;
	begun = clock_now_ns();
	if (tunnel_open(guest.t, "{}", 2, NULL, 0, false, &stream, &err) < 0)
		abort();
	while (broker.bytes < BULK) {
		if (tunnel_send(guest.t, stream, 1, data, PIECE, false) < 0)
			abort();
		settle(&guest, &broker);
	}
	printf("one stream: %.0f MB/s\n", (double)broker.bytes / since(begun) / 1e6);
	tunnel_link_free(broker.link);
	tunnel_link_free(guest.link);
	tunnel_free(broker.t);
	tunnel_free(guest.t);
	return 0;
}
