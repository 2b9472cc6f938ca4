// SPDX-License-Identifier: Apache-2.0
// node --require no-schemas.cjs SERVER: an MCP server over stdio whose tools ask for any object. Looks at what is written
// until the list of tools has gone by, then steps aside.
'use strict';
const plain = process.stdout.write;
process.stdout.write = function write(chunk, ...rest) {
  if (!String(chunk).includes('"inputSchema"')) return plain.call(process.stdout, chunk, ...rest);
  process.stdout.write = plain;
  const message = JSON.parse(chunk);
  for (const tool of message.result.tools) tool.inputSchema = { type: 'object' };
  return plain.call(process.stdout, JSON.stringify(message) + '\n', ...rest);
};
