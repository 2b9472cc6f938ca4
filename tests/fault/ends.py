#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Ends that nobody asked for: clients that hang up, signals in the middle of runs, a killed broker, races at its start."""
import os
import signal
import socket
import subprocess
import sys

from faults import (Cases, Home, alive, below, call, config, end, family, fixture, forget_log, SERVER, text_of, wait_for,
                    wait_gone)

cases = Cases()
HANG = "console.log('begun'); await new Promise((r) => setTimeout(r, 60000));"


def begin_run(home, code=HANG):
    """A `hawser run` whose code has begun."""
    process = home.popen("run", "--json", "-v", "-", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdin.write(code.encode())
    process.stdin.close()
    process.stdin = None  # communicate() would flush it
    return process


def begun(home, count):
    """So many runs have an interpreter at work: their first words are in the event files."""
    folder = home.path("state", "hawser", "runs")

    def look():
        if not os.path.isdir(folder):
            return False
        files = [os.path.join(folder, n, "events") for n in os.listdir(folder)]
        return sum(os.path.exists(f) and os.path.getsize(f) > 0 for f in files) >= count
    wait_for(look)


def close(process):
    process.stdout.close()
    process.stderr.close()


@cases.add
def a_client_that_is_killed_takes_its_run_along():
    with Home(config()) as home:
        client = begin_run(home)
        begun(home, 1)
        broker = home.broker_pid()
        sandbox = family(broker)
        assert below(broker, "hawser-guest"), sandbox
        end(client)
        close(client)
        wait_gone(sandbox)
        wait_for(lambda: home.status()["idle"])
        assert "status=cancelled" in home.log(), home.log()
        assert home.code("return 1")["result"] == 1


@cases.add
def an_mcp_client_that_is_killed_takes_its_runs_along():
    with Home(config()) as home:
        with home.mcp() as mcp:
            for _ in range(3):
                mcp.begin_tool("execute_code", code=HANG)
            begun(home, 3)
            sandboxes = family(home.broker_pid())
            mcp.process.kill()
            mcp.process.wait()
        wait_gone(sandboxes)
        assert home.log().count("status=cancelled") == 3


@cases.add
def a_cancelled_run_cancels_its_calls_upstream():
    with Home(config(fix=fixture())) as home, home.mcp() as mcp:
        request = mcp.begin_tool("execute_code", code="console.log('begun'); await fix.slow({ms: 60000})")
        begun(home, 1)
        mcp.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": request}})
        wait_for(lambda: "status=cancelled" in home.log())
        assert call(mcp.code("return 2"))["result"] == 2


@cases.add
def sigterm_in_the_middle_of_five_runs():
    with Home(config(lazy=fixture("lazy", program=SERVER))) as home:
        assert home.code("return await lazy.plain({})")["status"] == "ok"
        broker = home.broker_pid()
        assert len(below(broker, "lazy")) == 1
        clients = [begin_run(home) for _ in range(5)]
        begun(home, 6 - 1)
        everything = [broker, *family(broker)]
        assert len(everything) > 15, everything
        os.kill(broker, signal.SIGTERM)
        for client in clients:
            out, err = client.communicate(timeout=30)
            assert b'"status":"cancelled"' in out, (out, err)
            assert b"the broker is stopping" in out and b"begun" in out, out
            assert client.returncode != 0
        wait_gone(everything)
        assert not os.path.exists(home.socket_path())
        assert os.listdir(home.path("runtime", "hawser", "sb")) == []
        assert "broker_stopped" in home.log()


@cases.add
def sigterm_with_an_mcp_client_is_answered_and_the_next_call_has_a_new_broker():
    with Home(config()) as home, home.mcp() as mcp:
        request = mcp.begin_tool("execute_code", code=HANG)
        begun(home, 1)
        pid = home.broker_pid()
        os.kill(pid, signal.SIGTERM)
        result = mcp.reply(request)["result"]
        assert result["isError"] and "the broker is stopping" in text_of(result), result
        assert call(mcp.code("return 3"))["result"] == 3
        assert home.broker_pid() != pid


@cases.add
def what_comes_while_the_broker_stops_goes_to_the_next_one():
    with Home(config(lazy=fixture("lazy", program=SERVER))) as home, home.mcp() as mcp:
        assert call(mcp.code("return await lazy.plain({})"))["tool_calls"]
        pid = home.broker_pid()
        os.kill(pid, signal.SIGTERM)  # the server is in no hurry
        wait_for(lambda: "event=broker_stopping" in home.log())
        requests = [mcp.begin_tool("execute_code", code="return %d" % i) for i in range(3)]
        search = mcp.begin_tool("search_tools", query="plain")
        assert alive(pid), "they came too late to be refused"
        assert [call(mcp.reply(r)["result"])["result"] for r in requests] == [0, 1, 2]
        assert "plain" in text_of(mcp.reply(search)["result"])
        assert home.broker_pid() != pid and home.log().count("event=broker_started") == 2


def begin_and_look(home):
    """A run that goes on: its client, the broker, keepers, and all processes of the sandboxes."""
    client = begin_run(home)
    begun(home, 1)
    broker = home.broker_pid()
    keepers = below(broker, "hawser-keeper")
    return client, broker, keepers, [p for k in keepers for p in [k, *family(k)]]


@cases.add
def after_kill_9_a_new_broker_starts_and_reaps_what_the_old_one_left():
    with Home(config()) as home:
        client, broker, keepers, sandbox = begin_and_look(home)
        assert keepers and len(sandbox) >= 3, sandbox
        os.kill(broker, signal.SIGKILL)
        out, err = client.communicate(timeout=30)
        assert client.returncode != 0 and b"broker" in out + err, (out, err)
        assert all(alive(k) for k in keepers), "a keeper outlives its broker: here, until somebody asks"
        folder = home.path("runtime", "hawser", "sb")
        left = set(os.listdir(folder))
        assert home.code("return 4")["result"] == 4  # stale socket, stale lock, other sandboxes: all no obstacle
        assert home.broker_pid() != broker
        wait_gone(sandbox)
        wait_for(lambda: not left & set(os.listdir(folder)))
        wait_for(lambda: home.log().count("event=sandbox_reaped") == len(keepers))


@cases.add
def what_a_keeper_that_was_killed_too_has_left_is_swept():
    with Home(config()) as home:
        client, broker, keepers, sandbox = begin_and_look(home)
        folder = home.path("runtime", "hawser", "sb")
        left = set(os.listdir(folder))
        os.kill(broker, signal.SIGKILL)
        for keeper in keepers:
            os.kill(keeper, signal.SIGKILL)
        client.communicate(timeout=30)
        wait_gone(sandbox)
        assert left & set(os.listdir(folder)), "nobody was there to do it"
        assert home.code("return 5")["result"] == 5
        assert not left & set(os.listdir(folder)), "what is dead is swept"


@cases.add
def ten_clients_at_one_moment_make_one_broker():
    with Home(config()) as home:
        clients = [begin_run(home, "return 1") for _ in range(10)]
        for client in clients:
            out, err = client.communicate(timeout=60)
            assert client.returncode == 0 and b'"result":1' in out, (out, err)
        assert home.log().count("event=broker_started") == 1, home.log()


@cases.add
def ten_clients_at_the_moment_of_its_death_make_one_more():
    with Home(config()) as home:
        home.code("return 1")
        pid = home.broker_pid()
        os.kill(pid, signal.SIGTERM)
        clients = [begin_run(home, "return 1") for _ in range(10)]
        for client in clients:
            out, err = client.communicate(timeout=60)
            assert client.returncode == 0 and b'"result":1' in out, (out, err)
        assert home.log().count("event=broker_started") == 2, home.log()
        assert not alive(pid)


@cases.add
def a_stale_socket_is_replaced():
    with Home(config()) as home:
        os.makedirs(os.path.dirname(home.socket_path()), 0o700)
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(home.socket_path())
        assert home.code("return 6")["result"] == 6


@cases.add
def something_else_where_the_socket_goes_is_told():
    with Home(config()) as home:
        os.makedirs(home.socket_path(), 0o700)
        done = home.run("run", "-", input="return 1")
        assert done.returncode == 3 and home.socket_path() in done.stderr, done
        forget_log(home)


sys.exit(cases.main())
