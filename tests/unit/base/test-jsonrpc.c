/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "base/jsonrpc.h"

#include <string.h>

static struct jsonrpc_message parse(const char *text)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct jsonrpc_message m;

	assert_int_equal(jsonrpc_parse(span_of(text, strlen(text)), false, &m, &err), 0);
	return m;
}

static void test_kinds(void **state)
{
	static const struct {
		const char *text;
		enum jsonrpc_kind kind;
		const char *id;
	} rows[] = {
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}", JSONRPC_REQUEST, "1"},
		{"{\"method\":\"ping\",\"params\":{},\"id\":\"a\\\"b\"}", JSONRPC_REQUEST, "\"a\\\"b\""},
		{"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/x\"}", JSONRPC_NOTIFICATION, NULL},
		{"{\"result\":{\"id\":9},\"jsonrpc\":\"2.0\",\"id\":-7}", JSONRPC_RESPONSE, "-7"},
		{"{\"id\":3,\"result\":null}", JSONRPC_RESPONSE, "3"},
		{"{\"id\":3,\"error\":{\"code\":-32601,\"message\":\"no\"}}", JSONRPC_ERROR, "3"},
		{"{\"id\":null,\"error\":{\"code\":-32700,\"message\":\"no\"}}", JSONRPC_ERROR, NULL},
		{" [1] ", JSONRPC_BATCH, NULL},
		{"17", JSONRPC_INVALID, NULL},
		{"{}", JSONRPC_INVALID, NULL},
		{"{\"id\":4}", JSONRPC_INVALID, "4"},
		{"{\"result\":{}}", JSONRPC_INVALID, NULL},
		{"{\"id\":1.5,\"method\":\"x\"}", JSONRPC_INVALID, NULL},
		{"{\"id\":null,\"method\":\"x\"}", JSONRPC_INVALID, NULL},
		{"{\"id\":{},\"result\":{}}", JSONRPC_INVALID, NULL},
		{"{\"id\":1,\"method\":7}", JSONRPC_INVALID, "1"},
		{"{\"id\":1,\"method\":\"x\",\"params\":7}", JSONRPC_INVALID, "1"},
		{"{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"x\"}", JSONRPC_INVALID, "1"},
		{"{\"id\":1,\"error\":\"x\"}", JSONRPC_INVALID, "1"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct jsonrpc_message m = parse(rows[i].text);

		if (m.kind != rows[i].kind)
			fail_msg("%s is kind %d", rows[i].text, m.kind);
		assert_int_equal(m.kind == JSONRPC_INVALID, m.fault != NULL);
		if (rows[i].id)
			assert_true(span_equals(m.id, rows[i].id));
		else
			assert_null(m.id.p);
	}
}

static void test_parts_are_raw(void **state)
{
	struct jsonrpc_message m = parse("{\"id\":1,\"method\":\"tools\\/call\",\"params\":{\"n\":0.10, \"n\":2}}");

	assert_true(span_string_equals(m.method, "tools/call"));
	assert_true(span_equals(m.params, "{\"n\":0.10, \"n\":2}"));
	m = parse("{\"id\":1,\"error\":{\"data\":[1.0],\"message\":\"a\\nb\",\"code\":-5}}");
	assert_int_equal(m.error.code, -5);
	assert_true(span_equals(m.error.data, "[1.0]"));
	assert_true(span_string_equals(m.error.message, "a\nb"));
	m = parse("{\"id\":1,\"error\":{\"code\":\"x\"}}");
	assert_int_equal(m.error.code, 0);
	assert_null(m.error.message.p);
}

static void test_no_json(void **state)
{
	static const char *const rows[] = {"", "Starting...", "{", "{\"id\":1}{", "{'id':1}"};
	struct jsonrpc_message m;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_error_ struct error err = ERROR_INIT;

		assert_true(jsonrpc_parse(span_of(rows[i], strlen(rows[i])), false, &m, &err) < 0);
		assert_true(strlen(error_text(&err)) > 0);
	}
}

static void test_strict_refuses_doubled_keys(void **state)
{
	static const char text[] = "{\"id\":1,\"method\":\"x\",\"params\":{\"a\":1,\"a\":2}}";
	_cleanup_error_ struct error err = ERROR_INIT;
	struct jsonrpc_message m;

	assert_int_equal(jsonrpc_parse(SPAN_LIT(text), false, &m, &err), 0);
	assert_true(jsonrpc_parse(SPAN_LIT(text), true, &m, &err) < 0);
}

/* Bytes offered one by one give the same lines as all at once, and none is looked at twice. */
static void test_lines_in_pieces(void **state)
{
	static const char text[] = "one\r\n\ntwo\r\r\nthree";
	static const char *const lines[] = {"one", "", "two\r"};
	struct jsonrpc_framer framer = {0};
	struct span line = SPAN_NONE;
	size_t used = 0, take, found = 0;

	for (size_t n = 1; n < sizeof(text); n++) {
		while (jsonrpc_next_line(&framer, (const uint8_t *)text + used, n - used, &line, &take)) {
			assert_true(found < ARRAY_SIZE(lines) && span_equals(line, lines[found]));
			found++;
			used += take;
		}
		assert_int_equal(framer.scanned, n - used);
	}
	assert_int_equal(found, ARRAY_SIZE(lines));
	assert_int_equal(used, strlen("one\r\n\ntwo\r\r\n"));
}

static void assert_written(struct buf *out, const char *want)
{
	assert_true(span_equals(span_of(buf_head(out), out->len), want));
	buf_clear(out);
}

static void test_writing(void **state)
{
	_cleanup_buf_ struct buf out = BUF_INIT(512);

	assert_int_equal(jsonrpc_write_request(&out, SPAN_LIT("1"), "a/b", SPAN_LIT("{\"x\":\r\n0.10}")), 0);
	assert_written(&out, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a/b\",\"params\":{\"x\":  0.10}}\n");
	assert_int_equal(jsonrpc_write_request(&out, SPAN_NONE, "n", SPAN_NONE), 0);
	assert_written(&out, "{\"jsonrpc\":\"2.0\",\"method\":\"n\"}\n");
	assert_int_equal(jsonrpc_write_response(&out, SPAN_LIT("\"q\""), SPAN_LIT("{}")), 0);
	assert_written(&out, "{\"jsonrpc\":\"2.0\",\"id\":\"q\",\"result\":{}}\n");
	assert_int_equal(jsonrpc_write_error(&out, SPAN_NONE, -32700, "a \"b\"", SPAN_LIT("[1]")), 0);
	assert_written(&out, "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32700,\"message\":\"a "
			     "\\\"b\\\"\",\"data\":[1]}}\n");
}

static void test_writing_over_the_maximum_leaves_nothing(void **state)
{
	_cleanup_buf_ struct buf out = BUF_INIT(40);

	assert_int_equal(buf_append_str(&out, "abc"), 0);
	assert_true(jsonrpc_write_request(&out, SPAN_LIT("1"), "method", SPAN_LIT("{\"long\":\"enough\"}")) < 0);
	assert_true(jsonrpc_write_response(&out, SPAN_LIT("1"), SPAN_LIT("{\"long\":\"enough\"}")) < 0);
	assert_true(jsonrpc_write_error(&out, SPAN_LIT("1"), -1, "long enough", SPAN_NONE) < 0);
	assert_int_equal(out.len, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_parts_are_raw),
		cmocka_unit_test(test_no_json),
		cmocka_unit_test(test_strict_refuses_doubled_keys),
		cmocka_unit_test(test_lines_in_pieces),
		cmocka_unit_test(test_writing),
		cmocka_unit_test(test_writing_over_the_maximum_leaves_nothing),
	};

	return cmocka_run_group_tests_name("jsonrpc", tests, NULL, NULL);
}
