/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/rules.h"

#include <ctype.h>
#include <string.h>

/*
 * Globs over a tool's full name. The name is three pieces ("server", ".", "tool", or with "mcp__" and "__") that are
 * never put together. * matches any run of characters, dots too; ? matches one byte.
 */
struct name {
	const char *parts[4];
	size_t lens[4];
	bool plain; /* characters outside [A-Za-z0-9_-] read as '_', as clients spell mcp__ names */
	bool identifier; /* and '-' too, as code spells them */
};

static struct name name_of(const char *a, const char *b, const char *c, const char *d)
{
	struct name n = {.parts = {a, b, c, d}};

	for (int i = 0; i < 4; i++)
		n.lens[i] = strlen(n.parts[i]);
	return n;
}

static char spelled(const struct name *n, char c)
{
	bool kept;

	if (!n->plain && !n->identifier)
		return c;
	kept = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';

	if (c == '-')
		return n->identifier ? '_' : c;
	return kept ? c : '_';
}

/* Character at i, or 0 behind the end. */
static char name_at(const struct name *n, size_t i)
{
	for (int part = 0; part < 4; part++) {
		if (i < n->lens[part])
			return spelled(n, n->parts[part][i]);
		i -= n->lens[part];
	}
	return 0;
}

/* The usual two-pointer walk: only the last star is ever gone back to, so time is at most pattern x name. */
static bool match_piece(const char *pattern, size_t len, const struct name *n)
{
	const char *star = NULL, *end = pattern + len;
	size_t at = 0, star_at = 0;
	char c;

	while ((c = name_at(n, at))) {
		if (pattern < end && *pattern == '*') {
			star = pattern++;
			star_at = at;
		} else if (pattern < end &&
			   (*pattern == '?' || *pattern == c || (n->identifier && *pattern == '-' && c == '_'))) {
			pattern++;
			at++;
		} else if (star) {
			pattern = star + 1;
			at = ++star_at;
		} else {
			return false;
		}
	}
	while (pattern < end && *pattern == '*')
		pattern++;
	return pattern == end;
}

static bool match(const char *pattern, const struct name *n)
{
	return match_piece(pattern, strlen(pattern), n);
}

static bool match_mcp(const char *pattern, const char *server, const char *tool, bool identifier)
{
	/* "mcp__github" alone stands for all of its tools. */
	bool whole = !strstr(pattern + 5, "__") && !strchr(pattern, '*');
	struct name n = whole ? name_of("mcp__", server, "", "") : name_of("mcp__", server, "__", tool);

	if (match(pattern, &n))
		return true;
	n.plain = true;
	if (match(pattern, &n))
		return true;
	n.identifier = identifier;
	return identifier && match(pattern, &n);
}

/* Up to the "." of the pattern. */
static bool match_code_server(const char *pattern, const char *server)
{
	const char *dot = strchr(pattern, '.');
	struct name n = name_of(server, "", "", "");

	n.identifier = true;
	return dot && match_piece(pattern, (size_t)(dot - pattern), &n);
}

/* As code writes it: server and tool as identifiers, the "." between them as it is. A tool can be called by that name,
 * so a rule that forbids it by that name must hold. */
static bool match_code(const char *pattern, const char *server, const char *tool)
{
	struct name n = name_of(tool, "", "", "");

	n.identifier = true;
	return match_code_server(pattern, server) && match(strchr(pattern, '.') + 1, &n);
}

static bool is_mcp(const char *pattern)
{
	return strncmp(pattern, "mcp__", 5) == 0;
}

/* ends: what may stand for the separator behind the server. */
static bool may_begin(const char *pattern, const char *server, const char *ends)
{
	for (; *server && *pattern != '*'; pattern++, server++)
		if (*pattern != '?' && *pattern != *server && *pattern != '_' && *pattern != '-')
			return false;
	return *pattern == '*' || !*pattern || strchr(ends, *pattern);
}

static bool may_reach(const char *pattern, const char *server)
{
	return may_begin(pattern, server, ".?") || (is_mcp(pattern) && may_begin(pattern + 5, server, "_-?"));
}

/* Letters and digits are what they are in all spellings. */
static bool may_end(const char *pattern, const char *tool)
{
	size_t len = strlen(pattern), n = strlen(tool);

	for (; len > 0 && n > 0 && isalnum((unsigned char)pattern[len - 1]); len--, n--)
		if (pattern[len - 1] != tool[n - 1])
			return is_mcp(pattern) && !strstr(pattern + 5, "__"); /* all of a server */
	return true;
}

bool policy_glob_may_match(const char *pattern, const char *server, const char *tool)
{
	return may_reach(pattern, server) && may_end(pattern, tool);
}

bool policy_glob(const char *pattern, const char *server, const char *tool)
{
	struct name n;

	if (!policy_glob_may_match(pattern, server, tool))
		return false;
	n = name_of(server, ".", tool, "");
	if (match(pattern, &n))
		return true;
	return is_mcp(pattern) ? match_mcp(pattern, server, tool, true) : match_code(pattern, server, tool);
}

bool policy_glob_own_name(const char *pattern, const char *server, const char *tool)
{
	struct name n = name_of(server, ".", tool, "");

	return match(pattern, &n) || (is_mcp(pattern) && match_mcp(pattern, server, tool, false));
}

/* Is the text before the first star of the pattern, as far as it goes, that of the name? */
static bool begins(const char *pattern, const struct name *n)
{
	char c;

	for (size_t at = 0; (c = name_at(n, at)) && *pattern != '*'; at++, pattern++)
		if (*pattern != '?' && *pattern != c && !(n->identifier && *pattern == '-' && c == '_'))
			return false;
	return true;
}

static bool begins_mcp(const char *pattern, const char *server, bool identifier)
{
	struct name n = name_of("mcp__", server, "__", "");

	if (!strstr(pattern + 5, "__") && !strchr(pattern, '*'))
		return match_mcp(pattern, server, "", identifier);
	if (begins(pattern, &n))
		return true;
	n.plain = true;
	if (begins(pattern, &n))
		return true;
	n.identifier = identifier;
	return identifier && begins(pattern, &n);
}

bool policy_glob_reaches(const char *pattern, const char *server, enum policy_verdict verdict)
{
	bool identifier = verdict != POLICY_ALLOW;
	struct name n;

	if (!may_reach(pattern, server))
		return false;
	n = name_of(server, ".", "", "");
	if (begins(pattern, &n))
		return true;
	return is_mcp(pattern) ? begins_mcp(pattern, server, identifier)
			       : identifier && match_code_server(pattern, server);
}

bool policy_glob_piece(const char *pattern, size_t len, const char *name, bool plain)
{
	struct name n = {.plain = plain};

	if (len == 1 && *pattern == '*')
		return true;
	for (; !plain && len > 0 && *pattern != '*' && *name; pattern++, name++, len--) /* quicker than the walk */
		if (*pattern != '?' && *pattern != *name)
			return false;
	n.parts[0] = name;
	n.lens[0] = strlen(name);
	return match_piece(pattern, len, &n);
}
