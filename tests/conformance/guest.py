#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A guest in the standard library alone, written from tunnel/PROTOCOL.md; for tests and for readers, without any wall.

guest.py SOCKET SECRET_FILE: listens on a unix socket and runs Python code, a process a run. The code has call(server,
tool, args) and result(value), which reach the guest by SOCKET.calls. What it leaves out: section 9 of the page.
"""
import asyncio, collections, hashlib, hmac, json, os, signal, struct, sys

HELLO, PROOF, ACK, CREDIT, PING, PONG, BYE, OPEN, HEAD, BODY, TAIL, RESET = 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20
HEADER, GREETING = struct.Struct('>IBBHII'), struct.Struct('>4sBBxx16s16s16sII32s')
TURN, WINDOW, PIECE, HELD_MAX, FRAMES_MAX = 2**32 - 1, 262144, 65536, 8 << 20, 32768
USER_SIDE = '''
import json, socket, sys
def call(server, tool, args):
    with socket.socket(socket.AF_UNIX) as guest:
        guest.connect(sys.argv[1])
        guest.sendall(json.dumps([int(sys.argv[2]), server, tool, args]).encode() + b"\\n")
        answer, value = json.load(guest.makefile())
    if not answer["ok"]:
        raise RuntimeError(answer["kind"])
    return value
exec(compile(sys.stdin.read(), sys.argv[3], "exec"), {"call": call, "result": lambda value: call("", "", value)})
'''


class Stream:
    def __init__(self, number, head, run=None):
        self.number, self.head, self.run, self.body = number, head, run, bytearray()
        self.sent, self.limit, self.received = 0, WINDOW, 0   # bytes of bodies
        self.over = self.cancelled = False   # by the other end
        self.kill = lambda: None


class Guest:
    def __init__(self, secret, calls_path):
        self.secret, self.calls_path, self.link, self.streams = secret, calls_path, None, {}
        self.changed = asyncio.Event()
        self.begin(os.urandom(16), None)

    def begin(self, boot, other):
        for stream in self.streams.values():
            stream.kill()
        self.boot, self.other, self.epoch, self.streams = boot, other, os.urandom(16), {}
        self.sent, self.received, self.next_stream, self.call_id = 0, 0, 2, 1
        self.unacked, self.held = collections.OrderedDict(), 0   # number: frame; their bytes together

    async def until(self, ready):
        while not ready():
            await self.changed.wait()

    def alive(self, stream):
        return self.streams.get(stream.number) is stream

    # ---- out: a numbered frame is kept until it is acknowledged, whether there is a link or not
    def write(self, kind, payload=b'', stream=0, channel=0, fin=False, number=0):
        frame = HEADER.pack(len(payload), kind, fin, channel, stream, number) + payload
        if number:
            self.unacked[number], self.held = frame, self.held + len(frame)
        if self.link:
            self.link.write(frame)

    def send(self, kind, stream, payload=b'', channel=0, fin=False):
        self.sent = self.sent % TURN + 1
        self.write(kind, payload, stream.number, channel, fin, self.sent)

    async def send_body(self, stream, channel, data, fin=False):
        while data:
            await self.until(lambda: not self.alive(stream) or stream.sent < stream.limit and
                             self.held < HELD_MAX and len(self.unacked) < FRAMES_MAX)
            if not self.alive(stream):
                return
            piece = data[:min(PIECE, stream.limit - stream.sent)]
            data, stream.sent = data[len(piece):], stream.sent + len(piece)
            self.send(BODY, stream, piece, channel, fin and not data)

    # ---- links
    async def serve(self, reader, writer):
        try:
            behind = await asyncio.wait_for(self.shake_hands(reader, writer), 5)
            if self.link:
                self.link.close()
            self.link, numbers = writer, list(self.unacked)
            for number in numbers[numbers.index(behind) + 1 if behind in numbers else 0:]:
                writer.write(self.unacked[number])
            for stream in self.streams.values():
                self.write(CREDIT, struct.pack('>Q', stream.received + WINDOW), stream.number)
            while self.link is writer:
                self.take(*await self.read(reader))
                self.changed.set()   # whoever waits looks again
                self.changed = asyncio.Event()
        except (OSError, EOFError, ValueError, struct.error, asyncio.TimeoutError) as e:
            print('link:', repr(e), file=sys.stderr)
        finally:
            self.link = None if self.link is writer else self.link
            writer.close()

    async def shake_hands(self, reader, writer):
        """Returns the number behind which frames are to be sent again."""
        d = (await self.read(reader, HELLO))[-1][:96]
        magic, low, high, tunnel, boot_d, named, received, handled, _ = GREETING.unpack(d)
        resume = named == self.boot and boot_d == self.other
        boot = self.boot if resume else self.mac(self.epoch, boot_d)[:16]   # the same promise until one is proven
        taken = self.received if resume else 0   # what is taken is handled at once
        l = GREETING.pack(b'HWSR', 1, 1, tunnel, boot, boot_d, taken, taken, os.urandom(32))
        hello = l + self.mac(b'hawser listener', d, l)
        writer.write(HEADER.pack(len(hello), HELLO, 0, 0, 0, 0) + hello)
        proven = hmac.compare_digest((await self.read(reader, PROOF))[-1], self.mac(b'hawser dialler', d, l))
        if magic != b'HWSR' or not low <= 1 <= high or not proven:
            raise ValueError('not our broker')
        if resume and boot != self.boot:
            raise ValueError('another link began anew meanwhile')
        if boot != self.boot:
            self.begin(boot, boot_d)
        self.acknowledged(handled)
        return received

    def mac(self, *parts):
        return hmac.new(self.secret, b''.join(parts), hashlib.sha256).digest()

    async def read(self, reader, want=None):
        length, kind, fin, channel, number, sequence = HEADER.unpack(await reader.readexactly(HEADER.size))
        if length > PIECE or fin > 1 or want and (kind != want or length > 1024):
            raise ValueError('frame')
        return kind, number, fin, sequence, channel, await reader.readexactly(length)

    # ---- in
    def acknowledged(self, number):
        while number in self.unacked:
            self.held -= len(self.unacked.popitem(last=False)[1])

    def take(self, kind, number, fin, sequence, channel, payload):
        stream = self.streams.get(number)
        if kind == ACK:
            self.acknowledged(int.from_bytes(payload, 'big'))
        elif kind == CREDIT and stream:
            stream.limit = max(stream.limit, int.from_bytes(payload, 'big'))
        elif kind == PING:
            self.write(PONG, payload)
        elif kind == BYE:
            raise EOFError(payload)
        elif kind >= OPEN and sequence == self.received % TURN + 1:
            self.received = sequence
            self.take_numbered(kind, number, fin, channel, payload)
            self.write(ACK, struct.pack('>I', sequence))
        elif kind >= OPEN and 0 < (sequence - self.received) % TURN < 2**31:   # else it was taken before
            raise ValueError('a number is missing')

    def take_numbered(self, kind, number, fin, channel, payload):
        if kind in (OPEN, HEAD):
            n = 2 + int.from_bytes(payload[:2], 'big')
            head, payload = json.loads(payload[2:n]), payload[n:]
        if kind == OPEN:
            self.streams[number] = Stream(number, head)
            if head.get('kind') != 'run' or head.get('language') != 'python':
                return self.send(RESET, self.streams.pop(number), b'{"reason":"unknown_kind"}')
        stream = self.streams.get(number)
        if not stream:
            return   # over: taken and dropped
        if kind == HEAD:
            stream.head = head
        if kind == RESET and stream.run:
            del self.streams[number]
        elif kind == RESET:   # a run still says its end
            stream.cancelled = True
            stream.kill()
        elif kind != TAIL:
            stream.received += len(payload)
            stream.body += payload if channel == 0 else b''   # the data of a run is none of its code
            self.write(CREDIT, struct.pack('>Q', stream.received + WINDOW), number)
        stream.over = stream.over or fin
        if fin and not stream.run:
            asyncio.create_task(self.run(stream))

    # ---- runs and calls
    async def run(self, stream):
        self.send(HEAD, stream, b'\0\x10{"started":true}')
        process = await asyncio.create_subprocess_exec(
            sys.executable, '-uc', USER_SIDE, self.calls_path, str(stream.number), stream.head.get('file', 'main.py'),
            stdin=-1, stdout=-1, stderr=-1, start_new_session=True)   # -1: a pipe
        stream.kill = lambda: os.killpg(process.pid, signal.SIGKILL)
        if stream.cancelled or not self.alive(stream):
            stream.kill()
        process.stdin.write(stream.body)
        process.stdin.close()
        await asyncio.gather(self.forward(stream, 1, process.stdout), self.forward(stream, 2, process.stderr))
        end = {'exit_code': await process.wait() % 256}
        end['status'] = 'cancelled' if stream.cancelled else 'error' if end['exit_code'] else 'ok'
        for call in [s for s in self.streams.values() if s.run is stream]:
            self.send(RESET, self.streams.pop(call.number), b'{"reason":"cancelled"}')
        if self.alive(stream):
            self.send(TAIL, self.streams.pop(stream.number), json.dumps(end).encode(), fin=True)

    async def forward(self, stream, channel, pipe):
        while data := await pipe.read(PIECE):   # no faster than the broker gives credit
            await self.send_body(stream, channel, data)

    async def serve_user(self, reader, writer):
        """A connection of a run's process: one call, or the result of the run."""
        number, server, tool, args = json.loads(await reader.readline())
        run, head, value = self.streams.get(number), {'ok': True}, None
        if run and server:
            head, value = await self.call(run, server, tool, json.dumps(args).encode())
        elif run:
            await self.send_body(run, 5, json.dumps(args).encode())
        writer.write(json.dumps([head, value]).encode())
        writer.close()

    async def call(self, run, server, tool, args):
        head = json.dumps({'kind': 'call', 'run': run.head['run'], 'id': self.call_id, 'server': server, 'tool': tool})
        stream = self.streams[self.next_stream] = Stream(self.next_stream, {'ok': False, 'kind': 'internal'}, run)
        self.next_stream, self.call_id = self.next_stream + 2, self.call_id + 1
        self.send(OPEN, stream, struct.pack('>H', len(head)) + head.encode())
        await self.send_body(stream, 0, args, fin=True)
        await self.until(lambda: stream.over or not self.alive(stream))
        if self.alive(stream):
            del self.streams[stream.number]
        return stream.head, json.loads(stream.body) if stream.head['ok'] else None


async def main():
    path, secret_file = sys.argv[1:]
    guest = Guest(open(secret_file, 'rb').read(32), path + '.calls')
    await asyncio.start_unix_server(guest.serve_user, guest.calls_path, limit=128 << 20)
    await asyncio.start_unix_server(guest.serve, path)
    print('listening', flush=True)
    await asyncio.Event().wait()


if __name__ == '__main__':
    asyncio.run(main())
