/* SPDX-License-Identifier: Apache-2.0 */
/* hawser doctor: prints each finding when it is known. */
#include "broker/cli/client.h"

#include <stdio.h>
#include <string.h>

struct findings {
	bool json;
	size_t count;
};

static void on_notification(void *user, struct span method, struct span params)
{
	_cleanup_free_ char *key = cli_member(params, "key"), *text = cli_member(params, "text");
	bool good = span_bool(span_member(params, "good"), false);
	struct findings *f = user;

	if (!span_string_equals(method, "doctor.line"))
		return;
	if (f->json)
		printf("%s%.*s", f->count++ ? ",\n" : "{\"findings\":[", (int)params.len, params.p);
	else
		printf("%s%s%s  %s: %s\n", cli_colour(stdout, good ? CLI_GOOD : CLI_BAD), good ? "good" : "BAD ",
		       cli_colour(stdout, CLI_PLAIN), key ? key : "?", text ? text : "");
	fflush(stdout);
}

int cli_doctor(const struct cli_args *args)
{
	static const struct wire_events events = {.notification = on_notification};
	struct findings f = {.json = args->json};
	int64_t bad = 1;
	struct span answer;
	struct wire w;
	int status;

	if (args->fix_hints)
		return cli_doctor_hints(args);
	status = wire_open_or_say(args, false, &w);
	if (status != CLI_OK)
		return status;
	status = wire_ask(&w, "doctor", SPAN_LIT("{}"), &events, &f, &answer);
	if (status == CLI_OK && span_int64(span_member(answer, "bad"), &bad) < 0)
		bad = 1;
	if (args->json)
		printf("%s],\"bad\":%d}\n", f.count ? "" : "{\"findings\":[", (int)bad);
	else if (status == CLI_OK)
		printf(bad ? "%d to mend\n" : "all is well\n", (int)bad);
	wire_close(&w);
	return status == CLI_OK && bad ? CLI_FAILED : status;
}
