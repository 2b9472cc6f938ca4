/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kept sandboxes. Each has a keeper process and a control connection (a socket pair; what goes over it is in
 * providers/keeper/README.md). The connection is the keeper: when it closes, the keeper is gone and so is its sandbox.
 *
 *   STARTING --"ready"--> LIVE --destroy--> STOPPING --closed--> gone
 *      |  closed: the create fails    |  closed: sandbox_ended
 */
#include "broker/host/internal.h"

#include "base/ids.h"
#include "base/log.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum {
	KEPT_LINE_MAX = 5 * 1024, /* a keeper's lines have at most 4.3 KiB */
	KEPT_SPEC_MAX = 512 * 1024,
	KEPT_START_MS = 15000, /* a keeper gives up by itself after 10 s */
	KEPT_STOP_MS = 5000,
	KEPT_LEASE_MS = 60000,
};

enum kept_state { KEPT_STARTING, KEPT_LIVE, KEPT_STOPPING };

struct kept {
	struct host *host;
	char id[ID_TEXT_MAX];
	char *dir;
	pid_t pid; /* 0: has ended, and the number may be somebody else's */
	struct io *io;
	struct loop_timer *timer; /* STARTING, STOPPING: patience; LIVE: the next renewal */
	uint32_t lease_ms;
	enum kept_state state;
	struct hawser_op *create, *destroy; /* to be completed; NULL: none */
	const struct hawser_keeper_hint *hints;
	size_t hint_count;
	char reason[32]; /* of its "ended": a word; empty: not said */
	char *why; /* and a sentence; NULL: not said */
	UT_hash_handle hh;
};

static void set_state(struct kept *k, enum kept_state state)
{
	static const char *const names[] = {"starting", "live", "stopping"};
	static const unsigned next[] = {
		[KEPT_STARTING] = 1u << KEPT_LIVE | 1u << KEPT_STOPPING,
		[KEPT_LIVE] = 1u << KEPT_STOPPING,
		[KEPT_STOPPING] = 0,
	};

	assert(next[k->state] & 1u << state);
	log_debug("kept_state", LOG_S("sandbox", k->id), LOG_S("from", names[k->state]), LOG_S("to", names[state]));
	k->state = state;
}

static void kept_free(struct kept *k)
{
	HASH_DELETE(hh, k->host->kept, k);
	if (k->pid > 0)
		spawn_forget(k->host->spawner, k->pid);
	io_free(k->io);
	loop_timer_free(k->timer);
	free(k->dir);
	free(k->why);
	free(k);
}

static void kept_kill(const struct kept *k)
{
	if (k->pid > 0)
		kill(k->pid, SIGKILL);
}

static void complete(struct hawser_op **op, enum hawser_status status, const char *message)
{
	struct hawser_result result = {.status = status, .message = message};

	if (*op)
		op_complete(*op, &result);
	*op = NULL;
}

/* ---- what the keeper says ---- */

static void fail_create(struct kept *k)
{
	enum hawser_status status = strcmp(k->reason, "unsupported") == 0 ? HAWSER_UNSUPPORTED : HAWSER_INTERNAL;
	const char *why = k->why && k->why[0] ? k->why : "the keeper ended without a word";
	char text[KEPT_LINE_MAX + 1024];

	for (size_t i = 0; i < k->hint_count; i++) {
		if (!strstr(why, k->hints[i].seen))
			continue;
		snprintf(text, sizeof(text), "%s; %s", why, k->hints[i].advice);
		complete(&k->create, HAWSER_UNSUPPORTED, text);
		return;
	}
	complete(&k->create, status, why);
}

static void remove_rest(const char *dir)
{
	static const char *const names[] = {"guest.sock", "keeper.sock"};
	char path[4096];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
	rmdir(dir);
}

static void on_closed(void *user, const struct error *reason)
{
	struct kept *k = user;
	struct host *host = k->host;

	(void)reason;
	if (!k->reason[0]) { /* killed: it could neither say so nor clean up */
		snprintf(k->reason, sizeof(k->reason), "killed");
		if (!k->why)
			k->why = strdup("its keeper was killed");
		remove_rest(k->dir);
	}
	log_info("sandbox_ended", LOG_S("sandbox", k->id), LOG_S("reason", k->reason), LOG_S("why", k->why));
	if (k->create)
		fail_create(k);
	complete(&k->destroy, HAWSER_OK, NULL);
	if (k->state == KEPT_LIVE) {
		char id[ID_TEXT_MAX], text[KEPT_LINE_MAX + 64];

		snprintf(text, sizeof(text), "%s: %s", k->reason, k->why ? k->why : "");
		memcpy(id, k->id, sizeof(id));
		kept_free(k);
		if (host->events.sandbox_ended)
			host->events.sandbox_ended(host->user, id, text);
		return;
	}
	kept_free(k);
}

static void send_line(struct kept *k, const char *line)
{
	/* Lines are short and rare: a queue of half a megabyte that is full means a keeper that does not live. */
	if (io_write(k->io, line, strlen(line)) < 0)
		kept_kill(k);
}

static void renew(struct kept *k)
{
	char line[64];

	snprintf(line, sizeof(line), "lease %u\n", k->lease_ms);
	send_line(k, line);
	loop_timer_start(k->timer, k->lease_ms / 3);
}

/* op NULL: nobody waits for it. */
static void stop(struct kept *k, struct hawser_op *op)
{
	k->destroy = op;
	if (k->state == KEPT_STOPPING)
		return; /* it is asked already */
	set_state(k, KEPT_STOPPING);
	send_line(k, "stop\n");
	loop_timer_start(k->timer, KEPT_STOP_MS);
}

static void on_ready(struct kept *k, const char *words)
{
	char path[4096];
	struct hawser_result result = {.status = HAWSER_OK, .sandbox_id = k->id, .endpoint.unix_path = path};

	if (k->state != KEPT_STARTING)
		return;
	log_info("sandbox_ready", LOG_S("sandbox", k->id), LOG_S("keeper", words));
	set_state(k, KEPT_LIVE);
	renew(k);
	snprintf(path, sizeof(path), "%s/guest.sock", k->dir);
	if (!k->create) { /* its provider was closed meanwhile */
		stop(k, NULL);
		return;
	}
	op_complete(k->create, &result);
	k->create = NULL;
}

static void on_line(struct kept *k, char *line)
{
	char *rest = strchr(line, ' ');

	if (rest)
		*rest++ = '\0';
	if (strcmp(line, "ready") == 0)
		on_ready(k, rest);
	if (strcmp(line, "ended") == 0 && rest) {
		snprintf(k->reason, sizeof(k->reason), "%.*s", (int)strcspn(rest, " "), rest);
		rest = strchr(rest, ' ');
		free(k->why);
		k->why = strdup(rest ? rest + 1 : "");
	}
}

static size_t on_data(void *user, const uint8_t *bytes, size_t len)
{
	struct kept *k = user;
	char line[KEPT_LINE_MAX];
	const uint8_t *end;
	size_t used = 0, n;

	while ((end = memchr(bytes + used, '\n', len - used))) {
		n = (size_t)(end - (bytes + used));
		snprintf(line, sizeof(line), "%.*s", (int)(n < sizeof(line) ? n : sizeof(line) - 1),
			 (const char *)bytes + used);
		used += n + 1;
		on_line(k, line);
	}
	return used;
}

static void on_timer(void *user)
{
	struct kept *k = user;

	if (k->state == KEPT_LIVE) {
		renew(k);
		return;
	}
	log_warn("keeper_killed", LOG_S("sandbox", k->id), LOG_I("pid", k->pid));
	if (!k->why)
		k->why = strdup("the keeper did not answer in time and was killed");
	kept_kill(k); /* its wall goes with it; the closed connection comes */
}

/* ---- starting ---- */

static void on_exited(void *user, pid_t pid, int status, const struct rusage *usage)
{
	struct kept *k = user;

	k->pid = 0; /* the closed connection says the rest */
}

static int spawn_keeper(struct host *host, struct kept *k, int fd, struct error *err)
{
	const char *const argv[] = {host->keeper_path, k->id, NULL};
	static const char *const envp[] = {NULL};
	const struct spawn_fd fds[] = {{fd, 0}};
	struct spawn_options options = {
		.argv = argv,
		.envp = envp,
		.cwd = "/",
		.fds = fds,
		.fd_count = 1,
		.new_session = true,
		.no_wait = true,
		.uid = (uid_t)-1,
		.gid = (gid_t)-1,
	};

	if (!host->keeper_path)
		return error_set(err, -ENOENT, "hawser-keeper is not installed");
	return spawn_start(host->spawner, &options, on_exited, k, &k->pid, err);
}

static int start(struct kept *k, const struct hawser_keeper_spec *spec, struct error *err)
{
	static const struct io_events events = {.data = on_data, .closed = on_closed};
	_cleanup_buf_ struct buf text = BUF_INIT(KEPT_SPEC_MAX);
	_cleanup_close_ int theirs = -1;
	struct io_options options = {.read_max = KEPT_LINE_MAX, .write_max = 2 * KEPT_SPEC_MAX};
	int fds[2], r;

	r = keeper_spec_print(&text, spec, k->dir, k->create->request.secret, k->lease_ms);
	if (r < 0)
		return error_set_errno(err, r, "writing the keeper's specification");
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return error_set_errno(err, -errno, "making a socket pair");
	theirs = fds[1];
	options.read_fd = options.write_fd = fds[0];
	r = io_new(k->host->loop, &options, &events, k, &k->io, err);
	if (r == 0)
		r = spawn_keeper(k->host, k, theirs, err);
	if (r == 0)
		r = loop_timer_new(k->host->loop, on_timer, k, &k->timer, err);
	if (r < 0)
		return r;
	loop_timer_start(k->timer, KEPT_START_MS);
	r = io_write(k->io, buf_head(&text), text.len);
	explicit_bzero(buf_head(&text), text.len);
	return r < 0 ? error_set_errno(err, r, "talking to the keeper") : 0;
}

/* "b_....sb_X" is sbx_X: who knows the tag finds the folder. */
void kept_name(const char *tag, char *ret)
{
	const char *last = strrchr(tag, '_');

	snprintf(ret, ID_TEXT_MAX, "sbx_%.*s", ID_TEXT_MAX - 5, last ? last + 1 : tag);
}

int keepers_start(struct hawser_op *op, const struct hawser_keeper_spec *spec)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct kept *k = calloc(1, sizeof(*k));

	if (!k)
		return -ENOMEM;
	k->host = op->host;
	kept_name(op->request.tag, k->id);
	k->lease_ms = KEPT_LEASE_MS;
	k->create = op;
	k->hints = spec->hints;
	k->hint_count = spec->hint_count;
	if (asprintf(&k->dir, "%s/%s", op->host->sandbox_dir, k->id) < 0)
		k->dir = NULL;
	HASH_ADD_STR(op->host->kept, id, k);
	if (start(k, spec, &err) < 0) {
		complete(&k->create, HAWSER_UNSUPPORTED, error_text(&err));
		kept_free(k); /* a keeper that was started sees its connection close and ends */
	}
	return 0;
}

int keepers_stop(struct hawser_op *op, const char *sandbox_id)
{
	struct kept *k;

	HASH_FIND_STR(op->host->kept, sandbox_id, k);
	if (!k || k->destroy)
		return -ENOENT;
	stop(k, op);
	return 0;
}

void keepers_detach(struct hawser_op *op)
{
	struct kept *k, *next;

	HASH_ITER (hh, op->host->kept, k, next) {
		if (k->create == op)
			k->create = NULL;
		if (k->destroy == op)
			k->destroy = NULL;
	}
}

void host_renew(struct host *host, const char *sandbox_id, uint32_t lease_ms)
{
	struct kept *k;

	HASH_FIND_STR(host->kept, sandbox_id, k);
	if (!k || k->state != KEPT_LIVE)
		return;
	k->lease_ms = lease_ms;
	renew(k);
}

void keepers_done(struct host *host)
{
	struct kept *k, *next;

	HASH_ITER (hh, host->kept, k, next)
		kept_free(k);
}
