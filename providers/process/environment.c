/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Environments: prefixes with packages that the operator named. A Python environment (venv, uv, conda) brings its own
 * interpreter; of one for JavaScript only the folder node_modules is shown, never the project around it.
 */
#include "providers/process/process.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_folder(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool apply_python(const struct hawser_environment *e, const char *home, struct process_view *view)
{
	static const char *const names[] = {"bin/python3", "bin/python"};
	struct runtime rt = {.problem = ""};
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s", e->python);
	for (size_t i = 0; is_folder(e->python) && i < sizeof(names) / sizeof(names[0]); i++)
		if (snprintf(path, sizeof(path), "%s/%s", e->python, names[i]) < (int)sizeof(path) &&
		    access(path, X_OK) == 0)
			break;
	if (runtime_use(path, home, &rt)) {
		view->runtimes[PROCESS_PYTHON] = rt;
		return true;
	}
	snprintf(view->problem, sizeof(view->problem),
		 "environment %s: %s; environments.%s.python names a venv, uv or conda prefix (a folder with "
		 "bin/python3)",
		 e->name, rt.problem, e->name);
	return false;
}

static bool apply_javascript(const struct hawser_environment *e, const char *home, struct process_view *view)
{
	char path[PATH_MAX];
	size_t len = strlen(e->javascript);
	bool itself = len > 13 && strcmp(e->javascript + len - 13, "/node_modules") == 0;

	if (snprintf(path, sizeof(path), "%s%s", e->javascript, itself ? "" : "/node_modules") < (int)sizeof(path) &&
	    is_folder(path) && realpath(path, view->node_modules) && !(home && path_is_under(home, view->node_modules)))
		return true;
	snprintf(view->problem, sizeof(view->problem),
		 "environment %s: there is no folder %s; environments.%s.javascript names a folder with node_modules "
		 "in it",
		 e->name, path, e->name);
	return false;
}

bool environment_apply(const struct hawser_environment *e, const char *home, struct process_view *view)
{
	if (home && strcmp(home, "/") == 0)
		home = NULL;
	return (!e || !e->python || apply_python(e, home, view)) &&
	       (!e || !e->javascript || apply_javascript(e, home, view));
}
