/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The transport of a server behind a URL. Each message is a POST (an exchange); answers come as its body, or (old
 * transport) on the one listening stream. Until the server has taken notifications/initialized, all other messages are
 * queued, as requests that are on their way at once arrive in any order.
 *
 * A URL that the server named (a redirect, the endpoint of the old transport) is used only if scheme, host and port are
 * those that the operator wrote, and it leads to a private address only if that of the operator did.
 */
#include "broker/upstream/http-internal.h"

#include "base/http-url.h"
#include "base/strings.h"

#include <errno.h>
#include <string.h>
#include <utlist.h>

static struct http_transport *http_of(const struct transport *t)
{
	return CONTAINER_OF(t, struct http_transport, base);
}

static size_t count_open(const struct http_transport *t, bool calls)
{
	struct exchange *ex;
	size_t n = 0;

	DL_FOREACH (t->exchanges, ex)
		n += !ex->answered && (ex->kind == OUTGOING_CALL) == calls;
	return n;
}

/* ---- the queue ---- */

bool http_may_start(const struct http_transport *t, const struct exchange *ex)
{
	if (ex->kind == EXCHANGE_LISTEN || ex->kind == EXCHANGE_LEAVE)
		return true;
	if (!t->target)
		return false;
	return t->open || ex->kind == OUTGOING_INITIALIZE || ex->kind == OUTGOING_INITIALIZED;
}

void http_pump(struct http_transport *t)
{
	struct exchange *ex, *next;

	DL_FOREACH_SAFE (t->exchanges, ex, next) {
		if (ex->state == QUEUED && !ex->dead && http_may_start(t, ex))
			exchange_start(ex);
		if (t->leaving)
			return;
	}
}

static void unref(struct http_transport *t)
{
	if (--t->refs > 0)
		return;
	free(t->url);
	free(t->ca_file);
	free(t->proxy);
	free(t->no_proxy);
	strings_free(t->headers);
	free(t->target);
	free(t->first_fault);
	loop_timer_free(t->timer);
	free(t);
}

static void on_drained(void *user)
{
	struct http_transport *t = user;

	t->drain_soon = false;
	if (!t->leaving)
		t->events.drained(t->user);
	unref(t);
}

void http_tell_drained(struct http_transport *t)
{
	if (t->drain_soon || t->leaving)
		return;
	t->drain_soon = true;
	t->refs++;
	loop_defer(t->loop, on_drained, t);
}

/* ---- the listening stream ---- */

void http_listen(struct http_transport *t)
{
	struct exchange *ex;

	DL_FOREACH (t->exchanges, ex)
		if (ex->kind == EXCHANGE_LISTEN)
			return;
	ex = exchange_new(t, EXCHANGE_LISTEN, 0);
	if (ex)
		exchange_start(ex);
}

static void drop_listening(struct http_transport *t)
{
	struct exchange *ex, *next;

	DL_FOREACH_SAFE (t->exchanges, ex, next)
		if (ex->kind == EXCHANGE_LISTEN)
			exchange_free(ex);
}

void http_turn_old(struct http_transport *t, struct exchange *initialize)
{
	t->old = true;
	free(TAKE_PTR(t->target));
	free(TAKE_PTR(initialize->url));
	initialize->state = QUEUED;
	http_listen(t);
}

void http_set_endpoint(struct http_transport *t, struct exchange *listen, const char *url)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_free_ char *target = NULL;

	if (t->target)
		return;
	if (http_url_join(listen->url, url, &target, &err) < 0) {
		error_wrap(&err, "names an endpoint that cannot be used");
		t->events.ended(t->user, error_text(&err));
	} else if (!http_url_same_origin(t->url, target)) {
		t->events.ended(t->user, "names an endpoint on another host; Hawser only follows its own");
	} else {
		t->target = TAKE_PTR(target);
		free(TAKE_PTR(t->first_fault));
		http_pump(t);
	}
}

/* ---- what goes wrong ---- */

void http_forgot(struct http_transport *t, unsigned session_number, const char *why)
{
	if (session_number != t->session_number || !t->session[0])
		return; /* a late word about a session that was given up already */
	t->session[0] = '\0';
	t->open = false;
	drop_listening(t);
	t->events.forgot(t->user, why);
}

bool http_unreachable(struct http_transport *t, const struct exchange *ex, const char *why)
{
	struct exchange *other;

	DL_FOREACH (t->exchanges, other)
		if (other != ex && !other->dead && other->id && other->state != QUEUED)
			return false;
	t->events.ended(t->user, why);
	return true;
}

/* ---- what goes ---- */

static void take_parts(struct exchange *ex, struct outgoing *m)
{
	ex->head = *m->head;
	*m->head = (struct buf)BUF_INIT(m->head->max);
	if (!m->body)
		return;
	ex->body = *m->body;
	*m->body = (struct buf)BUF_INIT(m->body->max);
	memcpy(ex->tail, m->tail.p, m->tail.len);
	ex->tail_len = m->tail.len;
}

/* The handshake begins: nothing of the time before holds. */
static void begin(struct http_transport *t)
{
	t->session[0] = t->version[0] = '\0';
	t->session_number++;
	t->open = t->listened = false;
	if (t->old)
		http_listen(t);
}

static int http_send(struct transport *base, struct outgoing *m)
{
	struct http_transport *t = http_of(base);
	struct exchange *ex;

	if (m->kind == OUTGOING_CALL && (!t->open || count_open(t, true) >= HTTP_CALLS_MAX))
		return -EBUSY;
	if (m->kind == OUTGOING_NOTE && count_open(t, false) >= HTTP_NOTES_MAX)
		return -ENOBUFS;
	ex = exchange_new(t, m->kind, m->id);
	if (!ex)
		return -ENOMEM;
	take_parts(ex, m);
	if (m->kind == OUTGOING_INITIALIZE)
		begin(t);
	ex->session = t->session_number;
	if (http_may_start(t, ex))
		exchange_start(ex);
	return 0;
}

static void http_drop(struct transport *base, uint64_t id)
{
	struct http_transport *t = http_of(base);
	struct exchange *ex, *next;

	DL_FOREACH_SAFE (t->exchanges, ex, next)
		if (ex->id == id)
			exchange_free(ex);
}

static void http_agreed(struct transport *base, const char *version)
{
	struct http_transport *t = http_of(base);

	strncpy(t->version, version, sizeof(t->version) - 1);
}

/* ---- its life ---- */

static void on_gone(void *user)
{
	struct http_transport *t = user;

	if (t->gone)
		t->gone(t->gone_user);
	unref(t);
}

void http_left(struct http_transport *t)
{
	struct exchange *ex, *next;

	loop_timer_stop(t->timer);
	DL_FOREACH_SAFE (t->exchanges, ex, next)
		exchange_free(ex);
	loop_defer(t->loop, on_gone, t);
}

static void on_leave_timer(void *user)
{
	http_left(user);
}

static void http_end(struct transport *base, void (*gone)(void *user), void *user)
{
	struct http_transport *t = http_of(base);
	struct exchange *ex, *next;

	t->leaving = true;
	t->gone = gone;
	t->gone_user = user;
	DL_FOREACH_SAFE (t->exchanges, ex, next)
		exchange_free(ex);
	ex = t->session[0] ? exchange_new(t, EXCHANGE_LEAVE, 0) : NULL;
	if (!ex) {
		http_left(t);
		return;
	}
	loop_timer_start(t->timer, t->step_ms);
	exchange_start(ex);
}

static const struct transport_ops http_ops = {
	.send = http_send, .drop = http_drop, .agreed = http_agreed, .end = http_end};

static int copy_text(const char *text, char **ret)
{
	*ret = text ? strdup(text) : NULL;
	return text && !*ret ? -ENOMEM : 0;
}

int http_transport_new(struct loop *loop, const struct http_transport_options *o, const struct transport_events *events,
		       void *user, struct transport **ret, struct error *err)
{
	struct http_transport *t = calloc(1, sizeof(*t));
	int r;

	if (!t)
		return error_set(err, -ENOMEM, "no memory for a server");
	t->base.ops = &http_ops;
	t->refs = 1;
	t->loop = loop;
	t->events = *events;
	t->user = user;
	t->message_max = o->message_max;
	t->step_ms = o->step_ms;
	t->old = o->old;
	t->headers = strings_copy(o->headers);
	if (!t->headers || copy_text(o->url, &t->url) < 0 || copy_text(o->ca_file, &t->ca_file) < 0 ||
	    copy_text(o->proxy, &t->proxy) < 0 || copy_text(o->no_proxy, &t->no_proxy) < 0 ||
	    copy_text(o->old ? NULL : o->url, &t->target) < 0)
		r = error_set(err, -ENOMEM, "no memory for a server");
	else
		r = loop_timer_new(loop, on_leave_timer, t, &t->timer, err);
	if (r < 0) {
		unref(t);
		return r;
	}
	*ret = &t->base;
	return 0;
}
