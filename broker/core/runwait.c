/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A run while calls of it wait for a person. When all its open calls do, the guest is asked to stop its processes as
 * soon as they are idle; from its word to the end of the wait the run's wall clock stands still. The CPU budget never
 * stops.
 *
 *   runs_wait_review() -> machine_run_hold() -> run_on_held(true): the backstop stops
 *                      -> machine_run_release(), or run_on_held(false): it goes on from where it stood
 */
#include "broker/core/runs.h"

#include "base/clock.h"

enum {
	HOLD_AFTER_MS = 20,
	HOLD_SLACK_MS = 1000 /* the guest's clock stands still a little longer than ours: the way of two frames */
};

/* ---- the clock ---- */

void run_arm_backstop(struct run *run, uint64_t ms)
{
	run->backstop_ms = clock_now_ms() + ms;
	loop_timer_start(run->backstop, ms);
}

uint64_t run_held_ms(const struct run *run)
{
	return run->held_ms + (run->held_since_ms ? clock_now_ms() - run->held_since_ms : 0);
}

static void stop_clock(struct run *run)
{
	run->held_since_ms = clock_now_ms();
	loop_timer_stop(run->backstop);
}

static void start_clock(struct run *run)
{
	uint64_t now = clock_now_ms(), held;

	if (!run->held_since_ms)
		return;
	held = now - run->held_since_ms;
	run->held_since_ms = 0;
	run->held_ms += held;
	run->backstop_ms += held + HOLD_SLACK_MS;
	if (run->state == RUN_RUNNING && !run->ending)
		loop_timer_start(run->backstop, run->backstop_ms > now ? run->backstop_ms - now : 0);
}

/* ---- the hold ---- */

void run_on_held(void *user, bool held)
{
	struct run *run = user;

	if (held && run->hold_asked && !run->cancel_reason) {
		stop_clock(run);
		return;
	}
	run->hold_refused = !held;
	run->hold_asked = false;
	start_clock(run);
}

static bool wants_hold(const struct run *run)
{
	return run->state == RUN_RUNNING && run->machine_run && run->calls_waiting > 0 &&
	       run->calls_waiting == run->calls_open && !run->hold_refused && !run->cancel_reason;
}

void run_on_hold_timer(void *user)
{
	struct run *run = user;

	if (!wants_hold(run) || run->hold_asked)
		return;
	run->hold_asked = true;
	machine_run_hold(run->machine_run);
}

void runs_wait_review(struct run *run)
{
	if (wants_hold(run)) {
		if (!run->hold_asked)
			loop_timer_start(run->hold_timer, HOLD_AFTER_MS);
		return;
	}
	loop_timer_stop(run->hold_timer);
	if (!run->hold_asked)
		return;
	run->hold_asked = false;
	if (run->machine_run)
		machine_run_release(run->machine_run);
	start_clock(run);
}

void runs_wait_begin(struct run *run)
{
	if (run->calls_waiting++ == 0)
		run_tell_state(run, "waiting for a person");
	runs_wait_review(run);
}

void runs_wait_end(struct run *run)
{
	if (--run->calls_waiting == 0) {
		run->hold_refused = false;
		if (run->state == RUN_RUNNING && !run->ending)
			run_tell_state(run, "running");
	}
	runs_wait_review(run);
}
