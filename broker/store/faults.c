/* SPDX-License-Identifier: Apache-2.0 */
/* What SQLite says, in one table: the errno that it comes to, what it means, and what to do. */
#include "broker/store/internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct {
	int code; /* result code: primary ones but for SQLITE_IOERR_WRITE */
	int errno_code;
	const char *what;
	const char *before, *behind; /* the cure stands around the path; NULL: none that is one command */
} faults[] = {
	{SQLITE_FULL, -ENOSPC, "No space left on device: make room on that disk", "df -h '", "'"},
	/* SQLite does not hand on which of the three it was. */
	{SQLITE_IOERR_WRITE, -ENOSPC, "No space left on device, a quota is used up, or the disk fails", "df -h '", "'"},
	{SQLITE_READONLY, -EROFS, "it can only be read; hawser must write it", "chmod u+w '", "'"},
	{SQLITE_CORRUPT, -EBADMSG, "it is damaged; without it the list of runs begins anew, their folders stay", "mv '",
	 NULL},
	{SQLITE_NOTADB, -EBADMSG, "it is damaged; without it the list of runs begins anew, their folders stay", "mv '",
	 NULL},
	{SQLITE_BUSY, -EBUSY, "another program holds it", "fuser -v '", "'"},
	{SQLITE_LOCKED, -EBUSY, "another program holds it", "fuser -v '", "'"},
	{SQLITE_PERM, -EACCES, "this user may not open it", "chmod u+rw '", "'"},
	{SQLITE_AUTH, -EACCES, "this user may not open it", "chmod u+rw '", "'"},
	{SQLITE_NOMEM, -ENOMEM, "no memory", NULL, NULL},
	{SQLITE_CANTOPEN, -EIO, "it, or a file beside it, cannot be opened", "ls -l '", "'*"},
	{SQLITE_IOERR, -EIO, "the disk failed", "dmesg | tail # about '", "'"},
};

/* An input/output error has its reason behind it: a full disk shows here too, where a file is mapped or truncated. */
static int primary_of(sqlite3 *db, int code)
{
	int system = db ? sqlite3_system_errno(db) : 0;

	if (code == SQLITE_IOERR_WRITE)
		return code;
	if ((code & 0xff) != SQLITE_IOERR && (code & 0xff) != SQLITE_CANTOPEN)
		return code & 0xff;
	switch (system) {
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return SQLITE_FULL;
	case EROFS:
		return SQLITE_READONLY;
	case EACCES:
	case EPERM:
		return SQLITE_PERM;
	default:
		return code & 0xff;
	}
}

int store_fail(sqlite3 *db, int code, const char *path, const char *doing, struct error *err)
{
	int primary = primary_of(db, code);

	if (!path)
		path = sqlite3_db_filename(db, "main");
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
		if (faults[i].code != primary)
			continue;
		if (!faults[i].before)
			return error_set(err, faults[i].errno_code, "%s %s: %s", doing, path, faults[i].what);
		return error_set(err, faults[i].errno_code, "%s %s: %s" ERROR_CURE "%s%s%s%s%s", doing, path,
				 faults[i].what, faults[i].before, path, faults[i].behind ? faults[i].behind : "' '",
				 faults[i].behind ? "" : path, faults[i].behind ? "" : ".damaged'");
	}
	return error_set(err, -EIO, "%s %s: %s", doing, path, db ? sqlite3_errmsg(db) : sqlite3_errstr(code));
}

int store_exec(sqlite3 *db, const char *path, const char *sql, struct error *err)
{
	int code = sqlite3_exec(db, sql, NULL, NULL, NULL);

	return code == SQLITE_OK ? 0 : store_fail(db, code, path, "writing", err);
}

int store_query_int(sqlite3 *db, const char *path, const char *sql, int64_t *ret, struct error *err)
{
	sqlite3_stmt *statement = NULL;
	int code = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);

	if (code == SQLITE_OK)
		code = sqlite3_step(statement);
	if (code == SQLITE_ROW)
		*ret = sqlite3_column_int64(statement, 0);
	if (code != SQLITE_ROW)
		store_fail(db, code, path, "reading", err);
	sqlite3_finalize(statement);
	return code == SQLITE_ROW ? 0 : err->code;
}
