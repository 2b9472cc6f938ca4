/* SPDX-License-Identifier: Apache-2.0 */
#include "base/visible.h"

#include "base/utf8.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Each alone between two letters: nothing that is blank or not there at all is put through as it is. */
static void test_unseen(void **state)
{
	static const uint32_t unseen[] = {0x00a0,  0x00ad,  0x034f,  0x061c,  0x115f, 0x1160, 0x1680, 0x17b5,  0x180b,
					  0x180e,  0x2000,  0x2003,  0x200a,  0x200b, 0x200d, 0x200e, 0x2028,  0x202a,
					  0x202e,  0x202f,  0x205f,  0x2060,  0x2064, 0x2066, 0x2069, 0x206f,  0x2800,
					  0x3000,  0x3164,  0xfe00,  0xfe0f,  0xfeff, 0xffa0, 0xfff9, 0x1d159, 0x1d173,
					  0xe0001, 0xe0041, 0xe007f, 0xe0100, 0xe01ef};
	static const uint32_t seen[] = {' ', 'a', 0xa1, 0xe9, 0x4e2d, 0x2801, 0x3001, 0x2010, 0x1f6a2};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(unseen) + ARRAY_SIZE(seen); i++) {
		bool is_seen = i >= ARRAY_SIZE(unseen);
		uint32_t c = is_seen ? seen[i - ARRAY_SIZE(unseen)] : unseen[i];
		struct buf out = BUF_INIT(64);
		char text[8] = "x", wanted[32];
		size_t n = 1 + utf8_put(text + 1, c);

		text[n++] = 'y';
		assert_int_equal(visible_put(&out, text, n), 0);
		snprintf(wanted, sizeof(wanted), c > 0xffff ? "x\\U%08xy" : "x\\u%04xy", c);
		if (is_seen)
			snprintf(wanted, sizeof(wanted), "%.*s", (int)n, text);
		assert_int_equal(out.len, strlen(wanted));
		assert_memory_equal(buf_head(&out), wanted, out.len);
		buf_done(&out);
	}
}

/* Bytes that are no UTF-8 never get here as such; they are shown all the same. */
static void test_bytes(void **state)
{
	struct buf out = BUF_INIT(1024);

	(void)state;
	assert_int_equal(visible_put(&out, "a\xff\xc3", 3), 0);
	assert_int_equal(buf_append(&out, "", 1), 0);
	assert_string_equal((const char *)buf_head(&out), "a\\ufffd\\ufffd");
	buf_done(&out);
}

static void test_copies(void **state)
{
	static const char text[] = "a\tb\nc\xe2\x80\xa8\x1b";
	char *lines = visible_text(text, false), *line = visible_text(text, true);

	(void)state;
	assert_string_equal(lines, "a\tb\nc\\u2028\\u001b");
	assert_string_equal(line, "a\\u0009b\\u000ac\\u2028\\u001b");
	free(lines);
	free(line);
}

/* A Cyrillic letter that looks like one of ASCII. */
static void test_names(void **state)
{
	struct buf out = BUF_INIT(64);

	(void)state;
	assert_int_equal(visible_put_ascii(&out, "fil\xd0\xb5s.\xf0\x9f\x9a\xa2", 11), 0);
	assert_int_equal(buf_append(&out, "", 1), 0);
	assert_string_equal((const char *)buf_head(&out), "fil\\u0435s.\\U0001f6a2");
	buf_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unseen),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_copies),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests_name("visible", tests, NULL, NULL);
}
