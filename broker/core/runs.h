/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_CORE_RUNS_H
#define HAWSER_BROKER_CORE_RUNS_H

#include "broker/core/internal.h"

/* The inside of a run, for run*.c, result.c and views.c. */

extern const char *const run_language_names[];

struct tool_count { /* one row of the result's tool_calls */
	UT_hash_handle hh;
	char *key; /* "server\ntool", owned, as are the next two */
	char *server, *tool;
	uint64_t calls, errors, denied, ms, bytes;
};

struct run_result {
	struct run *run;
	const char *status; /* ok, error, timeout, cancelled, killed, lost */
	char *error; /* one line, or NULL */
	json_t *tail; /* TAIL of the guest, or NULL */
	bool ok;
	int exit_code;
	double seconds;
};

enum run_state { RUN_WAITING, RUN_RUNNING, RUN_ENDED };

struct run_link; /* a call of the run that is open: runcalls.c */

struct run {
	UT_hash_handle hh;
	struct core *core;
	struct view *view; /* NULL: it ended under an earlier broker */
	bool rests; /* its reference to view */
	const struct client *owner; /* compared only; NULL once it left */
	char *subject, *folder; /* whose it is; where that client was, may be NULL */
	char id[ID_TEXT_MAX];
	enum run_state state;
	struct run_request request;
	int environment; /* index into the configuration's, -1: none */
	struct run_events events;
	void *user;
	struct run_watch *watches;
	unsigned telling; /* walks over them that are under way */
	bool recorded, unrecorded; /* its row is committed; could not be written */
	uint32_t end_frame; /* of the guest, not acknowledged yet; 0: none */
	int64_t begun_ms, ended_ms; /* since 1970; 0: not yet */
	struct ticket *ticket;
	struct sandbox *sandbox;
	struct machine_run *machine_run;
	struct loop_timer *backstop; /* ends the run when the guest does not */
	struct runfiles files;
	struct redact_stream *redact[CHANNEL_RESULT + 1]; /* by channel */
	uint64_t started_ms, wall_ms;
	uint64_t calls, calls_open;
	bool over_budget; /* a call was refused for that */
	/* runwait.c */
	uint64_t calls_waiting; /* of those that are open: for a person */
	struct loop_timer *hold_timer; /* an answer for many calls opens and closes no holds */
	bool hold_asked, hold_refused; /* the guest was asked to stop its processes; said no, until nothing waits */
	uint64_t held_since_ms; /* 0: its clock runs */
	uint64_t held_ms; /* so far */
	uint64_t backstop_ms; /* when the backstop fires, if the clock runs */
	struct run_link *links;
	struct tool_count *counts;
	char *cancel_reason;
	char *file_problem; /* why output could not be kept */
	char *provider, *isolation, *why;
	bool ending; /* run_end() was called; the result may still be looked at */
	char *problem; /* what it was called with, until then */
	bool pruned;
	unsigned readers; /* run_result_read() */
	struct run_result result;
};

/* runs.c: the only writer of state. */
void run_set_state(struct run *run, enum run_state state);

/* runend.c: the one end of a run, whoever is first; error is one line, or NULL. No effect on one that has
 * ended. */
void run_end(struct run *run, const char *status, const char *error);

extern const struct machine_run_events run_machine_events;
void run_on_backstop(void *user);

/* runrows.c: its row. done is a store_done_fn with the run. */
void run_row_begin(struct run *run, void (*done)(void *user, const struct error *err));
void run_row_placed(const struct run *run);
void run_row_end(struct run *run, void (*done)(void *user, const struct error *err));

/* runwait.c: the backstop fires after ms of the run's clock. */
void run_arm_backstop(struct run *run, uint64_t ms);
void run_on_hold_timer(void *user);
/* As machine_run_events wants it. */
void run_on_held(void *user, bool held);
/* Time that the run's wall clock stood still. */
uint64_t run_held_ms(const struct run *run);

/* runoutput.c: the output of a run, as machine_run_events wants it. */
void run_on_output(void *user, uint16_t channel, const uint8_t *data, size_t len);
/* What redaction still holds back goes out: nothing comes behind it. */
void run_flush_output(struct run *run);

/* runrequest.c */
int run_check_request(const struct view *view, const struct run_request *request, struct error *err) _must_check_;
/* -ENOMEM. */
int run_copy_request(struct run *run, const struct run_request *request) _must_check_;
/* Its data has gone to the sandbox, or is no longer wanted. */
void run_drop_data(struct run *run);

/* runlist.c: whoever follows or watches it hears it. */
void run_tell_state(struct run *run, const char *what);
void run_tell_output(struct run *run, unsigned channel, const uint8_t *data, size_t len);
void run_tell_end(struct run *run);
bool run_is_heard(const struct run *run);
/* A run that has ended, or never began. */
void run_free(struct run *run);

/* runcalls.c: one row of the counts, made where it is not there; NULL: no memory. */
struct tool_count *runs_get_count(struct run *run, const char *server, const char *tool);
/* The call of a link is given up and the link freed. */
void runs_drop_link(struct run_link *link);

/* resultjson.c: [{"server":...,"tool":...,"calls":...}, ...] */
int result_put_calls(const struct run *run, struct buf *out) _must_check_;

/* result.c: each console call and each printed line, in order; level is "", "[WARN] " or "[ERROR] ". */
int result_walk_entries(const struct run *run, void (*fn)(void *user, const char *level, const char *text, size_t len),
			void *user) _must_check_;

#endif
