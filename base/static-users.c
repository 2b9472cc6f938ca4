/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For static programs, which look up no user and no group: libuv's core.o names getpwuid_r() for uv_os_homedir(), since
 * 1.45 getgrgid_r() too, and glibc's own bring NSS into the program, which opens shared libraries.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stddef.h>

int getpwuid_r(uid_t uid, struct passwd *passwd, char *text, size_t size, struct passwd **ret)
{
	(void)uid;
	(void)passwd;
	(void)text;
	(void)size;
	*ret = NULL;
	return ENOSYS;
}

int getgrgid_r(gid_t gid, struct group *group, char *text, size_t size, struct group **ret)
{
	(void)gid;
	(void)group;
	(void)text;
	(void)size;
	*ret = NULL;
	return ENOSYS;
}
