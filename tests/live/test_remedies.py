# SPDX-License-Identifier: GPL-2.0-only
"""Carries out each remedy that porttrace prints for a refusal, and makes the call again, which must succeed.

The test makes each situation once for each of its remedies, on a new port, because a remedy ends the situation. It runs
commands exactly as printed. NOT_DONE lists what the test cannot do (start another program, wait a minute).
"""

import contextlib
import errno
import os
import re
import socket
import struct
import subprocess
import time

from porttrace_test import (
    REUSEADDR, REUSEPORT, V6ONLY, IP_BIND_ADDRESS_NO_PORT, IP_FREEBIND, NOBODY, Process, Skip, at_end, check, equal, run_text, sysctl,
    tcp, test, timewaits as timewaits_on, udp, until,
)

from remedy_table import print_remedy

IP_LOCAL_PORT_RANGE = 51
OPTIONS = {
    "SO_REUSEADDR": REUSEADDR,
    "SO_REUSEPORT": REUSEPORT,
    "IPV6_V6ONLY": V6ONLY,
    "IP_FREEBIND": (socket.IPPROTO_IP, IP_FREEBIND, 1),
    "IP_LOCAL_PORT_RANGE": (socket.IPPROTO_IP, IP_LOCAL_PORT_RANGE, 0),
    "IP_BIND_ADDRESS_NO_PORT": (socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1),
}
# Longer waits would make the test as long; they use the same clock.
WAIT_MAX_S = 4
NOT_DONE = {
    "use_inherited_fd": "it changes the program",
    "grant_capability": "it changes a file of the machine",
}

PORTS = iter(range(20000, 30000))
PRIVILEGED = iter(range(700, 800))
RANGES = iter(range(40000, 50000, 20))


class Situation:
    """Holders of one port, and the call that is refused."""

    def __init__(self, port, holder_options=()):
        self.port = port
        self.holder_options = holder_options  # options that the holders set this time (set_holder_option)
        self.holders = []
        self.users = []  # the holders that fill a range
        self.make = tcp
        self.where = ("0.0.0.0", port)
        self.options = ()
        self.uid = None  # uid of the caller; None: root
        self.peer = None  # destination of a connect(); None: the call is a bind()

    def hold(self, function, *args, **options):
        holder = Process(function, self.port, self.holder_options, *args, **options).start()
        holder.receive()
        self.holders.append(holder)
        return holder

    def call(self, *more, port=None, without=()):
        """Makes the call again; returns the name of its errno, or None."""
        where = (self.where[0], self.where[1] if port is None else port, *self.where[2:])
        options = [o for o in self.options if o not in without]
        try:
            if self.uid is not None:
                os.seteuid(self.uid)
            with self.make(where if where[1] or not self.peer else None, *options, *more) as sock:
                if self.peer:
                    sock.connect(self.peer)
        except OSError as error:
            return errno.errorcode[error.errno]
        finally:
            os.seteuid(0)
        return None

    def end(self):
        for holder in self.holders:
            if not holder.ended:
                holder.kill()


def listen(me, port, options, address="0.0.0.0", *more):
    with tcp((address, port), *more, *options, backlog=5):
        me.send()
        me.receive()


def bind_udp(me, port, options, *more):
    with udp(("0.0.0.0", port), *more, *options):
        me.send()
        me.receive()


def choose_by_kernel(sock, port):
    """connect() will take this port. Returns the namespace's range if that had to be changed: porttrace may read the changed
    one at the end of an interval, and use it for a second."""
    low, high = map(int, sysctl("ipv4/ip_local_port_range").split())
    if low <= port <= high:
        with contextlib.suppress(OSError):  # before 6.3
            sock.setsockopt(socket.IPPROTO_IP, IP_LOCAL_PORT_RANGE, struct.pack("=HH", port, port))
            return None
    sysctl("ipv4/ip_local_port_range", f"{port} {port}")
    return f"{low} {high}"


def connect_out(me, port, options, peer, bound):
    """Makes an outgoing connection from this port, which the kernel chose (a range of one port) or bind() requested."""
    kept = None
    with socket.socket() as sock:
        for option in options:
            sock.setsockopt(*option)
        if bound:
            sock.bind(("0.0.0.0", port))
        else:
            kept = choose_by_kernel(sock, port)
        sock.connect(peer)
        if kept:
            sysctl("ipv4/ip_local_port_range", kept)
        me.send()
        me.receive()


def accepted_only(me, port, options, *more):
    """A server whose listener is closed and whose connection is open."""
    listener = tcp(("127.0.0.1", port), *more, *options, backlog=5)
    with socket.create_connection(("127.0.0.1", port)), listener.accept()[0]:
        listener.close()
        me.send()
        me.receive()


def prefork(me, port, options):
    with tcp(("0.0.0.0", port), *options, backlog=5):
        for _ in range(2):
            if os.fork() == 0:
                time.sleep(30)
                os._exit(0)
        me.send()
        me.receive()


def leave_timewait(port, *options):
    with tcp(("127.0.0.1", port), *options, backlog=1) as listener:
        with socket.create_connection(("127.0.0.1", port)) as client:
            server = listener.accept()[0]
            server.close()
            at_end(client)
    until(lambda: timewaits_on(port), f"TIME_WAIT on port {port}")


def serve(me, port, options):
    """Accepts, and closes each connection some time after its client: the kernel answers a FIN with a reset if it
    arrives while the client's socket becomes a FIN_WAIT2."""
    with tcp(("127.0.0.9", port), REUSEADDR, *options, backlog=50) as listener:
        me.send()
        while True:
            with listener.accept()[0] as sock:
                at_end(sock)
                time.sleep(0.01)


def bind_all(me, port, options, count, make=tcp, address="127.0.0.1"):
    """Binds to port 0 until the range is full."""
    kept = [make((address, 0), *options) for _ in range(count)]
    me.send()
    me.receive()
    del kept


SITUATIONS = {}


def situation(function):
    SITUATIONS[function.__name__] = function
    return function


@situation
def listener(t, s):
    s.hold(listen)


@situation
def listener_of_another_user(t, s):
    s.hold(listen, uid=NOBODY)
    s.options = (REUSEADDR,)


@situation
def several_processes_of_one_socket(t, s):
    s.hold(prefork)


@situation
def several_sockets(t, s):
    s.hold(listen, "0.0.0.0", REUSEPORT)
    s.hold(listen, "0.0.0.0", REUSEPORT)


@situation
def ipv4_and_ipv6_listeners(t, s):
    s.hold(listen, "127.0.0.1")
    s.hold(listen, "::1")
    s.where = ("::", s.port)
    s.options = ((socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0),)


@situation
def dual_stack(t, s):
    s.hold(listen)
    s.where = ("::", s.port)
    s.options = ((socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0),)


@situation
def bound_with_reuseaddr(t, s):
    s.hold(lambda me, port, options: _bound(me, port, (REUSEADDR, *options)))


def _bound(me, port, options):
    with tcp(("0.0.0.0", port), *options):
        me.send()
        me.receive()


@situation
def udp_of_three_users(t, s):
    s.make = udp
    s.hold(bind_udp, REUSEADDR, REUSEPORT, uid=110)
    s.hold(bind_udp, REUSEADDR, REUSEPORT, uid=1000)
    s.hold(bind_udp, REUSEADDR)
    s.options = (REUSEPORT,)


@situation
def udp_reuseport_of_another_user(t, s):
    s.make = udp
    s.hold(bind_udp, REUSEPORT, uid=110)
    s.options = (REUSEADDR,)


@situation
def timewait(t, s):
    leave_timewait(s.port, REUSEADDR)


@situation
def timewait_without_reuseaddr(t, s):
    leave_timewait(s.port)
    s.options = (REUSEADDR,)


@situation
def several_timewaits(t, s):
    for _ in range(5):
        leave_timewait(s.port, REUSEADDR)


@situation
def accepted_connection(t, s):
    s.hold(accepted_only)


@situation
def connection_with_the_port(t, s):
    peer = t.peer
    s.port = next(RANGES)
    s.where = (s.where[0], s.port)
    s.hold(connect_out, peer, False)
    s.options = (REUSEADDR,)


@situation
def client_bound_to_the_port(t, s):
    s.hold(connect_out, t.peer, True)
    s.options = (REUSEADDR,)


def answer_late(me, port, options, *more):
    """A server that closes first; its client never closes: the server's end stays in FIN_WAIT2."""
    with tcp(("127.0.0.1", port), *more, *options, backlog=5) as listener:
        with socket.create_connection(("127.0.0.1", port)):
            listener.accept()[0].close()
            listener.close()
            me.send()
            me.receive()


def in_state(state, port):
    until(lambda: run_text("ss", "-Htan", "state", state, "sport", "=", f":{port}"), f"a connection in {state} on port {port}")


@situation
def fin_wait2(t, s):
    """What is left is a closed connection, whose peer may keep it so for a minute."""
    s.hold(answer_late, REUSEADDR)
    in_state("fin-wait-2", s.port)


def send_and_close(me, port, options, *more):
    """The peer does not read: what was sent before close() keeps the connection in FIN_WAIT1."""
    with tcp(("127.0.0.1", port), *more, *options, backlog=5) as listener:
        with socket.create_connection(("127.0.0.1", port)):
            with listener.accept()[0] as sock:
                sock.setblocking(False)
                try:
                    while True:
                        sock.send(b"x" * 65536)
                except BlockingIOError:
                    pass
            listener.close()
            me.send()
            me.receive()


@situation
def orphan(t, s):
    s.hold(send_and_close, REUSEADDR)
    in_state("fin-wait-1", s.port)


def leave_timewait_of_client(s, bound, *options):
    """A client whose port the kernel chose, or that bound it by number, closes first. The address of its server."""
    peer = ("127.0.0.9", next(PORTS))
    server = Process(serve, peer[1], ()).start()
    server.receive()
    s.holders.append(server)
    client = Process(connect_out, s.port, options, peer, bound).start()
    client.receive()
    client.send()
    client.result()
    until(lambda: timewaits_on(s.port), f"TIME_WAIT on port {s.port}")
    return peer


@situation
def timewait_of_client(t, s):
    """A client that the kernel gave the port closed first. The server's options are not those of its socket."""
    s.port = next(RANGES)
    s.where, s.options = ("0.0.0.0", s.port), (REUSEADDR,)
    leave_timewait_of_client(s, False)


@situation
def bound_with_reuseport_of_another_user(t, s):
    """SO_REUSEPORT needs the same user; SO_REUSEADDR in both shares, while no socket listens."""
    s.hold(lambda me, port, options: _bound(me, port, (REUSEPORT, *options)), uid=NOBODY)
    s.options = (REUSEADDR,)


@situation
def same_client_in_use(t, s):
    """A second connection from the same port to the same server."""
    s.holder_options = (REUSEADDR,)
    s.hold(connect_out, t.peer, True)
    s.options = (REUSEADDR,)
    s.peer = t.peer


@situation
def same_client_in_timewait(t, s):
    sysctl("ipv4/tcp_timestamps", 0)
    s.peer = leave_timewait_of_client(s, True, REUSEADDR)
    s.options = (REUSEADDR,)


@situation
def ipv6_off(t, s):
    """IP_FREEBIND would bind, and no peer could connect."""
    sysctl("ipv6/conf/all/disable_ipv6", 1)
    s.where = ("::1", s.port)


@situation
def address_not_local(t, s):
    s.where = ("192.0.2.77", s.port)


@situation
def ipv6_address_not_local(t, s):
    s.where = ("2001:db8::77", s.port)


@situation
def privileged_port(t, s):
    s.port = next(PRIVILEGED)
    s.where = ("0.0.0.0", s.port)
    s.uid = NOBODY
    sysctl("ipv4/ip_unprivileged_port_start", "1024")


@situation
def privileged_port_in_use(t, s):
    privileged_port(t, s)
    s.hold(listen)


def small_range(s, count):
    """Sets a range of `count` ports for this situation. porttrace reads the settings once a second."""
    low = next(RANGES)
    sysctl("ipv4/ip_local_port_range", f"{low} {low + count - 1}")
    sysctl("ipv4/tcp_tw_reuse", "0")
    s.where = ("127.0.0.1", 0)
    time.sleep(1.2)


@situation
def range_of_timewaits(t, s):
    s.hold(serve)
    small_range(s, 10)
    s.peer = ("127.0.0.9", s.port)
    for _ in range(10):
        equal(s.call(), None, "connect, and close first")
    until(lambda: len(timewaits_on(s.port)) == 10, "a TIME_WAIT on each of the 10 ports")


@situation
def range_of_bound_sockets(t, s):
    small_range(s, 8)
    s.users.append(s.hold(bind_all, 8))


@situation
def connect_among_bound_sockets(t, s):
    s.hold(serve)
    small_range(s, 8)
    s.users.append(s.hold(bind_all, 8))
    s.peer = ("127.0.0.9", s.port)


@situation
def loopback_range_of_timewaits(t, s):
    """With the default of tcp_tw_reuse, loopback connections take over TIME_WAITs after tcp_tw_reuse_delay."""
    s.hold(serve)
    small_range(s, 10)
    sysctl("ipv4/tcp_tw_reuse", 2)
    try:
        sysctl("ipv4/tcp_tw_reuse_delay", 3000)  # a busy machine needs more than the default, 1 s, until it is refused
    except FileNotFoundError:
        pass
    s.peer = ("127.0.0.9", s.port)
    time.sleep(1.2)
    for _ in range(10):
        equal(s.call(), None, "connect, and close first")
    until(lambda: len(timewaits_on(s.port)) == 10, "a TIME_WAIT on each of the 10 ports")


@situation
def range_bound_and_connected(t, s):
    """bind(addr, 0) before each connect(): what is closed keeps its port from the next bind()."""
    s.hold(serve)
    small_range(s, 8)
    for _ in range(8):
        with tcp(("127.0.0.1", 0)) as sock:
            sock.connect(("127.0.0.9", s.port))
    until(lambda: len(timewaits_on(s.port)) == 8, "a TIME_WAIT on each of the 8 ports")


@situation
def udp_range_of_wildcards(t, s):
    """A wildcard socket has its port on every address."""
    s.make = udp
    small_range(s, 8)
    s.users.append(s.hold(bind_all, 8, udp, "0.0.0.0"))
    s.where = ("127.0.0.3", 0)


@situation
def range_of_the_socket(t, s):
    low = next(RANGES)
    with socket.socket() as sock:
        option = (socket.IPPROTO_IP, IP_LOCAL_PORT_RANGE, struct.pack("=HH", low, low + 1))
        try:
            sock.setsockopt(*option)
        except OSError:
            raise Skip("this kernel has no IP_LOCAL_PORT_RANGE") from None
    s.options = (option,)
    s.hold(bind_all, 2, lambda where, *options: tcp(where, option, *options))
    s.where = ("127.0.0.1", 0)


@situation
def range_reserved(t, s):
    s.hold(serve)
    small_range(s, 8)
    low, high = map(int, sysctl("ipv4/ip_local_port_range").split())
    sysctl("ipv4/ip_local_reserved_ports", f"{low}-{high}")
    s.peer = ("127.0.0.9", s.port)
    time.sleep(1.2)


def refusal(trace, s):
    error = s.call()
    check(error, f"the call on port {s.port} must be refused, but succeeded")
    where = {"event": "connect", "remote_port": s.peer[1]} if s.peer else {"event": "bind"}
    if s.where[1] or not s.peer:
        where["local_port"] = s.where[1]
    record = trace.wait(errno=error, conflict=lambda c: True, **where)
    return error, record["conflict"]


def succeeds(s, *more, port=None, without=()):
    until(lambda: s.call(*more, port=port, without=without) is None, "the call succeeds after the remedy", 3)


def serve_and_close(me, port):
    with tcp(("127.0.0.9", port), REUSEADDR, backlog=50) as listener:
        me.send()
        while True:
            listener.accept()[0].close()


def close_second(s):
    """The peer closes first: many more connections than ports of the range, and no port stays taken."""
    run_text("ss", "-tK", "state", "time-wait")
    low, high = map(int, sysctl("ipv4/ip_local_port_range").split())
    port = next(PORTS)
    server = Process(serve_and_close, port).start()
    server.receive()
    s.holders.append(server)
    for _ in range(3 * (high - low + 1)):
        with socket.create_connection(("127.0.0.9", port)) as sock:
            at_end(sock)
            time.sleep(0.01)
    equal([pair for pair in timewaits_on(port) if pair[1].endswith(f":{port}")], [], "TIME_WAITs of the client")


def do(t, s, remedy):
    """Carries out one remedy and makes the call again. False: the test cannot do this remedy."""
    action, effect = remedy["action"], remedy["effect"]
    if action in NOT_DONE or (effect == "after" and remedy["after_s"] > WAIT_MAX_S):
        return False
    if "command" in remedy and effect in ("now", "after", "prevents"):
        result = subprocess.run(["sh", "-c", remedy["command"]], capture_output=True, text=True, check=False, timeout=20)
        equal(result.returncode, 0, f"exit status of {remedy['command']} ({result.stderr.strip()})")
        if effect == "prevents":
            check(str(s.port) in sysctl("ipv4/ip_local_reserved_ports"), "the port is reserved")
            return True
    if action == "set_caller_option":
        level, option, value = OPTIONS[remedy["option"]]
        equal(str(value), remedy["value"], "value of the option")
        succeeds(s, (level, option, value), without=[o for o in s.options if o[:2] == (level, option)])
    elif action == "stop_process" and effect == "prevents":
        close_second(s)
    elif action == "stop_process" and effect == "restart":
        if not s.users:
            return False
        for user in s.users:
            user.kill()
        succeeds(s)
    elif action == "other_port":
        succeeds(s, port=next(PORTS))
    elif action == "other_address":
        address = re.search(r" to (\S+), or", remedy["text"]).group(1).strip("[]")
        equal(":" in address, ":" in s.where[0], "the address is of the socket's family: an IPv6 one")
        s.where = (address, s.where[1])
        succeeds(s)
    else:
        time.sleep(remedy.get("after_s", 0))
        succeeds(s)
    return True


def holder_option(t, make, remedy, cause):
    """set_holder_option: starts the holders again with the option; the caller also sets it if the text says so."""
    option = OPTIONS[remedy["option"]]
    s = Situation(next(PORTS), (option,))
    try:
        make(t, s)
        succeeds(s, *([option] if "before bind()" in remedy["text"] else []))
    finally:
        s.end()


def all_remedies(t, trace, name):
    make, index, count, offered, done = SITUATIONS[name], 0, 1, [], []
    while index < count:
        s = Situation(next(PORTS))
        try:
            make(t, s)
            _, conflict = refusal(trace, s)
            remedies = conflict["remedies"]
            offered.append([(r["action"], r.get("option")) for r in remedies])
            equal(offered[-1], offered[0], f"{name}: the same remedies each time ({conflict['why']})")
            count = len(remedies)
            check(count, f"{name}: no remedy")
            equal(conflict["fix"].split(":")[0].rstrip("."), remedies[0]["text"].split(":")[0].rstrip("."), "fix")
            remedy, before = remedies[index], len(done)
            if remedy["action"] == "set_holder_option":
                s.end()
                holder_option(t, make, remedy, conflict["cause"])
                done.append(remedy["action"])
            elif do(t, s, remedy):
                done.append(remedy["action"])
            print_remedy(conflict["cause"], remedy, len(done) > before)
            index += 1
        finally:
            s.end()
    check(done, f"{name}: no remedy was carried out")
    print(f"{name}: {conflict['cause']}: {', '.join(done)} of {count}")


def _make_test(name):
    @test()
    def _(t):
        with tcp(("127.0.0.9", 0), REUSEADDR, backlog=20) as peer, t.trace() as trace:
            t.peer = peer.getsockname()
            all_remedies(t, trace, name)

    _.name = "remedies." + name


for _name in SITUATIONS:
    _make_test(_name)


@test()
def waits_a_minute(t):
    """bind() is refused until a second before the end of the wait that is given for a TIME_WAIT, and succeeds after it."""
    with t.trace() as trace:
        s = Situation(next(PORTS))
        timewait(t, s)
        began = time.monotonic()
        _, conflict = refusal(trace, s)
        wait = [r for r in conflict["remedies"] if r["action"] == "wait"][0]
        check(abs(wait["after_s"] - conflict["holders"][0]["expires_in_s"]) <= 1, f"{wait}, and {conflict['holders']}")
        time.sleep(began + wait["after_s"] - 1.5 - time.monotonic())
        equal(s.call(), "EADDRINUSE", "bind() a second before the end")
        time.sleep(began + wait["after_s"] + 1 - time.monotonic())
        equal(s.call(), None, "bind() after the wait")
        print_remedy(conflict["cause"], wait, True)
