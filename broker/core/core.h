/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_CORE_CORE_H
#define HAWSER_BROKER_CORE_CORE_H

#include "base/buf.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/span.h"
#include "base/spawn.h"
#include "broker/core/config.h"

#include <limits.h>

/*
 * What the product does, as the doors see it: clients, runs, calls, tools. Everything asynchronous takes (done, user),
 * calls done exactly once, never inside the starting call.
 */
struct core;
struct client; /* one subject with one configuration: what a thin client's connection is about */
struct run;
struct run_watch;
struct call;

struct core_options {
	const char *state_dir; /* $XDG_STATE_HOME/hawser: runs/, logs/, audit.jsonl */
	const char *runtime_dir; /* $XDG_RUNTIME_DIR/hawser: broker.sock, sandboxes/ */
	const char *guest_path, *keeper_path;
	const char *trace_path; /* HAWSER_TRACE or NULL */
};
int core_new(struct loop *loop, struct spawner *spawner, const struct core_options *options, struct core **ret,
	     struct error *err) _must_check_;
/* Ends runs ("cancelled: the broker is stopping"), sandboxes and upstreams; done when nothing is left (at most 7.5 s).
 */
void core_shutdown(struct core *core, void (*done)(void *user), void *user);
struct core *core_free(struct core *core);
/* A finished line of the log: secrets of all clients become stars, in place. For the log's filter. */
size_t core_clean_line(struct core *core, char *line, size_t len);
/* No client, no run, nothing to lose by leaving. */
bool core_is_idle(const struct core *core);
/* core_shutdown() was called: nothing new begins. */
bool core_is_stopping(const struct core *core);

/* ---- clients ---- */
struct client_info {
	const char *subject; /* "local:1000" */
	struct config_from from; /* but state_dir, which is core's to say */
	const char *roots; /* text of core/roots.h; NULL: it says nothing of its roots, cwd stands for them */
	struct client_load *load; /* client_new() takes what it has, a fault too; may be NULL */
};
/* Begins to read the configuration on another thread, if that holds files that would hold the loop. NULL: it does not,
 * and nothing is begun. done once, on the loop. */
struct client_load *client_load_start(struct core *core, const struct client_info *info, void (*done)(void *user),
				      void *user);
bool client_load_is_over(const struct client_load *l);
/* One that client_new() did not take yet, and whose files have not changed. */
bool client_load_has_config(const struct client_load *l);
/* done is not called any more. */
struct client_load *client_load_free(struct client_load *l);
/* Reads the configuration. Its faults are the error. */
int client_new(struct core *core, const struct client_info *info, struct client **ret, struct error *err) _must_check_;
/* Names of the variables (NULL-terminated) whose values the client must bring, the allow-list for upstreams included.
 */
const char *const *client_variables(const struct client *c);
/* env: "K=V" for those that are set. Unset variables are an error of each server that names them, not of the client:
 * that server is listed as unusable, with the reason. */
int client_resolve(struct client *c, const char *const *env, struct error *err) _must_check_;
/* Its roots are others from now on: later runs have servers of their own where these are told roots; those under way
 * keep theirs. roots as in client_info. */
int client_set_roots(struct client *c, const char *roots) _must_check_;
const struct config *client_config(const struct client *c);
/* Its runs that nobody else follows are cancelled. */
struct client *client_free(struct client *c);

/* ---- runs ---- */
enum run_language { RUN_JAVASCRIPT, RUN_TYPESCRIPT, RUN_PYTHON, RUN_BASH };
struct run_request {
	char *code;
	int language;
	int64_t timeout_ms; /* 0: limits.run_ms */
	struct json_strings allowed_tools; /* count 0 and items NULL: not narrowed */
	char *environment; /* one of config's environments, or NULL */
	struct span data; /* raw JSON that code sees as `data`; SPAN_NONE: none */
};
/* Decodes {code, language, timeout_ms|timeout, allowed_tools, data, environment}; the schema of execute_code is printed
 * from it. */
extern const struct json_field run_request_table[];
extern const size_t run_request_count;
/* The schema of a request as a client with this configuration (NULL: none) may make it. */
int run_request_schema(const struct config *c, struct buf *out) _must_check_;

struct run_result; /* all that a run promises (design.md section 6); borrowed while the run is kept */
struct run_events {
	void (*state)(void *user, const char *what); /* "starting a sandbox", "running"; may be NULL */
	void (*output)(void *user, unsigned channel, const uint8_t *data, size_t len); /* redacted; may be NULL */
	void (*end)(void *user, const struct run_result *result);
};
/* Returns a run that has an id at once; what goes wrong later is in its result. Fails for bad requests only. */
int run_start(struct client *c, const struct run_request *request, const struct run_events *events, void *user,
	      struct run **ret, struct error *err) _must_check_;
const char *run_id(const struct run *run);
/* NULL if unknown or of another subject. Finished runs are found while their files are kept. */
struct run *run_find(struct client *c, const char *id);
/* The same by the first eight characters of its id or more. -ENOENT, -EEXIST (two begin with them). */
int run_look_up(const struct core *core, const char *subject, const char *text, struct run **ret,
		struct error *err) _must_check_;
/* Runs of this subject, newest first, at most 200: [{run, status (waiting, running, or as it ended), language,
 * begun_ms, ended_ms?, exit_code?, seconds, calls, folder?, provider?, sandbox?, error_kind?, error?}]; times are since
 * 1970. */
int runs_list(const struct core *core, const char *subject, struct buf *out) _must_check_;
/* What it printed from *offset of its event file on, whole events, about max bytes; moves *offset. channel: 1 stdout, 2
 * stderr, log records among them. Nothing comes: there is no more yet. */
int run_output_read(const struct run *run, uint64_t *offset, size_t max,
		    void (*fn)(void *user, unsigned channel, const char *data, size_t len), void *user) _must_check_;
/* All sandboxes that this broker has or had: [{tag, state, provider, made_ms?, parked?, isolation?, sandbox?, run?,
 * environment?}]; state "reaping": of an earlier broker, being ended. */
int sandboxes_list(const struct core *core, struct buf *out) _must_check_;
/* The finished result, or NULL while it lasts. */
const struct run_result *run_finished(const struct run *run);
/* One follower at a time: replaces events. NULL events: nobody listens, the run goes on. */
void run_follow(struct run *run, const struct run_events *events, void *user);
void run_cancel(struct run *run, const char *reason);
/* Beside the follower: any number of those. Freed with the run, or by run_unwatch() (inside its events too), which
 * takes NULL. NULL: no memory. */
struct run_watch *run_watch(struct run *run, const struct run_events *events, void *user);
struct run_watch *run_unwatch(struct run_watch *watch);
/* What happened so far, for a yield: head and tail of the logs. */
int run_progress_text(const struct run *run, struct buf *out) _must_check_;
/* {result, logs, error, execution_time, run_id, status, ...}. A result of more than max_result bytes is its beginning
 * as a string; logs, stdout and stderr are cut to max_text bytes each, head and tail. "truncated" says by how many
 * bytes. 0: whole. */
int run_result_json(const struct run_result *r, size_t max_result, size_t max_text, struct buf *out) _must_check_;
/* What a model gets: result, head and tail of the logs, one summary line; at most max bytes with the number left out.
 */
int run_result_text(const struct run_result *r, size_t max, struct buf *out) _must_check_;
/* max bytes of the whole text from offset on (as run_result_text would be without a limit). ret_total: its size. */
int run_result_slice(const struct run_result *r, size_t offset, size_t max, struct buf *out, size_t *ret_total,
		     struct error *err) _must_check_;
/* make(user), which may call the functions above, on another thread where there is much to read, else at once; then
 * done(user), on the loop, perhaps inside this call. The run is kept until then. */
void run_result_read(const struct run_result *r, void (*make)(void *user), void (*done)(void *user), void *user);
bool run_result_ok(const struct run_result *r);
/* "ok", "error", "timeout", "cancelled", "killed", "lost" */
const char *run_result_status(const struct run_result *r);

/* ---- tools ---- */
struct search_request {
	char *query;
	int detail; /* 0 full, 1 descriptions, 2 names */
	int64_t limit, offset; /* limit 0: all */
};
extern const struct json_field search_request_table[];
extern const size_t search_request_count;
/* out: {"meta":{...},"results":[...]}; starts servers that were never started. */
typedef void search_done_fn(void *user, struct buf *json, const struct error *err);
int tools_search(struct client *c, const struct search_request *request, search_done_fn *done, void *user,
		 struct error *err) _must_check_;
/* One JSON array: servers with state, problem, tool count, log path, what they have beside tools, and how many of their
 * tools policy allows, asks about and denies. Does not start anything. */
int tools_servers(struct client *c, struct buf *out) _must_check_;

/* ---- a direct call, through the same pipeline as those from code ---- */
struct call_reply {
	bool ok;
	const char *kind, *message, *fix; /* when not ok; fix may be NULL */
	bool retryable;
	struct buf *body; /* CallToolResult as raw JSON, or empty; may be taken */
};
typedef void call_done_fn(void *user, const struct call_reply *reply);
int call_start(struct client *c, const char *server, const char *tool, struct span args, call_done_fn *done, void *user,
	       struct call **ret, struct error *err) _must_check_;
void call_cancel(struct call *call);

/* ---- for doctor: facts with a verdict, through tell() ---- */
/* The text of what is bad may end with ERROR_CURE and a command. */
typedef void doctor_tell_fn(void *user, const char *key, const char *text, int good);
/* done once, not inside this call: providers look at the machine on another thread. */
void core_report(struct core *core, struct client *c, doctor_tell_fn *tell, void (*done)(void *user), void *user);
struct server_health {
	/* A tool that may be called only to see that calls come through: its server is trusted and says that it only
	 * reads, and no argument is required. NULL: there is none. Borrowed until the next turn of the loop. */
	const char *harmless;
	char cure[PATH_MAX + 512]; /* a command or an edit, for a server that cannot be used; "": none */
};
void server_health(struct client *c, const char *server, struct server_health *ret);

#endif
