/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_TUNNEL_GUEST_CHILD_H
#define HAWSER_TUNNEL_GUEST_CHILD_H

#include "tunnel/guest/guest.h"

/*
 * One interpreter process and our ends of its descriptors: started for a run, or ahead of one (parked).
 */
enum child_fd { CHILD_OUT, CHILD_ERR, CHILD_LOG, CHILD_SHIM, CHILD_LOBBY, CHILD_FDS };

struct child_limits {
	uint64_t memory, processes, file;
};

struct child {
	struct guest *guest;
	struct run *run; /* NULL: parked */
	int language;
	pid_t pid; /* 0: has ended */
	int fds[CHILD_FDS]; /* -1: handed over or closed */
	struct child_limits limits;
	char *work; /* its working directory */
};

/* file: the program's file in the working directory (bash), else NULL. */
int child_new(struct guest *g, int language, const struct child_limits *limits, const char *work, const char *file,
	      struct child **ret, struct error *err) _must_check_;
/* Closes what was not handed over; the process is killed if it is still there. */
struct child *child_free(struct child *c);
/* A new working directory; on the heap. */
int child_work_dir(struct guest *g, char **ret, struct error *err) _must_check_;

/* Parked interpreters: fills the places that options.park names and that are empty. */
void park_fill(struct guest *g);
/* The same in a second: a sandbox that is destroyed after its one run does not start interpreters for nobody. */
void park_fill_later(struct guest *g);
/* The parked interpreter of that language if there is one with these limits; the caller owns it. */
struct child *park_take(struct guest *g, int language, const struct child_limits *limits);

/* ---- reap.c: the processes of a run ---- */
struct reap_tally {
	size_t alive; /* processes, zombies not counted */
	size_t moving; /* of those: not stopped */
	uint64_t cpu_ms; /* of the living, and of children that they waited for */
	uint64_t rss; /* bytes, sum over the living */
};
/* Looks at all processes of the run, as far as it gets until until_ms; kills them when kill_them is set. */
void reap_look(struct guest *g, struct run *run, bool kill_them, uint64_t until_ms, struct reap_tally *ret);
/* Sends a signal to all processes of the run. Where several runs are open, one that is forked meanwhile may be missed:
 * look again. */
void reap_signal(struct guest *g, struct run *run, int signo);
/* Raises cpu_ms and peak memory (bytes) to what this one process has used; finer than a look, which counts in ticks.
 * false: it is ending by itself and has given its memory back; wait() will know. */
bool reap_usage(pid_t pid, uint64_t *cpu_ms, uint64_t *max_rss);
/* A process that we did not start ended; its time counts for the run that it belonged to. */
void reap_orphan(void *user, pid_t pid, int status, const struct rusage *usage);

#endif
