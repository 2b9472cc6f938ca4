/* SPDX-License-Identifier: Apache-2.0 */
/*
 * roots of a server: whose folders it is told, "client" or a list. Not set is not "client": a server that may ask for
 * roots can put them in the place of the folders in its arguments (npm's server-filesystem does), so that what the
 * operator wrote there would open, or close, by who happens to call.
 */
#include "broker/core/config-decode.h"
#include "broker/core/config-resolve.h"
#include "broker/core/roots.h"

#include <errno.h>
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

/* ---- with the variables of a client ---- */

static int keep_roots(struct config_resolver *r, const char *const *folders, struct error *err)
{
	_cleanup_buf_ struct buf out = BUF_INIT(ROOTS_BYTES_MAX);
	int result = roots_of_folders(folders, &out);

	if (result < 0)
		return error_set(err, result, "roots: the names of the folders are too long; take some out");
	r->ret->roots = buf_steal(&out, NULL);
	return r->ret->roots ? 0 : error_set(err, -ENOMEM, "no memory");
}

static int keep_root_list(struct config_resolver *r, const struct config_server *s, struct error *err)
{
	const char *folders[ROOTS_MAX + 1] = {NULL};
	int result = 0;

	for (size_t i = 0; result == 0 && i < s->root_folders.count; i++) {
		char *path = NULL;

		result = config_replace(r, "", s->root_folders.items[i], true, &path, err);
		folders[i] = path;
		if (result == 0 && path[0] != '/')
			result = error_set(err, -EINVAL, "roots: %.200s is %.200s here, which is not absolute",
					   s->root_folders.items[i], path);
	}
	if (result == 0)
		result = keep_roots(r, folders, err);
	for (size_t i = 0; folders[i]; i++)
		free((char *)(uintptr_t)folders[i]);
	return result;
}

/* "/" is where programs of a desktop are started, and nobody's choice: such a client has no root, not all of them. */
static int keep_folder(struct config_resolver *r, const char *cwd, struct error *err)
{
	const char *const folders[] = {strcmp(cwd, "/") == 0 ? NULL : cwd, NULL};

	return keep_roots(r, folders, err);
}

int config_resolve_roots(struct config_resolver *r, const struct config_server *s, struct error *err)
{
	r->ret->offers_roots = s->roots != CONFIG_ROOTS_NONE;
	switch (s->roots) {
	case CONFIG_ROOTS_LIST:
		return keep_root_list(r, s, err);
	case CONFIG_ROOTS_CLIENT:
		if (!r->caller->roots)
			return keep_folder(r, r->caller->cwd, err);
		r->ret->roots = strdup(r->caller->roots);
		return r->ret->roots ? 0 : error_set(err, -ENOMEM, "no memory");
	case CONFIG_ROOTS_NONE:
		break;
	}
	return r->ret->cwd ? keep_folder(r, r->ret->cwd, err) : 0;
}
