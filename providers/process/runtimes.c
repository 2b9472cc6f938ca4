/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interpreters. Those of the system first: they are inside anyway. Others are bound by their prefix (…/bin/node -> …),
 * at their own place, so that they find their libraries; version managers put shims in front of them, which are
 * resolved to what they stand for. Nothing of the user's home is bound unless `runtimes:` names it.
 */
#include "providers/process/process.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *const process_language_names[PROCESS_LANGUAGES] = {"javascript", "python", "bash"};

static const struct {
	const char *system, *name, *package;
} usual[PROCESS_LANGUAGES] = {
	{"/usr/bin/node", "node", "nodejs"},
	{"/usr/bin/python3", "python3", "python3"},
	{"/bin/bash", "bash", "bash"},
};

static bool is_program(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* …/bin/node -> … ; false: not in a folder called bin. */
static bool prefix_of(const char *path, char out[PATH_MAX])
{
	char *slash;

	if (snprintf(out, PATH_MAX, "%s", path) >= PATH_MAX)
		return false;
	slash = strrchr(out, '/');
	if (!slash)
		return false;
	*slash = '\0';
	slash = strrchr(out, '/');
	if (!slash || slash == out || strcmp(slash, "/bin") != 0)
		return false;
	*slash = '\0';
	return true;
}

/* ---- shims of version managers ---- */

static bool first_line(const char *path, char *line, size_t size)
{
	FILE *f = fopen(path, "re");
	bool ok = f && fgets(line, (int)size, f);

	if (f)
		fclose(f);
	if (ok)
		line[strcspn(line, " \t\r\n")] = '\0';
	return ok && line[0];
}

/* pyenv: ROOT/shims/NAME stands for ROOT/versions/V/bin/NAME with V from ROOT/version, which may be the beginning of
 * one. */
static bool resolve_pyenv(const char *root, const char *name, char ret[PATH_MAX])
{
	char path[PATH_MAX], version[128];
	struct dirent *entry;
	bool found = false;
	DIR *dir;

	if (snprintf(path, sizeof(path), "%s/version", root) >= (int)sizeof(path) ||
	    !first_line(path, version, sizeof(version)) || strchr(version, '/'))
		return false;
	if (snprintf(ret, PATH_MAX, "%s/versions/%s/bin/%s", root, version, name) < PATH_MAX && is_program(ret))
		return true;
	if (snprintf(path, sizeof(path), "%s/versions", root) >= (int)sizeof(path) || !(dir = opendir(path)))
		return false;
	while (!found && (entry = readdir(dir)))
		found = strncmp(entry->d_name, version, strlen(version)) == 0 &&
			snprintf(ret, PATH_MAX, "%s/versions/%s/bin/%s", root, entry->d_name, name) < PATH_MAX &&
			is_program(ret);
	closedir(dir);
	return found;
}

bool runtime_resolve_shim(const char *path, char ret[PATH_MAX])
{
	char root[PATH_MAX];
	const char *name = strrchr(path, '/');
	char *slash;

	if (!name || snprintf(root, sizeof(root), "%.*s", (int)(name - path), path) >= (int)sizeof(root))
		return false;
	slash = strrchr(root, '/');
	if (!slash || strcmp(slash, "/shims") != 0)
		return false;
	*slash = '\0';
	return resolve_pyenv(root, name + 1, ret);
}

/* ---- one interpreter ---- */

static bool add_bind(struct runtime *rt, const char *prefix)
{
	for (int i = 0; i < RUNTIME_BINDS; i++) {
		if (rt->binds[i][0] && path_is_under(prefix, rt->binds[i]))
			return true;
		if (rt->binds[i][0])
			continue;
		snprintf(rt->binds[i], sizeof(rt->binds[i]), "%s", prefix);
		return true;
	}
	return false;
}

/* Binds the prefix of path; refuses one that would show the whole home (…/bin right in it) or the whole machine. */
static bool bind_prefix(struct runtime *rt, const char *path, const char *home)
{
	char prefix[PATH_MAX];

	if (path_in_system(path))
		return true;
	if (!prefix_of(path, prefix)) {
		snprintf(rt->problem, sizeof(rt->problem),
			 "%s is not in a folder called bin, so its prefix is not known; name the interpreter's real "
			 "path",
			 path);
		return false;
	}
	if (!prefix[0] || (home && path_is_under(home, prefix))) {
		snprintf(rt->problem, sizeof(rt->problem),
			 "the prefix of %s is %s, and a sandbox must not see that whole folder; install it elsewhere",
			 path, prefix[0] ? prefix : "/");
		return false;
	}
	return add_bind(rt, prefix);
}

/* A virtual environment's interpreter is a link to another prefix: both are needed, and it is started by its own name.
 */
static bool is_venv(const char *path)
{
	char prefix[PATH_MAX], config[PATH_MAX + 16];

	if (!prefix_of(path, prefix))
		return false;
	snprintf(config, sizeof(config), "%s/pyvenv.cfg", prefix);
	return access(config, F_OK) == 0;
}

/* pyvenv.cfg names the folder of the base interpreter by a path of its own ("home = ..."), where Python looks for its
 * library. */
static void add_base_links(struct runtime *rt, const char *path)
{
	char prefix[PATH_MAX], config[PATH_MAX + 16], line[PATH_MAX + 32];
	FILE *f;

	if (!prefix_of(path, prefix))
		return;
	snprintf(config, sizeof(config), "%s/pyvenv.cfg", prefix);
	f = fopen(config, "re");
	for (int i = 0; f && i < 100 && fgets(line, sizeof(line), f); i++) {
		const char *value = strchr(line, '=');

		line[strcspn(line, "\r\n")] = '\0';
		if (!value || strncmp(line, "home", 4) != 0 || line[4 + strspn(line + 4, " \t")] != '=')
			continue;
		value += 1 + strspn(value + 1, " \t");
		if (*value == '/')
			runtime_add_links(rt, value);
		break;
	}
	if (f)
		fclose(f);
}

bool runtime_use(const char *path, const char *home, struct runtime *rt)
{
	char real[PATH_MAX], resolved[PATH_MAX];

	if (runtime_resolve_shim(path, resolved))
		path = resolved;
	if (!is_program(path) || !realpath(path, real)) {
		snprintf(rt->problem, sizeof(rt->problem), "%s is not a program that can be run", path);
		return false;
	}
	if (!bind_prefix(rt, real, home) || (is_venv(path) && !bind_prefix(rt, path, home))) {
		rt->binds[0][0] = rt->binds[1][0] = '\0';
		return false;
	}
	snprintf(rt->path, sizeof(rt->path), "%s", is_venv(path) || path_in_system(path) ? path : real);
	runtime_add_links(rt, rt->path);
	if (is_venv(path))
		add_base_links(rt, path);
	return true;
}

static bool use_first_in(const char *search, const char *name, const char *home, struct runtime *rt)
{
	char path[PATH_MAX], real[PATH_MAX];

	for (const char *at = search; at && *at;) {
		size_t len = strcspn(at, ":");

		if (len > 0 && *at == '/' && snprintf(path, sizeof(path), "%.*s/%s", (int)len, at, name) < PATH_MAX &&
		    is_program(path) && realpath(path, real) && !path_is_under(path, home) &&
		    !path_is_under(real, home) && runtime_use(path, home, rt))
			return true;
		at += len + (at[len] == ':');
	}
	return false;
}

void runtime_find(enum process_language language, const char *wanted, const char *search, const char *home,
		  struct runtime *ret)
{
	const char *name = usual[language].name;

	memset(ret, 0, sizeof(*ret));
	if (home && strcmp(home, "/") == 0)
		home = NULL;
	if (wanted) {
		runtime_use(wanted, home, ret);
		return;
	}
	if (runtime_use(usual[language].system, home, ret) || use_first_in(search, name, home, ret)) {
		ret->problem[0] = '\0';
		return;
	}
	snprintf(ret->problem, sizeof(ret->problem),
		 "there is no %s, and none in PATH outside of the home folder; install it, or name one by runtimes: "
		 "{%s: "
		 "/path/to/%s}" HAWSER_CURE "sudo apt-get install %s",
		 usual[language].system, process_language_names[language], name, usual[language].package);
}
