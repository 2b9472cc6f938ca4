/* SPDX-License-Identifier: Apache-2.0 */
/* Rows: what each statement writes, and the rows read back. The order of values is that of the statement. */
#include "broker/store/internal.h"

const char *const store_statements[STORE_STATEMENTS] = {
	[STORE_RUN_BEGIN] =
		"INSERT INTO runs(id, subject, folder, language, status, begun_ms) VALUES(?, ?, ?, ?, ?, ?)",
	[STORE_RUN_PLACED] =
		"UPDATE runs SET status = ?2, provider = ?3, isolation = ?4, why = ?5, sandbox = ?6 WHERE id = ?1",
	[STORE_RUN_END] = ("UPDATE runs SET status = ?2, ended_ms = ?3, seconds = ?4, exit_code = ?5, error_kind = ?6, "
			   "error = ?7, tail = ?8, calls = ?9 WHERE id = ?1"),
	[STORE_RUN_FORGET] = "DELETE FROM runs WHERE id = ?",
	[STORE_SANDBOX_BEGIN] =
		"INSERT INTO sandboxes(tag, provider, place, sandbox, state, made_ms) VALUES(?, ?, ?, ?, ?, ?)",
	[STORE_SANDBOX_STATE] = "UPDATE sandboxes SET state = ?2, sandbox = ifnull(?3, sandbox) WHERE tag = ?1",
	[STORE_SANDBOX_END] = "DELETE FROM sandboxes WHERE tag = ?",
};

static void put_texts(struct store_op *op, const char *const *texts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		store_op_text(op, texts[i]);
}

void store_run_begin(struct store *s, const struct store_run *run, enum store_durability durability,
		     store_done_fn *done, void *user)
{
	const char *const texts[] = {run->id, run->subject, run->folder, run->language, run->status};
	struct store_op *op = store_op_new(STORE_RUN_BEGIN, durability, done, user);

	put_texts(op, texts, ARRAY_SIZE(texts));
	store_op_integer(op, run->begun_ms);
	store_write(s, op);
}

void store_run_placed(struct store *s, const struct store_run *run)
{
	const char *const texts[] = {run->id, run->status, run->provider, run->isolation, run->why, run->sandbox};
	struct store_op *op = store_op_new(STORE_RUN_PLACED, STORE_PROCESS, NULL, NULL);

	op->keep = true;
	put_texts(op, texts, ARRAY_SIZE(texts));
	store_write(s, op);
}

void store_run_end(struct store *s, const struct store_run *run, enum store_durability durability, store_done_fn *done,
		   void *user)
{
	const char *const texts[] = {run->error_kind, run->error, run->tail, run->calls};
	struct store_op *op = store_op_new(STORE_RUN_END, durability, done, user);

	op->keep = true;
	store_op_text(op, run->id);
	store_op_text(op, run->status);
	store_op_integer(op, run->ended_ms);
	store_op_real(op, run->seconds);
	store_op_integer(op, run->exit_code);
	put_texts(op, texts, ARRAY_SIZE(texts));
	store_write(s, op);
}

static void write_one(struct store *s, enum store_statement statement, enum store_durability durability,
		      const char *key)
{
	struct store_op *op = store_op_new(statement, durability, NULL, NULL);

	op->keep = true;
	store_op_text(op, key);
	store_write(s, op);
}

void store_run_forget(struct store *s, const char *id)
{
	write_one(s, STORE_RUN_FORGET, STORE_PROCESS, id);
}

void store_sandbox_begin(struct store *s, const struct store_sandbox *sandbox, store_done_fn *done, void *user)
{
	const char *const texts[] = {sandbox->tag, sandbox->provider, sandbox->place, sandbox->sandbox, sandbox->state};
	struct store_op *op = store_op_new(STORE_SANDBOX_BEGIN, STORE_POWER, done, user);

	put_texts(op, texts, ARRAY_SIZE(texts));
	store_op_integer(op, sandbox->made_ms);
	store_write(s, op);
}

void store_sandbox_state(struct store *s, const struct store_sandbox *sandbox)
{
	const char *const texts[] = {sandbox->tag, sandbox->state, sandbox->sandbox};
	struct store_op *op = store_op_new(STORE_SANDBOX_STATE, STORE_PROCESS, NULL, NULL);

	op->keep = true;
	put_texts(op, texts, ARRAY_SIZE(texts));
	store_write(s, op);
}

/* That a sandbox is gone need not be on the disk at once: a row too many is looked for in vain, and goes then. */
void store_sandbox_end(struct store *s, const char *tag)
{
	write_one(s, STORE_SANDBOX_END, STORE_PROCESS, tag);
}

/* ---- reading ---- */

static const char *text_of(sqlite3_stmt *row, int column)
{
	return (const char *)sqlite3_column_text(row, column);
}

static int finish(sqlite3 *db, const char *path, sqlite3_stmt *statement, int code, struct error *err)
{
	int r = code == SQLITE_DONE ? 0 : store_fail(db, code, path, "reading", err);

	sqlite3_finalize(statement);
	return r;
}

int store_read_runs(sqlite3 *db, const char *path, void (*fn)(void *user, const struct store_run *run), void *user,
		    struct error *err)
{
	static const char sql[] = "SELECT id, subject, folder, language, status, begun_ms, ended_ms, seconds, "
				  "exit_code, error_kind, error, tail, calls, provider, isolation, why, sandbox "
				  "FROM runs ORDER BY seq";
	sqlite3_stmt *row = NULL;
	int code = sqlite3_prepare_v2(db, sql, -1, &row, NULL);

	while (code == SQLITE_OK && (code = sqlite3_step(row)) == SQLITE_ROW) {
		struct store_run run = {.id = text_of(row, 0),
					.subject = text_of(row, 1),
					.folder = text_of(row, 2),
					.language = text_of(row, 3),
					.status = text_of(row, 4),
					.begun_ms = sqlite3_column_int64(row, 5),
					.ended_ms = sqlite3_column_int64(row, 6),
					.seconds = sqlite3_column_double(row, 7),
					.exit_code = sqlite3_column_int64(row, 8),
					.error_kind = text_of(row, 9),
					.error = text_of(row, 10),
					.tail = text_of(row, 11),
					.calls = text_of(row, 12),
					.provider = text_of(row, 13),
					.isolation = text_of(row, 14),
					.why = text_of(row, 15),
					.sandbox = text_of(row, 16)};

		fn(user, &run);
		code = SQLITE_OK;
	}
	return finish(db, path, row, code, err);
}

int store_read_sandboxes(sqlite3 *db, const char *path, void (*fn)(void *user, const struct store_sandbox *sandbox),
			 void *user, struct error *err)
{
	static const char sql[] =
		"SELECT tag, provider, place, sandbox, state, made_ms FROM sandboxes ORDER BY made_ms";
	sqlite3_stmt *row = NULL;
	int code = sqlite3_prepare_v2(db, sql, -1, &row, NULL);

	while (code == SQLITE_OK && (code = sqlite3_step(row)) == SQLITE_ROW) {
		struct store_sandbox sandbox = {.tag = text_of(row, 0),
						.provider = text_of(row, 1),
						.place = text_of(row, 2),
						.sandbox = text_of(row, 3),
						.state = text_of(row, 4),
						.made_ms = sqlite3_column_int64(row, 5)};

		fn(user, &sandbox);
		code = SQLITE_OK;
	}
	return finish(db, path, row, code, err);
}
