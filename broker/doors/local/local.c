/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/log.h"
#include "broker/doors/local/conn.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <utlist.h>

static bool peer_is_us(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && peer.uid == geteuid();
}

static void on_listener(void *user, unsigned events)
{
	struct local *l = user;

	for (int i = 0; i < 16; i++) { /* the rest on the next turn: others want theirs too */
		_cleanup_error_ struct error err = ERROR_INIT;
		int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0) {
			if (errno == EMFILE || errno == ENFILE)
				log_warn("local_accept_failed", LOG_S("error", strerror(errno)));
			return;
		}
		if (!peer_is_us(fd) || l->count >= LOCAL_CONNECTIONS_MAX) {
			log_warn("local_refused",
				 LOG_S("why", l->count >= LOCAL_CONNECTIONS_MAX ? "too many" : "another user"));
			close(fd);
			continue;
		}
		if (conn_new(l, fd, &err) < 0)
			log_error("local_accept_failed", LOG_S("error", error_text(&err)));
	}
}

static int open_listener(const char *path, struct error *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	_cleanup_close_ int fd = -1;
	mode_t before;
	int r;

	if (strlen(path) >= sizeof(address.sun_path))
		return error_set(err, -ENAMETOOLONG,
				 "%s is too long for a socket; set XDG_RUNTIME_DIR to a shorter path", path);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return error_set_errno(err, -errno, "making a socket");
	unlink(path);
	before = umask(0177); /* 0600 from the first moment */
	r = bind(fd, (const struct sockaddr *)&address, sizeof(address));
	umask(before);
	if (r < 0 || listen(fd, 64) < 0)
		return error_set_errno(err, -errno, "listening on %s", path);
	return TAKE_FD(fd);
}

int local_new(const struct local_options *options, struct local **ret, struct error *err)
{
	struct local *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return error_set(err, -ENOMEM, "no memory");
	l->o = *options;
	l->started_ms = clock_now_ms();
	l->fd = r = open_listener(options->socket_path, err);
	if (r >= 0)
		r = loop_fd_new(options->loop, l->fd, on_listener, l, &l->watch, err);
	if (r < 0) {
		local_free(l);
		return r;
	}
	loop_fd_watch(l->watch, LOOP_READ);
	*ret = l;
	return 0;
}

void local_close(struct local *l)
{
	l->watch = loop_fd_free(l->watch);
	if (l->fd < 0)
		return;
	unlink(l->o.socket_path);
	close(l->fd);
	l->fd = -1;
}

void local_give_back(struct local *l)
{
	struct conn *c, *next;

	DL_FOREACH_SAFE (l->conns, c, next) { /* one that does not take it leaves the list */
		if (c->mcp)
			mcp_give_back(c->mcp);
	}
}

struct local *local_free(struct local *l)
{
	if (!l)
		return NULL;
	while (l->conns)
		conn_free_now(l->conns);
	local_close(l);
	free(l);
	return NULL;
}

size_t local_connections(const struct local *l)
{
	return l->count;
}
