/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions to whoever sits at the other end: approvals.here (about this connection's own runs and calls) or
 * approvals.follow (about all) make it somebody who is asked, by notifications approval.asked and approval.over;
 * approvals.answer gives the word, from any connection.
 */
#include "broker/doors/local/internal.h"

#include <errno.h>
#include <string.h>

enum { APPROVAL_BYTES_MAX = 256 * 1024, APPROVALS_BYTES_MAX = 16 * 1024 * 1024 };

static void on_asked(void *user, const struct approval *a)
{
	_cleanup_buf_ struct buf params = BUF_INIT(APPROVAL_BYTES_MAX);

	if (approval_json(a, &params) == 0)
		conn_notify(user, "approval.asked", span_of(buf_head(&params), params.len));
}

static void on_over(void *user, const struct approval *a)
{
	_cleanup_buf_ struct buf params = BUF_INIT(4096);
	const char *by = approval_by(a), *note = approval_note(a);
	int r = buf_printf(&params, "{\"id\":\"%s\",\"outcome\":\"%s\"", approval_id(a), approval_outcome(a));

	if (r == 0 && by)
		r = buf_append_member(&params, "by", by);
	if (r == 0 && note)
		r = buf_append_member(&params, "note", note);
	if (r == 0 && buf_append_str(&params, "}") == 0)
		conn_notify(user, "approval.over", span_of(buf_head(&params), params.len));
}

static const struct approver_events events = {.asked = on_asked, .over = on_over};

void method_approvals_list(struct request *q, struct span params)
{
	_cleanup_buf_ struct buf out = BUF_INIT(APPROVALS_BYTES_MAX);

	(void)params;
	if (approvals_list(q->conn->local->o.core, door_client_subject(q->conn->client), &out) < 0)
		request_fail(q, LOCAL_CODE_FAILED, "the list of questions is too long");
	else
		request_answer_buf(q, &out);
}

static int give(struct request *q, const char *id, struct approval_answer *answer, bool final, struct buf *note,
		struct error *err)
{
	struct core *core = q->conn->local->o.core;
	const char *subject = door_client_subject(q->conn->client);
	int r = approval_answer(core, subject, id, answer, note, err);

	if (r != -EINVAL || !final)
		return r;
	error_done(err);
	answer->approve = false;
	return approval_answer(core, subject, id, answer, note, err);
}

/* {id, approve, always, content, final, how}: content fills a server's form in (one that does not fit is a refusal if
 * final); how is a word for the audit log. */
void method_approvals_answer(struct request *q, struct span params)
{
	_cleanup_free_ char *id = params.p ? span_strdup(span_member(params, "id"), 64) : NULL;
	_cleanup_free_ char *how = params.p ? span_strdup(span_member(params, "how"), 32) : NULL;
	struct span approve = params.p ? span_member(params, "approve") : SPAN_NONE;
	_cleanup_error_ struct error err = ERROR_INIT;
	struct approval_answer answer = {.approve = span_bool(approve, false), .by = how ? how : "the local door"};
	_cleanup_buf_ struct buf note = BUF_INIT(8192), out = BUF_INIT(64 * 1024);

	if (!id || !approve.p)
		return request_fail(q, JSONRPC_INVALID_PARAMS, "approvals.answer wants {id, approve}");
	answer.content = span_member(params, "content");
	answer.always = span_bool(span_member(params, "always"), false);
	if (give(q, id, &answer, span_bool(span_member(params, "final"), false), &note, &err) < 0)
		return request_fail_error(q, LOCAL_CODE_FAILED, &err);
	if (note.len == 0)
		request_answer(q, SPAN_LIT("{}"));
	else if (buf_append_str(&out, "{\"note\":") < 0 ||
		 buf_append_json(&out, (const char *)buf_head(&note), note.len) < 0 || buf_append_str(&out, "}") < 0)
		request_fail(q, LOCAL_CODE_FAILED, "no memory");
	else
		request_answer_buf(q, &out);
}

/* {name}: takes the rule `allow: name` out of the configuration. */
void method_policy_forget(struct request *q, struct span params)
{
	_cleanup_free_ char *name = params.p ? span_strdup(span_member(params, "name"), 512) : NULL;
	_cleanup_error_ struct error err = ERROR_INIT;

	if (!name)
		return request_fail(q, JSONRPC_INVALID_PARAMS, "policy.forget wants {name}");
	if (approvals_forget(door_client_get(q->conn->client), name, &err) < 0)
		return request_fail_error(q, LOCAL_CODE_FAILED, &err);
	request_answer(q, SPAN_LIT("{}"));
}

void method_approvals_here(struct request *q, struct span params)
{
	_cleanup_error_ struct error err = ERROR_INIT;

	(void)params;
	if (door_client_ask(q->conn->client, false, &events, q->conn, &err) < 0)
		request_fail_error(q, LOCAL_CODE_FAILED, &err);
	else
		request_answer(q, SPAN_LIT("{}"));
}

/* Is answered by nothing but notifications, as long as the connection lasts. */
void method_approvals_follow(struct request *q, struct span params)
{
	_cleanup_error_ struct error err = ERROR_INIT;

	(void)params;
	if (door_client_ask(q->conn->client, true, &events, q->conn, &err) < 0)
		return request_fail_error(q, LOCAL_CODE_FAILED, &err);
	q->lasts = true;
	request_notify(q, "approval.following", SPAN_LIT("\"following\":true"));
	approver_catch_up(door_client_approver(q->conn->client));
}
