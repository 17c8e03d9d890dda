# SPDX-License-Identifier: GPL-2.0-only
"""Two programs that serve one port: on localhost over IPv4 and IPv6, or in one group of sockets."""

import os
import socket
import subprocess
import sys

from porttrace_test import (
    REUSEADDR,
    REUSEPORT,
    V6ONLY,
    check,
    die_with_parent,
    equal,
    port_of,
    tcp,
    test,
    udp,
)

SERVER = """
import os, socket, sys
family, kind = (socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET), getattr(socket, sys.argv[3])
sock = socket.socket(family, kind)
for option in sys.argv[4:]:
    sock.setsockopt(socket.SOL_SOCKET, getattr(socket, option), 1)
sock.bind((sys.argv[1], int(sys.argv[2])))
if kind == socket.SOCK_STREAM:
    sock.listen(7)
print(os.getpid(), flush=True)
sys.stdin.read()
"""
# So that it is not a child of the test: a worker of its program would be.
DETACHED = 'exec 3<&0; "$@" <&3 & wait'


class Server:
    """Another program: the same interpreter with other arguments."""

    def __init__(self, address, port, kind="SOCK_STREAM", *options):
        self.process = subprocess.Popen(
            ["sh", "-c", DETACHED, "sh", sys.executable, "-c", SERVER, address, str(port), kind, *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            preexec_fn=die_with_parent,
        )
        self.pid = None

    def __enter__(self):
        self.pid = int(self.process.stdout.readline())
        return self

    def __exit__(self, *_):
        self.process.communicate()  # closes its standard input


def fields(warning):
    return {key: warning.get(key) for key in ("kind", "pid", "local_address", "local_port", "protocol")}


def check_warning(trace, kind, server, address, port, first_address, protocol="tcp"):
    """`server` came second, after a socket of this process."""
    warning = trace.once(event="warning", local_port=port)
    wanted = {"kind": kind, "pid": server.pid, "local_address": address, "local_port": port, "protocol": protocol}
    equal(fields(warning), wanted, "warning")
    other = {"pid": os.getpid(), "comm": "pt-test", "local_address": first_address, "local_port": port}
    equal(warning["other"], other, "the other server")
    check(f"[{server.pid}]" in warning["why"] and f"[{os.getpid()}]" in warning["why"], warning["why"])
    check(warning["fix"], "no fix")
    return warning


@test(own=True)
def localhost_over_both_families(t):
    """The second may come over either family."""
    with tcp(("127.0.0.1", 5173), backlog=9) as first, t.trace() as trace:
        port = port_of(first)
        with Server("::1", port) as server:
            warning = check_warning(trace, "localhost-two-servers", server, "::1", port, "127.0.0.1")
            check(f"localhost:{port} now answers differently over IPv4 and IPv6" in warning["why"], warning["why"])
        with tcp(("::", 5174), V6ONLY, backlog=9) as later, Server("127.0.0.1", port_of(later)) as server:
            check_warning(trace, "localhost-two-servers", server, "127.0.0.1", port_of(later), "::")


@test(own=True)
def localhost_of_one_program(t):
    """Both families by one process; 127.0.0.2 and UDP by another program."""
    with t.trace() as trace, tcp(("127.0.0.1", 5173), backlog=9) as first:
        port = port_of(first)
        with tcp(("::1", port), V6ONLY, backlog=9), udp(("::1", port)):
            trace.once(event="listen", local_address="::1", local_port=port)
        with Server("127.0.0.2", port), Server("127.0.0.1", port, "SOCK_DGRAM"):
            pass
        trace.never(event="warning", local_port=port)


def serve(me, port, kind, options):
    """A worker: the socket is its own."""
    sock = socket.socket(socket.AF_INET, kind)
    for option in options:
        sock.setsockopt(*option)
    sock.bind(("127.0.0.1", port))
    if kind == socket.SOCK_STREAM:
        sock.listen(9)
    me.send(port)
    me.receive()


@test(own=True)
def workers_of_one_master(t):
    """Each worker has its own socket in the group of its siblings and its master."""
    with t.trace() as trace, tcp(("127.0.0.1", 5173), REUSEPORT, backlog=9) as master:
        port = port_of(master)
        workers = [t.fork(serve, port, socket.SOCK_STREAM, [REUSEPORT]) for _ in range(3)]
        for worker in workers:
            worker.receive()
            trace.once(event="listen", local_port=port, pid=worker.pid)
        trace.never(event="warning", local_port=port)
        for worker in workers:
            worker.send()


@test(own=True)
def second_program_in_a_reuseport_group(t):
    with t.trace() as trace, tcp(("127.0.0.1", 5173), REUSEPORT, backlog=9) as first:
        port = port_of(first)
        with Server("127.0.0.1", port, "SOCK_STREAM", "SO_REUSEPORT") as server:
            warning = check_warning(trace, "group-two-programs", server, "127.0.0.1", port, "127.0.0.1")
        check("new connections" in warning["why"], warning["why"])
        with Server("127.0.0.1", port, "SOCK_STREAM", "SO_REUSEPORT"):
            pass  # once for the two programs


@test(own=True)
def second_program_on_a_udp_port(t):
    with t.trace() as trace:
        with udp(("127.0.0.1", 6001), REUSEADDR), Server("127.0.0.1", 6001, "SOCK_DGRAM", "SO_REUSEADDR") as server:
            warning = check_warning(trace, "group-two-programs", server, "127.0.0.1", 6001, "127.0.0.1", "udp")
            check("bound last" in warning["why"], warning["why"])
        with udp(("127.0.0.1", 6002), REUSEPORT), Server("127.0.0.1", 6002, "SOCK_DGRAM", "SO_REUSEPORT") as server:
            check_warning(trace, "group-two-programs", server, "127.0.0.1", 6002, "127.0.0.1", "udp")
        with udp(("224.0.0.251", 6003), REUSEADDR), Server("224.0.0.251", 6003, "SOCK_DGRAM", "SO_REUSEADDR"):
            pass
        trace.never(event="warning", local_port=6003)
