/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_CLI_MEMORY_H
#define HAWSER_BROKER_CLI_MEMORY_H

#include "base/jsonrpc.h"

/*
 * What `hawser mcp` remembers of its client's session, so that a broker that was lost can be replaced without the
 * client noticing more than a pause: the handshake, and the requests that nobody has answered. Pure.
 */
enum { MEMORY_OPEN_MAX = 256, MEMORY_LINE_MAX = 64 * 1024 };

struct memory_open {
	char *id; /* raw JSON */
	char *line; /* NULL: too long to be kept */
	bool repeatable; /* it may be sent again: it has no effect, or had none */
	struct memory_open *prev, *next;
};
struct memory {
	char *initialize; /* the line */
	char *initialize_id;
	bool initialize_answered;
	struct memory_open *open;
	size_t open_count;
};
void memory_done(struct memory *m);
/* A line of the client's on its way to the broker. */
void memory_see_request(struct memory *m, struct span line);
/* A line of the broker's. False: the client has had this answer already (of a handshake that was repeated). */
bool memory_see_answer(struct memory *m, struct span line);
/* The broker has not begun the request of that id, and will not. */
void memory_see_refused(struct memory *m, struct span id);
/* A new broker is there: what it must hear first (to_broker), and what the client must (to_client). */
int memory_replay(struct memory *m, struct buf *to_broker, struct buf *to_client) _must_check_;

#endif
