/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_HOST_HOST_H
#define HAWSER_BROKER_HOST_HOST_H

#include "base/loop.h"
#include "base/spawn.h"
#include "providers/include/hawser/provider.h"

#include <jansson.h>

/*
 * What providers are lent, and how core asks them for sandboxes. The host opens providers by name with checked
 * settings, turns their operations into (done, user) calls, starts and watches keepers and renews their leases. It
 * decides nothing: which provider, how many sandboxes and for whom is core's business.
 */
struct host;
struct host_provider; /* one provider opened with one set of settings */
struct host_op; /* a create that is under way */

struct host_options {
	const char *sandbox_dir; /* one folder a kept sandbox is made in it; made 0700 if absent. At most 60 bytes long,
				  * as socket paths have 108 */
	const char *guest_path; /* absolute */
	const char *keeper_path; /* absolute */
};
struct host_events {
	/* A sandbox that had been created is gone without having been asked to: its keeper ended. reason is for a
	 * person
	 * ("memory: ..."). Not called for sandboxes whose destroy has begun. */
	void (*sandbox_ended)(void *user, const char *sandbox_id, const char *reason);
};

int host_new(struct loop *loop, struct spawner *spawner, const struct host_options *options,
	     const struct host_events *events, void *user, struct host **ret, struct error *err) _must_check_;
/* Open operations end without done; providers must have been closed. Kept sandboxes that were not destroyed live on
 * until their lease runs out. */
struct host *host_free(struct host *host);

/* ---- providers ---- */

#define HOST_PROVIDER_NAMES "process", "fake" /* as registry.c has them; the second is for tests */
struct host_provider_options {
	const char *name; /* "process", "fake" */
	json_t *settings; /* borrowed; object, or NULL: all presets */
	const char *where; /* for errors: "hawser.yaml:12", or NULL */
	const char *javascript, *python, *bash; /* `runtimes:` of the config, absolute, or NULL */
};
/* Checks settings against the provider's option table (all faults in one error, one a line) and opens it. -ENOENT: no
 * such provider; -EINVAL: settings; -ENOTSUP: this machine cannot run it, the text says why and what to do. */
int host_provider_open(struct host *host, const struct host_provider_options *options, struct host_provider **ret,
		       struct error *err) _must_check_;
/* No operation may be open. Its sandboxes should have been destroyed. */
struct host_provider *host_provider_close(struct host_provider *p);
const char *host_provider_name(const struct host_provider *p);
enum hawser_isolation host_provider_isolation(const struct host_provider *p);
/* "process", "container", "gvisor", "vm"; isolation_parse: 0 if there is no such class. */
const char *host_isolation_name(enum hawser_isolation isolation);
enum hawser_isolation host_isolation_parse(const char *name);
/* Can it show an environment of the user in its sandboxes? */
bool host_provider_has_environments(const struct host_provider *p);
/* Facts for doctor. */
void host_provider_report(struct host_provider *p,
			  void (*tell)(void *user, const char *key, const char *text, int good), void *user);

/* ---- sandboxes ---- */

/* Borrowed until done returns. */
struct host_created {
	enum hawser_status status;
	const char *message; /* for a person; never NULL, empty when all is well */
	const char *sandbox_id; /* NULL unless status is HAWSER_OK */
	struct hawser_endpoint endpoint;
	const char *
		tunnel_id; /* what the guest behind the endpoint has: the request's own unless the provider says else */
	uint8_t secret[32];
};
/* Exactly once, never inside the starting call. */
typedef void host_create_fn(void *user, const struct host_created *created);
/* request is copied. ret may be NULL. */
void host_create(struct host_provider *p, const struct hawser_create *request, host_create_fn *done, void *user,
		 struct host_op **ret);
/* The create is no longer wanted, which its provider may be glad to know. done is called as ever; a sandbox that still
 * comes of it is the caller's to destroy. */
void host_cancel(struct host_op *op);

/* The folder of the sandbox that host_create() makes for this tag, where its provider has it kept; NULL: it has not.
 * On the heap. */
char *host_place(const struct host_provider *p, const char *tag);
enum host_reaped {
	HOST_REAPED, /* its keeper was asked to end it, and has gone */
	HOST_NOT_THERE, /* nobody listens there; one that is only starting does not yet */
};
typedef void host_reap_fn(void *user, enum host_reaped what);
/* Ends the kept sandbox of that folder, which an earlier broker had made. done once, never inside the starting call. */
void host_reap(struct host *host, const char *place, host_reap_fn *done, void *user);

typedef void host_destroy_fn(void *user, enum hawser_status status, const char *message);
/* done (may be NULL) once nothing of the sandbox is left; HAWSER_NOT_FOUND if there is none of that id. */
void host_destroy(struct host_provider *p, const char *sandbox_id, host_destroy_fn *done, void *user);
/* Length of the lease that the host keeps renewing (every third of it) for a kept sandbox: 60,000 ms from its creation,
 * 900,000 while a run of it is unfinished, so that the run survives a restart of the broker. No effect on others. */
void host_renew(struct host *host, const char *sandbox_id, uint32_t lease_ms);

#endif
