/* SPDX-License-Identifier: Apache-2.0 */
/* Big arguments and results: whole, or refused at once. */
#include "tests/unit/broker/upstream/rig.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>

#define MIB (1u << 20)

static char *make_args(size_t bytes)
{
	static const char head[] = "{\n\"text\":\"";
	char *args = malloc(bytes + 32);

	assert_non_null(args);
	memcpy(args, head, sizeof(head) - 1);
	memset(args + sizeof(head) - 1, 'a', bytes);
	strcpy(args + sizeof(head) - 1 + bytes, "\"}");
	return args;
}

static void echo(struct rig *rig, size_t bytes)
{
	_cleanup_answer_ struct answer a = ANSWER_INIT;
	_cleanup_free_ char *args = make_args(bytes);
	uint64_t began = clock_now_ns();

	rig_call(rig, "reflect", args, &a);
	assert_int_equal(a.outcome, UPSTREAM_OK);
	assert_true(a.len > 2 * bytes); /* once as text, once as structured content */
	assert_has(a.text + a.len - 100, "aaaa\"},\"_meta\"");
	print_message("# %zu bytes there, twice back: %.1f ms\n", bytes, (double)(clock_now_ns() - began) / 1e6);
}

static void test_arguments(void **state)
{
	struct rig *rig = *state;

	rig->options.message_max = 200u * MIB;
	rig_open(rig);
	echo(rig, 100);
	echo(rig, 70000);
	echo(rig, 400000);
	echo(rig, MIB);
	loop_longest_turn_ns(rig->loop, true);
	echo(rig, 64 * MIB);
	print_message("# longest turn %.1f ms\n", (double)loop_longest_turn_ns(rig->loop, true) / 1e6);
}

static void test_results(void **state)
{
	static const char *const shapes[] = {"text", "items", "structured"};
	static const size_t sizes[] = {60000, 200000, 300000, MIB, 64 * MIB};
	struct rig *rig = *state;
	_cleanup_answer_ struct answer a = ANSWER_INIT;
	char args[128];

	rig->options.message_max = 80u * MIB;
	rig_open(rig);
	rig_ensure(rig, &a);
	for (size_t i = 0; i < ARRAY_SIZE(shapes) * ARRAY_SIZE(sizes); i++) {
		const char *shape = shapes[i % ARRAY_SIZE(shapes)];
		size_t size = sizes[i / ARRAY_SIZE(shapes)];
		uint64_t began;

		if (size > MIB && i % ARRAY_SIZE(shapes)) /* one that big is enough */
			continue;

		snprintf(args, sizeof(args), "{\"bytes\":%zu,\"shape\":\"%s\"}", size, shape);
		loop_longest_turn_ns(rig->loop, true);
		began = clock_now_ns();
		rig_call(rig, "huge", args, &a);
		assert_int_equal(a.outcome, UPSTREAM_OK);
		assert_true(a.len >= size);
		if (size >= MIB)
			print_message("# %zu bytes of %s: %.1f ms, longest turn %.1f ms\n", size, shape,
				      (double)(clock_now_ns() - began) / 1e6,
				      (double)loop_longest_turn_ns(rig->loop, true) / 1e6);
	}
}

static void test_small_calls_pass_a_big_one(void **state)
{
	struct rig *rig = *state;
	_cleanup_answer_ struct answer big = ANSWER_INIT, small = ANSWER_INIT;

	rig_open(rig);
	rig_ensure(rig, &small);
	rig_begin(rig, "huge", "{\"bytes\":10000000,\"shape\":\"structured\"}", 0, &big);
	rig_begin(rig, "echo", "{}", 0, &small);
	rig_until(rig, &small.done);
	assert_int_equal(small.outcome, UPSTREAM_OK);
	rig_until(rig, &big.done);
	assert_int_equal(big.outcome, UPSTREAM_OK);
}

static void test_too_large(void **state)
{
	static const char *const shapes[] = {"text", "structured"};
	struct rig *rig = *state;
	_cleanup_answer_ struct answer a = ANSWER_INIT, other = ANSWER_INIT;
	char args[128];

	rig->options.message_max = MIB;
	rig_open(rig);
	rig_ensure(rig, &a);
	rig_begin(rig, "never", "{}", 0, &other); /* so that the call is known by its id, not by being alone */
	for (size_t i = 0; i < ARRAY_SIZE(shapes); i++) {
		snprintf(args, sizeof(args), "{\"bytes\":%u,\"shape\":\"%s\"}", 5 * MIB, shapes[i]);
		rig_call(rig, "huge", args, &a);
		assert_int_equal(a.outcome, UPSTREAM_TOO_LARGE);
		assert_true(a.sent);
		assert_has(a.message, "over 1048576 bytes");
		rig_call(rig, "echo", "{\"still\":1}", &a);
		assert_int_equal(a.outcome, UPSTREAM_OK);
	}
	assert_false(other.done);
	rig_close(rig); /* ends it, while its answer can still be told */
}

static void test_many_at_once(void **state)
{
	struct rig *rig = *state;
	struct answer answers[12] = {0};

	/* More than are checked on other threads at a time: reading pauses and goes on. */
	rig_open(rig);
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++)
		rig_begin(rig, "huge", "{\"bytes\":1000000,\"shape\":\"structured\"}", 0, &answers[i]);
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		rig_until(rig, &answers[i].done);
		assert_int_equal(answers[i].outcome, UPSTREAM_OK);
		answer_done(&answers[i]);
	}
}

static void test_a_server_that_does_not_read(void **state)
{
	struct rig *rig = *state;
	_cleanup_free_ char *args = make_args(34 * MIB);
	struct answer answers[5] = {0}, busy = ANSWER_INIT;

	/* 170 MiB are more than the write queue takes: the rest waits its turn. */
	rig_open(rig);
	rig_ensure(rig, &busy);
	rig_begin(rig, "busy", "{\"ms\":200}", 0, &busy);
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++)
		rig_begin(rig, "pid", args, 0, &answers[i]);
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		rig_until(rig, &answers[i].done);
		assert_int_equal(answers[i].outcome, UPSTREAM_OK);
		answer_done(&answers[i]);
	}
	answer_done(&busy);
}

static void test_cancel_while_arguments_leave(void **state)
{
	struct rig *rig = *state;
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_answer_ struct answer busy = ANSWER_INIT, big = ANSWER_INIT, next = ANSWER_INIT;
	struct buf args = BUF_INIT(64 * MIB);

	rig_open(rig);
	rig_ensure(rig, &busy);
	rig_begin(rig, "busy", "{\"ms\":100}", 0, &busy);
	args.data = (uint8_t *)make_args(8 * MIB);
	args.cap = args.len = strlen((char *)args.data);
	assert_int_equal(upstream_call_take(rig->u, "echo", &args, 0, NULL, on_rig_done, &big, &big.request, &err), 0);
	assert_int_equal(args.len, 0);
	rig_begin(rig, "state", "{}", 0, &next);
	upstream_cancel(big.request, "half way");
	rig_until(rig, &big.done);
	assert_int_equal(big.outcome, UPSTREAM_CANCELLED);
	assert_true(big.sent);
	/* The line was ended, the cancel stands behind it, and the next call behind that. */
	rig_until(rig, &next.done);
	assert_int_equal(next.outcome, UPSTREAM_OK);
	assert_has(next.text, "half way");
	assert_has(next.text, "\\\"calls\\\": 3");
	rig_until(rig, &busy.done);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define ROW(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
		ROW(test_arguments),
		ROW(test_results),
		ROW(test_small_calls_pass_a_big_one),
		ROW(test_cancel_while_arguments_leave),
		ROW(test_too_large),
		ROW(test_many_at_once),
		ROW(test_a_server_that_does_not_read),
	};

	return cmocka_run_group_tests_name("upstream-large", tests, NULL, NULL);
}
