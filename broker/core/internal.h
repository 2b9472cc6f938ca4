/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_CORE_INTERNAL_H
#define HAWSER_BROKER_CORE_INTERNAL_H

#include "broker/core/core.h"
#include "broker/core/strays.h"

#include "base/ids.h"

#include "broker/audit/audit.h"
#include "broker/host/host.h"
#include "broker/machine/machine.h"
#include "broker/store/store.h"
#include "broker/upstream/upstream.h"
#include "policy/policy.h"
#include "policy/redact/redact.h"
#include "policy/schema/schema.h"

#include <uthash.h>
#include <utlist.h>

/* What the files of core share; nobody else includes it. One owner file a struct, named behind it. */

enum {
	CORE_LARGE = 64 << 10, /* bytes from which a body is checked, and a run's files are read, on another thread */
	CORE_UPSTREAM_IDLE_MS = 600000, /* a server that nobody uses is ended after this */
	CORE_UPSTREAM_LEFT_MS = 10000, /* and one with roots that its client has left after this */
	CORE_UPSTREAMS_UNUSED_MAX = 32, /* servers that nobody uses: the oldest are ended before that */
	CORE_UPSTREAMS_UNUSED_EACH = 2, /* that differ in nothing but their roots */
	CORE_FOLDERS_KEPT = 200, /* run folders without a row (another version, a list that was damaged) that a new
				  * broker keeps */
	CORE_TIDY_MS = 10000, /* how often idle things are looked for */
	CORE_WAITING_MAX = 256, /* runs that wait for a sandbox */
	CORE_AUDIT_REST_MS = 1000, /* calls are refused this long after the audit log could not be written */
	CORE_GRACE_MS = 2000, /* the guest's time to end a run before its sandbox is destroyed */
	CORE_START_MS = 20000, /* from sandbox to started code */
	CORE_LOST_MS = 900000, /* without a link after the first: as long as the lease of a run's sandbox */
	CORE_CONNECT_MS = 30000, /* without a first proven link a sandbox is lost */
};

struct pool;
struct reaper;
struct sandbox;
struct ticket;

struct core { /* core.c */
	struct loop *loop;
	struct spawner *spawner;
	struct core_options options;
	char *state_dir, *runtime_dir;
	struct host *host;
	struct audit *audit;
	struct store *store;
	struct reaper *reaper; /* reaper.c */
	uint64_t audit_failed_ms; /* 0: the last line was written */
	size_t calls_open; /* each will want a line of the audit log */
	struct loop_timer *tidy;
	struct shared_upstream *upstreams; /* by key */
	struct view *views;
	struct client *clients;
	struct run *runs; /* by id, oldest first */
	struct approvals *approvals; /* approvals.c */
	struct pool *pools; /* by key */
	uint64_t tools_generation; /* counts changes of any tool list */
	size_t upstreams_leaving; /* their processes have not ended yet; only while the broker stops */
	size_t runs_open, runs_pruned; /* pruned: their memory goes on the next turn */
	size_t readings; /* what is on its way beside the loop: results that are read, searches, reports */
	bool stopping;
	void (*stopped)(void *user);
	void *stopped_user;
	struct loop_timer *stop_timer;
	uint64_t stop_began_ms;
	bool runs_over; /* sandboxes and servers are being ended */
};

/* ---- upstreams.c: servers shared by key ---- */
struct shared_upstream {
	UT_hash_handle hh;
	char *key, *entry; /* of struct config_resolved */
	struct core *core;
	struct upstream *upstream;
	struct redact *redact;
	char *log_path;
	struct call *calls; /* that were sent to it, oldest first */
	struct strays strays;
	uint64_t declined_ms; /* when it was last told that nobody could say whose question it asks; 0: never */
	unsigned users; /* views that name it */
	uint64_t unused_ms; /* since when there are none */
	bool left; /* the last of them was given up for other roots */
};
int upstreams_get(struct core *core, const struct config_server *server, const struct config_resolved *resolved,
		  const char *const *inherited, struct redact *redact, struct shared_upstream **ret,
		  struct error *err) _must_check_;
/* left: for one with other roots. */
void upstreams_put(struct shared_upstream *shared, bool left);
void upstreams_tidy(struct core *core, uint64_t now_ms, bool all);
/* Ends all servers: views lose them, core->upstreams_leaving says how many are not gone yet. */
void upstreams_stop(struct core *core);

/* ---- views.c: one configuration with one set of values, shared by a client and its runs ---- */
struct view_server {
	const struct config_server *config;
	struct shared_upstream *shared; /* NULL: unusable */
	char *problem; /* why, when unusable */
};
struct view {
	struct view *prev, *next;
	struct core *core;
	unsigned refs;
	unsigned resting; /* refs of runs that have ended: they need no server */
	bool left; /* its client has other roots now */
	char *subject;
	struct config *config;
	struct policy *policy;
	struct policy_server *names; /* of servers, for policy */
	struct redact *redact;
	struct view_server *servers; /* config->server_count */
	struct pool *pool;
	struct json_strings granted; /* always.c: "server.tool" that a person allowed since */
	struct catalogue *catalogue; /* catalogue.c; made anew when tools_generation moves */
};
/* report.c: a command or an edit that may cure a server that cannot be used; "": none is known. */
void view_server_cure(const struct view_server *server, char *cure, size_t size);
/* Consumes config, also on failure. */
int view_new(struct client *c, struct config *config, struct view **ret, struct error *err) _must_check_;
struct view *view_ref(struct view *view);
struct view *view_unref(struct view *view);
/* This reference needs no server any more; it is given back by view_unref_resting(). */
void view_rest(struct view *view);
struct view *view_unref_resting(struct view *view);
/* What policy hears of a call of this tool, without its annotations and arguments. Borrowed. */
struct policy_call view_policy_call(const struct view *view, const struct config_server *server, const char *tool);

struct client { /* clients.c */
	struct client *prev, *next;
	struct core *core;
	char *subject, *roots; /* as in client_info */
	struct config_from from; /* owned */
	char **variables; /* names asked for */
	char **env; /* what the client brought, "K=V" */
	struct config *read; /* by client_new(), for the first view: another client's file in it may be large */
	struct view *view;
	bool moved; /* its roots are others than those of view, and a server is told them */
	struct approver *approver; /* who is asked about its runs and calls; NULL: nobody */
};
/* loads.c: what was read, for the caller, or what is wrong with it, as often as it is wanted. *ret stays as it is if
 * there is nothing, or it is out of date. */
int client_load_take(struct client_load *l, struct config **ret, struct error *err) _must_check_;
/* The view of a client, made anew if its files have changed. */
int client_view(struct client *c, struct view **ret, struct error *err) _must_check_;

/* ---- catalogue.c: names and search ---- */
struct catalogue_tool {
	const struct view_server *server;
	const struct upstream_tool *tool;
};
/* Server by name or identifier; NULL and *ret_hint (nearest name or NULL). */
struct view_server *catalogue_server(struct view *view, const char *spelling, const char **ret_hint);
/* Tool by raw name or identifier. NULL: unknown; *ret_hint as above. */
const struct upstream_tool *catalogue_tool(struct view *view, struct view_server *server, const char *spelling,
					   const char **ret_hint);
/* "mcp__server__tool" into its parts, if such a server is there. tool points into spelling. */
struct view_server *catalogue_split(struct view *view, const char *spelling, const char **ret_tool);
struct catalogue *catalogue_free(struct catalogue *c);
/* [{"name":...,"id":...}, ...] of the servers that are not disabled, for a run's head. */
int catalogue_namespaces(struct view *view, struct buf *out) _must_check_;
/* Starts every server that was never tried and calls done when all are ready or have failed. */
int catalogue_ready(struct view *view, void (*done)(void *user), void *user, struct error *err) _must_check_;
/* The inputSchema of a tool; NULL: it has none. A reference for the caller, as a check on another thread may outlive
 * the catalogue. */
struct shared_schema *catalogue_schema(struct view *view, const struct upstream_tool *tool);
enum { CATALOGUE_IDENTIFIER_MAX = 260 }; /* of the longest name of a tool */
/* [A-Za-z0-9_]*, no leading digit: how code may spell name. */
void catalogue_identifier(const char *name, char *out, size_t size);
/* Does code reach the tool of that name, spelled so? */
bool catalogue_is_spelled(const char *name, const char *spelling);

/* ---- schemas.c: an inputSchema, compiled by whoever needs it first, which is never the loop ---- */
/* NULL: no memory. */
struct shared_schema *shared_schema_new(struct loop *loop, struct span text);
/* References are counted on the loop's thread. */
struct shared_schema *shared_schema_ref(struct shared_schema *s);
struct shared_schema *shared_schema_unref(struct shared_schema *s);
/* It was compiled: shared_schema_get() returns at once. */
bool shared_schema_ready(const struct shared_schema *s);
/* Any thread. NULL: it cannot be compiled, so everything fits. */
const struct schema *shared_schema_get(struct shared_schema *s);

/* ---- search.c: ranked full-text search, BM25 with weighted fields; knows documents and terms only ---- */
struct search_index;
struct search_index *search_index_new(void);
struct search_index *search_index_free(struct search_index *index);
/* Adds text to document doc (0, 1, 2 ... in rising order). -ENOMEM. */
int search_index_add(struct search_index *index, uint32_t doc, const char *text, size_t len, float weight) _must_check_;
/* Documents that match, best first, into ret (owned by the caller). */
int search_index_query(struct search_index *index, const char *query, uint32_t **ret, size_t *ret_count) _must_check_;

/* ---- signature.c ---- */
/* "github.list_issues({owner: string, state?: \"open\"|\"closed\"})" from an inputSchema. */
int signature_of(const char *server_id, const char *tool_id, struct span input_schema, struct buf *out) _must_check_;

/* ---- runfiles.c: what a run leaves on disk: events (output in order of arrival) and result.json ---- */
struct runfiles {
	char *dir; /* NULL: never opened */
	int events, result; /* descriptors, -1: not open */
	uint64_t began_ms;
	uint64_t events_size, result_size;
};
typedef void runfiles_walk_fn(void *user, unsigned channel, const char *data, size_t len);
int runfiles_open(struct runfiles *f, const char *state_dir, const char *run_id, struct error *err) _must_check_;
/* Appends one event; what is already redacted. channel: CHANNEL_STDOUT, CHANNEL_STDERR, or CHANNEL_LOG with one letter
 * for the level (l, i, d, w, e) in front. A full disk is an error, and nothing is half written. */
int runfiles_event(struct runfiles *f, unsigned channel, const void *data, size_t len, struct error *err) _must_check_;
int runfiles_result(struct runfiles *f, const void *data, size_t len, struct error *err) _must_check_;
/* Of a run that did not end well: a value that is not all there (or too large to be looked at) is forgotten. */
void runfiles_drop_half_result(struct runfiles *f);
/* Nothing more will be written: gives the descriptors back, the files stay. */
void runfiles_close(struct runfiles *f);
void runfiles_done(struct runfiles *f);
void runfiles_remove(const struct runfiles *f);
/* Those of a run that ended under an earlier broker; nothing is opened. cut: it did not end well, a value that is not
 * all there is forgotten. -ENOENT: they are gone. */
int runfiles_find(struct runfiles *f, const char *state_dir, const char *run_id, bool cut) _must_check_;
/* When its output was last written, in milliseconds since 1970; 0: it has none. */
uint64_t runfiles_changed_ms(const struct runfiles *f);
/* All of it is on the disk. */
int runfiles_sync(const struct runfiles *f, struct error *err) _must_check_;
/* Of the run folders below state_dir that are not known the newest most are kept. */
void runfiles_prune(const char *state_dir, bool (*known)(void *user, const char *id), void *user, int64_t most);
/* Whole events from *offset on, until max bytes were passed or they end; moves *offset. */
int runfiles_read(const struct runfiles *f, uint64_t *offset, size_t max, runfiles_walk_fn *fn,
		  void *user) _must_check_;
/* Calls fn with each event in order; data borrowed from a mapping. */
int runfiles_walk(const struct runfiles *f, runfiles_walk_fn *fn, void *user) _must_check_;
/* The text of result.json in one piece; len 0: none. */
/* Whether the value is one JSON text that fits into the answers around it. If not it is thrown away: whoever has
 * descriptor 3 of a run writes there what he likes, and it stands as it is in the messages of the doors. */
int runfiles_check_result(struct runfiles *f, struct error *err) _must_check_;
int runfiles_walk_result(const struct runfiles *f, runfiles_walk_fn *fn, void *user) _must_check_;

/* ---- excerpt.c: head and tail of a text of any length ---- */
struct excerpt {
	struct buf head, tail;
	size_t head_max, tail_max;
	uint64_t skip; /* bytes that are passed over first */
	uint64_t total; /* bytes seen, those passed over too */
};
/* max 0: all of it goes into head. */
void excerpt_init(struct excerpt *e, size_t head_max, size_t tail_max);
void excerpt_done(struct excerpt *e);
void excerpt_feed(struct excerpt *e, const void *data, size_t len);
/* Bytes between head and tail. */
uint64_t excerpt_left_out(const struct excerpt *e);
/* Makes head and tail end and begin at character borders (lines = true: at line ends). */
void excerpt_trim(struct excerpt *e, bool lines);

/* ---- runrows.c: runs of earlier brokers, from their rows ---- */
int runs_load(struct core *core, struct error *err) _must_check_;
/* "TypeError" and the like for lists; NULL: it ended well. */
const char *run_error_kind(const struct run *run);

/* ---- runs.c ---- */
/* No run holds a sandbox any more. */
void runs_let_go_all(struct core *core);
void runs_close_all(struct core *core, const char *reason);
void runs_free_all(struct core *core);
/* Finished runs beyond the newest limits.runs_kept are forgotten, their files removed. */
void runs_prune(struct core *core, int64_t most);
/* {"calls":{"used":..,"limit":..}, "wall_ms":{...}, ...} */
int runs_budget(const struct run *run, struct buf *out) _must_check_;
/* runcalls.c: a call of a run ended; one row of the result's tool_calls counts it. */
void runs_count(struct run *run, const char *server, const char *tool, const char *kind, uint64_t ms, uint64_t bytes);
void runs_on_call(struct run *run, struct machine_call *machine_call);
void runs_on_call_cancelled(struct run *run, struct machine_call *machine_call);
/* runwait.c: a call of the run begins to wait for a person, or waits no more. */
void runs_wait_begin(struct run *run);
void runs_wait_end(struct run *run);
/* A call of the run was opened or has ended: the run may or may not stand still now. */
void runs_wait_review(struct run *run);

/* ---- reaper.c: sandboxes that an earlier broker of this state directory has left ---- */
/* Begins at once; none of them is waited for. */
int reaper_new(struct core *core, struct reaper **ret, struct error *err) _must_check_;
/* Looks again for those that could not be found yet. */
void reaper_look(struct reaper *r);
/* {"tag":..., "provider":..., "state":"reaping"} for each, with a comma in front unless first. */
int reaper_list(const struct reaper *r, bool first, struct buf *out) _must_check_;
struct reaper *reaper_free(struct reaper *r);

/* ---- environments.c ---- */
/* Index of the environment of that name, -1 for NULL. -ENOENT: the error names those that there are. */
int environments_find(const struct config *c, const char *name, int *ret, struct error *err) _must_check_;
/* Adds a "fix" to the error of a run (PROTOCOL.md section 6) that lacks a module: the environments that have it. */
void environments_explain(const struct run *run, json_t *error);
void environments_report(const struct config *c, doctor_tell_fn *tell, void *user);

/* ---- pools.c, waiting.c, sandboxes.c ---- */
struct sandbox_facts {
	struct machine *machine;
	const char *provider, *isolation, *why;
};
/* A sandbox for one run, warm (what it has parked follows the languages and environments asked for) or made now.
 * environment: index into the configuration's, -1 for none. done exactly once,
 * never inside this call; sandbox NULL: error says why. */
typedef void sandbox_done_fn(void *user, struct sandbox *sandbox, const struct error *err);
struct ticket *sandboxes_acquire(struct pool *pool, enum run_language language, int environment, sandbox_done_fn *done,
				 void *user);
/* done will not be called. */
void sandboxes_forget(struct ticket *ticket);
/* The provider's name for it. */
const char *sandbox_id(const struct sandbox *sandbox);
/* It serves this run: what lists say. */
void sandbox_serve(struct sandbox *sandbox, const char *run_id);
void sandbox_facts(const struct sandbox *sandbox, struct sandbox_facts *ret);
/* It served its run: it is destroyed. */
void sandboxes_release(struct sandbox *sandbox);
int pools_get(struct core *core, const struct config *config, struct pool **ret, struct error *err) _must_check_;
void pools_put(struct pool *pool);
/* Providers that failed are tried again at once. */
void pools_wake(struct pool *pool, const struct config *config);
void pools_tidy(struct core *core, uint64_t now_ms, bool all);
void pools_free_all(struct core *core);
/* More runs wait than are let in. */
bool sandboxes_full(const struct pool *pool);
bool pools_empty(const struct core *core);
void pools_on_sandbox_ended(struct core *core, const char *sandbox_id, const char *reason);

#endif
