/* SPDX-License-Identifier: Apache-2.0 */
/* hawser doctor: prints each finding when it is known; those of the broker, and before them those of checkup.c. */
#include "broker/cli/checkup.h"
#include "broker/cli/client.h"
#include "broker/cli/findings.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void on_checked(void *user, const char *key, const char *text, const char *cure, bool good)
{
	findings_add(user, key, text, cure, good);
}

static void on_notification(void *user, struct span method, struct span params)
{
	_cleanup_free_ char *key = cli_member(params, "key"), *text = cli_member(params, "text"),
			    *cure = cli_member(params, "cure");

	if (span_string_equals(method, "doctor.line"))
		findings_print(user, key ? key : "?", text ? text : "", cure,
			       span_bool(span_member(params, "good"), false));
}

static int ask_broker(struct wire *w, struct findings *f)
{
	static const struct wire_events events = {.notification = on_notification};
	int64_t bad = 1;
	struct span answer;
	int status = wire_ask(w, "doctor", SPAN_LIT("{}"), &events, f, &answer);

	if (status == CLI_OK)
		(void)!span_int64(span_member(answer, "bad"), &bad);
	f->bad += bad;
	return status;
}

/* CLI_OK if the broker was asked, whatever it said. */
static int examine(const struct cli_args *args, struct findings *f)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct paths paths;
	bool startable;
	struct wire w;
	int status, r;

	if (paths_find(&paths, &err) < 0) {
		checkup_no_paths(&err, on_checked, f);
		return CLI_UNREACHABLE;
	}
	startable = checkup_before(&paths, on_checked, f);
	r = wire_open(args, startable, &w, &err);
	if (r < 0) {
		if (startable ||
		    (r != -ENOENT && r != -EACCES && r != -ENOTDIR)) /* else it was told already why there is none */
			checkup_unreachable(&paths, error_text(&err), on_checked, f);
		return CLI_UNREACHABLE;
	}
	status = ask_broker(&w, f);
	wire_close(&w);
	return status;
}

int cli_doctor(const struct cli_args *args)
{
	struct findings f = {.json = args->json};
	int status;

	if (args->fix_hints)
		return cli_doctor_hints(args);
	status = examine(args, &f);
	findings_end(&f);
	return status == CLI_OK && f.bad ? CLI_FAILED : status;
}
