// Runs in a sandbox that has no network and sees none of these files: every look at them is a tool call.
// One program, some thirty calls; the model that wrote it would read one answer.

// What is in a folder: deploy/examples/files_server.py answers with a list, npm's server with lines of text.
async function list(path) {
  const { entries, content } = await files.list_directory({ path });
  if (entries) return entries.map(({ name, type }) => ({ name, folder: type === "directory" }));
  return content.split("\n").map((line) => ({ name: line.replace(/^\[\w+\] /, ""), folder: line.startsWith("[DIR]") }));
}

async function walk(path) {
  const found = await list(path);
  const below = await Promise.all(found.filter((e) => e.folder).map((e) => walk(`${path}/${e.name}`)));
  return found.filter((e) => !e.folder).map((e) => e.name).concat(...below);
}

const tops = ["base", "broker", "deploy", "policy", "providers", "tunnel"];
const names = (await Promise.all(tops.map(walk))).flat();
const kinds = {};
for (const name of names) {
  const kind = /\.(\w+)$/.exec(name)?.[1] ?? "other";
  kinds[kind] = (kinds[kind] ?? 0) + 1;
}
console.log(`walked ${tops.length} folders`);
return { files: names.length, kinds };
