/* SPDX-License-Identifier: Apache-2.0 */
#include "base/span.h"

#include "base/span-scan.h"

#include "base/utf8.h"

#include <errno.h>

/* String literals: decoding and comparing, without a copy where there is no escape. */

/* p is behind "\u". Takes a second escape too if both make one character. */
static size_t decode_unicode(struct scan_text *text, const char *p)
{
	int32_t c = scan_hex4(p, text->end), low;

	if (c < 0)
		return 0;
	p += 4;
	if (c >= 0xd800 && c < 0xdc00 && text->end - p >= 6 && p[0] == '\\' && p[1] == 'u') {
		low = scan_hex4(p + 2, text->end);
		if (low >= 0xdc00 && low < 0xe000) {
			c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
			p += 6;
		}
	}
	if (c >= 0xd800 && c < 0xe000)
		c = 0xfffd;
	text->p = p;
	return utf8_put(text->bytes, (uint32_t)c);
}

static size_t decode_escape(struct scan_text *text)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *at;

	if (text->end - text->p < 2)
		return 0;
	if (text->p[1] == 'u')
		return decode_unicode(text, text->p + 2);
	at = memchr(from, text->p[1], sizeof(from) - 1);
	if (!at)
		return 0;
	text->bytes[0] = to[at - from];
	text->p += 2;
	return 1;
}

bool scan_text_next(struct scan_text *text, const char **ret_run, size_t *ret_len)
{
	const char *slash;
	size_t n;

	if (text->p == text->end)
		return false;
	if (*text->p == '\\') {
		n = decode_escape(text);
		if (n == 0)
			return false;
		*ret_run = text->bytes;
		*ret_len = n;
		return true;
	}
	slash = memchr(text->p, '\\', (size_t)(text->end - text->p));
	if (!slash)
		slash = text->end;
	*ret_run = text->p;
	*ret_len = (size_t)(slash - text->p);
	text->p = slash;
	return true;
}

static bool inside(struct span literal, struct scan_text *ret)
{
	if (literal.len < 2 || literal.p[0] != '"' || literal.p[literal.len - 1] != '"')
		return false;
	ret->p = literal.p + 1;
	ret->end = literal.p + literal.len - 1;
	return true;
}

int span_string(struct span literal, struct buf *out)
{
	struct scan_text text;
	const char *run;
	size_t n;

	if (!inside(literal, &text))
		return -EINVAL;
	while (scan_text_next(&text, &run, &n)) {
		int r = buf_append(out, run, n);

		if (r < 0)
			return r;
	}
	return text.p == text.end ? 0 : -EINVAL;
}

char *span_strdup(struct span literal, size_t max)
{
	_cleanup_buf_ struct buf text = BUF_INIT(max);

	/* Decoding never makes a literal longer: an impossible one is refused before anything is allocated. */
	if (literal.len > 2 && literal.len - 2 > SIZE_MAX / 8)
		return NULL;
	if (span_string(literal, &text) < 0)
		return NULL;
	if (text.len && memchr(buf_head(&text), '\0', text.len))
		return NULL;
	return buf_steal(&text, NULL);
}

bool span_string_equals(struct span literal, const char *text)
{
	size_t left = strlen(text), n;
	struct scan_text walk;
	const char *run;

	if (!inside(literal, &walk) || (size_t)(walk.end - walk.p) < left)
		return false;
	while (scan_text_next(&walk, &run, &n)) {
		if (n > left || memcmp(run, text, n) != 0)
			return false;
		text += n;
		left -= n;
	}
	return left == 0 && walk.p == walk.end;
}

size_t span_utf8_floor(const char *text, size_t n)
{
	size_t back = 1;
	unsigned char lead;

	if (n == 0 || (unsigned char)text[n - 1] < 0x80)
		return n;
	while (back < 4 && back < n && ((unsigned char)text[n - back] & 0xc0) == 0x80)
		back++;
	lead = (unsigned char)text[n - back];
	if (lead < 0xc0)
		return n; /* not UTF-8 anyway */
	return (lead < 0xe0 ? 2u : lead < 0xf0 ? 3u : 4u) > back ? n - back : n;
}
