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

const char *mcp_config_hint(const struct client *c)
{
	if (client_config(c)->path)
		return NULL;
	return "There is no configuration, so no MCP server can be called. Write ~/.config/hawser/hawser.yaml:\n"
	       "mcpServers:\n  files:\n    command: npx\n"
	       "    args: [-y, \"@modelcontextprotocol/server-filesystem\", \"${HOME}/Documents\"]";
}

/* ---- answers ---- */

/* From offset on, whole characters, with where the next one begins. */
static int put_slice(const struct mcp_request *q, const struct run_result *result, size_t max, struct buf *out,
		     struct error *err)
{
	_cleanup_buf_ struct buf part = BUF_INIT(max + 16);
	size_t total = 0, n;
	int r = run_result_slice(result, q->offset, max, &part, &total, err);

	if (r < 0)
		return r;
	n = q->offset + part.len < total ? span_utf8_floor((const char *)buf_head(&part), part.len) : part.len;
	r = buf_append(out, buf_head(&part), n);
	if (r == 0 && q->offset + n < total)
		r = buf_printf(out, "\n[bytes %zu to %zu of %zu; go on with offset %zu]", q->offset, q->offset + n,
			       total, q->offset + n);
	return r;
}

void mcp_answer_result(struct mcp_request *q, const struct run_result *result)
{
	_cleanup_buf_ struct buf text = BUF_INIT(MCP_ANSWER_MAX), structured = BUF_INIT(MCP_ANSWER_MAX);
	size_t max = (size_t)limits(q)->reply;
	_cleanup_error_ struct error err = ERROR_INIT;
	const char *hint = mcp_config_hint(mcp_client(q));
	bool ok = run_result_ok(result);
	int r;

	r = q->has_offset ? put_slice(q, result, max, &text, &err) : run_result_text(result, max, &text);
	if (r == 0 && hint && !ok)
		r = buf_printf(&text, "\n%s", hint);
	if (r == 0) /* the same budget again for the value, and a quarter of it for each of the other texts */
		r = run_result_json(result, max, max / 4, &structured);
	q->run = NULL;
	if (r < 0)
		mcp_answer_text(q, true, "The result cannot be shown: %s",
				err.code ? error_text(&err) : "it is too large");
	else
		mcp_answer_tool(q, span_of(buf_head(&text), text.len), span_of(buf_head(&structured), structured.len),
				!ok);
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
	tell_progress(q);
}

static void on_state(void *user, const char *what)
{
	struct mcp_request *q = user;

	snprintf(q->what, sizeof(q->what), "%s", what);
}

static void on_output(void *user, unsigned channel, const uint8_t *data, size_t len)
{
	struct mcp_request *q = user;

	if (clock_now_ms() - q->told_ms >= MCP_PROGRESS_LEAST_MS)
		tell_progress(q);
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
		       "Still running after %.0f s. Call wait_run {\"run_id\":\"%s\"} to wait for its result, or with "
		       "\"cancel\":true to end it.\n",
		       (double)(clock_now_ms() - q->started_ms) / 1000, run_id(run));
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
	q->started_ms = clock_now_ms(); /* told_ms 0: the first output is told at once */
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
	json_auto_t *p = NULL;
	int r = mcp_decode(arguments, run_request_table, run_request_count, &request, &p, &err);

	if (r == 0)
		r = run_start(mcp_client(q), &request, &nothing, q, &q->run, &err);
	json_table_done(run_request_table, run_request_count, &request);
	if (r < 0)
		mcp_answer_text(q, true, "%s", error_text(&err));
	else
		mcp_follow(q);
}
