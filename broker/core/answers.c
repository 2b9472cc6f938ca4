/* SPDX-License-Identifier: Apache-2.0 */
/* Answers to questions: which one is meant, whether the answer fits it, and what it brings with it. */
#include "broker/core/ask.h"

#include <errno.h>
#include <string.h>

enum { ID_BEGINNING_LEAST = 8 }; /* characters: four random ones (20 bits) after ask_ */

static int say_it_is_over(const struct approvals *all, const char *id, struct error *err)
{
	for (size_t i = 0; i < ASK_RECENT; i++) {
		const char *by = all->recent[i].by;

		if (all->recent[i].outcome != ASK_OPEN && strcmp(all->recent[i].id, id) == 0)
			return error_set(err, -EALREADY, "%s was %s already%s%s", id,
					 all->recent[i].outcome == ASK_NOBODY
						 ? "refused (nobody was there)"
						 : ask_outcome_name(all->recent[i].outcome),
					 *by ? ", by " : "", by);
	}
	return error_set(err, -ENOENT, "there is no question %.32s; hawser approvals lists those that are open", id);
}

/* "Always" answers what else is asked about this tool by the same rules. */
static void answer_others(struct approvals *all, struct view *view, const char *name, const char *by)
{
	struct approval *a = all->open;

	while (a) {
		bool answered = a->view == view && a->always && strcmp(a->always, name) == 0;

		if (answered)
			ask_over(a, ASK_APPROVED, by);
		a = answered ? all->open : a->hh.next;
	}
}

/* Does what was filled in fit the form? */
static int check_content(const struct approval *a, const struct approval_answer *answer, struct error *err)
{
	static const struct span nothing = SPAN_LIT("{}");
	struct span content = answer->content.p ? answer->content : nothing;
	_cleanup_buf_ struct buf faults = BUF_INIT(4096);
	struct schema *schema = NULL;
	bool fits;

	if (a->form.len == 0 || !answer->approve)
		return 0;
	if (span_type(content) != SPAN_OBJECT || content.len > ASK_FORM_MAX)
		return error_set(err, -EINVAL, "the answer must be a JSON object of at most %d bytes", ASK_FORM_MAX);
	if (schema_compile(span_of(buf_head(&a->form), a->form.len), &schema, err) < 0) {
		error_done(err); /* a schema that says nothing to us is the server's to check */
		return 0;
	}
	fits = schema_check(schema, content, &faults);
	schema_free(schema);
	return fits ? 0
		    : error_set(err, -EINVAL, "the answer does not fit the form: %.*s", (int)faults.len,
				(const char *)buf_head(&faults));
}

/* Adds one that has this beginning. Returns how many there are by now. */
static size_t add_found(const char *found[2], size_t n, const char *id)
{
	if (n < 2)
		found[n] = id;
	return n + 1;
}

/* A beginning must be of one question, of those that are over too: whoever types it may mean one that ended meanwhile,
 * and an answer to another is none that he gave. */
static int find_by_beginning(struct approvals *all, const char *subject, const char *id, struct approval **ret,
			     struct error *err)
{
	size_t len = strlen(id), n = 0;
	struct approval *a, *open = NULL;
	const char *found[2];

	for (a = all->open; a; a = a->hh.next) {
		if (strcmp(a->view->subject, subject) != 0 || strncmp(a->id, id, len) != 0)
			continue;
		open = a;
		n = add_found(found, n, a->id);
	}
	for (size_t i = 0; open && i < ASK_RECENT; i++)
		if (all->recent[i].outcome != ASK_OPEN && strncmp(all->recent[i].id, id, len) == 0)
			n = add_found(found, n, all->recent[i].id);
	if (n > 1)
		return error_set(err, -EINVAL, "%s is the beginning of %s and of %s: write the whole id", id, found[0],
				 found[1]);
	*ret = open;
	return 0;
}

int ask_find(struct approvals *all, const char *subject, const char *id, struct approval **ret, struct error *err)
{
	struct approval *a;
	int r = 0;

	HASH_FIND_STR(all->open, id, a);
	if (a && strcmp(a->view->subject, subject) != 0)
		a = NULL;
	else if (!a && strlen(id) >= ID_BEGINNING_LEAST && strlen(id) < ID_TEXT_MAX)
		r = find_by_beginning(all, subject, id, &a, err);
	if (r == 0 && !a)
		r = say_it_is_over(all, id, err);
	if (r == 0)
		*ret = a;
	return r;
}

int approval_answer(struct core *core, const char *subject, const char *id, const struct approval_answer *answer,
		    struct buf *note, struct error *err)
{
	struct approvals *all = core->approvals;
	_cleanup_free_ char *always = NULL;
	struct ask_end end = {.content = answer->content, .dismissed = answer->dismissed};
	struct view *view;
	struct approval *a = NULL;
	int r = ask_find(all, subject, id, &a, err);

	if (r < 0 || !a)
		return r;
	r = check_content(a, answer, err);
	if (r < 0)
		return r;
	view = view_ref(a->view);
	if (answer->approve && answer->always && ask_write_rule(a))
		always = strdup(a->always);
	if (note && a->note && buf_append_str(note, a->note) < 0)
		buf_clear(note);
	end.outcome = answer->approve ? ASK_APPROVED : ASK_REFUSED;
	ask_over_with(a, &end, answer->by);
	if (always)
		answer_others(all, view, always, answer->by);
	view_unref(view);
	return 0;
}
