#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs a driver of tests/e2e as an unprivileged user: as_user.py BUILD DRIVER [WORDS...]

Started by root: as a uid of its own, without groups, from a copy of what it needs, since the tree may lie in somebody's
home. Started by a user: as it is. HAWSER_AS_USER tells the driver so."""
import os
import shutil
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARIES = ("broker/hawser", "tunnel/guest/hawser-guest", "providers/keeper/hawser-keeper")
SOURCES = ("tests/support", "tests/fixture", "tests/e2e", "tests/unit/tunnel/shims", "tunnel/shims")


def stage(build, folder):
    for name in BINARIES:
        to = os.path.join(folder, "build", name)
        os.makedirs(os.path.dirname(to), exist_ok=True)
        shutil.copy(os.path.join(build, name), to)
    for name in SOURCES:
        shutil.copytree(os.path.join(TOP, name), os.path.join(folder, name))
    for path, names, files in os.walk(folder):
        for name in (*names, *files):
            os.chmod(os.path.join(path, name), os.stat(os.path.join(path, name)).st_mode | 0o444 |
                     (0o111 if name in names else 0))


def main():
    build, driver, *words = sys.argv[1:]
    env = {**os.environ, "HAWSER_AS_USER": "1"}
    if os.getuid() != 0:
        return subprocess.run([sys.executable, driver, *words], env={**env, "HAWSER_BUILD": build}, check=False).returncode
    folder = tempfile.mkdtemp(prefix="hu")  # short: socket paths go below
    try:
        os.chmod(folder, 0o755)
        stage(build, folder)
        uid = 62000 + os.getpid() % 1000
        home = os.path.join(folder, "h")
        os.mkdir(home, 0o700)
        os.chown(home, uid, uid)
        env.update(HAWSER_BUILD=os.path.join(folder, "build"), HOME=home, TMPDIR=home, USER="tester", LOGNAME="tester",
                   PATH="/usr/local/bin:/usr/bin:/bin", PYTHONDONTWRITEBYTECODE="1")
        python = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable
        there = os.path.join(folder, os.path.relpath(os.path.abspath(driver), TOP))
        return subprocess.run([python, there, *words], env=env, user=uid, group=uid, extra_groups=[], cwd=home,
                              check=False).returncode
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
