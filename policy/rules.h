/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_POLICY_RULES_H
#define HAWSER_POLICY_RULES_H

#include "policy/policy.h"

/* Parsed rules; for policy/ only. */
enum { POLICY_RULES_MAX = 1000, POLICY_GLOBS_MAX = 1000, POLICY_GLOB_LEN_MAX = 512 };

struct policy_rule {
	enum policy_verdict verdict;
	char **globs;
	size_t count;
};
struct policy {
	struct policy_rule *rules;
	size_t count;
	bool has_preset; /* false: the shipped default */
	enum policy_verdict preset;
};

#endif
