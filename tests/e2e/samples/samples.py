#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The field's agent-code samples run as they would be pasted; without the alias table those that use it do not."""
import os
import re
import shutil
import sys
import tempfile

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "../../support"), HERE]
import hawser  # noqa: E402
import programs  # noqa: E402
import server  # noqa: E402
from shipped import PYTHON, Rig  # noqa: E402
from tap import Cases, Skip  # noqa: E402

GUEST = os.environ.get("HAWSER_GUEST", os.path.join(hawser.BUILD, "tunnel", "guest", "hawser-guest"))
TABLES = {b"const ALIASES = {": b"};", b"ALIASES = {\n    \"callTool\"": b"}\n"}
cases = Cases()


def config():
    """Servers of their own for each row: some rows write."""
    return {"mcpServers": {name: {"command": PYTHON, "args": ["-B", os.path.join(HERE, "server.py"), name]} for name in server.SERVERS}}


def without_aliases(folder):
    """A copy of the guest in whose shims both tables are empty; its size stays, so nothing else moves."""
    with open(GUEST, "rb") as f:
        binary = f.read()
    for begin, end in TABLES.items():
        assert binary.count(begin) == 1, begin
        opened = binary.index(b"{", binary.index(begin)) + 1
        closed = binary.index(end, opened)
        inside = re.sub(rb"[^\n]", b" ", binary[opened:closed])
        binary = binary[:opened] + inside + binary[closed:]
    path = os.path.join(folder, "hawser-guest")
    with open(path, "wb") as f:
        f.write(binary)
    os.chmod(path, 0o755)
    return path


def spoiled():
    folder = tempfile.mkdtemp(prefix="no-aliases-")
    os.chmod(folder, 0o755)
    home = hawser.Home({"policy": {"default": "allow"}, **config()}, env={"HAWSER_GUEST": without_aliases(folder)})
    rig.homes["spoiled"] = home
    folders.append(folder)
    return home


folders = []
rig = Rig(default=config())


def stripper_is_there():
    return shutil.which("esbuild", path="/usr/bin") or rig.value("javascript", "return typeof require('module').stripTypeScriptTypes") == "function"


def run(row, home):
    _, _, _, _, language, _, code, _ = row
    if language == programs.TS and not stripper_is_there():
        raise Skip("esbuild (Debian's package), or a node of 22.13")
    return home.code(code.lstrip("\n"), "--language", language, timeout=90)


def lines(got):
    return [line for entry in got["logs"] for line in entry.split("\n")]


@cases.table([(row[0], row) for row in programs.ROWS])
def runs_as_pasted(row):
    wanted, got = row[-1], run(row, rig.home())
    assert got["status"] == "ok", (got["error"], got["error_detail"], got["logs"])
    if isinstance(wanted, tuple):
        assert lines(got) == wanted[1] and got["result"] is None, got
    else:
        assert got["result"] == wanted and type(got["result"]) is type(wanted), got["result"]


@cases.add
def each_row_says_what_it_stands_for():
    assert all(all(isinstance(word, str) and word for word in row[:5]) for row in programs.ROWS)
    for source in ("mcp-use js", "mcp-use py", "code-executor ts", "code-executor py"):
        assert sum(row[0].startswith(source) for row in programs.ROWS) >= 5, source


@cases.add
def without_the_alias_table_exactly_those_that_use_it_fail():
    home = spoiled()
    for row in programs.ROWS:
        try:
            got = run(row, home)
        except Skip:
            continue
        failed = got["status"] == "error" and got["error_detail"]["name"] in ("ReferenceError", "NameError")
        assert failed == row[5], (row[0], got["status"], got["error"])


if __name__ == "__main__":
    try:
        status = rig.main(cases)
    finally:
        for made in folders:
            shutil.rmtree(made, ignore_errors=True)
    sys.exit(status)
