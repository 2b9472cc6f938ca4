/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A view is a client's configuration with its values: policy, servers, secrets, pool. Runs hold the view that they
 * began with, so a file that changes concerns later runs only.
 */
#include "broker/core/runs.h"

#include "base/log.h"
#include "base/strings.h"
#include "broker/clientfiles/clientfiles.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

struct view *view_ref(struct view *view)
{
	view->refs++;
	return view;
}

static void let_servers_go(struct view *view)
{
	view->catalogue = catalogue_free(view->catalogue);
	for (size_t i = 0; view->servers && i < view->config->server_count; i++) {
		if (!view->servers[i].shared)
			continue;
		upstreams_put(TAKE_PTR(view->servers[i].shared), view->left);
		view->servers[i].problem = strdup("the run has ended");
	}
}

void view_rest(struct view *view)
{
	if (++view->resting == view->refs)
		let_servers_go(view);
}

struct view *view_unref_resting(struct view *view)
{
	view->resting--;
	return view_unref(view);
}

struct view *view_unref(struct view *view)
{
	if (!view)
		return NULL;
	if (--view->refs > 0) {
		if (view->refs == view->resting)
			let_servers_go(view);
		return NULL;
	}
	let_servers_go(view);
	DL_DELETE(view->core->views, view);
	for (size_t i = 0; view->servers && i < view->config->server_count; i++)
		free(view->servers[i].problem);
	free(view->servers);
	free(view->names);
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
		return c->from.cwd;
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
	const struct config_caller caller = {c->from.cwd, c->roots, look_up, c};
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
	view->subject = strdup(c->subject);
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

int view_new(struct client *c, struct config *config, struct view **ret, struct error *err)
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
