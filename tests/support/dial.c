/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The broker's end in C, by the shipped carriers: dials a guest, runs a program, answers each call with its arguments.
 *   dial unix:PATH|ws://...|wss://... SECRET-HEX LANGUAGE CODE [HEADER...]
 * Prints output and result, then the TAIL; status 0 if the run ended. Server "s" is the name space that code sees.
 */
#include "base/buf.h"
#include "base/ids.h"
#include "tunnel/carrier/ws.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { CALLS = 4096 };

struct call {
	uint32_t stream;
	struct buf body;
};

struct dial {
	struct loop *loop;
	struct tunnel *tunnel;
	struct carrier *carrier;
	const char *language, *code;
	uint32_t run;
	struct call calls[CALLS];
	int status;
	uint64_t answered;
};

static struct call *call_find(struct dial *d, uint32_t stream)
{
	for (size_t i = 0; i < CALLS; i++)
		if (d->calls[i].stream == stream)
			return &d->calls[i];
	return NULL;
}

static void on_up(void *user, bool resumed)
{
	struct dial *d = user;
	struct error err = ERROR_INIT;
	char head[512];
	int n = snprintf(
		head, sizeof(head),
		"{\"kind\":\"run\",\"run\":\"run_dial\",\"language\":\"%s\",\"namespaces\":[{\"name\":\"s\",\"id\":"
		"\"s\"}],\"limits\":{\"calls\":10000000,\"wall_ms\":60000}}",
		d->language);

	if (!resumed)
		assert(tunnel_open(d->tunnel, head, (size_t)n, d->code, strlen(d->code), true, &d->run, &err) == 0);
}

static void on_open(void *user, uint32_t stream, const char *head, size_t len)
{
	struct dial *d = user;
	struct call *c = call_find(d, 0);

	assert(c && head && len > 0);
	*c = (struct call){stream, BUF_INIT(64 << 20)};
}

static void on_body(void *user, uint32_t stream, uint16_t channel, const uint8_t *data, size_t len)
{
	struct dial *d = user;
	struct call *c = stream == d->run ? NULL : call_find(d, stream);

	tunnel_consumed(d->tunnel, stream, len);
	if (c)
		assert(buf_append(&c->body, data, len) == 0);
	else if (channel == CHANNEL_RESULT)
		printf("result %.*s\n", (int)len, (const char *)data);
	else
		printf("%u: %.*s", channel, (int)len, (const char *)data);
}

static void answer_more(struct dial *d, struct call *c)
{
	ssize_t n = tunnel_send(d->tunnel, c->stream, 0, buf_head(&c->body), c->body.len, true);

	assert(n >= 0);
	buf_consume(&c->body, (size_t)n);
	if (c->body.len == 0) {
		buf_done(&c->body);
		c->stream = 0;
	}
}

static void on_writable(void *user, uint32_t stream)
{
	struct call *c = call_find(user, stream);

	if (c && c->body.len > 0)
		answer_more(user, c);
}

static void on_end(void *user, uint32_t stream, const char *tail, size_t len)
{
	static const char before[] = "{\"content\":[],\"structuredContent\":", head[] = "{\"ok\":true}";
	struct dial *d = user;
	struct error err = ERROR_INIT;
	struct call *c;
	struct buf body = BUF_INIT(65 << 20);

	if (stream == d->run) {
		printf("tail %.*s\n", (int)len, tail ? tail : "");
		d->status = 0;
		loop_stop(d->loop);
		return;
	}
	c = call_find(d, stream);
	assert(c && buf_append_str(&body, before) == 0);
	assert((c->body.len ? buf_append(&body, buf_head(&c->body), c->body.len) : buf_append_str(&body, "{}")) == 0);
	assert(buf_append_str(&body, "}") == 0);
	buf_done(&c->body);
	c->body = body;
	d->answered++;
	if (body.len < 32768) {
		assert(tunnel_head(d->tunnel, stream, head, sizeof(head) - 1, buf_head(&body), body.len, true, &err) ==
		       0);
		buf_done(&c->body);
		c->stream = 0;
		return;
	}
	assert(tunnel_head(d->tunnel, stream, head, sizeof(head) - 1, NULL, 0, false, &err) == 0);
	answer_more(d, c);
}

static const struct tunnel_events tunnel_events = {
	.up = on_up, .open = on_open, .body = on_body, .end = on_end, .writable = on_writable};

static void on_closed(void *user, const struct error *reason)
{
	struct dial *d = user;

	printf("closed: %s\n", error_text(reason));
	d->status = 3;
	loop_stop(d->loop);
}

static const struct carrier_events carrier_events = {.closed = on_closed};

static void on_random(void *user, void *data, size_t len)
{
	(void)user;
	random_bytes(data, len);
}

static int connect_unix(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	return connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -1 : fd;
}

int main(int argc, char **argv)
{
	static struct dial d = {.status = 2};
	struct error err = ERROR_INIT;
	struct tunnel_options options = {.dialler = true, .random = on_random};
	int r;

	if (argc < 5 || hex_decode(options.secret, 32, argv[2]) < 0)
		return 2;
	memcpy(&options.id, options.secret, sizeof(options.id)); /* any, but the same each time */
	random_bytes(&options.boot, sizeof(options.boot));
	d.language = argv[3];
	d.code = argv[4];
	assert(loop_new(&d.loop, &err) == 0 && tunnel_new(&options, &tunnel_events, &d, &d.tunnel, &err) == 0);
	if (strncmp(argv[1], "unix:", 5) == 0) {
		int fd = connect_unix(argv[1] + 5);

		r = carrier_stream_new(d.loop, d.tunnel, fd, fd, &carrier_events, &d, &d.carrier, &err);
	} else {
		r = carrier_ws_new(d.loop, d.tunnel, argv[1], (const char *const *)argv + 5, &carrier_events, &d,
				   &d.carrier, &err);
	}
	if (r < 0) {
		printf("refused: %s\n", error_text(&err));
		return 4;
	}
	loop_run(d.loop);
	carrier_free(d.carrier);
	tunnel_free(d.tunnel);
	loop_free(d.loop);
	printf("calls %llu\n", (unsigned long long)d.answered);
	return d.status;
}
