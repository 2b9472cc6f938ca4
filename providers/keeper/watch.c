/* SPDX-License-Identifier: Apache-2.0 */
#include "providers/keeper/watch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>

/* What an inode of a tmpfs costs the kernel, about: bubblewrap cannot limit their number. */
enum { INODE_BYTES = 1024 };
static const uint64_t near_bytes = 128u << 20; /* so close to the limit looks become thorough and frequent */
static const uint64_t far_over = 64u << 20; /* so far over it, one victim at a time is too slow */

int watch_open(struct watch *w, pid_t pid1, char *const *tmpfs, struct error *err)
{
	struct stat theirs, ours;
	char path[PATH_MAX];

	*w = (struct watch){.proc_fd = -1};
	snprintf(path, sizeof(path), "/proc/%d/root/proc", (int)pid1);
	w->proc_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (w->proc_fd < 0)
		return error_set_errno(err, -errno, "watching the processes of the sandbox");
	/* Never mistake the machine's processes for the sandbox's: the biggest of them is what gets killed. */
	if (fstat(w->proc_fd, &theirs) < 0 || stat("/proc", &ours) < 0 || theirs.st_dev == ours.st_dev)
		return error_set(err, -ENOTSUP, "the wall has no /proc of its own, so its memory cannot be watched");
	for (; tmpfs && *tmpfs && w->tmpfs_count < WATCH_TMPFS_MAX; tmpfs++) {
		int fd;

		snprintf(path, sizeof(path), "/proc/%d/root%s", (int)pid1, *tmpfs);
		fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			return error_set_errno(err, -errno, "watching %s of the sandbox", *tmpfs);
		w->tmpfs_fds[w->tmpfs_count++] = fd;
	}
	return 0;
}

void watch_close(struct watch *w)
{
	if (w->proc_fd >= 0)
		close(w->proc_fd);
	for (size_t i = 0; i < w->tmpfs_count; i++)
		close(w->tmpfs_fds[i]);
	*w = (struct watch){.proc_fd = -1};
}

static uint64_t tmpfs_bytes(const struct watch *w)
{
	uint64_t sum = 0;
	struct statvfs s;

	for (size_t i = 0; i < w->tmpfs_count; i++)
		if (fstatvfs(w->tmpfs_fds[i], &s) == 0)
			sum += (s.f_blocks - s.f_bfree) * s.f_frsize + (s.f_files - s.f_ffree) * INODE_BYTES;
	return sum;
}

static bool read_file(int dir, int pid, const char *name, char *text, size_t size)
{
	_cleanup_close_ int fd = -1;
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "%d/%s", pid, name);
	fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	n = fd >= 0 ? read(fd, text, size - 1) : -1;
	if (n <= 0)
		return false;
	text[n] = '\0';
	return true;
}

/* Resident bytes, pages of files included: never less than what is charged. */
static uint64_t resident(int dir, int pid)
{
	static long page;
	unsigned long long pages = 0;
	char text[256];

	if (page == 0)
		page = sysconf(_SC_PAGESIZE);
	if (!read_file(dir, pid, "statm", text, sizeof(text)) || sscanf(text, "%*u %llu", &pages) != 1)
		return 0;
	return pages * (uint64_t)page;
}

static uint64_t rollup_line(const char *text, const char *name, bool *ret_found)
{
	const char *at = strstr(text, name);

	if (ret_found)
		*ret_found = at != NULL;
	return at ? strtoull(at + strlen(name), NULL, 10) * 1024 : 0;
}

/* The process's fair share of anonymous and shared memory, swapped or not; pages of files can be dropped and do not
 * count. */
static uint64_t proportional(int dir, int pid)
{
	char text[2048];
	uint64_t sum;
	bool found;

	if (!read_file(dir, pid, "smaps_rollup", text, sizeof(text)))
		return 0;
	sum = rollup_line(text, "\nPss_Anon:", &found);
	if (found)
		sum += rollup_line(text, "\nPss_Shmem:", NULL);
	else
		sum = rollup_line(text, "\nPss:", NULL);
	return sum + rollup_line(text, "\nSwapPss:", NULL);
}

struct look {
	uint64_t bytes, biggest_bytes;
	int biggest;
	uint64_t count;
	bool victim_there;
};

static void look_at_all(struct watch *w, uint64_t (*measure)(int dir, int pid), struct look *ret)
{
	int fd = openat(w->proc_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;

	*ret = (struct look){.bytes = 0};
	if (!dir && fd >= 0)
		close(fd);
	while (dir && (entry = readdir(dir))) {
		int pid = atoi(entry->d_name);
		uint64_t bytes;

		if (pid <= 0)
			continue;
		bytes = measure(w->proc_fd, pid);
		ret->count++;
		ret->bytes += bytes;
		if (pid == w->victim)
			ret->victim_there = true;
		if (pid != 1 && bytes > ret->biggest_bytes) {
			ret->biggest = pid;
			ret->biggest_bytes = bytes;
		}
	}
	if (dir)
		closedir(dir);
}

/* By the descriptor of its folder in /proc, so that it cannot be another process meanwhile. */
static void kill_in(int dir, int pid)
{
	_cleanup_close_ int fd = -1;
	char name[16];

	snprintf(name, sizeof(name), "%d", pid);
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0)
		syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
}

static bool swap_in_use(void)
{
	struct sysinfo info;

	return sysinfo(&info) == 0 && info.totalswap > info.freeswap;
}

static enum watch_verdict over_limit(struct watch *w, const struct look *l)
{
	if (l->victim_there && l->bytes <= w->memory + far_over)
		return WATCH_NEAR; /* it is being buried */
	if (!l->biggest || l->victim_there)
		return WATCH_MEMORY;
	w->victim = l->biggest;
	kill_in(w->proc_fd, l->biggest);
	return WATCH_NEAR;
}

enum watch_verdict watch_look(struct watch *w)
{
	uint64_t tmpfs, margin = w->memory / 4 < near_bytes ? w->memory / 4 : near_bytes;
	struct look l;

	look_at_all(w, resident, &l);
	if (w->processes && l.count > w->processes)
		return WATCH_PROCESSES;
	if (!w->memory)
		return WATCH_FAR;
	tmpfs = tmpfs_bytes(w);
	if (l.bytes + tmpfs + margin < w->memory && !swap_in_use())
		return WATCH_FAR;
	look_at_all(w, proportional, &l);
	l.bytes += tmpfs;
	if (l.bytes > w->peak)
		w->peak = l.bytes;
	if (l.bytes > w->memory)
		return over_limit(w, &l);
	w->victim = 0;
	return l.bytes + margin < w->memory ? WATCH_FAR : WATCH_NEAR;
}
