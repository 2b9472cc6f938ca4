#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Servers that do not start, write garbage or die: each loses only its own name space, and the run says so."""
import json
import os
import sys

from faults import Cases, Home, SERVER, alive, below, call, config, fixture, text_of, wait_for

cases = Cases()
NOT_THERE = {"command": "no-such-program-anywhere"}
# name, server, words of the error
BAD = [
    ("a program that is not there", NOT_THERE, ["no-such-program-anywhere"]),
    ("a path that is not there", {"command": "/nowhere/server"}, ["/nowhere/server"]),
    ("no program at all", {"command": "/etc/passwd"}, ["/etc/passwd", "it is not executable"]),
    ("a folder that is not there", fixture(cwd="/nowhere"), ["/nowhere"]),
    ("exits at once", fixture("--exit", "3", "--stderr", "no licence found"), ["status 3", "no licence found"]),
    ("exits after the handshake", fixture("--crash-initialized", "4"), ["status 4"]),
    ("refuses the handshake", fixture("--init-error", "come back later"), ["come back later"]),
    ("cannot list", fixture("--list-error", "no list today"), ["no list today"]),
    ("never answers", fixture("--silent", startTimeout=1000), ["1"]),
    ("writes garbage only", {"command": "sh", "args": ["-c", "while echo some words; do :; done"]}, []),
    ("writes without an end", {"command": "sh", "args": ["-c", "tr '\\0' x </dev/zero"]}, []),
    ("an unset variable", fixture(env={"T": "${NOT_SET_ANYWHERE}"}), ["NOT_SET_ANYWHERE", "hawser.yaml:"]),
]


@cases.table(BAD)
def loses_its_own_name_space_only(server, words):
    with Home(config({}, bad=server, good=fixture())) as home, home.mcp() as mcp:
        result = call(mcp.code("""
            const good = await good_or('good'), bad = await good_or('bad');
            async function good_or(name) {
              try { return await callMCPTool(name, 'echo', {n: 1}) }
              catch (e) { return {kind: e.kind, server: e.server, message: e.message} }
            }
            return {good, bad}"""))["result"]
        assert result["good"] == {"n": 1}, result
        assert result["bad"]["kind"] == "upstream_down" and result["bad"]["server"] == "bad", result
        for word in words:
            assert word in result["bad"]["message"], result
        failed = mcp.code("return await bad.echo({})")
        assert failed["isError"] and "upstream_down" in json.dumps(failed) and "bad" in text_of(failed), failed
        names = [t["server"] for t in mcp.tool("search_tools", query="echo")["structuredContent"]["results"]]
        assert "good" in names and "bad" not in names, names
        listed = {s["name"]: s for s in json.loads(home.run("tools", "--servers", "--json").stdout)}
        assert listed["good"]["state"] == "ready" and listed["bad"]["state"] != "ready", listed
        for word in words:
            assert word in listed["bad"]["problem"], listed


@cases.add
def a_servers_own_timeout_is_that_of_its_calls():
    with Home(config({"call_ms": 500}, short=fixture(timeout=300), long=fixture(timeout=20000))) as home:
        for name, wanted in (("short", "did not answer within 300 ms"), ("long", "in time")):
            result = home.code("return await callMCPTool('%s', 'slow', {ms: 900}).then(() => 'in time', (e) => e.message)"
                               % name)["result"]
            assert wanted in result, (name, result)


@cases.add
def an_entry_that_was_edited_counts_at_once():
    with Home(config({}, one=fixture("--silent", startTimeout=60000))) as home, home.mcp() as mcp:
        first = mcp.begin_tool("execute_code", code="return await one.echo({})")
        mcp.ask("ping")
        home.write_config(config({}, one=fixture("--silent", startTimeout=300)))
        assert "300 ms" in text_of(mcp.code("return await one.echo({})")), first
        home.write_config(config({}, other=fixture("--silent", startTimeout=300)))
        told = text_of(mcp.code("return await callMCPTool('other', 'echo', {})"))
        assert 'server "other"' in told and '"one"' not in told, told


@cases.add
def a_server_that_dies_in_the_middle_of_a_call_is_told_and_comes_back():
    with Home(config(bad=fixture("secrets", program=SERVER), good=fixture())) as home, home.mcp() as mcp:
        result = call(mcp.code("""
            const out = [];
            for (const call of [() => bad.plain({}), () => bad.die({}), () => good.echo({n: 2}), () => bad.plain({})])
              out.push(await call().catch((e) => [e.kind, e.message, e.fix, e.retryable]));
            return out"""))["result"]
        assert result[0] == result[3] == "called {}", result
        kind, message, fix, retryable = result[1]
        assert kind == "upstream_down" and "status 9" in message and "dying of" in message, result
        assert "may have had its effect" in fix and not retryable, result
        assert result[2] == {"n": 2}, result


@cases.add
def garbage_between_messages_is_told_and_does_no_harm():
    with Home(config(bad=fixture("--garbage", "50"))) as home, home.mcp() as mcp:
        assert call(mcp.code("return await bad.echo({n: 3})"))["result"] == {"n": 3}
        assert "upstream_garbage" in home.log()


@cases.add
def calls_in_flight_when_it_is_killed_all_end():
    with Home(config(bad=fixture("--page", "1000"), good=fixture())) as home, home.mcp() as mcp:
        call(mcp.code("await bad.echo({}); await good.echo({})"))
        request = mcp.begin_tool("execute_code", code="""
            const calls = Array.from({length: 50}, () => bad.slow({ms: 30000}).catch((e) => e.kind));
            await good.echo({}); console.log('begun');
            const kinds = await Promise.all(calls);
            return [kinds.length, [...new Set(kinds)], await good.echo({n: 4})]""")
        runs = home.path("state", "hawser", "runs")
        wait_for(lambda: sum(os.path.getsize(os.path.join(runs, n, "events")) for n in os.listdir(runs)) > 0)
        os.kill(int(next(line for line in home.log().splitlines() if "upstream_ready" in line and "server=bad" in line)
                    .split("pid=")[1].split()[0]), 9)
        result = call(mcp.reply(request)["result"])["result"]
        assert result == [50, ["upstream_down"], {"n": 4}], result


@cases.add
def two_values_of_a_variable_make_two_servers_and_equal_ones_share():
    servers = config(env=fixture("env", program=SERVER, env={"TOKEN": "${WHO:-}"}))
    with Home(servers) as home:
        clients = [home.mcp(env={"WHO": who}) for who in ("al", "al", "bo")]  # short values are no secrets
        try:
            seen = [call(c.code("return await env.value({})"))["result"] for c in clients]
            assert [s["token"] for s in seen] == ["al", "al", "bo"], seen
            assert seen[0]["pid"] == seen[1]["pid"] != seen[2]["pid"], seen
            assert len(below(home.broker_pid(), SERVER)) == 2
        finally:
            for c in clients:
                c.close()
        assert all(alive(s["pid"]) for s in seen), "servers stay a while for the next client"
        again = json.loads(home.run("call", "env.value", env={"WHO": "bo"}).stdout)
        assert again["pid"] == seen[2]["pid"], (again, seen)
        logs = [n for n in os.listdir(home.path("state", "hawser", "logs")) if n.startswith("env-")]
        assert len(logs) in (0, 2), logs


@cases.add
def an_unset_variable_of_one_client_is_no_matter_of_the_other():
    with Home(config(env=fixture("env", program=SERVER, env={"TOKEN": "${WHO}"}))) as home:
        with home.mcp() as without, home.mcp(env={"WHO": "al"}) as having:
            failed = without.code("return await env.value({})")
            assert failed["isError"] and "${WHO}" in text_of(failed) and "not set" in text_of(failed), failed
            assert call(having.code("return await env.value({})"))["result"]["token"] == "al"


sys.exit(cases.main())
