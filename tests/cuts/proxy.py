# SPDX-License-Identifier: Apache-2.0
"""A proxy between a broker and a guest that cuts links at chosen places in the stream of frames (PROTOCOL.md).

It parses frames in both directions, over a byte stream or inside WebSocket messages, and after every k-th data frame of a
link it ends the link with RST, each time in another way:

  header    inside the header of a frame          payload   inside the payload of a frame
  ack       a frame went through, its ACK did not  both      while both ends have data frames on the way
  hello     inside HELLO or PROOF of the next link

Half of the cuts deliver the k-th frame, half lose it. A link that got past hello lets at least one data frame through.
"""
import collections
import random
import select
import socket
import struct
import threading
import time

DATA, HELLO_TYPES, ACK = 16, (1, 2), 3
HELD_MOST = 1 << 20  # bytes held for a slow end before the other one is read no further
KINDS = ("header", "payload", "ack", "both", "hello")


class Unit:
    """raw bytes that belong together, and the frames in them: (type, start, end) as offsets in raw."""

    def __init__(self, raw, frames):
        self.raw, self.frames = raw, frames


class StreamParser:
    def __init__(self):
        self.held = bytearray()

    def feed(self, data):
        self.held += data
        while len(self.held) >= 16:
            length, kind = struct.unpack_from(">IB", self.held)
            if len(self.held) < 16 + length:
                return
            raw = bytes(self.held[:16 + length])
            del self.held[:16 + length]
            yield Unit(raw, [(kind, 0, len(raw))])


class WebSocketParser:
    """The HTTP upgrade as one unit without frames, then one unit a message."""

    def __init__(self):
        self.held, self.upgraded = bytearray(), False

    def feed(self, data):
        self.held += data
        while True:
            size = self.head() if self.upgraded else self.upgrade_end()
            if size is None:
                return
            raw = bytes(self.held[:size])
            del self.held[:size]
            yield Unit(raw, self.frames(raw) if self.upgraded else [])
            self.upgraded = True

    def upgrade_end(self):
        at = self.held.find(b"\r\n\r\n")
        return None if at < 0 else at + 4

    def head(self):
        """Size of the message at the front, None if it is not whole."""
        held = self.held
        if len(held) < 2:
            return None
        length, at = held[1] & 0x7f, 2
        if length >= 126:
            width = 2 if length == 126 else 8
            if len(held) < 2 + width:
                return None
            length, at = int.from_bytes(held[2:2 + width], "big"), 2 + width
        at += 4 if held[1] & 0x80 else 0
        return at + length if len(held) >= at + length else None

    @staticmethod
    def frames(raw):
        length, at = raw[1] & 0x7f, 2
        if length >= 126:
            at += 2 if length == 126 else 8
        mask = raw[at:at + 4] if raw[1] & 0x80 else None
        at += 4 if mask else 0
        if raw[0] & 0x0f not in (0, 2):
            return []
        found, first = [], at
        while at + 16 <= len(raw):
            header = raw[at:at + 16]
            if mask:
                header = bytes(b ^ mask[(at - first + i) % 4] for i, b in enumerate(header))
            size, kind = struct.unpack_from(">IB", header)
            found.append((kind, at, at + 16 + size))
            at += 16 + size
        return found


def reset(sock):
    """Closes with RST where the family has one."""
    if sock.family == socket.AF_INET:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


class Proxy(threading.Thread):
    """listen and target: a unix path (str) or (host, port). Cuts after every `every` data frames; 0: never."""

    def __init__(self, listen, target, websocket, seed, every=0, rate=0):
        super().__init__(daemon=True)
        self.target, self.websocket, self.every, self.rate = target, websocket, every, rate
        self.random = random.Random(seed)
        self.histogram = collections.Counter()
        self.links = self.barren = 0  # barren: got past hello, let no data frame through
        self.hello_next = False
        self.stopped = False
        family = socket.AF_UNIX if isinstance(listen, str) else socket.AF_INET
        self.listener = socket.socket(family, socket.SOCK_STREAM)
        if family == socket.AF_INET:
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(listen)
        self.listener.listen(16)
        self.address = self.listener.getsockname()

    def connect(self):
        family = socket.AF_UNIX if isinstance(self.target, str) else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.connect(self.target)
        if family == socket.AF_INET:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def run(self):
        while not self.stopped:
            client, _ = self.listener.accept()
            if self.stopped:
                client.close()
                return
            try:
                Link(self, client, self.connect()).run()
            except OSError:
                client.close()

    def stop(self):
        self.stopped = True
        with socket.socket(self.listener.family, socket.SOCK_STREAM) as poke:
            poke.connect(self.address)
        self.join(10)
        self.listener.close()


class Link:
    def __init__(self, proxy, client, guest):
        self.proxy, self.ends = proxy, (client, guest)
        for end in self.ends:
            end.setblocking(False)
        parser = WebSocketParser if proxy.websocket else StreamParser
        self.parsers = (parser(), parser())
        self.out = (bytearray(), bytearray())  # what each end still takes: one that is slow holds up nobody else
        self.data = 0             # data frames that went through, in whole units
        self.proved = self.cuts = False
        self.waiting = None       # (kind, direction) of a cut that waits for the other direction
        self.until = 0
        draw = proxy.random
        self.kind = draw.choice(KINDS[:4]) if proxy.every else None
        self.deliver = draw.random() < 0.5
        self.hello = proxy.hello_next
        proxy.hello_next = False
        proxy.links += 1

    def run(self):
        try:
            while self.turn():
                pass
        except OSError:
            pass
        if self.proved and self.cuts and self.data == 0:
            self.proxy.barren += 1
        for side, end in enumerate(self.ends):
            try:  # what was let through arrives before the RST
                end.settimeout(1)
                end.sendall(self.out[side])
            except OSError:
                pass
            reset(end)

    def turn(self):
        timeout = max(0.0, self.until - time.monotonic()) if self.waiting else None
        reading = [end for side, end in enumerate(self.ends) if len(self.out[1 - side]) < HELD_MOST]
        writing = [end for side, end in enumerate(self.ends) if self.out[side]]
        ready, writable, _ = select.select(reading, writing, [], timeout)
        for end in writable:
            self.flush(self.ends.index(end))
        if not ready and not writable:  # the other direction stayed silent: cut all the same
            return self.cut("between frames")
        for end in ready:
            side = self.ends.index(end)
            try:
                data = end.recv(65536)
            except BlockingIOError:
                continue
            if not data:
                return False
            if self.proxy.rate:
                time.sleep(len(data) / self.proxy.rate)
            for unit in self.parsers[side].feed(data):
                if not self.forward(side, unit):
                    return False
        return True

    def send(self, side, data):
        self.out[1 - side].extend(data)
        self.flush(1 - side)

    def flush(self, side):
        try:
            del self.out[side][:self.ends[side].send(self.out[side])]
        except BlockingIOError:
            pass

    def forward(self, side, unit):
        if self.hello and any(kind in HELLO_TYPES for kind, _, _ in unit.frames):
            if self.proxy.random.random() < 0.5 or unit.frames[0][0] == 2:
                self.send(side, unit.raw[:self.proxy.random.randrange(1, len(unit.raw))])
                return self.cut("hello")
        for kind, start, end in unit.frames:
            verdict = self.look(side, unit, kind, start, end)
            if verdict is not None:
                return verdict
        self.send(side, unit.raw)
        self.proved = self.proved or any(kind == 2 for kind, _, _ in unit.frames)
        self.data += sum(kind >= DATA for kind, _, _ in unit.frames)
        return True

    def look(self, side, unit, kind, start, end):
        """None: nothing here. False: the link was cut. True: the unit was dealt with."""
        if self.waiting:
            how, direction = self.waiting
            if how == "ack" and side != direction and kind == ACK:
                return self.cut("ack", delivered=True)
            if how == "both" and side != direction and kind >= DATA:
                if self.deliver:
                    self.send(side, unit.raw)
                return self.cut("both", delivered=self.deliver)
            return None
        if kind < DATA or not self.proxy.every:
            return None
        here = self.data + 1 + sum(k >= DATA and s < start for k, s, _ in unit.frames)
        target = max(self.proxy.every, 2) if not self.deliver else self.proxy.every + 1
        if self.kind in ("header", "payload") and here >= target and self.data > 0:  # a message that is cut is lost whole
            if self.kind == "payload" and end - start == 16:
                return None  # no payload to cut: the next frame that has one
            offset = (start + self.proxy.random.randrange(1, 16) if self.kind == "header"
                      else start + 16 + self.proxy.random.randrange(0, end - start - 16))
            self.send(side, unit.raw[:offset])
            return self.cut(self.kind, delivered=self.deliver)
        if self.kind in ("ack", "both") and here >= self.proxy.every:
            self.waiting, self.until = (self.kind, side), time.monotonic() + 0.06
        return None

    def cut(self, kind, delivered=None):
        counts, self.cuts = self.proxy.histogram, True
        counts[kind] += 1
        if delivered is not None:
            counts["delivered" if delivered else "lost"] += 1
        if kind != "hello" and self.proxy.random.random() < 0.25:
            self.proxy.hello_next = True
        return False
