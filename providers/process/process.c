/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process provider: a sandbox is a bubblewrap wall around the guest, held by a keeper. open() looks at the machine
 * once; create() turns a request into a command line and grants, and the keeper does the rest.
 */
#include "providers/process/process.h"

#include "providers/include/hawser/builtin.h"
#include "providers/process/filter.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ROOTS_MAX = 8, ETC_MAX = 16, MASKS_MAX = 48, SHM_BYTES = 64 << 20 };
static const struct hawser_limits usual_limits = {.memory = 512u << 20, .disk = 256u << 20, .processes = 128};

struct process {
	const struct hawser_host *host;
	const struct hawser_settings *settings;
	struct machine_facts machine;
	struct runtime runtimes[PROCESS_LANGUAGES];
	struct wall_root roots[ROOTS_MAX];
	size_t root_count;
	const char *etc[ETC_MAX + 1], *mask_files[MASKS_MAX + 1], *mask_dirs[MASKS_MAX + 1];
	void *seccomp;
	size_t seccomp_len;
	char problem[PATH_MAX + 512];
};

/* ---- what of the system is shown, and what of /proc is not ---- */

static const char *const root_names[] = {"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"};
static const char *const etc_names[] = {"/etc/ld.so.cache",
					"/etc/alternatives",
					"/etc/ssl/certs",
					"/etc/ssl/openssl.cnf",
					"/etc/localtime",
					"/etc/mime.types",
					NULL};
static const char *const mask_file_names[] = {"/proc/kallsyms",
					      "/proc/config.gz",
					      "/proc/keys",
					      "/proc/key-users",
					      "/proc/cmdline",
					      "/proc/kcore",
					      "/proc/kmsg",
					      "/proc/kpagecount",
					      "/proc/kpageflags",
					      "/proc/kpagecgroup",
					      "/proc/iomem",
					      "/proc/ioports",
					      "/proc/slabinfo",
					      "/proc/vmallocinfo",
					      "/proc/modules",
					      "/proc/interrupts",
					      "/proc/timer_list",
					      "/proc/timer_stats",
					      "/proc/latency_stats",
					      "/proc/sched_debug",
					      "/proc/sysrq-trigger",
					      "/proc/diskstats",
					      "/proc/partitions",
					      "/proc/buddyinfo",
					      "/proc/pagetypeinfo",
					      "/proc/zoneinfo",
					      "/proc/sys/kernel/core_pattern",
					      "/proc/sys/kernel/modprobe",
					      "/proc/sys/kernel/poweroff_cmd",
					      "/proc/sys/kernel/hotplug",
					      NULL};
static const char *const mask_dir_names[] = {
	"/proc/acpi", "/proc/scsi", "/proc/driver", "/proc/bus", "/proc/irq", "/proc/dynamic_debug", NULL};

static void keep_existing(const char *const *names, const char **kept, size_t most)
{
	size_t n = 0;

	for (; *names && n < most; names++)
		if (access(*names, F_OK) == 0)
			kept[n++] = *names;
	kept[n] = NULL;
}

static void look_at_roots(struct process *p)
{
	for (size_t i = 0; i < sizeof(root_names) / sizeof(root_names[0]); i++) {
		struct wall_root *root = &p->roots[p->root_count];
		struct stat st;
		ssize_t n;

		if (lstat(root_names[i], &st) < 0)
			continue;
		snprintf(root->name, sizeof(root->name), "%s", root_names[i]);
		n = S_ISLNK(st.st_mode) ? readlink(root_names[i], root->target, sizeof(root->target) - 1) : 0;
		root->target[n > 0 ? n : 0] = '\0';
		p->root_count++;
	}
}

/* ---- open and close ---- */

static void process_close(void *provider)
{
	struct process *p = provider;

	free(p->seccomp);
	free(p);
}

static void find_runtime(const struct process *p, int i, struct runtime *ret)
{
	runtime_find((enum process_language)i, p->host->runtime_path(p->settings, process_language_names[i]),
		     p->host->search_path(p->settings), getenv("HOME"), ret);
}

/* One that is installed later counts from then on. */
static void find_missing(struct process *p)
{
	for (int i = 0; i < PROCESS_LANGUAGES; i++)
		if (!p->runtimes[i].path[0])
			find_runtime(p, i, &p->runtimes[i]);
}

static enum hawser_status look(struct process *p)
{
	int r;

	if (!machine_look(&p->machine, p->problem, sizeof(p->problem)))
		return HAWSER_UNSUPPORTED;
	r = process_seccomp_make(&p->seccomp, &p->seccomp_len);
	if (r < 0) {
		snprintf(p->problem, sizeof(p->problem), "libseccomp cannot make the filter: %s", strerror(-r));
		return HAWSER_INTERNAL;
	}
	find_missing(p);
	look_at_roots(p);
	keep_existing(etc_names, p->etc, ETC_MAX);
	keep_existing(mask_file_names, p->mask_files, MASKS_MAX);
	keep_existing(mask_dir_names, p->mask_dirs, MASKS_MAX);
	return HAWSER_OK;
}

static enum hawser_status process_open(const struct hawser_host *host, const struct hawser_settings *settings,
				       void **ret, const char **ret_message)
{
	static char message[sizeof(((struct process *)0)->problem)]; /* copied by the host before anything else runs */
	struct process *p = calloc(1, sizeof(*p));
	enum hawser_status status;

	if (!p) {
		*ret_message = "no memory";
		return HAWSER_INTERNAL;
	}
	p->host = host;
	p->settings = settings;
	status = look(p);
	if (status != HAWSER_OK) {
		memcpy(message, p->problem, sizeof(message));
		*ret_message = message;
		process_close(p);
		return status;
	}
	*ret = p;
	return HAWSER_OK;
}

/* ---- create ---- */

static void fail(struct process *p, struct hawser_op *op, enum hawser_status status, const char *message)
{
	struct hawser_result result = {.status = status, .message = message};

	p->host->complete(op, &result);
}

static const char *missing_language(const struct runtime *runtimes, const char *const *park)
{
	for (; park && *park; park++)
		for (int i = 0; i < PROCESS_LANGUAGES; i++)
			if (strcmp(*park, process_language_names[i]) == 0 && !runtimes[i].path[0])
				return runtimes[i].problem;
	return NULL;
}

static struct hawser_limits effective(const struct process *p, const struct hawser_limits *asked)
{
	struct hawser_limits l = *asked;

	if (!l.memory)
		l.memory = usual_limits.memory;
	if (!l.disk)
		l.disk = usual_limits.disk;
	if (!l.processes)
		l.processes = usual_limits.processes;
	if (!l.cpu_percent)
		l.cpu_percent = (uint32_t)p->host->setting_integer(p->settings, "cpu_percent");
	return l;
}

/* Run by root, a sandbox has an unprivileged user of its own: may that one not walk to the file? bubblewrap resolves
 * even a descriptor's path. */
static bool is_private(const char *path)
{
	char part[PATH_MAX];
	struct stat st;

	if (geteuid() != 0)
		return false;
	for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		snprintf(part, sizeof(part), "%.*s", (int)(slash - path), path);
		if (stat(part, &st) < 0 || !(st.st_mode & S_IXOTH))
			return true;
	}
	return stat(path, &st) < 0 || (st.st_mode & (S_IROTH | S_IXOTH)) != (S_IROTH | S_IXOTH);
}

/* Interpreters outside of the system, which the sandbox's own user must be able to read. */
static void list_must_read(const struct process *p, const struct process_view *view, const char *guest,
			   const char **list)
{
	size_t n = 0;

	for (int i = 0; i < PROCESS_LANGUAGES; i++)
		if (view->runtimes[i].path[0] && view->runtimes[i].binds[0][0])
			list[n++] = view->runtimes[i].path;
	if (view->node_modules[0])
		list[n++] = view->node_modules;
	if (!p->machine.ro_bind_fd && !is_private(guest))
		list[n++] = guest;
	list[n] = NULL;
}

static const char passwd[] = "root:x:0:0:root:/nonexistent:/usr/sbin/nologin\n"
			     "user:x:1000:1000:user:/home/user:/bin/bash\n"
			     "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n";
static const char group[] = "root:x:0:\nuser:x:1000:\nnogroup:x:65534:\n";
static const char hosts[] = "127.0.0.1 localhost sandbox\n::1 localhost\n";
static const char nsswitch[] = "passwd: files\ngroup: files\nhosts: files\n";
#define TEXT_GRANT(at, text)                                                                           \
	{                                                                                              \
		.grant = HAWSER_GRANT_BYTES, .child_fd = (at), .data = (text), .len = sizeof(text) - 1 \
	}

static int start(struct process *p, struct hawser_op *op, const struct hawser_limits *limits, const char *guest,
		 const struct process_view *view, const struct wall_argv *argv)
{
	/* HOME and PATH are the guest's; it gives its children an environment of its own making. */
	static const char *const envp[] = {"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/home/user", "TMPDIR=/tmp",
					   "LANG=C.UTF-8", NULL};
	static const char *const tmpfs[] = {"/home/user", "/dev/shm", NULL};
	const char *must_read[PROCESS_LANGUAGES + 3];
	const struct hawser_grant_fd grants[] = {
		{.grant = HAWSER_GRANT_LISTEN, .child_fd = WALL_FD_LISTEN},
		{.grant = HAWSER_GRANT_SECRET, .child_fd = WALL_FD_SECRET},
		{.grant = HAWSER_GRANT_BYTES, .child_fd = WALL_FD_SECCOMP, .data = p->seccomp, .len = p->seccomp_len},
		{.grant = HAWSER_GRANT_PATH, .child_fd = WALL_FD_GUEST, .data = guest, .len = strlen(guest)},
		TEXT_GRANT(WALL_FD_PASSWD, passwd),
		TEXT_GRANT(WALL_FD_GROUP, group),
		TEXT_GRANT(WALL_FD_HOSTS, hosts),
		TEXT_GRANT(WALL_FD_NSSWITCH, nsswitch),
	};
	struct hawser_keeper_spec spec = {
		.argv = argv->words,
		.envp = envp,
		.grants = grants,
		.grant_count = sizeof(grants) / sizeof(grants[0]),
		.limits = *limits,
		.own_uid = 1,
		.must_read = must_read,
		.tmpfs = tmpfs,
		.no_cgroup = !p->host->setting_boolean(p->settings, "cgroups"),
	};

	list_must_read(p, view, guest, must_read);
	spec.hints = machine_hints(&p->machine, &spec.hint_count);
	return p->host->keeper_start(op, &spec);
}

static void create_with(struct process *p, struct hawser_op *op, const struct hawser_create *request,
			const struct process_view *view, const char *guest)
{
	struct hawser_limits limits = effective(p, &request->limits);
	struct wall_argv *argv = malloc(sizeof(*argv));
	struct wall_input in = {
		.bwrap = p->machine.bwrap,
		.disable_userns = p->machine.disable_userns,
		.ro_bind_fd = p->machine.ro_bind_fd,
		.guest_private = is_private(guest),
		.roots = p->roots,
		.root_count = p->root_count,
		.etc = p->etc,
		.mask_files = p->mask_files,
		.mask_dirs = p->mask_dirs,
		.view = view,
		.guest = guest,
		.disk = limits.disk,
		.shm = SHM_BYTES < limits.memory ? SHM_BYTES : limits.memory,
		.tunnel_id = request->tunnel_id,
		.park = request->park,
		.limits = limits,
	};

	if (!argv || !wall_argv_build(&in, argv))
		fail(p, op, HAWSER_INTERNAL, "the wall's command line is too long");
	else if (start(p, op, &limits, guest, view, argv) < 0)
		fail(p, op, HAWSER_INTERNAL, "the keeper could not be started");
	free(argv);
}

static void process_create(void *provider, struct hawser_op *op, const struct hawser_create *request)
{
	struct process *p = provider;
	const char *guest = p->host->guest_path(p->settings, NULL);
	struct process_view *view = calloc(1, sizeof(*view));
	const char *missing;

	if (!view) {
		fail(p, op, HAWSER_INTERNAL, "no memory for a sandbox");
		return;
	}
	find_missing(p);
	memcpy(view->runtimes, p->runtimes, sizeof(view->runtimes));
	if (!guest)
		fail(p, op, HAWSER_UNSUPPORTED, "the guest binary hawser-guest is not installed");
	else if (!environment_apply(request->environment, getenv("HOME"), view))
		fail(p, op, HAWSER_INVALID, view->problem);
	else if ((missing = missing_language(view->runtimes, request->park)))
		fail(p, op, HAWSER_NO_INTERPRETER, missing);
	else
		create_with(p, op, request, view, guest);
	free(view);
}

static void process_destroy(void *provider, struct hawser_op *op, const char *sandbox_id)
{
	struct process *p = provider;

	if (p->host->keeper_stop(op, sandbox_id) < 0)
		fail(p, op, HAWSER_NOT_FOUND, "there is no such sandbox");
}

static void process_report(void *provider, void (*tell)(void *user, const char *key, const char *text, int good),
			   void *user)
{
	struct process *p = provider;
	char text[PATH_MAX + 256], version[64];

	machine_ask((const char *[]){p->machine.bwrap, "--version", NULL}, version, sizeof(version));
	version[strcspn(version, "\n")] = '\0';
	snprintf(text, sizeof(text), "%s (%s)%s", version, p->machine.bwrap,
		 p->machine.disable_userns ? ""
					   : ", too old for --disable-userns: the seccomp filter alone refuses them");
	tell(user, "wall", text, 1);
	if (machine_try(&p->machine, text, sizeof(text)))
		tell(user, "name spaces", "user, pid, mount, network, ipc, uts, cgroup", 1);
	else
		tell(user, "name spaces", text, 0);
	for (int i = 0; i < PROCESS_LANGUAGES; i++) {
		struct runtime rt; /* of now, and of its own: a sandbox may be made meanwhile */

		find_runtime(p, i, &rt);
		tell(user, process_language_names[i], rt.path[0] ? rt.path : rt.problem, rt.path[0] != '\0');
	}
}

static const struct hawser_option options[] = {
	{"cpu_percent", HAWSER_OPTION_INTEGER, 0, 100000, "0",
	 "most CPU time of a sandbox in percent of one CPU; 0: not limited; needs a control group"},
	{"cgroups", HAWSER_OPTION_BOOLEAN, 0, 0, "true",
	 "limits by control groups where they can be made; false: by the watchdog"},
	{.name = NULL},
};

const struct hawser_provider hawser_process_provider = {
	.abi = HAWSER_PROVIDER_ABI,
	.size = sizeof(struct hawser_provider),
	.name = "process",
	.isolation = HAWSER_ISOLATION_PROCESS,
	.options = options,
	.open = process_open,
	.close = process_close,
	.create = process_create,
	.destroy = process_destroy,
	.report = process_report,
	.kept = 1,
	.environments = 1,
};
