/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_PROVIDERS_KEEPER_SPEC_H
#define HAWSER_PROVIDERS_KEEPER_SPEC_H

#include "base/error.h"
#include "base/span.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What a keeper is told: one JSON object, written by broker/host/keepers.c (README.md has the keys). Pure: text in,
 * struct out.
 */
enum { SPEC_MAX = 512 * 1024, SPEC_GRANTS_MAX = 12, SPEC_LEASE_LEAST_MS = 100, SPEC_LEASE_MOST_MS = 3600 * 1000 };

enum spec_grant_kind { SPEC_GRANT_LISTEN = 1, SPEC_GRANT_SECRET, SPEC_GRANT_BYTES, SPEC_GRANT_PATH };

struct spec_grant {
	enum spec_grant_kind kind;
	int child_fd;
	uint8_t *data; /* BYTES, owned */
	size_t len;
	char *path; /* PATH, owned */
};

struct spec {
	char *dir; /* of the sandbox; made and removed by the keeper */
	char **argv; /* NULL-terminated lists, owned */
	char **envp;
	char **must_read;
	char **tmpfs;
	struct spec_grant grants[SPEC_GRANTS_MAX];
	size_t grant_count;
	uint64_t memory, disk, processes, cpu_percent; /* 0: no limit */
	bool own_uid;
	uint8_t secret[32];
	uint64_t lease_ms;
	bool no_cgroup; /* for tests: the watchdog although there are cgroups */
};

/* On failure ret is empty. */
int spec_parse(struct span text, struct spec *ret, struct error *err) _must_check_;
void spec_done(struct spec *spec);

#endif
