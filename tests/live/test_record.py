# SPDX-License-Identifier: GPL-2.0-only
"""Compares the replay of a recording with the live stream of the same time."""

import json
import os
import re
import resource
import signal
import subprocess

from porttrace_test import (
    PORTTRACE,
    SLOW,
    SOCKET_EVENTS,
    check,
    die_with_parent,
    equal,
    pair_on,
    refused,
    sysctl,
    tcp,
    test,
    udp,
    until,
)

OWN_TRACER = True  # these tests compare two porttraces from their first event on

# Fields that each porttrace measures itself.
PER_RUN = {"time", "boot_ns", "duration_ns", "since", "started", "interval_s"}


def comparable(value):
    """A record without the fields that each porttrace measures itself."""
    if isinstance(value, dict):
        return {k: comparable(v) for k, v in value.items() if k not in PER_RUN}
    if isinstance(value, str):  # a replay does not know a command that enters the namespace
        return re.sub(r"nsenter --net=\S+ ", "", value)
    return [comparable(v) for v in value] if isinstance(value, list) else value


def replay(t, path, *args, status=0):
    done = t.command("replay", path, "--json", *args)
    equal(done.returncode, status, f"exit status of replay ({done.stderr.decode()})")
    return [json.loads(line) for line in done.stdout.splitlines()]


def make_traffic(t, explained=lambda: None):
    """
    Binds, a refusal with a holder, connections, an exhausted range. Calls explained() while the holder exists: a
    busy machine's porttrace that looks after its end does not find its descriptor.
    """
    sysctl("ipv4/ip_local_port_range", "40000 40003")
    with tcp(("127.0.0.1", 5001), backlog=1) as listener:
        check(refused(tcp, ("127.0.0.1", 5001)) == "EADDRINUSE", "not refused")
        explained()
        client, server = pair_on(listener)
        client.close()
        server.close()
        with udp(("127.0.0.1", 5002)):
            held = [tcp(("127.0.0.1", 0)) for _ in range(3)]
            check(refused(tcp, ("127.0.0.1", 0)) == "EADDRINUSE", "not refused")
            for sock in held:
                sock.close()


@test(own=True)  # other tests' refusals would take the shared one's time for lookups
def replay_equals_the_live_stream(t):
    path = os.path.join(t.temp(), "capture")

    def explained():
        until(lambda: any("conflict" in r for r in replay(t, path, status=1)), "the refusal is in the file")
        trace.once(event="bind", local_port=5001, errno="EADDRINUSE")

    with t.text("record", path) as record, t.trace() as trace:
        make_traffic(t, explained)
        trace.mark()
        equal(record.stop(), 0, "exit status of record")
        equal(bytes(record.out), b"", "stdout of record")
        live = [r for r in trace.records if r["event"] in SOCKET_EVENTS]
    shown = replay(t, path)
    equal([shown[0]["event"], shown[-1]["event"]], ["start", "stop"], "first and last record")
    events = [r for r in shown if r["event"] in SOCKET_EVENTS]
    equal(
        [comparable(r) for r in events],
        [comparable(r) for r in live[: len(events)]],
        "replay, compared with the live stream",
    )
    check(sum("conflict" in r for r in events) == 2, "the refusals are explained")
    check(f"{len(events)} events, 0 lost" in record.text, f"the totals: {record.text!r}")


@test()
def filters_of_replay_are_those_of_the_kernel(t):
    path = os.path.join(t.temp(), "capture")
    filters = (["5001", "-x"], ["--protocol=tcp", "-e", "bind,listen", "-n", "3"], ["-D", "5001"])
    with t.text("record", path) as record:
        traces = [t.trace(*f, marker=False) for f in filters]
        make_traffic(t)
        equal(record.stop(), 0, "exit status of record")
        for trace in traces:
            trace.stop()
    for given, trace in zip(filters, traces):
        live = [comparable(r) for r in trace.records if r["event"] in SOCKET_EVENTS]
        events = [comparable(r) for r in replay(t, path, *given) if r["event"] in SOCKET_EVENTS]
        # What is known about a holder or a process depends on the other events of the stream.
        for record_ in live + events:
            for name in ("conflict", "user", "parents", "cwd"):
                record_.pop(name, None)
        check(events, f"{given}: no events")
        equal(events, live, f"replay with {given}, compared with the live stream")


@test()
def killed_recording_can_be_replayed(t):
    path = os.path.join(t.temp(), "capture")
    with t.text("record", path) as record, t.trace() as trace:
        tcp(("127.0.0.1", 5001)).close()
        trace.once(event="close", local_port=5001)
        # record writes each batch at once; killed between two batches, it leaves a file without an end.
        until(lambda: any(r.get("local_port") == 5001 and r["event"] == "close" for r in replay(t, path, status=1)) or None,
              "the close is in the file")
        record.stop(9)
    shown = replay(t, path, status=1)
    check(shown[0]["event"] == "start" and shown[0]["kernel"] == os.uname().release, "the start")
    equal([r["event"] for r in shown if r.get("local_port") == 5001], ["bind", "close"], "events")


@test(own=True)  # other tests' refusals would take the shared one's time for lookups
def pipe_to_replay(t):
    """`record - | replay -` shows the events while they happen, and ends with the totals of the whole."""
    with t.trace() as trace:
        read, write = os.pipe()
        recorder = subprocess.Popen([PORTTRACE, "record", "-", "-q", "-N", str(t.netns)], stdout=write,
                                    preexec_fn=die_with_parent)
        shown = subprocess.Popen([PORTTRACE, "replay", "-", "--json"], stdin=read, stdout=subprocess.PIPE,
                                 preexec_fn=die_with_parent)
        t.processes += [recorder, shown]
        os.close(read)
        os.close(write)
        start = json.loads(shown.stdout.readline())
        equal((start["event"], start["kernel"]), ("start", os.uname().release), "the first record")
        with tcp(("127.0.0.1", 5001), backlog=1):
            equal(json.loads(shown.stdout.readline())["local_port"], 5001, "port of a bind while it is recorded")
        lines = []

        def explained():
            for line in shown.stdout:
                lines.append(line)
                if "conflict" in json.loads(line):
                    break
            trace.once(event="bind", local_port=5001, errno="EADDRINUSE")

        make_traffic(t, explained)
        trace.mark()
        recorder.send_signal(signal.SIGINT)
        equal(recorder.wait(60 * SLOW), 0, "exit status of record")
        lines += shown.stdout.read().splitlines()
        equal(shown.wait(60 * SLOW), 0, "exit status of replay")
        records = [json.loads(line) for line in lines]
        equal(records[-1]["event"], "stop", "the last record")
        live = [comparable(r) for r in trace.records if r["event"] in SOCKET_EVENTS][1:]
        events = [comparable(r) for r in records if r["event"] in SOCKET_EVENTS]
        equal(events, live[: len(events)], "replay, compared with the live stream")
        check(sum("conflict" in r for r in events) == 2, "the refusals are explained")


@test(netns=False)
def replay_of_a_pipe_ends_with_a_signal(t):
    recorder = subprocess.Popen([PORTTRACE, "record", "-", "-q"], stdout=subprocess.PIPE, preexec_fn=die_with_parent)
    shown = subprocess.Popen([PORTTRACE, "replay", "-", "--json"], stdin=recorder.stdout, stdout=subprocess.PIPE,
                             preexec_fn=die_with_parent)
    t.processes += [recorder, shown]
    recorder.stdout.close()
    shown.stdout.readline()
    shown.send_signal(signal.SIGINT)
    out, _ = shown.communicate(timeout=60 * SLOW)
    equal((shown.returncode, json.loads(out.splitlines()[-1])["event"]), (0, "stop"), "status, last record")
    udp(("127.0.0.1", 0)).close()  # record notices the closed pipe, also without another event
    equal(recorder.wait(60 * SLOW), 0, "exit status of record after its reader has gone")


@test(netns=False)
def fifo_without_a_reader(t):
    path = os.path.join(t.temp(), "fifo")
    os.mkfifo(path)
    done = t.command("record", path)
    equal((done.returncode, done.stderr.decode()),
          (1, f"porttrace: writing {path}: no process reads this FIFO; start its reader first\n"), "status and stderr")


@test()
def disk_full_in_the_first_scan(t):
    """The header is there and says which kernel it was; the file is as good as it got."""
    path = os.path.join(t.temp(), "capture")
    socks = [tcp(("127.0.0.1", 0)) for _ in range(600)]
    resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    done = t.command("record", path, "-q", "-d", "5")
    equal((done.returncode, done.stderr.decode()), (1, f"porttrace: writing {path}: File too large\n"), "status, stderr")
    shown = replay(t, path, "-e", "bind", status=1)
    equal((shown[0]["event"], shown[0]["kernel"]), ("start", os.uname().release), "the first record")
    check(0 < shown[0]["sockets"] <= len(socks), f"{shown[0]['sockets']} sockets in the file, of {len(socks)}")


@test(netns=False)
def recording_goes_to_a_full_disk(t):
    done = t.command("record", "/dev/full", "-q", "-d", "5")
    equal((done.returncode, done.stdout), (1, b""), "status and stdout")
    equal(
        done.stderr.decode(),
        "porttrace: writing /dev/full: No space left on device\n",
        "stderr",
    )
