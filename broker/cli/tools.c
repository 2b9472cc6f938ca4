/* SPDX-License-Identifier: Apache-2.0 */
/* hawser tools: search, --servers, --logs. */
#include "broker/cli/client.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

enum { TEXT_MAX = 200, NAME_COLUMN_MAX = 40, TEXT_LEAST = 20 };

/* Columns of the terminal; 0: none is there, or it is not known. */
static size_t terminal_width(void)
{
	struct winsize size;

	return ioctl(1, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

/* At most max characters of text, between words where that is possible, with an ellipsis for what is left out. */
static void print_cut(const char *text, size_t max)
{
	size_t n = 0, end = 0, space = 0;

	for (; text[end] && n < max; end++, n += ((unsigned char)text[end] & 0xc0) != 0x80)
		if (text[end] == ' ')
			space = end;
	if (text[end])
		printf("%.*s ...", (int)(space > 0 ? space : end), text);
	else
		fputs(text, stdout);
}

/* column: where descriptions begin at a terminal of width columns; width 0: elsewhere. */
static void print_tool(struct span tool, size_t column, size_t width)
{
	_cleanup_free_ char *server = cli_member(tool, "server"), *name = cli_member(tool, "name");
	_cleanup_free_ char *text = cli_member(tool, "description");
	int n = printf("%s.%s", server ? cli_line(server) : "?", name ? cli_line(name) : "?");

	if (text)
		text[strcspn(text, "\n")] = '\0';
	if (text && *text) {
		printf("%*s", width && n > 0 && (size_t)n < column ? (int)(column - (size_t)n) : 2, "");
		cli_clean(text);
		print_cut(text, width >= column + TEXT_LEAST ? width - column - 4 : TEXT_MAX);
	}
	fputc('\n', stdout);
}

static size_t widest_name(struct span results)
{
	size_t at = 0, widest = 0;
	struct span tool;

	while (results.p && span_next_element(results, &at, &tool)) {
		size_t n = span_member(tool, "server").len + span_member(tool, "name").len;

		n = n > 3 ? n - 3 : 0; /* two pairs of quotes, and a dot */
		if (n > widest && n <= NAME_COLUMN_MAX)
			widest = n;
	}
	return widest + 2;
}

/* ---- what is meant exactly: SERVER, or SERVER.TOOL ---- */

struct exact {
	char *server; /* NULL: the query is words */
	const char *tool; /* NULL: all of the server's */
};

/* Names may have dots in them: the longest server that begins the query. */
static int find_exact(struct wire *w, const char *query, struct exact *ret)
{
	struct span answer, server;
	size_t at = 0, best = 0;
	int status = *query ? wire_ask(w, "tools.servers", SPAN_LIT("{}"), NULL, NULL, &answer) : CLI_OK;

	if (status != CLI_OK || !*query)
		return status;
	while (span_next_element(answer, &at, &server)) {
		_cleanup_free_ char *name = cli_member(server, "name");
		size_t n = name ? strlen(name) : 0;

		if (n == 0 || n < best || strncmp(query, name, n) != 0 || (query[n] && query[n] != '.'))
			continue;
		best = n;
		free(ret->server);
		ret->server = TAKE_PTR(name);
		ret->tool = query[n] ? query + n + 1 : NULL;
	}
	return CLI_OK;
}

static bool is_of(struct span tool, const struct exact *exact)
{
	_cleanup_free_ char *server = cli_member(tool, "server"), *name = cli_member(tool, "name");

	return server && name && strcmp(server, exact->server) == 0 && (!exact->tool || strcmp(name, exact->tool) == 0);
}

static void print_whole(struct span tool)
{
	static const char *const members[] = {"signature", "description"};
	_cleanup_free_ char *server = cli_member(tool, "server"), *name = cli_member(tool, "name");

	printf("%s.%s\n", server ? cli_line(server) : "?", name ? cli_line(name) : "?");
	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		_cleanup_free_ char *text = cli_member(tool, members[i]);
		char *rest = text, *line;

		if (text && *text)
			cli_clean(text);
		while (text && *text && (line = strsep(&rest, "\n")))
			printf("  %s\n", line);
	}
}

/* 0: there is none, and the query is words like any other. */
static int print_exact(struct wire *w, const struct exact *exact, size_t *ret_count)
{
	_cleanup_buf_ struct buf params = BUF_INIT(64 * 1024);
	struct span answer, results, tool;
	size_t at = 0, width = terminal_width(), column;
	int status;

	if (buf_append_str(&params, "{") < 0 ||
	    buf_append_member(&params, "query", exact->tool ? exact->tool : "") < 0 ||
	    buf_append_str(&params, exact->tool ? "}" : ",\"detail_level\":\"descriptions\"}") < 0)
		return cli_say(CLI_USAGE, "the query is too long");
	status = wire_ask(w, "tools.search", span_of(buf_head(&params), params.len), NULL, NULL, &answer);
	if (status != CLI_OK)
		return status;
	results = span_member(answer, "results");
	column = widest_name(results);
	while (results.p && span_next_element(results, &at, &tool)) {
		if (!is_of(tool, exact))
			continue;
		++*ret_count;
		if (exact->tool)
			print_whole(tool);
		else
			print_tool(tool, column, width);
	}
	return CLI_OK;
}

/* ---- what is not there ---- */

static bool gave_nothing(struct span server)
{
	_cleanup_free_ char *state = cli_member(server, "state"), *problem = cli_member(server, "problem");

	return state && problem && *problem && strcmp(state, "ready") != 0 &&
	       span_equals(span_member(server, "tools"), "0");
}

static int note_silent(struct wire *w)
{
	_cleanup_buf_ struct buf names = BUF_INIT(4096);
	_cleanup_free_ char *list = NULL;
	struct span answer, server;
	size_t at = 0;
	int status = wire_ask(w, "tools.servers", SPAN_LIT("{}"), NULL, NULL, &answer);

	while (status == CLI_OK && span_next_element(answer, &at, &server)) {
		_cleanup_free_ char *name = gave_nothing(server) ? cli_member(server, "name") : NULL;

		if (name && buf_printf(&names, "%s%s", names.len ? ", " : "", cli_clean(name)) < 0)
			break; /* the beginning of the list says enough */
	}
	list = names.len ? buf_steal(&names, NULL) : NULL;
	if (list)
		cli_say(0, "note: %s gave no tools; hawser tools --servers says why", list);
	return status;
}

static int search(struct wire *w, const struct cli_args *args)
{
	const char *query = args->operand_count ? args->operands[0] : "";
	_cleanup_buf_ struct buf params = BUF_INIT(64 * 1024);
	struct span answer, results, tool;
	size_t at = 0, n = 0, column, width = terminal_width();
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
	column = widest_name(results);
	while (results.p && span_next_element(results, &at, &tool)) {
		print_tool(tool, column, width);
		n++;
	}
	if (n == 0)
		cli_say(0, "%s",
			*query ? "no tool was found; hawser tools lists all"
			       : "there are no tools; hawser doctor says what is missing");
	return CLI_OK;
}

static int look(struct wire *w, const struct cli_args *args)
{
	struct exact exact = {NULL, NULL};
	size_t count = 0;
	int status = CLI_OK;

	if (args->json)
		return search(w, args);
	status = find_exact(w, args->operand_count ? args->operands[0] : "", &exact);
	if (status == CLI_OK && exact.server)
		status = print_exact(w, &exact, &count);
	free(exact.server);
	if (status == CLI_OK && count == 0)
		status = search(w, args);
	return status == CLI_OK ? note_silent(w) : status;
}

static void print_server(struct span server)
{
	_cleanup_free_ char *name = cli_member(server, "name"), *id = cli_member(server, "id");
	_cleanup_free_ char *state = cli_member(server, "state"), *problem = cli_member(server, "problem");
	_cleanup_free_ char *notice = cli_member(server, "notice");
	char *what = problem && *problem ? problem : notice;
	struct span tools = span_member(server, "tools");

	if (state && strcmp(state, "idle") == 0 && !(what && *what) && span_equals(tools, "0")) {
		printf("%s  not started yet\n", name ? cli_line(name) : "?");
		return;
	}
	printf("%s%s%s%s  %s", name ? cli_line(name) : "?", id && name && strcmp(id, name) != 0 ? " (in code: " : "",
	       id && name && strcmp(id, name) != 0 ? id : "", id && name && strcmp(id, name) != 0 ? ")" : "",
	       state ? state : "?");
	if (tools.p)
		printf(", %.*s tools", (int)tools.len, tools.p);
	printf("%s%s\n", what && *what ? ": " : "", what && *what ? cli_clean(what) : "");
}

static int list_servers(struct wire *w, const struct cli_args *args)
{
	struct span answer, server;
	size_t at = 0, n = 0;
	int status = wire_ask(w, "tools.servers", SPAN_LIT("{}"), NULL, NULL, &answer);

	if (status != CLI_OK)
		return status;
	if (args->json)
		cli_print_span(answer);
	else
		for (; span_next_element(answer, &at, &server); n++)
			print_server(server);
	if (n == 0 && !args->json)
		cli_say(0, "there are no servers; hawser init moves those of your MCP clients here, or write "
			   "hawser.yaml (hawser help config)");
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
		status = look(&w, args);
	wire_close(&w);
	return status;
}
