/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The wall as bubblewrap's command line, in the order in which it is built: name spaces, system, /proc, /dev, private
 * places, and at the end the root itself made read-only. Pure.
 */
#include "providers/process/process.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void add(struct wall_argv *a, const char *word)
{
	if (a->count == WALL_WORDS_MAX) {
		a->overflow = true;
		return;
	}
	a->words[a->count++] = word;
}

#define ADD(a, ...) add_all(a, (const char *const[]){__VA_ARGS__, NULL})
static void add_all(struct wall_argv *a, const char *const *words)
{
	for (; *words; words++)
		add(a, *words);
}

static const char *text(struct wall_argv *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static const char *text(struct wall_argv *a, const char *fmt, ...)
{
	char *at = a->text + a->used;
	size_t room = sizeof(a->text) - a->used;
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(at, room, fmt, args);
	va_end(args);
	if (n < 0 || (size_t)n >= room) {
		a->overflow = true;
		return "";
	}
	a->used += (size_t)n + 1;
	return at;
}

static void add_name_spaces(const struct wall_input *in, struct wall_argv *a)
{
	ADD(a, in->bwrap, "--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts",
	    "--unshare-cgroup", "--uid", "1000", "--gid", "1000", "--hostname", "sandbox");
	if (in->disable_userns)
		ADD(a, "--disable-userns");
	/* The guest is pid 1: its environment is the one that /proc/1 shows, and no handler of bubblewrap's is there.
	 */
	ADD(a, "--as-pid-1", "--die-with-parent", "--new-session", "--cap-drop", "ALL");
	ADD(a, "--seccomp", text(a, "%d", WALL_FD_SECCOMP));
}

static void add_system(const struct wall_input *in, struct wall_argv *a)
{
	ADD(a, "--ro-bind", "/usr", "/usr");
	for (size_t i = 0; i < in->root_count; i++)
		if (in->roots[i].target[0])
			ADD(a, "--symlink", in->roots[i].target, in->roots[i].name);
		else
			ADD(a, "--ro-bind", in->roots[i].name, in->roots[i].name);
	ADD(a, "--perms", "0755", "--dir", "/etc");
	ADD(a, "--perms", "0444", "--file", text(a, "%d", WALL_FD_PASSWD), "/etc/passwd");
	ADD(a, "--perms", "0444", "--file", text(a, "%d", WALL_FD_GROUP), "/etc/group");
	ADD(a, "--perms", "0444", "--file", text(a, "%d", WALL_FD_HOSTS), "/etc/hosts");
	ADD(a, "--perms", "0444", "--file", text(a, "%d", WALL_FD_NSSWITCH), "/etc/nsswitch.conf");
	for (const char *const *e = in->etc; *e; e++)
		ADD(a, "--ro-bind", *e, *e);
}

/* Behind the private places: a prefix may lie below /tmp or a home that is called /home/user. */
static void add_runtimes(const struct wall_input *in, struct wall_argv *a)
{
	for (int i = 0; i < PROCESS_LANGUAGES; i++) {
		const struct runtime *rt = &in->view->runtimes[i];

		for (int k = 0; k < RUNTIME_BINDS && rt->path[0]; k++)
			if (rt->binds[k][0])
				ADD(a, "--ro-bind", rt->binds[k], rt->binds[k]);
		for (int k = 0; k < RUNTIME_LINKS && rt->path[0] && rt->links[k].at[0]; k++)
			ADD(a, "--symlink", rt->links[k].target, rt->links[k].at);
	}
	if (in->view->node_modules[0]) /* above every run's working directory: require and import find it there */
		ADD(a, "--ro-bind", in->view->node_modules, in->view->node_modules, "--symlink", in->view->node_modules,
		    "/home/user/node_modules");
}

static void add_proc_and_dev(const struct wall_input *in, struct wall_argv *a)
{
	ADD(a, "--proc", "/proc");
	/* Without its device bit /dev/null cannot even be opened. */
	for (const char *const *m = in->mask_files; *m; m++)
		ADD(a, "--ro-bind", "/dev/null", *m);
	for (const char *const *m = in->mask_dirs; *m; m++)
		ADD(a, "--size", "4096", "--tmpfs", *m, "--remount-ro", *m);
	ADD(a, "--dev", "/dev", "--perms", "1777", "--size", text(a, "%" PRIu64, in->shm), "--tmpfs", "/dev/shm",
	    "--remount-ro", "/dev");
}

/* One tmpfs for home and /tmp, so that their sizes count together. */
static void add_private(const struct wall_input *in, struct wall_argv *a)
{
	ADD(a, "--perms", "0755", "--dir", "/home", "--perms", "0700", "--size", text(a, "%" PRIu64, in->disk),
	    "--tmpfs", "/home/user", "--perms", "1777", "--dir", "/home/user/.tmp", "--symlink", "home/user/.tmp",
	    "/tmp", "--perms", "0755", "--dir", "/var", "--symlink", "../tmp", "/var/tmp", "--chdir", "/home/user");
}

static void add_guest(const struct wall_input *in, struct wall_argv *a)
{
	ADD(a, "--perms", "0755", "--dir", "/hawser");
	if (in->guest_private)
		ADD(a, "--perms", "0555", "--ro-bind-data", text(a, "%d", WALL_FD_GUEST), "/hawser/hawser-guest");
	else if (in->ro_bind_fd)
		ADD(a, "--ro-bind-fd", text(a, "%d", WALL_FD_GUEST), "/hawser/hawser-guest");
	else
		ADD(a, "--ro-bind", in->guest, "/hawser/hawser-guest");
	ADD(a, "--remount-ro", "/", "--", "/hawser/hawser-guest", "serve", "--listen-fd", text(a, "%d", WALL_FD_LISTEN),
	    "--secret-fd", text(a, "%d", WALL_FD_SECRET), "--tunnel", text(a, "%s", in->tunnel_id));
	for (int i = 0; i < PROCESS_LANGUAGES; i++)
		if (in->view->runtimes[i].path[0])
			ADD(a, "--interpreter",
			    text(a, "%s=%s", process_language_names[i], in->view->runtimes[i].path));
	for (const char *const *p = in->park; p && *p; p++)
		ADD(a, "--park", text(a, "%s", *p));
	if (in->limits.memory)
		ADD(a, "--memory", text(a, "%" PRIu64, in->limits.memory));
	if (in->limits.processes)
		ADD(a, "--processes", text(a, "%" PRIu32, in->limits.processes));
}

bool wall_argv_build(const struct wall_input *in, struct wall_argv *ret)
{
	ret->count = ret->used = 0;
	ret->overflow = false;
	add_name_spaces(in, ret);
	add_system(in, ret);
	add_proc_and_dev(in, ret);
	add_private(in, ret);
	add_runtimes(in, ret);
	add_guest(in, ret);
	ret->words[ret->count] = NULL;
	return !ret->overflow;
}
