#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The harness of the live and cli tests: runs tests, and runs porttrace under them.

    tests/live/porttrace_test.py [--probes=BACKEND] [-j JOBS] [-v] [--list]
                                 [--without=NAME] [NAME...]

runs every test of tests/live/test_*.py, or those whose name contains a NAME. The last line is
exactly `N passed, N failed, N skipped`; the exit status is 1 when one failed.

Each test runs in a process and (unless it says otherwise) a network namespace of its own. It starts
porttrace with `t.trace()`, does something, and says what must be in the stream:

    @test()
    def bind(t):
        with t.trace() as trace:
            sock = tcp(("127.0.0.1", 0))
            trace.once(event="bind", local_port=port_of(sock), **t.me)

`once()` waits for the record with a deadline, never for a duration, and at the end of the `with`
the stream is stopped and it must still be the only one that matches. `never()` is proved by a later
event: before it stops, the trace makes a marker of its own and waits until that came through.
A test's porttrace traces only the test's network namespace (-N), so that other programs' traffic
cannot fill its ring. A test that needs more says so: everywhere=True, or a -N of its own.

With --share one porttrace serves every test that starts it without arguments, for machines on which
its start is slow: the stream of a test begins with a marker of its own then, and what came before is
not looked at. Tests about porttrace as a process say so (OWN_TRACER in their file, or own=True) and
have one of their own.

Truth comes from outside porttrace: errno and getsockname() of the test's own calls, ss, /proc,
nstat.
"""

import argparse
import collections
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
import multiprocessing.connection  # Pipe() would import it in every test anew
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
# How many times slower than a real machine this one is: an emulated one stretches what tests may take.
SLOW = float(os.environ.get("PORTTRACE_SLOW", "1"))
DEADLINE = float(os.environ.get("PORTTRACE_DEADLINE", 10 * SLOW))  # seconds to wait for a fact
DONE, NOT_ALLOWED, LOST = 0, 3, 5  # porttrace's exit statuses
# Of a kprobe, in one test: what the interrupt of a timer goes on with (the network, TIME_WAITs) while it has a
# program of ours under way is not seen by another.
NOT_RUN_MAX = 10
START_LIMIT = max(DEADLINE, 20 * SLOW)  # seconds for porttrace's start record
TEST_LIMIT = 40 * SLOW  # seconds for one test, then it is killed
SKIPPED = 77

IPPROTO_MPTCP = 262
IP_FREEBIND = 15
IP_TRANSPARENT = 19
IP_BIND_ADDRESS_NO_PORT = 24
CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG, PR_SET_NAME = 1, 15
NOBODY = 65534

PORT_ERRORS = {"EADDRINUSE", "EADDRNOTAVAIL", "EACCES", "EPERM", "EINVAL", "EAGAIN"}
SOCKET_EVENTS = {"bind", "listen", "connect", "accept", "close", "timewait", "release"}

libc = ctypes.CDLL(None, use_errno=True)


# --- small things of the system -----------------------------------------------------------------


class Skip(Exception):
    """What a test raises when the machine lacks something that it needs."""


class Failure(AssertionError):
    """What is wrong, in words; shown without a traceback of the harness."""


def check(condition, message):
    if not condition:
        raise Failure(message)


def equal(got, want, what):
    if got != want:
        raise Failure(f"{what}: got {got!r}, want {want!r}")


def until(fact, what, deadline=None):
    """Waits until fact() is true and returns it."""
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
    """Names this thread; `name` may be bytes of any kind."""
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


def enter_netns(fd):
    libc_check(libc.setns(fd, CLONE_NEWNET))


def netns_inode(pid="self"):
    return os.stat(f"/proc/{pid}/ns/net").st_ino


def comm_of(pid="self"):
    with open(f"/proc/{pid}/comm", "rb") as file:
        return file.read().rstrip(b"\n").decode(errors="replace")


def sysctl(name, value=None):
    """Reads, or writes, a sysctl of this network namespace."""
    path = "/proc/sys/net/" + name
    if value is None:
        with open(path, encoding="ascii") as file:
            return file.read().strip()
    with open(path, "w", encoding="ascii") as file:
        return file.write(str(value))


def run_text(*command):
    """The output of a command that must work."""
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20 * SLOW)
    equal(result.returncode, 0, f"exit status of {command[0]} ({result.stderr.strip()})")
    return result.stdout


def nstat(counter):
    """A counter of this network namespace since it was made."""
    for line in run_text("nstat", "-asz", counter).splitlines():
        if line.startswith(counter + " "):
            return int(line.split()[1])
    raise Skip(f"this kernel does not count {counter}")


def timewaits(port=None):
    """TIME_WAITs of this namespace, as ss knows them: (local address:port, remote address:port)."""
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


# --- sockets ------------------------------------------------------------------------------------


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
    """A TCP socket; bound if told where, listening if told how long."""
    if where:
        address = where[0]
    sock = make_socket(address, socket.SOCK_STREAM, protocol, options)
    if where:
        sock.bind(where)
    if backlog is not None:
        sock.listen(backlog)
    return sock


def udp(where=None, *options, address="127.0.0.1"):
    """A UDP socket; bound if told where."""
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


def refused(call, *args):
    """Makes a call that must fail; the name of its errno."""
    try:
        call(*args)
    except OSError as error:
        return errno.errorcode[error.errno]
    raise Failure(f"{call.__name__}{args} worked, and should not have")


def reset(sock):
    """Closes a connection with an RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


# --- other processes ----------------------------------------------------------------------------


class Process:
    """A forked child that runs function(me, *args), without the sockets of its parent but `keep`.

    They talk by tell() and hear(); result() waits for the end and gives what function returned.
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

    def tell(self, value=None):
        self.channel.send(("said", value))

    def hear(self):
        return self._receive("said")

    def result(self):
        """What function returned, once the process has ended."""
        value = self._receive("result")
        self.wait()
        return value

    def _receive(self, wanted):
        check(self.channel.poll(TEST_LIMIT), f"process {self.pid} does not answer")
        try:
            kind, value = self.channel.recv()
        except EOFError:
            raise Failure(f"process {self.pid} ended before it said '{wanted}'") from None
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
        """The fields that say that this process did it."""
        return {"pid": self.pid, "tid": self.pid, "comm": self.comm, "uid": self.uid}

    @property
    def holder(self):
        """This process in a list of `pids`."""
        return {"pid": self.pid, "comm": self.comm}


def stay(me):
    """For a process that only has to be there: it ends when told to."""
    me.hear()


# --- porttrace under test -----------------------------------------------------------------------


class Record(dict):
    """A record of the stream; knows its place in it."""

    def __init__(self, pairs):
        super().__init__(pairs)
        if len(self) != len(pairs):
            raise ValueError(f"a field occurs twice: {[name for name, _ in pairs]}")


def fits(record, want):
    """Whether the record has these fields; None: absent; a function: it says."""
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
    """What is wrong with any record, whatever it tells: a list of sentences."""
    faults = []

    def walk(value, path):
        if value is None or value in ("", "unknown") or (value == -1 and value is not True):
            faults.append(f"{path} is {value!r}: what is unknown must be absent")
        if isinstance(value, dict):
            for name, inner in value.items():
                if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
                    faults.append(f"{path}.{name} is not snake_case")
                number = isinstance(inner, (int, float)) and not isinstance(inner, bool)
                if name in NUMBERS and not number:
                    faults.append(f"{path}.{name} is {inner!r}, not a number")
                if name in TEXTS and not isinstance(inner, str):
                    faults.append(f"{path}.{name} is {inner!r}, not a text")
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
    """A running `porttrace --json`, whose records a thread collects."""

    def __init__(self, args, netns=None, stdout=None, probes=None, home=None, marker=None):
        self.netns = netns
        self.marker = marker
        self.records = []
        self.faults = []
        self.expected = []
        self.forbidden = []
        self.changed = threading.Condition()
        self.ended = False
        self.stopped = False
        self.stderr_file = tempfile.TemporaryFile()
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
            stdout=stdout or subprocess.PIPE,
            stderr=self.stderr_file,
            preexec_fn=prepare,
            start_new_session=True,
        )
        self.stdout_path = stdout.name if stdout else None
        if not stdout:
            self.thread = threading.Thread(target=self._read, daemon=True)
            self.thread.start()
            self.start_record = self.wait(_deadline=START_LIMIT, _start=True, event="start")
        else:
            until(
                lambda: self.process.poll() is not None or os.stat(self.stdout_path).st_size > 0,
                f"the start record of {self.command}",
                START_LIMIT,
            )
        self.started_in = time.monotonic() - self.started_at

    def _read(self):
        for line in self.process.stdout:
            self._take(line)
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def _take(self, line):
        try:
            record = json.loads(line.decode("utf-8", "strict"), object_pairs_hook=Record)
            if not line.endswith(b"\n"):
                raise ValueError("the last line has no end")
        except ValueError as error:
            with self.changed:
                self.faults.append(f"not a line of JSON: {line!r}: {error}")
                self.changed.notify_all()
            return
        with self.changed:
            self.records.append(record)
            # Of a storm, samples are enough.
            if self.mine(record) and (len(self.records) < 2000 or len(self.records) % 50 == 0):
                self.faults += record_faults(record)
            self.changed.notify_all()

    def stderr(self):
        self.stderr_file.seek(0)
        return self.stderr_file.read().decode(errors="replace")

    def mine(self, record):
        """Whether a record is of the test's namespace (or of none)."""
        return self.netns is None or record.get("netns", self.netns) == self.netns

    def find(self, **want):
        """The records so far that match; `netns` given: of that namespace."""
        with self.changed:
            return [r for r in self.records if ("netns" in want or self.mine(r)) and fits(r, want)]

    def wait(self, _deadline=None, _start=False, _count=1, **want):
        """Waits for a record that matches and returns it (the last of _count)."""
        end = time.monotonic() + (_deadline or DEADLINE)
        with self.changed:
            while True:
                found = [
                    r for r in self.records if ("netns" in want or self.mine(r)) and fits(r, want)
                ]
                if len(found) >= _count:
                    return found[_count - 1]
                left = end - time.monotonic()
                if left <= 0 or self.ended:
                    break
                self.changed.wait(left)
        why = "porttrace ended" if self.ended else "not in time"
        raise Failure(f"no record ({why}): {show(want)}\n{self.story()}")

    def once(self, **want):
        """Waits for a record; that it was the only such is checked when the stream has stopped."""
        self.expected.append((want, 1))
        return self.wait(**want)

    def times(self, count, **want):
        """Like once(), for so many; returns all of them."""
        self.expected.append((want, count))
        self.wait(_count=count, **want)
        return self.find(**want)

    def never(self, **want):
        """No such record may come; checked when the stream has stopped."""
        self.forbidden.append(want)

    def mark(self):
        """Makes an event of its own and waits for it: all before it is there then."""
        if self.marker:
            want = self.marker()
            if want:
                self.wait(**want)

    def stop(self, number=signal.SIGINT):
        """Ends porttrace; returns its exit status and its stop record (None if there was none)."""
        if not self.stopped:
            if self.process.poll() is None:
                self.process.send_signal(number)
            return self.finish()
        return self.process.returncode, self.stop_record()

    def finish(self, deadline=10 * SLOW):
        """Waits until porttrace has ended by itself."""
        self.stopped = True
        try:
            self.process.wait(deadline)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise Failure(f"porttrace did not end in {deadline} s\n{self.story()}") from None
        if self.stdout_path:
            with open(self.stdout_path, "rb") as file:
                for line in file:
                    self._take(line)
        else:
            self.thread.join(deadline)
        return self.process.returncode, self.stop_record()

    def stop_record(self):
        found = self.find(event="stop")
        return found[-1] if found else None

    def verify(self):
        """Everything that once() and never() said, and that each record is well formed."""
        self.verify_records()
        self.verify_end()

    def verify_end(self):
        """That porttrace ended well and lost nothing, but for what a kprobe cannot be spared: see NOT_RUN_MAX."""
        status, stop = self.process.returncode, self.stop_record()
        check(stop, f"no stop record\n{self.story()}")
        not_run = 0
        if any("kprobe" in r["probes"] for r in self.find(event="start")):
            not_run = sum(r["count"] for r in self.find(event="lost", reason="probe not run, at most"))
            check(not_run <= NOT_RUN_MAX, f"{not_run} probes not run\n{self.story()}")
        if not_run:
            print(f"{not_run} probes not run")
        equal(status, LOST if not_run else DONE, f"exit status of porttrace\n{self.story()}\n")
        equal(stop.get("lost"), not_run, "lost in the stop record")

    def verify_records(self):
        for want, count in self.expected:
            found = self.find(**want)
            if len(found) != count:
                raise Failure(
                    f"{len(found)} records instead of {count}: {show(want)}\n" f"{self.story()}"
                )
        for want in self.forbidden:
            found = self.find(**want)
            if found:
                raise Failure(
                    f"should not be there: {show(want)}\n{json.dumps(found[0])}\n" f"{self.story()}"
                )
        if self.faults:
            raise Failure("malformed: " + "\n".join(self.faults[:8]) + f"\n{self.story()}")

    def story(self):
        """What was seen, for the eye of whoever mends it."""
        with self.changed:
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
            self.stderr_file.close()
        return False


class Shared(Stream):
    """The part of a shared porttrace's stream that is of this test: its namespace, from now on."""

    def __init__(self, path, netns, marker):  # pylint: disable=super-init-not-called
        self.netns, self.marker = netns, marker
        self.records, self.faults, self.expected, self.forbidden = [], [], [], []
        self.changed = threading.Condition()
        self.ended = self.stopped = False
        self.command = f"porttrace --json, shared ({path})"
        self.file = open(path, "rb")
        self.start_record = json.loads(self.file.readline())
        self.file.seek(0, os.SEEK_END)
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()
        self.mark()
        with self.changed:
            self.records.clear()
            self.faults.clear()

    def _read(self):
        rest = b""
        while not self.ended:
            data = self.file.read()
            if not data:
                time.sleep(0.004)
                continue
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                self._take(line + b"\n")

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
            self.ended = True
            self.thread.join()
            self.file.close()
        return False


class Tracer:
    """The porttrace that tests share; it writes to a file that they read."""

    def __init__(self, options):
        self.folder = tempfile.TemporaryDirectory(prefix="porttrace-shared-")
        self.path = os.path.join(self.folder.name, "stream")
        with open(self.path, "wb") as out:
            self.stream = Stream((), stdout=out, probes=options.probes)
        with open(self.path, encoding="utf-8") as file:
            print(f"shared porttrace: {file.readline().strip()}", flush=True)

    def gone(self):
        return self.stream.process.poll() is not None

    def end(self):
        """Ends it; what is wrong with how it ended, in words, or None."""
        try:
            if not self.gone():
                self.stream.stop()
            else:
                self.stream.finish()
            self.stream.verify_end()
        except Failure as failure:
            return str(failure)
        finally:
            self.stream.stderr_file.close()
            self.folder.cleanup()
        return None


class Screen:
    """A running porttrace in text form, on a pipe or on a terminal, whose bytes are collected."""

    def __init__(self, args, home=None, pty=False, columns=120):
        self.out, self.err = bytearray(), bytearray()
        self.changed = threading.Condition()
        self.command = [PORTTRACE, *map(str, args)]

        def prepare():
            die_with_parent()
            if home is not None:
                enter_netns(home)

        more = {"stdin": subprocess.DEVNULL, "preexec_fn": prepare, "start_new_session": True}
        if pty:
            ours, theirs = os.openpty()
            fcntl.ioctl(theirs, 0x5414, struct.pack("HHHH", 40, columns, 0, 0))  # TIOCSWINSZ
            self.process = subprocess.Popen(self.command, stdout=theirs, stderr=theirs, **more)
            os.close(theirs)
            pipes = [(ours, self.out)]
        else:
            self.process = subprocess.Popen(
                self.command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more
            )
            pipes = [
                (self.process.stdout.fileno(), self.out),
                (self.process.stderr.fileno(), self.err),
            ]
        self.threads = [
            threading.Thread(target=self._read, args=pipe, daemon=True) for pipe in pipes
        ]
        for thread in self.threads:
            thread.start()
        self.wait("porttrace ", START_LIMIT)  # the first line, which comes when everything is attached

    def _read(self, fd, into):
        while True:
            try:
                data = os.read(fd, 65536)
            except OSError:  # EIO: the last user of a terminal has gone
                data = b""
            if not data:
                return
            with self.changed:
                into += data
                self.changed.notify_all()

    @property
    def text(self):
        """What came so far, stdout first."""
        with self.changed:
            return (bytes(self.out) + bytes(self.err)).decode("utf-8", "backslashreplace")

    def wait(self, pattern, deadline=DEADLINE):
        """Waits for a regular expression and returns the match."""
        end = time.monotonic() + deadline
        while True:
            match = re.search(pattern, self.text, re.M)
            if match:
                return match
            with self.changed:
                left = end - time.monotonic()
                check(
                    left > 0 and (self.process.poll() is None or left > deadline - 0.5),
                    f"{pattern!r} does not appear: {self.command}\n{self.text[-3000:]!r}",
                )
                self.changed.wait(min(left, 0.2))

    def stop(self, number=signal.SIGINT):
        """Ends porttrace and returns its exit status; the text is complete then."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            status = self.process.wait(10 * SLOW)
        except subprocess.TimeoutExpired:
            raise Failure(f"{self.command} did not end") from None
        for thread in self.threads:
            thread.join(5)
        return status

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        return False


# --- tests --------------------------------------------------------------------------------------


class Test:
    """What a test gets: its namespace, itself as the stream should tell it, and porttrace."""

    def __init__(self, options, home, shared=None):
        self.options = options
        self.shared = shared  # the stream of the porttrace that tests share, if this one may
        self.home = home  # the namespace that the suite was started in
        self.netns = netns_inode()
        self.processes = []
        self.dirs = []

    @property
    def me(self):
        """The fields that say that the test process did it."""
        return {
            "pid": os.getpid(),
            "tid": threading.get_native_id(),
            "comm": comm_of(),
            "uid": os.getuid(),
            "netns": self.netns,
        }

    @property
    def holder(self):
        """The test process in a list of `pids`."""
        return {"pid": os.getpid(), "comm": comm_of()}

    def confined(self, args, everywhere):
        """The arguments with a -N for the test's namespace, unless they have one or the test needs every one."""
        if everywhere or "-N" in args:
            return args
        return (*args, "-N", self.netns)

    def trace(self, *args, marker=True, everywhere=False, **more):
        """Starts porttrace in the namespace of the suite; it is ready when this returns. everywhere: it traces
        other network namespaces too, and then needs another filter that keeps a busy machine's events out."""
        if self.shared and marker and not args and not more and not everywhere:
            return Shared(self.shared, self.netns, self._marker)
        return Stream(
            self.confined(args, everywhere),
            netns=self.netns,
            probes=self.options.probes,
            home=self.home,
            marker=self._marker if marker else None,
            **more,
        )

    def text(self, *args, pty=False, probes=True, everywhere=False, **more):
        """Starts porttrace in text form; it is ready when this returns. everywhere: see trace()."""
        args = self.confined(args, everywhere)
        if probes and self.options.probes:
            args = (*args, f"--probes={self.options.probes}")
        return Screen(args, home=self.home, pty=pty, **more)

    def _marker(self):
        # A port outside the ephemeral range, so that a test may use that up.
        udp(("127.0.0.100", 61999)).close()
        return {"event": "close", "protocol": "udp", "local_port": 61999, "pid": os.getpid()}

    def fork(self, function, *args, **more):
        """Starts a Process; it ends with the test."""
        process = Process(function, *args, **more).start()
        self.processes.append(process)
        return process

    def temp(self):
        """A new directory that goes with the test."""
        directory = tempfile.TemporaryDirectory(prefix="porttrace-test-")
        self.dirs.append(directory)
        return directory.name

    def command(self, *args, **more):
        """Runs porttrace to its end; a CompletedProcess with bytes."""
        return subprocess.run(
            [PORTTRACE, *map(str, args)],
            stdin=subprocess.DEVNULL,
            timeout=20 * SLOW,
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
    """Registers a test. netns: in a namespace of its own; alone: nothing else runs meanwhile; own:
    with a porttrace of its own, even when others share one."""

    def register(function):
        group = os.path.basename(inspect.getfile(function))[:-3].removeprefix("test_")
        function.name = f"{group}.{function.__name__}"
        function.netns, function.alone, function.root = netns, alone, root
        function.own = own or not netns or function.__globals__.get("OWN_TRACER", False)
        TESTS.append(function)
        return function

    return register


def run_test(function, options, home, shared, channel):
    """In the test's own process: never returns."""
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
        faulthandler.dump_traceback_later(TEST_LIMIT - 1, exit=True)  # says where it hangs
        if function.netns:
            new_netns()
            with open("/proc/self/ns/net", "rb") as file:
                socket.send_fds(channel, [b"netns"], [file.fileno()])
        channel.close()
        t = Test(options, home, None if function.own else shared)
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
    """A test under way."""

    def __init__(self, function, options, home, shared=None):
        self.function = function
        self.output = tempfile.TemporaryFile()
        self.began = time.monotonic()
        self.late = False
        ours, theirs = socket.socketpair()
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid == 0:
            ours.close()
            os.dup2(self.output.fileno(), 1)
            os.dup2(self.output.fileno(), 2)
            run_test(function, options, home, shared, theirs)
        theirs.close()
        self.channel = ours
        self.pidfd = os.pidfd_open(self.pid)

    def netns(self):
        """Descriptors of the test's namespace, once it has ended: one or none."""
        with self.channel:
            return socket.recv_fds(self.channel, 16, 1)[1]

    def kill_if_late(self):
        if not self.late and time.monotonic() - self.began > TEST_LIMIT:
            self.late = True
            os.kill(self.pid, signal.SIGKILL)

    def end(self, verbose):
        """Prints the outcome: "passed", "failed" or "skipped"."""
        _, status = os.waitpid(self.pid, 0)
        os.close(self.pidfd)
        try:
            os.killpg(self.pid, signal.SIGKILL)  # children it left behind
        except (ProcessLookupError, PermissionError):
            pass
        self.output.seek(0)
        said = self.output.read().decode(errors="backslashreplace").rstrip()
        self.output.close()
        took = time.monotonic() - self.began
        code = os.waitstatus_to_exitcode(status)
        if code == SKIPPED:
            print(f"skip {self.function.name}: {said.splitlines()[-1].removeprefix('SKIP: ')}")
            return "skipped"
        print(f"{'FAIL' if code else 'ok  '} {self.function.name}  {took:.2f} s")
        if self.late:
            said += f"\nkilled after {TEST_LIMIT} s"
        elif code < 0:
            said += f"\nthe test died of signal {-code}"
        if said and (code or verbose):
            print("\n".join("     " + line for line in said.splitlines()))
        return "failed" if code else "passed"


class Suite:
    """The tests that are to run, and what they share."""

    def __init__(self, options):
        self.options = options
        self.counts = {"passed": 0, "failed": 0, "skipped": 0}
        self.home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self.tracer = None
        # With a shared porttrace the namespaces of the last tests stay, for the kernel gives their
        # numbers to the next ones at once, and what happens late in one would look like the other's.
        self.kept = collections.deque()

    def start(self, function):
        if self.options.share and not function.own and not self.tracer:
            self.tracer = Tracer(self.options)
        return Running(function, self.options, self.home, self.tracer and self.tracer.path)

    def end(self, running):
        self.kept.extend(running.netns())
        while len(self.kept) > (8 if self.tracer else 0):
            os.close(self.kept.popleft())
        self.counts[running.end(self.options.verbose)] += 1
        if self.tracer and self.tracer.gone():
            self.end_tracer()
        sys.stdout.flush()

    def end_tracer(self):
        """Ends the shared porttrace, which is a test too: it must end well and have lost nothing."""
        if self.tracer:
            wrong = self.tracer.end()
            self.tracer = None
            self.counts["failed" if wrong else "passed"] += 1
            print("FAIL shared porttrace" if wrong else "ok   shared porttrace")
            if wrong:
                print("\n".join("     " + line for line in wrong.splitlines()))


def run_all(functions, options):
    suite = Suite(options)
    waiting = sorted(functions, key=lambda f: (f.alone, options.share and f.own))
    running = []
    try:
        while waiting or running:
            while (
                waiting
                and len(running) < (1 if waiting[0].alone else options.jobs)
                and not any(r.function.alone for r in running)
            ):
                running.append(suite.start(waiting.pop(0)))
            ready, _, _ = select.select([r.pidfd for r in running], [], [], 1)
            for item in [r for r in running if r.pidfd in ready]:
                running.remove(item)
                suite.end(item)
            for item in running:
                item.kill_if_late()
            if not running and (not waiting or waiting[0].own):
                suite.end_tracer()
    finally:
        for item in running:
            os.kill(item.pid, signal.SIGKILL)
    return suite.counts


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
    parser.add_argument("-j", "--jobs", type=int, default=min(4, os.cpu_count() or 1))
    parser.add_argument("-v", "--verbose", action="store_true", help="output of passed tests too")
    parser.add_argument("--share", action="store_true", help="one porttrace for many tests")
    parser.add_argument("--list", action="store_true", help="names of the tests, and nothing else")
    parser.add_argument(
        "--without",
        action="append",
        default=[],
        metavar="NAME",
        help="leave out tests whose name contains this; may be given more than once",
    )
    parser.add_argument("names", nargs="*", help="run tests whose name contains one of these")
    options = parser.parse_args()
    load(paths if paths is not None else sorted(glob.glob(os.path.join(HERE, "test_*.py"))))
    functions = [f for f in TESTS if not options.names or any(n in f.name for n in options.names)]
    functions = [f for f in functions if not any(n in f.name for n in options.without)]
    if options.list:
        print("\n".join(f.name for f in functions))
        return 0
    if not functions:
        print("no test has such a name", file=sys.stderr)
        return 2
    if not os.access(PORTTRACE, os.X_OK):
        print(f"{PORTTRACE} is not there: run make, or set PORTTRACE", file=sys.stderr)
        return 2
    counts = run_all(functions, options)
    print(f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped")
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
