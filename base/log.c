/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include "base/buf.h"
#include "base/clock.h"

#include <stdbool.h>
#include <string.h>
#include <unistd.h>

static struct log_options log_options = {.fd = STDERR_FILENO, .least = LOG_INFO};

static const char *const level_names[] = {"debug", "info", "warn", "error"};

void log_setup(const struct log_options *options)
{
	log_options = *options;
}

static bool is_plain(const char *text)
{
	return *text && !strpbrk(text, " \t\r\n\"\\=") && strspn(text, "\x7f") == 0;
}

static int put_text(struct buf *line, const char *text)
{
	if (log_options.format == LOG_LOGFMT && is_plain(text))
		return buf_append_str(line, text);
	return buf_append_json(line, text, strlen(text));
}

static int put_pair(struct buf *line, const struct log_field *field)
{
	bool json = log_options.format == LOG_JSON;
	int r = buf_printf(line, json ? ",\"%s\":" : " %s=", field->key);

	if (r < 0)
		return r;
	return field->text ? put_text(line, field->text) : buf_printf(line, "%lld", field->number);
}

static int put_prefix(struct buf *line, enum log_level level, const char *event)
{
	char when[25];

	clock_format_wall(clock_wall_ms(), when);
	return buf_printf(line,
			  log_options.format == LOG_JSON ? "{\"time\":\"%s\",\"level\":\"%s\",\"event\":\"%s\""
							 : "time=%s level=%s event=%s",
			  when, level_names[level], event);
}

/* A full disk may take a part of a line: the next one that finds room begins on its own. */
static void write_line(const struct buf *line)
{
	static bool torn;
	ssize_t n;

	if (torn && write(log_options.fd, "\n", 1) == 1)
		torn = false;
	n = write(log_options.fd, buf_head(line), line->len);
	torn = torn || (n > 0 && (size_t)n < line->len);
}

void log_event(enum log_level level, const char *event, const struct log_field *fields)
{
	_cleanup_buf_ struct buf line = BUF_INIT(LOG_LINE_MAX - 8);
	int r;

	if (level < log_options.least || log_options.fd < 0)
		return;
	r = put_prefix(&line, level, event);
	for (; r == 0 && fields->key; fields++) {
		size_t before = line.len;

		r = put_pair(&line, fields);
		if (r < 0)
			line.len = before; /* a field that does not fit is left out whole, so the line stays parsable */
	}
	line.max = LOG_LINE_MAX;
	if (r < 0 && buf_append_str(&line, log_options.format == LOG_JSON ? ",\"cut\":1" : " cut=1") < 0)
		return;
	if (log_options.format == LOG_JSON && buf_append(&line, "}", 1) < 0)
		return;
	if (log_options.filter)
		line.len = log_options.filter(log_options.filter_user, (char *)buf_head(&line), line.len);
	if (buf_append(&line, "\n", 1) == 0)
		write_line(&line);
}
