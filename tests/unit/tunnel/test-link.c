/* SPDX-License-Identifier: Apache-2.0 */
/* The handshake's refusals, faults of links and of conversations, silence. */
#include "tests/unit/unit.h"

#include "tests/unit/tunnel/pair.h"

#include <errno.h>
#include <string.h>

/* The pair does not come up; returns what the first end to refuse said. */
static int refusal(struct pair *p, const char *want)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	int r;

	pair_connect(p);
	r = pair_pump(p, &err);
	assert_true(r < 0);
	if (!strstr(error_text(&err), want))
		fail_msg("\"%s\" is not \"%s\"", error_text(&err), want);
	assert_false(tunnel_is_up(p->l.t));
	assert_string_equal(story_of(&p->l), "");
	return r;
}

static void restart(struct pair *p, struct end *e, const struct tunnel_options *o)
{
	end_stop(e);
	end_start(e, o);
}

static void test_wrong_secret(void **state)
{
	struct pair *p = *state;
	struct tunnel_options o = pair_options(p, true);

	o.secret[31] ^= 1;
	restart(p, &p->d, &o);
	assert_int_equal(refusal(p, "wrong proof"), -EACCES); /* the dialler sees the listener's first */
	assert_int_equal(p->l.wire.len, 0); /* and says nothing about it */
}

/* A dialler without the secret that goes on all the same. */
static void test_wrong_dialler_proof(void **state)
{
	struct pair *p = *state;
	_cleanup_error_ struct error err = ERROR_INIT;
	uint8_t proof[32] = {0};

	pair_connect(p);
	end_pull(&p->d, &p->l.wire, p->now);
	wire_frame(&p->l.wire, FRAME_PROOF, 0, 0, 0, 0, proof, sizeof(proof));
	wire_frame(&p->l.wire, FRAME_OPEN, 0, 0, 1, 1, "\0\2{}", 4);
	assert_int_equal(tunnel_feed(p->l.link, buf_head(&p->l.wire), p->l.wire.len, p->now, &err), -EACCES);
	assert_false(tunnel_link_is_proven(p->l.link));
	assert_string_equal(story_of(&p->l), "");
}

static void test_wrong_tunnel_or_version(void **state)
{
	struct pair *p = *state;
	_cleanup_error_ struct error err = ERROR_INIT;
	struct tunnel_options o = pair_options(p, true);

	o.id.bytes[0] ^= 1;
	restart(p, &p->d, &o);
	assert_int_equal(refusal(p, "another tunnel"), -EPROTO);
	assert_non_null(memmem(buf_head(&p->d.wire), p->d.wire.len, "{\"reason\":\"tunnel\"}", 19));
	pair_connect(p);
	end_pull(&p->d, &p->l.wire, p->now);
	buf_head(&p->l.wire)[FRAME_HEADER + 4] = 2; /* speaks 2 to 3 */
	buf_head(&p->l.wire)[FRAME_HEADER + 5] = 3;
	assert_int_equal(tunnel_feed(p->l.link, buf_head(&p->l.wire), p->l.wire.len, p->now, &err), -EPROTO);
	assert_non_null(strstr(error_text(&err), "version"));
}

static void test_listener_without_id_takes_the_first(void **state)
{
	struct pair *p = *state;
	struct tunnel_options o = pair_options(p, false);

	memset(&o.id, 0, sizeof(o.id));
	restart(p, &p->l, &o);
	pair_connect(p);
	pair_pump_all(p);
	assert_string_equal(story_of(&p->l), "up anew;");
	o = pair_options(p, true);
	o.id.bytes[3] ^= 1;
	restart(p, &p->d, &o);
	assert_int_equal(refusal(p, "another tunnel"), -EPROTO);
}

static void test_reflection(void **state)
{
	struct pair *p = *state;
	_cleanup_error_ struct error err = ERROR_INIT;
	uint8_t payload[128] = {0};

	pair_connect(p);
	end_pull(&p->d, &p->l.wire, p->now);
	/* The dialler's own HELLO comes back to it, with a made-up proof. */
	memcpy(payload, buf_head(&p->l.wire) + FRAME_HEADER, 96);
	wire_frame(&p->d.wire, FRAME_HELLO, 0, 0, 0, 0, payload, sizeof(payload));
	assert_int_equal(tunnel_feed(p->d.link, buf_head(&p->d.wire), p->d.wire.len, p->now, &err), -EACCES);
	assert_false(tunnel_is_up(p->d.t));
}

static void test_garbage(void **state)
{
	struct pair *p = *state;
	_cleanup_error_ struct error err = ERROR_INIT;
	static const char http[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

	pair_connect(p);
	assert_int_equal(tunnel_feed(p->l.link, (const uint8_t *)http, sizeof(http), p->now, &err), -EPROTO);
	assert_int_equal(tunnel_feed(p->l.link, (const uint8_t *)http, sizeof(http), p->now, &err), -ESTALE);
	pair_connect(p);
	wire_frame(&p->l.wire, FRAME_PING, 0, 0, 0, 0, "", 0); /* a good frame, but before the proof */
	assert_int_equal(tunnel_feed(p->l.link, buf_head(&p->l.wire), p->l.wire.len, p->now, &err), -EPROTO);
	assert_non_null(strstr(error_text(&err), "before the proof"));
}

/* Strangers, whatever they say, change nothing for a tunnel that is up. */
static void test_stranger_beside_a_live_link(void **state)
{
	struct pair *p = *state;
	_cleanup_error_ struct error err = ERROR_INIT;
	struct tunnel_link *stranger;
	uint32_t s;

	pair_connect(p);
	assert_int_equal(tunnel_open(p->d.t, "{}", 2, "a", 1, false, &s, &err), 0);
	pair_pump_all(p);
	story_of(&p->l);
	for (int i = 0; i < 1000; i++) {
		uint8_t hello[96] = "HWSR\1\1";
		_cleanup_buf_ struct buf wire = BUF_INIT(1000);

		memset(hello + 8, 7, 16);
		memset(hello + 24, 1 + i % 255, 16);
		wire_frame(&wire, FRAME_HELLO, 0, 0, 0, 0, hello, sizeof(hello));
		assert_int_equal(tunnel_link_new(p->l.t, p->now, NULL, NULL, &stranger, &err), 0);
		assert_int_equal(tunnel_feed(stranger, buf_head(&wire), wire.len, p->now, &err), 0);
		assert_int_equal(tunnel_deadline(stranger), p->now + 5000);
		if (i == 500)
			assert_int_equal(tunnel_tick(stranger, p->now + 5000, &err), -ETIMEDOUT);
		tunnel_link_free(stranger);
	}
	assert_int_equal(tunnel_send(p->d.t, s, 0, "b", 1, false), 1);
	pair_pump_all(p);
	assert_string_equal(story_of(&p->l), "body 1.0 b;");
	pair_connect(p);
	pair_pump_all(p);
	assert_string_equal(story_of(&p->l), "up resumed;");
}

static void test_new_link_replaces_the_old(void **state)
{
	struct pair *p = *state;
	_cleanup_error_ struct error err = ERROR_INIT;
	struct tunnel_link *old_d, *old_l;

	pair_connect(p);
	pair_pump_all(p);
	old_d = p->d.link;
	old_l = p->l.link;
	p->d.link = p->l.link = NULL;
	pair_connect(p);
	assert_true(tunnel_link_is_up(old_l));
	pair_pump_all(p);
	assert_false(tunnel_link_is_up(old_l));
	assert_true(tunnel_link_is_up(p->l.link));
	assert_int_equal(p->l.replaced, 1);
	assert_int_equal(p->d.replaced, 1);
	assert_int_equal(tunnel_tick(old_l, p->now, &err), -ESTALE);
	tunnel_link_free(old_d);
	tunnel_link_free(old_l);
	assert_true(tunnel_is_up(p->l.t));
}

/* Feeds one frame to the listener on a link that is up. */
static int feed_listener(struct pair *p, uint8_t type, uint8_t flags, uint32_t stream, uint32_t sequence,
			 const void *payload, size_t len, struct error *err)
{
	buf_clear(&p->l.wire);
	wire_frame(&p->l.wire, type, flags, 0, stream, sequence, payload, len);
	return tunnel_feed(p->l.link, buf_head(&p->l.wire), p->l.wire.len, p->now, err);
}

static void test_gap_and_duplicate(void **state)
{
	struct pair *p = *state;
	_cleanup_error_ struct error err = ERROR_INIT;
	uint32_t s;

	pair_connect(p);
	pair_pump_all(p);
	assert_int_equal(tunnel_open(p->d.t, "{}", 2, "a", 1, false, &s, &err), 0);
	pair_pump_all(p);
	story_of(&p->l);
	assert_int_equal(feed_listener(p, FRAME_BODY, 0, s, 1, "dup", 3, &err), 0); /* dropped */
	assert_string_equal(story_of(&p->l), "");
	assert_int_equal(feed_listener(p, FRAME_BODY, 0, s, 3, "gap", 3, &err), -EPROTO);
	/* A fault of the link alone: the resume repairs it. */
	assert_int_equal(tunnel_send(p->d.t, s, 0, "b", 1, false), 1);
	pair_connect(p);
	pair_pump_all(p);
	assert_string_equal(story_of(&p->l), "up resumed;body 1.0 b;");
}

static void test_faults_of_the_conversation(void **state)
{
	struct pair *p = *state;
	static uint8_t big[FRAME_PAYLOAD_MAX];
	static const struct {
		uint8_t type, flags;
		uint32_t stream, sequence;
		const char *payload;
		size_t len;
		const char *why;
	} cases[] = {
		{FRAME_BODY, 0, 5, 2, "x", 1, "never was"},        {FRAME_BODY, 0, 2, 2, "x", 1, "never was"},
		{FRAME_OPEN, 0, 1, 2, "\0\0", 2, "number"},        {FRAME_OPEN, 0, 2, 2, "\0\0", 2, "number"},
		{FRAME_OPEN, 0, 3, 2, "\0\3{}", 4, "length"},      {FRAME_HEAD, 0, 1, 2, "\0\0", 2, "head"},
		{FRAME_ACK, 0, 0, 0, "\0\0\0\1", 4, "never sent"}, {FRAME_BODY, 0, 1, 2, NULL, 0, "credit"},
		{FRAME_BODY, 1, 1, 2, "", 0, "behind the end"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_error_ struct error err = ERROR_INIT;
		struct tunnel_options o = pair_options(p, false);
		uint32_t sequence = cases[i].sequence;
		uint32_t s;
		int r = 0;

		end_stop(&p->d);
		restart(p, &p->l, &o);
		o = pair_options(p, true);
		end_start(&p->d, &o);
		p->l.consume = false;
		pair_connect(p);
		assert_int_equal(tunnel_open(p->d.t, "{}", 2, NULL, 0, false, &s, &err), 0);
		pair_pump_all(p);
		story_of(&p->l);
		story_of(&p->d);
		if (!cases[i].payload) { /* a byte more than four frames of 64 KiB */
			for (; sequence < 6; sequence++)
				assert_int_equal(feed_listener(p, FRAME_BODY, 0, 1, sequence, big, sizeof(big), &err),
						 0);
			story_of(&p->l);
			r = feed_listener(p, FRAME_BODY, 0, 1, sequence, "x", 1, &err);
		} else {
			r = feed_listener(p, cases[i].type, cases[i].flags, cases[i].stream, sequence, cases[i].payload,
					  cases[i].len, &err);
		}
		if (r == 0 && cases[i].flags) { /* the first was good: end;, the next is behind it */
			assert_string_equal(story_of(&p->l), "end 1 -;");
			r = feed_listener(p, FRAME_BODY, 0, 1, sequence + 1, "x", 1, &err);
		}
		assert_int_equal(r, -EPROTO);
		if (!strstr(error_text(&err), cases[i].why))
			fail_msg("case %zu: %s", i, error_text(&err));
		assert_string_equal(story_of(&p->l), "lost 1;");
		buf_clear(&p->d.wire);
		end_pull(&p->l, &p->d.wire, p->now);
		assert_non_null(memmem(buf_head(&p->d.wire), p->d.wire.len, "{\"reason\":\"fault\"}", 18));
		pair_connect(p); /* it would come again: so the next link is a new conversation */
		pair_pump_all(p);
		assert_string_equal(story_of(&p->d), "lost 1;up anew;");
		assert_string_equal(story_of(&p->l), "up anew;");
	}
}

static void test_silence(void **state)
{
	struct pair *p = *state;
	_cleanup_error_ struct error err = ERROR_INIT;
	struct buf lost = BUF_INIT(1000);

	pair_connect(p);
	pair_pump_all(p);
	assert_int_equal(tunnel_deadline(p->d.link), p->now + 20000);
	p->now += 20000;
	assert_int_equal(tunnel_tick(p->d.link, p->now, &err), 0);
	pair_pump_all(p); /* PING and PONG */
	assert_int_equal(tunnel_deadline(p->d.link), p->now + 20000);
	p->now += 20000;
	assert_int_equal(tunnel_tick(p->d.link, p->now, &err), 0);
	end_pull(&p->d, &lost, p->now);
	assert_int_equal(lost.len, FRAME_HEADER);
	buf_done(&lost);
	assert_int_equal(tunnel_deadline(p->d.link), p->now + 10000);
	p->now += 9999;
	assert_int_equal(tunnel_tick(p->d.link, p->now, &err), 0);
	p->now += 1;
	assert_int_equal(tunnel_tick(p->d.link, p->now, &err), -ETIMEDOUT);
	assert_false(tunnel_is_up(p->d.t));
}

static void test_ping_is_answered_with_its_payload(void **state)
{
	struct pair *p = *state;
	_cleanup_error_ struct error err = ERROR_INIT;

	pair_connect(p);
	pair_pump_all(p);
	assert_int_equal(feed_listener(p, FRAME_PING, 0, 0, 0, "hello", 5, &err), 0);
	end_pull(&p->l, &p->d.wire, p->now);
	assert_int_equal(p->d.wire.len, FRAME_HEADER + 5);
	assert_int_equal(buf_head(&p->d.wire)[4], FRAME_PONG);
	assert_memory_equal(buf_head(&p->d.wire) + FRAME_HEADER, "hello", 5);
	buf_clear(&p->d.wire);
	for (int i = 0; i < 100000; i++) /* a flood is bounded */
		assert_int_equal(feed_listener(p, FRAME_PING, 0, 0, 0, "hello", 5, &err), 0);
	end_pull(&p->l, &p->d.wire, p->now);
	assert_true(p->d.wire.len <= 4096);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_wrong_secret, pair_setup, pair_teardown),
		cmocka_unit_test_setup_teardown(test_wrong_dialler_proof, pair_setup, pair_teardown),
		cmocka_unit_test_setup_teardown(test_wrong_tunnel_or_version, pair_setup, pair_teardown),
		cmocka_unit_test_setup_teardown(test_listener_without_id_takes_the_first, pair_setup, pair_teardown),
		cmocka_unit_test_setup_teardown(test_reflection, pair_setup, pair_teardown),
		cmocka_unit_test_setup_teardown(test_garbage, pair_setup, pair_teardown),
		cmocka_unit_test_setup_teardown(test_stranger_beside_a_live_link, pair_setup, pair_teardown),
		cmocka_unit_test_setup_teardown(test_new_link_replaces_the_old, pair_setup, pair_teardown),
		cmocka_unit_test_setup_teardown(test_gap_and_duplicate, pair_setup, pair_teardown),
		cmocka_unit_test_setup_teardown(test_faults_of_the_conversation, pair_setup, pair_teardown),
		cmocka_unit_test_setup_teardown(test_silence, pair_setup, pair_teardown),
		cmocka_unit_test_setup_teardown(test_ping_is_answered_with_its_payload, pair_setup, pair_teardown),
	};

	return cmocka_run_group_tests_name("link", tests, NULL, NULL);
}
