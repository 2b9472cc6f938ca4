/* SPDX-License-Identifier: Apache-2.0 */
/* Another process of the same user: inside that is the guest, pid 1. */
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static bool limit_cpu(void)
{
	struct rlimit limit = {3600, 3600}; /* 1 would kill it: that it can be set is enough */

	return prlimit(probe_target, RLIMIT_CPU, &limit, NULL) == 0;
}
static bool limit_files(void)
{
	struct rlimit limit;

	return prlimit(probe_target, RLIMIT_NOFILE, NULL, &limit) == 0 &&
	       prlimit(probe_target, RLIMIT_NOFILE, &limit, NULL) == 0;
}
static bool nice_down(void)
{
	return setpriority(PRIO_PROCESS, (id_t)probe_target, 19) == 0;
}
static bool nice_user(void)
{
	return setpriority(PRIO_USER, 0, getpriority(PRIO_PROCESS, 0)) == 0;
}
static bool idle_class(void)
{
	struct sched_param param = {0};

	return sched_setscheduler(probe_target, SCHED_IDLE, &param) == 0;
}
static bool pin(void)
{
	cpu_set_t set;

	return sched_getaffinity(probe_target, sizeof(set), &set) == 0 &&
	       sched_setaffinity(probe_target, sizeof(set), &set) == 0;
}
static bool io_class(void)
{
	return syscall(SYS_ioprio_set, 1 /* process */, probe_target, 3 << 13 /* idle */) == 0;
}
static bool trace(void)
{
	bool open = ptrace(PTRACE_SEIZE, probe_target, 0, 0) == 0;

	if (open)
		ptrace(PTRACE_DETACH, probe_target, 0, 0);
	return open;
}

static bool can_open(const char *name)
{
	char path[64], byte;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)probe_target, name);
	fd = open(path, O_RDONLY);
	return fd >= 0 && (strcmp(name, "mem") == 0 || read(fd, &byte, 1) == 1);
}
static bool read_memory(void)
{
	return can_open("mem");
}
static bool read_environ(void)
{
	return can_open("environ");
}
static bool read_maps(void)
{
	return can_open("maps");
}
static bool write_oom(void)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", (int)probe_target);
	fd = open(path, O_WRONLY);
	return fd >= 0 && write(fd, "1000", 4) == 4;
}

static bool can_follow(const char *name)
{
	char path[64], target[4096];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)probe_target, name);
	return readlink(path, target, sizeof(target)) > 0;
}
static bool follow_root(void)
{
	return can_follow("root");
}
static bool follow_exe(void)
{
	return can_follow("exe");
}
static bool follow_fd(void)
{
	return can_follow("fd/0") || can_follow("fd/3") || can_follow("fd/4");
}
static bool enter_ns(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)probe_target);
	return open(path, O_RDONLY) >= 0;
}
static bool take_fd(void)
{
	int pidfd = (int)syscall(SYS_pidfd_open, probe_target, 0);

	for (int fd = 0; fd < 16; fd++)
		if (pidfd >= 0 && syscall(SYS_pidfd_getfd, pidfd, fd, 0) >= 0)
			return true;
	return false;
}

/* Every signal there is. Whether it was heard, the driver sees: the victim is dead, the guest must answer. */
static bool all_signals(void)
{
	for (int signo = 1; signo < 65; signo++)
		kill(probe_target, signo);
	for (int i = 0; i < 50; i++) {
		char path[64], text[512] = "", *state;
		int fd;
		ssize_t n;

		snprintf(path, sizeof(path), "/proc/%d/stat", (int)probe_target);
		fd = open(path, O_RDONLY);
		n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;
		if (fd >= 0)
			close(fd);
		state = n > 0 ? strrchr(text, ')') : NULL;
		if (!state || strchr("ZTX", state[2]))
			return true;
		usleep(10000);
	}
	errno = 0;
	return false;
}

const struct probe probes_guest[] = {
	{"limit_cpu", limit_cpu},
	{"limit_files", limit_files},
	{"nice_user", nice_user},
	{"nice_down", nice_down},
	{"idle_class", idle_class},
	{"pin", pin},
	{"io_class", io_class},
	{"trace", trace},
	{"read_memory", read_memory},
	{"read_environ", read_environ},
	{"read_maps", read_maps},
	{"write_oom", write_oom},
	{"follow_root", follow_root},
	{"follow_exe", follow_exe},
	{"follow_fd", follow_fd},
	{"enter_ns", enter_ns},
	{"take_fd", take_fd},
	{"all_signals", all_signals},
	{NULL, NULL},
};
