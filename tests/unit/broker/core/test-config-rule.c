/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "broker/core/config-rule.h"
#include "policy/policy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* NULL after: it must be done by hand, and the file is left alone. back: taking the rule out gives the text of before.
 */
static const struct {
	const char *what;
	bool is_json;
	const char *before, *name;
	size_t above;
	const char *after;
	bool back;
} edits[] = {
	{"above the rule that asked", false,
	 "# mine\npolicy:   # all of it\n  rules:\n    - allow: a.*  # reads\n\n    # writes\n    - ask: b.*\n",
	 "b.write", 1,
	 "# mine\npolicy:   # all of it\n  rules:\n    - allow: a.*  # reads\n\n    # writes\n    - allow: b.write\n   "
	 " - ask: b.*\n",
	 true},
	{"no indentation", false, "policy:\n  rules:\n  - ask: '*'\nlimits: {run_ms: 5s}\n", "b.write", 0,
	 "policy:\n  rules:\n  - allow: b.write\n  - ask: '*'\nlimits: {run_ms: 5s}\n", true},
	{"a name that YAML would read as something else", false, "policy:\n  rules:\n    - ask: \"*\"\n", "1.5", 0,
	 "policy:\n  rules:\n    - allow: \"1.5\"\n    - ask: \"*\"\n", true},
	{"a policy without rules", false, "policy:\n  default: ask # me\nlimits:\n  pool: 0\n", "b.write", 0,
	 "policy:\n  default: ask # me\n  rules:\n    - allow: b.write\nlimits:\n  pool: 0\n", false},
	{"no policy, no line end", false, "mcpServers:\n  b: {command: x}", "b.write", 0,
	 "mcpServers:\n  b: {command: x}\npolicy:\n  rules:\n    - allow: b.write\n", false},
	{"a rule over several lines", false, "policy:\n  rules:\n    - ask:\n        - a.*\n        - b.*\n", "b.write",
	 0, "policy:\n  rules:\n    - allow: b.write\n    - ask:\n        - a.*\n        - b.*\n", true},
	{"rules in one line", false, "policy: {rules: [{ask: \"*\"}]}\n", "b.write", 0, NULL, false},
	{"rules that are none", false, "policy:\n  rules: [] # yet\n", "b.write", 0,
	 "policy:\n  rules:  # yet\n    - allow: b.write\n", false},
	{"a dash alone", false, "policy:\n  rules:\n    -\n      ask: a.*\n", "b.write", 0,
	 "policy:\n  rules:\n    - allow: b.write\n    -\n      ask: a.*\n", true},
	{"lines that end with CR LF", false, "policy:\r\n  rules:\r\n    - ask: b.*\r\n", "b.write", 0,
	 "policy:\r\n  rules:\r\n    - allow: b.write\r\n    - ask: b.*\r\n", true},
	{"YAML that is JSON", false, "{\"policy\": {\"rules\": [{\"ask\": \"*\"}]}}\n", "b.write", 0,
	 "{\"policy\": {\"rules\": [{\"allow\": \"b.write\"}, {\"ask\": \"*\"}]}}\n", true},
	{"behind all of them", false, "policy:\n  rules:\n    - ask: a.*\n# end\n", "b.write", 1,
	 "policy:\n  rules:\n    - ask: a.*\n    - allow: b.write\n# end\n", true},
	{"no YAML", false, "a: b: c\n", "b.write", 0, NULL, false},
	{"JSON, a rule a line", true,
	 "{\n  \"policy\": {\"rules\": [\n    {\"allow\": \"a.*\"},\n    {\"ask\": \"b.*\"}\n  ]}\n}\n", "b.write", 1,
	 "{\n  \"policy\": {\"rules\": [\n    {\"allow\": \"a.*\"},\n    {\"allow\": \"b.write\"},\n    {\"ask\": "
	 "\"b.*\"}\n  ]}\n}\n",
	 true},
	{"JSON in one line", true, "{\"n\": 1.50, \"policy\":{\"rules\":[{\"ask\":\"b.*\"}]}}", "b.write", 0,
	 "{\"n\": 1.50, \"policy\":{\"rules\":[{\"allow\": \"b.write\"}, {\"ask\":\"b.*\"}]}}", true},
	{"JSON with rules that are none", true, "{\"policy\":{\"rules\":[ ]}}", "b.write", 0,
	 "{\"policy\":{\"rules\":[\n  {\"allow\": \"b.write\"}\n]}}", false},
	{"JSON with a policy without rules", true, "{\"policy\": {\"default\": \"ask\"}}", "b.write", 0,
	 "{\"policy\": {\"default\": \"ask\", \"rules\": [{\"allow\": \"b.write\"}]}}", false},
	{"JSON without a policy", true, "{\n  \"limits\": {}\n}\n", "b.write", 0,
	 "{\n  \"limits\": {},\n  \"policy\": {\"rules\": [{\"allow\": \"b.write\"}]}\n}\n", false},
};

static void test_edits(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(edits); i++) {
		struct span before = span_of(edits[i].before, strlen(edits[i].before));
		struct buf out = BUF_INIT(1 << 20), back = BUF_INIT(1 << 20);
		int r = config_rule_edit(edits[i].is_json, true, before,
					 &(struct config_rule){.name = edits[i].name, .above = edits[i].above}, &out);

		print_message("# %s\n", edits[i].what);
		assert_int_equal(r, edits[i].after ? 0 : -ENOTSUP);
		if (edits[i].after) {
			assert_int_equal(out.len, strlen(edits[i].after));
			assert_memory_equal(buf_head(&out), edits[i].after, out.len);
			r = config_rule_edit(edits[i].is_json, false, span_of(buf_head(&out), out.len),
					     &(struct config_rule){.name = edits[i].name}, &back);
			assert_int_equal(r, 0);
		}
		if (edits[i].back) {
			assert_int_equal(back.len, before.len);
			assert_memory_equal(buf_head(&back), before.p, back.len);
		}
		buf_done(&out);
		buf_done(&back);
	}
}

static void test_remove(void **state)
{
	static const char one[] = "policy:\n  rules:\n    - allow: a.b\nlimits: {}\n";
	struct buf out = BUF_INIT(4096);

	(void)state;
	assert_int_equal(config_rule_edit(false, false, SPAN_LIT(one), &(struct config_rule){.name = "a.*"}, &out),
			 -ENOENT);
	assert_int_equal(config_rule_edit(false, false, SPAN_LIT(one), &(struct config_rule){.name = "a.b"}, &out), 0);
	assert_int_equal(buf_append(&out, "", 1), 0);
	assert_string_equal((const char *)buf_head(&out), "policy:\n  rules: []\nlimits: {}\n");
	buf_done(&out);
}

/* The rule of a project's server is one line too, and is found by its name when there is none of one's own. */
static void test_of_a_project(void **state)
{
	static const char yaml[] = "policy:\n  rules:\n    - allow: b.c\n";
	static const char wanted[] = "policy:\n  rules:\n    - {allow: b.c, from: /w/.mcp.json}\n    - allow: b.c\n";
	static const char json[] = "{\"policy\":{\"rules\":[{\"allow\": \"b.c\", \"from\": \"/w/.mcp.json\"}]}}";
	const struct config_rule rule = {.name = "b.c", .from = "/w/.mcp.json"};
	struct buf out = BUF_INIT(4096), back = BUF_INIT(4096);

	(void)state;
	assert_int_equal(config_rule_edit(false, true, SPAN_LIT(yaml), &rule, &out), 0);
	assert_int_equal(out.len, strlen(wanted));
	assert_memory_equal(buf_head(&out), wanted, out.len);
	assert_int_equal(config_rule_edit(false, false, span_of(buf_head(&out), out.len), &rule, &back), 0);
	assert_null(memmem(buf_head(&back), back.len, "- allow", 7));
	buf_clear(&out);
	assert_int_equal(config_rule_edit(false, false, span_of(buf_head(&back), back.len), &rule, &out), 0);
	assert_null(memmem(buf_head(&out), out.len, "b.c", 3));
	buf_clear(&out);
	assert_int_equal(config_rule_edit(true, true, SPAN_LIT("{\"policy\":{}}"), &rule, &out), 0);
	assert_non_null(memmem(buf_head(&out), out.len, "\"from\": \"/w/.mcp.json\"", 22));
	buf_clear(&out);
	assert_int_equal(config_rule_edit(true, false, SPAN_LIT(json), &rule, &out), 0);
	buf_done(&out);
	buf_done(&back);
}

/* What is told is what is written, and what is written reads back as the same texts. */
static void test_told_as_written(void **state)
{
	static const char *const files[] = {
		"/w/.mcp.json",
		"/a, b/x",
		"/a #b/x",
		"/a: b/x",
		"/{a}/\"b\\",
		"/\n\x1b\x7f",
		"/\xc3\xa4/\xc2\x85",
		"/\xe2\x80\xae",
		"/\xef\xbb\xbf\xef\xbf\xbf",
		"/\xf3\xa0\x81\x81\xf0\x9f\x98\x80",
		"/ x ",
		"/x:",
		"/'",
	};
	static const char before[] = "policy:\n  rules:\n    - ask: \"*\"\n";

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		const struct config_rule rule = {.name = "b.c", .from = files[i]};
		struct buf out = BUF_INIT(4096), told = BUF_INIT(4096), back = BUF_INIT(4096);

		assert_int_equal(policy_put_rule("allow", "b.c", files[i], &told), 0);
		/* the new text was read again, and had exactly this rule */
		assert_int_equal(config_rule_edit(false, true, SPAN_LIT(before), &rule, &out), 0);
		assert_non_null(memmem(buf_head(&out), out.len, buf_head(&told), told.len));
		assert_int_equal(config_rule_edit(false, false, span_of(buf_head(&out), out.len), &rule, &back), 0);
		assert_int_equal(back.len, sizeof(before) - 1);
		assert_memory_equal(buf_head(&back), before, back.len);
		buf_done(&out);
		buf_done(&told);
		buf_done(&back);
	}
}

/* Which of several goes: one's own, that of the project one is in, or the only one. */
static void test_of_several_projects(void **state)
{
	static const char two[] = "policy:\n  rules:\n    - {allow: b.c, from: /one}\n    - {allow: b.c, from: /two}\n";
	static const char mine[] = "policy:\n  rules:\n    - {allow: b.c, from: /one}\n    - allow: b.c\n";
	struct config_rule rule = {.name = "b.c"};
	struct buf out = BUF_INIT(4096);

	(void)state;
	assert_int_equal(config_rule_edit(false, false, SPAN_LIT(two), &rule, &out), -EEXIST);
	rule.from = "/three";
	assert_int_equal(config_rule_edit(false, false, SPAN_LIT(two), &rule, &out), -EEXIST);
	rule.from = "/two";
	assert_int_equal(config_rule_edit(false, false, SPAN_LIT(two), &rule, &out), 0);
	assert_non_null(memmem(buf_head(&out), out.len, "/one", 4));
	assert_null(memmem(buf_head(&out), out.len, "/two", 4));
	buf_clear(&out);
	rule.from = "/one";
	assert_int_equal(config_rule_edit(false, false, SPAN_LIT(mine), &rule, &out), 0);
	assert_null(memmem(buf_head(&out), out.len, "- allow: b.c", 12));
	buf_done(&out);
}

static void put_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

/* What must be done by hand is told as a rule that can be put there. */
static void test_by_hand(void **state)
{
	static const char flow[] = "policy: {rules: [{allow: b.c, from: \"/a, b\"}]}\n";
	char path[] = "/tmp/hawser-hand-XXXXXX.yaml";
	struct error err = ERROR_INIT;
	int fd = mkstemps(path, 5);

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	put_file(path, flow);
	assert_int_equal(config_rule_add(path, &(struct config_rule){"b.d", "/a, b\n", 1}, &err), -ENOTSUP);
	assert_non_null(strstr(error_text(&err), "as number 1: - {allow: b.d, from: \"/a, b\\u000a\"}"));
	error_done(&err);
	assert_int_equal(config_rule_remove(path, &(struct config_rule){.name = "b.c"}, &err), -ENOTSUP);
	assert_non_null(strstr(error_text(&err), "take out of policy.rules: - {allow: b.c, from: \"/a, b\"}"));
	error_done(&err);
	unlink(path);
}

static void test_names(void **state)
{
	(void)state;
	assert_true(config_rule_can_name("files", "write_file", NULL));
	assert_true(config_rule_can_name("my-fs", "it's.odd\"\\", NULL));
	assert_false(config_rule_can_name("files", "write*", NULL));
	assert_false(config_rule_can_name("files", "a?", NULL));
	assert_false(config_rule_can_name("files", "", NULL));
	assert_false(config_rule_can_name("files", "a b", NULL));
	assert_false(config_rule_can_name("mcp__files", "a", NULL));
	assert_false(config_rule_can_name("files", "\xc3\xa4", NULL));
	assert_true(config_rule_can_name("files", "a", "/work/.mcp.json"));
	assert_false(config_rule_can_name("files", "a", "/work*/.mcp.json"));
}

/* A link stays one, mode and owner stay, and nothing is left beside it. */
static void test_file(void **state)
{
	static const char text[] = "policy:\n  rules:\n    - ask: a.*\n";
	char dir[] = "/tmp/hawser-rule-XXXXXX", path[64], link[64];
	struct error err = ERROR_INIT;
	struct stat st;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/real.yaml", dir);
	snprintf(link, sizeof(link), "%s/hawser.yaml", dir);
	put_file(path, text);
	assert_int_equal(chmod(path, 0640), 0);
	assert_int_equal(symlink("real.yaml", link), 0);
	if (geteuid() == 0)
		assert_int_equal(chown(path, 12345, 12345), 0);
	assert_int_equal(config_rule_add(link, &(struct config_rule){.name = "a.b"}, &err), 0);
	assert_int_equal(lstat(link, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	if (geteuid() == 0)
		assert_int_equal(st.st_uid, 12345);
	assert_int_equal(config_rule_remove(link, &(struct config_rule){.name = "a.b"}, &err), 0);
	assert_int_equal(config_rule_remove(link, &(struct config_rule){.name = "a.b"}, &err), -ENOENT);
	assert_non_null(strstr(error_text(&err), "no rule that allows exactly a.b"));
	error_done(&err);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, sizeof(text) - 1);
	unlink(link);
	unlink(path);
	assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_edits),
		cmocka_unit_test(test_remove),
		cmocka_unit_test(test_of_a_project),
		cmocka_unit_test(test_told_as_written),
		cmocka_unit_test(test_of_several_projects),
		cmocka_unit_test(test_by_hand),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
