#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Many runs: one after the other leave nothing behind, all at once wait for their turn."""
import os
import subprocess
import sys

from faults import Cases, Home, below, call, config, family, fixture, wait_for

cases = Cases()
RUNS = int(os.environ.get("FAULT_RUNS", "300"))
WARM_UP = 60
SLACK_KIB = 4096


def descriptors(pid):
    return len(os.listdir("/proc/%d/fd" % pid))


def memory_kib(pid):
    with open("/proc/%d/status" % pid, encoding="utf-8") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS:"))


@cases.add
def runs_one_after_the_other_leave_nothing_in_the_broker():
    with Home(config({"runs_kept": 20, "pool": 2}, fix=fixture())) as home, home.mcp() as mcp:
        code = "await fix.echo({n: 1}); console.log('x'); try { await fix.nope({}) } catch {} return 1"

        def run(times):
            for _ in range(times):
                assert call(mcp.code(code))["result"] == 1
            wait_for(lambda: len(below(broker, "hawser-keeper")) == 2)

        mcp.code("return 1")
        broker = home.broker_pid()
        run(WARM_UP)
        fds, kib, children = descriptors(broker), memory_kib(broker), len(family(broker))
        run(RUNS - WARM_UP)
        print("# fds %d -> %d, RSS %d -> %d KiB, processes %d -> %d"
              % (fds, descriptors(broker), kib, memory_kib(broker), children, len(family(broker))))
        assert descriptors(broker) <= fds + 4, os.listdir("/proc/%d/fd" % broker)
        assert memory_kib(broker) <= kib + SLACK_KIB
        assert len(family(broker)) <= children + 4
        assert len(os.listdir(home.path("state", "hawser", "runs"))) <= 21
        assert len(os.listdir(home.path("runtime", "hawser", "sb"))) <= 4


@cases.add
def twenty_at_once_with_room_for_four_all_finish():
    with Home(config({"runs": 4, "pool": 0})) as home:
        home.code("return 1")
        broker = home.broker_pid()
        clients = []
        for i in range(20):
            client = home.popen("run", "--json", "-", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            client.stdin.write(b"await new Promise((r) => setTimeout(r, 100)); return %d" % i)
            client.stdin.close()
            client.stdin = None
            clients.append(client)
        most = 0
        while any(c.poll() is None for c in clients):
            most = max(most, len(below(broker, "hawser-keeper")))
        for i, client in enumerate(clients):
            out, err = client.communicate(timeout=60)
            assert b'"result":%d,' % i in out, (out, err)
        assert 2 <= most <= 8, most  # 4, and those of the 4 before that are still being taken down
        wait_for(lambda: home.status()["idle"])


@cases.add
def more_than_may_wait_are_refused_and_the_others_finish():
    with Home(config({"runs": 4, "pool": 0})) as home:
        home.code("return 1")
        wires = [home.wire() for _ in range(6)]
        ids = [(w, w.send("run.start", request={"code": "sleep 60", "language": "bash"})) for w in wires for _ in range(50)]
        refused = 0
        for wire in wires:
            wire.ask("status")
            refused += len([n for n in wire.notes if "wait for a sandbox already" in n.get("error", {}).get("message", "")])
        assert 30 <= refused <= 44, (len(ids), refused)  # 256 may wait
        for wire in wires:
            wire.__exit__()
        wait_for(lambda: home.status()["idle"])
        assert home.code("return 2")["result"] == 2


sys.exit(cases.main())
