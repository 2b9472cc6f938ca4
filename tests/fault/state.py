#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What survives the broker: results of ended runs, output of those that went on, and no sandbox; and state directories that
are not as they were."""
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys

from faults import HAWSER, Cases, Home, Skip, alive, apart, below, call, config, family, forget_log, mount, text_of, wait_for, wait_gone

cases = Cases()
ENDED = [
    ("javascript", "console.log('x'.repeat(9000)); console.error('bad'); return {n: 1.50, big: '%s'}" % ("y" * 30000)),
    ("javascript", "await fix_is_not_there.call({})"),
    ("python", "print('from python')\n{'a': [1, 2]}"),
    ("bash", "echo out; echo err >&2; exit 3"),
    ("javascript", "throw new TypeError('no good')"),
]
GOES_ON = "console.log('begun %d'); await new Promise((r) => setTimeout(r, 60000))"


def answers(mcp, run):
    """All that wait_run says of a run: its answer, and its text from two offsets on."""
    found = [mcp.tool("wait_run", run_id=run)] + [mcp.tool("wait_run", run_id=run, offset=n) for n in (0, 10)]
    return [{k: a[k] for k in ("content", "structuredContent", "isError") if k in a} for a in found]


def begin(home, mcp):
    """Five runs that have ended, five that go on: their ids, and what the first five say."""
    ended = [mcp.code(code, language)["structuredContent"]["run_id"] for language, code in ENDED]
    for i in range(5):
        mcp.begin_tool("execute_code", code=GOES_ON % i)
    going = []

    def all_say_something():
        runs = json.loads(home.run("ps", "--json").stdout)
        going[:] = [r["run"] for r in runs if r["status"] == "running"]
        return len(going) == 5 and all(os.path.getsize(home.path("state", "hawser", "runs", run, "events")) for run in going)
    wait_for(all_say_something)
    return ended, going, [answers(mcp, run) for run in ended]


def kill(home):
    pid = home.broker_pid()
    everything = family(pid)
    for keeper in below(pid, "hawser-keeper"):
        everything += family(keeper)
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not alive(pid))
    return everything


@cases.add
def kill_9_loses_no_result_and_leaves_no_sandbox():
    with Home(config()) as home:
        with home.mcp() as mcp:
            ended, going, before = begin(home, mcp)
            assert [a[0].get("isError", False) for a in before] == [False, True, False, True, True], before
            everything = kill(home)
        with home.mcp() as mcp:
            for run, said in zip(ended, before):
                assert answers(mcp, run) == said, (run, said)
            seen = set()
            for run in going:
                result = mcp.tool("wait_run", run_id=run)
                found = result["structuredContent"]
                assert result["isError"] and found["status"] == "lost", result
                assert found["error"].startswith("broker_lost: "), found["error"]
                assert found["stdout"].startswith("begun ") and found["result"] is None, found
                seen.add(found["stdout"])
            assert len(seen) == 5, seen
            wait_gone(everything)
            wait_for(lambda: os.listdir(home.path("runtime", "hawser", "sb")) == [])
            assert call(mcp.code("return 7"))["result"] == 7
        wait_for(lambda: rows(home, "SELECT count(*) FROM sandboxes") == [(0,)])
        assert rows(home, "SELECT count(*) FROM runs WHERE ended_ms = 0") == [(0,)]


@cases.add
def sigterm_keeps_the_results_of_all():
    with Home(config()) as home:
        with home.mcp() as mcp:
            ended, going, before = begin(home, mcp)
        assert home.run("stop").returncode == 0
        with home.mcp() as mcp:
            for run, said in zip(ended, before):
                assert answers(mcp, run) == said, (run, said)
            for run in going:
                found = mcp.tool("wait_run", run_id=run)["structuredContent"]
                assert found["status"] == "cancelled" and found["stdout"].startswith("begun "), found


def rows(home, sql):
    with sqlite3.connect("file:%s?mode=ro" % home.path("state", "hawser", "hawser.db"), uri=True) as db:
        return db.execute(sql).fetchall()


@cases.add
def a_second_kill_loses_nothing_either():
    with Home(config()) as home:
        with home.mcp() as mcp:
            run = mcp.code("return 'kept'")["structuredContent"]["run_id"]
        for _ in range(3):
            kill(home)
            with home.mcp() as mcp:
                assert call(mcp.tool("wait_run", run_id=run))["result"] == "kept"


@cases.add
def runs_that_are_pruned_have_neither_row_nor_folder():
    with Home(config({"runs_kept": 2})) as home:
        kept = [home.code("return %d" % i)["run_id"] for i in range(5)][-2:]
        wait_for(lambda: [r for r, in rows(home, "SELECT id FROM runs ORDER BY seq")] == kept)
        wait_for(lambda: sorted(os.listdir(home.path("state", "hawser", "runs"))) == sorted(kept))


@cases.add
def a_run_whose_files_are_gone_says_so():
    with Home(config()) as home:
        run = home.code("return 1")["run_id"]
        home.run("stop")
        shutil.rmtree(home.path("state", "hawser", "runs", run))
        with home.mcp() as mcp:
            result = mcp.tool("wait_run", run_id=run)
            assert result["isError"] and "its files are gone" in text_of(result), result


@cases.add
@apart
def a_full_disk_under_runs_that_end_loses_nothing_that_had_ended():
    with Home(config()) as home:
        mount("tmpfs", home.path("state"), "tmpfs", data="size=8m,mode=0700")
        with home.mcp() as mcp:
            run = mcp.code("console.log('early'); return 'kept'")["structuredContent"]["run_id"]
            before = answers(mcp, run)
            request = mcp.begin_tool("execute_code", code="console.log('begun'); await new Promise((r) => setTimeout(r, 60000))")
            wait_for(lambda: len(json.loads(home.run("ps", "--json").stdout)) == 2)
            going = json.loads(home.run("ps", "--json").stdout)[0]["run"]
            events = home.path("state", "hawser", "runs", going, "events")
            wait_for(lambda: os.path.exists(events) and os.path.getsize(events) > 0)
            filler = home.path("state", "filler")
            fill(filler)
            refused = mcp.code("return 2")
            assert refused["isError"] and "No space left" in text_of(refused), refused
            assert home.run("kill", going).returncode == 0
            assert mcp.reply(request)["result"]["isError"]
            assert answers(mcp, run) == before
            os.unlink(filler)
            assert call(mcp.code("return 3"))["result"] == 3
        wait_for(lambda: rows(home, "SELECT count(*) FROM runs WHERE ended_ms = 0") == [(0,)])
        kill(home)
        with home.mcp() as mcp:
            assert answers(mcp, run) == before
            found = mcp.tool("wait_run", run_id=going)["structuredContent"]
            assert found["status"] == "cancelled" and found["stdout"] == "begun\n", found


def fill(path):
    with open(path, "ab", buffering=0) as f:
        for size in (1 << 16, 4096, 1):
            try:
                while True:
                    f.write(b"x" * size)
            except OSError:
                pass


# ---- state directories that are not as they were ----

def write(path, data):
    with open(path, "wb") as f:
        f.write(data)


def newer(path):
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")


def somebody_elses(path):
    if os.getuid() != 0:
        raise Skip("root, to give a file away")
    os.chown(path, 65534, 65534)


def cut(path):
    os.truncate(path, os.path.getsize(path) // 2 & ~4095)


@cases.table([
    ("noise", lambda path: write(path, b"noise" * 2000), "it is damaged", "mv "),
    ("a half", cut, "it is damaged", "mv "),
    ("a newer version", newer, "a newer hawser (version 99", "mv "),
    ("somebody else's", somebody_elses, "belongs to ", "chown "),
    ("a folder", lambda path: (os.unlink(path), os.mkdir(path)), "no regular file", "mv "),
])
def in_place_of_the_state_is_told_by_all_with_its_cure(spoil, word, cure):
    with Home(config()) as home:
        home.code("return 1")
        home.run("stop")
        path = home.path("state", "hawser", "hawser.db")
        spoil(path)
        serve = home.run("serve")
        client = home.run("run", "-", input="return 1")
        doctor = home.run("doctor", "--json")
        check = home.run("state", "check")
        assert serve.returncode == client.returncode == doctor.returncode == 3, (serve, client, doctor)
        assert check.returncode == 1, check
        for text in (serve.stderr, client.stderr, doctor.stdout, check.stdout):
            assert word in text and path in text and cure in text, text
        bad = [f for f in json.loads(doctor.stdout)["findings"] if not f["good"]]
        assert [f["key"] for f in bad] == ["state"] and bad[0]["cure"].removeprefix("sudo ").startswith(cure), bad
        with home.mcp(revision=None) as mcp:
            mcp.send({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
                "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}})
            try:
                assert word in json.dumps(mcp.message())
            except EOFError:
                pass  # it said so on stderr
        forget_log(home)


@cases.add
@apart
def a_state_that_can_only_be_read_is_told():
    with Home(config()) as home:
        home.code("return 1")
        home.run("stop")
        path = home.path("state", "hawser", "hawser.db")
        mount(path, path, None, 0x1000)  # MS_BIND
        mount("none", path, None, 0x1000 | 0x20 | 1)  # MS_REMOUNT | MS_RDONLY
        done = home.run("run", "-", input="return 1")
        assert done.returncode == 3 and path in done.stderr and "can only be read" in done.stderr, done
        forget_log(home)


@cases.add
def a_cure_of_doctor_cures():
    with Home(config()) as home:
        run = home.code("return 1")["run_id"]
        home.run("stop")
        write(home.path("state", "hawser", "hawser.db"), b"noise" * 2000)
        finding = [f for f in json.loads(home.run("doctor", "--json").stdout)["findings"] if not f["good"]][0]
        assert os.system(finding["cure"]) == 0
        assert home.code("return 2")["result"] == 2
        folder = home.path("state", "hawser", "runs", run)
        assert os.path.isdir(folder), "folders without a row stay"
        os.utime(folder, (0, 0))  # else its row may still be on its way
        assert "1 run folder without a row" in home.run("state", "check").stdout


@cases.add
def a_copied_state_directory_is_another_broker():
    with Home(config()) as first, Home(config()) as second:
        with first.mcp() as mcp:
            run = mcp.code("return 'mine'")["structuredContent"]["run_id"]
            request = mcp.begin_tool("execute_code", code=GOES_ON % 0)
            wait_for(lambda: "running" in first.run("ps").stdout)
            sandboxes = below(first.broker_pid(), "hawser-keeper")
            shutil.copytree(first.path("state", "hawser"), second.path("state", "hawser"), symlinks=True,
                            ignore=shutil.ignore_patterns("broker.*", "runtime", "run"))
            with second.mcp() as other:
                assert call(other.tool("wait_run", run_id=run))["result"] == "mine"
            assert "event=state_copied" in second.log()
            assert all(alive(pid) for pid in sandboxes), "they belong to the first"
            check = second.run("state", "check").stdout
            assert "all is well" in check, check
            names = [rows(h, "SELECT value FROM meta WHERE key = 'broker_id'") for h in (first, second)]
            assert names[0] != names[1]
            mcp.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": request}})


@cases.add
def a_moved_state_directory_is_the_same_broker():
    with Home(config()) as home:
        run = home.code("return 'mine'")["run_id"]
        home.run("stop")
        name = rows(home, "SELECT value FROM meta WHERE key = 'broker_id'")
        os.rename(home.path("state"), home.path("elsewhere"))
        os.symlink(home.path("elsewhere"), home.path("state"))
        with home.mcp() as mcp:
            assert call(mcp.tool("wait_run", run_id=run))["result"] == "mine"
        assert rows(home, "SELECT value FROM meta WHERE key = 'broker_id'") == name


@cases.table([("power", "power", True), ("process", "process", False)])
def durability_puts_a_run_on_the_disk(word, wanted):
    if not shutil.which("strace"):
        raise Skip("strace")
    with Home({**config(), "durability": word}) as home:
        trace = home.path("trace")
        with subprocess.Popen(["strace", "-f", "-y", "-qq", "-e", "trace=fdatasync", "-o", trace, HAWSER, "serve"],
                              env=home.env, cwd=home.path("work")) as broker:
            wait_for(lambda: os.path.exists(home.socket_path()))
            run = home.code("return 1")["run_id"]
            home.run("stop")
            broker.wait(30)
        with open(trace, encoding="utf-8") as f:
            synced = [line for line in f if "fdatasync(" in line]
        assert any("hawser.db-wal>" in line for line in synced), "the sandbox is always there"
        for name in ("events", "result.json"):
            assert any("%s/%s>" % (run, name) in line for line in synced) == wanted, synced


@cases.add
def durability_power_is_checked_and_shown():
    with Home({**config(), "durability": "power"}) as home:
        assert home.code("return 1")["result"] == 1
        assert json.loads(home.run("config", "show", "--json").stdout)["durability"] == "power"
        home.write_config({**config(), "durability": "often"})
        done = home.run("config", "check")
        assert done.returncode == 2 and "durability: often is not one of process, power" in done.stderr, done


sys.exit(cases.main())
