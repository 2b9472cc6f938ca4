/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sandboxes whose rows were there when the broker started: an earlier broker of this name had made them, or had been
 * about to. Each is ended, then its row goes. One whose keeper was only just starting is looked for again, until its
 * first lease has run out.
 */
#include "broker/core/internal.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <string.h>

enum { REAPER_PATIENCE_MS = 90000 }; /* a keeper's time to start, and its first lease */

struct left {
	struct left *prev, *next;
	struct reaper *reaper;
	char *tag, *provider, *place;
	uint64_t made_ms; /* since 1970 */
	bool asked;
};

struct reaper {
	struct core *core;
	struct left *lefts;
	uint64_t began_ms;
};

static void left_free(struct left *l)
{
	DL_DELETE(l->reaper->lefts, l);
	free(l->tag);
	free(l->provider);
	free(l->place);
	free(l);
}

static void forget(struct left *l)
{
	store_sandbox_end(l->reaper->core->store, l->tag);
	left_free(l);
}

static void on_reaped(void *user, enum host_reaped what)
{
	struct left *l = user;

	l->asked = false;
	if (what == HOST_REAPED || clock_wall_ms() - l->made_ms > REAPER_PATIENCE_MS ||
	    clock_now_ms() - l->reaper->began_ms > REAPER_PATIENCE_MS)
		forget(l);
}

static void on_row(void *user, const struct store_sandbox *row)
{
	struct reaper *r = user;
	struct left *l = calloc(1, sizeof(*l));

	if (!l || !(l->tag = strdup(row->tag)) || !(l->provider = strdup(row->provider)) ||
	    (row->place && !(l->place = strdup(row->place))))
		abort(); /* while the broker starts */
	l->reaper = r;
	l->made_ms = (uint64_t)row->made_ms;
	DL_APPEND(r->lefts, l);
}

void reaper_look(struct reaper *r)
{
	struct left *l, *next;

	DL_FOREACH_SAFE (r->lefts, l, next) {
		if (l->asked)
			continue;
		if (!l->place) { /* its provider cannot name what it has, and ends it when its time is over */
			log_warn("sandbox_left", LOG_S("tag", l->tag), LOG_S("provider", l->provider));
			forget(l);
			continue;
		}
		l->asked = true;
		host_reap(r->core->host, l->place, on_reaped, l);
	}
}

int reaper_list(const struct reaper *r, bool first, struct buf *out)
{
	const struct left *l;
	int rc = 0;

	DL_FOREACH (r->lefts, l) {
		if (rc == 0)
			rc = buf_append_str(out, first ? "{" : ",{");
		if (rc == 0)
			rc = buf_append_member(out, "tag", l->tag);
		if (rc == 0)
			rc = buf_append_member(out, "provider", l->provider);
		if (rc == 0)
			rc = buf_append_str(out, ",\"state\":\"reaping\"}");
		first = false;
	}
	return rc;
}

int reaper_new(struct core *core, struct reaper **ret, struct error *err)
{
	struct reaper *r = calloc(1, sizeof(*r));
	int rc;

	if (!r)
		return error_set(err, -ENOMEM, "no memory for the broker");
	r->core = core;
	r->began_ms = clock_now_ms();
	*ret = r;
	rc = store_sandboxes_load(core->store, on_row, r, err);
	if (rc == 0)
		reaper_look(r);
	return rc;
}

struct reaper *reaper_free(struct reaper *r)
{
	while (r && r->lefts)
		left_free(r->lefts);
	free(r);
	return NULL;
}
