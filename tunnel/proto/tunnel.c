/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One end of a tunnel: what outlives links. Files: hello.c (handshake), link.c (one connection), receive.c (frames
 * coming in), send.c (frames going out), streams.c (the interface of streams). README.md has the states.
 */
#include "tunnel/proto/internal.h"

#include <errno.h>

enum { DONE_BITS_START = 1024 };

int tunnel_new(const struct tunnel_options *options, const struct tunnel_events *events, void *user,
	       struct tunnel **ret, struct error *err)
{
	struct tunnel *t = calloc(1, sizeof(*t));

	if (t)
		t->done = calloc(DONE_BITS_START / 64, sizeof(*t->done));
	if (!t || !t->done) {
		free(t);
		return error_set(err, -ENOMEM, "no memory for a tunnel");
	}
	t->done_bits = DONE_BITS_START;
	t->options = *options;
	t->events = *events;
	t->user = user;
	if (t->options.unacked_max == 0)
		t->options.unacked_max = UNACKED_DEFAULT;
	if (t->options.unacked_max < UNACKED_LEAST)
		t->options.unacked_max = UNACKED_LEAST;
	if (t->options.streams_max == 0)
		t->options.streams_max = STREAMS_DEFAULT;
	t->boot = options->boot;
	t->options.random(t->options.random_user, t->epoch, sizeof(t->epoch));
	t->options.random(t->options.random_user, t->epoch_before, sizeof(t->epoch_before));
	t->ack_deadline = UINT64_MAX;
	t->next_id = options->dialler ? 1 : 2;
	node_init(&t->ready);
	node_init(&t->credit);
	node_init(&t->blocked);
	*ret = t;
	return 0;
}

/* Takes all streams out of the tunnel, and everything that was numbered or queued. */
static struct stream *tunnel_empty(struct tunnel *t)
{
	struct stream *streams = t->streams, *s, *tmp;

	HASH_ITER (hh, streams, s, tmp) {
		send_drop(t, s, false);
		credit_end(t, s);
		node_remove(&s->blocked);
	}
	t->streams = NULL;
	t->streams_theirs = 0;
	send_forget(t);
	return streams;
}

struct tunnel *tunnel_free(struct tunnel *t)
{
	struct stream *streams, *s, *tmp;

	if (!t)
		return NULL;
	streams = tunnel_empty(t);
	HASH_ITER (hh, streams, s, tmp) {
		HASH_DEL(streams, s);
		free(s);
	}
	free(t->done);
	explicit_bzero(&t->options.secret, sizeof(t->options.secret));
	free(t);
	return NULL;
}

static void trace_reset(struct tunnel *t, bool outgoing, struct frame *f)
{
	const struct stream *s = stream_find(t, f->stream);

	f->flags = s && (outgoing ? s->cancelled : s->keep);
	if (!outgoing)
		f->channel = (uint16_t)seq_wire(t->sent);
}

/* trace.h says which fields of the copy tell what stands in the payload, or what the reader cannot know. */
void tunnel_trace(struct tunnel *t, bool outgoing, const struct frame *f, const uint8_t *payload)
{
	struct frame copy = *f;

	if (!t->options.trace || f->type == FRAME_PROOF)
		return;
	if (f->type == FRAME_HELLO)
		copy.sequence = get32(payload + HELLO_RECEIVED);
	else if (f->type == FRAME_ACK)
		copy.sequence = get32(payload);
	else if (f->type == FRAME_CREDIT)
		copy.sequence = get32(payload) ? UINT32_MAX : get32(payload + 4);
	else if (f->type == FRAME_OPEN || f->type == FRAME_HEAD)
		copy.channel = (uint16_t)(payload[0] << 8 | payload[1]);
	else if (f->type == FRAME_RESET)
		trace_reset(t, outgoing, &copy);
	t->options.trace(t->options.trace_user, t->now, outgoing, &copy);
}

/* In a trace PROOF stands where it is accepted, not where it is read or queued. */
static void trace_proof(struct tunnel *t, bool resumed, uint32_t received)
{
	struct frame f = {.type = FRAME_PROOF, .flags = resumed, .sequence = received, .length = PROOF_SIZE};

	if (t->options.trace)
		t->options.trace(t->options.trace_user, t->now, t->options.dialler, &f);
}

/* The link that is up carries the tunnel no longer. */
static void tunnel_retire_link(struct tunnel *t)
{
	struct tunnel_link *old = t->link;

	if (!old)
		return;
	old->state = LINK_CLOSED;
	t->link = NULL;
	if (old->replaced)
		old->replaced(old->user);
}

void tunnel_begin_anew(struct tunnel *t)
{
	struct stream *streams, *s, *tmp;

	tunnel_retire_link(t);
	t->conversation++;
	if (!t->other_known) /* nothing has been said yet: what is queued is for whoever comes first */
		return;
	streams = tunnel_empty(t);
	t->other_known = false;
	t->received = t->handled = t->ack_sent = 0;
	t->ack_deadline = UINT64_MAX;
	memset(t->done, 0, t->done_bits / 8);
	t->last_their_id = 0;
	HASH_ITER (hh, streams, s, tmp) {
		uint32_t id = s->id;
		bool over = s->send_over && s->recv_over;

		HASH_DEL(streams, s);
		free(s);
		if (!over && t->events.stream_lost)
			t->events.stream_lost(t->user, id);
	}
}

void tunnel_break(struct tunnel *t)
{
	t->options.random(t->options.random_user, &t->boot, sizeof(t->boot));
	t->options.random(t->options.random_user, t->epoch, sizeof(t->epoch));
	t->options.random(t->options.random_user, t->epoch_before, sizeof(t->epoch_before));
	t->moved = false;
	tunnel_begin_anew(t);
}

/* The other end's received and handled as counts; false: not within what we keep. */
static bool tunnel_counts(const struct tunnel *t, uint32_t received, uint32_t handled, uint64_t *ret_received,
			  uint64_t *ret_handled)
{
	int64_t r = received ? seq_count(t->acked, received) : 0;
	int64_t h = handled ? seq_count(t->acked, handled) : 0;

	if (r < (int64_t)t->acked || r > (int64_t)t->sent || h > r)
		return false;
	*ret_received = (uint64_t)r;
	*ret_handled = h < 0 ? 0 : (uint64_t)h;
	return true;
}

int tunnel_take_link(struct tunnel_link *link, bool resumed, uint32_t received, uint32_t handled, struct error *err)
{
	struct tunnel *t = link->t;
	uint64_t r, h;

	if (!tunnel_counts(t, received, handled, &r, &h)) {
		int code = link_fail(link, -EPROTO, "fault", err, "HELLO says that frames came which are not kept");

		tunnel_break(t);
		return code;
	}
	tunnel_retire_link(t);
	t->link = link;
	link->state = LINK_UP;
	trace_proof(t, resumed, received);
	t->stats.links++;
	t->moved = r > t->arrived;
	t->arrived = r;
	t->ack_sent = 0;
	send_ack_due(t);
	send_rewind(t, r);
	for (struct stream *s = t->streams; s; s = s->hh.next)
		if (!s->recv_over && !s->open_unsent && !node_linked(&s->credit))
			node_append(&t->credit, &s->credit);
	if (t->events.up)
		t->events.up(t->user, resumed);
	receive_acked(t, h);
	stream_wake_blocked(t);
	return 0;
}

bool tunnel_is_up(const struct tunnel *t)
{
	return t->link != NULL;
}

bool tunnel_link_moved(const struct tunnel *t)
{
	return t->moved;
}

void tunnel_stats(const struct tunnel *t, struct tunnel_stats *ret)
{
	*ret = t->stats;
	ret->unacked = t->held;
	ret->streams = HASH_COUNT(t->streams);
}
