# SPDX-License-Identifier: Apache-2.0
"""Turns rows (name, program, expectation) into tests of one language.

Keys of an expectation: value | no_value | error {subset of TAIL's error; a compiled pattern matches} | logs [(level, text)] |
stdout | stderr | calls [(server, tool, arguments)] | status | progress. What is not said of error means: no error.
"""

import re
import unittest

import peer


def matches(wanted, got):
    if isinstance(wanted, re.Pattern):
        return isinstance(got, str) and wanted.search(got) is not None
    return wanted == got


def check(test, want, got):
    shown = "tail=%r result=%r logs=%r stdout=%r stderr=%r status=%r" % (
        got.tail, got.result[:300], got.logs[:5], got.stdout[:300], got.stderr[-800:], got.status)
    if "error" in want:
        test.assertIsNotNone(got.error, shown)
        for key, value in want["error"].items():
            test.assertTrue(matches(value, got.error.get(key)), "%s: wanted %r; %s" % (key, value, shown))
        test.assertEqual(got.status, want.get("status", 1), shown)
        test.assertFalse(got.has_result, shown)
    elif "status" not in want or want["status"] == 0:
        test.assertIsNone(got.error, shown)
        test.assertEqual(got.status, 0, shown)
    if "value" in want:
        test.assertTrue(got.has_result, shown)
        test.assertEqual(got.value, want["value"], shown)
        test.assertEqual(type(got.value), type(want["value"]), shown)
    if want.get("no_value"):
        test.assertFalse(got.has_result, shown)
    for key in ("logs", "progress"):
        if key in want:
            test.assertEqual(len(getattr(got, key)), len(want[key]), shown)
            for wanted, seen in zip(want[key], getattr(got, key)):
                same = all(map(matches, wanted, seen)) if key == "logs" else wanted == seen
                test.assertTrue(same, "%r %r; %s" % (wanted, seen, shown))
    if "calls" in want:
        test.assertEqual([(c["server"], c["tool"], c["text"].decode()) for c in got.calls], want["calls"], shown)
    test.assertTrue(matches(want.get("stdout", ""), got.stdout.decode()), shown)
    test.assertTrue(matches(want.get("stderr", ""), got.stderr.decode()), shown)


def build(name, language, rows, **options):
    """A TestCase class with one method a row."""
    def method(program, want):
        def run(self):
            check(self, want, peer.run(language, program, **dict(options, **want.get("options", {}))))
        return run

    body = {}
    for title, program, want in rows:
        key = "test_" + re.sub(r"\W+", "_", title)
        assert key not in body, title
        body[key] = method(program, want)
    return type(name, (unittest.TestCase,), body)
