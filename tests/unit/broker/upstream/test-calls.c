/* SPDX-License-Identifier: Apache-2.0 */
/* What a healthy server's calls bring, against the fixture server. */
#include "tests/unit/broker/upstream/rig.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>

static void test_lazy_start_and_handshake(void **state)
{
	struct rig *rig = *state;
	_cleanup_answer_ struct answer a = ANSWER_INIT;

	rig_open(rig);
	rig_let(rig, 10);
	assert_int_equal(upstream_state(rig->u), UPSTREAM_IDLE);
	assert_int_equal(upstream_pid(rig->u), 0);
	rig_ensure(rig, &a);
	assert_int_equal(a.outcome, UPSTREAM_OK);
	assert_int_equal(upstream_state(rig->u), UPSTREAM_READY);
	assert_string_equal(upstream_problem(rig->u), "");
	assert_true(upstream_pid(rig->u) > 0);
	rig_call(rig, "state", "{}", &a);
	assert_has(a.text, "\\\"protocolVersion\\\": \\\"2025-11-25\\\"");
	assert_has(a.text, "\\\"capabilities\\\": {}");
	assert_has(a.text, "\\\"name\\\": \\\"hawser\\\"");
	assert_true(rig->changes >= 2);
}

static void test_arguments_and_results_keep_their_text(void **state)
{
	struct rig *rig = *state;
	_cleanup_answer_ struct answer a = ANSWER_INIT;

	rig_open(rig);
	rig_call(rig, "reflect", "{\"a\": 0.10,\n \"b\":12345678901234567890,\r\n\"c\":1e400, \"d\":\"\\u00e9\\n\"}",
		 &a);
	assert_int_equal(a.outcome, UPSTREAM_OK);
	assert_true(a.sent);
	assert_null(a.message);
	/* Line breaks between tokens became blanks; nothing else changed. */
	assert_has(
		a.text,
		"\"structuredContent\":{\"a\": 0.10,  \"b\":12345678901234567890,  \"c\":1e400, \"d\":\"\\u00e9\\n\"}");
	assert_has(a.text, "\"_meta\":{\"test/seen\":1.10}");
	assert_int_equal(a.text[0], '{');
	assert_int_equal(a.text[a.len - 1], '}');
}

static void test_every_kind_of_content(void **state)
{
	static const struct {
		const char *kind, *part;
	} rows[] = {
		{"text", "\"plain \xc3\xbcml\xc3\xa4ut \xf0\x9f\x9a\xa2\""},
		{"image", "\"mimeType\": \"image/png\""},
		{"audio", "\"type\": \"audio\""},
		{"resource_text", "\"text\": \"inside\""},
		{"resource_blob", "\"blob\": \"AAEC"},
		{"resource_link", "\"uri\": \"file:///notes/a.txt\""},
		{"annotations", "\"audience\": [\"user\"]"},
		{"unknown", "\"type\": \"hologram\""},
		{"empty", "{\"content\": []}"},
		{"mixed", "\"type\": \"resource_link\""},
	};
	struct rig *rig = *state;
	char args[64];

	rig_open(rig);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_answer_ struct answer a = ANSWER_INIT;

		snprintf(args, sizeof(args), "{\"kind\":\"%s\"}", rows[i].kind);
		rig_call(rig, "content", args, &a);
		assert_int_equal(a.outcome, UPSTREAM_OK);
		assert_has(a.text, rows[i].part);
	}
}

static void test_tool_errors_and_rpc_errors(void **state)
{
	struct rig *rig = *state;
	_cleanup_answer_ struct answer a = ANSWER_INIT;

	rig_open(rig);
	rig_call(rig, "fail", "{}", &a);
	assert_int_equal(a.outcome, UPSTREAM_OK); /* a result like any other here */
	assert_has(a.text, "\"isError\": true");
	rig_call(rig, "rpc_error", "{\"code\":-32050,\"message\":\"no\\nway\",\"data\":{\"x\":1}}", &a);
	assert_int_equal(a.outcome, UPSTREAM_ERROR);
	assert_string_equal(a.message, "no\nway");
	assert_has(a.text, "\"data\": {\"x\": 1}");
	assert_true(a.sent);
	rig_call(rig, "no such tool", "{}", &a);
	assert_int_equal(a.outcome, UPSTREAM_ERROR);
	assert_has(a.message, "unknown tool");
}

static void test_odd_names(void **state)
{
	static const char *const names[] = {"with-hyphen", "with.dot", "2digits", "class", "it's a {weird}\\ name"};
	struct rig *rig = *state;
	_cleanup_answer_ struct answer a = ANSWER_INIT;

	rig_open(rig);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		rig_call(rig, names[i], "{\"x\":1}", &a);
		assert_int_equal(a.outcome, UPSTREAM_OK);
		assert_has(a.text, "{\\\"x\\\":1}");
		assert_non_null(upstream_find(rig->u, names[i]));
	}
}

static void test_calls_overlap(void **state)
{
	struct rig *rig = *state;
	_cleanup_answer_ struct answer slow = ANSWER_INIT, quick = ANSWER_INIT;

	rig_open(rig);
	rig_ensure(rig, &quick);
	rig_begin(rig, "slow", "{\"ms\":200}", 0, &slow);
	rig_call(rig, "slow", "{\"ms\":1}", &quick);
	assert_false(slow.done);
	rig_until(rig, &slow.done);
	assert_has(slow.text, "waited 200 ms");
}

static void test_progress(void **state)
{
	struct rig *rig = *state;
	_cleanup_answer_ struct answer a = ANSWER_INIT;

	rig_open(rig);
	rig_call(rig, "progress", "{\"steps\":5}", &a);
	assert_int_equal(a.outcome, UPSTREAM_OK);
	assert_int_equal(a.progress, 5);
}

static void test_cancel(void **state)
{
	struct rig *rig = *state;
	_cleanup_answer_ struct answer a = ANSWER_INIT, b = ANSWER_INIT;

	rig_open(rig);
	rig_ensure(rig, &b);
	rig_begin(rig, "slow", "{\"ms\":150,\"deaf\":true}", 0, &a);
	rig_let(rig, 20);
	upstream_cancel(a.request, "the run ended");
	assert_false(a.done); /* never inside the call */
	rig_until(rig, &a.done);
	assert_int_equal(a.outcome, UPSTREAM_CANCELLED);
	assert_true(a.sent);
	rig_call(rig, "state", "{}", &b);
	assert_has(b.text, "\\\"reason\\\": \\\"the run ended\\\"");
	/* It answers all the same, too late: nobody hears of it. */
	rig_let(rig, 250);
	assert_int_equal(a.times, 1);
	rig_call(rig, "echo", "{}", &b);
	assert_int_equal(b.outcome, UPSTREAM_OK);
}

static void test_what_was_given_up_is_unanswered_until_the_answer_or_the_end(void **state)
{
	struct rig *rig = *state;
	_cleanup_answer_ struct answer a = ANSWER_INIT, b = ANSWER_INIT, c = ANSWER_INIT;
	uint64_t first, second;

	rig_open(rig);
	rig_ensure(rig, &c);
	rig_begin(rig, "slow", "{\"ms\":150,\"deaf\":true}", 0, &a);
	rig_begin(rig, "never", "{}", 60, &b);
	first = upstream_request_id(a.request);
	second = upstream_request_id(b.request);
	assert_false(upstream_has_unanswered(rig->u));
	upstream_cancel(a.request, "the run ended");
	assert_true(upstream_is_unanswered(rig->u, first));
	assert_false(upstream_is_unanswered(rig->u, second));
	rig_until(rig, &b.done);
	assert_true(upstream_is_unanswered(rig->u, second));
	rig_let(rig, 300);
	assert_false(upstream_is_unanswered(rig->u, first));
	assert_true(upstream_is_unanswered(rig->u, second));
	rig_call(rig, "crash", "{}", &c);
	assert_false(upstream_has_unanswered(rig->u));
}

static void test_more_unanswered_than_are_known(void **state)
{
	enum { MOST = 64 };
	struct rig *rig = *state;
	_cleanup_answer_ struct answer b = ANSWER_INIT;
	struct answer all[MOST + 1] = {ANSWER_INIT};

	rig_open(rig);
	rig_ensure(rig, &b);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		assert_false(upstream_forgot_unanswered(rig->u));
		rig_begin(rig, "never", "{}", 0, &all[i]);
		upstream_cancel(all[i].request, "no longer wanted");
	}
	assert_true(upstream_forgot_unanswered(rig->u));
	rig_call(rig, "crash", "{}", &b);
	assert_false(upstream_has_unanswered(rig->u));
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		rig_until(rig, &all[i].done);
		answer_done(&all[i]);
	}
}

static void test_timeout_is_told_to_the_server(void **state)
{
	struct rig *rig = *state;
	_cleanup_answer_ struct answer a = ANSWER_INIT, b = ANSWER_INIT;
	uint64_t began;

	rig_open(rig);
	rig_ensure(rig, &b);
	rig_begin(rig, "never", "{}", 60, &a);
	rig_begin(rig, "slow", "{\"ms\":5}", 5000, &b);
	began = clock_now_ms();
	rig_until(rig, &a.done);
	assert_int_equal(a.outcome, UPSTREAM_TIMEOUT);
	assert_true(a.sent);
	assert_has(a.message, "within 60 ms");
	assert_true(clock_now_ms() - began < 1000);
	rig_until(rig, &b.done);
	assert_int_equal(b.outcome, UPSTREAM_OK);
	rig_call(rig, "state", "{}", &b);
	assert_has(b.text, "\\\"reason\\\": \\\"timeout\\\"");
	assert_has(b.text, "\\\"open\\\": 1"); /* itself only */
}

static void test_timeout_before_it_was_ready(void **state)
{
	struct rig *rig = *state;
	_cleanup_answer_ struct answer a = ANSWER_INIT;

	rig_open(rig, "--silent");
	rig_begin(rig, "echo", "{}", 50, &a);
	rig_until(rig, &a.done);
	assert_int_equal(a.outcome, UPSTREAM_TIMEOUT);
	assert_false(a.sent);
}

static void test_requests_of_the_server(void **state)
{
	struct rig *rig = *state;
	_cleanup_answer_ struct answer a = ANSWER_INIT;

	rig_open(rig, "--ping");
	rig_call(rig, "ask", "{\"method\":\"ping\"}", &a);
	assert_has(a.text, "\\\"result\\\":{}");
	rig_call(rig, "ask", "{\"method\":\"sampling/createMessage\"}", &a);
	assert_has(a.text, "-32601");
	assert_has(a.text, "Hawser does not offer sampling/createMessage");
}

static void test_environment_and_directory(void **state)
{
	struct rig *rig = *state;
	_cleanup_answer_ struct answer a = ANSWER_INIT;

	rig_open(rig);
	assert_int_equal(setenv("OF_THE_BROKER_ITSELF", "1", 1), 0);
	rig_call(rig, "env", "{}", &a);
	assert_has(a.text, "\"FROM_CONFIG\": \"yes\"");
	assert_has(a.text, "\"LANG\": \"C.UTF-8\"");
	assert_null(strstr(a.text, "SECRET_OF_BROKER"));
	assert_null(strstr(a.text, "OF_THE_BROKER_ITSELF"));
	rig_call(rig, "cwd", "{}", &a);
	assert_has(a.text, rig->dir);
}

static void test_free_in_the_middle(void **state)
{
	struct rig *rig = *state;
	_cleanup_answer_ struct answer sent = ANSWER_INIT, waiting = ANSWER_INIT, b = ANSWER_INIT;

	rig_open(rig);
	rig_ensure(rig, &b);
	rig_begin(rig, "never", "{}", 0, &sent);
	rig_close(rig);
	assert_true(sent.done);
	assert_int_equal(sent.outcome, UPSTREAM_CANCELLED);
	rig_open(rig, "--silent");
	rig_begin(rig, "echo", "{}", 0, &waiting);
	rig_close(rig);
	assert_int_equal(waiting.outcome, UPSTREAM_CANCELLED);
	assert_false(waiting.sent);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define ROW(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
		ROW(test_lazy_start_and_handshake),
		ROW(test_arguments_and_results_keep_their_text),
		ROW(test_every_kind_of_content),
		ROW(test_tool_errors_and_rpc_errors),
		ROW(test_odd_names),
		ROW(test_calls_overlap),
		ROW(test_progress),
		ROW(test_cancel),
		ROW(test_what_was_given_up_is_unanswered_until_the_answer_or_the_end),
		ROW(test_more_unanswered_than_are_known),
		ROW(test_timeout_is_told_to_the_server),
		ROW(test_timeout_before_it_was_ready),
		ROW(test_requests_of_the_server),
		ROW(test_environment_and_directory),
		ROW(test_free_in_the_middle),
	};

	return cmocka_run_group_tests_name("upstream-calls", tests, NULL, NULL);
}
