/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs that want a sandbox wait in a queue; one that becomes warm goes to the first of them, and as many are under way
 * as are wanted:
 *
 *   waiting runs + limits.pool, at most limits.runs in use
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

static void give(struct pool *pool, struct sandbox *s, const struct error *err)
{
	struct ticket *ticket = pool->waiting;

	DL_DELETE(pool->waiting, ticket);
	pool->waiting_count--;
	if (s) {
		pool_pause_refill(pool, REFILL_PAUSE_MS);
		sandbox_set_state(s, SANDBOX_USED);
		host_renew(pool->core->host, s->id, CORE_LOST_MS);
	}
	ticket->done(ticket->user, s, err);
	free(ticket);
}

static void fail_first(struct pool *pool, const char *problem)
{
	_cleanup_error_ struct error err = ERROR_INIT;

	if (!pool->waiting)
		return;
	error_set(&err, -EIO, "no sandbox: %s", problem);
	give(pool, NULL, &err);
}

static struct sandbox *find_warm(struct pool *pool)
{
	struct sandbox *s;

	DL_FOREACH (pool->sandboxes, s) {
		if (s->state == SANDBOX_WARM)
			return s;
	}
	return NULL;
}

/* ---- what is to be done now ---- */

/* How many more should be under way now. */
static size_t wanted(const struct pool *pool)
{
	size_t used = pool_count(pool, SANDBOX_USED), warm = pool_count(pool, SANDBOX_WARM);
	size_t have = warm + pool_count_coming(pool);
	size_t ahead = pool->users > 0 && clock_now_ms() >= pool->refill_after_ms ? (size_t)pool->limits.pool : 0;
	size_t runs = pool->waiting_count, room = (size_t)pool->limits.runs;
	size_t most = runs + ahead;

	room = room > used ? room - used : 0;
	if (most > room)
		most = room; /* also what is made ahead counts against limits.runs: it will be used */
	return most > have ? most - have : 0;
}

static void on_kick(void *user)
{
	_cleanup_buf_ struct buf why = BUF_INIT(2048);
	struct pool *pool = user;
	struct sandbox *warm;
	size_t more;

	pool->kicked = false;
	if (pool->closing)
		return;
	while (pool->waiting && (warm = find_warm(pool)))
		give(pool, warm, NULL);
	more = wanted(pool);
	if (more > 0 && sandbox_make(pool, &why)) {
		if (more > 1)
			pool_kick(pool); /* one a turn: each may fork, and calls go on between them */
		return;
	}
	while (more > 0 && pool->waiting && pool_count_coming(pool) == 0)
		fail_first(pool, why.len && buf_append(&why, "", 1) == 0 ? (char *)buf_head(&why)
									 : "no provider is configured");
}

void pool_kick(struct pool *pool)
{
	if (pool->kicked || pool->closing)
		return;
	pool->kicked = true;
	loop_defer(pool->core->loop, on_kick, pool);
}

/* ---- what runs ask ---- */

struct ticket *sandboxes_acquire(struct pool *pool, enum run_language language, sandbox_done_fn *done, void *user)
{
	struct ticket *ticket = calloc(1, sizeof(*ticket));

	if (!ticket)
		abort();
	ticket->pool = pool;
	if (language != RUN_BASH) /* bash starts in no time; TypeScript runs in JavaScript's interpreter */
		pool->park = language == RUN_TYPESCRIPT ? RUN_JAVASCRIPT : language;
	ticket->done = done;
	ticket->user = user;
	DL_APPEND(pool->waiting, ticket);
	pool->waiting_count++;
	pool_kick(pool);
	return ticket;
}

void sandboxes_forget(struct ticket *ticket)
{
	DL_DELETE(ticket->pool->waiting, ticket);
	ticket->pool->waiting_count--;
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
