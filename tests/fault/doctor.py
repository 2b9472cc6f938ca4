#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Broken set-ups: each has its line of `hawser doctor`, with why and what cures it. One table, one row a set-up."""
import contextlib
import ctypes
import fcntl
import http.server
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading

from faults import (LIBC, SERVER, Cases, Home, Skip, apart, config, cover, enter_user_name_space, fixture, mount,
                    wait_for, without_user_name_spaces)
from hawser import BUILD

cases = Cases()
STRANGER = 61998  # a uid that nobody has
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2
CLOCK_FAR = os.path.join(BUILD, "tests", "support", "clock-far.so")


# ---- set-ups: each gives a home in which `hawser doctor` is to find one thing bad ----

@contextlib.contextmanager
def bare(settings=None):
    """No broker will run in it."""
    home = Home(config() if settings is None else settings)
    try:
        yield home
    finally:
        shutil.rmtree(home.top, ignore_errors=True)


def serving(settings=None, **servers):
    """A broker runs in it, with these servers."""
    return Home({**config(**servers), **(settings or {})})


def need_root():
    if os.geteuid() != 0:
        raise Skip("root, to be another user")


def uncover(path):
    if LIBC.umount2(os.path.realpath(path).encode(), 0) < 0:
        raise AssertionError(os.strerror(ctypes.get_errno()))


def no_bubblewrap():
    cover("/usr/bin/bwrap")
    return serving()


def no_name_spaces():
    without_user_name_spaces()
    return serving()


def apparmor():
    """Its switch, and a bubblewrap that fails as the real one does under it."""
    home = serving()
    os.mkdir(home.path("kernel"))
    home.write("kernel/apparmor_restrict_unprivileged_userns", "1\n")
    script = home.write("bwrap", "#!/bin/sh\n[ \"$1\" = --version ] && exec echo bubblewrap 0.8.0\n"
                        "echo 'bwrap: setting up uid map: Permission denied' >&2\nexit 1\n")
    os.chmod(script, 0o755)
    cover("/usr/bin/bwrap", script)
    cover("/proc/sys/kernel", home.path("kernel"))
    enter_user_name_space(1000)
    return home


def no_interpreter():
    home = serving()
    home.env["PATH"] = "/usr/bin:/bin"
    cover("/usr/bin/node")
    return home


def wrong_interpreter():
    return serving({"runtimes": {"python": "/nowhere/bin/python3"}})


def server_missing():
    return serving(one={"command": "no-such-server"}, fine=fixture())


def program(text, mode=0o755):
    def set_up():
        home = serving()
        home.write("a program", text)
        os.chmod(home.path("a program"), mode)
        home.write_config(config(one={"command": home.path("a program")}))
        return home
    return set_up


def server_is_a_folder():
    return serving(one={"command": "/usr/bin/"})


def server_without_its_folder():
    return serving(one=fixture(cwd="/none"))


def server_relative():
    return serving(one={"command": "bin/server"})


def server_relative_to_the_root():
    return serving(one={"command": "bin/no-server", "cwd": "/"})


def server_that_only_talks():
    return serving(one={"command": "sh", "args": ["-c", "echo hello '\x1b[2J'; exit 3"]})


def server_crashing():
    return serving(one={"command": sys.executable, "args": ["-c", "import sys; sys.exit('no token\\n      cure: rm -rf /')"]})


class Refusing(http.server.BaseHTTPRequestHandler):
    """A server behind a URL that does not take the header."""

    def do_POST(self):  # pylint: disable=invalid-name
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(401)
        self.send_header("WWW-Authenticate", "Bearer")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST

    def log_message(self, *_):  # pylint: disable=arguments-differ
        pass


@contextlib.contextmanager
def wrong_header():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        entry = {"type": "http", "url": "http://127.0.0.1:%d/mcp" % web.server_port, "headers": {"Authorization": "Bearer old"}}
        try:
            with serving(one=entry) as home:
                if '"one"' not in home.run("tools", "--servers", "--json").stdout:
                    raise Skip("servers behind a URL")
                yield home
        finally:
            web.shutdown()


def unset_variable():
    return serving(one=fixture(env={"TOKEN": "${NOBODY_SETS_THIS}"}))


def faulty_configuration():
    return Home("mcpServers:\n  one: {comand: x}\n")


def no_configuration():
    return Home(None)


@contextlib.contextmanager
def state_read_only():
    with bare() as home:
        mount("tmpfs", home.path("state"), "tmpfs", data="size=64k,mode=0700")
        mount("none", home.path("state"), None, 0x20 | 1)  # MS_REMOUNT | MS_RDONLY
        yield home


@contextlib.contextmanager
def state_of_another_user():
    need_root()
    with bare() as home:
        os.mkdir(home.path("state", "hawser"), 0o700)
        os.chown(home.path("state"), STRANGER, STRANGER)
        os.chmod(home.path("state"), 0o700)
        for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
            LIBC.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
        yield home


@contextlib.contextmanager
def state_is_a_file():
    with bare() as home:
        home.env["XDG_STATE_HOME"] = home.write("file", "x")
        yield home


@contextlib.contextmanager
def disk_full():
    with bare() as home:
        mount("tmpfs", home.path("state"), "tmpfs", data="size=64k,mode=0700")
        os.mkdir(home.path("state", "hawser"), 0o700)
        with contextlib.suppress(OSError), open(home.path("state", "filler"), "wb", buffering=0) as f:
            while True:
                f.write(b"x" * 4096)
        yield home


@contextlib.contextmanager
def listener(home, answer=None, uid=None):
    """Another process on the broker's socket. answer: what it says to whoever says something; None: nothing."""
    os.makedirs(os.path.dirname(home.socket_path()), 0o700, exist_ok=True)
    with socket.socket(socket.AF_UNIX) as s:
        if uid is not None:
            os.seteuid(uid)
        try:
            s.bind(home.socket_path())
            s.listen(8)  # whose it is, is taken down here
        finally:
            os.seteuid(os.getuid())
        held = []

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    held.append(s.accept()[0])
                    if answer and held[-1].recv(10):
                        held[-1].sendall(answer)
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield home
        finally:
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)
            thread.join(10)
            for one in held:
                one.close()


@contextlib.contextmanager
def a_web_server_on_the_socket():
    with bare() as home, listener(home, b"HTTP/1.1 400 Bad Request\r\n\r\n"):
        yield home


@contextlib.contextmanager
def somebody_silent_on_the_socket():
    with bare() as home, listener(home):
        yield home


@contextlib.contextmanager
def another_user_on_the_socket():
    need_root()
    with bare() as home:
        os.chmod(home.top, 0o755)
        os.mkdir(home.path("runtime", "hawser"))
        for folder in ("runtime", "runtime/hawser"):
            os.chmod(home.path(folder), 0o777)
        with listener(home, uid=STRANGER):
            yield home


@contextlib.contextmanager
def lock_of_another_user():
    need_root()
    with bare() as home:
        os.mkdir(home.path("state", "hawser"), 0o700)
        held, end = os.pipe(), os.pipe()
        pid = os.fork()
        if pid == 0:
            with open(home.path("state", "hawser", "broker.lock"), "wb") as lock:
                os.setresuid(STRANGER, STRANGER, STRANGER)
                fcntl.flock(lock, fcntl.LOCK_EX)
                os.write(held[1], b"x")
                os.close(end[1])
                os.read(end[0], 1)
            os._exit(0)
        try:
            assert os.read(held[0], 1) == b"x"
            yield home
        finally:
            for descriptor in (*held, *end):
                os.close(descriptor)
            os.waitpid(pid, 0)


@contextlib.contextmanager
def keeper_missing():
    with bare() as home:
        home.env["HAWSER_KEEPER"] = "/nowhere/hawser-keeper"
        yield home


@contextlib.contextmanager
def path_too_long():
    with bare() as home:
        home.env["XDG_RUNTIME_DIR"] = home.path("x" * 120)
        os.mkdir(home.path("x" * 120), 0o700)
        yield home


def clock_at(seconds):
    def set_up():
        if not os.path.exists(CLOCK_FAR):
            raise Skip("clock-far.so (not built under sanitizers)")
        home = serving()
        home.env.update(LD_PRELOAD=CLOCK_FAR, CLOCK_FAR_SECONDS=str(seconds))
        return home
    return set_up


# ---- the table ----

# name, set-up, key of its line, words of what and why, what cures it (a pattern), status; in a mount name space of its own?
ROWS = [
    ("no bubblewrap", no_bubblewrap, "provider", "bubblewrap is not installed", r"(sudo )?apt-get install bubblewrap", 1, True),
    ("user name spaces off", no_name_spaces, "provider", "max_user_namespaces = 0",
     r"(sudo )?sysctl -w user.max_user_namespaces=\d+", 1, True),
    ("AppArmor's restriction", apparmor, "name spaces", "apparmor_restrict_unprivileged_userns = 1",
     r"sudo sh -c '.*bwrap-userns-restrict.*'", 1, True),
    ("no interpreter", no_interpreter, "javascript", "there is no /usr/bin/node", r"(sudo )?apt-get install nodejs", 1, True),
    ("wrong interpreter path", wrong_interpreter, "python", "/nowhere/bin/python3 is not a program",
     r"correct runtimes.python in /.*hawser.yaml", 1, False),
    ("server missing", server_missing, "server one", 'no program "no-such-server"',
     r"install no-such-server, or correct the command of one \(/.*hawser.yaml:\d+\)", 1, False),
    ("server not executable", program("#!/bin/sh\n", 0o644), "server one", "a program: it is not executable",
     r"chmod \+x /.*/a program, or name what runs it as the command of one \(.*:\d+\), and it in args", 1, False),
    ("server without its interpreter", program("#!/no/such -x\n"), "server one",
     "the interpreter in its first line (/no/such) is not there", r"correct its first line, or .* one \(.*:\d+\), .*", 1, False),
    ("server is a folder", server_is_a_folder, "server one", "/usr/bin/: it is a folder", r"name the program in it .*", 1, False),
    ("server's folder missing", server_without_its_folder, "server one", "its cwd /none: No such file",
     r"correct the cwd of one \(/.*hawser.yaml:\d+\)", 1, False),
    ("server of a relative path", server_relative, "server one", "work/bin/server: No such file",
     r"bin/server is looked for in the folder that hawser is called in: write its whole path .* one \(.*:\d+\)", 1, False),
    ("server relative to the root folder", server_relative_to_the_root, "server one", "starting /bin/no-server: No such file",
     r"bin/no-server is looked for in its cwd: .*", 1, False),
    ("server that only talks", server_that_only_talks, "server one",
     'status 3; its stdout began with "hello ?[2J", which is no MCP message', r"hawser tools --logs one", 1, False),
    ("server crashing", server_crashing, "server one", "status 1; its last words: no token", r"hawser tools --logs one", 1, False),
    ("wrong header", wrong_header, "server one", "401", r"correct the url and headers of one \(/.*hawser.yaml:\d+\)", 1, False),
    ("unset variable", unset_variable, "server one", "${NOBODY_SETS_THIS} is not set", r"export NOBODY_SETS_THIS=\.\.\.", 1, False),
    ("faulty configuration", faulty_configuration, "configuration", "hawser.yaml:2: server one: unknown key comand",
     r".*hawser config check.*", 1, False),
    ("no configuration", no_configuration, "configuration", "there is none", r"hawser init, or write hawser.yaml.*", 1, False),
    ("state folder on a file system that is only read", state_read_only, "state folder", "Read-only file system",
     r"export XDG_STATE_HOME=.*", 3, True),
    ("state folder of another user", state_of_another_user, "state folder", "Permission denied",
     r"(sudo )?install -d -m 700 -o \$\(id -u\) .* '/.*/state/hawser'", 3, True),
    ("state folder that is a file", state_is_a_file, "state folder", "Not a directory", r"export XDG_STATE_HOME=.*", 3, False),
    ("disk full", disk_full, "state folder", "the disk is full", r"export XDG_STATE_HOME=.*", 3, True),
    ("another program on the socket", a_web_server_on_the_socket, "broker socket", "is no broker", r"kill \d+", 3, False),
    ("a silent program on the socket", somebody_silent_on_the_socket, "broker socket", "did not answer", r"kill \d+", 3, False),
    ("another user on the socket", another_user_on_the_socket, "broker socket", "process of another user (uid %d" % STRANGER,
     r"(sudo )?rm '/.*broker.sock'", 3, False),
    ("another user's lock", lock_of_another_user, "lock", "of another user (uid %d) holds" % STRANGER, r"(sudo )?kill \d+", 3, False),
    ("keeper missing", keeper_missing, "broker", "HAWSER_KEEPER=/nowhere/hawser-keeper", r"tail -n 20 '/.*broker.log'", 3, False),
    ("a socket's path too long", path_too_long, "folders", "longer than the 107 bytes", r"export XDG_RUNTIME_DIR=.*", 3, False),
    ("clock of 1980", clock_at(315532800), "clock", "1980-01-01", r"(sudo )?timedatectl set-ntp true", 1, False),
    ("clock of 2070", clock_at(3155760000), "clock", "2070-01-01", r"(sudo )?timedatectl set-ntp true", 1, False),
]


def see(set_up, key, words, cure, status):
    with set_up() as home:
        done = home.run("doctor", "--json")
        assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
        told = json.loads(done.stdout)
        bad = [f for f in told["findings"] if not f["good"]]
        assert told["bad"] == len(bad), told
        found = [f for f in bad if f["key"] == key]
        assert len(found) == 1 and words in found[0]["text"], bad
        assert re.fullmatch(cure, found[0]["cure"]), found[0]
        # nothing else is bad, but runs for the same reason
        assert all(f["key"].startswith("run ") for f in bad if f["key"] != key), bad
        if set_up is somebody_silent_on_the_socket:
            return  # once is long enough
        lines = home.run("doctor").stdout.splitlines()
        at = [i for i, line in enumerate(lines) if line.startswith("BAD   %s: " % key)]
        assert len(at) == 1 and lines[-1] == "%d to mend" % len(bad), lines
        cures = [line for line in lines[at[0] + 1:] if line.startswith("      cure: ")]
        assert re.fullmatch("      cure: " + cure, cures[0]), lines


@cases.table([(row[0], *row[1:]) for row in ROWS])
def has_its_line(set_up, key, words, cure, status, own_mounts):
    def row():
        see(set_up, key, words, cure, status)
    (apart(row) if own_mounts else row)()


@cases.add
@apart
def what_was_cured_is_found_well_at_once():
    cover("/usr/bin/bwrap")
    cover("/usr/bin/node")
    with serving() as home:
        home.env["PATH"] = "/usr/bin:/bin"
        assert home.run("doctor").returncode == 1
        uncover("/usr/bin/bwrap")
        done = home.run("run", "-l", "python", "-", input="1 + 1")
        assert done.returncode == 0, done
        told = json.loads(home.run("doctor", "--json").stdout)
        assert [f["key"] for f in told["findings"] if not f["good"]] == ["javascript"], told
        uncover("/usr/bin/node")
        done = home.run("doctor")
        assert done.returncode == 0, done.stdout


@cases.add
def where_nothing_is_broken_all_is_well():
    with serving(fine=fixture()) as home:
        done = home.run("doctor", "--json")
        told = json.loads(done.stdout)
        assert done.returncode == 0 and told["bad"] == 0 and all(f["good"] for f in told["findings"]), told
        texts = {f["key"]: f["text"] for f in told["findings"]}
        assert "echo, which only reads, was called and answered" in texts["server fine"], texts
        calls = [line for line in open(home.path("state", "hawser", "audit.jsonl"), encoding="utf-8") if '"tool":"echo"' in line]
        assert len(calls) == 1, calls
        assert home.run("doctor").stdout.endswith("\nall is well\n")


@cases.add
def what_cannot_be_enforced_is_a_warning_that_says_so():
    with serving() as home:
        keeper = home.write("keeper", "#!/bin/sh\n[ \"$1\" = --probe ] && printf 'memory watchdog\\nprocesses watchdog\\ncpu none\\n' && exit\n"
                            "exec '%s' \"$@\"\n" % os.path.join(BUILD, "providers", "keeper", "hawser-keeper"))
        os.chmod(keeper, 0o755)
        home.env["HAWSER_KEEPER"] = keeper
        done = home.run("doctor")
        assert done.returncode == 0 and done.stdout.endswith("\nall is well\n"), done
        found = re.search(r"^warn  cpu: (.*)\n      cure: (.*)$", done.stdout, re.M)
        assert found and "cpu_percent" in found[1] and "Delegate=yes" in found[2], done.stdout


@cases.table([("not trusted", {"trusted": False}, "none was called"), ("denied", {}, "policy keeps doctor from calling echo")])
def a_server_is_called_only_when_it_may_be(more, words):
    with serving({"policy": {"rules": [{"deny": "fine.*"}]}}, fine=fixture(**more)) as home:
        done = home.run("doctor", "--json")
        texts = {f["key"]: f["text"] for f in json.loads(done.stdout)["findings"]}
        assert done.returncode == 0 and words in texts["server fine"], texts


@cases.add
def a_tool_that_does_not_answer_is_given_up():
    with serving(one=fixture("mute", program=SERVER)) as home:
        told = json.loads(home.run("doctor", "--json").stdout)
        assert "mute, which only reads, took over 10 s and was given up" in told["findings"][-1]["text"], told


@cases.add
def a_client_that_hangs_up_in_the_middle_costs_the_broker_nothing():
    with serving(one=fixture("mute", program=SERVER)) as home:
        client = home.popen("doctor", stdout=subprocess.DEVNULL)
        wait_for(lambda: "called" in home.run("tools", "--logs", "one").stdout)
        client.kill()
        client.wait()
        wait_for(lambda: home.status()["idle"])
        assert home.code("return 1")["result"] == 1


if __name__ == "__main__":
    sys.exit(cases.main())
