/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames coming in on a proven link. Three kinds of fault: of the link (closed, the resume repairs it), of the
 * conversation (the other end breaks the rules in a frame that would come again: tunnel_break()), and none (duplicates,
 * frames of streams that are over).
 */
#include "tunnel/proto/internal.h"

#include <errno.h>

/* A numbered frame that was taken, for the events. */
struct taken {
	const struct frame *f;
	const char *head; /* OPEN, HEAD; also TAIL and RESET */
	size_t head_len;
	const uint8_t *body;
	size_t body_len;
	bool told; /* an event saw it */
};

/* ---- acknowledging what came ---- */

static bool done_test(const struct tunnel *t, uint64_t count)
{
	size_t i = count & (t->done_bits - 1);

	return t->done[i / 64] >> (i % 64) & 1;
}

static void done_set(uint64_t *ring, size_t bits, uint64_t count, bool on)
{
	size_t i = count & (bits - 1);

	if (on)
		ring[i / 64] |= UINT64_C(1) << (i % 64);
	else
		ring[i / 64] &= ~(UINT64_C(1) << (i % 64));
}

/* Makes the ring large enough for one more frame. */
static bool done_reserve(struct tunnel *t)
{
	uint64_t *ring;
	size_t bits = t->done_bits * 2;

	if (t->received + 1 - t->handled < t->done_bits)
		return true;
	ring = calloc(bits / 64, sizeof(*ring));
	if (!ring)
		return false;
	for (uint64_t c = t->handled + 1; c <= t->received; c++)
		done_set(ring, bits, c, done_test(t, c));
	free(t->done);
	t->done = ring;
	t->done_bits = bits;
	return true;
}

void tunnel_handled(struct tunnel *t, uint32_t sequence)
{
	int64_t count = sequence ? seq_count(t->handled, sequence) : 0;

	if (count <= (int64_t)t->handled || count > (int64_t)t->received)
		return;
	if ((uint64_t)count != t->handled + 1) {
		done_set(t->done, t->done_bits, (uint64_t)count, true);
		return;
	}
	t->handled++;
	while (t->handled < t->received && done_test(t, t->handled + 1)) {
		t->handled++;
		done_set(t->done, t->done_bits, t->handled, false);
	}
	send_ack_due(t);
}

void receive_acked(struct tunnel *t, uint64_t count)
{
	if (count <= t->acked)
		return;
	send_acked(t, count);
	stream_wake_blocked(t);
}

/* ---- numbered frames: check, then tell ---- */

/* Why the body bytes may not come, or NULL. */
static const char *body_fault(const struct tunnel *t, const struct stream *s, const struct taken *n)
{
	if (n->body_len > s->recv_limit - s->received)
		return "credit";
	if (n->f->type == FRAME_BODY && n->f->channel == 0 && stream_ours(t, s->id) && !s->got_head)
		return "body before head";
	return NULL;
}

static const char *stream_fault(const struct tunnel *t, const struct stream *s, const struct taken *n)
{
	if (n->f->type == FRAME_RESET)
		return NULL;
	if (s->recv_over)
		return "frame behind the end";
	if (n->f->type == FRAME_HEAD && (!stream_ours(t, s->id) || s->got_head))
		return "head";
	return body_fault(t, s, n);
}

/* Tells the events of a frame whose stream is in the table; each of them may make the stream disappear. */
static void deliver(struct tunnel *t, struct stream *s, const struct taken *n)
{
	const struct tunnel_events *e = &t->events;
	uint32_t id = s->id;
	uint8_t type = n->f->type;
	bool fin = n->f->flags & FRAME_FIN;

	if (s->received == 0)
		credit_begin(t, s);
	s->received += n->body_len;
	if (fin) {
		s->recv_over = true;
		credit_end(t, s);
	}
	if (type == FRAME_HEAD)
		s->got_head = true;
	if (type == FRAME_OPEN && e->open)
		e->open(t->user, id, n->head, n->head_len);
	if (type == FRAME_HEAD && e->head)
		e->head(t->user, id, n->head, n->head_len);
	if (n->body_len > 0 && e->body && (type == FRAME_BODY || stream_find(t, id)))
		e->body(t->user, id, n->f->channel, n->body, n->body_len);
	if (!fin || !stream_find(t, id))
		return;
	if (e->end)
		e->end(t->user, id, type == FRAME_TAIL ? n->head : NULL, n->head_len * (type == FRAME_TAIL));
	s = stream_find(t, id);
	if (s)
		stream_settle(t, s);
}

static void deliver_reset(struct tunnel *t, struct stream *s, const struct taken *n)
{
	uint32_t id = s->id;
	bool over = s->send_over && s->recv_over;

	s->recv_over = true;
	credit_end(t, s);
	if (!s->keep)
		stream_free(t, s);
	else
		stream_settle(t, s);
	if (!over && t->events.reset)
		t->events.reset(t->user, id, n->head, n->head_len);
}

static void refuse_stream(struct tunnel *t, uint32_t id)
{
	static const char json[] = "{\"reason\":\"too_many_streams\"}";
	struct out *o = out_new(FRAME_RESET, false, 0, id, sizeof(json) - 1);

	if (!o)
		return;
	memcpy(o->data + FRAME_HEADER, json, sizeof(json) - 1);
	send_urgent(t, o);
}

static const char *receive_open(struct tunnel *t, struct taken *n)
{
	uint32_t id = n->f->stream;
	struct stream *s;

	if (stream_ours(t, id) || id <= t->last_their_id)
		return "stream number";
	if (t->held_frames >= REFUSED_MAX)
		return "too many streams";
	t->last_their_id = id;
	s = t->streams_theirs < t->options.streams_max ? stream_new(t, id) : NULL;
	if (!s) {
		refuse_stream(t, id);
		return NULL;
	}
	n->told = true;
	deliver(t, s, n);
	return NULL;
}

/* What is wrong with the frame, or NULL: it was delivered, or dropped. */
static const char *receive_numbered(struct tunnel *t, struct taken *n, const uint8_t *payload)
{
	const struct frame *f = n->f;
	struct stream *s;
	const char *fault;

	if (f->type == FRAME_OPEN || f->type == FRAME_HEAD) {
		if (!frame_split_head(payload, f->length, &n->head, &n->head_len, &n->body, &n->body_len))
			return "length of a head";
	} else if (f->type == FRAME_BODY) {
		n->body = payload;
		n->body_len = f->length;
	} else {
		n->head = (const char *)payload;
		n->head_len = f->length;
	}
	if (f->type == FRAME_OPEN)
		return receive_open(t, n);
	s = stream_find(t, f->stream);
	if (!s)
		return stream_existed(t, f->stream) ? NULL : "frame of a stream that never was";
	fault = stream_fault(t, s, n);
	if (fault)
		return fault;
	n->told = true;
	if (f->type == FRAME_RESET)
		deliver_reset(t, s, n);
	else
		deliver(t, s, n);
	return NULL;
}

static int conversation_fault(struct tunnel_link *link, const char *fault, const struct frame *f, struct error *err)
{
	struct tunnel *t = link->t;
	int r = link_fail(link, -EPROTO, "fault", err,
			  "the other end broke the protocol: %s (%s, stream %u, number %u)", fault,
			  frame_type_name(f->type), f->stream, f->sequence);

	tunnel_break(t);
	return r;
}

static int receive_sequenced(struct tunnel_link *link, const struct frame *f, const uint8_t *payload, struct error *err)
{
	struct tunnel *t = link->t;
	struct taken n = {.f = f};
	const char *fault;
	int64_t count;

	if (f->sequence == 0)
		return link_fail(link, -EPROTO, "sequence", err, "%s without a number", frame_type_name(f->type));
	count = seq_count(t->received, f->sequence);
	if (count <= (int64_t)t->received) {
		t->stats.duplicates++;
		return 0;
	}
	if (count != (int64_t)t->received + 1)
		return link_fail(link, -EPROTO, "sequence", err, "frame %u came where %u was due", f->sequence,
				 seq_wire(t->received + 1));
	if (t->received - t->handled >= OUTSTANDING_MAX)
		return conversation_fault(link, "too many frames without acknowledgement", f, err);
	if (!done_reserve(t))
		return link_fail(link, -ENOMEM, NULL, err, "no memory to remember what was handled");
	t->received++;
	t->moved = true;
	t->stats.frames_in++;
	fault = receive_numbered(t, &n, payload);
	if (fault)
		return conversation_fault(link, fault, f, err);
	if (n.told && t->events.frame)
		t->events.frame(t->user, f->stream, f->sequence);
	else
		tunnel_handled(t, f->sequence);
	return 0;
}

/* ---- unnumbered frames ---- */

static int receive_ack(struct tunnel_link *link, const struct frame *f, const uint8_t *payload, struct error *err)
{
	struct tunnel *t = link->t;
	uint32_t wire = get32(payload);
	int64_t count = wire ? seq_count(t->acked, wire) : 0;

	if (count > (int64_t)t->sent)
		return conversation_fault(link, "acknowledgement of what was never sent", f, err);
	if (count > (int64_t)t->acked) {
		t->moved = t->moved || (uint64_t)count > t->arrived;
		receive_acked(t, (uint64_t)count);
	}
	return 0;
}

static void receive_credit(struct tunnel *t, const struct frame *f, const uint8_t *payload)
{
	struct stream *s = stream_find(t, f->stream);
	uint64_t total = (uint64_t)get32(payload) << 32 | get32(payload + 4);

	if (!s || total <= s->send_limit)
		return;
	s->send_limit = total;
	stream_wake(t, s);
}

int receive_frame(struct tunnel_link *link, const struct frame *f, const uint8_t *payload, struct error *err)
{
	switch ((enum frame_type)f->type) {
	case FRAME_ACK:
		return receive_ack(link, f, payload, err);
	case FRAME_CREDIT:
		receive_credit(link->t, f, payload);
		return 0;
	case FRAME_PING:
		link_control(link, FRAME_PONG, 0, payload, f->length);
		return 0;
	case FRAME_PONG:
		return 0;
	case FRAME_BYE:
		return link_bye(link, payload, f->length, err);
	case FRAME_HELLO:
	case FRAME_PROOF:
		return link_fail(link, -EPROTO, "handshake", err, "%s behind the proof", frame_type_name(f->type));
	case FRAME_OPEN:
	case FRAME_HEAD:
	case FRAME_BODY:
	case FRAME_TAIL:
	case FRAME_RESET:
		return receive_sequenced(link, f, payload, err);
	}
	return 0;
}
