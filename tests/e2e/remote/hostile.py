# SPDX-License-Identifier: Apache-2.0
"""Clients that nobody wants, against the guest's acceptor: each function is one attack, connect() gives a fresh socket."""
import base64
import contextlib
import errno
import os
import select
import socket
import struct
import time

KEY = base64.b64encode(bytes(range(16))).decode()
UPGRADE = ("GET /tunnel HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
           "Sec-WebSocket-Key: " + KEY + "\r\nSec-WebSocket-Protocol: hawser.v1\r\n\r\n").encode()
HELLO = 1


def message(payload):
    """One masked binary message; the mask is zeros."""
    return b"\x82" + bytes([0x80 | 126]) + struct.pack(">H", len(payload)) + bytes(4) + payload


def hello(tunnel, flaw=b""):
    body = b"HWSR\x01\x01\0\0" + tunnel + os.urandom(16) + bytes(16) + bytes(8) + os.urandom(32) + flaw
    return struct.pack(">IBBHII", len(body), HELLO, 0, 0, 0, 0) + body


PROOF = struct.pack(">IBBHII", 32, 2, 0, 0, 0, 0) + bytes(32)


def talk(connect, *pieces, until=1.0):
    """Sends the pieces; what came back until the guest closed or the time was over, and whether it closed."""
    answer, end = b"", time.monotonic() + until
    with contextlib.closing(connect()) as s:
        try:
            for piece in pieces:
                s.sendall(piece)
            while time.monotonic() < end:
                s.settimeout(max(0.01, end - time.monotonic()))
                got = s.recv(65536)
                if not got:
                    return answer, True
                answer += got
        except TimeoutError:
            pass
        except OSError:
            return answer, True
    return answer, False


def endless(connect, first, seconds):
    """Writes for ever; bytes that the guest let in before it closed, None: it did not close."""
    sent, end = 0, time.monotonic() + seconds
    with contextlib.closing(connect()) as s:
        s.settimeout(seconds)
        try:
            s.sendall(first)
            while time.monotonic() < end:
                sent += s.send(b"x" * 4096)
                time.sleep(0.001)
        except OSError:
            return sent
    return None


def plain_http(connect, _):
    answer, closed = talk(connect, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert closed and answer.startswith(b"HTTP/1.1 426 "), answer


def pipelined(connect, _):
    for request in (b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n", b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"):
        answer, closed = talk(connect, request * 2)
        assert closed and answer.count(b"HTTP/1.1 4") == 1, answer


def endless_header(connect, _):
    sent = endless(connect, b"GET / HTTP/1.1\r\nX: ", 4)
    assert sent is not None, "the guest listened to an endless header"


def endless_body(connect, _):
    sent = endless(connect, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n", 4)
    assert sent is not None, "the guest listened to an endless body"


def wrong_path(connect, _):
    answer, closed = talk(connect, UPGRADE.replace(b"/tunnel", b"/ws"))
    assert closed and answer.startswith(b"HTTP/1.1 404 "), answer


def wrong_secrets(connect, tunnel):
    for pieces in ((message(hello(tunnel)), message(PROOF)), (message(hello(os.urandom(16))),),
                   (message(hello(tunnel) + PROOF + hello(tunnel)),)):
        answer, closed = talk(connect, UPGRADE, *pieces)
        assert closed and answer.startswith(b"HTTP/1.1 101 "), answer


def garbage_frames(connect, tunnel):
    for pieces in ((message(os.urandom(60000)),), (os.urandom(50000),), (b"\x82\xff" + b"\xff" * 8 + bytes(4),),
                   (message(struct.pack(">IBBHII", 1 << 31, 16, 0, 0, 2, 1)),),
                   (message(hello(tunnel)), message(struct.pack(">IBBHII", 0, 18, 0, 0, 1, 1)))):
        answer, closed = talk(connect, UPGRADE, *pieces)
        assert closed and answer.startswith(b"HTTP/1.1 101 "), (answer, closed)


def half_handshakes(connect, _):
    """Kept open until the guest has had enough: 5 s, and no more than 8 at once."""
    began, open_now = time.monotonic(), []
    for i in range(20):
        s = connect()
        s.setblocking(False)
        with contextlib.suppress(OSError):
            s.send(UPGRADE if i % 2 else UPGRADE[:40])
        open_now.append(s)
    try:
        while open_now:
            assert time.monotonic() - began < 8, "%d strangers are still there" % len(open_now)
            for s in select.select(open_now, [], [], 0.5)[0]:
                try:
                    over = not s.recv(65536)
                except OSError:
                    over = True
                if over:
                    open_now.remove(s)
                    s.close()
            assert len(open_now) <= 8 or time.monotonic() - began < 2, "%d strangers at once" % len(open_now)
    finally:
        for s in open_now:
            s.close()


def thousand_at_once(address, seconds):
    """1,000 connections begun in one moment; how many the guest's kernel took."""
    sockets, words = [], [b"", b"GET ", UPGRADE[:60], UPGRADE, bytes(100), UPGRADE + message(os.urandom(200))]
    waiting, taken = {}, 0
    try:
        for i in range(1000):
            s = socket.socket()
            sockets.append(s)
            s.setblocking(False)
            assert s.connect_ex(address) in (0, errno.EINPROGRESS)
            waiting[s.fileno()] = words[i % len(words)]
        poll, end = select.poll(), time.monotonic() + seconds
        for fd in waiting:
            poll.register(fd, select.POLLOUT)
        while waiting and time.monotonic() < end:
            for fd, _ in poll.poll(200):
                word = waiting.pop(fd)
                poll.unregister(fd)
                with contextlib.suppress(OSError):
                    os.write(fd, word)
                    taken += 1
        return taken
    finally:
        for s in sockets:
            s.close()


ONE_BY_ONE = [plain_http, pipelined, endless_header, endless_body, wrong_path, wrong_secrets, garbage_frames]
