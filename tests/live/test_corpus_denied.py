# SPDX-License-Identifier: GPL-2.0-only
"""Situations that the tracepoint backend does not decide yet; no test of `make check` loads this file.

An IPv6 address under duplicate detection needs the address's flags; a port that a cgroup program rewrote
needs a look from behind that program; a seccomp filter is told from a security module only by a probe at
the entry of the system call, which slows every call of the machine. Give the file a name that begins with
test_ to run them.
"""

import errno

from corpus import HERE, PORT, attempt, binder, case, judge, me, refuse, sock_for
from corpus_kernel import (
    INET4_BIND, PROG_CGROUP_SOCK_ADDR, SYS_BIND, SYS_CONNECT, SYS_LISTEN, Cgroup, refuse_by_seccomp,
    rewrite_port)
from porttrace_test import equal, run_text, sysctl, tcp
from test_corpus_address import _finish, _in_cgroup


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
    """Port 6001 was asked for, 5001 is what the program made of it, and that is taken."""
    with tcp(HERE, backlog=1), Cgroup("rewrite") as group, t.trace() as trace:
        group.attach(PROG_CGROUP_SOCK_ADDR, INET4_BIND, rewrite_port(PORT))
        child = _in_cgroup(t, group, binder(tcp, ("127.0.0.1", 6001)), "EADDRINUSE")
        record = trace.once(event="bind", errno="EADDRINUSE", **child.who)
        judge(record, "rewritten-by-cgroup-bpf", me())
        equal((record["requested_port"], record["local_port"]), (6001, PORT), "asked for, and made of it")
        _finish(child)


def _filtered(t, number, function, event, error, **want):
    def run(held):
        refuse_by_seccomp(number, error)
        function(held)

    with t.trace() as trace:
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
    def connect(held):
        held.append(sock_for(tcp, HERE))
        held[0].connect(HERE)

    _filtered(t, SYS_CONNECT, connect, "connect", errno.EPERM)
