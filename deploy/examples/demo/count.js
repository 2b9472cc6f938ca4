// Runs in a sandbox that has no network and sees none of these files: every look at them is a tool call.
// One program, some fifty calls; the model that wrote it would read one answer.
const text = (value) => (typeof value === "string" ? value : value.content);

async function walk(path) {
  const lines = text(await files.list_directory({ path })).split("\n");
  const names = (mark) => lines.filter((l) => l.startsWith(mark)).map((l) => `${path}/${l.slice(mark.length)}`);
  const below = await Promise.all(names("[DIR] ").map(walk));
  return names("[FILE] ").concat(...below);
}

const tops = ["base", "broker", "deploy", "policy", "providers", "tunnel"];
const found = (await Promise.all(tops.map(walk))).flat();
const kinds = {};
for (const name of found) {
  const kind = /\.(\w+)$/.exec(name)?.[1] ?? "other";
  kinds[kind] = (kinds[kind] ?? 0) + 1;
}
console.log(`walked ${tops.length} folders`);
return { files: found.length, kinds };
