/* SPDX-License-Identifier: Apache-2.0 */
/* Kept sandboxes of an earlier broker: their keepers are asked to end them by the socket in their folder. */
#include "broker/host/internal.h"

#include "base/ids.h"
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <utlist.h>

enum { REAP_LINE_MAX = 5 * 1024, REAP_PATIENCE_MS = 15000 };

struct reaping {
	struct reaping *prev, *next;
	struct host *host;
	char *place;
	struct io *io; /* NULL: nobody listens */
	struct loop_timer *patience;
	host_reap_fn *done;
	void *user;
};

char *host_place(const struct host_provider *p, const char *tag)
{
	char id[ID_TEXT_MAX], *place;

	if (!p->ops->kept)
		return NULL;
	kept_name(tag, id);
	return asprintf(&place, "%s/%s", p->host->sandbox_dir, id) < 0 ? NULL : place;
}

static void reaping_free(struct reaping *r)
{
	DL_DELETE(r->host->reapings, r);
	io_free(r->io);
	loop_timer_free(r->patience);
	free(r->place);
	free(r);
}

static void end(struct reaping *r, enum host_reaped what)
{
	host_reap_fn *done = r->done;
	void *user = r->user;

	reaping_free(r);
	done(user, what);
}

/* Also of one that does not answer: it is looked for again. */
static void on_turn(void *user)
{
	end(user, HOST_NOT_THERE);
}

static size_t on_data(void *user, const uint8_t *bytes, size_t len)
{
	(void)user, (void)bytes;
	return len; /* it says why it ends */
}

/* The keeper leaves last: nothing of the sandbox is left. */
static void on_closed(void *user, const struct error *reason)
{
	struct reaping *r = user;

	(void)reason;
	log_info("sandbox_reaped", LOG_S("place", r->place));
	end(r, HOST_REAPED);
}

static int connect_to(const char *place)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || snprintf(address.sun_path, sizeof(address.sun_path), "%s/keeper.sock", place) >=
			      (int)sizeof(address.sun_path))
		return -1;
	return connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ? -1 : TAKE_FD(fd);
}

static int ask(struct reaping *r, int fd, struct error *err)
{
	static const struct io_events events = {.data = on_data, .closed = on_closed};
	const struct io_options options = {
		.read_fd = fd, .write_fd = fd, .read_max = REAP_LINE_MAX, .write_max = REAP_LINE_MAX};
	int rc = io_new(r->host->loop, &options, &events, r, &r->io, err);

	return rc < 0 ? rc : io_write(r->io, "stop\n", 5);
}

void host_reap(struct host *host, const char *place, host_reap_fn *done, void *user)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct reaping *r = calloc(1, sizeof(*r));
	int fd = connect_to(place);

	if (!r || !(r->place = strdup(place)))
		abort(); /* a sandbox that could not even be looked for */
	r->host = host;
	r->done = done;
	r->user = user;
	DL_APPEND(host->reapings, r);
	if (loop_timer_new(host->loop, on_turn, r, &r->patience, &err) < 0)
		abort();
	if (fd >= 0 && ask(r, fd, &err) < 0)
		r->io = io_free(r->io);
	loop_timer_start(r->patience, r->io ? REAP_PATIENCE_MS : 0);
}

void reapings_done(struct host *host)
{
	while (host->reapings)
		reaping_free(host->reapings);
}
