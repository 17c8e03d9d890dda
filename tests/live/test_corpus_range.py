# SPDX-License-Identifier: GPL-2.0-only
"""The corpus: no port of the range is free, and calls that succeed nevertheless."""

import os
import socket
import struct

from corpus import RANGE, case, judge, outcome, own_refusal, small_range
from prediction import check_prediction
from porttrace_test import REUSEADDR, REUSEPORT, Skip, check, equal, pair_on, port_of, sysctl, tcp, udp

NO_PORT = (socket.IPPROTO_IP, 24, 1)
IP_LOCAL_PORT_RANGE = 51
MSG_FASTOPEN = 0x20000000
SERVER = ("127.0.0.1", 5001)


def exhaust(listener, ports=RANGE):
    """Makes a connection from every port of the range; returns the sockets, which the caller must keep."""
    pairs = [pair_on(listener) for _ in ports]
    equal(sorted(port_of(c) for c, _ in pairs), sorted(ports), "ports of the clients")
    return pairs


def works(t, trace, event, call, *args, **want):
    """Makes a call that must succeed, and porttrace must report it as successful."""
    equal(outcome(call, *args), None, "errno")
    trace.once(event=event, errno=None, **want, **t.me)


@case("udp4-bind0-exhausted")
def _(t):
    small_range()
    held = [udp(("127.0.0.1", 0)) for _ in RANGE]
    check_prediction(t, udp, ("127.0.0.1", 0), error="EADDRINUSE", cause="range-exhausted")
    with t.trace() as trace, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        own_refusal(t, trace, sock.bind, ("127.0.0.1", 0), event="bind", error="EADDRINUSE",
                    cause="range-exhausted")
    equal(len(held), len(RANGE), "holders")


@case("tcp4-listen-exhausted")
def _(t):
    """listen() without bind() needs a port of the range too."""
    small_range()
    held = [tcp(("0.0.0.0", 0)) for _ in RANGE]
    with t.trace() as trace, socket.socket() as sock:
        own_refusal(t, trace, sock.listen, 1, event="listen", error="EADDRINUSE", cause="range-exhausted")
    equal(len(held), len(RANGE), "holders")


@case("tcp4-fastopen-exhausted")
def _(t):
    small_range()
    with tcp(SERVER, backlog=9) as listener:
        pairs = exhaust(listener)
        with t.trace() as trace, socket.socket() as sock:
            own_refusal(t, trace, sock.sendto, b"x", MSG_FASTOPEN, SERVER, event="connect",
                        error="EADDRNOTAVAIL", cause="range-exhausted")
        equal(len(pairs), len(RANGE), "connections")


@case("tcp4-connect-exhausted-odd")
def _(t):
    """If the range has an odd number of ports, the search skips one."""
    small_range(40000, 40004)
    with tcp(SERVER, backlog=9):
        socks = []
        with t.trace() as trace:
            for _ in range(6):
                socks.append(socket.socket())
                if outcome(socks[-1].connect, SERVER):
                    break
            judge(trace.once(event="connect", errno="EADDRNOTAVAIL", **t.me), "range-exhausted")
        check(5 <= len(socks) <= 6, f"refused at connection {len(socks)}")


@case("tcp4-connect-exhausted-other-ok")
def _(t):
    small_range()
    with tcp(SERVER, backlog=9) as listener, tcp(("127.0.0.1", 5002), backlog=1):
        pairs = exhaust(listener)
        with t.trace() as trace, socket.socket() as sock:
            works(t, trace, "connect", sock.connect, ("127.0.0.1", 5002), remote_port=5002)
        equal(len(pairs), len(RANGE), "connections")


@case("tcp6-connect-exhausted-v4-ok")
def _(t):
    small_range()
    with tcp(("::1", 5001), backlog=9) as listener, tcp(SERVER, backlog=1):
        pairs = exhaust(listener)
        with t.trace() as trace:
            with socket.socket(socket.AF_INET6) as sock:
                own_refusal(t, trace, sock.connect, ("::1", 5001), event="connect", family="ipv6",
                            error="EADDRNOTAVAIL", cause="range-exhausted")
            with socket.socket() as sock:
                works(t, trace, "connect", sock.connect, SERVER, family="ipv4")
        equal(len(pairs), len(RANGE), "connections")


@case("tcp4-bind0-reuseaddr")
def _(t):
    small_range()
    held = [tcp(("127.0.0.1", 0), REUSEADDR) for _ in RANGE]
    check_prediction(t, tcp, ("127.0.0.1", 0), [REUSEADDR], error="EADDRINUSE", cause="range-exhausted")
    with t.trace() as trace, socket.socket() as sock:
        sock.setsockopt(*REUSEADDR)
        own_refusal(t, trace, sock.bind, ("127.0.0.1", 0), event="bind", error="EADDRINUSE",
                    cause="range-exhausted")
    equal(len(held), len(RANGE), "holders")


@case("tcp4-bind0-reuseaddr-ok")
def _(t):
    small_range()
    sysctl("ipv4/ip_autobind_reuse", 1)
    held = [tcp(("127.0.0.1", 0), REUSEADDR) for _ in RANGE]
    check_prediction(t, tcp, ("127.0.0.1", 0), [REUSEADDR])
    with t.trace() as trace, socket.socket() as sock:
        sock.setsockopt(*REUSEADDR)
        works(t, trace, "bind", sock.bind, ("127.0.0.1", 0), requested_port=0)
    equal(len(held), len(RANGE), "holders")


@case("tcp4-bind0-other-ok")
def _(t):
    small_range()
    held = [tcp(("127.0.0.1", 0)) for _ in RANGE]
    check_prediction(t, tcp, ("127.0.0.2", 0))
    with t.trace() as trace, socket.socket() as sock:
        works(t, trace, "bind", sock.bind, ("127.0.0.2", 0), requested_port=0)
    equal(len(held), len(RANGE), "holders")


def _udp_shared(t, option):
    small_range()
    held = [udp(("127.0.0.1", port), option) for port in RANGE]
    check_prediction(t, udp, ("127.0.0.1", 0), [option])
    with t.trace() as trace, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(*option)
        works(t, trace, "bind", sock.bind, ("127.0.0.1", 0), requested_port=0)
    equal(len(held), len(RANGE), "holders")


@case("udp4-bind0-reuseaddr-ok")
def _(t):
    _udp_shared(t, REUSEADDR)


@case("udp4-bind0-reuseport-ok")
def _(t):
    _udp_shared(t, REUSEPORT)


@case("tcp4-bind0-connect-exhausted")
def _(t):
    """bind(0) before connect() allocates a port for each connection, for any destination."""
    small_range()
    with tcp(SERVER, backlog=9) as listener, t.trace() as trace:
        pairs = [pair_on(listener, client=tcp(("127.0.0.1", 0))) for _ in RANGE]
        check_prediction(t, tcp, ("127.0.0.1", 0), error="EADDRINUSE", cause="range-exhausted")
        with socket.socket() as sock:
            own_refusal(t, trace, sock.bind, ("127.0.0.1", 0), event="bind", error="EADDRINUSE",
                        cause="range-exhausted")
        equal(len(pairs), len(RANGE), "connections")


@case("tcp4-noport-connect-ok")
def _(t):
    small_range()
    with tcp(SERVER, backlog=9) as listener, tcp(("127.0.0.1", 5002), backlog=9) as other:
        pairs = [pair_on(listener, client=tcp(("127.0.0.1", 0), NO_PORT)) for _ in RANGE]
        with t.trace() as trace:
            with tcp(("127.0.0.1", 0), NO_PORT) as sock:
                works(t, trace, "connect", sock.connect, other.getsockname(), remote_port=5002)
        equal(len(pairs), len(RANGE), "connections")


@case("tcp4-connect-poisoned")
def _(t):
    small_range()
    held = [tcp(("127.0.0.2", port)) for port in RANGE]
    with tcp(SERVER, backlog=1), t.trace() as trace, socket.socket() as sock:
        own_refusal(t, trace, sock.connect, SERVER, event="connect", error="EADDRNOTAVAIL",
                    cause="range-bind-poisoned")
    equal(len(held), len(RANGE), "holders")


def _exits_when_refused(t, fill, cause):
    """The process that has the ports exits as soon as it is refused, before porttrace can look at them."""
    def run(_, port):
        kept = fill()
        with socket.socket() as sock:
            if outcome(sock.connect, (SERVER[0], port)):
                os._exit(0)
        del kept

    small_range()
    with tcp(SERVER, backlog=9) as listener, tcp(("127.0.0.1", 5002), backlog=9), t.trace() as trace:
        child = t.fork(run, 5002, keep=[listener])
        record = trace.once(event="connect", errno="EADDRNOTAVAIL", remote_port=5002, pid=child.pid)
        judge(record, cause)
        return record


@case("tcp4-connect-poisoned-exit")
def _(t):
    _exits_when_refused(t, lambda: [tcp(("127.0.0.2", port)) for port in RANGE], "range-bind-poisoned")


@case("tcp4-connect-exhausted-exit")
def _(t):
    def fill():
        first = [socket.create_connection(("127.0.0.1", 5002)) for _ in RANGE]
        return first

    _exits_when_refused(t, fill, "range-exhausted")


@case("tcp4-connect-stale-bucket")
def _(t):
    """A bound socket was closed: since 6.18 connect() can use its port again, before that it cannot."""
    small_range()
    with tcp(SERVER, backlog=9) as listener, tcp(("127.0.0.1", 5002), backlog=9):
        pairs = exhaust(listener)
        for port in RANGE:
            tcp(("127.0.0.2", port)).close()
        with t.trace() as trace, socket.socket() as sock:
            error = outcome(sock.connect, ("127.0.0.1", 5002))
            record = trace.once(event="connect", errno=error, remote_port=5002, **t.me)
            if error:
                judge(record, "range-bind-poisoned")
        equal(len(pairs), len(RANGE), "connections")


@case("tcp4-connect-reserved")
def _(t):
    small_range()
    sysctl("ipv4/ip_local_reserved_ports", "40000-40003")
    with tcp(SERVER, backlog=1), t.trace() as trace, socket.socket() as sock:
        own_refusal(t, trace, sock.connect, SERVER, event="connect", error="EADDRNOTAVAIL",
                    cause="range-reserved")


@case("tcp4-connect-reserved-and-poisoned")
def _(t):
    """The kernel passes over reserved ports first: three of four, though bind() took all four by number."""
    small_range()
    sysctl("ipv4/ip_local_reserved_ports", "40000-40002")
    held = [tcp(("127.0.0.2", port)) for port in RANGE]
    with tcp(SERVER, backlog=1), t.trace() as trace, socket.socket() as sock:
        own_refusal(t, trace, sock.connect, SERVER, event="connect", error="EADDRNOTAVAIL", cause="range-reserved")
    equal(len(held), len(RANGE), "holders")


@case("tcp4-connect-poisoned-and-reserved")
def _(t):
    """One port is reserved, bind() took the other three."""
    small_range()
    sysctl("ipv4/ip_local_reserved_ports", "40000")
    held = [tcp(("127.0.0.2", port)) for port in RANGE[1:]]
    with tcp(SERVER, backlog=1), t.trace() as trace, socket.socket() as sock:
        own_refusal(t, trace, sock.connect, SERVER, event="connect", error="EADDRNOTAVAIL",
                    cause="range-bind-poisoned")
    equal(len(held), 3, "holders")


@case("udp4-bind0-reserved")
def _(t):
    small_range()
    sysctl("ipv4/ip_local_reserved_ports", "40000-40003")
    check_prediction(t, udp, ("127.0.0.1", 0), error="EADDRINUSE", cause="range-reserved")
    with t.trace() as trace, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        own_refusal(t, trace, sock.bind, ("127.0.0.1", 0), event="bind", error="EADDRINUSE",
                    cause="range-reserved")


@case("tcp4-reserved-explicit-ok")
def _(t):
    sysctl("ipv4/ip_local_reserved_ports", "40000-40003")
    with t.trace() as trace, socket.socket() as sock:
        works(t, trace, "bind", sock.bind, ("127.0.0.1", 40000), local_port=40000)


@case("tcp4-sockrange-outside-ok")
def _(t):
    """IP_LOCAL_PORT_RANGE outside the namespace's range has no effect."""
    with tcp(SERVER, backlog=1), t.trace() as trace, socket.socket() as sock:
        if outcome(sock.setsockopt, socket.IPPROTO_IP, IP_LOCAL_PORT_RANGE, struct.pack("=HH", 2000, 2001)):
            raise Skip("this kernel has no IP_LOCAL_PORT_RANGE")
        works(t, trace, "connect", sock.connect, SERVER, remote_port=5001)
        check(port_of(sock) > 32767, "the option had an effect")


def narrow(sock, low=40000, high=40001):
    """IP_LOCAL_PORT_RANGE."""
    if outcome(sock.setsockopt, socket.IPPROTO_IP, IP_LOCAL_PORT_RANGE, struct.pack("=HH", low, high)):
        raise Skip("this kernel has no IP_LOCAL_PORT_RANGE")
    return sock


@case("tcp4-sockrange-exhausted")
def _(t):
    """The socket has its own port range."""
    with tcp(SERVER, backlog=9), t.trace() as trace:
        socks = [narrow(socket.socket()) for _ in range(3)]
        socks[0].connect(SERVER)
        socks[1].connect(SERVER)
        record = own_refusal(t, trace, socks[2].connect, SERVER, event="connect", error="EADDRNOTAVAIL",
                             cause="range-exhausted")
        check("All 2 ports from 40000 to 40001 are in use" in record["conflict"]["why"], record["conflict"]["why"])


@case("tcp4-sockrange-poisoned")
def _(t):
    """Of the socket's own range bind() has all, of the namespace's next to nothing."""
    with tcp(SERVER, backlog=9), tcp(("127.0.0.2", 40000)), tcp(("127.0.0.2", 40001)), t.trace() as trace:
        record = own_refusal(t, trace, narrow(socket.socket()).connect, SERVER, event="connect",
                             error="EADDRNOTAVAIL", cause="range-bind-poisoned")
        check(record["conflict"]["why"].startswith("2 of the 2 ports from 40000 to 40001"), record["conflict"]["why"])


@case("udp4-sockrange-exhausted")
def _(t):
    with udp(("127.0.0.1", 40000)), udp(("127.0.0.1", 40001)), t.trace() as trace:
        with narrow(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as sock:
            record = own_refusal(t, trace, sock.bind, ("127.0.0.1", 0), event="bind", error="EADDRINUSE",
                                 cause="range-exhausted")
        check("All 2 ports from 40000 to 40001 are in use" in record["conflict"]["why"], record["conflict"]["why"])
