/* SPDX-License-Identifier: Apache-2.0 */
/* hawser help --man: the manual page hawser(1), made from the tables of verbs and options. */
#include "broker/cli/cli.h"

#include <stdio.h>
#include <string.h>

/* Text as troff takes it: no line begins a request, a hyphen is the one that can be copied. */
static void put(const char *text)
{
	bool begins = true;

	for (; *text; text++) {
		if (begins && (*text == '.' || *text == '\''))
			fputs("\\&", stdout);
		begins = *text == '\n';
		if (*text == '\\')
			fputs("\\e", stdout);
		else if (*text == '-')
			fputs("\\-", stdout);
		else if (*text == '\'')
			fputs("\\(aq", stdout);
		else
			putchar(*text);
	}
}

static void put_option(const struct cli_option *o)
{
	printf(".TP\n\\fB");
	if (o->letter)
		printf("\\-%c\\fR, \\fB", o->letter);
	put("--");
	put(o->name);
	printf("\\fR");
	if (o->value)
		printf(" \\fI%s\\fR", o->value);
	printf("\n");
	put(o->text);
	printf("\n");
}

static void put_verb(const struct cli_verb *verb)
{
	printf(".SS hawser %s ", verb->name);
	put(verb->operands);
	printf("\n");
	put(verb->summary);
	printf(".\n");
	if (*verb->details) {
		printf(".PP\n.nf\n");
		put(verb->details);
		printf("\n.fi\n");
	}
	for (size_t i = 0; cli_options[i].name; i++)
		if (cli_takes(verb, cli_options[i].name) && !cli_is_common(cli_options[i].name))
			put_option(&cli_options[i]);
}

static void put_keys(const struct json_keys *keys)
{
	char range[96];

	for (; keys && keys->title; keys++) {
		printf(".SS ");
		put(keys->title);
		printf("\n");
		for (size_t i = 0; i < keys->count; i++) {
			cli_key_range(&keys->table[i], range);
			printf(".TP\n\\fB%s\\fR\n", keys->table[i].name);
			put(keys->table[i].text);
			put(range);
			printf("\n");
		}
	}
}

void cli_print_man(const struct json_keys *keys)
{
	printf(".\\\" Made by `hawser help --man`.\n"
	       ".TH HAWSER 1 \"\" \"hawser " HAWSER_VERSION "\"\n"
	       ".SH NAME\nhawser \\- run code that agents write in sandboxes, with your tools\n"
	       ".SH SYNOPSIS\n.B hawser\n\\fIVERB\\fR [\\fIOPTION\\fR]... [\\fIWORD\\fR]...\n"
	       ".SH DESCRIPTION\n"
	       "Programs run in a sandbox that has no network and none of your files; when they call a tool, the call\n"
	       "travels back to this machine, where policy decides and your MCP server answers.\n"
	       ".PP\nEvery verb takes:\n");
	for (size_t i = 0; cli_options[i].name; i++)
		if (cli_is_common(cli_options[i].name))
			put_option(&cli_options[i]);
	printf(".SH VERBS\n");
	for (size_t i = 0; cli_verbs[i].name; i++)
		put_verb(&cli_verbs[i]);
	printf(".SH CONFIGURATION\n");
	put_keys(keys);
	printf(".SH EXIT STATUS\n");
	for (const struct cli_status *s = cli_statuses; s->means; s++) {
		printf(".TP\n\\fB%d\\fR\n", s->status);
		put(s->means);
		printf("\n");
	}
	printf(".SH ENVIRONMENT\n"
	       ".TP\n\\fBNO_COLOR\\fR\nNot empty: no colours, also on a terminal.\n"
	       ".TP\n\\fBXDG_CONFIG_HOME\\fR, \\fBXDG_STATE_HOME\\fR, \\fBXDG_RUNTIME_DIR\\fR\n"
	       "Where the folder hawser with the configuration, with logs and runs, with the socket is.\n"
	       ".SH FILES\n"
	       ".TP\n.I ~/.config/hawser/hawser.yaml\nThe configuration.\n"
	       ".TP\n.I ~/.local/state/hawser/audit.jsonl\nA line for each tool call.\n");
}
