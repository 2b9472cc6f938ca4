/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Life of a sandbox: whole, made ahead, for one run. CREATING (its provider works), CONNECTING (no proven link yet),
 * WARM (nobody's), USED (a run's) and ENDING (its provider takes it down).
 */
#include "broker/core/pool.h"

#include "base/clock.h"
#include "base/log.h"

#include "broker/core/runs.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

const char *const sandbox_state_names[] = {"creating", "connecting", "warm", "used", "ending"};

static void count(struct sandbox *s, int by)
{
	s->pool->count[s->state] += (size_t)by;
	s->pool->shown[s->environment + 1].count[s->state] += (size_t)by;
}

/* Its row says what a broker has to know that finds it: who it is, and that it is there. */
static void note_state(struct sandbox *s)
{
	const struct store_sandbox row = {.tag = s->tag, .state = sandbox_state_names[s->state], .sandbox = s->id};

	store_sandbox_state(s->pool->core->store, &row);
}

void sandbox_set_state(struct sandbox *s, enum sandbox_state state)
{
	static const unsigned next[] = {
		[SANDBOX_CREATING] = 1u << SANDBOX_CONNECTING | 1u << SANDBOX_ENDING,
		[SANDBOX_CONNECTING] = 1u << SANDBOX_WARM | 1u << SANDBOX_ENDING,
		[SANDBOX_WARM] = 1u << SANDBOX_USED | 1u << SANDBOX_ENDING,
		[SANDBOX_USED] = 1u << SANDBOX_ENDING,
		[SANDBOX_ENDING] = 0,
	};

	assert(next[s->state] & 1u << state);
	log_debug("sandbox_state", LOG_S("sandbox", s->id), LOG_S("from", sandbox_state_names[s->state]),
		  LOG_S("to", sandbox_state_names[state]));
	count(s, -1);
	s->state = state;
	count(s, 1);
	if (s->id)
		note_state(s);
}

/* ---- the end ---- */

/* Nothing is left of it. */
static void forget(struct sandbox *s)
{
	store_sandbox_end(s->pool->core->store, s->tag);
	sandbox_free(s);
}

void sandbox_free(struct sandbox *s)
{
	DL_DELETE(s->pool->sandboxes, s);
	count(s, -1);
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
	if (status == HAWSER_OK || status == HAWSER_NOT_FOUND)
		forget(s);
	else
		sandbox_free(s); /* its row stays: the next broker looks for it */
	pool_kick(pool);
}

void sandbox_end(struct sandbox *s)
{
	if (s->state == SANDBOX_ENDING)
		return;
	s->machine = machine_free(s->machine);
	sandbox_set_state(s, SANDBOX_ENDING);
	if (s->recording)
		return; /* on_recorded() finds it */
	if (s->op) /* what still comes of it is taken down by on_created() */
		host_cancel(s->op);
	else
		host_destroy(s->provider->provider, s->id, on_destroyed, s);
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
				sandbox_end(s);
			pool_kick(pool);
			return;
		}
	}
}

/* ---- making ---- */

/* Who could not do it: the provider, which rests then; but a wrong environment concerns those who ask for it alone, and
 * so does an interpreter that is missing where no other provider may have it. */
static void blame(struct sandbox *s, enum hawser_status status, const char *problem)
{
	struct pool *pool = s->pool;

	log_warn("sandbox_failed", LOG_S("provider", host_provider_name(s->provider->provider)),
		 LOG_S("reason", problem));
	if (s->environment >= 0)
		pool_environment_failed(pool, s->environment, problem);
	else if (status == HAWSER_NO_INTERPRETER && !pool_has_other(pool, s->provider))
		pool_language_failed(pool, s->park, problem);
	else
		pool_rest(s->provider, problem);
	pool_pause_refill(pool, REFILL_REST_MS);
}

/* A sandbox that never became usable. */
static void making_failed(struct sandbox *s, const char *problem)
{
	struct pool *pool = s->pool;

	blame(s, HAWSER_INTERNAL, problem);
	sandbox_end(s);
	pool_kick(pool);
}

static void on_machine_state(void *user, enum machine_state state, const char *reason)
{
	struct sandbox *s = user;

	if (state == MACHINE_UP && s->state == SANDBOX_CONNECTING) {
		sandbox_set_state(s, SANDBOX_WARM);
		pool_kick(s->pool);
	} else if (state == MACHINE_CLOSED && s->state == SANDBOX_CONNECTING) {
		making_failed(s, reason);
	} else if (state == MACHINE_CLOSED && s->state == SANDBOX_WARM) {
		log_warn("sandbox_lost", LOG_S("sandbox", s->id), LOG_S("reason", reason));
		sandbox_end(s);
		pool_kick(s->pool);
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
		.lost_limit_ms = CORE_LOST_MS,
		.trace_path = s->pool->core->options.trace_path,
	};
	int r;

	if (hex_decode(o.tunnel.bytes, sizeof(o.tunnel.bytes), created->tunnel_id) < 0)
		return error_set(err, -EPROTO, "the provider names a tunnel id that is not 32 hexadecimal digits");
	memcpy(o.secret, created->secret, sizeof(o.secret));
	r = machine_new(s->pool->core->loop, &o, &events, s, &s->machine, err);
	explicit_bzero(o.secret, sizeof(o.secret));
	return r;
}

static void on_created(void *user, const struct host_created *created)
{
	struct sandbox *s = user;
	struct pool *pool = s->pool;
	_cleanup_error_ struct error err = ERROR_INIT;

	s->op = NULL;
	if (created->status == HAWSER_OK && !(s->id = strdup(created->sandbox_id)))
		abort(); /* without its name it could not even be destroyed */
	if (s->state == SANDBOX_ENDING) {
		if (s->id)
			host_destroy(s->provider->provider, s->id, on_destroyed, s);
		else
			forget(s);
		return;
	}
	if (created->status != HAWSER_OK) {
		blame(s, created->status, created->message);
		forget(s);
		pool_kick(pool);
		return;
	}
	if (connect_machine(s, created, &err) < 0) {
		making_failed(s, error_text(&err));
		return;
	}
	sandbox_set_state(s, SANDBOX_CONNECTING);
}

static void create(struct sandbox *s)
{
	struct pool *pool = s->pool;
	/* One, not all: each costs as much as the rest of the sandbox, and most of them would never be used. */
	const char *const park[] = {run_language_names[s->park], NULL};
	struct hawser_create request = {
		.limits = {.memory = (uint64_t)pool->limits.memory,
			   .disk = (uint64_t)pool->limits.disk,
			   .processes = (uint32_t)pool->limits.processes},
		.park = park,
		.environment = s->environment >= 0 ? &pool->environments[s->environment] : NULL,
		.tag = s->tag,
	};
	char tunnel_id[33];
	uint8_t tunnel[16];

	random_bytes(tunnel, sizeof(tunnel));
	random_bytes(request.secret, sizeof(request.secret));
	request.tunnel_id = hex_encode(tunnel_id, tunnel, sizeof(tunnel));
	host_create(s->provider->provider, &request, on_created, s, &s->op);
	explicit_bzero(request.secret, sizeof(request.secret));
}

/* A sandbox that no row names would be nobody's after a crash: it is not made. That is no fault of its provider. */
static void on_recorded(void *user, const struct error *err)
{
	struct sandbox *s = user;
	struct pool *pool = s->pool;
	int environment = s->environment;

	s->recording = false;
	if (!err->code && s->state == SANDBOX_CREATING)
		return create(s);
	if (!err->code) {
		forget(s);
	} else {
		sandbox_free(s);
		pool_pause_refill(pool, REFILL_REST_MS);
		pool_fail_waiting(pool, environment, error_text(err));
	}
	pool_kick(pool);
}

static void record(struct sandbox *s)
{
	_cleanup_free_ char *place = host_place(s->provider->provider, s->tag);
	const struct store_sandbox row = {.tag = s->tag,
					  .provider = host_provider_name(s->provider->provider),
					  .place = place,
					  .state = sandbox_state_names[s->state],
					  .made_ms = (int64_t)s->made_ms};

	s->recording = true;
	store_sandbox_begin(s->pool->core->store, &row, on_recorded, s);
}

bool sandbox_make(struct pool *pool, int environment, struct buf *why)
{
	struct pool_provider *provider = pool_choose(pool, environment, why);
	char id[ID_TEXT_MAX];
	struct sandbox *s;

	if (!provider)
		return false;
	s = calloc(1, sizeof(*s));
	if (!s)
		abort();
	s->pool = pool;
	s->provider = provider;
	s->park = pool->park;
	s->environment = environment;
	s->made_ms = clock_wall_ms();
	s->why = buf_steal(why, NULL);
	id_make(id, "sb");
	snprintf(s->tag, sizeof(s->tag), "%s.%s", store_broker_id(pool->core->store), id);
	DL_APPEND(pool->sandboxes, s);
	count(s, 1);
	record(s);
	return true;
}

void sandbox_serve(struct sandbox *s, const char *run_id)
{
	snprintf(s->run, sizeof(s->run), "%s", run_id);
}

const char *sandbox_id(const struct sandbox *s)
{
	return s->id;
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
