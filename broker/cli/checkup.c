/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor without a broker. Each check tries the thing itself (a file is written, a socket connected to) instead of
 * guessing from modes and mount options; what the kernel says chooses the cure from a table.
 */
#include "broker/cli/checkup.h"

#include "base/clock.h"
#include "broker/cli/client.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

enum { TEXT_MAX = 2 * PATH_MAX, TRIAL_BYTES = 64 << 10 };

struct checkup {
	checkup_tell_fn *tell;
	void *user;
	bool startable;
};

static void name_user(uid_t uid, char out[80])
{
	const struct passwd *pw = getpwuid(uid);

	if (pw)
		snprintf(out, 80, "%.60s", pw->pw_name);
	else
		snprintf(out, 80, "uid %u", (unsigned)uid);
}

/* ---- clock ---- */

/* This source was written after the first moment, and nobody runs it twenty years later: a clock outside of the two is
 * wrong for certain. One that is wrong by less is not seen. */
static const uint64_t clock_first_ms = 1793491200000u; /* 2026-11-01 */
static const uint64_t clock_last_ms = clock_first_ms + 20ull * 365 * 86400 * 1000;

static void check_clock(struct checkup *c)
{
	uint64_t now = clock_wall_ms();
	bool good = now >= clock_first_ms && now <= clock_last_ms;
	char when[25], text[200];

	clock_format_wall(now, when);
	snprintf(text, sizeof(text),
		 good ? "%s"
		      : "%s cannot be: certificates look expired or not yet valid, and the "
			"audit log gets wrong times",
		 when);
	c->tell(c->user, "clock", text, good ? NULL : "sudo timedatectl set-ntp true", good);
}

/* ---- folders ---- */

/* A cure is a command around the folder, or around the variable that names another one. */
static const struct {
	int code;
	const char *why, *before, *behind;
	bool variable;
} folder_cures[] = {
	{ENOSPC, "the disk is full (du -xhd2 shows what is large)", "export ", "=/a/disk/with/room", true},
	{EDQUOT, "the quota is used up (quota -s shows it)", "export ", "=/a/disk/with/room", true},
	{EROFS, "it is on a file system that is only read", "export ", "=/a/folder/to/write/in", true},
	{ENOTDIR, "a file is in its way", "export ", "=/a/folder/to/write/in", true},
	{EACCES, "this user may not write there", "sudo install -d -m 700 -o $(id -u) -g $(id -g) '", "'", false},
	{EPERM, "it is no folder of this user", "mv '", "' /tmp/", false},
};

static void tell_folder(struct checkup *c, const char *key, const char *path, const char *variable,
			const struct error *err)
{
	char text[TEXT_MAX], cure[TEXT_MAX];

	c->startable = false;
	for (size_t i = 0; i < ARRAY_SIZE(folder_cures); i++) {
		if (folder_cures[i].code != -err->code)
			continue;
		snprintf(text, sizeof(text), "%s: %s", error_text(err), folder_cures[i].why);
		snprintf(cure, sizeof(cure), "%s%s%s", folder_cures[i].before,
			 folder_cures[i].variable ? variable : path, folder_cures[i].behind);
		return c->tell(c->user, key, text, cure, false);
	}
	snprintf(cure, sizeof(cure), "export %s=/another/folder", variable);
	c->tell(c->user, key, error_text(err), cure, false);
}

/* As much as the log and the lock want is written and taken back. */
static int try_to_write(const char *path, struct error *err)
{
	static const char bytes[TRIAL_BYTES];
	_cleanup_close_ int fd = -1;
	char file[PATH_MAX + 32];
	ssize_t n;

	snprintf(file, sizeof(file), "%s/doctor-XXXXXX", path);
	fd = mkostemp(file, O_CLOEXEC);
	if (fd < 0)
		return error_set_errno(err, -errno, "writing in %s", path);
	n = write(fd, bytes, sizeof(bytes));
	if (n < 0)
		error_set_errno(err, -errno, "writing in %s", path);
	else if (n < (ssize_t)sizeof(bytes))
		error_set_errno(err, -ENOSPC, "writing in %s", path);
	unlink(file);
	return err->code;
}

static void check_folder(struct checkup *c, const char *key, const char *path, const char *variable)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct statvfs fs;
	char text[TEXT_MAX];
	int r = paths_make_folder(path, &err);

	if (r == 0)
		r = try_to_write(path, &err);
	if (r < 0)
		return tell_folder(c, key, path, variable, &err);
	if (statvfs(path, &fs) < 0)
		snprintf(text, sizeof(text), "%s", path);
	else
		snprintf(text, sizeof(text), "%s, %.1f GiB free", path,
			 (double)fs.f_bavail * (double)fs.f_frsize / (1 << 30));
	c->tell(c->user, key, text, NULL, true);
}

/* ---- lock ---- */

/* Who holds a lock on this file, as the kernel lists it; 0: nobody who is seen here. Trying it would keep a broker that
 * starts at this moment from it. */
static pid_t find_holder(const struct stat *file)
{
	FILE *f = fopen("/proc/locks", "re");
	unsigned maj, min;
	unsigned long long inode;
	char line[256];
	int pid, found = 0;

	while (f && !found && fgets(line, sizeof(line), f))
		if (sscanf(line, "%*d: FLOCK %*s %*s %d %x:%x:%llu", &pid, &maj, &min, &inode) == 4 && pid > 0 &&
		    maj == major(file->st_dev) && min == minor(file->st_dev) && inode == file->st_ino)
			found = pid;
	if (f)
		fclose(f);
	return found;
}

/* Whose a process is; false: it is gone. */
static bool owner_of(pid_t pid, uid_t *ret)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	if (stat(path, &st) < 0)
		return false;
	*ret = st.st_uid;
	return true;
}

pid_t checkup_broker(const struct paths *paths)
{
	char path[PATH_MAX + 16];
	struct stat st;

	snprintf(path, sizeof(path), "%s/broker.lock", paths->state);
	return stat(path, &st) < 0 ? 0 : find_holder(&st);
}

static void check_lock(struct checkup *c, const struct paths *paths)
{
	char path[PATH_MAX + 16], text[TEXT_MAX], cure[TEXT_MAX], user[80];
	struct stat st;
	pid_t pid;
	uid_t uid;

	snprintf(path, sizeof(path), "%s/broker.lock", paths->state);
	if (lstat(path, &st) < 0)
		return;
	pid = find_holder(&st);
	if (pid > 0 && owner_of(pid, &uid) && uid != geteuid()) {
		name_user(uid, user);
		snprintf(text, sizeof(text), "process %d of another user (%s) holds %s, so no broker can start",
			 (int)pid, user, path);
		snprintf(cure, sizeof(cure), "sudo kill %d", (int)pid);
	} else if (!S_ISREG(st.st_mode) || access(path, R_OK | W_OK) < 0) {
		name_user(st.st_uid, user);
		snprintf(text, sizeof(text),
			 "%s is no file that this user may write (it is one of %s), so no broker "
			 "can start",
			 path, user);
		snprintf(cure, sizeof(cure), "sudo rm '%s'", path);
	} else {
		return;
	}
	c->startable = false;
	c->tell(c->user, "lock", text, cure, false);
}

bool checkup_before(const struct paths *paths, checkup_tell_fn *tell, void *user)
{
	struct checkup c = {tell, user, true};

	check_clock(&c);
	check_folder(&c, "state folder", paths->state, "XDG_STATE_HOME");
	check_folder(&c, "runtime folder", paths->runtime, "XDG_RUNTIME_DIR");
	if (c.startable)
		check_lock(&c, paths);
	return c.startable;
}

void checkup_no_paths(const struct error *err, checkup_tell_fn *tell, void *user)
{
	tell(user, "folders", error_text(err),
	     err->code == -ENAMETOOLONG ? "export XDG_RUNTIME_DIR=/run/user/$(id -u)" : "export HOME=/your/home",
	     false);
}

/* ---- the socket ---- */

static bool who_listens(const char *path, struct ucred *ret)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	socklen_t len = sizeof(*ret);

	if (fd < 0 || snprintf(address.sun_path, sizeof(address.sun_path), "%s", path) >= (int)sizeof(address.sun_path))
		return false;
	return connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 &&
	       getsockopt(fd, SOL_SOCKET, SO_PEERCRED, ret, &len) == 0;
}

void checkup_unreachable(const struct paths *paths, const char *why, checkup_tell_fn *tell, void *user)
{
	char text[2 * TEXT_MAX], cure[TEXT_MAX];
	struct ucred peer;

	if (!who_listens(paths->socket, &peer)) {
		size_t len;
		const char *own = error_cure(why, &len); /* the broker's last words */

		if (own) {
			snprintf(text, sizeof(text), "%.*s", (int)len, why);
			return tell(user, "state", text, own, false);
		}
		snprintf(cure, sizeof(cure), "tail -n 20 '%s/broker.log'", paths->state);
		return tell(user, "broker", why, cure, false);
	}
	if (peer.uid != geteuid()) {
		snprintf(cure, sizeof(cure), "sudo rm '%s'", paths->socket);
		return tell(user, "broker socket", why, cure, false);
	}
	snprintf(text, sizeof(text), "process %d listens on %s and is no broker that can be used: %s", (int)peer.pid,
		 paths->socket, why);
	snprintf(cure, sizeof(cure), "kill %d", (int)peer.pid);
	tell(user, "broker socket", text, cure, false);
}
