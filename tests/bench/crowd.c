/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many guests in one process, with nothing behind them: the far ends of so many tunnels, at the least cost, so that
 * what is measured is the broker. Each serves one run and makes calls for it, whatever its code says.
 *
 *   crowd FOLDER COUNT     listens on FOLDER/0.sock ...; FOLDER/secret is the secret of all
 *
 * A fixed number of calls is open at a time; the answer of one sends the next from the next tunnel, so that calls go
 * around all of them and the load is the same however many there are. Obeys lines on stdin, one answer each:
 *
 *   runs               -> how many tunnels have a run
 *   go OPEN MS         -> calls that ended in MS milliseconds, and the milliseconds
 *   end                -> ends all runs; 0
 */
#include "base/clock.h"
#include "base/ids.h"
#include "base/json.h"
#include "tunnel/carrier/carrier.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { PLACES_MAX = 4096, OPEN_MOST = 1024, LINE_MAX_BYTES = 128, RUN_NAME_MAX = 64 };

struct place {
	struct crowd *crowd;
	struct tunnel *tunnel;
	struct carrier *carrier;
	struct loop_fd *door;
	int fd;
	uint32_t run; /* stream; 0: none */
	char name[RUN_NAME_MAX];
	unsigned long id; /* of its last call */
};

struct crowd {
	struct loop *loop;
	struct place *places;
	long count, next; /* next: whose turn it is */
	struct loop_timer *over;
	struct loop_fd *orders;
	bool going;
	unsigned long open, ended, counted; /* calls: now, since "go", when its time was over */
	uint64_t since_ns, took_ns;
	uint8_t secret[32];
};

static _Noreturn void die(const char *what, const char *why)
{
	fprintf(stderr, "crowd: %s: %s\n", what, why);
	exit(1);
}

/* ---- calls ---- */

static void call_from_next(struct crowd *c)
{
	static const char args[] = "{\"message\":\"x\"}";
	_cleanup_error_ struct error err = ERROR_INIT;
	struct place *p = &c->places[c->next];
	uint32_t stream;
	char head[256];
	int n;

	c->next = (c->next + 1) % c->count;
	n = snprintf(head, sizeof(head),
		     "{\"kind\":\"call\",\"run\":\"%s\",\"id\":%lu,\"server\":\"everything\",\"tool\":\"echo\"}",
		     p->name, ++p->id);
	if (!p->run || tunnel_open(p->tunnel, head, (size_t)n, args, sizeof(args) - 1, true, &stream, &err) < 0)
		die("a call", p->run ? error_text(&err) : "its run is over");
	c->open++;
	if (p->carrier)
		carrier_kick(p->carrier);
}

static void on_head(void *user, uint32_t stream, const char *head, size_t len)
{
	static const char good[] = "{\"ok\":true}";

	(void)user, (void)stream;
	if (len != sizeof(good) - 1 || memcmp(head, good, len) != 0)
		die("an answer", head);
}

static void on_end(void *user, uint32_t stream, const char *tail, size_t len)
{
	static const char started[] = "{\"started\":true}";
	_cleanup_error_ struct error err = ERROR_INIT;
	struct place *p = user;
	struct crowd *c = p->crowd;

	(void)tail, (void)len;
	if (stream == p->run) { /* its code is here: that is all it takes */
		if (tunnel_head(p->tunnel, stream, started, sizeof(started) - 1, NULL, 0, false, &err) < 0)
			die("a run", error_text(&err));
		return;
	}
	c->open--;
	c->ended++;
	if (c->going) {
		call_from_next(c);
	} else if (c->open == 0) {
		printf("%lu %.3f\n", c->counted, (double)c->took_ns / 1e6);
		fflush(stdout);
	}
}

/* ---- runs ---- */

static void on_open(void *user, uint32_t stream, const char *head, size_t len)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	json_auto_t *json = NULL;
	const char *kind = NULL, *run = NULL;
	struct place *p = user;

	if (json_parse(head, len, &json, &err) < 0 || json_unpack(json, "{s:s, s:s}", "kind", &kind, "run", &run) < 0 ||
	    strcmp(kind, "run") != 0 || strlen(run) >= sizeof(p->name) || p->run)
		die("a stream that is no first run", error_text(&err));
	strcpy(p->name, run);
	p->run = stream;
}

static void on_body(void *user, uint32_t stream, uint16_t channel, const uint8_t *data, size_t len)
{
	struct place *p = user;

	(void)channel, (void)data;
	tunnel_consumed(p->tunnel, stream, len);
}

static void on_stream_lost(void *user, uint32_t stream)
{
	struct place *p = user;

	if (stream == p->run)
		p->run = 0;
}

static void end_runs(struct crowd *c)
{
	static const char tail[] = "{\"status\":\"ok\"}";

	for (long i = 0; i < c->count; i++) {
		struct place *p = &c->places[i];

		if (!p->run)
			continue;
		if (tunnel_send(p->tunnel, p->run, CHANNEL_RESULT, "1", 1, false) != 1 ||
		    tunnel_tail(p->tunnel, p->run, tail, sizeof(tail) - 1) < 0)
			die("the end of a run", p->name);
		p->run = 0;
		if (p->carrier)
			carrier_kick(p->carrier);
	}
}

/* ---- orders ---- */

static void on_over(void *user)
{
	struct crowd *c = user;

	c->going = false;
	c->counted = c->ended;
	c->took_ns = clock_now_ns() - c->since_ns;
}

static void obey(struct crowd *c, const char *line)
{
	unsigned long runs = 0;
	unsigned open, ms;

	if (sscanf(line, "go %u %u", &open, &ms) == 2 && open > 0 && open <= OPEN_MOST && !c->going) {
		c->going = true;
		c->ended = 0;
		c->since_ns = clock_now_ns();
		loop_timer_start(c->over, ms);
		while (open-- > 0)
			call_from_next(c);
		return;
	}
	if (strncmp(line, "end", 3) == 0)
		end_runs(c);
	else if (strncmp(line, "runs", 4) != 0)
		die("an order that is none", line);
	for (long i = 0; i < c->count; i++)
		runs += c->places[i].run != 0;
	printf("%lu\n", runs);
	fflush(stdout);
}

static void on_order(void *user, unsigned events)
{
	struct crowd *c = user;
	char line[LINE_MAX_BYTES];
	ssize_t n = read(STDIN_FILENO, line, sizeof(line) - 1);

	(void)events;
	if (n <= 0)
		exit(0);
	line[n] = '\0';
	obey(c, line);
}

/* ---- links ---- */

static void on_closed(void *user, const struct error *reason)
{
	struct place *p = user;

	(void)reason;
	p->carrier = carrier_free(p->carrier);
}

/* A link that is followed by another: the broker dials for each sandbox anew, and one at a time. */
static void on_visitor(void *user, unsigned events)
{
	static const struct carrier_events carrier_events = {.closed = on_closed};
	_cleanup_error_ struct error err = ERROR_INIT;
	struct place *p = user;
	int fd = accept4(p->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (fd < 0)
		return;
	p->carrier = carrier_free(p->carrier);
	if (carrier_stream_new(p->crowd->loop, p->tunnel, fd, fd, &carrier_events, p, &p->carrier, &err) < 0)
		die("a link", error_text(&err));
}

static void on_random(void *user, void *data, size_t len)
{
	(void)user;
	random_bytes(data, len);
}

static void open_place(struct crowd *c, struct place *p, const char *folder, long number)
{
	static const struct tunnel_events events = {
		.open = on_open, .head = on_head, .body = on_body, .end = on_end, .stream_lost = on_stream_lost};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct tunnel_options o = {.random = on_random};
	_cleanup_error_ struct error err = ERROR_INIT;

	p->crowd = c;
	memcpy(o.secret, c->secret, sizeof(o.secret));
	random_bytes(&o.boot, sizeof(o.boot));
	p->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (snprintf(address.sun_path, sizeof(address.sun_path), "%s/%ld.sock", folder, number) >=
		    (int)sizeof(address.sun_path) ||
	    p->fd < 0 || bind(p->fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(p->fd, 4) < 0)
		die(folder, strerror(errno));
	if (tunnel_new(&o, &events, p, &p->tunnel, &err) < 0 ||
	    loop_fd_new(c->loop, p->fd, on_visitor, p, &p->door, &err) < 0)
		die(folder, error_text(&err));
	loop_fd_watch(p->door, LOOP_READ);
}

static void read_secret(struct crowd *c, const char *folder)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/secret", folder);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, c->secret, sizeof(c->secret)) != sizeof(c->secret))
		die(path, "no secret of 32 bytes");
	close(fd);
}

int main(int argc, char **argv)
{
	struct crowd c = {.count = argc == 3 ? atol(argv[2]) : 0};
	_cleanup_error_ struct error err = ERROR_INIT;

	if (c.count < 1 || c.count > PLACES_MAX)
		die("usage", "crowd FOLDER COUNT, COUNT at most 4096");
	c.places = calloc((size_t)c.count, sizeof(*c.places));
	read_secret(&c, argv[1]);
	if (!c.places || loop_new(&c.loop, &err) < 0 || loop_timer_new(c.loop, on_over, &c, &c.over, &err) < 0 ||
	    loop_fd_new(c.loop, STDIN_FILENO, on_order, &c, &c.orders, &err) < 0)
		die("starting", error_text(&err));
	for (long i = 0; i < c.count; i++)
		open_place(&c, &c.places[i], argv[1], i);
	loop_fd_watch(c.orders, LOOP_READ);
	puts("ready");
	fflush(stdout);
	loop_run(c.loop);
	return 0;
}
