/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pool: whole sandboxes, made ahead, each for one run. A sandbox is CREATING (its provider works), CONNECTING (no
 * proven link yet), WARM (nobody's), USED (a run's) and ENDING (its provider takes it down). Runs that want one wait in
 * a queue; a sandbox that becomes warm goes to the first of them, and as many are under way as are wanted:
 *
 *   waiting runs + limits.pool, at most limits.runs in use
 *
 * Providers are tried in the configured order; one that failed is passed over for 30 s, and none below the isolation
 * floor is used. A run that falls back says so (why).
 */
#include "broker/core/internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "broker/core/runs.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

enum {
	PROVIDER_REST_MS = 30000, /* a provider that failed is passed over */
	REFILL_REST_MS = 1000, /* after a failure */
	/* A run that has just got its sandbox has the machine to itself this long before the next one is made ahead:
	 * making one costs more CPU time than a short run. */
	REFILL_PAUSE_MS = 100,
};

enum sandbox_state { SANDBOX_CREATING, SANDBOX_CONNECTING, SANDBOX_WARM, SANDBOX_USED, SANDBOX_ENDING };

struct pool_provider {
	struct host_provider *provider; /* NULL: it could not be opened */
	char *problem; /* why, or how it failed last */
	uint64_t rest_until_ms;
};

struct ticket {
	struct ticket *prev, *next;
	struct pool *pool;
	sandbox_done_fn *done;
	void *user;
};

struct sandbox {
	struct sandbox *prev, *next;
	struct pool *pool;
	enum sandbox_state state;
	struct pool_provider *provider;
	struct host_op *op; /* while CREATING */
	char *id; /* the provider's name for it */
	struct machine *machine;
	char *why;
	uint64_t since_ms;
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
	struct sandbox *sandboxes;
	struct ticket *waiting;
	size_t waiting_count;
	enum run_language park; /* of the last run: the interpreter that a sandbox made ahead starts */
	uint64_t refill_after_ms; /* no sandbox is made ahead before this */
	struct loop_timer *refill;
	bool kicked, closing;
};

static void kick(struct pool *pool);

/* ---- counting ---- */

static size_t count_state(const struct pool *pool, enum sandbox_state state)
{
	const struct sandbox *s;
	size_t count = 0;

	DL_FOREACH (pool->sandboxes, s) {
		count += s->state == state;
	}
	return count;
}

static size_t count_coming(const struct pool *pool)
{
	return count_state(pool, SANDBOX_CREATING) + count_state(pool, SANDBOX_CONNECTING);
}

/* ---- the end of a sandbox ---- */

static void free_sandbox(struct sandbox *s)
{
	DL_DELETE(s->pool->sandboxes, s);
	machine_free(s->machine);
	free(s->id);
	free(s->why);
	free(s);
}

static void on_destroyed(void *user, enum hawser_status status, const char *message)
{
	struct sandbox *s = user;
	struct pool *pool = s->pool;

	if (status != HAWSER_OK && status != HAWSER_NOT_FOUND)
		log_warn("sandbox_destroy_failed", LOG_S("sandbox", s->id), LOG_S("reason", message));
	free_sandbox(s);
	kick(pool);
}

static void end_sandbox(struct sandbox *s)
{
	if (s->state == SANDBOX_ENDING)
		return;
	s->machine = machine_free(s->machine);
	s->state = SANDBOX_ENDING;
	if (!s->op) /* one that its provider still makes is taken down by on_created() */
		host_destroy(s->provider->provider, s->id, on_destroyed, s);
}

void sandboxes_release(struct sandbox *s)
{
	struct pool *pool = s->pool;

	if (pool->refill_after_ms <= clock_now_ms() + REFILL_PAUSE_MS)
		pool->refill_after_ms = 0; /* the run is over, the machine is free */
	end_sandbox(s);
	kick(pool);
}

/* ---- handing out ---- */

static void on_refill(void *user)
{
	kick(user);
}

static void pause_refill(struct pool *pool, uint64_t ms)
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
		pause_refill(pool, REFILL_PAUSE_MS);
		s->state = SANDBOX_USED;
		s->since_ms = clock_now_ms();
		host_renew(pool->core->host, s->id, 900000);
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

/* ---- making ---- */

static void rest(struct pool_provider *p, const char *problem)
{
	free(p->problem);
	p->problem = strdup(problem);
	p->rest_until_ms = clock_now_ms() + PROVIDER_REST_MS;
}

/* A sandbox that never became usable. */
static void making_failed(struct sandbox *s, const char *problem)
{
	struct pool *pool = s->pool;

	log_warn("sandbox_failed", LOG_S("provider", host_provider_name(s->provider->provider)),
		 LOG_S("reason", problem));
	rest(s->provider, problem);
	pause_refill(pool, REFILL_REST_MS);
	end_sandbox(s);
	kick(pool);
}

static void on_machine_state(void *user, enum machine_state state, const char *reason)
{
	struct sandbox *s = user;

	if (state == MACHINE_UP && s->state == SANDBOX_CONNECTING) {
		s->state = SANDBOX_WARM;
		s->since_ms = clock_now_ms();
		kick(s->pool);
	} else if (state == MACHINE_CLOSED && s->state == SANDBOX_CONNECTING) {
		making_failed(s, reason);
	} else if (state == MACHINE_CLOSED && s->state == SANDBOX_WARM) {
		log_warn("sandbox_lost", LOG_S("sandbox", s->id), LOG_S("reason", reason));
		end_sandbox(s);
		kick(s->pool);
	}
	/* A machine that closes under a run tells the run itself. */
}

static void on_call(void *user, struct machine_call *call)
{
	(void)user;
	runs_on_call(machine_call_facts(call)->run, call);
}

static void on_call_cancelled(void *user, struct machine_call *call)
{
	(void)user;
	runs_on_call_cancelled(machine_call_facts(call)->run, call);
}

static int connect_machine(struct sandbox *s, const struct host_created *created, struct error *err)
{
	static const struct machine_events events = {
		.state = on_machine_state, .call = on_call, .call_cancelled = on_call_cancelled};
	struct machine_options o = {
		.endpoint = {created->endpoint.unix_path, created->endpoint.url, created->endpoint.headers},
		.args_max = (size_t)s->pool->limits.arguments,
		.connect_limit_ms = CORE_CONNECT_MS,
		.trace_path = s->pool->core->options.trace_path,
	};
	int r;

	memcpy(o.secret, created->secret, sizeof(o.secret));
	if (hex_decode(o.tunnel.bytes, sizeof(o.tunnel.bytes), created->tunnel_id) < 0)
		return error_set(err, -EPROTO, "the provider names a tunnel id that is not 32 hexadecimal digits");
	s->id = strdup(created->sandbox_id);
	r = s->id ? machine_new(s->pool->core->loop, &o, &events, s, &s->machine, err)
		  : error_set(err, -ENOMEM, "no memory for a sandbox");
	explicit_bzero(o.secret, sizeof(o.secret));
	return r;
}

static void on_created(void *user, const struct host_created *created)
{
	struct sandbox *s = user;
	struct pool *pool = s->pool;
	_cleanup_error_ struct error err = ERROR_INIT;

	s->op = NULL;
	if (s->state == SANDBOX_ENDING) {
		if (created->status == HAWSER_OK && (s->id = strdup(created->sandbox_id)))
			host_destroy(s->provider->provider, s->id, on_destroyed, s);
		else
			free_sandbox(s);
		return;
	}
	if (created->status != HAWSER_OK) {
		log_warn("sandbox_failed", LOG_S("provider", host_provider_name(s->provider->provider)),
			 LOG_S("reason", created->message));
		rest(s->provider, created->message);
		pause_refill(pool, REFILL_REST_MS);
		free_sandbox(s);
		kick(pool);
		return;
	}
	if (connect_machine(s, created, &err) < 0) {
		making_failed(s, error_text(&err));
		return;
	}
	s->state = SANDBOX_CONNECTING;
}

/* The first provider that is not resting; *why says what was passed over. NULL: none. */
static struct pool_provider *choose(struct pool *pool, struct buf *why)
{
	uint64_t now = clock_now_ms();
	int r = 0;

	for (size_t i = 0; i < pool->provider_count; i++) {
		struct pool_provider *p = &pool->providers[i];

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

/* False: no provider can. */
static bool make_one(struct pool *pool, struct buf *why)
{
	/* One, not all: each costs as much as the rest of the sandbox, and most of them would never be used. */
	const char *const park[] = {run_language_names[pool->park], NULL};
	struct pool_provider *provider = choose(pool, why);
	struct hawser_create request = {
		.limits = {.memory = (uint64_t)pool->limits.memory,
			   .disk = (uint64_t)pool->limits.disk,
			   .processes = (uint32_t)pool->limits.processes},
		.park = park,
	};
	char tag[2 * ID_TEXT_MAX], tunnel_id[33], id[ID_TEXT_MAX];
	uint8_t tunnel[16];
	struct sandbox *s;

	if (!provider)
		return false;
	s = calloc(1, sizeof(*s));
	if (!s)
		abort();
	s->pool = pool;
	s->provider = provider;
	s->why = buf_steal(why, NULL);
	s->since_ms = clock_now_ms();
	DL_APPEND(pool->sandboxes, s);
	random_bytes(tunnel, sizeof(tunnel));
	random_bytes(request.secret, sizeof(request.secret));
	id_make(id, "sb");
	snprintf(tag, sizeof(tag), "%s.%s", pool->core->boot_id, id);
	request.tag = tag;
	request.tunnel_id = hex_encode(tunnel_id, tunnel, sizeof(tunnel));
	host_create(provider->provider, &request, on_created, s, &s->op);
	explicit_bzero(request.secret, sizeof(request.secret));
	return true;
}

/* How many more should be under way now. */
static size_t wanted(const struct pool *pool)
{
	size_t used = count_state(pool, SANDBOX_USED), warm = count_state(pool, SANDBOX_WARM);
	size_t have = warm + count_coming(pool);
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
	struct pool *pool = user;
	struct sandbox *warm;

	pool->kicked = false;
	if (pool->closing)
		return;
	while (pool->waiting && (warm = find_warm(pool)))
		give(pool, warm, NULL);
	for (size_t n = wanted(pool); n > 0; n--) {
		_cleanup_buf_ struct buf why = BUF_INIT(2048);

		if (make_one(pool, &why))
			continue;
		while (pool->waiting && count_coming(pool) == 0)
			fail_first(pool, why.len && buf_append(&why, "", 1) == 0 ? (char *)buf_head(&why)
										 : "no provider is configured");
		break;
	}
}

/* All decisions are made on the next turn, in one place. */
static void kick(struct pool *pool)
{
	if (pool->kicked || pool->closing)
		return;
	pool->kicked = true;
	loop_defer(pool->core->loop, on_kick, pool);
}

struct ticket *sandboxes_acquire(struct pool *pool, enum run_language language, sandbox_done_fn *done, void *user)
{
	struct ticket *ticket = calloc(1, sizeof(*ticket));

	if (!ticket)
		abort();
	ticket->pool = pool;
	if (language != RUN_BASH)
		pool->park = language; /* bash starts in no time */
	ticket->done = done;
	ticket->user = user;
	DL_APPEND(pool->waiting, ticket);
	pool->waiting_count++;
	kick(pool);
	return ticket;
}

void sandboxes_forget(struct ticket *ticket)
{
	DL_DELETE(ticket->pool->waiting, ticket);
	ticket->pool->waiting_count--;
	free(ticket);
}

void sandbox_facts(const struct sandbox *s, struct sandbox_facts *ret)
{
	*ret = (struct sandbox_facts){
		.machine = s->machine,
		.provider = host_provider_name(s->provider->provider),
		.isolation = host_isolation_name(host_provider_isolation(s->provider->provider)),
		.why = s->why ? s->why : "",
	};
}

bool sandboxes_full(const struct pool *pool)
{
	return pool->waiting_count >= CORE_WAITING_MAX;
}

void pools_on_sandbox_ended(struct core *core, const char *sandbox_id, const char *reason)
{
	struct pool *pool, *next;
	struct sandbox *s;

	HASH_ITER (hh, core->pools, pool, next) {
		DL_FOREACH (pool->sandboxes, s) {
			if (!s->id || strcmp(s->id, sandbox_id) != 0 || s->state == SANDBOX_ENDING)
				continue;
			log_warn("sandbox_ended", LOG_S("sandbox", sandbox_id), LOG_S("reason", reason));
			/* Under a run the machine must tell the run before it goes: its link is dead and stays so. */
			if (s->state == SANDBOX_USED)
				machine_lost(s->machine, reason);
			else
				end_sandbox(s);
			kick(pool);
			return;
		}
	}
}

/* ---- pools ---- */

static char *make_key(const struct config *c)
{
	json_auto_t *key =
		json_pack("{s:[], s:I, s:I, s:I, s:I, s:I, s:I, s:s*, s:s*, s:s*, s:s*}", "providers", "memory",
			  (json_int_t)c->limits.memory, "disk", (json_int_t)c->limits.disk, "processes",
			  (json_int_t)c->limits.processes, "runs", (json_int_t)c->limits.runs, "pool",
			  (json_int_t)c->limits.pool, "arguments", (json_int_t)c->limits.arguments, "isolation",
			  c->isolation, "javascript", c->runtimes[0], "python", c->runtimes[1], "bash", c->runtimes[2]);

	for (size_t i = 0; key && i < c->provider_count; i++)
		json_array_append_new(json_object_get(key, "providers"),
				      json_pack("[s, O?]", c->providers[i].name, c->providers[i].settings));
	return key ? json_dumps(key, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
}

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

/* Providers below the floor are not used: the class named in the configuration, else that of the first provider. */
static void apply_floor(struct pool *pool, const struct config *config)
{
	enum hawser_isolation floor = config->isolation ? host_isolation_parse(config->isolation) : 0;

	if (floor == 0 && pool->provider_count > 0 && pool->providers[0].provider)
		floor = host_provider_isolation(pool->providers[0].provider);
	for (size_t i = 0; i < pool->provider_count; i++) {
		struct pool_provider *p = &pool->providers[i];

		if (!p->provider || host_provider_isolation(p->provider) >= floor)
			continue;
		free(p->problem);
		if (asprintf(&p->problem, "%s isolates as %s, the floor is %s", host_provider_name(p->provider),
			     host_isolation_name(host_provider_isolation(p->provider)), host_isolation_name(floor)) < 0)
			p->problem = NULL;
		p->provider = host_provider_close(p->provider);
	}
}

static void free_pool(struct pool *pool)
{
	HASH_DEL(pool->core->pools, pool);
	for (size_t i = 0; i < pool->provider_count; i++) {
		host_provider_close(pool->providers[i].provider);
		free(pool->providers[i].problem);
	}
	loop_timer_free(pool->refill);
	free(pool->providers);
	free(pool->key);
	free(pool);
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
		if (loop_timer_new(core->loop, on_refill, pool, &pool->refill, err) < 0) {
			free(pool->providers);
			free(pool);
			return err->code;
		}
		pool->key = TAKE_PTR(key);
		pool->limits = config->limits;
		pool->provider_count = config->provider_count;
		HASH_ADD_KEYPTR(hh, core->pools, pool->key, strlen(pool->key), pool);
		for (size_t i = 0; i < config->provider_count; i++)
			open_provider(pool, config, i);
		apply_floor(pool, config);
	}
	pool->users++;
	kick(pool);
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
			end_sandbox(s);
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
			kick(pool);
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
			free_sandbox(s);
		}
		free_pool(pool);
	}
}

void pools_report(struct pool *pool, doctor_tell_fn *tell, void *user)
{
	char line[160];

	for (size_t i = 0; i < pool->provider_count; i++) {
		struct pool_provider *p = &pool->providers[i];

		if (p->provider)
			host_provider_report(p->provider, tell, user);
		if (p->problem)
			tell(user, "provider", p->problem, 0);
	}
	snprintf(line, sizeof(line), "%zu warm, %zu coming, %zu in use, %zu runs waiting",
		 count_state(pool, SANDBOX_WARM), count_coming(pool), count_state(pool, SANDBOX_USED),
		 pool->waiting_count);
	tell(user, "sandboxes", line, 1);
}
