/* SPDX-License-Identifier: Apache-2.0 */
/* tools/list: pages, limits, changes, and what of a tool is kept. */
#include "tests/unit/broker/upstream/rig.h"

#include "base/clock.h"

#include <string.h>

static size_t count(struct rig *rig)
{
	size_t n;

	(void)upstream_tools(rig->u, &n);
	return n;
}

static void test_what_a_tool_has(void **state)
{
	struct rig *rig = *state;
	_cleanup_answer_ struct answer a = ANSWER_INIT;
	const struct upstream_tool *tool;

	rig_open(rig);
	rig_ensure(rig, &a);
	tool = upstream_find(rig->u, "add");
	assert_non_null(tool);
	assert_string_equal(tool->title, "Addition");
	assert_string_equal(tool->description, "Adds two numbers.");
	assert_true(span_equals(span_pointer(tool->input_schema, "/required"), "[\"a\", \"b\"]"));
	assert_true(span_equals(span_pointer(tool->output_schema, "/properties/sum/type"), "\"number\""));
	assert_true(span_string_equals(span_member(tool->annotations, "title"), "Addition"));
	assert_true(tool->read_only);
	tool = upstream_find(rig->u, "write_note"); /* MCP's presets */
	assert_true(!tool->read_only && tool->destructive && !tool->idempotent && tool->open_world);
	assert_null(tool->title);
	assert_null(tool->output_schema.p);
	assert_null(tool->annotations.p);
	tool = upstream_find(rig->u, "put_note");
	assert_true(!tool->read_only && !tool->destructive && tool->idempotent && !tool->open_world);
	assert_null(upstream_find(rig->u, "no such tool"));
}

static void test_no_tools(void **state)
{
	struct rig *rig = *state;
	_cleanup_answer_ struct answer a = ANSWER_INIT;

	rig_open(rig, "--no-tools");
	rig_ensure(rig, &a);
	assert_int_equal(a.outcome, UPSTREAM_OK);
	assert_int_equal(count(rig), 0);
}

static void test_pages(void **state)
{
	struct rig *rig = *state;
	_cleanup_answer_ struct answer a = ANSWER_INIT;

	rig_open(rig, "--only", "echo,state", "--tools", "5000", "--page", "700");
	rig_ensure(rig, &a);
	assert_int_equal(count(rig), 5002);
	assert_non_null(upstream_find(rig->u, "many_0000"));
	assert_non_null(upstream_find(rig->u, "many_4999"));
	rig_call(rig, "state", "{}", &a);
	assert_has(a.text, "\\\"listings\\\": 8");
}

static void test_one_big_page(void **state)
{
	struct rig *rig = *state;
	_cleanup_answer_ struct answer a = ANSWER_INIT;

	rig_open(rig, "--tools", "5000");
	rig_ensure(rig, &a);
	assert_true(count(rig) > 5000);
	assert_true(
		span_equals(span_pointer(upstream_find(rig->u, "many_4321")->input_schema, "/properties/number/type"),
			    "\"integer\""));
}

static void test_too_many_tools(void **state)
{
	struct rig *rig = *state;
	_cleanup_answer_ struct answer a = ANSWER_INIT;

	rig_open(rig, "--tools", "11000", "--page", "3000");
	rig_ensure(rig, &a);
	assert_int_equal(a.outcome, UPSTREAM_OK);
	assert_int_equal(count(rig), 10000);
	assert_has(upstream_notice(rig->u), "tools are left out: over 10000");
}

static void test_cursor_without_end(void **state)
{
	struct rig *rig = *state;
	_cleanup_answer_ struct answer a = ANSWER_INIT;

	rig_open(rig, "--only", "echo,state", "--cursor-loop");
	rig_ensure(rig, &a);
	assert_int_equal(a.outcome, UPSTREAM_OK);
	assert_int_equal(count(rig), 2);
	assert_has(upstream_notice(rig->u), "cut behind 2 tools: it gives the same cursor again");
	rig_call(rig, "state", "{}", &a);
	assert_has(a.text, "\\\"listings\\\": 2");
}

/* New cursors for ever, and nothing new on their pages. */
static void test_pages_without_end(void **state)
{
	struct rig *rig = *state;
	_cleanup_answer_ struct answer a = ANSWER_INIT;

	rig_open(rig, "--only", "echo,state", "--cursor-flood");
	rig_ensure(rig, &a);
	assert_int_equal(a.outcome, UPSTREAM_OK);
	assert_int_equal(count(rig), 2);
	assert_has(upstream_notice(rig->u), "it has over 1,000 pages");
	rig_call(rig, "state", "{}", &a);
	assert_has(a.text, "\\\"listings\\\": 1000");
}

static void wait_for_tool(struct rig *rig, const char *name, bool there)
{
	uint64_t end = clock_now_ms() + 5000;

	while ((upstream_find(rig->u, name) != NULL) != there && clock_now_ms() < end)
		loop_turn(rig->loop, 50);
	assert_int_equal(upstream_find(rig->u, name) != NULL, there);
}

static void test_list_changed(void **state)
{
	struct rig *rig = *state;
	_cleanup_answer_ struct answer a = ANSWER_INIT;
	unsigned before;

	rig_open(rig);
	rig_ensure(rig, &a);
	rig_let(rig, 0);
	before = rig->changes;
	rig_call(rig, "change_tools", "{\"name\":\"later\",\"times\":50}", &a);
	wait_for_tool(rig, "later", true);
	rig_let(rig, 300);
	assert_int_equal(rig->changes, before + 1); /* a burst is one */
	rig_call(rig, "state", "{}", &a);
	assert_has(a.text, "\\\"listings\\\": 2");
	rig_call(rig, "change_tools", "{\"name\":\"later\",\"remove\":true}", &a);
	wait_for_tool(rig, "later", false);
}

static void test_change_while_listing(void **state)
{
	struct rig *rig = *state;
	_cleanup_answer_ struct answer a = ANSWER_INIT;

	rig_open(rig, "--list-delay", "150");
	rig_ensure(rig, &a);
	rig_call(rig, "change_tools", "{\"name\":\"one\"}", &a);
	rig_let(rig, 250); /* the fetch is under way, its answer written */
	rig_call(rig, "change_tools", "{\"name\":\"two\"}", &a);
	wait_for_tool(rig, "two", true);
	assert_non_null(upstream_find(rig->u, "one"));
}

/* Answered from the options whether they are offered or not; the server hears of it only if they are. */
static void test_roots(void **state)
{
	static const char roots[] = "[{\"uri\":\"file:///a%20b\",\"name\":\"ab\"}]";
	struct rig *rig = *state;
	_cleanup_answer_ struct answer a = ANSWER_INIT;

	for (unsigned offers = 0; offers < 2; offers++) {
		rig->options.roots = roots;
		rig->options.offers_roots = offers;
		rig_open(rig);
		rig_ensure(rig, &a);
		assert_false(upstream_asked_roots(rig->u));
		rig_call(rig, "state", "{}", &a);
		assert_has(a.text, offers ? "\\\"capabilities\\\": {\\\"roots\\\": {\\\"listChanged\\\": false}}"
					  : "\\\"capabilities\\\": {}");
		rig_call(rig, "ask", "{\"method\":\"roots/list\"}", &a);
		assert_has(a.text, "{\\\"roots\\\":[{\\\"uri\\\":\\\"file:///a%20b\\\",\\\"name\\\":\\\"ab\\\"}]}");
		assert_true(upstream_asked_roots(rig->u));
		rig_close(rig);
	}
	rig->options.roots = NULL;
	rig->options.offers_roots = false;
	rig_open(rig);
	rig_call(rig, "ask", "{\"method\":\"roots/list\"}", &a);
	assert_has(a.text, "does not offer roots/list");
	assert_false(upstream_asked_roots(rig->u));
}

/* One that asked has time to take its roots in before it is called; a list that changes meanwhile is read again. */
static void test_time_for_roots(void **state)
{
	struct rig *rig = *state;
	_cleanup_answer_ struct answer a = ANSWER_INIT;
	uint64_t began = clock_now_ms();

	rig->options.roots = "[]";
	rig_open(rig, "--ask", "roots/list", "--grow", "20");
	rig_ensure(rig, &a);
	assert_int_equal(a.outcome, UPSTREAM_OK);
	assert_true(clock_now_ms() - began >= 200);
	wait_for_tool(rig, "grown", true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define ROW(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
		ROW(test_what_a_tool_has),
		ROW(test_no_tools),
		ROW(test_pages),
		ROW(test_one_big_page),
		ROW(test_too_many_tools),
		ROW(test_cursor_without_end),
		ROW(test_list_changed),
		ROW(test_change_while_listing),
		ROW(test_pages_without_end),
		ROW(test_roots),
		ROW(test_time_for_roots),
	};

	return cmocka_run_group_tests_name("upstream-lists", tests, NULL, NULL);
}
