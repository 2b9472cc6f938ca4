/* SPDX-License-Identifier: Apache-2.0 */
/* mcpServers: what other clients write is read as they mean it; what this version cannot do is noted, server by server.
 */
#include "broker/core/config-decode.h"
#include "broker/core/config-names.h"
#include "broker/core/config-url.h"
#include "broker/core/config-vars.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
	SERVER_NAME_MAX = 64,
	ENV_MAX = 256,
};

/* A server while it is read: the nodes are borrowed from the tree. */
struct server_read {
	struct config_server s;
	const struct config_node *env, *type, *headers, *roots;
};

#define AT(member) .offset = offsetof(struct server_read, member)

const struct json_field config_server_table[] = {
	{.name = "command", .kind = JSON_KIND_STRING, AT(s.command), .least = 1, .text = "Program to start."},
	{.name = "args", .kind = JSON_KIND_STRINGS, AT(s.args), .most = 1024, .text = "Its arguments."},
	{.name = "env", .kind = JSON_KIND_RAW, AT(env), .text = "Environment entries on top of the allow-list."},
	{.name = "cwd",
	 .kind = JSON_KIND_STRING,
	 AT(s.cwd),
	 .least = 1,
	 .text = "Working directory; absent: the client's."},
	{.name = "timeout",
	 .kind = JSON_KIND_INTEGER,
	 AT(s.timeout_ms),
	 .least = 100,
	 .most = 86400000,
	 .text = "Time of one call, in ms; absent: limits.call_ms."},
	{.name = "startTimeout",
	 .kind = JSON_KIND_INTEGER,
	 AT(s.start_timeout_ms),
	 .least = 100,
	 .most = 3600000,
	 .preset = 60000,
	 .alias = "startupTimeout",
	 .text = "Time for the handshake and the first list of tools, in ms."},
	{.name = "disabled", .kind = JSON_KIND_BOOLEAN, AT(s.disabled), .text = "Leave this server out."},
	{.name = "trusted",
	 .kind = JSON_KIND_BOOLEAN,
	 AT(s.trusted),
	 .preset = 1,
	 .text = "Do its annotations count in policy?"},
	{.name = "type", .kind = JSON_KIND_RAW, AT(type), .text = "stdio, http or sse; absent: by command or url."},
	{.name = "url",
	 .kind = JSON_KIND_STRING,
	 AT(s.url),
	 .least = 1,
	 .alias = "serverUrl",
	 .text = "Where the server is, instead of a command."},
	{.name = "headers", .kind = JSON_KIND_RAW, AT(headers), .text = "Headers that go with every request to url."},
	{.name = "caFile",
	 .kind = JSON_KIND_STRING,
	 AT(s.ca_file),
	 .least = 1,
	 .text = "Certificates to trust for url instead of the system's (PEM)."},
	{.name = "roots",
	 .kind = JSON_KIND_RAW,
	 AT(roots),
	 .text = "Folders that it is told as MCP roots: client, or a list; absent: it is not told that it may ask."},
};

const size_t config_server_count = ARRAY_SIZE(config_server_table);

/* Keys that other clients write and that do no harm when they are left alone. */
static const struct {
	const char *key, *note;
} foreign[] = {
	{"alwaysAllow", "ignored; write policy rules instead"},
	{"autoApprove", "ignored; write policy rules instead"},
	{"description", NULL},
	{"headersHelper", "ignored; write headers, with a ${VARIABLE} in them"},
	{"oauth", "ignored; OAuth is not in this version: write headers: {Authorization: \"Bearer ${TOKEN}\"}"},
	{"gallery", NULL},
	{"icon", NULL},
	{"sandboxEnabled", "ignored"},
	{"tools", "ignored; write policy rules instead"},
	{"envFile", "not read in this version; name the variables in env as ${NAME}"},
	{"dev", NULL},
	{"version", NULL},
};

/* For config_decode_object(): true when an unknown key may stay. */
static bool see_foreign(struct config_reader *reader, const struct config_node *n, const char *where)
{
	for (size_t i = 0; i < ARRAY_SIZE(foreign); i++) {
		if (strcmp(foreign[i].key, n->key) != 0)
			continue;
		if (foreign[i].note)
			config_note(reader, n->key_line, "%s: %s is %s", where, n->key, foreign[i].note);
		return true;
	}
	return false;
}

static void pairs_done(struct config_pair *pairs, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(pairs[i].name);
		free(pairs[i].value);
	}
	free(pairs);
}

void config_server_done(struct config_server *s)
{
	free(s->name);
	free(s->id);
	free(s->command);
	config_strings_done(&s->args);
	pairs_done(s->env, s->env_count);
	free(s->cwd);
	free(s->url);
	pairs_done(s->headers, s->header_count);
	free(s->ca_file);
	config_strings_done(&s->root_folders);
	free(s->file);
	*s = (struct config_server){0};
}

static bool is_variable_name(const char *name)
{
	return *name && !strchr(name, '=');
}

/* key: "env" or "headers". good says whether a name may stand there. */
static void read_pairs(struct config_reader *reader, const char *where, const char *key,
		       const struct config_node *object, bool (*good)(const char *name), struct config_pair **ret,
		       size_t *ret_count)
{
	const struct config_node *n;

	if (!object || object->kind == CONFIG_NULL)
		return;
	if (object->kind != CONFIG_OBJECT || object->count > ENV_MAX) {
		config_complain(reader, object->line, "%s.%s: an object of at most %d NAME: value is wanted here",
				where, key, ENV_MAX);
		return;
	}
	*ret = calloc(object->count + 1, sizeof(**ret));
	if (!*ret)
		return config_complain(reader, object->line, "no memory");
	for (n = object->first; n; n = n->next) {
		struct config_pair *pair = &(*ret)[*ret_count];

		if (!n->text || n->kind == CONFIG_NULL) {
			config_complain(reader, n->line,
					"%s.%s.%.60s: text is wanted here; write \"\" for an empty value", where, key,
					n->key);
			continue;
		}
		if (!good(n->key)) {
			config_complain(reader, n->key_line, "%s.%s: %.60s is no name that may stand here", where, key,
					n->key);
			continue;
		}
		pair->name = strdup(n->key);
		pair->value = strdup(n->text); /* numbers, true and false as they are written */
		++*ret_count;
		if (!pair->name || !pair->value)
			config_complain(reader, n->line, "no memory");
	}
}

static int see_variable(void *user, const char *name, const char *preset)
{
	struct config_reader *reader = user;
	struct json_strings *list = &reader->whole->c.variables;

	if (config_strings_has(list, name))
		return 0;
	return list->count >= CONFIG_ENTRIES_MAX ? -E2BIG : config_strings_add(list, name);
}

static void scan_text(struct config_reader *reader, int line, const char *where, const char *text)
{
	_cleanup_error_ struct error err = ERROR_INIT;

	if (text && config_vars_scan(text, see_variable, reader, &err) < 0)
		config_complain(reader, line, "%s: %s", where, error_text(&err));
}

static void scan_server(struct config_reader *reader, const struct config_server *s, const char *where)
{
	scan_text(reader, s->line, where, s->command);
	scan_text(reader, s->line, where, s->cwd);
	for (size_t i = 0; i < s->args.count; i++)
		scan_text(reader, s->line, where, s->args.items[i]);
	for (size_t i = 0; i < s->env_count; i++)
		scan_text(reader, s->line, where, s->env[i].value);
	scan_text(reader, s->line, where, s->url);
	scan_text(reader, s->line, where, s->ca_file);
	for (size_t i = 0; i < s->header_count; i++)
		scan_text(reader, s->line, where, s->headers[i].value);
	for (size_t i = 0; i < s->root_folders.count; i++)
		scan_text(reader, s->line, where, s->root_folders.items[i]);
	for (size_t i = 0; s->url && config_proxy_names[i]; i++)
		(void)!see_variable(reader, config_proxy_names[i], NULL);
}

static const struct config_server *find_server(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->server_count; i++)
		if (strcmp(c->servers[i].name, name) == 0)
			return &c->servers[i];
	return NULL;
}

static char *unique_identifier(struct config_reader *reader, const struct config_server *s)
{
	const struct config *c = &reader->whole->c;
	_cleanup_free_ char *id = config_name_identifier(s->name);
	char *unique = NULL;

	for (int n = 1; id; n++) {
		const struct config_server *other = NULL;

		if (asprintf(&unique, n > 1 ? "%s_%d" : "%s", id, n) < 0)
			return NULL;
		for (size_t i = 0; i < c->server_count && !other; i++)
			if (strcmp(c->servers[i].id, unique) == 0)
				other = &c->servers[i];
		if (!other) {
			if (n > 1)
				config_note(reader, s->line, "server %s is %s in code: %s is taken by another server",
					    s->name, unique, id);
			return unique;
		}
		free(unique);
	}
	return NULL;
}

static void keep_server(struct config_reader *reader, struct config_server *s)
{
	struct config *c = &reader->whole->c;
	struct config_server *all;

	s->id = unique_identifier(reader, s);
	s->file = strdup(reader->file);
	s->of_project = reader->of_project;
	all = realloc(c->servers, (c->server_count + 1) * sizeof(*all));
	if (all)
		c->servers = all;
	if (!all || !s->id || !s->file) {
		config_server_done(s);
		config_fault(reader->faults, reader->file, 1, "no memory");
		return;
	}
	all[c->server_count++] = *s;
	*s = (struct config_server){0};
}

static bool name_ok(struct config_reader *reader, const struct config_node *n)
{
	const struct config_server *other = find_server(&reader->whole->c, n->key);

	if (other) { /* only in another file: keys are unique in one */
		config_note(reader, n->key_line, "server %s is not used: %s:%d has one of this name, which comes first",
			    n->key, other->file, other->line);
		return false;
	}
	for (const char *p = n->key; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f) {
			config_complain(reader, n->key_line, "mcpServers: a name with control characters; rename it");
			return false;
		}
	if (!*n->key || strlen(n->key) > SERVER_NAME_MAX)
		config_complain(reader, n->key_line, "mcpServers: a name has 1 to %d bytes; rename %.80s",
				SERVER_NAME_MAX, n->key);
	else if (strcmp(n->key, "hawser") == 0)
		config_complain(reader, n->key_line,
				"mcpServers: hawser is the broker's own name; rename it, or take it out if it is "
				"Hawser itself");
	else if (reader->whole->c.server_count >= CONFIG_SERVERS_MAX)
		config_complain(reader, n->key_line, "mcpServers: more than %d servers; take some out",
				CONFIG_SERVERS_MAX);
	else
		return true;
	return false;
}

static void read_server(struct config_reader *reader, const struct config_node *n)
{
	struct server_read r = {0};
	char where[SERVER_NAME_MAX + 16];

	reader->bad = false;
	if (!name_ok(reader, n))
		return;
	snprintf(where, sizeof(where), "server %s", n->key);
	if (n->kind != CONFIG_OBJECT)
		return config_complain(reader, n->line, "%s: an object with a command or url is wanted here, not %s",
				       where, config_kind_name(n->kind));
	reader->foreign = see_foreign;
	config_decode_object(reader, n, where, config_server_table, config_server_count, &r, NULL);
	reader->foreign = NULL;
	r.s.line = n->key_line;
	r.s.name = strdup(n->key);
	read_pairs(reader, where, "env", r.env, is_variable_name, &r.s.env, &r.s.env_count);
	read_pairs(reader, where, "headers", r.headers, config_url_header_name_good, &r.s.headers, &r.s.header_count);
	config_decode_roots(reader, r.roots, where, &r.s);
	if (config_url_read_transport(reader, n, r.type, where, &r.s)) {
		scan_server(reader, &r.s, where);
		if (!reader->bad && r.s.name)
			keep_server(reader, &r.s);
	}
	config_server_done(&r.s);
}

void config_decode_servers(struct config_reader *reader, const struct config_node *servers)
{
	if (!servers || servers->kind == CONFIG_NULL)
		return;
	if (servers->kind != CONFIG_OBJECT)
		return config_complain(reader, servers->line,
				       "mcpServers: an object NAME: {command: ...} is wanted here, not %s",
				       config_kind_name(servers->kind));
	for (const struct config_node *n = servers->first; n; n = n->next)
		read_server(reader, n);
	reader->bad = false;
}
