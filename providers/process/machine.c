/* SPDX-License-Identifier: Apache-2.0 */
/* What this machine offers for a wall: bubblewrap and its options, user name spaces and who forbids them. */
#include "providers/process/process.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROFILE_CURE                                                                                          \
	HAWSER_CURE "sudo sh -c 'apt-get install -y apparmor-profiles && ln -sf "                             \
		    "/usr/share/apparmor/extra-profiles/bwrap-userns-restrict /etc/apparmor.d/ && systemctl " \
		    "reload apparmor'"

#define APPARMOR_ADVICE                                                                                               \
	"AppArmor keeps programs from using user name spaces (kernel.apparmor_restrict_unprivileged_userns = 1, the " \
	"default of Ubuntu since 23.10); allow it to bubblewrap, or, which is wider, to all programs by sysctl -w "   \
	"kernel.apparmor_restrict_unprivileged_userns=0" PROFILE_CURE

/* Debian's kernels let profiles mediate user name spaces, since 6.7; nobody but a security module says EACCES there. */
#define PROFILE_ADVICE                                                                                               \
	"a profile of AppArmor keeps bubblewrap from user name spaces, by the words of the kernel (aa-status names " \
	"profiles, dmesg what was denied); put the one that allows them in its place, or use the provider vm or a "  \
	"remote one" PROFILE_CURE

enum { PROGRAM_MAX = 4 << 20 }; /* bytes of a bubblewrap */

static const char *const places[] = {"/usr/bin/bwrap", "/usr/local/bin/bwrap", "/bin/bwrap"};

/* Several of these texts are also said where AppArmor is the cause: its hints come first where it is on. */
enum { RULE_HINTS = 2, PROFILE_HINTS = 3 };
static const struct hawser_keeper_hint hints[] = {
	{"uid map: Permission denied", APPARMOR_ADVICE},
	{"Failed RTM_NEWADDR", APPARMOR_ADVICE},
	{"namespace failed: Permission denied", PROFILE_ADVICE},
	{"uid map: Permission denied", PROFILE_ADVICE},
	{"Failed RTM_NEWADDR", PROFILE_ADVICE},
	{"No permissions to creat",
	 "user name spaces are not allowed here: in a container, allow unshare in its seccomp "
	 "profile or use the provider vm or a remote one; or a profile of AppArmor forbids what they need (dmesg names "
	 "it): bwrap-userns-restrict of the package apparmor-profiles allows it" HAWSER_CURE
	 "sudo sysctl -w kernel.unprivileged_userns_clone=1"},
	{"namespace failed: No space left",
	 "the limit of name spaces is reached or 0" HAWSER_CURE "sudo sysctl -w user.max_user_namespaces=10000"},
	{"namespace failed: Operation not permitted",
	 "the kernel refuses user name spaces to this process: under chroot "
	 "or in a container without them only the provider vm and remote "
	 "ones are left"},
	{"mount proc on",
	 "the container that the broker runs in covers parts of /proc, so a sandbox in it cannot have a "
	 "/proc of its own; start the container with all of /proc (docker: --security-opt "
	 "systempaths=unconfined), or use the provider vm or a remote one"},
	{"Can't find source path", "the folder or file named is not there for the user that the sandbox runs as"},
};

const struct hawser_keeper_hint *machine_hints(const struct machine_facts *m, size_t *ret_count)
{
	size_t skip = m->restricted ? 0 : m->apparmor ? RULE_HINTS : RULE_HINTS + PROFILE_HINTS;

	*ret_count = sizeof(hints) / sizeof(hints[0]) - skip;
	return hints + skip;
}

/* Value of a number in a file of /proc; missing counts as otherwise. */
static long read_number(const char *path, long otherwise)
{
	FILE *f = fopen(path, "re");
	long value = otherwise;

	if (f) {
		if (fscanf(f, "%ld", &value) != 1)
			value = otherwise;
		fclose(f);
	}
	return value;
}

static bool has_apparmor(void)
{
	FILE *f = fopen("/sys/module/apparmor/parameters/enabled", "re");
	bool on = f && fgetc(f) == 'Y';

	if (f)
		fclose(f);
	return on;
}

size_t machine_ask(const char *const *argv, char *text, size_t size)
{
	static char *const environment[] = {NULL};
	posix_spawn_file_actions_t actions;
	int fds[2], r;
	size_t len = 0;
	ssize_t n;
	pid_t pid;

	text[0] = '\0';
	if (pipe2(fds, O_CLOEXEC) < 0)
		return 0;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, fds[1], 1);
	posix_spawn_file_actions_adddup2(&actions, fds[1], 2);
	r = posix_spawn(&pid, argv[0], &actions, NULL, (char *const *)(uintptr_t)argv, environment);
	posix_spawn_file_actions_destroy(&actions);
	close(fds[1]);
	while (r == 0 && len < size - 1 && (n = read(fds[0], text + len, size - 1 - len)) > 0)
		len += (size_t)n;
	close(fds[0]);
	if (r == 0)
		waitpid(pid, NULL, 0); /* or the host reaps it: what it said counts, not its status */
	text[len] = '\0';
	return len;
}

/* Options that a program knows stand in its file. Starting it to ask takes long on a busy machine, and the host waits.
 */
static bool names_option(const char *path, const char *option)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	bool found = false;
	void *text;

	if (fd < 0)
		return false;
	if (fstat(fd, &st) == 0 && st.st_size > 0 && st.st_size <= PROGRAM_MAX &&
	    (text = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0)) != MAP_FAILED) {
		found = memmem(text, (size_t)st.st_size, option, strlen(option)) != NULL;
		munmap(text, (size_t)st.st_size);
	}
	close(fd);
	return found;
}

static bool find_bwrap(struct machine_facts *m)
{
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (access(places[i], X_OK) < 0)
			continue;
		snprintf(m->bwrap, sizeof(m->bwrap), "%s", places[i]);
		m->disable_userns = names_option(m->bwrap, "disable-userns");
		m->ro_bind_fd = names_option(m->bwrap, "ro-bind-fd");
		return true;
	}
	return false;
}

bool machine_look(struct machine_facts *ret, char *problem, size_t size)
{
	memset(ret, 0, sizeof(*ret));
	if (!find_bwrap(ret)) {
		snprintf(problem, size,
			 "bubblewrap is not installed, and the process provider builds its wall with it" HAWSER_CURE
			 "sudo apt-get install bubblewrap");
		return false;
	}
	ret->restricted =
		geteuid() != 0 && read_number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", 0) != 0;
	ret->apparmor = has_apparmor();
	if (access("/proc/self/ns/user", F_OK) < 0 || read_number("/proc/sys/user/max_user_namespaces", 1) == 0) {
		snprintf(problem, size,
			 "user name spaces are switched off on this machine (user.max_user_namespaces = 0), and the "
			 "wall is built of them" HAWSER_CURE "sudo sysctl -w user.max_user_namespaces=10000");
		return false;
	}
	if (geteuid() != 0 && read_number("/proc/sys/kernel/unprivileged_userns_clone", 1) == 0) {
		snprintf(problem, size,
			 "this kernel keeps user name spaces for root" HAWSER_CURE
			 "sudo sysctl -w kernel.unprivileged_userns_clone=1");
		return false;
	}
	return true;
}

/* Builds and leaves a small wall: what doctor wants to know, said by the kernel itself. */
bool machine_try(const struct machine_facts *m, char *problem, size_t size)
{
	const char *const argv[] = {m->bwrap,
				    "--unshare-user",
				    "--unshare-pid",
				    "--unshare-net",
				    "--unshare-ipc",
				    "--unshare-uts",
				    "--ro-bind",
				    "/",
				    "/",
				    "--proc",
				    "/proc",
				    "--dev",
				    "/dev",
				    "--cap-drop",
				    "ALL",
				    "--",
				    "/bin/echo",
				    "built",
				    NULL};
	const struct hawser_keeper_hint *hint;
	char text[1024];
	size_t count;

	machine_ask(argv, text, sizeof(text));
	if (strcmp(text, "built\n") == 0)
		return true;
	hint = machine_hints(m, &count);
	for (size_t i = 0; i < count; i++)
		if (strstr(text, hint[i].seen)) {
			snprintf(problem, size, "%s", hint[i].advice);
			return false;
		}
	text[strcspn(text, "\n")] = '\0';
	snprintf(problem, size, "bubblewrap cannot build a wall here: %s", text);
	return false;
}
