/* SPDX-License-Identifier: Apache-2.0 */
/* Which limit is enforced by what: cgroups first, then the watchdog; what neither can is refused. */
#include "providers/keeper/keeper.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The guest and a parked interpreter's first pages live beside the run's processes, each of which may use all of
 * RLIMIT_DATA: without this room the kernel would kill where the language could still have raised an error of its own.
 */
static const uint64_t headroom = 32u << 20;
/* The wall's own processes and the guest. */
enum { PROCESS_HEADROOM = 8 };

int limits_prepare(struct keeper *k, struct error *err)
{
	struct cgroup_limits limits = {
		.memory = k->spec.memory ? k->spec.memory + headroom : 0,
		.pids = k->spec.processes ? k->spec.processes + PROCESS_HEADROOM : 0,
		.cpu_percent = k->spec.cpu_percent,
	};
	char name[256];

	snprintf(name, sizeof(name), "hawser-%s", strrchr(k->spec.dir, '/') + 1);
	if (!k->spec.no_cgroup)
		cgroup_make(&k->cgroup, name, &limits);
	if (limits.cpu_percent && k->cgroup.kind[CGROUP_CPU] == CGROUP_NONE)
		return error_set(
			err, -ENOTSUP,
			"a limit of CPU use needs a control group that this user may make (a delegated cgroup v2 "
			"slice); there is none: take the limit out of the settings, or run as a service with "
			"Delegate=yes");
	return 0;
}

static void on_look(void *user)
{
	struct keeper *k = user;

	switch (watch_look(&k->watch)) {
	case WATCH_FAR:
		loop_timer_start(k->look, WATCH_FAR_MS);
		return;
	case WATCH_NEAR:
		loop_timer_start(k->look, WATCH_NEAR_MS);
		return;
	case WATCH_MEMORY:
		keeper_end(k, "memory", "its processes and files in memory were over %llu MiB together",
			   (unsigned long long)((k->spec.memory + headroom) >> 20));
		return;
	case WATCH_PROCESSES:
		keeper_end(k, "processes", "it had more than %llu processes", (unsigned long long)k->watch.processes);
		return;
	}
}

int limits_watch(struct keeper *k, struct error *err)
{
	bool memory = k->spec.memory && k->cgroup.kind[CGROUP_MEMORY] == CGROUP_NONE;
	bool processes = k->spec.processes && k->cgroup.kind[CGROUP_PIDS] == CGROUP_NONE;
	int r;

	if (!memory && !processes)
		return 0;
	k->watching = true;
	r = watch_open(&k->watch, k->pid1, k->spec.tmpfs, err);
	if (r < 0)
		return r;
	k->watch.memory = memory ? k->spec.memory + headroom : 0;
	k->watch.processes = processes ? k->spec.processes + PROCESS_HEADROOM : 0;
	r = loop_timer_new(k->loop, on_look, k, &k->look, err);
	if (r == 0)
		loop_timer_start(k->look, WATCH_FAR_MS);
	return r;
}

static const char *enforced_by(const struct keeper *k, enum cgroup_resource what, uint64_t limit)
{
	if (!limit)
		return "none";
	switch (k->cgroup.kind[what]) {
	case CGROUP_V1:
		return "cgroup_v1";
	case CGROUP_V2:
		return "cgroup_v2";
	case CGROUP_NONE:
		break;
	}
	return "watchdog";
}

void limits_name(const struct keeper *k, char *text, size_t size)
{
	snprintf(text, size, "memory=%s processes=%s cpu=%s", enforced_by(k, CGROUP_MEMORY, k->spec.memory),
		 enforced_by(k, CGROUP_PIDS, k->spec.processes), enforced_by(k, CGROUP_CPU, k->spec.cpu_percent));
}

void limits_done(struct keeper *k)
{
	k->look = loop_timer_free(k->look);
	if (k->watching)
		watch_close(&k->watch);
	k->watching = false;
}
