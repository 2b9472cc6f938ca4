/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting the broker when nobody listens. Free of races by the broker's own lock: of two that are started at once the
 * second finds the lock taken and leaves without a word, and both clients connect to the first.
 *
 * The new broker's stderr is a pipe to here until it listens: its end without text says "ready".
 */
#include "broker/cli/client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

enum { START_LIMIT_MS = 10000, TRY_AGAIN_MS = 10 };

/* Values of variables go to whoever listens: that must be this user, or nobody gets them. */
static int check_listener(int fd, const char *path, struct error *err)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return error_set_errno(err, -errno, "asking who listens on %s", path);
	if (peer.uid == geteuid())
		return 0;
	return error_set(
		err, -EPERM,
		"on %s listens a process of another user (uid %u, yours is %u), so nothing was sent to it; remove "
		"that socket, or set XDG_RUNTIME_DIR to a folder that is yours alone",
		path, (unsigned)peer.uid, (unsigned)geteuid());
}

static int connect_to(const char *path, struct error *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int r;

	if (fd < 0)
		return error_set_errno(err, -errno, "making a socket");
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0) {
		r = check_listener(fd, path, err);
		return r < 0 ? r : TAKE_FD(fd);
	}
	if (errno == ENOENT || errno == ECONNREFUSED)
		return error_set(err, -ENOENT, "no broker is running");
	return error_set_errno(err, -errno, "connecting to %s", path);
}

/* MCP clients start their servers with a few variables only, and XDG_RUNTIME_DIR is none of them: a broker that a shell
 * started listens elsewhere then, and the other way round. */
int start_connect(const struct paths *paths, struct error *err)
{
	int fd = connect_to(paths->socket, err);

	return fd == -ENOENT && paths->link[0] ? connect_to(paths->linked_socket, err) : fd;
}

/* Variables that the broker itself needs. Everything else comes with each client's hello, so that the first client's
 * secrets do not stay in the environment of a process that serves others. */
static bool broker_needs(const char *entry)
{
	static const char *const names[] = {
		"HOME=",          "PATH=",        "USER=",   "LOGNAME=",         "SHELL=",
		"LANG=",          "TZ=",          "TMPDIR=", "LD_LIBRARY_PATH=", "ASAN_OPTIONS=",
		"UBSAN_OPTIONS=", "LSAN_OPTIONS="};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strncmp(entry, names[i], strlen(names[i])) == 0)
			return true;
	return strncmp(entry, "XDG_", 4) == 0 || strncmp(entry, "LC_", 3) == 0 || strncmp(entry, "HAWSER_", 7) == 0;
}

static char **broker_environment(void)
{
	size_t n = 0, kept = 0;
	char **env;

	while (environ[n])
		n++;
	env = calloc(n + 1, sizeof(*env));
	for (size_t i = 0; env && i < n; i++)
		if (broker_needs(environ[i]))
			env[kept++] = environ[i];
	return env;
}

static void become_broker(int stderr_fd, char **env)
{
	static char *const argv[] = {(char *)"hawser", (char *)"serve", (char *)"--spawned", NULL};
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGINT, SIG_DFL);
	setsid();
	if (null < 0 || chdir("/") < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(stderr_fd, 2) < 0)
		_exit(127);
	closefrom(3);
	execve("/proc/self/exe", argv, env);
	dprintf(2, "starting the broker: %s", strerror(errno));
	_exit(127);
}

/* Forks twice, so that the broker is nobody's child here. Returns the end of its stderr. */
static int fork_broker(struct error *err)
{
	_cleanup_free_ char **env = broker_environment();
	int ends[2];
	pid_t pid;

	if (!env || pipe2(ends, O_CLOEXEC) < 0)
		return error_set_errno(err, -errno, "making a pipe");
	pid = fork();
	if (pid == 0) {
		if (fork() == 0)
			become_broker(ends[1], env);
		_exit(0);
	}
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return error_set_errno(err, -errno, "starting a process");
	}
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return ends[0];
}

/* What it says until it is ready (nothing) or gone. */
static void read_words(int fd, char *text, size_t size)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	size_t len = 0;
	ssize_t n;

	while (len + 1 < size) {
		int r = poll(&p, 1, START_LIMIT_MS);

		if (r < 0 && errno == EINTR)
			continue;
		n = r > 0 ? read(fd, text + len, size - 1 - len) : 0;
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	text[len] = '\0';
}

int start_broker(const struct paths *paths, struct error *err)
{
	struct timespec pause = {.tv_nsec = TRY_AGAIN_MS * 1000000L};
	_cleanup_close_ int pipe_fd = -1;
	char words[4096];
	int fd;

	pipe_fd = fork_broker(err);
	if (pipe_fd < 0)
		return pipe_fd;
	read_words(pipe_fd, words, sizeof(words));
	words[strcspn(words, "\n")] = '\0';
	if (words[0])
		return error_set(err, -ECONNREFUSED, "%s", strncmp(words, "hawser: ", 8) == 0 ? words + 8 : words);
	for (int waited = 0; waited < START_LIMIT_MS; waited += TRY_AGAIN_MS) { /* another one may have the lock */
		fd = start_connect(paths, err);
		if (fd != -ENOENT)
			return fd;
		nanosleep(&pause, NULL);
	}
	return error_set(err, -ETIMEDOUT, "the broker does not listen on %s; see %s/broker.log", paths->socket,
			 paths->state);
}
