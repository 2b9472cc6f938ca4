/* SPDX-License-Identifier: Apache-2.0 */
/* Streams between two ends: order, credit, ending, giving up, resuming. */
#include "tests/unit/unit.h"

#include "tests/unit/tunnel/pair.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

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
	pair_pump_all(p);
	assert_string_equal(story_of(&p->d), "up anew;");
	assert_string_equal(story_of(&p->l), "up anew;open 1 {\"kind\":\"run\"};body 1.0 code;end 1 -;");
	assert_int_equal(open_stream(&p->l, "{}", "{\"a\":1}", true), 2);
	assert_int_equal(tunnel_head(p->l.t, 1, "{}", 2, NULL, 0, false, &err), 0);
	assert_int_equal(tunnel_send(p->l.t, 1, 1, "out", 3, false), 3);
	assert_int_equal(tunnel_send(p->l.t, 1, 2, "err", 3, false), 3);
	assert_int_equal(tunnel_tail(p->l.t, 1, "{\"status\":\"ok\"}", 15), 0);
	pair_pump_all(p);
	/* Streams take turns, each keeps its order. */
	assert_string_equal(story_of(&p->d), "open 2 {};body 2.0 {\"a\":1};end 2 -;head 1 {};body 1.1 out;body 1.2 err;"
					     "end 1 {\"status\":\"ok\"};");
	assert_int_equal(tunnel_head(p->d.t, 2, "{\"ok\":true}", 11, "[]", 2, true, &err), 0);
	pair_pump_all(p);
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
	pair_pump_all(p);
	assert_true(held(&p->d) > 0);
	tunnel_handled(p->l.t, 2); /* out of turn: nothing may be acknowledged yet */
	p->now += 500;
	assert_int_equal(tunnel_tick(p->l.link, p->now, &err), 0);
	pair_pump_all(p);
	assert_true(held(&p->d) > 0);
	tunnel_handled(p->l.t, 1);
	assert_int_equal(tunnel_deadline(p->l.link), p->now + 500);
	pair_pump_all(p);
	assert_true(held(&p->d) > 0);
	p->now += 500;
	assert_int_equal(tunnel_tick(p->l.link, p->now, &err), 0);
	pair_pump_all(p);
	assert_int_equal(held(&p->d), 0);
}

static void test_resume_after_cut(void **state)
{
	struct pair *p = *state;
	uint32_t s;

	pair_connect(p);
	s = open_stream(&p->d, "{}", "a", false);
	pair_pump_all(p);
	assert_string_equal(story_of(&p->l), "up anew;open 1 {};body 1.0 a;");
	/* One frame is lost with the link, one is queued while there is none. */
	assert_int_equal(tunnel_send(p->d.t, s, 0, "b", 1, false), 1);
	end_pull(&p->d, &p->l.wire, p->now);
	pair_cut(p);
	assert_int_equal(tunnel_send(p->d.t, s, 0, "c", 1, true), 1);
	pair_connect(p);
	pair_pump_all(p);
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
	pair_pump_all(p);
	story_of(&p->d);
	story_of(&p->l);
	end_stop(&p->d); /* a broker of a new boot */
	o = pair_options(p, true);
	end_start(&p->d, &o);
	open_stream(&p->d, "{}", "n", false);
	pair_connect(p);
	pair_pump_all(p);
	assert_string_equal(story_of(&p->l), "lost 2;lost 1;up anew;open 1 {};body 1.0 n;");
	assert_string_equal(story_of(&p->d), "up anew;");
	end_stop(&p->l); /* a guest of a new boot */
	o = pair_options(p, false);
	end_start(&p->l, &o);
	pair_connect(p);
	pair_pump_all(p);
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
	pair_pump_all(p);
	assert_string_equal(story_of(&p->d), "up anew;");
	tunnel_consumed(p->l.t, s, 70000);
	pair_pump_all(p);
	assert_string_equal(story_of(&p->d), "writable 1;");
	assert_int_equal(tunnel_room(p->d.t, s), 70000);
	assert_int_equal(tunnel_send(p->d.t, s, 0, data, 37866, true), 37866);
	pair_pump_all(p);
	assert_non_null(strstr(story_of(&p->l), "(37866);end 1 -;"));
}

/* Sends bytes as long as there is credit, consumed ms later, and returns how much the window had grown to. */
static size_t read_by(struct pair *p, uint32_t s, uint64_t ms)
{
	static char data[8 << 20];
	size_t most = 0;

	for (int i = 0; i < 12; i++) {
		size_t room = tunnel_room(p->d.t, s);

		most = room > most ? room : most;
		assert_int_equal(tunnel_send(p->d.t, s, 0, data, room, false), (ssize_t)room);
		pair_pump_all(p);
		p->now += ms;
		tunnel_consumed(p->l.t, s, room);
		pair_pump_all(p);
		story_of(&p->d);
		story_of(&p->l);
	}
	return most;
}

/* A quick reader's window grows to 4 MiB, a slow one's does not; together they get 8 MiB more, and it comes back. */
static void test_window_grows(void **state)
{
	struct pair *p = *state;
	uint32_t slow, s[5];

	p->l.consume = false;
	pair_connect(p);
	slow = open_stream(&p->d, "{}", "x", false);
	assert_in_range(read_by(p, slow, 1000), 262143, 262144);
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 5; i++)
			s[i] = open_stream(&p->d, "{}", "x", false);
		assert_in_range(read_by(p, s[0], 10), (4 << 20) - 1, 4 << 20);
		assert_in_range(read_by(p, s[1], 10), (4 << 20) - 1, 4 << 20);
		for (int i = 2; i < 5; i++)
			assert_in_range(read_by(p, s[i], 10), 262143, 1 << 20);
		tunnel_reset(p->d.t, s[0], "{}", 2);
		for (int i = 1; i < 5; i++)
			assert_int_equal(tunnel_send(p->d.t, s[i], 0, "", 0, true), 0);
		pair_pump_all(p);
	}
}

/* A run is cancelled: the guest's last words still come, and nothing else of it is left. */
static void test_cancel_keeps_the_answer(void **state)
{
	struct pair *p = *state;
	uint32_t s;

	p->l.keep = true;
	pair_connect(p);
	s = open_stream(&p->d, "{}", "code", true);
	pair_pump_all(p);
	story_of(&p->l);
	tunnel_cancel(p->d.t, s, "{\"reason\":\"cancelled\"}", 22);
	tunnel_cancel(p->d.t, s, "{}", 2); /* once is enough */
	pair_pump_all(p);
	assert_string_equal(story_of(&p->l), "reset 1 {\"reason\":\"cancelled\"};");
	assert_int_equal(tunnel_send(p->l.t, s, 1, "last", 4, false), 4);
	assert_int_equal(tunnel_tail(p->l.t, s, "{}", 2), 0);
	pair_pump_all(p);
	assert_string_equal(story_of(&p->d), "up anew;body 1.1 last;end 1 {};");
	assert_int_equal(stream_count(&p->d) + stream_count(&p->l), 0);
}

/* Cancelled before OPEN was written: it still goes out, as the answer is wanted. */
static void test_cancel_before_open_is_written(void **state)
{
	struct pair *p = *state;
	uint32_t s = open_stream(&p->d, "{}", "code", false);

	p->l.keep = true;
	assert_int_equal(tunnel_send(p->d.t, s, 0, "more", 4, false), 4);
	tunnel_cancel(p->d.t, s, "{}", 2);
	pair_connect(p);
	pair_pump_all(p);
	assert_string_equal(story_of(&p->l), "up anew;open 1 {};body 1.0 code;reset 1 {};");
	assert_int_equal(tunnel_tail(p->l.t, s, "{}", 2), 0);
	pair_pump_all(p);
	assert_int_equal(stream_count(&p->d) + stream_count(&p->l), 0);
}

static void test_reset(void **state)
{
	struct pair *p = *state;
	uint32_t never = open_stream(&p->d, "{}", "never", false), s = open_stream(&p->d, "{}", "b", false);

	tunnel_reset(p->d.t, never, "{}", 2); /* nobody hears of it */
	pair_connect(p);
	pair_pump_all(p);
	assert_string_equal(story_of(&p->l), "up anew;open 3 {};body 3.0 b;");
	/* What is queued is dropped, what is on its way is taken and dropped. */
	assert_int_equal(tunnel_send(p->l.t, s, 1, "on its way", 10, false), 10);
	end_pull(&p->l, &p->d.wire, p->now);
	assert_int_equal(tunnel_send(p->d.t, s, 0, "dropped", 7, false), 7);
	tunnel_reset(p->d.t, s, "{\"reason\":\"x\"}", 14);
	pair_pump_all(p);
	assert_string_equal(story_of(&p->l), "reset 3 {\"reason\":\"x\"};");
	assert_string_equal(story_of(&p->d), "up anew;");
	assert_int_equal(stream_count(&p->d) + stream_count(&p->l), 0);
	p->now += 500;
	pair_pump_all(p);
	assert_int_equal(held(&p->d) + held(&p->l), 0);
}

static void test_too_many_streams(void **state)
{
	struct pair *p = *state;
	char want[64];
	uint32_t s = 0;

	pair_connect(p);
	for (int i = 0; i < 1025; i++)
		s = open_stream(&p->d, "{}", "", false);
	pair_pump_all(p);
	snprintf(want, sizeof(want), "reset %u {\"reason\":\"too_many_streams\"};", s);
	assert_non_null(strstr(story_of(&p->d), want));
	assert_int_equal(stream_count(&p->l), 1024);
}

/* The other end acknowledges nothing: memory is bounded, and waiting streams are told when it is free again. */
static void test_unacked_is_bounded(void **state)
{
	struct pair *p = *state;
	_cleanup_error_ struct error err = ERROR_INIT;
	static char data[60000];
	uint32_t s, last = 0;
	size_t sent = 0;

	p->l.handle = false;
	pair_connect(p);
	for (int i = 0; i < 40; i++) {
		last = s = open_stream(&p->d, "{}", "", false);
		while (tunnel_room(p->d.t, s) > 0)
			sent += (size_t)tunnel_send(p->d.t, s, 0, data, sizeof(data), false);
	}
	pair_pump_all(p);
	assert_true(sent > 7 << 20 && held(&p->d) <= (8 << 20) + 4096);
	assert_int_equal(tunnel_room(p->d.t, last), 0);
	assert_true(tunnel_open(p->d.t, "{}", 2, data, sizeof(data), false, &s, &err) == 0); /* up to twice as much */
	for (uint32_t i = 1; i <= p->l.last_sequence; i++)
		tunnel_handled(p->l.t, i);
	story_of(&p->d);
	pair_pump_all(p);
	assert_non_null(strstr(story_of(&p->d), "writable 79;"));
	assert_true(tunnel_room(p->d.t, last) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_call_and_answer, pair_setup, pair_teardown),
		cmocka_unit_test_setup_teardown(test_ack_waits_for_handled, pair_setup, pair_teardown),
		cmocka_unit_test_setup_teardown(test_resume_after_cut, pair_setup, pair_teardown),
		cmocka_unit_test_setup_teardown(test_new_boot_loses_streams, pair_setup, pair_teardown),
		cmocka_unit_test_setup_teardown(test_credit, pair_setup, pair_teardown),
		cmocka_unit_test_setup_teardown(test_window_grows, pair_setup, pair_teardown),
		cmocka_unit_test_setup_teardown(test_cancel_keeps_the_answer, pair_setup, pair_teardown),
		cmocka_unit_test_setup_teardown(test_cancel_before_open_is_written, pair_setup, pair_teardown),
		cmocka_unit_test_setup_teardown(test_reset, pair_setup, pair_teardown),
		cmocka_unit_test_setup_teardown(test_too_many_streams, pair_setup, pair_teardown),
		cmocka_unit_test_setup_teardown(test_unacked_is_bounded, pair_setup, pair_teardown),
	};

	return cmocka_run_group_tests_name("streams", tests, NULL, NULL);
}
