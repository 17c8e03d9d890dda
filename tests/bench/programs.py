#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Measures the cost of each BPF program of porttrace, on each backend that this kernel supports.

    tests/bench/programs.py [--rounds N] [--count N] [--icount] [MODE...]

Each round runs every storm (tests/live/storm.c) untraced and under each backend, in rotating order. The kernel
counts the runs and the nanoseconds of each program (bpf_stats); the storm's CPU time also includes the calls
from the kernel's function into the program and back. The results are medians over the rounds.

If the kernel supports fentry and kprobe, fentry must not cost more: neither in any fact that it reports by its own
programs, nor in the sum of these, nor in the storm's CPU time; else the exit status is 1. 77: the kernel lacks one.
The programs run for the whole machine: if other processes use sockets, there are more runs than operations.

--icount declares that the clock counts instructions (qemu's -icount), as in the guest of `make bench`.
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
SCANS = "once a scan"  # programs that no event runs
# The kernel measures an fentry program in the calls around it, __bpf_prog_enter() and _exit(), but a kprobe program
# directly (bpf_prog_run()). So fentry's figure includes more instructions: 21 with the same code on 6.12.
WINDOW_NS = 25
TOLERANCE = 1.02  # noise between two runs
OFTEN = 0.5  # runs per operation: a fact with fewer runs is not compared
# Facts that are compared as one: kprobe_hash_connect_enter serves both.
TOGETHER = {"port-search": "connect"}


def facts_of(backend):
    """The fact that each program of the backend serves, from doctor; None: the kernel lacks this backend."""
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
    """The nanoseconds and runs per operation of one backend: a list by round for each mode and program."""

    def __init__(self, facts):
        self.facts = facts
        self.ns = collections.defaultdict(list)
        self.runs = collections.defaultdict(list)
        self.storm = collections.defaultdict(list)

    def add(self, mode, count, before, after, figures):
        for program, (ns, runs) in after.items():
            self.ns[mode, program].append((ns - before[program][0]) / count)
            self.runs[mode, program].append((runs - before[program][1]) / count)
        self.add_storm(mode, figures)

    def add_storm(self, mode, figures):
        self.storm[mode].append((figures["user_ns"] + figures["sys_ns"]) / figures["count"])

    def programs(self, mode):
        return [p for m, p in self.ns if m == mode and max(self.runs[m, p])]

    def by_fact(self, mode):
        """The nanoseconds per operation of each fact: a list by round."""
        facts = {}
        for program in self.programs(mode):
            fact, row = self.facts.get(program, SCANS), self.ns[mode, program]
            facts[fact] = [a + b for a, b in zip(facts.get(fact, [0] * len(row)), row)]
        return facts

    def names(self, mode, fact):
        return {p for p in self.programs(mode) if self.facts.get(p, SCANS) == fact}


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


def show(mode, all_costs, untraced):
    """The table of one storm."""
    median = statistics.median
    bare = median(untraced.storm[mode])
    print(f"\n{mode}, per operation; untraced {bare:.0f} ns of CPU time\n{'':46} runs  ns/run      ns")
    for backend, costs in all_costs.items():
        facts = costs.by_fact(mode)
        for fact, row in facts.items():
            if median(row) < 0.5:
                continue
            print(f"  {backend:10} {fact:16} {'':28} {median(row):7.0f}")
            for program in sorted(costs.names(mode, fact)):
                ns, runs = median(costs.ns[mode, program]), median(costs.runs[mode, program])
                if ns >= 0.5:
                    print(f"    {program:40} {runs:6.2f} {ns / runs:7.0f} {ns:7.0f}")
        total = [sum(rows) for rows in zip(*(row for fact, row in facts.items() if fact != SCANS))]
        print(f"  {backend:10} {'in sum':16} {'':28} {median(total):7.0f}")
        print(f"  {backend:10} {'storm CPU time':16} {'':28} {median(costs.storm[mode]) - bare:+7.0f}")


def own_facts(mode, costs, other):
    """Nanoseconds and runs per operation, by fact, of the programs that only this backend has."""
    found = collections.defaultdict(lambda: [0.0, 0.0])
    for program in costs.programs(mode):
        fact = costs.facts.get(program)
        if fact and program not in other.facts:
            row = found[TOGETHER.get(fact, fact)]
            row[0] += statistics.median(costs.ns[mode, program])
            row[1] += statistics.median(costs.runs[mode, program])
    return found


def compare(mode, fentry, kprobe, untraced):
    """Prints the comparison; returns the lines in which fentry costs more."""
    ours, theirs = own_facts(mode, fentry, kprobe), own_facts(mode, kprobe, fentry)
    rows = [(f, *ours[f], theirs[f][0]) for f in [*ours] if f in theirs and ours[f][1] >= OFTEN]
    rows.append(("in sum", *map(sum, zip(*ours.values())), sum(ns for ns, _ in theirs.values())))
    dearer = []
    for fact, ns, runs, other in rows:
        line = f"{mode:8} {fact:15} fentry {ns:7.0f} ns, kprobe {other:7.0f} ns"
        is_dearer = ns - WINDOW_NS * runs > other * TOLERANCE
        print(f"  {line}{'  DEARER' if is_dearer else ''}")
        dearer += [line] if is_dearer else []
    ns, other, bare = (statistics.median(c.storm[mode]) for c in (fentry, kprobe, untraced))
    line = f"{mode:8} {'storm CPU time':15} fentry {ns - bare:+7.0f} ns, kprobe {other - bare:+7.0f} ns"
    is_dearer = ns > other * TOLERANCE
    print(f"  {line}{'  DEARER' if is_dearer else ''}")
    return dearer + ([line] if is_dearer else [])


def run(options):
    enabled = bpf_stats.enable()
    all_costs, untraced = {}, Costs({})
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
            for mode in options.modes:
                untraced.add_storm(mode, bench.storm(mode, options.count))
            for shift in range(len(names)):
                backend = names[(turn + shift) % len(names)]
                measure(backend, all_costs[backend], options.modes, options.count, directory)
    os.close(enabled)
    return all_costs, untraced


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
        all_costs, untraced = run(options)
    except (Broken, OSError) as error:
        print(f"did not run: {error}")
        return 2
    for mode in options.modes:
        show(mode, all_costs, untraced)
    if options.out:
        with open(options.out, "w", encoding="utf-8") as file:
            json.dump({b: {m: c.by_fact(m) for m in options.modes} for b, c in all_costs.items()}, file)
    if not {"fentry", "kprobe"} <= set(all_costs):
        print("nothing to compare: this kernel lacks fentry or kprobe")
        return 77
    print("\nfentry against kprobe, per operation, without the programs that both have; bpf_stats "
          f"adds up to {WINDOW_NS} ns per run to fentry, 2 % are noise")
    dearer = [line for mode in options.modes
              for line in compare(mode, all_costs["fentry"], all_costs["kprobe"], untraced)]
    print("aim: fentry costs no more than kprobe:", f"NOT reached, {len(dearer)} times" if dearer else "reached")
    return 1 if dearer else 0


if __name__ == "__main__":
    sys.exit(main())
