/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_DOORS_LOCAL_INTERNAL_H
#define HAWSER_BROKER_DOORS_LOCAL_INTERNAL_H

#include "base/io.h"
#include "base/jsonrpc.h"
#include "broker/doors/client.h"
#include "broker/doors/local/local.h"
#include "broker/doors/mcp.h"

enum {
	LOCAL_CONNECTIONS_MAX = 128,
	LOCAL_REQUESTS_MAX = 64, /* open at once on one connection */
	LOCAL_LINE_MAX = 80 * 1024 * 1024, /* a call's arguments of 64 MiB and what is around them */
	LOCAL_QUEUE_MAX = 256 * 1024 * 1024, /* bytes waiting for a slow client */
	LOCAL_LIVE_MAX = 1024 * 1024, /* live output stops when so much waits; the result has all of it */
	LOCAL_CODE_CONFIG = 1, /* JSON-RPC error: the configuration or the request is wrong */
	LOCAL_CODE_FAILED = 2,
};

struct local {
	struct local_options o;
	int fd;
	struct loop_fd *watch;
	struct conn *conns;
	size_t count;
	uint64_t started_ms;
};

struct conn {
	struct local *local;
	struct io *io;
	struct jsonrpc_framer framer;
	struct door_client *client; /* NULL before hello */
	struct mcp *mcp; /* from mcp.attach on all lines are its */
	struct request *requests;
	size_t request_count;
	struct request *hello; /* its answer waits for the configuration */
	bool closing; /* freed on the next turn */
	struct conn *prev, *next;
};

/* One request from its line to its answer. Lives on without its connection while core still owes it a callback. */
struct request {
	struct conn *conn; /* NULL: hung up, nobody hears the answer */
	char *id; /* raw JSON */
	struct run *run;
	struct call *call;
	bool live, lagging;
	bool lasts; /* until the connection ends: nobody owes it a callback */
	size_t sent[4]; /* of run.start: bytes of live output by channel */
	void *state; /* of the method, on the heap */
	void (*abandon)(struct request *q); /* the other end hung up: frees q; NULL: as run, call and lasts say */
	struct request *prev, *next;
};

/* Each ends the request. */
void request_answer(struct request *q, struct span result);
void request_answer_buf(struct request *q, struct buf *result);
/* value NULL: there was no memory for it. */
void request_answer_json(struct request *q, const json_t *value);
/* The whole message is made already, by jsonrpc_write_response(). */
void request_answer_line(struct request *q, struct buf *line);
void request_fail(struct request *q, int code, const char *message);
void request_fail_error(struct request *q, int code, const struct error *err);
/* Ends it when nobody hears the answer any more. */
struct request *request_free(struct request *q);
/* A notification about the request: body is the JSON members behind "id", for instance "\"text\":\"x\"". */
void request_notify(struct request *q, const char *method, struct span members);

/* A notification of the connection itself; params is a raw object. */
void conn_notify(struct conn *c, const char *method, struct span params);

typedef void method_fn(struct request *q, struct span params);
method_fn method_hello, method_env, method_run_start, method_run_cancel, method_tools_search, method_tools_servers,
	method_tools_logs, method_call, method_config_check, method_config_show, method_doctor, method_approvals_list,
	method_approvals_answer, method_approvals_here, method_approvals_follow, method_policy_forget, method_runs_list,
	method_run_follow, method_run_kill, method_sandboxes_list;

/* run.c: run.output with bytes of a channel (1 stdout, 2 stderr, 3 log), and the answer of a run that has ended:
 * q->sent says what was sent before. */
void request_send_output(struct request *q, unsigned channel, const void *data, size_t len);
void request_answer_run(struct request *q, const struct run_result *result);

/* hello.c: the configuration that the connection (user) waited for was read. */
void conn_loaded(void *user);

/* Before the connection of a request goes: stops what it stands for. */
void request_abandon_run(struct request *q);

#endif
