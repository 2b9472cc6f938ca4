/* SPDX-License-Identifier: Apache-2.0 */
/* The pure parts of the HTTP client, and which addresses it refuses. What it does on the wire is tried by
 * broker/upstream/http and http-faults. */
#include "tests/unit/unit.h"

#include "base/http-address.h"
#include "base/http-url.h"
#include "base/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

static void test_urls(void **state)
{
	static const struct {
		const char *url, *fault;
	} rows[] = {
		{"http://localhost/mcp", NULL},
		{"HTTPS://Example.com:8443", NULL},
		{"https://[::1]:1/x?y=z#w", NULL},
		{"http://a.b-c_d/", NULL},
		{"http://host:/", NULL},
		{"ftp://host/", "does not begin"},
		{"localhost:3000/mcp", "does not begin"},
		{"http:/host", "does not begin"},
		{"http://", "malformed"},
		{"http://:80/", "malformed"},
		{"http://host:0/", "malformed"},
		{"http://host:65536/", "malformed"},
		{"http://host:8a/", "malformed"},
		{"http://[::1", "malformed"},
		{"http://ho st/", "blank"},
		{"http://host/\n", "blank"},
		{"http://host\\@other/", "backslash"},
		{"https://name:password@host/", "write headers"},
		{"https://name@host/", "write headers"},
		{"http://host/@x", NULL},
		{"http://${HOST}/", "malformed"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_error_ struct error err = ERROR_INIT;
		int r = http_url_check(rows[i].url, &err);

		if ((r < 0) != (rows[i].fault != NULL) || (r < 0 && !strstr(error_text(&err), rows[i].fault)))
			fail_msg("%s: %d %s", rows[i].url, r, error_text(&err));
	}
}

static void test_joining(void **state)
{
	static const struct {
		const char *base, *ref, *url; /* url NULL: refused */
		bool same;
	} rows[] = {
		{"http://h/a/b?c", "/x", "http://h/x", true},
		{"http://h/a/b?c", "x?y", "http://h/a/x?y", true},
		{"http://h/a/b?c", "?y", "http://h/a/b?y", true},
		{"http://h/a/b?c=/", "x", "http://h/a/x", true},
		{"http://h", "x", "http://h/x", true},
		{"http://h?q", "x", "http://h/x", true},
		{"http://h", "", "http://h", true},
		{"http://h/a", "http://H:80/x#f", "http://H:80/x", true},
		{"https://h/a", "https://h:443/", "https://h:443/", true},
		{"https://h/a", "http://h/", "http://h/", false},
		{"http://h/a", "https://h/", "https://h/", false},
		{"http://h/a", "http://h:8080/", "http://h:8080/", false},
		{"http://h/a", "http://h.evil/", "http://h.evil/", false},
		{"http://h/a", "//other/x", "http://other/x", false},
		{"https://h/a", "//h/x", "https://h/x", true},
		{"http://h/a", "http://h@evil/", NULL, false},
		{"http://h/a", "javascript:alert(1)", NULL, false},
		{"http://h/a", "\\\\evil", NULL, false},
		{"http://h/a", "/a b", NULL, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_error_ struct error err = ERROR_INIT;
		_cleanup_free_ char *url = NULL;
		int r = http_url_join(rows[i].base, rows[i].ref, &url, &err);

		assert_int_equal(r < 0, rows[i].url == NULL);
		if (r < 0)
			continue;
		assert_string_equal(url, rows[i].url);
		assert_int_equal(http_url_same_origin(rows[i].base, url), rows[i].same);
	}
	assert_true(http_url_is_local("http://LOCALHOST:1/") && http_url_is_local("https://[::1]/") &&
		    http_url_is_local("http://127.0.0.1") && !http_url_is_local("http://localhost.evil/"));
}

static void test_headers(void **state)
{
	(void)state;
	assert_true(http_header_good("A: b") && http_header_good("X-Y_z.1:") && http_header_good("A: \xc3\xbc\tc"));
	assert_false(http_header_good("A") || http_header_good(": b") || http_header_good("A b: c") ||
		     http_header_good("A: b\r\nC: d") || http_header_good("A\n: b") || http_header_good("A: \x7f"));
}

static void test_addresses(void **state)
{
	static const char *const near[] = {"127.0.0.1",
					   "10.1.2.3",
					   "172.16.0.1",
					   "172.31.255.255",
					   "192.168.1.1",
					   "169.254.169.254",
					   "100.64.0.1",
					   "0.0.0.0",
					   "255.255.255.255",
					   "224.0.0.1",
					   "::",
					   "::1",
					   "fe80::1",
					   "fd00::1",
					   "ff02::1",
					   "::ffff:127.0.0.1",
					   "::ffff:10.0.0.1",
					   "64:ff9b::7f00:1",
					   "2002:a00:1::1",
					   "2001:db8::1",
					   "::7f00:1",
					   "no address"};
	static const char *const far[] = {"8.8.8.8",        "172.32.0.1",      "192.169.0.1",     "100.128.0.1",
					  "1.1.1.1",        "11.0.0.1",        "2606:4700::1111", "2a00::1",
					  "::ffff:8.8.8.8", "2002:808:808::1", "64:ff9b::808:808"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(near); i++)
		if (!http_address_text_is_private(near[i]))
			fail_msg("%s is private", near[i]);
	for (size_t i = 0; i < ARRAY_SIZE(far); i++)
		if (http_address_text_is_private(far[i]))
			fail_msg("%s is public", far[i]);
}

/* ---- a listener that answers nothing ---- */

struct outcome {
	bool done;
	int code;
	struct http *http;
};

static void on_head(void *user, int status)
{
	(void)user;
	(void)status;
	fail();
}

static size_t on_data(void *user, const uint8_t *bytes, size_t len)
{
	(void)user;
	(void)bytes;
	return len;
}

static void on_done(void *user, const struct error *reason)
{
	struct outcome *o = user;

	o->done = true;
	o->code = reason ? reason->code : 0;
	assert_false(http_was_sent(o->http));
}

static int listener(unsigned *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 5), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	*port = ntohs(address.sin_port);
	return fd;
}

/* Also by a name, which says nothing before it is resolved. */
static void test_private_addresses_are_refused_after_the_name_is_resolved(void **state)
{
	static const char *const hosts[] = {"127.0.0.1", "localhost", "[::ffff:127.0.0.1]"};
	static const struct http_events events = {on_head, on_data, on_done};
	struct error err = ERROR_INIT;
	struct loop *loop;
	unsigned port;
	int fd = listener(&port);

	(void)state;
	assert_int_equal(loop_new(&loop, &err), 0);
	for (size_t i = 0; i < ARRAY_SIZE(hosts); i++) {
		char url[64];
		struct outcome o = {0};
		const struct http_options options = {
			.method = "GET", .url = url, .connect_ms = 10000, .public_only = true};

		snprintf(url, sizeof(url), "http://%s:%u/", hosts[i], port);
		assert_int_equal(http_new(loop, &options, &events, &o, &o.http, &err), 0);
		assert_false(o.done);
		for (int turn = 0; turn < 1000 && !o.done; turn++)
			loop_turn(loop, 100);
		assert_true(o.done);
		assert_int_equal(o.code, -EACCES);
		http_free(o.http);
	}
	assert_int_equal(accept(fd, NULL, NULL), -1); /* nobody came */
	close(fd);
	loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_urls),
		cmocka_unit_test(test_joining),
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_private_addresses_are_refused_after_the_name_is_resolved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
