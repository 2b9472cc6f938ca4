/* SPDX-License-Identifier: Apache-2.0 */
/* Whose calls a server may still be at work on: what it has not answered, whatever the time. */
#include "tests/unit/unit.h"

#include "base/clock.h"
#include "broker/core/strays.h"
#include "broker/upstream/upstream.h"

/* The server: what it has not answered. Each look at the clock is ten years later. */
static bool unanswered[8], forgot;
static uint64_t now_ns;

uint64_t clock_now_ns(void)
{
	return now_ns += 315360000000000000u;
}

bool upstream_is_unanswered(const struct upstream *u, uint64_t id)
{
	(void)u;
	return unanswered[id];
}

bool upstream_has_unanswered(const struct upstream *u)
{
	(void)u;
	for (size_t i = 0; i < ARRAY_SIZE(unanswered); i++)
		if (unanswered[i])
			return true;
	return forgot;
}

bool upstream_forgot_unanswered(const struct upstream *u)
{
	(void)u;
	return forgot;
}

static int setup(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(unanswered); i++)
		unanswered[i] = false;
	forgot = false;
	return 0;
}

static void give_up(struct strays *s, uint64_t id, const char *subject, uint64_t approver)
{
	strays_add(s, NULL, id, subject, approver); /* the upstream hears of it behind that */
	unanswered[id] = true;
}

static void test_until_it_is_answered(void **state)
{
	struct strays s = {0};

	(void)state;
	assert_false(strays_of_others(&s, NULL, "a", 1));
	give_up(&s, 1, "a", 1);
	give_up(&s, 2, "a", 1);
	for (int i = 0; i < 100; i++) {
		(void)clock_now_ms();
		assert_false(strays_of_others(&s, NULL, "a", 1)); /* the same person */
		assert_true(strays_of_others(&s, NULL, "a", 2));
		assert_true(strays_of_others(&s, NULL, "b", 1));
	}
	unanswered[1] = false;
	assert_true(strays_of_others(&s, NULL, "b", 1));
	unanswered[2] = false;
	assert_false(strays_of_others(&s, NULL, "b", 1));
	assert_null(s.list);
	strays_done(&s);
}

static void test_answered_ones_are_not_kept(void **state)
{
	struct strays s = {0};

	(void)state;
	for (int i = 0; i < 3; i++) { /* nobody asks about them meanwhile */
		give_up(&s, 1, "a", 1);
		unanswered[1] = false;
	}
	strays_add(&s, NULL, 2, "a", 1);
	unanswered[2] = true;
	assert_true(strays_of_others(&s, NULL, "b", 1));
	unanswered[2] = false;
	assert_false(strays_of_others(&s, NULL, "b", 1));
	strays_done(&s);
}

static void test_more_than_are_known_are_anybodys(void **state)
{
	struct strays s = {0};

	(void)state;
	give_up(&s, 1, "a", 1);
	forgot = true;
	assert_true(strays_of_others(&s, NULL, "a", 1));
	unanswered[1] = false;
	assert_true(strays_of_others(&s, NULL, "a", 1));
	forgot = false; /* the server has ended */
	assert_false(strays_of_others(&s, NULL, "a", 1));
	s.several = true;
	unanswered[3] = true;
	assert_true(strays_of_others(&s, NULL, "a", 1));
	unanswered[3] = false;
	assert_false(strays_of_others(&s, NULL, "a", 1));
	strays_done(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_until_it_is_answered, setup),
		cmocka_unit_test_setup(test_answered_ones_are_not_kept, setup),
		cmocka_unit_test_setup(test_more_than_are_known_are_anybodys, setup),
	};

	return cmocka_run_group_tests_name("strays", tests, NULL, NULL);
}
