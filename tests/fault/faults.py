# SPDX-License-Identifier: Apache-2.0
"""What the drivers of tests/fault share: fixture servers in a configuration, processes of a broker, name spaces."""
import contextlib
import ctypes
import json
import os
import signal
import sys
import traceback

__all__ = ["FIXTURE", "HAWSER", "Home", "alive", "text_of", "wait_for", "Cases", "Skip"]  # and what is below
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "support"))
from hawser import FIXTURE, HAWSER, Home, alive, text_of, wait_for  # noqa: E402,F401
from tap import Cases, Skip  # noqa: E402,F401

SERVER = os.path.join(HERE, "server.py")
MS_REC, MS_PRIVATE, MS_BIND = 0x4000, 1 << 18, 0x1000
CLONE_NEWNS, CLONE_NEWUSER = 0x20000, 0x10000000
LIBC = ctypes.CDLL(None, use_errno=True)


def fixture(*switches, program=FIXTURE, **more):
    """A server of the configuration: the fixture with its switches."""
    return {"command": sys.executable, "args": [program, *switches], **more}


def config(limits=None, **servers):
    """limits: {name: value}. Every call is allowed, no sandbox is made ahead."""
    return {"mcpServers": servers, "policy": {"default": "allow"}, "limits": {"pool": 0, **(limits or {})}}


def parents():
    """{pid: parent} of all that live."""
    found = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError, IndexError, ValueError):
            with open("/proc/%s/stat" % name, encoding="utf-8", errors="replace") as f:
                state, parent = f.read().rsplit(")", 1)[1].split()[:2]
            if state != "Z":
                found[int(name)] = int(parent)
    return found


def family(pid):
    """Everything below a process that lives now; not itself."""
    table, found, fresh = parents(), [], [pid]
    while fresh:
        fresh = [p for p, parent in table.items() if parent in fresh]
        found += fresh
    return found


def command_line(pid):
    try:
        with open("/proc/%d/cmdline" % pid, "rb") as f:
            return f.read().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def below(pid, word):
    """Those of the family whose command line has the word."""
    return [p for p in family(pid) if word in command_line(p)]


def wait_gone(pids, seconds=15):
    try:
        wait_for(lambda: not any(alive(p) for p in pids), seconds)
    except AssertionError:
        raise AssertionError("left: " + "; ".join("%d %s" % (p, command_line(p)) for p in pids if alive(p))) from None


def read(path):
    with open(path, "rb") as f:
        return f.read()


def forget_log(home):
    """Home expects that the last broker ended well; this one was not to begin."""
    os.unlink(home.path("state", "hawser", "broker.log"))


def audit(home):
    return [json.loads(line) for line in read(home.path("state", "hawser", "audit.jsonl")).splitlines()]


def call(result, failed=False):
    """The structured part of an execute_code; checks whether it failed."""
    assert bool(result.get("isError")) == failed, text_of(result)
    return result["structuredContent"]


# ---- name spaces ----

def _must(result, what):
    if result < 0:
        raise Skip("%s: %s" % (what, os.strerror(ctypes.get_errno())))


def mount(source, target, kind, flags=0, data=None):
    _must(LIBC.mount(source.encode(), target.encode(), kind.encode() if kind else None, flags,
                     data.encode() if data else None), "mounting " + target)


def cover(path, by="/dev/null"):
    """In the test's own name space another file stands there."""
    real = os.path.realpath(path)
    if os.path.exists(real):
        mount(by, real, None, MS_BIND)


def enter_user_name_space(uid):
    """This process goes on as uid in a new one."""
    texts = (("setgroups", "deny"), ("uid_map", "%d %d 1" % (uid, os.getuid())), ("gid_map", "%d %d 1" % (uid, os.getgid())))
    _must(LIBC.unshare(CLONE_NEWUSER), "user name spaces")
    for name, text in texts:
        with open("/proc/self/" + name, "w", encoding="ascii") as f:
            f.write(text)


def without_user_name_spaces():
    """None can be made by what this process starts."""
    enter_user_name_space(os.getuid())
    with open("/proc/sys/user/max_user_namespaces", "w", encoding="ascii") as f:
        f.write("0")


def _enter():
    uid, gid = os.getuid(), os.getgid()
    if uid == 0:
        _must(LIBC.unshare(CLONE_NEWNS), "a mount name space")
    else:
        _must(LIBC.unshare(CLONE_NEWNS | CLONE_NEWUSER), "a user name space")
        for name, text in (("setgroups", "deny"), ("uid_map", "%d %d 1" % (uid, uid)), ("gid_map", "%d %d 1" % (gid, gid))):
            with open("/proc/self/" + name, "w", encoding="ascii") as f:
                f.write(text)
    mount("none", "/", None, MS_REC | MS_PRIVATE)


def apart(function):
    """Runs a test in a process with a mount name space of its own: what it mounts goes with it."""
    def inside(write):
        status, text = 0, ""
        try:
            _enter()
            function()
        except Skip as skip:
            status, text = 77, str(skip)
        except BaseException:  # pylint: disable=broad-except
            status, text = 1, traceback.format_exc()
        os.write(write, text.encode()[:60000])
        os._exit(status)

    def run():
        ends = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(ends[0])
            inside(ends[1])
        os.close(ends[1])
        with os.fdopen(ends[0], "rb") as pipe:
            text = pipe.read().decode(errors="replace")
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if status == 77:
            raise Skip(text)
        if status:
            raise AssertionError(text)
    run.__name__ = function.__name__
    return run


def end(process, signo=signal.SIGKILL):
    process.send_signal(signo)
    return process.wait(30)
