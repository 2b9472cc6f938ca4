/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_CORE_STRAYS_H
#define HAWSER_BROKER_CORE_STRAYS_H

#include <stdbool.h>
#include <stdint.h>

struct upstream;

/*
 * Calls that were given up while they were at their server: it may go on with one, and ask a person about it, until it
 * has answered it or has ended, however long that takes. Starts as zero.
 */
struct stray;
struct strays {
	struct stray *list; /* at most as many as the upstream remembers */
	bool several; /* of one it is not known whose it is; until nothing is unanswered */
};

/* request: its upstream_request_id(). */
void strays_add(struct strays *s, const struct upstream *u, uint64_t request, const char *subject, uint64_t approver);
/* May the server be at work for somebody else still? Forgets those that it has answered. */
bool strays_of_others(struct strays *s, const struct upstream *u, const char *subject, uint64_t approver);
void strays_done(struct strays *s);

#endif
