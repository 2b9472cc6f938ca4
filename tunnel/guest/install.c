/* SPDX-License-Identifier: Apache-2.0 */
/* What user code finds in its sandbox: the shims and the `tool` command, in a folder that only this uid can read. */
#include "tunnel/guest/install.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

static int make_parents(const char *dir, const char *path, struct error *err)
{
	char at[PATH_MAX];

	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		snprintf(at, sizeof(at), "%s/%.*s", dir, (int)(slash - path), path);
		if (mkdir(at, 0700) < 0 && errno != EEXIST)
			return error_set_errno(err, -errno, "making %s", at);
	}
	return 0;
}

static int write_shim(const char *dir, const struct embedded_file *file, struct error *err)
{
	char path[PATH_MAX];
	_cleanup_close_ int fd = -1;
	int r = make_parents(dir, file->path, err);

	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "%s/%s", dir, file->path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0400);
	if (fd < 0 || write(fd, file->data, file->len) != (ssize_t)file->len)
		return error_set_errno(err, errno ? -errno : -EIO, "writing %s", path);
	return 0;
}

/* A copy, where our own path cannot be reached from here (started from a descriptor). */
static int copy_self(const char *to, struct error *err)
{
	_cleanup_close_ int in = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0500);
	ssize_t n;

	if (in < 0 || out < 0)
		return error_set_errno(err, -errno, "copying the guest to %s", to);
	while ((n = sendfile(out, in, NULL, 1 << 20)) > 0)
		;
	return n < 0 ? error_set_errno(err, -errno, "copying the guest to %s", to) : 0;
}

static int install_tool(const char *dir, struct error *err)
{
	char self[PATH_MAX], path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n < 0)
		return error_set_errno(err, -errno, "finding the guest's own path");
	self[n] = 0;
	snprintf(path, sizeof(path), "%s/bin", dir);
	if (mkdir(path, 0700) < 0)
		return error_set_errno(err, -errno, "making %s", path);
	snprintf(path, sizeof(path), "%s/bin/tool", dir);
	if (access(self, X_OK) < 0)
		return copy_self(path, err);
	if (symlink(self, path) < 0)
		return error_set_errno(err, -errno, "making %s", path);
	return 0;
}

/* With --shims DIR the folder given has the shims; ours has links to its folders, and bin/tool. */
static int link_shims(const char *dir, const char *from, struct error *err)
{
	static const char *const names[] = {"js", "python"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char to[PATH_MAX], path[PATH_MAX];

		snprintf(to, sizeof(to), "%s/%s", from, names[i]);
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		if (symlink(to, path) < 0)
			return error_set_errno(err, -errno, "making %s", path);
	}
	return 0;
}

int install_shims(struct guest *g, struct error *err)
{
	_cleanup_free_ char *dir = NULL;
	int r = 0;

	if (asprintf(&dir, "%s/.hawser-XXXXXX", g->home) < 0)
		return error_set(err, -ENOMEM, "no memory for a path");
	if (!mkdtemp(dir))
		return error_set_errno(err, -errno, "making a folder in %s", g->home);
	g->shim_dir = TAKE_PTR(dir);
	if (g->options->shims)
		r = link_shims(g->shim_dir, g->options->shims, err);
	for (const struct embedded_file *f = embedded_shims; r == 0 && !g->options->shims && f->path; f++)
		r = write_shim(g->shim_dir, f, err);
	return r == 0 ? install_tool(g->shim_dir, err) : r;
}
