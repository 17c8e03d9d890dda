#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The harness of the live and cli tests: runs tests, and runs porttrace under them.

    tests/live/porttrace_test.py [--probes=BACKEND] [-j JOBS] [-v] [--list] [--share=HOW]
                                 [--without=NAME] [NAME...]

runs every test of tests/live/test_*.py, or those whose name contains a NAME. The last line is
exactly `N passed, N failed, N skipped`; the exit status is 1 when one failed.

Each test runs in a process and (unless it says otherwise) a network namespace of its own. It starts
porttrace with `t.trace()`, makes some calls, and names the records that the stream must contain:

    @test()
    def bind(t):
        with t.trace() as trace:
            sock = tcp(("127.0.0.1", 0))
            trace.once(event="bind", local_port=port_of(sock), **t.me)

`once()` waits for the record until a deadline. At the end of the `with`, porttrace stops, and exactly
one record must match. `never()` needs a later event as proof: before porttrace stops, the test makes a
marker event and waits for its record.
A test's porttrace traces only the test's network namespace (-N), so that other programs' traffic
cannot fill its ring. A test that needs more namespaces passes everywhere=True or its own -N.

A start of porttrace costs half a second of CPU time. A test that starts it without arguments therefore shares
one with up to 15 other tests (SHARED): it begins with its own marker event, and ignores earlier records.
--share=all gives all such tests, and those that only choose events (-e), one porttrace, which then traces every
namespace (for emulated machines, where a start takes many seconds); --share=none gives each test its own. Tests
about porttrace as a process set OWN_TRACER in their file, or own=True, and always have their own.

Truth comes from outside porttrace: errno and getsockname() of the test's own calls, ss, /proc,
nstat.
"""

import argparse
import ctypes
import datetime
import errno
import faulthandler
import fcntl
import glob
import importlib.util
import inspect
import json
import multiprocessing
import multiprocessing.connection  # otherwise Pipe() would import it again in every test
import os
import re
import resource
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback

# test_*.py import this module by name even when it is the program.
sys.modules.setdefault("porttrace_test", sys.modules[__name__])

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PORTTRACE = os.environ.get("PORTTRACE", os.path.join(ROOT, "build/porttrace"))
STORM = os.environ.get("STORM", os.path.join(ROOT, "build/tests/storm"))
# How many times slower than real hardware this machine is (emulation). Multiplies the time limits.
SLOW = float(os.environ.get("PORTTRACE_SLOW", "1"))
DEADLINE = float(os.environ.get("PORTTRACE_DEADLINE", 30 * SLOW))  # seconds to wait for a condition
DONE, NOT_ALLOWED, LOST = 0, 3, 5  # porttrace's exit statuses
# Probe hits that one test may lose. While a kprobe program runs on a CPU, the kernel runs no other kprobe program there,
# so porttrace misses what a timer interrupt (network, TIME_WAITs) does meanwhile. A preemptible kernel may also switch
# away from any BPF program; until it resumes, the kernel does not run the same program for other tasks on that CPU.
NOT_RUN_MAX = 10
NOT_RUN = "probe not run, at most"  # the reason of such losses
START_LIMIT = max(DEADLINE, 60 * SLOW)  # seconds for porttrace's start record
TEST_LIMIT = 150 * SLOW  # seconds for one test, then it is killed
SKIPPED = 77
SHARED = 16  # tests with one porttrace: it takes at most 16 values for -N

IPPROTO_MPTCP = 262
IP_FREEBIND = 15
IP_TRANSPARENT = 19
IP_BIND_ADDRESS_NO_PORT = 24
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
PR_SET_PDEATHSIG, PR_SET_NAME = 1, 15
NOBODY = 65534

PORT_ERRORS = {"EADDRINUSE", "EADDRNOTAVAIL", "EACCES", "EPERM", "EINVAL", "EAGAIN"}
DEFAULT_EVENTS = {"bind", "listen", "connect", "close", "churn"}
# Of a porttrace that all tests share: so those that need `timewait` or `release` share it too.
SHARED_EVENTS = DEFAULT_EVENTS | {"timewait", "release"}
SOCKET_EVENTS = {"bind", "listen", "connect", "accept", "close", "timewait", "release"}

libc = ctypes.CDLL(None, use_errno=True)


# --- system helpers ------------------------------------------------------------------------------


class Skip(Exception):
    """Raised by a test when the machine lacks something that the test needs."""


class Failure(AssertionError):
    """A failed check. The message is shown without a traceback of the harness."""


def check(condition, message):
    if not condition:
        raise Failure(message)


def equal(got, want, what):
    if got != want:
        raise Failure(f"{what}: got {got!r}, want {want!r}")


def until(fact, what, deadline=None):
    """Waits until fact() is true and returns its value. deadline: in seconds."""
    end = time.monotonic() + (deadline or DEADLINE)
    while True:
        value = fact()
        if value:
            return value
        if time.monotonic() > end:
            raise Failure(f"did not happen: {what}")
        time.sleep(0.003)


def libc_check(result):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def set_comm(name):
    """Sets the name of this thread; `name` may be bytes that are not UTF-8."""
    if isinstance(name, str):
        name = name.encode()
    libc_check(libc.prctl(PR_SET_NAME, ctypes.c_char_p(name), 0, 0, 0))


def die_with_parent():
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def new_netns():
    """Moves this process into a new network namespace with loopback up."""
    libc_check(libc.unshare(CLONE_NEWNET))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        request = struct.pack("16sh14x", b"lo", 0x1 | 0x40)  # IFF_UP | IFF_RUNNING
        fcntl.ioctl(s, 0x8914, request)  # SIOCSIFFLAGS


def require(call, *args, what):
    """Tries, in a child process, a call that a container may forbid; if it fails, skips the test with the reason."""
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        try:
            call(*args)
        except OSError as error:
            os._exit(error.errno)
        os._exit(0)
    number = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if number:
        raise Skip(f"{what}: {os.strerror(number)}")


def require_userns():
    require(lambda: libc_check(libc.unshare(CLONE_NEWUSER)), what="no user namespaces here")


def reopen(file):
    """The same file, with an offset of its own."""
    return open(f"/proc/self/fd/{file.fileno()}", "rb", buffering=0)


def enter_netns(fd):
    libc_check(libc.setns(fd, CLONE_NEWNET))


def netns_inode(pid="self"):
    return os.stat(f"/proc/{pid}/ns/net").st_ino


def comm_of(pid="self"):
    with open(f"/proc/{pid}/comm", "rb") as file:
        return file.read().rstrip(b"\n").decode(errors="replace")


def sysctl(name, value=None):
    """Reads a sysctl of this network namespace, or writes it."""
    path = "/proc/sys/net/" + name
    if value is None:
        with open(path, encoding="ascii") as file:
            return file.read().strip()
    with open(path, "w", encoding="ascii") as file:
        return file.write(str(value))


def kernel_preempts_itself():
    """Whether it may switch away from a task in the kernel: the mode "full" or "lazy" is set (Linux 7.2: lazy)."""
    try:
        with open("/sys/kernel/debug/sched/preempt", encoding="ascii") as file:
            return bool(re.search(r"\((full|lazy)\)", file.read()))
    except OSError:  # built without a choice, or debugfs is not mounted
        return False


def run_text(*command):
    """The output of a command. Any exit status but 0 fails the test."""
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60 * SLOW)
    equal(result.returncode, 0, f"exit status of {command[0]} ({result.stderr.strip()})")
    return result.stdout


def nstat(counter):
    """A counter of this network namespace, since the namespace was created."""
    for line in run_text("nstat", "-asz", counter).splitlines():
        if line.startswith(counter + " "):
            return int(line.split()[1])
    raise Skip(f"this kernel does not count {counter}")


def timewaits(port=None):
    """TIME_WAITs of this namespace, from ss: (local address:port, remote address:port)."""
    rows = run_text("ss", "-Htan", "state", "time-wait").split("\n")
    pairs = [tuple(row.split()[2:4]) for row in rows if row]
    return [p for p in pairs if port is None or any(e.rsplit(":", 1)[1] == str(port) for e in p)]


def cgroup2_mount():
    with open("/proc/mounts", encoding="utf-8") as file:
        for line in file:
            fields = line.split()
            if fields[2] == "cgroup2":
                return fields[1]
    raise Skip("no cgroup2 is mounted")


# --- sockets -------------------------------------------------------------------------------------


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def make_socket(address, kind, protocol=0, options=()):
    sock = socket.socket(family_of(address), kind, protocol)
    for level, option, value in options:
        sock.setsockopt(level, option, value)
    return sock


REUSEADDR = (socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
REUSEPORT = (socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
V6ONLY = (socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
DUAL = (socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)


def tcp(where=None, *options, backlog=None, protocol=0, address="127.0.0.1"):
    """A TCP socket; bound if `where` is given, listening if `backlog` is given."""
    if where:
        address = where[0]
    sock = make_socket(address, socket.SOCK_STREAM, protocol, options)
    if where:
        sock.bind(where)
    if backlog is not None:
        sock.listen(backlog)
    return sock


def udp(where=None, *options, address="127.0.0.1"):
    """A UDP socket; bound if `where` is given."""
    if where:
        address = where[0]
    sock = make_socket(address, socket.SOCK_DGRAM, 0, options)
    if where:
        sock.bind(where)
    return sock


def port_of(sock):
    return sock.getsockname()[1]


def pair_on(listener, client=None):
    """A connection to a listener: (client, accepted)."""
    name = listener.getsockname()
    address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(name[0], name[0])
    client = client or socket.socket(listener.family, socket.SOCK_STREAM)
    client.connect((address, name[1]))
    return client, listener.accept()[0]


def at_end(sock):
    """Waits until the other side has closed."""
    sock.settimeout(DEADLINE)
    equal(sock.recv(1), b"", "what is read at the end of a connection")


def close_first(first, second, port):
    """Closes both ends in this order and waits for the TIME_WAIT of the first."""
    first.close()
    at_end(second)
    second.close()
    until(lambda: timewaits(port), f"TIME_WAIT on port {port}")


def can_bind(port, kind=socket.SOCK_STREAM):
    """Whether a server that sets SO_REUSEADDR, as most do, gets this port of 127.0.0.1."""
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.setsockopt(*REUSEADDR)
        try:
            sock.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def refused(call, *args):
    """Makes a call that must fail; returns the name of its errno."""
    try:
        call(*args)
    except OSError as error:
        return errno.errorcode[error.errno]
    raise Failure(f"{call.__name__}{args} worked, and should not have")


def reset(sock):
    """Closes a connection with an RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


# --- other processes -----------------------------------------------------------------------------


class Process:
    """A forked child that runs function(me, *args), without the sockets of its parent but `keep`.

    Parent and child exchange values by send() and receive(); result() waits for the end and returns its value.
    """

    def __init__(self, function, *args, comm="pt-child", uid=None, keep=(), netns=None):
        self.channel, theirs = multiprocessing.Pipe()
        self.ended = False
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            self.channel = theirs
            self._child(function, args, comm, uid, keep, netns)
        theirs.close()
        self.comm = comm
        self.uid = os.getuid() if uid is None else uid

    def _child(self, function, args, comm, uid, keep, netns):
        status = 1
        try:
            kept = {0, 1, 2, self.channel.fileno(), *(s.fileno() for s in keep)}
            for fd in (int(name) for name in os.listdir("/proc/self/fd")):
                if fd not in kept:
                    try:
                        os.close(fd)
                    except OSError:
                        pass
            if netns == "new":
                new_netns()
            set_comm(comm)
            if uid is not None:
                os.setgroups([])
                os.setresgid(uid, uid, uid)
                os.setresuid(uid, uid, uid)
            die_with_parent()
            self.channel.send(("ready", None))
            self.channel.send(("result", function(self, *args)))
            status = 0
        except BaseException:  # pylint: disable=broad-except
            self.channel.send(("error", traceback.format_exc()))
        finally:
            os._exit(status)

    def start(self):
        self._receive("ready")
        return self

    def send(self, value=None):
        self.channel.send(("value", value))

    def receive(self):
        return self._receive("value")

    def result(self):
        """Waits until the process has ended; returns the function's value."""
        value = self._receive("result")
        self.wait()
        return value

    def _receive(self, wanted):
        check(self.channel.poll(TEST_LIMIT), f"process {self.pid} does not answer")
        try:
            kind, value = self.channel.recv()
        except EOFError:
            raise Failure(f"process {self.pid} ended before it sent '{wanted}'") from None
        if kind == "error":
            raise Failure(f"in process {self.pid}:\n{value}")
        equal(kind, wanted, f"message of process {self.pid}")
        return value

    def wait(self):
        if not self.ended:
            os.waitpid(self.pid, 0)
            self.ended = True

    def kill(self, number=signal.SIGKILL):
        if not self.ended:
            os.kill(self.pid, number)
            self.wait()

    @property
    def who(self):
        """The fields of a record that name this process."""
        return {"pid": self.pid, "tid": self.pid, "comm": self.comm, "uid": self.uid}

    @property
    def holder(self):
        """This process in a list of `pids`, as named() has it."""
        return {"pid": self.pid, "comm": self.comm}


def named(pids):
    """Pid and name of each process of a list of `pids`."""
    return [{"pid": process["pid"], "comm": process["comm"]} for process in pids]


def stay(me):
    """For a process that only has to exist: it exits when it receives a message."""
    me.receive()


# --- porttrace under test ------------------------------------------------------------------------


class Record(dict):
    """A JSON record. A field that occurs twice is an error."""

    def __init__(self, pairs):
        super().__init__(pairs)
        if len(self) != len(pairs):
            raise ValueError(f"a field occurs twice: {[name for name, _ in pairs]}")


def fits(record, want):
    """Whether the record has these values. None: the field is absent; a function: it decides about the value."""
    for name, value in want.items():
        got = record.get(name)
        if callable(value):
            if got is None or not value(got):
                return False
        elif got != value:
            return False
    return True


def show(want):
    return " ".join(
        f"{name}={'<test>' if callable(value) else json.dumps(value)}"
        for name, value in want.items()
    )


NUMBERS = {
    "v",
    "boot_ns",
    "local_port",
    "requested_port",
    "remote_port",
    "netns",
    "pid",
    "tid",
    "uid",
    "ppid",
    "backlog",
    "duration_ns",
    "interval_s",
    "events",
    "lost",
    "count",
    "sockets",
    "netns_count",
}
TEXTS = {
    "time",
    "event",
    "errno",
    "protocol",
    "family",
    "local_address",
    "remote_address",
    "interface",
    "netns_name",
    "socket",
    "comm",
    "exe",
    "cgroup",
    "unit",
    "container",
    "error",
    "next_state",
    "action",
    "state",
    "cause",
    "why",
    "fix",
    "version",
    "kernel",
    "probes",
    "reason",
}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z")


def record_faults(record):
    """Breaches of the rules that hold for every record: a list of sentences."""
    faults = []

    def walk(value, path):
        if value is None or value in ("", "unknown") or (value == -1 and value is not True):
            faults.append(f"{path} is {value!r}: an unknown value must be absent")
        if isinstance(value, dict):
            for name, inner in value.items():
                if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
                    faults.append(f"{path}.{name} is not snake_case")
                number = isinstance(inner, (int, float)) and not isinstance(inner, bool)
                if name in NUMBERS and not number:
                    faults.append(f"{path}.{name} is {inner!r}, not a number")
                if name in TEXTS and not isinstance(inner, str):
                    faults.append(f"{path}.{name} is {inner!r}, not a string")
                walk(inner, f"{path}.{name}")
        elif isinstance(value, list):
            for index, inner in enumerate(value):
                walk(inner, f"{path}[{index}]")

    event = record.get("event", "record")
    walk(record, event)
    if record.get("v") != 1:
        faults.append(f"{event}: v is {record.get('v')!r}")
    for name in ("time", "boot_ns", "event"):
        if name not in record:
            faults.append(f"{event}: no {name}")
    if not TIME.fullmatch(record.get("time", "")):
        faults.append(f"{event}: time {record.get('time')!r} is not RFC 3339, UTC, nanoseconds")
    elif "boot_ns" in record:
        whole = datetime.datetime.fromisoformat(record["time"][:19] + "+00:00").timestamp()
        offset = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
        if abs(whole + float("0" + record["time"][19:-1]) - offset - record["boot_ns"] / 1e9) > 0.5:
            faults.append(f"{event}: time {record['time']} is not boot_ns {record['boot_ns']}")
    if event in SOCKET_EVENTS:
        for name in ("protocol", "family", "netns"):
            if name not in record:
                faults.append(f"{event}: no {name}")
        if event == "close" and record.get("next_state") not in (None, "time_wait"):
            faults.append(f"close: next_state {record['next_state']!r}")
        if record.get("errno") in PORT_ERRORS and event != "close" and "conflict" not in record:
            faults.append(f"{event}: {record['errno']} without conflict")
    if "conflict" in record:
        for name in ("cause", "why", "fix"):
            if not str(record["conflict"].get(name, "")).strip():
                faults.append(f"{event}: conflict without {name}")
    return faults


class Stream:
    """A running `porttrace --json`. It writes to a file, which the test reads whenever it needs the records."""

    def __init__(self, args, netns=None, probes=None, home=None, marker=None):
        self._prepare(netns, marker)
        self.stderr_file = tempfile.TemporaryFile()
        self.out = tempfile.TemporaryFile()
        self.file = reopen(self.out)
        command = [
            PORTTRACE,
            "--json",
            *([f"--probes={probes}"] if probes else []),
            *map(str, args),
        ]
        self.command = " ".join(command)

        def prepare():
            die_with_parent()
            if home is not None:
                enter_netns(home)

        self.started_at = time.monotonic()
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=self.out,
            stderr=self.stderr_file,
            preexec_fn=prepare,
            start_new_session=True,
        )

    def _prepare(self, netns, marker):
        self.netns, self.marker = netns, marker
        self.records, self.faults, self.expected, self.forbidden = [], [], [], []
        self.rest = b""  # of the file: the beginning of a line
        self.stopped = False

    def started(self):
        """Waits for the start record; returns the stream."""
        self.start_record = self.wait(_deadline=START_LIMIT, event="start")
        self.started_in = time.monotonic() - self.started_at
        return self

    def gone(self):
        """Whether porttrace has ended."""
        return self.process.poll() is not None

    def read(self):
        """Reads the records that were written since the last call; returns whether there were any."""
        data = None if self.file.closed else self.file.read()
        if not data:
            return False
        *lines, self.rest = (self.rest + data).split(b"\n")
        for line in lines:
            self._take(line)
        return bool(lines)

    def _take(self, line):
        try:
            record = json.loads(line.decode("utf-8", "strict"), object_pairs_hook=Record)
        except ValueError as error:
            self.faults.append(f"not a line of JSON: {line!r}: {error}")
            return
        self.records.append(record)
        # Checking every record of a storm would take too long.
        if self.mine(record) and (len(self.records) < 2000 or len(self.records) % 50 == 0):
            self.faults += record_faults(record)

    def stderr(self):
        self.stderr_file.seek(0)
        return self.stderr_file.read().decode(errors="replace")

    def mine(self, record):
        """Whether a record is of the test's namespace (or of none)."""
        return self.netns is None or record.get("netns", self.netns) == self.netns

    def find(self, **want):
        """The records so far that match; `netns` given: of that namespace."""
        self.read()
        return self._matching(want)

    def _matching(self, want):
        return [r for r in self.records if ("netns" in want or self.mine(r)) and fits(r, want)]

    def wait(self, _deadline=None, _count=1, **want):
        """Waits for a record that matches and returns it (the last of _count)."""
        end = time.monotonic() + (_deadline or DEADLINE)
        found = self.find(**want)
        while len(found) < _count:
            gone, late = self.gone(), time.monotonic() > end  # before read(): what porttrace has written by now counts
            if self.read():
                found = self._matching(want)
            elif gone or late:
                why = "porttrace ended" if gone else "not in time"
                raise Failure(f"no record ({why}): {show(want)}\n{self.tail()}")
            else:
                time.sleep(0.003)
        return found[_count - 1]

    def once(self, **want):
        """Waits for a record. When the stream has stopped, it must be the only one that matches."""
        self.expected.append((want, 1))
        return self.wait(**want)

    def times(self, count, **want):
        """Like once(), for `count` records; returns all of them."""
        self.expected.append((want, count))
        self.wait(_count=count, **want)
        return self.find(**want)

    def never(self, **want):
        """No record may match; verify() checks this when the stream has stopped."""
        self.forbidden.append(want)

    def mark(self):
        """Makes an event and waits for its record: then every earlier record has been read. Makes another one if
        porttrace says that the kernel did not run a probe, which may have been that of the event."""
        for last in (False, False, True):
            want = self.marker and self.marker()
            if not want:
                return
            try:
                self.wait(_deadline=None if last else DEADLINE / 3, **want)
                return
            except Failure:
                if last or not self.find(event="lost", reason=NOT_RUN):
                    raise

    def stop(self, number=signal.SIGINT):
        """Ends porttrace; returns its exit status and its stop record (None if there was none)."""
        if not self.stopped:
            if self.process.poll() is None:
                self.process.send_signal(number)
            return self.finish()
        return self.process.returncode, self.stop_record()

    def finish(self, deadline=DEADLINE):
        """Waits until porttrace has ended without a signal."""
        self.stopped = True
        try:
            self.process.wait(deadline)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise Failure(f"porttrace did not end in {deadline} s\n{self.tail()}") from None
        self.read()
        if self.rest:
            self.faults.append(f"the last line has no newline: {self.rest!r}")
        return self.process.returncode, self.stop_record()

    def stop_record(self):
        found = self.find(event="stop")
        return found[-1] if found else None

    def verify(self):
        """Checks once(), times() and never(), the form of each record, and the exit status."""
        self.verify_records()
        self.verify_end()

    def verify_end(self):
        """Checks that porttrace ended with status 0 and lost no event; NOT_RUN_MAX probe hits may be lost where the
        kernel does not run every one."""
        status, stop = self.process.returncode, self.stop_record()
        check(stop, f"no stop record\n{self.tail()}")
        not_run = 0
        probes = {r["probes"] for r in self.find(event="start")}
        if kernel_preempts_itself() or any("kprobe" in p for p in probes):
            not_run = sum(r["count"] for r in self.find(event="lost", reason=NOT_RUN))
            check(not_run <= NOT_RUN_MAX, f"{not_run} probes not run\n{self.tail()}")
        if not_run:
            print(f"{not_run} probes not run")
        equal(status, LOST if not_run else DONE, f"exit status of porttrace\n{self.tail()}\n")
        equal(stop.get("lost"), not_run, "lost in the stop record")

    def verify_records(self):
        for want, count in self.expected:
            found = self.find(**want)
            if len(found) != count:
                raise Failure(
                    f"{len(found)} records instead of {count}: {show(want)}\n" f"{self.tail()}"
                )
        for want in self.forbidden:
            found = self.find(**want)
            if found:
                raise Failure(
                    f"should not be there: {show(want)}\n{json.dumps(found[0])}\n" f"{self.tail()}"
                )
        if self.faults:
            raise Failure("malformed: " + "\n".join(self.faults[:8]) + f"\n{self.tail()}")

    def tail(self):
        """The last records and stderr, for the message of a failure."""
        self.read()
        shown = [r for r in self.records if self.mine(r)]
        text = [f"  $ {self.command}"]
        text += ["  " + json.dumps(r, ensure_ascii=True)[:600] for r in shown[-25:]]
        error = self.stderr().strip()
        if error:
            text.append("  stderr: " + error[-800:].encode("unicode_escape").decode())
        return "\n".join(text)

    def vm_kib(self, field="VmRSS"):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii", errors="replace") as file:
            return int(re.search(rf"^{field}:\s+(\d+)", file.read(), re.M).group(1))

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        try:
            if kind is None:
                if not self.stopped:
                    self.mark()
                    self.stop()
                self.verify()
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            for file in (self.stderr_file, self.out, self.file):
                file.close()
        return False


class Shared(Stream):
    """A shared porttrace's records of this test's namespace, from now on, without those of the events `left_out`."""

    def __init__(self, stream, netns, marker, left_out=()):  # pylint: disable=super-init-not-called
        self._prepare(netns, marker)
        self.left_out = [b'"event":"%s"' % event.encode() for event in left_out]
        self.command = f"{stream.command} (shared)"
        self.file = reopen(stream.out)
        self.pidfd = os.pidfd_open(stream.process.pid)
        self.start_record = stream.start_record
        self.file.seek(0, os.SEEK_END)
        self.mine_in_bytes = b'"netns":%d,' % netns
        self.mark()
        self.records.clear()
        self.faults.clear()

    def _take(self, line):
        # Parsing the other tests' records would take most of the time.
        if (b'"netns":' not in line or self.mine_in_bytes in line) and not any(e in line for e in self.left_out):
            super()._take(line)

    def gone(self):
        return bool(select.select([self.pidfd], [], [], 0)[0])

    def stderr(self):
        return ""

    def stop(self, number=signal.SIGINT):
        raise AssertionError("a shared porttrace cannot be stopped: this test needs its own")

    def __exit__(self, kind, value, trace):
        try:
            if kind is None:
                self.mark()
                self.verify_records()
        finally:
            self.file.close()
            os.close(self.pidfd)
        return False


class SharedWhole(Stream):
    """The stream of a shared porttrace as a whole. Keeps the records about porttrace itself."""

    def _take(self, line):
        if any(b'"event":"%s"' % event in line for event in (b"start", b"lost", b"stop")):
            super()._take(line)


class Tracer:
    """A porttrace that several tests share, and the network namespaces that these run in."""

    def __init__(self, options, home):
        self.home = home
        self.confined = options.share != "all"
        self.free = [self._new() for _ in range(SHARED)] if self.confined else []
        self.used, self.running = [], 0
        self.events = set() if self.confined else SHARED_EVENTS
        args = ("-N", ",".join(str(os.fstat(fd).st_ino) for fd in self.free)) if self.confined else (
            "-e", ",".join(sorted(self.events)))
        self.stream = SharedWhole(args, probes=options.probes)
        self.is_started = False

    def _new(self):
        new_netns()
        fd = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        enter_netns(self.home)
        return fd

    def started(self):
        """Waits until porttrace runs."""
        if not self.is_started:
            self.stream.started()
            self.is_started = True
            print(f"shared porttrace: {json.dumps(self.stream.start_record)}", flush=True)
        return self

    def take(self):
        """Returns a descriptor of a namespace for the next test; the tracer closes it."""
        self.running += 1
        self.used.append(self.free.pop() if self.confined else self._new())
        return self.used[-1]

    def give_back(self):
        """Keeps the namespace of an ended test open for a while: the kernel reuses the inode number of a namespace at
        once, and a test would take late events of the old namespace for its own."""
        self.running -= 1
        while not self.confined and len(self.used) > self.running + 8:
            os.close(self.used.pop(0))

    @property
    def full(self):
        return self.confined and not self.free

    def end(self):
        """Ends porttrace. Returns a message if porttrace lost events or its exit status was not 0, else None."""
        try:
            self.started()
            self.stream.stop()
            self.stream.verify_end()
        except Failure as failure:
            return str(failure)
        finally:
            for fd in self.used + self.free:
                os.close(fd)
            for file in (self.stream.stderr_file, self.stream.out, self.stream.file):
                file.close()
        return None


class Screen:
    """A running porttrace in text form, on a pipe or on a terminal, whose bytes are collected."""

    def __init__(self, args, home=None, pty=False, columns=120):
        self.out, self.err = bytearray(), bytearray()
        self.command = [PORTTRACE, *map(str, args)]

        def prepare():
            die_with_parent()
            if home is not None:
                enter_netns(home)

        more = {"stdin": subprocess.DEVNULL, "preexec_fn": prepare, "start_new_session": True}
        if pty:
            ours, theirs = os.openpty()
            fcntl.ioctl(theirs, 0x5414, struct.pack("HHHH", 40, columns, 0, 0))  # TIOCSWINSZ
            more["env"] = {**os.environ, "TERM": "xterm"}  # the suite may run without a terminal
            self.process = subprocess.Popen(self.command, stdout=theirs, stderr=theirs, **more)
            os.close(theirs)
            self.pipes = {ours: self.out}
        else:
            self.process = subprocess.Popen(
                self.command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more
            )
            self.pipes = {
                self.process.stdout.fileno(): self.out,
                self.process.stderr.fileno(): self.err,
            }
        self.poll = select.poll()
        for fd in self.pipes:
            self.poll.register(fd, select.POLLIN)
        self.wait("porttrace ", START_LIMIT)  # the first line, which porttrace prints when all probes are attached

    def _read(self, timeout):
        """Reads the output, and waits up to `timeout` seconds for some; returns whether there was any."""
        ready = self.poll.poll(timeout * 1000) if self.pipes else []
        for fd, _ in ready:
            try:
                data = os.read(fd, 65536)
            except OSError:  # EIO: the last process has closed the terminal
                data = b""
            if data:
                self.pipes[fd] += data
            else:
                self.poll.unregister(fd)
                del self.pipes[fd]
        return bool(ready)

    @property
    def text(self):
        """The output so far, stdout first."""
        while self._read(0):
            pass
        return (bytes(self.out) + bytes(self.err)).decode("utf-8", "backslashreplace")

    def wait(self, pattern, deadline=DEADLINE):
        """Waits for a regular expression and returns the match."""
        end = time.monotonic() + deadline
        while True:
            # Read self.text once: _read() waits for more, so the search would miss output read in between.
            text = self.text
            match = re.search(pattern, text, re.M)
            if match:
                return match
            left = end - time.monotonic()
            check(left > 0 and self.pipes, f"{pattern!r} does not appear: {self.command}\n{text[-3000:]!r}")
            self._read(left)

    def stop(self, number=signal.SIGINT):
        """Ends porttrace and returns its exit status; the text is complete then."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        end = time.monotonic() + DEADLINE
        # Do not wait for the end of the pipe: another porttrace that scans descriptors may hold a copy of it.
        while self.process.poll() is None:
            check(time.monotonic() < end, f"{self.command} did not end")
            if not self._read(0.02):
                time.sleep(0.002)
        while self._read(0):
            pass
        return self.process.returncode

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        return False


# --- tests ---------------------------------------------------------------------------------------


class Test:
    """The argument of a test: its namespace, the fields that name it in records, and methods to run porttrace."""

    def __init__(self, options, home, shared=None):
        self.options = options
        self.shared = shared  # the Tracer, if this test may share one
        self.home = home  # the namespace in which the suite was started
        self.netns = netns_inode()
        self.processes = []
        self.dirs = []

    @property
    def me(self):
        """The fields of a record that name the test process."""
        return {
            "pid": os.getpid(),
            "tid": threading.get_native_id(),
            "comm": comm_of(),
            "uid": os.getuid(),
            "netns": self.netns,
        }

    @property
    def holder(self):
        """The test process in a list of `pids`, as named() has it."""
        return {"pid": os.getpid(), "comm": comm_of()}

    def confined(self, args, everywhere):
        """Adds -N for the test's namespace, unless the arguments have a -N or the test traces every namespace."""
        if everywhere or "-N" in args:
            return args
        return (*args, "-N", self.netns)

    def trace(self, *args, marker=True, everywhere=False, **more):
        """Starts porttrace in the namespace of the suite; it is ready when this returns. everywhere: trace other
        network namespaces too; then the test needs another filter against the events of a busy machine."""
        if self.shared and marker and not more and not everywhere:
            left_out = self._left_out(args)
            if left_out is not None:
                return Shared(self.shared.stream, self.netns, self._marker, left_out)
        return Stream(
            self.confined(args, everywhere),
            netns=self.netns,
            probes=self.options.probes,
            home=self.home,
            marker=self._marker if marker else None,
            **more,
        ).started()

    def _left_out(self, args):
        """What the shared porttrace reports and one with these arguments does not; None: it needs its own."""
        events = DEFAULT_EVENTS
        if args:
            if set(args[::2]) != {"-e"}:
                return None
            events = set(",".join(args[1::2]).split(","))
            if "close" not in events or not events <= self.shared.events:  # close: of the marker
                return None
        return self.shared.events - events

    def text(self, *args, pty=False, probes=True, everywhere=False, **more):
        """Starts porttrace in text form; it is ready when this returns. everywhere: see trace()."""
        args = self.confined(args, everywhere)
        if probes and self.options.probes:
            args = (*args, f"--probes={self.options.probes}")
        return Screen(args, home=self.home, pty=pty, **more)

    def _marker(self):
        # The port is outside the ephemeral range, which a test may exhaust.
        udp(("127.0.0.100", 61999)).close()
        return {"event": "close", "protocol": "udp", "local_port": 61999, "pid": os.getpid()}

    def fork(self, function, *args, **more):
        """Starts a Process; it ends with the test."""
        process = Process(function, *args, **more).start()
        self.processes.append(process)
        return process

    def temp(self):
        """Makes a directory that is removed at the end of the test."""
        directory = tempfile.TemporaryDirectory(prefix="porttrace-test-")
        self.dirs.append(directory)
        return directory.name

    def command(self, *args, **more):
        """Runs porttrace to its end; returns a CompletedProcess with bytes."""
        return subprocess.run(
            [PORTTRACE, *map(str, args)],
            stdin=subprocess.DEVNULL,
            timeout=60 * SLOW,
            capture_output=True,
            check=False,
            **more,
        )

    def close(self):
        for process in self.processes:
            process.kill()
        for directory in self.dirs:
            directory.cleanup()


TESTS = []


def test(netns=True, alone=False, root=True, own=False):
    """Registers a test. netns: it runs in its own network namespace; alone: no other test runs at the same
    time; own: it does not share a porttrace."""

    def register(function):
        group = os.path.basename(inspect.getfile(function))[:-3].removeprefix("test_")
        function.name = f"{group}.{function.__name__}"
        function.netns, function.alone, function.root = netns, alone, root
        function.own = own or not netns or function.__globals__.get("OWN_TRACER", False)
        TESTS.append(function)
        return function

    return register


def run_test(function, options, home, shared, netns):
    """Runs a test in its own process and exits."""
    status = 1
    t = None
    try:
        die_with_parent()
        os.setpgid(0, 0)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(
            resource.RLIMIT_NOFILE, (min(hard, 65536), hard) if soft < 65536 else (soft, hard)
        )
        if function.root and os.getuid() != 0:
            raise Skip("needs root")
        set_comm("pt-test")
        # Print where the test hangs, before the suite kills it. dump_traceback_later() would need a thread.
        faulthandler.register(signal.SIGALRM)
        signal.setitimer(signal.ITIMER_REAL, TEST_LIMIT - 1)
        if netns is not None:
            enter_netns(netns)
        elif function.netns:
            new_netns()
        t = Test(options, home, shared)
        function(t)
        status = 0
    except Skip as skip:
        print(f"SKIP: {skip}")
        status = SKIPPED
    except Failure as failure:
        frames = [
            f
            for f in traceback.extract_tb(failure.__traceback__)
            if os.path.basename(f.filename).startswith("test_")
        ]
        if frames:
            print(f"{os.path.basename(frames[-1].filename)}:{frames[-1].lineno}: {frames[-1].line}")
        print(failure)
    except BaseException:  # pylint: disable=broad-except
        print(traceback.format_exc())
    try:
        if t:
            t.close()
        sys.stdout.flush()
    finally:
        os._exit(status)


class Running:
    """A running test."""

    def __init__(self, function, options, home, tracer=None):
        self.function, self.tracer = function, tracer
        netns = tracer.take() if tracer else None
        self.output = tempfile.TemporaryFile()
        self.began = time.monotonic()
        self.late = False
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid == 0:
            os.dup2(self.output.fileno(), 1)
            os.dup2(self.output.fileno(), 2)
            run_test(function, options, home, tracer, netns)
        self.pidfd = os.pidfd_open(self.pid)

    def kill_if_late(self):
        if not self.late and time.monotonic() - self.began > TEST_LIMIT:
            self.late = True
            os.kill(self.pid, signal.SIGKILL)

    def end(self, verbose):
        """Prints the outcome: "passed", "failed" or "skipped"."""
        _, status, used = os.wait4(self.pid, 0)
        os.close(self.pidfd)
        try:
            os.killpg(self.pid, signal.SIGKILL)  # children that the test left running
        except (ProcessLookupError, PermissionError):
            pass
        self.output.seek(0)
        output = self.output.read().decode(errors="backslashreplace").rstrip()
        self.output.close()
        took = time.monotonic() - self.began
        code = os.waitstatus_to_exitcode(status)
        if code == SKIPPED:
            print(f"skip {self.function.name}: {output.splitlines()[-1].removeprefix('SKIP: ')}")
            return "skipped"
        cpu = used.ru_utime + used.ru_stime
        print(f"{'FAIL' if code else 'ok  '} {self.function.name}  {took:.2f} s, {cpu:.2f} s of CPU")
        if self.late:
            output += f"\nkilled after {TEST_LIMIT} s"
        elif code < 0:
            output += f"\nthe test died of signal {-code}"
        if output and (code or verbose):
            print("\n".join("     " + line for line in output.splitlines()))
        return "failed" if code else "passed"


class Suite:
    """The tests to run, and their shared porttraces."""

    def __init__(self, functions, options):
        self.options = options
        self.counts = {"passed": 0, "failed": 0, "skipped": 0}
        self.home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self.waiting = sorted(functions, key=lambda f: (f.alone, f.own))
        self.running = []
        self.tracer = self.next_tracer = None  # for the next tests; for those after them, still starting

    def shares(self, function):
        return self.options.share != "none" and os.getuid() == 0 and not function.own

    def start(self):
        """Starts the next test."""
        function = self.waiting.pop(0)
        tracer = None
        if self.shares(function):
            if self.tracer and self.tracer.stream.gone():
                self.tracer = None  # end() of its last test reports it
            if not self.tracer:
                self.tracer = (self.next_tracer or Tracer(self.options, self.home)).started()
                self.next_tracer = None
            tracer = self.tracer
        self.running.append(Running(function, self.options, self.home, tracer))
        if tracer and tracer.full:
            self.tracer = None
            if any(self.shares(f) for f in self.waiting):
                self.next_tracer = Tracer(self.options, self.home)

    def end(self, running):
        self.running.remove(running)
        self.counts[running.end(self.options.verbose)] += 1
        if tracer := running.tracer:
            tracer.give_back()
            if not tracer.running and (tracer is not self.tracer or not any(self.shares(f) for f in self.waiting)):
                self.end_tracer(tracer)
        sys.stdout.flush()

    def end_tracer(self, tracer):
        """Ends a shared porttrace and counts that as a test: the exit status must be 0, and no event may be lost."""
        if tracer is self.tracer:
            self.tracer = None
        wrong = tracer.end()
        self.counts["failed" if wrong else "passed"] += 1
        print("FAIL shared porttrace" if wrong else "ok   shared porttrace")
        if wrong:
            print("\n".join("     " + line for line in wrong.splitlines()))

    def may_start(self):
        if not self.waiting or any(r.function.alone for r in self.running):
            return False
        return len(self.running) < (1 if self.waiting[0].alone else self.options.jobs)

    def run(self):
        try:
            while self.waiting or self.running:
                while self.may_start():
                    self.start()
                ready, _, _ = select.select([r.pidfd for r in self.running], [], [], 1)
                for item in [r for r in self.running if r.pidfd in ready]:
                    self.end(item)
                for item in self.running:
                    item.kill_if_late()
        finally:
            for item in self.running:
                os.kill(item.pid, signal.SIGKILL)
        return self.counts


def load(paths):
    for path in paths:
        name = os.path.basename(path)[:-3]
        if name in sys.modules:
            continue
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)


def main(paths=None):
    parser = argparse.ArgumentParser(description="Live tests of porttrace.")
    parser.add_argument("--probes", help="passed on to porttrace: auto, fentry, kprobe, tracepoint")
    parser.add_argument("-j", "--jobs", type=int, default=min(8, 2 * (os.cpu_count() or 1)))
    parser.add_argument("-v", "--verbose", action="store_true", help="output of passed tests too")
    parser.add_argument("--share", choices=["some", "all", "none"], default="some",
                        help=f"which tests share one porttrace (default: some, up to {SHARED} tests each)")  # fmt: skip
    parser.add_argument("--list", action="store_true", help="only print the names of the tests")
    parser.add_argument(
        "--without",
        action="append",
        default=[],
        metavar="NAME",
        help="leave out tests whose name contains this; may be given more than once",
    )
    parser.add_argument("names", nargs="*", help="run tests whose name contains one of these")
    options = parser.parse_args()
    # A background job of a script ignores SIGINT, and porttrace would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    load(paths if paths is not None else sorted(glob.glob(os.path.join(HERE, "test_*.py"))))
    functions = [f for f in TESTS if not options.names or any(n in f.name for n in options.names)]
    functions = [f for f in functions if not any(n in f.name for n in options.without)]
    if options.list:
        print("\n".join(f.name for f in functions))
        return 0
    if not functions:
        print("no test matches these names; --list prints the names of all tests", file=sys.stderr)
        return 2
    if not os.access(PORTTRACE, os.X_OK):
        print(f"{PORTTRACE} does not exist: run make, or set PORTTRACE", file=sys.stderr)
        return 2
    counts = Suite(functions, options).run()
    print(f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped")
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
