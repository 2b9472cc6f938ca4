/* SPDX-License-Identifier: Apache-2.0 */
/*
 * include: files by their paths and files of clients by their names, each read once. Whoever comes first keeps a name:
 * the main file has come already, then scope by scope (clientfiles.h), in each of them in the order of the list.
 */
#include "broker/core/config-decode.h"

#include <stdio.h>
#include <string.h>

enum { INCLUDES_MAX = 16, CLIENT_NAMES_MAX = 32 };

struct include {
	const struct config_node *item;
	bool is_client;
	struct clientfiles files; /* of a client */
};

/* "~/x" is the home folder's, "x" is relative to the file that includes. */
static char *include_path(const char *home, const char *file, const char *name)
{
	const char *slash = strrchr(file, '/');
	char *path = NULL;
	int r;

	if (name[0] == '/')
		return strdup(name);
	if (strncmp(name, "~/", 2) == 0 && home)
		r = asprintf(&path, "%s%s", home, name + 1);
	else
		r = asprintf(&path, "%.*s%s", slash ? (int)(slash + 1 - file) : 0, file, name);
	return r < 0 ? NULL : path;
}

/* The client whose name was meant by what names no file either; NULL: none is near. */
static const char *near_client(const char *name)
{
	const char *names[CLIENT_NAMES_MAX] = {"project"};
	size_t n = 1;

	for (const struct clientfile_place *p = clientfile_places; p->client && n + 1 < ARRAY_SIZE(names); p++)
		names[n++] = p->client;
	return json_nearest(name, names);
}

static bool is_mistyped(struct config_reader *reader, const struct config_node *item, const char *path)
{
	const char *near = strchr(item->text, '/') || access(path, F_OK) == 0 ? NULL : near_client(item->text);

	if (near)
		config_complain(reader, item->line,
				"include: there is no client %.60s, and no file %s; did you mean %s?", item->text, path,
				near);
	return near;
}

static void read_path(struct config_reader *main_reader, const struct config_node *item)
{
	struct config_reader reader = {.whole = main_reader->whole,
				       .faults = main_reader->faults,
				       .home = main_reader->home,
				       .included = true};
	_cleanup_(config_node_freep) struct config_node *root = NULL;
	const struct config_node *servers;
	_cleanup_free_ char *path = NULL;

	path = include_path(main_reader->home, main_reader->file, item->text);
	if (!path)
		return config_complain(main_reader, item->line, "no memory");
	if (config_strings_has(&main_reader->whole->c.files, path))
		return config_complain(main_reader, item->line, "include: %s is read already; take it out", path);
	if (is_mistyped(main_reader, item, path))
		return;
	root = config_read_file(main_reader, path, item->line);
	if (!root)
		return;
	reader.file = path;
	servers = config_node_member(root, "mcpServers");
	if (!servers)
		servers = config_node_member(root, "servers");
	if (!servers)
		config_note(&reader, root->line, "has no mcpServers; nothing is taken from it");
	config_decode_servers(&reader, servers);
}

static void read_scope(struct config_reader *reader, const struct config_from *from, const struct include *all,
		       size_t count, enum clientfile_scope scope)
{
	for (size_t i = 0; i < count; i++)
		if (all[i].is_client)
			config_take_client(reader, from, &all[i].files, scope);
		else if (scope == CLIENTFILE_USER)
			read_path(reader, all[i].item);
}

static bool item_is_good(struct config_reader *reader, const struct config_node *item)
{
	if (item->kind == CONFIG_STRING && *item->text)
		return true;
	config_complain(reader, item->line, "include: the path of a file is wanted here, not %s",
			config_kind_name(item->kind));
	return false;
}

void config_read_includes(struct config_reader *reader, const struct config_from *from,
			  const struct config_node *include)
{
	struct include all[INCLUDES_MAX] = {0};
	size_t count = 0;

	if (!include || include->kind == CONFIG_NULL)
		return;
	if (include->kind != CONFIG_ARRAY || include->count > INCLUDES_MAX)
		return config_complain(reader, include->line, "include: a list of at most %d files is wanted here",
				       INCLUDES_MAX);
	for (const struct config_node *item = include->first; item; item = item->next) {
		struct include *one = &all[count];

		if (!item_is_good(reader, item))
			continue;
		one->item = item;
		one->is_client = clientfile_is_name(item->text) && from->cwd;
		if (one->is_client)
			config_read_client(reader, from, item->text, item->line, &one->files);
		count++;
	}
	for (int scope = 0; scope < CLIENTFILE_SCOPES; scope++)
		read_scope(reader, from, all, count, (enum clientfile_scope)scope);
	while (count > 0)
		clientfiles_done(&all[--count].files);
}
