/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BASE_HTTP_INTERNAL_H
#define HAWSER_BASE_HTTP_INTERNAL_H

/* What http.c (life and events of a request) and http-setup.c (what libcurl is told, and its callbacks) share. */

#include "base/buf.h"
#include "base/http-hub.h"
#include "base/http.h"

enum {
	HTTP_CHUNK = 64 << 10, /* bytes of one read or write */
	HTTP_IN_MAX = 256 << 10, /* bytes that wait for our reader */
	HTTP_HEADERS_MAX = 64 << 10, /* bytes of all headers of an answer */
	HTTP_IDLE_S = 4, /* a connection unused for longer is not used again: servers (node: 5 s) close such ones, and
			    a request that meets that close is lost, as nobody knows whether it arrived */
};

struct http {
	struct http_hub *hub;
	struct http_events events;
	void *user;
	CURL *easy;
	struct curl_slist *headers;
	struct iovec body[HTTP_BODY_PARTS]; /* what has not left */
	struct buf in;
	size_t header_bytes;
	int status;
	bool added; /* libcurl has it */
	bool has_head, told_head, over, told_done;
	bool paused; /* by the user */
	bool curl_paused; /* by us, `in` is full */
	bool public_only, refused_address, too_many_headers, was_sent, listed, freed;
	struct error reason;
	char text[CURL_ERROR_SIZE];
	struct http *next_news;
};

/* Puts it on the hub's list of those with something to tell. */
void http_add_news(struct http *h);
/* Options of the handle. -ENOMEM. */
int http_set_up(struct http *h, const struct http_options *options) _must_check_;

#endif
