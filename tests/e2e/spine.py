#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One run, all the way, through every door: the shipped binary, its own sandboxes, the fixture server."""
import json
import os
import re
import signal
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
# pylint: disable=wrong-import-position
from hawser import FIXTURE, TOP, Home, alive, text_of, wait_for
from tap import Cases

cases = Cases()


def config(more=None, **servers):
    made = {"fixture": {"command": sys.executable, "args": [FIXTURE]}, **servers}
    return {"mcpServers": made, **(more or {})}


def spine(more=None, **servers):
    return Home(config(more, **servers))


# ---- command line ----

@cases.table([
    ("javascript", "js", "return (await fixture.echo({a: [1, 2]})).a.length", "2\n"),
    ("python", "py", "fixture.echo(a=[1, 2])['a']", "[1,2]\n"),
    ("bash", "sh", "tool call fixture.echo --json '{\"a\": 0.10}'", None),
])
def run_calls_a_tool(ending, code, out):
    with spine() as home:
        file = home.write("work/x." + ending, code)
        done = home.run("run", file)
        assert done.returncode == 0, done
        assert out is None and "0.10" in done.stdout or done.stdout == out, done.stdout


@cases.add
def a_long_error_text_is_cut_not_lost():
    with spine() as home:
        file = home.write("work/x.py", "try:\n    fixture.fail(message='x' * 20000)\nexcept ToolError as e:\n"
                          "    r = [e.kind, len(e.message), e.message[:3]]\nr")
        done = home.run("run", file)
        kind, length, begin = json.loads(done.stdout)
        assert kind == "tool_error" and begin == "xxx" and 4000 < length < 4096, done


@cases.add
def output_comes_before_the_end():
    with spine() as home:
        process = home.popen("run", "-", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        process.stdin.write(b"console.log('first'); await fixture.never({})")
        process.stdin.close()
        assert process.stdout.readline() == b"first\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        process.stdout.close()


@cases.table([
    ("thrown", "throw new TypeError('no good')", [], 1, "TypeError: no good"),
    ("syntax", "let let = 1", [], 1, "main.js:1"),
    ("deadline", "for (;;);", ["-t", "700ms"], 124, "700 ms"),
    ("denied", "await fixture.delete_note({})", [], 1, "fix: add to policy.rules: - allow: fixture.delete_note"),
    ("narrowed", "await fixture.echo({})", ["--allow", "fixture.pid"], 1, "allowed_tools"),
    ("exit", "process.exit(3)", [], 1, ""),
])
def a_run_that_fails(code, args, status, part):
    with spine() as home:
        done = home.run("run", *args, "-", input=code)
        assert done.returncode == status, done
        assert part in done.stderr, done.stderr


@cases.add
def call_keeps_number_text_and_says_what_is_wrong():
    with spine() as home:
        done = home.run("call", "fixture.echo", "--args", '{"n": 0.10, "i": 12345678901234567890}', "--json")
        assert done.returncode == 0 and "0.10" in done.stdout and "12345678901234567890" in done.stdout, done
        done = home.run("call", "fixture.delete_note")
        assert done.returncode == 1 and "denied" in done.stderr and "fix: " in done.stderr, done
        done = home.run("call", "fixture.echo", "--args", '{"a": 1, "a": 2}')
        assert done.returncode == 1 and "invalid_arguments" in done.stderr, done
        done = home.run("call", "fixtrue.echo")
        assert done.returncode == 1 and "not_found" in done.stderr, done


@cases.add
def search_and_servers_and_logs():
    with spine(None, gone={"command": "/nonexistent/server"}, noisy={"command": sys.executable, "args": [
            FIXTURE, "--stderr", "words of the server", "--exit", "3"]}) as home:
        assert "fixture.stderr_flood" in home.run("tools", "writes bytes to stderr").stdout
        servers = {s["name"]: s for s in json.loads(home.run("tools", "--servers", "--json").stdout)}
        assert servers["fixture"]["state"] == "ready" and servers["fixture"]["tools"] > 20
        assert "/nonexistent/server" in servers["gone"]["problem"], servers["gone"]
        assert "words of the server" in home.run("tools", "--logs", "noisy").stdout
        done = home.run("doctor")
        assert done.returncode == 1, done
        assert re.search(r"^good  run python: 42", done.stdout, re.M), done.stdout
        assert re.search(r"^BAD   server gone: .*nonexistent", done.stdout, re.M), done.stdout
        assert re.search(r"^good  server fixture: \d+ tools", done.stdout, re.M), done.stdout
        # and a run works beside them
        assert home.code("return (await fixture.echo({a: 1})).a")["result"] == 1


@cases.add
def two_values_of_a_variable_are_two_servers():
    server = {"command": sys.executable, "args": [FIXTURE], "env": {"WHO": "${WHO}"}}
    with spine(None, who=server) as home:
        # one connection a door: both stay while the other comes
        with home.mcp(env={"WHO": "anna"}) as anna, home.mcp(env={"WHO": "bert"}) as bert, \
                home.mcp(env={"WHO": "anna"}) as again:
            code = "return [await who.pid({}), (await who.env({}))]"
            pids = [re.search(r"\d+", json.dumps(m.code(code)["structuredContent"]["result"])).group()
                    for m in (anna, bert, again)]
            assert pids[0] == pids[2] != pids[1], pids
            shared = [m.code("return await fixture.pid({})")["structuredContent"]["result"] for m in (anna, bert)]
            assert shared[0] == shared[1], shared
        assert home.run("run", "-", input="return await who.pid({})").returncode == 1
        assert "${WHO} is not set" in home.run("tools", "--servers").stdout
        checked = home.run("config", "check")
        assert checked.returncode == 0 and re.search(r"^note: /\S+:\d+: server who: \$\{WHO\} is not set",
                                                     checked.stdout, re.M), checked.stdout
        assert home.code("return (await fixture.echo({a: 1})).a")["result"] == 1


@cases.add
def a_secret_never_shows():
    server = {"command": sys.executable, "args": [FIXTURE], "env": {"API_TOKEN": "${API_TOKEN}"}}
    with spine(None, secret=server) as home:
        token = "tok-" + "3f9a" * 5
        done = home.run("run", "--json", "-", input="const e = JSON.stringify(await secret.env({})); console.log(e); return e",
                        env={"API_TOKEN": token})
        assert done.returncode == 0 and "API_TOKEN" in done.stdout, done
        assert token not in done.stdout + done.stderr
        assert token not in home.run("config", "show", env={"API_TOKEN": token}).stdout
        for folder, _, names in os.walk(home.path("state")):
            for name in names:
                with open(os.path.join(folder, name), "rb") as f:
                    assert token.encode() not in f.read(), name


@cases.add
def sigterm_in_the_middle_of_runs_leaves_nothing():
    with spine() as home:
        with home.mcp() as mcp:
            pid = json.loads(text_of(mcp.code("return await fixture.pid({})")).split("\n")[0] or "0")
            runs = [mcp.begin_tool("execute_code", code="await fixture.never({})") for _ in range(3)]
            wait_for(lambda: not home.status()["idle"])
            broker = home.broker_pid()
            keepers = children_like("hawser-keeper", home.top)
            os.kill(broker, signal.SIGTERM)
            for run in runs:
                assert mcp.reply(run)["result"]["isError"]
            wait_for(lambda: not alive(broker))
            wait_for(lambda: not children_like("hawser-keeper", home.top))
            assert isinstance(pid, int) and not alive(pid) and keepers is not None


def children_like(name, mark):
    """Processes whose command line has both."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/cmdline" % pid, "rb") as f:
                words = f.read().decode(errors="replace")
        except OSError:
            continue
        if name in words and mark in words:
            found.append(int(pid))
    return found


@cases.add
def a_client_that_hangs_up_takes_its_run_with_it():
    with spine() as home:
        with home.mcp() as mcp:
            mcp.begin_tool("execute_code", code="await fixture.slow({ms: 60000})")
            mcp.ask("ping")
        wait_for(lambda: home.status()["idle"])
        assert "status=cancelled" in home.log()


# ---- MCP ----

@cases.add
def a_small_answer_is_small():
    with spine() as home, home.mcp() as mcp:
        text = text_of(mcp.code("return 1"))
        assert text.startswith("1\n"), text
        # a token is at least a word or a mark, and at most four letters on average of such text
        assert max(len(text) / 4, len(re.findall(r"\w+|[^\w\s]", text))) <= 60, text


@cases.add
def every_sample_that_a_model_sees_works():
    server = {"command": sys.executable, "args": [os.path.join(TOP, "deploy", "examples", "files_server.py"), "."]}
    with Home({"mcpServers": {"files": server}}) as home:
        home.write("work/a.txt", "one")
        home.write("work/b.txt", "two\n" * 10)
        with home.mcp() as mcp:
            prompt = mcp.ask("prompts/get", name="code_mode")["messages"][0]["content"]["text"]
            samples = re.findall(r"```(\w+)\n(.*?)```", mcp.hello["instructions"] + prompt, re.S)
            assert len(samples) >= 7, samples
            for language, code in samples:
                result = mcp.code(code, language)
                assert not result.get("isError"), (code, text_of(result))
                assert result["structuredContent"]["result"] or result["structuredContent"]["logs"], (code, result)
                assert "undefined" not in text_of(result), text_of(result)


@cases.add
def logs_that_just_fit_are_whole():
    with spine() as home, home.mcp() as mcp:
        for count in range(20, 300, 20):  # around the place where the head of what is shown ends
            got = mcp.code("for (let i = 0; i < %d; i++) console.log('a line of thirty characters ' + i)" % count)
            content = got["structuredContent"]
            whole = ["a line of thirty characters %d" % i for i in range(count)]
            assert content["logs"] == whole or content["truncated"]["logs"] > 0, (count, content)


@cases.add
def a_run_that_lasts_yields_and_is_waited_for():
    with spine({"limits": {"yield_ms": 400}}) as home, home.mcp() as mcp:
        token = mcp.begin_tool("execute_code", token="t1", code=(
            "console.log('began'); await new Promise((r) => setTimeout(r, 1500)); return 'done'"))
        result = mcp.reply(token)["result"]
        run = result["structuredContent"]["run_id"]
        assert run in text_of(result), result
        for _ in range(20):
            result = mcp.tool("wait_run", run_id=run)
            if result["structuredContent"]["status"] != "running":
                break
        assert result["structuredContent"]["result"] == "done" and "began" in text_of(result), result


@cases.add
def a_large_answer_is_read_on_from_the_file():
    with spine() as home, home.mcp() as mcp:
        text = text_of(mcp.code("for (let i = 0; i < 5000; i++) console.log('line ' + i + ' \u00e4'); return 'end'"))
        assert len(text.encode()) <= 16384 + 200 and "line 0 " in text and "line 4999 " in text, len(text)
        offset, run = int(re.search(r'"offset":(\d+)', text).group(1)), re.search(r'"run_id":"(\w+)"', text).group(1)
        whole = text.split("\n[...")[0]
        while True:
            part = text_of(mcp.tool("wait_run", run_id=run, offset=offset))
            piece, _, note = part.partition("\n[bytes ")
            whole += piece
            if not note:
                break
            offset = int(note.rsplit(" ", 1)[1].rstrip("]"))
        assert [l for l in whole.split("\n") if l.startswith("line ")] == ["line %d \u00e4" % i for i in range(5000)]


@cases.add
def a_changed_config_is_used_without_a_restart():
    with Home({"mcpServers": {}}) as home, home.mcp(env={"LATE": "later"}) as mcp:
        assert mcp.code("return (await fixture.echo({a: 1})).a").get("isError")
        home.write_config(config(None, late={"command": sys.executable, "args": [FIXTURE], "env": {"L": "x${LATE}"}}))
        assert mcp.code("return (await fixture.echo({a: 1})).a")["structuredContent"]["result"] == 1
        assert "L" in text_of(mcp.code("return Object.keys((await late.env({})).env ?? await late.env({}))"))


sys.exit(cases.main())
