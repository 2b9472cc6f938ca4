/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_CLIENTFILES_JSONC_H
#define HAWSER_BROKER_CLIENTFILES_JSONC_H

#include "base/span.h"

/*
 * JSON as people keep it in their editors: with comments, with a comma behind the last entry, with a BOM. All of these
 * become blanks, so that what is left is JSON in which every value stands where it stands in the file. Pure.
 */

/* Appends the blanked text, of the same length and with the same line breaks, to out, and checks it: *ret is the value
 * in it (base/span.h can walk it). Error: what is wrong, with its line. */
int jsonc_plain(struct span text, struct buf *out, struct span *ret, struct error *err) _must_check_;
/* The line of a byte of the text, from 1. */
int jsonc_line(const char *text, const char *at);

#endif
