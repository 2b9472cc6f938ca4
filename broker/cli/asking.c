/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/cli/asking.h"
#include "broker/cli/forms.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <utlist.h>

/* What code wrote before may have hidden the cursor or all that follows, given black the look of white, left a command
 * open, or put the cursor amid words of its own: open commands end, modes, colours and palette are as they were, and
 * the question begins on a line with nothing beside or below it. */
#define FRESH "\030\033\\\033[!p\017\033(B\033[0m\033]104\033\\\033]110\033\\\033]111\033\\\n\033[J"

enum { QUEUE_MAX = 256, ANSWER_MAX = 4096 };

struct asking_question {
	struct asking_question *prev, *next;
	char *id, *text;
	bool shown, has_always;
	bool is_form, filling; /* a server asks; yes was said, and its fields are being asked for */
	struct form *form; /* NULL: none, or one that cannot be filled in here */
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
	form_free(q->form);
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
	fputs(FRESH, stderr);
	if (q->is_form && !q->form)
		fprintf(stderr,
			"%s\nThis form cannot be filled in at a terminal. Say no, or in another window hawser "
			"approve "
			"%s --args JSON; hawser approvals lists its fields: ",
			cli_clean(q->text), q->id);
	else
		fprintf(stderr, "%s\n%s %s: ", cli_clean(q->text), q->form ? "Answer it?" : "Allow it?", words(q));
}

static void add(struct asking *a, struct span approval)
{
	struct asking_question *q = calloc(1, sizeof(*q));

	if (q && a->count < QUEUE_MAX) {
		q->id = cli_member(approval, "id");
		q->text = cli_member(approval, "text");
		q->is_form = span_member(approval, "form").p != NULL;
		q->form = q->is_form ? form_new(span_member(approval, "form")) : NULL;
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

static void send_answer(struct wire *w, const struct asking_question *q, bool approve, bool always)
{
	_cleanup_buf_ struct buf params = BUF_INIT(128 * 1024);
	int r = buf_printf(&params,
			   "{\"id\":\"%.40s\",\"approve\":%s,\"always\":%s,\"how\":\"terminal\",\"final\":true", q->id,
			   approve ? "true" : "false", always ? "true" : "false");

	if (r == 0 && q->form)
		r = buf_append_str(&params, ",\"content\":");
	if (r == 0 && q->form)
		r = form_content(q->form, &params);
	if (r == 0 && buf_append_str(&params, "}") == 0)
		wire_send(w, "approvals.answer", span_of(buf_head(&params), params.len));
}

static bool is_word(const char *line, const char *word)
{
	size_t n = strcspn(line, " \t\r\n");

	return n > 0 && n <= strlen(word) && strncmp(line, word, n) == 0;
}

/* A line for the fields of a form. True: it is filled in. */
static bool fill(struct asking_question *q, char *line)
{
	_cleanup_free_ char *prompt = NULL;

	line[strcspn(line, "\r\n")] = '\0';
	if (q->filling)
		(void)form_take(q->form, line); /* what is no answer is asked for again */
	q->filling = true;
	prompt = form_prompt(q->form);
	if (prompt)
		fputs(cli_clean(prompt), stderr);
	return !prompt;
}

/* What a line says to a question that is shown. 1: yes, 0: no, -1: nothing yet. */
static int understand(struct asking_question *q, char *line, bool *always)
{
	*always = q->has_always && is_word(line, "always");
	if (!*line) /* ^D */
		return 0;
	if (q->filling)
		return fill(q, line) ? 1 : -1;
	if (is_word(line, "no"))
		return 0;
	if (*always || (is_word(line, "yes") && !q->is_form))
		return 1;
	if (is_word(line, "yes") && q->form)
		return fill(q, line) ? 1 : -1;
	fprintf(stderr, "%s: ", words(q));
	return -1;
}

void asking_input(struct asking *a, struct wire *w)
{
	struct asking_question *q = a->queue;
	char line[ANSWER_MAX];
	ssize_t n = read(w->input_fd, line, sizeof(line) - 1);
	bool always;
	int said;

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0 && (n < 0 || !q)) { /* the terminal has gone, or nothing was asked: nobody reads it any more */
		close(w->input_fd);
		w->input_fd = 0;
		return;
	}
	line[n] = '\0';
	said = q && q->shown ? understand(q, line, &always) : -1;
	if (said < 0)
		return;
	send_answer(w, q, said, always);
	drop(a, q);
	show_first(a);
}
