/* SPDX-License-Identifier: Apache-2.0 */
/* What keepers have left behind that were killed, and what they would enforce limits with. */
#include "broker/host/internal.h"

#include "base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

/* Refused: nobody listens any more. A keeper that lives is left alone: its lease ends it if no broker wants it. */
static bool is_dead(const char *dir)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || snprintf(address.sun_path, sizeof(address.sun_path), "%s/keeper.sock", dir) >=
			      (int)sizeof(address.sun_path))
		return false;
	return connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 &&
	       (errno == ECONNREFUSED || errno == ENOENT);
}

void keepers_sweep(struct host *host)
{
	static const char *const names[] = {"guest.sock", "keeper.sock"};
	DIR *dir = opendir(host->sandbox_dir);
	struct dirent *entry;
	char path[4096], file[8192];

	while (dir && (entry = readdir(dir))) {
		if (strncmp(entry->d_name, "sbx_", 4) != 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", host->sandbox_dir, entry->d_name);
		if (strstr(entry->d_name, ".ended")) {
			unlink(path);
			continue;
		}
		if (!is_dead(path))
			continue;
		for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
			snprintf(file, sizeof(file), "%s/%s", path, names[i]);
			unlink(file);
		}
		if (rmdir(path) == 0)
			log_info("sandbox_swept", LOG_S("sandbox", entry->d_name));
	}
	if (dir)
		closedir(dir);
}

static size_t ask_keeper(const char *keeper, char *text, size_t size)
{
	char *const argv[] = {(char *)(uintptr_t)keeper, (char *)(uintptr_t) "--probe", NULL};
	char *const envp[] = {NULL};
	posix_spawn_file_actions_t actions;
	size_t len = 0;
	int fds[2], r;
	ssize_t n;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return 0;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fds[1], 1);
	r = posix_spawn(&pid, keeper, &actions, NULL, argv, envp);
	posix_spawn_file_actions_destroy(&actions);
	close(fds[1]);
	while (r == 0 && len < size - 1 && (n = read(fds[0], text + len, size - 1 - len)) > 0)
		len += (size_t)n;
	close(fds[0]);
	if (r == 0)
		waitpid(pid, NULL, 0);
	text[len] = '\0';
	return len;
}

void keepers_report(struct host *host, void (*tell)(void *user, const char *key, const char *text, int good),
		    void *user)
{
	static char no_cpu[] =
		"no share of the CPU (cpu_percent of the provider) can be enforced here, for want of a control group "
		"that this user may make; the CPU time of a run is limited all the same (limits.cpu_ms)" ERROR_CURE
		"systemd-run --user --scope -p Delegate=yes hawser serve, or a service with Delegate=yes";
	char text[512], *line, *at = text;

	if (!host->keeper_path || ask_keeper(host->keeper_path, text, sizeof(text)) == 0) {
		tell(user, "keeper",
		     host->keeper_path ? "hawser-keeper cannot be started, so no sandbox can be held" ERROR_CURE
					 "install Hawser again"
				       : "hawser-keeper is not installed" ERROR_CURE "install Hawser again",
		     0);
		return;
	}
	tell(user, "keeper", host->keeper_path, 1);
	while ((line = strsep(&at, "\n"))) {
		char *value = strchr(line, ' ');

		if (!value)
			continue;
		*value++ = '\0';
		if (strcmp(line, "cpu") == 0 && strcmp(value, "none") == 0)
			value = no_cpu; /* no fault: it is needed only where settings of a provider ask for it */
		tell(user, line, value, strcmp(value, "none") != 0);
	}
}
