/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_CORE_APPROVALS_H
#define HAWSER_BROKER_CORE_APPROVALS_H

#include "broker/core/core.h"

/*
 * Questions to a person, as the doors see them. A call that policy wants a word on waits behind an *approval*; whoever
 * is there is an *approver*: the connection that the run came from, where it can ask somebody, and those who follow all
 * questions of their subject. The first answer counts. Nobody there: there is no question, the call is refused at once.
 */
struct approval;
struct approver;

struct approver_events {
	/* A question that this approver may answer. Valid until over(). */
	void (*asked)(void *user, const struct approval *a);
	/* Answered, expired or withdrawn: approval_outcome() says which. Also for one that was never asked. */
	void (*over)(void *user, const struct approval *a);
};
/* follows_all: of all runs of the subject, else only of clients that it was set for. Never calls back inside this. */
int approver_new(struct core *core, const char *subject, bool follows_all, const struct approver_events *events,
		 void *user, struct approver **ret, struct error *err) _must_check_;
/* Questions that nobody else can answer are refused on the next turn. */
struct approver *approver_free(struct approver *approver);
/* Who is asked about the runs and calls of this client; NULL: nobody. */
void client_set_approver(struct client *c, struct approver *approver);
/* Calls asked() for every open question. */
void approver_catch_up(struct approver *approver);
/* This approver cannot ask after all. */
void approver_decline(struct approver *approver, const struct approval *a);

const char *approval_id(const struct approval *a);
/* "approved", "refused", "expired", "withdrawn"; NULL while it is open. */
const char *approval_outcome(const struct approval *a);
const char *approval_by(const struct approval *a);
/* What came of "always", for a person; NULL: it was not said. */
const char *approval_note(const struct approval *a);
/* A server asks during a call of it: the JSON Schema of the answer, as it wrote it. SPAN_NONE: policy asks about a
 * call. */
struct span approval_form(const struct approval *a);
/* Can "always" be said? */
bool approval_has_always(const struct approval *a);
/* What a person reads: who wants what, by which rule, what the run did so far. Known secrets are blanked, long values
 * cut; no character of it commands a terminal or hides another. */
int approval_text(const struct approval *a, struct buf *out) _must_check_;
/* {"id", "run", "server", "tool", "rule", "calls", "always", "form", "asked_ms", "left_ms", "text"} */
int approval_json(const struct approval *a, struct buf *out) _must_check_;
/* [approval, ...], oldest first. */
int approvals_list(struct core *core, const char *subject, struct buf *out) _must_check_;

struct approval_answer {
	bool approve;
	bool always; /* and a rule that allows exactly this tool goes into the configuration */
	bool dismissed; /* not approved: closed without an answer */
	struct span content; /* of a form: a checked object; SPAN_NONE: {} */
	const char *by; /* who and how, for the audit log and whoever else was asked: "terminal" */
};
/* id: whole, or a beginning of at least 8 characters that only one open question of this subject has.
 * Compare-and-set: -EINVAL (the content does not fit the form: the question stays open), -EALREADY (answered before, or
 * over: err says how and by whom), -ENOENT. note (may be NULL) gets what came of "always": a rule that cannot be
 * written is an answer for this once. */
int approval_answer(struct core *core, const char *subject, const char *id, const struct approval_answer *answer,
		    struct buf *note, struct error *err) _must_check_;
/* Takes a rule that "always" wrote out of the configuration: allow: name. */
int approvals_forget(struct client *c, const char *name, struct error *err) _must_check_;

#endif
