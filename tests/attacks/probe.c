/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe [--target PID] [WORD=VALUE]... ACT...
 *
 * Prints "ACT OPEN" or "ACT BLOCKED why" a line. "all" stands for every act.
 */
#include "probe.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORDS_MAX = 32, ACT_SECONDS = 10 };

pid_t probe_target = 1;
static const char *words[WORDS_MAX];
static int word_count;
static int *shared_errno;

const char *probe_word(const char *name)
{
	size_t len = strlen(name);

	for (int i = 0; i < word_count; i++)
		if (strncmp(words[i], name, len) == 0 && words[i][len] == '=')
			return words[i] + len + 1;
	return NULL;
}

static void try(const struct probe *p)
{
	int status;
	pid_t pid;

	*shared_errno = 0;
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		bool open;

		alarm(ACT_SECONDS);
		errno = 0;
		open = p->act();
		*shared_errno = errno;
		_exit(open ? 0 : 1);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		printf("%s ERROR %s\n", p->name, strerror(errno));
	else if (WIFSIGNALED(status))
		printf("%s BLOCKED by signal %d\n", p->name, WTERMSIG(status));
	else if (WEXITSTATUS(status) == 0)
		printf("%s OPEN\n", p->name);
	else
		printf("%s BLOCKED %s\n", p->name, *shared_errno ? strerror(*shared_errno) : "nothing there");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	static const struct probe *const tables[] = {probes_kernel, probes_files, probes_guest};
	int i = 1;

	shared_errno = mmap(NULL, sizeof(int), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared_errno == MAP_FAILED)
		return 1;
	if (argc > 2 && strcmp(argv[1], "--target") == 0) {
		probe_target = atoi(argv[2]);
		i = 3;
	}
	for (; i < argc && strchr(argv[i], '='); i++)
		if (word_count < WORDS_MAX)
			words[word_count++] = argv[i];
	for (; i < argc; i++)
		for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++)
			for (const struct probe *p = tables[t]; p->name; p++)
				if (strcmp(argv[i], "all") == 0 || strcmp(argv[i], p->name) == 0)
					try(p);
	return 0;
}
