/* SPDX-License-Identifier: Apache-2.0 */
#include "tunnel/guest/verbs.h"

#include <stdio.h>
#include <string.h>

static const char usage[] =
	"hawser-guest " HAWSER_VERSION ": the sandbox's end of Hawser\n"
	"\n"
	"  hawser-guest serve --secret-fd N | --secret-file FILE\n"
	"                     [--listen-fd N] [--listen-port P [--listen-host H]] [--attach-name NAME]\n"
	"                     [--tunnel HEX] [--interpreter LANGUAGE=PATH]... [--park LANGUAGE,...] [--shims DIR]\n"
	"                     [--memory BYTES] [--processes N] [--file BYTES]\n"
	"  hawser-guest attach --attach-name NAME\n"
	"  hawser-guest tool call SERVER.TOOL [--json '{...}'] [--raw]\n"
	"  hawser-guest tool search [QUERY]\n";

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(int argc, char **argv);
	} verbs[] = {{"serve", serve_main}, {"attach", attach_main}, {"tool", tool_main}};
	const char *base = argc > 0 && strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argc > 0 ? argv[0] : "";

	if (strcmp(base, "tool") == 0)
		return tool_main(argc, argv);
	for (size_t i = 0; argc > 1 && i < ARRAY_SIZE(verbs); i++)
		if (strcmp(argv[1], verbs[i].name) == 0)
			return verbs[i].run(argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "--version") == 0) {
		puts("hawser-guest " HAWSER_VERSION);
		return 0;
	}
	fputs(usage, argc > 1 && strcmp(argv[1], "--help") == 0 ? stdout : stderr);
	return argc > 1 && strcmp(argv[1], "--help") == 0 ? 0 : 2;
}
