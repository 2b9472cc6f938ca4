/* SPDX-License-Identifier: Apache-2.0 */
/*
 * permissions of Claude Code's settings, as far as they speak of tools of servers that move: mcp__server,
 * mcp__server__tool. Deny comes first there as here, then ask, then allow. A project's own settings only take away: a
 * repository must not allow itself anything.
 */
#include "broker/cli/init.h"
#include "broker/cli/journal-files.h"

#include "broker/clientfiles/jsonc.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const char *const verdicts[] = {"deny", "ask", "allow"};

/* "mcp__server" for a name, as Claude Code spells it. */
static void spell(const char *name, char *text, size_t size)
{
	size_t n = (size_t)snprintf(text, size, "mcp__");

	for (; *name && n + 1 < size; name++)
		text[n++] = isascii((unsigned char)*name) && (isalnum((unsigned char)*name) || strchr("_-", *name))
				    ? *name
				    : '_';
	text[n] = '\0';
}

/* The server of Claude Code that moves and that a permission speaks of; what is behind its name is *ret_rest. */
static const struct init_item *item_of(const struct init *in, const char *permission, const char **ret_rest)
{
	const struct init_item *best = NULL;
	size_t best_len = 0;

	for (size_t i = 0; i < in->item_count; i++) {
		const struct init_item *item = &in->items[i];
		char spelt[128];
		size_t n;

		spell(item->entry->name, spelt, sizeof(spelt));
		n = strlen(spelt);
		if (item->fate == INIT_STAYS || strcmp(item->section->place->client, "claude-code") != 0 ||
		    strncmp(permission, spelt, n) != 0 || (permission[n] && strncmp(permission + n, "__", 2) != 0) ||
		    n <= best_len)
			continue;
		best = item;
		best_len = n;
	}
	*ret_rest = permission + best_len;
	return best;
}

static bool is_there(const struct init *in, const char *verdict, const char *glob)
{
	for (size_t i = 0; i < in->rule_count; i++)
		if (strcmp(in->rules[i].verdict, verdict) == 0 && strcmp(in->rules[i].glob, glob) == 0)
			return true;
	return false;
}

static int take(struct init *in, const char *verdict, const char *permission)
{
	const struct init_item *item;
	const char *rest;
	char server[128], *glob;

	if (strncmp(permission, "mcp__", 5) != 0 || !(item = item_of(in, permission, &rest)))
		return 0;
	if (strchr(permission, '('))
		return init_note(in,
				 "%s %s of Claude Code's settings is left behind: rules do not look at arguments yet",
				 verdict, permission);
	spell(item->name, server, sizeof(server));
	if (asprintf(&glob, "%s%s", server, rest) < 0)
		return -ENOMEM;
	if (is_there(in, verdict, glob)) {
		free(glob);
		return 0;
	}
	if (in->rule_count == INIT_RULES_MAX) {
		free(glob);
		return -E2BIG;
	}
	in->rules[in->rule_count++] = (struct hawserfile_rule){.verdict = verdict, .glob = glob};
	return 0;
}

static int take_file(struct init *in, const char *path, bool only_less, struct error *err)
{
	_cleanup_buf_ struct buf text = BUF_INIT(JOURNAL_FILE_MAX), plain = BUF_INIT(JOURNAL_FILE_MAX);
	int r = files_read(path, &text);
	struct span root;

	if (r < 0)
		return r == -ENOENT || r == -ENOTDIR ? 0 : error_set_errno(err, r, "reading %s", path);
	if (jsonc_plain(span_of(text.len ? (const char *)buf_head(&text) : "", text.len), &plain, &root, err) < 0)
		return error_wrap(err, "%s", path);
	for (size_t v = 0; v < ARRAY_SIZE(verdicts); v++) {
		struct span list = span_member(span_member(root, "permissions"), verdicts[v]), one;
		size_t at = 0;

		if (only_less && strcmp(verdicts[v], "allow") == 0) {
			if (span_next_element(list, &at, &one))
				r = init_note(in,
					      "what %s allows is left behind: it came with this folder, and the rules "
					      "here hold everywhere",
					      path);
			continue;
		}
		while (r == 0 && span_next_element(list, &at, &one)) {
			_cleanup_free_ char *permission = span_strdup(one, 512);

			r = permission ? take(in, verdicts[v], permission) : 0;
		}
	}
	return r < 0 ? error_set(err, r, "%s: too many permissions", path) : 0;
}

/* deny, ask, allow */
static void sort_rules(struct init *in)
{
	struct hawserfile_rule sorted[INIT_RULES_MAX] = {{NULL, NULL, NULL}};
	size_t n = 0;

	for (size_t v = 0; v < ARRAY_SIZE(verdicts); v++)
		for (size_t i = 0; i < in->rule_count; i++)
			if (in->rules[i].verdict == verdicts[v])
				sorted[n++] = in->rules[i];
	memcpy(in->rules, sorted, n * sizeof(*sorted));
}

/* In the home folder the settings of the folder are the user's own, which were read. */
static bool is_read(const char *path, const char *users)
{
	struct stat a, b;

	return stat(path, &a) == 0 && stat(users, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

int init_take_rules(struct init *in, struct error *err)
{
	static const struct {
		bool home, only_less;
		const char *path;
	} files[] = {
		{true, false, ".claude/settings.json"},
		{false, true, ".claude/settings.json"},
		{false, true, ".claude/settings.local.json"}, /* Claude Code's own, unless the repository has one */
	};

	_cleanup_free_ char *users = NULL;

	if (asprintf(&users, "%s/%s", in->where.home, files[0].path) < 0) {
		users = NULL;
		return error_set(err, -ENOMEM, "no memory");
	}
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		_cleanup_free_ char *path = NULL;
		int r;

		if (asprintf(&path, "%s/%s", files[i].home ? in->where.home : in->where.cwd, files[i].path) < 0)
			return error_set(err, -ENOMEM, "no memory");
		if (i > 0 && is_read(path, users))
			continue;
		r = take_file(in, path, files[i].only_less, err);
		if (r < 0)
			return r;
	}
	sort_rules(in);
	return 0;
}
