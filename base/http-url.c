/* SPDX-License-Identifier: Apache-2.0 */
#include "base/http-url.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Parts of an absolute URL, borrowed from it. */
struct parts {
	bool tls;
	const char *host;
	size_t host_len; /* with the brackets of an IPv6 address */
	unsigned port;
	const char *path; /* what follows the authority: "" or from / ? # */
};

static bool starts_with(const char *text, const char *word)
{
	return strncasecmp(text, word, strlen(word)) == 0;
}

static bool read_port(const char *text, size_t len, unsigned *ret)
{
	unsigned port = 0;

	if (len > 5)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!isdigit((unsigned char)text[i]))
			return false;
		port = port * 10 + (unsigned)(text[i] - '0');
	}
	if (len)
		*ret = port;
	return len == 0 || (port > 0 && port < 65536);
}

static bool host_good(const char *host, size_t len)
{
	bool bracketed = len > 2 && host[0] == '[';

	if (len == 0 || len > 255 || (bracketed && host[len - 1] != ']'))
		return false;
	for (size_t i = bracketed; i < len - bracketed; i++)
		if (!isalnum((unsigned char)host[i]) && !strchr(bracketed ? ":.%" : ".-_", host[i]))
			return false;
	return true;
}

static int split(const char *url, struct parts *ret, struct error *err)
{
	struct parts p = {.tls = starts_with(url, "https://")};
	const char *port;

	if (!p.tls && !starts_with(url, "http://"))
		return error_set(err, -EINVAL, "it does not begin with http:// or https://");
	for (const char *c = url; *c; c++)
		if ((unsigned char)*c <= ' ' || *c == 0x7f || *c == '\\')
			return error_set(err, -EINVAL, "it has a blank, a control character or a backslash in it");
	if (strlen(url) > HTTP_URL_MAX)
		return error_set(err, -EINVAL, "it is over %d bytes", HTTP_URL_MAX);
	p.host = url + (p.tls ? 8 : 7);
	p.path = p.host + strcspn(p.host, "/?#");
	if (memchr(p.host, '@', (size_t)(p.path - p.host)))
		return error_set(err, -EINVAL,
				 "it has a name or password in it; write headers: {Authorization: ...} instead");
	port = *p.host == '[' ? memchr(p.host, ']', (size_t)(p.path - p.host)) : p.host;
	port = port ? memchr(port, ':', (size_t)(p.path - port)) : NULL;
	p.host_len = (size_t)((port ? port : p.path) - p.host);
	p.port = p.tls ? 443 : 80;
	if (!host_good(p.host, p.host_len) || (port && !read_port(port + 1, (size_t)(p.path - port - 1), &p.port)))
		return error_set(err, -EINVAL, "its host or port is malformed");
	*ret = p;
	return 0;
}

int http_url_check(const char *url, struct error *err)
{
	struct parts p;

	return split(url, &p, err);
}

bool http_url_same_origin(const char *a, const char *b)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct parts x, y;

	return split(a, &x, &err) == 0 && split(b, &y, &err) == 0 && x.tls == y.tls && x.port == y.port &&
	       x.host_len == y.host_len && strncasecmp(x.host, y.host, x.host_len) == 0;
}

bool http_url_is_local(const char *url)
{
	static const char *const names[] = {"localhost", "127.0.0.1", "[::1]"};
	_cleanup_error_ struct error err = ERROR_INIT;
	struct parts p;

	if (split(url, &p, &err) < 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strlen(names[i]) == p.host_len && strncasecmp(names[i], p.host, p.host_len) == 0)
			return true;
	return false;
}

/* How much of base stands in front of ref. */
static size_t kept_of(const char *base, const struct parts *p, const char *ref)
{
	const char *end = p->path + strcspn(p->path, "?#"), *slash;

	if (starts_with(ref, "//"))
		return p->tls ? 6 : 5;
	if (*ref == '/')
		return (size_t)(p->path - base);
	if (*ref == '?' || !*ref)
		return (size_t)(end - base);
	slash = memrchr(p->path, '/', (size_t)(end - p->path));
	return (size_t)((slash ? slash + 1 : p->path) - base);
}

int http_url_join(const char *base, const char *ref, char **ret, struct error *err)
{
	bool absolute = starts_with(ref, "http://") || starts_with(ref, "https://");
	_cleanup_free_ char *url = NULL;
	struct parts p;
	size_t kept;
	int r = split(base, &p, err);

	if (r < 0)
		return r;
	if (strlen(ref) > HTTP_URL_MAX)
		return error_set(err, -EINVAL, "it is over %d bytes", HTTP_URL_MAX);
	/* "name:" in front of the first slash is another scheme */
	if (!absolute && ref[strcspn(ref, ":/?#")] == ':')
		return error_set(err, -EINVAL, "it does not begin with http:// or https://");
	kept = absolute ? 0 : kept_of(base, &p, ref);
	if (asprintf(&url, "%.*s%s%s", (int)kept, base,
		     kept && kept == (size_t)(p.path - base) && *ref != '/' && *ref != '?' && *ref ? "/" : "",
		     ref) < 0) {
		url = NULL;
		return error_set(err, -ENOMEM, "no memory for a URL");
	}
	url[strcspn(url, "#")] = '\0';
	r = http_url_check(url, err);
	if (r == 0)
		*ret = TAKE_PTR(url);
	return r;
}

bool http_header_good(const char *line)
{
	const char *colon = strchr(line, ':');

	if (!colon || colon == line || strlen(line) > HTTP_HEADER_MAX)
		return false;
	for (const char *p = line; *p; p++) {
		unsigned char c = (unsigned char)*p;

		if (p < colon && !(isascii(c) && (isalnum(c) || strchr("!#$%&'*+-.^_`|~", c))))
			return false;
		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}
