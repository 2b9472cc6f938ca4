/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A call whose verdict is `ask` waits here, parked behind a question (approvals.c), with nothing of it at its server
 * yet. Its own clock has not begun; what comes of it is a value like any other answer.
 */
#include "broker/core/call.h"
#include "broker/core/runs.h"

#include "base/clock.h"

#include <string.h>

static void fail_nobody(struct call *call)
{
	call_fail(call, "denied", false, call->decision.fix,
		  "%s.%s wants a person's word (%s), and nobody can be asked here", call->server_name, call->tool_name,
		  call->decision.rule);
}

static void end_wait(struct call *call, uint64_t since_ns)
{
	call->waited_ns += clock_now_ns() - since_ns;
	if (call->run)
		runs_wait_end(call->run);
}

static void fail_refused(struct call *call, const struct ask_end *end)
{
	call_fail(call, "approval_refused", false, "go on without it; ask the person before it is tried again",
		  "%s.%s was refused by a person (%s, by %s)", call->server_name, call->tool_name, call->decision.rule,
		  end->by ? end->by : "somebody");
}

static void fail_expired(struct call *call)
{
	call_fail(call, "approval_expired", true, call->decision.fix,
		  "%s.%s wanted a person's word (%s), and nobody answered within %lld ms (limits.ask_ms)",
		  call->server_name, call->tool_name, call->decision.rule,
		  (long long)call->view->config->limits.ask_ms);
}

static void on_answer(void *user, const struct ask_end *end)
{
	struct call *call = user;

	end_wait(call, call->waiter.since_ns);
	call->answer = end->outcome;
	call->asked_id = strdup(end->id);
	call->answered_by = end->by ? strdup(end->by) : NULL;
	switch (end->outcome) {
	case ASK_APPROVED:
		if (call_find_tool(call))
			call_send(call);
		return;
	case ASK_REFUSED:
		fail_refused(call, end);
		return;
	case ASK_EXPIRED:
		fail_expired(call);
		return;
	case ASK_OPEN:
	case ASK_WITHDRAWN:
	case ASK_NOBODY:
		fail_nobody(call);
		return;
	}
}

struct approver *call_approver(const struct call *call)
{
	if (!call->run)
		return call->approver;
	return call->run->owner ? call->run->owner->approver : NULL;
}

void call_ask(struct call *call)
{
	struct run *run = call->run;
	struct ask_request request = {
		.view = call->view,
		.run = run,
		.own = call_approver(call),
		.server = call->server_name,
		.tool = call->tool->name,
		.rule = call->decision.rule,
		.args = span_of(buf_head(&call->args), call->args.len),
	};

	if (ask_is_granted(call->view, request.server, request.tool)) {
		call->answer = ASK_APPROVED;
		call->answered_by = strdup("always");
		call_send(call);
		return;
	}
	if (!ask_person(&request, &call->waiter, on_answer, call))
		fail_nobody(call);
	else if (run)
		runs_wait_begin(run);
}

static void on_unparked(void *user)
{
	struct call *call = user;

	call_fail(call, "cancelled", false, NULL, "%s.%s was cancelled", call->server_name, call->tool_name);
}

void call_unpark(struct call *call)
{
	uint64_t since_ns = call->waiter.since_ns;

	if (!call->waiter.approval)
		return;
	call->answer = ASK_WITHDRAWN;
	ask_leave(&call->waiter);
	end_wait(call, since_ns);
	loop_defer(call->core->loop, on_unparked, call);
}
