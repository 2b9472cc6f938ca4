/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hawser doctor --fix-hints: prefixes with packages that are worth a name under `environments:`. Looked for where
 * people have them: what is active, the working directory, the places of version managers, then the folders of the home
 * and of the working directory, the nearest first. Bounded by depth, count and time; nothing is started and nothing is
 * read but names.
 */
#include "base/clock.h"
#include "broker/cli/cli.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	HINTS_MAX = 32,
	NAMES_MAX = 1000, /* looked at in a folder */
	PACKAGES_MAX = 5000,
	HINT_NAME_MAX = 40,
	PYTHON_LEAST = 9,
	DEPTH_MAX = 3, /* ~/src/project/venv */
	FOLDERS_MAX = 2000, /* opened on one walk */
	WALK_MS = 2000,
};

struct hint {
	char name[HINT_NAME_MAX + 8], path[PATH_MAX];
	bool python;
	size_t packages;
};
struct hints {
	struct hint all[HINTS_MAX];
	size_t count;
};

static bool is_there(const char *folder, const char *name, char ret[PATH_MAX])
{
	return snprintf(ret, PATH_MAX, "%s/%s", folder, name) < PATH_MAX && access(ret, F_OK) == 0;
}

/* What every prefix has by itself. */
static bool is_installer(const char *name)
{
	static const char *const names[] = {"pip-", "setuptools-", "wheel-", "npm", "corepack"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strncmp(name, names[i], strlen(names[i])) == 0)
			return true;
	return name[0] == '.';
}

/* Names of packages in a folder, those that end so (NULL: all). */
static size_t count_names(const char *folder, const char *ending)
{
	size_t count = 0, len = ending ? strlen(ending) : 0;
	struct dirent *entry;
	DIR *dir = opendir(folder);

	for (int i = 0; dir && i < PACKAGES_MAX && (entry = readdir(dir)); i++) {
		size_t n = strlen(entry->d_name);

		count += !is_installer(entry->d_name) &&
			 (!ending || (n > len && strcmp(entry->d_name + n - len, ending) == 0));
	}
	if (dir)
		closedir(dir);
	return count;
}

/* lib/python3.x/site-packages, each package with a .dist-info of its own; what is older than the shim can do counts
 * nothing. */
static size_t count_python(const char *prefix)
{
	char lib[PATH_MAX], folder[PATH_MAX];
	struct dirent *entry;
	size_t count = 0;
	DIR *dir = is_there(prefix, "lib", lib) ? opendir(lib) : NULL;

	for (int i = 0; dir && i < NAMES_MAX && (entry = readdir(dir)); i++)
		if (strncmp(entry->d_name, "python3.", 8) == 0 && atoi(entry->d_name + 8) >= PYTHON_LEAST &&
		    snprintf(folder, sizeof(folder), "%s/%s/site-packages", lib, entry->d_name) < (int)sizeof(folder))
			count += count_names(folder, ".dist-info");
	if (dir)
		closedir(dir);
	return count;
}

/* The folder's own name, or that of the folder around it where it is called venv and the like. */
static void name_hint(const struct hints *h, struct hint *hint)
{
	static const char *const common[] = {".venv", "venv", "env", ".env", "lib", "node_modules"};
	char path[PATH_MAX], *name;
	size_t n = 0;

	memcpy(path, hint->path, sizeof(path));
	name = strrchr(path, '/');
	for (size_t i = 0; i < ARRAY_SIZE(common); i++)
		if (name > path && strcmp(name + 1, common[i]) == 0) {
			*name = '\0';
			name = strrchr(path, '/');
		}
	if (name && isdigit((unsigned char)name[1])) /* a version alone says little */
		n = (size_t)snprintf(hint->name, sizeof(hint->name), "%s-", hint->python ? "python" : "node");
	for (const char *p = name ? name + 1 : path; *p && n < HINT_NAME_MAX; p++)
		if (n > 0 || isalnum((unsigned char)*p))
			hint->name[n++] = isalnum((unsigned char)*p) || strchr("_.-", *p) ? *p : '-';
	if (n == 0)
		n = (size_t)snprintf(hint->name, sizeof(hint->name), "%s", hint->python ? "python" : "node");
	hint->name[n] = '\0';
	for (size_t i = 0, number = 2; i < h->count; i++)
		if (strcmp(h->all[i].name, hint->name) == 0) {
			snprintf(hint->name + n, sizeof(hint->name) - n, "-%zu", number++);
			i = SIZE_MAX; /* from the beginning */
		}
}

/* path NULL: not there. True: it is a prefix, and nothing below it is worth a look. */
static bool consider(struct hints *h, const char *path)
{
	struct hint hint = {.packages = 0};
	char found[PATH_MAX];

	if (!path || h->count == HINTS_MAX || !realpath(path, hint.path))
		return false;
	hint.python = is_there(hint.path, "bin/python3", found) || is_there(hint.path, "bin/python", found);
	hint.packages = hint.python ? count_python(hint.path) : 0;
	if (!hint.python && is_there(hint.path, "node_modules", found))
		hint.packages = count_names(found, NULL);
	if (hint.packages == 0 || strcmp(hint.path, "/usr") == 0)
		return hint.python;
	for (size_t i = 0; i < h->count; i++)
		if (strcmp(h->all[i].path, hint.path) == 0)
			return hint.python;
	name_hint(h, &hint);
	h->all[h->count++] = hint;
	return hint.python;
}

static void consider_in(struct hints *h, const char *folder, const char *name)
{
	char path[PATH_MAX];

	if (folder && is_there(folder, name, path))
		consider(h, path);
}

static void consider_each(struct hints *h, const char *home, const char *folder, const char *below)
{
	char path[PATH_MAX], inner[PATH_MAX];
	struct dirent *entry;
	DIR *dir = home && is_there(home, folder, path) ? opendir(path) : NULL;

	for (int i = 0; dir && i < NAMES_MAX && (entry = readdir(dir)); i++)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
		    snprintf(inner, sizeof(inner), "%s/%s%s%s", path, entry->d_name, *below ? "/" : "", below) <
			    (int)sizeof(inner))
			consider(h, inner);
	if (dir)
		closedir(dir);
}

/* ---- the walk: folder by folder, the nearest first ---- */

struct walk {
	struct {
		char *path;
		int depth; /* of what is in it */
	} folders[FOLDERS_MAX];
	size_t count;
	uint64_t until_ms;
};

static void walk_push(struct walk *w, char *path, int depth)
{
	if (w->count == FOLDERS_MAX || depth > DEPTH_MAX) {
		free(path);
		return;
	}
	w->folders[w->count].path = path;
	w->folders[w->count++].depth = depth;
}

/* Links are not followed: what is elsewhere is looked for there. */
static bool is_folder(int dir, const struct dirent *entry)
{
	struct stat st;

	return entry->d_type == DT_DIR ||
	       (entry->d_type == DT_UNKNOWN && fstatat(dir, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		S_ISDIR(st.st_mode));
}

static void walk_folder(struct hints *h, struct walk *w, size_t at)
{
	const char *path = w->folders[at].path;
	struct dirent *entry;
	DIR *dir = opendir(path);

	for (int i = 0; dir && i < NAMES_MAX && clock_now_ms() < w->until_ms && (entry = readdir(dir)); i++) {
		bool hidden = entry->d_name[0] == '.', venv = strcmp(entry->d_name, ".venv") == 0;
		char *inner;

		if ((hidden && !venv) || strcmp(entry->d_name, "node_modules") == 0 || !is_folder(dirfd(dir), entry) ||
		    asprintf(&inner, "%s/%s", path, entry->d_name) < 0)
			continue;
		if (consider(h, inner) || hidden)
			free(inner);
		else
			walk_push(w, inner, w->folders[at].depth + 1);
	}
	if (dir)
		closedir(dir);
}

static void walk(struct hints *h, const char *top)
{
	struct walk *w = top ? calloc(1, sizeof(*w)) : NULL;
	char *path = w ? strdup(top) : NULL;

	if (path) {
		w->until_ms = clock_now_ms() + WALK_MS;
		walk_push(w, path, 1);
	}
	for (size_t i = 0; w && i < w->count; i++) {
		walk_folder(h, w, i);
		free(w->folders[i].path);
	}
	free(w);
}

/* Has the walk through the home been in the working directory, as in all of its folders that are near enough? */
static bool was_walked(const char *home)
{
	char top[PATH_MAX], here[PATH_MAX];
	size_t n;
	int depth = 1;

	if (!home || !realpath(home, top) || !realpath(".", here))
		return false;
	n = strcmp(top, "/") == 0 ? 0 : strlen(top);
	if (strncmp(here, top, n) != 0 || (here[n] && here[n] != '/') || strstr(here + n, "/node_modules"))
		return false;
	for (const char *p = here + n; *p; p++)
		if (*p == '/' && p[1] && (p[1] == '.' || ++depth > DEPTH_MAX))
			return false;
	return true;
}

static void look(struct hints *h)
{
	static const char *const here[] = {".venv", "venv", "env", "."};
	static const char *const home_folders[] = {".venv",           "venv",       "env",        "miniconda3",
						   "anaconda3",       "miniforge3", "mambaforge", "micromamba",
						   ".npm-global/lib", "."};
	static const struct {
		const char *folder, *below;
	} collections[] = {
		{"venvs", ""},
		{".venvs", ""},
		{".virtualenvs", ""},
		{"envs", ""},
		{".local/share/virtualenvs", ""},
		{".local/share/uv/tools", ""},
		{".cache/pypoetry/virtualenvs", ""},
		{"miniconda3/envs", ""},
		{"anaconda3/envs", ""},
		{"miniforge3/envs", ""},
		{"mambaforge/envs", ""},
		{"micromamba/envs", ""},
		{".conda/envs", ""},
		{".pyenv/versions", ""},
		{".nvm/versions/node", "lib"},
	};
	const char *home = getenv("HOME");

	consider(h, getenv("VIRTUAL_ENV"));
	consider(h, getenv("CONDA_PREFIX"));
	for (size_t i = 0; i < ARRAY_SIZE(here); i++)
		consider_in(h, ".", here[i]);
	for (size_t i = 0; i < ARRAY_SIZE(home_folders); i++)
		consider_in(h, home, home_folders[i]);
	for (size_t i = 0; i < ARRAY_SIZE(collections); i++)
		consider_each(h, home, collections[i].folder, collections[i].below);
	walk(h, home);
	if (!was_walked(home))
		walk(h, ".");
}

static int print_json(const struct hints *h)
{
	_cleanup_buf_ struct buf out = BUF_INIT(64 * 1024 + HINTS_MAX * PATH_MAX);
	json_auto_t *all = json_object();

	for (size_t i = 0; i < h->count; i++)
		json_object_set_new(all, h->all[i].name,
				    json_pack("{s:s}", h->all[i].python ? "python" : "javascript", h->all[i].path));
	all = json_pack("{s:o}", "environments", all);
	if (!all || json_print(&out, all) < 0)
		return cli_say(CLI_FAILED, "no memory");
	cli_print_span(span_of(buf_head(&out), out.len));
	return CLI_OK;
}

static void print_hint(const struct hint *hint)
{
	_cleanup_buf_ struct buf path = BUF_INIT(8 * PATH_MAX);

	if (buf_append_json(&path, hint->path, strlen(hint->path)) < 0)
		return;
	printf("  %s: { %s: %.*s }   # %zu package%s\n", hint->name, hint->python ? "python" : "javascript",
	       (int)path.len, (const char *)buf_head(&path), hint->packages, hint->packages == 1 ? "" : "s");
}

int cli_doctor_hints(const struct cli_args *args)
{
	struct hints *h = calloc(1, sizeof(*h));
	int status = CLI_OK;

	if (!h)
		return cli_say(CLI_FAILED, "no memory");
	look(h);
	if (args->json) {
		status = print_json(h);
	} else if (h->count == 0) {
		printf("no venv, conda prefix or node_modules with packages was found where they usually are\n");
	} else {
		printf("# for hawser.yaml: keep those that programs may see, read-only, and call them what you like\n"
		       "environments:\n");
		for (size_t i = 0; i < h->count; i++)
			print_hint(&h->all[i]);
	}
	free(h);
	return status;
}
