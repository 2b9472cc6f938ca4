# SPDX-License-Identifier: Apache-2.0
"""One machine of tests/vm: boots, runs a scene of `inside`, powers off. Started by run.

    machine.py IMAGE BUILD SCENE      a scene of SCENES

Prints a line a program that ran in there and "N passed, N failed, N skipped" at the end."""
import contextlib
import io
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests"))
import runner  # noqa: E402

LIMIT_S = 600  # of a machine, from power on to power off
TREE = ("tests", "tunnel/shims", "deploy/examples")
BINARIES = ("broker/hawser", "tunnel/guest/hawser-guest", "providers/keeper/hawser-keeper", "tests/support/wall-driver",
            "tests/attacks/hog", "tests/attacks/probe", "tests/e2e/remote/delay-line")
BLOCK = re.compile(r"^=== (?P<name>.+)\n(?P<text>(?:(?!=== ).*\n)*)=== status (?P<status>\d+)$", re.MULTILINE)
SHOWN = re.compile(r"# (budget|one round trip|note:)|# .*, end: ")


def readable(entry):
    """By every user in there, whatever the umask was out here."""
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    entry.mode |= 0o555 if entry.mode & 0o100 else 0o444
    return entry


def pack(build, scene, to):
    """A tar, which is the machine's second disk: the tree as it is here, the programs below build/, the scene's name."""
    listed = subprocess.run(["git", "-c", "safe.directory=*", "ls-files", "-z", "-co", "--exclude-standard", *TREE],
                            cwd=TOP, capture_output=True, check=True).stdout.decode()
    with tarfile.open(to, "w", format=tarfile.GNU_FORMAT) as tar:
        for name in filter(None, listed.split("\0")):
            if os.path.exists(os.path.join(TOP, name)):
                tar.add(os.path.join(TOP, name), name, filter=readable)
        for name in BINARIES:
            tar.add(os.path.join(build, name), "build/" + name, filter=readable)
        text = scene.encode() + b"\n"
        head = tarfile.TarInfo("scene")
        head.size = len(text)
        tar.addfile(head, io.BytesIO(text))


def uml(image, work, stack):
    """A kernel that is a process: no virtual machine is needed, and its processes run at the speed of this one's."""
    inputs = [os.pipe() for _ in range(2)]  # a console reads a descriptor of its own; nobody types
    console = os.open(work + "/console", os.O_WRONLY)
    said = os.open(work + "/said", os.O_RDWR)
    for fd in (*sum(inputs, ()), console, said):
        stack.callback(os.close, fd)
    # its consoles want something that can be polled
    carriers = [subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=fd) for fd in (console, said)]
    for carrier in carriers:
        stack.callback(carrier.wait)
        stack.callback(carrier.stdin.close)
    into = [carrier.stdin.fileno() for carrier in carriers]
    argv = ["linux.uml", "mem=1536M", "ubd0=%s/cow,%s/root.img" % (work, image), "ubd1r=%s/payload" % work, "root=/dev/ubda",
            "rw", "con=null", "ssl=null", "con0=fd:%d,fd:%d" % (inputs[0][0], into[0]),
            "con2=fd:%d,fd:%d" % (inputs[1][0], into[1]), "console=tty0", "systemd.journald.forward_to_console=1",
            "hawser.disk=/dev/ubdb", "hawser.said=/dev/tty2"]
    return argv, [inputs[0][0], inputs[1][0], *into]


def qemu(image, work, _):
    """KVM if it is the CPU's. A KVM without it (kvm_pvm, in clouds) runs kernels made for it; it would emulate Debian's, far
    more slowly than TCG does."""
    by_cpu = any(os.path.isdir("/sys/module/" + m) for m in ("kvm_intel", "kvm_amd")) and os.access("/dev/kvm", os.W_OK)
    by = ("-accel", "kvm", "-cpu", "host") if by_cpu else ("-accel", "tcg,thread=multi,tb-size=512", "-cpu", "max,la57=off,cx16=off")
    argv = ["qemu-system-x86_64", *by, "-machine", "q35", "-smp", "2", "-m", "1536", "-nodefaults", "-no-user-config",
            "-display", "none", "-no-reboot", "-nic", "none", "-kernel", image + "/vmlinuz", "-initrd", image + "/initrd",
            "-append", "root=/dev/vda rw console=ttyS0 panic=-1 no_timer_check mitigations=off "
            "systemd.journald.forward_to_console=1 hawser.disk=/dev/vdb hawser.said=/dev/virtio-ports/hawser",
            "-drive", "file=%s/root.img,format=raw,if=virtio,snapshot=on" % image,
            "-drive", "file=%s/payload,format=raw,if=virtio,readonly=on" % work,
            "-chardev", "file,id=console,path=%s/console" % work, "-serial", "chardev:console",
            "-device", "virtio-serial-pci", "-chardev", "file,id=said,path=%s/said" % work,
            "-device", "virtserialport,chardev=said,name=hawser"]
    return argv, []


SCENES = {"limits": uml, "netem": uml, "apparmor": qemu}


def boot(argv, fds, work):
    """None: it ran and powered off; else what went wrong."""
    machine = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT,
                               pass_fds=fds, start_new_session=True, env={**os.environ, "TMPDIR": work})
    try:
        status = machine.wait(LIMIT_S)
        return "%s ended with status %d" % (argv[0], status) if status else None
    except subprocess.TimeoutExpired:
        return "it was still running after %d s" % LIMIT_S
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(machine.pid, signal.SIGKILL)  # of UML: all processes in there are processes here
        machine.wait()


def read(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        return f.read().replace("\r", "")


def judge(text):
    """Prints and counts what the programs in there said."""
    total = runner.Count()
    for block in BLOCK.finditer(text):
        name, said = block["name"], block["text"]
        count = runner.count_text(name, said, int(block["status"]))
        total.add(count)
        print("==> %s: %s" % (name, count))
        print("".join("    | %s\n" % line for line in said.splitlines() if count.failed or SHOWN.match(line)), end="")
    return total


def play(image, build, scene):
    work = tempfile.mkdtemp(prefix="hawser-vm-", dir=os.environ.get("TMPDIR", "/var/tmp"))
    try:
        for name in ("said", "console"):
            open(os.path.join(work, name), "wb").close()
        pack(build, scene, work + "/payload")
        with contextlib.ExitStack() as stack:
            wrong = boot(*SCENES[scene](image, work, stack), work)
        said, console = read(work + "/said"), read(work + "/console")
    finally:
        shutil.rmtree(work)
    total = judge(said)
    if not wrong and not said.endswith("=== end\n"):
        wrong = "it went down before the last program had ended"
    if wrong:
        total.add(runner.Count(failed=1, failures=["%s: %s" % (scene, wrong)]))
        print("".join("    | %s\n" % line for line in (console + said).splitlines()[-80:]))
    return total


def main():
    image, build, scene = sys.argv[1:]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    total = play(os.path.abspath(image), os.path.abspath(build), scene)
    for line in total.failures:
        print("FAIL " + line)
    for line in total.skips:
        print("SKIP " + line)
    print(total)
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
