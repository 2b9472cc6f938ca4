# SPDX-License-Identifier: Apache-2.0
"""Starts the shipped hawser-guest for tests: on a unix socket or a port, plain or as pid 1 of a bubblewrap."""
import os
import shutil
import socket
import subprocess
import tempfile
import time

from hawser_tunnel import Tunnel, unix_connect


class Guest:
    """with Guest(binary) as g: t = g.tunnel(). In a jail the guest is never root, whoever runs the tests: root in a user
    name space has no limit of processes, and sees through non-dumpable."""

    def __init__(self, binary, *args, jail=False, tcp=False, tunnel_id=None, host="127.0.0.1"):
        self.binary, self.args, self.jail, self.tcp, self.host = binary, list(args), jail, tcp, host
        self.secret = os.urandom(32)
        self.dir = tempfile.mkdtemp(prefix="hawser-guest-")
        self.path = os.path.join(self.dir, "socket")
        self.process, self.port = None, None
        self.tunnel_id = tunnel_id
        self.uid = 61000 + os.getpid() % 1000

    def __enter__(self):
        os.mkdir(os.path.join(self.dir, "home"))
        if self.tcp:
            listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            listener.bind((self.host, 0))
            self.port = listener.getsockname()[1]
            listener.close()
            listen = ["--listen-port", str(self.port), "--listen-host", self.host]
        else:
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            listener.bind(self.path)
            listener.listen(64)
            listen = ["--listen-fd", "7"]
        read, write = os.pipe()
        os.write(write, self.secret)
        os.close(write)
        fds = {8: read}
        if not self.tcp:
            fds[7] = listener.fileno()
        command = [self.binary, "serve", *listen, "--secret-fd", "8", *self.args]
        home = os.path.join(self.dir, "home")
        options = {}
        if self.jail:
            home = "/tmp"
            if os.getuid() == 0:
                options = {"user": self.uid, "group": self.uid, "extra_groups": []}
            command = self.wall() + command
        self.log = open(os.path.join(self.dir, "log"), "w+b")
        # The numbers 7 and 8 in the child: by way of copies above them.
        high = {child: os.dup2(fd, 100 + child, inheritable=True) for child, fd in fds.items()}
        script = " ".join("%d<&%d %d<&-" % (c, h, h) for c, h in high.items())
        self.process = subprocess.Popen(["bash", "-c", 'exec "$@" ' + script, "bash", *command],
                                        pass_fds=list(high.values()), stdin=subprocess.DEVNULL, stdout=self.log,
                                        stderr=self.log, cwd="/", env=self.environment(home),
                                        **options)
        for fd in [read, *high.values()]:
            os.close(fd)
        if not self.tcp:
            listener.close()
        else:
            self.wait_port()
        return self

    def wall(self):
        binds = [x for d in ("/usr", "/bin", "/lib", "/lib64", "/etc/alternatives", "/etc/ssl") if os.path.exists(d)
                 for x in ("--ro-bind", d, d)]
        return ["bwrap", "--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--as-pid-1",
                "--die-with-parent", *binds, "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--ro-bind",
                self.binary, self.binary]

    @staticmethod
    def environment(home):
        kept = {k: v for k, v in os.environ.items() if k in ("PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS",
                                                          "HAWSER_TRACE")}
        return dict(kept, HOME=home)

    def wait_port(self):
        end = time.monotonic() + 10
        while time.monotonic() < end:
            try:
                socket.create_connection((self.host, self.port)).close()
                return
            except ConnectionRefusedError:
                if self.process.poll() is not None:
                    raise RuntimeError(self.text())
                time.sleep(0.01)
        raise TimeoutError("the guest does not listen")

    def connect(self):
        return socket.create_connection((self.host, self.port)) if self.tcp else unix_connect(self.path)

    def tunnel(self, **options):
        t = Tunnel(self.secret, **options)
        t.connect(self.connect())
        return t

    def text(self):
        self.log.flush()
        with open(self.log.name, "rb") as f:
            return f.read().decode("utf-8", "replace")

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.log.close()
        shutil.rmtree(self.dir, ignore_errors=True)
