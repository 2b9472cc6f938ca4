/* SPDX-License-Identifier: Apache-2.0 */
/* Opening: the file, its version, its pages, its name; then the writer (writer.c) has the connection. */
#include "broker/store/internal.h"

#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { START_CHECK_MAX = 64 << 20 }; /* bytes: a larger database is not read whole at each start */

/* ---- meta ---- */

static int read_meta(sqlite3 *db, const char *path, const char *key, char *ret, size_t size, struct error *err)
{
	sqlite3_stmt *row = NULL;
	int code = sqlite3_prepare_v2(db, "SELECT value FROM meta WHERE key = ?", -1, &row, NULL);

	ret[0] = '\0';
	if (code == SQLITE_OK)
		code = sqlite3_bind_text(row, 1, key, -1, SQLITE_STATIC);
	if (code == SQLITE_OK)
		code = sqlite3_step(row);
	if (code == SQLITE_ROW)
		snprintf(ret, size, "%s", (const char *)sqlite3_column_text(row, 0));
	if (code != SQLITE_ROW && code != SQLITE_DONE)
		store_fail(db, code, path, "reading", err);
	sqlite3_finalize(row);
	return code == SQLITE_ROW || code == SQLITE_DONE ? 0 : err->code;
}

static int write_meta(sqlite3 *db, const char *path, const char *key, const char *value, struct error *err)
{
	sqlite3_stmt *statement = NULL;
	int code = sqlite3_prepare_v2(db, "INSERT OR REPLACE INTO meta(key, value) VALUES(?, ?)", -1, &statement, NULL);

	if (code == SQLITE_OK)
		code = sqlite3_bind_text(statement, 1, key, -1, SQLITE_STATIC);
	if (code == SQLITE_OK)
		code = sqlite3_bind_text(statement, 2, value, -1, SQLITE_STATIC);
	if (code == SQLITE_OK)
		code = sqlite3_step(statement);
	if (code != SQLITE_DONE)
		store_fail(db, code, path, "writing", err);
	sqlite3_finalize(statement);
	return code == SQLITE_DONE ? 0 : err->code;
}

/* A new name also for a copy: two brokers of one name would end each other's sandboxes. Its rows of sandboxes belong to
 * the directory that it was copied from. */
static int take_name(struct store *s, struct error *err)
{
	char identity[160], known[160] = "";
	int r = store_identity(s->path, identity, err);

	if (r == 0)
		r = read_meta(s->db, s->path, "broker_id", s->broker_id, sizeof(s->broker_id), err);
	if (r == 0)
		r = read_meta(s->db, s->path, "identity", known, sizeof(known), err);
	if (r < 0 || (s->broker_id[0] && strcmp(identity, known) == 0))
		return r;
	s->copied = s->broker_id[0] != '\0';
	id_make(s->broker_id, "b");
	r = store_exec(s->db, s->path, "BEGIN IMMEDIATE; DELETE FROM sandboxes", err);
	if (r == 0)
		r = write_meta(s->db, s->path, "broker_id", s->broker_id, err);
	if (r == 0)
		r = write_meta(s->db, s->path, "identity", identity, err);
	return r < 0 ? r : store_exec(s->db, s->path, "COMMIT", err);
}

/* ---- opening ---- */

static int check_quickly(struct store *s, struct error *err)
{
	struct stat st;

	if (stat(s->path, &st) < 0)
		return error_set_errno(err, -errno, "looking at %s", s->path);
	return st.st_size > START_CHECK_MAX ? 0 : store_check_pages(s->db, s->path, err);
}

static int connect_to(const char *path, int flags, sqlite3 **ret, struct error *err)
{
	int code = sqlite3_open_v2(path, ret, flags | SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_EXRESCODE, NULL);

	if (code != SQLITE_OK)
		return store_fail(*ret, code, path, "opening", err);
	sqlite3_busy_timeout(*ret, STORE_BUSY_MS);
	return 0;
}

/* The version is looked at before anything is changed: the file may be another program's. */
static int set_up(struct store *s, struct error *err)
{
	static const char *const pragmas[] = {"PRAGMA trusted_schema = OFF", "PRAGMA journal_mode = WAL",
					      "PRAGMA wal_autocheckpoint = 0", "PRAGMA synchronous = FULL"};
	int64_t version, pages;
	char most[64];
	int r = store_version(s->db, s->path, &version, err);

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(pragmas); i++)
		r = store_exec(s->db, s->path, pragmas[i], err);
	s->synchronous = STORE_POWER;
	snprintf(most, sizeof(most), "PRAGMA max_page_count = %d", STORE_PAGES_MAX);
	if (r == 0)
		r = store_query_int(s->db, s->path, most, &pages, err);
	if (r == 0)
		r = check_quickly(s, err);
	if (r == 0)
		r = store_migrate(s->db, s->path, store_migrations, store_migration_count, err);
	return r < 0 ? r : take_name(s, err);
}

int store_open(struct loop *loop, const char *state_dir, struct store **ret, struct error *err)
{
	struct store *s = calloc(1, sizeof(*s));
	int r;

	if (!s || !(s->path = store_path(state_dir))) {
		free(s);
		return error_set(err, -ENOMEM, "no memory for the state");
	}
	s->loop = loop;
	r = store_look_at_file(s->path, true, err);
	if (r == 0)
		r = connect_to(s->path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_FULLMUTEX, &s->db, err);
	if (r == 0)
		r = set_up(s, err);
	if (r == 0)
		r = store_writer_init(s, err);
	if (r < 0) {
		sqlite3_close(s->db);
		free(s->path);
		free(s);
		return r;
	}
	if (s->copied)
		log_warn("state_copied", LOG_S("path", s->path), LOG_S("broker", s->broker_id));
	*ret = s;
	return 0;
}

struct store *store_close(struct store *s)
{
	if (!s)
		return NULL;
	store_settle(s);
	store_writer_done(s);
	sqlite3_close(s->db);
	free(s->path);
	free(s);
	return NULL;
}

const char *store_broker_id(const struct store *s)
{
	return s->broker_id;
}

bool store_was_copied(const struct store *s)
{
	return s->copied;
}

int store_runs_load(struct store *s, void (*fn)(void *user, const struct store_run *run), void *user, struct error *err)
{
	return store_read_runs(s->db, s->path, fn, user, err);
}

int store_sandboxes_load(struct store *s, void (*fn)(void *user, const struct store_sandbox *sandbox), void *user,
			 struct error *err)
{
	return store_read_sandboxes(s->db, s->path, fn, user, err);
}

/* ---- checking ---- */

static int64_t size_of(const char *path, const char *suffix)
{
	_cleanup_free_ char *name = NULL;
	struct stat st;

	if (asprintf(&name, "%s%s", path, suffix) < 0)
		name = NULL;
	return name && stat(name, &st) == 0 ? st.st_size : 0;
}

static int read_facts(sqlite3 *db, const char *path, struct store_facts *ret, struct error *err)
{
	char identity[160], known[160];
	int64_t page = 0;
	int r = store_version(db, path, &ret->version, err);

	if (r == 0 && ret->version > ret->version_here) /* which refuses it with its words */
		return store_migrate(db, path, store_migrations, store_migration_count, err);
	if (r == 0)
		r = store_check_pages(db, path, err);
	if (r == 0)
		r = store_query_int(db, path, "PRAGMA page_size", &page, err);
	ret->most_bytes = page * STORE_PAGES_MAX;
	if (r == 0 && ret->version > 0)
		r = read_meta(db, path, "broker_id", ret->broker_id, sizeof(ret->broker_id), err);
	if (r == 0 && ret->version > 0)
		r = read_meta(db, path, "identity", known, sizeof(known), err);
	if (r == 0)
		r = store_identity(path, identity, err);
	if (r == 0)
		ret->copied = ret->broker_id[0] && strcmp(identity, known) != 0;
	return r;
}

int store_check(const char *state_dir, struct store_facts *ret, void (*fn_run)(void *user, const struct store_run *run),
		void (*fn_sandbox)(void *user, const struct store_sandbox *sandbox), void *user, struct error *err)
{
	_cleanup_free_ char *path = store_path(state_dir);
	sqlite3 *db = NULL;
	struct stat st;
	int r;

	*ret = (struct store_facts){.version_here = store_migrations[store_migration_count - 1].version};
	if (!path)
		return error_set(err, -ENOMEM, "no memory");
	if (lstat(path, &st) < 0 && errno == ENOENT)
		return 0;
	ret->there = true;
	ret->bytes = size_of(path, "");
	ret->journal_bytes = size_of(path, "-wal");
	r = store_look_at_file(path, false, err);
	if (r == 0)
		r = connect_to(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, &db, err);
	if (r == 0) /* else the last to close it would copy the log back, and remove it */
		sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	if (r == 0)
		r = store_exec(db, path, "PRAGMA query_only = ON; PRAGMA wal_autocheckpoint = 0", err);
	if (r == 0)
		r = read_facts(db, path, ret, err);
	if (r == 0 && ret->version > 0)
		r = store_read_runs(db, path, fn_run, user, err);
	if (r == 0 && ret->version > 0)
		r = store_read_sandboxes(db, path, fn_sandbox, user, err);
	sqlite3_close(db);
	return r;
}
