/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A run: WAITING (for a sandbox) -> RUNNING (its code is in the guest) -> ENDED. This is its beginning; its code leaves
 * when its row is committed and it has a sandbox, whichever comes last. runend.c has its end.
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

void run_set_state(struct run *run, enum run_state state)
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

/* When both its row and its sandbox are there. */
static void send_code(struct run *run)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_buf_ struct buf head = BUF_INIT(FRAME_HEAD_MAX);
	struct sandbox_facts facts;

	if (!run->recorded || !run->sandbox || run->ending || run->cancel_reason)
		return;
	sandbox_facts(run->sandbox, &facts);
	if (put_head(run, &head) < 0) {
		run_end(run, "error", "too many servers: their names do not fit the head of a run (16 KiB)");
		return;
	}
	if (machine_run_start(facts.machine, run->id, span_of(buf_head(&head), head.len), run->request.data,
			      span_of(run->request.code, strlen(run->request.code)), &run_machine_events, run,
			      &run->machine_run, &err) < 0) {
		run_end(run, "lost", error_text(&err));
		return;
	}
	run_drop_data(run);
	run_arm_backstop(run, run->wall_ms + CORE_GRACE_MS + CORE_START_MS);
}

static void on_recorded(void *user, const struct error *err)
{
	struct run *run = user;

	run->recorded = !err->code;
	run->unrecorded = err->code != 0;
	if (!run->unrecorded)
		return send_code(run);
	if (run->ticket)
		sandboxes_forget(TAKE_PTR(run->ticket));
	run_end(run, "error", error_text(err));
}

static void on_sandbox(void *user, struct sandbox *sandbox, const struct error *problem)
{
	struct run *run = user;
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
	sandbox_serve(sandbox, run->id);
	run_set_state(run, RUN_RUNNING);
	run_row_placed(run);
	send_code(run);
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
	run->subject = strdup(c->subject);
	run->folder = strdup(c->from.cwd);
	run->begun_ms = (int64_t)clock_wall_ms();
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
	if (r < 0 || !run->subject)
		r = error_set(err, -ENOMEM, "no memory for a run");
	if (r == 0)
		r = runfiles_open(&run->files, c->core->state_dir, run->id, err);
	if (r == 0)
		r = loop_timer_new(c->core->loop, run_on_backstop, run, &run->backstop, err);
	if (r == 0)
		r = loop_timer_new(c->core->loop, run_on_hold_timer, run, &run->hold_timer, err);
	if (r < 0) {
		c->core->runs_open--;
		runfiles_remove(&run->files);
		run_free(run);
		return r;
	}
	run_row_begin(run, on_recorded);
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
	else if (!run->recorded) /* its code never left */
		loop_defer(run->core->loop, cancel_waiting, run);
	run_arm_backstop(run, CORE_GRACE_MS);
}
