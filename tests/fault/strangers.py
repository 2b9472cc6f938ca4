#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The place of the broker's socket is taken by somebody else: a thin client tells him nothing."""
import os
import shutil
import socket
import sys

from faults import Cases, Home, Skip, config

cases = Cases()
STRANGER = 61999  # a uid that nobody has


def listen_as(uid, path):
    """A socket on which a process of another user listens; the descriptor may be anybody's afterwards."""
    listener = socket.socket(socket.AF_UNIX)
    os.seteuid(uid)
    try:
        listener.bind(path)
        listener.listen(4)  # whose it is, is taken down here
    finally:
        os.seteuid(0)
    listener.settimeout(20)
    return listener


@cases.table([("run", ["run", "-"]), ("call", ["call", "a.b", "{}"]), ("doctor", ["doctor"]), ("stop", ["stop"]),
              ("mcp", ["mcp"])])
def another_user_hears_nothing(words):
    if os.geteuid() != 0:
        raise Skip("root, to be another user")
    home = Home(config(), env={"TOKEN": "hunter2"})
    os.chmod(home.top, 0o755)
    os.mkdir(home.path("runtime", "hawser"))
    for folder in ("runtime", "runtime/hawser"):
        os.chmod(home.path(folder), 0o777)
    try:
        with listen_as(STRANGER, home.socket_path()) as listener:
            done = home.run(*words, input="return 1")
            assert done.returncode == 3, (done.returncode, done.stderr)
            told = done.stdout + done.stderr  # doctor's findings are what it was asked for
            assert "another user (uid %d" % STRANGER in told and "XDG_RUNTIME_DIR" in told, told
            came, _ = listener.accept()
            with came:
                came.settimeout(20)
                assert came.recv(100) == b"", "he was told something"
    finally:
        shutil.rmtree(home.top)


if __name__ == "__main__":
    sys.exit(cases.main())
