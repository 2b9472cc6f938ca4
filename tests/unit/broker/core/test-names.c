/* SPDX-License-Identifier: Apache-2.0 */
/* A rule that takes a tool away holds by every name that the catalogue takes for that tool. */
#include "tests/unit/unit.h"

#include "broker/core/internal.h"

#include <stdio.h>
#include <string.h>

static char server_names[][2][8] = {/* and how code calls them, as the configuration makes it */
				    {"my-fs", "my_fs"},   {"my.fs", "my_fs_2"}, {"s", "s"},
				    {"2nd", "_2nd"},      {"class", "class_"},  {"caf\xc3\xa9", "caf_"},
				    {"mcp__x", "mcp__x"}, {"a__b", "a__b"}};
static char long_name[200];
static const char *const tool_names[] = {"read", "a.b",         "admin/drop", "delete-file", "2fa",
					 "x y",  "caf\xc3\xa9", "a__b",       "mcp__read",   long_name};

struct rig {
	struct config_server configs[ARRAY_SIZE(server_names)];
	struct view_server servers[ARRAY_SIZE(server_names)];
	struct config config;
	struct view view;
	size_t resolved;
};

static void make(struct rig *rig)
{
	memset(rig, 0, sizeof(*rig));
	memset(long_name, 'l', sizeof(long_name) - 1);
	long_name[4] = '-';
	for (size_t i = 0; i < ARRAY_SIZE(server_names); i++) {
		rig->configs[i] = (struct config_server){.name = server_names[i][0], .id = server_names[i][1]};
		rig->servers[i].config = &rig->configs[i];
	}
	rig->config = (struct config){.servers = rig->configs, .server_count = ARRAY_SIZE(server_names)};
	rig->view = (struct view){.config = &rig->config, .servers = rig->servers};
}

static bool is_denied(const char *text, const struct config_server *server, const char *tool)
{
	json_t *rules = json_pack("{s:s, s:[{s:s}]}", "default", "allow", "rules", "deny", text);
	struct policy_call call = {.server = server->name, .server_id = server->id, .tool = tool};
	struct policy_decision d;
	struct policy *p = NULL;

	assert_int_equal(policy_new(rules, NULL, NULL, &p), 0);
	policy_decide(p, &call, &(struct policy_facts){0}, &d);
	policy_free(p);
	json_decref(rules);
	return d.verdict == POLICY_DENY;
}

/* The text is a call of a tool, if the catalogue says so: of whichever of the server it fits. */
static void check_tool(struct rig *rig, const char *text, const struct view_server *server, const char *spelling)
{
	for (size_t i = 0; i < ARRAY_SIZE(tool_names); i++) {
		if (!catalogue_is_spelled(tool_names[i], spelling))
			continue;
		rig->resolved++;
		if (!is_denied(text, server->config, tool_names[i]))
			fail_msg("deny %s does not hold for %s.%s", text, server->config->name, tool_names[i]);
	}
}

/* Every way to take it apart. */
static void check_text(struct rig *rig, const char *text)
{
	const char *hint = NULL, *rest;
	struct view_server *server = catalogue_split(&rig->view, text, &rest);
	char name[64];

	if (server)
		check_tool(rig, text, server, rest);
	for (const char *dot = strchr(text, '.'); dot; dot = strchr(dot + 1, '.')) {
		snprintf(name, sizeof(name), "%.*s", (int)(dot - text), text);
		server = catalogue_server(&rig->view, name, &hint);
		if (server)
			check_tool(rig, text, server, dot + 1);
	}
}

/* The text, and all that differ from it by other marks at one or two of its places. */
static void check_near(struct rig *rig, const char *text, size_t from, int changes)
{
	static const char marks[] = "_-./ ";
	char other[512];

	check_text(rig, text);
	if (changes == 0 || strlen(text) > 40)
		return;
	for (size_t i = from; text[i]; i++)
		for (const char *mark = marks; strchr(marks, text[i]) && *mark; mark++) {
			snprintf(other, sizeof(other), "%s", text);
			other[i] = *mark;
			if (*mark != text[i])
				check_near(rig, other, i + 1, changes - 1);
		}
}

static void test_every_name_can_be_denied(void **state)
{
	char identifier[CATALOGUE_IDENTIFIER_MAX], text[512];
	struct rig rig;

	make(&rig);
	for (size_t s = 0; s < 2 * ARRAY_SIZE(server_names); s++)
		for (size_t t = 0; t < 2 * ARRAY_SIZE(tool_names); t++)
			for (size_t f = 0; f < 2; f++) {
				const char *tool = tool_names[t / 2], *server = server_names[s / 2][s % 2];

				catalogue_identifier(tool, identifier, sizeof(identifier));
				if (f == 0)
					snprintf(text, sizeof(text), "%s.%s", server, t % 2 ? identifier : tool);
				else
					snprintf(text, sizeof(text), "mcp__%s__%s", server, t % 2 ? identifier : tool);
				check_near(&rig, text, 0, 2);
			}
	assert_true(rig.resolved > 4 * ARRAY_SIZE(server_names) * ARRAY_SIZE(tool_names) - 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_name_can_be_denied),
	};

	return cmocka_run_group_tests_name("names", tests, NULL, NULL);
}
