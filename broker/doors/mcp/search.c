/* SPDX-License-Identifier: Apache-2.0 */
/* search_tools: a page of the catalogue, as text for the model and as JSON; both within limits.reply. */
#include "broker/doors/mcp/internal.h"
#include "broker/doors/mcp/tables.h"

#include <inttypes.h>
#include <string.h>

enum { SEARCH_PAGE = 20 };

/* "server.tool(signature) - description", or with its schema where there is no signature. */
static int put_tool(struct span tool, struct buf *out)
{
	_cleanup_free_ char *server = span_strdup(span_member(tool, "server"), 256);
	_cleanup_free_ char *name = span_strdup(span_member(tool, "name"), 512), *signature = NULL, *text = NULL;
	struct span given = span_member(tool, "signature"), description = span_member(tool, "description");
	int r;

	if (given.p)
		signature = span_strdup(given, 4096);
	if (description.p)
		text = span_strdup(description, 16384);
	if (text && strlen(text) > 400)
		text[span_utf8_floor(text, 400)] = '\0';
	if (signature)
		r = buf_printf(out, "%s", signature);
	else
		r = buf_printf(out, "%s.%s", server ? server : "?", name ? name : "?");
	if (r == 0 && text && *text)
		r = buf_printf(out, " - %s", text);
	return r < 0 ? r : buf_append_str(out, "\n");
}

/* As many results as fit; the answer to the first that does not is where to go on. */
struct page {
	struct buf text, json;
	size_t shown;
};

static void fill(struct page *page, struct span results, size_t max)
{
	struct span tool;
	size_t at = 0;

	while (span_next_element(results, &at, &tool)) {
		size_t text_before = page->text.len;

		/* schemas are long: the JSON gets twice the budget of the text */
		if (page->shown > 0 && page->json.len + tool.len > 2 * max)
			return;
		if (put_tool(tool, &page->text) < 0 || (page->shown > 0 && page->text.len > max)) {
			page->text.len = text_before;
			return;
		}
		if (buf_printf(&page->json, "%s%.*s", page->shown ? "," : "", (int)tool.len, tool.p) < 0)
			return;
		page->shown++;
	}
}

static int64_t total_of(struct span answer)
{
	struct span meta = span_member(answer, "meta"), count = meta.p ? span_member(meta, "matched") : SPAN_NONE;
	int64_t total = 0;

	if (!count.p && meta.p)
		count = span_member(meta, "result_count");
	return count.p && span_int64(count, &total) == 0 ? total : 0;
}

static void answer(struct mcp_request *q, struct span found)
{
	struct page page = {.text = {.max = MCP_ANSWER_MAX}, .json = {.max = MCP_ANSWER_MAX}};
	size_t max = (size_t)client_config(mcp_client(q))->limits.reply;
	_cleanup_buf_ struct buf structured = BUF_INIT(MCP_ANSWER_MAX);
	struct span results = span_member(found, "results"), meta = span_member(found, "meta");
	_cleanup_free_ char *hint = mcp_config_hint(mcp_client(q));
	int64_t total = total_of(found), next;
	int r;

	if (results.p)
		fill(&page, results, max);
	next = q->search_offset + (int64_t)page.shown;
	r = page.shown == 0
		    ? buf_append_str(&page.text, hint ? hint : "No tool was found; try other words, or \"\" for all.")
	    : next < total
		    ? buf_printf(&page.text, "%zu of %" PRId64 "; go on with offset %" PRId64, page.shown, total, next)
		    : 0;
	if (r == 0)
		r = buf_printf(&structured, "{\"meta\":%.*s,\"results\":[", meta.p ? (int)meta.len : 2,
			       meta.p ? meta.p : "{}");
	if (r == 0)
		r = buf_append(&structured, buf_head(&page.json), page.json.len);
	if (r == 0)
		r = buf_append_str(&structured, "]}");
	if (r < 0)
		mcp_answer_text(q, true, "the answer is too large; ask for fewer with limit");
	else
		mcp_answer_tool(q, span_of(buf_head(&page.text), page.text.len),
				span_of(buf_head(&structured), structured.len), hint != NULL && page.shown == 0);
	buf_done(&page.text);
	buf_done(&page.json);
}

static void on_found(void *user, struct buf *json, const struct error *err)
{
	struct mcp_request *q = user;

	q->owed = false;
	if (!q->m)
		mcp_request_free(q);
	else if (err && err->code)
		mcp_answer_text(q, true, "%s", error_text(err));
	else
		answer(q, span_of(buf_head(json), json->len));
}

void mcp_search_tools(struct mcp_request *q, struct span arguments)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct search_request request = {0};
	json_auto_t *p = NULL;
	int r = mcp_decode(arguments, search_request_table, search_request_count, &request, &p, &err);

	if (r == 0) {
		if (request.limit == 0)
			request.limit = SEARCH_PAGE;
		q->search_offset = request.offset;
		r = tools_search(mcp_client(q), &request, on_found, q, &err);
	}
	q->owed = r == 0;
	json_table_done(search_request_table, search_request_count, &request);
	if (r < 0)
		mcp_answer_text(q, true, "%s", error_text(&err));
}
