/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BASE_VISIBLE_H
#define HAWSER_BASE_VISIBLE_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

/* Text of strangers in front of a person's eyes. Pure. */

/* Appends n bytes of text so that each character of it is seen: the others become \uXXXX (\UXXXXXXXX), and bytes that
 * are no UTF-8 \ufffd. 0, -E2BIG, -ENOMEM. */
int visible_put(struct buf *out, const char *text, size_t n) _must_check_;
/* The same for names, in which letters of other scripts look like those of ASCII: all but ASCII becomes \uXXXX. */
int visible_put_ascii(struct buf *out, const char *text, size_t n) _must_check_;
/* A copy on the heap, line breaks and tabs as they are; one_line: without them. NULL: no memory. */
char *visible_text(const char *text, bool one_line);

#endif
