/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_CORE_POOL_H
#define HAWSER_BROKER_CORE_POOL_H

#include "broker/core/internal.h"

/* The inside of a pool, for pools.c, sandboxes.c and waiting.c. */

enum { REFILL_REST_MS = 1000 }; /* nothing is made ahead for this long after a failure */

enum sandbox_state { SANDBOX_CREATING, SANDBOX_CONNECTING, SANDBOX_WARM, SANDBOX_USED, SANDBOX_ENDING, SANDBOX_STATES };

extern const char *const sandbox_state_names[]; /* by state */

struct pool_provider {
	struct host_provider *provider; /* NULL: it could not be opened */
	char *problem; /* why, or how it failed last */
	uint64_t rest_until_ms;
};

struct sandbox {
	struct sandbox *prev, *next;
	struct pool *pool;
	enum sandbox_state state;
	struct pool_provider *provider;
	bool recording; /* while CREATING: its row is not committed yet, so nobody was asked */
	struct host_op *op; /* while CREATING, from then on */
	char tag[2 * ID_TEXT_MAX]; /* our name for it */
	char run[ID_TEXT_MAX]; /* whose it is, while USED */
	uint64_t made_ms; /* since 1970 */
	char *id; /* the provider's name for it */
	struct machine *machine;
	char *why;
	enum run_language park; /* what it has parked */
	int environment; /* index into the pool's, -1: none. Fixed: it is part of the wall */
};

struct pool {
	UT_hash_handle hh;
	char *key;
	struct core *core;
	unsigned users; /* views */
	uint64_t unused_ms;
	struct config_limits limits;
	struct pool_provider *providers;
	size_t provider_count;
	struct hawser_environment environments[CONFIG_ENVIRONMENTS_MAX]; /* owned copies */
	size_t environment_count;
	struct sandbox *sandboxes;
	size_t count[SANDBOX_STATES]; /* of them, by state */
	struct {
		size_t count[SANDBOX_STATES], waiting;
	} shown[1 + CONFIG_ENVIRONMENTS_MAX]; /* the same for those without an environment, and for each */
	struct ticket *waiting;
	size_t waiting_count;
	enum run_language park; /* of the last run: the interpreter that a sandbox made ahead starts, */
	int park_environment; /* and what it sees */
	uint64_t refill_after_ms; /* no sandbox is made ahead before this */
	struct loop_timer *refill;
	bool kicked, closing;
};

/* ---- pools.c ---- */
/* The first provider that is not resting and can do the environment (-1: none); *why says what was passed over. NULL:
 * none. */
struct pool_provider *pool_choose(struct pool *pool, int environment, struct buf *why);
/* Is there another that is not resting? */
bool pool_has_other(const struct pool *pool, const struct pool_provider *p);
/* It failed: others are asked for a while. */
void pool_rest(struct pool_provider *p, const char *problem);

/* ---- sandboxes.c ---- */
/* The only writer of state; a step that is not in its table is a bug. */
void sandbox_set_state(struct sandbox *s, enum sandbox_state state);
/* One more sandbox is under way. False: no provider can, why says it. */
bool sandbox_make(struct pool *pool, int environment, struct buf *why);
/* Its provider takes it down, and s is freed then, on a later turn; one that is being created is waited for first. */
void sandbox_end(struct sandbox *s);
void sandbox_free(struct sandbox *s);

/* ---- waiting.c ---- */
size_t pool_count(const struct pool *pool, enum sandbox_state state);
/* All that wait for this environment (-1: none) are told that there is no sandbox. */
void pool_fail_waiting(struct pool *pool, int environment, const char *problem);
/* Under way: neither warm nor lost yet. */
size_t pool_count_coming(const struct pool *pool);
/* A sandbox with this environment (not -1) could not be made: runs that want it are told why, the others go on. */
void pool_environment_failed(struct pool *pool, int environment, const char *problem);
/* None could be made because this language has no interpreter: the same for runs in it. */
void pool_language_failed(struct pool *pool, enum run_language language, const char *problem);
/* Something changed: on the next turn sandboxes are handed out and made, all decided in one place. */
void pool_kick(struct pool *pool);
/* Nothing is made ahead for ms at least; the timer of the pool kicks it then. */
void pool_pause_refill(struct pool *pool, uint64_t ms);
void pool_on_refill(void *pool);

#endif
