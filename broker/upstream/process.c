/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Life: process_start() -> running -> ended (told once) -> process_end() -> leaving -> freed. Whoever owns it calls
 * process_end() at any time; the ladder then goes on by itself.
 *
 * An end shows in three places, in any order: the exit status, the end of stdout, the end of stderr. "ended" waits for
 * all of them, so that no answer and no last word is lost, but at most PROCESS_GRACE_MS: something else may hold the
 * pipes.
 */
#include "broker/upstream/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#define PROCESS_GRACE_MS 500u
#define PROCESS_PIPE_SIZE \
	(256 << 10) /* fewer turns for big messages; small beside the 64 MiB that the kernel grants a user */

enum leaving { STAYS, STDIN_CLOSED, TERM_SENT, KILL_SENT };

struct process {
	struct loop *loop;
	struct spawner *spawner;
	struct process_events events;
	void *user;
	struct io *out; /* reads stdout, writes stdin */
	struct io *err;
	struct loop_timer *timer; /* grace while it stays, steps of the ladder while it leaves */
	uint64_t step_ms;
	pid_t pid;
	int status;
	bool exited, out_closed, err_closed, told, paused;
	enum leaving leaving;
	void (*gone)(void *user);
	void *gone_user;
};

static void describe_end(const struct process *p, char text[96])
{
	if (!p->exited)
		snprintf(text, 96, "closed its output");
	else if (WIFSIGNALED(p->status))
		snprintf(text, 96, "was killed by signal %d (%s)", WTERMSIG(p->status), strsignal(WTERMSIG(p->status)));
	else
		snprintf(text, 96, "exited with status %d", WEXITSTATUS(p->status));
}

static void tell_ended(struct process *p)
{
	char text[96];

	if (p->told || p->leaving)
		return;
	p->told = true;
	loop_timer_stop(p->timer);
	describe_end(p, text);
	p->events.ended(p->user, text);
}

static void look_for_end(struct process *p)
{
	if (p->leaving || p->told)
		return;
	if (p->exited && p->out_closed && p->err_closed)
		tell_ended(p);
	else if ((p->exited || p->out_closed) && !loop_timer_armed(p->timer))
		loop_timer_start(p->timer, PROCESS_GRACE_MS);
}

/* Memory goes on the next turn: io and timer callbacks may be on the stack. */
static void on_free(void *user)
{
	struct process *p = user;

	if (p->gone)
		p->gone(p->gone_user);
	free(p);
}

static void destroy(struct process *p)
{
	p->out = io_free(p->out);
	p->err = io_free(p->err);
	p->timer = loop_timer_free(p->timer);
	loop_defer(p->loop, on_free, p);
}

static void on_exit_status(void *user, pid_t pid, int status, const struct rusage *usage)
{
	struct process *p = user;

	(void)usage;
	p->exited = true;
	p->status = status;
	/* What it started and left behind. The group's number stays taken while anybody is in it. */
	kill(-pid, SIGKILL);
	if (p->leaving)
		destroy(p);
	else
		look_for_end(p);
}

static void climb(struct process *p)
{
	switch (p->leaving) {
	case STAYS:
		p->leaving = STDIN_CLOSED;
		io_end(p->out);
		break;
	case STDIN_CLOSED:
		p->leaving = TERM_SENT;
		kill(-p->pid, SIGTERM);
		break;
	case TERM_SENT:
		p->leaving = KILL_SENT;
		kill(-p->pid, SIGKILL);
		return; /* its exit will be told */
	case KILL_SENT:
		return;
	}
	loop_timer_start(p->timer, p->step_ms);
}

static void on_timer(void *user)
{
	struct process *p = user;

	if (p->leaving)
		climb(p);
	else if (p->paused && !p->out_closed)
		loop_timer_start(p->timer, PROCESS_GRACE_MS); /* it is us who do not read */
	else
		tell_ended(p);
}

static size_t on_out(void *user, const uint8_t *bytes, size_t len)
{
	struct process *p = user;

	return p->leaving || p->told ? len : p->events.data(p->user, bytes, len);
}

static void on_out_closed(void *user, const struct error *reason)
{
	struct process *p = user;

	(void)reason;
	p->out_closed = true;
	look_for_end(p);
}

static void on_drained(void *user)
{
	struct process *p = user;

	if (!p->leaving && !p->told)
		p->events.drained(p->user);
}

static size_t on_err(void *user, const uint8_t *bytes, size_t len)
{
	struct process *p = user;

	if (!p->leaving && !p->told)
		p->events.words(p->user, bytes, len);
	return len;
}

static void on_err_closed(void *user, const struct error *reason)
{
	struct process *p = user;

	(void)reason;
	p->err_closed = true;
	look_for_end(p);
}

struct pipes {
	int in[2], out[2], err[2]; /* [0] reads, [1] writes */
};
#define PIPES_INIT                  \
	{                           \
		{-1, -1}, {-1, -1}, \
		{                   \
			-1, -1      \
		}                   \
	}

static void pipes_close(struct pipes *pipes)
{
	int *fds = pipes->in;

	for (size_t i = 0; i < sizeof(*pipes) / sizeof(int); i++)
		cleanup_closep(&fds[i]);
}

static int pipes_open(struct pipes *pipes, struct error *err)
{
	if (pipe2(pipes->in, O_CLOEXEC) < 0 || pipe2(pipes->out, O_CLOEXEC) < 0 || pipe2(pipes->err, O_CLOEXEC) < 0)
		return error_set_errno(err, -errno, "making pipes");
	(void)fcntl(pipes->in[1], F_SETPIPE_SZ, PROCESS_PIPE_SIZE);
	(void)fcntl(pipes->out[0], F_SETPIPE_SZ, PROCESS_PIPE_SIZE);
	return 0;
}

static int spawn(struct process *p, const struct process_options *options, const struct pipes *pipes, struct error *err)
{
	const struct spawn_fd fds[] = {{pipes->in[0], 0}, {pipes->out[1], 1}, {pipes->err[1], 2}};
	const struct spawn_options spawn_options = {
		.argv = options->argv,
		.envp = options->envp,
		.cwd = options->cwd,
		.fds = fds,
		.fd_count = ARRAY_SIZE(fds),
		.die_with_parent = true,
		.no_wait = true,
		.uid = (uid_t)-1,
		.gid = (gid_t)-1,
	};

	return spawn_start(p->spawner, &spawn_options, on_exit_status, p, &p->pid, err);
}

static int open_streams(struct process *p, const struct process_options *options, struct pipes *pipes,
			struct error *err)
{
	static const struct io_events out_events = {.data = on_out, .closed = on_out_closed, .drained = on_drained};
	static const struct io_events err_events = {.data = on_err, .closed = on_err_closed};
	const struct io_options out = {
		.read_fd = TAKE_FD(pipes->out[0]),
		.write_fd = TAKE_FD(pipes->in[1]),
		.read_max = options->read_max,
		.write_max = options->write_max,
	};
	const struct io_options words = {.read_fd = TAKE_FD(pipes->err[0]), .write_fd = -1};
	int r = io_new(p->loop, &out, &out_events, p, &p->out, err);

	if (r == 0)
		return io_new(p->loop, &words, &err_events, p, &p->err, err);
	close(words.read_fd);
	return r;
}

int process_start(struct loop *loop, struct spawner *spawner, const struct process_options *options,
		  const struct process_events *events, void *user, struct process **ret, struct error *err)
{
	_cleanup_(pipes_close) struct pipes pipes = PIPES_INIT;
	struct process *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return error_set(err, -ENOMEM, "no memory for a process");
	p->loop = loop;
	p->spawner = spawner;
	p->events = *events;
	p->user = user;
	p->step_ms = options->step_ms;
	r = loop_timer_new(loop, on_timer, p, &p->timer, err);
	if (r == 0)
		r = pipes_open(&pipes, err);
	if (r == 0)
		r = open_streams(p, options, &pipes, err);
	if (r == 0)
		r = spawn(p, options, &pipes, err);
	if (r < 0) {
		destroy(p);
		return r;
	}
	*ret = p;
	return 0;
}

pid_t process_pid(const struct process *p)
{
	return p->pid;
}

int process_writev(struct process *p, const struct iovec *iov, int count)
{
	return io_writev(p->out, iov, count);
}

size_t process_queued(const struct process *p)
{
	return io_queued(p->out);
}

void process_pause(struct process *p, bool paused)
{
	if (p->paused == paused)
		return;
	p->paused = paused;
	if (paused)
		io_pause(p->out);
	else
		io_resume(p->out);
}

struct process *process_end(struct process *p, void (*gone)(void *user), void *user)
{
	if (!p)
		return NULL;
	p->gone = gone;
	p->gone_user = user;
	process_pause(p, false); /* it shall not wait for us in a write */
	if (p->exited) {
		p->leaving = KILL_SENT;
		destroy(p);
	} else {
		climb(p);
	}
	return NULL;
}
