/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "broker/core/config-names.h"
#include "broker/core/config-tree.h"
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
	const char *faults[16];
} broken[] = {
	{"a.yaml",
	 "mcpServers:\n  a:\n    comand: x\n  b: 7\nlimit: {}\n",
	 {"5: hawser: unknown key limit; did you mean limits?",
	  "3: server a: unknown key comand; did you mean command?", "2: server a: has no command",
	  "4: server b: an object with a command or url is wanted here, not a whole number"}},
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
	{"p.yaml",
	 "mcpServers:\n  a: {type: http}\n  b: {type: stdio, url: 'https://x'}\n  c: {command: x, url: 'https://x'}\n"
	 "  d: {type: carrier-pigeon, url: 'https://x'}\n  e:\n    type: sse\n    url: ftp://x\n"
	 "  f: {url: 'https://me:secret@x/'}\n  g: {url: 'https://x', headers: {Accept: a, 'B C': d, E: null}}\n"
	 "  h: {url: 'https://${X'}\n  i: {url: 'https://x', headers: [a]}\n  j: {}\n",
	 {"2: server a: is of type http and has no url", "3: server b: is of type stdio and has a url",
	  "4: server c: has a command and a url", "5: server d.type: carrier-pigeon is not one of stdio, http, sse",
	  "8: server e.url: it does not begin with http:// or https://",
	  "9: server f.url: it has a name or password in it", "10: server g.headers: Accept is no name",
	  "10: server g.headers: B C is no name", "10: server g.headers.E: text is wanted",
	  "11: server h: ${X has no closing }", "12: server i.headers: an object",
	  "13: server j: has no command; write command: PROGRAM, or url"}},
	{"q.yaml",
	 "mcpServers:\n  a: {command: x, roots: clients}\n  b: {command: x, roots: 7}\n  c: {command: x, roots: []}\n"
	 "  d:\n    command: x\n    roots:\n      - /ok\n      - work\n      - file:///x\n      - 7\n"
	 "  e: {url: 'https://x', roots: ['${A']}\n  f: {command: x, root: client}\n",
	 {"2: server a.roots: client, or a list of folders like [~/work], is wanted here, not clients",
	  "3: server b.roots: client, or a list of folders like [~/work], is wanted here, not a whole number",
	  "4: server c.roots: 1 to 64 folders are wanted here, not 0",
	  "9: server d.roots: work is not absolute; write /FOLDER, ~/FOLDER or ${VAR}",
	  "10: server d.roots: file:///x is not absolute", "11: server d.roots: a folder is wanted here, not a whole",
	  "12: server e: ${A has no closing }", "13: server f: unknown key root; did you mean roots?"}},
	{"r.yaml", "durability: often\n", {"1: hawser.durability: often is not one of process, power"}},
	{"k.yaml", "- a\n", {"1: the file holds a list"}},
	{"l.yaml", "a: 1\n---\nb: 1\n", {"2: a second document", "1: hawser: unknown key a"}},
	{"m.yaml", "mcpServers: !!map {}\nx: !secret y\n", {"2: tag !secret is not known here"}},
	{"o.yaml",
	 "include: [cursr, claudecode, ./cursr, nothing-like-it]\n",
	 {"1: include: there is no client cursr, and no file", "1: include: there is no client claudecode",
	  "1: cannot read", "1: cannot read"}},
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

static void test_foreign_keys_are_notes(void **state)
{
	struct config *c =
		load_good("foreign.yaml", "mcpServers:\n  ws: {type: ws, url: 'wss://x'}\n"
					  "  fs: {type: stdio, command: x, alwaysAllow: [a], description: d}\n"
					  "  web: {url: 'https://x', oauth: {clientId: a}, env: {A: b}}\n"
					  "  here: {command: x, headers: {A: b}}\n");

	assert_int_equal(c->server_count, 3);
	assert_true(noted(c, "foreign.yaml:2: server ws: servers behind a WebSocket are not in this version"));
	assert_true(noted(c, "foreign.yaml:3: server fs: alwaysAllow is ignored"));
	assert_true(noted(c, "foreign.yaml:4: server web: oauth is ignored; OAuth is not in this version"));
	assert_true(noted(c, "foreign.yaml:4: server web: env is ignored, as the server is behind a URL"));
	assert_true(noted(c, "foreign.yaml:5: server here: headers is ignored, as the server is a process"));
	config_free(c);
}

static void test_urls_as_people_write_them(void **state)
{
	static const struct {
		const char *entry;
		enum config_transport transport;
	} rows[] = {
		{"{url: 'https://x/mcp'}", CONFIG_HTTP},
		{"{serverUrl: 'https://x/mcp'}", CONFIG_HTTP},
		{"{type: http, url: 'http://localhost:3000'}", CONFIG_HTTP},
		{"{type: streamable-http, url: 'https://x'}", CONFIG_HTTP},
		{"{type: streamableHttp, url: 'https://x'}", CONFIG_HTTP},
		{"{type: sse, url: 'https://${HOST}/sse', headers: {A: '${B}'}}", CONFIG_SSE},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char text[256];
		struct config *c;

		snprintf(text, sizeof(text), "mcpServers:\n  web: %s\n", rows[i].entry);
		c = load_good("urls.yaml", text);
		assert_int_equal(c->server_count, 1);
		assert_int_equal(c->servers[0].transport, rows[i].transport);
		assert_false(c->servers[0].trusted);
		assert_true(config_strings_has(&c->variables, "https_proxy"));
		config_free(c);
	}
}

static void test_include(void **state)
{
	struct config *c;

	write_file("one.json", "{\"mcpServers\":{\"a\":{\"command\":\"one\"},\"b\":{\"command\":\"one\"},"
			       "\"bad\":{\"comand\":\"x\"}},\"otherProgramsKey\":1}");
	write_file("two.json", "{\"mcpServers\":{\"b\":{\"command\":\"two\"},\"c\":{\"command\":\"two\"}}}");
	c = load_good("main.yaml", "mcpServers: {c: {command: main}}\ninclude: [one.json, two.json]\n");
	assert_string_equal(find(c, "a")->command, "one");
	assert_string_equal(find(c, "b")->command, "one");
	assert_string_equal(find(c, "c")->command, "main");
	assert_null(find(c, "bad"));
	assert_true(noted(c, "one.json:1: server bad"));
	assert_true(noted(c, "two.json:1: server b is not used: "));
	assert_true(noted(c, "two.json:1: server c is not used: "));
	assert_int_equal(c->files.count, 3);
	assert_false(config_is_stale(c));
	write_file("two.json", "{}");
	assert_true(config_is_stale(c));
	config_free(c);
}

static void test_what_is_missing(void **state)
{
	static const char *const wanted[] = {
		"missing.yaml:1: runtimes.python: /nowhere/python3: No such file",
		"missing.yaml:4: environments.b.javascript: /etc/passwd/web: Not a directory"};
	struct config *c = load_good("missing.yaml", "runtimes: {bash: /bin/sh, python: /nowhere/python3}\n"
						     "environments:\n  a: {python: /usr}\n"
						     "  b: {javascript: /etc/passwd/web}\n");

	assert_int_equal(c->missing.count, ARRAY_SIZE(wanted));
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
		assert_non_null(strstr(c->missing.items[i], wanted[i]));
	assert_string_equal(c->runtimes[1], "/nowhere/python3"); /* runs in it say so, others do not mind */
	config_free(c);
}

static void test_rules_that_name_no_server(void **state)
{
	struct config *c =
		load_good("rules.yaml", "mcpServers:\n  files: {command: x}\n  my-fs: {command: x}\npolicy:\n  rules:\n"
					"  - allow: filez.*\n  - deny: [files.read, zzzzzz.x, hawser.budget, my_fs.*]\n"
					"  - ask: mcp__file__read\n  - allow: my_fs.*\n  - allow: '*.list'\n");

	assert_true(noted(c, "rules.yaml:6: policy: filez.* names no server that is configured; did you mean files?"));
	assert_true(noted(c, "rules.yaml:7: policy: zzzzzz.x names no server that is configured"));
	assert_true(noted(c, "rules.yaml:8: policy: mcp__file__read names no server that is configured; did you mean "
			     "files?"));
	assert_true(noted(c, "rules.yaml:9: policy: my_fs.* names no server that is configured; did you mean my-fs?"));
	assert_int_equal(c->notes.count, 4);
	config_free(c);
}

static void test_rules_that_give_nothing(void **state)
{
	struct config *c =
		load_good("nothing.yaml", "mcpServers:\n  a: {command: x}\n  a.b: {command: x}\npolicy:\n  rules:\n"
					  "  - allow: [a.x, mcp__a.b__c,\n      a.b.*]\n  - deny: a.b.*\n"
					  "  - {allow: a.b.c, from: /nowhere/.mcp.json}\n"
					  "  - {deny: \"*\", from: \"/nowhere/*\"}\n"
					  "  - {allow: a.b.c, from: /dev/null}\n");

	assert_true(noted(c, "nothing.yaml:7: policy: a.b.* allows nothing: it may mean tools of several servers"));
	assert_true(noted(c, "nothing.yaml:9: policy: a.b.c names no server of /nowhere/.mcp.json"));
	assert_int_equal(c->notes.count, 2); /* nothing is known of a file that is there, but not this folder's */
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

static int resolve(const struct config *c, const char *server, const char *roots, char *who,
		   struct config_resolved *ret, struct error *err)
{
	return config_resolve_server(find(c, server), &(const struct config_caller){"/w", roots, lookup, who}, ret,
				     err);
}

static void test_resolve_relative(void **state)
{
	static const char *const wanted[][2] = {
		{"a", "/w/${x}/srv.sh"}, {"b", "/project/bin/srv"}, {"c", "/w/${x}/sub/../srv"}, {"d", "srv"}};
	_cleanup_error_ struct error err = ERROR_INIT;
	struct config *c = load_good("relative.yaml",
				     "mcpServers:\n  a: {command: ./srv.sh}\n  b: {command: bin/srv, cwd: /project}\n"
				     "  c: {command: ../srv, cwd: ./sub}\n  d: {command: srv}\n");

	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		struct config_resolved r;

		assert_int_equal(config_resolve_server(find(c, wanted[i][0]),
						       &(const struct config_caller){"/w/${x}", NULL, lookup, NULL}, &r,
						       &err),
				 0);
		assert_string_equal(r.command, wanted[i][1]);
		config_resolved_done(&r);
	}
	config_free(c);
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

	assert_int_equal(resolve(c, "a", NULL, who, &one, &err), 0);
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
	assert_int_equal(resolve(c, "a", NULL, who, &two, &err), 0);
	assert_string_equal(one.key, two.key);
	config_resolved_done(&two);
	assert_int_equal(resolve(c, "a", NULL, other, &three, &err), 0);
	assert_string_not_equal(one.key, three.key);
	config_resolved_done(&three);
	config_resolved_done(&one);
	assert_int_equal(resolve(c, "b", NULL, who, &one, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "vars.yaml:7: server b: ${UNSET} is not set; set it"));
	assert_int_equal(c->variables.count, 6);
	config_free(c);
}

/* Text and key of a server's roots. */
static void assert_roots(const struct config *c, const char *server, const char *client_roots, const char *roots,
			 bool offers, char key[65])
{
	_cleanup_error_ struct error err = ERROR_INIT;
	char who[] = "/there";
	struct config_resolved r;

	if (resolve(c, server, client_roots, who, &r, &err) < 0)
		fail_msg("%s", error_text(&err));
	if (roots)
		assert_string_equal(r.roots, roots);
	else
		assert_null(r.roots);
	assert_int_equal(r.offers_roots, offers);
	snprintf(key, 65, "%s", r.key);
	config_resolved_done(&r);
}

static void test_roots(void **state)
{
	static const char own[] = "[{\"uri\":\"file:///mine\"}]", here[] = "[{\"uri\":\"file:///w\"}]";
	_cleanup_error_ struct error err = ERROR_INIT;
	struct config *c = load_good("roots.yaml", "mcpServers:\n  plain: {command: x}\n"
						   "  client: {command: x, roots: client}\n"
						   "  list: {command: x, roots: [/a, '~/b c', '${WHO}/d']}\n"
						   "  here: {command: x, roots: [/w]}\n"
						   "  nothing: {command: x, roots: null}\n"
						   "  url: {url: 'https://x'}\n"
						   "  web: {url: 'https://x', roots: client}\n"
						   "  off: {command: x, roots: ['${EMPTY:-d}']}\n");
	const struct config_caller desktop = {"/", NULL, lookup, NULL};
	char plain[65], plain_too[65], client[65], other[65], list[65], url[65], web[65];
	struct config_resolved r;

	assert_true(config_wants_roots(c));
	/* not set: no capability, and the client's roots make no server of their own */
	assert_roots(c, "plain", NULL, here, false, plain);
	assert_roots(c, "plain", own, here, false, plain_too);
	assert_string_equal(plain, plain_too);
	assert_roots(c, "nothing", NULL, here, false, plain_too);
	assert_string_not_equal(plain, plain_too); /* two entries are two processes, whatever they start */
	/* client: its own, else where it is */
	assert_roots(c, "client", NULL, here, true, client);
	assert_roots(c, "client", own, own, true, other);
	assert_string_not_equal(client, plain);
	assert_string_not_equal(client, other);
	assert_roots(c, "here", own, here, true, other);
	assert_roots(c, "client", "[]", "[]", true, other);
	assert_string_not_equal(client, other);
	/* a list counts whoever calls */
	assert_roots(c, "list", own,
		     "[{\"uri\":\"file:///a\"},{\"uri\":\"file:///home/u/b%20c\"},{\"uri\":\"file:///there/d\"}]", true,
		     list);
	/* behind a URL nobody's folder is told that nobody named */
	assert_roots(c, "url", own, NULL, false, url);
	assert_roots(c, "web", own, own, true, web);
	assert_string_not_equal(url, web);
	assert_int_equal(config_resolve_server(find(c, "client"), &desktop, &r, &err), 0);
	assert_string_equal(r.roots, "[]");
	config_resolved_done(&r);
	assert_int_equal(config_resolve_server(find(c, "off"), &desktop, &r, &err), -EINVAL);
	assert_non_null(
		strstr(err.msg, "roots.yaml:9: server off: roots: ${EMPTY:-d} is d here, which is not absolute"));
	config_free(c);
	c = load_good("no-roots.yaml", "mcpServers:\n  a: {command: x, roots: [/a]}\n"
				       "  b: {command: x, roots: client, disabled: true}\n");
	assert_false(config_wants_roots(c));
	config_free(c);
}

static void test_show(void **state)
{
	_cleanup_buf_ struct buf out = BUF_INIT(1 << 20);
	struct config *c =
		load_good("show.yaml", "mcpServers:\n  a: {command: x, env: {MY_TOKEN: hunter2hunter2, B: '${B}'}}\n"
				       "  r: {command: x, roots: client}\n  s: {command: x, roots: [~/a]}\n"
				       "limits:\n  pool: 0\n");
	_cleanup_free_ char *text = NULL;

	assert_int_equal(config_show(c, &out), 0);
	text = buf_steal(&out, NULL);
	assert_null(strstr(text, "hunter2"));
	assert_non_null(strstr(text, "\"${B}\""));
	assert_non_null(strstr(text, "show.yaml:6"));
	assert_non_null(strstr(text, "\"startTimeout\":60000")); /* as the file spells it */
	assert_non_null(strstr(text, "\"roots\":\"client\""));
	assert_non_null(strstr(text, "\"roots\":[\"~/a\"]"));
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

static const char *look_up(void *user, const char *name)
{
	const char *const(*pair)[2] = user;

	for (; (*pair)[0]; pair++)
		if (strcmp((*pair)[0], name) == 0)
			return (*pair)[1];
	return NULL;
}

static int resolve_with(const struct config *c, const char *server, const char *const (*pairs)[2],
			struct config_resolved *ret, struct error *err)
{
	const struct config_caller caller = {"/w", NULL, look_up, (void *)(uintptr_t)pairs};

	return config_resolve_server(find(c, server), &caller, ret, err);
}

static struct config_resolved resolve_url(const struct config *c, const char *server, const char *const (*pairs)[2])
{
	struct config_resolved r;
	struct error err = ERROR_INIT;

	if (resolve_with(c, server, pairs, &r, &err) < 0)
		fail_msg("%s", error_text(&err));
	return r;
}

static void test_resolving_a_url(void **state)
{
	static const char *const bare[][2] = {{"TOKEN", "s3cret-value"}, {"HOST", "api.test"}, {NULL, NULL}};
	static const char *const other[][2] = {{"TOKEN", "another-one"}, {"HOST", "api.test"}, {NULL, NULL}};
	static const char *const proxied[][2] = {
		{"TOKEN", "s3cret-value"},        {"HOST", "api.test"},  {"https_proxy", "http://me:pass@proxy:3128"},
		{"http_proxy", "http://plain:1"}, {"NO_PROXY", ".corp"}, {NULL, NULL}};
	static const char *const evil[][2] = {{"TOKEN", "a\r\nX-Other: b"}, {"HOST", "h@evil"}, {NULL, NULL}};
	struct config *c =
		load_good("web.yaml", "mcpServers:\n"
				      "  a: {url: 'https://${HOST}/mcp', caFile: ca.pem, headers: "
				      "{Authorization: 'Bearer ${TOKEN}', X-Key: literal-key}}\n"
				      "  old: {type: sse, url: 'https://${HOST}/mcp', caFile: ca.pem, headers: "
				      "{Authorization: 'Bearer ${TOKEN}', X-Key: literal-key}}\n"
				      "  here: {url: 'http://localhost:3000/mcp'}\n"
				      "  b: {url: 'https://x', headers: {A: '${TOKEN}'}}\n"
				      "  c: {url: 'https://${HOST}/'}\n");
	struct config_resolved one = resolve_url(c, "a", bare), two = resolve_url(c, "a", bare),
			       three = resolve_url(c, "a", other), four = resolve_url(c, "a", proxied),
			       five = resolve_url(c, "old", bare), six = resolve_url(c, "here", proxied);
	struct config_resolved none;
	struct error err = ERROR_INIT;

	assert_null(one.command);
	assert_string_equal(one.url, "https://api.test/mcp");
	assert_string_equal(one.headers[0], "Authorization: Bearer s3cret-value");
	assert_string_equal(one.headers[1], "X-Key: literal-key");
	assert_string_equal(one.ca_file, "/w/ca.pem");
	assert_null(one.proxy);
	assert_true(config_strings_has(&one.secret_values, "s3cret-value"));
	assert_true(config_strings_has(&one.secret_values, "Bearer s3cret-value"));
	assert_true(config_strings_has(&one.secret_values, "literal-key"));
	assert_string_equal(one.key, two.key);
	assert_string_not_equal(one.key, three.key);
	assert_string_not_equal(one.key, four.key);
	assert_string_not_equal(one.key, five.key);
	assert_string_equal(four.proxy, "http://me:pass@proxy:3128");
	assert_string_equal(four.no_proxy, ".corp");
	assert_true(config_strings_has(&four.secret_values, four.proxy));
	assert_null(six.proxy); /* this machine is never asked by way of another */
	assert_true(resolve_with(c, "b", evil, &none, &err) < 0);
	assert_non_null(strstr(err.msg, "web.yaml:5: server b: headers.A: its value is too long or has a line break"));
	assert_true(resolve_with(c, "c", evil, &none, &err) < 0);
	assert_non_null(strstr(err.msg, "server c: url: it has a name or password in it"));
	error_done(&err);
	config_resolved_done(&one);
	config_resolved_done(&two);
	config_resolved_done(&three);
	config_resolved_done(&four);
	config_resolved_done(&five);
	config_resolved_done(&six);
	config_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_broken_files),
		cmocka_unit_test(test_both_formats_read_the_same),
		cmocka_unit_test(test_identifiers),
		cmocka_unit_test(test_foreign_keys_are_notes),
		cmocka_unit_test(test_urls_as_people_write_them),
		cmocka_unit_test(test_resolving_a_url),
		cmocka_unit_test(test_include),
		cmocka_unit_test(test_what_is_missing),
		cmocka_unit_test(test_rules_that_name_no_server),
		cmocka_unit_test(test_rules_that_give_nothing),
		cmocka_unit_test(test_search),
		cmocka_unit_test(test_resolve),
		cmocka_unit_test(test_roots),
		cmocka_unit_test(test_resolve_relative),
		cmocka_unit_test(test_show),
	};

	return cmocka_run_group_tests_name("config", tests, set_up, tear_down);
}
