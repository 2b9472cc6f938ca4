/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which servers are told the roots of the client that calls (roots: client). One that asks and has no folder in its
 * arguments: its client told it its own before, and it may be of no use without. One with folders there keeps these: it
 * may put roots in their place (npm's server-filesystem does, whatever it was started with), and behind Hawser a client
 * that has none (Claude Desktop, hawser run) would open its working directory instead of what somebody wrote down.
 * That is not what Claude Code did, which had its own folder opened there: the note says so, and the key to set.
 */
#include "broker/cli/init.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* "~/x", "${NAME}/x" and "${env:NAME}/x" as the client would have them; on the heap. */
static char *expand(const char *arg)
{
	const char *name = arg + 2, *rest, *value;
	char copy[256], *path = NULL;

	if (arg[0] == '~' && (arg[1] == '/' || !arg[1])) {
		value = getenv("HOME");
		return asprintf(&path, "%s%s", value ? value : "", arg + 1) < 0 ? NULL : path;
	}
	if (strncmp(arg, "${", 2) != 0)
		return strdup(arg);
	name += strncmp(name, "env:", 4) == 0 ? 4 : 0;
	rest = strchr(name, '}');
	if (!rest || (size_t)(rest - name) >= sizeof(copy))
		return NULL;
	snprintf(copy, sizeof(copy), "%.*s", (int)(rest - name), name);
	value = getenv(copy);
	return asprintf(&path, "%s%s", value ? value : "", rest + 1) < 0 ? NULL : path;
}

/* A word like "server" names no folder, also where there is one of this name. */
static bool names_folder(const char *arg)
{
	_cleanup_free_ char *path = strchr("/.~$", arg[0]) ? expand(arg) : NULL;
	struct stat st;

	return path && stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static void add_note(struct clientfile_entry *entry, const char *note)
{
	_cleanup_free_ char *before = TAKE_PTR(entry->notes);

	if (asprintf(&entry->notes, "%s%s%s", before ? before : "", before ? "\n" : "", note) < 0)
		entry->notes = NULL;
}

void init_take_roots(struct init_item *item, bool asks)
{
	const json_t *args = json_object_get(item->entry->server, "args"), *arg;
	bool has_folder = false;
	size_t i;

	if (!asks || !item->section->place->roots)
		return;
	json_array_foreach (args, i, arg)
		has_folder = has_folder || (json_is_string(arg) && names_folder(json_string_value(arg)));
	if (has_folder) {
		add_note(item->entry, "asks for its client's folders (roots), and is not told them: those in its "
				      "arguments count; roots: client would tell it those of whoever calls");
		return;
	}
	json_object_set_new(item->entry->server, "roots", json_string("client"));
	add_note(item->entry, "asks for its client's folders (roots): roots: client is set");
}
