/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_PROVIDERS_KEEPER_CGROUP_H
#define HAWSER_PROVIDERS_KEEPER_CGROUP_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Limits over all processes of a wall by cgroups: one group of v2 where it is delegated to us, else one group each in
 * the v1 hierarchies of memory, pids and cpu. What a machine does not offer stays CGROUP_NONE and is somebody else's
 * business (watch.h) or refused.
 */
enum cgroup_kind { CGROUP_NONE, CGROUP_V1, CGROUP_V2 };
enum cgroup_resource { CGROUP_MEMORY, CGROUP_PIDS, CGROUP_CPU, CGROUP_RESOURCES };

struct cgroup_group {
	char *dir;
	int procs_fd; /* of cgroup.procs */
};
struct cgroup {
	enum cgroup_kind kind[CGROUP_RESOURCES];
	struct cgroup_group groups[CGROUP_RESOURCES]; /* v2: only the first is used */
	size_t group_count;
	bool unified; /* groups[0] is of v2, so that it has cgroup.kill */
};

struct cgroup_limits { /* 0: none */
	uint64_t memory, pids, cpu_percent;
};

/* Makes groups called name. Never fails: what cannot be had is CGROUP_NONE. */
void cgroup_make(struct cgroup *cg, const char *name, const struct cgroup_limits *limits);
/* Moves a process into the groups. A first move may wait 15 ms for the kernel (a grace period). */
int cgroup_enter(const struct cgroup *cg, pid_t pid, struct error *err) _must_check_;
/* Kills all that is in it. false: this kind of group cannot. */
bool cgroup_kill(const struct cgroup *cg);
/* How many processes the kernel has killed in it for want of memory. */
uint64_t cgroup_oom_kills(const struct cgroup *cg);
/* Removes the groups; true once they are gone (they are busy while a process of them is being buried). */
bool cgroup_remove(struct cgroup *cg);
/* Forgets them. */
void cgroup_done(struct cgroup *cg);
const char *cgroup_kind_name(enum cgroup_kind kind);

/* ---- cgroup-divide.c: groups of v2, by their folders ---- */

/* The child of a divided group in which broker and keepers are. */
#define CGROUP_LEAF "/hawser-broker"
/* dir is of the unit that we run in. May we decide which controllers it gives to its children? */
bool cgroup_is_delegated(const char *dir);
/* Moves all processes of dir into a child of it. false: some stayed. */
bool cgroup_vacate(const char *dir);

/* ---- pure, for tests ---- */

/* Mount point of a hierarchy and where our own group is in it, from /proc/self/mountinfo and /proc/self/cgroup.
 * controller NULL: the v2 hierarchy. ret (PATH_MAX bytes each) stay untouched unless true is returned. */
bool cgroup_find(const char *mountinfo, const char *self, const char *controller, char *ret_mount, char *ret_own);
/* Is word one of the words of text (separated by white space or commas)? */
bool cgroup_has_word(const char *text, const char *word);

#endif
