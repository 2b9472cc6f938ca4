#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The doors and the command line over a core that pretends (tests/support/fake-core.c): what is theirs alone."""
import hashlib
import json
import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
# pylint: disable=wrong-import-position
from hawser import FAKE, Home, alive, text_of, wait_for
from tap import Cases

cases = Cases()
EMPTY = "mcpServers: {}\n"


def fake(config=EMPTY, **kwargs):
    return Home(config, binary=FAKE, **kwargs)


# ---- command line ----

@cases.table([
    ("value", ["run", "-"], "anything", 0, "1\n", ""),
    ("output", ["run", "-"], "print hello", 0, "hello1\n", ""),
    ("failure", ["run", "-"], "fail", 1, "", "Boom\n"),
    ("no verb like this", ["rnu"], None, 2, "", "hawser: there is no verb rnu; did you mean run?\n"),
    ("no option like this", ["run", "--tiemout", "3s"], None, 2, "",
     "hawser: hawser run takes no option --tiemout; did you mean --timeout?\n"),
    ("bad time", ["run", "-", "--timeout", "soon"], "x", 2, "", "hawser: soon is no time; write 500ms, 30s or 5m\n"),
    ("a time without a unit", ["run", "-", "-t", "2"], "x", 2, "", "hawser: the time 2 has no unit; write 2s or 2ms\n"),
    ("a time with one", ["run", "-", "-t", "2s"], "request", 0, None, ""),
    ("no file", ["run", "nowhere.js"], None, 2, "", "hawser: reading nowhere.js: No such file or directory\n"),
    ("bad language", ["run", "-", "-l", "cobol"], "x", 2, "", None),
    ("bad arguments", ["call", "a.b", "--args", "[1]"], None, 2, "", None),
    ("arguments as a word", ["call", "fake.echo", '{"n":0.10}', "--json"], None, 0,
     '{"content":[{"type":"text","text":"called"}],"args":{"n":0.10}}\n', ""),
    ("arguments from stdin", ["call", "fake.echo", "-", "--json"], '{"n":1}', 0,
     '{"content":[{"type":"text","text":"called"}],"args":{"n":1}}\n', ""),
    ("arguments twice", ["call", "fake.echo", "{}", "--args", "{}"], None, 2, "",
     "hawser: the arguments are there twice, as a word and as --args\n"),
    ("too many words", ["doctor", "now"], None, 2, "", "hawser: hawser doctor: too many words; see hawser help doctor\n"),
    ("option before the verb", ["--json", "tools"], None, 2, "",
     "hawser: the verb comes first: hawser VERB --json; hawser help lists them\n"),
    ("no code", ["run", "-"], "", 2, "", "hawser: there is no code in stdin\n"),
    ("bad name", ["call", "ab"], None, 2, "", "hawser: a tool is named SERVER.TOOL; hawser tools lists them\n"),
    ("call", ["call", "fake.echo", "--args", '{"n":0.10}'], None, 0, "called\n", ""),
    ("call as json", ["call", "mcp__fake__echo", "--json", "--args", '{"n":0.10,"i":12345678901234567890}'], None, 0,
     '{"content":[{"type":"text","text":"called"}],"args":{"n":0.10,"i":12345678901234567890}}\n', ""),
    ("tools", ["tools", "echo"], None, 0, "fake.echo  Says it again.\n", ""),
    ("servers", ["tools", "--servers"], None, 0, "fake  ready, 1 tools\n", ""),
    ("check", ["config", "check"], None, 0, None, ""),
    ("neither check nor show", ["config", "chek"], None, 2, "", "hawser: hawser config check, or hawser config show\n"),
    ("version", ["--version"], None, 0, None, ""),
])
def command(args, text, status, out, err):
    with fake() as home:
        done = home.run(*args, input=text)
        assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
        assert out is None or done.stdout == out, done.stdout
        assert err is None or done.stderr == err, done.stderr


@cases.add
def help_names_every_verb_and_json_is_json():
    with fake() as home:
        verbs = json.loads(home.run("help", "--json").stdout)
        text = home.run("help").stdout
        assert len(verbs) >= 10
        for verb in verbs:
            assert "hawser " + verb["name"] in text
            assert home.run(verb["name"], "--help").stdout.startswith("hawser " + verb["name"])
        for args in (["run", "-"], ["tools"], ["tools", "--servers"], ["call", "a.b"], ["config", "check"],
                     ["config", "show"], ["doctor"], ["version"], ["stop"]):
            json.loads(home.run(*args, "--json", input="x").stdout)


@cases.table([("empty", ""), ("relative", "here"), ("a name", "~")])
def a_home_that_is_no_folder_breaks_no_verb(value):
    with fake() as home:
        for args in (["config", "check"], ["run", "-"], ["tools"], ["doctor"]):
            done = home.run(*args, input="x", env={"HOME": value})
            assert done.returncode == 0, (args, done)
        with home.mcp(env={"HOME": value}) as mcp:
            assert not mcp.code("x").get("isError")


def audit_lines(count):
    """A log as broker/audit/README.md describes it."""
    lines, last = [], "0" * 64
    for i in range(count):
        line = '{"tool":"t%d","prev":"%s"' % (i, last)
        last = hashlib.sha256(line.encode()).hexdigest()
        lines.append('%s,"hash":"%s"}\n' % (line, last))
    return lines, last


@cases.add
def the_audit_log_is_verified():
    lines, last = audit_lines(3)
    with fake() as home:
        done = home.run("audit", "verify")
        log = home.path("state", "hawser", "audit.jsonl")
        assert done.returncode == 1 and done.stderr == "hawser: opening the audit log %s: No such file or directory\n" % log
        os.makedirs(os.path.dirname(log))
        home.write("state/hawser/audit.jsonl", "".join(lines))
        done = home.run("audit", "verify")
        assert (done.returncode, done.stderr) == (0, "") and "3 lines" in done.stdout and last in done.stdout, done
        copy = home.write("copy", lines[0] + lines[2])
        done = home.run("audit", "verify", copy)
        assert done.returncode == 1 and copy + ":2: the line does not follow" in done.stderr, done
        copy = home.write("copy", lines[0] + lines[1].replace("t1", "tX"))
        done = json.loads(home.run("audit", "verify", "--json", copy).stdout)
        assert done["good"] is False and done["line"] == 2 and "was changed" in done["fault"], done
        done = json.loads(home.run("audit", "verify", "--json", home.write("copy", "")).stdout)
        assert done == {"file": copy, "good": True, "lines": 0, "last": "0" * 64}, done
        assert home.run("audit", "look").returncode == 2


@cases.add
def output_that_is_lost_is_no_success():
    with fake() as home:
        with open("/dev/full", "wb") as nowhere:
            full = home.popen("run", "-", stdin=subprocess.PIPE, stdout=nowhere, stderr=subprocess.PIPE)
        err = full.communicate(b"x", timeout=30)[1]
        assert full.returncode == 1 and b"stdout cannot be written to: No space left" in err, err
        closed = home.popen("run", "-", stdin=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=lambda: os.close(1))
        err = closed.communicate(b"x", timeout=30)[1]
        assert closed.returncode == 1 and b"stdout cannot be written to" in err, err


@cases.add
def a_folder_that_is_gone_is_told():
    with fake() as home:
        gone = home.path("gone")
        os.mkdir(gone)
        done = home.popen("config", "check", stderr=subprocess.PIPE,
                          preexec_fn=lambda: (os.chdir(gone), os.rmdir(gone)))
        err = done.communicate(timeout=30)[1]
        assert done.returncode == 3 and b"the working directory cannot be told; cd to another one" in err, err


@cases.add
def the_language_is_told_by_the_name_or_the_first_line():
    with fake() as home:
        for name, first, language in (("a.ts", "", "typescript"), ("a.mts", "", "typescript"), ("a.py", "", "python"), ("a.sh", "", "bash"),
                                      ("a.cjs", "", "javascript"), ("a", "#!/usr/bin/env -S npx tsx\n", "typescript"),
                                      ("b", "#!/usr/bin/env ts-node\n", "typescript"), ("c", "#!/usr/bin/python3\n", "python"),
                                      ("d", "", "javascript"), ("e.ts", "#!/usr/bin/python3\n", "typescript")):
            done = home.run("run", home.write("work/" + name, first + "request"))
            assert done.returncode == 0 and json.loads(done.stdout)["language"] == language, (name, done)


@cases.table([
    ("code as a word", ["-e", "request"], None, {"language": "javascript", "data": None}),
    ("and a language", ["-l", "python", "-e", "request"], None, {"language": "python"}),
    ("data as a word", ["-e", "request", "--data", '{"n": 0.10, "big": 12345678901234567890}'], None,
     '"data":{"n": 0.10, "big": 12345678901234567890}'),
    ("data from stdin", ["-e", "request", "-d", "-"], " [1]\n", {"data": [1]}),
    ("data of a file", ["-e", "request", "-d", "@d.json"], None, {"data": "from a file"}),
    ("text from stdin", ["-e", "request", "--text", "-"], "a\nb\n", {"data": "a\nb\n"}),
    ("text as a word", ["-e", "request", "--text", "7"], None, {"data": "7"}),
    ("servers by a glob", ["-e", "request", "--tool-choice", "git*", "--tool-choice", "files", "-a", "x.y"], None,
     {"allowed_tools": ["x.y", "git*.*", "files.*"]}),
    ("code twice", ["-e", "request", "a.js"], None, "the code is there twice, as a.js and as -e"),
    ("both from stdin", ["-d", "-"], "1", "code and data cannot both come from stdin"),
    ("no JSON", ["-e", "request", "-d", "{a: 1}"], None, "--text takes it as a string"),
    ("no data there", ["-e", "request", "-d", "-"], "", "--data is not JSON"),
    ("twice the same key", ["-e", "request", "-d", '{"a":1,"a":2}'], None, "--data is not JSON"),
    ("data and text", ["-e", "request", "-d", "1", "--text", "1"], None, "give one"),
    ("no such file", ["-e", "request", "-d", "@nowhere"], None, "reading nowhere"),
])
def request(args, text, wanted):
    with fake() as home:
        home.write("work/d.json", '"from a file"')
        done = home.run("run", *args, input=text)
        if isinstance(wanted, dict):
            got = json.loads(done.stdout)
            assert {k: got[k] for k in wanted} == wanted, got
        elif wanted.startswith('"'):
            assert wanted in done.stdout, done
        else:
            assert done.returncode == 2 and wanted in done.stderr, done


@cases.add
def data_comes_by_mcp_as_it_is_written():
    with fake() as home, home.mcp() as mcp:
        line = ('{"jsonrpc":"2.0","id":77,"method":"tools/call","params":{"name":"execute_code","arguments":'
                '{"code":"request","data":{"n":0.10,"b":12345678901234567890},"language":"python"}}}\n')
        mcp.process.stdin.write(line.encode())
        mcp.process.stdin.flush()
        text = text_of(mcp.reply(77)["result"])
        assert '"data":{"n":0.10,"b":12345678901234567890}' in text and "python" in text, text


@cases.add
def ten_at_once_start_one_broker():
    with fake() as home:
        runs = [home.popen("run", "-", stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(10)]
        for run in runs:
            assert run.communicate(b"x", timeout=30)[0] == b"1\n"
            assert run.returncode == 0
        assert home.log().count("broker_started") == 1


@cases.add
def a_second_serve_is_refused_by_name():
    with fake() as home:
        home.run("run", "-", input="x")
        done = home.run("serve")
        assert done.returncode == 3 and "a broker (pid %d) has" % home.broker_pid() in done.stderr, done.stderr


@cases.add
def a_broker_that_was_killed_is_replaced():
    with fake() as home:
        home.run("run", "-", input="x")
        pid = home.broker_pid()
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not alive(pid))
        assert home.run("run", "-", input="x").stdout == "1\n"
        assert home.broker_pid() != pid


@cases.add
def a_spawned_broker_keeps_no_secrets_of_its_starter():
    with fake() as home:
        home.run("run", "-", input="x", env={"GITHUB_TOKEN": "hunter2"})
        with open("/proc/%d/environ" % home.broker_pid(), "rb") as f:
            assert b"hunter2" not in f.read()


@cases.add
def a_long_socket_path_is_told():
    with fake() as home:
        deep = home.path("x" * 100)
        os.mkdir(deep)
        done = home.run("run", "-", input="x", env={"XDG_RUNTIME_DIR": deep})
        assert done.returncode == 3 and "XDG_RUNTIME_DIR" in done.stderr, done.stderr


def watches_for_interrupts(pid):
    with open("/proc/%d/status" % pid) as status:
        blocked = next(line.split()[1] for line in status if line.startswith("SigBlk"))
    return int(blocked, 16) & 1 << signal.SIGINT - 1


@cases.add
def interrupt_cancels_the_run():
    with fake() as home:
        run = home.popen("run", "-v", "-", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        run.stdin.write(b"hang")
        run.stdin.close()
        wait_for(lambda: os.path.exists(home.socket_path()) and not home.status()["idle"])
        wait_for(lambda: watches_for_interrupts(run.pid))
        run.send_signal(signal.SIGINT)
        assert run.wait(30) == 130, run.returncode
        run.stdout.close()
        run.stderr.close()


# ---- local door ----

@cases.add
def folders_and_socket_are_private():
    with fake() as home:
        home.run("version")
        home.run("run", "-", input="x")
        assert os.stat(home.socket_path()).st_mode & 0o777 == 0o600
        for folder in (home.path("state", "hawser"), home.path("runtime", "hawser")):
            assert os.stat(folder).st_mode & 0o777 == 0o700


@cases.add
def one_broker_whatever_the_runtime_folder_is():
    """MCP clients do not hand XDG_RUNTIME_DIR on; a shell has it."""
    with fake() as home:
        assert home.run("run", "-", input="x").returncode == 0
        runtime, pid = home.env.pop("XDG_RUNTIME_DIR"), home.broker_pid()
        try:
            with home.mcp() as mcp:
                assert text_of(mcp.code("x")) == "1"
            assert home.broker_pid() == pid
            assert home.run("stop").returncode == 0 and not os.path.lexists(home.path("state", "hawser", "runtime"))
            with home.mcp() as mcp:  # now it is the MCP client that starts it
                assert text_of(mcp.code("x")) == "1"
                pid = home.broker_pid()
                os.kill(pid, signal.SIGKILL)  # which leaves its link
                wait_for(lambda: not alive(pid))
                assert text_of(mcp.code("x")) == "1"
            pid = home.broker_pid()
        finally:
            home.env["XDG_RUNTIME_DIR"] = runtime
        assert home.run("run", "-", input="x").returncode == 0 and home.broker_pid() == pid


@cases.add
def hanging_up_cancels_runs():
    with fake() as home:
        home.run("version")
        home.run("run", "-", input="x")
        with home.wire() as wire:
            wire.send("run.start", request={"code": "hang"})
            wire.ask("status")
        wait_for(lambda: home.status()["idle"])


def hello(home):
    """Of a client whose configuration takes its time to be read, and a line behind it in the same piece."""
    os.makedirs(home.path("slow"), exist_ok=True)
    params = {"version": "0", "cwd": home.path("slow"), "config_home": home.path("config")}
    return "".join(json.dumps({"jsonrpc": "2.0", "id": i + 1, "method": method, "params": params}) + "\n"
                   for i, method in enumerate(("hello", "run.cancel", "tools.servers")))


@cases.add
def lines_behind_hello_wait_until_the_configuration_was_read():
    with fake() as home:
        home.run("version")
        home.run("run", "-", input="x")
        with home.wire(hello=False) as wire:
            wire.raw(hello(home))
            assert [wire.message()["id"] for _ in range(3)] == [1, 2, 3]
            assert wire.ask("tools.servers")[0]["name"] == "fake"


@cases.add
def hanging_up_while_the_configuration_is_read_harms_nobody():
    with fake() as home:
        home.run("run", "-", input="x")
        pid = home.broker_pid()
        for _ in range(3):
            with home.wire(hello=False) as wire:
                wire.raw(hello(home))
        with home.wire(hello=False) as wire:  # it is read when all of them are over
            wire.raw(hello(home))
            assert wire.message()["id"] == 1
        wait_for(lambda: home.status()["connections"] == 1)
        assert home.broker_pid() == pid


@cases.add
def hanging_up_is_no_line_in_the_log():
    with fake() as home:
        home.run("run", "-", input="x")
        for _ in range(5):
            with home.wire() as wire:
                wire.raw('{"jsonrpc":"2.0","id":7,"method":"status","params":{}}\n' * 200)
        wait_for(lambda: home.status()["connections"] == 1)
        assert "local_client_too_slow" not in home.log(), home.log()


@cases.table([
    ("garbage", "nonsense\n", -32700),
    ("no method", '{"jsonrpc":"2.0","id":1,"method":"nope"}\n', -32601),
    ("hello first", '{"jsonrpc":"2.0","id":1,"method":"run.start"}\n', -32600),
    ("a notification", '{"jsonrpc":"2.0","method":"hello"}\n', -32600),
    ("hello without paths", '{"jsonrpc":"2.0","id":1,"method":"hello","params":{}}\n', -32602),
    ("hello with a relative path",
     '{"jsonrpc":"2.0","id":1,"method":"hello","params":{"cwd":".","config_home":"/x"}}\n', -32602),
])
def wrong_line(line, code):
    with fake() as home:
        home.run("run", "-", input="x")
        with home.wire(hello=False) as wire:
            wire.raw(line)
            assert wire.message()["error"]["code"] == code
            assert wire.ask("status")["version"]  # and the connection goes on


@cases.add
def too_many_requests_at_once_are_refused():
    with fake() as home:
        home.run("run", "-", input="x")
        with home.wire() as wire:
            ids = [wire.send("run.start", request={"code": "hang"}) for _ in range(65)]
            assert "too many" in wire.reply(ids[-1])["error"]["message"]


# ---- configuration ----

BROKEN = "mcpServers:\n  a: {comand: x}\nlimit: 3\n"


@cases.add
def a_broken_config_is_told_whole_at_every_door():
    with fake(BROKEN) as home:
        for args in (["run", "-"], ["tools"], ["config", "show"], ["config", "check"]):
            done = home.run(*args, input="x")
            assert done.returncode == 2, done
            assert "hawser.yaml:2: server a: unknown key comand; did you mean command?" in done.stderr, done.stderr
            assert "hawser.yaml:3: hawser: unknown key limit; did you mean limits?" in done.stderr, done.stderr
        done = home.run("doctor")
        assert done.returncode == 1 and "BAD   configuration" in done.stdout, done.stdout
        with home.mcp() as mcp:
            result = mcp.code("x")
            assert result["isError"] and "hawser.yaml:3" in text_of(result), result
            home.write_config(EMPTY)
            assert text_of(mcp.code("x")) == "1"  # read again, without a restart of anything
            home.write_config("mcpServers:\n  a: {command: x, env: {T: '${SOME_TOKEN}'}}\n")
            assert text_of(mcp.code("x")) == "1"  # its new variable was asked for on the way
            assert not [n for n in mcp.notes if n.get("method") == "hawser/env"]


@cases.add
def no_config_says_what_to_do():
    with fake(None) as home:
        assert "write hawser.yaml" in home.run("config", "check").stdout
        with home.mcp() as mcp:
            assert home.path("config", "hawser", "hawser.yaml") + ":\n" in text_of(mcp.code("fail"))
            assert text_of(mcp.code("x")) == "1"


@cases.add
def config_by_option_is_relative_to_the_client():
    with fake() as home:
        home.write("work/mine.yaml", "limits: {pool: 7}\n")
        shown = json.loads(home.run("config", "show", "--config", "mine.yaml").stdout)
        assert shown["limits"]["pool"]["value"] == 7
        assert shown["limits"]["pool"]["from"].endswith("work/mine.yaml:1")


# ---- MCP ----

@cases.table([(r, r, r) for r in ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")] +
             [("unknown", "2031-01-01", "2025-11-25")])
def revision(asked, given):
    with fake() as home, home.mcp(revision=asked) as mcp:
        assert mcp.hello["protocolVersion"] == given
        tools = {t["name"]: t for t in mcp.ask("tools/list")["tools"]}
        assert sorted(tools) == ["execute_code", "search_tools", "wait_run"]
        assert ("outputSchema" in tools["wait_run"]) == (given >= "2025-06-18")
        assert ("annotations" in tools["wait_run"]) == (given >= "2025-03-26")
        result = mcp.code("x")
        assert ("structuredContent" in result) == (given >= "2025-06-18")
        assert mcp.ask("ping") == {}


CLAIM = "io.modelcontextprotocol/protocolVersion"


@cases.table([
    ("discover", "server/discover", "2026-07-28", "2026-07-28"), ("tools", "tools/list", "2031-01-01", "2031-01-01"),
    ("a call", "tools/call", "2026-07-28", "2026-07-28"), ("initialize", "initialize", "2026-07-28", "2026-07-28"),
    ("a long one", "server/discover", "2" * 200, "another one"),
])
def a_revision_without_a_handshake_is_refused_by_name(method, claim, requested):
    with fake() as home, home.mcp(revision=None) as mcp:
        error = mcp.reply(mcp.begin(method, _meta={CLAIM: claim}))["error"]
        assert error["code"] == -32022, error
        assert requested in error["message"] and "2024-11-05" in error["message"], error
        assert error["data"] == {"supported": ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"],
                                 "requested": requested}, error
        # and the session goes on, in a handshake that may say its own revision as well
        hello = mcp.ask("initialize", protocolVersion=error["data"]["supported"][2], capabilities={},
                        clientInfo={"name": "test", "version": "1"}, _meta={CLAIM: "2025-06-18"})
        assert hello["protocolVersion"] == "2025-06-18", hello
        assert text_of(mcp.code("x")) == "1"


@cases.table([("none", {}), ("a number", {"_meta": {CLAIM: 2026}}), ("no object", {"_meta": 3})])
def what_claims_no_revision_is_no_such_method(params):
    with fake() as home, home.mcp() as mcp:
        assert mcp.reply(mcp.begin("server/discover", **params))["error"]["code"] == -32601


@cases.add
def what_a_model_reads_stays_small():
    with fake() as home, home.mcp() as mcp:
        sizes = {t["name"]: len(t["description"]) for t in mcp.ask("tools/list")["tools"]}
        assert sizes["execute_code"] <= 600 and sizes["search_tools"] <= 150 and sizes["wait_run"] <= 150, sizes
        assert len(mcp.hello["instructions"]) <= 1000, len(mcp.hello["instructions"])
        prompt = mcp.ask("prompts/get", name="code_mode")["messages"][0]["content"]["text"]
        assert len(prompt) <= 3000, len(prompt)


@cases.add
def a_batch_has_a_maximum():
    with fake() as home, home.mcp(revision="2025-03-26") as mcp:
        def ping(i):
            return {"jsonrpc": "2.0", "id": i, "method": "ping"}
        mcp.send([ping(i) for i in range(1000, 1256)])
        assert [mcp.message()["id"] for _ in range(256)] == list(range(1000, 1256))
        mcp.send([ping(i) for i in range(2000, 2257)])
        refused = mcp.message()
        assert refused["id"] is None and refused["error"]["code"] == -32600, refused
        assert mcp.ask("ping") == {}


@cases.add
def variables_have_a_maximum():
    with fake() as home:
        home.run("run", "-", input="x")
        with home.wire() as wire:
            refused = wire.reply(wire.send("env", values=["A=1"] * 1025))
            assert "more than 1024 variables" in refused["error"]["message"], refused
            assert "variables" in wire.ask("env", values=["A=1"] * 1024)


@cases.table([
    ("no tool", {"name": "nope"}, -32602), ("no name", {}, -32602),
    ("arguments are no object", {"name": "execute_code", "arguments": [1]}, -32602),
])
def protocol_error(params, code):
    with fake() as home, home.mcp() as mcp:
        assert mcp.reply(mcp.begin("tools/call", **params))["error"]["code"] == code
        assert mcp.reply(mcp.begin("no/such"))["error"]["code"] == -32601
        mcp.process.stdin.write(b"{nonsense\n")
        mcp.process.stdin.flush()
        assert mcp.message()["error"]["code"] == -32700


@cases.table([
    ("no code", "execute_code", {}), ("wrong kind", "execute_code", {"code": 7}),
    ("unknown key", "execute_code", {"code": "x", "cod": 1}), ("no run", "wait_run", {"run_id": "run_none"}),
    ("a failed run", "execute_code", {"code": "fail"}),
])
def is_an_error_result(name, arguments):
    with fake() as home, home.mcp() as mcp:
        result = mcp.tool(name, **arguments)
        assert result["isError"] and text_of(result), result


@cases.add
def a_long_run_yields_and_wait_run_goes_on():
    with fake("limits: {yield_ms: 150}\n") as home, home.mcp() as mcp:
        result = mcp.code("sleep 700")
        run = result["structuredContent"]
        assert run["status"] == "running" and not result.get("isError")
        assert "wait_run" in text_of(result) and run["run_id"] in text_of(result)
        for _ in range(20):
            result = mcp.tool("wait_run", run_id=run["run_id"])
            if result["structuredContent"]["status"] != "running":
                break
        assert text_of(result) == "1", result
        run = mcp.code("hang")["structuredContent"]
        result = mcp.tool("wait_run", run_id=run["run_id"], cancel=True)
        assert result["isError"] and result["structuredContent"]["status"] == "cancelled"


@cases.add
def a_second_wait_relieves_the_first():
    with fake("limits: {yield_ms: 200}\n") as home, home.mcp() as mcp:
        run = mcp.code("hang")["structuredContent"]["run_id"]
        home.write_config("limits: {yield_ms: 60000}\n")
        first = mcp.begin_tool("wait_run", run_id=run)
        second = mcp.begin_tool("wait_run", run_id=run, cancel=True)
        assert mcp.reply(first)["result"]["structuredContent"]["status"] == "running"
        assert mcp.reply(second)["result"]["structuredContent"]["status"] == "cancelled"


@cases.add
def a_large_reply_is_cut_and_read_on():
    with fake("limits: {reply: 4KiB}\n") as home, home.mcp() as mcp:
        result = mcp.code("big 20000")
        text = text_of(result)
        assert len(text) <= 4096 + 200 and "15906 bytes left out" in text, len(text)
        assert len(json.dumps(result["structuredContent"])) < 8192
        run = text.split('"run_id":"')[1].split('"')[0]
        whole, offset = "", 0
        for _ in range(10):
            part = text_of(mcp.tool("wait_run", run_id=run, offset=offset))
            piece, _, note = part.partition("\n[bytes ")
            whole += piece
            if not note:
                break
            offset = int(note.rsplit(" ", 1)[1].rstrip("]"))
        assert whole == '"' + "x" * 20000 + '"', len(whole)


@cases.add
def cancelled_requests_are_not_answered_and_their_runs_end():
    with fake() as home, home.mcp() as mcp:
        hanging = mcp.begin_tool("execute_code", code="hang")
        mcp.ask("ping")
        mcp.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": hanging}})
        assert mcp.ask("ping") == {}
        assert mcp.code("x")["structuredContent"]["result"] == 1
        assert not [n for n in mcp.notes if n.get("id") == hanging]
        assert mcp.close() == 0
        wait_for(lambda: home.status()["idle"])


@cases.add
def hanging_up_ends_what_was_begun():
    with fake() as home:
        with home.mcp() as mcp:
            mcp.begin_tool("execute_code", code="hang")
            mcp.ask("ping")
        wait_for(lambda: home.status()["idle"])


@cases.add
def stop_in_the_middle_answers_the_run():
    with fake() as home, home.mcp() as mcp:
        run = mcp.begin_tool("execute_code", code="hang")
        mcp.ask("ping")
        os.kill(home.broker_pid(), signal.SIGTERM)
        assert mcp.reply(run)["result"]["isError"]


@cases.add
def a_lost_broker_is_a_pause():
    with fake() as home, home.mcp() as mcp:
        run = mcp.begin_tool("execute_code", code="hang")
        mcp.ask("ping")
        os.kill(home.broker_pid(), signal.SIGKILL)
        result = mcp.reply(run)["result"]
        assert result["isError"] and "broker_lost" in text_of(result), result
        assert text_of(mcp.code("x")) == "1"
        pid = home.broker_pid()
        os.kill(pid, signal.SIGKILL)  # and once more while nothing is open
        wait_for(lambda: not alive(pid))
        assert text_of(mcp.code("x")) == "1"
        assert not [n for n in mcp.notes if "id" in n], mcp.notes


sys.exit(cases.main())
