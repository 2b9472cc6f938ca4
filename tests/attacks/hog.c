/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hog KIND [MIB]: takes what it can get, at about 1 GB/s where it is memory.
 *   anon, shared  processes of 64 MiB each, private or shared anonymous memory
 *   tmpfs         files in $HOME and /dev/shm, beside processes
 *   fork          processes that stay
 * Says "taken N" now and then on stdout.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { PIECE = 4 << 20, EACH = 64 << 20, RATE_MIB_S = 1024 };

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Not faster than 1 GiB/s, counted from `began`. */
static void pace(double began, unsigned long long taken)
{
	double due = began + (double)taken / ((double)RATE_MIB_S * (1 << 20));
	double wait = due - now();

	if (wait > 0)
		usleep((useconds_t)(wait * 1e6));
}

static void take_memory(int flags, double began, unsigned long long before)
{
	char *p = mmap(NULL, EACH, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | flags, -1, 0);

	for (size_t at = 0; p != MAP_FAILED && at < EACH; at += PIECE) {
		memset(p + at, 'x', PIECE);
		pace(began, before + at);
	}
}

static void take_file(int index, double began, unsigned long long before)
{
	static char block[PIECE];
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/hog-%d", index % 2 ? "/dev/shm" : getenv("HOME"), index);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	memset(block, 'x', sizeof(block));
	for (size_t at = 0; fd >= 0 && at < EACH && write(fd, block, PIECE) > 0; at += PIECE)
		pace(began, before + at);
	if (fd >= 0)
		close(fd);
}

static void hog(const char *kind, unsigned long long most)
{
	double began = now();
	unsigned long long taken = 0;

	for (int i = 0; taken < most; i++, taken += EACH) {
		int pipe_fds[2];
		pid_t pid;

		if (strcmp(kind, "tmpfs") == 0 && i % 4 != 3) {
			take_file(i, began, taken);
		} else if (pipe(pipe_fds) == 0) {
			char byte;

			pid = fork();
			if (pid == 0) {
				take_memory(strcmp(kind, "shared") == 0 ? MAP_SHARED : MAP_PRIVATE, began, taken);
				(void)!write(pipe_fds[1], "x", 1);
				for (;;)
					pause();
			}
			close(pipe_fds[1]);
			(void)!read(pipe_fds[0], &byte, 1);
			close(pipe_fds[0]);
		}
		printf("taken %llu\n", (taken + EACH) >> 20);
		fflush(stdout);
	}
}

static void bomb(void)
{
	unsigned long long count = 0;

	signal(SIGCHLD, SIG_IGN);
	for (double end = now() + 3; now() < end;) {
		pid_t pid = fork();

		if (pid == 0) {
			if (fork() == 0)
				sleep(60);
			sleep(60);
			_exit(0);
		}
		if (pid > 0)
			count++;
		else
			usleep(1000);
	}
	printf("forked %llu\n", count);
}

int main(int argc, char **argv)
{
	const char *kind = argc > 1 ? argv[1] : "anon";

	if (strcmp(kind, "fork") == 0)
		bomb();
	else
		hog(kind, (argc > 2 ? strtoull(argv[2], NULL, 10) : 2048) << 20);
	puts("hog done");
	return 0;
}
