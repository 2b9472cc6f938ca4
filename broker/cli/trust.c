/* SPDX-License-Identifier: Apache-2.0 */
/* hawser trust: the one yes that a project's file wants before its servers are used (clientfiles/pins.h). */
#include "broker/cli/trust.h"

#include "broker/cli/diff.h"
#include "broker/cli/journal-files.h"
#include "broker/clientfiles/clientfiles.h"
#include "broker/clientfiles/pins.h"

#include "base/visible.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct trust {
	char *file, *pin; /* file: as pins_path() wants it */
	struct buf before, now; /* what was said yes to, and what is there */
	bool there, same;
};

static void trust_done(struct trust *t)
{
	free(t->file);
	free(t->pin);
	buf_done(&t->before);
	buf_done(&t->now);
}

static bool ends_in_place(const char *path, size_t *ret_folder_len)
{
	size_t n = strlen(path);

	for (const struct clientfile_place *p = clientfile_places; p->client; p++) {
		size_t tail = strlen(p->path);

		if (p->scope != CLIENTFILE_PROJECT || n <= tail || path[n - tail - 1] != '/' ||
		    strcmp(path + n - tail, p->path) != 0)
			continue;
		*ret_folder_len = n - tail - 1;
		return true;
	}
	return false;
}

/* The path under which a run in its folder finds it; NULL: errno. */
static char *file_of(const char *path)
{
	_cleanup_free_ char *here = *path == '/' ? strdup("") : getcwd(NULL, 0), *whole = NULL, *folder = NULL;
	char *file;
	size_t n;

	if (!here || asprintf(&whole, "%s/%s", here, path) < 0) {
		whole = NULL;
		return NULL;
	}
	if (!ends_in_place(whole, &n))
		return realpath(path, NULL);
	whole[n] = '\0';
	folder = realpath(n ? whole : "/", NULL);
	return folder && asprintf(&file, "%s/%s", strcmp(folder, "/") == 0 ? "" : folder, whole + n + 1) >= 0 ? file
													      : NULL;
}

static int look(const char *path, struct trust *ret, struct error *err)
{
	struct trust t = {.before = BUF_INIT(CLIENTFILE_MAX), .now = BUF_INIT(CLIENTFILE_MAX)};
	struct paths paths;
	int r = paths_find(&paths, err);

	if (r == 0)
		r = paths_make(&paths, err);
	if (r < 0)
		return r;
	t.file = file_of(path);
	r = t.file ? files_read(t.file, &t.now) : -errno;
	t.pin = t.file ? pins_path(paths.state, t.file) : NULL;
	if (r >= 0 && !t.pin)
		r = -ENOMEM;
	if (r < 0) {
		trust_done(&t);
		return error_set_errno(err, r, "%s", path);
	}
	t.same = pins_match(t.pin, &t.now, &t.there);
	if (t.there && files_read(t.pin, &t.before) < 0)
		t.there = false;
	*ret = t;
	return 0;
}

static int keep(const struct trust *t, struct error *err)
{
	const struct file_owner owner = {0600, geteuid(), getegid()};
	int r = files_make_folders(t->pin, err);

	return r < 0 ? r : files_replace(t->pin, &t->now, &owner, err);
}

static void show(const struct trust *t)
{
	_cleanup_free_ char *file = visible_text(t->file, true);

	printf("%s\n", t->there ? "this project's file has changed since you said yes to it:"
				: "this project's file would start these servers:");
	diff_print(t->there ? t->file : NULL, &t->before, t->file, &t->now);
	printf("Rules of yours that allow do not count for them, whatever their names, but for those with from: %s\n"
	       "Nor does default: allow: what no rule is about is asked.\n",
	       file ? file : "?");
	fflush(stdout);
}

/* 1: it has its yes now. */
static int ask_one(const char *path, struct error *err)
{
	_cleanup_(trust_done) struct trust t = {0};
	int r = look(path, &t, err);

	if (r < 0)
		return r;
	show(&t);
	if (!cli_ask("Use its servers from now on?"))
		return 0;
	r = keep(&t, err);
	return r < 0 ? r : 1;
}

size_t trust_ask(struct span files, bool may_ask)
{
	size_t at = 0, given = 0;
	struct span file;

	while (files.p && span_next_element(files, &at, &file)) {
		_cleanup_free_ char *path = span_strdup(file, PATH_MAX);
		_cleanup_error_ struct error err = ERROR_INIT;
		int r = 0;

		if (!path)
			continue;
		if (!may_ask || !cli_can_ask())
			cli_say(0, "%s is not used: nobody said yes to it as it is; hawser trust %s shows it and asks",
				path, path);
		else
			r = ask_one(path, &err);
		if (r < 0)
			cli_say(0, "%s", error_text(&err));
		given += r > 0;
	}
	return given;
}

static int forget(const struct trust *t)
{
	if (unlink(t->pin) < 0)
		return cli_say(CLI_FAILED, "%s", errno == ENOENT ? "nobody said yes to it" : strerror(errno));
	return CLI_OK;
}

int cli_trust(const struct cli_args *args)
{
	_cleanup_(trust_done) struct trust t = {0};
	_cleanup_error_ struct error err = ERROR_INIT;
	const char *path = args->operands[0];

	if (look(path, &t, &err) < 0)
		return cli_say(CLI_FAILED, "%s", error_text(&err));
	if (args->undo)
		return forget(&t);
	if (!args->json)
		show(&t);
	if (!args->yes && !cli_can_ask())
		return cli_say(CLI_USAGE, "nobody can be asked here; say --yes");
	if (!args->yes && !cli_ask("Use its servers from now on?"))
		return cli_say(CLI_FAILED, "it is not used");
	if (keep(&t, &err) < 0)
		return cli_say(CLI_FAILED, "%s", error_text(&err));
	if (args->json)
		printf("{\"trusted\":true,\"changed\":%s}\n", t.same ? "false" : "true");
	return CLI_OK;
}
