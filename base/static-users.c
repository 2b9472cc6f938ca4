/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For static programs, which look up no user: libuv's core.o names getpwuid_r() for uv_os_homedir(), and glibc's own
 * brings NSS into the program, which opens shared libraries.
 */
#include <errno.h>
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
