/* SPDX-License-Identifier: Apache-2.0 */
/* tools/call: which tool it is for, and what every call wants before that tool hears of it. */
#include "broker/doors/mcp/internal.h"

#include <string.h>

static void take_progress_token(struct mcp_request *q, struct span params)
{
	struct span meta = span_member(params, "_meta"),
		    token = meta.p ? span_member(meta, "progressToken") : SPAN_NONE;
	enum span_type type = token.p ? span_type(token) : SPAN_INVALID;

	if ((type == SPAN_STRING || type == SPAN_NUMBER) && token.len <= JSONRPC_ID_MAX)
		q->token = strndup(token.p, token.len);
}

static const struct tool {
	const char *name;
	mcp_tool_fn *call;
	bool begins; /* something that a broker which is stopping does not begin */
} tools[] = {
	{"execute_code", mcp_execute_code, true},
	{"wait_run", mcp_wait_run, false},
	{"search_tools", mcp_search_tools, true},
};

static const struct tool *find_tool(const struct jsonrpc_message *message)
{
	struct span name = message->params.p ? span_member(message->params, "name") : SPAN_NONE;

	for (size_t i = 0; name.p && i < ARRAY_SIZE(tools); i++)
		if (span_string_equals(name, tools[i].name))
			return &tools[i];
	return NULL;
}

bool mcp_pass_on(struct mcp *m, const struct jsonrpc_message *message)
{
	const struct tool *tool = find_tool(message);
	_cleanup_buf_ struct buf params = BUF_INIT(JSONRPC_ID_MAX + 64);

	if (!tool || !tool->begins || !door_client_stops(m->o.client) || message->id.len > JSONRPC_ID_MAX ||
	    buf_append_str(&params, "{\"id\":") < 0 || buf_append(&params, message->id.p, message->id.len) < 0 ||
	    buf_append_str(&params, "}") < 0)
		return false;
	mcp_notify(m, "hawser/again", span_of(buf_head(&params), params.len));
	return true;
}

void mcp_tools_call(struct mcp_request *q, const struct jsonrpc_message *message)
{
	const struct tool *tool = find_tool(message);
	struct span arguments;

	if (!tool)
		return mcp_fail(q, JSONRPC_INVALID_PARAMS,
				"no such tool; there are execute_code, wait_run and search_tools");
	arguments = span_member(message->params, "arguments");
	if (arguments.p && span_type(arguments) == SPAN_NULL)
		arguments = SPAN_NONE;
	if (arguments.p && span_type(arguments) != SPAN_OBJECT)
		return mcp_fail(q, JSONRPC_INVALID_PARAMS, "arguments must be an object");
	if (arguments.p && arguments.len > MCP_ARGUMENTS_MAX)
		return mcp_answer_text(q, true, "too_large: the arguments are over %d bytes; put data into files",
				       MCP_ARGUMENTS_MAX);
	take_progress_token(q, message->params);
	/* WANTS_VARIABLES was parked before it came here. */
	if (door_client_check(q->m->o.client) == DOOR_CLIENT_FAULTY)
		return mcp_answer_text(q, true,
				       "The configuration of Hawser is wrong; tell the person who keeps it:\n%s",
				       door_client_fault(q->m->o.client));
	tool->call(q, arguments);
}
