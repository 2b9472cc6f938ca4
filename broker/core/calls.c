/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one pipeline of every tool call, from code, a door or the command line:
 *
 *   calls.c      budgets -> resolve names -> server ready -> tool known
 *   callcheck.c  arguments (schema) -> needs, facts, decide
 *   callask.c    where policy asks: parked behind a question until a person has answered
 *   callreply.c  upstream -> redact, look at isError -> reply, audit
 *
 * Each step either goes on or ends the call with call_finish(), once. Bodies from CORE_LARGE on are checked and
 * redacted on another thread. A call belongs to whoever started it until done; calls_forget() cuts that tie.
 */
#include "broker/core/call.h"

#include "base/clock.h"

#include <errno.h>
#include <string.h>

/* ---- names ---- */

static int rename_to(char **name, const char *to)
{
	char *copy = strdup(to);

	if (!copy)
		return -ENOMEM;
	free(*name);
	*name = copy;
	return 0;
}

static void check_tool(struct call *call)
{
	const char *hint = NULL;

	call->tool = catalogue_tool(call->view, call->server, call->tool_name, &hint);
	if (!call->tool) {
		static const char search[] = "search_tools() finds tools, at a shell hawser tools";
		_cleanup_free_ char *fix = NULL;

		if (hint && asprintf(&fix, "did you mean %s.%s? %s", call->server_name, hint, search) < 0)
			fix = NULL;
		call_fail(call, "not_found", false, fix ? fix : search, "server %s has no tool %s", call->server_name,
			  call->tool_name);
		return;
	}
	if (rename_to(&call->tool_name, call->tool->name) < 0) {
		call_fail(call, "internal", false, NULL, "no memory");
		return;
	}
	call_check_args(call);
}

static void on_ready(void *user, struct upstream_reply *reply)
{
	struct call *call = user;

	call->request = NULL;
	if (reply->outcome == UPSTREAM_OK)
		check_tool(call);
	else if (reply->outcome == UPSTREAM_CANCELLED)
		call_fail(call, "cancelled", false, NULL, "%s.%s was cancelled", call->server_name, call->tool_name);
	else
		call_fail_down(call, reply->message ? reply->message : "no reason given");
}

static void reach_server(struct call *call)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct upstream *upstream;

	if (!call->server->shared) {
		call_fail(call, "upstream_down", false, NULL, "server %s cannot be used: %s", call->server_name,
			  call->server->problem ? call->server->problem : "no reason given");
		return;
	}
	upstream = call->server->shared->upstream;
	if (upstream_state(upstream) == UPSTREAM_READY)
		check_tool(call);
	else if (upstream_ensure(upstream, on_ready, call, &call->request, &err) < 0)
		call_fail(call, "upstream_down", true, NULL, "%s", error_text(&err));
}

/* What the caller asked for, at most what the server's entry names, else limits.call_ms. */
static int64_t timeout_of(const struct call *call)
{
	int64_t servers = call->server->config->timeout_ms;
	int64_t most = servers > 0 ? servers : call->view->config->limits.call_ms;

	return call->timeout_ms > 0 && call->timeout_ms < most ? call->timeout_ms : most;
}

static void resolve(struct call *call)
{
	const char *hint = NULL, *tool = NULL;

	call->server = call->server_name[0] ? catalogue_server(call->view, call->server_name, &hint) : NULL;
	if (!call->server && (call->server = catalogue_split(call->view, call->tool_name, &tool)))
		memmove(call->tool_name, tool, strlen(tool) + 1);
	if (!call->server) {
		_cleanup_free_ char *fix = NULL;

		if (hint && asprintf(&fix, "did you mean %s?", hint) < 0)
			fix = NULL;
		call_fail(call, "not_found", false,
			  fix ? fix
			      : "hawser tools --servers lists the servers; mcpServers in the configuration adds one",
			  "there is no server %s", call->server_name);
		return;
	}
	if (rename_to(&call->server_name, call->server->config->name) < 0) {
		call_fail(call, "internal", false, NULL, "no memory");
		return;
	}
	call->timeout_ms = timeout_of(call);
	reach_server(call);
}

/* ---- the broker's own tools ---- */

static void on_builtin(void *user, struct buf *json, const struct error *err)
{
	struct call *call = user;
	int r;

	if (err) {
		call_fail(call, "invalid_arguments", false, NULL, "%s", error_text(err));
		return;
	}
	call->result.max = json->len + 64;
	r = buf_append_str(&call->result, "{\"content\":[],\"structuredContent\":");
	if (r == 0)
		r = buf_append(&call->result, buf_head(json), json->len);
	if (r == 0)
		r = buf_append_str(&call->result, "}");
	if (r < 0)
		call_fail(call, "internal", false, NULL, "no memory for the answer");
	else
		call_finish(call);
}

static void run_builtin(struct call *call)
{
	_cleanup_error_ struct error err = ERROR_INIT;

	if (builtins_call(call->view, call->run, call->tool_name, span_of(buf_head(&call->args), call->args.len),
			  on_builtin, call, &err) < 0)
		call_fail(call, err.code == -ENOENT ? "not_found" : "invalid_arguments", false, NULL, "%s",
			  error_text(&err));
}

/* ---- the beginning ---- */

static bool over_budget(struct call *call)
{
	const struct config_limits *limits = &call->view->config->limits;
	struct run *run = call->run;

	/* Code can go on calling for ever: the first refusal of a run is a line of the audit log, the others are not.
	 */
	if (run && run->calls >= (uint64_t)limits->calls) {
		call->unrecorded = run->over_budget;
		run->over_budget = true;
		call_fail(call, "budget", false, "raise limits.calls in the configuration",
			  "the run made its %lld calls", (long long)limits->calls);
		return true;
	}
	if (run && run->calls_open > (uint64_t)limits->calls_open) {
		call->unrecorded = run->over_budget;
		run->over_budget = true;
		call_fail(call, "budget", true, "await some calls before starting more, or raise limits.calls_open",
			  "more than %lld calls of the run are open", (long long)limits->calls_open);
		return true;
	}
	if (call_audit_is_resting(call->core)) {
		call->unrecorded = true;
		call_fail(call, "internal", true, "make room on the disk of the state directory",
			  "the audit log in %s cannot be written, so no call is made", call->core->state_dir);
		return true;
	}
	return false;
}

static void begin(struct call *call)
{
	if (over_budget(call))
		return;
	if (call->run)
		call->run->calls++;
	call->builtin = strcmp(call->server_name, "hawser") == 0;
	if (call->builtin)
		run_builtin(call);
	else
		resolve(call);
}

struct call *calls_start(const struct call_request *request, call_done_fn *done, void *user)
{
	struct call *call = calloc(1, sizeof(*call));

	if (!call)
		abort(); /* a few hundred bytes: nothing sensible is left to be done */
	call->core = request->view->core;
	call->core->calls_open++;
	call->view = view_ref(request->view);
	call->run = request->run;
	call->approver = request->approver;
	call->server_name = strdup(request->server);
	call->tool_name = strdup(request->tool);
	call->args = *request->args;
	*request->args = (struct buf)BUF_INIT(0);
	call->args_len = call->args.len;
	call->timeout_ms = request->timeout_ms;
	call->done = done;
	call->user = user;
	call->started_ns = clock_now_ns();
	call->message.max = call->fix.max = CALL_MESSAGE_MAX;
	if (!call->server_name || !call->tool_name)
		abort();
	if (call->args.len == 0) {
		call->args.max = 2;
		if (buf_append(&call->args, "{}", 2) < 0)
			abort();
	}
	call->starting = true;
	begin(call);
	call->starting = false;
	return call;
}

void call_cancel(struct call *call)
{
	call->cancelled = true;
	if (call->request) {
		if (upstream_is_sent(call->request))
			call_is_given_up(call);
		call_is_back(call);
		upstream_cancel(call->request, "cancelled");
	} else {
		call_unpark(call);
	}
}

void calls_forget(struct call *call)
{
	call->done = NULL;
	call_cancel(call);
	/* The run's own list has it, and the audit its run: it was made, whatever comes of it. */
	if (call->run) {
		runs_count(call->run, call->server_name, call->tool_name, "cancelled",
			   (clock_now_ns() - call->started_ns) / 1000000u, call->args_len);
		call->run_name = strdup(call->run->id);
	}
	call->run = NULL;
}
