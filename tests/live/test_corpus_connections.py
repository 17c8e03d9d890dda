# SPDX-License-Identifier: GPL-2.0-only
"""The corpus: an open or closed connection has the port."""

import os
import socket

from corpus import HERE, PORT, add_hole, allow, binder, case, in_state, judge, me, outcome, refuse, \
    small_range
from porttrace_test import (
    NOBODY, REUSEADDR, REUSEPORT, at_end, check, close_first, equal, pair_on, port_of, reset,
    sysctl, tcp, timewaits)

ANY = ("0.0.0.0", PORT)


def served(*options, where=HERE):
    """A listener and one connection to it: (listener, client, accepted)."""
    listener = tcp(where, *options, backlog=1)
    return (listener, *pair_on(listener))


def leave_timewait(*options, where=HERE):
    """Leaves the TIME_WAIT of a server that has closed all its sockets."""
    listener, client, accepted = served(*options, where=where)
    close_first(accepted, client, PORT)
    listener.close()


@case("tcp6-time-wait")
def _(t):
    with t.trace() as trace:
        leave_timewait(where=("::1", PORT))
        refuse(t, trace, tcp, ("::1", PORT), cause="time-wait", pids=me())


@case("tcp4-time-wait-wild")
def _(t):
    with t.trace() as trace:
        leave_timewait()
        refuse(t, trace, tcp, ANY, cause="time-wait", pids=me())


@case("tcp4-time-wait-client")
def _(t):
    """The TIME_WAIT of a client that had bound its port, without SO_REUSEADDR."""
    with tcp(("127.0.0.1", 6001), backlog=1) as listener, t.trace() as trace:
        client, accepted = pair_on(listener, client=tcp(HERE))
        close_first(client, accepted, PORT)
        refuse(t, trace, tcp, HERE, REUSEADDR, cause="time-wait-holder-noreuse", pids=me())


@case("tcp4-time-wait-reuseaddr-ok")
def _(t):
    with t.trace() as trace:
        leave_timewait(REUSEADDR)
        allow(t, trace, tcp, HERE, REUSEADDR, listen=True)


@case("tcp4-time-wait-reuseport-ok")
def _(t):
    """The kernel does not compare the uid with that of a TIME_WAIT."""
    with t.trace() as trace:
        leave_timewait(REUSEPORT)
        allow(t, trace, tcp, HERE, REUSEPORT, uid=NOBODY, listen=True)


@case("tcp4-time-wait-overflow-ok")
def _(t):
    sysctl("ipv4/tcp_max_tw_buckets", 0)
    with t.trace() as trace:
        listener, client, accepted = served()
        accepted.close()
        at_end(client)
        client.close()
        listener.close()
        equal(timewaits(PORT), [], "TIME_WAITs")
        allow(t, trace, tcp, HERE)


@case("tcp4-linger0-ok")
def _(t):
    with t.trace() as trace:
        listener, client, accepted = served()
        reset(accepted)
        client.close()
        listener.close()
        allow(t, trace, tcp, HERE)


@case("tcp4-unaccepted-ok")
def _(t):
    """A connection that was not accepted ends with its listener."""
    with t.trace() as trace:
        listener = tcp(HERE, backlog=1)
        client = socket.create_connection(HERE)
        listener.close()
        allow(t, trace, tcp, HERE)
        client.close()


@case("tcp4-fin-wait2")
def _(t):
    """The server has closed its end, the client has not."""
    with t.trace() as trace:
        listener, client, accepted = served(REUSEADDR)
        accepted.close()
        at_end(client)
        in_state("fin-wait-2")
        listener.close()
        refuse(t, trace, tcp, HERE, cause="fin-wait2", pids=me())
        client.close()


def fill(sock):
    """Sends until the send buffer is full."""
    sock.setblocking(False)
    try:
        while True:
            sock.send(b"x" * 65536)
    except BlockingIOError:
        pass


@case("tcp4-orphan-fin-wait1")
def _(t):
    with t.trace() as trace:
        listener, client, accepted = served(REUSEADDR)
        fill(accepted)
        accepted.close()
        listener.close()
        in_state("fin-wait-1")
        refuse(t, trace, tcp, HERE, cause="orphan", pids=me())
        client.close()


@case("tcp4-orphan-last-ack")
def _(t):
    with t.trace() as trace:
        listener, client, accepted = served(REUSEADDR)
        client.shutdown(socket.SHUT_WR)
        at_end(accepted)
        fill(accepted)
        accepted.close()
        listener.close()
        in_state("last-ack")
        refuse(t, trace, tcp, HERE, cause="orphan", pids=me())
        client.close()


@case("tcp4-orphan-gone")
def _(t):
    """porttrace names the process that left the orphan, although it has exited."""
    def serve(process):
        listener = tcp(HERE, REUSEADDR, backlog=1)
        process.send()
        accepted = listener.accept()[0]
        fill(accepted)

    with t.trace() as trace:
        server = t.fork(serve, comm="pt-server")
        server.receive()
        client = socket.create_connection(HERE)
        server.result()
        in_state("fin-wait-1")
        record = refuse(t, trace, tcp, HERE, cause="orphan", pids={server.pid})
        check(record["conflict"]["holders"][0]["pids"][0].get("gone"), "the server is not reported as gone")
        client.close()


@case("tcp4-orphan-reuseport")
def _(t):
    """Since 6.17 an orphan has the uid of its socket, before that uid 0: bind() succeeds as one of the two users."""
    def serve(process):
        listener = tcp(HERE, REUSEPORT, backlog=1)
        process.send()
        accepted = listener.accept()[0]
        fill(accepted)

    with t.trace() as trace:
        server = t.fork(serve, comm="pt-server", uid=NOBODY)
        server.receive()
        client = socket.create_connection(HERE)
        server.result()
        in_state("fin-wait-1")
        uids = [0, NOBODY] if is_let_in(t, 0) else [NOBODY, 0]
        allow(t, trace, tcp, HERE, REUSEPORT, uid=uids[0])
        refuse(t, trace, tcp, HERE, REUSEPORT, cause="orphan", pids={server.pid}, uid=uids[1])
        client.close()


def is_let_in(t, uid):
    child = t.fork(lambda process: process.send(outcome(binder(tcp, HERE, REUSEPORT), [])), uid=uid)
    error = child.receive()
    child.result()
    return error is None


@case("tcp4-accepted-noreuse")
def _(t):
    with t.trace() as trace:
        listener, client, accepted = served()
        listener.close()
        refuse(t, trace, tcp, HERE, REUSEADDR, cause="accepted-connection", pids=me())
        client.close()
        accepted.close()


@case("tcp4-close-wait")
def _(t):
    with t.trace() as trace:
        listener, client, accepted = served()
        client.close()
        at_end(accepted)
        listener.close()
        refuse(t, trace, tcp, HERE, cause="accepted-connection", pids=me())
        accepted.close()


@case("tcp4-ephemeral-holder-wild")
def _(t):
    with tcp(("127.0.0.1", 6001), backlog=1) as listener, t.trace() as trace:
        client, accepted = pair_on(listener)
        refuse(t, trace, tcp, ("0.0.0.0", port_of(client)), cause="ephemeral-holder", pids=me())
        client.close()
        accepted.close()


@case("tcp4-ephemeral-holder-listen")
def _(t):
    """The client had the port before porttrace started."""
    with tcp(("127.0.0.1", 6001), backlog=1) as listener:
        client, accepted = pair_on(listener)
        with t.trace() as trace:
            refuse(t, trace, tcp, client.getsockname(), REUSEADDR, cause="ephemeral-holder", pids=me())
        client.close()
        accepted.close()


@case("tcp4-syn-sent")
def _(t):
    add_hole()
    small_range()
    with t.trace() as trace, socket.socket() as client:
        client.setblocking(False)
        client.connect_ex(("10.99.0.2", 6001))
        refuse(t, trace, tcp, client.getsockname(), cause="ephemeral-holder", pids=me())


@case("tcp4-self-connect")
def _(t):
    with t.trace() as trace, tcp(HERE) as sock:
        sock.connect(HERE)
        refuse(t, trace, tcp, HERE, cause="self-connect", pids=me())


@case("tcp4-tuple-in-use")
def _(t):
    with tcp(("127.0.0.1", 6001), backlog=2) as listener, t.trace() as trace:
        client, accepted = pair_on(listener, client=tcp(HERE, REUSEADDR))
        with tcp(HERE, REUSEADDR) as second:
            equal(second.connect_ex(("127.0.0.1", 6001)), 99, "errno of the second connect")
            record = trace.once(event="connect", errno="EADDRNOTAVAIL", **t.me)
            judge(record, "four-tuple-in-use", me())
        client.close()
        accepted.close()


@case("tcp4-tuple-time-wait")
def _(t):
    sysctl("ipv4/tcp_timestamps", 0)
    with tcp(("127.0.0.1", 6001), backlog=2) as listener, t.trace() as trace:
        client, accepted = pair_on(listener, client=tcp(HERE, REUSEADDR))
        close_first(client, accepted, PORT)
        with tcp(HERE, REUSEADDR) as second:
            equal(second.connect_ex(("127.0.0.1", 6001)), 99, "errno of the second connect")
            record = trace.once(event="connect", errno="EADDRNOTAVAIL", **t.me)
            judge(record, "four-tuple-time-wait", me())


@case("tcp4-tuple-time-wait-ok")
def _(t):
    with tcp(("127.0.0.1", 6001), backlog=2) as listener, t.trace() as trace:
        client, accepted = pair_on(listener, client=tcp(HERE, REUSEADDR))
        close_first(client, accepted, PORT)
        with tcp(HERE, REUSEADDR) as second:
            second.connect(("127.0.0.1", 6001))
            trace.times(2, event="connect", errno=None, local_port=PORT, **t.me)
            trace.never(errno=lambda name: True, pid=os.getpid())
