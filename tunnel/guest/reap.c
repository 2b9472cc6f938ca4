/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The processes of a run. Whoever leaves its session or loses its parent becomes a child of the guest (pid 1, or a
 * subreaper), so the run's processes are found below us: by the interpreter among their ancestors, by its session, and,
 * while there is one run only, simply by being below us without being parked. One look reads /proc once.
 */
#include "tunnel/guest/child.h"
#include "tunnel/guest/runs.h"

#include "base/clock.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { REAP_PROCESSES = 32768 };

struct process {
	pid_t pid, parent, session;
	char state;
	uint64_t cpu_ticks, rss_pages;
};

struct table {
	struct process *all;
	size_t count, cap;
};

/* /proc/PID/stat: the name in parentheses may hold anything, so fields are counted from the last ')'. */
static bool read_process(int proc, const char *name, struct process *ret)
{
	char path[32], text[1024], *p;
	unsigned long utime, stime;
	long cutime, cstime, rss;
	_cleanup_close_ int fd = -1;
	ssize_t n;

	snprintf(path, sizeof(path), "%.16s/stat", name);
	fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || (n = read(fd, text, sizeof(text) - 1)) <= 0)
		return false;
	text[n] = 0;
	p = strrchr(text, ')');
	if (!p || sscanf(p + 1, " %c %d %*d %d %*d %*d %*u %*u %*u %*u %*u %lu %lu %ld %ld %*d %*d %*d %*d %*u %*u %ld",
			 &ret->state, &ret->parent, &ret->session, &utime, &stime, &cutime, &cstime, &rss) != 8)
		return false;
	ret->pid = (pid_t)strtol(name, NULL, 10);
	ret->cpu_ticks = utime + stime + (uint64_t)cutime + (uint64_t)cstime;
	ret->rss_pages = rss > 0 ? (uint64_t)rss : 0;
	return true;
}

/* Ends early at until_ms: below a fork bomb a look takes long, and the deadline of the run may not wait for it. */
static void read_table(struct table *t, uint64_t until_ms)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;

	while (dir && (entry = readdir(dir)) && t->count < REAP_PROCESSES && clock_now_ms() < until_ms) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		if (t->count == t->cap) {
			size_t cap = t->cap ? t->cap * 2 : 256;
			struct process *all = realloc(t->all, cap * sizeof(*all));

			if (!all)
				break;
			t->all = all;
			t->cap = cap;
		}
		if (read_process(dirfd(dir), entry->d_name, &t->all[t->count]))
			t->count++;
	}
	if (dir)
		closedir(dir);
}

static int by_pid(const void *a, const void *b)
{
	const struct process *x = a, *y = b;

	return x->pid < y->pid ? -1 : x->pid > y->pid;
}

static const struct process *find(const struct table *t, pid_t pid)
{
	struct process key = {.pid = pid};

	return bsearch(&key, t->all, t->count, sizeof(key), by_pid);
}

static bool is_parked(const struct guest *g, pid_t pid)
{
	for (int i = 0; i < GUEST_LANGUAGES; i++)
		if (g->parked[i] && g->parked[i]->pid == pid)
			return true;
	return false;
}

/* Whose is p? Walks up to the guest. */
static bool belongs(const struct guest *g, const struct run *run, const struct table *t, const struct process *p,
		    pid_t self)
{
	pid_t leader = run->child ? run->child->pid : 0;
	const struct process *at = p;

	if (p->pid == self)
		return false;
	for (int depth = 0; at && depth < 4096; depth++) {
		if (leader > 0 && at->pid == leader)
			return true;
		if (is_parked(g, at->pid))
			return false;
		if (at->parent == self)
			return g->run_count == 1 || p->session == run->session;
		at = find(t, at->parent);
	}
	return g->pid1 && g->run_count == 1;
}

void reap_look(struct guest *g, struct run *run, bool kill_them, uint64_t until_ms, struct reap_tally *ret)
{
	bool alone = g->pid1 && g->run_count == 1;
	struct table t = {0};
	uint64_t tick_ms = 1000 / (uint64_t)sysconf(_SC_CLK_TCK), page = (uint64_t)sysconf(_SC_PAGESIZE);

	pid_t self = getpid();

	*ret = (struct reap_tally){0};
	/* All at once: a fork bomb has no time to go on. At a deadline before anybody is looked at, since a look at
	 * those who go on takes long. Parked interpreters go with it, and are started again. */
	if (kill_them && alone && run->state == RUN_STOPPING)
		kill(-1, SIGKILL);
	read_table(&t, until_ms);
	if (t.count > 0)
		qsort(t.all, t.count, sizeof(*t.all), by_pid);
	for (size_t i = 0; i < t.count; i++) {
		const struct process *p = &t.all[i];

		if (!belongs(g, run, &t, p, self))
			continue;
		ret->cpu_ms += p->cpu_ticks * tick_ms;
		ret->rss += p->rss_pages * page;
		if (p->state == 'Z' || p->state == 'X')
			continue;
		if (kill_them && ret->alive == 0 && alone)
			kill(-1, SIGKILL);
		else if (kill_them && !alone)
			kill(p->pid, SIGKILL);
		ret->alive++;
		ret->moving += p->state != 'T' && p->state != 't';
	}
	free(t.all);
}

void reap_signal(struct guest *g, struct run *run, int signo)
{
	struct table t = {0};
	pid_t self = getpid();

	if (g->pid1 && g->run_count == 1) { /* all at once, parked interpreters too: no fork slips through */
		kill(-1, signo);
		return;
	}
	read_table(&t, UINT64_MAX);
	if (t.count > 0)
		qsort(t.all, t.count, sizeof(*t.all), by_pid);
	for (size_t i = 0; i < t.count; i++)
		if (belongs(g, run, &t, &t.all[i], self))
			kill(t.all[i].pid, signo);
	free(t.all);
}

bool reap_usage(pid_t pid, uint64_t *cpu_ms, uint64_t *max_rss)
{
	char path[32], text[4096], *p;
	struct timespec ts;
	clockid_t clock;
	_cleanup_close_ int fd = -1;
	ssize_t n;

	if (clock_getcpuclockid(pid, &clock) == 0 && clock_gettime(clock, &ts) == 0) {
		uint64_t ms = (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;

		*cpu_ms = ms > *cpu_ms ? ms : *cpu_ms;
	}
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || (n = read(fd, text, sizeof(text) - 1)) <= 0)
		return true; /* nobody will know better */
	text[n] = 0;
	p = strstr(text, "\nVmHWM:");
	if (p) {
		uint64_t bytes = strtoull(p + strlen("\nVmHWM:"), NULL, 10) * 1024;

		*max_rss = bytes > *max_rss ? bytes : *max_rss;
	}
	return p;
}

void reap_orphan(void *user, pid_t pid, int status, const struct rusage *usage)
{
	struct guest *g = user;

	(void)pid;
	(void)status;
	if (g->runs) /* with several runs: of the newest, as nobody can tell */
		run_add_usage(g->runs, usage);
}
