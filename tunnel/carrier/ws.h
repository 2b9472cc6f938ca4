/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_TUNNEL_CARRIER_WS_H
#define HAWSER_TUNNEL_CARRIER_WS_H

#include "tunnel/carrier/carrier.h"

/*
 * A carrier on a URL: dials ws:// or wss:// with subprotocol hawser.v1 and these headers ("Name: value",
 * NULL-terminated, may be NULL). Returns at once; its tunnel_link is made when the connection is open, so
 * carrier_link() is NULL before. closed comes also when it cannot be opened, within 30 s.
 */
int carrier_ws_new(struct loop *loop, struct tunnel *tunnel, const char *url, const char *const *headers,
		   const struct carrier_events *events, void *user, struct carrier **ret,
		   struct error *err) _must_check_;

#endif
