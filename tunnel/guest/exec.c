/* SPDX-License-Identifier: Apache-2.0 */
/* Starting an interpreter: its descriptors, its environment, its limits. Descriptors of PROTOCOL.md section 8. */
#include "tunnel/guest/child.h"
#include "tunnel/guest/runs.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EXEC_ARGS = 6, EXEC_VARIABLES = 6, EXEC_NOFILE = 1024, EXEC_OOM_SCORE = 500 };

/* Words before and the shim behind the interpreter; bash has no shim, its program is the file. */
static const struct language {
	const char *name, *interpreter, *shim;
	const char *flags[3];
} languages[GUEST_LANGUAGES] = {
	[LANGUAGE_JAVASCRIPT] = {"javascript", "node", "js/hawser.cjs", {"--experimental-vm-modules"}},
	[LANGUAGE_PYTHON] = {"python", "python3", "python/hawser.py", {"-B", "-X", "utf8"}},
	[LANGUAGE_BASH] = {"bash", "bash", NULL, {NULL}},
};

const char *guest_language_name(int language)
{
	return languages[language].name;
}

int child_work_dir(struct guest *g, char **ret, struct error *err)
{
	_cleanup_free_ char *path = NULL;

	if (asprintf(&path, "%s/work-XXXXXX", g->home) < 0)
		return error_set(err, -ENOMEM, "no memory for a path");
	if (!mkdtemp(path))
		return error_set_errno(err, -errno, "making a working directory in %s", g->home);
	*ret = TAKE_PTR(path);
	return 0;
}

/* Pairs of (ours, theirs) for each descriptor of a child. */
struct plumbing {
	int ours[CHILD_FDS], theirs[CHILD_FDS];
};

static void plumbing_done(struct plumbing *p)
{
	for (int i = 0; i < CHILD_FDS; i++) {
		cleanup_closep(&p->ours[i]);
		cleanup_closep(&p->theirs[i]);
	}
}

static int plumbing_make(struct plumbing *p, struct error *err)
{
	for (int i = 0; i < CHILD_FDS; i++) {
		int fds[2], r;

		if (i == CHILD_SHIM)
			r = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds);
		else if (i == CHILD_LOBBY)
			r = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds);
		else
			r = pipe2(fds, O_CLOEXEC);
		if (r < 0)
			return error_set_errno(err, -errno, "making the descriptors of an interpreter");
		p->ours[i] = fds[0];
		p->theirs[i] = fds[1];
		if (fcntl(fds[0], F_SETFL, O_NONBLOCK | (i < CHILD_SHIM ? O_RDONLY : O_RDWR)) < 0)
			return error_set_errno(err, -errno, "making a descriptor non-blocking");
	}
	return 0;
}

static void child_on_exit(void *user, pid_t pid, int status, const struct rusage *usage)
{
	struct child *c = user;

	c->pid = 0;
	if (c->run) {
		run_child_exited(c->run, status, usage);
		return;
	}
	for (int i = 0; i < GUEST_LANGUAGES; i++)
		if (c->guest->parked[i] == c) /* killed by a run, or broken: the next run starts its own */
			c->guest->parked[i] = NULL;
	child_free(c);
}

static rlim_t clamp(int resource, uint64_t wanted)
{
	struct rlimit now;

	if (getrlimit((__rlimit_resource_t)resource, &now) == 0 && now.rlim_max != RLIM_INFINITY &&
	    now.rlim_max < wanted)
		return now.rlim_max;
	return wanted;
}

static int child_start(struct child *c, const struct plumbing *p, const char *file, struct error *err)
{
	const struct language *l = &languages[c->language];
	struct guest *g = c->guest;
	const char *argv[EXEC_ARGS] = {0}, *envp[EXEC_VARIABLES] = {0};
	_cleanup_free_ char *path = NULL, *home = NULL, *shim = NULL;
	size_t n = 0;
	const struct spawn_fd fds[] = {{p->theirs[CHILD_OUT], 1},
				       {p->theirs[CHILD_ERR], 2},
				       {p->theirs[CHILD_SHIM], 3},
				       {p->theirs[CHILD_LOG], 4},
				       {p->theirs[CHILD_LOBBY], 5}};
	const struct spawn_limit limits[] = {
		{RLIMIT_CORE, 0},
		{RLIMIT_NOFILE, clamp(RLIMIT_NOFILE, EXEC_NOFILE)},
		{RLIMIT_DATA, clamp(RLIMIT_DATA, c->limits.memory)},
		{RLIMIT_NPROC, clamp(RLIMIT_NPROC, c->limits.processes)},
		{RLIMIT_FSIZE, clamp(RLIMIT_FSIZE, c->limits.file)},
	};
	struct spawn_options options = {
		.argv = argv,
		.envp = envp,
		.cwd = c->work,
		.fds = fds,
		.fd_count = ARRAY_SIZE(fds),
		.limits = limits,
		.limit_count = ARRAY_SIZE(limits),
		.new_session = true,
		.die_with_parent = true,
		.uid = (uid_t)-1,
		.gid = (gid_t)-1,
		.oom_score_adj = EXEC_OOM_SCORE,
	};

	if (asprintf(&path, "PATH=%s/bin:/usr/local/bin:/usr/bin:/bin", g->shim_dir) < 0 ||
	    asprintf(&home, "HOME=%s", g->home) < 0 || (l->shim && asprintf(&shim, "%s/%s", g->shim_dir, l->shim) < 0))
		return error_set(err, -ENOMEM, "no memory to start an interpreter");
	argv[n++] = g->options->interpreter[c->language] ? g->options->interpreter[c->language] : l->interpreter;
	for (size_t i = 0; i < ARRAY_SIZE(l->flags) && l->flags[i]; i++)
		argv[n++] = l->flags[i];
	argv[n++] = shim ? shim : file;
	n = 0;
	envp[n++] = path;
	envp[n++] = home;
	envp[n++] = "TMPDIR=/tmp";
	envp[n++] = "LANG=C.UTF-8";
	envp[n++] = "TERM=dumb";
	return spawn_start(g->spawner, &options, child_on_exit, c, &c->pid, err);
}

int child_new(struct guest *g, int language, const struct child_limits *limits, const char *work, const char *file,
	      struct child **ret, struct error *err)
{
	struct plumbing p;
	struct child *c = calloc(1, sizeof(*c));
	int r;

	memset(&p, -1, sizeof(p));
	if (c)
		c->work = strdup(work);
	if (!c || !c->work) {
		free(c);
		return error_set(err, -ENOMEM, "no memory for an interpreter");
	}
	c->guest = g;
	c->language = language;
	c->limits = *limits;
	r = plumbing_make(&p, err);
	if (r == 0)
		r = child_start(c, &p, file, err);
	for (int i = 0; i < CHILD_FDS; i++)
		c->fds[i] = r == 0 ? TAKE_FD(p.ours[i]) : -1;
	plumbing_done(&p);
	if (r < 0) {
		c->pid = 0;
		child_free(c);
		return r;
	}
	*ret = c;
	return 0;
}

struct child *child_free(struct child *c)
{
	if (!c)
		return NULL;
	if (c->pid > 0) {
		spawn_forget(c->guest->spawner, c->pid);
		kill(c->pid, SIGKILL);
	}
	for (int i = 0; i < CHILD_FDS; i++)
		cleanup_closep(&c->fds[i]);
	free(c->work);
	free(c);
	return NULL;
}
