# SPDX-License-Identifier: GPL-2.0-only
"""What is told about a process, so that one of five with the same name can be recognised. Truth comes from /proc."""

import datetime
import json
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

from porttrace_test import (
    NOBODY, PORTTRACE, Skip, check, comm_of, equal, port_of, refused, tcp, test, until,
)

HOLD = "import os, socket, sys; os.setuid(int(sys.argv[2])); s = socket.socket(); s.bind(('127.0.0.1', int(sys.argv[1]))); s.listen(); " \
       "print('ready', flush=True); sys.stdin.read()"


def started_at(pid):
    """The start of a process by /proc, in seconds since the epoch; it is a multiple of 10 ms."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        ticks = int(file.read().rpartition(")")[2].split()[19])
    with open("/proc/uptime", encoding="ascii") as file:
        return time.time() - float(file.read().split()[0]) + ticks / os.sysconf("SC_CLK_TCK")


def seconds_of(text):
    return datetime.datetime.fromisoformat(text[:26] + "+00:00").timestamp()


def has_arguments(pid):
    """Whether execve() of `sleep 60` has ended: it sets the arguments last."""
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        return file.read() == b"sleep\0" + b"60\0"


class Holder:
    """`python3 -c HOLD PORT`, in a directory of its own, as another user."""

    def __init__(self, t, port, uid=NOBODY):
        self.directory = t.temp()
        os.chmod(self.directory, 0o755)
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(port), str(uid)], cwd=self.directory, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE)
        equal(self.process.stdout.readline(), b"ready\n", "the holder's line")
        self.pid, self.uid = self.process.pid, uid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()

    def check(self, process):
        """Whether a process object says what /proc says."""
        equal(process.get("pid"), self.pid, "pid")
        equal(process.get("comm"), comm_of(self.pid), "comm")
        equal(process.get("uid"), self.uid, "uid")
        equal(process.get("user"), pwd.getpwuid(self.uid).pw_name, "user")
        equal(process.get("ppid"), os.getpid(), "ppid")
        equal(process.get("exe"), os.readlink(f"/proc/{self.pid}/exe"), "exe")
        with open(f"/proc/{self.pid}/cmdline", encoding="utf-8") as file:
            equal(process.get("cmdline"), file.read().rstrip("\0").replace("\0", " "), "cmdline")
        equal(process.get("cwd"), self.directory, "cwd")
        equal(process.get("parents", [])[:1], [f"pt-test[{os.getpid()}]"], "nearest parent")
        check(abs(seconds_of(process["started"]) - started_at(self.pid)) < 0.1, f"started: {process['started']}")


@test()
def a_holder_is_described(t):
    with t.trace() as trace, Holder(t, 5001) as holder:
        with socket.socket() as sock:
            refused(sock.bind, ("127.0.0.1", 5001))
        conflict = trace.once(event="bind", errno="EADDRINUSE", local_port=5001)["conflict"]
        [process] = conflict["holders"][0]["pids"]
        holder.check(process)
        holder.check(conflict["holders"][0]["owner"])


@test()
def a_screen_shows_whose_a_holder_is(t):
    """User, directory, command line and parent, in the first lines, in a refusal, in `why` and in `ls`."""
    user = pwd.getpwuid(NOBODY).pw_name
    with Holder(t, 5012) as holder, t.text(5012) as screen:
        who = rf"{comm_of(holder.pid)}\[{holder.pid}\] {user}, up "
        program = rf'"{re.escape(sys.executable)} -c .*" in {holder.directory}, by pt-test\[{os.getpid()}\]$'
        screen.wait(rf"^now +{who}.*\n +{program}")
        with socket.socket() as sock:
            refused(sock.bind, ("127.0.0.1", 5012))
        screen.wait(rf"^ +in use +{who}.*\n +{program}")
        screen.stop()
        why = t.command("why", "-N", t.netns, 5012).stdout.decode()
        check(re.search(rf"^in use +{who}.*\n +{program}", why, re.M), why)
        listed = t.command("ls", "-N", t.netns, 5012).stdout.decode().splitlines()
        equal(listed[1].split()[1], user, f"USER in {listed}")


@test()
def a_caller_is_described(t):
    with t.trace() as trace, Holder(t, 5002) as holder:
        record = trace.once(event="listen", local_port=5002)
        holder.check(record)


@test()
def ls_and_why_describe_a_holder(t):
    with Holder(t, 5003) as holder:
        rows = [json.loads(line) for line in t.command("ls", "--json", 5003).stdout.splitlines()]
        [row] = [r for r in rows if r.get("netns") == t.netns]
        holder.check(row["pids"][0])
        check("fd" in row["pids"][0], f"no fd: {row['pids']}")
        why = json.loads(t.command("why", "--json", "127.0.0.1:5003").stdout)
        holder.check(why["holders"][0]["pids"][0])


@test()
def every_process_of_a_socket_is_described(t):
    """Two processes have one listener open; both have their own facts."""
    with tcp(("127.0.0.1", 5004), backlog=1) as listener:
        child = subprocess.Popen(["sleep", "60"], pass_fds=[listener.fileno()], cwd="/usr")
        try:
            until(lambda: has_arguments(child.pid), "exec of sleep")
            rows = [json.loads(line) for line in t.command("ls", "--json", 5004).stdout.splitlines()]
            [row] = [r for r in rows if r.get("netns") == t.netns]
            found = {p["pid"]: (p.get("cmdline"), p.get("cwd")) for p in row["pids"]}
            equal(found.get(child.pid), ("sleep 60", "/usr"), "the child")
            equal(found.get(os.getpid(), (None, None))[1], os.getcwd(), "directory of the test")
        finally:
            child.kill()
            child.wait()


@test()
def who_bound_and_is_gone_is_told(t):
    """A launcher binds, starts a server that inherits the listener, and exits."""
    def launch(me):
        with tcp(("127.0.0.1", 5005), backlog=1) as listener:
            child = subprocess.Popen(["sleep", "60"], pass_fds=[listener.fileno()])
            me.send(child.pid)
        return None

    with t.trace() as trace:
        launcher = t.fork(launch, comm="pt-launcher")
        pid = launcher.receive()
        launcher.result()
        try:
            until(lambda: has_arguments(pid), "exec of sleep")
            with socket.socket() as sock:
                refused(sock.bind, ("127.0.0.1", 5005))
            conflict = trace.once(event="bind", errno="EADDRINUSE", local_port=5005)["conflict"]
            [holder] = conflict["holders"]
            equal([p["pid"] for p in holder["pids"]], [pid], "pids")
            equal(conflict["remedies"][0].get("command"), f"kill {pid}", "command")
            owner = holder["owner"]
            equal((owner["pid"], owner["comm"], owner.get("gone")), (launcher.pid, "pt-launcher", True), "owner")
        finally:
            os.kill(pid, signal.SIGKILL)


@test()
def a_program_that_was_replaced_is_reported_as_it_was(t):
    """A process binds and then calls exec: who took the port is told by the name that it had."""
    def replace(me):
        sock = tcp(("127.0.0.1", 5006), backlog=1)
        sock.set_inheritable(True)
        me.send()
        os.execvp("sleep", ["sleep", "60"])

    with t.trace() as trace:
        child = t.fork(replace, comm="pt-before")
        child.receive()
        until(lambda: has_arguments(child.pid), "exec of sleep")
        with socket.socket() as sock:
            refused(sock.bind, ("127.0.0.1", 5006))
        [holder] = trace.once(event="bind", errno="EADDRINUSE", local_port=5006)["conflict"]["holders"]
        owner, [now] = holder["owner"], holder["pids"]
        equal((owner["pid"], owner["comm"], owner.get("exec")), (child.pid, "pt-before", True), f"owner ({holder})")
        check("exe" not in owner and "cmdline" not in owner, f"the owner has another program's exe: {owner}")
        equal((now["pid"], now["comm"], now.get("cmdline"), now.get("exec")), (child.pid, "sleep", "sleep 60", None),
              "holder")


@test()
def a_port_that_the_kernel_chose_is_told(t):
    with t.trace() as trace, tcp(("127.0.0.1", 0), backlog=1) as listener:
        with socket.socket() as sock:
            refused(sock.bind, ("127.0.0.1", port_of(listener)))
        conflict = trace.once(event="bind", errno="EADDRINUSE", local_port=port_of(listener))["conflict"]
        equal(conflict["holders"][0].get("ephemeral"), True, "ephemeral")
        check("the kernel chose" in conflict["why"], conflict["why"])
        check(any(r["action"] == "reserve_port" for r in conflict["remedies"]), conflict["remedies"])


# Runs as process 1 of a pid namespace with a /proc of its own: argv is porttrace, network namespace, probes.
INSIDE = """import json, os, socket, subprocess, sys
porttrace, netns, *probes = sys.argv[1:]
def refused(port):
    with socket.socket() as sock:
        try:
            sock.bind(("127.0.0.1", port))
        except OSError:
            return
    raise SystemExit(f"port {port} is free")
holder = subprocess.Popen([sys.executable, "-c", "import socket, sys; s = socket.create_server(('127.0.0.1', 5002));"
                           "print(flush=True); sys.stdin.read()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
holder.stdout.readline()
trace = subprocess.Popen([porttrace, "--json", "-N", netns, *probes], stdout=subprocess.PIPE, text=True)
trace.stdout.readline()
print("ready", flush=True)
sys.stdin.readline()
for port in (5001, 5002, 5003):
    refused(port)
found = {"own": os.getpid(), "holder": holder.pid}
while len(found) < 5:
    record = json.loads(trace.stdout.readline())
    if record.get("errno") == "EADDRINUSE":
        found[str(record["local_port"])] = record
trace.terminate()
trace.wait()
def ask(*args):
    return json.loads(subprocess.run([porttrace, *args], capture_output=True, check=False).stdout.splitlines()[0])
found["why"] = ask("why", "--json", "-p", str(holder.pid), "127.0.0.1:5002")
found["ls"] = ask("ls", "--json", "-N", netns, "5001")
filtered = subprocess.Popen([porttrace, "--json", "-N", netns, "-p", str(os.getpid()), *probes], stdout=subprocess.PIPE,
                            text=True)
filtered.stdout.readline()
refused(5002)
found["filtered"] = json.loads(filtered.stdout.readline())
filtered.terminate()
filtered.wait()
print(json.dumps(found))
"""


@test(own=True)
def pids_are_those_of_the_readers_namespace(t):
    """In a container a process is known by the pid that the container gives it; one outside has a pid on the host."""
    if not shutil.which("unshare"):
        raise Skip("there is no unshare(1)")
    probes = [f"--probes={t.options.probes}"] if t.options.probes else []
    with tcp(("127.0.0.1", 5001), backlog=1):
        inside = subprocess.Popen(
            ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", sys.executable, "-c", INSIDE, PORTTRACE,
             str(t.netns), *probes], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        equal(inside.stdout.readline(), "ready\n", "the line of the inner process")
        with tcp(("127.0.0.1", 5003), backlog=1):
            found = json.loads(inside.communicate("\n")[0])
    equal(found["own"], 1, "pid of the inner process")
    for name in ("5001", "5002", "5003", "filtered"):
        equal((found[name].get("pid"), found[name].get("tid")), (1, 1), f"caller, {name}")
        check("host_pid" not in found[name], found[name])
        check(found[name].get("exe"), f"no facts about the caller: {found[name]}")
    [inner] = found["5002"]["conflict"]["holders"][0]["pids"]
    equal((inner["pid"], inner.get("ppid")), (found["holder"], 1), "holder inside")
    check("sys.stdin.read()" in inner["cmdline"], inner)
    check(any(r.get("command") == f"kill {found['holder']}" for r in found["5002"]["conflict"]["remedies"]), found["5002"])
    # Its descriptors cannot be read, but it was seen to take the port.
    [outer] = found["5003"]["conflict"]["holders"][0]["pids"]
    equal((outer.get("pid"), outer["host_pid"], outer["comm"], outer.get("gone")), (None, os.getpid(), "pt-test", None),
          "holder outside")
    conflict = found["5003"]["conflict"]
    check(f"pt-test[host pid {os.getpid()}] listens" in conflict["why"], conflict["why"])
    check(not any("kill" in r.get("command", "") for r in conflict["remedies"]), conflict["remedies"])
    # This one was there before.
    conflict = found["5001"]["conflict"]
    equal(conflict["cause"], "listener-exists", "cause")
    check("pids" not in conflict["holders"][0], conflict)
    check(conflict["why"].startswith("A process outside this pid namespace listens"), conflict["why"])
    equal([p["pid"] for p in found["why"]["holders"][0]["pids"]], [found["holder"]], "holder by why")
    equal(found["why"].get("notes"), ["caller-has-it"], "notes of why -p")
    equal((found["ls"]["local_port"], found["ls"].get("pid")), (5001, None), "ls")
