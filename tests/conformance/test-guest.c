/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What any guest must do, tried on the reference guest in Python: test-guest PYTHON guest.py. Run, streamed output,
 * parallel calls, cancel, credit, resume by replay after a cut, a broker with a new boot id, a wrong secret.
 */
#include "tests/unit/unit.h"

#include "base/ids.h"
#include "tests/conformance/drive.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static const char *python, *program;
static char folder[64], socket_path[96], secret_path[96];
static uint8_t secret[32];
static pid_t guest;
static int guest_out = -1;

static int guest_start(void **state)
{
	static struct drive drive;
	char said[32] = "";
	int out[2], fd;

	strcpy(folder, "/tmp/hawser-guest-XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(socket_path, sizeof(socket_path), "%s/socket", folder);
	snprintf(secret_path, sizeof(secret_path), "%s/secret", folder);
	random_bytes(secret, sizeof(secret));
	fd = open(secret_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, secret, sizeof(secret)), sizeof(secret));
	close(fd);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	guest = fork();
	if (guest == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(out[1], STDOUT_FILENO);
		execl(python, python, program, socket_path, secret_path, (char *)NULL);
		_exit(127);
	}
	close(out[1]);
	assert_true(read(out[0], said, sizeof(said) - 1) > 0); /* "listening" */
	guest_out = out[0];
	drive_start(&drive, socket_path, secret);
	*state = &drive;
	return 0;
}

static int guest_stop(void **state)
{
	drive_stop(*state);
	kill(guest, SIGKILL);
	waitpid(guest, NULL, 0);
	close(guest_out);
	unlink(socket_path);
	strncat(socket_path, ".calls", sizeof(socket_path) - strlen(socket_path) - 1); /* of guest.py */
	unlink(socket_path);
	unlink(secret_path);
	rmdir(folder);
	return 0;
}

static void test_run_and_stream(void **state)
{
	struct drive *d = *state;
	struct drive_run *run = drive_run(d, "print('one')\n"
					     "call('s', 'never', {}) if False else None\n"
					     "print(call('s', 'hold', {'n': 1}))\n"
					     "result({'a': [1, 2]})\n");
	struct drive_run *bad = drive_run(d, "def f():\n    raise ValueError('no')\nf()\n");

	d->hold_count = 2; /* the call waits, so that "one" has to come while the run lasts */
	assert_true(drive_connect(d));
	DRIVE_UNTIL(d, run->started && run->output[1].len >= 4);
	assert_string_equal(drive_text(run, 1), "one\n");
	assert_false(run->ended);
	DRIVE_UNTIL(d, d->call_count == 1 && d->calls[0].whole);
	d->hold_count = 1;
	struct drive_run *more = drive_run(d, "call('s', 'hold', {})");

	DRIVE_UNTIL(d, run->ended && bad->ended && more->ended);
	assert_string_equal(drive_text(run, 1), "one\n{'n': 1}\n");
	assert_string_equal(drive_text(run, 5), "{\"a\": [1, 2]}");
	assert_non_null(strstr(run->tail, "\"status\": \"ok\""));
	assert_non_null(strstr(bad->tail, "\"status\": \"error\""));
	assert_non_null(strstr(drive_text(bad, 2), "line 2"));
}

static void test_parallel_calls(void **state)
{
	struct drive *d = *state;
	struct drive_run *run =
		drive_run(d, "from concurrent.futures import ThreadPoolExecutor as Pool\n"
			     "with Pool(20) as pool:\n"
			     "    got = list(pool.map(lambda i: call('s', 'hold', {'i': i})['i'], range(20)))\n"
			     "result(got == list(range(20)))\n"
			     "try: call('s', 'fail', {})\n"
			     "except RuntimeError as e: print(e)\n");

	d->hold_count = 20; /* answered only when all 20 are open at once */
	assert_true(drive_connect(d));
	DRIVE_UNTIL(d, run->ended);
	assert_string_equal(drive_text(run, 5), "true");
	assert_string_equal(drive_text(run, 1), "denied\n");
	assert_int_equal(d->call_count, 21);
}

static void test_cancel(void **state)
{
	struct drive *d = *state;
	struct drive_run *loop = drive_run(d, "print('in')\nwhile True: pass\n");
	struct drive_run *waiting = drive_run(d, "call('s', 'never', {})");

	assert_true(drive_connect(d));
	DRIVE_UNTIL(d, loop->output[1].len > 0 && d->call_count == 1 && d->calls[0].whole);
	drive_cancel(d, loop);
	drive_cancel(d, waiting);
	DRIVE_UNTIL(d, loop->ended && waiting->ended);
	assert_non_null(strstr(loop->tail, "\"status\": \"cancelled\""));
	assert_non_null(strstr(waiting->tail, "\"status\": \"cancelled\""));
	DRIVE_UNTIL(d, d->calls[0].cancelled); /* the guest gave the call up */
}

/* Nothing is consumed: output stops at the credit; then the rest comes. Both directions carry more than one credit. */
static void test_credit(void **state)
{
	struct drive *d = *state;
	struct drive_run *run =
		drive_run(d, "print(call('s', 'echo', {}))\n" /* so that pieces do not end at the credit by chance */
			     "print('x' * 999996)\n"
			     "print(len(call('s', 'big', {'pad': 'p' * 600000})))\n");
	struct drive_run *other;
	size_t stopped;

	run->consume = false;
	assert_true(drive_connect(d));
	DRIVE_UNTIL(d, run->output[1].len == 262144);
	other = drive_run(d, "print('not held up')");
	DRIVE_UNTIL(d, other->ended);
	stopped = run->output[1].len;
	assert_int_equal(stopped, 262144);
	run->consume = true;
	tunnel_consumed(d->tunnel, run->stream, stopped);
	carrier_kick(d->carrier);
	DRIVE_UNTIL(d, run->ended);
	assert_int_equal(d->calls[1].args.len, 600000 + strlen("{\"pad\": \"\"}"));
	assert_string_equal(drive_text(run, 1) + 1000000, "700000\n");
}

/* The link is cut again and again while bytes are on their way, unread: only a replay can bring them. */
static void test_resume_by_replay(void **state)
{
	struct drive *d = *state;
	struct drive_run *run = drive_run(d, "for i in range(3000):\n"
					     "    print(i)\n"
					     "    if i % 100 == 0: assert call('s', 'echo', {'i': i}) == {'i': i}\n");
	char line[16];
	size_t at = 0, lost = 0;
	int cuts = 0;

	assert_true(drive_connect(d));
	for (; cuts < 12 && !run->ended; cuts++) {
		size_t had = run->output[1].len;

		DRIVE_UNTIL(d, run->ended || run->output[1].len > had);
		poll(&(struct pollfd){.fd = d->fd, .events = POLLIN}, 1, 1000); /* let something be lost */
		lost += d->closed ? 0 : drive_unread(d);
		drive_cut(d);
		assert_true(drive_connect(d));
	}
	DRIVE_UNTIL(d, run->ended);
	assert_int_equal(d->resumes, cuts);
	assert_true(cuts >= 3 && lost > 0);
	for (int i = 0; i < 3000; i++) {
		int n = snprintf(line, sizeof(line), "%d\n", i);

		assert_memory_equal(drive_text(run, 1) + at, line, (size_t)n);
		at += (size_t)n;
	}
	assert_int_equal(run->output[1].len, at);
	assert_int_equal(d->call_count, 30); /* no call twice */
}

static void test_new_broker_boot(void **state)
{
	struct drive *d = *state;
	struct drive_run *old = drive_run(d, "import os\nprint(os.getpid())\nwhile True: pass\n"), *run;
	pid_t pid;
	int gone;

	assert_true(drive_connect(d));
	DRIVE_UNTIL(d, strchr(drive_text(old, 1), '\n'));
	pid = (pid_t)strtol(drive_text(old, 1), NULL, 10);
	gone = pidfd_open(pid, 0);
	assert_true(pid > 0 && gone >= 0);
	drive_reboot(d);
	run = drive_run(d, "print('new')\n");
	assert_true(drive_connect(d));
	assert_int_equal(d->resumes, 0);
	DRIVE_UNTIL(d, run->ended);
	assert_string_equal(drive_text(run, 1), "new\n");
	/* The guest killed the old run. */
	assert_int_equal(poll(&(struct pollfd){.fd = gone, .events = POLLIN}, 1, DRIVE_WAIT_MS), 1);
	close(gone);
}

static void test_wrong_secret(void **state)
{
	struct drive *d = *state;

	d->secret[0] ^= 1;
	drive_reboot(d);
	assert_false(drive_connect(d));
	d->secret[0] ^= 1;
	drive_reboot(d);
	assert_true(drive_connect(d));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_run_and_stream, guest_start, guest_stop),
		cmocka_unit_test_setup_teardown(test_parallel_calls, guest_start, guest_stop),
		cmocka_unit_test_setup_teardown(test_cancel, guest_start, guest_stop),
		cmocka_unit_test_setup_teardown(test_credit, guest_start, guest_stop),
		cmocka_unit_test_setup_teardown(test_resume_by_replay, guest_start, guest_stop),
		cmocka_unit_test_setup_teardown(test_new_broker_boot, guest_start, guest_stop),
		cmocka_unit_test_setup_teardown(test_wrong_secret, guest_start, guest_stop),
	};

	if (argc != 3)
		return 2;
	signal(SIGPIPE, SIG_IGN);
	python = argv[1];
	program = argv[2];
	return cmocka_run_group_tests_name("guest", tests, NULL, NULL);
}
