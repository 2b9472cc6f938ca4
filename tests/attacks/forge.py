#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Hostile programs against the shipped binary: frames by hand on a run's descriptors, other spellings of a denied tool,
secrets of the host. A program prints OPEN when it has got through. Each row runs first where it may get through (the
control; it has to print OPEN), then where it must not."""
import json
import os
import re
import signal
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "support"))
# pylint: disable=wrong-import-position
from hawser import FIXTURE, Home, alive, wait_for
from tap import Cases

cases = Cases()

FRAMES = '''
import json, os, socket, struct, time

def frame(kind, stream, payload=b"", flags=0, channel=0):
    return struct.pack(">IBBHII", len(payload), kind, flags, channel, stream, 0) + payload

def opening(head, body=b""):
    head = head if isinstance(head, bytes) else json.dumps(head).encode()
    return struct.pack(">H", len(head)) + head + body

def lobby():
    mine, theirs = socket.socketpair()
    socket.send_fds(socket.socket(fileno=os.dup(5)), [b"x"], [theirs.fileno()])
    theirs.close()
    return mine

def take(link, n):
    got = b""
    while len(got) < n:
        more = link.recv(n - len(got))
        if not more:
            raise EOFError
        got += more
    return got

def call(head, body=b"{}"):
    """The head of the answer; None: no call of it was made."""
    link, head_of_answer = lobby(), None
    link.sendall(frame(16, 2, opening(head, body), 1))
    try:
        while True:
            n, kind, flags, channel, stream, sequence = struct.unpack(">IBBHII", take(link, 16))
            payload = take(link, n)
            if kind == 20:
                return None
            if kind == 17:
                head_of_answer = json.loads(payload[2:2 + struct.unpack(">H", payload[:2])[0]])
            if flags & 1:
                return head_of_answer
    except EOFError:
        return None

def write_result(text):
    link = socket.socket(fileno=os.dup(3))
    link.sendall(frame(18, 1, text, 0, 5) + frame(19, 1, b"{}", 1))
    time.sleep(60)
'''

# What names the tool; the first three are honest and have to work in the control.
SPELLINGS = [
    ("my-fs", "get-env"), ("my_fs", "get_env"), ("", "mcp__my-fs__get-env"), ("", "mcp__my_fs__get_env"),
    ("nobody", "mcp__my-fs__get-env"), ("my-fs", "mcp__my-fs__get-env"), ("mcp__my-fs", "get-env"),
    ("mcp__my-fs__get-env", ""), ("my-fs.get-env", ""), ("", "my-fs.get-env"), ("hawser", "my-fs.get-env"),
    ("hawser", "mcp__my-fs__get-env"), ("Hawser", "mcp__my_fs__get_env"), ("My-Fs", "get-env"), ("my-fs", "GET-ENV"),
    ("my-fs", " get-env"), ("my-fs ", "get-env"), ("my-fs", "get-env\0x"), ("my-fs\0", "get-env"), ("my-fs", "./get-env"),
    ("my-fs", "get\u2010env"), ("my-fs", "\uff47et-env"), ("other", "my-fs.get-env"), ("other", "mcp__my_fs__get_env"),
    ("other", "../my-fs/get-env"),
]
SPELL = FRAMES + '''
opened = []
for server, tool in json.loads(%r):
    answer = call({"kind": "call", "server": server, "tool": tool}, b"{}")
    if answer and answer.get("ok"):
        opened.append((server, tool))
print("OPEN" if len(opened) >= 3 else "BLOCKED" if not opened else "HALF", opened)
''' % json.dumps(SPELLINGS)

SERVER = '''
import json, sys
for line in sys.stdin:
    m = json.loads(line)
    if "id" not in m:
        continue
    result = {"content": [{"type": "text", "text": "reached"}]}
    if m["method"] == "initialize":
        result = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": {"name": "x", "version": "1"}}
    if m["method"] == "tools/list":
        result = {"tools": [{"name": "get-env", "inputSchema": {"type": "object"}, "description": "d\\x1b]0;t\\x07\\x9b2J"},
                            {"name": "\\x9b31m", "inputSchema": {"type": "object"}}]}
    print(json.dumps({"jsonrpc": "2.0", "id": m["id"], "result": result}), flush=True)
'''


def python(*words, env=None):
    return {"command": "/usr/bin/python3", "args": ["-B", *words], **({"env": env} if env else {})}


def home(policy=None, env=None, **servers):
    servers = servers or {"fixture": python(FIXTURE)}
    return Home(json.dumps({"mcpServers": servers, "policy": policy or {"default": "allow"}}), env=env)


def code(place, program, *words, **kwargs):
    return place.code(program, "--language", "python", *words, timeout=60, **kwargs)


def judge(said, expected):
    assert said.split()[:1] == [expected], said


# ---- calls that nobody allowed ----

@cases.table([
    ("rule by name", {"default": "allow", "rules": [{"deny": "my-fs.get-env"}]}, []),
    ("rule by mcp name", {"default": "allow", "rules": [{"deny": "mcp__my_fs__get-env"}]}, []),
    ("rule by identifiers", {"default": "allow", "rules": [{"deny": "my_fs.get_env"}]}, []),
    ("rule by mcp identifiers", {"default": "allow", "rules": [{"deny": "mcp__my_fs__get_env"}]}, []),
    ("rule by server", {"default": "allow", "rules": [{"deny": "my-fs.*"}]}, []),
    ("allowed_tools", {"default": "allow"}, ["--allow", "other.*"]),
])
def a_denied_tool_by_another_spelling(policy, words):
    servers = {"my-fs": python("-c", SERVER), "other": python(FIXTURE)}
    with home(**servers) as place:
        judge(code(place, SPELL)["stdout"], "OPEN")
    with home(policy, **servers) as place:
        judge(code(place, SPELL, *words)["stdout"], "BLOCKED")


NAMED = FRAMES + '''
answer = call({"kind": "call", "run": %r, "id": 1, "server": "fixture", "tool": "echo"})
doubled = call(b'{"kind":"call","run":%%a,"run":"x","server":"fixture","tool":"echo"}' %% %r)
print("OPEN" if answer and answer.get("ok") else "BLOCKED", answer, doubled)
'''


@cases.add
def a_frame_with_another_runs_id():
    """The other run may call the tool, this one may not: with the other's id it would be that one's call."""
    with home() as place, place.mcp() as door:
        other = door.begin_tool("execute_code", language="python", code="import fixture\nfixture.echo(a=1)\nfixture.never()")
        runs = place.path("state", "hawser", "runs")
        wait_for(lambda: os.path.isdir(runs) and os.listdir(runs))
        victim = os.listdir(runs)[0]
        program = NAMED % (victim, victim)
        judge(code(place, program, "--allow", "fixture.echo")["stdout"], "OPEN")
        narrowed = code(place, program, "--allow", "fixture.add")
        judge(narrowed["stdout"], "BLOCKED")
        assert narrowed["tool_calls"][0]["denied"] == narrowed["tool_calls"][0]["calls"], narrowed
        with open(place.path("state", "hawser", "audit.jsonl"), encoding="utf-8") as lines:
            audit = [json.loads(line) for line in lines]
        assert not [a for a in audit if a["run"] == victim and a["outcome"] == "denied"], audit
        assert [a for a in audit if a["run"] == narrowed["run_id"] and a["outcome"] == "denied"], audit
        door.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": other}})


# ---- secrets ----

LOOK = '''
import os, stat
secret = %r[::-1]
found = []

def look(path):
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            return
        with open(path, "rb") as f:
            if secret.encode() in f.read(1 << 20):
                found.append(path)
    except OSError:
        pass

for pid in [p for p in os.listdir("/proc") if p.isdigit()]:
    for name in ("environ", "cmdline"):
        look("/proc/%%s/%%s" %% (pid, name))
for top in [%r, os.path.expanduser("~/.config"), "/dev/shm"]:
    for folder, folders, files in os.walk(top):
        for name in files:
            look(os.path.join(folder, name))
if secret in os.environ.values():
    found.append("own environment")
print("OPEN" if found else "BLOCKED", found[:5])
'''


def tree(pid):
    pids = [pid]
    for task in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/children" % (pid, task), encoding="ascii") as f:
            for child in f.read().split():
                pids += tree(int(child))
    return pids


@cases.add
def secrets_planted_in_the_host():
    """In a file, in the environment of client and server, and in the broker's own log and state."""
    secret = "planted%s" % os.urandom(8).hex()
    servers = {"fixture": python(FIXTURE, env={"TOKEN": "${PLANTED}"})}
    with home(env={"PLANTED": secret}, **servers) as place:
        place.write("credentials", secret)
        program = LOOK % (secret[::-1], place.top)
        outside = subprocess.run([sys.executable, "-c", program], env=place.env, capture_output=True, text=True, check=True)
        judge(outside.stdout, "OPEN")
        done = place.run("call", "fixture.env", env={"PLANTED": secret})
        assert done.returncode == 0 and "TOKEN" in done.stdout and secret not in done.stdout, done
        judge(code(place, program)["stdout"], "BLOCKED")
        # What a process list shows to everybody, and what the broker keeps.
        for pid in tree(place.broker_pid()):
            try:
                with open("/proc/%d/cmdline" % pid, "rb") as f:
                    words = f.read()
            except FileNotFoundError:  # it has ended since
                continue
            assert secret.encode() not in words, words
            # A tunnel's secret has 64 hexadecimal digits; its id, which is shown, has 32.
            assert not re.search(rb"[0-9a-f]{64}", words), words
        for folder, _, files in os.walk(place.path("state")):
            for name in files:
                with open(os.path.join(folder, name), "rb") as f:
                    assert secret.encode() not in f.read(), name


# ---- forged words ----

@cases.table([
    ("text behind it", b'1},"x":1}}\n{"jsonrpc":"2.0","id":99,"result":{}}\n{', "error"),
    ("line inside it", b'[1,\n{"jsonrpc":"2.0","id":99,"result":{}}\r\n]', "ok"),
    ("no end", b'{"a":[', "error"),
    ("depth", b"[" * 5000 + b"]" * 5000, "error"),
])
def a_result_is_not_a_message(text, status):
    program = FRAMES + "write_result(%r)" % text
    with home() as place, place.mcp() as door:
        assert code(place, FRAMES + "write_result(b'[1]')")["result"] == [1]  # the control: so a result is written
        assert code(place, program)["status"] == status
        wanted = door.begin_tool("execute_code", language="python", code=program)
        reply = door.message()
        assert reply["id"] == wanted and reply["result"]["structuredContent"]["status"] == status, reply
        assert door.ask("ping") == {} and not door.notes


# ---- harm ----

@cases.add
def calls_that_are_never_finished():
    """More than may be open: the rest waits, and the end of the run frees all of them."""
    program = FRAMES + '''
link = lobby()
link.settimeout(0.5)
try:
    for i in range(%d):
        link.sendall(frame(16, 2 + 2 * i, opening({"kind": "call", "server": "fixture", "tool": "slow"})))
except OSError:
    pass
print("OPEN")
'''
    with home() as place:
        for count in (3, 129, 400):
            got = code(place, program % count)
            assert (got["status"], got["stdout"]) == ("ok", "OPEN\n") and got["execution_time"] < 5, got


@cases.add
def a_guest_that_dies_harms_nobody_else():
    """Killed in the middle of calls, as by the kernel's memory killer: the broker goes on for everybody else."""
    program = FRAMES + '''
many = [os.open('/dev/null', os.O_RDONLY) for i in range(150)]
links = [lobby() for i in range(20)]
for link in links:
    link.sendall(frame(16, 2, opening({"kind": "call", "server": "fixture", "tool": "never"}, b"{}"), 1))
print("ready", flush=True)
time.sleep(60)
'''
    with home() as place:
        run = place.popen("run", "--language", "python", "-", stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL)
        run.stdin.write(program.encode())
        run.stdin.close()
        assert run.stdout.readline() == b"ready\n"
        broker = place.broker_pid()
        guests = [pid for pid in tree(broker) if guest_of_a_run(pid)]
        assert len(guests) == 1, guests
        os.kill(guests[0], signal.SIGKILL)
        assert run.wait(10) == 1
        run.stdout.close()
        assert code(place, "return 6 * 7")["result"] == 42
        assert alive(broker) and place.broker_pid() == broker


def guest_of_a_run(pid):
    """A guest in whose sandbox a program holds many descriptors."""
    with open("/proc/%d/cmdline" % pid, "rb") as f:
        if not f.read().startswith(b"/hawser/hawser-guest"):
            return False
    return any(len(os.listdir("/proc/%d/fd" % child)) > 150 for child in tree(pid)[1:])


@cases.add
def a_terminal_is_not_written_to_by_a_server():
    with home(**{"my-fs": python("-c", SERVER)}) as place:
        seen = place.run("tools").stdout
        assert "my-fs.get-env" in seen, seen  # the control: its tools are shown
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", seen), repr(seen)


if __name__ == "__main__":
    sys.exit(cases.main())
