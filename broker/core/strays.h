/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_CORE_STRAYS_H
#define HAWSER_BROKER_CORE_STRAYS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Whose calls to a server were given up: it may go on with them, and ask, for STRAYS_MS. Pure. What is not known counts
 * as somebody else's, so that nobody is shown what a server asks another.
 */
enum { STRAYS_MS = 60000 };

struct strays {
	char *subject; /* NULL: not known */
	uint64_t approver;
	uint64_t until_ms; /* 0: never one */
	bool several; /* of different people */
};
void strays_add(struct strays *s, const char *subject, uint64_t approver, uint64_t now_ms);
/* May one be of somebody else than this? */
bool strays_of_others(const struct strays *s, const char *subject, uint64_t approver, uint64_t now_ms);
void strays_done(struct strays *s);

#endif
