/* SPDX-License-Identifier: Apache-2.0 */
/* A server behind a URL that does what it should: what upstream promises holds as over pipes. */
#include "tests/unit/broker/upstream/http-fixture.h"

#include <stdio.h>
#include <string.h>

static void test_calls(void **state)
{
	struct rig *rig = *state;
	struct http_fixture f;
	_cleanup_answer_ struct answer a = ANSWER_INIT;
	size_t count;

	fixture_open(rig, &f, "/mcp");
	rig_ensure(rig, &a);
	assert_int_equal(a.outcome, UPSTREAM_OK);
	assert_int_equal(upstream_state(rig->u), UPSTREAM_READY);
	assert_int_equal(upstream_pid(rig->u), 0);
	upstream_tools(rig->u, &count);
	assert_true(count > 30);
	rig_call(rig, "echo", "{\"n\": 0.10,\n \"i\": 12345678901234567890}", &a);
	assert_int_equal(a.outcome, UPSTREAM_OK);
	assert_has(a.text, "0.10");
	assert_has(a.text, "12345678901234567890");
	rig_call(rig, "progress", "{\"steps\": 5}", &a);
	assert_int_equal(a.outcome, UPSTREAM_OK);
	assert_int_equal(a.progress, 5);
	rig_call(rig, "rpc_error", "{\"message\": \"not today\"}", &a);
	assert_int_equal(a.outcome, UPSTREAM_ERROR);
	assert_string_equal(a.message, "not today");
	/* all but initialize belong to the session, and say the revision */
	assert_int_equal(fixture_hits(&f, "\"Mcp-Session-Id\": \"session-1\""), fixture_hits(&f, "\"path\"") - 1);
	assert_int_equal(fixture_hits(&f, "\"MCP-Protocol-Version\": \"2025-11-25\""),
			 fixture_hits(&f, "\"path\"") - 1);
	rig_close(rig);
	assert_int_equal(fixture_hits(&f, "\"DELETE\""), 1);
	fixture_stop(&f);
}

static void test_json_answers_and_no_listening_stream(void **state)
{
	struct rig *rig = *state;
	struct http_fixture f;
	_cleanup_answer_ struct answer a = ANSWER_INIT;

	fixture_open(rig, &f, "/mcp", "--http-json", "--http-no-get");
	rig_call(rig, "add", "{\"a\": 1, \"b\": 2}", &a);
	assert_int_equal(a.outcome, UPSTREAM_OK);
	assert_has(a.text, "\"sum\": 3");
	rig_call(rig, "huge", "{\"bytes\": 3000000}", &a);
	assert_int_equal(a.outcome, UPSTREAM_OK);
	assert_true(a.len > 3000000);
	fixture_stop(&f);
}

static void test_old_transport(void **state)
{
	struct rig *rig = *state;
	struct http_fixture f;
	_cleanup_answer_ struct answer a = ANSWER_INIT;

	/* asked for, and found: POST is refused there with 405 */
	for (int asked = 0; asked < 2; asked++) {
		rig->options.old_sse = asked;
		fixture_open(rig, &f, "/sse", "--http-old");
		rig_call(rig, "echo", "{\"a\": 1}", &a);
		assert_int_equal(a.outcome, UPSTREAM_OK);
		assert_has(a.text, "{\\\"a\\\": 1}");
		assert_int_equal(fixture_hits(&f, "\"path\": \"/sse\""), asked ? 1 : 2);
		rig_call(rig, "huge", "{\"bytes\": 3000000}", &a);
		assert_true(a.len > 3000000);
		rig_close(rig);
		fixture_stop(&f);
	}
}

static void test_old_endpoint_on_another_host(void **state)
{
	static const char *const places[] = {"http://127.0.0.2:1/messages/x", "//localhost/messages",
					     "ftp://127.0.0.1/", "https://127.0.0.1:1/"};
	struct rig *rig = *state;
	struct http_fixture f;

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		_cleanup_answer_ struct answer a = ANSWER_INIT;

		fixture_open(rig, &f, "/sse", "--http-old", "--http-endpoint", places[i]);
		rig_call(rig, "echo", "{}", &a);
		assert_int_equal(a.outcome, UPSTREAM_DOWN);
		assert_has(a.message, "names an endpoint");
		assert_false(a.sent);
		rig_close(rig);
		fixture_stop(&f);
	}
}

static void test_many_at_once_answered_out_of_order(void **state)
{
	enum { CALLS = 150 }; /* more than are on their way at once */
	struct rig *rig = *state;
	struct http_fixture f;
	struct answer a[CALLS] = {0};
	bool all = false;

	fixture_open(rig, &f, "/mcp");
	for (int i = 0; i < CALLS; i++) {
		char args[64];

		snprintf(args, sizeof(args), "{\"ms\": %d}", 50 + (CALLS - i) % 7);
		rig_begin(rig, "slow", args, 0, &a[i]);
	}
	while (!all) {
		all = true;
		for (int i = 0; i < CALLS; i++)
			all = all && a[i].done;
		loop_turn(rig->loop, 10);
	}
	for (int i = 0; i < CALLS; i++) {
		assert_int_equal(a[i].outcome, UPSTREAM_OK);
		answer_done(&a[i]);
	}
	fixture_stop(&f);
}

static void test_cancel_and_deadline_reach_the_server(void **state)
{
	struct rig *rig = *state;
	struct http_fixture f;
	_cleanup_answer_ struct answer a = ANSWER_INIT;

	fixture_open(rig, &f, "/mcp");
	rig_call(rig, "echo", "{}", &a);
	rig_begin(rig, "never", "{}", 0, &a);
	upstream_cancel(a.request, "no longer wanted");
	rig_until(rig, &a.done);
	assert_int_equal(a.outcome, UPSTREAM_CANCELLED);
	rig_begin(rig, "never", "{}", 100, &a);
	rig_until(rig, &a.done);
	assert_int_equal(a.outcome, UPSTREAM_TIMEOUT);
	rig_call(rig, "slow", "{\"ms\": 100}", &a); /* both notifications are there by then */
	rig_call(rig, "state", "{}", &a);
	assert_has(a.text, "no longer wanted");
	assert_has(a.text, "timeout");
	fixture_stop(&f);
}

static void test_list_changed_by_the_listening_stream(void **state)
{
	struct rig *rig = *state;
	struct http_fixture f;
	_cleanup_answer_ struct answer a = ANSWER_INIT;

	fixture_open(rig, &f, "/mcp");
	rig_call(rig, "change_tools", "{\"name\": \"fresh\"}", &a);
	for (int i = 0; i < 500 && !upstream_find(rig->u, "fresh"); i++)
		loop_turn(rig->loop, 20);
	assert_non_null(upstream_find(rig->u, "fresh"));
	fixture_stop(&f);
}

static void test_requests_of_the_server_are_answered(void **state)
{
	struct rig *rig = *state;
	struct http_fixture f;
	_cleanup_answer_ struct answer a = ANSWER_INIT;

	fixture_open(rig, &f, "/mcp", "--ping");
	rig_call(rig, "ask", "{\"method\": \"ping\"}", &a);
	assert_has(a.text, "\\\"result\\\":{}");
	rig_call(rig, "ask", "{\"method\": \"sampling/createMessage\"}", &a);
	assert_has(a.text, "-32601");
	fixture_stop(&f);
}

static void test_big_bodies_both_ways(void **state)
{
	enum { SIZE = 10 << 20 };
	struct rig *rig = *state;
	struct http_fixture f;
	_cleanup_answer_ struct answer a = ANSWER_INIT;
	_cleanup_free_ char *args = malloc(SIZE + 32);

	memcpy(args, "{\"x\":\"", 6);
	memset(args + 6, 'x', SIZE);
	strcpy(args + 6 + SIZE, "\"}");
	fixture_open(rig, &f, "/mcp");
	rig_call(rig, "echo", args, &a);
	assert_int_equal(a.outcome, UPSTREAM_OK);
	assert_true(a.len > SIZE);
	fixture_stop(&f);
}

static void test_headers_are_sent(void **state)
{
	static const char *const headers[] = {"Authorization: Bearer of-the-test", "X-Empty:", NULL};
	struct rig *rig = *state;
	struct http_fixture f;
	_cleanup_answer_ struct answer a = ANSWER_INIT;

	rig->options.headers = headers;
	fixture_open(rig, &f, "/mcp", "--http-require", headers[0]);
	rig_call(rig, "echo", "{}", &a);
	assert_int_equal(a.outcome, UPSTREAM_OK);
	assert_int_equal(fixture_hits(&f, "\"X-Empty\": \"\""), fixture_hits(&f, "\"path\""));
	rig_close(rig);
	/* also with the farewell */
	assert_int_equal(fixture_hits(&f, "Bearer of-the-test"), fixture_hits(&f, "\"path\""));
	fixture_stop(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_calls, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_json_answers_and_no_listening_stream, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_old_transport, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_old_endpoint_on_another_host, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_many_at_once_answered_out_of_order, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_cancel_and_deadline_reach_the_server, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_list_changed_by_the_listening_stream, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_requests_of_the_server_are_answered, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_big_bodies_both_ways, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_headers_are_sent, rig_setup, rig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
