# SPDX-License-Identifier: Apache-2.0
"""MCP servers behind a URL on loopback, as processes of their own.

    with Web("--http-require", "Authorization: Bearer x") as web: ... web.url("/mcp"), web.hits() ...
    with everything("sse") as url: ...
"""
import contextlib
import json
import os
import shutil
import socket
import subprocess
import tempfile

import hawser
from shipped import PYTHON, peer
from tap import Skip


def end(process):
    process.kill()
    process.wait()


class Web:
    """tests/fixture over HTTP."""

    def __init__(self, *switches, port=0, tls=None, **env):
        self.folder = tempfile.mkdtemp(prefix="hawser-web-")
        self.hits_path = os.path.join(self.folder, "hits")
        words = ["--http", "--http-faults", "--http-port", str(port), "--http-hits", self.hits_path, *switches]
        words += ["--http-tls", tls] if tls else []
        self.scheme = "https" if tls else "http"
        self.process = subprocess.Popen([PYTHON, "-B", hawser.FIXTURE, *words], stdout=subprocess.PIPE,
                                        env={**os.environ, **env})
        self.port = int(self.process.stdout.readline())

    def url(self, path="/mcp", host="127.0.0.1"):
        return "%s://%s:%d%s" % (self.scheme, host, self.port, path)

    def hits(self):
        """What arrived: method, path and headers of each request."""
        if not os.path.exists(self.hits_path):
            return []
        with open(self.hits_path, encoding="utf-8") as f:
            return [json.loads(line) for line in f]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        end(self.process)
        self.process.stdout.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def listens(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def everything(mode, port=None):
    """npm's server-everything in its mode streamableHttp or sse: its URL. A skip by name where it is not installed."""
    command = peer("everything", mode, least=20)  # behind a URL it wants a global crypto, which Node 18 has not
    port = port or free_port()
    process = subprocess.Popen([command["command"], *command["args"]], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
                               env={**os.environ, "PORT": str(port)})
    try:
        hawser.wait_for(lambda: process.poll() is not None or listens(port))
        assert process.poll() is None, "server-everything does not start"
        yield "http://127.0.0.1:%d/%s" % (port, "sse" if mode == "sse" else "mcp")
    finally:
        end(process)


def certificates(folder, names):
    """An authority, and for each name a file with certificate and key for that host: {name: path, "ca": path}."""
    if not shutil.which("openssl"):
        raise Skip("openssl (Debian's package openssl)")

    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    days = ["-days", "2", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *days, "-subj", "/CN=Test Authority", "-keyout", "ca.key", "-out", "ca.pem")
    paths = {"ca": os.path.join(folder, "ca.pem")}
    for name in names:
        with open(os.path.join(folder, "ext"), "w", encoding="utf-8") as f:
            f.write("subjectAltName=%s:%s\n" % ("IP" if name[0].isdigit() else "DNS", name))
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=" + name,
                "-keyout", name + ".key", "-out", name + ".csr")
        openssl("x509", "-req", "-in", name + ".csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                "-days", "2", "-extfile", "ext", "-out", name + ".crt")
        paths[name] = os.path.join(folder, name + ".pem")
        with open(paths[name], "w", encoding="utf-8") as out:
            for part in (".crt", ".key"):
                with open(os.path.join(folder, name + part), encoding="utf-8") as f:
                    out.write(f.read())
    return paths
