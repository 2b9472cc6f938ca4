/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/cli/journal-files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { CHUNK = 256 * 1024 };

int files_read(const char *path, struct buf *out)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	uint8_t *room;
	ssize_t n = 0;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	while ((room = buf_reserve(out, CHUNK)) && (n = read(fd, room, CHUNK)) > 0)
		buf_commit(out, (size_t)n);
	if (!room)
		return -EFBIG;
	return n < 0 ? -errno : 0;
}

bool files_equal(const struct buf *a, const struct buf *b)
{
	return a->len == b->len && (a->len == 0 || memcmp(buf_head(a), buf_head(b), a->len) == 0);
}

static int write_synced(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len > 0) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

static void folder_of(const char *path, char dir[PATH_MAX])
{
	const char *slash = strrchr(path, '/');

	snprintf(dir, PATH_MAX, "%.*s", slash && slash > path ? (int)(slash - path) : 1, slash ? path : ".");
}

int files_sync_folder(const char *dir, struct error *err)
{
	_cleanup_close_ int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || (fsync(fd) < 0 && errno != EINVAL)) /* EINVAL: a file system that cannot */
		return error_set_errno(err, -errno, "syncing %s", dir);
	return 0;
}

int files_create(const char *path, const void *data, size_t len, struct error *err)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	char dir[PATH_MAX];
	int r = fd < 0 ? -errno : write_synced(fd, data, len);

	if (r < 0)
		return error_set_errno(err, r, "writing %s", path);
	folder_of(path, dir);
	return files_sync_folder(dir, err);
}

/* Fixed, so that undo finds it; the journal's lock keeps two from meeting in it. */
static void temporary_of(const char *path, char temporary[PATH_MAX + 32])
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

	snprintf(temporary, PATH_MAX + 32, "%.*s.%.200s.hawser-init", (int)(name - path), path, name);
}

void files_remove_temporary(const char *path)
{
	char temporary[PATH_MAX + 32];

	temporary_of(path, temporary);
	unlink(temporary);
}

int files_replace(const char *path, const struct buf *text, mode_t mode, uid_t uid, gid_t gid, struct error *err)
{
	char temporary[PATH_MAX + 32], dir[PATH_MAX];
	_cleanup_close_ int fd = -1;
	int r = 0;

	temporary_of(path, temporary);
	unlink(temporary);
	fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return error_set_errno(err, -errno, "writing %s", temporary);
	if ((uid != geteuid() || gid != getegid()) && fchown(fd, uid, gid) < 0 && geteuid() == 0)
		r = -errno;
	if (r == 0)
		r = write_synced(fd, buf_head(text), text->len);
	if (r == 0 && fchmod(fd, mode) < 0)
		r = -errno;
	if (r == 0 && rename(temporary, path) < 0)
		r = -errno;
	if (r < 0) {
		unlink(temporary);
		return error_set_errno(err, r, "writing %s", path);
	}
	folder_of(path, dir);
	return files_sync_folder(dir, err);
}

/* ---- folders ---- */

char *files_missing_folder(const char *path)
{
	char dir[PATH_MAX], missing[PATH_MAX] = "";

	folder_of(path, dir);
	while (access(dir, F_OK) < 0 && errno == ENOENT && strlen(dir) > 1) {
		memcpy(missing, dir, sizeof(missing));
		folder_of(missing, dir);
	}
	return missing[0] ? strdup(missing) : NULL;
}

int files_make_folders(const char *path, struct error *err)
{
	for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		_cleanup_free_ char *dir = strndup(path, (size_t)(slash - path));

		if (!dir || (mkdir(dir, 0700) < 0 && errno != EEXIST && access(dir, F_OK) < 0))
			return error_set_errno(err, -errno, "making %s", dir ? dir : "a folder");
	}
	return 0;
}

void files_remove_folders(const char *path, const char *outermost)
{
	char dir[PATH_MAX], inner[PATH_MAX];

	folder_of(path, dir);
	while (strlen(dir) >= strlen(outermost) && rmdir(dir) == 0) {
		memcpy(inner, dir, sizeof(inner));
		folder_of(inner, dir);
	}
}

void files_each(const char *dir, void (*see)(void *user, const char *name), void *user)
{
	DIR *d = opendir(dir);
	const struct dirent *entry;

	while (d && (entry = readdir(d)))
		if (entry->d_name[0] != '.')
			see(user, entry->d_name);
	if (d)
		closedir(d);
}

static void remove_in(void *user, const char *name)
{
	unlinkat(*(const int *)user, name, 0);
}

void files_remove_folder(const char *dir, const char *name)
{
	_cleanup_close_ int fd = -1;
	char path[PATH_MAX + 64];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return;
	files_each(path, remove_in, &fd);
	rmdir(path);
}
