/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request. Its life: http_new() -> bytes out and in -> over (libcurl has ended it, and the outcome is stored) ->
 * done was told, once all bytes were taken -> http_free(). What libcurl brings is kept in `in`, bounded: over that the
 * transfer is paused, so the other end is slowed down by TCP.
 */
#include "base/http.h"

#include "base/buf.h"
#include "base/http-address.h"
#include "base/http-hub.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

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

static void add_news(struct http *h)
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

/* ---- callbacks of libcurl ---- */

static size_t on_write(char *bytes, size_t size, size_t count, void *user)
{
	struct http *h = user;

	(void)size; /* 1 */
	if (buf_append(&h->in, bytes, count) < 0) {
		h->curl_paused = true;
		return CURL_WRITEFUNC_PAUSE;
	}
	add_news(h);
	return count;
}

static size_t on_read(char *room, size_t size, size_t count, void *user)
{
	struct http *h = user;
	size_t n = 0;

	(void)size;
	for (size_t i = 0; i < HTTP_BODY_PARTS && n < count; i++) {
		struct iovec *part = &h->body[i];
		size_t take = part->iov_len < count - n ? part->iov_len : count - n;

		if (take == 0)
			continue;
		memcpy(room + n, part->iov_base, take);
		part->iov_base = (char *)part->iov_base + take;
		part->iov_len -= take;
		n += take;
	}
	return n;
}

static size_t on_header(char *line, size_t size, size_t count, void *user)
{
	struct http *h = user;
	long status = 0;

	(void)size;
	h->header_bytes += count;
	if (h->header_bytes > HTTP_HEADERS_MAX) {
		h->too_many_headers = true;
		return 0;
	}
	if (count > 2 || h->has_head) /* the empty line ends them; trailers come later */
		return count;
	(void)line;
	h->hub->curl->curl_easy_getinfo(h->easy, CURLINFO_RESPONSE_CODE, &status);
	if (status >= 200) {
		h->status = (int)status;
		h->has_head = true;
		add_news(h);
	}
	return count;
}

/* After the name was resolved: whatever it says, this is where the connection would go. */
static curl_socket_t on_open_socket(void *user, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct http *h = user;

	(void)purpose;
	if (h->public_only && http_address_is_private(&address->addr)) {
		h->refused_address = true;
		return CURL_SOCKET_BAD;
	}
	return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* ---- the end of a transfer ---- */

static void store_reason(struct http *h, CURLcode result)
{
	const char *text = h->text[0] ? h->text : h->hub->curl->curl_easy_strerror(result);

	if (h->refused_address)
		error_set(&h->reason, -EACCES,
			  "its name leads to an address of a private network, which a URL that a server gave must not");
	else if (h->too_many_headers)
		error_set(&h->reason, -EMSGSIZE, "its headers are over %d bytes", HTTP_HEADERS_MAX);
	else if (result == CURLE_PEER_FAILED_VERIFICATION || result == CURLE_SSL_CACERT_BADFILE)
		error_set(&h->reason, -EKEYREJECTED, "%s", text);
	else
		error_set(&h->reason, -EIO, "%s", text);
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
	add_news(h);
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
	add_news(h);
	hub_settle_soon(h->hub);
}

static int add_header(struct http *h, const char *line)
{
	_cleanup_free_ char *empty = NULL;
	const char *colon = strchr(line, ':');
	struct curl_slist *grown;

	/* libcurl takes "Name:" as the wish to leave it out, and "Name;" as a header without a value. */
	if (!colon[1 + strspn(colon + 1, " \t")]) {
		if (asprintf(&empty, "%.*s;", (int)(colon - line), line) < 0)
			return -ENOMEM;
		line = empty;
	}
	grown = h->hub->curl->curl_slist_append(h->headers, line);
	if (!grown)
		return -ENOMEM;
	h->headers = grown;
	return 0;
}

static int add_headers(struct http *h, const struct http_options *o)
{
	int r = 0;

	for (const char *const *line = o->headers; r == 0 && line && *line; line++)
		r = add_header(h, *line);
	for (const char *const *line = o->more_headers; r == 0 && line && *line; line++)
		r = add_header(h, *line);
	/* No waiting for "100 Continue", which many servers never say. */
	if (r == 0 && !(h->headers = h->hub->curl->curl_slist_append(h->headers, "Expect:")))
		r = -ENOMEM;
	return r;
}

#define SET(option, value) ok = ok && h->hub->curl->curl_easy_setopt(h->easy, option, value) == CURLE_OK

static bool set_body(struct http *h, const struct http_options *o)
{
	curl_off_t length = 0;
	bool ok = true;

	for (size_t i = 0; i < HTTP_BODY_PARTS; i++)
		length += (curl_off_t)o->body[i].iov_len;
	memcpy(h->body, o->body, sizeof(h->body));
	if (strcmp(o->method, "GET") == 0) {
		SET(CURLOPT_HTTPGET, 1L);
		return ok;
	}
	if (strcmp(o->method, "POST") == 0) {
		SET(CURLOPT_POST, 1L);
		SET(CURLOPT_POSTFIELDSIZE_LARGE, length);
	} else {
		SET(CURLOPT_CUSTOMREQUEST, o->method);
	}
	/* Without a way to seek, libcurl cannot send a request twice behind our back when a kept connection breaks. */
	SET(CURLOPT_READFUNCTION, on_read);
	SET(CURLOPT_READDATA, h);
	SET(CURLOPT_UPLOAD_BUFFERSIZE, (long)HTTP_CHUNK);
	return ok;
}

static bool set_tls_and_proxy(struct http *h, const struct http_options *o)
{
	bool ok = true;

	if (o->ca_file)
		SET(CURLOPT_CAINFO, o->ca_file);
	if (o->ca_file)
		SET(CURLOPT_CAPATH, NULL);
	SET(CURLOPT_PROXY, o->proxy ? o->proxy : "");
	SET(CURLOPT_NOPROXY, o->no_proxy ? o->no_proxy : "");
	SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	return ok;
}

static bool set_options(struct http *h, const struct http_options *o)
{
	bool ok = true;

	SET(CURLOPT_PRIVATE, h);
	SET(CURLOPT_ERRORBUFFER, h->text);
	SET(CURLOPT_URL, o->url);
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_HTTPHEADER, h->headers);
	SET(CURLOPT_USERAGENT, "hawser/" HAWSER_VERSION);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_NOPROGRESS, 1L);
	SET(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)o->connect_ms);
	SET(CURLOPT_TCP_KEEPALIVE, 1L);
	SET(CURLOPT_MAXAGE_CONN, (long)HTTP_IDLE_S);
	/* Else taking a request back waits on the loop for a resolver that does not answer. */
	SET(CURLOPT_QUICK_EXIT, 1L);
	SET(CURLOPT_BUFFERSIZE, (long)HTTP_CHUNK);
	SET(CURLOPT_WRITEFUNCTION, on_write);
	SET(CURLOPT_WRITEDATA, h);
	SET(CURLOPT_HEADERFUNCTION, on_header);
	SET(CURLOPT_HEADERDATA, h);
	SET(CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
	SET(CURLOPT_OPENSOCKETDATA, h);
	return ok && set_body(h, o) && set_tls_and_proxy(h, o);
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
	if (!h->easy || add_headers(h, options) < 0 || !set_options(h, options) ||
	    hub->curl->curl_multi_add_handle(hub->multi, h->easy) != CURLM_OK) {
		release(h);
		return error_set(err, -ENOMEM, "libcurl does not take the request to %.200s", options->url);
	}
	h->added = true;
	*ret = h;
	return 0;
}
