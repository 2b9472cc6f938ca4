/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A run: WAITING (for a sandbox) -> RUNNING (its code is in the guest) -> ENDED. Its end comes from the guest (TAIL),
 * from a machine that is lost, or from the backstop when the guest does not end it in time; whichever is first calls
 * run_end(), once. A finished run stays findable until its files are pruned.
 */
#include "broker/core/runs.h"

#include "base/clock.h"
#include "base/log.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

const char *const run_language_names[] = {"javascript", "typescript", "python", "bash", NULL};
static const char *const file_names[] = {"main.js", "main.ts", "main.py", "main.sh"};

const struct json_field run_request_table[] = {
	{.name = "code",
	 .kind = JSON_KIND_STRING,
	 .offset = offsetof(struct run_request, code),
	 .required = true,
	 .least = 1,
	 .most = 4 << 20,
	 .text = "The program. Tools are called as server.tool({...}); its return value (Python: last expression) is "
		 "the "
		 "result."},
	{.name = "language",
	 .kind = JSON_KIND_ENUM,
	 .offset = offsetof(struct run_request, language),
	 .names = run_language_names,
	 .text = "Language of the program."},
	{.name = "timeout_ms",
	 .kind = JSON_KIND_INTEGER,
	 .offset = offsetof(struct run_request, timeout_ms),
	 .alias = "timeout",
	 .least = 0,
	 .most = 900000,
	 .text = "Wall time in milliseconds; 0 is the configured default."},
	{.name = "allowed_tools",
	 .kind = JSON_KIND_STRINGS,
	 .offset = offsetof(struct run_request, allowed_tools),
	 .most = 256,
	 .text = "Globs over server.tool: only these may be called. It can only narrow what the operator allows."},
	{.name = "environment",
	 .kind = JSON_KIND_STRING,
	 .offset = offsetof(struct run_request, environment),
	 .text = "Packages that the user has prepared; without it those of the system."},
	{.name = "data",
	 .kind = JSON_KIND_SPAN,
	 .offset = offsetof(struct run_request, data),
	 .most = 4 << 20,
	 .text = "Any JSON value: the program sees it as `data` (bash: in data.json)."},
};
const size_t run_request_count = ARRAY_SIZE(run_request_table);

static void tell_state(struct run *run, const char *what)
{
	if (run->events.state)
		run->events.state(run->user, what);
}

static void set_state(struct run *run, enum run_state state)
{
	static const char *const names[] = {"waiting", "running", "ended"};
	static const unsigned next[] = {
		[RUN_WAITING] = 1u << RUN_RUNNING | 1u << RUN_ENDED,
		[RUN_RUNNING] = 1u << RUN_ENDED,
		[RUN_ENDED] = 0,
	};

	assert(next[run->state] & 1u << state);
	log_debug("run_state", LOG_S("run", run->id), LOG_S("from", names[run->state]), LOG_S("to", names[state]));
	run->state = state;
}

/* ---- the end ---- */

static void set_error(struct run *run, const char *text)
{
	struct buf line = BUF_INIT(8192);

	if (run->result.error || buf_append(&line, text, span_utf8_floor(text, strnlen(text, 8000))) < 0)
		return;
	redact_buf(run->view->redact, &line);
	run->result.error = buf_steal(&line, NULL);
}

/* The value, when no more of it comes; on any thread. Of a run that was ended by force it may be cut: that is no fault
 * of its own. */
static void check_result(void *user)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct run *run = user;
	bool ok = strcmp(run->result.status, "ok") == 0;

	if (run->files.result >= 0 && runfiles_check_result(&run->files, &err) < 0 && !run->file_problem && ok)
		run->file_problem = TAKE_PTR(err.msg);
	if (run->file_problem || !ok)
		runfiles_drop_half_result(&run->files);
	runfiles_close(&run->files);
}

static void tell_end(struct run *run)
{
	_cleanup_free_ char *problem = TAKE_PTR(run->problem);

	set_state(run, RUN_ENDED);
	run->core->runs_open--;
	if (run->file_problem)
		run->result.status = "error";
	run->result.ok = strcmp(run->result.status, "ok") == 0;
	if (run->file_problem || problem)
		set_error(run, run->file_problem ? run->file_problem : problem);
	log_info("run_end", LOG_S("run", run->id), LOG_S("status", run->result.status), LOG_I("calls", run->calls),
		 LOG_I("ms", clock_now_ms() - run->started_ms));
	if (run->events.end)
		run->events.end(run->user, &run->result);
	runs_prune(run->core, run->view->config->limits.runs_kept);
}

static void on_checked(void *user)
{
	struct run *run = user;

	run->core->readings--;
	tell_end(run);
}

void run_end(struct run *run, const char *status, const char *error)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct sandbox *sandbox;

	if (run->ending)
		return;
	run->ending = true;
	sandbox = TAKE_PTR(run->sandbox);
	run_flush_output(run);
	run->machine_run = NULL;
	loop_timer_stop(run->backstop);
	run->result.status = status;
	run->result.seconds = (double)(clock_now_ms() - run->started_ms) / 1000.0;
	run->problem = error ? strdup(error) : NULL;
	while (run->links)
		runs_drop_link(run->links);
	if (sandbox)
		sandboxes_release(sandbox);
	/* While the broker stops nobody waits for another thread any more. */
	if (run->files.result_size >= CORE_LARGE && !run->core->stopping &&
	    loop_work_start(run->core->loop, check_result, on_checked, run, &err) == 0) {
		run->core->readings++;
		return;
	}
	check_result(run);
	tell_end(run);
}

/* ---- what the guest says ---- */

static void on_started(void *user)
{
	struct run *run = user;

	tell_state(run, "running");
	if (!run->cancel_reason) /* else the time of grace runs already */
		run_arm_backstop(run, run->wall_ms + CORE_GRACE_MS);
}

static char *error_line(struct run *run, const char *status)
{
	const char *name = NULL, *message = NULL, *reason = NULL;
	char *text = NULL;
	int n;

	json_unpack(run->result.tail, "{s?s, s?{s?s, s?s}}", "reason", &reason, "error", "name", &name, "message",
		    &message);
	if (strcmp(status, "timeout") == 0)
		n = reason && strcmp(reason, "cpu") == 0
			    ? asprintf(&text, "timeout: the run used its %lld ms of CPU time (limits.cpu_ms)",
				       (long long)run->view->config->limits.cpu_ms)
			    : asprintf(&text, "timeout: the run reached its %llu ms (timeout_ms)",
				       (unsigned long long)run->wall_ms);
	else if (strcmp(status, "cancelled") == 0) /* the guest knows only that we said so */
		n = asprintf(&text, "cancelled: %s", run->cancel_reason ? run->cancel_reason : "no reason given");
	else if (message && (!name || strcmp(name, "Error") == 0 || !*name))
		n = asprintf(&text, "%s", message);
	else if (message)
		n = asprintf(&text, "%s: %s", name, message);
	else
		n = asprintf(&text, "%s%s%s", status, reason ? ": " : "", reason ? reason : "");
	return n < 0 ? NULL : text;
}

static void on_end(void *user, const struct machine_run_end *end)
{
	static const char *const known[] = {"ok", "error", "timeout", "cancelled", "killed"};
	struct run *run = user;
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_free_ char *line = NULL;
	_cleanup_buf_ struct buf clean = BUF_INIT(0);
	const char *status = NULL, *said = NULL;

	if (run->ending)
		return;
	if (!end->tail_json) {
		if (asprintf(&line, "sandbox_lost: %s", end->lost) < 0)
			line = NULL;
		run_end(run, "lost", line);
		return;
	}
	clean.max = end->tail_len * 2 + (1 << 20);
	if (buf_append(&clean, end->tail_json, end->tail_len) < 0)
		clean.len = 0;
	redact_buf(run->view->redact, &clean); /* message, stack and fix quote what the code knows */
	if (json_parse((const char *)buf_head(&clean), clean.len, &run->result.tail, &err) == 0) {
		environments_explain(run, json_object_get(run->result.tail, "error"));
		json_unpack(run->result.tail, "{s?s, s?i}", "status", &said, "exit_code", &run->result.exit_code);
	}
	for (size_t i = 0; said && i < ARRAY_SIZE(known); i++)
		if (strcmp(known[i], said) == 0)
			status = known[i];
	if (!status)
		status = "error";
	if (strcmp(status, "ok") != 0)
		line = error_line(run, status);
	run_end(run, status, line);
}

static const struct machine_run_events machine_events = {
	.started = on_started, .output = run_on_output, .held = run_on_held, .end = on_end};

static void on_backstop(void *user)
{
	struct run *run = user;
	_cleanup_free_ char *line = NULL;

	if (run->cancel_reason) {
		run_end(run, "cancelled", run->cancel_reason);
		return;
	}
	if (asprintf(&line,
		     "timeout: the run reached its %llu ms (timeout_ms) and its sandbox did not end it; it was "
		     "destroyed",
		     (unsigned long long)run->wall_ms) < 0)
		line = NULL;
	run_end(run, "timeout", line);
}

/* ---- the beginning ---- */

static int put_head(const struct run *run, struct buf *head)
{
	const struct config_limits *l = &run->view->config->limits;
	int r = buf_printf(head, "{\"kind\":\"run\",\"run\":\"%s\",\"language\":\"%s\",\"file\":\"%s\",\"namespaces\":",
			   run->id, run_language_names[run->request.language], file_names[run->request.language]);

	if (r == 0)
		r = catalogue_namespaces(run->view, head);
	if (r == 0)
		r = buf_printf(head,
			       ",\"limits\":{\"wall_ms\":%llu,\"cpu_ms\":%lld,\"memory\":%lld,\"output\":%lld,"
			       "\"result\":%lld,\"calls\":%lld,\"calls_open\":%lld,\"processes\":%lld,\"file\":%lld}}",
			       (unsigned long long)run->wall_ms, (long long)l->cpu_ms, (long long)l->memory,
			       (long long)l->output, (long long)l->result, (long long)l->calls,
			       (long long)l->calls_open, (long long)l->processes, (long long)l->disk);
	return r;
}

static void on_sandbox(void *user, struct sandbox *sandbox, const struct error *problem)
{
	struct run *run = user;
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_buf_ struct buf head = BUF_INIT(FRAME_HEAD_MAX);
	struct sandbox_facts facts;

	run->ticket = NULL;
	if (!sandbox) {
		run_end(run, "error", error_text(problem));
		return;
	}
	run->sandbox = sandbox;
	sandbox_facts(sandbox, &facts);
	run->provider = strdup(facts.provider);
	run->isolation = strdup(facts.isolation);
	run->why = strdup(facts.why);
	set_state(run, RUN_RUNNING);
	if (put_head(run, &head) < 0) {
		run_end(run, "error", "too many servers: their names do not fit the head of a run (16 KiB)");
		return;
	}
	if (machine_run_start(facts.machine, run->id, span_of(buf_head(&head), head.len), run->request.data,
			      span_of(run->request.code, strlen(run->request.code)), &machine_events, run,
			      &run->machine_run, &err) < 0) {
		run_end(run, "lost", error_text(&err));
		return;
	}
	run_drop_data(run);
	run_arm_backstop(run, run->wall_ms + CORE_GRACE_MS + CORE_START_MS);
}

int run_start(struct client *c, const struct run_request *request, const struct run_events *events, void *user,
	      struct run **ret, struct error *err)
{
	struct view *view;
	struct run *run;
	int environment = -1, r = client_view(c, &view, err);

	if (r == 0)
		r = run_check_request(view, request, err);
	if (r == 0)
		r = environments_find(view->config, request->environment, &environment, err);
	if (r < 0)
		return r;
	run = calloc(1, sizeof(*run));
	if (!run)
		return error_set(err, -ENOMEM, "no memory for a run");
	id_make(run->id, "run");
	run->core = c->core;
	run->view = view_ref(view);
	run->owner = c;
	run->environment = environment;
	run->files = (struct runfiles){.events = -1, .result = -1};
	run->result.run = run;
	run->started_ms = clock_now_ms();
	run->wall_ms = (uint64_t)(request->timeout_ms > 0 ? request->timeout_ms : view->config->limits.run_ms);
	if (events)
		run->events = *events;
	run->user = user;
	HASH_ADD_STR(c->core->runs, id, run);
	c->core->runs_open++;
	r = run_copy_request(run, request);
	if (r < 0)
		error_set(err, r, "no memory for a run");
	if (r == 0)
		r = runfiles_open(&run->files, c->core->state_dir, run->id, err);
	if (r == 0)
		r = loop_timer_new(c->core->loop, on_backstop, run, &run->backstop, err);
	if (r == 0)
		r = loop_timer_new(c->core->loop, run_on_hold_timer, run, &run->hold_timer, err);
	if (r < 0) {
		c->core->runs_open--;
		runfiles_remove(&run->files);
		run_free(run);
		return r;
	}
	run->ticket = sandboxes_acquire(view->pool, (enum run_language)run->request.language, run->environment,
					on_sandbox, run);
	*ret = run;
	return 0;
}

static void cancel_waiting(void *user)
{
	struct run *run = user;

	run_end(run, "cancelled", run->cancel_reason);
}

void run_cancel(struct run *run, const char *reason)
{
	if (run->ending || run->cancel_reason)
		return;
	if (asprintf(&run->cancel_reason, "%s", reason) < 0)
		run->cancel_reason = NULL;
	if (run->ticket) {
		sandboxes_forget(TAKE_PTR(run->ticket));
		loop_defer(run->core->loop, cancel_waiting, run);
		return;
	}
	if (run->machine_run)
		machine_run_cancel(run->machine_run, "cancelled");
	run_arm_backstop(run, CORE_GRACE_MS);
}
