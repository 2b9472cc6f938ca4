/* SPDX-License-Identifier: Apache-2.0 */
/* Runs and sandboxes as lists, for people and programs; and a run by what a person types. */
#include "broker/core/pool.h"
#include "broker/core/runs.h"

#include "base/clock.h"
#include "base/span.h"

#include <errno.h>
#include <string.h>

enum {
	LIST_RUNS_MAX = 200, /* the newest */
	ERROR_SHOWN = 500, /* bytes of a run's error */
	PREFIX_LEAST = 8, /* characters of an id, "run_" among them */
};

/* ---- runs ---- */

static const char *status_of(const struct run *run)
{
	if (run->state == RUN_ENDED)
		return run->result.status;
	return run->state == RUN_WAITING ? "waiting" : "running";
}

/* Of an error the beginning: the whole stands in the run's result. */
static int put_error(struct buf *out, const char *text)
{
	char *head = text ? strndup(text, span_utf8_floor(text, strnlen(text, ERROR_SHOWN))) : NULL;
	int r = head ? buf_append_member(out, "error", head) : text ? -ENOMEM : 0;

	free(head);
	return r;
}

static int put_if(struct buf *out, const char *name, const char *text)
{
	return text ? buf_append_member(out, name, text) : 0;
}

static int put_run(const struct run *run, bool first, struct buf *out)
{
	bool over = run->state == RUN_ENDED;
	double seconds = over ? run->result.seconds : (double)(clock_now_ms() - run->started_ms) / 1000.0;
	int r = buf_printf(out, "%s{\"run\":\"%s\",\"status\":\"%s\",\"language\":\"%s\",\"begun_ms\":%lld",
			   first ? "" : ",", run->id, status_of(run), run_language_names[run->request.language],
			   (long long)run->begun_ms);

	if (r == 0 && run->ended_ms)
		r = buf_printf(out, ",\"ended_ms\":%lld,\"exit_code\":%d", (long long)run->ended_ms,
			       run->result.exit_code);
	if (r == 0)
		r = buf_printf(out, ",\"seconds\":%.3f,\"calls\":%llu", seconds, (unsigned long long)run->calls);
	if (r == 0)
		r = put_if(out, "folder", run->folder);
	if (r == 0)
		r = put_if(out, "provider", run->provider);
	if (r == 0)
		r = put_if(out, "sandbox", run->sandbox ? sandbox_id(run->sandbox) : NULL);
	if (r == 0 && over)
		r = put_if(out, "error_kind", run_error_kind(run));
	if (r == 0 && over)
		r = put_error(out, run->result.error);
	return r ? r : buf_append_str(out, "}");
}

static struct run *newest(const struct core *core)
{
	return core->runs ? ELMT_FROM_HH(core->runs->hh.tbl, core->runs->hh.tbl->tail) : NULL;
}

int runs_list(const struct core *core, const char *subject, struct buf *out)
{
	int r = buf_append_str(out, "["), count = 0;

	for (const struct run *run = newest(core); run && r == 0 && count < LIST_RUNS_MAX; run = run->hh.prev) {
		if (run->pruned || strcmp(run->subject, subject) != 0)
			continue;
		r = put_run(run, count++ == 0, out);
	}
	return r ? r : buf_append_str(out, "]");
}

int run_look_up(const struct core *core, const char *subject, const char *text, struct run **ret, struct error *err)
{
	size_t len = strlen(text), least = len < PREFIX_LEAST ? PREFIX_LEAST : len;
	struct run *run, *found = NULL;

	for (run = newest(core); run; run = run->hh.prev) {
		if (run->pruned || strcmp(run->subject, subject) != 0 || strncmp(run->id, text, least) != 0)
			continue;
		if (found)
			return error_set(err, -EEXIST, "%s begins the ids of two runs; say more of it", text);
		found = run;
	}
	if (!found)
		return error_set(err, -ENOENT, "there is no run %s; hawser ps lists those that are kept", text);
	*ret = found;
	return 0;
}

/* ---- output ---- */

struct reader {
	void (*fn)(void *user, unsigned channel, const char *data, size_t len);
	void *user;
};

/* A log record has a letter for its level in front, and no line break behind. */
static void on_event(void *user, unsigned channel, const char *data, size_t len)
{
	const struct reader *r = user;

	if (channel != CHANNEL_LOG || len == 0) {
		r->fn(r->user, channel, data, len);
		return;
	}
	channel = data[0] == 'e' || data[0] == 'w' ? CHANNEL_STDERR : CHANNEL_STDOUT;
	r->fn(r->user, channel, data + 1, len - 1);
	r->fn(r->user, channel, "\n", 1);
}

int run_output_read(const struct run *run, uint64_t *offset, size_t max,
		    void (*fn)(void *user, unsigned channel, const char *data, size_t len), void *user)
{
	struct reader reader = {fn, user};

	return runfiles_read(&run->files, offset, max, on_event, &reader);
}

/* ---- sandboxes ---- */

static int put_sandbox(const struct sandbox *s, bool first, struct buf *out)
{
	struct sandbox_facts facts;
	int r;

	sandbox_facts(s, &facts);
	r = buf_printf(out, "%s{\"tag\":\"%s\",\"state\":\"%s\",\"made_ms\":%llu,\"parked\":\"%s\"", first ? "" : ",",
		       s->tag, sandbox_state_names[s->state], (unsigned long long)s->made_ms,
		       run_language_names[s->park]);
	if (r == 0)
		r = put_if(out, "provider", facts.provider);
	if (r == 0)
		r = put_if(out, "isolation", facts.isolation);
	if (r == 0)
		r = put_if(out, "sandbox", s->id);
	if (r == 0)
		r = put_if(out, "run", s->run[0] ? s->run : NULL);
	if (r == 0 && s->environment >= 0)
		r = put_if(out, "environment", s->pool->environments[s->environment].name);
	return r ? r : buf_append_str(out, "}");
}

int sandboxes_list(const struct core *core, struct buf *out)
{
	const struct pool *pool;
	const struct sandbox *s;
	bool first = true;
	int r = buf_append_str(out, "[");

	for (pool = core->pools; pool && r == 0; pool = pool->hh.next)
		DL_FOREACH (pool->sandboxes, s) {
			if (r == 0)
				r = put_sandbox(s, first, out);
			first = false;
		}
	if (r == 0)
		r = reaper_list(core->reaper, first, out);
	return r ? r : buf_append_str(out, "]");
}
