# SPDX-License-Identifier: Apache-2.0
"""Every fenced sample of tunnel/shims/README.md runs; its last comment says what it gives."""

import json
import os
import re
import unittest

import peer
import table

TEXT = open(os.path.join(peer.ROOT, "tunnel/shims/README.md"), encoding="utf-8").read()
SAMPLES = re.findall(r"^```(javascript|python)\n(.*?)^```", TEXT, re.M | re.S)
SERVERS = [{"name": "srv", "id": "srv"}, {"name": "my-fs", "id": "my_fs"}]
ROWS = {"javascript": [], "python": []}
for number, (language, code) in enumerate(SAMPLES):
    gives = re.search(r"^(?://|#) gives: (.*)$", code, re.M)
    assert gives, "the sample has no `gives:` line: " + code
    ROWS[language].append(("sample %d" % number, code, {"value": json.loads(gives.group(1)), "logs": [(re.compile(""), re.compile(""))] * code.count("log.info")}))

SamplesJavaScript = table.build("SamplesJavaScript", "javascript", ROWS["javascript"], servers=SERVERS)
SamplesPython = table.build("SamplesPython", "python", ROWS["python"], servers=SERVERS)


class Samples(unittest.TestCase):
    def test_there_are_some(self):
        self.assertGreaterEqual(min(map(len, ROWS.values())), 3)

    def test_no_fence_is_left_out(self):
        self.assertEqual(len(re.findall(r"^```\w", TEXT, re.M)), len(SAMPLES))


if __name__ == "__main__":
    unittest.main()
