#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What clients, code and servers can ask for does not hold the broker's one loop. Its longest turn is counted by the clock,
so on a machine that others use a bound must leave room: what is tried here held it for half a second and more."""
import json
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from hawser import Home, text_of  # noqa: E402
from shipped import PYTHON  # noqa: E402
from tap import Cases  # noqa: E402

cases = Cases()
TURN_MS = 150

# A server whose schema conspires with its arguments, and one of nearly 4 MiB.
SERVER = """
import json, sys
deep = {"a0": False}
for i in range(1, 41):
    deep["a%d" % i] = {"anyOf": [{"$ref": "#/$defs/a%d" % (i - 1)}] * 2}
wide = {"type": "object", "properties": {"name_%d" % i: {"type": "string", "pattern": "^[a-z]{2,40}_%d$" % i} for i in range(30000)}}
tools = [{"name": "deep", "inputSchema": {"type": "object", "properties": {"x": {"$ref": "#/$defs/a40"}}, "$defs": deep}},
         {"name": "wide", "inputSchema": wide}]
for line in sys.stdin:
    m = json.loads(line)
    if "id" not in m: continue
    result = {"initialize": {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": {"name": "s", "version": "1"}},
              "tools/list": {"tools": tools}, "tools/call": {"content": [{"type": "text", "text": "done"}]}}[m["method"]]
    print(json.dumps({"jsonrpc": "2.0", "id": m["id"], "result": result}), flush=True)
"""
CONFIG = {"mcpServers": {"s": {"command": PYTHON, "args": ["-c", SERVER]}}, "policy": {"default": "allow"}, "limits": {"pool": 0}}


def longest(home):
    """The longest turn so far, in ms, and whose it was."""
    found = re.search(r"longest turn of the loop ([0-9.]+) ms(.*)", home.run("doctor").stdout)
    return float(found.group(1)), found.group(2)


@cases.add
def schemas_of_a_hostile_server():
    with Home(CONFIG) as home:
        done = home.run("call", "s.deep", '{"x": 1}')
        assert "too much to check" in done.stderr, done.stderr
        for _ in range(2):
            done = home.run("call", "s.wide", json.dumps({"name_7": "abc_7", "nome_8": 1}))
            assert done.returncode == 0 and "done" in done.stdout, done
        done = home.run("call", "s.wide", json.dumps({"name_7": "abc_8"}))
        assert "/name_7" in done.stderr, done.stderr
        ms, whose = longest(home)
        assert ms < TURN_MS, "%.1f ms%s" % (ms, whose)


@cases.add
def a_result_of_many_lines():
    with Home(CONFIG) as home:
        got = home.code("console.log('x\\n'.repeat(4000000)); return 'y\\n'.repeat(4000000)")
        assert got["status"] == "ok" and len(got["result"]) == 8000000, got["error"]
        with home.mcp() as mcp:
            mcp.code("console.log('x\\n'.repeat(4000000)); return 'y\\n'.repeat(4000000)")
        ms, whose = longest(home)
        assert ms < TURN_MS, "%.1f ms%s" % (ms, whose)


def large_file():
    """A ~/.claude.json of more than 8 MiB with a server `mine`."""
    history = [{"display": "say \"it\" again\nand again " * 8, "pastedContents": {}}] * 100
    projects = {"/home/somebody/%d" % i: {"allowedTools": [], "history": history, "mcpServers": {}} for i in range(300)}
    text = json.dumps({"numStartups": 1, "projects": projects, "mcpServers": {"mine": {"command": PYTHON, "args": ["-c", SERVER]}}}, indent=2)
    assert len(text) > 8 << 20, len(text)
    return text


def bytes_read(home):
    """By the broker, so far."""
    with open("/proc/%d/io" % home.broker_pid(), encoding="ascii") as f:
        return int(re.search(r"rchar: (\d+)", f.read()).group(1))


@cases.add
def a_large_file_of_another_client():
    with Home({**CONFIG, "include": ["claude-code"]}) as home:
        home.env["HOME"] = home.path("work")
        text = large_file()
        for _ in range(2):
            home.write("work/.claude.json", text)
            assert home.run("call", "mine.deep", "{}").returncode == 0
        with home.mcp() as mcp:  # and on a connection that lasts
            for name in ("mine", "yours"):
                home.write("work/.claude.json", text.replace('"mine"', '"%s"' % name))
                done = mcp.code("return await %s.deep({})" % name)
                assert not done.get("isError"), text_of(done)[:1000]
        ms, whose = longest(home)
        print("# %.1f ms%s" % (ms, whose))
        assert ms < TURN_MS, "%.1f ms%s" % (ms, whose)


@cases.add
def verdicts_over_many_tools_by_many_rules():
    server = SERVER.replace("tools = [", "tools = [{'name': 'tool_%d' % i, 'inputSchema': {}} for i in range(2000)] or [")
    servers = {"s%d" % i: {"command": PYTHON, "disabled": True} for i in range(1, 30)}
    servers["s"] = {"command": PYTHON, "args": ["-c", server]}
    for glob in ("s%d.other_%d", "mcp__s%d__other_%d"):
        rules = [{"allow": glob % (i % 29 + 1, i)} for i in range(200)]
        with Home({**CONFIG, "mcpServers": servers, "policy": {"rules": rules}}) as home:
            assert home.run("tools").returncode == 0
            for _ in range(2):
                listed = [s for s in json.loads(home.run("tools", "--servers", "--json").stdout) if s["tools"]]
                assert listed[0]["verdicts"] == {"allow": 0, "deny": 0, "ask": 2000}, listed
            ms, whose = longest(home)
            print("# %.1f ms%s" % (ms, whose))
            assert ms < TURN_MS, "%.1f ms%s" % (ms, whose)


@cases.add
def a_client_that_says_its_roots_beside_a_large_file():
    """Its servers are others then; its files are not, and are not read again."""
    told = {**CONFIG["mcpServers"]["s"], "roots": "client"}
    with Home({**CONFIG, "mcpServers": {"s": told}, "include": ["claude-code"]}) as home:
        home.env["HOME"] = home.path("work")
        home.write("work/.claude.json", large_file())
        with home.mcp(revision=None) as mcp:
            mcp.ask("initialize", protocolVersion="2025-11-25", capabilities={"roots": {"listChanged": True}}, clientInfo={"name": "t"})
            mcp.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
            before = None
            for i in range(3):
                question = mcp.message()
                while question.get("method") != "roots/list":
                    question = mcp.message()
                mcp.send({"jsonrpc": "2.0", "id": question["id"], "result": {"roots": [{"uri": "file:///%d" % i}]}})
                done = mcp.code("return await mine.deep({}) && await s.deep({})")
                assert not done.get("isError"), text_of(done)[:1000]
                before = before or bytes_read(home)
                mcp.send({"jsonrpc": "2.0", "method": "notifications/roots/list_changed"})
            again = bytes_read(home) - before  # with the tools of each server that was started
            assert again < 8 << 20, again
        ms, whose = longest(home)
        print("# %.1f ms%s" % (ms, whose))
        assert ms < TURN_MS, "%.1f ms%s" % (ms, whose)


@cases.add
def a_fault_beside_a_large_file_is_told_without_reading_it_twice():
    with Home({**CONFIG, "include": ["claude-code"], "limit": 3}) as home:
        home.env["HOME"] = home.path("work")
        home.write("work/.claude.json", large_file())
        with home.mcp() as mcp:
            for _ in range(3):
                mcp.ask("ping")  # what came before was read
                before = bytes_read(home)
                assert "unknown key limit" in text_of(mcp.code("return 1"))
                again = bytes_read(home) - before
                assert again < 12 << 20, again
        home.write_config(CONFIG)  # doctor says nothing more of a faulty one
        ms, whose = longest(home)
        print("# %.1f ms%s" % (ms, whose))
        assert ms < TURN_MS, "%.1f ms%s" % (ms, whose)


@cases.add
def doctor_says_whose_turn_was_the_longest():
    with Home(CONFIG) as home:
        ms, whose = longest(home)
        assert ms > 0 and re.match(r", most of it in [a-z_ ]+ \(\w+/[a-z/_-]+\.c\)$", whose), whose


if __name__ == "__main__":
    sys.exit(cases.main())
