/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows on their way. Those that came since the last commit are one transaction on a worker thread; what any of them
 * asks for, all of them get. Two commits never overlap, so rows are committed in the order in which they came.
 *
 *   store_write() -> waiting -> (one turn of the loop) batch, worker: BEGIN ... COMMIT -> loop: done() of each
 *                       ^                                   |
 *                       +--- those with keep, after STORE_RETRY_MS, if it failed
 *
 * A row that nobody waits for goes with the next one that somebody does, or after STORE_LAZY_MS.
 *
 * The write-ahead log is copied back (checkpoint) by the worker too, when nothing waits, or when it is long.
 */
#include "broker/store/internal.h"

#include "base/log.h"

#include <errno.h>
#include <string.h>

enum {
	BATCH_MAX = 512, /* rows of one transaction */
	CHECKPOINT_PAGES = 1000, /* when nothing waits */
	CHECKPOINT_MOST_PAGES = 8000, /* 32 MiB: whatever waits */
};

/* ---- on the worker ---- */

static int bind_value(sqlite3_stmt *statement, int at, const struct store_value *v)
{
	switch (v->type) {
	case STORE_INTEGER:
		return sqlite3_bind_int64(statement, at, v->integer);
	case STORE_REAL:
		return sqlite3_bind_double(statement, at, v->real);
	case STORE_TEXT:
		return sqlite3_bind_text(statement, at, v->text, -1, SQLITE_STATIC);
	case STORE_NULL:
		break;
	}
	return sqlite3_bind_null(statement, at);
}

static int write_row(struct store *s, const struct store_op *op)
{
	sqlite3_stmt **statement = &s->prepared[op->statement];
	int code = SQLITE_OK;

	if (!*statement)
		code = sqlite3_prepare_v3(s->db, store_statements[op->statement], -1, SQLITE_PREPARE_PERSISTENT,
					  statement, NULL);
	for (size_t i = 0; code == SQLITE_OK && i < op->count; i++)
		code = bind_value(*statement, (int)i + 1, &op->values[i]);
	if (code == SQLITE_OK)
		code = sqlite3_step(*statement);
	if (*statement) {
		sqlite3_reset(*statement);
		sqlite3_clear_bindings(*statement);
	}
	return code == SQLITE_DONE ? SQLITE_OK : code;
}

static int set_synchronous(struct store *s, enum store_durability wanted)
{
	static const char *const sql[] = {"PRAGMA synchronous = NORMAL", "PRAGMA synchronous = FULL"};
	int code = s->synchronous == wanted ? SQLITE_OK : sqlite3_exec(s->db, sql[wanted], NULL, NULL, NULL);

	if (code == SQLITE_OK)
		s->synchronous = wanted;
	return code;
}

static bool is_refusal(int code)
{
	return code == SQLITE_CONSTRAINT || code == SQLITE_MISMATCH || code == SQLITE_TOOBIG;
}

static enum store_durability durability_of(const struct store_queue *q)
{
	enum store_durability durability = STORE_PROCESS;

	for (const struct store_op *op = q->first; op; op = op->next)
		if (op->durability > durability)
			durability = op->durability;
	return durability;
}

static void write_batch(void *user)
{
	struct store *s = user;
	struct store_op *op;
	int code = set_synchronous(s, durability_of(&s->batch));

	if (code == SQLITE_OK)
		code = sqlite3_exec(s->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
	for (op = s->batch.first; op && code == SQLITE_OK; op = op->next) {
		code = write_row(s, op);
		op->refused = is_refusal(code & 0xff);
		if (op->refused)
			code = SQLITE_OK;
	}
	if (code == SQLITE_OK)
		code = sqlite3_exec(s->db, "COMMIT", NULL, NULL, NULL);
	if (code == SQLITE_OK)
		return;
	store_fail(s->db, code, s->path, "writing", &s->outcome);
	if (!sqlite3_get_autocommit(s->db))
		sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
}

/* One that fails is tried again after the next commit, which says the true number. */
static void copy_back(void *user)
{
	struct store *s = user;

	(void)!sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
	s->journal_pages = 0;
}

static int on_commit(void *user, sqlite3 *db, const char *name, int pages)
{
	struct store *s = user;

	(void)db, (void)name;
	s->journal_pages = pages;
	return SQLITE_OK;
}

/* ---- on the loop ---- */

static void go_on(struct store *s);

static void tell(struct store_op *op, const struct error *err)
{
	store_done_fn *done = op->done;

	op->done = NULL;
	if (done)
		done(op->user, err);
}

static void note_outcome(struct store *s)
{
	if (s->outcome.code && !s->written.code)
		log_error("state_failed", LOG_S("error", error_text(&s->outcome)));
	else if (!s->outcome.code && s->written.code)
		log_info("state_written_again", LOG_S("path", s->path));
	error_done(&s->written);
	error_move(&s->written, &s->outcome);
}

/* Everybody is told, whoever keeps on stands in front again. */
static void finish_batch(struct store *s)
{
	static const struct error good = ERROR_INIT, refused = {-EINVAL, (char *)"the database refuses the row"};
	struct store_queue told, again;
	struct store_op *op;

	note_outcome(s);
	store_queue_init(&told);
	store_queue_init(&again);
	store_queue_put_in_front(&s->batch, &told);
	s->busy = false;
	while ((op = store_queue_take(&told))) {
		if (op->refused && !s->written.code)
			log_error("state_row_refused", LOG_S("statement", store_statements[op->statement]));
		tell(op, s->written.code ? &s->written : op->refused ? &refused : &good);
		if (s->written.code && op->keep)
			store_queue_append(&again, op);
		else
			store_op_free(op);
	}
	store_queue_put_in_front(&again, &s->waiting);
}

static void on_written(void *user)
{
	struct store *s = user;

	finish_batch(s);
	if (s->written.code && s->waiting.first && !s->settling)
		loop_timer_start(s->later, STORE_RETRY_MS);
	else
		go_on(s);
}

static void on_copied(void *user)
{
	struct store *s = user;

	s->busy = false;
	go_on(s);
}

static void start_work(struct store *s, void (*run)(void *user), void (*done)(void *user))
{
	_cleanup_error_ struct error err = ERROR_INIT;

	s->busy = true;
	if (loop_work_start(s->loop, run, done, s, &err) < 0)
		abort(); /* no memory for one small object */
}

static void begin(struct store *s)
{
	if (s->busy || s->settling)
		return;
	if (s->journal_pages >= CHECKPOINT_MOST_PAGES || (s->journal_pages >= CHECKPOINT_PAGES && !s->waiting.first))
		return start_work(s, copy_back, on_copied);
	while (s->waiting.first && s->batch.count < BATCH_MAX)
		store_queue_append(&s->batch, store_queue_take(&s->waiting));
	if (s->batch.first)
		start_work(s, write_batch, on_written);
}

/* Now if somebody waits, else soon. */
static void go_on(struct store *s)
{
	if (s->turn)
		return; /* it goes on then */
	if (s->waiting.awaited > 0 || s->journal_pages >= CHECKPOINT_PAGES)
		begin(s);
	else if (s->waiting.first && !loop_timer_armed(s->later))
		loop_timer_start(s->later, STORE_LAZY_MS);
}

static void on_turn(void *user)
{
	struct store *s = user;

	s->turn = false;
	loop_timer_stop(s->later);
	begin(s);
}

/* What comes in one turn of the loop is one commit. What is awaited is tried at once also after a failure: there may be
 * room again. */
void store_write(struct store *s, struct store_op *op)
{
	store_queue_append(&s->waiting, op);
	if (s->busy || s->turn)
		return;
	if (!op->done) {
		if (!loop_timer_armed(s->later))
			loop_timer_start(s->later, STORE_LAZY_MS);
		return;
	}
	s->turn = true;
	loop_defer(s->loop, on_turn, s);
}

static void on_later(void *user)
{
	begin(user);
}

void store_settle(struct store *s)
{
	bool failed = false;

	while (s->busy || s->turn)
		loop_turn(s->loop, 100);
	s->settling = true;
	while (s->waiting.first && !failed) {
		while (s->waiting.first && s->batch.count < BATCH_MAX)
			store_queue_append(&s->batch, store_queue_take(&s->waiting));
		write_batch(s);
		finish_batch(s);
		failed = s->written.code != 0;
	}
	for (struct store_op *op = s->waiting.first; failed && op; op = op->next) {
		s->waiting.awaited -= op->done != NULL;
		tell(op, &s->written);
	}
	s->settling = false;
}

const char *store_fault(const struct store *s)
{
	if (s->written.code)
		return error_text(&s->written);
	return s->waiting.count >= STORE_QUEUE_MAX ? "too many rows wait to be written" : NULL;
}

int store_writer_init(struct store *s, struct error *err)
{
	store_queue_init(&s->waiting);
	store_queue_init(&s->batch);
	sqlite3_wal_hook(s->db, on_commit, s);
	return loop_timer_new(s->loop, on_later, s, &s->later, err);
}

void store_writer_done(struct store *s)
{
	struct store_op *op;
	size_t lost = 0;

	while ((op = store_queue_take(&s->waiting))) {
		lost++;
		store_op_free(op);
	}
	if (lost)
		log_error("state_rows_lost", LOG_I("rows", lost), LOG_S("error", error_text(&s->written)));
	for (size_t i = 0; i < STORE_STATEMENTS; i++)
		sqlite3_finalize(s->prepared[i]);
	loop_timer_free(s->later);
	error_done(&s->written);
	error_done(&s->outcome);
}
