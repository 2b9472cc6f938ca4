/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "base/clock.h"
#include "base/io.h"
#include "base/loop.h"
#include "base/spawn.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

struct fixture {
	struct loop *loop;
	struct spawner *spawner;
	char log[64];
	size_t bytes;
	bool done;
	int status;
	int close_code;
	struct io *a, *b;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct error err = ERROR_INIT;

	assert_int_equal(loop_new(&f->loop, &err), 0);
	assert_int_equal(spawner_new(f->loop, &f->spawner, &err), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	f->a = io_free(f->a);
	f->b = io_free(f->b);
	f->spawner = spawner_free(f->spawner);
	loop_free(f->loop);
	free(f);
	return 0;
}

static void hold_the_loop(void *user)
{
	struct fixture *f = user;

	for (uint64_t began = clock_now_ns(); clock_now_ns() - began < 20000000u;)
		;
	f->done = true;
}

static void do_nothing(void *user)
{
}

static void wait_done(struct fixture *f)
{
	for (int i = 0; i < 1000 && !f->done; i++)
		loop_turn(f->loop, 1000);
	assert_true(f->done);
}

static void test_longest_turn_is_named(void **state)
{
	struct fixture *f = *state;

	loop_turn(f->loop, 0);
	loop_longest_turn_ns(f->loop, true);
	loop_defer(f->loop, do_nothing, f);
	loop_defer(f->loop, hold_the_loop, f);
	loop_defer(f->loop, do_nothing, f);
	wait_done(f);
	loop_turn(f->loop, 0);
	assert_true(loop_longest_turn_ns(f->loop, false) >= 20000000u);
	assert_non_null(loop_longest_turn_part(f->loop));
	assert_ptr_equal(strstr(loop_longest_turn_part(f->loop), "hold_the_loop ("), loop_longest_turn_part(f->loop));
}

static void say_a(void *user)
{
	struct fixture *f = user;

	strcat(f->log, "a");
}

static void say_b_and_defer(void *user)
{
	struct fixture *f = user;

	strcat(f->log, "b");
	loop_defer(f->loop, say_a, f);
}

static void test_deferred_in_order_and_next_turn(void **state)
{
	struct fixture *f = *state;

	loop_defer(f->loop, say_b_and_defer, f);
	loop_defer(f->loop, say_a, f);
	assert_string_equal(f->log, "");
	loop_turn(f->loop, 0);
	assert_string_equal(f->log, "ba");
	loop_turn(f->loop, 0);
	assert_string_equal(f->log, "baa");
}

static void note_end(void *user)
{
	++*(int *)user;
}

static void never_owned(void *user)
{
	(void)user;
}

/* Two loops: what one owns the other does not find, and it ends with its loop. */
static void test_what_a_loop_owns(void **state)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct loop *one, *two;
	int ended = 0;

	(void)state;
	assert_int_equal(loop_new(&one, &err), 0);
	assert_int_equal(loop_new(&two, &err), 0);
	loop_own(one, note_end, &ended);
	assert_ptr_equal(loop_owned(one, note_end), &ended);
	assert_null(loop_owned(one, never_owned));
	assert_null(loop_owned(two, note_end));
	loop_free(two);
	assert_int_equal(ended, 0);
	loop_free(one);
	assert_int_equal(ended, 1);
}

static void test_a_turn_without_events_ends(void **state)
{
	struct fixture *f = *state;

	uint64_t began = clock_now_ms();

	alarm(10); /* instead of waiting for ever */
	loop_turn(f->loop, 0);
	loop_turn(f->loop, 50);
	loop_turn(f->loop, 50);
	alarm(0);
	assert_true(clock_now_ms() - began >= 50); /* a loop counts from the time that it last looked at */
}

static size_t count_bytes(void *user, const uint8_t *bytes, size_t len)
{
	struct fixture *f = user;

	for (size_t i = 0; i < len; i++)
		assert_int_equal(bytes[i], (uint8_t)(f->bytes + i));
	f->bytes += len;
	return len;
}

static void on_closed(void *user, const struct error *reason)
{
	struct fixture *f = user;

	f->close_code = reason->code;
	f->done = true;
}

static const struct io_events counting = {.data = count_bytes, .closed = on_closed};

static void make_pair(struct fixture *f, size_t read_max, size_t write_max, const struct io_events *events)
{
	struct error err = ERROR_INIT;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	struct io_options a = {.read_fd = fds[0], .write_fd = fds[0], .read_max = read_max, .write_max = write_max};
	struct io_options b = {.read_fd = fds[1], .write_fd = fds[1], .read_max = read_max, .write_max = write_max};
	assert_int_equal(io_new(f->loop, &a, &counting, f, &f->a, &err), 0);
	assert_int_equal(io_new(f->loop, &b, events, f, &f->b, &err), 0);
}

/* 3 MB through a socket buffer that is smaller, then the end: nothing is lost, order is kept. */
static void test_stream_carries_all(void **state)
{
	struct fixture *f = *state;
	size_t len = 3000000;
	uint8_t *data = malloc(len);

	make_pair(f, 65536, 4 << 20, &counting);
	for (size_t i = 0; i < len; i++)
		data[i] = (uint8_t)i;
	assert_int_equal(io_write(f->a, data, len), 0);
	assert_true(io_queued(f->a) > 0);
	assert_int_equal(io_write(f->a, data, 4 << 20), -ENOBUFS);
	io_end(f->a);
	free(data);
	wait_done(f);
	assert_int_equal(f->bytes, len);
	assert_int_equal(f->close_code, 0);
}

/* A whole buffer goes into an empty queue as it is, behind others by its bytes. */
static void test_stream_takes_buffers(void **state)
{
	struct fixture *f = *state;
	struct buf first = BUF_INIT(1 << 20), second = BUF_INIT(1 << 20), third = BUF_INIT(4 << 20);

	make_pair(f, 65536, 2 << 20, &counting);
	for (int i = 0; i < 1 << 20; i++) {
		uint8_t byte = (uint8_t)i;

		assert_int_equal(buf_append(&first, &byte, 1) + buf_append(&second, &byte, 1), 0);
	}
	assert_non_null(buf_reserve(&third, 3 << 20));
	buf_commit(&third, 3 << 20);
	assert_int_equal(io_write_buf(f->a, &first), 0);
	assert_int_equal(io_write_buf(f->a, &second), 0);
	assert_int_equal(io_write_buf(f->a, &third), -ENOBUFS);
	assert_true(first.len == 0 && second.len == 0 && third.len == 0);
	io_end(f->a);
	wait_done(f);
	assert_int_equal(f->bytes, 2 << 20);
	assert_int_equal(f->close_code, 0);
}

/* The other end closes with bytes of ours unread: what it had sent still arrives whole, then the end is told. */
static void test_stream_reads_on_after_a_reset(void **state)
{
	struct fixture *f = *state;
	struct error err = ERROR_INIT;
	uint8_t data[150000];
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	struct io_options a = {.read_fd = fds[0], .write_fd = fds[0], .read_max = 65536, .write_max = 1 << 20};
	assert_int_equal(io_new(f->loop, &a, &counting, f, &f->a, &err), 0);
	assert_int_equal(io_write(f->a, "unread", 6), 0);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)i;
	assert_int_equal(write(fds[1], data, sizeof(data)), sizeof(data));
	close(fds[1]);
	wait_done(f);
	assert_int_equal(f->bytes, sizeof(data));
	assert_int_equal(f->close_code, -ECONNRESET);
}

static size_t consume_nothing(void *user, const uint8_t *bytes, size_t len)
{
	(void)user, (void)bytes, (void)len;
	return 0;
}

static void test_stream_refuses_too_long_message(void **state)
{
	static const struct io_events stubborn = {.data = consume_nothing, .closed = on_closed};
	struct fixture *f = *state;
	uint8_t data[70000] = {0};

	make_pair(f, 65536, 1 << 20, &stubborn);
	assert_int_equal(io_write(f->a, data, sizeof(data)), 0);
	wait_done(f);
	assert_int_equal(f->close_code, -EMSGSIZE);
}

static void on_exit_status(void *user, pid_t pid, int status, const struct rusage *usage)
{
	struct fixture *f = user;

	(void)pid, (void)usage;
	f->status = status;
	f->done = true;
}

static void run_child(struct fixture *f, const char *const *argv, const struct spawn_fd *fds, size_t count)
{
	static const char *const env[] = {"PATH=/usr/bin:/bin", "ONLY=this", NULL};
	struct spawn_options o = {.argv = argv, .envp = env, .fds = fds, .fd_count = count, .uid = (uid_t)-1};
	struct error err = ERROR_INIT;
	pid_t pid;

	assert_int_equal(spawn_start(f->spawner, &o, on_exit_status, f, &pid, &err), 0);
	assert_true(spawner_awaits(f->spawner));
	wait_done(f);
	assert_false(spawner_awaits(f->spawner));
}

static void test_child_exit_and_environment(void **state)
{
	const char *const argv[] = {"sh", "-c", "test \"$ONLY\" = this && test -z \"$HOME\" && exit 7", NULL};
	struct fixture *f = *state;

	run_child(f, argv, NULL, 0);
	assert_true(WIFEXITED(f->status));
	assert_int_equal(WEXITSTATUS(f->status), 7);
}

/* Swapped numbers are mapped right, and nothing else is open. */
static void test_child_descriptors(void **state)
{
	const char *const argv[] = {"sh", "-c", "printf x >&4; printf y >&3; ls /proc/self/fd | tr '\\n' ' ' >&4",
				    NULL};
	struct fixture *f = *state;
	int a[2], b[2];
	char text[64] = {0};

	assert_int_equal(pipe(a), 0);
	assert_int_equal(pipe(b), 0);
	struct spawn_fd fds[] = {{a[1], 3}, {b[1], 4}};
	run_child(f, argv, fds, 2);
	assert_int_equal(read(a[0], text, sizeof(text)), 1);
	assert_int_equal(text[0], 'y');
	memset(text, 0, sizeof(text));
	assert_true(read(b[0], text, sizeof(text) - 1) > 1);
	/* 0, 1 (the pipe to tr), 2, 3, 4 and the folder that ls reads */
	assert_string_equal(text, "x0 1 2 3 4 5 ");
	for (int i = 0; i < 2; i++)
		close(a[i]), close(b[i]);
}

/* Ours is raised to the hard limit, a child's is what ours was. */
static void test_descriptors_of_this_process_only(void **state)
{
	const char *const argv[] = {"sh", "-c", "test \"$(ulimit -Sn)\" = 200 && exit 7", NULL};
	struct fixture *f = *state;
	struct rlimit before, limit;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	limit = (struct rlimit){200, before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	spawner_raise_files(f->spawner);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(limit.rlim_cur, before.rlim_max);
	run_child(f, argv, NULL, 0);
	assert_int_equal(WEXITSTATUS(f->status), 7);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

static void test_exec_failure_is_an_error(void **state)
{
	static const char *const env[] = {NULL};
	const char *const argv[] = {"/nonexistent/program", NULL};
	struct spawn_options o = {.argv = argv, .envp = env, .uid = (uid_t)-1};
	struct fixture *f = *state;
	_cleanup_error_ struct error err = ERROR_INIT;
	pid_t pid;

	assert_int_equal(spawn_start(f->spawner, &o, NULL, NULL, &pid, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "/nonexistent/program"));
}

/* Not waited for: a program that is not there is told at once all the same, one that is no program by its exit. */
static void test_exec_that_is_not_waited_for(void **state)
{
	static const char *const env[] = {NULL};
	const char *const argv[] = {"/nonexistent/program", NULL};
	struct spawn_options o = {.argv = argv, .envp = env, .uid = (uid_t)-1, .no_wait = true};
	struct fixture *f = *state;
	_cleanup_error_ struct error err = ERROR_INIT;
	char path[] = "/tmp/hawser-test-XXXXXX";
	const char *const garbage[] = {path, NULL};
	int fd = mkstemp(path);
	pid_t pid;

	assert_int_equal(spawn_start(f->spawner, &o, NULL, NULL, &pid, &err), -ENOENT);
	assert_int_equal(write(fd, "\x7f", 1), 1);
	assert_int_equal(fchmod(fd, 0700), 0);
	close(fd);
	o.argv = garbage;
	assert_int_equal(spawn_start(f->spawner, &o, on_exit_status, f, &pid, &err), 0);
	wait_done(f);
	unlink(path);
	assert_int_equal(WEXITSTATUS(f->status), 127);
}

static void run_work(void *user)
{
	((struct fixture *)user)->bytes = 42;
}

static void done_work(void *user)
{
	((struct fixture *)user)->done = true;
}

static void test_work_on_another_thread(void **state)
{
	struct fixture *f = *state;
	struct error err = ERROR_INIT;

	assert_int_equal(loop_work_start(f->loop, run_work, done_work, f, &err), 0);
	assert_false(f->done);
	wait_done(f);
	assert_int_equal(f->bytes, 42);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_longest_turn_is_named),
		TEST(test_what_a_loop_owns),
		TEST(test_a_turn_without_events_ends),
		TEST(test_deferred_in_order_and_next_turn),
		TEST(test_stream_carries_all),
		TEST(test_stream_takes_buffers),
		TEST(test_stream_reads_on_after_a_reset),
		TEST(test_stream_refuses_too_long_message),
		TEST(test_child_exit_and_environment),
		TEST(test_child_descriptors),
		TEST(test_descriptors_of_this_process_only),
		TEST(test_exec_failure_is_an_error),
		TEST(test_exec_that_is_not_waited_for),
		TEST(test_work_on_another_thread),
	};

	return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
