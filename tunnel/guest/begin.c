/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a run begins: OPEN makes it and gives it an interpreter (a parked one if there is one), the code goes on to the
 * shim as it comes, FIN starts it. bash has no shim: its code is collected, and its interpreter starts on the file.
 */
#include "tunnel/guest/runs.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- its interpreter ---- */

static int run_launch(struct run *run, const char *file, struct error *err)
{
	static const uint16_t channels[] = {CHANNEL_STDOUT, CHANNEL_STDERR, CHANNEL_LOG};
	const struct child_limits limits = {run->limits.memory, run->limits.processes, run->limits.file};
	struct guest *g = run->guest;
	_cleanup_free_ char *work = NULL;
	struct child *c = file ? NULL : park_take(g, run->language, &limits);
	int r = 0;

	if (!c) {
		if (file) {
			work = strndup(file, (size_t)(strrchr(file, '/') - file));
			r = work ? 0 : error_set(err, -ENOMEM, "no memory for a run");
		} else {
			r = child_work_dir(g, &work, err);
		}
		if (r == 0)
			r = child_new(g, run->language, &limits, work, file ? strrchr(file, '/') + 1 : NULL, &c, err);
		if (r < 0)
			return r;
	}
	assert(c);
	c->run = run;
	run->child = c;
	run->session = c->pid;
	for (size_t i = 0; i < ARRAY_SIZE(channels) && r == 0; i++)
		r = output_new(run, channels[i], TAKE_FD(c->fds[i]), &run->outputs[i], err);
	if (r == 0 && run->language == LANGUAGE_BASH)
		cleanup_closep(&c->fds[CHILD_SHIM]);
	else if (r == 0)
		r = shim_main_new(run, TAKE_FD(c->fds[CHILD_SHIM]), err);
	if (r == 0)
		r = shim_lobby_new(run, TAKE_FD(c->fds[CHILD_LOBBY]), err);
	return r;
}

static int write_file(const char *path, const struct buf *b, struct error *err)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	size_t done = 0;

	while (fd >= 0 && done < b->len) {
		ssize_t n = write(fd, buf_head(b) + done, b->len - done);

		if (n < 0)
			return error_set_errno(err, -errno, "writing %s", path);
		done += (size_t)n;
	}
	return fd < 0 ? error_set_errno(err, -errno, "making %s", path) : 0;
}

/* The code is whole: into its file, its data beside it, and bash on it. */
static int run_launch_file(struct run *run, struct error *err)
{
	_cleanup_free_ char *work = NULL, *path = NULL, *data = NULL;
	int r = child_work_dir(run->guest, &work, err);

	if (r < 0)
		return r;
	if (asprintf(&path, "%s/%s", work, run->file) < 0 || asprintf(&data, "%s/data.json", work) < 0)
		return error_set(err, -ENOMEM, "no memory for a path");
	r = write_file(path, &run->code, err);
	if (r == 0 && run->data.len > 0)
		r = write_file(data, &run->data, err);
	return r < 0 ? r : run_launch(run, path, err);
}

static void run_launch_failed(struct run *run, const struct error *err)
{
	_cleanup_free_ char *message = NULL;

	if (asprintf(&message, "the %s interpreter of this sandbox did not start: %s",
		     guest_language_name(run->language), error_text(err)) < 0)
		message = NULL;
	run_stop(run, RUN_FAILED, "interpreter", "interpreter", message ? message : error_text(err));
}

/* ---- frames of the broker ---- */

static void refuse(struct guest *g, uint32_t stream, const char *reason, const char *message)
{
	_cleanup_buf_ struct buf b = BUF_INIT(FRAME_HEAD_MAX);

	if (buf_printf(&b, "{\"reason\":\"%s\",\"message\":", reason) == 0 &&
	    buf_append_json(&b, message, strnlen(message, RUN_MESSAGE_MAX)) == 0 && buf_append_str(&b, "}") == 0)
		tunnel_reset(g->tunnel, stream, (const char *)buf_head(&b), b.len);
}

void run_open(struct guest *g, uint32_t stream, struct span head)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct run *run = NULL;
	int r = run_new(g, stream, head, &run, &err);

	if (r < 0) {
		refuse(g, stream, r == -EBUSY ? "too_many_runs" : "bad_head", error_text(&err));
		return;
	}
	guest_stream_add(g, &run->stream);
	tunnel_keep_after_reset(g->tunnel, stream);
	if (run->language == LANGUAGE_BASH)
		return; /* its code must be there first */
	r = run_launch(run, NULL, &err);
	if (r == 0)
		r = shim_send_open(run, head);
	if (r < 0)
		run_launch_failed(run, &err);
}

void run_body(struct run *run, uint16_t channel, const uint8_t *data, size_t len)
{
	struct tunnel *t = run->guest->tunnel;

	if ((channel != CHANNEL_MAIN && channel != CHANNEL_DATA) || run->state != RUN_LOADING) {
		tunnel_consumed(t, run->stream.id, len);
		return;
	}
	if (run->language != LANGUAGE_BASH) {
		if (shim_send_code(run, channel, data, len, false) < 0)
			run_stop(run, RUN_FAILED, "shim", "internal", "the interpreter does not take its code");
		return;
	}
	if (buf_append(channel == CHANNEL_DATA ? &run->data : &run->code, data, len) < 0)
		run_stop(run, RUN_FAILED, "too_large", "too_large", "the code or its data is over 16 MiB");
	tunnel_consumed(t, run->stream.id, len);
}

void run_end(struct run *run)
{
	static const char started[] = "{\"started\":true}";
	_cleanup_error_ struct error err = ERROR_INIT;
	int r;

	if (run->state != RUN_LOADING)
		return;
	if (run->language == LANGUAGE_BASH)
		r = run_launch_file(run, &err);
	else
		r = shim_send_code(run, CHANNEL_MAIN, NULL, 0, true);
	if (r == 0)
		r = tunnel_head(run->guest->tunnel, run->stream.id, started, sizeof(started) - 1, NULL, 0, false, &err);
	if (r < 0)
		run_launch_failed(run, &err);
	else
		run_started(run);
}
