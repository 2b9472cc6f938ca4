#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a model reads has a budget, counted by a public tokenizer: npm gpt-tokenizer, encoding o200k_base."""
import json
import os
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../support"))
from hawser import text_of  # noqa: E402
from shipped import PEERS, Rig, fixture  # noqa: E402
from tap import Cases, Skip  # noqa: E402

TOKENIZER = os.path.join(PEERS, "tokenizer/node_modules/gpt-tokenizer/cjs/encoding/o200k_base.js")
COUNT = """
const { encode } = require(process.argv[1]);
const texts = JSON.parse(require('fs').readFileSync(0));
console.log(JSON.stringify(texts.map(text => encode(text).length)));
"""
STANDING, SMALL, ERROR = 1500, 60, 120
cases = Cases()
rig = Rig(
    default={"mcpServers": {}},
    tools={"mcpServers": {"fixture": fixture()}, "policy": {"default": "allow", "rules": [{"deny": "fixture.env"}]}},
    environments={"mcpServers": {}, "environments": {"data": {"python": "/usr"}, "plain": {"python": "/nowhere"}}})


def counts(*texts):
    if not shutil.which("node"):
        raise Skip("node")
    if not os.path.exists(TOKENIZER):
        raise Skip("npm package gpt-tokenizer (tests/peers installs it)")
    done = subprocess.run(["node", "-e", COUNT, TOKENIZER], input=json.dumps(texts), text=True, capture_output=True, check=True, timeout=60)
    return json.loads(done.stdout)


@cases.add
def the_tokenizer_counts():
    assert counts("", "hello world", "hello world " * 100)[:2] == [0, 2]


@cases.add
def tools_and_instructions_of_the_bare_product():
    door = rig.door()
    tools = door.ask("tools/list")
    parts = {t["name"]: json.dumps(t, separators=(",", ":")) for t in tools["tools"]}
    size = dict(zip([*parts, "instructions", "all"],
                    counts(*parts.values(), door.hello["instructions"], json.dumps(tools, separators=(",", ":")))))
    print("# tokens: %s" % size)
    assert size["all"] + size["instructions"] <= STANDING, size


@cases.add
def one_environment_more_is_a_word_more():
    bare, two = (json.dumps(rig.door(home).ask("tools/list")) for home in ("default", "environments"))
    one, other = counts(bare, two)
    assert other - one <= 50, (one, other)


@cases.table([("javascript", "javascript", "return 1"), ("typescript", "typescript", "return 1 as number"), ("python", "python", "1"),
              ("bash", "bash", "echo 1"), ("with a call", "javascript", "return (await fixture.add({a: 0, b: 1})).sum")])
def a_small_answer(language, code):
    text = text_of(rig.door("tools").code(code, language))
    if "esbuild" in text:
        raise Skip("esbuild (Debian's package), or a node of 22.13")
    assert text.startswith("1"), text
    assert counts(text)[0] <= SMALL, (counts(text), text)


# Each has a fix line. The longest that can be had by a short program of each kind.
@cases.table([
    ("syntax", "tools", "javascript", "const a = 1;\nreturn a }"),
    ("a module's return", "tools", "javascript", "import fs from 'fs';\nreturn 1"),
    ("no such name", "tools", "javascript", "return await nowhere.list_things({})"),
    ("no such name, python", "tools", "python", "nowhere.list_things()"),
    ("no such tool", "tools", "javascript", "return await fixture.ecko({a: 1})"),
    ("no such server", "tools", "python", "call_tool('fixtures', 'echo', {})"),
    ("wrong arguments", "tools", "javascript", "return await fixture.add({a: 'one', c: 2})"),
    ("denied", "tools", "javascript", "return await fixture.env({})"),
    ("not JSON", "tools", "javascript", "return { f() {} }"),
    ("never awaited", "tools", "python", "import asyncio\nasync def main():\n    fixture.echo(a=1)\nawait main()"),
    ("missing module", "environments", "python", "import hawsernothing"),
    ("missing module, none named", "default", "javascript", "require('left-pad')"),
    ("missing data", "default", "javascript", "return data.length"),
])
def an_error_with_its_fix(home, language, code):
    result = rig.door(home).code(code, language)
    text = text_of(result)
    assert result["isError"] and "\nfix: " in text, text
    assert counts(text)[0] <= ERROR, (counts(text), text)


if __name__ == "__main__":
    sys.exit(rig.main(cases))
