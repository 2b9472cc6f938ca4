/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BASE_HTTP_HUB_H
#define HAWSER_BASE_HTTP_HUB_H

#include "base/http-curl.h"
#include "base/loop.h"

#include <stdbool.h>

/*
 * libcurl's multi handle on our loop; one a loop. It goes with the loop, or with the last request that outlives it.
 * Internal to base/http.
 *
 * libcurl must not be called from inside its callbacks, and our events may do anything. So its callbacks only write
 * into a request and put that on the list of those that have news; hub_settle() delivers them when libcurl has
 * returned.
 */
struct http_hub {
	struct loop *loop;
	const struct http_curl *curl;
	CURLM *multi;
	struct loop_timer *timer;
	unsigned refs; /* the loop, and each request */
	struct http *news; /* first of the requests that have news */
	bool settling, settle_soon;
	bool act_soon, act_due; /* libcurl wants to be called on the next turn; it is not, if it changed its mind */
};

/* That of the loop, which owns it: no other table says whose is whose. A reference for the caller. */
int hub_get(struct loop *loop, struct http_hub **ret, struct error *err) _must_check_;
void hub_unref(struct http_hub *hub);
/* Delivers on the next turn. */
void hub_settle_soon(struct http_hub *hub);

/* ---- http.c: what the hub calls ---- */
/* The transfer has ended; the handle was taken off. */
void http_transfer_over(CURL *easy, struct http_hub *hub, CURLcode result);
/* Delivers the news of the first request of the list, which leaves it. */
void http_deliver_first(struct http_hub *hub);

#endif
