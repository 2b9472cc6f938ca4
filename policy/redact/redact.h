/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_POLICY_REDACT_REDACT_H
#define HAWSER_POLICY_REDACT_REDACT_H

#include "base/buf.h"
#include "base/error.h"

#include <stdbool.h>

/*
 * Replaces known secrets in streams of bytes by "[redacted:NAME]", also where they are cut by the border of two chunks,
 * and also as JSON writes them (\", \\, \/, \uXXXX). Secrets that overlap become one replacement with the name of the
 * leftmost, then longest. No escape is cut in two, so that a JSON string stays one. A leaf: knows secrets and bytes,
 * nothing else.
 */
struct redact; /* a set of secrets: immutable once built, shared by reference count */
struct redact_stream; /* one stream's state */

enum { REDACT_SECRET_MIN = 6 /* bytes; shorter values would blank ordinary text and are left alone */ };

struct redact_secret {
	const char *name; /* shown in place of the value */
	const char *value;
	size_t len;
};
/* Values shorter than REDACT_SECRET_MIN are left out. -E2BIG: over 256 KiB of secrets. Names are shown with
 * [A-Za-z0-9_.-] only. */
int redact_new(const struct redact_secret *secrets, size_t count, struct redact **ret, struct error *err) _must_check_;
struct redact *redact_ref(struct redact *r);
struct redact *redact_unref(struct redact *r);
bool redact_is_empty(const struct redact *r);

/* Whole texts. Replaces in place (the buffer may grow up to its max; what does not fit is dropped, never a secret
 * shown). Returns how many were replaced. Safe on any thread. */
size_t redact_buf(const struct redact *r, struct buf *text);
/* A line in place, never longer: a secret becomes '*' of its length or shorter. For the log's filter. */
size_t redact_line(const struct redact *r, char *line, size_t len);

struct redact_stream *redact_stream_new(struct redact *r);
struct redact_stream *redact_stream_free(struct redact_stream *s);
/* Appends to out what is certain by now: at most six times the longest secret (its longest spelling) is held back until
 * more comes. */
int redact_stream_feed(struct redact_stream *s, const void *data, size_t len, struct buf *out) _must_check_;
/* That many bytes: also the most that a secret takes in a text. 0: the set is empty. */
size_t redact_reach(const struct redact *r);
/* The end of the stream: gives what was held back. */
int redact_stream_end(struct redact_stream *s, struct buf *out) _must_check_;

#endif
