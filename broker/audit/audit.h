/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_AUDIT_AUDIT_H
#define HAWSER_BROKER_AUDIT_AUDIT_H

#include "base/buf.h"
#include "base/error.h"

#include <stdbool.h>

/*
 * The log of decisions: one JSON line each, denials included, in a file that is only appended to (mode 0600). Each line
 * carries the hash of the one before it and its own, so that a line that was changed, removed or put in shows. Values
 * of arguments are not in it. Who cannot record must not act: a failure here refuses the call.
 */
struct audit;

enum { AUDIT_TEXT_MAX = 512 /* bytes; longer texts are cut */, AUDIT_LINE_MAX = 32 << 10 };

/* One decision. Texts may be NULL (left out). */
struct audit_record {
	uint64_t wall_ms; /* when, milliseconds since 1970; 0 = now */
	const char *subject; /* "local:1000" */
	const char *client; /* id or name of the client's connection */
	const char *run; /* NULL: a direct call */
	uint64_t call; /* id of the call within its run; 0 = left out */
	const char *server, *tool;
	const char *verdict; /* policy_verdict_name() */
	const char *rule;
	const char *approval; /* id of the question to a person; NULL: none was asked */
	const char *answer, *answered_by; /* "approved", ...; who and how */
	const char *outcome; /* "ok", or the kind of the error */
	uint64_t waited_ms; /* for the person; 0 = left out */
	uint64_t ms; /* from the decision to the answer */
	uint64_t bytes_in; /* arguments */
	uint64_t bytes_out; /* result */
};

/* Opens or creates the file and goes on with its chain. A last line that was cut off (power, kill) is removed and that
 * is recorded. redact (may be NULL) sees the texts before they are written. Error: what to do with a file that cannot
 * be continued. */
int audit_open(const char *path, void (*redact)(void *user, struct buf *text), void *user, struct audit **ret,
	       struct error *err) _must_check_;
/* Makes room on the disk for so many lines of what is about to be done, so that it can be recorded when it is done.
 * -ENOSPC and the like: it must not be done. File systems that cannot promise room promise nothing here either. */
int audit_reserve(struct audit *a, size_t lines, struct error *err) _must_check_;
/* Appends one line with one write(). A failure (a full disk) leaves the file as it was. */
int audit_record(struct audit *a, const struct audit_record *record, struct error *err) _must_check_;
struct audit *audit_close(struct audit *a);

enum { AUDIT_HEX = 64 };
struct audit_summary {
	uint64_t lines; /* read; the last of them is the first bad one if one is bad */
	char last[AUDIT_HEX + 1]; /* hash of the last good one; zeros: none */
};
/* Reads the whole file. 0: every line follows from the one before. -EBADMSG: the first bad line is named in err. That
 * lines were cut off at the end cannot be seen: compare the last hash with one that is kept elsewhere. ret is filled in
 * whenever the file could be opened. */
int audit_verify(const char *path, struct audit_summary *ret, struct error *err) _must_check_;

#endif
