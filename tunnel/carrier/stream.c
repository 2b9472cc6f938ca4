/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A link on a descriptor. One turn is: one read into one buffer, one tunnel_feed(), then one writev of all that the
 * tunnel has to say; so a small call costs a read and a write at each hop. Writing is tried at once; the descriptor is
 * watched for room only after EAGAIN, and then the tail of what was pulled is held here. One timer follows
 * tunnel_deadline(); it is only ever moved to an earlier time and otherwise looks again when it fires, since most
 * frames move the deadline and few reach it.
 *
 * Life: new -> (data, kicks) -> shut (closed event, once, never inside new or kick) -> free (memory on the next turn).
 */
#include "tunnel/carrier/stream.h"

#include "base/clock.h"
#include "tunnel/carrier/kind.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum { STREAM_BLOCKED_MS = 50 };
enum {
	STREAM_IOVECS = 64,
	STREAM_READS_A_TURN = 8,
	STREAM_CONTROL_MAX = 64 * 1024, /* answers of the framing that wait */
};

struct stream {
	struct carrier base;
	struct loop *loop;
	struct carrier_events events;
	void *user;
	int read_fd, write_fd;
	struct loop_fd *reader, *writer; /* writer is NULL where both descriptors are one */
	struct loop_timer *timer;
	uint64_t armed_ms; /* when the timer fires; UINT64_MAX: not armed */
	struct stream_framing *framing;
	struct buf held; /* pulled from the tunnel, not taken by the descriptor yet */
	struct buf control; /* of the framing; written before a new message */
	uint8_t *in;
	size_t early_len;
	bool full; /* the descriptor took less than it was given */
	bool begun, feeding, blocked, shut, freed;
	struct error failed; /* a write that failed inside a kick: told on the next turn */
};

static void stream_unwatch(struct stream *s)
{
	s->reader = loop_fd_free(s->reader);
	s->writer = loop_fd_free(s->writer);
	s->timer = loop_timer_free(s->timer);
}

/* A link that is being fed must not be freed: stream_take() does it then. */
static void stream_unlink(struct stream *s)
{
	if (!s->feeding)
		s->base.link = tunnel_link_free(s->base.link);
}

static void stream_shut(struct stream *s, const struct error *reason)
{
	if (s->shut)
		return;
	s->shut = true;
	stream_unwatch(s);
	stream_unlink(s);
	s->events.closed(s->user, reason);
}

static void stream_watch(struct stream *s)
{
	unsigned out = s->blocked ? LOOP_WRITE : 0;

	if (s->writer) {
		loop_fd_watch(s->reader, LOOP_READ);
		loop_fd_watch(s->writer, out);
	} else {
		loop_fd_watch(s->reader, LOOP_READ | out);
	}
}

static void stream_block(struct stream *s, bool blocked)
{
	if (s->blocked == blocked)
		return;
	s->blocked = blocked;
	stream_watch(s);
}

static void stream_arm(struct stream *s)
{
	uint64_t deadline = tunnel_deadline(s->base.link), now;

	if (deadline >= s->armed_ms || s->shut)
		return;
	now = clock_now_ms();
	/* What is due cannot go out while we are blocked, and a timer of 0 ms would fire for ever, before the poll that
	 * unblocks us: then the timer is for PING and a dead link only. */
	if (s->blocked && deadline < now + STREAM_BLOCKED_MS)
		deadline = now + STREAM_BLOCKED_MS;
	if (deadline >= s->armed_ms)
		return;
	s->armed_ms = deadline;
	loop_timer_start(s->timer, deadline > now ? deadline - now : 1);
}

static void stream_fail_later(void *user)
{
	struct stream *s = user;

	if (!s->freed)
		stream_shut(s, &s->failed);
}

/* The closed event must not come inside a kick, so a failed write waits for the next turn. */
static void stream_fail(struct stream *s, int code, const char *what)
{
	if (s->failed.code || s->shut)
		return;
	error_set_errno(&s->failed, code, "%s", what);
	loop_defer(s->loop, stream_fail_later, s);
}

/* Writes b as far as it goes. false: the descriptor takes no more for now, or broke. */
static bool stream_write_buf(struct stream *s, struct buf *b)
{
	while (b->len > 0) {
		ssize_t n = write(s->write_fd, buf_head(b), b->len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			if (errno != EAGAIN)
				stream_fail(s, -errno, "writing to the link");
			return false;
		}
		buf_consume(b, (size_t)n);
	}
	return true;
}

/* Keeps what is behind the first done bytes of iov. */
static int stream_hold(struct stream *s, const struct iovec *iov, size_t count, size_t done)
{
	for (size_t i = 0; i < count; i++) {
		size_t skip = done < iov[i].iov_len ? done : iov[i].iov_len;
		int r = buf_append(&s->held, (const uint8_t *)iov[i].iov_base + skip, iov[i].iov_len - skip);

		if (r < 0)
			return r;
		done -= skip;
	}
	return 0;
}

/* Pulls and writes one batch. false: stop for now. */
static bool stream_write_batch(struct stream *s)
{
	struct iovec iov[STREAM_IOVECS + 1];
	uint8_t header[STREAM_FRAMING_HEADER_MAX];
	size_t count = tunnel_pull(s->base.link, iov + 1, STREAM_IOVECS, STREAM_WRITE, clock_now_ms()), total = 0, all;
	ssize_t n;
	int r;

	if (count == 0)
		return false;
	for (size_t i = 1; i <= count; i++)
		total += iov[i].iov_len;
	iov[0] = (struct iovec){header, s->framing ? s->framing->header(s->framing, total, header) : 0};
	all = total + iov[0].iov_len;
	do
		n = writev(s->write_fd, iov + (s->framing ? 0 : 1), (int)(count + (s->framing ? 1 : 0)));
	while (n < 0 && errno == EINTR);
	r = n < 0 ? -errno : 0;
	if (s->framing && (r == 0 || r == -EAGAIN)) { /* the message is promised whole, whatever went out */
		int held = stream_hold(s, iov, count + 1, r ? 0 : (size_t)n);

		if (held < 0)
			r = held;
		tunnel_pulled(s->base.link, total);
	} else if (r == 0) {
		tunnel_pulled(s->base.link, (size_t)n);
	}
	if (r < 0 && r != -EAGAIN)
		stream_fail(s, r, "writing to the link");
	s->full = r < 0 || (size_t)n < all;
	return !s->full;
}

static void stream_flush(struct stream *s)
{
	bool clear;

	if (!s->begun || s->shut || s->failed.code)
		return;
	clear = stream_write_buf(s, &s->held) && stream_write_buf(s, &s->control);
	s->full = !clear;
	while (clear && stream_write_batch(s))
		;
	if (s->shut || s->failed.code)
		return;
	stream_block(s, s->full);
	stream_arm(s);
}

static int stream_give(void *to, const uint8_t *bytes, size_t len, struct error *err)
{
	struct stream *s = to;

	return tunnel_feed(s->base.link, bytes, len, clock_now_ms(), err);
}

/* false: the link is over. */
static bool stream_take(struct stream *s, size_t len)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	int r;

	s->feeding = true;
	if (s->framing)
		r = s->framing->in(s->framing, s->in, len, stream_give, s, &s->control, &err);
	else
		r = stream_give(s, s->in, len, &err);
	if (!s->freed && s->events.fed)
		s->events.fed(s->user);
	s->feeding = false;
	if (s->freed || s->shut) {
		stream_unlink(s);
		return false;
	}
	if (r < 0) {
		stream_flush(s); /* a BYE, or the framing's farewell */
		stream_shut(s, &err);
		return false;
	}
	return true;
}

static void stream_read(struct stream *s)
{
	for (int i = 0; i < STREAM_READS_A_TURN; i++) {
		_cleanup_error_ struct error err = ERROR_INIT;
		ssize_t n = read(s->read_fd, s->in, STREAM_READ);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		if (n <= 0) {
			if (n < 0)
				error_set_errno(&err, -errno, "reading from the link");
			else
				error_set(&err, -ECONNRESET, "the other end closed the link");
			stream_shut(s, &err);
			return;
		}
		if (!stream_take(s, (size_t)n))
			return;
		if ((size_t)n < STREAM_READ)
			break;
	}
	stream_flush(s);
}

static void stream_on_fd(void *user, unsigned events)
{
	struct stream *s = user;

	if (events & LOOP_WRITE) {
		stream_flush(s);
		if (s->shut)
			return;
	}
	if (events & LOOP_READ)
		stream_read(s);
}

static void stream_on_timer(void *user)
{
	struct stream *s = user;
	_cleanup_error_ struct error err = ERROR_INIT;
	uint64_t now = clock_now_ms();

	s->armed_ms = UINT64_MAX;
	if (tunnel_deadline(s->base.link) <= now) {
		int r;

		s->feeding = true;
		r = tunnel_tick(s->base.link, now, &err);
		s->feeding = false;
		if (s->freed || s->shut) {
			stream_unlink(s);
			return;
		}
		if (r < 0) {
			stream_shut(s, &err);
			return;
		}
	}
	stream_flush(s);
}

static void stream_begin(void *user)
{
	struct stream *s = user;

	if (s->freed || s->shut)
		return;
	s->begun = true;
	if (s->early_len > 0 && !stream_take(s, s->early_len))
		return;
	stream_watch(s);
	stream_flush(s);
}

/* Inside the feed of the link that took over. */
static void stream_on_replaced(void *user)
{
	_cleanup_error_ struct error err = ERROR_INIT;

	error_set(&err, -ESTALE, "a newer link of this tunnel has taken over");
	stream_shut(user, &err);
}

static void stream_kick(struct carrier *c)
{
	struct stream *s = (struct stream *)c;

	if (!s->feeding)
		stream_flush(s);
}

static void stream_release(void *user)
{
	struct stream *s = user;

	if (s->framing)
		s->framing->free(s->framing);
	buf_done(&s->held);
	buf_done(&s->control);
	error_done(&s->failed);
	free(s->in);
	free(s);
}

static void stream_free(struct carrier *c)
{
	struct stream *s = (struct stream *)c;

	s->freed = true;
	stream_unwatch(s);
	s->shut = true;
	stream_unlink(s);
	if (s->write_fd != s->read_fd)
		close(s->write_fd);
	close(s->read_fd);
	loop_defer(s->loop, stream_release, s);
}

static const struct carrier_ops stream_ops = {.kick = stream_kick, .free = stream_free};

static int stream_watchers(struct stream *s, struct error *err)
{
	int fds[] = {s->read_fd, s->write_fd}, r;

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		int flags = fcntl(fds[i], F_GETFL);

		if (flags < 0 || fcntl(fds[i], F_SETFL, flags | O_NONBLOCK) < 0)
			return error_set_errno(err, -errno, "making a link's descriptor non-blocking");
	}
	r = loop_fd_new(s->loop, s->read_fd, stream_on_fd, s, &s->reader, err);
	if (r == 0 && s->write_fd != s->read_fd)
		r = loop_fd_new(s->loop, s->write_fd, stream_on_fd, s, &s->writer, err);
	if (r == 0)
		r = loop_timer_new(s->loop, stream_on_timer, s, &s->timer, err);
	return r;
}

int stream_carrier_new(struct loop *loop, struct tunnel *tunnel, const struct stream_options *options,
		       const struct carrier_events *events, void *user, struct carrier **ret, struct error *err)
{
	struct stream *s = calloc(1, sizeof(*s));
	int r = -ENOMEM;

	if (s)
		s->in = malloc(STREAM_READ);
	if (!s || !s->in || options->early_len > STREAM_READ) {
		error_set_errno(err, r, "making a link");
		goto fail;
	}
	s->base.ops = &stream_ops;
	s->loop = loop;
	s->events = *events;
	s->user = user;
	s->read_fd = options->read_fd;
	s->write_fd = options->write_fd;
	s->armed_ms = UINT64_MAX;
	s->held = (struct buf)BUF_INIT(STREAM_WRITE + FRAME_HEADER + FRAME_PAYLOAD_MAX + STREAM_FRAMING_HEADER_MAX);
	s->control = (struct buf)BUF_INIT(STREAM_CONTROL_MAX);
	s->early_len = options->early_len;
	if (s->early_len > 0)
		memcpy(s->in, options->early, s->early_len);
	r = stream_watchers(s, err);
	if (r < 0)
		goto fail;
	r = tunnel_link_new(tunnel, clock_now_ms(), stream_on_replaced, s, &s->base.link, err);
	if (r < 0)
		goto fail;
	s->framing = options->framing;
	loop_defer(loop, stream_begin, s);
	*ret = &s->base;
	return 0;
fail:
	if (s) {
		stream_unwatch(s);
		free(s->in);
		free(s);
	}
	if (options->framing)
		options->framing->free(options->framing);
	if (options->write_fd != options->read_fd)
		close(options->write_fd);
	close(options->read_fd);
	return r;
}

int carrier_stream_new(struct loop *loop, struct tunnel *tunnel, int read_fd, int write_fd,
		       const struct carrier_events *events, void *user, struct carrier **ret, struct error *err)
{
	const struct stream_options options = {.read_fd = read_fd, .write_fd = write_fd};

	return stream_carrier_new(loop, tunnel, &options, events, user, ret, err);
}
