/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/upstream/environment.h"

#include "base/strings.h"
#include "broker/upstream/upstream.h"

#include <errno.h>
#include <string.h>

/* What MCP's SDKs hand on, and what a program needs to find its language, time zone and temporary files. */
const char *const upstream_inherited_names[] = {"HOME", "LOGNAME", "PATH",     "SHELL", "TERM",   "USER",
						"LANG", "LC_ALL",  "LC_CTYPE", "TZ",    "TMPDIR", NULL};
_Static_assert(ARRAY_SIZE(upstream_inherited_names) <= UPSTREAM_INHERITED_MAX + 1, "callers keep that many");

/* Length of the name of "K=V"; 0 if there is none. */
static size_t name_length(const char *pair)
{
	const char *equals = strchr(pair, '=');

	return equals ? (size_t)(equals - pair) : 0;
}

static bool is_allowed(const char *pair)
{
	size_t len = name_length(pair);

	for (const char *const *name = upstream_inherited_names; *name; name++)
		if (len == strlen(*name) && strncmp(pair, *name, len) == 0)
			return true;
	return false;
}

static int put(char **env, size_t *n, const char *pair, struct error *err)
{
	size_t len = name_length(pair), at = 0;
	char *copy;

	if (len == 0)
		return error_set(err, -EINVAL, "an environment variable without a name");
	copy = strdup(pair);
	if (!copy)
		return error_set(err, -ENOMEM, "no memory for an environment");
	while (at < *n && strncmp(env[at], pair, len + 1) != 0)
		at++;
	free(env[at]);
	env[at] = copy;
	*n += at == *n;
	return 0;
}

int environment_build(const char *const *inherited, const char *const *config, char ***ret, struct error *err)
{
	char **env = calloc(strings_count(inherited) + strings_count(config) + 2, sizeof(*env));
	size_t n = 0;
	int r = 0;

	if (!env)
		return error_set(err, -ENOMEM, "no memory for an environment");
	for (; r == 0 && inherited && *inherited; inherited++)
		if (is_allowed(*inherited))
			r = put(env, &n, *inherited, err);
	for (; r == 0 && config && *config; config++)
		r = put(env, &n, *config, err);
	if (r == 0) /* `hawser mcp` in there, under whatever name, knows that it would stand behind itself */
		r = put(env, &n, "HAWSER_DEPTH=1", err);
	if (r < 0) {
		strings_free(env);
		return r;
	}
	*ret = env;
	return 0;
}
