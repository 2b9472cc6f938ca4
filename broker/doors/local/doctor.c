/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor: walks the real path step by step and tells each finding at once (doctor.line {id, key, text, cure?, good});
 * the answer is {bad: how many}.
 *
 *   configuration, policy -> providers' report -> one tiny run a language -> each server (doctor-servers.c) -> answer
 */
#include "broker/doors/local/doctor.h"

#include <limits.h>
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

static void next_step(struct request *q);

void doctor_tell(struct request *q, const char *key, const char *text, const char *cure, bool good)
{
	_cleanup_buf_ struct buf members = BUF_INIT(64 * 1024);
	struct doctor *d = q->state;
	int r;

	if (!good)
		d->bad++;
	r = buf_append_member(&members, "key", key);
	if (r == 0)
		r = buf_append_member(&members, "text", text);
	if (r == 0 && cure && *cure)
		r = buf_append_member(&members, "cure", cure);
	if (r == 0)
		r = buf_printf(&members, ",\"good\":%s", good ? "true" : "false");
	if (r == 0)
		request_notify(q, "doctor.line", span_of(buf_head(&members), members.len));
}

/* A text of our own, which may end with ERROR_CURE and what cures it. */
static void tell_own(struct request *q, const char *key, const char *text, int good)
{
	size_t len;
	const char *cure = error_cure(text, &len);
	_cleanup_free_ char *what = strndup(text, len);

	doctor_tell(q, key, what ? what : text, cure, good);
}

static void tell_report(void *user, const char *key, const char *text, int good)
{
	struct request *q = user;
	struct doctor *d = q->state;

	for (size_t i = 0; !good && i < ARRAY_SIZE(tiny); i++)
		if (strcmp(key, tiny[i].name) == 0)
			d->missing |= 1u << i;
	tell_own(q, key, text, good);
}

void doctor_finish(struct request *q)
{
	struct doctor *d = q->state;
	char answer[64];

	buf_done(&d->list);
	d->patience = loop_timer_free(d->patience);
	snprintf(answer, sizeof(answer), "{\"bad\":%u}", d->bad);
	request_answer(q, span_of(answer, strlen(answer)));
}

/* ---- tiny runs ---- */

/* What keeps one language from running mostly keeps all of them. */
static void tell_run(struct request *q, const char *line, bool ok)
{
	struct doctor *d = q->state;
	char key[64];

	snprintf(key, sizeof(key), "run %s", tiny[d->step].name);
	if (!ok && strncmp(line, d->said, sizeof(d->said) - 1) == 0)
		return doctor_tell(q, key, "the same", NULL, false);
	if (!ok)
		snprintf(d->said, sizeof(d->said), "%s", line);
	tell_own(q, key, line, ok);
}

static void on_ran(void *user, const struct run_result *result)
{
	_cleanup_buf_ struct buf text = BUF_INIT(64 * 1024);
	_cleanup_free_ char *line = NULL;
	struct request *q = user;
	struct doctor *d = q->state;

	q->run = NULL;
	if (run_result_text(result, 4096, &text) == 0)
		line = buf_steal(&text, NULL);
	if (line)
		line[strcspn(line, "\n")] = '\0';
	tell_run(q, line ? line : "no result", run_result_ok(result));
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

		if (d->missing & (1u << d->step))
			continue;
		if (run_start(door_client_get(q->conn->client), &request, &events, q, &q->run, &err) == 0)
			return;
		tell_run(q, error_text(&err), false);
	}
	if (q->conn)
		doctor_try_servers(q);
	else
		doctor_finish(q);
}

/* ---- configuration ---- */

static void tell_policy(struct request *q, const struct config *c)
{
	const json_t *rules = json_object_get(c->policy, "rules");
	const char *preset = json_string_value(json_object_get(c->policy, "default"));
	char text[160];

	snprintf(text, sizeof(text), "%zu rule%s, then the default: %.80s", json_array_size(rules),
		 json_array_size(rules) == 1 ? "" : "s",
		 preset ? preset : "what trusted servers mark read-only is allowed, about the rest you are asked");
	doctor_tell(q, "policy", text, NULL, true);
}

static void tell_config(struct request *q, const struct config *c)
{
	char text[PATH_MAX + 64];

	snprintf(text, sizeof(text), "%s, %zu server%s", c->path ? c->path : "there is none", c->server_count,
		 c->server_count == 1 ? "" : "s");
	doctor_tell(q, "configuration", text,
		    c->path ? NULL : "hawser init, or write hawser.yaml with mcpServers (hawser help config)",
		    c->path != NULL);
	if (c->path && c->server_count == 0)
		doctor_tell(q, "note",
			    "no server is configured, so programs have no tools: hawser init moves those of your MCP "
			    "clients here, or write mcpServers (hawser help config)",
			    NULL, true);
	for (size_t i = 0; i < c->notes.count; i++)
		doctor_tell(q, "note", c->notes.items[i], NULL, true);
	tell_policy(q, c);
}

static void on_reported(void *user)
{
	next_step(user); /* which frees it when nobody hears of it any more */
}

void method_doctor(struct request *q, struct span params)
{
	enum door_client_state state = door_client_check(q->conn->client);
	struct doctor *d = q->state = calloc(1, sizeof(*d));

	if (!d)
		return request_fail(q, LOCAL_CODE_FAILED, "no memory");
	d->list.max = 64 * 1024 * 1024;
	if (state == DOOR_CLIENT_READY) {
		tell_config(q, client_config(door_client_get(q->conn->client)));
	} else {
		doctor_tell(q, "configuration",
			    state == DOOR_CLIENT_FAULTY ? door_client_fault(q->conn->client)
							: "the variables were not sent",
			    "correct the lines that are named; hawser config check looks again", false);
		return doctor_finish(q);
	}
	if (q->conn)
		core_report(q->conn->local->o.core, door_client_get(q->conn->client), tell_report, on_reported, q);
	else
		next_step(q);
}
