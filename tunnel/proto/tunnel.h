/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_TUNNEL_PROTO_TUNNEL_H
#define HAWSER_TUNNEL_PROTO_TUNNEL_H

#include "base/error.h"
#include "tunnel/proto/frame.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/*
 * One end of a tunnel (PROTOCOL.md sections 3 to 5): pure. Bytes, the time and random bytes come in as arguments; bytes
 * to send are pulled out; everything else is told through events. It outlives links: tunnel_link_up() and
 * tunnel_link_down() say when a carrier has one.
 *
 * Use: feed what was read (tunnel_feed), then pull and write until there is nothing (tunnel_pull, tunnel_pulled), then
 * arm a timer for tunnel_deadline() and call tunnel_tick() when it fires. Functions that queue frames never call events;
 * after any of them, pull. Events are called from tunnel_feed() and tunnel_tick() only, and may call any function but
 * tunnel_free().
 */
struct tunnel;

struct tunnel_id {
	uint8_t bytes[16];
};

struct tunnel_options {
	bool dialler;
	struct tunnel_id id;   /* zeros at a listener: takes the dialler's first proven one */
	uint8_t secret[32];
	struct tunnel_id boot; /* random */
	size_t unacked_max;    /* bytes; 0 = 8 MiB */
	size_t streams_max;    /* streams open at once that the other end opened; 0 = 1024 */
	void (*random)(void *user, void *data, size_t len); /* nonces and new boot ids */
	void *random_user;
	/* HAWSER_TRACE: each frame header, outgoing or incoming. May be NULL. */
	void (*trace)(void *user, uint64_t now_ms, bool outgoing, const struct frame *frame);
	void *trace_user;
};

struct tunnel_events {
	/* The link is proven. resumed = false: a new conversation; all streams of before have been ended by stream_lost. */
	void (*up)(void *user, bool resumed);
	/* The other end opened a stream. Answer with tunnel_reset() to refuse. head is JSON text that was not parsed; borrowed.
	 * Body bytes of the same frame follow as body. */
	void (*open)(void *user, uint32_t stream, const char *head, size_t len);
	void (*head)(void *user, uint32_t stream, const char *head, size_t len);
	/* Body bytes; borrowed until return. The receiver says tunnel_consumed() when it wants more. */
	void (*body)(void *user, uint32_t stream, uint16_t channel, const uint8_t *data, size_t len);
	/* The other end's direction is over: by TAIL (tail is its JSON) or by FIN (tail NULL). */
	void (*end)(void *user, uint32_t stream, const char *tail, size_t len);
	/* Abandoned by the other end. The stream is gone, except that a stream that was kept by tunnel_keep_after_reset() may
	 * still be written to. */
	void (*reset)(void *user, uint32_t stream, const char *json, size_t len);
	/* A new conversation began: the stream is gone. */
	void (*stream_lost)(void *user, uint32_t stream);
	/* The stream has room again after tunnel_room() was 0. */
	void (*writable)(void *user, uint32_t stream);
	/* One numbered frame has been handed to the events above (all of them have returned). Whoever consumed it calls
	 * tunnel_handled(sequence), now or later. NULL: handled at once. */
	void (*frame)(void *user, uint32_t stream, uint32_t sequence);
};

int tunnel_new(const struct tunnel_options *options, const struct tunnel_events *events, void *user,
	       struct tunnel **ret, struct error *err) _must_check_;
struct tunnel *tunnel_free(struct tunnel *t);

/* ---- the link ---- */
void tunnel_link_up(struct tunnel *t, uint64_t now_ms); /* a dialler queues HELLO */
void tunnel_link_down(struct tunnel *t, uint64_t now_ms);
/* Link is proven and frames flow. */
bool tunnel_is_up(const struct tunnel *t);
/* Listener: has this link's dialler shown the right proof? (Before that, bytes are from a stranger.) */
bool tunnel_is_proven(const struct tunnel *t);
/* Did the link that is (or was last) up move a numbered frame that was new? Governs reconnecting at once. */
bool tunnel_link_moved(const struct tunnel *t);
/* Bytes from the carrier, in any pieces. Negative: the link must be closed (error says why); the tunnel lives on. */
int tunnel_feed(struct tunnel *t, const uint8_t *data, size_t len, uint64_t now_ms, struct error *err) _must_check_;
/* What to write next: fills up to count iovecs with whole frames (at most max bytes) and returns how many. Borrowed until
 * tunnel_pulled(). Frames get their numbers here. */
size_t tunnel_pull(struct tunnel *t, struct iovec *iov, size_t count, size_t max, uint64_t now_ms);
/* bytes of what was pulled have been given to the carrier, which takes them as its own (it may hold a tail of it). */
void tunnel_pulled(struct tunnel *t, size_t bytes);
/* Next moment at which tunnel_tick() has something to do, UINT64_MAX: none. */
uint64_t tunnel_deadline(const struct tunnel *t);
/* Negative (-ETIMEDOUT): the link is dead, close it. */
int tunnel_tick(struct tunnel *t, uint64_t now_ms, struct error *err) _must_check_;

/* ---- streams ---- */
/* Opens a stream; body (may be empty) goes on channel 0 behind the head. Body beyond the first frame is the caller's
 * to send by tunnel_send(). ret is the stream. -EMSGSIZE (head over 16 KiB or body over what fits one frame), -ENOBUFS. */
int tunnel_open(struct tunnel *t, const char *head, size_t head_len, const void *body, size_t body_len, bool fin,
		uint32_t *ret, struct error *err) _must_check_;
/* The answer of the other end's stream. As tunnel_open(). */
int tunnel_head(struct tunnel *t, uint32_t stream, const char *head, size_t head_len, const void *body, size_t body_len,
		bool fin, struct error *err) _must_check_;
/* Most body bytes that tunnel_send() takes now: credit of the stream, and room below unacked_max. */
size_t tunnel_room(const struct tunnel *t, uint32_t stream);
/* Queues up to len bytes (copied) and returns how many were taken, in frames of at most 64 KiB; 0 = wait for writable.
 * fin counts only if all of len was taken. Negative: the stream is gone. */
ssize_t tunnel_send(struct tunnel *t, uint32_t stream, uint16_t channel, const void *data, size_t len, bool fin);
int tunnel_tail(struct tunnel *t, uint32_t stream, const char *json, size_t len) _must_check_;
/* Abandons a stream: unsent frames of it are dropped. json is the RESET payload. Unknown streams are ignored. */
void tunnel_reset(struct tunnel *t, uint32_t stream, const char *json, size_t len);
/* RESET of this stream by the other end leaves the sending direction open (a run: its TAIL still goes out). */
void tunnel_keep_after_reset(struct tunnel *t, uint32_t stream);
/* RESET that leaves the receiving direction open: the counterpart of the above, at the end that cancels a run. */
void tunnel_cancel(struct tunnel *t, uint32_t stream, const char *json, size_t len);
/* n body bytes of the stream were consumed: raises the other end's credit. */
void tunnel_consumed(struct tunnel *t, uint32_t stream, size_t n);
/* The numbered frame is handled and durable; acknowledged once all before it are too. */
void tunnel_handled(struct tunnel *t, uint32_t sequence);

struct tunnel_stats {
	uint64_t frames_in, frames_out, bytes_in, bytes_out, resent, duplicates, links;
	size_t unacked;
	size_t streams;
};
void tunnel_stats(const struct tunnel *t, struct tunnel_stats *ret);

#endif
