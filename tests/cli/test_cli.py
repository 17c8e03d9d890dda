#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The command line: exit statuses, misuse, pipes, full disks, missing privileges, signals; with the tests of
test_install.py.

    tests/cli/test_cli.py [-v] [-j JOBS] [NAME...]

Tests of live events need root, and are skipped without it.
"""

import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../live"))

# pylint: disable=wrong-import-position
import porttrace_test
from porttrace_test import (
    DEADLINE,
    Failure,
    NOBODY,
    PORTTRACE,
    Skip,
    check,
    die_with_parent,
    equal,
    port_of,
    tcp,
    test,
    until,
)

OWN_TRACER = True  # these tests are about porttrace as a process
DONE, NO, MISUSE, NOT_ALLOWED = 0, 1, 2, 3
COMMANDS = ("ls", "why", "ephemeral", "record", "replay", "doctor")


def sane(done):
    """Checks that the program did not crash and that stderr has no libbpf messages or control bytes."""
    text = done.stderr.decode("utf-8", "strict")
    check(done.returncode >= 0, f"died of signal {-done.returncode}")
    for word in ("libbpf:", "Sanitizer", "assert", "core dumped", "\x1b"):
        check(word not in text, f"{word!r} in stderr: {text!r}")
    return text


def one_line(text):
    lines = text.rstrip("\n").split("\n")
    check(len(lines) == 1 and lines[0].strip(), f"not one line: {text!r}")
    return lines[0]


def misused(t, *args, says=None):
    """porttrace must exit with status 2, an empty stdout, and a message that names the mistake."""
    done = t.command(*args)
    text = sane(done)
    equal(done.returncode, MISUSE, f"exit status of {args}")
    equal(done.stdout, b"", f"stdout of {args}")
    check(text.strip(), f"no message for {args}")
    speaker = text.split(":")[0].split("/")[-1]
    check(speaker.split()[0] == "porttrace", f"the message does not begin with 'porttrace': {text!r}")
    check(len(text.splitlines()) <= 3, f"a long message for {args}: {text!r}")
    if says:
        check(says in text, f"{says!r} is not in {text!r}")


# --- help and version -----------------------------------------------------------------------------


@test(netns=False, root=False)
def version(t):
    for option in ("-V", "--version"):
        done = t.command(option)
        equal((done.returncode, done.stderr), (DONE, b""), option)
        check(re.fullmatch(r"porttrace \d+\.\d+\S*\n", done.stdout.decode()), f"{done.stdout!r}")


@test(netns=False, root=False)
def help_text(t):
    for option in ("-h", "--help"):
        done = t.command(option)
        equal((done.returncode, done.stderr), (DONE, b""), option)
        text = done.stdout.decode()
        for want in (*COMMANDS, "--json", "--port", "--pid", "--probes", "--duration"):
            check(want in text, f"{want} is not in the help")


@test(netns=False, root=False)
def help_of_commands(t):
    """Three examples first, that porttrace itself accepts; then the usage. No line is wider than 80 columns."""
    for command in (None, *COMMANDS):
        name = f"porttrace {command}" if command else "porttrace"
        done = t.command(*name.split()[1:], "--help")
        equal((done.returncode, done.stderr), (DONE, b""), f"{name} --help")
        lines = done.stdout.decode().splitlines()
        equal((lines[0], lines[4]), ("Examples:", ""), f"{name} --help")
        check(lines[5].startswith(f"Usage: {name} [OPTION...]"), lines[5])
        for line in lines[1:4]:
            example = re.fullmatch(rf"  (?:sudo )?{name}((?: [^ ]+)*)  +[^ ].*", line)
            check(example, f"not an example of {name}: {line!r}")
            equal(t.command(*name.split()[1:], *example[1].split(), "--help").returncode, DONE, f"options of {line!r}")
        equal([line for line in lines if len(line) > 80], [], f"lines of {name} --help wider than 80 columns")


@test(netns=False, root=False)
def help_lists_the_commands(t):
    text = t.command("--help").stdout.decode()
    listed = re.search(r"^Commands.*:\n((?:  .*\n)+)", text, re.M)[1]
    equal(tuple(re.findall(r"^  (\w+) ", listed, re.M)), COMMANDS, "commands")


# --- misuse ---------------------------------------------------------------------------------------


@test(netns=False, root=False)
def unknown_option(t):
    misused(t, "--no-such-option", says="no-such-option")
    misused(t, "-Z", says="Z")
    misused(t, "ls", "--no-such-option", says="no-such-option")
    misused(t, "doctor", "--no-such-option", says="no-such-option")
    misused(t, "ephemeral", "80", says="80")
    misused(t, "ephemeral", "-e", "bind", says="unknown option '-e'")
    misused(t, "ephemeral", "-n", "0", says="--count")


@test(netns=False, root=False)
def unknown_command(t):
    misused(t, "lss", says="unknown command 'lss'; did you mean 'ls'?")
    misused(t, "recrod", says="did you mean 'record'?")
    misused(t, "frobnicate", "80", says="unknown command 'frobnicate' (see 'porttrace --help')")


@test(netns=False, root=False)
def messages_say_what_is_right(t):
    """A message names the wrong value, and a right one."""
    for args, want in (
        (("-P", "abc"), "--port: 'abc' is not a port (0 to 65535), a range like 8000-8100 or a service"),
        (("tcp:80", "53"), "'53': all ports of a filter have one address and protocol"),
        (("-P", "[::1%lo]:80"), "a filter has no device"),
        (("::1:80",), "an IPv6 address needs brackets, as in [::1]:80"),
        (("-P", "90-80"), "write 80-90"),
        (("ls", "abc"), "'abc' is not a port"),
        (("why", "no-such-service"), "'no-such-service' is not a port"),
        (("-p", "abc"), "--pid: 'abc' is not a process id"),
        (("-d", "soon"), "--duration: 'soon' is not a number of seconds"),
        (("-p",), "-p PID"),
        (("--pid",), "--pid=PID"),
        (("--color", "blue"), "auto, always, never"),
        (("-e", "binds"), "bind, listen, connect"),
        (("ephemeral", "80"), "-D PORT"),
        (("record",), "porttrace record FILE"),
        (("replay",), "porttrace replay FILE"),
        (("why",), "porttrace why 80"),
        (("--json=yes",), "'--json' takes no value"),
    ):
        misused(t, *args, says=want)


@test(netns=False, root=False)
def control_characters_are_escaped(t):
    """Messages repeat arguments without their control characters."""
    for args in (("\x1b[31m",), ("-\x1b",), ("--\x1b[31m",), ("ls", "\x1b[31m"), ("-u", "\x1b")):
        misused(t, *args, says="\\x1b")


@test(netns=False, root=False)
def bad_port(t):
    for port in ("65536", "-1", "8o", "99999999999999999999", "80x", " ", "1.5"):
        misused(t, "-P", port, says=port.strip() or None)
    for port in ("65536", "80x"):
        misused(t, port, says=port)
        misused(t, "ls", port, says=port)
        misused(t, "-D", port, says=port)


@test(netns=False, root=False)
def bad_range(t):
    for ports in ("90-80", "80-", "-80", "80,,81", "80-90-100", ",", "80,", "1-65536"):
        misused(t, f"--port={ports}")


@test(netns=False, root=False)
def bad_values(t):
    for args in (
        ("-p", "abc"),
        ("-p", "0x"),
        ("-u", "no-such-user-here"),
        ("--local", "1.2.3"),
        ("--local", "127.0.0.0/33"),
        ("--remote", "::1/129"),
        ("--remote", "example"),
        ("--protocol", "tcpp"),
        ("-e", "binds"),
        ("-d", "soon"),
        ("-d", "-1"),
        ("-n", "some"),
        ("-n", "-1"),
        ("-i", "0"),
        ("-i", "x"),
        ("-N", "no-such-namespace"),
        ("--cgroup", "/no/such/cgroup"),
        ("--time", "never"),
        ("--color", "sometimes"),
        ("--probes", "magic"),
    ):
        misused(t, *args)


@test(netns=False, root=False)
def missing_value(t):
    for option in ("-p", "-P", "-d", "--local", "--probes"):
        misused(t, option)


@test(netns=False, root=False)
def value_for_an_option_without_one(t):
    misused(t, "--json=yes")


@test(netns=False, root=False)
def abbreviated_option(t):
    """Only whole names are accepted: an abbreviation would change its meaning with a new option."""
    misused(t, "--jso", says="--json")
    misused(t, "--dur=1", says="--duration")
    misused(t, "--dur", "1", says="--duration")
    misused(t, "ls", "--list", says="--listening")
    misused(t, "record", "--interv", "1", "/dev/null", says="--interval")
    misused(t, "why", "--reusea", "80", says="--reuseaddr")
    misused(t, "doctor", "--prob=auto", says="--probes")
    misused(t, "80", "--jso", says="--json")


@test(netns=False, root=False)
def message_advises_what_exists(t):
    """Misuse messages refer to --help only."""
    for args in (("--usage",), ("-Z",), ("-d", "soon"), ("-p",), ("ls", "--nonsense"), ("why",)):
        done = t.command(*args)
        equal(done.returncode, MISUSE, f"exit status of {args}")
        text = sane(done)
        check("--help" in text, f"no advice for {args}: {text!r}")
        if args != ("--usage",):
            check("--usage" not in text, f"the message for {args} advises an option that does not exist: {text!r}")


@test(netns=False, root=False)
def too_short_a_time(t):
    """porttrace refuses a time below 1 ms: below 1 ns it would become 0, which means never."""
    for args in (("-d", "1e-10"), ("-i", "1e-10"), ("--duration=0.0000000001",)):
        misused(t, *args, says="0.001")
    misused(t, "ephemeral", "-i", "1e-10", says="0.001")


# --- output that cannot be written ----------------------------------------------------------------


@test()
def full_disk(t):
    """One line on stderr and status 1."""
    with tcp(("127.0.0.1", 5001)), open("/dev/full", "wb") as full:
        for args in (
            ("--json",),
            ("--json", "-d", "5"),
            ("ls",),
            ("ls", "--json"),
            ("doctor",),
            ("-h",),
            ("-V",),
        ):
            done = subprocess.run(
                [PORTTRACE, *args],
                stdin=subprocess.DEVNULL,
                stdout=full,
                stderr=subprocess.PIPE,
                timeout=DEADLINE,
                check=False,
            )
            equal(done.returncode, NO, f"exit status of {args} on a full disk")
            line = one_line(sane(done))
            check("No space left" in line, f"message of {args}: {line!r}")


@test()
def full_disk_in_text(t):
    """The text stream writes to stdout only at the first event."""
    with open("/dev/full", "wb") as full:
        process = subprocess.Popen(
            [PORTTRACE, "-N", str(t.netns)],
            stdin=subprocess.DEVNULL,
            stdout=full,
            stderr=subprocess.PIPE,
            preexec_fn=die_with_parent,
        )
        try:

            def ended():
                tcp(("127.0.0.1", 5001)).close()
                return process.poll() is not None

            until(ended, "porttrace ends when it cannot write")
            text = process.stderr.read().decode()
            equal(process.returncode, NO, "exit status")
            equal(text.count("No space left"), 1, f"messages in {text!r}")
        finally:
            process.kill()


@test()
def file_size_limit(t):
    """Beyond `ulimit -f` porttrace prints a message and exits with status 1; SIGXFSZ does not kill it."""

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))

    path = f"/tmp/porttrace-limit-{os.getpid()}"
    try:
        for args in (("-h",), ("doctor",), ("record", "-d", "1", path), ("--json", "-d", "1")):
            with open(path + ".out", "wb") as out:
                done = subprocess.run(
                    [PORTTRACE, *args],
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=subprocess.PIPE,
                    timeout=15,
                    check=False,
                    preexec_fn=limit,
                )
            text = sane(done)
            equal(done.returncode, NO, f"exit status of {args} beyond the limit")
            check("File too large" in text, f"message of {args}: {text!r}")
    finally:
        for name in (path, path + ".out"):
            if os.path.exists(name):
                os.unlink(name)


@test()
def closed_stdout(t):
    """`porttrace >&-` writes nothing to the file that gets descriptor 1."""
    for args in ("--json -d 1", "ephemeral -n 1", "ls", "ls --json", "doctor", "-V"):
        done = subprocess.run(
            ["/bin/sh", "-c", f'exec "$0" {args} >&-', PORTTRACE],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=DEADLINE,
            check=False,
        )
        equal(done.returncode, NO, f"exit status of {args} with stdout closed")
        one_line(sane(done))


@test()
def closed_pipe(t):
    """`porttrace | head -1` ends without a message, also when there are no more events."""
    for args in ("--json", "ephemeral --json", "ls", "ls --json", "doctor"):
        done = subprocess.run(
            ["/bin/bash", "-c", f'"$0" {args} | head -1; exit "${{PIPESTATUS[0]}}"', PORTTRACE],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=DEADLINE,
            check=False,
        )
        equal(done.stderr, b"", f"stderr of {args} | head -1")
        check(
            done.returncode in (DONE, 128 + signal.SIGPIPE),
            f"exit status of {args}: {done.returncode}",
        )
        equal(done.stdout.count(b"\n"), 1, f"lines of {args} | head -1")


@test()
def closed_pipe_in_text(t):
    """The text stream: no message on stderr when the reader ends."""
    reader, writer = os.pipe()
    process = subprocess.Popen(
        [PORTTRACE, "-N", str(t.netns)],
        stdin=subprocess.DEVNULL,
        stdout=writer,
        stderr=subprocess.PIPE,
        preexec_fn=die_with_parent,
    )
    os.close(writer)
    try:
        os.set_blocking(reader, False)

        def data():
            tcp(("127.0.0.1", 5001)).close()
            try:
                return os.read(reader, 1)
            except BlockingIOError:
                return None

        until(data, "the first data")
        os.close(reader)

        def ended():
            tcp(("127.0.0.1", 5001)).close()
            return process.poll() is not None

        until(ended, "the end after the pipe was closed")
        check(process.returncode in (DONE, -signal.SIGPIPE), f"exit status {process.returncode}")
        text = process.stderr.read().decode()
        for word in ("pipe", "EPIPE", "error", "write"):
            check(word not in text.lower().split(), f"stderr complains: {text!r}")
    finally:
        process.kill()


@test()
def line_buffered(t):
    """Every event is written at once, also when stdout is not a terminal."""
    with t.text("-N", t.netns) as screen:
        for port in (5001, 5002):
            tcp(("127.0.0.1", port)).close()
            screen.wait(rf"close .*:{port}\b")
        equal(screen.stop(), DONE, "exit status")


# --- privileges and kernels -----------------------------------------------------------------------


def as_nobody(*args):
    return subprocess.run(
        [porttrace_for_all(), *args],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=DEADLINE,
        check=False,
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
        cwd="/",
    )


def porttrace_for_all():
    """A copy that any user may run, because the build may be in a directory of root."""
    copy = f"/tmp/porttrace-test-{os.getpid()}"
    if not os.path.exists(copy):
        shutil.copy(PORTTRACE, copy)
        os.chmod(copy, 0o755)
    return copy


def remove_copy():
    if os.path.exists(f"/tmp/porttrace-test-{os.getpid()}"):
        os.unlink(f"/tmp/porttrace-test-{os.getpid()}")


@test()
def no_privileges(t):
    """One line that names the missing privileges, and status 3."""
    try:
        for args in ((), ("--json",), ("80",), ("ephemeral",), ("record", "-")):
            done = as_nobody(*args)
            equal(done.returncode, NOT_ALLOWED, f"exit status of {args} without privileges")
            line = one_line(sane(done))
            check(
                "CAP_" in line or "root" in line, f"{args} does not say what is missing: {line!r}"
            )
            equal(done.stdout, b"", f"stdout of {args} without privileges")
    finally:
        remove_copy()


@test()
def no_privileges_needed(t):
    """Help, version, misuse and doctor need no privileges."""
    try:
        for args, status in (
            (("-h",), DONE),
            (("-V",), DONE),
            (("--nonsense",), MISUSE),
            (("99999",), MISUSE),
        ):
            equal(as_nobody(*args).returncode, status, f"exit status of {args} without privileges")
        done = as_nobody("doctor")
        check(done.returncode in (DONE, NOT_ALLOWED), f"exit status of doctor: {done.returncode}")
        text = done.stdout.decode() + sane(done)
        check("CAP_" in text or "root" in text, f"doctor does not say what is missing: {text!r}")
    finally:
        remove_copy()


@test()
def probes_that_do_not_exist(t):
    """--probes=kprobe on a kernel without kprobes: status 3 and one line that says so."""
    if os.path.exists("/sys/bus/event_source/devices/kprobe"):
        raise Skip("this kernel has kprobes")
    done = t.command("--probes=kprobe", "--json", "-d", "1", "-N", t.netns)
    equal(done.returncode, NOT_ALLOWED, "exit status")
    check("kprobe" in one_line(sane(done)), f"the message does not name kprobes: {done.stderr!r}")
    equal(done.stdout, b"", "stdout")


@test()
def probes_tracepoint(t):
    done = t.command("--probes=tracepoint", "--json", "-d", "1", "-N", t.netns)
    equal((done.returncode, sane(done).count("error")), (DONE, 0), "exit status")
    start = json.loads(done.stdout.splitlines()[0])
    equal((start["event"], start["probes"]), ("start", "tracepoint"), "start record")


@test(netns=False)
def doctor(t):
    done = t.command("doctor")
    equal(done.returncode, DONE, "exit status")
    text = done.stdout.decode("utf-8", "strict")
    sane(done)
    for want in ("tracepoint", "fentry", "kprobe", os.uname().release):
        check(want in text, f"doctor does not mention {want}:\n{text}")


@test(netns=False)
def doctor_wraps_between_words(t):
    """On a terminal of 80 columns no line is wider, and the words are those on a pipe."""
    on_pipe = t.command("doctor").stdout.decode()
    with porttrace_test.Screen(("doctor",), pty=True, columns=80) as screen:
        until(lambda: screen.process.poll() is not None, "doctor ends")
        screen.stop()
        equal([line for line in screen.text.replace("\r", "").splitlines() if len(line) > 80], [], "wide lines")
        check(any(len(line) > 80 for line in on_pipe.splitlines()), "no line on a pipe needs wrapping")
        equal(screen.text.split(), on_pipe.split(), "words")


# --- the end of a stream --------------------------------------------------------------------------


@test()
def interrupt(t):
    """After Ctrl-C porttrace prints totals, on stderr or as the stop record, and exits with status 0."""
    process = started()
    tcp(("127.0.0.1", 5001)).close()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=DEADLINE)
    equal(process.returncode, DONE, "exit status")
    check(re.search(r"\d+ events?", err.decode()), f"no totals on stderr: {err!r}")
    check(not re.search(r"\d+ events", out.decode()), f"totals on stdout: {out!r}")
    process = started("--json")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=DEADLINE)
    equal(process.returncode, DONE, "exit status with --json")
    last = json.loads(out.splitlines()[-1])
    equal(last["event"], "stop", "last record")
    check("events" in last and last["lost"] == 0, f"totals in {last}")


def started(*args, ignored=None):
    """Starts porttrace with both outputs on pipes and waits until it is ready; `ignored`: a signal that it ignores."""

    def prepare():
        die_with_parent()
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN if number == ignored else signal.SIG_DFL)

    process = subprocess.Popen(
        [PORTTRACE, *args],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=prepare,
    )
    first = (process.stdout if "--json" in args else process.stderr).readline()
    if not first:
        raise Failure(f"{args} did not start: {process.stderr.read()!r}")
    return process


def check_ended(process, what=""):
    """The --json stream must have ended with exit status 0 and a stop record."""
    out, _ = process.communicate(timeout=10)
    equal(process.returncode, DONE, "exit status" + what)
    equal(json.loads(out.splitlines()[-1])["event"], "stop", "last record")


@test()
def second_interrupt(t):
    """A second Ctrl-C ends porttrace at once, even while a write blocks."""
    process = started("--json")
    os.set_blocking(process.stdout.fileno(), False)
    for _ in range(4000):  # more than fits into a pipe that is not read
        tcp(("127.0.0.1", 0)).close()
    process.send_signal(signal.SIGINT)
    try:
        process.wait(0.5)
    except subprocess.TimeoutExpired:
        pass
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    process.wait(5)
    check(time.monotonic() - began < 1, "the second Ctrl-C took more than a second")
    check(process.returncode is not None, "still running")


@test()
def two_signals_at_once(t):
    """timeout(1) signals its child, and then the child's process group: the second signal does not
    end porttrace at once."""
    process = started("--json", "-N", str(t.netns))
    process.send_signal(signal.SIGSTOP)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGCONT)
    check_ended(process)


@test()
def ignored_signals_stay_ignored(t):
    """porttrace ignores the signals that it inherits as ignored (nohup)."""
    for ignored in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        end = signal.SIGTERM if ignored != signal.SIGTERM else signal.SIGINT
        process = started("--json", "-N", str(t.netns), ignored=ignored)
        process.send_signal(ignored)
        try:
            process.wait(0.5)
            raise Failure(f"ended by {ignored.name}, which was ignored")
        except subprocess.TimeoutExpired:
            pass
        process.send_signal(end)
        check_ended(process, f", with {ignored.name} ignored")


@test()
def hangup(t):
    """SIGHUP that is not ignored ends the stream as SIGTERM does."""
    process = started("--json", "-N", str(t.netns))
    process.send_signal(signal.SIGHUP)
    check_ended(process)


@test()
def terminal_interrupt(t):
    """Ctrl-C typed at a terminal."""
    with t.text("-N", t.netns, pty=True) as screen:
        tcp(("127.0.0.1", 5001)).close()
        screen.wait(r"close .*:5001\b")
        equal(screen.stop(signal.SIGINT), DONE, "exit status")
        check(re.search(r"\d+ events?", screen.text), "no totals")


@test()
def duration_ends(t):
    """-d counts from the start record to the stop record, not the time to load and unload the probes."""
    equal(t.command("-d", "1", "-N", t.netns).returncode, DONE, "exit status of -d 1")
    done = t.command("--json", "--duration=1", "-N", t.netns)
    equal(done.returncode, DONE, "exit status of --duration=1")
    first, *_, last = [json.loads(line) for line in done.stdout.splitlines()]
    equal((first["event"], last["event"]), ("start", "stop"), "first and last record")
    took = (last["boot_ns"] - first["boot_ns"]) / 1e9
    check(0.9 < took < DEADLINE, f"--duration=1 took {took:.1f} s")


@test()
def count_ends(t):
    process = started("--json", "-n", "1", "-N", str(t.netns))
    tcp(("127.0.0.1", 5001)).close()
    out, _ = process.communicate(timeout=DEADLINE)
    equal(process.returncode, DONE, "exit status")
    equal(
        [json.loads(line)["event"] for line in out.splitlines()],
        ["bind", "stop"],
        "rest of the stream",
    )


# --- output ---------------------------------------------------------------------------------------


@test()
def ls_json(t):
    with tcp(("127.0.0.1", 5001), backlog=1) as sock:
        done = t.command("ls", "--json", "-N", t.netns)
        equal((done.returncode, done.stderr), (DONE, b""), "exit status and stderr")
        records = [json.loads(line) for line in done.stdout.splitlines()]
        equal(
            [(r["local_port"], r["state"]) for r in records], [(port_of(sock), "LISTEN")], "records"
        )


@test()
def ls_of_nothing(t):
    done = t.command("ls", "--json", "-N", t.netns)
    equal((done.stdout, done.stderr), (b"", b""), "output")


@test()
def data_and_messages(t):
    """Text: data on stdout, messages on stderr; -q leaves out headers and messages."""
    with t.text("-N", t.netns) as screen:
        tcp(("127.0.0.1", 5001)).close()
        screen.wait(r"close .*:5001\b")
        equal(screen.stop(), DONE, "exit status")
        out, err = screen.out.decode(), screen.err.decode()
        check("porttrace " in err and "porttrace " not in out, f"the first line is data:\n{out}")
        check("5001" not in err, f"events on stderr:\n{err}")
    process = subprocess.Popen(
        [PORTTRACE, "-q", "-N", str(t.netns)],
        stdin=subprocess.DEVNULL,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=die_with_parent,
    )
    os.set_blocking(process.stdout.fileno(), False)

    def data():
        tcp(("127.0.0.1", 5001)).close()
        return process.stdout.readline()

    try:
        check("5001" in until(data, "the first data of -q"), "the first line of -q is not an event")
        process.send_signal(signal.SIGINT)
        equal(process.communicate(timeout=DEADLINE)[1], "", "stderr of -q")
        equal(process.returncode, DONE, "exit status of -q")
    finally:
        process.kill()
    with tcp(("127.0.0.1", 5001), backlog=1):
        out = t.command("ls", "-q", "-N", t.netns).stdout.decode()
        equal(re.findall(r"LISTEN|LOCAL", out), ["LISTEN"], "lines of ls -q")


@test()
def time_styles(t):
    """--time: the first column."""
    for style, pattern in (
        ("wall", r"^\d\d:\d\d:\d\d\.\d+ +bind "),
        ("relative", r"^ *\+?\d+\.\d+\S* +bind "),
        ("iso", r"^\d{4}-\d\d-\d\dT\S+ +bind "),
        ("none", r"^ *bind "),
    ):
        with t.text("-N", t.netns, f"--time={style}") as screen:
            tcp(("127.0.0.1", 5001)).close()
            screen.wait(r"close .*:5001\b")
            check(
                re.search(pattern, screen.out.decode(), re.M),
                f"--time={style}:\n{screen.out.decode()}",
            )
            screen.stop()


@test()
def colours(t):
    """Only on a terminal, unless --color says otherwise."""
    for args, pty, coloured in (
        ((), False, False),
        (("--color=always",), False, True),
        (("--color=never",), True, False),
        ((), True, True),
    ):
        with t.text("-N", t.netns, *args, pty=pty) as screen:
            with tcp(("127.0.0.1", 5001), backlog=1), tcp() as sock:
                porttrace_test.refused(sock.bind, ("127.0.0.1", 5001))
            screen.wait(r"close .*:5001\b")
            screen.stop()
            equal("\x1b[" in screen.text, coloured, f"colour with {args}, terminal: {pty}")


@test()
def fits_80_columns(t):
    """On a terminal of 80 columns no event row is wider."""
    with t.text("-N", t.netns, "--color=never", pty=True, columns=80) as screen:
        with tcp(("127.0.0.1", 5001), backlog=1), tcp() as sock:
            porttrace_test.refused(sock.bind, ("127.0.0.1", 5001))
        screen.wait(r"close .*:5001\b")
        screen.stop()
        rows = [
            r.rstrip("\r")
            for r in screen.text.split("\n")
            if re.search(r" (bind|listen|close) ", r)
        ]
        check(rows, "no rows")
        equal([r for r in rows if len(r) > 80], [], "rows wider than the terminal")


# --- the source -----------------------------------------------------------------------------------


@test(netns=False, root=False)
def map_names_every_file(t):
    """The map in src/main.c names every .c file, under its folder, and none that does not exist."""
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../src")
    if not os.path.isdir(source):
        raise Skip("the source does not exist here")
    with open(os.path.join(source, "main.c"), encoding="utf-8") as file:
        comment = file.read().split("*/")[1]
    named, folder = set(), ""
    for line in comment.splitlines():
        title = re.match(r" \*   (\S+/| *)", line)
        if title and title.group(1).strip():
            folder = title.group(1)
        if re.match(r" \*   \w+\.c", line):
            folder = ""
        names = re.findall(r"\b\w+\.c\b", line)
        named |= {folder + name for name in names}
    there = {
        os.path.relpath(os.path.join(path, name), source)
        for path, _, names in os.walk(source)
        for name in names
        if name.endswith(".c")
    }
    equal(sorted(there - named - {"main.c"}), [], "files that the map does not name")
    equal(sorted(named - there), [], "files of the map that do not exist")


if __name__ == "__main__":
    sys.exit(porttrace_test.main([os.path.join(os.path.dirname(os.path.abspath(__file__)), "test_install.py")]))
