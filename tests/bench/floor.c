/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The floor of the bench: what a stdio MCP server can do for a client that does next to nothing. Starts the server that
 * its arguments name, shakes hands, then obeys lines on stdin and answers each with the time it took:
 *
 *   seq N      N echo calls one after the other       -> seconds
 *   conc W N   N rounds of W calls at once            -> seconds
 *   big BYTES N  N echo calls with BYTES of argument  -> seconds
 *
 * A lost or wrong answer ends it with status 1. No JSON is parsed: an answer is a line that names the id.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MOST = 80 << 20, WINDOW_MOST = 1024, BIG_MOST = 64 << 20 };

struct server {
	pid_t pid;
	FILE *in; /* what it reads */
	int out; /* what it writes */
	char *line;
	size_t len, cap, used; /* bytes held, room, bytes of the line that was handed out */
	unsigned id;
};

static void die(const char *what)
{
	fprintf(stderr, "floor: %s%s%s\n", what, errno ? ": " : "", errno ? strerror(errno) : "");
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void start(struct server *s, char **argv)
{
	int to[2], from[2];

	if (pipe(to) < 0 || pipe(from) < 0)
		die("pipe");
	s->pid = fork();
	if (s->pid < 0)
		die("fork");
	if (s->pid == 0) {
		dup2(to[0], 0);
		dup2(from[1], 1);
		close(to[1]);
		close(from[0]);
		execvp(argv[0], argv);
		_exit(127);
	}
	close(to[0]);
	close(from[1]);
	s->in = fdopen(to[1], "w");
	s->out = from[0];
	s->cap = 1 << 16;
	s->line = malloc(s->cap);
	if (!s->in || !s->line)
		die("start");
}

static void grow(struct server *s)
{
	if (s->cap >= LINE_MOST)
		die("a line of the server is too long");
	s->cap *= 2;
	s->line = realloc(s->line, s->cap);
	if (!s->line)
		die("memory");
}

/* The next line of the server, ended by NUL; valid until the next call. */
static char *next_line(struct server *s)
{
	size_t seen = 0;
	char *end;

	memmove(s->line, s->line + s->used, s->len - s->used);
	s->len -= s->used;
	s->used = 0;
	while (!(end = memchr(s->line + seen, '\n', s->len - seen))) {
		ssize_t n;

		seen = s->len;
		if (s->len == s->cap)
			grow(s);
		n = read(s->out, s->line + s->len, s->cap - s->len);
		if (n <= 0)
			die("the server is gone");
		s->len += (size_t)n;
	}
	*end = '\0';
	s->used = (size_t)(end - s->line) + 1;
	return s->line;
}

/* The id stands at the very front or the very end of an answer's line; returns 0 for notifications. */
static unsigned answer_id(const char *line)
{
	static const char key[] = "\"id\":";
	size_t len = strlen(line);
	const char *at = strstr(len > 64 ? line + len - 64 : line, key);
	char head[64];

	if (!at) {
		snprintf(head, sizeof head, "%s", line);
		at = strstr(head, key);
	}
	return at ? (unsigned)strtoul(at + sizeof key - 1, NULL, 10) : 0;
}

static void await_answer(struct server *s, unsigned least, unsigned most)
{
	for (;;) {
		const char *line = next_line(s);
		unsigned id = answer_id(line);

		if (!id)
			continue;
		if (id < least || id > most || strstr(line, "\"isError\":true"))
			die("a wrong answer");
		return;
	}
}

static void send_echo(struct server *s, const char *text)
{
	fprintf(s->in,
		"{\"jsonrpc\":\"2.0\",\"id\":%u,\"method\":\"tools/call\","
		"\"params\":{\"name\":\"echo\",\"arguments\":{\"message\":\"%s\"}}}\n",
		++s->id, text);
}

static void handshake(struct server *s)
{
	s->id = 1;
	fputs("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":{\"protocolVersion\":\"2025-06-18\","
	      "\"capabilities\":{},\"clientInfo\":{\"name\":\"floor\",\"version\":\"1\"}}}\n",
	      s->in);
	fflush(s->in);
	await_answer(s, 1, 1);
	fputs("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n", s->in);
	fflush(s->in);
}

static void calls(struct server *s, const char *text, unsigned window, unsigned rounds)
{
	for (unsigned i = 0; i < rounds; i++) {
		unsigned first = s->id + 1;

		for (unsigned k = 0; k < window; k++)
			send_echo(s, text);
		fflush(s->in);
		for (unsigned k = 0; k < window; k++)
			await_answer(s, first, s->id);
	}
}

static bool obey(struct server *s, const char *order)
{
	unsigned a = 0, b = 0;
	double begin = now();

	if (sscanf(order, "seq %u", &a) == 1) {
		calls(s, "x", 1, a);
	} else if (sscanf(order, "conc %u %u", &a, &b) == 2 && a <= WINDOW_MOST) {
		calls(s, "x", a, b);
	} else if (sscanf(order, "big %u %u", &a, &b) == 2 && a <= BIG_MOST) {
		char *text = malloc((size_t)a + 1);

		if (!text)
			die("memory");
		memset(text, 'a', a);
		text[a] = '\0';
		begin = now();
		calls(s, text, 1, b);
		free(text);
	} else {
		return false;
	}
	printf("%.6f\n", now() - begin);
	fflush(stdout);
	return true;
}

int main(int argc, char **argv)
{
	struct server s = {0};
	char order[128];

	if (argc < 2) {
		fprintf(stderr, "floor: COMMAND of an MCP server over stdio\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	start(&s, argv + 1);
	handshake(&s);
	puts("ready");
	fflush(stdout);
	while (fgets(order, sizeof order, stdin))
		if (!obey(&s, order))
			die("an order that is not known");
	fclose(s.in);
	kill(s.pid, SIGTERM);
	waitpid(s.pid, NULL, 0);
	free(s.line);
	return 0;
}
