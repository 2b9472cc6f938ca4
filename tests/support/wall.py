# SPDX-License-Identifier: Apache-2.0
"""Sandboxes without a broker, for tests: wall-driver (broker/host on a pipe) and the tunnel of hawser_tunnel.py.

    with Wall(stage, settings={"cgroups": False}) as wall:
        box = wall.create("memory=268435456 park=python")
        print(box.run("python", "print(1)").stdout)
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from hawser_tunnel import Tunnel, unix_connect  # noqa: E402

NOBODY = 65534


class Refused(Exception):
    """The host said no; args[0] is its message."""


def stage(build, *more):
    """A folder that any user can read, with copies of the programs: the tree itself may be somebody's home."""
    folder = tempfile.mkdtemp(prefix="hawser-stage-")
    os.chmod(folder, 0o755)
    for name in ("tunnel/guest/hawser-guest", "providers/keeper/hawser-keeper", "tests/support/wall-driver", *more):
        shutil.copy(os.path.join(build, name), folder)
    return folder


def as_user(user):
    return dict(user=user, group=user, extra_groups=[]) if user is not None else {}


class Box:
    def __init__(self, wall, answer):
        self.wall, self.id, self.path = wall, answer["created"], answer["unix_path"]
        self.ms = answer["ms"]
        self.secret, self.tunnel_id = bytes.fromhex(answer["secret"]), bytes.fromhex(answer["tunnel"])
        self.tunnel = None

    def connect(self):
        self.tunnel = self.tunnel or Tunnel(self.secret, self.tunnel_id)
        self.tunnel.connect(unix_connect(self.path))
        return self.tunnel

    def run(self, language, code, timeout=60, **options):
        if not self.tunnel:
            self.connect()
        return self.tunnel.execute(language, code, timeout=timeout, **options)

    def destroy(self):
        if self.tunnel:
            self.tunnel.close()
        self.wall.ask("destroy " + self.id, "destroyed")


class Wall:
    """user: of the host and its keepers; None: our own."""

    def __init__(self, folder, settings=None, provider="process", user=None, words=(), **popen):
        self.dir = tempfile.mkdtemp(prefix="hw")
        if user is not None:
            os.chown(self.dir, user, user)
        self.events = []
        self.process = subprocess.Popen(
            [os.path.join(folder, "wall-driver"), self.dir + "/s", os.path.join(folder, "hawser-guest"),
             os.path.join(folder, "hawser-keeper"), provider, json.dumps(settings or {}), *words],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **as_user(user), **popen)
        answer = self.read()
        if "refused" in answer:
            self.close()
            raise Refused(answer["message"])

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            raise Refused("wall-driver ended")
        return json.loads(line)

    def until(self, *keys):
        """The next answer with one of these keys; sandboxes that end meanwhile go to self.events."""
        while True:
            answer = self.read()
            if any(key in answer for key in keys):
                return answer
            self.events.append(answer)

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def ask(self, line, *keys):
        self.tell(line)
        return self.until(*keys)

    def create(self, words=""):
        answer = self.ask("create " + words, "created", "failed")
        if "failed" in answer:
            raise Refused(answer["message"])
        return Box(self, answer)

    def report(self):
        facts = {}
        answer = self.ask("report", "report", "reported")
        while "reported" not in answer:
            facts[answer["report"]] = (answer["text"], answer["good"])
            answer = self.until("report", "reported")
        return facts

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Tap:
    """TAP lines; exit(tap.done())."""

    def __init__(self):
        self.count = self.failed = 0

    def ok(self, good, name, why=""):
        self.count += 1
        self.failed += not good
        print("%sok %d - %s" % ("" if good else "not ", self.count, name), flush=True)
        if why and not good:
            print("# " + str(why).replace("\n", "\n# "), flush=True)
        return good

    def skip(self, name, why):
        self.count += 1
        print("ok %d - %s # SKIP %s" % (self.count, name, why), flush=True)

    def note(self, text):
        print("# " + text, flush=True)

    def done(self):
        print("1..%d" % self.count, flush=True)
        return 1 if self.failed else 0
