#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Streams of the guest: calls, credit, links, parking, the tool command. HAWSER_GUEST names the binary."""
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from hawser_guest import Guest  # noqa: E402
from hawser_tunnel import Closed, Tunnel, frame, HELLO  # noqa: E402
from tap import Cases  # noqa: E402

BINARY = os.environ["HAWSER_GUEST"]
cases = Cases()


def namespaces(*names):
    return [{"name": n, "id": n} for n in names]


@cases.add
def values_and_logs():
    with Guest(BINARY) as g:
        t = g.tunnel()
        r = t.execute("javascript", "console.log('a'); console.error('b'); process.stdout.write('out'); return {x: 1}")
        assert r.result() == {"x": 1} and r.stdout == "out", (r.out, r.tail)
        assert [(x["level"], x["text"]) for x in r.logs] == [("log", "a"), ("error", "b")], r.logs
        r = t.execute("python", "raise ValueError('no')")
        assert r.tail["status"] == "error" and r.tail["error"]["name"] == "ValueError", r.tail
        assert r.tail["usage"]["wall_ms"] < 5000


@cases.table([("python", "python", "return 1"), ("javascript", "javascript", "return 1"), ("bash", "bash", "true"),
              ("exit handlers", "python", "import atexit; atexit.register(print)"),
              ("no last words", "python", "import os; os._exit(0)")])
def peak_of_memory_is_known(language, code):
    """Also of a run that ends at once: its interpreter may be gone when the guest looks at it."""
    with Guest(BINARY) as g:
        t = g.tunnel()
        for _ in range(3):
            r = t.execute(language, code)
            assert r.tail["status"] == "ok" and 1 << 20 < r.tail["usage"]["max_rss"] < 1 << 30, r.tail


@cases.table([("python", "python", "import os, signal; os.kill(os.getppid(), signal.SIGSTOP)"),
              ("javascript", "javascript", "process.kill(process.ppid, 'SIGSTOP')")])
def peak_of_memory_of_what_is_gone(language, code):
    """The guest is held until the interpreter has ended: its memory is given back before anybody looks. (A guest that is
    wrong fails this in one of three times: it must see the last words a turn before the end.)"""
    with Guest(BINARY) as g:
        t = g.tunnel()
        children = "/proc/%d/task/%d/children" % (g.process.pid, g.process.pid)
        for _ in range(4):  # whether its end or its last words are seen first is chance
            r = t.run(language, code)
            end = time.monotonic() + 20
            while states(children) != ["Z"]:
                assert time.monotonic() < end, states(children)
                t.pump(0.005)
            os.kill(g.process.pid, signal.SIGCONT)
            t.wait(r)
            assert r.tail["status"] == "ok" and r.tail["usage"]["max_rss"] > 1 << 20, r.tail


def states(children):
    """Letters of /proc of these processes."""
    found = []
    with open(children) as file:
        for pid in file.read().split():
            with open("/proc/%s/stat" % pid) as stat:
                found.append(stat.read().rpartition(")")[2].split()[0])
    return found


@cases.add
def calls_in_parallel_answered_backwards():
    waiting = []
    with Guest(BINARY) as g:
        t = g.tunnel()
        t.on_call = waiting.append
        r = t.run("javascript", "const r = await Promise.all([...Array(50).keys()].map(i => s.echo({i}))); "
                  "return r.map(x => x.i)", namespaces=namespaces("s"))
        t.until(lambda: len(waiting) == 50)
        assert [c.head["id"] for c in waiting] == list(range(1, 51)), waiting
        assert all(c.head["server"] == "s" and c.head["tool"] == "echo" and c.head["run"] == r.name for c in waiting)
        for call in reversed(waiting):
            call.reply({"content": [], "structuredContent": call.args})
        assert t.wait(r).result() == list(range(50)), r.tail


@cases.table([("1 MiB", 1 << 20), ("20 MiB", 20 << 20)])
def large_arguments_and_answers(size):
    with Guest(BINARY) as g:
        t = g.tunnel()
        r = t.execute("javascript", "const text = 'x'.repeat(%d); const r = await s.echo({text}); "
                      "return [r.text.length, r.text === text]" % size, namespaces=namespaces("s"), timeout=60)
        assert r.result() == [size, True], r.tail


@cases.add
def a_large_result():
    with Guest(BINARY) as g:
        t = g.tunnel()
        r = t.execute("python", "'y' * (5 << 20)")
        assert r.result() == "y" * (5 << 20), r.tail
        r = t.execute("python", "'y' * (5 << 20)", limits={"result": 1 << 20})
        assert r.tail["status"] == "error" and "limit" in r.tail["error"]["message"], r.tail


@cases.add
def names_of_numbers_survive():
    with Guest(BINARY) as g:
        t = g.tunnel()
        seen = []

        def on_call(call):
            seen.append(call.body)
            call.reply(b'{"content":[],"structuredContent":{"n":12345678901234567890,"f":0.10}}')
        t.on_call = on_call
        r = t.execute("bash", "tool call s.t --json '{\"n\": 12345678901234567890, \"f\": 0.10}'")
        assert r.stdout == '{"n":12345678901234567890,"f":0.10}\n', (r.stdout, r.stderr)
        assert seen == [b'{"n": 12345678901234567890, "f": 0.10}'], seen


@cases.add
def the_tool_command():
    with Guest(BINARY) as g:
        t = g.tunnel()

        def on_call(call):
            if call.head["server"] == "hawser":
                call.reply({"content": [], "structuredContent": {"asked": call.args}})
            elif call.head["tool"] == "bad":
                call.fail("denied", "policy says no", "add a rule")
            elif call.head["tool"] == "error":
                call.reply({"isError": True, "content": [{"type": "text", "text": "it broke"}]})
            else:
                call.text("line one")
        t.on_call = on_call
        r = t.execute("bash", "tool call s.ok; tool call s.ok --raw; tool call s.bad; echo $?; tool call s.error; echo $?;"
                      "tool search 'a b'; tool call s.ok --json '{\"a\":1,\"a\":2}'; echo $?; echo '{}' | tool call s.x.y --json -")
        lines = r.stdout.splitlines()
        assert lines[0] == "line one" and json.loads(lines[1])["content"], lines
        assert lines[2:4] == ["1", "1"] and json.loads(lines[4]) == {"asked": {"query": "a b"}}, lines
        assert lines[5:] == ["1", "line one"], lines
        assert "denied: policy says no\nfix: add a rule" in r.stderr and "it broke" in r.stderr, r.stderr
        assert "invalid_arguments" in r.stderr, r.stderr


@cases.add
def tools_from_many_processes_at_once():
    with Guest(BINARY) as g:
        t = g.tunnel()
        t.on_call = lambda call: call.text(str(call.args["i"]))
        r = t.execute("bash", "for i in $(seq 40); do tool call s.t --json \"{\\\"i\\\":$i}\" & done; wait", timeout=30)
        assert sorted(map(int, r.stdout.split())) == list(range(1, 41)), (r.stdout, r.stderr)


@cases.add
def limits_of_calls():
    with Guest(BINARY) as g:
        t = g.tunnel()
        most = [0]
        waiting = []

        def on_call(call):
            waiting.append(call)
            most[0] = max(most[0], len(waiting))
        t.on_call = on_call
        r = t.run("javascript", "const all = await Promise.allSettled([...Array(30).keys()].map(i => s.echo({i})));"
                  "return all.map(x => x.status + (x.reason ? x.reason.kind : ''))", namespaces=namespaces("s"),
                  limits={"calls": 20, "calls_open": 5})
        while r.tail is None:
            if not t.pump(0.05) and waiting:
                waiting.pop(0).reply({"content": [], "structuredContent": {}})
        assert most[0] == 5, most
        assert r.result() == ["fulfilled"] * 20 + ["rejectedbudget"] * 10, r.result()


@cases.add
def a_slow_reader_slows_the_writer_only():
    with Guest(BINARY) as g:
        t = g.tunnel()
        t.auto_credit = False
        slow = t.run("python", "import os\nfor i in range(64): os.write(1, b'z' * 65536)\nos.write(2, b'')")
        t.until(lambda: slow.counts.get(1, 0) == 262144)
        assert not any(t.pump(0.3) and slow.counts[1] > 262144 for _ in range(3)) and slow.tail is None
        quick = t.execute("bash", "echo quick")
        assert quick.stdout == "quick\n"
        t.auto_credit = True
        t.consume(slow.stream, 262144)
        assert t.wait(slow).counts[1] == 64 * 65536, slow.tail


@cases.add
def cancel():
    with Guest(BINARY) as g:
        t = g.tunnel()
        waiting = []
        t.on_call = waiting.append
        r = t.run("python", "print('before', flush=True)\ns.t(a=1)", namespaces=namespaces("s"))
        t.until(lambda: waiting and r.out[1])
        began = time.monotonic()
        t.cancel(r, "budget")
        t.wait(r)
        assert r.tail["status"] == "cancelled" and r.tail["reason"] == "budget", r.tail
        assert r.ended_at - began < 0.5 and r.stdout == "before\n"
        assert waiting[0].cancelled


@cases.add
def a_call_given_up_is_reset():
    with Guest(BINARY) as g:
        t = g.tunnel()
        waiting = []
        t.on_call = waiting.append
        r = t.run("bash", "tool call s.t & sleep 0.05; while ! read -t 0 _ < fifo 2>/dev/null && ! kill $!; do :; done; "
                  "wait $!; echo $?; sleep 30")
        t.until(lambda: waiting)
        t.until(lambda: waiting[0].cancelled)
        t.cancel(r)
        t.wait(r)


@cases.add
def resume_after_a_cut():
    with Guest(BINARY) as g:
        t = g.tunnel()
        done = []

        def on_call(call):
            done.append(call.args["i"])
            call.reply({"content": [], "structuredContent": call.args})
        t.on_call = on_call
        r = t.run("javascript", "let sum = 0; for (let i = 0; i < 400; i++) { sum += (await s.echo({i})).i; "
                  "if (i % 50 === 0) process.stdout.write('#'); } return sum", namespaces=namespaces("s"))
        cuts = 0
        while r.tail is None:
            t.pump(5)
            if cuts < 40 and len(done) >= (cuts + 1) * 9:
                cuts += 1
                t.close()
                assert t.connect(g.connect()), "the guest began anew"
        assert r.result() == sum(range(400)) and done == list(range(400)) and r.stdout == "#" * 8, r.tail
        assert cuts == 40


@cases.add
def a_new_broker_ends_old_runs():
    with Guest(BINARY) as g:
        old = g.tunnel()
        r = old.run("bash", "echo $$; sleep 1000")
        old.until(lambda: r.out[1])
        pid = int(r.stdout)
        new = Tunnel(g.secret, old.id)
        assert not new.connect(g.connect())
        new.execute("bash", "true")
        end = time.monotonic() + 2
        while os.path.exists("/proc/%d" % pid) and time.monotonic() < end:
            time.sleep(0.01)
        assert not os.path.exists("/proc/%d" % pid)
        try:
            old.until(lambda: False, 1)
        except (Closed, TimeoutError) as e:
            assert isinstance(e, Closed), "the old link is still there"


def refused(g, tunnel):
    try:
        tunnel.connect(g.connect(), 3)
        tunnel.until(lambda: False, 1)
    except (Closed, ConnectionError):
        return True
    except TimeoutError:
        return False
    return False


@cases.add
def strangers_do_no_harm():
    with Guest(BINARY) as g:
        t = g.tunnel()
        r = t.run("bash", "echo start; read -t 30 < /dev/fd/0; tool call s.t; echo end")
        assert refused(g, Tunnel(os.urandom(32), t.id))
        held = [g.connect() for _ in range(200)]  # say nothing
        for s in held[:20]:
            try:
                s.sendall(frame(HELLO, b"HWSR" + os.urandom(92)))
            except OSError:
                pass
        garbage = g.connect()
        try:
            garbage.sendall(os.urandom(4096))
        except OSError:
            pass
        assert t.wait(r).stdout == "start\n{}\n" or "end" in r.stdout, (r.stdout, r.tail)
        for s in held:
            s.close()
        garbage.close()


@cases.add
def the_ninth_stranger_is_closed_at_once():
    with Guest(BINARY) as g:
        held = [g.connect() for _ in range(8)]
        ninth = g.connect()
        ninth.settimeout(2)
        assert ninth.recv(1) == b""
        held.pop().close()
        time_out = time.monotonic() + 3
        while True:  # a place becomes free when the guest has seen the close
            try:
                t = g.tunnel()
                break
            except (Closed, ConnectionError):
                assert time.monotonic() < time_out
        assert t.execute("bash", "echo x").stdout == "x\n"
        for s in held:
            s.settimeout(7)
            assert s.recv(4096)[4:5] in (b"", b"\x07"), "a stranger is kept for ever"


@cases.add
def parked_interpreters():
    with Guest(BINARY, "--park", "javascript,python") as g:
        t = g.tunnel()
        t.execute("bash", "sleep 0.3")  # they warm up meanwhile
        for language, code in (("javascript", "return 1"), ("python", "1")):
            began = time.monotonic()
            r = t.execute(language, code)
            took = time.monotonic() - began
            assert r.result() == 1, r.tail
            print("# parked %s: %.1f ms" % (language, took * 1000))
        r = t.execute("python", "import resource\nresource.getrlimit(resource.RLIMIT_DATA)[0]", limits={"memory": 300 << 20})
        assert r.result() == 300 << 20, r.result()


def wait_for_listener(name):
    """The unix socket that tests hand over is there from the start; one that the guest opens is not."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        with open("/proc/net/unix") as sockets:
            if any(line.rstrip().endswith(" " + name) for line in sockets):
                return
        time.sleep(0.01)
    raise AssertionError("nobody listens on " + name)


@cases.add
def attach_relays_a_link():
    name = "test-" + os.urandom(8).hex()
    with Guest(BINARY, "--attach-name", name) as g:
        t = Tunnel(g.secret)
        wait_for_listener("@hawser-" + name)
        for _ in range(3):  # links are disposable
            ours, theirs = socket.socketpair()
            relay = subprocess.Popen([BINARY, "attach", "--attach-name", name], stdin=theirs, stdout=theirs)
            theirs.close()
            t.connect(ours)
            r = t.execute("javascript", "return (await s.echo({x: 'y'.repeat(3e6)})).x.length",
                          namespaces=namespaces("s"))
            assert r.result() == 3000000, r.tail
            t.close()
            assert relay.wait(5) == 0
        assert t.resumed
        p = subprocess.run([BINARY, "attach", "--attach-name", "nobody-" + name], capture_output=True, check=False)
        assert p.returncode == 1 and b"no guest listens" in p.stderr, p


@cases.add
def runs_beside_each_other_are_not_harmed():
    with Guest(BINARY) as g:
        t = g.tunnel()
        stays = t.run("bash", "(sleep 1; echo child) & wait; echo parent")
        goes = t.run("bash", "echo on; sleep 100 & wait")
        t.until(lambda: goes.out[1] and stays.started)
        t.cancel(goes)
        t.wait(goes)
        t.execute("python", "1")
        assert t.wait(stays).stdout == "child\nparent\n", stays.tail


@cases.add
def a_trace_has_headers_only():
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HAWSER_TRACE"] = folder + "/trace"
        try:
            with Guest(BINARY) as g:
                g.tunnel().execute("bash", "echo secret-word; tr '\\0' '\\n' < /proc/self/environ")
        finally:
            del os.environ["HAWSER_TRACE"]
        with open(folder + "/trace", encoding="utf-8") as f:
            lines = [line.split() for line in f]
    assert [line[3] for line in lines[:2]] == ["HELLO", "HELLO"] and lines[-1][3] in ("TAIL", "ACK"), lines
    assert all(len(line) == 9 and line[2] == "guest" for line in lines) and "secret-word" not in str(lines)


@cases.add
def a_program_that_does_not_read_its_answers():
    # Speaks the shim's end itself: 300 calls, no reading; every answer is 250 KB. The broker's credit bounds what waits.
    code = """
import os, struct
head = b'{"kind":"call","server":"s","tool":"t"}'
for i in range(300):
    payload = struct.pack(">H", len(head)) + head
    os.write(3, struct.pack(">IBBHII", len(payload), 16, 1, 0, 1000 + 2 * i, 0) + payload)
import time
time.sleep(3)
print("end")
"""
    with Guest(BINARY) as g:
        t = g.tunnel()
        t.on_call = lambda call: call.reply(b'{"content":[],"x":"' + b"y" * 250000 + b'"}')
        r = t.execute("python", code, limits={"calls_open": 400})
        assert r.tail["reason"] == "shim" and "does not read" in r.tail["error"]["message"], (r.tail, r.stderr)
        with open("/proc/%d/status" % g.process.pid, encoding="utf-8") as f:
            peak = [int(line.split()[1]) for line in f if line.startswith("VmHWM")][0]
        assert peak < 200000, "%d kB" % peak
        assert t.execute("bash", "echo x").stdout == "x\n"


@cases.add
def exit_handlers_run():
    with Guest(BINARY) as g:
        t = g.tunnel()
        r = t.execute("javascript", "process.on('exit', () => process.stdout.write('bye')); return 1")
        assert r.stdout == "bye" and r.result() == 1, r.tail
        r = t.execute("python", "import atexit, time\natexit.register(lambda: (time.sleep(0.1), print('bye')))\n1")
        assert r.stdout == "bye\n" and r.result() == 1, r.tail


@cases.add
def output_before_the_end_is_whole():
    with Guest(BINARY) as g:
        t = g.tunnel()
        for _ in range(5):
            r = t.execute("javascript", "process.stdout.write('b'.repeat(400000)); console.log('last'); return 3")
            assert len(r.stdout) == 400000 and r.logs[-1]["text"] == "last" and r.result() == 3, r.tail
            r = t.execute("python", "print('a' * 400000)\n2")
            assert len(r.stdout) == 400001 and r.result() == 2, r.tail


@cases.add
def bad_heads_are_refused():
    with Guest(BINARY) as g:
        t = g.tunnel()
        for head, reason in (({"kind": "dance"}, "unknown_kind"), ({"kind": "run"}, "bad_head"),
                             ({"kind": "run", "run": "r", "language": "cobol"}, "bad_head"),
                             ({"kind": "run", "run": "r", "language": "bash", "limits": {"wall_ms": -1}}, "bad_head")):
            stream = t.open(head, b"echo")
            from hawser_tunnel import Run
            r = t.runs[stream] = Run(stream, "r")
            t.wait(r, 3)
            assert r.tail["reset"]["reason"] == reason, r.tail
        assert t.execute("bash", "echo x").stdout == "x\n"


@cases.add
def a_missing_interpreter_is_named():
    with Guest(BINARY, "--interpreter", "python=/nonexistent/python3") as g:
        r = g.tunnel().execute("python", "1")
        assert r.tail["status"] == "error" and "/nonexistent/python3" in r.tail["error"]["message"], r.tail


@cases.add
def a_forged_frame_on_descriptor_3():
    with Guest(BINARY) as g:
        t = g.tunnel()
        r = t.execute("python", "import os\nos.write(3, b'\\xff' * 64)\nimport time\ntime.sleep(5)")
        assert r.tail["status"] == "error" and r.tail["reason"] == "shim", r.tail
        r = t.execute("python", "import os\nos.write(4, b'\\xff' * 64)\nprint('on')")
        assert r.tail["status"] == "ok" and r.stdout == "on\n", r.tail


sys.exit(cases.main())
