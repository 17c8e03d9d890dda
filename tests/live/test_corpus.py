# SPDX-License-Identifier: GPL-2.0-only
"""The corpus: one test for each situation that the catalogue of causes names, under that name.

This file: the port has a holder, and sharing. Others: test_corpus_connections.py (open and closed
connections), test_corpus_range.py (no free port), test_corpus_address.py (address, socket,
permission), test_corpus_owners.py (processes without a usual descriptor, io_uring).
`porttrace_test.py --list corpus.` lists them; ELSEWHERE names the cases that other files test.
"""

import os
import socket
import struct

from corpus import HERE, PORT, allow, attempt, case, me, outcome, own_refusal, refuse, sock_for
from porttrace_test import (
    DUAL, IPPROTO_MPTCP, NOBODY, REUSEADDR, REUSEPORT, V6ONLY, Skip, equal, pair_on, reset, run_text,
    tcp, udp, until)

# The name of the case in the catalogue: the test that makes the situation.
ELSEWHERE = {
    "mptcp-holder": "failures.mptcp_holder",
    "own-heir": "failures.holder_handed_over",
    "own-prefork": "failures.listener_of_several_processes",
    "tcp-dual-caller": "failures.dual_stack_caller",
    "tcp-dual-holder": "failures.dual_stack_holder",
    "tcp-udp-ok": "failures.udp_is_no_holder_for_tcp",
    "tcp4-accepted": "failures.accepted_connection",
    "tcp4-bind-twice": "failures.already_bound",
    "tcp4-bind0-exhausted": "failures.range_exhausted_bind",
    "tcp4-bound-only": "failures.bound_not_listening",
    "tcp4-connect-exhausted": "failures.range_exhausted_connect",
    "tcp4-connected-client": "failures.connected_client",
    "tcp4-ephemeral-holder": "failures.ephemeral_holder",
    "tcp4-listen-recheck": "failures.listen_recheck",
    "tcp4-listener": "failures.listener_exists",
    "tcp4-not-local": "failures.not_local_address",
    "tcp4-privileged": "failures.privileged_port",
    "tcp4-range-time-wait": "failures.range_time_wait",
    "tcp4-reuseaddr-listener": "failures.listener_exists_for_reuseaddr",
    "tcp4-reuseaddr-missing": "failures.reuseaddr_missing",
    "tcp4-reuseaddr-missing-holder": "failures.reuseaddr_missing_on_holder",
    "tcp4-reuseport-missing": "failures.reuseport_missing",
    "tcp4-reuseport-missing-holder": "failures.reuseport_missing_on_holder",
    "tcp4-reuseport-uid": "failures.reuseport_uid",
    "tcp4-time-wait": "failures.time_wait",
    "tcp4-time-wait-noreuse": "failures.time_wait_holder_noreuse",
    "tcp4-wildcard-caller": "failures.wildcard_caller",
    "tcp4-wildcard-holder": "failures.wildcard_holder",
    "tcp6-listener": "failures.listener_exists_ipv6",
    "tcp6-privileged": "failures.privileged_port",
    "udp-dual-holder": "failures.dual_stack_udp",
    "udp4-bind-after-sendto": "failures.already_bound_by_send",
    "udp4-bind-twice": "failures.already_bound",
    "udp4-connect-exhausted": "failures.range_exhausted_udp_connect",
    "udp4-holder": "failures.udp_holder",
    "udp4-privileged": "failures.privileged_port",
    "udp4-sendto-exhausted": "failures.range_exhausted_udp_send",
    "udp4-wildcard-holder": "failures.wildcard_udp",
}
SO_ATTACH_REUSEPORT_CBPF = 51
TCP_REPAIR = 19
ANY = ("0.0.0.0", PORT)


def attach_program(sock):
    """A reuseport program that always chooses the first socket."""
    import ctypes
    code = ctypes.create_string_buffer(struct.pack("=HBBI", 0x06, 0, 0, 0), 8)
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF,
                    struct.pack("=H6xQ", 1, ctypes.addressof(code)))


# --- addresses that conflict ----------------------------------------------------------------------

@case("tcp4-reuseaddr-wild-listener")
def _(t):
    with tcp(ANY, REUSEADDR, backlog=1), t.trace() as trace:
        refuse(t, trace, tcp, HERE, REUSEADDR, cause="wildcard-overlap", pids=me())


@case("tcp6-wildcard-holder")
def _(t):
    with tcp(("::", PORT), V6ONLY, backlog=1), t.trace() as trace:
        refuse(t, trace, tcp, ("::1", PORT), cause="wildcard-overlap", pids=me())


@case("udp4-wildcard-caller")
def _(t):
    with udp(HERE), t.trace() as trace:
        refuse(t, trace, udp, ANY, cause="wildcard-overlap", pids=me())


@case("tcp-mapped-holder")
def _(t):
    with tcp(("::ffff:127.0.0.1", PORT), DUAL, backlog=1), t.trace() as trace:
        refuse(t, trace, tcp, HERE, cause="dual-stack-overlap", pids=me())


@case("tcp-mapped-caller")
def _(t):
    with tcp(HERE, backlog=1), t.trace() as trace:
        refuse(t, trace, tcp, ("::ffff:127.0.0.1", PORT), DUAL, cause="dual-stack-overlap", pids=me())


@case("tcp-v6only-ok")
def _(t):
    with tcp(("::", PORT), V6ONLY, backlog=1), t.trace() as trace:
        allow(t, trace, tcp, ANY, listen=True)


@case("tcp4-address-ok")
def _(t):
    with tcp(HERE, backlog=1), t.trace() as trace:
        allow(t, trace, tcp, ("127.0.0.2", PORT), listen=True)


@case("tcp4-device-unbound-holder")
def _(t):
    device = (socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo\0")
    with tcp(HERE, backlog=1), t.trace() as trace:
        refuse(t, trace, tcp, HERE, device, cause="listener-exists", pids=me())


@case("tcp4-device-other-ok")
def _(t):
    run_text("ip", "link", "add", "pt-v0", "type", "veth", "peer", "name", "pt-v1")
    with tcp(ANY, (socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo\0"), backlog=1), t.trace() as trace:
        allow(t, trace, tcp, ANY, (socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"pt-v0\0"), listen=True)


@case("tcp4-vrf-ok")
def _(t):
    try:
        run_text("ip", "link", "add", "pt-vrf", "type", "vrf", "table", "10")
    except AssertionError:
        raise Skip("this kernel has no VRF") from None
    run_text("ip", "link", "set", "pt-vrf", "up")
    with tcp(ANY, backlog=1), t.trace() as trace:
        allow(t, trace, tcp, ANY, (socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"pt-vrf\0"), listen=True)


# --- SO_REUSEADDR ---------------------------------------------------------------------------------

@case("tcp4-reuseaddr-ok")
def _(t):
    with tcp(HERE, REUSEADDR), t.trace() as trace:
        allow(t, trace, tcp, HERE, REUSEADDR, listen=True)


@case("tcp4-late-reuseaddr-ok")
def _(t):
    with tcp(HERE) as holder, t.trace() as trace:
        holder.setsockopt(*REUSEADDR)
        allow(t, trace, tcp, HERE, REUSEADDR)


@case("tcp4-stale-reuseaddr")
def _(t):
    with tcp(HERE, REUSEADDR) as holder, tcp(HERE, REUSEADDR), t.trace() as trace:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        with sock_for(tcp, HERE, REUSEADDR) as probe:
            if not outcome(probe.bind, HERE):
                raise Skip("this kernel's fastreuse works")
        refuse(t, trace, tcp, HERE, REUSEADDR, cause="reuseaddr-missing-on-holder", pids=me())


@case("tcp4-shutdown-listener")
def _(t):
    with tcp(HERE, REUSEADDR, backlog=1) as holder, t.trace() as trace:
        holder.shutdown(socket.SHUT_RDWR)
        refuse(t, trace, tcp, HERE, cause="reuseaddr-missing", pids=me())


@case("udp4-reuseaddr-missing")
def _(t):
    with udp(HERE, REUSEADDR), t.trace() as trace:
        refuse(t, trace, udp, HERE, cause="reuseaddr-missing", pids=me())


@case("udp4-reuseaddr-missing-holder")
def _(t):
    with udp(HERE), t.trace() as trace:
        refuse(t, trace, udp, HERE, REUSEADDR, cause="reuseaddr-missing-on-holder", pids=me())


@case("udp4-reuseaddr-ok")
def _(t):
    with udp(HERE, REUSEADDR), t.trace() as trace:
        allow(t, trace, udp, HERE, REUSEADDR, uid=NOBODY)


@case("udp4-both-options-uid-ok")
def _(t):
    with udp(HERE, REUSEADDR, REUSEPORT), t.trace() as trace:
        allow(t, trace, udp, HERE, REUSEADDR, REUSEPORT, uid=NOBODY)


@case("tcp4-repair-ok")
def _(t):
    def bind(held):
        sock = sock_for(tcp, HERE)
        held.append(sock)
        sock.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
        sock.bind(HERE)

    with tcp(HERE, backlog=1), t.trace() as trace:
        child = attempt(t, bind)
        trace.once(event="bind", errno=None, local_port=PORT, **child.who)
        child.send()
        child.result()


# --- SO_REUSEPORT ---------------------------------------------------------------------------------

@case("tcp4-reuseport-ok")
def _(t):
    with tcp(HERE, REUSEPORT, backlog=1), t.trace() as trace:
        allow(t, trace, tcp, HERE, REUSEPORT, listen=True)


@case("udp4-reuseport-ok")
def _(t):
    with udp(HERE, REUSEPORT), t.trace() as trace:
        allow(t, trace, udp, HERE, REUSEPORT)


@case("udp4-reuseport-missing")
def _(t):
    with udp(HERE, REUSEPORT), t.trace() as trace:
        refuse(t, trace, udp, HERE, cause="reuseport-missing", pids=me())


@case("udp4-reuseport-missing-holder")
def _(t):
    with udp(HERE), t.trace() as trace:
        refuse(t, trace, udp, HERE, REUSEPORT, cause="reuseport-missing-on-holder", pids=me())


@case("tcp6-reuseport-uid")
def _(t):
    """The uid is also compared when the caller is root."""
    holder = t.fork(lambda me: (tcp(("::1", PORT), REUSEPORT, backlog=1), me.send(), me.receive()),
                    comm="pt-holder", uid=NOBODY)
    holder.receive()
    with t.trace() as trace:
        refuse(t, trace, tcp, ("::1", PORT), REUSEPORT, cause="reuseport-uid", pids={holder.pid})


@case("udp4-reuseport-uid")
def _(t):
    with udp(HERE, REUSEPORT), t.trace() as trace:
        refuse(t, trace, udp, HERE, REUSEPORT, uid=NOBODY, cause="reuseport-uid", pids=me())


@case("tcp4-reuseport-socket-uid")
def _(t):
    """The kernel compares the uid of the socket: that of the process which called socket()."""
    os.seteuid(NOBODY)
    holder = sock_for(tcp, HERE, REUSEPORT)
    os.seteuid(0)
    holder.bind(HERE)
    holder.listen(1)
    with holder, t.trace() as trace:
        refuse(t, trace, tcp, HERE, REUSEPORT, cause="reuseport-uid", pids=me(), hint=str(NOBODY))


@case("tcp4-reuseport-fchown-ok")
def _(t):
    with tcp(HERE, REUSEPORT, backlog=1) as holder, t.trace() as trace:
        os.fchown(holder.fileno(), NOBODY, -1)
        allow(t, trace, tcp, HERE, REUSEPORT, uid=NOBODY, listen=True)


@case("tcp4-reuseport-fchown")
def _(t):
    """The kernel compares the holder's present uid, not the uid at its bind()."""
    with t.trace() as trace, tcp(HERE, REUSEPORT, backlog=1) as holder:
        os.fchown(holder.fileno(), NOBODY, -1)
        record = refuse(t, trace, tcp, HERE, REUSEPORT, uid=1, cause="reuseport-uid", pids=me())
        equal(record["conflict"]["holders"][0]["uid"], NOBODY, "uid of the holder")


def _reuseport_prog(t, make):
    def bind(held):
        sock = sock_for(make, HERE, REUSEPORT)
        held.append(sock)
        attach_program(sock)
        sock.bind(HERE)

    with make(HERE, REUSEPORT) as holder, t.trace() as trace:
        if make is tcp:
            holder.listen(1)
        child = attempt(t, bind, error="EADDRINUSE")
        record = trace.once(event="bind", errno="EADDRINUSE", local_port=PORT, **child.who)
        equal(record["conflict"]["cause"], "reuseport-prog-attached", "cause")
        equal({p["pid"] for h in record["conflict"]["holders"] for p in h["pids"]}, me(), "pids")
        child.send()
        child.result()


@case("tcp4-reuseport-prog")
def _(t):
    _reuseport_prog(t, tcp)


@case("udp4-reuseport-prog")
def _(t):
    _reuseport_prog(t, udp)


@case("tcp4-reuse-mismatch")
def _(t):
    with tcp(HERE, REUSEPORT), t.trace() as trace:
        refuse(t, trace, tcp, HERE, REUSEADDR, cause="reuse-option-mismatch", pids=me())


@case("udp4-reuse-mismatch")
def _(t):
    with udp(HERE, REUSEPORT), t.trace() as trace:
        refuse(t, trace, udp, HERE, REUSEADDR, cause="reuse-option-mismatch", pids=me())


@case("tcp4-late-reuseport-ok")
def _(t):
    with tcp(HERE, backlog=1) as holder, t.trace() as trace:
        holder.setsockopt(*REUSEPORT)
        allow(t, trace, tcp, HERE, REUSEPORT, listen=True)


@case("tcp4-stale-reuseport-ok")
def _(t):
    with tcp(HERE, REUSEPORT) as holder, tcp(HERE, REUSEPORT), t.trace() as trace:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 0)
        allow(t, trace, tcp, HERE, REUSEPORT)


@case("udp4-shadow-ok")
def _(t):
    """The newest socket shares the port and hides an older one that does not."""
    with udp(HERE), udp(("127.0.0.2", PORT), REUSEPORT), t.trace() as trace:
        allow(t, trace, udp, ANY, REUSEPORT)


@case("udp4-shadow")
def _(t):
    with udp(("127.0.0.2", PORT), REUSEPORT), udp(HERE), t.trace() as trace:
        refuse(t, trace, udp, ANY, REUSEPORT, cause="reuseport-missing-on-holder", pids=me())


# --- UDP, MPTCP, and changed holders --------------------------------------------------------------

@case("udp6-holder")
def _(t):
    with udp(("::1", PORT)), t.trace() as trace:
        refuse(t, trace, udp, ("::1", PORT), cause="udp-holder", pids=me())


@case("udp4-multicast")
def _(t):
    with udp(("239.1.1.1", PORT)), t.trace() as trace:
        refuse(t, trace, udp, ("239.1.1.1", PORT), cause="udp-holder", pids=me())


@case("udp4-multicast-ok")
def _(t):
    with udp(("239.1.1.1", PORT), REUSEADDR), t.trace() as trace:
        allow(t, trace, udp, ("239.1.1.1", PORT), REUSEADDR)


@case("udp4-connected")
def _(t):
    with udp(HERE) as holder, t.trace() as trace:
        holder.connect(("127.0.0.1", 9))
        refuse(t, trace, udp, HERE, cause="udp-connected-holder", pids=me())


@case("udp4-connected-narrowed-ok")
def _(t):
    with udp(ANY) as holder, t.trace() as trace:
        holder.connect(("127.0.0.1", 9))
        allow(t, trace, udp, ("127.0.0.2", PORT))


@case("udp4-hash2")
def _(t):
    holders = [udp((f"127.0.0.{n}", PORT)) for n in range(10, 22)]
    equal(len(holders), 12, "holders")
    with t.trace() as trace:
        with sock_for(udp, ANY) as probe:
            if not outcome(probe.bind, ANY):
                raise Skip("this kernel searches only one slot of hash2")
        refuse(t, trace, udp, ANY, cause="wildcard-overlap", pids=me())


@case("mptcp-caller")
def _(t):
    from test_protocols import need_mptcp
    need_mptcp()
    with tcp(HERE, backlog=1), t.trace() as trace:
        record = refuse(t, trace, tcp, HERE, cause="listener-exists", pids=me(), protocol=IPPROTO_MPTCP)
        equal(record["protocol"], "mptcp", "protocol of the caller")


@case("tcp4-reset-bound")
def _(t):
    """A client that bound its port keeps it after a reset."""
    with tcp(("127.0.0.1", 6001), backlog=1) as listener, t.trace() as trace:
        client, accepted = pair_on(listener, client=tcp(HERE))
        reset(accepted)
        until(lambda: outcome(client.getpeername), "reset of the client")
        refuse(t, trace, tcp, HERE, cause="bound-not-listening", pids=me())
        client.close()


@case("tcp4-reset-auto-ok")
def _(t):
    """A port that connect() chose is released with the connection, although the client's socket is still open."""
    with tcp(("127.0.0.1", 6001), backlog=1) as listener, t.trace() as trace:
        client, accepted = pair_on(listener)
        port = client.getsockname()[1]
        reset(accepted)
        until(lambda: outcome(client.getpeername), "reset of the client")
        allow(t, trace, tcp, ("127.0.0.1", port))
        client.close()


@case("tcp4-destroyed-listener")
def _(t):
    """ss -K makes the socket stop listening, but the socket keeps the port."""
    with tcp(HERE, backlog=1), t.trace() as trace:
        run_text("ss", "-HKtln", "sport", "=", str(PORT))
        if run_text("ss", "-Htln", "sport", "=", str(PORT)).strip():
            raise Skip("ss -K does not destroy sockets on this kernel")
        refuse(t, trace, tcp, HERE, cause="bound-not-listening", pids=me())


@case("tcp4-listen-recheck-wild")
def _(t):
    with tcp(ANY, REUSEADDR) as first, t.trace() as trace:
        with tcp(HERE, REUSEADDR) as second:
            first.listen(1)
            own_refusal(t, trace, second.listen, 1, event="listen", error="EADDRINUSE",
                        cause="listen-recheck", pids=me(), local_port=PORT)


@case("tcp4-listen-recheck-other")
def _(t):
    """Another process than the one that bound the socket listens."""
    first = t.fork(lambda me: (listen_later(me), me.receive()), comm="pt-first")
    first.receive()
    with t.trace() as trace, tcp(HERE, REUSEADDR) as second:
        first.send()
        first.receive()
        own_refusal(t, trace, second.listen, 1, event="listen", error="EADDRINUSE",
                    cause="listen-recheck", pids={first.pid}, local_port=PORT)


def listen_later(process):
    sock = tcp(HERE, REUSEADDR)
    process.send()
    process.receive()
    sock.listen(1)
    process.send()
    process.kept = sock


@case("tcp4-noport-rebind-ok")
def _(t):
    """A bind() with IP_BIND_ADDRESS_NO_PORT allocates no port, so the socket can be bound again."""
    no_port = (socket.IPPROTO_IP, 24, 1)
    with t.trace() as trace, sock_for(tcp, HERE, no_port) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.bind(HERE)
        trace.once(event="bind", errno=None, local_port=PORT, **t.me)
        trace.never(errno=lambda name: True, **t.me)


