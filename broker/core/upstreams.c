/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Servers are shared: everybody whose name, command, resolved environment and working directory agree (or URL and
 * headers), and the roots where a server is told them, uses one. A client whose roots change goes to another server,
 * and the old one does not hear of it: runs under way keep the folders that they began with, and nobody else's change.
 * A view holds its servers; one that nobody holds for CORE_UPSTREAM_IDLE_MS is ended, sooner if it was left for other
 * roots: these are the client's text, which may change without an end, so unused ones are counted too.
 */
#include "broker/core/calls.h"

#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void on_changed(void *user, struct upstream *u)
{
	struct shared_upstream *shared = user;

	(void)u;
	shared->core->tools_generation++;
}

static void on_redact(void *user, struct buf *text)
{
	struct shared_upstream *shared = user;

	redact_buf(shared->redact, text);
}

static void free_shared(struct shared_upstream *shared, void (*gone)(void *user))
{
	HASH_DEL(shared->core->upstreams, shared);
	upstream_close(shared->upstream, gone, shared->core);
	calls_server_gone(shared);
	redact_unref(shared->redact);
	free(shared->log_path);
	strays_done(&shared->strays);
	free(shared->key);
	free(shared->entry);
	free(shared);
}

static int start_shared(struct shared_upstream *shared, const struct config_server *server,
			const struct config_resolved *resolved, const char *const *inherited, struct error *err)
{
	static const struct upstream_events events = {
		.changed = on_changed, .ask = calls_on_ask, .ask_gone = calls_on_ask_gone};
	struct upstream_options o = {
		.name = server->name,
		.command = resolved->command,
		.args = (const char *const *)resolved->args,
		.env = (const char *const *)resolved->env,
		.inherited = inherited,
		.cwd = resolved->cwd,
		.url = resolved->url,
		.headers = (const char *const *)resolved->headers,
		.ca_file = resolved->ca_file,
		.proxy = resolved->proxy,
		.no_proxy = resolved->no_proxy,
		.old_sse = server->transport == CONFIG_SSE,
		.roots = resolved->roots,
		.offers_roots = resolved->offers_roots,
		.start_timeout_ms = (uint64_t)server->start_timeout_ms,
		.redact = on_redact,
		.redact_user = shared,
	};

	/* The key is part of the name: two clients with other values have a server, and a log, each. */
	if (asprintf(&shared->log_path, "%s/logs/%s-%.8s.log", shared->core->state_dir, server->id, resolved->key) <
	    0) {
		shared->log_path = NULL;
		return error_set(err, -ENOMEM, "no memory for server %s", server->name);
	}
	o.log_path = shared->log_path;
	return upstream_new(shared->core->loop, shared->core->spawner, &o, &events, shared, &shared->upstream, err);
}

/* That nobody uses, longest ago; of one entry, or of all (NULL). NULL: there are not more than most. */
static struct shared_upstream *find_surplus(const struct core *core, const char *entry, size_t most)
{
	struct shared_upstream *shared, *next, *oldest = NULL;
	size_t count = 0;

	HASH_ITER (hh, core->upstreams, shared, next) {
		if (shared->users > 0 || (entry && strcmp(shared->entry, entry) != 0))
			continue;
		count++;
		if (!oldest || shared->unused_ms < oldest->unused_ms)
			oldest = shared;
	}
	return count > most ? oldest : NULL;
}

static void end_surplus(struct core *core, const char *entry, size_t most)
{
	struct shared_upstream *surplus;

	while ((surplus = find_surplus(core, entry, most)))
		free_shared(surplus, NULL);
}

int upstreams_get(struct core *core, const struct config_server *server, const struct config_resolved *resolved,
		  const char *const *inherited, struct redact *redact, struct shared_upstream **ret, struct error *err)
{
	struct shared_upstream *shared;
	int r;

	HASH_FIND_STR(core->upstreams, resolved->key, shared);
	if (!shared) {
		shared = calloc(1, sizeof(*shared));
		if (!shared || !(shared->key = strdup(resolved->key)) || !(shared->entry = strdup(resolved->entry))) {
			free(shared ? shared->key : NULL);
			free(shared);
			return error_set(err, -ENOMEM, "no memory for server %s", server->name);
		}
		end_surplus(core, resolved->entry,
			    CORE_UPSTREAMS_UNUSED_EACH - 1); /* room for what this one replaces */
		end_surplus(core, NULL, CORE_UPSTREAMS_UNUSED_MAX - 1);
		shared->core = core;
		shared->redact = redact_ref(redact);
		HASH_ADD_KEYPTR(hh, core->upstreams, shared->key, strlen(shared->key), shared);
		r = start_shared(shared, server, resolved, inherited, err);
		if (r < 0) {
			free_shared(shared, NULL);
			return r;
		}
	}
	shared->users++;
	*ret = shared;
	return 0;
}

void upstreams_put(struct shared_upstream *shared, bool left)
{
	if (!shared || --shared->users > 0)
		return;
	shared->unused_ms = clock_now_ms();
	shared->left = left;
}

static bool is_over(const struct shared_upstream *shared, uint64_t now_ms)
{
	return shared->users == 0 &&
	       (now_ms - shared->unused_ms > (shared->left ? CORE_UPSTREAM_LEFT_MS : CORE_UPSTREAM_IDLE_MS) ||
		find_surplus(shared->core, shared->entry, CORE_UPSTREAMS_UNUSED_EACH) == shared);
}

void upstreams_tidy(struct core *core, uint64_t now_ms, bool all)
{
	struct shared_upstream *shared, *next;

	HASH_ITER (hh, core->upstreams, shared, next) {
		if (all || is_over(shared, now_ms))
			free_shared(shared, NULL);
	}
	end_surplus(core, NULL, CORE_UPSTREAMS_UNUSED_MAX);
}

static void on_gone(void *user)
{
	struct core *core = user;

	core->upstreams_leaving--;
}

void upstreams_stop(struct core *core)
{
	struct shared_upstream *shared, *next;
	struct view *view;

	core->tools_generation++; /* searches that are on their way begin anew, with nothing */
	DL_FOREACH (core->views, view) {
		view->catalogue = catalogue_free(view->catalogue);
		for (size_t i = 0; i < view->config->server_count; i++) {
			if (!view->servers[i].shared)
				continue;
			upstreams_put(TAKE_PTR(view->servers[i].shared), false);
			view->servers[i].problem = strdup("the broker is stopping");
		}
	}
	HASH_ITER (hh, core->upstreams, shared, next) {
		if (shared->upstream)
			core->upstreams_leaving++;
		free_shared(shared, on_gone);
	}
}
