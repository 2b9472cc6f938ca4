# SPDX-License-Identifier: Apache-2.0
"""The broker's end of a tunnel (tunnel/PROTOCOL.md) for tests: one link at a time over a connected stream socket.

    t = Tunnel(secret)
    t.connect(sock)
    run = t.run("python", "print(1)", limits={"wall_ms": 1000})
    t.wait(run)                  # pumps until the run's TAIL; run.tail, run.out[1], run.result()

Calls of code go to t.on_call(call): answer with call.reply(result) or call.fail(kind, message), now or later.
"""
import hashlib
import hmac
import json
import os
import select
import socket
import struct
import time

HELLO, PROOF, ACK, CREDIT, PING, PONG, BYE = 1, 2, 3, 4, 5, 6, 7
OPEN, HEAD, BODY, TAIL, RESET = 16, 17, 18, 19, 20
FIN = 1
WINDOW = 262144
HEADER = struct.Struct(">IBBHII")


class Closed(Exception):
    """The link is over."""


def frame(kind, payload=b"", flags=0, channel=0, stream=0, sequence=0):
    return HEADER.pack(len(payload), kind, flags, channel, stream, sequence) + payload


def with_head(head, body=b""):
    text = json.dumps(head).encode()
    return struct.pack(">H", len(text)) + text + body


class Run:
    def __init__(self, stream, name):
        self.stream, self.name = stream, name
        self.out = {1: b"", 2: b"", 3: b"", 4: b"", 5: b""}
        self.logs, self.progress = [], []
        self.counts = {}
        self.keep = True  # False: output is counted, not kept
        self.started = None
        self.tail = None
        self.ended_at = None

    def result(self):
        return json.loads(self.out[5]) if self.out[5] else None

    @property
    def stdout(self):
        return self.out[1].decode("utf-8", "replace")

    @property
    def stderr(self):
        return self.out[2].decode("utf-8", "replace")


class Call:
    def __init__(self, tunnel, stream, head):
        self.tunnel, self.stream, self.head = tunnel, stream, head
        self.body = b""
        self.cancelled = False

    @property
    def args(self):
        return json.loads(self.body or b"{}")

    def reply(self, result):
        body = result if isinstance(result, bytes) else json.dumps(result).encode()
        self.tunnel.answer(self.stream, {"ok": True}, body)

    def text(self, text):
        self.reply({"content": [{"type": "text", "text": text}]})

    def fail(self, kind, message, fix=None):
        head = {"ok": False, "kind": kind, "message": message, "retryable": False}
        if fix:
            head["fix"] = fix
        self.tunnel.answer(self.stream, head, b"")


class Tunnel:
    def __init__(self, secret, tunnel_id=None, boot=None):
        self.secret = secret
        self.id = tunnel_id or os.urandom(16)
        self.boot = boot or os.urandom(16)
        self.other = bytes(16)
        self.sock = None
        self.auto_ack = True
        self.auto_credit = True
        self.on_call = lambda call: call.reply({"content": [], "structuredContent": call.args})
        self.resumed = None
        self.bye = None
        self.begin()

    def begin(self):
        self.sent, self.received, self.acked = 0, 0, 0
        self.unacked = []  # (sequence, bytes)
        self.next_stream = 1
        self.runs, self.calls = {}, {}
        self.credit, self.pending = {}, {}
        self.consumed, self.granted = {}, {}
        self.out = bytearray()
        self.inbuf = bytearray()

    # ---- link ----

    def hello(self):
        return (b"HWSR\x01\x01\0\0" + self.id + self.boot + self.other +
                struct.pack(">II", self.received, self.received) + os.urandom(32))

    def connect(self, sock, timeout=5):
        """Does hello and proof, then replays. Returns whether the conversation goes on."""
        sock.settimeout(timeout)
        self.sock, self.inbuf, self.out = sock, bytearray(), bytearray()
        mine = self.hello()
        sock.sendall(frame(HELLO, mine))
        kind, payload = self._first()
        if kind != HELLO:
            raise Closed("answered by type %d %r" % (kind, payload))
        theirs, proof = payload[:96], payload[96:128]
        want = hmac.new(self.secret, b"hawser listener" + mine + theirs, hashlib.sha256).digest()
        if not hmac.compare_digest(want, proof):
            raise Closed("the guest's proof is wrong")
        if theirs[40:56] != self.boot:
            raise Closed("the guest answers another hello")
        boot, got = theirs[24:40], struct.unpack(">I", theirs[56:60])[0]
        sock.sendall(frame(PROOF, hmac.new(self.secret, b"hawser dialler" + mine + theirs, hashlib.sha256).digest()))
        self.resumed = boot == self.other
        if self.resumed:
            self.unacked = [(n, b) for n, b in self.unacked if n > got]
            self.out += b"".join(b for _, b in self.unacked)
            for stream, total in self.granted.items():
                if isinstance(stream, tuple):
                    continue
                self.out += frame(CREDIT, struct.pack(">Q", total), stream=stream)
        else:
            known = self.other != bytes(16)
            self.other = boot
            if known:
                self.begin()
                self.other = boot
        sock.settimeout(None)
        sock.setblocking(False)
        return self.resumed

    def _first(self):
        while True:
            got = self._take()
            if got:
                return got[1], got[6]
            data = self.sock.recv(65536)
            if not data:
                raise Closed("closed in hello")
            self.inbuf += data

    def close(self):
        if self.sock:
            self.sock.close()
        self.sock = None

    # ---- sending ----

    def numbered(self, kind, payload=b"", flags=0, channel=0, stream=0):
        self.sent += 1
        data = frame(kind, payload, flags, channel, stream, self.sent)
        self.unacked.append((self.sent, data))
        self.out += data

    def open(self, head, body=b"", fin=True):
        stream, self.next_stream = self.next_stream, self.next_stream + 2
        self.credit[stream] = WINDOW
        self.numbered(OPEN, with_head(head), stream=stream)
        self.pending[stream] = [bytearray(body), fin]
        self._flush_body(stream)
        return stream

    def answer(self, stream, head, body):
        self.credit.setdefault(stream, WINDOW)
        self.numbered(HEAD, with_head(head), stream=stream)
        self.pending[stream] = [bytearray(body), True]
        self._flush_body(stream)

    def _flush_body(self, stream):
        body, fin = self.pending[stream]
        while body and self.credit[stream] > 0:
            piece = bytes(body[:min(65536, self.credit[stream])])
            del body[:len(piece)]
            self.credit[stream] -= len(piece)
            self.numbered(BODY, piece, FIN if fin and not body else 0, 0, stream)
            if not body:
                del self.pending[stream]
                return
        if not body:
            del self.pending[stream]
            if fin:
                self.numbered(BODY, b"", FIN, 0, stream)

    def run(self, language, code, name=None, limits=None, **head):
        name = name or "run_%d" % self.next_stream
        head = dict({"kind": "run", "run": name, "language": language, "namespaces": []}, **head)
        if limits is not None:
            head["limits"] = limits
        stream = self.open(head, code.encode() if isinstance(code, str) else code)
        run = self.runs[stream] = Run(stream, name)
        return run

    def cancel(self, run, reason="cancelled"):
        self.numbered(RESET, json.dumps({"reason": reason}).encode(), stream=run.stream)

    # ---- receiving ----

    def _take(self):
        if len(self.inbuf) < 16:
            return None
        length, kind, flags, channel, stream, sequence = HEADER.unpack_from(self.inbuf)
        if len(self.inbuf) < 16 + length:
            return None
        payload = bytes(self.inbuf[16:16 + length])
        del self.inbuf[:16 + length]
        return length, kind, flags, channel, stream, sequence, payload

    def pump(self, timeout=None):
        """One round: writes what is queued, reads what is there. False: nothing happened within timeout."""
        readable, writable, _ = select.select([self.sock], [self.sock] if self.out else [], [], timeout)
        if writable:
            try:
                n = self.sock.send(self.out)
                del self.out[:n]
            except BlockingIOError:
                pass
            except OSError as e:
                raise Closed(str(e)) from e
        if readable:
            try:
                data = self.sock.recv(1 << 20)
            except BlockingIOError:
                return True
            except OSError as e:
                raise Closed(str(e)) from e
            if not data:
                raise Closed("closed by the guest")
            self.inbuf += data
            while True:
                got = self._take()
                if not got:
                    break
                self._frame(*got)
            if self.auto_ack and self.received != self.acked:
                self.acked = self.received
                self.out += frame(ACK, struct.pack(">I", self.received))
        return bool(readable or writable)

    def _frame(self, length, kind, flags, channel, stream, sequence, payload):
        if kind == ACK:
            upto = struct.unpack(">I", payload)[0]
            self.unacked = [(n, b) for n, b in self.unacked if n > upto]
        elif kind == CREDIT:
            total = struct.unpack(">Q", payload)[0]
            if stream in self.credit:
                sent = self.granted.setdefault(("sent", stream), WINDOW)
                self.credit[stream] += total - sent
                self.granted[("sent", stream)] = total
                if stream in self.pending:
                    self._flush_body(stream)
        elif kind == PING:
            self.out += frame(PONG, payload)
        elif kind == BYE:
            self.bye = payload
        elif kind >= OPEN:
            if sequence != self.received + 1:
                raise Closed("frame %d instead of %d" % (sequence, self.received + 1))
            self.received = sequence
            self._numbered(kind, flags, channel, stream, payload)

    def _numbered(self, kind, flags, channel, stream, payload):
        if kind in (OPEN, HEAD):
            n = struct.unpack(">H", payload[:2])[0]
            head, payload = json.loads(payload[2:2 + n]), payload[2 + n:]
            if kind == OPEN:
                self.calls[stream] = Call(self, stream, head)
            elif stream in self.runs:
                self.runs[stream].started = time.monotonic()
        if kind in (OPEN, HEAD, BODY) and payload:
            self._body(stream, channel, payload)
        if kind == TAIL and stream in self.runs:
            self.runs[stream].tail = json.loads(payload)
            self.runs[stream].ended_at = time.monotonic()
        elif kind == RESET:
            if stream in self.calls:
                self.calls[stream].cancelled = True
            elif stream in self.runs:
                self.runs[stream].tail = {"status": "reset", "reset": json.loads(payload)}
                self.runs[stream].ended_at = time.monotonic()
        elif flags & FIN and stream in self.calls:
            self.on_call(self.calls[stream])

    def _body(self, stream, channel, payload):
        if stream in self.calls:
            self.calls[stream].body += payload
        elif stream in self.runs:
            run = self.runs[stream]
            run.counts[channel] = run.counts.get(channel, 0) + len(payload)
            if run.keep:
                run.out[channel] += payload
            if channel == 3:
                run.logs.append(json.loads(payload))
            elif channel == 4:
                run.progress.append(json.loads(payload))
        if self.auto_credit:
            self.consume(stream, len(payload))

    def consume(self, stream, n):
        self.consumed[stream] = self.consumed.get(stream, 0) + n
        total = self.consumed[stream] + WINDOW
        if total - self.granted.get(stream, WINDOW) >= WINDOW // 4:
            self.granted[stream] = total
            self.out += frame(CREDIT, struct.pack(">Q", total), stream=stream)

    # ---- waiting ----

    def until(self, condition, timeout=20, what="it"):
        end = time.monotonic() + timeout
        while not condition():
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError("%s did not happen within %g s" % (what, timeout))
            self.pump(left)

    def wait(self, run, timeout=20):
        self.until(lambda: run.tail is not None, timeout, "the end of " + run.name)
        return run

    def execute(self, language, code, timeout=20, **options):
        return self.wait(self.run(language, code, **options), timeout)


def unix_connect(path):
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.connect(path)
    return sock
