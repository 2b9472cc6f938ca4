/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_UPSTREAM_REQUEST_H
#define HAWSER_BROKER_UPSTREAM_REQUEST_H

#include "broker/upstream/internal.h"

#include <uthash.h>
#include <utlist.h>

/*
 * A request waits (for READY, or for room in the write queue), is sent (in a hash by id), or is over: out of both, its
 * outcome stored, "done" called on the next turn. Only an answer of the server calls "done" at once. Ids are never used
 * twice, so an answer that comes too late finds nobody.
 */
struct upstream_request {
	struct upstream *u; /* NULL when it is over */
	struct loop *loop;
	uint64_t id;
	char *tool; /* NULL: upstream_ensure() */
	struct buf args; /* while it waits */
	uint64_t timeout_ms, deadline_ms; /* 0: none */
	uint64_t left_ms; /* while it is held: of the time until its deadline */
	upstream_progress_fn *progress;
	upstream_done_fn *done;
	void *user;
	bool sent; /* it is in the hash */
	bool left; /* it may have reached the server, now or before it was returned */
	bool again, left_before; /* it was returned once; what left was then */
	UT_hash_handle hh;
	struct upstream_request *prev, *next;
	enum upstream_outcome outcome; /* when it is over */
	char *message;
};

/* NULL without memory. In no table yet. */
struct upstream_request *upstream_request_new(struct upstream *u, upstream_done_fn *done, void *user);
void upstream_request_free(struct upstream_request *r);
/* The request that was sent with this id and is not over; NULL if there is none. */
struct upstream_request *upstream_request_find(const struct upstream *u, uint64_t id);
size_t requests_sent(const struct upstream *u);
/* Takes it out of its table; whoever does this calls "done". */
void upstream_request_leave(struct upstream_request *r);
/* Ends it: "done" is called on the next turn. */
void upstream_request_over(struct upstream_request *r, enum upstream_outcome outcome, const char *message);
/* Makes sure that the timer fires by deadline_ms (0: none). */
void requests_arm(struct upstream *u, uint64_t deadline_ms, uint64_t now_ms);

#endif
