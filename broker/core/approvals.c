/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that wait for a person. Each call owns a waiter, waiters that ask the same share one question:
 *
 *   ask_person() -> GATHERING -> asked -> answer, expiry, nobody left, nobody waits any more -> ask_over()
 *
 * While a question gathers, other calls of the same tool by the same rule join it with their own arguments, all of
 * which are shown. Once it has been asked only the same arguments join: nobody says yes to what he has not seen.
 */
#include "broker/core/ask.h"
#include "broker/core/runs.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/visible.h"

#include <errno.h>
#include <string.h>

enum {
	GATHER_MS = 100, /* from the first call to the question */
	FORM_MESSAGE_MAX = 2 << 10, /* of its words */
	SAME_BYTES_MAX = 64 << 10, /* longer arguments are never the same as others */
};

static const char *const outcome_names[] = {NULL, "approved", "refused", "expired", "withdrawn", "nobody"};

const char *ask_outcome_name(enum ask_outcome outcome)
{
	return outcome_names[outcome];
}

static void on_check(void *user)
{
	struct approvals *all = user;
	struct approval *a = all->open;

	while (a) {
		bool over = !ask_has_somebody(a);

		if (over)
			ask_over(a, ASK_NOBODY, NULL);
		a = over ? all->open : a->hh.next; /* an end may bring others with it */
	}
}

struct approvals *approvals_new(struct core *core)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct approvals *all = calloc(1, sizeof(*all));

	if (!all || loop_timer_new(core->loop, on_check, all, &all->check, &err) < 0) {
		free(all);
		return NULL;
	}
	all->core = core;
	return all;
}

static void free_approval(struct approval *a)
{
	loop_timer_free(a->timer);
	buf_done(&a->arguments);
	buf_done(&a->form);
	free(a->server);
	free(a->tool);
	free(a->rule);
	free(a->by);
	free(a->note);
	free(a->always);
	view_unref(a->view);
	free(a);
}

struct approvals *approvals_free(struct approvals *all)
{
	struct approval *a, *next;

	if (!all)
		return NULL;
	HASH_ITER (hh, all->open, a, next) { /* nobody waits any more, and nobody is left to be told */
		HASH_DEL(all->open, a);
		free_approval(a);
	}
	loop_timer_free(all->check);
	free(all);
	return NULL;
}

/* ---- the end ---- */

static void remember(const struct approval *a)
{
	struct approvals *all = a->all;
	size_t i = all->recent_next++ % ASK_RECENT;

	memcpy(all->recent[i].id, a->id, sizeof(a->id));
	all->recent[i].outcome = a->outcome;
	snprintf(all->recent[i].by, sizeof(all->recent[i].by), "%s", a->by ? a->by : "");
}

void ask_over_with(struct approval *a, const struct ask_end *with, const char *by)
{
	struct ask_end end = *with;
	struct ask_waiter *w;

	a->outcome = end.outcome;
	a->by = by ? strdup(by) : NULL;
	end.id = a->id;
	end.by = a->by;
	HASH_DEL(a->all->open, a);
	remember(a);
	log_info("approval_over", LOG_S("approval", a->id), LOG_S("outcome", outcome_names[a->outcome]),
		 LOG_S("by", by ? by : ""));
	ask_tell_over(a);
	while ((w = a->waiters)) {
		DL_DELETE(a->waiters, w);
		w->approval = NULL;
		w->done(w->user, &end);
	}
	free_approval(a);
}

void ask_over(struct approval *a, enum ask_outcome outcome, const char *by)
{
	ask_over_with(a, &(struct ask_end){.outcome = outcome}, by);
}

void ask_leave(struct ask_waiter *waiter)
{
	struct approval *a = TAKE_PTR(waiter->approval);

	if (!a)
		return;
	DL_DELETE(a->waiters, waiter);
	a->calls--;
	if (a->waiters || a->outcome != ASK_OPEN)
		return;
	a->run = NULL; /* it may go before we do */
	loop_timer_start(a->timer,
			 0); /* whoever leaves may be asked about it right now: it ends on a turn of its own */
}

/* ---- the beginning ---- */

static void on_timer(void *user)
{
	struct approval *a = user;

	if (!a->waiters) {
		ask_over(a, ASK_WITHDRAWN, NULL);
	} else if (a->asked) {
		ask_over(a, ASK_EXPIRED, NULL);
	} else if (!ask_has_somebody(a)) {
		ask_over(a, ASK_NOBODY, NULL);
	} else {
		a->asked = true;
		loop_timer_start(a->timer, a->expires_ms - a->asked_ms);
		log_info("approval_asked", LOG_S("approval", a->id), LOG_S("run", a->run ? a->run->id : ""),
			 LOG_S("server", a->server), LOG_S("tool", a->tool), LOG_I("calls", a->calls));
		ask_tell_asked(a);
	}
}

static bool has_arguments(const struct approval *a, struct span args)
{
	const struct ask_waiter *w;

	DL_FOREACH (a->waiters, w) {
		if (args.len <= SAME_BYTES_MAX && w->args.len == args.len && memcmp(w->args.p, args.p, args.len) == 0)
			return true;
	}
	return false;
}

/* True: they are in the text (or were), so an answer covers them. */
static bool show_arguments(struct approval *a, struct span args)
{
	_cleanup_buf_ struct buf line = BUF_INIT(16 * ASK_ARGS_MAX);
	int r;

	if (a->kinds > 0 && has_arguments(a, args))
		return true;
	if (a->asked)
		return false;
	r = ask_put_arguments(&line, args, a->view->redact, a->kinds == 0);
	if (r == 0 && a->kinds > 0)
		r = buf_append_str(&a->arguments, "\n  and ");
	if (r < 0 || buf_append(&a->arguments, buf_head(&line), line.len) < 0)
		return false;
	a->kinds++;
	return true;
}

static bool asks_the_same(const struct approval *a, const struct ask_request *request)
{
	return a->waiters && a->form.len == 0 && a->view == request->view && a->run == request->run &&
	       a->own == request->own && strcmp(a->server, request->server) == 0 &&
	       strcmp(a->tool, request->tool) == 0 && strcmp(a->rule, request->rule) == 0;
}

static struct approval *approval_new(struct approvals *all, const struct ask_request *request)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct approval *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	id_make(a->id, "ask");
	a->all = all;
	a->view = view_ref(request->view);
	a->run = request->run;
	a->own = request->own;
	a->server = strdup(request->server);
	a->tool = strdup(request->tool);
	a->rule = strdup(request->rule);
	a->arguments = (struct buf)BUF_INIT(ASK_LINES_MAX);
	a->asked_ms = clock_now_ms();
	a->expires_ms = a->asked_ms + (uint64_t)request->view->config->limits.ask_ms;
	if (!a->server || !a->tool || !a->rule || loop_timer_new(all->core->loop, on_timer, a, &a->timer, &err) < 0) {
		free_approval(a);
		return NULL;
	}
	return a;
}

static struct approval *find_or_make(struct approvals *all, const struct ask_request *request)
{
	struct approval *a, *next;

	HASH_ITER (hh, all->open, a, next) {
		if (asks_the_same(a, request) && show_arguments(a, request->args))
			return a;
	}
	a = approval_new(all, request);
	if (!a)
		return NULL;
	if (!ask_has_somebody(a) || !show_arguments(a, request->args)) {
		free_approval(a);
		return NULL;
	}
	ask_name_rule(a);
	HASH_ADD_STR(all->open, id, a);
	loop_timer_start(a->timer, GATHER_MS);
	return a;
}

static void wait_for(struct approval *a, struct ask_waiter *waiter, struct span args, ask_done_fn *done, void *user)
{
	*waiter = (struct ask_waiter){
		.approval = a, .args = args, .since_ns = clock_now_ns(), .done = done, .user = user};
	DL_APPEND(a->waiters, waiter);
	a->calls++;
}

bool ask_person(const struct ask_request *request, struct ask_waiter *waiter, ask_done_fn *done, void *user)
{
	struct approval *a = find_or_make(request->view->core->approvals, request);

	if (a)
		wait_for(a, waiter, request->args, done, user);
	return a != NULL;
}

/* Its words, each line of them begun by two blanks, so that they are not taken for ours. */
static int show_message(struct approval *a, struct span message)
{
	_cleanup_buf_ struct buf text = BUF_INIT(2 * ASK_FORM_MAX);
	int r = span_string(message, &text);
	const char *at, *end;

	if (r < 0)
		return r;
	redact_buf(a->view->redact, &text);
	at = (const char *)buf_head(&text);
	end = at + (text.len < FORM_MESSAGE_MAX ? text.len : span_utf8_floor(at, FORM_MESSAGE_MAX));
	while (r == 0 && at < end) {
		const char *lf = memchr(at, '\n', (size_t)(end - at)), *stop = lf ? lf : end;

		r = buf_append_str(&a->arguments, "\n  ");
		if (r == 0)
			r = visible_put(&a->arguments, at, (size_t)(stop - at));
		at = stop + 1;
	}
	return r;
}

/* The schema goes to whoever fills it in as the server wrote it, without secrets. */
static int take_form(struct approval *a, struct span form)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	int r;

	a->form = (struct buf)BUF_INIT(2 * ASK_FORM_MAX);
	r = form.len > ASK_FORM_MAX ? -E2BIG : buf_append(&a->form, form.p, form.len);
	if (r < 0)
		return r;
	redact_buf(a->view->redact, &a->form);
	return span_check(span_of(buf_head(&a->form), a->form.len), true, NULL, &err);
}

bool ask_form(const struct ask_request *request, struct span message, struct span form, struct ask_waiter *waiter,
	      ask_done_fn *done, void *user)
{
	struct approvals *all = request->view->core->approvals;
	struct approval *a = approval_new(all, request);

	if (!a)
		return false;
	if (!ask_has_somebody(a) || show_message(a, message) < 0 || take_form(a, form) < 0) {
		free_approval(a);
		return false;
	}
	HASH_ADD_STR(all->open, id, a);
	loop_timer_start(a->timer, 0);
	wait_for(a, waiter, SPAN_NONE, done, user);
	return true;
}
