/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_TUNNEL_GUEST_SHIM_H
#define HAWSER_TUNNEL_GUEST_SHIM_H

#include "base/io.h"
#include "tunnel/guest/runs.h"

/*
 * One link of a run (PROTOCOL.md section 8): shim.c moves its frames, calls.c knows what a call is. Frames to the shim
 * are collected in out and written once for each read of the tunnel.
 */
struct shim_link {
	struct run *run;
	struct shim_link *next;
	struct io *io;
	bool main; /* carries stream 1 */
	bool over; /* closed by the other end; kept until the run is over */
	bool choked; /* never reads: what it should have read is more than may wait */
	bool blocked; /* a frame waits for room: nothing is read */
	size_t done; /* bytes of that frame's body which were sent on already */
	struct call *calls;
	struct buf out;
	size_t last; /* offset of the last frame's header in out */
	uint32_t last_stream; /* its stream; 0: no frame in out can be changed any more */
	bool deferred; /* some call (or the code) waits for its bytes to be written */
};

enum shim_verdict { SHIM_TAKEN, SHIM_BLOCKED, SHIM_BROKEN };

/* Appends a frame to what is going out. Negative: the link is too slow or gone; it closes by itself. */
int shim_queue(struct shim_link *link, uint8_t type, bool fin, uint16_t channel, uint32_t stream, const void *head,
	       size_t head_len, const uint8_t *body, size_t len) _must_check_;
/* Sets FIN on the last frame if it is of this stream and still here; else queues an empty BODY with FIN. */
int shim_queue_fin(struct shim_link *link, uint32_t stream) _must_check_;
/* Adds body to the last frame if that is HEAD of this stream and there is room. */
bool shim_merge_body(struct shim_link *link, uint32_t stream, const uint8_t *body, size_t len);

/* fd is consumed. */
int shim_link_new(struct run *run, int fd, bool is_main, struct error *err) _must_check_;
/* Links that are over make room for new ones. */
void shim_sweep(struct run *run);

/* ---- calls.c ---- */
/* A frame of an even stream. */
enum shim_verdict call_frame(struct shim_link *link, const struct frame *f, const uint8_t *payload);
/* The link is gone: its calls are cancelled. */
void call_cancel_all(struct shim_link *link);
/* All that was queued has been written: gives credit. */
void call_settle(struct shim_link *link);

#endif
