/* SPDX-License-Identifier: Apache-2.0 */
/* hawser run: starts a run, shows it (show.c), and is there to be asked about its calls. */
#include "broker/cli/asking.h"
#include "broker/cli/show.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { HELD_MAX = 32 * 1024 * 1024 };

struct running {
	struct show show;
	struct asking asking;
	struct buf held; /* output that came while a question stood on the terminal: lines of JSON */
};

/* Code must not write over a question, nor below it what looks like another one. */
static void hold_output(struct running *r, struct span params)
{
	if (buf_append(&r->held, params.p, params.len) < 0 || buf_append(&r->held, "\n", 1) < 0)
		cli_say(0, "output was left out: too much came while a question stood here");
}

static void release_output(struct running *r)
{
	struct span all = span_of(buf_head(&r->held), r->held.len);
	const char *lf;

	if (r->asking.queue)
		return;
	while (all.p && all.len > 0 && (lf = memchr(all.p, '\n', all.len))) {
		show_output(&r->show, span_of(all.p, (size_t)(lf - all.p)));
		all = span_of(lf + 1, all.len - (size_t)(lf + 1 - all.p));
	}
	buf_clear(&r->held);
}

static void on_notification(void *user, struct span method, struct span params)
{
	struct running *r = user;

	if (span_string_equals(method, "run.output") && r->asking.queue) {
		hold_output(r, params);
	} else if (span_string_equals(method, "run.output")) {
		show_output(&r->show, params);
	} else if (asking_notified(&r->asking, method, params)) {
		r->show.line_shown = false;
		release_output(r);
	} else if (span_string_equals(method, "run.state")) {
		show_state(&r->show, params);
	}
}

static void on_interrupted(void *user, struct wire *w, int64_t id)
{
	struct running *r = user;
	char params[64];

	r->show.interrupted = true;
	snprintf(params, sizeof(params), "{\"id\":%" PRId64 "}", id);
	wire_send(w, "run.cancel", span_of(params, strlen(params)));
}

static void on_input(void *user, struct wire *w)
{
	struct running *r = user;

	asking_input(&r->asking, w);
	release_output(r);
}

/* Is stdin the code, or its data? Then answers come from the terminal itself. */
static bool takes_stdin(const struct cli_args *args)
{
	const char *const sources[] = {args->eval            ? NULL
				       : args->operand_count ? args->operands[0]
							     : "-",
				       args->data, args->text};

	for (size_t i = 0; i < ARRAY_SIZE(sources); i++)
		if (sources[i] && strcmp(sources[i], "-") == 0)
			return true;
	return false;
}

/* A person at the terminal can be asked about this run's calls. */
static int begin_asking(const struct cli_args *args, struct running *r, struct wire *w)
{
	struct span nothing;

	asking_init(&r->asking, w, takes_stdin(args));
	return r->asking.can ? wire_ask(w, "approvals.here", SPAN_LIT("{}"), NULL, NULL, &nothing) : CLI_OK;
}

int cli_run(const struct cli_args *args)
{
	static const struct wire_events events = {
		.notification = on_notification, .interrupted = on_interrupted, .input = on_input};
	_cleanup_buf_ struct buf request = BUF_INIT(CLI_REQUEST_MAX);
	struct running r = {.show = {.json = args->json, .verbose = args->verbose, .terminal = isatty(2)},
			    .held.max = HELD_MAX};
	_cleanup_error_ struct error err = ERROR_INIT;
	struct span answer;
	struct wire w;
	int status;

	if (cli_put_run_request(args, &request, &err) < 0)
		return cli_say(CLI_USAGE, "%s", error_text(&err));
	status = wire_open_or_say(args, true, &w);
	if (status != CLI_OK)
		return status;
	if (wire_watch_signals(&w, &err) < 0)
		cli_say(0, "%s", error_text(&err)); /* ^C ends this, and the broker cancels the run of who hung up */
	status = begin_asking(args, &r, &w);
	if (status == CLI_OK)
		status = wire_ask(&w, "run.start", span_of(buf_head(&request), request.len), &events, &r, &answer);
	asking_done(&r.asking); /* what was asked is over with the run */
	release_output(&r);
	if (status == CLI_OK)
		status = show_finish(args, &r.show, answer);
	else
		show_clear_line(&r.show);
	wire_close(&w);
	buf_done(&r.held);
	return status;
}
