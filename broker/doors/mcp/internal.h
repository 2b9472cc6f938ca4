/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_DOORS_MCP_INTERNAL_H
#define HAWSER_BROKER_DOORS_MCP_INTERNAL_H

#include "base/ids.h"
#include "base/jsonrpc.h"
#include "broker/doors/mcp.h"
#include "broker/doors/mcp/parked.h"

enum {
	MCP_REQUESTS_MAX = 256, /* open at once */
	MCP_BATCH_MAX = 256, /* messages of one line */
	MCP_ROOTS_MS = 10000, /* calls wait so long for the client's roots */
	MCP_ANSWER_MAX = 64 * 1024 * 1024, /* bytes of one answer; budgets keep it far below */
	MCP_ARGUMENTS_MAX = 8 * 1024 * 1024,
	MCP_VARIABLES_MAX = 8 * 1024 * 1024, /* bytes of an answer to hawser/env */
	MCP_PROGRESS_MS = 10000, /* clients reset their patience with each */
	MCP_PROGRESS_LEAST_MS = 1000,
	MCP_PROGRESS_SOON_MS = 100, /* from output to progress */
};

enum { MCP_UNSUPPORTED_REVISION = -32022 }; /* of 2026-07-28 */

enum mcp_revision { MCP_2024_11_05, MCP_2025_03_26, MCP_2025_06_18, MCP_2025_11_25 };

enum mcp_roots { MCP_ROOTS_NONE, MCP_ROOTS_WANTED, MCP_ROOTS_OPEN, MCP_ROOTS_KNOWN, MCP_ROOTS_LATE };

struct mcp {
	struct mcp_options o;
	enum mcp_revision revision;
	struct mcp_request *requests;
	size_t request_count;
	/* parking.c */
	struct parked parked; /* calls that wait for variables or roots */
	bool variables_asked;
	/* roots.c */
	enum mcp_roots roots;
	char roots_id[ID_TEXT_MAX + 2]; /* of the last roots/list, as it stands there; "": it was answered */
	bool roots_again; /* they changed while it was open */
	struct loop_timer *roots_timer;
	/* asking.c */
	char client_name[48];
	struct mcp_question *questions; /* the first one is before the person */
	size_t question_count;
};

/* One tools/call (or another request) from its line to its answer. Lives on without its session while core still owes
 * it a callback. */
struct mcp_request {
	struct mcp *m; /* NULL: nobody hears the answer */
	char *id; /* raw JSON */
	char *token; /* progressToken, raw JSON, or NULL */
	/* execute_code and wait_run */
	struct run *run;
	struct loop_timer *yield, *progress; /* progress: NULL without a token */
	uint64_t started_ms, told_ms;
	uint64_t beats; /* of progress: must rise */
	bool soon; /* output is to be told by the next beat */
	size_t offset; /* wait_run */
	bool has_offset;
	char what[96]; /* last state */
	bool owed; /* core calls back: the request must be there until then */
	/* search_tools */
	int64_t search_offset;
	struct mcp_request *prev, *next;
};

/* The client as its configuration is now: one that a request began with may have been replaced. */
static inline struct client *mcp_client(const struct mcp_request *q)
{
	return door_client_get(q->m->o.client);
}

/* ---- mcp.c: each ends the request ---- */
void mcp_answer(struct mcp_request *q, struct span result);
void mcp_answer_buf(struct mcp_request *q, struct buf *result);
void mcp_fail(struct mcp_request *q, int code, const char *message);
void mcp_fail_with(struct mcp_request *q, int code, const char *message, struct span data);
/* A CallToolResult. structured: raw JSON object or SPAN_NONE; left out for revisions that do not know it. */
void mcp_answer_tool(struct mcp_request *q, struct span text, struct span structured, bool is_error);
void mcp_answer_text(struct mcp_request *q, bool is_error, const char *fmt, ...) _printf_(3, 4);
struct mcp_request *mcp_request_free(struct mcp_request *q);
/* Answers a request that never became one here. */
void mcp_refuse(struct mcp *m, struct span id, int code, const char *message);
void mcp_notify(struct mcp *m, const char *method, struct span params);
/* Ends the request without an answer and gives up what it stands for. */
void mcp_abandon(struct mcp_request *q, const char *reason);

/* ---- calls.c: tools/call ---- */
void mcp_tools_call(struct mcp_request *q, const struct jsonrpc_message *message);
/* True: the broker stops, and this would begin something. Nothing was done for it and nothing will be: the relay in
 * front says it again, to the next broker. */
bool mcp_pass_on(struct mcp *m, const struct jsonrpc_message *message) _must_check_;

/* ---- parking.c: calls that wait for variables or roots ---- */
/* True: the call waits, or was refused. */
bool mcp_park(struct mcp *m, const struct jsonrpc_message *message) _must_check_;
/* Something came that was missing: all are read again, unless it was not all. */
void mcp_unpark(struct mcp *m);
/* True: it waited, and is gone. */
bool mcp_park_cancel(struct mcp *m, struct span id) _must_check_;
/* hawser/env: the values that were asked for. */
void mcp_park_variables(struct mcp *m, struct span params);
void mcp_park_done(struct mcp *m);

/* ---- roots.c: the folders that the client works in ---- */
/* Of the params of initialize. */
void mcp_roots_init(struct mcp *m, struct span params);
void mcp_roots_done(struct mcp *m);
/* The handshake is over. */
void mcp_roots_ask(struct mcp *m);
void mcp_roots_changed(struct mcp *m);
/* A server wants them, and the client is about to say them. */
bool mcp_roots_missing(struct mcp *m) _must_check_;
/* An answer of the client; false: it is to another question. */
bool mcp_roots_answered(struct mcp *m, const struct jsonrpc_message *message) _must_check_;

/* ---- asking.c: questions to the person behind the client ---- */
/* Of the params of initialize: can the client put a form to a person? Then it is asked. */
void mcp_asking_init(struct mcp *m, struct span params);
void mcp_asking_done(struct mcp *m);
/* An answer of the client; one that belongs to no question is passed over. */
void mcp_asking_answered(struct mcp *m, const struct jsonrpc_message *message);

/* ---- revision.c ---- */
const char *mcp_revision_name(enum mcp_revision revision);
/* name: a raw string, or SPAN_NONE. */
bool mcp_revision_find(struct span name, enum mcp_revision *ret) _must_check_;
/* Ends the request if its _meta claims a revision that is not spoken here. */
bool mcp_refuse_revision(struct mcp_request *q, struct span params) _must_check_;

/* ---- describe.c ---- */
int mcp_put_initialize(struct mcp *m, struct buf *out) _must_check_;
int mcp_put_tools(const struct mcp *m, struct buf *out) _must_check_;
int mcp_put_prompts(struct buf *out) _must_check_;
int mcp_put_prompt(const struct client *c, struct buf *out) _must_check_;

/* ---- the tools: arguments is a raw object or SPAN_NONE ---- */
typedef void mcp_tool_fn(struct mcp_request *q, struct span arguments);
mcp_tool_fn mcp_execute_code, mcp_wait_run, mcp_search_tools;

/* execute.c, for wait.c: follows q->run until it ends or it is time to yield. */
void mcp_follow(struct mcp_request *q);
void mcp_answer_result(struct mcp_request *q, const struct run_result *result);
/* What to do when there is no configuration, on the heap, or NULL. */
char *mcp_config_hint(const struct client *c);

#endif
