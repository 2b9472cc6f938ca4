/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_MACHINE_INTERNAL_H
#define HAWSER_BROKER_MACHINE_INTERNAL_H

#include "broker/machine/machine.h"

#include "tunnel/carrier/carrier.h"

#include <uthash.h>

/* What the files of this folder share; nobody else includes it. */

enum { MACHINE_ENDS_MAX = 64 /* ends of runs that are not kept yet; one more is acknowledged at once */ };
enum { MACHINE_ARGS_TOTAL = 4 /* times args_max: bytes of arguments that all calls of a machine hold together */ };

/* Bytes on their way out of one stream; the stream's writable event pushes the rest. */
struct sender {
	struct buf data;
	size_t lead; /* of data: bytes at its beginning that go on channel `data` */
	size_t sent;
	bool fin; /* end the direction behind the data */
};

enum stream_kind { STREAM_RUN, STREAM_CALL, STREAM_HOLD };

/* An open stream; first member of a run, a call and a hold, so that the table finds them all. */
struct stream {
	UT_hash_handle hh;
	uint32_t id;
	enum stream_kind kind;
	struct machine *machine;
	struct sender out;
};

struct machine_run {
	struct stream stream;
	char *run_id;
	struct machine_run_events events;
	void *user;
	struct machine_hold *hold; /* NULL: none */
	bool over; /* its end is being told: no more events */
	int64_t last_call; /* ids count up, so this one number remembers all that were used */
	bool repeated; /* one was said again */
};

struct machine_hold {
	struct stream stream;
	struct machine_run *run;
};

enum call_state {
	CALL_READING, /* arguments are coming */
	CALL_OPEN, /* core has it */
	CALL_ANSWERED, /* the answer is going out, or arguments that nobody wants are coming in */
};

struct machine_call {
	struct stream stream;
	struct machine_call_facts facts;
	struct machine_run *run;
	enum call_state state;
	char *server, *tool;
	struct buf args;
	size_t args_charged; /* to machine.args_held */
	bool input_over;
};

struct machine {
	struct loop *loop;
	struct machine_options options; /* strings are owned copies below */
	struct machine_events events;
	void *user;
	enum machine_state state;
	struct tunnel *tunnel;
	struct carrier *carrier;
	struct loop_timer *retry;
	uint64_t backoff_ms;
	uint64_t alone_since_ms; /* when the last proven link went (or the machine was made): governs giving up */
	bool was_up;
	struct stream *streams;
	struct machine_kept_end {
		uint32_t stream; /* 0: free */
		uint32_t sequence; /* of its last frame */
		bool seen; /* sequence is known */
	} ends[MACHINE_ENDS_MAX];
	size_t end_count; /* of them that are taken: each frame asks */
	size_t args_held;
	int trace_fd;
	bool dead; /* freed by its owner; goes on the next turn */
	char *unix_path, *url;
	char **headers;
};

/* machine.c */
void machine_kick(struct machine *m);
struct stream *machine_find_stream(struct machine *m, uint32_t id);
/* Pushes what the stream's credit allows; true when everything is out. */
bool machine_push(struct stream *s);
/* runs.c */
void machine_run_on_body(struct machine_run *run, uint16_t channel, const uint8_t *data, size_t len);
void machine_run_finish(struct machine_run *run, const struct machine_run_end *end);
struct machine_run *machine_find_run(struct machine *m, struct span id_literal);
/* Some run whose end was not told yet, or NULL. */
struct machine_run *machine_any_run(struct machine *m);
/* Is this the frame of an end that is not kept yet? */
bool machine_end_waits(struct machine *m, uint32_t stream, uint32_t sequence);
/* holds.c: the guest's word about a hold */
void machine_hold_confirmed(struct machine_hold *hold);
void machine_hold_refused(struct machine_hold *hold);
/* calls.c */
void machine_call_on_open(struct machine *m, uint32_t stream, struct span head);
void machine_call_on_body(struct machine_call *call, const uint8_t *data, size_t len);
void machine_call_on_input_over(struct machine_call *call);
/* The other end gave the call up, or its run is over; told to core if core has it. */
void machine_call_drop(struct machine_call *call);
void machine_call_on_sent(struct machine_call *call);
void machine_drop_calls_of(struct machine *m, const struct machine_run *run);

#endif
