# SPDX-License-Identifier: GPL-2.0-only
"""A thousand conflicts among 200 processes that bind, connect and close as fast as they can."""

import collections
import os
import subprocess

from porttrace_test import STORM, check, die_with_parent, equal, sysctl, test

PLANTED = os.path.join(os.path.dirname(STORM), "planted")
COUNT = int(os.environ.get("PLANTED", "1000"))
CHURNERS = 200
TRUE_SHARE = 0.99


def plant():
    """Conflicts by port: (protocol, cause, kind, pid of the caller, pids of the holders)."""
    done = subprocess.run([PLANTED, str(COUNT), STORM, str(CHURNERS)], capture_output=True, timeout=120,
                          check=False, preexec_fn=die_with_parent)  # fmt: skip
    check(done.returncode == 0, f"planted: {done.stderr.decode()}")
    truths = {}
    for line in done.stdout.decode().splitlines():
        port, protocol, cause, kind, caller, holders = line.split()
        truths[int(port)] = protocol, cause, kind, int(caller), set(map(int, holders.split(",")))
    equal(len(truths), COUNT, "conflicts that were planted")
    return truths


def run(t, *args):
    """(truths, records by port, stop record)"""
    sysctl("ipv4/tcp_max_tw_buckets", 512)
    out = open(os.path.join(t.temp(), "out.json"), "wb")
    trace = t.trace("-N", t.netns, *args, stdout=out, marker=False)
    out.close()
    with trace:
        truths = plant()
        status, stop = trace.stop()
    records = collections.defaultdict(list)
    for record in trace.find(event="bind", errno="EADDRINUSE"):
        records[record.get("local_port")].append(record)
    return truths, records, status, stop


def judge(truths, records):
    """Counts by kind: reported, with the right cause, with exactly the true holders; and what was wrong."""
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
    for what in wrong[:5]:
        print("  wrong:", what)
    sums = {what: sum(good[kind, what] for kind in ("stays", "leaves", "left"))
            for what in ("reported", "cause", "holders")}  # fmt: skip
    equal(sums["reported"], COUNT, f"conflicts that were reported\n{wrong[:5]}")
    check(sums["holders"] >= TRUE_SHARE * COUNT, f"with the true holders: {sums}\n{wrong[:5]}")
    check(sums["cause"] >= TRUE_SHARE * COUNT, f"with the true cause: {sums}\n{wrong[:5]}")


@test(alone=True)
def failures_only(t):
    verify(t, "-x")


@test(alone=True)
def everything(t):
    verify(t)
