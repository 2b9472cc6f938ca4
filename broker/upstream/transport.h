/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_UPSTREAM_TRANSPORT_H
#define HAWSER_BROKER_UPSTREAM_TRANSPORT_H

#include "base/buf.h"
#include "base/jsonrpc.h"
#include "broker/upstream/upstream.h"

#include <stdbool.h>
#include <sys/types.h>

/*
 * The way to one server, from its start to its end; nobody above knows which one it is. stdio-transport.c makes it of a
 * process and its pipes, http-transport.c of requests to a URL.
 */
struct transport {
	const struct transport_ops *ops;
};

/* Room that the head of a call has for a small body. */
enum { OUTGOING_SMALL = 16 << 10, OUTGOING_HEAD_MAX = OUTGOING_SMALL + 8192 };

enum outgoing_kind {
	OUTGOING_NOTE, /* a notification, or an answer */
	OUTGOING_LIST, /* a small request of our own */
	OUTGOING_INITIALIZE,
	OUTGOING_INITIALIZED,
	OUTGOING_CALL, /* may be told to wait its turn */
};

/* One message: head, body and tail, one behind the other. */
struct outgoing {
	enum outgoing_kind kind;
	uint64_t id; /* of a request; else 0 */
	struct buf *head; /* may be appended to */
	struct buf *body; /* raw JSON that may have line breaks; may be taken (moved). NULL: all is in head */
	struct span tail;
};

struct transport_ops {
	/* 0, or nothing has left: -EBUSY and -ENOBUFS (again when drained; only of calls), -EPIPE (its end will be
	 * told). */
	int (*send)(struct transport *t, struct outgoing *m);
	/* The answer to this request is not wanted any more. May be NULL. */
	void (*drop)(struct transport *t, uint64_t id);
	/* The revision that both speak, known from the handshake. May be NULL. */
	void (*agreed)(struct transport *t, const char *version);
	/* NULL: it is no process of ours. */
	pid_t (*pid)(const struct transport *t);
	/* Ends it in good order, without waiting. No event comes any more, the object frees itself. gone is called once
	 * when nothing is left of it, never inside this call. */
	void (*end)(struct transport *t, void (*gone)(void *user), void *user);
};

struct transport_events {
	/* line: the storage that the spans are in, may be taken (moved out); NULL if they are borrowed until return.
	 * about: the request of ours in whose answer it came; 0: the way does not say. */
	void (*message)(void *user, const struct jsonrpc_message *message, struct buf *line, uint64_t about);
	/* Text that is no message; why is for a person. */
	void (*garbage)(void *user, struct span line, const char *why);
	/* A message over the maximum: its first and last bytes. over: it has ended; else it was just found to be too
	 * long. */
	void (*too_large)(void *user, struct span head, struct span tail, bool over);
	/* What the server says to a person. */
	void (*words)(void *user, const uint8_t *bytes, size_t len);
	/* There is room for calls again. */
	void (*drained)(void *user);
	/* No answer will come to this request of ours. left: it may have had its effect. */
	void (*lost)(void *user, uint64_t id, enum upstream_outcome outcome, bool left, const char *why);
	/* The server did not take this call: it may be sent again. body (moved) is what was sent. left as above. */
	void (*returned)(void *user, uint64_t id, struct buf *body, bool left, const char *why);
	/* The server forgot us: the handshake is wanted again, on the same transport. Other calls may go on. */
	void (*forgot)(void *user, const char *why);
	/* Nothing follows. how is for a person: "exited with status 3". */
	void (*ended)(void *user, const char *how);
};

#endif
