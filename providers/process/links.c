/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths and the symbolic links on them. What is bound into a sandbox lies at its own place, but the way to it may lead
 * over links that lie elsewhere (a venv made from ~/.local/bin/python3, a version called "current"): these are made
 * anew inside, one by one, so that nothing of the folders around them is shown.
 */
#include "providers/process/process.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STEPS_MAX = 64 };

bool path_is_under(const char *path, const char *dir)
{
	size_t len = dir ? strlen(dir) : 0;

	while (len > 1 && dir[len - 1] == '/')
		len--;
	return len > 0 && strncmp(path, dir, len) == 0 && (path[len] == '/' || path[len] == '\0' || len == 1);
}

bool path_in_system(const char *path)
{
	static const char *const dirs[] = {"/usr", "/bin", "/sbin", "/lib", "/lib64"};

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		if (path_is_under(path, dirs[i]))
			return true;
	return false;
}

static bool is_shown(const struct runtime *rt, const char *at)
{
	for (int i = 0; i < RUNTIME_BINDS; i++)
		if (rt->binds[i][0] && path_is_under(at, rt->binds[i]))
			return true;
	return path_in_system(at);
}

static void add_link(struct runtime *rt, const char *at, const char *target)
{
	if (is_shown(rt, at))
		return;
	for (int i = 0; i < RUNTIME_LINKS; i++) {
		struct runtime_link *link = &rt->links[i];

		if (strcmp(link->at, at) == 0)
			return;
		if (link->at[0])
			continue;
		snprintf(link->at, sizeof(link->at), "%s", at);
		snprintf(link->target, sizeof(link->target), "%s", target);
		return;
	}
}

/* One name more on done; ".." goes back. false: too long. */
static bool step_into(char done[PATH_MAX], const char *name, size_t len)
{
	size_t have = strlen(done);
	char *slash;

	if (len == 0 || (len == 1 && name[0] == '.'))
		return true;
	if (len == 2 && name[0] == '.' && name[1] == '.') {
		slash = strrchr(done, '/');
		if (slash)
			*slash = '\0';
		return true;
	}
	return snprintf(done + have, PATH_MAX - have, "/%.*s", (int)len, name) < (int)(PATH_MAX - have);
}

void runtime_add_links(struct runtime *rt, const char *path)
{
	char done[PATH_MAX] = "", rest[2 * PATH_MAX], target[PATH_MAX], joined[2 * PATH_MAX];

	if (snprintf(rest, sizeof(rest), "%s", path) >= PATH_MAX)
		return;
	for (int i = 0; i < STEPS_MAX && rest[0]; i++) {
		const char *name = rest + strspn(rest, "/");
		size_t len = strcspn(name, "/");
		char parent[PATH_MAX];
		ssize_t n;

		memcpy(parent, done, sizeof(parent));
		if (!step_into(done, name, len))
			return;
		n = done[0] ? readlink(done, target, sizeof(target) - 1) : -1;
		if (n > 0) {
			target[n] = '\0';
			add_link(rt, done, target);
			memcpy(done, target[0] == '/' ? "" : parent, target[0] == '/' ? 1 : sizeof(done));
		}
		if (snprintf(joined, sizeof(joined), "%s%s", n > 0 ? target : "", name + len) >= (int)sizeof(joined))
			return;
		memcpy(rest, joined, sizeof(rest));
	}
}
