#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Calls that wait for the person at a terminal: hawser run, hawser call and hawser approvals --follow on a pty."""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "support"))
# pylint: disable=wrong-import-position
from follower import Program
from hawser import FIXTURE, Home, wait_for
from tap import Cases
from terminal import Terminal

cases = Cases()
PROMPT = "Allow it? "
WRITE = "try { return await fixture.write_note({a: 1}) } catch (e) { return e.kind }"


def asking():
    return Home({"mcpServers": {"fixture": {"command": sys.executable, "args": [FIXTURE]}}})


@cases.table([
    ("yes", "yes\n", '{"a":1}'),
    ("y", "y\n", '{"a":1}'),
    ("no", "n\n", "approval_refused"),
    ("nonsense, then yes", "maybe\nyes\n", '{"a":1}'),
    ("an empty line is no answer", "\n\nno\n", "approval_refused"),
    ("end of input is a no", "\x04", "approval_refused"),
])
def the_answer(typed, expected):
    with asking() as home:
        file = home.write("work/x.js", WRITE)
        with Terminal(home, "run", file) as terminal:
            shown = terminal.read_until(PROMPT)
            assert "fixture.write_note wants your word" in shown and "a: 1" in shown, shown
            terminal.type(typed)
            said, status = terminal.end()
            assert expected in said and status == 0, (said, status)


@cases.add
def code_from_stdin_and_the_answer_from_the_terminal():
    with asking() as home:
        with Terminal(home, "run", "-", stdin=subprocess.PIPE, stdout=subprocess.PIPE) as terminal:
            terminal.process.stdin.write(WRITE.encode())
            terminal.process.stdin.close()
            terminal.read_until(PROMPT)
            terminal.type("y\n")
            assert terminal.process.stdout.read() == b'{"a":1}\n'
            assert terminal.end()[1] == 0


@cases.add
def no_terminal_is_nobody():
    with asking() as home:
        done = home.run("run", "-", input=WRITE)
        assert done.stdout == "denied\n", done


@cases.add
def what_was_typed_before_the_question_is_no_answer():
    with asking() as home:
        file = home.write("work/x.js", "console.log('RUNS'); await fixture.slow({ms: 300});" + WRITE)
        with Terminal(home, "run", file) as terminal:
            terminal.read_until("RUNS")
            terminal.type("yes\n")
            terminal.read_until(PROMPT)
            terminal.type("no\n")
            assert "approval_refused" in terminal.end()[0]


@cases.add
def a_question_has_a_screen_that_shows_it():
    """Whatever code wrote before: black on black by the palette, an open command, a cursor amid lines of its own."""
    with asking() as home:
        file = home.write("work/x.js", "console.log('\\x1b]10;#000\\x07\\x1b]11;#000\\x07\\x1b[H\\x1b]0;open');" + WRITE)
        with Terminal(home, "run", file) as terminal:
            shown = terminal.read_until(PROMPT)
            before = shown[:shown.index("fixture.write_note")]
            for wanted in ("\x18", "\x1b\\", "\x1b[!p", "\x1b]104\x1b\\", "\x1b]110\x1b\\", "\x1b]111\x1b\\", "\n\x1b[J"):
                before = before[before.index(wanted):]
            terminal.type("no\n")
            assert "approval_refused" in terminal.end()[0]


@cases.add
def code_cannot_write_over_its_question():
    """The run goes on, and what it prints comes when the question has been answered."""
    with asking() as home:
        file = home.write("work/x.js", "let open = true; const w = fixture.write_note({}).catch(() => 0).then(() => open = false);"
                          "while (open) { await fixture.slow({ms: 100}); console.log('\\x1b[2JAllow it? ') } return 'END'")
        with Terminal(home, "run", file) as terminal:
            terminal.read_until(PROMPT)
            wait_for(lambda: "fixture.slow 3" in home.run("approvals").stdout)
            terminal.type("no\n")
            before = terminal.read_until("no\r\n")
            assert "Allow it? \r" not in before and "\x1b[2J" not in before, before
            assert terminal.end()[0].count("\x1b[2JAllow it? ") >= 3


@cases.add
def interrupt_cancels_at_a_question():
    with asking() as home:
        file = home.write("work/x.js", "console.log('before'); await fixture.write_note({})")
        with Terminal(home, "run", file) as terminal:
            terminal.read_until(PROMPT)
            terminal.type("\x03")
            said, status = terminal.end()
            assert status == 130 and "cancelled" in said, (said, status)


@cases.add
def two_questions_one_after_the_other():
    with asking() as home:
        file = home.write("work/x.js", "const end = (p) => p.then(() => 'ok', (e) => e.kind);"
                          "return Promise.all([end(fixture.write_note({n: 1})), end(fixture.delete_note({n: 2}))])")
        with Terminal(home, "run", file) as terminal:
            assert "n: 1" in terminal.read_until(PROMPT)
            terminal.type("yes\n")
            assert "n: 2" in terminal.read_until(PROMPT)
            terminal.type("no\n")
            assert '["ok","approval_refused"]' in terminal.end()[0]


@cases.add
def answered_elsewhere_the_terminal_says_so():
    with asking() as home:
        file = home.write("work/x.js", WRITE)
        with Terminal(home, "run", file) as terminal:
            terminal.read_until(PROMPT)
            listed = home.run("approvals").stdout
            assert home.run("approve", listed.split()[0]).returncode == 0
            terminal.read_until("(approved, by hawser approve)")
            assert '{"a":1}' in terminal.end()[0]


@cases.add
def a_direct_call():
    with asking() as home, Terminal(home, "call", "fixture.write_note", '{"n": 0.10}') as terminal:
        assert "n: 0.10" in terminal.read_until(PROMPT)
        terminal.type("yes\n")
        said, status = terminal.end()
        assert '"n": 0.10' in said and status == 0, said


@cases.add
def another_window_takes_the_answers():
    with asking() as home, Terminal(home, "approvals", "--follow") as terminal:
        terminal.read_until("waiting for questions")
        with Program(home, WRITE) as program:
            terminal.read_until(PROMPT)
            terminal.type("yes\n")
            assert program.result()["result"] == {"a": 1}
        terminal.type("\x03")
        assert terminal.end()[1] == -2
        wait_for(lambda: home.code(WRITE)["result"] == "denied")


if __name__ == "__main__":
    sys.exit(cases.main())
