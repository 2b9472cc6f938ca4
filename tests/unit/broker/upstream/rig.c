/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/broker/upstream/rig.h"

#include "base/clock.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

/* 64 MiB through a sanitized build on a busy machine took over 10 s; meson ends the whole suite after 120 s */
#define RIG_LIMIT_MS 60000u

static const char *const inherited[] = {"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", "SECRET_OF_BROKER=1",
					NULL};
static const char *const configured[] = {"FROM_CONFIG=yes", NULL};

static const char *variable(const char *name)
{
	const char *value = getenv(name);

	if (!value)
		fail_msg("%s is not set: run this by meson test", name);
	return value;
}

int rig_setup(void **state)
{
	static char fixture[512];
	struct rig *rig = calloc(1, sizeof(*rig));
	struct error err = ERROR_INIT;

	assert_non_null(rig);
	strcpy(rig->dir, "/tmp/hawser-upstream-XXXXXX");
	assert_non_null(mkdtemp(rig->dir));
	snprintf(rig->log_path, sizeof(rig->log_path), "%s/server.log", rig->dir);
	snprintf(fixture, sizeof(fixture), "%s/tests/fixture/server.py", variable("HAWSER_SOURCE"));
	assert_int_equal(loop_new(&rig->loop, &err), 0);
	assert_int_equal(spawner_new(rig->loop, &rig->spawner, &err), 0);
	rig->switches[0] = fixture;
	rig->options = (struct upstream_options){
		.name = "fixture",
		.command = variable("HAWSER_PYTHON"),
		.args = rig->switches,
		.env = configured,
		.inherited = inherited,
		.cwd = rig->dir,
		.log_path = rig->log_path,
		.backoff_ms = 20,
		.step_ms = 100,
	};
	*state = rig;
	return 0;
}

static void on_changed(void *user, struct upstream *u)
{
	struct rig *rig = user;

	(void)u;
	rig->changes++;
}

void rig_open_with(struct rig *rig, const char *const *switches)
{
	static const struct upstream_events events = {.changed = on_changed};
	struct error err = ERROR_INIT;
	size_t n = 0;

	for (; switches[n]; n++) {
		assert_true(n + 2 < ARRAY_SIZE(rig->switches));
		rig->switches[n + 1] = switches[n];
	}
	rig->switches[n + 1] = NULL;
	assert_int_equal(upstream_new(rig->loop, rig->spawner, &rig->options, &events, rig, &rig->u, &err), 0);
}

static void set_flag(void *user)
{
	*(bool *)user = true;
}

void rig_close(struct rig *rig)
{
	bool gone = false;

	if (!rig->u)
		return;
	rig->u = upstream_close(rig->u, set_flag, &gone);
	rig_until(rig, &gone);
}

static void remove_dir(const char *path)
{
	char file[512];
	struct dirent *entry;
	DIR *dir = opendir(path);

	while (dir && (entry = readdir(dir))) {
		snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
		(void)unlink(file);
	}
	if (dir)
		closedir(dir);
	(void)rmdir(path);
}

int rig_teardown(void **state)
{
	struct rig *rig = *state;

	rig_close(rig);
	spawner_free(rig->spawner);
	loop_free(rig->loop);
	remove_dir(rig->dir);
	free(rig);
	return 0;
}

void rig_until(struct rig *rig, const bool *flag)
{
	uint64_t end = clock_now_ms() + RIG_LIMIT_MS;

	while (!*flag && clock_now_ms() < end)
		loop_turn(rig->loop, 100);
	assert_true(*flag);
}

void rig_let(struct rig *rig, unsigned ms)
{
	uint64_t end = clock_now_ms() + ms, now;

	while ((now = clock_now_ms()) < end)
		loop_turn(rig->loop, (int)(end - now));
}

void on_rig_done(void *user, struct upstream_reply *reply)
{
	struct answer *a = user;

	a->times++;
	a->done = true;
	a->outcome = reply->outcome;
	a->sent = reply->sent;
	a->message = reply->message ? strdup(reply->message) : NULL;
	/* Moved, as a caller would do it: a big result is not copied on the loop. */
	a->len = reply->result->len;
	a->storage = *reply->result;
	*reply->result = (struct buf)BUF_INIT(0);
	a->storage.max = SIZE_MAX / 8;
	a->text = (char *)buf_reserve(&a->storage, 1) - a->len;
	a->text[a->len] = '\0';
}

void on_rig_progress(void *user, struct span params)
{
	struct answer *a = user;

	assert_int_equal(span_type(params), SPAN_OBJECT);
	a->progress++;
}

void rig_begin(struct rig *rig, const char *tool, const char *args, uint64_t timeout_ms, struct answer *ret)
{
	struct error err = ERROR_INIT;
	struct buf copy = BUF_INIT(strlen(args));

	answer_done(ret);
	ret->rig = rig;
	assert_int_equal(buf_append_str(&copy, args), 0);
	assert_int_equal(upstream_call_take(rig->u, tool, &copy, timeout_ms, on_rig_progress, on_rig_done, ret,
					    &ret->request, &err),
			 0);
	assert_false(ret->done);
}

void rig_call(struct rig *rig, const char *tool, const char *args, struct answer *ret)
{
	rig_begin(rig, tool, args, 0, ret);
	rig_until(rig, &ret->done);
}

void rig_ensure(struct rig *rig, struct answer *ret)
{
	struct error err = ERROR_INIT;

	answer_done(ret);
	assert_int_equal(upstream_ensure(rig->u, on_rig_done, ret, &ret->request, &err), 0);
	assert_false(ret->done);
	rig_until(rig, &ret->done);
}

void answer_done(struct answer *a)
{
	buf_done(&a->storage);
	free(a->message);
	*a = (struct answer)ANSWER_INIT;
}

void assert_has(const char *text, const char *part)
{
	if (!text || !strstr(text, part))
		fail_msg("\"%s\" is not in: %s", part, text ? text : "(nothing)");
}
