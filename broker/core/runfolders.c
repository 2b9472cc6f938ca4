/* SPDX-License-Identifier: Apache-2.0 */
/* Run folders of earlier brokers: found again for a row, removed when a run is pruned, or when there are too many that
 * no row names. */
#include "broker/core/internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static uint64_t size_in(const char *dir, const char *name, struct timespec *ret_changed)
{
	_cleanup_free_ char *path = NULL;
	struct stat st;

	if (asprintf(&path, "%s/%s", dir, name) < 0)
		path = NULL;
	if (!path || stat(path, &st) < 0)
		return 0;
	if (ret_changed)
		*ret_changed = st.st_mtim;
	return (uint64_t)st.st_size;
}

static void drop_half_result(struct runfiles *f)
{
	_cleanup_free_ char *path = NULL;

	if (asprintf(&path, "%s/result.json", f->dir) < 0)
		path = NULL;
	f->result = path ? open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW) : -1;
	runfiles_drop_half_result(f);
	runfiles_close(f);
}

int runfiles_find(struct runfiles *f, const char *state_dir, const char *run_id, bool cut)
{
	struct stat st;

	*f = (struct runfiles){.events = -1, .result = -1};
	if (asprintf(&f->dir, "%s/runs/%s", state_dir, run_id) < 0)
		f->dir = NULL;
	if (!f->dir || stat(f->dir, &st) < 0) {
		runfiles_done(f);
		return -ENOENT;
	}
	f->events_size = size_in(f->dir, "events", NULL);
	f->result_size = size_in(f->dir, "result.json", NULL);
	if (cut)
		drop_half_result(f);
	return 0;
}

uint64_t runfiles_changed_ms(const struct runfiles *f)
{
	struct timespec changed = {0};

	if (f->dir)
		size_in(f->dir, "events", &changed);
	return (uint64_t)changed.tv_sec * 1000 + (uint64_t)changed.tv_nsec / 1000000;
}

int runfiles_sync(const struct runfiles *f, struct error *err)
{
	if ((f->events >= 0 && fdatasync(f->events) < 0) || (f->result >= 0 && fdatasync(f->result) < 0))
		return error_set_errno(err, -errno, "the run's files in %s cannot be put on the disk", f->dir);
	return 0;
}

/* ---- removing ---- */

struct old_run {
	char name[64];
	struct timespec when;
};

static int newest_first(const void *a, const void *b)
{
	const struct old_run *x = a, *y = b;

	if (x->when.tv_sec != y->when.tv_sec)
		return x->when.tv_sec > y->when.tv_sec ? -1 : 1;
	return x->when.tv_nsec > y->when.tv_nsec ? -1 : x->when.tv_nsec < y->when.tv_nsec;
}

struct known {
	bool (*is)(void *user, const char *id);
	void *user;
};

static size_t list_unknown(int dir_fd, DIR *dir, const struct known *known, struct old_run **ret)
{
	struct old_run *runs = NULL, *grown;
	size_t count = 0, cap = 0;
	struct dirent *entry;
	struct stat st;

	while ((entry = readdir(dir))) {
		if (strncmp(entry->d_name, "run_", 4) != 0 || strlen(entry->d_name) >= sizeof(runs->name) ||
		    fstatat(dir_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode) ||
		    known->is(known->user, entry->d_name))
			continue;
		if (count == cap) {
			cap = cap ? cap * 2 : 256;
			grown = realloc(runs, cap * sizeof(*runs));
			if (!grown)
				break;
			runs = grown;
		}
		strcpy(runs[count].name, entry->d_name);
		runs[count++].when = st.st_mtim;
	}
	*ret = runs;
	return count;
}

static void remove_run(int dir_fd, const char *name)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return;
	unlinkat(fd, "events", 0);
	unlinkat(fd, "result.json", 0);
	close(fd);
	unlinkat(dir_fd, name, AT_REMOVEDIR);
}

void runfiles_remove(const struct runfiles *f)
{
	_cleanup_free_ char *path = f->dir ? strdup(f->dir) : NULL;
	char *name = path ? strrchr(path, '/') : NULL;
	_cleanup_close_ int dir_fd = -1;

	if (!name)
		return;
	*name++ = '\0';
	dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd >= 0)
		remove_run(dir_fd, name);
}

void runfiles_prune(const char *state_dir, bool (*is_known)(void *user, const char *id), void *user, int64_t most)
{
	const struct known known = {is_known, user};
	_cleanup_free_ char *path = NULL;
	_cleanup_free_ struct old_run *runs = NULL;
	size_t count;
	DIR *dir;

	if (asprintf(&path, "%s/runs", state_dir) < 0 || !(dir = opendir(path)))
		return;
	count = list_unknown(dirfd(dir), dir, &known, &runs);
	if (count > (size_t)most) {
		qsort(runs, count, sizeof(*runs), newest_first);
		for (size_t i = (size_t)most; i < count; i++)
			remove_run(dirfd(dir), runs[i].name);
	}
	closedir(dir);
}
