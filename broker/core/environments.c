/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Environments as runs ask for them, and which of them has a module that a run did not find. The latter looks at a few
 * names in the folders that the operator named; nothing of them is read.
 */
#include "broker/core/runs.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	MODULE_MAX = 100, /* bytes of a module's name */
	LIBRARIES_MAX = 64, /* names looked at in lib/ */
	PACKAGES_MAX = 20000, /* names looked at in site-packages/ for an extension module without a folder */
};

int environments_find(const struct config *c, const char *name, int *ret, struct error *err)
{
	const char *names[CONFIG_ENVIRONMENTS_MAX + 1] = {NULL}, *near;
	_cleanup_buf_ struct buf all = BUF_INIT(4096);

	for (size_t i = 0; name && i < c->environment_count; i++) {
		if (strcmp(c->environments[i].name, name) == 0) {
			*ret = (int)i;
			return 0;
		}
		names[i] = c->environments[i].name;
		if (buf_printf(&all, "%s%s", i ? ", " : "", names[i]) < 0)
			break;
	}
	*ret = -1;
	if (!name)
		return 0;
	if (c->environment_count == 0)
		return error_set(
			err, -ENOENT,
			"there is no environment %.64s: none is configured; write environments: {%.64s: {python: "
			"/path/to/venv}}",
			name, name);
	near = json_nearest(name, names);
	return error_set(err, -ENOENT, "there is no environment %.64s; %s%s%s", name,
			 near ? "did you mean " : "there are ", near ? near : "",
			 near                           ? "?"
			 : buf_append(&all, "", 1) == 0 ? (const char *)buf_head(&all)
							: "others");
}

/* ---- the schema of execute_code ---- */

int run_request_schema(const struct config *c, struct buf *out)
{
	const char *names[CONFIG_ENVIRONMENTS_MAX + 1] = {NULL};
	struct json_field *table = calloc(run_request_count, sizeof(*table));
	size_t count = 0;
	int r;

	if (!table)
		return -ENOMEM;
	for (size_t i = 0; c && i < c->environment_count; i++)
		names[i] = c->environments[i].name;
	for (size_t i = 0; i < run_request_count; i++) {
		if (strcmp(run_request_table[i].name, "environment") == 0 && !names[0])
			continue; /* there is nothing to choose from */
		table[count] = run_request_table[i];
		if (strcmp(table[count].name, "environment") == 0) {
			table[count].kind = JSON_KIND_ENUM;
			table[count].names = names;
			table[count].preset = -1;
		}
		count++;
	}
	r = json_table_schema(table, count, out);
	free(table);
	return r;
}

/* ---- a missing module ---- */

static bool exists(const char *folder, const char *name, const char *suffix)
{
	char path[PATH_MAX];

	return snprintf(path, sizeof(path), "%s/%s%s", folder, name, suffix) < (int)sizeof(path) &&
	       access(path, F_OK) == 0;
}

/* numpy/, six.py, or _cffi_backend.cpython-311-x86_64-linux-gnu.so */
static bool has_package(const char *folder, const char *module)
{
	size_t len = strlen(module);
	struct dirent *entry;
	bool found = exists(folder, module, "") || exists(folder, module, ".py");
	DIR *dir = found ? NULL : opendir(folder);

	for (int i = 0; dir && !found && i < PACKAGES_MAX && (entry = readdir(dir)); i++) {
		size_t n = strlen(entry->d_name);

		found = n > len + 3 && strncmp(entry->d_name, module, len) == 0 && entry->d_name[len] == '.' &&
			strcmp(entry->d_name + n - 3, ".so") == 0;
	}
	if (dir)
		closedir(dir);
	return found;
}

/* PREFIX/lib; path may name the interpreter, PREFIX/bin/python3. */
static bool find_lib(const char *path, char lib[PATH_MAX])
{
	size_t len = strlen(path);
	struct stat st;

	if (stat(path, &st) < 0)
		return false;
	for (int up = S_ISDIR(st.st_mode) ? 0 : 2; up > 0; up--)
		while (len > 0 && path[--len] != '/')
			;
	return snprintf(lib, PATH_MAX, "%.*s/lib", (int)len, path) < PATH_MAX;
}

/* PREFIX/lib/python3.11/site-packages */
static bool python_has(const char *path, const char *module)
{
	char lib[PATH_MAX], folder[PATH_MAX];
	struct dirent *entry;
	bool found = false;
	DIR *dir = find_lib(path, lib) ? opendir(lib) : NULL;

	for (int i = 0; dir && !found && i < LIBRARIES_MAX && (entry = readdir(dir)); i++)
		if (strncmp(entry->d_name, "python3", 7) == 0 &&
		    snprintf(folder, sizeof(folder), "%s/%s/site-packages", lib, entry->d_name) < (int)sizeof(folder))
			found = has_package(folder, module);
	if (dir)
		closedir(dir);
	return found;
}

static bool javascript_has(const char *folder, const char *module)
{
	size_t len = strlen(folder);
	bool itself = len > 13 && strcmp(folder + len - 13, "/node_modules") == 0;
	char path[PATH_MAX];

	return snprintf(path, sizeof(path), "%s%s", folder, itself ? "" : "/node_modules") < (int)sizeof(path) &&
	       exists(path, module, "");
}

/* What an error says is missing, as the language writes it; a name that could lead elsewhere is none. */
static bool missing_module(bool python, const char *name, const char *message, char ret[MODULE_MAX])
{
	static const char *const says[] = {"No module named '", "Cannot find package '", "Cannot find module '"};
	const char *at = NULL;
	size_t n = 0;

	if (python && strcmp(name, "ModuleNotFoundError") != 0)
		return false;
	for (size_t i = python ? 0 : 1; !at && i < (python ? 1 : ARRAY_SIZE(says)); i++)
		at = strncmp(message, says[i], strlen(says[i])) == 0 ? message + strlen(says[i]) : NULL;
	if (!at)
		return false;
	for (; at[n] && at[n] != '\'' && n + 1 < MODULE_MAX; n++) {
		bool scope =
			!python && ((at[n] == '@' && n == 0) || (at[n] == '/' && at[0] == '@' && !memchr(at, '/', n)));

		if (!isalnum((unsigned char)at[n]) && !scope && (python ? at[n] != '_' : !strchr("_-.", at[n])))
			break;
		ret[n] = at[n];
	}
	ret[n] = '\0';
	return n > 0 && ret[0] != '.' && (at[n] == '\'' || (python && at[n] == '.') || (!python && at[n] == '/'));
}

static int put_fix(const struct config *c, int used, bool python, const char *module, struct buf *out)
{
	const char *first = NULL;
	size_t named = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < c->environment_count; i++) {
		const struct config_environment *e = &c->environments[i];
		const char *path = python ? e->python : e->javascript;

		if (!path || !(python ? python_has(path, module) : javascript_has(path, module)))
			continue;
		if ((int)i == used)
			return -EEXIST; /* it is there, what is missing lies deeper */
		first = first ? first : e->name;
		r = buf_printf(out, "%s%s", named++ ? ", " : "It is in the environment ", e->name);
	}
	if (r == 0 && named > 0)
		return buf_printf(out, ": run this with environment \"%s\".", first);
	if (r == 0 && c->environment_count > 0)
		return buf_printf(out, "No environment has %s; install it into one of them, and ask for that one.",
				  module);
	if (r == 0)
		r = buf_printf(out,
			       "A sandbox has the system's packages. Those of a %s come by environments: {NAME: {%s: "
			       "/path}} in the configuration; hawser doctor --fix-hints finds some.",
			       python ? "venv or conda prefix" : "folder with node_modules",
			       python ? "python" : "javascript");
	return r;
}

void environments_explain(const struct run *run, json_t *error)
{
	_cleanup_buf_ struct buf fix = BUF_INIT(4096);
	bool python = run->request.language == RUN_PYTHON;
	const char *name = NULL, *message = NULL;
	char module[MODULE_MAX];

	if (run->request.language == RUN_BASH ||
	    json_unpack(error, "{s:s, s:s}", "name", &name, "message", &message) < 0 || json_object_get(error, "fix") ||
	    !missing_module(python, name, message, module))
		return;
	if (put_fix(run->view->config, run->environment, python, module, &fix) == 0)
		json_object_set_new(error, "fix", json_stringn((const char *)buf_head(&fix), fix.len));
}

/* ---- for doctor ---- */

static bool has_python(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return false;
	return S_ISDIR(st.st_mode) ? exists(path, "bin/python3", "") || exists(path, "bin/python", "")
				   : access(path, X_OK) == 0;
}

void environments_report(const struct config *c, doctor_tell_fn *tell, void *user)
{
	for (size_t i = 0; i < c->environment_count; i++) {
		const struct config_environment *e = &c->environments[i];
		_cleanup_buf_ struct buf text = BUF_INIT(3 * PATH_MAX);
		char key[96];
		bool python = !e->python || has_python(e->python),
		     node = !e->javascript || javascript_has(e->javascript, "");

		snprintf(key, sizeof(key), "environment %s", e->name);
		if (e->python && buf_printf(&text, "python %s%s", e->python, python ? "" : " has no bin/python3") < 0)
			continue;
		if (e->javascript && buf_printf(&text, "%sjavascript %s%s", e->python ? ", " : "", e->javascript,
						node ? "" : " has no node_modules") < 0)
			continue;
		if (buf_append(&text, "", 1) == 0)
			tell(user, key, (const char *)buf_head(&text), python && node);
	}
}
