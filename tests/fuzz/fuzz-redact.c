/* SPDX-License-Identifier: Apache-2.0 */
/* Input: a secret, 0xff, a text. In pieces or whole, the result is the same, and the secret is not in it. */
#include "tests/fuzz/fuzz.h"

#include "policy/redact/redact.h"

#include <string.h>

static void feed(struct redact_stream *s, const uint8_t *text, size_t len, size_t piece, struct buf *out)
{
	for (size_t at = 0; at < len; at += piece)
		FUZZ_CHECK(redact_stream_feed(s, text + at, len - at < piece ? len - at : piece, out) == 0);
	FUZZ_CHECK(redact_stream_end(s, out) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_buf_ struct buf whole = BUF_INIT(1 << 22), pieces = BUF_INIT(1 << 22);
	const uint8_t *text = size ? memchr(data, 0xff, size) : NULL;
	struct redact_secret secret = {.name = "S", .value = (const char *)data};
	struct redact *r = NULL;
	struct redact_stream *s;
	size_t len;

	if (!text || size > 1 << 16)
		return 0;
	secret.len = (size_t)(text++ - data);
	len = size - (size_t)(text - data);
	if (redact_new(&secret, 1, &r, &err) < 0)
		return 0;
	s = redact_stream_new(r);
	feed(s, text, len, 1 + secret.len % 7, &pieces);
	FUZZ_CHECK(buf_append(&whole, text, len) == 0);
	redact_buf(r, &whole);
	FUZZ_CHECK(whole.len == pieces.len);
	FUZZ_CHECK(whole.len == 0 || memcmp(buf_head(&whole), buf_head(&pieces), whole.len) == 0);
	/* A replacement can complete a secret that contains its own brackets; others must be gone. */
	if (secret.len >= REDACT_SECRET_MIN && whole.len && !memchr(data, '[', secret.len) &&
	    !memchr(data, ']', secret.len))
		FUZZ_CHECK(!memmem(buf_head(&whole), whole.len, data, secret.len) ||
			   memmem("redacted:S", 10, data, secret.len));
	redact_stream_free(s);
	redact_unref(r);
	return 0;
}
