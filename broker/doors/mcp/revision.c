/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The revisions of MCP that are spoken here, all of them begun by initialize. A client of a stateless revision begins
 * without it and says its revision in each request's _meta; its specification (2026-07-28) wants an error with the
 * revisions that it can have instead, so that it comes back with initialize.
 */
#include "broker/doors/mcp/internal.h"

enum { REQUESTED_MAX = 64 }; /* bytes of a revision that is said back */

static const char *const names[] = {
	[MCP_2024_11_05] = "2024-11-05",
	[MCP_2025_03_26] = "2025-03-26",
	[MCP_2025_06_18] = "2025-06-18",
	[MCP_2025_11_25] = "2025-11-25",
};

const char *mcp_revision_name(enum mcp_revision revision)
{
	return names[revision];
}

bool mcp_revision_find(struct span name, enum mcp_revision *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(names) && name.p; i++)
		if (span_string_equals(name, names[i])) {
			*ret = (enum mcp_revision)i;
			return true;
		}
	return false;
}

/* The words are for people: a client may show nothing else. */
static int put_refusal(struct span requested, struct buf *message, struct buf *data)
{
	_cleanup_buf_ struct buf list = BUF_INIT(256);
	int r = 0;

	if (requested.len > REQUESTED_MAX)
		requested = SPAN_LIT("\"another one\"");
	for (size_t i = 0; i < ARRAY_SIZE(names) && r == 0; i++)
		r = buf_printf(&list, "%s\"%s\"", i > 0 ? ", " : "", names[i]);
	if (r == 0)
		r = buf_printf(message, "MCP %.*s is not spoken here; begin with initialize and one of %.*s",
			       (int)requested.len, requested.p, (int)list.len, (const char *)buf_head(&list));
	if (r == 0)
		r = buf_append(message, "", 1);
	if (r == 0)
		r = buf_printf(data, "{\"supported\":[%.*s],\"requested\":%.*s}", (int)list.len,
			       (const char *)buf_head(&list), (int)requested.len, requested.p);
	return r;
}

bool mcp_refuse_revision(struct mcp_request *q, struct span params)
{
	struct span claim =
		params.p ? span_pointer(params, "/_meta/io.modelcontextprotocol~1protocolVersion") : SPAN_NONE;
	_cleanup_buf_ struct buf message = BUF_INIT(1024), data = BUF_INIT(1024);
	enum mcp_revision known;

	if (!claim.p || span_type(claim) != SPAN_STRING || mcp_revision_find(claim, &known))
		return false;
	if (put_refusal(claim, &message, &data) < 0)
		mcp_fail(q, JSONRPC_INTERNAL_ERROR, "no memory");
	else
		mcp_fail_with(q, MCP_UNSUPPORTED_REVISION, (const char *)buf_head(&message),
			      span_of(buf_head(&data), data.len));
	return true;
}
