/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BASE_LOOP_H
#define HAWSER_BASE_LOOP_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * The event loop: a thin face of libuv, so that the rest of the tree names no uv type. One thread, one loop.
 * Every object is made by x_new(), belongs to the caller and is given back by x_free(), which is safe inside its own
 * callback; its callback never runs again after that.
 */
struct loop;
struct loop_fd;
struct loop_timer;
struct loop_work;

int loop_new(struct loop **ret, struct error *err) _must_check_;
/* Runs what was deferred and what still ends by itself (a server on its way out), then closes all. Objects must have
 * been freed by their owners: one that waits for something keeps this from returning. NULL is fine. */
struct loop *loop_free(struct loop *loop);
/* The loop owns user: fn(user) runs at the beginning of loop_free(), last come first. For what there is once a loop. */
void loop_own(struct loop *loop, void (*fn)(void *user), void *user);
/* What it owns with this fn; NULL: nothing. */
void *loop_owned(const struct loop *loop, void (*fn)(void *user));
/* Until loop_stop(), or until nothing is left to wait for. */
void loop_run(struct loop *loop);
/* Makes loop_run() return after the present turn. */
void loop_stop(struct loop *loop);
/* Is there anything left to wait for? */
bool loop_is_alive(const struct loop *loop);
/* One turn; waits at most timeout_ms (-1: until something happens). For tests. */
void loop_turn(struct loop *loop, int timeout_ms);
/* The libuv loop, for base/ws and later libcurl only. */
struct uv_loop_s *loop_uv(struct loop *loop);
/* Longest time in ns between two polls since the last call with reset. Counted, for doctor. */
uint64_t loop_longest_turn_ns(struct loop *loop, bool reset);
/* The callback that took most of that turn, as "on_reply (broker/core/callreply.c)"; NULL: none that is known here. */
const char *loop_longest_turn_part(const struct loop *loop);
/* What callbacks are named by there: what is registered here says which one it is, and in which file. */
#define LOOP_PART(fn) (#fn " (" __FILE__ ")")

/* ---- descriptors: the descriptor stays the caller's and must outlive the watcher ---- */
enum { LOOP_READ = 1, LOOP_WRITE = 2, LOOP_HANGUP = 4 };
typedef void loop_fd_fn(void *user, unsigned events);
/* Not watching anything yet. fd must be pollable (no regular file: -EPERM). */
#define loop_fd_new(loop, fd, fn, user, ret, err) loop_fd_new_part(loop, fd, fn, user, LOOP_PART(fn), ret, err)
int loop_fd_new_part(struct loop *loop, int fd, loop_fd_fn *fn, void *user, const char *part, struct loop_fd **ret,
		     struct error *err) _must_check_;
/* Watches for events (0: none). An error on the descriptor arrives as all events that are watched. */
void loop_fd_watch(struct loop_fd *w, unsigned events);
/* In the background: it does not keep loop_run() from returning when nothing else is left to wait for. */
void loop_fd_background(struct loop_fd *w, bool background);
struct loop_fd *loop_fd_free(struct loop_fd *w);

/* ---- timers ---- */
typedef void loop_timer_fn(void *user);
#define loop_timer_new(loop, fn, user, ret, err) loop_timer_new_part(loop, fn, user, LOOP_PART(fn), ret, err)
int loop_timer_new_part(struct loop *loop, loop_timer_fn *fn, void *user, const char *part, struct loop_timer **ret,
			struct error *err) _must_check_;
/* Fires once, ms from now; an armed timer is set anew. */
void loop_timer_start(struct loop_timer *t, uint64_t ms);
void loop_timer_stop(struct loop_timer *t);
bool loop_timer_armed(const struct loop_timer *t);
struct loop_timer *loop_timer_free(struct loop_timer *t);

/* ---- next turn: fn(user) once, after the present callback has returned; in order. Memory of closed objects is given
 * back this way. Cannot fail (aborts without memory). */
#define loop_defer(loop, fn, user) loop_defer_part(loop, fn, user, LOOP_PART(fn))
void loop_defer_part(struct loop *loop, void (*fn)(void *user), void *user, const char *part);

/* ---- blocking or long work on another thread ---- */
/* run(user) on a worker thread, then done(user) on the loop, exactly once, never inside this call. run must only touch
 * what user owns. */
#define loop_work_start(loop, run, done, user, err) loop_work_start_part(loop, run, done, user, LOOP_PART(done), err)
int loop_work_start_part(struct loop *loop, void (*run)(void *user), void (*done)(void *user), void *user,
			 const char *part, struct error *err) _must_check_;

/* ---- signals of the process itself (SIGTERM, SIGINT, SIGHUP), by signalfd: no handler is installed ---- */
typedef void loop_signal_fn(void *user, int signo);
/* Blocks the signals in this thread and calls fn for each that arrives. signals ends with 0. At most once a loop. */
int loop_signals_start(struct loop *loop, const int *signals, loop_signal_fn *fn, void *user,
		       struct error *err) _must_check_;

#endif
