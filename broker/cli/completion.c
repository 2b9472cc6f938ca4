/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hawser completion SHELL: a script for that shell, made from the tables of verbs and options. What a value may be is
 * told by the table: its choices, a file where the value is called FILE or may be @FILE, otherwise nothing.
 */
#include "broker/cli/cli.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static bool takes_file(const struct cli_option *o)
{
	return strcmp(o->value, "FILE") == 0 || strstr(o->text, "@FILE");
}

/* Words of the operands that are to be typed as they are: "check|show". NULL: there are none. */
static const char *operand_choices(const struct cli_verb *verb)
{
	return strchr(verb->operands, '|') && islower((unsigned char)verb->operands[0]) ? verb->operands : NULL;
}

static void print_verbs(const char *between)
{
	for (size_t i = 0; cli_verbs[i].name; i++)
		printf("%s%s", i ? between : "", cli_verbs[i].name);
}

/* In single quotes; a quote itself, and what also is in `more`, are written as the shell wants it. */
static void print_quoted(const char *text, const char *quote, const char *more)
{
	for (; *text; text++)
		if (*text == '\'')
			fputs(quote, stdout);
		else
			printf("%s%c", strchr(more, *text) ? "\\" : "", *text);
}

static void print_choices(const char *list, char between)
{
	for (; *list; list++)
		putchar(*list == '|' || *list == ' ' ? between : *list);
}

/* ---- bash ---- */

static void bash_values(void)
{
	for (size_t i = 0; cli_options[i].name; i++) {
		const struct cli_option *o = &cli_options[i];

		if (!o->value)
			continue;
		printf("\t--%s", o->name);
		if (o->letter)
			printf(" | -%c", o->letter);
		if (cli_choices(o)) {
			printf(") mapfile -t COMPREPLY < <(compgen -W \"");
			print_choices(cli_choices(o), ' ');
			printf("\" -- \"$cur\"); return ;;\n");
		} else {
			printf(") %sreturn ;;\n",
			       takes_file(o) ? "mapfile -t COMPREPLY < <(compgen -f -- \"$cur\"); " : "");
		}
	}
}

static void bash_verb(const struct cli_verb *verb)
{
	const char *choices = operand_choices(verb);

	printf("\t%s) words=\"", verb->name);
	for (size_t i = 0; cli_options[i].name; i++) {
		if (!cli_takes(verb, cli_options[i].name))
			continue;
		printf("--%s ", cli_options[i].name);
		if (cli_options[i].letter)
			printf("-%c ", cli_options[i].letter);
	}
	printf("\"; plain=\"");
	if (choices)
		print_choices(choices, ' ');
	else if (strcmp(verb->operands, "[VERB]") == 0)
		print_verbs(" ");
	printf("\" ;;\n");
}

static void print_bash(void)
{
	printf("# Completion of hawser for bash, made by `hawser completion bash`.\n"
	       "_hawser() {\n"
	       "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} words= plain=\n"
	       "\tCOMPREPLY=()\n"
	       "\tif [ \"$COMP_CWORD\" -eq 1 ]; then\n"
	       "\t\tmapfile -t COMPREPLY < <(compgen -W \"");
	print_verbs(" ");
	printf("\" -- \"$cur\")\n\t\treturn\n\tfi\n\tcase $prev in\n");
	bash_values();
	printf("\tesac\n\tcase ${COMP_WORDS[1]} in\n");
	for (size_t i = 0; cli_verbs[i].name; i++)
		bash_verb(&cli_verbs[i]);
	printf("\tesac\n"
	       "\tcase $cur in\n"
	       "\t-*) mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\") ;;\n"
	       "\t*) if [ -n \"$plain\" ]; then mapfile -t COMPREPLY < <(compgen -W \"$plain\" -- \"$cur\")\n"
	       "\t\telif [ \"${COMP_WORDS[1]}\" = run ]; then mapfile -t COMPREPLY < <(compgen -f -- \"$cur\"); fi ;;\n"
	       "\tesac\n"
	       "}\n"
	       "complete -F _hawser hawser\n");
}

/* ---- zsh ---- */

static void zsh_option(const struct cli_option *o)
{
	printf(" \\\n\t\t\t");
	if (o->letter && cli_is_repeated(o))
		printf("'*'{-%c,--%s}", o->letter, o->name);
	else if (o->letter)
		printf("'(-%c --%s)'{-%c,--%s}", o->letter, o->name, o->letter, o->name);
	else
		printf("%s--%s", cli_is_repeated(o) ? "'*'" : "", o->name);
	printf("'[");
	print_quoted(o->text, "'\\''", "[]:\\");
	printf("]");
	if (o->value && cli_choices(o)) {
		printf(":%s:(", o->value);
		print_choices(cli_choices(o), ' ');
		printf(")");
	} else if (o->value) {
		printf(":%s:%s", o->value, takes_file(o) ? "_files" : " ");
	}
	printf("'");
}

static void zsh_verb(const struct cli_verb *verb)
{
	const char *choices = operand_choices(verb);

	printf("\t%s) _arguments", verb->name);
	for (size_t i = 0; cli_options[i].name; i++)
		if (cli_takes(verb, cli_options[i].name))
			zsh_option(&cli_options[i]);
	if (choices || strcmp(verb->operands, "[VERB]") == 0) {
		printf(" \\\n\t\t\t'1:word:(");
		if (choices)
			print_choices(choices, ' ');
		else
			print_verbs(" ");
		printf(")'");
	} else if (strcmp(verb->name, "run") == 0) {
		printf(" \\\n\t\t\t'1:file:_files'");
	}
	printf(" ;;\n");
}

static void print_zsh(void)
{
	printf("#compdef hawser\n"
	       "# Completion of hawser for zsh, made by `hawser completion zsh`.\n"
	       "_hawser() {\n"
	       "\tlocal -a verbs=(");
	for (size_t i = 0; cli_verbs[i].name; i++) {
		printf("\n\t\t'%s:", cli_verbs[i].name);
		print_quoted(cli_verbs[i].summary, "'\\''", "\\");
		printf("'");
	}
	printf(")\n"
	       "\tif (( CURRENT == 2 )); then\n"
	       "\t\t_describe verb verbs\n"
	       "\t\treturn\n"
	       "\tfi\n"
	       "\tshift words\n"
	       "\t(( CURRENT-- ))\n"
	       "\tcase $words[1] in\n");
	for (size_t i = 0; cli_verbs[i].name; i++)
		zsh_verb(&cli_verbs[i]);
	printf("\tesac\n"
	       "}\n"
	       "if [ \"$funcstack[1]\" = _hawser ]; then\n"
	       "\t_hawser \"$@\"\n"
	       "else\n"
	       "\tcompdef _hawser hawser\n"
	       "fi\n");
}

/* ---- fish ---- */

static void fish_verb(const struct cli_verb *verb)
{
	const char *choices = operand_choices(verb);

	printf("complete -c hawser -n __fish_use_subcommand -f -a %s -d '", verb->name);
	print_quoted(verb->summary, "\\'", "\\");
	printf("'\n");
	if (choices || strcmp(verb->operands, "[VERB]") == 0) {
		printf("complete -c hawser -n '__fish_seen_subcommand_from %s' -f -a '", verb->name);
		if (choices)
			print_choices(choices, ' ');
		else
			print_verbs(" ");
		printf("'\n");
	} else if (strcmp(verb->name, "run") != 0) {
		printf("complete -c hawser -n '__fish_seen_subcommand_from %s' -f\n", verb->name);
	}
}

static void fish_option(const struct cli_verb *verb, const struct cli_option *o)
{
	printf("complete -c hawser -n '__fish_seen_subcommand_from %s' -l %s", verb->name, o->name);
	if (o->letter)
		printf(" -s %c", o->letter);
	if (o->value && cli_choices(o)) {
		printf(" -x -a '");
		print_choices(cli_choices(o), ' ');
		printf("'");
	} else if (o->value) {
		printf(takes_file(o) ? " -r -F" : " -x");
	}
	printf(" -d '");
	print_quoted(o->text, "\\'", "\\");
	printf("'\n");
}

static void print_fish(void)
{
	printf("# Completion of hawser for fish, made by `hawser completion fish`.\n");
	for (size_t i = 0; cli_verbs[i].name; i++) {
		fish_verb(&cli_verbs[i]);
		for (size_t k = 0; cli_options[k].name; k++)
			if (cli_takes(&cli_verbs[i], cli_options[k].name))
				fish_option(&cli_verbs[i], &cli_options[k]);
	}
}

int cli_completion(const struct cli_args *args)
{
	static const struct {
		const char *shell;
		void (*print)(void);
	} shells[] = {{"bash", print_bash}, {"zsh", print_zsh}, {"fish", print_fish}};

	for (size_t i = 0; i < ARRAY_SIZE(shells); i++)
		if (strcmp(shells[i].shell, args->operands[0]) == 0) {
			shells[i].print();
			return CLI_OK;
		}
	return cli_say(CLI_USAGE, "there is no completion for %.40s; hawser completion bash, zsh or fish",
		       args->operands[0]);
}
