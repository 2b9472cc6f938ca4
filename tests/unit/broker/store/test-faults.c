/* SPDX-License-Identifier: Apache-2.0 */
/* Databases that are damaged, full, somebody else's, or not where they were: one clear answer each, and nothing lost.
 */
#include "tests/unit/broker/store/rig.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static void write_at(const char *path, off_t at, const char *text, size_t len)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, text, len, at), (ssize_t)len);
	close(fd);
}

static void fill(struct rig *rig)
{
	char id[16];

	rig_open(rig);
	for (int i = 0; i < 200; i++) {
		snprintf(id, sizeof(id), "run_%d", i);
		rig_begin(rig, id, STORE_PROCESS);
	}
	rig_wait(rig, 200);
	rig_close(rig);
}

static void what_is_no_database_is_named_with_its_cure(void **state)
{
	struct rig *rig = *state;
	static const char noise[8192] = "this was somebody's letter";

	write_at(rig->path, 0, noise, sizeof(noise));
	rig_open_fails(rig, -EBADMSG);
	assert_non_null(strstr(rig->error, "damaged"));
	assert_non_null(strstr(rig->error, ERROR_CURE "mv "));
}

static void a_damaged_page_is_found_at_the_start(void **state)
{
	struct rig *rig = *state;
	char noise[4096];

	fill(rig);
	memset(noise, 0x5a, sizeof(noise));
	write_at(rig->path, 4096 * 3, noise, sizeof(noise));
	rig_open_fails(rig, -EBADMSG);
	assert_non_null(strstr(rig->error, "damaged"));
}

static void one_that_was_cut_is_found_too(void **state)
{
	struct rig *rig = *state;

	fill(rig);
	assert_int_equal(truncate(rig->path, 4096 * 4), 0);
	rig_open_fails(rig, -EBADMSG);
	assert_int_equal(truncate(rig->path, 50), 0);
	rig_open_fails(rig, -EBADMSG);
}

/* Power may go between the file and its first page. */
static void one_that_is_empty_begins(void **state)
{
	struct rig *rig = *state;

	write_at(rig->path, 0, "", 0);
	rig_open(rig);
	rig_begin(rig, "run_a", STORE_PROCESS);
	rig_wait(rig, 1);
	assert_int_equal(rig->failed, 0);
}

static void other_files_in_its_place_are_told(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(symlink("/etc/passwd", rig->path), 0);
	rig_open_fails(rig, -EINVAL);
	unlink(rig->path);
	assert_int_equal(mkdir(rig->path, 0700), 0);
	rig_open_fails(rig, -EINVAL);
	rmdir(rig->path);
}

static void one_of_another_user_is_told(void **state)
{
	struct rig *rig = *state;

	if (geteuid() != 0) /* nobody else can give a file away; cmocka's skip() is "not ok" to meson */
		return;
	rig_open(rig);
	rig_close(rig);
	assert_int_equal(chown(rig->path, 65534, 65534), 0);
	rig_open_fails(rig, -EPERM);
	assert_non_null(strstr(rig->error, "belongs to "));
	assert_non_null(strstr(rig->error, "chown"));
}

static void it_is_nobody_elses_to_read(void **state)
{
	struct rig *rig = *state;
	struct stat st;

	write_at(rig->path, 0, "", 0);
	assert_int_equal(chmod(rig->path, 0644), 0);
	rig_open(rig);
	assert_int_equal(stat(rig->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

/* ---- copies ---- */

static void a_copy_gets_a_new_name_and_leaves_the_others_sandboxes_alone(void **state)
{
	struct rig *rig = *state;
	char name[ID_TEXT_MAX], kept[128];

	rig_open(rig);
	rig_begin(rig, "run_a", STORE_PROCESS);
	rig_sandbox(rig, "b_1.sb_1");
	rig_wait(rig, 2);
	snprintf(name, sizeof(name), "%s", store_broker_id(rig->store));
	rig_close(rig);
	rig_open(rig);
	assert_string_equal(store_broker_id(rig->store), name);
	assert_false(store_was_copied(rig->store));
	rig_close(rig);
	snprintf(kept, sizeof(kept), "%s.kept", rig->path);
	assert_int_equal(rename(rig->path, kept), 0);
	rig_copy(kept, rig->path);
	rig_open(rig);
	assert_string_not_equal(store_broker_id(rig->store), name);
	assert_true(store_was_copied(rig->store));
	rig_load(rig);
	assert_int_equal(rig->runs, 1);
	assert_int_equal(rig->sandboxes, 0);
	rig_close(rig);
	assert_int_equal(rename(kept, rig->path), 0); /* the first one, moved there and back */
	rig_open(rig);
	assert_string_equal(store_broker_id(rig->store), name);
	rig_load(rig);
	assert_int_equal(rig->sandboxes, 1);
}

/* ---- a full disk ---- */

static void set_room(rlim_t bytes)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_full_disk_refuses_what_is_new_and_loses_no_end(void **state)
{
	struct rig *rig = *state;

	signal(SIGXFSZ, SIG_IGN);
	rig_open(rig);
	rig_begin(rig, "run_a", STORE_PROCESS);
	rig_sandbox(rig, "b_1.sb_1");
	rig_wait(rig, 2);
	assert_null(store_fault(rig->store));
	set_room(4096);
	rig_end(rig, "run_a", STORE_PROCESS);
	store_sandbox_end(rig->store, "b_1.sb_1");
	rig_wait(rig, 3);
	assert_int_equal(rig->failed, 1);
	assert_non_null(strstr(rig->error, "No space left"));
	assert_non_null(strstr(rig->error, rig->path));
	assert_non_null(store_fault(rig->store));
	rig_begin(rig, "run_b", STORE_PROCESS); /* tried at once */
	rig_wait(rig, 4);
	assert_int_equal(rig->failed, 2);
	set_room(RLIM_INFINITY);
	for (int turns = 0; store_fault(rig->store) && turns < 100; turns++)
		loop_turn(rig->loop, 100);
	assert_null(store_fault(rig->store));
	rig_load(rig);
	assert_int_equal(rig->runs, 1);
	assert_string_equal(rig->run[0].status, "ok");
	assert_int_equal(rig->sandboxes, 0);
	assert_int_equal(rig->done, 2); /* who was told once is not told again */
	rig_begin(rig, "run_b", STORE_PROCESS);
	rig_wait(rig, 5);
	assert_int_equal(rig->done, 3);
}

static void closing_with_a_full_disk_ends(void **state)
{
	struct rig *rig = *state;

	signal(SIGXFSZ, SIG_IGN);
	rig_open(rig);
	rig_begin(rig, "run_a", STORE_PROCESS);
	rig_wait(rig, 1);
	set_room(4096);
	rig_end(rig, "run_a", STORE_PROCESS);
	rig_close(rig);
	set_room(RLIM_INFINITY);
	assert_int_equal(rig->failed, 1);
	rig_open(rig);
	rig_load(rig);
	assert_string_equal(rig->run[0].status, "waiting");
}

static void end_large(struct rig *rig, const char *text, int from, int to)
{
	for (int i = from; i < to; i++) {
		char id[16];
		const struct store_run run = {.id = id, .status = "ok", .ended_ms = 2, .tail = text};

		snprintf(id, sizeof(id), "run_%d", i);
		store_run_end(rig->store, &run, STORE_PROCESS, rig_on_done, rig);
	}
}

/* There is room for the write-ahead log, and none to copy it back. */
static void a_checkpoint_that_fails_keeps_nobody_waiting(void **state)
{
	enum { RUNS = 13, FIRST = 8 };
	struct rig *rig = *state;
	char *text = malloc(STORE_TEXT_MAX + 1);
	struct stat st;

	signal(SIGXFSZ, SIG_IGN);
	memset(text, 'x', STORE_TEXT_MAX);
	text[STORE_TEXT_MAX] = '\0';
	rig_open(rig);
	for (int i = 0; i < RUNS; i++) {
		char id[16];

		snprintf(id, sizeof(id), "run_%d", i);
		rig_begin(rig, id, STORE_PROCESS);
	}
	end_large(rig, text, 0, FIRST);
	rig_wait(rig, RUNS + FIRST);
	rig_close(rig);
	rig_open(rig);
	assert_int_equal(stat(rig->path, &st), 0);
	assert_true(st.st_size > FIRST << 20);
	set_room((rlim_t)st.st_size);
	alarm(20); /* instead of waiting for ever */
	end_large(rig, text, FIRST, RUNS);
	rig_wait(rig, 2 * RUNS);
	for (int i = 0; i < 10; i++)
		loop_turn(rig->loop, 10);
	rig_begin(rig, "run_next", STORE_PROCESS);
	rig_wait(rig, 2 * RUNS + 1);
	rig_close(rig);
	alarm(0);
	set_room(RLIM_INFINITY);
	free(text);
	assert_int_equal(rig->failed, 0);
	rig_open(rig);
	rig_load(rig);
	assert_int_equal(rig->runs, RUNS + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_no_database_is_named_with_its_cure, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(a_damaged_page_is_found_at_the_start, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(one_that_was_cut_is_found_too, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(one_that_is_empty_begins, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(other_files_in_its_place_are_told, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(one_of_another_user_is_told, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(it_is_nobody_elses_to_read, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(a_copy_gets_a_new_name_and_leaves_the_others_sandboxes_alone, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(a_full_disk_refuses_what_is_new_and_loses_no_end, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(closing_with_a_full_disk_ends, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(a_checkpoint_that_fails_keeps_nobody_waiting, rig_setup, rig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
