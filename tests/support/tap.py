# SPDX-License-Identifier: Apache-2.0
"""A table of test functions, printed as TAP: cases = Cases(); @cases.add; cases.main()."""
import sys
import time
import traceback


class Skip(Exception):
    """Raise with the name of what is missing."""


class Cases:
    def __init__(self):
        self.all = []

    def add(self, function):
        self.all.append((function.__name__.replace("_", " "), function, ()))
        return function

    def table(self, rows):
        """Decorator: one case a row; row[0] is its name, the rest are arguments."""
        def register(function):
            for row in rows:
                self.all.append(("%s: %s" % (function.__name__.replace("_", " "), row[0]), function, row[1:]))
            return function
        return register

    def main(self):
        wanted = sys.argv[1:]
        chosen = [c for c in self.all if not wanted or any(w in c[0] for w in wanted)]
        print("TAP version 13\n1..%d" % len(chosen), flush=True)
        failed = 0
        for i, (name, function, args) in enumerate(chosen, 1):
            began = time.monotonic()
            try:
                function(*args)
                print("ok %d - %s" % (i, name), flush=True)
            except Skip as e:
                print("ok %d - %s # SKIP %s" % (i, name, e), flush=True)
            except Exception:  # pylint: disable=broad-except
                failed += 1
                print("not ok %d - %s" % (i, name))
                for line in traceback.format_exc().splitlines():
                    print("# " + line)
                sys.stdout.flush()
            print("# %.0f ms" % ((time.monotonic() - began) * 1000), flush=True)
        return 1 if failed else 0
