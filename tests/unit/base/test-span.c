/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "base/span-keys.h"
#include "base/span.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int check(const char *text, bool strict)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	int r = span_check(span_of(text, strlen(text)), strict, NULL, &err);

	assert_int_equal(r, err.code);
	return r;
}

static void test_accepts(void **state)
{
	static const char *const texts[] = {
		"{}",
		"[]",
		"\"\"",
		"0",
		"-0",
		"-1.5e+10",
		"1E9",
		"true",
		"false",
		"null",
		" \t\r\n[1, 2 ,{\"a\" : [null]} ]\n",
		"12345678901234567890",
		"0.10",
		"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\"",
		"\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"",
		"\"\\ud83d\\ude00\"",
		"\"\\u0000\"",
		"{\"a\":{\"a\":{\"a\":1}},\"b\":{\"a\":1}}",
		"[{\"a\":1},{\"a\":2}]",
		"\"\x7f\"",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (check(texts[i], true) != 0 || check(texts[i], false) != 0)
			fail_msg("refused: %s", texts[i]);
}

static void test_refuses(void **state)
{
	static const char *const texts[] = {
		"",
		" ",
		"{",
		"}",
		"[1,]",
		"{\"a\":1,}",
		"{a:1}",
		"{\"a\" 1}",
		"{1:2}",
		"[1 2]",
		"01",
		"-",
		"-a",
		"1.",
		"1.e1",
		"1e",
		"1e+",
		".5",
		"+1",
		"nul",
		"nulll",
		"True",
		"NaN",
		"\"",
		"\"abc",
		"\"\\",
		"\"\\x\"",
		"\"\\u12g4\"",
		"\"\\u12",
		"\"\n\"",
		"\"\x1f\"",
		"\"\x80\"",
		"\"\xc3\"",
		"\"\xc0\xaf\"",
		"\"\xed\xa0\x80\"",
		"\"\xf4\x90\x80\x80\"",
		"1 2",
		"{} x",
		"'a'",
		"[1,,2]",
		"\xef\xbb\xbf{}",
		"/**/1",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (check(texts[i], true) == 0 || check(texts[i], false) == 0)
			fail_msg("accepted: %s", texts[i]);
}

static void test_strict_only(void **state)
{
	static const char *const texts[] = {
		"{\"a\":1,\"a\":2}",
		"{\"a\":1,\"\\u0061\":2}",
		"[[{\"x\":{\"k\":1,\"b\":2,\"k\":3}}]]",
		"{\"\\u0000\":1}",
		"{\"/\":1,\"\\/\":1}",
		"{\"\xf0\x9f\x98\x80\":1,\"\\ud83d\\uDE00\":1}",
		"\"\\ud800\"",
		"\"\\udc00\"",
		"\"\\ud800\\u0041\"",
		"\"\\ud800x\"",
		"{\"\":1,\"\":2}",
		"\"\\ud800\\ud800\"",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		if (check(texts[i], true) != -EINVAL)
			fail_msg("strict accepted: %s", texts[i]);
		if (check(texts[i], false) != 0)
			fail_msg("lax refused: %s", texts[i]);
	}
}

static void test_depth(void **state)
{
	char text[2 * 65 + 1];

	for (int n = 64; n <= 65; n++) {
		memset(text, '[', (size_t)n);
		memset(text + n, ']', (size_t)n);
		text[2 * n] = '\0';
		assert_int_equal(check(text, true), n == 64 ? 0 : -EINVAL);
	}
}

static void test_error_names_the_place(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;

	assert_int_equal(span_check(SPAN_LIT("{\"a\":1,\"a\":2}"), true, NULL, &err), -EINVAL);
	assert_string_equal(error_text(&err), "duplicate key \"a\" at byte 7");
	assert_int_equal(span_check(SPAN_LIT("[1;2]"), true, NULL, &err), -EINVAL);
	assert_string_equal(error_text(&err), "';' at byte 2 where ',' or ']' is expected");
}

/* n keys, then the one at `again` once more (n: none), each with an object inside. */
static int check_many(size_t n, size_t again)
{
	_cleanup_buf_ struct buf text = BUF_INIT(64 << 20);
	_cleanup_error_ struct error err = ERROR_INIT;

	assert_int_equal(buf_append_str(&text, "{"), 0);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(buf_printf(&text, "%s\"key%zu\":{\"key1\":%zu}", i ? "," : "", i, i), 0);
	if (again < n)
		assert_int_equal(buf_printf(&text, ",\"\\u006bey%zu\":0", again), 0);
	assert_int_equal(buf_append_str(&text, "}"), 0);
	return span_check(span_of(buf_head(&text), text.len), true, NULL, &err);
}

static void test_many_keys(void **state)
{
	static const size_t counts[] = {1, 15, 16, 17, 18, 31, 32, 33, 100, 5000};

	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		assert_int_equal(check_many(counts[i], counts[i]), 0);
		assert_int_equal(check_many(counts[i], 0), -EINVAL);
		assert_int_equal(check_many(counts[i], counts[i] - 1), -EINVAL);
		assert_int_equal(check_many(counts[i], counts[i] / 2), -EINVAL);
	}
	assert_int_equal(check_many(SPAN_KEYS_MAX - 1, SPAN_KEYS_MAX), 0);
	assert_int_equal(check_many(SPAN_KEYS_MAX + 1, SPAN_KEYS_MAX + 1), -E2BIG);
}

/* Wide objects inside wide objects: the table must stay right while inner keys come and go. */
static void test_nested_wide(void **state)
{
	_cleanup_buf_ struct buf text = BUF_INIT(1 << 20);
	_cleanup_error_ struct error err = ERROR_INIT;

	assert_int_equal(buf_append_str(&text, "{"), 0);
	for (int i = 0; i < 40; i++) {
		assert_int_equal(buf_printf(&text, "%s\"k%d\":{", i ? "," : "", i), 0);
		for (int j = 0; j < 40; j++)
			assert_int_equal(buf_printf(&text, "%s\"k%d\":1", j ? "," : "", j), 0);
		assert_int_equal(buf_append_str(&text, "}"), 0);
	}
	assert_int_equal(buf_append_str(&text, ",\"k3\":1}"), 0);
	assert_int_equal(span_check(span_of(buf_head(&text), text.len), true, NULL, &err), -EINVAL);
	assert_non_null(strstr(error_text(&err), "duplicate key \"k3\""));
	memcpy(buf_head(&text) + text.len - 7, "\"z3\"", 4);
	assert_int_equal(span_check(span_of(buf_head(&text), text.len), true, NULL, &err), 0);
}

#define OBJECT "{\"a\":1, \"b\\u00e9\" : [10, {\"x\":\"]\\\"}\"}, [ ]], \"n\":-12.50,\"~/\":true, \"e\":{}, \"\":null}"

static void test_members(void **state)
{
	struct span object = SPAN_LIT(OBJECT), key, value;
	size_t at = 0, n = 0;

	while (span_next_member(object, &at, &key, &value))
		n++;
	assert_int_equal(n, 6);
	assert_true(span_equals(span_member(object, "n"), "-12.50"));
	assert_true(span_equals(span_member(object, "b\xc3\xa9"), "[10, {\"x\":\"]\\\"}\"}, [ ]]"));
	assert_true(span_equals(span_member(object, ""), "null"));
	assert_null(span_member(object, "c").p);
	assert_null(span_member(SPAN_LIT("[1]"), "a").p);
	at = n = 0;
	while (span_next_element(SPAN_LIT("[ 1,\"a,]\" , {} ]"), &at, &value))
		n++;
	assert_int_equal(n, 3);
	assert_true(span_equals(value, "{}"));
	at = 0;
	assert_false(span_next_element(SPAN_LIT("[ ]"), &at, &value));
	assert_false(span_next_member(SPAN_LIT("{}"), &at, &key, &value));
}

static void test_pointer(void **state)
{
	struct span object = SPAN_LIT(OBJECT);

	assert_true(span_equals(span_pointer(object, ""), OBJECT));
	assert_true(span_equals(span_pointer(object, "/b\xc3\xa9/0"), "10"));
	assert_true(span_equals(span_pointer(object, "/b\xc3\xa9/1/x"), "\"]\\\"}\""));
	assert_true(span_equals(span_pointer(object, "/~0~1"), "true"));
	assert_true(span_equals(span_pointer(object, "/"), "null"));
	assert_null(span_pointer(object, "/b\xc3\xa9/3").p);
	assert_null(span_pointer(object, "/b\xc3\xa9/00").p);
	assert_null(span_pointer(object, "/a/x").p);
	assert_null(span_pointer(object, "a").p);
}

static void test_strings(void **state)
{
	_cleanup_buf_ struct buf out = BUF_INIT(8);
	_cleanup_free_ char *text = span_strdup(SPAN_LIT("\"a\\n\\ud83d\\ude00\\u00e9\\ud800!\""), 64);

	assert_string_equal(text, "a\n\xf0\x9f\x98\x80\xc3\xa9\xef\xbf\xbd!");
	assert_null(span_strdup(SPAN_LIT("\"a\\u0000\""), 64));
	assert_null(span_strdup(SPAN_LIT("\"abc\""), 2));
	assert_null(span_strdup(SPAN_LIT("1"), 64));
	assert_int_equal(span_string(SPAN_LIT("\"12345678\\n\""), &out), -E2BIG);
	assert_int_equal(span_string(SPAN_LIT("{}"), &out), -EINVAL);
	assert_true(span_string_equals(SPAN_LIT("\"a\\u0062\""), "ab"));
	assert_false(span_string_equals(SPAN_LIT("\"a\\u0062\""), "abc"));
	assert_false(span_string_equals(SPAN_LIT("\"abc\""), "ab"));
	assert_true(span_string_equals(SPAN_LIT("\"\""), ""));
}

static void test_numbers(void **state)
{
	int64_t n = 7;

	assert_int_equal(span_int64(SPAN_LIT("9223372036854775807"), &n), 0);
	assert_true(n == INT64_MAX);
	assert_int_equal(span_int64(SPAN_LIT("-9223372036854775808"), &n), 0);
	assert_true(n == INT64_MIN);
	assert_int_equal(span_int64(SPAN_LIT("9223372036854775808"), &n), -ERANGE);
	assert_int_equal(span_int64(SPAN_LIT("-9223372036854775809"), &n), -ERANGE);
	assert_int_equal(span_int64(SPAN_LIT("1.0"), &n), -EINVAL);
	assert_int_equal(span_int64(SPAN_LIT("\"1\""), &n), -EINVAL);
	assert_true(n == INT64_MIN);
	assert_true(span_double(SPAN_LIT("-12.50")) == -12.5);
	assert_true(span_bool(SPAN_LIT("true"), false) && !span_bool(SPAN_LIT("false"), true));
	assert_true(span_bool(SPAN_NONE, true) && !span_bool(SPAN_LIT("1"), false));
}

static void test_utf8_floor(void **state)
{
	static const char text[] = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80";
	static const size_t floors[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10};

	for (size_t n = 0; n < ARRAY_SIZE(floors); n++)
		assert_int_equal(span_utf8_floor(text, n), floors[n]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accepts),     cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_strict_only), cmocka_unit_test(test_depth),
		cmocka_unit_test(test_many_keys),   cmocka_unit_test(test_nested_wide),
		cmocka_unit_test(test_members),     cmocka_unit_test(test_pointer),
		cmocka_unit_test(test_strings),     cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_utf8_floor),  cmocka_unit_test(test_error_names_the_place),
	};

	return cmocka_run_group_tests_name("span", tests, NULL, NULL);
}
