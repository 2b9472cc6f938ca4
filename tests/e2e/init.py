# SPDX-License-Identifier: Apache-2.0
"""hawser init through the shipped binary: the files of six clients, there and back; killed at every write."""
import json
import os
import pty
import select
import shutil
import signal
import stat
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import hawser  # noqa: E402
from shipped import fixture, peer  # noqa: E402
from tap import Cases, Skip  # noqa: E402

cases = Cases()
ONE = fixture("--only", "add,echo,fail,write_note")
TEXT = json.dumps(ONE)
# What is put where: path -> text. $S: a server's fields without braces, $W: the working folder.
SAMPLES = {
    "h/.claude.json": '{\n  "numStartups": 3,\n  "mcpServers": {\n    "user": {"type": "stdio", $S, "env": {}},\n'
                      '    "shared": {$S}\n  },\n  "projects": {"$W": {"allowedTools": [],\n'
                      '    "mcpServers": {"local": {$S}}}, "/elsewhere": {"mcpServers": {"far": {$S}}}}\n}\n',
    "work/.mcp.json": '{"mcpServers":{"project":{$S}}}',
    "h/.cursor/mcp.json": '\ufeff{\r\n  // mine\r\n  "mcpServers": {\r\n    "shared": {$S}, // the same\r\n'
                          '    "twice": {"command": "nothing"},\r\n    "twice": {$S, "strange": [1]},\r\n'
                          '    /* a URL */ "url": {"url": "https://example.invalid/mcp"},\r\n  },\r\n}',
    "config/Code/User/mcp.json": '{\n\t"inputs": [{"id": "the-key", "type": "promptString", "password": true}],\n'
                                 '\t"servers": {\n\t\t"code": {"type": "stdio", $S, "env": {"K": "${input:the-key}"}}\n\t}\n}\n',
    "config/Claude/claude_desktop_config.json": '{"globalShortcut": "", "mcpServers": {"desktop": {$S},\n'
                                                ' "user": {"command": "nothing", "disabled": true}}}\n',
    "h/.codex/config.toml": 'model = "m" # mine\n\n[mcp_servers.codex]\ncommand = $C\nargs = $A # long\n'
                            'startup_timeout_sec = 20\n\n# text that looks like a table\n[other]\nt = """\n'
                            '[mcp_servers.no]\n"""\n',
}
MOVED = ["user", "shared", "local", "project", "twice", "code", "desktop", "codex"]


def home_with(samples, config=None):
    home = hawser.Home(config, env={"HAWSER_INPUT_THE_KEY": "the value"})
    home.env["HOME"] = home.path("h")
    os.mkdir(home.path("h"))
    for name, text in samples.items():
        text = text.replace("$S", TEXT[1:-1]).replace("$W", os.path.realpath(home.path("work")))
        text = text.replace("$C", json.dumps(ONE["command"])).replace("$A", json.dumps(ONE["args"]))
        os.makedirs(os.path.dirname(home.path(name)), exist_ok=True)
        with open(home.path(name), "w", encoding="utf-8", newline="") as f:
            f.write(text)
    return home


def snapshot(home):
    """Everything but Hawser's own state: bytes, modes, owners, where links lead."""
    seen = {}
    for top in ("h", "config", "work"):
        for folder, folders, names in os.walk(home.path(top)):
            for name in folders + names:
                path = os.path.join(folder, name)
                st = os.lstat(path)
                key = os.path.relpath(path, home.top)
                seen[key] = (st.st_mode, st.st_uid, st.st_gid, os.readlink(path) if stat.S_ISLNK(st.st_mode) else
                             open(path, "rb").read() if stat.S_ISREG(st.st_mode) else None)
    return seen


def differing(before, after):
    return sorted(k for k in set(before) | set(after) if before.get(k) != after.get(k))


def good(done, status=0):
    assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
    return done


def init(home, *args, status=0):
    return json.loads(good(home.run("init", "--json", *args, timeout=60), status).stdout)


def fates(told):
    return {(row["client"], row["server"]): row["fate"] for row in told["servers"]}


@cases.add
def six_clients_there_a_run_through_each_server_and_back_byte_for_byte():
    with home_with(SAMPLES) as home:
        os.rename(home.path("h/.cursor/mcp.json"), home.path("h/dotfile"))
        os.symlink("../dotfile", home.path("h/.cursor/mcp.json"))
        os.chmod(home.path("h/.claude.json"), 0o640)
        before = snapshot(home)
        dry = init(home, "--dry-run", "--yes")
        assert differing(before, snapshot(home)) == [] and not dry["written"], differing(before, snapshot(home))
        told = init(home, "--yes")
        assert told["written"] and len(told["files"]) == 7, told
        got = fates(told)
        assert [got[key] for key in (("cursor", "shared"), ("cursor", "url"), ("claude-desktop", "user"))] == [
            "same", "stays", "stays"], got
        after = snapshot(home)
        assert after["h/.cursor/mcp.json"] == before["h/.cursor/mcp.json"], "the link was replaced"
        assert after["h/.claude.json"][0] == before["h/.claude.json"][0], "the mode has changed"
        assert stat.S_IMODE(after["config/hawser/hawser.yaml"][0]) == 0o600
        assert b"// mine\r\n" in after["h/dotfile"][3] and b"/* a URL */ \"url\"" in after["h/dotfile"][3]
        assert b'"/elsewhere": {"mcpServers": {"far": {' in after["h/.claude.json"][3]
        assert b"HAWSER_INPUT_THE_KEY" in after["config/Code/User/mcp.json"][3]
        for name in MOVED:
            result = home.code("return (await call_tool(%r, 'add', {a: 20, b: 22})).sum" % name)
            if name == "project":  # what a repository says of its own tools does not count
                assert "project.add wants a person" in str(result["error"]), result
            else:
                assert result["result"] == 42, (name, result)
        looked = good(home.run("init", "--undo", "--dry-run")).stdout
        assert looked.count("would be put back") == 7 and "nothing was changed" in looked, looked
        assert differing(after, snapshot(home)) == [], differing(after, snapshot(home))
        undone = good(home.run("init", "--undo"))
        assert undone.stdout.count("is as it was") == 7, undone.stdout
        assert differing(before, snapshot(home)) == [], differing(before, snapshot(home))
        assert "nothing to undo" in good(home.run("init", "--undo"), 1).stderr


@cases.add
def every_client_gets_one_entry_that_works_and_a_second_init_finds_nothing_to_do():
    with home_with(SAMPLES) as home:
        init(home, "--yes")
        for name in ("h/.claude.json", "work/.mcp.json", "config/Claude/claude_desktop_config.json"):
            with open(home.path(name), encoding="utf-8") as f:
                entry = json.load(f)["mcpServers"]["hawser"]
        process = subprocess.Popen([entry["command"], *entry["args"]], env=home.env, cwd=home.path("work"),
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        with hawser.Mcp(process, "2025-11-25") as mcp:
            assert "42" in hawser.text_of(mcp.code("return 6 * 7"))
        again = init(home, "--yes")
        assert not again["written"] and {row["fate"] for row in again["servers"]} == {"stays"}, again


@cases.add
def a_server_with_prompts_resources_or_sampling_stays_unless_all():
    servers = {"plain": ONE, "declares": fixture("--offer", "prompts=0,resources=0"),
               "prompts": fixture("--offer", "prompts=1"), "resources": fixture("--offer", "resources=2"),
               "sampling": fixture("--ask", "sampling/createMessage"), "dead": fixture("--exit", "3")}
    with home_with({"h/.cursor/mcp.json": json.dumps({"mcpServers": servers})}) as home:
        told = init(home, "--dry-run")
        stays = {row["server"]: row.get("why", "") for row in told["servers"] if row["fate"] == "stays"}
        assert sorted(stays) == ["dead", "prompts", "resources", "sampling"], told
        assert "prompts" in stays["prompts"] and "resources" in stays["resources"] and "status 3" in stays["dead"], stays
        assert "--all" in stays["prompts"] and "--all" not in stays["dead"], stays
        row = next(r for r in told["servers"] if r["server"] == "plain")
        assert (row["tools"], row["allowed"], row["asked"]) == (4, 3, 1), row
        told = init(home, "--yes", "--all")
        assert {row["fate"] for row in told["servers"]} == {"moves"}, told


@cases.add
def roots_are_answered_with_the_folder_of_the_server():
    with home_with({}, {"mcpServers": {"r": fixture("--ask", "roots/list")}}) as home:
        good(home.run("tools"))
        folder = "file://" + os.path.realpath(home.path("work"))
        hawser.wait_for(lambda: folder in home.run("tools", "--logs", "r").stdout)


@cases.add
def a_server_that_asks_for_roots_keeps_those_of_a_client_that_has_them():
    asks = fixture("--ask", "roots/list")
    files = {"h/.cursor/mcp.json": json.dumps({"mcpServers": {"asks": asks, "silent": ONE, "listed": {**asks, "env": {"A": "b"}}}}),
             "config/Claude/claude_desktop_config.json": json.dumps({"mcpServers": {"desktop": {**asks, "env": {"A": "c"}}}})}
    with home_with(files) as home:
        before = snapshot(home)
        told = init(home, "--yes")
        shown = json.loads(good(home.run("config", "show")).stdout)["mcpServers"]
        assert {name: s.get("roots") for name, s in shown.items()} == {
            "asks": "client", "listed": "client", "silent": None, "desktop": None}, shown
        noted = {row["server"] for row in told["servers"] if "roots: client is set" in row.get("notes", "")}
        assert noted == {"asks", "listed"}, told
        assert not init(home, "--yes")["written"]
        good(home.run("init", "--undo"))
        assert differing(before, snapshot(home)) == []


@cases.add
def server_filesystem_has_the_folders_of_its_arguments_or_else_of_who_calls():
    servers = {"none": peer("filesystem"), "one": peer("filesystem", "/usr/share"), "home": peer("filesystem", "~"),
               "variable": peer("filesystem", "${HOME}"), "here": peer("filesystem", "."),
               "preset": peer("filesystem", "${DOCS:-/usr/share}"), "set": peer("filesystem", "${HOME:-/nowhere}"),
               "parts": peer("filesystem", "/usr/${SHARE:-share}"), "word": peer("filesystem", "", "docs"),
               "option": fixture("--ask", "roots/list", "--stderr=/usr/share"),
               "no_option": fixture("--ask", "roots/list", "--stderr=docks", "--list-error=")}
    with home_with({"h/.claude.json": json.dumps({"mcpServers": servers})}) as home:
        os.mkdir(home.path("work", "docs"))
        told = init(home, "--yes")
        notes = {row["server"]: row["notes"] for row in told["servers"] if row["fate"] == "moves"}
        assert sorted(notes) == sorted(servers), told
        shown = json.loads(good(home.run("config", "show")).stdout)["mcpServers"]
        for name in servers:
            of_caller = name in ("none", "no_option")
            assert shown[name].get("roots") == ("client" if of_caller else None), shown[name]
            assert ("roots: client is set" if of_caller else "is not told them") in notes[name], notes
        got = home.code("return [(await none.list_allowed_directories({})).content,"
                        " (await one.list_allowed_directories({})).content]")["result"]
        assert os.path.realpath(home.path("work")) in got[0] and "/usr/share" in got[1], got
        assert "/usr/share" not in got[0] and home.top not in got[1], got


@cases.add
def two_different_servers_of_one_name_are_both_kept():
    files = {"h/.claude.json": '{"mcpServers": {"a": {$S}}}', "h/.cursor/mcp.json": json.dumps(
        {"mcpServers": {"a": fixture("--only", "content"), "b": fixture("--only", "echo")}})}
    mine = "# mine\nmcpServers:\n  b: {command: %s, args: [-B, %s]} # b\n" % (ONE["command"], hawser.FIXTURE)
    with home_with(files, mine) as home:
        before = snapshot(home)
        told = init(home, "--yes")
        names = {(row["client"], row["server"]): row["name"] for row in told["servers"]}
        assert names == {("claude-code", "a"): "a", ("cursor", "a"): "a-cursor", ("cursor", "b"): "b-cursor"}, names
        assert any("comes first" in row.get("why", "") for row in told["servers"]), told
        with open(home.path("config/hawser/hawser.yaml"), encoding="utf-8") as f:
            assert f.read().startswith(mine)
        good(home.run("call", "a-cursor.content", '{"kind": "text"}'))
        good(home.run("init", "--undo"))
        assert differing(before, snapshot(home)) == []


@cases.add
def what_was_included_live_is_moved_and_not_lost():
    with home_with({"h/.cursor/mcp.json": '{"mcpServers": {"a": {$S}}}'}, "include: [cursor]\n") as home:
        good(home.run("call", "a.add", '{"a": 1, "b": 2}'))
        told = init(home, "--yes")
        assert told["servers"][0]["fate"] == "moves" and len(told["files"]) == 2, told
        good(home.run("call", "a.add", '{"a": 1, "b": 2}'))
        again = init(home, "--yes")
        assert again["servers"] == [] and not again["written"], again


@cases.add
def lists_of_claude_code_become_rules_and_a_project_may_only_take_away():
    settings = {"permissions": {"allow": ["Bash(ls)", "mcp__user__add", "mcp__shared"], "deny": ["mcp__user__fail"],
                                "ask": ["mcp__shared__echo"]}}
    project = {"permissions": {"allow": ["mcp__local__add"], "deny": ["mcp__local__echo"]}}
    files = {**SAMPLES, "h/.claude/settings.json": json.dumps(settings), "work/.claude/settings.json": json.dumps(project),
             "work/.claude/settings.local.json": json.dumps({"permissions": {"allow": ["mcp__user"], "deny": ["mcp__local__slow"]}})}
    with home_with(files) as home:
        init(home, "--yes", "--client", "claude-code")
        rules = json.loads(good(home.run("config", "show")).stdout)["policy"]["rules"]
        assert rules == [{"deny": "mcp__user__fail"}, {"deny": "mcp__local__echo"}, {"deny": "mcp__local__slow"}, {"ask": "mcp__shared__echo"},
                         {"allow": "mcp__user__add"}, {"allow": "mcp__shared"}], rules
        assert '"sum":42' in good(home.run("call", "user.add", '{"a": 20, "b": 22}')).stdout.replace(" ", "")
        assert "policy.rules" in home.run("call", "local.echo", "{}").stderr


@cases.add
def an_empty_file_in_braces_is_added_to_and_another_is_told_how_to_be_written():
    allow = json.dumps({"permissions": {"allow": ["mcp__user__add"]}})
    for text, status, told in (("{}\n", 0, ""), ("{limits: {pool: 0}}\n", 1, "not written as indented lines")):
        with home_with({**SAMPLES, "h/.claude/settings.json": allow}, text) as home:
            done = good(home.run("init", "--yes", timeout=60), status)
            assert told in done.stderr, done


@cases.add
def in_the_home_folder_the_users_files_are_the_users():
    allow = json.dumps({"permissions": {"allow": ["mcp__user__add"]}})
    with home_with({**SAMPLES, "h/.claude/settings.json": allow}) as home:
        shutil.rmtree(home.path("work"))
        os.symlink("h", home.path("work"))
        told = init(home, "--yes")
        seen = [(row["file"], row["server"]) for row in told["servers"] if row["server"] != "twice"]
        assert len(seen) == len(set(seen)) and fates(told)["cursor", "twice"] == fates(told)["codex", "codex"] == "moves", told
        shown = json.loads(good(home.run("config", "show")).stdout)
        assert all(s["trusted"] for s in shown["mcpServers"].values()), shown["mcpServers"]
        assert shown["policy"]["rules"] == [{"allow": "mcp__user__add"}], shown["policy"]


@cases.add
def what_a_project_wrote_does_not_command_the_terminal():
    permission = "mcp__p__x(\\u001b[2J)"
    with home_with({"h/.claude.json": '{"mcpServers": {"p": {$S}}}',
                    "work/.mcp.json": '{"mcpServers": {"\\u001b[1A": {$S}, "b\\u001b[2K": {"command": "\\u001b[3m"}}}',
                    "work/.claude/settings.json": '{"permissions": {"deny": ["%s"]}}' % permission}) as home:
        done = good(home.run("init", "--dry-run", timeout=60))
        assert "left behind" in done.stdout and "?[2J" in done.stdout and "?[1A" in done.stdout, done.stdout
        assert "\x1b" not in done.stdout + done.stderr, (done.stdout, done.stderr)


@cases.add
def names_in_files_do_not_command_the_terminal():
    names = {"x\x1b[8m\x1b]0;t\x07": ONE, "\x9b8m": ONE, "y\n  user  moves": ONE, "z" * 100: ONE}
    with home_with({"work/.mcp.json": json.dumps({"mcpServers": names})}) as home:
        status, talk = on_terminal(home, [b"n"], "init", "--dry-run")
        assert status == 0 and "belongs to this folder" in talk, talk
        for bad in ("\x1b[8m", "\x1b]0", "\x9b", "\n  user  moves", "z" * 65):
            assert bad not in talk, (bad, talk)


@cases.add
def it_never_lists_itself_whatever_its_name_and_never_stands_behind_itself():
    itself = {"command": hawser.HAWSER, "args": ["mcp"]}
    with home_with({"h/.cursor/mcp.json": json.dumps({"mcpServers": {"other-name": itself, "a": ONE}})}) as home:
        told = init(home, "--yes")
        assert [row["server"] for row in told["servers"]] == ["a"], told
        with open(home.path("h/.cursor/mcp.json"), encoding="utf-8") as f:
            assert json.load(f)["mcpServers"] == {"other-name": itself}
    shell = {"command": "sh", "args": ["-c", "exec %s mcp" % hawser.HAWSER]}
    with home_with({}, {"mcpServers": {"one": itself, "two": shell}}) as home:
        good(home.run("tools"))
        states = {s["name"]: s for s in json.loads(home.run("tools", "--servers", "--json").stdout)}
        assert "Hawser itself" in states["one"]["problem"], states
        assert "behind itself" in states["two"]["problem"], states


@cases.add
def a_json_file_that_was_edited_since_keeps_its_edits():
    with home_with(SAMPLES) as home:
        init(home, "--yes")
        with open(home.path("h/.claude.json"), encoding="utf-8") as f:
            now = json.load(f)
        now["numStartups"] = 4
        now["mcpServers"]["mine"] = {"command": "x"}
        home.write("h/.claude.json", json.dumps(now, indent=1))  # as Claude Code does
        undone = good(home.run("init", "--undo"))
        assert undone.stdout.count("is as it was") == 6 and "edits stay" in undone.stdout, undone.stdout
        with open(home.path("h/.claude.json"), encoding="utf-8") as f:
            now = json.load(f)
        assert now["numStartups"] == 4 and sorted(now["mcpServers"]) == ["mine", "shared", "user"], now
        assert now["mcpServers"]["user"] == {"type": "stdio", **ONE, "env": {}}, now
        assert now["projects"][os.path.realpath(home.path("work"))]["mcpServers"] == {"local": ONE}, now


@cases.add
def a_file_that_was_edited_since_and_cannot_be_mended_is_not_overwritten_without_force():
    with home_with(SAMPLES) as home:
        before = snapshot(home)
        init(home, "--yes")
        for name in ("h/.codex/config.toml", "config/hawser/hawser.yaml"):
            with open(home.path(name), "a", encoding="utf-8") as f:
                f.write("\n# mine\n")
        edited = snapshot(home)
        undone = good(home.run("init", "--undo"), 1)
        assert "config.toml was edited since" in undone.stderr and "--force" in undone.stderr, undone.stderr
        assert differing(edited, snapshot(home)) == []
        good(home.run("init", "--undo", "--force"))
        assert differing(before, snapshot(home)) == []
        kept = [f for top, _, names in os.walk(home.path("state")) for f in names if f.endswith(".edited")]
        assert len(kept) == 2, kept


@cases.add
def what_may_not_be_written_or_cannot_be_read_is_left_alone_and_told():
    files = {"h/.claude.json": SAMPLES["h/.claude.json"], "h/.cursor/mcp.json": SAMPLES["h/.cursor/mcp.json"],
             "h/.codex/config.toml": "[mcp_servers.x\n"}
    with home_with(files) as home:
        os.chmod(home.path("h/.cursor/mcp.json"), 0o444)
        before = snapshot(home)
        told = init(home, "--yes")
        assert all("read-only" in row["why"] for row in told["servers"] if row["client"] == "cursor"), told
        assert len(told["faults"]) == 1 and "config.toml: line 1" in told["faults"][0], told
        after = snapshot(home)
        assert differing(before, after) == ["config/hawser", "config/hawser/hawser.yaml", "h/.claude.json"], differing(before, after)


@cases.add
def nobody_to_ask_is_refused_and_a_wrong_configuration_too():
    with home_with(SAMPLES) as home:
        before = snapshot(home)
        done = good(home.run("init", input=""), 2)
        assert "--yes" in done.stderr and "+++" in done.stdout, done
        assert "no client" in good(home.run("init", "--client", "emacs"), 2).stderr
        assert differing(before, snapshot(home)) == []
    with home_with(SAMPLES, "mcpServers: {a: {comand: x}}\n") as home:
        assert "comand" in good(home.run("init", "--yes"), 2).stderr
    with home_with(SAMPLES, "mcpServers: {a: {command: x}}\n") as home:
        before = snapshot(home)
        assert "indented lines" in good(home.run("init", "--yes"), 1).stderr
        assert differing(before, snapshot(home)) == []


def on_terminal(home, answers, *args):
    """The whole talk, with one answer for each question."""
    pid, fd = pty.fork()
    if pid == 0:
        os.chdir(home.path("work"))
        os.execve(hawser.HAWSER, [hawser.HAWSER, *args], home.env)
    talk, asked = b"", 0
    while True:
        if not select.select([fd], [], [], 60)[0]:
            os.kill(pid, signal.SIGKILL)
            raise AssertionError("it says nothing for a minute: " + talk.decode())
        try:
            data = os.read(fd, 65536)
        except OSError:
            break
        talk += data
        if talk.count(b"[y/N] ") + talk.count(b"not now): ") > asked:
            os.write(fd, answers[asked] + b"\n")
            asked += 1
    os.close(fd)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), talk.decode()


@cases.add
def on_a_terminal_it_asks_and_a_project_wants_a_yes_of_its_own():
    with home_with(SAMPLES) as home:
        before = snapshot(home)
        status, talk = on_terminal(home, [b"y", b"n"], "init")
        assert status == 1 and "nothing was changed" in talk and differing(before, snapshot(home)) == [], talk
        status, talk = on_terminal(home, [b"n", b"y"], "init")
        assert status == 0 and "wants a yes" in talk and "--undo" in talk, talk
        assert "work/.mcp.json" not in differing(before, snapshot(home))
        assert "user" in talk and "allowed" in talk


@cases.add
def inputs_of_vs_code_are_asked_for_on_a_terminal_and_named_where_nobody_is():
    with home_with({"config/Code/User/mcp.json": SAMPLES["config/Code/User/mcp.json"]}) as home:
        del home.env["HAWSER_INPUT_THE_KEY"]
        told = init(home, "--dry-run")
        why = told["servers"][0]["why"]
        assert told["servers"][0]["fate"] == "stays" and "HAWSER_INPUT_THE_KEY" in why and "probe-" not in why, told
        status, talk = on_terminal(home, [b"s3cret", b"y"], "init")
        assert status == 0 and "s3cret" not in talk and "allowed" in talk, talk
        assert home.run("call", "code.add", '{"a": 1, "b": 2}').returncode == 1
        good(home.run("call", "code.add", '{"a": 1, "b": 2}', env={"HAWSER_INPUT_THE_KEY": "x"}))


CALLS = "write,fsync,rename,mkdir,unlink,unlinkat,rmdir,fchmod"


def traced(home, call, log, *args):
    """call: the name and number of the system call at which the program is killed, or None."""
    inject = ["-e", "inject=%s:signal=KILL:when=%d" % call] if call else []
    command = ["strace", "-o", log, "-e", "trace=" + CALLS, *inject, hawser.HAWSER, *args]
    return subprocess.run(command, env=home.env, cwd=home.path("work"), capture_output=True, timeout=60, check=False)


def calls_of(home, log, *args):
    """Each system call of a run that is let be, as (name, number), and its line."""
    if not shutil.which("strace"):
        raise Skip("strace")
    if traced(home, None, log, *args).returncode:
        raise Skip("strace may not trace here")
    seen, calls = {}, []
    with open(log, encoding="utf-8") as f:
        for line in f:
            name = line.split("(", 1)[0]
            if name in CALLS.split(","):
                seen[name] = seen.get(name, 0) + 1
                calls.append(((name, seen[name]), line))
    return calls


@cases.add
def killed_at_every_write_undo_still_restores():
    with home_with(SAMPLES, "# mine\nmcpServers: {}\n") as home:
        init(home, "--dry-run", "--yes")  # starts the broker and the servers
        before, log = snapshot(home), home.path("log")
        calls = calls_of(home, log, "init", "--yes")
        good(home.run("init", "--undo"))
        first = next(i for i, (_, line) in enumerate(calls) if line.startswith("mkdir") and ".new" in line)
        done = 0
        for call, line in calls[:first:4] + calls[first:]:
            killed = traced(home, call, log, "init", "--yes")
            assert killed.returncode != 0, (call, line)
            undone = home.run("init", "--undo")
            done += undone.returncode == 0
            assert undone.returncode == 0 or "nothing to undo" in undone.stderr, (line, undone.stderr)
            assert differing(before, snapshot(home)) == [], (line, differing(before, snapshot(home)))
        assert done > 20, done


@cases.add
def undo_that_is_killed_can_be_done_again():
    with home_with(SAMPLES) as home:
        before, log = snapshot(home), home.path("log")
        init(home, "--yes")
        for call, line in calls_of(home, log, "init", "--undo")[::2]:
            init(home, "--yes")
            assert traced(home, call, log, "init", "--undo").returncode != 0, (call, line)
            undone = home.run("init", "--undo")
            assert undone.returncode == 0 or "nothing to undo" in undone.stderr, (line, undone.stderr)
            assert differing(before, snapshot(home)) == [], (line, differing(before, snapshot(home)))


@cases.add
def real_servers_of_npm():
    files = {"h/.cursor/mcp.json": json.dumps({"mcpServers": {"everything": peer("everything", "stdio"),
                                                              "files": peer("filesystem", "/usr/share/doc")}})}
    with home_with(files) as home:
        told = init(home, "--yes")
        assert fates(told) == {("cursor", "everything"): "stays", ("cursor", "files"): "moves"}, told
        value = home.code("return await call_tool('files', 'list_allowed_directories', {})")
        assert "/usr/share/doc" in str(value["result"]), value


if __name__ == "__main__":
    sys.exit(cases.main())
