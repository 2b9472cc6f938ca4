/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client that declared elicitation has a person behind it: calls of its runs that policy asks about are put to that
 * person as a form with one decision, one question after the other. The id of the request is that of the question,
 * which nobody can guess: an answer that was meant for another broker answers nothing.
 */
#include "broker/doors/mcp/internal.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>

enum { QUESTION_BYTES_MAX = 256 * 1024, QUESTIONS_MAX = 256 };

#define DECISION_SCHEMA(words)                                                                           \
	"{\"type\":\"object\",\"properties\":{\"decision\":{\"type\":\"string\",\"title\":\"Decision\"," \
	"\"enum\":[" words "]}},\"required\":[\"decision\"]}"

struct mcp_question {
	struct mcp_question *prev, *next;
	const struct approval *approval; /* until it is over */
	char *id; /* as it stands in the request: a JSON string */
	bool sent;
};

static void drop(struct mcp *m, struct mcp_question *q)
{
	DL_DELETE(m->questions, q);
	m->question_count--;
	free(q->id);
	free(q);
}

/* ---- to the client ---- */

static int write_question(const struct mcp_question *q, struct buf *out)
{
	_cleanup_buf_ struct buf text = BUF_INIT(QUESTION_BYTES_MAX), params = BUF_INIT(QUESTION_BYTES_MAX);
	struct span form = approval_form(q->approval);
	int r = approval_text(q->approval, &text);

	if (r == 0)
		r = buf_append_str(&params, "{\"message\":");
	if (r == 0)
		r = buf_append_json(&params, (const char *)buf_head(&text), text.len);
	if (r == 0)
		r = buf_append_str(&params, ",\"requestedSchema\":");
	if (r == 0 && form.p)
		r = jsonrpc_append_raw(&params, form);
	if (r == 0 && form.p)
		r = buf_append_str(&params, "}");
	if (r == 0 && !form.p)
		r = buf_append_str(&params, approval_has_always(q->approval)
						    ? DECISION_SCHEMA("\"allow\",\"always\",\"refuse\"") "}"
						    : DECISION_SCHEMA("\"allow\",\"refuse\"") "}");
	return r ? r
		 : jsonrpc_write_request(out, span_of(q->id, strlen(q->id)), "elicitation/create",
					 span_of(buf_head(&params), params.len));
}

static void ask_first(struct mcp *m)
{
	struct mcp_question *q = m->questions;
	_cleanup_buf_ struct buf out = BUF_INIT(2 * QUESTION_BYTES_MAX);

	if (!q || q->sent)
		return;
	q->sent = true;
	if (write_question(q, &out) == 0)
		(void)!m->o.send(m->o.user, buf_head(&out), out.len); /* one that is gone takes its questions along */
}

static void on_asked(void *user, const struct approval *a)
{
	struct mcp *m = user;
	struct mcp_question *q = m->question_count < QUESTIONS_MAX ? calloc(1, sizeof(*q)) : NULL;

	if (!q || asprintf(&q->id, "\"%s\"", approval_id(a)) < 0) {
		free(q);
		approver_decline(door_client_approver(m->o.client), a);
		return;
	}
	q->approval = a;
	DL_APPEND(m->questions, q);
	m->question_count++;
	ask_first(m);
}

/* Answered by this client, or elsewhere: then it need not be asked any more. */
static void on_over(void *user, const struct approval *a)
{
	struct mcp *m = user;
	struct mcp_question *q, *next;

	DL_FOREACH_SAFE (m->questions, q, next) {
		_cleanup_buf_ struct buf params = BUF_INIT(1024);
		const char *by = approval_by(a);

		if (q->approval != a)
			continue;
		if (q->sent && buf_printf(&params, "{\"requestId\":%s,\"reason\":\"%s%s\"}", q->id, approval_outcome(a),
					  by ? " elsewhere" : "") == 0)
			mcp_notify(m, "notifications/cancelled", span_of(buf_head(&params), params.len));
		drop(m, q);
	}
	ask_first(m);
}

/* ---- from the client ---- */

/* A name for the audit log; the client says it, so it proves nothing. */
static void take_name(struct mcp *m, struct span params)
{
	struct span info = params.p ? span_member(params, "clientInfo") : SPAN_NONE;
	_cleanup_free_ char *name = info.p ? span_strdup(span_member(info, "name"), 1024) : NULL;
	size_t n = 0;

	for (const char *p = name; p && *p && n < 32; p++)
		m->client_name[n++] = isalnum((unsigned char)*p) || strchr(" ._-/", *p) ? *p : '?';
	m->client_name[n] = '\0';
}

static bool puts_forms(struct span params)
{
	struct span capabilities = params.p ? span_member(params, "capabilities") : SPAN_NONE;
	struct span elicitation = capabilities.p ? span_member(capabilities, "elicitation") : SPAN_NONE;

	if (!elicitation.p || span_type(elicitation) != SPAN_OBJECT)
		return false;
	return span_member(elicitation, "form").p || !span_member(elicitation, "url").p;
}

void mcp_asking_init(struct mcp *m, struct span params)
{
	static const struct approver_events events = {.asked = on_asked, .over = on_over};
	_cleanup_error_ struct error err = ERROR_INIT;

	mcp_asking_done(m);
	take_name(m, params);
	/* One that cannot be made (no memory) leaves the client as one that cannot be asked. */
	if (puts_forms(params))
		(void)!door_client_ask(m->o.client, false, &events, m, &err);
}

void mcp_asking_done(struct mcp *m)
{
	door_client_unask(m->o.client);
	while (m->questions)
		drop(m, m->questions);
}

static struct mcp_question *find(struct mcp *m, struct span id)
{
	struct mcp_question *q;

	DL_FOREACH (m->questions, q) {
		if (q->sent && id.p && span_equals(id, q->id))
			return q;
	}
	return NULL;
}

/* Somebody may have been faster; what does not fit the form is no answer that the server could use. */
static void give_answer(struct mcp *m, const char *id, struct approval_answer *answer)
{
	struct core *core = door_client_core(m->o.client);
	const char *subject = door_client_subject(m->o.client);
	_cleanup_error_ struct error err = ERROR_INIT, again = ERROR_INIT;

	if (approval_answer(core, subject, id, answer, NULL, &err) != -EINVAL)
		return;
	answer->approve = false;
	(void)!approval_answer(core, subject, id, answer, NULL, &again);
}

/* A form of a server is filled in as a whole; a question of policy has one field, the decision. */
static void read_answer(struct span result, bool is_form, struct approval_answer *ret)
{
	struct span action = span_member(result, "action"), content = span_member(result, "content");
	struct span decision = span_member(content, "decision");

	ret->dismissed = span_string_equals(action, "cancel");
	if (!span_string_equals(action, "accept"))
		return;
	ret->content = content;
	ret->always = !is_form && span_string_equals(decision, "always");
	ret->approve = is_form || ret->always || span_string_equals(decision, "allow");
}

void mcp_asking_answered(struct mcp *m, const struct jsonrpc_message *message)
{
	struct mcp_question *q = find(m, message->id);
	_cleanup_free_ char *id = NULL;
	struct approval_answer answer = {0};
	bool is_form;
	char by[80];

	if (!q)
		return;
	if (message->kind == JSONRPC_ERROR) {
		const struct approval *a = q->approval;

		drop(m, q);
		approver_decline(door_client_approver(m->o.client), a);
		ask_first(m);
		return;
	}
	id = strdup(approval_id(q->approval));
	is_form = approval_form(q->approval).p != NULL;
	drop(m, q); /* before on_over(): the client has answered it */
	read_answer(message->result, is_form, &answer);
	snprintf(by, sizeof(by), "elicitation%s%s", m->client_name[0] ? " of " : "", m->client_name);
	answer.by = by;
	if (id)
		give_answer(m, id, &answer);
	ask_first(m);
}
