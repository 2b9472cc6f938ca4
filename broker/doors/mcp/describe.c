/* SPDX-License-Identifier: Apache-2.0 */
/* What a client reads before it calls anything: initialize, tools, the prompt. Every word here is paid for in each
 * conversation; tests/e2e/mcp.py holds the sizes. */
#include "broker/doors/mcp/internal.h"
#include "broker/doors/mcp/samples.h"
#include "broker/doors/mcp/tables.h"

#include <stdio.h>
#include <string.h>

enum { SERVERS_NAMED_MAX = 32 };

static const char execute_text[] = "Run a program in a sandbox (no network, no files of the user). It can call the "
				   "tools of the connected MCP servers: "
				   "`await server.tool({...})` in JavaScript, `await server.tool(a=1)` in Python, "
				   "`tool call server.tool --json '{...}'` in "
				   "bash. Prefer one program with many calls to many small runs. `return` a value "
				   "(Python: last expression), console.log "
				   "what helps; both come back. Find tools with search_tools, here or in code.";
static const char wait_text[] =
	"Wait for a run that was still running, end it (cancel), or read more of a long result (offset).";
static const char search_text[] =
	"Find tools that code can call: words of a name, description or parameter; \"\" lists all, page by page.";

#define RESULT_SCHEMA                                                                                                  \
	"{\"type\":\"object\",\"properties\":{\"run_id\":{\"type\":\"string\"},\"status\":{\"type\":\"string\"},"      \
	"\"result\":{},\"logs\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}},\"error\":{\"type\":[\"string\"," \
	"\"null\"]},\"execution_time\":{\"type\":\"number\"}},\"required\":[\"run_id\",\"status\"]}"
#define SEARCH_SCHEMA                                                                                          \
	"{\"type\":\"object\",\"properties\":{\"meta\":{\"type\":\"object\"},\"results\":{\"type\":\"array\"," \
	"\"items\":"                                                                                           \
	"{\"type\":\"object\"}}},\"required\":[\"meta\",\"results\"]}"

struct description {
	const char *name, *title, *text, *output_schema, *annotations;
};
static const struct description descriptions[] = {
	{"execute_code", "Run code", execute_text, RESULT_SCHEMA,
	 "{\"readOnlyHint\":false,\"destructiveHint\":true,\"idempotentHint\":false,\"openWorldHint\":true}"},
	{"search_tools", "Find tools", search_text, SEARCH_SCHEMA,
	 "{\"readOnlyHint\":true,\"destructiveHint\":false,\"idempotentHint\":true,\"openWorldHint\":false}"},
	{"wait_run", "Wait for a run", wait_text, RESULT_SCHEMA,
	 "{\"readOnlyHint\":false,\"destructiveHint\":false,\"idempotentHint\":true,\"openWorldHint\":false}"},
};

static int put_schema(const struct client *c, const char *name, struct buf *out)
{
	if (strcmp(name, "execute_code") == 0)
		return run_request_schema(c ? client_config(c) : NULL, out);
	if (strcmp(name, "search_tools") == 0)
		return json_table_schema(search_request_table, search_request_count, out);
	return json_table_schema(mcp_wait_table, mcp_wait_count, out);
}

static int put_tool(const struct mcp *m, const struct description *d, struct buf *out)
{
	int r = buf_printf(out, "{\"name\":\"%s\",", d->name);

	if (r == 0 && m->revision >= MCP_2025_06_18)
		r = buf_printf(out, "\"title\":\"%s\",\"outputSchema\":%s,", d->title, d->output_schema);
	if (r == 0 && m->revision >= MCP_2025_03_26)
		r = buf_printf(out, "\"annotations\":%s,", d->annotations);
	if (r == 0)
		r = buf_append_str(out, "\"description\":");
	if (r == 0)
		r = buf_append_json(out, d->text, strlen(d->text));
	if (r == 0)
		r = buf_append_str(out, ",\"inputSchema\":");
	if (r == 0)
		r = put_schema(door_client_get(m->o.client), d->name, out);
	return r < 0 ? r : buf_append_str(out, "}");
}

int mcp_put_tools(const struct mcp *m, struct buf *out)
{
	int r = buf_append_str(out, "{\"tools\":[");

	for (size_t i = 0; i < ARRAY_SIZE(descriptions) && r == 0; i++) {
		if (i > 0)
			r = buf_append_str(out, ",");
		if (r == 0)
			r = put_tool(m, &descriptions[i], out);
	}
	return r < 0 ? r : buf_append_str(out, "]}");
}

static int put_sample(const struct mcp_sample *s, struct buf *out)
{
	return buf_printf(out, "%s\n```%s\n%s\n```\n", s->what, s->language, s->code);
}

/* Names of the servers as code writes them. */
static int put_servers(const struct client *c, struct buf *out)
{
	const struct config *config = c ? client_config(c) : NULL;
	size_t named = 0;
	int r = 0;

	for (size_t i = 0; config && i < config->server_count && r == 0; i++) {
		if (config->servers[i].disabled)
			continue;
		if (named == SERVERS_NAMED_MAX)
			return buf_append_str(out, ", ...\n");
		r = buf_printf(out, "%s%s", named++ ? ", " : "Servers: ", config->servers[i].id);
	}
	return r < 0 || named == 0 ? r : buf_append_str(out, "\n");
}

static int put_instructions(const struct client *c, struct buf *out)
{
	int r = buf_append_str(
		out, "Hawser runs your code in a sandbox and carries its tool calls to the user's MCP servers, under "
		     "the user's policy. Write one program with execute_code instead of calling tools one by one; "
		     "only what it returns or prints comes back. ");

	if (r == 0)
		r = put_sample(&mcp_samples[0], out);
	return r < 0 ? r : put_servers(c, out);
}

int mcp_put_initialize(struct mcp *m, struct buf *out)
{
	_cleanup_buf_ struct buf text = BUF_INIT(64 * 1024);
	int r;

	door_client_check(m->o.client);
	r = put_instructions(door_client_get(m->o.client), &text);
	if (r == 0)
		r = buf_append_str(out,
				   "\"capabilities\":{\"tools\":{},\"prompts\":{}},\"serverInfo\":{\"name\":\"hawser\","
				   "\"title\":\"Hawser\",\"version\":\"" HAWSER_VERSION "\"},\"instructions\":");
	if (r == 0)
		r = buf_append_json(out, (const char *)buf_head(&text), text.len);
	return r < 0 ? r : buf_append_str(out, "}");
}

#define PROMPT_TEXT "How to write code for execute_code, with samples."

int mcp_put_prompts(struct buf *out)
{
	return buf_append_str(
		out,
		"{\"prompts\":[{\"name\":\"code_mode\",\"title\":\"Code mode\",\"description\":\"" PROMPT_TEXT "\"}]}");
}

int mcp_put_prompt(const struct client *c, struct buf *out)
{
	_cleanup_buf_ struct buf text = BUF_INIT(64 * 1024);
	int r = buf_append_str(
		&text, "Work by writing programs for the tool execute_code: each MCP server is an object, each of "
		       "its tools a function that takes named arguments. A tool's value is its structured content, "
		       "else its text (parsed if it is a JSON object or array). Programs have no network and no "
		       "files of the user; /tmp is theirs while they run. Keep big values in the program and return "
		       "what matters.\n\n");

	for (size_t i = 0; i < mcp_sample_count && r == 0; i++)
		r = put_sample(&mcp_samples[i], &text);
	if (r == 0)
		r = put_servers(c, &text);
	if (r == 0)
		r = buf_append_str(out,
				   "{\"description\":\"" PROMPT_TEXT "\",\"messages\":[{\"role\":\"user\",\"content\":"
				   "{\"type\":\"text\",\"text\":");
	if (r == 0)
		r = buf_append_json(out, (const char *)buf_head(&text), text.len);
	return r < 0 ? r : buf_append_str(out, "}}]}");
}
