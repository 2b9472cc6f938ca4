/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One thin client. Its lines are requests for the table of methods, until mcp.attach hands the connection to the MCP
 * door. A client that hangs up takes its runs with it.
 */
#include "broker/doors/local/conn.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <string.h>
#include <utlist.h>

enum { SEND_COPIED_MAX = 64 * 1024 }; /* longer answers go into the queue as they are */

static method_fn method_status, method_stop, method_mcp_attach;

static const struct {
	const char *name;
	bool needs_client;
	method_fn *handle;
} methods[] = {
	{"hello", false, method_hello},
	{"env", false, method_env},
	{"run.start", true, method_run_start},
	{"run.cancel", true, method_run_cancel},
	{"run.follow", false, method_run_follow},
	{"run.kill", false, method_run_kill},
	{"runs.list", false, method_runs_list},
	{"sandboxes.list", false, method_sandboxes_list},
	{"tools.search", true, method_tools_search},
	{"tools.servers", true, method_tools_servers},
	{"tools.logs", true, method_tools_logs},
	{"call", true, method_call},
	{"approvals.list", false, method_approvals_list},
	{"approvals.answer", false, method_approvals_answer},
	{"approvals.here", false, method_approvals_here},
	{"approvals.follow", false, method_approvals_follow},
	{"policy.forget", true, method_policy_forget},
	{"config.check", false, method_config_check},
	{"config.show", true, method_config_show},
	{"doctor", false, method_doctor},
	{"status", false, method_status},
	{"stop", false, method_stop},
	{"mcp.attach", false, method_mcp_attach},
};

/* ---- ends of requests ---- */

static void send_buf(struct conn *c, struct buf *out)
{
	int r;

	if (!c || c->closing || out->len == 0)
		return;
	r = out->len < SEND_COPIED_MAX ? io_write(c->io, buf_head(out), out->len) : io_write_buf(c->io, out);
	if (r == -ENOBUFS) /* else it hung up */
		log_warn("local_client_too_slow", LOG_I("queued", io_queued(c->io)));
	if (r < 0)
		conn_free(c);
}

struct request *request_free(struct request *q)
{
	if (!q)
		return NULL;
	if (q->conn) {
		DL_DELETE(q->conn->requests, q);
		q->conn->request_count--;
	}
	free(q->state);
	free(q->id);
	free(q);
	return NULL;
}

void request_answer(struct request *q, struct span result)
{
	_cleanup_buf_ struct buf out = BUF_INIT(LOCAL_QUEUE_MAX);
	struct conn *c = q->conn;

	if (c && jsonrpc_write_response(&out, span_of(q->id, strlen(q->id)), result) < 0) {
		request_fail(q, LOCAL_CODE_FAILED, "the answer is too large");
		return;
	}
	request_free(q);
	send_buf(c, &out);
}

void request_answer_line(struct request *q, struct buf *line)
{
	struct conn *c = q->conn;

	request_free(q);
	send_buf(c, line);
}

void request_answer_buf(struct request *q, struct buf *result)
{
	request_answer(q, span_of(buf_head(result), result->len));
}

void request_answer_json(struct request *q, const json_t *value)
{
	_cleanup_buf_ struct buf out = BUF_INIT(16 * 1024 * 1024);

	if (!value || json_print(&out, value) < 0)
		request_fail(q, LOCAL_CODE_FAILED, "the answer is too large");
	else
		request_answer_buf(q, &out);
}

void request_fail(struct request *q, int code, const char *message)
{
	_cleanup_buf_ struct buf out = BUF_INIT(LOCAL_QUEUE_MAX);
	struct conn *c = q->conn;
	int r = 0;

	if (c)
		r = jsonrpc_write_error(&out, span_of(q->id, strlen(q->id)), code, message, SPAN_NONE);
	request_free(q);
	if (r == 0)
		send_buf(c, &out);
}

void request_fail_error(struct request *q, int code, const struct error *err)
{
	request_fail(q, code, error_text(err));
}

void request_notify(struct request *q, const char *method, struct span members)
{
	_cleanup_buf_ struct buf params = BUF_INIT(LOCAL_QUEUE_MAX), out = BUF_INIT(LOCAL_QUEUE_MAX);

	if (!q->conn)
		return;
	if (buf_printf(&params, "{\"id\":%s,", q->id) < 0 || buf_append(&params, members.p, members.len) < 0 ||
	    buf_append_str(&params, "}") < 0 ||
	    jsonrpc_write_request(&out, SPAN_NONE, method, span_of(buf_head(&params), params.len)) < 0)
		return;
	send_buf(q->conn, &out);
}

void conn_notify(struct conn *c, const char *method, struct span params)
{
	_cleanup_buf_ struct buf out = BUF_INIT(LOCAL_QUEUE_MAX);

	if (jsonrpc_write_request(&out, SPAN_NONE, method, params) == 0)
		send_buf(c, &out);
}

/* ---- lines ---- */

static void dispatch(struct conn *c, const struct jsonrpc_message *m)
{
	struct request *q = calloc(1, sizeof(*q));
	size_t i;

	if (!q || !(q->id = strndup(m->id.p, m->id.len))) {
		free(q);
		conn_free(c);
		return;
	}
	q->conn = c;
	DL_APPEND(c->requests, q);
	if (++c->request_count > LOCAL_REQUESTS_MAX)
		return request_fail(q, LOCAL_CODE_FAILED, "too many requests at once on this connection");
	for (i = 0; i < ARRAY_SIZE(methods); i++)
		if (span_string_equals(m->method, methods[i].name))
			break;
	if (i == ARRAY_SIZE(methods))
		return request_fail(q, JSONRPC_METHOD_NOT_FOUND, "no such method");
	if (methods[i].handle != method_hello && methods[i].handle != method_status &&
	    methods[i].handle != method_stop && !c->client)
		return request_fail(q, JSONRPC_INVALID_REQUEST, "hello comes first");
	if (methods[i].needs_client) {
		enum door_client_state state = door_client_check(c->client);

		if (state == DOOR_CLIENT_FAULTY)
			return request_fail(q, LOCAL_CODE_CONFIG, door_client_fault(c->client));
		if (state == DOOR_CLIENT_WANTS_VARIABLES)
			return request_fail(q, JSONRPC_INVALID_REQUEST, "the values of the variables come first: env");
	}
	methods[i].handle(q, m->params);
}

static void on_line(struct conn *c, struct span line)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_buf_ struct buf out = BUF_INIT(4096);
	struct jsonrpc_message m;

	if (c->mcp)
		return mcp_line(c->mcp, line);
	if (line.len == 0)
		return;
	if (jsonrpc_parse(line, false, &m, &err) < 0) {
		if (jsonrpc_write_error(&out, SPAN_NONE, JSONRPC_PARSE_ERROR, error_text(&err), SPAN_NONE) == 0)
			send_buf(c, &out);
		return;
	}
	if (m.kind == JSONRPC_REQUEST)
		dispatch(c, &m);
	else if (jsonrpc_write_error(&out, m.id, JSONRPC_INVALID_REQUEST, "a request is wanted here", SPAN_NONE) == 0)
		send_buf(c, &out);
}

static size_t on_data(void *user, const uint8_t *bytes, size_t len)
{
	struct conn *c = user;
	size_t used = 0, take;
	struct span line;

	/* The line that begins here is looked at when the configuration is there. */
	if (c->client && c->framer.scanned == 0 && door_client_load(c->client, conn_loaded, c)) {
		io_pause(c->io);
		return 0;
	}
	/* Those behind hello in one piece wait with it. */
	while (!c->closing && !c->hello && jsonrpc_next_line(&c->framer, bytes + used, len - used, &line, &take)) {
		used += take;
		on_line(c, line);
	}
	return c->closing ? len : used;
}

static void on_closed(void *user, const struct error *reason)
{
	struct conn *c = user;

	if (reason && reason->code == -EMSGSIZE)
		log_warn("local_line_too_long", LOG_I("max", LOCAL_LINE_MAX));
	conn_free(c);
}

/* ---- life ---- */

int conn_new(struct local *local, int fd, struct error *err)
{
	static const struct io_events events = {.data = on_data, .closed = on_closed};
	struct io_options options = {
		.read_fd = fd, .write_fd = fd, .read_max = LOCAL_LINE_MAX, .write_max = LOCAL_QUEUE_MAX};
	struct conn *c = calloc(1, sizeof(*c));
	int r;

	if (!c) {
		close(fd);
		return error_set(err, -ENOMEM, "no memory");
	}
	c->local = local;
	r = io_new(local->o.loop, &options, &events, c, &c->io, err);
	if (r < 0) {
		free(c);
		return r;
	}
	DL_APPEND(local->conns, c);
	local->count++;
	return 0;
}

static void abandon(struct request *q)
{
	if (q->abandon) {
		q->abandon(q);
		return;
	}
	if (q->run) {
		request_abandon_run(q);
		request_free(q);
		return;
	}
	if (q->lasts) {
		request_free(q);
		return;
	}
	DL_DELETE(q->conn->requests, q);
	q->conn = NULL; /* core still owes it a callback, which frees it */
	if (q->call)
		call_cancel(q->call);
}

static void release(void *user)
{
	struct conn *c = user;

	mcp_free(c->mcp);
	door_client_free(c->client);
	io_free(c->io);
	free(c);
}

static void leave(struct conn *c)
{
	c->closing = true;
	DL_DELETE(c->local->conns, c);
	c->local->count--;
	while (c->requests)
		abandon(c->requests);
	io_pause(c->io);
}

struct conn *conn_free(struct conn *c)
{
	if (!c || c->closing)
		return NULL;
	leave(c);
	loop_defer(c->local->o.loop, release, c); /* a callback of io, a method or the MCP door may be on the stack */
	return NULL;
}

void conn_free_now(struct conn *c)
{
	leave(c);
	release(c);
}

/* ---- the methods of the connection itself ---- */

static void method_status(struct request *q, struct span params)
{
	struct local *l = q->conn->local;
	json_auto_t *answer = json_pack("{s:s, s:s, s:i, s:I, s:I, s:b, s:b, s:s}", "version", HAWSER_VERSION, "build",
					l->o.build, "pid", (int)getpid(), "connections", (json_int_t)l->count,
					"uptime_ms", (json_int_t)(clock_now_ms() - l->started_ms), "spawned",
					l->o.spawned, "idle", core_is_idle(l->o.core), "state_dir", l->o.state_dir);

	request_answer_json(q, answer);
}

/* {"if_idle":true}: only a spawned broker that nobody else uses goes. */
static void method_stop(struct request *q, struct span params)
{
	struct local *l = q->conn->local;
	bool if_idle = params.p && span_bool(span_member(params, "if_idle"), false);

	if (if_idle && (!l->o.spawned || l->count > 1 || !core_is_idle(l->o.core)))
		return request_answer(q, SPAN_LIT("{\"stopping\":false}"));
	request_answer(q, SPAN_LIT("{\"stopping\":true}"));
	l->o.stop(l->o.user);
}

static int send_mcp(void *user, const void *data, size_t len)
{
	struct conn *c = user;
	int r = c->closing ? -EPIPE : io_write(c->io, data, len);

	if (r < 0)
		conn_free(c);
	return r;
}

static void method_mcp_attach(struct request *q, struct span params)
{
	struct conn *c = q->conn;
	struct mcp_options options = {.loop = c->local->o.loop, .client = c->client, .send = send_mcp, .user = c};
	_cleanup_error_ struct error err = ERROR_INIT;
	struct mcp *mcp = NULL;

	if (c->request_count > 1)
		return request_fail(q, JSONRPC_INVALID_REQUEST, "mcp.attach comes alone");
	if (mcp_new(&options, &mcp, &err) < 0)
		return request_fail_error(q, LOCAL_CODE_FAILED, &err);
	request_answer(q, SPAN_LIT("{}"));
	if (c->closing)
		mcp_free(mcp);
	else
		c->mcp = mcp;
}
