/* SPDX-License-Identifier: Apache-2.0 */
/*
 * execute_code: start, follow, answer. Whoever waits too long is told how to go on waiting, before the client's own
 * patience ends; the run itself does not notice.
 */
#include "base/clock.h"
#include "broker/doors/mcp/internal.h"
#include "broker/doors/mcp/tables.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct config_limits *limits(const struct mcp_request *q)
{
	return &client_config(mcp_client(q))->limits;
}

char *mcp_config_hint(const struct client *c)
{
	const struct config *config = client_config(c);
	char *hint;

	if (config->path || !config->wanted)
		return NULL;
	return asprintf(&hint,
			"There is no configuration, so no MCP server can be called. Write %s:\n"
			"mcpServers:\n  files:\n    command: npx\n"
			"    args: [-y, \"@modelcontextprotocol/server-filesystem\", \"${HOME}/Documents\"]",
			config->wanted) < 0
		       ? NULL
		       : hint;
}

/* ---- answers ---- */

struct answer {
	struct mcp_request *q;
	const struct run_result *result;
	char *hint;
	size_t max; /* limits.reply */
	struct buf text, structured;
	struct error err;
	int r;
};

/* From offset on, whole characters, with where the next one begins. */
static int put_slice(struct answer *a)
{
	_cleanup_buf_ struct buf part = BUF_INIT(a->max + 16);
	size_t total = 0, n, offset = a->q->offset;
	int r = run_result_slice(a->result, offset, a->max, &part, &total, &a->err);

	if (r < 0)
		return r;
	n = offset + part.len < total ? span_utf8_floor((const char *)buf_head(&part), part.len) : part.len;
	r = buf_append(&a->text, buf_head(&part), n);
	if (r == 0 && offset + n < total)
		r = buf_printf(&a->text, "\n[bytes %zu to %zu of %zu; go on with offset %zu]", offset, offset + n,
			       total, offset + n);
	return r;
}

static void make_answer(void *user)
{
	struct answer *a = user;

	a->r = a->q->has_offset ? put_slice(a) : run_result_text(a->result, a->max, &a->text);
	if (a->r == 0 && a->hint && !run_result_ok(a->result))
		a->r = buf_printf(&a->text, "\n%s", a->hint);
	if (a->r == 0) /* the same budget again for the value, and a quarter of it for each of the other texts */
		a->r = run_result_json(a->result, a->max, a->max / 4, &a->structured);
}

static void on_answer_made(void *user)
{
	struct answer *a = user;

	a->q->owed = false;
	if (a->r < 0)
		mcp_answer_text(a->q, true, "The result cannot be shown: %s",
				a->err.code ? error_text(&a->err) : "it is too large");
	else
		mcp_answer_tool(a->q, span_of(buf_head(&a->text), a->text.len),
				span_of(buf_head(&a->structured), a->structured.len), !run_result_ok(a->result));
	buf_done(&a->text);
	buf_done(&a->structured);
	error_done(&a->err);
	free(a->hint);
	free(a);
}

void mcp_answer_result(struct mcp_request *q, const struct run_result *result)
{
	struct answer *a = calloc(1, sizeof(*a));

	q->run = NULL;
	q->yield = loop_timer_free(q->yield);
	q->progress = loop_timer_free(q->progress);
	if (!a)
		return mcp_answer_text(q, true, "The result cannot be shown: no memory");
	*a = (struct answer){.q = q,
			     .result = result,
			     .hint = mcp_config_hint(mcp_client(q)),
			     .max = (size_t)limits(q)->reply,
			     .text = BUF_INIT(MCP_ANSWER_MAX),
			     .structured = BUF_INIT(MCP_ANSWER_MAX)};
	q->owed = true;
	run_result_read(result, make_answer, on_answer_made, a);
}

/* ---- while it lasts ---- */

static void tell_progress(struct mcp_request *q)
{
	_cleanup_buf_ struct buf params = BUF_INIT(4096);
	uint64_t now = clock_now_ms();
	char message[160];

	if (!q->token || !q->m)
		return;
	q->told_ms = now;
	snprintf(message, sizeof(message), "%s, %.0f s", q->what[0] ? q->what : "running",
		 (double)(now - q->started_ms) / 1000);
	if (buf_printf(&params, "{\"progressToken\":%s,\"progress\":%" PRIu64 ",\"message\":", q->token, ++q->beats) ==
		    0 &&
	    buf_append_json(&params, message, strlen(message)) == 0 && buf_append_str(&params, "}") == 0)
		mcp_notify(q->m, "notifications/progress", span_of(buf_head(&params), params.len));
}

static void on_progress_timer(void *user)
{
	struct mcp_request *q = user;

	loop_timer_start(q->progress, MCP_PROGRESS_MS);
	q->soon = false;
	tell_progress(q);
}

static void on_state(void *user, const char *what)
{
	struct mcp_request *q = user;

	snprintf(q->what, sizeof(q->what), "%s", what);
	tell_progress(q);
}

/* Not at once: the run may end with this output, and a client that finds progress right before the answer takes both up
 * in the other order (TypeScript SDK 1: "unknown token"). */
static void on_output(void *user, unsigned channel, const uint8_t *data, size_t len)
{
	struct mcp_request *q = user;

	if (!q->progress || q->soon || clock_now_ms() - q->told_ms < MCP_PROGRESS_LEAST_MS)
		return;
	q->soon = true;
	loop_timer_start(q->progress, MCP_PROGRESS_SOON_MS);
}

static void on_end(void *user, const struct run_result *result)
{
	mcp_answer_result(user, result);
}

/* It is time to answer, though the run goes on; nobody follows it until wait_run comes. */
static void on_yield(void *user)
{
	_cleanup_buf_ struct buf text = BUF_INIT(1024 * 1024), structured = BUF_INIT(4096);
	struct mcp_request *q = user;
	struct run *run = q->run;
	int r;

	run_follow(run, NULL, NULL);
	r = buf_printf(&text,
		       "Still %s after %.0f s. Call wait_run {\"run_id\":\"%s\"} to wait for its result, or with "
		       "\"cancel\":true to end it.\n",
		       q->what[0] ? q->what : "running", (double)(clock_now_ms() - q->started_ms) / 1000, run_id(run));
	if (r == 0 && run_progress_text(run, &text) == 0 &&
	    buf_printf(&structured, "{\"run_id\":\"%s\",\"status\":\"running\"}", run_id(run)) == 0) {
		size_t max = (size_t)limits(q)->reply;

		q->run = NULL;
		mcp_answer_tool(q,
				span_of(buf_head(&text), text.len > max
								 ? span_utf8_floor((const char *)buf_head(&text), max)
								 : text.len),
				span_of(buf_head(&structured), structured.len), false);
		return;
	}
	q->run = NULL;
	mcp_answer_text(q, false, "Still running. Call wait_run {\"run_id\":\"%s\"}.", run_id(run));
}

/* Another request of this session may follow the run already: only one can, so that one is answered now. */
static void relieve_others(struct mcp_request *q)
{
	struct mcp_request *other, *next;

	for (other = q->m->requests; other; other = next) {
		next = other->next;
		if (other != q && other->run == q->run)
			on_yield(other);
	}
}

void mcp_follow(struct mcp_request *q)
{
	static const struct run_events events = {.state = on_state, .output = on_output, .end = on_end};
	_cleanup_error_ struct error err = ERROR_INIT;

	relieve_others(q);
	q->started_ms = clock_now_ms(); /* told_ms 0: the first output is told */
	run_follow(q->run, &events, q);
	if (loop_timer_new(q->m->o.loop, on_yield, q, &q->yield, &err) == 0)
		loop_timer_start(q->yield, (uint64_t)limits(q)->yield_ms);
	if (q->token && loop_timer_new(q->m->o.loop, on_progress_timer, q, &q->progress, &err) == 0)
		loop_timer_start(q->progress, MCP_PROGRESS_MS);
}

void mcp_execute_code(struct mcp_request *q, struct span arguments)
{
	static const struct run_events nothing = {0};
	_cleanup_error_ struct error err = ERROR_INIT;
	struct run_request request = {0};
	int r = json_table_read(run_request_table, run_request_count, arguments, false, &request, &err);

	if (r == 0)
		r = run_start(mcp_client(q), &request, &nothing, q, &q->run, &err);
	json_table_done(run_request_table, run_request_count, &request);
	if (r < 0)
		mcp_answer_text(q, true, "%s", error_text(&err));
	else
		mcp_follow(q);
}
