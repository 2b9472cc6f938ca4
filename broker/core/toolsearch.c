/* SPDX-License-Identifier: Apache-2.0 */
/* The search over the tools of a view: an index made with the first query, and what a row of the answer says. */
#include "broker/core/catalogue.h"

#include <errno.h>
#include <string.h>

enum { SLICE_TOOLS = 500, SLICE_BYTES = 256 << 10 }; /* what one turn of the loop does of a search */

static int index_parameters(struct search_index *index, uint32_t doc, const struct upstream_tool *tool)
{
	struct span properties = span_member(tool->input_schema, "properties"), key, value;
	size_t at = 0;
	int r = 0;

	while (r == 0 && span_type(properties) == SPAN_OBJECT && span_next_member(properties, &at, &key, &value))
		r = search_index_add(index, doc, key.p, key.len, 0.5f);
	return r;
}

static int index_tool(struct search_index *index, uint32_t doc, const struct catalogue_tool *entry)
{
	const struct upstream_tool *tool = entry->tool;
	int r = search_index_add(index, doc, tool->name, strlen(tool->name), 3.0f);

	if (r == 0)
		r = search_index_add(index, doc, entry->server->config->name, strlen(entry->server->config->name),
				     1.5f);
	if (r == 0 && tool->title)
		r = search_index_add(index, doc, tool->title, strlen(tool->title), 1.5f);
	if (r == 0 && tool->description)
		r = search_index_add(index, doc, tool->description, strlen(tool->description), 1.0f);
	return r ? r : index_parameters(index, doc, tool);
}

/* A slice of it; -EAGAIN: there is more to do. */
static int make_index(struct catalogue *c)
{
	size_t end = c->indexed + SLICE_TOOLS < c->count ? c->indexed + SLICE_TOOLS : c->count;
	int r = 0;

	if (!c->index && !(c->index = search_index_new()))
		return -ENOMEM;
	for (; r == 0 && c->indexed < end; c->indexed++)
		r = index_tool(c->index, (uint32_t)c->indexed, &c->tools[c->indexed]);
	if (r < 0) {
		c->index = search_index_free(c->index);
		c->indexed = 0;
		return r;
	}
	return c->indexed < c->count ? -EAGAIN : 0;
}

/* A part of a word is better than nothing: "base6" finds base64. */
static size_t match_substrings(const struct catalogue *c, const char *query, uint32_t *docs)
{
	size_t count = 0;

	for (size_t i = 0; i < c->count; i++) {
		const struct upstream_tool *tool = c->tools[i].tool;

		if (strcasestr(tool->name, query) || strcasestr(c->tools[i].server->config->name, query) ||
		    (tool->description && strcasestr(tool->description, query)))
			docs[count++] = (uint32_t)i;
	}
	return count;
}

static int find(struct catalogue *c, const char *query, uint32_t **ret, size_t *ret_count)
{
	int r;

	if (!query || strspn(query, " \t\n") == strlen(query)) {
		uint32_t *docs = calloc(c->count + 1, sizeof(*docs));

		if (!docs)
			return -ENOMEM;
		for (size_t i = 0; i < c->count; i++)
			docs[i] = (uint32_t)i;
		*ret = docs;
		*ret_count = c->count;
		return 0;
	}
	r = make_index(c);
	if (r == 0)
		r = search_index_query(c->index, query, ret, ret_count);
	if (r == 0 && *ret_count == 0)
		*ret_count = match_substrings(c, query, *ret);
	return r;
}

static int put_span(struct buf *out, const char *key, struct span value)
{
	int r = buf_printf(out, ",\"%s\":", key);

	if (r == 0)
		r = value.p ? buf_append(out, value.p, value.len) : buf_append_str(out, "null");
	return r;
}

static int put_signature(struct buf *out, const struct catalogue_tool *entry)
{
	_cleanup_buf_ struct buf text = BUF_INIT(4096);
	char identifier[CATALOGUE_IDENTIFIER_MAX];
	int r;

	catalogue_identifier(entry->tool->name, identifier, sizeof(identifier));
	if (signature_of(entry->server->config->id, identifier, entry->tool->input_schema, &text) < 0)
		buf_clear(&text); /* a schema that is too large for one line has none */
	r = buf_append_str(out, ",\"signature\":");
	return r ? r : buf_append_json(out, text.len ? (const char *)buf_head(&text) : "", text.len);
}

static int put_tool(struct buf *out, const struct catalogue_tool *entry, int detail)
{
	const struct upstream_tool *tool = entry->tool;
	int r = buf_append_str(out, "{");

	if (r == 0)
		r = buf_append_member(out, "name", tool->name);
	if (r == 0)
		r = buf_append_member(out, "server", entry->server->config->name);
	if (r == 0 && detail < 2)
		r = buf_append_member(out, "description", tool->description ? tool->description : "");
	if (r == 0 && detail == 0) {
		r = put_span(out, "input_schema", tool->input_schema);
		if (r == 0 && tool->output_schema.p)
			r = put_span(out, "output_schema", tool->output_schema);
		if (r == 0)
			r = put_signature(out, entry);
	}
	return r ? r : buf_append_str(out, "}");
}

static int put_meta(struct view *view, const struct catalogue *c, size_t matched, size_t shown, struct buf *out)
{
	bool first = true;
	int r = buf_printf(out, "{\"meta\":{\"total_tools\":%zu,\"result_count\":%zu,\"matched\":%zu,\"namespaces\":[",
			   c->count, shown, matched);

	for (size_t i = 0; r == 0 && i < view->config->server_count; i++) {
		const struct view_server *server = &view->servers[i];
		size_t count = 0;

		if (server->shared)
			upstream_tools(server->shared->upstream, &count);
		if (count == 0)
			continue;
		if (!first)
			r = buf_append_str(out, ",");
		if (r == 0)
			r = buf_append_json(out, server->config->name, strlen(server->config->name));
		first = false;
	}
	return r ? r : buf_append_str(out, "]},\"results\":[");
}

void tool_rows_done(struct tool_rows *rows)
{
	free(rows->docs);
	*rows = (struct tool_rows){0};
}

static int begin_rows(struct view *view, struct catalogue *c, const struct search_request *request,
		      struct tool_rows *rows, struct buf *out)
{
	size_t count = 0, first;
	int r = find(c, request->query, &rows->docs, &count);

	if (r < 0)
		return r;
	first = (uint64_t)request->offset < count ? (size_t)request->offset : count;
	rows->at = first;
	rows->last =
		request->limit > 0 && (uint64_t)request->limit < count - first ? first + (size_t)request->limit : count;
	rows->generation = c->generation;
	rows->found = true;
	return put_meta(view, c, count, rows->last - first, out);
}

int catalogue_search_step(struct view *view, const struct search_request *request, struct tool_rows *rows,
			  struct buf *out)
{
	struct catalogue *c = catalogue_fresh(view);
	size_t before = out->len, begun = rows->at;
	int r = 0;

	if (!c)
		return -ENOMEM;
	if (!rows->found) {
		r = begin_rows(view, c, request, rows, out);
		return r < 0 ? r : -EAGAIN;
	}
	if (rows->generation != c->generation)
		return -ESTALE;
	while (r == 0 && rows->at < rows->last) {
		if (out->len - before > SLICE_BYTES || rows->at - begun >= SLICE_TOOLS)
			return -EAGAIN;
		if (*(buf_head(out) + out->len - 1) != '[')
			r = buf_append_str(out, ",");
		if (r == 0)
			r = put_tool(out, &c->tools[rows->docs[rows->at]], request->detail);
		rows->at++;
	}
	return r ? r : buf_append_str(out, "]}");
}
