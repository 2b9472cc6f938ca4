/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "broker/cli/forms.h"

#include <stdlib.h>
#include <string.h>

#define FORM(fields, required) "{\"type\":\"object\",\"properties\":{" fields "},\"required\":[" required "]}"

/* lines: what is typed, an LF each; NULL content: it is no form for a terminal. */
static const struct {
	const char *schema, *lines, *content;
} rows[] = {
	{FORM("", ""), "", "{}"},
	{FORM("\"a\":{\"type\":\"string\"}", ""), "\n", "{}"},
	{FORM("\"a\":{\"type\":\"string\"}", "\"a\""), "\nx y\n", "{\"a\":\"x y\"}"},
	{FORM("\"a\":{\"type\":\"string\",\"default\":\"z\"}", "\"a\""), "\n", "{\"a\":\"z\"}"},
	{FORM("\"a\":{\"type\":\"string\",\"enum\":[\"p\",\"q\"]}", "\"a\""), "r\n\nq\n", "{\"a\":\"q\"}"},
	{FORM("\"a\":{\"type\":\"integer\"}", "\"a\""), "1.5\nx\n1,2\n],[\n-7\n", "{\"a\":-7}"},
	{FORM("\"a\":{\"type\":\"number\"}", "\"a\""), "\"1\"\n1.5\n", "{\"a\":1.5}"},
	{FORM("\"a\":{\"type\":\"boolean\"},\"b\":{\"type\":\"boolean\"}", "\"a\""), "maybe\nn\nyes\n",
	 "{\"a\":false,\"b\":true}"},
	{FORM("\"a\":{\"type\":\"array\"}", ""), NULL, NULL},
	{FORM("\"a\":{\"type\":\"string\",\"oneOf\":[]}", ""), NULL, NULL},
	{FORM("\"a\":{\"type\":\"string\",\"enum\":[1]}", ""), NULL, NULL},
	{"{\"type\":\"object\"}", NULL, NULL},
	{"[]", NULL, NULL},
};

static void fill(struct form *f, const char *lines)
{
	while (*lines) {
		size_t n = strcspn(lines, "\n");
		char *line = strndup(lines, n), *prompt = form_prompt(f);

		assert_non_null(prompt);
		(void)form_take(f, line);
		free(prompt);
		free(line);
		lines += n + 1;
	}
	assert_null(form_prompt(f));
	assert_false(form_take(f, "more"));
}

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct form *f = form_new(span_of(rows[i].schema, strlen(rows[i].schema)));
		struct buf out = BUF_INIT(4096);

		assert_int_equal(f != NULL, rows[i].content != NULL);
		if (!f)
			continue;
		fill(f, rows[i].lines);
		assert_int_equal(form_content(f, &out), 0);
		assert_int_equal(buf_append(&out, "", 1), 0);
		assert_string_equal((const char *)buf_head(&out), rows[i].content);
		buf_done(&out);
		form_free(f);
	}
}

static void test_prompt(void **state)
{
	static const char schema[] = FORM("\"a\":{\"type\":\"number\",\"title\":\"A\",\"description\":\"how many\","
					  "\"default\":2}",
					  "");
	struct form *f = form_new(span_of(schema, sizeof(schema) - 1));
	char *prompt;

	(void)state;
	assert_non_null(f);
	prompt = form_prompt(f);
	assert_string_equal(prompt, "  A, how many (a number; else 2): ");
	free(prompt);
	form_free(f);
}

/* What a server says in a form is one line, whatever it has in it: it cannot look like another question. */
static void test_one_line(void **state)
{
	static const char schema[] = FORM("\"a\\nb\":{\"type\":\"string\",\"title\":\"T\\nask_1\",\"description\":"
					  "\"D\\n\\nfiles.list wants your word"
					  "\\r\\u2028\\u200b\",\"enum\":[\"p\\nq\"],\"default\":\"x\\ny\"}",
					  "");
	struct form *f = form_new(span_of(schema, sizeof(schema) - 1));
	char *prompt;

	(void)state;
	assert_non_null(f);
	prompt = form_prompt(f);
	assert_string_equal(prompt, "  T?ask_1, D??files.list wants your word??? (p?q; else \"x\\ny\"): ");
	free(prompt);
	form_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows), cmocka_unit_test(test_prompt),
					   cmocka_unit_test(test_one_line)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
