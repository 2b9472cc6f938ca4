/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_MACHINE_MACHINE_H
#define HAWSER_BROKER_MACHINE_MACHINE_H

#include "base/buf.h"
#include "base/loop.h"
#include "base/span.h"
#include "tunnel/proto/tunnel.h"

/*
 * The broker's end of one tunnel: keeps links of a carrier up, and turns streams into typed operations (run, call).
 * Policy, upstreams and files are none of its business: core hands it runs and answers its calls.
 */
struct machine;
struct machine_run;
struct machine_call;

struct machine_endpoint {
	const char *unix_path; /* byte-stream carrier; or */
	const char *url; /* ws:// or wss:// */
	const char *const *headers; /* "Name: value" lines for the URL, NULL-terminated; may be NULL */
};

enum machine_state { MACHINE_CONNECTING, MACHINE_UP, MACHINE_DOWN /* link lost, trying again */, MACHINE_CLOSED };

struct machine_events {
	void (*state)(void *user, enum machine_state state, const char *reason);
	/* A call of a run has all its arguments. Answer with machine_call_reply() exactly once, unless call_cancelled
	 * came. The call is valid until one of the two. */
	void (*call)(void *user, struct machine_call *call);
	/* The code gave the call up (or its run ended, or the guest began anew). */
	void (*call_cancelled)(void *user, struct machine_call *call);
};

struct machine_options {
	struct machine_endpoint endpoint;
	uint8_t secret[32];
	struct tunnel_id tunnel;
	size_t args_max; /* bytes of arguments of one call; above it the call is answered too_large at once */
	uint64_t connect_limit_ms; /* gives up (MACHINE_CLOSED) after so long without a first proven link */
	uint64_t lost_limit_ms; /* the same once there was one: runs outlive links */
	const char *trace_path; /* HAWSER_TRACE, or NULL */
};

int machine_new(struct loop *loop, const struct machine_options *options, const struct machine_events *events,
		void *user, struct machine **ret, struct error *err) _must_check_;
/* Ends all runs as lost without events. Safe inside its events. */
struct machine *machine_free(struct machine *m);
/* Its sandbox is known to be gone: no more links are tried, its runs end as lost (inside this call). */
void machine_lost(struct machine *m, const char *reason);

struct machine_run_end {
	const char *tail_json; /* TAIL of PROTOCOL.md section 6, borrowed; NULL: the run was lost */
	size_t tail_len;
	const char *lost; /* why, when tail_json is NULL: the guest began anew, the machine closed */
};

struct machine_run_events {
	void (*started)(void *user);
	/* Output of one channel (frame.h CHANNEL_*), borrowed. The frame is acknowledged when this returns: it must be
	 * in the run's event file by then. */
	void (*output)(void *user, uint16_t channel, const uint8_t *data, size_t len);
	/* After machine_run_hold(): all processes of the run stand still, or (false) they do not, or no more. May be
	 * NULL. */
	void (*held)(void *user, bool held);
	/* Once; the run handle is gone afterwards. */
	void (*end)(void *user, const struct machine_run_end *end);
};

/* head_json: PROTOCOL.md section 6, must have "run":run_id. data (SPAN_NONE: none) and code are copied. */
int machine_run_start(struct machine *m, const char *run_id, struct span head_json, struct span data, struct span code,
		      const struct machine_run_events *events, void *user, struct machine_run **ret,
		      struct error *err) _must_check_;
/* Asks the guest to end it; end still comes. reason: "cancelled", "deadline" or "budget". */
void machine_run_cancel(struct machine_run *run, const char *reason);

/* Inside end(), when the guest said it: the end is not acknowledged yet, so that a broker that dies now hears it again.
 * Returns what names it for machine_end_kept(); 0: there is no need. */
uint32_t machine_run_keep_end(struct machine_run *run);
/* Its row is committed. m NULL: it is gone, and so is the guest. */
void machine_end_kept(struct machine *m, uint32_t end);

/* Asks the guest to stop all processes of the run once they are idle, until machine_run_release(). A guest that does
 * not know this says no. */
void machine_run_hold(struct machine_run *run);
/* They go on; held() is not called for this. */
void machine_run_release(struct machine_run *run);

/* What the guest said; borrowed while the call lives. run is the user pointer of its run (never NULL: calls that name
 * no open run are refused before anybody hears of them). args is not checked JSON. */
struct machine_call_facts {
	void *run;
	int64_t id;
	const char *server, *tool;
	struct span args;
	int64_t timeout_ms; /* 0: not given */
};
const struct machine_call_facts *machine_call_facts(const struct machine_call *call);
/* Moves the arguments out (facts.args is gone then); they stay charged to the run until the answer. */
void machine_call_take_args(struct machine_call *call, struct buf *ret);
/* head_json as in PROTOCOL.md section 7. body is taken over (moved). Sent as credit allows. */
void machine_call_reply(struct machine_call *call, struct span head_json, struct buf *body);

#endif
