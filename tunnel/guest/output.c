/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the processes of a run write: stdout and stderr as bytes, log records as one JSON object a frame. A pipe is read
 * only while the run's stream has room, so a slow reader at the broker slows the writer. Over the limit the bytes are
 * read, counted and dropped.
 */
#include "tunnel/guest/runs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	OUTPUT_READS_A_TURN = 8,
	LOG_HEADER = 5, /* 4 bytes length, 1 byte level */
	LOG_RECORD_MAX = 64 * 1024 * 1024, /* a length above is not one: the pipe is closed */
	LOG_TEXT_MAX = 60 * 1024, /* bytes of text that are kept of a record */
	LOG_ESCAPED_MAX = FRAME_PAYLOAD_MAX - 64,
};

struct output {
	struct run *run;
	uint16_t channel;
	int fd;
	struct loop_fd *watch;
	bool last, blocked;
	/* log: the record that is coming in, and its JSON if it waits for room */
	struct buf record;
	size_t record_skip; /* bytes of the record beyond LOG_TEXT_MAX that are still to come */
	struct buf json;
};

static void output_close(struct output *o)
{
	if (o->fd < 0)
		return;
	o->watch = loop_fd_free(o->watch);
	close(TAKE_FD(o->fd));
	run_part_over(o->run);
}

bool output_over(const struct output *o)
{
	return !o || (o->fd < 0 && o->json.len == 0);
}

static void keep_stderr(struct run *run, const uint8_t *data, size_t len)
{
	size_t max = sizeof(run->stderr_tail), keep;

	if (len >= max) {
		memcpy(run->stderr_tail, data + len - max, max);
		run->stderr_len = max;
		return;
	}
	keep = run->stderr_len + len > max ? max - len : run->stderr_len;
	memmove(run->stderr_tail, run->stderr_tail + run->stderr_len - keep, keep);
	memcpy(run->stderr_tail + keep, data, len);
	run->stderr_len = keep + len;
}

static void output_block(struct output *o, bool blocked)
{
	o->blocked = blocked;
	if (o->fd >= 0)
		loop_fd_watch(o->watch, blocked ? 0 : LOOP_READ);
}

/* How much may be read and sent now; 0: wait for room. *ret_drop: read it, but for nobody. */
static size_t output_budget(struct output *o, bool *ret_drop)
{
	struct run *run = o->run;
	uint64_t left = run->limits.output - run->output_sent;
	size_t room;

	*ret_drop = run->lost || left == 0;
	if (*ret_drop)
		return FRAME_PAYLOAD_MAX;
	room = tunnel_room(run->guest->tunnel, run->stream.id);
	if (room > FRAME_PAYLOAD_MAX)
		room = FRAME_PAYLOAD_MAX;
	return left < room ? (size_t)left : room;
}

static void output_send(struct output *o, const uint8_t *data, size_t len, bool drop)
{
	struct run *run = o->run;
	ssize_t sent = drop ? 0 : tunnel_send(run->guest->tunnel, run->stream.id, o->channel, data, len, false);

	if (o->channel == CHANNEL_STDERR)
		keep_stderr(run, data, len);
	if (sent < 0)
		sent = 0;
	run->output_sent += (uint64_t)sent;
	run->output_dropped += len - (size_t)sent;
}

/* true: there may be more to read at once. */
static bool output_read_bytes(struct output *o)
{
	uint8_t *scratch = o->run->guest->scratch;
	bool drop;
	size_t want = output_budget(o, &drop);
	ssize_t n;

	output_block(o, want == 0);
	if (want == 0)
		return false;
	n = read(o->fd, scratch, want);
	if (n > 0) {
		output_send(o, scratch, (size_t)n, drop);
		return true;
	}
	if (n == 0 || (errno != EAGAIN && errno != EINTR) || (o->last && errno == EAGAIN))
		output_close(o);
	return false;
}

/* ---- log records ---- */

static int log_json(struct output *o, const uint8_t *text, size_t len, uint8_t level)
{
	static const char *const levels[] = {"log", "info", "debug", "warn", "error"};
	int r = buf_printf(&o->json, "{\"level\":\"%s\",\"text\":", levels[level < ARRAY_SIZE(levels) ? level : 0]);

	if (r == 0)
		r = buf_append_json(&o->json, (const char *)text, len);
	return r == 0 ? buf_append_str(&o->json, "}") : r;
}

/* Turns the record into JSON; what grows beyond a frame by its escapes is cut to half, and again. */
static void log_finish(struct output *o)
{
	const uint8_t *p = buf_head(&o->record);
	size_t len = o->record.len - LOG_HEADER;

	while (log_json(o, p + LOG_HEADER, len, p[4]) < 0) {
		buf_clear(&o->json);
		len = span_utf8_floor((const char *)p + LOG_HEADER, len / 2);
	}
	buf_clear(&o->record);
}

/* false: it must wait for room. */
static bool log_send(struct output *o)
{
	struct run *run = o->run;
	bool drop = run->lost || run->output_sent + o->json.len > run->limits.output;

	if (!drop && tunnel_room(run->guest->tunnel, run->stream.id) < o->json.len) {
		output_block(o, true);
		return false;
	}
	if (drop)
		run->output_sent = run->limits.output; /* nothing behind a gap */
	output_send(o, buf_head(&o->json), o->json.len, drop);
	buf_clear(&o->json);
	return true;
}

/* How many bytes of the record are still to come; 0: it is whole; negative: this is no record. */
static ssize_t log_missing(struct output *o)
{
	const uint8_t *p = buf_head(&o->record);
	uint32_t len;

	if (o->record.len < LOG_HEADER)
		return (ssize_t)(LOG_HEADER - o->record.len);
	len = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
	if (len < 1 || len > LOG_RECORD_MAX)
		return -EPROTO;
	len--; /* the level */
	if (o->record.len == LOG_HEADER && len > LOG_TEXT_MAX)
		o->record_skip = len - LOG_TEXT_MAX;
	if (len > LOG_TEXT_MAX)
		len = LOG_TEXT_MAX;
	return (ssize_t)(LOG_HEADER + len - o->record.len);
}

static int log_take(struct output *o, const uint8_t *data, size_t len)
{
	while (len > 0) {
		ssize_t missing = log_missing(o);
		size_t n;

		if (missing < 0)
			return (int)missing;
		if (missing == 0) { /* text is full: the rest is skipped */
			n = len < o->record_skip ? len : o->record_skip;
			o->record_skip -= n;
		} else {
			n = len < (size_t)missing ? len : (size_t)missing;
			if (buf_append(&o->record, data, n) < 0)
				return -ENOMEM;
		}
		data += n;
		len -= n;
	}
	return 0;
}

/* A log pipe is read record by record, so that what waits for room waits in the pipe. */
static bool output_read_log(struct output *o)
{
	uint8_t *scratch = o->run->guest->scratch;
	ssize_t missing, n;
	size_t want;

	if (o->json.len > 0 && !log_send(o))
		return false;
	output_block(o, false);
	if (o->fd < 0) {
		run_part_over(o->run);
		return false;
	}
	missing = log_missing(o);
	want = missing > 0 ? (size_t)missing : o->record_skip;
	if (want > FRAME_PAYLOAD_MAX)
		want = FRAME_PAYLOAD_MAX;
	n = want > 0 ? read(o->fd, scratch, want) : 0;
	if (n < 0 && (errno == EAGAIN || errno == EINTR) && !o->last)
		return false;
	if (n <= 0 || log_take(o, scratch, (size_t)n) < 0) {
		output_close(o);
		return false;
	}
	missing = log_missing(o);
	if (missing < 0) {
		output_close(o);
		return false;
	}
	if (missing == 0 && o->record_skip == 0) {
		log_finish(o);
		return log_send(o);
	}
	return true;
}

static void output_read(struct output *o)
{
	for (int i = 0; i < OUTPUT_READS_A_TURN * (o->channel == CHANNEL_LOG ? 8 : 1); i++)
		if (!(o->channel == CHANNEL_LOG ? output_read_log(o) : output_read_bytes(o)))
			break;
}

static void output_on_fd(void *user, unsigned events)
{
	struct output *o = user;

	(void)events;
	output_read(o);
	guest_kick(o->run->guest);
}

void output_writable(struct output *o)
{
	if (o && o->blocked)
		output_read(o);
}

void output_last(struct output *o)
{
	if (!o || o->fd < 0)
		return;
	o->last = true;
	if (!o->blocked)
		output_read(o);
}

int output_new(struct run *run, uint16_t channel, int fd, struct output **ret, struct error *err)
{
	struct output *o = calloc(1, sizeof(*o));
	int r;

	if (!o) {
		close(fd);
		return error_set(err, -ENOMEM, "no memory for the output of a run");
	}
	*o = (struct output){.run = run, .channel = channel, .fd = fd};
	o->record = (struct buf)BUF_INIT(LOG_HEADER + LOG_TEXT_MAX);
	o->json = (struct buf)BUF_INIT(LOG_ESCAPED_MAX);
	r = loop_fd_new(run->guest->loop, fd, output_on_fd, o, &o->watch, err);
	if (r < 0) {
		output_free(o);
		return r;
	}
	loop_fd_watch(o->watch, LOOP_READ);
	*ret = o;
	return 0;
}

struct output *output_free(struct output *o)
{
	if (!o)
		return NULL;
	o->watch = loop_fd_free(o->watch);
	cleanup_closep(&o->fd);
	buf_done(&o->record);
	buf_done(&o->json);
	free(o);
	return NULL;
}
