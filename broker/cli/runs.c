/* SPDX-License-Identifier: Apache-2.0 */
/* hawser ps, follow, kill, sandboxes: runs and sandboxes of this user, from any window. */
#include "broker/cli/show.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { PS_ENDED = 20, CELL_MAX = 40 };

/* ---- tables ---- */

/* "4 s", "12 min", "3 h", "5 d" */
static void put_age(int64_t since_ms, char *out, size_t size)
{
	static const struct {
		int64_t below, unit;
		const char *name;
	} units[] = {{120, 1, "s"}, {7200, 60, "min"}, {172800, 3600, "h"}, {INT64_MAX, 86400, "d"}};
	int64_t seconds = ((int64_t)clock_wall_ms() - since_ms) / 1000;
	size_t i = 0;

	while (seconds >= units[i].below)
		i++;
	snprintf(out, size, "%" PRId64 " %s", seconds < 0 ? 0 : seconds / units[i].unit, units[i].name);
}

static void print_age(struct span object, const char *name)
{
	int64_t since = 0;
	char text[32] = "-";

	if (span_int64(span_member(object, name), &since) == 0)
		put_age(since, text, sizeof(text));
	printf("  %-8s", text);
}

/* One word of a row; "-": it is not there. */
static void print_cell(struct span object, const char *name, int width)
{
	_cleanup_free_ char *text = cli_member(object, name);

	printf("%-*s", width, text ? cli_clean(text) : "-");
}

static bool is_over(struct span run)
{
	return span_member(run, "ended_ms").p != NULL;
}

static void print_run(struct span run)
{
	struct span seconds = span_member(run, "seconds"), calls = span_member(run, "calls");
	_cleanup_free_ char *error = cli_member(run, "error"), *kind = cli_member(run, "error_kind");

	print_cell(run, "run", 26);
	print_cell(run, "status", 10);
	print_cell(run, "language", 11);
	print_age(run, "begun_ms");
	printf("  %7.*s s  %5.*s", (int)seconds.len, seconds.p, (int)calls.len, calls.p);
	if (error)
		error[strcspn(error, "\n")] = '\0';
	if (error || kind)
		printf("  %.*s", CELL_MAX, error ? cli_clean(error) : kind);
	puts("");
}

static int print_runs(struct span list)
{
	struct span run;
	size_t at = 0, ended = 0, left_out = 0;

	if (span_next_element(list, &at, &run))
		printf("%-26s%-10s%-11s  %-8s  %9s  %5s  %s\n", "RUN", "STATUS", "LANGUAGE", "BEGUN", "TOOK", "CALLS",
		       "ERROR");
	else
		puts("no run is kept");
	for (at = 0; span_next_element(list, &at, &run);) {
		if (is_over(run) && ++ended > PS_ENDED)
			left_out++;
		else
			print_run(run);
	}
	if (left_out)
		printf("(%zu more that ended before: hawser ps --json)\n", left_out);
	return CLI_OK;
}

static int print_sandboxes(struct span list)
{
	struct span s;
	size_t at = 0;

	if (span_next_element(list, &at, &s))
		printf("%-26s%-12s%-10s%-9s  %-8s  %s\n", "SANDBOX", "STATE", "PROVIDER", "CLASS", "MADE", "RUN");
	else
		puts("there is no sandbox");
	for (at = 0; span_next_element(list, &at, &s);) {
		print_cell(s, span_member(s, "sandbox").p ? "sandbox" : "tag", 26);
		print_cell(s, "state", 12);
		print_cell(s, "provider", 10);
		print_cell(s, "isolation", 9);
		print_age(s, "made_ms");
		printf("  ");
		print_cell(s, "run", 0);
		puts("");
	}
	return CLI_OK;
}

static int list(const struct cli_args *args, const char *method, int (*print)(struct span list))
{
	struct span answer;
	struct wire w;
	int status = wire_open_or_say(args, false, &w);

	if (status != CLI_OK)
		return status;
	status = wire_ask(&w, method, SPAN_LIT("{}"), NULL, NULL, &answer);
	if (status == CLI_OK && args->json)
		cli_print_span(answer);
	else if (status == CLI_OK)
		status = print(answer);
	wire_close(&w);
	return status;
}

int cli_ps(const struct cli_args *args)
{
	return list(args, "runs.list", print_runs);
}

int cli_sandboxes(const struct cli_args *args)
{
	return list(args, "sandboxes.list", print_sandboxes);
}

/* ---- one run ---- */

static int ask_about(const struct cli_args *args, const char *method, const struct wire_events *events, void *user,
		     struct wire *w, struct span *ret)
{
	_cleanup_buf_ struct buf params = BUF_INIT(64 * 1024);
	int status;

	if (buf_append_str(&params, "{") < 0 || buf_append_member(&params, "run", args->operands[0]) < 0 ||
	    buf_printf(&params, ",\"live\":%s}", args->json ? "false" : "true") < 0)
		return cli_say(CLI_USAGE, "the id of the run is too long");
	status = wire_open_or_say(args, false, w);
	if (status != CLI_OK)
		return status;
	status = wire_ask(w, method, span_of(buf_head(&params), params.len), events, user, ret);
	if (status != CLI_OK)
		wire_close(w);
	return status;
}

static void on_notification(void *user, struct span method, struct span params)
{
	if (span_string_equals(method, "run.output"))
		show_output(user, params);
	else if (span_string_equals(method, "run.state"))
		show_state(user, params);
}

int cli_follow(const struct cli_args *args)
{
	static const struct wire_events events = {.notification = on_notification};
	struct show s = {.json = args->json, .verbose = args->verbose, .terminal = isatty(2)};
	struct span answer = SPAN_NONE;
	struct wire w;
	int status = ask_about(args, "run.follow", &events, &s, &w, &answer);

	if (status != CLI_OK)
		return status;
	status = show_finish(args, &s, answer);
	wire_close(&w);
	return status;
}

int cli_kill(const struct cli_args *args)
{
	_cleanup_free_ char *run = NULL, *how = NULL;
	struct span answer = SPAN_NONE;
	struct wire w;
	int status = ask_about(args, "run.kill", NULL, NULL, &w, &answer);
	bool was_over;

	if (status != CLI_OK)
		return status;
	run = cli_member(answer, "run");
	how = cli_member(answer, "status");
	was_over = span_bool(span_member(answer, "was_over"), false);
	if (args->json)
		cli_print_span(answer);
	else if (!was_over)
		printf("%s ended: %s\n", run ? run : "?", how ? how : "?");
	else
		cli_say(0, "%s had ended already: %s", run ? run : "?", how ? how : "?");
	wire_close(&w);
	return was_over ? CLI_FAILED : CLI_OK;
}
