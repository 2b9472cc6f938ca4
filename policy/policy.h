/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_POLICY_POLICY_H
#define HAWSER_POLICY_POLICY_H

#include "base/buf.h"
#include "base/error.h"
#include "base/span.h"

#include <jansson.h>

/*
 * What a subject may do: pure. Rules are read top to bottom, the first match decides (as in pg_hba.conf); if none
 * matches, the default. policy_needs() says which facts a decision wants, the caller gathers them, policy_decide()
 * decides.
 */
struct policy; /* parsed rules, immutable */

enum policy_verdict { POLICY_ALLOW, POLICY_DENY, POLICY_ASK };
const char *policy_verdict_name(enum policy_verdict verdict);

/* A fault of the rules, with the JSON pointer below "policy" where it is, so that the caller can find file and line. */
typedef void policy_fault_fn(void *user, const char *pointer, const char *message);
/* config: the "policy" object, or NULL for the shipped default. All faults are told; -EINVAL if there was one. */
int policy_new(const json_t *config, policy_fault_fn *fault, void *user, struct policy **ret) _must_check_;
struct policy *policy_free(struct policy *p);

/* A server that is configured. Names are unique. */
struct policy_server {
	const char *name;
	const char *project; /* the project's file that brought it; NULL: it is the user's own */
	const char *id; /* as code spells it; NULL: as its name says */
};
struct policy_call {
	const char *subject;
	const char *server, *tool; /* raw names, after aliases were resolved */
	const char *server_id; /* as code spells it; NULL: as its name says */
	const char *project; /* of the server, as above */
	/* All that are configured: they say which part of a glob is the server's. None: only that of the call. */
	const struct policy_server *servers;
	size_t server_count;
	struct span args; /* checked JSON */
	bool trusted; /* annotations of this server count */
	bool read_only, destructive, idempotent, open_world; /* annotations */
	/* Narrowing by the run: globs over server.tool (also mcp__server__tool); NULL = not narrowed. */
	const char *const *allowed_tools;
};
struct policy_facts {
	unsigned have; /* bits of what policy_needs() asked for and is here; no rule of this version needs one */
};
unsigned policy_needs(const struct policy *p, const struct policy_call *call);

struct policy_decision {
	enum policy_verdict verdict;
	char rule[64]; /* "rules[3]", "default", "allowed_tools" */
	char fix[768]; /* what to change, for instance the rule to add; "" when allowed */
};
void policy_decide(const struct policy *p, const struct policy_call *call, const struct policy_facts *facts,
		   struct policy_decision *ret);
/* The verdict alone, for those who ask about many tools. */
enum policy_verdict policy_judge(const struct policy *p, const struct policy_call *call,
				 const struct policy_facts *facts);
/* One rule as it is written in a list of rules in YAML, without a line end: "- allow: a.b", or with the file of a
 * project
 * "- {allow: a.b, from: /w/.mcp.json}". It reads back as these texts. verdict: policy_verdict_name(). */
int policy_put_rule(const char *verdict, const char *glob, const char *from, struct buf *out) _must_check_;
/* Glob over "server.tool" with * and ?, in any spelling by which the tool can be called: as its own name, as
 * mcp__server__tool, and as code writes either of both. Several tools may share such a spelling, so what takes away
 * asks this. */
bool policy_glob(const char *pattern, const struct policy_server *server, const char *tool);
/* Could it match a tool of the server, whatever the tool's name? For warnings: a star counts as a match of all that
 * follows. verdict: of the rule that has it, which says what spellings count. */
bool policy_glob_reaches(const char *pattern, const struct policy_server *server, enum policy_verdict verdict);
enum { POLICY_NAME_MAX = 256 };
/* The glob by which a rule that allows names this tool and no other: server.tool, or mcp__server__tool where the first
 * could mean another server's. False: there is none. */
bool policy_name_tool(const struct policy_call *call, char *ret_glob, size_t size) _must_check_;
/* May this glob of a rule that allows, with its `from` (or NULL), mean tools of several of these servers? It gives none
 * then. */
bool policy_glob_is_unclear(const char *glob, const char *from, const struct policy_server *servers, size_t count);
/* Does a rule with this verdict and `from` (or NULL) speak of servers from there (project: as above) at all? */
bool policy_rule_concerns(enum policy_verdict verdict, const char *from, const char *project);

#endif
