/* SPDX-License-Identifier: Apache-2.0 */
/* Where the hierarchies are mounted and where we stand in them: text in, paths out. */
#include "providers/keeper/cgroup.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

bool cgroup_has_word(const char *text, const char *word)
{
	size_t len = strlen(word);

	while (*text) {
		size_t n = strcspn(text, " ,\t\n");

		if (n == len && memcmp(text, word, n) == 0)
			return true;
		text += n + (text[n] != '\0');
	}
	return false;
}

/* The path of our group from lines "ID:controllers:/path". */
static bool own_path(const char *self, const char *controller, char path[PATH_MAX])
{
	char line[PATH_MAX + 256];

	for (; *self; self += strcspn(self, "\n"), self += *self != '\0') {
		char *names, *where;

		snprintf(line, sizeof(line), "%.*s", (int)strcspn(self, "\n"), self);
		names = strchr(line, ':');
		where = names ? strchr(names + 1, ':') : NULL;
		if (!where)
			continue;
		*where++ = '\0';
		names++;
		if (controller ? !cgroup_has_word(names, controller) : *names != '\0')
			continue;
		return snprintf(path, PATH_MAX, "%s", where) < PATH_MAX;
	}
	return false;
}

/* Fields of a line "id parent major:minor root mount options... - type source super". */
struct mount_line {
	char root[PATH_MAX], mount[PATH_MAX], type[32], super[256];
};

static bool read_mount(const char *text, struct mount_line *m)
{
	char line[2 * PATH_MAX + 1024], *rest;

	snprintf(line, sizeof(line), "%.*s", (int)strcspn(text, "\n"), text);
	rest = strstr(line, " - ");
	if (!rest || sscanf(line, "%*d %*d %*s %4095s %4095s", m->root, m->mount) != 2)
		return false;
	m->super[0] = '\0';
	return sscanf(rest + 3, "%31s %*s %255s", m->type, m->super) >= 1;
}

static bool mount_fits(const struct mount_line *m, const char *controller)
{
	if (!controller)
		return strcmp(m->type, "cgroup2") == 0;
	return strcmp(m->type, "cgroup") == 0 && cgroup_has_word(m->super, controller);
}

bool cgroup_find(const char *mountinfo, const char *self, const char *controller, char *ret_mount, char *ret_own)
{
	struct mount_line m;
	char own[PATH_MAX];

	if (!own_path(self, controller, own))
		return false;
	for (; *mountinfo; mountinfo += strcspn(mountinfo, "\n"), mountinfo += *mountinfo != '\0') {
		size_t root;

		if (!read_mount(mountinfo, &m) || !mount_fits(&m, controller))
			continue;
		/* The mount shows the tree from m.root on; a group outside of it cannot be reached through it. */
		root = strcmp(m.root, "/") == 0 ? 0 : strlen(m.root);
		if (strncmp(own, m.root, root) != 0 || (own[root] != '/' && own[root] != '\0'))
			continue;
		strcpy(ret_mount, m.mount);
		strcpy(ret_own, own[root] ? own + root : "/");
		return true;
	}
	return false;
}
