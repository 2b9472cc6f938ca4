/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The transport of a server that is a process of ours: process (its pipes and its end), wire (lines to messages),
 * outbox (big calls). Small messages are written at once, in one block; a line break in a body would end the line and
 * is made a blank.
 */
#include "broker/upstream/stdio-transport.h"

#include "broker/upstream/outbox.h"
#include "broker/upstream/process.h"
#include "broker/upstream/wire.h"

#include <errno.h>
#include <string.h>

enum {
	STDIO_READ_MAX = 1 << 20, /* bytes of input that wait while wire is paused */
	STDIO_WRITE_MAX =
		160 << 20, /* bytes that wait for a server which does not read; calls beyond wait their turn */
	STDIO_BIG = 256 << 10, /* bodies from here on leave piece by piece */
};

struct stdio {
	struct transport base;
	struct loop *loop;
	struct transport_events events;
	void *user;
	struct process *process;
	struct wire *wire;
	struct outbox outbox;
	char *ended; /* how it ended, while its last big lines are still being checked */
};

static struct stdio *stdio_of(const struct transport *t)
{
	return CONTAINER_OF(t, struct stdio, base);
}

/* ---- what comes ---- */

static void on_message(void *user, const struct jsonrpc_message *m, struct buf *line)
{
	struct stdio *s = user;

	s->events.message(s->user, m, line, 0);
}

static void on_garbage(void *user, struct span line, const char *why)
{
	struct stdio *s = user;

	s->events.garbage(s->user, line, why);
}

static void on_too_large(void *user, struct span head, struct span tail, bool over)
{
	struct stdio *s = user;

	s->events.too_large(s->user, head, tail, over);
}

static void on_pause(void *user, bool paused)
{
	struct stdio *s = user;

	process_pause(s->process, paused);
}

static void on_idle(void *user)
{
	struct stdio *s = user;
	_cleanup_free_ char *how = TAKE_PTR(s->ended);

	if (how)
		s->events.ended(s->user, how);
}

static size_t on_data(void *user, const uint8_t *bytes, size_t len)
{
	struct stdio *s = user;

	return wire_data(s->wire, bytes, len);
}

static void on_words(void *user, const uint8_t *bytes, size_t len)
{
	struct stdio *s = user;

	s->events.words(s->user, bytes, len);
}

static void on_drained(void *user)
{
	struct stdio *s = user;

	outbox_pump(&s->outbox, s->process);
	s->events.drained(s->user);
}

static void on_ended(void *user, const char *how)
{
	struct stdio *s = user;

	if (wire_busy(s->wire) && (s->ended = strdup(how)))
		return; /* its last answers are still being read */
	s->events.ended(s->user, how);
}

/* ---- what goes ---- */

static struct iovec iov_of(struct span s)
{
	return (struct iovec){(void *)(uintptr_t)s.p, s.len};
}

/* Behind a body that is leaving, or at once. */
static int send_small(struct stdio *s, const struct buf *message)
{
	struct iovec iov = {buf_head(message), message->len};

	if (!s->outbox.busy)
		return process_writev(s->process, &iov, 1);
	outbox_add_late(&s->outbox, message);
	return 0;
}

static int send_big(struct stdio *s, struct outgoing *m)
{
	int r = outbox_begin(&s->outbox, s->process, m->head, m->body, m->tail);

	if (r == 0)
		outbox_pump(&s->outbox, s->process);
	return r;
}

static int send_call(struct stdio *s, struct outgoing *m)
{
	struct span body = span_of(buf_head(m->body), m->body->len);
	_cleanup_buf_ struct buf copy = BUF_INIT(body.len);
	struct iovec iov[3];
	int r;

	if (s->ended || s->outbox.busy)
		return s->ended ? -EPIPE : -EBUSY;
	if (body.len >= STDIO_BIG)
		return send_big(s, m);
	if (body.len <= OUTGOING_SMALL) {
		r = jsonrpc_append_raw(m->head, body);
		if (r == 0)
			r = buf_append(m->head, m->tail.p, m->tail.len);
		return r < 0 ? r : send_small(s, m->head);
	}
	iov[0] = (struct iovec){buf_head(m->head), m->head->len};
	iov[1] = iov_of(body);
	iov[2] = iov_of(m->tail);
	if (!jsonrpc_one_line(body)) {
		r = jsonrpc_append_raw(&copy, body);
		if (r < 0)
			return r;
		iov[1] = (struct iovec){buf_head(&copy), copy.len};
	}
	return process_writev(s->process, iov, 3);
}

static int stdio_send(struct transport *t, struct outgoing *m)
{
	struct stdio *s = stdio_of(t);

	return m->kind == OUTGOING_CALL ? send_call(s, m) : send_small(s, m->head);
}

static pid_t stdio_pid(const struct transport *t)
{
	return process_pid(stdio_of(t)->process);
}

/* ---- its life ---- */

static void stdio_end(struct transport *t, void (*gone)(void *user), void *user)
{
	struct stdio *s = stdio_of(t);

	process_end(s->process, gone, user);
	wire_free(s->wire);
	outbox_done(&s->outbox);
	free(s->ended);
	loop_defer(s->loop, free, s); /* its callbacks may be on the stack */
}

static const struct transport_ops stdio_ops = {.send = stdio_send, .pid = stdio_pid, .end = stdio_end};

int stdio_new(struct loop *loop, struct spawner *spawner, const struct stdio_options *options,
	      const struct transport_events *events, void *user, struct transport **ret, struct error *err)
{
	static const struct wire_events wire_events = {on_message, on_garbage, on_too_large, on_pause, on_idle};
	static const struct process_events process_events = {on_data, on_words, on_drained, on_ended};
	const struct process_options process_options = {
		.argv = options->argv,
		.envp = options->envp,
		.cwd = options->cwd,
		.read_max = STDIO_READ_MAX,
		.write_max = STDIO_WRITE_MAX,
		.step_ms = options->step_ms,
	};
	struct stdio *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return error_set(err, -ENOMEM, "no memory for a server");
	s->base.ops = &stdio_ops;
	s->loop = loop;
	s->events = *events;
	s->user = user;
	r = wire_new(loop, options->message_max, &wire_events, s, &s->wire, err);
	if (r == 0)
		r = process_start(loop, spawner, &process_options, &process_events, s, &s->process, err);
	if (r < 0) {
		wire_free(s->wire);
		free(s);
		return r;
	}
	*ret = &s->base;
	return 0;
}
