/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_CORE_CONFIG_H
#define HAWSER_BROKER_CORE_CONFIG_H

#include "base/buf.h"
#include "base/json.h"
#include "policy/policy.h"

/*
 * The operator's configuration: hawser.yaml or hawser.json read into one struct, all faults told at once with file and
 * line. Variables (${VAR}, ${VAR:-x}, ${env:X}) stay as they are written until config_resolve_server(), since each
 * client brings its own values.
 */

/* Limits and defaults: one table (config_limits_table) that the code, `hawser config show` and the docs print. */
struct config_limits {
	int64_t run_ms; /* default wall time of a run, 30,000 */
	int64_t run_most_ms; /* most that a request may ask for, 900,000 */
	int64_t cpu_ms; /* CPU time of a run over all its processes, 60,000; at least run_ms is not implied */
	int64_t call_ms; /* one tool call, 60,000 */
	int64_t ask_ms; /* a person's time to answer a question, 600,000 */
	int64_t memory; /* bytes a sandbox, 512 MiB */
	int64_t disk; /* bytes of /tmp and home in a sandbox, 256 MiB */
	int64_t processes; /* 128 */
	int64_t output; /* bytes of stdout, stderr and log of a run, 16 MiB */
	int64_t arguments; /* bytes of one call's arguments, 64 MiB + 64 KiB */
	int64_t result; /* bytes of one call's result and of a run's value, 64 MiB + 64 KiB */
	int64_t reply; /* bytes of text that a door answers with, 16 KiB */
	int64_t yield_ms; /* the MCP door yields, 45,000 */
	int64_t calls; /* calls a run, 10,000 */
	int64_t calls_open; /* calls of a run in flight, 128 */
	int64_t runs; /* runs at once, 16 */
	int64_t runs_kept; /* finished runs whose files are kept, 200 */
	int64_t pool; /* warm sandboxes, 2 (0: none) */
	int64_t sandbox_ms; /* idle life of a warm sandbox, 300,000 */
};
/* What may stand in hawser.yaml, table by table; ends with title NULL. */
const struct json_keys *config_keys(void);
extern const struct json_field config_limits_table[];
extern const size_t config_limits_count;

struct config_pair {
	char *name, *value; /* value as written, with its variables */
};
enum config_transport {
	CONFIG_STDIO,
	CONFIG_HTTP, /* Streamable HTTP, or the old one where the server has nothing else */
	CONFIG_SSE, /* HTTP+SSE of 2024-11-05 */
};
enum config_roots {
	CONFIG_ROOTS_NONE, /* the server is not told that it may ask */
	CONFIG_ROOTS_CLIENT, /* those of the client that calls, else its working directory */
	CONFIG_ROOTS_LIST,
};
struct config_server {
	char *name; /* as written; not "hawser" */
	char *id; /* identifier for code: [A-Za-z_][A-Za-z0-9_]*, no keyword or built-in of a language, unique */
	enum config_transport transport;
	char *command; /* as written, relative to cwd if it has a slash; NULL: it is behind url */
	struct json_strings args;
	struct config_pair *env;
	size_t env_count;
	char *cwd; /* NULL: the client's */
	char *url; /* as written */
	struct config_pair *headers;
	size_t header_count;
	char *ca_file; /* NULL: the system's authorities */
	enum config_roots roots;
	struct json_strings root_folders; /* as written, of CONFIG_ROOTS_LIST */
	int64_t timeout_ms; /* 0: limits.call_ms */
	int64_t start_timeout_ms;
	bool disabled;
	bool trusted; /* default: true for stdio servers, false behind a URL */
	bool of_project; /* it came with a project's file; else it is the user's own */
	char *file; /* where it was read */
	int line;
};
enum { CONFIG_ENVIRONMENTS_MAX = 16 };
struct config_environment {
	char *name; /* [A-Za-z0-9_.-]+ */
	char *python, *javascript; /* absolute, or NULL; one of them is there */
};
struct config_provider {
	char *name;
	json_t *settings; /* object or NULL */
};
enum config_durability { CONFIG_PROCESS, CONFIG_POWER };
extern const char *const config_durability_names[];
struct config {
	char *path; /* the main file; NULL: none was found */
	char *wanted; /* where one would have been found; NULL: path was given */
	struct json_strings files; /* all files read, for change detection */
	struct config_server *servers;
	size_t server_count;
	json_t *policy; /* object or NULL */
	struct config_limits limits;
	struct config_provider *providers; /* in order; never empty: preset "process" */
	size_t provider_count;
	char *isolation; /* floor: process, container, gvisor or vm; NULL: class of the first provider */
	enum config_durability durability; /* what the rows of runs survive; preset CONFIG_PROCESS */
	char *runtimes[3]; /* javascript, python, bash: absolute path as written, or NULL */
	struct config_environment environments[CONFIG_ENVIRONMENTS_MAX]; /* in the order of the file */
	size_t environment_count;
	struct json_strings variables; /* names of all variables that occur */
	struct json_strings notes; /* for doctor: collisions of identifiers and the like */
	struct json_strings missing; /* "FILE:LINE: ...": what it names is not there. Only runs that want it fail */
	struct json_strings unapproved; /* files of the project that are included and that nobody said yes to */
};

/* Whose configuration it is. All absolute, but that path NULL means: search. */
struct config_from {
	const char *path, *config_home;
	const char *cwd; /* the client's folder, for include: [project] */
	const char *home, *search_path; /* the client's $HOME ("~", its files) and $PATH; NULL: this process's */
	const char *state_dir; /* where its yes to files of a project is kept; NULL: there is none */
};
/* ret owns its texts, until config_from_done(). */
int config_from_copy(const struct config_from *from, struct config_from *ret) _must_check_;
void config_from_done(struct config_from *owned);

/* path NULL: $XDG_CONFIG_HOME/hawser/hawser.{yaml,json} (config_home says the first part); nothing there is not an
 * error: path stays NULL. On failure err has one line a fault, each "FILE:LINE: what; what to do". Files are at most 1
 * MiB, those of other clients 16. */
int config_load(const struct config_from *from, struct config **ret, struct error *err) _must_check_;
/* One more holder, on the same thread; nobody changes it any more. */
struct config *config_ref(struct config *c);
/* One holder less; the last one frees it. */
struct config *config_free(struct config *c);
/* Have any of its files changed (mtime, size, inode) since it was read? */
bool config_is_stale(const struct config *c);
/* Is there a server that is told the roots of the client that calls? */
bool config_wants_roots(const struct config *c);

/* As policy knows it. Borrowed. */
struct policy_server config_policy_server(const struct config_server *server);

/* A server with its variables replaced. */
struct config_resolved {
	char *command, *cwd;
	char **args, **env; /* NULL-terminated; env as "K=V" */
	char *url; /* NULL: a process */
	char **headers; /* "Name: value" */
	char *ca_file, *proxy, *no_proxy; /* may be NULL; the proxy is that of the client's environment */
	char *roots; /* text of core/roots.h; NULL: roots/list is refused (a URL that was given none) */
	bool offers_roots; /* it is told so; else a process that asks all the same hears of its cwd */
	char *key; /* equal for two that may share one: hash of command, args, environment, cwd, or of url, headers,
		      proxy, authorities; and of roots that are offered */
	char *entry; /* the same without the roots, which the client says */
	struct json_strings secret_names, secret_values; /* what variables stood for: never shown */
};
/* Who calls, and what it brings. */
struct config_caller {
	const char *cwd; /* absolute */
	const char *roots; /* text of core/roots.h, or NULL: it has said nothing of its roots */
	const char *(*lookup)(void *user, const char *name); /* value of its variable, or NULL if unset */
	void *user;
};
/* Error: "FILE:LINE: server x: ${TOKEN} is not set; ..." */
int config_resolve_server(const struct config_server *server, const struct config_caller *caller,
			  struct config_resolved *ret, struct error *err) _must_check_;
void config_resolved_done(struct config_resolved *r);
/* The effective configuration as JSON: every value and where it is from; secrets stay as ${VAR}. */
int config_show(const struct config *c, struct buf *out) _must_check_;

#endif
