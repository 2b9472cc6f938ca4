/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_HOST_INTERNAL_H
#define HAWSER_BROKER_HOST_INTERNAL_H

#include "base/io.h"
#include "base/json.h"
#include "broker/host/host.h"

#include <uthash.h>

enum { HOST_ID_MAX = 128, HOST_OPS_KEPT = 256 };

/* ---- settings.c ---- */
struct hawser_settings {
	struct host_provider *provider;
	const struct hawser_option *options;
	size_t count;
	struct json_field *fields;
	uint8_t *values; /* SETTING_BYTES for each option, as json_table_decode() fills them */
};
int settings_read(struct hawser_settings *s, const struct hawser_option *options, json_t *object,
		  struct error *err) _must_check_;
void settings_done(struct hawser_settings *s);
const char *settings_string(const struct hawser_settings *s, const char *name);
int64_t settings_integer(const struct hawser_settings *s, const char *name);
int settings_boolean(const struct hawser_settings *s, const char *name);
const char *const *settings_strings(const struct hawser_settings *s, const char *name);

/* ---- operations: host.c ---- */
enum op_kind { OP_CREATE, OP_DESTROY };
struct hawser_op {
	struct host *host;
	struct host_provider *provider; /* NULL once delivered */
	enum op_kind kind;
	union {
		host_create_fn *create;
		host_destroy_fn *destroy;
	} done;
	void *user;
	bool completed;
	struct hawser_create request; /* OP_CREATE: its own copies */
	char *tag, *tunnel_id;
	char **park;
	/* the copied result */
	struct host_created created;
	char *message, *sandbox_id, *endpoint_text, *result_tunnel;
	char **headers;
	struct hawser_op *prev, *next;
};
void op_complete(struct hawser_op *op, const struct hawser_result *result);
struct hawser_op *op_free(struct hawser_op *op);
/* The provider is closed: what is open of it ends without a word. */
void ops_abandon(struct host_provider *p);

struct host_provider {
	struct host *host;
	const struct hawser_provider *ops;
	void *self;
	struct hawser_settings settings;
	char *runtimes[3];
	struct host_provider *prev, *next;
};

struct kept;
struct reaping;
struct host {
	struct loop *loop;
	struct spawner *spawner;
	char *sandbox_dir, *guest_path, *keeper_path;
	struct host_events events;
	void *user;
	struct host_provider *providers;
	struct hawser_op *open, *ready,
		*over; /* ready: completed, to be delivered; over: delivered, to catch a second end */
	size_t over_count;
	bool deferred; /* deliver() is on its way */
	bool closing;
	struct kept *kept;
	struct reaping *reapings; /* reap.c */
};

/* ---- keepers.c ---- */
int keepers_start(struct hawser_op *op, const struct hawser_keeper_spec *spec);
int keepers_stop(struct hawser_op *op, const char *sandbox_id);
/* op is over for other reasons: completes it no more. */
void keepers_detach(struct hawser_op *op);
/* Lets go of all of them; they live on until their lease runs out. */
void keepers_done(struct host *host);
/* Removes what keepers that were killed have left. */
void keepers_sweep(struct host *host);
/* What keepers enforce limits with here. */
void keepers_report(struct host *host, void (*tell)(void *user, const char *key, const char *text, int good),
		    void *user);

/* The id of the kept sandbox with this tag, at most ID_TEXT_MAX bytes with its NUL. */
void kept_name(const char *tag, char *ret);

/* ---- reap.c ---- */
/* None of them is told any more. */
void reapings_done(struct host *host);

/* ---- keeper-spec.c: the JSON that a keeper reads (providers/keeper/README.md) ---- */
int keeper_spec_print(struct buf *out, const struct hawser_keeper_spec *spec, const char *dir, const uint8_t secret[32],
		      uint32_t lease_ms) _must_check_;

/* ---- registry.c ---- */
const struct hawser_provider *registry_find(const char *name);
/* "process, fake" */
const char *registry_names(void);

#endif
