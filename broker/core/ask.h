/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_CORE_ASK_H
#define HAWSER_BROKER_CORE_ASK_H

#include "broker/core/approvals.h"
#include "broker/core/internal.h"

/* The inside of questions, for approvals.c, asktext.c and call*.c. */

/* ---- approvals.c ---- */
enum ask_outcome { ASK_OPEN, ASK_APPROVED, ASK_REFUSED, ASK_EXPIRED, ASK_WITHDRAWN, ASK_NOBODY };

struct ask_end {
	enum ask_outcome outcome;
	const char *id, *by; /* borrowed; by is NULL if nobody answered */
	struct span content; /* of a form that was filled in */
	bool dismissed; /* refused by closing it */
};
typedef void ask_done_fn(void *user, const struct ask_end *end);

/* Embedded in whoever waits for the answer. Several that ask the same wait behind one question. */
struct ask_waiter {
	struct ask_waiter *prev, *next;
	struct approval *approval; /* NULL: waits for nothing */
	struct span args; /* borrowed as long as it waits */
	uint64_t since_ns;
	ask_done_fn *done;
	void *user;
};
/* A question: all of it is plain values, so that it can be kept and asked again. */
struct approval {
	UT_hash_handle hh;
	struct approvals *all;
	char id[ID_TEXT_MAX];
	struct view *view; /* subject, secrets */
	struct run *run; /* NULL: a direct call. It outlives the question: its calls wait for it */
	struct approver *own;
	char *server, *tool, *rule;
	struct buf arguments; /* lines for a person */
	size_t calls, kinds; /* that wait; different arguments among them */
	struct buf form; /* a server asks by a form: its JSON Schema; empty: policy asks about a call */
	struct ask_waiter *waiters;
	struct loop_timer *timer; /* to be asked; then, to expire */
	bool asked;
	uint64_t asked_ms, expires_ms;
	char *always; /* the rule that "always" would write: NAME of allow: NAME; NULL: none can be written */
	const char *from; /* and its from; NULL: none. Of the view */
	size_t above; /* the rule that asked: its number */
	enum ask_outcome outcome;
	char *by, *note;
};
struct approver {
	struct approver *prev, *next;
	struct core *core;
	char *subject;
	uint64_t number; /* never used twice */
	bool follows_all;
	struct approver_events events;
	void *user;
};
enum { ASK_RECENT = 64 }; /* answered questions that a second answer is told about */
struct approvals { /* approvals.c */
	struct core *core;
	struct approval *open; /* by id, oldest first */
	struct approver *approvers;
	uint64_t approver_number; /* of the last one */
	struct loop_timer *check; /* somebody left: is there anybody for each question? */
	struct {
		char id[ID_TEXT_MAX];
		enum ask_outcome outcome;
		char by[64];
	} recent[ASK_RECENT];
	size_t recent_next;
};
const char *ask_outcome_name(enum ask_outcome outcome);

struct ask_request {
	struct view *view;
	struct run *run; /* NULL: a direct call */
	struct approver *own; /* of the client that it comes from, or NULL */
	const char *server, *tool, *rule;
	struct span args;
};
struct approvals *approvals_new(struct core *core);
struct approvals *approvals_free(struct approvals *all);
/* False: nobody is there. Else done once, never inside this call, unless ask_leave() comes first. */
bool ask_person(const struct ask_request *request, struct ask_waiter *waiter, ask_done_fn *done,
		void *user) _must_check_;
/* A question of a server, during a call of it: message is its words, form the schema of the answer. */
bool ask_form(const struct ask_request *request, struct span message, struct span form, struct ask_waiter *waiter,
	      ask_done_fn *done, void *user) _must_check_;
/* Does not wait any more; a question that nobody waits for is withdrawn on the next turn. */
void ask_leave(struct ask_waiter *waiter);
/* Ends it: whoever waits is told, whoever was asked too. by may be NULL. a is gone. */
void ask_over(struct approval *a, enum ask_outcome outcome, const char *by);
/* The same with what else there is to tell the waiters: end has everything but id and by. */
void ask_over_with(struct approval *a, const struct ask_end *end, const char *by);

/* ---- answers.c ---- */
enum { ASK_FORM_MAX = 64 << 10 }; /* bytes of a server's question, and of the answer to it */
/* The open question of this subject with that id, or with that beginning of it (8 characters at least). -ENOENT,
 * -EALREADY; -EINVAL: several begin so, open or just over, two of which the error names. */
int ask_find(struct approvals *all, const char *subject, const char *id, struct approval **ret,
	     struct error *err) _must_check_;

/* ---- always.c ---- */
/* Sets a->always, a->from and a->above. */
void ask_name_rule(struct approval *a);
/* The rule as it is written. */
int ask_put_rule(const struct approval *a, struct buf *out) _must_check_;
/* Writes the rule; a->note says what came of it. True: the tool is allowed from now on, also in runs that go on. */
bool ask_write_rule(struct approval *a);
/* Was "always" said of this tool since the view was made? */
bool ask_is_granted(const struct view *view, const char *server, const char *tool);

/* ---- approvers.c ---- */
/* Is there anybody who may answer it? */
bool ask_has_somebody(const struct approval *a);
void ask_tell_asked(struct approval *a);
void ask_tell_over(struct approval *a);

/* ---- asktext.c: pure ---- */
enum {
	ASK_TEXT_MAX = 64 << 10, /* bytes of a whole question: what is asked, names of tools, the path of a file */
	ASK_LINES_MAX = 6 << 10, /* of what is asked: arguments of all its calls, or the words of a server */
	ASK_ARGS_MAX = 2 << 10, /* about so many of one call's arguments in it, and names of more behind */
	ASK_VALUE_MAX = 240, /* of one value */
};
/* "name: value", a line (begun with indent) or a part of one line for each argument. args is a checked object. */
int ask_put_arguments(struct buf *out, struct span args, const struct redact *redact, bool lines) _must_check_;

#endif
