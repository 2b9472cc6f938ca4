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

int files_replace(const char *path, const struct buf *text, const struct file_owner *owner, struct error *err)
{
	char temporary[PATH_MAX + 32];

	temporary_of(path, temporary);
	return file_replace(path, temporary, text, owner, err);
}

/* ---- folders ---- */

char *files_missing_folder(const char *path)
{
	char dir[PATH_MAX], missing[PATH_MAX] = "";

	file_folder_of(path, dir);
	while (access(dir, F_OK) < 0 && errno == ENOENT && strlen(dir) > 1) {
		memcpy(missing, dir, sizeof(missing));
		file_folder_of(missing, dir);
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

	file_folder_of(path, dir);
	while (strlen(dir) >= strlen(outermost) && rmdir(dir) == 0) {
		memcpy(inner, dir, sizeof(inner));
		file_folder_of(inner, dir);
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
