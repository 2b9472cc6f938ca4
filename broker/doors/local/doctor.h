/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_DOORS_LOCAL_DOCTOR_H
#define HAWSER_BROKER_DOORS_LOCAL_DOCTOR_H

#include "broker/doors/local/internal.h"

/* The state of one `doctor`, for doctor.c and doctor-servers.c. Until the servers begin it owns nothing: a run that is
 * abandoned takes it with it. */
struct doctor {
	size_t step; /* the language that is tried */
	unsigned missing; /* bits of languages without an interpreter: its line says so, no run does */
	char said[512]; /* by the last run that failed */
	unsigned bad;
	/* doctor-servers.c */
	struct buf list; /* raw JSON: the servers */
	size_t at;
	char name[256], tool[256]; /* what is called now */
	size_t tools; /* of that server */
	bool late; /* it was given up */
	struct loop_timer *patience;
};

/* One finding. cure: a command or an edit, "" or NULL: none. */
void doctor_tell(struct request *q, const char *key, const char *text, const char *cure, bool good);
/* Ends the request: answers, or frees it if nobody hears it any more. */
void doctor_finish(struct request *q);
/* Starts each server once, calls one harmless tool of each, then finishes. */
void doctor_try_servers(struct request *q);

#endif
