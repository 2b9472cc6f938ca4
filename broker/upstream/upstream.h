/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_UPSTREAM_UPSTREAM_H
#define HAWSER_BROKER_UPSTREAM_UPSTREAM_H

#include "base/buf.h"
#include "base/loop.h"
#include "base/span.h"
#include "base/spawn.h"

/* Names of the client's variables that a server inherits; NULL-terminated. Others of options->inherited are ignored. */
enum { UPSTREAM_INHERITED_MAX = 16 }; /* at least as many as there are */
extern const char *const upstream_inherited_names[];

/*
 * One MCP server that the broker is connected to: started lazily, shared by all who use the same key (command, resolved
 * environment, working directory), restarted with backoff. It carries calls and knows no policy.
 */
struct upstream;
struct upstream_request;

struct upstream_options {
	const char *name; /* for messages and the log file */
	const char *command;
	const char *const *args; /* NULL-terminated */
	const char *const *env; /* "K=V" of the config, NULL-terminated, on top of the allow-list */
	const char *const *inherited; /* "K=V" of the client: HOME LOGNAME PATH SHELL TERM USER LANG ... (allow-list) */
	const char *cwd;
	/* A server behind a URL instead: nothing above but the name counts. */
	const char *url;
	const char *const *headers; /* "Name: value", NULL-terminated; may be NULL */
	const char *ca_file, *proxy, *no_proxy; /* as http_options; may be NULL */
	bool old_sse; /* HTTP+SSE of 2024-11-05 */
	/* Of both kinds. */
	const char *roots; /* JSON array that roots/list is answered with; NULL: it is refused */
	bool offers_roots; /* tell the server that it may ask */
	const char *log_path; /* stderr goes here, bounded (1 MiB, one older file kept) */
	uint64_t start_timeout_ms; /* handshake and first tools/list; 0 = 60 s */
	size_t message_max; /* longest line from the server; 0 = 96 MiB */
	uint64_t backoff_ms; /* first pause before a restart (x1.5 up to 30 s); 0 = 1 s */
	uint64_t step_ms; /* between the steps of ending the server; 0 = 2 s */
	/* Text of the server (stderr tail, error messages) passes this before it is stored or shown; may be NULL. */
	void (*redact)(void *user, struct buf *text);
	void *redact_user;
};

struct upstream_tool {
	const char *name;
	const char *title; /* may be NULL */
	const char *description; /* may be NULL */
	struct span input_schema; /* raw text; SPAN_NONE if missing */
	struct span output_schema; /* raw text or SPAN_NONE */
	struct span annotations; /* raw text or SPAN_NONE */
	bool read_only, destructive, idempotent,
		open_world; /* of annotations, with MCP's presets (false, true, false, true) */
};

/*
 *            wanted                    tools are there             it died
 *   IDLE ------------------> STARTING -----------------> READY -----------------> BACKOFF (calls wait for the restart,
 *     ^                       |    ^                                               |   |   if that is at most 5 s away)
 *     |         cannot start  v    | wanted, and the pause is over      calls wait |   |
 *     |                      FAILED                       STARTING <---------------+   | nobody waits
 *     +--------------------------------------------------------------------------------+
 */
enum upstream_state { UPSTREAM_IDLE, UPSTREAM_STARTING, UPSTREAM_READY, UPSTREAM_BACKOFF, UPSTREAM_FAILED };

/* A question of the server to a person (elicitation/create, form mode). */
struct upstream_ask;
struct upstream_events {
	/* State or tool list changed (list_changed included). */
	void (*changed)(void *user, struct upstream *u);
	/* It asks; params is borrowed. during: the call that it asks in, where the way to the server tells (behind a
	 * URL: in whose answer the question came); NULL: any of those that were sent. Answer with upstream_answer()
	 * once, inside this call or later, unless ask_gone() comes first. NULL: it does not hear that it may ask. */
	void (*ask)(void *user, struct upstream_ask *ask, const struct upstream_request *during, struct span params);
	/* The server took it back, or has gone. */
	void (*ask_gone)(void *user, struct upstream_ask *ask);
};

int upstream_new(struct loop *loop, struct spawner *spawner, const struct upstream_options *options,
		 const struct upstream_events *events, void *user, struct upstream **ret,
		 struct error *err) _must_check_;
/* Ends the server (close stdin, 2 s, SIGTERM to the group, 2 s, SIGKILL); requests end with cancelled. */
struct upstream *upstream_free(struct upstream *u);
/* The same, and tells once, never inside this call, when no process of it is left. The loop and the spawner must live
 * until then. */
struct upstream *upstream_close(struct upstream *u, void (*gone)(void *user), void *user);
enum upstream_state upstream_state(const struct upstream *u);
/* As in the options it was made with. */
const char *upstream_name(const struct upstream *u);
/* Why it is not ready: error with the last lines of stderr; "" if fine. */
const char *upstream_problem(const struct upstream *u);
/* What kept its process from being started when that was tried last (spawn.h); 0: nothing did. */
int upstream_start_error(const struct upstream *u);
/* What the list of tools in use lacks, for a person; "" if nothing. */
const char *upstream_notice(const struct upstream *u);
/* Tools of the last complete list (kept, marked stale, while the server is down). Valid until changed. */
const struct upstream_tool *upstream_tools(const struct upstream *u, size_t *ret_count);
const struct upstream_tool *upstream_find(const struct upstream *u, const char *tool);
pid_t upstream_pid(const struct upstream *u);
/* What the server has that Hawser does not carry. Of prompts and resources the lists were asked for: many servers
 * declare them and have none. Known when it is READY; a list that has not been answered by then counts. */
enum upstream_offer { UPSTREAM_PROMPTS = 1, UPSTREAM_RESOURCES = 2, UPSTREAM_SAMPLING = 4 };
unsigned upstream_offers(const struct upstream *u);
/* Has the present server, or the last, asked for the roots since it started? */
bool upstream_asked_roots(const struct upstream *u);

enum upstream_outcome {
	UPSTREAM_OK, /* result: the raw "result" object */
	UPSTREAM_ERROR, /* JSON-RPC error: message, result = raw error object */
	UPSTREAM_DOWN, /* not started, died, wrote garbage: message says why with the last lines of stderr */
	UPSTREAM_TIMEOUT,
	UPSTREAM_TOO_LARGE, /* the answer was over message_max */
	UPSTREAM_CANCELLED,
};
struct upstream_reply {
	enum upstream_outcome outcome;
	struct buf *result; /* raw JSON text; may be taken (moved) by the callee */
	const char *message; /* borrowed; NULL when OK */
	bool sent; /* the request had left for the server: it may have had its effect */
};
typedef void upstream_done_fn(void *user, struct upstream_reply *reply);
typedef void upstream_progress_fn(void *user, struct span params);

/* Makes it ready (starting it if need be): done is called once with OK or DOWN. */
int upstream_ensure(struct upstream *u, upstream_done_fn *done, void *user, struct upstream_request **ret,
		    struct error *err) _must_check_;
/* tools/call. args is checked JSON text (an object), written as it is with line breaks blanked; taken over (moved) on
 * success, so that big ones are not copied and leave piece by piece. Starts the server if need be. progress may be
 * NULL. done exactly once, never inside this call. */
int upstream_call_take(struct upstream *u, const char *tool, struct buf *args, uint64_t timeout_ms,
		       upstream_progress_fn *progress, upstream_done_fn *done, void *user,
		       struct upstream_request **ret, struct error *err) _must_check_;
/* Is it at its server now? */
bool upstream_is_sent(const struct upstream_request *request);
/* Never used twice. */
uint64_t upstream_request_id(const struct upstream_request *request);
/* Was it cancelled or did it time out at the present server, which has not answered it since? Behind a URL such an
 * answer is not waited for: there it stays so. */
bool upstream_is_unanswered(const struct upstream *u, uint64_t request_id);
bool upstream_has_unanswered(const struct upstream *u);
/* There were so many that not each is known. */
bool upstream_forgot_unanswered(const struct upstream *u);
/* The clock of a request stands still while held: its server waits for a person. */
void upstream_hold(struct upstream_request *request, bool held);
/* result: {"action":"accept"|"decline"|"cancel","content":{...}} as raw JSON. ask is gone. */
void upstream_answer(struct upstream_ask *ask, struct span result);
/* Sends notifications/cancelled; done is called with CANCELLED on the next turn. */
void upstream_cancel(struct upstream_request *request, const char *reason);

#endif
