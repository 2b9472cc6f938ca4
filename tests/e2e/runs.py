#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""ps, follow, kill, sandboxes, state check: runs seen from another window."""
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "support"))
from hawser import Home, PATIENCE, wait_for  # noqa: E402
from tap import Cases  # noqa: E402

cases = Cases()
CONFIG = {"mcpServers": {}, "limits": {"pool": 1}}
# Goes on until somebody who looks from outside has seen enough: it is killed, or its second word is waited for.
SLOW = "console.log('one'); console.error('bad'); await new Promise((r) => setTimeout(r, %d)); console.log('two'); return {a: 5}"
HANG = SLOW % 60000


def ps(home):
    return json.loads(home.run("ps", "--json").stdout)


def begin(home, code=HANG, *args):
    """A run in the background that has said something: the process, and its id."""
    known = {r["run"] for r in ps(home)}
    process = home.popen("run", "--json", *args, "-e", code, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    found = []

    def look():
        found[:] = [r["run"] for r in ps(home) if r["run"] not in known and r["status"] == "running"]
        events = found and home.path("state", "hawser", "runs", found[0], "events")
        return events and os.path.exists(events) and os.path.getsize(events) > 0
    wait_for(look)
    return process, found[0]


def finish(process):
    out, _ = process.communicate(timeout=PATIENCE)
    return json.loads(out)


@cases.add
def ps_lists_runs_newest_first():
    with Home(CONFIG) as home:
        assert home.run("ps").stdout == "no run is kept\n"
        home.code("return 1")
        home.code("throw new TypeError('no good')")
        process, run = begin(home)
        runs = ps(home)
        assert [r["status"] for r in runs] == ["running", "error", "ok"], runs
        assert runs[0]["run"] == run and "ended_ms" not in runs[0] and runs[0]["sandbox"].startswith("sbx_"), runs[0]
        assert runs[1]["error"] == "TypeError: no good" and runs[1]["error_kind"], runs[1]
        assert runs[2]["ended_ms"] >= runs[2]["begun_ms"] and runs[2]["folder"] == home.path("work"), runs[2]
        lines = home.run("ps").stdout.splitlines()
        assert lines[0].startswith("RUN") and [l.split()[0] for l in lines[1:]] == [r["run"] for r in runs], lines
        home.run("kill", run)
        finish(process)


@cases.add
def follow_begins_at_the_beginning_and_goes_on_to_the_end():
    with Home(CONFIG) as home:
        process, run = begin(home, SLOW % 4000)
        done = home.run("follow", run[:12])
        assert done.returncode == 0 and done.stdout == "one\ntwo\n{\"a\":5}\n" and "bad\n" in done.stderr, done
        again = home.run("follow", run)
        assert (again.stdout, again.returncode) == (done.stdout, 0), again
        shown = json.loads(home.run("follow", "--json", run).stdout)
        mine = finish(process)
        assert shown == mine and mine["result"] == {"a": 5}, (shown, mine)


@cases.table([
    ("an error", "throw new Error('no')", [], 1), ("a timeout", "for (;;);", ["-t", "500ms"], 124), ("a value", "return 1", [], 0),
])
def follow_leaves_with_the_status_of_run(code, args, status):
    with Home(CONFIG) as home:
        assert home.run("run", *args, "-e", code).returncode == status
        run = ps(home)[0]["run"]
        done = home.run("follow", run)
        assert done.returncode == status, done
        home.run("stop")  # the next one reads it from its row
        again = home.run("follow", run)
        assert (again.returncode, again.stdout) == (status, done.stdout), (again, done)
        assert again.stderr == done.stderr, (again, done)


@cases.add
def follow_of_much_output_leaves_nothing_out_however_slow_the_reader():
    with Home(CONFIG) as home:
        home.run("run", "-e", "for (let i = 0; i < 60000; i++) console.log('line ' + i + ' ' + 'x'.repeat(60)); return 'end'")
        run = ps(home)[0]["run"]
        follower = home.popen("follow", run, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        seen = 0
        for i, line in enumerate(follower.stdout):
            if i == 60000:
                assert line == b"end\n", line
                break
            assert line.startswith(b"line %d " % i), (i, line)
            seen += 1
            if i == 100:  # while nobody reads, others are served
                assert home.code("return 1")["result"] == 1
        assert seen == 60000 and follower.wait(PATIENCE) == 0
        follower.stdout.close()


@cases.add
def much_output_of_a_run_under_an_earlier_broker_is_read_and_harms_nobody():
    with Home(CONFIG) as home:
        code = "console.log('x'.repeat(200000)); return 'y'.repeat(100000)"
        first = home.code(code)
        home.run("stop")
        again = json.loads(home.run("follow", "--json", ps(home)[0]["run"]).stdout)
        assert again == first, (str(again)[:500], str(first)[:500])
        pid = home.broker_pid()
        assert home.code("return 1")["result"] == 1 and home.broker_pid() == pid, home.log()[-1000:]


@cases.add
def two_who_follow_on_one_connection_may_hang_up_together():
    with Home(CONFIG) as home:
        process, run = begin(home)
        with home.wire() as wire:
            for i, method in enumerate(("run.follow", "run.follow", "run.kill", "run.kill")):
                wire.raw(json.dumps({"jsonrpc": "2.0", "id": 50 + i, "method": method, "params": {"run": run, "live": True}}) + "\n")
        assert finish(process)["status"] in ("cancelled", "ok")
        assert home.code("return 1")["result"] == 1


@cases.add
def who_follows_and_leaves_does_not_end_the_run():
    with Home(CONFIG) as home:
        process, run = begin(home)
        for _ in range(3):
            follower = home.popen("follow", run, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            assert follower.stdout.readline() == b"one\n"
            follower.kill()
            follower.wait()
            follower.stdout.close()
        two = [home.popen("follow", run, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) for _ in range(2)]
        assert [f.stdout.readline() for f in two] == [b"one\n"] * 2
        assert ps(home)[0]["status"] == "running"
        assert home.run("kill", run).returncode == 0
        assert [f.wait(PATIENCE) for f in two] == [1, 1]
        for f in two:
            f.stdout.close()
        assert finish(process)["status"] == "cancelled"


@cases.add
def kill_ends_a_run_and_says_how():
    with Home(CONFIG) as home:
        process, run = begin(home)
        done = home.run("kill", run)
        assert done.returncode == 0 and done.stdout == "%s ended: cancelled\n" % run, done
        mine = finish(process)
        assert mine["status"] == "cancelled" and mine["stdout"] == "one\n" and "hawser kill" in mine["error"], mine
        again = home.run("kill", run)
        assert again.returncode == 1 and "had ended already: cancelled" in again.stderr, again
        for verb in ("kill", "follow"):
            done = home.run(verb, "run_nothing_like_it")
            assert done.returncode == 1 and "hawser ps" in done.stderr, done
            assert home.run(verb, run[:7]).returncode == 1, "seven characters are too few"


@cases.add
def a_faulty_configuration_does_not_keep_anybody_from_killing():
    with Home(CONFIG) as home:
        process, run = begin(home)
        home.write_config("limit: 3\n")
        assert home.run("kill", run).returncode == 0
        assert [r["status"] for r in ps(home)] == ["cancelled"]
        finish(process)


@cases.add
def sandboxes_say_whose_they_are():
    with Home(CONFIG) as home:
        process, run = begin(home)
        wait_for(lambda: {"used", "warm"} <= {s["state"] for s in json.loads(home.run("sandboxes", "--json").stdout)})
        sandboxes = json.loads(home.run("sandboxes", "--json").stdout)
        used = [s for s in sandboxes if s["state"] == "used"]
        assert len(used) == 1 and used[0]["run"] == run and used[0]["provider"] == "process", sandboxes
        text = home.run("sandboxes").stdout
        assert run in text and "warm" in text, text
        check = home.run("state", "check")
        assert check.returncode == 0 and "every page is good" in check.stdout and "has it" in check.stdout, check
        home.run("kill", run)
        finish(process)
        home.run("stop")
        found = {f["key"]: f for f in json.loads(home.run("state", "check", "--json").stdout)["findings"]}
        assert found["sandboxes"]["text"].startswith("0 rows, 0 folders"), found
        assert found["runs"]["text"] == "1 rows, 1 folders" and found["broker"]["text"] == "none is running", found
        assert home.run("state", "mend").returncode == 2


sys.exit(cases.main())
