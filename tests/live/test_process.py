# SPDX-License-Identifier: GPL-2.0-only
"""What is told about a process, so that one of five with the same name can be recognised. Truth comes from /proc."""

import datetime
import json
import os
import pwd
import signal
import socket
import subprocess
import sys
import time

from porttrace_test import (
    NOBODY, check, comm_of, equal, port_of, refused, tcp, test, until,
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
            until(lambda: comm_of(child.pid) == "sleep", "exec of sleep")
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
            me.tell(child.pid)
        return None

    with t.trace() as trace:
        launcher = t.fork(launch, comm="pt-launcher")
        pid = launcher.hear()
        launcher.result()
        try:
            until(lambda: comm_of(pid) == "sleep", "exec of sleep")
            with socket.socket() as sock:
                refused(sock.bind, ("127.0.0.1", 5005))
            [holder] = trace.once(event="bind", errno="EADDRINUSE", local_port=5005)["conflict"]["holders"]
            equal([p["pid"] for p in holder["pids"]], [pid], "pids")
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
        me.tell()
        os.execvp("sleep", ["sleep", "60"])

    with t.trace() as trace:
        child = t.fork(replace, comm="pt-before")
        child.hear()
        until(lambda: comm_of(child.pid) == "sleep", "exec of sleep")
        with socket.socket() as sock:
            refused(sock.bind, ("127.0.0.1", 5006))
        [holder] = trace.once(event="bind", errno="EADDRINUSE", local_port=5006)["conflict"]["holders"]
        owner, [now] = holder["owner"], holder["pids"]
        equal((owner["pid"], owner["comm"], owner.get("exec")), (child.pid, "pt-before", True), "owner")
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
