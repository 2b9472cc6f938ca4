/* SPDX-License-Identifier: Apache-2.0 */
/* Writing calls: one write each, the arguments as the caller's bytes. */
#include "base/clock.h"
#include "broker/upstream/request.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static int write_head(struct upstream *u, const struct upstream_request *r)
{
	char id[24];
	int n = snprintf(id, sizeof(id), "%" PRIu64, r->id), ret;

	buf_clear(&u->scratch);
	ret = jsonrpc_request_head(&u->scratch, span_of(id, (size_t)n), "tools/call");
	if (ret == 0)
		ret = buf_append_str(&u->scratch, "{\"name\":");
	if (ret == 0)
		ret = buf_append_json(&u->scratch, r->tool, strlen(r->tool));
	return ret ? ret : buf_append_str(&u->scratch, ",\"arguments\":");
}

static int format_tail(const struct upstream_request *r, char tail[64])
{
	if (r->progress)
		return snprintf(tail, 64, ",\"_meta\":{\"progressToken\":%" PRIu64 "}}" JSONRPC_END, r->id);
	return snprintf(tail, 64, "}" JSONRPC_END);
}

/* 0, or nothing was sent. */
static int send_call(struct upstream *u, struct upstream_request *r)
{
	char tail[64];
	int n = format_tail(r, tail), ret = write_head(u, r);
	struct outgoing m = {
		.kind = OUTGOING_CALL,
		.id = r->id,
		.head = &u->scratch,
		.body = &r->args,
		.tail = span_of(tail, (size_t)n),
	};

	return ret < 0 ? ret : u->transport->ops->send(u->transport, &m);
}

static bool try_send(struct upstream *u, struct upstream_request *r)
{
	if (u->state != UPSTREAM_READY || send_call(u, r) < 0)
		return false;
	r->sent = r->left = true;
	HASH_ADD(hh, u->sent, id, sizeof(r->id), r);
	buf_done(&r->args);
	return true;
}

void calls_flush(struct upstream *u)
{
	struct upstream_request *r, *next;

	DL_FOREACH_SAFE (u->waiting, r, next) {
		if (u->state != UPSTREAM_READY)
			return;
		if (!r->tool) {
			upstream_request_over(r, UPSTREAM_OK, NULL);
			continue;
		}
		DL_DELETE(u->waiting, r);
		if (!try_send(u, r)) {
			DL_PREPEND(u->waiting, r);
			return;
		}
	}
}

bool calls_are_waiting(const struct upstream *u)
{
	return u->waiting != NULL;
}

static void enqueue(struct upstream *u, struct upstream_request *r)
{
	DL_APPEND(u->waiting, r);
	if (!session_want(u) && r->u)
		upstream_request_over(r, UPSTREAM_DOWN, u->problem ? u->problem : "the server is down");
}

int upstream_ensure(struct upstream *u, upstream_done_fn *done, void *user, struct upstream_request **ret,
		    struct error *err)
{
	struct upstream_request *r = upstream_request_new(u, done, user);

	if (!r)
		return error_set(err, -ENOMEM, "no memory for a request");
	*ret = r;
	enqueue(u, r);
	if (u->state == UPSTREAM_READY)
		upstream_request_over(r, UPSTREAM_OK, NULL);
	return 0;
}

static struct upstream_request *call_new(struct upstream *u, const char *tool, uint64_t timeout_ms, uint64_t now_ms,
					 upstream_progress_fn *progress, upstream_done_fn *done, void *user)
{
	struct upstream_request *r = upstream_request_new(u, done, user);

	if (!r || !(r->tool = strdup(tool))) {
		free(r);
		return NULL;
	}
	r->id = ++u->last_id;
	r->progress = progress;
	r->timeout_ms = timeout_ms;
	r->deadline_ms = timeout_ms ? now_ms + timeout_ms : 0;
	return r;
}

int upstream_call_take(struct upstream *u, const char *tool, struct buf *args, uint64_t timeout_ms,
		       upstream_progress_fn *progress, upstream_done_fn *done, void *user,
		       struct upstream_request **ret, struct error *err)
{
	uint64_t now = clock_now_ms();
	struct upstream_request *r = call_new(u, tool, timeout_ms, now, progress, done, user);

	if (!r)
		return error_set(err, -ENOMEM, "no memory for a call");
	r->args = *args;
	*args = (struct buf)BUF_INIT(args->max);
	*ret = r;
	if (u->waiting || !try_send(u, r))
		enqueue(u, r);
	if (r->u)
		requests_arm(u, r->deadline_ms, now);
	return 0;
}
