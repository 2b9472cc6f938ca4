# SPDX-License-Identifier: Apache-2.0
"""Tool calls in both languages: names, values, errors, concurrency, sizes, numbers, cancelling, life of the process."""

import re
import time
import unittest

import peer
import table

R = re.compile
BIG = {"n": 12345678901234567890, "s": "1234567890123456789 \" 12345678901234567890", "f": 0.1, "m": -9007199254740993,
       "safe": 9007199254740991, "e": 10**18, "d": 0.12345678901234568}
LISTED = ["mcp__my-fs__read_file", "mcp__srv__echo"]


def tool_error(kind, message=None, server="srv", fix=None, retryable=False):
    return {"kind": kind, "message": message, "server": server, "fix": fix, "retryable": retryable}


# title, JavaScript, Python, expectation. CATCH turns a ToolError into its fields.
CATCH_JS = "const c = async f => { try { return await f() } catch (e) { return e instanceof ToolError && e instanceof Error ? " \
    "{kind: e.kind, message: e.message, server: e.server, fix: e.fix ?? null, retryable: e.retryable} : 'other ' + e } };"
CATCH_PY = "def c(f):\n    try:\n        return f()\n    except ToolError as e:\n        return {'kind': e.kind, 'message': e.message, " \
    "'server': e.server, 'fix': e.fix, 'retryable': e.retryable} if str(e) == e.message else None\n"
BOTH = [
    ("text", "return await srv.echo({message: 'hé'})", "srv.echo(message='hé')", {"value": "hé"}),
    ("one dict", "return await srv.echo({message: 'a'})", "srv.echo({'message': 'a'})", {"value": "a"}),
    ("no arguments", "return await srv.raw_args()", "srv.raw_args()", {"value": {}, "calls": [("srv", "raw_args", "{}")]}),
    ("JSON object in text", "return await srv.object()", "srv.object()", {"value": {"a": [1, 2]}}),
    ("structured first", "return await srv.structured()", "srv.structured()", {"value": {"x": 1}}),
    ("text true stays text", "return [await srv.true_text(), await srv.zeros(), await srv.not_json()]",
     "[srv.true_text(), srv.zeros(), srv.not_json()]", {"value": ["true", "007", "{not json}"]}),
    ("image", "return await srv.image()", "srv.image()", {"value": peer.IMAGE}),
    ("mixed and raw", "return [await srv.mixed(), (await srv.mixed.raw()).content.length, (await srv.mixed({}, {raw: true})).content[1]]",
     "[srv.mixed(), len(srv.mixed(raw=True)['content']), srv.mixed.raw()['content'][1]]", {"value": ["see", 2, peer.IMAGE]}),
    ("several texts", "return [await srv.two(), await srv.none()]", "[srv.two(), srv.none()]", {"value": ["one\ntwo", None]}),
    ("numbers", "return await srv.big()", "srv.big()", {"value": BIG}),
    ("a long number at every place",
     "const r = []; for (let k = 0; k < 33; k++) r.push((await srv.echo({message: `{\"p\":\"${'x'.repeat(k)}\",\"n\":-9007199254740993}`})).n); return r",
     "[srv.echo(message='{\"p\":\"' + 'x' * k + '\",\"n\":-9007199254740993}')['n'] for k in range(33)]", {"value": [-9007199254740993] * 33}),
    ("large texts one after the other",
     "const sizes = [70000, 3000000, 100, 1000000], r = []; for (const n of sizes) for (const c of ['x', 'é', '\\u{1F600}']) "
     "{ const m = c.repeat(n / 2); r.push(await srv.echo({message: m}) === m); } return r",
     "[srv.echo(message=m) == m for n in (70000, 3000000, 100, 1000000) for c in 'xé\U0001F600' for m in [c * (n // 2)]]", {"value": [True] * 12}),
    ("numbers in arguments", "return await srv.raw_args({n: 12345678901234567890n, f: 0.10, s: 'é\\n'})",
     "srv.raw_args(n=12345678901234567890, f=0.10, s='é\\n')",
     {"value": {"n": 12345678901234567890, "f": 0.1, "s": "é\n"}, "calls": [("srv", "raw_args", '{"n":12345678901234567890,"f":0.1,"s":"é\\n"}')]}),
    ("identifier of a server", "return await my_fs.echo({message: 'a'})", "my_fs.echo(message='a')",
     {"value": "a", "calls": [("my-fs", "echo", '{"message":"a"}')]}),
    ("raw tool name", "return await srv['get-sum']({a: 1, b: 2})", "srv['get-sum'](a=1, b=2)", {"value": "3"}),
    ("call_tool", "return [await call_tool('my-fs', 'echo', {message: 'a'}), await call_tool('my_fs', 'echo', {message: 'b'}), "
     "await call_tool('mcp__my-fs__echo', {message: 'c'}), await call_tool('mcp__my_fs__echo', {message: 'd'}), await call_tool('srv.echo', {message: 'e'}),"
     "await mcp__my_fs__echo({message: 'f'}), await callMCPTool('mcp__srv__echo', {message: 'g'})]",
     "[call_tool('my-fs', 'echo', {'message': 'a'}), call_tool('my_fs', 'echo', {'message': 'b'}), call_tool('mcp__my-fs__echo', {'message': 'c'}), "
     "call_tool('mcp__my_fs__echo', message='d'), call_tool('srv.echo', {'message': 'e'}), mcp__my_fs__echo(message='f'), call_mcp_tool('mcp__srv__echo', {'message': 'g'})]",
     {"value": list("abcdefg")}),
    ("any name of a tool", "return (await c2(() => srv[\"it's a {weird}\\\\ name\"]()))[1]\nasync function c2(f) { try { await f() } catch (e) { return [e.kind, e.tool] } }",
     "try:\n    srv[\"it's a {weird}\\\\ name\"]()\nexcept ToolError as e:\n    r = e.tool\nr", {"value": "it's a {weird}\\ name"}),
    ("call_tool raw", "return (await call_tool('srv', 'two', {}, {raw: true})).content.length + (await call_tool.raw('srv', 'two')).content.length",
     "len(call_tool('srv', 'two', {}, raw=True)['content']) * 2", {"value": 4}),
    ("tools object", "return [await tools.srv.echo({message: 'a'}), await tools.mcp__my_fs__echo({message: 'b'})]",
     "[tools.srv.echo(message='a'), tools.mcp__my_fs__echo(message='b')]", {"value": ["a", "b"]}),
    ("built-ins stay", "return [JSON.parse('1'), await call_tool('JSON', 'echo', {message: 'j'})]",
     "print('p', end='')\n[1, call_tool('print', 'echo', {'message': 'j'})]", {"value": [1, "j"], "stdout": R("^p?$")}),
    ("tool namespaces", "return __tool_namespaces", "__tool_namespaces", {"value": ["my-fs", "srv", "JSON", "print"]}),
    ("search", "const r = await search_tools('echo'); return [r.meta.total_tools, r.results[0].name, r.length, r[0].name, [...r].length, r.map(t => t.server)]",
     "r = search_tools('echo')\n[r['meta']['total_tools'], r['results'][0]['name'], len(r), r[0]['name'], len(list(r)), [t['server'] for t in r]]",
     {"value": [2, "echo", 1, "echo", 1, ["srv"]]}),
    ("search arguments", "await search_tools(); await search_tools('q', 'names', 5, 2); await search_tools({query: 'z', limit: 1}); await search_tools('w', {limit: 3}); return 1",
     "search_tools(); search_tools('q', 'names', 5, 2); search_tools({'query': 'z', 'limit': 1}); search_tools('w', limit=3); 1",
     {"value": 1, "calls": [("hawser", "search_tools", a) for a in ('{"query":""}', '{"query":"q","detail_level":"names","limit":5,"offset":2}',
                                                                   '{"query":"z","limit":1}', '{"query":"w","limit":3}')]}),
    ("budget", "return (await budget()).calls_left", "budget()['calls_left']", {"value": 7, "calls": [("hawser", "budget", "{}")]}),
    ("earlier names", "const t = await discoverMCPTools({search: ['file', 'read']}); const s = await getToolSchema('mcp__srv__echo');"
     "return [t.map(x => x.name), s.name, s.parameters.type, await getToolSchema('mcp__srv__nope'), (await searchTools('', 1)).map(x => x.name)]",
     "t = discover_mcp_tools(['file', 'read'])\ns = get_tool_schema('mcp__srv__echo')\n"
     "[[x['name'] for x in t], s['name'], s['parameters']['type'], get_tool_schema('mcp__srv__nope'), [x['name'] for x in searchTools('', 1)]]",
     {"value": [LISTED, "mcp__srv__echo", "object", None, LISTED[:1]]}),
    ("denied", CATCH_JS + "return await c(() => srv.denied({}))", CATCH_PY + "c(lambda: srv.denied())",
     {"value": tool_error("denied", "rule 3 denies srv.denied", fix="add a rule")}),
    ("retryable", CATCH_JS + "return await c(() => srv.flaky({}))", CATCH_PY + "c(lambda: srv.flaky())",
     {"value": tool_error("rate_limited", "slow down", retryable=True)}),
    ("isError", CATCH_JS + "return await c(() => srv.bad({}))", CATCH_PY + "c(lambda: srv.bad())", {"value": tool_error("tool_error", "it broke")}),
    ("tool_error with a result", "try { await srv.tool_error() } catch (e) { return [e.kind, e.fix, e.result.content[0].text] }",
     "try:\n    srv.tool_error()\nexcept ToolError as e:\n    r = [e.kind, e.fix, e.result['content'][0]['text']]\nr", {"value": ["tool_error", "pass a", "bad input"]}),
    ("raw does not raise on isError", "return (await srv.bad.raw()).isError", "srv.bad(raw=True)['isError']", {"value": True}),
    ("reset", CATCH_JS + "return await c(() => srv.reset())", CATCH_PY + "c(lambda: srv.reset())", {"value": tool_error("internal", "gone")}),
    ("unknown tool", CATCH_JS + "return await c(() => srv.nope())", CATCH_PY + "c(lambda: srv.nope())", {"value": tool_error("not_found", "no tool srv.nope")}),
    ("arguments that are not an object", CATCH_JS + "const r = []; for (const a of ['x', 1, [1], null]) r.push((await c(() => srv.echo(a))).kind); return r",
     CATCH_PY + "[c(lambda: srv.echo(a))['kind'] for a in ('x', 1, [1])] + [c(lambda: srv.echo({}, {}))['kind']]", {"value": ["invalid_arguments"] * 4, "calls": []}),
    ("arguments that JSON cannot say", CATCH_JS + "const o = {}; o.o = o; return (await c(() => srv.echo(o))).kind",
     CATCH_PY + "o = {}\no['o'] = o\nc(lambda: srv.echo(o))['kind']", {"value": "invalid_arguments", "calls": []}),
    ("uncaught", "\n await srv.denied()", "\nsrv.denied()",
     {"error": {"kind": "denied", "name": "ToolError", "message": "rule 3 denies srv.denied", "fix": "add a rule", "line": 2}}),
    ("uncaught in a function", "async function f() {\n  return await srv.denied()\n}\nawait f()", "def f():\n    return srv.denied()\nf()",
     {"error": {"kind": "denied", "line": 2}}),
    ("a megabyte", "const m = 'é'.repeat(1 << 19); return (await srv.echo({message: m})) === m", "m = 'é' * (1 << 19)\nsrv.echo(message=m) == m", {"value": True}),
]


class Life(unittest.TestCase):
    def test_open_promise_waits(self):
        out = peer.run("javascript", "console.log('a'); await new Promise(() => {})", kill_after=0.8)
        self.assertIsNone(out.tail)
        self.assertEqual((out.status, out.logs), (-9, [("log", "a")]))

    def test_endless_loops_keep_logs(self):
        for language, code in (("javascript", "console.log('a'); await null; while (true) {}"), ("python", "print('a')\nlog('a')\nwhile True: pass")):
            out = peer.run(language, code, kill_after=0.8)
            self.assertEqual((out.status, out.logs), (-9, [("log", "a")]), language)

    def test_parked(self):
        for language, code in (("javascript", "return 1"), ("python", "return 1")):
            run = peer.Run(language, code, parked=True)
            time.sleep(0.4)  # the shim may be anywhere in its set-up; either way it must wait
            self.assertIsNone(run.process.poll())
            run.open()
            self.assertEqual(run.finish().value, 1)

    def test_end_of_file_while_parked(self):
        for language in ("javascript", "python"):
            run = peer.Run(language, "", parked=True)
            run.first.sock.shutdown(1)
            out = run.finish()
            self.assertEqual((out.status, out.tail, out.stderr), (0, None, b""), language)

    def test_frames_split_anywhere(self):
        for language in ("javascript", "python"):
            run = peer.Run(language, "return 7", parked=True)
            data = peer.pieces(peer.OPEN, 1, run.head, run.code[:3], fin=False) + peer.frame(peer.BODY, 1, run.code[3:]) + peer.frame(peer.BODY, 1, b"", True)
            for i in range(len(data)):
                run.first.sock.setblocking(True)
                run.first.sock.send(data[i:i + 1])
            run.first.sock.setblocking(False)
            self.assertEqual(run.finish().value, 7, language)


class Parallel(unittest.TestCase):
    def test_answers_out_of_order(self):
        held = []

        def answer(call):
            held.append(call)
            if len(held) < 50:
                return None
            for c in reversed(held[1:]):
                c["link"].send(peer.table(c))
            return peer.table(held[0])

        js = "return await Promise.all(Array.from({length: 50}, (_, i) => srv.echo({message: `m${i}`})))"
        py = "import asyncio\nreturn await asyncio.gather(*[srv.echo(message='m%d' % i) for i in range(50)])"
        threads = ("from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor(50) as p:\n"
                   "    r = list(p.map(lambda i: srv.echo(message='m%d' % i), range(50)))\nr")
        for language, code in (("javascript", js), ("python", py), ("python", threads)):
            held.clear()
            out = peer.run(language, code, answer=answer)
            self.assertEqual(out.value, ["m%d" % i for i in range(50)], out.error)

    def test_many_large_both_ways(self):
        """24 MiB in flight each way through full sockets: neither end may wait for the other for ever."""
        js = "const m = 'x'.repeat(1 << 20); const r = await Promise.all(Array.from({length: 24}, () => srv.echo({message: m})));" \
            "return r.every(x => x === m)"
        py = "import asyncio\nm = 'x' * (1 << 20)\nr = await asyncio.gather(*[srv.echo(message=m) for _ in range(24)])\nreturn all(x == m for x in r)"
        for language, code in (("javascript", js), ("python", py)):
            self.assertEqual(peer.run(language, code, seconds=60).value, True, language)

    def test_threads_and_a_loop_together(self):
        code = """
import asyncio
from concurrent.futures import ThreadPoolExecutor
def many(k):
    return [srv.echo(message='t%d-%d' % (k, i)) for i in range(50)]
async def more(k):
    return [await srv.echo(message='a%d-%d' % (k, i)) for i in range(50)]
loop = asyncio.get_running_loop()
with ThreadPoolExecutor(8) as pool:
    r = await asyncio.gather(*[loop.run_in_executor(pool, many, k) for k in range(8)], *[more(k) for k in range(8)])
return [all(x == '%s%d-%d' % ('t' if j < 8 else 'a', j % 8, i) for i, x in enumerate(part)) for j, part in enumerate(r)]
"""
        self.assertEqual(peer.run("python", code).value, [True] * 16)

    def test_forked_children_have_links_of_their_own(self):
        code = """
import os, multiprocessing
multiprocessing.set_start_method('fork')
def work(i): return srv.echo(message='m%d' % i)
with multiprocessing.Pool(4) as pool:
    r = pool.map(work, range(40))
pid = os.fork()
x = srv.echo(message='parent' if pid else 'child')
if pid: os.waitpid(pid, 0)
return [r, x]
"""
        out = peer.run("python", code)
        self.assertEqual(out.value, [["m%d" % i for i in range(40)], "parent"], out.error)
        self.assertGreater(len({id(c["link"]) for c in out.calls}), 2)
        self.assertIn("child", [c["args"]["message"] for c in out.calls])

    def test_every_way_to_await(self):
        code = """
import asyncio
t = asyncio.create_task(srv.echo(message='a'))
w = await asyncio.wait_for(srv.echo(message='b'), 5)
first = await asyncio.gather(srv.echo(message='c'), asyncio.ensure_future(srv.echo(message='d')))
s = (await search_tools('echo'))['results'][0]['name']
g = (await getToolSchema('mcp__srv__echo'))['name']
blocking = await asyncio.get_running_loop().run_in_executor(None, lambda: srv.echo(message='e'))
return [await t, w, first, s, g, blocking]
"""
        self.assertEqual(peer.run("python", code).value, ["a", "b", ["c", "d"], "echo", "mcp__srv__echo", "e"])

    def test_two_loops_one_after_the_other(self):
        code = "import asyncio\nasync def f(m): return await srv.echo(message=m)\n[asyncio.run(f('a')), srv.echo(message='b'), asyncio.run(f('c'))]"
        self.assertEqual(peer.run("python", code).value, ["a", "b", "c"])

    def test_a_loop_that_ended_with_unwritten_calls(self):
        code = """
import asyncio
async def leave():
    for i in range(3): asyncio.ensure_future(srv.echo(message='x'))
    await asyncio.sleep(0)
async def rest(): return await asyncio.gather(*[srv.echo(message=m) for m in 'abc'])
asyncio.run(leave())
[asyncio.run(rest()), srv.echo(message='d')]
"""
        self.assertEqual(peer.run("python", code).value, [["a", "b", "c"], "d"])


class Cancelling(unittest.TestCase):
    def test_cancel(self):
        js = "const a = new AbortController(); setTimeout(() => a.abort(), 20);" \
            "try { await srv.never({}, {signal: a.signal}) } catch (e) { return [e.kind, await srv.echo({message: 'on'})] }"
        py = "import asyncio\ntry:\n    await asyncio.wait_for(srv.never(), 0.05)\nexcept asyncio.TimeoutError:\n    return ['cancelled', await srv.echo(message='on')]"
        for language, code in (("javascript", js), ("python", py)):
            out = peer.run(language, code)
            self.assertEqual(out.value, ["cancelled", "on"], out.error)
            self.assertEqual(out.resets, [(2, {"reason": "cancelled"})])

    def test_timeout_goes_into_the_head(self):
        for language, code in (("javascript", "return await call_tool('srv', 'echo', {}, {timeout_ms: 5})"), ("python", "call_tool('srv', 'echo', {}, timeout_ms=5)")):
            self.assertEqual(peer.run(language, code).calls[0]["timeout_ms"], 5)

    def test_open_call_at_the_end_is_said(self):
        out = peer.run("javascript", "srv.never(); return 1")
        self.assertEqual((out.value, out.logs), (1, [("warn", "1 tool call was still open when the program returned: write await in front")]))


class Children(unittest.TestCase):
    def test_children_keep_the_lobby_alone(self):
        show = "ls -l /proc/self/fd | sed -n 's/.* \\([3-9]\\) -> .*socket.*/\\1/p'"
        js = "const c = require('child_process'), cmd = %r; const a = c.execSync(cmd).toString().trim();" \
            "const s = c.spawnSync('sh', ['-c', cmd]); const b = await new Promise(r => c.exec(cmd, (e, out) => r(out.trim())));" \
            "const k = c.spawn('sh', ['-c', cmd], {stdio: ['ignore', 'inherit', 'inherit']}); await new Promise(r => k.on('close', r));" \
            "return [a, b, s.output.length]" % show
        py = "import subprocess, asyncio\ncmd = %r\na = subprocess.run(cmd, shell=True, capture_output=True, text=True).stdout.strip()\n" \
            "p = await asyncio.create_subprocess_shell(cmd, stdout=-1)\nb = (await p.communicate())[0].decode().strip()\n" \
            "subprocess.run(cmd, shell=True)\n[a, b, 3]" % show
        for language, code in (("javascript", js), ("python", py)):
            out = peer.run(language, code)
            self.assertEqual((out.value, out.stdout), (["5", "5", 3], b"5\n"), (language, out.error, out.stderr))


class Manners(unittest.TestCase):
    def test_namespaces_are_no_tools_by_accident(self):
        js = "await srv; Promise.resolve(srv); JSON.stringify({srv}); `${srv}`; console.log(srv); srv + ''; Array.isArray(srv); typeof srv; srv instanceof Error;" \
            "Object.keys(srv); ({...srv}); return [String(srv), 'then' in srv]"
        py = "import copy, pickle, inspect\nrepr(srv), str(srv), bool(srv), srv == my_fs, hash(srv), callable(srv), inspect.isawaitable(srv), hasattr(srv, '__len__'), dir(srv)\n" \
            "copy.copy(srv)\nreturn [str(srv), False]"
        for language, code, shown in (("javascript", js, "[tools of srv]"), ("python", py, "<tools of srv>")):
            out = peer.run(language, code)
            self.assertEqual((out.value, out.calls), ([shown, False], []), out.error)

    def test_sequential_calls_are_one_write_each(self):
        """A lone call leaves at once, also when code never yields to the loop again."""
        out = peer.run("javascript", "srv.echo({message: 'a'}); while (true) {}", kill_after=0.8)
        self.assertEqual(len(out.calls), 1)


def with_answer(rows, index):
    return [(row[0], row[index], row[3]) for row in rows]


BothJavaScript = table.build("BothJavaScript", "javascript", with_answer(BOTH, 1))
BothPython = table.build("BothPython", "python", with_answer(BOTH, 2))

if __name__ == "__main__":
    unittest.main()
