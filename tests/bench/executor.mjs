// SPDX-License-Identifier: Apache-2.0
// A peer of the bench: mcp-use's in-process VM executor (npm), obeying lines {"code"} on stdin; answers {"result","error","ms"}.
// executor.mjs PATH_OF_MCP_USE_CLIENT COMMAND ARG...
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

process.env.MCP_USE_ANONYMIZED_TELEMETRY = 'false'; // nothing leaves this machine
const [library, command, ...args] = process.argv.slice(2);
const { MCPClient } = await import(pathToFileURL(library).href);
const client = new MCPClient({ mcpServers: { everything: { command, args } } }, { codeMode: true });
await client.createAllSessions();
process.stdout.write('ready\n');
for await (const line of createInterface({ input: process.stdin })) {
  const begin = performance.now();
  const { result, error } = await client.executeCode(JSON.parse(line).code, 120_000);
  process.stdout.write(JSON.stringify({ result, error, ms: performance.now() - begin }) + '\n');
}
await client.close();
process.exit(0);
