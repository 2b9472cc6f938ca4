/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that came too early: the configuration has changed and its new variables are not here yet, or the client has
 * not said its roots. They wait as lines, in their order, and are read again when what was missing has come.
 */
#include "broker/doors/mcp/internal.h"

static void ask_for_variables(struct mcp *m)
{
	const char *const *names = door_client_variables(m->o.client);
	_cleanup_buf_ struct buf params = BUF_INIT(512 * 1024);
	json_auto_t *list = json_array(), *object = json_pack("{s:O}", "variables", list);

	for (; *names; names++)
		json_array_append_new(list, json_string(*names));
	m->variables_asked = true;
	if (object && json_print(&params, object) == 0)
		mcp_notify(m, "hawser/env", span_of(buf_head(&params), params.len));
}

static bool variables_missing(struct mcp *m)
{
	if (door_client_check(m->o.client) != DOOR_CLIENT_WANTS_VARIABLES)
		return false;
	if (!m->variables_asked)
		ask_for_variables(m);
	return true;
}

static bool is_too_large(const struct jsonrpc_message *message)
{
	return message->params.p && span_member(message->params, "arguments").len > MCP_ARGUMENTS_MAX;
}

bool mcp_park(struct mcp *m, const struct jsonrpc_message *message)
{
	bool variables, roots;

	if (is_too_large(message)) /* it is refused at once */
		return false;
	variables = variables_missing(m);
	roots = mcp_roots_missing(m);
	if (m->parked.count == 0 && !variables && !roots)
		return false;
	if (!parked_add(&m->parked, message->id, message->whole))
		mcp_refuse(m, message->id, JSONRPC_INTERNAL_ERROR,
			   "too many calls, or too large ones, wait for the client's answer to what it was asked; send "
			   "this one again when it has answered");
	return true;
}

static void read_again(struct mcp *m)
{
	struct parked parked = m->parked;

	m->parked = (struct parked){0};
	for (size_t i = 0; i < parked.count; i++)
		mcp_line(m, span_of(parked.lines[i].text, parked.lines[i].len));
	parked_done(&parked);
}

/* A client may bring what is of no use as often as it likes: no line is read again for that. */
void mcp_unpark(struct mcp *m)
{
	if (m->parked.count > 0 && !variables_missing(m) && !mcp_roots_missing(m))
		read_again(m);
}

void mcp_give_back(struct mcp *m)
{
	read_again(m);
}

bool mcp_park_cancel(struct mcp *m, struct span id)
{
	return parked_remove(&m->parked, id);
}

void mcp_park_variables(struct mcp *m, struct span params)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	json_auto_t *p = NULL;

	if (!m->variables_asked) /* the relay in front was not asked: whoever says it is not the relay */
		return;
	m->variables_asked = false;
	if (params.p && params.len <= MCP_VARIABLES_MAX && json_parse(params.p, params.len, &p, &err) == 0 &&
	    door_client_bring(m->o.client, json_object_get(p, "values"), &err) < 0) {
		/* the calls below say that variables are not set: the relay in front is not ours */
	}
	mcp_unpark(m);
}

void mcp_park_done(struct mcp *m)
{
	parked_done(&m->parked);
}
