/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A byte stream with a bounded write queue. Life: io_new() -> data ... -> closed once -> io_free(). Memory goes on the
 * next turn, so every callback may free its own stream. Descriptors that cannot be polled (regular files) are read turn
 * by turn and written at once.
 */
#include "base/io.h"

#include "base/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#define IO_READ_LEAST (64u << 10) /* least buffer, and bytes of one read of short messages */
#define IO_WRITE_TURN (1024u << 10) /* most bytes that leave the queue in one turn */
#define IO_READ_LARGE (1024u << 10) /* bytes of one read once a long message is under way */

struct io {
	struct loop *loop;
	struct io_events events;
	void *user;
	const char *part; /* whose it is, for loop_longest_turn_part() */
	int read_fd, write_fd;
	struct loop_fd *read_watch,
		*write_watch; /* equal when the descriptor is the same; NULL: not pollable or none */
	struct buf in, out;
	bool paused, closed, dead, ending, was_queued;
	bool step_deferred;
	struct error reason; /* of a closing that is told on the next turn */
};

static void read_step(struct io *io);

static void update_watch(struct io *io)
{
	bool reads = !io->paused && !io->closed && io->read_fd >= 0;
	bool writes = io->out.len > 0 && io->write_fd >= 0;

	if (io->read_watch && io->read_watch == io->write_watch) {
		loop_fd_watch(io->read_watch, (reads ? LOOP_READ : 0u) | (writes ? LOOP_WRITE : 0u));
		return;
	}
	if (io->read_watch)
		loop_fd_watch(io->read_watch, reads ? LOOP_READ : 0u);
	if (io->write_watch)
		loop_fd_watch(io->write_watch, writes ? LOOP_WRITE : 0u);
}

static void tell_closed(struct io *io, const struct error *reason)
{
	if (io->closed || io->dead)
		return;
	io->closed = true;
	update_watch(io);
	io->events.closed(io->user, reason);
}

static void on_deferred_close(void *user)
{
	struct io *io = user;

	if (!io->dead)
		tell_closed(io, &io->reason);
}

/* Offers what is in the buffer. False: the stream is closed, freed or paused. */
static bool offer(struct io *io)
{
	size_t used;

	if (io->in.len > 0) {
		used = io->events.data(io->user, buf_head(&io->in), io->in.len);
		if (io->dead)
			return false;
		buf_consume(&io->in, used);
		if (io->in.len == 0)
			buf_clear(&io->in);
	}
	if (buf_room(&io->in) == 0) {
		struct error reason = ERROR_INIT;

		error_set(&reason, -EMSGSIZE, "a message is longer than %zu bytes", io->in.max);
		tell_closed(io, &reason);
		error_done(&reason);
		return false;
	}
	return !io->paused && !io->closed;
}

static void on_deferred_step(void *user)
{
	struct io *io = user;

	io->step_deferred = false;
	if (io->dead || io->closed || io->paused)
		return;
	if (io->in.len > 0 && !offer(io))
		return;
	if (!io->read_watch)
		read_step(io);
}

static void defer_step(struct io *io)
{
	if (io->step_deferred || io->read_fd < 0)
		return;
	io->step_deferred = true;
	loop_defer_part(io->loop, on_deferred_step, io, io->part);
}

static void read_step(struct io *io)
{
	size_t want = io->in.len >= IO_READ_LEAST * 4 ? IO_READ_LARGE : IO_READ_LEAST;
	struct error reason = ERROR_INIT;
	uint8_t *room;
	ssize_t n;

	if (want > buf_room(&io->in))
		want = buf_room(&io->in);
	room = buf_reserve(&io->in, want);
	if (!room) {
		error_set(&reason, -ENOMEM, "no memory for input");
	} else {
		n = read(io->read_fd, room, want);
		if (n > 0) {
			buf_commit(&io->in, (size_t)n);
			if (offer(io) && !io->read_watch)
				defer_step(io);
			return;
		}
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n < 0)
			error_set_errno(&reason, -errno, "reading");
	}
	tell_closed(io, &reason);
	error_done(&reason);
}

static void finish_end(struct io *io)
{
	if (!io->ending || io->out.len > 0 || io->write_fd < 0)
		return;
	if (io->write_fd == io->read_fd) {
		shutdown(io->write_fd, SHUT_WR);
	} else {
		io->write_watch = loop_fd_free(io->write_watch);
		close(io->write_fd);
	}
	if (io->write_fd != io->read_fd)
		io->write_fd = -1;
	io->ending = false;
}

static void write_failed(struct io *io, int code)
{
	buf_clear(&io->out);
	update_watch(io);
	if (io->closed || io->reason.code)
		return;
	error_set_errno(&io->reason, code, "writing");
	loop_defer_part(io->loop, on_deferred_close, io, io->part);
}

static void write_step(struct io *io)
{
	size_t turn = IO_WRITE_TURN; /* a reader that keeps up must not keep this turn from ending */

	while (io->out.len > 0 && turn > 0) {
		ssize_t n = write(io->write_fd, buf_head(&io->out), io->out.len < turn ? io->out.len : turn);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			write_failed(io, -errno);
			return;
		}
		buf_consume(&io->out, (size_t)n);
		turn -= io->write_watch ? (size_t)n : 0;
	}
	if (io->out.len > 0)
		return;
	buf_clear(&io->out);
	update_watch(io);
	finish_end(io);
	if (io->was_queued) {
		io->was_queued = false;
		if (io->events.drained)
			io->events.drained(io->user);
	}
}

static void on_events(void *user, unsigned events)
{
	struct io *io = user;

	if ((events & LOOP_WRITE) && !io->dead)
		write_step(io);
	if ((events & LOOP_READ) && !io->dead && !io->paused && !io->closed)
		read_step(io);
}

static int watch(struct io *io, int fd, struct loop_fd **ret, struct error *err)
{
	struct error ignored = ERROR_INIT;
	int flags = fcntl(fd, F_GETFL);
	int r;

	if (flags < 0)
		return error_set_errno(err, -errno, "descriptor %d", fd);
	r = loop_fd_new_part(io->loop, fd, on_events, io, io->part, ret, &ignored);
	if (r == -EPERM) { /* a regular file: always ready */
		error_done(&ignored);
		return 0;
	}
	if (r < 0)
		return error_move(err, &ignored);
	if (fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return error_set_errno(err, -errno, "making descriptor %d non-blocking", fd);
	return 0;
}

int io_new_part(struct loop *loop, const struct io_options *options, const struct io_events *events, void *user,
		const char *part, struct io **ret, struct error *err)
{
	struct io *io = calloc(1, sizeof(*io));
	int r = 0;

	if (!io) {
		if (options->read_fd >= 0)
			close(options->read_fd);
		if (options->write_fd >= 0 && options->write_fd != options->read_fd)
			close(options->write_fd);
		return error_set(err, -ENOMEM, "no memory for a stream");
	}
	io->loop = loop;
	io->events = *events;
	io->user = user;
	io->part = part;
	io->read_fd = options->read_fd;
	io->write_fd = options->write_fd;
	io->in.max = options->read_max > IO_READ_LEAST ? options->read_max : IO_READ_LEAST;
	io->out.max = options->write_max;
	if (io->read_fd >= 0)
		r = watch(io, io->read_fd, &io->read_watch, err);
	if (r == 0 && io->write_fd >= 0) {
		if (io->write_fd == io->read_fd)
			io->write_watch = io->read_watch;
		else
			r = watch(io, io->write_fd, &io->write_watch, err);
	}
	if (r < 0) {
		io_free(io);
		return r;
	}
	update_watch(io);
	if (!io->read_watch)
		defer_step(io);
	*ret = io;
	return 0;
}

int io_writev(struct io *io, const struct iovec *iov, int count)
{
	size_t len = 0, skip = 0;

	if (io->write_fd < 0 || io->ending || io->reason.code)
		return -EPIPE;
	for (int i = 0; i < count; i++)
		len += iov[i].iov_len;
	if (len > buf_room(&io->out))
		return -ENOBUFS;
	if (io->out.len == 0) {
		ssize_t n = writev(io->write_fd, iov, count);

		if (n < 0 && errno != EAGAIN && errno != EINTR) {
			write_failed(io, -errno);
			return -EPIPE;
		}
		skip = n > 0 ? (size_t)n : 0;
		if (skip == len)
			return 0;
	}
	for (int i = 0; i < count; i++) {
		size_t past = skip < iov[i].iov_len ? skip : iov[i].iov_len;

		skip -= past;
		if (buf_append(&io->out, (const uint8_t *)iov[i].iov_base + past, iov[i].iov_len - past) < 0)
			abort(); /* a part may be written already: there is no way back without memory */
	}
	io->was_queued = true;
	update_watch(io);
	if (!io->write_watch)
		write_step(io);
	return 0;
}

int io_write(struct io *io, const void *data, size_t len)
{
	struct iovec iov = {.iov_base = (void *)(uintptr_t)data, .iov_len = len};

	return io_writev(io, &iov, 1);
}

int io_write_buf(struct io *io, struct buf *b)
{
	struct buf taken = *b;
	int r;

	*b = (struct buf)BUF_INIT(b->max);
	if (io->out.len > 0 || io->write_fd < 0 || io->ending || io->reason.code || taken.len > io->out.max) {
		r = io_write(io, buf_head(&taken), taken.len);
		buf_done(&taken);
		return r;
	}
	taken.max = io->out.max;
	buf_done(&io->out);
	io->out = taken;
	io->was_queued = true;
	update_watch(io);
	if (!io->write_watch)
		write_step(io);
	return 0;
}

size_t io_queued(const struct io *io)
{
	return io->out.len;
}

void io_pause(struct io *io)
{
	io->paused = true;
	update_watch(io);
}

void io_resume(struct io *io)
{
	if (!io->paused)
		return;
	io->paused = false;
	update_watch(io);
	if (io->in.len > 0 || !io->read_watch)
		defer_step(io);
}

void io_end(struct io *io)
{
	io->ending = true;
	finish_end(io);
}

int io_fd(const struct io *io)
{
	return io->read_fd;
}

static void on_free(void *user)
{
	struct io *io = user;

	error_done(&io->reason);
	buf_done(&io->in);
	buf_done(&io->out);
	free(io);
}

struct io *io_free(struct io *io)
{
	if (!io)
		return NULL;
	io->dead = true;
	if (io->write_watch != io->read_watch)
		loop_fd_free(io->write_watch);
	loop_fd_free(io->read_watch);
	io->read_watch = io->write_watch = NULL;
	if (io->write_fd >= 0 && io->write_fd != io->read_fd)
		close(io->write_fd);
	if (io->read_fd >= 0)
		close(io->read_fd);
	io->read_fd = io->write_fd = -1;
	loop_defer_part(io->loop, on_free, io, io->part);
	return NULL;
}
