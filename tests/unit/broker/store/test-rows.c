/* SPDX-License-Identifier: Apache-2.0 */
/* Rows that are written and read back, their order, what a commit waits for, and the steps of the schema. */
#include "tests/unit/broker/store/rig.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* SQLite's way to the disk leads through here. */
static atomic_int syncs;

__attribute__((visibility("default"))) int fsync(int fd)
{
	syncs++;
	return (int)syscall(SYS_fsync, fd);
}

__attribute__((visibility("default"))) int fdatasync(int fd)
{
	syncs++;
	return (int)syscall(SYS_fdatasync, fd);
}

static void a_run_is_there_after_a_new_start(void **state)
{
	struct rig *rig = *state;
	const struct store_run placed = {
		.id = "run_a", .status = "running", .provider = "process", .isolation = "process", .sandbox = "sbx_1"};

	rig_open(rig);
	rig_begin(rig, "run_a", STORE_PROCESS);
	rig_begin(rig, "run_b", STORE_PROCESS);
	store_run_placed(rig->store, &placed);
	rig_end(rig, "run_a", STORE_PROCESS);
	assert_int_equal(rig->done, 0); /* never inside the call */
	rig_wait(rig, 3);
	assert_int_equal(rig->failed, 0);
	rig_close(rig);
	rig_open(rig);
	rig_load(rig);
	assert_int_equal(rig->runs, 2);
	assert_string_equal(rig->run[0].id, "run_a");
	assert_string_equal(rig->run[0].status, "ok");
	assert_string_equal(rig->run[0].tail, "{\"status\":\"ok\"}");
	assert_string_equal(rig->run[0].provider, "process");
	assert_string_equal(rig->run[0].sandbox, "sbx_1");
	assert_int_equal(rig->run[0].ended_ms, 2000);
	assert_true(rig->run[0].seconds > 1.2 && rig->run[0].seconds < 1.3);
	assert_string_equal(rig->run[1].status, "waiting");
	assert_int_equal(rig->run[1].ended_ms, 0);
	store_run_forget(rig->store, "run_a");
	rig_load(rig);
	assert_int_equal(rig->runs, 1);
	assert_string_equal(rig->run[0].id, "run_b");
}

static void sandboxes_come_change_and_go(void **state)
{
	struct rig *rig = *state;
	const struct store_sandbox live = {.tag = "b_1.sb_1", .state = "live", .sandbox = "sbx_1"},
				   ending = {.tag = "b_1.sb_1", .state = "ending"};

	rig_open(rig);
	rig_sandbox(rig, "b_1.sb_1");
	rig_sandbox(rig, "b_1.sb_2");
	rig_wait(rig, 2);
	store_sandbox_state(rig->store, &live);
	store_sandbox_state(rig->store, &ending); /* keeps its name */
	rig_load(rig);
	assert_string_equal(rig->tags, "b_1.sb_1 ending sbx_1;b_1.sb_2 creating -;");
	store_sandbox_end(rig->store, "b_1.sb_1");
	rig_load(rig);
	assert_string_equal(rig->tags, "b_1.sb_2 creating -;");
}

/* Thousands in one go: in order, none twice, and the log is copied back in between. */
static void many_rows_in_order(void **state)
{
	struct rig *rig = *state;
	enum { MANY = 3000 };
	char id[16];

	rig_open(rig);
	for (int i = 0; i < MANY; i++) {
		snprintf(id, sizeof(id), "run_%d", i);
		rig_begin(rig, id, STORE_PROCESS);
		rig_end(rig, id, STORE_PROCESS);
		if (i % 10 != 0)
			store_run_forget(rig->store, id);
	}
	rig_wait(rig, 2 * MANY);
	assert_int_equal(rig->failed, 0);
	rig_load(rig);
	assert_int_equal(rig->runs, MANY / 10);
	assert_string_equal(rig->run[1].id, "run_10");
	assert_string_equal(rig->run[1].status, "ok");
}

static void only_what_must_outlive_power_waits_for_the_disk(void **state)
{
	struct rig *rig = *state;
	int before;

	rig_open(rig);
	rig_begin(rig, "run_a", STORE_PROCESS);
	rig_wait(rig, 1);
	before = syncs;
	rig_end(rig, "run_a", STORE_PROCESS);
	rig_wait(rig, 2);
	assert_int_equal(syncs, before);
	rig_sandbox(rig, "b_1.sb_1");
	rig_wait(rig, 3);
	assert_true(syncs > before);
	before = syncs;
	rig_begin(rig, "run_b", STORE_POWER);
	rig_wait(rig, 4);
	assert_true(syncs > before);
	before = syncs;
	rig_begin(rig, "run_c", STORE_PROCESS);
	rig_wait(rig, 5);
	assert_int_equal(syncs, before);
}

static void what_nobody_waits_for_is_written_all_the_same(void **state)
{
	struct rig *rig = *state;
	_cleanup_error_ struct error err = ERROR_INIT;
	int64_t rows = 1;
	sqlite3 *db = NULL;

	rig_open(rig);
	rig_sandbox(rig, "b_1.sb_1");
	rig_wait(rig, 1);
	store_sandbox_end(rig->store, "b_1.sb_1");
	assert_int_equal(sqlite3_open(rig->path, &db), SQLITE_OK);
	for (int turns = 0; rows > 0 && turns < 100; turns++) {
		loop_turn(rig->loop, 100);
		assert_int_equal(store_query_int(db, rig->path, "SELECT count(*) FROM sandboxes", &rows, &err), 0);
	}
	assert_int_equal(rows, 0);
	sqlite3_close(db);
}

static void a_row_that_the_schema_refuses_stops_no_other(void **state)
{
	struct rig *rig = *state;

	rig_open(rig);
	rig_begin(rig, "run_a", STORE_PROCESS);
	rig_begin(rig, "run_a", STORE_PROCESS);
	rig_begin(rig, "run_b", STORE_PROCESS);
	rig_wait(rig, 3);
	assert_int_equal(rig->done, 2);
	assert_int_equal(rig->failed, 1);
	assert_null(store_fault(rig->store));
	rig_load(rig);
	assert_int_equal(rig->runs, 2);
}

static void closing_writes_what_waits(void **state)
{
	struct rig *rig = *state;

	rig_open(rig);
	rig_begin(rig, "run_a", STORE_PROCESS);
	rig_end(rig, "run_a", STORE_PROCESS);
	rig_close(rig);
	assert_int_equal(rig->done, 2);
	rig_open(rig);
	rig_load(rig);
	assert_string_equal(rig->run[0].status, "ok");
}

/* ---- steps ---- */

static sqlite3 *open_raw(const struct rig *rig)
{
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(rig->path, &db), SQLITE_OK);
	return db;
}

static const struct store_migration steps[] = {
	{1, "CREATE TABLE a(x)"},
	{2, "ALTER TABLE a ADD COLUMN y DEFAULT 7; INSERT INTO a(x) VALUES(1)"},
	{3, "CREATE TABLE b(z); SELECT nothing FROM nowhere"},
};

static void steps_are_taken_in_order_and_once(void **state)
{
	struct rig *rig = *state;
	_cleanup_error_ struct error err = ERROR_INIT;
	sqlite3 *db = open_raw(rig);
	int64_t value = 0;

	assert_int_equal(store_migrate(db, rig->path, steps, 1, &err), 0);
	assert_int_equal(store_migrate(db, rig->path, steps, 2, &err), 0);
	assert_int_equal(store_migrate(db, rig->path, steps, 2, &err), 0);
	assert_int_equal(store_query_int(db, rig->path, "SELECT sum(y) FROM a", &value, &err), 0);
	assert_int_equal(value, 7);
	assert_int_equal(store_version(db, rig->path, &value, &err), 0);
	assert_int_equal(value, 2);
	sqlite3_close(db);
}

static void a_step_that_fails_leaves_what_was_before(void **state)
{
	struct rig *rig = *state;
	_cleanup_error_ struct error err = ERROR_INIT;
	sqlite3 *db = open_raw(rig);
	int64_t value = 0;

	assert_int_not_equal(store_migrate(db, rig->path, steps, 3, &err), 0);
	assert_non_null(strstr(error_text(&err), "version 3"));
	error_done(&err);
	assert_int_equal(store_version(db, rig->path, &value, &err), 0);
	assert_int_equal(value, 2);
	assert_int_equal(
		store_query_int(db, rig->path, "SELECT count(*) FROM sqlite_master WHERE name = 'b'", &value, &err), 0);
	assert_int_equal(value, 0);
	sqlite3_close(db);
}

static void a_newer_one_and_one_of_another_program_are_left_alone(void **state)
{
	struct rig *rig = *state;
	sqlite3 *db;

	rig_open(rig);
	rig_close(rig);
	db = open_raw(rig);
	assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 99", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	rig_open_fails(rig, -ENOTSUP);
	assert_non_null(strstr(rig->error, "newer hawser (version 99"));
	assert_non_null(strstr(rig->error, ERROR_CURE "mv "));
	db = open_raw(rig);
	assert_int_equal(sqlite3_exec(db, "PRAGMA application_id = 42", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	rig_open_fails(rig, -EINVAL);
	assert_non_null(strstr(rig->error, "another program"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_run_is_there_after_a_new_start, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(sandboxes_come_change_and_go, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(many_rows_in_order, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(only_what_must_outlive_power_waits_for_the_disk, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(what_nobody_waits_for_is_written_all_the_same, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(a_row_that_the_schema_refuses_stops_no_other, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(closing_writes_what_waits, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(steps_are_taken_in_order_and_once, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(a_step_that_fails_leaves_what_was_before, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(a_newer_one_and_one_of_another_program_are_left_alone, rig_setup,
						rig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
