# SPDX-License-Identifier: GPL-2.0-only
"""MPTCP and UDP-Lite: porttrace reports the protocol that the program requested, once, and not the TCP subflow."""

import errno
import os
import socket

from porttrace_test import DUAL, IPPROTO_MPTCP, Skip, equal, port_of, refused, tcp, test

IPPROTO_UDPLITE = 136


def need(kind, protocol, name):
    try:
        socket.socket(socket.AF_INET, kind, protocol).close()
    except OSError as error:
        if error.errno in (errno.EPROTONOSUPPORT, errno.ENOPROTOOPT, errno.EINVAL):
            raise Skip(f"this kernel has no {name}") from None
        raise


def need_mptcp():
    need(socket.SOCK_STREAM, IPPROTO_MPTCP, "MPTCP")


def records_of(trace, **want):
    """Waits for a marker; returns (event, protocol) of all records that match."""
    trace.mark()
    return sorted((r["event"], r["protocol"]) for r in trace.find(**want))


@test()
def mptcp_listener(t):
    need_mptcp()
    with t.trace() as trace:
        with tcp(("127.0.0.1", 0), protocol=IPPROTO_MPTCP) as sock:
            port = port_of(sock)
            sock.listen(7)
            trace.once(
                event="bind",
                protocol="mptcp",
                local_port=port,
                local_address="127.0.0.1",
                requested_port=0,
                ephemeral=True,
                errno=None,
                **t.me,
            )
            trace.once(
                event="listen", protocol="mptcp", local_port=port, backlog=7, errno=None, **t.me
            )
        trace.once(event="close", protocol="mptcp", local_port=port, **t.me)
        equal(
            records_of(trace, local_port=port),
            [("bind", "mptcp"), ("close", "mptcp"), ("listen", "mptcp")],
            "all records of the listener",
        )
        names = {r.get("socket") for r in trace.find(local_port=port)}
        equal(len(names), 1, "ids of one socket")


@test()
def mptcp_dual_stack(t):
    need_mptcp()
    with t.trace() as trace:
        with tcp(("::", 5001), DUAL, protocol=IPPROTO_MPTCP, backlog=3):
            trace.once(
                event="listen",
                protocol="mptcp",
                family="ipv6",
                local_address="::",
                local_port=5001,
                **t.me,
            )
        trace.once(event="close", protocol="mptcp", local_port=5001)
        equal(
            records_of(trace, local_port=5001),
            [("bind", "mptcp"), ("close", "mptcp"), ("listen", "mptcp")],
            "all records of the listener",
        )


@test()
def mptcp_bind_refused(t):
    need_mptcp()
    with tcp(("127.0.0.1", 5001), backlog=1), t.trace() as trace:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM, IPPROTO_MPTCP) as sock:
            equal(refused(sock.bind, ("127.0.0.1", 5001)), "EADDRINUSE", "bind")
            record = trace.once(event="bind", errno="EADDRINUSE", local_port=5001, **t.me)
            equal(record["protocol"], "mptcp", "protocol")
            equal(record["conflict"]["cause"], "listener-exists", "cause")


@test()
def mptcp_connection(t):
    need_mptcp()
    with tcp(("127.0.0.1", 5001), backlog=1, protocol=IPPROTO_MPTCP) as listener, t.trace(
        "-e", "bind,connect,accept,close,listen"
    ) as trace:
        client = socket.socket(socket.AF_INET, socket.SOCK_STREAM, IPPROTO_MPTCP)
        client.connect(("127.0.0.1", 5001))
        accepted = listener.accept()[0]
        port = port_of(client)
        trace.once(
            event="connect",
            protocol="mptcp",
            local_port=port,
            local_address="127.0.0.1",
            remote_address="127.0.0.1",
            remote_port=5001,
            ephemeral=True,
            errno=None,
            **t.me,
        )
        trace.once(event="accept", protocol="mptcp", local_port=5001, remote_port=port, **t.me)
        client.close()
        accepted.close()
        trace.once(event="close", protocol="mptcp", local_port=port, **t.me)
        trace.once(event="close", protocol="mptcp", local_port=5001, remote_port=port, **t.me)
        equal(
            records_of(trace, local_port=port),
            [("close", "mptcp"), ("connect", "mptcp")],
            "all records of the client",
        )


@test()
def mptcp_client_of_a_tcp_server(t):
    """The connection falls back to TCP, but the program's socket remains an MPTCP socket."""
    need_mptcp()
    with tcp(("127.0.0.1", 5001), backlog=1) as listener, t.trace() as trace:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM, IPPROTO_MPTCP) as client:
            client.connect(("127.0.0.1", 5001))
            listener.accept()[0].close()
            port = port_of(client)
            trace.once(event="connect", protocol="mptcp", local_port=port, remote_port=5001, **t.me)
        trace.once(event="close", protocol="mptcp", local_port=port, **t.me)
        equal(
            records_of(trace, local_port=port),
            [("close", "mptcp"), ("connect", "mptcp")],
            "all records of the client",
        )


@test()
def mptcp_refused(t):
    need_mptcp()
    with t.trace() as trace:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM, IPPROTO_MPTCP) as client:
            equal(refused(client.connect, ("127.0.0.1", 5001)), "ECONNREFUSED", "connect")
            record = trace.once(
                event="connect", protocol="mptcp", remote_port=5001, errno=None, **t.me
            )
        trace.once(
            event="close",
            protocol="mptcp",
            local_port=record.get("local_port"),
            error="ECONNREFUSED",
            pid=os.getpid(),
        )


@test()
def udplite_bind(t):
    need(socket.SOCK_DGRAM, IPPROTO_UDPLITE, "UDP-Lite")
    with t.trace() as trace:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM, IPPROTO_UDPLITE) as sock:
            sock.bind(("127.0.0.1", 5001))
            trace.once(event="bind", protocol="udplite", local_port=5001, **t.me)
        trace.once(event="close", protocol="udplite", local_port=5001, **t.me)
