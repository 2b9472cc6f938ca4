/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/core/internal.h"

#include <string.h>

void excerpt_init(struct excerpt *e, size_t head_max, size_t tail_max)
{
	if (head_max == 0 && tail_max == 0)
		head_max = SIZE_MAX / 8;
	*e = (struct excerpt){.head = BUF_INIT(head_max), .tail = BUF_INIT(2 * tail_max + 1), .tail_max = tail_max};
}

void excerpt_done(struct excerpt *e)
{
	buf_done(&e->head);
	buf_done(&e->tail);
}

static void feed_tail(struct excerpt *e, const uint8_t *data, size_t len)
{
	if (len >= e->tail_max) {
		buf_clear(&e->tail);
		data += len - e->tail_max;
		len = e->tail_max;
	}
	if (e->tail.len + len > 2 * e->tail_max)
		buf_consume(&e->tail, e->tail.len - (e->tail_max - len));
	if (buf_append(&e->tail, data, len) < 0)
		buf_clear(&e->tail);
}

void excerpt_feed(struct excerpt *e, const void *data, size_t len)
{
	const uint8_t *p = data;
	size_t n;

	e->total += len;
	n = e->skip < len ? (size_t)e->skip : len;
	e->skip -= n;
	p += n;
	len -= n;
	n = len < buf_room(&e->head) ? len : buf_room(&e->head);
	if (n > 0 && e->tail.len == 0 && buf_append(&e->head, p, n) == 0) {
		p += n;
		len -= n;
	}
	if (len > 0 && e->tail_max > 0)
		feed_tail(e, p, len);
}

uint64_t excerpt_left_out(const struct excerpt *e)
{
	return e->total - e->head.len - e->tail.len;
}

void excerpt_trim(struct excerpt *e, bool lines)
{
	const char *head = (const char *)buf_head(&e->head), *tail, *newline;

	if (excerpt_left_out(e) == 0)
		return;
	if (e->tail.len > e->tail_max)
		buf_consume(&e->tail, e->tail.len - e->tail_max);
	tail = (const char *)buf_head(&e->tail);
	if (lines) {
		newline = e->head.len ? memrchr(head, '\n', e->head.len) : NULL;
		e->head.len = newline ? (size_t)(newline - head) + 1 : 0;
		newline = e->tail.len ? memchr(tail, '\n', e->tail.len) : NULL;
		buf_consume(&e->tail, newline ? (size_t)(newline - tail) + 1 : e->tail.len);
		return;
	}
	e->head.len = span_utf8_floor(head, e->head.len);
	while (e->tail.len > 0 && (*buf_head(&e->tail) & 0xc0) == 0x80)
		buf_consume(&e->tail, 1);
}
