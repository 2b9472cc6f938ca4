/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "base/ids.h"
#include "tunnel/carrier/stream.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A dialler and a listener on two ends of a socket pair; the dialler sends size bytes on one stream, which come back.
 */
struct end {
	struct tunnel *tunnel;
	struct carrier *carrier;
	struct rig *rig;
	uint32_t stream;
	size_t sent, received, fed;
	uint64_t sum;
	int closed;
	bool free_when_closed;
};

struct rig {
	struct loop *loop;
	struct end d, l;
	size_t size;
	bool up;
};

static uint8_t byte_at(size_t i)
{
	return (uint8_t)(i * 7 + i / 251);
}

static void send_more(struct end *e)
{
	uint8_t piece[10000];

	while (e->sent < e->rig->size) {
		size_t n = e->rig->size - e->sent < sizeof(piece) ? e->rig->size - e->sent : sizeof(piece);
		ssize_t taken;

		for (size_t i = 0; i < n; i++)
			piece[i] = byte_at(e->sent + i);
		taken = tunnel_send(e->tunnel, e->stream, 0, piece, n, false);
		assert_true(taken >= 0);
		if (taken == 0)
			break;
		e->sent += (size_t)taken;
	}
}

static void on_up(void *user, bool resumed)
{
	struct end *e = user;

	(void)resumed;
	e->rig->up = true;
}

static void on_open(void *user, uint32_t stream, const char *head, size_t len)
{
	struct end *e = user;
	struct error err = ERROR_INIT;

	(void)head;
	(void)len;
	e->stream = stream;
	assert_int_equal(tunnel_head(e->tunnel, stream, "{}", 2, NULL, 0, false, &err), 0);
	send_more(e);
}

static void on_body(void *user, uint32_t stream, uint16_t channel, const uint8_t *data, size_t len)
{
	struct end *e = user;

	(void)channel;
	for (size_t i = 0; i < len; i++)
		assert_int_equal(data[i], byte_at(e->received + i));
	e->received += len;
	tunnel_consumed(e->tunnel, stream, len);
}

static void on_writable(void *user, uint32_t stream)
{
	(void)stream;
	send_more(user);
}

static const struct tunnel_events events = {.up = on_up, .open = on_open, .body = on_body, .writable = on_writable};

static void on_closed(void *user, const struct error *reason)
{
	struct end *e = user;

	assert_true(reason->code < 0);
	e->closed++;
	if (!e->free_when_closed)
		return;
	assert_null(carrier_link(e->carrier));
	e->carrier = carrier_free(e->carrier);
}

static void on_fed(void *user)
{
	struct end *e = user;

	e->fed++;
}

static const struct carrier_events carrier_events = {.closed = on_closed, .fed = on_fed};

static void on_random(void *user, void *data, size_t len)
{
	(void)user;
	random_bytes(data, len);
}

static void end_make(struct rig *rig, struct end *e, bool dialler)
{
	struct tunnel_options options = {.dialler = dialler, .random = on_random, .secret = {1, 2, 3}, .id = {{9}}};
	struct error err = ERROR_INIT;

	e->rig = rig;
	random_bytes(&options.boot, sizeof(options.boot));
	assert_int_equal(tunnel_new(&options, &events, e, &e->tunnel, &err), 0);
}

static int setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	struct error err = ERROR_INIT;

	assert_int_equal(loop_new(&rig->loop, &err), 0);
	end_make(rig, &rig->d, true);
	end_make(rig, &rig->l, false);
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	struct rig *rig = *state;

	carrier_free(rig->d.carrier);
	carrier_free(rig->l.carrier);
	tunnel_free(rig->d.tunnel);
	tunnel_free(rig->l.tunnel);
	loop_free(rig->loop);
	free(rig);
	return 0;
}

/* Small socket buffers, so that writes are short and wait. */
static void link_up(struct rig *rig, int fds[2])
{
	struct error err = ERROR_INIT;
	int small = 4096;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	assert_int_equal(carrier_stream_new(rig->loop, rig->d.tunnel, fds[0], fds[0], &carrier_events, &rig->d,
					    &rig->d.carrier, &err),
			 0);
	assert_int_equal(carrier_stream_new(rig->loop, rig->l.tunnel, fds[1], fds[1], &carrier_events, &rig->l,
					    &rig->l.carrier, &err),
			 0);
}

static void turn_until(struct rig *rig, bool (*done)(const struct rig *rig))
{
	for (int i = 0; i < 200000 && !done(rig); i++)
		loop_turn(rig->loop, 2000);
	assert_true(done(rig));
}

static bool is_up(const struct rig *rig)
{
	return tunnel_is_up(rig->d.tunnel) && tunnel_is_up(rig->l.tunnel);
}

static bool all_there(const struct rig *rig)
{
	return rig->d.received == rig->size && rig->l.received == rig->size;
}

static void begin(struct rig *rig, size_t size)
{
	struct error err = ERROR_INIT;

	rig->size = size;
	assert_int_equal(tunnel_open(rig->d.tunnel, "{}", 2, NULL, 0, false, &rig->d.stream, &err), 0);
	send_more(&rig->d);
	carrier_kick(rig->d.carrier);
}

static void test_both_ways_through_small_buffers(void **state)
{
	struct rig *rig = *state;
	int fds[2];

	link_up(rig, fds);
	turn_until(rig, is_up);
	begin(rig, 5 << 20);
	turn_until(rig, all_there);
	assert_true(rig->d.fed > 0 && rig->l.fed > 0);
	assert_int_equal(rig->d.closed + rig->l.closed, 0);
}

static void test_the_other_end_goes(void **state)
{
	struct rig *rig = *state;
	int fds[2];

	link_up(rig, fds);
	turn_until(rig, is_up);
	begin(rig, 1 << 20);
	rig->d.free_when_closed = true;
	rig->l.carrier = carrier_free(rig->l.carrier);
	carrier_kick(rig->d.carrier); /* a failed write is told on a later turn */
	assert_int_equal(rig->d.closed, 0);
	for (int i = 0; i < 1000 && rig->d.closed == 0; i++)
		loop_turn(rig->loop, 2000);
	assert_int_equal(rig->d.closed, 1);
	assert_null(rig->d.carrier);
	link_up(rig, fds); /* the tunnel goes on with another link */
	turn_until(rig, all_there);
}

static void test_a_new_link_replaces_the_old(void **state)
{
	struct rig *rig = *state;
	struct carrier *old;
	int fds[2];

	link_up(rig, fds);
	turn_until(rig, is_up);
	begin(rig, 1 << 20);
	old = rig->l.carrier;
	rig->d.carrier = carrier_free(rig->d.carrier);
	link_up(rig, fds);
	turn_until(rig, all_there);
	assert_int_equal(rig->l.closed, 1);
	assert_null(carrier_link(old));
	carrier_free(old);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_both_ways_through_small_buffers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_other_end_goes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_new_link_replaces_the_old, setup, teardown),
	};

	return cmocka_run_group_tests_name("tunnel/carrier/stream", tests, NULL, NULL);
}
