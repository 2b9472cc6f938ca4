/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "broker/core/ask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct redact *secrets(void)
{
	static const struct redact_secret list[] = {{"TOKEN", "hunter2-hunter2", 15}};
	struct error err = ERROR_INIT;
	struct redact *r;

	assert_int_equal(redact_new(list, 1, &r, &err), 0);
	return r;
}

static char *shown(const char *args, size_t len, bool lines)
{
	struct redact *redact = secrets();
	struct buf out = BUF_INIT(64 << 10);
	struct error err = ERROR_INIT;
	struct span value;

	assert_int_equal(span_check(span_of(args, len), false, &value, &err), 0);
	assert_int_equal(ask_put_arguments(&out, value, redact, lines), 0);
	redact_unref(redact);
	return buf_steal(&out, NULL);
}

static const struct {
	const char *args, *shown;
} rows[] = {
	{"{}", "(no arguments)"},
	{"{\"path\":\"/a b\", \"n\" : 0.10}", "path: \"/a b\", n: 0.10"},
	{"{\"p\":\"\\u002fetc\\u002fpasswd\"}", "p: \"/etc/passwd\""}, /* no escape that could be done without */
	{"{\"p\":\"\\u001b[2J\\r\\n\\u0000\"}", "p: \"\\u001b[2J\\r\\n\\u0000\""},
	{"{\"p\":\"a\xe2\x80\xae"
	 "b\xe2\x80\x8b\xc2\xad\xef\xbb\xbf\"}",
	 "p: \"a\\u202eb\\u200b\\u00ad\\ufeff\""},
	{"{\"p\":\"\xf3\xa0\x81\x81\"}", "p: \"\\U000e0041\""}, /* tag characters */
	{"{\"p\":\"\xc2\x9b"
	 "1m\"}",
	 "p: \"\\u009b1m\""},
	{"{\"p\":\"\xc3\xbc \xf0\x9f\x9a\xa2\"}", "p: \"\xc3\xbc \xf0\x9f\x9a\xa2\""},
	{"{\"a\\nb\":1,\"\":2}", "\"a\\nb\": 1, \"\": 2"},
	{"{\"o\":{ \"x\" : [ 1 , \"\\u0041\" ] }}", "o: {\"x\":[1,\"A\"]}"},
	{"{\"t\":\"hunter2-hunter2\"}", "t: \"[redacted:TOKEN]\""},
	{"{\"t\":[\"x hunter2\\u002dhunter2 y\"]}", "t: [\"x [redacted:TOKEN] y\"]"},
	{"{\"hunter2-hunter2\":1}", "[redacted:TOKEN]: 1"},
	{"{\"p\":\"say \\\"hi\\\" \\\\\"}", "p: \"say \\\"hi\\\" \\\\\""},
};

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char *text = shown(rows[i].args, strlen(rows[i].args), false);

		assert_string_equal(text, rows[i].shown);
		free(text);
	}
}

/* A secret that the cut would go through is blanked before. */
static void test_long_values(void **state)
{
	char args[1024] = "{\"t\":\"", *text;

	(void)state;
	memset(args + 6, 'x', 230);
	strcpy(args + 236, "hunter2-hunter2 and so on, and so on, and so on\", \"b\": 1}");
	text = shown(args, strlen(args), true);
	assert_null(strstr(text, "hunter"));
	assert_non_null(strstr(text, "xxx\" ... \""));
	assert_non_null(strstr(text, "\n  b: 1"));
	free(text);
}

static void test_many_and_large(void **state)
{
	struct buf args = BUF_INIT(4 << 20);
	char *text;

	(void)state;
	assert_int_equal(buf_append_str(&args, "{\"k\":0"), 0);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(buf_printf(&args, ",\"k%d\":%d", i, i), 0);
	assert_int_equal(buf_append_str(&args, "}"), 0);
	text = shown((const char *)buf_head(&args), args.len, true);
	assert_non_null(strstr(text, "... and 937 arguments that are not shown: k63 (2 bytes), k64 (2 bytes)"));
	assert_true(strlen(text) < 2 * ASK_ARGS_MAX);
	free(text);
	buf_clear(&args);
	assert_int_equal(buf_append_str(&args, "{\"a\":\""), 0);
	for (int i = 0; i < 40000; i++)
		assert_int_equal(buf_append_str(&args, "0123456789"), 0);
	assert_int_equal(buf_append_str(&args, "\"}"), 0);
	text = shown((const char *)buf_head(&args), args.len, true);
	assert_non_null(strstr(text, "\n  a: \"0123456789"));
	assert_non_null(strstr(text, "0123456789\" (400002 bytes)"));
	assert_true(strlen(text) < ASK_ARGS_MAX);
	free(text);
	buf_done(&args);
}

static void add_filler(struct buf *args, size_t n)
{
	for (size_t i = 0; i < n; i++)
		assert_int_equal(buf_append_str(args, "a"), 0);
}

/* {"BEFORE aaa... AFTER"} with so many. */
static char *shown_around(const char *before, size_t n, const char *after)
{
	_cleanup_buf_ struct buf args = BUF_INIT(1 << 20);

	assert_int_equal(buf_append_str(&args, before), 0);
	add_filler(&args, n);
	assert_int_equal(buf_append_str(&args, after), 0);
	return shown((const char *)buf_head(&args), args.len, true);
}

/* However long one is: the others are seen, in whatever they stand, and so are both its ends. */
static void test_long_ones_hide_nothing(void **state)
{
	static const size_t sizes[] = {300, 7000, 64 << 10, 70000, 300000};
	static const struct {
		const char *before, *after, *wanted, *also;
	} around[] = {
		{"{\"content\":\"", "\",\"path\":\"/etc/shadow\"}", "\n  path: \"/etc/shadow\"", "\n  content: \"aaa"},
		{"{\"o\":{\"content\":\"", "\",\"path\":\"/etc/shadow\"}}", "/etc/shadow\"", "content"},
		{"{\"o\":[[{\"content\":\"", "\"},\"/etc/shadow\"]]}", "\"/etc/shadow\"", "content"},
		{"{\"p\":\"/home/me/", "/../../etc/shadow\"}", "/../../etc/shadow\" (", "\n  p: \"/home/me/aaa"},
		{"{\"", "\":\"/etc/shadow\"}", ": \"/etc/shadow\"", "aaa"},
		/* no secret that a cut goes through */
		{"{\"p\":\"hunter2-hunter2", "hunter2-hunter2\"}", "[redacted:TOKEN]\" (", "p: \"[redacted:TOKEN]aaa"},
		{"{\"p\":\"", "hunter2\\u002dhunter2/x\"}", "[redacted:TOKEN]/x\" (", "p: \"aaa"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(around) * ARRAY_SIZE(sizes); i++) {
		size_t row = i / ARRAY_SIZE(sizes);
		char *text = shown_around(around[row].before, sizes[i % ARRAY_SIZE(sizes)], around[row].after);

		if (!strstr(text, around[row].wanted) || !strstr(text, around[row].also) || strstr(text, "hunter2") ||
		    strlen(text) > ASK_ARGS_MAX)
			fail_msg("%zu bytes: %s", sizes[i % ARRAY_SIZE(sizes)], text);
		free(text);
	}
}

/* A secret anywhere at the borders of what is looked at. */
static void test_secret_at_every_border(void **state)
{
	static const char secret[] = "hunter2-hunter2";
	enum { SIZE = 70000 };
	char *args = malloc(SIZE + 32);

	(void)state;
	assert_non_null(args);
	for (size_t at = 0; at < 6000; at++) {
		size_t places[] = {7 + at, SIZE - 20 - at};

		for (size_t k = 0; k < ARRAY_SIZE(places); k++) {
			char *text;

			memset(args, 'a', SIZE);
			memcpy(args, "{\"p\":\"", 6);
			memcpy(args + places[k], secret, 15);
			memcpy(args + SIZE - 2, "\"}", 2);
			text = shown(args, SIZE, true);
			assert_null(strstr(text, "hunter"));
			assert_null(strstr(text, "nter2"));
			free(text);
		}
		at += at > 300 && at < 3900 ? 36 : 0;
	}
	free(args);
}

/* Long arguments in front do not keep the last one from being seen. */
static void test_none_is_crowded_out(void **state)
{
	_cleanup_buf_ struct buf args = BUF_INIT(64 << 10);
	char *text;

	(void)state;
	assert_int_equal(buf_append_str(&args, "{\"path\":\"ok\""), 0);
	for (int i = 0; i < 24; i++)
		assert_int_equal(buf_printf(&args, ",\"f%d\":\"%0200d\"", i, 0), 0);
	assert_int_equal(buf_append_str(&args, ",\"target\":\"/etc/passwd\"}"), 0);
	text = shown((const char *)buf_head(&args), args.len, true);
	assert_non_null(strstr(text, "target: \"/etc/passwd\""));
	assert_null(strstr(text, "not shown"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_long_values),
		cmocka_unit_test(test_many_and_large),
		cmocka_unit_test(test_none_is_crowded_out),
		cmocka_unit_test(test_long_ones_hide_nothing),
		cmocka_unit_test(test_secret_at_every_border),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
