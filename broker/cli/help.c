/* SPDX-License-Identifier: Apache-2.0 */
/* Printed from the tables of verbs and options. */
#include "broker/cli/cli.h"

#include <stdio.h>
#include <string.h>

const struct cli_status cli_statuses[] = {
	{CLI_OK, "done"},
	{CLI_FAILED, "the run, tool or check failed"},
	{CLI_USAGE, "wrong command line or configuration"},
	{CLI_UNREACHABLE, "no broker could be reached"},
	{CLI_TIMEOUT, "the run was ended by its deadline"},
	{CLI_INTERRUPTED, "interrupted"},
	{0, NULL},
};

static void print_options(const char *list)
{
	for (size_t i = 0; cli_options[i].name; i++) {
		const struct cli_option *o = &cli_options[i];
		char left[64];
		const char *at = strstr(list, o->name);

		if (!at || (at != list && at[-1] != ' ') || !strchr(" ", at[strlen(o->name)]))
			continue;
		snprintf(left, sizeof(left), "%s%c%s--%s%s%s", o->letter ? "-" : "", o->letter ? o->letter : ' ',
			 o->letter ? ", " : "   ", o->name, o->value ? " " : "", o->value ? o->value : "");
		printf("  %-24s %s\n", left, o->text);
	}
}

void cli_key_range(const struct json_field *key, char text[96])
{
	text[0] = '\0';
	if (key->kind == JSON_KIND_INTEGER && key->preset)
		snprintf(text, 96, " %lld to %lld; absent: %lld.", (long long)key->least, (long long)key->most,
			 (long long)key->preset);
	else if (key->kind == JSON_KIND_INTEGER)
		snprintf(text, 96, " %lld to %lld.", (long long)key->least, (long long)key->most);
	else if (key->kind == JSON_KIND_BOOLEAN)
		snprintf(text, 96, " Absent: %s.", key->preset ? "true" : "false");
}

static void print_keys(const struct json_keys *keys)
{
	char range[96];

	for (; keys && keys->title; keys++) {
		printf("\n%s:\n", keys->title);
		for (size_t i = 0; i < keys->count; i++) {
			cli_key_range(&keys->table[i], range);
			printf("  %-14s %s%s\n", keys->table[i].name, keys->table[i].text, range);
		}
	}
}

void cli_help_verb(const struct cli_verb *verb, const struct json_keys *keys)
{
	printf("hawser %s%s%s - %s\n", verb->name, *verb->operands ? " " : "", verb->operands, verb->summary);
	if (*verb->details)
		printf("\n%s\n", verb->details);
	if (verb->run == cli_config)
		print_keys(keys);
	printf("\n");
	print_options(verb->options);
	print_options("config json help");
}

static void print_all(void)
{
	printf("hawser runs code that agents write in sandboxes, and carries its tool calls to your MCP servers.\n\n");
	for (size_t i = 0; cli_verbs[i].name; i++) {
		char left[64];

		snprintf(left, sizeof(left), "hawser %s %s", cli_verbs[i].name, cli_verbs[i].operands);
		printf("  %-26s %s\n", left, cli_verbs[i].summary);
	}
	printf("\nEvery verb takes:\n");
	print_options("config json help");
	printf("\nStatus:\n");
	for (const struct cli_status *s = cli_statuses; s->means; s++)
		printf("  %-4d %s\n", s->status, s->means);
}

static void print_json(void)
{
	_cleanup_buf_ struct buf out = BUF_INIT(64 * 1024);
	json_auto_t *verbs = json_array();

	for (size_t i = 0; cli_verbs[i].name; i++)
		json_array_append_new(verbs, json_pack("{s:s, s:s, s:s, s:s}", "name", cli_verbs[i].name, "operands",
						       cli_verbs[i].operands, "options", cli_verbs[i].options,
						       "summary", cli_verbs[i].summary));
	if (json_print(&out, verbs) == 0)
		cli_print_span(span_of(buf_head(&out), out.len));
}

int cli_help(const struct cli_args *args)
{
	if (args->man) {
		cli_print_man(args->keys);
		return CLI_OK;
	}
	if (args->json) {
		print_json();
		return CLI_OK;
	}
	if (args->operand_count == 0) {
		print_all();
		return CLI_OK;
	}
	for (size_t i = 0; cli_verbs[i].name; i++)
		if (strcmp(cli_verbs[i].name, args->operands[0]) == 0) {
			cli_help_verb(&cli_verbs[i], args->keys);
			return CLI_OK;
		}
	return cli_say(CLI_USAGE, "there is no verb %.40s; hawser help lists them", args->operands[0]);
}
