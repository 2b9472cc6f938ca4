#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""MCP servers behind a URL through the shipped binary: npm's server-everything in both of its HTTP modes, and the fixture
with its faults. Everything on loopback."""
import json
import os
import re
import sys
import tempfile

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../support"))
from hawser import FIXTURE, Home  # noqa: E402
from shipped import peer, plain_client, without_time  # noqa: E402
from tap import Cases  # noqa: E402
from web import Web, certificates, everything, free_port  # noqa: E402

cases = Cases()
TOKEN = "tok-" + "5e1f" * 5


def home(policy=None, env=None, **servers):
    return Home(json.dumps({"mcpServers": servers, "policy": policy or {"default": "allow"}}), env=env)


def value(where, code, **kwargs):
    got = where.code(code, **kwargs)
    assert got["status"] == "ok", (got["error"], got["error_detail"])
    return got["result"]


def servers(where, **kwargs):
    return {s["name"]: s for s in json.loads(where.run("tools", "--servers", "--json", **kwargs).stdout)}


def bad_line(where, **kwargs):
    """doctor's line about the server web, which must be bad."""
    done = where.run("doctor", timeout=90, **kwargs)
    found = re.search(r"^BAD   server web: (.*)$", done.stdout, re.M)
    assert done.returncode == 1 and found, done
    return found.group(1)


# ---- real servers ----

CALLS = [("echo", {"message": "h\u00fc \u20ac"}), ("get-sum", {"a": 2, "b": 3}),
         ("get-structured-content", {"location": "Chicago"}), ("get-tiny-image", {}),
         ("get-resource-links", {"count": 2})]


@cases.table([
    ("streamableHttp, url alone", "streamableHttp", {}),
    ("streamableHttp, type http", "streamableHttp", {"type": "http"}),
    ("sse, type sse", "sse", {"type": "sse"}),
    ("sse, found by itself", "sse", {}),
])
def server_everything_answers_as_over_pipes(mode, entry):
    wanted = plain_client(peer("everything"), CALLS)
    with everything(mode) as url, home(web={**entry, "url": url}) as where:
        assert servers(where)["web"]["state"] in ("idle", "starting", "ready")
        code = "const r = []; for (const [t, a] of %s) r.push(await call_tool('web', t, a, {raw: true})); return r"
        got = value(where, code % json.dumps(CALLS))
        assert without_time(got) == without_time(wanted), (got, wanted)
        many = value(where, "return (await Promise.all([...Array(40).keys()].map(i => web.echo({message: 'm' + i}))))")
        assert [m.split("m")[-1] for m in many] == [str(i) for i in range(40)], many
        state = servers(where)["web"]
        assert state["state"] == "ready" and state["tools"] > 5 and state["trusted"] is False, state
        assert re.search(r"^good  server web: \d+ tools", where.run("doctor", timeout=90).stdout, re.M)


@cases.add
def progress_and_cancel_with_server_everything():
    with everything("streamableHttp") as url, home(web={"url": url}) as where:
        slow = "return await web['trigger-long-running-operation']({duration: %s, steps: %d})"
        assert "3" in json.dumps(value(where, slow % ("0.3", 3)))
        got = where.code(slow % ("30", 3), "--timeout", "1s")
        assert got["status"] == "timeout", got
        assert value(where, "return await web.echo({message: 'still here'})")


@cases.add
def a_server_that_never_stops_sending_harms_no_other():
    pipes = {"command": sys.executable, "args": [FIXTURE]}
    with Web() as web, home(web={"url": web.url()}, pipes=pipes) as where:
        got = value(where, "web.http_endless({}).catch(() => 0); const began = Date.now();"
                    "for (let i = 0; i < 50; i++) await pipes.echo({message: 'm'}); return Date.now() - began", timeout=60)
        assert got < 10000, got


@cases.add
def server_everything_that_is_started_again():
    port = free_port()
    with home(web={"url": "http://127.0.0.1:%d/mcp" % port}) as where:
        for i in range(2):  # it answers 400 to a session of its past life
            with everything("streamableHttp", port):
                assert "n%d" % i in value(where, "return await web.echo({message: 'n%d'})" % i)


# ---- the fixture ----

@cases.add
def headers_variables_and_secrets():
    entry = {"type": "http", "headers": {"Authorization": "Bearer ${TOKEN}"}}
    with Web("--http-require", "Authorization: Bearer " + TOKEN) as web, home(
            web={**entry, "url": web.url()}, other={"url": "${WEB_URL}"}) as where:
        env = {"TOKEN": TOKEN, "WEB_URL": web.url()}
        # the server says it back: nobody sees it
        done = where.run("run", "--json", "-", env=env,
                         input="const t = await web.echo({t: 'X' + %s}); console.log(t); return t" % json.dumps(TOKEN))
        assert done.returncode == 0 and TOKEN not in done.stdout + done.stderr, done
        assert "TOKEN" in done.stdout, done.stdout
        assert TOKEN not in where.run("config", "show", env=env).stdout
        # one client's unset variable is an error of that server and of that client
        found = servers(where)
        assert "${TOKEN} is not set" in found["web"]["problem"], found
        assert "${WEB_URL} is not set" in found["other"]["problem"], found
        wrong = servers(where, env={**env, "TOKEN": "wrong-token"})["web"]
        assert where.run("call", "web.echo", env={**env, "TOKEN": "wrong-token"}).returncode == 1, wrong
        line = bad_line(where, env={**env, "TOKEN": "wrong-token"})
        assert "401" in line and "is the token still good?" in line and "wrong-token" not in line, line
        for folder, _, names in os.walk(where.path("state")):
            for name in names:
                with open(os.path.join(folder, name), "rb") as f:
                    text = f.read()
                assert TOKEN.encode() not in text and b"wrong-token" not in text, name


@cases.add
def two_tokens_are_two_sessions_and_each_is_ended():
    with Web() as web:
        with home(web={"url": web.url(), "headers": {"X-Who": "${WHO}"}}) as where:
            for who in ("anna-1", "bert-2", "anna-1"):
                assert where.run("call", "web.pid", env={"WHO": who}).returncode == 0
        hits = web.hits()
    sessions = {h["headers"]["X-Who"]: h["headers"].get("Mcp-Session-Id") for h in hits if h["method"] == "DELETE"}
    assert len(sessions) == 2 and len(set(sessions.values())) == 2, sessions
    assert sum(h["method"] == "DELETE" for h in hits) == 2, hits


@cases.add
def annotations_count_only_where_the_server_is_trusted():
    with Web() as web, Home(json.dumps({"mcpServers": {
            "web": {"url": web.url()}, "mine": {"url": web.url(), "trusted": True}}})) as where:
        done = where.run("call", "web.echo")
        assert done.returncode == 1 and "- allow: web.echo" in done.stderr, done
        assert where.run("call", "mine.echo").returncode == 0


@cases.table([
    ("401", ["--http-require", "Authorization: Bearer x"], "/mcp",
     'OAuth is not in this version: write headers: {Authorization: "Bearer ${TOKEN}"}'),
    ("404", [], "/nothing", "answered 404 Not Found; check the url"),
    ("redirect to another host", ["--http-redirect", "http://127.0.0.2:9/mcp"], "/mcp",
     "redirects to http://127.0.0.2:9/mcp, which is another host; if you trust it, write that as its url"),
    ("endpoint on another host", ["--http-old", "--http-endpoint", "http://127.0.0.2:9/x"], "/sse",
     "names an endpoint on another host"),
])
def doctor_says_what_is_wrong(switches, path, words):
    with Web(*switches) as web, home(web={"url": web.url(path)}) as where:
        assert words in bad_line(where)
        assert "--- " in where.run("tools", "--logs", "web").stdout


@cases.add
def doctor_says_that_nobody_is_there():
    with home(web={"url": "http://127.0.0.1:%d/mcp" % free_port()}) as where:
        line = bad_line(where)
        assert "cannot be reached at http://127.0.0.1" in line and "is the server running?" in line, line
        for done in (where.run("doctor"), where.run("call", "web.echo")):
            assert re.search(r"correct the url and headers of web \(/.*hawser.yaml:\d+\)", done.stdout + done.stderr), done


@cases.add
def certificates_are_verified():
    with tempfile.TemporaryDirectory() as folder:
        paths = certificates(folder, ["127.0.0.1", "wrong.test"])
        with Web(tls=paths["127.0.0.1"]) as web:
            with home(web={"url": web.url(), "caFile": paths["ca"]}) as where:
                assert value(where, "return await web.echo({a: 1})") == {"a": 1}
            with home(web={"url": web.url()}) as where:
                line = bad_line(where)
                assert "certificate" in line and "write caFile: FILE" in line, line
            assert [h for h in web.hits() if h["path"] == "/mcp"], "the first one came through"
        with Web(tls=paths["wrong.test"]) as web, home(web={"url": web.url(), "caFile": paths["ca"]}) as where:
            line = bad_line(where)
            assert "127.0.0.1" in line and "match" in line, line
            assert not web.hits()


@cases.add
def the_proxy_of_the_clients_environment():
    with Web() as web, home(web={"url": "http://upstream.invalid/mcp"}) as where:
        proxy = {"http_proxy": web.url("")}
        assert where.run("call", "web.echo", env=proxy).returncode == 0
        assert {h["path"] for h in web.hits()} == {"http://upstream.invalid/mcp"}, web.hits()
        for env in ({}, {**proxy, "no_proxy": "upstream.invalid"}):
            done = where.run("call", "web.echo", env=env)
            assert done.returncode == 1 and "upstream.invalid" in done.stderr, done
    # this machine itself is never asked by way of a proxy
    with Web() as web, home(web={"url": web.url()}) as where:
        assert where.run("call", "web.echo", env={"http_proxy": "http://127.0.0.1:9"}).returncode == 0


@cases.add
def faults_as_a_program_sees_them():
    with Web() as web, home(web={"url": web.url()}) as where:
        got = value(where, """
            const r = [];
            for (const [tool, args] of [["http_cut", {}], ["http_cut", {kind: "ids"}], ["http_status", {status: 503}],
                                        ["http_forget", {}], ["echo", {a: 1}]])
              r.push(await web[tool](args).catch((e) => [e.kind, e.message]));
            const big = await web.huge({bytes: 10 << 20});
            return [...r, big.length]""", timeout=60)
        cut, resumed, refused, forgot, after, size = got
        assert cut[0] == "upstream_down" and "in the middle of its answer" in cut[1], cut
        assert resumed == "after the cut" and forgot == "forgotten" and after == {"a": 1}, got
        assert "503" in refused[1] and size == 10 << 20, (refused, size)


@cases.add
def an_answer_of_several_lines_is_one_line_at_every_door():
    with Web("--http-json") as web, home(web={"url": web.url()}) as where:
        done = where.run("call", "web.echo", "--args", '{"a": 0.10}', "--json")
        assert done.returncode == 0 and len(done.stdout.strip().split("\n")) == 1 and "0.10" in done.stdout, done
        code = "return await call_tool('web', 'reflect', {a: 1}, {raw: true})"
        assert value(where, code)["structuredContent"] == {"a": 1}
        with where.mcp() as mcp:  # reads line by line
            assert mcp.code(code)["structuredContent"]["result"]["structuredContent"] == {"a": 1}
        done = where.run("run", "--language", "bash", "-", input="tool call web.reflect --json '{\"a\": 1}'")
        assert done.returncode == 0 and '"a"' in done.stdout, done


@cases.add
def config_check_names_file_and_line():
    with Home("mcpServers:\n  web:\n    url: ftp://x\n  b: {type: http}\n") as where:
        done = where.run("config", "check")
        assert done.returncode != 0, done
        assert re.search(r"hawser.yaml:3: server web.url: it does not begin with http", done.stdout + done.stderr), done
        assert re.search(r"hawser.yaml:4: server b: is of type http and has no url", done.stdout + done.stderr), done


sys.exit(cases.main())
