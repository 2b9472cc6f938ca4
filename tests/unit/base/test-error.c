/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "base/error.h"
#include "providers/include/hawser/provider.h"

#include <string.h>

static void test_cure(void **state)
{
	static const struct {
		const char *text, *cure;
		size_t len;
	} rows[] = {
		{"", NULL, 0},
		{"no bread", NULL, 8},
		{"no bread" ERROR_CURE "bake some", "bake some", 8},
		{"no bread; cure:bake", NULL, 19},
		{"it said x" ERROR_CURE "y; no bread" ERROR_CURE "bake some", "bake some", 28},
		{"no bread" ERROR_CURE, "", 8},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t len = 99;
		const char *cure = error_cure(rows[i].text, &len);

		assert_int_equal(len, rows[i].len);
		if (rows[i].cure)
			assert_string_equal(cure, rows[i].cure);
		else
			assert_null(cure);
	}
}

/* Providers write the mark by their own header, which stands alone. */
static void test_mark_of_providers(void **state)
{
	assert_string_equal(HAWSER_CURE, ERROR_CURE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cure),
		cmocka_unit_test(test_mark_of_providers),
	};

	return cmocka_run_group_tests_name("error", tests, NULL, NULL);
}
