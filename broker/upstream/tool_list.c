/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/upstream/tool_list.h"

#include <string.h>
#include <uthash.h>

struct name {
	const char *text; /* borrowed from the tool */
	size_t at;
	UT_hash_handle hh;
};

struct tool_list {
	struct upstream_tool *tools;
	size_t count, cap, left_out;
	struct buf *pages;
	size_t page_count, bytes;
	struct name *names;
};

/* ---- a page ---- */

static void tool_done(struct upstream_tool *tool)
{
	free((char *)(uintptr_t)tool->name);
	free((char *)(uintptr_t)tool->title);
	free((char *)(uintptr_t)tool->description);
}

static struct span object_member(struct span object, const char *name)
{
	struct span value = span_member(object, name);

	return span_type(value) == SPAN_OBJECT ? value : SPAN_NONE;
}

/* An untrusted server's names go into messages and code: no control characters. */
static bool is_clean(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return false;
	return true;
}

static bool decode_tool(struct span entry, struct upstream_tool *ret)
{
	struct upstream_tool tool = {0};

	tool.name = span_strdup(span_member(entry, "name"), TOOLS_NAME_MAX);
	if (!tool.name || !*tool.name || !is_clean(tool.name)) {
		tool_done(&tool);
		return false;
	}
	tool.title = span_strdup(span_member(entry, "title"), TOOLS_TEXT_MAX);
	tool.description = span_strdup(span_member(entry, "description"), TOOLS_TEXT_MAX);
	tool.input_schema = object_member(entry, "inputSchema");
	tool.output_schema = object_member(entry, "outputSchema");
	tool.annotations = object_member(entry, "annotations");
	tool.read_only = span_bool(span_member(tool.annotations, "readOnlyHint"), false);
	tool.destructive = span_bool(span_member(tool.annotations, "destructiveHint"), true);
	tool.idempotent = span_bool(span_member(tool.annotations, "idempotentHint"), false);
	tool.open_world = span_bool(span_member(tool.annotations, "openWorldHint"), true);
	*ret = tool;
	return true;
}

static struct upstream_tool *add_slot(struct tool_page *page, size_t *cap)
{
	if (page->count == *cap) {
		*cap = *cap ? *cap * 2 : 16;
		page->tools = realloc(page->tools, *cap * sizeof(*page->tools));
		if (!page->tools)
			abort();
	}
	return &page->tools[page->count];
}

void tool_page_decode(struct tool_page *page, struct span result)
{
	struct span tools = span_member(result, "tools"), cursor = span_member(result, "nextCursor"), entry;
	size_t at = 0, cap = 0;

	if (span_type(tools) != SPAN_ARRAY) {
		page->fault = "its answer to tools/list has no array \"tools\"";
		return;
	}
	while (span_next_element(tools, &at, &entry)) {
		if (page->count + page->skipped > TOOLS_MAX)
			break;
		if (decode_tool(entry, add_slot(page, &cap)))
			page->count++;
		else
			page->skipped++;
	}
	if (span_type(cursor) != SPAN_STRING || cursor.len <= 2)
		return;
	if (cursor.len > TOOLS_CURSOR_MAX)
		page->fault = "its cursor of tools/list is over 4096 bytes";
	else
		page->cursor = strndup(cursor.p, cursor.len);
}

void tool_page_done(struct tool_page *page)
{
	for (size_t i = 0; i < page->count; i++)
		tool_done(&page->tools[i]);
	free(page->tools);
	free(page->cursor);
	buf_done(&page->text);
	*page = (struct tool_page){0};
}

/* ---- the list ---- */

struct tool_list *tool_list_new(void)
{
	struct tool_list *list = calloc(1, sizeof(*list));

	if (!list)
		abort();
	return list;
}

struct tool_list *tool_list_free(struct tool_list *list)
{
	struct name *name, *next;

	if (!list)
		return NULL;
	HASH_ITER (hh, list->names, name, next) {
		HASH_DEL(list->names, name);
		free(name);
	}
	for (size_t i = 0; i < list->count; i++)
		tool_done(&list->tools[i]);
	for (size_t i = 0; i < list->page_count; i++)
		buf_done(&list->pages[i]);
	free(list->tools);
	free(list->pages);
	free(list);
	return NULL;
}

static void keep_text(struct tool_list *list, struct tool_page *page)
{
	list->bytes += page->text.len;
	list->pages = realloc(list->pages, (list->page_count + 1) * sizeof(*list->pages));
	if (!list->pages)
		abort();
	list->pages[list->page_count++] = page->text;
	page->text = (struct buf)BUF_INIT(0);
}

static void add_tool(struct tool_list *list, struct upstream_tool *tool)
{
	struct name *name;

	if (list->count == TOOLS_MAX || tool_list_find(list, tool->name)) {
		tool_done(tool);
		list->left_out++;
		return;
	}
	if (list->count == list->cap) {
		list->cap = list->cap ? list->cap * 2 : 32;
		list->tools = realloc(list->tools, list->cap * sizeof(*list->tools));
	}
	name = malloc(sizeof(*name));
	if (!list->tools || !name)
		abort();
	name->text = tool->name;
	name->at = list->count;
	HASH_ADD_KEYPTR(hh, list->names, name->text, strlen(name->text), name);
	list->tools[list->count++] = *tool;
}

bool tool_list_add(struct tool_list *list, struct tool_page *page)
{
	keep_text(list, page);
	for (size_t i = 0; i < page->count; i++)
		add_tool(list, &page->tools[i]);
	page->count = 0;
	list->left_out += page->skipped;
	return !tool_list_limit(list);
}

const char *tool_list_limit(const struct tool_list *list)
{
	if (list->count >= TOOLS_MAX)
		return "more than 10,000 are not used";
	if (list->page_count >= TOOLS_PAGES_MAX)
		return "it has over 1,000 pages";
	return list->bytes >= TOOLS_BYTES_MAX ? "it is over 64 MiB" : NULL;
}

size_t tool_list_left_out(const struct tool_list *list)
{
	return list->left_out;
}

const struct upstream_tool *tool_list_all(const struct tool_list *list, size_t *ret_count)
{
	*ret_count = list ? list->count : 0;
	return list ? list->tools : NULL;
}

const struct upstream_tool *tool_list_find(const struct tool_list *list, const char *name)
{
	struct name *found;

	if (!list)
		return NULL;
	HASH_FIND(hh, list->names, name, strlen(name), found);
	return found ? &list->tools[found->at] : NULL;
}
