/* SPDX-License-Identifier: Apache-2.0 */
/* What doctor hears of the core and of its providers. These start programs and wait for them: on another thread. */
#include "broker/core/pool.h"

#include <stdio.h>
#include <string.h>

enum { FINDINGS_MAX = 256 };

struct finding {
	char *key, *text;
	int good;
};

struct report {
	struct view *view;
	struct finding findings[FINDINGS_MAX];
	size_t count;
	doctor_tell_fn *tell;
	void (*done)(void *user);
	void *user;
};

static void keep(void *user, const char *key, const char *text, int good)
{
	struct report *r = user;

	if (r->count < FINDINGS_MAX)
		r->findings[r->count++] = (struct finding){strdup(key), strdup(text), good};
}

static void ask_providers(void *user)
{
	struct report *r = user;

	for (size_t i = 0; i < r->view->pool->provider_count; i++)
		if (r->view->pool->providers[i].provider)
			host_provider_report(r->view->pool->providers[i].provider, keep, r);
	environments_report(r->view->config, keep, r);
}

static void tell_pool(struct report *r)
{
	const struct pool *pool = r->view->pool;
	char line[160];

	for (size_t i = 0; i < pool->provider_count; i++)
		if (pool->providers[i].problem)
			r->tell(r->user, "provider", pool->providers[i].problem, 0);
	snprintf(line, sizeof(line), "%zu warm, %zu coming, %zu in use, %zu runs waiting",
		 pool_count(pool, SANDBOX_WARM), pool_count_coming(pool), pool_count(pool, SANDBOX_USED),
		 pool->waiting_count);
	r->tell(r->user, "sandboxes", line, 1);
}

static void finish(void *user)
{
	struct report *r = user;

	r->view->core->readings--;
	for (size_t i = 0; i < r->count; i++) {
		struct finding *f = &r->findings[i];

		if (f->key && f->text)
			r->tell(r->user, f->key, f->text, f->good);
		free(f->key);
		free(f->text);
	}
	tell_pool(r);
	r->done(r->user);
	view_unref(r->view);
	free(r);
}

static void tell_core(struct core *core, doctor_tell_fn *tell, void *user)
{
	const char *part = loop_longest_turn_part(core->loop);
	char line[256];

	snprintf(line, sizeof(line), "longest turn of the loop %.2f ms%s%s",
		 (double)loop_longest_turn_ns(core->loop, false) / 1e6, part ? ", most of it in " : "",
		 part ? part : "");
	tell(user, "loop", line, 1);
	tell(user, "audit", core->audit_failed_ms ? "the log cannot be written" : "each call is logged",
	     core->audit_failed_ms == 0);
}

void core_report(struct core *core, struct client *c, doctor_tell_fn *tell, void (*done)(void *user), void *user)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct report *r = calloc(1, sizeof(*r));
	struct view *view;

	tell_core(core, tell, user);
	if (!r || client_view(c, &view, &err) < 0) {
		tell(user, "config", r ? error_text(&err) : "no memory", 0);
		loop_defer(core->loop, done, user);
		free(r);
		return;
	}
	r->view = view_ref(view);
	r->tell = tell;
	r->done = done;
	r->user = user;
	core->readings++;
	if (loop_work_start(core->loop, ask_providers, finish, r, &err) == 0)
		return;
	tell(user, "provider", error_text(&err), 0);
	loop_defer(core->loop, finish, r);
}
