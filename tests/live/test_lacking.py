# SPDX-License-Identifier: GPL-2.0-only
"""If the kernel lacks a feature, porttrace reports it in one line, and runs with what is left or exits with 3.

The tests hide BTF and kprobes by a mount over their files, functions by PORTTRACE_HIDE, and drop capabilities.
Only the tests named `lockdown` need a kernel booted with lockdown=confidentiality; tests/vm/matrix.py boots one.
"""

import ctypes
import json
import os
import re
import signal
import struct
import subprocess

from corpus_kernel import bpf
from porttrace_test import (
    DEADLINE,
    DONE,
    LOST,
    NOT_ALLOWED,
    PORTTRACE,
    Skip,
    Stream,
    check,
    die_with_parent,
    equal,
    libc,
    libc_check,
    pair_on,
    port_of,
    refused,
    require,
    tcp,
    test,
    udp,
)

OWN_TRACER = True
BACKENDS = ("fentry", "kprobe", "tracepoint")
CLONE_NEWNS, MS_REC, MS_PRIVATE = 0x20000, 0x4000, 0x40000
PR_CAPBSET_DROP = 24
BPF_MAP_CREATE, BPF_MAP_LOOKUP_ELEM, BPF_MAP_UPDATE_ELEM, BPF_MAP_TYPE_HASH = 0, 1, 2, 1
CAPABILITIES = {"CAP_NET_ADMIN": 12, "CAP_SYS_ADMIN": 21, "CAP_PERFMON": 38, "CAP_BPF": 39}
BTF = "/sys/kernel/btf"
KPROBES = "/sys/bus/event_source/devices"
LOCKDOWN = "/sys/kernel/security/lockdown"


# --- hiding features ------------------------------------------------------------------------------


def without(folder):
    """Returns a preexec_fn that mounts an empty file system over a folder of /sys."""

    def prepare():
        libc_check(libc.unshare(CLONE_NEWNS))
        libc_check(libc.mount(None, b"/", None, ctypes.c_ulong(MS_REC | MS_PRIVATE), None))
        libc_check(libc.mount(b"none", folder.encode(), b"tmpfs", ctypes.c_ulong(0), None))

    return prepare


def with_only(*names):
    """Returns a preexec_fn that drops all capabilities of root but these."""
    kept = {CAPABILITIES[name] for name in names}

    def prepare():
        with open("/proc/sys/kernel/cap_last_cap", encoding="ascii") as file:
            last = int(file.read())
        for number in range(last + 1):
            if number not in kept:
                libc_check(libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0))

    return prepare


def is_locked_down():
    try:
        with open(LOCKDOWN, encoding="ascii") as file:
            return "[confidentiality]" in file.read()
    except OSError:
        return False


def stderr_lines(done):
    """The lines of stderr; the program must not have crashed."""
    check(done.returncode >= 0, f"died of signal {-done.returncode}")
    text = done.stderr.decode("utf-8", "strict")
    check("libbpf:" not in text, f"libbpf messages on stderr: {text!r}")
    return text.splitlines()


def refuses(t, args, *words, **more):
    """porttrace must exit with status 3, an empty stdout, and one line on stderr that contains these words."""
    done = t.command(*args, **more)
    lines = stderr_lines(done)
    equal(done.returncode, NOT_ALLOWED, f"exit status of {args} ({lines})")
    equal(done.stdout, b"", f"stdout of {args}")
    equal(len(lines), 1, f"lines on stderr of {args}: {lines}")
    for word in words:
        check(word in lines[0], f"{args} does not name {word!r}: {lines[0]!r}")


class Doctor:
    """The parsed output of doctor."""

    def __init__(self, t, *args, **more):
        self.done = t.command("doctor", *args, **more)
        self.text = self.done.stdout.decode("utf-8", "strict")
        stderr_lines(self.done)
        self.features, self.facts, part = {}, {}, None
        for line in self.text.splitlines():
            if not line.startswith("  "):
                part = line or part
            elif (part or "").startswith("what the kernel"):
                name, works, why = re.fullmatch(r"  (.{1,20}?) +(yes|no) +(.*)", line).groups()
                self.features[name] = (works == "yes", why)
            elif (part or "").startswith("facts"):
                if row := re.match(r"  ([a-z][a-z-]*) +(-|[a-z]+) (.*)", line):
                    name, backend, rest = row.groups()
                    self.facts[name] = (None if backend == "-" else backend, rest.split(), [rest])
                else:
                    self.facts[name][2].append(line.strip())

    def lacks(self, feature, *words):
        works, why = self.features[feature]
        check(not works, f"doctor reports that {feature} is available:\n{self.text}")
        for word in words:
            check(word in why, f"doctor does not name {word!r} for {feature}: {why!r}")

    def notes(self, fact):
        return "\n".join(self.facts[fact][2])


# --- BTF, kprobes, capabilities -------------------------------------------------------------------


def commands():
    yield from ([f"--probes={b}", "--json", "-d", "1"] for b in (*BACKENDS, "auto"))
    yield ["ephemeral", "-n", "1"]


def answers(t, args, *words, **more):
    """porttrace must answer without BPF, and say in one line on stderr, with these words, why and what it does not know."""
    done = t.command(*args, **more)
    lines = stderr_lines(done)
    equal(done.returncode, DONE, f"exit status of {args} ({lines})")
    check(done.stdout, f"no answer of {args}")
    equal(len(lines), 1, f"lines on stderr of {args}: {lines}")
    for word in (*words, "without BPF"):
        check(word in lines[0], f"{args} does not name {word!r}: {lines[0]!r}")


@test()
def btf_hidden(t):
    require(without(BTF), what="this process may not mount over /sys")
    for args in commands():
        if args[0] == "--probes=kprobe" and not os.path.exists(KPROBES + "/kprobe"):
            continue
        refuses(t, args, "no BTF", preexec_fn=without(BTF))
    with tcp(("127.0.0.1", 5001), backlog=1):
        for args in (["ls"], ["why", "80"]):
            answers(t, args, "no BTF", preexec_fn=without(BTF))
    doctor = Doctor(t, preexec_fn=without(BTF))
    equal(doctor.done.returncode, NOT_ALLOWED, "exit status of doctor")
    doctor.lacks("BTF", "no BTF")
    doctor.lacks("fentry", "no BTF")
    check(re.search(r"^porttrace cannot run here: .*no BTF", doctor.text, re.M), doctor.text)


@test()
def kprobes_hidden(t):
    require(without(KPROBES), what="this process may not mount over /sys")
    hidden = without(KPROBES)
    refuses(t, ["--probes=kprobe", "--json", "-d", "1"], "no kprobes", preexec_fn=hidden)
    if is_locked_down():
        return
    doctor = Doctor(t, preexec_fn=hidden)
    equal(doctor.done.returncode, DONE, "exit status of doctor")
    doctor.lacks("kprobe", "no kprobes")
    check("kprobe" not in {f[0] for f in doctor.facts.values()}, f"traced by kprobe:\n{doctor.text}")


@test()
def capabilities_dropped(t):
    """porttrace names each missing capability; with those that BPF needs it runs, and names what it cannot do."""
    for kept in ((), ("CAP_BPF",), ("CAP_BPF", "CAP_PERFMON")):
        absent = [name for name in CAPABILITIES if name not in kept]
        refuses(t, ["--json", "-d", "1"], *absent, preexec_fn=with_only(*kept))
        doctor = Doctor(t, preexec_fn=with_only(*kept))
        equal(doctor.done.returncode, NOT_ALLOWED, "exit status of doctor")
        for name in absent:
            doctor.lacks(name)
        for name in kept:
            check(doctor.features[name][0], f"doctor reports that {name} is missing, but it is available")
    most = with_only("CAP_BPF", "CAP_PERFMON", "CAP_NET_ADMIN")
    done = t.command("--json", "-d", "0.2", "-N", t.netns, preexec_fn=most)
    lines = stderr_lines(done)
    # On old kernels only CAP_SYS_ADMIN may load some programs: there porttrace may refuse to run.
    if done.returncode == NOT_ALLOWED:
        equal(len(lines), 1, f"lines on stderr: {lines}")
    else:
        equal(done.returncode, DONE, f"exit status without CAP_SYS_ADMIN ({lines})")
    check("CAP_SYS_ADMIN" in lines[0], f"does not name CAP_SYS_ADMIN: {lines}")


# --- functions ------------------------------------------------------------------------------------


def sections():
    """Each BPF program's section, from the BPF objects inside the porttrace executable."""
    with open(PORTTRACE, "rb") as file:
        data = file.read()
    at = -1
    while (at := data.find(b"\x7fELF\x02\x01", at + 1)) >= 0:
        if struct.unpack_from("<H", data, at + 18)[0] == 247:  # EM_BPF
            break
    check(at >= 0, "no BPF object in porttrace")
    offset, size, count, names = *struct.unpack_from("<Q", data, at + 40), *struct.unpack_from(
        "<HHH", data, at + 58
    )
    rows = [struct.unpack_from("<IIQQQQIIQQ", data, at + offset + i * size) for i in range(count)]

    def text(table, where):
        start = at + rows[table][4] + where
        return data[start : data.index(b"\0", start)].decode()

    found = {}
    for row in rows:
        if row[1] != 2:  # SHT_SYMTAB
            continue
        for i in range(row[5] // 24):
            name, info, _, section, _, _ = struct.unpack_from("<IBBHQQ", data, at + row[4] + i * 24)
            if info & 15 == 2 and info >> 4 == 1 and section < count:  # a global function
                found[text(row[6], name)] = text(names, rows[section][0]).lstrip("?")
    return found


def hooked(doctor):
    """For each fact, the functions and BTF tracepoints to which its programs are attached."""
    of, facts = sections(), {}
    for fact, (backend, words, _) in doctor.facts.items():
        on = [of[word].split("/") for word in words if word in of] if backend else []
        facts[fact] = list(
            dict.fromkeys(
                where[1]
                for where in on
                if where[0] in ("fentry", "fexit", "kprobe", "kretprobe", "tp_btf")
            )
        )
    return {fact: functions for fact, functions in facts.items() if functions}


def start(t, *args):
    """The start record and the lines of stderr of a porttrace."""
    done = t.command("--json", "-d", "0.1", "-N", t.netns, "-e", "bind,listen,connect,accept,close", *args)
    lines = stderr_lines(done)
    equal(done.returncode, DONE, f"exit status ({lines})")
    return json.loads(done.stdout.splitlines()[0]), lines


def usable(t, backend):
    if is_locked_down():
        raise Skip("the kernel is locked down")
    doctor = Doctor(t, f"--probes={backend}")
    if backend != "tracepoint" and not doctor.features[backend][0]:
        raise Skip(f"{backend}: {doctor.features[backend][1]}")
    return doctor


def each_hidden(t, backend):
    """Hides every function that the backend uses, one of each fact at a time."""
    doctor = usable(t, backend)
    facts = hooked(doctor)
    check(facts, f"{backend} is attached to no function:\n{doctor.text}")
    before = {fact for fact, (by, _, _) in doctor.facts.items() if by is None}
    # Hide the functions of `close` one turn later, so that one fact remains available in each turn.
    turns = {fact: [None, *names] if fact == "close" else names for fact, names in facts.items()}
    for turn in range(max(map(len, turns.values()))):
        hidden = {fact: names[turn] for fact, names in turns.items() if any(names[turn : turn + 1])}
        os.environ["PORTTRACE_HIDE"] = ",".join(sorted(set(hidden.values())))
        record, lines = start(t, f"--probes={backend}")
        affected = {f for f, names in facts.items() if set(names) & set(hidden.values())}
        lost = set(record["missing"]) - before
        check(lost <= affected, f"lost {lost - affected} without {os.environ['PORTTRACE_HIDE']}")
        kept = affected - lost
        doctor = Doctor(t, f"--probes={backend}") if kept else None
        for fact in affected:
            names = set(facts[fact]) & set(hidden.values())
            line = [s for s in lines if s.startswith(f"porttrace: {fact} is not traced (")]
            about = doctor.notes(fact) if fact in kept else line[0] if len(line) == 1 else ""
            check(
                any(re.search(rf"\bno {name}\b", about) for name in names),
                f"{fact} without {names}, {'kept' if fact in kept else 'lost'}: {about!r}\n{lines}",
            )
        print(f"hidden {os.environ['PORTTRACE_HIDE']}: lost {sorted(lost)}, otherwise {sorted(kept)}")


@test()
def functions_hidden_fentry(t):
    each_hidden(t, "fentry")


@test()
def functions_hidden_kprobe(t):
    each_hidden(t, "kprobe")


@test()
def functions_hidden_tracepoint(t):
    each_hidden(t, "tracepoint")


@test()
def functions_hidden_all(t):
    """If no fact is available, porttrace exits with status 3 and a line that names a function."""
    for backend in ("fentry", "kprobe"):
        try:
            facts = hooked(usable(t, backend))
        except Skip:
            continue
        os.environ["PORTTRACE_HIDE"] = ",".join({name for on in facts.values() for name in on})
        # accept() can also use other functions; hide those too.
        os.environ["PORTTRACE_HIDE"] += ",security_sock_graft"
        refuses(t, [f"--probes={backend}", "--json", "-d", "1"], facts["bind"][0])
        return
    raise Skip("no functions are traced here")


def activity(t, trace):
    """Makes each kind of event once."""
    with tcp(("127.0.0.1", 0)) as listener, udp(("127.0.0.1", 0)) as receiver:
        port = port_of(listener)
        trace.once(event="bind", errno=None, protocol="tcp", local_port=port, **t.me)
        trace.once(event="bind", protocol="udp", local_port=port_of(receiver), **t.me)
        with tcp(address="127.0.0.1") as second:
            equal(refused(second.bind, ("127.0.0.1", port)), "EADDRINUSE", "errno of a second bind")
            trace.once(event="bind", errno="EADDRINUSE", local_port=port, **t.me)
            equal(refused(second.connect, ("127.0.0.1", 9)), "ECONNREFUSED", "errno of a connect")
            trace.once(event="connect", errno=None, remote_port=9, **t.me)
        with udp(address="127.0.0.1") as client:
            client.connect(receiver.getsockname())
            trace.once(event="connect", protocol="udp", local_port=port_of(client), **t.me)
        listener.listen(5)
        trace.once(event="listen", local_port=port, backlog=5, **t.me)
        client, accepted = pair_on(listener)
        own = port_of(client)
        trace.once(event="connect", errno=None, local_port=own, remote_port=port, **t.me)
        client.close()
        accepted.close()
        trace.once(event="close", local_port=own, remote_port=port, **t.me)
        with udp() as sender:
            sender.sendto(b"x", receiver.getsockname())
            trace.once(event="bind", protocol="udp", local_port=port_of(sender), **t.me)
    trace.once(event="close", protocol="tcp", local_port=port, remote_port=None, **t.me)


def best(t):
    """The functions of each fact with the best backend, if that backend uses functions."""
    if is_locked_down():
        raise Skip("the kernel is locked down")
    doctor = Doctor(t)
    if doctor.facts["bind"][0] not in ("fentry", "kprobe"):
        raise Skip(f"no functions are traced here: {doctor.features['fentry'][1]}")
    return hooked(doctor)


def fallen_back(t, facts, names):
    """Hides these functions: porttrace must report the affected facts by other means, and name those means."""
    affected = {f: [n for n in on if n in names] for f, on in facts.items() if set(on) & set(names)}
    os.environ["PORTTRACE_HIDE"] = ",".join(names)
    with Stream(("-N", t.netns), netns=t.netns, home=t.home, marker=t._marker).started() as trace:  # pylint: disable=protected-access
        activity(t, trace)
        lines = trace.stderr().splitlines()
        for fact, on in affected.items():
            about = [s for s in lines if s.startswith(f"porttrace: {fact} ")]
            if about:
                check("instead" in about[0] or "is not traced" in about[0], f"{fact}: {about[0]!r}")
            elif fact != "accept":  # not selected without -e
                about = [Doctor(t).notes(fact)]
                check("another set of programs" in about[0], f"no message about {fact} without {on}: {about}\n{lines}")
            if fact not in ("accept", "port-search"):  # their message names bind or connect
                check(any(name in about[0] for name in on), f"{fact} does not name {on}: {about}")
        print("\n".join(lines))


def one_hidden(fact):
    """Registers a test that hides the main function of a fact."""

    def hidden(t):
        facts = best(t)
        fallen_back(t, facts, [facts[fact][0]])

    hidden.__name__ = f"falls_back_{fact.replace('-', '_')}"
    test()(hidden)


for one in ("bind", "listen", "connect", "connect-result", "close"):
    one_hidden(one)


@test()
def falls_back_all(t):
    """Hides every function: porttrace must report what tracepoints show."""
    facts = best(t)
    names = {n for fact, on in facts.items() if fact not in ("identity", "tcp-end") for n in on}
    fallen_back(t, facts, sorted(names))


# --- lockdown -------------------------------------------------------------------------------------


@test()
def lockdown(t):
    """The kernel forbids programs to read its memory: porttrace exits with status 3 and a line that names lockdown."""
    if not is_locked_down():
        raise Skip("the kernel is not locked down to confidentiality")
    for args in commands():
        refuses(t, args, "lockdown=confidentiality")
    with tcp(("127.0.0.1", 5001), backlog=1):
        for args in (["ls"], ["why", "80"]):
            answers(t, args, "lockdown=confidentiality")
    doctor = Doctor(t)
    equal(doctor.done.returncode, NOT_ALLOWED, "exit status of doctor")
    doctor.lacks("kernel memory", "lockdown=confidentiality")
    doctor.lacks("kprobe", "lockdown=confidentiality")
    check(re.search(r"^porttrace cannot run here: .*lockdown", doctor.text, re.M), doctor.text)


# --- probes that the kernel does not run ----------------------------------------------------------


def _read_map_for_ever(_):
    """Calls bpf() on a map; during each call the kernel runs no kprobe program on this CPU."""
    size = 16384
    table = bpf(BPF_MAP_CREATE, struct.pack("=5I", BPF_MAP_TYPE_HASH, 4, size, 1, 0))
    key, value = ctypes.create_string_buffer(8), ctypes.create_string_buffer(size)
    element = struct.pack("=IIQQQ", table, 0, ctypes.addressof(key), ctypes.addressof(value), 0)
    bpf(BPF_MAP_UPDATE_ELEM, element)
    while True:
        bpf(BPF_MAP_LOOKUP_ELEM, element)


@test(alone=True)
def probe_not_run_is_counted(t):
    """A preemptible kernel may interrupt such a call and then runs no kprobe program until the call continues: porttrace
    must count these as lost. The other backends lose no events."""
    count = 4000
    with subprocess.Popen(
        [PORTTRACE, "--json", "-N", str(t.netns), *([f"--probes={t.options.probes}"] if t.options.probes else [])],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=die_with_parent,
    ) as process:
        start = json.loads(process.stdout.readline())
        holders = [t.fork(_read_map_for_ever) for _ in range(2 * os.cpu_count())]
        for _ in range(count):
            udp(("127.0.0.1", 5001)).close()
        for holder in holders:
            os.kill(holder.pid, signal.SIGKILL)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=DEADLINE)
    records = [json.loads(line) for line in out.splitlines()]
    reported = sum(r["event"] == "bind" and r.get("pid") == os.getpid() for r in records)
    lost = records[-1]["lost"]
    print(f"{start['probes']}: {reported} of {count} reported, {lost} lost")
    check(reported <= count <= reported + lost, f"{reported} reported and {lost} lost of {count}")
    equal(lost, sum(r["count"] for r in records if r["event"] == "lost"), "lost of the stop record")
    equal(process.returncode, LOST if lost else DONE, f"exit status: {err!r}")
    if "kprobe" not in start["probes"]:
        equal(reported, count, "reported binds")
