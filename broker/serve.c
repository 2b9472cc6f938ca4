/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The broker: lock, log, loop, core, doors; then it waits to be stopped.
 *
 *   lock -> core -> doors -> ready (stderr of a spawned one is closed: its starter waits for that)
 *        -> SIGTERM, SIGINT, stop, or ten idle minutes when spawned -> core_shutdown -> end
 */
#include "broker/serve.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/paths.h"
#include "broker/core/core.h"
#include "broker/doors/local/local.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

enum {
	IDLE_LEAVE_MS = 10 * 60 * 1000,
	CHECK_MS = 5000,
	LOCK_WAIT_MS = 10000, /* for a broker that is stopping */
	LOCK_TRY_MS = 20,
	LEAVE_WAIT_MS = 5000, /* close stdin, 2 s, SIGTERM, 2 s, SIGKILL */
	LOG_FILE_MAX = 4 * 1024 * 1024, /* then it becomes broker.log.1 */
};

struct broker {
	struct paths paths;
	char guest[PATH_MAX], keeper[PATH_MAX], build[64], log_path[PATH_MAX + 16];
	bool spawned;
	int lock_fd, log_fd;
	struct loop *loop;
	struct spawner *spawner;
	struct core *core;
	struct local *local;
	struct loop_timer *check;
	uint64_t idle_ms;
	bool stopping;
};

/* ---- lock ---- */

/* 1: another broker has it. */
static int take_lock(struct broker *b, struct error *err)
{
	char path[PATH_MAX + 16], pid[16] = "";

	snprintf(path, sizeof(path), "%s/broker.lock", b->paths.state);
	b->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (b->lock_fd < 0)
		return error_set_errno(err, -errno, "opening %s", path);
	if (flock(b->lock_fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK)
			return error_set_errno(err, -errno, "locking %s", path);
		if (read(b->lock_fd, pid, sizeof(pid) - 1) <= 0)
			pid[0] = '\0';
		pid[strcspn(pid, "\n")] = '\0';
		error_set(err, -EBUSY, "a broker (pid %s) has %s; hawser stop ends it", pid, b->paths.state);
		return 1;
	}
	snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
	if (ftruncate(b->lock_fd, 0) < 0 || pwrite(b->lock_fd, pid, strlen(pid), 0) < 0)
		return error_set_errno(err, -errno, "writing %s", path);
	return 0;
}

static bool somebody_listens(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(address.sun_path, path, strlen(path) + 1); /* paths_find() looked at its length */
	return path[0] && fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
}

/* For one that a thin client started: another may have been faster (1: its socket is what our starter wants), or one
 * that is stopping has the lock for a moment still. */
static int take_lock_patiently(struct broker *b, struct error *err)
{
	struct timespec pause = {.tv_nsec = LOCK_TRY_MS * 1000000L};
	int r = take_lock(b, err);

	for (int waited = 0; r == 1 && waited < LOCK_WAIT_MS; waited += LOCK_TRY_MS) {
		if (somebody_listens(b->paths.socket) || somebody_listens(b->paths.linked_socket))
			break;
		nanosleep(&pause, NULL);
		close(b->lock_fd);
		r = take_lock(b, err);
	}
	return r;
}

/* ---- log ---- */

/* Opens the log file, or begins a new one when it has grown; the descriptor keeps its number. */
static int open_log(struct broker *b, struct error *err)
{
	char older[PATH_MAX + 24];
	struct stat st;
	int fd;

	if (b->log_fd >= 0 && fstat(b->log_fd, &st) == 0 && st.st_size < LOG_FILE_MAX)
		return 0;
	snprintf(older, sizeof(older), "%s.1", b->log_path);
	if (stat(b->log_path, &st) == 0 && st.st_size >= LOG_FILE_MAX && rename(b->log_path, older) < 0)
		return error_set_errno(err, -errno, "moving %s", b->log_path);
	fd = open(b->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return error_set_errno(err, -errno, "opening %s", b->log_path);
	if (b->log_fd < 0) {
		b->log_fd = fd;
		return 0;
	}
	dup3(fd, b->log_fd, O_CLOEXEC);
	close(fd);
	return 0;
}

static size_t clean_line(void *user, char *line, size_t len)
{
	struct broker *b = user;

	return b->core ? core_clean_line(b->core, line, len) : len;
}

static int set_up_log(struct broker *b, const struct cli_args *args, struct error *err)
{
	struct log_options options = {
		.least = getenv("HAWSER_DEBUG") ? LOG_DEBUG : LOG_INFO, .filter = clean_line, .filter_user = b};
	int r;

	if (args->log_format && strcmp(args->log_format, "json") == 0)
		options.format = LOG_JSON;
	else if (args->log_format && strcmp(args->log_format, "logfmt") != 0)
		return error_set(err, -EINVAL, "--log-format is logfmt or json");
	snprintf(b->log_path, sizeof(b->log_path), "%s/broker.log", b->paths.state);
	r = open_log(b, err);
	if (r < 0)
		return r;
	options.fd = b->log_fd;
	log_setup(&options);
	return 0;
}

/* ---- leaving ---- */

static void on_shut_down(void *user)
{
	struct broker *b = user;

	loop_stop(b->loop);
}

static void stop(void *user)
{
	struct broker *b = user;

	if (b->stopping)
		return;
	b->stopping = true;
	log_info("broker_stopping");
	unlink(b->paths.link);
	local_close(b->local); /* who comes now starts the next broker, which waits for our lock */
	core_shutdown(b->core, on_shut_down, b);
	local_give_back(b->local);
}

static void on_signal(void *user, int signo)
{
	log_info("signal", LOG_I("number", signo));
	stop(user);
}

static void on_check(void *user)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct broker *b = user;

	if (open_log(b, &err) < 0)
		log_error("log_failed", LOG_S("error", error_text(&err)));
	if (!b->spawned || local_connections(b->local) > 0 || !core_is_idle(b->core))
		b->idle_ms = 0;
	else
		b->idle_ms += CHECK_MS;
	if (b->idle_ms >= IDLE_LEAVE_MS)
		stop(b);
	else
		loop_timer_start(b->check, CHECK_MS);
}

/* ---- life ---- */

/* Tells two builds of one version apart: size and time of the program's file. */
static void name_build(struct broker *b)
{
	struct stat st = {0};

	if (stat("/proc/self/exe", &st) < 0)
		memset(&st, 0, sizeof(st));
	snprintf(b->build, sizeof(b->build), "%lld-%lld", (long long)st.st_size, (long long)st.st_mtim.tv_sec);
}

static int find_helpers(struct broker *b, struct error *err)
{
	int r = paths_find_helper("HAWSER_GUEST", "hawser-guest", "tunnel/guest", b->guest, err);

	return r < 0 ? r : paths_find_helper("HAWSER_KEEPER", "hawser-keeper", "providers/keeper", b->keeper, err);
}

static int make_core(struct broker *b, struct error *err)
{
	const char *trace = getenv("HAWSER_TRACE");
	struct core_options options = {
		.state_dir = b->paths.state,
		.runtime_dir = b->paths.runtime,
		.guest_path = b->guest,
		.keeper_path = b->keeper,
		.trace_path = trace && *trace ? trace : NULL,
	};

	return core_new(b->loop, b->spawner, &options, &b->core, err);
}

/* Under the lock. What is in its way is one that a killed broker left. */
static int make_link(const struct paths *paths, struct error *err)
{
	if (!paths->link[0])
		return 0;
	unlink(paths->link);
	return symlink(paths->runtime, paths->link) < 0 ? error_set_errno(err, -errno, "making %s", paths->link) : 0;
}

static int make_doors(struct broker *b, struct error *err)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGHUP, 0};
	struct local_options options = {
		.loop = b->loop,
		.core = b->core,
		.socket_path = b->paths.socket,
		.state_dir = b->paths.state,
		.build = b->build,
		.spawned = b->spawned,
		.stop = stop,
		.user = b,
	};
	int r = loop_signals_start(b->loop, signals, on_signal, b, err);

	if (r == 0)
		r = loop_timer_new(b->loop, on_check, b, &b->check, err);
	if (r == 0)
		loop_timer_start(b->check, CHECK_MS);
	if (r == 0)
		r = local_new(&options, &b->local, err);
	return r < 0 ? r : make_link(&b->paths, err);
}

static int begin(struct broker *b, const struct cli_args *args, struct error *err)
{
	int r = find_helpers(b, err);

	if (r == 0)
		r = set_up_log(b, args, err);
	if (r == 0)
		r = loop_new(&b->loop, err);
	if (r == 0)
		r = spawner_new(b->loop, &b->spawner, err);
	if (r == 0)
		spawner_raise_files(b->spawner); /* two or more for each live sandbox */
	if (r == 0)
		r = make_core(b, err);
	return r < 0 ? r : make_doors(b, err);
}

/* Servers that are on their way out are heard of by the spawner. The loop itself may never be done: libwebsockets keeps
 * handles on it as long as it lives. */
static void see_children_off(struct loop *loop, const struct spawner *spawner)
{
	uint64_t limit = clock_now_ms() + LEAVE_WAIT_MS;

	while (spawner_awaits(spawner) && loop_is_alive(loop) && clock_now_ms() < limit)
		loop_turn(loop, 100);
}

static void end(struct broker *b)
{
	loop_timer_free(b->check);
	local_free(b->local);
	b->core = core_free(b->core);
	if (b->loop)
		see_children_off(b->loop, b->spawner);
	spawner_free(b->spawner);
	loop_free(b->loop);
	if (b->stopping)
		log_info("broker_stopped");
	if (b->log_fd >= 0)
		close(b->log_fd);
	if (b->lock_fd >= 0)
		close(b->lock_fd); /* last: whoever waits for it finds nothing left */
}

/* The starter reads our stderr until it ends. */
static void say_ready(const struct broker *b)
{
	int null = b->spawned ? open("/dev/null", O_RDWR | O_CLOEXEC) : -1;

	if (null >= 0) {
		dup2(null, 2);
		close(null);
	}
	log_info("broker_started", LOG_S("version", HAWSER_VERSION), LOG_I("pid", getpid()),
		 LOG_S("socket", b->paths.socket));
	if (!b->spawned && isatty(2))
		fprintf(stderr, "hawser: listening on %s; log in %s\n", b->paths.socket, b->log_path);
}

int serve(const struct cli_args *args)
{
	struct broker b = {.lock_fd = -1, .log_fd = -1, .spawned = args->spawned};
	_cleanup_error_ struct error err = ERROR_INIT;
	int status = CLI_OK, r;

	signal(SIGPIPE, SIG_IGN);
	umask(077);
	name_build(&b);
	r = paths_find(&b.paths, &err);
	if (r == 0)
		r = paths_make(&b.paths, &err);
	if (r == 0)
		r = b.spawned ? take_lock_patiently(&b, &err) : take_lock(&b, &err);
	if (r == 1 && b.spawned) {
		end(&b);
		return CLI_OK;
	}
	if (r == 0)
		r = begin(&b, args, &err);
	if (r == 0) {
		say_ready(&b);
		loop_run(b.loop);
	} else {
		status = cli_say(CLI_UNREACHABLE, "%s", error_text(&err));
		log_error("broker_failed", LOG_S("error", error_text(&err)));
	}
	end(&b);
	return status;
}
