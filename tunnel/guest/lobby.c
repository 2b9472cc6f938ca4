/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A run's lobby (PROTOCOL.md section 8): any process of the run sends one byte with one end of a socket pair, and has a
 * link of its own. Whatever else comes is closed: the sender is the user's code.
 */
#include "tunnel/guest/shim.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LOBBY_LINKS_MAX = 64 };

/* -1: nothing there; -2: the lobby is closed; else the descriptor, or -3 for a message without one. */
static int lobby_receive(int fd)
{
	char byte, control[CMSG_SPACE(sizeof(int) * 8)] __attribute__((aligned(8)));
	struct iovec iov = {&byte, 1};
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	int found = -3;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? -1 : -2;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < count; i++) {
			int got;

			memcpy(&got, CMSG_DATA(c) + i * sizeof(int), sizeof(got));
			if (found < 0)
				found = got;
			else
				close(got);
		}
	}
	return n == 0 && found < 0 ? -2 : found;
}

/* Only a stream socket makes a link: another descriptor could block us, or be one that means something to us. */
static bool is_stream_socket(int fd)
{
	int type = 0, domain = 0;
	socklen_t len = sizeof(type);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM &&
	       getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == AF_UNIX;
}

static void lobby_on_fd(void *user, unsigned events)
{
	struct run *run = user;

	(void)events;
	for (int i = 0; i < 8; i++) {
		_cleanup_error_ struct error err = ERROR_INIT;
		int fd = lobby_receive(run->lobby_fd);

		if (fd == -1)
			return;
		if (fd == -2) { /* all processes that had it are gone, or one of them shut it for all */
			run->lobby = loop_fd_free(run->lobby);
			return;
		}
		if (fd < 0)
			continue;
		shim_sweep(run);
		if (run->link_count >= LOBBY_LINKS_MAX || run->state != RUN_RUNNING || !is_stream_socket(fd))
			close(fd);
		else
			(void)!shim_link_new(run, fd, false, &err);
	}
}

int shim_lobby_new(struct run *run, int fd, struct error *err)
{
	int r = loop_fd_new(run->guest->loop, fd, lobby_on_fd, run, &run->lobby, err);

	run->lobby_fd = fd;
	if (r == 0)
		loop_fd_watch(run->lobby, LOOP_READ);
	return r;
}
