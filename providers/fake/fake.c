/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guests that somebody else started. Each sandbox that is given out has a place, 0 to sandboxes - 1, the lowest that is
 * free; a "*" in unix_path stands for it, so that many guests can be lent, each with a socket of its own.
 */
#include "providers/include/hawser/builtin.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

enum { SECRET_BYTES = 32, NAME_MAX_BYTES = 64, PLACES_MAX = 4096, PLACE_DIGITS = 4 };
enum { ROOM = sizeof(((struct sockaddr_un *)NULL)->sun_path) }; /* for the path of a socket */

struct fake {
	const struct hawser_host *host;
	const struct hawser_settings *settings;
	uint8_t secret[SECRET_BYTES];
	enum hawser_isolation isolation;
	bool given[PLACES_MAX]; /* out and not destroyed, by place */
	uint64_t number; /* of the last that was given out */
};

static int hex_value(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

static bool read_hex(const char *text, uint8_t *out, size_t n)
{
	for (size_t i = 0; i < 2 * n; i++)
		if (hex_value(text[i]) < 0)
			return false;
	for (size_t i = 0; i < n; i++)
		out[i] = (uint8_t)(hex_value(text[2 * i]) << 4 | hex_value(text[2 * i + 1]));
	return true;
}

/* 32 bytes, or 64 hexadecimal digits with white space behind them. */
static bool read_secret(const char *path, uint8_t secret[SECRET_BYTES])
{
	char text[2 * SECRET_BYTES + 16];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text)) : -1;
	bool ok = n == SECRET_BYTES;

	if (fd >= 0)
		close(fd);
	if (ok)
		memcpy(secret, text, SECRET_BYTES);
	while (n > 0 && isspace((unsigned char)text[n - 1]))
		n--;
	if (!ok && n == 2 * SECRET_BYTES)
		ok = read_hex(text, secret, SECRET_BYTES);
	explicit_bzero(text, sizeof(text));
	return ok;
}

static enum hawser_isolation isolation_of_name(const char *name)
{
	static const char *const names[] = {"process", "container", "gvisor", "vm"};

	for (int i = 0; i < 4; i++)
		if (strcmp(name, names[i]) == 0)
			return (enum hawser_isolation)(HAWSER_ISOLATION_PROCESS + i);
	return (enum hawser_isolation)0;
}

static const char *check_unix_path(const char *path)
{
	const char *star = strchr(path, '*');

	if (path[0] != '/')
		return "unix_path must be an absolute path";
	if (star && strchr(star + 1, '*'))
		return "unix_path may have one * (the number of the sandbox), not more";
	if (strlen(path) + (star ? PLACE_DIGITS : 1) > ROOM)
		return "unix_path is too long for a socket";
	return NULL;
}

/* What is wrong with the settings; NULL: nothing. */
static const char *check(struct fake *f)
{
	const struct hawser_host *h = f->host;
	const char *unix_path = h->setting_string(f->settings, "unix_path"),
		   *url = h->setting_string(f->settings, "url");
	const char *secret = h->setting_string(f->settings, "secret_file"),
		   *tunnel = h->setting_string(f->settings, "tunnel");
	uint8_t id[16];

	if (!unix_path == !url)
		return "exactly one of unix_path and url must be given";
	if (unix_path && check_unix_path(unix_path))
		return check_unix_path(unix_path);
	if (url && strncmp(url, "ws://", 5) != 0 && strncmp(url, "wss://", 6) != 0)
		return "url must begin with ws:// or wss://";
	if (!secret || !read_secret(secret, f->secret))
		return "secret_file must name a file with the guest's secret: 32 bytes, or 64 hexadecimal digits";
	if (!tunnel || strlen(tunnel) != 32 || !read_hex(tunnel, id, sizeof(id)))
		return "tunnel must be the 32 hexadecimal digits that the guest was started with";
	f->isolation = isolation_of_name(h->setting_string(f->settings, "isolation"));
	if (!f->isolation)
		return "isolation must be process, container, gvisor or vm";
	return NULL;
}

static void fake_close(void *provider)
{
	struct fake *f = provider;

	explicit_bzero(f->secret, sizeof(f->secret));
	free(f);
}

static enum hawser_status fake_open(const struct hawser_host *host, const struct hawser_settings *settings, void **ret,
				    const char **ret_message)
{
	struct fake *f = calloc(1, sizeof(*f));

	if (!f) {
		*ret_message = "no memory";
		return HAWSER_INTERNAL;
	}
	f->host = host;
	f->settings = settings;
	*ret_message = check(f);
	if (*ret_message) {
		fake_close(f);
		return HAWSER_INVALID;
	}
	*ret = f;
	return HAWSER_OK;
}

/* The lowest place that is free; -1: none. A guest serves one tunnel: a second machine on it would end the runs of the
 * first. */
static int take_place(struct fake *f)
{
	int64_t places = f->host->setting_integer(f->settings, "sandboxes");

	for (int i = 0; i < places && i < PLACES_MAX; i++) {
		if (f->given[i])
			continue;
		f->given[i] = true;
		return i;
	}
	return -1;
}

/* unix_path with its "*" replaced. */
static const char *path_of_place(const char *path, int place, char out[ROOM])
{
	const char *star = path ? strchr(path, '*') : NULL;

	if (!star)
		return path;
	snprintf(out, ROOM, "%.*s%d%s", (int)(star - path), path, place, star + 1);
	return out;
}

static void fake_create(void *provider, struct hawser_op *op, const struct hawser_create *request)
{
	struct fake *f = provider;
	const struct hawser_host *h = f->host;
	int place = take_place(f);
	char id[NAME_MAX_BYTES], path[ROOM];
	struct hawser_result result = {.status = HAWSER_QUOTA, .message = "the guest of the fake provider is in use"};

	(void)request;
	if (place >= 0) {
		snprintf(id, sizeof(id), "fake_%llu-%d", (unsigned long long)++f->number, place);
		result = (struct hawser_result){
			.status = HAWSER_OK,
			.sandbox_id = id,
			.endpoint = {.unix_path =
					     path_of_place(h->setting_string(f->settings, "unix_path"), place, path),
				     .url = h->setting_string(f->settings, "url"),
				     .headers = h->setting_strings(f->settings, "headers")},
			.tunnel_id = h->setting_string(f->settings, "tunnel"),
			.secret = f->secret,
		};
	}
	h->complete(op, &result);
}

static void fake_destroy(void *provider, struct hawser_op *op, const char *sandbox_id)
{
	struct fake *f = provider;
	struct hawser_result result = {.status = HAWSER_NOT_FOUND,
				       .message = "the fake provider gave out no such sandbox"};
	unsigned place;

	if (sscanf(sandbox_id, "fake_%*u-%u", &place) == 1 && place < PLACES_MAX && f->given[place]) {
		f->given[place] = false;
		result = (struct hawser_result){.status = HAWSER_OK};
	}
	f->host->complete(op, &result);
}

static enum hawser_isolation fake_isolation(void *provider)
{
	struct fake *f = provider;

	return f->isolation;
}

static void fake_report(void *provider, void (*tell)(void *user, const char *key, const char *text, int good),
			void *user)
{
	struct fake *f = provider;
	char path[ROOM];
	const char *unix_path = path_of_place(f->host->setting_string(f->settings, "unix_path"), 0, path);

	tell(user, "endpoint", unix_path ? unix_path : f->host->setting_string(f->settings, "url"),
	     !unix_path || access(unix_path, F_OK) == 0);
}

static const struct hawser_option options[] = {
	{"unix_path", HAWSER_OPTION_STRING, 0, 0, NULL,
	 "unix socket on which the guest listens, absolute; a * stands for the number of the sandbox, from 0"},
	{"url", HAWSER_OPTION_STRING, 0, 0, NULL, "ws:// or wss:// URL of the guest, instead of unix_path"},
	{"headers", HAWSER_OPTION_STRINGS, 0, 0, NULL, "lines \"Name: value\" that go with the URL"},
	{"secret_file", HAWSER_OPTION_STRING, 0, 0, NULL,
	 "file with the guest's secret: 32 bytes or 64 hexadecimal digits"},
	{"tunnel", HAWSER_OPTION_STRING, 0, 0, NULL, "tunnel id of the guest, 32 hexadecimal digits"},
	{"isolation", HAWSER_OPTION_STRING, 0, 0, "process",
	 "what the guest is held by: process, container, gvisor or vm"},
	{"sandboxes", HAWSER_OPTION_INTEGER, 1, PLACES_MAX, "1", "how many sandboxes are given out at once"},
	{.name = NULL},
};

const struct hawser_provider hawser_fake_provider = {
	.abi = HAWSER_PROVIDER_ABI,
	.size = sizeof(struct hawser_provider),
	.name = "fake",
	.isolation = HAWSER_ISOLATION_PROCESS,
	.options = options,
	.open = fake_open,
	.close = fake_close,
	.create = fake_create,
	.destroy = fake_destroy,
	.report = fake_report,
	.isolation_of = fake_isolation,
};
