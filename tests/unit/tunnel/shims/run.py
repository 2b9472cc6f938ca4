# SPDX-License-Identifier: Apache-2.0
"""run.py NAME: the tests of one file of this folder, in TAP. A language whose interpreter is missing is a SKIP with its name."""

import os
import shutil
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True


class Tap(unittest.TestResult):
    count = 0

    def line(self, ok, test, note=""):
        self.count += 1
        print("%s %d - %s%s" % ("ok" if ok else "not ok", self.count, test.id(), note), flush=True)

    def addSuccess(self, test):
        self.line(True, test)

    def addSkip(self, test, reason):
        self.line(True, test, " # SKIP " + reason)

    def _bad(self, test, error):
        self.line(False, test)
        for row in self._exc_info_to_string(error, test).splitlines():
            print("# " + row)

    def addFailure(self, test, error):
        super().addFailure(test, error)
        self._bad(test, error)

    def addError(self, test, error):
        super().addError(test, error)
        self._bad(test, error)


def main(name):
    import peer
    if not shutil.which(peer.NODE):
        for key in ("javascript", "typescript"):
            peer.MISSING.add(key)
    suite = unittest.defaultTestLoader.loadTestsFromName(name)
    print("1..%d" % suite.countTestCases(), flush=True)
    result = Tap()
    suite.run(result)
    return 0 if result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
