/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Child processes: fork, set up, exec, with a pipe that tells an exec that failed. One signalfd for SIGCHLD; wait4(-1)
 * reaps whatever ended, and a table of pids says whom to tell.
 */
#include "base/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <uthash.h>

#define SPAWN_FDS_MAX 16

struct child {
	pid_t pid;
	spawn_exit_fn *fn;
	void *user;
	UT_hash_handle hh;
};

struct spawner {
	struct loop *loop;
	int signal_fd;
	struct loop_fd *watch;
	struct child *children;
	spawn_exit_fn *orphan_fn;
	void *orphan_user;
	struct rlimit files; /* that children begin with; zeros: ours */
};

static void reap(struct spawner *s, pid_t pid, int status, const struct rusage *usage)
{
	struct child *child;

	HASH_FIND(hh, s->children, &pid, sizeof(pid), child);
	if (!child) {
		if (s->orphan_fn)
			s->orphan_fn(s->orphan_user, pid, status, usage);
		return;
	}
	HASH_DEL(s->children, child);
	loop_fd_background(s->watch, !s->children);
	if (child->fn)
		child->fn(child->user, pid, status, usage);
	free(child);
}

static void on_sigchld(void *user, unsigned events)
{
	struct spawner *s = user;
	struct signalfd_siginfo info;
	struct rusage usage;
	int status;
	pid_t pid;

	(void)events;
	while (read(s->signal_fd, &info, sizeof(info)) > 0)
		;
	while ((pid = wait4(-1, &status, WNOHANG, &usage)) > 0)
		reap(s, pid, status, &usage);
}

int spawner_new(struct loop *loop, struct spawner **ret, struct error *err)
{
	struct spawner *s = calloc(1, sizeof(*s));
	sigset_t set;
	int r;

	if (!s)
		return error_set(err, -ENOMEM, "no memory for a spawner");
	s->loop = loop;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->signal_fd < 0) {
		r = error_set_errno(err, -errno, "reading SIGCHLD");
		free(s);
		return r;
	}
	r = loop_fd_new(loop, s->signal_fd, on_sigchld, s, &s->watch, err);
	if (r < 0) {
		close(s->signal_fd);
		free(s);
		return r;
	}
	loop_fd_watch(s->watch, LOOP_READ);
	loop_fd_background(s->watch, true);
	*ret = s;
	return 0;
}

struct spawner *spawner_free(struct spawner *s)
{
	struct child *child, *next;

	if (!s)
		return NULL;
	HASH_ITER (hh, s->children, child, next) {
		HASH_DEL(s->children, child);
		free(child);
	}
	loop_fd_free(s->watch);
	close(s->signal_fd);
	free(s);
	return NULL;
}

void spawner_raise_files(struct spawner *s)
{
	struct rlimit now, most;

	if (getrlimit(RLIMIT_NOFILE, &now) < 0 || now.rlim_cur >= now.rlim_max)
		return;
	most = (struct rlimit){now.rlim_max, now.rlim_max};
	if (setrlimit(RLIMIT_NOFILE, &most) == 0)
		s->files = now;
}

void spawner_on_orphan(struct spawner *s, spawn_exit_fn *fn, void *user)
{
	s->orphan_fn = fn;
	s->orphan_user = user;
}

void spawn_forget(struct spawner *s, pid_t pid)
{
	struct child *child;

	HASH_FIND(hh, s->children, &pid, sizeof(pid), child);
	if (child)
		child->fn = NULL;
}

bool spawner_awaits(const struct spawner *s)
{
	for (const struct child *child = s ? s->children : NULL; child; child = child->hh.next)
		if (child->fn)
			return true;
	return false;
}

/* ---- the child's side: only async-signal-safe calls ---- */

enum spawn_stage { STAGE_FDS, STAGE_LIMIT, STAGE_USER, STAGE_CWD, STAGE_EXEC };
static const char *const stage_texts[] = {"setting up descriptors of", "setting a limit of", "changing the user of",
					  "entering the directory of", "starting"};

struct failure {
	int code;
	int stage;
};

/* A mapping whose sources and targets may overlap: all sources go above all targets first. */
static int map_fds(const struct spawn_options *o)
{
	int high[SPAWN_FDS_MAX], above = 64;
	bool have[3] = {false, false, false};
	int null_fd;

	for (size_t i = 0; i < o->fd_count; i++)
		if (o->fds[i].child >= above)
			above = o->fds[i].child + 1;
	if (close_range(3, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
		return -errno;
	for (size_t i = 0; i < o->fd_count; i++) {
		high[i] = fcntl(o->fds[i].parent, F_DUPFD_CLOEXEC, above);
		if (high[i] < 0)
			return -errno;
	}
	for (size_t i = 0; i < o->fd_count; i++) {
		if (dup2(high[i], o->fds[i].child) < 0)
			return -errno;
		if (o->fds[i].child < 3)
			have[o->fds[i].child] = true;
	}
	null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int i = 0; i < 3; i++)
		if (!have[i] && (null_fd < 0 || (null_fd != i && dup2(null_fd, i) < 0)))
			return -errno;
	return 0;
}

static int become_user(const struct spawn_options *o)
{
	if (o->uid == (uid_t)-1)
		return 0;
	if (setgroups(0, NULL) < 0 || setresgid(o->gid, o->gid, o->gid) < 0 || setresuid(o->uid, o->uid, o->uid) < 0)
		return -errno;
	return 0;
}

static int set_oom_score(int value)
{
	char text[16];
	int fd, n;

	if (value == 0)
		return 0;
	n = snprintf(text, sizeof(text), "%d", value);
	fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd >= 0) {
		(void)!write(fd, text, (size_t)n); /* a wish, not a wall */
		close(fd);
	}
	return 0;
}

static void reset_signals(void)
{
	struct sigaction action = {.sa_handler = SIG_DFL};
	sigset_t none;

	for (int signo = 1; signo < NSIG; signo++)
		sigaction(signo, &action, NULL);
	sigemptyset(&none);
	pthread_sigmask(SIG_SETMASK, &none, NULL);
}

static int set_limits(const struct spawner *s, const struct spawn_options *o)
{
	if (s->files.rlim_max > 0 && setrlimit(RLIMIT_NOFILE, &s->files) < 0)
		return -errno;
	for (size_t i = 0; i < o->limit_count; i++) {
		struct rlimit limit = {o->limits[i].value, o->limits[i].value};

		if (setrlimit((__rlimit_resource_t)o->limits[i].resource, &limit) < 0)
			return -errno;
	}
	return 0;
}

static _Noreturn void run_child(const struct spawner *s, const struct spawn_options *o, const char *path, pid_t parent,
				int report)
{
	struct failure f = {0, STAGE_FDS};
	/* The report pipe must not be overwritten by the mapping. */
	int moved = report < 0 ? -1 : fcntl(report, F_DUPFD_CLOEXEC, 128);

	if (moved >= 0)
		report = moved;
	if (o->new_session)
		setsid();
	else
		setpgid(0, 0);
	f.code = map_fds(o);
	set_oom_score(o->oom_score_adj);
	if (f.code == 0 && (f.stage = STAGE_LIMIT))
		f.code = set_limits(s, o);
	if (f.code == 0 && (f.stage = STAGE_USER))
		f.code = become_user(o);
	/* After the change of user, which clears it. */
	if (f.code == 0 && o->die_with_parent) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(127);
	}
	if (f.code == 0 && (f.stage = STAGE_CWD) && o->cwd && chdir(o->cwd) < 0)
		f.code = -errno;
	if (f.code == 0) {
		f.stage = STAGE_EXEC;
		reset_signals();
		execve(path, (char *const *)(uintptr_t)o->argv, (char *const *)(uintptr_t)o->envp);
		f.code = -errno;
	}
	if (report >= 0)
		(void)!write(report, &f, sizeof(f));
	else
		dprintf(STDERR_FILENO, "%s %s: %s\n", stage_texts[f.stage], path, strerrordesc_np(-f.code));
	_exit(127);
}

/* ---- the parent's side ---- */

static const char *find_variable(const char *const *envp, const char *name)
{
	size_t len = strlen(name);

	for (; *envp; envp++)
		if (strncmp(*envp, name, len) == 0 && (*envp)[len] == '=')
			return *envp + len + 1;
	return NULL;
}

static int find_program(const struct spawn_options *o, char path[PATH_MAX], struct error *err)
{
	const char *name = o->argv[0], *dirs, *end;

	if (strchr(name, '/')) {
		if (snprintf(path, PATH_MAX, "%s", name) >= PATH_MAX)
			return error_set(err, -ENAMETOOLONG, "the path of a program is too long");
		return 0;
	}
	dirs = find_variable(o->envp, "PATH");
	if (!dirs)
		dirs = "/usr/local/bin:/usr/bin:/bin";
	for (; *dirs; dirs = *end ? end + 1 : end) {
		end = strchrnul(dirs, ':');
		if (end > dirs && snprintf(path, PATH_MAX, "%.*s/%s", (int)(end - dirs), dirs, name) < PATH_MAX &&
		    access(path, X_OK) == 0)
			return 0;
	}
	return error_set(err, -ENOENT, "there is no program \"%s\" in PATH", name);
}

/* The program that the first line of a script names; false: path is none. */
static bool read_interpreter(const char *path, char ret[PATH_MAX])
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char line[256] = "";
	ssize_t n = fd < 0 ? -1 : read(fd, line, sizeof(line) - 1);
	const char *at = line + 2;

	if (n < 2 || memcmp(line, "#!", 2) != 0)
		return false;
	at += strspn(at, " \t");
	snprintf(ret, PATH_MAX, "%.*s", (int)strcspn(at, " \t\r\n"), at);
	return ret[0] != '\0';
}

/* What can be seen before anything is started, for those who are not told what became of exec. */
static int look_first(const struct spawn_options *o, const char *path, struct error *err)
{
	char interpreter[PATH_MAX];
	struct stat st;

	if (o->cwd && access(o->cwd, X_OK) < 0)
		return error_set(err, -ENOTDIR, "%s %s, its cwd %s: %s", stage_texts[STAGE_CWD], path, o->cwd,
				 strerrordesc_np(errno));
	if (stat(path, &st) < 0)
		return error_set_errno(err, -errno, "starting %s", path);
	if (S_ISDIR(st.st_mode))
		return error_set(err, -EISDIR, "starting %s: it is a folder", path);
	if (access(path, X_OK) < 0)
		return errno == EACCES ? error_set(err, -EACCES, "starting %s: it is not executable", path)
				       : error_set_errno(err, -errno, "starting %s", path);
	if (S_ISREG(st.st_mode) && read_interpreter(path, interpreter) && access(interpreter, F_OK) < 0)
		return error_set(err, -ENOEXEC, "starting %s: the interpreter in its first line (%.200s) is not there",
				 path, interpreter);
	return 0;
}

static int read_report(int fd, struct failure *ret)
{
	ssize_t n;

	do
		n = read(fd, ret, sizeof(*ret));
	while (n < 0 && errno == EINTR);
	return n == sizeof(*ret) ? -1 : 0;
}

int spawn_start(struct spawner *s, const struct spawn_options *o, spawn_exit_fn *fn, void *user, pid_t *ret_pid,
		struct error *err)
{
	_cleanup_close_ int report_read = -1;
	_cleanup_close_ int report_write = -1;
	_cleanup_free_ struct child *child = calloc(1, sizeof(*child));
	struct failure failure;
	char path[PATH_MAX];
	int pipe_fds[2] = {-1, -1}, r;
	pid_t pid, parent = getpid();

	if (!child)
		return error_set(err, -ENOMEM, "no memory for a child process");
	if (o->fd_count > SPAWN_FDS_MAX)
		return error_set(err, -EINVAL, "more than %d descriptors for a child", SPAWN_FDS_MAX);
	r = find_program(o, path, err);
	if (r < 0)
		return r;
	r = o->no_wait ? look_first(o, path, err) : 0;
	if (r < 0)
		return r;
	if (!o->no_wait && pipe2(pipe_fds, O_CLOEXEC) < 0)
		return error_set_errno(err, -errno, "starting %s", path);
	report_read = o->no_wait ? -1 : pipe_fds[0];
	report_write = o->no_wait ? -1 : pipe_fds[1];
	pid = fork();
	if (pid < 0)
		return error_set_errno(err, -errno, "starting %s", path);
	if (pid == 0)
		run_child(s, o, path, parent, report_write);
	if (report_write >= 0)
		close(TAKE_FD(report_write));
	if (report_read >= 0 && read_report(report_read, &failure) < 0) {
		waitpid(pid, NULL, 0);
		if (failure.stage == STAGE_CWD)
			return error_set_errno(err, failure.code, "%s %s (%s)", stage_texts[failure.stage], path,
					       o->cwd);
		return error_set_errno(err, failure.code, "%s %s", stage_texts[failure.stage], path);
	}
	child->pid = pid;
	child->fn = fn;
	child->user = user;
	HASH_ADD(hh, s->children, pid, sizeof(child->pid), child);
	loop_fd_background(s->watch, false);
	child = NULL;
	*ret_pid = pid;
	return 0;
}
