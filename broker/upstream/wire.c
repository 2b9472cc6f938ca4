/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Short lines are read where they stand in the stream's buffer. A line that is still unfinished after WIRE_HELD bytes
 * is collected here, each byte looked at once; its storage then travels with the message, so that a big result is never
 * copied again. From WIRE_INLINE_MAX on, the check runs on another thread, at most WIRE_JOBS_MAX lines at a time.
 */
#include "broker/upstream/wire.h"

#include <errno.h>
#include <string.h>

#define WIRE_HELD (64u << 10)
#define WIRE_JOBS_MAX 4u
#define WIRE_EDGE 256u /* bytes that are kept of either end of a line over the maximum */

struct wire {
	struct loop *loop;
	struct wire_events events;
	void *user;
	struct jsonrpc_framer framer;
	struct buf line; /* the long line that is being collected */
	bool collecting;
	bool skipping; /* ... which is over the maximum: line holds its two edges only */
	bool paused, dead;
	unsigned jobs;
	unsigned refs; /* the owner and the jobs */
};

struct job {
	struct wire *wire;
	struct buf line;
	struct jsonrpc_message message;
	struct error err;
	int result;
};

int wire_new(struct loop *loop, size_t line_max, const struct wire_events *events, void *user, struct wire **ret,
	     struct error *err)
{
	struct wire *w = calloc(1, sizeof(*w));

	if (!w)
		return error_set(err, -ENOMEM, "no memory for a server's messages");
	w->loop = loop;
	w->events = *events;
	w->user = user;
	w->line.max = line_max + 1; /* a CR may stand before the line's end */
	w->refs = 1;
	*ret = w;
	return 0;
}

static void unref(void *user)
{
	struct wire *w = user;

	if (--w->refs > 0)
		return;
	buf_done(&w->line);
	free(w);
}

struct wire *wire_free(struct wire *w)
{
	if (!w)
		return NULL;
	w->dead = true;
	loop_defer(w->loop, unref, w);
	return NULL;
}

bool wire_paused(const struct wire *w)
{
	return w->paused;
}

bool wire_busy(const struct wire *w)
{
	return w->jobs > 0;
}

static bool is_blank(struct span line)
{
	for (size_t i = 0; i < line.len; i++)
		if (line.p[i] != ' ' && line.p[i] != '\t' && line.p[i] != '\r')
			return false;
	return true;
}

static void read_line(struct wire *w, struct span line, struct buf *storage)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct jsonrpc_message message;

	if (is_blank(line))
		return;
	if (jsonrpc_parse(line, false, &message, &err) < 0)
		w->events.garbage(w->user, line, error_text(&err));
	else
		w->events.message(w->user, &message, storage);
}

/* ---- on another thread ---- */

static void job_run(void *user)
{
	struct job *job = user;

	job->result = jsonrpc_parse(span_of(buf_head(&job->line), job->line.len), false, &job->message, &job->err);
}

static void set_paused(struct wire *w)
{
	bool paused = w->jobs >= WIRE_JOBS_MAX;

	if (paused == w->paused || w->dead)
		return;
	w->paused = paused;
	w->events.pause(w->user, paused);
}

static void job_done(void *user)
{
	struct job *job = user;
	struct wire *w = job->wire;

	w->jobs--;
	if (!w->dead && job->result < 0)
		w->events.garbage(w->user, span_of(buf_head(&job->line), job->line.len), error_text(&job->err));
	else if (!w->dead)
		w->events.message(w->user, &job->message, &job->line);
	set_paused(w);
	if (w->jobs == 0 && !w->dead)
		w->events.idle(w->user);
	buf_done(&job->line);
	error_done(&job->err);
	free(job);
	unref(w);
}

/* Takes the line's storage over. */
static void start_job(struct wire *w, struct buf *line)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct job *job = calloc(1, sizeof(*job));

	if (!job)
		abort();
	job->wire = w;
	job->line = *line;
	*line = (struct buf)BUF_INIT(line->max);
	if (loop_work_start(w->loop, job_run, job_done, job, &err) < 0)
		abort(); /* only without memory */
	w->refs++;
	w->jobs++;
	set_paused(w);
}

/* ---- long lines ---- */

static void keep_edges(struct wire *w)
{
	uint8_t *text = buf_head(&w->line);

	if (w->line.len <= 2 * WIRE_EDGE)
		return;
	memmove(text + WIRE_EDGE, text + w->line.len - WIRE_EDGE, WIRE_EDGE);
	w->line.len = 2 * WIRE_EDGE;
}

static void tell_too_large(struct wire *w, bool over)
{
	const char *text = (const char *)buf_head(&w->line);

	w->events.too_large(w->user, span_of(text, WIRE_EDGE), span_of(text + WIRE_EDGE, WIRE_EDGE), over);
}

static void collect(struct wire *w, const uint8_t *bytes, size_t len)
{
	if (!w->skipping && buf_append(&w->line, bytes, len) == 0)
		return;
	if (!w->skipping) {
		w->skipping = true;
		keep_edges(w);
		tell_too_large(w, false);
		if (w->dead)
			return;
	}
	if (len > WIRE_EDGE) { /* the last ones are enough */
		bytes += len - WIRE_EDGE;
		len = WIRE_EDGE;
	}
	if (buf_append(&w->line, bytes, len) == 0)
		keep_edges(w);
}

void wire_take(struct wire *w, struct buf *text)
{
	struct buf line = *text;

	*text = (struct buf)BUF_INIT(text->max);
	if (line.len > WIRE_INLINE_MAX) {
		start_job(w, &line);
		return;
	}
	read_line(w, span_of(buf_head(&line), line.len), &line);
	buf_done(&line);
}

static void finish_long(struct wire *w)
{
	bool skipped = w->skipping;

	w->collecting = w->skipping = false;
	if (skipped) {
		tell_too_large(w, true);
		buf_clear(&w->line);
		return;
	}
	if (w->line.len && buf_head(&w->line)[w->line.len - 1] == '\r')
		w->line.len--;
	wire_take(w, &w->line);
}

static size_t continue_long(struct wire *w, const uint8_t *bytes, size_t len)
{
	const uint8_t *lf = memchr(bytes, '\n', len);

	collect(w, bytes, lf ? (size_t)(lf - bytes) : len);
	if (!lf)
		return len;
	if (!w->dead)
		finish_long(w);
	return (size_t)(lf - bytes) + 1;
}

size_t wire_data(struct wire *w, const uint8_t *bytes, size_t len)
{
	size_t used = 0, take;
	struct span line;

	while (!w->dead && !w->paused && used < len) {
		if (w->collecting) {
			used += continue_long(w, bytes + used, len - used);
		} else if (jsonrpc_next_line(&w->framer, bytes + used, len - used, &line, &take)) {
			used += take;
			read_line(w, line, NULL);
		} else if (len - used > WIRE_HELD) {
			w->framer = (struct jsonrpc_framer){0};
			w->collecting = true;
		} else {
			break;
		}
	}
	return used;
}
