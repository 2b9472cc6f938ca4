/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/cli/client.h"

#include "broker/cli/trust.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

enum { LINE_MAX_BYTES = 300 * 1024 * 1024, CHUNK = 256 * 1024, OPEN_TRIES = 5, HELLO_LIMIT_S = 10 };

static int send_all(int fd, const void *data, size_t len, struct error *err)
{
	const char *p = data;

	while (len > 0) {
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_set(err, -EPIPE, "the broker was lost (%s)", strerror(errno));
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static int send_request(struct wire *w, const char *method, struct span params, struct error *err)
{
	_cleanup_buf_ struct buf out = BUF_INIT(LINE_MAX_BYTES);
	char id[24];

	snprintf(id, sizeof(id), "%" PRId64, ++w->last_id);
	if (jsonrpc_write_request(&out, span_of(id, strlen(id)), method, params) < 0)
		return error_set(err, -E2BIG, "the request is too large");
	return send_all(w->fd, buf_head(&out), out.len, err);
}

void wire_send(struct wire *w, const char *method, struct span params)
{
	_cleanup_error_ struct error err = ERROR_INIT;

	(void)!send_request(w, method, params, &err);
}

/* Signals are blocked and read from a descriptor: one that comes while a line is handled is not lost. 0: the broker has
 * something to say; -EINTR: a signal came first; -EAGAIN: the person at the terminal. */
static int wait_for_news(struct wire *w)
{
	struct pollfd p[3] = {{.fd = w->fd, .events = POLLIN},
			      {.fd = w->signal_fd > 0 ? w->signal_fd : -1, .events = POLLIN},
			      {.fd = w->input_fd > 0 ? w->input_fd : -1, .events = POLLIN}};
	struct signalfd_siginfo info;

	if (w->signal_fd <= 0 && w->input_fd <= 0)
		return 0;
	while (poll(p, ARRAY_SIZE(p), -1) < 0 && errno == EINTR)
		;
	if ((p[1].revents & POLLIN) && read(w->signal_fd, &info, sizeof(info)) == sizeof(info))
		return -EINTR;
	return p[2].revents ? -EAGAIN : 0; /* a flood of output must not keep an answer waiting */
}

/* -EINTR, -EAGAIN: as wait_for_news(). */
static int read_more(struct wire *w, struct error *err)
{
	uint8_t *room = buf_reserve(&w->in, CHUNK);
	int news = room ? wait_for_news(w) : 0;
	ssize_t n;

	if (news < 0)
		return news;
	if (!room)
		return error_set(err, -E2BIG, "an answer of the broker is too large");
	n = recv(w->fd, room, CHUNK, 0);
	if (n < 0 && errno == EINTR)
		return -EINTR;
	if (n < 0 && errno == EAGAIN)
		return error_set(err, -ETIMEDOUT, "who listens on the broker's socket did not answer for %d s",
				 HELLO_LIMIT_S);
	if (n <= 0)
		return error_set(err, -EPIPE, "the broker was lost; its log is broker.log in the state folder");
	buf_commit(&w->in, (size_t)n);
	return 0;
}

/* The next message; what it borrows lasts until the next call. */
static int next_message(struct wire *w, struct jsonrpc_message *ret, struct error *err)
{
	struct span line;
	int r;

	buf_consume(&w->in, w->used);
	w->used = 0;
	while (!jsonrpc_next_line(&w->framer, buf_head(&w->in), w->in.len, &line, &w->used)) {
		w->used = 0;
		r = read_more(w, err);
		if (r < 0)
			return r;
	}
	r = jsonrpc_parse(line, false, ret, err);
	return r < 0 ? error_wrap(err, "an answer of the broker") : 0;
}

int wire_request(struct wire *w, const char *method, struct span params, const struct wire_events *events, void *user,
		 struct wire_answer *ret, struct error *err)
{
	struct jsonrpc_message m;
	int64_t wanted, id;
	int r = send_request(w, method, params, err);

	wanted = w->last_id;
	while (r == 0 || r == -EINTR || r == -EAGAIN) {
		r = next_message(w, &m, err);
		if (r == -EINTR && events && events->interrupted)
			events->interrupted(user, w, wanted);
		if (r == -EAGAIN && events && events->input)
			events->input(user, w);
		if (r < 0)
			continue;
		if (m.kind == JSONRPC_NOTIFICATION && events && events->notification)
			events->notification(user, m.method, m.params);
		if ((m.kind != JSONRPC_RESPONSE && m.kind != JSONRPC_ERROR) || span_int64(m.id, &id) < 0 ||
		    id != wanted)
			continue;
		*ret = (struct wire_answer){.result = m.result};
		if (m.kind == JSONRPC_ERROR) {
			ret->code = (int)m.error.code ? (int)m.error.code : -1;
			ret->message = span_strdup(m.error.message, m.error.message.len + 1);
		}
		return 0;
	}
	return r;
}

int wire_ask(struct wire *w, const char *method, struct span params, const struct wire_events *events, void *user,
	     struct span *ret_result)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct wire_answer answer;
	int status;

	if (wire_request(w, method, params, events, user, &answer, &err) < 0)
		return cli_say(CLI_UNREACHABLE, "%s", error_text(&err));
	if (answer.code == 0) {
		*ret_result = answer.result;
		return CLI_OK;
	}
	status = answer.code == WIRE_CODE_CONFIG ? CLI_USAGE : CLI_FAILED;
	cli_say(status, "%s", answer.message ? answer.message : "failed");
	free(answer.message);
	return status;
}

/* ---- opening ---- */

int client_hello(const struct cli_args *args, const struct paths *paths, struct buf *out, struct error *err)
{
	_cleanup_free_ char *cwd = getcwd(NULL, 0), *config = NULL;
	const char *home = getenv("HOME");
	json_auto_t *hello = NULL;

	if (!cwd)
		return error_set_errno(err, -errno, "the working directory cannot be told; cd to another one");
	if (args->config && args->config[0] == '/')
		config = strdup(args->config);
	else if (args->config && asprintf(&config, "%s/%s", cwd, args->config) < 0)
		config = NULL;
	hello = json_pack("{s:s, s:s, s:s*, s:s}", "version", HAWSER_VERSION, "cwd", cwd, "config", config,
			  "config_home", paths->config);
	/* What files of other clients and "~" mean is this process's to say; a value that is no UTF-8 stays unsaid, as
	 * does a home that base/paths.h passes over. */
	if (hello && home && home[0] == '/')
		json_object_set_new(hello, "home", json_string(home));
	if (hello && getenv("PATH"))
		json_object_set_new(hello, "search_path", json_string(getenv("PATH")));
	if (!hello || json_print(out, hello) < 0)
		return error_set(err, -EINVAL, "the working directory or the path of the configuration is not UTF-8");
	return 0;
}

int client_values(struct span names, struct buf *out, struct error *err)
{
	struct span name;
	size_t at = 0, n = 0;
	int r = buf_append_str(out, "{\"values\":[");

	while (r == 0 && span_next_element(names, &at, &name)) {
		_cleanup_free_ char *key = span_strdup(name, 1024), *pair = NULL;
		const char *value = key ? getenv(key) : NULL;

		if (!value || asprintf(&pair, "%s=%s", key, value) < 0)
			continue;
		if (n++ > 0)
			r = buf_append_str(out, ",");
		if (r == 0)
			r = buf_append_json(out, pair, strlen(pair));
	}
	if (r == 0)
		r = buf_append_str(out, "]}");
	return r < 0 ? error_set(err, r, "the values of the variables are too large") : 0;
}

static int ask(struct wire *w, const char *method, struct buf *params, struct span *ret, struct error *err)
{
	struct wire_answer answer = {0};
	int r = wire_request(w, method, span_of(buf_head(params), params->len), NULL, NULL, &answer, err);

	if (r < 0)
		return r;
	if (answer.code) {
		error_set(err, -EPROTO, "%s: %s", method, answer.message ? answer.message : "refused");
		free(answer.message);
		return -EPROTO;
	}
	*ret = answer.result;
	return 0;
}

/* seconds 0: for ever. Only while it is not known yet whether a broker listens: its answers may take their time. */
static void limit_waiting(int fd, int seconds)
{
	struct timeval limit = {.tv_sec = seconds};

	(void)!setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
}

static int greet(struct wire *w, const struct cli_args *args, const struct paths *paths, struct error *err)
{
	_cleanup_buf_ struct buf hello = BUF_INIT(64 * 1024), values = BUF_INIT(8 * 1024 * 1024);
	struct span answer = SPAN_NONE;
	int r = client_hello(args, paths, &hello, err);

	limit_waiting(w->fd, HELLO_LIMIT_S);
	if (r == 0)
		r = ask(w, "hello", &hello, &answer, err);
	limit_waiting(w->fd, 0);
	if (r < 0)
		return r;
	w->fault = cli_member(answer, "fault");
	if (w->fault)
		return 0;
	r = client_values(span_member(answer, "variables"), &values, err);
	if (r == 0)
		r = ask(w, "env", &values, &answer, err);
	if (r == 0) {
		struct span files = span_member(answer, "unapproved");

		w->fault = cli_member(answer, "fault");
		w->unapproved = files.p ? strndup(files.p, files.len) : NULL;
	}
	return r;
}

int wire_open(const struct cli_args *args, bool start, struct wire *ret, struct error *err)
{
	struct wire w = {.fd = -1, .in = {.max = LINE_MAX_BYTES}};
	struct paths paths;
	int r = paths_find(&paths, err);

	if (r < 0)
		return r;
	r = -EPIPE;
	for (int i = 0; i < OPEN_TRIES && r == -EPIPE; i++) { /* -EPIPE: one that was ending took the connection */
		wire_close(&w);
		w.fd = r = start_connect(&paths, err);
		if (r == -ENOENT && start)
			w.fd = r = start_broker(&paths, err);
		if (r >= 0)
			r = greet(&w, args, &paths, err);
	}
	if (r < 0) {
		wire_close(&w);
		return r;
	}
	*ret = w;
	return 0;
}

void wire_close(struct wire *w)
{
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
	if (w->signal_fd > 0)
		close(w->signal_fd);
	w->signal_fd = 0;
	if (w->input_fd > 0)
		close(w->input_fd);
	w->input_fd = 0;
	buf_done(&w->in);
	w->used = 0;
	w->framer = (struct jsonrpc_framer){0};
	free(w->fault);
	w->fault = NULL;
	free(w->unapproved);
	w->unapproved = NULL;
}

int wire_watch_signals(struct wire *w, struct error *err)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0 || (w->signal_fd = signalfd(-1, &set, SFD_CLOEXEC)) < 0)
		return error_set_errno(err, -errno, "watching signals");
	return 0;
}

int wire_open_or_say(const struct cli_args *args, bool needs_config, struct wire *ret)
{
	_cleanup_error_ struct error err = ERROR_INIT;

	if (wire_open(args, true, ret, &err) < 0)
		return cli_say(CLI_UNREACHABLE, "%s", error_text(&err));
	if (ret->unapproved && needs_config && trust_ask(span_of(ret->unapproved, strlen(ret->unapproved)), true) > 0) {
		wire_close(ret); /* the configuration is another one now */
		if (wire_open(args, true, ret, &err) < 0)
			return cli_say(CLI_UNREACHABLE, "%s", error_text(&err));
	}
	if (ret->fault && needs_config) {
		cli_say(CLI_USAGE, "the configuration is wrong\n%s", ret->fault);
		wire_close(ret);
		return CLI_USAGE;
	}
	return CLI_OK;
}
