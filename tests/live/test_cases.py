# SPDX-License-Identifier: GPL-2.0-only
"""Situations that people reported for other software, in each of which the advice was once followed in vain.

Each case says what the advice must have and must not have; then each remedy is carried out as in test_remedies.py.
"""

import errno
import json
import os
import signal
import socket
import subprocess
import sys
import time

from porttrace_test import REUSEADDR, REUSEPORT, V6ONLY, check, equal, sysctl, tcp, test, udp, until
from test_remedies import (
    PORTS, RANGES, SITUATIONS, Situation, accepted_only, all_remedies, bind_udp, connect_out, listen, refusal, serve,
)

DUAL = (socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
BOTH = (REUSEADDR, REUSEPORT)
SERVICE = iter(range(800, 900))  # privileged ports


def actions(conflict):
    return [(r["action"], r.get("option")) for r in conflict["remedies"]]


def commands(conflict):
    return " | ".join(r.get("command", "") for r in conflict["remedies"])


def stops_all(conflict, s):
    """What stops a process stops all that have the port: stopping the first leaves the port refused."""
    stop = [r for r in conflict["remedies"] if r["action"] == "stop_process"]
    equal(len(stop), 1, f"remedies that stop: {stop}")
    held = {str(p["pid"]) for holder in conflict["holders"] for p in holder["pids"]}
    check(len(held) > 1, f"one process has the port: {held}")
    equal(set(stop[0]["command"].removeprefix("kill ").split()), held, "processes to stop")


def case(demand):
    """A case: the function makes the situation; demand(conflict, situation) is what its advice must be."""

    def register(make):
        name = "case " + make.__name__
        SITUATIONS[name] = make

        def run(t):
            with tcp(("127.0.0.9", 0), REUSEADDR, backlog=20) as peer, t.trace() as trace:
                t.peer = peer.getsockname()
                s = Situation(next(PORTS))
                try:
                    make(t, s)
                    _, conflict = refusal(trace, s)
                    demand(conflict, s)
                finally:
                    s.end()
                all_remedies(t, trace, name)

        test()(run)
        run.name = "cases." + make.__name__
        return make

    return register


# --- first-of-several: several sockets refuse, and the advice was about the first ----------------------


def names_reuseaddr(conflict, s):
    """On UDP SO_REUSEADDR shares across users; SO_REUSEPORT needs the same uid."""
    check(("set_caller_option", "SO_REUSEADDR") in actions(conflict), f"{actions(conflict)}")
    check(("set_caller_option", "SO_REUSEPORT") not in actions(conflict), f"{actions(conflict)}")
    stops_all(conflict, s)


@case(names_reuseaddr)
def first_of_several_udp(t, s):
    s.make = udp
    s.hold(bind_udp, *BOTH, uid=110)
    s.hold(bind_udp, *BOTH, uid=1000)
    s.hold(bind_udp, REUSEADDR)


@case(stops_all)
def first_of_several_loopbacks(t, s):
    s.hold(listen, "127.0.0.1")
    s.hold(listen, "::1", V6ONLY)
    s.where, s.options = ("::", s.port), (DUAL,)


@case(stops_all)
def first_of_several_in_group(t, s):
    s.hold(listen, "0.0.0.0", REUSEPORT)
    s.hold(listen, "0.0.0.0", REUSEPORT)


def stops_all_and_not_v6only(conflict, s):
    """IPV6_V6ONLY in the caller would leave the IPv6 listener."""
    check(("set_caller_option", "IPV6_V6ONLY") not in actions(conflict), f"{actions(conflict)}")
    stops_all(conflict, s)


@case(stops_all_and_not_v6only)
def first_of_several_families(t, s):
    s.hold(listen)
    s.hold(listen, "::1", V6ONLY)
    s.where, s.options = ("::", s.port), (DUAL,)


# --- fixed-port-in-range, self-connect: a connection has the service's port ----------------------------


def destroys_and_reserves(conflict, s):
    """Stopping the process would leave a TIME_WAIT; the socket destroyed frees the port at once."""
    first = conflict["remedies"][0]
    check(conflict["cause"] in ("ephemeral-holder", "self-connect"), conflict["cause"])
    equal((first["action"], first["effect"]), ("destroy_socket", "now"), f"{first}")
    check("stop_process" not in [a for a, _ in actions(conflict)], f"{actions(conflict)}")
    check(("reserve_port", "net.ipv4.ip_local_reserved_ports") in actions(conflict), f"{actions(conflict)}")


def in_range(s):
    """The service's port is one that the kernel gives to connections."""
    s.port = next(RANGES)
    s.where = ("0.0.0.0", s.port)
    s.options = (REUSEADDR,)


@case(destroys_and_reserves)
def fixed_port_in_range(t, s):
    in_range(s)
    s.hold(connect_out, t.peer, False)


def names_self_connect(conflict, s):
    equal(conflict["cause"], "self-connect", "cause")
    destroys_and_reserves(conflict, s)


@case(names_self_connect)
def self_connect(t, s):
    """A client that retries while the service is down is connected to itself in the end."""
    in_range(s)
    s.hold(connect_out, ("127.0.0.1", s.port), False)


def destroys_and_does_not_stop(conflict, s):
    """Stopping the server would leave a TIME_WAIT; SO_REUSEADDR in the caller alone does not help."""
    equal(conflict["cause"], "accepted-connection", "cause")
    equal((conflict["remedies"][0]["action"], conflict["remedies"][0]["effect"]), ("destroy_socket", "now"), "first remedy")
    check("stop_process" not in [a for a, _ in actions(conflict)], f"{actions(conflict)}")
    check(("set_caller_option", "SO_REUSEADDR") not in actions(conflict), f"{actions(conflict)}")


@case(destroys_and_does_not_stop)
def accepted_connection(t, s):
    s.hold(accepted_only)
    s.options = (REUSEADDR,)


# --- what a client left on the port: SO_REUSEADDR in every run of the server would not help ---------------


def reserves_and_no_holder_option(conflict, s):
    check("set_holder_option" not in [a for a, _ in actions(conflict)], f"{actions(conflict)}")
    check(("reserve_port", "net.ipv4.ip_local_reserved_ports") in actions(conflict), f"{actions(conflict)}")


@case(reserves_and_no_holder_option)
def left_by_a_client(t, s):
    SITUATIONS["timewait_of_client"](t, s)


# --- a range that wildcard UDP sockets fill: no other address has the ports free ---------------------------


def no_other_address(conflict, s):
    check("other_address" not in [a for a, _ in actions(conflict)], f"{actions(conflict)}")


@case(no_other_address)
def wildcards_of_udp(t, s):
    SITUATIONS["udp_range_of_wildcards"](t, s)


# --- loopback-churn: a range full of TIME_WAITs on loopback --------------------------------------------


def not_tw_reuse(conflict, s):
    """tcp_tw_reuse=2, the default, does on loopback already what 1 does."""
    equal(sysctl("ipv4/tcp_tw_reuse"), "2", "tcp_tw_reuse")
    check("tcp_tw_reuse" not in commands(conflict), commands(conflict))
    check(("sysctl", "net.ipv4.ip_local_port_range") in actions(conflict), f"{actions(conflict)}")


@case(not_tw_reuse)
def loopback_churn(t, s):
    s.hold(serve)
    low = next(RANGES)
    sysctl("ipv4/ip_local_port_range", f"{low} {low + 9}")
    # Without it the ports would be free again after a second, whatever the remedy does (before 6.14 they are).
    if os.path.exists("/proc/sys/net/ipv4/tcp_tw_reuse_delay"):
        sysctl("ipv4/tcp_tw_reuse_delay", "60000")
    s.where, s.peer = ("127.0.0.1", 0), ("127.0.0.9", s.port)
    time.sleep(1.2)  # porttrace reads the settings once a second
    until(lambda: s.call() == "EADDRNOTAVAIL", "the range is full", 3)


# --- reserved-source-port: a client that bound its port by number --------------------------------------


def stops_and_destroys(conflict, s):
    """IP_BIND_ADDRESS_NO_PORT acts on port 0 only. To stop the client leaves a TIME_WAIT, to destroy its socket leaves it bound."""
    check("IP_BIND_ADDRESS_NO_PORT" not in [o for _, o in actions(conflict)], f"{actions(conflict)}")
    stop = [r for r in conflict["remedies"] if r["action"] == "stop_process"]
    check(len(stop) == 1 and "ss -" in stop[0]["command"], f"{stop}")


@case(stops_and_destroys)
def reserved_source_port(t, s):
    s.port = next(SERVICE)
    s.where, s.options = ("0.0.0.0", s.port), (REUSEADDR,)
    s.hold(connect_out, t.peer, True)


# --- mdns-mixed-options: UDP holders of several users and options --------------------------------------


def reuseaddr_only(conflict, s):
    check(("set_caller_option", "SO_REUSEADDR") in actions(conflict), f"{actions(conflict)}")
    check(("set_caller_option", "SO_REUSEPORT") not in actions(conflict), f"{actions(conflict)}")


@case(reuseaddr_only)
def mdns_holder_with_both(t, s):
    s.make, s.uid, s.options = udp, 1000, (REUSEPORT,)
    s.hold(bind_udp, *BOTH, uid=110)


def no_caller_option(conflict, s):
    check("set_caller_option" not in [a for a, _ in actions(conflict)], f"{actions(conflict)}")
    check(("set_holder_option", "SO_REUSEADDR") in actions(conflict), f"{actions(conflict)}")
    check(("set_holder_option", "SO_REUSEPORT") not in actions(conflict), "SO_REUSEPORT of another user's socket")


@case(no_caller_option)
def mdns_holder_with_reuseport(t, s):
    s.make, s.uid, s.options = udp, 1000, (REUSEADDR,)
    s.hold(bind_udp, REUSEPORT, uid=110)


@case(no_caller_option)
def mdns_holder_without_options(t, s):
    s.make, s.uid, s.options = udp, 1000, ()
    s.hold(bind_udp, uid=110)


# --- old-worker: the master is gone, its workers still have the socket ----------------------------------

class Workers:
    """Processes that the test has not started: children of a master that was killed. end() as a Situation's holder."""

    ended = False

    def __init__(self, port, options):
        code = """
import json, os, socket, sys, time
sock = socket.socket(); sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
for option in json.loads(sys.argv[2]):
    sock.setsockopt(*option)
sock.bind(("0.0.0.0", int(sys.argv[1]))); sock.listen()
for _ in range(3):
    pid = os.fork()
    if not pid:
        time.sleep(60)
        os._exit(0)
    print(pid, flush=True)
print("done", flush=True)
time.sleep(60)
"""
        master = subprocess.Popen([sys.executable, "-c", code, str(port), json.dumps(options)], stdout=subprocess.PIPE, text=True)
        self.pids = [int(line) for line in iter(master.stdout.readline, "done\n")]
        master.kill()
        master.wait()

    def kill(self):
        for pid in self.pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


@case(stops_all)
def old_worker(t, s):
    s.options = (REUSEADDR,)
    s.holders.append(Workers(s.port, s.holder_options))


# --- socket-activation: the caller has the listener as fd 3 ---------------------------------------------

SERVICE_WITH_FD = """
import errno, os, socket, sys
sock = socket.socket(); sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
try:
    sock.bind(("127.0.0.1", int(sys.argv[1])))
    print("bound", flush=True)
except OSError as error:
    print(errno.errorcode[error.errno], flush=True)
sys.stdin.readline()
passed = socket.socket(fileno=int(os.environ["PT_FD"]))
print(passed.accept()[0].recv(5).decode(), flush=True)
"""


@test()
def socket_activation(t):
    """The remedy is to use the descriptor: not to close it, and not to stop the manager, which has it too."""
    port = next(PORTS)
    with tcp(("127.0.0.1", port), REUSEADDR, backlog=5) as manager, t.trace() as trace:
        manager.set_inheritable(True)
        service = subprocess.Popen([sys.executable, "-c", SERVICE_WITH_FD, str(port)], close_fds=False, text=True,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   env={**os.environ, "LISTEN_FDS": "1", "PT_FD": str(manager.fileno())})
        try:
            equal(service.stdout.readline(), "EADDRINUSE\n", "bind() of the service")
            conflict = trace.once(event="bind", errno="EADDRINUSE", local_port=port)["conflict"]
            first = conflict["remedies"][0]
            equal((first["action"], first["effect"]), ("use_inherited_fd", "restart"), f"{first}")
            check("use that descriptor" in first["text"], f"{first}")
            check(not any(a.startswith("stop_") for a, _ in actions(conflict)), f"{actions(conflict)}")
            service.stdin.write("\n")
            service.stdin.flush()
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.sendall(b"hello")
                equal(service.stdout.readline(), "hello\n", "what the service received on the descriptor")
        finally:
            service.kill()
            service.wait()


# --- retry-forecast: each try gives its port back --------------------------------------------------------


@test()
def retry_forecast(t):
    """A client retries a service that is down: no port stays taken, so none is about to run out."""
    low = next(RANGES)
    sysctl("ipv4/ip_local_port_range", f"{low} {low + 999}")
    with tcp(("127.0.0.1", 0), backlog=200) as listener, t.trace("-i", 1) as trace:
        where = listener.getsockname()
        kept = [socket.create_connection(where) for _ in range(120)]
        listener.close()
        refused, end = 0, time.monotonic() + 3
        while time.monotonic() < end:
            with socket.socket() as sock:
                refused += sock.connect_ex(where) == errno.ECONNREFUSED
            time.sleep(0.005)  # enough tries to see, and few enough for a stream that other tests share
        check(refused > 100, f"only {refused} tries")
        del kept
        trace.wait(event="churn", netns=t.netns)
        time.sleep(1.5)
        trace.read()
        said = [r for r in trace.records if r["event"] == "warning"]
        equal([r for r in said if r.get("kind") in ("exhaustion", "exhausted")], [], "warnings")

