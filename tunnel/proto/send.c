/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames on their way out. A frame is one allocation and moves through one chain: a stream's queue (or the urgent queue
 * for RESET) -> numbered when it is pulled -> unacked, where `cursor` is the first that the present link has not taken
 * -> freed by the acknowledgement. ACK and CREDIT have no queue: they are made from the state when there is something
 * to write. Nothing here walks over streams or unacknowledged frames, but for send_rewind(), once a link.
 */
#include "tunnel/proto/internal.h"

static void queue_push(struct out_queue *q, struct out *o)
{
	o->next = NULL;
	if (q->tail)
		q->tail->next = o;
	else
		q->head = o;
	q->tail = o;
}

static struct out *queue_pop(struct out_queue *q)
{
	struct out *o = q->head;

	if (o) {
		q->head = o->next;
		if (!q->head)
			q->tail = NULL;
	}
	return o;
}

static size_t out_cost(const struct out *o)
{
	return sizeof(*o) + o->size;
}

static void out_free(struct tunnel *t, struct out *o)
{
	t->held -= out_cost(o);
	t->held_frames--;
	free(o);
}

struct out *out_new(uint8_t type, bool fin, uint16_t channel, uint32_t stream, size_t len)
{
	struct frame f = {.length = (uint32_t)len,
			  .type = type,
			  .flags = fin ? FRAME_FIN : 0,
			  .channel = channel,
			  .stream = stream};
	struct out *o = malloc(sizeof(*o) + FRAME_HEADER + len);

	if (!o)
		return NULL;
	*o = (struct out){.stream = stream, .size = (uint32_t)(FRAME_HEADER + len)};
	frame_encode(&f, o->data);
	return o;
}

void send_queue(struct tunnel *t, struct stream *s, struct out *o)
{
	t->held += out_cost(o);
	t->held_frames++;
	queue_push(&s->queue, o);
	if (!node_linked(&s->ready))
		node_append(&t->ready, &s->ready);
}

void send_urgent(struct tunnel *t, struct out *o)
{
	t->held += out_cost(o);
	t->held_frames++;
	queue_push(&t->urgent, o);
}

void send_drop(struct tunnel *t, struct stream *s, bool keep_open)
{
	struct out *open = keep_open && s->open_unsent ? queue_pop(&s->queue) : NULL, *o;

	while ((o = queue_pop(&s->queue)))
		out_free(t, o);
	if (open)
		queue_push(&s->queue, open);
	else
		node_remove(&s->ready);
}

void send_forget(struct tunnel *t)
{
	struct out *o;

	while ((o = queue_pop(&t->unacked)))
		out_free(t, o);
	while ((o = queue_pop(&t->urgent)))
		out_free(t, o);
	t->sent = t->acked = t->arrived = t->resend_until = 0;
	t->cursor = NULL;
	t->cursor_offset = 0;
}

void send_acked(struct tunnel *t, uint64_t count)
{
	while (t->unacked.head && t->unacked.head->count <= count) {
		if (t->unacked.head == t->cursor) {
			/* An older link brought it while this one is in the middle of it: the rest must still follow.
			 */
			if (t->cursor_offset > 0)
				break;
			t->cursor = t->cursor->next;
		}
		out_free(t, queue_pop(&t->unacked));
	}
	t->acked = count;
	if (t->arrived < count)
		t->arrived = count;
}

void send_rewind(struct tunnel *t, uint64_t received)
{
	struct out *o = t->unacked.head;

	while (o && o->count <= received)
		o = o->next;
	t->cursor = o;
	t->cursor_offset = 0;
	t->resend_until = t->sent;
}

void send_ack_due(struct tunnel *t)
{
	if (t->handled != t->ack_sent && t->ack_deadline == UINT64_MAX)
		t->ack_deadline = t->now + ACK_MS;
}

/* The next frame that has no number: RESETs first, then streams in turn. NULL: none, or too many are unacknowledged. */
static struct out *send_next(struct tunnel *t)
{
	struct stream *s;
	struct out *o;

	if (t->sent - t->acked >= OUTSTANDING_MAX)
		return NULL;
	o = queue_pop(&t->urgent);
	if (!o) {
		if (node_empty(&t->ready))
			return NULL;
		s = CONTAINER_OF(t->ready.next, struct stream, ready);
		o = queue_pop(&s->queue);
		s->open_unsent = false;
		node_remove(&s->ready);
		if (s->queue.head)
			node_append(&t->ready, &s->ready);
		else
			stream_settle(t, s);
	}
	o->count = ++t->sent;
	put32(o->data + 12, seq_wire(o->count));
	queue_push(&t->unacked, o);
	return o;
}

static bool send_waiting(const struct tunnel *t)
{
	return t->cursor || t->urgent.head || !node_empty(&t->ready) || !node_empty(&t->credit);
}

/* ACK goes with other frames, or alone when it is due. */
static void send_make_ack(struct tunnel_link *link)
{
	struct tunnel *t = link->t;
	uint8_t wire[4];

	if (t->handled == t->ack_sent)
		return;
	if (!send_waiting(t) && link->control_len == link->control_taken && t->handled - t->ack_sent < ACK_FRAMES &&
	    t->now < t->ack_deadline)
		return;
	put32(wire, seq_wire(t->handled));
	if (!link_control(link, FRAME_ACK, 0, wire, sizeof(wire)))
		return;
	t->ack_sent = t->handled;
	t->ack_deadline = UINT64_MAX;
}

static void send_make_credit(struct tunnel_link *link)
{
	struct tunnel *t = link->t;

	while (!node_empty(&t->credit)) {
		struct stream *s = CONTAINER_OF(t->credit.next, struct stream, credit);
		uint64_t total = credit_total(s);
		uint8_t wire[8];

		put32(wire, (uint32_t)(total >> 32));
		put32(wire + 4, (uint32_t)total);
		if (!link_control(link, FRAME_CREDIT, s->id, wire, sizeof(wire)))
			return;
		s->recv_limit = total;
		node_remove(&s->credit);
	}
}

size_t tunnel_pull(struct tunnel_link *link, struct iovec *iov, size_t count, size_t max, uint64_t now_ms)
{
	struct tunnel *t = link->t;
	struct out *o = NULL;
	size_t n = 0, bytes = 0;

	t->now = now_ms;
	if (count == 0)
		return 0;
	if (link->state == LINK_UP) {
		send_acked(t, t->acked); /* one that was being written when its ACK came */
		send_make_ack(link);
		send_make_credit(link);
		o = t->cursor;
		if (o && t->cursor_offset > 0) { /* a frame of which a part is written comes before all else */
			bytes = o->size - t->cursor_offset;
			iov[n++] = (struct iovec){o->data + t->cursor_offset, bytes};
			o = o->next;
		}
	}
	if (n < count && link->control_len > link->control_taken) {
		iov[n] = (struct iovec){link->control + link->control_taken, link->control_len - link->control_taken};
		bytes += iov[n++].iov_len;
	}
	if (link->state != LINK_UP)
		return n;
	while (n < count) {
		if (!o && !(bytes < max && (o = send_next(t))))
			break;
		if (!t->cursor)
			t->cursor = o;
		if (bytes > 0 && bytes + o->size > max)
			break;
		iov[n++] = (struct iovec){o->data, o->size};
		bytes += o->size;
		o = o->next;
	}
	return n;
}

static size_t pulled_frame(struct tunnel *t, size_t bytes)
{
	struct out *o = t->cursor;
	size_t rest = o->size - t->cursor_offset;
	struct frame f;
	const char *why;

	if (bytes < rest) {
		t->cursor_offset += bytes;
		return bytes;
	}
	t->cursor = o->next;
	t->cursor_offset = 0;
	t->stats.frames_out++;
	if (o->count <= t->resend_until)
		t->stats.resent++;
	if (t->options.trace && frame_decode(o->data, &f, &why) == 0)
		tunnel_trace(t, true, &f, o->data + FRAME_HEADER);
	return rest;
}

void tunnel_pulled(struct tunnel_link *link, size_t bytes)
{
	struct tunnel *t = link->t;
	bool up = link->state == LINK_UP;
	size_t n;

	t->stats.bytes_out += bytes;
	if (up && t->cursor && t->cursor_offset > 0)
		bytes -= pulled_frame(t, bytes);
	n = link->control_len - link->control_taken;
	if (n > bytes)
		n = bytes;
	link->control_taken += n;
	bytes -= n;
	while (up && bytes > 0 && t->cursor)
		bytes -= pulled_frame(t, bytes);
}
