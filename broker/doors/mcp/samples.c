/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/doors/mcp/samples.h"

/* The first one stands in initialize.instructions too. */
const struct mcp_sample mcp_samples[] = {
	{"Call many tools in one program and return only what matters:", "javascript",
	 "const paths = [\"a.txt\", \"b.txt\"];\n"
	 "const texts = await Promise.all(paths.map((path) => files.read_file({ path })));\n"
	 "return paths.map((path, i) => ({ path, length: JSON.stringify(texts[i]).length }));"},
	{"Find tools by words, then look at one's parameters:", "javascript",
	 "const found = await search_tools(\"read file\", \"full\");\n"
	 "return found.results.slice(0, 3).map((t) => [t.server, t.name, t.input_schema]);"},
	{"A tool that fails throws a ToolError with kind, message and often fix:", "javascript",
	 "try {\n"
	 "  await files.read_file({ path: \"no such file\" });\n"
	 "} catch (e) {\n"
	 "  return { kind: e.kind, fix: e.fix };\n"
	 "}"},
	{"Python: the last expression is the result.", "python",
	 "listing = await files.list_directory(path=\".\")\n"
	 "print(listing)\n"
	 "len(str(listing))"},
	{"Names that are no identifiers go by call_tool:", "python",
	 "await call_tool(\"files\", \"list_directory\", {\"path\": \".\"})"},
	{"Shell: the `tool` command.", "bash", "tool call files.list_directory --json '{\"path\": \".\"}' | head -5"},
};
const size_t mcp_sample_count = sizeof(mcp_samples) / sizeof(mcp_samples[0]);
