#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`hawser run` at a terminal: colours, the summary line, and what ^C says."""
import os
import pty
import re
import signal
import subprocess
import sys
import termios

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../support"))
import hawser  # noqa: E402
from shipped import Rig, fixture  # noqa: E402
from tap import Cases  # noqa: E402

rig = Rig(default={"mcpServers": {"fixture": fixture()}})
cases = Cases()


def at_terminal(*args, env=None):
    """What comes on stdout and stderr of a process whose three streams are one terminal."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (40, 80))
    process = rig.home().popen(*args, stdin=theirs, stdout=theirs, stderr=theirs, env={"TERM": "xterm", "NO_COLOR": "", **(env or {})})
    os.close(theirs)
    text = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # EIO: everybody has closed it
            break
        if not part:
            break
        text += part
    os.close(ours)
    return text.decode().replace("\r\n", "\n"), process.wait(30)


def plain(text):
    return re.sub(r"\033\[[0-9]*m|\r\033\[K|[^\n\r]* \.\.\.", "", text)


@cases.add
def a_summary_ends_a_run_at_a_terminal():
    text, status = at_terminal("run", "-e", "await fixture.add({a: 1, b: 1}); try { await fixture.fail({}) } catch {} return 'done'")
    lines = plain(text).strip().split("\n")
    assert status == 0 and lines[-2] == "done", text
    assert re.fullmatch(r"hawser: \d+ ms, process, fixture.add 1, fixture.fail 1 \(1 failed\)", lines[-1]), text


@cases.add
def and_is_not_there_elsewhere():
    done = rig.home().run("run", "-e", "return 1", env={"TERM": "xterm"})
    assert (done.stdout, done.stderr, done.returncode) == ("1\n", "", 0), done


@cases.table([("terminal", {}, True), ("NO_COLOR", {"NO_COLOR": "1"}, False), ("dumb terminal", {"TERM": "dumb"}, False)])
def colours(env, wanted):
    for args in (["run", "-e", "return nowhere.x()"], ["run", "nowhere.js"], ["run", "-e", "return 1"]):
        text, _ = at_terminal(*args, env=env)
        assert ("\033[" in text.replace("\033[K", "")) == wanted, (args, text)


@cases.add
def tools_are_a_table_at_a_terminal():
    lines = at_terminal("tools")[0].rstrip("\n").split("\n")
    begins = {m.end() for m in (re.match(r"fixture\.\S+  +", line) for line in lines) if m}
    assert len(lines) > 20 and len(begins) == 1 and max(map(len, lines)) <= 80, lines
    lines = rig.home().run("tools").stdout.rstrip("\n").split("\n")
    assert "fixture.add  Adds two numbers." in lines, lines


@cases.add
def no_servers_and_no_tools_say_what_to_do():
    home = rig.home()
    empty = home.write("work/empty.yaml", "mcpServers: {}\n")
    assert "hawser init" in home.run("tools", "--servers", "--config", empty).stderr
    assert "hawser doctor" in home.run("tools", "--config", empty).stderr


@cases.add
def one_tool_is_shown_whole_and_one_server_alone():
    with hawser.Home({"mcpServers": {"one": fixture("--only", "add,echo"), "two": fixture("--only", "add")}}) as home:
        assert home.run("tools", "--servers").stdout == "one  not started yet\ntwo  not started yet\n"
        done = home.run("tools", "one.add")
        lines = done.stdout.splitlines()
        assert lines[0] == "one.add" and "one.add(" in lines[1] and lines[2].strip().startswith("Adds two numbers"), done
        assert [line.split()[0] for line in home.run("tools", "one").stdout.splitlines()] == ["one.add", "one.echo"]
        assert not done.stderr, done


@cases.add
def servers_that_gave_no_tools_are_named():
    with hawser.Home({"mcpServers": {"one": fixture("--only", "add"), "ghost": {"command": "no-such-program"},
                                     "tok": fixture(T="${NOT_SET_ANYWHERE}")}}) as home:
        done = home.run("tools")
        assert "one.add" in done.stdout, done
        assert "note: ghost, tok gave no tools; hawser tools --servers says why" in done.stderr, done


@cases.add
def no_colours_in_a_pipe():
    done = rig.home().run("run", "-v", "-e", "return nowhere.x()", env={"TERM": "xterm"})
    assert "\033" not in done.stdout + done.stderr and "fix: " in done.stderr, done


def interrupted(code, *words):
    """^C once the program has said that it is there."""
    run = rig.home().popen("run", *words, "-e", code, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert run.stdout.readline() == "here\n"
    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=30)
    return out, err, run.returncode


@cases.add
def an_interrupted_run_says_what_was_done():
    out, err, status = interrupted("await fixture.add({a: 1, b: 1}); await fixture.add({a: 1, b: 1}); try { await fixture.fail({}) } catch {}\n"
                                   "console.log('here'); await new Promise(() => {})")
    assert status == 130, (out, err)
    assert "hawser: interrupted; done until then: fixture.add 2, fixture.fail 1 (1 failed)\n" in err, err


@cases.add
def or_that_nothing_was():
    _, err, status = interrupted("console.log('here'); while (true);")
    assert status == 130 and err.endswith("hawser: interrupted; done until then: nothing was called\n"), err


if __name__ == "__main__":
    sys.exit(rig.main(cases))
