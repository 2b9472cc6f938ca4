/* SPDX-License-Identifier: Apache-2.0 */
/*
 * v2: our own group or its nearest ancestor that we may write and that gives (or, where it is delegated to us, can be
 * made to give) memory and pids to its children; CPU time only where it is delegated (cgroup-divide.c). v1: a child of
 * our own group in each hierarchy. One level is made, named after the sandbox, and removed by the keeper that made it.
 */
#include "providers/keeper/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { TEXT_MAX = 64 * 1024, CPU_PERIOD_US = 100000, STALE_S = 60 };

static const char *const controllers[CGROUP_RESOURCES] = {"memory", "pids", "cpu"};

const char *cgroup_kind_name(enum cgroup_kind kind)
{
	static const char *const names[] = {"none", "cgroup v1", "cgroup v2"};

	return names[kind];
}

/* Whole text of a small file, NUL-terminated; NULL: cannot be read. */
static char *read_text(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	ssize_t n;

	text = fd >= 0 ? malloc(TEXT_MAX) : NULL;
	if (!text)
		return NULL;
	while (len < TEXT_MAX - 1 && (n = read(fd, text + len, TEXT_MAX - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	return TAKE_PTR(text);
}

static bool write_text(const char *dir, const char *file, const char *text)
{
	char path[PATH_MAX];
	_cleanup_close_ int fd = -1;

	if (snprintf(path, sizeof(path), "%s/%s", dir, file) >= (int)sizeof(path))
		return false;
	fd = open(path, O_WRONLY | O_CLOEXEC);
	return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

static bool write_number(const char *dir, const char *file, uint64_t value)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	return write_text(dir, file, text);
}

static bool has_word(const char *dir, const char *file, const char *word)
{
	_cleanup_free_ char *text = NULL;
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/%s", dir, file) >= (int)sizeof(path))
		return false;
	text = read_text(path);
	return text && cgroup_has_word(text, word);
}

/* Adds a group below parent; false (and nothing is left) if it cannot be made or entered. */
static bool add_group(struct cgroup *cg, const char *parent, const char *name)
{
	struct cgroup_group *g = &cg->groups[cg->group_count];
	_cleanup_free_ char *dir = NULL, *procs = NULL;

	if (asprintf(&dir, "%s/%s", parent, name) < 0 || asprintf(&procs, "%s/cgroup.procs", dir) < 0)
		return false;
	if (mkdir(dir, 0755) < 0)
		return false;
	g->procs_fd = open(procs, O_WRONLY | O_CLOEXEC);
	if (g->procs_fd < 0) {
		rmdir(dir);
		return false;
	}
	g->dir = TAKE_PTR(dir);
	cg->group_count++;
	return true;
}

static void drop_group(struct cgroup *cg)
{
	struct cgroup_group *g = &cg->groups[--cg->group_count];

	close(g->procs_fd);
	rmdir(g->dir);
	free(g->dir);
	g->dir = NULL;
}

/* No limit asked for is a limit kept. */
static bool limit_memory(const char *dir, bool v2, uint64_t bytes)
{
	if (bytes == 0)
		return true;
	if (v2) {
		write_text(dir, "memory.swap.max", "0"); /* absent without swap accounting */
		return write_number(dir, "memory.max", bytes);
	}
	if (!write_number(dir, "memory.limit_in_bytes", bytes))
		return false;
	write_number(dir, "memory.memsw.limit_in_bytes", bytes);
	return true;
}

static bool limit_cpu(const char *dir, bool v2, uint64_t percent)
{
	char text[64];

	if (percent == 0)
		return true;
	if (v2) {
		snprintf(text, sizeof(text), "%llu %d", (unsigned long long)(percent * CPU_PERIOD_US / 100),
			 CPU_PERIOD_US);
		return write_text(dir, "cpu.max", text);
	}
	return write_number(dir, "cpu.cfs_period_us", CPU_PERIOD_US) &&
	       write_number(dir, "cpu.cfs_quota_us", percent * CPU_PERIOD_US / 100);
}

static bool limit(const char *dir, bool v2, enum cgroup_resource what, const struct cgroup_limits *limits)
{
	switch (what) {
	case CGROUP_MEMORY:
		return limit_memory(dir, v2, limits->memory);
	case CGROUP_PIDS:
		return limits->pids == 0 || write_number(dir, "pids.max", limits->pids);
	case CGROUP_CPU:
		return limit_cpu(dir, v2, limits->cpu_percent);
	case CGROUP_RESOURCES:
		break;
	}
	return false;
}

static bool both_given(const char *dir)
{
	return has_word(dir, "cgroup.subtree_control", "memory") && has_word(dir, "cgroup.subtree_control", "pids");
}

/* Does dir give its children memory and pids, if need be by our asking? Asked is only where it is ours to ask. */
static bool gives_controllers(const char *dir, bool ours)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/cgroup.procs", dir) >= (int)sizeof(path) || access(dir, W_OK) < 0 ||
	    access(path, W_OK) < 0 || !has_word(dir, "cgroup.controllers", "memory") ||
	    !has_word(dir, "cgroup.controllers", "pids"))
		return false;
	if (!ours)
		return both_given(dir);
	if (!both_given(dir) && !write_text(dir, "cgroup.subtree_control", "+memory +pids") && errno == EBUSY &&
	    cgroup_vacate(dir))
		write_text(dir, "cgroup.subtree_control", "+memory +pids");
	if (!has_word(dir, "cgroup.subtree_control", "cpu"))
		write_text(dir, "cgroup.subtree_control", "+cpu");
	return both_given(dir);
}

static bool make_v2(struct cgroup *cg, const char *mount, const char *own, const char *name,
		    const struct cgroup_limits *limits)
{
	size_t least = strlen(mount), leaf = strlen(CGROUP_LEAF), len;
	char dir[2 * PATH_MAX];
	bool ours;

	len = (size_t)snprintf(dir, sizeof(dir), "%s%s", mount, strcmp(own, "/") == 0 ? "" : own);
	ours = len > leaf && strcmp(dir + len - leaf, CGROUP_LEAF) == 0;
	if (ours)
		dir[len - leaf] = '\0';
	else
		ours = cgroup_is_delegated(dir);
	while (!gives_controllers(dir, ours) || !add_group(cg, dir, name)) {
		char *slash = strrchr(dir, '/');

		if (strlen(dir) <= least || !slash)
			return false;
		*slash = '\0';
		ours = access("/run/systemd/system", F_OK) < 0; /* what is above our unit is systemd's */
	}
	for (int i = 0; i < CGROUP_RESOURCES; i++)
		if ((ours || i != CGROUP_CPU) && has_word(cg->groups[0].dir, "cgroup.controllers", controllers[i]) &&
		    limit(cg->groups[0].dir, true, (enum cgroup_resource)i, limits))
			cg->kind[i] = CGROUP_V2;
	if (cg->kind[CGROUP_MEMORY] != CGROUP_V2 || cg->kind[CGROUP_PIDS] != CGROUP_V2) {
		drop_group(cg);
		memset(cg->kind, 0, sizeof(cg->kind));
		return false;
	}
	cg->unified = true;
	return true;
}

static void make_v1(struct cgroup *cg, const char *mountinfo, const char *self, const char *name,
		    const struct cgroup_limits *limits)
{
	char mount[PATH_MAX], own[PATH_MAX], dir[2 * PATH_MAX];

	for (int i = 0; i < CGROUP_RESOURCES; i++) {
		if (!cgroup_find(mountinfo, self, controllers[i], mount, own))
			continue;
		snprintf(dir, sizeof(dir), "%s%s", mount, strcmp(own, "/") == 0 ? "" : own);
		if (!add_group(cg, dir, name)) {
			/* cpu and cpuacct may be one hierarchy, then the group is there already: not for us, one each
			 */
			continue;
		}
		if (limit(cg->groups[cg->group_count - 1].dir, false, (enum cgroup_resource)i, limits))
			cg->kind[i] = CGROUP_V1;
		else
			drop_group(cg);
	}
}

void cgroup_make(struct cgroup *cg, const char *name, const struct cgroup_limits *limits)
{
	_cleanup_free_ char *mountinfo = read_text("/proc/self/mountinfo");
	_cleanup_free_ char *self = read_text("/proc/self/cgroup");
	char mount[PATH_MAX], own[PATH_MAX];

	*cg = (struct cgroup){.group_count = 0};
	if (!mountinfo || !self)
		return;
	if (cgroup_find(mountinfo, self, NULL, mount, own) && make_v2(cg, mount, own, name, limits))
		return;
	make_v1(cg, mountinfo, self, name, limits);
}

int cgroup_enter(const struct cgroup *cg, pid_t pid, struct error *err)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%d", (int)pid);

	for (size_t i = 0; i < cg->group_count; i++)
		if (write(cg->groups[i].procs_fd, text, (size_t)len) != len && errno != ESRCH)
			return error_set_errno(err, -errno, "moving the sandbox into the control group %s",
					       cg->groups[i].dir);
	return 0;
}

bool cgroup_kill(const struct cgroup *cg)
{
	return cg->unified && cg->group_count > 0 && write_text(cg->groups[0].dir, "cgroup.kill", "1");
}

uint64_t cgroup_oom_kills(const struct cgroup *cg)
{
	_cleanup_free_ char *text = NULL;
	char path[PATH_MAX];
	const char *at;

	if (cg->kind[CGROUP_MEMORY] == CGROUP_NONE)
		return 0;
	snprintf(path, sizeof(path), "%s/%s", cg->groups[0].dir, cg->unified ? "memory.events" : "memory.oom_control");
	text = read_text(path);
	at = text ? strstr(text, "oom_kill ") : NULL;
	return at ? strtoull(at + strlen("oom_kill "), NULL, 10) : 0;
}

/* Groups of keepers that were killed before they could remove them. One in use says EBUSY; one that is not in use yet
 * is younger than a minute. */
static void sweep(const char *dir)
{
	char path[PATH_MAX];
	struct dirent *entry;
	struct stat st;
	DIR *parent;

	snprintf(path, sizeof(path), "%.*s", (int)(strrchr(dir, '/') - dir), dir);
	parent = opendir(path);
	while (parent && (entry = readdir(parent)))
		if (strncmp(entry->d_name, "hawser-sbx_", strlen("hawser-sbx_")) == 0 &&
		    fstatat(dirfd(parent), entry->d_name, &st, 0) == 0 && time(NULL) - st.st_mtime > STALE_S)
			unlinkat(dirfd(parent), entry->d_name, AT_REMOVEDIR);
	if (parent)
		closedir(parent);
}

bool cgroup_remove(struct cgroup *cg)
{
	bool gone = true;

	for (size_t i = 0; i < cg->group_count; i++)
		if (rmdir(cg->groups[i].dir) < 0 && errno != ENOENT)
			gone = false;
	for (size_t i = 0; gone && i < cg->group_count; i++)
		sweep(cg->groups[i].dir);
	return gone;
}

void cgroup_done(struct cgroup *cg)
{
	while (cg->group_count > 0) {
		struct cgroup_group *g = &cg->groups[--cg->group_count];

		close(g->procs_fd);
		free(g->dir);
	}
	memset(cg, 0, sizeof(*cg));
}
