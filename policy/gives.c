/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a rule that allows gives. Names of servers and of tools may both have dots, so "a.b.c" is a tool of server a, or
 * one of server a.b. A glob of such a rule has readings, one for each separator that may stand between the two; the
 * servers that are configured say which of them is meant. Where they say several, it gives nothing: a rule must not
 * give more than it names. What takes away (deny, ask) holds in every reading.
 */
#include "policy/rules.h"

#include <stdio.h>
#include <string.h>

struct reading {
	const char *server, *tool; /* pieces of the glob; tool is its rest */
	size_t server_len;
	bool mcp; /* mcp__server__tool: names may be spelled with '_' */
};

enum { MCP_LEN = 5 }; /* "mcp__" */

/* Positions: of "." in the glob; then, behind its length, of "__" in one that begins with "mcp__"; last, all of a
 * server. */
static bool next_reading(const char *glob, size_t *at, struct reading *ret)
{
	size_t len = strlen(glob);
	bool mcp = strncmp(glob, "mcp__", MCP_LEN) == 0;
	const char *dot;

	if (*at < len && (dot = strchr(glob + *at, '.'))) {
		*ret = (struct reading){glob, dot + 1, (size_t)(dot - glob), false};
		*at = ret->server_len + 1;
		return true;
	}
	*at = *at < len ? len : *at;
	for (; mcp && *at - len + MCP_LEN + 1 < len; ++*at) {
		const char *separator = glob + MCP_LEN + (*at - len);

		if (separator[0] != '_' || separator[1] != '_' || separator == glob + MCP_LEN)
			continue;
		*ret = (struct reading){glob + MCP_LEN, separator + 2, (size_t)(separator - glob) - MCP_LEN, true};
		++*at;
		return true;
	}
	if (!mcp || *at > 2 * len || strchr(glob, '*') || strstr(glob + MCP_LEN, "__"))
		return false;
	*ret = (struct reading){glob + MCP_LEN, "*", len - MCP_LEN, true};
	*at = 2 * len + 1;
	return true;
}

static bool is_server(const struct reading *r, const char *name, bool plain)
{
	return policy_glob_piece(r->server, r->server_len, name, plain);
}

static bool is_named(const struct reading *r, const char *name)
{
	return is_server(r, name, false) || (r->mcp && is_server(r, name, true));
}

static bool is_tool(const struct reading *r, const char *name)
{
	size_t len = strlen(r->tool);

	return policy_glob_piece(r->tool, len, name, false) || (r->mcp && policy_glob_piece(r->tool, len, name, true));
}

/* A rule that allows speaks of the user's own, unless it says from. */
static bool concerns(const struct policy_rule *rule, const char *project)
{
	return policy_rule_concerns(rule->verdict, rule->from, project);
}

/* Has the server's piece another meaning than this server? Its own name goes before a spelling of it. */
static bool names_another(const struct policy_rule *rule, const struct reading *r, const struct policy_call *call)
{
	bool literal = !memchr(r->server, '*', r->server_len) && !memchr(r->server, '?', r->server_len);

	if (is_server(r, call->server, false))
		return false;
	for (size_t i = 0; i < call->server_count; i++) {
		const struct policy_server *other = &call->servers[i];

		if (strcmp(other->name, call->server) == 0 || !concerns(rule, other->project))
			continue;
		if (is_server(r, other->name, false) || (literal && is_named(r, other->name)))
			return true;
	}
	return false;
}

static bool names_any(const struct policy_rule *rule, const struct reading *r, const struct policy_server *servers,
		      size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (concerns(rule, servers[i].project) && is_named(r, servers[i].name))
			return true;
	return false;
}

bool policy_rule_concerns(enum policy_verdict verdict, const char *from, const char *project)
{
	if (from)
		return project && policy_glob_piece(from, strlen(from), project, false);
	return verdict != POLICY_ALLOW || !project;
}

static bool fits_call(const struct reading *r, const struct policy_call *call)
{
	return is_named(r, call->server) && is_tool(r, call->tool);
}

/* Most rules are about something else. That is seen without a look at the other servers. Without a separator a star
 * stands for it: the glob is one over the whole name. */
static bool may_give(const char *glob, const struct policy_call *call, bool *ret_whole)
{
	struct reading r;
	size_t at = 0;

	*ret_whole = true;
	if (!policy_glob_may_match(glob, call->server, call->tool))
		return false;
	while (next_reading(glob, &at, &r)) {
		*ret_whole = false;
		if (fits_call(&r, call))
			return true;
	}
	return *ret_whole && policy_glob_own_name(glob, call->server, call->tool);
}

bool policy_gives(const struct policy_rule *rule, const char *glob, const struct policy_call *call)
{
	bool given = false, doubt = false, whole;
	struct reading r;
	size_t at = 0;

	if (!may_give(glob, call, &whole))
		return false;
	if (whole)
		return true;
	while (next_reading(glob, &at, &r)) {
		bool fits = fits_call(&r, call) && !names_another(rule, &r, call);

		doubt = doubt || (fits && given) || (!fits && names_any(rule, &r, call->servers, call->server_count));
		given = given || fits;
	}
	return given && !doubt;
}

bool policy_name_tool(const struct policy_call *call, char *ret_glob, size_t size)
{
	static const char *const spellings[][2] = {{"", "."}, {"mcp__", "__"}};
	struct policy_rule rule = {.verdict = POLICY_ALLOW, .from = (char *)(uintptr_t)call->project};

	for (size_t i = 0; i < ARRAY_SIZE(spellings); i++) {
		char glob[POLICY_GLOB_LEN_MAX + 1];
		int n = snprintf(glob, sizeof(glob), "%s%s%s%s", spellings[i][0], call->server, spellings[i][1],
				 call->tool);

		if (n < 0 || (size_t)n >= sizeof(glob) || (size_t)n >= size || !policy_gives(&rule, glob, call))
			continue;
		memcpy(ret_glob, glob, (size_t)n + 1);
		return true;
	}
	return false;
}

bool policy_glob_is_unclear(const char *glob, const char *from, const struct policy_server *servers, size_t count)
{
	const struct policy_rule rule = {.verdict = POLICY_ALLOW, .from = (char *)(uintptr_t)from};
	size_t at = 0, named = 0;
	struct reading r;

	while (named < 2 && next_reading(glob, &at, &r))
		named += names_any(&rule, &r, servers, count);
	return named > 1;
}
