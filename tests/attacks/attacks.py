#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Hostile programs in a process sandbox. Each act runs outside first (the control) and has to find its way OPEN there;
inside it must be BLOCKED. As root the suite runs twice: with the broker's host as root (sandboxes get users of their own),
and as an unprivileged user.

    attacks.py BUILD
"""
import base64
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "support")]
from wall import NOBODY, Refused, Tap, Wall, as_user, stage  # noqa: E402

DISK = 64 << 20
FAR = "10.99.7.1"  # of an interface in a network name space of our own

# Who can do it outside: anybody, or root alone. "lacking": kernels and machines there are without it.
USER = """unshare_user clone_user clone3_user ptrace_child vm_readv key_add key_ring personality socket_netlink
    push_char_wide memory_file sysv_memory read_cmdline read_core_pattern read_host_etc read_planted
    fill_home fill_tmp fill_shm tcp_loopback unix_path unix_abstract guest_socket keeper_socket inherited_fd
    secret_in_environ own_environ left_file left_process limit_cpu limit_files nice_down nice_user idle_class pin io_class
    trace read_memory read_environ read_maps write_oom follow_root follow_exe follow_fd enter_ns take_fd all_signals""".split()
ROOT = """unshare_net mount_tmpfs fs_open open_tree_clone pivot_root chroot setns make_device bpf_map perf_open reboot
    kernel_log file_handle set_hostname socket_packet read_shadow write_root write_usr write_etc write_dev write_sysctl
    tcp_other other_interface""".split()
LACKING = """io_uring userfault i386_call x32_call socket_vsock socket_vsock_wide socket_alg module_load kexec push_char
    read_kallsyms read_config read_keys read_modules read_interrupts read_iomem read_diskstats read_sys read_machine_id
    open_device""".split()

JS = """const act = %s;
const say = text => process.stdout.write(text + '\\n');
Promise.resolve().then(act).then(ok => say(ok ? 'OPEN' : 'BLOCKED'), e => say('BLOCKED ' + e.message));
"""
PY = """import os, socket
def act():
    %s
try:
    print('OPEN' if act() else 'BLOCKED')
except OSError as e:
    print('BLOCKED', e)
"""
SQUAT = """import os, socket
path = %r
os.makedirs(os.path.dirname(path), exist_ok=True)
s = socket.socket(socket.AF_UNIX)
s.bind(path)
s.listen()
print('ready', flush=True)
s.accept()
print('OPEN', flush=True)
"""


def languages(facts):
    """name -> (language, program): the same text runs outside and inside."""
    return {
        "js_connect": ("javascript", JS % ("() => new Promise((yes, no) => require('net').connect(%d, '127.0.0.1', "
                                           "function () { this.destroy(); yes(1); }).on('error', no))" % facts["port"])),
        "js_read_planted": ("javascript", JS % ("() => require('fs').readFileSync(%s).length"
                                                % json.dumps(facts["planted"]))),
        "js_spawn_shell_reads_planted": ("javascript", JS % ("() => require('child_process').execSync('cat ' + %s)"
                                                             ".length" % json.dumps(facts["planted"]))),
        "py_vsock": ("python", PY % "return socket.socket(40, socket.SOCK_STREAM) is not None"),
        "py_connect": ("python", PY % ("return socket.create_connection(('127.0.0.1', %d), 5) is not None" % facts["port"])),
        "py_read_planted": ("python", PY % ("return len(open(%r).read()) > 0" % facts["planted"])),
    }


class Scene:
    """What of the host is there to be attacked, and the victim of the controls."""

    def __init__(self, folder, user):
        self.folder, self.user = folder, user
        self.home = tempfile.mkdtemp(prefix="hawser-attack-")
        os.chmod(self.home, 0o755)
        self.secret = "planted-" + base64.b32encode(os.urandom(10)).decode()
        self.planted = os.path.join(self.home, "credentials")
        with open(self.planted, "w") as file:
            file.write(self.secret + "\n")
        os.chmod(self.planted, 0o600)
        open(os.path.join(self.home, "hawser-left"), "w").close()
        self.tcp = socket.create_server(("127.0.0.1", 0))
        self.far = None
        try:
            self.far = socket.create_server((FAR, 0))
        except OSError:
            pass
        self.unix = socket.socket(socket.AF_UNIX)
        self.unix.bind(os.path.join(self.home, "service.sock"))
        self.unix.listen(16)
        self.abstract = socket.socket(socket.AF_UNIX)
        self.abstract.bind("\0" + self.secret)
        self.abstract.listen(16)
        self.env = {"PATH": "/usr/bin:/bin", "HOME": self.home, "HAWSER_PLANTED": self.secret}
        shutil.copy("/usr/bin/sleep", os.path.join(self.home, "hawser-left-run"))
        os.chmod(os.path.join(self.home, "service.sock"), 0o777)
        if user is not None:
            for name in ("", "credentials", "hawser-left", "service.sock"):
                os.chown(os.path.join(self.home, name), user, user)
        self.fd = os.open(self.planted, os.O_RDONLY)

    def words(self, box):
        words = ["planted=" + self.planted, "secret=" + self.secret, "unix=" + os.path.join(self.home, "service.sock"),
                 "abstract=" + self.secret, "tcp=127.0.0.1:%d" % self.tcp.getsockname()[1], "left=hawser-left",
                 "process=hawser-left-run", "fill=%d" % (DISK + (16 << 20)), "guest=" + box.path,
                 "keeper=" + os.path.join(os.path.dirname(box.path), "keeper.sock")]
        if self.far:
            words.append("far=%s:%d" % (FAR, self.far.getsockname()[1]))
        return words

    def facts(self):
        return {"port": self.tcp.getsockname()[1], "planted": self.planted}

    def control(self, box, user):
        """Acts of the probe as user (None: our own), with a victim of the same user. name -> what it said."""
        victim = subprocess.Popen([os.path.join(self.home, "hawser-left-run"), "600"], env=self.env, **as_user(user))
        try:
            said = subprocess.run([os.path.join(self.folder, "probe"), "--target", str(victim.pid),
                                   *self.words(box), "dir=" + self.home, "all"], capture_output=True, text=True,
                                  env=self.env, pass_fds=[self.fd], cwd=self.home, **as_user(user)).stdout
        finally:
            victim.kill()
            victim.wait()
        return parse(said)

    def control_language(self, language, code, user):
        program = {"javascript": ["/usr/bin/node", "-"], "python": ["/usr/bin/python3", "-"]}[language]
        if not os.path.exists(program[0]):
            return None
        return subprocess.run(program, input=code, capture_output=True, text=True, env=self.env, timeout=60,
                              **as_user(user)).stdout.strip()

    def close(self):
        for thing in (self.tcp, self.far, self.unix, self.abstract):
            if thing:
                thing.close()
        os.close(self.fd)
        shutil.rmtree(self.home, ignore_errors=True)


def parse(text):
    return dict(line.split(" ", 1) for line in text.splitlines() if " " in line)


def upload(box, path):
    """The probe goes in as a program's text: a sandbox sees no file of ours."""
    with open(path, "rb") as file:
        packed = base64.b64encode(zlib.compress(file.read(), 9)).decode()
    run = box.run("python", "import base64, os, zlib\np = os.path.expanduser('~/probe')\n"
                  "open(p, 'wb').write(zlib.decompress(base64.b64decode('%s')))\nos.chmod(p, 0o700)" % packed)
    if run.tail["status"] != "ok":
        raise Refused("the probe could not be uploaded: %s %s" % (run.tail, run.stderr))


def inside(box, words, acts="all"):
    run = box.run("bash", "~/probe --target 1 dir=$HOME " + " ".join("'%s'" % w for w in words) + " " + acts,
                  limits={"wall_ms": 60000})
    return parse(run.stdout)


def judge(tap, mode, name, control, said):
    label = "%s: %s" % (mode, name)
    if not control or control != "OPEN":
        if name in LACKING or (name in ROOT and os.geteuid() != 0) or (name == "tcp_other" and mode != "root"):
            return tap.skip(label, "the host itself refuses it (%s); inside: %s" % (control, said))
        return tap.ok(False, label, "the control is not OPEN outside but %s; inside: %s" % (control, said))
    return tap.ok(bool(said) and said.startswith("BLOCKED"), label, "inside: %s" % said)


def alive(tap, mode, box, after):
    try:
        value = box.run("python", "return 6 * 7", timeout=10).result()
        tap.ok(value == 42, "%s: the guest answers after %s" % (mode, after), value)
        box.connect()
        tap.ok(box.run("python", "return 6 * 7", timeout=10).result() == 42,
               "%s: the guest takes a new link after %s" % (mode, after))
    except Exception as problem:  # whatever it is, the guest is not well
        tap.ok(False, "%s: the guest answers after %s" % (mode, after), repr(problem))


def acts(tap, mode, scene, wall, box, user):
    controls = [scene.control(box, NOBODY if os.geteuid() == 0 else None)]
    if os.geteuid() == 0:
        controls.append(scene.control(box, None))
    said = inside(box, scene.words(box))
    for name in USER + ROOT + LACKING:
        found = [c.get(name) for c in controls]
        judge(tap, mode, name, "OPEN" if "OPEN" in found else found[0], said.get(name))
    alive(tap, mode, box, "all acts")
    for name, (language, code) in languages(scene.facts()).items():
        control = scene.control_language(language, code, user)
        if control is None:
            tap.skip("%s: %s" % (mode, name), "no %s outside" % language)
            continue
        run = box.run(language, code.replace("Promise.resolve()", "await Promise.resolve()"))
        judge(tap, mode, name, control, run.stdout.strip() or run.stderr)
    for language, code in (("javascript", "process.kill(1, 'SIGKILL'); process.kill(-1, 'SIGTERM')"),
                           ("python", "import os\nfor s in (9, 15, 19): os.kill(1, s)\nos.kill(-1, 15)"),
                           ("bash", "kill -9 1; kill -STOP 1; kill -9 -1")):
        box.run(language, code)
        alive(tap, mode, box, "signals from " + language)


def two_runs(tap, mode, scene, wall, box):
    """A second sandbox finds nothing of the first; the control: the same sandbox does."""
    leave = ("cp /usr/bin/sleep ~/hawser-left-run; touch ~/hawser-left /tmp/hawser-left /dev/shm/hawser-left; "
             "export HAWSER_PLANTED=%s; ~/hawser-left-run 600 & "
             "until grep -qa HAWSER_PLANTED /proc/$!/environ; do :; done; echo ready; wait" % scene.secret)
    tunnel = box.tunnel
    first = tunnel.run("bash", leave)
    tunnel.until(lambda: b"ready" in first.out[1], what="the first run")
    names = "left_file left_process secret_in_environ"
    control = inside(box, scene.words(box), names)
    other = wall.create("disk=%d park=bash" % DISK)
    upload(other, os.path.join(scene.folder, "probe"))
    said = inside(other, scene.words(box), names)
    for name in names.split():
        judge(tap, mode, "second run, " + name, control.get(name), said.get(name))
    squat = other.tunnel.run("python", SQUAT % box.path)
    other.tunnel.until(lambda: b"ready" in squat.out[1], what="the squatter")
    alive(tap, mode, box, "somebody else listens at its socket's path")
    other.tunnel.cancel(squat)
    other.tunnel.wait(squat)
    tap.ok("OPEN" not in squat.stdout, mode + ": squatting the path of another guest's socket", squat.stdout)
    tunnel.cancel(first)
    tunnel.wait(first)
    other.destroy()


def suite(tap, folder, mode, user):
    scene = Scene(folder, user)
    try:
        with Wall(folder, user=user, pass_fds=[scene.fd], env=dict(scene.env)) as wall:
            box = wall.create("disk=%d park=bash" % DISK)
            upload(box, os.path.join(folder, "probe"))
            acts(tap, mode, scene, wall, box, user)
            two_runs(tap, mode, scene, wall, box)
            box.destroy()
            left = [name for name in os.listdir(wall.dir + "/s")]
            tap.ok(not left, mode + ": nothing is left after the end", left)
    finally:
        scene.close()


def own_network():
    """Once more in a network name space of our own, with loopback and one more interface."""
    if os.environ.get("HAWSER_OWN_NET") or not shutil.which("ip") or not shutil.which("unshare"):
        return
    script = ("ip link set lo up; for type in dummy bridge; do ip link add hawser0 type $type 2>/dev/null && break; done; "
              "ip addr add %s/24 dev hawser0; ip link set hawser0 up; exec \"$@\"" % FAR)
    os.environ["HAWSER_OWN_NET"] = "1"
    os.execvp("unshare", ["unshare", "--net", "sh", "-c", script, "sh", sys.executable, *sys.argv])


def main():
    root = os.geteuid() == 0
    if root:
        own_network()
    tap = Tap()
    folder = stage(sys.argv[1], "tests/attacks/probe")
    try:
        suite(tap, folder, "root" if root else "user", None)
        if root:
            suite(tap, folder, "user", NOBODY)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
