/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole lines are redacted and cleaned of control characters (they end up on terminals), then written. A line that is
 * longer than WORDS_LINE_MAX is cut there: a secret that is cut in two by that is the one way around redaction.
 */
#include "broker/upstream/words.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define WORDS_LINE_MAX (16u << 10)
#define WORDS_NOTE_MAX 8192u /* bytes of a line of ours; redaction may make it longer */
#define WORDS_RECENT 4096u /* bytes of recent lines that are remembered */

struct words {
	char *path, *older_path;
	int fd;
	size_t size; /* of the file */
	words_redact_fn *redact;
	void *user;
	struct buf line; /* what has come of an unfinished line */
	struct buf recent; /* whole lines of this process, the newest last */
	uint64_t second_began_ms;
	size_t written, dropped; /* bytes in this second */
};

static void open_file(struct words *w)
{
	struct stat st;

	if (!w->path)
		return;
	w->fd = open(w->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (w->fd >= 0 && fstat(w->fd, &st) == 0)
		w->size = (size_t)st.st_size;
}

int words_new(const char *path, words_redact_fn *redact, void *user, struct words **ret, struct error *err)
{
	struct words *w = calloc(1, sizeof(*w));

	if (!w)
		return error_set(err, -ENOMEM, "no memory for a server's log");
	w->fd = -1;
	w->redact = redact;
	w->user = user;
	w->line = (struct buf)BUF_INIT(WORDS_LINE_MAX * 2);
	w->recent = (struct buf)BUF_INIT(WORDS_RECENT + WORDS_LINE_MAX * 2);
	if (path && (!(w->path = strdup(path)) || asprintf(&w->older_path, "%s.1", path) < 0)) {
		words_free(w);
		return error_set(err, -ENOMEM, "no memory for a server's log");
	}
	*ret = w;
	return 0;
}

struct words *words_free(struct words *w)
{
	if (!w)
		return NULL;
	cleanup_closep(&w->fd);
	buf_done(&w->line);
	buf_done(&w->recent);
	free(w->path);
	free(w->older_path);
	free(w);
	return NULL;
}

static void rotate(struct words *w)
{
	cleanup_closep(&w->fd);
	if (rename(w->path, w->older_path) < 0)
		(void)unlink(w->path);
	w->size = 0;
	open_file(w);
}

static void write_file(struct words *w, const void *text, size_t len)
{
	if (w->fd < 0)
		return;
	if (w->size + len > WORDS_FILE_MAX)
		rotate(w);
	if (w->fd < 0 || write(w->fd, text, len) != (ssize_t)len)
		return; /* a full disk costs log lines */
	w->size += len;
}

static void clean(struct buf *line)
{
	uint8_t *text = buf_head(line);

	for (size_t i = 0; i < line->len; i++)
		if ((text[i] < 0x20 && text[i] != '\t' && text[i] != '\n') || text[i] == 0x7f)
			text[i] = '?';
}

void words_note(struct words *w, const char *text)
{
	_cleanup_buf_ struct buf line = BUF_INIT(WORDS_NOTE_MAX);
	char when[25];

	if (buf_printf(&line, "--- %s %.2000s", clock_format_wall(clock_wall_ms(), when), text) < 0)
		return;
	if (w->redact)
		w->redact(w->user, &line);
	clean(&line);
	if (buf_append(&line, "\n", 1) == 0)
		write_file(w, buf_head(&line), line.len);
}

static void remember(struct words *w)
{
	const uint8_t *lf;

	if (w->line.len <= 1 || buf_append(&w->recent, buf_head(&w->line), w->line.len) < 0)
		return;
	while (w->recent.len > WORDS_RECENT && (lf = memchr(buf_head(&w->recent), '\n', w->recent.len - 1)))
		buf_consume(&w->recent, (size_t)(lf - buf_head(&w->recent)) + 1);
}

static bool within_rate(struct words *w, uint64_t now_ms)
{
	char text[64];

	if (now_ms - w->second_began_ms >= 1000) {
		if (w->dropped) {
			snprintf(text, sizeof(text), "%zu bytes were dropped: too many a second", w->dropped);
			words_note(w, text);
		}
		w->second_began_ms = now_ms;
		w->written = w->dropped = 0;
	}
	return w->written < WORDS_PER_SECOND;
}

static void write_line(struct words *w, struct buf *line, uint64_t now_ms)
{
	if (within_rate(w, now_ms)) {
		w->written += line->len;
		write_file(w, buf_head(line), line->len);
	} else {
		w->dropped += line->len;
	}
}

static void finish_line(struct words *w, uint64_t now_ms)
{
	if (w->redact)
		w->redact(w->user, &w->line);
	if (buf_append(&w->line, "\n", 1) < 0)
		return;
	clean(&w->line);
	remember(w);
	write_line(w, &w->line, now_ms);
	buf_clear(&w->line);
}

void words_stray(struct words *w, struct span line, uint64_t now_ms)
{
	_cleanup_buf_ struct buf text = BUF_INIT(WORDS_NOTE_MAX);
	size_t shown = line.len < WORDS_NOTE_MAX / 4 ? line.len : span_utf8_floor(line.p, WORDS_NOTE_MAX / 4);

	if (buf_append_str(&text, "stdout: ") < 0 || buf_append(&text, line.p, shown) < 0)
		return;
	if (w->redact)
		w->redact(w->user, &text);
	if (buf_append(&text, "\n", 1) < 0)
		return;
	clean(&text);
	write_line(w, &text, now_ms);
}

void words_add(struct words *w, const uint8_t *bytes, size_t len, uint64_t now_ms)
{
	while (len > 0) {
		const uint8_t *lf = memchr(bytes, '\n', len);
		size_t take = lf ? (size_t)(lf - bytes) : len, room = WORDS_LINE_MAX - w->line.len;
		bool cut = take > room;

		if (cut)
			take = room;
		if (buf_append(&w->line, bytes, take) < 0)
			return;
		if (cut || lf)
			finish_line(w, now_ms);
		take += lf && !cut ? 1 : 0;
		bytes += take;
		len -= take;
	}
}

void words_begin(struct words *w, pid_t pid)
{
	char text[64];

	buf_clear(&w->line);
	buf_clear(&w->recent);
	if (w->fd < 0)
		open_file(w);
	snprintf(text, sizeof(text), "started, pid %d", (int)pid);
	words_note(w, pid ? text : "connecting");
}

void words_end(struct words *w, const char *how)
{
	if (w->line.len)
		finish_line(w, clock_now_ms());
	words_note(w, how);
}

void words_tail(const struct words *w, struct buf *out)
{
	const char *text = (const char *)buf_head(&w->recent);
	size_t len = w->recent.len, from = len > WORDS_TAIL_MAX ? len - WORDS_TAIL_MAX : 0;

	if (from) { /* begin with a whole line, if there is one */
		const char *lf = memchr(text + from, '\n', len - from - 1);

		from = lf ? (size_t)(lf - text) + 1 : from;
	}
	if (len > from)
		len--; /* the last line's end */
	for (size_t i = from; i < len; i++)
		if (text[i] == '\n' ? buf_append(out, " | ", 3) : buf_append(out, text + i, 1))
			return;
}
