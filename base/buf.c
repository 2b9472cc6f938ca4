/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include "base/utf8.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define BUF_KEEP (64u << 10) /* storage that an emptied buffer keeps for its next use */
#define BUF_FIRST 256u /* size of the first allocation */

void buf_done(struct buf *b)
{
	free(b->data);
	*b = (struct buf)BUF_INIT(b->max);
}

void buf_clear(struct buf *b)
{
	b->start = b->len = 0;
	if (b->cap > BUF_KEEP)
		buf_done(b);
}

static int buf_grow(struct buf *b, size_t want)
{
	size_t cap = b->cap ? b->cap : BUF_FIRST;
	uint8_t *data;

	while (cap < want)
		cap = cap > SIZE_MAX / 2 ? want : cap * 2;
	data = realloc(b->data, cap);
	if (!data)
		return -ENOMEM;
	b->data = data;
	b->cap = cap;
	return 0;
}

uint8_t *buf_reserve(struct buf *b, size_t n)
{
	/* One byte more than asked for, so that buf_steal() and vsnprintf() have room for a NUL. */
	if (b->len > b->max || n > b->max - b->len || n > SIZE_MAX / 4)
		return NULL;
	if (b->cap - b->start < b->len + n + 1) {
		/* Moved only when at least as much was consumed as is moved: a long queue costs no more a byte than a
		 * short one. */
		if (b->start >= b->len) {
			if (b->start)
				memmove(b->data, b->data + b->start, b->len);
			b->start = 0;
		}
		if (b->cap - b->start < b->len + n + 1 && buf_grow(b, b->start + b->len + n + 1) < 0)
			return NULL;
	}
	return b->data + b->start + b->len;
}

void buf_commit(struct buf *b, size_t n)
{
	assert(b->start + b->len + n <= b->cap);
	b->len += n;
}

int buf_append(struct buf *b, const void *data, size_t n)
{
	uint8_t *room = buf_reserve(b, n);

	if (!room)
		return n > buf_room(b) ? -E2BIG : -ENOMEM;
	if (n)
		memcpy(room, data, n);
	buf_commit(b, n);
	return 0;
}

int buf_append_str(struct buf *b, const char *s)
{
	return buf_append(b, s, strlen(s));
}

int buf_printf(struct buf *b, const char *fmt, ...)
{
	size_t spare = b->cap - b->start - b->len;
	uint8_t *room = spare ? b->data + b->start + b->len : NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf((char *)room, spare, fmt, ap);
	va_end(ap);
	if (n < 0)
		return -EINVAL;
	if ((size_t)n < spare && (size_t)n <= buf_room(b)) {
		buf_commit(b, (size_t)n);
		return 0;
	}
	room = buf_reserve(b, (size_t)n);
	if (!room)
		return (size_t)n > buf_room(b) ? -E2BIG : -ENOMEM;
	va_start(ap, fmt);
	vsnprintf((char *)room, (size_t)n + 1, fmt, ap);
	va_end(ap);
	buf_commit(b, (size_t)n);
	return 0;
}

int buf_append_number(struct buf *b, uint64_t number)
{
	char text[20], *at = text + sizeof(text);

	do {
		*--at = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	return buf_append(b, at, (size_t)(text + sizeof(text) - at));
}

static int append_escape(struct buf *b, unsigned char c)
{
	static const char *const names = "btnvfr"; /* 0x08 to 0x0d; JSON has no \v */

	if (c == '"' || c == '\\') {
		char two[2] = {'\\', (char)c};
		return buf_append(b, two, 2);
	}
	if (c >= 0x08 && c <= 0x0d && c != 0x0b) {
		char two[2] = {'\\', names[c - 0x08]};
		return buf_append(b, two, 2);
	}
	return buf_printf(b, "\\u%04x", c);
}

int buf_append_json(struct buf *b, const char *s, size_t n)
{
	size_t plain = 0, i = 0;
	int r = buf_append(b, "\"", 1);

	while (r == 0 && i < n) {
		unsigned char c = (unsigned char)s[i];
		size_t width = c < 0x80 ? 1 : utf8_width(s + i, n - i);

		if (width && c >= 0x20 && c != '"' && c != '\\' && c != 0x7f) {
			i += width;
			continue;
		}
		r = buf_append(b, s + plain, i - plain);
		if (r == 0)
			r = width ? append_escape(b, c) : buf_append_str(b, "\xef\xbf\xbd");
		plain = ++i;
	}
	if (r == 0)
		r = buf_append(b, s + plain, n - plain);
	return r ? r : buf_append(b, "\"", 1);
}

int buf_append_member(struct buf *b, const char *name, const char *text)
{
	bool first = b->len == 0 || buf_head(b)[b->len - 1] == '{';
	int r = buf_printf(b, "%s\"%s\":", first ? "" : ",", name);

	if (r < 0)
		return r;
	return text ? buf_append_json(b, text, strlen(text)) : buf_append_str(b, "null");
}

void buf_consume(struct buf *b, size_t n)
{
	assert(n <= b->len);
	b->start += n;
	b->len -= n;
	if (b->len == 0)
		b->start = 0;
}

char *buf_steal(struct buf *b, size_t *ret_len)
{
	char *data;

	if (!b->data && buf_grow(b, BUF_FIRST) < 0)
		return NULL;
	if (b->start)
		memmove(b->data, b->data + b->start, b->len);
	b->start = 0;
	if (b->len == b->cap && buf_grow(b, b->len + 1) < 0)
		return NULL;
	data = (char *)b->data;
	data[b->len] = '\0';
	if (ret_len)
		*ret_len = b->len;
	*b = (struct buf)BUF_INIT(b->max);
	return data;
}
