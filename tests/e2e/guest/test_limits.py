#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every limit of a run ends it within 500 ms, with its output, and leaves no process. The guest is pid 1 of a
bubblewrap of its own, so nothing outside can be harmed. HAWSER_GUEST names the binary."""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from hawser_guest import Guest  # noqa: E402
from jail import JAIL, find_space, processes_below  # noqa: E402
from tap import Cases, Skip  # noqa: E402

BINARY = os.environ["HAWSER_GUEST"]
cases = Cases()


def run(language, code, limits, deadline_ms=None, expect=None, **options):
    """Runs in a jail; the end must come within 500 ms of deadline_ms; then nothing is left and the guest still works."""
    if not JAIL:
        raise Skip("bubblewrap with user name spaces")
    with Guest(BINARY, jail=True) as g:
        t = g.tunnel()
        g.space = find_space(g)
        r = t.run(language, code, limits=dict({"wall_ms": 10000, "memory": 512 << 20}, **limits))
        r.keep = options.get("keep", True)
        t.until(lambda: r.started is not None, what="the start")
        t.wait(r, 70)
        took = (r.ended_at - r.started) * 1000
        assert expect is None or expect(r), (r.tail, r.stdout[-300:], r.stderr[-300:])
        if deadline_ms is not None:
            assert took < deadline_ms + 500, "ended %.0f ms after its start: %r" % (took, r.tail)
        end = time.monotonic() + 1
        while processes_below(g) and time.monotonic() < end:
            time.sleep(0.01)  # zombies are reaped by the guest
        assert not processes_below(g), processes_below(g)
        after = t.execute("bash", "echo alive")
        assert after.stdout == "alive\n", after.tail
        return r


def timeout(reason):
    return lambda r: r.tail["status"] == "timeout" and r.tail["reason"] == reason


W = {"wall_ms": 700}


@cases.table([
    ("python loop", "python", "print('before', flush=True)\nwhile True: pass"),
    ("python sleep", "python", "import time\nprint('before', flush=True)\ntime.sleep(60)"),
    ("python swallows", "python", "import time\nprint('before', flush=True)\nwhile True:\n  try: time.sleep(9)\n"
     "  except BaseException: pass"),
    ("python ignores SIGTERM", "python", "import signal\nprint('before', flush=True)\n"
     "for s in range(1, 32):\n  try: signal.signal(s, signal.SIG_IGN)\n  except OSError: pass\nwhile True: pass"),
    ("javascript loop", "javascript", "process.stdout.write('before\\n'); for (;;) ;"),
    ("javascript never", "javascript", "process.stdout.write('before\\n'); setInterval(() => 0, 1000); "
     "await new Promise(() => {})"),
    ("bash loop", "bash", "echo before; while :; do :; done"),
    ("bash stops itself", "bash", "echo before; kill -STOP $$; sleep 9"),
])
def wall(language, code):
    r = run(language, code, W, 700, timeout("wall"))
    assert r.stdout.startswith("before"), r.stdout
    assert r.tail["usage"]["wall_ms"] >= 700


@cases.add
def cpu_of_one_process():
    r = run("python", "while True: pass", {"cpu_ms": 400, "wall_ms": 9000}, None, timeout("cpu"))
    assert 400 <= r.tail["usage"]["cpu_ms"] < 900, r.tail


@cases.add
def cpu_of_children_is_summed():
    run("bash", "for i in 1 2 3 4; do (setsid bash -c 'while :; do :; done' &) ; done; sleep 30",
        {"cpu_ms": 600, "wall_ms": 9000}, None, timeout("cpu"))


@cases.add
def cpu_of_short_children_counts():
    run("bash", "while :; do /bin/true; done", {"cpu_ms": 500, "wall_ms": 9000}, None, timeout("cpu"))


@cases.add
def memory_python():
    r = run("python", "x = []\nwhile True: x.append(bytearray(1 << 20))", {"memory": 200 << 20, "wall_ms": 60000}, None,
            lambda r: r.tail["status"] in ("error", "killed"))
    assert "emory" in str(r.tail), r.tail


@cases.add
def memory_javascript():
    r = run("javascript", "const x = []; for (;;) x.push(new Array(1e5).fill({a: 1}))", {"memory": 512 << 20, "wall_ms": 60000}, None,
            lambda r: r.tail["status"] in ("error", "killed"))
    assert r.tail["reason"] == "memory", r.tail


@cases.add
def output_flood_is_counted():
    limit = 1 << 20
    r = run("python", "import os\nb = b'x' * 65536\nfor i in range(16384): os.write(1, b)",
            {"output": limit, "wall_ms": 15000}, 15000, lambda r: r.tail["status"] == "ok", keep=False)
    assert r.counts[1] == limit, r.counts
    assert r.tail["dropped"] == (1 << 30) - limit, r.tail


@cases.add
def log_flood_is_counted():
    r = run("javascript", "for (let i = 0; i < 20000; i++) console.log('x'.repeat(100))",
            {"output": 100000}, 9000, lambda r: r.tail["status"] == "ok")
    assert len(r.out[3]) <= 100000 and r.tail["dropped"] > 2000000, (len(r.out[3]), r.tail)
    assert len(r.logs) > 700 and all(x["text"] == "x" * 100 for x in r.logs)


@cases.add
def fork_bomb():
    run("bash", "echo before; bomb() { bomb | bomb & }; bomb; sleep 30", W, 700, timeout("wall"))


@cases.add
def fork_bomb_of_python():
    run("python", "import os\nwhile True:\n  try: os.fork()\n  except OSError: pass", W, 700, timeout("wall"))


@cases.add
def background_children_do_not_outlive():
    r = run("bash", "setsid sleep 1000 & (setsid bash -c 'sleep 1000 & sleep 1000' &) ; echo done", {}, 400,
            lambda r: r.tail["status"] == "ok")
    assert r.stdout == "done\n"


@cases.add
def process_exit():
    run("javascript", "process.exit(0)", {}, 1000, lambda r: r.tail["status"] == "ok" and r.tail["exit_code"] == 0)
    run("javascript", "process.exit(3)", {}, 1000, lambda r: r.tail["reason"] == "exit" and r.tail["exit_code"] == 3)
    run("python", "import os\nos._exit(4)", {}, 1000, lambda r: r.tail["exit_code"] == 4)


@cases.add
def killed_by_a_signal():
    run("python", "import os\nos.kill(os.getpid(), 11)", {}, 1000,
        lambda r: r.tail["status"] == "killed" and r.tail["reason"] == "signal" and r.tail["signal"] == 11)


@cases.add
def the_guest_is_safe_from_its_runs():
    # Without seccomp prlimit of pid 1 is open (see the README); signals, memory and trace are not.
    r = run("bash", "for s in TERM INT HUP USR1 CHLD KILL STOP; do kill -$s 1; done; head -c 1 /proc/1/mem; "
            "cat /proc/1/environ; ls /proc/1/fd; echo still here", {}, 3000, lambda r: r.tail["status"] == "ok")
    assert r.stdout == "still here\n", r.stdout
    assert r.stderr.count("ermission denied") >= 3, r.stderr


@cases.add
def a_file_has_a_limit():
    run("bash", "head -c 3000000 /dev/zero > big; stat -c %s big", {"file": 1 << 20}, 3000,
        lambda r: r.stdout == "1048576\n")


@cases.add
def environment_is_minimal():
    r = run("bash", "env | cut -d= -f1 | sort | xargs; ls -l /proc/self/fd | wc -l; id -u; pwd", {}, 2000)
    names = r.stdout.splitlines()[0].split()
    assert set(names) <= {"HOME", "LANG", "PATH", "PWD", "SHLVL", "TERM", "TMPDIR", "_", "OLDPWD"}, names


@cases.add
def descriptors_of_a_run():
    r = run("python", "import os\nfor n in sorted(map(int, os.listdir('/proc/self/fd'))):\n"
            "  try: print(n, os.readlink('/proc/self/fd/%d' % n).split(':')[0].split('/')[-1])\n"
            "  except OSError: pass", {}, 2000)
    found = dict(line.split() for line in r.stdout.splitlines())
    assert [found.get(n) for n in "012345"] == ["null", "pipe", "pipe", "socket", "pipe", "socket"], found


sys.exit(cases.main())
