/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_STORE_STORE_H
#define HAWSER_BROKER_STORE_STORE_H

#include "base/error.h"
#include "base/ids.h"
#include "base/loop.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * What survives the broker, in STATE/hawser.db: rows of runs and of sandboxes. Written in the order of the calls below,
 * on another thread, so that no commit and no checkpoint ever holds the loop; read once, when it is opened.
 */
struct store;

enum {
	STORE_TEXT_MAX = 1 << 20, /* bytes of one text of a row; a longer one is left out (NULL) */
	STORE_QUEUE_MAX = 65536, /* rows that wait to be written; beyond it a row fails */
	STORE_LAZY_MS = 100, /* how long a row that nobody waits for may wait for others to go with */
	STORE_RETRY_MS = 1000, /* how often a row that could not be written is tried again */
};

/* What a row has to outlive before its commit is told. */
enum store_durability {
	STORE_PROCESS, /* this process: kill -9 */
	STORE_POWER, /* power: it is on the disk (fsync) */
};

/* Under the broker's lock, before anything else happens: reads and checks on the calling thread. Makes the database
 * where there is none and brings an older one to this version. Error: what is wrong with which file, and
 * ERROR_CURE with what to do. */
int store_open(struct loop *loop, const char *state_dir, struct store **ret, struct error *err) _must_check_;
/* store_settle(), then closes. */
struct store *store_close(struct store *s);
/* Writes all that is queued, trying rows that could not be written once more; waits for it. Their done() is called. */
void store_settle(struct store *s);

/* This broker's name in tags of sandboxes: as old as its state directory. */
const char *store_broker_id(const struct store *s);
/* The directory had been copied or moved to another disk when it was opened: the broker has a new name since, as
 * sandboxes with the old one may belong to the other directory. */
bool store_was_copied(const struct store *s);
/* NULL: the last row was written, or none yet; else why not. What is new is tried all the same. */
const char *store_fault(const struct store *s);

/* Once, not inside the starting call. err->code 0: the row is committed. */
typedef void store_done_fn(void *user, const struct error *err);

/* ---- runs; texts may be NULL ---- */
struct store_run {
	const char *id, *subject, *folder, *language;
	const char *status; /* waiting, running, or how it ended */
	int64_t begun_ms, ended_ms; /* since 1970; ended_ms 0: it has not */
	double seconds;
	int64_t exit_code;
	const char *error_kind, *error;
	const char *tail, *calls; /* JSON: what the guest said at the end; the counts of its calls */
	const char *provider, *isolation, *why, *sandbox;
};
/* A new row: id, subject, folder, language, status, begun_ms. */
void store_run_begin(struct store *s, const struct store_run *run, enum store_durability durability,
		     store_done_fn *done, void *user);
/* It has its sandbox: status, provider, isolation, why, sandbox. Nobody waits for this. */
void store_run_placed(struct store *s, const struct store_run *run);
/* The rest of it. A row that cannot be written is told once and tried again until it can be. done may be NULL. */
void store_run_end(struct store *s, const struct store_run *run, enum store_durability durability, store_done_fn *done,
		   void *user);
/* Its row goes. */
void store_run_forget(struct store *s, const char *id);
/* All rows, oldest first; texts are borrowed until fn returns. While nothing is being written: after store_open(). */
int store_runs_load(struct store *s, void (*fn)(void *user, const struct store_run *run), void *user,
		    struct error *err) _must_check_;

/* ---- sandboxes: a row is there before the provider is asked, on the disk, and goes when nothing of it is left ---- */
struct store_sandbox {
	const char *tag, *provider;
	const char *place; /* folder of a kept one, NULL: it has none */
	const char *sandbox; /* the provider's name for it */
	const char *state;
	int64_t made_ms; /* since 1970 */
};
void store_sandbox_begin(struct store *s, const struct store_sandbox *sandbox, store_done_fn *done, void *user);
/* state, and sandbox if it is not NULL. */
void store_sandbox_state(struct store *s, const struct store_sandbox *sandbox);
void store_sandbox_end(struct store *s, const char *tag);
int store_sandboxes_load(struct store *s, void (*fn)(void *user, const struct store_sandbox *sandbox), void *user,
			 struct error *err) _must_check_;

/* ---- for `hawser state check`: reads, and changes nothing ---- */
struct store_facts {
	bool there; /* else there is no database, which is no fault */
	int64_t version, version_here; /* of its schema; of the one that this program writes */
	bool copied; /* the next broker takes a new name */
	char broker_id[ID_TEXT_MAX];
	int64_t bytes, journal_bytes, most_bytes;
};
/* Every page is checked. Then fn_run and fn_sandbox are called with each row. Beside a broker that is running too. */
int store_check(const char *state_dir, struct store_facts *ret, void (*fn_run)(void *user, const struct store_run *run),
		void (*fn_sandbox)(void *user, const struct store_sandbox *sandbox), void *user,
		struct error *err) _must_check_;

#endif
