/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_TUNNEL_PROTO_INTERNAL_H
#define HAWSER_TUNNEL_PROTO_INTERNAL_H

#include "tunnel/proto/tunnel.h"

#include <string.h>

/* An allocation that fails inside uthash leaves the element out of the table (hh.tbl is NULL) instead of ending us. */
#define HASH_NONFATAL_OOM 1
/* Keys are stream numbers of either parity; only 1,024 can be the other end's choice. */
#define HASH_FUNCTION(key, len, hash)              \
	do {                                       \
		uint32_t id_;                      \
		memcpy(&id_, (key), sizeof(id_));  \
		(hash) = (id_ * 2654435769u) >> 8; \
	} while (0)
#include <uthash.h>

/*
 * What the files of proto share. Sequence numbers are counted in 64 bits ("counts": 0 = none, 1 = the first frame) and
 * only meet the wire's 32 bits in seq_wire() and seq_count().
 */

enum {
	WINDOW = 262144, /* starting credit of a stream, and how far we stay ahead of what was consumed at first */
	WINDOW_MAX = 4 << 20, /* and at most */
	WINDOWS_EXTRA = 8 << 20, /* bytes beyond WINDOW of all streams together */
	GROW_MS = 500, /* a window that is consumed in this time grows */
	UNACKED_DEFAULT = 8 << 20,
	UNACKED_LEAST = 128 << 10,
	ROOM_LEAST = 4096, /* less free memory is none: no tiny frames at the limit */
	STREAMS_DEFAULT = 1024,
	OUTSTANDING_MAX = 65536, /* numbered frames sent and not acknowledged */
	HELD_FRAMES_MAX = 32768, /* numbered frames queued or unacknowledged, above which bodies wait */
	REFUSED_MAX = 131072, /* frames held by RESETs for one who opens too many streams and acknowledges nothing */
	ACK_FRAMES = 64, /* an ACK is sent at once when so many frames are due */
	ACK_MS = 500, /* else it waits for a frame to go with: alone it costs both ends a wake-up for each call of a
		       * tunnel that calls seldom, and all it frees is memory (64 frames of it) */
	PROOF_MS = 5000, /* a listener's patience with a stranger */
	DIAL_MS = 10000, /* a dialler's with a listener that says nothing */
	IDLE_MS = 20000, /* silence before a PING */
	DEAD_MS = 10000, /* and after it */
	CONTROL_MAX = 4096, /* bytes of HELLO, PROOF, BYE and PONGs waiting on a link */
	HELLO_SIZE = 96,
	HELLO_RECEIVED = 56, /* offset */
	PROOF_SIZE = 32,
	NONCE_SIZE = 32,
};

/* ---- frames on their way out ---- */
struct out {
	struct out *next;
	uint64_t count; /* its number, 0 until it is pulled */
	uint32_t stream;
	uint32_t size; /* header and payload */
	uint8_t data[];
};

struct out_queue {
	struct out *head, *tail;
};

/* ---- streams ---- */
/* Lists that a stream can be in; a node with next == NULL is in none. */
struct node {
	struct node *next, *prev;
};

struct stream {
	uint32_t id;
	bool send_over, recv_over; /* direction ended by FIN, TAIL or RESET (queued, received) */
	bool sent_head, got_head;
	bool open_unsent; /* our OPEN is still queued: the other end has never heard of this stream */
	bool keep; /* tunnel_keep_after_reset() */
	bool cancelled; /* tunnel_cancel(): our RESET is out */
	bool want; /* owes a writable event */
	uint64_t sent, send_limit; /* body bytes queued; the other end's credit */
	uint64_t received, consumed, recv_limit;
	uint64_t window, window_since,
		window_since_ms; /* credit.c: since when (consumed, time) the window has its size */
	struct out_queue queue;
	struct node ready, credit, blocked; /* in which of the tunnel's lists */
	UT_hash_handle hh;
};

/* ---- the tunnel ---- */
struct hello {
	uint8_t low, high;
	struct tunnel_id tunnel, boot, other;
	uint32_t received, handled;
	uint8_t nonce[NONCE_SIZE];
};

struct tunnel {
	struct tunnel_options options;
	struct tunnel_events events;
	void *user;

	struct tunnel_link *link; /* the one that is up */
	bool moved;
	struct tunnel_id boot, other_boot;
	bool other_known;
	/* Seeds of a listener's next boot id: the present one, and the one before with the dialler that it was used
	 * for. */
	uint8_t epoch[16], epoch_before[16];
	struct tunnel_id epoch_user;
	uint64_t conversation; /* counts conversations, so that a link can see that its HELLO is stale */

	/* sending */
	uint64_t sent, acked; /* counts: numbered so far, acknowledged so far */
	uint64_t arrived; /* count that the other end has surely taken: acknowledged, or said in a HELLO */
	struct out_queue unacked;
	struct out *cursor; /* first frame of unacked that the present link has not taken whole; NULL: none */
	size_t cursor_offset;
	uint64_t resend_until; /* count up to which frames have been on a link before */
	struct out_queue urgent; /* RESETs */
	struct node ready; /* streams with queued frames, taking turns */
	struct node credit; /* streams that owe a CREDIT */
	struct node blocked; /* streams that wait for memory */
	size_t held, held_frames; /* all numbered frames, queued or unacknowledged */
	uint64_t now; /* of the last call that knew the time */

	/* receiving */
	uint64_t received, handled, ack_sent; /* counts: taken, handled without a gap, told so */
	uint64_t ack_deadline; /* UINT64_MAX: none */
	uint64_t *done; /* ring of bits for counts handled + 1 ... received: handled out of turn */
	size_t done_bits; /* size of the ring, a power of two */

	struct stream *streams;
	size_t windows_extra; /* credit.c */
	size_t streams_theirs; /* open streams that the other end opened */
	uint32_t next_id, last_their_id;
	struct tunnel_stats stats;
};

enum link_state { LINK_HELLO, LINK_PROOF, LINK_UP, LINK_CLOSED };

struct tunnel_link {
	struct tunnel *t;
	enum link_state state;
	bool proven;
	void (*replaced)(void *user);
	void *user;

	uint8_t mine[HELLO_SIZE], theirs[HELLO_SIZE];
	struct hello hello; /* theirs, decoded */
	bool resume; /* listener: decided in HELLO */
	struct tunnel_id boot; /* listener: the boot id that HELLO said */
	uint64_t conversation; /* listener: when HELLO was said */

	/* reading: a frame that came in pieces */
	uint8_t header[FRAME_HEADER];
	size_t header_len;
	struct frame frame;
	uint8_t *payload;
	size_t payload_len;

	/* writing */
	uint8_t control[CONTROL_MAX];
	size_t control_len, control_taken;
	uint64_t heard, pinged; /* pinged 0: no PING is out */
	uint64_t deadline; /* of the handshake */
};

/* wire number of a count, and the count near (at or behind) base that has this wire number */
static inline uint32_t seq_wire(uint64_t count)
{
	return count ? (uint32_t)((count - 1) % UINT32_MAX) + 1 : 0;
}

/* The count that is at most half a turn away from base and has this wire number (not 0); may be <= 0. */
static inline int64_t seq_count(uint64_t base, uint32_t wire)
{
	int64_t delta = (int64_t)wire - (int64_t)seq_wire(base + 1);

	if (delta > (int64_t)(UINT32_MAX / 2))
		delta -= UINT32_MAX;
	else if (delta < -(int64_t)(UINT32_MAX / 2))
		delta += UINT32_MAX;
	return (int64_t)base + 1 + delta;
}

static inline void put32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

static inline uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline bool id_equal(const struct tunnel_id *a, const struct tunnel_id *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

bool id_zero(const struct tunnel_id *id);

/* ---- list.c of one line each: rings of nodes around a head ---- */
static inline void node_init(struct node *head)
{
	head->next = head->prev = head;
}
static inline bool node_linked(const struct node *n)
{
	return n->next != NULL;
}
static inline bool node_empty(const struct node *head)
{
	return head->next == head;
}
static inline void node_append(struct node *head, struct node *n)
{
	n->prev = head->prev;
	n->next = head;
	head->prev->next = n;
	head->prev = n;
}
static inline void node_remove(struct node *n)
{
	if (!n->next)
		return;
	n->prev->next = n->next;
	n->next->prev = n->prev;
	n->next = n->prev = NULL;
}

/* ---- hello.c: the handshake's bytes ---- */
void hello_encode(const struct hello *h, uint8_t data[HELLO_SIZE]);
/* What no end of this protocol may say, or NULL. */
const char *hello_decode(const uint8_t data[HELLO_SIZE], struct hello *ret);
void hello_proof(const struct tunnel *t, bool listener, const uint8_t *dialler_hello, const uint8_t *listener_hello,
		 uint8_t proof[PROOF_SIZE]);
/* The boot id with which a listener begins anew with this dialler, who names named as ours. */
void hello_next_boot(const struct tunnel *t, const struct tunnel_id *dialler, const struct tunnel_id *named,
		     struct tunnel_id *ret);
/* The parts of a link's handshake. */
void handshake_start(struct tunnel_link *link);
int handshake_frame(struct tunnel_link *link, const struct frame *f, const uint8_t *payload,
		    struct error *err) _must_check_;

/* ---- link.c ---- */
/* Queues an unnumbered frame on the link. false: dropped, there is no room (a flood of PINGs). */
bool link_control(struct tunnel_link *link, uint8_t type, uint32_t stream, const void *payload, size_t len);
/* Closes the link, with BYE if a reason (a plain word) is given; sets err and returns code. */
int link_fail(struct tunnel_link *link, int code, const char *bye, struct error *err, const char *fmt, ...)
	_printf_(5, 6);
int link_bye(struct tunnel_link *link, const uint8_t *payload, size_t len, struct error *err);

/* ---- receive.c ---- */
int receive_frame(struct tunnel_link *link, const struct frame *f, const uint8_t *payload,
		  struct error *err) _must_check_;
/* Count up to which the other end has acknowledged. */
void receive_acked(struct tunnel *t, uint64_t count);

/* ---- send.c ---- */
/* A frame with its header written, all but the number. NULL: no memory. */
struct out *out_new(uint8_t type, bool fin, uint16_t channel, uint32_t stream, size_t len);
/* Queues behind the stream's other frames; takes o. */
void send_queue(struct tunnel *t, struct stream *s, struct out *o);
/* Queues before all frames that have no number yet; takes o. */
void send_urgent(struct tunnel *t, struct out *o);
/* Drops what the stream has queued; keep_open spares an unsent OPEN. */
void send_drop(struct tunnel *t, struct stream *s, bool keep_open);
/* Frees acknowledged frames up to count. */
void send_acked(struct tunnel *t, uint64_t count);
/* A link came up whose other end has taken frames up to count: send again from there. */
void send_rewind(struct tunnel *t, uint64_t received);
/* Forgets all that has a number and all RESETs. */
void send_forget(struct tunnel *t);
/* Counts what was handled as to be acknowledged. */
void send_ack_due(struct tunnel *t);

/* ---- credit.c ---- */
/* The first body bytes of the stream came. */
void credit_begin(struct tunnel *t, struct stream *s);
/* No more body bytes will come. */
void credit_end(struct tunnel *t, struct stream *s);
/* Up to which the other end may send. Never falls while the stream is read. */
uint64_t credit_total(const struct stream *s);

/* ---- streams.c ---- */
struct stream *stream_find(const struct tunnel *t, uint32_t id);
struct stream *stream_new(struct tunnel *t, uint32_t id);
bool stream_ours(const struct tunnel *t, uint32_t id);
/* Was there ever such a stream in this conversation? */
bool stream_existed(const struct tunnel *t, uint32_t id);
/* Frees the stream if both directions are over and nothing is queued. */
void stream_settle(struct tunnel *t, struct stream *s);
void stream_free(struct tunnel *t, struct stream *s);
size_t stream_room(const struct tunnel *t, const struct stream *s);
/* Enough memory is free that streams that wait for it should write. */
bool stream_memory_free(const struct tunnel *t);
/* Tells streams that wait for memory. Calls events. */
void stream_wake_blocked(struct tunnel *t);
/* A writable event if it is owed and there is room. Calls events; s may be gone afterwards. */
void stream_wake(struct tunnel *t, struct stream *s);

/* ---- tunnel.c ---- */
void tunnel_trace(struct tunnel *t, bool outgoing, const struct frame *f, const uint8_t *payload);
/* A new conversation: if there was one before, all its streams are lost (events) and both numberings begin at 1. */
void tunnel_begin_anew(struct tunnel *t);
/* The other end broke the rules of the conversation: lose it, forget the other end, take a new boot id. Calls events.
 */
void tunnel_break(struct tunnel *t);
/* The link is proven: it replaces the one before. received and handled are the other end's. Calls events. */
int tunnel_take_link(struct tunnel_link *link, bool resumed, uint32_t received, uint32_t handled,
		     struct error *err) _must_check_;

#endif
