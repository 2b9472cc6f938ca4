#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Calls that wait for a person who sits in another window: hawser approvals, approve, refuse."""
import json
import os
import shutil
import signal
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "support"))
# pylint: disable=wrong-import-position
from follower import Follower, Program
from hawser import FIXTURE, TOP, Home, wait_for
from tap import Cases, Skip

cases = Cases()
SECRET = "s3cret-of-the-day"
CAUGHT = """
try { return await fixture.write_note({a: 1}) }
catch (e) { return [e.constructor.name, e.kind, e.message, e.fix] }
"""


def asking(more=None, **servers):
    fixture = {"command": sys.executable, "args": [FIXTURE], "env": {"TOKEN": "${TOKEN}"}}
    return Home({"mcpServers": {"fixture": fixture, **servers}, **(more or {})}, env={"TOKEN": SECRET})


def audit(home):
    with open(home.path("state", "hawser", "audit.jsonl"), encoding="utf-8") as f:
        return [json.loads(line) for line in f]


@cases.add
def nobody_there_is_a_denial_that_names_the_rule():
    with asking() as home:
        name, kind, message, fix = home.code(CAUGHT)["result"]
        assert (name, kind) == ("ToolError", "denied") and "nobody can be asked" in message, message
        assert fix == "add to policy.rules: - allow: fixture.write_note", fix
        assert home.run("approvals").stdout == "nothing waits for your word\n"
        assert "answer" not in audit(home)[-1]


@cases.add
def one_question_for_twenty_calls_and_one_answer_of_two():
    with asking() as home, Follower(home) as follower:
        with Program(home, "return (await Promise.all(Array.from({length: 20}, () => "
                     "fixture.write_note({path: '/x'})))).length") as program:
            question = follower.asked()
            assert question["calls"] == 20 and "for 20 calls" in question["text"], question
            listed = json.loads(home.run("approvals", "--json").stdout)
            assert [q["id"] for q in listed] == [question["id"]], listed
            follower.answer(question)
            late = home.run("refuse", question["id"])
            assert late.returncode == 1 and "approved already, by hawser approve" in late.stderr, late
            over = follower.over()
            assert (over["outcome"], over["by"]) == ("approved", "hawser approve"), over
            assert program.result()["result"] == 20
        follower.nothing_more()
        line = audit(home)[-1]
        assert (line["approval"], line["answer"], line["answered_by"], line["outcome"]) == (
            question["id"], "approved", "hawser approve", "ok"), line
        assert line["waited_ms"] >= 100 and line["verdict"] == "ask", line


@cases.add
def a_beginning_of_an_id_does_if_it_is_long_enough():
    with asking() as home, Follower(home) as follower:
        with Program(home, "await fixture.write_note({path: '/x'}); return 1") as program:
            question = follower.asked()["id"]
            for short in ("ask_", question[:7], question[:8] + "-"):
                assert "there is no question" in home.run("approve", short).stderr, short
            assert home.run("approve", question[:8]).returncode == 0
            assert follower.over()["id"] == question and program.result()["result"] == 1
        two = "await Promise.all([fixture.write_note({path: '/x'}), fixture.delete_note({path: '/x'})]); return 2"
        with Program(home, two) as program:
            ids = [follower.asked()["id"], follower.asked()["id"]]
            assert "there is no question" in home.run("approve", "ask_").stderr
            assert [home.run("approve", one[:12]).returncode for one in ids] == [0, 0]
            assert program.result()["result"] == 2


@cases.add
def a_refused_call_is_an_error_that_code_can_catch():
    with asking() as home, Follower(home) as follower, Program(home, CAUGHT) as program:
        follower.answer(follower.asked(), "refuse")
        name, kind, message, _ = program.result()["result"]
        assert (name, kind) == ("ToolError", "approval_refused") and "default" in message, message


@cases.add
def a_question_that_nobody_answers_expires():
    with asking({"limits": {"ask_ms": 1000}}) as home, Follower(home) as follower:
        with Program(home, CAUGHT) as program:
            follower.asked()
            assert follower.over()["outcome"] == "expired"
            assert program.result()["result"][1] == "approval_expired"


@cases.add
def who_followed_has_gone():
    with asking() as home:
        with Follower(home) as follower:
            program = Program(home, CAUGHT)
            follower.asked()
        with program:
            assert program.result()["result"][1] == "denied"
        assert audit(home)[-1]["answer"] == "nobody"


@cases.add
def reads_go_on_while_a_write_waits():
    with asking() as home, Follower(home) as follower:
        with Program(home, "const w = fixture.write_note({}); for (let i = 0; i < 5; i++) await fixture.echo({i});"
                     "console.error('READ'); await w; return 'done'") as program:
            question = follower.asked()
            wait_for(lambda: "fixture.echo 5" in home.run("approvals").stdout)
            follower.answer(question)
            assert program.result()["result"] == "done"


@cases.add
def a_long_question_is_asked_all_the_same():
    code = ("const write = (n) => fixture.write_note(Object.fromEntries(Array.from({length: 8}, (_, i) => "
            "[`${n}-${i}`, 'x'.repeat(300)]))); return (await Promise.all([1, 2, 3].map(write))).length")
    with asking() as home, Follower(home) as follower:
        deep = home.path("work", *["d" * 200] * 17)
        os.makedirs(deep)
        shutil.copy(home.path("config", "hawser", "hawser.yaml"), deep)
        with Program(home, code, "--config", os.path.join(deep, "hawser.yaml")) as program:
            question = follower.asked()
            assert deep in question["text"] and question["calls"] == 3, question
            assert [q["id"] for q in json.loads(home.run("approvals", "--json").stdout)] == [question["id"]]
            follower.answer(question)
            assert program.result()["result"] == 3


@cases.add
def only_what_was_shown_is_approved():
    code = ("const end = (p) => p.then(() => 'ok', (e) => e.kind), write = (path) => end(fixture.write_note({path}));"
            "const a = write('/shown'); await fixture.delete_note({}); return Promise.all([a, write('/shown'), write('/other')])")
    with asking() as home, Follower(home) as follower, Program(home, code) as program:
        first, gate = follower.asked_of("write_note", "delete_note")
        follower.answer(gate)
        follower.over()
        second = follower.asked()
        assert "/shown" in first["text"] and "/other" not in first["text"], first
        assert "/other" in second["text"] and second["calls"] == 1, second
        follower.answer(first)
        follower.answer(second, "refuse")
        assert program.result()["result"] == ["ok", "ok", "approval_refused"]


@cases.add
def a_run_that_is_cancelled_takes_its_question_back():
    with asking() as home, Follower(home) as follower, Program(home, CAUGHT) as program:
        question = follower.asked()
        program.process.send_signal(signal.SIGINT)
        assert follower.over()["outcome"] == "withdrawn"
        late = home.run("approve", question["id"])
        assert late.returncode == 1 and "withdrawn already" in late.stderr, late
        assert program.result()["status"] == "cancelled"


@cases.add
def the_question_hides_secrets_and_shows_what_hides():
    text = "a\\u202eb\\u001b[2Jc\\u200bd"
    with asking() as home, Follower(home) as follower:
        with Program(home, "return fixture.write_note({token: (await fixture.env({})).TOKEN || '', path: '\\u002fetc',"
                     "text: '%s', long: 'x'.repeat(5000), 'a\\nb': 1, in: {deep: ['%s']}}).catch((e) => e.kind)"
                     % (text, text)) as program:
            shown = follower.asked()["text"]
            for part in (r'a\u202eb\u001b[2Jc\u200bd', 'path: "/etc"', 'xxx" (5000 bytes)', r'"a\nb": 1'):
                assert part in shown, shown
            assert shown.count(r"\u202e") == 2 and not set(shown) & set("\u202e\u200b\x1b"), shown
            assert len(shown) < 2500 and "xxxxx" in shown
            follower.answer({"id": json.loads(home.run("approvals", "--json").stdout)[0]["id"]}, "refuse")
            assert program.result()["result"] == "approval_refused"
        with Program(home, "return fixture.write_note({text: %s}).catch((e) => e.kind)" % json.dumps(SECRET)) as program:
            follower.over()
            shown = follower.asked()
            assert SECRET not in shown["text"] and "[redacted:TOKEN]" in shown["text"], shown
            follower.answer(shown, "refuse")
            program.result()


@cases.add
def a_direct_call_waits_too():
    with asking() as home, Follower(home) as follower:
        process = home.popen("call", "fixture.write_note", '{"n": 0.10}', stdout=-1, text=True)
        question = follower.asked()
        assert question["run"] is None and "n: 0.10" in question["text"], question
        follower.answer(question)
        assert "0.10" in process.communicate(timeout=30)[0] and process.returncode == 0


@cases.table([
    ("write_file", "files.write_file({path: P, content: 'new'})", True),
    ("create_directory", "files.create_directory({path: P})", True),
    ("move_file", "files.move_file({source: D + '/old', destination: P})", True),
    ("edit_file", "files.edit_file({path: D + '/old', edits: [{oldText: 'old', newText: 'new'}]})", False),
])
def a_writing_tool_of_a_real_server(call, makes):
    package = os.path.join(TOP, "tests", ".peers", "filesystem", "node_modules", "@modelcontextprotocol",
                           "server-filesystem", "dist", "index.js")
    if not os.path.exists(package):
        raise Skip("server-filesystem (tests/peers)")
    with asking() as home:
        folder = os.path.realpath(home.path("work"))
        home.write_config({"mcpServers": {"files": {"command": "node", "args": [package, folder]}}})
        home.write("work/old", "old")
        with Follower(home) as follower, Program(
                home, "const D = %s, P = D + '/made'; await %s; return (await files.list_directory({path: D}))"
                % (json.dumps(folder), call)) as program:
            question = follower.asked()
            assert folder in question["text"], question
            assert not os.path.exists(os.path.join(folder, "made"))
            follower.answer(question)
            follower.over()
            result = program.result()
            assert result["error"] is None, result
            assert os.path.exists(os.path.join(folder, "made")) == makes, result
        follower.nothing_more()


if __name__ == "__main__":
    sys.exit(cases.main())
