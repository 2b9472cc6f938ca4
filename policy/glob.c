/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/rules.h"

#include <ctype.h>
#include <string.h>

/*
 * Globs over a tool's full name. The name is pieces ("server", ".", "tool", or with "mcp__" and "__") that are never
 * put together. * matches any run of characters, dots too; ? matches one byte.
 *
 * Server and tool may each be spelled in several ways, and a caller may mix them: code writes my_fs.a.b as well as
 * my_fs.a_b. What takes away therefore looks at the product of both, what gives at fewer of them.
 */
enum spelling {
	OWN,
	PLAIN, /* characters outside [A-Za-z0-9_-] read as '_', as clients spell mcp__ names */
	IDENTIFIER, /* and '-' too, and "_" before a digit in front, as code spells them */
	SPELLINGS,
	ANY = SPELLINGS, /* each character in whichever of these the pattern wants: what does not fit this fits none */
};
enum { PIECES = 4 };
struct name {
	const char *parts[PIECES];
	size_t lens[PIECES];
	enum spelling how[PIECES];
};

static struct name name_of(const char *a, const char *b, const char *c, const char *d)
{
	struct name n = {.parts = {a, b, c, d}};

	for (int i = 0; i < PIECES; i++)
		n.lens[i] = strlen(n.parts[i]);
	return n;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static char spelled(enum spelling how, char c)
{
	bool kept = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_';

	if (c == '-')
		return how == IDENTIFIER ? '_' : c;
	return how != OWN && !kept ? '_' : c;
}

/* Character at i as the server has it, or 0 behind the end. */
static char name_at(const struct name *n, size_t i, enum spelling *ret_how)
{
	for (int part = 0; part < PIECES; part++) {
		*ret_how = n->how[part];
		if (*ret_how == IDENTIFIER && is_digit(n->parts[part][0]) && i-- == 0)
			return '_';
		if (i < n->lens[part])
			return n->parts[part][i];
		i -= n->lens[part];
	}
	return 0;
}

/* Who writes '-' where code has '_' means the same. */
static bool fits(char pattern, char c, enum spelling how)
{
	if (pattern == '?' || pattern == (how == ANY ? c : spelled(how, c)))
		return true;
	return how >= IDENTIFIER && (pattern == '-' || pattern == '_') && spelled(IDENTIFIER, c) == '_';
}

/* The usual two-pointer walk: only the last star is ever gone back to, so time is at most pattern x name. */
static bool match_piece(const char *pattern, size_t len, const struct name *n)
{
	const char *star = NULL, *end = pattern + len;
	size_t at = 0, star_at = 0;
	enum spelling how;
	char c;

	while ((c = name_at(n, at, &how))) {
		if (pattern < end && *pattern == '*') {
			star = pattern++;
			star_at = at;
		} else if (pattern < end && fits(*pattern, c, how)) {
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

/* Is the text before the first star of the pattern, as far as it goes, that of the name? */
static bool begins(const char *pattern, const struct name *n)
{
	enum spelling how;
	char c;

	for (size_t at = 0; (c = name_at(n, at, &how)) && *pattern != '*'; at++, pattern++)
		if (!fits(*pattern, c, how))
			return false;
	return true;
}

static bool is_mcp(const char *pattern)
{
	return strncmp(pattern, "mcp__", 5) == 0;
}

/* "mcp__github" alone stands for all of its tools. */
static bool is_whole_server(const char *pattern)
{
	return is_mcp(pattern) && !strstr(pattern + 5, "__") && !strchr(pattern, '*');
}

/* ---- what gives: the own name, or that of a client ---- */

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

/* Letters and digits are what they are. */
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

static bool match_mcp(const char *pattern, const char *server, const char *tool)
{
	struct name n =
		is_whole_server(pattern) ? name_of("mcp__", server, "", "") : name_of("mcp__", server, "__", tool);

	if (match(pattern, &n))
		return true;
	n.how[1] = n.how[3] = PLAIN;
	return match(pattern, &n);
}

bool policy_glob_own_name(const char *pattern, const char *server, const char *tool)
{
	struct name n = name_of(server, ".", tool, "");

	return match(pattern, &n) || (is_mcp(pattern) && match_mcp(pattern, server, tool));
}

/* ---- what takes away: every name that leads to the tool ---- */

typedef bool match_fn(const char *pattern, const struct name *n);

/* Worth a look? Few names read otherwise in PLAIN. */
static bool differs(const char *text, enum spelling how)
{
	if (how != PLAIN)
		return true;
	while (*text && spelled(PLAIN, *text) == *text)
		text++;
	return *text != '\0';
}

/* Every spelling of the pieces at server and tool (which may be empty), with every other. Most rules are about other
 * tools, so one look says no. */
static bool match_product(match_fn *fn, const char *pattern, struct name *n, int server, int tool)
{
	n->how[server] = n->how[tool] = ANY;
	if (!is_digit(*n->parts[server]) && !is_digit(*n->parts[tool]) && !fn(pattern, n))
		return false;
	for (enum spelling s = OWN; s < SPELLINGS; s++) {
		n->how[server] = s;
		for (enum spelling t = OWN; differs(n->parts[server], s) && t < SPELLINGS; t++) {
			n->how[tool] = t;
			if (differs(n->parts[tool], t) && fn(pattern, n))
				return true;
		}
	}
	return false;
}

/* server: its own name, or how code calls it. */
static bool match_any(match_fn *fn, const char *pattern, const char *server, const char *tool)
{
	struct name dotted = name_of(server, ".", tool, ""), joined = name_of("mcp__", server, "__", tool),
		    whole = name_of("mcp__", server, "", "");

	if (match_product(fn, pattern, &dotted, 0, 2))
		return true;
	if (!is_mcp(pattern))
		return false;
	return (!is_whole_server(pattern) && match_product(fn, pattern, &joined, 1, 3)) ||
	       (!strchr(pattern, '*') && match_product(match, pattern, &whole, 1, 2));
}

/* Code's name of a server is not always made of its own one alone: two may have the same. */
static bool match_all(match_fn *fn, const char *pattern, const struct policy_server *server, const char *tool)
{
	return match_any(fn, pattern, server->name, tool) ||
	       (server->id && strcmp(server->id, server->name) != 0 && match_any(fn, pattern, server->id, tool));
}

bool policy_glob(const char *pattern, const struct policy_server *server, const char *tool)
{
	return match_all(match, pattern, server, tool);
}

static bool begins_own(const char *pattern, const char *server)
{
	struct name dotted = name_of(server, ".", "", ""), joined = name_of("mcp__", server, "__", "");

	if (begins(pattern, &dotted))
		return true;
	if (!is_mcp(pattern))
		return false;
	if (is_whole_server(pattern))
		return match_mcp(pattern, server, "");
	if (begins(pattern, &joined))
		return true;
	joined.how[1] = PLAIN;
	return begins(pattern, &joined);
}

bool policy_glob_reaches(const char *pattern, const struct policy_server *server, enum policy_verdict verdict)
{
	return verdict == POLICY_ALLOW ? begins_own(pattern, server->name) : match_all(begins, pattern, server, "");
}

bool policy_glob_piece(const char *pattern, size_t len, const char *name, bool plain)
{
	struct name n = {.how = {plain ? PLAIN : OWN}};

	if (len == 1 && *pattern == '*')
		return true;
	for (; !plain && len > 0 && *pattern != '*' && *name; pattern++, name++, len--) /* quicker than the walk */
		if (*pattern != '?' && *pattern != *name)
			return false;
	n.parts[0] = name;
	n.lens[0] = strlen(name);
	return match_piece(pattern, len, &n);
}
