/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/conformance/drive.h"

#include "base/ids.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

static struct drive_run *run_by_stream(struct drive *d, uint32_t stream)
{
	for (int i = 0; i < d->run_count; i++)
		if (d->runs[i].stream == stream)
			return &d->runs[i];
	return NULL;
}

static struct drive_call *call_by_stream(struct drive *d, uint32_t stream)
{
	for (int i = 0; i < d->call_count; i++)
		if (d->calls[i].stream == stream)
			return &d->calls[i];
	return NULL;
}

/* ---- calls ---- */

/* Sends as much of the answer as there is room for. */
static void call_write(struct drive *d, struct drive_call *c)
{
	ssize_t n;

	while (c->answer.len > 0) {
		n = tunnel_send(d->tunnel, c->stream, 0, buf_head(&c->answer), c->answer.len, true);
		if (n <= 0)
			return;
		buf_consume(&c->answer, (size_t)n);
	}
}

static void call_answer(struct drive *d, struct drive_call *c)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	bool fail = strcmp(c->tool, "fail") == 0;
	const char *head = fail ? "{\"ok\":false,\"kind\":\"denied\"}" : "{\"ok\":true}";

	c->answered = true;
	c->answer.max = DRIVE_OUTPUT_MAX;
	if (strcmp(c->tool, "big") == 0) {
		uint8_t *p = buf_reserve(&c->answer, 700002);

		memset(p, 'b', 700002);
		p[0] = p[700001] = '"';
		buf_commit(&c->answer, 700002);
	} else {
		assert_int_equal(buf_append(&c->answer, buf_head(&c->args), c->args.len), 0);
	}
	assert_int_equal(tunnel_head(d->tunnel, c->stream, head, strlen(head), NULL, 0, fail, &err), 0);
	if (!fail)
		call_write(d, c);
}

static void calls_answer(struct drive *d)
{
	int held = 0;

	for (int i = 0; i < d->call_count; i++)
		held += d->calls[i].whole && !d->calls[i].answered && strcmp(d->calls[i].tool, "hold") == 0;
	for (int i = 0; i < d->call_count; i++) {
		struct drive_call *c = &d->calls[i];
		bool hold = strcmp(c->tool, "hold") == 0;

		if (c->whole && !c->answered && strcmp(c->tool, "never") != 0 && (!hold || held >= d->hold_count))
			call_answer(d, c);
	}
}

/* ---- events ---- */

static void on_up(void *user, bool resumed)
{
	struct drive *d = user;

	d->ups++;
	d->resumes += resumed;
}

static void on_open(void *user, uint32_t stream, const char *head, size_t len)
{
	struct drive *d = user;
	struct drive_call *c = &d->calls[d->call_count];
	const char *tool = memmem(head, len, "\"tool\": \"", 9);

	assert_true(d->call_count < DRIVE_CALLS && tool);
	d->call_count++;
	*c = (struct drive_call){.stream = stream, .args.max = DRIVE_OUTPUT_MAX};
	snprintf(c->tool, sizeof(c->tool), "%.*s", (int)strcspn(tool + 9, "\""), tool + 9);
}

static void on_head(void *user, uint32_t stream, const char *head, size_t len)
{
	struct drive *d = user;

	run_by_stream(d, stream)->started = true;
}

static void on_body(void *user, uint32_t stream, uint16_t channel, const uint8_t *data, size_t len)
{
	struct drive *d = user;
	struct drive_run *run = run_by_stream(d, stream);
	struct drive_call *c = call_by_stream(d, stream);

	assert_true(run || c);
	assert_int_equal(buf_append(run ? &run->output[channel] : &c->args, data, len), 0);
	if (!run || run->consume)
		tunnel_consumed(d->tunnel, stream, len);
}

static void on_end(void *user, uint32_t stream, const char *tail, size_t len)
{
	struct drive *d = user;
	struct drive_run *run = run_by_stream(d, stream);
	struct drive_call *c = call_by_stream(d, stream);

	if (run) {
		run->ended = true;
		snprintf(run->tail, sizeof(run->tail), "%.*s", (int)len, tail ? tail : "");
	} else {
		c->whole = true;
		calls_answer(d);
	}
}

static void on_reset(void *user, uint32_t stream, const char *json, size_t len)
{
	struct drive_call *c = call_by_stream(user, stream);

	if (c)
		c->cancelled = true;
}

static void on_lost(void *user, uint32_t stream)
{
	struct drive_run *run = run_by_stream(user, stream);

	if (run)
		run->lost = true;
}

static void on_writable(void *user, uint32_t stream)
{
	struct drive_call *c = call_by_stream(user, stream);

	if (c && c->answered)
		call_write(user, c);
}

static void on_frame(void *user, uint32_t stream, uint32_t sequence)
{
	struct drive *d = user;

	tunnel_handled(d->tunnel, sequence);
}

static void on_closed(void *user, const struct error *reason)
{
	struct drive *d = user;

	d->closed = true;
}

static void on_late(void *user)
{
	struct drive *d = user;

	d->late = true;
}

static void on_random(void *user, void *data, size_t len)
{
	random_bytes(data, len);
}

/* ---- life ---- */

static void tunnel_start(struct drive *d)
{
	static const struct tunnel_events events = {
		.up = on_up,
		.open = on_open,
		.head = on_head,
		.body = on_body,
		.end = on_end,
		.reset = on_reset,
		.stream_lost = on_lost,
		.writable = on_writable,
		.frame = on_frame,
	};
	struct tunnel_options o = {.dialler = true, .id.bytes = {1, 2, 3}, .random = on_random};
	_cleanup_error_ struct error err = ERROR_INIT;

	memcpy(o.secret, d->secret, sizeof(o.secret));
	random_bytes(&o.boot, sizeof(o.boot));
	assert_int_equal(tunnel_new(&o, &events, d, &d->tunnel, &err), 0);
}

static void forget(struct drive *d)
{
	for (int i = 0; i < d->run_count; i++)
		for (int c = 0; c < 6; c++)
			buf_done(&d->runs[i].output[c]);
	for (int i = 0; i < d->call_count; i++) {
		buf_done(&d->calls[i].args);
		buf_done(&d->calls[i].answer);
	}
	d->run_count = d->call_count = 0;
}

void drive_start(struct drive *d, const char *socket, const uint8_t secret[32])
{
	_cleanup_error_ struct error err = ERROR_INIT;

	*d = (struct drive){.hold_count = 1};
	memcpy(d->secret, secret, sizeof(d->secret));
	snprintf(d->socket, sizeof(d->socket), "%s", socket);
	assert_int_equal(loop_new(&d->loop, &err), 0);
	assert_int_equal(loop_timer_new(d->loop, on_late, d, &d->timer, &err), 0);
	tunnel_start(d);
}

void drive_stop(struct drive *d)
{
	drive_cut(d);
	forget(d);
	d->tunnel = tunnel_free(d->tunnel);
	d->timer = loop_timer_free(d->timer);
	d->loop = loop_free(d->loop);
}

void drive_reboot(struct drive *d)
{
	drive_cut(d);
	forget(d);
	d->tunnel = tunnel_free(d->tunnel);
	tunnel_start(d);
}

static int dial(const char *path)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	assert_int_equal(connect(fd, (const struct sockaddr *)&sun, sizeof(sun)), 0);
	return fd;
}

bool drive_connect(struct drive *d)
{
	static const struct carrier_events events = {.closed = on_closed};
	_cleanup_error_ struct error err = ERROR_INIT;
	int fd = dial(d->socket);

	drive_cut(d);
	d->closed = false;
	d->fd = fd;
	assert_int_equal(carrier_stream_new(d->loop, d->tunnel, fd, fd, &events, d, &d->carrier, &err), 0);
	DRIVE_UNTIL(d, d->closed || tunnel_is_up(d->tunnel));
	return !d->closed;
}

void drive_cut(struct drive *d)
{
	d->carrier = carrier_free(d->carrier);
}

size_t drive_unread(struct drive *d)
{
	int n = 0;

	assert_int_equal(ioctl(d->fd, FIONREAD, &n), 0);
	return (size_t)n;
}

void drive_patience(struct drive *d)
{
	d->late = false;
	loop_timer_start(d->timer, DRIVE_WAIT_MS);
}

struct drive_run *drive_run(struct drive *d, const char *code)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct drive_run *run = &d->runs[d->run_count];
	char head[128];
	int n = snprintf(head, sizeof(head), "{\"kind\":\"run\",\"run\":\"run_%d\",\"language\":\"python\"}",
			 d->run_count);

	assert_true(d->run_count < DRIVE_RUNS);
	*run = (struct drive_run){.consume = true};
	for (int c = 0; c < 6; c++)
		run->output[c].max = DRIVE_OUTPUT_MAX;
	assert_int_equal(tunnel_open(d->tunnel, head, (size_t)n, code, strlen(code), true, &run->stream, &err), 0);
	d->run_count++;
	if (d->carrier)
		carrier_kick(d->carrier);
	return run;
}

void drive_cancel(struct drive *d, struct drive_run *run)
{
	tunnel_cancel(d->tunnel, run->stream, "{\"reason\":\"cancelled\"}", 22);
	carrier_kick(d->carrier);
}

const char *drive_text(struct drive_run *run, int channel)
{
	struct buf *b = &run->output[channel];

	assert_int_equal(buf_append(b, "", 1), 0);
	b->len--;
	return (const char *)buf_head(b);
}
