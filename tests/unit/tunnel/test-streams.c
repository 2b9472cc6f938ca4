/* SPDX-License-Identifier: Apache-2.0 */
/* Streams between two ends: order, credit, ending, giving up, resuming. */
#include "tests/unit/unit.h"

#include "tests/unit/tunnel/pair.h"

#include <errno.h>
#include <string.h>

static int setup(void **state)
{
	static struct pair p;

	pair_init(&p);
	*state = &p;
	return 0;
}

static int teardown(void **state)
{
	pair_done(*state);
	return 0;
}

static void pump(struct pair *p)
{
	_cleanup_error_ struct error err = ERROR_INIT;

	if (pair_pump(p, &err) < 0)
		fail_msg("%s", error_text(&err));
}

static uint32_t open_stream(struct end *e, const char *head, const char *body, bool fin)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	uint32_t stream;

	assert_int_equal(tunnel_open(e->t, head, strlen(head), body, strlen(body), fin, &stream, &err), 0);
	return stream;
}

static size_t stream_count(struct end *e)
{
	struct tunnel_stats stats;

	tunnel_stats(e->t, &stats);
	return stats.streams;
}

static size_t held(struct end *e)
{
	struct tunnel_stats stats;

	tunnel_stats(e->t, &stats);
	return stats.unacked;
}

static void test_call_and_answer(void **state)
{
	struct pair *p = *state;
	_cleanup_error_ struct error err = ERROR_INIT;

	assert_int_equal(open_stream(&p->d, "{\"kind\":\"run\"}", "code", true), 1);
	pair_connect(p);
	pump(p);
	assert_string_equal(story_of(&p->d), "up anew;");
	assert_string_equal(story_of(&p->l), "up anew;open 1 {\"kind\":\"run\"};body 1.0 code;end 1 -;");
	assert_int_equal(open_stream(&p->l, "{}", "{\"a\":1}", true), 2);
	assert_int_equal(tunnel_head(p->l.t, 1, "{}", 2, NULL, 0, false, &err), 0);
	assert_int_equal(tunnel_send(p->l.t, 1, 1, "out", 3, false), 3);
	assert_int_equal(tunnel_send(p->l.t, 1, 2, "err", 3, false), 3);
	assert_int_equal(tunnel_tail(p->l.t, 1, "{\"status\":\"ok\"}", 15), 0);
	pump(p);
	/* Streams take turns, each keeps its order. */
	assert_string_equal(story_of(&p->d), "open 2 {};body 2.0 {\"a\":1};end 2 -;head 1 {};body 1.1 out;body 1.2 err;"
					     "end 1 {\"status\":\"ok\"};");
	assert_int_equal(tunnel_head(p->d.t, 2, "{\"ok\":true}", 11, "[]", 2, true, &err), 0);
	pump(p);
	assert_string_equal(story_of(&p->l), "head 2 {\"ok\":true};body 2.0 [];end 2 -;");
	assert_int_equal(stream_count(&p->d), 0);
	assert_int_equal(stream_count(&p->l), 0);
	assert_int_equal(tunnel_send(p->l.t, 1, 1, "x", 1, false), -ENOENT);
}

static void test_ack_waits_for_handled(void **state)
{
	struct pair *p = *state;
	_cleanup_error_ struct error err = ERROR_INIT;

	p->l.handle = false;
	open_stream(&p->d, "{}", "a", false);
	open_stream(&p->d, "{}", "b", false);
	pair_connect(p);
	pump(p);
	assert_true(held(&p->d) > 0);
	tunnel_handled(p->l.t, 2); /* out of turn: nothing may be acknowledged yet */
	p->now += 20;
	assert_int_equal(tunnel_tick(p->l.link, p->now, &err), 0);
	pump(p);
	assert_true(held(&p->d) > 0);
	tunnel_handled(p->l.t, 1);
	assert_int_equal(tunnel_deadline(p->l.link), p->now + 20);
	pump(p);
	assert_true(held(&p->d) > 0);
	p->now += 20;
	assert_int_equal(tunnel_tick(p->l.link, p->now, &err), 0);
	pump(p);
	assert_int_equal(held(&p->d), 0);
}

static void test_resume_after_cut(void **state)
{
	struct pair *p = *state;
	uint32_t s;

	pair_connect(p);
	s = open_stream(&p->d, "{}", "a", false);
	pump(p);
	assert_string_equal(story_of(&p->l), "up anew;open 1 {};body 1.0 a;");
	/* One frame is lost with the link, one is queued while there is none. */
	assert_int_equal(tunnel_send(p->d.t, s, 0, "b", 1, false), 1);
	end_pull(&p->d, &p->l.wire, p->now);
	pair_cut(p);
	assert_int_equal(tunnel_send(p->d.t, s, 0, "c", 1, true), 1);
	pair_connect(p);
	pump(p);
	assert_string_equal(story_of(&p->l), "up resumed;body 1.0 b;body 1.0 c;end 1 -;");
	assert_string_equal(story_of(&p->d), "up anew;up resumed;");
}

static void test_new_boot_loses_streams(void **state)
{
	struct pair *p = *state;
	struct tunnel_options o;

	pair_connect(p);
	open_stream(&p->d, "{}", "a", false);
	open_stream(&p->l, "{}", "a", false);
	pump(p);
	story_of(&p->d);
	story_of(&p->l);
	end_stop(&p->d); /* a broker of a new boot */
	o = pair_options(p, true);
	end_start(&p->d, &o);
	open_stream(&p->d, "{}", "n", false);
	pair_connect(p);
	pump(p);
	assert_string_equal(story_of(&p->l), "lost 2;lost 1;up anew;open 1 {};body 1.0 n;");
	assert_string_equal(story_of(&p->d), "up anew;");
	end_stop(&p->l); /* a guest of a new boot */
	o = pair_options(p, false);
	end_start(&p->l, &o);
	pair_connect(p);
	pump(p);
	assert_string_equal(story_of(&p->d), "lost 1;up anew;");
	assert_string_equal(story_of(&p->l), "up anew;");
}

static void test_credit(void **state)
{
	struct pair *p = *state;
	static char data[300000];
	uint32_t s;

	p->l.consume = false;
	pair_connect(p);
	s = open_stream(&p->d, "{}", "0123456789", false);
	assert_int_equal(tunnel_room(p->d.t, s), 262134);
	assert_int_equal(tunnel_send(p->d.t, s, 0, data, sizeof(data), true), 262134);
	assert_int_equal(tunnel_room(p->d.t, s), 0);
	pump(p);
	assert_string_equal(story_of(&p->d), "up anew;");
	tunnel_consumed(p->l.t, s, 70000);
	pump(p);
	assert_string_equal(story_of(&p->d), "writable 1;");
	assert_int_equal(tunnel_room(p->d.t, s), 70000);
	assert_int_equal(tunnel_send(p->d.t, s, 0, data, 37866, true), 37866);
	pump(p);
	assert_non_null(strstr(story_of(&p->l), "(37866);end 1 -;"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_call_and_answer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ack_waits_for_handled, setup, teardown),
		cmocka_unit_test_setup_teardown(test_resume_after_cut, setup, teardown),
		cmocka_unit_test_setup_teardown(test_new_boot_loses_streams, setup, teardown),
		cmocka_unit_test_setup_teardown(test_credit, setup, teardown),
	};

	return cmocka_run_group_tests_name("streams", tests, NULL, NULL);
}
