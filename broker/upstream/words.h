/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_UPSTREAM_WORDS_H
#define HAWSER_BROKER_UPSTREAM_WORDS_H

#include "base/buf.h"
#include "base/span.h"

#include <sys/types.h>

/* What a server says on stderr: into a bounded log file, and its last lines into memory, for messages. */
struct words;

enum {
	WORDS_FILE_MAX = 1 << 20, /* bytes of the log file; one older file is kept as PATH.1 */
	WORDS_PER_SECOND = 1 << 20, /* bytes a second that are written; more is counted and dropped */
	WORDS_TAIL_MAX = 1024, /* bytes that words_tail() gives at most */
};

typedef void words_redact_fn(void *user, struct buf *text);

/* path NULL: no file. redact NULL: none. A file that cannot be written costs the log, nothing else. */
int words_new(const char *path, words_redact_fn *redact, void *user, struct words **ret,
	      struct error *err) _must_check_;
/* A server began: a line in the log, and last words are this one's from here. pid 0: no process of ours. */
void words_begin(struct words *w, pid_t pid);
/* A line of ours in the log. */
void words_note(struct words *w, const char *text);
/* now_ms: CLOCK_MONOTONIC. */
void words_add(struct words *w, const uint8_t *bytes, size_t len, uint64_t now_ms);
/* A line of its stdout that is no message: "stdout: ..." in the log; of a long one the beginning. No last word. */
void words_stray(struct words *w, struct span line, uint64_t now_ms);
/* The process ended: how goes into the log, behind an unfinished line. */
void words_end(struct words *w, const char *how);
/* The last lines, parted by " | ", appended to out; nothing if there are none. */
void words_tail(const struct words *w, struct buf *out);
struct words *words_free(struct words *w);

#endif
