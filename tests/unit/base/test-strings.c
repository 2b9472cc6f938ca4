/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "base/strings.h"

#include <string.h>

static void test_count(void **state)
{
	const char *const none[] = {NULL}, *const two[] = {"a", "", NULL};

	assert_int_equal(strings_count(NULL), 0);
	assert_int_equal(strings_count(none), 0);
	assert_int_equal(strings_count(two), 2);
}

static void test_join(void **state)
{
	char first[] = "one";
	const char *const a[] = {first, NULL}, *const b[] = {"two", "three", NULL};
	char **joined = strings_join(a, b);

	assert_non_null(joined);
	memset(first, 'x', 3); /* what was copied is its own */
	assert_string_equal(joined[0], "one");
	assert_string_equal(joined[1], "two");
	assert_string_equal(joined[2], "three");
	assert_null(joined[3]);
	assert_null(strings_free(joined));
}

static void test_nothing(void **state)
{
	char **copy = strings_copy(NULL);

	assert_non_null(copy);
	assert_null(copy[0]);
	strings_free(copy);
	assert_null(strings_free(NULL));
}

static void test_one(void **state)
{
	char text[] = "one", *copy = NULL;

	assert_int_equal(string_copy(text, &copy), 0);
	assert_ptr_not_equal(copy, text);
	assert_string_equal(copy, "one");
	free(copy);
	assert_int_equal(string_copy(NULL, &copy), 0);
	assert_null(copy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_count),
		cmocka_unit_test(test_join),
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_one),
	};

	return cmocka_run_group_tests_name("strings", tests, NULL, NULL);
}
