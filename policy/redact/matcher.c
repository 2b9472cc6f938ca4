/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/redact/matcher.h"

#include <errno.h>
#include <string.h>

int redact_matcher_init(struct redact_matcher *m, const struct redact *set)
{
	size_t ring = 16;

	memset(m, 0, sizeof(*m));
	m->set = set;
	while (ring < set->longest + 8)
		ring *= 2;
	m->mask = (uint32_t)ring - 1;
	m->starts = malloc(ring * sizeof(*m->starts));
	m->escape_starts = malloc(ring * sizeof(*m->escape_starts));
	m->escape_lens = malloc(ring);
	if (m->starts && m->escape_starts && m->escape_lens)
		return 0;
	redact_matcher_done(m);
	return -ENOMEM;
}

void redact_matcher_done(struct redact_matcher *m)
{
	free(m->starts);
	free(m->escape_starts);
	free(m->escape_lens);
	m->starts = m->escape_starts = NULL;
	m->escape_lens = NULL;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* The rings keep 32 bits of an offset; what they hold is never further back than that. */
static uint64_t whole_offset(const struct redact_matcher *m, uint32_t low)
{
	return m->pos - (uint32_t)((uint32_t)m->pos - low);
}

/* ---- the second reading ---- */

/* Where the last n decoded bytes begin in the stream. */
static uint64_t decoded_start(const struct redact_matcher *m, uint64_t n)
{
	const struct redact_decoded *d = &m->decoded;

	if (n > d->count)
		return d->fork_at - (n - d->count);
	return n ? whole_offset(m, m->starts[(d->count - n) & m->mask]) : m->pos;
}

static void put_byte(struct redact_matcher *m, uint8_t byte, uint64_t from)
{
	struct redact_decoded *d = &m->decoded;
	uint32_t next = m->set->next[d->state + m->set->class_of[byte]];

	m->starts[d->count++ & m->mask] = (uint32_t)from;
	d->state = next & ~REDACT_HIT;
	if (next & REDACT_HIT) {
		d->hit.word = redact_word(m->set, d->state);
		d->hit.start = decoded_start(m, d->hit.word->len);
	}
}

/* As put_byte(); half of a pair that waited in vain is a byte that no text has. */
static void put(struct redact_matcher *m, uint8_t byte, uint64_t from)
{
	if (m->decoded.high) {
		m->decoded.high = 0;
		put_byte(m, 0xff, m->decoded.high_at);
	}
	put_byte(m, byte, from);
}

static void put_character(struct redact_matcher *m, uint32_t c, uint64_t from)
{
	if (c < 0x80) {
		put(m, (uint8_t)c, from);
		return;
	}
	if (c < 0x800) {
		put(m, (uint8_t)(0xc0 | c >> 6), from);
	} else if (c < 0x10000) {
		put(m, (uint8_t)(0xe0 | c >> 12), from);
		put(m, (uint8_t)(0x80 | (c >> 6 & 0x3f)), from);
	} else {
		put(m, (uint8_t)(0xf0 | c >> 18), from);
		put(m, (uint8_t)(0x80 | (c >> 12 & 0x3f)), from);
		put(m, (uint8_t)(0x80 | (c >> 6 & 0x3f)), from);
	}
	put(m, (uint8_t)(0x80 | (c & 0x3f)), from);
}

static void open_escape(struct redact_matcher *m, uint64_t at)
{
	struct redact_decoded *d = &m->decoded;

	d->phase = 1;
	d->escape_at = at;
	m->escape_starts[d->escapes & m->mask] = (uint32_t)at;
	m->escape_lens[d->escapes++ & m->mask] = 0;
}

static void close_escape(struct redact_matcher *m, uint64_t last)
{
	struct redact_decoded *d = &m->decoded;

	d->phase = 0;
	m->escape_lens[(d->escapes - 1) & m->mask] = (uint8_t)(last + 1 - d->escape_at);
}

static void finish_unicode(struct redact_matcher *m, uint64_t last)
{
	struct redact_decoded *d = &m->decoded;
	uint32_t c = d->value;

	close_escape(m, last);
	if (c >= 0xd800 && c < 0xdc00) {
		if (d->high)
			put(m, 0xff, d->high_at);
		d->high = c;
		d->high_at = d->escape_at;
		d->high_end = last + 1;
	} else if (c >= 0xdc00 && c < 0xe000 && d->high && d->high_end == d->escape_at) {
		c = 0x10000 + ((d->high - 0xd800) << 10) + (c - 0xdc00);
		d->high = 0;
		put_character(m, c, d->high_at);
	} else {
		put_character(m, c, d->escape_at);
	}
}

static int hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void read_plain(struct redact_matcher *m, uint8_t byte, uint64_t at)
{
	if (byte == '\\')
		open_escape(m, at);
	else
		put(m, byte, at);
}

static void read_digit(struct redact_matcher *m, uint8_t byte, uint64_t at)
{
	struct redact_decoded *d = &m->decoded;
	int digit = hex_digit(byte);
	unsigned digits = d->digits;
	uint32_t value = d->value;
	uint64_t from = d->escape_at;

	if (digit >= 0) {
		d->value = value << 4 | (uint32_t)digit;
		if (++d->digits == 4)
			finish_unicode(m, at);
		return;
	}
	/* No escape after all: its bytes stand for themselves. */
	close_escape(m, from);
	put(m, '\\', from);
	put(m, 'u', from + 1);
	for (unsigned i = 0; i < digits; i++)
		put(m, (uint8_t) "0123456789abcdef"[value >> 4 * (digits - 1 - i) & 15], from + 2 + i);
	read_plain(m, byte, at);
}

static void read_escaped(struct redact_matcher *m, uint8_t byte, uint64_t at)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	struct redact_decoded *d = &m->decoded;
	const char *known = byte ? strchr(from, byte) : NULL;

	if (byte == 'u') {
		d->phase = 2;
		d->digits = d->value = 0;
	} else if (known) {
		close_escape(m, at);
		put(m, (uint8_t)to[known - from], d->escape_at);
	} else {
		close_escape(m, d->escape_at);
		put(m, '\\', d->escape_at);
		put(m, byte, at);
	}
}

static void read_decoded(struct redact_matcher *m, uint8_t byte, uint64_t at)
{
	if (m->decoded.phase == 0)
		read_plain(m, byte, at);
	else if (m->decoded.phase == 1)
		read_escaped(m, byte, at);
	else
		read_digit(m, byte, at);
}

static void fork_readings(struct redact_matcher *m)
{
	m->apart = true;
	m->open = false;
	m->decoded = (struct redact_decoded){.state = m->state, .fork_at = m->pos};
}

/* ---- both ---- */

/* An offset inside an escape moves to its beginning, so that no half of one is left behind. */
static uint64_t before_escape(const struct redact_matcher *m, uint64_t offset)
{
	const struct redact_decoded *d = &m->decoded;
	uint64_t kept = least(d->escapes, m->mask);

	for (uint64_t i = 1; i <= kept; i++) {
		uint64_t start = whole_offset(m, m->escape_starts[(d->escapes - i) & m->mask]);
		uint8_t len = m->escape_lens[(d->escapes - i) & m->mask];

		if (start < offset)
			return len == 0 || offset < start + len ? start : offset;
	}
	return offset;
}

static uint64_t raw_start(const struct redact_matcher *m, uint64_t n)
{
	uint64_t start = m->pos - n;

	return m->apart && n ? before_escape(m, start) : start;
}

uint64_t redact_matcher_safe(const struct redact_matcher *m)
{
	const struct redact_decoded *d = &m->decoded;
	uint64_t safe = raw_start(m, redact_depth(m->set, m->state));

	if (!m->apart)
		return safe;
	safe = least(safe, decoded_start(m, redact_depth(m->set, d->state)));
	if (d->phase)
		safe = least(safe, d->escape_at);
	if (d->high)
		safe = least(safe, d->high_at);
	return m->open ? least(safe, m->open_from) : safe;
}

static void keep_earlier(struct redact_match *match, uint64_t start, const struct redact_word *word)
{
	if (!match->word || start < match->start) {
		match->start = start;
		match->word = word;
	}
}

/* One byte while the readings are apart; true: a secret ended with it. */
static bool step(struct redact_matcher *m, uint8_t byte, struct redact_match *ret)
{
	uint32_t next = m->set->next[m->state + m->set->class_of[byte]];
	struct redact_decoded *d = &m->decoded;
	uint64_t at = m->pos++;

	d->hit.word = NULL;
	m->state = next & ~REDACT_HIT;
	read_decoded(m, byte, at);
	*ret = d->hit;
	if (next & REDACT_HIT)
		keep_earlier(ret, raw_start(m, redact_word(m->set, m->state)->len), redact_word(m->set, m->state));
	if (m->open)
		keep_earlier(ret, m->open_from, m->open_word);
	m->open = false;
	if (ret->word && d->phase) {
		m->open = true;
		m->open_from = ret->start;
		m->open_word = ret->word;
	}
	ret->end = m->pos;
	if (d->phase == 0 && !d->high && d->state == m->state &&
	    decoded_start(m, redact_depth(m->set, d->state)) == m->pos - redact_depth(m->set, m->state))
		m->apart = false;
	return ret->word != NULL;
}

/* Plain text up to a match, a backslash or the end; returns where it stopped. hit: a match. */
static const uint8_t *run_plain(struct redact_matcher *m, const uint8_t *p, const uint8_t *end, bool *ret_hit)
{
	const struct redact *set = m->set;
	const uint8_t *from = p;
	uint32_t state = m->state;

	for (*ret_hit = false; !*ret_hit;) {
		if (state == 0)
			while (p < end && !set->wakes[*p])
				p++;
		if (p == end)
			break;
		if (*p == '\\') {
			if (state != 0 || end - p < 2 || !set->calm[p[1]])
				break;
			p += 2;
			continue;
		}
		state = set->next[state + set->class_of[*p++]];
		*ret_hit = state & REDACT_HIT;
	}
	m->state = state & ~REDACT_HIT;
	m->pos += (uint64_t)(p - from);
	return p;
}

bool redact_matcher_next(struct redact_matcher *m, const uint8_t **p, const uint8_t *end, struct redact_match *ret)
{
	bool hit;

	while (*p < end) {
		if (!m->apart) {
			*p = run_plain(m, *p, end, &hit);
			if (hit) {
				ret->word = redact_word(m->set, m->state);
				ret->start = m->pos - ret->word->len;
				ret->end = m->pos;
				return true;
			}
			if (*p == end)
				return false;
			fork_readings(m);
		}
		if (step(m, *(*p)++, ret))
			return true;
	}
	return false;
}
