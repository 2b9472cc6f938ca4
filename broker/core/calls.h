/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_CORE_CALLS_H
#define HAWSER_BROKER_CORE_CALLS_H

#include "broker/core/internal.h"

/* ---- calls.c: the one pipeline of every tool call ---- */
struct call_request {
	struct view *view;
	struct run *run; /* NULL: a direct call */
	struct approver *approver; /* of a direct call: whom to ask; may be NULL */
	const char *server, *tool; /* any spelling; server may be empty when tool is mcp__server__tool */
	struct buf *args; /* moved in */
	int64_t timeout_ms; /* 0: the server's timeout, else limits.call_ms; more than that is cut to it */
};
/* Never fails: a call that cannot be made ends with a reply too. done exactly once, never inside this call. */
struct call *calls_start(const struct call_request *request, call_done_fn *done, void *user);
/* Cancels it; done is not called any more, and its run is not touched any more. */
void calls_forget(struct call *call);

/* ---- callform.c: questions of servers, as upstream_events wants them; user is the shared upstream ---- */
void calls_on_ask(void *user, struct upstream_ask *ask, const struct upstream_request *during, struct span params);
/* It is being freed: its calls hear of their end later. */
void calls_server_gone(struct shared_upstream *shared);
void calls_on_ask_gone(void *user, struct upstream_ask *ask);

/* ---- builtins.c: tools of the broker itself, server "hawser" ---- */
/* done(user, json or NULL, error or NULL) once, possibly inside this call. -ENOENT: no such tool; -EINVAL: arguments.
 */
int builtins_call(struct view *view, struct run *run, const char *tool, struct span args, search_done_fn *done,
		  void *user, struct error *err) _must_check_;
/* searches.c: the search behind search_tools(): readies the servers first. After this call. */
int builtins_search(struct view *view, const struct search_request *request, search_done_fn *done, void *user,
		    struct error *err) _must_check_;

#endif
