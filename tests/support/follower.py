# SPDX-License-Identifier: Apache-2.0
"""Somebody who follows the questions of a broker: `hawser approvals --follow --json` in another window."""
import json
import queue
import subprocess
import threading

from hawser import PATIENCE


class Follower:
    def __init__(self, home):
        self.home = home
        self.lines = queue.Queue()
        self.process = home.popen("approvals", "--follow", "--json", stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self.read, daemon=True).start()
        self.next("approval.following")

    def read(self):
        for line in self.process.stdout:
            self.lines.put(json.loads(line))
        self.process.stdout.close()

    def next(self, event):
        """The next event, which must be this one."""
        got = self.lines.get(timeout=PATIENCE)
        assert got["event"] == event, got
        return got["approval"]

    def asked(self):
        return self.next("approval.asked")

    def asked_of(self, *tools):
        """As many questions, in the order of these tools, whichever was put first: a schema is compiled on a thread."""
        by_tool = {a["tool"]: a for a in (self.asked() for _ in tools)}
        return [by_tool[tool] for tool in tools]

    def over(self):
        return self.next("approval.over")

    def nothing_more(self):
        assert self.lines.empty(), self.lines.get()

    def answer(self, approval, word="approve"):
        done = self.home.run(word, approval["id"])
        assert done.returncode == 0, done

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(PATIENCE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Program:
    """`hawser run --json` in the background: code runs while others look at it."""

    def __init__(self, home, code, *args):
        self.process = home.popen("run", "--json", *args, "-", stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True)
        self.process.stdin.write(code)
        self.process.stdin.close()

    def result(self):
        try:
            out = self.process.stdout.read()
            self.process.wait(PATIENCE)
            return json.loads(out)
        finally:
            self.close()

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE)
        self.process.stdout.close()
        self.process.stderr.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
