/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who stands at the other end of a connection: hello says whose configuration it is, env brings the values of the
 * variables that it names. A configuration that takes its time is read beside the loop; the connection is paused
 * meanwhile, and hello is answered when it is there.
 */
#include "broker/doors/local/internal.h"

static const char *member(json_t *params, const char *name)
{
	return json_string_value(json_object_get(params, name));
}

static void add_unapproved(json_t *answer, const struct config *config)
{
	json_t *files = json_array();

	for (size_t i = 0; i < config->unapproved.count; i++)
		json_array_append_new(files, json_string(config->unapproved.items[i]));
	if (config->unapproved.count > 0)
		json_object_set(answer, "unapproved", files);
	json_decref(files);
}

/* What hello and env say of the configuration: {"variables":[...]} or {"fault":"..."}, and in the end "unapproved",
 * files of the project that are not used until somebody says yes. */
static void add_state(struct conn *c, json_t *answer)
{
	enum door_client_state state = door_client_check(c->client);
	const char *const *names = door_client_variables(c->client);
	json_t *variables = json_array();

	if (state == DOOR_CLIENT_FAULTY)
		json_object_set_new(answer, "fault", json_string(door_client_fault(c->client)));
	for (; state == DOOR_CLIENT_WANTS_VARIABLES && *names; names++)
		json_array_append_new(variables, json_string(*names));
	json_object_set_new(answer, "variables", variables);
	if (state == DOOR_CLIENT_READY)
		add_unapproved(answer, client_config(door_client_get(c->client)));
}

static void answer_hello(struct request *q)
{
	struct conn *c = q->conn;
	json_auto_t *answer = json_pack("{s:s, s:s}", "version", HAWSER_VERSION, "build", c->local->o.build);

	if (answer)
		add_state(c, answer);
	request_answer_json(q, answer);
}

void conn_loaded(void *user)
{
	struct conn *c = user;

	if (c->closing)
		return;
	io_resume(c->io);
	if (c->hello)
		answer_hello(TAKE_PTR(c->hello));
}

void method_hello(struct request *q, struct span params)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct conn *c = q->conn;
	json_auto_t *p = NULL;
	struct config_from from;

	if (c->client)
		return request_fail(q, JSONRPC_INVALID_REQUEST, "hello comes once");
	if (!params.p || json_parse(params.p, params.len, &p, &err) < 0)
		return request_fail(q, JSONRPC_INVALID_PARAMS,
				    "hello wants {version, cwd, config, config_home, home, search_path}");
	from = (struct config_from){.path = member(p, "config"),
				    .config_home = member(p, "config_home"),
				    .cwd = member(p, "cwd"),
				    .home = member(p, "home"),
				    .search_path = member(p, "search_path")};
	if (door_client_new(c->local->o.core, &from, &c->client, &err) < 0)
		return request_fail_error(q, JSONRPC_INVALID_PARAMS, &err);
	if (!door_client_load(c->client, conn_loaded, c))
		return answer_hello(q);
	io_pause(c->io);
	q->lasts = true;
	c->hello = q;
}

void method_env(struct request *q, struct span params)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	json_auto_t *p = NULL, *answer = json_object();
	struct conn *c = q->conn;

	if (!params.p || json_parse(params.p, params.len, &p, &err) < 0 ||
	    door_client_bring(c->client, json_object_get(p, "values"), &err) < 0)
		return request_fail(q, JSONRPC_INVALID_PARAMS, err.code ? error_text(&err) : "env wants {values}");
	if (answer)
		add_state(c, answer);
	request_answer_json(q, answer);
}
