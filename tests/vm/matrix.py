#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The live tests on every kernel, on each backend; `make check-vm`.

    [ARCH=arm64] [BUILD=DIR] [KERNELS="5.10 ..."] [PROBES="fentry kprobe tracepoint"] [FULL=1 | BRIEF=1]
                tests/vm/matrix.py [--docs] [NAME...]

Boots one guest for each kernel and backend, two at a time. Each guest runs facts.py and the test groups EVERY
on its backend; all tests of a guest that can share a porttrace share one, because a start takes many seconds
there. One backend of each kernel also runs `porttrace why` before each bind, the differential test, and a
part of the other groups, which start a porttrace for each test; the kernels divide these groups among them.

    FULL=1   every guest runs all groups
    BRIEF=1  (.ci/run) MORE on one backend of each kernel, QUICK on that of the oldest, which is slow, and on the other
             backends of the newest; facts.py everywhere

One more guest is booted with lockdown=confidentiality, where porttrace must exit with 3 and give the reason. The
same holds for a backend that the architecture's kernel lacks (fentry on arm64's 5.10 and 6.1). The groups that
a kernel does not run are printed. With NAMEs only tests run whose name contains one. --docs writes
docs/kernels.md from the results of this run and of the last run for the other architecture. The output of each
guest is in BUILD/vm/KERNEL-BACKEND.log. The last line is `N passed, N failed, N skipped`.
"""

import argparse
import collections
import concurrent.futures
import difflib
import json
import os
import re
import shlex
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True

import report  # noqa: E402 pylint: disable=wrong-import-position
from guest import MACHINES, OWN, Guest, Lost  # noqa: E402 pylint: disable=wrong-import-position
from kernels import Missing, SUITES  # noqa: E402 pylint: disable=wrong-import-position

TREE = os.path.dirname(os.path.dirname(HERE))
BACKENDS = ["fentry", "kprobe", "tracepoint"]
# Groups that run on each backend.
EVERY = ["events", "failures", "protocols", "corpus", "hostile"]
# Groups with BRIEF=1: see above.
QUICK = ["events"]
MORE = ["events", "failures", "protocols"]
# Tests of time and memory, whose results are meaningless under emulation.
NOT_EMULATED = ["storm.", "planted.", "starts_in_half_a_second", "hundred_thousand_sockets"]
# Seconds until a guest is killed and counts as failed.
LIMIT = float(os.environ.get("PORTTRACE_VM_LIMIT", "2700" if os.environ.get("ARCH") == "arm64" else "900"))
SLOW = os.environ.get("PORTTRACE_SLOW", "3")
DEADLINE = os.environ.get("PORTTRACE_DEADLINE", "30")
STORM = os.environ.get("PORTTRACE_STORM", "2000")  # connections of a storm

SAYING = threading.Lock()


def say(text):
    with SAYING:
        print(text, flush=True)


class Job:
    """One kernel with one backend: the steps to run, and their results."""

    def __init__(self, kernel, probes, steps, append=""):
        self.kernel, self.probes, self.steps, self.append = kernel, probes, steps, append
        self.name = f"{os.path.basename(kernel)} {probes}"
        self.lines = collections.defaultdict(list)  # of each step
        self.status = {}
        self.counts = [0, 0, 0]
        self.rest, self.step, self.log = b"", None, None

    def script(self):
        text = f"export PORTTRACE_SLOW={SLOW} PORTTRACE_DEADLINE={DEADLINE} PORTTRACE_STORM={STORM}\n"
        for name, command in self.steps.items():
            text += f"echo '@@ begin {name}'\n{command}\necho \"@@ end {name} $?\"\n"
        return text

    def keep(self, folder):
        """Opens the log file of the guest in this folder."""
        self.log = open(os.path.join(folder, self.name.replace(" ", "-") + ".log"), "wb", buffering=0)

    def take(self, piece):
        self.log.write(piece)
        *lines, self.rest = (self.rest + piece).split(b"\n")
        for line in lines:
            self.line(line.decode("utf-8", "replace"))

    def line(self, line):
        if mark := re.fullmatch(r"@@ begin (\w+)", line):
            self.step = mark.group(1)
        elif mark := re.fullmatch(r"@@ end (\w+) (\d+)", line):
            self.status[mark.group(1)] = int(mark.group(2))
            self.step = None
        else:
            self.lines[self.step].append(line)
            if self.step in ("live", "rest", "diff", "facts") and not re.match(r"ok  |skip|shared por|> ", line):
                if not re.fullmatch(r"\d+ passed, .*", line):
                    say(f"    {self.name}: {line[:1500]}")

    def skip(self, reason):
        say(f"  {self.name}: SKIP: {reason}")
        self.counts[2] += 1

    def run(self, guest):
        began = time.monotonic()
        try:
            guest.run(self.script(), self.take, LIMIT, self.append)
        except Lost as lost:
            say(f"    {self.name}: {lost}")
        self.add_up()
        say(f"  {self.name}: {self.counts[0]} passed, {self.counts[1]} failed, {self.counts[2]} skipped "
            f"in {time.monotonic() - began:.0f} s")

    def add_up(self):
        """Counts the tests, and each other step as one test. A step that did not end has failed."""
        for name in self.steps:
            last = [re.fullmatch(r"(\d+) passed, (\d+) failed, (\d+) skipped", line)
                    for line in self.lines[name]]
            last = [m for m in last if m]
            status = self.status.get(name)
            if name in ("live", "rest") and last and status is not None:
                for i in range(3):
                    self.counts[i] += int(last[-1].group(i + 1))
                if status and not int(last[-1].group(2)):
                    self.counts[1] += 1
            elif status == 0:
                self.counts[0] += 1
            elif status == 77:
                self.counts[2] += 1
            else:
                # Tests that ended before the guest did count.
                if name in ("live", "rest"):
                    self.counts[0] += sum(line.startswith("ok  ") for line in self.lines[name])
                    self.counts[1] += sum(line.startswith("FAIL") for line in self.lines[name])
                self.counts[1] += 1
                say(f"    {self.name}: step '{name}' " +
                    ("did not end" if status is None else f"ended with status {status}"))
                for line in self.lines[name][-12:]:
                    say(f"      {line[:600]}")

    def start_record(self):
        for line in self.lines["live"]:
            if line.startswith("shared porttrace: {"):
                return json.loads(line.removeprefix("shared porttrace: "))
        return None

    def facts(self, with_ring):
        """The records that facts.py printed; without io_uring where a backend has no probe for it."""
        records = [json.loads(line[2:]) for line in self.lines["facts"] if line.startswith("> ")]
        return [json.dumps(r, sort_keys=True) for r in records if with_ring or r["comm"] != "pt-uring"]

    def has_ring(self):
        return "without io_uring" not in self.lines["facts"]


def groups():
    """The groups of live tests: one for each file, one for all corpus files."""
    found = {f[len("test_"):-len(".py")] for f in os.listdir(os.path.join(TREE, "tests/live"))
             if re.fullmatch(r"test_\w+\.py", f)}
    return sorted({"corpus" if g.startswith("corpus") else g for g in found})


def live(probes, names, share=True, without=(), predict=True):
    left_out = " ".join(f"--without={n}" for n in without)
    return (f"PORTTRACE_PREDICT={int(predict)} python3 tests/live/porttrace_test.py --share={'all' if share else 'none'} --probes={probes} -j1 "
            f"{left_out} {' '.join(map(shlex.quote, names))}")


def refusal(backend):
    """A shell command that ends with 0 when porttrace refuses this backend with status 3 and one line."""
    return (f"build/porttrace --probes={backend} 2>/tmp/stderr; status=$?; cat /tmp/stderr; "
            f"[ $status = 3 ] && [ \"$(wc -l </tmp/stderr)\" = 1 ] && "
            f"grep -q 'kernel refuses {backend}' /tmp/stderr")


def briefly(number, kernels, chosen):
    """The groups with BRIEF=1 of a backend of this kernel, counted from the oldest."""
    if chosen and number:
        return MORE
    return QUICK if chosen or number == kernels - 1 else []


def jobs(arch, kernels, backends, names):
    """The list of jobs; prints which groups run where."""
    full, brief = bool(os.environ.get("FULL")), bool(os.environ.get("BRIEF"))
    rest = [g for g in groups() if g not in EVERY and f"{g}." not in NOT_EMULATED]
    made = []
    for number, kernel in enumerate(kernels):
        share = [] if brief else rest if full or len(kernels) == 1 else rest[number::len(kernels)]
        lacks = [b for b in MACHINES[arch].get("lacks", {}).get(kernel, []) if b in backends]
        made += [Job(kernel, backend, {"refused": refusal(backend)}) for backend in lacks]
        there = [b for b in backends if b not in lacks]
        if not there:
            continue
        chosen = there[number % len(there)]  # the backend that runs all groups
        for backend in there:
            every = EVERY if not brief else briefly(number, len(kernels), backend == chosen)
            steps = {}
            if names or every:
                steps["live"] = live(backend, names or [f"{g}." for g in every], without=NOT_EMULATED,
                                     predict=backend == chosen)
            steps["doctor"] = f"build/porttrace doctor --probes={backend}"
            if not names:
                steps["facts"] = f"BACKEND={backend} python3 tests/vm/facts.py"
                if backend == chosen:
                    steps["diff"] = "build/tests/diff --count 2000 --seed 1"
                if share and (backend == chosen or full):
                    steps["rest"] = live(backend, [f"{g}." for g in share], without=NOT_EMULATED)
                say(f"  {os.path.basename(kernel)} {backend}: {' '.join([*every, *(step for step in steps if step != 'live')])}"
                    + (f" ({' '.join(share)})" if "rest" in steps else ""))
            made.append(Job(kernel, backend, steps))
        left = [g for g in rest if g not in share]
        if left and not names:
            say(f"  {os.path.basename(kernel)}: not here, but with FULL=1: {' '.join(left)}")
    if brief:
        say(f"  nowhere, but without BRIEF=1: {' '.join(g for g in EVERY if g not in MORE)}, lockdown")
    if not brief and (not names or "lockdown" in names):
        locked = "6.12" if "6.12" in kernels else kernels[-1]
        made.append(Job(locked, "lockdown", {"live": live("auto", ["lacking.lockdown"], share=False)},
                        "lockdown=confidentiality"))
        say(f"  {os.path.basename(locked)} lockdown=confidentiality: lacking.lockdown")
    say(f"  not in an emulated machine: {' '.join(NOT_EMULATED)}")
    return made


def compare(done):
    """Compares the facts that the backends of a kernel report: [passed, failed, skipped]."""
    counts = [0, 0, 0]
    by_kernel = collections.defaultdict(list)
    for job in done:
        if job.facts(True):
            by_kernel[job.kernel].append(job)
    for kernel, jobs_done in by_kernel.items():
        first, with_ring = jobs_done[0], all(job.has_ring() for job in jobs_done)
        for other in jobs_done[1:]:
            a, b = (job.facts(with_ring) for job in (first, other))
            same = a == b
            counts[0 if same else 1] += 1
            say(f"  {'ok  ' if same else 'FAIL'} {os.path.basename(kernel)}: {other.probes} reports the facts of "
                f"{first.probes} ({len(a)} records{'' if with_ring else ', without io_uring'})")
            if not same:
                fields = [[line for record in part for line in json.dumps(json.loads(record), indent=1).splitlines()]
                          for part in (a, b)]
                for line in list(difflib.unified_diff(*fields, first.probes, other.probes, lineterm=""))[:60]:
                    say(f"    {line[:300]}")
    return counts


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--docs", action="store_true")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    kernels = os.environ.get("KERNELS", "").split() or list(SUITES)
    backends = os.environ.get("PROBES", "").split() or BACKENDS
    arch = os.environ.get("ARCH", OWN).replace("x86_64", "amd64")
    build = os.path.abspath(os.environ.get("BUILD") or os.path.join(TREE, "build", "" if arch == OWN else arch))
    todo = jobs(arch, kernels, backends, options.names)
    logs = os.path.join(build, "vm")
    os.makedirs(logs, exist_ok=True)
    for job in todo:
        job.keep(logs)
    guests = {}
    for kernel in kernels:
        try:
            guests[kernel] = Guest(kernel, build, TREE, arch)
        except Missing as missing:
            for job in todo:
                if job.kernel == kernel:
                    job.skip(missing)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda job: job.run(guests[job.kernel]),
                      sorted((job for job in todo if job.kernel in guests),
                             key=lambda job: ("rest" not in job.steps, "diff" not in job.steps))))
    counts = [sum(column) for column in zip(*(job.counts for job in todo), compare(todo))]
    if not options.names:
        with open(os.path.join(build, "vm.json"), "w", encoding="utf-8") as file:
            json.dump(report.results([job for job in todo if not job.append], arch), file, indent=1)
    if options.docs:
        folders = [os.path.join(TREE, "build"), *(os.path.join(TREE, "build", m) for m in MACHINES)]
        if build not in folders:
            folders.insert(0, build)
        sources = [os.path.join(folder, "vm.json") for folder in folders]
        report.write(os.path.join(TREE, "docs/kernels.md"), filter(os.path.exists, sources))
    print(f"{counts[0]} passed, {counts[1]} failed, {counts[2]} skipped")
    return 1 if counts[1] or not counts[0] else 0


if __name__ == "__main__":
    sys.exit(main())
