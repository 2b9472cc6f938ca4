/* SPDX-License-Identifier: Apache-2.0 */
/*
 * STATE/runs/RUN_ID/events: records "MS CHANNEL LENGTH\n", LENGTH bytes, "\n", in order of arrival; a record is one
 * write(), so a crash leaves at most one that is cut, and readers stop there. STATE/runs/RUN_ID/result.json: the
 * value's text.
 */
#include "broker/core/internal.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>

enum { RUNFILES_LOOK_MAX = 1 << 20 };
enum { RESULT_DEPTH_MAX = SPAN_DEPTH_MAX - 4 }; /* the answers that it stands in have levels of their own */

static int open_in(const char *dir, const char *name, struct error *err)
{
	_cleanup_free_ char *path = NULL;
	int fd;

	if (asprintf(&path, "%s/%s", dir, name) < 0)
		return error_set(err, -ENOMEM, "no memory for a path");
	fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_set_errno(err, -errno, "making %s", path);
	return fd;
}

int runfiles_open(struct runfiles *f, const char *state_dir, const char *run_id, struct error *err)
{
	*f = (struct runfiles){.events = -1, .result = -1, .began_ms = clock_now_ms()};
	if (asprintf(&f->dir, "%s/runs/%s", state_dir, run_id) < 0) {
		f->dir = NULL;
		return error_set(err, -ENOMEM, "no memory for a path");
	}
	if (mkdir(f->dir, 0700) < 0)
		return error_set_errno(err, -errno, "making %s", f->dir);
	f->events = open_in(f->dir, "events", err);
	if (f->events < 0)
		return f->events;
	f->result = open_in(f->dir, "result.json", err);
	return f->result < 0 ? f->result : 0;
}

/* All or nothing: what a full disk took of it is cut off again. */
static int append(const struct runfiles *f, int fd, const struct iovec *iov, int count, size_t len, struct error *err)
{
	off_t before = lseek(fd, 0, SEEK_END);
	ssize_t n = writev(fd, iov, count);
	int code = n < 0 ? -errno : -ENOSPC;

	if (n == (ssize_t)len)
		return 0;
	if (n > 0 && ftruncate(fd, before) < 0)
		code = -errno;
	return error_set_errno(err, code, "the run's files in %s cannot be written", f->dir);
}

int runfiles_event(struct runfiles *f, unsigned channel, const void *data, size_t len, struct error *err)
{
	char head[64];
	int n = snprintf(head, sizeof(head), "%llu %u %zu\n", (unsigned long long)(clock_now_ms() - f->began_ms),
			 channel, len);
	struct iovec iov[] = {{head, (size_t)n}, {(void *)(uintptr_t)data, len}, {(void *)(uintptr_t) "\n", 1}};
	int r = append(f, f->events, iov, 3, (size_t)n + len + 1, err);

	if (r == 0)
		f->events_size += (uint64_t)n + len + 1;
	return r;
}

int runfiles_result(struct runfiles *f, const void *data, size_t len, struct error *err)
{
	struct iovec iov = {(void *)(uintptr_t)data, len};
	int r = append(f, f->result, &iov, 1, len, err);

	if (r == 0)
		f->result_size += len;
	return r;
}

static void look_whole(void *user, unsigned channel, const char *data, size_t len)
{
	_cleanup_error_ struct error ignored = ERROR_INIT;
	struct span value = SPAN_NONE;

	(void)channel;
	*(bool *)user = len <= RUNFILES_LOOK_MAX && span_check(span_of(data, len), false, &value, &ignored) == 0;
}

void runfiles_drop_half_result(struct runfiles *f)
{
	bool whole = false;

	if (f->result_size == 0 || f->result < 0 || (runfiles_walk_result(f, look_whole, &whole) == 0 && whole))
		return;
	if (ftruncate(f->result, 0) == 0)
		f->result_size = 0;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void runfiles_close(struct runfiles *f)
{
	close_fd(&f->events);
	close_fd(&f->result);
}

void runfiles_done(struct runfiles *f)
{
	runfiles_close(f);
	free(f->dir);
	f->dir = NULL;
}

static const char *parse_head(const char *p, const char *end, unsigned *channel, size_t *len)
{
	const char *newline = memchr(p, '\n', (size_t)(end - p));
	char head[64];
	unsigned long long ms;

	if (!newline || newline - p >= (ptrdiff_t)sizeof(head))
		return NULL;
	/* A copy: sscanf() measures its whole input first, and a mapping has no NUL at its end. */
	memcpy(head, p, (size_t)(newline - p));
	head[newline - p] = 0;
	if (sscanf(head, "%llu %u %zu", &ms, channel, len) != 3)
		return NULL;
	return *len < (size_t)(end - newline) - 1 ? newline + 1 : NULL;
}

struct mapping {
	char *text;
	size_t len;
};

/* len 0: nothing to unmap. */
static int map_file(const struct runfiles *f, const char *name, struct mapping *ret)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int fd = -1;
	struct stat st;

	*ret = (struct mapping){NULL, 0};
	if (!f->dir)
		return 0;
	if (asprintf(&path, "%s/%s", f->dir, name) < 0)
		return -ENOMEM;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size == 0)
		return 0;
	ret->text = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (ret->text == MAP_FAILED)
		return -errno;
	ret->len = (size_t)st.st_size;
	return 0;
}

static void unmap(struct mapping *m)
{
	if (m->len > 0)
		munmap(m->text, m->len);
}

int runfiles_read(const struct runfiles *f, uint64_t *offset, size_t max, runfiles_walk_fn *fn, void *user)
{
	_cleanup_(unmap) struct mapping m = {NULL, 0};
	const char *p, *end, *data;
	uint64_t first = *offset;
	unsigned channel;
	size_t len;
	int r = map_file(f, "events", &m);

	if (r < 0 || m.len == 0)
		return r;
	end = m.text + m.len;
	for (p = m.text + (first < m.len ? first : m.len); p < end && *offset - first < max; p = data + len + 1) {
		data = parse_head(p, end, &channel, &len);
		if (!data)
			break;
		fn(user, channel, data, len);
		*offset = (uint64_t)(data + len + 1 - m.text);
	}
	return 0;
}

int runfiles_walk(const struct runfiles *f, runfiles_walk_fn *fn, void *user)
{
	uint64_t offset = 0;

	return runfiles_read(f, &offset, SIZE_MAX, fn, user);
}

int runfiles_walk_result(const struct runfiles *f, runfiles_walk_fn *fn, void *user)
{
	_cleanup_(unmap) struct mapping m = {NULL, 0};
	int r = map_file(f, "result.json", &m);

	if (r == 0 && m.len > 0)
		fn(user, CHANNEL_RESULT, m.text, m.len);
	return r;
}

/* Depth of a text that is known to be JSON. */
static size_t depth_of(const char *p, const char *end)
{
	size_t depth = 0, most = 0;

	for (bool quoted = false; p < end; p++) {
		if (quoted && *p == '\\')
			p++;
		else if (*p == '"')
			quoted = !quoted;
		else if (!quoted && (*p == '{' || *p == '[') && ++depth > most)
			most = depth;
		else if (!quoted && (*p == '}' || *p == ']'))
			depth--;
	}
	return most;
}

int runfiles_check_result(struct runfiles *f, struct error *err)
{
	_cleanup_(unmap) struct mapping m = {NULL, 0};
	int r = map_file(f, "result.json", &m);

	if (r < 0)
		return error_set_errno(err, r, "reading the result");
	if (m.len == 0)
		return 0;
	r = span_check(span_of(m.text, m.len), false, NULL, err);
	if (r < 0)
		error_wrap(err, "the result is not JSON");
	else if (depth_of(m.text, m.text + m.len) > RESULT_DEPTH_MAX)
		r = error_set(err, -E2BIG, "the result is nested deeper than %d; return it as a string",
			      RESULT_DEPTH_MAX);
	if (r < 0 && ftruncate(f->result, 0) == 0)
		f->result_size = 0;
	return r;
}
