/* SPDX-License-Identifier: Apache-2.0 */
/* The upgrade request of a WebSocket client, RFC 6455 section 4.2. */
#include "tunnel/guest/wsaccept.h"

#include <nettle/base64.h>
#include <nettle/sha1.h>
#include <string.h>
#include <strings.h>

struct header {
	const char *name, *value;
	size_t name_len, value_len;
};

/* What the request must say; each at most once. */
enum { SAID_UPGRADE = 1, SAID_CONNECTION = 2, SAID_VERSION = 4, SAID_KEY = 8, SAID_PROTOCOL = 16, SAID_HOST = 32 };

struct reading {
	unsigned said;
	const char *key;
	bool old_version, bad;
};

/* Is word an element of the comma-separated list? */
static bool list_has(const struct header *h, const char *word)
{
	const char *p = h->value, *end = p + h->value_len;

	while (p < end) {
		const char *comma = memchr(p, ',', (size_t)(end - p)), *stop = comma ? comma : end, *last = stop;

		while (p < last && (*p == ' ' || *p == '\t'))
			p++;
		while (last > p && (last[-1] == ' ' || last[-1] == '\t'))
			last--;
		if ((size_t)(last - p) == strlen(word) && strncasecmp(p, word, strlen(word)) == 0)
			return true;
		p = stop + 1;
	}
	return false;
}

static bool named(const struct header *h, const char *name)
{
	return h->name_len == strlen(name) && strncasecmp(h->name, name, h->name_len) == 0;
}

static void read_header(const struct header *h, struct reading *r)
{
	if (named(h, "Upgrade")) {
		r->said |= list_has(h, "websocket") ? SAID_UPGRADE : 0;
	} else if (named(h, "Connection")) {
		r->said |= list_has(h, "Upgrade") ? SAID_CONNECTION : 0;
	} else if (named(h, "Sec-WebSocket-Version")) {
		r->said |= list_has(h, "13") ? SAID_VERSION : 0;
		r->old_version = !list_has(h, "13");
	} else if (named(h, "Sec-WebSocket-Key")) {
		r->bad |= r->said & SAID_KEY || h->value_len != 24; /* 16 bytes in base64 */
		r->said |= SAID_KEY;
		r->key = h->value;
	} else if (named(h, "Sec-WebSocket-Protocol")) {
		r->said |= list_has(h, "hawser.v1") ? SAID_PROTOCOL : 0;
	} else if (named(h, "Host")) {
		r->said |= SAID_HOST;
	} else if (named(h, "Content-Length")) {
		r->bad |= !(h->value_len == 1 && *h->value == '0');
	} else if (named(h, "Transfer-Encoding")) {
		r->bad = true;
	}
}

/* One line without its CRLF. */
static bool split_header(const char *line, size_t len, struct header *ret)
{
	const char *colon = memchr(line, ':', len);

	if (!colon || colon == line || memchr(line, ' ', (size_t)(colon - line)) || memchr(line, 0, len))
		return false;
	ret->name = line;
	ret->name_len = (size_t)(colon - line);
	ret->value = colon + 1;
	ret->value_len = len - ret->name_len - 1;
	while (ret->value_len > 0 && (*ret->value == ' ' || *ret->value == '\t')) {
		ret->value++;
		ret->value_len--;
	}
	while (ret->value_len > 0 && (ret->value[ret->value_len - 1] == ' ' || ret->value[ret->value_len - 1] == '\t'))
		ret->value_len--;
	return true;
}

static enum wsrequest_verdict refuse(struct wsrequest *ret, const char *status, const char *text)
{
	ret->status = status;
	ret->text = text;
	return WSREQUEST_REFUSE;
}

/* "GET /path HTTP/1.1"; NULL: fine, else why not. */
static const char *check_request_line(const char *line, size_t len)
{
	const char *path = line + 4, *space;
	size_t path_len;

	if (len < 4 || memcmp(line, "GET ", 4) != 0)
		return "405 Method Not Allowed";
	space = memchr(path, ' ', len - 4);
	if (!space || *path != '/' || (size_t)(line + len - space) != strlen(" HTTP/1.1") ||
	    memcmp(space, " HTTP/1.1", strlen(" HTTP/1.1")) != 0)
		return "400 Bad Request";
	path_len = strcspn(path, "? ");
	return path_len == 3 && memcmp(path, "/ws", 3) == 0 ? "404 Not Found" : NULL;
}

static void make_accept(const char *key, char accept[32])
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	uint8_t digest[SHA1_DIGEST_SIZE];
	struct sha1_ctx sha;

	sha1_init(&sha);
	sha1_update(&sha, 24, (const uint8_t *)key);
	sha1_update(&sha, sizeof(guid) - 1, (const uint8_t *)guid);
	sha1_digest(&sha, sizeof(digest), digest);
	base64_encode_raw(accept, sizeof(digest), digest);
	accept[BASE64_ENCODE_RAW_LENGTH(SHA1_DIGEST_SIZE)] = 0;
}

static enum wsrequest_verdict judge(const struct reading *r, struct wsrequest *ret)
{
	if (r->bad)
		return refuse(ret, "400 Bad Request", "This request is malformed.");
	if (!(r->said & SAID_UPGRADE) || !(r->said & SAID_CONNECTION) || r->old_version)
		return refuse(ret, "426 Upgrade Required", "This port speaks WebSocket (RFC 6455), hawser.v1.");
	if (!(r->said & SAID_VERSION) || !(r->said & SAID_KEY) || !(r->said & SAID_HOST))
		return refuse(ret, "400 Bad Request", "Host, Sec-WebSocket-Version or Sec-WebSocket-Key is missing.");
	if (!(r->said & SAID_PROTOCOL))
		return refuse(ret, "400 Bad Request", "The subprotocol must be hawser.v1.");
	make_accept(r->key, ret->accept);
	return WSREQUEST_ACCEPT;
}

enum wsrequest_verdict wsrequest_read(const char *bytes, size_t len, struct wsrequest *ret)
{
	const char *end = memmem(bytes, len, "\r\n\r\n", 4), *line = bytes, *eol, *fault;
	struct reading r = {0};

	*ret = (struct wsrequest){0};
	/* Whoever does not speak HTTP is told so at once. */
	if (len >= 4 && memcmp(bytes, "GET ", 4) != 0)
		return refuse(ret, "405 Method Not Allowed", "This port speaks WebSocket (RFC 6455), hawser.v1.");
	if (!end || (size_t)(end - bytes) > WSREQUEST_MAX - 4) {
		if (len < WSREQUEST_MAX && !end)
			return WSREQUEST_MORE;
		return refuse(ret, "431 Request Header Fields Too Large", "The header is over 8 KiB.");
	}
	ret->length = (size_t)(end - bytes) + 4;
	eol = memmem(line, ret->length, "\r\n", 2);
	fault = check_request_line(line, (size_t)(eol - line));
	if (fault)
		return refuse(ret, fault, "This port speaks WebSocket (RFC 6455), hawser.v1, on any path but /ws.");
	while (eol < end) {
		struct header h;

		line = eol + 2;
		eol = memmem(line, (size_t)(end + 2 - line), "\r\n", 2);
		if (!split_header(line, (size_t)(eol - line), &h))
			return refuse(ret, "400 Bad Request", "A header line is malformed.");
		read_header(&h, &r);
	}
	return judge(&r, ret);
}
