/* SPDX-License-Identifier: Apache-2.0 */
/* Lines that wait at the MCP door: found by their ids, bounded in number and bytes. */
#include "tests/unit/unit.h"

#include "broker/doors/mcp/parked.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool add(struct parked *p, const char *id, const char *line)
{
	return parked_add(p, span_of(id, strlen(id)), span_of(line, strlen(line)));
}

static bool take_out(struct parked *p, const char *id)
{
	return parked_remove(p, span_of(id, strlen(id)));
}

static void test_order_and_ids(void **state)
{
	struct parked p = {0};

	(void)state;
	assert_true(add(&p, "1", "one") && add(&p, "\"1\"", "two") && add(&p, "12", "three") && add(&p, "1", "four"));
	assert_false(take_out(&p, "2"));
	assert_true(take_out(&p, "\"1\"") && take_out(&p, "1")); /* the oldest of its id */
	assert_int_equal(p.count, 2);
	assert_int_equal(p.bytes, strlen("threefour"));
	assert_string_equal(p.lines[0].text, "three");
	assert_string_equal(p.lines[1].text, "four");
	parked_done(&p);
	assert_int_equal(p.count + p.bytes, 0);
}

/* A line that was parked is no JSON any more: whoever looked into it for its id would not find it. */
static void test_a_cancel_reads_no_line(void **state)
{
	struct parked p = {0};

	(void)state;
	assert_true(add(&p, "7", "{\"id\":7}"));
	memset(p.lines[0].text, '?', p.lines[0].len);
	assert_true(take_out(&p, "7"));
	parked_done(&p);
}

static void test_number(void **state)
{
	struct parked p = {0};
	char id[16];

	(void)state;
	for (int i = 0; i < PARKED_LINES_MAX; i++) {
		snprintf(id, sizeof(id), "%d", i);
		assert_true(add(&p, id, "x"));
	}
	assert_false(add(&p, "more", "x"));
	assert_true(take_out(&p, "0") && add(&p, "more", "x"));
	parked_done(&p);
}

static void test_bytes(void **state)
{
	struct parked p = {0};
	size_t most = PARKED_BYTES_MAX;
	char *text = malloc(most + 1);

	(void)state;
	assert_non_null(text);
	memset(text, 'x', most + 1);
	assert_false(parked_add(&p, SPAN_LIT("1"), span_of(text, most + 1)));
	assert_true(parked_add(&p, SPAN_LIT("2"), span_of(text, most - 3)));
	assert_false(add(&p, "3", "four"));
	assert_true(add(&p, "4", "six"));
	assert_int_equal(p.bytes, most);
	assert_true(take_out(&p, "2"));
	assert_int_equal(p.bytes, 3);
	parked_done(&p);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order_and_ids),
		cmocka_unit_test(test_a_cancel_reads_no_line),
		cmocka_unit_test(test_number),
		cmocka_unit_test(test_bytes),
	};

	return cmocka_run_group_tests_name("parked", tests, NULL, NULL);
}
