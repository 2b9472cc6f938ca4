#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""environments: prefixes with packages that a run asks for by name, in the sandbox of the shipped binary."""
import ctypes
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../support"))
from hawser import wait_for  # noqa: E402
from shipped import PEERS, PYTHON, Rig  # noqa: E402
from tap import Cases, Skip  # noqa: E402

TOP = tempfile.mkdtemp(prefix="environments-")
os.chmod(TOP, 0o755)  # as root a sandbox has a user of its own, which must be able to go there
VERSION = subprocess.run([PYTHON, "-c", "import sys; print('python%d.%d' % sys.version_info[:2])"], text=True, check=True,
                         capture_output=True).stdout.strip()
cases = Cases()


def at(*parts):
    return os.path.join(TOP, *parts)


def write(text, *parts):
    os.makedirs(os.path.dirname(at(*parts)), exist_ok=True)
    with open(at(*parts), "w", encoding="utf-8") as f:
        f.write(text)


def venv(name):
    """What `python3 -m venv --without-pip` makes (Debian has that module in a package of its own)."""
    for folder in ("bin", "lib/%s/site-packages" % VERSION):
        os.makedirs(at(name, folder))
    os.symlink(os.path.realpath(PYTHON), at(name, "bin/python3"))
    write("home = %s\ninclude-system-site-packages = false\n" % os.path.dirname(PYTHON), name, "pyvenv.cfg")


def package(name, module, text):
    write(text, name, "lib", VERSION, "site-packages", module, "__init__.py")


def interpreter(name):
    """A prefix with an interpreter of its own; its library is the system's."""
    os.makedirs(at(name, "bin"))
    os.makedirs(at(name, "lib"))
    shutil.copy(os.path.realpath(PYTHON), at(name, "bin", VERSION))
    os.symlink(VERSION, at(name, "bin/python3"))
    os.symlink("/usr/lib/" + VERSION, at(name, "lib", VERSION))


venv("tables")
package("tables", "hawsertable", "ROWS = 3\n")
write("SIX = 6\n", "tables/lib", VERSION, "site-packages/hawsersix.py")
write("", "tables/lib", VERSION, "site-packages/hawserfast.cpython-311-x86_64-linux-gnu.so")
venv("plain")
package("plain", "hawserplain", "")
write('{"name": "left", "version": "1.0.0", "main": "index.js"}', "web/node_modules/left/package.json")
write("module.exports = (text, n) => require('@deep/inner') + text.padStart(n);", "web/node_modules/left/index.js")
write('{"name": "@deep/inner", "version": "1.0.0", "main": "i.js"}', "web/node_modules/@deep/inner/package.json")
write("module.exports = '|';", "web/node_modules/@deep/inner/i.js")
write("SECRET=1", "web/.env")
os.makedirs(at("empty"))

CONFIG = {"mcpServers": {}, "environments": {
    "tables": {"python": at("tables")}, "plain": {"python": at("plain", "bin/python3")}, "web": {"javascript": at("web")},
    "both": {"python": at("tables"), "node": at("web", "node_modules")}, "broken": {"python": at("empty")}}}
rig = Rig(default=CONFIG, bare={"mcpServers": {}})


def run(code, environment=None, language="python", home="default"):
    words = ["--environment", environment] if environment else []
    return json.loads(rig.home(home).run("run", "--json", "-l", language, *words, "-e", code, timeout=60).stdout)


@cases.table([
    ("python", "python", "tables", "import hawsertable, hawsersix, sys\n[hawsertable.ROWS, hawsersix.SIX, sys.prefix == %r]" % at("tables"), [3, 6, True]),
    ("its interpreter by name", "python", "plain", "import hawserplain, sys\nsys.prefix == %r" % at("plain"), True),
    ("require", "javascript", "web", "return require('left')('a', 3)", "|  a"),
    ("import", "javascript", "web", "const { default: left } = await import('left'); return left('a', 3)", "|  a"),
    ("a module", "javascript", "web", "import left from 'left'; export default left('b', 2)", "| b"),
    ("typescript", "typescript", "web", "const left: any = require('left');\nreturn left('a', 3) as string", "|  a"),
    ("both, python", "python", "both", "import hawsertable\nhawsertable.ROWS", 3),
    ("both, javascript", "javascript", "both", "return require('left')('', 0)", "|"),
    ("bash sees node_modules", "bash", "both", "test -e ../node_modules/left/index.js", None),
])
def packages_are_there(language, environment, code, value):
    for got in (run(code, environment, language), rig.tool(language, code, environment=environment)):
        assert got["status"] == "ok" and got["result"] == value, got


@cases.add
def they_are_read_only_and_nothing_else_is_shown():
    got = run("import os\ntry:\n    open(os.path.join(%r, 'x'), 'w')\nexcept OSError as e:\n    w = e.errno\n[w, os.listdir(%r)]" % (at("tables"), TOP), "tables")
    assert got["result"] == [30, ["tables"]], got
    got = run("return [require('fs').readdirSync(%r), require('fs').existsSync(%r)]" % (at("web"), at("tables")), "web", "javascript")
    assert got["result"] == [["node_modules"], False], got
    got = run("import os\nos.path.exists(%r)" % TOP)
    assert got["result"] is False, got


@cases.table([
    ("one has it", "python", "import hawsertable.rows", None, 'environments tables, both'),
    ("a file", "python", "import hawsersix", "plain", '"tables"'),
    ("an extension", "python", "import hawserfast", None, '"tables"'),
    ("another has it", "python", "import hawserplain", "tables", 'environment "plain"'),
    ("none has it", "python", "import hawsernothing", None, "No environment has hawsernothing"),
    ("in a name space", "python", "import hawsernothing.deep", None, "No environment has hawsernothing"),
    ("require", "javascript", "require('left')", None, '"web"'),
    ("require of a file of it", "javascript", "require('left/index.js')", None, '"web"'),
    ("import of a scope", "javascript", "await import('@deep/inner')", None, '"web"'),
    ("import statement", "javascript", "import left from 'left';", None, '"web"'),
    ("typescript", "typescript", "import left from 'left';\nexport default left as any", None, '"web"'),
])
def a_missing_module_names_the_environments_that_have_it(language, code, environment, fix):
    got = run(code, environment, language)
    first = fix.replace("environments tables, both", "tables, both")
    assert first in got["error_detail"]["fix"], got["error_detail"]


@cases.table([
    ("deeper in what is there", "python", "import hawsertable.nothing", "tables"),
    ("a name that leads elsewhere", "javascript", "require('../../etc')", None),
    ("a relative file", "javascript", "require('./left')", None),
    ("an error of that name", "python", "raise ModuleNotFoundError('No module named \\'../x\\'')", None),
    ("a long one", "python", "raise ModuleNotFoundError('No module named \\'' + 'a' * 5000 + '\\'')", None),
])
def other_errors_are_left_alone(language, code, environment):
    assert "fix" not in run(code, environment, language)["error_detail"]


@cases.add
def without_any_the_fix_says_how_to_name_one():
    fix = run("import hawsertable", home="bare")["error_detail"]["fix"]
    assert "environments: {NAME: {python:" in fix and "--fix-hints" in fix, fix


@cases.add
def an_unknown_one_is_told_with_the_nearest():
    for words, said in ((["tabels"], "did you mean tables?"), (["zzzzzzzz"], "there are tables, plain, web, both, broken")):
        done = rig.home().run("run", "--environment", words[0], "-e", "return 1")
        assert done.returncode == 2 and said in done.stderr, done
    done = rig.home("bare").run("run", "--environment", "data", "-e", "return 1")
    assert done.returncode == 2 and "none is configured; write environments:" in done.stderr, done


@cases.add
def a_broken_one_concerns_its_runs_alone():
    for _ in range(2):
        got = run("1", "broken")
        assert got["status"] == "error" and "environment broken: " in got["error"] and "bin/python3" in got["error"], got
        assert run("1")["result"] == 1


@cases.add
def the_tool_has_the_argument_only_where_there_is_something_to_choose():
    tools = {home: next(t for t in rig.door(home).ask("tools/list")["tools"] if t["name"] == "execute_code")["inputSchema"]["properties"]
             for home in ("default", "bare")}
    assert tools["default"]["environment"]["enum"] == list(CONFIG["environments"]), tools
    assert "environment" not in tools["bare"], tools


def is_shown(path):
    """Is there a sandbox that shows it? The words of its wall stay on its command line."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/cmdline" % pid, "rb") as f:
                words = f.read().decode(errors="replace").split("\0")
        except OSError:
            continue
        if words[0].endswith("bwrap") and path in words:
            return True
    return False


@cases.add
def the_next_sandbox_is_made_for_the_environment_that_was_asked_for_last():
    venv("solo")
    os.makedirs(at("other/node_modules"))
    rig.configs["one"] = {"mcpServers": {}, "limits": {"runs": 1, "pool": 1}, "environments": {
        "solo": {"python": at("solo")}, "other": {"javascript": at("other")}}}
    for environment, folder in (("solo", at("solo")), ("other", at("other/node_modules")), (None, None), ("solo", at("solo"))):
        assert run("return 1", environment, "javascript", "one")["result"] == 1
        for other in (at("solo"), at("other/node_modules")):
            wait_for(lambda wanted=other == folder, other=other: is_shown(other) == wanted)


@cases.add
def doctor_looks_at_them():
    findings = {f["key"]: f for f in json.loads(rig.home().run("doctor", "--json", timeout=60).stdout)["findings"]}
    assert findings["environment tables"]["good"] and at("tables") in findings["environment tables"]["text"], findings
    assert not findings["environment broken"]["good"] and "bin/python3" in findings["environment broken"]["text"], findings


@cases.add
def hints_find_what_is_worth_a_name():
    home = at("somebody")
    for path, module in (("project/.venv", "pandas-2.0"), ("miniconda3/envs/sci ence", "scipy-1.0"), (".pyenv/versions/3.12.1", "rich-1.0"),
                         (".pyenv/versions/3.11.1", "pip-23.0"), ("venv", "six-1.0"), ("old", None), ("other/venv", "attrs-1.0"),
                         ("src/deep/.venv", "flask-1.0"), ("a/b/c/venv", "far-1.0"), (".hidden/venv", "hidden-1.0")):
        venv("somebody/" + path)
        if module:
            os.makedirs(at("somebody", path, "lib", VERSION, "site-packages", module + ".dist-info"))
    os.makedirs(at("somebody/project/node_modules/left"))
    os.makedirs(at("somebody/tools/node_modules/prettier/node_modules/inner"))
    os.symlink("/", at("somebody/everything"))
    os.makedirs(at("somebody/.nvm/versions/node/v22.1.0/lib/node_modules/npm"))
    os.makedirs(at("somebody/.nvm/versions/node/v22.1.0/lib/node_modules/tsx"))
    env = {"HOME": home, "VIRTUAL_ENV": at("somebody/project/.venv")}
    found = json.loads(rig.home().run("doctor", "--fix-hints", "--json", env=env).stdout)["environments"]
    wanted = {"project": ("python", "project/.venv"), "somebody": ("python", "venv"), "sci-ence": ("python", "miniconda3/envs/sci ence"),
              "python-3.12.1": ("python", ".pyenv/versions/3.12.1"), "other": ("python", "other/venv"),
              "v22.1.0": ("javascript", ".nvm/versions/node/v22.1.0/lib"), "project-2": ("javascript", "project"),
              "tools": ("javascript", "tools"), "deep": ("python", "src/deep/.venv")}
    assert found == {name: {kind: at("somebody", path)} for name, (kind, path) in wanted.items()}, found
    text = rig.home().run("doctor", "--fix-hints", env=env).stdout
    path = rig.home().write("work/hints.yaml", text)  # what is printed is a configuration
    done = rig.home().run("config", "check", "--config", path)
    assert done.returncode == 0 and "sci-ence" in text, (text, done)
    assert "was found" in rig.home().run("doctor", "--fix-hints", env={"HOME": at("empty"), "VIRTUAL_ENV": ""}).stdout


@cases.add
def a_working_directory_in_the_home_is_walked_once():
    libc, home = ctypes.CDLL(None), rig.home()
    for where in ("", "a", "a/b", "a/b/c", ".a"):
        os.makedirs(at("once", where), exist_ok=True)
        seen = libc.inotify_init1(os.O_NONBLOCK)
        assert seen >= 0 and libc.inotify_add_watch(seen, at("once", where).encode(), 0x30) >= 0  # opened, closed
        subprocess.run([home.binary, "doctor", "--fix-hints"], cwd=at("once", where), check=True, capture_output=True,
                       env={**home.env, "HOME": at("once"), "VIRTUAL_ENV": ""})
        events, own = os.read(seen, 65536), 0
        os.close(seen)
        while events:  # wd, mask, cookie, length of a name: none is the folder itself
            _, mask, _, length = struct.unpack("iIII", events[:16])
            own, events = own + (length == 0 and mask & 0x20 != 0), events[16 + length:]
        assert own == 1, (where, own)


@cases.add
def config_is_checked():
    home = rig.home()
    for environments, said in (({"a b": {"python": "/x"}}, "a b is no name"), ({"a": {"python": "venv"}}, "venv is not absolute"),
                               ({"a": {}}, "names nothing"), ({"a": {"ruby": "/x"}}, "ruby"), ([], "an object of at most 16")):
        path = home.write("work/other.json", json.dumps({"environments": environments}))
        done = home.run("config", "check", "--config", path)
        assert done.returncode == 2 and said in done.stdout + done.stderr, done


@cases.add
def a_venv_whose_interpreter_is_reached_by_links():
    interpreter("versions/3.x.1")
    os.symlink("3.x.1", at("versions/3.x"))
    os.makedirs(at("local/bin"))
    os.symlink("../../versions/3.x/bin/python3", at("local/bin/python3"))
    write("SECRET", "local/secret")
    os.makedirs(at("uv/bin"))
    os.symlink(at("local/bin/python3"), at("uv/bin/python3"))
    write("home = %s\n" % at("versions/3.x/bin"), "uv/pyvenv.cfg")
    package("uv", "hawseruv", "YES = 1\n")
    rig.configs["linked"] = {"mcpServers": {}, "environments": {"uv": {"python": at("uv")}}}
    got = run("import hawseruv, sys, os\n[sys.prefix, sys.base_prefix, os.listdir(%r), os.listdir(%r)]" % (at("local"), at("local/bin")),
              "uv", home="linked")
    assert got["result"] and got["result"][0] == at("uv") and got["result"][1].startswith(at("versions")), got
    assert got["result"][2:] == [["bin"], ["python3"]], got


NUMPY = """import asyncio
import numpy as np

async def main():
    a = np.arange(6).reshape(2, 3)
    return {'sum': int(a.sum()), 'mean': a.mean(axis=0)}

asyncio.run(main())"""


@cases.add
def numpy_from_a_venv():
    source = os.path.join(PEERS, "numpy")
    if not os.path.exists(source):
        raise Skip("numpy of PyPI (tests/peers installs it)")
    venv("sci")
    shutil.copytree(source, at("sci/lib", VERSION, "site-packages"), dirs_exist_ok=True)
    rig.configs["numpy"] = {"mcpServers": {}, "environments": {"sci": {"python": at("sci")}}}
    got = run(NUMPY, "sci", home="numpy")
    assert got["result"] == {"sum": 15, "mean": [1.5, 2.5, 3.5]}, got
    assert '"sci"' in run(NUMPY, home="numpy")["error_detail"]["fix"]


if __name__ == "__main__":
    try:
        status = rig.main(cases)
    finally:
        shutil.rmtree(TOP, ignore_errors=True)
    sys.exit(status)
