/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_POLICY_RULES_H
#define HAWSER_POLICY_RULES_H

#include "policy/policy.h"

/* Parsed rules; for policy/ only. */
enum { POLICY_RULES_MAX = 1000, POLICY_GLOBS_MAX = 1000, POLICY_GLOB_LEN_MAX = 512, POLICY_FROM_LEN_MAX = 4095 };

struct policy_rule {
	enum policy_verdict verdict;
	char **globs;
	size_t count;
	char *from; /* a glob over files of projects: their servers alone; NULL: see policy_rule_concerns() */
};
struct policy {
	struct policy_rule *rules;
	size_t count;
	bool has_preset; /* false: the shipped default */
	enum policy_verdict preset;
};

/* ---- glob.c ---- */
/* A piece of a glob over one name. plain: over the name with what is outside [A-Za-z0-9_-] written as '_'. */
bool policy_glob_piece(const char *pattern, size_t len, const char *name, bool plain);
/* A cheap look at both ends of the glob: false if a rule that allows does not mean the tool by it. Most rules of a long
 * list are told apart so. */
bool policy_glob_may_match(const char *pattern, const char *server, const char *tool);
/* By its own name, or by mcp__server__tool as clients spell it. */
bool policy_glob_own_name(const char *pattern, const char *server, const char *tool);

/* ---- gives.c ---- */
/* Does this glob of a rule that allows give the call's tool, without a doubt? */
bool policy_gives(const struct policy_rule *rule, const char *glob, const struct policy_call *call);

#endif
