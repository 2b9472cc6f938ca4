/* SPDX-License-Identifier: Apache-2.0 */
/* Questions of a server to a person: answered once, gone with their server. */
#include "broker/upstream/request.h"

#include <stdlib.h>
#include <string.h>

enum { ASKS_MAX = 32, ASK_PARAMS_MAX = 64 << 10 };

struct upstream_ask {
	struct upstream_ask *prev, *next;
	struct upstream *u;
	char *id; /* raw JSON */
};

static void respond(struct upstream *u, struct span id, struct span result)
{
	_cleanup_buf_ struct buf message = BUF_INIT(2 * ASK_PARAMS_MAX);

	if (jsonrpc_write_response(&message, id, result) == 0)
		session_send(u, OUTGOING_NOTE, 0, &message);
}

static void drop(struct upstream_ask *ask)
{
	DL_DELETE(ask->u->asks, ask);
	free(ask->id);
	free(ask);
}

/* A _meta.progressToken of the question is the server's own number for progress that it wants: it tells no call. */
bool asks_take(struct upstream *u, const struct jsonrpc_message *m, uint64_t about)
{
	static const struct span decline = SPAN_LIT("{\"action\":\"decline\"}");
	struct span mode = m->params.p ? span_member(m->params, "mode") : SPAN_NONE;
	const struct upstream_request *during = about ? upstream_request_find(u, about) : NULL;
	struct upstream_ask *ask;
	size_t count;

	if (!u->events.ask || !span_string_equals(m->method, "elicitation/create"))
		return false;
	DL_COUNT(u->asks, ask, count);
	if (count >= ASKS_MAX || (about && !during) || m->params.len > ASK_PARAMS_MAX ||
	    span_type(m->params) != SPAN_OBJECT || (mode.p && !span_string_equals(mode, "form")) ||
	    !(ask = calloc(1, sizeof(*ask)))) {
		respond(u, m->id, decline);
		return true;
	}
	ask->u = u;
	ask->id = strndup(m->id.p, m->id.len);
	DL_APPEND(u->asks, ask);
	if (ask->id)
		u->events.ask(u->user, ask, during, m->params);
	else
		drop(ask);
	return true;
}

void upstream_answer(struct upstream_ask *ask, struct span result)
{
	respond(ask->u, span_of(ask->id, strlen(ask->id)), result);
	drop(ask);
}

void asks_cancelled(struct upstream *u, struct span params)
{
	struct span id = params.p ? span_member(params, "requestId") : SPAN_NONE;
	struct upstream_ask *ask;

	DL_FOREACH (u->asks, ask) {
		if (!id.p || !span_equals(id, ask->id))
			continue;
		u->events.ask_gone(u->user, ask);
		drop(ask);
		return;
	}
}

void asks_drop(struct upstream *u)
{
	while (u->asks) {
		u->events.ask_gone(u->user, u->asks);
		drop(u->asks);
	}
}
