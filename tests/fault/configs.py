#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Wrong input before anything runs: configurations, missing interpreters, machines that cannot wall, folders."""
import json
import os
import sys

from faults import (Cases, Home, Skip, apart, call, config, cover, fixture, forget_log, mount, text_of,
                    without_user_name_spaces)

cases = Cases()
BROKEN = """mcpServers:
  one: {comand: x}
  two:
    command: y
    args: nope
    timeout: -5
limit: 3
limits:
  runs: many
  reply: 3PB
policy:
  default: perhaps
  rules:
    - alow: "*"
providers: [nowhere]
"""
FAULTS = [(2, "comand"), (5, "args"), (6, "timeout"), (7, "limit"), (9, "runs"), (10, "reply"), (12, "must be allow, deny or ask"), (14, "alow"),
          (15, "there is no provider nowhere; write providers: [process]")]


@cases.add
def all_faults_of_a_configuration_are_told_at_once_with_file_and_line():
    with Home(BROKEN) as home:
        file = home.path("config", "hawser", "hawser.yaml")
        for args in (["config", "check"], ["run", "-"], ["tools"], ["call", "a.b"], ["config", "show"]):
            done = home.run(*args, input="return 1")
            assert done.returncode == 2, done
            told = done.stdout + done.stderr
            for line, word in FAULTS:
                assert any(l.split(":", 2)[1:2] == [str(line)] and word in l for l in places(told, file)), (line, word, told)
        with home.mcp() as mcp:
            for answer in (mcp.code("return 1"), mcp.tool("search_tools", query="")):
                assert answer["isError"] and len(places(text_of(answer), file)) >= len(FAULTS), answer


def places(text, file):
    """Lines that begin with the file."""
    return [line[line.index(file):].replace(file, "FILE") for line in text.splitlines() if file + ":" in line]


@cases.table([
    ("a tab", "mcpServers:\n\ta: 1\n", 2), ("an open bracket", "mcpServers: {a: {command: x}\nlimits: {}\n", 2),
    ("twice the same key", "limits: {}\nmcpServers: {}\nlimits: {}\n", 3), ("a list", "- a\n- b\n", 1),
    ("not UTF-8", b"# \xff\xfe\nlimits: {}\n", 1), ("zeros", b"\0\0\0\0", 1),
    ("an alias bomb", "a: &a [x, x]\nb: &b [*a, *a]\n", 2),
])
def is_told_with_its_line(text, line):
    with Home("mcpServers: {}") as home:
        with open(home.path("config", "hawser", "hawser.yaml"), "wb") as f:
            f.write(text if isinstance(text, bytes) else text.encode())
        done = home.run("config", "check")
        assert done.returncode == 2 and "hawser.yaml:%d" % line in done.stdout + done.stderr, done


@cases.add
def json_faults_have_lines_too():
    with Home(None) as home:
        home.write_config('{\n "mcpServers": {\n  "a": {"command": "x", "commnd": "y"}\n },\n "limits": {"runs": "x"}\n}\n', "hawser.json")
        done = home.run("config", "check")
        assert "hawser.json:3: " in done.stderr and "hawser.json:5: " in done.stderr, done
        home.write_config('{"mcpServers": {},\n "limits": }', "hawser.json")
        done = home.run("config", "check")
        assert done.returncode == 2 and "hawser.json:2" in done.stderr, done


@cases.add
def a_file_that_is_named_but_not_there_is_told():
    with Home() as home:
        done = home.run("run", "--config", "nowhere.yaml", "-", input="return 1")
        assert done.returncode == 2 and "nowhere.yaml" in done.stderr and "No such file" in done.stderr, done


@cases.add
def unset_variables_are_told_with_their_place():
    text = "mcpServers:\n  a:\n    command: x\n    env:\n      T: ${NOT_SET_A}\n      U: ${NOT_SET_B}\n  b: {command: no-such-thing}\n"
    with Home(text) as home:
        done = home.run("tools", "--servers")
        for word in ("NOT_SET_A", "hawser.yaml:"):
            assert word in done.stdout + done.stderr, done
        done = home.run("doctor")
        assert "NOT_SET_A" in done.stdout, done
        assert home.code("return 1")["result"] == 1


@cases.add
def a_configuration_without_servers_is_no_circle():
    with Home("") as home:
        assert "hawser doctor" in home.run("tools").stderr
        told = home.run("doctor").stdout
        assert "no server is configured" in told and "hawser init" in told and "about the rest you are asked" in told, told


@cases.add
def a_configuration_that_changes_under_a_client_is_used():
    with Home(config(one=fixture())) as home, home.mcp() as mcp:
        assert call(mcp.code("return await one.echo({n: 1})"))["result"] == {"n": 1}
        home.write_config(config(two=fixture("--page", "9")))
        assert call(mcp.code("return await two.echo({n: 2})"))["result"] == {"n": 2}
        assert mcp.code("return await one.echo({n: 1})")["isError"]
        home.write_config(BROKEN)
        failed = mcp.code("return 1")
        assert failed["isError"] and "hawser.yaml:2" in text_of(failed) and "hawser.yaml:14" in text_of(failed), failed
        os.unlink(home.path("config", "hawser", "hawser.yaml"))
        home.write_config(config(three=fixture()))
        assert call(mcp.code("return await three.echo({n: 3})"))["result"] == {"n": 3}


@cases.add
def a_run_that_has_begun_ends_by_the_rules_it_began_with():
    with Home(config(one=fixture())) as home, home.mcp() as mcp:
        request = mcp.begin_tool("execute_code", code="await one.slow({ms: 700}); return await one.echo({n: 1})")
        mcp.ask("ping")
        home.write_config(BROKEN)
        assert mcp.code("return 1")["isError"]
        assert call(mcp.reply(request)["result"])["result"] == {"n": 1}


# ---- interpreters and walls ----

@cases.add
def an_interpreter_that_is_not_there_is_named():
    with Home({**config(), "runtimes": {"python": "/nowhere/bin/python3"}}) as home:
        done = home.run("run", "-l", "python", "-", input="1")
        assert done.returncode != 0 and "/nowhere/bin/python3" in done.stderr, done
        assert home.code("return 1")["result"] == 1  # at once: others are not held up by it
        assert "/nowhere/bin/python3" in home.run("doctor").stdout
        done = home.run("config", "check")
        assert done.returncode == 2 and "hawser.yaml:1: runtimes.python: /nowhere/bin/python3: No such file" in done.stderr, done


@cases.add
@apart
def without_bubblewrap_runs_are_refused_with_what_to_install():
    cover("/usr/bin/bwrap")
    with Home(config()) as home, home.mcp() as mcp:
        done = home.run("run", "-", input="return 1")
        assert done.returncode != 0, done
        for text in (done.stderr, text_of(mcp.code("return 1")), home.run("doctor").stdout):
            assert "bubblewrap" in text and "apt" in text, text


@cases.add
@apart
def without_user_name_spaces_runs_are_refused_with_the_cure():
    without_user_name_spaces()
    with Home(config()) as home, home.mcp() as mcp:
        for text in (home.run("run", "-", input="return 1").stderr, text_of(mcp.code("return 1")), home.run("doctor").stdout):
            assert "max_user_namespaces" in text, text


@cases.add
@apart
def without_an_interpreter_in_path_the_language_is_named():
    with Home(config()) as home:
        empty = home.path("empty")
        os.mkdir(empty)
        for name in ("bash", "sh", "bwrap", "python3"):
            for folder in ("/usr/bin", "/bin"):
                if os.path.exists(os.path.join(folder, name)) and not os.path.exists(os.path.join(empty, name)):
                    os.symlink(os.path.join(folder, name), os.path.join(empty, name))
        home.env["PATH"] = empty
        done = home.run("run", "-", input="return 1")
        if done.returncode == 0:
            raise Skip("node is found without PATH")
        assert "node" in done.stderr, done
        assert home.code("1 + 1", "-l", "python")["result"] == 2


# ---- folders ----

@cases.table([("a runtime folder that is a file", "XDG_RUNTIME_DIR"), ("a state folder that is a file", "XDG_STATE_HOME")])
def is_told_by_name(variable):
    with Home(config()) as home:
        file = home.write("work/file", "x")
        done = home.run("run", "-", input="return 1", env={variable: file})
        if variable == "XDG_RUNTIME_DIR":  # not a folder of ours: the state folder is used instead
            assert done.returncode == 0, done
            home.run("stop", env={variable: file})
        else:
            assert done.returncode == 3 and file in done.stderr, done


@cases.add
@apart
def a_runtime_folder_that_cannot_be_written_is_named():
    with Home(config()) as home:
        mount("tmpfs", home.path("runtime"), "tmpfs", data="size=64k,mode=0700")
        mount("none", home.path("runtime"), None, 0x20 | 1)  # MS_REMOUNT | MS_RDONLY
        done = home.run("run", "-", input="return 1")
        assert done.returncode == 3 and home.path("runtime") in done.stderr and "Read-only" in done.stderr, done


@cases.add
def a_path_too_long_for_a_socket_is_told_with_the_cure():
    with Home(config()) as home:
        deep = home.path("x" * 100)
        os.mkdir(deep)
        done = home.run("run", "-", input="return 1", env={"XDG_RUNTIME_DIR": deep})
        assert done.returncode == 3 and "XDG_RUNTIME_DIR" in done.stderr and deep in done.stderr, done


@cases.add
def a_path_too_long_for_the_sockets_of_sandboxes_is_told_too():
    with Home(config()) as home:
        deep = home.path("y" * (80 - len(home.path(""))))
        os.mkdir(deep)
        done = home.run("run", "-", input="return 1", env={"XDG_RUNTIME_DIR": deep})
        assert done.returncode == 0 or "XDG_RUNTIME_DIR" in done.stderr, done
        home.run("stop", env={"XDG_RUNTIME_DIR": deep})
        forget_log(home)


@cases.add
def a_first_provider_that_cannot_be_opened_lowers_no_floor():
    first = {"fake": {"unix_path": "/nowhere/guest.sock", "secret_file": "/nowhere/secret", "tunnel": "c0" * 16, "isolation": "vm"}}
    with Home({**config(), "providers": [first, "process"]}) as home:
        done = home.run("run", "-", input="return 1")
        assert done.returncode and "provider fake: secret_file" in done.stderr and "the floor is vm" in done.stderr, done
    with Home({**config(), "providers": [first, "process"], "isolation": "process"}) as home:
        assert home.code("return 1")["sandbox"]["provider"] == "process"


@cases.add
def no_configuration_says_what_to_do_and_runs():
    with Home(None) as home, home.mcp() as mcp:
        assert "hawser.yaml" in home.run("config", "check").stdout
        assert home.code("return 1")["result"] == 1
        assert "hawser.yaml" in text_of(mcp.code("return await nothing.here({})")) + json.dumps(mcp.tool("search_tools", query="x"))


sys.exit(cases.main())
