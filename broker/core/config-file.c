/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of the main file that are Hawser's own: providers, isolation, policy, limits; paths are config-paths.c's. */
#include "broker/core/config-decode.h"
#include "broker/host/host.h"
#include "policy/policy.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

struct file_read {
	const struct config_node *servers, *include, *policy, *limits, *providers, *isolation, *durability, *runtimes,
		*environments;
};

#define AT(member) .kind = JSON_KIND_RAW, .offset = offsetof(struct file_read, member)
static const struct json_field file_table[] = {
	{.name = "mcpServers", AT(servers), .alias = "servers", .text = "MCP servers, as other clients write them."},
	{.name = "include",
	 AT(include),
	 .text = "Files whose mcpServers are read too; or clients by name, and project."},
	{.name = "policy",
	 AT(policy),
	 .text = "Who may call what: default: allow, deny or ask, and rules, a list of deny, ask or allow: SERVER.TOOL "
		 "(* is any), with from: FILE for servers of a project's file."},
	{.name = "limits", AT(limits), .text = "Limits and defaults."},
	{.name = "providers", AT(providers), .text = "Where sandboxes come from, in order: [process]."},
	{.name = "isolation",
	 AT(isolation),
	 .text = "The weakest wall that is good enough: process, container, gvisor or vm."},
	{.name = "durability", AT(durability), .text = "What the list of runs survives: process or power."},
	{.name = "runtimes", AT(runtimes), .text = "Interpreters: javascript, python, bash; absolute paths."},
	{.name = "environments", AT(environments), .text = "Prefixes with packages that a run may ask for by name."},
};
#undef AT

const struct json_keys *config_keys(void)
{
	static struct json_keys keys[] = {
		{"Keys of hawser.yaml", file_table, ARRAY_SIZE(file_table)},
		{"Keys of a server, below mcpServers.NAME", config_server_table, 0},
		{"Keys of limits", config_limits_table, 0},
		{NULL, NULL, 0},
	};

	keys[1].count = config_server_count;
	keys[2].count = config_limits_count;
	return keys;
}

struct enum_read {
	int value;
};
#define WORD(word, words, sentence)                                                                                    \
	{                                                                                                              \
		.name = (word), .kind = JSON_KIND_ENUM, .offset = offsetof(struct enum_read, value), .names = (words), \
		.preset = -1, .text = (sentence)                                                                       \
	}
static const char *const isolation_names[] = {"process", "container", "gvisor", "vm", NULL};
static const struct json_field isolation_table[] = {
	WORD("isolation", isolation_names, "The weakest wall that is good enough."),
};
const char *const config_durability_names[] = {"process", "power", NULL};
static const struct json_field durability_table[] = {
	WORD("durability", config_durability_names, "What the list of runs survives: the broker's end, or power's."),
};
#undef WORD

static bool provider_name_ok(const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < n; i++)
		if (!isascii((unsigned char)name[i]) ||
		    (!isalnum((unsigned char)name[i]) && name[i] != '_' && name[i] != '-'))
			return false;
	return n > 0 && n <= 32;
}

static bool provider_exists(const char *name)
{
	static const char *const names[] = {HOST_PROVIDER_NAMES};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static void complain_of_provider(struct config_reader *reader, int line, const char *name)
{
	static const char *const offered[] = {"process", NULL};
	const char *near = json_nearest(name, offered);

	if (near)
		config_complain(reader, line, "providers: there is no provider %s; did you mean %s?", name, near);
	else
		config_complain(reader, line, "providers: there is no provider %s; write providers: [process]", name);
}

static void add_provider(struct config_reader *reader, const struct config_node *n, const char *name,
			 const struct config_node *settings)
{
	struct config *c = &reader->whole->c;
	struct config_provider *all;
	int line = n ? n->line : 0; /* the preset stands nowhere */

	if (!provider_name_ok(name))
		return config_complain(reader, line, "providers: %.40s is no name of a provider", name);
	if (settings && settings->kind != CONFIG_OBJECT && settings->kind != CONFIG_NULL)
		return config_complain(reader, settings->line, "providers: the settings of %s are an object, not %s",
				       name, config_kind_name(settings->kind));
	if (!provider_exists(name))
		return complain_of_provider(reader, line, name);
	for (size_t i = 0; i < c->provider_count; i++)
		if (strcmp(c->providers[i].name, name) == 0)
			return config_complain(reader, line, "providers: %s stands here twice; keep one", name);
	all = realloc(c->providers, (c->provider_count + 1) * sizeof(*all));
	if (!all)
		return config_complain(reader, line, "no memory");
	c->providers = all;
	all[c->provider_count] = (struct config_provider){
		.name = strdup(name),
		.settings = settings && settings->kind == CONFIG_OBJECT ? config_node_json(settings) : NULL,
	};
	if (all[c->provider_count].name)
		c->provider_count++;
}

static void decode_providers(struct config_reader *reader, const struct config_node *n)
{
	const struct config_node *item;

	if (n && n->kind != CONFIG_NULL && (n->kind != CONFIG_ARRAY || n->count > 16))
		config_complain(reader, n->line,
				"providers: a list of at most 16 is wanted here, like [process] or [{process: {}}]");
	else
		for (item = n ? n->first : NULL; item; item = item->next) {
			if (item->kind == CONFIG_STRING)
				add_provider(reader, item, item->text, NULL);
			else if (item->kind == CONFIG_OBJECT && item->count == 1)
				add_provider(reader, item, item->first->key, item->first);
			else
				config_complain(reader, item->line,
						"providers: a name or {NAME: {...}} is wanted here, not %s",
						config_kind_name(item->kind));
		}
	if (reader->whole->c.provider_count == 0)
		add_provider(reader, n, "process", NULL);
}

/* One of a few words; -1: it is not there, or wrong. */
static int decode_word(struct config_reader *reader, const struct config_node *n, const struct json_field *table)
{
	struct config_node parent = {.kind = CONFIG_OBJECT, .count = 1};
	struct enum_read r = {-1};
	struct config_node copy;

	if (!n || n->kind == CONFIG_NULL)
		return -1;
	copy = *n;
	copy.next = NULL;
	parent.first = parent.last = &copy;
	config_decode_object(reader, &parent, "hawser", table, 1, &r, NULL);
	return r.value;
}

static void decode_words(struct config_reader *reader, const struct file_read *r)
{
	int isolation = decode_word(reader, r->isolation, isolation_table);
	struct config *c = &reader->whole->c;

	if (isolation >= 0 && !(c->isolation = strdup(isolation_names[isolation])))
		config_complain(reader, r->isolation->line, "no memory");
	c->durability =
		decode_word(reader, r->durability, durability_table) == CONFIG_POWER ? CONFIG_POWER : CONFIG_PROCESS;
}

struct policy_faults {
	struct config_reader *reader;
	const struct config_node *root;
};

static void tell_policy_fault(void *user, const char *pointer, const char *message)
{
	struct policy_faults *f = user;

	config_complain(f->reader, config_node_pointer(f->root, pointer)->line, "policy%s: %s", pointer, message);
}

static void decode_policy(struct config_reader *reader, const struct config_node *n)
{
	struct policy_faults faults = {reader, n};
	struct config *c = &reader->whole->c;
	size_t before = reader->faults->count;
	struct policy *policy = NULL;

	if (!n || n->kind == CONFIG_NULL)
		return;
	if (n->kind != CONFIG_OBJECT)
		return config_complain(reader, n->line,
				       "policy: an object with default and rules is wanted here, not %s",
				       config_kind_name(n->kind));
	c->policy = config_node_json(n);
	if (policy_new(c->policy, tell_policy_fault, &faults, &policy) < 0 && reader->faults->count == before)
		config_complain(reader, n->line, "policy: cannot be read");
	policy_free(policy);
}

/* ---- the file ---- */

void config_decode_file(struct config_reader *reader, const struct config_node *root)
{
	struct config *c = &reader->whole->c;
	struct file_read r = {0};

	config_decode_object(reader, root, "hawser", file_table, ARRAY_SIZE(file_table), &r, NULL);
	config_decode_servers(reader, r.servers);
	config_decode_object(reader, r.limits, "limits", config_limits_table, config_limits_count, &c->limits,
			     reader->whole->limit_lines);
	if (c->limits.run_ms > c->limits.run_most_ms)
		config_complain(reader, r.limits ? r.limits->line : 1,
				"limits: run_ms is over run_most_ms; lower it, or raise that");
	decode_providers(reader, r.providers);
	decode_words(reader, &r);
	config_decode_runtimes(reader, r.runtimes);
	config_decode_environments(reader, r.environments);
	decode_policy(reader, r.policy);
}
