/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/policy/redact/naive.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

enum { MOST = 4096 };

struct reading {
	/* the decoded bytes and where each is from */
	unsigned char bytes[2 * MOST];
	size_t from[2 * MOST], to[2 * MOST], count;
	/* attempts at an escape: where it begins, when that was decided, where it ends (begins + 1: was none) */
	size_t begins[MOST], decided[MOST], ends[MOST], escapes;
};

static void add(struct reading *r, unsigned char byte, size_t from, size_t to)
{
	r->bytes[r->count] = byte;
	r->from[r->count] = from;
	r->to[r->count++] = to;
}

static void add_utf8(struct reading *r, unsigned c, size_t from, size_t to)
{
	unsigned char u[4];
	int n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};

	for (int i = n - 1; i > 0; i--, c >>= 6)
		u[i] = (unsigned char)(0x80 | (c & 0x3f));
	u[0] = (unsigned char)(lead[n] | c);
	for (int i = 0; i < n; i++)
		add(r, u[i], from, to);
}

/* Number of hexadecimal digits (at most 4) at i, and their value. */
static size_t digits_at(const char *text, size_t len, size_t i, unsigned *ret)
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";
	size_t n = 0;

	for (*ret = 0; n < 4 && i + n < len && text[i + n] && strchr(digits, text[i + n]); n++)
		*ret = *ret * 16 + (unsigned)(strchr(digits, text[i + n]) - digits) % 16;
	return n;
}

static void note(struct reading *r, size_t begins, size_t decided, size_t ends)
{
	r->begins[r->escapes] = begins;
	r->decided[r->escapes] = decided;
	r->ends[r->escapes++] = ends;
}

static size_t read_unicode(struct reading *r, const char *text, size_t len, size_t i)
{
	unsigned c, low;

	note(r, i, i + 6, i + 6);
	digits_at(text, len, i + 2, &c);
	if (c >= 0xd800 && c < 0xdc00 && i + 12 <= len && text[i + 6] == '\\' && text[i + 7] == 'u' &&
	    digits_at(text, len, i + 8, &low) == 4 && low >= 0xdc00 && low < 0xe000) {
		note(r, i + 6, i + 12, i + 12);
		add_utf8(r, 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00), i, i + 12);
		return i + 12;
	}
	if (c >= 0xd800 && c < 0xdc00)
		add(r, 0xff, i, i + 6);
	else
		add_utf8(r, c, i, i + 6);
	return i + 6;
}

static void read_all(struct reading *r, const char *text, size_t len)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	unsigned c;

	for (size_t i = 0; i < len;) {
		bool two = i + 1 < len && text[i] == '\\' && text[i + 1];

		if (two && strchr(from, text[i + 1])) {
			note(r, i, i + 2, i + 2);
			add(r, (unsigned char)to[strchr(from, text[i + 1]) - from], i, i + 2);
			i += 2;
			continue;
		}
		if (two && text[i + 1] == 'u') {
			size_t n = digits_at(text, len, i + 2, &c);

			if (n == 4) {
				i = read_unicode(r, text, len, i);
				continue;
			}
			note(r, i, i + 2 + n + 1, i + 1);
			for (size_t k = 0; k < 2 + n; k++)
				add(r, (unsigned char)text[i + k], i + k, i + k + 1);
			i += 2 + n;
			continue;
		}
		if (text[i] == '\\')
			note(r, i, i + 2, i + 1);
		add(r, (unsigned char)text[i], i, i + 1);
		i++;
	}
}

static void cover(bool *covered, bool *starts, size_t from, size_t to)
{
	/* Touching ranges stay apart, overlapping ones become one. */
	bool overlaps = covered[from];

	for (size_t i = from; i < to; i++) {
		if (i > from)
			starts[i] = false;
		covered[i] = true;
	}
	if (!overlaps)
		starts[from] = true;
}

struct range {
	size_t from, to;
};

static struct range widen(const struct reading *r, size_t from, size_t to, size_t len)
{
	struct range range = {from, to};

	for (size_t i = 0; i < r->escapes; i++) {
		bool open = r->decided[i] > to;

		if (r->begins[i] < from && (open || from < r->ends[i]))
			range.from = r->begins[i];
		if (r->begins[i] < to && open)
			range.to = r->decided[i];
	}
	/* An attempt that failed at a backslash leads straight into the next one. */
	for (size_t i = 0; i < r->escapes; i++)
		if (range.to > to && r->begins[i] < range.to && r->decided[i] > range.to)
			range.to = r->decided[i];
	if (range.to > len)
		range.to = len;
	return range;
}

void naive_redact(const struct redact_secret *secrets, size_t count, const char *text, size_t len, struct buf *out)
{
	static struct reading r;
	static struct range ranges[64 * MOST];
	static bool covered[MOST], starts[MOST];
	size_t n = 0;
	int code = 0;

	memset(&r, 0, sizeof(r));
	memset(covered, 0, sizeof(covered));
	memset(starts, 0, sizeof(starts));
	read_all(&r, text, len);
	for (size_t s = 0; s < count; s++) {
		size_t m = secrets[s].len;

		for (size_t i = 0; i + m <= len; i++)
			if (memcmp(text + i, secrets[s].value, m) == 0)
				ranges[n++] = widen(&r, i, i + m, len);
		for (size_t i = 0; i + m <= r.count; i++)
			if (memcmp(r.bytes + i, secrets[s].value, m) == 0)
				ranges[n++] = widen(&r, r.from[i], r.to[i + m - 1], len);
	}
	/* By start, so that each sees whether one before it reaches over its beginning. */
	for (size_t at = 0; at < len; at++)
		for (size_t i = 0; i < n; i++)
			if (ranges[i].from == at)
				cover(covered, starts, ranges[i].from, ranges[i].to);
	for (size_t i = 0; i < len && code == 0; i++) {
		if (starts[i])
			code = buf_append_str(out, "[redacted:S]");
		else if (!covered[i])
			code = buf_append(out, text + i, 1);
	}
	assert(code == 0);
}
