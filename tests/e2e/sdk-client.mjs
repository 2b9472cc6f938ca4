// SPDX-License-Identifier: Apache-2.0
// The official MCP SDK as a client of `hawser mcp`: node sdk-client.mjs SDK_FOLDER HAWSER [ARGUMENTS...]. Prints JSON.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [sdk, command, ...args] = process.argv.slice(2);
const require = createRequire(sdk + "/package.json");
const load = (name) => import(pathToFileURL(require.resolve("@modelcontextprotocol/sdk/" + name)));
const { Client } = await load("client/index.js");
const { StdioClientTransport } = await load("client/stdio.js");

const client = new Client({ name: "sdk", version: "1" });
await client.connect(new StdioClientTransport({ command, args, env: process.env, stderr: "inherit" }));
const progress = [];
const run = (code, options) =>
  client.callTool({ name: "execute_code", arguments: { code, language: "javascript" } }, undefined, options);
const out = { server: client.getServerVersion().name, instructions: client.getInstructions().length };
out.tools = (await client.listTools()).tools.map((t) => t.name).sort();
out.prompt = (await client.getPrompt({ name: "code_mode" })).messages.length;
out.value = (await run("return (await fixture.echo({n: 3})).n")).structuredContent.result;
out.failed = (await run("throw new TypeError('no')")).isError;
await run("console.log(1); await new Promise((r) => setTimeout(r, 1500)); console.log(2)", {
  onprogress: (p) => progress.push(p.progress),
});
out.progress = progress.length > 0 && progress.every((p, i) => i === 0 || p > progress[i - 1]);
const aborter = new AbortController();
setTimeout(() => aborter.abort(), 300);
out.aborted = await run("await new Promise(() => setInterval(() => 0, 1000))", { signal: aborter.signal }).then(() => false, () => true);
out.after = (await run("return 'alive'")).structuredContent.result;
out.search = (await client.callTool({ name: "search_tools", arguments: { query: "echo" } })).structuredContent.results[0].name;
await client.close();
console.log(JSON.stringify(out));
