/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static int write_all(int fd, const void *data, size_t len)
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
	return 0;
}

void file_folder_of(const char *path, char *dir)
{
	const char *slash = strrchr(path, '/');

	snprintf(dir, PATH_MAX, "%.*s", slash && slash > path ? (int)(slash - path) : 1, slash ? path : ".");
}

int file_sync_folder(const char *dir, struct error *err)
{
	_cleanup_close_ int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || (fsync(fd) < 0 && errno != EINVAL)) /* EINVAL: a file system that cannot */
		return error_set_errno(err, -errno, "syncing %s", dir);
	return 0;
}

static int sync_folder_of(const char *path, struct error *err)
{
	char dir[PATH_MAX];

	file_folder_of(path, dir);
	return file_sync_folder(dir, err);
}

int file_create(const char *path, const void *data, size_t len, struct error *err)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	int r = fd < 0 ? -errno : write_all(fd, data, len);

	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	return r < 0 ? error_set_errno(err, r, "writing %s", path) : sync_folder_of(path, err);
}

static int fill(int fd, const struct buf *text, const struct file_owner *owner)
{
	mode_t mode = owner->mode & 0777; /* who may run it as somebody else is nothing to hand on */
	int r;

	if ((owner->uid != geteuid() || owner->gid != getegid()) && fchown(fd, owner->uid, owner->gid) < 0) {
		if (geteuid() == 0)
			return -errno;
		/* In another group than it was, its group may read nothing that only the old one might. */
		if (owner->gid != getegid() && fchown(fd, (uid_t)-1, owner->gid) < 0)
			mode &= ~(mode_t)070;
	}
	r = write_all(fd, buf_head(text), text->len);
	if (r < 0)
		return r;
	return fchmod(fd, mode) < 0 || fsync(fd) < 0 ? -errno : 0;
}

int file_replace(const char *path, const char *temporary, const struct buf *text, const struct file_owner *owner,
		 struct error *err)
{
	char beside[PATH_MAX + 16];
	_cleanup_error_ struct error late = ERROR_INIT;
	_cleanup_close_ int fd = -1;
	int r;

	if (temporary) {
		unlink(temporary);
		fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	} else {
		snprintf(beside, sizeof(beside), "%s.new-XXXXXX", path);
		temporary = beside;
		fd = mkostemp(beside, O_CLOEXEC);
	}
	if (fd < 0)
		return error_set_errno(err, -errno, "writing beside %s", path);
	r = fill(fd, text, owner);
	if (r == 0 && rename(temporary, path) < 0)
		r = -errno;
	if (r < 0) {
		unlink(temporary);
		return error_set_errno(err, r, "writing %s", path);
	}
	/* The new file is there, so what the caller would say of an error, or do about it, would be wrong. */
	if (sync_folder_of(path, &late) < 0)
		log_warn("file_replaced_not_synced", LOG_S("path", path), LOG_S("reason", error_text(&late)));
	return 0;
}
