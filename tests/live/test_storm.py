# SPDX-License-Identifier: GPL-2.0-only
"""Storms: a record for each operation, no lost events by default, and memory released afterwards."""

import collections
import json
import os
import signal
import subprocess

from porttrace_test import (
    PORTTRACE,
    SLOW,
    STORM,
    Failure,
    Process,
    check,
    die_with_parent,
    equal,
    test,
    until,
)

OWN_TRACER = True  # these tests do not share a porttrace

COUNT = 20000


def storm(me, mode, count):
    """Runs build/tests/storm; returns (pid, output)."""
    process = subprocess.Popen(
        [STORM, mode, str(count)], stdout=subprocess.PIPE, preexec_fn=die_with_parent
    )
    output, _ = process.communicate()
    check(process.returncode == 0, f"storm {mode} ended with {process.returncode}")
    del me
    return process.pid, json.loads(output)


def run_storm(t, mode, count=COUNT):
    if not os.access(STORM, os.X_OK):
        raise Failure(f"{STORM} is not built")
    child = Process(storm, mode, count, comm="pt-storm").start()
    t.processes.append(child)
    pid, result = child.result()
    equal(result["count"], count, "operations of the storm")
    return pid


def traced_storm(t, mode, *args):
    """Runs a storm while porttrace writes JSON to a file with default options; returns (stream, pid)."""
    trace = t.trace(*args, marker=False)
    before = trace.vm_kib()
    pid = run_storm(t, mode)
    # porttrace has processed the end of the storm when it has released its memory.
    until(
        lambda: trace.vm_kib() <= before + 4096,
        f"memory is released (before: {before} KiB, highest {trace.vm_kib('VmHWM')} KiB)",
        deadline=60 * SLOW,
    )
    print(f"{mode}: VmRSS {before} -> {trace.vm_kib()} KiB, highest {trace.vm_kib('VmHWM')} KiB")
    status, stop = trace.stop()
    equal(status, 0, f"exit status\n{trace.stderr()}\n")
    equal(stop["lost"], 0, "records lost")
    equal(trace.find(event="lost"), [], "lost records")
    return trace, pid


def tally(trace, pid, *names):
    return collections.Counter(tuple(r.get(n) for n in names) for r in trace.find(pid=pid))


@test(alone=True)
def connect(t):
    with traced_storm_of(t, "connect") as (trace, pid):
        counts = tally(trace, pid, "event", "errno")
        equal(counts[("connect", None)], COUNT, "connects")
        listener = trace.find(event="listen", pid=pid)[0]["local_port"]
        connects = trace.find(event="connect", pid=pid)
        equal({r["remote_port"] for r in connects}, {listener}, "ports connected to")
        equal(len({r["socket"] for r in connects}), COUNT, "different sockets")
        closes = trace.find(event="close", pid=pid)
        equal(sum(r.get("remote_port") == listener for r in closes), COUNT, "closes of clients")
        equal(
            sum(r["local_port"] == listener and "remote_port" in r for r in closes),
            COUNT,
            "closes of accepted sockets",
        )
        equal(len(closes), 2 * COUNT + 1, "closes")
        ports = {r["socket"]: r["local_port"] for r in connects}
        closed = {r["socket"]: r["local_port"] for r in closes if r.get("remote_port") == listener}
        equal(ports == closed, True, "the close of each connection has the port of its connect")
        allocated = sum(r["ephemeral"].get("allocated", 0) for r in trace.find(event="churn"))
        check(allocated in (COUNT, COUNT + 1), f"churn counts {allocated} allocated ports")


class traced_storm_of:  # pylint: disable=invalid-name
    """with traced_storm_of(t, mode) as (trace, pid): verifies the stream at the end."""

    def __init__(self, t, mode, *args):
        self.trace, self.pid = traced_storm(t, mode, *args)

    def __enter__(self):
        self.trace.__enter__()
        return self.trace, self.pid

    def __exit__(self, *what):
        return self.trace.__exit__(*what)


@test(alone=True)
def bind(t):
    with traced_storm_of(t, "bind") as (trace, pid):
        equal(
            dict(tally(trace, pid, "event", "errno")),
            {("bind", None): COUNT, ("close", None): COUNT},
            "records of the storm",
        )
        binds = trace.find(event="bind", pid=pid)
        check(
            all(
                r.get("requested_port") == 0 and r.get("ephemeral") and r["local_port"]
                for r in binds
            ),
            "a record of a bind to port 0 lacks the port",
        )


@test(alone=True)
def refused(t):
    with traced_storm_of(t, "refused") as (trace, pid):
        counts = tally(trace, pid, "event", "errno")
        equal(counts[("bind", "EADDRINUSE")], COUNT, "refused binds")
        causes = collections.Counter(
            r["conflict"]["cause"] for r in trace.find(event="bind", pid=pid) if r.get("errno")
        )
        equal(dict(causes), {"listener-exists": COUNT}, "causes")
        equal(len(trace.find(event="close", pid=pid)), 1, "closes: only that of the holder")


@test(alone=True)
def udp(t):
    with traced_storm_of(t, "udp") as (trace, pid):
        equal(
            dict(tally(trace, pid, "event", "protocol")),
            {("bind", "udp"): COUNT + 1, ("close", "udp"): COUNT + 1},
            "records of the storm",
        )


@test(alone=True)
def filtered_out(t):
    """A storm that a filter excludes leaves no records of sockets."""
    with traced_storm_of(t, "connect", "-P", "1") as (trace, pid):
        equal(trace.find(pid=pid), [], "records of the storm")


@test(alone=True)
def reader_does_not_read(t):
    """A reader does not read: porttrace counts and reports lost events and exits with status 5."""
    process = subprocess.Popen(
        [PORTTRACE, "--json", "-N", str(t.netns)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=die_with_parent,
    )
    try:
        check(b'"start"' in process.stdout.readline(), "no start record")
        pid = run_storm(t, "connect")
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60 * SLOW)
    finally:
        process.kill()
        process.wait()
    records = [json.loads(line) for line in out.decode("utf-8", "strict").splitlines()]
    connects = sum(r["event"] == "connect" and r.get("pid") == pid for r in records)
    lost = records[-1].get("lost")
    equal(records[-1]["event"], "stop", "last record")
    if lost:
        equal(process.returncode, 5, "exit status after losses")
        check(
            any(r["event"] == "lost" and r["count"] > 0 and r.get("reason") for r in records),
            "events were lost, but there is no lost record",
        )
    else:
        equal(
            (process.returncode, connects), (0, COUNT), "exit status and connects, without lost events"
        )
