/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/list, page by page, into a new list that replaces the one in use when it is complete. While a server is down
 * its last complete list stays. list_changed starts a new fetch a moment later, or at the end of the one that is under
 * way.
 */
#include "broker/upstream/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* A page that is decoded on another thread. */
struct page_job {
	struct upstream *u;
	uint64_t generation;
	struct tool_page page;
	struct span result;
};

static void ask_page(struct upstream *u, const char *cursor)
{
	_cleanup_buf_ struct buf message = BUF_INIT(TOOLS_CURSOR_MAX + 256), params = BUF_INIT(TOOLS_CURSOR_MAX + 64);
	char id[24];

	free(u->list_cursor);
	u->list_cursor = cursor ? strdup(cursor) : NULL;
	u->list_id = ++u->last_id;
	snprintf(id, sizeof(id), "%" PRIu64, u->list_id);
	if (cursor && buf_printf(&params, "{\"cursor\":%s}", cursor) < 0)
		return;
	if (jsonrpc_write_request(&message, span_of(id, strlen(id)), "tools/list",
				  cursor ? span_of(buf_head(&params), params.len) : SPAN_LIT("{}")) == 0)
		session_send(u, OUTGOING_LIST, u->list_id, &message);
}

void tools_fetch(struct upstream *u)
{
	tools_abort(u);
	u->listing = tool_list_new();
	loop_timer_start(u->list_timer, UPSTREAM_START_MS);
	ask_page(u, NULL);
}

void tools_abort(struct upstream *u)
{
	u->listing = tool_list_free(u->listing);
	u->list_id = 0;
	u->list_generation++;
	u->list_dirty = false;
	free(TAKE_PTR(u->list_cursor));
	loop_timer_stop(u->list_timer);
}

void tools_changed(struct upstream *u)
{
	if (u->listing)
		u->list_dirty = true;
	else if ((u->state == UPSTREAM_READY || loop_timer_armed(u->settle_timer)) && !loop_timer_armed(u->list_timer))
		loop_timer_start(u->list_timer, UPSTREAM_RELIST_MS);
}

/* While it starts, a first list that cannot be had is a failure; later the old list stays in use. */
static void give_up(struct upstream *u, const char *why)
{
	if (u->state == UPSTREAM_STARTING && !loop_timer_armed(u->settle_timer)) {
		session_fail(u, why);
		return;
	}
	session_warn(u, "upstream_list_failed", why);
	tools_abort(u);
}

static void on_list_timer(void *user)
{
	struct upstream *u = user;

	if (u->listing)
		give_up(u, "did not answer tools/list in time");
	else
		tools_fetch(u);
}

/* cut: why there are no more pages; NULL: these are all. */
static void set_notice(struct upstream *u, const char *cut)
{
	size_t count, left_out = tool_list_left_out(u->listing);
	char text[256];

	free(TAKE_PTR(u->list_notice));
	(void)tool_list_all(u->listing, &count);
	if (cut)
		snprintf(text, sizeof(text), "its list of tools is cut behind %zu tools: %s", count, cut);
	else if (left_out)
		snprintf(text, sizeof(text),
			 "%zu tools are left out: over %d, or their names are taken, too long or unreadable", left_out,
			 TOOLS_MAX);
	else
		return;
	session_warn(u, "upstream_list_cut", text);
	u->list_notice = strdup(text);
}

static void finish(struct upstream *u, const char *cut)
{
	bool dirty = u->list_dirty;

	set_notice(u, cut);
	if (u->old_tools) /* its readers were not told of the next one yet: theirs stays, that one nobody has seen */
		tool_list_free(u->tools);
	else
		u->old_tools = u->tools;
	u->tools = TAKE_PTR(u->listing);
	tools_abort(u);
	if (u->state == UPSTREAM_STARTING)
		session_ready(u);
	else
		upstream_tell_changed(u);
	if (dirty)
		tools_changed(u);
}

static void take_page(struct upstream *u, struct tool_page *page)
{
	_cleanup_free_ char *cursor = TAKE_PTR(page->cursor);
	bool room;

	if (page->fault) {
		give_up(u, page->fault);
		return;
	}
	room = tool_list_add(u->listing, page);
	if (!cursor)
		finish(u, NULL);
	else if (u->list_cursor && strcmp(cursor, u->list_cursor) == 0)
		finish(u, "it gives the same cursor again and again");
	else if (!room)
		finish(u, tool_list_limit(u->listing));
	else
		ask_page(u, cursor);
}

static void on_page_run(void *user)
{
	struct page_job *job = user;

	tool_page_decode(&job->page, job->result);
}

static void on_page_done(void *user)
{
	struct page_job *job = user;
	struct upstream *u = job->u;

	if (!u->freed && u->listing && job->generation == u->list_generation)
		take_page(u, &job->page);
	tool_page_done(&job->page);
	free(job);
	upstream_unref(u);
}

static void decode_elsewhere(struct upstream *u, struct tool_page *page, struct span result)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct page_job *job = calloc(1, sizeof(*job));

	if (!job)
		abort();
	job->u = u;
	job->generation = u->list_generation;
	job->page = *page;
	job->result = result;
	*page = (struct tool_page){0};
	upstream_ref(u);
	if (loop_work_start(u->loop, on_page_run, on_page_done, job, &err) < 0)
		abort(); /* only without memory */
}

static void tell_refused(struct upstream *u, const struct jsonrpc_message *m)
{
	_cleanup_buf_ struct buf text = BUF_INIT(UPSTREAM_TEXT_MAX);
	_cleanup_free_ char *message = span_strdup(m->error.message, 512), *why = NULL;

	/* Servers without tools may say so only here. */
	if (m->error.code == JSONRPC_METHOD_NOT_FOUND && !u->has_tools) {
		finish(u, NULL);
		return;
	}
	if (buf_printf(&text, "refused tools/list: %s (%lld)", message ? message : "no message",
		       (long long)m->error.code) == 0)
		why = buf_steal(&text, NULL);
	give_up(u, why ? why : "refused tools/list");
}

void tools_answer(struct upstream *u, const struct jsonrpc_message *m, struct buf *line)
{
	struct tool_page page = {.text = BUF_INIT(u->message_max)};
	struct span result = m->result;

	u->list_id = 0;
	if (!u->listing)
		return;
	if (m->kind == JSONRPC_ERROR) {
		tell_refused(u, m);
		return;
	}
	if (line) {
		page.text = *line;
		*line = (struct buf)BUF_INIT(line->max);
	} else {
		if (buf_append(&page.text, result.p, result.len) < 0)
			abort(); /* smaller than message_max: only without memory */
		result.p = (const char *)buf_head(&page.text);
	}
	if (result.len > UPSTREAM_INLINE_MAX) {
		decode_elsewhere(u, &page, result);
		return;
	}
	tool_page_decode(&page, result);
	take_page(u, &page);
	tool_page_done(&page);
}

void tools_lost(struct upstream *u, const char *why)
{
	u->list_id = 0;
	if (u->listing)
		give_up(u, why);
}

int tools_init(struct upstream *u, struct error *err)
{
	return loop_timer_new(u->loop, on_list_timer, u, &u->list_timer, err);
}

void tools_done(struct upstream *u)
{
	if (u->list_timer)
		tools_abort(u);
	u->list_timer = loop_timer_free(u->list_timer);
	free(TAKE_PTR(u->list_notice));
	u->tools = tool_list_free(u->tools);
	u->old_tools = tool_list_free(u->old_tools);
}
