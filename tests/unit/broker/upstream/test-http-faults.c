/* SPDX-License-Identifier: Apache-2.0 */
/* Servers behind a URL that refuse, forget, cut, lie, or are not there. */
#include "tests/unit/broker/upstream/http-fixture.h"

#include "base/clock.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void assert_does_not_start(struct rig *rig, const char *part)
{
	_cleanup_answer_ struct answer a = ANSWER_INIT;

	rig_call(rig, "echo", "{}", &a);
	assert_int_equal(a.outcome, UPSTREAM_DOWN);
	assert_false(a.sent);
	assert_has(a.message, "server \"fixture\"");
	assert_has(a.message, part);
	assert_int_equal(upstream_state(rig->u), UPSTREAM_FAILED);
}

/* The ids that the tool count (or http_drop) was called with. */
static void assert_counted(struct rig *rig, const char *ids)
{
	char path[128], text[1024] = "";
	FILE *file;

	snprintf(path, sizeof(path), "%s/count", rig->dir);
	file = fopen(path, "r");
	assert_non_null(file);
	assert_true(fread(text, 1, sizeof(text) - 1, file) > 0);
	fclose(file);
	assert_string_equal(text, ids);
}

static void test_nobody_there(void **state)
{
	struct rig *rig = *state;
	struct http_fixture f;

	fixture_start(rig, &f, 0);
	fixture_stop(&f);
	snprintf(f.url, sizeof(f.url), "http://127.0.0.1:%u/mcp?key=not-shown", f.port);
	rig->options.url = f.url;
	rig_open(rig);
	assert_does_not_start(rig, "cannot be reached at http://127.0.0.1:");
	assert_null(strstr(upstream_problem(rig->u), "not-shown"));
	assert_has(upstream_problem(rig->u), "; is the server running? Start it, or correct the url of its entry");
}

static void test_name_that_does_not_exist(void **state)
{
	struct rig *rig = *state;

	rig->options.url = "http://no-such-host.invalid/mcp";
	rig_open(rig);
	assert_does_not_start(rig, "no-such-host.invalid");
	assert_has(upstream_problem(rig->u), "; check the host in the url of its entry");
}

static void test_no_tls_where_it_is_wanted(void **state)
{
	struct rig *rig = *state;
	struct http_fixture f;

	fixture_start(rig, &f, 0);
	snprintf(f.url, sizeof(f.url), "https://127.0.0.1:%u/mcp", f.port);
	rig->options.url = f.url;
	rig_open(rig);
	assert_does_not_start(rig, "; does it speak TLS there? If not, write http:// in the url of its entry");
	fixture_stop(&f);
}

static void test_credentials_are_wanted(void **state)
{
	static const char *const wrong[] = {"Authorization: Bearer old", NULL};
	struct rig *rig = *state;
	struct http_fixture f;

	fixture_open(rig, &f, "/mcp", "--http-require", "Authorization: Bearer new");
	assert_does_not_start(rig, "answered 401 Unauthorized; OAuth is not in this version: write headers: "
				   "{Authorization: \"Bearer ${TOKEN}\"} in its entry");
	rig_close(rig);
	fixture_stop(&f);
	rig->options.headers = wrong;
	fixture_open(rig, &f, "/mcp", "--http-require", "Authorization: Bearer new");
	assert_does_not_start(rig, "is the token still good?");
	fixture_stop(&f);
}

static void test_wrong_path(void **state)
{
	struct rig *rig = *state;
	struct http_fixture f;

	fixture_open(rig, &f, "/elsewhere");
	assert_does_not_start(rig, "answered 404 Not Found; check the url of its entry");
	fixture_stop(&f);
}

static void test_session_is_renewed(void **state)
{
	static const char *const ways[] = {"{\"status\": 404}", "{\"status\": 400}"};
	struct rig *rig = *state;
	struct http_fixture f;
	_cleanup_answer_ struct answer a = ANSWER_INIT, b = ANSWER_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		fixture_open(rig, &f, "/mcp");
		rig_call(rig, "http_forget", ways[i], &a);
		assert_int_equal(a.outcome, UPSTREAM_OK);
		/* two meet the refusal at once: one new session */
		rig_begin(rig, "echo", "{\"a\": 1}", 0, &a);
		rig_begin(rig, "count", "{\"id\": 1}", 0, &b);
		rig_until(rig, &a.done);
		rig_until(rig, &b.done);
		assert_int_equal(a.outcome, UPSTREAM_OK);
		assert_int_equal(b.outcome, UPSTREAM_OK);
		assert_has(a.text, "{\\\"a\\\": 1}");
		assert_int_equal(upstream_state(rig->u), UPSTREAM_READY);
		assert_true(fixture_hits(&f, "\"Mcp-Session-Id\": \"session-2\"") > 0);
		assert_int_equal(fixture_hits(&f, "session-3"), 0);
		rig_close(rig);
		fixture_stop(&f);
	}
	assert_counted(rig, "1\n1\n"); /* once each */
}

static void test_calls_outlive_a_session_that_was_forgotten(void **state)
{
	struct rig *rig = *state;
	struct http_fixture f;
	_cleanup_answer_ struct answer a = ANSWER_INIT, b = ANSWER_INIT;

	fixture_open(rig, &f, "/mcp");
	rig_call(rig, "echo", "{}", &a);
	rig_begin(rig, "slow", "{\"ms\": 700}", 0, &b);
	rig_call(rig, "http_forget", "{}", &a);
	rig_call(rig, "echo", "{}", &a);
	assert_int_equal(a.outcome, UPSTREAM_OK);
	assert_false(b.done);
	rig_until(rig, &b.done);
	assert_int_equal(b.outcome, UPSTREAM_OK);
	fixture_stop(&f);
}

static void test_a_list_that_meets_a_forgotten_session(void **state)
{
	struct rig *rig = *state;
	struct http_fixture f;
	_cleanup_answer_ struct answer a = ANSWER_INIT;

	fixture_open(rig, &f, "/mcp");
	rig_call(rig, "change_tools", "{\"name\": \"fresh\"}", &a); /* it is listed a moment later */
	rig_call(rig, "http_forget", "{}", &a);
	fixture_await(rig, &f, "session-2", 1);
	rig_ensure(rig, &a);
	assert_int_equal(upstream_state(rig->u), UPSTREAM_READY);
	assert_non_null(upstream_find(rig->u, "echo"));
	fixture_stop(&f);
}

static void test_the_listening_stream_is_opened_again(void **state)
{
	struct rig *rig = *state;
	struct http_fixture f;
	_cleanup_answer_ struct answer a = ANSWER_INIT;

	fixture_open(rig, &f, "/mcp");
	rig_call(rig, "echo", "{}", &a);
	fixture_await(rig, &f, "\"GET\"", 1);
	rig_call(rig, "echo", "{}", &a);
	rig_call(rig, "http_unplug", "{}", &a);
	assert_int_equal(a.outcome, UPSTREAM_OK);
	rig_call(rig, "change_tools", "{\"name\": \"fresh\"}", &a); /* nobody listens at the moment */
	for (int i = 0; i < 500 && !upstream_find(rig->u, "fresh"); i++)
		loop_turn(rig->loop, 20);
	assert_non_null(upstream_find(rig->u, "fresh"));
	assert_int_equal(fixture_hits(&f, "\"Last-Event-ID\": \"listen-7\""), 1);
	fixture_stop(&f);
}

static void test_server_that_is_killed_in_the_middle_of_a_call(void **state)
{
	static const char *const paths[] = {"/mcp", "/sse"};
	struct rig *rig = *state;
	struct http_fixture f;
	_cleanup_answer_ struct answer a = ANSWER_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		rig->options.old_sse = i == 1;
		fixture_open(rig, &f, paths[i]);
		rig_call(rig, "echo", "{}", &a);
		rig_begin(rig, "never", "{}", 0, &a);
		fixture_await(rig, &f, "\"POST\"", 5); /* three of the handshake, echo, never */
		rig_let(rig, 100); /* headers of the answer */
		fixture_stop(&f);
		rig_until(rig, &a.done);
		assert_int_equal(a.outcome, UPSTREAM_DOWN);
		assert_true(a.sent);
		rig_close(rig);
	}
}

static void test_farewell_to_a_server_that_hangs(void **state)
{
	struct rig *rig = *state;
	struct http_fixture f;
	_cleanup_answer_ struct answer a = ANSWER_INIT;
	uint64_t began;

	fixture_open(rig, &f, "/mcp");
	rig_call(rig, "echo", "{}", &a);
	assert_int_equal(kill(f.pid, SIGSTOP), 0);
	began = clock_now_ms();
	rig_close(rig);
	assert_true(clock_now_ms() - began < 5000); /* step_ms is 100 */
	fixture_stop(&f);
}

static void test_authorities_that_cannot_be_read(void **state)
{
	struct rig *rig = *state;

	rig->options.url = "https://127.0.0.1:1/mcp";
	rig->options.ca_file = "/nonexistent/ca.pem";
	rig_open(rig);
	assert_does_not_start(rig, "cannot be reached at https://127.0.0.1:1/mcp");
}

static void test_server_that_was_restarted(void **state)
{
	struct rig *rig = *state;
	struct http_fixture f;
	_cleanup_answer_ struct answer a = ANSWER_INIT;
	unsigned port;

	fixture_open(rig, &f, "/mcp", "--http-no-get");
	rig_call(rig, "echo", "{}", &a);
	port = f.port;
	fixture_stop(&f);
	fixture_start(rig, &f, port, "--http-no-get");
	rig_call(rig, "count", "{\"id\": 7}", &a);
	assert_int_equal(a.outcome, UPSTREAM_OK);
	assert_counted(rig, "7\n");
	fixture_stop(&f);
}

static void test_server_that_went_away(void **state)
{
	struct rig *rig = *state;
	struct http_fixture f;
	_cleanup_answer_ struct answer a = ANSWER_INIT;

	fixture_open(rig, &f, "/mcp", "--http-no-get");
	rig_call(rig, "echo", "{}", &a);
	fixture_stop(&f);
	rig_call(rig, "echo", "{}", &a);
	assert_int_equal(a.outcome, UPSTREAM_DOWN);
	assert_false(a.sent);
	assert_has(a.message, "cannot be reached");
	assert_int_equal(upstream_state(rig->u), UPSTREAM_FAILED);
}

static void test_cut_streams(void **state)
{
	struct rig *rig = *state;
	struct http_fixture f;
	_cleanup_answer_ struct answer a = ANSWER_INIT;

	fixture_open(rig, &f, "/mcp");
	rig_call(rig, "http_cut", "{\"kind\": \"plain\"}", &a);
	assert_int_equal(a.outcome, UPSTREAM_DOWN);
	assert_true(a.sent);
	assert_has(a.message, "broke the connection in the middle of its answer");
	rig_call(rig, "http_cut", "{\"kind\": \"ids\"}", &a);
	assert_int_equal(a.outcome, UPSTREAM_OK);
	assert_has(a.text, "after the cut");
	assert_int_equal(fixture_hits(&f, "\"Last-Event-ID\": \"session-1-"), 1);
	rig_call(rig, "http_cut", "{\"kind\": \"poll\"}", &a);
	assert_int_equal(a.outcome, UPSTREAM_OK);
	assert_has(a.text, "after the cut");
	/* asked for again, and nobody knows of it: it was taken once, and must not go again */
	rig_call(rig, "http_cut", "{\"kind\": \"ids\", \"forget\": true}", &a);
	assert_int_equal(a.outcome, UPSTREAM_DOWN);
	assert_true(a.sent);
	assert_has(a.message, "answered 404 Not Found: Session not found");
	assert_int_equal(fixture_hits(&f, "\"POST\""), 7); /* three of the handshake, four calls */
	fixture_stop(&f);
	rig_close(rig);
	fixture_open(rig, &f, "/mcp");
	rig_call(rig, "http_cut", "{\"kind\": \"ids\"}", &a);
	rig_call(rig, "echo", "{}", &a); /* and the session lives on */
	assert_int_equal(a.outcome, UPSTREAM_OK);
	assert_int_equal(fixture_hits(&f, "session-2"), 0);
	fixture_stop(&f);
}

static void sleep_a_while(void *user)
{
	(void)user;
	usleep(400 * 1000);
}

static void count_down(void *user)
{
	--*(unsigned *)user;
}

/* A call whose answer has to wait for a thread: all of them are taken. */
static void call_while_threads_sleep(struct rig *rig, const char *tool, const char *args, struct answer *a)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct http_fixture f;
	unsigned sleepers = 8; /* at least as many as there are threads */

	fixture_open(rig, &f, "/mcp");
	rig_call(rig, "echo", "{}", a);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(loop_work_start(rig->loop, sleep_a_while, count_down, &sleepers, &err), 0);
	rig_call(rig, tool, args, a);
	assert_int_equal(a->outcome, UPSTREAM_OK);
	while (sleepers > 0)
		loop_turn(rig->loop, 20);
	fixture_stop(&f);
}

/* Four messages wait for a thread when their stream ends: it goes on when they were looked at. */
static void test_stream_that_is_resumed_while_it_is_paused(void **state)
{
	_cleanup_answer_ struct answer a = ANSWER_INIT;

	call_while_threads_sleep(*state, "http_flood", "{\"keys\": 10000}", &a);
	assert_has(a.text, "after the flood");
}

/* All of the answer came before the connection broke; it is only not checked yet. */
static void test_cut_behind_an_answer_that_is_being_checked(void **state)
{
	_cleanup_answer_ struct answer a = ANSWER_INIT;

	call_while_threads_sleep(*state, "http_cut_behind", "{\"bytes\": 200000}", &a);
	assert_true(a.len > 200000);
}

static void test_retry_is_waited_for(void **state)
{
	struct rig *rig = *state;
	struct http_fixture f;
	_cleanup_answer_ struct answer a = ANSWER_INIT;
	uint64_t began;

	fixture_open(rig, &f, "/mcp");
	rig_call(rig, "echo", "{}", &a);
	began = clock_now_ms();
	rig_call(rig, "http_cut", "{\"kind\": \"poll\", \"retry\": 600}", &a);
	assert_int_equal(a.outcome, UPSTREAM_OK);
	assert_true(clock_now_ms() - began >= 595);
	fixture_stop(&f);
}

static void test_done_once_when_the_answer_is_lost(void **state)
{
	struct rig *rig = *state;
	struct http_fixture f;
	_cleanup_answer_ struct answer a = ANSWER_INIT;

	fixture_open(rig, &f, "/mcp");
	for (int i = 0; i < 3; i++) { /* the second and third use a kept connection */
		rig_call(rig, "echo", "{}", &a);
		rig_call(rig, "http_drop", "{\"id\": 5}", &a);
		assert_int_equal(a.outcome, UPSTREAM_DOWN);
		assert_true(a.sent);
	}
	assert_counted(rig, "5\n5\n5\n");
	fixture_stop(&f);
}

static void test_refusals_of_calls(void **state)
{
	static const struct {
		const char *args, *part;
		enum upstream_outcome outcome;
	} rows[] = {
		{"{\"status\": 500}", "answered 500 Internal Server Error: so I was told", UPSTREAM_DOWN},
		{"{\"status\": 503, \"body\": \"<html>x\", \"type\": \"text/html\"}",
		 "answered 503 Service Unavailable", UPSTREAM_DOWN},
		{"{\"status\": 403}", "check the headers of its entry", UPSTREAM_DOWN},
		{"{\"status\": 500, \"body\": "
		 "\"{\\\"jsonrpc\\\":\\\"2.0\\\",\\\"id\\\":null,\\\"error\\\":{\\\"code\\\":1,"
		 "\\\"message\\\":\\\"on fire\\\"}}\"}",
		 "answered 500 Internal Server Error: on fire", UPSTREAM_DOWN},
		{"{\"status\": 200, \"type\": \"application/json\", \"body\": "
		 "\"{\\\"jsonrpc\\\":\\\"2.0\\\",\\\"id\\\":null,\\\"error\\\":{\\\"code\\\":1,"
		 "\\\"message\\\":\\\"on fire\\\"}}\"}",
		 "on fire", UPSTREAM_DOWN},
		{"{\"status\": 302}", "redirects (302) to nowhere", UPSTREAM_DOWN},
		{"{\"status\": 200, \"type\": \"text/html\"}", "no MCP message (text/html)", UPSTREAM_DOWN},
		{"{\"status\": 200, \"type\": \"application/json\"}", "cannot be read", UPSTREAM_ERROR},
		{"{\"status\": 200, \"body\": \"\", \"type\": \"text/event-stream\"}", "before the result had come",
		 UPSTREAM_DOWN},
		{"{\"status\": 202, \"body\": \"\"}", "before the result had come", UPSTREAM_DOWN},
	};
	struct rig *rig = *state;
	struct http_fixture f;
	_cleanup_answer_ struct answer a = ANSWER_INIT;

	fixture_open(rig, &f, "/mcp");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		rig_call(rig, "http_status", rows[i].args, &a);
		assert_has(a.message, rows[i].part);
		assert_int_equal(a.outcome, rows[i].outcome);
		assert_true(a.sent);
	}
	rig_call(rig, "echo", "{}", &a);
	assert_int_equal(a.outcome, UPSTREAM_OK);
	fixture_stop(&f);
}

static void test_slow_headers(void **state)
{
	struct rig *rig = *state;
	struct http_fixture f;
	_cleanup_answer_ struct answer a = ANSWER_INIT;

	fixture_open(rig, &f, "/mcp");
	rig_call(rig, "http_slow", "{\"ms\": 500}", &a);
	assert_has(a.text, "late");
	rig_begin(rig, "http_silent", "{}", 200, &a);
	rig_until(rig, &a.done);
	assert_int_equal(a.outcome, UPSTREAM_TIMEOUT);
	rig_close(rig);
	fixture_stop(&f);
	rig->options.start_timeout_ms = 200;
	fixture_open(rig, &f, "/mcp", "--http-slow", "3000");
	assert_does_not_start(rig, "did not answer initialize within 200 ms");
	fixture_stop(&f);
}

static void test_ten_megabytes_in_one_event(void **state)
{
	struct rig *rig = *state;
	struct http_fixture f;
	_cleanup_answer_ struct answer a = ANSWER_INIT;

	fixture_open(rig, &f, "/mcp");
	rig_call(rig, "huge", "{\"bytes\": 10485760}", &a);
	assert_int_equal(a.outcome, UPSTREAM_OK);
	assert_true(a.len > 10485760);
	rig_close(rig);
	fixture_stop(&f);
	rig->options.message_max = 1 << 20;
	for (int json = 0; json < 2; json++) {
		fixture_open(rig, &f, "/mcp", json ? "--http-json" : "--http-no-get");
		rig_call(rig, "huge", "{\"bytes\": 10485760}", &a);
		assert_int_equal(a.outcome, UPSTREAM_TOO_LARGE);
		assert_has(a.message, "over 1048576 bytes");
		rig_call(rig, "echo", "{}", &a);
		assert_int_equal(a.outcome, UPSTREAM_OK);
		rig_close(rig);
		fixture_stop(&f);
	}
}

static void test_pieces_that_cut_characters(void **state)
{
	static const char *const ends[] = {"\\n", "\\r\\n", "\\r"};
	struct rig *rig = *state;
	struct http_fixture f;
	_cleanup_answer_ struct answer a = ANSWER_INIT;

	fixture_open(rig, &f, "/mcp");
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		for (int size = 1; size < 4; size++) {
			char args[256];

			snprintf(args, sizeof(args),
				 "{\"size\": %d, \"end\": \"%s\", \"text\": \"\u00fc\u20ac\U0001f6a2\"}", size,
				 ends[i]);
			rig_call(rig, "http_pieces", args, &a);
			assert_int_equal(a.outcome, UPSTREAM_OK);
			assert_has(a.text, "\"\u00fc\u20ac\U0001f6a2\"");
		}
	fixture_stop(&f);
}

static void test_redirects(void **state)
{
	static const char *const headers[] = {"Authorization: Bearer of-the-test", NULL};
	struct rig *rig = *state;
	struct http_fixture f, other;
	_cleanup_answer_ struct answer a = ANSWER_INIT;
	char to[64];

	/* on the same host: followed, and asked there from then on */
	rig->options.headers = headers;
	fixture_open(rig, &f, "/moved");
	rig_call(rig, "echo", "{}", &a);
	assert_int_equal(a.outcome, UPSTREAM_OK);
	assert_int_equal(fixture_hits(&f, "\"path\": \"/moved\""), 1);
	rig_close(rig);
	fixture_stop(&f);
	/* to another: nothing arrives there */
	fixture_start(rig, &other, 0);
	snprintf(to, sizeof(to), "http://127.0.0.1:%u/mcp", other.port);
	fixture_open(rig, &f, "/mcp", "--http-redirect", to);
	assert_does_not_start(rig, "which is another host; if you trust it, write that as its url");
	assert_has(upstream_problem(rig->u), to);
	assert_int_equal(fixture_hits(&other, "\"path\""), 0);
	rig_close(rig);
	fixture_stop(&f);
	fixture_stop(&other);
	/* in a circle */
	fixture_open(rig, &f, "/mcp", "--http-redirect", "/mcp");
	assert_does_not_start(rig, "redirects in a circle");
	fixture_stop(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nobody_there, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_name_that_does_not_exist, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_no_tls_where_it_is_wanted, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_credentials_are_wanted, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_wrong_path, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_session_is_renewed, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_calls_outlive_a_session_that_was_forgotten, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(test_a_list_that_meets_a_forgotten_session, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_the_listening_stream_is_opened_again, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_server_that_is_killed_in_the_middle_of_a_call, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(test_farewell_to_a_server_that_hangs, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_authorities_that_cannot_be_read, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_server_that_was_restarted, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_server_that_went_away, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_cut_streams, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_stream_that_is_resumed_while_it_is_paused, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(test_cut_behind_an_answer_that_is_being_checked, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(test_retry_is_waited_for, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_done_once_when_the_answer_is_lost, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_refusals_of_calls, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_slow_headers, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_ten_megabytes_in_one_event, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_pieces_that_cut_characters, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(test_redirects, rig_setup, rig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
