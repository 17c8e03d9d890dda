# SPDX-License-Identifier: GPL-2.0-only
"""Each filter by itself: the events that it must show, and those that it must not."""

import contextlib
import os
import pwd
import re
import signal
import socket
import time

from porttrace_test import (
    DUAL,
    NOBODY,
    REUSEADDR,
    V6ONLY,
    Skip,
    cgroup2_mount,
    check,
    equal,
    named,
    new_netns,
    netns_inode,
    pair_on,
    port_of,
    refused,
    reset,
    tcp,
    test,
    udp,
    until,
)

OWN_TRACER = True  # these tests do not share a porttrace


@contextlib.contextmanager
def filtered(t, *args, everywhere=False):
    """A stream with filters. The last event of the test must be shown; it replaces the marker."""
    with t.trace(*args, marker=False, everywhere=everywhere) as trace:
        yield trace


def touch(*places, make=tcp):
    """Binds and closes each (address, port)."""
    for place in places:
        make(place).close()


def ports_shown(trace):
    return {r["local_port"] for r in trace.find() if "local_port" in r}


def last(trace, port, **want):
    """Waits for the close of the socket that the test used last."""
    trace.wait(event="close", local_port=port, **want)


# --- ports ----------------------------------------------------------------------------------------


@test()
def port_argument(t):
    """`porttrace 80` shows the process that binds port 80 and the one that fails to, and no event of 8080."""

    def bind_both(_):
        with socket.socket() as sock:
            return refused(sock.bind, ("127.0.0.1", 80))

    with tcp(("127.0.0.1", 8080), backlog=1) as other, filtered(t, 80) as trace:
        with tcp(("127.0.0.1", 80), backlog=2):
            trace.once(event="bind", local_port=80, errno=None, **t.me)
            trace.once(event="listen", local_port=80, backlog=2, **t.me)
            with tcp(("127.0.0.1", 8081)), socket.socket() as sock:
                equal(refused(sock.bind, ("127.0.0.1", 8080)), "EADDRINUSE", "bind to 8080")
            client, accepted = pair_on(other)
            client.close()
            accepted.close()
            child = t.fork(bind_both, comm="pt-caller")
            equal(child.result(), "EADDRINUSE", "bind to 80")
            record = trace.once(event="bind", errno="EADDRINUSE", local_port=80, **child.who)
            equal(named(record["conflict"]["holders"][0]["pids"]), [t.holder], "holder")
        trace.once(event="close", local_port=80, **t.me)
        equal(ports_shown(trace), {80}, "ports shown")


@test()
def port_argument_finds_bind_to_zero(t):
    """A port filter matches the socket's final port, also if the kernel chose it."""
    low = 40000
    with open("/proc/sys/net/ipv4/ip_local_port_range", "w", encoding="ascii") as file:
        file.write(f"{low} {low + 1}")
    with filtered(t, low) as trace:
        with tcp(("127.0.0.1", 0)) as one, tcp(("127.0.0.1", 0)) as two:
            equal({port_of(one), port_of(two)}, {low, low + 1}, "ports chosen")
            trace.once(event="bind", local_port=low, requested_port=0, **t.me)
        last(trace, low)
        equal(ports_shown(trace), {low}, "ports shown")


@test()
def port_arguments_add_up(t):
    with filtered(t, 81, "90-92", "--port=443") as trace:
        touch(*(("127.0.0.1", p) for p in (80, 82, 89, 93, 444, 81, 90, 92, 443)))
        last(trace, 443)
        equal(ports_shown(trace), {81, 90, 92, 443}, "ports shown")


# --- addresses ------------------------------------------------------------------------------------


# --- processes ------------------------------------------------------------------------------------


def bind_on_request(me, port):
    me.receive()
    tcp(("127.0.0.1", port)).close()
    me.send()
    me.receive()


def two_processes(t, wanted=None, other=None):
    return (
        t.fork(bind_on_request, 5001, **(other or {"comm": "pt-other"})),
        t.fork(bind_on_request, 5002, **(wanted or {"comm": "pt-wanted"})),
    )


def only_the_wanted(trace, other, wanted):
    """Lets both bind, the wanted one last, and checks that only its bind is shown."""
    for process in (other, wanted):
        process.send()
        process.receive()
    trace.once(event="bind", local_port=5002, **wanted.who)
    trace.once(event="close", local_port=5002, **wanted.who)
    trace.never(local_port=5001)
    equal({r["pid"] for r in trace.find() if "pid" in r}, {wanted.pid}, "processes shown")


@test()
def user_by_name(t):
    name = pwd.getpwuid(NOBODY).pw_name
    other, wanted = two_processes(t, wanted={"comm": "pt-wanted", "uid": NOBODY})
    with filtered(t, "--user", name) as trace:
        only_the_wanted(trace, other, wanted)


@test()
def netns(t):
    def elsewhere(me):
        new_netns()
        me.send(netns_inode())
        bind_on_request(me, 5002)

    wanted = t.fork(elsewhere, comm="pt-wanted")
    inode = wanted.receive()
    with filtered(t, "-N", inode) as trace:
        touch(("127.0.0.1", 5001))
        wanted.send()
        wanted.receive()
        trace.once(event="bind", local_port=5002, **dict(wanted.who, netns=inode))
        trace.once(event="close", local_port=5002, **dict(wanted.who, netns=inode))
        trace.never(local_port=5001)
        equal({r["netns"] for r in trace.records if "netns" in r}, {inode}, "namespaces shown")


@test()
def netns_of_churn(t):
    """-N also selects churn records."""

    def elsewhere(me):
        new_netns()
        me.send(netns_inode())
        me.receive()
        tcp(("127.0.0.1", 0)).close()
        me.receive()

    wanted = t.fork(elsewhere, comm="pt-wanted")
    inode = wanted.receive()
    with filtered(t, "-N", inode, "-i", 1) as trace:
        touch(("127.0.0.1", 0))
        wanted.send()
        trace.wait(event="churn", netns=inode)
        wanted.send()
        wanted.result()
        trace.never(event="churn", netns=t.netns)


@test()
def cgroup(t):
    """--cgroup shows the cgroup and those below it, but not its parent or sibling."""
    mount = cgroup2_mount()
    base = os.path.join(mount, f"porttrace-test-{os.getpid()}")
    paths = [base, base + "/below", base + "-sibling"]
    ports = {"": 5001, base + "-sibling": 5002, base: 5003, base + "/below": 5004}

    def move_and_bind(me, path):
        if path:
            with open(path + "/cgroup.procs", "w", encoding="ascii") as file:
                file.write(str(os.getpid()))
        tcp(("127.0.0.1", ports[path])).close()
        me.send()
        me.receive()

    try:
        for path in paths:
            try:
                os.mkdir(path)
            except OSError as error:
                raise Skip(f"cannot make a cgroup: {error}") from None
        with filtered(t, "--cgroup", base) as trace:
            children = [t.fork(move_and_bind, path, comm="pt-cgroup") for path in ports]
            for child in children:
                child.receive()
            for path in (base, base + "/below"):
                record = trace.once(event="bind", local_port=ports[path])
                equal(record.get("cgroup"), path.removeprefix(mount), f"cgroup of {path}")
            last(trace, 5003)
            last(trace, 5004)
            equal(ports_shown(trace), {5003, 5004}, "ports shown")
            for child in children:
                child.send()
                child.result()
    finally:
        for child in t.processes:
            child.kill()
        for path in reversed(paths):
            if os.path.isdir(path):
                until(lambda p=path: _removed(p), f"cgroup {path} is empty")


def _removed(path):
    try:
        os.rmdir(path)
    except OSError:
        return False
    return True


# --- protocols and events -------------------------------------------------------------------------


@test()
def protocol_mptcp(t):
    from test_protocols import IPPROTO_MPTCP, need_mptcp

    need_mptcp()
    with filtered(t, "--protocol", "mptcp") as trace:
        touch(("127.0.0.1", 5001))
        with tcp(("127.0.0.1", 5002), protocol=IPPROTO_MPTCP, backlog=1):
            trace.once(event="bind", local_port=5002, protocol="mptcp")
        last(trace, 5002)
        equal({r["protocol"] for r in trace.find() if "protocol" in r}, {"mptcp"}, "protocols shown")


@test()
def event_list(t):
    with filtered(t, "-e", "listen,close") as trace:
        with tcp(("127.0.0.1", 5001), backlog=1) as listener:
            client, accepted = pair_on(listener)
            client.close()
            accepted.close()
        trace.once(event="listen", local_port=5001)
        trace.wait(event="close", local_port=5001, remote_port=None)
        equal({r["event"] for r in trace.find(pid=os.getpid())}, {"listen", "close"}, "events shown")


@test()
def event_single(t):
    with filtered(t, "-e", "bind") as trace:
        touch(("127.0.0.1", 5001), ("127.0.0.1", 5002))
        trace.once(event="bind", local_port=5001)
        trace.once(event="bind", local_port=5002)
        equal({r["event"] for r in trace.find(pid=os.getpid())}, {"bind"}, "events shown")


@test()
def failed_only(t):
    """-x shows every kind of failed call, and no other event."""
    with tcp(("127.0.0.1", 5001), backlog=1), filtered(t, "-x") as trace:
        touch(("127.0.0.1", 5002))
        with tcp(("127.0.0.1", 5003), REUSEADDR) as one, tcp(("127.0.0.1", 5003), REUSEADDR) as two:
            one.listen(1)
            equal(refused(two.listen, 1), "EADDRINUSE", "listen")
        with socket.socket() as sock:
            equal(refused(sock.bind, ("192.0.2.1", 5004)), "EADDRNOTAVAIL", "bind")
            equal(refused(sock.bind, ("127.0.0.1", 5001)), "EADDRINUSE", "bind")
        trace.once(event="listen", errno="EADDRINUSE", local_port=5003, **t.me)
        trace.once(event="bind", errno="EADDRNOTAVAIL", local_port=5004, **t.me)
        trace.once(event="bind", errno="EADDRINUSE", local_port=5001, **t.me)
        shown = [r for r in trace.find(pid=os.getpid()) if "errno" not in r]
        equal(shown, [], "records of successful calls")


@test()
def filters_are_joined_by_and(t):
    with filtered(t, "-4", "--protocol", "udp", "-p", os.getpid(), "-e", "bind", 5001) as trace:
        tcp(("127.0.0.1", 5001)).close()
        udp(("::1", 5001)).close()
        udp(("127.0.0.1", 5002)).close()
        udp(("127.0.0.1", 5001)).close()
        trace.once(event="bind", protocol="udp", local_port=5001, family="ipv4", **t.me)
        trace.mark()
        equal(len(trace.find(pid=os.getpid())), 1, "records shown")


# --- every filter against every event -------------------------------------------------------------


def end_of(text):
    """(address, port) of "127.0.0.1:80" or "[::1]:80"."""
    address, port = text.rsplit(":", 1)
    return address.strip("[]"), int(port)


def read_table():
    """The rows of filters.table, which describes itself: processes, events, filters."""
    processes, events, filters = {}, {}, {}
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "filters.table")
    with open(path, encoding="ascii") as file:
        for line in file:
            kind, *words = line.split() or ["#"]
            if kind == "process":
                name, comm, uid, place = words
                processes[name] = (comm, int(uid), place)
            elif kind == "event":
                events[words[0]] = words[1:]
            elif kind == "section":
                filters[words[0]] = section = []
            elif kind == "filter":
                at = words.index("=>")
                section.append((words[:at], set(words[at + 1 :])))
    return processes, events, filters


def make_events(me, events):
    """Sends the inode number of its network namespace, then makes its events once for each message received."""
    me.send(netns_inode())
    while me.receive():
        for _, call, protocol, local, remote in events:
            make = udp if protocol == "udp" else tcp
            with make(end_of(local), REUSEADDR) as sock:
                if call == "connect":
                    sock.connect(end_of(remote))
                    reset(sock)
        me.send()


def key_of(event, pids):
    """The fields that identify an event of the table in the stream."""
    process, call, _, local, _ = event
    return pids[process], call, end_of(local)[1]


def check_section(t, section):
    """The kernel's filters show what filters.table says; a unit test checks those over a capture."""
    processes, events, filters = read_table()
    listeners = [tcp(end_of(remote), backlog=9) for *_, remote in events.values() if remote != "-"]
    children = {
        name: t.fork(
            make_events,
            [event for event in events.values() if event[0] == name],
            comm=comm,
            uid=uid or None,
            netns="new" if place == "own" else None,
        )
        for name, (comm, uid, place) in processes.items()
    }
    spaces = {name: child.receive() for name, child in children.items()}
    pids = {name: child.pid for name, child in children.items()}
    keys = {key_of(event, pids): name for name, event in events.items()}

    def number(match):
        name = match.group(1)
        return str(spaces[name[6:]] if name.startswith("netns:") else pids[name])

    wrong = []
    filters = filters[section]
    for first in range(0, len(filters), 3):  # three at a time, because each needs its own porttrace
        with contextlib.ExitStack() as stack:
            running = []
            for args, want in filters[first : first + 3]:
                expanded = [re.sub(r"{([\w:]+)}", number, arg) for arg in args]
                running.append((stack.enter_context(filtered(t, *expanded, everywhere=True)), args, want))
            for child in children.values():
                child.send(True)
                child.receive()
            for trace, _, _ in running:
                trace.process.send_signal(signal.SIGINT)
            for trace, args, want in running:
                trace.finish()
                found = {
                    keys.get((r.get("pid"), r["event"], r.get("local_port")))
                    for r in trace.records
                } - {None}
                if found != (set(events) if "*" in want else want):
                    wrong.append(f"{' '.join(args)}: shown {sorted(found)}, want {sorted(want)}")
    for child in children.values():
        child.send(False)
        child.result()
    for listener in listeners:
        listener.close()
    check(not wrong, "\n".join(wrong))


@test()
def table_of_processes(t):
    check_section(t, "processes")


@test()
def table_of_ports(t):
    check_section(t, "ports")


@test()
def table_of_addresses(t):
    check_section(t, "addresses")


@test()
def table_of_protocols(t):
    check_section(t, "protocols")


# --- limits ---------------------------------------------------------------------------------------


@test()
def duration(t):
    with filtered(t, "-d", 1) as trace:
        touch(("127.0.0.1", 5001))
        last(trace, 5001)
        began = trace.started_at + trace.started_in
        status, stop = trace.finish()
        took = time.monotonic() - began
        equal(status, 0, "exit status")
        check(stop, "no stop record")
        check(0.8 < took < 3, f"-d 1 took {took:.1f} s")


@test()
def count(t):
    """-n: porttrace ends after this number of events."""
    with filtered(t, "-n", 3, "-N", t.netns) as trace:
        touch(("127.0.0.1", 5001), ("127.0.0.1", 5002), ("127.0.0.1", 5003))
        status, stop = trace.finish()
        equal(status, 0, "exit status")
        check(stop, "no stop record")
        shown = [(r["event"], r["local_port"]) for r in trace.find() if "local_port" in r]
        equal(shown, [("bind", 5001), ("close", 5001), ("bind", 5002)], "events shown")
        equal(stop["events"], 3, "events in the stop record")


@test()
def interval(t):
    """-i: the time between churn records."""
    with filtered(t, "-i", 2, "-N", t.netns) as trace:
        touch(("127.0.0.1", 0))
        record = trace.wait(_deadline=6, event="churn")
        check(0 < record["interval_s"] <= 2.5, f"interval_s {record['interval_s']}")
        touch(("127.0.0.1", 0))
        second = trace.wait(_deadline=6, _count=2, event="churn")
        check(1.5 <= second["interval_s"] <= 2.5, f"interval_s {second['interval_s']}")
        apart = (second["boot_ns"] - record["boot_ns"]) / 1e9
        check(1.5 <= apart <= 2.5, f"churn records are {apart:.1f} s apart")
