/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting, placing and killing the wall. The guest does nothing before it has read its secret, and it gets that only
 * when all processes of the wall are inside the cgroups: moving them (the kernel may take 15 ms for it) runs beside
 * bubblewrap's own work, and nothing can slip out. That the pipe is closed empty says that the guest runs.
 */
#include "providers/keeper/keeper.h"

#include "base/clock.h"
#include "providers/keeper/uid.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { WALL_LOOK_MS = 1, WALL_FILES = 4096, WALL_OOM_SCORE = 300, WALL_CHILDREN_MAX = 64 };

struct grants {
	struct spawn_fd fds[SPEC_GRANTS_MAX + 3];
	int own[SPEC_GRANTS_MAX + 3]; /* to be closed here once the wall has its copies */
	size_t count, own_count;
};

static void close_grants(struct grants *g)
{
	for (size_t i = 0; i < g->own_count; i++)
		close(g->own[i]);
}

/* Takes over fd. */
static void grant(struct grants *g, int fd, int child_fd)
{
	g->own[g->own_count++] = fd;
	g->fds[g->count++] = (struct spawn_fd){fd, child_fd};
}

static int sealed_bytes(const struct spec_grant *grant_spec, int *ret, struct error *err)
{
	_cleanup_close_ int fd = memfd_create("hawser", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || write(fd, grant_spec->data, grant_spec->len) != (ssize_t)grant_spec->len)
		return error_set_errno(err, -errno, "handing data to the wall");
	lseek(fd, 0, SEEK_SET);
	fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
	*ret = TAKE_FD(fd);
	return 0;
}

static int make_grant(struct keeper *k, const struct spec_grant *s, struct grants *g, struct error *err)
{
	int fds[2] = {-1, -1}, r;

	switch (s->kind) {
	case SPEC_GRANT_LISTEN:
		r = control_listen(k->spec.dir, "guest.sock", &fds[0], err);
		break;
	case SPEC_GRANT_SECRET:
		if (k->secret_fd >= 0)
			return error_set(err, -EINVAL, "the secret can be granted once only");
		r = pipe2(fds, O_CLOEXEC) < 0 ? error_set_errno(err, -errno, "making a pipe") : 0;
		k->secret_fd = r == 0 ? fds[1] : -1;
		break;
	case SPEC_GRANT_BYTES:
		r = sealed_bytes(s, &fds[0], err);
		break;
	case SPEC_GRANT_PATH:
		fds[0] = open(s->path, O_RDONLY | O_CLOEXEC);
		r = fds[0] < 0 ? error_set_errno(err, -errno, "opening %s", s->path) : 0;
		break;
	default:
		return error_set(err, -EINVAL, "unknown grant");
	}
	if (r == 0)
		grant(g, fds[0], s->child_fd);
	return r;
}

/* ---- what it says ---- */

static size_t on_said(void *user, const uint8_t *bytes, size_t len)
{
	struct keeper *k = user;
	size_t n = len < KEEPER_TAIL ? len : KEEPER_TAIL, keep = k->tail_len;

	if (keep + n > KEEPER_TAIL)
		keep = KEEPER_TAIL - n;
	memmove(k->tail, k->tail + k->tail_len - keep, keep);
	memcpy(k->tail + keep, bytes + len - n, n);
	k->tail_len = keep + n;
	return len;
}

static void on_said_closed(void *user, const struct error *reason)
{
	struct keeper *k = user;

	(void)reason;
	k->said = io_free(k->said);
}

static int listen_to(struct keeper *k, struct grants *g, struct error *err)
{
	static const struct io_events events = {.data = on_said, .closed = on_said_closed};
	struct io_options options = {.write_fd = -1};
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return error_set_errno(err, -errno, "making a pipe");
	grant(g, fds[1], 2);
	g->fds[g->count++] = (struct spawn_fd){fds[1], 1};
	options.read_fd = fds[0];
	return io_new(k->loop, &options, &events, k, &k->said, err);
}

const char *wall_last_words(struct keeper *k)
{
	char *line;

	while (k->tail_len > 0 && (unsigned char)k->tail[k->tail_len - 1] <= ' ')
		k->tail_len--;
	k->tail[k->tail_len] = '\0';
	for (char *c = k->tail; *c; c++)
		if ((unsigned char)*c < ' ' && *c != '\n')
			*c = ' ';
	line = strrchr(k->tail, '\n');
	return line ? line + 1 : k->tail;
}

/* ---- pid 1, cgroups, secret ---- */

/* Puts pid and all below it into the cgroups; pid 1 of the sandbox is the wall's first child, once it is there. */
static int place(struct keeper *k, pid_t pid, int depth, struct error *err)
{
	char path[64], text[512];
	_cleanup_close_ int fd = -1;
	ssize_t n;
	int r;

	r = cgroup_enter(&k->cgroup, pid, err);
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
	fd = r < 0 ? -1 : open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return r;
	text[n] = '\0';
	for (char *at = text, *end; r == 0 && depth < 4; at = end) {
		long child = strtol(at, &end, 10);

		if (end == at)
			break;
		if (depth == 0 && !k->pid1)
			k->pid1 = (pid_t)child;
		r = place(k, (pid_t)child, depth + 1, err);
	}
	return r;
}

static void on_secret_read(void *user, unsigned events)
{
	struct keeper *k = user;
	_cleanup_error_ struct error err = ERROR_INIT;
	int left = 0;

	(void)events;
	k->secret_watch = loop_fd_free(k->secret_watch);
	ioctl(k->secret_fd, FIONREAD, &left);
	close(TAKE_FD(k->secret_fd));
	if (left == 0 && keeper_ready(k, &err) < 0)
		keeper_end(k, "failed", "%s", error_text(&err));
	/* else the wall died: its exit comes */
}

static int give_secret(struct keeper *k, struct error *err)
{
	int r;

	k->pid1_fd = (int)syscall(SYS_pidfd_open, k->pid1, 0);
	if (k->pid1_fd < 0)
		return 0; /* it is gone already: the exit of the wall comes */
	if (k->secret_fd < 0) /* a wall without a guest of ours */
		return keeper_ready(k, err);
	if (write(k->secret_fd, k->spec.secret, sizeof(k->spec.secret)) < 0 && errno != EPIPE)
		return error_set_errno(err, -errno, "giving the guest its secret");
	explicit_bzero(k->spec.secret, sizeof(k->spec.secret));
	r = loop_fd_new(k->loop, k->secret_fd, on_secret_read, k, &k->secret_watch, err);
	if (r == 0)
		loop_fd_watch(k->secret_watch, LOOP_HANGUP);
	return r;
}

static void on_build(void *user)
{
	struct keeper *k = user;
	_cleanup_error_ struct error err = ERROR_INIT;
	int r;

	if (k->state != KEEPER_BUILDING || !k->wall)
		return;
	if (clock_now_ms() > k->build_until_ms) {
		keeper_end(k, "failed", "the wall was not up after %d s; it said: %s", KEEPER_BUILD_MS / 1000,
			   wall_last_words(k));
		return;
	}
	if (k->pid1_fd >= 0) { /* waiting for the guest: only the clock counts */
		loop_timer_start(k->build, KEEPER_BUILD_MS);
		return;
	}
	r = place(k, k->wall, 0, &err);
	if (r == 0 && k->pid1)
		r = place(k, k->wall, 0, &err); /* again: what was born before the first move is inside now */
	if (r == 0 && k->pid1)
		r = give_secret(k, &err);
	if (r < 0)
		keeper_end(k, "failed", "%s", error_text(&err));
	else
		loop_timer_start(k->build, k->pid1 ? KEEPER_BUILD_MS + 1 : WALL_LOOK_MS);
}

/* ---- start and end ---- */

static void on_wall_exit(void *user, pid_t pid, int status, const struct rusage *usage)
{
	struct keeper *k = user;
	uint64_t ooms = cgroup_oom_kills(&k->cgroup);

	(void)pid;
	(void)usage;
	k->wall = 0;
	if (k->said) { /* its last words may still be in the pipe */
		uint8_t bytes[KEEPER_TAIL];
		ssize_t n;

		while ((n = read(io_fd(k->said), bytes, sizeof(bytes))) > 0)
			on_said(k, bytes, (size_t)n);
	}
	if (ooms && status)
		keeper_end(k, "memory", "the kernel killed it for want of memory");
	else if (k->state == KEEPER_BUILDING)
		keeper_end(k, "failed", "the wall could not be built: %s", wall_last_words(k));
	else
		keeper_end(k, "exit", "the guest ended with %s %d%s%s", WIFSIGNALED(status) ? "signal" : "status",
			   WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), k->tail_len ? ": " : "",
			   wall_last_words(k));
}

static rlim_t at_most(int resource, rlim_t wanted)
{
	struct rlimit have;

	if (getrlimit((__rlimit_resource_t)resource, &have) == 0 && have.rlim_max < wanted)
		return have.rlim_max;
	return wanted;
}

static int start(struct keeper *k, const struct grants *g, struct error *err)
{
	struct spawn_limit limits[] = {
		{RLIMIT_CORE, 0},
		{RLIMIT_NOFILE, at_most(RLIMIT_NOFILE, WALL_FILES)},
		{RLIMIT_DATA, at_most(RLIMIT_DATA, k->spec.memory ? k->spec.memory : RLIM_INFINITY)},
	};
	struct spawn_options options = {
		.argv = (const char *const *)k->spec.argv,
		.envp = (const char *const *)k->spec.envp,
		.cwd = "/",
		.fds = g->fds,
		.fd_count = g->count,
		.limits = limits,
		.limit_count = ARRAY_SIZE(limits),
		.new_session = true,
		.die_with_parent = true,
		.uid = k->uid,
		.gid = (gid_t)k->uid,
		.oom_score_adj = WALL_OOM_SCORE,
	};

	return spawn_start(k->spawner, &options, on_wall_exit, k, &k->wall, err);
}

int wall_start(struct keeper *k, struct error *err)
{
	struct grants g = {.count = 0};
	int r = 0;

	if (k->spec.own_uid && geteuid() == 0) {
		r = uid_take(&k->uid, &k->uid_lock, err);
		if (r == 0)
			r = uid_can_read(k->uid, k->spec.must_read, err);
	}
	if (r == 0)
		r = limits_prepare(k, err);
	for (size_t i = 0; r == 0 && i < k->spec.grant_count; i++)
		r = make_grant(k, &k->spec.grants[i], &g, err);
	if (r == 0)
		r = listen_to(k, &g, err);
	if (r == 0)
		r = loop_timer_new(k->loop, on_build, k, &k->build, err);
	if (r == 0)
		r = start(k, &g, err);
	close_grants(&g);
	if (r < 0)
		return r;
	k->build_until_ms = clock_now_ms() + KEEPER_BUILD_MS;
	loop_timer_start(k->build, 0);
	return 0;
}

void wall_kill(struct keeper *k)
{
	cgroup_kill(&k->cgroup);
	/* With its pid 1 all processes of the pid name space go; the wall's own process ends after them. */
	if (k->pid1_fd >= 0)
		syscall(SYS_pidfd_send_signal, k->pid1_fd, SIGKILL, NULL, 0);
	else if (k->wall)
		kill(-k->wall, SIGKILL);
}

void wall_done(struct keeper *k)
{
	k->secret_watch = loop_fd_free(k->secret_watch);
	k->build = loop_timer_free(k->build);
	k->said = io_free(k->said);
	if (k->secret_fd >= 0)
		close(TAKE_FD(k->secret_fd));
	if (k->pid1_fd >= 0)
		close(TAKE_FD(k->pid1_fd));
	if (k->uid_lock >= 0)
		close(TAKE_FD(k->uid_lock));
	cgroup_done(&k->cgroup);
}
