/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/cli/findings.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

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

void findings_print(struct findings *f, const char *key, const char *text, const char *cure, bool good)
{
	if (f->json)
		print_json(f, key, text, as_this_user(cure), good);
	else
		print_text(key, text, as_this_user(cure), good);
	fflush(stdout);
}

void findings_add(struct findings *f, const char *key, const char *text, const char *cure, bool good)
{
	f->bad += !good;
	findings_print(f, key, text, cure, good);
}

void findings_end(const struct findings *f)
{
	if (f->json)
		printf("%s],\"bad\":%d}\n", f->count ? "" : "{\"findings\":[", (int)f->bad);
	else
		printf(f->bad ? "%d to mend\n" : "all is well\n", (int)f->bad);
}
