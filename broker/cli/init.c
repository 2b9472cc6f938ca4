/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/cli/init.h"

#include "broker/cli/diff.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int init_note(struct init *in, const char *fmt, ...)
{
	char **items = realloc(in->notes.items, (in->notes.count + 1) * sizeof(*items));
	va_list args;
	int r;

	if (!items)
		return -ENOMEM;
	in->notes.items = items;
	va_start(args, fmt);
	r = vasprintf(&items[in->notes.count], fmt, args);
	va_end(args);
	if (r < 0)
		return -ENOMEM;
	in->notes.count++;
	return 0;
}

static void done(struct init *in)
{
	for (size_t i = 0; i < in->item_count; i++) {
		free(in->items[i].name);
		free(in->items[i].why);
	}
	free(in->items);
	for (size_t i = 0; i < in->rule_count; i++)
		free((char *)(uintptr_t)in->rules[i].glob);
	for (size_t i = 0; i < in->notes.count; i++)
		free(in->notes.items[i]);
	free(in->notes.items);
	journal_changes_done(&in->changes);
	clientfiles_done(&in->files);
	json_decref(in->present);
	free(in->hawser_path);
	free((char *)(uintptr_t)in->where.cwd);
	free((char *)(uintptr_t)in->where.config_home);
	free(in);
}

/* Names and paths come from files that anybody may have written: what a terminal would obey is not handed to it. */
static void tell(FILE *to, const char *fmt, ...) _printf_(2, 3);
static void tell(FILE *to, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list args;

	va_start(args, fmt);
	if (vasprintf(&text, fmt, args) < 0)
		text = NULL;
	va_end(args);
	if (text)
		fputs(cli_clean(text), to);
}

/* The name as one line. */
static const char *shown(const struct clientfile_entry *entry, char text[CLIENTFILE_NAME_MAX + 4])
{
	size_t n = strlen(entry->name);

	snprintf(text, CLIENTFILE_NAME_MAX + 4, "%.*s%s",
		 (int)(n > CLIENTFILE_NAME_MAX ? span_utf8_floor(entry->name, CLIENTFILE_NAME_MAX) : n), entry->name,
		 n > CLIENTFILE_NAME_MAX ? "..." : "");
	for (char *p = text; *p; p++)
		*p = (unsigned char)*p < 0x20 ? '?' : *p;
	return text;
}

/* ---- questions ---- */

/* Somebody else may have written a project's file: its servers are started only after a yes of their own. */
static void ask_for_project(struct init *in, const struct clientfile_section *section)
{
	char question[512], name[CLIENTFILE_NAME_MAX + 4];
	bool yes = in->args->yes;

	if (!yes && cli_can_ask()) {
		for (size_t i = 0; i < in->item_count; i++) {
			char *text = in->items[i].section == section
					     ? json_dumps(in->items[i].entry->server, JSON_COMPACT)
					     : NULL;

			if (text)
				tell(stderr, "  %s: %s\n", shown(in->items[i].entry, name), text);
			free(text);
		}
		snprintf(question, sizeof(question), "%.400s belongs to this folder. Start and move its servers?",
			 section->file->path);
		yes = cli_ask(cli_clean(question));
	}
	for (size_t i = 0; !yes && i < in->item_count; i++)
		if (in->items[i].section == section && in->items[i].fate != INIT_STAYS) {
			in->items[i].fate = INIT_STAYS;
			init_set_why(&in->items[i],
				     "its file belongs to this folder and wants a yes of its own: run hawser init at a "
				     "terminal, or write include: [project] into hawser.yaml, then hawser trust %s",
				     section->file->path);
		}
	for (size_t i = 0; yes && i < in->item_count; i++)
		if (in->items[i].section == section && in->items[i].fate == INIT_MOVES)
			json_object_set_new(in->items[i].entry->server, "trusted", json_false());
}

static void ask_for_projects(struct init *in)
{
	for (size_t i = 0; i < in->files.section_count; i++)
		if (in->files.sections[i].place->scope == CLIENTFILE_PROJECT && in->files.sections[i].count > 0)
			ask_for_project(in, &in->files.sections[i]);
	init_settle(in);
}

/* ---- what is told ---- */

static void print_item(const struct init_item *item)
{
	static const char *const fates[] = {[INIT_MOVES] = "moves", [INIT_SAME] = "moves", [INIT_STAYS] = "stays"};
	_cleanup_free_ char *notes = item->entry->notes ? strdup(item->entry->notes) : NULL;
	char *rest = notes, *line, name[CLIENTFILE_NAME_MAX + 4];

	tell(stdout, "  %-20s %s", shown(item->entry, name), fates[item->fate]);
	if (item->why)
		tell(stdout, ": %.*s", (int)strcspn(item->why, "\n"), item->why);
	puts("");
	while ((line = strsep(&rest, "\n")))
		tell(stdout, "  %-20s   note: %s\n", "", line);
}

static void print_plan(const struct init *in)
{
	for (size_t i = 0; i < in->files.section_count; i++) {
		const struct clientfile_section *s = &in->files.sections[i];
		char place[96];

		init_place_name(s->place, place, sizeof(place));
		if (s->file->fault)
			tell(stdout, "%s: left alone: %s\n", place, s->file->fault);
		else if (s->count > 0)
			tell(stdout, "%s (%s)\n", place, s->file->path);
		for (size_t k = 0; k < in->item_count; k++)
			if (in->items[k].section == s)
				print_item(&in->items[k]);
	}
	for (size_t i = 0; i < in->notes.count; i++)
		tell(stdout, "note: %s\n", in->notes.items[i]);
}

static void print_table(const struct init *in)
{
	bool head = false;

	for (size_t i = 0; i < in->item_count; i++) {
		const struct init_item *item = &in->items[i];

		if (item->fate != INIT_MOVES || item->tools < 0)
			continue;
		if (!head)
			printf("%-28s %6s %8s %6s %7s\n", "server", "tools", "allowed", "asked", "denied");
		head = true;
		tell(stdout, "%-28s %6lld %8lld %6lld %7lld\n", item->name, (long long)item->tools,
		     (long long)item->allowed, (long long)item->asked, (long long)item->denied);
	}
}

static json_t *item_json(const struct init_item *item)
{
	static const char *const fates[] = {[INIT_MOVES] = "moves", [INIT_SAME] = "same", [INIT_STAYS] = "stays"};

	return json_pack("{s:s, s:s, s:s, s:i, s:s, s:s, s:s*, s:s*, s:I, s:I, s:I, s:I}", "client",
			 item->section->place->client, "file", item->section->file->path, "server", item->entry->name,
			 "line", item->entry->line, "fate", fates[item->fate], "name", item->name, "why", item->why,
			 "notes", item->entry->notes, "tools", (json_int_t)item->tools, "allowed",
			 (json_int_t)item->allowed, "asked", (json_int_t)item->asked, "denied",
			 (json_int_t)item->denied);
}

static void print_json(const struct init *in, bool written)
{
	json_auto_t *items = json_array(), *files = json_array(), *faults = json_array(), *all = NULL;
	_cleanup_buf_ struct buf out = BUF_INIT(16 * 1024 * 1024);

	for (size_t i = 0; i < in->item_count; i++)
		json_array_append_new(items, item_json(&in->items[i]));
	for (size_t i = 0; i < in->changes.count; i++)
		json_array_append_new(files, json_string(in->changes.items[i].path));
	for (size_t i = 0; i < in->files.file_count; i++)
		if (in->files.files[i]->fault)
			json_array_append_new(faults, json_string(in->files.files[i]->fault));
	all = json_pack("{s:O, s:O, s:O, s:b}", "servers", items, "files", files, "faults", faults, "written", written);
	if (json_print(&out, all) == 0)
		cli_print_span(span_of(buf_head(&out), out.len));
}

static void print_change(const struct journal_change *c)
{
	diff_print(c->there ? c->path : NULL, &c->before, c->path, &c->after);
}

/* ---- the way ---- */

static int find_where(struct init *in, struct error *err)
{
	struct paths paths;
	ssize_t n = readlink("/proc/self/exe", in->program, sizeof(in->program) - 1);
	int r = paths_find(&paths, err);

	if (r < 0)
		return r;
	in->program[n > 0 ? n : 0] = '\0';
	memcpy(in->state, paths.state, sizeof(in->state));
	in->where.home = getenv("HOME");
	in->where.config_home = strdup(paths.config);
	in->where.cwd = getcwd(NULL, 0);
	if (n <= 0 || !in->where.home || in->where.home[0] != '/' || !in->where.config_home || !in->where.cwd)
		return error_set(err, -ENOENT, "HOME, the working directory or the program cannot be told");
	return 0;
}

/* Everything up to the new texts. */
static int prepare(struct init *in)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	int status;

	if (find_where(in, &err) < 0 ||
	    clientfiles_read(&in->where, in->args->client, true, true, &in->files, &err) < 0)
		return cli_say(CLI_FAILED, "%s", error_text(&err));
	status = init_read_present(in);
	if (status != CLI_OK)
		return status;
	if (init_plan(in, &err) < 0)
		return cli_say(CLI_FAILED, "%s", error_text(&err));
	ask_for_projects(in);
	if (init_take_rules(in, &err) < 0)
		return cli_say(CLI_FAILED, "%s", error_text(&err));
	init_ask_inputs(in);
	status = init_probe(in);
	init_settle(in);
	if (status == CLI_OK && init_make_changes(in, &err) < 0)
		return cli_say(CLI_FAILED, "%s; nothing was changed", error_text(&err));
	return status;
}

static int check_changes(struct init *in)
{
	const struct journal_change *c = &in->changes.items[0];
	size_t n = strlen(in->hawser_path);

	if (in->changes.count == 0 || strcmp(c->path, in->hawser_path) != 0)
		return CLI_OK;
	return init_check_text(in, &c->after, n < 5 || strcmp(in->hawser_path + n - 5, ".json") != 0);
}

static int write_changes(struct init *in)
{
	_cleanup_error_ struct error err = ERROR_INIT;

	if (!in->args->yes && !cli_can_ask())
		return cli_say(CLI_USAGE, "nobody can be asked here; say --yes, or look with --dry-run");
	if (!in->args->yes && !cli_ask("Write these files?"))
		return cli_say(CLI_FAILED, "nothing was changed");
	if (journal_write(in->state, &in->changes, &err) < 0)
		return cli_say(CLI_FAILED, "%s", error_text(&err));
	return CLI_OK;
}

static int go(struct init *in)
{
	int status = prepare(in);
	bool write;

	if (status == CLI_OK)
		status = check_changes(in);
	if (status != CLI_OK)
		return status;
	write = !in->args->dry_run && in->changes.count > 0;
	if (!in->args->json) {
		print_plan(in);
		for (size_t i = 0; i < in->changes.count; i++)
			print_change(&in->changes.items[i]);
		if (in->changes.count == 0)
			puts("nothing to do");
	}
	if (write)
		status = write_changes(in);
	if (status == CLI_OK && in->args->json)
		print_json(in, write);
	if (status == CLI_OK && !in->args->json && in->changes.count > 0) {
		print_table(in);
		puts(write ? "done; hawser init --undo puts everything back" : "nothing was changed (--dry-run)");
	}
	return status;
}

/* ---- undo ---- */

static void tell_undone(void *user, const char *path, enum journal_fate fate)
{
	static const char *const words[] = {
		[JOURNAL_RESTORED] = "is as it was",
		[JOURNAL_EDITED] = "was edited since",
		[JOURNAL_MENDED] = "was edited since: the servers are put back, the edits stay",
		[JOURNAL_OVERWRITTEN] = "is as it was; what was edited since is kept in the journal",
	};
	static const char *const dry_words[] = {
		[JOURNAL_RESTORED] = "would be put back as it was",
		[JOURNAL_EDITED] = "was edited since",
		[JOURNAL_MENDED] = "was edited since: the servers would be put back, the edits stay",
		[JOURNAL_OVERWRITTEN] =
			"would be put back as it was; what was edited since would be kept in the journal",
	};
	const struct cli_args *args = user;
	const char *word = args->dry_run ? dry_words[fate] : words[fate];

	if (fate == JOURNAL_EDITED)
		cli_say(0, "%s %s", path, word);
	else if (!args->json)
		tell(stdout, "%s %s\n", path, word);
}

static int undo(const struct cli_args *args)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	char file[PATH_MAX + 32];
	struct paths paths;

	if (paths_find(&paths, &err) < 0)
		return cli_say(CLI_FAILED, "%s", error_text(&err));
	snprintf(file, sizeof(file), "%s/hawser/hawser.yaml", paths.config);
	if (!args->dry_run)
		init_remove_check(args->config ? args->config : file);
	if (journal_undo(paths.state, args->force, args->dry_run, tell_undone, (void *)(uintptr_t)args, &err) < 0)
		return cli_say(CLI_FAILED, "%s", error_text(&err));
	if (args->json)
		puts(args->dry_run ? "{\"undone\":false}" : "{\"undone\":true}");
	else if (args->dry_run)
		puts("nothing was changed (--dry-run)");
	return CLI_OK;
}

/* One that was killed half way is taken back before anything else is done. */
static int look_for_half(const struct cli_args *args)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct paths paths;
	bool whole = true;
	int r = paths_find(&paths, &err);

	if (r == 0)
		r = paths_make(&paths, &err);
	if (r == 0)
		r = journal_newest(paths.state, &whole, &err);
	if (r < 0)
		return cli_say(CLI_FAILED, "%s", error_text(&err));
	if (r > 0 && !whole)
		return cli_say(CLI_FAILED, "an earlier init was ended half way; hawser init --undo takes it back");
	return CLI_OK;
}

int cli_init(const struct cli_args *args)
{
	struct init *in;
	int status;

	if (args->undo)
		return undo(args);
	if (args->client && !clientfile_is_name(args->client))
		return cli_say(
			CLI_USAGE,
			"there is no client %.40s; known are claude-code, claude-desktop, cursor, vscode, codex, "
			"and project",
			args->client);
	status = look_for_half(args);
	if (status != CLI_OK)
		return status;
	in = calloc(1, sizeof(*in));
	if (!in)
		return cli_say(CLI_FAILED, "no memory");
	in->args = args;
	status = go(in);
	done(in);
	return status;
}
