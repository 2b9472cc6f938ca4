/* SPDX-License-Identifier: Apache-2.0 */
/* hawser-keeper: holds one local sandbox. See README.md. */
#include "providers/keeper/keeper.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

enum { CLEAN_MS = 5, KILL_AGAIN_MS = 1000, SPEC_WAIT_S = 10 };

/* ---- the end ---- */

/* Only if nobody heard it: whoever looks for this sandbox later finds why it is gone. */
static void leave_note(struct keeper *k)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s.ended", k->spec.dir);
	f = fopen(path, "wxe");
	if (!f)
		return;
	fprintf(f, "%s %s\n", k->reason, k->why);
	fclose(f);
}

static void remove_dir(struct keeper *k)
{
	static const char *const names[] = {"guest.sock", "keeper.sock"};
	char path[4096];

	if (!k->dir_made)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", k->spec.dir, names[i]);
		unlink(path);
	}
	rmdir(k->spec.dir);
}

/* Runs until the wall is gone and the groups let themselves be removed. */
static void on_clean(void *user)
{
	struct keeper *k = user;

	if (k->state != KEEPER_ENDING)
		return;
	if (k->wall && clock_now_ms() > k->build_until_ms) {
		wall_kill(k);
		kill(k->wall, SIGKILL);
		k->build_until_ms = clock_now_ms() + KILL_AGAIN_MS;
	}
	if (k->wall || !cgroup_remove(&k->cgroup)) {
		loop_timer_start(k->build, CLEAN_MS);
		return;
	}
	k->state = KEEPER_GONE;
	remove_dir(k);
	if (control_tell(k, "ended %s %s\n", k->reason, k->why) == 0)
		leave_note(k);
	loop_stop(k->loop);
}

void keeper_end(struct keeper *k, const char *reason, const char *fmt, ...)
{
	va_list args;

	if (k->reason)
		return;
	k->reason = reason;
	va_start(args, fmt);
	vsnprintf(k->why, sizeof(k->why), fmt, args);
	va_end(args);
	for (char *c = k->why; *c; c++)
		if ((unsigned char)*c < ' ')
			*c = ' ';
	k->state = KEEPER_ENDING;
	limits_done(k);
	wall_kill(k);
	/* The timer that waited for the wall to be built waits for it to be gone. */
	k->build_until_ms = clock_now_ms() + KILL_AGAIN_MS;
	k->build = loop_timer_free(k->build);
	if (loop_timer_new(k->loop, on_clean, k, &k->build, &(struct error)ERROR_INIT) < 0)
		abort();
	loop_timer_start(k->build, 0);
}

int keeper_ready(struct keeper *k, struct error *err)
{
	char limits[256];
	int r;

	if (k->state != KEEPER_BUILDING)
		return 0;
	r = limits_watch(k, err);
	if (r < 0)
		return r;
	k->state = KEEPER_READY;
	k->build = loop_timer_free(k->build);
	limits_name(k, limits, sizeof(limits));
	control_tell(k, "ready pid=%d uid=%lld %s\n", (int)k->pid1, k->uid == (uid_t)-1 ? -1ll : (long long)k->uid,
		     limits);
	return 0;
}

/* ---- the beginning ---- */

static int read_spec(int fd, struct spec *ret, struct error *err)
{
	_cleanup_buf_ struct buf text = BUF_INIT(SPEC_MAX);
	struct timeval wait = {.tv_sec = SPEC_WAIT_S};
	ssize_t n = 1;
	int r;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	while (n > 0 && (text.len == 0 || buf_head(&text)[text.len - 1] != '\n')) {
		uint8_t *room = buf_reserve(&text, 4096);

		if (!room)
			return error_set(err, -E2BIG, "keeper: the specification is over %d bytes", SPEC_MAX);
		n = read(fd, room, 4096);
		if (n > 0)
			buf_commit(&text, (size_t)n);
	}
	if (n <= 0)
		return error_set(
			err, -EPROTO,
			"keeper: no specification on descriptor 0; hawser starts keepers itself, they are not for "
			"the command line");
	r = spec_parse(span_of(buf_head(&text), text.len), ret, err);
	explicit_bzero(buf_head(&text), text.len);
	return r;
}

static int begin(struct keeper *k, struct error *err)
{
	int r;

	/* The specification has come; what follows are commands. Moved away so that 0, 1, 2 stay /dev/null. */
	int fd = fcntl(0, F_DUPFD_CLOEXEC, 3), null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (fd < 0 || null_fd < 0 || dup2(null_fd, 0) < 0)
		return error_set_errno(err, -errno, "setting up the control connection");
	close(null_fd);
	if (mkdir(k->spec.dir, 0700) < 0) {
		close(fd);
		return error_set_errno(err, -errno, "making %s", k->spec.dir);
	}
	k->dir_made = true;
	r = control_start(k, fd, err);
	return r < 0 ? r : wall_start(k, err);
}

static void run(struct keeper *k)
{
	_cleanup_error_ struct error err = ERROR_INIT;

	if (begin(k, &err) < 0)
		keeper_end(k, err.code == -EACCES || err.code == -ENOTSUP ? "unsupported" : "failed", "%s",
			   error_text(&err));
	loop_run(k->loop);
}

static void keeper_done(struct keeper *k)
{
	limits_done(k);
	wall_done(k);
	control_done(k);
	k->spawner = spawner_free(k->spawner);
	k->loop = loop_free(k->loop);
	spec_done(&k->spec);
}

/* Says what would enforce which limit here, for doctor: one "key text" a line. */
static int probe(void)
{
	static const char *const names[CGROUP_RESOURCES] = {"memory", "processes", "cpu"};
	static const char *const otherwise[CGROUP_RESOURCES] = {"watchdog", "watchdog", "none"};
	struct cgroup_limits limits = {.memory = 64u << 20, .pids = 16, .cpu_percent = 100};
	struct cgroup cg;
	char name[64];

	snprintf(name, sizeof(name), "hawser-probe-%d", (int)getpid());
	cgroup_make(&cg, name, &limits);
	for (int i = 0; i < CGROUP_RESOURCES; i++)
		printf("%s %s\n", names[i], cg.kind[i] == CGROUP_NONE ? otherwise[i] : cgroup_kind_name(cg.kind[i]));
	cgroup_remove(&cg);
	cgroup_done(&cg);
	return 0;
}

int main(int argc, char **argv)
{
	struct keeper k = {.uid = (uid_t)-1, .uid_lock = -1, .secret_fd = -1, .pid1_fd = -1, .control_fd = -1};
	_cleanup_error_ struct error err = ERROR_INIT;
	int r;

	if (argc == 2 && strcmp(argv[1], "--probe") == 0)
		return probe();
	if (argc == 2 && strcmp(argv[1], "--version") == 0)
		return puts("hawser-keeper " HAWSER_VERSION) < 0;
	umask(022); /* the sandbox inherits it; our own files say their mode */
	prctl(PR_SET_DUMPABLE, 0); /* it holds the secret for a moment */
	r = read_spec(0, &k.spec, &err);
	if (r == 0)
		r = loop_new(&k.loop, &err);
	if (r == 0)
		r = spawner_new(k.loop, &k.spawner, &err);
	if (r < 0) {
		dprintf(0, "ended failed %s\n", error_text(&err));
		fprintf(stderr, "%s\n", error_text(&err));
		return 1;
	}
	run(&k);
	r = strcmp(k.reason, "asked") == 0 || strcmp(k.reason, "lease") == 0 ? 0 : 1;
	keeper_done(&k);
	return r;
}
