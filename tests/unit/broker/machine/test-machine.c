/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "base/ids.h"
#include "broker/machine/machine.h"
#include "tunnel/carrier/carrier.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A machine, and a guest in the same process that begins each run and makes CALLS calls of it. */
enum { CALLS = 8 };
static const int in_order[CALLS + 1] = {1, 2, 3, 4, 5, 6, 7, 8};
static const int repeated[] = {1, 2, 2, 1, 3, -1, 4, 5, 5, 6, 7, 3, 8, 0};

struct rig {
	struct loop *loop;
	char dir[64], path[96];
	int listener;
	struct loop_fd *watch;
	struct tunnel *guest;
	struct carrier *carrier;
	struct machine *machine;
	struct machine_run *run;
	const int *ids; /* of the guest's calls, ends with 0 */
	int64_t last_id;
	int calls, cancelled, outputs, ends, held, not_held;
	bool knows_holds; /* else as a guest of before: the kind is unknown */
	bool stays; /* no end after the last call */
	bool free_at_first_call; /* else: lost when all calls are there */
	bool says_end; /* the guest ends the run with a TAIL */
	bool keeps_end; /* its row is still to be written */
	uint32_t end;
	bool gone; /* no event may come any more */
	char lost[64];
};

/* ---- the guest ---- */

static void guest_on_open(void *user, uint32_t stream, const char *head, size_t len)
{
	static const char started[] = "{\"started\":true}";
	struct rig *rig = user;
	struct error err = ERROR_INIT;

	if (memmem(head, len, "\"hold\"", 6)) {
		static const char unknown[] = "{\"reason\":\"unknown_kind\"}", held[] = "{\"held\":true}";

		if (!rig->knows_holds)
			tunnel_reset(rig->guest, stream, unknown, sizeof(unknown) - 1);
		else
			assert_int_equal(tunnel_head(rig->guest, stream, held, sizeof(held) - 1, NULL, 0, false, &err),
					 0);
		return;
	}
	assert_int_equal(tunnel_head(rig->guest, stream, started, sizeof(started) - 1, NULL, 0, false, &err), 0);
	for (const int *id = rig->ids; *id; id++) {
		uint32_t call;
		char text[128];
		int n = snprintf(text, sizeof(text),
				 "{\"kind\":\"call\",\"run\":\"run_x\",\"id\":%d,\"server\":\"s\",\"tool\":\"t\"}",
				 *id);

		assert_int_equal(tunnel_open(rig->guest, text, (size_t)n, "{}", 2, true, &call, &err), 0);
	}
	assert_int_equal(tunnel_send(rig->guest, stream, CHANNEL_STDOUT, "out", 3, false), 3);
	if (rig->says_end)
		assert_int_equal(tunnel_tail(rig->guest, stream, "{\"status\":\"ok\"}", 15), 0);
}

static void guest_on_closed(void *user, const struct error *reason)
{
	struct rig *rig = user;

	(void)reason;
	rig->carrier = carrier_free(rig->carrier);
}

static void on_connection(void *user, unsigned events)
{
	static const struct carrier_events carrier_events = {.closed = guest_on_closed};
	struct rig *rig = user;
	struct error err = ERROR_INIT;
	int fd = accept4(rig->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	assert_true(fd >= 0);
	assert_int_equal(carrier_stream_new(rig->loop, rig->guest, fd, fd, &carrier_events, rig, &rig->carrier, &err),
			 0);
}

/* ---- the machine's events ---- */

static void on_call(void *user, struct machine_call *call)
{
	struct rig *rig = user;

	assert_false(rig->gone);
	rig->calls++;
	assert_true(machine_call_facts(call)->id > rig->last_id);
	rig->last_id = machine_call_facts(call)->id;
	if (rig->free_at_first_call) {
		rig->gone = true;
		rig->machine = machine_free(rig->machine);
	} else if (rig->calls == CALLS && !rig->stays) {
		machine_lost(rig->machine, "its keeper ended");
	}
}

static void on_call_cancelled(void *user, struct machine_call *call)
{
	struct rig *rig = user;

	(void)call;
	assert_false(rig->gone);
	rig->cancelled++;
}

static void on_output(void *user, uint16_t channel, const uint8_t *data, size_t len)
{
	struct rig *rig = user;

	(void)channel, (void)data, (void)len;
	assert_false(rig->gone);
	rig->outputs++;
}

static void on_held(void *user, bool held)
{
	struct rig *rig = user;

	assert_false(rig->gone);
	rig->held += held;
	rig->not_held += !held;
}

static void on_end(void *user, const struct machine_run_end *end)
{
	struct rig *rig = user;

	assert_false(rig->gone);
	assert_int_equal(!end->tail_json, !rig->says_end);
	snprintf(rig->lost, sizeof(rig->lost), "%s", end->lost ? end->lost : "");
	if (rig->keeps_end)
		rig->end = machine_run_keep_end(rig->run);
	rig->ends++;
	rig->run = NULL;
}

static void random_of(void *user, void *data, size_t len)
{
	(void)user;
	random_bytes(data, len);
}

static int set_up(void **state)
{
	static const struct machine_events events = {.call = on_call, .call_cancelled = on_call_cancelled};
	static const struct tunnel_events guest_events = {.open = guest_on_open};
	struct rig *rig = calloc(1, sizeof(*rig));
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct tunnel_options listener = {.random = random_of};
	struct machine_options o = {.args_max = 1 << 20, .connect_limit_ms = 5000};
	struct error err = ERROR_INIT;

	rig->ids = in_order;
	assert_int_equal(loop_new(&rig->loop, &err), 0);
	snprintf(rig->dir, sizeof(rig->dir), "/tmp/machine-XXXXXX");
	assert_non_null(mkdtemp(rig->dir));
	snprintf(rig->path, sizeof(rig->path), "%s/s", rig->dir);
	strcpy(address.sun_path, rig->path);
	rig->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(rig->listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(rig->listener, 4), 0);
	assert_int_equal(loop_fd_new(rig->loop, rig->listener, on_connection, rig, &rig->watch, &err), 0);
	loop_fd_watch(rig->watch, LOOP_READ);
	assert_int_equal(tunnel_new(&listener, &guest_events, rig, &rig->guest, &err), 0);
	o.endpoint.unix_path = rig->path;
	assert_int_equal(machine_new(rig->loop, &o, &events, rig, &rig->machine, &err), 0);
	*state = rig;
	return 0;
}

static int tear_down(void **state)
{
	struct rig *rig = *state;

	machine_free(rig->machine);
	carrier_free(rig->carrier);
	loop_fd_free(rig->watch);
	loop_free(rig->loop);
	tunnel_free(rig->guest);
	close(rig->listener);
	unlink(rig->path);
	rmdir(rig->dir);
	free(rig);
	return 0;
}

static void start(struct rig *rig)
{
	static const struct machine_run_events events = {.output = on_output, .held = on_held, .end = on_end};
	static const char head[] = "{\"kind\":\"run\",\"run\":\"run_x\"}";
	struct error err = ERROR_INIT;

	assert_int_equal(machine_run_start(rig->machine, "run_x", span_of(head, sizeof(head) - 1), SPAN_NONE,
					   SPAN_LIT("1"), &events, rig, &rig->run, &err),
			 0);
}

/* The end of a run takes its open calls with it while the table of streams is walked. */
static void test_lost_with_open_calls(void **state)
{
	struct rig *rig = *state;

	start(rig);
	for (int i = 0; i < 200 && rig->ends == 0; i++)
		loop_turn(rig->loop, 50);
	assert_int_equal(rig->calls, CALLS);
	assert_int_equal(rig->cancelled, CALLS);
	assert_int_equal(rig->ends, 1);
	assert_string_equal(rig->lost, "its keeper ended");
	loop_turn(rig->loop, 20);
	assert_int_equal(rig->ends, 1);
}

/* An id is called at most once, however often a guest says it. */
static void test_an_id_once(void **state)
{
	struct rig *rig = *state;

	rig->ids = repeated;
	start(rig);
	for (int i = 0; i < 200 && rig->ends == 0; i++)
		loop_turn(rig->loop, 50);
	assert_int_equal(rig->calls, CALLS);
	assert_int_equal(rig->last_id, CALLS);
}

/* What is left of the same read is nobody's any more. */
static void test_freed_in_its_event(void **state)
{
	struct rig *rig = *state;

	rig->free_at_first_call = true;
	start(rig);
	for (int i = 0; i < 200 && !rig->gone; i++)
		loop_turn(rig->loop, 50);
	assert_true(rig->gone);
	loop_turn(rig->loop, 20);
	assert_int_equal(rig->calls, 1);
	assert_int_equal(rig->outputs + rig->ends + rig->cancelled, 0);
}

static void turn_until(struct rig *rig, const int *count, int wanted)
{
	for (int i = 0; i < 200 && *count < wanted; i++)
		loop_turn(rig->loop, 50);
	assert_int_equal(*count, wanted);
}

/* A guest that does not know holds refuses the stream; the next one is refused again, and the run goes on. */
static void test_hold_of_an_older_guest(void **state)
{
	struct rig *rig = *state;

	rig->stays = true;
	start(rig);
	turn_until(rig, &rig->calls, CALLS);
	machine_run_hold(rig->run);
	turn_until(rig, &rig->not_held, 1);
	machine_run_release(rig->run); /* there is nothing to release */
	machine_run_hold(rig->run);
	turn_until(rig, &rig->not_held, 2);
	assert_int_equal(rig->held + rig->ends, 0);
}

/* Released and held again; what is open when the run is lost goes with it. */
static void test_hold(void **state)
{
	struct rig *rig = *state;

	rig->stays = rig->knows_holds = true;
	start(rig);
	turn_until(rig, &rig->calls, CALLS);
	for (int i = 1; i <= 3; i++) {
		machine_run_hold(rig->run);
		machine_run_hold(rig->run); /* it is held once */
		turn_until(rig, &rig->held, i);
		if (i < 3)
			machine_run_release(rig->run);
	}
	machine_lost(rig->machine, "its keeper ended");
	assert_int_equal(rig->ends, 1);
	assert_int_equal(rig->not_held, 0);
}

static size_t unacknowledged(const struct rig *rig)
{
	struct tunnel_stats stats;

	tunnel_stats(rig->guest, &stats);
	return stats.unacked;
}

static void turn_until_acknowledged(struct rig *rig)
{
	for (int i = 0; i < 200 && unacknowledged(rig) > 0; i++)
		loop_turn(rig->loop, 50);
	assert_int_equal(unacknowledged(rig), 0);
}

/* Everything before the end is acknowledged, the end itself when it is kept: a broker that dies before hears it again.
 */
static void test_an_end_waits_for_its_row(void **state)
{
	static const int none[] = {0};
	struct rig *rig = *state;
	size_t all;

	rig->ids = none;
	rig->says_end = rig->keeps_end = true;
	start(rig);
	turn_until(rig, &rig->ends, 1);
	all = unacknowledged(rig);
	for (int i = 0; i < 200 && unacknowledged(rig) == all; i++)
		loop_turn(rig->loop, 50);
	assert_true(unacknowledged(rig) > 0);
	machine_end_kept(rig->machine, rig->end);
	turn_until_acknowledged(rig);
	machine_end_kept(rig->machine, rig->end); /* of one that is kept already: nothing */
	machine_end_kept(NULL, rig->end);
}

static void test_an_end_that_nobody_keeps_back(void **state)
{
	static const int none[] = {0};
	struct rig *rig = *state;

	rig->ids = none;
	rig->says_end = true;
	start(rig);
	turn_until(rig, &rig->ends, 1);
	turn_until_acknowledged(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_lost_with_open_calls, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_an_id_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_freed_in_its_event, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_hold_of_an_older_guest, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_hold, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_an_end_waits_for_its_row, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_an_end_that_nobody_keeps_back, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
