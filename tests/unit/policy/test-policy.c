/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "base/json.h"
#include "policy/policy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

struct faults {
	char text[2048];
};

static void note(void *user, const char *pointer, const char *message)
{
	struct faults *f = user;
	size_t n = strlen(f->text);

	snprintf(f->text + n, sizeof(f->text) - n, "%s: %s\n", pointer, message);
}

static struct policy *make(const char *text, struct faults *faults)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct policy *p = NULL;
	json_t *config = NULL;
	int r;

	if (text)
		assert_int_equal(json_parse(text, strlen(text), &config, &err), 0);
	memset(faults, 0, sizeof(*faults));
	r = policy_new(config, note, faults, &p);
	assert_int_equal(r, faults->text[0] ? -EINVAL : 0);
	json_decref(config);
	return p;
}

static struct policy_decision decide(const struct policy *p, const char *server, const char *tool, bool reads)
{
	struct policy_call call = {
		.subject = "local:1", .server = server, .tool = tool, .trusted = reads, .read_only = reads};
	struct policy_decision d;

	assert_int_equal(policy_needs(p, &call), 0);
	policy_decide(p, &call, &(struct policy_facts){0}, &d);
	return d;
}

static void test_shipped_default(void **state)
{
	struct faults faults;
	struct policy *p = make(NULL, &faults);
	struct policy_call call = {.server = "fs", .tool = "read", .read_only = true};
	struct policy_decision d = decide(p, "fs", "read", true);

	assert_int_equal(d.verdict, POLICY_ALLOW);
	assert_string_equal(d.rule, "default");
	assert_string_equal(d.fix, "");
	d = decide(p, "github", "create_issue", false);
	assert_int_equal(d.verdict, POLICY_ASK);
	assert_string_equal(d.fix, "add to policy.rules: - allow: github.create_issue");
	/* The word of a server that is not trusted does not count. */
	policy_decide(p, &call, &(struct policy_facts){0}, &d);
	assert_int_equal(d.verdict, POLICY_ASK);
	policy_free(p);
}

static void test_first_match_wins(void **state)
{
	struct faults faults;
	struct policy *p = make("{\"default\":\"deny\",\"rules\":[{\"allow\":\"fs.read_*\"},{\"deny\":[\"*.delete_*\","
				"\"fs.*\"]},{\"ask\":\"mcp__github__create_*\"},{\"allow\":\"github.*\"}]}",
				&faults);
	struct policy_decision d;

	assert_string_equal(faults.text, "");
	d = decide(p, "fs", "read_file", false);
	assert_int_equal(d.verdict, POLICY_ALLOW);
	assert_string_equal(d.rule, "rules[0]");
	d = decide(p, "fs", "write", true);
	assert_int_equal(d.verdict, POLICY_DENY);
	assert_string_equal(d.rule, "rules[1]");
	assert_string_equal(d.fix, "add to policy.rules, above rules[1]: - allow: fs.write");
	assert_int_equal(decide(p, "github", "delete_repo", true).verdict, POLICY_DENY);
	assert_string_equal(decide(p, "github", "create_issue", true).rule, "rules[2]");
	assert_int_equal(decide(p, "github", "create_issue", true).verdict, POLICY_ASK);
	assert_int_equal(decide(p, "github", "get", false).verdict, POLICY_ALLOW);
	d = decide(p, "other", "get it", true);
	assert_int_equal(d.verdict, POLICY_DENY);
	assert_string_equal(d.rule, "default");
	assert_string_equal(d.fix, "add to policy.rules: - allow: \"other.get it\"");
	policy_free(p);
}

static void test_allowed_tools_only_narrow(void **state)
{
	static const char *const globs[] = {"mcp__fs__*", "web.get", NULL}, *const none[] = {NULL};
	struct faults faults;
	struct policy *p = make("{\"rules\":[{\"deny\":\"web.*\"},{\"allow\":\"*\"}]}", &faults);
	struct policy_call call = {.server = "fs", .tool = "x", .allowed_tools = globs};
	struct policy_decision d;

	policy_decide(p, &call, &(struct policy_facts){0}, &d);
	assert_int_equal(d.verdict, POLICY_ALLOW);
	call.server = "web";
	call.tool = "get";
	policy_decide(p, &call, &(struct policy_facts){0}, &d);
	assert_string_equal(d.rule, "rules[0]");
	call.tool = "put";
	policy_decide(p, &call, &(struct policy_facts){0}, &d);
	assert_int_equal(d.verdict, POLICY_DENY);
	assert_string_equal(d.rule, "allowed_tools");
	assert_string_equal(d.fix, "add web.put to allowed_tools of this run");
	call.allowed_tools = none;
	call.server = "fs";
	policy_decide(p, &call, &(struct policy_facts){0}, &d);
	assert_string_equal(d.rule, "allowed_tools");
	policy_free(p);
}

static void test_all_faults(void **state)
{
	struct faults faults;
	struct policy *p = make(
		"{\"default\":\"maybe\",\"flows\":[],\"rule\":1,\"rules\":[{\"allow\":\"github\"},"
		"{\"allow\":\"a.b\",\"when\":{}},{\"allow\":\"a.b\",\"deny\":\"a.b\"},{},5,{\"deny\":[\"a.*\",7]}]}",
		&faults);

	assert_null(p);
	assert_string_equal(
		faults.text,
		"/default: must be allow, deny or ask; leave it out for the shipped default\n"
		"/flows: this version does not know \"flows\" yet and would not apply it; remove it, or deny the tool\n"
		"/rule: \"rule\" is unknown; known here: default, rules\n"
		"/rules/0/allow: names no tool; write server.tool, or server.* for all tools of a server\n"
		"/rules/1/when: this version does not know \"when\" yet and would not apply it; remove it, or deny the "
		"tool\n"
		"/rules/2: has several of allow, deny and ask; a rule has exactly one\n"
		"/rules/3: has none of allow, deny and ask; a rule has exactly one\n"
		"/rules/4: must be like \"- allow: github.*\" (or deny, or ask)\n"
		"/rules/5/deny/1: must be a tool as server.tool, or a glob over it such as github.* (in quotes if it "
		"begins "
		"with *)\n");
}

/* my_fs.get_env is what code writes for a tool of my-fs, and may be another server's own tool. */
static void test_allow_wants_the_own_name(void **state)
{
	static const struct {
		const char *rules, *server, *tool;
		enum policy_verdict verdict;
	} rows[] = {
		{"[{\"allow\":\"my_fs.get_env\"}]", "my_fs", "get_env", POLICY_ALLOW},
		{"[{\"allow\":\"my_fs.get_env\"}]", "my-fs", "get-env", POLICY_DENY},
		{"[{\"allow\":\"my-fs.*\"}]", "my_fs", "get", POLICY_DENY},
		{"[{\"allow\":\"mcp__my_fs__get\"}]", "my-fs", "get", POLICY_DENY},
		{"[{\"allow\":\"mcp__my_fs__get\"}]", "my fs", "get", POLICY_ALLOW},
		{"[{\"deny\":\"my_fs.get_env\"},{\"allow\":\"*\"}]", "my-fs", "get-env", POLICY_DENY},
		{"[{\"ask\":\"my_fs.get_env\"},{\"allow\":\"*\"}]", "my-fs", "get-env", POLICY_ASK},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char text[200];
		struct faults faults;
		struct policy *p;
		struct policy_call call = {.server = rows[i].server, .tool = rows[i].tool};
		struct policy_decision d;

		snprintf(text, sizeof(text), "{\"default\":\"deny\",\"rules\":%s}", rows[i].rules);
		p = make(text, &faults);
		policy_decide(p, &call, &(struct policy_facts){0}, &d);
		if (d.verdict != rows[i].verdict)
			fail_msg("%s on %s.%s: %s by %s", rows[i].rules, call.server, call.tool,
				 policy_verdict_name(d.verdict), d.rule);
		policy_free(p);
	}
}

/* Which server a dot ends is said by the servers that there are; where they say two, a rule that allows gives nothing.
 */
static void test_names_with_dots(void **state)
{
	static const struct policy_server one[] = {{"a", NULL, NULL}},
					  both[] = {{"a", NULL, NULL}, {"a.b", NULL, NULL}},
					  theirs[] = {{"a", NULL, NULL}, {"a.b", "/w/.mcp.json", NULL}},
					  spelled[] = {{"g.h", NULL, NULL}, {"g_h", NULL, NULL}, {"g.h.i", NULL, NULL}},
					  under[] = {{"x", NULL, NULL}, {"x__y", NULL, NULL}},
					  vendor[] = {{"io.github.me/srv", NULL, NULL}};
	static const struct {
		const char *rules;
		const struct policy_server *servers;
		size_t count, server; /* which of them is called */
		const char *tool;
		enum policy_verdict verdict;
	} rows[] = {
		{"[{\"allow\":\"a.b.c\"}]", one, 1, 0, "b.c", POLICY_ALLOW},
		{"[{\"allow\":\"a.b.c\"}]", both, 2, 0, "b.c", POLICY_DENY},
		{"[{\"allow\":\"a.b.c\"}]", both, 2, 1, "c", POLICY_DENY},
		{"[{\"allow\":\"a.b.c\"}]", theirs, 2, 0, "b.c",
		 POLICY_ALLOW}, /* a project takes nothing away either */
		{"[{\"allow\":\"mcp__a.b__c\"}]", both, 2, 1, "c", POLICY_ALLOW},
		{"[{\"allow\":\"mcp__a.b__c\"}]", both, 2, 0, "b.c", POLICY_DENY},
		{"[{\"allow\":\"mcp__a__b.c\"}]", both, 2, 0, "b.c", POLICY_ALLOW},
		{"[{\"allow\":\"a.*\"}]", both, 2, 0, "b.c", POLICY_ALLOW},
		{"[{\"allow\":\"a.*\"}]", both, 2, 1, "c", POLICY_DENY},
		{"[{\"allow\":\"a.*\"}]", both + 1, 1, 0, "c", POLICY_DENY}, /* nor once a is gone */
		{"[{\"allow\":\"a.b.*\"}]", both, 2, 1, "c", POLICY_DENY},
		{"[{\"allow\":\"*.c\"}]", both, 2, 1, "c", POLICY_ALLOW},
		{"[{\"allow\":\"*.c\"}]", both, 2, 0, "b.c", POLICY_DENY},
		{"[{\"allow\":\"a*\"}]", both, 2, 1, "c", POLICY_ALLOW},
		{"[{\"allow\":\"*\"}]", both, 2, 1, "c", POLICY_ALLOW},
		{"[{\"allow\":\"io.github.me/srv.read\"}]", vendor, 1, 0, "read", POLICY_ALLOW},
		{"[{\"allow\":\"io.github.me/*.*\"}]", vendor, 1, 0, "read", POLICY_ALLOW},
		{"[{\"allow\":\"mcp__io_github_me_srv__read\"}]", vendor, 1, 0, "read", POLICY_ALLOW},
		{"[{\"allow\":\"mcp__g_h__i\"}]", spelled, 3, 1, "i", POLICY_ALLOW},
		{"[{\"allow\":\"mcp__g_h__i\"}]", spelled, 3, 0, "i", POLICY_DENY},
		{"[{\"allow\":\"mcp__g_h_i\"}]", spelled, 3, 2, "x", POLICY_ALLOW},
		{"[{\"allow\":\"mcp__x__y__z\"}]", under, 2, 0, "y__z", POLICY_DENY},
		{"[{\"allow\":\"mcp__x__y__z\"}]", under, 2, 1, "z", POLICY_DENY},
		{"[{\"allow\":\"mcp__x__y__z\"}]", under, 1, 0, "y__z", POLICY_ALLOW},
		{"[{\"allow\":\"x__y.z\"}]", under, 2, 1, "z", POLICY_ALLOW},
		/* what takes away holds in every reading */
		{"[{\"deny\":\"a.b.c\"},{\"allow\":\"*\"}]", both, 2, 0, "b.c", POLICY_DENY},
		{"[{\"ask\":\"a.b.c\"},{\"allow\":\"*\"}]", both, 2, 1, "c", POLICY_ASK},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char text[200];
		struct faults faults;
		struct policy *p;
		const struct policy_server *server = &rows[i].servers[rows[i].server];
		struct policy_call call = {.server = server->name,
					   .project = server->project,
					   .tool = rows[i].tool,
					   .servers = rows[i].servers,
					   .server_count = rows[i].count};
		struct policy_decision d;

		snprintf(text, sizeof(text), "{\"default\":\"deny\",\"rules\":%s}", rows[i].rules);
		p = make(text, &faults);
		assert_string_equal(faults.text, "");
		policy_decide(p, &call, &(struct policy_facts){0}, &d);
		if (d.verdict != rows[i].verdict)
			fail_msg("%s on %s, %s: %s by %s", rows[i].rules, call.server, call.tool,
				 policy_verdict_name(d.verdict), d.rule);
		policy_free(p);
	}
}

/* What is said to be added does allow the call, and only that; what can mean two is told. */
static void test_names_for_rules(void **state)
{
	static const struct policy_server both[] = {{"a", NULL, NULL}, {"a.b", NULL, NULL}, {"a_b", NULL, NULL}};
	struct policy_call call = {.server = "a.b", .tool = "c", .servers = both, .server_count = 3};
	struct policy_decision d;
	char name[POLICY_NAME_MAX];
	struct faults faults;
	struct policy *p = make(
		"{\"rules\":[{\"allow\":[\"a.x\",\"a.b.c\"]},{\"deny\":\"a.b.c\"},{\"allow\":\"a.b.*\"}]}", &faults);

	assert_true(policy_name_tool(&call, name, sizeof(name)));
	assert_string_equal(name, "mcp__a.b__c");
	policy_decide(p, &call, &(struct policy_facts){0}, &d);
	assert_string_equal(d.fix, "add to policy.rules, above rules[1]: - allow: mcp__a.b__c");
	call.server_count = 0;
	assert_true(policy_name_tool(&call, name, sizeof(name)));
	assert_string_equal(name, "a.b.c");
	assert_false(policy_name_tool(&call, name, 5));
	assert_true(policy_glob_is_unclear("a.b.c", NULL, both, 2));
	assert_true(policy_glob_is_unclear("a.b.*", NULL, both, 2));
	assert_false(policy_glob_is_unclear("a.x", NULL, both, 2));
	assert_false(policy_glob_is_unclear("a.b.c", NULL, both, 1));
	assert_false(policy_glob_is_unclear("a.b.c", "/w/.mcp.json", both, 2)); /* none of them is from there */
	policy_free(p);
}

/* A rule that was written for a server of one's own gives nothing to one of the same name that came with a folder. */
static void test_project_inherits_nothing(void **state)
{
	static const char mine[] = "/w/one/.mcp.json", other[] = "/w/two/.mcp.json";
	static const struct {
		const char *rules, *project;
		enum policy_verdict verdict;
	} rows[] = {
		{"[{\"allow\":\"github.*\"}]", NULL, POLICY_ALLOW},
		{"[{\"allow\":\"github.*\"}]", mine, POLICY_ASK},
		{"[{\"allow\":\"*\"}]", mine, POLICY_ASK},
		{"[{\"allow\":\"github.*\",\"from\":\"/w/one/.mcp.json\"}]", mine, POLICY_ALLOW},
		{"[{\"allow\":\"github.*\",\"from\":\"/w/one/.mcp.json\"}]", other, POLICY_ASK},
		{"[{\"allow\":\"github.*\",\"from\":\"/w/one/.mcp.json\"}]", NULL, POLICY_ASK},
		{"[{\"allow\":\"github.*\",\"from\":\"/w/*\"}]", other, POLICY_ALLOW},
		{"[{\"deny\":\"github.*\"}]", mine, POLICY_DENY},
		{"[{\"deny\":\"*\",\"from\":\"*\"},{\"allow\":\"*\"}]", mine, POLICY_DENY},
		{"[{\"deny\":\"*\",\"from\":\"*\"},{\"allow\":\"*\"}]", NULL, POLICY_ALLOW},
	};
	struct faults faults;
	struct policy *p;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct policy_call call = {.server = "github", .tool = "get", .project = rows[i].project};
		struct policy_decision d;
		char text[200];

		snprintf(text, sizeof(text), "{\"rules\":%s}", rows[i].rules);
		p = make(text, &faults);
		assert_string_equal(faults.text, "");
		policy_decide(p, &call, &(struct policy_facts){0}, &d);
		if (d.verdict != rows[i].verdict)
			fail_msg("%s, %s: %s by %s", rows[i].rules, call.project ? call.project : "own",
				 policy_verdict_name(d.verdict), d.rule);
		if (d.verdict == POLICY_ASK && call.project == mine)
			assert_string_equal(d.fix,
					    "add to policy.rules: - {allow: github.get, from: /w/one/.mcp.json}");
		policy_free(p);
	}
	for (size_t i = 0; i < 2; i++) { /* a default that allows is about the user's own; one that denies is not */
		struct policy_call call = {.server = "github", .tool = "get", .project = mine};
		struct policy_decision d;

		p = make(i ? "{\"default\":\"deny\"}" : "{\"default\":\"allow\"}", &faults);
		policy_decide(p, &call, &(struct policy_facts){0}, &d);
		assert_int_equal(d.verdict, i ? POLICY_DENY : POLICY_ASK);
		assert_string_equal(d.rule, "default");
		assert_string_equal(d.fix, "add to policy.rules: - {allow: github.get, from: /w/one/.mcp.json}");
		call.project = NULL;
		policy_decide(p, &call, &(struct policy_facts){0}, &d);
		assert_int_equal(d.verdict, i ? POLICY_DENY : POLICY_ALLOW);
		policy_free(p);
	}
	assert_null(make("{\"rules\":[{\"allow\":\"a.b\",\"from\":\"project\"}]}", &faults));
	assert_non_null(strstr(faults.text, "/rules/0/from: must be the whole path of a project's file"));
}

static void test_rules_are_written_so_that_they_can_be_read(void **state)
{
	static const struct {
		const char *glob, *from, *written;
	} rows[] = {
		{"a.b", NULL, "- deny: a.b"},
		{"mcp__a__b", NULL, "- deny: mcp__a__b"},
		{"a.*", NULL, "- deny: \"a.*\""},
		{"1.5", NULL, "- deny: \"1.5\""},
		{"true", NULL, "- deny: \"true\""},
		{"-a.b", NULL, "- deny: \"-a.b\""},
		{"a.b\"\\", NULL, "- deny: \"a.b\\\"\\\\\""},
		{"a.b", "/w/.mcp.json", "- {deny: a.b, from: /w/.mcp.json}"},
		{"a.b", "*", "- {deny: a.b, from: \"*\"}"},
		{"a.b", "/a, b: c #d/\xc3\xa4", "- {deny: a.b, from: \"/a, b: c #d/\xc3\xa4\"}"},
		{"a.b", "/\x1b[1m\n\xe2\x80\xae\xf3\xa0\x81\x81",
		 "- {deny: a.b, from: \"/\\u001b[1m\\u000a\\u202e\\U000e0041\"}"},
		{"a.b", "/\xff", "- {deny: a.b, from: \"/?\"}"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_buf_ struct buf out = BUF_INIT(4096);

		assert_int_equal(policy_put_rule("deny", rows[i].glob, rows[i].from, &out), 0);
		assert_int_equal(buf_append(&out, "", 1), 0);
		assert_string_equal((const char *)buf_head(&out), rows[i].written);
	}
}

/* A list of rules about other servers costs little, however many servers there are: this took 25 times as long when
 * each rule was held against each server. */
static void test_long_lists(void **state)
{
	enum { SERVERS = 250, RULES = 100, TOOLS = 200 };
	struct policy_server servers[SERVERS];
	char names[SERVERS][24], text[64 * RULES] = "{\"rules\":[", tool[32];
	struct timespec began, ended;
	struct faults faults;
	struct policy *p;
	double spent[2];

	for (size_t i = 0; i < SERVERS; i++) {
		snprintf(names[i], sizeof(names[i]), "server%zu", i);
		servers[i] = (struct policy_server){.name = names[i]};
	}
	for (size_t i = 0; i < RULES; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s{\"allow\":\"server%zu.tool_%zu\"}",
			 i ? "," : "", i + 1, i);
	p = make(strcat(text, "]}"), &faults);
	for (int many = 0; many < 2; many++) {
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &began);
		for (size_t i = 0; i < TOOLS; i++) {
			struct policy_call call = {.server = names[0],
						   .tool = tool,
						   .servers = servers,
						   .server_count = many ? SERVERS : 1};

			snprintf(tool, sizeof(tool), "tool_%zu", i);
			assert_int_equal(policy_judge(p, &call, &(struct policy_facts){0}), POLICY_ASK);
		}
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ended);
		spent[many] =
			(double)(ended.tv_sec - began.tv_sec) * 1e6 + (double)(ended.tv_nsec - began.tv_nsec) / 1e3;
	}
	print_message("# %.0f us with one server, %.0f us with %d\n", spent[0], spent[1], SERVERS);
	assert_true(spent[1] < 5 * spent[0] + 2000);
	policy_free(p);
}

static void test_globs(void **state)
{
	static const struct {
		const char *pattern, *server, *tool;
		bool match;
	} rows[] = {
		{"github.*", "github", "get", true},
		{"github.*", "github2", "get", false},
		{"github.get", "github", "get", true},
		{"github.get", "github", "get_all", false},
		{"*", "a", "b", true},
		{"*.delete_*", "a", "delete_x", true},
		{"*.delete_*", "a", "b.delete_x", true},
		{"*.delete_*", "a", "delete", false},
		{"a.?et", "a", "get", true},
		{"a.?et", "a", "et", false},
		{"a*b*c.*d", "aXbYc", "Zd", true},
		{"a*b*c.*d", "aXbY", "Zd", false},
		{"mcp__my-fs__read", "my-fs", "read", true},
		{"mcp__my_fs__read", "my fs", "read", true},
		{"mcp__my_fs__read", "my-fs", "read",
		 true}, /* a call may spell it so: a rule that denies it has to hold */
		{"mcp__my_fs__get-env", "my-fs", "get-env", true},
		{"my_fs.get_env", "my-fs", "get-env", true},
		{"my_fs.get_env", "my-fs", "get-envs", false},
		{"my_fs.*", "my-fs", "get-env", true},
		{"my-fs.get", "my_fs", "got", false},
		{"mcp__my_fs", "my_fs", "anything", true},
		{"mcp__my", "my_fs", "anything", false},
		{"mcp__*__read", "x", "read", true},
		{"mcp__*__read", "x", "write", false},
		{"", "a", "b", false},
		{"a.b**", "a", "b", true},
		/* what a quick look at both ends must not miss */
		{"_x.get", ".x", "get", true},
		{"mcp___x__get", ".x", "get", true},
		{"a?b", "a", "b", true},
		{"mcp__a__?", "a", "b", true},
		{"mcp__a", "a", "zzz", true},
		{"mcp__mcp__a__b", "mcp__a", "b", true},
		{"mcp__a.b", "mcp__a", "b", true},
		{"a.*t9", "a", "9", false},
		{"a.-9", "a", "_9", true},
		/* each part by its own name or as code writes it, and a star for the dot between them */
		{"my_fs.a.b", "my-fs", "a.b", true},
		{"my-fs.a_b", "my-fs", "a.b", true},
		{"my_fs.admin/drop", "my-fs", "admin/drop", true},
		{"mcp__my_fs__admin/drop", "my-fs", "admin/drop", true},
		{"mcp__my-fs__admin_drop", "my-fs", "admin/drop", true},
		{"s*delete_file", "s", "delete-file", true},
		{"my_fs*read", "my-fs", "read", true},
		{"s._2fa", "s", "2fa", true},
		{"s.2fa", "s", "2fa", true},
		{"mcp__a__b", "a__b", "read", true},
		{"mcp__x.get_env", "mcp__x", "get-env", true},
		{"my_fs.a/b", "my-fs", "a.b", false},
		{"s._2fa", "s", "fa", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct policy_server server = {.name = rows[i].server};

		if (policy_glob(rows[i].pattern, &server, rows[i].tool) != rows[i].match)
			fail_msg("%s on %s.%s", rows[i].pattern, rows[i].server, rows[i].tool);
	}
}

static void test_what_a_glob_reaches(void **state)
{
	static const struct {
		const char *pattern, *server;
		bool allow, deny;
	} rows[] = {
		{"files.*", "files", true, true},
		{"filez.*", "files", false, false},
		{"files.*", "files2", false, false},
		{"files2.*", "files", false, false},
		{"fi*z.read", "files", true, true}, /* a star may be anything */
		{"*.read", "files", true, true},
		{"file?.read", "files", true, true},
		{"a.b.read", "a.b", true, true},
		{"my_fs.*", "my-fs", false, true}, /* code's spelling allows nothing */
		{"mcp__files", "files", true, true},
		{"mcp__file", "files", false, false},
		{"mcp__files__*", "files", true, true},
		{"mcp__my_fs__read", "my fs", true, true},
		{"mcp__my_fs__read", "my-fs", false, true},
		{"mcp__filez__read", "files", false, false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct policy_server server = {.name = rows[i].server};

		if (policy_glob_reaches(rows[i].pattern, &server, POLICY_ALLOW) != rows[i].allow ||
		    policy_glob_reaches(rows[i].pattern, &server, POLICY_DENY) != rows[i].deny)
			fail_msg("%s on %s", rows[i].pattern, rows[i].server);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shipped_default),
		cmocka_unit_test(test_first_match_wins),
		cmocka_unit_test(test_what_a_glob_reaches),
		cmocka_unit_test(test_allowed_tools_only_narrow),
		cmocka_unit_test(test_all_faults),
		cmocka_unit_test(test_globs),
		cmocka_unit_test(test_long_lists),
		cmocka_unit_test(test_rules_are_written_so_that_they_can_be_read),
		cmocka_unit_test(test_names_with_dots),
		cmocka_unit_test(test_names_for_rules),
		cmocka_unit_test(test_project_inherits_nothing),
		cmocka_unit_test(test_allow_wants_the_own_name),
	};

	return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
