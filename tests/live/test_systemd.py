# SPDX-License-Identifier: GPL-2.0-only
"""Remedies for units, done by a real systemd.

It runs as process 1 of its own pid, mount and cgroup namespaces, with a read-only root, and has the units of the test and no
others. porttrace and the commands that it prints run there too. test_supervisors.py has what does not fit in there: user
managers, docker and podman.
"""

import contextlib
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time

from porttrace_test import PORTTRACE, Skip, can_bind, cgroup2_mount, check, equal, test, until
from remedy_table import print_remedy

PORT = 6101
RESTART_S = 1  # the units start again at once

BOOT = """
set -e
mount --make-rprivate /
mount --rbind / {root}
mount -o remount,bind,ro {root}
cd {root}
pivot_root . .
umount -l .
mount -t proc proc /proc
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/system
cp {units}/pt* /run/systemd/system/
exec env -i PATH="$PATH" container=porttrace-test {systemd} --system --unit=pt.target
"""
SERVE = """
import socket, sys, time
sock = socket.socket()
sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
sock.bind(("127.0.0.1", int(sys.argv[1])))
sock.listen()
time.sleep(60)
"""
SERVE_PASSED = """
import socket, time
sock = socket.socket(fileno=3)
kept = sock.accept()
time.sleep(60)
"""


def systemd_path():
    for path in ("/usr/lib/systemd/systemd", "/lib/systemd/systemd"):
        if os.access(path, os.X_OK):
            return path
    raise Skip("no systemd on this machine")


class Systemd:
    """A systemd in namespaces. units: names and texts; the target wants those of `wants`."""

    def __init__(self, t, units, wants):
        mount = cgroup2_mount()
        if not mount or not os.access(mount, os.W_OK):
            raise Skip("no cgroup v2 to write to")
        self.t = t
        self.path = systemd_path()
        self.cgroup = os.path.join(mount, f"pt-systemd-{os.getpid()}")
        self.units = {**units, "pt.target": f"[Unit]\nDefaultDependencies=no\nWants={' '.join(wants)}\n"}
        self.process = self.pid = None

    def __enter__(self):
        folder = self.t.temp()
        for name, text in self.units.items():
            with open(os.path.join(folder, name), "w", encoding="utf-8") as unit:
                unit.write(text)
        os.mkdir(os.path.join(folder, "root"))
        self.log = os.path.join(folder, "log")
        os.mkdir(self.cgroup)
        with open(self.log, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                ["unshare", "--fork", "--pid", "--mount", "--cgroup", "--uts", "--ipc", "--kill-child", "sh", "-c",
                 BOOT.format(units=shlex.quote(folder), root=shlex.quote(os.path.join(folder, "root")), systemd=self.path)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=self.join)
        try:
            until(self.first_process, "process 1")
            until(lambda: self.run("systemctl", "is-active", "pt.target").stdout == "active\n", "systemd has started its units")
        except BaseException:
            with open(self.log, encoding="utf-8", errors="replace") as log:
                print(log.read()[-2000:])
            self.__exit__()
            raise
        return self

    def join(self):
        with open(os.path.join(self.cgroup, "cgroup.procs"), "w", encoding="ascii") as procs:
            procs.write(str(os.getpid()))

    def first_process(self):
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children", encoding="ascii") as children:
            pids = children.read().split()
        self.pid = int(pids[0]) if pids else None
        return self.pid

    def __exit__(self, *_):
        if self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        self.process.kill()
        self.process.wait()
        until(self.remove, "removal of the cgroups")

    def remove(self):
        for path, _, _ in os.walk(self.cgroup, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(path)
        return not os.path.exists(self.cgroup)

    def run(self, *command):
        return subprocess.run(["nsenter", f"--target={self.pid}", "--mount", "--pid", "--cgroup", "--ipc", "--uts", *command],
                              check=False, capture_output=True, text=True, timeout=30)

    def stop(self, port):
        """Runs the command that stops, exactly as printed; the port is free, and stays so."""
        done = self.run(os.path.abspath(PORTTRACE), "why", "--json", f"tcp:127.0.0.1:{port}")
        check(done.stdout, done.stderr)
        answer = json.loads(done.stdout)
        remedy = [r for r in answer["remedies"] if r["action"] == "stop_unit"][0]
        done = self.run("sh", "-c", remedy["command"])
        equal(done.returncode, 0, f"exit status of {remedy['command']} ({done.stderr})")
        check(can_bind(port), f"the port is free after {remedy['command']}")
        time.sleep(RESTART_S)
        check(can_bind(port), f"the port is still free a moment after {remedy['command']}")
        print_remedy(answer["cause"], remedy, True)
        return remedy["command"]


def python(t, code):
    """A command of a unit that runs this program."""
    path = os.path.join(t.temp(), "serve.py")
    with open(path, "w", encoding="utf-8") as file:
        file.write(code)
    return f"{shutil.which(sys.executable)} {path}"


def service(command):
    return f"[Unit]\nDefaultDependencies=no\n[Service]\nExecStart={command}\nRestart=always\nRestartSec=0\n"


def listening_socket(port):
    return f"[Unit]\nDefaultDependencies=no\n[Socket]\nListenStream=127.0.0.1:{port}\nService=pt-act.service\n"


@test()
def service_that_starts_again(t):
    with Systemd(t, {"pt-web.service": service(python(t, SERVE) + f" {PORT}")}, ["pt-web.service"]) as systemd:
        until(lambda: not can_bind(PORT), "the service has the port")
        equal(systemd.stop(PORT), "systemctl stop pt-web.service", "command")


@test()
def socket_and_service(t):
    """The socket's unit has another name than the service, and would start the service again."""
    units = {"pt-other.socket": listening_socket(PORT), "pt-act.service": service(python(t, SERVE_PASSED))}
    with Systemd(t, units, ["pt-other.socket"]) as systemd:
        with socket.create_connection(("127.0.0.1", PORT)):
            until(lambda: systemd.run("systemctl", "is-active", "pt-act.service").stdout == "active\n", "the service runs")
            systemd.stop(PORT)
        equal(systemd.run("systemctl", "is-active", "pt-other.socket").stdout, "inactive\n", "state of the socket's unit")


@test()
def socket_alone(t):
    units = {"pt-other.socket": listening_socket(PORT), "pt-second.socket": listening_socket(PORT + 10),
             "pt-act.service": service(python(t, SERVE_PASSED))}
    with Systemd(t, units, ["pt-other.socket", "pt-second.socket"]) as systemd:
        systemd.stop(PORT)
        check(not can_bind(PORT + 10), "the other socket's unit is left alone")
