/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_TUNNEL_GUEST_RUNS_H
#define HAWSER_TUNNEL_GUEST_RUNS_H

#include "base/buf.h"
#include "base/span.h"
#include "tunnel/guest/child.h"
#include "tunnel/guest/guest.h"

/*
 * One execution of code: stream `run` of the tunnel (PROTOCOL.md section 6).
 *
 *   LOADING --FIN--> RUNNING --exit--> DRAINING --pipes empty--> OVER
 *      |                |                 ^
 *      +--limit, RESET--+--> STOPPING ----+ (killed; exit)
 */
enum run_state { RUN_LOADING, RUN_RUNNING, RUN_STOPPING, RUN_DRAINING, RUN_OVER };
enum { RUN_MESSAGE_MAX = 4096 };
enum run_verdict { RUN_JUDGED_BY_EXIT, RUN_TIMEOUT, RUN_CANCELLED, RUN_KILLED, RUN_FAILED };

struct run_limits {
	uint64_t wall_ms, cpu_ms, memory, output, result, calls, calls_open, processes, file;
};

struct shim_link;
struct output;
struct hold;

struct run {
	struct guest_stream stream; /* first */
	struct guest *guest;
	struct run *next;
	enum run_state state;
	struct run_limits limits;
	char *id; /* of the broker, opaque */
	char *file; /* name that errors show */
	int language; /* enum guest_language: its interpreter */
	bool checking; /* run_check() is on its way */
	bool lost; /* the conversation is over: nobody hears of the end */
	struct child *child;
	struct buf code, data; /* bash: until they are in their files */
	size_t code_deferred; /* bytes of code that the main link has queued */
	/* how it ends */
	enum run_verdict verdict;
	const char *reason; /* static */
	char *error_json; /* of the shim's TAIL or our own; the value of "error" */
	bool shim_said_end, shim_goes_on;
	pid_t session; /* of the interpreter, also when it is gone */
	int exit_status; /* as of wait() */
	bool exited;
	bool clear; /* no process of it is left */
	/* usage */
	uint64_t started_ms, ended_ms;
	uint64_t held_ms; /* of that: all its processes stood still, and its wall clock */
	uint64_t reaped_cpu_ms, peak_cpu_ms, max_rss, peak_rss;
	/* parts */
	struct hold *hold; /* NULL: none */
	struct loop_timer *wall, *tick;
	uint64_t stop_ms; /* when STOPPING or DRAINING must be over */
	struct output *outputs[3];
	struct shim_link *links; /* newest first; the interpreter's own is `main` */
	struct shim_link *main;
	size_t link_count;
	struct loop_fd *lobby;
	int lobby_fd;
	uint64_t output_sent, output_dropped, result_bytes, calls_made;
	size_t calls_open;
	char stderr_tail[8192]; /* the last bytes of stderr: names an out-of-memory end */
	size_t stderr_len;
};

/* ---- begin.c: events of the tunnel up to the start ---- */
void run_open(struct guest *g, uint32_t stream, struct span head);
void run_body(struct run *run, uint16_t channel, const uint8_t *data, size_t len);
void run_end(struct run *run);

/* ---- runs.c ---- */
/* In LOADING, without an interpreter. */
int run_new(struct guest *g, uint32_t stream, struct span head, struct run **ret, struct error *err) _must_check_;
/* It has its code: its time begins. */
void run_started(struct run *run);
/* Events of the tunnel. */
void run_reset(struct run *run, struct span json);
void run_writable(struct run *run);
void run_lost(struct run *run);

/* Of its parts. */
void run_child_exited(struct run *run, int status, const struct rusage *usage);
/* The shim's TAIL: json is its payload. */
void run_shim_tail(struct run *run, struct span json);
/* Ends the run now: kills its processes. reason is static; message (may be NULL) becomes the error of the TAIL. */
void run_stop(struct run *run, enum run_verdict verdict, const char *reason, const char *kind, const char *message);
/* A part came to its end (a pipe, the main link): looks on the next turn whether the run is over. */
void run_part_over(struct run *run);
void run_add_usage(struct run *run, const struct rusage *usage);

/* ---- hold.c: streams `hold` ---- */
void hold_open(struct guest *g, uint32_t stream, struct span head);
/* The broker wants the run to go on, or the conversation is over: lost. */
void hold_reset(struct hold *hold);
/* The run is being ended: nothing of it goes on. */
void hold_drop(struct run *run);
/* When the run's wall clock ends it; UINT64_MAX while it stands still. */
uint64_t hold_deadline_ms(const struct run *run);

/* ---- tail.c ---- */
/* The JSON of TAIL. */
int run_tail_json(struct run *run, struct buf *out) _must_check_;

/* ---- head.c ---- */
/* Reads the head of OPEN into run; the error is for the broker. */
int run_read_head(struct run *run, struct span head, struct error *err) _must_check_;

/* ---- output.c ---- */
/* channel: stdout, stderr or log. fd is consumed. */
int output_new(struct run *run, uint16_t channel, int fd, struct output **ret, struct error *err) _must_check_;
struct output *output_free(struct output *o);
void output_writable(struct output *o);
/* No more than what is in the pipe now: the end of it does not wait for processes that keep it open. */
void output_last(struct output *o);
bool output_over(const struct output *o);

/* ---- shim.c ---- */
int shim_main_new(struct run *run, int fd, struct error *err) _must_check_;
/* The run's head and, as they come, its data and its code. */
int shim_send_open(struct run *run, struct span head) _must_check_;
int shim_send_code(struct run *run, uint16_t channel, const uint8_t *data, size_t len, bool fin) _must_check_;
/* Room on the run's own stream again. */
void shim_run_writable(struct run *run);
/* Reads no more from the run's own link than what is there now. */
void shim_main_last(struct run *run);
bool shim_main_over(const struct run *run);
/* Cancels all calls and closes all links. */
void shim_close_all(struct run *run);
/* Writes what the events of one feed collected. */
void shim_flush_all(struct guest *g);

/* ---- lobby.c ---- */
/* Watches the run's lobby; fd is consumed. */
int shim_lobby_new(struct run *run, int fd, struct error *err) _must_check_;

/* ---- calls.c: streams `call` ---- */
struct call {
	struct guest_stream stream; /* first */
	struct shim_link *link;
	struct run *run;
	uint32_t shim_stream;
	bool sent_all; /* our direction is over */
	size_t deferred; /* body bytes that the link has queued: credit is given when they are written */
	struct call *next; /* of the link */
};
void call_head(struct call *call, const char *head, size_t len);
void call_body(struct call *call, const uint8_t *data, size_t len);
void call_end(struct call *call, const char *tail, size_t len);
void call_reset(struct call *call, const char *json, size_t len);
void call_lost(struct call *call);
void call_writable(struct call *call);

#endif
