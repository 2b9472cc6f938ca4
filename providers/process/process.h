/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_PROVIDERS_PROCESS_PROCESS_H
#define HAWSER_PROVIDERS_PROCESS_PROCESS_H

#include "providers/include/hawser/provider.h"

#include <limits.h>
#include <stdbool.h>

/* The parts of the process provider; README.md has the picture. */

enum process_language { PROCESS_JAVASCRIPT, PROCESS_PYTHON, PROCESS_BASH, PROCESS_LANGUAGES };
extern const char *const process_language_names[PROCESS_LANGUAGES];

/* ---- runtimes.c: which interpreter, and what must be seen of the file system for it ---- */
enum { RUNTIME_BINDS = 2, RUNTIME_LINKS = 8 };
struct runtime {
	char path[PATH_MAX]; /* what is started inside; empty: none */
	char binds[RUNTIME_BINDS][PATH_MAX]; /* prefixes outside of /usr, to be bound at their own place; empty: none */
	struct runtime_link { /* symbolic links on the way from path to the binds; at empty: none */
		char at[PATH_MAX], target[PATH_MAX];
	} links[RUNTIME_LINKS];
	char problem[PATH_MAX + 256]; /* why there is none */
};
/* wanted: `runtimes:` of the config or NULL; search: $PATH or NULL; home: of the user or NULL. */
void runtime_find(enum process_language language, const char *wanted, const char *search, const char *home,
		  struct runtime *ret);
/* An interpreter by its path; false: problem says why not. */
bool runtime_use(const char *path, const char *home, struct runtime *rt);
/* Where an interpreter that a version manager's shim stands for really is; false: path is no such shim. Exposed for
 * tests. */
bool runtime_resolve_shim(const char *path, char ret[PATH_MAX]);

/* ---- links.c ---- */
/* Walks path and adds the symbolic links on the way to rt->links, as far as they lie neither in the system nor below
 * what is bound. */
void runtime_add_links(struct runtime *rt, const char *path);
/* Is path dir itself or below it? */
bool path_is_under(const char *path, const char *dir);
bool path_in_system(const char *path);

/* ---- environment.c: what one sandbox sees of the user's packages ---- */
struct process_view {
	struct runtime runtimes[PROCESS_LANGUAGES];
	char node_modules[PATH_MAX]; /* empty: none */
	char problem[PATH_MAX + 512];
};
/* Puts the environment (NULL: none) in the place of the usual interpreters. false: problem says what is wrong. */
bool environment_apply(const struct hawser_environment *e, const char *home, struct process_view *view);

/* ---- machine.c: what this machine offers ---- */
struct machine_facts {
	char bwrap[PATH_MAX];
	bool disable_userns, ro_bind_fd; /* options that this bubblewrap has */
	bool restricted; /* Ubuntu's AppArmor rule for user name spaces is on, and we are not root */
	bool apparmor; /* AppArmor is on, so a profile of it may forbid them */
};
/* false: problem says why there can be no wall here and what to do. */
bool machine_look(struct machine_facts *ret, char *problem, size_t size);
/* Runs a program with an empty environment and waits; what it said on stdout and stderr. */
size_t machine_ask(const char *const *argv, char *text, size_t size);
/* Can a wall be built at all? Takes 10 ms. */
bool machine_try(const struct machine_facts *m, char *problem, size_t size);
/* Hints for what bubblewrap says when it fails. */
const struct hawser_keeper_hint *machine_hints(const struct machine_facts *m, size_t *ret_count);

/* ---- argv.c: the wall as words, pure ---- */
enum { WALL_WORDS_MAX = 400, WALL_TEXT_MAX = 32 * 1024 };
struct wall_root { /* /bin, /lib and so on: a link (target) into /usr, or a directory of its own (target empty) */
	char name[16];
	char target[64];
};
struct wall_input {
	const char *bwrap;
	bool disable_userns, ro_bind_fd;
	bool guest_private; /* its folder is closed to the sandbox's own user: it is copied in (a bind wants the path)
			     */
	const struct wall_root *roots;
	size_t root_count;
	const char *const *etc; /* files and folders of /etc that are shown, NULL-terminated */
	const char *const *mask_files; /* of /proc; only those that exist, NULL-terminated */
	const char *const *mask_dirs;
	const struct process_view *view;
	const char *guest; /* path */
	uint64_t disk, shm; /* bytes */
	const char *tunnel_id;
	const char *const *park; /* NULL-terminated or NULL */
	struct hawser_limits limits;
};
/* Descriptors of the wall. */
enum {
	WALL_FD_LISTEN = 3,
	WALL_FD_SECRET,
	WALL_FD_SECCOMP,
	WALL_FD_GUEST,
	WALL_FD_PASSWD,
	WALL_FD_GROUP,
	WALL_FD_HOSTS,
	WALL_FD_NSSWITCH
};
struct wall_argv {
	const char *words[WALL_WORDS_MAX + 1]; /* NULL-terminated; point into text or at constants */
	size_t count;
	char text[WALL_TEXT_MAX];
	size_t used;
	bool overflow;
};
/* false: too long. */
bool wall_argv_build(const struct wall_input *in, struct wall_argv *ret);

#endif
