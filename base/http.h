/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BASE_HTTP_H
#define HAWSER_BASE_HTTP_H

#include "base/error.h"
#include "base/loop.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/*
 * An HTTP/1.1 client on our loop: one request, its body streamed out and the answer's streamed in, both at the pace of
 * the slower end. Connections are kept and shared by all requests of a loop. TLS is verified. Redirects are answers
 * like others. There is no limit on the time of an answer: whoever asks has a timer. The only user of libcurl.
 */
struct http;

struct http_events {
	/* The status line and the headers are there; none is told for 1xx. */
	void (*head)(void *user, int status);
	/* Bytes of the body, borrowed until return. Returns how many were taken; those that are left are offered again
	 * after http_resume(). */
	size_t (*data)(void *user, const uint8_t *bytes, size_t len);
	/* The end, once; nothing follows. reason NULL: all of the answer has come. Its code is -EHOSTUNREACH where the
	 * name leads nowhere, -ECONNREFUSED where nobody took the connection, -ETIMEDOUT, -EPROTO where no TLS came
	 * about, -EKEYREJECTED where the certificate is not trusted, else another. */
	void (*done)(void *user, const struct error *reason);
};

enum { HTTP_BODY_PARTS = 3 };

struct http_options {
	const char *method;
	const char *url; /* http_url_check() accepted it */
	const char *const *headers; /* "Name: value", http_header_good() accepted them; NULL-terminated; may be NULL */
	const char *const *more_headers; /* the same */
	const char *ca_file; /* certificates to trust instead of the system's; NULL: those */
	const char *proxy; /* URL; NULL: none. The environment is not looked at */
	const char *no_proxy; /* names that are reached without it, parted by commas; may be NULL */
	uint64_t connect_ms; /* for resolving, connecting and TLS */
	bool public_only; /* refuse addresses that http_address_is_private() */
	/* Borrowed until done or http_free(). */
	struct iovec body[HTTP_BODY_PARTS];
};

/* Loads libcurl, which takes some 25 ms and is done by the first http_new() otherwise: for loop_work_start(), so that
 * the loop does not stand still for it. */
void http_prepare(void *unused);
bool http_is_prepared(void);
/* No event inside this call. */
int http_new(struct loop *loop, const struct http_options *options, const struct http_events *events, void *user,
	     struct http **ret, struct error *err) _must_check_;
/* Value of a header of the answer, NULL if it has none; borrowed until http_free(). From head on. */
const char *http_header(struct http *h, const char *name);
/* Was the connection to (or, through a proxy, by) a private address? From head on. */
bool http_peer_is_private(struct http *h);
/* Has any byte of it been handed to the other end? */
bool http_was_sent(struct http *h);
/* Stops offering bytes; the other end is slowed down. */
void http_pause(struct http *h);
void http_resume(struct http *h);
/* Cuts it off. Safe in events; none follows. */
struct http *http_free(struct http *h);

#endif
