/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of serve, as a table. */
#include "base/ids.h"
#include "tunnel/guest/verbs.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct parsed {
	struct guest_options *options;
	bool have_secret;
	uint64_t port;
	const char *host;
};

static int read_number(const char *text, uint64_t most, uint64_t *ret, struct error *err)
{
	char *end;
	unsigned long long n;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno || end == text || *end || *text == '-' || n > most)
		return error_set(err, -EINVAL, "\"%s\" is not a number from 0 to %llu", text, (unsigned long long)most);
	*ret = n;
	return 0;
}

static int read_fd_number(const char *text, int *ret, struct error *err)
{
	uint64_t n = 0;
	int r = read_number(text, 1 << 20, &n, err);

	if (r == 0)
		*ret = (int)n;
	return r;
}

/* 32 bytes; further ones are not read. fd is consumed. */
static int read_secret(struct parsed *p, int fd, const char *name, struct error *err)
{
	_cleanup_close_ int owned = fd;
	size_t have = 0;

	while (have < sizeof(p->options->secret)) {
		ssize_t n = read(owned, p->options->secret + have, sizeof(p->options->secret) - have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return error_set(err, -EINVAL, "the secret from %s has %zu bytes instead of 32", name, have);
		have += (size_t)n;
	}
	p->have_secret = true;
	return 0;
}

static int on_secret_fd(struct parsed *p, const char *value, struct error *err)
{
	int fd = -1, r = read_fd_number(value, &fd, err);

	return r < 0 ? r : read_secret(p, fd, "--secret-fd", err);
}

static int on_secret_file(struct parsed *p, const char *value, struct error *err)
{
	int fd = open(value, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return error_set_errno(err, -errno, "opening %s", value);
	return read_secret(p, fd, value, err);
}

static int on_listen_fd(struct parsed *p, const char *value, struct error *err)
{
	return read_fd_number(value, &p->options->listen_fd, err);
}

static int on_listen_port(struct parsed *p, const char *value, struct error *err)
{
	return read_number(value, 65535, &p->port, err);
}

static int on_listen_host(struct parsed *p, const char *value, struct error *err)
{
	(void)err;
	p->host = value;
	return 0;
}

static int on_attach_name(struct parsed *p, const char *value, struct error *err)
{
	(void)err;
	p->options->attach_name = value;
	return 0;
}

static int on_tunnel(struct parsed *p, const char *value, struct error *err)
{
	if (hex_decode(p->options->tunnel.bytes, sizeof(p->options->tunnel.bytes), value) < 0)
		return error_set(err, -EINVAL, "\"%s\" is not 32 hexadecimal digits", value);
	return 0;
}

static int on_interpreter(struct parsed *p, const char *value, struct error *err)
{
	const char *equals = strchr(value, '=');

	for (int i = 0; equals && i < GUEST_LANGUAGES; i++) {
		const char *name = guest_language_name(i);

		if (strlen(name) == (size_t)(equals - value) && strncmp(name, value, strlen(name)) == 0) {
			p->options->interpreter[i] = equals + 1;
			return 0;
		}
	}
	return error_set(err, -EINVAL, "\"%s\" is not javascript=PATH, python=PATH or bash=PATH", value);
}

static int on_park(struct parsed *p, const char *value, struct error *err)
{
	while (*value) {
		size_t len = strcspn(value, ",");
		int found = -1;

		for (int i = 0; i < GUEST_LANGUAGES; i++)
			if (strlen(guest_language_name(i)) == len && strncmp(guest_language_name(i), value, len) == 0)
				found = i;
		if (found < 0)
			return error_set(err, -EINVAL, "\"%.*s\" is no language", (int)len, value);
		p->options->park[found] = true;
		value += len + (value[len] == ',');
	}
	return 0;
}

static int on_shims(struct parsed *p, const char *value, struct error *err)
{
	if (*value != '/')
		return error_set(err, -EINVAL, "\"%s\" is not an absolute path", value);
	p->options->shims = value;
	return 0;
}

static int on_memory(struct parsed *p, const char *value, struct error *err)
{
	return read_number(value, INT64_MAX, &p->options->memory, err);
}

static int on_processes(struct parsed *p, const char *value, struct error *err)
{
	return read_number(value, 65536, &p->options->processes, err);
}

static int on_file(struct parsed *p, const char *value, struct error *err)
{
	return read_number(value, INT64_MAX, &p->options->file, err);
}

static const struct {
	const char *name;
	int (*read)(struct parsed *p, const char *value, struct error *err);
} words[] = {
	{"--secret-fd", on_secret_fd},
	{"--secret-file", on_secret_file},
	{"--listen-fd", on_listen_fd},
	{"--listen-port", on_listen_port},
	{"--listen-host", on_listen_host},
	{"--attach-name", on_attach_name},
	{"--tunnel", on_tunnel},
	{"--interpreter", on_interpreter},
	{"--park", on_park},
	{"--shims", on_shims},
	{"--memory", on_memory},
	{"--processes", on_processes},
	{"--file", on_file},
};

static int listen_tcp(const char *host, uint16_t port, int *ret, struct error *err)
{
	struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(port)};
	bool is_six = inet_pton(AF_INET6, host, &six.sin6_addr) == 1;
	int one = 1, fd;

	if (!is_six && inet_pton(AF_INET, host, &four.sin_addr) != 1)
		return error_set(err, -EINVAL, "--listen-host: \"%s\" is not an address", host);
	fd = socket(is_six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(fd, is_six ? (struct sockaddr *)&six : (struct sockaddr *)&four, is_six ? sizeof(six) : sizeof(four)) <
		    0 ||
	    listen(fd, 128) < 0) {
		int r = error_set_errno(err, -errno, "listening on port %u of %s", port, host);

		cleanup_closep(&fd);
		return r;
	}
	*ret = fd;
	return 0;
}

static int read_word(struct parsed *p, const char *name, const char *value, struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (strcmp(words[i].name, name) != 0)
			continue;
		if (!value)
			return error_set(err, -EINVAL, "%s wants a value", name);
		return words[i].read(p, value, err) < 0 ? error_wrap(err, "%s", name) : 0;
	}
	return error_set(err, -EINVAL, "there is no option \"%s\"", name);
}

int serve_options(int argc, char **argv, struct guest_options *ret, struct error *err)
{
	struct parsed p = {.options = ret, .port = UINT64_MAX, .host = "0.0.0.0"};

	*ret = (struct guest_options){
		.listen_fd = -1, .tcp_fd = -1, .memory = 512u << 20, .processes = 128, .file = 256u << 20};
	for (int i = 1; i < argc; i += 2) {
		int r = read_word(&p, argv[i], argv[i + 1], err);

		if (r < 0)
			return r;
	}
	if (!p.have_secret)
		return error_set(err, -EINVAL, "give the tunnel's secret by --secret-fd or --secret-file");
	if (p.port != UINT64_MAX && listen_tcp(p.host, (uint16_t)p.port, &ret->tcp_fd, err) < 0)
		return err->code;
	if (ret->listen_fd < 0 && ret->tcp_fd < 0 && !ret->attach_name)
		return error_set(err, -EINVAL, "give --listen-fd, --listen-port or --attach-name");
	return 0;
}
