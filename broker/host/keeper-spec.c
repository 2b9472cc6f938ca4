/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/host/internal.h"

#include "base/ids.h"

#include <errno.h>
#include <string.h>

static int print_strings(struct buf *out, const char *name, const char *const *list)
{
	int r = buf_printf(out, ",\"%s\":[", name);

	for (size_t i = 0; r == 0 && list && list[i]; i++) {
		r = i ? buf_append_str(out, ",") : 0;
		if (r == 0)
			r = buf_append_json(out, list[i], strlen(list[i]));
	}
	return r == 0 ? buf_append_str(out, "]") : r;
}

static int print_hex(struct buf *out, const void *data, size_t len)
{
	uint8_t *room = buf_reserve(out, 2 * len + 1);

	if (!room)
		return -E2BIG;
	hex_encode((char *)room, data, len);
	buf_commit(out, 2 * len);
	return 0;
}

static int print_grant(struct buf *out, const struct hawser_grant_fd *g)
{
	int r = buf_printf(out, "{\"grant\":%d,\"fd\":%d", (int)g->grant, g->child_fd);

	if (r == 0 && g->grant == HAWSER_GRANT_BYTES) {
		r = buf_append_str(out, ",\"hex\":\"");
		if (r == 0)
			r = print_hex(out, g->data, g->len);
		if (r == 0)
			r = buf_append_str(out, "\"");
	}
	if (r == 0 && g->grant == HAWSER_GRANT_PATH) {
		r = buf_append_str(out, ",\"path\":");
		if (r == 0)
			r = buf_append_json(out, g->data, g->len);
	}
	return r == 0 ? buf_append_str(out, "}") : r;
}

static int print_grants(struct buf *out, const struct hawser_keeper_spec *spec)
{
	int r = buf_append_str(out, ",\"grants\":[");

	for (size_t i = 0; r == 0 && i < spec->grant_count; i++) {
		r = i ? buf_append_str(out, ",") : 0;
		if (r == 0)
			r = print_grant(out, &spec->grants[i]);
	}
	return r == 0 ? buf_append_str(out, "]") : r;
}

static int print_limits(struct buf *out, const struct hawser_keeper_spec *spec)
{
	const struct hawser_limits *l = &spec->limits;

	return buf_printf(
		out,
		",\"memory\":%llu,\"disk\":%llu,\"processes\":%u,\"cpu_percent\":%u,\"own_uid\":%s,\"no_cgroup\":%s",
		(unsigned long long)l->memory, (unsigned long long)l->disk, l->processes, l->cpu_percent,
		spec->own_uid ? "true" : "false", spec->no_cgroup ? "true" : "false");
}

int keeper_spec_print(struct buf *out, const struct hawser_keeper_spec *spec, const char *dir, const uint8_t secret[32],
		      uint32_t lease_ms)
{
	int r = buf_append_str(out, "{\"dir\":");

	if (r == 0)
		r = buf_append_json(out, dir, strlen(dir));
	if (r == 0)
		r = buf_append_str(out, ",\"secret\":\"");
	if (r == 0)
		r = print_hex(out, secret, 32);
	if (r == 0)
		r = buf_printf(out, "\",\"lease_ms\":%u", lease_ms);
	if (r == 0)
		r = print_strings(out, "argv", spec->argv);
	if (r == 0)
		r = print_strings(out, "envp", spec->envp);
	if (r == 0)
		r = print_strings(out, "must_read", spec->must_read);
	if (r == 0)
		r = print_strings(out, "tmpfs", spec->tmpfs);
	if (r == 0)
		r = print_grants(out, spec);
	if (r == 0)
		r = print_limits(out, spec);
	return r == 0 ? buf_append_str(out, "}\n") : r;
}
