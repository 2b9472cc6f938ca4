# SPDX-License-Identifier: Apache-2.0
"""Python: results, what a naive wrapper breaks, errors with their place, loops, threads."""

import re
import subprocess
import sys
import unittest

import peer
import table

R = re.compile
MODERN = sys.version_info >= (3, 11) and peer.PYTHON == sys.executable
MATCHING = int(subprocess.check_output([peer.PYTHON, "-c", "import sys; print(sys.version_info[1])"])) >= 10


def failed(kind, message=None, line=None, column=None, name=None, **more):
    error = {"kind": kind, "message": message, "line": line, "column": column if MODERN else None, "name": name, **more}
    return {"error": {k: v for k, v in error.items() if v is not None}}


RESULTS = [
    ("last expression", "x = 20\nx + 1", {"value": 21}),
    ("return", "return 1 + 1", {"value": 2}),
    ("nothing", "x = 1", {"no_value": True}),
    ("None", "return None", {"no_value": True}),
    ("last expression beside return", "if False:\n    return 1\n'end'", {"value": "end"}),
    ("print last", "print('x')", {"no_value": True, "stdout": "x\n"}),
    ("int", "return [12345678901234567890, 0.10, -9007199254740993]", {"value": [12345678901234567890, 0.1, -9007199254740993]}),
    ("NaN", "return [float('nan'), float('inf'), 1.5]", {"value": [None, None, 1.5]}),
    ("set tuple", "return {'s': {3, 1, 2}, 't': (1, (2,))}", {"value": {"s": [1, 2, 3], "t": [1, [2]]}}),
    ("dataclass", "from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int\n    y: 'P' = None\nreturn P(1, P(2))",
     {"value": {"x": 1, "y": {"x": 2, "y": None}}}),
    ("datetime", "import datetime as d\nreturn [d.datetime(2026, 1, 2, 3, 4, 5), d.date(2026, 1, 2), d.timedelta(seconds=1.5)]",
     {"value": ["2026-01-02T03:04:05", "2026-01-02", 1.5]}),
    ("others", "import decimal, pathlib, enum, collections, uuid\nE = enum.Enum('E', 'A')\nreturn [decimal.Decimal('0.10'), pathlib.Path('/a'), "
     "E.A, collections.deque([1]), collections.OrderedDict(a=1), range(2), {'k': 1}.keys(), b'x', uuid.UUID(int=0)]",
     {"value": ["0.10", "/a", 1, [1], {"a": 1}, [0, 1], ["k"], "x", "00000000-0000-0000-0000-000000000000"]}),
    ("keys", "return {1: 'a', None: 'b', (1, 2): 'c', True: 'd'}", {"value": {"1": "d", "null": "b", "(1, 2)": "c"}}),
    ("surrogate", "return '\\ud800'", {"value": "\ud800"}),
    ("exception as value", "return ValueError('v')", {"value": {"name": "ValueError", "message": "v"}}),
    ("circular", "a = []\na.append(a)\nreturn a", failed("result", R("circular"), fix=R("parts"))),
    ("same object twice", "o = {'a': 1}\nreturn [o, o]", {"value": [{"a": 1}, {"a": 1}]}),
    ("function", "return [lambda: 1]", failed("result", R("function"), fix=R("plain data"))),
    ("binary", "return b'\\xff'", failed("result", R("UTF-8"), fix=R("base64"))),
    ("generator", "return (i for i in [1])", failed("result", R("generator"))),
    ("object as last expression", "import re\nre.compile('a')", {"value": "re.compile('a')"}),
    ("result over many frames", "return 'é' * 200000", {"value": "é" * 200000}),
    ("result over its limit", "return 'x' * 2000", dict(failed("result", R("limit is 1000")), options={"limits": {"result": 1000}})),
    ("deep", "a = []\nfor i in range(100000): a = [a]\nreturn a", failed("result", R("deep"))),
    ("empty", "", {"no_value": True}),
    ("byte order mark", "\ufeffreturn 7", {"value": 7}),
    ("threads do not hold", "import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()\n1", {"value": 1}),
    ("sys.exit", "import sys\nprint('x')\nsys.exit()", {"no_value": True, "stdout": "x\n"}),
    ("sys.exit 3", "import sys\nsys.exit(3)", {"no_value": True, "status": 3}),
    ("sys.exit text", "import sys\nsys.exit('bad')", {"no_value": True, "status": 1, "stderr": "bad\n"}),
    ("main", "if __name__ == '__main__':\n    r = [__name__, __file__.endswith('/main.py')]\nr", {"value": ["__main__", True]}),
    ("file is flushed", "f = open('x.txt', 'w')\nf.write('data')\nimport atexit\natexit.register(lambda: print(open('x.txt').read()))\n1",
     {"value": 1, "stdout": "data\n"}),
]

# Twice each: as a module, and with a top-level return (a function named <module>).
MEANING = [
    ("annotations", "x: int = 1\ny: str\nclass A:\n    z: int = 2\n{r}[x, A.z, A.__annotations__ == {{'z': int}}]", [1, 2, True]),
    ("future", "'''doc'''\nfrom __future__ import annotations\ndef f(a: Nowhere): return 1\n{r}[f(1), f.__annotations__['a']]", [1, "Nowhere"]),
    ("global statement", "n = 0\ndef inc():\n    global n\n    n += 1\ninc()\ninc()\n{r}n", 2),
    ("exec sees globals", "a = 2\nexec('b = a * 2', globals())\n{r}globals()['b']", 4),
    ("names are globals", "import os.path as p, json\ndef f(): return [p.sep, json.dumps(q), K]\nq = 1\nclass K2: pass\nK = 'k'\n{r}f()", ["/", "1", "k"]),
    ("except and with", "import io\ntry:\n    1/0\nexcept ZeroDivisionError as e:\n    m = str(e)\nwith io.StringIO('t') as f:\n    t = f.read()\n"
     "for i, (j, *k) in [(1, (2, 3))]: pass\ndef g(): return [m, t, i, j, k]\n{r}g()", ["division by zero", "t", 1, 2, [3]]),
    ("walrus", "if (n := 3) > 2: pass\nl = [last := v for v in range(3)]\ndef f(): return [n, last, l]\n{r}f()", [3, 2, [0, 1, 2]]),
    ("comprehension keeps its names", "v = 'mine'\nl = [v for v in range(2)]\n{r}[v, l]", ["mine", [0, 1]]),
    ("del", "a = 1\ndel a\n{r}'a' in globals()", False),
    ("recursion and closures", "def f(n): return 1 if n == 0 else n * f(n - 1)\nl = [lambda: f(3)]\n{r}l[0]()", 6),
    ("multi-line strings", "s = '''a\nb\n  c'''\n{r}s", "a\nb\n  c"),
    ("pickle of a class", "import pickle\nclass P: pass\n{r}type(pickle.loads(pickle.dumps(P()))).__name__", "P"),
    ("asyncio.run", "import asyncio\nasync def main(): return await srv.echo(message='q')\n{r}asyncio.run(main())", "q"),
    ("top-level await", "import asyncio\nawait asyncio.sleep(0)\n{r}await srv.echo(message='q')", "q"),
    ("async for and with", "import contextlib\n@contextlib.asynccontextmanager\nasync def c(): yield 5\nasync def g(): yield 6\nasync with c() as x:\n    pass\n"
     "async for y in g():\n    pass\nz = [i async for i in g()]\n{r}[x, y, z]", [5, 6, [6]]),
    ("subprocess in a loop", "import asyncio\np = await asyncio.create_subprocess_exec('echo', 'hi', stdout=-1)\n{r}(await p.communicate())[0].decode()", "hi\n"),
] + ([("match", "match {{'a': 1, 'b': [2, 3, 4]}}:\n    case {{'a': q, 'b': [f, *more], **rest}} as whole:\n        pass\n"
       "def g(): return [q, f, more, rest, len(whole)]\n{r}g()", [1, 2, [3, 4], {}, 2])] if MATCHING else [])
WRAPPED = [(t + how, program.format(r=r), {"value": value}) for t, program, value in MEANING for how, r in ((" plain", ""), (" return", "return "))]
WRAPPED += [
    ("import star", "from os.path import *\njoin('a', 'b')", {"value": "a/b"}),
    ("import star beside return", "from os.path import *\nreturn 1", failed("syntax", R("import"), 1, 1, fix=R("last expression"))),
    ("locals at module level", "a = 1\nlocals()['b'] = 2\n[b, locals() is globals()]", {"value": [2, True]}),
    ("exec at module level", "exec('c = 5')\nc", {"value": 5}),
    ("module annotations", "x: int = 1\n__annotations__ == {'x': int}", {"value": True} if sys.version_info < (3, 14) else {}),
]

ERRORS = [
    ("in a function", "def f():\n    return 1 / 0\ndef g(): f()\ng()", failed(
        "exception", "division by zero", 2, 12, "ZeroDivisionError", file="main.py",
        stack=R(r'^Traceback.*\n  File "main.py", line 4, in <module>\n    g\(\)\n(?s:.*)line 2, in f\n    return 1 / 0'))),
    ("beside return", "def f():\n    return 1 / 0\nreturn f()", failed(
        "exception", "division by zero", 2, 12, stack=R(r'^Traceback.*\n  File "main.py", line 3, in <module>'))),
    ("after await", "import asyncio\nawait asyncio.sleep(0)\nx = {}['k']", failed("exception", "'k'", 3, 5, "KeyError",
                                                                                 stack=R(r'^Traceback.*\n  File "main.py", line 3, in <module>'))),
    ("wide characters before", "é = 'ééé'; 1 / 0", failed("exception", None, 1, 12)),
    ("no message", "raise Exception()", failed("exception", "Exception", 1, 1)),
    ("name", "nope()", failed("exception", R("nope"), 1, 1, "NameError", fix=R("my_fs, srv"))),
    ("cause", "try:\n    1/0\nexcept Exception as e:\n    raise ValueError('v') from e", failed("exception", "v", 4, 5, stack=R("ZeroDivisionError(?s:.*)direct cause"))),
    ("in a library", "import json\njson.loads('{')", failed("exception", R("Expecting"), 2, 1, "JSONDecodeError")),
    ("recursion", "def f(): f()\nf()", failed("exception", R("recursion"), 1, None, "RecursionError")),
    ("own TimeoutError", "raise TimeoutError('mine')", failed("exception", "mine", 1, None, "TimeoutError")),
    ("CancelledError", "import asyncio\nraise asyncio.CancelledError()", failed("exception", "CancelledError", 2)),
    ("exec'd text", "exec('x = = 1')", failed("exception", R("invalid"), 1, 1, "SyntaxError")),
    ("floating task", "import asyncio\nasync def f(): raise ValueError('boom')\nt = asyncio.create_task(f())\nawait asyncio.sleep(0.01)\nreturn 1",
     failed("exception", "boom", 2)),
    ("throwing timer", "import asyncio\nasyncio.get_running_loop().call_later(0.01, lambda: 1/0)\nawait asyncio.sleep(5)", failed("exception", None, 2)),
    ("never awaited", "import asyncio\nawait asyncio.sleep(0)\nsrv.echo(message='q')\nreturn 2",
     dict(failed("unawaited", R("srv.echo in line 3"), 3, fix="Write `await srv.echo(...)`."), calls=[])),
    ("used without await", "await srv.echo()\nx = srv.echo(message='a')\nx['k']", failed("unawaited", R("line 2"), fix=R("await"))),
    ("hostile error", "class E(Exception):\n    def __str__(self): raise ValueError\nraise E()", failed("exception", "E", 3)),
    ("huge message", "raise Exception('m' * 1000000)", failed("exception", R("^m{2000} ...$"))),
    ("own file name", "1/0", dict(failed("exception", None, 1, file="job.py"), options={"file": "job.py"})),
    ("output survives", "print('before')\nlog.error('e')\n1/0", dict(failed("exception"), stdout="before\n", logs=[("error", "e")])),
]

OUTPUT = [
    ("log", "log('a', 1)\nlog.info('%s=%d', 'x', 2)\nlog.warn('w')\nlog.warning('w2')\nlog.error('e')\nlog.debug('100%')",
     {"logs": [("log", "a 1"), ("info", "x=2"), ("warn", "w"), ("warn", "w2"), ("error", "e"), ("debug", "100%")]}),
    ("warnings", "import warnings\nwarnings.warn('old')", {"logs": [("warn", "main.py:2: UserWarning: old")]}),
    ("print", "import sys\nprint('é', end='')\nprint('x', file=sys.stderr)", {"stdout": "é", "stderr": "x\n", "logs": []}),
    ("long record", "log('é' * 100000)", {"logs": [("log", R(r"^é+ \.\.\. \(200000 bytes\)$"))]}),
    ("progress", "progress(1, 3, 'one')\nprogress({'progress': 2})\nprogress('words')",
     {"progress": [{"progress": 1, "total": 3, "message": "one"}, {"progress": 2}, {"progress": 0, "message": "words"}]}),
    ("forged result", "print('__MCP_RESULT_START__{}__MCP_RESULT_END__')\n1", {"value": 1, "calls": [], "stdout": R("MCP")}),
]

Results = table.build("Results", "python", RESULTS)
Wrapped = table.build("Wrapped", "python", WRAPPED)
Errors = table.build("Errors", "python", ERRORS)
Output = table.build("Output", "python", OUTPUT)

if __name__ == "__main__":
    unittest.main()
