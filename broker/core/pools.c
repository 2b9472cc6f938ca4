/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pools by key: one for each set of providers and limits, shared by the views that agree on them. Providers are tried
 * in the configured order; one that failed is passed over for 30 s, and none below the isolation floor is used. A run
 * that falls back says so (why).
 */
#include "broker/core/pool.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <string.h>

enum { PROVIDER_REST_MS = 30000 }; /* a provider that failed is passed over */

/* ---- providers ---- */

static void open_provider(struct pool *pool, const struct config *config, size_t i)
{
	struct pool_provider *p = &pool->providers[i];
	struct host_provider_options o = {
		.name = config->providers[i].name,
		.settings = config->providers[i].settings,
		.where = config->path,
		.javascript = config->runtimes[0],
		.python = config->runtimes[1],
		.bash = config->runtimes[2],
	};
	struct error err = ERROR_INIT;

	if (host_provider_open(pool->core->host, &o, &p->provider, &err) < 0) {
		p->provider = NULL;
		p->problem = TAKE_PTR(err.msg);
		log_warn("provider_unusable", LOG_S("provider", o.name), LOG_S("reason", p->problem));
	}
	error_done(&err);
}

/* What the configuration names, else the class of the first provider. One that could not be opened has not said its
 * class: until it can be, nothing weaker than the strongest takes its place. */
static enum hawser_isolation floor_of(const struct pool *pool, const struct config *config, bool *ret_unknown)
{
	*ret_unknown = false;
	if (config->isolation)
		return host_isolation_parse(config->isolation);
	if (pool->provider_count > 0 && pool->providers[0].provider)
		return host_provider_isolation(pool->providers[0].provider);
	*ret_unknown = pool->provider_count > 1;
	return HAWSER_ISOLATION_VM;
}

/* Providers below the floor are not used. */
static void apply_floor(struct pool *pool, const struct config *config)
{
	bool unknown;
	enum hawser_isolation floor = floor_of(pool, config, &unknown);

	for (size_t i = 0; i < pool->provider_count; i++) {
		struct pool_provider *p = &pool->providers[i];

		if (!p->provider || host_provider_isolation(p->provider) >= floor)
			continue;
		free(p->problem);
		if (asprintf(&p->problem, "%s isolates as %s, the floor is %s%s", host_provider_name(p->provider),
			     host_isolation_name(host_provider_isolation(p->provider)), host_isolation_name(floor),
			     unknown ? " while the first provider cannot be opened; isolation: in the configuration "
				       "names another"
				     : "") < 0)
			p->problem = NULL;
		p->provider = host_provider_close(p->provider);
	}
}

bool pool_has_other(const struct pool *pool, const struct pool_provider *p)
{
	uint64_t now = clock_now_ms();

	for (const struct pool_provider *other = pool->providers; other < pool->providers + pool->provider_count;
	     other++)
		if (other != p && other->provider && other->rest_until_ms <= now)
			return true;
	return false;
}

void pool_rest(struct pool_provider *p, const char *problem)
{
	free(p->problem);
	p->problem = strdup(problem);
	p->rest_until_ms = clock_now_ms() + PROVIDER_REST_MS;
}

struct pool_provider *pool_choose(struct pool *pool, int environment, struct buf *why)
{
	uint64_t now = clock_now_ms();
	int r = 0;

	for (size_t i = 0; i < pool->provider_count; i++) {
		struct pool_provider *p = &pool->providers[i];

		if (p->provider && environment >= 0 && !host_provider_has_environments(p->provider)) {
			if (r == 0)
				r = buf_printf(why, "%s%s cannot show environments of this machine",
					       why->len ? "; " : "", host_provider_name(p->provider));
			continue;
		}
		if (p->provider && p->rest_until_ms <= now) {
			if (r == 0 && why->len == 0)
				r = buf_append_str(why, i == 0 ? "first in the list" : "next in the list");
			return r < 0 ? NULL : p;
		}
		if (r == 0)
			r = buf_printf(why, "%s%s", why->len ? "; " : "", p->problem ? p->problem : "resting");
	}
	return NULL;
}

/* ---- pools ---- */

static char *make_key(const struct config *c)
{
	json_auto_t *key =
		json_pack("{s:[], s:[], s:I, s:I, s:I, s:I, s:I, s:I, s:s*, s:s*, s:s*, s:s*}", "providers",
			  "environments", "memory", (json_int_t)c->limits.memory, "disk", (json_int_t)c->limits.disk,
			  "processes", (json_int_t)c->limits.processes, "runs", (json_int_t)c->limits.runs, "pool",
			  (json_int_t)c->limits.pool, "arguments", (json_int_t)c->limits.arguments, "isolation",
			  c->isolation, "javascript", c->runtimes[0], "python", c->runtimes[1], "bash", c->runtimes[2]);

	for (size_t i = 0; key && i < c->provider_count; i++)
		json_array_append_new(json_object_get(key, "providers"),
				      json_pack("[s, O?]", c->providers[i].name, c->providers[i].settings));
	for (size_t i = 0; key && i < c->environment_count; i++)
		json_array_append_new(json_object_get(key, "environments"),
				      json_pack("[s, s?, s?]", c->environments[i].name, c->environments[i].python,
						c->environments[i].javascript));
	return key ? json_dumps(key, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
}

/* What kept providers from being opened may have been cured. Not while anything holds one of them: it works, and the
 * floor might close it. */
static void look_again(struct pool *pool, const struct config *config)
{
	bool changed = false;

	if (pool->sandboxes || pool->core->readings > 0)
		return;
	for (size_t i = 0; i < pool->provider_count; i++) {
		struct pool_provider *p = &pool->providers[i];

		if (p->provider)
			continue;
		free(TAKE_PTR(p->problem));
		open_provider(pool, config, i);
		changed = true;
	}
	if (changed)
		apply_floor(pool, config);
}

void pools_wake(struct pool *pool, const struct config *config)
{
	for (size_t i = 0; i < pool->provider_count; i++)
		pool->providers[i].rest_until_ms = 0;
	look_again(pool, config);
}

static void free_pool(struct pool *pool)
{
	HASH_DEL(pool->core->pools, pool);
	for (size_t i = 0; i < pool->provider_count; i++) {
		host_provider_close(pool->providers[i].provider);
		free(pool->providers[i].problem);
	}
	for (size_t i = 0; i < pool->environment_count; i++) {
		free((char *)(uintptr_t)pool->environments[i].name);
		free((char *)(uintptr_t)pool->environments[i].python);
		free((char *)(uintptr_t)pool->environments[i].javascript);
	}
	loop_timer_free(pool->refill);
	free(pool->providers);
	free(pool->key);
	free(pool);
}

static void copy_environments(struct pool *pool, const struct config *c)
{
	for (size_t i = 0; i < c->environment_count; i++) {
		const struct config_environment *e = &c->environments[i];

		pool->environments[i] = (struct hawser_environment){
			.name = strdup(e->name),
			.python = e->python ? strdup(e->python) : NULL,
			.javascript = e->javascript ? strdup(e->javascript) : NULL,
		};
	}
	pool->environment_count = c->environment_count;
}

int pools_get(struct core *core, const struct config *config, struct pool **ret, struct error *err)
{
	_cleanup_free_ char *key = make_key(config);
	struct pool *pool;

	if (!key)
		return error_set(err, -ENOMEM, "no memory for a pool");
	HASH_FIND_STR(core->pools, key, pool);
	if (!pool) {
		pool = calloc(1, sizeof(*pool));
		if (!pool || !(pool->providers = calloc(config->provider_count + 1, sizeof(*pool->providers)))) {
			free(pool);
			return error_set(err, -ENOMEM, "no memory for a pool");
		}
		pool->core = core;
		if (loop_timer_new(core->loop, pool_on_refill, pool, &pool->refill, err) < 0) {
			free(pool->providers);
			free(pool);
			return err->code;
		}
		pool->key = TAKE_PTR(key);
		pool->limits = config->limits;
		pool->provider_count = config->provider_count;
		pool->park_environment = -1;
		copy_environments(pool, config);
		HASH_ADD_KEYPTR(hh, core->pools, pool->key, strlen(pool->key), pool);
		for (size_t i = 0; i < config->provider_count; i++)
			open_provider(pool, config, i);
		apply_floor(pool, config);
	} else {
		look_again(pool, config);
	}
	pool->users++;
	pool_kick(pool);
	*ret = pool;
	return 0;
}

void pools_put(struct pool *pool)
{
	if (--pool->users == 0)
		pool->unused_ms = clock_now_ms();
}

/* Warm sandboxes of a pool that nobody needs are ended; a pool without any goes too. */
static void tidy(struct pool *pool, bool all)
{
	struct sandbox *s, *next;

	DL_FOREACH_SAFE (pool->sandboxes, s, next) {
		if (all || s->state == SANDBOX_WARM)
			sandbox_end(s);
	}
	if (!pool->sandboxes && pool->users == 0 && !pool->kicked)
		free_pool(pool);
}

void pools_tidy(struct core *core, uint64_t now_ms, bool all)
{
	struct pool *pool, *next;

	HASH_ITER (hh, core->pools, pool, next) {
		pool->closing = pool->closing || all;
		if (all || (pool->users == 0 && now_ms - pool->unused_ms > (uint64_t)pool->limits.sandbox_ms))
			tidy(pool, all);
		else
			pool_kick(pool);
	}
}

bool pools_empty(const struct core *core)
{
	const struct pool *pool;

	for (pool = core->pools; pool; pool = pool->hh.next)
		if (pool->sandboxes)
			return false;
	return true;
}

void pools_free_all(struct core *core)
{
	struct pool *pool, *next;
	struct sandbox *s, *after;

	HASH_ITER (hh, core->pools, pool, next) {
		DL_FOREACH_SAFE (pool->sandboxes, s, after) {
			sandbox_free(s);
		}
		free_pool(pool);
	}
}
