/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A link on a WebSocket that we dial. Each message is what one pull gives, at most 128 KiB: more would only wait in the
 * library, where more urgent frames cannot overtake it.
 */
#include "tunnel/carrier/ws.h"

#include "base/clock.h"
#include "base/ws.h"
#include "tunnel/carrier/kind.h"

#include <errno.h>
#include <stdlib.h>

enum {
	CARRIER_WS_IOVECS = 64,
	CARRIER_WS_PULL = WS_MESSAGE_MAX,
	CARRIER_WS_OPEN_MS = 30000,
	CARRIER_WS_BLOCKED_MS = 50
};

struct wslink {
	struct carrier base;
	struct loop *loop;
	struct tunnel *tunnel;
	struct carrier_events events;
	void *user;
	struct ws *ws;
	struct loop_timer *timer;
	uint64_t armed_ms;
	bool feeding, blocked, shut, freed;
	struct error failed;
};

/* A link that is being fed must not be freed: wslink_on_data() does it then. */
static void wslink_unlink(struct wslink *w)
{
	if (!w->feeding)
		w->base.link = tunnel_link_free(w->base.link);
}

static void wslink_shut(struct wslink *w, const struct error *reason)
{
	if (w->shut)
		return;
	w->shut = true;
	w->ws = ws_free(w->ws);
	w->timer = loop_timer_free(w->timer);
	wslink_unlink(w);
	w->events.closed(w->user, reason);
}

static void wslink_fail_later(void *user)
{
	struct wslink *w = user;

	if (!w->freed)
		wslink_shut(w, &w->failed);
}

static void wslink_arm(struct wslink *w)
{
	uint64_t deadline = tunnel_deadline(w->base.link), now;

	if (deadline >= w->armed_ms)
		return;
	now = clock_now_ms();
	/* An ACK that is due cannot go out while we are blocked: a timer of 0 ms would fire for ever, before the poll
	 * that unblocks us. What is due goes with the next writable event; the timer is for PING and a dead link. */
	if (w->blocked && deadline < now + CARRIER_WS_BLOCKED_MS)
		deadline = now + CARRIER_WS_BLOCKED_MS;
	if (deadline >= w->armed_ms)
		return;
	w->armed_ms = deadline;
	loop_timer_start(w->timer, deadline > now ? deadline - now : 1);
}

static void wslink_flush(struct wslink *w)
{
	struct iovec iov[CARRIER_WS_IOVECS];
	size_t count;

	if (w->shut || !w->base.link || w->failed.code)
		return;
	while (!w->blocked &&
	       (count = tunnel_pull(w->base.link, iov, CARRIER_WS_IOVECS, CARRIER_WS_PULL, clock_now_ms())) > 0) {
		size_t total = 0;
		int r = ws_write(w->ws, iov, count);

		if (r == -EAGAIN) {
			w->blocked = true;
			break;
		}
		if (r < 0) {
			error_set_errno(&w->failed, r, "writing to the link");
			loop_defer(w->loop, wslink_fail_later, w);
			return;
		}
		for (size_t i = 0; i < count; i++)
			total += iov[i].iov_len;
		tunnel_pulled(w->base.link, total);
	}
	wslink_arm(w);
}

static void wslink_on_replaced(void *user)
{
	_cleanup_error_ struct error err = ERROR_INIT;

	error_set(&err, -ESTALE, "a newer link of this tunnel has taken over");
	wslink_shut(user, &err);
}

static void wslink_on_opened(void *user)
{
	struct wslink *w = user;
	_cleanup_error_ struct error err = ERROR_INIT;

	if (tunnel_link_new(w->tunnel, clock_now_ms(), wslink_on_replaced, w, &w->base.link, &err) < 0)
		wslink_shut(w, &err);
	else
		wslink_flush(w);
}

static void wslink_on_data(void *user, const uint8_t *bytes, size_t len)
{
	struct wslink *w = user;
	_cleanup_error_ struct error err = ERROR_INIT;
	int r;

	if (w->shut || !w->base.link)
		return;
	w->feeding = true;
	r = tunnel_feed(w->base.link, bytes, len, clock_now_ms(), &err);
	if (!w->freed && !w->shut && w->events.fed)
		w->events.fed(w->user);
	w->feeding = false;
	if (w->freed || w->shut) {
		wslink_unlink(w);
		return;
	}
	wslink_flush(w);
	if (r < 0)
		wslink_shut(w, &err);
}

static void wslink_on_writable(void *user)
{
	struct wslink *w = user;

	w->blocked = false;
	wslink_flush(w);
}

static void wslink_on_closed(void *user, const struct error *reason)
{
	wslink_shut(user, reason);
}

static const struct ws_events wslink_events = {
	.opened = wslink_on_opened,
	.data = wslink_on_data,
	.writable = wslink_on_writable,
	.closed = wslink_on_closed,
};

static void wslink_on_timer(void *user)
{
	struct wslink *w = user;
	_cleanup_error_ struct error err = ERROR_INIT;
	uint64_t now = clock_now_ms();
	int r = 0;

	w->armed_ms = UINT64_MAX;
	if (tunnel_deadline(w->base.link) <= now) {
		w->feeding = true;
		r = tunnel_tick(w->base.link, now, &err);
		w->feeding = false;
		if (w->freed || w->shut) {
			wslink_unlink(w);
			return;
		}
	}
	if (r < 0)
		wslink_shut(w, &err);
	else
		wslink_flush(w);
}

static void wslink_kick(struct carrier *c)
{
	struct wslink *w = (struct wslink *)c;

	if (!w->feeding)
		wslink_flush(w);
}

static void wslink_release(void *user)
{
	struct wslink *w = user;

	error_done(&w->failed);
	free(w);
}

static void wslink_free(struct carrier *c)
{
	struct wslink *w = (struct wslink *)c;

	w->freed = w->shut = true;
	w->ws = ws_free(w->ws);
	w->timer = loop_timer_free(w->timer);
	wslink_unlink(w);
	loop_defer(w->loop, wslink_release, w);
}

static const struct carrier_ops wslink_ops = {.kick = wslink_kick, .free = wslink_free};

int carrier_ws_new(struct loop *loop, struct tunnel *tunnel, const char *url, const char *const *headers,
		   const struct carrier_events *events, void *user, struct carrier **ret, struct error *err)
{
	const struct ws_options options = {
		.url = url, .headers = headers, .protocol = "hawser.v1", .open_limit_ms = CARRIER_WS_OPEN_MS};
	struct wslink *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return error_set(err, -ENOMEM, "no memory for a link");
	w->base.ops = &wslink_ops;
	w->loop = loop;
	w->tunnel = tunnel;
	w->events = *events;
	w->user = user;
	w->armed_ms = UINT64_MAX;
	r = loop_timer_new(loop, wslink_on_timer, w, &w->timer, err);
	if (r == 0)
		r = ws_new(loop, &options, &wslink_events, w, &w->ws, err);
	if (r < 0) {
		loop_timer_free(w->timer);
		free(w);
		return r;
	}
	*ret = &w->base;
	return 0;
}
