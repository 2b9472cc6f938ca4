/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BASE_BUF_H
#define HAWSER_BASE_BUF_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

/*
 * A growing byte buffer with a named maximum. Bytes are appended at the end and consumed from the front; consuming is
 * O(1), the storage is compacted when more room is needed. A zero maximum means "no bytes at all": always name one.
 */
struct buf {
	uint8_t *data; /* storage, owned */
	size_t start; /* first live byte */
	size_t len; /* live bytes */
	size_t cap; /* size of the storage */
	size_t max; /* most live bytes that are ever held */
};

#define BUF_INIT(maximum)        \
	{                        \
		.max = (maximum) \
	}
#define _cleanup_buf_ _cleanup_(buf_done)

void buf_done(struct buf *b);
/* Empties the buffer; storage above 64 KiB is given back. */
void buf_clear(struct buf *b);
static inline uint8_t *buf_head(const struct buf *b)
{
	return b->data ? b->data + b->start : NULL;
}
static inline size_t buf_room(const struct buf *b)
{
	return b->max - b->len;
}
/* Makes room for n more bytes behind the live ones and returns it; NULL: over the maximum (-E2BIG) or no memory. */
uint8_t *buf_reserve(struct buf *b, size_t n);
/* Says that n bytes of the reserved room are now live. */
void buf_commit(struct buf *b, size_t n);
/* 0, -E2BIG (nothing appended) or -ENOMEM. */
int buf_append(struct buf *b, const void *data, size_t n) _must_check_;
int buf_append_str(struct buf *b, const char *s) _must_check_;
int buf_printf(struct buf *b, const char *fmt, ...) _printf_(2, 3) _must_check_;
/* A JSON string literal of n bytes of UTF-8; bytes that are not UTF-8 become U+FFFD. */
/* In decimal digits. */
int buf_append_number(struct buf *b, uint64_t number) _must_check_;
int buf_append_json(struct buf *b, const char *s, size_t n) _must_check_;
/* A member of an object, "name":"text", behind a comma unless it is the first (the buffer is empty or ends in "{");
 * text NULL: null. name is written as it is. */
int buf_append_member(struct buf *b, const char *name, const char *text) _must_check_;
void buf_consume(struct buf *b, size_t n);
/* Moves the live bytes out as a NUL-terminated block (caller frees); the buffer is empty afterwards. */
char *buf_steal(struct buf *b, size_t *ret_len);

#endif
