#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Completions in the shells themselves, and the manual page: both come from the tables, so every verb and option is in them."""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../support"))
from hawser import HAWSER  # noqa: E402
from tap import Cases, Skip  # noqa: E402

cases = Cases()


def hawser(*args):
    return subprocess.run([HAWSER, *args], text=True, capture_output=True, check=True, timeout=30).stdout


def tool(name):
    if not shutil.which(name):
        raise Skip("%s (Debian's package)" % name)
    return name


def complete_in_bash(folder, words):
    script = 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _hawser; printf "%s\\n" "${COMPREPLY[@]}"'
    return subprocess.run(["bash", "-uc", script, "-", os.path.join(folder, "bash"), "hawser", *words], text=True, capture_output=True,
                          check=True, cwd=folder, timeout=30)


def complete_in_fish(folder, words):
    line = " ".join(["hawser", *(w or "''" if w else "" for w in words)])
    return subprocess.run(["fish", "--no-config", "-c", "source %s/fish; complete -C %s" % (folder, json.dumps(line))], text=True,
                          capture_output=True, check=True, cwd=folder, env={**os.environ, "HOME": folder}, timeout=30)


# zsh asks for completions only where it edits a line: in a terminal of its own, by zpty, between two marks.
ZSH = """
zmodload zsh/zpty
zpty it zsh -f -i
zpty -w it "cd $1; PS1= ; fpath=($1 \\$fpath); autoload -U compinit; compinit -u -d $1/dump; LISTMAX=9999; zstyle ':completion:*' menu no
compdef _hawser hawser; zstyle ':completion:*' list-separator '|'; bindkey '^I' list-choices; echo rea''dy"
zpty -r it out '*ready*'
zpty -n -w it "$2"$'\\t'
zpty -w it $'\\C-u'"echo d''one"
zpty -r it out '*done*'
print -r -- $out
"""


def complete_in_zsh(folder, words):
    shutil.copy(os.path.join(folder, "zsh"), os.path.join(folder, "_hawser"))
    return subprocess.run(["zsh", "-f", "-c", ZSH, "-", folder, " ".join(["hawser", *words])], text=True, capture_output=True, check=True,
                          timeout=60, env={**os.environ, "HOME": folder, "TERM": "dumb", "COLUMNS": "200"})


SHELLS = {"bash": complete_in_bash, "fish": complete_in_fish, "zsh": complete_in_zsh}
WANTED = [
    ("a verb", ["co"], {"config", "completion"}, {"run"}),
    ("an option", ["run", "--e"], {"--eval", "--environment"}, {"--logs"}),
    ("a choice", ["run", "--language", "ty"], {"typescript"}, {"python"}),
    ("a word", ["config", ""], {"check", "show"}, {"run.js"}),
    ("a shell", ["completion", ""], {"bash", "zsh", "fish"}, {"run.js"}),
    ("a verb of help", ["help", "to"], {"tools"}, {"run"}),
    ("a file", ["run", "ru"], {"run.js"}, {"tools"}),
]


@cases.table([("%s, %s" % (shell, row[0]), shell, *row[1:]) for shell in SHELLS for row in WANTED])
def completion(shell, words, there, absent):
    tool(shell)
    with tempfile.TemporaryDirectory() as folder:
        for name, text in ((shell, hawser("completion", shell)), ("run.js", "")):
            with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
                f.write(text)
        for _ in range(3 if shell == "zsh" else 1):  # zsh lists nothing when it already sees the keys that come next
            done = SHELLS[shell](folder, words)
            assert not done.stderr, done.stderr
            got = set(re.findall(r"[\w.-]+", re.sub(r"\t.*", "", done.stdout)))  # fish has a description behind a tab
            if there <= got:
                break
        assert there <= got and not absent & got, (done.stdout, there - got, absent & got)


@cases.table([(shell, shell) for shell in SHELLS])
def every_verb_and_option_is_in_it(shell):
    text = hawser("completion", shell)
    for verb in json.loads(hawser("help", "--json")):
        assert re.search(r"\b%s\b" % verb["name"], text), verb
        for option in verb["options"].split():
            assert re.search(r"-(-|l )%s\b" % option, text), option


@cases.add
def no_such_shell():
    done = subprocess.run([HAWSER, "completion", "tcsh"], text=True, capture_output=True, check=False, timeout=30)
    assert done.returncode == 2 and "bash, zsh or fish" in done.stderr, done


@cases.add
def the_manual_page_is_clean_and_whole():
    page = hawser("help", "--man")
    assert "hawser-" not in page  # a hyphen that troff would turn into another sign
    done = subprocess.run([tool("groff"), "-man", "-ww", "-Tutf8", "-P-cbou"], input=page, text=True, capture_output=True, check=True, timeout=30)
    assert not done.stderr, done.stderr
    for verb in json.loads(hawser("help", "--json")):
        assert "hawser " + verb["name"] in done.stdout, verb
        for option in verb["options"].split():
            assert "--" + option in done.stdout, option
    assert "tool call github.list_issues --json '{...}'" in done.stdout, "what is to be copied is changed"


@cases.add
def every_key_of_the_configuration_is_in_help_and_on_the_page():
    told = {m[0] for m in re.findall(r"^  (\w+) +(.+)$", hawser("help", "config"), re.M)}
    page = hawser("help", "--man")
    for key in ("mcpServers", "policy", "providers", "command", "cwd", "timeout", "startTimeout", "disabled", "trusted", "roots", "type",
                "caFile", "run_most_ms", "pool"):
        assert key in told and "\\fB%s\\fR" % key in page, key


@cases.add
def a_status_means_the_same_in_help_and_on_the_page():
    told = dict(re.findall(r"^  (\d+) +(.+)$", hawser("help"), re.M))
    assert set(told) == {"0", "1", "2", "3", "124", "130"}, told
    assert dict(re.findall(r"^\.TP\n\\fB(\d+)\\fR\n(.+)$", hawser("help", "--man"), re.M)) == told, told


if __name__ == "__main__":
    sys.exit(cases.main())
