# SPDX-License-Identifier: GPL-2.0-only
"""The corpus: the address, the socket, the permission."""

import os
import socket

from corpus import HERE, PORT, allow, attempt, binder, case, judge, me, outcome, own_refusal, refuse
from corpus_kernel import (
    INET4_BIND, INET4_CONNECT, INET4_POST_BIND, PROG_CGROUP_SOCK, PROG_CGROUP_SOCK_ADDR, Cgroup, answer,
    restrict_by_landlock, sockaddr)
from porttrace_test import (
    CLONE_NEWUSER, IP_FREEBIND, NOBODY, V6ONLY, Skip, check, libc, libc_check, pair_on, require_userns, sysctl, tcp,
    udp)


def raw_bind(sock, data):
    """bind() with these bytes, which Python would not accept as an address."""
    libc_check(libc.bind(sock.fileno(), data, len(data)))


def sockaddr6(address, port=PORT):
    return (socket.AF_INET6.to_bytes(2, "little") + port.to_bytes(2, "big") + bytes(4) +
            socket.inet_pton(socket.AF_INET6, address) + bytes(4))


# --- the address ----------------------------------------------------------------------------------

@case("udp6-not-local")
def _(t):
    with t.trace() as trace:
        refuse(t, trace, udp, ("2001:db8::1", PORT), error="EADDRNOTAVAIL", pids=(),
               cause="not-local-address")


@case("tcp6-disabled-bind")
def _(t):
    sysctl("ipv6/conf/all/disable_ipv6", 1)
    with t.trace() as trace:
        refuse(t, trace, tcp, ("::1", PORT), error="EADDRNOTAVAIL", pids=(), cause="not-local-address")


@case("tcp6-disabled-connect")
def _(t):
    sysctl("ipv6/conf/all/disable_ipv6", 1)
    with t.trace() as trace, socket.socket(socket.AF_INET6) as sock:
        own_refusal(t, trace, sock.connect, ("::1", 6001), event="connect", error="EADDRNOTAVAIL",
                    cause="no-source-address")


@case("tcp6-linklocal-noscope")
def _(t):
    with t.trace() as trace:
        refuse(t, trace, tcp, ("fe80::1", PORT), error="EINVAL", pids=(), cause="scope-missing")


@case("tcp6-mapped-v6only")
def _(t):
    with t.trace() as trace:
        refuse(t, trace, tcp, ("::ffff:127.0.0.1", PORT), V6ONLY, error="EINVAL", pids=(),
               cause="bad-address")


@case("tcp4-freebind-ok")
def _(t):
    with t.trace() as trace:
        allow(t, trace, tcp, ("192.0.2.1", PORT), (socket.IPPROTO_IP, IP_FREEBIND, 1))


@case("tcp4-nonlocal-ok")
def _(t):
    sysctl("ipv4/ip_nonlocal_bind", 1)
    with t.trace() as trace:
        allow(t, trace, tcp, ("192.0.2.1", PORT))


def _raw(t, family, data, error, cause, **want):
    with t.trace() as trace, socket.socket(family) as sock:
        own_refusal(t, trace, raw_bind, sock, data, event="bind", error=error, cause=cause, pids=(), **want)


@case("tcp4-bind-short")
def _(t):
    _raw(t, socket.AF_INET, sockaddr(HERE)[:8], "EINVAL", "bad-address", local_port=PORT)


@case("tcp4-bind-family")
def _(t):
    _raw(t, socket.AF_INET, sockaddr6("::1"), "EAFNOSUPPORT", "bad-address")


@case("tcp6-bind-short")
def _(t):
    _raw(t, socket.AF_INET6, sockaddr6("::1")[:16], "EINVAL", "bad-address", local_port=PORT)


@case("tcp4-bind-shorter")
def _(t):
    """The family and half of the port."""
    _raw(t, socket.AF_INET, sockaddr(HERE)[:3], "EINVAL", "bad-address", local_port=0)


@case("tcp6-bind-family")
def _(t):
    _raw(t, socket.AF_INET6, sockaddr(HERE) + bytes(12), "EAFNOSUPPORT", "bad-address")


@case("tcp6-bind-multicast")
def _(t):
    _raw(t, socket.AF_INET6, sockaddr6("ff05::1"), "EINVAL", "bad-address")


# --- the socket -----------------------------------------------------------------------------------

@case("tcp4-bind-connected")
def _(t):
    with tcp(("127.0.0.1", 6001), backlog=1) as listener, t.trace() as trace:
        client, accepted = pair_on(listener)
        own_refusal(t, trace, client.bind, HERE, event="bind", error="EINVAL", cause="already-bound",
                    pids=(), local_port=PORT)
        client.close()
        accepted.close()


@case("tcp4-listen-connected")
def _(t):
    with tcp(("127.0.0.1", 6001), backlog=1) as listener, t.trace() as trace:
        client, accepted = pair_on(listener)
        own_refusal(t, trace, client.listen, 1, event="listen", error="EINVAL", cause="bad-state", pids=())
        client.close()
        accepted.close()


@case("tcp4-connect-listening")
def _(t):
    with tcp(HERE, backlog=1) as sock, t.trace() as trace:
        own_refusal(t, trace, sock.connect, ("127.0.0.1", 6001), event="connect", error="EISCONN",
                    cause="bad-state", pids=())


@case("udp4-listen")
def _(t):
    with udp(HERE) as sock, t.trace() as trace:
        check(outcome(sock.listen, 1) in ("EOPNOTSUPP", "ENOTSUP"), "errno")  # one number
        record = trace.once(event="listen", errno="EOPNOTSUPP", **t.me)
        judge(record, "bad-state", ())


# --- the permission -------------------------------------------------------------------------------

@case("tcp4-privileged-and-held")
def _(t):
    """The kernel checks the privilege before it searches for a holder, which would refuse next."""
    with tcp(("127.0.0.1", 80), backlog=1), t.trace() as trace:
        record = refuse(t, trace, tcp, ("127.0.0.1", 80), uid=NOBODY, error="EACCES", cause="privileged-port",
                        pids=me(), hint="Port 80 is in use as well, by pt-test")
        check(record["conflict"]["fix"].startswith("Stop pt-test"), record["conflict"]["fix"])


@case("tcp4-bound-and-held")
def _(t):
    """A socket that has a port asks for one that another process has."""
    with tcp(("127.0.0.1", 5001), backlog=1), t.trace() as trace:
        def bind(held):
            held.append(tcp(("127.0.0.1", 5002)))
            held[0].bind(("127.0.0.1", 5001))

        child = attempt(t, bind, error="EINVAL")
        record = judge(trace.once(event="bind", errno="EINVAL", **child.who), "already-bound", pids=me(),
                       hint="Port 5001 is in use as well, by pt-test")
        check(record["conflict"]["fix"].startswith("Stop pt-test"), record["conflict"]["fix"])
        child.send()


@case("tcp4-bind-twice-same")
def _(t):
    with tcp(HERE) as sock, t.trace() as trace:
        record = own_refusal(t, trace, sock.bind, HERE, event="bind", error="EINVAL", cause="already-bound", pids=())
        check(record["conflict"]["fix"].startswith("Remove the second bind()"), record["conflict"]["fix"])


@case("tcp4-privileged-lowered-ok")
def _(t):
    sysctl("ipv4/ip_unprivileged_port_start", 80)
    with t.trace() as trace:
        allow(t, trace, tcp, ("127.0.0.1", 80), uid=NOBODY, listen=True)


@case("tcp4-privileged-userns")
def _(t):
    """The caller is root in another user namespace than the one that owns the network namespace."""
    def bind(held):
        libc_check(libc.unshare(CLONE_NEWUSER))
        with open("/proc/self/setgroups", "w", encoding="ascii") as file:
            file.write("deny")
        with open("/proc/self/uid_map", "w", encoding="ascii") as file:
            file.write("0 0 1")
        binder(tcp, ("127.0.0.1", 80))(held)

    require_userns()
    with t.trace() as trace:
        child = attempt(t, bind, error="EACCES")
        judge(trace.once(event="bind", errno="EACCES", local_port=80, **child.who), "privileged-port", ())
        child.send()
        child.result()


def _in_cgroup(t, group, function, error):
    def run(held):
        group.enter()
        function(held)

    return attempt(t, run, error=error)


def _finish(child):
    child.send()
    child.result()


@case("tcp4-cgroup-bind")
def _(t):
    with Cgroup("bind") as group, t.trace() as trace:
        group.attach(PROG_CGROUP_SOCK_ADDR, INET4_BIND, answer(0))
        child = _in_cgroup(t, group, binder(tcp, HERE), "EPERM")
        judge(trace.once(event="bind", errno="EPERM", local_port=PORT, **child.who),
              "denied-by-cgroup-bpf", ())
        _finish(child)


@case("tcp4-cgroup-postbind")
def _(t):
    with Cgroup("postbind") as group, t.trace() as trace:
        group.attach(PROG_CGROUP_SOCK, INET4_POST_BIND, answer(0))
        child = _in_cgroup(t, group, binder(tcp, HERE), "EPERM")
        judge(trace.once(event="bind", errno="EPERM", local_port=PORT, **child.who),
              "denied-by-cgroup-bpf", ())
        _finish(child)


@case("tcp4-cgroup-connect")
def _(t):
    def connect(held):
        held.append(socket.socket())
        held[0].connect(HERE)

    with tcp(HERE, backlog=1), Cgroup("connect") as group, t.trace() as trace:
        group.attach(PROG_CGROUP_SOCK_ADDR, INET4_CONNECT, answer(0))
        child = _in_cgroup(t, group, connect, "EPERM")
        judge(trace.once(event="connect", errno="EPERM", remote_port=PORT, **child.who),
              "denied-by-cgroup-bpf", ())
        _finish(child)


def _landlocked(t, function, event, **rule):
    def run(held):
        restrict_by_landlock(**rule)
        function(held)

    restrict_by_landlock_works()
    with tcp(("127.0.0.1", 6001), backlog=1), t.trace() as trace:
        child = attempt(t, run, error="EACCES")
        judge(trace.once(event=event, errno="EACCES", **child.who), "denied-by-lsm", ())
        _finish(child)


def restrict_by_landlock_works():
    pid = os.fork()
    if not pid:
        try:
            restrict_by_landlock(bind=True)
            os._exit(0)
        except BaseException:  # pylint: disable=broad-except
            os._exit(1)
    if os.waitpid(pid, 0)[1]:
        raise Skip("this kernel has no Landlock rules for ports, or they are not enabled (lsm=)")


@case("tcp4-landlock-bind")
def _(t):
    _landlocked(t, binder(tcp, HERE), "bind", bind=True)


@case("tcp4-landlock-connect")
def _(t):
    def connect(held):
        held.append(socket.socket())
        held[0].connect(("127.0.0.1", 6001))

    _landlocked(t, connect, "connect", connect=True)
