/* SPDX-License-Identifier: Apache-2.0 */
/* What libcurl is told of a request, and its callbacks, which only write into the request. */
#include "base/http-internal.h"

#include "base/http-address.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- callbacks of libcurl ---- */

static size_t on_write(char *bytes, size_t size, size_t count, void *user)
{
	struct http *h = user;

	(void)size; /* 1 */
	if (buf_append(&h->in, bytes, count) < 0) {
		h->curl_paused = true;
		return CURL_WRITEFUNC_PAUSE;
	}
	http_add_news(h);
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
		http_add_news(h);
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

/* ---- options ---- */

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

int http_set_up(struct http *h, const struct http_options *options)
{
	return add_headers(h, options) == 0 && set_options(h, options) ? 0 : -ENOMEM;
}
