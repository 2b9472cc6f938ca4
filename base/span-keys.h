/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BASE_SPAN_KEYS_H
#define HAWSER_BASE_SPAN_KEYS_H

#include "base/span.h"

/*
 * The keys of all objects that are open while a text is scanned, to find duplicates. One stack: the keys of the
 * innermost object are its top. Objects of up to 16 keys are searched linearly; the keys of larger ones are in one
 * open-addressing table beside the stack. As keys leave in the reverse order in which they came, removal needs no
 * tombstones.
 */
enum { SPAN_KEYS_MAX = 1 << 20, SPAN_KEYS_FIRST = 32 };

struct span_key {
	const char *p; /* inside of the literal, in the text */
	size_t len;
	uint64_t hash; /* of the decoded text and the depth; seeded, so that nobody can choose collisions */
	bool escaped;
	bool tabled;
};
struct span_keys {
	struct span_key *items; /* first, or on the heap */
	size_t count, cap;
	uint32_t *table; /* index of the key + 1; 0 = free */
	size_t table_cap, tabled;
	uint64_t seed;
	struct span_key first[SPAN_KEYS_FIRST];
};

void span_keys_init(struct span_keys *k);
void span_keys_done(struct span_keys *k);
/* base: what count was when the object began. 0, -EEXIST (duplicate), -E2BIG (over SPAN_KEYS_MAX), -ENOMEM. */
int span_keys_add(struct span_keys *k, size_t base, unsigned depth, struct span inside, bool escaped) _must_check_;
/* The object ended. */
void span_keys_drop(struct span_keys *k, size_t base);

#endif
