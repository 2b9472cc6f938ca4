# SPDX-License-Identifier: Apache-2.0
"""A guest at the far end of a long cable and a user's home at the near end, for the cases of remote.py."""
import contextlib
import os
import shutil
import statistics
import sys
import time

from hawser import BUILD, FIXTURE, Home
from hawser_guest import Guest
from spaces import FAR

GUEST = os.path.join(BUILD, "tunnel", "guest", "hawser-guest")
TUNNEL = "0d" * 16


class Remote:
    """home.code() runs code in the guest, by way of provider `fake` and a ws:// URL."""

    def __init__(self, net, port=None, headers=(), guest=None):
        self.net, self.port, self.headers, self.guest = net, port, list(headers), guest
        self.stack = contextlib.ExitStack()

    def __enter__(self):
        with self.stack:
            if not self.guest:
                self.guest = self.stack.enter_context(FarGuest(self.net))
            self.home = self.stack.enter_context(Home())
            self.counted = self.home.write("work/counted", "")
            self.home.write_config(self.config(), "hawser.json")
            self.stack = self.stack.pop_all()
        return self

    def config(self):
        secret = self.home.path("secret")
        with open(os.open(secret, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as f:
            f.write(self.guest.secret)
        return {"providers": [{"fake": {"url": "ws://%s:%d/tunnel" % (FAR, self.port or self.guest.port),
                                        "headers": self.headers, "secret_file": secret, "tunnel": TUNNEL}}],
                "policy": {"default": "allow"},
                "limits": {"pool": 0, "runs": 1, "calls": 100000, "run_most_ms": 120000, "call_ms": 60000,
                           "cpu_ms": 120000},
                "mcpServers": {"fixture": {"command": sys.executable, "args": ["-B", FIXTURE],
                                           "env": {"FIXTURE_COUNT_FILE": self.counted}}}}

    def run(self, code):
        """The value of a run that must go well."""
        result = self.home.code(code, "--language", "javascript", "--timeout", "60s", timeout=90)
        assert result["status"] == "ok", (result["status"], result["error"], self.guest.text()[-2000:])
        return result["result"]

    def __exit__(self, *what):
        self.stack.__exit__(*what)


class FarGuest(Guest):
    """The shipped guest at the far end."""

    def __init__(self, net):
        super().__init__(GUEST, "--interpreter", "javascript=" + os.path.realpath(shutil.which("node")), "--tunnel", TUNNEL,
                         tcp=True, host=FAR)
        self.net = net

    def __enter__(self):
        with self.net.far.entered():
            return super().__enter__()

    def memory(self):
        """Resident now and at most, in kB."""
        with open("/proc/%d/status" % self.process.pid, encoding="utf-8") as f:
            said = dict(line.split(":", 1) for line in f)
        return [int(said[key].split()[0]) for key in ("VmRSS", "VmHWM")]


def round_trip(connect, times=9):
    """ms that one exchange takes on this cable now: a TCP handshake."""
    took = []
    for _ in range(times):
        began = time.perf_counter()
        connect().close()
        took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took)
