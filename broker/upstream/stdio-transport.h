/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_UPSTREAM_STDIO_TRANSPORT_H
#define HAWSER_BROKER_UPSTREAM_STDIO_TRANSPORT_H

#include "base/loop.h"
#include "base/spawn.h"
#include "broker/upstream/transport.h"

struct stdio_options {
	const char *const *argv;
	const char *const *envp;
	const char *cwd;
	size_t message_max; /* bytes of the longest line */
	uint64_t step_ms; /* between the steps of the exit ladder */
};

/* Starts the process. */
int stdio_new(struct loop *loop, struct spawner *spawner, const struct stdio_options *options,
	      const struct transport_events *events, void *user, struct transport **ret,
	      struct error *err) _must_check_;

#endif
