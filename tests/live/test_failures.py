# SPDX-License-Identifier: GPL-2.0-only
"""Refusals: errno, requested port, cause (docs/causes.md), and holders."""

import json
import os
import pwd
import socket
import time

from prediction import check_prediction, check_same_advice
from porttrace_test import (
    DUAL,
    NOBODY,
    REUSEADDR,
    REUSEPORT,
    SLOW,
    V6ONLY,
    at_end,
    check,
    close_first,
    equal,
    pair_on,
    port_of,
    refused,
    set_comm,
    stay,
    sysctl,
    tcp,
    test,
    timewaits,
    udp,
    until,
)


def refused_bind(t, make, where, *options, uid=None, error="EADDRINUSE"):
    """bind() of another process must fail with `error`; the process exits when it receives a message."""

    def bind(me):
        with socket.socket() as _:  # so that its descriptor is not the holder's
            kind = socket.SOCK_STREAM if make is tcp else socket.SOCK_DGRAM
            family = socket.AF_INET6 if ":" in where[0] else socket.AF_INET
            with socket.socket(family, kind) as sock:
                for option in options:
                    sock.setsockopt(*option)
                name = refused(sock.bind, where)
                me.send(name)
                me.receive()

    child = t.fork(bind, comm="pt-caller", uid=uid)
    equal(child.receive(), error, "errno of the caller")
    return child


def refusal(
    t, trace, make, where, *options, cause, holder=None, uid=None, error="EADDRINUSE", hint=None
):
    """Makes a bind() in another process that is refused; checks the record and its holder; returns both."""
    answer = check_prediction(t, make, where, options, uid, 0, error, cause)
    child = refused_bind(t, make, where, *options, uid=uid, error=error)
    record = trace.once(event="bind", errno=error, local_port=where[1], netns=t.netns, **child.who)
    child.send()
    child.result()
    address = where[0].removeprefix("::ffff:")
    equal(record.get("local_address"), address, "requested address")
    equal(record["protocol"], make.__name__, "protocol")
    check(not record.get("ephemeral"), "a requested port is reported as ephemeral")
    check_same_advice(answer, record)
    return explained(record, cause, holder, hint)


def explained(record, cause, holder=None, hint=None):
    """Checks the conflict of a record; holder: fields of the first one."""
    conflict = record["conflict"]
    equal(conflict["cause"], cause, "cause")
    for name in ("why", "fix"):
        check(
            len(conflict[name].split()) >= 3 and "\n" not in conflict[name],
            f"{name} is not a sentence: {conflict[name]!r}",
        )
    if hint:
        check(
            hint in conflict["why"] + conflict["fix"] + json.dumps(conflict.get("remedies", [])),
            f"{hint!r} is in neither why nor fix nor remedies: {conflict}",
        )
    if holder is None:
        return record, None
    holders = conflict.get("holders", [])
    check(holders, f"no holders: {conflict}")
    for name, value in holder.items():
        got = holders[0].get(name)
        if name == "pids":
            got = [{key: process[key] for key in ("pid", "comm", "gone") if key in process} for process in got or []]
        if name in ("pids", "options"):
            got, value = sorted(map(str, got or [])), sorted(map(str, value))
        equal(got, value, f"holder: {name}")
    return record, holders[0]


def listening(t, **more):
    return {"protocol": "tcp", "state": "LISTEN", "pids": [t.holder], "uid": os.getuid(), **more}


def bound(t, **more):
    return {"protocol": "tcp", "state": "BOUND", "pids": [t.holder], "uid": os.getuid(), **more}


# --- the port has a holder ------------------------------------------------------------------------


@test()
def listener_exists(t):
    with t.trace() as trace:
        with tcp(("127.0.0.1", 5001), backlog=1):
            bind = trace.once(event="bind", local_port=5001, errno=None, **t.me)
            _, holder = refusal(
                t,
                trace,
                tcp,
                ("127.0.0.1", 5001),
                cause="listener-exists",
                hint="pt-test",
                holder=listening(t, local_address="127.0.0.1", local_port=5001, family="ipv4"),
            )
            equal(holder.get("socket"), bind["socket"], "identity of the holder")
            check(not holder.get("options"), f"options of a holder that set none: {holder}")
            check("since" in holder, "holder without since")


@test()
def listener_exists_for_reuseaddr(t):
    """SO_REUSEADDR on both sides does not help: the port has a listener."""
    with tcp(("127.0.0.1", 5001), REUSEADDR, backlog=1), t.trace() as trace:
        record, _ = refusal(
            t,
            trace,
            tcp,
            ("127.0.0.1", 5001),
            REUSEADDR,
            cause="listener-exists",
            holder=listening(t, options=["reuseaddr"]),
        )
        equal(record.get("options"), ["reuseaddr"], "options of the refused socket")


@test()
def listener_exists_ipv6(t):
    with tcp(("::1", 5001), backlog=1), t.trace() as trace:
        refusal(
            t,
            trace,
            tcp,
            ("::1", 5001),
            cause="listener-exists",
            holder=listening(t, local_address="::1", family="ipv6"),
        )


@test()
def listener_of_several_processes(t):
    with t.trace() as trace:
        with tcp(("127.0.0.1", 5001), backlog=1) as sock:
            workers = [t.fork(stay, comm=f"pt-worker{n}", keep=[sock]) for n in range(3)]
            refusal(
                t,
                trace,
                tcp,
                ("127.0.0.1", 5001),
                cause="listener-exists",
                holder=listening(t, pids=[t.holder, *(w.holder for w in workers)]),
            )
            workers[1].send()
            workers[1].result()
            child = refused_bind(t, tcp, ("127.0.0.1", 5001))
            record = trace.once(event="bind", errno="EADDRINUSE", **child.who)
            left = [t.holder, workers[0].holder, workers[2].holder]
            explained(record, "listener-exists", listening(t, pids=left))


@test()
def holder_handed_over(t):
    """The process that bound the socket has exited, its child has the socket."""

    def bind_and_fork(me):
        tcp_socket = tcp(("127.0.0.1", 5001), backlog=1)
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            set_comm("pt-heir")
            os.write(write, b"x")
            me.receive()
            os._exit(0)
        os.read(read, 1)
        return pid, tcp_socket.detach()

    with t.trace() as trace:
        parent = t.fork(bind_and_fork, comm="pt-gone")
        heir, _ = parent.result()
        refusal(
            t,
            trace,
            tcp,
            ("127.0.0.1", 5001),
            cause="listener-exists",
            holder={"state": "LISTEN", "pids": [{"pid": heir, "comm": "pt-heir"}]},
        )
        parent.send()
        trace.once(event="close", local_port=5001, pid=heir, comm="pt-heir")


@test()
def bound_not_listening(t):
    with t.trace() as trace:
        with tcp(("127.0.0.1", 5001)):
            refusal(
                t,
                trace,
                tcp,
                ("127.0.0.1", 5001),
                cause="bound-not-listening",
                holder=bound(t, local_address="127.0.0.1", local_port=5001),
            )


@test(own=True)
def bound_before_porttrace(t):
    """ss does not show this holder, and it bound before porttrace started."""
    with tcp(("127.0.0.1", 5001)), t.trace() as trace:
        refusal(
            t,
            trace,
            tcp,
            ("127.0.0.1", 5001),
            cause="bound-not-listening",
            holder=bound(t, local_address="127.0.0.1", local_port=5001),
        )


@test()
def wildcard_holder(t):
    with tcp(("0.0.0.0", 5001), backlog=1), t.trace() as trace:
        refusal(
            t,
            trace,
            tcp,
            ("127.0.0.1", 5001),
            cause="wildcard-overlap",
            holder=listening(t, local_address="0.0.0.0"),
        )


@test()
def wildcard_caller(t):
    with tcp(("127.0.0.2", 5001), backlog=1), t.trace() as trace:
        refusal(
            t,
            trace,
            tcp,
            ("0.0.0.0", 5001),
            cause="wildcard-overlap",
            holder=listening(t, local_address="127.0.0.2"),
        )


@test()
def wildcard_udp(t):
    with udp(("0.0.0.0", 5001)), t.trace() as trace:
        refusal(
            t,
            trace,
            udp,
            ("127.0.0.1", 5001),
            cause="wildcard-overlap",
            holder={"protocol": "udp", "local_address": "0.0.0.0", "pids": [t.holder]},
        )


@test()
def dual_stack_holder(t):
    with tcp(("::", 5001), DUAL, backlog=1), t.trace() as trace:
        refusal(
            t,
            trace,
            tcp,
            ("0.0.0.0", 5001),
            cause="dual-stack-overlap",
            hint="V6ONLY",
            holder=listening(t, local_address="::", family="ipv6"),
        )


@test()
def dual_stack_caller(t):
    with tcp(("127.0.0.1", 5001), backlog=1), t.trace() as trace:
        refusal(
            t,
            trace,
            tcp,
            ("::", 5001),
            DUAL,
            cause="dual-stack-overlap",
            holder=listening(t, local_address="127.0.0.1", family="ipv4"),
        )


@test()
def dual_stack_udp(t):
    with udp(("::", 5001), DUAL), t.trace() as trace:
        refusal(
            t,
            trace,
            udp,
            ("127.0.0.1", 5001),
            cause="dual-stack-overlap",
            holder={"protocol": "udp", "local_address": "::", "pids": [t.holder]},
        )


@test()
def v6only_is_no_holder(t):
    """Only one of the two listeners conflicts, so porttrace names only that one."""
    with tcp(("::", 5001), V6ONLY, backlog=1), tcp(
        ("0.0.0.0", 5001), backlog=1
    ), t.trace() as trace:
        record, _ = refusal(
            t,
            trace,
            tcp,
            ("0.0.0.0", 5001),
            cause="listener-exists",
            holder=listening(t, local_address="0.0.0.0"),
        )
        equal(len(record["conflict"]["holders"]), 1, "holders")


@test()
def reuseaddr_missing(t):
    with tcp(("127.0.0.1", 5001), REUSEADDR), t.trace() as trace:
        refusal(
            t,
            trace,
            tcp,
            ("127.0.0.1", 5001),
            cause="reuseaddr-missing",
            hint="SO_REUSEADDR",
            holder=bound(t, options=["reuseaddr"]),
        )


@test()
def reuseaddr_missing_on_holder(t):
    with tcp(("127.0.0.1", 5001)), t.trace() as trace:
        refusal(
            t,
            trace,
            tcp,
            ("127.0.0.1", 5001),
            REUSEADDR,
            cause="reuseaddr-missing-on-holder",
            hint="SO_REUSEADDR",
            holder=bound(t),
        )


@test()
def reuseaddr_set_late(t):
    """The kernel honours an option that the holder set after its bind(), so porttrace must show it."""
    with t.trace() as trace:
        with tcp(("127.0.0.1", 5001)) as sock:
            trace.once(event="bind", local_port=5001, **t.me)
            sock.setsockopt(*REUSEADDR)
            refusal(
                t,
                trace,
                tcp,
                ("127.0.0.1", 5001),
                cause="reuseaddr-missing",
                holder=bound(t, options=["reuseaddr"]),
            )


@test()
def reuseport_missing(t):
    with tcp(("127.0.0.1", 5001), REUSEPORT, backlog=1), t.trace() as trace:
        refusal(
            t,
            trace,
            tcp,
            ("127.0.0.1", 5001),
            cause="reuseport-missing",
            hint="SO_REUSEPORT",
            holder=listening(t, options=["reuseport"]),
        )


@test()
def reuseport_missing_on_holder(t):
    with tcp(("127.0.0.1", 5001), backlog=1), t.trace() as trace:
        refusal(
            t,
            trace,
            tcp,
            ("127.0.0.1", 5001),
            REUSEPORT,
            cause="reuseport-missing-on-holder",
            hint="SO_REUSEPORT",
            holder=listening(t),
        )


@test()
def reuseport_uid(t):
    with tcp(("127.0.0.1", 5001), REUSEPORT, backlog=1), t.trace() as trace:
        record, _ = refusal(
            t,
            trace,
            tcp,
            ("127.0.0.1", 5001),
            REUSEPORT,
            uid=NOBODY,
            cause="reuseport-uid",
            hint=f"user {pwd.getpwuid(NOBODY).pw_name}",
            holder=listening(t, options=["reuseport"]),
        )
        equal(record["uid"], NOBODY, "uid of the refused")


@test()
def reuseport_group_is_named_whole(t):
    with tcp(("127.0.0.1", 5001), REUSEPORT, backlog=1), tcp(
        ("127.0.0.1", 5001), REUSEPORT, backlog=1
    ), t.trace() as trace:
        record, _ = refusal(t, trace, tcp, ("127.0.0.1", 5001), cause="reuseport-missing")
        equal(len(record["conflict"]["holders"]), 2, "holders")


@test()
def listen_recheck(t):
    with tcp(("127.0.0.1", 5001), REUSEADDR) as first, t.trace() as trace:
        with tcp(("127.0.0.1", 5001), REUSEADDR) as second:
            first.listen(1)
            equal(refused(second.listen, 6), "EADDRINUSE", "second listen")
            trace.once(event="bind", local_port=5001, errno=None, **t.me)
            record = trace.once(
                event="listen",
                errno="EADDRINUSE",
                local_port=5001,
                local_address="127.0.0.1",
                **t.me,
            )
            explained(record, "listen-recheck", listening(t, local_port=5001))
            trace.once(event="listen", local_port=5001, errno=None, **t.me)
        trace.once(event="close", local_port=5001, **t.me)


@test()
def udp_holder(t):
    with udp(("127.0.0.1", 5001)), t.trace() as trace:
        refusal(
            t,
            trace,
            udp,
            ("127.0.0.1", 5001),
            cause="udp-holder",
            holder={
                "protocol": "udp",
                "local_address": "127.0.0.1",
                "local_port": 5001,
                "pids": [t.holder],
            },
        )


@test()
def udp_is_no_holder_for_tcp(t):
    with udp(("127.0.0.1", 5001)), tcp(("127.0.0.1", 5001), backlog=1), t.trace() as trace:
        record, _ = refusal(
            t, trace, tcp, ("127.0.0.1", 5001), cause="listener-exists", holder=listening(t)
        )
        equal(
            [h["protocol"] for h in record["conflict"]["holders"]], ["tcp"], "protocols of holders"
        )


@test()
def other_namespace_is_no_holder(t):
    """A socket on the same port in another namespace is not a holder."""

    def listen(me):
        with tcp(("127.0.0.1", 5001), backlog=1):
            me.send()
            me.receive()

    with tcp(("127.0.0.1", 5001), backlog=1), t.trace() as trace:
        other = t.fork(listen, comm="pt-elsewhere", netns="new")
        other.receive()
        record, _ = refusal(
            t, trace, tcp, ("127.0.0.1", 5001), cause="listener-exists", holder=listening(t)
        )
        equal(len(record["conflict"]["holders"]), 1, "holders")


@test()
def mptcp_holder(t):
    """An MPTCP listener conflicts with a TCP bind; porttrace names the MPTCP socket, not its subflow."""
    from test_protocols import need_mptcp, IPPROTO_MPTCP

    need_mptcp()
    with tcp(("127.0.0.1", 5001), backlog=1, protocol=IPPROTO_MPTCP), t.trace() as trace:
        record, _ = refusal(
            t,
            trace,
            tcp,
            ("127.0.0.1", 5001),
            cause="listener-exists",
            holder=listening(t, protocol="mptcp"),
        )
        equal(len(record["conflict"]["holders"]), 1, "holders")


# --- an open or closed connection -----------------------------------------------------------------


def served(*options):
    """A listener on 5001, one connection to it: (listener, client, accepted)."""
    listener = tcp(("127.0.0.1", 5001), *options, backlog=1)
    return (listener, *pair_on(listener))


@test()
def time_wait(t):
    with t.trace() as trace:
        listener, client, accepted = served(REUSEADDR)
        port = port_of(client)
        close_first(accepted, client, port)
        listener.close()
        _, holder = refusal(
            t,
            trace,
            tcp,
            ("127.0.0.1", 5001),
            cause="time-wait",
            hint="SO_REUSEADDR",
            holder={
                "protocol": "tcp",
                "state": "TIME_WAIT",
                "local_port": 5001,
                "local_address": "127.0.0.1",
                "remote_port": port,
                "remote_address": "127.0.0.1",
            },
        )
        check(
            50 < holder.get("expires_in_s", 0) <= 65.2, f"expires_in_s: {holder.get('expires_in_s')}"
        )
        equal(
            [(p["pid"], p["comm"]) for p in holder.get("pids", [])],
            [(os.getpid(), "pt-test")],
            "process that left the TIME_WAIT",
        )


@test()
def time_wait_of_the_gone(t):
    """The process that left a TIME_WAIT has exited: porttrace names it and reports it as gone."""

    def serve(me):
        listener = tcp(("127.0.0.1", 5001), REUSEADDR, backlog=1)
        me.send()
        sock = listener.accept()[0]
        sock.close()

    with t.trace() as trace:
        server = t.fork(serve, comm="pt-server")
        server.receive()
        client = socket.create_connection(("127.0.0.1", 5001))
        port = port_of(client)
        server.result()
        at_end(client)
        client.close()
        until(lambda: timewaits(port), "TIME_WAIT")
        refusal(
            t,
            trace,
            tcp,
            ("127.0.0.1", 5001),
            cause="time-wait",
            holder={
                "state": "TIME_WAIT",
                "remote_port": port,
                "pids": [dict(server.holder, gone=True)],
            },
        )


@test(own=True)
def time_wait_before_porttrace(t):
    listener, client, accepted = served(REUSEADDR)
    close_first(accepted, client, port_of(client))
    listener.close()
    with t.trace() as trace:
        refusal(
            t,
            trace,
            tcp,
            ("127.0.0.1", 5001),
            cause="time-wait",
            holder={"state": "TIME_WAIT", "local_port": 5001},
        )


@test()
def time_wait_holder_noreuse(t):
    with t.trace() as trace:
        listener, client, accepted = served()
        port = port_of(client)
        close_first(accepted, client, port)
        listener.close()
        refusal(
            t,
            trace,
            tcp,
            ("127.0.0.1", 5001),
            REUSEADDR,
            cause="time-wait-holder-noreuse",
            holder={"state": "TIME_WAIT", "remote_port": port},
        )


@test()
def ephemeral_holder(t):
    with tcp(("127.0.0.1", 5001), backlog=1) as listener, t.trace() as trace:
        client, accepted = pair_on(listener)
        port = port_of(client)
        refusal(
            t,
            trace,
            tcp,
            ("127.0.0.1", port),
            cause="ephemeral-holder",
            hint="reserved_ports",
            holder={
                "state": "ESTABLISHED",
                "local_port": port,
                "remote_port": 5001,
                "remote_address": "127.0.0.1",
                "pids": [t.holder],
            },
        )
        client.close()
        accepted.close()


@test()
def connected_client(t):
    with tcp(("127.0.0.1", 5001), backlog=1) as listener, t.trace() as trace:
        client, accepted = pair_on(listener, tcp(("127.0.0.1", 5002)))
        refusal(
            t,
            trace,
            tcp,
            ("127.0.0.1", 5002),
            cause="connected-client",
            holder={
                "state": "ESTABLISHED",
                "local_port": 5002,
                "remote_port": 5001,
                "pids": [t.holder],
            },
        )
        client.close()
        accepted.close()


@test()
def accepted_connection(t):
    with t.trace() as trace:
        listener, client, accepted = served()
        listener.close()
        refusal(
            t,
            trace,
            tcp,
            ("127.0.0.1", 5001),
            cause="accepted-connection",
            holder={
                "state": "ESTABLISHED",
                "local_port": 5001,
                "remote_port": port_of(client),
                "pids": [t.holder],
            },
        )
        client.close()
        accepted.close()


# --- no free port ---------------------------------------------------------------------------------

RANGE = range(40000, 40004)


def small_range():
    sysctl("ipv4/ip_local_port_range", f"{RANGE[0]} {RANGE[-1]}")


@test()
def range_exhausted_bind(t):
    small_range()
    holders = [tcp(("127.0.0.1", 0)) for _ in RANGE]
    equal(sorted(map(port_of, holders)), list(RANGE), "ports of the holders")
    with t.trace() as trace:
        with socket.socket() as sock:
            equal(refused(sock.bind, ("127.0.0.1", 0)), "EADDRINUSE", "bind")
            record = trace.once(event="bind", errno="EADDRINUSE", protocol="tcp", **t.me)
        equal(record.get("local_port", 0), 0, "requested port")
        explained(record, "range-exhausted", hint=str(RANGE[0]))


@test()
def range_exhausted_connect(t):
    small_range()
    with tcp(("127.0.0.1", 5001), backlog=9) as listener:
        pairs = [pair_on(listener) for _ in RANGE]
        equal(sorted(port_of(c) for c, _ in pairs), list(RANGE), "ports of the clients")
        with t.trace() as trace:
            with socket.socket() as sock:
                equal(refused(sock.connect, ("127.0.0.1", 5001)), "EADDRNOTAVAIL", "connect")
                record = trace.once(event="connect", errno="EADDRNOTAVAIL", protocol="tcp", **t.me)
            equal(
                (record.get("remote_address"), record.get("remote_port")),
                ("127.0.0.1", 5001),
                "where to",
            )
            equal(record.get("local_port", 0), 0, "port of the failed call")
            explained(record, "range-exhausted", hint="pt-test")
            trace.mark()
            equal(
                trace.find(event="close", remote_port=5001), [], "close of a socket without a port"
            )


@test()
def range_exhausted_udp_send(t):
    small_range()
    holders = [udp(("127.0.0.1", 0)) for _ in RANGE]
    equal(len(holders), 4, "holders")
    with udp(("127.0.0.1", 5001)), t.trace() as trace:
        with udp() as sock:
            equal(refused(sock.sendto, b"x", ("127.0.0.1", 5001)), "EAGAIN", "sendto")
            record = trace.once(event="bind", errno="EAGAIN", protocol="udp", **t.me)
        equal(record.get("local_port", 0), 0, "port of the failed call")
        explained(record, "range-exhausted")


@test()
def range_exhausted_udp_connect(t):
    small_range()
    holders = [udp(("127.0.0.1", 0)) for _ in RANGE]
    equal(len(holders), 4, "holders")
    with udp(("127.0.0.1", 5001)), t.trace() as trace:
        with udp() as sock:
            equal(refused(sock.connect, ("127.0.0.1", 5001)), "EAGAIN", "connect")
            record = trace.once(event="connect", errno="EAGAIN", protocol="udp", **t.me)
        equal(record.get("remote_port"), 5001, "where to")
        explained(record, "range-exhausted")


@test()
def range_time_wait(t):
    """TIME_WAITs, not open connections, exhaust the range."""
    sysctl("ipv4/tcp_tw_reuse", 0)
    small_range()
    with tcp(("127.0.0.1", 5001), backlog=9) as listener:
        for client, accepted in [pair_on(listener) for _ in RANGE]:
            close_first(client, accepted, port_of(client))
        equal(len(timewaits(5001)), len(RANGE), "TIME_WAITs")
        with t.trace() as trace:
            with socket.socket() as sock:
                equal(refused(sock.connect, ("127.0.0.1", 5001)), "EADDRNOTAVAIL", "connect")
                record = trace.once(event="connect", errno="EADDRNOTAVAIL", protocol="tcp", **t.me)
            explained(record, "range-time-wait")


# --- the address, the socket, the permission ------------------------------------------------------


@test()
def privileged_port(t):
    equal(sysctl("ipv4/ip_unprivileged_port_start"), "1024", "first unprivileged port")
    with t.trace() as trace:
        for make, where in ((tcp, ("127.0.0.1", 80)), (udp, ("127.0.0.1", 53)), (tcp, ("::1", 81))):
            record, _ = refusal(
                t,
                trace,
                make,
                where,
                uid=NOBODY,
                error="EACCES",
                hint="1024",
                cause="privileged-port",
            )
            equal(record["conflict"].get("holders", []), [], "holders")


@test()
def not_local_address(t):
    with t.trace() as trace:
        for make, where in (
            (tcp, ("192.0.2.1", 5001)),
            (udp, ("192.0.2.1", 5002)),
            (tcp, ("2001:db8::1", 5003)),
        ):
            record, _ = refusal(
                t,
                trace,
                make,
                where,
                error="EADDRNOTAVAIL",
                hint=where[0],
                cause="not-local-address",
            )
            equal(record["conflict"].get("holders", []), [], "holders")


@test()
def already_bound(t):
    with t.trace() as trace:
        for make, port in ((tcp, 5001), (udp, 5002)):
            with make(("127.0.0.1", port)) as sock:
                equal(refused(sock.bind, ("127.0.0.1", port + 100)), "EINVAL", "second bind")
                record = trace.once(
                    event="bind",
                    errno="EINVAL",
                    protocol=make.__name__,
                    local_port=port + 100,
                    **t.me,
                )
                explained(record, "already-bound", hint=str(port))


@test()
def already_bound_by_send(t):
    with udp(("127.0.0.1", 5001)), t.trace() as trace:
        with udp() as sock:
            sock.sendto(b"x", ("127.0.0.1", 5001))
            equal(refused(sock.bind, ("127.0.0.1", 5002)), "EINVAL", "bind after a send")
            record = trace.once(
                event="bind", errno="EINVAL", local_port=5002, protocol="udp", **t.me
            )
            explained(record, "already-bound")


@test()
def failure_is_reported_in_time(t):
    """Explaining a refusal does not delay its record."""
    with tcp(("127.0.0.1", 5001), backlog=1), t.trace() as trace:
        child = refused_bind(t, tcp, ("127.0.0.1", 5001))
        began = time.monotonic()
        trace.once(event="bind", errno="EADDRINUSE", **child.who)
        check(time.monotonic() - began < SLOW, "a refused bind was reported after more than a second")
        child.send()
        child.result()
