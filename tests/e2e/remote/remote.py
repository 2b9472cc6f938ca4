#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs in a guest behind 40 ms of network: what a call costs there, who may talk to it, and what a cut does.

Figures go to lines "# budget ...". They fail a case only when they are of another order (SLACK times the budget): a busy
machine is not a slow product. See README.md."""
import os
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path[:0] = [HERE, os.path.join(HERE, "..", "..", "support")]
# pylint: disable=wrong-import-position
import hostile  # noqa: E402
from rig import TUNNEL, FarGuest, Remote, round_trip  # noqa: E402
from spaces import FAR, NEAR, Missing, Net  # noqa: E402
from tap import Cases, Skip  # noqa: E402

DELAY_MS = 20  # each way
SLACK = float(os.environ.get("HAWSER_SLACK", "2"))  # more where system calls are dear (tests/vm)
INSIDE = "HAWSER_TEST_OWN_SPACES"
cases = Cases()
NET = None

SEQUENTIAL = """
const took = [];
for (let i = 0; i < 35; i++) {
  const began = performance.now();
  await fixture.echo({ i });
  took.push(performance.now() - began);
}
return took.slice(5);
"""

CONCURRENT = """
const took = [];
for (let round = 0; round < 14; round++) {
  const began = performance.now();
  const answers = await Promise.all(Array.from({ length: 100 }, (_, i) => fixture.echo({ i })));
  took.push(performance.now() - began);
  answers.forEach((a, i) => { if (a.i !== i) throw new Error("answer " + i); });
}
return took.slice(3);
"""

MEGABYTE = """
const ms = { argument: [], result: [] };
for (let round = 0; round < 6; round++) {
  let began = performance.now();
  const counted = await fixture.count({ id: "big", payload: "x".repeat(1 << 20) });
  ms.argument.push(performance.now() - began);
  began = performance.now();
  const big = await fixture.huge({ bytes: 1 << 20 });
  ms.result.push(performance.now() - began);
  if (counted.bytes < 1 << 20 || big.length !== 1 << 20) throw new Error("not whole");
}
return ms;
"""

BESIDE = """
const ms = { large: [], small: [] };
for (let round = 0; round < 2; round++) {
  const began = performance.now();
  let over = false;
  const large = fixture.huge({ bytes: 16 << 20 }).then(() => { over = true; });
  await new Promise((resolve) => setTimeout(resolve, 200));
  while (!over) {
    const one = performance.now();
    await fixture.echo({});
    ms.small.push(performance.now() - one);
  }
  await large;
  ms.large.push(performance.now() - began);
}
return ms;
"""

# Four lanes of calls with an id each, until the time is over.
STEADY = """
const end = performance.now() + SECONDS * 1000, took = [], failures = [];
let next = 0;
async function lane() {
  while (performance.now() < end) {
    const i = next++, began = performance.now();
    try {
      const answer = await fixture.count({ id: `steady:${i}` });
      if (answer.id !== `steady:${i}`) failures.push(`${i}: answer of ${answer.id}`);
    } catch (error) { failures.push(`${i}: ${error}`); }
    took.push(performance.now() - began);
  }
}
await Promise.all(Array.from({ length: 4 }, lane));
return { calls: next, failures: failures.slice(0, 5), took };
"""


def note(text):
    print("# " + text, flush=True)


def budget(what, measured, most):
    """measured: ms of each round, judged by its median."""
    middle = statistics.median(measured)
    note("budget %s: median %.1f ms of %d rounds (%.1f to %.1f), budget %.1f ms, budget met: %s" % (
        what, middle, len(measured), min(measured), max(measured), most, "yes" if middle <= most else "no"))
    assert middle <= SLACK * most, "%s: %.1f ms is of another order than %.1f ms" % (what, middle, most)


def far_connect(port):
    return lambda: socket.create_connection((FAR, port), timeout=10)


def rtt(remote):
    took = round_trip(far_connect(remote.guest.port))
    note("one round trip over %s: %.1f ms" % (NET.cable.name, took))
    assert took >= 2 * DELAY_MS, "the cable is too short for this test"
    return took


@cases.add
def a_run_with_calls_and_output():
    with Remote(NET) as remote:
        result = remote.home.code("console.log('hello'); const r = await fixture.add({a: 2, b: 3}); return r.sum;",
                                  "--language", "javascript")
        assert result["status"] == "ok" and result["result"] == 5 and "hello" in result["stdout"], result
        assert result["tool_calls"][0]["calls"] == 1 and result["sandbox"]["provider"] == "fake", result


@cases.add
def calls_cost_the_way_and_little_more():
    with Remote(NET) as remote:
        trip = rtt(remote)
        budget("sequential call", remote.run(SEQUENTIAL), trip + 2)
        budget("100 concurrent calls", remote.run(CONCURRENT), 2 * trip + 20)


@cases.add
def a_megabyte_each_way():
    with Remote(NET) as remote:
        trip = rtt(remote)
        took = remote.run(MEGABYTE)
        for what, ms in took.items():
            note("1 MiB %s: first %.0f ms, then median %.0f ms = %.1f round trips, %.1f MB/s" % (
                what, ms[0], statistics.median(ms[1:]), statistics.median(ms[1:]) / trip,
                (1 << 20) / statistics.median(ms[1:]) / 1000))
            assert statistics.median(ms[1:]) < 20 * trip, ms


@cases.add
def small_calls_beside_a_large_answer():
    """An ACK that fell due while the link was blocked stopped the broker for 20 s."""
    with Remote(NET) as remote:
        took = remote.run(BESIDE)
        note("16 MiB in %s ms, small calls beside it: median %.0f ms, most %.0f ms" % (
            [round(ms) for ms in took["large"]], statistics.median(took["small"]), max(took["small"])))
        assert max(took["large"]) < 15000 and max(took["small"]) < 5000, took


class Listener:
    """At the far end: writes down the first request's head, then passes everything on to the guest."""

    def __init__(self, net, target):
        self.net, self.target, self.head = net, target, b""
        with net.far.entered():
            self.listener = socket.create_server((FAR, 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        near, _ = self.listener.accept()
        with self.net.far.entered():
            far = socket.create_connection((FAR, self.target))
        while b"\r\n\r\n" not in self.head:
            self.head += near.recv(65536)
        far.sendall(self.head)
        threading.Thread(target=self.copy, args=(far, near), daemon=True).start()
        self.copy(near, far)

    @staticmethod
    def copy(source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            pass
        try:
            sink.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


@cases.add
def headers_reach_the_far_end():
    with FarGuest(NET) as guest:
        listener = Listener(NET, guest.port)
        headers = ["Authorization: Bearer far-away", "X-Sandbox: one two"]
        with Remote(NET, port=listener.port, headers=headers, guest=guest) as remote:
            assert remote.run("return (await fixture.add({a: 1, b: 1})).sum") == 2
        head = listener.head.decode().split("\r\n")
        assert head[0] == "GET /tunnel HTTP/1.1", head
        lines = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        assert lines["authorization"] == "Bearer far-away" and lines["x-sandbox"] == "one two", head
        assert lines["host"] == "%s:%d" % (FAR, listener.port) and lines["sec-websocket-protocol"] == "hawser.v1", head
        assert guest.secret.hex() not in listener.head.decode(), "the secret crossed the wire"


class Steady:
    """A run with calls all the time, beside the body of the with."""

    def __init__(self, remote, seconds):
        self.remote, self.seconds, self.result, self.error = remote, seconds, None, None
        self.thread = threading.Thread(target=self.work)

    def work(self):
        try:
            self.result = self.remote.run(STEADY.replace("SECONDS", str(self.seconds)))
        except Exception as e:  # pylint: disable=broad-except
            self.error = e

    def counted(self):
        with open(self.remote.counted, encoding="ascii") as f:
            return f.read().split()

    def __enter__(self):
        self.thread.start()
        end = time.monotonic() + 20
        while not self.counted():
            assert time.monotonic() < end and self.thread.is_alive(), "the run does not call: %s" % self.error
            time.sleep(0.01)
        return self

    def __exit__(self, kind, *_):
        self.thread.join()
        if kind:
            return
        if self.error:
            raise self.error
        assert not self.result["failures"], self.result["failures"]
        counted, calls = self.counted(), self.result["calls"]
        lost, doubled = calls - len(set(counted)), len(counted) - len(set(counted))
        took = self.result["took"]
        note("steady: %d calls, lost %d doubled %d, latency median %.1f ms, most %.1f ms" % (
            calls, lost, doubled, statistics.median(took), max(took)))
        assert lost == doubled == 0 and calls > 20


@cases.add
def hostile_clients_beside_a_live_tunnel():
    with Remote(NET) as remote:
        trip, connect = rtt(remote), far_connect(remote.guest.port)
        at_rest, _ = remote.guest.memory()
        with Steady(remote, 16) as steady:
            for attack in hostile.ONE_BY_ONE:
                attack(connect, bytes.fromhex(TUNNEL))
            hostile.half_handshakes(connect, None)
            taken = sum(hostile.thousand_at_once((FAR, remote.guest.port), 3) for _ in range(2))
            assert steady.thread.is_alive(), "the run was over before the attacks were"
        note("%d of 2000 connections at once were taken" % taken)
        resident, most = remote.guest.memory()
        note("guest: %d kB before, %d kB after, %d kB at most" % (at_rest, resident, most))
        assert most < at_rest + 4096, "the guest grew to %d kB" % most
        assert statistics.median(steady.result["took"]) < 2 * trip, "calls were slow all the time"
        assert max(steady.result["took"]) < 2000, "a call took %.0f ms" % max(steady.result["took"])
        with Remote(NET, guest=remote.guest) as other:  # a new broker, a new link
            assert other.run("return (await fixture.add({a: 1, b: 2})).sum") == 3


@cases.add
def three_seconds_of_silence():
    with Remote(NET) as remote:
        with Steady(remote, 8) as steady:
            time.sleep(1)
            NET.lossy(True)
            try:
                time.sleep(3)
            finally:
                NET.lossy(False)
        assert max(steady.result["took"]) > 2900, "there was no silence"


@cases.add
def killed_links_resume():
    if not shutil.which("ss"):
        raise Skip("ss (iproute2)")
    with Remote(NET) as remote:
        with Steady(remote, 5):
            for i in range(6):
                time.sleep(0.5)
                with NET.far.entered():
                    killed = subprocess.run(["ss", "-KH", "state", "established", "src", "%s:%d" % (
                        FAR, remote.guest.port), "dst", NEAR], capture_output=True, text=True, check=False)
                if "ESTAB" not in killed.stdout and not killed.stdout.strip():
                    raise Skip("ss -K: " + (killed.stderr.strip() or "this kernel has no INET_DIAG_DESTROY"))
        links = remote.guest.text().count("link_closed")
        note("%d links were killed" % links)
        assert links >= 5, "links were not killed"


def capable():
    """Without root: this program once more, as the same user, in a user and network name space of its own."""
    if os.getuid() == 0 or INSIDE in os.environ:
        return
    own = ["unshare", "--user", "--map-current-user", "--keep-caps", "--net", "--"]
    if not shutil.which("unshare"):
        raise Missing("unshare (util-linux)")
    tried = subprocess.run(own + ["true"], capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        raise Missing("root, or a user name space: " + tried.stderr.strip())
    os.execvpe(own[0], own + [sys.executable, *sys.argv], dict(os.environ, **{INSIDE: "1"}))


def main():
    global NET  # pylint: disable=global-statement
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, 4096), hard), hard))
    os.environ["PATH"] += ":/usr/sbin:/sbin"  # ip and tc are there, and a user's PATH is not
    try:
        if not shutil.which("node"):
            raise Missing("node")
        capable()
        with Net(DELAY_MS, os.environ.get("HAWSER_DELAY_LINE", "delay-line")) as NET:
            return cases.main()
    except Missing as what:
        print("TAP version 13\n1..0 # SKIP %s" % what)
        return 0


if __name__ == "__main__":
    sys.exit(main())
