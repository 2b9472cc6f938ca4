/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_TESTS_UNIT_STORE_RIG_H
#define HAWSER_TESTS_UNIT_STORE_RIG_H

#include "tests/unit/unit.h"

#include "broker/store/internal.h"

/* A state directory of its own, and what a test asks of a store in it. */
struct rig {
	struct loop *loop;
	char dir[64], path[80];
	struct store *store;
	int done, failed; /* how often a done() came, without and with an error */
	char error[1024]; /* of the last */
	/* what was loaded last */
	int runs, sandboxes;
	struct {
		char id[32], status[16], error[64], tail[64], provider[16], sandbox[32];
		int64_t ended_ms;
		double seconds;
	} run[8]; /* the first of them */
	char tags[256];
};

int rig_setup(void **state);
int rig_teardown(void **state);
/* Must succeed. */
void rig_open(struct rig *rig);
/* Must fail with code; the text is in rig->error. */
void rig_open_fails(struct rig *rig, int code);
void rig_close(struct rig *rig);
void rig_on_done(void *user, const struct error *err);
/* Turns the loop until so many done() have come. */
void rig_wait(struct rig *rig, int told);
void rig_load(struct rig *rig);
/* One whole run. */
void rig_begin(struct rig *rig, const char *id, enum store_durability durability);
void rig_end(struct rig *rig, const char *id, enum store_durability durability);
void rig_sandbox(struct rig *rig, const char *tag);
void rig_copy(const char *from, const char *to);

#endif
