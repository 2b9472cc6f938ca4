/* SPDX-License-Identifier: Apache-2.0 */
/* The interface of streams: who may send what and the life of the entries of the table. */
#include "tunnel/proto/internal.h"

#include <errno.h>

enum { HEAD_FRAME_MAX = FRAME_PAYLOAD_MAX - 2 }; /* head and body of OPEN and HEAD */

/* ---- the table ---- */

struct stream *stream_find(const struct tunnel *t, uint32_t id)
{
	struct stream *s;

	HASH_FIND(hh, t->streams, &id, sizeof(id), s);
	return s;
}

bool stream_ours(const struct tunnel *t, uint32_t id)
{
	return (id & 1) == (t->options.dialler ? 1 : 0);
}

bool stream_existed(const struct tunnel *t, uint32_t id)
{
	return stream_ours(t, id) ? id < t->next_id : id <= t->last_their_id;
}

struct stream *stream_new(struct tunnel *t, uint32_t id)
{
	struct stream *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->id = id;
	s->send_limit = s->recv_limit = s->window = WINDOW;
	HASH_ADD(hh, t->streams, id, sizeof(s->id), s);
	if (!s->hh.tbl) { /* no memory for the table */
		free(s);
		return NULL;
	}
	if (!stream_ours(t, id))
		t->streams_theirs++;
	return s;
}

void stream_free(struct tunnel *t, struct stream *s)
{
	send_drop(t, s, false);
	credit_end(t, s);
	node_remove(&s->blocked);
	if (!stream_ours(t, s->id))
		t->streams_theirs--;
	HASH_DEL(t->streams, s);
	free(s);
}

void stream_settle(struct tunnel *t, struct stream *s)
{
	if (s->send_over && s->recv_over && !s->queue.head)
		stream_free(t, s);
}

/* ---- room ---- */

static size_t memory_room(const struct tunnel *t)
{
	if (t->held + ROOM_LEAST > t->options.unacked_max || t->held_frames >= HELD_FRAMES_MAX)
		return 0;
	return t->options.unacked_max - t->held;
}

bool stream_memory_free(const struct tunnel *t)
{
	return t->held <= t->options.unacked_max / 4 * 3 && t->held_frames <= HELD_FRAMES_MAX / 4 * 3;
}

size_t stream_room(const struct tunnel *t, const struct stream *s)
{
	size_t memory = memory_room(t);
	uint64_t credit = s->send_limit - s->sent;

	return credit < memory ? (size_t)credit : memory;
}

/* The stream has been told to wait. */
static void stream_wait(struct tunnel *t, struct stream *s)
{
	s->want = true;
	if (memory_room(t) == 0 && !node_linked(&s->blocked))
		node_append(&t->blocked, &s->blocked);
}

void stream_wake(struct tunnel *t, struct stream *s)
{
	if (!s->want || s->send_over)
		return;
	if (stream_room(t, s) == 0) {
		stream_wait(t, s);
		return;
	}
	s->want = false;
	node_remove(&s->blocked);
	if (t->events.writable)
		t->events.writable(t->user, s->id);
}

void stream_wake_blocked(struct tunnel *t)
{
	/* Those that block again while we are at it are behind the end that was there at the start. */
	struct node *last = t->blocked.prev, *n;
	bool more = !node_empty(&t->blocked);
	uint32_t last_id = more ? CONTAINER_OF(last, struct stream, blocked)->id : 0;

	while (more && !node_empty(&t->blocked) && stream_memory_free(t)) {
		struct stream *s;

		n = t->blocked.next;
		s = CONTAINER_OF(n, struct stream, blocked);
		more = s->id != last_id;
		node_remove(n);
		stream_wake(t, s);
	}
}

size_t tunnel_room(struct tunnel *t, uint32_t stream)
{
	struct stream *s = stream_find(t, stream);
	size_t room;

	if (!s || s->send_over)
		return 0;
	room = stream_room(t, s);
	if (room == 0)
		stream_wait(t, s);
	return room;
}

/* ---- opening and answering ---- */

/* OPEN or HEAD; body_len is within credit. */
static int stream_send_head(struct tunnel *t, struct stream *s, uint8_t type, const char *head, size_t head_len,
			    const void *body, size_t body_len, bool fin, struct error *err)
{
	struct out *o = out_new(type, fin, 0, s->id, 2 + head_len + body_len);
	uint8_t *p;

	if (!o)
		return error_set(err, -ENOMEM, "no memory for a frame");
	p = o->data + FRAME_HEADER;
	*p++ = (uint8_t)(head_len >> 8);
	*p++ = (uint8_t)head_len;
	if (head_len)
		memcpy(p, head, head_len);
	if (body_len)
		memcpy(p + head_len, body, body_len);
	s->sent += body_len;
	s->send_over = fin;
	send_queue(t, s, o);
	return 0;
}

static int stream_check_head(const struct tunnel *t, size_t head_len, size_t body_len, struct error *err)
{
	if (head_len > FRAME_HEAD_MAX || body_len > HEAD_FRAME_MAX || head_len + body_len > HEAD_FRAME_MAX)
		return error_set(err, -EMSGSIZE, "head of %zu bytes and body of %zu do not fit one frame", head_len,
				 body_len);
	if (t->held >= 2 * t->options.unacked_max || t->held_frames >= 2 * HELD_FRAMES_MAX)
		return error_set(err, -ENOBUFS, "the tunnel holds %zu bytes that the other end has not acknowledged",
				 t->held);
	return 0;
}

int tunnel_open(struct tunnel *t, const char *head, size_t head_len, const void *body, size_t body_len, bool fin,
		uint32_t *ret, struct error *err)
{
	struct stream *s;
	int r = stream_check_head(t, head_len, body_len, err);

	if (r < 0)
		return r;
	if (t->next_id >= UINT32_MAX - 2)
		return error_set(err, -EOVERFLOW, "no stream numbers are left");
	s = stream_new(t, t->next_id);
	if (!s)
		return error_set(err, -ENOMEM, "no memory for a stream");
	s->open_unsent = true;
	r = stream_send_head(t, s, FRAME_OPEN, head, head_len, body, body_len, fin, err);
	if (r < 0) {
		stream_free(t, s);
		return r;
	}
	t->next_id += 2;
	*ret = s->id;
	return 0;
}

int tunnel_head(struct tunnel *t, uint32_t stream, const char *head, size_t head_len, const void *body, size_t body_len,
		bool fin, struct error *err)
{
	struct stream *s = stream_find(t, stream);
	int r = stream_check_head(t, head_len, body_len, err);

	if (r < 0)
		return r;
	if (!s || s->send_over)
		return error_set(err, -ENOENT, "stream %u is gone", stream);
	if (stream_ours(t, stream) || s->sent_head)
		return error_set(err, -EALREADY, "stream %u has its head", stream);
	if (body_len > s->send_limit - s->sent)
		return error_set(err, -EDQUOT, "no credit for %zu bytes", body_len);
	r = stream_send_head(t, s, FRAME_HEAD, head, head_len, body, body_len, fin, err);
	if (r == 0)
		s->sent_head = true;
	return r;
}

/* ---- sending ---- */

ssize_t tunnel_send(struct tunnel *t, uint32_t stream, uint16_t channel, const void *data, size_t len, bool fin)
{
	struct stream *s = stream_find(t, stream);
	size_t taken = 0, most;

	if (!s || s->send_over)
		return -ENOENT;
	if (channel == 0 && !stream_ours(t, stream) && !s->sent_head)
		return -EINVAL; /* our own mistake: the answer's body before the answer */
	most = stream_room(t, s);
	if (most > len)
		most = len;
	while (taken < most || (fin && len == 0)) {
		size_t n = most - taken < FRAME_PAYLOAD_MAX ? most - taken : FRAME_PAYLOAD_MAX;
		bool last = fin && taken + n == len;
		struct out *o = out_new(FRAME_BODY, last, channel, stream, n);

		if (!o)
			break;
		if (n)
			memcpy(o->data + FRAME_HEADER, (const uint8_t *)data + taken, n);
		taken += n;
		s->sent += n;
		s->send_over = last;
		send_queue(t, s, o);
		if (last)
			break;
	}
	if (taken < len)
		stream_wait(t, s);
	return (ssize_t)taken;
}

int tunnel_tail(struct tunnel *t, uint32_t stream, const char *json, size_t len)
{
	struct stream *s = stream_find(t, stream);
	struct out *o;

	if (!s || s->send_over)
		return -ENOENT;
	if (len > FRAME_HEAD_MAX)
		return -EMSGSIZE;
	o = out_new(FRAME_TAIL, true, 0, stream, len);
	if (!o)
		return -ENOMEM;
	if (len)
		memcpy(o->data + FRAME_HEADER, json, len);
	s->send_over = true;
	send_queue(t, s, o);
	return 0;
}

/* ---- giving up ---- */

static struct out *reset_new(uint32_t stream, const char *json, size_t len)
{
	struct out *o;

	if (len > FRAME_HEAD_MAX)
		len = 0;
	o = out_new(FRAME_RESET, false, 0, stream, len);
	if (o && len)
		memcpy(o->data + FRAME_HEADER, json, len);
	return o;
}

void tunnel_reset(struct tunnel *t, uint32_t stream, const char *json, size_t len)
{
	struct stream *s = stream_find(t, stream);
	struct out *o;

	if (!s)
		return;
	o = s->open_unsent || s->cancelled ? NULL : reset_new(stream, json, len);
	if (o)
		send_urgent(t, o);
	stream_free(t, s);
}

void tunnel_cancel(struct tunnel *t, uint32_t stream, const char *json, size_t len)
{
	struct stream *s = stream_find(t, stream);
	struct out *o;

	if (!s || s->cancelled)
		return;
	o = reset_new(stream, json, len);
	if (!o)
		return;
	send_drop(t, s, true);
	s->cancelled = s->send_over = true;
	node_remove(&s->blocked);
	if (s->open_unsent) /* OPEN goes first: the other end's last words are wanted */
		send_queue(t, s, o);
	else
		send_urgent(t, o);
	stream_settle(t, s);
}

void tunnel_keep_after_reset(struct tunnel *t, uint32_t stream)
{
	struct stream *s = stream_find(t, stream);

	if (s)
		s->keep = true;
}
