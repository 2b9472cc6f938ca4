#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A server that asks a person while it works on a call: the same people are asked, by its own form."""
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "support"))
# pylint: disable=wrong-import-position
from follower import Follower, Program
from hawser import FIXTURE, TOP, Home, wait_for
from mcp import answer, client, until, value
from tap import Cases, Skip
from terminal import Terminal
from web import Web

cases = Cases()
SCHEMA = {"type": "object", "properties": {
    "name": {"type": "string", "title": "Your name", "minLength": 2},
    "size": {"type": "string", "enum": ["small", "large"]},
    "count": {"type": "integer", "default": 3},
    "sure": {"type": "boolean"}}, "required": ["name", "sure"]}
FILLED = {"name": "Anna", "size": "small", "count": 3, "sure": True}


def asking(**limits):
    return Home({"mcpServers": {"fixture": {"command": sys.executable, "args": [FIXTURE]}}, "limits": limits})


def ask(schema=None, message="Who are you?\nReally?", **more):
    params = {"message": message, "requestedSchema": schema or SCHEMA, **more}
    return "const r = await fixture.ask({method: 'elicitation/create', params: %s}); return r.result ?? r" % json.dumps(params)


@cases.table([
    ("accepted", {"action": "accept", "content": FILLED}, {"action": "accept", "content": FILLED}),
    ("declined", {"action": "decline"}, {"action": "decline"}),
    ("dismissed", {"action": "cancel"}, {"action": "cancel"}),
    ("what does not fit is not passed on", {"action": "accept", "content": {"name": "x"}}, {"action": "decline"}),
])
def by_the_mcp_client(said, heard):
    with asking() as home, client(home) as mcp:
        call = mcp.begin_tool("execute_code", code=ask())
        question = until(mcp, "elicitation/create")
        assert question["params"]["requestedSchema"] == SCHEMA, question
        lines = question["params"]["message"].split("\n")
        assert lines[0] == "fixture.ask asks you (the words are the server's):", lines
        assert lines[1:3] == ["  Who are you?", "  Really?"], lines
        answer(mcp, question, said)
        assert value(mcp.reply(call)) == heard
        with open(home.path("state", "hawser", "audit.jsonl"), encoding="utf-8") as f:
            line = json.loads(f.read().splitlines()[-1])
        assert line["verdict"] == "allow" and line["answered_by"] == "elicitation of a ???client", line
        assert "Anna" not in json.dumps(line), line


def ask_when(**when):
    return ask().replace("fixture.ask({", "fixture.ask({...%s, " % json.dumps(when))


def notes_of(mcp):
    """What it was sent so far, without waiting."""
    while not mcp.lines.empty():
        mcp.notes.append(mcp.message())
    return [m.get("method") for m in mcp.notes]


@cases.add
def a_question_that_may_be_another_clients_is_shown_to_nobody():
    with asking() as home, client(home) as one, client(home) as two:
        first = one.begin_tool("execute_code", code=ask_when(open=2))
        wait_for(lambda: json.loads(home.run("call", "fixture.state", "--json").stdout)["content"][0]["text"].count('"open": 2'))
        second = two.begin_tool("execute_code", code="return fixture.slow({ms: 1500})")
        assert value(one.reply(first)) == {"action": "decline"}
        assert value(two.reply(second)) == "waited 1500 ms"
        assert "elicitation/create" not in notes_of(one) + notes_of(two)
        assert "event=elicitation_declined" in home.log()
        with open(home.path("state", "hawser", "audit.jsonl"), encoding="utf-8") as f:
            assert [r for r in map(json.loads, f) if r.get("rule") == "elicitation" and r["verdict"] == "deny"]


@cases.add
def two_calls_of_one_client_are_no_doubt():
    with asking() as home, client(home) as mcp:
        call = mcp.begin_tool("execute_code", code="const s = fixture.slow({ms: 1500}); %s" % ask_when(open=2).replace(
            "return r.result", "await s; return r.result"))
        answer(mcp, until(mcp, "elicitation/create"), {"action": "decline"})
        assert value(mcp.reply(call)) == {"action": "decline"}


@cases.add
def what_a_call_asks_that_was_given_up_is_not_put_to_the_next_client():
    with asking() as home, client(home) as one, client(home) as two:
        first = one.begin_tool("execute_code", code=ask_when(deaf=True, open=2))
        wait_for(lambda: json.loads(home.run("call", "fixture.state", "--json").stdout)["content"][0]["text"].count('"open": 2'))
        one.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": first}})
        second = two.begin_tool("execute_code", code="return fixture.slow({ms: 1500})")
        assert value(two.reply(second)) == "waited 1500 ms"
        assert "elicitation/create" not in notes_of(two)
        assert "event=elicitation_declined" in home.log()


def give_up(mcp, home, code):
    """A call of the client that is at the server, and cancelled there."""
    def state():
        return json.loads(json.loads(home.run("call", "fixture.state", "--json").stdout)["content"][0]["text"])
    call, before = mcp.begin_tool("execute_code", code=code), len(state()["cancelled"])
    wait_for(lambda: state()["open"] == 2)
    mcp.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": call}})
    wait_for(lambda: len(state()["cancelled"]) > before)
    return state


@cases.add
def a_call_that_was_given_up_counts_until_it_is_answered_and_not_longer():
    with asking() as home, client(home) as one, client(home) as two:
        state = give_up(one, home, "return fixture.slow({ms: 4000, deaf: true})")
        assert value({"result": two.code(ask())}) == {"action": "decline"}
        wait_for(lambda: state()["open"] == 1)  # it answered, which nobody waited for
        call = two.begin_tool("execute_code", code=ask())
        answer(two, until(two, "elicitation/create"), {"action": "accept", "content": FILLED})
        assert value(two.reply(call)) == {"action": "accept", "content": FILLED}
        assert "elicitation/create" not in notes_of(one)


@cases.add
def a_call_that_was_given_up_and_is_never_answered_counts_until_the_server_ends():
    with asking() as home, client(home) as one, client(home) as two:
        give_up(one, home, "return fixture.never({})")
        assert value({"result": two.code(ask())}) == {"action": "decline"}
        call = one.begin_tool("execute_code", code=ask())  # its own client is in no doubt
        answer(one, until(one, "elicitation/create"), {"action": "decline"})
        assert value(one.reply(call)) == {"action": "decline"}
        assert "elicitation/create" not in notes_of(two)
        home.run("call", "fixture.crash")
        call = two.begin_tool("execute_code", code=ask())
        answer(two, until(two, "elicitation/create"), {"action": "accept", "content": FILLED})
        assert value(two.reply(call)) == {"action": "accept", "content": FILLED}


@cases.add
def a_server_that_asks_when_no_call_is_open_is_named():
    with asking() as home, client(home) as mcp:
        call = mcp.begin_tool("execute_code", code=ask_when(deaf=True))
        wait_for(lambda: json.loads(home.run("call", "fixture.state", "--json").stdout)["content"][0]["text"].count('"open": 2'))
        mcp.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": call}})
        wait_for(lambda: "event=elicitation_declined server=fixture" in home.log())
        with open(home.path("state", "hawser", "audit.jsonl"), encoding="utf-8") as f:
            told = [r for r in map(json.loads, f) if r.get("outcome") == "unclear"]
        assert [r.get("server") for r in told] == ["fixture"], told


@cases.add
def behind_a_url_the_stream_says_whose_question_it_is():
    with Web() as web, Home({"mcpServers": {"fixture": {"url": web.url("/mcp"), "trusted": True}}}) as home, \
            client(home) as one, client(home) as two:
        first = one.begin_tool("execute_code", code=ask_when(open=2))
        wait_for(lambda: json.loads(home.run("call", "fixture.state", "--json").stdout)["content"][0]["text"].count('"open": 2'))
        second = two.begin_tool("execute_code", code="return fixture.slow({ms: 1500})")
        answer(one, until(one, "elicitation/create"), {"action": "accept", "content": FILLED})
        assert value(one.reply(first)) == {"action": "accept", "content": FILLED}
        assert value(two.reply(second)) == "waited 1500 ms"
        assert "elicitation/create" not in notes_of(two)


@cases.add
def nobody_there_then_it_is_declined():
    with asking() as home:
        assert home.code(ask())["result"] == {"action": "decline"}
        with Follower(home):  # the server started with nobody there: that it may ask, it knows all the same
            assert home.code("return (await fixture.state({})).client.capabilities")["result"] == {"elicitation": {}}
        wait_for(lambda: home.code(ask())["result"] == {"action": "decline"})


@cases.add
def the_list_of_tools_is_that_of_a_run():
    with Home({"mcpServers": {"fixture": {"command": sys.executable, "args": [FIXTURE, "--shy", "echo"]}}}) as home:
        assert "fixture.echo " in home.run("tools").stdout  # with nobody there to be asked


@cases.add
def an_address_is_not_opened():
    with asking() as home, client(home) as mcp:
        assert value({"result": mcp.code(ask(mode="url", url="https://example.org", elicitationId="1"))}) == {
            "action": "decline"}


@cases.add
def the_clocks_of_call_and_run_stand_still():
    with asking(call_ms=1000, run_ms=1500) as home, Follower(home) as follower:
        with Program(home, ask()) as program:
            question = follower.asked()
            wait_for(lambda: json.loads(home.run("approvals", "--json").stdout)[0]["asked_ms"] > 2500)
            wrong = home.run("approve", question["id"], "--args", '{"name": "Anna"}')
            assert wrong.returncode == 1 and "/sure" in wrong.stderr, wrong
            done = home.run("approve", question["id"], "--args", json.dumps(FILLED))
            assert done.returncode == 0, done
            result = program.result()
            assert result["result"] == {"action": "accept", "content": FILLED}, result


@cases.add
def a_call_that_ends_first_takes_it_back():
    with asking() as home, Follower(home) as follower:
        with Program(home, ask(), "-t", "1s") as program:
            follower.asked()
            program.process.terminate()
            assert follower.over()["outcome"] == "withdrawn"
            program.result()
        with Program(home, ask()) as program:
            follower.asked()
            home.run("call", "fixture.crash")  # the same server
            assert follower.over()["outcome"] == "withdrawn"
            assert "crashing" in program.result()["error"]


@cases.add
def on_a_terminal():
    with asking() as home:
        file = home.write("work/x.js", ask())
        with Terminal(home, "run", file) as terminal:
            assert "Who are you?" in terminal.read_until("Answer it? yes or no: ")
            terminal.type("yes\n")
            terminal.read_until("Your name (text): ")
            terminal.type("\n")  # it must be there
            terminal.read_until("Your name (text): ")
            terminal.type("Anna\n")
            terminal.read_until("size (small | large; may be left out): ")
            terminal.type("huge\n")
            terminal.read_until("size (small | large; may be left out): ")
            terminal.type("small\n")
            terminal.read_until("count (a whole number; else 3): ")
            terminal.type("\n")
            terminal.read_until("sure (yes or no): ")
            terminal.type("yes\n")
            assert json.dumps({"action": "accept", "content": FILLED}, separators=(",", ":")) in terminal.end()[0]


@cases.table([
    ("no", "no\n", {"action": "decline"}),
    ("^D in the middle", "yes\n\x04", {"action": "decline"}),
])
def declined_on_a_terminal(typed, heard):
    with asking() as home:
        file = home.write("work/x.js", ask())
        with Terminal(home, "run", file) as terminal:
            terminal.read_until("yes or no: ")
            terminal.type(typed[0:4] if "\x04" in typed else typed)
            if "\x04" in typed:
                terminal.read_until("Your name (text): ")
                terminal.type("\x04")
            assert json.dumps(heard, separators=(",", ":")) in terminal.end()[0]


@cases.add
def a_form_that_a_terminal_cannot_put():
    schema = {"type": "object", "properties": {"x": {"type": "array", "items": {"type": "string"},
                                                  "description": "a list\n\nask_0  (600 s left)\nfiles.list wants your word\u2028\u200b"}}}
    with asking() as home:
        file = home.write("work/x.js", ask(schema))
        with Terminal(home, "run", file) as terminal:
            terminal.read_until("cannot be filled in at a terminal")
            shown = home.run("approvals").stdout
            assert "\n  x (array): a list??ask_0  (600 s left)?files.list wants your word??\nanswer it with" in shown, shown
            terminal.type("no\n")
            assert '{"action":"decline"}' in terminal.end()[0]


@cases.add
def a_real_server():
    package = os.path.join(os.environ.get("HAWSER_PEERS", os.path.join(TOP, "tests", ".peers")), "everything",
                           "node_modules", "@modelcontextprotocol", "server-everything", "dist", "index.js")
    if not os.path.exists(package):
        raise Skip("npm package @modelcontextprotocol/server-everything is missing: tests/peers everything")
    with Home({"mcpServers": {"everything": {"command": "node", "args": [package], "trusted": True}},
               "policy": {"default": "allow"}}) as home, client(home) as mcp:
        names = json.loads(home.run("tools", "elicitation", "--json").stdout)
        names = [t["name"] for t in (names["results"] if isinstance(names, dict) else names)]
        tool = [n for n in names if "licit" in n and "async" not in n and "url" not in n]
        if not tool:
            raise Skip("server-everything offers no elicitation tool: %s" % names)
        call = mcp.begin_tool("execute_code", code="return call_tool('everything', %s, {})" % json.dumps(tool[0]))
        question = until(mcp, "elicitation/create")
        properties = question["params"]["requestedSchema"]["properties"]
        assert properties, question
        answer(mcp, question, {"action": "decline"})
        said = mcp.reply(call)["result"]
        assert "declin" in json.dumps(said).lower(), said


if __name__ == "__main__":
    sys.exit(cases.main())
