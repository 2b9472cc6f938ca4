/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a finished run promises, as JSON and as the text that a model reads. Nothing is kept whole in memory: both are
 * made from the run's files when somebody asks, head and tail of whatever is over the reader's budget.
 */
#include "broker/core/runs.h"

#include <errno.h>
#include <string.h>

enum { LINE_MAX_BYTES = 64 << 10 }; /* a longer printed line is several entries */

/* ---- entries: one a console call, one a printed line ---- */

struct entries {
	void (*fn)(void *user, const char *level, const char *text, size_t len);
	void *user;
	struct buf line[CHANNEL_STDERR + 1]; /* unfinished line of stdout and stderr */
};

static void tell_line(struct entries *e, unsigned channel, const char *text, size_t len)
{
	e->fn(e->user, channel == CHANNEL_STDERR ? "[ERROR] " : "", text, len);
}

static void put_line(struct entries *e, unsigned channel)
{
	struct buf *line = &e->line[channel];

	tell_line(e, channel, (const char *)buf_head(line), line->len);
	buf_clear(line);
}

static void put_lines(struct entries *e, unsigned channel, const char *data, size_t len)
{
	struct buf *line = &e->line[channel];

	while (len > 0) {
		const char *newline = memchr(data, '\n', len);
		size_t n = newline ? (size_t)(newline - data) : len;

		if (newline && line->len == 0 && n < buf_room(line)) { /* whole as it lies there */
			tell_line(e, channel, data, n);
			data += n + 1;
			len -= n + 1;
			continue;
		}
		if (n > buf_room(line))
			n = buf_room(line);
		if (buf_append(line, data, n) < 0)
			return;
		data += n;
		len -= n;
		if (len > 0 && *data == '\n') {
			put_line(e, channel);
			data++;
			len--;
		} else if (buf_room(line) == 0) {
			put_line(e, channel);
		}
	}
}

static void on_event(void *user, unsigned channel, const char *data, size_t len)
{
	struct entries *e = user;

	if (channel == CHANNEL_STDOUT || channel == CHANNEL_STDERR)
		put_lines(e, channel, data, len);
	else if (channel == CHANNEL_LOG && len > 0)
		e->fn(e->user, data[0] == 'e' ? "[ERROR] " : data[0] == 'w' ? "[WARN] " : "", data + 1, len - 1);
}

int result_walk_entries(const struct run *run, void (*fn)(void *user, const char *level, const char *text, size_t len),
			void *user)
{
	struct entries e = {.fn = fn, .user = user};
	int r;

	e.line[CHANNEL_STDOUT].max = e.line[CHANNEL_STDERR].max = LINE_MAX_BYTES;
	r = runfiles_walk(&run->files, on_event, &e);
	for (unsigned channel = CHANNEL_STDOUT; channel <= CHANNEL_STDERR; channel++) {
		if (e.line[channel].len > 0)
			put_line(&e, channel);
		buf_done(&e.line[channel]);
	}
	return r;
}

/* ---- text ---- */

static void feed_str(struct excerpt *e, const char *text)
{
	excerpt_feed(e, text, strlen(text));
}

static void feed_entry(void *user, const char *level, const char *text, size_t len)
{
	feed_str(user, level);
	excerpt_feed(user, text, len);
	feed_str(user, "\n");
}

/* A string is shown as its text, everything else as its JSON. */
static void feed_value(void *user, unsigned channel, const char *data, size_t len)
{
	struct buf text = BUF_INIT(len + 1);

	(void)channel;
	if (span_type(span_of(data, len)) == SPAN_STRING && span_string(span_of(data, len), &text) == 0)
		excerpt_feed(user, buf_head(&text), text.len);
	else
		excerpt_feed(user, data, len);
	buf_done(&text);
	feed_str(user, "\n");
}

static void feed_failure(struct excerpt *e, const struct run_result *r)
{
	const char *stack = NULL, *fix = NULL, *file = NULL;
	int line = 0, column = 0;
	char place[96] = "";

	if (r->ok)
		return;
	json_unpack(r->tail, "{s?{s?s, s?s, s?s, s?i, s?i}}", "error", "stack", &stack, "fix", &fix, "file", &file,
		    "line", &line, "column", &column);
	feed_str(e, "error: ");
	feed_str(e, r->error ? r->error : r->status);
	if (file && line > 0)
		snprintf(place, sizeof(place), "\n  at %.64s:%d:%d", file, line, column);
	feed_str(e, place);
	if (fix) {
		feed_str(e, "\nfix: ");
		feed_str(e, fix);
	}
	feed_str(e, "\n");
}

static void feed_summary(struct excerpt *e, const struct run_result *r)
{
	uint64_t calls = 0, errors = 0, denied = 0;
	struct tool_count *count, *next;
	char line[256];

	HASH_ITER (hh, r->run->counts, count, next) {
		calls += count->calls;
		errors += count->errors;
		denied += count->denied;
	}
	snprintf(line, sizeof(line), "[%s, %.0f ms, %llu calls", r->status, r->seconds * 1000.0,
		 (unsigned long long)calls);
	feed_str(e, line);
	if (errors) {
		snprintf(line, sizeof(line), " (%llu failed, %llu denied)", (unsigned long long)errors,
			 (unsigned long long)denied);
		feed_str(e, line);
	}
	snprintf(line, sizeof(line), ", %s]", r->run->provider ? r->run->provider : "no sandbox");
	feed_str(e, line);
}

static int feed_text(struct excerpt *e, const struct run_result *r)
{
	int rc;

	feed_failure(e, r);
	rc = runfiles_walk_result(&r->run->files, feed_value, e);
	if (rc == 0)
		rc = result_walk_entries(r->run, feed_entry, e);
	feed_summary(e, r);
	return rc;
}

int run_result_text(const struct run_result *r, size_t max, struct buf *out)
{
	struct excerpt e;
	int rc;

	excerpt_init(&e, max - max / 3 - 160, max / 3);
	rc = feed_text(&e, r);
	excerpt_trim(&e, false);
	if (rc == 0)
		rc = buf_append(out, buf_head(&e.head), e.head.len);
	if (rc == 0 && excerpt_left_out(&e) > 0)
		rc = buf_printf(
			out, "\n[... %llu bytes left out; wait_run {\"run_id\":\"%s\",\"offset\":%zu} reads on ...]\n",
			(unsigned long long)excerpt_left_out(&e), r->run->id, e.head.len);
	if (rc == 0)
		rc = buf_append(out, buf_head(&e.tail), e.tail.len);
	excerpt_done(&e);
	return rc;
}

int run_result_slice(const struct run_result *r, size_t offset, size_t max, struct buf *out, size_t *ret_total,
		     struct error *err)
{
	struct excerpt e;
	int rc;

	excerpt_init(&e, max, 0);
	e.skip = offset;
	rc = feed_text(&e, r);
	if (rc < 0)
		error_set_errno(err, rc, "reading the files of %s", r->run->id);
	else if (offset > e.total)
		rc = error_set(err, -EINVAL, "offset %zu is behind the end (%llu bytes)", offset,
			       (unsigned long long)e.total);
	else if ((rc = buf_append(out, buf_head(&e.head),
				  span_utf8_floor((const char *)buf_head(&e.head), e.head.len))) < 0)
		error_set(err, rc, "no memory for the answer");
	*ret_total = (size_t)e.total;
	excerpt_done(&e);
	return rc;
}

int run_progress_text(const struct run *run, struct buf *out)
{
	struct excerpt e;
	int rc;

	excerpt_init(&e, 1024, 2048);
	rc = result_walk_entries(run, feed_entry, &e);
	excerpt_trim(&e, false);
	if (rc == 0)
		rc = buf_append(out, buf_head(&e.head), e.head.len);
	if (rc == 0 && excerpt_left_out(&e) > 0)
		rc = buf_printf(out, "\n[... %llu bytes left out ...]\n", (unsigned long long)excerpt_left_out(&e));
	if (rc == 0)
		rc = buf_append(out, buf_head(&e.tail), e.tail.len);
	excerpt_done(&e);
	return rc;
}

const char *run_result_status(const struct run_result *r)
{
	return r->status;
}

bool run_result_ok(const struct run_result *r)
{
	return r->ok;
}
