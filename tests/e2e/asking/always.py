#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
""""Always": the narrowest rule goes into the operator's file, everything else of which stays, and can be taken back."""
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "support"))
# pylint: disable=wrong-import-position
from follower import Follower, Program
from hawser import FIXTURE, Home
from mcp import accept, answer, client, until, value
from tap import Cases
from terminal import Terminal

cases = Cases()
YAML = """# my servers
mcpServers:
  fixture:
    command: "%s"   # a fixture
    args: ["%s"]

policy:
  rules:
    - allow: fixture.echo     # reads
    # writes
    - ask: fixture.*
""" % (sys.executable, FIXTURE)
ALWAYS = YAML.replace("    - ask:", "    - allow: fixture.write_note\n    - ask:")
WRITE = "const end = (p) => p.then(() => 'ok', (e) => e.kind); return [await end(fixture.write_note({n: 1})), "\
        "await end(fixture.write_note({n: 2})), await end(fixture.delete_note({}))]"


def config(home, name="hawser.yaml"):
    with open(home.path("config", "hawser", name), encoding="utf-8") as f:
        return f.read()


@cases.add
def approve_always_and_policy_forget():
    with Home(YAML) as home, Follower(home) as follower:
        with Program(home, WRITE) as program:
            question = follower.asked()
            assert question["always"] == "fixture.write_note", question
            assert "above rules[1]: - allow: fixture.write_note" in question["text"], question
            done = home.run("approve", question["id"], "--always")
            assert done.returncode == 0 and "hawser policy forget fixture.write_note" in done.stdout, done
            assert "written to" in follower.over()["note"]
            assert config(home) == ALWAYS
            other = follower.asked()  # not for the second write_note of the same run: that is allowed now
            assert other["tool"] == "delete_note", other
            follower.answer(other, "refuse")
            follower.over()
            assert program.result()["result"] == ["ok", "ok", "approval_refused"]
        assert home.code("return fixture.write_note({n: 3})")["result"] == {"n": 3}
        assert home.run("policy", "forget", "fixture.write_note").returncode == 0
        assert config(home) == YAML
        none = home.run("approve", "")
        assert none.returncode == 1 and "there is no question" in none.stderr, none
        gone = home.run("policy", "forget", "fixture.write_note")
        assert gone.returncode == 1 and "no rule that allows exactly fixture.write_note" in gone.stderr, gone
        with Program(home, "return fixture.write_note({})") as program:
            follower.answer(follower.asked())
            assert program.result()["status"] == "ok"
        with open(home.path("state", "hawser", "audit.jsonl"), encoding="utf-8") as f:
            lines = [json.loads(line) for line in f]
        assert [line.get("answered_by") for line in lines][:2] == ["hawser approve", "always"], lines


@cases.add
def a_json_file():
    server = {"command": sys.executable, "args": [FIXTURE]}
    with Home() as home:
        home.write_config({"mcpServers": {"fixture": server}, "policy": {"rules": [{"ask": "*"}]}}, "hawser.json")
        with Follower(home) as follower, Program(home, "return fixture.write_note({n: 1})") as program:
            assert home.run("approve", follower.asked()["id"], "--always").returncode == 0
            assert program.result()["result"] == {"n": 1}
        rules = json.loads(config(home, "hawser.json"))["policy"]["rules"]
        assert rules == [{"allow": "fixture.write_note"}, {"ask": "*"}], rules


@cases.table([
    ("a file that changed meanwhile", YAML, lambda text: text + "# later\n", "has changed since"),
    ("rules in one line", YAML[:YAML.index("policy")] + "policy: {rules: [{ask: '*'}]}\n", None, "needs a hand"),
])
def what_cannot_be_written_is_allowed_once(text, change, note):
    with Home(text) as home, Follower(home) as follower:
        with Program(home, "return fixture.write_note({n: 1})") as program:
            question = follower.asked()
            if change:
                home.write_config(change(text))
            before = config(home)
            done = home.run("approve", question["id"], "--always")
            assert done.returncode == 0 and note in done.stdout and "- allow: fixture.write_note" in done.stdout, done
            assert config(home) == before
            assert program.result()["result"] == {"n": 1}


@cases.add
def always_answers_what_else_is_asked_about_the_tool():
    code = "const a = fixture.write_note({n: 1}); await fixture.delete_note({}); return (await Promise.all("\
           "[a, fixture.write_note({n: 2})])).length"
    with Home(YAML) as home, Follower(home) as follower, Program(home, code) as program:
        first, gate = follower.asked_of("write_note", "delete_note")
        follower.answer(gate)
        follower.over()
        follower.asked()
        assert home.run("approve", first["id"], "--always").returncode == 0
        assert [follower.over()["outcome"], follower.over()["outcome"]] == ["approved", "approved"]
        assert program.result()["result"] == 2


@cases.add
def forget_holds_for_runs_that_go_on():
    code = "await fixture.write_note({n: 1}); await fixture.delete_note({}); return fixture.write_note({n: 2})"
    with Home(YAML) as home, Follower(home) as follower, Program(home, code) as program:
        assert home.run("approve", follower.asked()["id"], "--always").returncode == 0
        follower.over()
        gate = follower.asked()
        assert gate["tool"] == "delete_note", gate
        assert home.run("policy", "forget", "fixture.write_note").returncode == 0
        follower.answer(gate)
        follower.over()
        again = follower.asked()
        assert again["tool"] == "write_note", again
        follower.answer(again, "refuse")
        assert "refused by a person" in program.result()["error"]


@cases.add
def by_elicitation():
    with Home(YAML) as home, client(home) as mcp:
        call = mcp.begin_tool("execute_code", code="return fixture.write_note({n: 1})")
        question = until(mcp, "elicitation/create")
        decision = question["params"]["requestedSchema"]["properties"]["decision"]
        assert decision["enum"] == ["allow", "always", "refuse"], question
        answer(mcp, question, accept("always"))
        assert value(mcp.reply(call)) == {"n": 1}
        assert config(home) == ALWAYS
        assert value({"result": mcp.code("return fixture.write_note({n: 2})")}) == {"n": 2}
        # the connection is asked about other tools still, with the file of now
        call = mcp.begin_tool("execute_code", code="return fixture.delete_note({})")
        second = until(mcp, "elicitation/create")
        assert "above rules[2]: - allow: fixture.delete_note" in second["params"]["message"], second
        answer(mcp, second, accept("allow"))
        assert value(mcp.reply(call)) == {}


@cases.add
def on_a_terminal():
    with Home(YAML) as home:
        file = home.write("work/x.js", "return [await fixture.write_note({n: 1}), await fixture.write_note({n: 2})].length")
        with Terminal(home, "run", file) as terminal:
            shown = terminal.read_until("yes, no or always: ")
            assert '"always" adds to' in shown and "- allow: fixture.write_note" in shown, shown
            terminal.type("a\n")
            said, status = terminal.end()
            assert "hawser policy forget fixture.write_note" in said and "2\r\n" in said, said
            assert status == 0 and config(home) == ALWAYS, (said, status)


if __name__ == "__main__":
    sys.exit(cases.main())
