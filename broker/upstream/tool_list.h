/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_UPSTREAM_TOOL_LIST_H
#define HAWSER_BROKER_UPSTREAM_TOOL_LIST_H

#include "broker/upstream/upstream.h"

/* A list of tools as it grows page by page. It owns the pages' text, which the schemas are spans of. */
struct tool_list;

enum {
	TOOLS_MAX = 10000, /* more are left out */
	TOOLS_PAGES_MAX = 1000,
	TOOLS_BYTES_MAX = 64 << 20, /* text of all pages */
	TOOLS_NAME_MAX = 256, /* bytes; a tool with a longer name is left out */
	TOOLS_TEXT_MAX = 256 << 10, /* bytes of a description */
	TOOLS_CURSOR_MAX = 4096,
};

/* One page, decoded: may be made on any thread. */
struct tool_page {
	struct buf text; /* owned, moved in */
	struct upstream_tool *tools;
	size_t count, skipped; /* skipped: entries that are no usable tool */
	char *cursor; /* raw JSON string literal, or NULL at the end */
	const char *fault; /* the result is no list: why; static text */
};
/* result: inside page->text. */
void tool_page_decode(struct tool_page *page, struct span result);
void tool_page_done(struct tool_page *page);

struct tool_list *tool_list_new(void);
/* Moves the page in; tools whose names are there already are left out. False: a limit is reached, the list is full. */
bool tool_list_add(struct tool_list *list, struct tool_page *page);
/* The limit that it has reached, for a person: static text; NULL: none. */
const char *tool_list_limit(const struct tool_list *list);
size_t tool_list_left_out(const struct tool_list *list);
const struct upstream_tool *tool_list_all(const struct tool_list *list, size_t *ret_count);
const struct upstream_tool *tool_list_find(const struct tool_list *list, const char *name);
struct tool_list *tool_list_free(struct tool_list *list);

#endif
