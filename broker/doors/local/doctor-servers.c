/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor, its last step: every server is started (initialize, tools/list), then one tool of each that is only read from
 * and wants no arguments is called through policy like any other; it is given up after ten seconds. A server without
 * such a tool is not called, and its line says so.
 */
#include "broker/doors/local/doctor.h"
#include "broker/doors/names.h"

#include <stdio.h>
#include <string.h>

enum { PATIENCE_MS = 10000 };

static void next_server(struct request *q);

static void tell_server(struct request *q, const char *name, const char *text, const char *cure, bool good)
{
	char key[300];

	snprintf(key, sizeof(key), "server %s", name);
	doctor_tell(q, key, text, cure, good);
}

/* ---- the call ---- */

/* What a call that did not succeed says of the path to the server: a tool's own error came all the way. */
static const struct {
	const char *kind, *text;
} came_through[] = {
	{"denied", "policy keeps doctor from calling"},
	{"approval_refused", "a person keeps doctor from calling"},
	{"tool_error", "an error of its own came from"},
};

static void tell_call(struct request *q, const struct call_reply *reply)
{
	struct doctor *d = q->state;
	struct server_health health;
	char text[8192];

	if (reply->ok) {
		snprintf(text, sizeof(text), "%zu tools; %.200s, which only reads, was called and answered", d->tools,
			 d->tool);
		return tell_server(q, d->name, text, NULL, true);
	}
	if (d->late) {
		snprintf(text, sizeof(text), "%zu tools; %.200s, which only reads, took over %d s and was given up",
			 d->tools, d->tool, PATIENCE_MS / 1000);
		return tell_server(q, d->name, text, NULL, true);
	}
	for (size_t i = 0; i < ARRAY_SIZE(came_through); i++)
		if (strcmp(reply->kind, came_through[i].kind) == 0) {
			snprintf(text, sizeof(text), "%zu tools; %s %.200s: %.4000s", d->tools, came_through[i].text,
				 d->tool, reply->message);
			return tell_server(q, d->name, text, NULL, true);
		}
	server_health(door_client_get(q->conn->client), d->name, &health);
	snprintf(text, sizeof(text), "calling %.200s: %.6000s", d->tool, reply->message);
	tell_server(q, d->name, text, health.cure, false);
}

static void on_called(void *user, const struct call_reply *reply)
{
	struct request *q = user;
	struct doctor *d = q->state;

	q->call = NULL;
	loop_timer_stop(d->patience);
	if (q->conn)
		tell_call(q, reply);
	next_server(q);
}

static void on_patience(void *user)
{
	struct request *q = user;
	struct doctor *d = q->state;

	d->late = true;
	if (q->call)
		call_cancel(q->call);
}

/* False: no call was begun. */
static bool call_harmless(struct request *q, const char *tool)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct doctor *d = q->state;

	d->late = false;
	snprintf(d->tool, sizeof(d->tool), "%s", tool);
	if (call_start(door_client_get(q->conn->client), d->name, d->tool, SPAN_LIT("{}"), on_called, q, &q->call,
		       &err) < 0)
		return false;
	loop_timer_start(d->patience, PATIENCE_MS);
	return true;
}

/* ---- one after the other ---- */

static void tell_problem(struct request *q, const char *problem, const char *cure)
{
	struct doctor *d = q->state;
	size_t len = strlen(problem), tail = strlen(ERROR_CURE) + strlen(cure);
	_cleanup_free_ char *text = NULL;

	if (len > tail && strcmp(problem + len - strlen(cure), cure) == 0) /* a text of our own has it too */
		text = strndup(problem, len - tail);
	tell_server(q, d->name, text ? text : problem, cure, false);
}

/* True: a call is on its way, which goes on by itself. */
static bool look_at(struct request *q, struct span server)
{
	_cleanup_free_ char *problem = span_strdup(span_member(server, "problem"), 8192);
	struct client *client = door_client_get(q->conn->client);
	_cleanup_free_ char *name = span_strdup(span_member(server, "name"), 255);
	_cleanup_free_ char *notice = span_strdup(span_member(server, "notice"), 512);
	const struct config_server *config;
	struct doctor *d = q->state;
	struct server_health health;
	int64_t tools = 0;
	char text[96];

	if (!name)
		return false;
	snprintf(d->name, sizeof(d->name), "%s", name);
	config = names_find_server(client_config(client), name, strlen(name));
	if (config && config->disabled) {
		tell_server(q, name, "disabled in the configuration", NULL, true);
		return false;
	}
	server_health(client, name, &health);
	if (problem && *problem) {
		tell_problem(q, problem, health.cure);
		return false;
	}
	if (notice && *notice)
		tell_server(q, name, notice, NULL, true);
	(void)!span_int64(span_member(server, "tools"), &tools);
	d->tools = (size_t)tools;
	if (health.harmless && call_harmless(q, health.harmless))
		return true;
	snprintf(text, sizeof(text), "%zu tools; none was called, as none is known to be harmless", d->tools);
	tell_server(q, name, text, NULL, true);
	return false;
}

static void next_server(struct request *q)
{
	struct doctor *d = q->state;
	struct span server;

	while (q->conn && span_next_element(span_of(buf_head(&d->list), d->list.len), &d->at, &server))
		if (look_at(q, server))
			return;
	doctor_finish(q);
}

static void on_searched(void *user, struct buf *json, const struct error *err)
{
	struct request *q = user;
	struct doctor *d = q->state;

	if (q->conn && err && err->code)
		doctor_tell(q, "servers", error_text(err), NULL, false);
	else if (q->conn && tools_servers(door_client_get(q->conn->client), &d->list) < 0)
		doctor_tell(q, "servers", "there are too many to be listed", NULL, false);
	next_server(q);
}

void doctor_try_servers(struct request *q)
{
	struct search_request request = {.query = (char *)"", .detail = 2};
	_cleanup_error_ struct error err = ERROR_INIT;
	struct doctor *d = q->state;
	int r;

	r = loop_timer_new(q->conn->local->o.loop, on_patience, q, &d->patience, &err);
	if (r == 0)
		r = tools_search(door_client_get(q->conn->client), &request, on_searched, q, &err);
	if (r == 0)
		return;
	doctor_tell(q, "servers", error_text(&err), NULL, false);
	doctor_finish(q);
}
