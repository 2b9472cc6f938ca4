/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_UPSTREAM_INTERNAL_H
#define HAWSER_BROKER_UPSTREAM_INTERNAL_H

/* What the files of this folder share. Each part of struct upstream has one owner, the file that is named. */

#include "base/jsonrpc.h"
#include "broker/upstream/tool_list.h"
#include "broker/upstream/transport.h"
#include "broker/upstream/upstream.h"
#include "broker/upstream/words.h"

enum {
	UPSTREAM_START_MS = 60000,
	UPSTREAM_MESSAGE_MAX = 96 << 20,
	UPSTREAM_BACKOFF_MS = 1000, /* first pause before a restart, x1.5 each time */
	UPSTREAM_BACKOFF_MAX_MS = 30000,
	UPSTREAM_HEALTHY_MS = 60000, /* ready for so long: the next pause is the first again */
	UPSTREAM_PATIENCE_MS = 5000, /* a call waits for a restart that is at most so far away */
	UPSTREAM_STEP_MS = 2000, /* of the exit ladder */
	UPSTREAM_GARBAGE_MAX = 100, /* lines that are no messages, in a row, while it starts */
	UPSTREAM_RELIST_MS = 200, /* from list_changed to tools/list, so that a burst is one */
	UPSTREAM_TEXT_MAX = 4096, /* bytes of a message for a person */
	/* From the answer to its first roots/list to READY. A server does not tell when it has taken its roots in
	 * (npm's server-filesystem looks at each folder first), and refuses what comes too early. */
	UPSTREAM_ROOTS_SETTLE_MS = 200,
	UPSTREAM_INLINE_MAX = 256 << 10, /* longest text that is decoded on the loop */
	UPSTREAM_UNANSWERED_MAX = 64, /* calls that were given up, of the present server */
};

struct unanswered { /* unanswered.c */
	uint64_t ids[UPSTREAM_UNANSWERED_MAX];
	size_t count;
	bool forgot; /* there were more */
};

struct upstream {
	/* upstream.c */
	struct loop *loop;
	struct spawner *spawner;
	char *name, *cwd;
	char **argv, **envp;
	char *url, *ca_file, *proxy, *no_proxy; /* url NULL: a process */
	char **headers;
	bool old_sse, offers_roots;
	char *roots; /* NULL: none */
	uint64_t start_timeout_ms, backoff_first_ms, step_ms;
	size_t message_max;
	words_redact_fn *redact;
	void *redact_user;
	struct upstream_events events;
	void *user;
	unsigned refs; /* the owner and what is deferred or on another thread */
	bool freed, change_told;
	enum upstream_state state;
	uint64_t ready_since_ms;
	char *problem; /* NULL: none */
	int start_error; /* negative errno of what kept the process from being started; 0: nothing did */
	void (*gone)(void *user);
	void *gone_user;
	unsigned leaving; /* processes on the exit ladder */

	/* session.c: the present server, NULL when there is none */
	struct transport *transport;
	struct words *words;
	struct loop_timer *start_timer, *backoff_timer, *settle_timer;
	uint64_t roots_told_ms; /* when it first asked for its roots; 0: it has not */
	uint64_t backoff_until_ms;
	unsigned failures; /* in a row */
	uint64_t initialize_id;
	bool has_tools;
	unsigned offers; /* enum upstream_offer; of the last server that was ready */
	uint64_t offer_ids[2]; /* prompts/list and resources/list, while they are open */
	unsigned garbage; /* lines in a row that are no messages */
	char *garbage_sample; /* the first of them */
	bool garbage_warned;
	struct upstream_ask *asks; /* asks.c */
	char *ended; /* how it ended, while its last big lines are still being checked */

	/* tools.c */
	struct tool_list *tools, *old_tools; /* the list in use; the one before, until "changed" was told */
	struct tool_list *listing; /* being fetched */
	char *list_cursor; /* of the page that was asked for; NULL: the first */
	char *list_notice; /* what the list in use lacks; NULL: nothing */
	uint64_t list_id, list_generation;
	bool list_dirty;
	struct loop_timer *list_timer; /* debounce, or the limit of a fetch */

	/* request.c */
	uint64_t last_id;
	struct upstream_request *sent; /* by id */
	struct unanswered unanswered;
	struct upstream_request *waiting; /* in order, for READY or for room in the write queue */
	struct loop_timer *deadline_timer;
	uint64_t deadline_ms; /* what the timer is armed for; 0: not armed */
	struct buf scratch;
};

/* ---- upstream.c ---- */
void upstream_ref(struct upstream *u);
void upstream_unref(struct upstream *u);
/* The only writer of state. Problem NULL: none. Tells "changed" on the next turn. */
void upstream_set_state(struct upstream *u, enum upstream_state state, const char *problem);
void upstream_tell_changed(struct upstream *u);
/* Redacts and cuts a text of the server for a person. */
void upstream_clean_text(const struct upstream *u, struct buf *text);

/* ---- session.c ---- */
int session_init(struct upstream *u, const char *log_path, struct error *err) _must_check_;
void session_done(struct upstream *u);
/* Somebody wants it READY: starts it, unless it is under way or a restart is being waited for. False: no; problem says
 * why. */
bool session_want(struct upstream *u);
/* Gives the present server up: why is for a person (last words are put behind it). */
void session_fail(struct upstream *u, const char *why);
/* The server forgot us: the handshake again, at once, over the same transport. */
void session_renew(struct upstream *u, const char *why);
/* The tools are there: READY, as soon as it has had time to take its roots in. */
void session_ready(struct upstream *u);
/* Writes a small message; what cannot be written is dropped (the server is going down, or does not read). */
void session_send(struct upstream *u, enum outgoing_kind kind, uint64_t id, struct buf *message);
void session_warn(const struct upstream *u, const char *event, const char *text);

/* ---- messages.c ---- */
void session_initialize(struct upstream *u);
/* line and about as transport_events.message. */
void session_message(struct upstream *u, const struct jsonrpc_message *m, struct buf *line, uint64_t about);

/* ---- unanswered.c ---- */
void unanswered_add(struct unanswered *all, uint64_t id);
void unanswered_remove(struct unanswered *all, uint64_t id);

/* ---- asks.c ---- */
/* A request of the server that may be a question to a person. False: it is none that is offered. */
bool asks_take(struct upstream *u, const struct jsonrpc_message *m, uint64_t about);
/* notifications/cancelled of the server. */
void asks_cancelled(struct upstream *u, struct span params);
/* The server has gone, and what it asked. */
void asks_drop(struct upstream *u);
/* ---- offers.c: what a server has beside tools ---- */
/* capabilities as the server told them. */
void offers_ask(struct upstream *u, struct span capabilities);
/* An answer; true: it was one of these. */
bool offers_answer(struct upstream *u, uint64_t id, const struct jsonrpc_message *m);

/* ---- garbage.c ---- */
void session_garbage(struct upstream *u, struct span line, const char *why);
void session_unreadable(struct upstream *u, struct span line, const char *why);
void session_too_large(struct upstream *u, struct span head, struct span tail, bool over);

/* ---- tools.c ---- */
int tools_init(struct upstream *u, struct error *err) _must_check_;
void tools_done(struct upstream *u);
void tools_fetch(struct upstream *u);
void tools_abort(struct upstream *u);
void tools_changed(struct upstream *u);
/* No answer to list_id will come. */
void tools_lost(struct upstream *u, const char *why);
/* The answer to list_id. */
void tools_answer(struct upstream *u, const struct jsonrpc_message *m, struct buf *line);

/* ---- request.c ---- */
int calls_init(struct upstream *u, struct error *err) _must_check_;
/* Ends all as cancelled. */
void calls_done(struct upstream *u);
/* The server is gone: all requests that were sent end with DOWN, those that wait too if also_waiting. */
void calls_down(struct upstream *u, const char *message, bool also_waiting);

/* As transport_events.lost and .returned, of calls; message is for a person. */
void calls_lost(struct upstream *u, uint64_t id, enum upstream_outcome outcome, bool left, const char *message);
void calls_returned(struct upstream *u, uint64_t id, struct buf *args, bool left, const char *message);

/* ---- calls.c ---- */
/* Sends what waits. */
void calls_flush(struct upstream *u);
bool calls_are_waiting(const struct upstream *u);

/* ---- answers.c ---- */
void calls_answer(struct upstream *u, uint64_t id, const struct jsonrpc_message *m, struct buf *line);
void calls_progress(struct upstream *u, struct span params);
/* A line that cannot be used may be the answer of a call: its id is looked for in the edges. True: that call has ended.
 */
bool calls_spoilt(struct upstream *u, struct span head, struct span tail, enum upstream_outcome outcome,
		  const char *message);

#endif
