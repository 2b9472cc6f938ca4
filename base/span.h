/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BASE_SPAN_H
#define HAWSER_BASE_SPAN_H

#include "base/buf.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * JSON as raw text: find values without decoding them, so that numbers keep their text and nothing is copied. Pure;
 * safe on any thread. A span is borrowed from the text that it was found in.
 */
struct span {
	const char *p; /* NULL: not there */
	size_t len;
};
#define SPAN_NONE ((struct span){NULL, 0})
#define SPAN_LIT(text) ((struct span){(text), sizeof(text) - 1})
static inline struct span span_of(const void *p, size_t len)
{
	return (struct span){p, len};
}
bool span_equals(struct span s, const char *text);

enum { SPAN_DEPTH_MAX = 64 };

/* Checks that text is one JSON value (RFC 8259, white space around it allowed), depth at most SPAN_DEPTH_MAX. strict
 * also refuses duplicate keys at any depth (compared after unescaping), NUL (\u0000) in keys, and lone surrogates, as
 * two readers might understand these differently. Error: what is wrong and at which byte. ret (may be NULL) is the
 * value without the white space around it. Linear time; memory bounded by the number of keys in open objects. */
int span_check(struct span text, bool strict, struct span *ret, struct error *err) _must_check_;

/* The functions below want a text that span_check() accepted. */

enum span_type { SPAN_INVALID, SPAN_OBJECT, SPAN_ARRAY, SPAN_STRING, SPAN_NUMBER, SPAN_TRUE, SPAN_FALSE, SPAN_NULL };
enum span_type span_type(struct span value);

/* Member of an object by its (plain, unescaped) name; SPAN_NONE if absent or value is not an object. */
struct span span_member(struct span object, const char *name);
/* Iterates: *at starts as 0. Each call gives the next member (key is the raw string literal with quotes) or element. */
bool span_next_member(struct span object, size_t *at, struct span *ret_key, struct span *ret_value);
bool span_next_element(struct span array, size_t *at, struct span *ret_value);
/* JSON pointer (RFC 6901), "" = the value itself. */
struct span span_pointer(struct span value, const char *pointer);

/* Decoded text of a string literal appended to out. 0, -EINVAL (not a string), -E2BIG. */
int span_string(struct span literal, struct buf *out) _must_check_;
/* Decoded text, NUL-terminated, on the heap; NULL if it is not a string, has a NUL inside, or is over max bytes. */
char *span_strdup(struct span literal, size_t max);
/* A string literal equal to text after decoding? */
bool span_string_equals(struct span literal, const char *text);
/* Integer within int64 written without fraction or exponent. 0 or -ERANGE/-EINVAL. */
int span_int64(struct span number, int64_t *ret) _must_check_;
bool span_bool(struct span value, bool missing);
double span_double(struct span number);
/* Length of the longest prefix of n bytes of text that cuts no UTF-8 character in two. */
size_t span_utf8_floor(const char *text, size_t n);

#endif
