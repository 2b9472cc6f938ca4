/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_PROVIDERS_KEEPER_WATCH_H
#define HAWSER_PROVIDERS_KEEPER_WATCH_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * The watchdog where no cgroup limits memory or processes: looks at the processes of the sandbox through its own /proc,
 * and at its tmpfs. A cheap look sums resident pages (shared pages count more than once, so it never says too little);
 * only near the limit it asks the kernel for proportional sizes. It does not see the kernel's own memory (socket
 * buffers, page tables); sizes and counts of those are bounded by rlimits and by the seccomp filter (no memfd, no SysV
 * objects).
 */
enum { WATCH_TMPFS_MAX = 8, WATCH_FAR_MS = 50, WATCH_NEAR_MS = 8 };

struct watch {
	int proc_fd;
	int tmpfs_fds[WATCH_TMPFS_MAX];
	size_t tmpfs_count;
	uint64_t memory, processes; /* limits; 0: not watched */
	int victim; /* pid in the sandbox of who was killed last; 0: nobody */
	uint64_t peak; /* most bytes that a look saw */
};

enum watch_verdict {
	WATCH_FAR, /* look again after WATCH_FAR_MS */
	WATCH_NEAR, /* after WATCH_NEAR_MS */
	WATCH_MEMORY, /* over the limit and killing one process is not enough: end the sandbox */
	WATCH_PROCESSES /* too many processes: end the sandbox */
};

/* pid1: of the sandbox, seen from here. */
int watch_open(struct watch *w, pid_t pid1, char *const *tmpfs, struct error *err) _must_check_;
/* Kills the biggest process (never pid 1 of the sandbox) when over the limit. */
enum watch_verdict watch_look(struct watch *w);
void watch_close(struct watch *w);

#endif
