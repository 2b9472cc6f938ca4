/* SPDX-License-Identifier: Apache-2.0 */
/* The root object: owns everything, makes it in order, takes it apart in the opposite one. */
#include "broker/core/ask.h"
#include "broker/core/calls.h"
#include "broker/core/runs.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

enum { STOP_RUNS_MS = 2500, STOP_MOST_MS = 7500 /* a server that ignores SIGTERM takes 4 s */ };

static void on_sandbox_ended(void *user, const char *sandbox_id, const char *reason)
{
	pools_on_sandbox_ended(user, sandbox_id, reason);
}

static void on_tidy(void *user)
{
	struct core *core = user;
	uint64_t now = clock_now_ms();

	reaper_look(core->reaper);
	upstreams_tidy(core, now, false);
	pools_tidy(core, now, false);
	loop_timer_start(core->tidy, CORE_TIDY_MS);
}

static int make_dir(const char *parent, const char *name, struct error *err)
{
	_cleanup_free_ char *path = NULL;

	if (asprintf(&path, "%s/%s", parent, name) < 0)
		return error_set(err, -ENOMEM, "no memory for a path");
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return error_set_errno(err, -errno, "making %s", path);
	return 0;
}

/* Of all clients: code may have learned a value where it was no secret. */
static void clean_audit(void *user, struct buf *text)
{
	struct core *core = user;
	struct view *view;

	DL_FOREACH (core->views, view) {
		if (view->redact)
			redact_buf(view->redact, text);
	}
}

size_t core_clean_line(struct core *core, char *line, size_t len)
{
	struct shared_upstream *shared, *next;
	struct view *view;

	DL_FOREACH (core->views, view) {
		if (view->redact)
			len = redact_line(view->redact, line, len);
	}
	/* One that no view names any more may still have something to say. */
	HASH_ITER (hh, core->upstreams, shared, next) {
		if (shared->users == 0)
			len = redact_line(shared->redact, line, len);
	}
	return len;
}

static int open_audit(struct core *core, struct error *err)
{
	_cleanup_free_ char *path = NULL;

	if (asprintf(&path, "%s/audit.jsonl", core->state_dir) < 0)
		return error_set(err, -ENOMEM, "no memory for a path");
	return audit_open(path, clean_audit, core, &core->audit, err);
}

static int open_host(struct core *core, struct error *err)
{
	static const struct host_events events = {.sandbox_ended = on_sandbox_ended};
	_cleanup_free_ char *dir = NULL;
	struct host_options o = {.guest_path = core->options.guest_path, .keeper_path = core->options.keeper_path};

	if (asprintf(&dir, "%s/sb", core->runtime_dir) < 0)
		return error_set(err, -ENOMEM, "no memory for a path");
	o.sandbox_dir = dir;
	return host_new(core->loop, core->spawner, &o, &events, core, &core->host, err);
}

int core_new(struct loop *loop, struct spawner *spawner, const struct core_options *options, struct core **ret,
	     struct error *err)
{
	struct core *core = calloc(1, sizeof(*core));
	int r = 0;

	if (!core)
		return error_set(err, -ENOMEM, "no memory for the broker");
	core->loop = loop;
	core->spawner = spawner;
	core->options = *options;
	core->state_dir = strdup(options->state_dir);
	core->runtime_dir = strdup(options->runtime_dir);
	r = make_dir(core->state_dir, "runs", err);
	if (r == 0)
		r = make_dir(core->state_dir, "logs", err);
	if (r == 0)
		r = store_open(loop, core->state_dir, &core->store, err);
	if (r == 0)
		r = open_audit(core, err);
	if (r == 0)
		r = open_host(core, err);
	if (r == 0)
		r = loop_timer_new(loop, on_tidy, core, &core->tidy, err);
	if (r == 0 && !(core->approvals = approvals_new(core)))
		r = error_set(err, -ENOMEM, "no memory for the broker");
	if (r == 0)
		r = runs_load(core, err);
	if (r == 0)
		r = reaper_new(core, &core->reaper, err);
	if (r < 0) {
		core_free(core);
		return r;
	}
	loop_timer_start(core->tidy, CORE_TIDY_MS);
	*ret = core;
	return 0;
}

bool core_is_idle(const struct core *core)
{
	return !core->clients && core->runs_open == 0;
}

bool core_is_stopping(const struct core *core)
{
	return core->stopping;
}

/* ---- stopping: runs end, then sandboxes and servers; looked at every 20 ms, at most STOP_MOST_MS ---- */

static void on_stop_step(void *user)
{
	struct core *core = user;
	uint64_t waited = clock_now_ms() - core->stop_began_ms;

	if (core->runs_open == 0 || waited > STOP_RUNS_MS) {
		if (!core->runs_over) {
			runs_let_go_all(core);
			upstreams_stop(core);
		}
		core->runs_over = true;
		pools_tidy(core, clock_now_ms(), true);
		if ((pools_empty(core) && core->upstreams_leaving == 0 && core->readings == 0) ||
		    waited > STOP_MOST_MS) {
			core->stopped(core->stopped_user);
			return;
		}
	}
	loop_timer_start(core->stop_timer, 20);
}

void core_shutdown(struct core *core, void (*done)(void *user), void *user)
{
	_cleanup_error_ struct error err = ERROR_INIT;

	if (core->stopping)
		return;
	core->stopping = true;
	core->stopped = done;
	core->stopped_user = user;
	core->stop_began_ms = clock_now_ms();
	runs_close_all(core, "the broker is stopping");
	if (loop_timer_new(core->loop, on_stop_step, core, &core->stop_timer, &err) < 0) {
		loop_defer(core->loop, done, user);
		return;
	}
	loop_timer_start(core->stop_timer, 0);
}

static void settle(struct core *core)
{
	for (int i = 0; i < 3; i++)
		loop_turn(core->loop, 0);
}

struct core *core_free(struct core *core)
{
	if (!core)
		return NULL;
	core->stopping = true;
	loop_timer_free(core->tidy);
	loop_timer_free(core->stop_timer);
	if (core->host)
		pools_tidy(core, clock_now_ms(), true);
	settle(core); /* what was put off still finds everybody */
	while (core->readings > 0)
		loop_turn(core->loop, 100);
	if (core->store)
		runs_free_all(core);
	while (core->clients)
		client_free(core->clients);
	upstreams_tidy(core, clock_now_ms(), true);
	settle(core); /* calls that were given up are told so, and let go of their views */
	approvals_free(core->approvals);
	pools_free_all(core);
	host_free(core->host);
	reaper_free(core->reaper);
	store_close(core->store);
	audit_close(core->audit);
	free(core->state_dir);
	free(core->runtime_dir);
	free(core);
	return NULL;
}

/* ---- tools ---- */

int tools_search(struct client *c, const struct search_request *request, search_done_fn *done, void *user,
		 struct error *err)
{
	struct view *view;
	int r = client_view(c, &view, err);

	return r ? r : builtins_search(view, request, done, user, err);
}

static const char *const upstream_states[] = {"idle", "starting", "ready", "backoff", "failed"};

static json_t *describe_offers(const struct upstream *u)
{
	static const char *const names[] = {"prompts", "resources", "a wish for sampling"}; /* by bit */
	unsigned offers = u ? upstream_offers(u) : 0;
	json_t *list = json_array();

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (offers & 1u << i)
			json_array_append_new(list, json_string(names[i]));
	return list;
}

/* How many of its tools policy allows, asks about and denies, as far as it can be said without arguments. */
static json_t *describe_verdicts(const struct view *view, const struct config_server *config, const struct upstream *u)
{
	static const struct policy_facts no_facts;
	json_int_t counts[3] = {0};
	size_t count = 0;
	const struct upstream_tool *tools = u ? upstream_tools(u, &count) : NULL;

	for (size_t i = 0; i < count; i++) {
		struct policy_call call = view_policy_call(view, config, tools[i].name);

		call.args = (struct span)SPAN_LIT("{}");
		call.read_only = tools[i].read_only;
		call.destructive = tools[i].destructive;
		call.idempotent = tools[i].idempotent;
		call.open_world = tools[i].open_world;
		counts[policy_judge(view->policy, &call, &no_facts)]++;
	}
	return json_pack("{s:I, s:I, s:I}", "allow", counts[POLICY_ALLOW], "deny", counts[POLICY_DENY], "ask",
			 counts[POLICY_ASK]);
}

static json_t *describe_server(const struct view *view, const struct view_server *server)
{
	const struct upstream *u = server->shared ? server->shared->upstream : NULL;
	size_t count = 0;

	if (u)
		upstream_tools(u, &count);
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:b, s:s*, s:o, s:b, s:o}", "name", server->config->name, "id",
			 server->config->id, "state", u ? upstream_states[upstream_state(u)] : "unusable", "problem",
			 u                 ? upstream_problem(u)
			 : server->problem ? server->problem
					   : "",
			 "notice", u ? upstream_notice(u) : "", "tools", (json_int_t)count, "trusted",
			 server->config->trusted, "log", server->shared ? server->shared->log_path : NULL, "offers",
			 describe_offers(u), "asks_roots", u && upstream_asked_roots(u), "verdicts",
			 describe_verdicts(view, server->config, u));
}

int tools_servers(struct client *c, struct buf *out)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	json_auto_t *list = json_array();
	struct view *view;
	int r = client_view(c, &view, &err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < view->config->server_count; i++)
		json_array_append_new(list, describe_server(view, &view->servers[i]));
	return json_print(out, list);
}

int call_start(struct client *c, const char *server, const char *tool, struct span args, call_done_fn *done, void *user,
	       struct call **ret, struct error *err)
{
	_cleanup_buf_ struct buf copy = BUF_INIT(0);
	struct call_request request = {.server = server, .tool = tool, .args = &copy, .approver = c->approver};
	int r = client_view(c, &request.view, err);

	if (r < 0)
		return r;
	copy.max = (size_t)request.view->config->limits.arguments;
	if (buf_append(&copy, args.p, args.len) < 0)
		return error_set(err, -E2BIG, "too_large: the arguments are over limits.arguments (%lld bytes)",
				 (long long)request.view->config->limits.arguments);
	*ret = calls_start(&request, done, user);
	return 0;
}
