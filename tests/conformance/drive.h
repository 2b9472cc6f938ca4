/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_TESTS_CONFORMANCE_DRIVE_H
#define HAWSER_TESTS_CONFORMANCE_DRIVE_H

#include "base/buf.h"
#include "base/loop.h"
#include "tunnel/carrier/carrier.h"

/*
 * A small broker's end for tests of guests: proto and the byte-stream carrier on a unix socket, runs, and calls that
 * are answered by tool name: "echo" (the arguments come back), "hold" (answered when hold_count calls are open),
 * "never", "big" (a string of 700,000 letters), "fail".
 */
enum { DRIVE_RUNS = 8, DRIVE_CALLS = 64, DRIVE_OUTPUT_MAX = 16 << 20, DRIVE_WAIT_MS = 10000 };

struct drive_run {
	uint32_t stream;
	struct buf output[6]; /* by channel */
	bool started, ended, lost, consume;
	char tail[4096];
};

struct drive_call {
	uint32_t stream;
	char tool[16];
	struct buf args, answer;
	bool whole, cancelled, answered;
};

struct drive {
	struct loop *loop;
	struct tunnel *tunnel;
	struct carrier *carrier;
	int fd; /* of the carrier; borrowed */
	struct loop_timer *timer;
	bool late, closed;
	int ups, resumes;
	uint8_t secret[32];
	char socket[100];
	struct drive_run runs[DRIVE_RUNS];
	struct drive_call calls[DRIVE_CALLS];
	int run_count, call_count, hold_count;
};

/* socket: where the guest listens. Makes the tunnel; does not connect yet. */
void drive_start(struct drive *d, const char *socket, const uint8_t secret[32]);
void drive_stop(struct drive *d);
/* A tunnel of a new boot id, as a broker that was started anew; what was known of runs and calls is forgotten. */
void drive_reboot(struct drive *d);
/* Connects; false: the guest does not prove itself, or closes. */
bool drive_connect(struct drive *d);
/* Drops the connection, with whatever is on its way. */
void drive_cut(struct drive *d);
/* Bytes that wait on the connection, unread. */
size_t drive_unread(struct drive *d);
struct drive_run *drive_run(struct drive *d, const char *code);
void drive_cancel(struct drive *d, struct drive_run *run);
/* Output of a channel as text. */
const char *drive_text(struct drive_run *run, int channel);

/* Turns the loop until the condition holds; fails the test after DRIVE_WAIT_MS. */
#define DRIVE_UNTIL(d, condition)                                        \
	do {                                                             \
		drive_patience(d);                                       \
		while (!(condition)) {                                   \
			if ((d)->late)                                   \
				fail_msg("not in time: %s", #condition); \
			loop_turn((d)->loop, -1);                        \
		}                                                        \
	} while (0)
void drive_patience(struct drive *d);

#endif
