/* SPDX-License-Identifier: Apache-2.0 */
/* Server-sent events: however the bytes are split, the events are the same; and the places that a server names. */
#include "tests/fuzz/fuzz.h"

#include "base/http-url.h"
#include "base/sse.h"

#include <string.h>

enum { DATA_MAX = 4096 };

struct outcome {
	uint64_t events, sum;
	int64_t retry_ms;
	bool too_large;
};

static void add(struct outcome *o, const void *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		o->sum = o->sum * 31 + ((const uint8_t *)bytes)[i];
	o->sum = o->sum * 31 + 257;
}

static void take(struct outcome *o, const struct sse *s)
{
	FUZZ_CHECK(s->data.len <= DATA_MAX && strlen(s->id) <= SSE_ID_MAX && strlen(s->type) <= SSE_ID_MAX);
	o->events++;
	add(o, buf_head(&s->data), s->data.len);
	add(o, s->type, strlen(s->type));
	add(o, s->id, strlen(s->id));
}

static struct outcome read_all(const uint8_t *data, size_t size, size_t piece)
{
	struct outcome o = {0};
	struct sse s;

	sse_init(&s, DATA_MAX);
	for (size_t at = 0; at < size && !o.too_large; at += piece) {
		size_t n = size - at < piece ? size - at : piece, from = 0, used = 0;
		uint8_t *copy = malloc(n);
		enum sse_result r;

		memcpy(copy, data + at, n);
		while ((r = sse_read(&s, copy + from, n - from, &used)) == SSE_EVENT) {
			FUZZ_CHECK(used > 0);
			from += used;
			take(&o, &s);
		}
		FUZZ_CHECK(r == SSE_TOO_LARGE || from + used == n);
		o.too_large = r == SSE_TOO_LARGE;
		free(copy);
	}
	o.retry_ms = s.retry_ms;
	add(&o, s.id, strlen(s.id));
	sse_done(&s);
	return o;
}

static void join(const uint8_t *data, size_t size)
{
	char *ref = strndup((const char *)data, size), *url = NULL;
	struct error err = ERROR_INIT;

	if (http_url_join("https://host.test:8443/a/b?c", ref, &url, &err) == 0) {
		struct error none = ERROR_INIT;

		FUZZ_CHECK(http_url_check(url, &none) == 0 && !strchr(url, '#'));
		/* what is not absolute stays here, unless it names a host with // */
		FUZZ_CHECK(strncasecmp(ref, "http", 4) == 0 || strncmp(ref, "//", 2) == 0 ||
			   http_url_same_origin("https://host.test:8443/", url));
	}
	error_done(&err);
	free(url);
	free(ref);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct outcome whole = read_all(data, size, size + 1), one = read_all(data, size, 1),
		       three = read_all(data, size, 3);

	FUZZ_CHECK(whole.events == one.events && whole.sum == one.sum && whole.too_large == one.too_large &&
		   whole.retry_ms == one.retry_ms);
	FUZZ_CHECK(whole.events == three.events && whole.sum == three.sum);
	join(data, size);
	return 0;
}
