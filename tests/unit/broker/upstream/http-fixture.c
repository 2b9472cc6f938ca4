/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/broker/upstream/http-fixture.h"

#include "base/clock.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static void run(const char *const *argv, int out)
{
	const char *python = getenv("HAWSER_PYTHON"); /* meson says it */

	prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails stops nothing */
	dup2(out, 1);
	if (python)
		execv(python, (char *const *)(uintptr_t)argv);
	_exit(127);
}

static unsigned read_port(int fd)
{
	char text[16] = "";
	size_t n = 0;

	while (n < sizeof(text) - 1 && read(fd, text + n, 1) == 1 && text[n] != '\n')
		n++;
	return (unsigned)strtoul(text, NULL, 10);
}

void fixture_start_with(struct rig *rig, struct http_fixture *f, unsigned port, const char *const *switches)
{
	char program[512], count[128], number[16];
	const char *argv[32] = {"python3",     "-B",    program,       "--http", "--http-faults",
				"--http-hits", f->hits, "--http-port", number};
	size_t n = 9;
	int out[2];

	snprintf(program, sizeof(program), "%s/tests/fixture/server.py", getenv("HAWSER_SOURCE"));
	snprintf(f->hits, sizeof(f->hits), "%s/hits-%d", rig->dir, rand());
	snprintf(count, sizeof(count), "%s/count", rig->dir);
	snprintf(number, sizeof(number), "%u", port);
	for (; *switches; switches++)
		argv[n++] = *switches;
	assert_true(n < ARRAY_SIZE(argv));
	setenv("FIXTURE_COUNT_FILE", count, 1);
	assert_int_equal(pipe(out), 0);
	f->pid = fork();
	if (f->pid == 0)
		run(argv, out[1]);
	close(out[1]);
	f->port = read_port(out[0]);
	close(out[0]);
	assert_true(f->pid > 0 && f->port > 0);
}

void fixture_open_with(struct rig *rig, struct http_fixture *f, const char *path, const char *const *switches)
{
	fixture_start_with(rig, f, 0, switches);
	snprintf(f->url, sizeof(f->url), "http://127.0.0.1:%u%s", f->port, path);
	rig->options.url = f->url;
	rig_open(rig);
}

void fixture_stop(struct http_fixture *f)
{
	if (f->pid <= 0)
		return;
	kill(f->pid, SIGKILL);
	waitpid(f->pid, NULL, 0);
	f->pid = 0;
}

unsigned fixture_hits(const struct http_fixture *f, const char *part)
{
	FILE *file = fopen(f->hits, "r");
	char line[8192];
	unsigned n = 0;

	while (file && fgets(line, sizeof(line), file))
		n += strstr(line, part) != NULL;
	if (file)
		fclose(file);
	return n;
}

void fixture_await(struct rig *rig, const struct http_fixture *f, const char *part, unsigned hits)
{
	uint64_t end = clock_now_ms() + 30000;

	while (fixture_hits(f, part) < hits && clock_now_ms() < end)
		loop_turn(rig->loop, 20);
	assert_true(fixture_hits(f, part) >= hits);
}
