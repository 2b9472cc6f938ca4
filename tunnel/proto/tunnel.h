/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_TUNNEL_PROTO_TUNNEL_H
#define HAWSER_TUNNEL_PROTO_TUNNEL_H

#include "base/error.h"
#include "tunnel/proto/frame.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/*
 * One end of a tunnel (PROTOCOL.md sections 3 to 5): pure. Bytes, the time and random bytes come in as arguments; bytes
 * to send are pulled out; everything else is told through events. It outlives links: a carrier makes a struct
 * tunnel_link for each connection that it has, proven or not; the one proven last carries the tunnel.
 *
 * Use: feed what was read (tunnel_feed), then pull and write until there is nothing (tunnel_pull, tunnel_pulled), then
 * arm a timer for tunnel_deadline() and call tunnel_tick() when it fires, then pull again. Functions that queue frames
 * never call events; after any of them, pull. Events are called from tunnel_feed() and tunnel_tick() only, and may call
 * any function but tunnel_free(), and tunnel_link_free() of the link that is being fed.
 */
struct tunnel;
struct tunnel_link;

struct tunnel_id {
	uint8_t bytes[16];
};

struct tunnel_options {
	bool dialler;
	struct tunnel_id id; /* zeros at a listener: takes the dialler's first proven one */
	uint8_t secret[32];
	struct tunnel_id boot; /* random; seed of the boot ids of this end */
	size_t unacked_max; /* bytes; 0 = 8 MiB */
	size_t streams_max; /* streams open at once that the other end opened; 0 = 1024 */
	void (*random)(void *user, void *data, size_t len); /* nonces and new boot ids */
	void *random_user;
	/* HAWSER_TRACE: each frame header, outgoing or incoming, with what tunnel/proto/trace.h says. May be NULL. */
	void (*trace)(void *user, uint64_t now_ms, bool outgoing, const struct frame *frame);
	void *trace_user;
};

/* Every member may be NULL. */
struct tunnel_events {
	/* The link is proven. resumed = false: a new conversation; all streams of before have been ended by
	 * stream_lost. */
	void (*up)(void *user, bool resumed);
	/* The other end opened a stream. Answer with tunnel_reset() to refuse. head is JSON text that was not parsed;
	 * borrowed. Body bytes of the same frame follow as body. */
	void (*open)(void *user, uint32_t stream, const char *head, size_t len);
	void (*head)(void *user, uint32_t stream, const char *head, size_t len);
	/* Body bytes; borrowed until return. The receiver says tunnel_consumed() when it wants more. */
	void (*body)(void *user, uint32_t stream, uint16_t channel, const uint8_t *data, size_t len);
	/* The other end's direction is over: by TAIL (tail is its JSON) or by FIN (tail NULL). */
	void (*end)(void *user, uint32_t stream, const char *tail, size_t len);
	/* Abandoned by the other end. The stream is gone, except that a stream that was kept by
	 * tunnel_keep_after_reset() may still be written to. */
	void (*reset)(void *user, uint32_t stream, const char *json, size_t len);
	/* A new conversation began: the stream is gone. */
	void (*stream_lost)(void *user, uint32_t stream);
	/* The stream has room again after tunnel_room() was 0 or tunnel_send() took less than it was given. */
	void (*writable)(void *user, uint32_t stream);
	/* One numbered frame has been handed to the events above (all of them have returned). Whoever consumed it calls
	 * tunnel_handled(sequence), now or later. NULL: handled at once. */
	void (*frame)(void *user, uint32_t stream, uint32_t sequence);
};

int tunnel_new(const struct tunnel_options *options, const struct tunnel_events *events, void *user,
	       struct tunnel **ret, struct error *err) _must_check_;
struct tunnel *tunnel_free(struct tunnel *t);

/* ---- links ---- */
/* A carrier has a connection; a dialler queues HELLO. A listener may have several; who is not proven within 5 s, or
 * whom a newly proven link replaces, is told by replaced() (may be NULL; the link may be freed in it) or by
 * tunnel_tick(): close it. The caller bounds how many unproven links there are (PROTOCOL.md: 8). -ENOMEM. */
int tunnel_link_new(struct tunnel *t, uint64_t now_ms, void (*replaced)(void *user), void *user,
		    struct tunnel_link **ret, struct error *err) _must_check_;
/* The connection is gone. NULL is fine; returns NULL. Links are freed before their tunnel. */
struct tunnel_link *tunnel_link_free(struct tunnel_link *link);
/* Proven, and not replaced: frames of streams flow on it. */
bool tunnel_link_is_up(const struct tunnel_link *link);
/* Has both proofs been exchanged? Before that a listener's bytes are from a stranger. Stays true when replaced. */
bool tunnel_link_is_proven(const struct tunnel_link *link);
/* Bytes from the carrier, in any pieces. Negative: the link must be closed (error says why); the tunnel lives on. After
 * an error tunnel_pull() gives at most a BYE, which a carrier may try to write before it closes. */
int tunnel_feed(struct tunnel_link *link, const uint8_t *data, size_t len, uint64_t now_ms,
		struct error *err) _must_check_;
/* What to write next: fills up to count iovecs with whole frames (at most max bytes, but at least one frame) and
 * returns how many. Borrowed until the next call on this tunnel. Frames get their numbers here, and what a carrier has
 * taken can no longer be overtaken by a more urgent frame: pull only as much as the socket is about to take (some 256
 * KiB). */
size_t tunnel_pull(struct tunnel_link *link, struct iovec *iov, size_t count, size_t max, uint64_t now_ms);
/* The first bytes of what was pulled last have been given to the carrier; the rest comes again with the next pull. */
void tunnel_pulled(struct tunnel_link *link, size_t bytes);
/* Next moment at which tunnel_tick() has something to do, UINT64_MAX: none. Changes with every call. */
uint64_t tunnel_deadline(const struct tunnel_link *link);
/* Negative (-ETIMEDOUT, -ESTALE): the link is dead or replaced, close it. */
int tunnel_tick(struct tunnel_link *link, uint64_t now_ms, struct error *err) _must_check_;

/* Some link of this tunnel is up. */
bool tunnel_is_up(const struct tunnel *t);
/* Did the link that is (or was last) up move a numbered frame that was new? Governs reconnecting at once. */
bool tunnel_link_moved(const struct tunnel *t);

/* ---- streams ---- */
/* Opens a stream; body (may be empty) goes on channel 0 behind the head. Body beyond the first frame is the caller's
 * to send by tunnel_send(). ret is the stream. -EMSGSIZE (head over 16 KiB, or head and body over 65,534 bytes),
 * -ENOBUFS (twice unacked_max is held). Works without a link too: it is sent when one is up. */
int tunnel_open(struct tunnel *t, const char *head, size_t head_len, const void *body, size_t body_len, bool fin,
		uint32_t *ret, struct error *err) _must_check_;
/* The answer of the other end's stream. As tunnel_open(); also -ENOENT (stream is gone), -EALREADY, -EDQUOT (body over
 * the stream's credit). */
int tunnel_head(struct tunnel *t, uint32_t stream, const char *head, size_t head_len, const void *body, size_t body_len,
		bool fin, struct error *err) _must_check_;
/* Most body bytes that tunnel_send() takes now: credit of the stream, and room below unacked_max. 0: a writable event
 * will come (unless the stream ends before). */
size_t tunnel_room(struct tunnel *t, uint32_t stream);
/* Queues up to len bytes (copied) and returns how many were taken, in frames of at most 64 KiB; 0 = wait for writable.
 * fin counts only if all of len was taken. Negative: the stream is gone. */
ssize_t tunnel_send(struct tunnel *t, uint32_t stream, uint16_t channel, const void *data, size_t len, bool fin);
/* Ends the sending direction, always possible while it is open. -ENOENT, -EMSGSIZE (over 16 KiB), -ENOMEM. */
int tunnel_tail(struct tunnel *t, uint32_t stream, const char *json, size_t len) _must_check_;
/* Abandons a stream: unsent frames of it are dropped. json is the RESET payload. Unknown streams are ignored. */
void tunnel_reset(struct tunnel *t, uint32_t stream, const char *json, size_t len);
/* RESET of this stream by the other end leaves the sending direction open (a run: its TAIL still goes out). */
void tunnel_keep_after_reset(struct tunnel *t, uint32_t stream);
/* RESET that leaves the receiving direction open: the counterpart of the above, at the end that cancels a run. */
void tunnel_cancel(struct tunnel *t, uint32_t stream, const char *json, size_t len);
/* n body bytes of the stream were consumed: raises the other end's credit. */
void tunnel_consumed(struct tunnel *t, uint32_t stream, size_t n);
/* The numbered frame is handled and durable; acknowledged once all before it are too. Numbers from before a new
 * conversation (up with resumed = false) mean nothing any more: forget them there. */
void tunnel_handled(struct tunnel *t, uint32_t sequence);

struct tunnel_stats {
	uint64_t frames_in, frames_out, bytes_in, bytes_out, resent, duplicates, links;
	size_t unacked;
	size_t streams;
};
void tunnel_stats(const struct tunnel *t, struct tunnel_stats *ret);

#endif
