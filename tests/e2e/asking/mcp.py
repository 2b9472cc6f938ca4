#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Calls that wait for the person behind an MCP client: elicitation, by hand; tests/e2e/clients has the SDKs."""
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "support"))
# pylint: disable=wrong-import-position
from follower import Follower
from hawser import FIXTURE, Home, Mcp, text_of
from tap import Cases

cases = Cases()
FORMS = {"elicitation": {}}
CAUGHT = "try { return await fixture.write_note({a: 1}) } catch (e) { return e.kind }"


def asking(more=None):
    return Home({"mcpServers": {"fixture": {"command": sys.executable, "args": [FIXTURE]}}, **(more or {})})


def client(home, capabilities=None, revision="2025-11-25"):
    """A client that can be asked; what it is asked is in its notes, in order."""
    mcp = Mcp(home.popen("mcp", stdin=subprocess.PIPE, stdout=subprocess.PIPE), None)
    mcp.hello = mcp.ask("initialize", protocolVersion=revision, clientInfo={"name": "a \u202eclient", "version": "1"},
                        capabilities=FORMS if capabilities is None else capabilities)
    mcp.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
    return mcp


def until(mcp, method):
    """The next message with this method; others are kept."""
    for message in mcp.notes:
        if message.get("method") == method:
            mcp.notes.remove(message)
            return message
    while True:
        message = mcp.message()
        if message.get("method") == method:
            return message
        mcp.notes.append(message)


def answer(mcp, question, result=None, error=None):
    mcp.send({"jsonrpc": "2.0", "id": question["id"], **({"error": error} if error else {"result": result})})


def accept(decision):
    return {"action": "accept", "content": {"decision": decision}}


def value(reply):
    return reply["result"]["structuredContent"]["result"]


@cases.table([
    ("allowed", accept("allow"), {"a": 1}),
    ("refused in the form", accept("refuse"), "approval_refused"),
    ("declined", {"action": "decline"}, "approval_refused"),
    ("dismissed", {"action": "cancel"}, "approval_refused"),
    ("accepted without a decision", {"action": "accept", "content": {}}, "approval_refused"),
    ("no object", {"action": ["accept"], "content": "allow"}, "approval_refused"),
])
def an_answer(result, expected):
    with asking() as home, client(home) as mcp:
        call = mcp.begin_tool("execute_code", code=CAUGHT)
        question = until(mcp, "elicitation/create")
        params = question["params"]
        assert "fixture.write_note wants your word" in params["message"] and "a: 1" in params["message"], params
        assert params["requestedSchema"]["properties"]["decision"]["enum"][0] == "allow", params
        answer(mcp, question, result)
        got = value(mcp.reply(call))
        assert got == expected, got
        with open(home.path("state", "hawser", "audit.jsonl"), encoding="utf-8") as f:
            line = json.loads(f.read().splitlines()[-1])
        assert line["answered_by"] == "elicitation of a ???client", line


@cases.add
def a_project_s_server_is_told_from_the_user_s_own():
    """Its name looks the same, and default: allow, which is about the user's own servers, does not let it through."""
    with asking({"include": ["project"], "policy": {"default": "allow"}}) as home:
        name, file = "f\u0456xture", home.path("work", ".mcp.json")
        home.write("work/.mcp.json", json.dumps({"mcpServers": {name: {"command": sys.executable, "args": [FIXTURE]}}}))
        trusted = home.run("trust", file, "--yes")
        assert trusted.returncode == 0 and "f\\u0456xture" in trusted.stdout and "default: allow" in trusted.stdout, trusted
        with client(home) as mcp:
            assert value({"result": mcp.code(CAUGHT)}) == {"a": 1}
            call = mcp.begin_tool("execute_code", code=CAUGHT.replace("fixture.write_note(", "call_tool('%s', 'write_note', " % name))
            question = until(mcp, "elicitation/create")
            first = question["params"]["message"].split("\n")[0]
            assert "f\\u0456xture.write_note (a server of the project's file %s) wants your word" % file in first, first
            answer(mcp, question, accept("refuse"))
            assert value(mcp.reply(call)) == "approval_refused"


@cases.table([
    ("no elicitation", {}),
    ("URLs only", {"elicitation": {"url": {}}}),
])
def a_client_that_cannot_ask(capabilities):
    with asking() as home, client(home, capabilities) as mcp:
        assert value({"result": mcp.code(CAUGHT)}) == "denied"


@cases.add
def a_client_that_says_it_can_and_cannot():
    with asking() as home, client(home) as mcp:
        call = mcp.begin_tool("execute_code", code=CAUGHT)
        answer(mcp, until(mcp, "elicitation/create"), error={"code": -32601, "message": "no such method"})
        assert value(mcp.reply(call)) == "denied"


@cases.add
def one_question_after_the_other():
    code = """const end = (p) => p.then(() => 'ok', (e) => e.kind);
    return Promise.all([end(fixture.write_note({n: 1})), end(fixture.delete_note({n: 2}))])"""
    with asking() as home, client(home) as mcp:
        call = mcp.begin_tool("execute_code", code=code)
        first = until(mcp, "elicitation/create")
        n = [i for i in (1, 2) if "n: %d" % i in first["params"]["message"]]
        assert len(n) == 1, first
        assert not [m for m in mcp.notes if m.get("method") == "elicitation/create"]
        answer(mcp, first, accept("allow"))
        second = until(mcp, "elicitation/create")
        assert "n: %d" % (3 - n[0]) in second["params"]["message"] and first["id"] != second["id"], second
        answer(mcp, first, accept("allow"))  # once more: answers nothing
        answer(mcp, second, accept("refuse"))
        assert value(mcp.reply(call)) == (["ok", "approval_refused"] if n == [1] else ["approval_refused", "ok"])


@cases.add
def answered_in_another_window_first():
    with asking() as home, client(home) as mcp, Follower(home) as follower:
        call = mcp.begin_tool("execute_code", code=CAUGHT)
        question = until(mcp, "elicitation/create")
        follower.answer(follower.asked())
        cancelled = until(mcp, "notifications/cancelled")
        assert cancelled["params"]["requestId"] == question["id"], cancelled
        answer(mcp, question, accept("refuse"))
        assert value(mcp.reply(call)) == {"a": 1}


@cases.add
def the_questions_of_others_are_not_put_to_this_client():
    with asking() as home, client(home) as mcp, Follower(home) as follower:
        process = home.popen("call", "fixture.write_note", stdout=subprocess.DEVNULL)
        follower.answer(follower.asked())
        assert process.wait(30) == 0
        assert not [m for m in mcp.notes if m.get("method") == "elicitation/create"]
        mcp.ask("ping")


@cases.add
def a_cancelled_request_takes_the_question_back():
    with asking() as home, client(home) as mcp:
        call = mcp.begin_tool("execute_code", code=CAUGHT)
        question = until(mcp, "elicitation/create")
        mcp.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": call}})
        assert until(mcp, "notifications/cancelled")["params"]["requestId"] == question["id"]
        assert json.loads(home.run("approvals", "--json").stdout) == []


@cases.add
def progress_and_a_yield_say_that_it_waits():
    with asking({"limits": {"yield_ms": 1500}}) as home, client(home) as mcp:
        call = mcp.begin_tool("execute_code", token="t", code=CAUGHT)
        question = until(mcp, "elicitation/create")
        said = [m["params"]["message"] for m in mcp.notes if m.get("method") == "notifications/progress"]
        assert any(m.startswith("waiting for a person") for m in said), said
        yielded = mcp.reply(call)["result"]
        assert "waiting for a person" in text_of(yielded) and yielded["structuredContent"]["status"] == "running", yielded
        answer(mcp, question, accept("allow"))
        done = mcp.tool("wait_run", run_id=yielded["structuredContent"]["run_id"])
        assert done["structuredContent"]["result"] == {"a": 1}, done


if __name__ == "__main__":
    sys.exit(cases.main())
