/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "base/buf.h"

#include <errno.h>
#include <string.h>

static void test_append_consume_steal(void **state)
{
	_cleanup_buf_ struct buf b = BUF_INIT(8);
	_cleanup_free_ char *text = NULL;
	size_t len;

	assert_int_equal(buf_append(&b, "abcdef", 6), 0);
	assert_int_equal(buf_append(&b, "ghi", 3), -E2BIG);
	assert_int_equal(b.len, 6);
	buf_consume(&b, 4);
	assert_int_equal(buf_append(&b, "ghijkl", 6), 0);
	text = buf_steal(&b, &len);
	assert_string_equal(text, "efghijkl");
	assert_int_equal(len, 8);
}

static void test_json_text(void **state)
{
	_cleanup_buf_ struct buf b = BUF_INIT(256);
	_cleanup_free_ char *text = NULL;

	assert_int_equal(buf_append_json(&b, "a\"\\\n\x01\xff\xc3\xa9", 8), 0);
	text = buf_steal(&b, NULL);
	assert_string_equal(text, "\"a\\\"\\\\\\n\\u0001\xef\xbf\xbd\xc3\xa9\"");
}

static void test_printed(void **state)
{
	_cleanup_buf_ struct buf b = BUF_INIT(200);
	_cleanup_free_ char *text = NULL;
	char wide[151];

	memset(wide, 'w', 150);
	wide[150] = '\0';
	assert_int_equal(buf_printf(&b, "%d,", 7), 0); /* the first memory */
	assert_int_equal(buf_printf(&b, "%s", wide), 0); /* more than there is */
	assert_int_equal(buf_printf(&b, "%s", wide), -E2BIG);
	assert_int_equal(b.len, 152);
	buf_consume(&b, 150);
	assert_int_equal(buf_append_number(&b, 0), 0);
	assert_int_equal(buf_append_number(&b, UINT64_MAX), 0);
	assert_int_equal(buf_printf(&b, "!"), 0);
	text = buf_steal(&b, NULL);
	assert_string_equal(text, "ww018446744073709551615!");
}

static void test_member(void **state)
{
	_cleanup_buf_ struct buf b = BUF_INIT(256), bare = BUF_INIT(256), small = BUF_INIT(8);
	_cleanup_free_ char *text = NULL, *bare_text = NULL;

	assert_int_equal(buf_append_str(&b, "{"), 0);
	assert_int_equal(buf_append_member(&b, "a", "{"), 0); /* a text that looks like a beginning */
	assert_int_equal(buf_append_member(&b, "b", NULL), 0);
	assert_int_equal(buf_append_member(&b, "c", "\""), 0);
	text = buf_steal(&b, NULL);
	assert_string_equal(text, "{\"a\":\"{\",\"b\":null,\"c\":\"\\\"\"");
	assert_int_equal(buf_append_member(&bare, "a", "1"), 0);
	assert_int_equal(buf_append_member(&bare, "b", "2"), 0);
	bare_text = buf_steal(&bare, NULL);
	assert_string_equal(bare_text, "\"a\":\"1\",\"b\":\"2\"");
	assert_int_equal(buf_append_member(&small, "name", "text"), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_append_consume_steal),
		cmocka_unit_test(test_json_text),
		cmocka_unit_test(test_printed),
		cmocka_unit_test(test_member),
	};

	return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
