/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/audit/audit.h"

#include "base/clock.h"
#include "base/span.h"
#include "broker/audit/chain.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum {
	RESERVE_LINE = 1024, /* bytes of a line, its names not unusually long */
	RESERVE_LEAST = 32 << 10, /* for lines that are, and for denials */
	RESERVE_AHEAD = 64 << 10, /* asked for at once, if the disk has it */
};

struct audit {
	int fd;
	char *path;
	off_t size; /* where the next line begins */
	off_t promised; /* up to here there is room on the disk */
	char last[AUDIT_HEX + 1];
	struct audit_hasher *hasher;
	void (*redact)(void *user, struct buf *text);
	void *user;
	struct buf line, texts; /* kept between lines */
};

struct audit *audit_close(struct audit *a)
{
	if (!a)
		return NULL;
	if (a->fd >= 0) {
		if (a->promised > a->size)
			(void)!ftruncate(a->fd, a->size); /* what was reserved goes back */
		close(a->fd);
	}
	audit_hasher_free(a->hasher);
	buf_done(&a->line);
	buf_done(&a->texts);
	free(a->path);
	free(a);
	return NULL;
}

/* ---- one line ---- */

/* Every call is a line: members are put together from ready pieces. */
static const char *const text_members[] = {
	",\"subject\":", ",\"client\":",   ",\"run\":",    ",\"server\":",      ",\"tool\":",   ",\"verdict\":",
	",\"rule\":",    ",\"approval\":", ",\"answer\":", ",\"answered_by\":", ",\"outcome\":"};
enum { TEXTS = ARRAY_SIZE(text_members) };

/* All texts behind each other, each with a NUL, so that redaction looks once. */
static int gather_texts(struct audit *a, const char *const texts[TEXTS])
{
	buf_clear(&a->texts);
	for (size_t i = 0; i < TEXTS; i++) {
		const char *text = texts[i] ? texts[i] : "";
		size_t n = strnlen(text, AUDIT_TEXT_MAX + 1);
		int r;

		if (n > AUDIT_TEXT_MAX)
			n = span_utf8_floor(text, AUDIT_TEXT_MAX);
		r = buf_append(&a->texts, text, n);
		if (r == 0)
			r = buf_append(&a->texts, "", 1);
		if (r < 0)
			return r;
	}
	if (a->redact)
		a->redact(a->user, &a->texts);
	/* Redaction may have cut the end off. */
	return buf_append(&a->texts, "", 1);
}

static int put_texts(struct audit *a)
{
	const char *at = (const char *)buf_head(&a->texts), *end = at + a->texts.len;
	int r = 0;

	for (size_t i = 0; i < TEXTS && r == 0 && at < end; i++) {
		size_t n = strlen(at);

		if (n) {
			r = buf_append_str(&a->line, text_members[i]);
			if (r == 0)
				r = buf_append_json(&a->line, at, n);
		}
		at += n + 1;
	}
	return r;
}

static int put_number(struct audit *a, const char *member, uint64_t number)
{
	int r = buf_append_str(&a->line, member);

	return r < 0 ? r : buf_append_number(&a->line, number);
}

static int put_text(struct audit *a, const char *member, const char *text, const char *close)
{
	int r = buf_append_str(&a->line, member);

	if (r == 0)
		r = buf_append_str(&a->line, text);
	return r < 0 ? r : buf_append_str(&a->line, close);
}

static int put_head(struct audit *a, uint64_t wall_ms)
{
	char when[25];

	buf_clear(&a->line);
	return put_text(a, "{\"time\":\"", clock_format_wall(wall_ms ? wall_ms : clock_wall_ms(), when), "\"");
}

static int put_record(struct audit *a, const struct audit_record *record)
{
	int r = put_head(a, record->wall_ms);

	if (r == 0)
		r = put_texts(a);
	if (r == 0 && record->call)
		r = put_number(a, ",\"call\":", record->call);
	if (r == 0 && record->waited_ms)
		r = put_number(a, ",\"waited_ms\":", record->waited_ms);
	if (r == 0)
		r = put_number(a, ",\"ms\":", record->ms);
	if (r == 0)
		r = put_number(a, ",\"bytes_in\":", record->bytes_in);
	return r < 0 ? r : put_number(a, ",\"bytes_out\":", record->bytes_out);
}

/* ---- the file ---- */

static int unwritable(const struct audit *a, int code, struct error *err)
{
	return error_set_errno(err, code, "the audit log %s cannot be written, so nothing may be called; make room",
			       a->path);
}

int audit_reserve(struct audit *a, size_t lines, struct error *err)
{
	off_t need = RESERVE_LEAST + (off_t)lines * RESERVE_LINE;

	if (a->size + need <= a->promised)
		return 0;
	for (off_t len = need + RESERVE_AHEAD; len >= need; len -= RESERVE_AHEAD) {
		if (fallocate(a->fd, FALLOC_FL_KEEP_SIZE, a->size, len) == 0) {
			a->promised = a->size + len;
			return 0;
		}
		if (errno == EOPNOTSUPP || errno == ENOSYS)
			return 0;
	}
	return unwritable(a, -errno, err);
}

static int write_line(struct audit *a, struct error *err)
{
	ssize_t n;
	int code;

	do {
		n = write(a->fd, buf_head(&a->line), a->line.len);
	} while (n < 0 && errno == EINTR);
	if (n == (ssize_t)a->line.len) {
		a->size += n;
		return 0;
	}
	code = n < 0 ? -errno : -ENOSPC;
	/* No half line stays behind, so that the next one follows a whole one. */
	a->promised = 0;
	if (n > 0 && ftruncate(a->fd, a->size) < 0)
		code = -errno;
	return unwritable(a, code, err);
}

/* The line in a->line gets its links and is written. */
static int append_line(struct audit *a, struct error *err)
{
	char hash[AUDIT_HEX + 1];
	int r = put_text(a, ",\"prev\":\"", a->last, "\"");

	if (r == 0)
		r = audit_hash(a->hasher, buf_head(&a->line), a->line.len, hash);
	if (r == 0)
		r = put_text(a, ",\"hash\":\"", hash, "\"}\n");
	if (r < 0)
		return error_set_errno(err, r, "making a line of the audit log");
	r = write_line(a, err);
	if (r == 0)
		memcpy(a->last, hash, sizeof(hash));
	return r;
}

int audit_record(struct audit *a, const struct audit_record *record, struct error *err)
{
	const char *const texts[TEXTS] = {record->subject, record->client,      record->run,    record->server,
					  record->tool,    record->verdict,     record->rule,   record->approval,
					  record->answer,  record->answered_by, record->outcome};
	int r = gather_texts(a, texts);

	if (r == 0)
		r = put_record(a, record);
	if (r < 0)
		return error_set_errno(err, r, "making a line of the audit log");
	return append_line(a, err);
}

/* Cuts off what is behind the last line's end and says so in a line. */
static int repair(struct audit *a, size_t torn, struct error *err)
{
	int r;

	a->size -= (off_t)torn;
	if (ftruncate(a->fd, a->size) < 0)
		return error_set_errno(err, -errno, "repairing the audit log %s", a->path);
	r = put_head(a, 0);
	if (r == 0)
		r = buf_append_str(&a->line, ",\"event\":\"repaired\"");
	if (r == 0)
		r = put_number(a, ",\"removed_bytes\":", torn);
	return r < 0 ? error_set_errno(err, r, "repairing the audit log %s", a->path) : append_line(a, err);
}

/* Reads the end of the file: the last whole line gives the chain's end. */
static int read_last(struct audit *a, struct error *err)
{
	size_t n = a->size < 2 * AUDIT_LINE_MAX ? (size_t)a->size : 2 * AUDIT_LINE_MAX;
	_cleanup_free_ char *tail = malloc(n + 1);
	const char *end, *begin, *fault;
	size_t torn;

	if (!tail)
		return error_set(err, -ENOMEM, "no memory for the audit log");
	if (pread(a->fd, tail, n, a->size - (off_t)n) != (ssize_t)n)
		return error_set(err, -EIO, "reading the audit log %s", a->path);
	end = memrchr(tail, '\n', n);
	torn = end ? n - (size_t)(end + 1 - tail) : n;
	if (end) {
		begin = memrchr(tail, '\n', (size_t)(end - tail));
		begin = begin ? begin + 1 : tail;
		fault = audit_line_fault(a->hasher, span_of(begin, (size_t)(end - begin)), NULL, a->last);
		if (fault)
			return error_set(err, -EBADMSG,
					 "the last line of the audit log %s %s; move the file away to begin a new one",
					 a->path, fault);
	} else if (n < (size_t)a->size) {
		return error_set(err, -EBADMSG, "%s is no audit log; move the file away to begin a new one", a->path);
	}
	return torn ? repair(a, torn, err) : 0;
}

static int open_file(struct audit *a, struct error *err)
{
	struct stat st;

	a->fd = open(a->path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (a->fd < 0 || fstat(a->fd, &st) < 0)
		return error_set_errno(err, -errno, "opening the audit log %s", a->path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, -EINVAL, "the audit log %s is not a file", a->path);
	if ((st.st_mode & 077) && fchmod(a->fd, 0600) < 0)
		return error_set_errno(err, -errno, "making the audit log %s private", a->path);
	a->size = st.st_size;
	return st.st_size ? read_last(a, err) : 0;
}

int audit_open(const char *path, void (*redact)(void *user, struct buf *text), void *user, struct audit **ret,
	       struct error *err)
{
	struct audit *a = calloc(1, sizeof(*a));
	int r;

	if (!a)
		return error_set(err, -ENOMEM, "no memory for the audit log");
	*a = (struct audit){.fd = -1, .last = AUDIT_FIRST, .redact = redact, .user = user};
	a->line.max = AUDIT_LINE_MAX;
	a->texts.max = TEXTS * (AUDIT_TEXT_MAX + 1) * 2;
	a->path = strdup(path);
	a->hasher = audit_hasher_new();
	r = a->path && a->hasher ? open_file(a, err) : error_set(err, -ENOMEM, "no memory for the audit log");
	if (r < 0) {
		audit_close(a);
		return r;
	}
	*ret = a;
	return 0;
}
