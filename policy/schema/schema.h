/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_POLICY_SCHEMA_SCHEMA_H
#define HAWSER_POLICY_SCHEMA_SCHEMA_H

#include "base/buf.h"
#include "base/error.h"
#include "base/span.h"

/*
 * Checks arguments against a tool's inputSchema (JSON Schema, the keywords that real servers use; 2020-12 and draft-07
 * spellings): pure, safe on any thread, bounded in time: a check by some ten seconds where schema and value conspire,
 * so the loop asks schema_check_brief(). Compiling takes up to a second. Keywords that are not known are ignored (they
 * only describe); remote $ref are never fetched: such a place accepts anything.
 */
struct schema;

int schema_compile(struct span text, struct schema **ret, struct error *err) _must_check_;
struct schema *schema_free(struct schema *s);
/* true: fits. Otherwise faults gets one line a fault, at most 10, each with what to do:
 * "/message: is missing; add it (string)". value is checked JSON. */
bool schema_check(const struct schema *s, struct span value, struct buf *faults);
/* The same, if about a millisecond is enough to tell. UNDECIDED: it is not, and faults is empty. */
enum schema_answer { SCHEMA_FITS, SCHEMA_DIFFERS, SCHEMA_UNDECIDED };
enum schema_answer schema_check_brief(const struct schema *s, struct span value, struct buf *faults);

#endif
