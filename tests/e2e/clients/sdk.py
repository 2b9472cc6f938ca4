# SPDX-License-Identifier: Apache-2.0
"""The Python SDK as a client of `hawser mcp`; README.md says what it is asked to do.

    python3 sdk.py FOLDER_OF_THE_PACKAGE REVISION|pin|auto HAWSER ARGUMENTS...
"""
import json
import os
import re
import sys

folder, mode, command, *args = sys.argv[1:]
sys.path.insert(0, folder)
# pylint: disable=wrong-import-position,import-error
import anyio
import mcp.client.session
from mcp import MCPError, StdioServerParameters
from mcp.client import Client
from mcp.types import ElicitResult

ASKS = mode == "auto" or mode >= "2025-06-18"  # elicitation came with this revision
ANSWERS = [ElicitResult(action="accept", content={"decision": "allow"}),
           ElicitResult(action="accept", content={"decision": "refuse"}),
           ElicitResult(action="decline"), ElicitResult(action="cancel")]
questions = []


def say(step):
    print(json.dumps(step), flush=True)


async def told():
    await anyio.to_thread.run_sync(sys.stdin.readline)


def text(result):
    return "".join(item.text for item in result.content)


async def on_asked(_context, params):
    questions.append(params.message)
    return ANSWERS[len(questions) - 1]


def maker():
    asked = on_asked if ASKS else None
    server = StdioServerParameters(command=command, args=args, env=dict(os.environ))
    if mode == "pin":
        return Client(server, mode="2026-07-28", elicitation_callback=asked)
    if mode == "auto":
        return Client(server, elicitation_callback=asked)
    mcp.client.session.LATEST_HANDSHAKE_VERSION = mode  # it always asks for its newest revision
    return Client(server, mode="legacy", elicitation_callback=asked)


async def cancel(run):
    """Cancels a run when told; True if its caller never got an answer."""
    answered = False

    async def begun(*_):
        say({"step": "begun"})

    async with anyio.create_task_group() as group:
        async def caller():
            nonlocal answered
            await run("console.log('begun'); await fixture.never({})", begun)
            answered = True
        group.start_soon(caller)
        await told()
        group.cancel_scope.cancel()
    return not answered


async def drive(client):
    async def run(code, progress=None):
        return await client.call_tool("execute_code", {"code": code, "language": "javascript"},
                                      progress_callback=progress)

    seen = []

    async def on_progress(progress, _total, _message):
        seen.append(progress)

    out = {"revision": client.session.protocol_version, "instructions": len(client.instructions) > 100,
           "prompt": len((await client.get_prompt("code_mode")).messages),
           "tools": sorted(t.name for t in (await client.list_tools()).tools)}
    out["found"] = "fixture.echo" in text(await client.call_tool("search_tools", {"query": "echo"}))
    done = await run("console.log(1); await new Promise((r) => setTimeout(r, 2000)); console.log(2); "
                     "await new Promise((r) => setTimeout(r, 400)); return (await fixture.echo({n: 3})).n", on_progress)
    out["value"] = text(done).split("\n", maxsplit=1)[0]
    out["structured"] = (done.structured_content or {}).get("result")
    out["progress"] = len(seen) >= 2 and all(a < b for a, b in zip(seen, seen[1:]))
    out["failed"] = (await run("throw new TypeError('no')")).is_error
    out["writes"] = []
    for n in range(1, len(ANSWERS) + 1):
        words = text(await run("try { return await fixture.write_note({n: %d}) } "
                               "catch (e) { return e.name + ' ' + e.kind }" % n))
        out["writes"].append(words.split("\n", maxsplit=1)[0])
    out["questions"] = questions
    out["errors"] = []
    out["aborted"] = await cancel(run)
    say({"step": "cancelled"})
    await told()
    last, out["waits"] = text(await run("await new Promise((r) => setTimeout(r, 1100)); return 'late'")), 0
    while last.startswith("Still ") and out["waits"] < 100:
        last = text(await client.call_tool("wait_run", {"run_id": re.search(r'"run_id":"(\w+)"', last)[1]}))
        out["waits"] += 1
    out["late"] = last.split("\n", maxsplit=1)[0]
    return out


async def main():
    async with maker() as client:
        if mode != "pin":
            say(await drive(client))
            return
        try:
            await client.list_tools()
        except MCPError as e:
            say({"refused": {"code": e.error.code, **e.error.data}})


anyio.run(main)
