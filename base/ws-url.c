/* SPDX-License-Identifier: Apache-2.0 */
#include "base/ws-url.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool ws_header_good(const char *line)
{
	const char *colon = strchr(line, ':');

	if (!colon || colon == line)
		return false;
	for (const char *p = line; *p; p++) {
		unsigned char c = (unsigned char)*p;

		if ((c < 0x20 && c != '\t') || c == 0x7f || (p < colon && (c == ' ' || c == '\t' || c >= 0x80)))
			return false;
	}
	return true;
}

static int read_port(const char *text, size_t len, uint16_t *ret)
{
	unsigned port = 0;

	if (len == 0 || len > 5)
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		if (!isdigit((unsigned char)text[i]))
			return -EINVAL;
		port = port * 10 + (unsigned)(text[i] - '0');
	}
	if (port == 0 || port > 65535)
		return -EINVAL;
	*ret = (uint16_t)port;
	return 0;
}

static bool host_good(const char *host)
{
	for (; *host; host++)
		if (!isalnum((unsigned char)*host) && !strchr(".-_:%", *host))
			return false;
	return true;
}

int ws_url_read(const char *text, struct ws_url *ret, struct error *err)
{
	struct ws_url u = {.tls = strncmp(text, "wss://", 6) == 0};
	const char *host = text + (u.tls ? 6 : 5), *end, *port;
	size_t len;

	if (!u.tls && strncmp(text, "ws://", 5) != 0)
		return error_set(err, -EINVAL, "the URL does not begin with ws:// or wss://");
	end = host + strcspn(host, "/?#");
	u.path = end;
	for (const char *p = end; *p; p++)
		if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7f || *p == '#')
			return error_set(err, -EINVAL,
					 "the path of the URL has a character that does not belong there");
	u.bracketed = *host == '[';
	if (u.bracketed) {
		host++;
		port = memchr(host, ']', (size_t)(end - host));
		if (!port)
			return error_set(err, -EINVAL, "the URL has no ] behind its address");
		len = (size_t)(port++ - host);
	} else {
		port = memchr(host, ':', (size_t)(end - host));
		port = port ? port : end;
		len = (size_t)(port - host);
	}
	if (len == 0 || len >= sizeof(u.host))
		return error_set(err, -EINVAL, "the URL has no host, or one of over %d bytes", WS_URL_HOST_MAX - 1);
	memcpy(u.host, host, len);
	u.port = u.tls ? 443 : 80;
	if (!host_good(u.host) || (!u.bracketed && strchr(u.host, ':')) || (port < end && *port != ':') ||
	    (port < end && read_port(port + 1, (size_t)(end - port - 1), &u.port) < 0))
		return error_set(err, -EINVAL, "host or port of the URL is malformed");
	*ret = u;
	return 0;
}
