/* SPDX-License-Identifier: Apache-2.0 */
/* tools.search, tools.servers, tools.logs and call. */
#include "broker/doors/local/internal.h"
#include "broker/doors/names.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

enum { SEARCH_ANSWER_MAX = 64 * 1024 * 1024, LOG_TAIL_MAX = 64 * 1024 };

static void on_found(void *user, struct buf *json, const struct error *err)
{
	struct request *q = user;

	if (err && err->code)
		request_fail_error(q, LOCAL_CODE_FAILED, err);
	else
		request_answer_buf(q, json);
}

void method_tools_search(struct request *q, struct span params)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct search_request request = {0};
	json_auto_t *p = NULL;
	int r = params.p ? json_parse(params.p, params.len, &p, &err) : 0;

	if (r == 0 && !p)
		p = json_object();
	if (r == 0)
		r = json_table_decode(search_request_table, search_request_count, p, false, &request, &err);
	if (r == 0)
		r = tools_search(door_client_get(q->conn->client), &request, on_found, q, &err);
	json_table_done(search_request_table, search_request_count, &request);
	if (r < 0)
		request_fail_error(q, LOCAL_CODE_CONFIG, &err);
}

void method_tools_servers(struct request *q, struct span params)
{
	_cleanup_buf_ struct buf out = BUF_INIT(SEARCH_ANSWER_MAX);

	if (tools_servers(door_client_get(q->conn->client), &out) < 0)
		request_fail(q, LOCAL_CODE_FAILED, "the list of servers cannot be made");
	else
		request_answer_buf(q, &out);
}

/* ---- logs ---- */

/* The last bytes of a file, from the beginning of a line. */
static int read_tail(const char *path, struct buf *out, struct error *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char *text = (char *)buf_reserve(out, LOG_TAIL_MAX);
	const char *line;
	ssize_t n;
	off_t size;

	if (fd < 0)
		return errno == ENOENT ? 0 : error_set_errno(err, -errno, "reading %s", path);
	size = lseek(fd, 0, SEEK_END);
	if (!text || size < 0)
		return error_set(err, -EIO, "reading %s", path);
	n = pread(fd, text, LOG_TAIL_MAX, size > LOG_TAIL_MAX ? size - LOG_TAIL_MAX : 0);
	if (n < 0)
		return error_set_errno(err, -errno, "reading %s", path);
	buf_commit(out, (size_t)n);
	line = size > LOG_TAIL_MAX ? memchr(text, '\n', (size_t)n) : NULL;
	if (line)
		buf_consume(out, (size_t)(line + 1 - text));
	return 0;
}

/* Path of a server's log: core says it in its list of servers. */
static char *log_path(struct client *client, const char *server, struct error *err)
{
	const struct config_server *s = names_find_server(client_config(client), server, strlen(server));
	_cleanup_buf_ struct buf list = BUF_INIT(SEARCH_ANSWER_MAX);
	struct span item;
	size_t at = 0;

	if (!s) {
		error_set(err, -ENOENT, "there is no server %s; hawser tools --servers lists them", server);
		return NULL;
	}
	if (tools_servers(client, &list) < 0) {
		error_set(err, -ENOMEM, "the list of servers cannot be made");
		return NULL;
	}
	while (span_next_element(span_of(buf_head(&list), list.len), &at, &item))
		if (span_string_equals(span_member(item, "name"), s->name))
			return span_strdup(span_member(item, "log"), 4096);
	error_set(err, -ENOENT, "server %s has no log yet", server);
	return NULL;
}

void method_tools_logs(struct request *q, struct span params)
{
	_cleanup_buf_ struct buf text = BUF_INIT(LOG_TAIL_MAX), out = BUF_INIT(8 * LOG_TAIL_MAX);
	_cleanup_free_ char *server = params.p ? span_strdup(span_member(params, "server"), 256) : NULL, *path = NULL;
	_cleanup_error_ struct error err = ERROR_INIT;

	if (!server)
		return request_fail(q, JSONRPC_INVALID_PARAMS, "tools.logs wants {server}");
	path = log_path(door_client_get(q->conn->client), server, &err);
	if (!path || read_tail(path, &text, &err) < 0)
		return request_fail(q, LOCAL_CODE_FAILED,
				    err.code ? error_text(&err)
					     : "the server was never started and has no log; hawser "
					       "tools --servers says how it is");
	if (buf_append_str(&out, "{\"path\":") < 0 || buf_append_json(&out, path, strlen(path)) < 0 ||
	    buf_append_str(&out, ",\"text\":") < 0 ||
	    buf_append_json(&out, (const char *)buf_head(&text), text.len) < 0 || buf_append_str(&out, "}") < 0)
		return request_fail(q, LOCAL_CODE_FAILED, "the log is too large");
	request_answer_buf(q, &out);
}

/* ---- call ---- */

static int print_reply(struct buf *out, const struct call_reply *reply)
{
	int r = buf_printf(out, "{\"ok\":%s,\"retryable\":%s", reply->ok ? "true" : "false",
			   reply->retryable ? "true" : "false");

	if (r == 0 && reply->kind)
		r = buf_append_member(out, "kind", reply->kind);
	if (r == 0 && reply->message)
		r = buf_append_member(out, "message", reply->message);
	if (r == 0 && reply->fix)
		r = buf_append_member(out, "fix", reply->fix);
	if (r == 0 && reply->body && reply->body->len > 0) {
		r = buf_append_str(out, ",\"result\":");
		if (r == 0)
			r = buf_append(out, buf_head(reply->body), reply->body->len);
	}
	return r < 0 ? r : buf_append_str(out, "}");
}

static void on_called(void *user, const struct call_reply *reply)
{
	_cleanup_buf_ struct buf out = BUF_INIT(LOCAL_QUEUE_MAX - 4096);
	struct request *q = user;

	q->call = NULL;
	if (print_reply(&out, reply) < 0)
		request_fail(q, LOCAL_CODE_FAILED, "the result is too large to be sent");
	else
		request_answer_buf(q, &out);
}

/* {name: "server.tool", args: {...}}; args is passed on as it is written. */
void method_call(struct request *q, struct span params)
{
	_cleanup_free_ char *name = params.p ? span_strdup(span_member(params, "name"), 512) : NULL, *server = NULL;
	struct client *client = door_client_get(q->conn->client);
	_cleanup_error_ struct error err = ERROR_INIT;
	struct span args = SPAN_LIT("{}"), given;
	const char *tool;

	if (!name || !(server = names_split(client_config(client), name, &tool)))
		return request_fail(q, LOCAL_CODE_CONFIG, "a tool is named SERVER.TOOL; hawser tools lists them");
	given = span_member(params, "args");
	if (given.p)
		args = given;
	if (call_start(client, server, tool, args, on_called, q, &q->call, &err) < 0)
		request_fail_error(q, LOCAL_CODE_CONFIG, &err);
}
