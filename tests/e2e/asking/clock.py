#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a person's time costs a run: its wall clock stands still while nothing of it moves, its CPU budget never does."""
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "support"))
# pylint: disable=wrong-import-position
from follower import Follower, Program
from hawser import FIXTURE, Home, wait_for
from tap import Cases

cases = Cases()
WALL = 1500


def asking(**limits):
    return Home({"mcpServers": {"fixture": {"command": sys.executable, "args": [FIXTURE]}},
                 "limits": {"run_ms": WALL, **limits}})


def wait_longer_than_the_run_may_take(home):
    wait_for(lambda: json.loads(home.run("approvals", "--json").stdout)[0]["asked_ms"] > WALL + 500)


@cases.table([
    ("javascript", "javascript", "console.log('a'); const r = await fixture.write_note({a: 1}); console.log('b'); return r", {"a": 1}),
    ("python", "python", "r = fixture.write_note(a=1)\nr", {"a": 1}),
    ("bash", "bash", "sleep 100 & tool call fixture.write_note --json '{\"a\": 1}'; kill %1", None),
])
def a_waiting_run_is_not_ended_by_its_wall_clock(language, code, value):
    with asking() as home, Follower(home) as follower, Program(home, code, "-l", language) as program:
        question = follower.asked()
        wait_longer_than_the_run_may_take(home)
        follower.answer(question)
        result = program.result()
        assert result["status"] == "ok" and result["result"] == value, result
        assert result["usage"]["wall_ms"] < WALL < result["execution_time"] * 1000, result


@cases.add
def a_busy_loop_beside_a_parked_call_ends_by_its_cpu_budget():
    with asking(run_ms=20000, cpu_ms=700) as home, Follower(home) as follower:
        with Program(home, "fixture.write_note({}).catch(() => 0); await fixture.slow({ms: 1}); for (;;);") as program:
            follower.asked()
            result = program.result()
            assert result["status"] == "timeout" and "CPU" in result["error"], result
        assert follower.over()["outcome"] == "withdrawn"


@cases.table([
    ("another call is open", "fixture.never({}).catch(() => 0); await fixture.write_note({})"),
    ("it computes a little all the time", "setInterval(() => { const e = Date.now() + 15; while (Date.now() < e); }, 30);"
     "await fixture.write_note({})"),
])
def the_clock_runs_while(code):
    with asking() as home, Follower(home) as follower, Program(home, code) as program:
        follower.asked()
        result = program.result()
        assert result["status"] == "timeout" and "timeout_ms" in result["error"], result


@cases.add
def two_waits_and_work_between_them():
    code = "const a = await fixture.write_note({n: 1}); await fixture.slow({ms: 100}); const b = await fixture.write_note({n: 2});" \
           "return [a.n, b.n]"
    with asking() as home, Follower(home) as follower, Program(home, code) as program:
        for _ in range(2):
            question = follower.asked()
            wait_longer_than_the_run_may_take(home)
            follower.answer(question)
            follower.over()
        assert program.result()["result"] == [1, 2]


@cases.add
def a_held_run_is_cancelled_at_once():
    with asking() as home, Follower(home) as follower, Program(home, "await fixture.write_note({})") as program:
        follower.asked()
        wait_longer_than_the_run_may_take(home)
        program.process.terminate()
        assert program.result()["status"] == "cancelled"
        assert follower.over()["outcome"] == "withdrawn"


if __name__ == "__main__":
    sys.exit(cases.main())
