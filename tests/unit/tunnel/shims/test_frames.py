# SPDX-License-Identifier: Apache-2.0
"""Texts that try to close the frame that they are compiled in: a syntax error with the user's own line and column."""

import re
import sys
import unittest

import peer
import table


def at(line, column, message=None, **more):
    return {"error": dict({"kind": "syntax", "name": "SyntaxError", "line": line, "column": column},
                          **({"message": message} if message else {}), **more), "logs": [], "calls": []}


def python(line, column, message=None, **more):
    """The parsers of CPython differ in columns; they are compared on those that this table was made with."""
    want = at(line, column, message, **more)
    want["error"]["name"] = re.compile("^(SyntaxError|IndentationError)$")
    if peer.PYTHON != sys.executable or sys.version_info[:2] != (3, 11):
        del want["error"]["column"]
    return want


def closed(line, column):
    return at(line, column, "unexpected }", file="main.js")


END = "Unexpected end of input"
JAVASCRIPT = [
    ("bare", "}", closed(1, 1)),
    ("close and reopen", "}); (async()=>{", closed(1, 1)),
    ("close and run", "return 1 }); console.log('out'); (async()=>{", closed(1, 10)),
    ("later line", "const a = 1;\n  }); console.log(a); (()=>{\n", closed(2, 3)),
    ("catch of another wrapper", "} catch(e){} })(); (async()=>{ try {", closed(1, 1)),
    ("behind a string", "const s = '}';\nconst t = \"})\"; }); (async()=>{", closed(2, 17)),
    ("behind a template", "const s = `}${'}'}`; }); (async()=>{", closed(1, 22)),
    ("in a template's hole", "`${1}); (async()=>{`}", closed(1, 21)),
    ("behind a comment", "/* } */ // }\n}); (async()=>{", closed(2, 1)),
    ("behind a regex", "const r = /[}]/;}); (async()=>{", closed(1, 17)),
    ("behind a hashbang", "#!/usr/bin/env node }\n}); (async()=>{", closed(2, 1)),
    ("line comment at the end", "}); (async()=>{ //", closed(1, 1)),
    ("open comment at the end", "}); /*", at(1, 1, "unexpected }")),
    ("after U+2028", "const s = 1;\u2028}); (async()=>{", closed(2, 1)),
    ("after U+2029 in a comment", "// x\u2029}); (async()=>{", closed(2, 1)),
    ("after U+2028 in a string", "const s = '\u2028'; }); (async()=>{", closed(2, 4)),
    ("after CRLF", "const a = 1;\r\n}); (async()=>{", closed(2, 1)),
    ("brackets too", "const a = [1]; }]); ([()=>{", closed(1, 16)),
    ("arguments", "}, async()=>{", closed(1, 1)),
    ("stray behind a block", "if (true) { }\n}\nreturn 1", closed(2, 1)),
    ("html comment", "<!-- }\n}); (async()=>{", closed(2, 1)),
    ("block left open", "if (true) {", at(1, 12, END)),
    ("string left open", "const a = 1;\nconst s = 'abc", at(2, 11)),
    ("template left open", "const s = `abc", at(1, 15, END)),
    ("ordinary, first line", "let x = = 1", at(1, 9, "Unexpected token '='")),
    ("ordinary, later line", "\n\n  let x = = 1", at(3, 11)),
    ("declared twice", "let a;\nlet a;", at(2, 5)),
    ("in a module", "import fs from 'fs';\nlet y = = 3", at(2, 9)),
    ("closed in a module", "import fs from 'fs';\n}); (async()=>{", at(2, 1)),
    ("return in a module", "import fs from 'fs';\nreturn 3", at(2, 1, "Illegal return statement")),
]

PYTHON = [
    ("indented first line", "  return 1", python(1, 2)),
    ("dedent", "if True:\n    x = 1\n  return x", python(3, 11)),
    ("closing brackets", "return 1)", python(1, 9)),
    ("close and define", "return 1\n)\ndef f(): pass", python(2, 1)),
    ("string left open", 'return "abc', python(1, 8)),
    ("triple string left open", 'x = 1\nreturn """abc', python(2, 8)),
    ("backslash at the end", "return 1 + \\", python(1, 13)),
    ("comment at the end", "return (1 # )", python(1, 8)),
    ("hashbang", "#!/usr/bin/python3\nreturn )", python(2, 8)),
    ("coding line", "# -*- coding: latin-1 -*-\nreturn 'é' )", python(2, 12)),
    ("form feed", "\x0creturn )", python(1, 9)),
    ("NUL", "x = 1\ny = '\0'", python(2, 6)),
    ("f-string", "return f'{'", python(1, 12)),
    ("finally of another wrapper", "return 1\nfinally:\n    pass", python(2, 1)),
    ("except of another wrapper", "except Exception:\n    pass\nreturn 1", python(1, 1)),
    ("else of another wrapper", "x = 1\nelse:\n    return 2", python(2, 1)),
    ("yield beside return", "x = 1\nreturn 1\nyield 2", python(3, 1, "'yield' outside function", fix="Put the yield into a function, or return a list.")),
    ("yield alone", "x = yield 1", python(1, 5, "'yield' outside function")),
    ("import star beside return", "from os import *\nreturn 1", python(1, 1)),
    ("return in a class", "class A:\n    return 1", python(2, 5)),
    ("late future", "x = 1\nfrom __future__ import annotations\nreturn x", python(2, 1)),
    ("nonlocal", "nonlocal x\nreturn 1", python(1, 1)),
    ("break outside", "break\nreturn 1", python(1, 1)),
    ("nesting", "return " + "(" * 5000 + ")" * 5000, {"error": {"kind": "syntax"}}),
]

FramesJavaScript = table.build("FramesJavaScript", "javascript", JAVASCRIPT)
FramesPython = table.build("FramesPython", "python", PYTHON)

if __name__ == "__main__":
    unittest.main()
