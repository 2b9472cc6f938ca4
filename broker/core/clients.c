/* SPDX-License-Identifier: Apache-2.0 */
/* A client is one subject at a door, with the variables and roots that it brought, and the view of its next run. */
#include "broker/core/runs.h"

#include "base/strings.h"

#include <assert.h>
#include <errno.h>

static int list_variables(struct client *c, const struct config *config)
{
	assert(config); /* config_load() did not fail */
	strings_free(c->variables);
	c->variables = strings_join(upstream_inherited_names, (const char *const *)config->variables.items);
	return c->variables ? 0 : -ENOMEM;
}

int client_new(struct core *core, const struct client_info *info, struct client **ret, struct error *err)
{
	struct config_from from = info->from;
	struct client *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return error_set(err, -ENOMEM, "no memory for a client");
	c->core = core;
	DL_APPEND(core->clients, c);
	from.state_dir = core->state_dir;
	if (config_from_copy(&from, &c->from) < 0 || string_copy(info->subject, &c->subject) < 0 ||
	    string_copy(info->roots, &c->roots) < 0) {
		client_free(c);
		return error_set(err, -ENOMEM, "no memory for a client");
	}
	r = client_load_take(info->load, &c->read, err);
	if (r == 0 && !c->read)
		r = config_load(&c->from, &c->read, err);
	if (r == 0 && list_variables(c, c->read) < 0)
		r = error_set(err, -ENOMEM, "no memory for a client");
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

	if (!config && c->view) /* it moved: the files that it was made of may be large, and are as they were */
		config = config_ref(c->view->config);
	if (config && config_is_stale(config))
		config = config_free(config);
	if (!config)
		r = config_load(&c->from, &config, err);
	if (r == 0)
		r = view_new(c, config, &view, err);
	if (r < 0)
		return r;
	if (c->view)
		c->view->left = c->moved;
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
	char *copy;
	int r = string_copy(roots, &copy);

	if (r < 0)
		return r;
	free(c->roots);
	c->roots = copy;
	c->moved = c->view && config_wants_roots(c->view->config);
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
	config_from_done(&c->from);
	free(c->subject);
	free(c->roots);
	free(c);
	return NULL;
}
