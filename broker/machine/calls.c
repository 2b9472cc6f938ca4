/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams of kind call: READING (arguments come in) -> OPEN (core has it) -> ANSWERED (the answer goes out) -> gone. A
 * call whose arguments are too large, or that names no open run, is answered at once; what still comes is dropped.
 */
#include "broker/machine/internal.h"

#include "base/log.h"

#include <errno.h>
#include <string.h>

static void free_call(struct machine_call *call)
{
	struct machine *m = call->stream.machine;

	HASH_DEL(m->streams, &call->stream);
	m->args_held -= call->args_charged;
	buf_done(&call->args);
	buf_done(&call->stream.out.data);
	free(call->server);
	free(call->tool);
	free(call);
}

static void answer(struct machine_call *call, struct span head, struct buf *body)
{
	struct machine *m = call->stream.machine;
	_cleanup_error_ struct error err = ERROR_INIT;
	size_t first = body ? body->len : 0, most = FRAME_PAYLOAD_MAX - 2u - head.len;

	call->state = CALL_ANSWERED;
	m->args_held -= call->args_charged;
	call->args_charged = 0;
	buf_done(&call->args);
	if (first > most)
		first = most;
	if (tunnel_head(m->tunnel, call->stream.id, head.p, head.len, body ? buf_head(body) : NULL, first,
			!body || first == body->len, &err) < 0) {
		static const char why[] = "{\"reason\":\"internal\",\"message\":\"the answer could not be sent\"}";

		tunnel_reset(m->tunnel, call->stream.id, why, sizeof(why) - 1);
		free_call(call);
		return;
	}
	if (body && first < body->len) {
		buf_consume(body, first);
		call->stream.out = (struct sender){.data = *body, .fin = true};
		*body = (struct buf)BUF_INIT(0);
	}
	if (machine_push(&call->stream))
		machine_call_on_sent(call);
	machine_kick(m);
}

static void refuse(struct machine_call *call, const char *kind, const char *message, const char *fix)
{
	_cleanup_buf_ struct buf head = BUF_INIT(FRAME_HEAD_MAX);

	if (buf_printf(&head, "{\"ok\":false,\"kind\":\"%s\",\"message\":\"%s\",\"fix\":\"%s\",\"retryable\":false}",
		       kind, message, fix) == 0)
		answer(call, span_of(buf_head(&head), head.len), NULL);
}

static int read_head(struct machine_call *call, struct span head, struct error *err)
{
	struct machine *m = call->stream.machine;
	int64_t number;
	int r = span_check(head, true, &head, err);

	if (r < 0)
		return r;
	if (!span_string_equals(span_member(head, "kind"), "call"))
		return error_set(err, -ENOTSUP, "unknown kind");
	call->server = span_strdup(span_member(head, "server"), 256);
	call->tool = span_strdup(span_member(head, "tool"), 256);
	if (!call->server || !call->tool || span_int64(span_member(head, "id"), &call->facts.id) < 0)
		return error_set(err, -EINVAL, "the head of a call needs server, tool and id");
	if (span_int64(span_member(head, "timeout_ms"), &number) == 0 && number > 0)
		call->facts.timeout_ms = number;
	call->run = machine_find_run(m, span_member(head, "run"));
	call->facts.server = call->server;
	call->facts.tool = call->tool;
	return 0;
}

void machine_call_on_open(struct machine *m, uint32_t stream, struct span head)
{
	static const char unknown[] = "{\"reason\":\"unknown_kind\"}";
	static const char broken[] = "{\"reason\":\"internal\",\"message\":\"bad head\"}";
	_cleanup_error_ struct error err = ERROR_INIT;
	struct machine_call *call = calloc(1, sizeof(*call));
	int r;

	if (!call) {
		tunnel_reset(m->tunnel, stream, broken, sizeof(broken) - 1);
		return;
	}
	call->stream.id = stream;
	call->stream.kind = STREAM_CALL;
	call->stream.machine = m;
	call->args.max = m->options.args_max;
	HASH_ADD(hh, m->streams, id, sizeof(call->stream.id), (&call->stream));
	r = read_head(call, head, &err);
	if (r < 0) {
		tunnel_reset(m->tunnel, stream, r == -ENOTSUP ? unknown : broken,
			     (r == -ENOTSUP ? sizeof(unknown) : sizeof(broken)) - 1);
		free_call(call);
		return;
	}
	if (!call->run) {
		refuse(call, "denied", "the call names a run that is not open in this sandbox",
		       "call tools from a run");
		return;
	}
	if (call->facts.id <= call->run->last_call) {
		if (!call->run->repeated) /* one line a run: a guest can say it for ever */
			log_warn("call_repeated", LOG_S("run", call->run->run_id), LOG_I("id", call->facts.id));
		call->run->repeated = true;
		refuse(call, "ambiguous", "a call of this run had this id or a later one; an id is called at most once",
		       "number the calls of a run upwards from 1");
		return;
	}
	call->run->last_call = call->facts.id;
	call->facts.run = call->run->user;
}

void machine_call_on_body(struct machine_call *call, const uint8_t *data, size_t len)
{
	struct machine *m = call->stream.machine;

	if (call->state != CALL_READING)
		return;
	if (m->args_held + len > MACHINE_ARGS_TOTAL * m->options.args_max) {
		refuse(call, "budget", "the calls of this run that are open hold too many bytes of arguments",
		       "make fewer large calls at once");
		return;
	}
	if (buf_append(&call->args, data, len) < 0) {
		refuse(call, "too_large", "the arguments are over limits.arguments",
		       "pass less data, or raise limits.arguments in the configuration");
		return;
	}
	m->args_held += len;
	call->args_charged += len;
}

void machine_call_on_input_over(struct machine_call *call)
{
	struct machine *m = call->stream.machine;

	call->input_over = true;
	if (call->state == CALL_ANSWERED && call->stream.out.data.len == 0) {
		free_call(call);
		return;
	}
	if (call->state != CALL_READING)
		return;
	call->state = CALL_OPEN;
	call->facts.args = call->args.len ? span_of(buf_head(&call->args), call->args.len) : SPAN_LIT("{}");
	if (!m->dead)
		m->events.call(m->user, call);
}

void machine_call_on_sent(struct machine_call *call)
{
	if (call->state == CALL_ANSWERED && call->input_over)
		free_call(call);
}

void machine_call_drop(struct machine_call *call)
{
	struct machine *m = call->stream.machine;

	if (call->state == CALL_OPEN && !m->dead)
		m->events.call_cancelled(m->user, call);
	free_call(call);
}

void machine_drop_calls_of(struct machine *m, const struct machine_run *run)
{
	static const char over[] = "{\"reason\":\"cancelled\",\"message\":\"the run is over\"}";
	struct stream *s, *next;

	HASH_ITER (hh, m->streams, s, next) {
		struct machine_call *call = (struct machine_call *)s;

		if (s->kind != STREAM_CALL || call->run != run)
			continue;
		if (!m->dead)
			tunnel_reset(m->tunnel, s->id, over, sizeof(over) - 1);
		machine_call_drop(call);
	}
}

const struct machine_call_facts *machine_call_facts(const struct machine_call *call)
{
	return &call->facts;
}

void machine_call_take_args(struct machine_call *call, struct buf *ret)
{
	*ret = call->args;
	call->args = (struct buf)BUF_INIT(0);
	call->facts.args = SPAN_NONE;
}

void machine_call_reply(struct machine_call *call, struct span head_json, struct buf *body)
{
	if (call->state == CALL_OPEN && head_json.len <= FRAME_HEAD_MAX)
		answer(call, head_json, body);
}
