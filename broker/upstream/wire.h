/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_UPSTREAM_WIRE_H
#define HAWSER_BROKER_UPSTREAM_WIRE_H

#include "base/jsonrpc.h"
#include "base/loop.h"

/* From bytes of a server to messages: finds lines, checks them (big ones on another thread), and never holds the loop.
 */
struct wire;

struct wire_events {
	/* line: the storage that the spans are in, may be taken (moved out); NULL if they are borrowed until return. */
	void (*message)(void *user, const struct jsonrpc_message *message, struct buf *line);
	/* A line that is no JSON (or none that span_check() takes); why is for a person. */
	void (*garbage)(void *user, struct span line, const char *why);
	/* A line over the maximum: its first and last bytes. over: it has ended; else it was just found to be too long.
	 */
	void (*too_large)(void *user, struct span head, struct span tail, bool over);
	/* Too much is on other threads: stop, or go on, offering bytes. */
	void (*pause)(void *user, bool paused);
	/* Nothing is on another thread any more. */
	void (*idle)(void *user);
};

enum { WIRE_INLINE_MAX = 64 << 10 }; /* longest line that is checked on the loop, in bytes */

/* line_max: bytes of the longest line. */
int wire_new(struct loop *loop, size_t line_max, const struct wire_events *events, void *user, struct wire **ret,
	     struct error *err) _must_check_;
/* Returns how many bytes were consumed, as io_events.data wants. */
size_t wire_data(struct wire *w, const uint8_t *bytes, size_t len);
/* One message that did not come as a line: its text, moved. */
void wire_take(struct wire *w, struct buf *text);
/* pause was told last. */
bool wire_paused(const struct wire *w);
/* Lines are on other threads. */
bool wire_busy(const struct wire *w);
/* Safe inside its events; none comes afterwards. */
struct wire *wire_free(struct wire *w);

#endif
