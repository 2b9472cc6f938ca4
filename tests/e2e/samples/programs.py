# SPDX-License-Identifier: Apache-2.0
"""Programs in the shape of those that the documents of earlier projects show an agent: the names that they use, how they pass
arguments, what they do with the answer. Written anew, one row each:

    source, names, arguments, flow, language, aliases, code, wanted

aliases: it needs the shims' table of earlier spellings. wanted: the value, or ("log", lines) where it only prints.
"""
JS, TS, PY = "javascript", "typescript", "python"

ROWS = [
    # mcp-use, code mode for JavaScript: servers are objects, one object of arguments, return
    ("mcp-use js, first example", "server.tool", "one object", "await, log, return", JS, False, """
const listing = await filesystem.list_directory({ path: "." });
console.log("Listing:", listing);
return listing.split("\\n").length;""", 3),
    ("mcp-use js, agent prompt", "search_tools, server.tool", "text; one object", "iterate the answer, then call", JS, False, """
const tools = await search_tools("github pull request");
console.log(`Found ${tools.length} tools`);
for (const tool of tools) {
  console.log(`${tool.server}.${tool.name}: ${tool.description}`);
}
const pr = await github.get_pull_request({ owner: "facebook", repo: "react", number: 3 });
return { title: pr.title, found: tools.map((t) => t.name).includes("get_pull_request") };""", {"title": "Pull 3", "found": True}),
    ("mcp-use js, agent prompt of the later version", "search_tools().results, .meta", "text, detail level", "destructuring", JS, False, """
const { results, meta } = await search_tools("pull", "names");
return [meta.total_tools > 5, meta.namespaces.includes("github"), results.every((r) => Object.keys(r).sort().join() === "name,server")];""",
     [True, True, True]),
    ("mcp-use js, namespaces", "__tool_namespaces", "-", "for of, globalThis[name]", JS, False, """
const out = [];
for (const ns of __tool_namespaces) if (typeof globalThis[ns].anything === "function") out.push(ns);
return out.includes("github") && out.includes("slack");""", True),
    ("mcp-use js, data processing", "server.tool", "one object", "filter, reduce", JS, False, """
const pulls = await github.list_pull_requests({ owner: "facebook", repo: "react", state: "open" });
const byUser = pulls.filter(p => p.state === "open").reduce((acc, p) => {
  acc[p.user.login] = (acc[p.user.login] || 0) + 1;
  return acc;
}, {});
return byUser;""", {"u0": 1, "u1": 1, "u2": 1}),
    ("mcp-use js, several servers", "server.tool", "one object", "sequential, Promise.all", JS, False, """
const numbers = [1, 3, 5];
const prs = await Promise.all(numbers.map(number => github.get_pull_request({ owner: "o", repo: "r", number })));
const text = prs.map(pr => `#${pr.number} ${pr.title}`).join(", ");
const sent = await slack.post_message({ channel: "dev", text });
return sent.ok ? text : "failed";""", "#1 Pull 1, #3 Pull 3, #5 Pull 5"),
    ("mcp-use js, error handling", "server.tool", "one object", "try, catch, finally", JS, False, """
try {
  return await filesystem.read_file({ path: "/nowhere" });
} catch (error) {
  console.error("Failed:", error.message);
  return null;
} finally {
  console.log("done");
}""", None),
    ("mcp-use js, waiting", "setTimeout", "-", "loop with a pause", JS, False, """
let tries = 0;
while (tries < 3) {
  tries++;
  await new Promise(resolve => setTimeout(resolve, 5));
}
return tries;""", 3),
    # mcp-use, code mode for Python: keyword arguments, top-level await and return
    ("mcp-use py, first example", "server.tool", "keywords", "await, print, return", PY, False, """
listing = await filesystem.list_directory(path=".")
print(f"Listing: {listing}")
return len(listing.splitlines())""", 3),
    ("mcp-use py, agent prompt", "search_tools, server.tool", "text; keywords", "iterate the answer, then call", PY, False, """
tools = await search_tools("github pull request")
print(f"Found {len(tools)} tools")
for tool in tools:
    print(f"{tool['server']}.{tool['name']}: {tool['description']}")
pr = await github.get_pull_request(owner="facebook", repo="react", number=3)
return {"title": pr["title"]}""", {"title": "Pull 3"}),
    ("mcp-use py, detail levels", "search_tools(detail_level=)", "keywords", "subscript", PY, False, """
found = await search_tools(query="pull", detail_level="names")
return [found["meta"]["total_tools"] > 5, sorted(found["results"][0].keys())]""", [True, ["name", "server"]]),
    ("mcp-use py, data processing", "server.tool", "keywords", "comprehension, average", PY, False, """
pulls = await github.list_pull_requests(owner="facebook", repo="react")
numbers = [p["number"] for p in pulls if p["state"] == "open"]
result = {"count": len(numbers), "average": sum(numbers) / len(numbers)}
return result""", {"count": 3, "average": 3.0}),
    ("mcp-use py, nested function", "server.tool", "keywords", "async def, gather", PY, False, """
import asyncio

async def title(number):
    pr = await github.get_pull_request(owner="o", repo="r", number=number)
    return pr["title"]

titles = await asyncio.gather(*[title(n) for n in (1, 2)])
return list(titles)""", ["Pull 1", "Pull 2"]),
    ("mcp-use py, error handling", "server.tool", "keywords", "try, except", PY, False, """
try:
    text = await filesystem.read_file(path="/nowhere")
except Exception as e:
    text = None
    print(f"Error: {e}")
return text""", None),
    ("mcp-use py, namespaces", "__tool_namespaces", "-", "list", PY, False, """
print(__tool_namespaces)
return "github" in __tool_namespaces""", True),
    # code-executor-MCP, TypeScript: callMCPTool with the full name, answers used as they come, output by console.log
    ("code-executor ts, read a file", "callMCPTool", "full name, object", "await, log", TS, True, """
const result = await callMCPTool('mcp__filesystem__read_file', {
  path: './package.json'
});
console.log(result);""", ("log", ["{ name: 'app', version: '1.2.3' }"])),
    ("code-executor ts, review and commit", "callMCPTool", "full name, object", "chain of answers", TS, True, """
const file: string = await callMCPTool('mcp__filesystem__read_file', { path: '/src/app.ts' });
const review = await callMCPTool('mcp__zen__codereview', { code: file });
const fixed = review.suggestions.replace(/let /g, 'const ');
await callMCPTool('mcp__filesystem__write_file', { path: '/src/app.ts', content: fixed });
await callMCPTool('mcp__git__commit', { message: 'fix: ' + review.issues });
console.log('Fixes applied and committed');
console.log(await callMCPTool('mcp__filesystem__read_file', { path: '/src/app.ts' }));""",
     ("log", ["Fixes applied and committed", "const a = 1 // fast"])),
    ("code-executor ts, discovery", "discoverMCPTools, searchTools, getToolSchema", "none; words; full name", "length, find", TS, True, """
const tools = await discoverMCPTools();
const fileTools = await searchTools('file read write');
const schema = await getToolSchema('mcp__filesystem__read_file');
const names: string[] = fileTools.map((t: { name: string }) => t.name);
return [tools.length > 10, names.includes('mcp__filesystem__read_file'), schema.parameters.required];""", [True, True, ["path"]]),
    ("code-executor ts, discovery with terms", "discoverMCPTools", "object with search", "for of, template", TS, True, """
interface Tool { name: string; description: string; parameters: unknown }
const tools: Tool[] = await discoverMCPTools({ search: ['pull', 'request'] });
for (const tool of tools) console.log(`${tool.name}`);
return tools.some(t => t.name === 'mcp__github__get_pull_request');""", True),
    ("code-executor ts, several actions", "callMCPTool", "full name, object", "sequence in one program", TS, True, """
await callMCPTool('mcp__playwright__browser_navigate', { url: 'https://example.com' });
const title = await callMCPTool('mcp__playwright__browser_evaluate', {
  script: 'document.title'
});
console.log('Page title:', title.value);""", ("log", ["Page title: Example Domain"])),
    ("code-executor ts, several servers", "callMCPTool", "full name, {}", "Promise.all, shorthand return", TS, True, """
const [tables, branches] = await Promise.all([
  callMCPTool('mcp__supabase__list_tables', {}),
  callMCPTool('mcp__github__list_branches', {})
]);
return { tables, branches };""", {"tables": ["users"], "branches": ["main", "next"]}),
    ("code-executor ts, a tool with hyphens", "callMCPTool", "full name, object", "default with ||", TS, True, """
const docs = await callMCPTool('mcp__context7__get-library-docs', { context7CompatibleLibraryID: '/node/node' } as Record<string, string>);
return docs.docs || [];""", ["/node/node"]),
    ("code-executor ts, error handling", "callMCPTool", "full name, object", "try, catch with unknown", TS, True, """
try {
  await callMCPTool('mcp__filesystem__read_file', { path: '/nope' });
} catch (e: unknown) {
  if (!(e as Error).message.includes('not found')) throw e;
  console.log('caught');
}""", ("log", ["caught"])),
    # code-executor-MCP, Python: call_mcp_tool, a main function in asyncio.run, or plain calls
    ("code-executor py, asyncio.run", "call_mcp_tool, discover_mcp_tools", "full name, dict", "async def main, asyncio.run", PY, True, """
import asyncio

async def main():
    tools = await discover_mcp_tools(search_terms=['file'])
    print(f'{len(tools) > 0}')
    result = await call_mcp_tool('mcp__filesystem__read_file', {'path': './package.json'})
    print(result['version'])

asyncio.run(main())""", ("log", ["True", "1.2.3"])),
    ("code-executor py, plain calls", "call_mcp_tool", "full name, dict", "no await, json.dumps, return", PY, True, """
import json

result = call_mcp_tool('mcp__supabase__execute_sql', {
    'query': 'SELECT * FROM users LIMIT 10'
})
return json.dumps(sum(row['n'] for row in result['rows']))""", "10"),
    ("code-executor py, discovery", "discover_mcp_tools, search_tools, get_tool_schema", "words, number; full name", "await at the top", PY, True, """
tools = await discover_mcp_tools()
found = await search_tools('file read', limit=5)
schema = await get_tool_schema('mcp__github__add_comment')
[len(tools) > 10, any(t['name'] == 'read_file' for t in found), schema['parameters']['required']]""", [True, True, ["number", "body"]]),
    ("code-executor py, gather", "call_mcp_tool", "full name, dict", "asyncio.gather in asyncio.run", PY, True, """
import asyncio

async def main():
    results = await asyncio.gather(*[
        call_mcp_tool('mcp__github__add_comment', {'number': n, 'body': 'ok'}) for n in range(3)
    ])
    return [r['id'] for r in results]

print(asyncio.run(main()))""", ("log", ["[100, 101, 102]"])),
    ("code-executor py, main guard", "call_mcp_tool", "full name, keyword args", "if __name__ == '__main__'", PY, True, """
import asyncio

async def main() -> None:
    text = await call_mcp_tool('mcp__filesystem__read_file', args={'path': 'a.csv'})
    rows = [line.split(',') for line in text.strip().split('\\n')[1:]]
    print(sum(int(v) for _, v in rows))

if __name__ == '__main__':
    asyncio.run(main())""", ("log", ["4"])),
    # spellings that others use beside these
    ("elusznik bridge py", "mcp_server.tool", "keywords", "await, print", PY, False, """
data = await mcp_supabase.execute_sql(query="select 1")
print(len(data["rows"]))""", ("log", ["2"])),
    ("codex js", "tools.mcp__server__tool", "one object", "await, return", JS, True, """
const branches = await tools.mcp__github__list_branches({});
return branches[0];""", "main"),
    ("claude code names js", "mcp__server__tool as a function", "one object", "await, return", JS, False, """
return (await mcp__github__list_branches({}))[1];""", "next"),
]
