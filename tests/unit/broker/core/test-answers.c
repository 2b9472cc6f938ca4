/* SPDX-License-Identifier: Apache-2.0 */
/* Which question is meant by an id, or by a beginning of one. */
#include "tests/unit/unit.h"

#include "broker/core/ask.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct view mine = {.subject = (char *)"local:1"}, others = {.subject = (char *)"local:2"};

static void test_beginnings(void **state)
{
	static const struct {
		const char *id;
		int found; /* index of an open one, or the error */
		const char *text;
	} rows[] = {
		{"ask_aaaa1111111111111111", 0, NULL},
		{"ask_bbbb", 2, NULL}, /* another subject's begins so too */
		{"ask_aaaa1", 0, NULL},
		{"ask_aaaa", -EINVAL, "ask_aaaa1111111111111111 and of ask_aaaa2222222222222222: write the whole id"},
		{"ask_cccc", -EINVAL, "ask_cccc1111111111111111 and of ask_cccc2222222222222222: write the whole id"},
		{"ask_cccc1", 4, NULL},
		{"ask_aaa", -ENOENT,
		 "there is no question ask_aaa"}, /* too short, although only one of two would fit */
		{"ask_", -ENOENT, "there is no question"},
		{"", -ENOENT, "there is no question"},
		{"ask_dddd", -ENOENT, "there is no question"}, /* it is another subject's */
		{"ask_dddd1111111111111111", -ENOENT, "there is no question"},
		{"ask_cccc2222222222222222", -EALREADY, "was approved already, by somebody"},
		{"ask_aaaa11111111111111112222222222222222222222", -ENOENT, "there is no question"},
	};
	struct approvals all = {0};
	struct approval open[] = {
		{.id = "ask_aaaa1111111111111111", .view = &mine}, {.id = "ask_aaaa2222222222222222", .view = &mine},
		{.id = "ask_bbbb1111111111111111", .view = &mine}, {.id = "ask_bbbb2222222222222222", .view = &others},
		{.id = "ask_cccc1111111111111111", .view = &mine}, {.id = "ask_dddd1111111111111111", .view = &others},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(open); i++) {
		struct approval *a = &open[i];

		HASH_ADD_STR(all.open, id, a);
	}
	snprintf(all.recent[7].id, sizeof(all.recent[7].id), "ask_cccc2222222222222222");
	snprintf(all.recent[7].by, sizeof(all.recent[7].by), "somebody");
	all.recent[7].outcome = ASK_APPROVED;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_error_ struct error err = ERROR_INIT;
		struct approval *a = NULL;
		int r = ask_find(&all, "local:1", rows[i].id, &a, &err);

		if (rows[i].found >= 0 ? a != &open[rows[i].found] : r != rows[i].found || a)
			fail_msg("%s: %d %s", rows[i].id, r, a ? a->id : error_text(&err));
		if (rows[i].text && !strstr(error_text(&err), rows[i].text))
			fail_msg("%s: %s", rows[i].id, error_text(&err));
	}
	HASH_CLEAR(hh, all.open);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_beginnings)};

	return cmocka_run_group_tests_name("answers", tests, NULL, NULL);
}
