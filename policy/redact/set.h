/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_POLICY_REDACT_SET_H
#define HAWSER_POLICY_REDACT_SET_H

#include "policy/redact/redact.h"

#include <stdatomic.h>
#include <stdbool.h>

/*
 * The secrets as an Aho-Corasick automaton, completed to a table: one load a byte. A state is the offset of its row in
 * next. An entry with REDACT_HIT leads to a state in which a secret ends. For policy/redact/ only.
 */
#define REDACT_HIT (1u << 31)
enum { REDACT_TOTAL_MAX = 256 << 10, REDACT_NAME_MAX = 64 };

struct redact_word {
	size_t len;
	char token[REDACT_NAME_MAX + 16]; /* "[redacted:NAME]" */
	size_t token_len;
};
struct redact {
	atomic_uint refs;
	struct redact_word *words;
	size_t count;
	size_t longest;
	unsigned shift; /* a row has 1 << shift entries */
	uint32_t *next;
	uint32_t *depth; /* by row: bytes read of the longest secret that can still come */
	uint32_t *word; /* by row: 1 + the longest secret that ends here; 0 = none */
	uint8_t class_of[256];
	bool calm[256]; /* behind a backslash at the root: in both readings, the root again */
	bool wakes[256]; /* leaves the root, or is a backslash */
};

static inline uint32_t redact_depth(const struct redact *r, uint32_t state)
{
	return r->depth[state >> r->shift];
}
static inline const struct redact_word *redact_word(const struct redact *r, uint32_t state)
{
	return &r->words[r->word[state >> r->shift] - 1];
}

#endif
