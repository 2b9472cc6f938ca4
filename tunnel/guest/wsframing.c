/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames of a WebSocket, server's side (RFC 6455 section 5). Payload is unmasked where it lies and given on as it
 * comes: a message need not be whole, as the tunnel's frames carry their own lengths; its size is counted all the same.
 */
#include "tunnel/guest/wsaccept.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { OP_CONTINUATION = 0, OP_TEXT = 1, OP_BINARY = 2, OP_CLOSE = 8, OP_PING = 9, OP_PONG = 10 };
enum { WS_MESSAGE_MAX = 1 << 20, WS_CONTROL_MAX = 125, WS_HEADER_MAX = 14, WS_FIN = 0x80, WS_MASKED = 0x80 };

struct wsframing {
	struct stream_framing base;
	uint8_t header[WS_HEADER_MAX];
	size_t header_len;
	uint64_t left; /* payload of the present frame that is still to come */
	uint8_t mask[4];
	size_t mask_at;
	bool in_payload, in_message;
	uint8_t opcode;
	uint64_t message; /* bytes of the message so far */
	uint8_t control[WS_CONTROL_MAX];
	size_t control_len;
};

static size_t ws_header_size(const struct wsframing *w)
{
	uint8_t len;

	if (w->header_len < 2)
		return 2;
	len = w->header[1] & 0x7f;
	return 2 + (len == 126 ? 2u : len == 127 ? 8u : 0u) + 4;
}

static uint64_t ws_length(const struct wsframing *w)
{
	size_t extra = (w->header[1] & 0x7f) == 126 ? 2 : (w->header[1] & 0x7f) == 127 ? 8 : 0;
	uint64_t n = 0;

	if (extra == 0)
		return w->header[1] & 0x7f;
	for (size_t i = 0; i < extra; i++)
		n = n << 8 | w->header[2 + i];
	return n;
}

static int ws_queue(struct buf *control, uint8_t opcode, const uint8_t *payload, size_t len)
{
	const uint8_t header[2] = {(uint8_t)(WS_FIN | opcode), (uint8_t)len};
	int r = buf_append(control, header, sizeof(header));

	return r == 0 ? buf_append(control, payload, len) : r;
}

/* Says why, and ends the link. */
static int ws_fail(struct buf *control, uint16_t code, struct error *err, const char *text)
{
	const uint8_t payload[2] = {(uint8_t)(code >> 8), (uint8_t)code};

	(void)!ws_queue(control, OP_CLOSE, payload, sizeof(payload));
	return error_set(err, -EPROTO, "WebSocket: %s", text);
}

/* The header is whole. */
static int ws_begin(struct wsframing *w, struct buf *control, struct error *err)
{
	bool fin = w->header[0] & WS_FIN;
	uint64_t len = ws_length(w);

	w->opcode = w->header[0] & 0x0f;
	if (w->header[0] & 0x70)
		return ws_fail(control, 1002, err, "reserved bits are set");
	if (w->opcode >= OP_CLOSE) {
		if (len > WS_CONTROL_MAX || !fin || w->opcode > OP_PONG)
			return ws_fail(control, 1002, err, "a control frame is malformed");
		w->control_len = 0;
	} else {
		if (w->opcode != (w->in_message ? OP_CONTINUATION : OP_BINARY))
			return ws_fail(control, w->opcode == OP_TEXT ? 1003 : 1002, err,
				       "only binary messages and their continuations are understood");
		if (!w->in_message)
			w->message = 0;
		if (len > WS_MESSAGE_MAX - w->message)
			return ws_fail(control, 1009, err, "a message is over 1 MiB");
		w->message += len;
		w->in_message = !fin;
	}
	w->left = len;
	memcpy(w->mask, w->header + ws_header_size(w) - 4, 4);
	w->mask_at = 0;
	w->in_payload = true;
	w->header_len = 0;
	return 0;
}

static void ws_unmask(struct wsframing *w, uint8_t *p, size_t n)
{
	uint8_t turned[8];
	uint64_t mask;
	size_t i = 0;

	for (size_t k = 0; k < 8; k++)
		turned[k] = w->mask[(w->mask_at + k) & 3];
	memcpy(&mask, turned, sizeof(mask));
	for (; i + 8 <= n; i += 8) {
		uint64_t word;

		memcpy(&word, p + i, sizeof(word));
		word ^= mask;
		memcpy(p + i, &word, sizeof(word));
	}
	for (; i < n; i++)
		p[i] ^= turned[i & 7];
	w->mask_at = (w->mask_at + n) & 3;
}

/* A control frame is whole. */
static int ws_control(struct wsframing *w, struct buf *control, struct error *err)
{
	if (w->opcode == OP_PING)
		return ws_queue(control, OP_PONG, w->control, w->control_len) < 0
			       ? error_set(err, -ENOBUFS, "WebSocket: pings come faster than they can be answered")
			       : 0;
	if (w->opcode == OP_PONG)
		return 0;
	(void)!ws_queue(control, OP_CLOSE, w->control, w->control_len < 2 ? 0 : 2);
	return error_set(err, -ECONNRESET, "the other end closed the WebSocket");
}

static int ws_payload(struct wsframing *w, uint8_t *p, size_t n, stream_give_fn *give, void *to, struct buf *control,
		      struct error *err)
{
	int r = 0;

	ws_unmask(w, p, n);
	w->left -= n;
	if (w->opcode < OP_CLOSE) {
		r = n > 0 ? give(to, p, n, err) : 0;
	} else {
		memcpy(w->control + w->control_len, p, n);
		w->control_len += n;
	}
	if (r == 0 && w->left == 0) {
		w->in_payload = false;
		if (w->opcode >= OP_CLOSE)
			r = ws_control(w, control, err);
	}
	return r;
}

static int ws_in(struct stream_framing *framing, uint8_t *bytes, size_t len, stream_give_fn *give, void *to,
		 struct buf *control, struct error *err)
{
	struct wsframing *w = (struct wsframing *)framing;
	size_t at = 0;
	int r = 0;

	while (r == 0 && (at < len || (w->in_payload && w->left == 0))) {
		if (w->in_payload) {
			size_t n = w->left < len - at ? (size_t)w->left : len - at;

			r = ws_payload(w, bytes + at, n, give, to, control, err);
			at += n;
			continue;
		}
		w->header[w->header_len++] = bytes[at++];
		if (w->header_len == 2 && !(w->header[1] & WS_MASKED))
			return ws_fail(control, 1002, err, "a client's frame is not masked");
		if (w->header_len >= 2 && w->header_len == ws_header_size(w))
			r = ws_begin(w, control, err);
	}
	return r;
}

static size_t ws_header(struct stream_framing *framing, size_t len, uint8_t header[STREAM_FRAMING_HEADER_MAX])
{
	(void)framing;
	header[0] = WS_FIN | OP_BINARY;
	if (len < 126) {
		header[1] = (uint8_t)len;
		return 2;
	}
	if (len < 65536) {
		header[1] = 126;
		header[2] = (uint8_t)(len >> 8);
		header[3] = (uint8_t)len;
		return 4;
	}
	header[1] = 127;
	for (size_t i = 0; i < 8; i++)
		header[2 + i] = (uint8_t)((uint64_t)len >> (56 - 8 * i));
	return 10;
}

static struct stream_framing *ws_free(struct stream_framing *framing)
{
	free(framing);
	return NULL;
}

struct stream_framing *wsframing_new(void)
{
	struct wsframing *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->base.in = ws_in;
	w->base.header = ws_header;
	w->base.free = ws_free;
	return &w->base;
}
