/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_UPSTREAM_PROCESS_H
#define HAWSER_BROKER_UPSTREAM_PROCESS_H

#include "base/io.h"
#include "base/loop.h"
#include "base/spawn.h"

/* A server's process: its pipes, its process group, and its way out. It knows nothing of MCP. */
struct process;

struct process_options {
	const char *const *argv;
	const char *const *envp;
	const char *cwd;
	size_t read_max; /* as io_options */
	size_t write_max; /* as io_options */
	uint64_t step_ms; /* between the steps of the exit ladder */
};

struct process_events {
	/* Bytes of stdout; as io_events.data. */
	size_t (*data)(void *user, const uint8_t *bytes, size_t len);
	/* Bytes of stderr; all are taken. */
	void (*words)(void *user, const uint8_t *bytes, size_t len);
	/* The write queue became empty. */
	void (*drained)(void *user);
	/* It exited, or closed its output: nothing follows. how is for a person: "exited with status 3". */
	void (*ended)(void *user, const char *how);
};

int process_start(struct loop *loop, struct spawner *spawner, const struct process_options *options,
		  const struct process_events *events, void *user, struct process **ret,
		  struct error *err) _must_check_;
pid_t process_pid(const struct process *p);
/* As io_writev(). */
int process_writev(struct process *p, const struct iovec *iov, int count) _must_check_;
/* As io_queued(). */
size_t process_queued(const struct process *p);
/* Stops and resumes reading of stdout. */
void process_pause(struct process *p, bool paused);
/* Ends it without waiting: close stdin, a step, SIGTERM to the group, a step, SIGKILL. No event comes any more, the
 * object frees itself. gone (may be NULL) is called once, when the process is no more; never inside this call. The
 * spawner and the loop must live until then. */
struct process *process_end(struct process *p, void (*gone)(void *user), void *user);

#endif
