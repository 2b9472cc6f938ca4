/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tool: a call from any program of a run. Takes a link of its own through the lobby (descriptor 5), makes one call, and
 * prints its value: structured content first, else the text. Errors go to stderr with status 1, a fix line with them.
 */
#include "base/buf.h"
#include "base/span.h"
#include "tunnel/guest/verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TOOL_LOBBY = 5, TOOL_STREAM = 2, TOOL_ANSWER_MAX = 256 << 20, TOOL_ARGS_MAX = 128 << 20 };

struct answer {
	struct buf head, body;
	bool reset;
};

static int fail(const char *text)
{
	fprintf(stderr, "tool: %s\n", text);
	return 1;
}

static bool write_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len > 0) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno != EINTR)
			return false;
		if (n > 0) {
			p += n;
			len -= (size_t)n;
		}
	}
	return true;
}

static bool read_all(int fd, void *data, size_t len)
{
	char *p = data;

	while (len > 0) {
		ssize_t n = read(fd, p, len);

		if (n == 0 || (n < 0 && errno != EINTR))
			return false;
		if (n > 0) {
			p += n;
			len -= (size_t)n;
		}
	}
	return true;
}

/* One byte with one end of a new pair: that is a link. -1: this process has no lobby. */
static int enter_lobby(void)
{
	char byte = 0, control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8)));
	struct iovec iov = {&byte, 1};
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	int pair[2], type = 0;
	socklen_t len = sizeof(type);
	ssize_t n;

	if (getsockopt(TOOL_LOBBY, SOL_SOCKET, SO_TYPE, &type, &len) < 0 || type != SOCK_SEQPACKET ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -1;
	memset(control, 0, sizeof(control));
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &pair[1], sizeof(int));
	do
		n = sendmsg(TOOL_LOBBY, &msg, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	close(pair[1]);
	if (n != 1) {
		close(pair[0]);
		return -1;
	}
	return pair[0];
}

static bool send_frame(int fd, uint8_t type, bool fin, const void *payload, size_t len)
{
	const struct frame f = {
		.length = (uint32_t)len, .type = type, .flags = fin ? FRAME_FIN : 0, .stream = TOOL_STREAM};
	uint8_t header[FRAME_HEADER];

	frame_encode(&f, header);
	return write_all(fd, header, sizeof(header)) && write_all(fd, payload, len);
}

static bool send_call(int fd, const char *server, size_t server_len, const char *tool, struct span args)
{
	_cleanup_buf_ struct buf open = BUF_INIT(FRAME_HEAD_MAX);
	uint8_t *size = buf_reserve(&open, 2);
	size_t head;

	if (!size)
		return false;
	buf_commit(&open, 2);
	if (buf_append_str(&open, "{\"kind\":\"call\",\"server\":") < 0 ||
	    buf_append_json(&open, server, server_len) < 0 || buf_append_str(&open, ",\"tool\":") < 0 ||
	    buf_append_json(&open, tool, strlen(tool)) < 0 || buf_append_str(&open, "}") < 0)
		return false;
	head = open.len - 2;
	size = buf_head(&open);
	size[0] = (uint8_t)(head >> 8);
	size[1] = (uint8_t)head;
	if (!send_frame(fd, FRAME_OPEN, args.len == 0, buf_head(&open), open.len))
		return false;
	while (args.len > 0) {
		size_t n = args.len < FRAME_PAYLOAD_MAX ? args.len : FRAME_PAYLOAD_MAX;

		if (!send_frame(fd, FRAME_BODY, n == args.len, args.p, n))
			return false;
		args.p += n;
		args.len -= n;
	}
	return true;
}

static bool take_frame(struct answer *a, const struct frame *f, const uint8_t *payload)
{
	const char *head;
	const uint8_t *body = payload;
	size_t head_len, len = f->length;

	if (f->type == FRAME_RESET) {
		a->reset = true;
		return buf_append(&a->head, payload, len) == 0;
	}
	if (f->type == FRAME_HEAD && (!frame_split_head(payload, f->length, &head, &head_len, &body, &len) ||
				      buf_append(&a->head, head, head_len) < 0))
		return false;
	return f->type == FRAME_TAIL || buf_append(&a->body, body, len) == 0;
}

static bool read_answer(int fd, struct answer *a)
{
	static uint8_t payload[FRAME_PAYLOAD_MAX];
	uint8_t header[FRAME_HEADER];
	struct frame f;
	const char *why;

	do {
		if (!read_all(fd, header, sizeof(header)) || frame_decode(header, &f, &why) < 0 ||
		    !read_all(fd, payload, f.length) || !take_frame(a, &f, payload))
			return false;
	} while (!a->reset && !(f.flags & FRAME_FIN));
	return true;
}

/* ---- printing ---- */

static void print_error(struct span head, bool reset)
{
	_cleanup_free_ char *kind = span_strdup(span_member(head, reset ? "reason" : "kind"), 256);
	_cleanup_free_ char *message = span_strdup(span_member(head, "message"), FRAME_HEAD_MAX);
	_cleanup_free_ char *fix = span_strdup(span_member(head, "fix"), FRAME_HEAD_MAX);

	fprintf(stderr, "tool: %s: %s\n", kind ? kind : "internal", message ? message : "the call failed");
	if (fix)
		fprintf(stderr, "fix: %s\n", fix);
}

/* All text items, a line each; false: there is none. */
static bool print_text(struct span content, FILE *to)
{
	struct span item;
	size_t at = 0;
	bool any = false;

	while (span_next_element(content, &at, &item)) {
		_cleanup_free_ char *text = NULL;

		if (!span_string_equals(span_member(item, "type"), "text"))
			continue;
		text = span_strdup(span_member(item, "text"), TOOL_ANSWER_MAX);
		if (!text)
			continue;
		any = true;
		fputs(text, to);
		if (*text == 0 || text[strlen(text) - 1] != '\n')
			fputc('\n', to);
	}
	return any;
}

static int print_span(struct span s)
{
	fwrite(s.p, 1, s.len, stdout);
	fputc('\n', stdout);
	return fflush(stdout) == 0 ? 0 : 1;
}

/* Content without any text: the one item, the list of items, or null, as the shims give it. */
static int print_items(struct span content)
{
	struct span first = SPAN_NONE, item;
	size_t at = 0, count = 0;

	while (span_next_element(content, &at, &item))
		if (count++ == 0)
			first = item;
	return print_span(count > 1 ? content : count == 1 ? first : SPAN_LIT("null"));
}

static int print_answer(const struct answer *a, bool raw)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct span head, result = SPAN_NONE, structured;

	if (span_check(span_of(buf_head(&a->head), a->head.len), false, &head, &err) < 0 ||
	    (a->body.len > 0 && span_check(span_of(buf_head(&a->body), a->body.len), false, &result, &err) < 0))
		return fail("the answer is not JSON");
	if (a->reset || !span_bool(span_member(head, "ok"), false)) {
		/* Whoever wants the whole result gets that of a tool that failed, too. */
		if (raw && result.p && span_string_equals(span_member(head, "kind"), "tool_error"))
			(void)print_span(result);
		else
			print_error(head, a->reset);
		return 1;
	}
	if (raw)
		return print_span(result);
	if (span_bool(span_member(result, "isError"), false)) {
		fputs("tool: tool_error: ", stderr);
		if (!print_text(span_member(result, "content"), stderr))
			fputs("the tool failed\n", stderr);
		return 1;
	}
	structured = span_member(result, "structuredContent");
	if (structured.p && span_type(structured) != SPAN_NULL)
		return print_span(structured);
	if (print_text(span_member(result, "content"), stdout))
		return fflush(stdout) == 0 ? 0 : 1;
	return print_items(span_member(result, "content"));
}

static int make_call(const char *server, size_t server_len, const char *tool, struct span args, bool raw)
{
	struct answer a = {.head = BUF_INIT(FRAME_HEAD_MAX), .body = BUF_INIT(TOOL_ANSWER_MAX)};
	_cleanup_close_ int fd = enter_lobby();
	int r;

	if (fd < 0)
		return fail("this process does not belong to a run (descriptor 5 is not there)");
	/* An answer may come before all arguments are read: a broken pipe is not the last word. */
	(void)send_call(fd, server, server_len, tool, args);
	r = read_answer(fd, &a) ? print_answer(&a, raw) : fail("the run is over");
	buf_done(&a.head);
	buf_done(&a.body);
	return r;
}

/* ---- verbs ---- */

/* "-" reads standard input. */
static bool read_json(const char *text, struct buf *out)
{
	if (strcmp(text, "-") != 0)
		return buf_append_str(out, text) == 0;
	for (;;) {
		uint8_t *room = buf_reserve(out, 65536);
		ssize_t n = room ? read(STDIN_FILENO, room, 65536) : -1;

		if (n <= 0)
			return n == 0;
		buf_commit(out, (size_t)n);
	}
}

static int tool_call(int argc, char **argv)
{
	_cleanup_buf_ struct buf args = BUF_INIT(TOOL_ARGS_MAX);
	_cleanup_error_ struct error err = ERROR_INIT;
	const char *dot = argc > 0 ? strchr(argv[0], '.') : NULL;
	/* mcp__server__tool is taken apart by the broker, which knows the servers. */
	bool joined = argc > 0 && strncmp(argv[0], "mcp__", 5) == 0, raw = false;

	if (!joined && (!dot || dot == argv[0] || !dot[1]))
		return fail("call wants SERVER.TOOL; tool search lists them");
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--raw") == 0)
			raw = true;
		else if (strcmp(argv[i], "--json") == 0 && i + 1 < argc && args.len == 0) {
			if (!read_json(argv[++i], &args))
				return fail("the arguments cannot be read");
		} else
			return fail("usage: tool call SERVER.TOOL [--json '{...}' | --json -] [--raw]");
	}
	if (args.len > 0 && span_check(span_of(buf_head(&args), args.len), true, NULL, &err) < 0) {
		fprintf(stderr, "tool: invalid_arguments: --json: %s\n", error_text(&err));
		return 1;
	}
	if (joined)
		return make_call("", 0, argv[0], span_of(buf_head(&args), args.len), raw);
	return make_call(argv[0], (size_t)(dot - argv[0]), dot + 1, span_of(buf_head(&args), args.len), raw);
}

static int tool_search(int argc, char **argv)
{
	_cleanup_buf_ struct buf args = BUF_INIT(FRAME_PAYLOAD_MAX);
	int r = buf_append_str(&args, "{\"query\":");

	if (argc > 1)
		return fail("usage: tool search [QUERY]");
	if (r == 0)
		r = buf_append_json(&args, argc ? argv[0] : "", argc ? strlen(argv[0]) : 0);
	if (r < 0 || buf_append_str(&args, "}") < 0)
		return fail("the query is too long");
	return make_call("hawser", strlen("hawser"), "search_tools", span_of(buf_head(&args), args.len), false);
}

int tool_main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "call") == 0)
		return tool_call(argc - 2, argv + 2);
	if (argc > 1 && strcmp(argv[1], "search") == 0)
		return tool_search(argc - 2, argv + 2);
	fputs("usage: tool call SERVER.TOOL [--json '{...}' | --json -] [--raw]\n       tool search [QUERY]\n", stderr);
	return 2;
}
