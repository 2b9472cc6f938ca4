/* SPDX-License-Identifier: Apache-2.0 */
/* Servers that do not start, write garbage, die, or do not want to leave. */
#include "tests/unit/broker/upstream/rig.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* One call that must end with DOWN before it was sent. */
static void assert_does_not_start(struct rig *rig, const char *part)
{
	_cleanup_answer_ struct answer a = ANSWER_INIT;

	rig_call(rig, "echo", "{}", &a);
	assert_int_equal(a.outcome, UPSTREAM_DOWN);
	assert_false(a.sent);
	assert_has(a.message, "server \"fixture\"");
	assert_has(a.message, part);
	assert_int_equal(upstream_state(rig->u), UPSTREAM_FAILED);
	assert_string_equal(upstream_problem(rig->u), a.message);
}

static void test_no_such_program(void **state)
{
	struct rig *rig = *state;

	rig->options.command = "hawser-no-such-program";
	rig_open(rig);
	assert_does_not_start(rig, "there is no program \"hawser-no-such-program\"");
}

static void test_no_such_directory(void **state)
{
	struct rig *rig = *state;

	rig->options.cwd = "/nonexistent";
	rig_open(rig);
	assert_does_not_start(rig, "No such file or directory");
}

static void test_exit_at_start(void **state)
{
	struct rig *rig = *state;
	char text[512] = "";
	int fd;

	rig_open(rig, "--exit", "7", "--stderr", "cannot read \x1b[31mthe\x1b[0m token");
	assert_does_not_start(rig, "exited with status 7; its last words: cannot read ?[31mthe?[0m token");
	fd = open(rig->log_path, O_RDONLY);
	assert_true(fd >= 0);
	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	assert_has(text, " started, pid ");
	assert_has(text, "\ncannot read ?[31mthe?[0m token\n");
	assert_has(text, " exited with status 7\n");
}

static void test_failed_start_answers_at_once_then_tries_again(void **state)
{
	struct rig *rig = *state;
	_cleanup_answer_ struct answer a = ANSWER_INIT;

	rig->options.backoff_ms = 150;
	rig_open(rig, "--exit", "7");
	assert_does_not_start(rig, "status 7");
	rig_begin(rig, "echo", "{}", 0, &a);
	assert_int_equal(upstream_pid(rig->u), 0); /* within the pause: not started */
	rig_until(rig, &a.done);
	assert_has(a.message, "status 7");
	rig_let(rig, 200);
	rig_begin(rig, "echo", "{}", 0, &a);
	assert_int_equal(upstream_state(rig->u), UPSTREAM_STARTING);
	rig_until(rig, &a.done);
}

static void test_handshakes_that_fail(void **state)
{
	static const struct {
		const char *name, *value, *part;
	} rows[] = {
		{"--protocol", "2026-07-28",
		 "speaks MCP revision \"2026-07-28\"; Hawser speaks 2024-11-05 to 2025-11-25"},
		{"--init-error", "go away", "refused to start: go away"},
		{"--list-error", "broken", "refused tools/list: broken (-32603)"},
		{"--crash-initialized", "4", "exited with status 4"},
		{"--garbage", "150",
		 "writes garbage to its stdout, where only MCP messages may stand: \"Starting up, step 0 ...\""},
		{"--endless", "4000000", "a line over the limit"},
	};
	struct rig *rig = *state;

	rig->options.message_max = 2 << 20;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		rig_open(rig, rows[i].name, rows[i].value);
		assert_does_not_start(rig, rows[i].part);
		rig_close(rig);
	}
}

static void test_start_takes_too_long(void **state)
{
	struct rig *rig = *state;

	rig->options.start_timeout_ms = 150;
	rig_open(rig, "--silent");
	assert_does_not_start(rig, "did not answer initialize within 150 ms");
}

static void test_older_revisions_are_spoken(void **state)
{
	static const char *const versions[] = {"2024-11-05", "2025-03-26", "2025-06-18"};
	struct rig *rig = *state;

	for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
		_cleanup_answer_ struct answer a = ANSWER_INIT;

		rig_open(rig, "--protocol", versions[i]);
		rig_call(rig, "echo", "{}", &a);
		assert_int_equal(a.outcome, UPSTREAM_OK);
		rig_close(rig);
	}
}

static void test_some_garbage_is_skipped(void **state)
{
	struct rig *rig = *state;
	_cleanup_answer_ struct answer a = ANSWER_INIT;

	rig_open(rig, "--garbage", "90");
	rig_call(rig, "garbage", "{\"lines\":500}", &a);
	assert_int_equal(a.outcome, UPSTREAM_OK);
	assert_has(a.text, "after the garbage");
}

static void test_death_in_a_call(void **state)
{
	struct rig *rig = *state;
	_cleanup_answer_ struct answer a = ANSWER_INIT, other = ANSWER_INIT, next = ANSWER_INIT;
	pid_t before;
	size_t tools;

	rig_open(rig);
	rig_ensure(rig, &a);
	before = upstream_pid(rig->u);
	rig_begin(rig, "never", "{}", 0, &other);
	rig_call(rig, "crash", "{\"status\":9,\"stderr\":\"out of rope\",\"half\":true}", &a);
	assert_int_equal(a.outcome, UPSTREAM_DOWN);
	assert_true(a.sent);
	assert_has(a.message, "exited with status 9; its last words: out of rope");
	rig_until(rig, &other.done);
	assert_int_equal(other.outcome, UPSTREAM_DOWN);
	assert_true(other.sent);
	assert_int_equal(upstream_state(rig->u), UPSTREAM_BACKOFF);
	assert_has(upstream_problem(rig->u), "out of rope");
	assert_non_null(upstream_tools(rig->u, &tools)); /* the last list stays */
	assert_true(tools > 20);
	/* The next call waits for the restart. */
	rig_call(rig, "echo", "{\"again\":1}", &next);
	assert_int_equal(next.outcome, UPSTREAM_OK);
	assert_int_not_equal(upstream_pid(rig->u), before);
	assert_string_equal(upstream_problem(rig->u), "");
}

static void test_nobody_waits_for_the_restart(void **state)
{
	struct rig *rig = *state;
	_cleanup_answer_ struct answer a = ANSWER_INIT;

	rig_open(rig);
	rig_call(rig, "crash", "{}", &a);
	assert_int_equal(upstream_state(rig->u), UPSTREAM_BACKOFF);
	rig_let(rig, 100);
	assert_int_equal(upstream_state(rig->u), UPSTREAM_IDLE);
	assert_has(upstream_problem(rig->u), "exited with status 3");
}

static void test_a_far_restart_is_not_waited_for(void **state)
{
	struct rig *rig = *state;
	_cleanup_answer_ struct answer a = ANSWER_INIT;

	rig->options.backoff_ms = 20000;
	rig_open(rig);
	rig_call(rig, "crash", "{}", &a);
	rig_call(rig, "echo", "{}", &a);
	assert_int_equal(a.outcome, UPSTREAM_DOWN);
	assert_false(a.sent);
}

static void test_answer_then_exit(void **state)
{
	struct rig *rig = *state;
	_cleanup_answer_ struct answer big = ANSWER_INIT, dead = ANSWER_INIT;

	/* The big answer is still on another thread when the end is seen. */
	rig_open(rig, "--crash-after", "1");
	rig_ensure(rig, &dead);
	rig_begin(rig, "huge", "{\"bytes\":20000000}", 0, &big);
	rig_begin(rig, "echo", "{}", 0, &dead);
	rig_until(rig, &dead.done);
	assert_int_equal(dead.outcome, UPSTREAM_DOWN);
	assert_true(big.done);
	assert_int_equal(big.outcome, UPSTREAM_OK);
	assert_true(big.len > 20000000);
}

static void test_flood_on_stderr(void **state)
{
	struct rig *rig = *state;
	_cleanup_answer_ struct answer a = ANSWER_INIT;
	struct stat now, older;
	char path[128];

	rig_open(rig);
	rig_call(rig, "stderr_flood", "{\"bytes\":20000000}", &a);
	assert_int_equal(a.outcome, UPSTREAM_OK);
	snprintf(path, sizeof(path), "%s.1", rig->log_path);
	assert_int_equal(stat(rig->log_path, &now), 0);
	assert_int_equal(stat(path, &older), 0);
	assert_true(older.st_size > 900000 && older.st_size <= 1 << 20);
	assert_true(now.st_size < 1 << 20);
}

static void test_servers_that_do_not_leave(void **state)
{
	static const char *const rows[] = {"--ignore-eof", "--ignore-term"};
	struct rig *rig = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_answer_ struct answer a = ANSWER_INIT;
		pid_t pid;

		rig_open(rig, "--ignore-eof", rows[i]);
		rig_ensure(rig, &a);
		pid = upstream_pid(rig->u);
		assert_int_equal(kill(pid, 0), 0);
		rig_close(rig);
		assert_int_equal(kill(pid, 0), -1);
		assert_int_equal(errno, ESRCH);
	}
}

static void test_children_go_with_their_server(void **state)
{
	struct rig *rig = *state;
	_cleanup_answer_ struct answer a = ANSWER_INIT;
	char path[128];
	FILE *f;
	int pid = 0, fd;

	snprintf(path, sizeof(path), "%s/child", rig->dir);
	rig_open(rig, "--child", path);
	/* The child holds stdout: the death is seen all the same. */
	rig_call(rig, "crash", "{}", &a);
	assert_int_equal(a.outcome, UPSTREAM_DOWN);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%d", &pid), 1);
	fclose(f);
	/* It has its SIGKILL; a busy machine may let it take that later. A pidfd is readable once it has. */
	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fd >= 0) {
		struct pollfd gone = {.fd = fd, .events = POLLIN};

		assert_int_equal(poll(&gone, 1, 10000), 1);
		close(fd);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define ROW(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
		ROW(test_no_such_program),
		ROW(test_no_such_directory),
		ROW(test_exit_at_start),
		ROW(test_failed_start_answers_at_once_then_tries_again),
		ROW(test_handshakes_that_fail),
		ROW(test_start_takes_too_long),
		ROW(test_older_revisions_are_spoken),
		ROW(test_some_garbage_is_skipped),
		ROW(test_death_in_a_call),
		ROW(test_nobody_waits_for_the_restart),
		ROW(test_a_far_restart_is_not_waited_for),
		ROW(test_answer_then_exit),
		ROW(test_flood_on_stderr),
		ROW(test_servers_that_do_not_leave),
		ROW(test_children_go_with_their_server),
	};

	return cmocka_run_group_tests_name("upstream-failures", tests, NULL, NULL);
}
