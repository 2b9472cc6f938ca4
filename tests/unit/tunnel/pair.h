/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_TESTS_UNIT_TUNNEL_PAIR_H
#define HAWSER_TESTS_UNIT_TUNNEL_PAIR_H

#include "base/buf.h"
#include "tunnel/proto/tunnel.h"

/*
 * Two tunnels in one process and a carrier that is two buffers. Each end writes what happens to it into a text ("open 1
 * {..};body 1 0 3 bytes;"), so that a test compares one string.
 */
struct end {
	struct tunnel *t;
	struct tunnel_link *link;
	struct buf wire; /* bytes on their way to this end */
	struct buf story; /* what events said, NUL-terminated by story_of() */
	bool consume, handle, keep; /* body is consumed, frames are handled, runs are kept after RESET: at once */
	int replaced;
	uint32_t last_sequence;
};

struct pair {
	struct end d, l; /* dialler, listener */
	uint64_t now;
	uint64_t seed;
};

void pair_init(struct pair *p);
void pair_done(struct pair *p);
/* Options as pair_init() used them, to make another end. */
struct tunnel_options pair_options(struct pair *p, bool dialler);
void end_start(struct end *e, const struct tunnel_options *options);
void end_stop(struct end *e);
/* New connection; bytes of the old one are gone. */
void pair_connect(struct pair *p);
void pair_cut(struct pair *p);
/* Moves bytes until nothing moves; returns the first error of either end (its text in *err), 0 if none. */
int pair_pump(struct pair *p, struct error *err);
/* The same where none may be: the test fails with its text. */
void pair_pump_all(struct pair *p);
/* For cmocka: *state is a pair that is not connected. */
int pair_setup(void **state);
int pair_teardown(void **state);
/* Pulls what an end wants to write. */
void end_pull(struct end *e, struct buf *to, uint64_t now);
/* The story so far, which is then empty. Borrowed until the next event. */
const char *story_of(struct end *e);
/* Appends a frame to the bytes on their way. */
void wire_frame(struct buf *wire, uint8_t type, uint8_t flags, uint16_t channel, uint32_t stream, uint32_t sequence,
		const void *payload, size_t len);

#endif
