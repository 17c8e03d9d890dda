# SPDX-License-Identifier: GPL-2.0-only
"""Commands that stop what supervises a holder: run exactly as printed, then the port is bound again.

The processes are real, in real cgroups with the names that systemd, docker and podman give. Where systemd, docker or podman
does not run, a stand-in in PATH takes their place: a script that does what they do to processes (kills those of the cgroup)
and prints what they print. It refuses a name that it does not have, so a wrong name in the command is a failure.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys

from porttrace_test import REUSEADDR, Skip, check, cgroup2_mount, equal, test, until
from remedy_table import print_remedy

OWN_TRACER = True

PORT = 6001
USER = 1000
OF_USER = f"user.slice/user-{USER}.slice/user@{USER}.service"

HOLD = """
import os, signal, socket, subprocess, sys, time
kind, port, uid, command = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]
if "PT_COMM" in os.environ:
    open("/proc/self/comm", "w").write(os.environ["PT_COMM"])
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
sock.bind(("127.0.0.1", port))
if kind == "tcp":
    sock.listen(5)
sock.set_inheritable(True)
if command and command[0] != "--":  # as a manager: it starts a service that has the socket too
    service = subprocess.Popen(command, close_fds=False)
    print(service.pid, flush=True)
os.setgid(uid)
os.setuid(uid)
signal.signal(signal.SIGUSR1, lambda *_: sock.close())
print("ready", flush=True)
while True:
    time.sleep(60)
"""

# Kills the processes of a cgroup, and waits until they are gone, as systemctl and docker do.
STOP_CGROUP = """
stop_cgroup() {
    for pid in $(cat "$1/cgroup.procs"); do kill -9 "$pid"; done
    for i in $(seq 100); do [ -s "$1/cgroup.procs" ] || return 0; sleep 0.05; done
    return 1
}
"""


class Scene:
    """Processes in cgroups, and stand-ins for the commands that stop them."""

    def __init__(self, t):
        self.t = t
        self.root = cgroup2_mount()
        if not self.root or not os.access(self.root, os.W_OK):
            raise Skip("no cgroup v2 to write to")
        self.temp = t.temp()
        self.bin = os.path.join(self.temp, "bin")
        self.log = os.path.join(self.temp, "log")
        os.mkdir(self.bin)
        self.script = os.path.join(self.temp, "hold.py")
        with open(self.script, "w", encoding="utf-8") as script:
            script.write(HOLD)
        self.paths, self.processes = [], []
        # Scenes of other tests are on the machine at the same time.
        self.cause = None
        self.id = hashlib.sha256(str(os.getpid()).encode()).hexdigest()
        self.web = f"pt-{os.getpid()}-web.service"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.wait()
        for pid in self.pids():
            os.kill(pid, signal.SIGKILL)
        until(lambda: not self.pids(), "no process in the cgroups")
        with self.lock():
            for path in reversed(self.paths):
                self.remove(path)

    @contextlib.contextmanager
    def lock(self):
        folder = os.open(self.root, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)

    def remove(self, path):
        """Removes the cgroup and those above it that nothing uses any more; the slices of a systemd stay."""
        at = os.path.join(self.root, path)
        while at != self.root and not (os.path.isdir("/run/systemd/system") and at.endswith(".slice")):
            with contextlib.suppress(OSError):
                os.rmdir(at)
            at = os.path.dirname(at)

    def pids(self):
        return [int(pid) for path in self.paths
                for pid in open(os.path.join(self.root, path, "cgroup.procs"), encoding="ascii")]

    def cgroup(self, path):
        """Makes the cgroup with those above it."""
        at = os.path.join(self.root, path)
        with self.lock():
            os.makedirs(at, exist_ok=True)
        if path not in self.paths:
            self.paths.append(path)
        return at

    def program(self, name):
        """Python under another name: comm and executable are those of a program that cannot run here."""
        path = os.path.join(self.temp, name)
        if not os.path.exists(path):
            shutil.copy(os.path.realpath(sys.executable), path)
        return path

    def move(self, pid, cgroup):
        with open(os.path.join(self.cgroup(cgroup), "cgroup.procs"), "w", encoding="ascii") as procs:
            procs.write(str(pid))

    def hold(self, cgroup, name="pt-server", kind="tcp", uid=0, service=None, args=(), comm=None):
        """A process of this name has the port. service: the cgroup of a second one that has its socket too."""
        command = [self.program(name), self.script, kind, str(PORT), str(uid)]
        command += ["sleep", "60"] if service else ["--", *args]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True,
                                   env={**os.environ, "PYTHONHOME": sys.base_prefix, **({"PT_COMM": comm} if comm else {})})
        self.processes.append(process)
        if service:
            self.move(int(process.stdout.readline()), service)
        equal(process.stdout.readline(), "ready\n", f"{name} has the port")
        self.move(process.pid, cgroup)
        return process

    def stand_in(self, name, body):
        """A script `name` in PATH. It logs its arguments, each ended by NUL."""
        path = os.path.join(self.bin, name)
        with open(path, "w", encoding="utf-8") as script:
            script.write(f"#!/bin/sh\nprintf '%s\\0' {name} \"$@\" >>{shlex.quote(self.log)}\n"
                         f"printf '\\n' >>{shlex.quote(self.log)}\n{STOP_CGROUP}{body}\n")
        os.chmod(path, 0o755)

    def calls(self):
        if not os.path.exists(self.log):
            return []
        with open(self.log, encoding="utf-8") as log:
            return [line.split("\0")[:-1] for line in log.read().split("\n")[:-1]]

    def remedies(self, kind="tcp"):
        done = self.t.command("why", "--json", f"{kind}:127.0.0.1:{PORT}")
        self.cause = json.loads(done.stdout)["cause"]
        return json.loads(done.stdout)["remedies"]

    def stop(self, action, kind="tcp", cwd=None):
        """Runs the command that stops, exactly as printed; then the port is free."""
        remedy = [r for r in self.remedies(kind) if r["action"].startswith("stop_")][0]
        equal((remedy["action"], remedy["effect"]), (action, "now"), f"{remedy}")
        done = subprocess.run(["sh", "-c", remedy["command"]], check=False, capture_output=True, text=True, timeout=20, cwd=cwd,
                              env={**os.environ, "PATH": self.bin + ":" + os.environ["PATH"]})
        equal(done.returncode, 0, f"exit status of {remedy['command']} ({done.stderr})")
        until(lambda: self.is_free(kind), f"the port is free after {remedy['command']}", 3)
        print_remedy(self.cause, remedy, True)
        return remedy

    @staticmethod
    def is_free(kind):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM) as sock:
            sock.setsockopt(*REUSEADDR)
            try:
                sock.bind(("127.0.0.1", PORT))
            except OSError:
                return False
        return True


def systemctl(scene, units, user=None, socket_unit=None, sockets=""):
    """units: name: cgroup. socket_unit: its name and the process that has its socket. sockets: what list-sockets prints."""
    stops = "".join(f"{shlex.quote(name)}) stop_cgroup {shlex.quote(scene.cgroup(path))} || exit 1;;\n"
                    for name, path in units.items())
    if socket_unit:
        stops += f"{socket_unit[0]}) kill -USR1 {socket_unit[1].pid} || exit 1;;\n"
    manager = f'[ "$1 $2" = "--user --machine={user}@" ] || exit 3; shift 2\n' if user is not None else ""
    shown = f'{socket_unit[0]} pt.timer' if socket_unit else ""
    scene.stand_in("systemctl", f"""{manager}case "$1" in
list-sockets) [ "$*" = "list-sockets --all --full --no-legend --plain --show-types" ] || exit 4
cat <<'END'
{sockets}
END
;;
show) [ "$2 $3" = "--property=TriggeredBy --value" ] || exit 4; echo {shown};;
stop) shift; [ $# -gt 0 ] || exit 4
for unit; do case "$unit" in
{stops}pt.timer) ;;
*) echo "no unit $unit" >&2; exit 5;; esac; done;;
*) exit 4;;
esac""")


@test()
def unit(t):
    with Scene(t) as scene:
        where = f"system.slice/{scene.web}"
        scene.hold(where, service=where)
        systemctl(scene, {scene.web: where})
        remedy = scene.stop("stop_unit")
        equal(remedy["command"], f"systemctl stop {scene.web}", "command")


@test()
def unit_below_slices(t):
    """An instance of a template, with its processes in a cgroup of its own below it."""
    with Scene(t) as scene:
        name = f"pt@{os.getpid()}.service"
        where = f"system.slice/system-pt.slice/{name}"
        scene.hold(where + "/worker")
        systemctl(scene, {name: where + "/worker"})
        scene.stop("stop_unit")


@test()
def unit_of_user(t):
    with Scene(t) as scene:
        where = f"{OF_USER}/app.slice/{scene.web}"
        scene.hold(where, uid=USER)
        systemctl(scene, {scene.web: where}, user=USER)
        scene.stop("stop_unit")


@test()
def socket_of_unit(t):
    """systemd has the listener too. With the service alone stopped, the port stays taken and the service comes back."""
    with Scene(t) as scene:
        service = f"{OF_USER}/app.slice/{scene.web}"
        manager = scene.hold(f"{OF_USER}/init.scope/pt-{os.getpid()}", name="systemd", uid=USER, service=service)
        systemctl(scene, {scene.web: service}, user=USER, socket_unit=("pt-other.socket", manager))
        scene.stop("stop_unit")
        equal(scene.calls()[-1][-3:], ["pt-other.socket", "pt.timer", scene.web], "units that were stopped")
        equal(manager.poll(), None, "the user's systemd is left alone")


@test()
def socket_without_service(t):
    for kind, want in (("tcp", "pt-right.socket"), ("udp", "pt-datagram.socket")):
        with Scene(t) as scene:
            manager = scene.hold(f"{OF_USER}/init.scope/pt-{os.getpid()}", name="systemd", kind=kind, uid=USER)
            listed = "\n".join(f"{listen:<16} {what:<10} {unit:<20} x.service" for listen, what, unit in (
                (f"127.0.0.1:{PORT}", "Stream", "pt-right.socket"), (f"127.0.0.1:{PORT}", "Datagram", "pt-datagram.socket"),
                (f"[::]:1{PORT}", "Stream", "pt-wrong.socket"), (f"/run/{PORT}", "Stream", "pt-wrong.socket"),
                (f"127.0.0.1:{PORT}1", "Stream", "pt-wrong.socket")))
            systemctl(scene, {}, user=USER, socket_unit=(want, manager), sockets=listed)
            scene.stop("stop_unit", kind)
            equal(scene.calls()[-1][-2:], ["stop", want], "units that were stopped")
            equal(manager.poll(), None, "the user's systemd is left alone")


def container(scene, name, path, want):
    """A stand-in that stops this container and no other."""
    scene.stand_in(name, f"""[ "$*" = "{want}" ] || {{ echo "$*" >&2; exit 5; }}
stop_cgroup {shlex.quote(scene.cgroup(path))}""")


@test()
def containers(t):
    for name, path, want in (
        ("docker", "system.slice/docker-ID.scope", "stop SHORT"),
        ("docker", "docker/ID", "stop SHORT"),
        ("docker", f"{OF_USER}/user.slice/docker-ID.scope", f"--host=unix:///run/user/{USER}/docker.sock stop SHORT"),
        ("podman", "machine.slice/libpod-ID.scope/container", "stop SHORT"),
        ("nerdctl", "system.slice/nerdctl-ID.scope", "stop SHORT"),
        ("crictl", "kubepods.slice/kubepods-pod1.slice/cri-containerd-ID.scope", "stop SHORT"),
    ):
        with Scene(t) as scene:
            path = path.replace("ID", scene.id)
            scene.hold(path)
            container(scene, name, path, want.replace("SHORT", scene.id[: 13 if name == "crictl" else 12]))
            scene.stop("stop_container")


@test()
def container_in_unit(t):
    """Quadlet: the unit would start its container again."""
    with Scene(t) as scene:
        path = f"system.slice/{scene.web}/libpod-payload-{scene.id}"
        scene.hold(path)
        systemctl(scene, {scene.web: path})
        scene.stop("stop_unit")


@test()
def published_by_docker(t):
    """docker-proxy has the port; the container that it serves is in another network namespace."""
    for kind, wanted in (("tcp", f"publish={PORT}"), ("udp", f"publish={PORT}/udp")):
        with Scene(t) as scene:
            path = f"system.slice/docker.service/pt-{os.getpid()}"
            scene.hold(path, name="docker-proxy", kind=kind)
            scene.stand_in("docker", f"""case "$*" in
"ps --quiet --filter {wanted}") echo {scene.id[:12]};;
"stop {scene.id[:12]}") stop_cgroup {shlex.quote(scene.cgroup(path))};;
*) echo "$*" >&2; exit 5;; esac""")
            actions = [r["action"] for r in scene.remedies(kind)]
            check("set_holder_option" not in actions, f"an option of docker-proxy: {actions}")
            scene.stop("stop_container", kind)


@test()
def published_by_podman(t):
    path = f"machine.slice/pt-{os.getpid()}.scope"
    for name, args in (("rootlessport", ()), ("pasta", ("--netns", "/run/user/0/netns/netns-1"))):
        with Scene(t) as scene:
            scene.hold(path, name=name, args=args)
            scene.stand_in("podman", f"""case "$*" in
"port --all") printf '%s\\n' '{scene.id[:12]}\t80/tcp -> 0.0.0.0:{PORT}' 'ffffffffffff\t80/tcp -> 0.0.0.0:1{PORT}' \\
    'eeeeeeeeeeee\t{PORT}/udp -> 0.0.0.0:{PORT}';;
"stop {scene.id[:12]}") stop_cgroup {shlex.quote(scene.cgroup(path))};;
*) echo "$*" >&2; exit 5;; esac""")
            scene.stop("stop_container")


@test()
def never_stopped(t):
    """Its end would be that of all containers: no remedy stops it."""
    for name in ("dockerd", "containerd"):
        with Scene(t) as scene:
            scene.hold(f"system.slice/{name}.service/pt-{os.getpid()}", name=name)
            remedies = scene.remedies()
            check(remedies, "no remedy at all")
            equal([r for r in remedies if "command" in r], [], "commands")


@test()
def name_of_a_helper(t):
    """A process chooses its comm. What it runs says that it is no docker-proxy."""
    with Scene(t) as scene:
        process = scene.hold(f"machine.slice/pt-{os.getpid()}.scope", comm="docker-proxy")
        remedy = scene.stop("stop_process")
        equal(remedy["command"], f"kill {process.pid}", "command")


HOSTILE = ["pt '$(touch MARK)'", "pt`touch MARK`", "pt;touch MARK;", "pt\"$(touch MARK)\"", "pt'\"'$(touch MARK)", "pt\\$(touch MARK)",
           "pt|touch MARK", "pt&touch MARK", "pt>MARK", "pt*", "pt$IFS", "pt é", "pt!1"]  # fmt: skip


@test()
def hostile_units(t):
    """The name of a unit is one word to the shell, whatever is in it."""
    for name in HOSTILE:
        with Scene(t) as scene:
            unit_name = f"{name}.service"
            scene.hold(f"system.slice/{unit_name}")
            systemctl(scene, {unit_name: f"system.slice/{unit_name}"})
            scene.stop("stop_unit", cwd=scene.temp)
            equal(scene.calls(), [["systemctl", "stop", unit_name]], "what systemctl was given")
            check(not os.path.exists(os.path.join(scene.temp, "MARK")), f"{name} became shell")


def in_namespace(name, command):
    return subprocess.run(["ip", "netns", "exec", name, *command], check=True, capture_output=True, text=True, timeout=20)


LEAVE_TIME_WAIT = f"""
import socket
server = socket.socket(); server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("127.0.0.1", {PORT})); server.listen()
client = socket.create_connection(("127.0.0.1", {PORT})); accepted = server.accept()[0]
accepted.close(); client.recv(1); client.close()
"""


@test()
def hostile_namespaces(t):
    """So is the name of a network namespace. One with a newline is in no command."""
    names = [name for name in HOSTILE if "/" not in name] + ["pt\n$(touch MARK)"]
    temp = t.temp()
    for name in names:
        subprocess.run(["ip", "netns", "add", name], check=True, timeout=20)
        try:
            in_namespace(name, ["ip", "link", "set", "lo", "up"])
            in_namespace(name, [sys.executable, "-c", LEAVE_TIME_WAIT])
            done = t.command("why", "--json", "--netns", "/run/netns/" + name, f"127.0.0.1:{PORT}")
            told = json.loads(done.stdout)
            first = told["remedies"][0]
            equal(first["action"], "destroy_socket", f"{told}")
            equal("command" in first, "\n" not in name, f"a command for {name!r}: {first}")
            if "command" in first:
                subprocess.run(["sh", "-c", first["command"]], check=True, capture_output=True, timeout=20, cwd=temp)
                left = in_namespace(name, ["ss", "-Htan", "sport", "=", f":{PORT}"]).stdout
                equal(left, "", f"what is left in {name} after {first['command']}")
            equal(os.listdir(temp), [], f"{name} became shell")
        finally:
            subprocess.run(["ip", "netns", "delete", name], check=True, timeout=20)
