/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client is one subject at a door; a view is its configuration with its values: policy, servers, secrets, pool. Runs
 * hold the view that they began with, so a file that changes concerns later runs only.
 */
#include "broker/core/runs.h"

#include "base/log.h"
#include "base/strings.h"
#include "broker/clientfiles/clientfiles.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* ---- views ---- */

struct view *view_ref(struct view *view)
{
	view->refs++;
	return view;
}

struct view *view_unref(struct view *view)
{
	if (!view || --view->refs > 0)
		return NULL;
	DL_DELETE(view->core->views, view);
	for (size_t i = 0; view->servers && i < view->config->server_count; i++) {
		upstreams_put(view->servers[i].shared);
		free(view->servers[i].problem);
	}
	free(view->servers);
	free(view->names);
	catalogue_free(view->catalogue);
	strings_free(view->granted.items);
	if (view->pool)
		pools_put(view->pool);
	policy_free(view->policy);
	redact_unref(view->redact);
	config_free(view->config);
	free(view->subject);
	free(view);
	return NULL;
}

struct policy_call view_policy_call(const struct view *view, const struct config_server *server, const char *tool)
{
	return (struct policy_call){
		.subject = view->subject,
		.server = server->name,
		.server_id = server->id,
		.tool = tool,
		.project = config_policy_server(server).project,
		.servers = view->names,
		.server_count = view->config->server_count,
		.trusted = server->trusted,
	};
}

static const char *look_up(void *user, const char *name)
{
	const struct client *c = user;
	size_t len = strlen(name);

	if (strcmp(name, "PWD") == 0) /* what the environment says of it may be old */
		return c->info.cwd;
	for (char **pair = c->env; pair && *pair; pair++)
		if (strncmp(*pair, name, len) == 0 && (*pair)[len] == '=')
			return *pair + len + 1;
	return NULL;
}

struct secrets {
	struct redact_secret *items;
	size_t count;
};

static int add_secrets(struct secrets *all, const struct config_resolved *resolved)
{
	size_t count = all->count + resolved->secret_values.count;
	struct redact_secret *items = realloc(all->items, (count + 1) * sizeof(*items));

	if (!items)
		return -ENOMEM;
	all->items = items;
	for (size_t i = 0; i < resolved->secret_values.count; i++) {
		const char *value = resolved->secret_values.items[i];

		items[all->count++] = (struct redact_secret){
			.name = resolved->secret_names.items[i], .value = value, .len = strlen(value)};
	}
	return 0;
}

/* The allow-listed part of the client's environment; borrowed pointers into it. */
static void pick_inherited(const struct client *c, const char **picked)
{
	size_t count = 0;

	for (size_t i = 0; upstream_inherited_names[i]; i++) {
		const char *value = look_up((void *)(uintptr_t)c, upstream_inherited_names[i]);

		if (value)
			picked[count++] = value - strlen(upstream_inherited_names[i]) - 1;
	}
	picked[count] = NULL;
}

/* What cannot be used although it is written as it should be. */
static char *find_problem(const struct client *c, const struct config_resolved *resolved)
{
	if (resolved->command && clientfile_is_self(resolved->command, look_up((void *)(uintptr_t)c, "PATH")))
		return strdup("it is Hawser itself, which would stand behind itself; take it out");
	return NULL;
}

static int resolve_servers(struct view *view, struct client *c, struct config_resolved *resolved, struct error *err)
{
	const struct config_caller caller = {c->info.cwd, c->info.roots, look_up, c};
	struct secrets secrets = {0};
	int r = 0;

	for (size_t i = 0; r == 0 && i < view->config->server_count; i++) {
		const struct config_server *server = &view->config->servers[i];
		struct error problem = ERROR_INIT;

		view->servers[i].config = server;
		if (server->disabled) {
			view->servers[i].problem = strdup("it is disabled in the configuration");
		} else if (config_resolve_server(server, &caller, &resolved[i], &problem) < 0) {
			view->servers[i].problem = TAKE_PTR(problem.msg);
		} else {
			view->servers[i].problem = find_problem(c, &resolved[i]);
			r = add_secrets(&secrets, &resolved[i]);
		}
		error_done(&problem);
	}
	if (r == 0)
		r = redact_new(secrets.items, secrets.count, &view->redact, err);
	else
		error_set(err, r, "no memory for secrets");
	free(secrets.items);
	return r;
}

static void connect_servers(struct view *view, const struct client *c, const struct config_resolved *resolved)
{
	const char *inherited[UPSTREAM_INHERITED_MAX + 1];

	pick_inherited(c, inherited);
	for (size_t i = 0; i < view->config->server_count; i++) {
		struct error problem = ERROR_INIT;

		if (view->servers[i].problem)
			continue;
		if (upstreams_get(view->core, &view->config->servers[i], &resolved[i], inherited, view->redact,
				  &view->servers[i].shared, &problem) < 0)
			view->servers[i].problem = TAKE_PTR(problem.msg);
		error_done(&problem);
	}
}

static int fill_view(struct view *view, struct client *c, struct error *err)
{
	size_t count = view->config->server_count;
	struct config_resolved *resolved = calloc(count + 1, sizeof(*resolved));
	int r = -ENOMEM;

	view->servers = calloc(count + 1, sizeof(*view->servers));
	view->names = calloc(count + 1, sizeof(*view->names));
	view->subject = strdup(c->info.subject);
	for (size_t i = 0; view->names && i < count; i++)
		view->names[i] = config_policy_server(&view->config->servers[i]);
	if (!resolved || !view->servers || !view->names || !view->subject)
		error_set(err, r, "no memory for a configuration");
	else
		r = resolve_servers(view, c, resolved, err);
	if (r == 0) {
		connect_servers(view, c, resolved);
		r = pools_get(view->core, view->config, &view->pool, err);
	}
	for (size_t i = 0; resolved && i < count; i++)
		config_resolved_done(&resolved[i]);
	free(resolved);
	return r;
}

/* The faults of rules were told by config_load() already; one here is a bug of ours. */
static void on_policy_fault(void *user, const char *pointer, const char *message)
{
	error_set(user, -EINVAL, "policy%s: %s", pointer, message);
}

/* Consumes config, also on failure. */
static int view_new(struct client *c, struct config *config, struct view **ret, struct error *err)
{
	struct view *view = calloc(1, sizeof(*view));
	int r;

	if (!view) {
		config_free(config);
		return error_set(err, -ENOMEM, "no memory for a configuration");
	}
	view->core = c->core;
	view->config = config;
	view->refs = 1;
	DL_APPEND(c->core->views, view);
	r = policy_new(config->policy, on_policy_fault, err, &view->policy);
	if (r == 0)
		r = fill_view(view, c, err);
	if (r < 0) {
		view_unref(view);
		return r;
	}
	*ret = view;
	return 0;
}

/* ---- clients ---- */

static int load(struct client *c, struct config **ret, struct error *err)
{
	const struct config_from from = {.path = c->info.config_path,
					 .config_home = c->info.config_home,
					 .home = c->info.home,
					 .search_path = c->info.search_path,
					 .cwd = c->info.cwd,
					 .state_dir = c->core->state_dir};

	return config_load(&from, ret, err);
}

static int list_variables(struct client *c, const struct config *config)
{
	strings_free(c->variables);
	c->variables = strings_join(upstream_inherited_names, (const char *const *)config->variables.items);
	return c->variables ? 0 : -ENOMEM;
}

int client_new(struct core *core, const struct client_info *info, struct client **ret, struct error *err)
{
	struct client *c = calloc(1, sizeof(*c));
	struct config *config = client_load_take(info->load);
	int r = 0;

	if (!c) {
		config_free(config);
		return error_set(err, -ENOMEM, "no memory for a client");
	}
	c->core = core;
	DL_APPEND(core->clients, c);
	c->info.subject = strdup(info->subject);
	c->info.cwd = strdup(info->cwd);
	c->info.config_path = info->config_path ? strdup(info->config_path) : NULL;
	c->info.config_home = info->config_home ? strdup(info->config_home) : NULL;
	c->info.home = info->home ? strdup(info->home) : NULL;
	c->info.search_path = info->search_path ? strdup(info->search_path) : NULL;
	c->info.roots = info->roots ? strdup(info->roots) : NULL;
	if (!config)
		r = load(c, &config, err);
	if (r == 0 && list_variables(c, config) < 0)
		r = error_set(err, -ENOMEM, "no memory for a client");
	c->read = config;
	if (r < 0) {
		client_free(c);
		return r;
	}
	*ret = c;
	return 0;
}

const char *const *client_variables(const struct client *c)
{
	return (const char *const *)c->variables;
}

static int renew_view(struct client *c, struct error *err)
{
	struct config *config = TAKE_PTR(c->read);
	struct view *view = NULL;
	int r = 0;

	if (config && config_is_stale(config))
		config = config_free(config);
	if (!config)
		r = load(c, &config, err);
	if (r == 0)
		r = view_new(c, config, &view, err);
	if (r < 0)
		return r;
	view_unref(c->view);
	c->view = view;
	c->moved = false;
	return 0;
}

int client_resolve(struct client *c, const char *const *env, struct error *err)
{
	strings_free(c->env);
	c->env = strings_copy(env);
	if (!c->env)
		return error_set(err, -ENOMEM, "no memory for a client");
	return renew_view(c, err);
}

int client_set_roots(struct client *c, const char *roots)
{
	char *copy = roots ? strdup(roots) : NULL;

	if (roots && !copy)
		return -ENOMEM;
	free((char *)(uintptr_t)c->info.roots);
	c->info.roots = copy;
	c->moved = true;
	return 0;
}

int client_view(struct client *c, struct view **ret, struct error *err)
{
	int r = 0;

	if (!c->view)
		return error_set(err, -EINVAL, "the client has not sent its variables");
	if (c->core->stopping)
		return error_set(err, -ESHUTDOWN, "the broker is stopping: try again in a moment");
	/* A broken new version must not be passed over in silence: nothing runs by rules that are not those in the
	 * file. */
	if (c->moved || config_is_stale(c->view->config))
		r = renew_view(c, err);
	if (r == 0)
		*ret = c->view;
	return r;
}

const struct config *client_config(const struct client *c)
{
	return c->view ? c->view->config : NULL;
}

struct client *client_free(struct client *c)
{
	struct run *run, *next;

	if (!c)
		return NULL;
	HASH_ITER (hh, c->core->runs, run, next) {
		if (run->owner != c)
			continue;
		run->owner = NULL;
		run_follow(run, NULL, NULL);
		run_cancel(run, "the client left");
	}
	DL_DELETE(c->core->clients, c);
	view_unref(c->view);
	config_free(c->read);
	strings_free(c->variables);
	strings_free(c->env);
	free((char *)(uintptr_t)c->info.subject);
	free((char *)(uintptr_t)c->info.cwd);
	free((char *)(uintptr_t)c->info.config_path);
	free((char *)(uintptr_t)c->info.config_home);
	free((char *)(uintptr_t)c->info.roots);
	free((char *)(uintptr_t)c->info.home);
	free((char *)(uintptr_t)c->info.search_path);
	free(c);
	return NULL;
}
