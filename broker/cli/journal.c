/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/cli/journal.h"

#include "base/json.h"
#include "broker/cli/journal-files.h"
#include "broker/clientfiles/edit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

void journal_changes_done(struct journal_changes *changes)
{
	for (size_t i = 0; i < changes->count; i++) {
		free(changes->items[i].path);
		buf_done(&changes->items[i].before);
		buf_done(&changes->items[i].after);
	}
	changes->count = 0;
}

/* ---- the folder ---- */

struct journal {
	char dir[PATH_MAX]; /* STATE/init */
	int lock_fd;
	int newest; /* 0: none */
};

static void journal_close(struct journal *j)
{
	if (j->lock_fd >= 0)
		close(j->lock_fd);
}

static void find_newest(void *user, const char *name)
{
	struct journal *j = user;
	char *end;
	long n = strtol(name, &end, 10);

	bool dead_probe = strncmp(name, "probe-", 6) == 0 && kill(atoi(name + 6), 0) < 0 && errno == ESRCH;

	if (strcmp(end, ".new") == 0 || strcmp(end, ".gone") == 0 || dead_probe)
		files_remove_folder(j->dir, name);
	else if (!*end && end > name && n > j->newest && n < INT_MAX)
		j->newest = (int)n;
}

/* Opens it with its lock; what a crash left half made is removed. */
static int journal_open(const char *state_dir, struct journal *ret, struct error *err)
{
	struct journal j = {.lock_fd = -1};
	char lock[PATH_MAX + 16];

	snprintf(j.dir, sizeof(j.dir), "%s/init", state_dir);
	snprintf(lock, sizeof(lock), "%s/lock", j.dir);
	if (mkdir(j.dir, 0700) < 0 && errno != EEXIST)
		return error_set_errno(err, -errno, "making %s", j.dir);
	j.lock_fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (j.lock_fd < 0)
		return error_set_errno(err, -errno, "opening %s", lock);
	if (flock(j.lock_fd, LOCK_EX | LOCK_NB) < 0) {
		close(j.lock_fd);
		return error_set(err, -EBUSY, "another hawser init is at work; wait for it");
	}
	files_each(j.dir, find_newest, &j);
	*ret = j;
	return 0;
}

int journal_newest(const char *state_dir, bool *ret_done, struct error *err)
{
	char done[PATH_MAX + 64];
	struct journal j;
	int r = journal_open(state_dir, &j, err);

	if (r < 0)
		return r;
	snprintf(done, sizeof(done), "%s/%d/done", j.dir, j.newest);
	*ret_done = access(done, F_OK) == 0;
	journal_close(&j);
	return j.newest;
}

/* ---- writing ---- */

static int save_list(const char *folder, const struct journal_changes *changes, struct error *err)
{
	_cleanup_buf_ struct buf text = BUF_INIT(1024 * 1024);
	json_auto_t *list = json_array();
	char path[PATH_MAX + 128];

	for (size_t i = 0; i < changes->count; i++) {
		const struct journal_change *c = &changes->items[i];
		char *folders = files_missing_folder(c->path);

		json_array_append_new(list, json_pack("{s:s, s:b, s:i, s:I, s:I, s:s*}", "path", c->path, "there",
						      c->there, "mode", (int)c->mode, "uid", (json_int_t)c->uid, "gid",
						      (json_int_t)c->gid, "made", folders));
		free(folders);
	}
	if (json_array_size(list) != changes->count || json_print(&text, list) < 0)
		return error_set(err, -EINVAL, "a path is not UTF-8");
	snprintf(path, sizeof(path), "%s/list.json", folder);
	return file_create(path, buf_head(&text), text.len, err);
}

static int save_copies(const char *folder, const struct journal_changes *changes, struct error *err)
{
	char path[PATH_MAX + 128];
	int r = 0;

	for (size_t i = 0; r == 0 && i < changes->count; i++) {
		const struct journal_change *c = &changes->items[i];

		snprintf(path, sizeof(path), "%s/%zu.before", folder, i);
		r = file_create(path, buf_head(&c->before), c->before.len, err);
		snprintf(path, sizeof(path), "%s/%zu.after", folder, i);
		if (r == 0)
			r = file_create(path, buf_head(&c->after), c->after.len, err);
	}
	return r;
}

/* Is the file still what the change was made from? */
static int check_before(const struct journal_change *c, struct error *err)
{
	_cleanup_buf_ struct buf now = BUF_INIT(JOURNAL_FILE_MAX);
	int r = files_read(c->path, &now);

	if (r == -ENOENT && !c->there)
		return 0;
	if (r < 0)
		return error_set_errno(err, r, "reading %s again", c->path);
	if (c->there && files_equal(&now, &c->before))
		return 0;
	return error_set(err, -EBUSY, "%s was changed by somebody else in the meantime; try again", c->path);
}

static int change_all(const struct journal_changes *changes, struct error *err)
{
	for (size_t i = 0; i < changes->count; i++) {
		const struct journal_change *c = &changes->items[i];
		int r = files_make_folders(c->path, err);

		if (r == 0)
			r = check_before(c, err);
		if (r == 0)
			r = files_replace(c->path, &c->after, &(struct file_owner){c->mode, c->uid, c->gid}, err);
		if (r < 0)
			return i > 0 ? error_wrap(err, "hawser init --undo puts the other files back") : r;
	}
	return 0;
}

int journal_write(const char *state_dir, const struct journal_changes *changes, struct error *err)
{
	char fresh[PATH_MAX + 64], folder[PATH_MAX + 64], done[PATH_MAX + 80];
	_cleanup_(journal_close) struct journal j = {.lock_fd = -1};
	int r = journal_open(state_dir, &j, err);

	for (size_t i = 0; r == 0 && i < changes->count; i++)
		r = check_before(&changes->items[i], err);
	if (r < 0)
		return r;
	snprintf(fresh, sizeof(fresh), "%s/%d.new", j.dir, j.newest + 1);
	snprintf(folder, sizeof(folder), "%s/%d", j.dir, j.newest + 1);
	snprintf(done, sizeof(done), "%s/done", folder);
	if (mkdir(fresh, 0700) < 0)
		return error_set_errno(err, -errno, "making %s", fresh);
	r = save_copies(fresh, changes, err);
	if (r == 0)
		r = save_list(fresh, changes, err);
	if (r == 0 && rename(fresh, folder) < 0)
		r = error_set_errno(err, -errno, "renaming %s", fresh);
	if (r == 0)
		r = file_sync_folder(j.dir, err);
	if (r == 0)
		r = change_all(changes, err);
	return r < 0 ? r : file_create(done, "", 0, err);
}

/* ---- undo ---- */

struct undo {
	struct journal j;
	char folder[PATH_MAX + 16];
	bool force, dry, keep; /* keep: what was edited is kept in the folder */
	journal_told_fn *told;
	void *user;
};

static int read_list(struct undo *u, json_t **ret, struct error *err)
{
	_cleanup_buf_ struct buf text = BUF_INIT(1024 * 1024);
	char path[PATH_MAX + 128];
	int r;

	snprintf(path, sizeof(path), "%s/list.json", u->folder);
	r = files_read(path, &text);
	if (r < 0)
		return error_set_errno(err, r, "reading %s", path);
	r = json_parse((const char *)buf_head(&text), text.len, ret, err);
	return r < 0 ? error_wrap(err, "%s", path) : 0;
}

enum state { AS_BEFORE, AS_AFTER, EDITED, MENDED };

struct found {
	enum state state;
	struct buf now, before, mended;
};

/* An edited file with the change taken out of it, where that can be done. */
static bool mend(const char *path, const struct buf *after, struct found *f)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	size_t n = strlen(path);

	return n > 5 && strcmp(path + n - 5, ".json") == 0 && f->now.len > 0 &&
	       json_edit_back(span_of(buf_head(&f->before), f->before.len), span_of(buf_head(after), after->len),
			      span_of(buf_head(&f->now), f->now.len), &f->mended, &err) == 0;
}

static int look(const struct undo *u, size_t i, const json_t *item, struct found *f, struct error *err)
{
	const char *path = json_string_value(json_object_get(item, "path"));
	_cleanup_buf_ struct buf after = BUF_INIT(JOURNAL_FILE_MAX);
	bool there = json_is_true(json_object_get(item, "there"));
	char copy[PATH_MAX + 128];
	int now, r;

	if (!path)
		return error_set(err, -EINVAL, "%s/list.json was damaged", u->folder);
	snprintf(copy, sizeof(copy), "%s/%zu.before", u->folder, i);
	r = files_read(copy, &f->before);
	if (r == 0) {
		snprintf(copy, sizeof(copy), "%s/%zu.after", u->folder, i);
		r = files_read(copy, &after);
	}
	if (r < 0)
		return error_set_errno(err, r, "reading %s", copy);
	now = files_read(path, &f->now);
	if (now < 0 && now != -ENOENT)
		return error_set_errno(err, now, "reading %s", path);
	if (now == -ENOENT)
		f->state = there ? EDITED : AS_BEFORE;
	else if (there && files_equal(&f->now, &f->before))
		f->state = AS_BEFORE;
	else
		f->state = files_equal(&f->now, &after) ? AS_AFTER : EDITED;
	if (f->state == EDITED && there && !u->force && mend(path, &after, f))
		f->state = MENDED;
	return 0;
}

static int keep_edited(const struct undo *u, size_t i, const struct found *f, struct error *err)
{
	char kept[PATH_MAX + 128];

	snprintf(kept, sizeof(kept), "%s/%zu.edited", u->folder, i);
	unlink(kept);
	return file_create(kept, buf_head(&f->now), f->now.len, err);
}

static int put_back(const struct undo *u, size_t i, const json_t *item, const struct found *f, struct error *err)
{
	static const enum journal_fate fates[] = {
		[AS_AFTER] = JOURNAL_RESTORED, [EDITED] = JOURNAL_OVERWRITTEN, [MENDED] = JOURNAL_MENDED};
	const char *path = json_string_value(json_object_get(item, "path"));
	const char *made = json_string_value(json_object_get(item, "made"));
	int r = 0;

	if (u->dry) {
		if (f->state != AS_BEFORE)
			u->told(u->user, path, fates[f->state]);
		return 0;
	}
	files_remove_temporary(path);
	if ((f->state == EDITED || f->state == MENDED) && f->now.len > 0)
		r = keep_edited(u, i, f, err);
	if (r == 0 && f->state != AS_BEFORE) {
		if (json_is_true(json_object_get(item, "there")))
			r = files_replace(
				path, f->state == MENDED ? &f->mended : &f->before,
				&(struct file_owner){.mode = (mode_t)json_integer_value(json_object_get(item, "mode")),
						     .uid = (uid_t)json_integer_value(json_object_get(item, "uid")),
						     .gid = (gid_t)json_integer_value(json_object_get(item, "gid"))},
				err);
		else if (unlink(path) < 0 && errno != ENOENT)
			r = error_set_errno(err, -errno, "removing %s", path);
		u->told(u->user, path, fates[f->state]);
	}
	if (r == 0 && made)
		files_remove_folders(path, made);
	return r;
}

static int take_back(struct undo *u, const json_t *list, struct error *err)
{
	size_t count = json_array_size(list), edited = 0;
	struct found *found = calloc(count + 1, sizeof(*found));
	int r = found ? 0 : error_set(err, -ENOMEM, "no memory");

	for (size_t i = 0; r == 0 && i < count; i++) {
		found[i].now.max = found[i].before.max = found[i].mended.max = JOURNAL_FILE_MAX;
		r = look(u, i, json_array_get(list, i), &found[i], err);
		if (r == 0 && found[i].state == EDITED && !u->force) {
			u->told(u->user, json_string_value(json_object_get(json_array_get(list, i), "path")),
				JOURNAL_EDITED);
			edited++;
		}
		u->keep = u->keep || found[i].state == EDITED || found[i].state == MENDED;
	}
	if (r == 0 && edited > 0)
		r = error_set(err, -ESTALE,
			      "nothing was put back: %zu file%s edited since; the copies of before are in %s, and "
			      "hawser init --undo --force puts them back all the same",
			      edited, edited == 1 ? " was" : "s were", u->folder);
	for (size_t i = count; r == 0 && i > 0; i--) /* the clients' files first, Hawser's own at the end */
		r = put_back(u, i - 1, json_array_get(list, i - 1), &found[i - 1], err);
	for (size_t i = 0; found && i < count; i++) {
		buf_done(&found[i].now);
		buf_done(&found[i].before);
		buf_done(&found[i].mended);
	}
	free(found);
	return r;
}

int journal_undo(const char *state_dir, bool force, bool dry, journal_told_fn *told, void *user, struct error *err)
{
	struct undo u = {.force = force, .dry = dry, .told = told, .user = user};
	char gone[PATH_MAX + 32], name[32];
	json_auto_t *list = NULL;
	int r = journal_open(state_dir, &u.j, err);

	if (r < 0)
		return r;
	snprintf(u.folder, sizeof(u.folder), "%s/%d", u.j.dir, u.j.newest);
	snprintf(name, sizeof(name), "%d.gone", u.j.newest);
	snprintf(gone, sizeof(gone), "%s/%s", u.j.dir, name);
	if (u.j.newest == 0)
		r = error_set(err, -ENOENT, "there is nothing to undo");
	if (r == 0)
		r = read_list(&u, &list, err);
	if (r == 0)
		r = take_back(&u, list, err);
	if (r == 0 && u.keep)
		snprintf(gone, sizeof(gone), "%s/undone-%d-%lld", u.j.dir, u.j.newest, (long long)getpid());
	if (r == 0 && !dry && rename(u.folder, gone) < 0)
		r = error_set_errno(err, -errno, "renaming %s", u.folder);
	if (r == 0 && !dry && !u.keep)
		files_remove_folder(u.j.dir, name);
	journal_close(&u.j);
	return r;
}
