/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_PROVIDERS_KEEPER_KEEPER_H
#define HAWSER_PROVIDERS_KEEPER_KEEPER_H

#include "base/io.h"
#include "base/loop.h"
#include "base/spawn.h"
#include "providers/keeper/cgroup.h"
#include "providers/keeper/spec.h"
#include "providers/keeper/watch.h"

/*
 * One sandbox and all that holds it. The files of this folder share this struct.
 *
 *   BUILDING --guest has read its secret--> READY --stop, lease, limit--> ENDING --wall is gone--> GONE
 *      |                                      |                             ^
 *      +--wall ended, 10 s passed-------------+-----wall ended--------------+
 */
enum keeper_state { KEEPER_BUILDING, KEEPER_READY, KEEPER_ENDING, KEEPER_GONE };

enum { KEEPER_CONNS_MAX = 8, KEEPER_LINE_MAX = 4096, KEEPER_TAIL = 1024, KEEPER_BUILD_MS = 10000 };

struct keeper;
struct conn {
	struct keeper *keeper;
	struct io *io; /* NULL: free */
};

struct keeper {
	struct loop *loop;
	struct spawner *spawner;
	struct spec spec;
	enum keeper_state state;
	/* wall.c */
	pid_t wall; /* 0: not there */
	pid_t pid1; /* of the sandbox; 0: not known yet */
	int pid1_fd; /* pidfd */
	int secret_fd; /* writing end of the secret's pipe; -1: given */
	struct loop_fd *secret_watch;
	struct loop_timer *build; /* while BUILDING: looks for pid 1; while ENDING: cleans up */
	uint64_t build_until_ms;
	struct io *said; /* stderr of the wall */
	char tail[KEEPER_TAIL + 1]; /* the end of it */
	size_t tail_len;
	uid_t uid; /* (uid_t)-1: our own */
	int uid_lock;
	struct cgroup cgroup;
	/* limits.c */
	struct watch watch;
	bool watching;
	struct loop_timer *look;
	/* control.c */
	int control_fd;
	struct loop_fd *control_watch;
	struct conn conns[KEEPER_CONNS_MAX];
	struct loop_timer *lease;
	/* why it ended: a word and a sentence */
	const char *reason;
	char why[KEEPER_LINE_MAX];
	bool dir_made;
};

/* ---- keeper.c ---- */
/* Begins the end: kills the wall. The first reason counts. */
void keeper_end(struct keeper *k, const char *reason, const char *fmt, ...) _printf_(3, 4);
/* The guest runs, behind a finished wall. */
int keeper_ready(struct keeper *k, struct error *err) _must_check_;

/* ---- wall.c ---- */
/* Makes the listening socket and starts the wall; from here on keeper_ready() or keeper_end() comes. */
int wall_start(struct keeper *k, struct error *err) _must_check_;
void wall_kill(struct keeper *k);
/* Frees what is left; the wall must be gone. */
void wall_done(struct keeper *k);
/* Last line that the wall or the guest said on stderr, or "". */
const char *wall_last_words(struct keeper *k);

/* ---- limits.c ---- */
/* Makes the cgroups. Fails for a limit that nothing here can enforce. */
int limits_prepare(struct keeper *k, struct error *err) _must_check_;
/* Starts the watchdog if it is needed; pid 1 stands behind its wall. */
int limits_watch(struct keeper *k, struct error *err) _must_check_;
/* "memory=cgroup_v1 processes=watchdog cpu=none" */
void limits_name(const struct keeper *k, char *text, size_t size);
void limits_done(struct keeper *k);

/* ---- control.c ---- */
/* fd is the first control connection (consumed); also listens on keeper.sock and arms the lease. */
int control_start(struct keeper *k, int fd, struct error *err) _must_check_;
/* A line to everybody; how many got it. */
size_t control_tell(struct keeper *k, const char *fmt, ...) _printf_(2, 3);
void control_done(struct keeper *k);
/* A unix socket of mode 0600 that listens at dir/name. */
int control_listen(const char *dir, const char *name, int *ret, struct error *err) _must_check_;

#endif
