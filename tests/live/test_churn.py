# SPDX-License-Identifier: GPL-2.0-only
"""Churn: counts of TIME_WAIT and ephemeral ports, against nstat and ss in the same namespace."""

import os
import socket

from porttrace_test import (
    at_end,
    check,
    close_first,
    enter_netns,
    equal,
    netns_inode,
    new_netns,
    nstat,
    pair_on,
    port_of,
    refused,
    sysctl,
    tcp,
    test,
    timewaits,
    udp,
    until,
)

OWN_TRACER = True  # these tests do not share a porttrace


def total(trace, group, field):
    """The sum of a count over all churn records so far."""
    return sum(r.get(group, {}).get(field, 0) for r in trace.find(event="churn"))


def reaches(trace, group, field, want):
    until(
        lambda: total(trace, group, field) >= want,
        f"{group}.{field} reaches {want}\n{trace.tail()}",
    )


@test()
def timewait_and_ephemeral(t):
    count = 30
    with tcp(("127.0.0.1", 5001), backlog=1) as listener, t.trace("-i", 1) as trace:
        for _ in range(count):
            client, accepted = pair_on(listener)
            close_first(client, accepted, port_of(client))
        equal(len(timewaits()), count, "TIME_WAITs that ss shows")
        # Before 5.18 the kernel counts the TIME_WAITs that a timer ended, which are none so far.
        check(nstat("TcpExtTW") in (0, count), f"TIME_WAITs that the kernel counted: {nstat('TcpExtTW')}")
        reaches(trace, "timewait", "entered", count)
        reaches(trace, "ephemeral", "allocated", count)
        live = trace.find(event="churn")[-1]["timewait"]["live"]
        trace.stop()
        equal(total(trace, "timewait", "entered"), count, "entered")
        equal(live, count, "live")
        for field in ("expired", "reused", "killed", "overflowed"):
            equal(total(trace, "timewait", field), 0, field)
        equal(total(trace, "ephemeral", "allocated"), count, "allocated")
        equal(total(trace, "ephemeral", "failed"), 0, "failed")
        for record in trace.find(event="churn"):
            check(record["interval_s"] > 0, f"interval_s {record['interval_s']}")
            equal(record["netns"], t.netns, "netns")
            for group, fields in (
                ("timewait", "live entered expired reused killed overflowed"),
                ("ephemeral", "range allocated released failed"),
            ):
                for field in fields.split():
                    check(field in record[group], f"churn without {group}.{field}: {record}")
        check("in_use" in record["ephemeral"], f"churn without ephemeral.in_use: {record}")


@test()
def top_names_who_and_where(t):
    count = 20
    with tcp(("127.0.0.1", 5001), backlog=1) as listener, t.trace("-i", 1) as trace:
        for _ in range(count):
            client, accepted = pair_on(listener)
            client.close()
            accepted.close()
        reaches(trace, "ephemeral", "allocated", count)
        rows = [
            row
            for r in trace.find(event="churn")
            for row in r.get("top", [])
            if row.get("remote_port") == 5001
        ]
        check(rows, "top is empty")
        for row in rows:
            for name, value in (
                ("pid", os.getpid()),
                ("comm", "pt-test"),
                ("remote_address", "127.0.0.1"),
            ):
                equal(row.get(name), value, f"top: {name}")
        equal(sum(row["allocated"] for row in rows), count, "allocated in top")


@test()
def every_way_to_an_ephemeral_port(t):
    """connect, bind(0), listen, and UDP send and connect without bind: each allocates one port."""
    with udp(("127.0.0.1", 5001)), tcp(("127.0.0.1", 5001), backlog=1) as listener, t.trace(
        "-i", 1
    ) as trace:
        client, accepted = pair_on(listener)
        with tcp(("127.0.0.1", 0)), udp(
            ("127.0.0.1", 0)
        ), udp() as sender, udp() as connected, socket.socket() as lazy:
            lazy.listen(1)
            sender.sendto(b"x", ("127.0.0.1", 5001))
            connected.connect(("127.0.0.1", 5001))
        client.close()
        accepted.close()
        reaches(trace, "ephemeral", "allocated", 6)
        trace.stop()
        equal(total(trace, "ephemeral", "allocated"), 6, "allocated")


@test()
def failed_and_range(t):
    sysctl("ipv4/ip_local_port_range", "40000 40003")
    holders = [tcp(("127.0.0.1", 0)) for _ in range(4)]
    with t.trace("-i", 1) as trace:
        for _ in range(5):
            with socket.socket() as sock:
                equal(refused(sock.bind, ("127.0.0.1", 0)), "EADDRINUSE", "bind")
        reaches(trace, "ephemeral", "failed", 5)
        for sock in holders:
            sock.close()
        reaches(trace, "ephemeral", "released", 4)
        trace.stop()
        equal(total(trace, "ephemeral", "failed"), 5, "failed")
        equal(total(trace, "ephemeral", "allocated"), 0, "allocated")
        equal(trace.find(event="churn")[-1]["ephemeral"]["range"], [40000, 40003], "range")


@test()
def overflowed(t):
    """More TIME_WAITs than the namespace may have."""
    sysctl("ipv4/tcp_max_tw_buckets", 5)
    with tcp(("127.0.0.1", 5001), backlog=1) as listener, t.trace("-i", 1) as trace:
        for _ in range(20):
            client, accepted = pair_on(listener)
            client.close()
            accepted.close()
        over = until(lambda: nstat("TcpExtTCPTimeWaitOverflow"), "the kernel counts an overflow")
        reaches(trace, "timewait", "overflowed", over)
        trace.stop()
        equal(
            total(trace, "timewait", "overflowed"), nstat("TcpExtTCPTimeWaitOverflow"), "overflowed"
        )


@test()
def reused(t):
    """connect() reuses a TIME_WAIT older than a second when no port is free."""
    sysctl("ipv4/ip_local_port_range", "40000 40001")
    sysctl("ipv4/tcp_tw_reuse", 1)
    with tcp(("127.0.0.1", 5001), backlog=9) as listener, t.trace("-i", 1) as trace:
        for client, accepted in [pair_on(listener) for _ in range(2)]:
            close_first(client, accepted, port_of(client))

        def connects():
            client = socket.socket()
            if client.connect_ex(("127.0.0.1", 5001)):
                client.close()
                return None
            return client

        client = until(connects, "connect() reuses a TIME_WAIT")
        equal(nstat("TcpExtTWRecycled"), 1, "reused TIME_WAITs that the kernel counted")
        reaches(trace, "timewait", "reused", 1)
        client.close()
        trace.stop()
        equal(total(trace, "timewait", "reused"), 1, "reused")


@test()
def namespace_that_only_sockets_keep(t):
    """A namespace without a process or mount: porttrace counts what its sockets do under its inode number, and
    reads the kernel's counters through one of the sockets."""
    count = 12
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    new_netns()
    inode = netns_inode()
    listener = tcp(("127.0.0.1", 5001), backlog=count)
    clients = [socket.socket() for _ in range(count)]
    enter_netns(home)
    visible = {os.stat(f"/proc/{pid}/ns/net").st_ino for pid in ("self", os.getppid())}
    check(inode not in visible, "the namespace is visible in /proc")
    with t.trace("-i", 1, "-N", inode, marker=False) as trace:
        for client in clients:
            client.connect(("127.0.0.1", 5001))
            accepted, _ = listener.accept()
            client.close()
            at_end(accepted)
            accepted.close()

        def sums(group, field):
            return sum(r[group][field] for r in trace.find(event="churn", netns=inode))

        until(lambda: sums("timewait", "entered") == count, f"{count} TIME_WAITs\n{trace.tail()}")
        equal(sums("ephemeral", "by_connect"), count, "by_connect")
        last = trace.find(event="churn", netns=inode)[-1]
        equal(last["timewait"]["live"], count, "live")
        check("max" in last["timewait"], f"the settings of the namespace: {last}")
        rows = [row for r in trace.find(event="churn", netns=inode) for row in r["top"]]
        equal({row["pid"] for row in rows}, {os.getpid()}, "pids in top")
    listener.close()
    os.close(home)


@test()
def namespace_that_ends(t):
    """porttrace also counts the events of a namespace that ended before the interval did."""

    def bind(_):
        for _ in range(7):
            tcp(("127.0.0.1", 0)).close()
        return netns_inode()

    with t.trace("-e", "churn", "-i", 1, everywhere=True, marker=False) as trace:
        inode = t.fork(bind, comm="pt-brief", netns="new").result()
        record = trace.wait(event="churn", netns=inode)
        # Another test's namespace may have had this inode number in the same interval.
        taken = [row["allocated"] for row in record["top"] if row["comm"] == "pt-brief"]
        equal(taken, [7], "allocated by this process")
        check(record["ephemeral"]["released"] >= 7, f"released: {record}")
