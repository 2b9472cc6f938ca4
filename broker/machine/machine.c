/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Life of a machine: CONNECTING -> UP <-> DOWN -> CLOSED. Links come and go under the tunnel: each one that drops is
 * followed by another, at once if it moved something new, else with backoff, until none was proven for
 * connect_limit_ms. machine_free() marks it dead; it is taken apart on the next turn, as it may be called from inside
 * its own events.
 */
#include "broker/machine/internal.h"

#include "base/clock.h"
#include "base/ids.h"
#include "base/log.h"
#include "base/strings.h"
#include "tunnel/carrier/ws.h"
#include "tunnel/proto/trace.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define RETRY_FIRST_MS 50u
#define RETRY_MOST_MS 5000u

static void connect_link(struct machine *m);

static void set_state(struct machine *m, enum machine_state state, const char *reason)
{
	if (m->state == state || m->dead)
		return;
	assert(m->state != MACHINE_CLOSED);
	m->state = state;
	if (m->events.state)
		m->events.state(m->user, state, reason);
}

void machine_kick(struct machine *m)
{
	if (m->carrier)
		carrier_kick(m->carrier);
}

struct stream *machine_find_stream(struct machine *m, uint32_t id)
{
	struct stream *s;

	HASH_FIND(hh, m->streams, &id, sizeof(id), s);
	return s;
}

bool machine_push(struct stream *s)
{
	struct sender *out = &s->out;

	while (out->sent < out->data.len || out->fin) {
		bool leads = out->sent < out->lead;
		size_t end = leads ? out->lead : out->data.len;
		ssize_t n = tunnel_send(s->machine->tunnel, s->id, leads ? CHANNEL_DATA : CHANNEL_MAIN,
					buf_head(&out->data) + out->sent, end - out->sent, out->fin && !leads);

		if (n < 0)
			return true; /* the stream is gone: whoever owns it hears of that by an event */
		out->sent += (size_t)n;
		if (out->sent < out->data.len) {
			if (n == 0)
				return false;
			continue;
		}
		out->fin = false;
	}
	buf_done(&out->data);
	out->sent = out->lead = 0;
	return true;
}

/* ---- events of the tunnel ---- */

static void on_up(void *user, bool resumed)
{
	struct machine *m = user;

	m->was_up = true;
	if (!resumed) { /* their numbers mean nothing any more */
		memset(m->ends, 0, sizeof(m->ends));
		m->end_count = 0;
	}
	m->backoff_ms = RETRY_FIRST_MS; /* who proves itself is there: only attempts that fail wait longer and longer */
	set_state(m, MACHINE_UP, resumed ? "resumed" : "connected");
}

static void on_open(void *user, uint32_t stream, const char *head, size_t len)
{
	machine_call_on_open(user, stream, span_of(head, len));
}

static void on_head(void *user, uint32_t stream, const char *head, size_t len)
{
	struct stream *s = machine_find_stream(user, stream);
	struct machine_run *run = (struct machine_run *)s;

	(void)head, (void)len;
	if (s && s->kind == STREAM_HOLD)
		machine_hold_confirmed((struct machine_hold *)s);
	else if (s && s->kind == STREAM_RUN && !run->over && !run->stream.machine->dead && run->events.started)
		run->events.started(run->user);
}

static void on_body(void *user, uint32_t stream, uint16_t channel, const uint8_t *data, size_t len)
{
	struct machine *m = user;
	struct stream *s = machine_find_stream(m, stream);

	if (s && s->kind == STREAM_RUN)
		machine_run_on_body((struct machine_run *)s, channel, data, len);
	else if (s && s->kind == STREAM_CALL)
		machine_call_on_body((struct machine_call *)s, data, len);
	tunnel_consumed(m->tunnel, stream, len);
}

static void on_end(void *user, uint32_t stream, const char *tail, size_t len)
{
	struct stream *s = machine_find_stream(user, stream);
	struct machine_run_end end = {.tail_json = tail, .tail_len = len};

	if (!s)
		return;
	if (s->kind == STREAM_CALL) {
		machine_call_on_input_over((struct machine_call *)s);
		return;
	}
	if (s->kind == STREAM_HOLD) {
		machine_hold_refused((struct machine_hold *)s);
		return;
	}
	if (!tail)
		end.lost = "the guest ended the run without a word";
	machine_run_finish((struct machine_run *)s, &end);
}

static void drop_stream(struct machine *m, uint32_t stream, const char *why)
{
	struct stream *s = machine_find_stream(m, stream);
	struct machine_run_end end = {.lost = why};

	if (s && s->kind == STREAM_RUN)
		machine_run_finish((struct machine_run *)s, &end);
	else if (s && s->kind == STREAM_CALL)
		machine_call_drop((struct machine_call *)s);
	else if (s)
		machine_hold_refused((struct machine_hold *)s);
}

static void on_reset(void *user, uint32_t stream, const char *json, size_t len)
{
	(void)json, (void)len;
	drop_stream(user, stream, "the guest refused the run");
}

static void on_stream_lost(void *user, uint32_t stream)
{
	drop_stream(user, stream, "the guest began anew and knows nothing of the run");
}

static void on_writable(void *user, uint32_t stream)
{
	struct stream *s = machine_find_stream(user, stream);

	if (s && machine_push(s) && s->kind == STREAM_CALL)
		machine_call_on_sent((struct machine_call *)s);
}

/* The one place where a frame is said to be kept: its output is in the run's event file, its call is owned by core, its
 * end has been recorded, or waits for that (machine_run_keep_end()). */
static void on_frame(void *user, uint32_t stream, uint32_t sequence)
{
	struct machine *m = user;

	if (!machine_end_waits(m, stream, sequence))
		tunnel_handled(m->tunnel, sequence);
}

static const struct tunnel_events tunnel_events = {
	.up = on_up,
	.open = on_open,
	.head = on_head,
	.body = on_body,
	.end = on_end,
	.reset = on_reset,
	.stream_lost = on_stream_lost,
	.writable = on_writable,
	.frame = on_frame,
};

/* ---- links ---- */

static void give_up(struct machine *m, const char *reason)
{
	const struct machine_run_end end = {.lost = reason};
	struct machine_run *run;

	set_state(m, MACHINE_CLOSED, reason);
	/* The end of a run takes its calls out of the table too: each time the table is looked at anew. */
	while (!m->dead && (run = machine_any_run(m)))
		machine_run_finish(run, &end);
}

void machine_lost(struct machine *m, const char *reason)
{
	if (m->dead || m->state == MACHINE_CLOSED)
		return;
	loop_timer_stop(m->retry);
	m->carrier = carrier_free(m->carrier);
	give_up(m, reason);
}

static void retry_later(struct machine *m, const char *reason)
{
	uint64_t limit = m->was_up ? m->options.lost_limit_ms : m->options.connect_limit_ms;
	/* Of the link that was lost just now: an attempt that failed never has moved anything. */
	bool moved = m->state == MACHINE_UP && tunnel_link_moved(m->tunnel);

	if (m->state == MACHINE_UP)
		m->alone_since_ms = clock_now_ms();
	if (clock_now_ms() - m->alone_since_ms >= limit) {
		give_up(m, reason);
		return;
	}
	if (m->state == MACHINE_UP)
		set_state(m, MACHINE_DOWN, reason);
	if (m->dead)
		return;
	if (moved) {
		m->backoff_ms = RETRY_FIRST_MS;
		loop_timer_start(m->retry, 0);
		return;
	}
	loop_timer_start(m->retry, m->backoff_ms);
	m->backoff_ms = m->backoff_ms * 2 > RETRY_MOST_MS ? RETRY_MOST_MS : m->backoff_ms * 2;
}

static void on_carrier_closed(void *user, const struct error *reason)
{
	struct machine *m = user;

	log_debug("link_closed", LOG_S("reason", error_text(reason)));
	m->carrier = carrier_free(m->carrier);
	if (!m->dead)
		retry_later(m, error_text(reason));
}

static const struct carrier_events carrier_events = {.closed = on_carrier_closed};

static int connect_unix(const char *path, int *ret, struct error *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	_cleanup_close_ int fd = -1;

	if (strlen(path) >= sizeof(address.sun_path))
		return error_set(err, -ENAMETOOLONG, "socket path %s is longer than %zu bytes", path,
				 sizeof(address.sun_path) - 1);
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return error_set_errno(err, -errno, "making a socket");
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return error_set_errno(err, -errno, "connecting to %s", path);
	*ret = TAKE_FD(fd);
	return 0;
}

static int open_link(struct machine *m, struct error *err)
{
	int fd = -1, r;

	if (m->url)
		return carrier_ws_new(m->loop, m->tunnel, m->url, (const char *const *)m->headers, &carrier_events, m,
				      &m->carrier, err);
	r = connect_unix(m->unix_path, &fd, err);
	if (r < 0)
		return r;
	return carrier_stream_new(m->loop, m->tunnel, fd, fd, &carrier_events, m, &m->carrier, err);
}

static void connect_link(struct machine *m)
{
	_cleanup_error_ struct error err = ERROR_INIT;

	if (open_link(m, &err) < 0) {
		m->carrier = NULL;
		retry_later(m, error_text(&err));
	}
}

static void on_retry(void *user)
{
	connect_link(user);
}

/* ---- trace: frame headers with time and direction, never bodies ---- */

static void on_trace(void *user, uint64_t now_ms, bool outgoing, const struct frame *frame)
{
	struct machine *m = user;
	char line[TRACE_LINE_MAX];
	size_t len = trace_format(line, now_ms, outgoing, "broker", frame);

	(void)!write(m->trace_fd, line, len);
}

/* ---- life ---- */

static void on_random(void *user, void *data, size_t len)
{
	(void)user;
	random_bytes(data, len);
}

static int copy_endpoint(struct machine *m, const struct machine_endpoint *e)
{
	m->unix_path = e->unix_path ? strdup(e->unix_path) : NULL;
	m->url = e->url ? strdup(e->url) : NULL;
	if (!m->unix_path && !m->url)
		return -EINVAL;
	m->headers = strings_copy(e->headers);
	return m->headers ? 0 : -ENOMEM;
}

static void machine_destroy(void *user)
{
	struct machine *m = user;
	struct machine_run *run;
	struct stream *s, *next;

	carrier_free(m->carrier);
	loop_timer_free(m->retry);
	HASH_ITER (hh, m->streams, s, next) {
		if (s->kind == STREAM_CALL)
			machine_call_drop((struct machine_call *)s);
	}
	while ((run = machine_any_run(m))) /* its hold goes with it */
		machine_run_finish(run, &(struct machine_run_end){.lost = "closed"});
	tunnel_free(m->tunnel);
	if (m->trace_fd >= 0)
		close(m->trace_fd);
	strings_free(m->headers);
	free(m->unix_path);
	free(m->url);
	explicit_bzero(m->options.secret, sizeof(m->options.secret));
	free(m);
}

struct machine *machine_free(struct machine *m)
{
	if (!m || m->dead)
		return NULL;
	m->dead = true;
	loop_timer_stop(m->retry);
	loop_defer(m->loop, machine_destroy, m);
	return NULL;
}

static int make_tunnel(struct machine *m, struct error *err)
{
	struct tunnel_options o = {.dialler = true, .id = m->options.tunnel, .random = on_random};
	int r;

	memcpy(o.secret, m->options.secret, sizeof(o.secret));
	random_bytes(&o.boot, sizeof(o.boot));
	if (m->options.trace_path) {
		m->trace_fd = open(m->options.trace_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
		if (m->trace_fd < 0)
			return error_set_errno(err, -errno, "opening HAWSER_TRACE %s", m->options.trace_path);
		o.trace = on_trace;
		o.trace_user = m;
	}
	r = tunnel_new(&o, &tunnel_events, m, &m->tunnel, err);
	explicit_bzero(o.secret, sizeof(o.secret));
	return r;
}

int machine_new(struct loop *loop, const struct machine_options *options, const struct machine_events *events,
		void *user, struct machine **ret, struct error *err)
{
	struct machine *m = calloc(1, sizeof(*m));
	int r;

	if (!m)
		return error_set(err, -ENOMEM, "no memory for a machine");
	m->loop = loop;
	m->options = *options;
	m->events = *events;
	m->user = user;
	m->trace_fd = -1;
	m->backoff_ms = RETRY_FIRST_MS;
	m->alone_since_ms = clock_now_ms();
	r = copy_endpoint(m, &options->endpoint);
	if (r < 0)
		error_set(err, r, "a sandbox without an endpoint");
	if (r == 0)
		r = make_tunnel(m, err);
	if (r == 0)
		r = loop_timer_new(loop, on_retry, m, &m->retry, err);
	if (r < 0) {
		m->dead = true;
		machine_destroy(m);
		return r;
	}
	loop_timer_start(m->retry,
			 0); /* the first link: on the next turn, so that events never come inside this call */
	*ret = m;
	return 0;
}
