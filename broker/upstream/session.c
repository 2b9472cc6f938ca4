/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One server from its start to its end: transport -> initialize -> initialized -> tools/list -> READY -> gone. There is
 * one way out, session_fail(); what follows (FAILED or BACKOFF) depends on whether it had been READY.
 */
#include "base/clock.h"
#include "base/http.h"
#include "base/log.h"
#include "broker/upstream/http-transport.h"
#include "broker/upstream/internal.h"
#include "broker/upstream/stdio-transport.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void session_warn(const struct upstream *u, const char *event, const char *text)
{
	log_warn(event, LOG_S("server", u->name), LOG_S("what", text));
}

void session_send(struct upstream *u, enum outgoing_kind kind, uint64_t id, struct buf *message)
{
	struct outgoing m = {.kind = kind, .id = id, .head = message};

	if (u->transport)
		(void)!u->transport->ops->send(u->transport, &m);
}

/* ---- the end ---- */

static void on_left(void *user)
{
	struct upstream *u = user;

	u->leaving--;
	if (u->freed && u->leaving == 0 && u->gone)
		u->gone(u->gone_user);
	upstream_unref(u);
}

static void drop_server(struct upstream *u)
{
	struct transport *t = TAKE_PTR(u->transport);

	if (!t)
		return;
	u->leaving++;
	upstream_ref(u);
	t->ops->end(t, on_left, u);
	asks_drop(u);
	u->unanswered = (struct unanswered){0};
	loop_timer_stop(u->start_timer);
	loop_timer_stop(u->settle_timer);
	tools_abort(u);
	free(TAKE_PTR(u->garbage_sample));
}

/* "server "x" exited with status 3; it said: ..." */
static char *compose_problem(struct upstream *u, const char *why)
{
	_cleanup_buf_ struct buf text = BUF_INIT(UPSTREAM_TEXT_MAX * 2);
	size_t before;

	if (buf_printf(&text, "server \"%.64s\" %.2000s", u->name, why) < 0)
		return NULL;
	/* A program that speaks no MCP mostly says on stdout why. */
	if (u->state == UPSTREAM_STARTING && u->garbage > 0 && u->garbage <= UPSTREAM_GARBAGE_MAX && u->garbage_sample)
		(void)!buf_printf(&text, "; its %s began with \"%s\", which is no MCP message",
				  u->url ? "answer" : "stdout", u->garbage_sample);
	before = text.len;
	(void)!buf_append_str(&text, "; its last words: ");
	words_tail(u->words, &text);
	if (text.len == before + strlen("; its last words: "))
		text.len = before;
	upstream_clean_text(u, &text);
	return buf_steal(&text, NULL);
}

static uint64_t next_pause(struct upstream *u, uint64_t now)
{
	uint64_t pause = u->backoff_first_ms;

	if (u->state == UPSTREAM_READY && now - u->ready_since_ms >= UPSTREAM_HEALTHY_MS)
		u->failures = 0;
	for (unsigned i = 0; i < u->failures && pause < UPSTREAM_BACKOFF_MAX_MS; i++)
		pause += pause / 2;
	u->failures++;
	return pause < UPSTREAM_BACKOFF_MAX_MS ? pause : UPSTREAM_BACKOFF_MAX_MS;
}

void session_fail(struct upstream *u, const char *why)
{
	bool starting = u->state == UPSTREAM_STARTING;
	uint64_t now = clock_now_ms(), pause = next_pause(u, now);
	_cleanup_free_ char *problem = NULL;

	if (u->transport)
		words_end(u->words, why); /* its unfinished line is among the last words */
	problem = compose_problem(u, why);
	drop_server(u);
	u->backoff_until_ms = now + pause;
	log_warn("upstream_down", LOG_S("server", u->name), LOG_S("problem", problem), LOG_I("pause_ms", pause));
	upstream_set_state(u, starting ? UPSTREAM_FAILED : UPSTREAM_BACKOFF, problem);
	calls_down(u, problem, starting || pause > UPSTREAM_PATIENCE_MS);
	if (!starting)
		loop_timer_start(u->backoff_timer, pause);
}

void session_renew(struct upstream *u, const char *why)
{
	words_note(u->words, why);
	session_warn(u, "upstream_session_lost", why);
	loop_timer_stop(u->settle_timer);
	tools_abort(u);
	upstream_set_state(u, UPSTREAM_BACKOFF, why);
	upstream_set_state(u, UPSTREAM_STARTING, NULL);
	loop_timer_start(u->start_timer, u->start_timeout_ms);
	session_initialize(u);
}

void session_ready(struct upstream *u)
{
	uint64_t now = clock_now_ms(), settled = u->roots_told_ms + UPSTREAM_ROOTS_SETTLE_MS;

	loop_timer_stop(u->start_timer);
	if (u->roots_told_ms > 0 && now < settled) {
		loop_timer_start(u->settle_timer, settled - now);
		return;
	}
	loop_timer_stop(u->settle_timer);
	u->ready_since_ms = now;
	log_info("upstream_ready", LOG_S("server", u->name), LOG_I("pid", upstream_pid(u)));
	upstream_set_state(u, UPSTREAM_READY, NULL);
	calls_flush(u);
}

/* ---- events of the transport ---- */

static void on_message(void *user, const struct jsonrpc_message *m, struct buf *line, uint64_t about)
{
	session_message(user, m, line, about);
}

static void on_garbage(void *user, struct span line, const char *why)
{
	session_unreadable(user, line, why);
}

static void on_too_large(void *user, struct span head, struct span tail, bool over)
{
	session_too_large(user, head, tail, over);
}

static void on_words(void *user, const uint8_t *bytes, size_t len)
{
	struct upstream *u = user;

	words_add(u->words, bytes, len, clock_now_ms());
}

static void on_drained(void *user)
{
	calls_flush(user);
}

static void on_lost(void *user, uint64_t id, enum upstream_outcome outcome, bool left, const char *why)
{
	struct upstream *u = user;
	_cleanup_free_ char *problem = NULL;

	if (id == u->initialize_id) {
		session_fail(u, why);
		return;
	}
	if (id == u->list_id) {
		tools_lost(u, why);
		return;
	}
	words_note(u->words, why);
	problem = compose_problem(u, why);
	calls_lost(u, id, outcome, left, problem);
}

static void on_returned(void *user, uint64_t id, struct buf *body, bool left, const char *why)
{
	struct upstream *u = user;
	_cleanup_free_ char *problem = compose_problem(u, why);

	calls_returned(u, id, body, left, problem);
}

static void on_forgot(void *user, const char *why)
{
	struct upstream *u = user;

	if (u->state == UPSTREAM_READY)
		session_renew(u, why);
	else
		session_fail(u, why);
}

static void on_ended(void *user, const char *how)
{
	session_fail(user, how);
}

/* ---- the start ---- */

static int launch(struct upstream *u, struct error *err)
{
	static const struct transport_events events = {
		.message = on_message,
		.garbage = on_garbage,
		.too_large = on_too_large,
		.words = on_words,
		.drained = on_drained,
		.lost = on_lost,
		.returned = on_returned,
		.forgot = on_forgot,
		.ended = on_ended,
	};
	const struct http_transport_options http = {
		.url = u->url,
		.headers = (const char *const *)u->headers,
		.ca_file = u->ca_file,
		.proxy = u->proxy,
		.no_proxy = u->no_proxy,
		.old = u->old_sse,
		.message_max = u->message_max,
		.step_ms = u->step_ms,
	};
	const struct stdio_options stdio = {
		.argv = (const char *const *)u->argv,
		.envp = (const char *const *)u->envp,
		.cwd = u->cwd,
		.message_max = u->message_max,
		.step_ms = u->step_ms,
	};

	if (u->url)
		return http_transport_new(u->loop, &http, &events, u, &u->transport, err);
	return stdio_new(u->loop, u->spawner, &stdio, &events, u, &u->transport, err);
}

static void begin(struct upstream *u)
{
	_cleanup_error_ struct error err = ERROR_INIT;

	u->start_error = launch(u, &err);
	if (u->start_error < 0) {
		error_wrap(&err, "cannot be started");
		session_fail(u, error_text(&err));
		return;
	}
	words_begin(u->words, upstream_pid(u));
	loop_timer_start(u->start_timer, u->start_timeout_ms);
	session_initialize(u);
}

static void on_prepared(void *user)
{
	struct upstream *u = user;

	if (!u->freed)
		begin(u);
	upstream_unref(u);
}

static void start(struct upstream *u)
{
	_cleanup_error_ struct error err = ERROR_INIT;

	loop_timer_stop(u->backoff_timer);
	u->garbage = 0;
	u->garbage_warned = false;
	upstream_set_state(u, UPSTREAM_STARTING, NULL);
	if (u->url && !http_is_prepared() && loop_work_start(u->loop, http_prepare, on_prepared, u, &err) == 0)
		upstream_ref(u);
	else
		begin(u);
}

bool session_want(struct upstream *u)
{
	uint64_t now = clock_now_ms();

	switch (u->state) {
	case UPSTREAM_STARTING:
	case UPSTREAM_READY:
		return true;
	case UPSTREAM_BACKOFF:
		return u->backoff_until_ms <= now + UPSTREAM_PATIENCE_MS;
	case UPSTREAM_FAILED:
		if (now < u->backoff_until_ms)
			return false;
		break;
	case UPSTREAM_IDLE:
		break;
	}
	start(u);
	return u->state == UPSTREAM_STARTING;
}

static void on_start_timeout(void *user)
{
	struct upstream *u = user;
	char why[160];

	snprintf(why, sizeof(why), "did not answer %s within %" PRIu64 " ms",
		 u->initialize_id ? "initialize" : "tools/list", u->start_timeout_ms);
	session_fail(u, why);
}

static void on_settled(void *user)
{
	session_ready(user);
}

static void on_backoff(void *user)
{
	struct upstream *u = user;
	_cleanup_free_ char *problem = u->problem ? strdup(u->problem) : NULL;

	if (calls_are_waiting(u))
		start(u);
	else
		upstream_set_state(u, UPSTREAM_IDLE, problem);
}

int session_init(struct upstream *u, const char *log_path, struct error *err)
{
	int r = words_new(log_path, u->redact, u->redact_user, &u->words, err);

	if (r == 0)
		r = loop_timer_new(u->loop, on_start_timeout, u, &u->start_timer, err);
	if (r == 0)
		r = loop_timer_new(u->loop, on_backoff, u, &u->backoff_timer, err);
	if (r == 0)
		r = loop_timer_new(u->loop, on_settled, u, &u->settle_timer, err);
	return r;
}

void session_done(struct upstream *u)
{
	if (u->transport)
		words_end(u->words, "is being stopped");
	drop_server(u);
	u->start_timer = loop_timer_free(u->start_timer);
	u->backoff_timer = loop_timer_free(u->backoff_timer);
	u->settle_timer = loop_timer_free(u->settle_timer);
	u->words = words_free(u->words);
}
