/* SPDX-License-Identifier: Apache-2.0 */
/*
 * roots of a server: whose folders it is told, "client" or a list. Not set is not "client": a server that may ask for
 * roots can put them in the place of the folders in its arguments (npm's server-filesystem does), so that what the
 * operator wrote there would open, or close, by who happens to call.
 */
#include "broker/core/config-decode.h"
#include "broker/core/roots.h"

#include <string.h>

#define WANTED "client, or a list of folders like [~/work], is wanted here"

/* Where a variable begins it, config_resolve_server() looks again. */
static bool may_be_folder(const char *text)
{
	return text[0] == '/' || strncmp(text, "~/", 2) == 0 || strncmp(text, "${", 2) == 0;
}

static void read_folder(struct config_reader *reader, const struct config_node *n, const char *where,
			struct json_strings *ret)
{
	if (n->kind != CONFIG_STRING)
		config_complain(reader, n->line, "%s.roots: a folder is wanted here, not %s", where,
				config_kind_name(n->kind));
	else if (!may_be_folder(n->text))
		config_complain(reader, n->line, "%s.roots: %.200s is not absolute; write /FOLDER, ~/FOLDER or ${VAR}",
				where, n->text);
	else if (config_strings_add(ret, n->text) < 0)
		config_complain(reader, n->line, "no memory");
}

void config_decode_roots(struct config_reader *reader, const struct config_node *n, const char *where,
			 struct config_server *s)
{
	if (!n || n->kind == CONFIG_NULL)
		return;
	if (n->kind == CONFIG_STRING && strcmp(n->text, "client") == 0) {
		s->roots = CONFIG_ROOTS_CLIENT;
		return;
	}
	if (n->kind == CONFIG_STRING)
		return config_complain(reader, n->line, "%s.roots: " WANTED ", not %.60s", where, n->text);
	if (n->kind != CONFIG_ARRAY)
		return config_complain(reader, n->line, "%s.roots: " WANTED ", not %s", where,
				       config_kind_name(n->kind));
	if (n->count < 1 || n->count > ROOTS_MAX)
		return config_complain(reader, n->line, "%s.roots: 1 to %d folders are wanted here, not %zu", where,
				       ROOTS_MAX, (size_t)n->count);
	s->roots = CONFIG_ROOTS_LIST;
	for (const struct config_node *item = n->first; item; item = item->next)
		read_folder(reader, item, where, &s->root_folders);
}

bool config_wants_roots(const struct config *c)
{
	for (size_t i = 0; i < c->server_count; i++)
		if (c->servers[i].roots == CONFIG_ROOTS_CLIENT && !c->servers[i].disabled)
			return true;
	return false;
}
