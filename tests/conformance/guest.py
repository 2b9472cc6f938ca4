#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A guest in the standard library alone, written from tunnel/PROTOCOL.md; for tests and for readers, without any wall.

guest.py SOCKET SECRET_FILE: listens on a unix socket, runs Python code in threads. The code has print() (channel 1),
call(server, tool, args) and result(value).
"""
import collections, ctypes, hashlib, hmac, json, os, socket, struct, sys, threading, traceback

HELLO, PROOF, ACK, CREDIT, PING, PONG, BYE, OPEN, HEAD, BODY, TAIL, RESET = 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20
TURN, WINDOW, HELD_MAX, PIECE = 2**32 - 1, 262144, 8 << 20, 65536
lock = threading.RLock()
changed = threading.Condition(lock)


class Cancelled(BaseException):
    pass


class Stream:
    def __init__(self, number, head):
        self.number, self.head, self.body = number, head, bytearray()
        self.sent, self.limit, self.received = 0, WINDOW, 0
        self.answer = self.thread = None
        self.calling = set()   # threads of a run that wait for a call, and notice its end by themselves
        self.over = self.cancelled = self.gone = False   # other end's FIN; its RESET; lost with the conversation


class Guest:
    def __init__(self, secret):
        self.secret, self.promised, self.link = secret, {}, None
        with lock:
            self.begin(os.urandom(16), None)

    def begin(self, boot, other):
        for stream in getattr(self, 'streams', {}).values():
            self.stop(stream, gone=True)
        self.boot, self.other, self.streams = boot, other, {}
        self.sent, self.received, self.next, self.call_id = 0, 0, 2, 0
        self.unacked, self.held = collections.deque(), 0
        changed.notify_all()

    # ---- frames
    def write(self, kind, payload=b'', stream=0, channel=0, fin=0, number=0):
        frame = struct.pack('>IBBHII', len(payload), kind, fin, channel, stream, number) + payload
        if number:
            self.unacked.append((number, frame))
            self.held += len(frame)
        if self.link:
            self.push(self.link, frame)

    def push(self, link, frame):
        try:
            link.sendall(frame)
        except OSError:   # the reader notices, and the next link gets it again
            self.link = None

    def send(self, kind, stream, payload=b'', channel=0, fin=0):
        """A numbered frame of a stream; waits while too much is unacknowledged."""
        with lock:
            while self.held > HELD_MAX and kind != RESET and not stream.gone:
                changed.wait()
            if not stream.gone:
                self.sent = self.sent % TURN + 1
                self.write(kind, payload, stream.number, channel, fin, self.sent)

    def send_body(self, stream, channel, data, fin=0):
        while data or fin:
            with lock:
                while data and stream.sent == stream.limit and not (stream.cancelled or stream.gone):
                    changed.wait()
                if stream.cancelled or stream.gone:
                    return
                piece = data[:min(PIECE, stream.limit - stream.sent)]
                data = data[len(piece):]
                stream.sent += len(piece)
            self.send(BODY, stream, piece, channel, fin if not data else 0)
            if not data:
                return

    # ---- links
    def serve(self, link):
        """One connection: handshake, then frames until it ends."""
        try:
            link.settimeout(5)
            d = self.read(link, HELLO)[1]
            assert len(d) >= 96 and d[:4] == b'HWSR' and d[4] <= 1 <= d[5], 'HELLO'
            d = d[:96]
            d_boot, named = d[24:40], d[40:56]
            with lock:
                resume = named == self.boot and d_boot == self.other
                boot = self.boot if resume else self.promised.setdefault(d_boot, os.urandom(16))
                numbers = struct.pack('>II', *(self.received,) * 2 if resume else (0, 0))
            l = b'HWSR\1\1\0\0' + d[8:24] + boot + d_boot + numbers + os.urandom(32)
            frame = l + self.mac(b'hawser listener', d, l)
            link.sendall(struct.pack('>IBBHII', len(frame), HELLO, 0, 0, 0, 0) + frame)
            assert hmac.compare_digest(self.read(link, PROOF)[1], self.mac(b'hawser dialler', d, l)), 'proof'
            with lock:
                if not resume and boot != self.boot:   # else: another link has proven this conversation meanwhile
                    self.begin(boot, d_boot)
                assert boot == self.boot, 'stale'
                self.promised = {}
                if self.link:
                    self.link.shutdown(socket.SHUT_RDWR)
                self.link = link
                received, handled = struct.unpack('>II', d[56:64]) if resume else (0, 0)
                self.acknowledged(handled)
                behind = received == 0 or all(n != received for n, _ in self.unacked)
                for number, frame in list(self.unacked):
                    if behind:
                        self.push(link, frame)
                    behind = behind or number == received
                for stream in self.streams.values():
                    self.write(CREDIT, struct.pack('>Q', stream.received + WINDOW), stream.number)
            while True:
                self.take(*self.read(link))
        except (OSError, EOFError, AssertionError, struct.error) as e:
            print('link:', e, file=sys.stderr)
        finally:
            with lock:
                if self.link is link:
                    self.link = None
            link.close()

    def mac(self, label, d, l):
        return hmac.new(self.secret, label + d + l, hashlib.sha256).digest()

    def exactly(self, link, n):
        data = bytearray()
        while len(data) < n:
            try:
                piece = link.recv(n - len(data))
            except socket.timeout:   # 20 s of silence: PING; 10 more: dead
                assert self.link is link and link.gettimeout() == 20, 'silence'
                with lock:
                    self.write(PING)
                link.settimeout(10)
                continue
            if not piece:
                raise EOFError('closed')
            if self.link is link:
                link.settimeout(20)
            data += piece
        return bytes(data)

    def read(self, link, want=None):
        length, kind, fin, channel, stream, number = struct.unpack('>IBBHII', self.exactly(link, 16))
        assert length <= PIECE and fin <= 1 and (want is None or (kind == want and length <= 1024)), 'frame'
        return (kind, self.exactly(link, length), stream, channel, fin, number)

    # ---- what comes
    def acknowledged(self, number):
        if any(n == number for n, _ in self.unacked):
            while self.unacked:
                n, frame = self.unacked.popleft()
                self.held -= len(frame)
                if n == number:
                    break
            changed.notify_all()

    def take(self, kind, payload, number, channel, fin, sequence):
        with lock:
            stream = self.streams.get(number)
            if kind == ACK:
                self.acknowledged(*struct.unpack('>I', payload))
            elif kind == CREDIT and stream:
                stream.limit = max(stream.limit, *struct.unpack('>Q', payload))
                changed.notify_all()
            elif kind == PING:
                self.write(PONG, payload)
            elif kind == BYE:
                raise EOFError(payload.decode(errors='replace'))
            elif kind >= OPEN:
                expected = self.received % TURN + 1
                if sequence != expected:
                    assert (expected - sequence) % TURN < 2**31, 'sequence'
                    return   # a duplicate
                self.received = sequence
                self.numbered(kind, payload, number, stream, fin)
                self.write(ACK, struct.pack('>I', sequence))

    def numbered(self, kind, payload, number, stream, fin):
        if kind == RESET:
            if stream:
                self.stop(stream)
                if number % 2 == 0:
                    del self.streams[number]
            return
        if kind in (OPEN, HEAD):
            n, = struct.unpack('>H', payload[:2])
            head, payload = json.loads(payload[2:2 + n]), payload[2 + n:]
            if kind == OPEN:
                stream = self.streams[number] = Stream(number, head)
                if head.get('kind') != 'run' or head.get('language') != 'python':
                    self.send(RESET, stream, b'{"reason":"unknown_kind"}')
                    del self.streams[number]
                    return
            elif stream:
                stream.answer = head
        if kind == TAIL:
            payload = b''
        if not stream:
            return   # over: taken and dropped
        stream.received += len(payload)
        assert stream.received <= WINDOW + len(stream.body), 'credit'
        stream.body += payload
        stream.over = stream.over or bool(fin)
        if payload and not fin:
            self.write(CREDIT, struct.pack('>Q', stream.received + WINDOW), number)
        if fin and number % 2 == 1:
            stream.thread = threading.Thread(target=self.run, args=(stream,), name=stream.head['run'], daemon=True)
            stream.thread.start()
        changed.notify_all()

    def stop(self, stream, gone=False):
        stream.cancelled, stream.gone = True, stream.gone or gone
        if stream.thread and stream.thread.is_alive() and stream.thread.ident not in stream.calling:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(stream.thread.ident), ctypes.py_object(Cancelled))
        changed.notify_all()

    # ---- runs and calls
    def run(self, stream):
        end = {'status': 'ok'}
        try:
            self.send(HEAD, stream, b'\0\x10{"started":true}')
            names = {'print': lambda *a: self.send_body(stream, 1, (' '.join(map(str, a)) + '\n').encode()),
                     'result': lambda value: self.send_body(stream, 5, json.dumps(value).encode()),
                     'call': lambda server, tool, args: self.call(stream, server, tool, args)}
            exec(compile(bytes(stream.body), stream.head.get('file', 'main.py'), 'exec'), names)
        except Cancelled:
            end = {'status': 'cancelled', 'reason': 'cancelled'}
        except BaseException as e:
            end = {'status': 'error', 'error': {'kind': 'exception', 'name': type(e).__name__, 'message': str(e)[:1000],
                                                'stack': traceback.format_exc()[-4000:]}}
        with lock:
            stream.thread = None   # too late to be stopped
            self.send(TAIL, stream, json.dumps(end).encode(), fin=1)
            if not stream.gone:
                self.streams.pop(stream.number, None)

    def call(self, run, server, tool, args):
        with lock:
            if run.gone or run.cancelled:
                raise Cancelled
            run.calling.add(threading.get_ident())
            self.call_id += 1
            stream = Stream(self.next, None)
            self.next += 2
            self.streams[stream.number] = stream
            head = json.dumps({'kind': 'call', 'run': run.head['run'], 'id': self.call_id, 'server': server,
                               'tool': tool}).encode()
            self.send(OPEN, stream, struct.pack('>H', len(head)) + head)
        self.send_body(stream, 0, json.dumps(args).encode(), fin=1)
        with lock:
            while not (stream.over or stream.cancelled or run.cancelled):
                changed.wait()
            run.calling.discard(threading.get_ident())
            if not stream.gone:
                self.streams.pop(stream.number, None)
                if not (stream.over or stream.cancelled):
                    self.send(RESET, stream, b'{"reason":"cancelled"}')
            if run.cancelled:
                raise Cancelled
        if not stream.over or not stream.answer['ok']:
            raise RuntimeError((stream.answer or {}).get('kind', 'internal'))
        return json.loads(stream.body)


def main():
    guest = Guest(open(sys.argv[2], 'rb').read(32))
    door = socket.socket(socket.AF_UNIX)
    door.bind(sys.argv[1])
    door.listen(8)
    print('listening', flush=True)
    while True:
        threading.Thread(target=guest.serve, args=(door.accept()[0],), daemon=True).start()


if __name__ == '__main__':
    main()
