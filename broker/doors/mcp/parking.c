/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that came too early: the configuration has changed and its new variables are not here yet, or the client has
 * not said its roots. They wait as lines, in their order, and are read again when what was missing has come.
 */
#include "broker/doors/mcp/internal.h"

#include <string.h>

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

static bool keep(struct mcp *m, struct span line)
{
	char **parked;

	if (m->parked_count >= MCP_PARKED_MAX)
		return false;
	parked = realloc(m->parked, (m->parked_count + 1) * sizeof(*parked));
	if (!parked)
		return false;
	m->parked = parked;
	parked[m->parked_count] = strndup(line.p, line.len);
	if (!parked[m->parked_count])
		return false;
	m->parked_count++;
	return true;
}

bool mcp_park(struct mcp *m, const struct jsonrpc_message *message)
{
	bool variables = door_client_check(m->o.client) == DOOR_CLIENT_WANTS_VARIABLES;
	bool roots = mcp_roots_missing(m);

	if (m->parked_count == 0 && !variables && !roots)
		return false;
	if (!keep(m, message->whole)) {
		mcp_refuse(m, message->id, JSONRPC_INTERNAL_ERROR, "too many calls wait for the client's answer");
		return true;
	}
	if (variables && !m->variables_asked)
		ask_for_variables(m);
	return true;
}

void mcp_unpark(struct mcp *m)
{
	char **parked = TAKE_PTR(m->parked);
	size_t count = m->parked_count;

	m->parked_count = 0;
	for (size_t i = 0; i < count; i++) {
		mcp_line(m, span_of(parked[i], strlen(parked[i])));
		free(parked[i]);
	}
	free(parked);
}

bool mcp_park_cancel(struct mcp *m, struct span id)
{
	for (size_t i = 0; i < m->parked_count; i++) {
		_cleanup_error_ struct error err = ERROR_INIT;
		struct jsonrpc_message message;

		if (jsonrpc_parse(span_of(m->parked[i], strlen(m->parked[i])), true, &message, &err) < 0 ||
		    message.id.len != id.len || memcmp(message.id.p, id.p, id.len) != 0)
			continue;
		free(m->parked[i]);
		memmove(m->parked + i, m->parked + i + 1, (--m->parked_count - i) * sizeof(*m->parked));
		return true;
	}
	return false;
}

void mcp_park_variables(struct mcp *m, struct span params)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	json_auto_t *p = NULL;

	m->variables_asked = false;
	if (params.p && json_parse(params.p, params.len, &p, &err) == 0 &&
	    door_client_bring(m->o.client, json_object_get(p, "values"), &err) < 0) {
		/* the calls below say that variables are not set: the relay in front is not ours */
	}
	mcp_unpark(m);
}

void mcp_park_done(struct mcp *m)
{
	for (size_t i = 0; i < m->parked_count; i++)
		free(m->parked[i]);
	free(m->parked);
}
