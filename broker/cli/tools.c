/* SPDX-License-Identifier: Apache-2.0 */
/* hawser tools: search, --servers, --logs. */
#include "broker/cli/client.h"

#include <stdio.h>
#include <string.h>

static void print_tool(struct span tool)
{
	_cleanup_free_ char *server = cli_member(tool, "server"), *name = cli_member(tool, "name");
	_cleanup_free_ char *text = cli_member(tool, "description");

	if (text)
		text[strcspn(text, "\n")] = '\0';
	printf("%s.%s%s%.200s\n", server ? server : "?", name ? cli_clean(name) : "?", text && *text ? "  " : "",
	       text ? cli_clean(text) : "");
}

static int search(struct wire *w, const struct cli_args *args)
{
	const char *query = args->operand_count ? args->operands[0] : "";
	_cleanup_buf_ struct buf params = BUF_INIT(64 * 1024);
	struct span answer, results, tool;
	size_t at = 0, n = 0;
	int status;

	if (buf_append_str(&params, "{") < 0 || buf_append_member(&params, "query", query) < 0 ||
	    buf_append_str(&params, args->json ? "}" : ",\"detail_level\":\"descriptions\"}") < 0)
		return cli_say(CLI_USAGE, "the query is too long");
	status = wire_ask(w, "tools.search", span_of(buf_head(&params), params.len), NULL, NULL, &answer);
	if (status != CLI_OK)
		return status;
	if (args->json) {
		cli_print_span(answer);
		return CLI_OK;
	}
	results = span_member(answer, "results");
	while (results.p && span_next_element(results, &at, &tool)) {
		print_tool(tool);
		n++;
	}
	if (n == 0)
		cli_say(0, "%s; hawser tools --servers says how the servers are",
			*query ? "no tool was found" : "there are no tools");
	return CLI_OK;
}

static void print_server(struct span server)
{
	_cleanup_free_ char *name = cli_member(server, "name"), *id = cli_member(server, "id");
	_cleanup_free_ char *state = cli_member(server, "state"), *problem = cli_member(server, "problem");
	struct span tools = span_member(server, "tools");

	printf("%s%s%s%s  %s", name ? cli_clean(name) : "?", id && name && strcmp(id, name) != 0 ? " (in code: " : "",
	       id && name && strcmp(id, name) != 0 ? id : "", id && name && strcmp(id, name) != 0 ? ")" : "",
	       state ? state : "?");
	if (tools.p)
		printf(", %.*s tools", (int)tools.len, tools.p);
	printf("%s%s\n", problem && *problem ? ": " : "", problem && *problem ? cli_clean(problem) : "");
}

static int list_servers(struct wire *w, const struct cli_args *args)
{
	struct span answer, server;
	size_t at = 0;
	int status = wire_ask(w, "tools.servers", SPAN_LIT("{}"), NULL, NULL, &answer);

	if (status != CLI_OK)
		return status;
	if (args->json)
		cli_print_span(answer);
	else
		while (span_next_element(answer, &at, &server))
			print_server(server);
	return CLI_OK;
}

static int print_logs(struct wire *w, const struct cli_args *args)
{
	_cleanup_buf_ struct buf params = BUF_INIT(4096);
	struct span answer;
	int status;

	if (buf_append_str(&params, "{") < 0 || buf_append_member(&params, "server", args->logs) < 0 ||
	    buf_append_str(&params, "}") < 0)
		return cli_say(CLI_USAGE, "the name is too long");
	status = wire_ask(w, "tools.logs", span_of(buf_head(&params), params.len), NULL, NULL, &answer);
	if (status != CLI_OK)
		return status;
	if (args->json) {
		cli_print_span(answer);
		return CLI_OK;
	}
	if (span_member(answer, "text").len > 2)
		cli_print_value(span_member(answer, "text"));
	return CLI_OK;
}

int cli_tools(const struct cli_args *args)
{
	struct wire w;
	int status = wire_open_or_say(args, true, &w);

	if (status != CLI_OK)
		return status;
	if (args->logs)
		status = print_logs(&w, args);
	else if (args->servers)
		status = list_servers(&w, args);
	else
		status = search(&w, args);
	wire_close(&w);
	return status;
}
