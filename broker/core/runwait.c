/* SPDX-License-Identifier: Apache-2.0 */
/* A run while calls of it wait for a person. */
#include "broker/core/runs.h"

static void tell(struct run *run, const char *what)
{
	if (run->events.state)
		run->events.state(run->user, what);
}

void runs_wait_begin(struct run *run)
{
	if (run->calls_waiting++ == 0)
		tell(run, "waiting for a person");
}

void runs_wait_end(struct run *run)
{
	if (--run->calls_waiting == 0 && run->state == RUN_RUNNING)
		tell(run, "running");
}
