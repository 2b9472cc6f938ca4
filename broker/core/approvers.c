/* SPDX-License-Identifier: Apache-2.0 */
/* Who can be asked, and the question as they read it. */
#include "broker/core/ask.h"
#include "broker/core/runs.h"

#include "base/clock.h"
#include "base/jsonrpc.h"
#include "base/visible.h"

#include <errno.h>
#include <string.h>

int approver_new(struct core *core, const char *subject, bool follows_all, const struct approver_events *events,
		 void *user, struct approver **ret, struct error *err)
{
	struct approver *approver = calloc(1, sizeof(*approver));

	if (!approver || !(approver->subject = strdup(subject))) {
		free(approver);
		return error_set(err, -ENOMEM, "no memory for somebody who is asked");
	}
	approver->core = core;
	approver->number = ++core->approvals->approver_number;
	approver->follows_all = follows_all;
	approver->events = *events;
	approver->user = user;
	DL_APPEND(core->approvals->approvers, approver);
	*ret = approver;
	return 0;
}

struct approver *approver_free(struct approver *approver)
{
	struct approval *a, *next;
	struct client *c;

	if (!approver)
		return NULL;
	DL_DELETE(approver->core->approvals->approvers, approver);
	DL_FOREACH (approver->core->clients, c) {
		if (c->approver == approver)
			c->approver = NULL;
	}
	HASH_ITER (hh, approver->core->approvals->open, a, next) {
		if (a->own == approver)
			a->own = NULL;
	}
	/* The others learn of it on a turn of their own: a connection is being taken apart here. */
	loop_timer_start(approver->core->approvals->check, 0);
	free(approver->subject);
	free(approver);
	return NULL;
}

void client_set_approver(struct client *c, struct approver *approver)
{
	c->approver = approver;
}

static bool may_answer(const struct approver *approver, const struct approval *a)
{
	return a->own == approver || (approver->follows_all && strcmp(approver->subject, a->view->subject) == 0);
}

bool ask_has_somebody(const struct approval *a)
{
	const struct approver *approver;

	DL_FOREACH (a->all->approvers, approver) {
		if (may_answer(approver, a))
			return true;
	}
	return false;
}

/* A callback may free its own approver, no other one. */
void ask_tell_asked(struct approval *a)
{
	struct approver *approver, *next;

	DL_FOREACH_SAFE (a->all->approvers, approver, next) {
		if (may_answer(approver, a))
			approver->events.asked(approver->user, a);
	}
}

void ask_tell_over(struct approval *a)
{
	struct approver *approver, *next;

	DL_FOREACH_SAFE (a->all->approvers, approver, next) {
		if (a->asked && may_answer(approver, a))
			approver->events.over(approver->user, a);
	}
}

void approver_catch_up(struct approver *approver)
{
	struct approval *a, *next;

	HASH_ITER (hh, approver->core->approvals->open, a, next) {
		if (a->asked && may_answer(approver, a))
			approver->events.asked(approver->user, a);
	}
}

void approver_decline(struct approver *approver, const struct approval *a)
{
	struct approval *open;

	HASH_FIND_STR(approver->core->approvals->open, a->id, open);
	if (open && open->own == approver)
		open->own = NULL;
	loop_timer_start(approver->core->approvals->check, 0);
}

/* ---- what they read ---- */

const char *approval_id(const struct approval *a)
{
	return a->id;
}

const char *approval_outcome(const struct approval *a)
{
	return ask_outcome_name(a->outcome);
}

const char *approval_by(const struct approval *a)
{
	return a->by;
}

const char *approval_note(const struct approval *a)
{
	return a->note;
}

struct span approval_form(const struct approval *a)
{
	return a->form.len ? span_of(buf_head(&a->form), a->form.len) : SPAN_NONE;
}

bool approval_has_always(const struct approval *a)
{
	return a->always != NULL;
}

enum { NAME_SHOWN = 128 };

/* Names are chosen by servers and by projects: letters that look like others are told apart. */
static int put_name(struct buf *out, const char *name)
{
	size_t n = strnlen(name, NAME_SHOWN + 1);
	int r = visible_put_ascii(out, name, n > NAME_SHOWN ? span_utf8_floor(name, NAME_SHOWN) : n);

	return r || n <= NAME_SHOWN ? r : buf_append_str(out, "...");
}

/* A project names its servers as it likes, also as the user's own are named. */
static int put_origin(const struct approval *a, struct buf *out)
{
	const struct view *view = a->view;
	const char *project = NULL;
	int r;

	for (size_t i = 0; i < view->config->server_count && !project; i++)
		if (strcmp(view->names[i].name, a->server) == 0)
			project = view->names[i].project;
	if (!project)
		return 0;
	r = buf_append_str(out, " (a server of the project's file ");
	if (r == 0)
		r = visible_put(out, project, strlen(project));
	return r ? r : buf_append_str(out, ")");
}

static int put_so_far(const struct run *run, struct buf *out)
{
	struct tool_count *count, *next;
	size_t n = 0;
	int r = buf_printf(out, "\nThe run so far: %.1f s", (double)(clock_now_ms() - run->started_ms) / 1000);

	HASH_ITER (hh, run->counts, count, next) {
		if (r < 0 || n++ >= 12)
			break;
		r = buf_append_str(out, ", ");
		if (r == 0)
			r = put_name(out, count->server);
		if (r == 0)
			r = buf_append_str(out, ".");
		if (r == 0)
			r = put_name(out, count->tool);
		if (r == 0)
			r = buf_printf(out, " %llu", (unsigned long long)count->calls);
	}
	if (r == 0 && n == 0)
		r = buf_append_str(out, ", no calls");
	else if (r == 0 && HASH_COUNT(run->counts) > n)
		r = buf_append_str(out, ", ...");
	return r;
}

static const char *rule_says(const struct approval *a)
{
	return strcmp(a->rule, "default") == 0 ? "the default policy" : a->rule;
}

/* What "always" would write, before it does. */
static int put_always(const struct approval *a, struct buf *out)
{
	const char *path = a->view->config->path;
	int r = buf_append_str(out, "\n\"always\" adds to ");

	if (r == 0)
		r = visible_put(out, path, strlen(path));
	if (r == 0 && strcmp(a->rule, "default") != 0)
		r = buf_printf(out, ", above %s", a->rule);
	if (r == 0)
		r = buf_append_str(out, ": ");
	return r ? r : ask_put_rule(a, out);
}

int approval_text(const struct approval *a, struct buf *out)
{
	int r = put_name(out, a->server);

	if (r == 0)
		r = buf_append_str(out, ".");
	if (r == 0)
		r = put_name(out, a->tool);
	if (r == 0)
		r = put_origin(a, out);
	if (r == 0 && a->form.len)
		r = buf_append_str(out, " asks you (the words are the server's)");
	else if (r == 0)
		r = buf_printf(out, " wants your word (%s asks)", rule_says(a));
	if (r == 0 && a->calls > 1)
		r = buf_printf(out, ", for %zu calls", a->calls);
	if (r == 0)
		r = buf_append_str(out, ":");
	if (r == 0)
		r = buf_append(out, buf_head(&a->arguments), a->arguments.len);
	if (r == 0 && a->run)
		r = put_so_far(a->run, out);
	return r || !a->always ? r : put_always(a, out);
}

int approval_json(const struct approval *a, struct buf *out)
{
	_cleanup_buf_ struct buf text = BUF_INIT(ASK_TEXT_MAX);
	uint64_t now = clock_now_ms();
	json_auto_t *object = NULL;
	int r = approval_text(a, &text);

	if (r < 0)
		return r;
	object = json_pack("{s:s, s:s?, s:s, s:s, s:s, s:I, s:s?, s:I, s:I, s:s%}", "id", a->id, "run",
			   a->run ? a->run->id : NULL, "server", a->server, "tool", a->tool, "rule", a->rule, "calls",
			   (json_int_t)a->calls, "always", a->always, "asked_ms", (json_int_t)(now - a->asked_ms),
			   "left_ms", (json_int_t)(a->expires_ms > now ? a->expires_ms - now : 0), "text",
			   (const char *)buf_head(&text), text.len);
	if (!object)
		return -ENOMEM;
	r = json_print(out, object);
	if (r < 0 || a->form.len == 0)
		return r;
	out->len--; /* the brace: the schema goes in as it is */
	r = buf_append_str(out, ",\"form\":");
	if (r == 0)
		r = jsonrpc_append_raw(out, approval_form(a));
	return r ? r : buf_append_str(out, "}");
}

int approvals_list(struct core *core, const char *subject, struct buf *out)
{
	struct approval *a, *next;
	size_t n = 0;
	int r = buf_append_str(out, "[");

	HASH_ITER (hh, core->approvals->open, a, next) {
		if (r < 0 || !a->asked || strcmp(a->view->subject, subject) != 0)
			continue;
		if (n++ > 0)
			r = buf_append_str(out, ",");
		if (r == 0)
			r = approval_json(a, out);
	}
	return r ? r : buf_append_str(out, "]");
}
