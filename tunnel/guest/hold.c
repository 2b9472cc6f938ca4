/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A run that waits for a person (PROTOCOL.md section 6, `hold`): once its processes have used no CPU for a while, all
 * of them are stopped, and with them the run's wall clock. CPU time is counted all along.
 *
 *   WATCHING --idle 200 ms--> STOPPING --all stand still--> HELD --RESET--> gone (all go on)
 *                                |                            |
 *                                +--- some will not ----------+----> gone (all go on; RESET to the broker)
 *
 * Stopped processes can be woken by what they prepared (a timer that sends SIGCONT): HELD looks again and again.
 */
#include "tunnel/guest/runs.h"

#include "base/clock.h"
#include "base/log.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	HOLD_IDLE_MS = 200,
	HOLD_WATCH_MS = 40, /* a look, while it may become idle */
	HOLD_STOP_MS = 10, /* a look, while signals take effect */
	HOLD_CHECK_MS = 100, /* a look, while it stands still */
	HOLD_TRIES = 20,
};

enum hold_state { HOLD_WATCHING, HOLD_STOPPING, HOLD_HELD };

struct hold {
	struct guest_stream stream; /* first */
	struct run *run;
	enum hold_state state;
	struct loop_timer *timer;
	uint64_t cpu_ms, idle_since_ms; /* CPU time that was seen last, and since when it is that */
	uint64_t held_since_ms;
	unsigned tries;
};

static void refuse(struct guest *g, uint32_t stream, const char *reason)
{
	char json[64];
	int n = snprintf(json, sizeof(json), "{\"reason\":\"%s\"}", reason);

	tunnel_reset(g->tunnel, stream, json, (size_t)n);
	guest_kick(g);
}

uint64_t hold_deadline_ms(const struct run *run)
{
	if (run->hold && run->hold->state == HOLD_HELD)
		return UINT64_MAX;
	return run->started_ms + run->limits.wall_ms + run->held_ms;
}

/* The clock goes on from where it stood. */
static void end_held(struct hold *hold)
{
	struct run *run = hold->run;
	uint64_t now = clock_now_ms(), deadline;

	run->held_ms += now - hold->held_since_ms;
	hold->state = HOLD_STOPPING;
	deadline = hold_deadline_ms(run);
	loop_timer_start(run->wall, deadline > now ? deadline - now : 0);
}

static void hold_free(struct hold *hold)
{
	struct run *run = hold->run;

	if (hold->state == HOLD_HELD)
		end_held(hold);
	run->hold = NULL;
	guest_stream_remove(run->guest, &hold->stream);
	loop_timer_free(hold->timer);
	free(hold);
}

/* Everything goes on. */
static void hold_end(struct hold *hold)
{
	struct run *run = hold->run;
	bool stopped = hold->state != HOLD_WATCHING;

	hold_free(hold);
	if (stopped)
		reap_signal(run->guest, run, SIGCONT);
}

void hold_reset(struct hold *hold)
{
	hold_end(hold);
}

void hold_drop(struct run *run)
{
	uint32_t stream = run->hold ? run->hold->stream.id : 0;

	if (!run->hold)
		return;
	hold_free(run->hold);
	refuse(run->guest, stream, "run_over");
}

static void give_up(struct hold *hold)
{
	struct guest *g = hold->run->guest;
	uint32_t stream = hold->stream.id;

	log_info("hold_failed", LOG_S("run", hold->run->id));
	hold_end(hold);
	refuse(g, stream, "not_stopped");
}

/* ---- looks ---- */

/* The next one follows in ms; with hundreds of processes it gets a tenth of the time at most. */
static void look(struct hold *hold, uint64_t ms, struct reap_tally *ret)
{
	uint64_t began = clock_now_ms();

	reap_look(hold->run->guest, hold->run, false, UINT64_MAX, ret);
	loop_timer_start(hold->timer, ms + 10 * (clock_now_ms() - began));
}

static void watch(struct hold *hold)
{
	uint64_t now = clock_now_ms(), cpu;
	struct reap_tally tally;

	look(hold, HOLD_WATCH_MS, &tally);
	cpu = tally.cpu_ms + hold->run->reaped_cpu_ms;
	if (cpu != hold->cpu_ms) {
		hold->cpu_ms = cpu;
		hold->idle_since_ms = now;
	}
	if (now - hold->idle_since_ms >= HOLD_IDLE_MS) {
		hold->state = HOLD_STOPPING;
		reap_signal(hold->run->guest, hold->run, SIGSTOP);
		loop_timer_start(hold->timer, HOLD_STOP_MS);
	}
}

static void confirm(struct hold *hold)
{
	static const char held[] = "{\"held\":true}";
	_cleanup_error_ struct error err = ERROR_INIT;
	struct guest *g = hold->run->guest;

	if (tunnel_head(g->tunnel, hold->stream.id, held, sizeof(held) - 1, NULL, 0, false, &err) < 0) {
		give_up(hold);
		return;
	}
	hold->state = HOLD_HELD;
	hold->held_since_ms = clock_now_ms();
	loop_timer_stop(hold->run->wall);
	guest_kick(g);
}

/* A look that found nobody has not seen the interpreter, which is there. */
static bool all_stand_still(const struct reap_tally *tally)
{
	return tally->alive > 0 && tally->moving == 0;
}

static void stop(struct hold *hold)
{
	struct reap_tally tally;

	look(hold, HOLD_STOP_MS, &tally);
	if (all_stand_still(&tally))
		confirm(hold);
	else if (++hold->tries > HOLD_TRIES)
		give_up(hold);
	else
		reap_signal(hold->run->guest, hold->run, SIGSTOP);
}

static void check(struct hold *hold)
{
	struct reap_tally tally;

	look(hold, HOLD_CHECK_MS, &tally);
	if (!all_stand_still(&tally))
		give_up(hold);
}

static void on_timer(void *user)
{
	static void (*const steps[])(struct hold *
				     hold) = {[HOLD_WATCHING] = watch, [HOLD_STOPPING] = stop, [HOLD_HELD] = check};
	struct hold *hold = user;

	steps[hold->state](hold);
}

/* ---- beginning ---- */

static struct run *find_run(struct guest *g, struct span id)
{
	for (struct run *run = g->runs; run; run = run->next)
		if (id.p && span_string_equals(id, run->id))
			return run;
	return NULL;
}

void hold_open(struct guest *g, uint32_t stream, struct span head)
{
	struct run *run = find_run(g, span_member(head, "run"));
	_cleanup_error_ struct error err = ERROR_INIT;
	struct hold *hold;

	if (!run || run->state != RUN_RUNNING || run->hold) {
		refuse(g, stream, "no_run");
		return;
	}
	hold = calloc(1, sizeof(*hold));
	if (!hold || loop_timer_new(g->loop, on_timer, hold, &hold->timer, &err) < 0) {
		free(hold);
		refuse(g, stream, "no_memory");
		return;
	}
	hold->stream = (struct guest_stream){.kind = STREAM_HOLD, .id = stream};
	hold->run = run;
	hold->idle_since_ms = clock_now_ms();
	run->hold = hold;
	guest_stream_add(g, &hold->stream);
	loop_timer_start(hold->timer, 0);
}
