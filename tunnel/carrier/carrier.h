/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_TUNNEL_CARRIER_CARRIER_H
#define HAWSER_TUNNEL_CARRIER_CARRIER_H

#include "base/loop.h"
#include "tunnel/proto/tunnel.h"

/*
 * Moves the frames of one tunnel over one connection: reads and feeds, pulls and writes, arms the timer. The tunnel
 * outlives it. Two kinds: a byte stream on a descriptor (carrier_stream_new), a URL (carrier_ws_new in
 * tunnel/carrier/ws.h).
 */
struct carrier;

struct carrier_events {
	/* The link is over (once); its tunnel_link has been freed. The carrier is still to be freed. Also when a newly
	 * proven link of the same tunnel has replaced this one. */
	void (*closed)(void *user, const struct error *reason);
	/* What one read gave has been fed, all tunnel events of it have been called, and nothing has been pulled yet:
	 * the place to write in one go what the events only collected. May be NULL. */
	void (*fed)(void *user);
};

/* fd: connected stream socket or similar, consumed. read_fd and write_fd may be equal. Makes its own
 * tunnel_link; a listener makes a carrier for each connection that it accepts, proven or not. */
int carrier_stream_new(struct loop *loop, struct tunnel *tunnel, int read_fd, int write_fd,
		       const struct carrier_events *events, void *user, struct carrier **ret,
		       struct error *err) _must_check_;
/* Something was queued on the tunnel outside of its events: write it, on this turn or the next. */
void carrier_kick(struct carrier *c);
/* The link, NULL after closed. */
struct tunnel_link *carrier_link(const struct carrier *c);
/* Closes the link without the closed event. NULL is fine. */
struct carrier *carrier_free(struct carrier *c);

#endif
