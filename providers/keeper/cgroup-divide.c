/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which group of v2 is ours to divide: the unit that we run in, if systemd delegates it. In all others it may take a
 * controller away again whenever a unit beside us starts or stops, so there only what it gives to every unit of its own
 * accord is used. A group that has processes gives its children no controllers: those in it (broker, keepers, servers)
 * move into a child, by which later keepers know that the group is ours.
 *
 * Up to 252 (Debian 12) systemd marks a delegated group for root alone, and a user's manager marks none: it is asked.
 */
#include "providers/keeper/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { ROUNDS = 8, PROCS_TEXT = 64 * 1024 }; /* processes that are born meanwhile want another round */

static bool marked(const char *dir, const char *attribute)
{
	char value[8];

	return getxattr(dir, attribute, value, sizeof(value)) >= 1 && value[0] == '1';
}

/* What `systemctl show` says of the unit. */
static bool asked(const char *unit, bool of_user)
{
	char runtime[64], said[8] = "";
	const char *argv[] = {"/usr/bin/systemctl",      "show", "--property=Delegate", "--value", unit,
			      of_user ? "--user" : NULL, NULL};
	char *const envp[] = {runtime, NULL};
	posix_spawn_file_actions_t actions;
	int fds[2], r;
	ssize_t n;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return false;
	snprintf(runtime, sizeof(runtime), "XDG_RUNTIME_DIR=/run/user/%u", (unsigned)geteuid());
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, fds[1], 1);
	posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
	r = posix_spawn(&pid, argv[0], &actions, NULL, (char *const *)(uintptr_t)argv, envp);
	posix_spawn_file_actions_destroy(&actions);
	close(fds[1]);
	n = r == 0 ? read(fds[0], said, sizeof(said) - 1) : 0;
	close(fds[0]);
	if (r == 0)
		waitpid(pid, NULL, 0);
	return n > 0 && strcmp(said, "yes\n") == 0;
}

bool cgroup_is_delegated(const char *dir)
{
	const char *name = strrchr(dir, '/'), *dot = strrchr(dir, '.');
	char controllers[256] = "", path[PATH_MAX + 32];
	FILE *f;

	if (access("/run/systemd/system", F_OK) < 0 || marked(dir, "user.delegate") || marked(dir, "trusted.delegate"))
		return true;
	if (!name || !dot || (strcmp(dot, ".service") != 0 && strcmp(dot, ".scope") != 0))
		return false;
	/* What is delegated has all controllers; asking costs a process. */
	snprintf(path, sizeof(path), "%s/cgroup.controllers", dir);
	f = fopen(path, "re");
	if (f) {
		controllers[fread(controllers, 1, sizeof(controllers) - 1, f)] = '\0';
		fclose(f);
	}
	return cgroup_has_word(controllers, "cpu") && asked(name + 1, strstr(dir, "/user@") != NULL);
}

static bool move(int to, const char *pid, size_t len)
{
	return write(to, pid, len) == (ssize_t)len || errno == ESRCH;
}

/* One look at the processes of dir. true: ret_moved says how many there were. */
static bool move_all(const char *dir, int to, size_t *ret_moved)
{
	_cleanup_free_ char *text = malloc(PROCS_TEXT);
	_cleanup_close_ int fd = -1;
	char path[PATH_MAX];
	ssize_t n;

	*ret_moved = 0;
	if (!text || snprintf(path, sizeof(path), "%s/cgroup.procs", dir) >= (int)sizeof(path))
		return false;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, PROCS_TEXT - 1);
	if (n < 0)
		return false;
	text[n] = '\0';
	for (char *at = text; *at; at += strcspn(at, "\n"), at += *at != '\0')
		if (move(to, at, strcspn(at, "\n")))
			++*ret_moved;
	return true;
}

bool cgroup_vacate(const char *dir)
{
	char path[PATH_MAX + 32];
	_cleanup_close_ int to = -1;
	size_t moved = 1;

	snprintf(path, sizeof(path), "%s" CGROUP_LEAF, dir);
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return false;
	snprintf(path, sizeof(path), "%s" CGROUP_LEAF "/cgroup.procs", dir);
	to = open(path, O_WRONLY | O_CLOEXEC);
	for (int i = 0; to >= 0 && i < ROUNDS && moved > 0; i++)
		if (!move_all(dir, to, &moved))
			return false;
	return to >= 0 && moved == 0;
}
