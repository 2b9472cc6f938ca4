/* SPDX-License-Identifier: Apache-2.0 */
/* What each client writes, and the entry that it becomes. */
#include "tests/unit/unit.h"

#include "broker/clientfiles/clientfiles.h"
#include "broker/clientfiles/inputs.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static char dir[64];

static void write_file(const char *name, const char *text)
{
	_cleanup_free_ char *path = NULL;
	FILE *f;

	assert_true(asprintf(&path, "%s/%s", dir, name) > 0);
	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		(void)mkdir(path, 0700);
		*slash = '/';
	}
	f = fopen(path, "we");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
	assert_int_equal(fclose(f), 0);
}

static void read_all(const char *client, struct clientfiles *ret)
{
	_cleanup_free_ char *config = NULL, *cwd = NULL;
	_cleanup_error_ struct error err = ERROR_INIT;
	struct clientfile_where where = {.home = dir};

	assert_true(asprintf(&config, "%s/.config", dir) > 0 && asprintf(&cwd, "%s/w", dir) > 0);
	where.config_home = config;
	where.cwd = cwd;
	if (clientfiles_read(&where, client, true, true, ret, &err) < 0)
		fail_msg("%s", error_text(&err));
}

/* One file with one or two servers, and for the last of them: its server as JSON, its notes, why it stays. W is the
 * working folder. */
static const struct {
	const char *client, *file, *text, *name, *server, *note, *stays;
	bool disabled;
} rows[] = {
	{"claude-code", ".claude.json",
	 "{\"mcpServers\": {\"a\": {\"type\": \"stdio\", \"command\": \"c\", \"args\": [\"1\"]}}}", "a",
	 "{\"command\": \"c\", \"args\": [\"1\"]}", NULL, NULL, false},
	{"claude-code", ".claude.json",
	 "{\"projects\": {\"W\": {\"mcpServers\": {\"a\": {\"command\": \"c\"}}}, \"/other\": {\"mcpServers\": {\"b\": "
	 "{}}}}}",
	 "a", "{\"command\": \"c\", \"cwd\": \"W\"}", NULL, NULL, false},
	{"claude-code", "w/.mcp.json",
	 "{\"mcpServers\": {\"a\": {\"type\": \"http\", \"url\": \"https://x\", \"headers\": {\"A\": \"${T}\"}}}}", "a",
	 "{\"type\": \"http\", \"url\": \"https://x\", \"headers\": {\"A\": \"${T}\"}}", NULL, NULL, false},
	{"cursor", ".cursor/mcp.json",
	 "{\"mcpServers\": {\"a\": {\"command\": \"x\"},\n\"a\": {\"command\": \"y\", \"strange\": 1}}}", "a",
	 "{\"command\": \"y\"}", "line 1 and here", NULL, false},
	{"cursor", ".cursor/mcp.json", "{\"mcpServers\": {\"a\": {\"command\": \"x\", \"envFile\": \".env\"}}}", "a",
	 "{\"command\": \"x\"}", NULL, "envFile", false},
	{"cursor", "w/.cursor/mcp.json", "{\"mcpServers\": {\"a\": {\"command\": \"${workspaceFolder}/x\"}}}", "a",
	 "{\"command\": \"W/x\", \"cwd\": \"W\"}", NULL, NULL, false},
	{"vscode", ".config/Code/User/mcp.json",
	 "{// c\n\"servers\": {\"a\": {\"type\": \"stdio\", \"command\": \"x\", \"env\": {\"K\": \"${input:k}\"}, "
	 "\"dev\": {}},},}",
	 "a", "{\"command\": \"x\", \"env\": {\"K\": \"${input:k}\"}}", NULL, NULL, false},
	{"vscode", ".config/Code/User/mcp.json", "{\"servers\": {\"a\": 7}}", "a", NULL, NULL, "no object", false},
	{"claude-desktop", ".config/Claude/claude_desktop_config.json",
	 "{\"mcpServers\": {\"a\": {\"command\": \"x\", \"args\": [\"${HOME}\"]}}}", "a",
	 "{\"command\": \"x\", \"args\": [\"${HOME}\"]}", NULL, "as it is", false},
	{"claude-desktop", ".config/Claude/claude_desktop_config.json",
	 "{\"mcpServers\": {\"a\": {\"command\": \"x\", \"disabled\": true}}}", "a", "{\"command\": \"x\"}", NULL, NULL,
	 true},
	{"codex", ".codex/config.toml",
	 "model = 'm'\n[mcp_servers.a]\ncommand = \"x\\u0041\"\nargs = [\n 'a\\b', # c\n \"\"\"l\n2\"\"\",\n]\nenv = { "
	 "K = \"v\" }\n"
	 "startup_timeout_sec = 1.5\nenv_vars = ['T']\n[mcp_servers.a.env]\nL = 'w'\n[x]\nargs = 1\n",
	 "a",
	 "{\"command\": \"xA\", \"args\": [\"a\\\\b\", \"l\\n2\"], \"env\": {\"K\": \"v\", \"L\": \"w\", \"T\": "
	 "\"${T:-}\"}, "
	 "\"startTimeout\": 1500}",
	 NULL, NULL, false},
	{"codex", ".codex/config.toml", "mcp_servers.\"a b\" = { url = \"https://x\", bearer_token_env_var = \"T\" }\n",
	 "a b", "{\"url\": \"https://x\", \"headers\": {\"Authorization\": \"Bearer ${T}\"}}", NULL, NULL, false},
	{"codex", ".codex/config.toml", "[mcp_servers.a]\ncommand = 'x'\nenabled = false\nenabled_tools = ['t']\n", "a",
	 "{\"command\": \"x\"}", NULL, "enabled_tools", true},
};

/* Text with each W replaced by the working folder. */
static char *with_folder(const char *text)
{
	size_t size = strlen(text) * 32 + 1, n = 0;
	char *out = calloc(1, size);

	for (; *text; text++) {
		if (*text == 'W')
			n += (size_t)snprintf(out + n, size - n, "%s/w", dir);
		else
			out[n++] = *text;
	}
	return out;
}

static void test_entries(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *text = with_folder(rows[i].text);
		_cleanup_free_ char *wanted = rows[i].server ? with_folder(rows[i].server) : NULL;
		json_auto_t *server = wanted ? json_loads(wanted, 0, NULL) : NULL;
		struct clientfiles all;
		const struct clientfile_entry *e = NULL;
		char path[128];

		write_file(rows[i].file, text);
		read_all(rows[i].client, &all);
		for (size_t k = 0; k < all.section_count; k++) {
			if (all.sections[k].file->fault)
				fail_msg("%zu: %s", i, all.sections[k].file->fault);
			for (size_t n = 0; n < all.sections[k].count; n++) {
				assert_null(e);
				e = &all.sections[k].entries[n];
			}
		}
		if (!e) {
			fail_msg("%zu: no entry", i);
			continue;
		}
		assert_string_equal(e->name, rows[i].name);
		if (server ? !json_equal(server, e->server) : !!e->server)
			fail_msg("%zu: %s", i, json_dumps(e->server, 0));
		assert_int_equal(e->disabled, rows[i].disabled);
		assert_int_equal(!e->stays, !rows[i].stays);
		if (rows[i].stays)
			assert_true(e->stays && strstr(e->stays, rows[i].stays));
		if (rows[i].note)
			assert_true(e->notes && strstr(e->notes, rows[i].note));
		clientfiles_done(&all);
		snprintf(path, sizeof(path), "%s/%s", dir, rows[i].file);
		assert_int_equal(unlink(path), 0);
	}
}

static void test_broken(void **state)
{
	struct clientfiles all;

	write_file(".cursor/mcp.json", "{\n\"mcpServers\": {\n\"a\": }");
	write_file(".codex/config.toml", "[a]\nb = \"no end\n");
	write_file(".config/Code/User/mcp.json", "");
	read_all(NULL, &all);
	assert_int_equal(all.file_count, 3);
	for (size_t i = 0; i < all.file_count; i++)
		assert_non_null(all.files[i]->fault);
	assert_non_null(strstr(all.files[0]->fault, "line 3"));
	assert_non_null(strstr(all.files[2]->fault, "line 2"));
	clientfiles_done(&all);
}

static void test_inputs(void **state)
{
	json_auto_t *env = json_object();
	char name[32];

	assert_int_equal(inputs_variable("a-b.c", 5, name, sizeof(name)), 0);
	assert_string_equal(name, "HAWSER_INPUT_A_B_C");
	assert_true(inputs_variable("", 0, name, sizeof(name)) < 0);
	assert_true(inputs_variable("aaaaaaaaaaaaaaaaaaaaaaaa", 24, name, sizeof(name)) < 0);
	assert_int_equal(inputs_collect("x ${input:a} ${input:b", env), 0);
	assert_string_equal(json_string_value(json_object_get(env, "HAWSER_INPUT_A")), "${input:a}");
	assert_int_equal(json_object_size(env), 1);
}

static void test_self(void **state)
{
	_cleanup_free_ char *self = realpath("/proc/self/exe", NULL), *folder = strdup(self);
	char link[96];

	*strrchr(folder, '/') = '\0';
	snprintf(link, sizeof(link), "%s/other-name", dir);
	assert_int_equal(symlink(self, link), 0);
	assert_true(clientfile_is_self(self, NULL));
	assert_true(clientfile_is_self(link, NULL));
	assert_true(clientfile_is_self("other-name", dir));
	assert_true(clientfile_is_self(strrchr(self, '/') + 1, folder));
	assert_false(clientfile_is_self("sh", "/bin:/usr/bin"));
	assert_int_equal(unlink(link), 0);
}

static int set_up(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/hawser-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
	_cleanup_free_ char *command = NULL;

	return asprintf(&command, "rm -r '%s'", dir) < 0 ? -1 : system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_entries),
		cmocka_unit_test(test_broken),
		cmocka_unit_test(test_inputs),
		cmocka_unit_test(test_self),
	};

	return cmocka_run_group_tests_name("broker/clientfiles/entries", tests, set_up, tear_down);
}
