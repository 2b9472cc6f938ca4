/* SPDX-License-Identifier: Apache-2.0 */
/* hawser stop: asks the broker to leave and waits until it has. */
#include "broker/cli/client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/socket.h>

static void answer_stopped(const struct cli_args *args, bool was_there)
{
	if (args->json)
		printf("{\"stopped\":%s}\n", was_there ? "true" : "false");
	else
		printf(was_there ? "the broker has stopped\n" : "no broker is running\n");
}

/* The lock is what the broker gives up last. */
static void wait_for_lock(const struct paths *paths)
{
	_cleanup_close_ int fd = -1;
	char path[PATH_MAX + 16];

	snprintf(path, sizeof(path), "%s/broker.lock", paths->state);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && flock(fd, LOCK_SH) < 0 && errno == EINTR)
		;
}

int cli_stop(const struct cli_args *args)
{
	struct wire w = {.fd = -1, .in = {.max = 1024 * 1024}};
	_cleanup_error_ struct error err = ERROR_INIT;
	struct paths paths;
	struct span answer;
	int status;
	char ch;

	if (paths_find(&paths, &err) < 0)
		return cli_say(CLI_UNREACHABLE, "%s", error_text(&err));
	w.fd = start_connect(&paths, &err);
	if (w.fd == -ENOENT) {
		answer_stopped(args, false);
		return CLI_OK;
	}
	if (w.fd < 0)
		return cli_say(CLI_UNREACHABLE, "%s", error_text(&err));
	status = wire_ask(&w, "stop", SPAN_LIT("{}"), NULL, NULL, &answer);
	while (status == CLI_OK && recv(w.fd, &ch, 1, 0) > 0) /* it hangs up when everything has ended */
		;
	wire_close(&w);
	if (status != CLI_OK)
		return status;
	wait_for_lock(&paths);
	answer_stopped(args, true);
	return status;
}
