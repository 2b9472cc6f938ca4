/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run.start {request, live}: while the run lasts notifications run.state {id, run, what} and, with live, run.output
 * {id, channel, data} (base64: output is bytes); its answer is {result, live: {stdout, stderr, log}} with how much was
 * sent live, so that a client that was too slow prints the rest from the result.
 */
#include "broker/doors/local/internal.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

enum { RUN_CODE_MAX = 8 * 1024 * 1024 };

static const char *const channel_names[4] = {NULL, "stdout", "stderr", "log"};

static void on_state(void *user, const char *what)
{
	_cleanup_buf_ struct buf members = BUF_INIT(4096);
	struct request *q = user;

	if (buf_append_member(&members, "run", run_id(q->run)) == 0 && buf_append_member(&members, "what", what) == 0)
		request_notify(q, "run.state", span_of(buf_head(&members), members.len));
}

void request_send_output(struct request *q, unsigned channel, const void *data, size_t len)
{
	size_t room = 4 * ((len + 2) / 3) + 1;
	_cleanup_buf_ struct buf members = BUF_INIT(room + 64);
	uint8_t *text;

	q->sent[channel] += len;
	if (buf_printf(&members, "\"channel\":\"%s\",\"data\":\"", channel_names[channel]) < 0)
		return;
	text = buf_reserve(&members, room);
	if (!text)
		return;
	buf_commit(&members, (size_t)EVP_EncodeBlock(text, data, (int)len));
	if (buf_append_str(&members, "\"") == 0)
		request_notify(q, "run.output", span_of(buf_head(&members), members.len));
}

static void on_output(void *user, unsigned channel, const uint8_t *data, size_t len)
{
	struct request *q = user;

	if (!q->live || channel == 0 || channel >= ARRAY_SIZE(channel_names) || !q->conn)
		return;
	/* In order or not at all: once something was left out, the rest of it comes with the result. */
	if (q->lagging || io_queued(q->conn->io) > LOCAL_LIVE_MAX) {
		q->lagging = true;
		return;
	}
	request_send_output(q, channel, data, len);
}

/* ---- the answer ---- */

struct answer {
	struct request *q;
	const struct run_result *result;
	struct buf out, line;
	int r;
};

static void make_answer(void *user)
{
	struct answer *a = user;
	const struct request *q = a->q;

	a->r = buf_append_str(&a->out, "{\"result\":");
	if (a->r == 0)
		a->r = run_result_json(a->result, 0, 0, &a->out);
	if (a->r == 0)
		a->r = buf_printf(&a->out, ",\"ok\":%s,\"live\":{\"on\":%s,\"stdout\":%zu,\"stderr\":%zu,\"log\":%zu}}",
				  run_result_ok(a->result) ? "true" : "false", q->live ? "true" : "false", q->sent[1],
				  q->sent[2], q->sent[3]);
	if (a->r == 0)
		a->r = jsonrpc_write_response(&a->line, span_of(q->id, strlen(q->id)),
					      span_of(buf_head(&a->out), a->out.len));
	buf_done(&a->out);
}

static void on_answer_made(void *user)
{
	struct answer *a = user;

	if (a->r < 0)
		request_fail(a->q, LOCAL_CODE_FAILED, "the result is too large to be sent");
	else
		request_answer_line(a->q, &a->line);
	buf_done(&a->line);
	free(a);
}

void request_answer_run(struct request *q, const struct run_result *result)
{
	struct answer *a = calloc(1, sizeof(*a));

	if (!a)
		return request_fail(q, LOCAL_CODE_FAILED, "no memory for the result");
	*a = (struct answer){
		.q = q, .result = result, .out = BUF_INIT(LOCAL_QUEUE_MAX - 4096), .line = BUF_INIT(LOCAL_QUEUE_MAX)};
	run_result_read(result, make_answer, on_answer_made, a);
}

static void on_end(void *user, const struct run_result *result)
{
	struct request *q = user;

	q->run = NULL;
	request_answer_run(q, result);
}

static const struct run_events run_events = {.state = on_state, .output = on_output, .end = on_end};

static int decode(struct span params, struct run_request *ret, bool *ret_live, struct error *err)
{
	if (!params.p || params.len > RUN_CODE_MAX)
		return error_set(err, -E2BIG, "code and data are over %d bytes together", RUN_CODE_MAX);
	*ret_live = span_bool(span_member(params, "live"), false);
	return json_table_read(run_request_table, run_request_count, span_member(params, "request"), false, ret, err);
}

void method_run_start(struct request *q, struct span params)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct run_request request = {0};
	int r;

	r = decode(params, &request, &q->live, &err);
	if (r == 0)
		r = run_start(door_client_get(q->conn->client), &request, &run_events, q, &q->run, &err);
	json_table_done(run_request_table, run_request_count, &request);
	if (r < 0)
		request_fail_error(q, LOCAL_CODE_CONFIG, &err);
}

/* {"id": the id of the run.start} */
void method_run_cancel(struct request *q, struct span params)
{
	struct span id = params.p ? span_member(params, "id") : SPAN_NONE;

	for (struct request *other = q->conn->requests; other && id.p; other = other->next)
		if (other->run && span_equals(id, other->id)) {
			run_cancel(other->run, "cancelled by the person who started it");
			break;
		}
	request_answer(q, SPAN_LIT("{}"));
}

void request_abandon_run(struct request *q)
{
	struct run *run = TAKE_PTR(q->run);

	run_follow(run, NULL, NULL);
	run_cancel(run, "the client hung up");
}
