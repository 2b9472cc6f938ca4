/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_TUNNEL_CARRIER_CARRIER_H
#define HAWSER_TUNNEL_CARRIER_CARRIER_H

#include "base/loop.h"
#include "tunnel/proto/tunnel.h"

/*
 * Moves the frames of one tunnel over one link: reads and feeds, pulls and writes, arms the timer. The tunnel outlives
 * it. Two kinds: a byte stream on a descriptor (carrier_stream_new), a URL (carrier_ws_new in tunnel/carrier/ws.h).
 */
struct carrier;

struct carrier_events {
	/* The link is over (once); tunnel_link_down() has been called. The carrier is still to be freed. */
	void (*closed)(void *user, const struct error *reason);
};

/* fd: connected stream socket or similar, consumed. read_fd and write_fd may be equal. Calls tunnel_link_up(). */
int carrier_stream_new(struct loop *loop, struct tunnel *tunnel, int read_fd, int write_fd,
		       const struct carrier_events *events, void *user, struct carrier **ret,
		       struct error *err) _must_check_;
/* Something was queued on the tunnel outside of its events: write it, on this turn or the next. */
void carrier_kick(struct carrier *c);
/* Closes the link (tunnel_link_down() if it was up) without the closed event. NULL is fine. */
struct carrier *carrier_free(struct carrier *c);

#endif
