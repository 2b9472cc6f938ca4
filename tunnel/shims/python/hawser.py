# SPDX-License-Identifier: Apache-2.0
"""The shim of Python: PROTOCOL.md section 8 from the interpreter's side. One file, Python 3.9 and later, standard library.

Life: set up, wait for OPEN of stream 1 on descriptor 3, compile, run, send the result or the error as soon as the program
ends, exit. A tool call blocks and gives its value where no event loop runs in its thread, else it is an awaitable.
Nothing here is a wall: the sandbox is.
"""

import _socket
import ast
import builtins
import collections.abc
import json
import os
import select
import struct
import sys
import threading
import types
import warnings
import weakref

FD_FRAMES, FD_LOG, FD_LOBBY = 3, 4, 5
HEADER = struct.Struct(">IBBHII")
PAYLOAD_MAX = 65536
HEAD_MAX = 16384  # JSON of a head or tail, in bytes
LOG_MAX = 60000  # bytes of one log record's text; the guest cuts at 60 KiB, without a mark
FIN = 1
OPEN, HEAD, BODY, TAIL, RESET = 16, 17, 18, 19, 20
CHANNEL_PROGRESS, CHANNEL_RESULT, CHANNEL_DATA = 4, 5, 6
RUN_STREAM = 1
READ_SIZE = 4 * PAYLOAD_MAX
END_WAIT_MS = 50  # the guest ends a process that has said its end; what it used is known only as long as it is there
HERE = __file__
VALUE = "__hawser_value__"  # where the last expression's value goes

_running_loop = None  # asyncio's getter, once asyncio is there


def running_loop():
    """The event loop that runs in this thread, or None. Nobody who does not use asyncio pays for its import."""
    global _running_loop
    if _running_loop is None:
        asyncio = sys.modules.get("asyncio")
        if asyncio is None or not hasattr(asyncio, "_get_running_loop"):
            return None
        _running_loop = asyncio._get_running_loop
    return _running_loop()


# ---------------------------------------------------------------- log records, descriptor 4

LEVELS = {"log": 0, "info": 1, "debug": 2, "warn": 3, "error": 4}
_log_lock = threading.Lock()


def write_all(fd, data):
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view):]
        except BlockingIOError:
            select.select([], [fd], [])
        except OSError:
            return


def log_record(level, text):
    body = text.encode("utf-8", "backslashreplace")
    if len(body) > LOG_MAX:
        mark = b" ... (%d bytes)" % len(body)
        body = body[:LOG_MAX - len(mark)].decode("utf-8", "ignore").encode() + mark
    with _log_lock:
        write_all(FD_LOG, struct.pack(">IB", 1 + len(body), level) + body)


def log_text(args):
    if len(args) > 1 and isinstance(args[0], str) and "%" in args[0]:
        try:
            return args[0] % args[1:]
        except (TypeError, ValueError):
            pass
    return " ".join(map(str, args))


class Log:
    """log("text"), log.info(...), log.debug(...), log.warn(...), log.warning(...), log.error(...)"""

    def __call__(self, *args):
        log_record(LEVELS["log"], log_text(args))

    def log(self, *args):
        log_record(LEVELS["log"], log_text(args))

    def info(self, *args):
        log_record(LEVELS["info"], log_text(args))

    def debug(self, *args):
        log_record(LEVELS["debug"], log_text(args))

    def warn(self, *args):
        log_record(LEVELS["warn"], log_text(args))

    warning = warn

    def error(self, *args):
        log_record(LEVELS["error"], log_text(args))

    exception = error


def show_warning(message, category, filename, lineno, file=None, line=None):
    log_record(LEVELS["warn"], "%s:%s: %s: %s" % (filename, lineno, category.__name__, message))


# ---------------------------------------------------------------- JSON


class ResultError(TypeError):
    """The result cannot be said in JSON."""

    def __init__(self, message, fix):
        super().__init__(message)
        self.fix = fix


ResultError.__name__ = ResultError.__qualname__ = "TypeError"
PLAIN_FIX = "Give plain data: dict, list, str, int, float, bool, None."


def convert(value):
    """A value that json does not know as one that it knows; TypeError when there is no sensible one."""
    kind = type(value)
    if isinstance(value, (set, frozenset)):
        try:
            return sorted(value)
        except TypeError:
            return list(value)
    if hasattr(kind, "__dataclass_fields__"):
        return {name: getattr(value, name) for name in kind.__dataclass_fields__}
    if isinstance(value, PendingCall) or hasattr(kind, "__await__"):
        raise ResultError("the value holds %r, which was never awaited" % (value,), "Write await in front of it.")
    if isinstance(value, (bytes, bytearray, memoryview)):
        try:
            return bytes(value).decode()
        except UnicodeDecodeError:
            raise ResultError("the value holds %d bytes that are not UTF-8 text" % len(bytes(value)),
                              "Use base64.b64encode(data).decode().") from None
    if isinstance(value, BaseException):
        return {"name": kind.__name__, "message": str(value)}
    if isinstance(value, collections.abc.Mapping):
        return dict(value)
    if isinstance(value, (range, collections.abc.ValuesView, collections.abc.KeysView, collections.abc.ItemsView)) or (
            isinstance(value, collections.abc.Sequence) and not isinstance(value, str)) or kind.__name__ == "deque":
        return list(value)
    if hasattr(kind, "isoformat"):
        return value.isoformat()
    if kind.__name__ in ("Decimal", "UUID", "Fraction") or hasattr(kind, "__fspath__"):
        return str(value)
    if kind.__name__ == "timedelta":
        return value.total_seconds()
    if "enum" in sys.modules and isinstance(value, sys.modules["enum"].Enum):
        return value.value
    for method in ("tolist", "to_dict", "model_dump", "_asdict"):
        if not isinstance(value, type) and callable(getattr(kind, method, None)):
            return getattr(value, method)()
    raise ResultError("the value holds %s %s, which JSON cannot say" % (
        "an" if kind.__name__[:1] in "aeiou" else "a", kind.__name__), PLAIN_FIX)


_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=convert)
_careful = json.JSONEncoder(separators=(",", ":"), allow_nan=False, check_circular=False)


def careful(value, inside):
    """All of it walked: numbers that JSON lacks become null, keys become text, a circle is an error."""
    if isinstance(value, float):
        return value if value == value and value not in (float("inf"), float("-inf")) else None
    if value is None or isinstance(value, (str, int)):
        return value
    if id(value) in inside:
        raise ResultError("the value refers to itself (circular), which JSON cannot say",
                          "Give the parts that you need instead of the whole object.")
    inside = inside | {id(value)}
    if isinstance(value, dict):
        return {key_text(k): careful(v, inside) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [careful(v, inside) for v in value]
    return careful(convert(value), inside)


def key_text(key):
    if isinstance(key, str):
        return key
    if key is None or isinstance(key, bool):
        return {None: "null", True: "true", False: "false"}[key]
    if isinstance(key, (int, float)):
        return repr(key)
    made = str(key) if isinstance(key, tuple) else convert(key)
    return made if isinstance(made, str) else json.dumps(made)


def json_bytes(value):
    """UTF-8 JSON of any sensible value; ResultError."""
    try:
        return _encoder.encode(value).encode()
    except ResultError:
        raise
    except UnicodeEncodeError:
        pass  # lone surrogates: written as escapes
    except (ValueError, TypeError):
        pass
    except RecursionError:
        raise ResultError("the value is nested too deeply for JSON", "Give less of it.") from None
    try:
        return _careful.encode(careful(value, frozenset())).encode()
    except RecursionError:
        raise ResultError("the value is nested too deeply for JSON", "Give less of it.") from None


# ---------------------------------------------------------------- frames, descriptor 3


class Call:
    __slots__ = ("target", "head", "parts", "text", "done", "wake", "future", "loop")

    def __init__(self, target):
        self.target, self.head, self.parts, self.text, self.done = target, None, None, "", False
        self.wake = self.future = self.loop = None


class Link:
    """One socket, many threads and loops. Whoever waits without a loop and finds nobody reading reads for all
    (the leader); when its own answer has come it hands over to the next who waits. A loop reads when it is told to."""

    def __init__(self, sock):
        self.sock = sock
        self.calls = {}  # stream -> Call
        self.next = 2
        self.write_lock = threading.Lock()
        self.read_lock = threading.Lock()
        self.buffer = bytearray(READ_SIZE)
        self.view = memoryview(self.buffer)
        self.fill = 0
        self.loops = weakref.WeakSet()
        self.on_run = None
        self.pending = bytearray()  # frames of a loop's turn, written together
        self.flush_loop = None  # the loop that was asked to write them

    # -- writing

    def write(self, data):
        """With write_lock held. Reads while the socket is full, so that two full sockets never wait for each other."""
        view = memoryview(data)
        while view:
            try:
                view = view[self.sock.send(view, _socket.MSG_DONTWAIT):]
            except BlockingIOError:
                self.wait_writable()
            except OSError:
                lost()

    def wait_writable(self):
        poll = select.poll()
        poll.register(self.sock.fileno(), select.POLLOUT | select.POLLIN)
        events = poll.poll()
        if events and events[0][1] & select.POLLIN and self.read_lock.acquire(False):
            try:
                self.read(_socket.MSG_DONTWAIT)
            finally:
                self.read_lock.release()

    def frames(self, kind, channel, stream, first, body, fin):
        """`first` (a head with its length) goes into the first frame; any size of body."""
        size = len(first) + len(body)
        if size <= PAYLOAD_MAX:
            return HEADER.pack(size, kind, FIN if fin else 0, channel, stream, 0) + first + body
        out = bytearray()
        at, view = 0, memoryview(body)
        while at < len(body):
            part = view[at:at + PAYLOAD_MAX - len(first)]
            at += len(part)
            out += HEADER.pack(len(first) + len(part), kind, FIN if fin and at >= len(body) else 0, channel, stream, 0)
            out += first
            out += part
            kind, first = BODY, b""
        return out

    def send(self, kind, channel, stream, first, body, fin):
        data = self.frames(kind, channel, stream, first, body, fin)
        with self.write_lock:
            self.write(self.pending + data if self.pending else data)
            self.pending.clear()

    def flush(self):
        with self.write_lock:
            self.flush_loop = None
            if self.pending:
                self.write(self.pending)
                self.pending = bytearray()

    def start(self, call, head, body):
        """Writes the call; several calls of one turn of a loop share a write."""
        with self.write_lock:
            stream = self.next
            self.next += 2
            data = self.frames(OPEN, 0, stream, head, body, True)
            alone = not self.calls
            self.calls[stream] = call
            if call.loop is None or alone or len(data) > PAYLOAD_MAX:
                if self.pending:
                    data = self.pending + data
                    self.pending = bytearray()
                self.write(data)
            else:
                self.pending += data
                if self.flush_loop is not call.loop:
                    self.flush_loop = call.loop
                    call.loop.call_soon(self.flush)
        return stream

    # -- reading

    def read(self, flags=0):
        """With read_lock held: one read, all whole frames of it."""
        try:
            got = self.sock.recv_into(self.view[self.fill:], 0, flags)
        except BlockingIOError:
            return False
        except InterruptedError:
            return True
        except OSError:
            lost()
        if got == 0:
            lost()
        end = self.fill + got
        at = 0
        while end - at >= 16:
            length, kind, flags, channel, stream, _ = HEADER.unpack_from(self.buffer, at)
            if length > PAYLOAD_MAX:
                lost()
            stop = at + 16 + length
            if stop > end:
                break
            self.take(kind, flags & FIN, channel, stream, at + 16, stop)
            at = stop
        self.fill = end - at
        if self.fill and at:
            self.buffer[:self.fill] = self.buffer[at:end]
        return True

    def take(self, kind, fin, channel, stream, start, stop):
        if stream == RUN_STREAM:
            if self.on_run:
                self.on_run(kind, fin, channel, bytes(self.view[start:stop]))
            return
        call = self.calls.get(stream)
        if call is None:
            return
        if kind == HEAD:
            body = start + 2 + (self.buffer[start] << 8 | self.buffer[start + 1])
            if self.view[start + 2:body] != b'{"ok":true}':
                call.head = json.loads(str(self.view[start + 2:body], "utf-8"))
            if fin:
                self.settle(stream, call, str(self.view[body:stop], "utf-8"))
            else:
                call.parts = bytearray(self.view[body:stop])
            return
        if kind == RESET:
            call.head = reset_head(bytes(self.view[start:stop]))
            self.settle(stream, call, "")
            return
        if call.parts is None:
            call.parts = bytearray()
        if kind == BODY:
            call.parts += self.view[start:stop]
        if fin:
            self.settle(stream, call, call.parts.decode())

    def settle(self, stream, call, text):
        del self.calls[stream]
        call.text, call.parts = text, None
        call.done = True
        if call.loop is None:
            if call.wake is not None:
                release(call.wake)
        elif running_loop() is call.loop:
            resolve(call.future)
        else:
            try:
                call.loop.call_soon_threadsafe(resolve, call.future)
            except RuntimeError:
                pass  # that loop is closed

    def hand_over(self):
        """Nobody reads now: the next one who waits without a loop may."""
        for call in list(self.calls.values()):
            if call.loop is None and call.wake is not None:
                release(call.wake)
                return

    def wait(self, call):
        """Blocks until `call` is done."""
        while not call.done:
            if self.read_lock.acquire(False):
                try:
                    while not call.done:
                        self.read()
                finally:
                    self.read_lock.release()
            else:
                call.wake.acquire()
        if self.calls:
            self.hand_over()

    def on_readable(self):
        if self.read_lock.acquire(False):
            try:
                self.read(_socket.MSG_DONTWAIT)
            finally:
                self.read_lock.release()
            if self.calls:
                self.hand_over()

    def attach(self, loop):
        if loop not in self.loops:
            loop.add_reader(self.sock.fileno(), self.on_readable)
            self.loops.add(loop)

    def cancel(self, call):
        for stream, other in list(self.calls.items()):
            if other is call:
                del self.calls[stream]
                self.send(RESET, 0, stream, b"", b'{"reason":"cancelled"}', False)
                return


def release(lock):
    try:
        lock.release()
    except RuntimeError:
        pass  # awake already


def resolve(future):
    if not future.done():
        future.set_result(None)


def reset_head(payload):
    try:
        why = json.loads(payload)
    except ValueError:
        why = {}
    message = why.get("message") or "the call was reset (%s)" % why.get("reason")
    return {"ok": False, "kind": "internal", "message": message}


def lost():
    os._exit(0 if program.head is None else 1)


_link = None


def link():
    return _link if _link is not None else lobby_link()


def lobby_link():
    """A forked child has a socket of its own: two processes on one would tear each other's frames."""
    global _link
    ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM)
    lobby = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET, 0, os.dup(FD_LOBBY))
    lobby.sendmsg([b"\0"], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, struct.pack("i", theirs.fileno()))])
    lobby.close()
    theirs.close()
    _link = Link(ours)
    return _link


def keep_lobby():
    """Programs that user code starts keep the lobby, which the `tool` command needs; subprocess would close it."""
    import _posixsubprocess
    plain = _posixsubprocess.fork_exec

    def fork_exec(args, executables, close_fds, keep, *more):
        if close_fds and FD_LOBBY not in keep:
            keep = tuple(sorted(keep + (FD_LOBBY,)))
        return plain(args, executables, close_fds, keep, *more)
    plain_spawn, close_from = os.posix_spawn, getattr(os, "POSIX_SPAWN_CLOSEFROM", None)  # subprocess uses it from 3.13 on

    def posix_spawn(*args, file_actions=None, **more):
        around = [(os.POSIX_SPAWN_CLOSE, FD_FRAMES), (os.POSIX_SPAWN_CLOSE, FD_LOG), (close_from, FD_LOBBY + 1)]
        actions = [b for a in file_actions or () for b in (around if tuple(a) == (close_from, 3) else [a])]
        return plain_spawn(*args, file_actions=actions, **more)
    try:
        os.fstat(FD_LOBBY)
    except OSError:
        return  # started without one
    _posixsubprocess.fork_exec = fork_exec
    if close_from is not None:
        os.posix_spawn = posix_spawn


def after_fork():
    global _link, _log_lock
    _link = None
    _log_lock = threading.Lock()
    program.unawaited.clear()


# ---------------------------------------------------------------- tool calls


class ToolError(Exception):
    """A tool call that failed: kind, server, tool, message, fix, retryable; result is the CallToolResult, if there is one."""

    def __init__(self, message="", kind="internal", server="", tool="", fix=None, retryable=False, result=None):
        super().__init__(message)
        self.message, self.kind, self.server, self.tool = message, kind, server, tool
        self.fix, self.retryable, self.result = fix, bool(retryable), result

    def __reduce__(self):
        return (ToolError, (self.message, self.kind, self.server, self.tool, self.fix, self.retryable, self.result))


def texts_of(result):
    content = result.get("content") if isinstance(result, dict) else None
    return [c.get("text", "") for c in content or [] if c.get("type") == "text"]


def value_of(result):
    """structuredContent first; else text, read as JSON only where it is an object or an array; else what there is."""
    structured = result.get("structuredContent")
    if structured is not None:
        return structured
    texts = texts_of(result)
    if not texts:
        content = result.get("content") or [None]
        return content if len(content) > 1 else content[0]
    if len(texts) > 1:
        return "\n".join(texts)
    text = texts[0]
    if text.lstrip(" \t\r\n")[:1] in ("{", "["):
        try:
            return json.loads(text)
        except ValueError:
            pass  # text that only begins like JSON
    return text


def finish(call, raw):
    """The value of an answered call, or ToolError."""
    server, tool = call.target.server, call.target.tool
    result = json.loads(call.text) if call.text else None
    head = call.head
    # Whoever wants the whole result gets that of a tool that failed, too.
    failed_result = raw and result is not None and (head or {}).get("kind") == "tool_error"
    if head is not None and head.get("ok") is not True and not failed_result:
        message = head.get("message") or "\n".join(texts_of(result)) or "%s.%s failed" % (server, tool)
        raise ToolError(message, head.get("kind") or "internal", server, tool, head.get("fix"), head.get("retryable"), result)
    if result is None or raw:
        return result
    if result.get("isError") is True:
        raise ToolError("\n".join(texts_of(result)) or "%s.%s failed" % (server, tool), "tool_error", server, tool, None, False, result)
    return value_of(result)


class PendingCall(collections.abc.Coroutine):
    """A call made where an event loop runs: starts when it is awaited (gather, create_task and wait_for take it too)."""

    def __init__(self, make, label):
        self._make, self._coroutine, self._label = make, None, label
        frame = sys._getframe(1)
        while frame.f_code.co_filename == HERE and frame.f_back:
            frame = frame.f_back
        self._made_at = (label, frame.f_code.co_filename, frame.f_lineno)
        program.unawaited[id(self)] = self._made_at

    def _start(self):
        if self._coroutine is None:
            program.unawaited.pop(id(self), None)
            self._coroutine = self._make()
        return self._coroutine

    def __await__(self):
        return self._start().__await__()

    def send(self, value):
        return self._start().send(value)

    def throw(self, *args):
        return self._start().throw(*args)

    def close(self):
        program.unawaited.pop(id(self), None)
        if self._coroutine is not None:
            self._coroutine.close()

    def __repr__(self):
        return "<call of %s, not awaited>" % self._label

    def _used(self, *args):
        raise unawaited_error(*self._made_at)

    __getitem__ = __iter__ = __len__ = __contains__ = __add__ = __radd__ = __bool__ = __lt__ = __gt__ = _used

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        raise unawaited_error(*self._made_at)


class UnawaitedError(TypeError):
    fix = place = None


UnawaitedError.__name__ = UnawaitedError.__qualname__ = "TypeError"


def unawaited_error(label, file, line):
    error = UnawaitedError("the call of %s in line %s was never awaited, so it was not made" % (label, line))
    error.fix = "Write `await %s(...)`." % label
    error.place = {"file": file, "line": line}
    return error


class Target:
    """What a call goes to, with its head encoded once."""

    __slots__ = ("server", "tool", "encoded", "raw")

    def __init__(self, server, tool, raw=False, timeout_ms=None):
        self.server, self.tool, self.raw = server, tool, raw
        head = {"kind": "call", "server": server, "tool": tool}
        if timeout_ms:
            head["timeout_ms"] = int(timeout_ms)
        text = json.dumps(head).encode()
        if len(text) > HEAD_MAX:
            raise ToolError("the name of the tool is too long", "not_found", server, tool[:200])
        self.encoded = struct.pack(">H", len(text)) + text


def arguments(target, args, kwargs):
    """One dict, or keywords, or both, as JSON."""
    name = "%s.%s" % (target.server, target.tool)
    if args:
        if len(args) > 1 or not isinstance(args[0], (collections.abc.Mapping, type(None))):
            raise ToolError("the arguments of %s are not named" % name, "invalid_arguments", target.server, target.tool,
                            "Name them: %s(name=value), or pass one dict: %s({\"name\": value})." % (name, name))
        kwargs = dict(args[0] or {}, **kwargs)
    if not kwargs:
        return b"{}"
    try:
        return json_bytes(kwargs)
    except ResultError as e:
        raise ToolError("the arguments of %s cannot be written as JSON: %s" % (name, e), "invalid_arguments", target.server,
                        target.tool, e.fix) from None


async def invoke_async(target, body, raw):
    loop = running_loop()
    here = link()
    here.attach(loop)
    call = Call(target)
    call.loop, call.future = loop, loop.create_future()
    here.start(call, target.encoded, body)
    try:
        await call.future
    except BaseException:
        here.cancel(call)
        raise
    return finish(call, raw)


def invoke(target, body, raw):
    if running_loop() is not None:
        return PendingCall(lambda: invoke_async(target, body, raw), "%s.%s" % (target.server, target.tool))
    call = Call(target)
    call.wake = threading.Lock()
    call.wake.acquire()
    here = link()
    here.start(call, target.encoded, body)
    here.wait(call)
    return finish(call, raw)


class Tool:
    """server.tool: call it with keywords or one dict; raw=True (or .raw) gives the whole CallToolResult."""

    def __init__(self, server, tool):
        self.__name__ = self.__qualname__ = tool
        self._target = Target(server, tool)

    def __call__(self, *args, **kwargs):
        raw = bool(kwargs.pop("raw", False)) if "raw" in kwargs else False
        target = self._target
        return invoke(target, arguments(target, args, kwargs), raw)

    def raw(self, *args, **kwargs):
        target = self._target
        return invoke(target, arguments(target, args, kwargs), True)

    def __repr__(self):
        return "<tool %s.%s>" % (self._target.server, self._target.tool)


class Namespace:
    """The tools of one server: any attribute is a tool; any spelling that is no identifier goes in [ ]."""

    def __init__(self, server):
        self.__dict__["__server"] = server

    def __getattr__(self, name):
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        tool = self.__dict__[name] = Tool(self.__dict__["__server"], name)
        return tool

    def __getitem__(self, name):
        return getattr(self, str(name))

    def __dir__(self):
        return []

    def __repr__(self):
        return "<tools of %s>" % self.__dict__["__server"]


# ---------------------------------------------------------------- names

_spaces = {}


def server_of(name):
    for key in ("name", "id"):
        for server in program.servers:
            if server[key] == name:
                return server["name"]
    return name


def space_of(name):
    server = server_of(name)
    if server not in _spaces:
        _spaces[server] = Namespace(server)
    return _spaces[server]


def split_name(full):
    """"mcp__server__tool" and "server.tool" -> server, tool; a server's name may hold the separator itself."""
    spelled = full.startswith("mcp__")
    rest, mark = (full[5:], "__") if spelled else (full, ".")
    fits = [(len(s[key]), s["name"]) for s in program.servers for key in ("name", "id") if rest.startswith(s[key] + mark)]
    if fits:
        length, name = max(fits)
        return name, rest[length + len(mark):]
    server, found, tool = rest.partition(mark)
    return (server, tool) if found and server else ("", rest)


def call_tool(server, tool=None, args=None, raw=False, timeout_ms=None, **kwargs):
    """call_tool("server", "tool", {...}); call_tool("mcp__server__tool", {...}); call_tool("server.tool", {...})"""
    if isinstance(tool, str):
        name, tool = split_name(tool) if tool.startswith("mcp__") else (server_of(str(server)), tool)
    else:
        args = tool if tool is not None else args
        name, tool = split_name(str(server))
    target = Target(name, tool, timeout_ms=timeout_ms)
    return invoke(target, arguments(target, () if args is None else (args,), kwargs), raw)


class SearchResult(dict):
    """{meta, results}; read as a list (iteration, numbers, len) it is its results, as earlier projects' samples expect."""

    def __iter__(self):
        return iter(self.get("results", ()))

    def __len__(self):
        return len(self.get("results", ()))

    def __bool__(self):
        return True

    def __getitem__(self, key):
        return self["results"][key] if isinstance(key, (int, slice)) else dict.__getitem__(self, key)


def steps(make, label):
    """Runs a generator that yields (target, arguments) and is sent their values: blocking, or as one awaitable."""
    def drive(generator, answer):
        try:
            return generator.send(answer), None
        except StopIteration as stop:
            return None, stop

    async def run_async():
        generator = make()
        wanted, stop = drive(generator, None)
        while stop is None:
            wanted, stop = drive(generator, await invoke_async(*wanted, False))
        return stop.value

    if running_loop() is not None:
        return PendingCall(run_async, label)
    generator = make()
    wanted, stop = drive(generator, None)
    while stop is None:
        wanted, stop = drive(generator, invoke(*wanted, False))
    return stop.value


def search_step(**args):
    target = Target("hawser", "search_tools")
    return target, json_bytes({k: v for k, v in args.items() if v is not None})


def search_tools(query="", detail_level=None, limit=None, offset=None, **more):
    if isinstance(detail_level, int):
        detail_level, limit = None, detail_level
    wanted = dict(query if isinstance(query, dict) else {"query": query})
    for key, value in dict(more, detail_level=detail_level, limit=limit, offset=offset).items():
        if value is not None:
            wanted[key] = value

    def run():
        answer = yield search_step(**wanted)
        return SearchResult(answer) if isinstance(answer, dict) else answer
    return steps(run, "search_tools")


def spell(tool):
    schema = tool.get("input_schema")
    return dict(tool, name="mcp__%s__%s" % (tool.get("server"), tool.get("name")), parameters=schema, inputSchema=schema,
                outputSchema=tool.get("output_schema"))


def discover_tools(search_terms=None, search=None):
    terms = search_terms if search_terms is not None else search
    if isinstance(terms, dict):
        terms = terms.get("search")
    query = terms if isinstance(terms, str) else " ".join(terms or ())

    def run():
        answer = yield search_step(query=query, detail_level="full")
        return [spell(t) for t in answer["results"]]
    return steps(run, "discover_mcp_tools")


def tool_schema(name, tool=None):
    server, wanted = split_name(name) if tool is None else (server_of(name), tool)

    def run():
        for query in (wanted, ""):
            answer = yield search_step(query=query, detail_level="full")
            for item in answer["results"]:
                if item["name"] == wanted and server in ("", item["server"]):
                    return spell(item)
        return None
    return steps(run, "get_tool_schema")


def search_list(query="", limit=10):
    def run():
        answer = yield search_step(query=query, limit=limit)
        return [spell(t) for t in answer["results"]]
    return steps(run, "searchTools")


def progress(value=0, total=None, message=None):
    """progress(3, 10, "third file"); progress("text")"""
    if isinstance(value, dict):
        value, total, message = value.get("progress", 0), value.get("total"), value.get("message")
    if isinstance(value, str):
        value, message = 0, value
    if isinstance(total, str):
        total, message = None, total
    record = {"progress": value}
    if total is not None:
        record["total"] = total
    if message is not None:
        record["message"] = str(message)[:HEAD_MAX // 4]
    if os.getpid() == program.pid and not program.finished:
        link().send(BODY, CHANNEL_PROGRESS, RUN_STREAM, b"", json_bytes(record), False)


def budget():
    return space_of("hawser").budget()


class Tools:
    """tools.server.tool(...) and tools.mcp__server__tool(...)"""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Tool(*split_name(name)) if name.startswith("mcp__") else space_of(name)

    __getitem__ = __getattr__


# Spellings of earlier projects; accepted, not advertised. A server of the same name wins.
ALIASES = {
    "callTool": call_tool, "callMCPTool": call_tool, "call_mcp_tool": call_tool, "searchTools": search_list,
    "discoverMCPTools": discover_tools, "discover_mcp_tools": discover_tools, "getToolSchema": tool_schema,
    "get_tool_schema": tool_schema, "tools": Tools(),
}


def install_names(space, tree):
    """Names go into the program's globals, never over a built-in or over each other."""
    def define(name, value):
        if name not in space and not hasattr(builtins, name):
            space[name] = value

    names = [s["name"] for s in program.servers]
    core = {"ToolError": ToolError, "call_tool": call_tool, "search_tools": search_tools, "log": Log(), "progress": progress,
            "budget": budget, "__tool_namespaces": names}
    for name, value in core.items():
        define(name, value)
    if program.data:
        define("data", json.loads(program.data))
        program.data = None
    for server in program.servers:
        define(server["id"], space_of(server["name"]))
        define(server["name"], space_of(server["name"]))
    for name, value in ALIASES.items():
        define(name, value)
    for server in program.servers:
        define("mcp_" + server["id"], space_of(server["name"]))
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id.startswith("mcp__"):
            define(node.id, Tool(*split_name(node.id)))


# ---------------------------------------------------------------- compiling

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def evaluated_here(node):
    """The children of `node` that belong to its own scope's level."""
    if isinstance(node, FUNCTIONS):
        args = node.args
        notes = [a.annotation for a in args.posonlyargs + args.args + args.kwonlyargs + [args.vararg, args.kwarg] if a]
        return node.decorator_list + args.defaults + args.kw_defaults + notes + [node.returns]
    if isinstance(node, ast.Lambda):
        return node.args.defaults + node.args.kw_defaults
    if isinstance(node, ast.ClassDef):
        return node.decorator_list + node.bases + node.keywords
    return ast.iter_child_nodes(node)


def level(nodes, comprehension=False):
    """(node, is it inside a comprehension) for all that runs at this level, not in functions and classes of it."""
    for node in nodes:
        if node is None:
            continue
        yield node, comprehension
        inside = comprehension or isinstance(node, COMPREHENSIONS)
        yield from level(evaluated_here(node), inside)


def bound_names(body):
    """Every name that the program binds at its top level."""
    names = set()
    for node, comprehension in level(body):
        kind = type(node).__name__
        if isinstance(node, ast.Name) and not comprehension and not isinstance(node.ctx, ast.Load):
            names.add(node.id)
        elif isinstance(node, ast.NamedExpr):
            names.add(node.target.id)
        elif isinstance(node, FUNCTIONS + (ast.ClassDef,)):
            names.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names.update(a.asname or a.name.partition(".")[0] for a in node.names if a.name != "*")
        elif kind in ("ExceptHandler", "MatchAs", "MatchStar") and node.name:
            names.add(node.name)
        elif kind == "MatchMapping" and node.rest:
            names.add(node.rest)
    return names


def refuse(message, node, file, source, fix):
    lines = source.splitlines()
    line = lines[node.lineno - 1] if node.lineno <= len(lines) else ""
    column = len(line.encode()[:node.col_offset].decode("utf-8", "replace")) + 1
    error = SyntaxError(message, (file, node.lineno, column, line))
    error.fix = fix
    return error


def check_level(body, file, source):
    for node, _ in level(body):
        if isinstance(node, (ast.Yield, ast.YieldFrom)):
            raise refuse("'yield' outside function", node, file, source,
                         "Put the yield into a function, or return a list.")
        if isinstance(node, ast.ImportFrom) and any(a.name == "*" for a in node.names):
            raise refuse("import * beside a top-level return", node, file, source,
                         "Import the names that you need, or make the last expression the result instead of return.")


class PlainAssignments(ast.NodeTransformer):
    """`x: int = 1` -> `x = 1` at this level, because x is declared global there."""

    def visit_AnnAssign(self, node):
        if not isinstance(node.target, ast.Name):
            return node
        made = ast.Assign(targets=[node.target], value=node.value) if node.value is not None else ast.Pass()
        return ast.copy_location(made, node)

    def stop(self, node):
        return node

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = visit_Lambda = stop


def is_async(body):
    for node, comprehension in level(body):
        if isinstance(node, (ast.Await, ast.AsyncFor, ast.AsyncWith)) or getattr(node, "is_async", 0):
            return True
    return False


def split_future(body):
    """`from __future__` imports (with a docstring before them) stay in the module."""
    at = 0
    if body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant) and isinstance(body[0].value.value, str):
        at = 1
    end = at
    while end < len(body) and isinstance(body[end], ast.ImportFrom) and body[end].module == "__future__":
        end += 1
    return body[at:end], body[:at] + body[end:]


def as_function(tree, file, source):
    """The body as a function named <module> with every name of that level global: a top-level return works."""
    check_level(tree.body, file, source)
    future, body = split_future(tree.body)
    body = [PlainAssignments().visit(node) for node in body]
    names = sorted(bound_names(body))
    if isinstance(body[-1], ast.Expr):
        body[-1] = ast.copy_location(ast.Return(value=body[-1].value), body[-1])
    if names:
        body.insert(0, ast.Global(names=names, lineno=1, col_offset=0, end_lineno=1, end_col_offset=0))
    empty = ast.arguments(posonlyargs=[], args=[], vararg=None, kwonlyargs=[], kw_defaults=[], kwarg=None, defaults=[])
    kind = ast.AsyncFunctionDef if is_async(body) else ast.FunctionDef
    more = {"type_params": []} if "type_params" in kind._fields else {}
    function = kind(name="<module>", args=empty, body=body, decorator_list=[], returns=None, lineno=1, col_offset=0, **more)
    module = ast.Module(body=future + [function], type_ignores=[])
    return compile(ast.fix_missing_locations(module), file, "exec", dont_inherit=True)


def returns_at_top(body):
    """A return outside any function; in a class it stays the error that it is."""
    return any(isinstance(node, ast.Return) for node, _ in level(body))


def parse(source, file):
    if "\0" in source:
        before = source[:source.index("\0")].split("\n")
        raise SyntaxError("source code cannot contain null bytes", (file, len(before), len(before[-1]) + 1, None))
    try:
        return ast.parse(source, file)
    except (MemoryError, RecursionError):
        raise SyntaxError("the program is nested too deeply", (file, 1, 1, None)) from None
    except ValueError as e:
        raise SyntaxError(str(e), (file, 1, 1, None)) from None


def compile_program(tree, source, file, space):
    """-> a function without arguments that gives the value or a coroutine, and whether a value must be plain."""
    if returns_at_top(tree.body):
        exec(as_function(tree, file, source), space)
        return space.pop("<module>"), True
    kept = tree.body and isinstance(tree.body[-1], ast.Expr)
    if kept:
        last = tree.body[-1]
        name = ast.copy_location(ast.Name(id=VALUE, ctx=ast.Store()), last)
        tree.body[-1] = ast.copy_location(ast.Assign(targets=[name], value=last.value), last)
    code = compile(ast.fix_missing_locations(tree), file, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, True)

    async def run_async():
        await eval(code, space)
        return space.pop(VALUE, None)

    def run():
        exec(code, space)
        return space.pop(VALUE, None)
    return (run_async if code.co_flags & 0x80 else run), False


# ---------------------------------------------------------------- one run


class Program:
    def __init__(self):
        self.head = None
        self.code, self.data = bytearray(), bytearray()
        self.complete = False
        self.finished = False
        self.servers = []
        self.source = ""
        self.file = "main.py"
        self.unawaited = {}  # id of a PendingCall that nobody awaited yet -> (label, file, line)
        self.pid = os.getpid()
        self.lock = threading.Lock()

    def take(self, kind, fin, channel, payload):
        if kind == RESET:
            os._exit(1)
        if kind == OPEN:
            n = payload[0] << 8 | payload[1]
            self.head = json.loads(payload[2:2 + n])
            payload = payload[2 + n:]
        if channel == CHANNEL_DATA:
            self.data += payload
        else:
            self.code += payload
        self.complete = self.complete or bool(fin)


program = Program()


def cut(text, limit):
    return text if len(text) <= limit else text[:limit] + " ..."


def column_of(tb):
    """1-based column in characters of where a traceback entry stands (3.11 and later know)."""
    code = tb.tb_frame.f_code
    if not hasattr(code, "co_positions") or tb.tb_lasti < 0:
        return None
    for i, position in enumerate(code.co_positions()):
        if i == tb.tb_lasti // 2:
            line, column = position[0], position[2]
            lines = program.source.splitlines()
            if column is None or not line or line > len(lines):
                return None
            return len(lines[line - 1].encode("utf-8", "surrogatepass")[:column].decode("utf-8", "replace")) + 1
    return None


def user_place(error):
    """The innermost line of the user's own file."""
    place, tb = {}, error.__traceback__
    while tb is not None:
        if tb.tb_frame.f_code.co_filename == program.file:
            place = {"file": program.file, "line": tb.tb_lineno, "column": column_of(tb)}
        tb = tb.tb_next
    return place


def drop_shim(report):
    """Takes the shim's and the loop's own frames out of a TracebackException and those it hangs on."""
    while report is not None:
        frames = [f for f in report.stack if f.filename != HERE]
        while frames and frames[0].filename != program.file and any(f.filename == program.file for f in frames):
            frames.pop(0)
        report.stack[:] = frames
        if report.__cause__ is not None:
            drop_shim(report.__cause__)
        report = report.__context__


def stack_of(error, compiling):
    import traceback
    try:
        own = compiling or isinstance(error, (ResultError, UnawaitedError))
        report = traceback.TracebackException(type(error), error, None if own else error.__traceback__)
        drop_shim(report)
        return "".join(report.format()).rstrip("\n")
    except Exception:
        return None


# socket and urllib have errors of their own for it; requests and httpx hand the words on
NO_NETWORK_WORDS = ("Name or service not known", "Temporary failure in name resolution", "Network is unreachable")


def hint(error):
    fix = getattr(error, "fix", None)
    if isinstance(fix, str):
        return fix
    if isinstance(error, NameError) and not isinstance(error, UnboundLocalError):
        if str(error) == "name 'data' is not defined":
            return "This run was given no data: execute_code has an argument data, hawser run has --data and --text."
        return 'No such name. Servers here: %s; search_tools("words") finds tools.' % (
            ", ".join(s["id"] for s in program.servers) or "none")
    if isinstance(error, OSError) and any(words in str(error) for words in NO_NETWORK_WORDS):
        return 'There is no network in here; what is outside is reached by tools: search_tools("words") finds them.'
    return None


def describe(error, compiling):
    name = type(error).__name__
    try:
        message = str(error) or name
    except Exception:
        message = name
    place = user_place(error)
    kind = "exception"
    if isinstance(error, SyntaxError) and (compiling or error.filename == program.file):
        kind, message = "syntax" if compiling else "exception", error.msg or name
        if error.filename == program.file and error.lineno:
            place = {"file": program.file, "line": error.lineno, "column": max(1, error.offset or 1)}
    elif isinstance(error, ToolError):
        kind = error.kind
    elif isinstance(error, ResultError):
        kind = "result"
    elif isinstance(error, UnawaitedError):
        kind, place = "unawaited", place or error.place
    stack = stack_of(error, compiling)
    record = {"kind": kind, "name": name, "message": cut(message, 2000), "stack": stack and cut(stack, 6000), **place,
              "fix": hint(error)}
    return {k: v for k, v in record.items() if v is not None}


def send_tail(tail):
    text = json.dumps(tail).encode()
    while len(text) > HEAD_MAX:
        error = tail["error"]
        for key in ("stack", "message", "fix"):
            error[key] = error.get(key, "")[:len(error.get(key, "")) // 2]
        text = json.dumps(tail).encode()
    link().send(TAIL, 0, RUN_STREAM, b"", text, True)


def flush_files(space):
    import io
    for stream in [sys.stdout, sys.stderr] + [v for v in list(space.values()) if isinstance(v, io.IOBase)]:
        try:
            stream.flush()
        except Exception:
            pass


def exit_functions():
    atexit = sys.modules.get("atexit")
    return atexit is not None and atexit._ncallbacks() > 0


def leave(status):
    """Nobody waits for threads and handles that are still open; functions of atexit get a moment."""
    if exit_functions():
        thread = threading.Thread(target=sys.modules["atexit"]._run_exitfuncs, daemon=True)
        thread.start()
        thread.join(0.2)
        flush_files({})
    os._exit(status)


def end(tail, result, status):
    with program.lock:
        if program.finished:
            return
        program.finished = True
        flush_files(sys.modules["__main__"].__dict__)
        if result is not None:
            link().send(BODY, CHANNEL_RESULT, RUN_STREAM, b"", result, False)
        if exit_functions():
            tail = dict(tail, wait=True)  # else the guest may end us at once
        send_tail(tail)
    if "wait" not in tail:
        select.poll().poll(END_WAIT_MS)
    leave(status)


def fail(error, compiling=False):
    if os.getpid() != program.pid:
        sys.excepthook(type(error), error, error.__traceback__)
        os._exit(1)
    end({"error": describe(error, compiling)}, None, 1)


def leave_by_exit(error):
    """sys.exit: judged by the status; a text goes to stderr, as ever."""
    code = error.code
    if code is None or code == 0:
        if os.getpid() == program.pid:
            end({}, None, 0)
        flush_files({})
        os._exit(0)
    if not isinstance(code, int):
        print(code, file=sys.stderr)
        code = 1
    flush_files(sys.modules["__main__"].__dict__)
    leave(code & 0xff)


def check_unawaited():
    for made_at in program.unawaited.values():
        raise unawaited_error(*made_at)


def floating_error(asyncio):
    """The exception of a task that ended and that nobody asked."""
    tasks = getattr(asyncio.tasks, "_scheduled_tasks", None) or getattr(asyncio.tasks, "_all_tasks", ())
    for task in list(tasks):
        if task.done() and not task.cancelled() and getattr(task, "_log_traceback", False):
            return task.exception()
    return None


def run_loop(make):
    import asyncio
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)

    def on_exception(_, context):
        if isinstance(context.get("exception"), Exception):
            fail(context["exception"])
        else:
            loop.default_exception_handler(context)

    loop.set_exception_handler(on_exception)
    value = loop.run_until_complete(make())
    error = floating_error(asyncio)
    if error is not None:
        raise error
    return value


def encode_result(value, plain):
    """JSON of the result. The value of a last expression that JSON cannot say is shown as a prompt would show it."""
    if value is None:
        return None
    try:
        data = json_bytes(value)
    except ResultError:
        if plain or isinstance(value, (PendingCall, dict, list, tuple, set)):
            raise
        data = json_bytes(repr(value))
    limit = (program.head.get("limits") or {}).get("result")
    if limit and len(data) > limit:
        raise ResultError("the result is %d bytes of JSON, the limit is %d" % (len(data), limit),
                          "Give less (filter, count, slice), or print parts of it.")
    return data


def make_main(file):
    main = types.ModuleType("__main__")
    main.__file__ = os.path.join(os.getcwd(), file)
    main.__builtins__ = builtins
    sys.modules["__hawser__"] = sys.modules["__main__"]
    sys.modules["__main__"] = main
    sys.argv = [file]
    sys.path[0] = os.getcwd()
    return main.__dict__


def make_room(error, space):
    """Out of memory: what the program held goes first, or there is none to say so with."""
    at = error.__traceback__
    while at is not None:
        if at.tb_frame.f_globals is space:
            try:
                at.tb_frame.clear()
            except RuntimeError:  # it still runs, in a generator or a thread
                pass
        at = at.tb_next
    space.clear()


def run_program():
    head = program.head
    program.file = file = head.get("file") or "main.py"
    program.servers = [{"name": str(s["name"]), "id": str(s.get("id") or s["name"])} for s in head.get("namespaces") or ()]
    space = make_main(file)
    compiling = True
    try:
        program.source = source = bytes(program.code).decode("utf-8", "surrogateescape").lstrip("\ufeff")
        remember_source(source, file)
        tree = parse(source, file)
        install_names(space, tree)
        run, plain = compile_program(tree, source, file, space)
        compiling = False
        is_coroutine = run.__code__.co_flags & 0x80
        value = run_loop(run) if is_coroutine else run()
        check_unawaited()
        result = encode_result(value, plain)
    except SystemExit as e:
        leave_by_exit(e)
    except BaseException as e:
        if isinstance(e, MemoryError):
            make_room(e, space)
        fail(e, compiling)
    else:
        if os.getpid() != program.pid:
            flush_files(space)
            os._exit(0)
        end({}, result, 0)


def remember_source(source, file):
    """Tracebacks show the user's lines though there is no file."""
    import linecache
    linecache.cache[file] = (len(source), None, source.splitlines(True), file)


def preload(sock):
    """While parked there is time for what many programs need."""
    poll = select.poll()
    poll.register(sock.fileno(), select.POLLIN)
    for name in ("traceback", "linecache", "asyncio", "re", "datetime", "dataclasses", "pathlib", "decimal"):
        if poll.poll(0):
            return
        __import__(name)


def main():
    global _link
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
    warnings.showwarning = show_warning
    sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM, 0, FD_FRAMES)
    os.register_at_fork(after_in_child=after_fork)
    _link = Link(sock)
    _link.on_run = program.take
    keep_lobby()
    preload(sock)
    with _link.read_lock:
        while not program.complete:
            _link.read()
    run_program()


main()
