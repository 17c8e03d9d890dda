# SPDX-License-Identifier: GPL-2.0-only
"""The corpus: holders that a scan of /proc/PID/fd does not find, and calls through io_uring."""

import array
import ctypes
import os
import socket
import subprocess
import threading

from corpus import HERE, PORT, allow, case, judge, me, outcome, refuse
from corpus_kernel import SETUP_SQPOLL, SYS_EXIT, Uring, syscall
from porttrace_test import (
    REUSEADDR, Failure, Skip, check, equal, libc, libc_check, new_netns, run_text, set_comm, stay, tcp, udp, until)

CLONE_FILES = 0x400


def held_by(t, hold, comm="pt-holder"):
    """A process that runs hold(me), keeps its result, and waits."""
    def run(process):
        process.kept = hold(process)
        process.send()
        process.receive()

    child = t.fork(run, comm=comm)
    child.receive()
    return child


def listener_refuses(t, trace, child, comm="pt-holder"):
    record = refuse(t, trace, tcp, HERE, cause="listener-exists", pids={child.pid})
    equal([p["comm"] for h in record["conflict"]["holders"] for p in h["pids"]], [comm], "comm")
    return record


def unseen_holder(t, hold, before):
    """The listener of hold() is in no descriptor table. before: it existed before porttrace started."""
    if before:
        child = held_by(t, hold)
    with t.trace() as trace:
        if not before:
            child = held_by(t, hold)
        refuse(t, trace, tcp, HERE, cause="listener-exists", pids={child.pid})


def twice(name):
    """Two cases: porttrace ran when the port was bound, and porttrace started later."""
    def register(function):
        case(name, alone=True)(lambda t: function(t, False))
        case(name + "-before", alone=True, own=True)(lambda t: function(t, True))
        return function

    return register


@case("own-passed")
def _(t):
    """The sender and the receiver of a descriptor both hold the port."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    def receive(process):
        _, fds, _, _ = socket.recv_fds(theirs, 1, 1)
        process.send()
        process.receive()
        return fds

    with tcp(HERE, backlog=1) as listener, t.trace() as trace:
        child = t.fork(receive, comm="pt-heir", keep=[theirs])
        socket.send_fds(ours, [b"x"], [listener.fileno()])
        child.receive()
        refuse(t, trace, tcp, HERE, cause="listener-exists", pids=me() | {child.pid})
        child.send()
        child.result()


@case("own-thread-files")
def _(t):
    """A thread has its own descriptor table: /proc/PID/fd does not show it."""
    def hold(_):
        ready = threading.Event()

        def run():
            libc_check(libc.unshare(CLONE_FILES))
            sock = tcp(HERE, backlog=1)
            ready.set()
            threading.Event().wait()
            sock.close()

        threading.Thread(target=run, daemon=True).start()
        ready.wait()

    with t.trace() as trace:
        listener_refuses(t, trace, held_by(t, hold))


@case("own-thread-files-before", own=True)
def _(t):
    """As own-thread-files, but porttrace starts later."""
    def hold(_):
        ready = threading.Event()

        def run():
            libc_check(libc.unshare(CLONE_FILES))
            sock = tcp(HERE, backlog=1)
            ready.set()
            threading.Event().wait()
            sock.close()

        threading.Thread(target=run, daemon=True).start()
        ready.wait()

    child = held_by(t, hold)
    with t.trace() as trace:
        listener_refuses(t, trace, child)


@case("own-zombie-leader")
def _(t):
    """The first thread has ended, another thread of the process still runs."""
    def run(process):
        def tail():
            process.send()
            threading.Event().wait()

        process.kept = tcp(HERE, backlog=1)
        threading.Thread(target=tail).start()
        syscall(SYS_EXIT, 0)

    child = t.fork(run, comm="pt-holder")
    child.receive()
    with t.trace() as trace:
        listener_refuses(t, trace, child)


@twice("own-blocked-accept")
def _(t, before):
    """The descriptor is closed while a thread waits in accept(): the listener stays."""
    def hold(_):
        sock = tcp(HERE, backlog=1)
        fd = sock.detach()
        threading.Thread(target=libc.accept, args=(fd, None, None), daemon=True).start()
        while "accept" not in "".join(
                open(f"/proc/self/task/{tid}/wchan", encoding="ascii").read() + "accept"
                if open(f"/proc/self/task/{tid}/syscall", encoding="ascii").read().startswith("43 ")
                else "" for tid in os.listdir("/proc/self/task")):
            pass
        os.close(fd)

    unseen_holder(t, hold, before)


@twice("own-mmap")
def _(t, before):
    """The descriptor is closed, but a mapping for zero-copy receive remains."""
    def hold(_):
        fd = tcp(HERE, backlog=1).detach()
        libc.mmap.restype = ctypes.c_void_p
        where = libc.mmap(None, ctypes.c_size_t(4096), 1, 1, fd, ctypes.c_long(0))
        if where in (None, ctypes.c_void_p(-1).value):
            raise Failure(f"mmap of a socket: {os.strerror(ctypes.get_errno())}")
        os.close(fd)

    unseen_holder(t, hold, before)


@twice("own-in-flight")
def _(t, before):
    """The only reference is in a message that has not been received."""
    def hold(_):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with tcp(HERE, backlog=1) as sock:
            ours.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                                   array.array("i", [sock.fileno()]))])
        return ours, theirs

    unseen_holder(t, hold, before)


@twice("own-uring-file")
def _(t, before):
    """The socket is a registered file of an io_uring and has no descriptor."""
    Uring()

    def hold(_):
        ring = Uring()
        with tcp(HERE, backlog=1) as sock:
            ring.register(sock)
        return ring

    unseen_holder(t, hold, before)


@case("own-netns-moved")
def _(t):
    """The holder has moved to another network namespace; its socket has not."""
    def hold(_):
        sock = tcp(HERE, backlog=1)
        new_netns()
        return sock

    with t.trace() as trace:
        listener_refuses(t, trace, held_by(t, hold))


@case("own-renamed")
def _(t):
    """porttrace shows the present name of the process."""
    def hold(_):
        sock = tcp(HERE, backlog=1)
        set_comm("pt-renamed")
        return sock

    with t.trace() as trace:
        listener_refuses(t, trace, held_by(t, hold), comm="pt-renamed")


@case("own-other-netns-ok")
def _(t):
    def listen(process):
        process.kept = tcp(HERE, backlog=1)
        process.send()
        process.receive()

    child = t.fork(listen, comm="pt-elsewhere", netns="new")
    child.receive()
    with t.trace() as trace:
        allow(t, trace, tcp, HERE, listen=True)


@case("own-kernel-vxlan")
def _(t):
    try:
        run_text("ip", "link", "add", "pt-vx", "type", "vxlan", "id", "5", "dstport", "4789", "local",
                 "127.0.0.1")
    except AssertionError:
        raise Skip("this kernel has no VXLAN") from None
    run_text("ip", "link", "set", "pt-vx", "up")
    with t.trace() as trace:
        record = refuse(t, trace, udp, ("0.0.0.0", 4789), cause="kernel-socket", pids=())
        equal([h.get("kernel_owned") for h in record["conflict"]["holders"]], [True], "kernel_owned")
        check("for the vxlan device pt-vx;" in record["conflict"]["why"], record["conflict"]["why"])


@case("own-kernel-wireguard")
def _(t):
    try:
        run_text("ip", "link", "add", "pt-wg", "type", "wireguard")
    except AssertionError:
        raise Skip("this kernel has no WireGuard") from None
    run_text("ip", "link", "set", "pt-wg", "up")
    port = int(run_text("ss", "-Hlun4").split()[3].rsplit(":", 1)[1])  # the kernel chose it
    with t.trace() as trace:
        record = refuse(t, trace, udp, ("0.0.0.0", port), cause="kernel-socket", pids=())
        check("for the wireguard device pt-wg;" in record["conflict"]["why"], record["conflict"]["why"])


@case("own-kernel-refused")
def _(t):
    """The kernel itself is refused: a VXLAN device whose port a process has. `ip` makes the call."""
    with t.trace() as trace:
        holder = held_by(t, lambda _: udp(("0.0.0.0", 4789)))
        try:
            run_text("ip", "link", "add", "pt-vx", "type", "vxlan", "id", "5", "dstport", "4789", "local", "127.0.0.1")
        except AssertionError:
            raise Skip("this kernel has no VXLAN") from None
        up = subprocess.run(["ip", "link", "set", "pt-vx", "up"], capture_output=True, text=True, check=False)
        check("Address already in use" in up.stderr, f"ip says {up.stderr!r}")
        if trace.start_record["probes"] == "tracepoint":
            trace.never(event="bind", errno="EADDRINUSE", local_port=4789)
            gap = " ".join(t.command("doctor", "--probes=tracepoint").stdout.decode().split())
            check("not reported: binds of the kernel itself (VXLAN" in gap, gap)
            return
        record = trace.once(event="bind", errno="EADDRINUSE", local_port=4789)
        judge(record, "udp-holder", (holder.pid,))
        equal(record["comm"], "ip", "the process that made the kernel bind")
        stop = [r for r in record["conflict"]["remedies"] if r["action"] == "stop_process"][0]
        run_text("sh", "-c", stop["command"])
        until(lambda: subprocess.run(["ip", "link", "set", "pt-vx", "up"], capture_output=True, check=False).returncode == 0,
              "the device is up after the remedy")


@case("own-kernel-mptcp")
def _(t):
    from test_protocols import need_mptcp
    need_mptcp()
    run_text("ip", "mptcp", "limits", "set", "add_addr_accepted", "2", "subflows", "2")
    run_text("ip", "mptcp", "endpoint", "add", "127.0.0.1", "port", str(PORT), "signal")
    with t.trace() as trace:
        record = refuse(t, trace, tcp, HERE, cause="kernel-socket", pids=())
        equal([h.get("kernel_owned") for h in record["conflict"]["holders"]], [True], "kernel_owned")


# --- io_uring -------------------------------------------------------------------------------------

def _by_uring(t, flags=0):
    """A refused bind() through an io_uring of the test."""
    holder = held_by(t, lambda _: tcp(HERE, backlog=1))
    ring = Uring(flags)
    with t.trace() as trace, socket.socket() as sock:
        equal(outcome(ring.bind, sock, HERE), "EADDRINUSE", "errno of the ring's bind")
        record = trace.once(event="bind", errno="EADDRINUSE", local_port=PORT, pid=os.getpid(),
                            netns=t.netns)
        judge(record, "listener-exists", {holder.pid})


@case("uring-bind")
def _(t):
    _by_uring(t)


@case("uring-bind-sqpoll")
def _(t):
    _by_uring(t, SETUP_SQPOLL)


@case("uring-bind-ok")
def _(t):
    ring = Uring()
    with t.trace() as trace, socket.socket() as sock:
        ring.bind(sock, HERE)
        ring.listen(sock, 5)
        trace.once(event="bind", errno=None, local_port=PORT, pid=os.getpid(), netns=t.netns)
        trace.once(event="listen", errno=None, local_port=PORT, pid=os.getpid(), netns=t.netns)


@case("uring-listen")
def _(t):
    ring = Uring()
    holder = t.fork(listen_on_request, comm="pt-holder")
    holder.receive()
    with t.trace() as trace, tcp(HERE, REUSEADDR) as sock:
        holder.send()
        holder.receive()
        equal(outcome(ring.listen, sock, 5), "EADDRINUSE", "errno of the ring's listen")
        record = trace.once(event="listen", errno="EADDRINUSE", local_port=PORT, pid=os.getpid(),
                            netns=t.netns)
        judge(record, "listen-recheck", {holder.pid})


def listen_on_request(process):
    sock = tcp(HERE, REUSEADDR)
    process.send()
    process.receive()
    sock.listen(1)
    process.send()
    stay(process)


@case("uring-connect")
def _(t):
    """Every port towards the destination is in use: porttrace also explains connect() through a ring."""
    from corpus import RANGE, small_range
    from porttrace_test import pair_on
    small_range()
    ring = Uring()
    with tcp(HERE, backlog=9) as listener:
        pairs = [pair_on(listener) for _ in RANGE]
        with t.trace() as trace, socket.socket() as sock:
            if "io-uring" in trace.start_record["missing"]:
                raise Skip("this kernel's io_uring tracepoints do not name the process whose request failed")
            equal(outcome(ring.connect, sock, HERE), "EADDRNOTAVAIL", "errno of the ring's connect")
            record = trace.once(event="connect", errno="EADDRNOTAVAIL", remote_port=PORT, pid=os.getpid(),
                                netns=t.netns)
            judge(record, "range-exhausted")
        equal(len(pairs), len(RANGE), "connections")
