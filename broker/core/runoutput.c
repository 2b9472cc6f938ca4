/* SPDX-License-Identifier: Apache-2.0 */
/* What a run prints and returns: redacted, into its event file, then to whoever listens. */
#include "broker/core/runs.h"

#include <string.h>

static void keep(struct run *run, unsigned channel, const void *data, size_t len)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	int r;

	if (run->file_problem || len == 0)
		return;
	r = channel == CHANNEL_RESULT ? runfiles_result(&run->files, data, len, &err)
				      : runfiles_event(&run->files, channel, data, len, &err);
	if (r == 0)
		return;
	run->file_problem = TAKE_PTR(err.msg);
	if (run->machine_run)
		machine_run_cancel(run->machine_run, "budget");
}

static void put_stream(struct run *run, unsigned channel, const uint8_t *data, size_t len, bool end)
{
	_cleanup_buf_ struct buf clean = BUF_INIT(len * 2 + (1 << 20));
	int r;

	if (!run->redact[channel])
		run->redact[channel] = redact_stream_new(run->view->redact);
	if (!run->redact[channel])
		return;
	r = redact_stream_feed(run->redact[channel], data, len, &clean);
	if (r == 0 && end)
		r = redact_stream_end(run->redact[channel], &clean);
	if (r < 0 || clean.len == 0)
		return;
	keep(run, channel, buf_head(&clean), clean.len);
	if (channel != CHANNEL_RESULT)
		run_tell_output(run, channel, buf_head(&clean), clean.len);
}

void run_flush_output(struct run *run)
{
	static const unsigned channels[] = {CHANNEL_STDOUT, CHANNEL_STDERR, CHANNEL_RESULT};

	for (size_t i = 0; i < ARRAY_SIZE(channels); i++)
		if (run->redact[channels[i]])
			put_stream(run, channels[i], (const uint8_t *)"", 0, true);
}

static void put_log(struct run *run, const uint8_t *data, size_t len)
{
	_cleanup_error_ struct error ignored = ERROR_INIT;
	_cleanup_buf_ struct buf text = BUF_INIT(len * 2 + 4096);
	struct span record = SPAN_NONE;
	char level;

	if (span_check(span_of(data, len), false, &record, &ignored) < 0)
		return;
	level = span_string_equals(span_member(record, "level"), "error")  ? 'e'
		: span_string_equals(span_member(record, "level"), "warn") ? 'w'
									   : 'l';
	if (buf_append(&text, &level, 1) < 0 || span_string(span_member(record, "text"), &text) < 0)
		return;
	redact_buf(run->view->redact, &text);
	keep(run, CHANNEL_LOG, buf_head(&text), text.len);
	if (!run_is_heard(run) || buf_append(&text, "\n", 1) < 0)
		return;
	run_tell_output(run, level == 'l' ? CHANNEL_STDOUT : CHANNEL_STDERR, buf_head(&text) + 1, text.len - 1);
}

/* Not kept: whoever follows the run hears it. */
static void put_progress(struct run *run, const uint8_t *data, size_t len)
{
	_cleanup_buf_ struct buf text = BUF_INIT(len * 2 + 4096);

	if (!run_is_heard(run) || buf_append(&text, data, len) < 0)
		return;
	redact_buf(run->view->redact, &text);
	run_tell_output(run, CHANNEL_PROGRESS, buf_head(&text), text.len);
}

void run_on_output(void *user, uint16_t channel, const uint8_t *data, size_t len)
{
	struct run *run = user;

	switch (channel) {
	case CHANNEL_STDOUT:
	case CHANNEL_STDERR:
		put_stream(run, channel, data, len, false);
		return;
	case CHANNEL_RESULT:
		if (run->files.result_size + len > (uint64_t)run->view->config->limits.result) {
			free(run->file_problem);
			run->file_problem = strdup("the result is larger than limits.result; return less");
			machine_run_cancel(run->machine_run, "budget");
			return;
		}
		put_stream(run, channel, data, len, false);
		return;
	case CHANNEL_LOG:
		put_log(run, data, len);
		return;
	case CHANNEL_PROGRESS:
		put_progress(run, data, len);
		return;
	default:
		return; /* a channel of a later version */
	}
}
