/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hawser audit verify [FILE]. It asks no broker: whoever checks the log need not trust, or have, the one that wrote it,
 * and a copy can be checked anywhere.
 */
#include "broker/audit/audit.h"

#include "base/paths.h"
#include "broker/cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int print_json(const char *path, const struct audit_summary *s, int r, const struct error *err)
{
	json_auto_t *value = json_pack("{ss sb}", "file", path, "good", r == 0);
	char *text;

	if (!value)
		return cli_say(CLI_FAILED, "the name of the file is no UTF-8");
	if (r == 0)
		json_object_update_new(value, json_pack("{sI ss}", "lines", (json_int_t)s->lines, "last", s->last));
	else
		json_object_set_new(value, "fault", json_string(error_text(err)));
	if (r == -EBADMSG)
		json_object_set_new(value, "line", json_integer((json_int_t)s->lines));
	text = json_dumps(value, JSON_COMPACT);
	puts(text ? text : "");
	free(text);
	return r == 0 ? CLI_OK : CLI_FAILED;
}

int cli_audit(const struct cli_args *args)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct audit_summary summary = {0};
	struct paths paths;
	char path[PATH_MAX + 16];
	int r;

	if (strcmp(args->operands[0], "verify") != 0)
		return cli_say(CLI_USAGE, "hawser audit verify [FILE]");
	if (args->operand_count < 2 && paths_find(&paths, &err) < 0)
		return cli_say(CLI_FAILED, "%s", error_text(&err));
	snprintf(path, sizeof(path), "%s%s", args->operand_count < 2 ? paths.state : args->operands[1],
		 args->operand_count < 2 ? "/audit.jsonl" : "");
	r = audit_verify(path, &summary, &err);
	if (args->json)
		return print_json(path, &summary, r, &err);
	if (r < 0)
		return cli_say(CLI_FAILED, "%s", error_text(&err));
	printf("%s: %llu lines, each follows from the one before\nlast hash: %s\n", path,
	       (unsigned long long)summary.lines, summary.last);
	return CLI_OK;
}
