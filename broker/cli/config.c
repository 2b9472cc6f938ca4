/* SPDX-License-Identifier: Apache-2.0 */
/* hawser config check|show. */
#include "broker/cli/client.h"

#include <stdio.h>
#include <string.h>

static int check(struct wire *w, const struct cli_args *args)
{
	_cleanup_free_ char *faults = NULL, *path = NULL;
	struct span answer, notes, note;
	size_t at = 0;
	int status = wire_ask(w, "config.check", SPAN_LIT("{}"), NULL, NULL, &answer);

	if (status != CLI_OK)
		return status;
	faults = cli_member(answer, "faults");
	if (args->json) {
		cli_print_span(answer);
		return faults ? CLI_USAGE : CLI_OK;
	}
	notes = span_member(answer, "notes");
	while (notes.p && span_next_element(notes, &at, &note)) {
		_cleanup_free_ char *text = span_strdup(note, note.len);

		printf("note: %s\n", text ? cli_clean(text) : "");
	}
	if (faults) {
		fprintf(stderr, "%s\n", cli_clean(faults));
		return CLI_USAGE;
	}
	path = cli_member(answer, "path");
	if (path)
		printf("%s is good\n", path);
	else
		printf("there is no configuration; write hawser.yaml (hawser help config), or say hawser init\n");
	return CLI_OK;
}

static int show(struct wire *w)
{
	struct span answer;
	int status = wire_ask(w, "config.show", SPAN_LIT("{}"), NULL, NULL, &answer);
	_cleanup_error_ struct error err = ERROR_INIT;
	json_auto_t *value = NULL;
	char *text;

	if (status != CLI_OK)
		return status;
	if (json_parse(answer.p, answer.len, &value, &err) < 0 || !(text = json_dumps(value, JSON_INDENT(2))))
		return cli_say(CLI_FAILED, "%s", error_text(&err));
	puts(text);
	free(text);
	return CLI_OK;
}

int cli_config(const struct cli_args *args)
{
	bool checks = strcmp(args->operands[0], "check") == 0;
	struct wire w;
	int status;

	if (!checks && strcmp(args->operands[0], "show") != 0)
		return cli_say(CLI_USAGE, "hawser config check, or hawser config show");
	status = wire_open_or_say(args, !checks, &w);
	if (status != CLI_OK)
		return status;
	status = checks ? check(&w, args) : show(&w);
	wire_close(&w);
	return status;
}
