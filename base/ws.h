/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BASE_WS_H
#define HAWSER_BASE_WS_H

#include "base/error.h"
#include "base/loop.h"

#include <stdint.h>
#include <sys/uio.h>

/*
 * A WebSocket client: one connection to a ws:// or wss:// URL, binary messages. The name is resolved on another thread,
 * its addresses are tried in order, TLS is verified against the system's certificates. The only user of libwebsockets.
 */
struct ws;

struct ws_events {
	/* The handshake is done. */
	void (*opened)(void *user);
	/* Bytes of a binary message, as they come; borrowed until return. */
	void (*data)(void *user, const uint8_t *bytes, size_t len);
	/* After ws_write() gave -EAGAIN: try again. */
	void (*writable)(void *user);
	/* Could not be opened, or is over. Once; never inside ws_new() or ws_write(). */
	void (*closed)(void *user, const struct error *reason);
};

struct ws_options {
	const char *url; /* ws://host[:port]/path or wss:// */
	const char *const *headers; /* "Name: value", NULL-terminated; may be NULL */
	const char *protocol; /* subprotocol */
	uint64_t open_limit_ms; /* for resolving, connecting and the handshake */
};

enum { WS_MESSAGE_MAX = 128 * 1024 }; /* of ws_write() */

/* -EINVAL: the URL or a header is malformed. */
int ws_new(struct loop *loop, const struct ws_options *options, const struct ws_events *events, void *user,
	   struct ws **ret, struct error *err) _must_check_;
/* One message of all the parts. 0, -EAGAIN (nothing taken; writable comes), -EPIPE (not open), -EMSGSIZE. */
int ws_write(struct ws *ws, const struct iovec *iov, size_t count) _must_check_;
/* Closes without the closed event. Safe in events. */
struct ws *ws_free(struct ws *ws);

#endif
