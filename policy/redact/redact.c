/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/redact/redact.h"

#include "policy/redact/matcher.h"

#include <errno.h>
#include <string.h>

/*
 * Streams of text with secrets replaced. Matches that overlap become one range with the name of the leftmost (then
 * longest) one: no tail of any secret is left. A range is written as soon as no earlier or longer one can still come;
 * what it covers is dropped from then on, so a range may be longer than what is ever held.
 */
struct redact_stream {
	struct redact *set;
	struct redact_matcher matcher;
	struct buf held; /* input before the current chunk that is not settled */
	uint64_t settled; /* offset up to which input became output */
	struct redact_match *ranges; /* disjoint, rising, behind settled */
	size_t count, cap;
	bool announced; /* the first range's name is written already */
	size_t replaced;
	/* the current chunk */
	const uint8_t *chunk;
	uint64_t chunk_at;
	struct buf *out;
};

size_t redact_reach(const struct redact *r)
{
	return redact_is_empty(r) ? 0 : r->longest * 6 + 64;
}

static int stream_init(struct redact_stream *s, struct redact *set)
{
	memset(s, 0, sizeof(*s));
	s->set = redact_ref(set);
	if (redact_is_empty(set))
		return 0;
	s->held.max = redact_reach(set);
	return redact_matcher_init(&s->matcher, set);
}

static void stream_done(struct redact_stream *s)
{
	redact_matcher_done(&s->matcher);
	buf_done(&s->held);
	free(s->ranges);
	s->set = redact_unref(s->set);
}

/* As much of it as fits. */
static int append(struct buf *out, const void *data, size_t n)
{
	size_t room = buf_room(out);
	int r = buf_append(out, data, n <= room ? n : room);

	return r == 0 && n > room ? -E2BIG : r;
}

/* Input from settled to offset becomes output. */
static int pass(struct redact_stream *s, uint64_t to)
{
	uint64_t from = s->settled;
	int r = 0;

	s->settled = to;
	if (from < s->chunk_at && from < to) {
		uint64_t upto = to < s->chunk_at ? to : s->chunk_at;

		r = append(s->out, buf_head(&s->held) + (s->held.len - (s->chunk_at - from)), (size_t)(upto - from));
		from = upto;
	}
	if (r == 0 && from < to)
		r = append(s->out, s->chunk + (from - s->chunk_at), (size_t)(to - from));
	return r;
}

/* Writes what no later match can change. */
static int settle(struct redact_stream *s, uint64_t safe)
{
	while (s->count && s->settled < safe) {
		struct redact_match *first = &s->ranges[0];
		int r = 0;

		if (!s->announced && first->start >= safe)
			break;
		if (!s->announced) {
			r = pass(s, first->start);
			if (r == 0)
				r = append(s->out, first->word->token, first->word->token_len);
			s->announced = true;
			s->replaced++;
		}
		if (r < 0)
			return r;
		s->settled = first->end < safe ? first->end : safe;
		if (first->end > safe)
			return 0;
		memmove(first, first + 1, --s->count * sizeof(*first));
		s->announced = false;
	}
	return s->settled < safe ? pass(s, safe) : 0;
}

static int add_range(struct redact_stream *s, struct redact_match match)
{
	while (s->count && s->ranges[s->count - 1].end > match.start) {
		struct redact_match *last = &s->ranges[--s->count];

		if (last->start < match.start) {
			match.start = last->start;
			match.word = last->word;
		}
		if (last->end > match.end)
			match.end = last->end;
	}
	if (s->count == s->cap) {
		size_t cap = s->cap ? s->cap * 2 : 8;
		struct redact_match *ranges = realloc(s->ranges, cap * sizeof(*ranges));

		if (!ranges)
			return -ENOMEM;
		s->ranges = ranges;
		s->cap = cap;
	}
	s->ranges[s->count++] = match;
	return 0;
}

/* Keeps what is not settled for the next chunk. */
static int hold(struct redact_stream *s, const uint8_t *end)
{
	if (s->settled >= s->chunk_at) {
		buf_clear(&s->held);
		return buf_append(&s->held, s->chunk + (s->settled - s->chunk_at),
				  (size_t)(end - s->chunk) - (size_t)(s->settled - s->chunk_at));
	}
	buf_consume(&s->held, s->held.len - (size_t)(s->chunk_at - s->settled));
	return buf_append(&s->held, s->chunk, (size_t)(end - s->chunk));
}

static int stream_feed(struct redact_stream *s, const void *data, size_t len, struct buf *out)
{
	const uint8_t *p = data, *end = p + len;
	struct redact_match match;
	int r = 0;

	if (redact_is_empty(s->set))
		return buf_append(out, data, len);
	s->chunk = p;
	s->chunk_at = s->matcher.pos;
	s->out = out;
	while (r == 0 && redact_matcher_next(&s->matcher, &p, end, &match)) {
		r = add_range(s, match);
		if (r == 0)
			r = settle(s, redact_matcher_safe(&s->matcher));
	}
	if (r == 0)
		r = settle(s, redact_matcher_safe(&s->matcher));
	return r < 0 ? r : hold(s, end);
}

static int stream_end(struct redact_stream *s, struct buf *out)
{
	if (redact_is_empty(s->set))
		return 0;
	s->chunk = NULL;
	s->chunk_at = s->matcher.pos;
	s->out = out;
	return settle(s, s->matcher.pos);
}

struct redact_stream *redact_stream_new(struct redact *r)
{
	struct redact_stream *s = malloc(sizeof(*s));

	if (!s)
		return NULL;
	if (stream_init(s, r) < 0)
		return redact_stream_free(s);
	return s;
}

struct redact_stream *redact_stream_free(struct redact_stream *s)
{
	if (!s)
		return NULL;
	stream_done(s);
	free(s);
	return NULL;
}

int redact_stream_feed(struct redact_stream *s, const void *data, size_t len, struct buf *out)
{
	return stream_feed(s, data, len, out);
}

int redact_stream_end(struct redact_stream *s, struct buf *out)
{
	return stream_end(s, out);
}

/* Is there anything to replace? Most texts have nothing, and then nothing is copied. */
static bool has_secret(const struct redact *r, const struct buf *text)
{
	const uint8_t *p = buf_head(text);
	struct redact_matcher m;
	struct redact_match match;
	bool found;

	if (redact_matcher_init(&m, r) < 0)
		return true; /* the rewriting that follows will fail closed */
	found = redact_matcher_next(&m, &p, p + text->len, &match);
	redact_matcher_done(&m);
	return found;
}

size_t redact_buf(const struct redact *r, struct buf *text)
{
	struct redact_stream s;
	struct buf out = BUF_INIT(text->max);
	size_t replaced;

	if (redact_is_empty(r) || text->len == 0 || !has_secret(r, text))
		return 0;
	/* The set is only borrowed; the count of references is the one thing that changes. A failure (the maximum, no
	 * memory) cuts the text: nothing of a secret is in what was written before it. */
	if (stream_init(&s, (struct redact *)(uintptr_t)r) < 0 ||
	    stream_feed(&s, buf_head(text), text->len, &out) < 0 || stream_end(&s, &out) < 0)
		s.replaced++;
	replaced = s.replaced;
	stream_done(&s);
	buf_done(text);
	*text = out;
	return replaced;
}

size_t redact_line(const struct redact *r, char *line, size_t len)
{
	const uint8_t *p = (const uint8_t *)line, *end = p + len;
	struct redact_matcher m;
	struct redact_match match;

	if (redact_is_empty(r))
		return len;
	if (redact_matcher_init(&m, r) < 0) {
		memset(line, '*', len);
		return len;
	}
	/* What was read is never read again, so it can be overwritten while the search goes on. */
	while (redact_matcher_next(&m, &p, end, &match))
		memset(line + match.start, '*', (size_t)(match.end - match.start));
	redact_matcher_done(&m);
	return len;
}
