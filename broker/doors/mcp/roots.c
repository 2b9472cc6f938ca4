/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The folders that the client works in, for servers with roots: client; where there is none nobody is asked. One that
 * declared roots is asked after the handshake, and again when it says that they have changed; calls wait meanwhile, so
 * that none reaches a server with other folders than the client's. One that cannot say them (an error, no answer) keeps
 * those that it said before; if there are none its working directory stands for them.
 *
 *   NONE --declared--> WANTED --ask--> OPEN --answer--> KNOWN --list_changed--> WANTED
 *                                       |  --MCP_ROOTS_MS--> LATE (nobody waits any more; an answer is still taken)
 *                                       +--list_changed: asked once more behind the answer
 */
#include "broker/doors/mcp/internal.h"

#include "base/ids.h"
#include "base/log.h"
#include "broker/core/roots.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void on_late(void *user)
{
	struct mcp *m = user;

	log_warn("mcp_roots_late", LOG_S("client", m->client_name), LOG_I("ms", MCP_ROOTS_MS));
	m->roots = MCP_ROOTS_LATE;
	mcp_unpark(m);
}

/* The id cannot be guessed: an answer that was meant for another broker answers nothing. */
static void ask(struct mcp *m)
{
	_cleanup_buf_ struct buf out = BUF_INIT(256);
	char id[ID_TEXT_MAX];

	id_make(id, "roots");
	snprintf(m->roots_id, sizeof(m->roots_id), "\"%s\"", id);
	m->roots = MCP_ROOTS_OPEN;
	m->roots_again = false;
	loop_timer_start(m->roots_timer, MCP_ROOTS_MS);
	if (jsonrpc_write_request(&out, span_of(m->roots_id, strlen(m->roots_id)), "roots/list", SPAN_NONE) == 0)
		(void)!m->o.send(m->o.user, buf_head(&out), out.len); /* one that is gone needs no roots */
}

void mcp_roots_init(struct mcp *m, struct span params)
{
	struct span capabilities = params.p ? span_member(params, "capabilities") : SPAN_NONE;
	_cleanup_error_ struct error err = ERROR_INIT;

	mcp_roots_done(m);
	(void)!door_client_set_roots(m->o.client, NULL); /* needs no memory */
	if (span_type(span_member(capabilities, "roots")) != SPAN_OBJECT)
		return;
	if (loop_timer_new(m->o.loop, on_late, m, &m->roots_timer, &err) < 0)
		log_warn("mcp_roots_failed", LOG_S("problem", error_text(&err)));
	else
		m->roots = MCP_ROOTS_WANTED;
}

void mcp_roots_done(struct mcp *m)
{
	m->roots_timer = loop_timer_free(m->roots_timer);
	m->roots = MCP_ROOTS_NONE;
	m->roots_id[0] = '\0';
}

void mcp_roots_ask(struct mcp *m)
{
	if (m->roots == MCP_ROOTS_WANTED && door_client_wants_roots(m->o.client))
		ask(m);
}

void mcp_roots_changed(struct mcp *m)
{
	if (m->roots == MCP_ROOTS_NONE)
		return;
	if (m->roots == MCP_ROOTS_OPEN) {
		m->roots_again = true;
		return;
	}
	m->roots = MCP_ROOTS_WANTED;
	m->roots_id[0] = '\0'; /* an answer that is late says what was before */
	mcp_roots_ask(m);
}

bool mcp_roots_missing(struct mcp *m)
{
	mcp_roots_ask(
		m); /* also a client that calls without "initialized", and when the configuration is another one */
	return m->roots == MCP_ROOTS_OPEN && door_client_wants_roots(m->o.client);
}

static void tell_failed(const struct mcp *m, const char *problem)
{
	log_warn("mcp_roots_failed", LOG_S("client", m->client_name), LOG_S("problem", problem));
}

static void take(struct mcp *m, struct span result)
{
	_cleanup_buf_ struct buf text = BUF_INIT(ROOTS_BYTES_MAX);
	struct roots_left_out left_out;
	_cleanup_free_ char *roots = NULL;
	int r = roots_read(result, &text, &left_out);

	if (r == 0)
		roots = buf_steal(&text, NULL);
	if (r == 0 && (!roots || door_client_set_roots(m->o.client, roots) < 0))
		r = -ENOMEM;
	if (r < 0)
		tell_failed(m, r == -ENOMEM ? "no memory" : "the answer has no list of roots");
	else if (left_out.unusable > 0 || left_out.more)
		log_warn("mcp_roots_left_out", LOG_S("client", m->client_name), LOG_I("no_file_uri", left_out.unusable),
			 LOG_S("more_than_fit", left_out.more ? "yes" : "no"));
}

bool mcp_roots_answered(struct mcp *m, const struct jsonrpc_message *message)
{
	if (!m->roots_id[0] || !message->id.p || !span_equals(message->id, m->roots_id))
		return false;
	m->roots_id[0] = '\0';
	loop_timer_stop(m->roots_timer);
	m->roots = MCP_ROOTS_KNOWN;
	if (message->kind == JSONRPC_RESPONSE)
		take(m, message->result);
	else
		tell_failed(m, "it answered an error");
	if (m->roots_again)
		ask(m);
	else
		mcp_unpark(m);
	return true;
}
