/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a run ends: by the guest (TAIL), by a machine that is lost, or by the backstop when the guest does not end it in
 * time; whichever is first calls run_end(), once. Its row is committed before anybody is told, the guest included. A
 * finished run stays findable until its files are pruned.
 *
 *   run_end() -> value checked -> row committed -> end acknowledged to the guest, sandbox released -> ENDED, told
 */
#include "broker/core/runs.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <string.h>

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
	if (run->view->config->durability == CONFIG_POWER && runfiles_sync(&run->files, &err) < 0 && !run->file_problem)
		run->file_problem = TAKE_PTR(err.msg);
	runfiles_close(&run->files);
}

static void tell_end(struct run *run)
{
	run_set_state(run, RUN_ENDED);
	run->core->runs_open--;
	log_info("run_end", LOG_S("run", run->id), LOG_S("status", run->result.status), LOG_I("calls", run->calls),
		 LOG_I("ms", clock_now_ms() - run->started_ms));
	run_tell_end(run);
	run->rests = true;
	view_rest(run->view);
	runs_prune(run->core, run->view->config->limits.runs_kept);
}

/* The sandbox of a run that the guest ended is kept until now: it would say the end again to whoever asks. */
static void let_go(struct run *run)
{
	struct sandbox *sandbox = TAKE_PTR(run->sandbox);
	struct sandbox_facts facts;

	if (!sandbox)
		return;
	sandbox_facts(sandbox, &facts);
	machine_end_kept(facts.machine, run->end_frame);
	sandboxes_release(sandbox);
}

/* Also when the row could not be written: it is tried again (store.h), and who waits for the result must not wait for a
 * disk. The store has logged it. */
static void on_recorded(void *user, const struct error *err)
{
	struct run *run = user;

	(void)err;
	let_go(run);
	tell_end(run);
}

static void settle_result(struct run *run)
{
	_cleanup_free_ char *problem = TAKE_PTR(run->problem);

	if (run->file_problem)
		run->result.status = "error";
	run->result.ok = strcmp(run->result.status, "ok") == 0;
	if (run->file_problem || problem)
		set_error(run, run->file_problem ? run->file_problem : problem);
	if (run->unrecorded) {
		runfiles_remove(&run->files); /* no row names them */
		runfiles_done(&run->files);
		on_recorded(run, NULL);
	} else {
		run_row_end(run, on_recorded);
	}
}

static void on_checked(void *user)
{
	struct run *run = user;

	run->core->readings--;
	settle_result(run);
}

void run_end(struct run *run, const char *status, const char *error)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	bool aside;

	if (run->ending)
		return;
	run->ending = true;
	run_flush_output(run);
	run->machine_run = NULL;
	loop_timer_stop(run->backstop);
	run->result.status = status;
	run->result.seconds = (double)(clock_now_ms() - run->started_ms) / 1000.0;
	run->problem = error ? strdup(error) : NULL;
	while (run->links)
		runs_drop_link(run->links);
	if (run->sandbox && !run->end_frame) /* its guest did not say the end: whatever still runs in there ends now */
		sandboxes_release(TAKE_PTR(run->sandbox));
	/* While the broker stops nobody waits for another thread any more. */
	aside = run->files.result_size >= CORE_LARGE || run->view->config->durability == CONFIG_POWER;
	if (aside && !run->core->stopping &&
	    loop_work_start(run->core->loop, check_result, on_checked, run, &err) == 0) {
		run->core->readings++;
		return;
	}
	check_result(run);
	settle_result(run);
}

/* ---- what the guest says ---- */

static void on_started(void *user)
{
	struct run *run = user;

	run_tell_state(run, "running");
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
	run->end_frame = machine_run_keep_end(run->machine_run);
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

const struct machine_run_events run_machine_events = {
	.started = on_started, .output = run_on_output, .held = run_on_held, .end = on_end};

void run_on_backstop(void *user)
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
