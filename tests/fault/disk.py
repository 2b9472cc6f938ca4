#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A full disk: the state folder is a small tmpfs in a mount name space of the test's own."""
import os
import sys
import time

from faults import Cases, Home, apart, audit, config, fixture, mount, read, text_of, wait_for

cases = Cases()
FILLER = "filler"


def home():
    h = Home(config(fix=fixture(env={"FIXTURE_COUNT_FILE": "${COUNT_FILE}"})))
    h.env["COUNT_FILE"] = h.path("count")
    mount("tmpfs", h.path("state"), "tmpfs", data="size=4m,mode=0700")
    return h


def fill(h):
    """Not one byte is left."""
    with open(h.path("state", FILLER), "ab", buffering=0) as f:
        for size in (1 << 16, 4096, 1):
            try:
                while True:
                    f.write(b"x" * size)
            except OSError:
                pass
    return os.path.getsize(h.path("state", FILLER))


def make_room(h):
    os.unlink(h.path("state", FILLER))


def counted(h):
    return len(read(h.path("count")).splitlines()) if os.path.exists(h.path("count")) else 0


def whole(h):
    """Every line of every log is whole, and the chain of the audit holds."""
    done = h.run("audit", "verify")
    assert done.returncode == 0, done.stderr
    for line in h.log().splitlines():
        assert line.startswith("time="), line


def folders(h):
    return sorted(os.listdir(h.path("state", "hawser", "runs")))


@cases.add
@apart
def runs_are_refused_and_work_again():
    with home() as h:
        assert h.code("return 1")["result"] == 1
        fill(h)
        done = h.run("run", "-", input="return 2")
        assert done.returncode != 0 and "No space left" in done.stderr, done
        assert h.path("state") in done.stderr, done.stderr
        make_room(h)
        assert h.code("return 3")["result"] == 3
        whole(h)


@cases.add
@apart
def a_run_whose_output_finds_no_room_ends_with_a_clear_error():
    with home() as h:
        h.code("return 1")
        result = h.code("console.log('first'); for (let i = 0; i < 200; i++) console.log('y'.repeat(60000)); return 1")
        assert result["status"] == "error" and "No space left" in result["error"], result["error"]
        assert result["stdout"].startswith("first\n"), result["stdout"][:100]
        wait_for(lambda: h.status()["idle"])
        path = h.path("state", "hawser", "runs", result["run_id"], "events")
        records(read(path))
        for name in folders(h):
            os.unlink(h.path("state", "hawser", "runs", name, "events"))
        assert h.code("return 3")["result"] == 3
        whole(h)


def records(data):
    """Whole records only."""
    while data:
        head, _, rest = data.partition(b"\n")
        length = int(head.split()[2])
        assert rest[length:length + 1] == b"\n", (head, len(rest))
        data = rest[length + 1:]


@cases.add
@apart
def a_value_that_finds_no_room_is_an_error_not_half_a_value():
    with home() as h:
        result = h.code("return 'z'.repeat(6000000)")
        assert result["status"] == "error" and "No space left" in result["error"], result["error"]
        assert result["result"] is None
        for name in folders(h):
            records(read(h.path("state", "hawser", "runs", name, "events")))


@cases.add
@apart
def no_call_is_made_that_cannot_be_recorded():
    with home() as h, h.mcp() as mcp:
        assert text_of(mcp.code("await fix.count({id: 1}); return 1")).startswith("1")
        assert counted(h) == 1
        request = mcp.begin_tool("execute_code", code="for (let i = 0; i < 5000; i++) await fix.count({id: 1})")
        wait_for(lambda: counted(h) > 2)
        fill(h)
        mcp.reply(request)  # what was reserved is used up first
        made = counted(h)
        assert made < 5000
        refused = [h.run("call", "fix.count", "--args", '{"id": 1}') for _ in range(3)]
        assert all(r.returncode for r in refused), refused
        for r in refused:
            assert "audit log" in r.stderr and "room" in r.stderr, r.stderr
        assert counted(h) == made, "refused means not made"
        make_room(h)
        wait_for(lambda: h.run("call", "fix.count", "--args", '{"id": 1}').returncode == 0)
        assert text_of(mcp.code("await fix.count({id: 1}); return 1")).startswith("1")
        whole(h)
        assert len([a for a in audit(h) if a.get("tool") == "count" and a["outcome"] == "ok"]) == counted(h)


@cases.add
@apart
def in_the_middle_of_a_run_calls_are_refused_until_there_is_room():
    with home() as h, h.mcp() as mcp:
        code = """
          const seen = [];
          const end = Date.now() + 20000;
          while (Date.now() < end && seen.length < 3) {
            let kind = 'ok';
            try { await fix.count({id: 1}); } catch (e) { kind = e.message.includes('audit log') ? 'audit log' : e.kind; }
            if (seen[seen.length - 1] !== kind) seen.push(kind);
            if (kind !== 'ok') await new Promise((r) => setTimeout(r, 50));
          }
          return seen;"""
        request = mcp.begin_tool("execute_code", code=code)
        wait_for(lambda: counted(h) >= 2)
        fill(h)
        wait_for(lambda: stuck(h))
        make_room(h)
        result = mcp.reply(request)["result"]["structuredContent"]
        assert result["result"] == ["ok", "audit log", "ok"], result
        assert len([a for a in audit(h) if a.get("tool") == "count" and a["outcome"] == "ok"]) == counted(h)
        whole(h)


def stuck(h):
    """No call was made for a while."""
    before = counted(h)
    time.sleep(0.2)
    return counted(h) == before


@cases.add
@apart
def a_broker_that_starts_on_a_full_disk_says_so():
    with home() as h:
        os.mkdir(h.path("state", "hawser"), 0o700)
        fill(h)
        done = h.run("run", "-", input="return 1")
        assert done.returncode == 3 and "No space left" in done.stderr and h.path("state") in done.stderr, done
        make_room(h)
        assert h.code("return 1")["result"] == 1


@cases.add
@apart
def a_log_that_was_cut_by_a_full_disk_goes_on_with_a_new_line():
    with home() as h:
        h.code("return 1")
        fill(h)
        for _ in range(4):
            h.run("run", "-", input="return 2")
        with h.mcp() as mcp:
            assert mcp.code("return 2")["isError"]
        make_room(h)
        assert h.code("return 3")["result"] == 3
        whole(h)


sys.exit(cases.main())
