# SPDX-License-Identifier: Apache-2.0
"""The processes in the bubblewrap of a test's guest (hawser_guest.py, jail=True), seen from outside."""
import os
import shutil
import subprocess


def jail_works():
    if not shutil.which("bwrap"):
        return False
    return subprocess.run(["bwrap", "--unshare-user", "--unshare-pid", "--ro-bind", "/", "/", "--proc", "/proc",
                           "true"], capture_output=True, check=False).returncode == 0


JAIL = jail_works()


def processes_below(guest):
    """Processes of the jail, by its pid name space, without the guest itself."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/stat" % pid, encoding="utf-8", errors="replace") as f:
                fields = f.read().rpartition(")")[2].split()
            if os.readlink("/proc/%s/ns/pid" % pid) != guest.space or fields[0] == "Z":
                continue
            with open("/proc/%s/cmdline" % pid, "rb") as f:
                command = f.read()
        except OSError:
            continue
        if b"serve" not in command.split(b"\0"):
            found.append((pid, command))
    return found


def find_space(guest):
    """The name space of the jail's pid 1 (a child of the bubblewrap that we started)."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/stat" % pid, encoding="utf-8", errors="replace") as f:
                parent = int(f.read().rpartition(")")[2].split()[1])
            if parent == guest.process.pid:
                return os.readlink("/proc/%s/ns/pid" % pid)
        except OSError:
            continue
    raise AssertionError("the jail has no pid 1")
