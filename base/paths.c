/* SPDX-License-Identifier: Apache-2.0 */
#include "base/paths.h"

#include <errno.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>

static int put(char out[PATH_MAX], struct error *err, const char *fmt, ...) _printf_(3, 4);

static int put(char out[PATH_MAX], struct error *err, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(out, PATH_MAX, fmt, args);
	va_end(args);
	return n < 0 || n >= PATH_MAX ? error_set(err, -ENAMETOOLONG, "the path %.60s... is too long", out) : 0;
}

/* A variable that must be an absolute path: others are ignored, as the XDG specification wants it. */
static const char *absolute_env(const char *name)
{
	const char *value = getenv(name);

	return value && value[0] == '/' ? value : NULL;
}

static const char *home_folder(void)
{
	const char *home = absolute_env("HOME");
	const struct passwd *pw;

	if (home)
		return home;
	pw = getpwuid(getuid());
	return pw && pw->pw_dir && pw->pw_dir[0] == '/' ? pw->pw_dir : NULL;
}

static int below_home(char out[PATH_MAX], const char *variable, const char *preset, const char *leaf, struct error *err)
{
	const char *value = absolute_env(variable), *home = home_folder();

	if (value)
		return put(out, err, "%s%s", value, leaf);
	if (!home)
		return error_set(err, -ENOENT, "HOME is not set and %s neither; set one of them", variable);
	return put(out, err, "%s/%s%s", home, preset, leaf);
}

static bool is_ours(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid();
}

int paths_find(struct paths *ret, struct error *err)
{
	const char *runtime = absolute_env("XDG_RUNTIME_DIR");
	int r;

	r = below_home(ret->state, "XDG_STATE_HOME", ".local/state", "/hawser", err);
	if (r == 0)
		r = below_home(ret->config, "XDG_CONFIG_HOME", ".config", "", err);
	if (r < 0)
		return r;
	/* `su` leaves the other user's folder in the variable */
	if (runtime && is_ours(runtime))
		r = put(ret->runtime, err, "%s/hawser", runtime);
	else
		r = put(ret->runtime, err, "%s/run", ret->state);
	if (r == 0)
		r = put(ret->socket, err, "%s/broker.sock", ret->runtime);
	if (r == 0)
		r = put(ret->link, err, "%s/runtime", ret->state);
	if (r == 0)
		r = put(ret->linked_socket, err, "%s/broker.sock", ret->link);
	if (r < 0)
		return r;
	if (strlen(ret->socket) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
		return error_set(
			err, -ENAMETOOLONG,
			"%s is longer than the 107 bytes of a socket's path; set XDG_RUNTIME_DIR to a shorter one",
			ret->socket);
	if (strlen(ret->linked_socket) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
		ret->link[0] = ret->linked_socket[0] = '\0';
	return 0;
}

/* mkdir -p */
static int make_all(const char *path, struct error *err)
{
	char part[PATH_MAX];

	snprintf(part, sizeof(part), "%s", path);
	for (char *p = part + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(part, 0700) < 0 && errno != EEXIST)
			return error_set_errno(err, -errno, "making the folder %s", part);
		*p = '/';
	}
	if (mkdir(part, 0700) < 0 && errno != EEXIST)
		return error_set_errno(err, -errno, "making the folder %s", part);
	return 0;
}

int paths_make_folder(const char *path, struct error *err)
{
	struct stat st;
	int r = make_all(path, err);

	if (r < 0)
		return r;
	if (lstat(path, &st) < 0)
		return error_set_errno(err, -errno, "looking at %s", path);
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid())
		return error_set(err, -EPERM, "%s is not a folder of this user; move it away", path);
	if ((st.st_mode & 077) && chmod(path, 0700) < 0)
		return error_set_errno(err, -errno, "making %s private", path);
	return 0;
}

int paths_make(const struct paths *p, struct error *err)
{
	int r = paths_make_folder(p->state, err);

	return r < 0 ? r : paths_make_folder(p->runtime, err);
}

int paths_find_helper(const char *variable, const char *name, const char *build_subdir, char ret[PATH_MAX],
		      struct error *err)
{
	const char *named = variable ? getenv(variable) : NULL;
	char exe[PATH_MAX];
	ssize_t n;

	if (named && *named) {
		if (named[0] != '/' || access(named, X_OK) < 0)
			return error_set(err, -ENOENT, "%s=%s is no absolute path of a program", variable, named);
		return put(ret, err, "%s", named);
	}
	n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	if (n < 0)
		return error_set_errno(err, -errno, "finding the program that runs (is /proc mounted?)");
	exe[n] = '\0';
	*strrchr(exe, '/') = '\0';
	for (int i = 0; i < 3; i++) {
		int r = i == 0   ? put(ret, err, "%s/../libexec/hawser/%s", exe, name)
			: i == 1 ? put(ret, err, "%s/%s", exe, name)
				 : put(ret, err, "%s/../%s/%s", exe, build_subdir, name);

		if (r < 0)
			return r;
		if (access(ret, X_OK) == 0 && realpath(ret, exe)) /* without the ..: it is shown to people */
			return put(ret, err, "%s", exe);
	}
	return error_set(err, -ENOENT, "%s was not found beside %s; install it there, or set %s", name, exe, variable);
}
