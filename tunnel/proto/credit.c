/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far the other end may run ahead of what was consumed: a stream's window. One of WINDOW bytes moves at most WINDOW
 * a round trip (6 MB/s at 40 ms), so it doubles when a whole window was consumed within GROW_MS, up to WINDOW_MAX; all
 * streams together get at most WINDOWS_EXTRA beyond what they began with. A reader that is slow never has more than
 * WINDOW waiting, since it does not consume in time; a total that was given is never taken back.
 */
#include "tunnel/proto/internal.h"

void credit_begin(struct tunnel *t, struct stream *s)
{
	s->window_since_ms = t->now;
}

static void window_grow(struct tunnel *t, struct stream *s)
{
	bool quick = t->now - s->window_since_ms <= GROW_MS;

	if (s->consumed - s->window_since < s->window)
		return;
	s->window_since = s->consumed;
	s->window_since_ms = t->now;
	if (!quick || s->window * 2 > WINDOW_MAX || t->windows_extra + s->window > WINDOWS_EXTRA)
		return;
	t->windows_extra += s->window;
	s->window *= 2;
}

void credit_end(struct tunnel *t, struct stream *s)
{
	t->windows_extra -= s->window - WINDOW;
	s->window = WINDOW;
	node_remove(&s->credit);
}

uint64_t credit_total(const struct stream *s)
{
	return s->consumed + s->window;
}

void tunnel_consumed(struct tunnel *t, uint32_t stream, size_t n)
{
	struct stream *s = stream_find(t, stream);

	if (!s)
		return;
	s->consumed = s->received - s->consumed < n ? s->received : s->consumed + n;
	if (s->recv_over)
		return;
	window_grow(t, s);
	if (credit_total(s) - s->recv_limit >= s->window / 4 && !node_linked(&s->credit))
		node_append(&t->credit, &s->credit);
}
