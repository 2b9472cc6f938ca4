#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A secret ${VAR} shows nowhere: not in results, output, errors, lists of tools, state of the broker or its logs."""
import json
import os
import sys

from faults import Cases, Home, SERVER, audit, call, config, fixture, read, text_of, wait_for

cases = Cases()
SECRET = "hunter2-\"quoted\"\\and-long-0123456789"  # what JSON escapes is told in another spelling
MARK = "[redacted:THE_TOKEN]"
ENV = {"THE_TOKEN": SECRET}


def home(**limits):
    return Home(config(limits, sec=fixture("secrets", program=SERVER, env={"TOKEN": "${THE_TOKEN}"}),
                       plain=fixture()), env=ENV)


def spellings():
    return [SECRET, json.dumps(SECRET)[1:-1], json.dumps(json.dumps(SECRET)[1:-1])[1:-1]]


def clean(text):
    for spelling in spellings():
        assert spelling not in text, text


def cleaner(text):
    """No part of it either."""
    clean(text)
    assert "0123456789" not in text, text


def everything(top):
    """Texts of all files of the state folder."""
    for folder, _, names in os.walk(top):
        for name in names:
            path = os.path.join(folder, name)
            yield path, name, read(path).decode(errors="replace")


def clean_state(h):
    for path, name, text in everything(h.path("state")):
        for word in spellings():
            assert word not in text and word not in name, "%s: %s" % (path, text)


CALLS = [
    ("a result", "return await sec.value({})", MARK),
    ("a failed tool", "return await sec.fail({})", MARK),
    ("an error of the server", "return await sec.refuse({})", MARK),
    ("a caught error, taken apart", "try { await sec.refuse({}) } catch (e) { return [e.message, e.fix, e.stack] }", MARK),
    ("its last words", "return await sec.die({})", MARK),
    ("raw", "return await callMCPTool('sec', 'value', {}, {raw: true})", MARK),
    ("rubbish on stdout", "return await sec.rubbish({})", "after rubbish"),
    ("descriptions", "return await searchTools('uses')", MARK),
    ("an echo of what the code knows", "return await plain.echo({t: %s})" % json.dumps(SECRET), MARK),
    ("a tool named so", "return await callMCPTool('sec', %s, {})" % json.dumps("named_" + SECRET), ""),
    ("no tool named so", "return await callMCPTool('sec', %s, {})" % json.dumps("nope_" + SECRET), ""),
    ("no server named so", "return await callMCPTool(%s, 'x', {})" % json.dumps(SECRET), ""),
    ("arguments that do not fit", "return await plain.add({a: %s, b: 1})" % json.dumps(SECRET), ""),
    ("thrown", "throw new Error(%s)" % json.dumps("no " + SECRET), MARK),
    ("thrown with a name", "const e = new Error('x'); e.name = %s; throw e" % json.dumps("N" + SECRET), MARK),
    ("thrown as it is", "throw %s" % json.dumps(SECRET), MARK),
    ("logged", "console.log(%s); console.error({a: %s})" % (json.dumps(SECRET), json.dumps(SECRET)), MARK),
    ("progress", "await progress({progress: 1, total: 2, message: %s}); return 1" % json.dumps("p " + SECRET), ""),
    ("a syntax error", "const x = %s;\n}" % json.dumps(SECRET), ""),
]


@cases.table(CALLS)
def shows_no_secret(code, mark):
    with home() as h, h.mcp() as mcp:
        result = mcp.reply(mcp.begin_tool("execute_code", token="t", code=code))["result"]
        for spoken in (json.dumps(result), json.dumps(mcp.notes), text_of(result)):
            clean(spoken)
        assert mark in text_of(result), text_of(result)
        whole = mcp.tool("wait_run", run_id=result["structuredContent"]["run_id"])
        clean(json.dumps(whole))
        clean(json.dumps(mcp.tool("search_tools", query="")))
        done = h.run("run", "--json", "-v", "-", input=code)
        clean(done.stdout + done.stderr)
        done = h.run("run", "-", input=code)
        clean(done.stdout + done.stderr)
        clean_state(h)


@cases.table([
    ("stdout of bash", "bash", "printf '%s' \"${T:0:9}\"; sleep 0.05; printf '%s\\n' \"${T:9}\"; echo end", "stdout"),
    ("stderr of bash", "bash", "printf '%s' \"${T:0:9}\" >&2; sleep 0.05; printf '%s\\n' \"${T:9}\" >&2", "stderr"),
    ("byte by byte", "python",
     "import os, time\nfor c in T.encode():\n    os.write(1, bytes([c]))\n    time.sleep(0.002)\nos.write(1, b' end\\n')", "stdout"),
    ("over frames of 64 KiB", "python", "import sys\nsys.stdout.write('x' * 65525 + T + ' end\\n')", "stdout"),
    ("without a line end", "python", "import sys\nsys.stdout.write(T)", "stdout"),
    ("half a secret at the end", "python", "import sys\nsys.stdout.write('ok ' + T[:9])", None),
])
def is_cut_out_over_the_borders_of_chunks(language, code, stream):
    head = "T=%s\n" % ("'" + SECRET + "'" if language == "bash" else repr(SECRET))
    with home() as h:
        result = h.code(head + code, "-l", language)
        assert result["status"] == "ok", result
        cleaner(json.dumps(result))
        assert stream is None or MARK in result[stream], result
        assert stream or result["stdout"] == "ok " + SECRET[:9], result
        done = h.run("run", "-", "-l", language, input=head + code)
        cleaner(done.stdout + done.stderr)
        assert stream is None or MARK in done.stdout + done.stderr, done
        clean_state(h)


@cases.add
def other_verbs_show_no_secret():
    with home() as h:
        for args in (["tools"], ["tools", "--json"], ["tools", "--servers"], ["call", "sec.value"], ["call", "sec.fail"],
                     ["call", "sec.die"], ["call", "sec.named_" + SECRET], ["call", "plain.add", "--args", json.dumps({"a": SECRET})],
                     ["tools", "--servers", "--json"], ["tools", "--logs", "sec"], ["config", "show"], ["doctor"]):
            done = h.run(*args)
            text = done.stdout + done.stderr
            assert SECRET not in text, (args, text)
        logs = h.run("tools", "--logs", "sec").stdout
        assert "the token is " in logs and "indeed" in logs and MARK in logs, logs
        clean_state(h)
        assert any(line.get("server") == "sec" for line in audit(h))


@cases.add
def the_audit_names_a_tool_without_its_secret():
    with home() as h:
        assert h.code("return await callMCPTool('sec', %s, {})" % json.dumps("named_" + SECRET))["status"] == "ok"
        tools = [line.get("tool") for line in audit(h)]
        assert "named_" + MARK in tools, tools


@cases.add
def the_log_of_the_broker_is_filtered():
    with home() as h, h.mcp() as mcp:
        call(mcp.code("return await sec.rubbish({})"))
        mcp.code("return await sec.die({})")
        wait_for(lambda: "upstream_down" in h.log())
        assert "upstream_garbage" in h.log()
        cleaner(h.log())


@cases.add
def secrets_of_one_client_are_hidden_from_the_others():
    with home() as h:
        h.code("return await sec.value({})")
        with h.mcp() as first, h.mcp(env={"THE_TOKEN": "another-0123-secret"}) as second:
            call(first.code("return await sec.value({})"))
            result = second.code("return await sec.value({})")
            assert "another" not in text_of(result) and MARK in text_of(result), text_of(result)
        clean_state(h)
        assert "another-0123-secret" not in h.log()


sys.exit(cases.main())
