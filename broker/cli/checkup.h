/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_CLI_CHECKUP_H
#define HAWSER_BROKER_CLI_CHECKUP_H

#include "base/paths.h"

#include <stdbool.h>

/*
 * What keeps a broker from starting or being reached, found without one: doctor's first lines, and its last ones where
 * there is no broker to say more.
 */
/* cure: NULL: none. */
typedef void checkup_tell_fn(void *user, const char *key, const char *text, const char *cure, bool good);
/* Clock, folders, lock. False: no broker can be started. */
bool checkup_before(const struct paths *paths, checkup_tell_fn *tell, void *user);
/* The broker was not reached, and why: who stands in its place. */
void checkup_unreachable(const struct paths *paths, const char *why, checkup_tell_fn *tell, void *user);
/* The folders themselves cannot be told. */
void checkup_no_paths(const struct error *err, checkup_tell_fn *tell, void *user);

/* The broker of this state folder; 0: none is running. */
pid_t checkup_broker(const struct paths *paths);

#endif
