/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_TUNNEL_CARRIER_STREAM_H
#define HAWSER_TUNNEL_CARRIER_STREAM_H

#include "base/buf.h"
#include "tunnel/carrier/carrier.h"

/*
 * The byte-stream carrier with what an acceptor needs beside carrier_stream_new(): bytes that were read before the link
 * was one, and a framing around the tunnel's bytes (WebSocket messages).
 */
enum {
	STREAM_READ = 128 * 1024, /* one read */
	STREAM_WRITE = 256 * 1024, /* one writev; below the 1 MiB of a WebSocket message */
	STREAM_FRAMING_HEADER_MAX = 16,
};

typedef int stream_give_fn(void *to, const uint8_t *bytes, size_t len, struct error *err);

struct stream_framing {
	/* Takes raw bytes (may be changed in place) and gives the payload on; what must be written in answer is
	 * appended to control. Negative: close the link; control is written first as far as it goes. */
	int (*in)(struct stream_framing *framing, uint8_t *bytes, size_t len, stream_give_fn *give, void *to,
		  struct buf *control, struct error *err);
	/* The header of a message of len bytes into header; returns its size. */
	size_t (*header)(struct stream_framing *framing, size_t len, uint8_t header[STREAM_FRAMING_HEADER_MAX]);
	struct stream_framing *(*free)(struct stream_framing *framing);
};

struct stream_options {
	int read_fd, write_fd; /* consumed, also on failure */
	struct stream_framing *framing; /* consumed, also on failure; NULL: the bytes are the frames */
	const uint8_t *early; /* raw bytes that were read before; fed on the next turn */
	size_t early_len; /* at most STREAM_READ */
};

int stream_carrier_new(struct loop *loop, struct tunnel *tunnel, const struct stream_options *options,
		       const struct carrier_events *events, void *user, struct carrier **ret,
		       struct error *err) _must_check_;

#endif
