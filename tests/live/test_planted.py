# SPDX-License-Identifier: GPL-2.0-only
"""A thousand conflicts among 200 processes that bind, connect and close as fast as they can."""

import collections
import json
import os
import signal
import subprocess

from porttrace_test import DEADLINE, PORTTRACE, STORM, check, die_with_parent, equal, sysctl, test, until

OWN_TRACER = True  # these tests do not share a porttrace

PLANTED = os.path.join(os.path.dirname(STORM), "planted")
COUNT = int(os.environ.get("PLANTED", "1000"))
CHURNERS = 200
TRUE_SHARE = 0.99


def plant():
    """Makes the conflicts; returns for each port (protocol, cause, kind, pid of the caller, pids of the holders)."""
    done = subprocess.run([PLANTED, str(COUNT), STORM, str(CHURNERS)], capture_output=True, timeout=4 * DEADLINE,
                          check=False, preexec_fn=die_with_parent)  # fmt: skip
    check(done.returncode == 0, f"planted: {done.stderr.decode()}")
    truths = {}
    for line in done.stdout.decode().splitlines():
        port, protocol, cause, kind, caller, holders = line.split()
        truths[int(port)] = protocol, cause, kind, int(caller), set(map(int, holders.split(",")))
    equal(len(truths), COUNT, "conflicts that were planted")
    return truths


class Tracer:
    """A porttrace that writes to a file. stop() reads only the refusals of what may be millions of records."""

    def __init__(self, t, *args):
        self.path = os.path.join(t.temp(), "out.json")
        with open(self.path, "wb") as out:
            self.process = subprocess.Popen([PORTTRACE, "--json", "-N", str(t.netns), *args], stdout=out,
                                            preexec_fn=die_with_parent)  # fmt: skip
        until(lambda: os.path.getsize(self.path), "start record")

    def stop(self):
        """(exit status, stop record, refusals)"""
        self.process.send_signal(signal.SIGINT)
        status = self.process.wait(timeout=DEADLINE)
        refusals, last = [], b""
        with open(self.path, "rb") as file:
            for last in file:
                if b'"EADDRINUSE"' in last:
                    refusals.append(json.loads(last))
        return status, json.loads(last), refusals

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def run(t, *args):
    """(truths, records by port, exit status, stop record)"""
    sysctl("ipv4/tcp_max_tw_buckets", 512)
    with Tracer(t, *args) as tracer:
        truths = plant()
        status, stop, refusals = tracer.stop()
    records = collections.defaultdict(list)
    for record in refusals:
        records[record.get("local_port")].append(record)
    return truths, records, status, stop


def judge(truths, records):
    """Counts for each kind the conflicts that were reported, had the right cause, and had exactly the true holders;
    also returns the wrong ones."""
    good, wrong = collections.Counter(), []
    for port, (protocol, cause, kind, caller, holders) in truths.items():
        good[kind, "planted"] += 1
        found = [r for r in records[port] if r["protocol"] == protocol and r["pid"] == caller]
        good[kind, "reported"] += len(found) == 1
        if len(found) != 1:
            wrong.append((port, cause, kind, "not reported"))
            continue
        conflict = found[0]["conflict"]
        pids = {p["pid"] for h in conflict.get("holders", []) for p in h.get("pids", [])}
        good[kind, "cause"] += conflict["cause"] == cause
        good[kind, "holders"] += pids == holders
        if pids != holders or conflict["cause"] != cause:
            wrong.append((port, cause, kind, holders, conflict))
    return good, wrong


def verify(t, *args):
    truths, records, status, stop = run(t, *args)
    good, wrong = judge(truths, records)
    print(f"planted {args}: status {status}, lost {stop.get('lost')}, {stop.get('events')} events")
    for kind in ("stays", "leaves", "left"):
        print(f"  {kind}: " + ", ".join(f"{good[kind, what]} {what}" for what in
                                        ("planted", "reported", "cause", "holders")))  # fmt: skip
    for what in wrong[:3]:
        print("  wrong:", what)
    sums = {what: sum(good[kind, what] for kind in ("stays", "leaves", "left"))
            for what in ("reported", "cause", "holders")}  # fmt: skip
    equal(sums["reported"], COUNT, f"conflicts that were reported\n{wrong[:5]}")
    check(sums["holders"] >= TRUE_SHARE * COUNT, f"too few conflicts with the true holders: {sums}\n{wrong[:5]}")
    check(sums["cause"] >= TRUE_SHARE * COUNT, f"too few conflicts with the true cause: {sums}\n{wrong[:5]}")


@test(alone=True)
def failures_only(t):
    verify(t, "-x")


@test(alone=True)
def everything(t):
    verify(t)
