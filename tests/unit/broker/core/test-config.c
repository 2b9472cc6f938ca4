/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "broker/core/config-names.h"
#include "broker/core/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static char dir[64];

static void write_file(const char *name, const char *text)
{
	_cleanup_free_ char *path = NULL;
	FILE *f;

	assert_true(asprintf(&path, "%s/%s", dir, name) > 0);
	f = fopen(path, "we");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
	assert_int_equal(fclose(f), 0);
}

static int load(const char *name, struct config **ret, struct error *err)
{
	_cleanup_free_ char *path = NULL;

	assert_true(asprintf(&path, "%s/%s", dir, name) > 0);
	return config_load(&(const struct config_from){.path = path, .config_home = dir, .cwd = dir, .state_dir = dir},
			   ret, err);
}

static struct config *load_good(const char *name, const char *text)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct config *c = NULL;

	write_file(name, text);
	if (load(name, &c, &err) < 0)
		fail_msg("%s", error_text(&err));
	return c;
}

/* Each broken file, and for each fault, in order: "LINE: part of the text". */
static const struct {
	const char *name, *text;
	const char *faults[8];
} broken[] = {
	{"a.yaml",
	 "mcpServers:\n  a:\n    comand: x\n  b: 7\nlimit: {}\n",
	 {"5: hawser: unknown key limit; did you mean limits?",
	  "3: server a: unknown key comand; did you mean command?", "2: server a: has no command",
	  "4: server b: an object with a command is wanted here, not a whole number"}},
	{"b.yaml",
	 "mcpServers:\n  a: {command: x}\n  a: {command: y}\n",
	 {"3: a stands here twice (first in line 2); keep one"}},
	{"c.yaml",
	 "mcpServers: {\n  // a comment\n  \"a\": {\"command\": \"x\"}}\n",
	 {"2: // begins no comment in YAML"}},
	{"d.yaml", "a: &x 1\nb: *x\n", {"2: aliases"}},
	{"e.yaml", "mcpServers:\n\ta: 1\n", {"2: this is not YAML"}},
	{"f.yaml",
	 "limits:\n  run_ms: 50\n  memory: lots\n  runs: 1.5\n  calls: 0\n  call_ms: 5 parsecs\n",
	 {"2: limits.run_ms: 50 is under 100", "3: limits.memory: lots is no number",
	  "4: limits.runs: a whole number is wanted", "5: limits.calls: 0 is under 1",
	  "6: limits.call_ms: 5 parsecs is no number"}},
	{"g.yaml", "limits: {run_ms: 20m}\n", {"1: limits: run_ms is over run_most_ms"}},
	{"h.yaml",
	 "mcpServers:\n  hawser: {command: hawser}\n  x:\n    command: y\n    timeout: 60\n    disabled: no\n",
	 {"2: mcpServers: hawser is the broker's own name", "5: server x.timeout: 60 is under 100",
	  "6: server x.disabled: true or false is wanted here, not text"}},
	{"i.yaml",
	 "mcpServers:\n  x:\n    command: ${A\n    env: {B: null, '': 1}\n  y: {command: '${inputs:k}'}\n  z: "
	 "{command: "
	 "a, env: [1]}\n",
	 {"4: server x.env.B: text is wanted here", "4: server x.env:  is no name", "2: server x: ${A has no closing }",
	  "5: server y: ${inputs:k} is no variable", "6: server z.env: an object"}},
	{"j.yaml",
	 "providers: [process, process, {vm: 3}, 7]\nisolation: strong\nruntimes: {node: bin/node, ruby: /x}\n",
	 {"1: providers: process stands here twice", "1: providers: the settings of vm", "1: providers: a name or",
	  "2: hawser.isolation: strong is not one of process, container, gvisor, vm", "3: runtimes: unknown key ruby",
	  "3: runtimes.javascript: bin/node is not absolute"}},
	{"k.yaml", "- a\n", {"1: the file holds a list"}},
	{"l.yaml", "a: 1\n---\nb: 1\n", {"2: a second document", "1: hawser: unknown key a"}},
	{"m.yaml", "mcpServers: !!map {}\nx: !secret y\n", {"2: tag !secret is not known here"}},
	{"n.yaml", "include: [missing.json, sub.yaml, sub.yaml]\n", {"1: include: ", "1: cannot read"}},
	{"o.yaml",
	 "policy:\n  default: ask\n  rules:\n    - bogus: 1\n",
	 {"4: policy/rules/0/bogus: \"bogus\" is unknown", "4: policy/rules/0: has none of allow, deny and ask"}},
	{"a.json", "{\n  // no\n  \"mcpServers\": {}\n}\n", {"2: comments are not JSON"}},
	{"b.json",
	 "{\"mcpServers\": {\n \"a\": {\"command\": \"x\",}\n}}",
	 {"2: a key in double quotes should stand here, not }; is there a comma too many"}},
	{"c.json", "{\"a\": 1,\n\"a\": 2}", {"2: a stands here twice (first in line 1)", "1: hawser: unknown key a"}},
	{"d.json", "{\"x\": \"\\ud800\"}", {"1: bad escape"}},
	{"e.json", "{\"x\": \"a\nb\"}", {"1: text without its closing quote"}},
	{"f.json", "{\"x\":\n\n [1, 2", {"3: the file ends where"}},
	{"g.json", "{} {}", {"1: the end of the file should stand here"}},
	{"h.json", "{\"x\": True}", {"1: True is no JSON value"}},
	{"i.json", "{\"x\": \"\\u0000\"}", {"1: bad escape"}},
	{"j.json",
	 "{\"mcpServers\": {\"\": {\"command\": \"x\"}, \"b\": {\"command\": \"\"}}}",
	 {"1: mcpServers: a name has 1 to 64 bytes", "1: server b.command: must not be empty"}},
};

/* Every expected fault is told with its line, and no other. */
static void test_broken_files(void **state)
{
	write_file("sub.yaml", "mcpServers: {}\n");
	for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
		_cleanup_error_ struct error err = ERROR_INIT;
		struct config *c = NULL;
		size_t faults = 0, lines = 1;

		write_file(broken[i].name, broken[i].text);
		if (load(broken[i].name, &c, &err) >= 0)
			fail_msg("%s was taken", broken[i].name);
		assert_null(c);
		for (; faults < ARRAY_SIZE(broken[i].faults) && broken[i].faults[faults]; faults++) {
			_cleanup_free_ char *want = NULL;

			assert_true(asprintf(&want, "%s/%s:%s", dir, broken[i].name, broken[i].faults[faults]) > 0);
			if (!strstr(err.msg, want))
				fail_msg("%s: no \"%s\" in\n%s", broken[i].name, want, err.msg);
		}
		for (const char *p = err.msg; (p = strchr(p, '\n')); p++)
			lines++;
		if (lines != faults)
			fail_msg("%s: %zu faults, not %zu:\n%s", broken[i].name, lines, faults, err.msg);
	}
}

static void test_both_formats_read_the_same(void **state)
{
	static const char yaml[] =
		"mcpServers:\n  my-fs:\n    command: npx\n    args: [-y, server, 8080]\n"
		"    env: {A: no, B: 1.10, C: \"x \\U0001F600\"}\nlimits: {run_ms: 5s, memory: 64MiB}\n";
	static const char json[] = "{\"mcpServers\":{\"my-fs\":{\"command\":\"npx\",\"args\":[\"-y\",\"server\",8080],"
				   "\"env\":{\"A\":\"no\",\"B\":1.10,\"C\":\"x \\ud83d\\ude00\"}}},"
				   "\"limits\":{\"run_ms\":5000,\"memory\":67108864}}";

	for (int i = 0; i < 2; i++) {
		struct config *c = load_good(i ? "same.json" : "same.yaml", i ? json : yaml);

		assert_int_equal(c->server_count, 1);
		assert_string_equal(c->servers[0].name, "my-fs");
		assert_string_equal(c->servers[0].id, "my_fs");
		assert_string_equal(c->servers[0].args.items[2], "8080");
		assert_string_equal(c->servers[0].env[0].value, "no");
		assert_string_equal(c->servers[0].env[1].value, "1.10");
		assert_string_equal(c->servers[0].env[2].value, "x \xf0\x9f\x98\x80");
		assert_int_equal(c->limits.run_ms, 5000);
		assert_int_equal(c->limits.memory, 67108864);
		assert_int_equal(c->limits.pool, 2);
		assert_true(c->servers[0].trusted);
		assert_string_equal(c->providers[0].name, "process");
		config_free(c);
	}
}

static bool noted(const struct config *c, const char *part)
{
	for (size_t i = 0; i < c->notes.count; i++)
		if (strstr(c->notes.items[i], part))
			return true;
	return false;
}

static const struct config_server *find(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->server_count; i++)
		if (strcmp(c->servers[i].name, name) == 0)
			return &c->servers[i];
	return NULL;
}

static void test_identifiers(void **state)
{
	struct config *c =
		load_good("ids.yaml", "mcpServers:\n  a-b: {command: x}\n  a.b: {command: x}\n  JSON: {command: x}\n"
				      "  2x: {command: x}\n  print: {command: x}\n  \"f\xc3\xbc\": {command: x}\n"
				      "  class: {command: x}\n");

	assert_string_equal(find(c, "a-b")->id, "a_b");
	assert_string_equal(find(c, "a.b")->id, "a_b_2");
	assert_true(noted(c, "ids.yaml:3: server a.b is a_b_2 in code"));
	assert_string_equal(find(c, "JSON")->id, "JSON_");
	assert_string_equal(find(c, "2x")->id, "_2x");
	assert_string_equal(find(c, "print")->id, "print_");
	assert_string_equal(find(c, "f\xc3\xbc")->id, "f_");
	assert_string_equal(find(c, "class")->id, "class_");
	assert_true(config_name_is_taken("__tool_namespaces"));
	assert_true(config_name_is_taken("zip"));
	assert_true(config_name_is_taken("AbortController"));
	assert_false(config_name_is_taken("github"));
	config_free(c);
}

static void test_urls_and_foreign_keys_are_notes(void **state)
{
	struct config *c =
		load_good("urls.yaml", "mcpServers:\n  web: {type: http, url: 'https://x'}\n  sse: {url: 'https://x'}\n"
				       "  fs: {type: stdio, command: x, alwaysAllow: [a], description: d}\n");

	assert_int_equal(c->server_count, 1);
	assert_true(noted(c, "urls.yaml:2: server web: servers behind a URL are not in this version"));
	assert_true(noted(c, "urls.yaml:3: server sse"));
	assert_true(noted(c, "urls.yaml:4: server fs: alwaysAllow is ignored"));
	config_free(c);
}

static void test_include(void **state)
{
	struct config *c;

	write_file("one.json", "{\"mcpServers\":{\"a\":{\"command\":\"one\"},\"b\":{\"command\":\"one\"},"
			       "\"bad\":{\"comand\":\"x\"}},\"otherProgramsKey\":1}");
	write_file("two.json", "{\"mcpServers\":{\"b\":{\"command\":\"two\"},\"c\":{\"command\":\"two\"}}}");
	c = load_good("main.yaml", "mcpServers: {c: {command: main}}\ninclude: [one.json, two.json]\n");
	assert_string_equal(find(c, "a")->command, "one");
	assert_string_equal(find(c, "b")->command, "two");
	assert_string_equal(find(c, "c")->command, "main");
	assert_null(find(c, "bad"));
	assert_true(noted(c, "one.json:1: server bad"));
	assert_true(noted(c, "one.json:1: server b is not used: "));
	assert_true(noted(c, "two.json:1: server c is not used: "));
	assert_int_equal(c->files.count, 3);
	assert_false(config_is_stale(c));
	write_file("two.json", "{}");
	assert_true(config_is_stale(c));
	config_free(c);
}

static void test_search(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_free_ char *folder = NULL;
	struct config *c = NULL;

	assert_true(asprintf(&folder, "%s/hawser", dir) > 0);
	assert_int_equal(config_load(&(const struct config_from){.config_home = dir}, &c, &err), 0);
	assert_null(c->path);
	assert_string_equal(c->providers[0].name, "process");
	assert_int_equal(c->limits.runs, 16);
	assert_false(config_is_stale(c));
	assert_int_equal(mkdir(folder, 0700), 0);
	write_file("hawser/hawser.json", "{}");
	assert_true(config_is_stale(c));
	config_free(c);
	assert_int_equal(config_load(&(const struct config_from){.config_home = dir}, &c, &err), 0);
	assert_non_null(strstr(c->path, "hawser.json"));
	config_free(c);
	write_file("hawser/hawser.yaml", "");
	assert_int_equal(config_load(&(const struct config_from){.config_home = dir}, &c, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "keep one of the two"));
}

static const char *lookup(void *user, const char *name)
{
	static const char *const values[][2] = {{"TOKEN", "s3cret-value"}, {"HOME", "/home/u"}, {"EMPTY", ""}};

	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		if (strcmp(name, values[i][0]) == 0)
			return values[i][1];
	return strcmp(name, "WHO") == 0 ? user : NULL;
}

static void test_resolve(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct config_resolved one, two, three;
	char who[] = "one", other[] = "two";
	struct config *c =
		load_good("vars.yaml", "mcpServers:\n  a:\n    command: ~/bin/${WHO}\n    args: ['${HOME}/x', "
				       "'${NO:-d}${EMPTY:-e}', '$HOME']\n"
				       "    env: {T: 'Bearer ${env:TOKEN}', API_KEY: literal-key}\n    cwd: sub\n"
				       "  b: {command: x, env: {Q: '${UNSET}'}}\n");

	assert_int_equal(config_resolve_server(c, find(c, "a"), "/w", lookup, who, &one, &err), 0);
	assert_string_equal(one.command, "/home/u/bin/one");
	assert_string_equal(one.args[0], "/home/u/x");
	assert_string_equal(one.args[1], "de");
	assert_string_equal(one.args[2], "$HOME");
	assert_null(one.args[3]);
	assert_string_equal(one.env[0], "T=Bearer s3cret-value");
	assert_string_equal(one.cwd, "/w/sub");
	assert_int_equal(one.secret_names.count, 3); /* WHO, TOKEN and the literal key; HOME is none */
	assert_string_equal(one.secret_values.items[1], "s3cret-value");
	assert_string_equal(one.secret_values.items[2], "literal-key");
	assert_int_equal(config_resolve_server(c, find(c, "a"), "/w", lookup, who, &two, &err), 0);
	assert_string_equal(one.key, two.key);
	config_resolved_done(&two);
	assert_int_equal(config_resolve_server(c, find(c, "a"), "/w", lookup, other, &three, &err), 0);
	assert_string_not_equal(one.key, three.key);
	config_resolved_done(&three);
	config_resolved_done(&one);
	assert_int_equal(config_resolve_server(c, find(c, "b"), "/w", lookup, who, &one, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "vars.yaml:7: server b: ${UNSET} is not set; set it"));
	assert_int_equal(c->variables.count, 6);
	config_free(c);
}

static void test_show(void **state)
{
	_cleanup_buf_ struct buf out = BUF_INIT(1 << 20);
	struct config *c =
		load_good("show.yaml", "mcpServers:\n  a: {command: x, env: {MY_TOKEN: hunter2hunter2, B: '${B}'}}\n"
				       "limits:\n  pool: 0\n");
	_cleanup_free_ char *text = NULL;

	assert_int_equal(config_show(c, &out), 0);
	text = buf_steal(&out, NULL);
	assert_null(strstr(text, "hunter2"));
	assert_non_null(strstr(text, "\"${B}\""));
	assert_non_null(strstr(text, "show.yaml:4"));
	assert_non_null(strstr(text, "\"preset\""));
	config_free(c);
}

static int set_up(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/hawser-config-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return system(command); // NOLINT(cert-env33-c): a name of our own
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_broken_files), cmocka_unit_test(test_both_formats_read_the_same),
		cmocka_unit_test(test_identifiers),  cmocka_unit_test(test_urls_and_foreign_keys_are_notes),
		cmocka_unit_test(test_include),      cmocka_unit_test(test_search),
		cmocka_unit_test(test_resolve),      cmocka_unit_test(test_show),
	};

	return cmocka_run_group_tests_name("config", tests, set_up, tear_down);
}
