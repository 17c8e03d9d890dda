# SPDX-License-Identifier: GPL-2.0-only
"""The events of one process: the stream must report each event once, with the right process."""

import os
import re
import select
import signal
import socket
import struct
import threading
import time

from porttrace_test import (
    DEADLINE,
    DUAL,
    IP_FREEBIND,
    IP_TRANSPARENT,
    NOBODY,
    REUSEADDR,
    REUSEPORT,
    V6ONLY,
    Failure,
    at_end,
    check,
    close_first,
    equal,
    new_netns,
    netns_inode,
    pair_on,
    port_of,
    refused,
    reset,
    run_text,
    set_comm,
    stay,
    sysctl,
    tcp,
    test,
    timewaits,
    udp,
    until,
)


# --- bind ----------------------------------------------------------------------------------------


@test()
def bind_port_zero(t):
    with t.trace() as trace:
        with tcp(("127.0.0.1", 0)) as sock:
            port = port_of(sock)
            record = trace.once(event="bind", local_port=port)
            for name, value in {
                "protocol": "tcp",
                "family": "ipv4",
                "local_address": "127.0.0.1",
                "requested_port": 0,
                "ephemeral": True,
                "errno": None,
                **t.me,
            }.items():
                equal(record.get(name), value, f"bind: {name}")
        trace.once(event="close", local_port=port, **t.me)


@test()
def bind_given_port(t):
    with t.trace() as trace:
        with tcp(("127.0.0.2", 5001)):
            record = trace.once(
                event="bind",
                local_port=5001,
                local_address="127.0.0.2",
                errno=None,
                protocol="tcp",
                **t.me,
            )
        check(not record.get("ephemeral"), "a requested port is reported as ephemeral")
        check(record.get("requested_port", 5001) == 5001, "requested_port is not the requested port")
        check("remote_port" not in record, "bind with a remote port")
        trace.once(event="close", local_port=5001)


@test()
def bind_wildcard(t):
    with t.trace() as trace:
        with tcp(("0.0.0.0", 5001)), tcp(("::", 5002), V6ONLY):
            trace.once(
                event="bind", local_port=5001, local_address="0.0.0.0", family="ipv4", **t.me
            )
            trace.once(event="bind", local_port=5002, local_address="::", family="ipv6", **t.me)


@test()
def bind_twice(t):
    with t.trace() as trace:
        with tcp(("127.0.0.1", 5001)) as sock:
            equal(refused(sock.bind, ("127.0.0.1", 5002)), "EINVAL", "second bind")
            equal(port_of(sock), 5001, "port after the second bind")
            record = trace.once(event="bind", errno="EINVAL", **t.me)
            equal(record.get("local_port"), 5002, "requested port")
            equal(record["conflict"]["cause"], "already-bound", "cause")
            trace.once(event="bind", errno=None, local_port=5001)
        trace.once(event="close", local_port=5001)
        trace.never(event="close", local_port=5002)


@test()
def bind_udp(t):
    with t.trace() as trace:
        with udp(("127.0.0.1", 0)) as sock:
            port = port_of(sock)
            trace.once(
                event="bind",
                protocol="udp",
                local_port=port,
                local_address="127.0.0.1",
                family="ipv4",
                requested_port=0,
                ephemeral=True,
                errno=None,
                **t.me,
            )
        trace.once(event="close", protocol="udp", local_port=port, **t.me)


@test()
def bind_udp_on_ipv6_loopback(t):
    with t.trace() as trace:
        with udp(("::1", 0)) as sock:
            port = port_of(sock)
            trace.once(
                event="bind",
                protocol="udp",
                family="ipv6",
                local_address="::1",
                errno=None,
                local_port=port,
                requested_port=0,
                ephemeral=True,
                **t.me,
            )
        trace.once(event="close", protocol="udp", local_port=port, **t.me)


@test()
def bind_mapped(t):
    """A v4-mapped address is shown as IPv4, of the family ipv6."""
    with t.trace() as trace:
        with tcp(("::ffff:127.0.0.1", 5001), DUAL):
            trace.once(
                event="bind", local_port=5001, local_address="127.0.0.1", family="ipv6", **t.me
            )


@test()
def options_are_shown(t):
    freebind = (socket.IPPROTO_IP, IP_FREEBIND, 1)
    transparent = (socket.IPPROTO_IP, IP_TRANSPARENT, 1)
    cases = [
        (5001, "127.0.0.1", (), []),
        (5002, "127.0.0.1", (REUSEADDR,), ["reuseaddr"]),
        (5003, "127.0.0.1", (REUSEPORT,), ["reuseport"]),
        (5004, "127.0.0.1", (REUSEADDR, REUSEPORT), ["reuseaddr", "reuseport"]),
        (5005, "::", (V6ONLY,), ["v6only"]),
        (5006, "::", (DUAL,), []),
        (5007, "127.0.0.1", (freebind,), ["freebind"]),
        (5008, "127.0.0.1", (transparent,), ["transparent"]),
    ]
    with t.trace() as trace:
        for make in (tcp, udp):
            protocol = make.__name__
            for port, address, options, names in cases:
                with make((address, port), *options):
                    record = trace.once(event="bind", protocol=protocol, local_port=port)
                equal(sorted(record.get("options", [])), names, f"options of {protocol} {port}")


@test()
def interface_is_shown(t):
    with t.trace() as trace:
        with tcp(("127.0.0.1", 5001), (socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo\0")), tcp(
            ("127.0.0.1", 5002)
        ):
            trace.once(event="bind", local_port=5001, interface="lo")
            trace.once(event="bind", local_port=5002, interface=None)


@test()
def thread_binds(t):
    """pid is that of the process, tid that of the thread, comm the name of the leader."""
    found = {}

    def bind():
        set_comm("a-thread")
        found["tid"] = threading.get_native_id()
        found["sock"] = tcp(("127.0.0.1", 5001), backlog=1)

    with t.trace() as trace:
        thread = threading.Thread(target=bind)
        thread.start()
        thread.join()
        check(found["tid"] != os.getpid(), "the thread is the leader")
        who = dict(t.me, tid=found["tid"])
        equal(who["comm"], "pt-test", "comm of the leader")
        trace.once(event="bind", local_port=5001, **who)
        trace.once(event="listen", local_port=5001, **who)
        found["sock"].close()
        trace.once(event="close", local_port=5001, **t.me)


@test()
def other_user_binds(t):
    def bind(_):
        with tcp(("127.0.0.1", 5001)):
            return os.getresuid()

    with t.trace() as trace:
        child = t.fork(bind, comm="pt-nobody", uid=NOBODY)
        equal(child.result(), (NOBODY,) * 3, "uid of the child")
        trace.once(event="bind", local_port=5001, netns=t.netns, **child.who)
        trace.once(event="close", local_port=5001, **child.who)


@test()
def process_is_described(t):
    """ppid, exe and cmdline of a process that exists until porttrace has read /proc."""
    with t.trace() as trace:
        child = t.fork(_bind_and_stay, comm="pt-child")
        port = child.receive()
        record = trace.once(event="bind", local_port=port, **child.who)
        equal(record.get("ppid"), os.getpid(), "ppid")
        equal(record.get("exe"), os.readlink(f"/proc/{child.pid}/exe"), "exe")
        with open(f"/proc/{child.pid}/cmdline", "rb") as file:
            first = file.read().split(b"\0")[0].decode()
        check(
            first in str(record.get("cmdline")),
            f"cmdline {record.get('cmdline')!r} lacks {first!r}",
        )
        child.send()
        child.result()


def _bind_and_stay(me):
    with tcp(("127.0.0.1", 0)) as sock:
        me.send(port_of(sock))
        me.receive()


@test()
def other_namespace(t):
    """A namespace that was made after porttrace had started."""

    def bind(_):
        new_netns()
        with tcp(("127.0.0.1", 5001), backlog=3):
            return netns_inode()

    with t.trace(5001, 61999, everywhere=True) as trace:
        child = t.fork(bind, comm="pt-elsewhere")
        inode = child.result()
        check(inode != t.netns, "the namespace is the same")
        trace.once(event="bind", local_port=5001, **dict(child.who, netns=inode))
        trace.once(event="listen", local_port=5001, **dict(child.who, netns=inode))
        trace.once(event="close", local_port=5001, **dict(child.who, netns=inode))
        trace.never(local_port=5001, netns=t.netns)


@test()
def namespace_is_that_of_the_socket(t):
    """A process that moved to another namespace binds a socket of the old one. No other test uses this port:
    the test traces every namespace, and another test's namespace may reuse the inode number of an ended one."""

    def bind(me):
        with socket.socket() as sock:
            new_netns()
            sock.bind(("127.0.0.1", 5017))
            return netns_inode(), me.pid

    with t.trace(5017, 61999, everywhere=True) as trace:
        child = t.fork(bind, comm="pt-moved")
        inode, _ = child.result()
        check(inode != t.netns, "the namespace is the same")
        trace.once(event="bind", local_port=5017, **dict(child.who, netns=t.netns))
        trace.never(local_port=5017, netns=inode)


# --- listen --------------------------------------------------------------------------------------


@test()
def listen_with_backlog(t):
    with t.trace() as trace:
        with tcp(("127.0.0.1", 0)) as sock:
            port = port_of(sock)
            sock.listen(7)
            trace.once(
                event="listen",
                protocol="tcp",
                local_address="127.0.0.1",
                local_port=port,
                backlog=7,
                errno=None,
                **t.me,
            )
            trace.once(event="bind", local_port=port)
        trace.once(event="close", local_port=port)


@test()
def listen_without_bind(t):
    with t.trace() as trace:
        with socket.socket() as sock:
            sock.listen(5)
            port = port_of(sock)
            check(port, "listen chose no port")
            trace.once(
                event="listen",
                protocol="tcp",
                local_port=port,
                backlog=5,
                errno=None,
                local_address="0.0.0.0",
                ephemeral=True,
                **t.me,
            )
            trace.never(event="bind", local_port=port)
        trace.once(event="close", local_port=port, **t.me)


@test()
def dual_stack_listener(t):
    with t.trace() as trace:
        with tcp(("::", 5001), DUAL, backlog=4) as sock:
            socket.create_connection(("127.0.0.1", 5001)).close()
            sock.accept()[0].close()
            trace.once(event="bind", local_port=5001, local_address="::", family="ipv6", **t.me)
            record = trace.once(
                event="listen",
                local_port=5001,
                local_address="::",
                family="ipv6",
                protocol="tcp",
                backlog=4,
                **t.me,
            )
            check(
                "v6only" not in record.get("options", []), "a dual-stack socket is reported as v6only"
            )


# --- connect -------------------------------------------------------------------------------------


@test()
def connect_chooses_a_port(t):
    with tcp(("127.0.0.1", 5001), backlog=1) as listener, t.trace() as trace:
        client, accepted = pair_on(listener)
        port = port_of(client)
        trace.once(
            event="connect",
            protocol="tcp",
            family="ipv4",
            local_address="127.0.0.1",
            local_port=port,
            remote_address="127.0.0.1",
            remote_port=5001,
            ephemeral=True,
            errno=None,
            **t.me,
        )
        trace.never(event="bind", local_port=port)
        trace.never(event="accept")  # only with -e accept
        client.close()
        accepted.close()
        trace.once(event="close", local_port=port, remote_port=5001, **t.me)
        trace.once(event="close", local_port=5001, remote_port=port, **t.me)


@test()
def connect_ipv6(t):
    with tcp(("::1", 5001), V6ONLY, backlog=1) as listener, t.trace() as trace:
        client, accepted = pair_on(listener)
        trace.once(
            event="connect",
            protocol="tcp",
            family="ipv6",
            local_address="::1",
            errno=None,
            local_port=port_of(client),
            remote_address="::1",
            remote_port=5001,
            **t.me,
        )
        client.close()
        accepted.close()


@test()
def connect_mapped(t):
    with tcp(("127.0.0.1", 5001), backlog=1), t.trace() as trace:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as client:
            client.connect(("::ffff:127.0.0.1", 5001))
            trace.once(
                event="connect",
                protocol="tcp",
                family="ipv6",
                local_address="127.0.0.1",
                local_port=port_of(client),
                remote_address="127.0.0.1",
                remote_port=5001,
                **t.me,
            )


@test()
def connect_without_waiting(t):
    """A non-blocking connect is reported like a blocking one."""
    with tcp(("127.0.0.1", 5001), backlog=1), t.trace() as trace:
        with socket.socket() as client:
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", 5001))
            check(select.select([], [client], [], DEADLINE)[1], "connect does not end")
            equal(client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), 0, "SO_ERROR")
            port = port_of(client)
            trace.once(event="connect", local_port=port, remote_port=5001, errno=None, **t.me)
        trace.once(event="close", local_port=port, error=None, **t.me)


@test()
def connect_after_bind(t):
    """Two events: bind allocated the port, connect used it."""
    with tcp(("127.0.0.1", 5001), backlog=1) as listener, t.trace() as trace:
        client, accepted = pair_on(listener, tcp(("127.0.0.1", 5002)))
        trace.once(event="bind", local_port=5002, **t.me)
        record = trace.once(event="connect", local_port=5002, remote_port=5001, errno=None, **t.me)
        check(not record.get("ephemeral"), "a requested port is reported as ephemeral")
        client.close()
        accepted.close()


@test()
def connect_refused(t):
    with t.trace() as trace:
        port = None
        with socket.socket() as client:
            equal(refused(client.connect, ("127.0.0.1", 5001)), "ECONNREFUSED", "connect")
            record = trace.once(event="connect", remote_port=5001, errno=None, **t.me)
            port = record.get("local_port")
            check(port and port >= 32768, f"port of the refused connect: {port}")
        trace.once(
            event="close",
            local_port=port,
            remote_port=5001,
            error="ECONNREFUSED",
            next_state=None,
            **t.me,
        )


@test()
def connect_refused_from_a_given_port(t):
    with t.trace() as trace:
        with tcp(("127.0.0.1", 5002)) as client:
            equal(refused(client.connect, ("127.0.0.1", 5001)), "ECONNREFUSED", "connect")
            trace.once(event="connect", local_port=5002, remote_port=5001, errno=None, **t.me)
        trace.once(event="close", local_port=5002, error="ECONNREFUSED", **t.me)


@test()
def connect_again_after_refusal(t):
    """One socket is refused and then connected: two connects, and a close for each."""
    with t.trace() as trace:
        with socket.socket() as client:
            equal(refused(client.connect, ("127.0.0.1", 5001)), "ECONNREFUSED", "connect")
            first = trace.wait(event="connect", remote_port=5001, **t.me)
            with tcp(("127.0.0.1", 5001), backlog=1) as listener:
                client.connect(("127.0.0.1", 5001))
                port = port_of(client)
                trace.times(2, event="connect", remote_port=5001, errno=None, **t.me)
                second = trace.wait(_count=2, event="connect", remote_port=5001)
                equal(second.get("local_port"), port, "port of the second connect")
                equal(second.get("socket"), first.get("socket"), "identity of the socket")
                accepted = listener.accept()[0]
                client.close()
                at_end(accepted)
                accepted.close()
        trace.once(event="close", local_port=first["local_port"], remote_port=5001, error="ECONNREFUSED", **t.me)
        trace.once(event="close", local_port=port, remote_port=5001, error=None, **t.me)


# --- close ---------------------------------------------------------------------------------------


@test()
def close_by_the_last_process(t):
    with t.trace() as trace:
        sock = tcp(("127.0.0.1", 5001), backlog=1)
        child = t.fork(stay, comm="pt-heir", keep=[sock])
        sock.close()
        trace.mark()
        equal(trace.find(event="close", local_port=5001), [], "close while the child still has it")
        child.send()
        child.result()
        trace.once(event="close", local_port=5001, netns=t.netns, **child.who)


@test()
def close_by_a_killed_process(t):
    with t.trace() as trace:
        child = t.fork(_bind_and_stay, comm="pt-victim")
        port = child.receive()
        child.kill(signal.SIGKILL)
        trace.once(event="close", local_port=port, netns=t.netns, **child.who)


@test()
def close_of_one_descriptor(t):
    with t.trace() as trace:
        sock = tcp(("127.0.0.1", 5001))
        second = sock.dup()
        sock.close()
        trace.mark()
        equal(trace.find(event="close", local_port=5001), [], "close while a descriptor is left")
        second.close()
        trace.once(event="close", local_port=5001, **t.me)


@test()
def close_by_the_receiver(t):
    """A socket sent through a unix socket: the receiver closes it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX)

    def receive(me):
        _, fds, _, _ = socket.recv_fds(theirs, 1, 1)
        me.send()
        me.receive()
        os.close(fds[0])

    with t.trace() as trace:
        child = t.fork(receive, comm="pt-receiver", keep=[theirs])
        with tcp(("127.0.0.1", 5001), backlog=1) as sock:
            socket.send_fds(ours, [b"x"], [sock.fileno()])
            child.receive()
        trace.mark()
        equal(trace.find(event="close", local_port=5001), [], "close while the receiver has it")
        child.send()
        child.result()
        trace.once(event="bind", local_port=5001, **t.me)
        trace.once(event="close", local_port=5001, **child.who)


@test()
def close_after_shutdown(t):
    """A listener that was shut down still has its port; it is closed once."""
    with t.trace() as trace:
        with tcp(("127.0.0.1", 5001), backlog=1) as sock:
            sock.shutdown(socket.SHUT_RDWR)
            equal(port_of(sock), 5001, "port after shutdown")
            trace.mark()
            equal(trace.find(event="close", local_port=5001), [], "close at shutdown")
        trace.once(event="close", local_port=5001, **t.me)


@test()
def close_has_the_duration(t):
    with t.trace() as trace:
        before = time.monotonic_ns()
        sock = tcp(("127.0.0.1", 5001))
        middle = time.monotonic_ns()
        trace.mark()
        closing = time.monotonic_ns()
        sock.close()
        after = time.monotonic_ns()
        record = trace.once(event="close", local_port=5001)
        check("duration_ns" in record, "close without duration_ns")
        check(
            closing - middle <= record["duration_ns"] <= after - before,
            f"life {record['duration_ns']} is not within {closing - middle} .. {after - before}",
        )


@test()
def close_without_a_port(t):
    """The close of a socket that never had a port, or was refused one, is not reported."""
    with t.trace() as trace:
        socket.socket().close()
        socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).close()
        with tcp(("127.0.0.1", 5001)):
            with socket.socket() as sock:
                equal(refused(sock.bind, ("127.0.0.1", 5001)), "EADDRINUSE", "bind")
        trace.once(event="close", local_port=5001)
        trace.mark()
        closes = [r for r in trace.find(event="close") if r.get("local_port") not in (5001, 61999)]
        equal(closes, [], "closes of sockets without a port")


@test()
def close_first_leaves_time_wait(t):
    """The side that closes first keeps the port: next_state says so; the other side does not."""
    with tcp(("127.0.0.1", 5001), REUSEADDR, backlog=1) as listener, t.trace() as trace:
        client, accepted = pair_on(listener)
        port = port_of(client)
        close_first(client, accepted, port)
        check(
            (f"127.0.0.1:{port}", "127.0.0.1:5001") in timewaits(),
            "ss shows no TIME_WAIT of the client",
        )
        trace.once(event="close", local_port=port, remote_port=5001, next_state="time_wait", **t.me)
        trace.once(event="close", local_port=5001, remote_port=port, next_state=None, **t.me)

        client, accepted = pair_on(listener)
        port = port_of(client)
        close_first(accepted, client, port)
        check(
            ("127.0.0.1:5001", f"127.0.0.1:{port}") in timewaits(),
            "ss shows no TIME_WAIT of the server",
        )
        trace.once(event="close", local_port=5001, remote_port=port, next_state="time_wait", **t.me)
        trace.once(event="close", local_port=port, remote_port=5001, next_state=None, **t.me)


@test()
def close_with_linger_zero(t):
    """An RST leaves no TIME_WAIT, and the other side's close is reported as reset."""
    with tcp(("127.0.0.1", 5001), backlog=1) as listener, t.trace() as trace:
        client, accepted = pair_on(listener)
        port = port_of(client)
        reset(client)
        equal(refused(accepted.recv, 1), "ECONNRESET", "recv")
        accepted.close()
        equal(timewaits(port), [], "TIME_WAIT after an RST")
        trace.once(event="close", local_port=port, remote_port=5001, next_state=None, **t.me)
        trace.once(
            event="close",
            local_port=5001,
            remote_port=port,
            next_state=None,
            error="ECONNRESET",
            **t.me,
        )


@test()
def close_after_reset(t):
    """A connection reset by its peer, whether or not the process read the error."""
    with tcp(("127.0.0.1", 5001), backlog=1) as listener, t.trace() as trace:
        for reads_error in (False, True):
            client, accepted = pair_on(listener)
            port = port_of(client)
            reset(accepted)
            if reads_error:
                equal(refused(client.recv, 1), "ECONNRESET", "recv")
            client.close()
            trace.once(
                event="close",
                local_port=port,
                remote_port=5001,
                error="ECONNRESET",
                next_state=None,
                **t.me,
            )


@test()
def close_after_timeout(t):
    """A connect without an answer: the listener's queue is full, so the kernel drops the SYN."""
    with tcp(("127.0.0.1", 5001), backlog=0), t.trace() as trace:
        with socket.create_connection(("127.0.0.1", 5001)), socket.socket() as late:
            late.setsockopt(socket.IPPROTO_TCP, socket.TCP_SYNCNT, 1)
            late.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 100)
            equal(refused(late.connect, ("127.0.0.1", 5001)), "ETIMEDOUT", "connect")
            port = trace.wait(_count=2, event="connect", remote_port=5001, errno=None)["local_port"]
        trace.once(event="close", local_port=port, error="ETIMEDOUT", next_state=None, **t.me)


@test()
def socket_keeps_its_identity(t):
    with t.trace() as trace:
        names = set()
        for port in (5001, 5002, 5001):
            with tcp(("127.0.0.1", port), backlog=1):
                pass
        trace.mark()
        for index, port in enumerate((5001, 5002, 5001)):
            kinds = [trace.find(event=e, local_port=port) for e in ("bind", "listen", "close")]
            which = 1 if index == 2 else 0
            found = {str(k[which].get("socket")) for k in kinds if len(k) > which}
            equal(len(found), 1, f"names of socket {index} ({found})")
            names |= found
        equal(len(names), 3, f"different sockets ({names})")
        check("None" not in names, "a socket without a name")


# --- UDP without bind ----------------------------------------------------------------------------


@test()
def udp_send_without_bind(t):
    with udp(("127.0.0.1", 5001)), t.trace() as trace:
        with udp() as sock:
            for _ in range(3):
                sock.sendto(b"x", ("127.0.0.1", 5001))
            port = port_of(sock)
            trace.once(
                event="bind",
                protocol="udp",
                local_port=port,
                requested_port=0,
                errno=None,
                ephemeral=True,
                **t.me,
            )
        trace.once(event="close", protocol="udp", local_port=port, **t.me)


@test()
def udp_sendmsg_without_bind_ipv6(t):
    with udp(("::1", 5001)), t.trace() as trace:
        with udp(address="::1") as sock:
            sock.sendmsg([b"x"], [], 0, ("::1", 5001))
            port = port_of(sock)
            trace.once(
                event="bind",
                protocol="udp",
                family="ipv6",
                local_port=port,
                ephemeral=True,
                errno=None,
                **t.me,
            )
        trace.once(event="close", protocol="udp", local_port=port, **t.me)


@test()
def udp_connect_without_bind(t):
    with udp(("127.0.0.1", 5001)), t.trace() as trace:
        with udp() as sock:
            sock.connect(("127.0.0.1", 5001))
            sock.send(b"x")
            port = port_of(sock)
            trace.once(
                event="connect",
                protocol="udp",
                local_port=port,
                local_address="127.0.0.1",
                remote_address="127.0.0.1",
                remote_port=5001,
                ephemeral=True,
                errno=None,
                **t.me,
            )
            trace.never(event="bind", local_port=port)
        trace.once(event="close", protocol="udp", local_port=port, **t.me)


@test()
def udp_connect_after_bind(t):
    with udp(("127.0.0.1", 5001)), t.trace() as trace:
        with udp(("127.0.0.1", 5002)) as sock:
            sock.connect(("127.0.0.1", 5001))
            trace.once(event="bind", protocol="udp", local_port=5002, **t.me)
            trace.once(event="connect", protocol="udp", local_port=5002, remote_port=5001, **t.me)


# --- events selected by -e -----------------------------------------------------------------------


@test()
def accept_by_a_worker(t):
    """Another process accepts than the one that listens."""

    def accept(me, listener):
        me.send()
        sock = listener.accept()[0]
        me.send()
        me.receive()
        sock.close()

    with tcp(("127.0.0.1", 5001), backlog=1) as listener, t.trace(
        "-e", "accept,close", "-e", "bind"
    ) as trace:
        worker = t.fork(accept, listener, comm="pt-worker", keep=[listener])
        worker.receive()
        with socket.create_connection(("127.0.0.1", 5001)) as client:
            worker.receive()
            port = port_of(client)
            trace.once(
                event="accept",
                protocol="tcp",
                local_address="127.0.0.1",
                local_port=5001,
                remote_address="127.0.0.1",
                remote_port=port,
                netns=t.netns,
                **worker.who,
            )
            worker.send()
            worker.result()
            trace.once(event="close", local_port=5001, remote_port=port, **worker.who)


@test()
def timewait_enters(t):
    """A TIME_WAIT begins in softirq, but porttrace reports the process that closed the connection."""

    def close(me, sock):
        sock.close()
        me.receive()

    with tcp(("127.0.0.1", 5001), backlog=1) as listener, t.trace(
        "-e", "timewait,close,bind"
    ) as trace:
        client, accepted = pair_on(listener)
        port = port_of(client)
        child = t.fork(close, client, comm="pt-closer", keep=[client])
        client.close()  # the child has a copy and closes last, or has already closed it
        at_end(accepted)
        accepted.close()
        until(lambda: timewaits(port), "TIME_WAIT")
        trace.once(
            event="timewait",
            action="enter",
            local_port=port,
            remote_port=5001,
            pid=lambda pid: pid in (child.pid, os.getpid()),
            netns=t.netns,
        )
        child.send()
        child.result()


@test()
def timewait_enters_of_many(t):
    """Each of many TIME_WAITs: now and then a timer interrupts one of porttrace's probes, and the interrupt begins a
    TIME_WAIT."""
    sysctl("ipv4/tcp_tw_reuse", 0)
    mine = {"event": "timewait", "action": "enter", "remote_port": 5001, "pid": os.getpid()}
    used = []

    def unsettled():
        return [row for row in run_text("ss", "-Htan").splitlines() if row.split()[0] not in ("LISTEN", "TIME-WAIT")]

    with tcp(("127.0.0.1", 5001), backlog=8) as listener, t.trace("-e", "timewait,close,bind") as trace:
        for _ in range(300):
            client, accepted = pair_on(listener)
            used.append(port_of(client))
            client.close()
            accepted.close()
        until(lambda: not unsettled(), "all connections have ended")
        # A few connections may have been reset, so compare with ss.
        ports = {int(local.rsplit(":", 1)[1]) for local, remote in timewaits(5001) if remote.endswith(":5001")}
        check(len(ports) > 250, f"ss sees {len(ports)} TIME_WAITs of {len(used)} connections")
        trace.mark()
        ports_reported = [record["local_port"] for record in trace.find(**mine)]
        equal(len(ports_reported), len(set(ports_reported)), "each is reported once")
        equal(sorted(ports - set(ports_reported)), [], "ports in ss that were not reported")
        equal(sorted(set(ports_reported) - set(used)), [], "reported ports that this test did not use")
        equal(trace.find(event="lost"), [], "lost events")


def ss_state(port):
    """The states that ss shows for a local port."""
    rows = [row.split() for row in run_text("ss", "-Htan").splitlines()]
    return [row[0] for row in rows if row[3].rsplit(":", 1)[1] == str(port)]


@test()
def timewait_of_a_half_closed_peer(t):
    """The peer does not close: the kernel keeps FIN_WAIT2 as a TIME_WAIT, which expires like one."""
    sysctl("ipv4/tcp_fin_timeout", 2)
    with tcp(("127.0.0.1", 5001), backlog=1) as listener, t.trace("-e", "timewait,close,bind") as trace:
        client, accepted = pair_on(listener)
        port = port_of(client)
        client.close()
        until(lambda: ss_state(port) == ["FIN-WAIT-2"], "ss shows FIN-WAIT-2")
        mine = {"event": "timewait", "local_port": port, "remote_port": 5001, "pid": os.getpid()}
        trace.once(action="enter", substate="FIN_WAIT2", **mine)
        until(lambda: not ss_state(port), "it has ended")
        if trace.start_record["probes"] != "tracepoint":
            trace.once(action="expire", substate="FIN_WAIT2", **mine)
        accepted.close()


@test()
def timewait_of_a_peer_that_has_closed(t):
    """Both sides have sent a FIN before the TIME_WAIT begins: its state is TIME_WAIT, not FIN_WAIT2."""
    with tcp(("127.0.0.1", 5001), backlog=1) as listener, t.trace("-e", "timewait,close,bind") as trace:
        client, accepted = pair_on(listener)
        port = port_of(client)
        client.shutdown(socket.SHUT_WR)
        at_end(accepted)
        accepted.close()
        until(lambda: "TIME-WAIT" in ss_state(port), "ss shows TIME-WAIT")
        trace.once(event="timewait", action="enter", substate="TIME_WAIT", local_port=port, pid=os.getpid())
        client.close()


@test()
def release_belongs_to_the_owner(t):
    """A reset frees the port in softirq while another process runs: porttrace must report the owner instead."""

    def serve(me):
        with tcp(("127.0.0.1", 5001), backlog=1) as listener:
            me.send()
            sock = listener.accept()[0]
            me.receive()
            reset(sock)

    with t.trace("-e", "release,bind,close") as trace:
        server = t.fork(serve, comm="pt-resetter")
        server.receive()
        client = socket.create_connection(("127.0.0.1", 5001))
        port = port_of(client)
        server.send()
        server.result()
        poll = select.poll()
        poll.register(client, select.POLLIN)
        check(poll.poll(DEADLINE * 1000), "no reset")
        record = trace.once(event="release", protocol="tcp", local_port=port, netns=t.netns)
        for name in ("pid", "comm"):
            equal(record.get(name), t.me[name], f"release: {name}")
        client.close()


@test()
def release_after_close(t):
    with t.trace("-e", "release", "-e", "bind,close") as trace:
        with tcp(("127.0.0.1", 5001)), udp(("127.0.0.1", 5002)):
            pass
        trace.once(event="release", protocol="tcp", local_port=5001, pid=os.getpid())
        trace.once(event="release", protocol="udp", local_port=5002, pid=os.getpid())


@test()
def release_only_of_a_free_port(t):
    """After `release` a bind() without options succeeds: no other socket has the port."""
    def is_free(make=tcp):
        try:
            make(("127.0.0.1", 5001)).close()
            return True
        except OSError:
            return False

    def is_reported(trace, protocol="tcp"):
        trace.mark()
        return bool(trace.find(event="release", protocol=protocol, local_port=5001, pid=me["pid"]))

    me = t.me
    # Connections in turn: while the listener lives, after it, and one that leaves a TIME_WAIT.
    with t.trace("-e", "release,bind,close") as trace:
        listener = tcp(("127.0.0.1", 5001), REUSEADDR, backlog=4)
        first, second = pair_on(listener), pair_on(listener)
        close_first(first[0], first[1], port_of(first[0]))
        equal((is_free(), is_reported(trace)), (False, False), "free, reported: a connection ends, the listener lives")
        listener.close()
        equal((is_free(), is_reported(trace)), (False, False), "free, reported: the listener ends, a connection lives")
        close_first(second[0], second[1], port_of(second[0]))
        until(lambda: is_reported(trace) or None, "the release by the last connection")
        check(is_free(), "reported, and not free")
    with t.trace("-e", "release,bind,close") as trace:
        listener = tcp(("127.0.0.1", 5001), REUSEADDR, backlog=4)
        client, accepted = pair_on(listener)
        close_first(accepted, client, port_of(client))
        listener.close()
        equal((is_free(), is_reported(trace)), (False, False), "free, reported: a TIME_WAIT has the port")
    with t.trace("-e", "release,bind,close") as trace:
        one, two = (udp(("127.0.0.1", 5001), REUSEADDR) for _ in range(2))
        one.close()
        equal((is_free(udp), is_reported(trace, "udp")), (False, False), "free, reported: another UDP socket has the port")
        two.close()  # deferred while a scan of porttrace looks at the descriptor
        until(lambda: is_reported(trace, "udp") or None, "the release by the last UDP socket")
        check(is_free(udp), "reported, and not free")


@test()
def disconnect_frees_the_port(t):
    """connect() to AF_UNSPEC releases an ephemeral port; the socket remains open."""
    with tcp(("127.0.0.1", 5001), backlog=1) as listener, t.trace(
        "-e", "release,connect,close"
    ) as trace:
        client, accepted = pair_on(listener)
        port = port_of(client)
        address = struct.pack("=H14x", socket.AF_UNSPEC)
        _connect_raw(client, address)
        tcp(("127.0.0.1", port)).close()  # the port is free, although getsockname() still returns it
        trace.once(event="release", local_port=port, remote_port=5001, pid=os.getpid())
        client.close()
        accepted.close()


def _connect_raw(sock, address):
    import ctypes  # Python does not support AF_UNSPEC

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.connect(sock.fileno(), address, len(address)) < 0:
        raise Failure(f"connect to AF_UNSPEC: {os.strerror(ctypes.get_errno())}")


# --- all of it, in one ---------------------------------------------------------------------------


@test()
def one_process_does_it_all(t):
    """One process makes every kind of event in one run; the test counts every record."""
    with t.trace() as trace:
        with tcp(("127.0.0.1", 0)) as first:
            first.listen(9)
            port = port_of(first)
            client, accepted = pair_on(first)
            source = port_of(client)
            client.close()
            accepted.close()
            with udp(("::1", 0)) as datagram, udp(address="::1") as sender:
                sender.sendto(b"x", datagram.getsockname())
                ports = port_of(datagram), port_of(sender)
            with socket.socket() as nowhere:
                equal(refused(nowhere.connect, ("127.0.0.1", 5009)), "ECONNREFUSED", "connect")
        trace.mark()
        want = [
            ("bind", "tcp", port),
            ("listen", "tcp", port),
            ("connect", "tcp", source),
            ("close", "tcp", source),
            ("close", "tcp", port),
            ("close", "tcp", port),
            ("bind", "udp", ports[0]),
            ("bind", "udp", ports[1]),
            ("close", "udp", ports[0]),
            ("close", "udp", ports[1]),
            ("bind", "udp", 61999),
            ("close", "udp", 61999),
        ]
        gone = trace.wait(event="close", remote_port=5009)["local_port"]
        want += [("connect", "tcp", gone), ("close", "tcp", gone)]
        got = [
            (r["event"], r["protocol"], r.get("local_port")) for r in trace.find(pid=os.getpid())
        ]
        equal(sorted(map(str, got)), sorted(map(str, want)), "all records of this process")


@test()
def raw_sockets_have_no_ports(t):
    """The kernel stores the protocol of a raw socket where other sockets have their port."""
    with t.trace() as trace:
        trace.never(local_port=lambda port: port in (socket.IPPROTO_TCP, socket.IPPROTO_UDP), **t.me)
        trace.never(local_address="10.1.2.3", **t.me)
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP) as raw:
            raw.bind(("127.0.0.1", 0))
        with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_UDP) as raw:
            raw.connect(("::1", 0))
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP) as raw:
            equal(refused(raw.bind, ("10.1.2.3", 0)), "EADDRNOTAVAIL", "errno of bind")


@test(own=True)
def start_and_stop(t):
    with t.trace() as trace:
        start = trace.start_record
        for name in ("version", "kernel", "probes", "missing", "sockets", "netns_count"):
            check(name in start, f"start without {name}")
        equal(
            start["kernel"].split("-")[0].split(".")[:2],
            os.uname().release.split(".")[:2],
            "kernel",
        )
        check(isinstance(start["missing"], list), "missing is not a list")
        check(start["netns_count"] >= 1, "netns_count")
        check(re.match(r"\d+\.\d+", start["version"]), "version")
        equal(trace.records.index(start), 0, "position of the start record")
        with tcp(("127.0.0.1", 5001)):
            pass
        trace.mark()
        status, stop = trace.stop()
        equal(status, 0, "exit status")
        equal(trace.records[-1], stop, "last record")
        check(stop["events"] >= 4, f"events in the stop record: {stop['events']}")
