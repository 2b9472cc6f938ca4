#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Streams of kind hold: all processes of an idle run stand still, and its wall clock, until the broker lets them go on.
Inside a bubblewrap where the guest is pid 1, and outside of one. HAWSER_GUEST names the binary."""
import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from hawser_guest import Guest  # noqa: E402
from hawser_tunnel import HEAD, RESET  # noqa: E402
from jail import JAIL, find_space, processes_below  # noqa: E402
from tap import Cases, Skip  # noqa: E402

BINARY = os.environ["HAWSER_GUEST"]
cases = Cases()
WAITS = "import subprocess, time\np = subprocess.Popen(['sleep', '100'])\nprint('ready', flush=True)\nx.write_note()\np.kill()\n"


class Held:
    """A guest with one run that waits for the answer of its call, and a hold on it."""

    def __init__(self, code=WAITS, jail=True, limits=None, language="python"):
        if jail and not JAIL:
            raise Skip("bubblewrap with user name spaces")
        self.guest = Guest(BINARY, jail=jail)
        self.code, self.language = code, language
        self.limits = {"wall_ms": 3000, "cpu_ms": 2000, **(limits or {})}

    def __enter__(self):
        self.guest.__enter__()
        self.t = self.guest.tunnel()
        self.calls, self.said = [], {}
        self.t.on_call = self.calls.append
        taken = self.t._numbered  # pylint: disable=protected-access

        def numbered(kind, flags, channel, stream, payload):
            if stream in self.said and kind in (HEAD, RESET):
                self.said[stream].append(json.loads(payload[2:] if kind == HEAD else payload))
            else:
                taken(kind, flags, channel, stream, payload)
        self.t._numbered = numbered  # pylint: disable=protected-access
        self.run = self.t.run(self.language, self.code, namespaces=[{"name": "x", "id": "x"}], limits=self.limits)
        self.t.until(lambda: self.calls or "ready" in self.run.stdout, what="the call")
        return self

    def open(self, run=None):
        stream = self.t.next_stream
        self.said[stream] = []
        assert self.t.open({"kind": "hold", "run": run or self.run.name}, fin=False) == stream
        return stream

    def word(self, stream):
        """What the guest says next of this hold."""
        self.t.until(lambda: self.said[stream], what="a word about the hold")
        return self.said[stream].pop(0)

    def release(self, stream):
        self.t.numbered(RESET, b'{"reason":"released"}', stream=stream)

    def answer(self):
        self.t.until(lambda: self.calls, what="the call")
        self.calls.pop(0).text("noted")

    def __exit__(self, *_):
        self.t.close()
        self.guest.__exit__()


def states(guest):
    found = []
    for pid, _ in processes_below(guest):
        with open("/proc/%s/stat" % pid, encoding="utf-8", errors="replace") as f:
            found.append(f.read().rpartition(")")[2].split()[0])
    return found


@cases.add
def they_stand_still_until_they_are_let_go():
    with Held() as h:
        h.guest.space = find_space(h.guest)
        hold = h.open()
        assert h.word(hold) == {"held": True}
        assert states(h.guest) and set(states(h.guest)) == {"T"}, states(h.guest)
        end = time.monotonic() + 3.2  # past the wall limit: nothing is to happen
        while time.monotonic() < end:
            h.t.pump(0.05)
        assert not h.run.tail, h.run.tail
        h.answer()
        h.release(hold)
        h.t.wait(h.run)
        assert h.run.tail["status"] == "ok" and h.run.tail["usage"]["wall_ms"] < 3000, h.run.tail


@cases.add
def outside_of_a_jail_other_runs_go_on():
    with Held(jail=False) as h:
        hold = h.open()
        other = h.t.run("bash", "for i in 1 2 3 4 5 6 7 8; do sleep 0.1; echo $i; done")
        assert h.word(hold) == {"held": True}
        h.t.wait(other)
        assert other.stdout.endswith("8\n") and other.tail["status"] == "ok", other.tail
        h.answer()
        h.release(hold)
        h.t.wait(h.run)
        assert h.run.tail["status"] == "ok", h.run.tail


@cases.table([
    ("computes", "import threading\nthreading.Thread(target=lambda: [0 for i in iter(int, 1)], daemon=True).start()\n"
     "print('ready', flush=True)\nx.write_note()", "cpu", {"cpu_ms": 700, "wall_ms": 20000}),
    ("forks all the time", "import subprocess, threading\ndef go():\n  while True: subprocess.run(['true'])\n"
     "threading.Thread(target=go, daemon=True).start()\nprint('ready', flush=True)\nx.write_note()", "wall", {"wall_ms": 1500}),
])
def who_is_not_idle_is_not_held(code, reason, limits):
    with Held(code, limits=limits) as h:
        h.open()
        h.t.wait(h.run)
        assert (h.run.tail["status"], h.run.tail["reason"]) == ("timeout", reason), h.run.tail


WAKES = """
import ctypes, os, signal, time
libc = ctypes.CDLL(None)
class Event(ctypes.Structure):
    _fields_ = [("value", ctypes.c_void_p), ("signo", ctypes.c_int), ("notify", ctypes.c_int), ("pad", ctypes.c_char * 48)]
event, timer = Event(signo=signal.SIGCONT, notify=0), ctypes.c_void_p()
assert libc.timer_create(1, ctypes.byref(event), ctypes.byref(timer)) == 0
spec = (ctypes.c_long * 4)(0, 700000000, 0, 700000000)
assert libc.timer_settime(timer, 0, spec, None) == 0
print('ready', flush=True)
x.write_note()
"""


@cases.add
def who_wakes_himself_runs_against_the_clock():
    with Held(WAKES, limits={"wall_ms": 2000}) as h:
        hold = h.open()
        assert h.word(hold) == {"held": True}
        assert h.word(hold) == {"reason": "not_stopped"}
        h.t.wait(h.run)
        assert (h.run.tail["status"], h.run.tail["reason"]) == ("timeout", "wall"), h.run.tail


@cases.add
def a_held_run_can_be_cancelled():
    with Held() as h:
        hold = h.open()
        assert h.word(hold) == {"held": True}
        h.t.cancel(h.run)
        h.t.wait(h.run)
        assert h.run.tail["status"] == "cancelled" and h.word(hold) == {"reason": "run_over"}, h.run.tail
        assert h.t.execute("bash", "echo alive").stdout == "alive\n"


@cases.add
def a_hold_on_nothing():
    with Held() as h:
        assert h.word(h.open("run_unknown")) == {"reason": "no_run"}
        hold = h.open()
        assert h.word(h.open()) == {"reason": "no_run"}  # one at a time
        assert h.word(hold) == {"held": True}
        h.release(hold)
        h.answer()
        h.t.wait(h.run)
        assert h.run.tail["status"] == "ok", h.run.tail


if __name__ == "__main__":
    sys.exit(cases.main())
