/* SPDX-License-Identifier: Apache-2.0 */
/*
 * broker/host on a pipe, for tests: opens a provider and makes sandboxes without a broker.
 *
 *   wall-driver DIR GUEST KEEPER PROVIDER SETTINGS-JSON [javascript=PATH|python=PATH|bash=PATH]...
 *
 * Commands on stdin, a line each: create [memory=N] [disk=N] [processes=N] [park=LANGUAGE] | destroy ID | renew ID MS |
 * report. Answers on stdout, a JSON object each. The end of stdin destroys what is left and ends.
 */
#include "base/clock.h"
#include "base/ids.h"
#include "base/io.h"
#include "base/json.h"
#include "base/log.h"
#include "broker/host/host.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { SANDBOXES_MAX = 512 };

struct driver {
	struct loop *loop;
	struct host *host;
	struct host_provider *provider;
	struct io *in;
	char *ids[SANDBOXES_MAX];
	size_t pending; /* operations under way */
	bool ending;
};

struct making {
	struct driver *d;
	uint64_t began_ns;
};

static void say(json_t *object)
{
	char *text = json_dumps(object, JSON_COMPACT);

	puts(text);
	fflush(stdout);
	free(text);
	json_decref(object);
}

static void maybe_leave(struct driver *d)
{
	if (d->ending && d->pending == 0)
		loop_stop(d->loop);
}

static void on_destroyed(void *user, enum hawser_status status, const char *message)
{
	struct driver *d = user;

	say(json_pack("{s:i, s:s}", "destroyed", (int)status, "message", message));
	d->pending--;
	maybe_leave(d);
}

static void destroy(struct driver *d, const char *id)
{
	for (size_t i = 0; i < SANDBOXES_MAX; i++)
		if (d->ids[i] && strcmp(d->ids[i], id) == 0) {
			free(d->ids[i]);
			d->ids[i] = NULL;
			break;
		}
	d->pending++;
	host_destroy(d->provider, id, on_destroyed, d);
}

static void destroy_all(struct driver *d)
{
	for (size_t i = 0; i < SANDBOXES_MAX; i++)
		if (d->ids[i]) {
			char *id = strdup(d->ids[i]);

			destroy(d, id);
			free(id);
		}
}

static void on_created(void *user, const struct host_created *created)
{
	struct making *m = user;
	struct driver *d = m->d;
	char secret[65];

	d->pending--;
	if (created->status != HAWSER_OK) {
		say(json_pack("{s:i, s:s}", "failed", (int)created->status, "message", created->message));
	} else {
		for (size_t i = 0; i < SANDBOXES_MAX; i++)
			if (!d->ids[i]) {
				d->ids[i] = strdup(created->sandbox_id);
				break;
			}
		say(json_pack("{s:s, s:s?, s:s?, s:s, s:s, s:f}", "created", created->sandbox_id, "unix_path",
			      created->endpoint.unix_path, "url", created->endpoint.url, "secret",
			      hex_encode(secret, created->secret, 32), "tunnel", created->tunnel_id, "ms",
			      (double)(clock_now_ns() - m->began_ns) / 1e6));
	}
	free(m);
	if (d->ending)
		destroy_all(d);
	maybe_leave(d);
}

static void create(struct driver *d, char *words)
{
	char tag[ID_TEXT_MAX]; /* names its folder: one for each */
	struct hawser_create request = {.tag = tag};
	struct making *m = calloc(1, sizeof(*m));
	const char *park[4] = {NULL};
	size_t parks = 0;
	uint8_t tunnel[16];
	char hex[33], *word;

	id_make(tag, "test");
	random_bytes(tunnel, sizeof(tunnel));
	random_bytes(request.secret, sizeof(request.secret));
	request.tunnel_id = hex_encode(hex, tunnel, sizeof(tunnel));
	while ((word = strsep(&words, " "))) {
		unsigned long long n = strtoull(strchr(word, '=') ? strchr(word, '=') + 1 : "", NULL, 10);

		if (strncmp(word, "memory=", 7) == 0)
			request.limits.memory = n;
		else if (strncmp(word, "disk=", 5) == 0)
			request.limits.disk = n;
		else if (strncmp(word, "processes=", 10) == 0)
			request.limits.processes = (uint32_t)n;
		else if (strncmp(word, "park=", 5) == 0 && parks < 3)
			park[parks++] = word + 5;
	}
	request.park = park;
	m->d = d;
	m->began_ns = clock_now_ns();
	d->pending++;
	host_create(d->provider, &request, on_created, m, NULL);
}

static void tell(void *user, const char *key, const char *text, int good)
{
	(void)user;
	say(json_pack("{s:s, s:s, s:b}", "report", key, "text", text, "good", good));
}

static void command(struct driver *d, char *line)
{
	char *rest = line, *word = strsep(&rest, " ");

	if (strcmp(word, "create") == 0) {
		create(d, rest);
	} else if (strcmp(word, "destroy") == 0 && rest) {
		destroy(d, rest);
	} else if (strcmp(word, "renew") == 0 && rest) {
		char *id = strsep(&rest, " ");

		host_renew(d->host, id, rest ? (uint32_t)atoi(rest) : 60000);
	} else if (strcmp(word, "report") == 0) {
		host_provider_report(d->provider, tell, NULL);
		say(json_pack("{s:n}", "reported"));
	}
}

static size_t on_input(void *user, const uint8_t *bytes, size_t len)
{
	struct driver *d = user;
	const uint8_t *end;
	size_t used = 0;

	while ((end = memchr(bytes + used, '\n', len - used))) {
		char *line = strndup((const char *)bytes + used, (size_t)(end - bytes) - used);

		used = (size_t)(end - bytes) + 1;
		command(d, line);
		free(line);
	}
	return used;
}

static void on_input_end(void *user, const struct error *reason)
{
	struct driver *d = user;

	(void)reason;
	d->in = io_free(d->in);
	d->ending = true;
	destroy_all(d);
	maybe_leave(d);
}

static void on_ended(void *user, const char *sandbox_id, const char *reason)
{
	struct driver *d = user;

	for (size_t i = 0; i < SANDBOXES_MAX; i++)
		if (d->ids[i] && strcmp(d->ids[i], sandbox_id) == 0) {
			free(d->ids[i]);
			d->ids[i] = NULL;
		}
	say(json_pack("{s:s, s:s}", "ended", sandbox_id, "reason", reason));
}

static int open_all(struct driver *d, struct spawner *spawner, char **argv, struct error *err)
{
	static const struct host_events events = {.sandbox_ended = on_ended};
	static const struct io_events in_events = {.data = on_input, .closed = on_input_end};
	struct host_options options = {.sandbox_dir = argv[1], .guest_path = argv[2], .keeper_path = argv[3]};
	struct host_provider_options provider = {.name = argv[4], .where = "test"};
	struct io_options in = {.read_fd = 0, .write_fd = -1};
	json_auto_t *settings = NULL;
	int r = json_parse(argv[5], strlen(argv[5]), &settings, err);

	for (char **word = argv + 6; *word; word++) {
		char *path = strchr(*word, '=');

		if (path && strncmp(*word, "javascript=", 11) == 0)
			provider.javascript = path + 1;
		if (path && strncmp(*word, "python=", 7) == 0)
			provider.python = path + 1;
		if (path && strncmp(*word, "bash=", 5) == 0)
			provider.bash = path + 1;
	}
	provider.settings = settings;
	if (r == 0)
		r = host_new(d->loop, spawner, &options, &events, d, &d->host, err);
	if (r == 0)
		r = host_provider_open(d->host, &provider, &d->provider, err);
	if (r == 0)
		r = io_new(d->loop, &in, &in_events, d, &d->in, err);
	return r;
}

int main(int argc, char **argv)
{
	struct log_options log = {.fd = 2, .least = LOG_WARN};
	struct driver d = {.ending = false};
	struct spawner *spawner = NULL;
	_cleanup_error_ struct error err = ERROR_INIT;
	int r;

	if (argc < 6)
		return 2;
	log_setup(&log);
	r = loop_new(&d.loop, &err);
	if (r == 0)
		r = spawner_new(d.loop, &spawner, &err);
	if (r == 0)
		r = open_all(&d, spawner, argv, &err);
	if (r < 0) {
		say(json_pack("{s:i, s:s}", "refused", -r, "message", error_text(&err)));
	} else {
		say(json_pack("{s:s}", "opened", host_provider_name(d.provider)));
		loop_run(d.loop);
	}
	io_free(d.in);
	host_provider_close(r < 0 ? NULL : d.provider);
	host_free(d.host);
	spawner_free(spawner);
	loop_free(d.loop);
	return r < 0 ? 1 : 0;
}
