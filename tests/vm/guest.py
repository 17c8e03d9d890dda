# SPDX-License-Identifier: GPL-2.0-only
"""Boots a kernel under qemu, runs one command in it and returns its output and its status.

No KVM is needed. With cmpxchg16b or one thread per virtual CPU, guests under TCG crash now and then, so both are
off. A guest that crashes before it starts its command is booted once more.
"""

import ctypes
import os
import shutil
import signal
import subprocess
import tempfile
import threading

import foreign
import image
import kernels
from kernels import Missing

MEMORY = os.environ.get("PORTTRACE_VM_MEMORY", "2048")  # MiB
QEMU = os.environ.get("PORTTRACE_VM_QEMU", "").split()  # more qemu options

# Debian's name for this architecture.
OWN = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, "amd64")

# The differences between architectures.
MACHINES = {
    "amd64": {
        "qemu": ["qemu-system-x86_64", "-machine", "pc", "-accel", "tcg,thread=single",
                 "-cpu", "qemu64,-cx16"],
        "console": "ttyS0",
        "serial": ["-serial", "file:{console}", "-serial", "stdio", "-serial", "file:{status}"],
        "lines": ["ttyS1", "ttyS2"],  # for the command's output, and for its status
    },
    "arm64": {
        "qemu": ["qemu-system-aarch64", "-machine", "virt", "-accel", "tcg,thread=single",
                 "-cpu", "cortex-a72"],
        "console": "ttyAMA0",
        "serial": ["-serial", "file:{console}",  # the machine has only one serial port
                   "-chardev", "stdio,id=output,signal=off", "-device", "pci-serial,chardev=output",
                   "-chardev", "file,id=status,path={status}",
                   "-device", "pci-serial,chardev=status"],
        "lines": ["ttyS0", "ttyS1"],
        # fentry needs "bpf, arm64: Add bpf trampoline for arm64" (6.0) and "arm64: ftrace: Add direct call
        # support" (6.4).
        "lacks": {"5.10": ["fentry"], "6.1": ["fentry"]},
    },
}


class Lost(Exception):
    """A guest ended without reporting the status of its command."""


def _die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG


class Guest:
    """A guest: prepared once, booted for each run()."""

    def __init__(self, kernel, build, tree, arch=OWN, append=""):
        self.arch, self.append = arch, append
        self.build, self.tree = os.path.abspath(build), os.path.abspath(tree)
        if not shutil.which(MACHINES[arch]["qemu"][0]):
            raise Missing(f"no {MACHINES[arch]['qemu'][0]}")
        deb = kernel if kernel.endswith(".deb") else kernels.fetch(kernel, arch)
        self.vmlinuz, root = kernels.unpack(deb)
        self.own = arch == OWN
        self.parts = [image.system() if self.own else foreign.system(arch),
                      image.modules(root, deb)]

    def run(self, command, output, limit=None, append=""):
        """Runs a shell command; passes its output to output(bytes) as it comes.

        append: more words for the kernel's command line.

        Returns the exit status. Raises Lost when the guest died or did not end in `limit` seconds.
        """
        with tempfile.TemporaryDirectory(prefix="porttrace-vm-") as work:
            initrd = os.path.join(work, "initrd")
            own = image.program(self.build, self.tree, command, os.path.join(work, "own"), self.own)
            with open(initrd, "wb") as file:
                for part in (*self.parts, own):
                    with open(part, "rb") as source:
                        shutil.copyfileobj(source, file, 1 << 20)
            os.unlink(own)
            for last in (False, True):
                out, console = self._boot(work, initrd, output, limit, append)
                if "status " in out:
                    return int(out.split("status ")[1].split()[0])
                if "started" in out or last:
                    raise Lost(f"the guest did not end by itself\n{console[-3000:]}")
        raise AssertionError

    def _boot(self, work, initrd, output, limit, append):
        machine = MACHINES[self.arch]
        status, console = os.path.join(work, "status"), os.path.join(work, "console")
        lines = " ".join(f"{n}={line}" for n, line in zip(("OUTPUT", "STATUS"), machine["lines"]))
        process = subprocess.Popen(
            [*machine["qemu"], *QEMU, "-m", MEMORY, "-smp", "1", "-nodefaults", "-display", "none",
             "-no-reboot", "-kernel", self.vmlinuz, "-initrd", initrd,
             "-append", f"console={machine['console']} quiet panic=-1 oops=panic "
                        f"mitigations=off net.ifnames=0 {self.append} {append} {lines}",
             *(word.format(console=console, status=status) for word in machine["serial"])],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            preexec_fn=_die_with_parent)
        timer = threading.Timer(limit, process.kill) if limit else None
        try:
            if timer:
                timer.start()
            while piece := os.read(process.stdout.fileno(), 65536):
                output(piece)
            process.wait()
        finally:
            if timer:
                timer.cancel()
            if process.poll() is None:
                process.kill()
                process.wait()
        texts = []
        for path in (status, console):
            with open(path, encoding="utf-8", errors="replace") as file:
                texts.append(file.read())
        return texts
