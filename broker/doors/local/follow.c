/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs of anybody of this subject: runs.list, run.follow, run.kill; and sandboxes.list.
 *
 * run.follow {run, live} answers as run.start does. Its output comes from the event file alone, also while the run
 * lasts: in order, nothing left out, and never more of it in memory than LOCAL_LIVE_MAX, however slow the other end is.
 */
#include "broker/doors/local/internal.h"

#include <string.h>
#include <utlist.h>

enum {
	LIST_MAX = 4 * 1024 * 1024,
	FOLLOW_STEP = 128 * 1024, /* bytes of events a turn */
	FOLLOW_SLOW_MS = 20, /* how often a slow reader is looked at */
};

struct follow {
	struct request *q;
	struct run *run;
	struct run_watch *watch; /* NULL: it has ended */
	struct loop_timer *pump;
	uint64_t offset;
	bool sending; /* what is sent may find that the other end is gone */
};

void method_runs_list(struct request *q, struct span params)
{
	_cleanup_buf_ struct buf out = BUF_INIT(LIST_MAX);

	(void)params;
	if (runs_list(q->conn->local->o.core, door_client_subject(q->conn->client), &out) < 0)
		request_fail(q, LOCAL_CODE_FAILED, "the list of runs is too long");
	else
		request_answer_buf(q, &out);
}

void method_sandboxes_list(struct request *q, struct span params)
{
	_cleanup_buf_ struct buf out = BUF_INIT(LIST_MAX);

	(void)params;
	if (sandboxes_list(q->conn->local->o.core, &out) < 0)
		request_fail(q, LOCAL_CODE_FAILED, "the list of sandboxes is too long");
	else
		request_answer_buf(q, &out);
}

/* The run that params name; NULL: q was told that there is none. */
static struct run *look_up(struct request *q, struct span params)
{
	_cleanup_free_ char *id = params.p ? span_strdup(span_member(params, "run"), 64) : NULL;
	_cleanup_error_ struct error err = ERROR_INIT;
	struct run *run = NULL;

	if (!id)
		request_fail(q, JSONRPC_INVALID_PARAMS, "{run} is wanted");
	else if (run_look_up(q->conn->local->o.core, door_client_subject(q->conn->client), id, &run, &err) < 0)
		request_fail_error(q, LOCAL_CODE_FAILED, &err);
	return run;
}

/* ---- following ---- */

static void stop(struct follow *f)
{
	f->watch = run_unwatch(f->watch);
	f->pump = loop_timer_free(f->pump);
}

static void abandon_follow(struct request *q)
{
	struct follow *f = q->state;

	stop(f);
	if (!f->sending) {
		request_free(q);
		return;
	}
	DL_DELETE(q->conn->requests, q); /* on_pump() frees it */
	q->conn = NULL;
}

static void on_event(void *user, unsigned channel, const char *data, size_t len)
{
	if (channel >= 1 && channel <= 3) /* the file may be damaged */
		request_send_output(user, channel, data, len);
}

/* From here on core owes the request a callback. */
static void finish(struct follow *f, const struct run_result *result)
{
	struct request *q = f->q;

	stop(f);
	q->abandon = NULL;
	request_answer_run(q, result);
}

static void on_pump(void *user)
{
	struct follow *f = user;
	struct request *q = f->q;
	const struct run_result *result = run_finished(f->run);
	uint64_t before = f->offset;
	int r;

	if (!q->live) {
		if (result)
			finish(f, result);
		return;
	}
	if (io_queued(q->conn->io) > LOCAL_LIVE_MAX) {
		loop_timer_start(f->pump, FOLLOW_SLOW_MS);
		return;
	}
	f->sending = true;
	r = run_output_read(f->run, &f->offset, FOLLOW_STEP, on_event, q);
	f->sending = false;
	if (!q->conn)
		request_free(q);
	else if (r == 0 && f->offset != before)
		loop_timer_start(f->pump, 0);
	else if (result)
		finish(f, result);
}

static void kick(struct follow *f)
{
	if (!loop_timer_armed(f->pump))
		loop_timer_start(f->pump, 0);
}

static void on_output(void *user, unsigned channel, const uint8_t *data, size_t len)
{
	(void)channel, (void)data, (void)len;
	kick(user);
}

static void on_state(void *user, const char *what)
{
	struct follow *f = user;
	_cleanup_buf_ struct buf members = BUF_INIT(4096);

	if (buf_append_member(&members, "run", run_id(f->run)) == 0 && buf_append_member(&members, "what", what) == 0)
		request_notify(f->q, "run.state", span_of(buf_head(&members), members.len));
}

static void on_end(void *user, const struct run_result *result)
{
	(void)result;
	kick(user);
}

void method_run_follow(struct request *q, struct span params)
{
	static const struct run_events events = {.state = on_state, .output = on_output, .end = on_end};
	_cleanup_error_ struct error err = ERROR_INIT;
	struct run *run = look_up(q, params);
	struct follow *f;

	if (!run)
		return;
	q->live = span_bool(span_member(params, "live"), false);
	q->state = f = calloc(1, sizeof(*f));
	if (!f)
		return request_fail(q, LOCAL_CODE_FAILED, "no memory");
	f->q = q;
	f->run = run;
	f->watch = run_watch(run, &events, f); /* keeps the run, also one that has ended */
	if (!f->watch || loop_timer_new(q->conn->local->o.loop, on_pump, f, &f->pump, &err) < 0) {
		stop(f);
		return request_fail(q, LOCAL_CODE_FAILED, "no memory");
	}
	q->abandon = abandon_follow;
	kick(f);
}

/* ---- killing ---- */

static void answer_killed(struct request *q, const struct run *run, const struct run_result *result, bool was_over)
{
	_cleanup_buf_ struct buf out = BUF_INIT(4096);

	if (buf_printf(&out, "{\"run\":\"%s\",\"status\":\"%s\",\"was_over\":%s}", run_id(run),
		       run_result_status(result), was_over ? "true" : "false") < 0)
		request_fail(q, LOCAL_CODE_FAILED, "no memory");
	else
		request_answer_buf(q, &out);
}

static void on_killed(void *user, const struct run_result *result)
{
	struct follow *f = user;
	struct run *run = f->run;
	struct request *q = f->q;

	stop(f);
	answer_killed(q, run, result, false);
}

void method_run_kill(struct request *q, struct span params)
{
	static const struct run_events events = {.end = on_killed};
	struct run *run = look_up(q, params);
	const struct run_result *result = run ? run_finished(run) : NULL;
	struct follow *f;

	if (result)
		return answer_killed(q, run, result, true);
	if (!run)
		return;
	q->state = f = calloc(1, sizeof(*f));
	if (!f)
		return request_fail(q, LOCAL_CODE_FAILED, "no memory");
	f->q = q;
	f->run = run;
	f->watch = run_watch(run, &events, f);
	if (!f->watch)
		return request_fail(q, LOCAL_CODE_FAILED, "no memory");
	q->abandon = abandon_follow;
	run_cancel(run, "cancelled by hawser kill");
}
