/* SPDX-License-Identifier: Apache-2.0 */
/* What the status line and the headers of an answer mean, and what is told of a refusal. */
#include "broker/upstream/http-internal.h"

#include "base/http-url.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char *name_of(int status)
{
	static const struct {
		int status;
		const char *name;
	} names[] = {
		{400, " Bad Request"},       {401, " Unauthorized"},        {403, " Forbidden"},
		{404, " Not Found"},         {405, " Method Not Allowed"},  {406, " Not Acceptable"},
		{413, " Content Too Large"}, {429, " Too Many Requests"},   {500, " Internal Server Error"},
		{502, " Bad Gateway"},       {503, " Service Unavailable"}, {504, " Gateway Timeout"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i].status == status)
			return names[i].name;
	return "";
}

static bool is_type(const char *header, const char *type)
{
	size_t len = strlen(type);

	return header && strncasecmp(header, type, len) == 0 && (!header[len] || strchr("; \t", header[len]));
}

static bool has_header(const struct http_transport *t, const char *name)
{
	size_t len = strlen(name);

	for (char **line = t->headers; *line; line++)
		if (strncasecmp(*line, name, len) == 0 && (*line)[len] == ':')
			return true;
	return false;
}

/* ---- redirects ---- */

/* "moved" sends the same message to where the server says; to no other host: headers are for the one they were written
 * for, and arguments too. */
static void follow(struct exchange *ex, int status)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	const char *where = http_header(ex->http, "Location");
	_cleanup_free_ char *url = NULL;
	char why[1024];

	if (!where || http_url_join(ex->url, where, &url, &err) < 0) {
		snprintf(why, sizeof(why), "redirects (%d) to nowhere that can be used%s%.200s", status,
			 where ? ": " : "", where ? error_text(&err) : "");
		exchange_lost(ex, UPSTREAM_DOWN, why);
	} else if (!http_url_same_origin(ex->t->url, url)) {
		snprintf(why, sizeof(why),
			 "redirects to %.600s, which is another host; if you trust it, write that as its url", url);
		exchange_lost(ex, UPSTREAM_DOWN, why);
	} else if (++ex->redirects > HTTP_REDIRECTS_MAX) {
		exchange_lost(ex, UPSTREAM_DOWN, "redirects in a circle");
	} else {
		free(ex->url);
		ex->url = TAKE_PTR(url);
		exchange_start(ex);
	}
}

/* ---- the head ---- */

static void keep_session(struct exchange *ex)
{
	struct http_transport *t = ex->t;
	const char *id = http_header(ex->http, "Mcp-Session-Id");

	if (strcmp(ex->url, t->target) != 0) { /* it was redirected: the others go there at once */
		free(t->target);
		t->target = strdup(ex->url);
		if (!t->target)
			abort();
	}
	t->session[0] = '\0';
	if (id && strlen(id) <= HTTP_SESSION_MAX)
		strcpy(t->session, id);
}

/* What its body is. */
static enum exchange_body kind_of_body(const struct exchange *ex)
{
	const char *type = http_header(ex->http, "Content-Type");

	if (ex->status >= 300)
		return BODY_FAULT;
	if (is_type(type, "text/event-stream") && (ex->id || ex->kind == EXCHANGE_LISTEN))
		return BODY_EVENTS;
	if (ex->kind == EXCHANGE_LISTEN || (ex->resumes && ex->id))
		return BODY_FAULT;
	if (!ex->id || ex->t->old)
		return BODY_IGNORED;
	return is_type(type, "application/json") || ex->status == 202 ? BODY_JSON : BODY_FAULT;
}

void answer_head(struct exchange *ex, int status)
{
	struct http_transport *t = ex->t;

	ex->left = true;
	if (!t->peer_known && !ex->theirs) {
		t->peer_known = true;
		t->peer_private = http_peer_is_private(ex->http);
	}
	if (status >= 300 && status < 400 && status != 304 && ex->kind != EXCHANGE_LEAVE) {
		follow(ex, status);
		return;
	}
	ex->status = status;
	ex->body_kind = kind_of_body(ex);
	buf_done(&ex->text);
	ex->text = (struct buf)BUF_INIT(ex->body_kind == BODY_JSON ? t->message_max : HTTP_FAULT_MAX);
	if (ex->kind == OUTGOING_INITIALIZE && status < 300 && !t->old)
		keep_session(ex);
	if (ex->body_kind == BODY_EVENTS) {
		sse_restart(&ex->sse);
		if (ex->kind == EXCHANGE_LISTEN)
			t->listened = true;
	}
}

/* ---- refusals ---- */

/* The server's words, if they are meant for people: a line of text, or the message of a JSON-RPC error. */
static char *words_of(const struct exchange *ex)
{
	const char *text = (const char *)buf_head(&ex->text);
	size_t len = ex->text.len < 300 ? ex->text.len : 300;

	if (ex->fault)
		return strdup(ex->fault);
	if (!len || text[0] == '<') /* HTML */
		return NULL;
	return strndup(text, strcspn(strndupa(text, len), "\r\n"));
}

void answer_describe(const struct exchange *ex, char why[1024])
{
	_cleanup_free_ char *words = words_of(ex);
	const char *hint = "";

	if (ex->status == 401)
		hint = has_header(ex->t, "Authorization")
			       ? "; it does not take the Authorization header of its entry: is the token still good?"
			       : "; OAuth is not in this version: write headers: {Authorization: \"Bearer ${TOKEN}\"} "
				 "in its entry";
	else if (ex->t->old && ex->kind == EXCHANGE_LISTEN && !ex->t->first_fault)
		hint = "; if it speaks Streamable HTTP, write type: http";
	else if (ex->status == 403)
		hint = "; check the headers of its entry";
	else if ((ex->status == 404 || ex->status == 405) && ex->kind != OUTGOING_CALL)
		hint = "; check the url of its entry";
	if (ex->status < 300)
		snprintf(why, 1024, "answered with what is no MCP message (%.100s)",
			 ex->http && http_header(ex->http, "Content-Type") ? http_header(ex->http, "Content-Type")
									   : "no Content-Type");
	else
		snprintf(why, 1024, "answered %d%s%s%.300s%s", ex->status, name_of(ex->status), words ? ": " : "",
			 words ? words : "", hint);
}

/* 404 is the word for it; many servers say 400 before they look into the message. */
static bool means_no_session(const struct exchange *ex)
{
	return ex->in_session && (ex->status == 404 || ex->status == 400);
}

/* A call goes back, and the handshake is made anew. */
static void session_is_gone(struct exchange *ex, const char *why)
{
	_cleanup_buf_ struct buf body = ex->body;
	struct http_transport *t = ex->t;
	unsigned session = ex->session;
	uint64_t id = ex->id;

	ex->body = (struct buf)BUF_INIT(0);
	if (ex->kind == OUTGOING_CALL) {
		exchange_free(ex);
		t->events.returned(t->user, id, &body, true, why);
	} else {
		exchange_lost(ex, UPSTREAM_DOWN, why);
	}
	if (!t->leaving)
		http_forgot(t, session, why);
}

/* A refusal may be a JSON-RPC error: of this very request, then it is its answer, or of the HTTP request as a whole,
 * then its text is worth showing. */
static bool is_answer(struct exchange *ex)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct jsonrpc_message m;
	int64_t id;

	if (!ex->id || jsonrpc_parse(span_of(buf_head(&ex->text), ex->text.len), false, &m, &err) < 0 ||
	    m.kind != JSONRPC_ERROR)
		return false;
	free(ex->fault);
	ex->fault = span_strdup(m.error.message, 300);
	if (ex->status == 401 || ex->status == 403 || (ex->status == 404 && ex->in_session) ||
	    span_int64(m.id, &id) < 0 || (uint64_t)id != ex->id)
		return false;
	stream_message(ex, &m, NULL);
	return true;
}

void answer_refused(struct exchange *ex)
{
	struct http_transport *t = ex->t;
	char why[1024];

	if (is_answer(ex)) {
		exchange_free(ex);
		return;
	}
	answer_describe(ex, why);
	if (ex->resumes) { /* the message itself was taken: it must not go again */
		exchange_lost(ex, UPSTREAM_DOWN, why);
		return;
	}
	if (ex->kind == OUTGOING_INITIALIZE && !t->old &&
	    (ex->status == 400 || ex->status == 404 || ex->status == 405)) {
		free(t->first_fault);
		t->first_fault = strdup(why);
		http_turn_old(t, ex);
		return;
	}
	if ((ex->kind == OUTGOING_CALL || ex->kind == OUTGOING_LIST) && means_no_session(ex)) {
		session_is_gone(ex, why);
		return;
	}
	exchange_lost(ex, UPSTREAM_DOWN, why);
}
