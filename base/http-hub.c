/* SPDX-License-Identifier: Apache-2.0 */
#include "base/http-hub.h"

#include <errno.h>
#include <string.h>

/* A descriptor of libcurl that is watched. */
struct hub_fd {
	struct http_hub *hub;
	curl_socket_t fd;
	struct loop_fd *watch;
};

/* ---- from libcurl to the loop's side ---- */

static void settle(struct http_hub *hub)
{
	CURLMsg *message;
	int left;

	if (hub->settling)
		return;
	hub->settling = true;
	do {
		while ((message = hub->curl->curl_multi_info_read(hub->multi, &left))) {
			CURL *easy = message->easy_handle;
			CURLcode result = message->data.result;

			if (message->msg != CURLMSG_DONE)
				continue;
			hub->curl->curl_multi_remove_handle(hub->multi, easy); /* the message goes with it */
			http_transfer_over(easy, hub, result);
		}
		if (hub->news)
			http_deliver_first(hub);
	} while (hub->news);
	hub->settling = false;
}

static void on_settle_soon(void *user)
{
	struct http_hub *hub = user;

	hub->settle_soon = false;
	settle(hub);
	hub_unref(hub);
}

void hub_settle_soon(struct http_hub *hub)
{
	if (hub->settle_soon || hub->settling)
		return;
	hub->settle_soon = true;
	hub->refs++;
	loop_defer(hub->loop, on_settle_soon, hub);
}

static void act(struct http_hub *hub, curl_socket_t fd, int events)
{
	int running;

	hub->curl->curl_multi_socket_action(hub->multi, fd, events, &running);
	settle(hub);
}

static void on_fd(void *user, unsigned events)
{
	struct hub_fd *f = user;

	act(f->hub, f->fd, (events & LOOP_READ ? CURL_CSELECT_IN : 0) | (events & LOOP_WRITE ? CURL_CSELECT_OUT : 0));
}

static void on_timer(void *user)
{
	act(user, CURL_SOCKET_TIMEOUT, 0);
}

/* ---- callbacks of libcurl ---- */

static void forget_fd(struct http_hub *hub, curl_socket_t fd, struct hub_fd *f)
{
	if (!f)
		return;
	hub->curl->curl_multi_assign(hub->multi, fd, NULL);
	loop_fd_free(f->watch);
	free(f);
}

static struct hub_fd *watch_fd(struct http_hub *hub, curl_socket_t fd)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct hub_fd *f = calloc(1, sizeof(*f));

	if (!f)
		abort();
	f->hub = hub;
	f->fd = fd;
	if (loop_fd_new(hub->loop, fd, on_fd, f, &f->watch, &err) < 0)
		abort(); /* only without memory: it is a socket */
	hub->curl->curl_multi_assign(hub->multi, fd, f);
	return f;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *user, void *of_fd)
{
	struct http_hub *hub = user;
	struct hub_fd *f = of_fd;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		forget_fd(hub, fd, f);
		return 0;
	}
	if (!f)
		f = watch_fd(hub, fd);
	loop_fd_watch(f->watch, (what & CURL_POLL_IN ? LOOP_READ : 0u) | (what & CURL_POLL_OUT ? LOOP_WRITE : 0u));
	return 0;
}

static void on_act_soon(void *user)
{
	struct http_hub *hub = user;
	bool due = hub->act_due;

	hub->act_soon = hub->act_due = false;
	if (due)
		act(hub, CURL_SOCKET_TIMEOUT, 0);
	hub_unref(hub);
}

/* "At once" is a turn of its own, and no timer of 0 ms: libuv before 1.45 runs one that is started anew from its own
 * callback again before it looks at anything else, and libcurl does that as long as a server sends without a pause. */
static int on_timeout(CURLM *multi, long ms, void *user)
{
	struct http_hub *hub = user;

	(void)multi;
	hub->act_due = ms == 0;
	if (ms > 0)
		loop_timer_start(hub->timer, (uint64_t)ms);
	else
		loop_timer_stop(hub->timer);
	if (ms != 0 || hub->act_soon || hub->refs == 0) /* 0: it is being taken apart */
		return 0;
	hub->act_soon = true;
	hub->refs++;
	loop_defer(hub->loop, on_act_soon, hub);
	return 0;
}

/* ---- one a loop ---- */

void hub_unref(struct http_hub *hub)
{
	if (--hub->refs > 0)
		return;
	if (hub->multi)
		hub->curl->curl_multi_cleanup(hub->multi); /* its descriptors are told as removed */
	hub->timer = loop_timer_free(hub->timer);
	free(hub);
}

static void on_loop_end(void *user)
{
	hub_unref(user);
}

int hub_get(struct loop *loop, struct http_hub **ret, struct error *err)
{
	struct http_hub *hub = loop_owned(loop, on_loop_end);
	int r;

	if (hub) {
		hub->refs++;
		*ret = hub;
		return 0;
	}
	hub = calloc(1, sizeof(*hub));
	if (!hub)
		return error_set(err, -ENOMEM, "no memory for HTTP");
	hub->loop = loop;
	hub->refs = 1;
	r = http_curl_load(&hub->curl, err);
	if (r == 0)
		r = loop_timer_new(loop, on_timer, hub, &hub->timer, err);
	if (r == 0 && !(hub->multi = hub->curl->curl_multi_init()))
		r = error_set(err, -ENOMEM, "no memory for HTTP");
	if (r < 0) {
		hub_unref(hub);
		return r;
	}
	hub->curl->curl_multi_setopt(hub->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	hub->curl->curl_multi_setopt(hub->multi, CURLMOPT_SOCKETDATA, hub);
	hub->curl->curl_multi_setopt(hub->multi, CURLMOPT_TIMERFUNCTION, on_timeout);
	hub->curl->curl_multi_setopt(hub->multi, CURLMOPT_TIMERDATA, hub);
	loop_own(loop, on_loop_end, hub);
	hub->refs++;
	*ret = hub;
	return 0;
}
