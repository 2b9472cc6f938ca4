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

/* 0, or as io_writev(): nothing was sent. */
static int send_call(struct upstream *u, const struct upstream_request *r, struct span args)
{
	_cleanup_buf_ struct buf copy = BUF_INIT(args.len);
	char tail[64];
	int n = format_tail(r, tail), ret = write_head(u, r);
	struct iovec iov[3];

	if (ret < 0)
		return ret;
	if (args.len <= UPSTREAM_CALL_SMALL) {
		ret = jsonrpc_append_raw(&u->scratch, args);
		if (ret == 0)
			ret = buf_append(&u->scratch, tail, (size_t)n);
		if (ret < 0)
			return ret;
		iov[0] = (struct iovec){buf_head(&u->scratch), u->scratch.len};
		return process_writev(u->process, iov, 1);
	}
	if (!jsonrpc_one_line(args)) {
		ret = jsonrpc_append_raw(&copy, args);
		if (ret < 0)
			return ret;
		args = span_of(buf_head(&copy), copy.len);
	}
	iov[0] = (struct iovec){buf_head(&u->scratch), u->scratch.len};
	iov[1] = (struct iovec){(void *)(uintptr_t)args.p, args.len};
	iov[2] = (struct iovec){tail, (size_t)n};
	return process_writev(u->process, iov, 3);
}

static bool try_send(struct upstream *u, struct upstream_request *r, struct span args)
{
	if (u->state != UPSTREAM_READY || u->ended || send_call(u, r, args) < 0)
		return false;
	r->sent = true;
	HASH_ADD(hh, u->sent, id, sizeof(r->id), r);
	return true;
}

void calls_flush(struct upstream *u)
{
	struct upstream_request *r, *next;

	DL_FOREACH_SAFE (u->waiting, r, next) {
		if (u->state != UPSTREAM_READY)
			return;
		if (!r->tool) {
			request_over(r, UPSTREAM_OK, NULL);
			continue;
		}
		DL_DELETE(u->waiting, r);
		if (!try_send(u, r, span_of(buf_head(&r->args), r->args.len))) {
			DL_PREPEND(u->waiting, r);
			return;
		}
		buf_done(&r->args);
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
		request_over(r, UPSTREAM_DOWN, u->problem ? u->problem : "the server is down");
}

int upstream_ensure(struct upstream *u, upstream_done_fn *done, void *user, struct upstream_request **ret,
		    struct error *err)
{
	struct upstream_request *r = request_new(u, done, user);

	if (!r)
		return error_set(err, -ENOMEM, "no memory for a request");
	*ret = r;
	enqueue(u, r);
	if (u->state == UPSTREAM_READY)
		request_over(r, UPSTREAM_OK, NULL);
	return 0;
}

int upstream_call(struct upstream *u, const char *tool, struct span args, uint64_t timeout_ms,
		  upstream_progress_fn *progress, upstream_done_fn *done, void *user, struct upstream_request **ret,
		  struct error *err)
{
	struct upstream_request *r = request_new(u, done, user);
	uint64_t now = clock_now_ms();

	if (!r || !(r->tool = strdup(tool))) {
		free(r);
		return error_set(err, -ENOMEM, "no memory for a call");
	}
	r->id = ++u->last_id;
	r->progress = progress;
	r->timeout_ms = timeout_ms;
	r->deadline_ms = timeout_ms ? now + timeout_ms : 0;
	*ret = r;
	if (u->waiting || !try_send(u, r, args)) {
		r->args.max = args.len;
		if (buf_append(&r->args, args.p, args.len) < 0) {
			request_free(r);
			*ret = NULL;
			return error_set(err, -ENOMEM, "no memory for a call of %zu bytes", args.len);
		}
		enqueue(u, r);
	}
	if (r->u)
		requests_arm(u, r->deadline_ms, now);
	return 0;
}
