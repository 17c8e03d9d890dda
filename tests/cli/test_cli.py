#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The command line: exit statuses, misuse, pipes, full disks, missing privileges, signals.

    tests/cli/test_cli.py [-v] [-j JOBS] [NAME...]

What needs the kernel's events needs root, and is skipped without.
"""

import json
import os
import re
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

OWN_TRACER = True  # these are about porttrace as a process
DONE, NO, MISUSE, NOT_ALLOWED = 0, 1, 2, 3
COMMANDS = ("ls", "why", "ephemeral", "record", "replay", "doctor")


def sane(done):
    """No trace of a crash, of libbpf's own messages or of control bytes on stderr."""
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
    """Status 2, nothing on stdout, and a message that says what was wrong."""
    done = t.command(*args)
    text = sane(done)
    equal(done.returncode, MISUSE, f"exit status of {args}")
    equal(done.stdout, b"", f"stdout of {args}")
    check(text.strip(), f"no message for {args}")
    speaker = text.split(":")[0].split("/")[-1]
    check(speaker.split()[0] == "porttrace", f"the message does not say who speaks: {text!r}")
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
        check(
            all(len(line) <= 80 for line in text.splitlines()), "the help is wider than 80 columns"
        )


@test(netns=False, root=False)
def help_of_commands(t):
    for command in COMMANDS:
        done = t.command(command, "--help")
        equal((done.returncode, done.stderr), (DONE, b""), f"{command} --help")
        check(command in done.stdout.decode(), f"the help of {command} does not name it")


# --- misuse ---------------------------------------------------------------------------------------


@test(netns=False, root=False)
def unknown_option(t):
    misused(t, "--no-such-option", says="no-such-option")
    misused(t, "-Z", says="Z")
    misused(t, "ls", "--no-such-option", says="no-such-option")
    misused(t, "doctor", "--no-such-option", says="no-such-option")
    misused(t, "ephemeral", "80", says="80")
    misused(t, "ephemeral", "-e", "bind", says="-- 'e'")
    misused(t, "ephemeral", "-n", "0", says="--count")


@test(netns=False, root=False)
def unknown_command(t):
    misused(t, "lss", says="lss")
    misused(t, "frobnicate", "80", says="frobnicate")


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
def value_where_none_belongs(t):
    misused(t, "--json=yes")


# --- output that cannot be written ----------------------------------------------------------------


@test()
def full_disk(t):
    """One clear line and status 1, of the stream and of ls."""
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
    """The text stream writes its first data with the first event."""
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

            until(ended, "the end of a stream that cannot be written")
            text = process.stderr.read().decode()
            equal(process.returncode, NO, "exit status")
            equal(text.count("No space left"), 1, f"messages in {text!r}")
        finally:
            process.kill()


@test()
def closed_stdout(t):
    """`porttrace >&-` does not write into a file that happens to get descriptor 1."""
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
    """`porttrace | head -1` ends quietly, also when nothing happens to ports any more."""
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
    """The text stream, whose remarks on stderr are of before."""
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
    """Every event is there at once, also when stdout is no terminal."""
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
    """The program where any user may run it: the build may lie in a directory of root's."""
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
    """One line that says what is missing, status 3."""
    try:
        for args in ((), ("--json",), ("80",), ("ls",), ("ls", "--json"), ("why", "80")):
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
    """Help, version, misuse and doctor are for everybody."""
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
def probes_that_are_not_there(t):
    """--probes=kprobe on a kernel without kprobes: status 3 and a clear line."""
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


# --- how it ends ----------------------------------------------------------------------------------


@test()
def interrupt(t):
    """Ctrl-C: status 0, and totals: on stderr, or as the stop record."""
    process = started()
    tcp(("127.0.0.1", 5001)).close()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=DEADLINE)
    equal(process.returncode, DONE, "exit status")
    check(re.search(r"\d+ events?", err.decode()), f"no totals on stderr: {err!r}")
    check(not re.search(r"\d+ events", out.decode()), f"totals among the data: {out!r}")
    process = started("--json")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=DEADLINE)
    equal(process.returncode, DONE, "exit status with --json")
    last = json.loads(out.splitlines()[-1])
    equal(last["event"], "stop", "last record")
    check("events" in last and last["lost"] == 0, f"totals in {last}")


def started(*args):
    """A porttrace that is ready, with both outputs on pipes."""
    process = subprocess.Popen(
        [PORTTRACE, *args],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=die_with_parent,
    )
    first = (process.stdout if "--json" in args else process.stderr).readline()
    if not first:
        raise Failure(f"{args} did not start: {process.stderr.read()!r}")
    return process


@test()
def second_interrupt(t):
    """The second Ctrl-C ends it at once, even while it cannot write what it has."""
    process = started("--json")
    os.set_blocking(process.stdout.fileno(), False)
    for _ in range(4000):  # more than a pipe holds, and nobody reads
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
def terminal_interrupt(t):
    """Ctrl-C typed at a terminal."""
    with t.text("-N", t.netns, pty=True) as screen:
        tcp(("127.0.0.1", 5001)).close()
        screen.wait(r"close .*:5001\b")
        equal(screen.stop(signal.SIGINT), DONE, "exit status")
        check(re.search(r"\d+ events?", screen.text), "no totals")


@test()
def duration_ends(t):
    for args in (("-d", "1", "-N", t.netns), ("--json", "--duration=1", "-N", t.netns)):
        began = time.monotonic()
        done = t.command(*args)
        equal(done.returncode, DONE, f"exit status of {args}")
        check(0.9 < time.monotonic() - began < DEADLINE, f"{args} took {time.monotonic() - began:.1f} s")


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


# --- form -----------------------------------------------------------------------------------------


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
def data_and_remarks(t):
    """Text: data on stdout, everything else on stderr; -q leaves the remarks out."""
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
        until(data, "the first data of -q")
        process.send_signal(signal.SIGINT)
        equal(process.communicate(timeout=DEADLINE)[1], "", "stderr of -q")
        equal(process.returncode, DONE, "exit status of -q")
    finally:
        process.kill()


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
    """Only on a terminal, and as told by --color."""
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
    """On a terminal of 80 columns no row of an event is wider."""
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


if __name__ == "__main__":
    sys.exit(porttrace_test.main([]))
