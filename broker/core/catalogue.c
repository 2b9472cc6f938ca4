/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which tools a view has, by every spelling that code may use (the search over them: toolsearch.c). The list is made
 * from the upstreams' own lists when it is wanted and thrown away when any of those changes.
 */
#include "broker/core/catalogue.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

struct schema_entry {
	UT_hash_handle hh;
	const struct upstream_tool *tool;
	struct shared_schema *shared; /* NULL: it has none */
};

void catalogue_identifier(const char *name, char *out, size_t size)
{
	size_t n = 0;

	if (isdigit((unsigned char)name[0]) && size > 1)
		out[n++] = '_';
	for (; *name && n + 1 < size; name++)
		out[n++] = isalnum((unsigned char)*name) ? *name : '_';
	out[n] = '\0';
}

bool catalogue_is_spelled(const char *name, const char *spelling)
{
	char identifier[CATALOGUE_IDENTIFIER_MAX];

	catalogue_identifier(name, identifier, sizeof(identifier));
	return strcmp(name, spelling) == 0 || strcmp(identifier, spelling) == 0;
}

struct catalogue *catalogue_free(struct catalogue *c)
{
	struct schema_entry *entry, *next;

	if (!c)
		return NULL;
	HASH_ITER (hh, c->schemas, entry, next) {
		HASH_DEL(c->schemas, entry);
		shared_schema_unref(entry->shared);
		free(entry);
	}
	search_index_free(c->index);
	free(c->tools);
	free(c);
	return NULL;
}

static int add_tools(struct catalogue *c, const struct view_server *server)
{
	size_t count;
	const struct upstream_tool *tools = upstream_tools(server->shared->upstream, &count);
	struct catalogue_tool *grown = realloc(c->tools, (c->count + count + 1) * sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	c->tools = grown;
	for (size_t i = 0; i < count; i++)
		c->tools[c->count++] = (struct catalogue_tool){server, &tools[i]};
	return 0;
}

struct catalogue *catalogue_fresh(struct view *view)
{
	struct catalogue *c = view->catalogue;

	if (c && c->generation == view->core->tools_generation)
		return c;
	catalogue_free(c);
	view->catalogue = c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->generation = view->core->tools_generation;
	for (size_t i = 0; i < view->config->server_count; i++)
		if (view->servers[i].shared && add_tools(c, &view->servers[i]) < 0) {
			view->catalogue = catalogue_free(c);
			return NULL;
		}
	return c;
}

struct shared_schema *catalogue_schema(struct view *view, const struct upstream_tool *tool)
{
	struct catalogue *c = catalogue_fresh(view);
	struct schema_entry *entry;

	if (!c)
		return NULL;
	HASH_FIND_PTR(c->schemas, &tool, entry);
	if (!entry) {
		entry = calloc(1, sizeof(*entry));
		if (!entry)
			return NULL;
		entry->tool = tool;
		if (tool->input_schema.p)
			entry->shared = shared_schema_new(view->core->loop, tool->input_schema);
		HASH_ADD_PTR(c->schemas, tool, entry);
	}
	return shared_schema_ref(entry->shared);
}

/* ---- names ---- */

struct view_server *catalogue_server(struct view *view, const char *spelling, const char **ret_hint)
{
	size_t count = view->config->server_count;
	const char **names;

	for (size_t i = 0; i < count; i++)
		if (strcmp(view->servers[i].config->name, spelling) == 0)
			return &view->servers[i];
	for (size_t i = 0; i < count; i++)
		if (strcmp(view->servers[i].config->id, spelling) == 0)
			return &view->servers[i];
	names = calloc(count + 1, sizeof(*names));
	for (size_t i = 0; names && i < count; i++)
		names[i] = view->servers[i].config->name;
	*ret_hint = names ? json_nearest(spelling, names) : NULL;
	free(names);
	return NULL;
}

const struct upstream_tool *catalogue_tool(struct view *view, struct view_server *server, const char *spelling,
					   const char **ret_hint)
{
	const struct upstream_tool *exact = upstream_find(server->shared->upstream, spelling), *tools;
	const char **names;
	size_t count;

	(void)view;
	if (exact)
		return exact;
	tools = upstream_tools(server->shared->upstream, &count);
	for (size_t i = 0; i < count; i++)
		if (catalogue_is_spelled(tools[i].name, spelling))
			return &tools[i];
	names = calloc(count + 1, sizeof(*names));
	for (size_t i = 0; names && i < count; i++)
		names[i] = tools[i].name;
	*ret_hint = names ? json_nearest(spelling, names) : NULL;
	free(names);
	return NULL;
}

static size_t matches_prefix(const char *spelling, const char *server)
{
	size_t len = strlen(server);

	return strncmp(spelling, server, len) == 0 && strncmp(spelling + len, "__", 2) == 0 ? len + 2 : 0;
}

struct view_server *catalogue_split(struct view *view, const char *spelling, const char **ret_tool)
{
	struct view_server *best = NULL;
	size_t best_len = 0;

	if (strncmp(spelling, "mcp__", 5) != 0)
		return NULL;
	spelling += 5;
	for (size_t i = 0; i < view->config->server_count; i++) {
		size_t by_name = matches_prefix(spelling, view->servers[i].config->name);
		size_t by_id = matches_prefix(spelling, view->servers[i].config->id);
		size_t len = by_name > by_id ? by_name : by_id;

		if (len > best_len) {
			best = &view->servers[i];
			best_len = len;
		}
	}
	if (best)
		*ret_tool = spelling + best_len;
	return best;
}

int catalogue_namespaces(struct view *view, struct buf *out)
{
	bool first = true;
	int r = buf_append_str(out, "[");

	for (size_t i = 0; r == 0 && i < view->config->server_count; i++) {
		const struct config_server *server = view->servers[i].config;

		if (server->disabled)
			continue; /* one that cannot be used keeps its name: a call of it says why */
		r = buf_append_str(out, first ? "{" : ",{");
		if (r == 0)
			r = buf_append_member(out, "name", server->name);
		if (r == 0)
			r = buf_printf(out, ",\"id\":\"%s\"}", server->id);
		first = false;
	}
	return r ? r : buf_append_str(out, "]");
}

/* ---- readiness ---- */

struct readiness {
	struct loop *loop;
	size_t open;
	void (*done)(void *user);
	void *user;
};

static void readiness_step(void *user)
{
	struct readiness *ready = user;

	if (--ready->open > 0)
		return;
	ready->done(ready->user);
	free(ready);
}

static void on_ensured(void *user, struct upstream_reply *reply)
{
	(void)reply; /* a server that fails has its problem text; the others go on */
	readiness_step(user);
}

static bool never_tried(const struct view_server *server)
{
	enum upstream_state state;

	if (!server->shared)
		return false;
	state = upstream_state(server->shared->upstream);
	return state == UPSTREAM_IDLE || state == UPSTREAM_STARTING;
}

int catalogue_ready(struct view *view, void (*done)(void *user), void *user, struct error *err)
{
	struct readiness *ready = calloc(1, sizeof(*ready));

	if (!ready)
		return error_set(err, -ENOMEM, "no memory for a search");
	*ready = (struct readiness){.loop = view->core->loop, .open = 1, .done = done, .user = user};
	for (size_t i = 0; i < view->config->server_count; i++) {
		struct upstream_request *request;
		_cleanup_error_ struct error ignored = ERROR_INIT;

		if (never_tried(&view->servers[i]) &&
		    upstream_ensure(view->servers[i].shared->upstream, on_ensured, ready, &request, &ignored) == 0)
			ready->open++;
	}
	loop_defer(ready->loop, readiness_step, ready);
	return 0;
}
