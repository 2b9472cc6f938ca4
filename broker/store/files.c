/* SPDX-License-Identifier: Apache-2.0 */
/* The file of the database before SQLite looks at it: whose it is, whether it is the one that it was. */
#include "broker/store/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

char *store_path(const char *state_dir)
{
	char *path;

	return asprintf(&path, "%s/hawser.db", state_dir) < 0 ? NULL : path;
}

static int check_owner(const char *path, const struct stat *st, struct error *err)
{
	const struct passwd *pw = getpwuid(st->st_uid);

	if (!S_ISREG(st->st_mode))
		return error_set(err, -EINVAL,
				 "%s is no regular file, so the state cannot be kept there" ERROR_CURE
				 "mv '%s' '%s.other'",
				 path, path, path);
	if (st->st_uid != geteuid())
		return error_set(err, -EPERM,
				 "%s belongs to %s (uid %u); a state directory serves one user: give it to this "
				 "user, or set XDG_STATE_HOME to a folder of your own" ERROR_CURE
				 "sudo chown $(id -u):$(id -g) '%s'*",
				 path, pw ? pw->pw_name : "another user", (unsigned)st->st_uid, path);
	return 0;
}

int store_look_at_file(const char *path, bool make, struct error *err)
{
	_cleanup_close_ int fd = -1;
	struct stat st;
	int r = 0;

	if (lstat(path, &st) == 0)
		r = check_owner(path, &st, err);
	else if (errno != ENOENT || !make)
		return error_set_errno(err, -errno, "looking for %s", path);
	if (r < 0)
		return r;
	fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | (make ? O_CREAT : 0), 0600);
	if (fd < 0)
		return store_fail(NULL,
				  errno == EROFS                       ? SQLITE_READONLY
				  : errno == EACCES                    ? SQLITE_PERM
				  : errno == ENOSPC || errno == EDQUOT ? SQLITE_FULL
								       : SQLITE_CANTOPEN,
				  path, "opening", err);
	if (make && fstat(fd, &st) == 0 && (st.st_mode & 077) && fchmod(fd, 0600) < 0)
		return error_set_errno(err, -errno, "taking %s from other users", path);
	return 0;
}

static void read_machine(char *text, size_t size)
{
	_cleanup_close_ int fd = open("/etc/machine-id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, size - 1) : 0;

	text[n > 0 ? n : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
}

int store_identity(const char *path, char ret[160], struct error *err)
{
	char machine[64];
	struct statx st;

	if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_INO | STATX_BTIME, &st) < 0)
		return error_set_errno(err, -errno, "looking at %s", path);
	if (!(st.stx_mask & STATX_BTIME))
		st.stx_btime = (struct statx_timestamp){0};
	read_machine(machine, sizeof(machine));
	snprintf(ret, 160, "%s %llu %lld.%09u", machine, (unsigned long long)st.stx_ino, (long long)st.stx_btime.tv_sec,
		 st.stx_btime.tv_nsec);
	return 0;
}

int store_check_pages(sqlite3 *db, const char *path, struct error *err)
{
	sqlite3_stmt *statement = NULL;
	int code = sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &statement, NULL), r = 0;

	if (code == SQLITE_OK)
		code = sqlite3_step(statement);
	if (code == SQLITE_ROW && strcmp((const char *)sqlite3_column_text(statement, 0), "ok") == 0)
		r = 0;
	else
		r = store_fail(db, code == SQLITE_ROW ? SQLITE_CORRUPT : code, path, "checking", err);
	sqlite3_finalize(statement);
	return r;
}
