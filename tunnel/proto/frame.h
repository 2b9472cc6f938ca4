/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_TUNNEL_PROTO_FRAME_H
#define HAWSER_TUNNEL_PROTO_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The codec of PROTOCOL.md section 1; pure. */

enum {
	FRAME_HEADER = 16,
	FRAME_PAYLOAD_MAX = 65536,
	FRAME_HEAD_MAX = 16384, /* JSON of a head or tail */
	FRAME_FIN = 1,
};

enum frame_type {
	FRAME_HELLO = 1,
	FRAME_PROOF = 2,
	FRAME_ACK = 3,
	FRAME_CREDIT = 4,
	FRAME_PING = 5,
	FRAME_PONG = 6,
	FRAME_BYE = 7,
	FRAME_OPEN = 16,
	FRAME_HEAD = 17,
	FRAME_BODY = 18,
	FRAME_TAIL = 19,
	FRAME_RESET = 20,
};

/* Channels of a run stream, PROTOCOL.md section 6. */
enum {
	CHANNEL_MAIN = 0,
	CHANNEL_STDOUT = 1,
	CHANNEL_STDERR = 2,
	CHANNEL_LOG = 3,
	CHANNEL_PROGRESS = 4,
	CHANNEL_RESULT = 5,
	CHANNEL_DATA = 6
};

struct frame {
	uint32_t length;
	uint8_t type;
	uint8_t flags;
	uint16_t channel;
	uint32_t stream;
	uint32_t sequence;
};

void frame_encode(const struct frame *f, uint8_t header[FRAME_HEADER]);
/* 0, or -EPROTO with *ret_why naming the field that no sender may send. A numbered type with sequence 0 passes: that is
 * what a shim sends. */
int frame_decode(const uint8_t header[FRAME_HEADER], struct frame *ret, const char **ret_why);
/* "?" for a type that is none. */
const char *frame_type_name(uint8_t type);
/* Types that carry a sequence number on a tunnel. */
bool frame_type_numbered(uint8_t type);

/* Splits the payload of OPEN and HEAD into head and body. false: the head's length does not fit or is over the maximum.
 */
bool frame_split_head(const uint8_t *payload, size_t len, const char **ret_head, size_t *ret_head_len,
		      const uint8_t **ret_body, size_t *ret_body_len);

#endif
