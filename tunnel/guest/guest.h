/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_TUNNEL_GUEST_GUEST_H
#define HAWSER_TUNNEL_GUEST_GUEST_H

#include "base/loop.h"
#include "base/spawn.h"
#include "tunnel/proto/tunnel.h"

/*
 * The root of the daemon: one loop, one tunnel, and what the tunnel's streams are. The files of this folder share this
 * struct; each owns the part that is named after it.
 */
struct run;
struct child;
struct server;

enum { GUEST_LANGUAGES = 3, GUEST_RUNS_MAX = 16 };
/* Interpreters; head.c says which languages need which. */
enum guest_language { LANGUAGE_JAVASCRIPT, LANGUAGE_PYTHON, LANGUAGE_BASH };

/* What one stream of the tunnel is to us; first member of struct run, struct call and struct hold. */
enum stream_kind { STREAM_RUN, STREAM_CALL, STREAM_HOLD };
struct guest_stream {
	enum stream_kind kind;
	uint32_t id;
	struct guest_stream *next; /* of its bucket */
};

struct guest_options {
	int listen_fd, tcp_fd; /* -1: none */
	const char *attach_name; /* NULL: none */
	uint8_t secret[32]; /* wiped once the tunnel has it */
	struct tunnel_id tunnel;
	const char *interpreter[GUEST_LANGUAGES]; /* path or name; NULL: the default */
	bool park[GUEST_LANGUAGES];
	const char *shims; /* folder of the shims; NULL: the embedded ones */
	uint64_t memory, processes, file; /* limits of a parked interpreter, as in PROTOCOL.md section 6 */
};

enum { GUEST_BUCKETS = 256 };

struct guest {
	struct loop *loop;
	struct spawner *spawner;
	struct tunnel *tunnel;
	struct server *server;
	const struct guest_options *options;
	char *shim_dir; /* where the shims and bin/tool are */
	const char *home;
	struct guest_stream *streams[GUEST_BUCKETS];
	struct run *runs; /* newest first */
	size_t run_count;
	struct child *parked[GUEST_LANGUAGES];
	struct loop_timer *park_timer;
	uint64_t calls; /* id of the last call of this conversation */
	bool pid1;
	int trace_fd; /* -1: none */
	uint8_t scratch[FRAME_PAYLOAD_MAX]; /* for what is read and sent on within one callback */
};

extern const struct tunnel_events guest_tunnel_events;

struct guest_stream *guest_stream_find(const struct guest *g, uint32_t id);
void guest_stream_add(struct guest *g, struct guest_stream *s);
void guest_stream_remove(struct guest *g, struct guest_stream *s);
/* Something was queued on the tunnel outside of its events. */
void guest_kick(struct guest *g);
const char *guest_language_name(int language);

#endif
