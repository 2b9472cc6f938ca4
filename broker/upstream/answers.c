/* SPDX-License-Identifier: Apache-2.0 */
/* What a server says about calls: results, errors, progress, and lines that should have been one of these. */
#include "broker/upstream/request.h"

#include <stdio.h>
#include <string.h>

/* The value that an answer is about, in storage of its own: the line's, if there is one. */
static void own_value(struct span value, struct buf *line, struct buf *ret)
{
	if (line) {
		*ret = *line;
		*line = (struct buf)BUF_INIT(line->max);
		ret->start = (size_t)(value.p - (const char *)ret->data);
		ret->len = value.len;
		return;
	}
	*ret = (struct buf)BUF_INIT(value.len);
	if (buf_append(ret, value.p, value.len) < 0)
		abort(); /* without memory */
}

static char *error_message(const struct upstream *u, const struct jsonrpc_message *m)
{
	_cleanup_buf_ struct buf text = BUF_INIT(UPSTREAM_TEXT_MAX * 8);
	_cleanup_free_ char *message = span_strdup(m->error.message, UPSTREAM_TEXT_MAX * 4);

	if (m->kind == JSONRPC_INVALID)
		(void)!buf_printf(&text, "server \"%.64s\" gave an answer that is no JSON-RPC message: %s", u->name,
				  m->fault);
	else if (m->kind == JSONRPC_RESPONSE)
		(void)!buf_printf(&text, "server \"%.64s\" gave a result that is no object", u->name);
	else
		(void)!buf_append_str(&text, message ? message : "an error without a message");
	upstream_clean_text(u, &text);
	return buf_steal(&text, NULL);
}

void calls_answer(struct upstream *u, uint64_t id, const struct jsonrpc_message *m, struct buf *line)
{
	_cleanup_buf_ struct buf value = BUF_INIT(0);
	_cleanup_free_ char *message = NULL;
	struct upstream_request *r = upstream_request_find(u, id);
	struct upstream_reply reply = {.outcome = UPSTREAM_ERROR, .result = &value, .sent = true};

	if (!r) { /* cancelled or timed out before */
		unanswered_remove(&u->unanswered, id);
		return;
	}
	upstream_request_leave(r);
	if (m->kind == JSONRPC_RESPONSE && span_type(m->result) == SPAN_OBJECT) {
		reply.outcome = UPSTREAM_OK;
		own_value(m->result, line, &value);
	} else {
		message = error_message(u, m);
		own_value(m->kind == JSONRPC_ERROR ? m->error.whole : m->whole, line, &value);
	}
	reply.message = message;
	r->done(r->user, &reply);
	upstream_request_free(r);
}

void calls_progress(struct upstream *u, struct span params)
{
	struct upstream_request *r;
	int64_t token;

	if (span_int64(span_member(params, "progressToken"), &token) < 0 || token <= 0)
		return;
	r = upstream_request_find(u, (uint64_t)token);
	if (r && r->progress)
		r->progress(r->user, params);
}

/* The number behind the last (or first) "id": in text; 0 if there is none. */
static uint64_t scan_id(struct span text, bool last)
{
	uint64_t id = 0;

	for (size_t i = 0; i + 6 < text.len; i++) {
		uint64_t value = 0;
		size_t at = i + 4;

		if (memcmp(text.p + i, "\"id\"", 4) != 0)
			continue;
		while (at < text.len && (text.p[at] == ':' || text.p[at] == ' '))
			at++;
		for (; at < text.len && text.p[at] >= '0' && text.p[at] <= '9' && value < UINT64_MAX / 16; at++)
			value = value * 10 + (uint64_t)(text.p[at] - '0');
		if (value && !last)
			return value;
		if (value)
			id = value;
	}
	return id;
}

bool calls_spoilt(struct upstream *u, struct span head, struct span tail, enum upstream_outcome outcome,
		  const char *message)
{
	struct upstream_request *r = upstream_request_find(u, scan_id(tail, true));

	if (!r)
		r = upstream_request_find(u, scan_id(head, false));
	if (!r && outcome == UPSTREAM_TOO_LARGE && requests_sent(u) == 1)
		r = u->sent;
	if (r)
		upstream_request_over(r, outcome, message);
	return r != NULL;
}
