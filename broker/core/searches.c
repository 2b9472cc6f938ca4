/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A search on its way: servers made ready -> index -> rows -> redaction -> answer. A server chooses how many tools it
 * has and how large they are, so index and rows are made in slices, a turn of the loop each, and a long answer is
 * redacted on another thread. Tool lists that change meanwhile make it begin again.
 */
#include "broker/core/catalogue.h"

#include "broker/core/calls.h"

#include <errno.h>
#include <string.h>

enum { SEARCH_ANSWER_MAX = 8 << 20, SEARCH_BEGINNINGS_MAX = 5 };

struct search {
	struct view *view;
	struct search_request request;
	struct buf out;
	struct tool_rows rows;
	unsigned beginnings;
	int failed; /* 0, or a negative errno */
	search_done_fn *done;
	void *user;
};

static void free_search(struct search *s)
{
	json_table_done(search_request_table, search_request_count, &s->request);
	tool_rows_done(&s->rows);
	buf_done(&s->out);
	view_unref(s->view);
	free(s);
}

static void answer(void *user)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct search *s = user;

	s->view->core->readings--;
	if (s->failed)
		error_set(&err, s->failed, "the list of tools is too long, or changes all the time; pass limit");
	s->done(s->user, s->failed ? NULL : &s->out, s->failed ? &err : NULL);
	free_search(s);
}

static void redact_answer(void *user)
{
	struct search *s = user;

	redact_buf(s->view->redact, &s->out);
}

static void finish(struct search *s)
{
	_cleanup_error_ struct error err = ERROR_INIT;

	if (!s->failed && s->out.len >= CORE_LARGE &&
	    loop_work_start(s->view->core->loop, redact_answer, answer, s, &err) == 0)
		return;
	if (!s->failed)
		redact_answer(s);
	answer(s);
}

static void step(void *user)
{
	struct search *s = user;
	int r = catalogue_search_step(s->view, &s->request, &s->rows, &s->out);

	if (r == -ESTALE && ++s->beginnings < SEARCH_BEGINNINGS_MAX) {
		tool_rows_done(&s->rows);
		buf_clear(&s->out);
		r = -EAGAIN;
	}
	if (r == -EAGAIN) {
		loop_defer(s->view->core->loop, step, s);
		return;
	}
	s->failed = r;
	finish(s);
}

static void on_catalogue_ready(void *user)
{
	struct search *s = user;

	s->view->core->readings++;
	step(s);
}

int builtins_search(struct view *view, const struct search_request *request, search_done_fn *done, void *user,
		    struct error *err)
{
	struct search *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return error_set(err, -ENOMEM, "no memory for a search");
	s->view = view_ref(view);
	s->request = *request;
	s->request.query = request->query ? strdup(request->query) : NULL;
	s->out.max = SEARCH_ANSWER_MAX;
	s->done = done;
	s->user = user;
	r = catalogue_ready(view, on_catalogue_ready, s, err);
	if (r < 0)
		free_search(s);
	return r;
}
