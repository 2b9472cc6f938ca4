/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A conversation of runs, calls, output and a cancel, with the link cut at every byte position of either direction, the
 * handshakes included: once, and at that position of every link. Both ends must hear the same story as without a cut.
 */
#include "tests/unit/unit.h"

#include "tests/unit/tunnel/pair.h"

#include <stdio.h>
#include <string.h>

enum { NEVER = 1 << 30, STORY_LEN = 4096, LINKS_MOST = 4000 };

struct cutter {
	struct pair p;
	size_t budget[2]; /* bytes that the present link still delivers to the dialler, the listener */
	size_t again[2]; /* the same for the next links */
	unsigned links;
	char story[2][STORY_LEN];
};

static void feed(struct cutter *c, int who, size_t len)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct end *e = who == 0 ? &c->p.d : &c->p.l;

	if (tunnel_feed(e->link, buf_head(&e->wire), len, c->p.now, &err) < 0)
		fail_msg("end %d, budget %zu %zu: %s", who, c->again[0], c->again[1], error_text(&err));
	buf_consume(&e->wire, len);
	c->budget[who] -= len;
}

static void connect_again(struct cutter *c)
{
	assert_true(++c->links < LINKS_MOST);
	pair_connect(&c->p);
	memcpy(c->budget, c->again, sizeof(c->budget));
}

/* Moves bytes until nothing moves, over as many links as it takes. */
static void settle(struct cutter *c)
{
	struct pair *p = &c->p;

	for (;;) {
		if (!p->d.link)
			connect_again(c);
		end_pull(&p->d, &p->l.wire, p->now);
		end_pull(&p->l, &p->d.wire, p->now);
		if (p->d.wire.len == 0 && p->l.wire.len == 0)
			return;
		for (int who = 0; who < 2 && p->d.link; who++) {
			struct end *e = who == 0 ? &p->d : &p->l;
			size_t len = e->wire.len;

			if (len > c->budget[who]) {
				feed(c, who, c->budget[who]);
				pair_cut(p);
			} else if (len > 0) {
				feed(c, who, len);
			}
		}
	}
}

/* What the events said, without the news of links. */
static void keep_story(struct cutter *c, int who)
{
	struct end *e = who == 0 ? &c->p.d : &c->p.l;
	char *text = strdup(story_of(e)), *save = NULL;

	assert_non_null(text);
	for (char *part = strtok_r(text, ";", &save); part; part = strtok_r(NULL, ";", &save)) {
		size_t at = strlen(c->story[who]);

		if (strncmp(part, "up ", 3) == 0)
			continue;
		assert_true(at + strlen(part) + 2 < STORY_LEN);
		snprintf(c->story[who] + at, STORY_LEN - at, "%s;", part);
	}
	free(text);
}

static void phase_end(struct cutter *c)
{
	settle(c);
	keep_story(c, 0);
	keep_story(c, 1);
}

static void converse(struct cutter *c, size_t to_dialler, size_t to_listener, bool every_link)
{
	static const size_t never[2] = {NEVER, NEVER};
	_cleanup_error_ struct error err = ERROR_INIT;
	struct tunnel_stats stats;
	uint32_t run, second, call;

	memset(c, 0, sizeof(*c));
	pair_init(&c->p);
	c->p.l.keep = true;
	c->again[0] = to_dialler;
	c->again[1] = to_listener;
	struct tunnel *d = c->p.d.t, *l = c->p.l.t;

	assert_int_equal(tunnel_open(d, "{\"run\":1}", 9, "code", 4, true, &run, &err), 0);
	assert_int_equal(tunnel_open(d, "{\"run\":2}", 9, "more", 4, false, &second, &err), 0);
	connect_again(c);
	if (!every_link)
		memcpy(c->again, never, sizeof(never));
	phase_end(c);
	assert_int_equal(tunnel_head(l, run, "{}", 2, NULL, 0, false, &err), 0);
	assert_int_equal(tunnel_send(l, run, 1, "stdout", 6, false), 6);
	assert_int_equal(tunnel_open(l, "{\"call\":1}", 10, "{}", 2, true, &call, &err), 0);
	assert_int_equal(tunnel_send(d, second, 0, "and more", 8, false), 8);
	phase_end(c);
	assert_int_equal(tunnel_head(d, call, "{\"ok\":true}", 11, "result", 6, true, &err), 0);
	tunnel_cancel(d, second, "{\"reason\":\"cancelled\"}", 22);
	assert_int_equal(tunnel_send(l, run, 2, "stderr", 6, false), 6);
	phase_end(c);
	assert_int_equal(tunnel_tail(l, run, "{\"status\":\"ok\"}", 15), 0);
	assert_int_equal(tunnel_tail(l, second, "{\"status\":\"cancelled\"}", 22), 0);
	phase_end(c);
	c->p.now += 500;
	if (c->p.d.link) /* the last acknowledgements */
		phase_end(c);
	for (int who = 0; who < 2; who++) {
		tunnel_stats(who ? l : d, &stats);
		assert_int_equal(stats.streams, 0);
		assert_int_equal(stats.unacked, 0);
		assert_int_equal(stats.duplicates, 0);
	}
	pair_done(&c->p);
}

static void compare(const struct cutter *want, const struct cutter *got)
{
	assert_string_equal(got->story[0], want->story[0]);
	assert_string_equal(got->story[1], want->story[1]);
}

static void test_one_cut_anywhere(void **state)
{
	static struct cutter want, got;
	unsigned cuts = 0;

	converse(&want, NEVER, NEVER, false);
	assert_non_null(strstr(want.story[0], "end 1 {\"status\":\"ok\"};"));
	assert_non_null(strstr(want.story[1], "head 2 {\"ok\":true};body 2.0 result;end 2 -;"));
	assert_int_equal(want.links, 1);
	for (int who = 0; who < 2; who++)
		for (size_t k = 0; k == 0 || got.links == 2; k++) {
			converse(&got, who == 0 ? k : NEVER, who == 1 ? k : NEVER, false);
			compare(&want, &got);
			cuts += got.links - 1;
		}
	print_message("# %u positions\n", cuts);
	assert_true(cuts > 700);
}

static void test_every_link_cut(void **state)
{
	static struct cutter want, got;
	/* HELLO and PROOF, the listener's HELLO with its proof, and room for one whole frame and what goes before it */
	const size_t least[2] = {144 + 200, 160 + 200};

	converse(&want, NEVER, NEVER, false);
	for (int who = 0; who < 2; who++)
		for (size_t k = least[who]; k == least[who] || got.links > 1; k++) {
			converse(&got, who == 0 ? k : NEVER, who == 1 ? k : NEVER, true);
			compare(&want, &got);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_cut_anywhere),
		cmocka_unit_test(test_every_link_cut),
	};

	return cmocka_run_group_tests_name("cuts", tests, NULL, NULL);
}
