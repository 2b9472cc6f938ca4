/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_CLI_CLIENT_H
#define HAWSER_BROKER_CLI_CLIENT_H

#include "base/jsonrpc.h"
#include "base/paths.h"
#include "broker/cli/cli.h"

/*
 * The one place that speaks to the local door (doors/local/README.md has the methods): blocking, one request at a time.
 */
struct wire {
	int fd;
	int signal_fd; /* 0: signals are not watched */
	int input_fd; /* 0: none; a terminal that is watched for input() */
	struct buf in;
	size_t used; /* of in: the last line that was given out */
	struct jsonrpc_framer framer;
	int64_t last_id;
	char *fault; /* what hello said of the configuration; NULL: it is fine */
	char *unapproved; /* JSON array: files of the project that wait for a yes (trust.h); NULL: none */
};

/* Connects; starts a broker if none is there and start is set (else -ENOENT). Then hello and env. */
int wire_open(const struct cli_args *args, bool start, struct wire *ret, struct error *err) _must_check_;
void wire_close(struct wire *w);
/* wire_open() for verbs: says what is wrong. needs_config: a fault of the configuration ends the verb too. CLI_OK or
 * the status to leave with. */
int wire_open_or_say(const struct cli_args *args, bool needs_config, struct wire *ret);

/* From now on SIGINT and SIGTERM come as interrupted() of the request that is waited for. */
int wire_watch_signals(struct wire *w, struct error *err) _must_check_;

struct wire_events {
	/* A notification that belongs to the request. */
	void (*notification)(void *user, struct span method, struct span params);
	/* A signal came while waiting: may call wire_send(). */
	void (*interrupted)(void *user, struct wire *w, int64_t id);
	/* w->input_fd can be read: may call wire_send(). */
	void (*input)(void *user, struct wire *w);
};
struct wire_answer {
	struct span result; /* borrowed until the next request */
	int code; /* of the error answer; 0: none */
	char *message; /* owned */
};
enum { WIRE_CODE_CONFIG = 1 };
/* params: raw JSON. Negative only if the broker was lost; an error answer is in ret. */
int wire_request(struct wire *w, const char *method, struct span params, const struct wire_events *events, void *user,
		 struct wire_answer *ret, struct error *err) _must_check_;
/* wire_request() for verbs: CLI_OK with the result, or the status after saying what is wrong. */
int wire_ask(struct wire *w, const char *method, struct span params, const struct wire_events *events, void *user,
	     struct span *ret_result);
/* Sends a request whose answer nobody waits for. */
void wire_send(struct wire *w, const char *method, struct span params);

/* run-request.c: params of run.start. */
enum { CLI_REQUEST_MAX = 56 * 1024 * 1024 };
int cli_put_run_request(const struct cli_args *args, struct buf *out, struct error *err) _must_check_;

/* start.c: starts `hawser serve --spawned` and waits until it listens, or says why not. */
int start_broker(const struct paths *paths, struct error *err) _must_check_;
/* Connects to the socket, or to what the link names; -ENOENT: nobody listens there. */
int start_connect(const struct paths *paths, struct error *err) _must_check_;
/* {version, cwd, config, config_home, home, path} of this process. */
int client_hello(const struct cli_args *args, const struct paths *paths, struct buf *out,
		 struct error *err) _must_check_;
/* {"values":["K=V", ...]} of names, a JSON array of strings. */
int client_values(struct span names, struct buf *out, struct error *err) _must_check_;

#endif
