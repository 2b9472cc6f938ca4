/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/upstream/request.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct upstream_request *upstream_request_new(struct upstream *u, upstream_done_fn *done, void *user)
{
	struct upstream_request *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->u = u;
	r->loop = u->loop;
	r->done = done;
	r->user = user;
	return r;
}

struct upstream_request *upstream_request_find(const struct upstream *u, uint64_t id)
{
	struct upstream_request *r;

	HASH_FIND(hh, u->sent, &id, sizeof(id), r);
	return r;
}

bool upstream_is_sent(const struct upstream_request *r)
{
	return r->u && r->sent;
}

uint64_t upstream_request_id(const struct upstream_request *r)
{
	return r->id;
}

size_t requests_sent(const struct upstream *u)
{
	return HASH_COUNT(u->sent);
}

/* ---- the end of a request ---- */

void upstream_request_free(struct upstream_request *r)
{
	buf_done(&r->args);
	free(r->tool);
	free(r->message);
	free(r);
}

void upstream_request_leave(struct upstream_request *r)
{
	if (r->sent)
		HASH_DEL(r->u->sent, r);
	else
		DL_DELETE(r->u->waiting, r);
	r->u = NULL;
}

static void on_deliver(void *user)
{
	struct upstream_request *r = user;
	_cleanup_buf_ struct buf nothing = BUF_INIT(0);
	struct upstream_reply reply = {
		.outcome = r->outcome,
		.result = &nothing,
		.message = r->message,
		.sent = r->left,
	};

	r->done(r->user, &reply);
	upstream_request_free(r);
}

void upstream_request_over(struct upstream_request *r, enum upstream_outcome outcome, const char *message)
{
	upstream_request_leave(r);
	r->outcome = outcome;
	r->message = message ? strdup(message) : NULL;
	loop_defer(r->loop, on_deliver, r);
}

static void send_cancelled(struct upstream *u, uint64_t id, const char *reason)
{
	_cleanup_buf_ struct buf params = BUF_INIT(2048), message = BUF_INIT(4096);

	if (buf_printf(&params, "{\"requestId\":%" PRIu64 ",\"reason\":", id) == 0 &&
	    buf_append_json(&params, reason, strnlen(reason, 256)) == 0 && buf_append(&params, "}", 1) == 0 &&
	    jsonrpc_write_request(&message, SPAN_NONE, "notifications/cancelled",
				  span_of(buf_head(&params), params.len)) == 0)
		session_send(u, OUTGOING_NOTE, 0, &message);
}

static void withdraw(struct upstream *u, uint64_t id, const char *reason)
{
	unanswered_add(&u->unanswered, id);
	send_cancelled(u, id, reason);
	if (u->transport && u->transport->ops->drop)
		u->transport->ops->drop(u->transport, id);
}

void upstream_cancel(struct upstream_request *r, const char *reason)
{
	if (!r->u)
		return;
	if (r->sent)
		withdraw(r->u, r->id, reason);
	upstream_request_over(r, UPSTREAM_CANCELLED, reason);
}

/* ---- deadlines: one timer, armed for the nearest ---- */

void requests_arm(struct upstream *u, uint64_t deadline_ms, uint64_t now_ms)
{
	if (deadline_ms == 0 || (u->deadline_ms && u->deadline_ms <= deadline_ms))
		return;
	u->deadline_ms = deadline_ms;
	loop_timer_start(u->deadline_timer, deadline_ms > now_ms ? deadline_ms - now_ms : 0);
}

void upstream_hold(struct upstream_request *r, bool held)
{
	uint64_t now = clock_now_ms();

	if (!r->u)
		return;
	if (held && r->deadline_ms) {
		r->left_ms = r->deadline_ms > now ? r->deadline_ms - now : 1;
		r->deadline_ms = 0;
	} else if (!held && r->left_ms) {
		r->deadline_ms = now + r->left_ms;
		r->left_ms = 0;
		requests_arm(r->u, r->deadline_ms, now);
	}
}

static void time_out(struct upstream *u, struct upstream_request *r)
{
	char text[256];

	if (r->sent) {
		withdraw(u, r->id, "timeout");
		snprintf(text, sizeof(text), "server \"%.64s\" did not answer within %" PRIu64 " ms", u->name,
			 r->timeout_ms);
	} else {
		snprintf(text, sizeof(text), "server \"%.64s\" was not ready within %" PRIu64 " ms", u->name,
			 r->timeout_ms);
	}
	upstream_request_over(r, UPSTREAM_TIMEOUT, text);
}

static void on_deadline(void *user)
{
	struct upstream *u = user;
	struct upstream_request *r, *next;
	uint64_t now = clock_now_ms(), nearest = 0;

	u->deadline_ms = 0;
	HASH_ITER (hh, u->sent, r, next) {
		if (r->deadline_ms && r->deadline_ms <= now)
			time_out(u, r);
		else if (r->deadline_ms && (!nearest || r->deadline_ms < nearest))
			nearest = r->deadline_ms;
	}
	DL_FOREACH_SAFE (u->waiting, r, next) {
		if (r->deadline_ms && r->deadline_ms <= now)
			time_out(u, r);
		else if (r->deadline_ms && (!nearest || r->deadline_ms < nearest))
			nearest = r->deadline_ms;
	}
	requests_arm(u, nearest, now);
}

/* ---- what did not arrive ---- */

void calls_lost(struct upstream *u, uint64_t id, enum upstream_outcome outcome, bool left, const char *message)
{
	struct upstream_request *r = upstream_request_find(u, id);

	if (!r)
		return;
	r->left = left || r->left_before;
	upstream_request_over(r, outcome, message);
}

void calls_returned(struct upstream *u, uint64_t id, struct buf *args, bool left, const char *message)
{
	struct upstream_request *r = upstream_request_find(u, id);

	if (!r)
		return;
	if (r->again) {
		upstream_request_over(r, UPSTREAM_DOWN, message);
		return;
	}
	HASH_DEL(u->sent, r);
	r->sent = false;
	r->left = r->left_before = left;
	r->again = true;
	r->args = *args;
	*args = (struct buf)BUF_INIT(args->max);
	DL_PREPEND(u->waiting, r);
}

/* ---- all of them ---- */

void calls_down(struct upstream *u, const char *message, bool also_waiting)
{
	struct upstream_request *r, *next;

	HASH_ITER (hh, u->sent, r, next)
		upstream_request_over(r, UPSTREAM_DOWN, message);
	if (!also_waiting)
		return;
	DL_FOREACH_SAFE (u->waiting, r, next)
		upstream_request_over(r, UPSTREAM_DOWN, message);
}

int calls_init(struct upstream *u, struct error *err)
{
	u->scratch = (struct buf)BUF_INIT(OUTGOING_HEAD_MAX);
	return loop_timer_new(u->loop, on_deadline, u, &u->deadline_timer, err);
}

void calls_done(struct upstream *u)
{
	struct upstream_request *r, *next;

	HASH_ITER (hh, u->sent, r, next)
		upstream_request_over(r, UPSTREAM_CANCELLED, "the server is being stopped");
	DL_FOREACH_SAFE (u->waiting, r, next)
		upstream_request_over(r, UPSTREAM_CANCELLED, "the server is being stopped");
	u->deadline_timer = loop_timer_free(u->deadline_timer);
	buf_done(&u->scratch);
}
