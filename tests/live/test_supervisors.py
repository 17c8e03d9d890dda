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
import time

from porttrace_test import NOBODY, Skip, can_bind, check, cgroup2_mount, equal, test, until
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
        return can_bind(PORT, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)


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


# --- supervisors and loops above the process: the real programs ----------------------------------------

# A supervisor waits a second before it starts a service again.
RESTART_S = 1.5
SERVE = """
import os, signal, socket, sys, time
port, uid = int(sys.argv[1]), int(sys.argv[2])
os.setgid(uid)
os.setuid(uid)
sock = socket.socket()
sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
sock.bind(("127.0.0.1", port))
sock.listen(5)
time.sleep(60)
"""
SUPERVISORD = """[supervisord]
logfile={temp}/log
pidfile={temp}/pid
nodaemon=true
[unix_http_server]
file={temp}/socket
[supervisorctl]
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[program:{name}]
command={command}
process_name={name}-%(process_num)s
startsecs=0
"""


class Supervised:
    """A supervisor that has one service, which has the port."""

    def __init__(self, t, name):
        if not shutil.which(name):
            raise Skip(f"no {name} on this machine")
        self.scene = Scene(t)
        self.temp = self.scene.temp
        os.chmod(self.temp, 0o755)
        self.server = os.path.join(self.temp, "serve.py")
        with open(self.server, "w", encoding="utf-8") as server:
            server.write(SERVE)
        self.supervisor = None

    def __enter__(self):
        self.scene.__enter__()
        return self

    def __exit__(self, *args):
        if self.supervisor:
            end_tree(self.supervisor.pid)
            self.supervisor.wait()
        self.scene.__exit__(*args)

    def command(self, uid=0):
        if uid and not os.path.exists("/usr/bin/python3"):
            raise Skip("no python3 that every user may run")
        python = "/usr/bin/python3" if uid else sys.executable
        return f"{shlex.quote(python)} {shlex.quote(self.server)} {PORT} {uid}"

    def directory(self, name, script):
        """A directory with a program `run`, as runit, s6 and daemontools have it."""
        path = os.path.join(self.temp, name)
        os.mkdir(path)
        run = os.path.join(path, "run")
        with open(run, "w", encoding="utf-8") as file:
            file.write(f"#!/bin/sh\n{script}\n")
        os.chmod(run, 0o755)
        return path

    def start(self, *command, **options):
        with open(os.path.join(self.temp, "said"), "w", encoding="utf-8") as said:
            self.supervisor = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, **options)
        try:
            until(lambda: not self.scene.is_free("tcp"), f"{command[0]} has started the server")
        except Exception:
            with open(os.path.join(self.temp, "said"), encoding="utf-8") as said:
                print(said.read())
            raise

    def stop(self):
        """Runs the command that stops; the port is free, and stays so."""
        remedy = self.scene.stop("stop_process", cwd=self.temp)
        time.sleep(RESTART_S)
        check(self.scene.is_free("tcp"), f"the port is still free a moment after {remedy['command']}")
        return remedy


def children_of(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as children:
            return [int(child) for child in children.read().split()]
    except OSError:
        return []


def end_tree(pid):
    """Ends a process of the test before those that it started, so that it does not start them again."""
    children = children_of(pid)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    for child in children:
        end_tree(child)


SUPERVISORS = {"runsv": "sv down", "s6-supervise": "s6-svc -wD -T 7000 -d", "supervise": "svc -d"}


def supervised(name, script="exec {}"):
    def run(t):
        with Supervised(t, name) as service:
            path = service.directory("web", script.format(service.command()))
            service.start(name, path)
            remedy = service.stop()
            command = f"{SUPERVISORS[name]} {path}"
            check(remedy["command"].split("; ")[0] == command, f"{remedy}, not {command}")
    return run


for _name in SUPERVISORS:
    _run = test()(supervised(_name))
    _run.name = f"supervisors.service_of_{_name}"
    # The supervisor ends the shell. The server that the shell has started stays.
    _run = test()(supervised(_name, "{}\necho ended"))
    _run.name = f"supervisors.server_below_a_shell_of_{_name}"


@test()
def hostile_services(t):
    """The directory of a service is one word to the shell."""
    for name in HOSTILE:
        with Supervised(t, "runsv") as service:
            path = service.directory(name, f"exec {service.command()}")
            service.start("runsv", path)
            remedy = service.scene.stop("stop_process", cwd=service.temp)
            equal(shlex.split(remedy["command"]), ["sv", "down", path], "command")
            check(not os.path.exists(os.path.join(service.temp, "MARK")), f"{name} became shell")


@test()
def service_of_user(t):
    """As that user: the files in the directory may be links to others."""
    with Supervised(t, "runsv") as service:
        nobody = subprocess.run(["id", "-un", str(NOBODY)], capture_output=True, text=True, check=False).stdout.strip()
        path = service.directory("web", f"exec {service.command(NOBODY)}")
        os.chown(path, NOBODY, NOBODY)
        service.start("runsv", path, user=NOBODY, group=NOBODY)
        remedy = service.stop()
        check(nobody, f"uid {NOBODY} has a name")
        equal(remedy["command"], f"runuser -u $(id -un {NOBODY}) -- sv down {path}", "command")


@test()
def service_in_unit(t):
    """The unit of the supervisor has other services too."""
    with Supervised(t, "runsv") as service:
        path = service.directory("web", f"exec {service.command()}")
        service.start("runsv", path)
        for pid in [service.supervisor.pid, *children_of(service.supervisor.pid)]:
            service.scene.move(pid, f"system.slice/{service.scene.web}")
        equal(service.stop()["command"], f"sv down {path}", "command")


@test()
def terminal_below_service(t):
    """A service that gives logins has not started what a user runs in the terminal."""
    with Supervised(t, "runsv") as service:
        script = "import pty, sys; pty.spawn(sys.argv[1:])"
        path = service.directory("getty", f"exec {sys.executable} -c {shlex.quote(script)} {service.command()}")
        service.start("runsv", path)
        remedy = [r for r in service.scene.remedies() if r["action"] == "stop_process"][0]
        check(remedy["command"].startswith("kill "), f"{remedy}")


def program_of_supervisord(t, wrap="{}"):
    with Supervised(t, "supervisord") as service:
        path = os.path.join(service.temp, "supervisord.conf")
        with open(path, "w", encoding="utf-8") as conf:
            conf.write(SUPERVISORD.format(temp=service.temp, name="pt$HOME", command=wrap.format(service.command())))
        service.start("supervisord", "-c", path)
        remedy = service.stop()
        equal(shlex.split(remedy["command"].split("; ")[0]),
              ["supervisorctl", "-s", f"unix://{service.temp}/socket", "stop", "pt$HOME:pt$HOME-0"], "command")


@test()
def service_of_supervisord(t):
    program_of_supervisord(t)


@test()
def server_below_a_shell_of_supervisord(t):
    program_of_supervisord(t, "/bin/sh -c '{}; true'")


@test()
def shell_loop(t):
    """The shell is ended too, or it starts the server again."""
    for shell in ("sh", "bash"):
        for is_file in (False, True):
            with Supervised(t, shell) as service:
                script = f"while true; do\n  {service.command()}\ndone\n"
                args = ["-c", script]
                if is_file:
                    args = [os.path.join(service.temp, "loop")]
                    with open(args[0], "w", encoding="utf-8") as file:
                        file.write(script)
                service.start(shell, *args)
                remedy = service.stop()
                check(remedy["command"].startswith(f"kill {service.supervisor.pid} "), f"{remedy}")
                check("starts the next one again" in remedy["text"], f"{remedy}")
                service.supervisor.wait()


@test()
def shell_without_loop(t):
    """A script that has started the server, and goes on, is not ended."""
    with Supervised(t, "sh") as service:
        service.start("sh", "-c", f"{service.command()} & while sleep 1; do true; done")
        service.stop()
        equal(service.supervisor.poll(), None, "the script is left alone")


@test()
def loop_that_runs_the_caller(t):
    """A script that runs the caller too would end it."""
    with Supervised(t, "sh") as service:
        script = os.path.join(service.temp, "loop")
        with open(script, "w", encoding="utf-8") as file:
            file.write(f"while true; do\n  sleep 60 &\n  {service.command()}\ndone\n")
        service.start("sh", script)
        caller = [pid for pid in children_of(service.supervisor.pid)
                  if open(f"/proc/{pid}/comm", encoding="ascii").read() == "sleep\n"][0]
        done = t.command("why", "--json", "-p", caller, f"tcp:127.0.0.1:{PORT}")
        stop = [r["command"] for r in json.loads(done.stdout)["remedies"] if r["action"] == "stop_process"]
        check(str(service.supervisor.pid) not in stop[0].split(), f"{stop}")


RUN_AGAIN = """import subprocess, sys
while True:
    subprocess.run(sys.argv[1:], check=False)
"""


@test()
def watcher(t):
    """nodemon starts a program again when a file changes."""
    with Supervised(t, "python3") as service:
        path = os.path.join(service.temp, "nodemon")
        with open(path, "w", encoding="utf-8") as file:
            file.write(RUN_AGAIN)
        service.start(sys.executable, path, *shlex.split(service.command()))
        remedy = service.stop()
        check(remedy["command"].startswith(f"kill {service.supervisor.pid} "), f"{remedy}")


@test()
def process_of_pm2(t):
    """A stand-in for pm2: it ends the one that runs it again, and then the server."""
    with Supervised(t, "python3") as service:
        home = os.path.join(service.temp, "pm2 home")
        god = "open('/proc/self/comm', 'w').write('PM2 v5.3.0: God Daemon')\n" + RUN_AGAIN
        service.start(sys.executable, "-c", god, *shlex.split(service.command()),
                      env={**os.environ, "pm_id": "3", "PM2_HOME": home})
        server = children_of(service.supervisor.pid)[0]
        service.scene.stand_in("pm2", f"""[ "$* $PM2_HOME" = {shlex.quote(f"stop 3 {home}")} ] || exit 5
kill {service.supervisor.pid} {server}""")
        equal(service.stop()["command"], f"env PM2_HOME='{home}' pm2 stop 3", "command")
