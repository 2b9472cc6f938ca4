#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What `hawser doctor` says of limits in a machine of tests/vm, and whether it is true.

    doctor.py v2          a control group is ours to divide: memory, processes and CPU time are limited by its children
    doctor.py shared      a group above ours may be written, but systemd divides it: no promise about CPU time
    doctor.py watchdog    there is none
"""
import json
import os
import re
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from hawser import Home, wait_for  # noqa: E402
from tap import Cases  # noqa: E402

MODE = sys.argv.pop(1)
BY = {"v2": {"memory": "cgroup v2", "processes": "cgroup v2", "cpu": "cgroup v2"},
      "shared": {"memory": "cgroup v2", "processes": "cgroup v2", "cpu": "none"},
      "watchdog": {"memory": "watchdog", "processes": "watchdog", "cpu": "none"}}[MODE]
MIB = 1 << 20
LIMITS = "limits: {run_ms: 60s, memory: 256M, processes: 50, pool: 1}\n"
HALF = LIMITS + "providers: [{process: {cpu_percent: 50}}]\n"
FILES = {"v2": ("memory.max", "pids.max", "cpu.max"), "shared": ("memory.max", "pids.max"), "watchdog": ()}
GROUPS = "/sys/fs/cgroup"
SPIN = "import time\nend = time.monotonic() + 3\nwhile time.monotonic() < end: pass"
STAYS = "import time\nprint('here', flush=True)\ntime.sleep(50)"
cases = Cases()


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read().strip()


def groups():
    """Of sandboxes, below our own group's folder or beside it: {path: pids}."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            where = re.match(r"0::(.*/hawser-sbx_[^/\n]+)", read("/proc/%s/cgroup" % pid))
        except OSError:
            continue
        if where:
            found.setdefault(GROUPS + where[1], []).append(int(pid))
    return found


def another_unit_comes_and_goes():
    """Then systemd looks over the controllers of the groups that are its own."""
    manager = [] if os.getuid() == 0 else ["--user"]
    for weight in (["-p", "CPUWeight=50"], []):
        subprocess.run(["systemd-run", *manager, "--quiet", "--wait", *weight, "true"], check=True, timeout=60)


def findings(home):
    done = home.run("doctor", "--json", timeout=240)
    said = json.loads(done.stdout)
    print("# " + "\n# ".join("%s: %s" % (one["key"], one["text"].replace("\n", " ")) for one in said["findings"]), done.stderr)
    return {one["key"]: one for one in said["findings"]}


@cases.add
def doctor_names_what_enforces():
    with Home(LIMITS) as home:
        said = findings(home)
        assert {key: said[key]["text"].split(";")[0] for key in BY} == BY, said
        for language in ("javascript", "python", "bash"):
            assert said["run " + language]["good"], said["run " + language]


def limits_of(group):
    """None: it is gone, or of this mode no limit is expected."""
    try:
        return {name: read(os.path.join(group, name)) for name in FILES[MODE]}
    except FileNotFoundError:
        return None if not os.path.isdir(group) else {}


@cases.add
def the_groups_of_a_sandbox_say_the_same():
    with Home(HALF if MODE == "v2" else LIMITS) as home:
        run = home.popen("run", "--language", "python", "-", stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        run.stdin.write(STAYS)
        run.stdin.close()
        assert run.stdout.readline() == "here\n"
        before = {group: limits_of(group) for group in groups()}
        print("# %s" % before)
        if MODE == "watchdog":
            assert not before
        else:
            another_unit_comes_and_goes()
            after = {group: limits_of(group) for group in before if os.path.isdir(group)}
            assert after, "the run is gone"
            for group, limits in after.items():
                assert limits == before[group], (limits, before[group])
                assert 256 * MIB <= int(limits["memory.max"]) <= 320 * MIB and 50 <= int(limits["pids.max"]) <= 66, limits
                assert limits.get("cpu.max") in (None, "50000 100000"), limits
        run.terminate()
        run.wait()
        run.stdout.close()
    wait_for(lambda: not groups())


@cases.add
def half_a_cpu_is_half_a_cpu():
    with Home(HALF) as home:
        got = home.code(SPIN, "--language", "python", timeout=90)
        if MODE != "v2":
            assert got["status"] != "ok" and "control group" in got["error"], got["error"]
            return
        used, wall = got["usage"]["cpu_ms"], got["usage"]["wall_ms"]
        print("# note: %d ms of CPU in %d ms" % (used, wall))
        assert got["status"] == "ok" and wall >= 3000 and used <= 0.6 * wall, got


sys.exit(cases.main())
