/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hawser mcp: a relay between stdin/stdout and the broker's MCP door. Nothing but MCP is ever written to stdout.
 *
 *   MCP client  <-- stdin, stdout -->  this  <-- broker.sock, after mcp.attach -->  broker
 *
 * One line type is not MCP: the broker asks "hawser/env" {variables} when the configuration has changed and names new
 * ones; this answers "hawser/env" {values}.
 */
#include "broker/cli/client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

enum {
	RELAY_MAX = 96 * 1024 * 1024, /* bytes of one line */
	RELAY_HIGH = 1024 * 1024, /* reading stops while so much waits for the other side */
	RELAY_CHUNK = 64 * 1024,
	RELAY_WRITE = 4096, /* PIPE_BUF: a pipe that polls writable takes it without blocking */
};

struct relay {
	int fd; /* to the broker */
	struct buf up, down; /* for the broker; for stdout */
	struct buf in; /* from the broker, up to the end of a line */
	struct jsonrpc_framer framer;
	bool stdin_ended;
};

static void answer_env(struct relay *r, struct span params)
{
	_cleanup_buf_ struct buf values = BUF_INIT(8 * 1024 * 1024);
	_cleanup_error_ struct error err = ERROR_INIT;
	struct span names = params.p ? span_member(params, "variables") : SPAN_NONE;

	if (client_values(names, &values, &err) < 0 ||
	    jsonrpc_write_request(&r->up, SPAN_NONE, "hawser/env", span_of(buf_head(&values), values.len)) < 0)
		cli_say(0, "the values of the variables could not be sent");
}

/* Whole lines of the broker on their way to stdout. */
static int sort_lines(struct relay *r)
{
	static const char mark[] = "\"hawser/env\"";
	struct span line;
	size_t used;

	while (jsonrpc_next_line(&r->framer, buf_head(&r->in), r->in.len, &line, &used)) {
		_cleanup_error_ struct error err = ERROR_INIT;
		struct jsonrpc_message m;

		/* parsed only where the words are, at the front of a short line: replies pass unread */
		if (line.len < 64 * 1024 && memmem(line.p, line.len < 64 ? line.len : 64, mark, sizeof(mark) - 1) &&
		    jsonrpc_parse(line, false, &m, &err) == 0 && m.kind == JSONRPC_NOTIFICATION &&
		    span_string_equals(m.method, "hawser/env"))
			answer_env(r, m.params);
		else if (buf_append(&r->down, line.p, line.len) < 0 || buf_append(&r->down, "\n", 1) < 0)
			return -E2BIG;
		buf_consume(&r->in, used);
	}
	return 0;
}

/* 0: end of the stream. */
static ssize_t read_into(int fd, struct buf *b)
{
	uint8_t *room = buf_reserve(b, RELAY_CHUNK);
	ssize_t n = room ? read(fd, room, RELAY_CHUNK) : -1;

	if (n > 0)
		buf_commit(b, (size_t)n);
	else if (n < 0 && room && (errno == EINTR || errno == EAGAIN))
		return 1;
	return n;
}

static bool write_from(int fd, struct buf *b, bool is_socket)
{
	size_t most = is_socket ? b->len : b->len < RELAY_WRITE ? b->len : RELAY_WRITE;
	ssize_t n = is_socket ? send(fd, buf_head(b), most, MSG_NOSIGNAL | MSG_DONTWAIT) : write(fd, buf_head(b), most);

	if (n > 0)
		buf_consume(b, (size_t)n);
	return n >= 0 || errno == EINTR || errno == EAGAIN;
}

/* One turn; CLI_OK: go on, else the status to leave with, or -1: all is done. */
static int turn(struct relay *r)
{
	struct pollfd p[3] = {
		{.fd = r->stdin_ended || r->up.len > RELAY_HIGH ? -1 : 0, .events = POLLIN},
		{.fd = r->fd, .events = (short)((r->down.len <= RELAY_HIGH ? POLLIN : 0) | (r->up.len ? POLLOUT : 0))},
		{.fd = 1, .events = (short)(r->down.len ? POLLOUT : 0)},
	};

	if (poll(p, ARRAY_SIZE(p), -1) < 0)
		return errno == EINTR ? CLI_OK : CLI_FAILED;
	if (p[0].revents && read_into(0, &r->up) <= 0)
		r->stdin_ended = true;
	if ((p[1].revents & POLLOUT) && r->up.len && !write_from(r->fd, &r->up, true))
		return cli_say(CLI_UNREACHABLE, "the broker was lost");
	if (r->stdin_ended && r->up.len == 0)
		return -1; /* the client hung up: so do we, and the broker cancels what it had begun */
	if ((p[1].revents & (POLLIN | POLLHUP)) && read_into(r->fd, &r->in) <= 0)
		return cli_say(CLI_UNREACHABLE, "the broker has ended this connection");
	if (sort_lines(r) < 0)
		return cli_say(CLI_FAILED, "a line of the broker is too long");
	if ((p[2].revents & (POLLERR | POLLHUP)) || ((p[2].revents & POLLOUT) && !write_from(1, &r->down, false)))
		return -1;
	return CLI_OK;
}

/* What has come in before the client hung up is still written out. */
static void flush(struct relay *r)
{
	while (r->down.len > 0 && write_from(1, &r->down, false))
		;
}

int cli_mcp(const struct cli_args *args)
{
	struct relay r = {.up = {.max = RELAY_MAX}, .down = {.max = RELAY_MAX}, .in = {.max = RELAY_MAX}};
	_cleanup_error_ struct error err = ERROR_INIT;
	struct span answer;
	struct wire w;
	int status;

	signal(SIGPIPE, SIG_IGN);
	if (wire_open(args, true, &w, &err) < 0)
		return cli_say(CLI_UNREACHABLE, "%s", error_text(&err));
	status = wire_ask(&w, "mcp.attach", SPAN_LIT("{}"), NULL, NULL, &answer);
	r.fd = w.fd;
	while (status == CLI_OK)
		status = turn(&r);
	flush(&r);
	buf_done(&r.up);
	buf_done(&r.down);
	buf_done(&r.in);
	wire_close(&w);
	return status < 0 ? CLI_OK : status;
}
