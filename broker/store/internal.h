/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_STORE_INTERNAL_H
#define HAWSER_BROKER_STORE_INTERNAL_H

#include "broker/store/store.h"

#include <sqlite3.h>

/* What the files of this folder share; nobody else includes it, but its tests. */

enum {
	STORE_APPLICATION = 0x48617773, /* "Haws": PRAGMA application_id */
	STORE_PAGES_MAX = 262144, /* 1 GiB of 4 KiB pages: the database grows no further */
	STORE_BUSY_MS = 2000, /* for another process that looks at the database */
	STORE_VALUES_MAX = 12, /* of one statement */
};

/* ---- schema.c: one row a version; the last of them is this program's ---- */
struct store_migration {
	int version;
	const char *sql;
};
extern const struct store_migration store_migrations[];
extern const size_t store_migration_count;
/* Brings db from its version to the last of the table, each step in a transaction of its own. -ENOTSUP: it is newer. */
int store_migrate(sqlite3 *db, const char *path, const struct store_migration *table, size_t count,
		  struct error *err) _must_check_;
int store_version(sqlite3 *db, const char *path, int64_t *ret, struct error *err) _must_check_;

/* ---- faults.c: what SQLite says, as a person reads it ---- */
/* doing: "writing". path NULL: that of db. Returns a negative errno. */
int store_fail(sqlite3 *db, int code, const char *path, const char *doing, struct error *err);
int store_exec(sqlite3 *db, const char *path, const char *sql, struct error *err) _must_check_;
int store_query_int(sqlite3 *db, const char *path, const char *sql, int64_t *ret, struct error *err) _must_check_;

/* ---- files.c: the file itself ---- */
char *store_path(const char *state_dir);
/* Ours, a regular file, readable and writable; made where it is not there. -ENOENT unless make. */
int store_look_at_file(const char *path, bool make, struct error *err) _must_check_;
/* What tells this directory from a copy of it: the machine, and inode and birth of the database. */
int store_identity(const char *path, char ret[160], struct error *err) _must_check_;
/* Every page, or those of a small database at the start: quick. */
int store_check_pages(sqlite3 *db, const char *path, struct error *err) _must_check_;

/* ---- rows.c ---- */
enum store_statement {
	STORE_RUN_BEGIN,
	STORE_RUN_PLACED,
	STORE_RUN_END,
	STORE_RUN_FORGET,
	STORE_SANDBOX_BEGIN,
	STORE_SANDBOX_STATE,
	STORE_SANDBOX_END,
	STORE_STATEMENTS
};
extern const char *const store_statements[STORE_STATEMENTS];
int store_read_runs(sqlite3 *db, const char *path, void (*fn)(void *user, const struct store_run *run), void *user,
		    struct error *err) _must_check_;
int store_read_sandboxes(sqlite3 *db, const char *path, void (*fn)(void *user, const struct store_sandbox *sandbox),
			 void *user, struct error *err) _must_check_;

/* ---- ops.c ---- */
struct store_value {
	enum { STORE_NULL, STORE_INTEGER, STORE_REAL, STORE_TEXT } type;
	int64_t integer;
	double real;
	char *text; /* owned */
};
struct store_op {
	struct store_op *next;
	enum store_statement statement;
	enum store_durability durability;
	bool keep; /* tried again until it is written */
	bool refused; /* by the schema: a bug of ours, which keeps no other row from being written */
	struct store_value values[STORE_VALUES_MAX];
	size_t count;
	store_done_fn *done; /* NULL: nobody waits, or was told already */
	void *user;
};
struct store_op *store_op_new(enum store_statement statement, enum store_durability durability, store_done_fn *done,
			      void *user);
void store_op_text(struct store_op *op, const char *text);
void store_op_integer(struct store_op *op, int64_t value);
void store_op_real(struct store_op *op, double value);
void store_op_free(struct store_op *op);

struct store_queue {
	struct store_op *first, **end;
	size_t count, awaited; /* awaited: somebody will be told of so many of them */
};
void store_queue_init(struct store_queue *q);
void store_queue_append(struct store_queue *q, struct store_op *op);
/* NULL: there is none. */
struct store_op *store_queue_take(struct store_queue *q);
/* All of q in front of to. */
void store_queue_put_in_front(struct store_queue *q, struct store_queue *to);

struct store { /* store.c */
	struct loop *loop;
	char *path;
	sqlite3 *db; /* of the worker, while busy */
	sqlite3_stmt *prepared[STORE_STATEMENTS];
	char broker_id[ID_TEXT_MAX];
	bool copied;
	/* writer.c */
	struct store_queue waiting, batch; /* batch: with the worker */
	bool busy, turn, settling; /* turn: a batch begins on the next one */
	enum store_durability synchronous; /* of the connection */
	int journal_pages; /* of the write-ahead log, after the last commit */
	struct error written; /* of the last batch; its text is what store_fault() says */
	struct error outcome; /* of the batch that the worker has */
	struct loop_timer *later; /* when rows that nobody waits for, or that failed, are written */
};
/* ---- writer.c ---- */
int store_writer_init(struct store *s, struct error *err) _must_check_;
/* Takes op over. */
void store_write(struct store *s, struct store_op *op);
/* After store_settle(). */
void store_writer_done(struct store *s);

#endif
