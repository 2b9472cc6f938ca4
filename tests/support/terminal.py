# SPDX-License-Identifier: Apache-2.0
"""A program on a terminal of its own, and the person in front of it."""
import fcntl
import os
import pty
import select
import termios
import time

from hawser import PATIENCE


class Terminal:
    """stdin: what it is instead of the terminal (subprocess.PIPE, a file)."""

    def __init__(self, home, *args, stdin=None, stdout=None):
        self.master, slave = pty.openpty()
        self.seen = ""

        def own():
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

        # pylint: disable=subprocess-popen-preexec-fn
        self.process = home.popen(*args, stdin=slave if stdin is None else stdin, stdout=slave if stdout is None else stdout,
                                  stderr=slave, start_new_session=True, preexec_fn=own)
        os.close(slave)

    def read_until(self, text):
        """Everything up to and with text; it is taken."""
        end = time.monotonic() + PATIENCE
        while text not in self.seen:
            if not select.select([self.master], [], [], max(0, end - time.monotonic()))[0]:
                raise AssertionError("%r did not come: %r" % (text, self.seen))
            try:
                data = os.read(self.master, 65536)
            except OSError:  # EIO: everybody has closed the other end
                data = b""
            if not data:
                raise AssertionError("%r did not come: %r" % (text, self.seen))
            self.seen += data.decode(errors="replace")
        taken, self.seen = self.seen[:self.seen.index(text) + len(text)], self.seen[self.seen.index(text) + len(text):]
        return taken

    def type(self, text):
        os.write(self.master, text.encode())

    def end(self):
        """The rest of what it said, and its status."""
        said = self.seen
        while True:
            try:
                data = os.read(self.master, 65536)
            except OSError:
                data = b""
            if not data:
                return said, self.process.wait(PATIENCE)
            said += data.decode(errors="replace")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                pipe.close()
        os.close(self.master)
