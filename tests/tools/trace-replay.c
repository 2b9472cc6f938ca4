/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trace-replay FILE: reads a HAWSER_TRACE (tunnel/proto/trace.h; of one end, or of both in one file) and tries it
 * against the rules again. For each end that wrote it: what came in is fed to proto, with zeros for payloads; what went
 * out is checked here (numbers, resent frames equal to the first, credit, ends, acknowledgements) and told to the same
 * tunnel. Prints the first line that breaks a rule; status 1. It reaches into proto's state, as no secret for a
 * handshake is in a trace.
 */
#include "tunnel/proto/internal.h"
#include "tunnel/proto/trace.h"

#include <inttypes.h>
#include <stdio.h>

enum { ENDS = 2 };

/* A stream that the other end gave up: only what had a number by then is still written. */
struct reset {
	uint32_t stream;
	uint64_t last;
};

struct side {
	char name[TRACE_END_MAX];
	struct tunnel *t;
	struct tunnel_link *link;
	struct frame *sent; /* of this conversation, by number */
	size_t sent_room;
	struct reset *resets; /* of this conversation */
	size_t reset_count;
	unsigned long frames, resent, conversations;
};

static struct side sides[ENDS];

static void no_random(void *user, void *data, size_t len)
{
	memset(data, 1, len);
}

static const char *side_begin(struct side *side, bool dialler)
{
	static const struct tunnel_events events;
	struct tunnel_options o = {.dialler = dialler, .random = no_random, .streams_max = 1 << 20};
	_cleanup_error_ struct error err = ERROR_INIT;

	tunnel_link_free(side->link);
	tunnel_free(side->t);
	if (tunnel_new(&o, &events, side, &side->t, &err) < 0 ||
	    tunnel_link_new(side->t, 0, NULL, NULL, &side->link, &err) < 0)
		return "no memory";
	side->t->link = side->link;
	side->link->state = LINK_UP;
	side->reset_count = 0;
	side->conversations++;
	return NULL;
}

static struct side *side_of(const struct trace_line *l)
{
	for (int i = 0; i < ENDS; i++) {
		if (!sides[i].t) {
			memcpy(sides[i].name, l->end, sizeof(l->end));
			/* The dialler's first line is its own HELLO. */
			return side_begin(&sides[i], l->outgoing) ? NULL : &sides[i];
		}
		if (strcmp(sides[i].name, l->end) == 0)
			return &sides[i];
	}
	return NULL;
}

static bool same_frame(const struct frame *a, const struct frame *b)
{
	/* flags of a RESET in a trace are what the stream was at that time */
	return a->type == b->type && (a->flags == b->flags || a->type == FRAME_RESET) && a->channel == b->channel &&
	       a->stream == b->stream && a->length == b->length;
}

static size_t body_of(const struct frame *f)
{
	if (f->type == FRAME_BODY)
		return f->length;
	return f->type == FRAME_OPEN || f->type == FRAME_HEAD ? f->length - 2 - f->channel : 0;
}

/* ---- what went out ---- */

static const char *out_reset(struct tunnel *t, struct stream *s, bool goes_on)
{
	if (s && !goes_on)
		stream_free(t, s);
	else if (s)
		s->send_over = s->cancelled = true;
	return NULL;
}

/* A frame on a stream that is not there (any more). */
static const char *out_behind_reset(const struct side *side, const struct frame *f)
{
	for (size_t i = side->reset_count; i-- > 0;)
		if (side->resets[i].stream == f->stream)
			return side->t->sent <= side->resets[i].last ? NULL : "goes on behind a RESET that came";
	return "sends on a stream that is over";
}

static const char *out_stream(struct side *side, const struct frame *f)
{
	struct tunnel *t = side->t;
	struct stream *s = stream_find(t, f->stream);

	if (f->type == FRAME_OPEN) {
		if (!stream_ours(t, f->stream) || f->stream < t->next_id)
			return "opens a stream number that is not its own or not new";
		t->next_id = f->stream + 2;
		s = stream_new(t, f->stream);
	}
	if (f->type == FRAME_RESET)
		return out_reset(t, s, f->flags);
	if (!s)
		return out_behind_reset(side, f);
	if (s->send_over)
		return "sends on a stream that is over";
	if (f->type == FRAME_HEAD && (stream_ours(t, f->stream) || s->sent_head))
		return "a HEAD too much";
	if (body_of(f) > s->send_limit - s->sent)
		return "sends more than its credit";
	s->sent += body_of(f);
	s->sent_head = s->sent_head || f->type == FRAME_HEAD;
	s->send_over = f->flags & FRAME_FIN;
	stream_settle(t, s);
	return NULL;
}

static const char *out_numbered(struct side *side, const struct frame *f)
{
	struct tunnel *t = side->t;
	int64_t count = seq_count(t->sent, f->sequence);

	if (count <= (int64_t)t->sent && count > 0) {
		side->resent++;
		if (count <= (int64_t)t->acked)
			return "sends again what was acknowledged";
		return same_frame(&side->sent[count - 1], f) ? NULL : "sends another frame under a used number";
	}
	if (count != (int64_t)t->sent + 1)
		return "leaves a number out";
	if (t->sent == side->sent_room) {
		size_t room = side->sent_room ? side->sent_room * 2 : 1024;
		struct frame *more = realloc(side->sent, room * sizeof(*more));

		if (!more)
			return "no memory";
		side->sent = more;
		side->sent_room = room;
	}
	side->sent[t->sent++] = *f;
	return out_stream(side, f);
}

static const char *outgoing(struct side *side, const struct frame *f)
{
	struct stream *s = stream_find(side->t, f->stream);

	if (frame_type_numbered(f->type))
		return out_numbered(side, f);
	if (f->type == FRAME_ACK && seq_count(side->t->received, f->sequence) > (int64_t)side->t->received)
		return "acknowledges what never came";
	if (f->type == FRAME_CREDIT && s) {
		if (f->sequence < s->recv_limit && s->recv_limit < UINT32_MAX)
			return "takes credit back";
		s->recv_limit = f->sequence;
	}
	return NULL;
}

/* ---- what came in ---- */

/* What the end that was told knew: whether it goes on, and which number it gave out last. */
static const char *told_of_reset(struct side *side, const struct frame *f)
{
	struct tunnel *t = side->t;
	struct reset *more;

	if (f->flags) {
		tunnel_keep_after_reset(t, f->stream);
		return NULL;
	}
	more = reallocarray(side->resets, side->reset_count + 1, sizeof(*more));
	if (!more)
		return "no memory";
	side->resets = more;
	more[side->reset_count++] =
		(struct reset){f->stream, t->sent + (uint16_t)(f->channel - (uint16_t)seq_wire(t->sent))};
	return NULL;
}

static const char *incoming(struct side *side, const struct frame *f)
{
	static uint8_t bytes[FRAME_HEADER + FRAME_PAYLOAD_MAX];
	static char why[256];
	_cleanup_error_ struct error err = ERROR_INIT;
	uint8_t *payload = bytes + FRAME_HEADER;
	struct frame wire = *f;

	if (f->type == FRAME_HELLO || f->type == FRAME_PROOF || f->type == FRAME_BYE || f->length > FRAME_PAYLOAD_MAX)
		return f->length > FRAME_PAYLOAD_MAX ? "length" : NULL;
	memset(payload, 0, f->length);
	if (!frame_type_numbered(f->type))
		wire.sequence = 0;
	if (f->type == FRAME_ACK)
		put32(payload, f->sequence);
	if (f->type == FRAME_CREDIT)
		put32(payload + 4, f->sequence);
	if (f->type == FRAME_RESET) {
		const char *fault = told_of_reset(side, f);

		if (fault)
			return fault;
		wire.flags = 0;
		wire.channel = 0;
	}
	if (f->type == FRAME_OPEN || f->type == FRAME_HEAD) {
		wire.channel = 0;
		payload[0] = (uint8_t)(f->channel >> 8);
		payload[1] = (uint8_t)f->channel;
	}
	frame_encode(&wire, bytes);
	side->link->control_len = side->link->control_taken = 0; /* nobody writes PONGs */
	if (tunnel_feed(side->link, bytes, FRAME_HEADER + f->length, 0, &err) == 0)
		return NULL;
	snprintf(why, sizeof(why), "%s", error_text(&err));
	return why;
}

static const char *replay(struct trace_line *l)
{
	struct side *side = side_of(l);

	if (!side)
		return "a third end";
	side->frames++;
	if (l->frame.type == FRAME_PROOF && l->frame.flags == 0)
		return side_begin(side, side->t->options.dialler);
	return l->outgoing ? outgoing(side, &l->frame) : incoming(side, &l->frame);
}

int main(int argc, char **argv)
{
	FILE *file = argc == 2 ? fopen(argv[1], "re") : NULL;
	char text[TRACE_LINE_MAX];
	unsigned long number = 0;
	int status = 0;

	if (!file) {
		fprintf(stderr, "usage: trace-replay FILE\n");
		return 2;
	}
	while (status == 0 && fgets(text, sizeof(text), file)) {
		struct trace_line l;
		const char *why;

		number++;
		why = trace_parse(text, &l) ? replay(&l) : "not a line of a trace";
		if (why) {
			printf("line %lu: %s: %s", number, why, text);
			status = 1;
		}
	}
	fclose(file);
	for (int i = 0; i < ENDS && sides[i].t; i++) {
		if (status == 0)
			printf("%s: %lu frames, %lu sent again, %" PRIu64 " duplicates came, %lu conversations\n",
			       sides[i].name, sides[i].frames, sides[i].resent, sides[i].t->stats.duplicates,
			       sides[i].conversations);
		tunnel_link_free(sides[i].link);
		tunnel_free(sides[i].t);
		free(sides[i].sent);
		free(sides[i].resets);
	}
	return status;
}
