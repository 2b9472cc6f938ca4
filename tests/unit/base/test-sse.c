/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "base/sse.h"

#include <stdio.h>
#include <string.h>

enum { DATA_MAX = 64 };

/* All events as "type|data|id;", with "!" at one that is too large, in pieces of so many bytes. */
static void render(const char *text, size_t len, size_t piece, char *out, struct sse *s)
{
	enum sse_result r = SSE_MORE;

	*out = '\0';
	sse_init(s, DATA_MAX);
	for (size_t at = 0; at < len && r != SSE_TOO_LARGE; at += piece) {
		size_t end = len - at < piece ? len : at + piece, used, from = at;

		while (r != SSE_TOO_LARGE) {
			r = sse_read(s, (const uint8_t *)text + from, end - from, &used);
			from += used;
			if (r == SSE_MORE)
				break;
			if (r == SSE_EVENT)
				out += sprintf(out, "%s|%.*s|%s;", s->type, (int)s->data.len,
					       s->data.len ? (const char *)buf_head(&s->data) : "", s->id);
			else
				out += sprintf(out, "!");
		}
		assert_true(r == SSE_TOO_LARGE || from == end);
	}
}

static void test_streams(void **state)
{
	static const struct {
		const char *text, *events;
	} rows[] = {
		{"data: a\n\n", "|a|;"},
		{"data: a\r\n\r\n", "|a|;"},
		{"data: a\r\r", "|a|;"},
		{"data:a\n\n", "|a|;"},
		{"data:  a\n\n", "| a|;"},
		{"data\n\n", "||;"},
		{"data:\n\n", "||;"},
		{"data: a\ndata: b\n\n", "|a\nb|;"},
		{"data: a\ndata\ndata: b\n\n", "|a\n\nb|;"},
		{"data: a\n", ""}, /* never finished */
		{"data: a\n\ndata: b\n\n", "|a|;|b|;"},
		{": comment\n\n:\ndata: a\n:data: x\n\n", "|a|;"},
		{"\xef\xbb\xbf"
		 "data: a\n\n",
		 "|a|;"},
		{"\xef\xbb"
		 "data: a\n\ndata: b\n\n",
		 "|b|;"},
		{"data: a\n\n\xef\xbb\xbf"
		 "data: b\n\n",
		 "|a|;"}, /* only the first one is a mark */
		{"event: ping\ndata: a\n\ndata: b\n\n", "ping|a|;|b|;"},
		{"event: ping\n\ndata: b\n\n", "|b|;"},
		{"id: 1\ndata: a\n\ndata: b\n\n", "|a|1;|b|1;"},
		{"id: 1\n\ndata: a\n\n", "|a|1;"},
		{"id: 1\ndata: a\n\nid\ndata: b\n\n", "|a|1;|b|;"},
		{"id: 1\ndata: a\n\nid: 2\n", "|a|1;"},
		{"dat: a\ndatas: b\nDATA: c\n data: d\ndata: e\n\n", "|e|;"},
		{"retry: 10\nretry: x\nretry:\nretry: -1\ndata: a\n\n", "|a|;"},
		{"data: \xc3\xbc\xe2\x82\xac\n\n", "|\xc3\xbc\xe2\x82\xac|;"},
		{"data: 0123456789012345678901234567890123456789012345678901234567890123\n\n",
		 "|0123456789012345678901234567890123456789012345678901234567890123|;"},
		{"data: 01234567890123456789012345678901234567890123456789012345678901234\n\n", "!"},
		{"data: 012345678901234567890123456789\ndata: 012345678901234567890123456789\ndata: 01234\n\n", "!"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		for (size_t piece = 1; piece < 20; piece++) {
			char events[1024];
			struct sse s;

			render(rows[i].text, strlen(rows[i].text), piece, events, &s);
			assert_string_equal(events, rows[i].events);
			assert_int_equal(s.retry_ms, strstr(rows[i].text, "retry: 10") ? 10 : -1);
			sse_done(&s);
		}
}

static void test_ids_that_are_none(void **state)
{
	static char text[SSE_ID_MAX + 64];
	char events[2 * SSE_ID_MAX];
	struct sse s;

	(void)state;
	render("id: a\0b\ndata: x\n\n", 17, 3, events, &s);
	assert_string_equal(events, "|x|;");
	sse_done(&s);
	memset(text, 'i', sizeof(text));
	memcpy(text, "id: ", 4);
	strcpy(text + 4 + SSE_ID_MAX, "\ndata: x\n\n");
	render(text, strlen(text), 100, events, &s);
	assert_int_equal(strlen(s.id), SSE_ID_MAX);
	sse_done(&s);
	strcpy(text + 4 + SSE_ID_MAX, "i\ndata: x\n\n");
	render(text, strlen(text), 100, events, &s);
	assert_string_equal(events, "|x|;");
	sse_done(&s);
}

static void test_a_new_connection_keeps_id_and_retry(void **state)
{
	const char *text = "id: 7\nretry: 5\ndata: a\n\nid: 8\ndata: cut off";
	char events[64];
	struct sse s;
	size_t used;

	(void)state;
	render(text, strlen(text), 5, events, &s);
	sse_restart(&s);
	assert_int_equal(sse_read(&s, (const uint8_t *)"data: b\n\n", 9, &used), SSE_EVENT);
	assert_int_equal(s.data.len, 1);
	assert_string_equal(s.id, "7"); /* that of the last whole event */
	assert_int_equal(s.retry_ms, 5);
	sse_done(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_streams),
		cmocka_unit_test(test_ids_that_are_none),
		cmocka_unit_test(test_a_new_connection_keeps_id_and_retry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
