/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BASE_SSE_H
#define HAWSER_BASE_SSE_H

#include "base/buf.h"

#include <stdbool.h>

/*
 * Server-sent events (WHATWG HTML, "event stream interpretation"): bytes in any pieces to events. Pure.
 *
 *   while ((r = sse_read(&s, bytes + at, len - at, &used)) != SSE_MORE) { at += used; ... s.data, s.type, s.id ... }
 */
enum {
	SSE_ID_MAX = 1024, /* bytes; a longer id is none */
	SSE_NAME_MAX = 8, /* bytes of a field's name; those that mean something are shorter */
};

enum sse_result {
	SSE_MORE, /* all bytes were taken */
	SSE_EVENT, /* data and type are an event, until the next sse_read() */
	SSE_TOO_LARGE, /* an event over the maximum of data: the stream cannot be used any more */
};

struct sse {
	struct buf data; /* may be moved out */
	char type[SSE_ID_MAX + 1]; /* "": message */
	char id[SSE_ID_MAX + 1]; /* of the last event that was complete: what Last-Event-ID says; "": none */
	int64_t retry_ms; /* what the server wants between two connections; -1: it did not say */
	/* the rest is private */
	int state;
	unsigned bom; /* bytes of the byte order mark that were seen; 3: past it */
	bool after_cr, given, has_data, too_large;
	char name[SSE_NAME_MAX];
	size_t name_len;
	int field; /* index of the field whose value is being read */
	char value[SSE_ID_MAX];
	size_t value_len;
	bool value_bad; /* too long, or has a NUL */
	char next_id[SSE_ID_MAX + 1];
};

void sse_init(struct sse *s, size_t data_max);
/* A new connection of the same stream: id and retry_ms stay. */
void sse_restart(struct sse *s);
enum sse_result sse_read(struct sse *s, const uint8_t *bytes, size_t len, size_t *ret_used);
void sse_done(struct sse *s);

#endif
