/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Links between a run's processes and the guest. Bodies are sent on without being looked at. Backpressure towards the
 * broker: a frame that finds no room stops the reading of its link; towards the shim: the broker gets credit for what
 * the shim's socket has taken.
 */
#include "tunnel/guest/shim.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	SHIM_READ_MAX = 256 * 1024, /* several frames; a frame is 64 KiB at most */
	SHIM_WRITE_MAX = 64 * 1024 * 1024, /* above what the credits of all calls add up to */
	SHIM_OUT_MAX = 512 * 1024,
	SHIM_OUT_FLUSH = 128 * 1024,
	SHIM_DIRECT = 16 * 1024, /* bodies from here on are not copied */
	SHIM_RUN_STREAM = 1,
};

/* ---- towards the shim ---- */

static int shim_flush_with(struct shim_link *link, const uint8_t *body, size_t len)
{
	struct iovec iov[] = {{buf_head(&link->out), link->out.len}, {(void *)(uintptr_t)body, len}};
	int r;

	if (link->over || link->choked || !link->io)
		return -EPIPE;
	r = io_writev(link->io, iov, len > 0 ? 2 : 1);
	buf_consume(&link->out, link->out.len);
	link->last_stream = 0;
	link->choked = r == -ENOBUFS; /* frames are lost now: shim_flush_all() closes it, outside of anybody's event */
	return r;
}

static void shim_settle(struct shim_link *link)
{
	struct run *run = link->run;

	if (!link->deferred || io_queued(link->io) > 0)
		return;
	link->deferred = false;
	if (link->main && run->code_deferred > 0) {
		tunnel_consumed(run->guest->tunnel, run->stream.id, run->code_deferred);
		run->code_deferred = 0;
	}
	call_settle(link);
}

static void shim_flush(struct shim_link *link)
{
	if (!link->io || link->over)
		return;
	if (link->out.len > 0 && shim_flush_with(link, NULL, 0) < 0)
		return; /* its closed event is on the way */
	shim_settle(link);
}

int shim_queue(struct shim_link *link, uint8_t type, bool fin, uint16_t channel, uint32_t stream, const void *head,
	       size_t head_len, const uint8_t *body, size_t len)
{
	uint8_t header[FRAME_HEADER + 2];
	bool headed = type == FRAME_OPEN || type == FRAME_HEAD;
	const struct frame f = {.length = (uint32_t)(len + (headed ? 2 + head_len : 0)),
				.type = type,
				.flags = fin ? FRAME_FIN : 0,
				.channel = channel,
				.stream = stream};
	bool direct = len >= SHIM_DIRECT;
	int r = 0;

	if (!link->io || link->over)
		return -EPIPE;
	if (link->out.len >= SHIM_OUT_FLUSH)
		r = shim_flush_with(link, NULL, 0);
	frame_encode(&f, header);
	header[FRAME_HEADER] = (uint8_t)(head_len >> 8);
	header[FRAME_HEADER + 1] = (uint8_t)head_len;
	link->last = link->out.len;
	link->last_stream = stream;
	if (r == 0)
		r = buf_append(&link->out, header, headed ? sizeof(header) : FRAME_HEADER);
	if (r == 0 && headed)
		r = buf_append(&link->out, head, head_len);
	if (r == 0 && len > 0)
		r = direct ? shim_flush_with(link, body, len) : buf_append(&link->out, body, len);
	return r;
}

/* The header of the last frame, if it may still be changed. */
static uint8_t *shim_last(struct shim_link *link, uint32_t stream, struct frame *ret)
{
	uint8_t *header;
	const char *why;

	if (link->last_stream != stream || link->out.len == 0)
		return NULL;
	header = buf_head(&link->out) + link->last;
	return frame_decode(header, ret, &why) == 0 ? header : NULL;
}

int shim_queue_fin(struct shim_link *link, uint32_t stream)
{
	struct frame f;
	uint8_t *header = shim_last(link, stream, &f);

	if (!header)
		return shim_queue(link, FRAME_BODY, true, 0, stream, NULL, 0, NULL, 0);
	f.flags |= FRAME_FIN;
	frame_encode(&f, header);
	return 0;
}

bool shim_merge_body(struct shim_link *link, uint32_t stream, const uint8_t *body, size_t len)
{
	struct frame f;
	uint8_t *header = shim_last(link, stream, &f);

	if (!header || f.type != FRAME_HEAD || f.length + len > FRAME_PAYLOAD_MAX || len >= SHIM_DIRECT ||
	    buf_append(&link->out, body, len) < 0)
		return false;
	f.length += (uint32_t)len;
	frame_encode(&f, buf_head(&link->out) + link->last);
	return true;
}

int shim_send_open(struct run *run, struct span head)
{
	return run->main ? shim_queue(run->main, FRAME_OPEN, false, 0, SHIM_RUN_STREAM, head.p, head.len, NULL, 0)
			 : -EPIPE;
}

int shim_send_code(struct run *run, uint16_t channel, const uint8_t *data, size_t len, bool fin)
{
	int r;

	if (!run->main || run->main->over)
		return -EPIPE;
	if (fin)
		return shim_queue_fin(run->main, SHIM_RUN_STREAM);
	run->code_deferred += len;
	run->main->deferred = true;
	r = shim_queue(run->main, FRAME_BODY, false, channel, SHIM_RUN_STREAM, NULL, 0, data, len);
	return r;
}

static void shim_broken(struct shim_link *link);

void shim_flush_all(struct guest *g)
{
	for (struct run *run = g->runs; run; run = run->next)
		for (struct shim_link *link = run->links; link; link = link->next) {
			if (link->out.len > 0 || link->deferred)
				shim_flush(link);
			if (link->choked && !link->over)
				shim_broken(link);
		}
}

/* ---- from the shim ---- */

static enum shim_verdict take_result(struct shim_link *link, const struct frame *f, const uint8_t *payload)
{
	struct run *run = link->run;
	ssize_t sent;

	if (run->lost)
		return SHIM_TAKEN;
	if (link->done == 0 && run->result_bytes + f->length > run->limits.result) {
		run_stop(run, RUN_FAILED, "too_large", "too_large", "the result is over the limit of a run's result");
		return SHIM_TAKEN;
	}
	sent = tunnel_send(run->guest->tunnel, run->stream.id, CHANNEL_RESULT, payload + link->done,
			   f->length - link->done, false);
	if (sent < 0)
		return SHIM_TAKEN;
	run->result_bytes += (uint64_t)sent;
	link->done += (size_t)sent;
	return link->done == f->length ? SHIM_TAKEN : SHIM_BLOCKED;
}

static enum shim_verdict take_progress(struct run *run, const struct frame *f, const uint8_t *payload)
{
	struct tunnel *t = run->guest->tunnel;

	if (run->lost)
		return SHIM_TAKEN;
	if (tunnel_room(t, run->stream.id) < f->length)
		return SHIM_BLOCKED;
	(void)!tunnel_send(t, run->stream.id, CHANNEL_PROGRESS, payload, f->length, false);
	return SHIM_TAKEN;
}

static enum shim_verdict run_frame(struct shim_link *link, const struct frame *f, const uint8_t *payload)
{
	if (!link->main)
		return SHIM_BROKEN;
	if (f->type == FRAME_BODY && f->channel == CHANNEL_RESULT)
		return take_result(link, f, payload);
	if (f->type == FRAME_BODY && f->channel == CHANNEL_PROGRESS)
		return take_progress(link->run, f, payload);
	if (f->type == FRAME_TAIL && f->length <= FRAME_HEAD_MAX) {
		run_shim_tail(link->run, span_of(payload, f->length));
		return SHIM_TAKEN;
	}
	return SHIM_BROKEN;
}

static void shim_close(struct shim_link *link)
{
	link->over = true;
	link->blocked = false;
	link->io = io_free(link->io);
	buf_clear(&link->out);
	call_cancel_all(link);
	if (link->main)
		run_part_over(link->run);
}

static void shim_broken(struct shim_link *link)
{
	struct run *run = link->run;

	if (link->main)
		run_stop(run, RUN_FAILED, "shim", "internal",
			 link->choked ? "the interpreter does not read its answers"
				      : "descriptor 3 was used for something else than its frames");
	shim_close(link);
}

/* Takes whole frames; what waits for room, or is not whole, stays. */
static size_t shim_on_data(void *user, const uint8_t *bytes, size_t len)
{
	struct shim_link *link = user;
	struct guest *g = link->run->guest;
	size_t used = 0;

	link->blocked = false;
	while (len - used >= FRAME_HEADER) {
		struct frame f;
		const char *why;
		enum shim_verdict v = SHIM_BROKEN;
		const uint8_t *payload = bytes + used + FRAME_HEADER;

		if (frame_decode(bytes + used, &f, &why) == 0) {
			if (len - used - FRAME_HEADER < f.length)
				break;
			v = f.stream == SHIM_RUN_STREAM ? run_frame(link, &f, payload) : call_frame(link, &f, payload);
		}
		if (v == SHIM_BROKEN) {
			shim_broken(link);
			break;
		}
		if (v == SHIM_BLOCKED) {
			link->blocked = true;
			io_pause(link->io);
			break;
		}
		link->done = 0;
		used += FRAME_HEADER + f.length;
	}
	shim_flush_all(g);
	guest_kick(g);
	return used;
}

static void shim_on_closed(void *user, const struct error *reason)
{
	struct shim_link *link = user;
	struct guest *g = link->run->guest;

	(void)reason;
	shim_close(link);
	guest_kick(g);
}

static void shim_on_drained(void *user)
{
	struct shim_link *link = user;

	shim_settle(link);
	guest_kick(link->run->guest);
}

static const struct io_events shim_events = {
	.data = shim_on_data,
	.closed = shim_on_closed,
	.drained = shim_on_drained,
};

void shim_run_writable(struct run *run)
{
	for (struct shim_link *link = run->links; link; link = link->next)
		if (link->blocked && link->io) {
			link->blocked = false;
			io_resume(link->io);
		}
}

void shim_main_last(struct run *run)
{
	if (run->main && !run->main->over && !run->main->blocked)
		shim_close(run->main);
}

bool shim_main_over(const struct run *run)
{
	return !run->main || run->main->over;
}

int shim_link_new(struct run *run, int fd, bool is_main, struct error *err)
{
	const struct io_options options = {
		.read_fd = fd, .write_fd = fd, .read_max = SHIM_READ_MAX, .write_max = SHIM_WRITE_MAX};
	struct shim_link *link = calloc(1, sizeof(*link));
	int r;

	if (!link) {
		close(fd);
		return error_set(err, -ENOMEM, "no memory for a link of a run");
	}
	link->run = run;
	link->main = is_main;
	link->out = (struct buf)BUF_INIT(SHIM_OUT_MAX);
	r = io_new(run->guest->loop, &options, &shim_events, link, &link->io, err);
	if (r < 0) {
		free(link);
		return r;
	}
	link->next = run->links;
	run->links = link;
	run->link_count++;
	if (is_main)
		run->main = link;
	return 0;
}

int shim_main_new(struct run *run, int fd, struct error *err)
{
	return shim_link_new(run, fd, true, err);
}

void shim_close_all(struct run *run)
{
	struct shim_link *link, *next;

	/* A call that ends lets the links go on that wait for its place: none may be waiting any more. */
	for (link = run->links; link; link = link->next) {
		link->over = true;
		link->blocked = false;
		link->io = io_free(link->io);
	}
	for (link = run->links; link; link = link->next)
		call_cancel_all(link);
	for (link = run->links; link; link = next) {
		next = link->next;
		buf_done(&link->out);
		free(link);
	}
	run->links = run->main = NULL;
	run->link_count = 0;
}

void shim_sweep(struct run *run)
{
	for (struct shim_link **at = &run->links; *at;) {
		struct shim_link *link = *at;

		if (!link->over || link->main) {
			at = &link->next;
			continue;
		}
		*at = link->next;
		run->link_count--;
		buf_done(&link->out);
		free(link);
	}
}
