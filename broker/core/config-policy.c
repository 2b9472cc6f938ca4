/* SPDX-License-Identifier: Apache-2.0 */
/* The servers of a configuration as policy knows them, and notes about rules that have nothing to do with them. */
#include "broker/core/config-decode.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { RULE_TOLD_MAX = 8192 };

struct policy_server config_policy_server(const struct config_server *server)
{
	return (struct policy_server){
		.name = server->name, .id = server->id, .project = server->of_project ? server->file : NULL};
}

struct rule_check {
	struct config_reader *reader;
	struct policy_server *servers; /* hawser itself, then those that are configured */
	size_t count;
	enum policy_verdict verdict; /* of the rule */
	const char *from; /* of the rule, or NULL */
};

static bool concerns(const struct rule_check *check, const struct policy_server *server)
{
	return policy_rule_concerns(check->verdict, check->from, server->project);
}

/* The first server that the glob reaches, of those that the rule speaks of, or of the others. */
static const struct policy_server *find_reached(const struct rule_check *check, const char *glob, bool concerned)
{
	for (size_t i = 0; i < check->count; i++)
		if (policy_glob_reaches(glob, &check->servers[i], check->verdict) &&
		    concerns(check, &check->servers[i]) == concerned)
			return &check->servers[i];
	return NULL;
}

/* The server as a glob spells it, for the search of what was meant. */
static void spelled_server(const char *glob, char *name, size_t size)
{
	bool mcp = strncmp(glob, "mcp__", 5) == 0;
	const char *from = mcp ? glob + 5 : glob, *end = strstr(from, mcp ? "__" : ".");

	snprintf(name, size, "%.*s", end ? (int)(end - from) : (int)strlen(from), from);
}

/* Is the `from` about a project that is not this one? Its servers are not known here, so nothing is wrong with it. */
static bool is_elsewhere(const struct rule_check *check)
{
	for (size_t i = 0; check->from && i < check->count; i++)
		if (concerns(check, &check->servers[i]))
			return false;
	return check->from && (strpbrk(check->from, "*?") || access(check->from, F_OK) == 0);
}

static void note_nothing(const struct rule_check *check, const struct config_node *n)
{
	const char *names[CONFIG_SERVERS_MAX + 2] = {NULL}, *near;
	size_t count = 0;
	char name[128];

	for (size_t i = 0; i < check->count && count <= CONFIG_SERVERS_MAX; i++)
		if (concerns(check, &check->servers[i]))
			names[count++] = check->servers[i].name;
	spelled_server(n->text, name, sizeof(name));
	near = json_nearest(name, names);
	config_note(check->reader, n->line, "policy: %.200s names no server %s%.300s%s%s%s", n->text,
		    check->from ? "of " : "that is configured", check->from ? check->from : "",
		    near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

/* What allows gives nothing to servers that came with a folder, unless it says so. */
static void note_project(const struct rule_check *check, const struct config_node *n,
			 const struct policy_server *server)
{
	_cleanup_buf_ struct buf rule = BUF_INIT(RULE_TOLD_MAX);

	if (policy_put_rule(policy_verdict_name(check->verdict), n->text, server->project, &rule) == 0)
		config_note(check->reader, n->line,
			    "policy: %.200s allows nothing: these came with a project; add from: as in %.*s", n->text,
			    (int)rule.len, (const char *)buf_head(&rule));
}

static void check_glob(const struct rule_check *check, const struct config_node *n)
{
	const struct policy_server *other;

	if (check->reader->whole->c.notes.count >= CONFIG_NOTES_MAX || n->kind != CONFIG_STRING)
		return;
	if (find_reached(check, n->text, true)) {
		if (check->verdict == POLICY_ALLOW &&
		    policy_glob_is_unclear(n->text, check->from, check->servers + 1, check->count - 1))
			config_note(check->reader, n->line,
				    "policy: %.200s allows nothing: it may mean tools of several servers; write "
				    "mcp__SERVER__TOOL",
				    n->text);
		return;
	}
	other = check->from ? NULL : find_reached(check, n->text, false);
	if (other && other->project)
		note_project(check, n, other);
	else if (!is_elsewhere(check))
		note_nothing(check, n);
}

static void check_rule(struct rule_check *check, const struct config_node *rule)
{
	const struct config_node *from = config_node_member(rule, "from");

	check->from = from && from->kind == CONFIG_STRING ? from->text : NULL;
	for (int v = POLICY_ALLOW; v <= POLICY_ASK; v++) {
		const struct config_node *globs = config_node_member(rule, policy_verdict_name(v));

		check->verdict = v;
		if (globs)
			check_glob(check, globs);
		for (const struct config_node *item = globs ? globs->first : NULL; item; item = item->next)
			check_glob(check, item);
	}
}

void config_note_rules(struct config_reader *reader, const struct config_node *root)
{
	const struct config_node *policy = config_node_member(root, "policy"),
				 *rules = policy ? config_node_member(policy, "rules") : NULL;
	const struct config *c = &reader->whole->c;
	struct rule_check check = {.reader = reader, .count = c->server_count + 1};

	check.servers = calloc(check.count, sizeof(*check.servers));
	if (!check.servers)
		return;
	check.servers[0].name = "hawser";
	for (size_t i = 0; i < c->server_count; i++)
		check.servers[i + 1] = config_policy_server(&c->servers[i]);
	for (const struct config_node *rule = rules ? rules->first : NULL; rule; rule = rule->next)
		check_rule(&check, rule);
	free(check.servers);
}
