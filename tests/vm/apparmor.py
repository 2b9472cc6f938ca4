#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""AppArmor keeps bubblewrap from user name spaces: `hawser doctor` and `hawser run` name it and its cure, and the cure
helps. Run by root in a machine of tests/vm, whose kernel mediates user name spaces as Debian ships it (Ubuntu's own switch,
kernel.apparmor_restrict_unprivileged_userns, is not in it: the same is made by profiles)."""
import json
import os
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from tap import Cases  # noqa: E402

THERE = "/opt/debian13"
PARSER = [THERE + "/usr/lib64/ld-linux-x86-64.so.2", "--library-path", THERE + "/usr/lib/x86_64-linux-gnu",
          THERE + "/usr/sbin/apparmor_parser", "--base", THERE + "/etc/apparmor.d", "--skip-cache"]
CURE = THERE + "/usr/share/apparmor/extra-profiles/bwrap-userns-restrict"
HEAD = "abi <abi/4.0>,\nprofile bwrap /usr/bin/bwrap flags=(attach_disconnected,mediate_deleted) {\n" \
    "allow file, allow network, allow unix, allow ptrace, allow signal, allow mqueue, allow mount, allow umount, allow pivot_root,\n"
NO_SPACES = HEAD + "allow capability,\n}\n"
NO_CAPABILITIES = HEAD + "allow userns,\naudit deny capability,\n}\n"  # what Ubuntu's switch does to programs without a profile
cases = Cases()


def parser(*words, text=None):
    done = subprocess.run([*PARSER, *words], input=text, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def ask(*words, text=None):
    """As the user, who has a home of its own."""
    return subprocess.run(["runuser", "-u", "tester", "--", "env", "HOME=/home/tester", "XDG_RUNTIME_DIR=/run/user/1000",
                           "XDG_STATE_HOME=/home/tester/state", "XDG_CONFIG_HOME=/home/tester/config", *words], input=text,
                          cwd="/home/tester", text=True, capture_output=True, timeout=280, check=False)


def hawser(*words, text=None):
    return ask(os.environ["HAWSER_BUILD"] + "/broker/hawser", *words, text=text)


def findings():
    hawser("stop")
    done = hawser("doctor", "--json")
    said = {one["key"]: one for one in json.loads(done.stdout)["findings"]}
    print("# " + "\n# ".join("%s: %s" % (key, one["text"].replace("\n", " ")) for key, one in said.items()))
    return said


def bubblewrap():
    """What it says where it fails."""
    return ask("/usr/bin/bwrap", "--unshare-user", "--unshare-net", "--ro-bind", "/", "/", "true").stderr.strip()


def refused():
    print("# bubblewrap: " + bubblewrap(), flush=True)
    said = findings()["name spaces"]
    run = json.loads(hawser("run", "--json", "-l", "bash", "-", text="echo 42").stdout)
    print("# run: " + run["error"])
    for text in (said["text"], run["error"] + json.dumps(run["error_detail"])):
        assert "AppArmor" in text and "bwrap-userns-restrict" in text, text
    assert not said["good"] and run["status"] != "ok"


@cases.add
def without_a_profile_all_is_well():
    assert subprocess.run(["sysctl", "-n", "kernel.apparmor_restrict_unprivileged_userns"], check=False).returncode != 0
    assert bubblewrap() == ""


@cases.add
def a_profile_without_user_name_spaces():
    parser("--replace", text=NO_SPACES)
    refused()


@cases.add
def a_profile_without_capabilities_in_them():
    parser("--replace", text=NO_CAPABILITIES)
    refused()


@cases.add
def the_cure_helps():
    parser("--replace", CURE)
    assert bubblewrap() == ""
    hawser("stop")  # a broker remembers for a while what did not go
    run = hawser("run", "-l", "bash", "-", text="echo 42")
    assert run.stdout.strip() == "42", run.stderr


os.makedirs("/home/tester/config/hawser", exist_ok=True)
with open("/home/tester/config/hawser/hawser.yaml", "w", encoding="ascii") as config:
    config.write("limits: {run_ms: 120s, pool: 0}\n")
subprocess.run(["chown", "-R", "tester:", "/home/tester"], check=True)
sys.exit(cases.main())
