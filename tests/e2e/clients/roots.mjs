// SPDX-License-Identifier: Apache-2.0
// The TypeScript SDK as a client with roots: what server-filesystem, as the server fs behind `hawser mcp`, allows with the
// first folder, and after they have changed to the second.
//   node roots.mjs FOLDER_OF_THE_PACKAGE FOLDER FOLDER HAWSER ARGUMENTS...
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [folder, first, second, command, ...args] = process.argv.slice(2);
const require = createRequire(folder + "/package.json");
const load = (name) => import(pathToFileURL(require.resolve("@modelcontextprotocol/sdk/" + name)));
const { Client } = await load("client/index.js");
const { StdioClientTransport } = await load("client/stdio.js");
const { ListRootsRequestSchema } = await load("types.js");

const client = new Client({ name: "roots", version: "1" }, { capabilities: { roots: { listChanged: true } } });
let now = first;
client.setRequestHandler(ListRootsRequestSchema, async () => ({
  roots: [{ uri: pathToFileURL(now).href, name: "the folder" }],
}));
await client.connect(new StdioClientTransport({ command, args, env: process.env, stderr: "inherit" }));
const look = async () => {
  const code = "return (await fs.list_allowed_directories({})).content";
  return (await client.callTool({ name: "execute_code", arguments: { code, language: "javascript" } })).structuredContent.result;
};
const before = await look();
now = second;
await client.sendRootsListChanged();
console.log(JSON.stringify([before, await look()]));
await client.close();
