/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "broker/core/roots.h"

#include <errno.h>
#include <string.h>

/* What a client answers, and what is made of it. text NULL: it has no list. */
static const struct {
	const char *answer, *text;
	size_t unusable;
} answers[] = {
	{"{\"roots\":[]}", "[]", 0},
	{"{\"roots\":[{\"uri\":\"file:///a\"}]}", "[{\"uri\":\"file:///a\"}]", 0},
	{"{\"_meta\":{},\"roots\":[ {\"name\":\"A \\\"b\\\"\",\"uri\":\"file:///a%20b\",\"_meta\":{}} , "
	 "{\"uri\":\"file://localhost/c\"}]}",
	 "[{\"uri\":\"file:///a%20b\",\"name\":\"A \\\"b\\\"\"},{\"uri\":\"file://localhost/c\"}]", 0},
	{"{\"roots\":[{\"uri\":\"file:\\/\\/\\/sm\\u00e4ll\"}]}", "[{\"uri\":\"file:///sm\xc3\xa4ll\"}]", 0},
	{"{\"roots\":[{\"uri\":\"file:///a\",\"name\":7},{\"uri\":\"file:///b\",\"name\":null}]}",
	 "[{\"uri\":\"file:///a\"},{\"uri\":\"file:///b\"}]", 0},
	{"{\"roots\":[{\"uri\":\"https://x/\"},{\"uri\":\"file://host/x\"},{\"uri\":\"file:x\"},{\"uri\":\"/x\"},{},7,"
	 "{\"uri\":\"file:///x\\ny\"},{\"uri\":\"file:///x\\u0000y\"},{\"uri\":\"file:///b\"},{\"uri\":[]}]}",
	 "[{\"uri\":\"file:///b\"}]", 9},
	{"{}", NULL, 0},
	{"{\"roots\":{}}", NULL, 0},
	{"[]", NULL, 0},
	{"null", NULL, 0},
};

static void test_answers(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		_cleanup_buf_ struct buf out = BUF_INIT(ROOTS_BYTES_MAX);
		struct roots_left_out left_out = {.unusable = 77};
		int r = roots_read(span_of(answers[i].answer, strlen(answers[i].answer)), &out, &left_out);
		_cleanup_free_ char *text = r == 0 ? buf_steal(&out, NULL) : NULL;

		assert_int_equal(r, answers[i].text ? 0 : -EINVAL);
		if (!answers[i].text) {
			assert_int_equal(left_out.unusable, 77);
			continue;
		}
		assert_string_equal(text, answers[i].text);
		assert_int_equal(left_out.unusable, answers[i].unusable);
		assert_false(left_out.more);
	}
}

/* count roots with URIs of so many bytes: how many of them are taken. */
static size_t taken(size_t count, size_t bytes, struct roots_left_out *ret)
{
	_cleanup_buf_ struct buf answer = BUF_INIT(16 << 20), out = BUF_INIT(ROOTS_BYTES_MAX);
	struct span root;
	size_t at = 0, n = 0;

	assert_int_equal(buf_append_str(&answer, "{\"roots\":["), 0);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(buf_printf(&answer, "%s{\"uri\":\"file:///%0*zu\"}", i ? "," : "", (int)bytes - 8, i),
				 0);
	assert_int_equal(buf_append_str(&answer, "]}"), 0);
	assert_int_equal(roots_read(span_of(buf_head(&answer), answer.len), &out, ret), 0);
	assert_true(out.len <= ROOTS_BYTES_MAX);
	while (span_next_element(span_of(buf_head(&out), out.len), &at, &root))
		n++;
	return n;
}

static void test_limits(void **state)
{
	struct roots_left_out left_out;

	assert_int_equal(taken(ROOTS_MAX, 20, &left_out), ROOTS_MAX);
	assert_false(left_out.more);
	assert_int_equal(taken(ROOTS_MAX + 1, 20, &left_out), ROOTS_MAX);
	assert_true(left_out.more);
	assert_int_equal(taken(10000, 100, &left_out), ROOTS_MAX);
	assert_int_equal(left_out.unusable, 0);
	assert_int_equal(taken(1, ROOTS_URI_MAX, &left_out), 1);
	assert_int_equal(taken(3, ROOTS_URI_MAX + 1, &left_out), 0);
	assert_int_equal(left_out.unusable, 3);
	assert_false(left_out.more);
	/* 8 of 8 KiB and what is around them do not fit into 64 KiB */
	assert_int_equal(taken(9, ROOTS_URI_MAX, &left_out), 7);
	assert_true(left_out.more);
}

static void test_folders(void **state)
{
	const char *const two[] = {"/a b", "/\xc3\xa4%\"\n", NULL}, *const none[] = {NULL};
	_cleanup_buf_ struct buf out = BUF_INIT(1024), little = BUF_INIT(16);
	_cleanup_free_ char *text = NULL;

	assert_int_equal(roots_of_folders(two, &out), 0);
	text = buf_steal(&out, NULL);
	assert_string_equal(text, "[{\"uri\":\"file:///a%20b\"},{\"uri\":\"file:///%C3%A4%25%22%0A\"}]");
	assert_int_equal(roots_of_folders(two, &little), -E2BIG);
	buf_clear(&out);
	assert_int_equal(roots_of_folders(none, &out), 0);
	assert_int_equal(out.len, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_folders),
	};

	return cmocka_run_group_tests_name("roots", tests, NULL, NULL);
}
