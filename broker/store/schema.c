/* SPDX-License-Identifier: Apache-2.0 */
/* The schema, as the steps that lead to it. A step that was shipped is never edited: a change is a new row. */
#include "broker/store/internal.h"

#include <errno.h>
#include <stdio.h>

const struct store_migration store_migrations[] = {
	{1, "CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;"
	    "CREATE TABLE runs("
	    "  seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, subject TEXT NOT NULL, folder TEXT,"
	    "  language TEXT NOT NULL, status TEXT NOT NULL, begun_ms INTEGER NOT NULL,"
	    "  ended_ms INTEGER NOT NULL DEFAULT 0, seconds REAL NOT NULL DEFAULT 0,"
	    "  exit_code INTEGER NOT NULL DEFAULT 0, error_kind TEXT, error TEXT, tail TEXT, calls TEXT,"
	    "  provider TEXT, isolation TEXT, why TEXT, sandbox TEXT) STRICT;"
	    "CREATE TABLE sandboxes("
	    "  tag TEXT PRIMARY KEY, provider TEXT NOT NULL, place TEXT, sandbox TEXT, state TEXT NOT NULL,"
	    "  made_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;"},
};
const size_t store_migration_count = ARRAY_SIZE(store_migrations);

int store_version(sqlite3 *db, const char *path, int64_t *ret, struct error *err)
{
	int64_t application = 0, version = 0;
	int r = store_query_int(db, path, "PRAGMA application_id", &application, err);

	if (r == 0)
		r = store_query_int(db, path, "PRAGMA user_version", &version, err);
	if (r < 0)
		return r;
	if (application != STORE_APPLICATION && (application != 0 || version != 0))
		return error_set(err, -EINVAL,
				 "%s is a database of another program, not of hawser" ERROR_CURE "mv '%s' '%s.other'",
				 path, path, path);
	*ret = version;
	return 0;
}

static int step(sqlite3 *db, const char *path, const struct store_migration *m, struct error *err)
{
	_cleanup_error_ struct error ignored = ERROR_INIT;
	char number[64];
	int r = store_exec(db, path, "BEGIN IMMEDIATE", err);

	snprintf(number, sizeof(number), "PRAGMA user_version = %d", m->version);
	if (r == 0)
		r = store_exec(db, path, m->sql, err);
	if (r == 0)
		r = store_exec(db, path, number, err);
	if (r == 0)
		r = store_exec(db, path, "COMMIT", err);
	if (r < 0) {
		(void)!store_exec(db, path, "ROLLBACK", &ignored);
		error_wrap(err, "bringing the state to version %d", m->version);
	}
	return r;
}

int store_migrate(sqlite3 *db, const char *path, const struct store_migration *table, size_t count, struct error *err)
{
	int64_t version = 0;
	char mark[64];
	int r = store_version(db, path, &version, err);

	if (r == 0 && version > table[count - 1].version)
		return error_set(err, -ENOTSUP,
				 "%s was written by a newer hawser (version %lld of the state, this one knows %d): use "
				 "that one again, or begin anew" ERROR_CURE "mv '%s' '%s.newer'",
				 path, (long long)version, table[count - 1].version, path, path);
	snprintf(mark, sizeof(mark), "PRAGMA application_id = %d", STORE_APPLICATION);
	if (r == 0 && version == 0)
		r = store_exec(db, path, mark, err);
	for (size_t i = 0; r == 0 && i < count; i++)
		if (table[i].version > version)
			r = step(db, path, &table[i], err);
	return r;
}
