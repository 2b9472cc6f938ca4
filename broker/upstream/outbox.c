/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Big arguments leave piece by piece as the server reads, straight from the caller's storage: neither copied into the
 * write queue nor looked at whole in one turn. Meanwhile the line belongs to that call: other calls wait their turn,
 * and small messages (cancel, answers to pings) are kept for behind it.
 */
#include "broker/upstream/outbox.h"

#include <errno.h>
#include <string.h>

#define OUTBOX_PIECE (512u << 10) /* more than the pipe takes at once: a part is queued, so that "drained" comes */
#define OUTBOX_LATE_MAX (64u << 10) /* bytes of small messages that wait; more are dropped */

/* Line breaks stand between tokens only. */
static void blank_line_breaks(uint8_t *piece, size_t len)
{
	for (uint8_t *lf = piece; (lf = memchr(lf, '\n', len - (size_t)(lf - piece)));)
		*lf = ' ';
	for (uint8_t *cr = piece; (cr = memchr(cr, '\r', len - (size_t)(cr - piece)));)
		*cr = ' ';
}

static int write_bytes(struct process *p, const void *bytes, size_t len)
{
	struct iovec iov = {(void *)(uintptr_t)bytes, len};

	return process_writev(p, &iov, 1);
}

static void finish(struct outbox *o, struct process *p)
{
	_cleanup_buf_ struct buf late = o->late;

	o->late = (struct buf)BUF_INIT(OUTBOX_LATE_MAX);
	o->busy = false;
	buf_done(&o->body);
	if (write_bytes(p, o->tail, o->tail_len) == 0 && late.len)
		(void)!write_bytes(p, buf_head(&late), late.len);
}

void outbox_pump(struct outbox *o, struct process *p)
{
	while (o->busy && process_queued(p) == 0) {
		size_t len = o->body.len < OUTBOX_PIECE ? o->body.len : OUTBOX_PIECE;

		blank_line_breaks(buf_head(&o->body), len);
		if (write_bytes(p, buf_head(&o->body), len) < 0)
			return; /* its end will be told */
		buf_consume(&o->body, len);
		if (o->body.len == 0)
			finish(o, p);
	}
}

int outbox_begin(struct outbox *o, struct process *p, const struct buf *head, struct buf *body, struct span tail)
{
	int r;

	if (o->busy)
		return -EBUSY;
	r = write_bytes(p, buf_head(head), head->len);
	if (r < 0)
		return r;
	o->body = *body;
	*body = (struct buf)BUF_INIT(body->max);
	o->late = (struct buf)BUF_INIT(OUTBOX_LATE_MAX);
	memcpy(o->tail, tail.p, tail.len);
	o->tail_len = tail.len;
	o->busy = true;
	return 0;
}

void outbox_add_late(struct outbox *o, const struct buf *message)
{
	(void)!buf_append(&o->late, buf_head(message), message->len);
}

void outbox_done(struct outbox *o)
{
	buf_done(&o->body);
	buf_done(&o->late);
	o->busy = false;
}
