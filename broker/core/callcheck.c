/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a call may be made: its arguments against the schema, then needs, facts and the decision. */
#include "broker/core/call.h"

#include <errno.h>
#include <string.h>

/* ---- policy ---- */

static void decide(struct call *call)
{
	struct policy_call facts_of_call = view_policy_call(call->view, call->server->config, call->tool->name);
	struct policy_facts facts;

	facts_of_call.args = span_of(buf_head(&call->args), call->args.len);
	facts_of_call.read_only = call->tool->read_only;
	facts_of_call.destructive = call->tool->destructive;
	facts_of_call.idempotent = call->tool->idempotent;
	facts_of_call.open_world = call->tool->open_world;
	if (call->run)
		facts_of_call.allowed_tools = (const char *const *)call->run->request.allowed_tools.items;
	/* Facts (a real path, the addresses of a host) are gathered here, between the two; no rule wants one yet. */
	facts = (struct policy_facts){.have = policy_needs(call->view->policy, &facts_of_call)};
	policy_decide(call->view->policy, &facts_of_call, &facts, &call->decision);
	call->decided = true;
	switch (call->decision.verdict) {
	case POLICY_ALLOW:
		call_send(call);
		return;
	case POLICY_DENY:
		call_fail(call, "denied", false, call->decision.fix, "%s.%s is denied by %s", call->server_name,
			  call->tool_name, call->decision.rule);
		return;
	case POLICY_ASK:
		call_ask(call);
		return;
	}
}

/* ---- arguments ---- */

/* The JSON object; SPAN_NONE: args_error says why it is none. */
static struct span read_args(struct call *call)
{
	struct span args = span_of(buf_head(&call->args), call->args.len), value = SPAN_NONE;

	if (span_check(args, true, &value, &call->args_error) < 0)
		return SPAN_NONE;
	if (span_type(value) == SPAN_OBJECT)
		return value;
	error_set(&call->args_error, -EINVAL, "they must be a JSON object");
	return SPAN_NONE;
}

/* On another thread. */
static void look_at_args(void *user)
{
	struct call *call = user;
	const struct schema *schema = call->schema ? shared_schema_get(call->schema) : NULL;
	struct span value = read_args(call);

	if (value.p)
		call->args_fit = !schema || schema_check(schema, value, &call->fix);
}

/* On the loop. False: that takes another thread. */
static bool look_briefly(struct call *call)
{
	const struct schema *schema;
	enum schema_answer answer;
	struct span value;

	if (call->args.len >= CORE_LARGE || (call->schema && !shared_schema_ready(call->schema)))
		return false;
	schema = call->schema ? shared_schema_get(call->schema) : NULL;
	value = read_args(call);
	if (!value.p)
		return true;
	answer = schema ? schema_check_brief(schema, value, &call->fix) : SCHEMA_FITS;
	call->args_fit = answer == SCHEMA_FITS;
	return answer != SCHEMA_UNDECIDED;
}

static void on_args(void *user)
{
	struct call *call = user;

	call->working = false;
	if (call->cancelled) {
		call_fail(call, "cancelled", false, NULL, "%s.%s was cancelled", call->server_name, call->tool_name);
		return;
	}
	if (call->args_error.code) {
		call_fail(call, "invalid_arguments", false, "pass one JSON object with each key once",
			  "the arguments of %s.%s: %s", call->server_name, call->tool_name,
			  error_text(&call->args_error));
		return;
	}
	if (!call->args_fit) {
		redact_buf(call->view->redact, &call->fix);
		call_fail(call, "invalid_arguments", false, NULL, "the arguments do not fit %s.%s", call->server_name,
			  call->tool_name);
		return;
	}
	if (call_find_tool(call)) /* the list may have changed while another thread looked */
		decide(call);
}

bool call_find_tool(struct call *call)
{
	if (!call->server->shared) { /* the broker stops */
		call_fail(call, "upstream_down", true, NULL, "server %s cannot be used: %s", call->server_name,
			  call->server->problem ? call->server->problem : "no reason given");
		return false;
	}
	call->tool = upstream_find(call->server->shared->upstream, call->tool_name);
	if (!call->tool)
		call_fail(call, "not_found", false, NULL, "%s.%s went away", call->server_name, call->tool_name);
	return call->tool != NULL;
}

void call_check_args(struct call *call)
{
	_cleanup_error_ struct error err = ERROR_INIT;

	call->schema = catalogue_schema(call->view, call->tool);
	if (!look_briefly(call)) {
		if (loop_work_start(call->core->loop, look_at_args, on_args, call, &err) == 0) {
			call->working = true;
			return;
		}
		look_at_args(call);
	}
	on_args(call);
}
