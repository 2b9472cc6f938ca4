/* SPDX-License-Identifier: Apache-2.0 */
#include "tunnel/guest/server.h"

#include "base/log.h"
#include "tunnel/carrier/stream.h"
#include "tunnel/guest/runs.h"
#include "tunnel/guest/wsaccept.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { SERVER_LISTENERS = 3, SERVER_ACCEPTS_A_TURN = 32 };

/* One connection: first maybe an HTTP upgrade, then a carrier. */
struct visitor {
	struct server *server;
	struct visitor *next;
	struct wsaccept *upgrade; /* NULL: done, or a byte stream */
	struct carrier *carrier;
};

struct listener {
	struct server *server;
	int fd;
	bool http;
	struct loop_fd *watch;
};

struct server {
	struct guest *guest;
	struct listener listeners[SERVER_LISTENERS];
	size_t listener_count;
	struct visitor *visitors;
};

static size_t server_strangers(const struct server *s)
{
	size_t n = 0;

	for (const struct visitor *v = s->visitors; v; v = v->next) {
		const struct tunnel_link *link = carrier_link(v->carrier);

		n += !link || !tunnel_link_is_proven(link);
	}
	return n;
}

static void visitor_free(struct visitor *v)
{
	for (struct visitor **at = &v->server->visitors; *at; at = &(*at)->next)
		if (*at == v) {
			*at = v->next;
			break;
		}
	wsaccept_free(v->upgrade);
	carrier_free(v->carrier);
	free(v);
}

static void visitor_on_closed(void *user, const struct error *reason)
{
	log_info("link_closed", LOG_S("reason", error_text(reason)));
	visitor_free(user);
}

static void visitor_on_fed(void *user)
{
	struct visitor *v = user;

	shim_flush_all(v->server->guest);
}

static const struct carrier_events visitor_events = {.closed = visitor_on_closed, .fed = visitor_on_fed};

static void visitor_carry(struct visitor *v, const struct stream_options *options)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct guest *g = v->server->guest;

	if (stream_carrier_new(g->loop, g->tunnel, options, &visitor_events, v, &v->carrier, &err) < 0) {
		log_warn("link_failed", LOG_S("error", error_text(&err)));
		visitor_free(v);
	}
}

static void visitor_on_upgraded(void *user, const struct stream_options *options)
{
	struct visitor *v = user;

	v->upgrade = wsaccept_free(v->upgrade);
	if (options)
		visitor_carry(v, options);
	else
		visitor_free(v);
}

static void server_admit(struct listener *l, int fd)
{
	struct server *s = l->server;
	_cleanup_error_ struct error err = ERROR_INIT;
	struct visitor *v;
	int one = 1;

	if (server_strangers(s) >= SERVER_STRANGERS || !(v = calloc(1, sizeof(*v)))) {
		close(fd);
		return;
	}
	v->server = s;
	v->next = s->visitors;
	s->visitors = v;
	if (!l->http) {
		visitor_carry(v, &(struct stream_options){.read_fd = fd, .write_fd = fd});
		return;
	}
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (wsaccept_new(s->guest->loop, fd, SERVER_STRANGER_MS, visitor_on_upgraded, v, &v->upgrade, &err) < 0)
		visitor_free(v);
}

static void listener_on_fd(void *user, unsigned events)
{
	struct listener *l = user;

	(void)events;
	for (int i = 0; i < SERVER_ACCEPTS_A_TURN; i++) {
		int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0)
			return;
		server_admit(l, fd);
	}
}

static int server_listen(struct server *s, int fd, bool http, struct error *err)
{
	struct listener *l = &s->listeners[s->listener_count];
	int flags = fcntl(fd, F_GETFL), r;

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return error_set_errno(err, -errno, "descriptor %d is not a listening socket", fd);
	*l = (struct listener){.server = s, .fd = fd, .http = http};
	r = loop_fd_new(s->guest->loop, fd, listener_on_fd, l, &l->watch, err);
	if (r < 0)
		return r;
	s->listener_count++;
	loop_fd_watch(l->watch, LOOP_READ);
	return 0;
}

/* The abstract socket that `hawser-guest attach` connects to: no path that anybody could unlink. */
static int server_listen_abstract(struct server *s, const char *name, struct error *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int n = snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "hawser-%s", name), fd;

	if (n >= (int)sizeof(address.sun_path) - 1)
		return error_set(err, -ENAMETOOLONG, "--attach-name is too long");
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 ||
	    bind(fd, (struct sockaddr *)&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n)) <
		    0 ||
	    listen(fd, 64) < 0) {
		int r = error_set_errno(err, -errno, "listening on the abstract socket hawser-%s", name);

		cleanup_closep(&fd);
		return r;
	}
	return server_listen(s, fd, false, err);
}

int server_new(struct guest *g, struct server **ret, struct error *err)
{
	struct server *s = calloc(1, sizeof(*s));
	int r = 0;

	if (!s)
		return error_set(err, -ENOMEM, "no memory for the listeners");
	s->guest = g;
	if (g->options->listen_fd >= 0)
		r = server_listen(s, g->options->listen_fd, false, err);
	if (r == 0 && g->options->tcp_fd >= 0)
		r = server_listen(s, g->options->tcp_fd, true, err);
	if (r == 0 && g->options->attach_name)
		r = server_listen_abstract(s, g->options->attach_name, err);
	if (r < 0) {
		server_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

struct server *server_free(struct server *s)
{
	if (!s)
		return NULL;
	while (s->visitors)
		visitor_free(s->visitors);
	for (size_t i = 0; i < s->listener_count; i++) {
		loop_fd_free(s->listeners[i].watch);
		close(s->listeners[i].fd);
	}
	free(s);
	return NULL;
}

void server_kick(struct server *s)
{
	for (struct visitor *v = s ? s->visitors : NULL; v; v = v->next) {
		struct tunnel_link *link = carrier_link(v->carrier);

		if (link && tunnel_link_is_up(link)) {
			carrier_kick(v->carrier);
			return;
		}
	}
}
