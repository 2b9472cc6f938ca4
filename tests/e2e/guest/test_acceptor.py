#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The guest's WebSocket acceptor and the broker's WebSocket carrier, while a live tunnel goes on. HAWSER_GUEST and
HAWSER_DIAL name the binaries."""
import base64
import hashlib
import json
import os
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../support"))
from hawser_guest import Guest  # noqa: E402
from hawser_tunnel import Tunnel  # noqa: E402
from tap import Cases, Skip  # noqa: E402

BINARY, DIAL = os.environ["HAWSER_GUEST"], os.environ["HAWSER_DIAL"]
PEERS = os.environ.get("HAWSER_PEERS", os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../.peers"))
cases = Cases()
KEY = base64.b64encode(bytes(range(16))).decode()
UPGRADE = ("GET /tunnel HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
           "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + KEY + "\r\nSec-WebSocket-Protocol: hawser.v1\r\n\r\n")


def masked(opcode, payload, fin=True, mask=b"\x11\x22\x33\x44"):
    head = bytes([(0x80 if fin else 0) | opcode])
    if len(payload) < 126:
        head += bytes([0x80 | len(payload)])
    elif len(payload) < 65536:
        head += bytes([0x80 | 126]) + struct.pack(">H", len(payload))
    else:
        head += bytes([0x80 | 127]) + struct.pack(">Q", len(payload))
    return head + mask + bytes(b ^ mask[i & 3] for i, b in enumerate(payload))


class WebSocket:
    """As much of a socket as Tunnel needs, over WebSocket messages; cuts what it sends into fragments and pings between."""

    def __init__(self, sock):
        self.sock, self.raw, self.data, self.pongs = sock, bytearray(), bytearray(), []
        self.closed = None
        sock.sendall(UPGRADE.encode())
        while b"\r\n\r\n" not in self.raw:
            self.raw += sock.recv(4096)
        head, _, rest = bytes(self.raw).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 "), head
        want = base64.b64encode(hashlib.sha1((KEY + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest())
        assert b"Sec-WebSocket-Accept: " + want in head and b"Sec-WebSocket-Protocol: hawser.v1" in head, head
        self.raw = bytearray(rest)

    def fileno(self):
        return self.sock.fileno()

    def settimeout(self, t):
        self.sock.settimeout(t)

    def setblocking(self, on):
        self.sock.setblocking(True)

    def sendall(self, data):
        self.send(data)

    def send(self, data):
        data = bytes(data[:65536])
        half = len(data) // 2
        self.sock.sendall(masked(2, data[:half], fin=False) + masked(9, b"hello") + masked(0, b"", fin=False) +
                          masked(0, data[half:]))
        return len(data)

    def recv(self, _):
        while not self.data:
            self.raw += self.sock.recv(1 << 20) or b"\x88\x00"
            self.unwrap()
        out, self.data = bytes(self.data), bytearray()
        return out if not self.closed else b""

    def unwrap(self):
        while len(self.raw) >= 2:
            op, n, at = self.raw[0] & 15, self.raw[1], 2
            assert n < 128, "a server's frame is masked"
            if n >= 126:
                at = 4 if n == 126 else 10
                if len(self.raw) < at:
                    return
                n = int.from_bytes(self.raw[2:at], "big")
            if len(self.raw) < at + n:
                return
            payload = bytes(self.raw[at:at + n])
            del self.raw[:at + n]
            if op == 2:
                assert n <= 1 << 20
                self.data += payload
            elif op == 10:
                self.pongs.append(payload)
            elif op == 8:
                self.closed = payload
                self.data += b"x"

    def close(self):
        self.sock.close()


def ws_tunnel(g):
    t = Tunnel(g.secret)
    t.connect(WebSocket(g.connect()))
    return t


def ask(g, text, wait=3):
    """What the guest answers until it closes."""
    s = g.connect()
    s.settimeout(wait)
    answer = b""
    try:
        s.sendall(text if isinstance(text, bytes) else text.encode())
        while True:
            piece = s.recv(65536)
            if not piece:
                return answer
            answer += piece
    except (ConnectionResetError, BrokenPipeError):
        return answer
    finally:
        s.close()


@cases.add
def a_run_over_fragments_and_pings():
    with Guest(BINARY, tcp=True) as g:
        t = ws_tunnel(g)
        r = t.execute("javascript", "return (await s.echo({x: 'y'.repeat(300000)})).x.length",
                      namespaces=[{"name": "s", "id": "s"}])
        assert r.result() == 300000, r.tail
        assert t.sock.pongs and set(t.sock.pongs) == {b"hello"}


@cases.table([
    ("plain GET", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 426 "),
    ("POST", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx", b"HTTP/1.1 405 "),
    ("two pipelined POSTs", "POST /a HTTP/1.1\r\nHost: x\r\n\r\n" * 2, b"HTTP/1.1 405 "),
    ("two pipelined GETs", "GET /a HTTP/1.1\r\nHost: x\r\n\r\n" * 2, b"HTTP/1.1 426 "),
    ("/ws", UPGRADE.replace("/tunnel", "/ws"), b"HTTP/1.1 404 "),
    ("/ws?x", UPGRADE.replace("/tunnel", "/ws?x"), b"HTTP/1.1 404 "),
    ("HTTP/1.0", UPGRADE.replace("HTTP/1.1", "HTTP/1.0"), b"HTTP/1.1 400 "),
    ("no key", UPGRADE.replace("Sec-WebSocket-Key", "X-Key"), b"HTTP/1.1 400 "),
    ("short key", UPGRADE.replace(KEY, "abc"), b"HTTP/1.1 400 "),
    ("two keys", UPGRADE.replace("Host: x", "Host: x\r\nSec-WebSocket-Key: " + KEY), b"HTTP/1.1 400 "),
    ("other protocol", UPGRADE.replace("hawser.v1", "chat"), b"HTTP/1.1 400 "),
    ("old version", UPGRADE.replace("Version: 13", "Version: 8"), b"HTTP/1.1 426 "),
    ("a body", UPGRADE.replace("Host: x", "Host: x\r\nContent-Length: 5"), b"HTTP/1.1 400 "),
    ("chunks", UPGRADE.replace("Host: x", "Host: x\r\nTransfer-Encoding: chunked"), b"HTTP/1.1 400 "),
    ("no colon", UPGRADE.replace("Host: x", "Host: x\r\nnonsense"), b"HTTP/1.1 400 "),
    ("endless header", "GET / HTTP/1.1\r\nX: " + "y" * 20000, b"HTTP/1.1 431 "),
    ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500), b"HTTP/1.1 405 "),
])
def refused(text, begins):
    with Guest(BINARY, tcp=True) as g:
        answer = ask(g, text)
        assert answer.startswith(begins) and answer.count(b"HTTP/1.1 ") == 1, answer
        assert ws_tunnel(g).execute("bash", "echo x").stdout == "x\n"


def closing(g, data):
    """Status code with which the guest closes the WebSocket."""
    w = WebSocket(g.connect())
    w.settimeout(3)
    w.sock.sendall(data)
    while w.recv(1):
        pass
    return struct.unpack(">H", w.closed[:2])[0] if w.closed else None


@cases.table([
    ("not masked", b"\x82\x01x", 1002),
    ("text", masked(1, b"x"), 1003),
    ("reserved bits", b"\xc2" + masked(2, b"x")[1:], 1002),
    ("long ping", masked(9, b"x" * 200), 1002),
    ("fragmented ping", masked(9, b"x", fin=False), 1002),
    ("continuation of nothing", masked(0, b"x"), 1002),
    ("message inside a message", masked(2, b"", fin=False) + masked(2, b"x"), 1002),
    ("over 1 MiB", b"\x82\xff" + struct.pack(">Q", (1 << 20) + 1) + bytes(4), 1009),
    ("2^63", b"\x82\xff" + b"\xff" * 8 + bytes(4), 1009),
    ("unknown opcode", masked(3, b""), 1002),
    ("close", masked(8, struct.pack(">H", 1000)), 1000),
])
def closed_by(data, code):
    with Guest(BINARY, tcp=True) as g:
        assert closing(g, data) == code


@cases.add
def strangers_by_the_thousand_and_a_live_tunnel():
    with Guest(BINARY, tcp=True) as g:
        t = ws_tunnel(g)
        r = t.run("javascript", "let n = 0; const end = Date.now() + 2000; while (Date.now() < end) "
                  "{ await s.echo({}); n++ } return n", namespaces=[{"name": "s", "id": "s"}],
                  limits={"calls": 1000000})
        t.until(lambda: r.started)
        sockets = []

        def flood():
            texts = [b"", b"GET ", UPGRADE.encode()[:60], UPGRADE.encode(), b"\0" * 100, b"POST / HTTP/1.1\r\n\r\n" * 50,
                     UPGRADE.encode() + masked(2, os.urandom(200))]
            for i in range(1000):
                try:
                    s = g.connect()
                    sockets.append(s)
                    s.sendall(texts[i % len(texts)])
                except OSError:
                    pass
        thread = threading.Thread(target=flood)
        thread.start()
        t.wait(r)
        thread.join()
        assert r.tail["status"] == "ok" and r.result() > 100, r.tail
        for s in sockets:
            s.close()
        with open("/proc/%d/status" % g.process.pid, encoding="utf-8") as f:
            rss = [int(line.split()[1]) for line in f if line.startswith("VmRSS")][0]
        assert rss < 20000, "%d kB" % rss


@cases.add
def half_handshakes_end_after_five_seconds():
    with Guest(BINARY, tcp=True) as g:
        half = g.connect()
        half.sendall(b"GET / HTTP/1.1\r\n")
        began = time.monotonic()
        half.settimeout(8)
        assert half.recv(1) == b"" and 4 < time.monotonic() - began < 7


@cases.add
def curl_shakes_hands():
    if not shutil.which("curl"):
        raise Skip("curl")
    with Guest(BINARY, tcp=True) as g:
        p = subprocess.run(["curl", "-s", "-i", "-m", "1", "-H", "Upgrade: websocket", "-H", "Connection: Upgrade", "-H",
                            "Sec-WebSocket-Version: 13", "-H", "Sec-WebSocket-Key: " + KEY, "-H",
                            "Sec-WebSocket-Protocol: hawser.v1", "http://127.0.0.1:%d/x" % g.port],
                           capture_output=True, check=False)
        assert p.stdout.startswith(b"HTTP/1.1 101 "), p
        p = subprocess.run(["curl", "-s", "-m", "3", "-w", "%{http_code}", "http://127.0.0.1:%d/x" % g.port],
                           capture_output=True, check=False)
        assert p.stdout.endswith(b"426"), p


@cases.add
def the_websockets_package():
    sys.path.insert(0, os.path.join(PEERS, "websockets"))
    try:
        from websockets.sync.client import connect
    except ImportError as e:
        raise Skip("Python package websockets: run tests/peers") from e
    with Guest(BINARY, tcp=True) as g:
        with connect("ws://127.0.0.1:%d/x" % g.port, subprotocols=["hawser.v1"]) as ws:
            assert ws.subprotocol == "hawser.v1"
            ws.ping().wait(3)


def dial(url, g, code, *headers):
    p = subprocess.run([DIAL, url, g.secret.hex(), "javascript", code, *headers], capture_output=True, text=True,
                       timeout=60, check=False)
    return p.returncode, p.stdout


@cases.add
def the_carrier_dials_a_url():
    with Guest(BINARY, tcp=True) as g:
        status, out = dial("ws://localhost:%d/any?x=1" % g.port, g, "const t = 'z'.repeat(3 << 20); "
                           "return (await s.echo({t})).t === t", "X-One: 1", "Authorization: Bearer x")
        assert status == 0 and "result true" in out, out


class Front:
    """A TLS server (or a plain one) in front of a guest that records the request's head."""

    def __init__(self, port, context=None):
        self.port, self.context, self.head = port, context, b""
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url_port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        a, _ = self.listener.accept()
        try:
            if self.context:
                a = self.context.wrap_socket(a, server_side=True)
            b = socket.create_connection(("127.0.0.1", self.port))
            self.head = a.recv(65536)
            b.sendall(self.head)
            threading.Thread(target=self.copy, args=(b, a), daemon=True).start()
            self.copy(a, b)
        except OSError:
            a.close()

    @staticmethod
    def copy(a, b):
        try:
            while True:
                data = a.recv(65536)
                if not data:
                    break
                b.sendall(data)
        except OSError:
            pass
        try:
            b.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


@cases.add
def headers_and_host_arrive():
    with Guest(BINARY, tcp=True) as g:
        front = Front(g.port)
        status, out = dial("ws://localhost:%d/p/q?r=1" % front.url_port, g, "return 1", "X-Key: a b", "Authorization: Bearer t")
        head = front.head.decode()
        assert status == 0, out
        assert head.startswith("GET /p/q?r=1 HTTP/1.1\r\n"), head
        lines = {k.lower(): v.strip() for k, _, v in (x.partition(":") for x in head.split("\r\n")[1:])}
        assert lines["x-key"] == "a b" and lines["authorization"] == "Bearer t", lines
        assert lines["host"] == "localhost:%d" % front.url_port and lines["sec-websocket-protocol"] == "hawser.v1", lines


def certificate(folder, name):
    if not shutil.which("openssl"):
        raise Skip("openssl")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", "key.pem", "-out",
                    "cert.pem", "-subj", "/CN=" + name, "-addext", "subjectAltName=DNS:" + name], cwd=folder, check=True,
                   capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder + "/cert.pem", folder + "/key.pem")
    return context


@cases.add
def tls_is_verified():
    with Guest(BINARY, tcp=True) as g, tempfile.TemporaryDirectory() as folder:
        context = certificate(folder, "localhost")
        status, out = dial("wss://localhost:%d/" % Front(g.port, context).url_port, g, "return 1")
        assert status == 3 and "closed:" in out, out
        environment = dict(os.environ, SSL_CERT_FILE=folder + "/cert.pem")
        for name, want in (("localhost", 0), ("127.0.0.1", 3)):
            p = subprocess.run([DIAL, "wss://%s:%d/" % (name, Front(g.port, context).url_port), g.secret.hex(),
                                "javascript", "return 1"], capture_output=True, text=True, timeout=60, check=False,
                               env=environment)
            assert p.returncode == want, (name, p.stdout)
            assert want or json.loads(p.stdout.split("tail ")[1].splitlines()[0])["status"] == "ok"


sys.exit(cases.main())
