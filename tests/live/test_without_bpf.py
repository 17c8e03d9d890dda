# SPDX-License-Identifier: GPL-2.0-only
"""`ls` and `why` without BPF: as root where bpf() is refused, and as a user without privileges. Their answers from
sock_diag and /proc are those that BPF gives about the same sockets, except what they say that they do not know."""

import contextlib
import errno
import json
import os
import resource
import shutil
import socket

from corpus_kernel import SYS_BPF, refuse_by_seccomp
from porttrace_test import (
    DONE,
    IPPROTO_MPTCP,
    NOBODY,
    NOT_ALLOWED,
    PORTTRACE,
    REUSEADDR,
    REUSEPORT,
    V6ONLY,
    Skip,
    check,
    close_first,
    enter_netns,
    equal,
    libc,
    libc_check,
    netns_inode,
    pair_on,
    port_of,
    refused,
    require,
    sysctl,
    tcp,
    test,
    udp,
)
from test_lacking import CAPABILITIES, stderr_lines
from test_ls import of_space, populate, population, row, same

OWN_TRACER = True
PR_SET_DUMPABLE, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, PR_SET_KEEPCAPS = 4, 47, 2, 8
FAILED = 1
LIMITS = "porttrace: not root: processes of other users and the options of their sockets are unknown"


# --- porttrace without BPF -----------------------------------------------------------------------


def without_bpf():
    """preexec_fn: bpf() fails with EPERM."""
    refuse_by_seccomp(SYS_BPF, errno.EPERM)


def require_seccomp():
    require(without_bpf, what="no seccomp filters here")


def as_nobody():
    """preexec_fn: a user without privileges."""
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)


def for_all(t):
    """The path of a copy that every user may run: the build may be in a directory of root."""
    folder = t.temp()
    os.chmod(folder, 0o755)
    path = os.path.join(folder, "porttrace")
    shutil.copy(PORTTRACE, path)
    os.chmod(path, 0o755)
    return path


def run_as_nobody(t, *args, netns=None, prepare=as_nobody):
    """Runs porttrace as NOBODY, in the network namespace of this process or that of `netns`."""
    def enter():
        if netns is not None:
            with open(f"/proc/{netns}/ns/net", "rb") as file:
                enter_netns(file.fileno())
        prepare()

    return t.command(*args, executable=for_all(t), preexec_fn=enter, cwd="/")


def said(done, status, lines=1):
    """The lines of stderr, whose number must be this."""
    found = stderr_lines(done)
    equal(done.returncode, status, f"exit status ({found})")
    equal(len(found), lines, f"lines on stderr: {found}")
    return found


def records(done):
    return [json.loads(line) for line in done.stdout.decode("utf-8", "strict").splitlines()]


# --- ls --------------------------------------------------------------------------------------------


# A user may be unable to read the modules of root's Python: load what create_connection() needs before.
"".encode("idna")


def as_user(me, function, *args):
    """A process that changed its user hides its descriptors, unless it says otherwise."""
    libc_check(libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0))
    return function(me, *args)


@test(netns=False)
def ls_as_root(t):
    """2,000 sockets of every kind in three network namespaces, with every process and descriptor."""
    require_seccomp()
    spaces = population(t)
    done = t.command("ls", "--json", preexec_fn=without_bpf)
    line = said(done, DONE)[0]
    check("seccomp" in line and "without BPF the options of sockets that no process has open are unknown" in line, line)
    listed = records(done)
    for inode, (maker, rows) in spaces.items():
        same(of_space(listed, inode), rows, f"ls without BPF, compared with the sockets made (netns {inode})")
        names = {p["comm"] for r in listed if r["netns"] == inode for p in r.get("pids", [])}
        equal(names, {maker.comm}, f"names of processes in netns {inode}")
    ids = [r["socket"] for r in listed if r["netns"] in spaces]
    equal(len(ids), len(set(ids)), "different socket ids")


def key_of(record):
    """Identifies a socket of these tests."""
    return tuple(record.get(name) for name in ("protocol", "local_address", "local_port", "remote_address", "remote_port"))


def same_records(t, with_bpf, without, but=()):
    """Records of the same sockets have the same fields and values, except `but` and what passes."""
    varies = {"time", "boot_ns", "expires_in_s", "since", "socket", *but}

    def cut(record):
        """/proc has the start of a process in ticks of 10 ms."""
        pids = [{k: v for k, v in p.items() if k != "started"} for p in record.get("pids", [])]
        return {k: v for k, v in record.items() if k not in {*varies, "started", "pids"}}, pids

    by_key = {key_of(r): r for r in without}
    equal(len(by_key), len(without), "different sockets")
    for record in with_bpf:
        check(key_of(record) in by_key, f"missing without BPF: {record}")
        found = by_key[key_of(record)]
        equal(cut(found), cut(record), "a record without BPF")
        # Before 5.12, BPF programs of this kind cannot read the cookie of a socket: its id is an address.
        if not record["socket"].startswith("ffff"):
            equal(found["socket"], record["socket"], "id of a socket")
    equal(len(without), len(with_bpf), "sockets without BPF")
    print(f"{len(without)} sockets in netns {t.netns}")


def make_all(keep):
    """A socket of each kind that has a name of its own in `ls`, with options."""
    keep += [tcp(("127.0.0.1", 5001), REUSEADDR, backlog=7), tcp(("::", 5002), REUSEPORT, V6ONLY, backlog=3)]
    keep += [tcp(("127.0.0.1", 5003), REUSEADDR), tcp(("::1", 5004)), tcp(("::ffff:127.0.0.1", 5005), backlog=1)]
    keep += [udp(("127.0.0.1", 5001), REUSEADDR), udp(("::", 5006), V6ONLY)]
    keep += list(pair_on(keep[0]))
    keep.append(socket.create_connection(("127.0.0.1", 5005)))  # not accepted
    connected = udp(address="127.0.0.1")
    connected.connect(("127.0.0.1", 5001))
    keep.append(connected)
    client, accepted = pair_on(keep[0])
    close_first(client, accepted, port_of(client))


@test()
def ls_as_root_all_fields(t):
    """Every field of `ls --json` but who chose the port, and the options of a TIME_WAIT."""
    require_seccomp()
    keep = []
    make_all(keep)
    args = ("ls", "--json", "-N", t.netns)
    before = records(t.command(*args))
    done = t.command(*args, preexec_fn=without_bpf)
    said(done, DONE)
    for record in before:
        if record["state"] == "TIME_WAIT":
            record.pop("options", None)
    same_records(t, before, records(done), but=("ephemeral",))


@test(netns=False)
def ls_as_user(t):
    """All sockets of the user, with processes and descriptors; those of root too, without them."""
    maker = t.fork(as_user, populate, uid=NOBODY, netns="new")
    maker.receive()
    maker.send()
    inode, rows = maker.receive()
    done = run_as_nobody(t, "ls", "--json", netns=maker.pid)
    line = said(done, DONE)[0]
    listed = records(done)
    # Another test of this user may have processes in other namespaces.
    foreign = "of other network namespaces only the sockets of your own processes are shown"
    check((foreign if {r["netns"] for r in listed} > {inode} else "other network namespaces are not shown") in line, line)
    check(line.endswith("; try: sudo porttrace ls --json"), line)
    check("processes of other users" not in line, f"says of sockets that were all found that they are not: {line!r}")
    same(of_space(listed, inode), rows, "ls as the user, compared with the sockets made")


def root_beside(me):
    """Sockets of root and of the user on a few ports."""
    sockets = [tcp(("127.0.0.1", 5001), backlog=3), tcp(("127.0.0.1", 5002)), udp(("127.0.0.1", 5003))]
    queued = socket.create_connection(("127.0.0.1", 5001))
    me.send([row("tcp", sockets[0], "LISTEN", ()), row("tcp", sockets[1], "BOUND", ()),
             row("udp", sockets[2], "BOUND", ()), row("tcp", queued, "ESTABLISHED", ())])
    me.receive()


@test()
def ls_of_root_as_user(t):
    """Sockets of another user have no process, and the line on stderr says so; one in an accept queue has none indeed."""
    other = t.fork(root_beside)
    rows = other.receive()
    mine = t.fork(as_user, lambda me: (tcp(("127.0.0.1", 5004), backlog=1), me.send(), me.receive()), uid=NOBODY)
    mine.receive()
    done = run_as_nobody(t, "ls", "--json", "-N", t.netns)
    line = said(done, DONE)[0]
    check(line.startswith(LIMITS), line)
    listed = records(done)
    equal({r["local_port"]: [p["pid"] for p in r.get("pids", [])] for r in listed if r["state"] == "LISTEN"},
          {5001: [], 5004: [mine.pid]}, "listeners and their processes")
    bound = [r for r in listed if (r["protocol"], r["state"]) == ("tcp", "BOUND")]
    check(bound or "sockets that are only bound, those of other users are missing" in line,
          f"a bound socket is missing and not mentioned: {line!r}")
    check(not bound or "only bound" not in line, f"says that a bound socket is missing, and lists it: {line!r}")
    found = of_space(listed, t.netns)
    for want in rows:
        if want[6] != "BOUND" or want[0] != "tcp" or bound:
            check(want in found, f"{want} is not among {found}")
    done = run_as_nobody(t, "ls", "-q", "-N", t.netns)
    equal(done.stdout.decode().count("not accepted yet"), 1, f"connections in the queue: {done.stdout}")
    equal(done.stderr, b"", "stderr of ls -q")


@test()
def audit_as_user(t):
    """Finds the servers of other users too, and says what a user cannot see, as ls does."""
    sysctl("ipv4/ip_local_port_range", "5000 5999")
    other = t.fork(root_beside)
    other.receive()
    done = run_as_nobody(t, "ephemeral", "--audit", "--json", "-N", t.netns)
    line = said(done, DONE)[0]
    check(line.startswith(LIMITS) and line.endswith("; try: sudo porttrace ephemeral --audit --json -N "
                                                    f"{t.netns}"), line)
    found = records(done)
    check((5001, "LISTEN") in [(r["local_port"], r["state"]) for r in found[:-1]], f"the listener: {found}")
    check(5001 in found[-1]["unreserved"] and found[-1]["range"] == [5000, 5999], f"{found[-1]}")
    equal(run_as_nobody(t, "ephemeral", "--audit", "-q", "-N", t.netns).stderr, b"", "stderr with -q")


@test()
def ls_filters_as_user(t):
    """The filters mean the same as with BPF."""
    def make(me):
        keep = []
        make_all(keep)
        me.send()
        me.receive()

    maker = t.fork(as_user, make, uid=NOBODY, comm="pt-filtered")
    maker.receive()
    cgroup = next((line[3:].strip() for line in open(f"/proc/{maker.pid}/cgroup", encoding="utf-8")
                   if line.startswith("0::")), None)
    filters = [("5001",), ("-P", "5002-5004"), ("-D", "5001"), ("--protocol", "udp"), ("-4",), ("-6",), ("-t",), ("-ul",),
               ("--local", "127.0.0.0/8"), ("--remote", "127.0.0.1"), ("--pid", maker.pid), ("--pid", os.getpid()),
               ("-c", "pt-filtered"), ("--user", NOBODY), ("--user", "root")]
    filters += [("--cgroup", cgroup)] if cgroup else []
    for args in filters:
        want = sorted(map(str, map(key_of, records(t.command("ls", "--json", "-N", t.netns, *args)))))
        got = sorted(map(str, map(key_of, records(run_as_nobody(t, "ls", "--json", "-N", t.netns, *args)))))
        equal(got, want, f"sockets of ls {args}")
        print(f"{len(want)} sockets: {args}")


@test()
def ls_mptcp(t):
    """An MPTCP connection is one socket, not one and its subflow."""
    require_seccomp()
    try:
        listener = tcp(("127.0.0.1", 5001), backlog=3, protocol=IPPROTO_MPTCP)
    except OSError as error:
        raise Skip(f"no MPTCP: {error.strerror}") from None
    client = socket.socket(socket.AF_INET, socket.SOCK_STREAM, IPPROTO_MPTCP)
    client.connect(("127.0.0.1", 5001))
    accepted, _ = listener.accept()
    with client, accepted, listener:
        args = ("ls", "--json", "-N", t.netns)

        def rows_of(done):
            return sorted((r["protocol"], r["state"], r["local_port"], r.get("remote_port"),
                           tuple(p["fd"] for p in r.get("pids", []))) for r in records(done))

        equal(rows_of(t.command(*args, preexec_fn=without_bpf)), rows_of(t.command(*args)), "rows")


# --- why -------------------------------------------------------------------------------------------


def holders_of(answer):
    """What must be equal: each holder with its address, state and processes."""
    return sorted((h["protocol"], h["local_address"], h["local_port"], h.get("remote_address", ""), h.get("remote_port", 0),
                   h["state"], tuple(sorted(p["pid"] for p in h.get("pids", [])))) for h in answer["holders"])


def same_answer(t, question, with_bpf, without, processes=True):
    """The same verdict, cause and holders; free_with_reuseaddr may be unknown."""
    for name in ("free", "cause"):
        equal(without.get(name), with_bpf.get(name), f"{name} of {question}: {without['why']} | {with_bpf['why']}")
    if "free_with_reuseaddr" in without:
        equal(without["free_with_reuseaddr"], with_bpf["free_with_reuseaddr"], f"free_with_reuseaddr of {question}")
    want = holders_of(with_bpf)
    if not processes:
        want = [(*h[:6], ()) for h in want]
    equal(holders_of(without), want, f"holders of {question}")
    print(f"{question}: {without.get('cause', 'free')}, {without.get('free_with_reuseaddr', 'unknown')} with SO_REUSEADDR, "
          f"as in netns {t.netns}")


def make_for_why(me):
    """Listeners, sockets that are only bound, connections without their listener, and a TIME_WAIT alone."""
    keep = [tcp(("127.0.0.1", 5001), REUSEADDR, backlog=7), tcp(("127.0.0.1", 5002), REUSEADDR), tcp(("0.0.0.0", 5003)),
            tcp(("::", 5004), REUSEPORT, backlog=3), udp(("127.0.0.1", 5005), REUSEADDR), tcp(("::1", 5007), V6ONLY, backlog=1)]
    with tcp(("127.0.0.1", 5008), backlog=5) as listener:
        keep += list(pair_on(listener))
    with tcp(("127.0.0.1", 5009), backlog=5) as listener:
        client, accepted = pair_on(listener)
    close_first(accepted, client, 5009)
    me.send()
    me.receive()
    return len(keep)


QUESTIONS = [(target,) for target in (
    "5001", "127.0.0.1:5001", "127.0.0.1:5002", "5003", "127.0.0.1:5004", "udp:127.0.0.1:5005", "[::1]:5007", "5008",
    "127.0.0.1:5009", "5010", "0")]
QUESTIONS += [("--reuseport", "5004"), ("--reuseaddr", "127.0.0.1:5002"), ("--reuseaddr", "udp:127.0.0.1:5005")]


def ask(run, *args):
    """The answer of `why --json`; its exit status must fit."""
    done = run("why", "--json", *args)
    answer = records(done)[0]
    equal(done.returncode, 0 if answer.get("free_with_reuseaddr") else FAILED, f"exit status of why {args}: {answer}")
    return answer, stderr_lines(done)


@test()
def why_as_root(t):
    """The same verdict for a bind() with and without SO_REUSEADDR; only that of a TIME_WAIT's may be unknown."""
    require_seccomp()
    maker = t.fork(make_for_why)
    maker.receive()
    for question in QUESTIONS:
        with_bpf, _ = ask(t.command, *question)
        without, lines = ask(lambda *args: t.command(*args, preexec_fn=without_bpf), *question)
        equal(len(lines), 1, f"lines on stderr: {lines}")
        same_answer(t, question, with_bpf, without)
        time_waits = [h for h in with_bpf["holders"] if h["state"] == "TIME_WAIT"]
        check("free_with_reuseaddr" in without or time_waits, f"unknown with SO_REUSEADDR: {question}")


@test()
def why_as_user(t):
    """The user's own sockets: the same answer as root gets with BPF."""
    maker = t.fork(as_user, make_for_why, uid=NOBODY)
    maker.receive()
    for question in QUESTIONS:
        with_bpf, _ = ask(t.command, "--uid", NOBODY, *question)
        without, lines = ask(lambda *args: run_as_nobody(t, *args), *question)
        equal(len(lines), 1, f"lines on stderr: {lines}")
        same_answer(t, question, with_bpf, without)


@test()
def why_of_root_as_user(t):
    """Sockets of another user: the verdict holds, their processes are unknown, and what depends on options that are not
    known is not in the answer."""
    maker = t.fork(make_for_why)
    maker.receive()
    unknown, lists_bound = [], True
    for question in QUESTIONS:
        if question[0].startswith("--"):
            continue
        with_bpf, _ = ask(t.command, "--uid", NOBODY, *question)
        without, lines = ask(lambda *args: run_as_nobody(t, *args), *question)
        bound = [h for h in with_bpf["holders"] if (h["protocol"], h["state"]) == ("tcp", "BOUND")]
        if any("only bound" in line for line in lines):
            lists_bound = False  # before 6.8
        if bound and not lists_bound:
            continue
        cause = {"reuseaddr-missing": "bound-not-listening", "reuseport-missing": "listener-exists"}
        if with_bpf.get("cause") in cause:
            with_bpf["cause"] = without["cause"]
            check(without["cause"] not in cause, f"{question}: the cause is about options that are not known: {without}")
        same_answer(t, question, with_bpf, without, processes=False)
        unknown += [question[0]] if "free_with_reuseaddr" not in without else []
    check("udp:127.0.0.1:5005" in unknown, f"unknown with SO_REUSEADDR: {unknown}")
    check("5001" not in unknown and "5010" not in unknown, f"known, whatever the options are: {unknown}")
    if not lists_bound:
        return
    check("127.0.0.1:5002" in unknown, f"unknown with SO_REUSEADDR: {unknown}")
    done = run_as_nobody(t, "why", "127.0.0.1:5002")
    first = done.stdout.decode().splitlines()[0]
    equal(first, "tcp 127.0.0.1:5002: in use: bind() would fail with EADDRINUSE, with SO_REUSEADDR too unless the holder "
          "has it as well, which is not known", "verdict")
    done = run_as_nobody(t, "why", "--reuseaddr", "127.0.0.1:5002")
    equal((done.returncode, done.stdout.decode().splitlines()[0]),
          (FAILED, "tcp 127.0.0.1:5002: in use: bind() would fail with EADDRINUSE unless the holder has the same option, "
           "which is not known"), "verdict with --reuseaddr")
    equal(run_as_nobody(t, "why", "-q", "5002").stderr, b"", "stderr of why -q")


@test()
def why_connect_as_user(t):
    """--connect without BPF: a listener of another user, and none."""
    with tcp(("127.0.0.1", 17001), backlog=3):
        for port, connects in ((17001, True), (17002, False)):
            done = run_as_nobody(t, "why", "--connect", f"127.0.0.1:{port}", "--json")
            said(done, DONE if connects else FAILED)
            answer, with_bpf = records(done)[0], records(t.command("why", "--connect", f"127.0.0.1:{port}", "--json"))[0]
            equal(answer["connects"], connects, f"connects to port {port}: {answer}")
            for name in ("connects", "errno", "cause", "local"):
                equal(answer.get(name), with_bpf.get(name), f"{name}, port {port}")
            equal([h["state"] for h in answer["holders"]], [h["state"] for h in with_bpf["holders"]], "holders")


# --- commands that need privileges ---------------------------------------------------------------


@test()
def refused_leads_with_what_to_type(t):
    for args in ((), ("3000",), ("--json", "-d", "1"), ("--probes=fentry", "3000"), ("--probes=kprobe",),
                 ("--probes=tracepoint", "-c", "my server"), ("ephemeral", "-n", "1"), ("record", "/tmp/never.ptr"),
                 ("why", "-p", "1", "80"), ("why", "-N", "1", "80")):
        done = run_as_nobody(t, *args)
        if args[:2] == ("why", "-N"):
            check(done.returncode in (2, NOT_ALLOWED), f"exit status of {args}")
            continue
        line = said(done, NOT_ALLOWED)[0]
        equal(done.stdout, b"", f"stdout of {args}")
        typed = " ".join(f"'{a}'" if " " in a else a for a in args)
        want = f"porttrace: needs root; try: sudo porttrace{' ' if args else ''}{typed} ("
        check(line.startswith(want), f"{line!r} does not begin with {want!r}")
        check("kernel" not in line and "BTF" not in line, f"blames the kernel: {line!r}")
        check("CAP_BPF" in line or args[0] == "why", f"does not name what is missing: {line!r}")


# --- the documented capabilities -------------------------------------------------------------------

NUMBERS = {**CAPABILITIES, "CAP_DAC_READ_SEARCH": 2, "CAP_SYS_PTRACE": 19}


def with_capabilities(*names, memlock=True):
    """preexec_fn: a user with these capabilities only. memlock: and without a limit of locked memory."""
    mask = sum(1 << NUMBERS[name] for name in names)

    def prepare():
        if memlock:
            with contextlib.suppress(ValueError):  # root in a container without CAP_SYS_RESOURCE
                resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        libc_check(libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0))
        as_nobody()
        header = (0x20080522).to_bytes(4, "little") + bytes(4)
        low, high = (mask & 0xFFFFFFFF).to_bytes(4, "little"), (mask >> 32).to_bytes(4, "little")
        libc_check(libc.capset(header, low * 3 + high * 3))
        for name in names:
            libc_check(libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, NUMBERS[name], 0, 0))

    return prepare


def started(done):
    """The start record, and the lines of stderr."""
    lines = stderr_lines(done)
    equal(done.returncode, DONE, f"exit status ({lines})")
    return json.loads(done.stdout.splitlines()[0]), lines


@test()
def documented_capabilities(t):
    """With those that README names, a user gets every fact that root gets, and no message."""
    args = ("--json", "-d", "0.2", "-N", t.netns, "--probes=tracepoint")
    root, _ = started(t.command(*args))
    user, lines = started(run_as_nobody(t, *args, prepare=with_capabilities(*NUMBERS)))
    equal((user["missing"], user["probes"]), (root["missing"], root["probes"]), f"missing facts, probes ({lines})")
    equal([line for line in lines if "without" in line], [], "missing capabilities")
    done = run_as_nobody(t, "ls", "--json", prepare=with_capabilities(*NUMBERS))
    equal(stderr_lines(done), [], "stderr of ls")


@test()
def locked_memory(t):
    """Before 5.11 the limit of locked memory may refuse the programs: the message says what to type."""
    done = run_as_nobody(t, "--json", "-d", "0.2", "-N", t.netns, prepare=with_capabilities(*NUMBERS, memlock=False))
    if done.returncode == NOT_ALLOWED:
        check("ulimit -l unlimited" in said(done, NOT_ALLOWED)[0], f"{done.stderr}")
    else:
        equal(done.returncode, DONE, f"exit status ({done.stderr})")


@test()
def tracefs_of_root(t):
    """Without CAP_DAC_READ_SEARCH, the facts that need tracefs name the capability, not a bad descriptor."""
    names = [name for name in NUMBERS if name != "CAP_DAC_READ_SEARCH"]
    args = ("--json", "-d", "0.2", "-N", t.netns, "--probes=tracepoint")
    record, lines = started(run_as_nobody(t, *args, prepare=with_capabilities(*names)))
    check(any("without CAP_DAC_READ_SEARCH" in line for line in lines), f"not named: {lines}")
    check(not any("Bad file descriptor" in line for line in lines), f"{lines}")
    for fact in record["missing"]:
        line = [s for s in lines if s.startswith(f"porttrace: {fact} is not traced (")]
        equal(len(line), 1, f"lines about {fact}: {lines}")
    if "bind" in record["missing"]:
        line = [s for s in lines if s.startswith("porttrace: bind is not traced (")][0]
        check("CAP_DAC_READ_SEARCH" in line, line)


# --- few descriptors, little memory ---------------------------------------------------------------


def limited(what, value):
    return lambda: resource.setrlimit(what, (value, value))


@test()
def few_descriptors(t):
    """One line that names the shortage and what to do, never an empty one, and never a fault of the kernel."""
    for limit in (4, 5, 8, 16, 24):
        for args in (("ls",), ("why", "80"), ("-d", "0.1"), ("ephemeral", "-n", "1", "-i", "0.1")):
            done = t.command(*args, preexec_fn=limited(resource.RLIMIT_NOFILE, limit))
            line = said(done, FAILED)[0]
            check("oo many open files" in line, f"{args} with {limit} descriptors: {line!r}")
            check("kernel" not in line, f"blames the kernel: {line!r}")


@test()
def little_memory(t):
    for args in (("ls",), ("why", "80"), ("-d", "0.1")):
        for size in (24, 30):
            done = t.command(*args, preexec_fn=limited(resource.RLIMIT_AS, size << 20))
            lines = stderr_lines(done)
            if done.returncode == DONE:
                continue
            equal((done.returncode, len(lines)), (FAILED, 1), f"exit status and lines: {lines}")
            check("memory" in lines[0], f"{args} with {size} MiB: {lines[0]!r}")
            check("refused" not in lines[0] and "BTF" not in lines[0], f"blames the kernel: {lines[0]!r}")
