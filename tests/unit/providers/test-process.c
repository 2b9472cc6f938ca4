/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "base/cleanup.h"
#include "providers/process/filter.h"
#include "providers/process/process.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* ---- the command line ---- */

static size_t find_word(const struct wall_argv *a, const char *word)
{
	for (size_t i = 0; i < a->count; i++)
		if (strcmp(a->words[i], word) == 0)
			return i;
	return SIZE_MAX;
}

static void fill_input(struct wall_input *in, struct process_view *view)
{
	static const struct wall_root roots[] = {{"/bin", "usr/bin"}, {"/lib64", ""}};
	static const char *const etc[] = {"/etc/ld.so.cache", NULL}, *const files[] = {"/proc/kallsyms", NULL};
	static const char *const dirs[] = {"/proc/acpi", NULL}, *const park[] = {"python", NULL};

	memset(view, 0, sizeof(*view));
	strcpy(view->runtimes[PROCESS_PYTHON].path, "/opt/py/bin/python3");
	strcpy(view->runtimes[PROCESS_PYTHON].binds[0], "/opt/py");
	*in = (struct wall_input){.bwrap = "/usr/bin/bwrap",
				  .disable_userns = true,
				  .ro_bind_fd = true,
				  .roots = roots,
				  .root_count = 2,
				  .etc = etc,
				  .mask_files = files,
				  .mask_dirs = dirs,
				  .view = view,
				  .guest = "/lib/guest",
				  .disk = 1000,
				  .shm = 10,
				  .tunnel_id = "abc",
				  .park = park,
				  .limits = {.memory = 77, .processes = 9}};
}

static void test_argv(void **state)
{
	static struct process_view view;
	struct wall_input in;
	static struct wall_argv a;
	size_t at;

	fill_input(&in, &view);
	assert_true(wall_argv_build(&in, &a));
	assert_null(a.words[a.count]);
	assert_string_equal(a.words[0], "/usr/bin/bwrap");
	for (const char *const *w =
		     (const char *const[]){"--unshare-user", "--unshare-net", "--unshare-pid", "--unshare-ipc",
					   "--unshare-uts", "--unshare-cgroup", "--disable-userns", "--die-with-parent",
					   "--new-session", "--as-pid-1", "--cap-drop", "--seccomp",
					   "python=/opt/py/bin/python3", "--park", "--memory", NULL};
	     *w; w++)
		assert_true(find_word(&a, *w) != SIZE_MAX);
	/* A link stays a link, a directory of its own is bound. */
	assert_string_equal(a.words[find_word(&a, "usr/bin") + 1], "/bin");
	assert_string_equal(a.words[find_word(&a, "/lib64") - 1], "--ro-bind");
	/* Nothing is mounted behind the last remount of the root, which comes right before the command. */
	at = find_word(&a, "--");
	assert_string_equal(a.words[at - 2], "--remount-ro");
	assert_string_equal(a.words[at - 1], "/");
	assert_string_equal(a.words[at + 2], "serve");
	/* /proc is there before it is masked. */
	assert_true(find_word(&a, "--proc") < find_word(&a, "/proc/kallsyms"));
	/* An interpreter's prefix may lie below /tmp. */
	assert_true(find_word(&a, "/opt/py") > find_word(&a, "/tmp"));
	/* No interpreter, no word about it. */
	for (size_t i = 0; i < a.count; i++)
		assert_null(strstr(a.words[i], "javascript="));
}

static void test_argv_without_new_options(void **state)
{
	static struct process_view view;
	struct wall_input in;
	static struct wall_argv a;

	fill_input(&in, &view);
	in.disable_userns = in.ro_bind_fd = false;
	assert_true(wall_argv_build(&in, &a));
	assert_true(find_word(&a, "--disable-userns") == SIZE_MAX);
	assert_string_equal(a.words[find_word(&a, "/lib/guest") + 1], "/hawser/hawser-guest");
}

static void test_argv_too_long(void **state)
{
	static const char *etc[WALL_WORDS_MAX + 1];
	static struct process_view view;
	struct wall_input in;
	static struct wall_argv a;

	fill_input(&in, &view);
	for (size_t i = 0; i < WALL_WORDS_MAX; i++)
		etc[i] = "/etc/x";
	in.etc = etc;
	assert_false(wall_argv_build(&in, &a));
}

/* ---- interpreters ---- */

static void make_file(const char *path, const char *text, mode_t mode)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(chmod(path, mode), 0);
}

static char *make_home(void)
{
	static const char *const dirs[] = {
		"pyenv", "pyenv/shims", "pyenv/versions", "pyenv/versions/3.11.7", "pyenv/versions/3.11.7/bin",
		"bin",   "venv",        "venv/bin"};
	char template[] = "/tmp/hawser-test-XXXXXX", *home = strdup(mkdtemp(template));
	char path[PATH_MAX], target[PATH_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		snprintf(path, sizeof(path), "%s/%s", home, dirs[i]);
		assert_int_equal(mkdir(path, 0700), 0);
	}
	snprintf(path, sizeof(path), "%s/pyenv/version", home);
	make_file(path, "3.11\n", 0600);
	snprintf(path, sizeof(path), "%s/pyenv/shims/python3", home);
	make_file(path, "#!/bin/sh\n", 0700);
	snprintf(path, sizeof(path), "%s/bin/python3", home);
	make_file(path, "#!/bin/sh\n", 0700);
	snprintf(target, sizeof(target), "%s/pyenv/versions/3.11.7/bin/python3", home);
	make_file(target, "#!/bin/sh\n", 0700);
	snprintf(path, sizeof(path), "%s/venv/pyvenv.cfg", home);
	make_file(path, "home = x\n", 0600);
	snprintf(path, sizeof(path), "%s/venv/bin/python3", home);
	assert_int_equal(symlink(target, path), 0);
	return home;
}

static void remove_home(char *home)
{
	char command[PATH_MAX];

	snprintf(command, sizeof(command), "rm -rf '%s'", home); /* a name of mkdtemp */
	assert_int_equal(system(command), 0);
	free(home);
}

static void test_runtimes(void **state)
{
	char *home = make_home(), path[PATH_MAX], want[PATH_MAX];
	struct runtime rt;

	/* A pyenv shim stands for the interpreter behind it; only that one's prefix is bound. */
	snprintf(path, sizeof(path), "%s/pyenv/shims/python3", home);
	snprintf(want, sizeof(want), "%s/pyenv/versions/3.11.7", home);
	runtime_find(PROCESS_PYTHON, path, NULL, home, &rt);
	assert_string_equal(rt.binds[0], want);
	assert_string_equal(rt.binds[1], "");
	/* A virtual environment is started by its own name and needs both prefixes. */
	snprintf(path, sizeof(path), "%s/venv/bin/python3", home);
	runtime_find(PROCESS_PYTHON, path, NULL, home, &rt);
	assert_string_equal(rt.path, path);
	assert_string_equal(rt.binds[0], want);
	assert_non_null(strstr(rt.binds[1], "/venv"));
	/* …/home/bin/python3 would show the whole home. */
	snprintf(path, sizeof(path), "%s/bin/python3", home);
	runtime_find(PROCESS_PYTHON, path, NULL, home, &rt);
	assert_string_equal(rt.path, "");
	assert_non_null(strstr(rt.problem, home));
	/* PATH does not lead into the home unless `runtimes:` says so. */
	snprintf(path, sizeof(path), "%s/pyenv/shims:%s/bin", home, home);
	runtime_find(PROCESS_BASH, NULL, path, home, &rt);
	assert_string_equal(rt.path, "/bin/bash");
	runtime_find(PROCESS_PYTHON, "/nowhere/bin/python3", path, home, &rt);
	assert_string_equal(rt.path, "");
	assert_non_null(strstr(rt.problem, "/nowhere"));
	remove_home(home);
}

/* ---- the filter: each call in a child of its own ---- */

static bool under_filter(void)
{
	void *program;
	size_t len;
	struct sock_fprog prog;

	if (process_seccomp_make(&program, &len) < 0)
		return false;
	prog = (struct sock_fprog){.len = (unsigned short)(len / sizeof(struct sock_filter)), .filter = program};
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) == 0;
}

static int go_unshare(void)
{
	return unshare(CLONE_NEWUSER);
}
static int go_clone_user(void)
{
	return (int)syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
}
static int go_clone3(void)
{
	return (int)syscall(SYS_clone3, NULL, 0);
}
static int go_vsock(void)
{
	return socket(AF_VSOCK, SOCK_STREAM, 0);
}
static int go_vsock_wide(void)
{
	return (int)syscall(SYS_socket, AF_VSOCK | (1ull << 32), SOCK_STREAM, 0);
}
static int go_unix(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0);
}
static int go_inet6(void)
{
	return socket(AF_INET6, SOCK_STREAM, 0);
}
static int go_unspec(void)
{
	return socket(AF_UNSPEC, SOCK_STREAM, 0);
}
static int go_prlimit_other(void)
{
	struct rlimit limit;

	return prlimit(getppid(), RLIMIT_CPU, NULL, &limit);
}
static int go_prlimit_self(void)
{
	struct rlimit limit;

	return prlimit(0, RLIMIT_CPU, NULL, &limit);
}
static int go_nice_other(void)
{
	return setpriority(PRIO_PROCESS, (id_t)getppid(), 0);
}
static int go_nice_group(void)
{
	return setpriority(PRIO_PGRP, 0, 5);
}
static int go_nice_self(void)
{
	return setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0)); /* under nice, a user may not lower it */
}
static int go_personality(void)
{
	return personality(ADDR_NO_RANDOMIZE);
}
static int go_personality_high(void)
{
	return personality(0x80000000);
}
static int go_personality_ask(void)
{
	return personality(0xffffffff);
}
static int go_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid;
}
static int go_fifo(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/tmp/hawser-fifo-%d", (int)getpid());
	return mkfifo(path, 0600) < 0 ? -1 : unlink(path);
}
static int go_memfd(void)
{
	return (int)syscall(SYS_memfd_create, "x", 0);
}

static const struct {
	const char *name;
	int (*go)(void);
	int error; /* 0: allowed */
} filter_rows[] = {
	{"unshare", go_unshare, EPERM},
	{"clone NEWUSER", go_clone_user, EPERM},
	{"clone3", go_clone3, ENOSYS},
	{"AF_VSOCK", go_vsock, EAFNOSUPPORT},
	{"AF_VSOCK with upper bits", go_vsock_wide, EAFNOSUPPORT},
	{"AF_UNSPEC", go_unspec, EAFNOSUPPORT},
	{"AF_UNIX", go_unix, 0},
	{"AF_INET6", go_inet6, 0},
	{"prlimit of another", go_prlimit_other, EPERM},
	{"prlimit of oneself", go_prlimit_self, 0},
	{"setpriority of another", go_nice_other, EPERM},
	{"setpriority of a group", go_nice_group, EPERM},
	{"setpriority of oneself", go_nice_self, 0},
	{"personality", go_personality, EPERM},
	{"personality, highest bit", go_personality_high, EPERM},
	{"personality, asking", go_personality_ask, 0},
	{"fork", go_fork, 0},
	{"mkfifo", go_fifo, 0},
	{"memfd_create", go_memfd, ENOSYS},
};

static void test_filter(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(filter_rows); i++) {
		int status, got;
		pid_t pid = fork();

		if (pid == 0) {
			if (!under_filter())
				_exit(255);
			_exit(filter_rows[i].go() < 0 ? errno : 0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		got = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
		if (got != filter_rows[i].error)
			print_error("%s: %d instead of %d\n", filter_rows[i].name, got, filter_rows[i].error);
		assert_int_equal(got, filter_rows[i].error);
	}
}

#ifdef __x86_64__
static void test_filter_foreign_call(void **state)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		long r;

		if (!under_filter())
			_exit(255);
		__asm__ volatile("int $0x80" : "=a"(r) : "a"(20L) : "memory");
		_exit(0);
	}
	waitpid(pid, &status, 0);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
}
#endif

/* The words of bubblewrap are the same for other causes: AppArmor is named only where its rule is on, and then first.
 */
static void test_apparmor_is_named_with_its_cure(void **state)
{
	struct machine_facts facts = {.restricted = true};
	const struct hawser_keeper_hint *hints;
	size_t count;

	hints = machine_hints(&facts, &count);
	assert_true(count > 0);
	assert_non_null(strstr(hints[0].advice, "AppArmor"));
	assert_non_null(strstr(hints[0].advice, "kernel.apparmor_restrict_unprivileged_userns=0"));
	facts = (struct machine_facts){.apparmor = true};
	hints = machine_hints(&facts, &count);
	assert_string_equal(hints[0].seen, "namespace failed: Permission denied");
	assert_non_null(strstr(hints[0].advice, "bwrap-userns-restrict"));
	assert_null(strstr(hints[0].advice, "sysctl"));
	facts.apparmor = false;
	hints = machine_hints(&facts, &count);
	for (size_t i = 0; i < count; i++)
		assert_null(strstr(hints[i].advice, "AppArmor keeps"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_argv),
		cmocka_unit_test(test_apparmor_is_named_with_its_cure),
		cmocka_unit_test(test_argv_without_new_options),
		cmocka_unit_test(test_argv_too_long),
		cmocka_unit_test(test_runtimes),
		cmocka_unit_test(test_filter),
#ifdef __x86_64__
		cmocka_unit_test(test_filter_foreign_call),
#endif
	};

	return cmocka_run_group_tests_name("process", tests, NULL, NULL);
}
