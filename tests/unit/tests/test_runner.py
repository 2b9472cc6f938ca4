# SPDX-License-Identifier: Apache-2.0
"""tests/runner.py: who is run once more, and what is said of it."""
import json
import os
import sys
import unittest
from unittest import mock

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
import parts  # noqa: E402
import runner  # noqa: E402

PART = parts.part("p", "a part", parts.suites("build", "e2e"))
LISTED = json.dumps([{"name": "slow", "suite": ["hawser:e2e", "hawser:timed"]}, {"name": "plain", "suite": ["hawser:e2e"]}])


def line(name, result):
    return {"name": name, "result": result, "returncode": 0 if result == "OK" else 1, "stdout": ""}


class Suites(unittest.TestCase):
    def count(self, first, again):
        """first, again: {name: result} of the whole suite and of what is run once more."""
        asked = []

        def meson_test(_part, base, wanted, _log):
            table = again if base.endswith("-again") else first
            asked.extend(wanted if base.endswith("-again") else ())
            results = {f"hawser:e2e / {n}": line(n, r) for n, r in table.items()}
            return int(any(r != "OK" for r in table.values())), results

        with mock.patch.object(runner, "meson_test", meson_test), \
                mock.patch.object(runner.subprocess, "run", return_value=mock.Mock(stdout=LISTED)):
            return runner.do_suites(PART, None), asked

    def test_what_measures_time_gets_a_second_try_and_is_named(self):
        count, asked = self.count({"slow": "FAIL", "plain": "OK"}, {"slow": "OK"})
        self.assertEqual((count.passed, count.failed, asked), (2, 0, ["slow"]))
        self.assertEqual(len(count.flaky), 1)
        self.assertIn("slow", count.flaky[0])

    def test_what_fails_twice_fails(self):
        count, asked = self.count({"slow": "FAIL"}, {"slow": "FAIL"})
        self.assertEqual((count.failed, count.flaky, asked), (1, [], ["slow"]))

    def test_nothing_else_is_run_twice(self):
        count, asked = self.count({"slow": "OK", "plain": "FAIL"}, {"plain": "OK"})
        self.assertEqual((count.failed, count.flaky, asked), (1, [], []))


if __name__ == "__main__":
    unittest.main()
