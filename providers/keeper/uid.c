/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A uid is taken by a lock on its byte of one file that only root can open: the kernel gives it back when the keeper is
 * gone, however it went.
 */
#include "providers/keeper/uid.h"

#include "base/ids.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define UID_LOCK_FILE "/run/hawser.uids"

void uid_range(const char *uid_map, uint64_t *ret_first, uint64_t *ret_count)
{
	unsigned long long inside, outside, count, end, best = 0;
	int n;

	*ret_first = *ret_count = 0;
	while (sscanf(uid_map, "%llu %llu %llu%n", &inside, &outside, &count, &n) == 3) {
		uid_map += n;
		end = inside + count;
		if (inside <= UID_FIRST && end >= (uint64_t)UID_FIRST + UID_COUNT) {
			*ret_first = UID_FIRST;
			*ret_count = UID_COUNT;
			return;
		}
		/* In a container with 65,536 users: 57,344 ... 59,391, above people and below what systemd and nobody
		 * use. */
		if (count >= 65536 && end > best) {
			best = end;
			*ret_first = end - 8192;
			*ret_count = 2048;
		}
	}
}

static int try_lock(int fd, uint64_t at)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)at, .l_len = 1};

	return fcntl(fd, F_OFD_SETLK, &lock);
}

int uid_take(uid_t *ret, int *ret_lock, struct error *err)
{
	_cleanup_close_ int fd = -1;
	uint64_t first, count, start;
	char map[4096] = "";
	FILE *f;

	f = fopen("/proc/self/uid_map", "re");
	if (f) {
		map[fread(map, 1, sizeof(map) - 1, f)] = '\0';
		fclose(f);
	}
	uid_range(map, &first, &count);
	if (count == 0)
		return error_set(
			err, -ENOTSUP,
			"this user name space has too few users for sandboxes to have one each; run the broker as "
			"an unprivileged user");
	fd = open(UID_LOCK_FILE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return error_set_errno(err, -errno, "opening %s, which keeps sandboxes from sharing a user",
				       UID_LOCK_FILE);
	random_bytes(&start, sizeof(start));
	for (uint64_t i = 0; i < count; i++) {
		uint64_t at = (start % count + i) % count;

		if (try_lock(fd, first + at) == 0) {
			*ret = (uid_t)(first + at);
			*ret_lock = TAKE_FD(fd);
			return 0;
		}
	}
	return error_set(err, -EAGAIN, "all %llu users for sandboxes are in use", (unsigned long long)count);
}

/* The first folder on the way to path that the present user may not enter; path itself if it is that. */
static void find_closed(const char *path, char out[4096])
{
	for (size_t i = 1; path[i]; i++) {
		if (path[i] != '/')
			continue;
		snprintf(out, 4096, "%.*s", (int)i, path);
		if (access(out, X_OK) < 0)
			return;
	}
	snprintf(out, 4096, "%s", path);
}

/* In a child: becomes the user and says "path\0what is in the way\0" on fd for the first that it cannot read. */
static _Noreturn void look_as(uid_t uid, char *const *paths, int fd)
{
	char closed[4096];

	if (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
		_exit(2);
	for (; *paths; paths++) {
		if (access(*paths, R_OK) == 0)
			continue;
		find_closed(*paths, closed);
		(void)!write(fd, *paths, strlen(*paths) + 1);
		(void)!write(fd, closed, strlen(closed) + 1);
		_exit(1);
	}
	_exit(0);
}

int uid_can_read(uid_t uid, char *const *paths, struct error *err)
{
	_cleanup_close_ int in = -1;
	_cleanup_close_ int out = -1;
	char said[2 * 4096 + 1];
	int fds[2], status;
	size_t len = 0;
	ssize_t n;
	pid_t pid;

	if (!paths || !paths[0])
		return 0;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return error_set_errno(err, -errno, "making a pipe");
	in = fds[0];
	out = fds[1];
	pid = fork();
	if (pid < 0)
		return error_set_errno(err, -errno, "starting a check of paths");
	if (pid == 0)
		look_as(uid, paths, out);
	close(TAKE_FD(out));
	while (len < sizeof(said) - 1 && (n = read(in, said + len, sizeof(said) - 1 - len)) > 0)
		len += (size_t)n;
	said[len] = '\0';
	if (waitpid(pid, &status, 0) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) == 2)
		return error_set(err, -ENOTSUP, "the keeper runs as root but cannot become another user (uid %u)",
				 (unsigned)uid);
	if (WEXITSTATUS(status) == 0)
		return 0;
	return error_set(
		err, -EACCES,
		"%s cannot be read by the user that a sandbox gets when the broker is root (uid %u): %s is closed "
		"to it; use one outside of there (`runtimes:` names interpreters), or run the broker as its owner",
		said, (unsigned)uid, said + strlen(said) + 1);
}
