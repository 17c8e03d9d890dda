#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Runs one script of socket calls under porttrace and prints its records, normalised.

    BACKEND=fentry tests/vm/facts.py

It removes times and replaces numbers that the kernel assigns (pids, sockets, namespaces, ephemeral ports) by names
in the order of their first use, so that two backends which report the same facts print the same lines. One line of
JSON per record, after "> ", sorted by socket: the order of the records of one socket is fixed, that of the two ends
of a connection is not. See matrix.py for the comparison.
"""

import json
import os
import re
import socket
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "live"))

from corpus_kernel import Uring  # noqa: E402 pylint: disable=wrong-import-position
import porttrace_test as live  # noqa: E402 pylint: disable=wrong-import-position
from porttrace_test import REUSEADDR, V6ONLY, pair_on, refused, reset, tcp, udp  # noqa: E402 pylint: disable=wrong-import-position

URING = "pt-uring"
MARKERS = range(61990, 62000)  # one port per marker
ATTEMPTS = 10  # a kernel that preempts itself does not run every program
ALL = "bind,listen,connect,accept,close,timewait,release"
# Whether a TIME_WAIT begins in FIN_WAIT2 depends on which end's FIN arrives first, so `substate` depends on timing too.
TIMES = {"substate", "time", "boot_ns", "duration_ns", "search_ns", "since", "age_ns", "bound_ns", "expires_in_s",
         "started"}
IP_BIND_ADDRESS_NO_PORT = (socket.IPPROTO_IP, live.IP_BIND_ADDRESS_NO_PORT, 1)


def binds(trace):
    with tcp(("127.0.0.1", 5001), REUSEADDR), udp(("0.0.0.0", 5002)), tcp(("::1", 5003), V6ONLY):
        refused(tcp, ("127.0.0.1", 5001))
        refused(tcp, ("0.0.0.0", 5001))
        refused(udp, ("127.0.0.1", 5002))
        refused(tcp, ("10.1.2.3", 5004))
        trace.mark()  # of sockets that are closed by then, porttrace cannot find the descriptors
    with tcp(("127.0.0.1", 0)) as sock:
        refused(sock.bind, ("127.0.0.1", 5005))
    udp(("::1", 0)).close()


def connections():
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        for first in (0, 1):
            with tcp((address, 5010), REUSEADDR, backlog=4) as listener:
                ends = pair_on(listener)
                port = live.port_of(ends[0])
                live.close_first(ends[first], ends[1 - first], port)
        with tcp((address, 5011), backlog=4) as listener:
            client, accepted = pair_on(listener)
            reset(client)
            accepted.close()
        with socket.socket(family, socket.SOCK_STREAM) as client:
            refused(client.connect, (address, 5012))


def ports_chosen():
    with socket.socket() as listener:  # listen() chooses
        listener.listen(1)
    with udp() as sock:
        sock.sendto(b"x", ("127.0.0.1", 5020))
    with udp() as sock:
        sock.connect(("127.0.0.1", 5021))
    with tcp(("127.0.0.1", 5022), backlog=1) as listener, tcp(
            ("127.0.0.1", 0), IP_BIND_ADDRESS_NO_PORT) as client:
        pair_on(listener, client)[1].close()


def in_child(trace, function, **who):
    """Runs function() in a process that exits when all its events have been reported: /proc has no executable of an
    exited process."""

    def run(me):
        kept = function()
        me.send()
        me.receive()
        del kept

    child = live.Process(run, **who).start()
    child.receive()
    trace.mark()
    child.send()
    child.result()


def owners(trace):
    def denied():
        refused(tcp, ("127.0.0.1", 81))

    def forgets():
        sock = tcp(("127.0.0.1", 5030), backlog=1)
        sock.set_inheritable(True)
        return sock

    in_child(trace, denied, comm="pt-nobody", uid=live.NOBODY)
    in_child(trace, forgets, comm="pt-forgets")


def other_ways(trace):
    """MPTCP, and data in the SYN."""
    if os.path.exists("/proc/sys/net/mptcp/enabled"):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM, live.IPPROTO_MPTCP) as listener:
            listener.bind(("127.0.0.1", 5040))
            listener.listen(2)
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM, live.IPPROTO_MPTCP) as refused_one:
                refused(refused_one.bind, ("127.0.0.1", 5040))
                trace.mark()
    with tcp(("127.0.0.1", 5041), backlog=1) as listener, socket.socket() as client:
        client.sendto(b"x", socket.MSG_FASTOPEN, ("127.0.0.1", 5041))
        listener.accept()[0].close()


def by_uring(trace):
    def run():
        """Returns the listener: see binds()."""
        listener = tcp(("127.0.0.1", 5050), backlog=1)
        try:
            ring = Uring()
            with socket.socket() as client:
                ring.connect(client, ("127.0.0.1", 5050))
                listener.accept()[0].close()
            with socket.socket() as client:
                refused(ring.connect, client, ("127.0.0.1", 5051))
            with socket.socket() as sock:
                refused(ring.bind, sock, ("127.0.0.1", 5050))
                ring.bind(sock, ("127.0.0.1", 5052))
                ring.listen(sock, 1)
        except live.Skip:  # this kernel's io_uring has no such operation
            pass
        return listener

    in_child(trace, run, comm=URING)


def normalised(records):
    names = {}

    def name(kind, value):
        known = names.setdefault(kind, {})
        return known.setdefault(value, f"{kind}{len(known) + 1}")

    def walk(value, key=""):
        if isinstance(value, dict):
            return {k: walk(v, k) for k, v in sorted(value.items()) if k not in TIMES}
        if isinstance(value, list):
            return [walk(v, key) for v in value]
        if key in ("pid", "tid", "ppid", "netns", "socket"):
            return name("pid" if key in ("tid", "ppid") else key, value)
        if key.endswith("port") and isinstance(value, int) and value >= 32768:
            return name("port", value)
        if key == "parents":  # list of COMM[PID]
            return re.sub(r"\[(\d+)\]$", lambda m: f"[{name('pid', int(m[1]))}]", value)
        if key in ("why", "fix", "text", "command") and isinstance(value, str):
            for number, alias in names.get("pid", {}).items():  # name[PID], /proc/PID/ns/net, kill PID
                value = re.sub(rf"(?<=[\[/ ]){number}(?=[\]/ ]|$)", alias, value)
            for number, alias in names.get("port", {}).items():
                value = re.sub(rf"\b{number}\b", alias, value)
        return value

    for record in records:  # name the values of all fields first, because sentences contain them
        walk(record)
    return [walk(record) for record in records]


def run(home):
    """Returns the records, those of the io_uring calls (None: porttrace does not trace them), and how many events porttrace
    lost."""
    live.new_netns()
    live.set_comm("pt-facts")
    netns = live.netns_inode()

    ports = iter(MARKERS)

    def marker():
        port = next(ports)
        udp(("127.0.0.100", port)).close()
        return {"event": "close", "protocol": "udp", "local_port": port, "pid": os.getpid()}

    with live.Stream(("-e", ALL), netns=netns, probes=os.environ["BACKEND"], home=home, marker=marker).started() as trace:
        binds(trace)
        connections()
        ports_chosen()
        owners(trace)
        other_ways(trace)
        trace.mark()
        events = trace.find(netns=netns)
        # Separate, because the matrix leaves it out for a backend without io_uring probes.
        by_ring = None
        if "io-uring" not in trace.start_record["missing"]:
            by_uring(trace)
            trace.mark()
            by_ring = trace.find(netns=netns, comm=URING)
    return events, by_ring, trace.stop_record()["lost"]


def main():
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    for _ in range(ATTEMPTS):
        events, by_ring, lost = run(home)
        if not lost:
            break
        print(f"porttrace reported {lost} lost events; again", flush=True)
    else:
        return 1
    if by_ring is None:
        print("without io_uring", flush=True)
    for part in (events, by_ring or []):
        # Leave out markers: the close of the last one may or may not be in the stream.
        part = [r for r in part if r["event"] in live.SOCKET_EVENTS and r.get("local_port") not in MARKERS]
        for record in sorted(normalised(part), key=lambda r: r.get("socket", "")):
            print("> " + json.dumps(record), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
