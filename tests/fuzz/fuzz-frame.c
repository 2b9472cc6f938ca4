/* SPDX-License-Identifier: Apache-2.0 */
/* A header that decodes encodes to the same bytes; a head lies within its payload. */
#include "tests/fuzz/fuzz.h"

#include "tunnel/proto/frame.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *why = NULL, *head;
	const uint8_t *body;
	size_t head_len, body_len;
	uint8_t again[FRAME_HEADER];
	struct frame f;

	if (size < FRAME_HEADER)
		return 0;
	if (frame_decode(data, &f, &why) < 0) {
		FUZZ_CHECK(why);
		return 0;
	}
	FUZZ_CHECK(f.length <= FRAME_PAYLOAD_MAX);
	FUZZ_CHECK(strcmp(frame_type_name(f.type), "?") != 0);
	frame_encode(&f, again);
	FUZZ_CHECK(memcmp(data, again, FRAME_HEADER) == 0);
	data += FRAME_HEADER;
	size -= FRAME_HEADER;
	if (frame_split_head(data, size, &head, &head_len, &body, &body_len)) {
		FUZZ_CHECK(head_len <= FRAME_HEAD_MAX && head_len + body_len + 2 == size);
		FUZZ_CHECK((const uint8_t *)head == data + 2 && body + body_len == data + size);
	}
	return 0;
}
