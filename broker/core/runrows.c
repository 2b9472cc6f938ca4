/* SPDX-License-Identifier: Apache-2.0 */
/* Runs and their rows: written while they last, read back when the broker starts. */
#include "broker/core/runs.h"

#include "base/clock.h"
#include "base/log.h"

#include <string.h>

static const char *const statuses[] = {"ok", "error", "timeout", "cancelled", "killed", "lost"};

/* ---- writing ---- */

static enum store_durability durability_of(const struct run *run)
{
	return run->view->config->durability == CONFIG_POWER ? STORE_POWER : STORE_PROCESS;
}

void run_row_begin(struct run *run, void (*done)(void *user, const struct error *err))
{
	const struct store_run row = {.id = run->id,
				      .subject = run->subject,
				      .folder = run->folder,
				      .language = run_language_names[run->request.language],
				      .status = "waiting",
				      .begun_ms = run->begun_ms};

	store_run_begin(run->core->store, &row, durability_of(run), done, run);
}

void run_row_placed(const struct run *run)
{
	const struct store_run row = {.id = run->id,
				      .status = "running",
				      .provider = run->provider,
				      .isolation = run->isolation,
				      .why = run->why,
				      .sandbox = sandbox_id(run->sandbox)};

	store_run_placed(run->core->store, &row);
}

const char *run_error_kind(const struct run *run)
{
	const char *kind = NULL;

	if (run->result.ok)
		return NULL;
	json_unpack(run->result.tail, "{s?{s?s}}", "error", "kind", &kind);
	if (kind && *kind)
		return kind;
	if (strcmp(run->result.status, "lost") != 0)
		return run->result.status;
	return run->result.error && strncmp(run->result.error, "broker_lost", 11) == 0 ? "broker_lost" : "sandbox_lost";
}

static char *text_of(struct buf *text)
{
	return buf_append(text, "", 1) == 0 ? (char *)buf_head(text) : NULL;
}

void run_row_end(struct run *run, void (*done)(void *user, const struct error *err))
{
	_cleanup_buf_ struct buf tail = BUF_INIT(STORE_TEXT_MAX), calls = BUF_INIT(STORE_TEXT_MAX);
	bool has_tail = run->result.tail && json_print(&tail, run->result.tail) == 0;
	bool has_calls = run->counts && result_put_calls(run, &calls) == 0;
	struct store_run row = {.id = run->id,
				.status = run->result.status,
				.seconds = run->result.seconds,
				.exit_code = run->result.exit_code,
				.error_kind = run_error_kind(run),
				.error = run->result.error};

	if (!run->ended_ms)
		run->ended_ms = (int64_t)clock_wall_ms();
	row.ended_ms = run->ended_ms;
	row.tail = has_tail ? text_of(&tail) : NULL;
	row.calls = has_calls ? text_of(&calls) : NULL;
	store_run_end(run->core->store, &row, run->view ? durability_of(run) : STORE_PROCESS, done, run);
}

/* ---- reading ---- */

static char *copy(const char *text)
{
	return text ? strdup(text) : NULL;
}

static void read_calls(struct run *run, const char *text)
{
	_cleanup_error_ struct error ignored = ERROR_INIT;
	json_auto_t *calls = NULL;
	json_t *call;
	size_t i;

	if (!text || json_parse(text, strlen(text), &calls, &ignored) < 0)
		return;
	json_array_foreach (calls, i, call) {
		const char *server = NULL, *tool = NULL;
		json_int_t n = 0, errors = 0, denied = 0, ms = 0, bytes = 0;
		struct tool_count *count;

		if (json_unpack(call, "{s:s, s:s, s:I, s:I, s:I, s:I, s:I}", "server", &server, "tool", &tool, "calls",
				&n, "errors", &errors, "denied", &denied, "ms", &ms, "bytes", &bytes) < 0)
			continue;
		count = runs_get_count(run, server, tool);
		if (!count)
			return;
		count->calls = (uint64_t)n;
		count->errors = (uint64_t)errors;
		count->denied = (uint64_t)denied;
		count->ms = (uint64_t)ms;
		count->bytes = (uint64_t)bytes;
		run->calls += (uint64_t)n;
	}
}

static void read_result(struct run *run, const struct store_run *row)
{
	_cleanup_error_ struct error ignored = ERROR_INIT;
	struct run_result *r = &run->result;

	r->run = run;
	r->status = "error";
	for (size_t i = 0; i < ARRAY_SIZE(statuses); i++)
		if (strcmp(statuses[i], row->status) == 0)
			r->status = statuses[i];
	r->error = copy(row->error);
	r->exit_code = (int)row->exit_code;
	r->seconds = row->seconds;
	r->ok = strcmp(r->status, "ok") == 0;
	if (row->tail)
		(void)!json_parse(row->tail, strlen(row->tail), &r->tail, &ignored);
	read_calls(run, row->calls);
}

static void put_error(struct run *run, const char *status, char *error)
{
	free(run->result.error);
	run->result.status = status;
	run->result.error = error;
	run->result.ok = false;
}

/* It went on when its broker died: what it said until then is kept, its sandbox is reaped (reaper.c). */
static void end_lost(struct run *run)
{
	run->ended_ms = (int64_t)runfiles_changed_ms(&run->files);
	if (run->ended_ms < run->begun_ms)
		run->ended_ms = run->begun_ms;
	run->result.seconds = (double)(run->ended_ms - run->begun_ms) / 1000.0;
	put_error(
		run, "lost",
		strdup("broker_lost: the broker was killed, or crashed, while this ran; its output until then is kept, "
		       "and what its calls did stays done"));
	run_row_end(run, NULL);
	log_warn("run_lost", LOG_S("run", run->id), LOG_S("reason", run_error_kind(run)));
}

static void find_files(struct run *run, bool lost)
{
	char *text;

	if (runfiles_find(&run->files, run->core->state_dir, run->id, lost) == 0)
		return;
	if (asprintf(&text, "its files are gone (%s/runs/%s), and with them its output and value", run->core->state_dir,
		     run->id) < 0)
		text = NULL;
	put_error(run, "error", text);
}

/* It is a folder's name too. */
static bool is_id(const char *id)
{
	size_t len = strlen(id);

	return len < ID_TEXT_MAX && strncmp(id, "run_", 4) == 0 &&
	       strspn(id + 4, "0123456789abcdefghijklmnopqrstuvwxyz") == len - 4;
}

static void on_row(void *user, const struct store_run *row)
{
	struct core *core = user;
	struct run *run;

	if (!is_id(row->id)) {
		log_warn("run_row_skipped", LOG_S("run", row->id));
		return;
	}
	run = calloc(1, sizeof(*run));
	if (!run || !(run->subject = copy(row->subject)))
		abort(); /* while the broker starts */
	run->core = core;
	strcpy(run->id, row->id);
	run->state = RUN_ENDED;
	run->ending = run->recorded = true;
	run->folder = copy(row->folder);
	run->provider = copy(row->provider);
	run->isolation = copy(row->isolation);
	run->why = copy(row->why);
	run->begun_ms = row->begun_ms;
	run->ended_ms = row->ended_ms;
	run->environment = -1;
	for (int i = 0; run_language_names[i]; i++)
		if (strcmp(run_language_names[i], row->language) == 0)
			run->request.language = i;
	read_result(run, row);
	HASH_ADD_STR(core->runs, id, run);
	find_files(run, row->ended_ms == 0);
	if (row->ended_ms == 0)
		end_lost(run);
}

static bool is_known(void *user, const char *id)
{
	struct core *core = user;
	struct run *run;

	HASH_FIND_STR(core->runs, id, run);
	return run != NULL;
}

int runs_load(struct core *core, struct error *err)
{
	int r = store_runs_load(core->store, on_row, core, err);

	if (r == 0)
		runfiles_prune(core->state_dir, is_known, core, CORE_FOLDERS_KEPT);
	return r;
}
