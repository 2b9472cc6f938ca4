#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Memory hogs, fork bombs and full disks in a process sandbox, under each way in which a keeper enforces limits here. What
the sandbox really used is measured from outside, every few milliseconds.

    limits.py BUILD [--slow]     --slow: less memory and more time, for a kernel on which pages are dear (tests/vm)
"""
import os
import shutil
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "support")]
from attacks import upload  # noqa: E402
from wall import NOBODY, Refused, Tap, Wall, stage  # noqa: E402

MIB = 1 << 20
SLOW = "--slow" in sys.argv
MEMORY, DISK, PROCESSES = (96 * MIB, 72 * MIB, 64) if SLOW else (256 * MIB, 192 * MIB, 64)
WALL_S = 60 if SLOW else 8
HEADROOM = 32 * MIB   # what a keeper allows for the guest (providers/keeper/limits.c)
OVERRUN = 128 * MIB   # at 1 GB/s, the most that the watchdog may come too late
SLACK = 32 * MIB      # a look from outside takes a while: what moved meanwhile counts twice


def descendants(pid):
    found, todo = [], [pid]
    while todo:
        one = todo.pop()
        try:
            with open("/proc/%d/task/%d/children" % (one, one)) as file:
                todo += [int(word) for word in file.read().split()]
            found.append(one)
        except OSError:
            pass
    return found


def keeper_of(wall, box):
    for pid in descendants(wall.process.pid):
        try:
            with open("/proc/%d/cmdline" % pid, "rb") as file:
                if box.id.encode() in file.read():
                    return pid
        except OSError:
            pass
    return None


class Meter(threading.Thread):
    """Peaks of a sandbox: anonymous and shared memory by fair share, files in its tmpfs, processes."""

    def __init__(self, keeper):
        super().__init__(daemon=True)
        self.wall = [p for p in descendants(keeper) if p != keeper]
        self.pid1 = self.wall[1]  # the child of bubblewrap
        self.peak = self.processes = 0
        self.stop = False
        self.places = ["/proc/%d/root%s" % (self.pid1, p) for p in ("/home/user", "/dev/shm")]

    def look(self):
        total = 0
        all_of = []
        try:
            all_of = [int(n) for n in os.listdir("/proc/%d/root/proc" % self.pid1) if n.isdigit()]
        except OSError:
            return
        for pid in all_of:
            try:
                with open("/proc/%d/root/proc/%d/smaps_rollup" % (self.pid1, pid)) as file:
                    for line in file:
                        if line.startswith(("Pss_Anon:", "Pss_Shmem:")):
                            total += int(line.split()[1]) * 1024
            except OSError:
                pass
        for place in self.places:
            try:
                st = os.statvfs(place)
                total += (st.f_blocks - st.f_bfree) * st.f_frsize
            except OSError:
                pass
        self.peak = max(self.peak, total)
        self.processes = max(self.processes, len(all_of))

    def run(self):
        while not self.stop:
            self.look()
            time.sleep(0.004)


def lives(pid):
    """A zombie waits for its parent only."""
    try:
        with open("/proc/%d/stat" % pid) as file:
            return file.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def gone(pids, limit=10):
    """Seconds until none of these processes lives; None: some stayed."""
    began = time.time()
    while time.time() - began < limit:
        if not any(lives(pid) for pid in pids):
            return time.time() - began
        time.sleep(0.01)
    return None


def one(tap, wall, mode, kind, folder):
    box = wall.create("memory=%d disk=%d processes=%d park=bash" % (MEMORY, DISK, PROCESSES))
    other = wall.create("memory=%d park=python" % (256 * MIB))
    upload(box, os.path.join(folder, "hog"))
    other.run("python", "1")
    meter = Meter(keeper_of(wall, box))
    meter.start()
    run = box.tunnel.run("bash", "mv ~/probe ~/hog; ~/hog %s %d; echo status $?" % (kind, 4 * MEMORY // MIB),
                         limits={"wall_ms": WALL_S * 1000, "memory": MEMORY, "processes": PROCESSES})
    neighbour, ended = [], False
    deadline = time.time() + WALL_S + 4
    while run.tail is None and not ended and time.time() < deadline:
        began = time.time()
        if other.run("python", "return 1", timeout=WALL_S + 2).result() == 1:
            neighbour.append(time.time() - began)
        try:
            box.tunnel.pump(0.05)
        except Exception:  # the sandbox is gone: that is one way for a hog to end
            ended = True
    meter.stop = True
    meter.join()
    over = meter.peak - MEMORY - HEADROOM
    pids = meter.wall
    label = "%s, %s" % (mode, kind)
    tap.ok(run.tail is not None or ended, label + ": the hog came to an end", run.out)
    tap.ok(bool(neighbour), label + ": another sandbox answered meanwhile")
    if kind == "fork":
        tap.ok(meter.processes <= PROCESSES + 16, label + ": processes stayed below the limit", meter.processes)
    else:
        tap.ok(over <= (OVERRUN if "watchdog" in mode else SLACK), label + ": memory stayed near the limit", over // MIB)
        tap.ok(meter.peak > MEMORY // 2, label + ": the hog was a hog", meter.peak // MIB)
    tap.note("%s: peak %d MiB of %d, overrun %d MiB, %d processes, neighbour's slowest answer %d ms, end: %s"
             % (label, meter.peak // MIB, (MEMORY + HEADROOM) // MIB, max(0, over // MIB), meter.processes,
                max(neighbour or [0]) * 1000, run.tail["status"] + "/" + str(run.tail.get("reason")) if run.tail
                else "the sandbox ended"))
    if ended:
        event = wall.events.pop() if wall.events else wall.until("ended")
        tap.ok("memory" in event["reason"] or "processes" in event["reason"], label + ": the end is told with its reason",
               event)
    else:
        box.destroy()
    tap.ok(gone(pids) is not None, label + ": nothing of it is left", pids)
    other.destroy()


def main():
    tap = Tap()
    folder = stage(sys.argv[1], "tests/attacks/hog")
    root = os.geteuid() == 0
    modes = [("user", None, {})] if not root else [("root", None, {}), ("root", None, {"cgroups": False}),
                                                   ("user", NOBODY, {})]
    try:
        for who, user, settings in modes:
            with Wall(folder, settings=settings, user=user) as wall:
                facts = wall.report()
                by = "watchdog" if not settings.get("cgroups", True) else facts["memory"][0]
                for kind in ("anon", "tmpfs", "fork") if SLOW else ("anon", "shared", "tmpfs", "fork"):
                    one(tap, wall, "%s by %s" % (who, by), kind, folder)
        with Wall(folder, settings={"cgroups": False, "cpu_percent": 50}) as wall:
            try:
                wall.create()
                tap.ok(False, "a limit that nothing can enforce is refused")
            except Refused as refused:
                tap.ok("CPU" in str(refused), "a limit that nothing can enforce is refused", refused)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
