/* SPDX-License-Identifier: Apache-2.0 */
/* The runs of a broker: found by id, looked at by doors, kept until their files are pruned. */
#include "broker/core/runs.h"

#include "base/clock.h"

#include <assert.h>
#include <string.h>

const char *run_id(const struct run *run)
{
	return run->id;
}

struct run *run_find(struct client *c, const char *id)
{
	struct run *run;

	HASH_FIND_STR(c->core->runs, id, run);
	return run && !run->pruned && strcmp(run->subject, c->subject) == 0 ? run : NULL;
}

const struct run_result *run_finished(const struct run *run)
{
	return run->state == RUN_ENDED ? &run->result : NULL;
}

void run_follow(struct run *run, const struct run_events *events, void *user)
{
	run->events = events ? *events : (struct run_events){0};
	run->user = user;
}

/* ---- who hears it ---- */

struct run_watch {
	struct run_watch *prev, *next;
	struct run *run;
	bool gone; /* nobody holds it any more; it is freed when all have been told */
	struct run_events events;
	void *user;
};

struct run_watch *run_watch(struct run *run, const struct run_events *events, void *user)
{
	struct run_watch *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->run = run;
	w->events = *events;
	w->user = user;
	DL_APPEND(run->watches, w);
	return w;
}

struct run_watch *run_unwatch(struct run_watch *w)
{
	if (!w)
		return NULL;
	if (w->run->telling > 0) { /* what tells stands on the list */
		w->events = (struct run_events){0};
		w->gone = true;
		return NULL;
	}
	DL_DELETE(w->run->watches, w);
	free(w);
	return NULL;
}

/* Callbacks may end this watch and others of the run. */
static void told(struct run *run)
{
	struct run_watch *w, *next;

	if (--run->telling > 0)
		return;
	DL_FOREACH_SAFE (run->watches, w, next) {
		if (!w->gone)
			continue;
		DL_DELETE(run->watches, w);
		free(w);
	}
}

bool run_is_heard(const struct run *run)
{
	return run->events.output || run->watches;
}

void run_tell_state(struct run *run, const char *what)
{
	struct run_watch *w;

	run->telling++;
	if (run->events.state)
		run->events.state(run->user, what);
	DL_FOREACH (run->watches, w) {
		if (w->events.state)
			w->events.state(w->user, what);
	}
	told(run);
}

void run_tell_output(struct run *run, unsigned channel, const uint8_t *data, size_t len)
{
	struct run_watch *w;

	run->telling++;
	if (run->events.output)
		run->events.output(run->user, channel, data, len);
	DL_FOREACH (run->watches, w) {
		if (w->events.output)
			w->events.output(w->user, channel, data, len);
	}
	told(run);
}

void run_tell_end(struct run *run)
{
	struct run_watch *w;

	run->telling++;
	if (run->events.end)
		run->events.end(run->user, &run->result);
	DL_FOREACH (run->watches, w) {
		if (w->events.end)
			w->events.end(w->user, &run->result);
	}
	told(run);
}

int runs_budget(const struct run *run, struct buf *out)
{
	const struct config_limits *l = &run->view->config->limits;

	return buf_printf(out,
			  "{\"calls\":{\"used\":%llu,\"limit\":%lld},\"wall_ms\":{\"used\":%llu,\"limit\":%llu},"
			  "\"cpu_ms\":{\"limit\":%lld},\"memory\":{\"limit\":%lld},\"output\":{\"limit\":%lld}}",
			  (unsigned long long)run->calls, (long long)l->calls,
			  (unsigned long long)(clock_now_ms() - run->started_ms - run_held_ms(run)),
			  (unsigned long long)run->wall_ms, (long long)l->cpu_ms, (long long)l->memory,
			  (long long)l->output);
}

/* ---- reading ---- */

struct reading {
	struct run *run;
	void (*make)(void *user);
	void (*done)(void *user);
	void *user;
};

static void on_reading(void *user)
{
	struct reading *reading = user;

	reading->make(reading->user);
}

static void on_read(void *user)
{
	struct reading *reading = user;
	struct run *run = reading->run;

	run->readers--;
	run->core->readings--;
	reading->done(reading->user);
	if (run->view) /* else it ended under an earlier broker: the next end of a run prunes */
		runs_prune(run->core, run->view->config->limits.runs_kept);
	free(reading);
}

void run_result_read(const struct run_result *r, void (*make)(void *user), void (*done)(void *user), void *user)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct run *run = r->run;
	_cleanup_free_ struct reading *reading = NULL;

	if (run->files.events_size + run->files.result_size >= CORE_LARGE)
		reading = malloc(sizeof(*reading));
	if (reading) {
		*reading = (struct reading){run, make, done, user};
		if (loop_work_start(run->core->loop, on_reading, on_read, reading, &err) == 0) {
			run->readers++;
			run->core->readings++;
			reading = NULL;
			return;
		}
	}
	make(user);
	done(user);
}

/* ---- memory ---- */

void run_free(struct run *run)
{
	struct tool_count *count, *next;

	assert(!run->ticket && !run->links && run->readers == 0);
	while (run->watches)
		run_unwatch(run->watches);
	HASH_DEL(run->core->runs, run);
	HASH_ITER (hh, run->counts, count, next) {
		HASH_DEL(run->counts, count);
		free(count->key);
		free(count->server);
		free(count->tool);
		free(count);
	}
	for (size_t i = 0; i < ARRAY_SIZE(run->redact); i++)
		redact_stream_free(run->redact[i]);
	json_decref(run->result.tail);
	free(run->result.error);
	runfiles_done(&run->files);
	loop_timer_free(run->backstop);
	run_drop_data(run);
	loop_timer_free(run->hold_timer);
	json_table_done(run_request_table, run_request_count, &run->request);
	free(run->cancel_reason);
	free(run->file_problem);
	free(run->problem);
	free(run->subject);
	free(run->folder);
	free(run->provider);
	free(run->isolation);
	free(run->why);
	if (run->rests)
		view_unref_resting(run->view);
	else
		view_unref(run->view);
	free(run);
}

static void free_later(void *user)
{
	struct run *run = user;

	run->core->runs_pruned--;
	run_free(run);
}

void runs_prune(struct core *core, int64_t most)
{
	size_t finished = HASH_COUNT(core->runs) - core->runs_open - core->runs_pruned;
	struct run *run, *next;

	if (core->stopping)
		return; /* all of them go in a moment */
	HASH_ITER (hh, core->runs, run, next) {
		if (finished <= (size_t)most)
			break;
		if (run->state != RUN_ENDED || run->pruned || run->readers > 0 || run->watches)
			continue;
		finished--;
		core->runs_pruned++;
		run->pruned = true;
		if (!run->unrecorded)
			store_run_forget(core->store, run->id);
		runfiles_remove(&run->files);
		loop_defer(core->loop, free_later, run);
	}
}

void runs_close_all(struct core *core, const char *reason)
{
	struct run *run, *next;

	HASH_ITER (hh, core->runs, run, next) {
		run_cancel(run, reason);
	}
}

void runs_let_go_all(struct core *core)
{
	struct run *run, *next;

	HASH_ITER (hh, core->runs, run, next) {
		run->machine_run = NULL;
		run->end_frame = 0;
		if (run->sandbox)
			sandboxes_release(TAKE_PTR(run->sandbox));
	}
}

void runs_free_all(struct core *core)
{
	struct run *run, *next;

	HASH_ITER (hh, core->runs, run, next) {
		if (run->ticket)
			sandboxes_forget(TAKE_PTR(run->ticket));
		if (!run->ending) {
			run_follow(run, NULL, NULL);
			run_end(run, "cancelled", "the broker stopped");
		}
	}
	store_settle(core->store); /* their ends are written, and told */
	HASH_ITER (hh, core->runs, run, next) {
		if (!run->pruned)
			run_free(run);
	}
}
