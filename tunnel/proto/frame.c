/* SPDX-License-Identifier: Apache-2.0 */
/* The codec is a table of what each type may carry; everything that depends on a conversation is checked elsewhere. */
#include "tunnel/proto/frame.h"

#include "base/cleanup.h"

#include <errno.h>

enum {
	TYPE_KNOWN = 1,
	TYPE_NUMBERED = 2, /* may carry a sequence number (a shim's frames have 0 there) */
	TYPE_STREAM = 4, /* belongs to a stream */
	TYPE_FIN = 8, /* may carry FIN */
	TYPE_MUST_FIN = 16,
};

static const struct {
	const char *name;
	uint8_t traits;
	uint32_t least, most; /* payload */
} types[] = {
	[FRAME_HELLO] = {"HELLO", TYPE_KNOWN, 96, 1024},
	[FRAME_PROOF] = {"PROOF", TYPE_KNOWN, 32, 32},
	[FRAME_ACK] = {"ACK", TYPE_KNOWN, 4, 4},
	[FRAME_CREDIT] = {"CREDIT", TYPE_KNOWN | TYPE_STREAM, 8, 8},
	[FRAME_PING] = {"PING", TYPE_KNOWN, 0, 64},
	[FRAME_PONG] = {"PONG", TYPE_KNOWN, 0, 64},
	[FRAME_BYE] = {"BYE", TYPE_KNOWN, 0, 1024},
	[FRAME_OPEN] = {"OPEN", TYPE_KNOWN | TYPE_NUMBERED | TYPE_STREAM | TYPE_FIN, 2, FRAME_PAYLOAD_MAX},
	[FRAME_HEAD] = {"HEAD", TYPE_KNOWN | TYPE_NUMBERED | TYPE_STREAM | TYPE_FIN, 2, FRAME_PAYLOAD_MAX},
	[FRAME_BODY] = {"BODY", TYPE_KNOWN | TYPE_NUMBERED | TYPE_STREAM | TYPE_FIN, 0, FRAME_PAYLOAD_MAX},
	[FRAME_TAIL] = {"TAIL", TYPE_KNOWN | TYPE_NUMBERED | TYPE_STREAM | TYPE_FIN | TYPE_MUST_FIN, 0, FRAME_HEAD_MAX},
	[FRAME_RESET] = {"RESET", TYPE_KNOWN | TYPE_NUMBERED | TYPE_STREAM, 0, FRAME_HEAD_MAX},
};

static void put(uint8_t *p, uint32_t v, size_t bytes)
{
	while (bytes-- > 0) {
		p[bytes] = (uint8_t)v;
		v >>= 8;
	}
}

static uint32_t get(const uint8_t *p, size_t bytes)
{
	uint32_t v = 0;

	for (size_t i = 0; i < bytes; i++)
		v = v << 8 | p[i];
	return v;
}

static unsigned type_traits(uint8_t type)
{
	return type < ARRAY_SIZE(types) ? types[type].traits : 0;
}

void frame_encode(const struct frame *f, uint8_t header[FRAME_HEADER])
{
	put(header, f->length, 4);
	header[4] = f->type;
	header[5] = f->flags;
	put(header + 6, f->channel, 2);
	put(header + 8, f->stream, 4);
	put(header + 12, f->sequence, 4);
}

static const char *frame_fault(const struct frame *f)
{
	unsigned traits = type_traits(f->type);

	if (!(traits & TYPE_KNOWN))
		return "type";
	if (f->length < types[f->type].least || f->length > types[f->type].most)
		return "length";
	if ((f->flags & ~FRAME_FIN) || ((f->flags & FRAME_FIN) && !(traits & TYPE_FIN)) ||
	    (!(f->flags & FRAME_FIN) && (traits & TYPE_MUST_FIN)))
		return "flags";
	if (f->channel && f->type != FRAME_BODY)
		return "channel";
	if (!f->stream == !!(traits & TYPE_STREAM))
		return "stream";
	if (f->sequence && !(traits & TYPE_NUMBERED))
		return "sequence";
	return NULL;
}

int frame_decode(const uint8_t header[FRAME_HEADER], struct frame *ret, const char **ret_why)
{
	struct frame f = {
		.length = get(header, 4),
		.type = header[4],
		.flags = header[5],
		.channel = (uint16_t)get(header + 6, 2),
		.stream = get(header + 8, 4),
		.sequence = get(header + 12, 4),
	};
	const char *fault = frame_fault(&f);

	if (fault) {
		*ret_why = fault;
		return -EPROTO;
	}
	*ret = f;
	return 0;
}

const char *frame_type_name(uint8_t type)
{
	return type_traits(type) & TYPE_KNOWN ? types[type].name : "?";
}

bool frame_type_numbered(uint8_t type)
{
	return type_traits(type) & TYPE_NUMBERED;
}

bool frame_split_head(const uint8_t *payload, size_t len, const char **ret_head, size_t *ret_head_len,
		      const uint8_t **ret_body, size_t *ret_body_len)
{
	size_t n;

	if (len < 2)
		return false;
	n = get(payload, 2);
	if (n > FRAME_HEAD_MAX || n > len - 2)
		return false;
	*ret_head = (const char *)payload + 2;
	*ret_head_len = n;
	*ret_body = payload + 2 + n;
	*ret_body_len = len - 2 - n;
	return true;
}
