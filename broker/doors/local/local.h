/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_DOORS_LOCAL_LOCAL_H
#define HAWSER_BROKER_DOORS_LOCAL_LOCAL_H

#include "broker/core/core.h"

/* The door of thin clients: a 0600 unix socket, JSON-RPC 2.0 lines. README.md has the methods. */
struct local;
struct local_options {
	struct loop *loop;
	struct core *core;
	const char *socket_path;
	const char *state_dir;
	const char *build; /* tells two builds of one version apart */
	bool spawned; /* started by a thin client: it may be asked to leave when nobody needs it */
	/* Somebody asked the broker to stop. */
	void (*stop)(void *user);
	void *user;
};
/* Strings are borrowed for its life. A socket that is there already is replaced: the caller holds the lock. */
int local_new(const struct local_options *options, struct local **ret, struct error *err) _must_check_;
/* Lets nobody in any more; who is in stays. */
void local_close(struct local *l);
/* The core has begun to stop: what still waits at a door, and was not begun, is given back. */
void local_give_back(struct local *l);
/* Hangs up on everybody (their runs are cancelled) and removes the socket. */
struct local *local_free(struct local *l);
size_t local_connections(const struct local *l);

#endif
