/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which servers are told the roots of the client that calls (roots: client). One that asks and has no folder in its
 * arguments: its client told it its own before, and it may be of no use without. One with folders there keeps these: it
 * may put roots in their place (npm's server-filesystem does, whatever it was started with), and behind Hawser a client
 * that has none (Claude Desktop, hawser run) would open its working directory instead of what somebody wrote down.
 * That is not what Claude Code did, which had its own folder opened there: the note says so, and the key to set.
 */
#include "broker/cli/init.h"

#include "base/buf.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { EXPANDED_MAX = 256 * 1024 };

/* What the configuration will put for NAME, NAME:-preset or env:NAME (len bytes at name). Borrowed; NULL: it cannot be
 * told here. */
static const char *value_of(const char *name, size_t len, size_t *ret_len)
{
	const char *preset = memmem(name, len, ":-", 2), *value;
	size_t n = preset ? (size_t)(preset - name) : len, skip = n > 4 && strncmp(name, "env:", 4) == 0 ? 4 : 0;
	char copy[256];

	if (n - skip >= sizeof(copy))
		return NULL;
	snprintf(copy, sizeof(copy), "%.*s", (int)(n - skip), name + skip);
	if (strcmp(copy, "workspaceFolder") == 0)
		value = ".";
	else
		value = getenv(strcmp(copy, "userHome") == 0 ? "HOME" : copy);
	if (preset && (!value || !*value)) {
		*ret_len = len - n - 2;
		return preset + 2;
	}
	*ret_len = value ? strlen(value) : 0;
	return value;
}

/* "~/x" and "${NAME}/x" as the client would have them, on the heap; NULL: it cannot be told here. */
static char *expand(const char *arg)
{
	const char *home = arg[0] == '~' && (arg[1] == '/' || !arg[1]) ? getenv("HOME") : NULL, *p, *close, *value;
	_cleanup_buf_ struct buf out = BUF_INIT(EXPANDED_MAX);
	size_t len;

	if (home && buf_append_str(&out, home) < 0)
		return NULL;
	for (p = home ? arg + 1 : arg; (value = strstr(p, "${")); p = close + 1) {
		if (buf_append(&out, p, (size_t)(value - p)) < 0)
			return NULL;
		close = strchr(value, '}');
		value = close ? value_of(value + 2, (size_t)(close - value - 2), &len) : NULL;
		if (!value || buf_append(&out, value, len) < 0)
			return NULL;
	}
	return buf_append(&out, p, strlen(p) + 1) < 0 ? NULL : buf_steal(&out, NULL);
}

/* What cannot be told is taken for one: it may be somebody's choice, which nobody who calls may undo. */
static bool names_folder(const char *arg, const char *cwd)
{
	_cleanup_free_ char *path = expand(arg), *below = NULL;
	struct stat st;

	if (!path)
		return true;
	if (!*path)
		return false;
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return true;
	if (path[0] == '/' || !cwd || asprintf(&below, "%s/%s", cwd, path) < 0)
		return false;
	return stat(below, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool has_folder(const json_t *server)
{
	const char *cwd = json_string_value(json_object_get(server, "cwd")), *text, *equals;
	const json_t *args = json_object_get(server, "args"), *arg;
	size_t i;

	json_array_foreach (args, i, arg) {
		text = json_string_value(arg);
		equals = text ? strchr(text, '=') : NULL; /* --root=FOLDER */
		if (text && (names_folder(text, cwd) || (equals && names_folder(equals + 1, cwd))))
			return true;
	}
	return false;
}

static void add_note(struct clientfile_entry *entry, const char *note)
{
	_cleanup_free_ char *before = TAKE_PTR(entry->notes);

	if (asprintf(&entry->notes, "%s%s%s", before ? before : "", before ? "\n" : "", note) < 0)
		entry->notes = NULL;
}

void init_take_roots(struct init_item *item, bool asks)
{
	if (!asks || !item->section->place->roots)
		return;
	if (has_folder(item->entry->server)) {
		add_note(item->entry, "asks for its client's folders (roots), and is not told them: those in its "
				      "arguments count; roots: client would tell it those of whoever calls");
		return;
	}
	json_object_set_new(item->entry->server, "roots", json_string("client"));
	add_note(item->entry, "asks for its client's folders (roots): roots: client is set");
}
