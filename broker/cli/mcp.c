/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hawser mcp: a relay between stdin/stdout and the broker's MCP door. Nothing but MCP is ever written to stdout.
 *
 *   MCP client  <-- stdin, stdout -->  this  <-- broker.sock, after mcp.attach -->  broker
 *
 * A broker that is lost is replaced: at once if it owed answers, else when the client next says something. Two kinds of
 * line are not MCP: the broker asks "hawser/env" {variables} when the configuration has changed and names new ones;
 * this answers "hawser/env" {values}. One that stops says "hawser/again" {id} to a request that it did not begin, so
 * that the next broker gets it.
 */
#include "base/clock.h"
#include "broker/cli/client.h"
#include "broker/cli/recall.h"
#include "broker/cli/trust.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

enum {
	RELAY_MAX = 96 * 1024 * 1024, /* bytes of one line */
	RELAY_HIGH = 1024 * 1024, /* reading stops while so much waits for the other side */
	RELAY_CHUNK = 64 * 1024,
	RELAY_WRITE = 4096, /* PIPE_BUF: a pipe that polls writable takes it without blocking */
	RELAY_LOSSES_MAX = 5, /* in RELAY_LOSSES_MS: then something is wrong that a new broker does not mend */
	RELAY_LOSSES_MS = 60000,
};

/* One direction's input, up to the end of a line. */
struct side {
	struct buf in;
	struct jsonrpc_framer framer;
};

struct relay {
	const struct cli_args *args;
	struct wire w; /* fd -1: lost, not replaced yet */
	struct side client, broker;
	struct buf up, down; /* for the broker; for stdout */
	struct recall recall;
	bool stdin_ended;
	uint64_t losses[RELAY_LOSSES_MAX];
	unsigned loss_count;
};

/* ---- the broker ---- */

static int attach(struct relay *r)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct span answer;
	int status;

	if (wire_open(r->args, true, &r->w, &err) < 0) {
		r->w.fd = -1;
		return cli_say(CLI_UNREACHABLE, "%s", error_text(&err));
	}
	if (r->w.unapproved) /* stdin is the client's: nobody can be asked */
		trust_ask(span_of(r->w.unapproved, strlen(r->w.unapproved)), false);
	status = wire_ask(&r->w, "mcp.attach", SPAN_LIT("{}"), NULL, NULL, &answer);
	if (status != CLI_OK)
		wire_close(&r->w);
	return status;
}

/* What was on its way is recalled, or nobody waits for it. */
static void lose(struct relay *r)
{
	wire_close(&r->w);
	buf_done(&r->up);
	buf_done(&r->broker.in);
	r->broker.framer = (struct jsonrpc_framer){0};
}

static int replace(struct relay *r)
{
	uint64_t now = clock_now_ms(), *oldest = &r->losses[r->loss_count % RELAY_LOSSES_MAX];
	int status;

	if (r->loss_count >= RELAY_LOSSES_MAX && now - *oldest < RELAY_LOSSES_MS)
		return cli_say(CLI_UNREACHABLE, "the broker was lost %d times in a minute; see hawser doctor",
			       RELAY_LOSSES_MAX);
	*oldest = now;
	r->loss_count++;
	status = attach(r);
	if (status == CLI_OK && recall_replay(&r->recall, &r->up, &r->down) < 0)
		return cli_say(CLI_FAILED, "too much was open when the broker was lost");
	return status;
}

/* ---- lines ---- */

static void answer_env(struct relay *r, struct span params)
{
	_cleanup_buf_ struct buf values = BUF_INIT(8 * 1024 * 1024);
	_cleanup_error_ struct error err = ERROR_INIT;
	struct span names = params.p ? span_member(params, "variables") : SPAN_NONE;

	if (!names.p || client_values(names, &values, &err) < 0 ||
	    jsonrpc_write_request(&r->up, SPAN_NONE, "hawser/env", span_of(buf_head(&values), values.len)) < 0)
		cli_say(0, "the values of the variables could not be sent");
}

static int put_line(struct buf *out, struct span line)
{
	int r = buf_append(out, line.p, line.len);

	return r < 0 ? r : buf_append(out, "\n", 1);
}

static void take_again(struct relay *r, struct span params)
{
	recall_see_refused(&r->recall, params.p ? span_member(params, "id") : SPAN_NONE);
}

static const struct {
	const char *method;
	void (*take)(struct relay *r, struct span params);
} own_words[] = {{"hawser/env", answer_env}, {"hawser/again", take_again}};

/* Is it for the relay, not for the client? */
static bool take_own_line(struct relay *r, struct span line)
{
	static const char mark[] = "\"hawser/";
	_cleanup_error_ struct error err = ERROR_INIT;
	struct jsonrpc_message m;

	if (!memmem(line.p, line.len < 64 ? line.len : 64, mark, sizeof(mark) - 1) ||
	    jsonrpc_parse(line, false, &m, &err) < 0 || m.kind != JSONRPC_NOTIFICATION)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(own_words); i++)
		if (span_string_equals(m.method, own_words[i].method)) {
			own_words[i].take(r, m.params);
			return true;
		}
	return false;
}

static int take_broker_lines(struct relay *r)
{
	struct span line;
	size_t used;

	while (jsonrpc_next_line(&r->broker.framer, buf_head(&r->broker.in), r->broker.in.len, &line, &used)) {
		if (!take_own_line(r, line) && recall_see_answer(&r->recall, line) && put_line(&r->down, line) < 0)
			return -E2BIG;
		buf_consume(&r->broker.in, used);
	}
	return 0;
}

static int take_client_lines(struct relay *r)
{
	struct span line;
	size_t used;

	while (jsonrpc_next_line(&r->client.framer, buf_head(&r->client.in), r->client.in.len, &line, &used)) {
		if (r->w.fd < 0) {
			int status = replace(r);

			if (status != CLI_OK)
				return status;
		}
		recall_see_request(&r->recall, line);
		if (put_line(&r->up, line) < 0)
			return cli_say(CLI_FAILED, "a line of the client is too long");
		buf_consume(&r->client.in, used);
	}
	return CLI_OK;
}

/* ---- bytes ---- */

/* 0: the end of the stream; negative: it broke. */
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

/* -1: it was lost. */
static int serve_broker(struct relay *r, short events)
{
	if ((events & POLLOUT) && r->up.len && !write_from(r->w.fd, &r->up, true))
		return -1;
	if ((events & (POLLIN | POLLHUP | POLLERR)) && read_into(r->w.fd, &r->broker.in) <= 0)
		return -1;
	return take_broker_lines(r) < 0 ? cli_say(CLI_FAILED, "a line of the broker is too long") : CLI_OK;
}

/* One turn; CLI_OK: go on, else the status to leave with, or -1: all is done. */
static int turn(struct relay *r)
{
	struct pollfd p[3] = {
		{.fd = r->stdin_ended || r->up.len > RELAY_HIGH ? -1 : 0, .events = POLLIN},
		{.fd = r->w.fd,
		 .events = (short)((r->down.len <= RELAY_HIGH ? POLLIN : 0) | (r->up.len ? POLLOUT : 0))},
		{.fd = r->down.len ? 1 : -1, .events = POLLOUT},
	};
	int status = CLI_OK;

	if (poll(p, ARRAY_SIZE(p), -1) < 0)
		return errno == EINTR ? CLI_OK : CLI_FAILED;
	if (p[2].revents && ((p[2].revents & POLLERR) || !write_from(1, &r->down, false)))
		return -1;
	if (p[1].revents)
		status = serve_broker(r, p[1].revents);
	if (status < 0) {
		lose(r);
		status = r->recall.open && !r->stdin_ended ? replace(r) : CLI_OK;
	}
	if (status == CLI_OK && p[0].revents) {
		r->stdin_ended = read_into(0, &r->client.in) <= 0;
		status = take_client_lines(r);
	}
	/* the client hung up: so do we, and the broker cancels what was begun */
	return status == CLI_OK && r->stdin_ended && r->up.len == 0 ? -1 : status;
}

/* What has come in before the client hung up is still written out. */
static void flush(struct relay *r)
{
	while (r->down.len > 0 && write_from(1, &r->down, false))
		;
}

int cli_mcp(const struct cli_args *args)
{
	struct relay r = {
		.args = args,
		.client.in.max = RELAY_MAX,
		.broker.in.max = RELAY_MAX,
		.up.max = RELAY_MAX,
		.down.max = RELAY_MAX,
	};
	int status;

	if (getenv("HAWSER_DEPTH")) /* set for every server that Hawser starts */
		return cli_say(CLI_USAGE,
			       "this is a server of Hawser, and would stand behind itself; take it out of mcpServers");
	signal(SIGPIPE, SIG_IGN);
	status = attach(&r);
	while (status == CLI_OK)
		status = turn(&r);
	flush(&r);
	wire_close(&r.w);
	buf_done(&r.client.in);
	buf_done(&r.broker.in);
	buf_done(&r.up);
	buf_done(&r.down);
	recall_done(&r.recall);
	return status < 0 ? CLI_OK : status;
}
