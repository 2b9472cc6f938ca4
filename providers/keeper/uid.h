/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_PROVIDERS_KEEPER_UID_H
#define HAWSER_PROVIDERS_KEEPER_UID_H

#include "base/error.h"

#include <stdint.h>
#include <sys/types.h>

/*
 * A user of its own for each sandbox, when the keeper is root: bubblewrap run by root stays root on the host and would
 * read root's 0600 files in any tree that is bound into the sandbox.
 */
enum { UID_FIRST = 2000000000, UID_COUNT = 65536 };

/* Takes a uid that no other live keeper has. It stays taken until *ret_lock (kept open, never passed on) is closed. */
int uid_take(uid_t *ret, int *ret_lock, struct error *err) _must_check_;
/* Can that user (and group) read all these paths? The error names the first that it cannot, and what is in the way. */
int uid_can_read(uid_t uid, char *const *paths, struct error *err) _must_check_;

/* ---- pure, for tests: which range a uid map (text of /proc/self/uid_map) leaves for sandboxes. Its own if mapped,
 * else the upper end of what is. ret_count 0: nothing is left. */
void uid_range(const char *uid_map, uint64_t *ret_first, uint64_t *ret_count);

#endif
