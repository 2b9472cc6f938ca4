/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "policy/schema/number.h"
#include "policy/schema/schema.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define BRIEF_MAX_NS 25000000u /* several times slower, and no matter */
#else
#define BRIEF_MAX_NS 4000000u
#endif

/* What the check says of value, "" = fits. */
static const char *faults_of(const char *schema, const char *value)
{
	static char text[4096];
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_buf_ struct buf faults = BUF_INIT(4000);
	struct schema *s = NULL;
	bool fits;

	if (schema_compile(span_of(schema, strlen(schema)), &s, &err) < 0)
		fail_msg("%s: %s", schema, error_text(&err));
	fits = schema_check(s, span_of(value, strlen(value)), &faults);
	assert_int_equal(fits, faults.len == 0);
	snprintf(text, sizeof(text), "%.*s", (int)faults.len, faults.len ? (char *)buf_head(&faults) : "");
	schema_free(s);
	return text;
}

#define ECHO                                                                                                         \
	"{\"type\":\"object\",\"properties\":{\"message\":{\"type\":\"string\"},\"count\":{\"type\":\"integer\","    \
	"\"minimum\":1,\"maximum\":10},\"mode\":{\"enum\":[\"fast\",\"slow\"]},\"deep\":{\"type\":\"object\","       \
	"\"properties\":{\"a/b\":{\"type\":[\"boolean\",\"null\"]}}},\"list\":{\"type\":\"array\",\"maxItems\":2}}," \
	"\"required\":[\"message\"],\"additionalProperties\":false}"

static void test_faults_say_what_to_do(void **state)
{
	assert_string_equal(faults_of(ECHO, "{\"message\":\"x\",\"count\":1.0,\"mode\":\"slow\"}"), "");
	assert_string_equal(faults_of(ECHO, "{}"), "/message: is missing; add it (string)");
	assert_string_equal(faults_of(ECHO, "{\"mesage\":\"x\"}"),
			    "unknown argument \"mesage\"; did you mean \"message\"?\n"
			    "/message: is missing; add it (string)");
	assert_string_equal(faults_of(ECHO, "{\"message\":5,\"count\":\"5\"}"),
			    "/message: is 5 (number) but must be a string; write \"5\"\n"
			    "/count: is \"5\" (string) but must be an integer; write 5 without quotes");
	assert_string_equal(faults_of(ECHO, "{\"message\":\"x\",\"count\":11,\"mode\":\"fsat\",\"zzz\":1}"),
			    "/count: is 11 but must be at most 10\n"
			    "/mode: is \"fsat\" but must be one of \"fast\", \"slow\"\n"
			    "unknown argument \"zzz\"; remove it");
	assert_string_equal(faults_of(ECHO, "{\"message\":null,\"deep\":{\"a/b\":1},\"list\":[1,2,3]}"),
			    "/message: is null but must be a string\n"
			    "/deep/a~1b: is 1 (number) but must be true or false or null\n"
			    "/list: must have at most 2 items");
	assert_string_equal(faults_of(ECHO, "{\"message\":\"x\",\"deep\":\"{}\",\"list\":[]}"),
			    "/deep: is \"{}\" (string) but must be an object; write {} without quotes");
	assert_string_equal(faults_of(ECHO, "[]"), "arguments: is an array but must be an object");
}

static void test_keywords(void **state)
{
	static const struct {
		const char *schema, *value;
		bool fits;
	} rows[] = {
		{"true", "{}", true},
		{"false", "{}", false},
		{"{}", "1", true},
		{"{\"const\":1.0}", "1", true},
		{"{\"const\":{\"a\":[1]}}", "{\"a\":[1.0]}", true},
		{"{\"const\":12345678901234567890}", "12345678901234567891", false},
		{"{\"maximum\":12345678901234567890}", "12345678901234567891", false},
		{"{\"multipleOf\":0.01}", "19.99", true},
		{"{\"multipleOf\":0.01}", "19.995", false},
		{"{\"minimum\":1,\"exclusiveMinimum\":true}", "1", false},
		{"{\"exclusiveMaximum\":1}", "1", false},
		{"{\"minLength\":2}", "\"\\ud83d\\ude00\"", false},
		{"{\"maxLength\":1}", "\"\xf0\x9f\x98\x80\"", true},
		{"{\"pattern\":\"^a+$\"}", "\"aaa\"", true},
		{"{\"pattern\":\"^a+$\"}", "\"aaa\\n\"", false},
		{"{\"pattern\":\"^(a+)+$\"}", "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\"", false},
		{"{\"pattern\":\"(?<broken\"}", "\"x\"", true},
		{"{\"items\":{\"type\":\"string\"}}", "[\"a\",1]", false},
		{"{\"items\":[{\"type\":\"string\"}],\"additionalItems\":false}", "[\"a\",1]", false},
		{"{\"prefixItems\":[{\"type\":\"string\"}],\"items\":{\"type\":\"null\"}}", "[\"a\",null]", true},
		{"{\"contains\":{\"const\":1},\"maxContains\":1}", "[1,2,1]", false},
		{"{\"contains\":{\"const\":1},\"minContains\":0}", "[2]", true},
		{"{\"uniqueItems\":true}", "[1,2,1.0]", false},
		{"{\"uniqueItems\":true}", "[{\"a\":1,\"b\":2},{\"b\":2,\"a\":1}]", false},
		{"{\"uniqueItems\":true}", "[\"a\",\"b\",[],{},null]", true},
		{"{\"patternProperties\":{\"^x-\":{\"type\":\"string\"}},\"additionalProperties\":false}",
		 "{\"x-a\":1}", false},
		{"{\"propertyNames\":{\"maxLength\":2}}", "{\"abc\":1}", false},
		{"{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"null\"}]}", "null", true},
		{"{\"oneOf\":[{\"type\":\"number\"},{\"type\":\"integer\"}]}", "1", false},
		{"{\"not\":{\"type\":\"string\"}}", "\"\"", false},
		{"{\"if\":{\"type\":\"string\"},\"then\":{\"minLength\":1},\"else\":{\"const\":1}}", "\"\"", false},
		{"{\"dependentRequired\":{\"a\":[\"b\"]}}", "{\"a\":1}", false},
		{"{\"dependencies\":{\"a\":{\"required\":[\"b\"]}}}", "{\"a\":1,\"b\":1}", true},
		{"{\"$defs\":{\"n\":{\"properties\":{\"next\":{\"$ref\":\"#/$defs/n\"},\"v\":{\"type\":\"null\"}}}},"
		 "\"$ref\":\"#/$defs/n\"}",
		 "{\"next\":{\"next\":{\"v\":1}}}", false},
		{"{\"$ref\":\"https://example.com/x\"}", "1", true},
		{"{\"$ref\":\"#\"}", "1", false}, /* without end */
		{"{\"$ref\":\"#/properties/a%25b\",\"properties\":{\"a%b\":{\"type\":\"null\"}}}", "1", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (!*faults_of(rows[i].schema, rows[i].value) != rows[i].fits)
			fail_msg("%s on %s: %s", rows[i].schema, rows[i].value,
				 faults_of(rows[i].schema, rows[i].value));
}

static void test_forms_name_types(void **state)
{
	assert_string_equal(
		faults_of("{\"properties\":{\"x\":{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"null\"}]}}}",
			  "{\"x\":5}"),
		"/x: is 5 (number) but must be a string or null; write \"5\"");
}

static void test_ten_faults_at_most(void **state)
{
	const char *text = faults_of("{\"items\":{\"type\":\"string\"}}", "[1,2,3,4,5,6,7,8,9,10,11,12]");
	size_t lines = 1;

	for (; *text; text++)
		lines += *text == '\n';
	assert_int_equal(lines, 10);
}

static void test_steps_are_bounded(void **state)
{
	_cleanup_buf_ struct buf schema = BUF_INIT(1 << 20);

	/* 2^40 ways through nested anyOf. */
	assert_int_equal(buf_append_str(&schema, "{\"$ref\":\"#/$defs/a40\",\"$defs\":{\"a0\":false"), 0);
	for (int i = 1; i <= 40; i++)
		assert_int_equal(buf_printf(&schema,
					    ",\"a%d\":{\"anyOf\":[{\"$ref\":\"#/$defs/a%d\"},"
					    "{\"$ref\":\"#/$defs/a%d\"}]}",
					    i, i - 1, i - 1),
				 0);
	assert_int_equal(buf_append(&schema, "}}", 3), 0);
	assert_non_null(strstr(faults_of((char *)buf_head(&schema), "1"), "too much to check"));
}

/* ---- what a brief check may take, by processor time: other processes do not count ---- */

static uint64_t cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Each # of a part becomes its number. */
static void put_part(struct buf *out, const char *part, unsigned number)
{
	for (; *part; part++)
		assert_true(*part == '#' ? buf_printf(out, "%u", number) == 0 : buf_append(out, part, 1) == 0);
}

static void repeat(struct buf *out, const char *head, const char *part, unsigned times, const char *tail)
{
	assert_int_equal(buf_append_str(out, head), 0);
	for (unsigned i = 0; i < times; i++) {
		assert_true(i == 0 || *part == ' ' || buf_append_str(out, ",") == 0);
		put_part(out, part, i);
	}
	assert_int_equal(buf_append_str(out, tail), 0);
}

struct burden {
	const char *name, *head, *each;
	unsigned times;
	const char *tail; /* of the schema */
	const char *value_head, *value_each;
	unsigned value_times;
	const char *value_tail;
};

#define SPACES64 "                                                                "
#define NINES64 "9999999999999999999999999999999999999999999999999999999999999999"

/* Each makes schema and value conspire in another place. */
static const struct burden burdens[] = {
	{"required", "{\"required\":[", "\"name#\"", 20000, "]}", "{\"a\":[", "#", 40000, "]}"},
	{"required, told", "{\"type\":\"object\",\"properties\":{\"x\":{}},\"required\":[", "\"n#\"", 5000, "]}", "{",
	 "\"k#\":1", 100, "}"},
	{"allOf over a long value", "{\"allOf\":[", "{\"maxProperties\":1#}", 20000, "]}", "{\"a\":[", "#", 40000,
	 "]}"},
	{"properties", "{\"properties\":{", "\"name#\":{}", 20000, "}}", "{", "\"k#\":1", 5000, "}"},
	{"nearest names", "{\"additionalProperties\":false,\"properties\":{",
	 "\"a_long_name_that_is_close_to_others_#\":{}", 20000, "}}", "{", "\"a_long_name_that_is_close_to_other_#\":1",
	 20, "}"},
	{"enum", "{\"items\":{\"enum\":[", "\"one of many values #\"", 5000, "]}}", "[", "\"one of many value #\"",
	 5000, "]"},
	{"long numbers", "{\"items\":{\"allOf\":[", "{\"maximum\":1e999#}", 200, "]}}", "[", NINES64 NINES64 "#", 1000,
	 "]"},
	{"equal objects", "{\"uniqueItems\":true,\"items\":{\"type\":\"object\"}, \"x\":[", "#", 1, "]}", "[",
	 "{\"a\":{\"b\":{\"c\":1}}}", 10000, "]"},
	{"patterns", "{\"items\":{\"allOf\":[", "{\"pattern\":\"^(a|b|ab)*c#$\"}", 500, "]}}", "[",
	 "\"abababababababababababababab#\"", 2000, "]"},
	{"a pattern that goes back", "{\"items\":{\"allOf\":[", "{\"pattern\":\"^(a+)+$\"}", 20, "]}}", "[",
	 "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!#\"", 1000, "]"},
	{"a pattern that looks far", "{\"items\":{\"allOf\":[", "{\"pattern\":\"[ ]+[x#]\"}", 1, "]}}", "[\"", SPACES64,
	 300, "\"]"},
	{"a pattern that looks less far", "{\"items\":{\"allOf\":[", "{\"pattern\":\"[ ]+[x#]\"}", 1, "]}}", "[\"",
	 SPACES64, 37, "\"]"},
	{"pattern properties", "{\"patternProperties\":{", "\"^[a-z]+#$\":{}", 500, "}}", "{", "\"abcdefgh#\":1", 2000,
	 "}"},
};

static void test_brief_is_brief(void **state)
{
	for (const struct burden *b = burdens; b < burdens + ARRAY_SIZE(burdens); b++) {
		_cleanup_buf_ struct buf schema = BUF_INIT(4 << 20), value = BUF_INIT(4 << 20), faults = BUF_INIT(4000);
		_cleanup_error_ struct error err = ERROR_INIT;
		enum schema_answer answer;
		struct schema *s = NULL;
		uint64_t began, brief, full;

		repeat(&schema, b->head, b->each, b->times, b->tail);
		repeat(&value, b->value_head, b->value_each, b->value_times, b->value_tail);
		assert_int_equal(schema_compile(span_of(buf_head(&schema), schema.len), &s, &err), 0);
		began = cpu_ns();
		answer = schema_check_brief(s, span_of(buf_head(&value), value.len), &faults);
		brief = cpu_ns() - began;
		assert_true(answer != SCHEMA_UNDECIDED || faults.len == 0);
		began = cpu_ns();
		(void)!schema_check(s, span_of(buf_head(&value), value.len), &faults);
		full = cpu_ns() - began;
		print_message("# %s: brief %.2f ms%s, full %.1f ms\n", b->name, (double)brief / 1e6,
			      answer == SCHEMA_UNDECIDED ? " (undecided)" : "", (double)full / 1e6);
		if (brief > BRIEF_MAX_NS)
			fail_msg("a brief check takes %.1f ms: %s", (double)brief / 1e6, b->name);
		schema_free(s);
	}
}

static void test_brief_decides(void **state)
{
	_cleanup_buf_ struct buf faults = BUF_INIT(4000);
	_cleanup_error_ struct error err = ERROR_INIT;
	struct schema *s = NULL;

	assert_int_equal(schema_compile(SPAN_LIT(ECHO), &s, &err), 0);
	assert_int_equal(schema_check_brief(s, SPAN_LIT("{\"message\":\"x\",\"count\":1}"), &faults), SCHEMA_FITS);
	assert_int_equal(schema_check_brief(s, SPAN_LIT("{\"message\":\"x\",\"count\":0}"), &faults), SCHEMA_DIFFERS);
	assert_true(faults.len > 0);
	schema_free(s);
}

static void test_numbers(void **state)
{
	assert_true(number_compare(SPAN_LIT("0.10"), SPAN_LIT("1e-1")) == 0);
	assert_true(number_compare(SPAN_LIT("-0"), SPAN_LIT("0.0e5")) == 0);
	assert_true(number_compare(SPAN_LIT("-2"), SPAN_LIT("1")) < 0);
	assert_true(number_compare(SPAN_LIT("-2"), SPAN_LIT("-10")) > 0);
	assert_true(number_compare(SPAN_LIT("0"), SPAN_LIT("-1")) > 0);
	assert_true(number_compare(SPAN_LIT("1e400"), SPAN_LIT("9e399")) > 0);
	assert_true(number_compare(SPAN_LIT("123.45"), SPAN_LIT("1234.5e-1")) == 0);
	assert_true(number_compare(SPAN_LIT("123.451"), SPAN_LIT("123.45")) > 0);
	assert_true(number_is_integer(SPAN_LIT("1.50e1")) && number_is_integer(SPAN_LIT("100")));
	assert_false(number_is_integer(SPAN_LIT("1.5")) || number_is_integer(SPAN_LIT("1e-1")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_faults_say_what_to_do), cmocka_unit_test(test_keywords),
		cmocka_unit_test(test_forms_name_types),      cmocka_unit_test(test_ten_faults_at_most),
		cmocka_unit_test(test_steps_are_bounded),     cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_brief_is_brief),        cmocka_unit_test(test_brief_decides),
	};

	return cmocka_run_group_tests_name("schema", tests, NULL, NULL);
}
