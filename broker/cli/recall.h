/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_CLI_RECALL_H
#define HAWSER_BROKER_CLI_RECALL_H

#include "base/jsonrpc.h"

/*
 * What `hawser mcp` remembers of its client's session, so that a broker that was lost can be replaced without the
 * client noticing more than a pause: the handshake, and the requests that nobody has answered. Pure.
 */
enum { RECALL_OPEN_MAX = 256, RECALL_LINE_MAX = 64 * 1024 };

struct recall_open {
	char *id; /* raw JSON */
	char *line; /* NULL: too long to be kept */
	bool repeatable; /* it may be sent again: it has no effect, or had none */
	struct recall_open *prev, *next;
};
struct recall {
	char *initialize; /* the line */
	char *initialize_id;
	bool initialize_answered;
	struct recall_open *open;
	size_t open_count;
};
void recall_done(struct recall *m);
/* A line of the client's on its way to the broker. */
void recall_see_request(struct recall *m, struct span line);
/* A line of the broker's. False: the client has had this answer already (of a handshake that was repeated). */
bool recall_see_answer(struct recall *m, struct span line);
/* The broker has not begun the request of that id, and will not. */
void recall_see_refused(struct recall *m, struct span id);
/* A new broker is there: what it must hear first (to_broker), and what the client must (to_client). */
int recall_replay(struct recall *m, struct buf *to_broker, struct buf *to_client) _must_check_;

#endif
