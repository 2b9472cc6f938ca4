/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_TESTS_UNIT_UPSTREAM_HTTP_FIXTURE_H
#define HAWSER_TESTS_UNIT_UPSTREAM_HTTP_FIXTURE_H

#include "tests/unit/broker/upstream/rig.h"

#include <sys/types.h>

/* The fixture server behind a URL, as a process of its own. */
struct http_fixture {
	pid_t pid;
	unsigned port;
	char url[128];
	char hits[128]; /* file with a line for each request that arrived */
};

/* Starts it (port 0: any), and lets the rig's upstream be the one at path. */
#define fixture_open(rig, f, path, ...) \
	fixture_open_with(rig, f, path, (const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})
void fixture_open_with(struct rig *rig, struct http_fixture *f, const char *path, const char *const *switches);
/* Only the process. */
#define fixture_start(rig, f, port, ...) \
	fixture_start_with(rig, f, port, (const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})
void fixture_start_with(struct rig *rig, struct http_fixture *f, unsigned port, const char *const *switches);
void fixture_stop(struct http_fixture *f);
/* How many requests that arrived have this text in them. */
unsigned fixture_hits(const struct http_fixture *f, const char *part);
/* Turns the loop until that many have arrived. */
void fixture_await(struct rig *rig, const struct http_fixture *f, const char *part, unsigned hits);

#endif
