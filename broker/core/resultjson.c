/* SPDX-License-Identifier: Apache-2.0 */
/* The result object of design.md section 6: the four keys of the field first, then ours. */
#include "broker/core/runs.h"

#include <errno.h>
#include <string.h>

struct left_out {
	uint64_t result, logs, out, err;
};

static void halves(struct excerpt *e, size_t max)
{
	excerpt_init(e, max ? max - max / 2 : 0, max / 2);
}

/* ---- result ---- */

struct value {
	struct buf *out;
	size_t max;
	uint64_t left_out;
	int rc;
	bool found;
};

/* A message of a door is one line. In JSON a line break stands between tokens only. */
static void blank_line_breaks(uint8_t *text, size_t len)
{
	for (uint8_t *at = text; (at = memchr(at, '\n', len - (size_t)(at - text)));)
		*at = ' ';
	for (uint8_t *at = text; (at = memchr(at, '\r', len - (size_t)(at - text)));)
		*at = ' ';
}

static void put_value(void *user, unsigned channel, const char *data, size_t len)
{
	struct value *v = user;

	(void)channel;
	v->found = true;
	if (v->max == 0 || len <= v->max) {
		v->rc = buf_append(v->out, data, len);
		if (v->rc == 0)
			blank_line_breaks(buf_head(v->out) + v->out->len - len, len);
		return;
	}
	/* JSON that is cut is no JSON: its beginning as a string. */
	v->left_out = len - span_utf8_floor(data, v->max);
	v->rc = buf_append_json(v->out, data, span_utf8_floor(data, v->max));
}

static int put_result(const struct run *run, size_t max, struct left_out *left, struct buf *out)
{
	struct value v = {.out = out, .max = max};
	int r = runfiles_walk_result(&run->files, put_value, &v);

	if (r == 0)
		r = v.rc;
	if (r == 0 && !v.found)
		r = buf_append_str(out, "null");
	left->result = v.left_out;
	return r;
}

/* ---- logs: each entry is one JSON string a line while it is cut, then an array ---- */

struct logs {
	struct excerpt e;
	struct buf literal; /* of one entry, kept for the next: there may be millions */
};

static void feed_json_entry(void *user, const char *level, const char *text, size_t len)
{
	struct logs *l = user;

	buf_clear(&l->literal);
	l->literal.max = 6 * len + 3;
	if (buf_append_json(&l->literal, text, len) < 0 || buf_append(&l->literal, "\n", 1) < 0)
		return;
	if (*level) { /* goes in behind the quotation mark */
		excerpt_feed(&l->e, "\"", 1);
		excerpt_feed(&l->e, level, strlen(level));
		excerpt_feed(&l->e, buf_head(&l->literal) + 1, l->literal.len - 1);
	} else {
		excerpt_feed(&l->e, buf_head(&l->literal), l->literal.len);
	}
}

static int put_array_part(struct buf *out, const struct buf *lines, bool *first)
{
	const char *p = lines->len ? (const char *)buf_head(lines) : "", *end = p + lines->len;
	int r = 0;

	while (r == 0 && p < end) {
		const char *newline = memchr(p, '\n', (size_t)(end - p));

		if (!newline)
			break;
		r = *first ? 0 : buf_append(out, ",", 1);
		if (r == 0)
			r = buf_append(out, p, (size_t)(newline - p));
		*first = false;
		p = newline + 1;
	}
	return r;
}

/* Nothing was left out: an entry may begin in the head and end in the tail. */
static int join(struct excerpt *e)
{
	int r;

	e->head.max += e->tail.len;
	r = e->tail.len > 0 ? buf_append(&e->head, buf_head(&e->tail), e->tail.len) : 0;
	buf_clear(&e->tail);
	return r;
}

static int put_logs(const struct run *run, size_t max, struct left_out *left, struct buf *out)
{
	struct logs l = {.literal = BUF_INIT(0)};
	bool first = true;
	int r;

	halves(&l.e, max);
	r = result_walk_entries(run, feed_json_entry, &l);
	excerpt_trim(&l.e, true);
	left->logs = excerpt_left_out(&l.e);
	if (r == 0 && left->logs == 0)
		r = join(&l.e);
	if (r == 0)
		r = buf_append(out, "[", 1);
	if (r == 0)
		r = put_array_part(out, &l.e.head, &first);
	if (r == 0 && left->logs > 0)
		r = buf_printf(out, "%s\"[... %llu bytes left out ...]\"", first ? "" : ",",
			       (unsigned long long)left->logs);
	if (left->logs > 0)
		first = false;
	if (r == 0)
		r = put_array_part(out, &l.e.tail, &first);
	excerpt_done(&l.e);
	buf_done(&l.literal);
	return r ? r : buf_append(out, "]", 1);
}

/* ---- stdout, stderr ---- */

struct stream_text {
	unsigned channel;
	struct excerpt e;
};

static void feed_stream(void *user, unsigned channel, const char *data, size_t len)
{
	struct stream_text *s = user;
	unsigned log_channel;

	if (channel == s->channel)
		excerpt_feed(&s->e, data, len);
	if (channel != CHANNEL_LOG || len == 0)
		return;
	log_channel = data[0] == 'e' || data[0] == 'w' ? CHANNEL_STDERR : CHANNEL_STDOUT;
	if (log_channel != s->channel)
		return;
	excerpt_feed(&s->e, data + 1, len - 1);
	excerpt_feed(&s->e, "\n", 1);
}

static int put_stream(const struct run *run, unsigned channel, size_t max, uint64_t *left, struct buf *out)
{
	struct stream_text s = {.channel = channel};
	struct buf whole = BUF_INIT(SIZE_MAX / 8);
	int r;

	halves(&s.e, max);
	r = runfiles_walk(&run->files, feed_stream, &s);
	excerpt_trim(&s.e, false);
	*left = excerpt_left_out(&s.e);
	if (r == 0 && *left == 0 && s.e.tail.len == 0) {
		r = buf_append_json(out, s.e.head.len ? (const char *)buf_head(&s.e.head) : "", s.e.head.len);
	} else if (r == 0) {
		r = buf_append(&whole, buf_head(&s.e.head), s.e.head.len);
		if (r == 0 && *left > 0)
			r = buf_printf(&whole, "\n[... %llu bytes left out ...]\n", (unsigned long long)*left);
		if (r == 0)
			r = buf_append(&whole, buf_head(&s.e.tail), s.e.tail.len);
		if (r == 0)
			r = buf_append_json(out, (const char *)buf_head(&whole), whole.len);
	}
	buf_done(&whole);
	excerpt_done(&s.e);
	return r;
}

/* ---- the rest ---- */

static int put_key_json(struct buf *out, const char *key, const json_t *value, const char *otherwise)
{
	int r = buf_printf(out, ",\"%s\":", key);

	if (r == 0)
		r = value ? json_print(out, value) : buf_append_str(out, otherwise);
	return r;
}

int result_put_calls(const struct run *run, struct buf *out)
{
	struct tool_count *count, *next;
	bool first = true;
	int r = buf_append_str(out, "[");

	HASH_ITER (hh, run->counts, count, next) {
		if (r == 0)
			r = buf_append_str(out, first ? "{" : ",{");
		if (r == 0)
			r = buf_append_member(out, "server", count->server);
		if (r == 0)
			r = buf_append_member(out, "tool", count->tool);
		if (r == 0)
			r = buf_printf(out,
				       ",\"calls\":%llu,\"errors\":%llu,\"denied\":%llu,\"ms\":%llu,\"bytes\":%llu}",
				       (unsigned long long)count->calls, (unsigned long long)count->errors,
				       (unsigned long long)count->denied, (unsigned long long)count->ms,
				       (unsigned long long)count->bytes);
		first = false;
	}
	return r ? r : buf_append_str(out, "]");
}

static int put_truncated(const struct run_result *r, const struct left_out *left, struct buf *out)
{
	json_int_t dropped = 0;

	json_unpack(r->tail, "{s?I}", "dropped", &dropped);
	return buf_printf(out,
			  ",\"truncated\":{\"dropped\":%lld,\"result\":%llu,\"logs\":%llu,\"stdout\":%llu,\"stderr\":"
			  "%llu},\"artifacts\":[]",
			  (long long)dropped, (unsigned long long)left->result, (unsigned long long)left->logs,
			  (unsigned long long)left->out, (unsigned long long)left->err);
}

static int put_sandbox(const struct run *run, struct buf *out)
{
	int r = buf_append_str(out, ",\"sandbox\":{");

	if (r == 0)
		r = buf_append_member(out, "provider", run->provider);
	if (r == 0)
		r = buf_append_member(out, "isolation", run->isolation);
	if (r == 0)
		r = buf_append_member(out, "why", run->why);
	return r ? r : buf_append_str(out, "}}");
}

int run_result_json(const struct run_result *r, size_t max_result, size_t max_text, struct buf *out)
{
	static const char no_usage[] = "{\"wall_ms\":0,\"cpu_ms\":0,\"max_rss\":0}";
	struct left_out left = {0};
	int rc = buf_append_str(out, "{\"result\":");

	if (rc == 0)
		rc = put_result(r->run, max_result, &left, out);
	if (rc == 0)
		rc = buf_append_str(out, ",\"logs\":");
	if (rc == 0)
		rc = put_logs(r->run, max_text, &left, out);
	if (rc == 0)
		rc = buf_append_member(out, "error", r->error);
	if (rc == 0)
		rc = buf_printf(out, ",\"execution_time\":%.6f", r->seconds);
	if (rc == 0)
		rc = buf_append_member(out, "run_id", r->run->id);
	if (rc == 0)
		rc = buf_append_member(out, "status", r->status);
	if (rc == 0)
		rc = buf_append_str(out, ",\"stdout\":");
	if (rc == 0)
		rc = put_stream(r->run, CHANNEL_STDOUT, max_text, &left.out, out);
	if (rc == 0)
		rc = buf_append_str(out, ",\"stderr\":");
	if (rc == 0)
		rc = put_stream(r->run, CHANNEL_STDERR, max_text, &left.err, out);
	if (rc == 0)
		rc = buf_printf(out, ",\"exit_code\":%d", r->exit_code);
	if (rc == 0)
		rc = put_key_json(out, "error_detail", json_object_get(r->tail, "error"), "null");
	if (rc == 0)
		rc = buf_append_str(out, ",\"tool_calls\":");
	if (rc == 0)
		rc = result_put_calls(r->run, out);
	if (rc == 0)
		rc = put_key_json(out, "usage", json_object_get(r->tail, "usage"), no_usage);
	if (rc == 0)
		rc = put_truncated(r, &left, out);
	return rc ? rc : put_sandbox(r->run, out);
}
