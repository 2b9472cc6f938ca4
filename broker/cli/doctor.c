/* SPDX-License-Identifier: Apache-2.0 */
/* hawser doctor: prints each finding when it is known; those of the broker, and before them those of checkup.c. */
#include "broker/cli/checkup.h"
#include "broker/cli/client.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct findings {
	bool json;
	size_t count;
	int64_t bad;
};

static void print_json(struct findings *f, const char *key, const char *text, const char *cure, bool good)
{
	json_auto_t *line = json_pack("{s:s, s:s, s:s*, s:b}", "key", key, "text", text, "cure", cure, "good", good);
	_cleanup_buf_ struct buf out = BUF_INIT(1024 * 1024);

	if (!line || json_print(&out, line) < 0)
		return;
	printf("%s%.*s", f->count++ ? ",\n" : "{\"findings\":[", (int)out.len, (const char *)buf_head(&out));
}

/* Lines behind the first stand further in: a server's words cannot look like a line of doctor. What is good and has a
 * cure all the same is a warning. */
static void print_text(const char *key, const char *text, const char *cure, bool good)
{
	_cleanup_free_ char *name = cli_clean(strdup(key)), *what = cli_clean(strdup(text)),
			    *how = cure ? cli_clean(strdup(cure)) : NULL;
	char *rest = what;

	printf("%s%s%s  %s: %s\n",
	       cli_colour(stdout, !good ? CLI_BAD
				  : how ? CLI_DIM
					: CLI_GOOD),
	       !good ? "BAD "
	       : how ? "warn"
		     : "good",
	       cli_colour(stdout, CLI_PLAIN), name ? name : "?", what ? strsep(&rest, "\n") : "");
	while (rest)
		printf("        | %s\n", strsep(&rest, "\n"));
	if (how)
		printf("      cure: %s\n", how);
}

/* What root does needs no sudo, and a small machine may have none. */
static const char *as_this_user(const char *cure)
{
	return cure && geteuid() == 0 && strncmp(cure, "sudo ", 5) == 0 ? cure + 5 : cure;
}

static void print_finding(struct findings *f, const char *key, const char *text, const char *cure, bool good)
{
	if (f->json)
		print_json(f, key, text, as_this_user(cure), good);
	else
		print_text(key, text, as_this_user(cure), good);
	fflush(stdout);
}

static void on_checked(void *user, const char *key, const char *text, const char *cure, bool good)
{
	struct findings *f = user;

	f->bad += !good;
	print_finding(f, key, text, cure, good);
}

static void on_notification(void *user, struct span method, struct span params)
{
	_cleanup_free_ char *key = cli_member(params, "key"), *text = cli_member(params, "text"),
			    *cure = cli_member(params, "cure");

	if (span_string_equals(method, "doctor.line"))
		print_finding(user, key ? key : "?", text ? text : "", cure,
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
	if (f.json)
		printf("%s],\"bad\":%d}\n", f.count ? "" : "{\"findings\":[", (int)f.bad);
	else
		printf(f.bad ? "%d to mend\n" : "all is well\n", (int)f.bad);
	return status == CLI_OK && f.bad ? CLI_FAILED : status;
}
