/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_PROVIDER_H
#define HAWSER_PROVIDER_H

/*
 * The provider interface: where sandboxes come from. A provider fills one const struct hawser_provider; the host (the
 * broker) lends it what struct hawser_host has. Both structs are append-only: abi and size come first, a member that is
 * beyond the other side's size does not exist there, NULL = not supported. A provider includes this file and nothing
 * else of Hawser; it never sees the event loop, a tool call, or a credential of the user.
 *
 * Rules. Everything runs on one thread. An operation takes a struct hawser_op * that the host owns; it ends in exactly
 * one host->complete(), never inside the call that started it (the host defers it if need be). Strings that are passed
 * in are borrowed until the function returns.
 */

#include <stddef.h>
#include <stdint.h>

#define HAWSER_PROVIDER_ABI 1u

enum hawser_isolation { /* weakest first; a run never falls below the operator's floor */
			HAWSER_ISOLATION_PROCESS = 1,
			HAWSER_ISOLATION_CONTAINER = 2,
			HAWSER_ISOLATION_GVISOR = 3,
			HAWSER_ISOLATION_VM = 4,
};

enum hawser_option_kind {
	HAWSER_OPTION_STRING = 1,
	HAWSER_OPTION_INTEGER = 2,
	HAWSER_OPTION_BOOLEAN = 3,
	HAWSER_OPTION_STRINGS = 4
};

/* One key of the provider's section in the config; the table also prints help and checks the config. */
struct hawser_option {
	const char *name; /* NULL ends the table */
	enum hawser_option_kind kind;
	int64_t least, most; /* integer: range */
	const char *preset; /* text of the value when absent; NULL: none */
	const char *help; /* one sentence, with the unit */
};

/* Values of the options, as the host read and checked them. */
struct hawser_settings;

struct hawser_op; /* one asynchronous operation, owned by the host */

enum hawser_status {
	HAWSER_OK = 0,
	HAWSER_TRANSIENT = 1, /* trying again may help */
	HAWSER_AUTH = 2,
	HAWSER_QUOTA = 3,
	HAWSER_NOT_FOUND = 4,
	HAWSER_INVALID = 5, /* the request or the settings */
	HAWSER_UNSUPPORTED = 6, /* this machine cannot (no bubblewrap, no user name spaces ...) */
	HAWSER_TIMEOUT = 7,
	HAWSER_INTERNAL = 8,
	HAWSER_NO_INTERPRETER = 9, /* create: there is none of a language in park; without it a sandbox can be made */
};

/* Where the tunnel of a sandbox is reached: exactly one of unix_path and url. */
struct hawser_endpoint {
	const char *unix_path; /* absolute */
	const char *url; /* ws:// or wss:// */
	const char *const *headers; /* "Name: value", NULL-terminated; may be NULL */
};

/* How an operation ended. message is for a person: what happened and what to do. Copied by the host. */
struct hawser_result {
	enum hawser_status status;
	const char *message;
	const char *sandbox_id; /* create: the provider's name for it, at most 127 bytes */
	struct hawser_endpoint endpoint; /* create, attach */
	/* create: of a guest that was there before (NULL: those of the request). */
	const char *tunnel_id; /* 32 hexadecimal digits */
	const uint8_t *secret; /* 32 bytes */
};

struct hawser_limits { /* of one sandbox; 0 = the provider's own */
	uint64_t memory; /* bytes: RLIMIT_DATA of each process, and with tmpfs the sum over all */
	uint64_t disk; /* bytes of /tmp and home together */
	uint32_t processes;
	uint32_t cpu_percent; /* of one CPU; 200 = two */
};

/* Packages of the user's own that a run asked for by name: shown in the sandbox, read-only, at their own place. */
struct hawser_environment {
	const char *name;
	const char *python; /* absolute path of a venv, uv or conda prefix, or of its interpreter; NULL: none */
	const char *javascript; /* absolute path of a folder with node_modules in it; NULL: none */
};

struct hawser_create {
	const char *tag; /* broker id + sandbox id: names the sandbox at the provider, idempotent */
	const char *tunnel_id; /* 32 hexadecimal digits, given to the guest */
	uint8_t secret[32]; /* of the tunnel; never on a command line or in an environment */
	struct hawser_limits limits;
	const char *const *park; /* languages whose interpreter is started ahead, NULL-terminated */
	const struct hawser_environment *environment; /* NULL: none; only for a provider that says `environments` */
};

/* A child held by a keeper (process and VM walls): see providers/keeper/README.md. */
enum hawser_grant {
	HAWSER_GRANT_LISTEN = 1, /* the listening unix socket that the broker will connect to */
	/* A pipe with the 32 bytes of the secret. That the wall's child has read it and closed it is the sign that it
	   runs. */
	HAWSER_GRANT_SECRET = 2,
	HAWSER_GRANT_BYTES = 3, /* a sealed memfd with data (for instance a seccomp program) */
	HAWSER_GRANT_PATH = 4, /* read-only descriptor of the file that data names, opened before the uid is given up */
};
struct hawser_grant_fd {
	enum hawser_grant grant;
	int child_fd;
	const void *data; /* BYTES; PATH: the absolute path, NUL-terminated */
	size_t len;
};
/* Words that the wall says on stderr when it cannot be built, and what a person should do then. */
struct hawser_keeper_hint {
	const char *seen;
	const char *advice;
};
struct hawser_keeper_spec {
	const char *const *argv; /* absolute path first */
	const char *const *envp; /* whole environment of the wall's first process */
	const struct hawser_grant_fd *grants;
	size_t grant_count;
	struct hawser_limits limits; /* what the keeper enforces over all processes of the wall */
	int own_uid; /* 1: when the keeper runs as root it takes an unprivileged uid of its own first */
	/* Paths that this uid must be able to read, else create fails by name; may be NULL. */
	const char *const *must_read;
	/* Mount points inside whose bytes count as memory where no cgroup counts them; may be NULL. */
	const char *const *tmpfs;
	const struct hawser_keeper_hint *hints; /* the first that fits is told; must outlive the create */
	size_t hint_count;
	int no_cgroup; /* 1: limits by the watchdog even where control groups could be had */
};

struct hawser_host {
	uint32_t abi;
	uint32_t size;
	void (*complete)(struct hawser_op *op, const struct hawser_result *result);
	void (*log)(const struct hawser_settings *s, int level /* 0 debug 1 info 2 warn 3 error */,
		    const char *message);
	/* Typed values; a string that is not set and has no preset is NULL. Borrowed while the provider is open. */
	const char *(*setting_string)(const struct hawser_settings *s, const char *name);
	int64_t (*setting_integer)(const struct hawser_settings *s, const char *name);
	int (*setting_boolean)(const struct hawser_settings *s, const char *name);
	const char *const *(*setting_strings)(const struct hawser_settings *s, const char *name);
	/* The guest binary for an architecture ("x86_64"): absolute path, or NULL. */
	const char *(*guest_path)(const struct hawser_settings *s, const char *arch);
	/* Interpreters that `runtimes:` of the config names: absolute path, or NULL. language: javascript, python, bash
	 */
	const char *(*runtime_path)(const struct hawser_settings *s, const char *language);
	/* $PATH of the user who started the broker, to find interpreters in; may be NULL. */
	const char *(*search_path)(const struct hawser_settings *s);
	/* Starts a keeper for op (create): the host completes op with the endpoint once the wall's listening socket is
	 * there, or with the error. The keeper's name becomes sandbox_id. Returns 0 or a negative errno (op still to be
	 * completed). */
	int (*keeper_start)(struct hawser_op *op, const struct hawser_keeper_spec *spec);
	/* Ends (or asks for the endpoint of) a kept sandbox; completes op. */
	int (*keeper_stop)(struct hawser_op *op, const char *sandbox_id);
};

/* Between what is wrong, and why, and the one command that cures it ("sudo ..." where root must say it). */
#define HAWSER_CURE "; cure: "

struct hawser_provider {
	uint32_t abi; /* HAWSER_PROVIDER_ABI */
	uint32_t size; /* sizeof(struct hawser_provider) */
	const char *name;
	enum hawser_isolation isolation;
	const struct hawser_option *options;
	/* Reads settings, checks what the machine offers. On failure returns a status and a message (static or
	 * host-copied). */
	enum hawser_status (*open)(const struct hawser_host *host, const struct hawser_settings *settings, void **ret,
				   const char **ret_message);
	void (*close)(void *provider);
	void (*create)(void *provider, struct hawser_op *op, const struct hawser_create *request);
	void (*destroy)(void *provider, struct hawser_op *op, const char *sandbox_id);
	/* The operation is no longer wanted; it must still be completed. May be NULL. */
	void (*cancel)(void *provider, struct hawser_op *op);
	/* One line a fact that matters for doctor ("wall: bubblewrap 0.8.0", "memory: cgroup v1"), through tell().
	 * NULL: none. May be called on another thread, as it may take its time: it only reads what does not change
	 * after open. Texts of what is bad, and the message of open, end with HAWSER_CURE and a command. */
	void (*report)(void *provider, void (*tell)(void *user, const char *key, const char *text, int good),
		       void *user);
	/* The class under these settings, where they decide it; NULL: isolation above. */
	enum hawser_isolation (*isolation_of)(void *provider);
	int kept; /* 1: its sandboxes are held by keepers on this machine */
	int environments; /* 1: create knows hawser_create.environment */
};

#endif
