/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WebSocket client on libwebsockets, driven by our loop. Per loop there is one lws context; it goes with the loop. lws
 * knows a connection by its opaque pointer, which is taken away when ours is freed, so its later callbacks find nobody.
 *
 * RESOLVING (uv_getaddrinfo) -> CONNECTING (address by address) -> OPEN -> CLOSED
 */
#include "base/ws.h"

#include "base/strings.h"
#include "base/ws-url.h"

#include <errno.h>
#include <libwebsockets.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

enum { WS_RX = 64 * 1024, WS_HEADERS_MAX = 32 };
enum ws_state { WS_RESOLVING, WS_CONNECTING, WS_OPEN, WS_CLOSED };

struct ws_hub { /* one a loop, which owns it */
	struct lws_context *context;
};

struct ws {
	struct loop *loop;
	struct ws_hub *hub;
	struct ws_events events;
	void *user;
	enum ws_state state;
	bool freed, wants_write, told;
	char *url_text;
	struct ws_url url;
	char *protocol;
	char **headers;
	uv_getaddrinfo_t resolve;
	bool resolving;
	struct addrinfo *addresses, *next_address;
	struct loop_timer *timer;
	struct lws *wsi;
	struct error reason;
	uint8_t *out; /* LWS_PRE and a message */
};

static void ws_try_next(struct ws *ws);

static void ws_release(void *user)
{
	struct ws *ws = user;

	if (ws->addresses)
		uv_freeaddrinfo(ws->addresses);
	strings_free(ws->headers);
	free(ws->protocol);
	free(ws->url_text);
	error_done(&ws->reason);
	free(ws->out);
	free(ws);
}

static void ws_tell_closed(void *user)
{
	struct ws *ws = user;

	if (!ws->freed)
		ws->events.closed(ws->user, &ws->reason);
}

/* The first reason counts; told on the next turn. */
static void ws_close(struct ws *ws, int code, const char *text)
{
	if (ws->state == WS_CLOSED)
		return;
	ws->state = WS_CLOSED;
	loop_timer_stop(ws->timer);
	error_set(&ws->reason, code, "%s: %s", ws->url.host, text);
	loop_defer(ws->loop, ws_tell_closed, ws);
}

/* ---- libwebsockets' side ---- */

static int append_headers(struct ws *ws, unsigned char **at, unsigned char *end)
{
	for (char **header = ws->headers; header && *header; header++) {
		const char *line = *header, *colon = strchr(line, ':'), *value = colon + 1;
		char name[128];

		if ((size_t)(colon - line) > sizeof(name) - 2)
			return -1;
		memcpy(name, line, (size_t)(colon - line) + 1);
		name[colon - line + 1] = 0;
		value += strspn(value, " \t");
		if (lws_add_http_header_by_name(ws->wsi, (const unsigned char *)name, (const unsigned char *)value,
						(int)strlen(value), at, end))
			return -1;
	}
	return 0;
}

static void ws_on_opened(struct ws *ws)
{
	ws->state = WS_OPEN;
	loop_timer_stop(ws->timer);
	ws->events.opened(ws->user);
}

/* The connection is over for us: nothing that lws still says of it may be taken for its successor's. */
static void ws_on_error(struct ws *ws, const char *text)
{
	if (ws->wsi)
		lws_set_opaque_user_data(ws->wsi, NULL);
	ws->wsi = NULL;
	ws->told = true;
	if (ws->state == WS_CONNECTING && ws->next_address)
		ws_try_next(ws);
	else
		ws_close(ws, ws->state == WS_OPEN ? -ECONNRESET : -ECONNREFUSED, text ? text : "the connection failed");
}

static int on_lws(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
	struct ws *ws = lws_get_opaque_user_data(wsi);

	(void)user;
	if (!ws || ws->freed)
		return reason == LWS_CALLBACK_CLIENT_RECEIVE || reason == LWS_CALLBACK_CLIENT_WRITEABLE ||
				       reason == LWS_CALLBACK_CLIENT_ESTABLISHED
			       ? -1
			       : 0;
	ws->wsi = wsi;
	switch ((int)reason) {
	case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER: {
		unsigned char **at = in;

		return append_headers(ws, at, *at + len);
	}
	case LWS_CALLBACK_CLIENT_ESTABLISHED:
		ws_on_opened(ws);
		break;
	case LWS_CALLBACK_CLIENT_RECEIVE:
		if (!lws_frame_is_binary(wsi)) {
			ws_close(ws, -EPROTO, "the other end sent text");
			return -1;
		}
		ws->events.data(ws->user, in, len);
		break;
	case LWS_CALLBACK_CLIENT_WRITEABLE:
		if (ws->wants_write && ws->state == WS_OPEN) {
			ws->wants_write = false;
			ws->events.writable(ws->user);
		}
		break;
	case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
		ws_on_error(ws, in);
		break;
	case LWS_CALLBACK_CLIENT_CLOSED:
		ws_on_error(ws, "the connection was closed");
		break;
	case LWS_CALLBACK_WSI_DESTROY: /* a RST at the wrong moment: lws says nothing else */
		ws_on_error(ws, "the connection was dropped");
		break;
	default:
		break;
	}
	return ws->freed ? -1 : 0;
}

static const struct lws_protocols protocols[] = {
	{.name = "hawser", .callback = on_lws, .rx_buffer_size = WS_RX, .tx_packet_size = WS_RX},
	{.name = NULL},
};

/* ---- the context ---- */

static void hub_end(void *user)
{
	struct ws_hub *hub = user;

	lws_context_destroy(hub->context);
	free(hub);
}

static int hub_get(struct loop *loop, struct ws_hub **ret, struct error *err)
{
	/* Only a PONG counts as life for lws, so a slow long message would be cut: the tunnel knows better. */
	static const lws_retry_bo_t no_validity = {.secs_since_valid_ping = 0xffff, .secs_since_valid_hangup = 0xffff};
	void *loops[] = {loop_uv(loop)};
	struct lws_context_creation_info info = {
		.port = CONTEXT_PORT_NO_LISTEN,
		.protocols = protocols,
		.gid = -1,
		.uid = -1,
		.options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_UV_NO_SIGSEGV_SIGFPE_SPIN |
			   LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT,
		.pt_serv_buf_size = WS_RX,
		.foreign_loops = loops,
		.retry_and_idle_policy = &no_validity,
	};
	struct ws_hub *hub = loop_owned(loop, hub_end);

	if (hub) {
		*ret = hub;
		return 0;
	}
	hub = calloc(1, sizeof(*hub));
	if (!hub)
		return error_set(err, -ENOMEM, "no memory for WebSockets");
	lws_set_log_level(0, NULL);
	hub->context = lws_create_context(&info);
	if (!hub->context) {
		free(hub);
		return error_set(err, -EIO,
				 "libwebsockets does not start; is the package libwebsockets-evlib-uv installed?");
	}
	loop_own(loop, hub_end, hub);
	*ret = hub;
	return 0;
}

/* ---- connecting ---- */

static void ws_connect(struct ws *ws, const struct addrinfo *address)
{
	char ip[NI_MAXHOST], host[WS_URL_HOST_MAX + 16];
	const char *path = *ws->url.path ? ws->url.path : "/";
	char *slashed = NULL;
	struct lws_client_connect_info info = {
		.context = ws->hub->context,
		.address = ip,
		.port = ws->url.port,
		.host = host,
		.origin = host,
		.protocol = ws->protocol,
		.local_protocol_name = "hawser",
		.ietf_version_or_minus_one = -1,
		.ssl_connection = ws->url.tls ? LCCSCF_USE_SSL : 0,
		.opaque_user_data = ws,
	};
	struct lws *wsi;

	if (getnameinfo(address->ai_addr, address->ai_addrlen, ip, sizeof(ip), NULL, 0, NI_NUMERICHOST) != 0) {
		ws_close(ws, -EINVAL, "an address cannot be used");
		return;
	}
	if (*path == '?' && asprintf(&slashed, "/%s", path) >= 0)
		path = slashed;
	info.path = path;
	if (ws->url.port == (ws->url.tls ? 443 : 80))
		snprintf(host, sizeof(host), ws->url.bracketed ? "[%s]" : "%s", ws->url.host);
	else
		snprintf(host, sizeof(host), ws->url.bracketed ? "[%s]:%u" : "%s:%u", ws->url.host, ws->url.port);
	ws->told = false;
	wsi = lws_client_connect_via_info(&info);
	free(slashed);
	if (!wsi && !ws->told) /* NULL comes with the error callback or without one */
		ws_on_error(ws, NULL);
	else if (!ws->told)
		ws->wsi = wsi;
}

static void ws_try_deferred(void *user)
{
	struct ws *ws = user;
	struct addrinfo *address = ws->next_address;

	if (ws->freed || ws->state != WS_CONNECTING || !address)
		return;
	ws->next_address = address->ai_next;
	ws_connect(ws, address);
}

/* On a turn of its own: lws is not entered again from its own callback. */
static void ws_try_next(struct ws *ws)
{
	loop_defer(ws->loop, ws_try_deferred, ws);
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *addresses)
{
	struct ws *ws = request->data;

	ws->resolving = false;
	ws->addresses = ws->next_address = addresses;
	if (ws->freed) {
		loop_defer(ws->loop, ws_release, ws);
		return;
	}
	if (status < 0 || !addresses) {
		ws_close(ws, -EHOSTUNREACH, status < 0 ? uv_strerror(status) : "the name has no address");
		return;
	}
	if (ws->state == WS_RESOLVING) {
		ws->state = WS_CONNECTING;
		ws_try_next(ws);
	}
}

static void on_timer(void *user)
{
	struct ws *ws = user;

	ws_close(ws, -ETIMEDOUT, "no connection within the time limit");
}

static int copy_headers(struct ws *ws, const char *const *headers, struct error *err)
{
	size_t n = 0;

	while (headers && headers[n]) {
		if (n == WS_HEADERS_MAX || !ws_header_good(headers[n]))
			return error_set(err, -EINVAL, "header %zu of the URL is malformed, or there are over %d",
					 n + 1, WS_HEADERS_MAX);
		n++;
	}
	ws->headers = strings_copy(headers);
	return ws->headers ? 0 : error_set(err, -ENOMEM, "no memory for a WebSocket");
}

static int ws_prepare(struct ws *ws, struct loop *loop, const struct ws_options *options, struct error *err)
{
	int r;

	ws->url_text = strdup(options->url);
	ws->protocol = strdup(options->protocol);
	ws->out = malloc(LWS_PRE + WS_MESSAGE_MAX);
	if (!ws->url_text || !ws->protocol || !ws->out)
		return error_set(err, -ENOMEM, "no memory for a WebSocket");
	r = ws_url_read(ws->url_text, &ws->url, err);
	if (r == 0)
		r = copy_headers(ws, options->headers, err);
	if (r == 0)
		r = hub_get(loop, &ws->hub, err);
	return r == 0 ? loop_timer_new(loop, on_timer, ws, &ws->timer, err) : r;
}

int ws_new(struct loop *loop, const struct ws_options *options, const struct ws_events *events, void *user,
	   struct ws **ret, struct error *err)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_family = AF_UNSPEC};
	struct ws *ws = calloc(1, sizeof(*ws));
	char port[8];
	int r;

	if (!ws)
		return error_set(err, -ENOMEM, "no memory for a WebSocket");
	ws->loop = loop;
	ws->events = *events;
	ws->user = user;
	r = ws_prepare(ws, loop, options, err);
	if (r == 0) {
		snprintf(port, sizeof(port), "%u", ws->url.port);
		ws->resolve.data = ws;
		r = uv_getaddrinfo(loop_uv(loop), &ws->resolve, on_resolved, ws->url.host, port, &hints);
		if (r < 0)
			error_set(err, r, "resolving %s: %s", ws->url.host, uv_strerror(r));
	}
	if (r < 0) {
		loop_timer_free(ws->timer);
		ws_release(ws);
		return r;
	}
	ws->resolving = true;
	loop_timer_start(ws->timer, options->open_limit_ms);
	*ret = ws;
	return 0;
}

int ws_write(struct ws *ws, const struct iovec *iov, size_t count)
{
	size_t len = 0;

	if (ws->state != WS_OPEN || !ws->wsi)
		return -EPIPE;
	if (lws_partial_buffered(ws->wsi) || lws_send_pipe_choked(ws->wsi)) {
		ws->wants_write = true;
		lws_callback_on_writable(ws->wsi);
		return -EAGAIN;
	}
	for (size_t i = 0; i < count; i++) {
		if (iov[i].iov_len > WS_MESSAGE_MAX - len)
			return -EMSGSIZE;
		memcpy(ws->out + LWS_PRE + len, iov[i].iov_base, iov[i].iov_len);
		len += iov[i].iov_len;
	}
	if (lws_write(ws->wsi, ws->out + LWS_PRE, len, LWS_WRITE_BINARY) < (int)len) {
		ws_close(ws, -EPIPE, "writing failed");
		return -EPIPE;
	}
	return 0;
}

struct ws *ws_free(struct ws *ws)
{
	if (!ws)
		return NULL;
	ws->freed = true;
	ws->timer = loop_timer_free(ws->timer);
	if (ws->wsi) {
		lws_set_opaque_user_data(ws->wsi, NULL);
		lws_set_timeout(ws->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
	}
	if (ws->resolving)
		uv_cancel((uv_req_t *)&ws->resolve); /* on_resolved() releases */
	else
		loop_defer(ws->loop, ws_release, ws);
	return NULL;
}
