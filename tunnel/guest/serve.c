/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon: becomes what a hostile program of the same uid can neither read nor trace, and serves until it is killed.
 */
#include "base/ids.h"
#include "base/log.h"
#include "tunnel/guest/child.h"
#include "tunnel/guest/install.h"
#include "tunnel/guest/server.h"
#include "tunnel/guest/verbs.h"
#include "tunnel/proto/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

static void on_random(void *user, void *data, size_t len)
{
	(void)user;
	random_bytes(data, len);
}

/* HAWSER_TRACE: frame headers with time and direction, never bodies. */
static void on_trace(void *user, uint64_t now_ms, bool outgoing, const struct frame *frame)
{
	const int *fd = user;
	char line[TRACE_LINE_MAX];
	size_t len = trace_format(line, now_ms, outgoing, "guest", frame);

	(void)!write(*fd, line, len);
}

static void open_trace(struct guest *g, struct tunnel_options *t)
{
	const char *path = getenv("HAWSER_TRACE");

	g->trace_fd = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
	if (path && g->trace_fd < 0)
		log_warn("trace_failed", LOG_S("path", path));
	if (g->trace_fd >= 0) {
		t->trace = on_trace;
		t->trace_user = &g->trace_fd;
	}
}

/* Orphans of runs come to us, also where we are not pid 1. */
static int harden(struct guest *g, struct error *err)
{
	g->pid1 = getpid() == 1;
	umask(077);
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		return error_set_errno(err, -errno, "becoming non-dumpable");
	if (!g->pid1 && prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return error_set_errno(err, -errno, "becoming the reaper of orphans");
	return 0;
}

static int make_tunnel(struct guest *g, struct guest_options *options, struct error *err)
{
	struct tunnel_options t = {.id = options->tunnel, .random = on_random};
	int r;

	memcpy(t.secret, options->secret, sizeof(t.secret));
	explicit_bzero(options->secret, sizeof(options->secret));
	random_bytes(&t.boot, sizeof(t.boot));
	open_trace(g, &t);
	r = tunnel_new(&t, &guest_tunnel_events, g, &g->tunnel, err);
	explicit_bzero(t.secret, sizeof(t.secret));
	return r;
}

static int guest_start(struct guest *g, struct guest_options *options, struct error *err)
{
	const char *home = getenv("HOME");
	int r = harden(g, err);

	g->options = options;
	g->home = home && *home == '/' && access(home, W_OK | X_OK) == 0 ? home : "/tmp";
	if (r == 0)
		r = loop_new(&g->loop, err);
	if (r == 0)
		r = spawner_new(g->loop, &g->spawner, err);
	if (r == 0)
		r = install_shims(g, err);
	if (r == 0)
		r = make_tunnel(g, options, err);
	if (r == 0)
		r = server_new(g, &g->server, err);
	if (r == 0) {
		spawner_on_orphan(g->spawner, reap_orphan, g);
		park_fill(g);
	}
	return r;
}

int serve_main(int argc, char **argv)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct guest_options options;
	struct guest *g = calloc(1, sizeof(*g));
	const char *level = getenv("HAWSER_GUEST_LOG");

	log_setup(&(struct log_options){.fd = STDERR_FILENO,
					.least = level && strcmp(level, "debug") == 0 ? LOG_DEBUG : LOG_INFO});
	if (!g || serve_options(argc, argv, &options, &err) < 0 || guest_start(g, &options, &err) < 0) {
		fprintf(stderr, "hawser-guest: %s\n", error_text(&err));
		return 1;
	}
	loop_run(g->loop);
	return 0; /* only by a bug: the daemon is ended by its sandbox */
}
