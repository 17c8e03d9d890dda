# SPDX-License-Identifier: GPL-2.0-only
"""The notes of a refusal: what the programs did to get there."""

import json
import os
import shutil
import socket
import subprocess
import sys

from porttrace_test import check, comm_of, equal, port_of, refused, set_comm, sysctl, tcp, test, udp, until

# Binds the port and says the errno, as knxd does that does not know of socket activation.
BIND = """import errno, socket, sys
s = socket.socket()
try:
    s.bind(("127.0.0.1", int(sys.argv[1])))
    s.listen()
    print("bound", flush=True)
except OSError as error:
    print(errno.errorcode[error.errno], flush=True)
sys.stdin.read()
"""


def conflict_of(trace, port, **want):
    return trace.once(event="bind", errno="EADDRINUSE", local_port=port, **want)["conflict"]


def notes_of(conflict):
    return conflict.get("notes", [])


class Program:
    """A Python program in a process of its own, which says a line and ends with its standard input."""

    def __init__(self, port, source=BIND, executable=sys.executable, keep=(), **more):
        self.process = subprocess.Popen([executable, "-c", source, str(port)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, pass_fds=keep, text=True, **more)
        self.pid = self.process.pid
        self.said = self.process.stdout.readline().strip()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def started_by_others(function, *args):
    """Runs function(*args) in a process whose parent has exited, so that it is nobody's brother. Its result."""
    read, write = os.pipe()
    if os.fork() == 0:
        parent = os.getpid()
        if os.fork() == 0:
            until(lambda: os.getppid() != parent, "end of the parent")
            os.write(write, json.dumps(function(*args)).encode())
            os._exit(0)
        os._exit(0)
    os.close(write)
    os.wait()
    with os.fdopen(read, "rb") as file:
        return json.loads(file.read())


@test()
def caller_has_it(t):
    """As a service manager does: the service has the listener as a descriptor, and binds for itself."""
    with tcp(("127.0.0.1", 5001), backlog=1) as listener, t.trace() as trace:
        with Program(5001, keep=[listener.fileno()]) as service:
            equal(service.said, "EADDRINUSE", "bind of the service")
            conflict = conflict_of(trace, 5001, pid=service.pid)
            equal(notes_of(conflict), ["caller-has-it"], "notes")
            why = json.loads(t.command("why", "--json", "-p", service.pid, "127.0.0.1:5001").stdout)
            equal(notes_of(why), ["caller-has-it"], "notes of why")
            text = t.command("why", "-p", service.pid, "127.0.0.1:5001").stdout.decode()
            name = f"fd {listener.fileno()} of {comm_of(service.pid)}[{service.pid}] is this listener already."
            check(name in text, text)


@test()
def a_second_instance(t):
    """The same program again, started by others."""
    with t.trace() as trace:
        with Program(5002) as first:
            equal(first.said, "bound", "the first instance")
            second = started_by_others(lambda: [Program(5002).said])
            equal(second, ["EADDRINUSE"], "the second instance")
            conflict = conflict_of(trace, 5002)
            equal(notes_of(conflict), ["second-instance"], "notes")


@test()
def a_program_of_the_same_interpreter_is_not_a_second_instance(t):
    with t.trace() as trace:
        with Program(5003) as first, Program(5003, source=BIND + "\n# another program\n") as second:
            equal((first.said, second.said), ("bound", "EADDRINUSE"), "the programs")
            equal(notes_of(conflict_of(trace, 5003)), [], "notes")


@test()
def an_executable_that_was_replaced_is_the_same_program(t):
    """After an update the old process runs a file that is deleted."""
    copy, env = os.path.join(t.temp(), "server"), {**os.environ, "PYTHONHOME": sys.base_prefix}
    shutil.copy(os.path.realpath(sys.executable), copy)
    with t.trace() as trace, Program(5004, executable=copy, env=env) as first:
        equal(first.said, "bound", "the first instance")
        os.remove(copy)
        shutil.copy(os.path.realpath(sys.executable), copy)
        second = started_by_others(lambda: [Program(5004, executable=copy, env=env).said])
        equal(second, ["EADDRINUSE"], "the second instance")
        equal(notes_of(conflict_of(trace, 5004)), ["second-instance"], "notes")


@test()
def restart_loop(t):
    """A supervisor starts a program again whenever it fails."""
    def fail(me, port):
        with socket.socket() as sock:
            me.send(refused(sock.bind, ("127.0.0.1", port)))

    with tcp(("127.0.0.1", 5005), backlog=1), t.trace() as trace:
        for i in range(1, 5):
            child = t.fork(fail, 5005, comm="pt-service")
            equal(child.receive(), "EADDRINUSE", "errno")
            conflict = conflict_of(trace, 5005, pid=child.pid)
            child.result()
            equal(conflict.get("repeat"), i if i > 1 else None, "repeat")
            equal("restart-loop" in notes_of(conflict), i >= 3, f"restart-loop, failure {i}")


@test()
def one_process_that_retries_is_not_restarted(t):
    with tcp(("127.0.0.1", 5006), backlog=1), t.trace() as trace:
        for _ in range(5):
            with socket.socket() as sock:
                refused(sock.bind, ("127.0.0.1", 5006))
        records = trace.times(5, event="bind", errno="EADDRINUSE", local_port=5006)
        equal(records[-1]["conflict"].get("repeat"), 5, "repeat")
        check("restart-loop" not in notes_of(records[-1]["conflict"]), records[-1])


def reserve():
    with tcp(("127.0.0.1", 0)) as sock:
        return port_of(sock)


def connect_and_stay(port, hold):
    """An outgoing connection from this port, the only one of the range. It ends with the other end of `hold`."""
    server = tcp(("127.0.0.2", 5999), backlog=1)
    sock = socket.socket()
    sock.connect(("127.0.0.2", 5999))
    equal(port_of(sock), port, "the port that the other program was given")
    stay(hold, sock, server)
    return True


def stay(hold, *socks):
    """A process has the sockets until the other end of `hold` closes."""
    sys.stdout.flush()
    if os.fork() == 0:
        for fd in {int(name) for name in os.listdir("/proc/self/fd")} - {0, 1, 2, hold, *(s.fileno() for s in socks)}:
            try:
                os.close(fd)
            except OSError:
                pass
        set_comm("pt-taker")
        os.read(hold, 1)
        os._exit(0)


def bind_here(t, port):
    with socket.socket() as sock:
        refused(sock.bind, ("127.0.0.1", port))


def bind_in_child(t, port):
    t.fork(lambda me: bind_here(t, port), comm="pt-server").result()


def lost(t, args, reserve_by, want_by=bind_here, take=connect_and_stay):
    """A port is reserved, then another program is given it, then it is wanted."""
    with t.trace(*args, marker=not args) as trace:
        port = reserve_by()
        sysctl("ipv4/ip_local_port_range", f"{port} {port}")
        hold, release = os.pipe()
        started_by_others(take, port, hold)
        sysctl("ipv4/ip_local_port_range", "32768 60999")
        want_by(t, port)
        conflict = trace.wait(event="bind", errno="EADDRINUSE", local_port=port)["conflict"]
        os.close(release)
        return conflict


@test()
def reservation_lost(t):
    conflict = lost(t, (), reserve)
    equal(conflict["cause"], "ephemeral-holder", "cause")
    equal(notes_of(conflict), ["reservation-lost"], "notes")


@test()
def reservation_lost_with_failures_only(t):
    conflict = lost(t, ("-x",), reserve)
    equal(notes_of(conflict), ["reservation-lost"], "notes")


def reserve_udp():
    with udp(("127.0.0.1", 0)) as sock:
        return port_of(sock)


def send_and_stay(port, hold):
    """A send of UDP is given the port; its socket stays open until the other end of `hold` closes."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.sendto(b"x", ("127.0.0.2", 5999))
    equal(port_of(sock), port, "the port that the other program was given")
    stay(hold, sock)
    return True


def bind_udp_here(t, port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        refused(sock.bind, ("127.0.0.1", port))


@test()
def reservation_of_udp_lost(t):
    for args in ((), ("-x",)):
        conflict = lost(t, args, reserve_udp, bind_udp_here, send_and_stay)
        equal(conflict["cause"], "wildcard-overlap", "cause")
        equal(notes_of(conflict), ["reservation-lost"], f"notes {args}")


@test()
def reservation_lost_by_a_helper(t):
    """PORT=$(find-free-port); server --port $PORT"""
    def helper():
        child = t.fork(lambda me: reserve(), comm="pt-helper")
        return child.result()

    for want_by in (bind_here, bind_in_child):
        equal(notes_of(lost(t, (), helper, want_by)), ["reservation-lost"], f"notes, {want_by.__name__}")


@test()
def reservation_lost_by_the_parent(t):
    """A test takes a free port, closes it and starts a server with its number."""
    equal(notes_of(lost(t, (), reserve, bind_in_child)), ["reservation-lost"], "notes")


@test()
def a_reservation_that_was_handed_over_is_not_lost(t):
    """The port was for the first server; the second one is refused because of that one."""
    with t.trace() as trace:
        port = reserve()
        with Program(port) as first:
            equal(first.said, "bound", "the first server")
            with socket.socket() as sock:
                refused(sock.bind, ("127.0.0.1", port))
            equal(notes_of(conflict_of(trace, port)), [], "notes")
