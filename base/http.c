/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request. Its life: http_new() -> bytes out and in -> over (libcurl has ended it, and the outcome is stored) ->
 * done was told, once all bytes were taken -> http_free(). What libcurl brings is kept in `in`, bounded: over that the
 * transfer is paused, so the other end is slowed down by TCP.
 */
#include "base/http.h"

#include "base/http-address.h"
#include "base/http-internal.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

void http_add_news(struct http *h)
{
	struct http **at = &h->hub->news;

	if (h->listed || h->freed)
		return;
	while (*at)
		at = &(*at)->next_news;
	*at = h;
	h->next_news = NULL;
	h->listed = true;
}

static void drop_news(struct http *h)
{
	struct http **at = &h->hub->news;

	if (!h->listed)
		return;
	while (*at != h)
		at = &(*at)->next_news;
	*at = h->next_news;
	h->listed = false;
}

/* ---- the end of a transfer ---- */

static int code_of(CURLcode result)
{
	switch ((int)result) {
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
		return -EHOSTUNREACH;
	case CURLE_COULDNT_CONNECT:
		return -ECONNREFUSED;
	case CURLE_OPERATION_TIMEDOUT:
		return -ETIMEDOUT;
	case CURLE_SSL_CONNECT_ERROR:
		return -EPROTO;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
		return -EKEYREJECTED;
	default:
		return -EIO;
	}
}

static void store_reason(struct http *h, CURLcode result)
{
	const char *text = h->text[0] ? h->text : h->hub->curl->curl_easy_strerror(result);

	if (h->refused_address)
		error_set(&h->reason, -EACCES,
			  "its name leads to an address of a private network, which a URL that a server gave must not");
	else if (h->too_many_headers)
		error_set(&h->reason, -EMSGSIZE, "its headers are over %d bytes", HTTP_HEADERS_MAX);
	else
		error_set(&h->reason, code_of(result), "%s", text);
}

void http_transfer_over(CURL *easy, struct http_hub *hub, CURLcode result)
{
	struct http *h = NULL;

	hub->curl->curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)(void *)&h);
	h->was_sent = http_was_sent(h);
	h->added = false;
	h->over = true;
	if (result != CURLE_OK)
		store_reason(h, result);
	http_add_news(h);
}

/* ---- delivery ---- */

static void let_curl_go_on(struct http *h)
{
	if (!h->curl_paused || h->over || h->in.len > HTTP_IN_MAX / 2)
		return;
	h->curl_paused = false;
	h->hub->curl->curl_easy_pause(h->easy, CURLPAUSE_CONT); /* calls on_write() */
}

static void deliver(struct http *h)
{
	if (h->has_head && !h->told_head) {
		h->told_head = true;
		h->events.head(h->user, h->status);
	}
	if (!h->freed && !h->paused && h->in.len) {
		size_t n = h->events.data(h->user, buf_head(&h->in), h->in.len);

		if (h->freed)
			return;
		assert(n == h->in.len || h->paused);
		buf_consume(&h->in, n);
	}
	if (h->freed)
		return;
	let_curl_go_on(h);
	if (h->over && !h->in.len && !h->told_done && !h->listed) {
		h->told_done = true;
		h->events.done(h->user, h->reason.code ? &h->reason : NULL);
	}
}

void http_deliver_first(struct http_hub *hub)
{
	struct http *h = hub->news;

	hub->news = h->next_news;
	h->listed = false;
	deliver(h);
}

/* ---- the object ---- */

static void release(void *user)
{
	struct http *h = user;

	if (h->easy)
		h->hub->curl->curl_easy_cleanup(h->easy);
	h->hub->curl->curl_slist_free_all(h->headers);
	buf_done(&h->in);
	error_done(&h->reason);
	hub_unref(h->hub);
	free(h);
}

struct http *http_free(struct http *h)
{
	if (!h)
		return NULL;
	drop_news(h);
	h->freed = true;
	if (h->added)
		h->hub->curl->curl_multi_remove_handle(h->hub->multi, h->easy);
	h->added = false;
	loop_defer(h->hub->loop, release, h); /* its events may be on the stack */
	return NULL;
}

const char *http_header(struct http *h, const char *name)
{
	struct curl_header *header;

	return h->hub->curl->curl_easy_header(h->easy, name, 0, CURLH_HEADER, -1, &header) == CURLHE_OK ? header->value
													: NULL;
}

bool http_peer_is_private(struct http *h)
{
	char *number = NULL;

	h->hub->curl->curl_easy_getinfo(h->easy, CURLINFO_PRIMARY_IP, &number);
	return !number || http_address_text_is_private(number);
}

bool http_was_sent(struct http *h)
{
	long bytes = 0;

	if (!h->was_sent)
		h->hub->curl->curl_easy_getinfo(h->easy, CURLINFO_REQUEST_SIZE, &bytes);
	return h->was_sent || bytes > 0;
}

void http_pause(struct http *h)
{
	h->paused = true;
}

void http_resume(struct http *h)
{
	if (!h->paused)
		return;
	h->paused = false;
	http_add_news(h);
	hub_settle_soon(h->hub);
}

int http_new(struct loop *loop, const struct http_options *options, const struct http_events *events, void *user,
	     struct http **ret, struct error *err)
{
	struct http_hub *hub;
	struct http *h;
	int r = hub_get(loop, &hub, err);

	if (r < 0)
		return r;
	h = calloc(1, sizeof(*h));
	if (!h) {
		hub_unref(hub);
		return error_set(err, -ENOMEM, "no memory for a request");
	}
	h->hub = hub;
	h->events = *events;
	h->user = user;
	h->public_only = options->public_only;
	h->in = (struct buf)BUF_INIT(HTTP_IN_MAX);
	h->easy = hub->curl->curl_easy_init();
	if (!h->easy || http_set_up(h, options) < 0 ||
	    hub->curl->curl_multi_add_handle(hub->multi, h->easy) != CURLM_OK) {
		release(h);
		return error_set(err, -ENOMEM, "libcurl does not take the request to %.200s", options->url);
	}
	h->added = true;
	*ret = h;
	return 0;
}
