/* SPDX-License-Identifier: Apache-2.0 */
/* hawser state check: the rows against the folders, every page, and sizes. Reads; what is to be done it says. */
#include "broker/cli/checkup.h"
#include "broker/cli/findings.h"
#include "broker/store/store.h"

#include "base/clock.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

enum {
	NAMES_MAX = 3, /* folders that a text or a cure names */
	YOUNG_MS = 10000, /* a folder is there a moment before its row */
	FOLDER_MAX = 2 * PATH_MAX + 320,
	TEXT_MAX = 4 * PATH_MAX,
};

struct check {
	struct findings findings;
	struct paths paths;
	pid_t broker;
	char **ids; /* of the runs that have a row, sorted before they are looked for */
	size_t count, cap;
	size_t open, gone; /* that have not ended; whose folder is not there */
	size_t sandboxes, held; /* rows; whose folder is there */
	char first_gone[64];
};

/* ---- rows ---- */

static void remember(struct check *c, const char *id)
{
	char **grown;

	if (c->count == c->cap) {
		c->cap = c->cap ? 2 * c->cap : 256;
		grown = realloc(c->ids, c->cap * sizeof(*grown));
		if (!grown)
			abort();
		c->ids = grown;
	}
	c->ids[c->count++] = strdup(id);
}

static bool is_there(const char *dir, const char *name)
{
	char path[FOLDER_MAX];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return stat(path, &st) == 0;
}

static void on_run(void *user, const struct store_run *run)
{
	struct check *c = user;
	char folder[PATH_MAX + 64];

	remember(c, run->id);
	c->open += run->ended_ms == 0;
	snprintf(folder, sizeof(folder), "runs/%s", run->id);
	if (is_there(c->paths.state, folder))
		return;
	if (c->gone++ == 0)
		snprintf(c->first_gone, sizeof(c->first_gone), "%s", run->id);
}

static void on_sandbox(void *user, const struct store_sandbox *sandbox)
{
	struct check *c = user;

	c->sandboxes++;
	c->held += sandbox->place && is_there(sandbox->place, ".");
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* ---- folders ---- */

struct folders {
	size_t count, nameless; /* all of them; without a row */
	long long bytes;
	char names[NAMES_MAX * 64]; /* " 'STATE/runs/x'" would be too long: names alone */
};

static long long bytes_in(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *entry;
	long long bytes = 0;
	struct stat st;

	while (d && (entry = readdir(d)))
		if (fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
			bytes += st.st_size;
	if (d)
		closedir(d);
	return bytes;
}

/* Beside a broker one that has just been made may get its row yet. */
static bool is_young(const struct check *c, const char *path)
{
	struct stat st;

	return c->broker && stat(path, &st) == 0 && (uint64_t)st.st_mtim.tv_sec * 1000 + YOUNG_MS > clock_wall_ms();
}

static void look_at_folder(struct check *c, struct folders *f, const char *runs, const char *name)
{
	char path[FOLDER_MAX];

	snprintf(path, sizeof(path), "%s/%s", runs, name);
	f->count++;
	f->bytes += bytes_in(path);
	if (bsearch(&name, c->ids, c->count, sizeof(*c->ids), compare) || is_young(c, path))
		return;
	if (f->nameless++ < NAMES_MAX)
		snprintf(f->names + strlen(f->names), sizeof(f->names) - strlen(f->names), " %.60s", name);
}

static void look_at_folders(struct check *c, struct folders *f)
{
	char runs[PATH_MAX + 16];
	struct dirent *entry;
	DIR *d;

	snprintf(runs, sizeof(runs), "%s/runs", c->paths.state);
	qsort(c->ids, c->count, sizeof(*c->ids), compare);
	d = opendir(runs);
	while (d && (entry = readdir(d)))
		if (strncmp(entry->d_name, "run_", 4) == 0)
			look_at_folder(c, f, runs, entry->d_name);
	if (d)
		closedir(d);
}

/* ---- what is told ---- */

static void tell(struct check *c, const char *key, const char *cure, bool good, const char *fmt, ...) _printf_(5, 6);

static void tell(struct check *c, const char *key, const char *cure, bool good, const char *fmt, ...)
{
	char text[TEXT_MAX];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	findings_add(&c->findings, key, text, cure, good);
}

static void tell_runs(struct check *c, const struct folders *f)
{
	char cure[TEXT_MAX];

	tell(c, "runs", NULL, true, "%zu rows, %zu folders%s", c->count, f->count,
	     !c->open    ? ""
	     : c->broker ? ", some of them go on"
			 : "; those that went on end as broker_lost when the next broker starts");
	if (c->gone)
		tell(c, "runs", NULL, false,
		     "%zu rows without a folder (%s ...): their output and values are gone; the rows go when "
		     "limits.runs_kept others have ended",
		     c->gone, c->first_gone);
	if (!f->nameless)
		return;
	snprintf(cure, sizeof(cure), "cd '%s/runs' && rm -r%s", c->paths.state, f->names);
	tell(c, "runs", cure, false,
	     "%zu run folder%s without a row (another version of hawser, or a list that was lost): %s; hawser keeps "
	     "the "
	     "newest 200 and shows none",
	     f->nameless, f->nameless == 1 ? "" : "s", f->names + 1);
}

static void tell_sandboxes(struct check *c)
{
	tell(c, "sandboxes", NULL, true, "%zu rows, %zu folders%s", c->sandboxes, c->held,
	     c->sandboxes && !c->broker ? "; the next broker ends them" : "");
}

static double mib(long long bytes)
{
	return (double)bytes / (1 << 20);
}

static void tell_sizes(struct check *c, const struct store_facts *facts, const struct folders *f)
{
	char path[PATH_MAX + 32];
	struct statvfs fs = {0};
	struct stat audit = {0};

	snprintf(path, sizeof(path), "%s/audit.jsonl", c->paths.state);
	if (stat(path, &audit) < 0)
		audit.st_size = 0;
	snprintf(path, sizeof(path), "%s/logs", c->paths.state);
	(void)!statvfs(c->paths.state, &fs);
	tell(c, "room", NULL, true,
	     "hawser.db %.1f MiB and its log %.1f (at most %.0f), runs %.1f (limits.runs_kept of them), audit.jsonl "
	     "%.1f, "
	     "logs %.1f; %.1f GiB free",
	     mib(facts->bytes), mib(facts->journal_bytes), mib(facts->most_bytes), mib(f->bytes), mib(audit.st_size),
	     mib(bytes_in(path)), (double)fs.f_bavail * (double)fs.f_frsize / (1 << 30));
}

static void tell_fault(struct check *c, const struct error *err)
{
	size_t len;
	const char *cure = error_cure(error_text(err), &len);

	tell(c, "state", cure, false, "%.*s", (int)len, error_text(err));
}

static void tell_database(struct check *c, const struct store_facts *facts)
{
	if (!facts->there || facts->version == 0) {
		tell(c, "state", NULL, true, "%s/hawser.db is not there yet", c->paths.state);
		return;
	}
	tell(c, "state", NULL, true, "%s/hawser.db, version %lld of %lld, broker %s: every page is good",
	     c->paths.state, (long long)facts->version, (long long)facts->version_here, facts->broker_id);
	if (facts->copied)
		tell(c, "state", NULL, true,
		     "it is a copy, or was moved to another disk: the next broker takes a new name, and leaves "
		     "sandboxes of the old one to whoever has the other directory, or to their leases");
}

static void examine(struct check *c)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct store_facts facts;
	struct folders f = {0};
	int r;

	c->broker = checkup_broker(&c->paths);
	if (c->broker)
		tell(c, "broker", NULL, true, "process %d has it", (int)c->broker);
	else
		tell(c, "broker", NULL, true, "none is running");
	r = store_check(c->paths.state, &facts, on_run, on_sandbox, c, &err);
	if (r < 0)
		return tell_fault(c, &err); /* without its rows nothing can be compared */
	tell_database(c, &facts);
	look_at_folders(c, &f);
	tell_runs(c, &f);
	tell_sandboxes(c);
	tell_sizes(c, &facts, &f);
}

int cli_state(const struct cli_args *args)
{
	struct check c = {.findings.json = args->json};
	_cleanup_error_ struct error err = ERROR_INIT;

	if (strcmp(args->operands[0], "check") != 0)
		return cli_say(CLI_USAGE, "hawser state check");
	if (paths_find(&c.paths, &err) < 0)
		return cli_say(CLI_FAILED, "%s", error_text(&err));
	examine(&c);
	findings_end(&c.findings);
	while (c.count > 0)
		free(c.ids[--c.count]);
	free(c.ids);
	return c.findings.bad ? CLI_FAILED : CLI_OK;
}
