/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BASE_IO_H
#define HAWSER_BASE_IO_H

#include "base/buf.h"
#include "base/error.h"
#include "base/loop.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/*
 * A byte stream on one or two descriptors (socket, pipe, terminal) with a bounded write queue. Writes go straight to
 * the descriptor while it takes them, else into the queue. Owned by the caller; io_free() is safe inside callbacks.
 */
struct io;

struct io_events {
	/* Bytes that were read; borrowed until return. Returns how many were consumed; what is left is offered again
	 * with the next bytes, or after io_resume(). At most read_max bytes are ever held back: a callback that
	 * consumes nothing of a full buffer ends the stream with -EMSGSIZE. */
	size_t (*data)(void *user, const uint8_t *bytes, size_t len);
	/* The other end will send no more (reason 0), or the stream broke (negative errno, in the text). Called once;
	 * no data follows. Bytes that were not consumed are lost. */
	void (*closed)(void *user, const struct error *reason);
	/* The write queue became empty after io_write() had returned with something queued. May be NULL. */
	void (*drained)(void *user);
};

struct io_options {
	int read_fd; /* -1: none. Consumed (closed by io), made non-blocking */
	int write_fd; /* -1: none; may be the same as read_fd. Consumed */
	size_t read_max; /* most bytes of input that are held, for instance the longest line; at least 64 KiB is used */
	size_t write_max; /* most bytes that the queue holds; io_write() beyond it fails with -ENOBUFS and queues
			     nothing */
};

/* On failure the descriptors are closed too. Reading begins on the next turn. */
#define io_new(loop, options, events, user, ret, err) \
	io_new_part(loop, options, events, user, "a stream (" __FILE__ ")", ret, err)
int io_new_part(struct loop *loop, const struct io_options *options, const struct io_events *events, void *user,
		const char *part, struct io **ret, struct error *err) _must_check_;
/* 0, -ENOBUFS (over write_max, nothing taken), -EPIPE (closed). All or nothing. */
int io_write(struct io *io, const void *data, size_t len) _must_check_;
int io_writev(struct io *io, const struct iovec *iov, int count) _must_check_;
/* The same with a buffer of the caller's, which io keeps instead of copying it (b is empty then), whatever comes of it.
 */
int io_write_buf(struct io *io, struct buf *b) _must_check_;
/* Bytes in the write queue. */
size_t io_queued(const struct io *io);
/* Stops (resumes) reading; resuming offers what was left first, on the next turn. */
void io_pause(struct io *io);
void io_resume(struct io *io);
/* Closes the writing side once the queue is empty (shutdown() or close()). */
void io_end(struct io *io);
/* What the descriptor of the reading side is, for SO_PEERCRED and the like. */
int io_fd(const struct io *io);
/* Drops the queue and closes the descriptors. */
struct io *io_free(struct io *io);

#endif
