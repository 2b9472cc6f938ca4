/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_POLICY_REDACT_MATCHER_H
#define HAWSER_POLICY_REDACT_MATCHER_H

#include "policy/redact/set.h"

/*
 * Finds secrets in a stream of bytes. The text is read twice at once: as it is, and as what a JSON string with these
 * bytes stands for. Both readings are the same most of the time; from a backslash on they are apart, until they meet in
 * the same state again. Only then is the second reading computed, so plain text costs one table look-up a byte. For
 * policy/redact/ only.
 */
struct redact_match {
	uint64_t start, end; /* offsets in the stream */
	const struct redact_word *word;
};

struct redact_decoded {
	uint32_t state;
	uint64_t fork_at; /* offset where the readings parted */
	uint64_t count; /* decoded bytes since */
	unsigned phase; /* 0 = outside of an escape, 1 = behind the backslash, 2 = in the digits of \u */
	unsigned digits;
	uint32_t value;
	uint64_t escape_at; /* offset of the open escape */
	uint32_t high; /* first half of a surrogate pair, 0 = none */
	uint64_t high_at, high_end; /* where its escape stands */
	uint64_t escapes; /* escapes seen since fork_at */
	struct redact_match hit; /* of the byte that is being read; word NULL = none */
};

struct redact_matcher {
	const struct redact *set;
	uint64_t pos;
	uint32_t state;
	bool apart;
	bool open; /* the match from open_from ended inside an escape: its end takes the escape's rest along */
	uint64_t open_from;
	const struct redact_word *open_word;
	struct redact_decoded decoded;
	uint32_t mask; /* of the rings below */
	uint32_t *starts; /* offset (low 32 bits) of each decoded byte */
	uint32_t *escape_starts; /* offset of each escape ... */
	uint8_t *escape_lens; /* ... and its length; 0 = still open */
};

int redact_matcher_init(struct redact_matcher *m, const struct redact *set) _must_check_;
void redact_matcher_done(struct redact_matcher *m);
/* Reads on from *p until a secret ended (true) or the bytes did. Matches come by rising end; they may overlap. */
bool redact_matcher_next(struct redact_matcher *m, const uint8_t **p, const uint8_t *end, struct redact_match *ret);
/* No match that is still to come starts before this offset. */
uint64_t redact_matcher_safe(const struct redact_matcher *m);

#endif
