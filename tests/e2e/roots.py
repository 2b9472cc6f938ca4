#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""MCP roots through the shipped binary: npm's server-filesystem and server-everything see the folders of the client that
drives `hawser mcp`, and of nobody else."""
import json
import os
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../support"))
from hawser import HAWSER, Home, Mcp, alive, text_of, wait_for  # noqa: E402
from shipped import PEERS, fixture, peer  # noqa: E402
from tap import Cases, Skip  # noqa: E402
from web import everything  # noqa: E402

cases = Cases()
LIST = "return (await fs.list_allowed_directories({})).content"
CHANGED = {"jsonrpc": "2.0", "method": "notifications/roots/list_changed"}


class Client(Mcp):
    """Has roots: answers roots/list as long as `roots` is something; else the question stays in notes."""

    def __init__(self, home, roots, declares=True, cwd=None, initialized=True):
        super().__init__(subprocess.Popen([HAWSER, "mcp"], env=home.env, cwd=cwd or home.path("work"),
                                          stdin=subprocess.PIPE, stdout=subprocess.PIPE), None)
        self.roots, self.asked = roots, 0
        self.ask("initialize", protocolVersion="2025-11-25", clientInfo={"name": "roots", "version": "1"},
                 capabilities={"roots": {"listChanged": True}} if declares else {})
        if initialized:
            self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def say(self, question, roots):
        answer = roots if isinstance(roots, dict) else {"result": {"roots": roots}}
        self.send({"jsonrpc": "2.0", "id": question["id"], **answer})

    def message(self, timeout=30):
        message = super().message(timeout)
        if message.get("method") == "roots/list":
            self.asked += 1
            if self.roots is not None:
                self.say(message, self.roots)
        return message

    def question(self):
        """The next roots/list, unanswered."""
        while True:
            for message in self.notes:
                if message.get("method") == "roots/list":
                    self.notes.remove(message)
                    return message
            self.notes.append(self.message())

    def value(self, code, **arguments):
        got = self.code(code, **arguments)
        assert not got.get("isError"), got
        return got["structuredContent"]["result"]


def uri(*parts):
    return {"uri": "file://" + os.path.join(*parts)}


def filesystem(roots="client", *folders):
    return {**peer("filesystem", *folders), **({"roots": roots} if roots else {})}


def home_with(**servers):
    """With folders a, b and c in it; policy allows everything."""
    home = Home({"mcpServers": servers, "policy": {"default": "allow"}})
    home.top = os.path.realpath(home.top)
    for name in "abc":
        os.mkdir(home.path(name))
    return home


def sees(text, home, *names):
    """Exactly these folders of a, b, c and work are in what server-filesystem said."""
    found = sorted(n for n in ("a", "b", "c", "work") if home.path(n) in text.split("\n"))
    assert found == sorted(names), (text, names)


# ---- whose folders ----

@cases.add
def filesystem_has_the_roots_of_the_client_in_the_place_of_its_arguments():
    with home_with(fs=filesystem()) as home:
        home.write_config({"mcpServers": {"fs": filesystem("client", home.path("a"))}, "policy": {"default": "allow"}})
        with Client(home, [{**uri(home.path("b")), "name": "the \"b\""}, uri(home.path("c"))]) as client:
            sees(client.value(LIST), home, "b", "c")
            home.write("b/file", "hello")
            home.write("a/file", "secret")
            read = "return (await fs.read_text_file({path: %s})).content"
            assert client.value(read % json.dumps(home.path("b/file"))) == "hello"
            refused = client.code(read % json.dumps(home.path("a/file")))
            assert refused["isError"] and "Access denied" in text_of(refused), refused
            assert client.asked == 1, client.asked


@cases.add
def a_server_without_the_key_is_not_told_and_keeps_its_arguments():
    with home_with(fs=filesystem()) as home:
        home.write_config({"mcpServers": {"fs": filesystem(None, home.path("a")), "fixture": fixture()},
                           "policy": {"default": "allow"}})
        with Client(home, [uri(home.path("b"))]) as client:
            sees(client.value(LIST), home, "a")
            assert client.value("return (await fixture.state({})).client.capabilities") == {"elicitation": {}}


@cases.add
def a_client_is_asked_when_a_server_wants_its_roots_and_not_before():
    with home_with() as home:
        home.write_config({"mcpServers": {"fs": filesystem(None, home.path("a"))}, "policy": {"default": "allow"}})
        with Client(home, [uri(home.path("b"))]) as client:
            sees(client.value(LIST), home, "a")
            client.roots = [uri(home.path("c"))]
            client.send(CHANGED)
            sees(client.value(LIST), home, "a")
            assert client.asked == 0, client.asked
            home.write_config({"mcpServers": {"fs": filesystem("client", home.path("a"))}, "policy": {"default": "allow"}})
            sees(client.value(LIST), home, "c")
            assert client.asked == 1, client.asked


@cases.add
def two_clients_with_different_roots_are_kept_apart_and_the_same_roots_are_shared():
    with home_with(fs=filesystem(), fixture={**fixture(), "roots": "client"}) as home:
        pid = "return await fixture.pid({})"
        with Client(home, [uri(home.path("a"))]) as one, Client(home, [uri(home.path("b"))]) as two, \
                Client(home, [uri(home.path("a"))]) as third:
            for _ in range(2):
                sees(one.value(LIST), home, "a")
                sees(two.value(LIST), home, "b")
            pids = [client.value(pid) for client in (one, two, third)]
            assert pids[0] == pids[2] != pids[1], pids


@cases.add
def a_client_without_roots_and_hawser_run_have_their_working_directory():
    with home_with(fs=filesystem()) as home:
        with Client(home, None, declares=False) as client, Client(home, None, declares=False, cwd=home.path("a")) as other:
            sees(client.value(LIST), home, "work")
            sees(other.value(LIST), home, "a")
            assert client.asked == 0
        sees(home.code(LIST)["result"], home, "work")


@cases.add
def a_client_that_was_started_in_the_root_folder_has_no_root():
    with home_with(fs=filesystem()) as home:
        home.write_config({"mcpServers": {"fs": filesystem("client", home.path("a"))}, "policy": {"default": "allow"}})
        with Client(home, None, declares=False, cwd="/") as client:
            sees(client.value(LIST), home, "a")


@cases.add
def a_list_in_the_configuration_counts_whoever_calls():
    with home_with(fs=filesystem()) as home:
        os.mkdir(home.path("a", "d \u00e9%"))
        listed = filesystem([home.path("a", "d \u00e9%"), "${HOME}/b", "~/c"])
        home.write_config({"mcpServers": {"fs": listed}, "policy": {"default": "allow"}})
        home.env["HOME"] = home.top
        with Client(home, [uri(home.path("work"))]) as client:
            text = client.value(LIST)
            sees(text, home, "b", "c")
            assert "/a/d \u00e9%" in text, text


# ---- when they change ----

@cases.add
def roots_that_change_count_for_later_runs_and_not_for_one_under_way():
    with home_with(fs=filesystem()) as home:
        with Client(home, [uri(home.path("a"))]) as client:
            code = ("console.log('begun'); for (;;) { try { await fs.get_file_info({path: %s}); break } catch (e) {"
                    "  if (!e.message.includes('ENOENT')) throw e; await new Promise((r) => setTimeout(r, 50)) } }" % json.dumps(home.path("a/marker")))
            first = client.begin_tool("execute_code", token="t", code=code + LIST, language="javascript")
            while client.message().get("method") != "notifications/progress":
                pass
            client.roots = [uri(home.path("b"))]
            client.send(CHANGED)
            sees(client.value(LIST), home, "b")
            home.write("a/marker", "")
            sees(client.reply(first)["result"]["structuredContent"]["result"], home, "a")
            assert client.asked == 2, client.asked


@cases.add
def servers_of_roots_that_were_left_end():
    with home_with(fixture={**fixture(), "roots": "client"}) as home, Client(home, [uri(home.path("a"))]) as client:
        pids = []

        def living():
            return [pid for pid in pids if alive(pid)]

        for i in range(10):
            client.roots = [uri(home.path("a", str(i)))]
            client.send(CHANGED)
            pids.append(int(client.value("return await fixture.pid({})")))
        assert len(set(pids)) == 10, pids
        wait_for(lambda: len(living()) <= 3)  # in use, and two before it
        wait_for(lambda: living() == [pids[-1]], 60)  # not in ten minutes
        client.send(CHANGED)
        assert int(client.value("return await fixture.pid({})")) == pids[-1]


@cases.add
def calls_wait_for_the_answer_and_a_change_before_it_is_asked_about_again():
    with home_with(fs=filesystem()) as home:
        with Client(home, None) as client:
            first = client.question()
            waits = client.begin_tool("execute_code", code=LIST, language="javascript")
            given_up = client.begin_tool("execute_code", code="return 1", language="javascript")
            client.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": given_up}})
            client.send(CHANGED)
            client.ask("ping")  # what came before it was read
            client.say(first, [uri(home.path("a"))])
            second = client.question()
            assert second["id"] != first["id"]
            client.say(first, [uri(home.path("c"))])  # answers nothing any more
            client.say(second, [uri(home.path("b"))])
            sees(client.reply(waits)["result"]["structuredContent"]["result"], home, "b")
            assert len(os.listdir(home.path("state", "hawser", "runs"))) == 1, "the call that was given up ran"


@cases.add
def a_client_that_calls_before_initialized_is_asked_all_the_same():
    with home_with(fs=filesystem()) as home, Client(home, [uri(home.path("a"))], initialized=False) as client:
        sees(client.value(LIST), home, "a")


@cases.add
def roots_outlast_a_broker_and_a_change_of_the_configuration():
    with home_with(fs=filesystem()) as home, Client(home, [uri(home.path("a"))]) as client:
        sees(client.value(LIST), home, "a")
        pid = home.broker_pid()
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not alive(pid))
        sees(client.value(LIST), home, "a")
        assert client.asked == 2, client.asked
        home.write_config({"mcpServers": {"fs": filesystem()}, "policy": {"default": "allow"}, "limits": {"pool": 1}})
        sees(client.value(LIST), home, "a")
        assert client.asked == 2, client.asked


@cases.add
def a_second_handshake_frees_the_calls_that_waited_for_an_answer_to_the_first():
    declares = {"protocolVersion": "2025-11-25", "clientInfo": {"name": "again", "version": "1"}}
    with home_with(fs=filesystem()) as home:
        with Client(home, None) as client:
            client.question()
            waits = client.begin_tool("execute_code", code=LIST, language="javascript")
            client.ask("initialize", capabilities={}, **declares)
            sees(client.reply(waits)["result"]["structuredContent"]["result"], home, "work")
            sees(client.value(LIST), home, "work")
        with Client(home, None) as client:
            first = client.question()
            waits = client.begin_tool("execute_code", code=LIST, language="javascript")
            client.ask("initialize", capabilities={"roots": {}}, **declares)
            second = client.question()  # the call wants them, also without "initialized"
            client.say(first, [uri(home.path("c"))])  # answers nothing any more
            client.say(second, [uri(home.path("a"))])
            sees(client.reply(waits)["result"]["structuredContent"]["result"], home, "a")


@cases.add
def what_waits_is_bounded_and_costs_nothing_meanwhile():
    with home_with(fs=filesystem()) as home, Client(home, None) as client, Client(home, None, declares=False) as other:
        question = client.question()
        big = [client.begin_tool("execute_code", code="return 1 //" + "x" * (3 << 20)) for _ in range(5)]
        small = client.begin_tool("execute_code", code=LIST, language="javascript")
        refused = client.reply(client.begin_tool("execute_code", code="return 2 //" + "x" * (3 << 20)))
        assert refused["error"]["code"] == -32603 and "when it has answered" in refused["error"]["message"], refused
        over = client.reply(client.begin_tool("execute_code", code="x" * (8 << 20)))["result"]
        assert over["isError"] and text_of(over).startswith("too_large: "), over
        began = time.monotonic()
        for i in range(1000):  # each once read 15 MiB again
            client.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 10 ** 6 + i}})
            client.send({"jsonrpc": "2.0", "method": "hawser/env", "params": {"values": []}})
        client.ask("ping")
        other.ask("ping")
        assert time.monotonic() - began < 10, time.monotonic() - began
        for call in big:
            client.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": call}})
        client.say(question, [uri(home.path("a"))])
        sees(client.reply(small)["result"]["structuredContent"]["result"], home, "a")
        assert len(os.listdir(home.path("state", "hawser", "runs"))) == 1, "a call that was given up ran"


@cases.table([("short", 1, None), ("too long to be kept by the relay", 100000, "Nothing was done; send it again")])
def a_call_that_waits_is_given_back_when_the_broker_stops(size, said):
    with home_with(fs=filesystem()) as home, Client(home, None) as client:
        client.question()
        call = client.begin_tool("execute_code", code=LIST + " //" + "x" * size, language="javascript")
        client.ask("ping")
        client.roots = [uri(home.path("a"))]
        assert home.run("stop").returncode == 0
        answer = client.reply(call)["result"]
        if said:
            assert answer["isError"] and said in text_of(answer), answer
        else:
            sees(answer["structuredContent"]["result"], home, "a")


# ---- what a client may send ----

FILES = [uri("/"), uri("/tmp")]
LONG = [{"uri": "file:///" + "x" * 9000}]


@cases.table([
    ("10,000 of them", [uri("/nowhere/%d" % i) for i in range(10000)], "more_than_fit=yes"),
    ("ten long ones, more than 64 KiB", [{"uri": "file:///" + "x" * 8000 + str(i)} for i in range(10)], "more_than_fit=yes"),
    ("one too long", LONG, "no_file_uri=1"),
    ("no file URIs", [{"uri": u} for u in ("http://x/", "file://host/share", "/plain", "FILE:///", "file:", "")],
     "no_file_uri=6"),
    ("control characters", [{"uri": "file:///a\n\u001b[2J"}, {"uri": "file:///a\u007f"}], "no_file_uri=2"),
    ("no objects", [1, None, [], "file:///x", {"uri": 7}, {}], "no_file_uri=6"),
])
def a_root_that_cannot_be_used_is_left_out_with_a_line_in_the_log(roots, line):
    with home_with(fs=filesystem()) as home:
        # in front, so that it counts before the rest is cut
        with Client(home, [uri(home.path("a")), *roots]) as client:
            sees(client.value(LIST), home, "a")
        assert "event=mcp_roots_left_out" in home.log() and line in home.log(), home.log()


@cases.table([
    ("nothing", {"result": {}}), ("no list", {"result": {"roots": "file:///"}}),
    ("an error", {"error": {"code": -32603, "message": "no"}}),
])
def an_answer_without_roots_leaves_the_working_directory(answer):
    with home_with(fs=filesystem()) as home, Client(home, answer) as client:
        sees(client.value(LIST), home, "work")
        assert "event=mcp_roots_failed" in home.log(), home.log()


@cases.add
def an_empty_list_is_no_root_and_not_the_working_directory():
    with home_with(fs=filesystem()) as home:
        home.write_config({"mcpServers": {"fs": filesystem("client", home.path("a"))}, "policy": {"default": "allow"}})
        with Client(home, []) as client:
            sees(client.value(LIST), home, "a")


@cases.add
def a_client_that_never_answers_is_waited_for_once():
    with home_with(fs=filesystem()) as home, Client(home, None) as client:
        sees(client.value(LIST), home, "work")
        assert "event=mcp_roots_late" in home.log(), home.log()
        sees(client.value(LIST), home, "work")
        client.say(client.question(), [uri(home.path("a"))])  # late, and still right
        sees(client.value(LIST), home, "a")
        assert home.log().count("event=mcp_roots_late") == 1


# ---- other servers, other clients ----

@cases.table([(r, r) for r in ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")])
def a_server_of_each_handshake_revision_hears_of_the_capability(revision):
    server = {**fixture("--protocol", revision, "--ask", "roots/list"), "roots": "client"}
    with home_with(fixture=server) as home, Client(home, [uri(home.path("b"))]) as client:
        got = client.value("return (await fixture.state({})).client.capabilities")
        assert got == {"elicitation": {}, "roots": {"listChanged": False}}, got
        wait_for(lambda: json.dumps([uri(home.path("b"))]).replace(" ", "") in
                 home_logs(home))


def home_logs(home):
    folder = home.path("state", "hawser", "logs")
    return "".join(open(os.path.join(folder, name), encoding="utf-8").read() for name in os.listdir(folder))


@cases.table([("pipes", None), ("Streamable HTTP", "streamableHttp"), ("HTTP+SSE", "sse")])
def server_everything_lists_the_roots_by(mode):
    def look(entry):
        with home_with(web={**entry, "roots": "client"}) as home:
            with Client(home, [uri(home.path("a")), {**uri(home.path("b")), "name": "bee"}]) as client:
                text = client.value("return await web['get-roots-list']({})")
                assert all(word in text for word in (home.path("a"), home.path("b"), "bee")), text
    if not mode:
        look(peer("everything"))
        return
    with everything(mode) as url:
        look({"url": url})


@cases.add
def the_npm_sdk_as_the_client():
    folder = os.path.join(PEERS, "sdk")
    if not os.path.exists(os.path.join(folder, "version")):
        raise Skip("npm package @modelcontextprotocol/sdk is missing: tests/peers sdk")
    with home_with(fs=filesystem()) as home:
        words = [peer("filesystem")["command"], os.path.join(HERE, "clients", "roots.mjs"), folder, home.path("a"),
                 home.path("b"), HAWSER, "mcp"]
        done = subprocess.run(words, env=home.env, cwd=home.path("work"), text=True, capture_output=True, timeout=60,
                              check=False)
        assert done.returncode == 0, done
        before, after = json.loads(done.stdout)
        sees(before, home, "a")
        sees(after, home, "b")


sys.exit(cases.main())
