// SPDX-License-Identifier: Apache-2.0
// The official MCP SDK as a client that is asked: node sdk-asked.mjs SDK_FOLDER HAWSER [ARGUMENTS...]. Prints JSON.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [sdk, command, ...args] = process.argv.slice(2);
const require = createRequire(sdk + "/package.json");
const load = (name) => import(pathToFileURL(require.resolve("@modelcontextprotocol/sdk/" + name)));
const { Client } = await load("client/index.js");
const { StdioClientTransport } = await load("client/stdio.js");
const { ElicitRequestSchema } = await load("types.js");

const client = new Client({ name: "sdk", version: "1" }, { capabilities: { elicitation: {} } });
const answers = [
  { action: "accept", content: { decision: "allow" } },
  { action: "accept", content: { decision: "refuse" } },
  { action: "cancel" },
];
const out = { messages: [] };
client.setRequestHandler(ElicitRequestSchema, async (request) => {
  out.messages.push(request.params.message);
  return answers.shift();
});
await client.connect(new StdioClientTransport({ command, args, env: process.env, stderr: "inherit" }));
const write = async (n) => {
  const code = `try { return await fixture.write_note({n: ${n}}) } catch (e) { return e.kind }`;
  const result = await client.callTool({ name: "execute_code", arguments: { code, language: "javascript" } });
  return result.structuredContent.result;
};
out.allowed = await write(1);
out.refused = await write(2);
out.dismissed = await write(3);
await client.close();
console.log(JSON.stringify(out));
