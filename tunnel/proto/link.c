/* SPDX-License-Identifier: Apache-2.0 */
/* One connection: cuts bytes into frames, keeps the unnumbered frames that wait to be written, watches for silence. */
#include "tunnel/proto/internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

int tunnel_link_new(struct tunnel *t, uint64_t now_ms, void (*replaced)(void *user), void *user,
		    struct tunnel_link **ret, struct error *err)
{
	struct tunnel_link *link = calloc(1, sizeof(*link));

	if (!link)
		return error_set(err, -ENOMEM, "no memory for a link");
	link->t = t;
	link->replaced = replaced;
	link->user = user;
	link->heard = t->now = now_ms;
	link->deadline = now_ms + (t->options.dialler ? DIAL_MS : PROOF_MS);
	handshake_start(link);
	*ret = link;
	return 0;
}

struct tunnel_link *tunnel_link_free(struct tunnel_link *link)
{
	if (!link)
		return NULL;
	if (link->t->link == link)
		link->t->link = NULL;
	free(link->payload);
	free(link);
	return NULL;
}

bool tunnel_link_is_up(const struct tunnel_link *link)
{
	return link->state == LINK_UP;
}

bool tunnel_link_is_proven(const struct tunnel_link *link)
{
	return link->proven;
}

bool link_control(struct tunnel_link *link, uint8_t type, uint32_t stream, const void *payload, size_t len)
{
	struct frame f = {.type = type, .stream = stream, .length = (uint32_t)len};
	uint8_t *p;

	if (link->control_taken == link->control_len)
		link->control_taken = link->control_len = 0;
	if (link->control_len + FRAME_HEADER + len > CONTROL_MAX)
		return false;
	p = link->control + link->control_len;
	frame_encode(&f, p);
	if (len)
		memcpy(p + FRAME_HEADER, payload, len);
	link->control_len += FRAME_HEADER + len;
	tunnel_trace(link->t, true, &f, payload);
	return true;
}

int link_fail(struct tunnel_link *link, int code, const char *bye, struct error *err, const char *fmt, ...)
{
	struct tunnel *t = link->t;
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	/* In the middle of a frame there is no place for another. */
	if (bye && (t->link != link || t->cursor_offset == 0)) {
		char json[64];
		int n = snprintf(json, sizeof(json), "{\"reason\":\"%s\"}", bye);

		link_control(link, FRAME_BYE, 0, json, (size_t)n);
	}
	link->state = LINK_CLOSED;
	if (t->link == link)
		t->link = NULL;
	return error_set(err, code, "%s", text);
}

int link_bye(struct tunnel_link *link, const uint8_t *payload, size_t len, struct error *err)
{
	char text[129];
	size_t n = len < sizeof(text) - 1 ? len : sizeof(text) - 1;

	for (size_t i = 0; i < n; i++)
		text[i] = payload[i] >= 0x20 && payload[i] < 0x7f ? (char)payload[i] : '?';
	text[n] = '\0';
	return link_fail(link, -ECONNRESET, NULL, err, "the other end closed the link: %s", text);
}

static int link_frame(struct tunnel_link *link, const struct frame *f, const uint8_t *payload, struct error *err)
{
	tunnel_trace(link->t, false, f, payload);
	if (link->state == LINK_UP)
		return receive_frame(link, f, payload, err);
	return handshake_frame(link, f, payload, err);
}

/* Reads a header: strangers may not even make us allocate for a frame that is not part of the handshake. */
static int link_header(struct tunnel_link *link, const uint8_t *header, struct error *err)
{
	const char *why;
	uint8_t type;

	if (frame_decode(header, &link->frame, &why) < 0)
		return link_fail(link, -EPROTO, "frame", err, "frame with a wrong %s", why);
	type = link->frame.type;
	if (link->state != LINK_UP && type != FRAME_HELLO && type != FRAME_PROOF && type != FRAME_BYE)
		return link_fail(link, -EPROTO, "handshake", err, "%s before the proof", frame_type_name(type));
	return 0;
}

/* Takes bytes of one frame; returns how many, or negative. */
static ssize_t link_read(struct tunnel_link *link, const uint8_t *data, size_t len, struct error *err)
{
	size_t used = 0, n;
	int r;

	if (link->header_len < FRAME_HEADER) {
		n = FRAME_HEADER - link->header_len;
		if (n > len)
			n = len;
		memcpy(link->header + link->header_len, data, n);
		link->header_len += n;
		used = n;
		if (link->header_len < FRAME_HEADER)
			return (ssize_t)used;
		r = link_header(link, link->header, err);
		if (r < 0)
			return r;
	}
	n = link->frame.length - link->payload_len;
	if (link->payload_len == 0 && len - used >= n) { /* whole: no copy */
		link->header_len = 0;
		r = link_frame(link, &link->frame, data + used, err);
		return r < 0 ? r : (ssize_t)(used + n);
	}
	if (!link->payload) {
		if (len == used)
			return (ssize_t)used;
		link->payload = malloc(link->frame.length);
		if (!link->payload)
			return link_fail(link, -ENOMEM, NULL, err, "no memory for a frame");
	}
	if (n > len - used)
		n = len - used;
	memcpy(link->payload + link->payload_len, data + used, n);
	link->payload_len += n;
	used += n;
	if (link->payload_len == link->frame.length) {
		_cleanup_free_ uint8_t *payload = TAKE_PTR(link->payload);

		link->payload_len = 0;
		link->header_len = 0;
		r = link_frame(link, &link->frame, payload, err);
		if (r < 0)
			return r;
	}
	return (ssize_t)used;
}

int tunnel_feed(struct tunnel_link *link, const uint8_t *data, size_t len, uint64_t now_ms, struct error *err)
{
	struct tunnel *t = link->t;

	t->now = now_ms;
	if (len > 0) {
		link->heard = now_ms;
		link->pinged = 0;
		t->stats.bytes_in += len;
	}
	while (len > 0) {
		ssize_t n;

		if (link->state == LINK_CLOSED)
			return error_set(err, -ESTALE, "the link is closed or replaced");
		n = link_read(link, data, len, err);
		if (n < 0)
			return (int)n;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

uint64_t tunnel_deadline(const struct tunnel_link *link)
{
	const struct tunnel *t = link->t;
	uint64_t at;

	if (link->state == LINK_CLOSED)
		return t->now;
	if (link->state != LINK_UP)
		return link->deadline;
	if (!node_empty(&t->blocked) && stream_memory_free(t))
		return t->now;
	at = link->pinged ? link->pinged + DEAD_MS : link->heard + IDLE_MS;
	return t->ack_deadline < at ? t->ack_deadline : at;
}

int tunnel_tick(struct tunnel_link *link, uint64_t now_ms, struct error *err)
{
	struct tunnel *t = link->t;

	t->now = now_ms;
	if (link->state == LINK_CLOSED)
		return error_set(err, -ESTALE, "the link is closed or replaced");
	if (link->state != LINK_UP) {
		if (now_ms < link->deadline)
			return 0;
		return link_fail(link, -ETIMEDOUT, "timeout", err, "no proof of the other end in time");
	}
	if (link->pinged && now_ms >= link->pinged + DEAD_MS)
		return link_fail(link, -ETIMEDOUT, NULL, err, "no byte for %u s", (IDLE_MS + DEAD_MS) / 1000);
	if (!link->pinged && now_ms >= link->heard + IDLE_MS) {
		link->pinged = now_ms;
		link_control(link, FRAME_PING, 0, NULL, 0);
	}
	stream_wake_blocked(t);
	return 0;
}
