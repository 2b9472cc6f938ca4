/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_POLICY_REDACT_SPELLINGS_H
#define HAWSER_POLICY_REDACT_SPELLINGS_H

#include "policy/redact/redact.h"

/*
 * The secrets, and each as JSON strings have it, where that differs: the matcher sees through one level of escapes, and
 * a spelling that is itself escaped is JSON inside a JSON string. For policy/redact/ only.
 */
enum { REDACT_SPELLINGS_MAX = 32 << 10 /* bytes of all of them beyond the plainest, which always is there */ };

struct redact_spelled {
	struct redact_secret *items; /* the secrets themselves come first */
	size_t count;
	size_t given; /* how many these are: values of the others are owned */
	size_t extra; /* bytes that count towards the maximum */
};
int redact_spell(const struct redact_secret *secrets, size_t count, struct redact_spelled *ret) _must_check_;
void redact_spelled_done(struct redact_spelled *all);

#endif
