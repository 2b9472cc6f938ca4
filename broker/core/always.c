/* SPDX-License-Identifier: Apache-2.0 */
/* "Always": the narrowest rule that lets the tool through goes into the configuration, above the one that asked. */
#include "broker/core/ask.h"
#include "broker/core/config-rule.h"

#include "base/log.h"
#include "base/visible.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { GRANTED_MAX = 1000 };

/* The narrowest rule for a tool, with its file of a project. NULL: none names it alone. */
static char *rule_of(const struct view *view, const char *server, const char *tool, const char **ret_from)
{
	char glob[POLICY_NAME_MAX];

	for (size_t i = 0; i < view->config->server_count; i++) {
		struct policy_call call;

		if (strcmp(view->names[i].name, server) != 0)
			continue;
		call = view_policy_call(view, &view->config->servers[i], tool);
		*ret_from = call.project;
		return policy_name_tool(&call, glob, sizeof(glob)) ? strdup(glob) : NULL;
	}
	return NULL;
}

void ask_name_rule(struct approval *a)
{
	_cleanup_free_ char *rule = rule_of(a->view, a->server, a->tool, &a->from);

	if (!rule || !a->view->config->path || !config_rule_can_name(a->server, a->tool, a->from))
		return;
	if (sscanf(a->rule, "rules[%zu]", &a->above) != 1)
		a->above = 0; /* no rule matched: it may stand anywhere */
	a->always = TAKE_PTR(rule);
}

static bool is_listed(const struct json_strings *list, const char *name)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->items[i], name) == 0)
			return true;
	return false;
}

bool ask_is_granted(const struct view *view, const char *server, const char *tool)
{
	const char *from;
	_cleanup_free_ char *name = view->granted.count > 0 ? rule_of(view, server, tool, &from) : NULL;

	return name && is_listed(&view->granted, name);
}

static void grant(struct view *view, const char *name)
{
	struct json_strings *list = &view->granted;
	char **items;

	if (list->count >= GRANTED_MAX || is_listed(list, name))
		return;
	items = realloc(list->items, (list->count + 2) * sizeof(*items));
	if (!items)
		return;
	list->items = items;
	items[list->count] = strdup(name);
	if (items[list->count])
		items[++list->count] = NULL;
}

int ask_put_rule(const struct approval *a, struct buf *out)
{
	return policy_put_rule(policy_verdict_name(POLICY_ALLOW), a->always, a->from, out);
}

bool ask_write_rule(struct approval *a)
{
	const char *path = a->view->config->path;
	_cleanup_buf_ struct buf rule = BUF_INIT(ASK_LINES_MAX);
	_cleanup_error_ struct error err = ERROR_INIT;
	int r, n;

	if (!a->always || ask_put_rule(a, &rule) < 0)
		return false;
	/* The number of the rule is that of the file which the run began with. */
	if (config_is_stale(a->view->config))
		r = error_set(&err, -ESTALE, "%s has changed since: add to policy.rules: %.*s", path, (int)rule.len,
			      (const char *)buf_head(&rule));
	else
		r = config_rule_add(path, &(struct config_rule){a->always, a->from, a->above}, &err);
	if (r == 0)
		n = asprintf(&a->note, "written to %s: %.*s; hawser policy forget %s takes it back", path,
			     (int)rule.len, (const char *)buf_head(&rule), a->always);
	else
		n = asprintf(&a->note, "allowed for this once, as no rule was written: %s", error_text(&err));
	if (n < 0)
		a->note = NULL;
	log_info("approval_always", LOG_S("approval", a->id), LOG_S("note", a->note ? a->note : ""));
	if (r == 0)
		grant(a->view, a->always);
	return r == 0;
}

/* Runs that go on hold what they began with, and what was granted since. */
static void take_grant_back(struct view *view, const char *name)
{
	struct json_strings *list = &view->granted;

	for (size_t i = 0; i < list->count; i++) {
		if (strcmp(list->items[i], name) != 0)
			continue;
		free(list->items[i]);
		list->items[i] = list->items[--list->count];
		list->items[list->count] = NULL;
	}
}

/* The file of this client's project that has a server which the name may be of. */
static const char *project_of(const struct view *view, const char *name)
{
	for (size_t i = 0; i < view->config->server_count; i++)
		if (view->names[i].project && policy_glob_reaches(name, &view->names[i], POLICY_ALLOW))
			return view->names[i].project;
	return NULL;
}

int approvals_forget(struct client *c, const char *name, struct error *err)
{
	struct view *view, *other;
	int r = client_view(c, &view, err);

	if (r < 0)
		return r;
	if (!view->config->path)
		return error_set(err, -ENOENT, "there is no configuration, so there is no rule in it");
	r = config_rule_remove(view->config->path, &(struct config_rule){name, project_of(view, name), 0}, err);
	if (r < 0)
		return r;
	DL_FOREACH (view->core->views, other) {
		if (other->config->path && strcmp(other->config->path, view->config->path) == 0)
			take_grant_back(other, name);
	}
	return 0;
}
