#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Measures the cost of tracing for the traced programs and for porttrace itself; `make bench`.

    tests/bench/bench.py [--rounds N] [--probes=BACKEND] [--here] [MODE...]

Each round runs every storm (tests/live/storm.c) untraced, under `porttrace --json` writing to a
file, and under each installed peer; the order rotates from round to round. The program prints medians
over the rounds, and ratios of traced to untraced within one round. Other programs use the machine too,
so differences of a few per cent are noise: the spread of the rounds is printed beside the medians.

Then it measures the cost of each BPF program (programs.py) on this kernel. If this kernel lacks fentry or kprobe,
it also measures in a guest with KERNEL (not with --here), whose clock counts executed instructions: that number has
no noise, but is only roughly proportional to time. programs.py compares fentry and kprobe in one run.

Exit status 0, unless something did not run, or fentry costs more than kprobe.
"""

import argparse
import glob
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../live"))

# pylint: disable=wrong-import-position
from porttrace_test import PORTTRACE, STORM, die_with_parent, new_netns

# Operations of each storm, which take some tenths of a second.
KERNEL = "6.12"
COUNTS = {"connect": 10000, "bind": 30000, "refused": 30000, "udp": 30000, "getppid": 1000000}
AIM_RATIO, AIM_CPU_US, AIM_MIB = 1.10, 10.0, 15.0  # of the connection storm

BPFTRACE = """
tracepoint:sock:inet_sock_set_state { printf("%d %s %d %d %d %d\\n", pid, comm, args->oldstate,
    args->newstate, args->sport, args->dport); }
tracepoint:syscalls:sys_enter_bind { @fd[tid] = args->fd; }
tracepoint:syscalls:sys_exit_bind { printf("%d %s %d %d\\n", pid, comm, @fd[tid], args->ret);
    delete(@fd[tid]); }
"""


class Broken(Exception):
    """A program of the benchmark did not run."""


class Tracer:
    """A running tracer that writes to a file."""

    def __init__(self, name, command, directory, modes):
        self.name, self.command, self.modes = name, command, modes
        self.out = os.path.join(directory, f"{name}.out")
        self.err = os.path.join(directory, f"{name}.err")
        self.process = None
        self.began = 0

    def start(self, limit=20):
        self.began = time.monotonic()
        with open(self.out, "wb") as out, open(self.err, "wb") as err:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                preexec_fn=die_with_parent,
            )
        end = time.monotonic() + limit
        while not self.ready():
            if self.process.poll() is not None or time.monotonic() > end:
                with open(self.err, encoding="utf-8", errors="replace") as err:
                    raise Broken(f"{self.name} does not start: {err.read()[-300:].strip()}")
            time.sleep(0.01)

    def ready(self):
        """Waits for its first output (start record, heading, "Attaching") and until it is idle.

        Some peers buffer even their heading when they write to a file; they get some time.
        """
        patient = self.name != "porttrace" and time.monotonic() - self.began > 1.5
        if os.stat(self.out).st_size == 0 and not patient:
            return False
        self.settle()
        return True

    def cpu_ns(self):
        """CPU time so far, of all its threads."""
        total = 0
        for path in glob.glob(f"/proc/{self.process.pid}/task/*/schedstat"):
            with open(path, encoding="ascii") as file:
                total += int(file.read().split()[0])
        return total

    def settle(self):
        """Waits until the tracer has processed its backlog."""
        end, before = time.monotonic() + 5, self.cpu_ns()
        while time.monotonic() < end:
            time.sleep(0.06)
            now = self.cpu_ns()
            if now - before < 500_000:
                return
            before = now

    def peak_kib(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii", errors="replace") as file:
            return int(re.search(r"VmHWM:\s+(\d+)", file.read()).group(1))

    def stop(self):
        """Ends the tracer; returns how many events it reports as lost."""
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise Broken(f"{self.name} did not end") from None
        if self.name != "porttrace":
            return 0
        with open(self.out, "rb") as file:
            file.seek(max(0, os.stat(self.out).st_size - 4096))
            last = json.loads(file.read().splitlines()[-1])
        if last.get("event") != "stop" or self.process.returncode not in (0, 5):
            raise Broken(f"porttrace ended with status {self.process.returncode} and {last}")
        return last["lost"]


def storm(mode, count):
    """Runs one storm in its own network namespace; returns its figures."""

    def prepare():
        die_with_parent()
        new_netns()

    done = subprocess.run(
        [STORM, mode, str(count)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
        preexec_fn=prepare,
    )
    time.sleep(0.03)  # time for the kernel to remove the namespace and its TIME_WAITs
    if done.returncode:
        raise Broken(f"storm {mode}: {done.stderr.decode().strip()}")
    return json.loads(done.stdout)


def measure(tracer, modes, results):
    """Runs the storms under one tracer (None: untraced) and adds the results."""
    name = tracer.name if tracer else "untraced"
    for mode in modes:
        if tracer and mode not in tracer.modes:
            continue
        before = tracer.cpu_ns() if tracer else 0
        figures = storm(mode, COUNTS[mode])
        row = results.setdefault((name, mode), {"ns": [], "cpu": []})
        row["ns"].append(figures["ns_per_op"])
        if tracer:
            tracer.settle()
            row["cpu"].append((tracer.cpu_ns() - before) / COUNTS[mode])


def peers(directory, modes):
    """The other tracers that are installed, and the storms that each can trace."""
    commands = {
        "bpftrace": (
            ["bpftrace", "-B", "line", "-e", BPFTRACE],
            ("connect", "bind", "refused", "getppid"),
        ),
        "tcpstates": (["tcpstates"], ("connect",)),
        "tcplife": (["tcplife"], ("connect",)),
    }
    # They need tracefs; if it is not mounted, mount it in their mount namespace.
    before = []
    if not os.path.exists("/sys/kernel/tracing/events"):
        before = [
            "unshare",
            "-m",
            "sh",
            "-c",
            'mount -t tracefs none /sys/kernel/tracing; exec "$@"',
            "sh",
        ]
    return [
        Tracer(name, [*before, *command], directory, [m for m in modes if m in theirs])
        for name, (command, theirs) in commands.items()
        if shutil.which(command[0])
    ]


def run(options, directory):
    command = [PORTTRACE, "--json", *([f"--probes={options.probes}"] if options.probes else [])]
    own = Tracer("porttrace", command, directory, options.modes)
    candidates = [None, own, *peers(directory, options.modes)]
    results, peaks, lost, troubles = {}, {}, 0, []

    for mode in options.modes:
        storm(mode, 2000)  # warms caches, and fails at once if the storm does not run
    for turn in range(options.rounds):
        for shift in range(len(candidates)):
            tracer = candidates[(turn + shift) % len(candidates)]
            if tracer and tracer.name in [name for name, _ in troubles]:
                continue
            try:
                if tracer:
                    tracer.start()
                measure(tracer, options.modes, results)
                if tracer:
                    peaks[tracer.name] = max(peaks.get(tracer.name, 0), tracer.peak_kib())
                    missing = tracer.stop()
                    lost += missing
            except Broken as broken:
                troubles.append((tracer.name if tracer else "untraced", str(broken)))
            finally:
                if tracer and tracer.process and tracer.process.poll() is None:
                    tracer.process.kill()
                    tracer.process.wait()
        if sys.stderr.isatty():
            print(f"\rround {turn + 1} of {options.rounds} ", end="", file=sys.stderr, flush=True)
    return [c.name for c in candidates if c], results, peaks, lost, troubles


def report(options, names, results, peaks, lost):
    median = statistics.median
    print(
        f"porttrace bench: {options.rounds} rounds, interleaved, {os.cpu_count()} CPUs, "
        f"load {os.getloadavg()[0]:.1f}, Linux {os.uname().release}; a noisy machine\n"
    )
    print(
        f"{'storm':9} {'tracer':10} {'ns/op':>9} {'spread':>7} {'ratio':>6} {'own CPU us/op':>14}"
    )
    for mode in options.modes:
        base = results.get(("untraced", mode))
        for name in ["untraced", *names]:
            row = results.get((name, mode))
            if not row or not base:
                continue
            ns = row["ns"]
            spread = (max(ns) - min(ns)) / median(ns) * 100
            line = (
                f"{mode if name == 'untraced' else '':9} {name:10} {median(ns):9.0f} {spread:6.0f}%"
            )
            if name != "untraced":
                ratio = median(a / b for a, b in zip(ns, base["ns"]))
                line += f" {ratio:6.3f} {median(row['cpu']) / 1000:14.2f}"
            print(line)
        print()
    print(
        "peak memory: " + ", ".join(f"{n} {peaks[n] / 1024:.1f} MiB" for n in names if n in peaks)
    )
    print(f"records lost by porttrace: {lost}")
    own, base = results.get(("porttrace", "connect")), results.get(("untraced", "connect"))
    if own and base and "porttrace" in peaks:
        ratio = median(a / b for a, b in zip(own["ns"], base["ns"]))
        cpu = median(own["cpu"]) / 1000
        mib = peaks["porttrace"] / 1024
        for what, got, aim in (
            ("connection storm, ratio", ratio, AIM_RATIO),
            ("own CPU per connection, us", cpu, AIM_CPU_US),
            ("peak memory, MiB", mib, AIM_MIB),
        ):
            print(
                f"aim: {what} at most {aim:g}: {got:.2f},",
                "reached" if got <= aim else "NOT reached",
            )


def programs(options):
    """Prints the cost of each BPF program; returns whether programs.py succeeded."""
    here = os.path.dirname(os.path.abspath(__file__))
    print("\n" + "-" * 72)
    done = subprocess.run([sys.executable, os.path.join(here, "programs.py"), "--rounds=3"], check=False)
    if done.returncode != 77 or options.here:
        return done.returncode in (0, 77)
    command = ["python3", "tests/bench/programs.py", "--icount", "--rounds=2", "--count=200"]
    vm = [sys.executable, os.path.join(here, "../vm/run"), "--limit=900", KERNEL, "--", *command]
    print("\n" + "-" * 72, flush=True)
    done = subprocess.run(
        vm,
        check=False,
        env={
            **os.environ,
            "BUILD": os.path.dirname(os.path.abspath(PORTTRACE)),
            "PORTTRACE_VM_QEMU": "-icount shift=0,sleep=off",
        },
    )
    return done.returncode in (0, 77)


def main():
    parser = argparse.ArgumentParser(description="Measures the cost of porttrace.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--probes", help="passed on to porttrace")
    parser.add_argument("--here", action="store_true", help="do not boot a guest")
    parser.add_argument(
        "modes", nargs="*", default=list(COUNTS), metavar="MODE", help=", ".join(COUNTS)
    )
    options = parser.parse_args()
    for path in (PORTTRACE, STORM):
        if not os.access(path, os.X_OK):
            print(f"{path} does not exist: run make", file=sys.stderr)
            return 2
    if os.getuid() != 0:
        print("the benchmark needs root", file=sys.stderr)
        return 2
    began = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="porttrace-bench-", dir="/tmp") as directory:
            names, results, peaks, lost, troubles = run(options, directory)
    except Broken as broken:
        print(f"did not run: {broken}", file=sys.stderr)
        return 1
    report(options, names, results, peaks, lost)
    print(f"took {time.monotonic() - began:.0f} s")
    for name, trouble in troubles:
        print(f"did not run: {name}: {trouble}")
    return 0 if programs(options) and not troubles else 1


if __name__ == "__main__":
    sys.exit(main())
