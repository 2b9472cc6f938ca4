/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/doors/local/internal.h"

#include <string.h>

enum { SHOW_MAX = 16 * 1024 * 1024 };

/* Servers that this client cannot use, for want of a variable or because they are Hawser itself. */
static void add_unusable(struct client *client, json_t *notes)
{
	const struct config *c = client_config(client);
	_cleanup_buf_ struct buf out = BUF_INIT(SHOW_MAX);
	_cleanup_error_ struct error err = ERROR_INIT;
	json_auto_t *servers = NULL;
	json_t *server;
	size_t i;

	if (tools_servers(client, &out) < 0 || json_parse((const char *)buf_head(&out), out.len, &servers, &err) < 0)
		return;
	json_array_foreach (servers, i, server) {
		const char *state = json_string_value(json_object_get(server, "state"));
		const char *problem = json_string_value(json_object_get(server, "problem"));

		if (i >= c->server_count || c->servers[i].disabled || !state || !problem ||
		    strcmp(state, "unusable") != 0)
			continue;
		json_array_append_new(notes, *problem == '/'
						     ? json_string(problem)
						     : json_sprintf("server %s: %s", c->servers[i].id, problem));
	}
}

/* One a line, as faults are; NULL: nothing is missing. */
static json_t *missing_lines(const struct config *c)
{
	_cleanup_buf_ struct buf lines = BUF_INIT(SHOW_MAX);

	for (size_t i = 0; i < c->missing.count; i++)
		if (buf_printf(&lines, "%s%s", i ? "\n" : "", c->missing.items[i]) < 0)
			break;
	return lines.len ? json_stringn((const char *)buf_head(&lines), lines.len) : NULL;
}

/* The faults are the answer here, not an error: {path, faults: "FILE:LINE: ...\n...", notes: [...]}. */
void method_config_check(struct request *q, struct span params)
{
	enum door_client_state state = door_client_check(q->conn->client);
	_cleanup_buf_ struct buf out = BUF_INIT(SHOW_MAX);
	json_auto_t *answer = json_object(), *notes = json_array();
	const struct config *c;

	if (state == DOOR_CLIENT_WANTS_VARIABLES)
		return request_fail(q, JSONRPC_INVALID_REQUEST, "the values of the variables come first: env");
	if (state == DOOR_CLIENT_FAULTY) {
		json_object_set_new(answer, "faults", json_string(door_client_fault(q->conn->client)));
	} else {
		c = client_config(door_client_get(q->conn->client));
		json_object_set_new(answer, "path", c->path ? json_string(c->path) : json_null());
		json_object_set_new(answer, "servers", json_integer((json_int_t)c->server_count));
		if (c->missing.count > 0)
			json_object_set_new(answer, "faults", missing_lines(c));
		for (size_t i = 0; i < c->notes.count; i++)
			json_array_append_new(notes, json_string(c->notes.items[i]));
		add_unusable(door_client_get(q->conn->client), notes);
	}
	json_object_set(answer, "notes", notes);
	if (json_print(&out, answer) < 0)
		request_fail(q, LOCAL_CODE_FAILED, "the answer is too large");
	else
		request_answer_buf(q, &out);
}

void method_config_show(struct request *q, struct span params)
{
	_cleanup_buf_ struct buf out = BUF_INIT(SHOW_MAX);

	if (config_show(client_config(door_client_get(q->conn->client)), &out) < 0)
		request_fail(q, LOCAL_CODE_FAILED, "the configuration is too large to be shown");
	else
		request_answer_buf(q, &out);
}
