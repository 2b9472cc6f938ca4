/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_CORE_CALL_H
#define HAWSER_BROKER_CORE_CALL_H

#include "broker/core/ask.h"
#include "broker/core/calls.h"
#include "broker/core/runs.h"

/* The inside of a call, for calls.c, callcheck.c and callreply.c. */

enum { CALL_MESSAGE_MAX = 4096 };

struct call {
	struct core *core;
	struct view *view;
	struct run *run;
	char *run_name; /* of a run that has gone */
	char *server_name, *tool_name; /* as spelled, then as resolved */
	struct view_server *server;
	const struct upstream_tool *tool; /* looked up anew after each wait */
	struct shared_schema *schema;
	struct buf args;
	size_t args_len; /* for the audit, after args went away */
	int64_t timeout_ms;
	call_done_fn *done;
	void *user;
	struct upstream_request *request;
	struct call *prev, *next; /* of its server's, while sent is set */
	struct shared_upstream *sent; /* NULL: it is not at its server */
	uint64_t form_since_ns;
	struct call_form *forms; /* callform.c: what its server asks a person meanwhile */
	uint64_t started_ns;
	struct policy_decision decision;
	bool decided;
	struct approver *approver; /* of a direct call: its connection's, which gives its calls up before it goes */
	struct ask_waiter waiter; /* the call owns its question, whoever asks it */
	uint64_t waited_ns; /* for a person: not the time of the call */
	enum ask_outcome answer; /* of a person; ASK_OPEN: none was asked */
	char *asked_id, *answered_by;
	bool starting; /* inside calls_start(): the reply waits for the next turn */
	bool working; /* another thread has args or result */
	bool cancelled;
	bool unrecorded; /* refused because there is no room to record anything, or as often before */
	bool builtin; /* the broker's own; of a run it is no line: it reads the catalogue */
	/* the reply */
	const char *kind; /* NULL: ok */
	struct buf message, fix;
	bool retryable;
	struct buf result;
	/* what the other thread found */
	struct error args_error, result_error;
	bool args_fit, is_error;
};

/* Each of these either goes on or ends the call, once; call may be gone when it returns. */

/* ---- callcheck.c: server and tool are known -> arguments, policy, then call_send() ---- */
void call_check_args(struct call *call);
/* Looks the tool up anew after a wait. False: it has gone, and the call has ended. */
bool call_find_tool(struct call *call);

/* ---- callask.c ---- */
/* Policy wants a person's word: parks the call, or ends it if nobody is there. */
void call_ask(struct call *call);
/* Whoever started the call has given it up: it waits for nobody's word any more. */
void call_unpark(struct call *call);
/* Who is asked about the call; NULL: only those who follow all. */
struct approver *call_approver(const struct call *call);

/* ---- callform.c ---- */
/* The call is at its server, whose questions belong to one of such calls; it is no more. */
void call_is_sent(struct call *call);
void call_is_back(struct call *call);
/* Before that: nobody waits for the server's answer any more. */
void call_is_given_up(const struct call *call);

/* ---- callreply.c ---- */
/* What policy allowed goes to the server; its answer ends the call. */
void call_send(struct call *call);
/* The reply stands in call. */
void call_finish(struct call *call);
/* kind is a literal; fix may be NULL; both texts are redacted and cut to CALL_MESSAGE_MAX. */
void call_fail(struct call *call, const char *kind, bool retryable, const char *fix, const char *fmt, ...)
	_printf_(5, 6);
/* Its server cannot be reached and has seen nothing of it: with what may cure the server. */
void call_fail_down(struct call *call, const char *text);
/* After a line that could not be written no call is made for a while, then one shows whether it works again. */
bool call_audit_is_resting(const struct core *core);

#endif
