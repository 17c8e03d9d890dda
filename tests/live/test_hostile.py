# SPDX-License-Identifier: GPL-2.0-only
"""Hostile names: control bytes never reach a terminal, and JSON remains valid UTF-8."""

import json
import os
import re
import subprocess
import unicodedata

from porttrace_test import (
    DEADLINE,
    Skip,
    cgroup2_mount,
    check,
    die_with_parent,
    equal,
    refused,
    set_comm,
    tcp,
    test,
    until,
)

ESCAPE = b"\x1b]0;pwned\x07\x1b[31m"  # sets the title of a terminal, then red
COMMS = [
    b"\x1b[31mred\x1b[0m",  # colours
    b"two\nlines\r\tX",  # forges a line
    b"bad\xff\xfe\xc3utf",  # not UTF-8
    b"c1\xc2\x9b31m\xc2\x85",  # control characters beyond ASCII
    b'quo"te\\back',  # JSON must escape this
    b"\xe2\x80\xaeesrever",  # writes from right to left
    b"\x1b]0;t\x07\x08\x7f\x01",
    "fünf€".encode(),
]


def binder(me, name, port):
    set_comm(name)
    with tcp(("127.0.0.1", port), backlog=1):
        me.send()
        me.receive()


def refused_bind(_, port):
    """Runs in a new process each time: porttrace may fold equal lines of one process."""
    with tcp() as sock:
        return refused(sock.bind, ("127.0.0.1", port))


def clean(text):
    """The text must have no control characters except newlines."""
    bad = [c for c in text if unicodedata.category(c) in ("Cc", "Cf") and c != "\n"]
    equal(bad, [], f"control characters in the text\n{text!r}\n")


@test()
def comm_in_json(t):
    with t.trace() as trace:
        for index, name in enumerate(COMMS):
            child = t.fork(binder, name, 5001 + index)
            child.receive()
            record = trace.once(event="bind", local_port=5001 + index, pid=child.pid)
            check("comm" in record, "no comm")
            try:
                equal(record["comm"], name.decode(), "comm")
            except UnicodeDecodeError:
                check(
                    "bad" in record["comm"] and "utf" in record["comm"], f"comm {record['comm']!r}"
                )
            child.send()
            child.result()


@test()
def comm_of_a_holder_in_json(t):
    """The name also appears in why, fix and pids."""
    with t.trace() as trace:
        for index, name in enumerate(COMMS):
            child = t.fork(binder, name, 5001 + index)
            child.receive()
            with tcp() as sock:
                equal(refused(sock.bind, ("127.0.0.1", 5001 + index)), "EADDRINUSE", "bind")
            record = trace.once(event="bind", errno="EADDRINUSE", local_port=5001 + index, **t.me)
            equal(record["conflict"]["holders"][0]["pids"][0]["pid"], child.pid, "holder")
            clean(record["conflict"]["why"] + record["conflict"]["fix"])
            child.send()
            child.result()


def all_names(t, screen):
    """For every hostile name, a process binds, one is refused, and both exit; waits until all of this is shown."""
    for index, name in enumerate(COMMS):
        child = t.fork(binder, name, 5001 + index)
        child.receive()
        screen.wait(rf"bind .*:{5001 + index}\b")
        equal(t.fork(refused_bind, 5001 + index).result(), "EADDRINUSE", "bind")
        screen.wait(rf":{5001 + index}\b.*EADDRINUSE")
        child.send()
        child.result()
    tcp(("127.0.0.1", 6001)).close()
    screen.wait(r"close .*:6001\b")


@test()
def comm_in_text_on_a_pipe(t):
    with t.text() as screen:
        all_names(t, screen)
        equal(screen.stop(), 0, "exit status")
        clean(bytes(screen.out).decode("utf-8", "strict"))
        clean(bytes(screen.err).decode("utf-8", "strict"))


@test()
def comm_in_text_on_a_terminal(t):
    """With --color=never the output has no escape sequences, with colours only those of porttrace."""
    for args in (("--color=never",), ("--color=always",)):
        with t.text(*args, pty=True) as screen:
            all_names(t, screen)
            equal(screen.stop(), 0, "exit status")
            text = bytes(screen.out).decode("utf-8", "strict").replace("\r\n", "\n")
            if args == ("--color=always",):
                check("\x1b[" in text, "no colour with --color=always")
                text = re.sub(r"\x1b\[[0-9;]*m", "", text)
                check("\x1b[31mred" not in screen.text, "the escape sequence in the process name was printed")
            clean(text)


SCRIPT = """
import os, socket, sys
s = socket.socket(); s.bind(("127.0.0.1", 5001)); s.listen(1)
print("ready", flush=True)
sys.stdin.read()
"""


PROGRAMS = []


def hostile_program(*arguments, before=None):
    """Python with these arguments, listening on 5001 until its stdin ends."""

    def prepare():
        die_with_parent()
        if before:
            before()

    process = subprocess.Popen(
        [b"python3", b"-c", SCRIPT.encode(), *arguments],
        executable="/usr/bin/python3",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        preexec_fn=prepare,
    )
    PROGRAMS.append(process)
    equal(process.stdout.readline(), b"ready\n", "output of the program")
    return process


def end(process):
    process.communicate(timeout=DEADLINE)


@test()
def arguments(t):
    hostile = [ESCAPE, b"\xff\xfe\x80", b"a\nb", b""]
    with t.trace() as trace:
        process = hostile_program(*hostile)
        record = trace.once(event="bind", local_port=5001, pid=process.pid)
        check("python3" in str(record.get("cmdline")), f"cmdline {record.get('cmdline')!r}")
        end(process)
    with t.text("-v") as screen:
        process = hostile_program(*hostile)
        screen.wait(r"bind .*:5001\b")
        with tcp() as sock:
            equal(refused(sock.bind, ("127.0.0.1", 5001)), "EADDRINUSE", "bind")
        screen.wait(r"EADDRINUSE")
        end(process)
        screen.wait(r"close .*:5001\b")
        equal(screen.stop(), 0, "exit status")
        clean(bytes(screen.out).decode("utf-8", "strict"))


@test()
def cgroup_path(t):
    name = f"porttrace-test-{os.getpid()}-".encode() + b"\x1b[31m\xff\x80"
    path = os.path.join(cgroup2_mount().encode(), name)
    try:
        os.mkdir(path)
    except OSError as error:
        raise Skip(f"cannot make a cgroup: {error}") from None

    def join():
        with open(path + b"/cgroup.procs", "wb") as file:
            file.write(str(os.getpid()).encode())

    try:
        with t.trace() as trace:
            process = hostile_program(before=join)
            record = trace.once(event="bind", local_port=5001, pid=process.pid)
            check(
                f"porttrace-test-{os.getpid()}" in record.get("cgroup", ""),
                f"cgroup {record.get('cgroup')!r}",
            )
            with tcp() as sock:
                equal(refused(sock.bind, ("127.0.0.1", 5001)), "EADDRINUSE", "bind")
            trace.once(event="bind", errno="EADDRINUSE", **t.me)
            done = t.command("ls", "-N", t.netns)
            equal(done.returncode, 0, "exit status of ls")
            clean(done.stdout.decode("utf-8", "strict"))
            done = t.command("ls", "--json", "-N", t.netns)
            check(
                [json.loads(line) for line in done.stdout.decode("utf-8", "strict").splitlines()],
                "ls is empty",
            )
            end(process)
        with t.text("-v") as screen:
            process = hostile_program(before=join)
            screen.wait(r"bind .*:5001\b")
            end(process)
            screen.wait(r"close .*:5001\b")
            screen.stop()
            clean(bytes(screen.out).decode("utf-8", "strict"))
    finally:
        for process in PROGRAMS:
            process.kill()
            process.wait()

        def removed():
            try:
                os.rmdir(path)
            except OSError:
                return False
            return True

        until(removed, "the cgroup is empty")
