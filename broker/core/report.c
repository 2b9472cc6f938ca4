/* SPDX-License-Identifier: Apache-2.0 */
/* What doctor hears of the core and of its providers. These start programs and wait for them: on another thread. */
#include "broker/core/pool.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { FINDINGS_MAX = 256 };

struct finding {
	char *key, *text;
	int good;
};

struct report {
	struct view *view;
	struct finding findings[FINDINGS_MAX];
	size_t count;
	doctor_tell_fn *tell;
	void (*done)(void *user);
	void *user;
};

static void keep(void *user, const char *key, const char *text, int good)
{
	struct report *r = user;

	if (r->count < FINDINGS_MAX)
		r->findings[r->count++] = (struct finding){strdup(key), strdup(text), good};
}

static void ask_providers(void *user)
{
	struct report *r = user;

	for (size_t i = 0; i < r->view->pool->provider_count; i++)
		if (r->view->pool->providers[i].provider)
			host_provider_report(r->view->pool->providers[i].provider, keep, r);
	environments_report(r->view->config, keep, r);
}

static void tell_pool(struct report *r)
{
	const struct pool *pool = r->view->pool;
	char line[160];

	for (size_t i = 0; i < pool->provider_count; i++) /* of others the runs tell: theirs is from the past */
		if (!pool->providers[i].provider && pool->providers[i].problem)
			r->tell(r->user, "provider", pool->providers[i].problem, 0);
	snprintf(line, sizeof(line), "%zu warm, %zu coming, %zu in use, %zu runs waiting",
		 pool_count(pool, SANDBOX_WARM), pool_count_coming(pool), pool_count(pool, SANDBOX_USED),
		 pool->waiting_count);
	r->tell(r->user, "sandboxes", line, 1);
}

static void tell_state(const struct report *r)
{
	const struct store *store = r->view->core->store;
	const char *fault = store_fault(store);

	if (fault)
		r->tell(r->user, "state", fault, 0);
	else if (store_was_copied(store))
		r->tell(r->user, "state",
			"the state folder had been copied, or moved to another disk: this broker has a new name, and "
			"leaves "
			"sandboxes of the old one alone",
			1);
}

/* An interpreter that the configuration names: the provider does not know where. */
static void tell_with_place(const struct report *r, const struct finding *f)
{
	static const char *const languages[] = {"javascript", "python", "bash"};
	const struct config *c = r->view->config;
	char text[2 * PATH_MAX];
	size_t len;

	for (size_t i = 0; !f->good && !error_cure(f->text, &len) && i < ARRAY_SIZE(languages); i++) {
		if (!c->path || !c->runtimes[i] || strcmp(f->key, languages[i]) != 0)
			continue;
		snprintf(text, sizeof(text), "%s" ERROR_CURE "correct runtimes.%s in %s", f->text, languages[i],
			 c->path);
		r->tell(r->user, f->key, text, 0);
		return;
	}
	r->tell(r->user, f->key, f->text, f->good);
}

static void finish(void *user)
{
	struct report *r = user;

	r->view->core->readings--;
	for (size_t i = 0; i < r->count; i++) {
		struct finding *f = &r->findings[i];

		if (f->key && f->text)
			tell_with_place(r, f);
		free(f->key);
		free(f->text);
	}
	tell_state(r);
	tell_pool(r);
	r->done(r->user);
	view_unref(r->view);
	free(r);
}

static void tell_core(struct core *core, doctor_tell_fn *tell, void *user)
{
	const char *part = loop_longest_turn_part(core->loop);
	char line[256];

	snprintf(line, sizeof(line), "longest turn of the loop %.2f ms%s%s",
		 (double)loop_longest_turn_ns(core->loop, false) / 1e6, part ? ", most of it in " : "",
		 part ? part : "");
	tell(user, "loop", line, 1);
	tell(user, "audit",
	     core->audit_failed_ms ? "the log cannot be written, so calls are refused; the state folder says why"
				   : "each call is logged",
	     core->audit_failed_ms == 0);
}

void core_report(struct core *core, struct client *c, doctor_tell_fn *tell, void (*done)(void *user), void *user)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct report *r = calloc(1, sizeof(*r));
	struct view *view;

	tell_core(core, tell, user);
	if (!r || client_view(c, &view, &err) < 0) {
		tell(user, "config", r ? error_text(&err) : "no memory", 0);
		loop_defer(core->loop, done, user);
		free(r);
		return;
	}
	pools_wake(view->pool, view->config);
	r->view = view_ref(view);
	r->tell = tell;
	r->done = done;
	r->user = user;
	core->readings++;
	if (loop_work_start(core->loop, ask_providers, finish, r, &err) == 0)
		return;
	tell(user, "provider", error_text(&err), 0);
	loop_defer(core->loop, finish, r);
}

/* ---- servers ---- */

static bool wants_nothing(const struct upstream_tool *tool)
{
	struct span required = span_member(tool->input_schema, "required"), name;
	size_t at = 0;

	return span_type(tool->input_schema) == SPAN_OBJECT &&
	       (!required.p || (span_type(required) == SPAN_ARRAY && !span_next_element(required, &at, &name)));
}

static const char *find_harmless(const struct view_server *server)
{
	size_t count = 0;
	const struct upstream_tool *tools = upstream_tools(server->shared->upstream, &count);

	for (size_t i = 0; server->config->trusted && i < count; i++)
		if (tools[i].read_only && wants_nothing(&tools[i]))
			return tools[i].name;
	return NULL;
}

/* For a program that was not started, by what spawn_start() found. */
static void program_cure(const struct config_server *c, int code, char *cure, size_t size)
{
	char place[PATH_MAX + 128];
	bool relative = strchr(c->command, '/') && c->command[0] != '/' && strncmp(c->command, "~/", 2) != 0;

	snprintf(place, sizeof(place), "%s (%s:%d)", c->name, c->file, c->line);
	if (code == -ENOTDIR)
		snprintf(cure, size,
			 c->cwd ? "correct the cwd of %s" : "call hawser in another folder, or give %s a cwd", place);
	else if (code == -EISDIR)
		snprintf(cure, size, "name the program in it as the command of %s", place);
	else if (code == -EACCES)
		snprintf(cure, size, "chmod +x %.256s, or name what runs it as the command of %s, and it in args",
			 c->command, place);
	else if (code == -ENOEXEC)
		snprintf(cure, size,
			 "correct its first line, or name what runs it as the command of %s, and it in args", place);
	else if (relative)
		snprintf(cure, size, "%.256s is looked for in %s: write its whole path as the command of %s",
			 c->command, c->cwd ? "its cwd" : "the folder that hawser is called in", place);
	else
		snprintf(cure, size, "install %.256s, or correct the command of %s", c->command, place);
}

/* The words of the server stand in its problem too, so that is not looked at. */
void view_server_cure(const struct view_server *server, char *cure, size_t size)
{
	const struct config_server *c = server->config;
	int code = server->shared ? upstream_start_error(server->shared->upstream) : 0;
	size_t len;

	if (!server->shared) {
		const char *text = server->problem ? error_cure(server->problem, &len) : NULL;

		snprintf(cure, size, "%s", text ? text : "");
		return;
	}
	if (!c->command)
		snprintf(cure, size, "correct the url and headers of %s (%s:%d)", c->name, c->file, c->line);
	else if (code < 0)
		program_cure(c, code, cure, size);
	else
		snprintf(cure, size, "hawser tools --logs %s", c->id);
}

void server_health(struct client *c, const char *name, struct server_health *ret)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	const struct view_server *server;
	const char *hint;
	struct view *view;

	*ret = (struct server_health){0};
	if (client_view(c, &view, &err) < 0 || !(server = catalogue_server(view, name, &hint)))
		return;
	if (server->shared)
		ret->harmless = find_harmless(server);
	view_server_cure(server, ret->cure, sizeof(ret->cure));
}
