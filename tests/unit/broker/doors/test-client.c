/* SPDX-License-Identifier: Apache-2.0 */
/* Over a core that pretends: when a configuration is read beside the loop, when on it, and what is kept of it. */
#include "tests/unit/unit.h"

#include "broker/doors/client.h"

#include <string.h>
#include <sys/stat.h>

/* tests/support/fake-core.c */
extern unsigned fake_core_loads, fake_core_reads;

struct fixture {
	struct loop *loop;
	struct core *core;
	struct door_client *d;
	char top[64], cwd[80], config[96];
	unsigned told;
};

static void on_loaded(void *user)
{
	((struct fixture *)user)->told++;
}

static void write_config(const struct fixture *f, const char *text)
{
	FILE *file = fopen(f->config, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	fclose(file);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct error err = ERROR_INIT;

	strcpy(f->top, "/tmp/hawser-client-XXXXXX");
	assert_non_null(mkdtemp(f->top));
	snprintf(f->cwd, sizeof(f->cwd), "%s/slow", f->top);
	snprintf(f->config, sizeof(f->config), "%s/hawser.yaml", f->top);
	write_config(f, "mcpServers: {}\n");
	assert_int_equal(loop_new(&f->loop, &err), 0);
	assert_int_equal(core_new(f->loop, NULL, &(struct core_options){0}, &f->core, &err), 0);
	assert_int_equal(door_client_new(f->core,
					 &(struct config_from){.cwd = f->cwd, .path = f->config, .config_home = f->top},
					 &f->d, &err),
			 0);
	fake_core_loads = fake_core_reads = 0;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	door_client_free(f->d);
	loop_run(f->loop); /* a reading that nobody waits for ends by itself */
	core_free(f->core);
	loop_free(f->loop);
	unlink(f->config);
	rmdir(f->top);
	free(f);
	return 0;
}

/* As a connection does it: it is paused until the file was read, and its bytes come again. */
static void begin_line(struct fixture *f)
{
	if (!door_client_load(f->d, on_loaded, f))
		return;
	loop_run(f->loop);
	assert_false(door_client_load(f->d, on_loaded, f));
}

static void test_what_was_read_is_taken(void **state)
{
	struct fixture *f = *state;

	begin_line(f);
	assert_int_equal(f->told, 1);
	assert_int_equal(door_client_check(f->d), DOOR_CLIENT_READY);
	begin_line(f);
	assert_int_equal(door_client_check(f->d), DOOR_CLIENT_READY);
	assert_int_equal(fake_core_loads, 1);
	assert_int_equal(fake_core_reads, 0);
}

static void test_what_nobody_looked_at_is_kept(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 3; i++)
		begin_line(f);
	assert_int_equal(fake_core_loads, 1);
	write_config(f, "mcpServers: {a: {command: x}}\n");
	begin_line(f);
	assert_int_equal(fake_core_loads, 2);
	assert_int_equal(door_client_check(f->d), DOOR_CLIENT_READY);
	assert_int_equal(fake_core_reads, 0);
}

static void test_a_fault_is_told_without_reading_again(void **state)
{
	struct fixture *f = *state;

	write_config(f, "limit: 3\n");
	for (unsigned line = 1; line <= 3; line++) {
		begin_line(f);
		for (int i = 0; i < 3; i++) {
			assert_int_equal(door_client_check(f->d), DOOR_CLIENT_FAULTY);
			assert_non_null(strstr(door_client_fault(f->d), "unknown key limit"));
		}
		assert_int_equal(fake_core_loads, line);
	}
	assert_int_equal(fake_core_reads, 0);
	write_config(f, "mcpServers: {}\n");
	begin_line(f);
	assert_int_equal(door_client_check(f->d), DOOR_CLIENT_READY);
	assert_int_equal(fake_core_reads, 0);
}

static void test_a_check_before_it_is_over_leaves_nothing_behind(void **state)
{
	struct fixture *f = *state;

	assert_true(door_client_load(f->d, on_loaded, f));
	assert_int_equal(door_client_check(f->d), DOOR_CLIENT_READY);
	assert_int_equal(fake_core_reads, 1);
	loop_run(f->loop);
	begin_line(f);
	write_config(f, "mcpServers: {a: {command: x}}\n");
	begin_line(f);
	assert_int_equal(door_client_check(f->d), DOOR_CLIENT_READY);
	assert_int_equal(fake_core_loads, 2);
	assert_int_equal(fake_core_reads, 1);
}

static void test_one_that_leaves_is_not_told(void **state)
{
	struct fixture *f = *state;

	assert_true(door_client_load(f->d, on_loaded, f));
	f->d = door_client_free(f->d);
	loop_run(f->loop);
	assert_int_equal(f->told, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_what_was_read_is_taken, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_nobody_looked_at_is_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_fault_is_told_without_reading_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_check_before_it_is_over_leaves_nothing_behind, setup, teardown),
		cmocka_unit_test_setup_teardown(test_one_that_leaves_is_not_told, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
