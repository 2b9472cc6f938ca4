/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BASE_SPAWN_H
#define HAWSER_BASE_SPAWN_H

#include "base/error.h"
#include "base/loop.h"

#include <sys/resource.h>
#include <sys/types.h>

/*
 * Child processes. SIGCHLD is blocked and read from a signalfd, so the process has no handler of its own (a pid 1
 * without handlers cannot be signalled from inside its name space), and every child that ends is reaped, known or not.
 */
struct spawner; /* one a process; while it has children it keeps loop_run() from returning */

struct spawn_fd {
	int parent; /* borrowed */
	int child; /* its number in the child */
};
struct spawn_limit {
	int resource; /* RLIMIT_... */
	rlim_t value; /* soft and hard */
};

struct spawn_options {
	const char *const *argv; /* argv[0] is looked up in PATH of envp unless it has a slash */
	const char *const *envp; /* whole environment; NULL is not allowed: nothing is inherited by accident */
	const char *cwd; /* NULL: the present one */
	const struct spawn_fd
		*fds; /* descriptors of the child; all others are closed. 0, 1, 2 are /dev/null if absent */
	size_t fd_count;
	const struct spawn_limit *limits;
	size_t limit_count;
	bool new_session; /* setsid(), else the child leads a process group of its own */
	bool die_with_parent; /* PR_SET_PDEATHSIG SIGKILL */
	bool no_wait; /* do not wait for exec (a child on a busy machine takes its time): what cannot be seen before
		       * fails with status 127 and a line on its stderr */
	uid_t uid; /* (uid_t)-1: keep. Sets gid too and drops groups */
	gid_t gid;
	int oom_score_adj; /* 0: keep */
};

/* usage is of this child and what it waited for. Called once, on the loop. */
typedef void spawn_exit_fn(void *user, pid_t pid, int status, const struct rusage *usage);

int spawner_new(struct loop *loop, struct spawner **ret, struct error *err) _must_check_;
/* Children go on living; their exits are no longer told. */
struct spawner *spawner_free(struct spawner *spawner);
/* This process may open as many descriptors as its hard limit allows. Children begin with the soft limit that it came
 * with: programs that use select() count on a small one. */
void spawner_raise_files(struct spawner *spawner);
/* Called for children that were not started here (orphans that a pid 1 or a subreaper inherits). */
void spawner_on_orphan(struct spawner *spawner, spawn_exit_fn *fn, void *user);
/* Starts a child. An exec that fails is an error of this call (with errno of the child), not an exit. fn may be NULL.
 */
int spawn_start(struct spawner *spawner, const struct spawn_options *options, spawn_exit_fn *fn, void *user,
		pid_t *ret_pid, struct error *err) _must_check_;
/* Forgets the callback of a child that is still running. */
void spawn_forget(struct spawner *spawner, pid_t pid);
/* Somebody is still to be told of the exit of a child. */
bool spawner_awaits(const struct spawner *spawner);

#endif
