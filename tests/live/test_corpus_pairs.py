# SPDX-License-Identifier: GPL-2.0-only
"""The corpus: tables of all combinations, which must agree with the kernel."""

import os
import socket
import time

from corpus import HERE, PORT, case, judge, me, outcome, own_refusal, pids_of, refuse, small_range, sock_for
from corpus import RANGE, allow
from corpus_kernel import Uring
from prediction import check_prediction
from porttrace_test import (
    DUAL, NOBODY, REUSEADDR, REUSEPORT, V6ONLY, at_end, check, close_first, equal, pair_on, port_of, tcp, udp)

ADDRESSES = {
    "0.0.0.0": ("0.0.0.0", ()),
    "a.b.c.d": ("127.0.0.1", ()),
    "[::] dual": ("::", (DUAL,)),
    "[::] v6only": ("::", (V6ONLY,)),
    "[x]": ("::1", ()),
    "[::ffff:a.b.c.d]": ("::ffff:127.0.0.1", (DUAL,)),
}
NONE = {
    ("0.0.0.0", "[::] v6only"), ("0.0.0.0", "[x]"), ("a.b.c.d", "[::] v6only"), ("a.b.c.d", "[x]"),
    ("[::] v6only", "[::ffff:a.b.c.d]"), ("[x]", "[::ffff:a.b.c.d]"),
}  # fmt: skip


def is_ipv4(name):
    return ":" not in ADDRESSES[name][0]


def is_wildcard(name):
    return ADDRESSES[name][0] in ("0.0.0.0", "::")


def overlap(caller, holder):
    """The catalogue's cause for two conflicting sockets without options."""
    if is_ipv4(caller) != is_ipv4(holder) or ("ffff" in caller) != ("ffff" in holder):
        return "dual-stack-overlap"
    if is_wildcard(caller) != is_wildcard(holder):
        return "wildcard-overlap"
    return None


def pairs(make, holders):
    """Each of the holders with each of the six callers, on one port each: (caller, holder, port)."""
    number = PORT
    for holder in holders:
        address, options = ADDRESSES[holder]
        for caller in ADDRESSES:
            with make((address, number), *options) as sock:
                if make is tcp:
                    sock.listen(1)
                yield caller, holder, number
            number += 1


def table(t, make, plain, holders):
    """Checks these pairs of addresses: refusal, cause and holder must be those of the table."""
    with t.trace() as trace:
        for caller, holder, port in pairs(make, holders):
            what = f"caller {caller}, holder {holder}, port {port}"
            address, options = ADDRESSES[caller]
            meets = (caller, holder) not in NONE and (holder, caller) not in NONE
            error = "EADDRINUSE" if meets else None
            cause = (overlap(caller, holder) or plain) if meets else None
            check_prediction(t, make, (address, port), options, error=error, cause=cause, pids=me() if meets else ())
            with sock_for(make, (address, port), *options) as sock:
                equal(outcome(sock.bind, (address, port)), error, f"errno: {what}")
            if meets:
                record = trace.once(event="bind", errno=error, local_port=port, **t.me)
                equal(record["conflict"]["cause"], cause, f"cause: {what}")
                equal(pids_of(record), me(), f"holders: {what}")


def _tables(make, plain):
    names = list(ADDRESSES)
    for number in range(3):
        case(f"{make.__name__}-addresses-{number + 1}")(
            lambda t, held=names[2 * number:2 * number + 2]: table(t, make, plain, held))


_tables(tcp, "listener-exists")
_tables(udp, "udp-holder")


# --- more than one holder -------------------------------------------------------------------------

def members(t, count, make, *options, where=HERE, listen=True):
    """Processes with a socket each on one port."""
    def hold(process):
        process.kept = make(where, *options)
        if listen:
            process.kept.listen(1)
        process.send()
        process.receive()

    children = [t.fork(hold, comm=f"pt-member{n}") for n in range(count)]
    for child in children:
        child.receive()
    return {child.pid for child in children}


@case("tcp4-reuseport-group")
def _(t):
    """Every member of the group is a holder."""
    with t.trace() as trace:
        pids = members(t, 5, tcp, REUSEPORT)
        refuse(t, trace, tcp, HERE, cause="reuseport-missing", pids=pids)
        refuse(t, trace, tcp, HERE, REUSEPORT, uid=NOBODY, cause="reuseport-uid", pids=pids)


@case("udp4-reuseport-group")
def _(t):
    with t.trace() as trace:
        pids = members(t, 5, udp, REUSEPORT, listen=False)
        refuse(t, trace, udp, HERE, cause="reuseport-missing", pids=pids)


@case("tcp4-many-addresses")
def _(t):
    """A wildcard conflicts with the holder of each address; a listener is named first."""
    with t.trace() as trace:
        pids = members(t, 1, tcp, where=("127.0.0.2", PORT), listen=False)
        pids |= members(t, 1, tcp, where=("127.0.0.3", PORT))
        record = refuse(t, trace, tcp, ("0.0.0.0", PORT), cause="wildcard-overlap", pids=pids)
        equal(record["conflict"]["holders"][0]["state"], "LISTEN", "the first holder")


@case("tcp4-accepted-many")
def _(t):
    """A server has a listener and accepted connections: the listener is the cause."""
    with t.trace() as trace, tcp(HERE, backlog=64) as listener:
        pairs_ = [pair_on(listener) for _ in range(40)]
        record = refuse(t, trace, tcp, HERE, REUSEADDR, cause="listener-exists", pids=me())
        equal(record["conflict"]["holders"][0]["state"], "LISTEN", "the first holder")
        equal(len(pairs_), 40, "connections")


# --- connections ----------------------------------------------------------------------------------

@case("tcp4-bind0-client")
def _(t):
    """A client bound port 0 before connect(): it was not accepted, and connect() did not choose the port."""
    with tcp(("127.0.0.1", 6001), backlog=1) as listener, t.trace() as trace:
        client, accepted = pair_on(listener, client=tcp(("127.0.0.1", 0)))
        with client, accepted:
            refuse(t, trace, tcp, ("127.0.0.1", port_of(client)), cause="connected-client", pids=me())


@case("tcp6-accepted")
def _(t):
    with t.trace() as trace:
        with tcp(("::1", PORT), backlog=1) as listener:
            client, accepted = pair_on(listener)
        with client, accepted:
            refuse(t, trace, tcp, ("::1", PORT), cause="accepted-connection", pids=me())


@case("tcp4-accepted-dual")
def _(t):
    """An IPv4 connection of an IPv6 listener has a mapped address."""
    with t.trace() as trace:
        with tcp(("::", PORT), DUAL, backlog=1) as listener:
            client = socket.create_connection(HERE)
            accepted, _ = listener.accept()
        with client, accepted:
            refuse(t, trace, tcp, HERE, cause="accepted-connection", pids=me())


@case("tcp6-ephemeral-holder")
def _(t):
    with tcp(("::1", 6001), backlog=1) as listener, t.trace() as trace:
        client, accepted = pair_on(listener)
        with client, accepted:
            refuse(t, trace, tcp, ("::1", port_of(client)), cause="ephemeral-holder", pids=me())


@case("tcp4-accepted-before", own=True)
def _(t):
    """porttrace started after accept(): the connection itself shows that it was accepted."""
    with tcp(HERE, backlog=1) as listener:
        client, accepted = pair_on(listener)
    with client, accepted, t.trace() as trace:
        refuse(t, trace, tcp, HERE, cause="accepted-connection", pids=me())


@case("tcp4-time-wait-before", own=True)
def _(t):
    """porttrace does not know which process left the TIME_WAIT, but when it expires."""
    with tcp(HERE, backlog=1) as listener:
        client, accepted = pair_on(listener)
        began = time.monotonic()
        close_first(accepted, client, PORT)
    with t.trace() as trace:
        record = refuse(t, trace, tcp, HERE, cause="time-wait", pids=())
        left = record["conflict"]["holders"][0]["expires_in_s"]
        passed = time.monotonic() - began
        check(59 - passed < left <= 65.2, f"seconds left: {left}, {passed} s after the start")


@case("tcp4-time-wait-many")
def _(t):
    with t.trace() as trace:
        with tcp(HERE, backlog=64) as listener:
            for _ in range(30):
                client, accepted = pair_on(listener)
                accepted.close()
                at_end(client)
                client.close()
        refuse(t, trace, tcp, HERE, cause="time-wait", pids=me())


# --- no free port ---------------------------------------------------------------------------------

@case("udp6-bind0-exhausted")
def _(t):
    small_range()
    held = [udp(("::1", 0)) for _ in RANGE]
    check_prediction(t, udp, ("::1", 0), error="EADDRINUSE", cause="range-exhausted")
    with t.trace() as trace, socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        own_refusal(t, trace, sock.bind, ("::1", 0), event="bind", error="EADDRINUSE", cause="range-exhausted")
    equal(len(held), len(RANGE), "holders")


@case("udp6-connect-exhausted")
def _(t):
    small_range()
    held = [udp(("::", 0)) for _ in RANGE]
    with t.trace() as trace, socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        own_refusal(t, trace, sock.connect, ("::1", 6001), event="connect", error="EAGAIN",
                    cause="range-exhausted")
    equal(len(held), len(RANGE), "holders")


@case("udp6-sendto-exhausted")
def _(t):
    small_range()
    held = [udp(("::", 0)) for _ in RANGE]
    with t.trace() as trace, socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        own_refusal(t, trace, sock.sendto, b"x", ("::1", 6001), event="bind", error="EAGAIN",
                    cause="range-exhausted")
    equal(len(held), len(RANGE), "holders")


@case("tcp6-connect-exhausted")
def _(t):
    small_range()
    with tcp(("::1", 6001), backlog=9) as listener:
        held = [pair_on(listener) for _ in RANGE]
        with t.trace() as trace, socket.socket(socket.AF_INET6) as sock:
            own_refusal(t, trace, sock.connect, ("::1", 6001), event="connect", error="EADDRNOTAVAIL",
                        cause="range-exhausted")
        equal(len(held), len(RANGE), "holders")


@case("tcp6-listen-exhausted")
def _(t):
    small_range()
    held = [tcp(("::", 0)) for _ in RANGE]
    with t.trace() as trace, socket.socket(socket.AF_INET6) as sock:
        own_refusal(t, trace, sock.listen, 1, event="listen", error="EADDRINUSE", cause="range-exhausted")
    equal(len(held), len(RANGE), "holders")


@case("uring-listen-exhausted")
def _(t):
    small_range()
    ring = Uring()
    held = [tcp(("0.0.0.0", 0)) for _ in RANGE]
    with t.trace() as trace, socket.socket() as sock:
        equal(outcome(ring.listen, sock, 1), "EADDRINUSE", "errno of the ring's listen")
        judge(trace.once(event="listen", errno="EADDRINUSE", pid=os.getpid(), netns=t.netns), "range-exhausted")
    equal(len(held), len(RANGE), "holders")


@case("uring-bind0-exhausted")
def _(t):
    small_range()
    ring = Uring()
    held = [tcp(("0.0.0.0", 0)) for _ in RANGE]
    with t.trace() as trace, socket.socket() as sock:
        equal(outcome(ring.bind, sock, ("0.0.0.0", 0)), "EADDRINUSE", "errno of the ring's bind")
        judge(trace.once(event="bind", errno="EADDRINUSE", pid=os.getpid(), netns=t.netns), "range-exhausted")
    equal(len(held), len(RANGE), "holders")


@case("tcp4-listen-bound-ok")
def _(t):
    with t.trace() as trace:
        allow(t, trace, tcp, ("0.0.0.0", PORT), listen=True)
