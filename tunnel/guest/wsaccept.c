/* SPDX-License-Identifier: Apache-2.0 */
#include "tunnel/guest/wsaccept.h"

#include "base/cleanup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WSACCEPT_BUFFER = 2 * WSREQUEST_MAX };

struct wsaccept {
	struct loop *loop;
	int fd;
	struct loop_fd *watch;
	struct loop_timer *timer;
	wsaccept_done_fn *done;
	void *user;
	size_t len;
	char bytes[WSACCEPT_BUFFER];
};

/* A short answer fits any fresh socket's buffer; if it does not, the visitor has lost it. */
static void answer(struct wsaccept *w, const char *text, size_t len)
{
	(void)!send(w->fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void refuse(struct wsaccept *w, const struct wsrequest *request)
{
	char text[512];
	int n = snprintf(text, sizeof(text),
			 "HTTP/1.1 %s\r\nConnection: close\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
			 "Content-Type: text/plain\r\nContent-Length: %zu\r\n\r\n%s\n",
			 request->status, strlen(request->text) + 1, request->text);

	answer(w, text, (size_t)n);
	shutdown(w->fd, SHUT_WR);
	w->done(w->user, NULL);
}

static void accept_upgrade(struct wsaccept *w, const struct wsrequest *request)
{
	char text[256];
	int n = snprintf(text, sizeof(text),
			 "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
			 "Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: hawser.v1\r\n\r\n",
			 request->accept);
	uint8_t early[WSACCEPT_BUFFER];
	struct stream_options options = {.early = early, .early_len = w->len - request->length};

	memcpy(early, w->bytes + request->length, options.early_len);
	answer(w, text, (size_t)n);
	options.framing = wsframing_new();
	if (!options.framing) {
		w->done(w->user, NULL);
		return;
	}
	w->watch = loop_fd_free(w->watch);
	options.read_fd = options.write_fd = TAKE_FD(w->fd);
	w->done(w->user, &options);
}

static void on_fd(void *user, unsigned events)
{
	struct wsaccept *w = user;
	struct wsrequest request;
	ssize_t n = read(w->fd, w->bytes + w->len, sizeof(w->bytes) - w->len);

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		w->done(w->user, NULL);
		return;
	}
	w->len += (size_t)n;
	switch (wsrequest_read(w->bytes, w->len, &request)) {
	case WSREQUEST_MORE:
		return;
	case WSREQUEST_ACCEPT:
		accept_upgrade(w, &request);
		return;
	case WSREQUEST_REFUSE:
		refuse(w, &request);
		return;
	}
}

static void on_timer(void *user)
{
	struct wsaccept *w = user;

	w->done(w->user, NULL);
}

int wsaccept_new(struct loop *loop, int fd, uint64_t limit_ms, wsaccept_done_fn *done, void *user,
		 struct wsaccept **ret, struct error *err)
{
	struct wsaccept *w = calloc(1, sizeof(*w));
	int r;

	if (!w) {
		close(fd);
		return error_set(err, -ENOMEM, "no memory for a connection");
	}
	w->loop = loop;
	w->fd = fd;
	w->done = done;
	w->user = user;
	r = loop_fd_new(loop, fd, on_fd, w, &w->watch, err);
	if (r == 0)
		r = loop_timer_new(loop, on_timer, w, &w->timer, err);
	if (r < 0) {
		wsaccept_free(w);
		return r;
	}
	loop_fd_watch(w->watch, LOOP_READ);
	loop_timer_start(w->timer, limit_ms);
	*ret = w;
	return 0;
}

struct wsaccept *wsaccept_free(struct wsaccept *w)
{
	if (!w)
		return NULL;
	loop_fd_free(w->watch);
	loop_timer_free(w->timer);
	cleanup_closep(&w->fd);
	free(w);
	return NULL;
}
