#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Kept sandboxes without a broker: leases, ends of every kind, what stands in the way and how it is said, the fake provider.

    sandboxes.py BUILD
"""
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(os.path.dirname(HERE), "support"), os.path.join(os.path.dirname(HERE), "attacks")]
from limits import descendants, gone, keeper_of, lives  # noqa: E402
from wall import NOBODY, Refused, Tap, Wall, stage  # noqa: E402


def median(values):
    return sorted(values)[len(values) // 2]


def pss(pid):
    """KiB, or 0: a keeper shows its memory to root alone."""
    try:
        with open("/proc/%d/smaps_rollup" % pid) as file:
            return next(int(line.split()[1]) for line in file if line.startswith("Pss:"))
    except PermissionError:
        return 0


def speed(tap, wall, mode):
    create, first, end, sizes = [], [], [], []
    for _ in range(9):
        began = time.time()
        box = wall.create("park=python")
        create.append(box.ms)
        good = box.run("python", "return 1").result() == 1
        first.append((time.time() - began) * 1000)
        sizes.append(pss(keeper_of(wall, box)))
        began = time.time()
        box.destroy()
        end.append((time.time() - began) * 1000)
    tap.ok(good, mode + ": sandboxes come and go")
    tap.note("%s: medians: guest up %.1f ms, first answer of python %.1f ms, destroy %.1f ms, keeper %d KiB PSS"
             % (mode, median(create), median(first), median(end), median(sizes)))


def leases(tap, folder, mode, user):
    wall = Wall(folder, user=user)
    box = wall.create("park=python")
    wall.tell("renew %s 1000" % box.id)
    end = time.time() + 3
    box.run("python", "import time\ntime.sleep(3)")
    tap.ok(time.time() >= end and box.run("python", "return 5").result() == 5,
           mode + ": a short lease is renewed for as long as the host is there")
    wall.tell("renew %s 3000" % box.id)
    box.run("python", "1")
    keeper = keeper_of(wall, box)
    pids = descendants(keeper)
    wall.process.send_signal(signal.SIGKILL)
    wall.process.wait()
    alive = all(lives(pid) for pid in pids[:3])  # keeper, bubblewrap, guest: interpreters come and go
    took = gone(pids)
    tap.ok(alive, mode + ": a sandbox survives the death of its host")
    tap.ok(took is not None and took < 8, mode + ": and ends when its lease runs out", took)
    note = os.path.join(wall.dir, "s", box.id + ".ended")
    tap.ok(os.path.exists(note) and open(note).read().startswith("lease "), mode + ": leaving a note why",
           os.listdir(wall.dir + "/s"))
    wall.close()


def ends(tap, folder, mode, user):
    with Wall(folder, user=user) as wall:
        box = wall.create("park=python")
        box.run("python", "1")
        keeper = keeper_of(wall, box)
        pids = descendants(keeper)
        os.kill(keeper, signal.SIGKILL)
        event = wall.until("ended")
        tap.ok(event["ended"] == box.id and "killed" in event["reason"], mode + ": a killed keeper is told", event)
        tap.ok(gone(pids) is not None, mode + ": and takes its wall with it", pids)
        tap.ok(os.listdir(wall.dir + "/s") == [], mode + ": nothing is left of it", os.listdir(wall.dir + "/s"))
        box = wall.create("park=python")
        box.connect()
        os.kill(descendants(keeper_of(wall, box))[2], signal.SIGKILL)  # the guest
        event = wall.until("ended")
        tap.ok("exit" in event["reason"], mode + ": a guest that dies is told", event)
        try:
            wall.ask("destroy " + box.id, "destroyed")
        except Refused as refused:
            tap.ok(False, "destroying what is gone", refused)


def keeper_socket(tap, folder, mode, user):
    with Wall(folder, user=user) as wall:
        box = wall.create("park=bash")
        path = os.path.join(os.path.dirname(box.path), "keeper.sock")
        mode_bits = [os.stat(p).st_mode & 0o777 for p in (os.path.dirname(path), path, box.path)]
        tap.ok(mode_bits == [0o700, 0o600, 0o600], mode + ": folder and sockets are the owner's alone",
               [oct(m) for m in mode_bits])
        link = socket.socket(socket.AF_UNIX)
        link.connect(path)
        link.sendall(b"status\nrubbish\n")
        said = b""
        while said.count(b"\n") < 2:
            said += link.recv(1000)
        tap.ok(said.startswith(b"status ready ") and b"error" in said, mode + ": a keeper tells its status", said)
        link.sendall(b"x" * 10000)  # no line is that long
        link.close()
        tap.ok(box.run("bash", "echo fine").stdout == "fine\n", mode + ": rubbish at its socket does no harm")
        box.destroy()


def refused(tap, name, words, make):
    try:
        make()
        tap.ok(False, name, "it was not refused")
    except Refused as said:
        text = str(said)
        tap.ok(all(word in text for word in words), name, text)
        tap.note(text)


def obstacles(tap, folder, root):
    refused(tap, "an interpreter that is not there", ["/nowhere/bin/python3"],
            lambda: with_wall(folder, "park=python", words=["python=/nowhere/bin/python3"]))
    refused(tap, "a keeper that is not there", ["hawser-keeper"], lambda: without(folder, "hawser-keeper"))
    refused(tap, "a guest that is not there", ["hawser-guest"], lambda: without(folder, "hawser-guest"))
    refused(tap, "an unknown setting", ["cgroup"], lambda: with_wall(folder, "", settings={"cgroop": True}))
    if not root:
        return tap.skip("obstacles that root sets up", "not root")
    secret = os.path.join(folder, "closed")
    os.makedirs(secret + "/bin")
    os.chmod(secret, 0o700)
    shutil.copy("/usr/bin/python3", secret + "/bin/python3")
    refused(tap, "an interpreter that the sandbox's user cannot read", [secret, "closed to it"],
            lambda: with_wall(folder, "park=python", words=["python=" + secret + "/bin/python3"]))
    driver = ["unshare", "--mount", "sh", "-c", "mount --bind /dev/null /usr/bin/bwrap && exec \"$@\"", "sh"]
    refused(tap, "no bubblewrap", ["bubblewrap is not installed", "apt-get"], lambda: behind(folder, driver))
    driver = ["unshare", "--user", "--map-root-user", "sh", "-c",
              "echo 0 >/proc/sys/user/max_user_namespaces && exec \"$@\"", "sh"]
    refused(tap, "no user name spaces", ["max_user_namespaces"], lambda: behind(folder, driver))
    driver = ["/usr/bin/bwrap", "--unshare-user", "--unshare-pid", "--uid", "1000", "--gid", "1000", "--bind", "/", "/",
              "--proc", "/proc", "--tmpfs", "/proc/acpi", "--dev", "/dev", "--tmpfs", "/run", "--"]
    refused(tap, "a container that covers parts of /proc", ["container", "/proc"], lambda: behind(folder, driver))


def with_wall(folder, what, **options):
    with Wall(folder, **options) as wall:
        wall.create(what)


def without(folder, name):
    os.rename(os.path.join(folder, name), os.path.join(folder, name + ".away"))
    try:
        with_wall(folder, "")
    finally:
        os.rename(os.path.join(folder, name + ".away"), os.path.join(folder, name))


def behind(folder, words):
    """The driver started through other programs."""
    real = os.path.join(folder, "wall-driver")
    os.rename(real, real + ".real")
    with open(real, "w") as file:
        file.write("#!/bin/sh\nexec %s %s \"$@\"\n" % (" ".join("'%s'" % w for w in words), real + ".real"))
    os.chmod(real, 0o755)
    try:
        with_wall(folder, "")
    finally:
        os.rename(real + ".real", real)


@contextlib.contextmanager
def free_guest(folder, home, name, tunnel):
    """A guest without a wall on home/NAME.sock; HOME tells which one a run is in."""
    own = os.path.join(home, name)
    os.mkdir(own)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(own + ".sock")
        listener.listen()
        guest = subprocess.Popen([os.path.join(folder, "hawser-guest"), "serve", "--listen-fd", str(listener.fileno()),
                                  "--secret-file", home + "/raw", "--tunnel", tunnel.hex()],
                                 pass_fds=[listener.fileno()], env={"HOME": own, "PATH": "/usr/bin:/bin"})
        try:
            yield
        finally:
            guest.kill()
            guest.wait()


def where(box):
    return os.path.basename(box.run("python", "import os; return os.environ['HOME']").result())


def fake_many(tap, folder, home, settings, tunnel):
    """A * in unix_path is the number of the sandbox, the lowest that is free."""
    with free_guest(folder, home, "0", tunnel), free_guest(folder, home, "1", tunnel), \
            Wall(folder, settings={**settings, "unix_path": home + "/*.sock", "sandboxes": 2}, provider="fake") as wall:
        first, second = wall.create(), wall.create()
        tap.ok((where(first), where(second)) == ("0", "1"), "fake: each sandbox has a guest of its own")
        refused(tap, "fake: no more sandboxes than there are guests", ["in use"], wall.create)
        first.destroy()
        tap.ok(where(wall.create()) == "0" and where(second) == "1", "fake: a place that was given back is given again")


def fake(tap, folder):
    """A guest of our own, no wall: what the settings name is what comes out."""
    home = os.path.join(folder, "fake")
    os.makedirs(home)
    secret, tunnel = os.urandom(32), os.urandom(16)
    for name, text in (("raw", secret), ("hex", secret.hex().encode() + b"\n")):
        with open(os.path.join(home, name), "wb") as file:
            file.write(text)
    settings = {"unix_path": home + "/guest.sock", "secret_file": home + "/hex", "tunnel": tunnel.hex()}
    with free_guest(folder, home, "guest", tunnel), Wall(folder, settings=settings, provider="fake") as wall:
        box = wall.create()
        tap.ok(box.run("python", "return 3").result() == 3, "fake: a run through the guest that the settings name")
        refused(tap, "fake: one sandbox at a time", ["in use"], wall.create)
        box.destroy()
        box = wall.create()
        tap.ok(box.run("python", "return 4").result() == 4, "fake: the next sandbox has the same guest")
    fake_many(tap, folder, home, settings, tunnel)
    for fault, word in (({"unix_path": "x"}, "absolute"), ({"unix_path": "/a*b*"}, "one *"),
                        ({"unix_path": "/" + "x" * 120}, "too long"), ({"url": "ws://x"}, "exactly one"), ({"tunnel": "12"}, "tunnel"),
                        ({"secret_file": "/nowhere"}, "secret_file"), ({"isolation": "strong"}, "isolation")):
        refused(tap, "fake: %s" % fault, [word],
                lambda f=fault: Wall(folder, settings={**settings, **f}, provider="fake"))


def main():
    tap = Tap()
    root = os.geteuid() == 0
    folder = stage(sys.argv[1])
    try:
        for mode, user in [("root", None), ("user", NOBODY)] if root else [("user", None)]:
            with Wall(folder, user=user) as wall:
                facts = wall.report()
                tap.ok(all(good for text, good in facts.values()), mode + ": the report has no fault", facts)
                for key, (text, _) in facts.items():
                    tap.note("%s: %s: %s" % (mode, key, text))
                speed(tap, wall, mode)
            leases(tap, folder, mode, user)
            ends(tap, folder, mode, user)
            keeper_socket(tap, folder, mode, user)
        obstacles(tap, folder, root)
        fake(tap, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
