/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BASE_ERROR_H
#define HAWSER_BASE_ERROR_H

#include "base/cleanup.h"

#include <stddef.h>

/*
 * The one way a failure travels: a function that can fail returns 0 or a negative errno and takes a struct error last.
 * On success the error is untouched; on failure code is the returned value and msg says what happened, to what, and,
 * for a person, what to do. Whoever finally reports it logs or answers once and calls error_done().
 * err is never NULL: who does not care for the text declares a _cleanup_error_ local.
 */
struct error {
	int code; /* negative errno, 0 = no error */
	char *msg; /* owned, NULL when there is no error or no memory for its text */
};

#define ERROR_INIT      \
	{               \
		0, NULL \
	}
#define _cleanup_error_ _cleanup_(error_done)

/* Sets (replaces) the error and returns code, which must be negative. */
int error_set(struct error *err, int code, const char *fmt, ...) _printf_(3, 4);
/* Like error_set() with ": strerror(-code)" behind the text. */
int error_set_errno(struct error *err, int code, const char *fmt, ...) _printf_(3, 4);
/* Puts "context: " in front of the text and returns the code that is there. */
int error_wrap(struct error *err, const char *fmt, ...) _printf_(2, 3);
/* Text for a person; never NULL. Borrowed until the error changes. */
const char *error_text(const struct error *err);
/* Moves src into dst (dst is freed first); src becomes empty. Returns dst->code. */
int error_move(struct error *dst, struct error *src);
void error_done(struct error *err);

/* Between what is wrong and the one command (or edit) that cures it, in a text of our own. */
#define ERROR_CURE "; cure: "
/* What stands behind the last ERROR_CURE, NULL: none. ret_len: length of the text before it. Not for texts in which
 * others have a word (a server, a program of a user): they would name commands. */
const char *error_cure(const char *text, size_t *ret_len);

#ifdef __clang_analyzer__
/* The analyzer reads one file at a time: this tells it that these never return 0. */
static inline int error_negative_(int code)
{
	return code < 0 ? code : -1;
}
#define error_set(...) error_negative_((error_set)(__VA_ARGS__))
#define error_set_errno(...) error_negative_((error_set_errno)(__VA_ARGS__))
#define error_wrap(...) error_negative_((error_wrap)(__VA_ARGS__))
#endif

#endif
