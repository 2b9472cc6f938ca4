/* SPDX-License-Identifier: Apache-2.0 */
/* Texts before and after: what an edit does not name stays byte for byte. */
#include "tests/unit/unit.h"

#include "broker/clientfiles/edit.h"
#include "broker/clientfiles/hawserfile.h"
#include "broker/clientfiles/jsonc.h"

#include <errno.h>
#include <string.h>
#include <time.h>

static bool goes(void *user, struct span key)
{
	const char *const *names = user;

	for (; *names; names++)
		if (span_string_equals(key, *names))
			return true;
	return false;
}

static const struct {
	const char *text;
	const char *gone[4];
	const char *instead, *wanted;
} removals[] = {
	{"{\"a\": 1}", {"a"}, "\"h\": {}", "{\"h\": {}}"},
	{"{\"a\": 1, \"b\": 2}", {"a"}, NULL, "{\"b\": 2}"},
	{"{\"a\": 1, \"b\": 2}", {"b"}, NULL, "{\"a\": 1}"},
	{"{\"a\": 1, \"b\": 2, \"c\": 3}", {"a", "c"}, NULL, "{\"b\": 2}"},
	{"{\"a\": 1, \"b\": 2, \"c\": 3}", {"b", "c"}, "\"h\": 0", "{\"a\": 1, \"h\": 0}"},
	{"{\n  // first\n  \"a\": 1, // behind a\n  \"b\": [1, 2], /* , */\n}\n",
	 {"a"},
	 NULL,
	 "{\n  // first\n  // behind a\n  \"b\": [1, 2], /* , */\n}\n"},
	{"{\r\n\t\"a\": {\r\n\t\t\"x\": 1\r\n\t},\r\n\t\"b\": 2\r\n}", {"a"}, NULL, "{\r\n\t\"b\": 2\r\n}"},
	{"{\n\t\"a\": 1,\n\t\"b\": 2 // the last, with a comma\n\t,\n}",
	 {"b"},
	 NULL,
	 "{\n\t\"a\": 1,\n\t// the last, with a comma\n\t\n}"},
	{"{\n \"a\": 1 /* , */,\n \"b\": 2\n}", {"b"}, NULL, "{\n \"a\": 1 /* , */\n}"},
	{"{\"a\": 1, \"b\": 2, \"a\": 3}", {"a"}, NULL, "{\"b\": 2}"},
	{"{\"a\": 1, \"b\": 2, \"c\": 3}", {"a", "b", "c"}, "\"h\": 0", "{\"h\": 0 }"},
	{"{\"\\u0061\": 1}", {"a"}, NULL, "{}"},
	{"\xef\xbb\xbf{ \"a\" : \"//,}\" , \"b\":\"/*\"}", {"a"}, NULL, "\xef\xbb\xbf{ \"b\":\"/*\"}"},
};

static void test_remove(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(removals); i++) {
		_cleanup_buf_ struct buf plain = BUF_INIT(4096), out = BUF_INIT(4096);
		_cleanup_error_ struct error err = ERROR_INIT;
		_cleanup_edit_ struct edit edit = {0};
		struct json_edit j = {.text = span_of(removals[i].text, strlen(removals[i].text)), .edit = &edit};
		struct span root;

		if (jsonc_plain(j.text, &plain, &root, &err) < 0)
			fail_msg("%zu: %s", i, error_text(&err));
		j.plain = span_of(buf_head(&plain), plain.len);
		assert_int_equal(json_edit_remove(&j, root, goes, (void *)(uintptr_t)removals[i].gone,
						  &removals[i].instead, removals[i].instead ? 1 : 0),
				 0);
		assert_int_equal(edit_apply(&edit, j.text, &out), 0);
		assert_int_equal(buf_append(&out, "", 1), 0);
		assert_string_equal((char *)buf_head(&out), removals[i].wanted);
	}
}

static const struct {
	const char *text, *fault; /* NULL: it is fine */
} plains[] = {
	{"{/* a */\"b\": [1, 2,], // c\n}", NULL},
	{"{\"a\": \"x\\\\\", \"b\": 1,}", NULL},
	{"{,}", "line 1"},
	{"[1,,]", "line 1"},
	{"{\n\"a\": 1 /* no end", "line 2"},
	{"{\n\n\"a\" 1}", "line 3"},
	{"", "line 1"},
};

static void test_plain(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(plains); i++) {
		_cleanup_buf_ struct buf plain = BUF_INIT(4096);
		_cleanup_error_ struct error err = ERROR_INIT;
		size_t n = strlen(plains[i].text);
		struct span root;
		int r = jsonc_plain(span_of(plains[i].text, n), &plain, &root, &err);

		assert_int_equal(r < 0, plains[i].fault != NULL);
		if (r < 0)
			assert_non_null(strstr(error_text(&err), plains[i].fault));
		else
			assert_int_equal(plain.len, n);
	}
}

/* 3 MB of comments without an end: for each of them the rest was looked through. */
static void test_plain_endless(void **state)
{
	enum { COMMENTS = 1000000 };
	_cleanup_buf_ struct buf text = BUF_INIT(4 * COMMENTS), plain = BUF_INIT(4 * COMMENTS);
	_cleanup_error_ struct error err = ERROR_INIT;
	clock_t before = clock();
	struct span root;

	for (int i = 0; i < COMMENTS; i++)
		assert_int_equal(buf_append_str(&text, "/*a"), 0);
	assert_true(jsonc_plain(span_of((const char *)buf_head(&text), text.len), &plain, &root, &err) < 0);
	assert_true((double)(clock() - before) / CLOCKS_PER_SEC < 10);
}

/* ---- hawser.yaml and hawser.json ---- */

#define X_YAML "x: # C\n    command: \"c\"\n"
static const struct {
	bool yaml;
	const char *text, *wanted; /* NULL: refused */
} additions[] = {
	{true, "", "mcpServers:\n  " X_YAML "policy:\n  rules:\n    - deny: x.a\n    - allow: x.b\n"},
	{true, "# mine\nmcpServers:\n    y: {command: z} # keep\n\n# behind\nlimits: {}",
	 "# mine\nmcpServers:\n    y: {command: z} # keep\n    x: # C\n      command: \"c\"\n\n# behind\nlimits: "
	 "{}\npolicy:\n  rules:\n    - deny: x.a\n    - allow: x.b\n"},
	{true, "policy:\n  default: deny\n  rules:\n  - allow: \"*\"\n  # end\nservers: {} # none\n",
	 "policy:\n  default: deny\n  rules:\n  - deny: x.a\n  - allow: \"*\"\n  - allow: x.b\n  # "
	 "end\nservers:  # "
	 "none\n  " X_YAML},
	{true, "policy: {}\nmcpServers:\n",
	 "policy: \n  rules:\n    - deny: x.a\n    - allow: x.b\nmcpServers:\n  " X_YAML},
	{true, "mcpServers:\r\n  y: {command: z}\r\npolicy:\r\n  rules: []\r\n",
	 "mcpServers:\r\n  y: {command: z}\r\n  x: # C\r\n    command: \"c\"\r\npolicy:\r\n  rules: \r\n    - deny: "
	 "x.a\r\n    - allow: x.b\r\n"},
	{true, "mcpServers: {y: {command: z}}\n", NULL},
	{true, "policy: {rules: [{allow: a.b}]}\n", NULL},
	{true, "{\"limits\": {}}\n",
	 "{\"limits\": {}, \"mcpServers\": {\"x\": {\"command\": \"c\"}}, \"policy\": {\"rules\": [{\"deny\": "
	 "\"x.a\"}, "
	 "{\"allow\": \"x.b\"}]}}\n"},
	{false, "{\n  \"policy\": {\"rules\": [\n    {\"allow\": \"*\"}\n  ]},\n  \"mcpServers\": {}\n}\n",
	 "{\n  \"policy\": {\"rules\": [\n    {\"deny\": \"x.a\"},\n    {\"allow\": \"*\"},\n    {\"allow\": "
	 "\"x.b\"}\n  "
	 "]},\n  \"mcpServers\": {\n    \"x\": {\"command\": \"c\"}\n  }\n}\n"},
	{false, "{\n  \"mcpServers\": {\n    \"y\": {}\n  }\n}",
	 "{\n  \"mcpServers\": {\n    \"y\": {},\n    \"x\": {\"command\": \"c\"}\n  },\n  \"policy\": {\"rules\": "
	 "[{\"deny\": \"x.a\"}, {\"allow\": \"x.b\"}]}\n}"},
	{false, "[]", NULL},
	/* an empty object, as JSON and as YAML has it; braces that are no JSON */
	{true, "{}\n",
	 "{\n  \"mcpServers\": {\"x\": {\"command\": \"c\"}},\n  \"policy\": {\"rules\": [{\"deny\": \"x.a\"}, "
	 "{\"allow\": \"x.b\"}]}\n}\n"},
	{true, "---\n{} # nothing\n",
	 "---\n # nothing\nmcpServers:\n  " X_YAML "policy:\n  rules:\n    - deny: x.a\n    - allow: x.b\n"},
	{true, "{mcpServers: {}}\n", NULL},
	{true, "---\n{limits: {}}\n", NULL},
};

static void test_add(void **state)
{
	json_auto_t *value = json_pack("{s:s}", "command", "c");
	const struct hawserfile_server server = {"x", value, "C"};
	const struct hawserfile_rule rules[] = {{.verdict = "deny", .glob = "x.a"},
						{.verdict = "allow", .glob = "x.b"}};
	const struct hawserfile_addition a = {.servers = &server, .server_count = 1, .rules = rules, .rule_count = 2};

	for (size_t i = 0; i < ARRAY_SIZE(additions); i++) {
		_cleanup_buf_ struct buf out = BUF_INIT(4096);
		_cleanup_error_ struct error err = ERROR_INIT;
		int r = hawserfile_add(span_of(additions[i].text, strlen(additions[i].text)), additions[i].yaml, &a,
				       &out, &err);

		if ((r < 0) != !additions[i].wanted)
			fail_msg("%zu: %s", i, error_text(&err));
		if (r < 0)
			continue;
		assert_int_equal(buf_append(&out, "", 1), 0);
		assert_string_equal((char *)buf_head(&out), additions[i].wanted);
	}
}

static void test_yaml_text(void **state)
{
	json_auto_t *value = json_pack("{s:s}", "command", "\x7f\xc2\x85\xe2\x80\xa8\xef\xbb\xbf\xf0\x9f\x98\x80\n");
	const struct hawserfile_server server = {"a b", value, NULL};
	const struct hawserfile_addition a = {.servers = &server, .server_count = 1};
	_cleanup_buf_ struct buf out = BUF_INIT(4096);
	_cleanup_error_ struct error err = ERROR_INIT;

	assert_int_equal(hawserfile_add(SPAN_LIT(""), true, &a, &out, &err), 0);
	assert_int_equal(buf_append(&out, "", 1), 0);
	assert_string_equal(
		(char *)buf_head(&out),
		"mcpServers:\n  \"a b\":\n    command: \"\\u007f\\u0085\\u2028\\ufeff\xf0\x9f\x98\x80\\n\"\n");
}

static const struct {
	const char *before, *after, *now, *wanted; /* NULL: refused */
} backs[] = {
	{"{\n  \"n\": 1,\n  \"s\": {\n    \"a\": {\"x\": 1 /* c */},\n    \"b\": 2\n  }\n}",
	 "{\n  \"n\": 1,\n  \"s\": {\n    \"h\": {}\n  }\n}",
	 "{\n  \"n\": 2, // new\n  \"s\": {\n    \"h\": {},\n    \"mine\": 3\n  }\n}",
	 "{\n  \"n\": 2, // new\n  \"s\": {\n    \"a\": {\"x\": 1 /* c */},\n    \"b\": 2,\n    \"mine\": 3\n  }\n}"},
	{"{\"s\": {\"a\": 1}}", "{\"s\": {\"h\": 0}}", "{\"s\": {\"h\": 7, \"a\": 5}}",
	 "{\"s\": {\"h\": 7, \"a\": 5}}"},
	{"{\"s\": {\"a\": 1}}", "{\"s\": {\"h\": 0}}", "{\"t\": 1}", "{\"t\": 1}"},
	{"{\"s\": {\"a\": 1}}", "{\"s\": {\"h\": 0}}", "[]", NULL},
};

static void test_back(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(backs); i++) {
		_cleanup_buf_ struct buf out = BUF_INIT(4096);
		_cleanup_error_ struct error err = ERROR_INIT;
		int r = json_edit_back(span_of(backs[i].before, strlen(backs[i].before)),
				       span_of(backs[i].after, strlen(backs[i].after)),
				       span_of(backs[i].now, strlen(backs[i].now)), &out, &err);

		if ((r < 0) != !backs[i].wanted)
			fail_msg("%zu: %s", i, error_text(&err));
		if (r < 0)
			continue;
		assert_int_equal(buf_append(&out, "", 1), 0);
		assert_string_equal((char *)buf_head(&out), backs[i].wanted);
	}
}

static void test_overlap(void **state)
{
	_cleanup_buf_ struct buf out = BUF_INIT(64);
	_cleanup_edit_ struct edit edit = {0};

	assert_int_equal(edit_splice(&edit, 2, 2, "x"), 0);
	assert_int_equal(edit_splice(&edit, 3, 1, "y"), 0);
	assert_int_equal(edit_apply(&edit, SPAN_LIT("abcdef"), &out), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain), cmocka_unit_test(test_plain_endless), cmocka_unit_test(test_remove),
		cmocka_unit_test(test_add),   cmocka_unit_test(test_yaml_text),     cmocka_unit_test(test_overlap),
		cmocka_unit_test(test_back),
	};

	return cmocka_run_group_tests_name("broker/clientfiles/edits", tests, NULL, NULL);
}
