#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""JSON-Schema-Test-Suite against the argument check: suite.py SCHEMA-LINES [FOLDER...]

FOLDER is one draft's folder of the suite; without any, those that tests/peers unpacked; without these the test is skipped. Files of keywords that the check does not claim are left out by name, and so are cases that need another
document.
"""
import glob
import json
import os
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
DRAFTS = ("draft7", "draft2019-09", "draft2020-12")

# Keywords that are only descriptions to us, or that tools' schemas do not use.
LEFT_OUT = {
    "anchor", "content", "default", "dynamicRef", "format", "id", "infinite-loop-detection",
    "refRemote", "unevaluatedItems", "unevaluatedProperties", "unknownKeyword", "vocabulary", "definitions", "defs",
    "recursiveRef",
}
# Words in a schema that show that a case is about resolving by URI, or about a keyword that is left out.
NOT_CLAIMED = ("$id", '"id"', "$anchor", "$dynamicRef", "$dynamicAnchor", "unevaluated", "http://", "https://", "urn:")

# Where the check differs on purpose or for want of a library: (file, case) -> why.
KNOWN = {
    ("pattern", "Digits do not match"): "PCRE2 has no \\p{digit}; a pattern that does not compile is left out",
    ("ref", "ref valid, maxItems ignored"): "siblings of $ref count, as in 2019-09 and later",
}


def cases(folder):
    for path in sorted(glob.glob(os.path.join(folder, "*.json"))):
        name = os.path.basename(path)[:-5]
        if name in LEFT_OUT:
            continue
        with open(path, encoding="utf-8") as f:
            groups = json.load(f)
        for group in groups:
            schema = group["schema"]
            bare = {k: v for k, v in schema.items() if k != "$schema"} if isinstance(schema, dict) else schema
            uses_uri = any(word in json.dumps(bare) for word in NOT_CLAIMED)
            for test in group["tests"]:
                claimed = not uses_uri and (name, test["description"]) not in KNOWN
                yield f"{name}: {group['description']}: {test['description']}", bare, test["data"], test["valid"], claimed


def try_draft(program, folder, number):
    name = os.path.basename(os.path.normpath(folder))
    rows = list(cases(folder))
    run = [row for row in rows if row[4]]
    lines = "".join(json.dumps({"schema": s, "data": d}, ensure_ascii=False) + "\n" for _, s, d, _, _ in run)
    answers = subprocess.run([program], input=lines.encode("utf-8", "surrogatepass"), stdout=subprocess.PIPE,
                             check=True).stdout.decode().splitlines()
    failed = [(row, answer) for row, answer in zip(run, answers) if answer != ("true" if row[3] else "false")]
    for row, answer in failed:
        print(f"# {row[0]}: {answer}, wanted {row[3]}")
    print(f"# {name}: {len(run) - len(failed)} of {len(run)} cases; {len(rows) - len(run)} left out: not claimed, or known")
    good = not failed and len(answers) == len(run) > 0
    print(("ok" if good else "not ok") + f" {number} - {name}")
    return good


def main():
    peers = os.environ.get("HAWSER_PEERS", os.path.join(TOP, "tests", ".peers"))
    folders = sys.argv[2:] or [os.path.join(peers, "json-schema-suite", "tests", draft) for draft in DRAFTS]
    if not sys.argv[2:] and not any(map(os.path.isdir, folders)):
        print("1..1\nok 1 # SKIP JSON-Schema-Test-Suite is not there: run tests/peers")
        return 0
    print(f"1..{len(folders)}")
    return 0 if all([try_draft(sys.argv[1], folder, i) for i, folder in enumerate(folders, 1)]) else 1


if __name__ == "__main__":
    sys.exit(main())
