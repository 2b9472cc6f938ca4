/* SPDX-License-Identifier: Apache-2.0 */
/* Who may command a keeper: the broker that started it (descriptor 0) and whoever may open keeper.sock. Lines. */
#include "providers/keeper/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

int control_listen(const char *dir, const char *name, int *ret, struct error *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	_cleanup_close_ int fd = -1;
	mode_t old;
	int r;

	if (snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", dir, name) >= (int)sizeof(address.sun_path))
		return error_set(err, -ENAMETOOLONG, "the path %s/%s is too long for a unix socket", dir, name);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return error_set_errno(err, -errno, "making a unix socket");
	old = umask(0177);
	r = bind(fd, (struct sockaddr *)&address, sizeof(address));
	umask(old);
	if (r < 0 || listen(fd, 16) < 0)
		return error_set_errno(err, -errno, "listening on %s", address.sun_path);
	*ret = TAKE_FD(fd);
	return 0;
}

static void on_lease(void *user)
{
	struct keeper *k = user;

	keeper_end(k, "lease", "its lease ran out: no broker renewed it for %llu ms",
		   (unsigned long long)k->spec.lease_ms);
}

static void answer(struct conn *c, const char *text)
{
	if (io_write(c->io, text, strlen(text)) < 0)
		c->io = io_free(c->io); /* it does not read what it asked for */
}

static void answer_status(struct conn *c)
{
	static const char *const names[] = {"building", "ready", "ending", "gone"};
	struct keeper *k = c->keeper;
	char limits[256], text[512];

	limits_name(k, limits, sizeof(limits));
	snprintf(text, sizeof(text), "status %s pid=%d uid=%lld %s\n", names[k->state], (int)k->pid1,
		 k->uid == (uid_t)-1 ? -1ll : (long long)k->uid, limits);
	answer(c, text);
}

static void on_command(struct conn *c, const char *line)
{
	struct keeper *k = c->keeper;
	unsigned long long ms;

	if (sscanf(line, "lease %llu", &ms) == 1 && ms >= SPEC_LEASE_LEAST_MS && ms <= SPEC_LEASE_MOST_MS)
		k->spec.lease_ms = ms;
	else if (strcmp(line, "stop") == 0)
		keeper_end(k, "asked", "it was asked to end");
	else if (strcmp(line, "status") == 0)
		answer_status(c);
	else
		answer(c, "error unknown command\n");
	loop_timer_start(k->lease, k->spec.lease_ms); /* any message renews it */
}

static size_t on_data(void *user, const uint8_t *bytes, size_t len)
{
	struct conn *c = user;
	char line[KEEPER_LINE_MAX];
	const uint8_t *end;
	size_t used = 0, n;

	while (c->io && (end = memchr(bytes + used, '\n', len - used))) {
		n = (size_t)(end - (bytes + used));
		snprintf(line, sizeof(line), "%.*s", (int)(n < sizeof(line) ? n : sizeof(line) - 1),
			 (const char *)bytes + used);
		used += n + 1;
		on_command(c, line);
	}
	return used;
}

static void on_conn_closed(void *user, const struct error *reason)
{
	struct conn *c = user;

	(void)reason; /* a broker that leaves is no event: the lease goes on */
	c->io = io_free(c->io);
}

static const struct io_events conn_events = {.data = on_data, .closed = on_conn_closed};

static int add_conn(struct keeper *k, int fd, struct error *err)
{
	struct io_options options = {
		.read_fd = fd, .write_fd = fd, .read_max = KEEPER_LINE_MAX, .write_max = 64 * 1024};

	for (size_t i = 0; i < KEEPER_CONNS_MAX; i++) {
		if (k->conns[i].io)
			continue;
		k->conns[i].keeper = k;
		return io_new(k->loop, &options, &conn_events, &k->conns[i], &k->conns[i].io, err);
	}
	close(fd);
	return error_set(err, -EBUSY, "too many control connections");
}

static void on_control(void *user, unsigned events)
{
	struct keeper *k = user;
	_cleanup_error_ struct error err = ERROR_INIT;
	int fd = accept4(k->control_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (fd >= 0)
		(void)!add_conn(k, fd, &err);
}

int control_start(struct keeper *k, int fd, struct error *err)
{
	int r;

	r = add_conn(k, fd, err);
	if (r == 0)
		r = control_listen(k->spec.dir, "keeper.sock", &k->control_fd, err);
	if (r == 0)
		r = loop_fd_new(k->loop, k->control_fd, on_control, k, &k->control_watch, err);
	if (r == 0)
		r = loop_timer_new(k->loop, on_lease, k, &k->lease, err);
	if (r < 0)
		return r;
	loop_fd_watch(k->control_watch, LOOP_READ);
	loop_timer_start(k->lease, k->spec.lease_ms);
	return 0;
}

size_t control_tell(struct keeper *k, const char *fmt, ...)
{
	char text[KEEPER_LINE_MAX + 256];
	size_t told = 0;
	va_list args;
	int len;

	va_start(args, fmt);
	len = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	for (size_t i = 0; i < KEEPER_CONNS_MAX; i++)
		if (k->conns[i].io && io_write(k->conns[i].io, text, (size_t)len) == 0 &&
		    io_queued(k->conns[i].io) == 0)
			told++;
	return told;
}

void control_done(struct keeper *k)
{
	for (size_t i = 0; i < KEEPER_CONNS_MAX; i++)
		k->conns[i].io = io_free(k->conns[i].io);
	k->control_watch = loop_fd_free(k->control_watch);
	if (k->control_fd >= 0)
		close(k->control_fd);
	k->control_fd = -1;
	k->lease = loop_timer_free(k->lease);
}
