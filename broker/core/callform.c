/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server that asks a person while it works on a call (elicitation). The question goes to whoever would be asked about
 * that call, its clock stands still meanwhile, and it is withdrawn when the call ends first. During which of its calls
 * it asks is told by the answer's stream that it comes in; through pipes nothing tells it. There it is the newest, as
 * long as all that it may be in would ask the same person: nobody is shown what a server asks
 * another. With nobody there it is declined.
 */
#include "broker/core/call.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

enum { DECLINED_MS = 60000 /* between two lines of log and audit about one server */ };

struct call_form {
	struct call_form *prev, *next;
	struct call *call;
	struct upstream_ask *ask; /* NULL: answered, or taken back */
	struct ask_waiter waiter;
};

static void begin_wait(struct call *call)
{
	if (call->forms->next) /* it waits already */
		return;
	call->form_since_ns = clock_now_ns();
	if (call->request)
		upstream_hold(call->request, true);
	if (call->run)
		runs_wait_begin(call->run);
}

static void free_form(struct call_form *form)
{
	struct call *call = form->call;

	DL_DELETE(call->forms, form);
	free(form);
	if (call->forms)
		return;
	call->waited_ns += clock_now_ns() - call->form_since_ns;
	if (call->request)
		upstream_hold(call->request, false);
	if (call->run)
		runs_wait_end(call->run);
}

static void answer(struct call_form *form, const struct ask_end *end)
{
	_cleanup_buf_ struct buf out = BUF_INIT(2 * end->content.len + 4096);
	struct span content = end->content.p ? end->content : SPAN_LIT("{}");
	bool accepted = end->outcome == ASK_APPROVED;
	int r;

	r = buf_printf(&out, "{\"action\":\"%s\"",
		       accepted                                         ? "accept"
		       : end->outcome == ASK_REFUSED && !end->dismissed ? "decline"
									: "cancel");
	if (r == 0 && accepted)
		r = buf_append_str(&out, ",\"content\":");
	if (r == 0 && accepted)
		r = buf_append(&out, content.p, content.len);
	if (r == 0)
		r = buf_append_str(&out, "}");
	upstream_answer(TAKE_PTR(form->ask),
			r == 0 ? span_of(buf_head(&out), out.len) : SPAN_LIT("{\"action\":\"cancel\"}"));
}

static void on_answer(void *user, const struct ask_end *end)
{
	struct call_form *form = user;
	struct call *call = form->call;

	call->answer = end->outcome;
	free(call->asked_id);
	free(call->answered_by);
	call->asked_id = strdup(end->id);
	call->answered_by = end->by ? strdup(end->by) : NULL;
	if (form->ask)
		answer(form, end);
	free_form(form);
}

/* Whoever is asked about a call: of a run its client's approver, as in call_ask(). */
static bool ask(struct call_form *form, struct span params)
{
	struct call *call = form->call;
	struct ask_request request = {
		.view = call->view,
		.run = call->run,
		.own = call_approver(call),
		.server = call->server_name,
		.tool = call->tool_name,
		.rule = "elicitation",
	};
	struct span message = span_member(params, "message"), schema = span_member(params, "requestedSchema");

	return span_type(message) == SPAN_STRING && span_type(schema) == SPAN_OBJECT &&
	       ask_form(&request, message, schema, &form->waiter, on_answer, form);
}

/* ---- whose question it is ---- */

static uint64_t approver_of(const struct call *call)
{
	const struct approver *approver = call_approver(call);

	return approver ? approver->number : 0;
}

static bool ask_the_same(const struct call *a, const struct call *b)
{
	return strcmp(a->view->subject, b->view->subject) == 0 && approver_of(a) == approver_of(b);
}

/* May the server still be at work for somebody else, who gave up waiting? */
static bool has_strays_of_others(struct shared_upstream *shared, const struct call *call)
{
	return strays_of_others(&shared->strays, shared->upstream, call->view->subject, approver_of(call));
}

void call_is_given_up(const struct call *call)
{
	struct shared_upstream *shared = call->sent;

	if (shared)
		strays_add(&shared->strays, shared->upstream, upstream_request_id(call->request), call->view->subject,
			   approver_of(call));
}

/* NULL: nobody can say which call it is. */
static struct call *call_of(struct shared_upstream *shared, const struct upstream_request *during)
{
	struct call *call, *newest = NULL;

	DL_FOREACH (shared->calls, call) {
		if (during && call->request == during)
			return call;
		if (during || !upstream_is_sent(call->request))
			continue;
		if (newest && !ask_the_same(newest, call))
			return NULL;
		newest = call;
	}
	return newest && !has_strays_of_others(shared, newest) ? newest : NULL;
}

/* A server may ask without an end: not each is a line. */
static void tell_declined(struct shared_upstream *shared)
{
	const char *why = "it may belong to calls of several clients, or to none, and is shown to no one; a "
			  "server behind a URL says whose it is by the stream that it asks in";
	const char *name = upstream_name(shared->upstream); /* it may ask when no call is open */
	const struct audit_record record = {
		.server = name,
		.verdict = policy_verdict_name(POLICY_DENY),
		.rule = "elicitation",
		.outcome = "unclear",
	};
	_cleanup_error_ struct error err = ERROR_INIT;
	uint64_t now = clock_now_ms();

	if (shared->declined_ms && now - shared->declined_ms < DECLINED_MS)
		return;
	shared->declined_ms = now;
	log_warn("elicitation_declined", LOG_S("server", name), LOG_S("reason", why));
	if (audit_record(shared->core->audit, &record, &err) < 0)
		log_error("audit_failed", LOG_S("reason", error_text(&err)));
}

void calls_on_ask(void *user, struct upstream_ask *upstream_ask, const struct upstream_request *during,
		  struct span params)
{
	struct shared_upstream *shared = user;
	struct call *call = call_of(shared, during);
	struct call_form *form = call ? calloc(1, sizeof(*form)) : NULL;

	if (!call)
		tell_declined(shared);
	if (form)
		*form = (struct call_form){.call = call, .ask = upstream_ask};
	if (!form || !ask(form, params)) {
		free(form);
		upstream_answer(upstream_ask, SPAN_LIT("{\"action\":\"decline\"}"));
		return;
	}
	DL_APPEND(call->forms, form);
	begin_wait(call);
}

void calls_on_ask_gone(void *user, struct upstream_ask *upstream_ask)
{
	struct shared_upstream *shared = user;
	struct call_form *form;
	struct call *call;

	DL_FOREACH (shared->calls, call) {
		DL_FOREACH (call->forms, form) {
			if (form->ask != upstream_ask)
				continue;
			form->ask = NULL;
			ask_leave(&form->waiter);
			free_form(form);
			return;
		}
	}
}

/* ---- calls at their server ---- */

void call_is_sent(struct call *call)
{
	call->sent = call->server->shared;
	DL_APPEND(call->sent->calls, call);
}

void calls_server_gone(struct shared_upstream *shared)
{
	while (shared->calls)
		call_is_back(shared->calls);
}

void call_is_back(struct call *call)
{
	if (!call->sent)
		return;
	DL_DELETE(call->sent->calls, call);
	call->sent = NULL;
	while (call->forms) {
		struct call_form *form = call->forms;

		ask_leave(&form->waiter);
		if (form->ask)
			answer(form, &(struct ask_end){.outcome = ASK_WITHDRAWN});
		free_form(form);
	}
}
