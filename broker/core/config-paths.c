/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of the main file that name places of this machine: runtimes (interpreters) and environments (their packages). */
#include "broker/core/config-decode.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_MAX_BYTES = 64 };

struct paths_read {
	char *path[3];
};
#define AT(i) .kind = JSON_KIND_STRING, .least = 1, .offset = offsetof(struct paths_read, path) + (i) * sizeof(char *)
static const struct json_field runtimes_table[] = {
	{.name = "javascript", AT(0), .alias = "node", .text = "Path of node."},
	{.name = "python", AT(1), .alias = "python3", .text = "Path of python3."},
	{.name = "bash", AT(2), .text = "Path of bash."},
};
static const struct json_field environment_table[] = {
	{.name = "javascript", AT(0), .alias = "node", .text = "A folder with node_modules in it."},
	{.name = "python", AT(1), .text = "A venv, uv or conda prefix."},
};
#undef AT

/* Paths of one object: "~/" becomes the home, they must be absolute then, and should be there. */
static void decode_paths(struct config_reader *reader, const struct config_node *n, const char *where,
			 const struct json_field *table, size_t count, struct paths_read *ret)
{
	int lines[ARRAY_SIZE(ret->path)] = {0};

	config_decode_object(reader, n, where, table, count, ret, lines);
	for (size_t i = 0; i < count; i++) {
		char *path = ret->path[i];

		if (path && strncmp(path, "~/", 2) == 0 && reader->home) {
			if (asprintf(&path, "%s%s", reader->home, path + 1) < 0)
				path = NULL;
			free(ret->path[i]);
			ret->path[i] = path;
		}
		if (path && path[0] != '/')
			config_complain(reader, lines[i], "%s.%s: %.100s is not absolute; write the whole path", where,
					table[i].name, path);
		else if (path && access(path, F_OK) < 0)
			config_tell_missing(reader, lines[i], "%s.%s: %s: %s; correct the path", where, table[i].name,
					    path, strerrordesc_np(errno));
	}
}

void config_decode_runtimes(struct config_reader *reader, const struct config_node *n)
{
	struct config *c = &reader->whole->c;
	struct paths_read r = {{NULL}};

	decode_paths(reader, n, "runtimes", runtimes_table, ARRAY_SIZE(runtimes_table), &r);
	memcpy(c->runtimes, r.path, sizeof(c->runtimes));
}

static bool name_ok(const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < n; i++)
		if (!isascii((unsigned char)name[i]) || (!isalnum((unsigned char)name[i]) && !strchr("_.-", name[i])))
			return false;
	return n > 0 && n <= NAME_MAX_BYTES;
}

static void decode_environment(struct config_reader *reader, const struct config_node *n)
{
	struct config *c = &reader->whole->c;
	struct config_environment *e = &c->environments[c->environment_count];
	struct paths_read r = {{NULL}};
	char where[NAME_MAX_BYTES + 16];

	if (!name_ok(n->key))
		return config_complain(reader, n->key_line,
				       "environments: %.40s is no name; letters, digits, _ . - are taken, at most %d",
				       n->key, NAME_MAX_BYTES);
	snprintf(where, sizeof(where), "environments.%s", n->key);
	decode_paths(reader, n, where, environment_table, ARRAY_SIZE(environment_table), &r);
	*e = (struct config_environment){.name = strdup(n->key), .javascript = r.path[0], .python = r.path[1]};
	c->environment_count++;
	if (!e->python && !e->javascript && n->kind == CONFIG_OBJECT)
		config_complain(reader, n->line, "%s: names nothing; write {python: /path/to/venv}, or javascript",
				where);
}

void config_decode_environments(struct config_reader *reader, const struct config_node *n)
{
	if (!n || n->kind == CONFIG_NULL)
		return;
	if (n->kind != CONFIG_OBJECT || n->count > CONFIG_ENVIRONMENTS_MAX)
		return config_complain(
			reader, n->line,
			"environments: an object of at most %d is wanted here, like {data: {python: ~/venv}}",
			CONFIG_ENVIRONMENTS_MAX);
	for (const struct config_node *item = n->first; item; item = item->next)
		decode_environment(reader, item);
}
