/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_UPSTREAM_HTTP_INTERNAL_H
#define HAWSER_BROKER_UPSTREAM_HTTP_INTERNAL_H

/* What the files of the HTTP transport share. */

#include "base/http.h"
#include "base/sse.h"
#include "broker/upstream/http-transport.h"
#include "broker/upstream/wire.h"

enum {
	HTTP_CALLS_MAX = 64, /* calls on their way at once; more wait their turn */
	HTTP_NOTES_MAX = 256, /* other messages at once; more are dropped */
	HTTP_CONNECT_MS = 20000,
	HTTP_REDIRECTS_MAX = 5,
	HTTP_RETRY_MS = 1000, /* pause before a stream is opened again, unless the server says another */
	HTTP_RETRY_MIN_MS = 10, /* whatever the server says */
	HTTP_RETRY_MAX_MS = 60000,
	HTTP_LISTEN_BACKOFF_MAX_MS = 30000, /* of the listening stream, when it fails again and again */
	HTTP_RESUMES_MAX = 5, /* of one answer, without a new event */
	HTTP_LINGER_MS = 1000, /* a stream whose answer has come may end by itself for so long */
	HTTP_FAULT_MAX = 64 << 10, /* bytes of the body of a refusal */
	HTTP_HELD_MAX = 256 << 20, /* bytes of unfinished messages of one server */
	HTTP_SESSION_MAX = 1024, /* bytes of a session id */
};

/* OUTGOING_... or one of these. */
enum { EXCHANGE_LISTEN = OUTGOING_CALL + 1, EXCHANGE_LEAVE };

enum exchange_body { BODY_IGNORED, BODY_FAULT, BODY_JSON, BODY_EVENTS };

/*
 * One request and its answer:
 *
 *   QUEUED -> OPEN -> (finished) freed             POST of a message; its answer is JSON, or a stream of events
 *              |  ^
 *              v  |   the stream was cut and can be resumed, or it is the listening one
 *            PAUSING
 */
enum exchange_state { QUEUED, OPEN, PAUSING };

struct exchange {
	struct http_transport *t;
	int kind;
	enum exchange_state state;
	bool broken; /* it could not even be started: fault says why */
	bool dead; /* its memory goes on the next turn */
	uint64_t id; /* of the JSON-RPC request; 0: none */
	unsigned session; /* number of the session it began in */
	bool in_session; /* it names one */
	struct buf head, body;
	char tail[64];
	size_t tail_len;
	char *url;
	bool theirs; /* the url is one that the server named */
	unsigned redirects;
	struct http *http;
	struct wire *wire;
	struct sse sse;
	enum exchange_body body_kind;
	struct buf text; /* BODY_JSON, BODY_FAULT */
	int status;
	char *cut; /* how the body was cut; NULL: it ended in good order */
	bool body_over; /* all bytes have come; big messages are still on another thread */
	bool answered; /* the response to id has been told */
	bool left; /* it may have reached the server */
	unsigned resumes; /* in a row */
	char *fault; /* why the server refused it, in its words */
	struct loop_timer *timer;
	struct exchange *prev, *next;
};

struct http_transport {
	struct transport base;
	struct loop *loop;
	unsigned refs; /* the owner and what is deferred */
	struct transport_events events;
	void *user;
	char *url, *ca_file, *proxy, *no_proxy;
	char **headers;
	size_t message_max;
	uint64_t step_ms;
	bool old;
	char *target; /* where messages go: url, what that redirects to, or what the old transport's stream names; NULL:
			 not known yet */
	bool peer_private; /* the address behind url is a private one */
	bool peer_known;
	char session[HTTP_SESSION_MAX + 1]; /* "": none */
	unsigned session_number;
	char version[16]; /* "": not agreed yet */
	bool open; /* the handshake is done: what is queued may go */
	bool listened; /* the server has a listening stream */
	bool leaving, drain_soon;
	char *first_fault; /* why Streamable HTTP did not work */
	struct exchange *exchanges;
	struct loop_timer *timer; /* while it leaves */
	void (*gone)(void *user);
	void *gone_user;
};

/* ---- http-transport.c ---- */
bool http_may_start(const struct http_transport *t, const struct exchange *ex);
/* Starts what may start. */
void http_pump(struct http_transport *t);
/* The server does not know this session of ours any more. */
void http_forgot(struct http_transport *t, unsigned session_number, const char *why);
/* The server cannot be reached. True: nothing else is on its way, and the transport has ended. */
bool http_unreachable(struct http_transport *t, const struct exchange *ex, const char *why);
void http_listen(struct http_transport *t);
/* The message of initialize is to be sent by the old transport. */
void http_turn_old(struct http_transport *t, struct exchange *initialize);
void http_left(struct http_transport *t);
/* The old transport's stream says where messages go. */
void http_set_endpoint(struct http_transport *t, struct exchange *listen, const char *url);
/* Room for calls: told on the next turn. */
void http_tell_drained(struct http_transport *t);

/* ---- http-exchange.c ---- */
struct exchange *exchange_new(struct http_transport *t, int kind, uint64_t id);
/* Sends it (again). */
void exchange_start(struct exchange *ex);
/* Without a word. NULL is fine. */
void exchange_free(struct exchange *ex);
/* No answer will come. Frees it. */
void exchange_lost(struct exchange *ex, enum upstream_outcome outcome, const char *why);

/* ---- http-answer.c: what the head of an answer means ---- */
void answer_head(struct exchange *ex, int status);
/* A refusal is complete: its text is in ex->text. Ends or frees the exchange. */
void answer_refused(struct exchange *ex);
/* The same of a stream that was asked for: "answered 404 Not Found". */
void answer_describe(const struct exchange *ex, char why[1024]);

/* ---- http-stream.c: bodies ---- */
/* A message of this exchange's answer. */
void stream_message(struct exchange *ex, const struct jsonrpc_message *m, struct buf *line);
size_t stream_data(struct exchange *ex, const uint8_t *bytes, size_t len);
/* The body has ended; reason NULL: in good order. */
void stream_over(struct exchange *ex, const char *reason);
void stream_on_timer(void *user);
int stream_wire_new(struct exchange *ex, struct error *err) _must_check_;

#endif
