/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "base/json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

struct thing {
	char *name;
	int64_t timeout_ms;
	bool loud;
	int colour;
	struct json_strings tags;
	json_t *raw;
	struct span text;
};
static const char *const colours[] = {"red", "green", NULL};
#define AT(field) .offset = offsetof(struct thing, field)
static const struct json_field table[] = {
	{.name = "name", .kind = JSON_KIND_STRING, AT(name), .required = true, .least = 1, .most = 8, .text = "Who."},
	{.name = "timeout_ms",
	 .kind = JSON_KIND_INTEGER,
	 AT(timeout_ms),
	 .least = 1,
	 .most = 900,
	 .alias = "timeout",
	 .preset = 30},
	{.name = "loud", .kind = JSON_KIND_BOOLEAN, AT(loud), .preset = 1},
	{.name = "colour", .kind = JSON_KIND_ENUM, AT(colour), .names = colours, .preset = 1},
	{.name = "tags", .kind = JSON_KIND_STRINGS, AT(tags), .most = 3},
	{.name = "raw", .kind = JSON_KIND_RAW, AT(raw)},
	{.name = "text", .kind = JSON_KIND_SPAN, AT(text), .alias = "words", .most = 40},
};

static int decode(const char *text, bool lax, struct thing *ret, struct error *err)
{
	json_t *object = NULL;
	int r;

	assert_int_equal(json_parse(text, strlen(text), &object, err), 0);
	r = json_table_decode(table, ARRAY_SIZE(table), object, lax, ret, err);
	json_decref(object);
	return r;
}

static void test_decodes(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct thing t;

	assert_int_equal(
		decode("{\"name\":\"x\",\"timeout\":5,\"colour\":\"red\",\"loud\":false,\"tags\":[\"a\",\"b\"],"
		       "\"raw\":{\"k\":1}}",
		       false, &t, &err),
		0);
	assert_string_equal(t.name, "x");
	assert_int_equal(t.timeout_ms, 5);
	assert_int_equal(t.colour, 0);
	assert_false(t.loud);
	assert_int_equal(t.tags.count, 2);
	assert_string_equal(t.tags.items[1], "b");
	assert_null(t.tags.items[2]);
	assert_int_equal(json_integer_value(json_object_get(t.raw, "k")), 1);
	json_table_done(table, ARRAY_SIZE(table), &t);
	assert_null(t.name);
	assert_null(t.raw);
}

static void test_presets(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct thing t;

	assert_int_equal(decode("{\"name\":\"x\",\"tags\":null}", false, &t, &err), 0);
	assert_int_equal(t.timeout_ms, 30);
	assert_int_equal(t.colour, 1);
	assert_true(t.loud);
	assert_null(t.tags.items);
	json_table_done(table, ARRAY_SIZE(table), &t);
}

static void test_all_faults_at_once(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct thing t;

	assert_int_equal(decode("{\"name\":\"much too long\",\"timeout_ms\":1000,\"timeout\":1,\"colour\":\"gren\","
				"\"loud\":1,\"tags\":[\"a\",2],\"nam\":1,\"zzzzzz\":1}",
				false, &t, &err),
			 -EINVAL);
	assert_string_equal(error_text(&err), "name: has 13 bytes, must have 1 to 8\n"
					      "timeout_ms: stands beside its other spelling \"timeout\"; remove one\n"
					      "timeout_ms: 1000 is over 900\n"
					      "loud: is an integer, must be true or false\n"
					      "colour: \"gren\" is unknown; did you mean \"green\"?\n"
					      "tags[1]: is an integer, must be a string\n"
					      "nam: is unknown; did you mean \"name\"?\n"
					      "zzzzzz: is unknown; remove it");
	assert_null(t.name);
	assert_null(t.tags.items);
	assert_int_equal(decode("{\"other\":1}", true, &t, &err), -EINVAL);
	assert_string_equal(error_text(&err), "name: is missing");
	assert_int_equal(decode("{\"name\":\"x\",\"other\":1}", true, &t, &err), 0);
	json_table_done(table, ARRAY_SIZE(table), &t);
}

static size_t lines_of(const char *text)
{
	size_t n = 1;

	for (; (text = strchr(text, '\n')); text++)
		n++;
	return n;
}

/* Each unknown name is compared with all known ones: a text may have any number of them. */
static void test_faults_end(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	json_t *object = json_pack("{s:s}", "name", "x");
	clock_t began;
	char name[60];
	struct thing t;

	for (int i = 0; i < 300000; i++) {
		snprintf(name, sizeof(name), "a rather long name that nothing here is called %d", i);
		json_object_set_new(object, name, json_null());
	}
	began = clock();
	assert_int_equal(json_table_decode(table, ARRAY_SIZE(table), object, false, &t, &err), -EINVAL);
	assert_true(clock() - began < CLOCKS_PER_SEC / 10);
	json_decref(object);
	assert_int_equal(lines_of(error_text(&err)), 11);
	assert_string_equal(strrchr(error_text(&err), '\n'), "\nand more");
}

static void test_read_of_many_members_decodes_none(void **state)
{
	_cleanup_buf_ struct buf text = BUF_INIT(1 << 20);
	_cleanup_error_ struct error err = ERROR_INIT;
	struct thing t;

	assert_int_equal(buf_append_str(&text, "{\"name\":\"x\""), 0);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(buf_printf(&text, ",\"n%d\":1", i), 0);
	assert_int_equal(buf_append_str(&text, "}"), 0);
	assert_int_equal(json_table_read(table, ARRAY_SIZE(table), span_of(buf_head(&text), text.len), false, &t, &err),
			 -EINVAL);
	assert_non_null(strstr(error_text(&err), "has more than"));
	error_done(&err);
	assert_int_equal(json_table_read(table, ARRAY_SIZE(table), span_of(buf_head(&text), text.len), true, &t, &err),
			 0);
	json_table_done(table, ARRAY_SIZE(table), &t);
}

static void test_shapes_of_large_values(void **state)
{
	static const char *const rows[][2] = {
		{"\"tags\":[", "tags: has more than 3 items"},
		{"\"name\":[", "name: is a list"},
		{"\"timeout\":[", "timeout_ms: is a list"},
		{"\"raw\":[", "name: is missing"}, /* all that is wrong */
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_buf_ struct buf text = BUF_INIT(1 << 20);
		_cleanup_error_ struct error err = ERROR_INIT;
		struct thing t;

		assert_int_equal(buf_printf(&text, "{%s\"x\"", rows[i][0]), 0);
		for (int n = 0; n < 5000; n++)
			assert_int_equal(buf_append_str(&text, ",\"x\""), 0);
		assert_int_equal(buf_append_str(&text, "]}"), 0);
		assert_int_equal(
			json_table_read(table, ARRAY_SIZE(table), span_of(buf_head(&text), text.len), false, &t, &err),
			-EINVAL);
		assert_string_equal(error_text(&err), rows[i][1]);
	}
}

static void test_schema(void **state)
{
	_cleanup_buf_ struct buf out = BUF_INIT(4096);
	_cleanup_free_ char *text = NULL;

	assert_int_equal(json_table_schema(table, ARRAY_SIZE(table), &out), 0);
	text = buf_steal(&out, NULL);
	assert_string_equal(
		text, "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\",\"description\":\"Who.\"},"
		      "\"timeout_ms\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":900,\"default\":30},"
		      "\"loud\":{\"type\":\"boolean\",\"default\":true},"
		      "\"colour\":{\"type\":\"string\",\"enum\":[\"red\",\"green\"],\"default\":\"green\"},"
		      "\"tags\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}},\"raw\":{},\"text\":{}},"
		      "\"required\":[\"name\"],\"additionalProperties\":false}");
}

static void test_parse_and_print(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_buf_ struct buf out = BUF_INIT(16);
	json_t *value = NULL;

	assert_int_equal(json_parse("{\"a\":1,\"a\":2}", 13, &value, &err), -EINVAL);
	assert_int_equal(json_parse("{\"a\":[1, 2]}", 12, &value, &err), 0);
	assert_int_equal(json_print(&out, value), 0);
	assert_memory_equal(buf_head(&out), "{\"a\":[1,2]}", 11);
	assert_int_equal(json_print(&out, value), -E2BIG);
	assert_int_equal(out.len, 11);
	json_decref(value);
}

static void test_nearest(void **state)
{
	static const char *const names[] = {"message", "count", "id", "create_issue", NULL};

	assert_string_equal(json_nearest("mesage", names), "message");
	assert_string_equal(json_nearest("Message", names), "message");
	assert_string_equal(json_nearest("cuont", names), "count");
	assert_string_equal(json_nearest("createIssue", names), "create_issue");
	assert_null(json_nearest("frobnicate", names));
	assert_null(json_nearest("", names));
	assert_null(json_nearest("x", names));
}

static void test_reads_raw_members(void **state)
{
	static const struct {
		const char *object, *text; /* text NULL: absent */
	} good[] = {
		{"{\"name\":\"x\"}", NULL},
		{"{\"name\":\"x\",\"text\":null}", "null"},
		{"{\"text\":{\"n\":0.10,\"b\":12345678901234567890},\"name\":\"x\"}",
		 "{\"n\":0.10,\"b\":12345678901234567890}"},
		{"{\"name\":\"x\",\"te\\u0078t\":1.50}", "1.50"},
		{"{ \"name\" : \"x\" , \"words\" : [ 1 ] }", "[ 1 ]"},
		{"{\"name\":\"x\",\"raw\":{\"text\":5},\"text\":\"\\u0041\"}", "\"\\u0041\""},
	};
	static const struct {
		const char *object, *error;
	} bad[] = {
		{"{\"name\":\"x\",\"text\":{\"a\":1,\"a\":2}}", "text: "},
		{"{\"name\":\"x\",\"text\":1,\"text\":2}", "duplicate"},
		{"{\"name\":\"x\",\"text\":1,\"words\":2}", "beside its other spelling"},
		{"{\"name\":\"x\",\"text\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}", "at most 40"},
		{"[1]", "must be an object"},
	};
	_cleanup_error_ struct error err = ERROR_INIT;
	struct thing t;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct span object = span_of(good[i].object, strlen(good[i].object));

		assert_int_equal(json_table_read(table, ARRAY_SIZE(table), object, false, &t, &err), 0);
		if (good[i].text)
			assert_true(span_equals(t.text, good[i].text));
		else
			assert_null(t.text.p);
		json_table_done(table, ARRAY_SIZE(table), &t);
		assert_null(t.text.p);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct span object = span_of(bad[i].object, strlen(bad[i].object));

		assert_true(json_table_read(table, ARRAY_SIZE(table), object, false, &t, &err) < 0);
		if (!strstr(error_text(&err), bad[i].error))
			fail_msg("%s: %s", bad[i].object, error_text(&err));
	}
	assert_true(json_table_read(table, ARRAY_SIZE(table), SPAN_NONE, false, &t, &err) < 0);
	assert_non_null(strstr(error_text(&err), "name: is missing"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decodes),
		cmocka_unit_test(test_reads_raw_members),
		cmocka_unit_test(test_presets),
		cmocka_unit_test(test_all_faults_at_once),
		cmocka_unit_test(test_schema),
		cmocka_unit_test(test_parse_and_print),
		cmocka_unit_test(test_nearest),
		cmocka_unit_test(test_faults_end),
		cmocka_unit_test(test_shapes_of_large_values),
		cmocka_unit_test(test_read_of_many_members_decodes_none),
	};

	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
