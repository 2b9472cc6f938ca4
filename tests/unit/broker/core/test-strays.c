/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "broker/core/strays.h"

static void test_whose(void **state)
{
	struct strays s = {0};

	(void)state;
	assert_false(strays_of_others(&s, "me", 1, 1000));
	strays_add(&s, "me", 1, 1000);
	assert_false(strays_of_others(&s, "me", 1, 1000));
	assert_true(strays_of_others(&s, "me", 2, 1000));
	assert_true(strays_of_others(&s, "you", 1, 1000));
	assert_false(strays_of_others(&s, "you", 1, 1000 + STRAYS_MS));
	strays_add(&s, "you", 1, 2000);
	assert_true(strays_of_others(&s, "you", 1, 2000)); /* mine may go on, too */
	strays_add(&s, "you", 1, 2000 + STRAYS_MS);
	assert_false(strays_of_others(&s, "you", 1, 2000 + STRAYS_MS));
	strays_done(&s);
}

/* There was no memory to note whose it is. */
static void test_not_known(void **state)
{
	struct strays s = {.until_ms = 1000};

	(void)state;
	assert_true(strays_of_others(&s, "me", 0, 999));
	assert_false(strays_of_others(&s, "me", 0, 1000));
	strays_add(&s, "me", 0, 999);
	assert_true(strays_of_others(&s, "me", 0, 1000));
	strays_done(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_whose), cmocka_unit_test(test_not_known)};

	return cmocka_run_group_tests_name("strays", tests, NULL, NULL);
}
