# SPDX-License-Identifier: Apache-2.0
"""Two network name spaces with a long cable between them.

    with Net(delay_ms=20) as net:      # this thread, and what it starts, is at the near end from now on
        with net.far.entered():        # ... at the far end for a while
            ...
        net.lossy(True)                # nothing gets through any more

The name spaces have no names: they live as long as a process is in them, so nothing is left behind even when the test is
killed, and no other name space is touched. The delay is tc netem on a veth pair; where the kernel has no netem, two TUN
devices and tests/support/delay-line.c between them."""
import contextlib
import ctypes
import fcntl
import os
import shutil
import struct
import subprocess

CLONE_NEWNET = 0x40000000
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 1, 0x1000
NEAR, FAR = "10.213.77.1", "10.213.77.2"
LIBC = ctypes.CDLL(None, use_errno=True)


class Missing(Exception):
    """Named: what this machine does not have."""


def check(result, what):
    if result != 0:
        raise Missing("%s: %s" % (what, os.strerror(ctypes.get_errno())))


def here():
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def run(*argv):
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Missing("%s: %s" % (" ".join(argv), done.stderr.strip()))


class Space:
    """A new network name space. The kernel removes it with the last descriptor and process."""

    def __init__(self):
        outside = here()
        try:
            check(LIBC.unshare(CLONE_NEWNET), "a network name space")
            self.fd = here()
            run("ip", "link", "set", "lo", "up")
        finally:
            check(LIBC.setns(outside, CLONE_NEWNET), "setns")
            os.close(outside)

    @contextlib.contextmanager
    def entered(self):
        """This thread only."""
        outside = here()
        check(LIBC.setns(self.fd, CLONE_NEWNET), "setns")
        try:
            yield
        finally:
            check(LIBC.setns(outside, CLONE_NEWNET), "setns")
            os.close(outside)


class Netem:
    """A veth pair; each end delays what it sends."""
    name = "tc netem"

    def __init__(self, near, far, delay_ms):
        self.ends, self.delay = (near, far), "%dms" % delay_ms
        with far.entered():
            holder = subprocess.Popen(["sleep", "60"])
        try:
            with near.entered():
                run("ip", "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", str(holder.pid))
        finally:
            holder.kill()
            holder.wait()
        self.each("add", "0%")

    def each(self, verb, loss):
        for end in self.ends:
            with end.entered():
                # the limit: no packet is lost because there are many at once
                run("tc", "qdisc", verb, "dev", "cable", "root", "netem", "limit", "100000", "delay", self.delay, "loss",
                    loss)

    def lossy(self, on):
        self.each("change", "100%" if on else "0%")

    def close(self):
        pass


class Tun:
    """Two TUN devices and a process that carries packets between them."""
    name = "delay-line over TUN"

    def __init__(self, near, far, delay_ms, binary):
        self.fds = [self.device(near), self.device(far)]
        self.process = subprocess.Popen([binary, str(delay_ms * 1000), *map(str, self.fds)], pass_fds=self.fds,
                                        stdin=subprocess.PIPE, bufsize=0)
        for fd in self.fds:
            os.close(fd)

    @staticmethod
    def device(space):
        with space.entered():
            try:
                fd = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
                fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", b"cable", IFF_TUN | IFF_NO_PI))
            except OSError as e:
                raise Missing("/dev/net/tun: %s" % e) from e
            run("ip", "link", "set", "cable", "txqueuelen", "50000")
            return fd

    def lossy(self, on):
        self.process.stdin.write(b"d" if on else b"p")

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)


def cable(near, far, delay_ms, delay_line):
    try:
        return Netem(near, far, delay_ms)
    except Missing as why:
        with near.entered():
            subprocess.run(["ip", "link", "del", "cable"], capture_output=True, check=False)
        try:
            return Tun(near, far, delay_ms, delay_line)
        except Missing as why_not:
            raise Missing("%s; and %s" % (why, why_not)) from None


class Net:
    def __init__(self, delay_ms, delay_line):
        self.delay_ms, self.delay_line = delay_ms, delay_line
        self.cable = None

    def __enter__(self):
        for tool in ("ip", "tc"):
            if not shutil.which(tool):
                raise Missing("%s (iproute2)" % tool)
        self.near, self.far = Space(), Space()
        self.cable = cable(self.near, self.far, self.delay_ms, self.delay_line)
        for space, mine in ((self.near, NEAR), (self.far, FAR)):
            with space.entered():
                run("ip", "addr", "add", mine + "/30", "dev", "cable")
                run("ip", "link", "set", "cable", "up")
        self.outside = here()
        check(LIBC.setns(self.near.fd, CLONE_NEWNET), "setns")
        return self

    def lossy(self, on):
        self.cable.lossy(on)

    def __exit__(self, *_):
        check(LIBC.setns(self.outside, CLONE_NEWNET), "setns")
        if self.cable:
            self.cable.close()
