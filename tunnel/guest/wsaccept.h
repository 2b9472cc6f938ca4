/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_TUNNEL_GUEST_WSACCEPT_H
#define HAWSER_TUNNEL_GUEST_WSACCEPT_H

#include "base/loop.h"
#include "tunnel/carrier/stream.h"

/*
 * Accepts one WebSocket (RFC 6455) on a connected socket: reads the upgrade request, answers it, and hands the socket
 * on with a framing. No TLS; subprotocol hawser.v1. Anything else gets one short HTTP answer and is closed.
 */
struct wsaccept;

/* options is what a carrier is to be made of (it owns descriptor and framing), NULL: the visitor was refused, is gone,
 * or took longer than limit_ms. Once, never inside wsaccept_new(). */
typedef void wsaccept_done_fn(void *user, const struct stream_options *options);

/* fd is consumed, also on failure. */
int wsaccept_new(struct loop *loop, int fd, uint64_t limit_ms, wsaccept_done_fn *done, void *user,
		 struct wsaccept **ret, struct error *err) _must_check_;
struct wsaccept *wsaccept_free(struct wsaccept *w);

/* ---- wsrequest.c: pure ---- */
enum wsrequest_verdict {
	WSREQUEST_MORE, /* the header is not whole yet */
	WSREQUEST_ACCEPT,
	WSREQUEST_REFUSE,
};
struct wsrequest {
	const char *status; /* REFUSE: "426 Upgrade Required" and the like */
	const char *text; /* for a person */
	char accept[32]; /* ACCEPT: value of Sec-WebSocket-Accept */
	size_t length; /* bytes of the header; what follows belongs to the WebSocket */
};
enum { WSREQUEST_MAX = 8192 };
/* Reads an upgrade request of at most WSREQUEST_MAX bytes. */
enum wsrequest_verdict wsrequest_read(const char *bytes, size_t len, struct wsrequest *ret);

/* ---- wsframing.c: pure ---- */
/* Server's side: unmasks, joins fragments, answers pings and closes; messages of at most 1 MiB. */
struct stream_framing *wsframing_new(void);

#endif
