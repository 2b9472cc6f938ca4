/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands on stdout and is no message. A stray line (a banner, a debug print) is skipped with one warning; a server
 * that writes nothing else while it starts is given up; a line that was meant as an answer ends its call.
 */
#include "base/clock.h"
#include "base/log.h"
#include "broker/upstream/internal.h"

#include <stdio.h>
#include <string.h>

void session_garbage(struct upstream *u, struct span line, const char *why)
{
	_cleanup_buf_ struct buf text = BUF_INIT(UPSTREAM_TEXT_MAX);
	size_t shown = span_utf8_floor(line.p, line.len < 120 ? line.len : 120);

	u->garbage++;
	words_stray(u->words, line, clock_now_ms());
	if (!u->garbage_sample && buf_append(&text, line.p, shown) == 0) {
		upstream_clean_text(u, &text);
		u->garbage_sample = buf_steal(&text, NULL);
	}
	if (!u->garbage_warned) {
		u->garbage_warned = true;
		log_warn("upstream_garbage", LOG_S("server", u->name), LOG_S("line", u->garbage_sample),
			 LOG_S("why", why));
	}
	if (u->state != UPSTREAM_STARTING || u->garbage <= UPSTREAM_GARBAGE_MAX)
		return;
	if (buf_printf(&text, "writes garbage to its stdout, where only MCP messages may stand: \"%s\"",
		       u->garbage_sample ? u->garbage_sample : "") == 0) {
		_cleanup_free_ char *problem = buf_steal(&text, NULL);

		session_fail(u, problem ? problem : "writes garbage to its stdout");
	}
}

static bool looks_like_answer(struct span line)
{
	return line.len && line.p[0] == '{' && memmem(line.p, line.len < 256 ? line.len : 256, "\"jsonrpc\"", 9);
}

void session_unreadable(struct upstream *u, struct span line, const char *why)
{
	size_t edge = line.len < 256 ? line.len : 256;
	struct span head = span_of(line.p, edge), tail = span_of(line.p + line.len - edge, edge);
	char text[512];

	snprintf(text, sizeof(text), "server \"%.64s\" gave an answer that cannot be read: %.300s", u->name, why);
	if ((looks_like_answer(head) || (line.len && line.p[0] == '{' && memmem(tail.p, tail.len, "\"jsonrpc\"", 9))) &&
	    calls_spoilt(u, head, tail, UPSTREAM_ERROR, text))
		return;
	session_garbage(u, line, why);
}

void session_too_large(struct upstream *u, struct span head, struct span tail, bool over)
{
	char text[256];

	if (u->state == UPSTREAM_STARTING) {
		session_fail(u, "writes garbage to its stdout: a line over the limit");
		return;
	}
	if (!over)
		return;
	snprintf(text, sizeof(text), "the answer of server \"%.64s\" is over %zu bytes", u->name, u->message_max);
	if (!calls_spoilt(u, head, tail, UPSTREAM_TOO_LARGE, text))
		session_warn(u, "upstream_line_too_large", text);
}
