/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_TESTS_SCENARIO_TUNNEL_SIM_H
#define HAWSER_TESTS_SCENARIO_TUNNEL_SIM_H

#include "base/buf.h"
#include "tunnel/proto/tunnel.h"

#include <stdio.h>

/*
 * A small world: a dialler, a listener, connections between them that split, delay and cut by a seed, and on each end
 * an application that opens streams, sends, consumes, acknowledges late and out of turn, gives up, and now and then
 * restarts. Every byte sent is a function of its stream, direction and offset, so a receiver knows at once if one is
 * lost, doubled or out of order. What is wrong ends the program with the seed and the step.
 */
enum { SIM_STREAMS = 4096, SIM_CONNECTIONS = 4, SIM_PENDING = 1 << 16, SIM_WINDOW = 4 << 20 };

/* One end's view of a stream. */
struct half {
	uint32_t id; /* 0: this end has not heard of it */
	bool open; /* this end's application still holds it */
	bool answered;
	uint64_t sent, plan, received, consumed;
	bool send_over, recv_over, reset;
};

struct sim_stream {
	struct half half[2]; /* dialler, listener */
	int opener;
	bool kept; /* a RESET by the opener leaves the answer's direction open */
	bool cancelled; /* the opener did so */
	bool doomed; /* may be lost: an end has restarted since, or will have to begin anew */
};

struct sim_end {
	struct sim *sim;
	int who; /* 0 dialler, 1 listener */
	struct tunnel *t;
	uint32_t pending[SIM_PENDING]; /* numbers that are not handled yet */
	size_t pending_count;
	int *stream_of; /* stream number -> index + 1 */
	bool stale; /* the other end has restarted and this one does not know yet */
	unsigned life; /* counts its restarts */
	uint64_t seed; /* of its random bytes */
};

struct connection {
	struct tunnel_link *link[2];
	struct buf wire[2]; /* bytes on their way to the dialler, the listener */
	uint64_t linger; /* when the end that has not noticed the cut does so */
	unsigned life[2]; /* of the ends that made it */
	bool used;
};

struct sim_totals {
	unsigned long cuts, resumed, anew, restarts, streams, strangers, duplicates, resent;
	uint64_t bytes;
};

struct sim {
	uint64_t seed, random, now, dial_at;
	unsigned long step;
	struct sim_end end[2];
	struct connection connections[SIM_CONNECTIONS];
	struct connection *fed; /* whose bytes are being read */
	struct connection *dialled; /* the dialler's; NULL: none */
	struct sim_stream streams[SIM_STREAMS];
	int stream_count;
	FILE *trace; /* HAWSER_TRACE; NULL: none */
	bool quiet; /* the final phase: no more trouble, finish everything */
	struct sim_totals totals;
};

uint64_t sim_random(struct sim *s, uint64_t below);
_Noreturn void sim_fail(const struct sim *s, const char *fmt, ...) _printf_(2, 3);
#define SIM_CHECK(s, condition)                                                             \
	do {                                                                                \
		if (!(condition))                                                           \
			sim_fail((s), "%s:%d: not so: %s", __FILE__, __LINE__, #condition); \
	} while (0)

/* ---- tunnel-app.c: the applications ---- */
void app_start(struct sim *s, int who);
void app_stop(struct sim *s, int who);
/* Something by chance. */
void app_act(struct sim *s, int who);
/* Brings all streams of this end to their end. */
void app_finish(struct sim *s, int who);
/* All is delivered, and nothing is held. */
bool app_settled(const struct sim *s);
void app_check_final(const struct sim *s);

#endif
