# SPDX-License-Identifier: Apache-2.0
"""include: of named clients: their files are read live; those of a project only after one yes to their very text."""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hawser  # noqa: E402
from init import good, home_with, on_terminal, SAMPLES, ONE  # noqa: E402
from shipped import fixture  # noqa: E402
from tap import Cases  # noqa: E402

cases = Cases()
ALL = "include: [claude-code, cursor, vscode, claude-desktop, codex]\n"


def servers(home):
    good(home.run("tools"))
    return {s["name"]: s for s in json.loads(good(home.run("tools", "--servers", "--json")).stdout)}


def write_json(home, name, entries):
    os.makedirs(os.path.dirname(home.path(name)), exist_ok=True)
    home.write(name, json.dumps({"mcpServers": entries}))


@cases.add
def the_files_of_all_clients_are_read_where_they_are():
    with home_with(SAMPLES, ALL) as home:
        found = servers(home)
        assert sorted(found) == ["code", "codex", "desktop", "local", "shared", "twice", "url", "user"], sorted(found)
        assert {s["state"] for name, s in found.items() if name not in ("user", "url")} == {"ready"}, found
        notes = good(home.run("config", "check")).stdout
        assert "server shared is not used" in notes, notes
        for name in ("code", "codex", "twice"):
            assert home.code("return (await call_tool(%r, 'add', {a: 1, b: 2})).sum" % name)["result"] == 3


@cases.add
def a_file_that_changes_is_read_again_without_a_restart():
    with home_with({}, "include: [cursor, codex]\n") as home, home.mcp() as mcp:
        def names():
            return sorted(r["name"] for r in mcp.tool("search_tools", query="")["structuredContent"]["results"])
        pid = home.broker_pid()
        assert names() == []
        write_json(home, "h/.cursor/mcp.json", {"a": fixture("--only", "echo")})
        assert names() == ["echo"]
        write_json(home, "h/.cursor/mcp.json", {"a": fixture("--only", "add"), "me": {"command": hawser.HAWSER, "args": ["mcp"]}})
        assert names() == ["add"]
        home.write("h/.cursor/mcp.json", "{ broken")
        assert names() == []
        assert "line 1" in good(home.run("config", "check")).stdout
        os.unlink(home.path("h/.cursor/mcp.json"))
        assert names() == [] and home.broker_pid() == pid


@cases.add
def a_project_wins_but_wants_one_yes_to_its_very_text():
    with home_with({}, "include: [project, cursor]\n") as home:
        write_json(home, "h/.cursor/mcp.json", {"a": fixture("--only", "echo"), "b": ONE})
        write_json(home, "work/.mcp.json", {"a": fixture("--only", "add")})
        file = home.path("work", ".mcp.json")
        done = good(home.run("tools"))
        assert "hawser trust " + file in done.stderr and "a.echo" in done.stdout and "a.add" not in done.stdout, done
        assert "nobody can be asked" in good(home.run("trust", file), 2).stderr
        with home.mcp() as mcp:
            shown = good(home.run("trust", file, "--yes")).stdout
            assert "would start" in shown and "fixture" in shown, shown
            results = mcp.tool("search_tools", query="")["structuredContent"]["results"]
            assert sorted((r["server"], r["name"]) for r in results if r["server"] == "a") == [("a", "add")], results
        found = servers(home)
        assert found["a"]["trusted"] is False and found["b"]["trusted"] is True, found
        assert "policy.rules" in good(home.run("call", "a.add", '{"a": 1, "b": 2}'), 1).stderr
        write_json(home, "work/.mcp.json", {"a": fixture("--only", "add"), "evil": {"command": "touch", "args": [home.path("bad")]}})
        done = good(home.run("tools"))
        assert "hawser trust" in done.stderr and "a.echo" in done.stdout, done
        assert "has changed" in good(home.run("config", "check")).stdout
        assert not os.path.exists(home.path("bad"))
        status, talk = on_terminal(home, [b"n"], "tools")
        assert status == 0 and "has changed" in talk and "evil" in talk and "a.add" not in talk, talk
        write_json(home, "work/.mcp.json", {"a": fixture("--only", "add")})
        assert "a.add" in good(home.run("tools")).stdout, "the text that had its yes is used again"
        good(home.run("trust", file, "--undo"))
        assert "a.add" not in good(home.run("tools")).stdout
        status, talk = on_terminal(home, [b"y"], "tools")
        assert status == 0 and "would start" in talk and "a.add" in talk, talk


def entries(home, *names):
    """What each name came to, by the switch that tells the sample servers apart."""
    found = json.loads(good(home.run("config", "show")).stdout)["mcpServers"]
    return {name: found[name]["args"][-1] for name in names}


@cases.add
def of_two_of_one_name_the_same_wins_live_and_moved():
    """Scope by scope, then client by client, wherever `project` stands in the list."""
    def one(word):
        return fixture("--only", "add,echo", "--stderr", word)

    def write_all(home):
        write_json(home, "h/.cursor/mcp.json", {"user": one("cursor"), "only": one("cursor"), "local": one("cursor")})
        write_json(home, "work/.cursor/mcp.json", {"project": one("cursor-project")})
        write_json(home, "work/.mcp.json", {"local": one("project")})
        home.write("h/.claude.json", json.dumps({
            "mcpServers": {"user": one("claude"), "project": one("claude")},
            "projects": {os.path.realpath(home.path("work")): {"mcpServers": {"local": one("claude-local")}}}}))
    wanted = {"user": "claude", "only": "cursor", "local": "claude-local", "project": "cursor-project"}
    for include in ("[claude-code, cursor, project]", "[project, claude-code, cursor]"):
        with home_with({}, "include: %s\n" % include) as home:
            write_all(home)
            for name in (".mcp.json", ".cursor/mcp.json"):
                good(home.run("trust", home.path("work", name), "--yes"))
            assert entries(home, *wanted) == wanted
            assert "server user is not used: %s" % home.path("h/.claude.json") in good(home.run("config", "check")).stdout
    with home_with({}, "include: [cursor, claude-code]\n") as home:
        write_all(home)
        assert entries(home, "user", "local") == {"user": "cursor", "local": "claude-local"}
    with home_with({}) as home:
        write_all(home)
        good(home.run("init", "--yes"))
        assert entries(home, *wanted, "user-cursor") == {**wanted, "user-cursor": "cursor"}


@cases.add
def trust_shows_what_a_file_hides():
    hidden = "\u00ad\u3164\U000e0041\u2800\u2028\u200b\u061c\ufe0f"
    with home_with({}, "include: [project]\n") as home:
        os.makedirs(home.path("work"), exist_ok=True)
        text = json.dumps({"mcpServers": {"a" + hidden: fixture(), "\u00e9": fixture()}}, ensure_ascii=False, indent=1)
        file = home.write("work/.mcp.json", text)
        shown = good(home.run("trust", file, "--yes")).stdout
        assert not set(hidden) & set(shown) and "\u00e9" in shown, shown
        assert "a\\u00ad\\u3164\\U000e0041\\u2800\\u2028\\u200b\\u061c\\ufe0f" in shown, shown
        for verb in (("config", "check"), ("tools",), ("tools", "--servers"), ("doctor",)):
            done = home.run(*verb)
            assert not set(hidden) & set(done.stdout + done.stderr), (verb, done)


@cases.add
def a_command_of_a_project_is_relative_to_its_folder():
    with home_with({}, "include: [project]\n") as home:
        os.mkdir(home.path("work/bin"))
        os.chmod(home.write("work/bin/srv.sh", "#!/bin/sh\nexec %s\n" % " ".join("'%s'" % w for w in [ONE["command"], *ONE["args"]])), 0o755)
        write_json(home, "work/.mcp.json", {"a": {"command": "./bin/srv.sh"}, "b": {"command": "bin/srv.sh"}})
        good(home.run("trust", home.path("work/.mcp.json"), "--yes"))
        assert {name: s["state"] for name, s in servers(home).items()} == {"a": "ready", "b": "ready"}


@cases.add
def a_project_inherits_no_rule_by_the_name_of_its_server():
    rules = "policy:\n  rules:\n    - allow: a.*\n"
    with home_with({}, "include: [project, cursor]\n" + rules) as home:
        write_json(home, "h/.cursor/mcp.json", {"a": fixture("--only", "add")})
        call = ("call", "a.add", '{"a": 1, "b": 2}')
        good(home.run(*call))
        file = home.path("work", ".mcp.json")
        write_json(home, "work/.mcp.json", {"a": fixture("--only", "add")})
        shown = good(home.run("trust", file, "--yes")).stdout
        assert "Rules of yours that allow do not count" in shown and "from: " + file in shown, shown
        denied = good(home.run(*call), 1).stderr
        assert "- {allow: a.add, from: %s}" % file in denied, denied
        home.write("config/hawser/hawser.yaml", "include: [project, cursor]\n" + rules + "    - {allow: a.add, from: %s}\n" % file)
        good(home.run(*call))
        good(home.run("trust", file, "--undo"))
        good(home.run(*call))


@cases.add
def rules_without_the_right_from_are_noted():
    rules = ["allow: proj.*", "{allow: mine.*, from: /nowhere/.mcp.json}", "{allow: pro.*, from: FILE}", "{allow: proj.*, from: FILE}",
             "deny: proj.x", "allow: mine.add"]
    with home_with({}, "policy: {}\n") as home:
        file = home.path("work", ".mcp.json")
        lines = ["include: [project, cursor]", "policy:", "  rules:"] + ["    - " + rule.replace("FILE", file) for rule in rules]
        home.write("config/hawser/hawser.yaml", "\n".join(lines) + "\n")
        write_json(home, "h/.cursor/mcp.json", {"mine": fixture("--only", "add")})
        write_json(home, "work/.mcp.json", {"proj": fixture("--only", "add")})
        good(home.run("trust", file, "--yes"))
        said = [line for line in good(home.run("config", "check")).stdout.splitlines() if "policy: " in line]
        told = [line[line.index("hawser.yaml:") + 12:] for line in said]
        assert told == ['4: policy: proj.* allows nothing: these came with a project; add from: as in - {allow: "proj.*", from: %s}' % file,
                        "5: policy: mine.* names no server of /nowhere/.mcp.json",
                        "6: policy: pro.* names no server of %s; did you mean proj?" % file], told


@cases.add
def a_rule_that_two_servers_could_claim_gives_nothing_and_is_noted():
    rules = "policy:\n  default: deny\n  rules:\n    - allow: a.add.add\n"
    with home_with({}, "include: [cursor]\n" + rules) as home:
        write_json(home, "h/.cursor/mcp.json", {"a.add": fixture("--only", "add")})
        call = ("call", "mcp__a.add__add", '{"a": 1, "b": 2}')
        good(home.run(*call))
        write_json(home, "h/.cursor/mcp.json", {"a.add": fixture("--only", "add"), "a": fixture("--only", "echo")})
        assert "- allow: mcp__a.add__add" in good(home.run(*call), 1).stderr
        assert "a.add.add allows nothing" in good(home.run("config", "check")).stdout
        home.write("config/hawser/hawser.yaml", "include: [cursor]\n" + rules + "    - allow: mcp__a.add__add\n")
        good(home.run(*call))


@cases.add
def the_home_and_path_are_those_of_the_client():
    with home_with({}, "include: [cursor, ~/more.yaml]\n") as home:
        write_json(home, "h/.cursor/mcp.json", {"first": fixture("--only", "echo")})
        home.write("h/more.yaml", "mcpServers: {}\n")
        assert sorted(servers(home)) == ["first"]  # the broker began with this home
        me = home.path("bin", "hawser-mine")
        os.makedirs(home.path("bin"))
        os.symlink(hawser.HAWSER, me)
        write_json(home, "other/.cursor/mcp.json", {"second": fixture("--only", "add"), "self": {"command": "hawser-mine"}})
        home.write("other/more.yaml", json.dumps({"mcpServers": {"third": fixture("--only", "echo")}}))
        pid = home.broker_pid()
        env = {"HOME": home.path("other"), "PATH": home.path("bin") + ":" + os.environ["PATH"]}
        found = json.loads(good(home.run("tools", "--servers", "--json", env=env)).stdout)
        assert sorted(s["name"] for s in found) == ["second", "third"], found
        assert sorted(servers(home)) == ["first"] and home.broker_pid() == pid


@cases.add
def in_the_home_folder_the_users_file_is_no_projects():
    with home_with({}, "include: [project, cursor]\n") as home:
        write_json(home, "h/.cursor/mcp.json", {"a": ONE})
        os.rmdir(home.path("work"))
        os.symlink("h", home.path("work"))
        done = good(home.run("tools"))
        assert "hawser trust" not in done.stderr, done.stderr
        found = servers(home)
        assert list(found) == ["a"] and found["a"]["trusted"] is True, found


@cases.add
def a_link_to_another_projects_file_has_no_yes_of_its_own():
    with home_with({}, "include: [project]\n") as home:
        ran, other = home.path("ran"), home.path("other")
        write_json(home, "other/.mcp.json", {"a": {"command": "sh", "args": ["./start.sh"]}})
        home.write("other/start.sh", "exit 0\n")
        home.write("work/start.sh", "echo > %s\n" % ran)
        good(home.run("trust", os.path.join(other, ".mcp.json"), "--yes"))
        os.symlink("../other/.mcp.json", home.path("work/.mcp.json"))
        assert "never said yes" in good(home.run("config", "check")).stdout
        assert "hawser trust" in good(home.run("tools")).stderr and not os.path.exists(ran)
        good(home.run("trust", ".mcp.json", "--yes"))
        home.run("tools", "--servers")
        home.run("call", "a.add", "{}")
        assert os.path.exists(ran), "the link has its yes now"
        good(home.run("trust", home.path("work", ".mcp.json"), "--undo"))
        assert "never said yes" in good(home.run("config", "check")).stdout


if __name__ == "__main__":
    sys.exit(cases.main())
