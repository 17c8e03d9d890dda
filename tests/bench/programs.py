#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""What each BPF program of porttrace costs, on each backend that this kernel has.

    tests/bench/programs.py [--rounds N] [--count N] [--icount] [MODE...]

Each round starts porttrace with each backend, in an order that turns, and runs every storm under it; the
kernel counts the runs of each program and its nanoseconds (bpf_stats). Medians over the rounds, by fact and
by program. With fentry and kprobe both there, fentry may not be dearer, in any fact that it reports by
programs of its own nor in sum: else the exit status is 1. 77: neither is here.

--icount only says that time is the count of instructions here (qemu's -icount), as it does for `make bench`.
"""

import argparse
import collections
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

# pylint: disable=wrong-import-position
import bench
import bpf_stats
from bench import PORTTRACE, Broken

BACKENDS = ("fentry", "kprobe", "tracepoint")
MODES = ("connect", "bind", "refused", "udp")
TOLERANCE = 1.05  # of a ratio in one run: the same program differs by that
LOOKS = "once a look"  # what no event runs
SEEN_NS = 20  # per operation: less is not worth a comparison


def facts_of(backend):
    """Which fact each program serves, and by whom it is reported: as doctor says it; None: no such backend."""
    done = subprocess.run([PORTTRACE, "doctor", f"--probes={backend}"], capture_output=True, text=True,
                          timeout=120, check=False)
    if done.returncode or (backend != "tracepoint" and not re.search(rf"^  {backend} +yes", done.stdout, re.M)):
        return None
    facts, part = {}, done.stdout.split("\nfacts, and")[1].split("\n\n")[0]
    for row in re.finditer(r"^  ([a-z][a-z-]*) +[a-z]+ (.*)$", part, re.M):
        for program in row.group(2).split():
            if "_" in program:
                facts[program] = row.group(1)
    return facts


class Costs:
    """Of one backend: [round] of nanoseconds and of runs per operation, by mode and program."""

    def __init__(self, facts):
        self.facts = facts
        self.ns = collections.defaultdict(list)
        self.runs = collections.defaultdict(list)
        self.storm = collections.defaultdict(list)

    def add(self, mode, count, before, after, figures):
        for program, (ns, runs) in after.items():
            self.ns[mode, program].append((ns - before[program][0]) / count)
            self.runs[mode, program].append((runs - before[program][1]) / count)
        self.storm[mode].append(figures["ns_per_op"])

    def programs(self, mode):
        return [p for m, p in self.ns if m == mode and max(self.runs[m, p])]

    def by_fact(self, mode):
        """[round] of nanoseconds per operation, of each fact."""
        facts = {}
        for program in self.programs(mode):
            fact, row = self.facts.get(program, LOOKS), self.ns[mode, program]
            facts[fact] = [a + b for a, b in zip(facts.get(fact, [0] * len(row)), row)]
        return facts

    def names(self, mode, fact):
        return {p for p in self.programs(mode) if self.facts.get(p, LOOKS) == fact}


def measure(backend, costs, modes, count, directory):
    tracer = bench.Tracer("porttrace", [PORTTRACE, "--json", f"--probes={backend}"], directory, modes)
    programs = None
    try:
        tracer.start(120)
        programs = bpf_stats.Programs(tracer.process.pid)
        for mode in modes:
            before = programs.read()
            figures = bench.storm(mode, count)
            tracer.settle()
            costs.add(mode, count, before, programs.read(), figures)
        tracer.stop()
    finally:
        if programs:
            programs.close()
        if tracer.process and tracer.process.poll() is None:
            tracer.process.kill()
            tracer.process.wait()


def ratios(ours, theirs):
    return statistics.median(a / b for a, b in zip(ours, theirs) if b)


def show(mode, all_costs):
    """The table of one storm."""
    median = statistics.median
    print(f"\n{mode}, per operation{'':28} runs  ns/run      ns")
    for backend, costs in all_costs.items():
        facts = costs.by_fact(mode)
        for fact, row in facts.items():
            print(f"  {backend:10} {fact:16} {'':28} {median(row):7.0f}")
            for program in sorted(costs.names(mode, fact)):
                ns, runs = median(costs.ns[mode, program]), median(costs.runs[mode, program])
                if runs:
                    print(f"    {program:40} {runs:6.2f} {ns / runs:7.0f} {ns:7.0f}")
        total = [sum(rows) for rows in zip(*(row for fact, row in facts.items() if fact != LOOKS))]
        print(f"  {backend:10} {'in sum':16} {'':28} {median(total):7.0f}")


def compare(mode, fentry, kprobe):
    """Where fentry is dearer: a list of sentences."""
    ours, theirs = fentry.by_fact(mode), kprobe.by_fact(mode)
    # Of facts with the same programs on both, any difference is noise.
    own = [f for f in {**ours, **theirs} if f != LOOKS and fentry.names(mode, f) != kprobe.names(mode, f)]
    zero = [0] * len(next(iter(ours.values())))
    rows = [(f, ours.get(f, zero), theirs.get(f, zero)) for f in own]
    rows.append(("in sum", *([sum(r) for r in zip(*(x.get(f, zero) for f in own))] for x in (ours, theirs))))
    dearer = []
    for fact, a, b in rows:
        if not any(a) or not any(b):
            continue
        ratio = ratios(a, b)
        line = f"{mode:8} {fact:16} fentry {statistics.median(a):6.0f} ns, kprobe {statistics.median(b):6.0f} ns, "
        line += f"ratio {ratio:.2f}"
        is_dearer = ratio > TOLERANCE and statistics.median(a) - statistics.median(b) > SEEN_NS
        print(f"  {line}{'  DEARER' if is_dearer else ''}")
        if is_dearer:
            dearer.append(line)
    return dearer


def run(options):
    enabled = bpf_stats.enable()
    all_costs = {}
    for backend in BACKENDS:
        facts = facts_of(backend)
        if facts is None:
            print(f"  {backend}: not on this kernel")
        else:
            all_costs[backend] = Costs(facts)
    with tempfile.TemporaryDirectory(prefix="porttrace-bench-", dir="/tmp") as directory:
        for mode in options.modes:
            bench.storm(mode, options.count)  # warms caches
        names = list(all_costs)
        for turn in range(options.rounds):
            for shift in range(len(names)):
                backend = names[(turn + shift) % len(names)]
                measure(backend, all_costs[backend], options.modes, options.count, directory)
    os.close(enabled)
    return all_costs


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--icount", action="store_true")
    parser.add_argument("--out", help="the figures, as JSON")
    parser.add_argument("modes", nargs="*", default=MODES)
    options = parser.parse_args()
    print(f"cost of each program (bpf_stats): {options.rounds} rounds of {options.count}, interleaved, "
          f"Linux {os.uname().release}" + ("; a nanosecond is an instruction here" if options.icount else ""))
    try:
        all_costs = run(options)
    except (Broken, OSError) as error:
        print(f"did not run: {error}")
        return 2
    for mode in options.modes:
        show(mode, all_costs)
    if options.out:
        with open(options.out, "w", encoding="utf-8") as file:
            json.dump({b: {m: c.by_fact(m) for m in options.modes} for b, c in all_costs.items()}, file)
    if not {"fentry", "kprobe"} <= set(all_costs):
        print("fentry and kprobe are not both here: nothing to compare")
        return 77
    print("\nfentry against kprobe, without what both have in common")
    dearer = [line for mode in options.modes
              for line in compare(mode, all_costs["fentry"], all_costs["kprobe"])]
    print("aim: fentry no dearer than kprobe:", f"NOT reached, {len(dearer)} times" if dearer else "reached")
    return 1 if dearer else 0


if __name__ == "__main__":
    sys.exit(main())
