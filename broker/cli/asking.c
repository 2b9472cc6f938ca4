/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/cli/asking.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <utlist.h>

enum { QUEUE_MAX = 256, ANSWER_MAX = 256 };

struct asking_question {
	struct asking_question *prev, *next;
	char *id, *text;
	bool shown, has_always;
};

static const char *words(const struct asking_question *q)
{
	return q->has_always ? "yes, no or always" : "yes or no";
}

/* Our own terminal, and in its foreground: reading from one in the background would stop us. */
static int open_terminal(bool stdin_is_taken)
{
	int fd;

	if (!isatty(2))
		return -1;
	fd = open("/dev/tty", O_RDONLY | O_CLOEXEC);
	if (fd < 0 && !stdin_is_taken && isatty(0))
		fd = fcntl(0, F_DUPFD_CLOEXEC, 3);
	if (fd >= 0 && tcgetpgrp(fd) == getpgrp())
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

void asking_init(struct asking *a, struct wire *w, bool stdin_is_taken)
{
	int fd = open_terminal(stdin_is_taken);

	*a = (struct asking){.can = fd >= 0};
	if (fd >= 0)
		w->input_fd = fd;
}

static void drop(struct asking *a, struct asking_question *q)
{
	DL_DELETE(a->queue, q);
	a->count--;
	free(q->id);
	free(q->text);
	free(q);
}

void asking_done(struct asking *a)
{
	while (a->queue)
		drop(a, a->queue);
}

static void show_first(struct asking *a)
{
	struct asking_question *q = a->queue;

	if (!q || q->shown)
		return;
	tcflush(2, TCIFLUSH); /* what was typed before the question is no answer to it */
	q->shown = true;
	fprintf(stderr, "\n%s\nAllow it? %s: ", cli_clean(q->text), words(q));
}

static void add(struct asking *a, struct span approval)
{
	struct asking_question *q = calloc(1, sizeof(*q));

	if (q && a->count < QUEUE_MAX) {
		q->id = cli_member(approval, "id");
		q->text = cli_member(approval, "text");
		q->has_always = span_type(span_member(approval, "always")) == SPAN_STRING;
	}
	if (!q || !q->id || !q->text) {
		free(q ? q->id : NULL);
		free(q);
		return;
	}
	DL_APPEND(a->queue, q);
	a->count++;
	show_first(a);
}

static void over(struct asking *a, struct span params)
{
	_cleanup_free_ char *id = cli_member(params, "id"), *outcome = cli_member(params, "outcome");
	_cleanup_free_ char *by = cli_member(params, "by"), *note = cli_member(params, "note");
	struct asking_question *q, *next;

	if (note) /* what came of an "always", also of our own */
		fprintf(stderr, "(%s)\n", cli_clean(note));

	DL_FOREACH_SAFE (a->queue, q, next) {
		if (!id || strcmp(q->id, id) != 0)
			continue;
		if (q->shown)
			fprintf(stderr, "\n(%s%s%s)\n", outcome ? outcome : "over", by ? ", by " : "",
				by ? cli_clean(by) : "");
		drop(a, q);
		show_first(a);
		return;
	}
}

bool asking_notified(struct asking *a, struct span method, struct span params)
{
	if (!a->can)
		return false;
	if (span_string_equals(method, "approval.asked"))
		add(a, params);
	else if (span_string_equals(method, "approval.over"))
		over(a, params);
	else
		return false;
	return true;
}

static void send_answer(struct wire *w, const char *id, bool approve, bool always)
{
	char params[160];

	snprintf(params, sizeof(params), "{\"id\":\"%.40s\",\"approve\":%s,\"always\":%s,\"how\":\"terminal\"}", id,
		 approve ? "true" : "false", always ? "true" : "false");
	wire_send(w, "approvals.answer", span_of(params, strlen(params)));
}

static bool is_word(const char *line, const char *word)
{
	size_t n = strcspn(line, " \t\r\n");

	return n > 0 && n <= strlen(word) && strncmp(line, word, n) == 0;
}

void asking_input(struct asking *a, struct wire *w)
{
	struct asking_question *q = a->queue;
	char line[ANSWER_MAX];
	ssize_t n = read(w->input_fd, line, sizeof(line) - 1);
	bool always;

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0 && (n < 0 || !q)) { /* the terminal has gone, or nothing was asked: nobody reads it any more */
		close(w->input_fd);
		w->input_fd = 0;
		return;
	}
	line[n] = '\0';
	if (!q || !q->shown)
		return;
	always = q->has_always && is_word(line, "always");
	if (n > 0 && !always && !is_word(line, "yes") && !is_word(line, "no")) {
		fprintf(stderr, "%s: ", words(q));
		return;
	}
	send_answer(w, q->id, always || is_word(line, "yes"), always); /* ^D is a no */
	drop(a, q);
	show_first(a);
}
