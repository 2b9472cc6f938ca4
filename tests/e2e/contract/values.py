#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tool results and arguments arrive whole: content kinds, errors, number text, duplicate keys, sizes, in each language."""
import json
import os
import re
import sys
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "../../support"), os.path.join(HERE, "../../fixture")]
import tools as fixture_tools  # noqa: E402
from shipped import LANGUAGES, Rig, fixture, peer, plain_client, without_time  # noqa: E402
from tap import Cases  # noqa: E402

MIB = 1 << 20
JS, PY, SH = LANGUAGES
FILES = None  # the folder of server-filesystem, made with its broker


def npm_filesystem():
    return {"mcpServers": {"files": peer("filesystem", files())}}


def files():
    global FILES
    if not FILES:
        FILES = rig.home().path("files")
        os.mkdir(FILES)
        with open(os.path.join(FILES, "a.txt"), "w", encoding="utf-8") as f:
            f.write("true \u00fc\n12345678901234567890\n")
        with open(os.path.join(FILES, "p.png"), "wb") as f:
            f.write(bytes(range(256)))
    return FILES


rig = Rig(
    default={"mcpServers": {"fixture": fixture(FIXTURE_COUNT_FILE="/dev/null")}},
    small={"mcpServers": {"fixture": fixture(FIXTURE_COUNT_FILE="/dev/null")}, "limits": {"arguments": MIB, "result": MIB}},
    everything=lambda: {"mcpServers": {"everything": peer("everything", "stdio")}},
    filesystem=npm_filesystem)
cases = Cases()


def shell_call(tool, arguments, *switches):
    return "tool call %s %s --json - <<'END'\n%s\nEND\n" % (tool, " ".join(switches), json.dumps(arguments))


def program(language, server, tool, arguments, raw):
    """A program that gives the value, or the whole CallToolResult, of one call."""
    if language == SH:
        return shell_call("'%s.%s'" % (server, tool), arguments, *["--raw"] * raw)
    text = json.dumps(arguments)
    if language == JS:
        return "return await %s[%s]%s(JSON.parse(%s))" % (server, json.dumps(tool), ".raw" * raw, json.dumps(text))
    return "import json\nreturn %s[%r](json.loads(%r)%s)" % (server, tool, text, ", raw=True" * raw)


def result_of(language, server, tool, arguments, raw, home="default"):
    got = rig.value(language, program(language, server, tool, arguments, raw), home)
    return json.loads(got) if language == SH and raw else got


# ---- every kind of content ----

def value_of(items):
    """What a tool's content is worth without structuredContent."""
    texts = [item["text"] for item in items if item["type"] == "text"]
    if texts:
        return "\n".join(texts)
    return None if not items else items[0] if len(items) == 1 else items


@cases.table([(kind, kind, items) for kind, items in fixture_tools.CONTENT.items()])
def content_kind(kind, items):
    for language in LANGUAGES:
        assert result_of(language, "fixture", "content", {"kind": kind}, True) == {"content": items}, language
    for language in (JS, PY):
        value = result_of(language, "fixture", "content", {"kind": kind}, False)
        assert value == value_of(items), (language, value)
    printed = result_of(SH, "fixture", "content", {"kind": kind}, False).removesuffix("\n")
    wanted = value_of(items)
    assert (printed if isinstance(wanted, str) else json.loads(printed)) == wanted, printed


@cases.table([
    ("JSON object in text", '{"a": [1, 2]}', {"a": [1, 2]}),
    ("JSON array in text", " [1, null]", [1, None]),
    ("true", "true", "true"),
    ("a number", "007", "007"),
    ("a string in quotes", '"x"', '"x"'),
    ("nearly JSON", "{a: 1}", "{a: 1}"),
    ("empty", "", ""),
])
def text_as_value(text, value):
    for language in (JS, PY):
        got = result_of(language, "fixture", "json_text", {"text": text}, False)
        assert got == value and type(got) is type(value), (language, got)


@cases.add
def structured_content_and_meta_arrive():
    arguments = {"a": {"b": [1, "x", None]}}
    whole = {"content": [{"type": "text", "text": json.dumps(arguments)}], "structuredContent": arguments,
             "_meta": {"test/seen": 1.10}}
    for language in LANGUAGES:
        got = result_of(language, "fixture", "reflect", arguments, True)
        got["content"][0]["text"] = json.dumps(json.loads(got["content"][0]["text"]))
        assert got == whole, (language, got)
    for language in (JS, PY):
        assert result_of(language, "fixture", "reflect", arguments, False) == arguments, language


# ---- the npm servers: what we hand on is what a bare client reads ----

EVERYTHING = [
    ("echo", {"message": "h\u00e9 \U0001f6a2"}),
    ("get-annotated-message", {"messageType": "error", "includeImage": True}),
    ("get-annotated-message", {"messageType": "success", "includeImage": True}),
    ("get-annotated-message", {"messageType": "debug", "includeImage": False}),
    ("get-resource-links", {"count": 4}),
    ("get-resource-reference", {"resourceType": "Text", "resourceId": 1}),
    ("get-resource-reference", {"resourceType": "Blob", "resourceId": 2}),
    ("get-structured-content", {"location": "New York"}),
    ("get-sum", {"a": 2, "b": 0.5}),
    ("get-tiny-image", {}),
    ("trigger-long-running-operation", {"duration": 0.1, "steps": 2}),
]
bare_answers = {}


def bare(name, calls, *words):
    if name not in bare_answers:
        bare_answers[name] = plain_client(peer(name, *words), calls)
    return bare_answers[name]


@cases.table([("%s %d" % (tool, i), i) for i, (tool, _) in enumerate(EVERYTHING)])
def server_everything(index):
    tool, arguments = EVERYTHING[index]
    wanted = without_time(bare("everything", EVERYTHING, "stdio")[index])
    assert wanted["content"] and not wanted.get("isError"), wanted
    for language in LANGUAGES:
        got = without_time(result_of(language, "everything", tool, arguments, True, "everything"))
        assert got == wanted, (language, got, wanted)
    for language in (JS, PY):
        got = without_time(result_of(language, "everything", tool, arguments, False, "everything"))
        assert got == wanted.get("structuredContent", value_of(wanted["content"])), (language, got)


FILESYSTEM = [
    ("read_text_file", {"path": "a.txt"}),
    ("read_media_file", {"path": "p.png"}),
    ("read_multiple_files", {"paths": ["a.txt", "a.txt"]}),
    ("list_directory", {"path": "."}),
    ("list_allowed_directories", {}),
]


def absolute(arguments):
    def inside(path):
        return os.path.normpath(os.path.join(files(), path))
    return {k: [inside(p) for p in v] if isinstance(v, list) else inside(v) for k, v in arguments.items()}


@cases.table([(tool, i) for i, (tool, _) in enumerate(FILESYSTEM)])
def server_filesystem(index):
    calls = [(tool, absolute(arguments)) for tool, arguments in FILESYSTEM]
    wanted = bare("filesystem", calls, files())[index]
    tool, arguments = calls[index]
    for language in LANGUAGES:
        assert result_of(language, "files", tool, arguments, True, "filesystem") == wanted, language


@cases.add
def server_filesystem_refuses_with_an_error():
    path = {"path": "/etc/hostname"}
    code = "try { await files.read_text_file(%s); return 'read' } catch (e) { return [e.kind, e.message] }"
    kind, message = rig.value(JS, code % json.dumps(path), "filesystem")
    assert kind == "tool_error" and "denied" in message.lower(), (kind, message)


# ---- isError, wrong arguments: an error that can be caught, with what to do ----

CATCH_JS = "try { await %s; return 'no error' } catch (e) { return [e instanceof ToolError, e.kind, e.server, e.tool, e.message, e.fix] }"
CATCH_PY = ("try:\n    %s\n    r = 'no error'\nexcept ToolError as e:\n"
            "    r = [isinstance(e, Exception), e.kind, e.server, e.tool, e.message, e.fix]\nreturn r")


@cases.add
def echo_without_its_message_is_a_tool_error_with_a_fix():
    got = {JS: rig.value(JS, CATCH_JS % "everything.echo({})", "everything"),
           PY: rig.value(PY, CATCH_PY % "everything.echo({})", "everything")}
    for language, (is_error, kind, server, tool, message, fix) in got.items():
        assert is_error and (kind, server, tool) == ("invalid_arguments", "everything", "echo"), got[language]
        assert "everything.echo" in message and "/message" in fix, got[language]
    shell = rig.run(SH, "tool call everything.echo --json '{}' || echo caught $?", "everything")
    assert shell["stdout"].startswith("caught ") and "invalid_arguments" in shell["stderr"], shell
    assert "message" in shell["stderr"] and re.search(r"(?m)^\s*(tool: )?fix: ", shell["stderr"]), shell["stderr"]
    line = rig.call("everything.echo", "{}", "everything")
    assert line.returncode == 1 and "invalid_arguments" in line.stderr and "fix" in line.stderr, line.stderr


@cases.add
def echo_without_its_message_uncaught_fails_the_run_with_the_fix():
    for language, code in ((JS, "\nawait everything.echo({})"), (PY, "\neverything.echo({})")):
        got = rig.run(language, code, "everything")
        detail = got["error_detail"]
        assert got["status"] == "error" and detail["kind"] == "invalid_arguments" and detail["fix"], got
        assert detail["line"] == 2 and detail["name"] == "ToolError", detail


@cases.add
def a_failing_tool_raises():
    for language, code in ((JS, CATCH_JS % "fixture.fail({message: 'it broke'})"),
                           (PY, CATCH_PY % "fixture.fail(message='it broke')")):
        assert rig.value(language, code)[:5] == [True, "tool_error", "fixture", "fail", "it broke"], language
    assert rig.value(JS, "return (await fixture.fail.raw({})).isError") is True
    assert rig.value(PY, "return fixture.fail(raw=True)['isError']") is True
    shell = rig.run(SH, "tool call fixture.fail --raw && echo fine")
    assert shell["exit_code"] == 1 and json.loads(shell["stdout"])["isError"] is True, shell
    shell = rig.run(SH, "tool call fixture.fail || echo caught")
    assert shell["stdout"] == "caught\n" and "this tool always fails" in shell["stderr"], shell


@cases.table([("raw names", "fixture", "with-hyphen"), ("no identifier", "fixture", "2digits"), ("reserved", "fixture", "class"),
              ("a dot", "fixture", "with.dot"), ("case", "fixture", "camelCase")])
def every_spelling_reaches_the_tool(server, tool):
    joined = "mcp__%s__%s" % (server, tool)
    js = "return [await %s[%r]({a: 1}), await call_tool(%r, %r, {a: 1}), await call_tool(%r, {a: 1})]"
    py = "return [%s[%r](a=1), call_tool(%r, %r, {'a': 1}), call_tool(%r, {'a': 1})]"
    for language, code in ((JS, js), (PY, py)):
        assert rig.value(language, code % (server, tool, server, tool, joined)) == [{"a": 1}] * 3, language
    for spelling in ("%s.%s" % (server, tool), joined):
        assert rig.value(SH, "tool call %s --json '{\"a\":1}'" % spelling) == '{"a":1}\n', spelling
        done = rig.call(spelling, '{"a":1}')
        assert json.loads(done.stdout) == {"a": 1}, done


# ---- number text ----

NUMBERS = '{"i":12345678901234567890,"f":0.10,"m":-9007199254740993,"e":1e400,"z":-0.0,"s":"0.10"}'


@cases.add
def number_text_through_the_shell_and_the_command_line_is_the_very_text():
    assert rig.value(SH, "tool call fixture.echo --json '%s'" % NUMBERS).strip() == NUMBERS
    done = rig.call("fixture.echo", NUMBERS)
    assert (done.returncode, done.stdout.strip()) == (0, NUMBERS), done
    done = rig.call("fixture.reflect", NUMBERS)
    assert done.stdout.strip() == NUMBERS, done
    raw = rig.value(SH, "tool call fixture.reflect --raw --json '%s'" % NUMBERS)
    assert '"structuredContent":' + NUMBERS in raw and '{"test/seen":1.10}' in raw, raw


@cases.add
def numbers_round_trip_through_code():
    js = "const v = await fixture.reflect({i: 12345678901234567890n, f: 0.10, m: -9007199254740993n}); " \
         "return [await fixture.reflect(v), v.i === 12345678901234567890n, v.f === 0.10, typeof v.i]"
    py = "v = fixture.reflect(i=12345678901234567890, f=0.10, m=-9007199254740993)\n" \
         "return [fixture.reflect(v), v['i'] == 12345678901234567890, v['f'] == 0.10, 'bigint' if type(v['i']) is int else '']"
    back = {"i": 12345678901234567890, "f": 0.10, "m": -9007199254740993}
    for language, code in ((JS, js), (PY, py)):
        assert rig.ask(language, code)["result"] == [back, True, True, "bigint"], language


@cases.add
def numbers_on_the_wire_of_the_mcp_door_are_the_very_text():
    door = rig.door()
    for language, code in ((JS, "return await fixture.reflect({i: 12345678901234567890n, f: 0.10})"),
                           (PY, "return fixture.reflect(i=12345678901234567890, f=0.10)")):
        id_ = door.begin_tool("execute_code", code=code, language=language)
        line = door.lines.get(timeout=30).decode()
        reply = json.loads(line)
        assert reply["id"] == id_, line
        assert '"i":12345678901234567890' in line.replace(" ", ""), line
        assert re.search(r'"f":0\.10?[},]', line.replace(" ", "")), line
        text = reply["result"]["content"][0]["text"]
        assert "12345678901234567890" in text and "0.1000000000" not in text, text


@cases.add
def numbers_in_a_file_of_server_filesystem():
    path = json.dumps(absolute({"path": "a.txt"}))
    assert "12345678901234567890" in rig.value(JS, "return JSON.stringify(await files.read_text_file(%s))" % path, "filesystem")


# ---- arguments that two readers may read differently ----

TWICE = [
    ("same key", '{"a":1,"a":2}'),
    ("same key, escaped", '{"a":1,"\\u0061":2}'),
    ("deep inside", '{"x":[{"y":{"k":1,"k":1}}]}'),
    ("NUL in a key", '{"a\\u0000":1}'),
    ("half a surrogate pair", '{"a":"\\ud800"}'),
    ("65 levels", '{"a":' * 65 + "1" + "}" * 65),
    ("no object", "[1]"),
    ("no JSON", '{"a":}'),
]


@cases.table(TWICE)
def refused_arguments(text):
    before = calls_so_far()
    shell = rig.run(SH, "tool call fixture.echo --json - <<'END'\n%s\nEND\n" % text)
    assert shell["exit_code"] != 0 and "invalid_arguments" in shell["stderr"], shell
    line = rig.call("fixture.echo", text)
    assert line.returncode != 0 and line.stdout == "" and line.stderr, line
    assert calls_so_far() == before + 1, "the server saw the call"


def calls_so_far():
    return rig.value(JS, "return (await fixture.state({})).calls")


@cases.add
def the_mcp_door_refuses_duplicate_keys():
    door = rig.door()
    for params in ('{"name":"execute_code","arguments":{"code":"return 1","code":"return 2","language":"javascript"}}',
                   '{"name":"execute_code","name":"search_tools","arguments":{}}'):
        door.id += 1
        door.process.stdin.write(b'{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":%s}\n' % (door.id, params.encode()))
        door.process.stdin.flush()
        reply = door.message()
        while "method" in reply:
            reply = door.message()
        refused = "error" in reply or reply["result"].get("isError")
        assert refused, reply


# ---- sizes ----

def sender(language, size):
    """A program that sends an argument of `size` bytes and gives the number that the server counted."""
    return {JS: "const r = await fixture.count({id: 'x', payload: 'x'.repeat(%d)}); return r.bytes" % size,
            PY: "return fixture.count(id='x', payload='x' * %d)['bytes']" % size,
            SH: "(printf '{\"id\":\"x\",\"payload\":\"'; head -c %d /dev/zero | tr '\\0' x; printf '\"}') |"
                " tool call fixture.count --json -" % size}[language]


def limit(home, name):
    shown = json.loads(rig.home(home).run("config", "show", "--json").stdout)
    return shown["limits"][name]["value"]


@cases.table([("%d MiB, %s" % (size, language), language, size) for size in (1, 64) for language in LANGUAGES])
def argument_arrives(language, size):
    assert limit("default", "arguments") > size * MIB
    began = time.monotonic()
    got = rig.value(language, sender(language, size * MIB), timeout="60s")
    counted = json.loads(got)["bytes"] if language == SH else got
    print("# %d MiB in %.0f ms" % (size, (time.monotonic() - began) * 1000))
    assert size * MIB < counted < size * MIB + 100, counted


@cases.table([("1 MiB", 1), ("64 MiB", 64)])
def argument_of_the_command_line_arrives(size):
    done = rig.call("fixture.count", '{"id":"x","payload":"%s"}' % ("x" * (size * MIB)))
    assert done.returncode == 0, done.stderr[-300:]
    assert size * MIB < json.loads(done.stdout)["bytes"] < size * MIB + 100, done.stdout[:200]


TOO_LARGE = {JS: "const b = Date.now(); try { await fixture.count({id: 'x', payload: p}); return 'sent' } "
                 "catch (e) { return [e.kind, e.message, e.fix, Date.now() - b] }",
             PY: "import time\nb = time.monotonic()\ntry:\n    fixture.count(id='x', payload=p)\n    r = 'sent'\n"
                 "except ToolError as e:\n    r = [e.kind, e.message, e.fix, (time.monotonic() - b) * 1000]\nreturn r"}


@cases.table([("%s, %s" % (home, language), home, language) for home in ("small", "default") for language in (JS, PY)])
def argument_over_the_limit_is_refused_at_once(home, language):
    most = limit(home, "arguments")
    make = {JS: "const p = 'x'.repeat(%d);", PY: "p = 'x' * %d\n"}[language] % most
    kind, message, fix, ms = rig.value(language, make + TOO_LARGE[language], home, timeout="60s")
    print("# refused in %.0f ms: %s; %s" % (ms, message, fix))
    assert kind == "too_large" and "limits.arguments" in "%s %s" % (message, fix), (kind, message, fix)
    assert ms < (500 if home == "small" else 5000), ms


@cases.add
def argument_over_the_limit_from_shell_and_command_line():
    shell = rig.run(SH, sender(SH, MIB), "small")
    assert shell["exit_code"] != 0 and "too_large" in shell["stderr"], shell["stderr"]
    line = rig.call("fixture.count", '{"id":"x","payload":"%s"}' % ("x" * MIB), "small")
    assert line.returncode and "too_large" in line.stderr, (line.returncode, line.stderr)


@cases.table([("%d MiB, %s" % (size, language), language, size) for size in (1, 64) for language in (JS, PY)])
def result_arrives(language, size):
    code = {JS: "return (await fixture.huge({bytes: %d})).length", PY: "return len(fixture.huge(bytes=%d))"}[language]
    assert rig.value(language, code % (size * MIB), timeout="60s") == size * MIB


@cases.add
def result_over_the_limit_is_too_large():
    for language, call in ((JS, CATCH_JS), (PY, CATCH_PY)):
        words = {JS: "fixture.huge({bytes: %d})", PY: "fixture.huge(bytes=%d)"}[language] % (2 * MIB)
        got = rig.value(language, call % words, "small")
        assert got[1] == "too_large" and "limits.result" in "%s %s" % (got[4], got[5]), got


sys.exit(rig.main(cases))
