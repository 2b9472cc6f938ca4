/* SPDX-License-Identifier: Apache-2.0 */
/* The host's files, sockets, network and descriptors. */
#include "probe.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static bool can_read(const char *path)
{
	char byte;
	int fd = path ? open(path, O_RDONLY) : -1;

	return fd >= 0 && read(fd, &byte, 1) == 1;
}

#define READS(name, path)              \
	static bool name(void)         \
	{                              \
		return can_read(path); \
	}
READS(read_shadow, "/etc/shadow")
READS(read_kallsyms, "/proc/kallsyms")
READS(read_config, "/proc/config.gz")
READS(read_keys, "/proc/keys")
READS(read_cmdline, "/proc/cmdline")
READS(read_core_pattern, "/proc/sys/kernel/core_pattern")
READS(read_modules, "/proc/modules")
READS(read_interrupts, "/proc/interrupts")
READS(read_iomem, "/proc/iomem")
READS(read_diskstats, "/proc/diskstats")
READS(read_sys, "/sys/kernel/mm/transparent_hugepage/enabled")
READS(read_machine_id, "/etc/machine-id")
READS(read_host_passwd, "/etc/os-release")
READS(read_planted, probe_word("planted")) /* a file of the user, mode 0600 */

static bool open_device(void)
{
	static const char *const names[] = {"/dev/mem",     "/dev/kmsg",        "/dev/kvm",
					    "/dev/vda",     "/dev/sda",         "/dev/fuse",
					    "/dev/net/tun", "/dev/userfaultfd", "/dev/loop-control"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (open(names[i], O_RDONLY) >= 0)
			return true;
	return false;
}

/* ---- writing ---- */

static bool can_write_in(const char *dir)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/hawser-probe-%d", dir, (int)getpid());
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (fd < 0)
		return false;
	unlink(path);
	return true;
}

static bool write_root(void)
{
	return can_write_in("/");
}
static bool write_usr(void)
{
	return can_write_in("/usr") || can_write_in("/usr/local/bin") || can_write_in("/usr/lib");
}
static bool write_etc(void)
{
	return can_write_in("/etc");
}
static bool write_dev(void)
{
	return can_write_in("/dev");
}
static bool write_sysctl(void)
{
	int fd = open("/proc/sys/kernel/domainname", O_WRONLY);

	return fd >= 0;
}

/* Fills dir with more than `fill` bytes; open if nothing stops it. */
static bool can_fill(const char *dir)
{
	const char *word = probe_word("fill");
	unsigned long long left = word ? strtoull(word, NULL, 10) : 0;
	static char block[1 << 20];
	char path[PATH_MAX];
	int fd, saved;

	memset(block, 'x', sizeof(block));
	snprintf(path, sizeof(path), "%s/hawser-fill-%d", dir, (int)getpid());
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (fd < 0)
		return false;
	unlink(path);
	while (left > 0) {
		ssize_t n = write(fd, block, left < sizeof(block) ? (size_t)left : sizeof(block));

		if (n <= 0)
			break;
		left -= (unsigned long long)n;
	}
	saved = errno;
	close(fd);
	errno = saved;
	return left == 0;
}
static bool fill_home(void)
{
	return can_fill(getenv("HOME") && access("/hawser", F_OK) == 0 ? getenv("HOME") : "/dev/shm");
}
static bool fill_tmp(void)
{
	return can_fill(access("/hawser", F_OK) == 0 ? "/tmp" : "/dev/shm");
}
static bool fill_shm(void)
{
	return can_fill("/dev/shm");
}

/* ---- sockets ---- */

static bool connect_tcp(const char *where)
{
	struct sockaddr_in to = {.sin_family = AF_INET};
	char host[64];
	const char *colon = where ? strchr(where, ':') : NULL;

	if (!colon || (size_t)(colon - where) >= sizeof(host))
		return false;
	snprintf(host, sizeof(host), "%.*s", (int)(colon - where), where);
	inet_pton(AF_INET, host, &to.sin_addr);
	to.sin_port = htons((uint16_t)atoi(colon + 1));
	return connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&to, sizeof(to)) == 0;
}
static bool tcp_loopback(void)
{
	return connect_tcp(probe_word("tcp"));
}
static bool tcp_other(void)
{
	return connect_tcp(probe_word("far"));
}

static bool connect_unix(const char *path, bool abstract)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	size_t len;

	if (!path)
		return false;
	len = strlen(path);
	memcpy(to.sun_path + abstract, path, len);
	return connect(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&to,
		       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + abstract + len)) == 0;
}
static bool unix_path(void)
{
	return connect_unix(probe_word("unix"), false);
}
static bool unix_abstract(void)
{
	return connect_unix(probe_word("abstract"), true);
}
/* The socket that the broker talks to the guest by. */
static bool guest_socket(void)
{
	return connect_unix(probe_word("guest"), false);
}
static bool keeper_socket(void)
{
	return connect_unix(probe_word("keeper"), false);
}

static bool other_interface(void)
{
	struct ifaddrs *list;
	bool found = false;

	if (getifaddrs(&list) < 0) {
		FILE *f = fopen("/proc/net/dev", "r"); /* without netlink there is this */
		char line[512];

		while (f && fgets(line, sizeof(line), f))
			found |= strchr(line, ':') && !strstr(line, " lo:");
		return found;
	}
	for (; list; list = list->ifa_next)
		found |= strcmp(list->ifa_name, "lo") != 0;
	return found;
}

/* ---- what was inherited ---- */

static bool inherited_fd(void)
{
	const char *wanted = probe_word("planted");
	char path[64], target[PATH_MAX];

	for (int fd = 0; wanted && fd < 4096; fd++) {
		ssize_t n;

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		n = readlink(path, target, sizeof(target) - 1);
		if (n <= 0)
			continue;
		target[n] = '\0';
		if (strcmp(target, wanted) == 0)
			return true;
	}
	errno = 0;
	return false;
}

static bool holds(const char *path, const char *wanted)
{
	static char text[1 << 20];
	int fd = open(path, O_RDONLY);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;

	if (fd >= 0)
		close(fd);
	return n > 0 && memmem(text, (size_t)n, wanted, strlen(wanted));
}

/* The planted secret in any process's environment or command line. */
static bool search_proc(const char *file)
{
	const char *wanted = probe_word("secret");
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	char path[PATH_MAX];

	while (wanted && dir && (entry = readdir(dir))) {
		if (atoi(entry->d_name) <= 0 || atoi(entry->d_name) == (int)getpid() ||
		    atoi(entry->d_name) == (int)getppid())
			continue; /* our own words have it */
		snprintf(path, sizeof(path), "/proc/%s/%s", entry->d_name, file);
		if (holds(path, wanted))
			return true;
	}
	errno = 0;
	return false;
}
static bool secret_in_environ(void)
{
	return search_proc("environ");
}
static bool own_environ(void)
{
	const char *wanted = probe_word("secret");

	for (char **e = environ; wanted && *e; e++)
		if (strstr(*e, wanted))
			return true;
	return false;
}

/* What another run leaves: a file by name in the places that are private, a process by its name. */
static bool left_file(void)
{
	const char *name = probe_word("left");
	const char *const dirs[] = {getenv("HOME"), "/tmp", "/dev/shm", "/var/tmp"};
	char path[PATH_MAX];

	for (size_t i = 0; name && i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dirs[i] ? dirs[i] : "", name);
		if (access(path, F_OK) == 0)
			return true;
	}
	return false;
}
static bool left_process(void)
{
	const char *name = probe_word("process");
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	char path[PATH_MAX];

	while (name && dir && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		if (atoi(entry->d_name) > 0 && holds(path, name))
			return true;
	}
	errno = 0;
	return false;
}

const struct probe probes_files[] = {
	{"read_shadow", read_shadow},
	{"read_kallsyms", read_kallsyms},
	{"read_config", read_config},
	{"read_keys", read_keys},
	{"read_cmdline", read_cmdline},
	{"read_core_pattern", read_core_pattern},
	{"read_modules", read_modules},
	{"read_interrupts", read_interrupts},
	{"read_iomem", read_iomem},
	{"read_diskstats", read_diskstats},
	{"read_sys", read_sys},
	{"read_machine_id", read_machine_id},
	{"read_host_etc", read_host_passwd},
	{"read_planted", read_planted},
	{"open_device", open_device},
	{"write_root", write_root},
	{"write_usr", write_usr},
	{"write_etc", write_etc},
	{"write_dev", write_dev},
	{"write_sysctl", write_sysctl},
	{"fill_home", fill_home},
	{"fill_tmp", fill_tmp},
	{"fill_shm", fill_shm},
	{"tcp_loopback", tcp_loopback},
	{"tcp_other", tcp_other},
	{"unix_path", unix_path},
	{"unix_abstract", unix_abstract},
	{"guest_socket", guest_socket},
	{"keeper_socket", keeper_socket},
	{"other_interface", other_interface},
	{"inherited_fd", inherited_fd},
	{"secret_in_environ", secret_in_environ},
	{"own_environ", own_environ},
	{"left_file", left_file},
	{"left_process", left_process},
	{NULL, NULL},
};
