/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_AUDIT_CHAIN_H
#define HAWSER_BROKER_AUDIT_CHAIN_H

#include "base/error.h"
#include "base/span.h"
#include "broker/audit/audit.h"

/*
 * How lines hang together: a line is {...,"prev":"HEX","hash":"HEX"} and hash is the SHA-256 of all bytes before
 * ,"hash":. For broker/audit/ only.
 */
enum { AUDIT_TAIL = 9 + AUDIT_HEX + 2 /* ,"hash":"HEX"} */ };
#define AUDIT_FIRST "0000000000000000000000000000000000000000000000000000000000000000"

struct audit_hasher; /* SHA-256 with its context kept */
struct audit_hasher *audit_hasher_new(void);
struct audit_hasher *audit_hasher_free(struct audit_hasher *h);
/* Lower-case hexadecimal of the hash of n bytes. */
int audit_hash(struct audit_hasher *h, const void *data, size_t n, char ret[AUDIT_HEX + 1]) _must_check_;
/* Is line (without its end) whole and does it follow prev (NULL: any)? Gives its hash. NULL or what is wrong. */
const char *audit_line_fault(struct audit_hasher *h, struct span line, const char *prev, char ret[AUDIT_HEX + 1]);

#endif
