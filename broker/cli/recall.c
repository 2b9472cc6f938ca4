/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/cli/recall.h"

#include <errno.h>
#include <string.h>
#include <utlist.h>

static void forget(struct recall *m, struct recall_open *o)
{
	DL_DELETE(m->open, o);
	m->open_count--;
	free(o->id);
	free(o->line);
	free(o);
}

void recall_done(struct recall *m)
{
	while (m->open)
		forget(m, m->open);
	free(m->initialize);
	free(m->initialize_id);
	*m = (struct recall){0};
}

static bool parse(struct span line, struct jsonrpc_message *ret)
{
	_cleanup_error_ struct error err = ERROR_INIT;

	return line.len > 0 && jsonrpc_parse(line, false, ret, &err) == 0;
}

/* Code that ran may have done something: only what can be repeated without harm is. */
static bool repeatable(const struct jsonrpc_message *message)
{
	struct span name = message->params.p ? span_member(message->params, "name") : SPAN_NONE;

	return !span_string_equals(message->method, "tools/call") || !name.p ||
	       !span_string_equals(name, "execute_code");
}

static struct recall_open *find(const struct recall *m, struct span id)
{
	struct recall_open *o;

	DL_FOREACH (m->open, o)
		if (id.p && span_equals(id, o->id))
			return o;
	return NULL;
}

static void remember(struct recall *m, const struct jsonrpc_message *message, struct span line)
{
	struct recall_open *o = m->open_count < RECALL_OPEN_MAX ? calloc(1, sizeof(*o)) : NULL;

	if (!o)
		return;
	o->id = strndup(message->id.p, message->id.len);
	o->repeatable = repeatable(message);
	if (line.len <= RECALL_LINE_MAX)
		o->line = strndup(line.p, line.len);
	if (!o->id) {
		free(o->line);
		free(o);
		return;
	}
	DL_APPEND(m->open, o);
	m->open_count++;
}

void recall_see_request(struct recall *m, struct span line)
{
	struct jsonrpc_message message;
	struct recall_open *o;

	if (!parse(line, &message))
		return;
	if (message.kind == JSONRPC_NOTIFICATION && span_string_equals(message.method, "notifications/cancelled")) {
		/* a cancelled request is not answered, so nothing is owed for it */
		o = message.params.p ? find(m, span_member(message.params, "requestId")) : NULL;
		if (o)
			forget(m, o);
	}
	if (message.kind != JSONRPC_REQUEST)
		return;
	if (!span_string_equals(message.method, "initialize") || line.len > RECALL_LINE_MAX) {
		remember(m, &message, line);
		return;
	}
	free(m->initialize);
	free(m->initialize_id);
	m->initialize = strndup(line.p, line.len);
	m->initialize_id = strndup(message.id.p, message.id.len);
	m->initialize_answered = false;
}

bool recall_see_answer(struct recall *m, struct span line)
{
	struct jsonrpc_message message;
	struct recall_open *o;
	bool again;

	if (!parse(line, &message) || (message.kind != JSONRPC_RESPONSE && message.kind != JSONRPC_ERROR))
		return true;
	o = find(m, message.id);
	if (o) {
		forget(m, o);
		return true;
	}
	if (!m->initialize_id || !message.id.p || !span_equals(message.id, m->initialize_id))
		return true;
	again = m->initialize_answered;
	m->initialize_answered = true;
	return !again;
}

void recall_see_refused(struct recall *m, struct span id)
{
	struct recall_open *o = find(m, id);

	if (o)
		o->repeatable = true;
}

static int put_line(struct buf *out, const char *line)
{
	int r = buf_append_str(out, line);

	return r < 0 ? r : buf_append_str(out, "\n");
}

int recall_replay(struct recall *m, struct buf *to_broker, struct buf *to_client)
{
	static const struct span lost = SPAN_LIT(
		"{\"content\":[{\"type\":\"text\",\"text\":\"broker_lost: Hawser's broker ended while this ran, and "
		"what the code had "
		"done by then is done. A new broker is there; look before you run it again.\"}],\"isError\":true}");
	static const struct span unheard = SPAN_LIT(
		"{\"content\":[{\"type\":\"text\",\"text\":\"broker_lost: Hawser's broker ended before it began this, "
		"and "
		"it is too long to be kept for the next one. Nothing was done; send it again.\"}],\"isError\":true}");
	struct recall_open *o, *next;
	int r = 0;

	if (m->initialize)
		r = put_line(to_broker, m->initialize);
	if (r == 0 && m->initialize_answered)
		r = put_line(to_broker, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}");
	for (o = m->open; o && r == 0; o = next) {
		next = o->next;
		if (o->line && o->repeatable) {
			r = put_line(to_broker, o->line);
			continue;
		}
		r = jsonrpc_write_response(to_client, span_of(o->id, strlen(o->id)), o->repeatable ? unheard : lost);
		forget(m, o);
	}
	return r;
}
