/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attach: a link by way of somebody's stdio. Moves bytes between stdin, stdout and the daemon's abstract socket; knows
 * no secret and no frame. Ends when either side ends.
 */
#include "tunnel/guest/verbs.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { ATTACH_BUFFER = 128 * 1024 };

struct way {
	int from, to;
	size_t at, len; /* what is still to be written of bytes */
	char bytes[ATTACH_BUFFER];
};

/* false: this way is over. */
static bool way_step(struct way *w, short from_events, short to_events)
{
	ssize_t n;

	if (w->len == 0 && (from_events & (POLLIN | POLLHUP | POLLERR))) {
		n = read(w->from, w->bytes, sizeof(w->bytes));
		if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
			return false;
		w->at = 0;
		w->len = n > 0 ? (size_t)n : 0;
		to_events |= POLLOUT; /* tried at once; it may block for a moment, and so may the other way: both are
					 one link */
	}
	if (w->len > 0 && (to_events & (POLLOUT | POLLERR | POLLHUP))) {
		n = write(w->to, w->bytes + w->at, w->len);
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return false;
		w->at += n > 0 ? (size_t)n : 0;
		w->len -= n > 0 ? (size_t)n : 0;
	}
	return true;
}

static int relay(int fd)
{
	static struct way in, out; /* too large for a stack */

	in = (struct way){.from = STDIN_FILENO, .to = fd};
	out = (struct way){.from = fd, .to = STDOUT_FILENO};
	for (;;) {
		struct pollfd p[] = {{STDIN_FILENO, in.len == 0 ? POLLIN : 0, 0},
				     {fd, (short)((in.len > 0 ? POLLOUT : 0) | (out.len == 0 ? POLLIN : 0)), 0},
				     {STDOUT_FILENO, out.len > 0 ? POLLOUT : 0, 0}};

		if (poll(p, ARRAY_SIZE(p), -1) < 0 && errno != EINTR)
			return 1;
		if (!way_step(&out, p[1].revents, p[2].revents) || !way_step(&in, p[0].revents, p[1].revents))
			return 0;
		if ((p[2].revents & (POLLERR | POLLHUP)) || (p[0].revents & POLLNVAL))
			return 0;
	}
}

int attach_main(int argc, char **argv)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int n, fd;

	if (argc != 3 || strcmp(argv[1], "--attach-name") != 0) {
		fputs("hawser-guest: attach wants --attach-name NAME\n", stderr);
		return 2;
	}
	n = snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "hawser-%s", argv[2]);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (n >= (int)sizeof(address.sun_path) - 1 || fd < 0 ||
	    connect(fd, (struct sockaddr *)&address,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n)) < 0) {
		fprintf(stderr, "hawser-guest: no guest listens as \"%s\": %s\n", argv[2], strerror(errno));
		return 1;
	}
	return relay(fd);
}
