/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/broker/store/rig.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int rig_setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	struct error err = ERROR_INIT;

	snprintf(rig->dir, sizeof(rig->dir), "/tmp/hawser-store-XXXXXX");
	if (!mkdtemp(rig->dir) || loop_new(&rig->loop, &err) < 0)
		return -1;
	snprintf(rig->path, sizeof(rig->path), "%s/hawser.db", rig->dir);
	*state = rig;
	return 0;
}

static void empty(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *entry;
	char path[512];

	while (d && (entry = readdir(d))) {
		snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		unlink(path);
		rmdir(path);
	}
	if (d)
		closedir(d);
	rmdir(dir);
}

int rig_teardown(void **state)
{
	struct rig *rig = *state;

	rig_close(rig);
	loop_free(rig->loop);
	empty(rig->dir);
	free(rig);
	return 0;
}

void rig_open(struct rig *rig)
{
	_cleanup_error_ struct error err = ERROR_INIT;

	if (store_open(rig->loop, rig->dir, &rig->store, &err) < 0)
		fail_msg("%s", error_text(&err));
}

void rig_open_fails(struct rig *rig, int code)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	int r = store_open(rig->loop, rig->dir, &rig->store, &err);

	snprintf(rig->error, sizeof(rig->error), "%s", error_text(&err));
	if (r != code)
		fail_msg("%d instead of %d: %s", r, code, rig->error);
	assert_null(rig->store);
	assert_non_null(strstr(rig->error, rig->path));
}

void rig_close(struct rig *rig)
{
	rig->store = store_close(rig->store);
}

void rig_on_done(void *user, const struct error *err)
{
	struct rig *rig = user;

	if (!err->code) {
		rig->done++;
		return;
	}
	rig->failed++;
	snprintf(rig->error, sizeof(rig->error), "%s", error_text(err));
}

void rig_wait(struct rig *rig, int told)
{
	for (int turns = 0; rig->done + rig->failed < told && turns < 1000; turns++)
		loop_turn(rig->loop, 100);
	assert_int_equal(rig->done + rig->failed, told);
}

static void put(char *to, size_t size, const char *text)
{
	snprintf(to, size, "%s", text ? text : "");
}

static void on_run(void *user, const struct store_run *run)
{
	struct rig *rig = user;
	size_t i = (size_t)rig->runs++;

	if (i >= sizeof(rig->run) / sizeof(rig->run[0]))
		return;
	put(rig->run[i].id, sizeof(rig->run[i].id), run->id);
	put(rig->run[i].status, sizeof(rig->run[i].status), run->status);
	put(rig->run[i].error, sizeof(rig->run[i].error), run->error);
	put(rig->run[i].tail, sizeof(rig->run[i].tail), run->tail);
	put(rig->run[i].provider, sizeof(rig->run[i].provider), run->provider);
	put(rig->run[i].sandbox, sizeof(rig->run[i].sandbox), run->sandbox);
	rig->run[i].ended_ms = run->ended_ms;
	rig->run[i].seconds = run->seconds;
}

static void on_sandbox(void *user, const struct store_sandbox *sandbox)
{
	struct rig *rig = user;
	size_t len = strlen(rig->tags);

	rig->sandboxes++;
	snprintf(rig->tags + len, sizeof(rig->tags) - len, "%s %s %s;", sandbox->tag, sandbox->state,
		 sandbox->sandbox ? sandbox->sandbox : "-");
}

void rig_load(struct rig *rig)
{
	_cleanup_error_ struct error err = ERROR_INIT;

	store_settle(rig->store);
	rig->runs = rig->sandboxes = 0;
	rig->tags[0] = '\0';
	if (store_runs_load(rig->store, on_run, rig, &err) < 0 ||
	    store_sandboxes_load(rig->store, on_sandbox, rig, &err) < 0)
		fail_msg("%s", error_text(&err));
}

void rig_begin(struct rig *rig, const char *id, enum store_durability durability)
{
	const struct store_run run = {.id = id,
				      .subject = "local:1",
				      .folder = "/work",
				      .language = "python",
				      .status = "waiting",
				      .begun_ms = 1000};

	store_run_begin(rig->store, &run, durability, rig_on_done, rig);
}

void rig_end(struct rig *rig, const char *id, enum store_durability durability)
{
	const struct store_run run = {.id = id,
				      .status = "ok",
				      .ended_ms = 2000,
				      .seconds = 1.25,
				      .tail = "{\"status\":\"ok\"}",
				      .error = "none"};

	store_run_end(rig->store, &run, durability, rig_on_done, rig);
}

void rig_sandbox(struct rig *rig, const char *tag)
{
	const struct store_sandbox sandbox = {
		.tag = tag, .provider = "process", .place = "/sb/x", .state = "creating", .made_ms = 5};

	store_sandbox_begin(rig->store, &sandbox, rig_on_done, rig);
}

void rig_copy(const char *from, const char *to)
{
	static char bytes[1 << 16];
	int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ssize_t n;

	assert_true(in >= 0 && out >= 0);
	while ((n = read(in, bytes, sizeof(bytes))) > 0)
		assert_int_equal(write(out, bytes, (size_t)n), n);
	close(in);
	close(out);
}
