/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs that want a sandbox wait in a queue; one that becomes warm goes to the first of them, and as many are under way
 * as are wanted:
 *
 *   waiting runs + limits.pool, at most limits.runs in use
 *
 * A sandbox shows one environment, or none, for its life: only runs that ask for just that get it.
 */
#include "broker/core/pool.h"

#include "base/clock.h"

#include <errno.h>

/* A run that has just got its sandbox has the machine to itself this long before the next one is made ahead: making one
 * costs more CPU time than a short run. */
enum { REFILL_PAUSE_MS = 100 };

struct ticket {
	struct ticket *prev, *next;
	struct pool *pool;
	enum run_language language; /* whose interpreter it would like to find parked */
	int environment;
	sandbox_done_fn *done;
	void *user;
};

size_t pool_count(const struct pool *pool, enum sandbox_state state)
{
	return pool->count[state];
}

size_t pool_count_coming(const struct pool *pool)
{
	return pool_count(pool, SANDBOX_CREATING) + pool_count(pool, SANDBOX_CONNECTING);
}

/* ---- handing out ---- */

void pool_on_refill(void *user)
{
	pool_kick(user);
}

void pool_pause_refill(struct pool *pool, uint64_t ms)
{
	uint64_t until = clock_now_ms() + ms;

	if (until <= pool->refill_after_ms)
		return;
	pool->refill_after_ms = until;
	loop_timer_start(pool->refill, ms + 1);
}

static void leave_queue(struct ticket *ticket)
{
	struct pool *pool = ticket->pool;

	DL_DELETE(pool->waiting, ticket);
	pool->waiting_count--;
	pool->shown[ticket->environment + 1].waiting--;
}

static void give(struct ticket *ticket, struct sandbox *s, const struct error *err)
{
	struct pool *pool = ticket->pool;

	leave_queue(ticket);
	if (s) {
		pool_pause_refill(pool, REFILL_PAUSE_MS);
		sandbox_set_state(s, SANDBOX_USED);
		host_renew(pool->core->host, s->id, CORE_LOST_MS);
	}
	ticket->done(ticket->user, s, err);
	free(ticket);
}

void pool_fail_waiting(struct pool *pool, int environment, const char *problem)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct ticket *ticket;

	error_set(&err, -EIO, "no sandbox: %s", problem);
	while (pool->shown[environment + 1].waiting > 0) {
		DL_SEARCH_SCALAR(pool->waiting, ticket, environment, environment);
		give(ticket, NULL, &err);
	}
}

void pool_environment_failed(struct pool *pool, int environment, const char *problem)
{
	if (pool->park_environment == environment)
		pool->park_environment = -1;
	pool_fail_waiting(pool, environment, problem);
}

void pool_language_failed(struct pool *pool, enum run_language language, const char *problem)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct ticket *ticket;

	error_set(&err, -EIO, "no sandbox: %s", problem);
	do { /* from the front each time: who is told may do anything to the queue */
		DL_FOREACH (pool->waiting, ticket)
			if (ticket->language == language && ticket->environment < 0)
				break;
		if (ticket)
			give(ticket, NULL, &err);
	} while (ticket);
}

/* One with the language's interpreter parked, if there is one. */
static struct sandbox *find_warm(struct pool *pool, enum run_language language, int environment)
{
	struct sandbox *s, *found = NULL;

	if (pool->shown[environment + 1].count[SANDBOX_WARM] == 0)
		return NULL;
	DL_FOREACH (pool->sandboxes, s) {
		if (s->state != SANDBOX_WARM || s->environment != environment)
			continue;
		if (s->park == language)
			return s;
		found = found ? found : s;
	}
	return found;
}

/* false: there is nobody for whom there is one. Who gets one may do anything to the queue. */
static bool hand_out_one(struct pool *pool)
{
	struct ticket *ticket;
	struct sandbox *warm;

	if (pool_count(pool, SANDBOX_WARM) == 0)
		return false;
	DL_FOREACH (pool->waiting, ticket) {
		warm = find_warm(pool, ticket->language, ticket->environment);
		if (!warm)
			continue;
		give(ticket, warm, NULL);
		return true;
	}
	return false;
}

/* ---- what is to be done now ---- */

static size_t coming(const struct pool *pool, int environment)
{
	const size_t *count = pool->shown[environment + 1].count;

	return count[SANDBOX_CREATING] + count[SANDBOX_CONNECTING];
}

/* A place under limits.runs, which counts what is made ahead too: it will be used. If all are taken, a warm sandbox
 * that shows something else makes room. */
static bool make_room(struct pool *pool, int environment)
{
	size_t taken = pool_count(pool, SANDBOX_USED) + pool_count(pool, SANDBOX_WARM) + pool_count_coming(pool);
	struct sandbox *s;

	if (taken < (size_t)pool->limits.runs)
		return true;
	if (pool->shown[environment + 1].count[SANDBOX_WARM] == pool_count(pool, SANDBOX_WARM))
		return false;
	DL_FOREACH (pool->sandboxes, s) {
		if (s->state == SANDBOX_WARM && s->environment != environment) {
			sandbox_end(s);
			return true;
		}
	}
	return false;
}

/* false: no more can be made now. */
static bool make_one(struct pool *pool, int environment)
{
	_cleanup_buf_ struct buf why = BUF_INIT(2048);

	if (!make_room(pool, environment))
		return false;
	if (sandbox_make(pool, environment, &why))
		return true;
	if (coming(pool, environment) == 0)
		pool_fail_waiting(pool, environment,
				  why.len && buf_append(&why, "", 1) == 0 ? (char *)buf_head(&why)
									  : "no provider is configured");
	return false;
}

static bool make_wanted(struct pool *pool)
{
	for (int e = -1; e < (int)pool->environment_count; e++)
		if (pool->shown[e + 1].waiting > coming(pool, e) && make_one(pool, e))
			return true;
	return false;
}

/* limits.pool of them, whatever they show; what the last run asked for is always among them. */
static bool make_ahead(struct pool *pool)
{
	size_t ahead = pool->users > 0 && clock_now_ms() >= pool->refill_after_ms ? (size_t)pool->limits.pool : 0;
	size_t have = pool_count(pool, SANDBOX_WARM) + pool_count_coming(pool);
	int wanted = pool->park_environment;
	bool enough = have >= pool->waiting_count + ahead;
	struct sandbox *s = NULL;

	if (ahead == 0 || (enough && pool->shown[wanted + 1].count[SANDBOX_WARM] + coming(pool, wanted) >
					     pool->shown[wanted + 1].waiting))
		return false;
	if (enough) { /* all of them show something else: one is given up */
		DL_SEARCH_SCALAR(pool->sandboxes, s, state, SANDBOX_WARM);
		if (!s)
			return false;
		sandbox_end(s);
	}
	return make_one(pool, wanted);
}

static void on_kick(void *user)
{
	struct pool *pool = user;

	pool->kicked = false;
	if (pool->closing)
		return;
	while (hand_out_one(pool))
		;
	if (make_wanted(pool) || make_ahead(pool))
		pool_kick(pool); /* one a turn: each may fork, and calls go on between them */
}

void pool_kick(struct pool *pool)
{
	if (pool->kicked || pool->closing)
		return;
	pool->kicked = true;
	loop_defer(pool->core->loop, on_kick, pool);
}

/* ---- what runs ask ---- */

struct ticket *sandboxes_acquire(struct pool *pool, enum run_language language, int environment, sandbox_done_fn *done,
				 void *user)
{
	struct ticket *ticket = calloc(1, sizeof(*ticket));

	if (!ticket)
		abort();
	ticket->pool = pool;
	ticket->language = language == RUN_TYPESCRIPT ? RUN_JAVASCRIPT : language; /* the same interpreter */
	ticket->environment = environment;
	pool->park_environment = environment;
	if (language != RUN_BASH) /* bash starts in no time */
		pool->park = ticket->language;
	ticket->done = done;
	ticket->user = user;
	DL_APPEND(pool->waiting, ticket);
	pool->waiting_count++;
	pool->shown[environment + 1].waiting++;
	pool_kick(pool);
	return ticket;
}

void sandboxes_forget(struct ticket *ticket)
{
	leave_queue(ticket);
	free(ticket);
}

bool sandboxes_full(const struct pool *pool)
{
	return pool->waiting_count >= CORE_WAITING_MAX;
}

void sandboxes_release(struct sandbox *s)
{
	struct pool *pool = s->pool;

	if (pool->refill_after_ms <= clock_now_ms() + REFILL_PAUSE_MS)
		pool->refill_after_ms = 0; /* the run is over, the machine is free */
	sandbox_end(s);
	pool_kick(pool);
}
