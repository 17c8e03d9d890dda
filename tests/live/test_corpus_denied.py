# SPDX-License-Identifier: GPL-2.0-only
"""The corpus: calls that other code than the socket's refuses, and addresses that are not ready.

porttrace knows how far a call got from its own programs, which run last at the root of the cgroups, and from the
kernel's list of seccomp filters of each process.
"""

import errno

from corpus import HERE, PORT, attempt, binder, case, judge, me, refuse, sock_for
from corpus_kernel import (
    INET4_BIND, INET4_CONNECT, INET6_BIND, INET6_CONNECT, PROG_CGROUP_SOCK_ADDR, SYS_BIND, SYS_CONNECT,
    SYS_LISTEN, Cgroup, answer, refuse_by_seccomp, restrict_by_landlock, rewrite_address, rewrite_port)
from porttrace_test import NOBODY, Skip, check, equal, run_text, sysctl, tcp, udp
from test_corpus_address import _finish, _in_cgroup, restrict_by_landlock_works


@case("tcp6-tentative")
def _(t):
    run_text("ip", "link", "add", "pt-v0", "type", "veth", "peer", "name", "pt-v1")
    sysctl("ipv6/conf/pt-v0/dad_transmits", 20)
    run_text("ip", "link", "set", "pt-v0", "up")
    run_text("ip", "link", "set", "pt-v1", "up")
    run_text("ip", "address", "add", "2001:db8::5/64", "dev", "pt-v0")
    with t.trace() as trace:
        refuse(t, trace, tcp, ("2001:db8::5", PORT), error="EADDRNOTAVAIL", pids=(),
               cause="address-tentative")


@case("tcp4-cgroup-rewrite")
def _(t):
    """The caller requests port 6001, the program changes it to 5001, and 5001 has a holder."""
    with tcp(HERE, backlog=1), Cgroup("rewrite") as group, t.trace() as trace:
        group.attach(PROG_CGROUP_SOCK_ADDR, INET4_BIND, rewrite_port(PORT))
        child = _in_cgroup(t, group, binder(tcp, ("127.0.0.1", 6001)), "EADDRINUSE")
        record = trace.once(event="bind", errno="EADDRINUSE", **child.who)
        judge(record, "rewritten-by-cgroup-bpf", me())
        equal((record["requested_port"], record["local_port"]), (6001, PORT), "requested port and final port")
        _finish(child)


@case("tcp4-cgroup-rewrite-address")
def _(t):
    """The program changes the address to one that is not local."""
    with Cgroup("rewrite-address") as group, t.trace() as trace:
        group.attach(PROG_CGROUP_SOCK_ADDR, INET4_BIND, rewrite_address("192.0.2.1"))
        child = _in_cgroup(t, group, binder(tcp, HERE), "EADDRNOTAVAIL")
        record = trace.once(event="bind", errno="EADDRNOTAVAIL", **child.who)
        judge(record, "rewritten-by-cgroup-bpf", (), hint="192.0.2.1")
        _finish(child)


@case("tcp4-cgroup-rewrite-refuse")
def _(t):
    """A program of the cgroup changes the port, a program of its parent refuses: the call is refused."""
    with Cgroup("above") as above, Cgroup("below", above) as below, t.trace() as trace:
        above.attach(PROG_CGROUP_SOCK_ADDR, INET4_BIND, answer(0))
        below.attach(PROG_CGROUP_SOCK_ADDR, INET4_BIND, rewrite_port(6001))
        child = _in_cgroup(t, below, binder(tcp, HERE), "EPERM")
        record = trace.once(event="bind", errno="EPERM", **child.who)
        judge(record, "denied-by-cgroup-bpf", ())
        _finish(child)


@case("tcp4-cgroup-rewrite-ok")
def _(t):
    """porttrace reports the port that the socket has."""
    with Cgroup("rewrite-ok") as group, t.trace() as trace:
        group.attach(PROG_CGROUP_SOCK_ADDR, INET4_BIND, rewrite_port(6001))
        child = _in_cgroup(t, group, binder(tcp, HERE), None)
        trace.once(event="bind", errno=None, local_port=6001, requested_port=PORT, **child.who)
        _finish(child)


def _denied(t, kind, where, function, event, filtered=False, **want):
    """A cgroup program refuses the call; with `filtered`, the process has a seccomp filter for another system call."""
    def run(held):
        if filtered:
            refuse_by_seccomp(SYS_LISTEN, errno.EPERM)
        function(held)

    with Cgroup("denied") as group, t.trace() as trace:
        group.attach(kind, where, answer(0))
        child = _in_cgroup(t, group, run, "EPERM")
        record = trace.once(event=event, errno="EPERM", **want, **child.who)
        judge(record, "denied-by-cgroup-bpf", ())
        check("as far as known" not in record["conflict"]["why"], record["conflict"]["why"])
        _finish(child)


def _connecting(make, where):
    def connect(held):
        held.append(sock_for(make, where))
        held[0].connect(where)

    return connect


@case("tcp6-cgroup-bind")
def _(t):
    _denied(t, PROG_CGROUP_SOCK_ADDR, INET6_BIND, binder(tcp, ("::1", PORT)), "bind", local_port=PORT)


@case("udp4-cgroup-bind")
def _(t):
    _denied(t, PROG_CGROUP_SOCK_ADDR, INET4_BIND, binder(udp, HERE), "bind", local_port=PORT)


@case("tcp4-cgroup-bind-filtered")
def _(t):
    _denied(t, PROG_CGROUP_SOCK_ADDR, INET4_BIND, binder(tcp, HERE), "bind", filtered=True)


@case("udp4-cgroup-connect")
def _(t):
    _denied(t, PROG_CGROUP_SOCK_ADDR, INET4_CONNECT, _connecting(udp, HERE), "connect", remote_port=PORT)


@case("tcp6-cgroup-connect")
def _(t):
    _denied(t, PROG_CGROUP_SOCK_ADDR, INET6_CONNECT, _connecting(tcp, ("::1", PORT)), "connect",
            remote_port=PORT)


@case("tcp4-landlock-bind-filtered")
def _(t):
    """A seccomp filter that allows bind() is not the one that refused."""
    def run(held):
        refuse_by_seccomp(SYS_LISTEN, errno.EPERM)
        restrict_by_landlock(bind=True)
        binder(tcp, HERE)(held)

    restrict_by_landlock_works()
    with t.trace() as trace:
        child = attempt(t, run, error="EACCES")
        judge(trace.once(event="bind", errno="EACCES", **child.who), "denied-by-lsm", ())
        _finish(child)


@case("tcp4-privileged-filtered")
def _(t):
    def run(held):
        refuse_by_seccomp(SYS_LISTEN, errno.EPERM)
        binder(tcp, ("127.0.0.1", 80))(held)

    with t.trace() as trace:
        child = attempt(t, run, uid=NOBODY, error="EACCES")
        judge(trace.once(event="bind", errno="EACCES", **child.who), "privileged-port", ())
        _finish(child)


def _filtered(t, number, function, event, error, **want):
    def run(held):
        refuse_by_seccomp(number, error)
        function(held)

    with t.trace() as trace:
        if "tracepoint" not in trace.start_record["probes"]:
            raise Skip("a call that seccomp refuses reaches no kernel function: only --probes=tracepoint reports it")
        if "seccomp" in trace.start_record["missing"]:
            raise Skip("no tracepoint has the arguments of a call that seccomp refuses here")
        child = attempt(t, run, error=errno.errorcode[error])
        record = trace.once(event=event, errno=errno.errorcode[error], **want, **child.who)
        judge(record, "denied-by-seccomp", ())
        _finish(child)


@case("tcp4-seccomp")
def _(t):
    _filtered(t, SYS_BIND, binder(tcp, HERE), "bind", errno.EPERM, local_port=PORT)


@case("tcp4-seccomp-eacces")
def _(t):
    _filtered(t, SYS_BIND, binder(tcp, HERE), "bind", errno.EACCES, local_port=PORT)


@case("tcp4-seccomp-listen")
def _(t):
    _filtered(t, SYS_LISTEN, binder(tcp, HERE, listen=True), "listen", errno.EPERM)


@case("tcp4-seccomp-connect")
def _(t):
    _filtered(t, SYS_CONNECT, _connecting(tcp, HERE), "connect", errno.EPERM)


@case("udp4-seccomp")
def _(t):
    _filtered(t, SYS_BIND, binder(udp, HERE), "bind", errno.EPERM, local_port=PORT)


@case("tcp4-seccomp-held")
def _(t):
    """A seccomp filter returns EADDRINUSE for a port that has a holder: the filter is the cause."""
    with tcp(HERE, backlog=1):
        _filtered(t, SYS_BIND, binder(tcp, HERE), "bind", errno.EADDRINUSE, local_port=PORT)
