#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A decision is a line of the audit log, whatever was decided: calls of code that lead nowhere are there too."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from hawser import Home  # noqa: E402
from shipped import fixture  # noqa: E402
from tap import Cases  # noqa: E402

cases = Cases()
CONFIG = {"mcpServers": {"fixture": fixture(), "my-fs": fixture(), "my_fs2": fixture()},
          "limits": {"pool": 0, "calls": 6}}
TRY = """
const seen = [];
for (const [server, tool] of %s)
  try { await callMCPTool(server, tool, {}); seen.push("ok"); } catch (e) { seen.push(e.kind); }
return seen;
"""


def tried(home, *calls):
    """What code got for each call, and the lines of the audit log for them: [(server, tool, verdict, outcome)]."""
    result = home.code(TRY % json.dumps(calls))
    assert result["status"] == "ok", result["error"]
    with open(home.path("state", "hawser", "audit.jsonl"), encoding="utf-8") as lines:
        found = [line for line in map(json.loads, lines) if line["run"] == result["run_id"]]
    return result["result"], [(a["server"], a["tool"], a.get("verdict"), a["outcome"]) for a in found]


@cases.add
def calls_that_lead_nowhere_are_lines():
    with Home({**CONFIG, "policy": {"rules": [{"allow": "fixture.*"}, {"deny": "my_fs.*"}]}}) as home:
        got, lines = tried(home, ("nowhere", "x"), ("fixture", "nothing"), ("my-fs", "never"), ("hawser", "list_tools"),
                           ("mcp__nowhere__x", "y"), ("fixture", "fail"))
        assert got == ["not_found", "not_found", "denied", "ok", "not_found", "tool_error"], got
        assert lines == [("nowhere", "x", None, "not_found"), ("fixture", "nothing", None, "not_found"),
                         ("my-fs", "never", "deny", "denied"), ("mcp__nowhere__x", "y", None, "not_found"),
                         ("fixture", "fail", "allow", "tool_error")], lines


@cases.table([
    ("both as code writes them", "my_fs.write_note"),
    ("a star for the dot", "my_fs*note"),
    ("joined", "mcp__my_fs__write_note"),
    ("code's own name, as another server has the usual one", "my_fs_2.write_note", "my.fs"),
])
def a_deny_holds_as_the_tool_is_called(rule, server="my-fs"):
    servers = {"my-fs": fixture(), "my.fs": fixture()}
    with Home({**CONFIG, "mcpServers": servers, "policy": {"rules": [{"deny": rule}, {"allow": "*"}]}}) as home:
        code_name = rule.split(".")[0] if server == "my.fs" else "my_fs"
        got, lines = tried(home, (server, "write_note"), (code_name, "write_note"), (server, "echo"))
        assert got[:2] == ["denied", "denied"] and got[2] != "denied", got
        assert [line[0] for line in lines] == [server] * 3, lines


@cases.add
def a_run_cannot_fill_the_log():
    with Home({**CONFIG, "policy": {"default": "allow"}}) as home:
        got, lines = tried(home, *[("nowhere", "x")] * 20)
        assert got == ["not_found"] * 6 + ["budget"] * 14, got
        assert [line[3] for line in lines] == ["not_found"] * 6, lines  # the guest refused the rest


@cases.add
def an_allow_in_codes_spelling_gives_nothing():
    with Home({**CONFIG, "policy": {"default": "deny", "rules": [{"allow": "my_fs.fail"}]}}) as home:
        got, lines = tried(home, ("my_fs", "fail"), ("my-fs", "fail"))
        assert got == ["denied", "denied"], got
        assert [line[0] for line in lines] == ["my-fs", "my-fs"], lines


if __name__ == "__main__":
    sys.exit(cases.main())
