/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_UPSTREAM_OUTBOX_H
#define HAWSER_BROKER_UPSTREAM_OUTBOX_H

#include "base/buf.h"
#include "base/span.h"
#include "broker/upstream/process.h"

/* The call whose arguments are leaving piece by piece. */
struct outbox {
	bool busy;
	struct buf body; /* what has not left */
	char tail[64]; /* behind the body */
	size_t tail_len;
	struct buf late; /* small messages for behind the tail */
};

/* Writes head and begins to send body (moved) and tail (at most 64 bytes). Otherwise nothing was sent: -EBUSY (another
 * is leaving), or as io_writev(). Body and tail go with outbox_pump(). */
int outbox_begin(struct outbox *o, struct process *p, const struct buf *head, struct buf *body,
		 struct span tail) _must_check_;
/* Keeps a small message for behind the call; one too many is dropped. */
void outbox_add_late(struct outbox *o, const struct buf *message);
/* Sends the next piece, if the one before has left. */
void outbox_pump(struct outbox *o, struct process *p);
void outbox_done(struct outbox *o);

#endif
