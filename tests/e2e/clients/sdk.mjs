// SPDX-License-Identifier: Apache-2.0
// The TypeScript SDK, version 1 or 2, as a client of `hawser mcp`; README.md says what it is asked to do.
//   node sdk.mjs 1|2 FOLDER_OF_THE_PACKAGE REVISION|pin|auto HAWSER ARGUMENTS...
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [version, folder, mode, command, ...args] = process.argv.slice(2);
const require = createRequire(folder + "/package.json");
const load = (name) => import(pathToFileURL(require.resolve(name)));
const say = (step) => console.log(JSON.stringify(step));
const asks = mode === "auto" || mode >= "2025-06-18"; // elicitation came with this revision
const told = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

const makers = {
  1: {
    load: async () => ({
      ...(await load("@modelcontextprotocol/sdk/client/index.js")),
      ...(await load("@modelcontextprotocol/sdk/client/stdio.js")),
      ...(await load("@modelcontextprotocol/sdk/types.js")),
    }),
    options: () => ({}),
    onAsked: (client, handler) => client.setRequestHandler(ElicitRequestSchema, handler),
    call: (client, params, options) => client.callTool(params, undefined, options),
  },
  2: {
    load: async () => ({
      ...(await load("@modelcontextprotocol/client")),
      ...(await load("@modelcontextprotocol/client/stdio")),
    }),
    options: () =>
      mode === "pin" ? { versionNegotiation: { mode: { pin: "2026-07-28" } } }
      : mode === "auto" ? { versionNegotiation: { mode } }
      : { supportedProtocolVersions: [mode] },
    onAsked: (client, handler) => client.setRequestHandler("elicitation/create", handler),
    call: (client, params, options) => client.callTool(params, options),
  },
};
const maker = makers[version];
const { Client, ElicitRequestSchema, StdioClientTransport } = await maker.load();

const questions = [];
const answers = [
  { action: "accept", content: { decision: "allow" } },
  { action: "accept", content: { decision: "refuse" } },
  { action: "decline" },
  { action: "cancel" },
];

async function connect(errors) {
  const capabilities = asks ? { elicitation: {} } : {};
  const client = new Client({ name: "sdk" + version, version: "1" }, { capabilities, ...maker.options() });
  if (asks)
    maker.onAsked(client, async (request) => answers[questions.push(request.params.message) - 1]);
  const transport = new StdioClientTransport({ command, args, env: process.env, stderr: "inherit" });
  const agreed = {};
  client.onerror = (e) => errors.push(String(e));
  transport.setProtocolVersion = (revision) => (agreed.revision = revision);
  if (version === "1") {
    // it always asks for its newest revision
    const send = transport.send.bind(transport);
    transport.send = (m, options) =>
      send(m.method === "initialize" ? { ...m, params: { ...m.params, protocolVersion: mode } } : m, options);
  }
  await client.connect(transport);
  return [client, agreed.revision];
}

const errors = [];
let client, revision;
try {
  [client, revision] = await connect(errors);
} catch (e) {
  say({ refused: { code: e.code, ...e.data } });
  process.exit(0);
}
const tool = (name, params, options) => maker.call(client, { name, arguments: params }, options);
const run = (code, options) => tool("execute_code", { code, language: "javascript" }, options);
const text = (result) => result.content.map((c) => c.text).join("");

const out = { revision, prompt: (await client.getPrompt({ name: "code_mode" })).messages.length };
out.instructions = client.getInstructions().length > 100;
out.tools = (await client.listTools()).tools.map((t) => t.name).sort();
out.found = text(await tool("search_tools", { query: "echo" })).includes("fixture.echo");
const progress = [];
const done = await run(
  "console.log(1); await new Promise((r) => setTimeout(r, 2000)); console.log(2); " +
    "await new Promise((r) => setTimeout(r, 400)); return (await fixture.echo({n: 3})).n",
  { onprogress: (p) => progress.push(p.progress) },
);
out.value = text(done).split("\n")[0];
out.structured = done.structuredContent?.result ?? null;
out.progress = progress.length >= 2 && progress.every((p, i) => i === 0 || p > progress[i - 1]);
out.failed = (await run("throw new TypeError('no')")).isError;
out.writes = [];
for (let n = 1; n <= answers.length; n++)
  out.writes.push(text(await run(`try { return await fixture.write_note({n: ${n}}) } catch (e) { return e.name + ' ' + e.kind }`)));
out.writes = out.writes.map((words) => words.split("\n")[0]);
out.questions = questions;
out.errors = errors.slice();

const aborter = new AbortController();
const aborted = run("console.log('begun'); await fixture.never({})", {
  signal: aborter.signal,
  onprogress: () => say({ step: "begun" }),
});
await told.next();
aborter.abort();
out.aborted = await aborted.then(() => false, () => true);
say({ step: "cancelled" });
await told.next();

let last = text(await run("await new Promise((r) => setTimeout(r, 1100)); return 'late'"));
for (out.waits = 0; last.startsWith("Still ") && out.waits < 100; out.waits++)
  last = text(await tool("wait_run", { run_id: last.match(/"run_id":"(\w+)"/)[1] }));
out.late = last.split("\n")[0];
await client.close();
say(out);
process.exit(0);
