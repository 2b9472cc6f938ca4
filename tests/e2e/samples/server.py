# SPDX-License-Identifier: Apache-2.0
"""server.py NAME: a small MCP server that plays one of the servers that the field's samples call, with made-up answers."""
import json
import sys

FILES = {"./package.json": '{"name": "app", "version": "1.2.3"}', "/src/app.ts": "let a = 1 // slow", "a.csv": "n,v\nx,1\ny,3\n"}
PULLS = [{"number": n, "title": "Pull %d" % n, "state": "open" if n % 2 else "closed", "user": {"login": "u%d" % (n % 3)}} for n in range(1, 7)]


def pull(args):
    return next(p for p in PULLS if p["number"] == args["number"])


# server -> tool -> (description, required arguments, what it answers: text, or an object)
SERVERS = {
    "filesystem": {
        "read_file": ("Read a file from disk", ["path"], lambda a: FILES[a["path"]]),
        "write_file": ("Write a file", ["path", "content"], lambda a: FILES.update({a["path"]: a["content"]}) or "wrote " + a["path"]),
        "list_directory": ("List a directory", ["path"], lambda a: "\n".join("[FILE] " + f for f in sorted(FILES))),
    },
    "github": {
        "get_pull_request": ("Get a GitHub pull request", ["owner", "repo", "number"], pull),
        "list_pull_requests": ("List GitHub pull requests", ["owner", "repo"], lambda a: PULLS),
        "list_branches": ("List branches", [], lambda a: ["main", "next"]),
        "add_comment": ("Comment on a pull request", ["number", "body"], lambda a: {"id": 100 + a["number"]}),
    },
    "slack": {"post_message": ("Post a message to a channel", ["channel", "text"], lambda a: {"ok": True, "ts": "1." + a["channel"]})},
    "zen": {"codereview": ("Review code", ["code"], lambda a: {"suggestions": a["code"].replace("slow", "fast"), "issues": 1})},
    "git": {"commit": ("Commit what is staged", ["message"], lambda a: "committed: " + a["message"])},
    "playwright": {"browser_navigate": ("Open a page", ["url"], lambda a: "opened " + a["url"]),
                   "browser_evaluate": ("Run a script in the page", ["script"], lambda a: {"value": "Example Domain"})},
    "supabase": {"list_tables": ("List tables", [], lambda a: ["users"]),
                 "execute_sql": ("Run a query", ["query"], lambda a: {"rows": [{"id": 1, "n": 4}, {"id": 2, "n": 6}]})},
    "context7": {"get-library-docs": ("Docs of a library", ["context7CompatibleLibraryID"], lambda a: {"docs": [a["context7CompatibleLibraryID"]]})},
}


def answer(tools, method, params):
    if method == "initialize":
        return {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": {"name": "sample", "version": "1"}}
    if method == "tools/list":
        return {"tools": [{"name": name, "description": text, "inputSchema": {
            "type": "object", "properties": {r: {} for r in required}, "required": required}} for name, (text, required, _) in tools.items()]}
    try:
        value = tools[params["name"]][2](params["arguments"])
    except (KeyError, StopIteration) as e:
        return {"content": [{"type": "text", "text": "not found: %s" % e}], "isError": True}
    return {"content": [{"type": "text", "text": value if isinstance(value, str) else json.dumps(value)}]}


def main():
    tools = SERVERS[sys.argv[1]]
    for line in sys.stdin:
        message = json.loads(line)
        if "id" not in message:
            continue
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": answer(tools, message["method"], message.get("params", {}))}), flush=True)


if __name__ == "__main__":
    main()
