/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_TESTS_UNIT_UPSTREAM_RIG_H
#define HAWSER_TESTS_UNIT_UPSTREAM_RIG_H

#include "tests/unit/unit.h"

#include "broker/upstream/upstream.h"

/* An upstream on the fixture server (tests/fixture/server.py), and calls that wait for their end. */
struct rig {
	struct loop *loop;
	struct spawner *spawner;
	struct upstream *u;
	char dir[64]; /* temporary, removed by rig_done() */
	char log_path[96]; /* of the server's stderr */
	unsigned changes; /* "changed" events */
	struct upstream_options options; /* adjust before rig_open() */
	const char *switches[16]; /* of the fixture server, NULL-terminated */
};

/* What came of a request. */
struct answer {
	bool done;
	unsigned times; /* of being called */
	enum upstream_outcome outcome;
	char *text; /* the result, NUL-terminated; inside storage */
	size_t len;
	struct buf storage;
	char *message;
	bool sent;
	struct rig *rig;
	unsigned progress; /* notifications */
	struct upstream_request *request;
};
#define ANSWER_INIT \
	{           \
		0   \
	}
#define _cleanup_answer_ _cleanup_(answer_done)

int rig_setup(void **state); /* for cmocka: a rig with presets */
int rig_teardown(void **state); /* fails the test if a process of the server is left after 10 s */
/* rig_open(rig, "--switch", ...): starts nothing yet. */
#define rig_open(rig, ...) rig_open_with(rig, (const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})
void rig_open_with(struct rig *rig, const char *const *switches);
void rig_close(struct rig *rig);
/* Turns the loop until *flag; fails the test after 10 s. */
void rig_until(struct rig *rig, const bool *flag);
/* Turns the loop for ms. */
void rig_let(struct rig *rig, unsigned ms);
void rig_begin(struct rig *rig, const char *tool, const char *args, uint64_t timeout_ms, struct answer *ret);
/* begin, and wait for the end. */
void rig_call(struct rig *rig, const char *tool, const char *args, struct answer *ret);
void rig_ensure(struct rig *rig, struct answer *ret);
void answer_done(struct answer *a);
/* The text is in what the call brought: result or message. */
void assert_has(const char *text, const char *part);
void on_rig_done(void *user, struct upstream_reply *reply);
void on_rig_progress(void *user, struct span params);

#endif
