/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a run. Everything that happens to it (frames, limits, exits) becomes a call of run_set_state() or
 * run_stop() here; it ends in run_check() only, which runs on a turn of its own, so that no part is freed in its own
 * callback.
 */
#include "tunnel/guest/runs.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

enum {
	RUN_TICK_MS = 100, /* how often the CPU budget is looked at */
	RUN_END_TICK_MS = 5, /* how often the end is looked for */
	RUN_END_LIMIT_MS = 300, /* after the kill: pipes that somebody still holds open are closed */
	RUN_CODE_MAX = 16 * 1024 * 1024,
};

static void run_check(void *user);
static void run_on_tick(void *user);

static const char *const state_names[] = {"loading", "running", "stopping", "draining", "over"};

static void run_set_state(struct run *run, enum run_state state)
{
	static const unsigned allowed[] = {
		[RUN_LOADING] = 1 << RUN_RUNNING | 1 << RUN_STOPPING | 1 << RUN_DRAINING,
		[RUN_RUNNING] = 1 << RUN_STOPPING | 1 << RUN_DRAINING,
		[RUN_STOPPING] = 1 << RUN_DRAINING,
		[RUN_DRAINING] = 1 << RUN_OVER,
		[RUN_OVER] = 0,
	};

	if (!(allowed[run->state] & 1u << state))
		abort();
	log_debug("run_state", LOG_S("run", run->id), LOG_S("from", state_names[run->state]),
		  LOG_S("to", state_names[state]));
	run->state = state;
	switch (state) {
	case RUN_LOADING:
		break;
	case RUN_RUNNING:
		run->started_ms = clock_now_ms();
		loop_timer_start(run->wall, run->limits.wall_ms);
		loop_timer_start(run->tick, RUN_TICK_MS);
		break;
	case RUN_STOPPING:
	case RUN_DRAINING:
		hold_drop(run);
		loop_timer_stop(run->wall);
		loop_timer_start(run->tick, RUN_END_TICK_MS);
		if (run->stop_ms == 0)
			run->stop_ms = clock_now_ms() + RUN_END_LIMIT_MS;
		if (run->ended_ms == 0)
			run->ended_ms = clock_now_ms();
		break;
	case RUN_OVER:
		loop_timer_stop(run->tick);
		break;
	}
}

/* ---- ending ---- */

static void run_look(struct run *run, bool kill_them, struct reap_tally *ret)
{
	/* While it runs, what was not seen before its deadline does not matter any more. */
	uint64_t until_ms = run->state == RUN_RUNNING ? hold_deadline_ms(run) : UINT64_MAX;
	uint64_t cpu;

	reap_look(run->guest, run, kill_them, until_ms, ret);
	cpu = run->reaped_cpu_ms + ret->cpu_ms;
	if (cpu > run->peak_cpu_ms)
		run->peak_cpu_ms = cpu;
	if (ret->rss > run->peak_rss)
		run->peak_rss = ret->rss;
	/* Without an interpreter and with nobody below us there is none left who could fork. */
	run->clear = run->state == RUN_DRAINING && ret->alive == 0;
}

void run_part_over(struct run *run)
{
	if (run->checking)
		return;
	run->checking = true;
	loop_defer(run->guest->loop, run_check, run);
}

static void run_error(struct run *run, const char *kind, const char *message)
{
	_cleanup_buf_ struct buf b = BUF_INIT(FRAME_HEAD_MAX / 2);
	size_t len = strnlen(message, RUN_MESSAGE_MAX);

	if (buf_printf(&b, "{\"kind\":\"%s\",\"message\":", kind) < 0 || buf_append_json(&b, message, len) < 0 ||
	    buf_append_str(&b, "}") < 0)
		return;
	free(run->error_json);
	run->error_json = buf_steal(&b, NULL);
}

void run_stop(struct run *run, enum run_verdict verdict, const char *reason, const char *kind, const char *message)
{
	struct reap_tally tally;

	if (run->state >= RUN_STOPPING)
		return;
	run->verdict = verdict;
	run->reason = reason;
	if (message)
		run_error(run, kind, message);
	run_set_state(run, RUN_STOPPING);
	run_look(run, true, &tally);
	if (!run->child || run->child->pid == 0)
		run_set_state(run, RUN_DRAINING);
	run_part_over(run);
}

void run_add_usage(struct run *run, const struct rusage *u)
{
	run->reaped_cpu_ms += (uint64_t)(u->ru_utime.tv_sec + u->ru_stime.tv_sec) * 1000 +
			      (uint64_t)(u->ru_utime.tv_usec + u->ru_stime.tv_usec) / 1000;
	if ((uint64_t)u->ru_maxrss * 1024 > run->max_rss)
		run->max_rss = (uint64_t)u->ru_maxrss * 1024;
}

void run_child_exited(struct run *run, int status, const struct rusage *usage)
{
	struct reap_tally tally;

	run_add_usage(run, usage);
	if (!run->exited)
		run->exit_status = status;
	run->exited = true;
	if (run->state != RUN_DRAINING)
		run_set_state(run, RUN_DRAINING);
	run_look(run, true, &tally);
	run_part_over(run);
}

static bool run_drained(const struct run *run)
{
	for (size_t i = 0; i < ARRAY_SIZE(run->outputs); i++)
		if (!output_over(run->outputs[i]))
			return false;
	return shim_main_over(run);
}

static struct run *run_free(struct run *run)
{
	struct guest *g = run->guest;

	for (struct run **at = &g->runs; *at; at = &(*at)->next)
		if (*at == run) {
			*at = run->next;
			g->run_count--;
			break;
		}
	shim_close_all(run);
	for (size_t i = 0; i < ARRAY_SIZE(run->outputs); i++)
		output_free(run->outputs[i]);
	loop_fd_free(run->lobby);
	cleanup_closep(&run->lobby_fd);
	loop_timer_free(run->wall);
	loop_timer_free(run->tick);
	child_free(run->child);
	buf_done(&run->code);
	buf_done(&run->data);
	free(run->error_json);
	free(run->file);
	free(run->id);
	free(run);
	return NULL;
}

/* The last words; from here on the run is nobody's but ours. */
static void run_tell(struct run *run)
{
	_cleanup_buf_ struct buf tail = BUF_INIT(FRAME_HEAD_MAX);
	struct guest *g = run->guest;

	if (run_tail_json(run, &tail) < 0) { /* the shim's error was too long for a tail */
		buf_clear(&tail);
		run_error(run, "internal", "the error of the program is over 16 KiB");
		(void)!run_tail_json(run, &tail);
	}
	shim_close_all(run); /* its calls are cancelled before it ends */
	if (tunnel_tail(g->tunnel, run->stream.id, (const char *)buf_head(&tail), tail.len) < 0)
		log_warn("tail_failed", LOG_S("run", run->id));
	guest_stream_remove(g, &run->stream);
	run->lost = true;
	guest_kick(g);
}

static void run_finish(struct run *run)
{
	struct guest *g = run->guest;

	run_set_state(run, RUN_OVER);
	if (!run->lost)
		run_tell(run);
	run_free(run);
	guest_kick(g);
	park_fill_later(g);
}

/*
 * The shim has said its end and has nothing left to do: what it wrote is in the pipes by now, so the last words need
 * not wait for the interpreter to be taken apart (3 to 6 ms). Its status is 0 or 1 by the shim's contract. One that is
 * being taken apart already is waited for: only its exit tells what it has used.
 */
static void run_end_quickly(struct run *run)
{
	struct reap_tally tally;

	if (!reap_usage(run->child->pid, &run->peak_cpu_ms, &run->max_rss))
		return;
	run->exited = true;
	run->exit_status = (run->error_json ? 1 : 0) << 8;
	run_set_state(run, RUN_STOPPING);
	run_look(run, true, &tally);
	for (size_t i = 0; i < ARRAY_SIZE(run->outputs); i++)
		output_last(run->outputs[i]);
	shim_main_last(run);
	if (run_drained(run))
		run_tell(run);
}

/* On a turn of its own: the only place where a run ends. */
static void run_check(void *user)
{
	struct run *run = user;
	struct reap_tally tally;
	bool late;

	run->checking = false;
	if (run->state == RUN_RUNNING && run->shim_said_end && !run->shim_goes_on && run->child->pid > 0)
		run_end_quickly(run);
	if (run->state != RUN_DRAINING)
		return;
	late = clock_now_ms() >= run->stop_ms;
	if (!run->clear)
		run_look(run, true, &tally);
	if (late) {
		for (size_t i = 0; i < ARRAY_SIZE(run->outputs); i++)
			output_last(run->outputs[i]);
		shim_main_last(run);
	}
	if (run_drained(run) && (run->clear || late))
		run_finish(run);
}

/* ---- limits ---- */

static void run_on_wall(void *user)
{
	struct run *run = user;

	run_stop(run, RUN_TIMEOUT, "wall", NULL, NULL);
	guest_kick(run->guest);
}

static void run_on_tick(void *user)
{
	struct run *run = user;
	struct reap_tally tally;
	uint64_t began = clock_now_ms(), took;

	run_writable(run); /* whoever waits for more room than there is looks again */
	if (run->state == RUN_RUNNING) {
		run_look(run, false, &tally);
		if (run->reaped_cpu_ms + tally.cpu_ms > run->limits.cpu_ms)
			run_stop(run, RUN_TIMEOUT, "cpu", NULL, NULL);
	} else if (run->state == RUN_STOPPING) {
		run_look(run, true, &tally);
	} else {
		run_part_over(run);
	}
	/* With thousands of processes a look takes long; it gets a tenth of the time at most. */
	took = clock_now_ms() - began;
	loop_timer_start(run->tick, (run->state == RUN_RUNNING ? RUN_TICK_MS : RUN_END_TICK_MS) + 10 * took);
	guest_kick(run->guest);
}

/* ---- beginning ---- */

int run_new(struct guest *g, uint32_t stream, struct span head, struct run **ret, struct error *err)
{
	struct run *run;
	int r;

	if (g->run_count >= GUEST_RUNS_MAX)
		return error_set(err, -EBUSY, "%d runs are open in this sandbox", GUEST_RUNS_MAX);
	run = calloc(1, sizeof(*run));
	if (!run)
		return error_set(err, -ENOMEM, "no memory for a run");
	run->stream = (struct guest_stream){.kind = STREAM_RUN, .id = stream};
	run->guest = g;
	run->lobby_fd = -1;
	run->code = (struct buf)BUF_INIT(RUN_CODE_MAX);
	run->data = (struct buf)BUF_INIT(RUN_CODE_MAX);
	r = run_read_head(run, head, err);
	if (r == 0)
		r = loop_timer_new(g->loop, run_on_wall, run, &run->wall, err);
	if (r == 0)
		r = loop_timer_new(g->loop, run_on_tick, run, &run->tick, err);
	if (r < 0) {
		run_free(run);
		return r;
	}
	run->next = g->runs;
	g->runs = run;
	g->run_count++;
	*ret = run;
	return 0;
}

void run_started(struct run *run)
{
	run_set_state(run, RUN_RUNNING);
}

/* ---- what broker and shim say of it ---- */

void run_reset(struct run *run, struct span json)
{
	static const char *const reasons[] = {"deadline", "budget", NULL};
	const char *reason = "cancelled";
	_cleanup_error_ struct error err = ERROR_INIT;
	struct span object;

	if (span_check(json, false, &object, &err) == 0)
		for (size_t i = 0; reasons[i]; i++)
			if (span_string_equals(span_member(object, "reason"), reasons[i]))
				reason = reasons[i];
	run_stop(run, RUN_CANCELLED, reason, NULL, NULL);
}

void run_writable(struct run *run)
{
	/* Records first: they need a whole frame's room, which a stream of bytes would never leave them. */
	for (size_t i = ARRAY_SIZE(run->outputs); i-- > 0;)
		output_writable(run->outputs[i]);
	shim_run_writable(run);
}

void run_lost(struct run *run)
{
	guest_stream_remove(run->guest, &run->stream);
	run->lost = true;
	run_stop(run, RUN_CANCELLED, "lost", NULL, NULL);
}

void run_shim_tail(struct run *run, struct span json)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct span object, error;

	if (run->shim_said_end)
		return;
	if (span_check(json, false, &object, &err) < 0) {
		run_stop(run, RUN_FAILED, "shim", "internal", "the end of the run is not JSON");
		return;
	}
	run->shim_said_end = true;
	error = span_member(object, "error");
	if (span_type(error) == SPAN_OBJECT) {
		free(run->error_json);
		run->error_json = strndup(error.p, error.len);
	}
	run->shim_goes_on = span_bool(span_member(object, "wait"), false);
	run_part_over(run);
}
