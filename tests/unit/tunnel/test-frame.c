/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "base/cleanup.h"
#include "tunnel/proto/trace.h"

#include <errno.h>
#include <string.h>

static void test_layout(void **state)
{
	static const uint8_t want[FRAME_HEADER] = {0, 1, 0, 0, 18, 1, 0, 5, 0x80, 0, 0, 1, 0xff, 0xff, 0xff, 0xff};
	const struct frame f = {65536, FRAME_BODY, FRAME_FIN, 5, 0x80000001, UINT32_MAX};
	uint8_t header[FRAME_HEADER];
	const char *why = "";
	struct frame g;

	frame_encode(&f, header);
	assert_memory_equal(header, want, sizeof(want));
	assert_int_equal(frame_decode(header, &g, &why), 0);
	assert_memory_equal(&f, &g, sizeof(f));
}

static void test_what_no_sender_may_send(void **state)
{
	static const struct {
		struct frame f;
		const char *why;
	} cases[] = {
		{{65537, FRAME_BODY, 0, 0, 1, 1}, "length"},
		{{0, 0, 0, 0, 0, 0}, "type"},
		{{0, 8, 0, 0, 0, 0}, "type"},
		{{0, 21, 0, 0, 1, 1}, "type"},
		{{0, 255, 0, 0, 0, 0}, "type"},
		{{1, FRAME_BODY, 2, 0, 1, 1}, "flags"},
		{{4, FRAME_ACK, 1, 0, 0, 0}, "flags"},
		{{2, FRAME_TAIL, 0, 0, 1, 1}, "flags"},
		{{2, FRAME_RESET, 1, 0, 1, 1}, "flags"},
		{{2, FRAME_OPEN, 0, 1, 1, 1}, "channel"},
		{{2, FRAME_TAIL, 1, 1, 1, 1}, "channel"},
		{{2, FRAME_OPEN, 0, 0, 0, 1}, "stream"},
		{{4, FRAME_ACK, 0, 0, 1, 0}, "stream"},
		{{8, FRAME_CREDIT, 0, 0, 0, 0}, "stream"},
		{{4, FRAME_ACK, 0, 0, 0, 1}, "sequence"},
		{{3, FRAME_ACK, 0, 0, 0, 0}, "length"},
		{{5, FRAME_ACK, 0, 0, 0, 0}, "length"},
		{{95, FRAME_HELLO, 0, 0, 0, 0}, "length"},
		{{1025, FRAME_HELLO, 0, 0, 0, 0}, "length"},
		{{31, FRAME_PROOF, 0, 0, 0, 0}, "length"},
		{{65, FRAME_PING, 0, 0, 0, 0}, "length"},
		{{7, FRAME_CREDIT, 0, 0, 1, 0}, "length"},
		{{1, FRAME_OPEN, 0, 0, 1, 1}, "length"},
		{{16385, FRAME_TAIL, 1, 0, 1, 1}, "length"},
		{{16385, FRAME_RESET, 0, 0, 1, 1}, "length"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint8_t header[FRAME_HEADER];
		const char *why = "";
		struct frame f;

		frame_encode(&cases[i].f, header);
		assert_int_equal(frame_decode(header, &f, &why), -EPROTO);
		assert_string_equal(why, cases[i].why);
	}
}

static void test_shims_have_no_numbers(void **state)
{
	const struct frame f = {2, FRAME_OPEN, 0, 0, 1, 0};
	uint8_t header[FRAME_HEADER];
	const char *why = "";
	struct frame g;

	frame_encode(&f, header);
	assert_int_equal(frame_decode(header, &g, &why), 0);
	assert_true(frame_type_numbered(FRAME_OPEN) && !frame_type_numbered(FRAME_ACK) && !frame_type_numbered(99));
}

static void test_split_head(void **state)
{
	static uint8_t big[FRAME_PAYLOAD_MAX] = {0x40, 0x01};
	const char *head;
	const uint8_t *body;
	size_t head_len, body_len;

	assert_true(frame_split_head((const uint8_t *)"\0\2{}abc", 7, &head, &head_len, &body, &body_len));
	assert_int_equal(head_len, 2);
	assert_memory_equal(head, "{}", 2);
	assert_int_equal(body_len, 3);
	assert_memory_equal(body, "abc", 3);
	assert_true(frame_split_head((const uint8_t *)"\0\0", 2, &head, &head_len, &body, &body_len));
	assert_false(frame_split_head((const uint8_t *)"\0\3{}", 4, &head, &head_len, &body, &body_len));
	assert_false(frame_split_head((const uint8_t *)"\0", 1, &head, &head_len, &body, &body_len));
	assert_false(frame_split_head(big, sizeof(big), &head, &head_len, &body, &body_len)); /* 16,385 */
	big[1] = 0;
	assert_true(frame_split_head(big, sizeof(big), &head, &head_len, &body, &body_len));
}

static void test_trace_line(void **state)
{
	const struct frame f = {65536, FRAME_BODY, FRAME_FIN, 2, 7, UINT32_MAX};
	char line[TRACE_LINE_MAX] = "";
	struct trace_line l;

	size_t len = trace_format(line, 104233, true, "broker", &f);

	assert_int_equal(len, strlen(line));
	assert_string_equal(line, "104233 out broker BODY 1 2 7 4294967295 65536\n");
	assert_true(trace_parse(line, &l));
	assert_true(l.outgoing && l.ms == 104233);
	assert_string_equal(l.end, "broker");
	assert_memory_equal(&l.frame, &f, sizeof(f));
	assert_false(trace_parse("1 out broker WHAT 0 0 0 0 0", &l));
	assert_false(trace_parse("1 up broker BODY 0 0 0 0 0", &l));
	assert_false(trace_parse("1 out broker BODY 0 70000 0 0 0", &l));
	assert_false(trace_parse("", &l));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layout),
		cmocka_unit_test(test_what_no_sender_may_send),
		cmocka_unit_test(test_shims_have_no_numbers),
		cmocka_unit_test(test_split_head),
		cmocka_unit_test(test_trace_line),
	};

	return cmocka_run_group_tests_name("frame", tests, NULL, NULL);
}
