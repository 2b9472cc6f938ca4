/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_TESTS_ATTACKS_PROBE_H
#define HAWSER_TESTS_ATTACKS_PROBE_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * One hostile act each. The same program runs outside (the control, which has to find it OPEN) and inside. An act
 * returns true if it did what it must not; false with errno otherwise. It runs in a process of its own, so it may die.
 */
struct probe {
	const char *name;
	bool (*act)(void);
};

/* What the driver tells by --target and NAME=VALUE words. */
extern pid_t probe_target; /* a process to be attacked: 1 inside, a victim of the same user outside */
const char *probe_word(const char *name); /* NULL: not given */

extern const struct probe probes_kernel[], probes_files[], probes_guest[]; /* each ends with a NULL name */

#endif
