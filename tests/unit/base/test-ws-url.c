/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "base/ws-url.h"

#include <errno.h>
#include <string.h>

static void test_good(void **state)
{
	static const struct {
		const char *text, *host, *path;
		unsigned port;
		bool tls, bracketed;
	} rows[] = {
		{"ws://a/", "a", "/", 80, false, false},
		{"wss://x-1.example.com", "x-1.example.com", "", 443, true, false},
		{"wss://h:8443/p/q?r=1", "h", "/p/q?r=1", 8443, true, false},
		{"ws://[::1]:7/x", "::1", "/x", 7, false, true},
		{"ws://[fe80::1%eth0]/", "fe80::1%eth0", "/", 80, false, true},
		{"ws://h?x", "h", "?x", 80, false, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct error err = ERROR_INIT;
		struct ws_url u;

		assert_int_equal(ws_url_read(rows[i].text, &u, &err), 0);
		assert_string_equal(u.host, rows[i].host);
		assert_string_equal(u.path, rows[i].path);
		assert_int_equal(u.port, rows[i].port);
		assert_int_equal(u.tls, rows[i].tls);
		assert_int_equal(u.bracketed, rows[i].bracketed);
	}
}

static void test_bad(void **state)
{
	static const char *const rows[] = {
		"",          "http://a/",  "ws:/a",           "ws://",      "ws:///x",
		"ws://a:/",  "ws://a:0/",  "ws://a:65536/",   "ws://a:1x/", "ws://u@h/",
		"ws://a b/", "ws://a/b c", "ws://a/\r\n",     "ws://[::1/", "ws://[::1]x/",
		"ws://::1/", "ws://a/#f",  "ws://a\r\nX: y/",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct error err = ERROR_INIT;
		struct ws_url u;

		if (ws_url_read(rows[i], &u, &err) != -EINVAL)
			fail_msg("taken: %s", rows[i]);
		error_done(&err);
	}
}

static void test_headers(void **state)
{
	(void)state;
	assert_true(ws_header_good("X-Key: a b"));
	assert_true(ws_header_good("X:"));
	assert_false(ws_header_good("X-Key"));
	assert_false(ws_header_good(": x"));
	assert_false(ws_header_good("X Y: x"));
	assert_false(ws_header_good("X: a\r\nY: b"));
	assert_false(ws_header_good("X: \x7f"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_headers),
	};

	return cmocka_run_group_tests_name("base/ws-url", tests, NULL, NULL);
}
