# SPDX-License-Identifier: Apache-2.0
"""The shipped binary for tests: a home of its own with its own broker, and a raw MCP client of `hawser mcp`.

    with Home(config="mcpServers: {}") as home:
        print(home.run("run", "-", input="return 1").stdout)
"""
import json
import os
import queue
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("HAWSER_BUILD", os.path.join(TOP, "build"))
BUILD = BUILD if os.path.isabs(BUILD) else os.path.join(TOP, BUILD)
HAWSER = os.environ.get("HAWSER_BIN", os.path.join(BUILD, "broker", "hawser"))
FAKE = os.path.join(BUILD, "tests", "support", "hawser-fake")
FIXTURE = os.path.join(TOP, "tests", "fixture", "server.py")
PATIENCE = 30  # seconds; only a broken product waits so long


def wait_for(what, seconds=PATIENCE):
    """Polls a state of another process that nobody tells us about."""
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            raise AssertionError("did not happen in %d s" % seconds)
        time.sleep(0.01)


class Home:
    """Folders of one user; ends its broker on leaving and checks that it is gone."""

    def __init__(self, config=None, binary=HAWSER, env=None):
        self.binary = binary
        self.top = tempfile.mkdtemp(prefix="hawser-")
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(("HAWSER_", "XDG_"))}
        for name in ("state", "runtime", "config", "work"):
            os.mkdir(self.path(name), 0o700)
        self.env.update(XDG_STATE_HOME=self.path("state"), XDG_RUNTIME_DIR=self.path("runtime"),
                        XDG_CONFIG_HOME=self.path("config"))
        if binary == FAKE:
            self.env.update(HAWSER_GUEST="/bin/true", HAWSER_KEEPER="/bin/true")
        self.env.update(env or {})
        if config is not None:
            self.write_config(config)

    def path(self, *parts):
        return os.path.join(self.top, *parts)

    def write_config(self, config, name="hawser.yaml"):
        os.makedirs(self.path("config", "hawser"), exist_ok=True)
        self.write("config/hawser/" + name, config if isinstance(config, str) else json.dumps(config))

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as f:
            f.write(text)
        return self.path(name)

    def popen(self, *args, env=None, **kwargs):
        return subprocess.Popen([self.binary, *args], env={**self.env, **(env or {})}, cwd=self.path("work"), **kwargs)

    def run(self, *args, input=None, env=None, timeout=PATIENCE):
        return subprocess.run([self.binary, *args], env={**self.env, **(env or {})}, cwd=self.path("work"), text=True,
                              input=input, capture_output=True, timeout=timeout, check=False)

    def code(self, code, *args, **kwargs):
        """Runs code; the result object of --json."""
        done = self.run("run", "--json", *args, "-", input=code, **kwargs)
        try:
            return json.loads(done.stdout)
        except ValueError:
            raise AssertionError("status %d: %s%s" % (done.returncode, done.stdout, done.stderr)) from None

    def mcp(self, *args, revision="2025-11-25", env=None):
        return Mcp(self.popen("mcp", *args, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE), revision)

    def socket_path(self):
        return self.path("runtime", "hawser", "broker.sock")

    def wire(self, hello=True):
        return Wire(self, hello)

    def status(self):
        with Wire(self, hello=False) as wire:
            return wire.ask("status")

    def broker_pid(self):
        try:
            with open(self.path("state", "hawser", "broker.lock"), encoding="utf-8") as f:
                return int(f.read())
        except (OSError, ValueError):
            return None

    def log(self):
        with open(self.path("state", "hawser", "broker.log"), encoding="utf-8") as f:
            return f.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pid = self.broker_pid()
        try:
            self.run("stop", timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            print("# hawser stop hangs", file=sys.stderr)
        try:
            if pid:
                wait_for(lambda: not alive(pid), 10)
            if pid and os.path.exists(self.path("state", "hawser", "broker.log")):
                assert "event=broker_stopped" in self.log().splitlines()[-1], self.log()[-2000:]
        except AssertionError as e:
            if alive(pid):
                os.kill(pid, signal.SIGKILL)
            raise AssertionError("the broker did not stop as it should: %s" % e) from None
        finally:
            shutil.rmtree(self.top, ignore_errors=True)


def alive(pid):
    """Also one whose first thread is a zombie already, while others still hold its sockets."""
    def lives(thread):
        try:
            with open("/proc/%d/task/%s/stat" % (pid, thread), encoding="utf-8") as f:
                return f.read().rsplit(")", 1)[1].split()[0] != "Z"
        except OSError:
            return False
    try:
        return any(lives(thread) for thread in os.listdir("/proc/%d/task" % pid))
    except OSError:
        return False


class Wire:
    """The local door, raw."""

    def __init__(self, home, hello=True):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(home.socket_path())
        self.file = self.socket.makefile("rb")
        self.id = 0
        self.notes = []
        if hello:
            self.hello = self.ask("hello", version="0", cwd=home.path("work"), config_home=home.path("config"))
            if not self.hello.get("fault"):
                self.ask("env", values=[])

    def send(self, method, **params):
        self.id += 1
        self.raw(json.dumps({"jsonrpc": "2.0", "id": self.id, "method": method, "params": params}) + "\n")
        return self.id

    def raw(self, text):
        self.socket.sendall(text.encode())

    def message(self):
        line = self.file.readline()
        if not line:
            raise EOFError
        return json.loads(line)

    def reply(self, wanted):
        while True:
            message = self.message()
            if message.get("id") == wanted and "method" not in message:
                return message
            self.notes.append(message)

    def ask(self, method, **params):
        reply = self.reply(self.send(method, **params))
        if "error" in reply:
            raise RuntimeError("%(code)d %(message)s" % reply["error"])
        return reply["result"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.socket.close()


class Mcp:
    """An MCP client of a process, by hand: what goes over the pipes is what is tested."""

    def __init__(self, process, revision):
        self.process = process
        self.id = 0
        self.notes = []
        self.lines = queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()
        if revision:
            self.hello = self.ask("initialize", protocolVersion=revision, capabilities={},
                                  clientInfo={"name": "test", "version": "1"})
            self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def read(self):
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put(None)

    def send(self, message):
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()

    def begin(self, method, **params):
        self.id += 1
        self.send({"jsonrpc": "2.0", "id": self.id, "method": method, "params": params})
        return self.id

    def message(self, timeout=PATIENCE):
        line = self.lines.get(timeout=timeout)
        if line is None:
            raise EOFError
        return json.loads(line)

    def reply(self, wanted, timeout=PATIENCE):
        for message in self.notes:
            if message.get("id") == wanted:
                self.notes.remove(message)
                return message
        while True:
            message = self.message(timeout)
            if message.get("id") == wanted:
                return message
            self.notes.append(message)

    def ask(self, method, **params):
        reply = self.reply(self.begin(method, **params))
        if "error" in reply:
            raise RuntimeError("%(code)d %(message)s" % reply["error"])
        return reply["result"]

    def begin_tool(self, name, token=None, **arguments):
        meta = {"_meta": {"progressToken": token}} if token is not None else {}
        return self.begin("tools/call", name=name, arguments=arguments, **meta)

    def tool(self, name, **arguments):
        return self.ask("tools/call", name=name, arguments=arguments)

    def code(self, code, language="javascript", **arguments):
        return self.tool("execute_code", code=code, language=language, **arguments)

    def close(self):
        self.process.stdin.close()
        status = self.process.wait(PATIENCE)
        self.process.stdout.close()
        return status

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            try:
                self.close()
            except (OSError, subprocess.TimeoutExpired):
                self.process.kill()
                self.process.wait()


def text_of(result):
    return "".join(item["text"] for item in result["content"] if item["type"] == "text")
