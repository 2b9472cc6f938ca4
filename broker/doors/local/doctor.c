/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor: walks the real path step by step and tells each finding at once (doctor.line {id, key, text, good}); the
 * answer is {bad: how many}.
 *
 *   configuration -> providers' report -> one tiny run a language -> each server started once -> answer
 */
#include "broker/doors/local/internal.h"
#include "broker/doors/names.h"

#include <stdio.h>
#include <string.h>

static const struct {
	int language;
	const char *name, *code;
} tiny[] = {
	{RUN_JAVASCRIPT, "javascript", "return 6 * 7"},
	{RUN_PYTHON, "python", "6 * 7"},
	{RUN_BASH, "bash", "echo 42"},
};

struct doctor {
	size_t step; /* of tiny */
	unsigned bad;
};

static void next_step(struct request *q);

static void tell(void *user, const char *key, const char *text, int good)
{
	_cleanup_buf_ struct buf members = BUF_INIT(64 * 1024);
	struct request *q = user;
	struct doctor *d = q->state;

	if (!good)
		d->bad++;
	if (buf_append_member(&members, "key", key) == 0 && buf_append_member(&members, "text", text) == 0 &&
	    buf_printf(&members, ",\"good\":%s", good ? "true" : "false") == 0)
		request_notify(q, "doctor.line", span_of(buf_head(&members), members.len));
}

static void finish(struct request *q)
{
	struct doctor *d = q->state;
	char answer[64];

	snprintf(answer, sizeof(answer), "{\"bad\":%u}", d->bad);
	request_answer(q, span_of(answer, strlen(answer)));
}

/* Nobody hears of it any more: the callback that comes last frees the request. */
static bool gone(struct request *q)
{
	if (q->conn)
		return false;
	request_free(q);
	return true;
}

/* ---- servers ---- */

static void tell_server(struct request *q, struct span server)
{
	_cleanup_free_ char *name = span_strdup(span_member(server, "name"), 256);
	_cleanup_free_ char *problem = span_strdup(span_member(server, "problem"), 8192);
	struct span tools = span_member(server, "tools");
	const struct config_server *config;
	char key[300], text[96];

	snprintf(key, sizeof(key), "server %s", name ? name : "?");
	config = name ? names_find_server(client_config(door_client_get(q->conn->client)), name, strlen(name)) : NULL;
	if (config && config->disabled)
		return tell(q, key, "disabled in the configuration", 1);
	if (problem && *problem)
		return tell(q, key, problem, 0);
	snprintf(text, sizeof(text), "%.*s tools", tools.p ? (int)tools.len : 1, tools.p ? tools.p : "0");
	tell(q, key, text, 1);
}

static void on_searched(void *user, struct buf *json, const struct error *err)
{
	_cleanup_buf_ struct buf list = BUF_INIT(64 * 1024 * 1024);
	struct request *q = user;
	struct span server;
	size_t at = 0;

	if (gone(q))
		return;
	if (err && err->code)
		tell(q, "servers", error_text(err), 0);
	else if (tools_servers(door_client_get(q->conn->client), &list) == 0)
		while (q->conn && span_next_element(span_of(buf_head(&list), list.len), &at, &server))
			tell_server(q, server);
	finish(q);
}

static void start_servers(struct request *q)
{
	struct search_request request = {.query = (char *)"", .detail = 2};
	_cleanup_error_ struct error err = ERROR_INIT;

	if (tools_search(door_client_get(q->conn->client), &request, on_searched, q, &err) < 0) {
		tell(q, "servers", error_text(&err), 0);
		finish(q);
	}
}

/* ---- tiny runs ---- */

static void on_ran(void *user, const struct run_result *result)
{
	_cleanup_buf_ struct buf text = BUF_INIT(64 * 1024);
	_cleanup_free_ char *line = NULL;
	struct request *q = user;
	struct doctor *d = q->state;
	char key[64];

	q->run = NULL;
	snprintf(key, sizeof(key), "run %s", tiny[d->step].name);
	if (run_result_text(result, 4096, &text) == 0)
		line = buf_steal(&text, NULL);
	if (run_result_ok(result) && line)
		line[strcspn(line, "\n")] = '\0';
	tell(q, key, line ? line : "no result", run_result_ok(result));
	d->step++;
	next_step(q);
}

static void next_step(struct request *q)
{
	static const struct run_events events = {.end = on_ran};
	struct doctor *d = q->state;

	for (; q->conn && d->step < ARRAY_SIZE(tiny); d->step++) {
		struct run_request request = {.code = (char *)tiny[d->step].code, .language = tiny[d->step].language};
		_cleanup_error_ struct error err = ERROR_INIT;

		if (run_start(door_client_get(q->conn->client), &request, &events, q, &q->run, &err) == 0)
			return;
		tell(q, tiny[d->step].name, error_text(&err), 0);
	}
	if (!gone(q))
		start_servers(q);
}

static void tell_config(struct request *q, const struct config *c)
{
	char text[4200];

	if (c->path)
		snprintf(text, sizeof(text), "%s, %zu server%s", c->path, c->server_count,
			 c->server_count == 1 ? "" : "s");
	else
		snprintf(text, sizeof(text),
			 "there is no configuration; write hawser.yaml with mcpServers (hawser help config)");
	tell(q, "configuration", text, c->path != NULL);
	for (size_t i = 0; i < c->notes.count; i++)
		tell(q, "note", c->notes.items[i], 1);
}

static void on_reported(void *user)
{
	next_step(user); /* which frees it when nobody hears of it any more */
}

void method_doctor(struct request *q, struct span params)
{
	enum door_client_state state = door_client_check(q->conn->client);

	q->state = calloc(1, sizeof(struct doctor));
	if (!q->state)
		return request_fail(q, LOCAL_CODE_FAILED, "no memory");
	if (state == DOOR_CLIENT_READY) {
		tell_config(q, client_config(door_client_get(q->conn->client)));
	} else {
		tell(q, "configuration",
		     state == DOOR_CLIENT_FAULTY ? door_client_fault(q->conn->client) : "the variables were not sent",
		     0);
		return finish(q);
	}
	if (q->conn)
		core_report(q->conn->local->o.core, door_client_get(q->conn->client), tell, on_reported, q);
	else
		next_step(q);
}
