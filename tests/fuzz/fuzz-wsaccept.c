/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's acceptor: an upgrade request, and the frames behind it; however the bytes are split, the outcome is one.
 */
#include "tests/fuzz/fuzz.h"

#include "tunnel/guest/wsaccept.h"

#include <string.h>

struct outcome {
	uint64_t bytes, sum;
	int r;
	size_t control;
};

static int on_give(void *to, const uint8_t *bytes, size_t len, struct error *err)
{
	struct outcome *o = to;

	(void)err;
	for (size_t i = 0; i < len; i++)
		o->sum = o->sum * 31 + bytes[i];
	o->bytes += len;
	return 0;
}

static struct outcome frames(const uint8_t *data, size_t size, size_t piece)
{
	struct outcome o = {0};
	struct stream_framing *framing = wsframing_new();
	struct buf control = BUF_INIT(65536);
	struct error err = ERROR_INIT;

	for (size_t at = 0; o.r == 0 && at < size; at += piece) {
		size_t n = size - at < piece ? size - at : piece;
		uint8_t *copy = malloc(n);

		memcpy(copy, data + at, n);
		o.r = framing->in(framing, copy, n, on_give, &o, &control, &err);
		free(copy);
	}
	FUZZ_CHECK(o.bytes <= size && (o.r == 0) == (err.code == 0));
	o.control = control.len;
	error_done(&err);
	buf_done(&control);
	framing->free(framing);
	return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wsrequest request;
	enum wsrequest_verdict v = wsrequest_read((const char *)data, size, &request);
	struct outcome whole, split;

	if (v == WSREQUEST_ACCEPT)
		FUZZ_CHECK(request.length <= size && request.length <= WSREQUEST_MAX && strlen(request.accept) == 28);
	if (v == WSREQUEST_REFUSE)
		FUZZ_CHECK(request.status && request.text);
	if (v == WSREQUEST_MORE)
		FUZZ_CHECK(size < WSREQUEST_MAX);
	if (v == WSREQUEST_ACCEPT) {
		data += request.length;
		size -= request.length;
	}
	whole = frames(data, size, size + 1);
	split = frames(data, size, 1);
	FUZZ_CHECK(whole.bytes == split.bytes && whole.sum == split.sum && whole.r == split.r &&
		   whole.control == split.control);
	return 0;
}
