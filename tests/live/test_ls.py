# SPDX-License-Identifier: GPL-2.0-only
"""`porttrace ls --json` against ss, /proc/*/fd and the programs that made the sockets."""

import json
import os
import re
import signal
import socket
import subprocess
import time

from porttrace_test import (
    DEADLINE,
    DUAL,
    REUSEADDR,
    REUSEPORT,
    SLOW,
    V6ONLY,
    Failure,
    Skip,
    check,
    close_first,
    die_with_parent,
    enter_netns,
    equal,
    libc,
    libc_check,
    netns_inode,
    pair_on,
    port_of,
    record_faults,
    run_text,
    stay,
    tcp,
    test,
    udp,
)
from test_lacking import CAPABILITIES, PR_CAPBSET_DROP

OWN_TRACER = True  # these tests do not share a porttrace

# The number of sockets of each kind in a namespace: 5 namespaces have more than 2,000 sockets.
SPACES = 5
LISTENERS, LISTENERS6, PAIRS, PAIRS6, IDLE, IDLE6 = 60, 20, 60, 20, 60, 20
UDP, UDP6, UDP_CONNECTED, TIMEWAITS, UNACCEPTED, HALF_CLOSED, SHARED = 60, 20, 40, 20, 5, 5, 8
RARE = 3  # of each state that lasts only while the other side does not answer


class Row(tuple):
    """(protocol, family, local address, port, remote address, port, state, {(pid, fd)})."""

    __slots__ = ()


def row(protocol, sock, state, owners, family=None):
    local = sock.getsockname()
    try:
        remote = sock.getpeername()[:2]
    except OSError:
        remote = (None, None)
    return Row(
        (
            protocol,
            family or ("ipv6" if sock.family == socket.AF_INET6 else "ipv4"),
            local[0],
            local[1],
            *remote,
            state,
            frozenset(owners),
        )
    )


def small_pair(listener):
    """A connection whose buffers are soon full."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    return pair_on(listener, client)


def fill(sock):
    """Sends until the other side takes no more, so that a FIN waits behind the data."""
    sock.setblocking(False)
    refusals = 0
    while refusals < 3:
        try:
            sock.send(bytes(65536))
            refusals = 0
        except BlockingIOError:
            refusals += 1
            time.sleep(0.02)


def without_process(client, state):
    """The other end of a connection, which no process has."""
    mine = row("tcp", client, state, ())
    return Row((*mine[:2], *mine[4:6], *mine[2:4], state, frozenset()))


def rare_states(own, rows):
    """Connections that begin or end: the states of TCP that need a peer which does not answer."""
    small = tcp(("127.0.0.1", 2200), (socket.SOL_SOCKET, socket.SO_RCVBUF, 4096), REUSEADDR, backlog=200)
    own(small, "tcp", "LISTEN")
    for _ in range(RARE):
        client, accepted = small_pair(small)
        fill(client)
        client.shutdown(socket.SHUT_WR)
        own(client, "tcp", "FIN_WAIT1")
        own(accepted, "tcp", "ESTABLISHED")

        client, accepted = small_pair(small)
        fill(client)
        client.shutdown(socket.SHUT_WR)
        accepted.shutdown(socket.SHUT_WR)
        own(client, "tcp", "CLOSING")
        own(accepted, "tcp", "FIN_WAIT2")

        client, accepted = small_pair(small)
        client.shutdown(socket.SHUT_WR)
        accepted.settimeout(DEADLINE)
        equal(accepted.recv(1), b"", "what is read after a shutdown")
        fill(accepted)
        accepted.shutdown(socket.SHUT_WR)
        own(client, "tcp", "FIN_WAIT2")
        own(accepted, "tcp", "LAST_ACK")

    # The kernel does not answer a SYN while the accept queue is full.
    full = own(tcp(("127.0.0.1", 2201), backlog=0), "tcp", "LISTEN")
    waiting = own(socket.create_connection(full.getsockname()), "tcp", "ESTABLISHED")
    rows.append(without_process(waiting, "ESTABLISHED"))
    sent = []
    for _ in range(RARE):
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex(full.getsockname())
        mine = row("tcp", client, "SYN_SENT", [(os.getpid(), client.fileno())])
        rows.append(Row((*mine[:4], *full.getsockname(), *mine[6:])))
        sent.append(client)

    # The handshake of this listener ends with the first data.
    deferring = own(tcp(("127.0.0.1", 2202), (socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 120), backlog=20), "tcp", "LISTEN")
    for _ in range(RARE):
        client = own(socket.create_connection(deferring.getsockname()), "tcp", "ESTABLISHED")
        rows.append(without_process(client, "SYN_RECV"))
    return sent


def populate(me):
    """Makes sockets of every kind in a new namespace and sends a list of them."""
    made = []
    keep = []

    def own(sock, protocol, state):
        keep.append(sock)
        made.append((protocol, sock, state))
        return sock

    for n in range(LISTENERS):
        own(tcp((f"127.0.0.{1 + n % 5}", 1100 + n), REUSEADDR, backlog=20), "tcp", "LISTEN")
    for n in range(LISTENERS6):
        own(
            tcp(("::1" if n % 2 else "::", 1300 + n), V6ONLY if n % 4 else DUAL, backlog=20),
            "tcp",
            "LISTEN",
        )
    for n in range(IDLE):
        own(tcp(("127.0.0.1" if n % 2 else "0.0.0.0", 1400 + n)), "tcp", "BOUND")
    for n in range(IDLE6):
        own(tcp(("::1", 1500 + n)), "tcp", "BOUND")
    for n in range(UDP):
        own(udp(("127.0.0.1" if n % 2 else "0.0.0.0", 1400 + n)), "udp", "BOUND")
    for n in range(UDP6):
        own(udp(("::1", 1500 + n)), "udp", "BOUND")
    for n in range(UDP_CONNECTED):
        sock = udp()
        sock.connect(("127.0.0.1", 1401 + 2 * (n % 40)))
        own(sock, "udp", "ESTABLISHED")

    server = own(tcp(("127.0.0.1", 2000), REUSEPORT, backlog=200), "tcp", "LISTEN")
    server6 = own(tcp(("::1", 2000), V6ONLY, backlog=200), "tcp", "LISTEN")
    for n in range(PAIRS + PAIRS6):
        for sock in pair_on(server if n < PAIRS else server6):
            own(sock, "tcp", "ESTABLISHED")
    for n in range(HALF_CLOSED):
        client, accepted = pair_on(server)
        client.shutdown(socket.SHUT_WR)
        accepted.settimeout(DEADLINE)
        equal(accepted.recv(1), b"", "what is read after a shutdown")
        own(client, "tcp", "FIN_WAIT2")
        own(accepted, "tcp", "CLOSE_WAIT")

    rows = []
    patient = own(tcp(("127.0.0.1", 2001), backlog=20), "tcp", "LISTEN")
    for n in range(UNACCEPTED):
        client = socket.create_connection(patient.getsockname())
        own(client, "tcp", "ESTABLISHED")
        rows.append(without_process(client, "ESTABLISHED"))
    sent = rare_states(own, rows)

    # Two workers share some of the listeners; one of them has each twice.
    shared = [own(tcp(("127.0.0.1", 2100 + n), backlog=1), "tcp", "LISTEN") for n in range(SHARED)]
    workers = [worker([s.fileno() for s in shared], twice) for twice in (False, True)]

    for protocol, sock, state in made:
        owners = [(os.getpid(), sock.fileno())]
        if sock in shared:
            owners += [(pid, sock.fileno()) for pid, _ in workers]
            owners += [(pid, extra[sock.fileno()]) for pid, extra in workers if extra]
        rows.append(row(protocol, sock, state, owners))
    # When all namespaces are ready: on a slow machine the first TIME_WAITs would end before that.
    me.send()
    me.receive()
    for n in range(TIMEWAITS):
        # Each from a port of its own: the kernel may choose one whose TIME_WAIT is older than 1 s, and reuse that.
        client, accepted = pair_on(server, tcp(("127.0.0.1", 3000 + n)))
        rows.append(row("tcp", client, "TIME_WAIT", ()))
        close_first(client, accepted, port_of(client))
    me.send((netns_inode(), rows))
    me.receive()
    del sent


def worker(fds, twice):
    """Forks a process with these descriptors; twice: it duplicates each. Returns (pid, {fd: copy})."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        die_with_parent()
        os.close(read)
        for name in os.listdir("/proc/self/fd"):
            if int(name) not in (0, 1, 2, write, *fds):
                try:
                    os.close(int(name))
                except OSError:
                    pass
        copies = {fd: os.dup(fd) for fd in fds} if twice else {}
        os.write(write, json.dumps(copies).encode())
        os.close(write)
        while True:
            signal.pause()
    os.close(write)
    with os.fdopen(read) as file:
        return pid, {int(fd): copy for fd, copy in json.loads(file.read()).items()}


def listed(t, *args):
    """The records of `porttrace ls --json`, checked for form."""
    done = t.command("ls", "--json", *args)
    equal((done.returncode, done.stderr), (0, b""), "exit status and stderr of ls")
    records = [json.loads(line.decode("utf-8", "strict")) for line in done.stdout.splitlines()]
    for record in records:
        faults = [
            f
            for f in record_faults(dict(record, v=1, event="ls"))
            if "no time" not in f and "no boot_ns" not in f and "RFC 3339" not in f
        ]
        equal(faults, [], f"form of {record}")
        for name in ("protocol", "family", "local_address", "local_port", "netns", "state"):
            check(name in record, f"ls without {name}: {record}")
    return records


def listed_text(t, *args):
    done = t.command("ls", "-N", t.netns, *args)
    equal((done.returncode, done.stderr), (0, b""), "exit status and stderr of ls")
    return done.stdout.decode()


def ls_row(record):
    state = record["state"]
    if record["protocol"] == "udp" and state in ("UNCONN", "CLOSE"):
        state = "BOUND"  # a bound UDP socket without a peer
    return Row(
        (
            record["protocol"],
            record["family"],
            record["local_address"],
            record["local_port"],
            record.get("remote_address"),
            record.get("remote_port"),
            state,
            frozenset((p["pid"], p["fd"]) for p in record.get("pids", [])),
        )
    )


def same(got, want, what):
    """Two lists of rows are equal, as multisets; if not, shows a few that differ."""
    missing, extra = list(want), []
    pool = {}
    for one in want:
        pool.setdefault(one, []).append(one)
    for one in got:
        if pool.get(one):
            pool[one].pop()
        else:
            extra.append(one)
    missing = [one for left in pool.values() for one in left]
    if missing or extra:
        lines = [f"{what}: {len(missing)} missing, {len(extra)} too many, of {len(want)}"]
        lines += [
            f"  missing {tuple(one[:7])} {sorted(one[7])}" for one in sorted(missing, key=str)[:6]
        ]
        lines += [
            f"  extra   {tuple(one[:7])} {sorted(one[7])}" for one in sorted(extra, key=str)[:6]
        ]
        raise Failure("\n".join(lines))


STATES = {
    "ESTAB": "ESTABLISHED",
    "UNCONN": "BOUND",
    "FIN-WAIT-2": "FIN_WAIT2",
    "FIN-WAIT-1": "FIN_WAIT1",
    "TIME-WAIT": "TIME_WAIT",
    "CLOSE-WAIT": "CLOSE_WAIT",
    "LAST-ACK": "LAST_ACK",
    "CLOSING": "CLOSING",
    "SYN-SENT": "SYN_SENT",
    "SYN-RECV": "SYN_RECV",
    "LISTEN": "LISTEN",
}


def ss_end(text):
    address, _, port = text.rpartition(":")
    address = address.split("%")[0].strip("[]")
    return ("::" if address == "*" else address), (None if port == "*" else int(port))


def ss_rows(pid):
    """The output of `ss -tuanpe` in the namespace of a process: rows, and inode -> row. Leaves out TCP sockets that
    are bound and idle, because only newer releases of ss list them."""
    text = subprocess.run(
        ["nsenter", f"--net=/proc/{pid}/ns/net", "ss", "-Htuanpe"],
        check=True,
        capture_output=True,
        text=True,
        timeout=60 * SLOW,
    ).stdout
    rows, inodes = [], {}
    for line in text.splitlines():
        fields = line.split(None, 6)
        if fields[:2] == ["tcp", "UNCONN"]:
            continue
        local, remote = ss_end(fields[4]), ss_end(fields[5])
        if remote[1] is None:
            remote = (None, None)
        rest = fields[6] if len(fields) > 6 else ""
        owners = re.findall(r",pid=(\d+),fd=(\d+)\)", rest)
        one = Row(
            (
                fields[0],
                "ipv6" if ":" in local[0] else "ipv4",
                *local,
                *remote,
                STATES[fields[1]],
                frozenset((int(p), int(f)) for p, f in owners),
            )
        )
        rows.append(one)
        inode = re.search(r"\bino:(\d+)", rest)
        if inode:
            inodes[int(inode.group(1))] = one
    return rows, inodes


def population(t):
    """Namespaces full of sockets, in every state: {netns: (process, rows)}."""
    makers = [t.fork(populate, comm=f"pt-maker{n}", netns="new") for n in range(SPACES)]
    spaces = {}
    for maker in makers:
        maker.receive()
    for maker in makers:
        maker.send()
    for maker in makers:
        inode, rows = maker.receive()
        spaces[inode] = (maker, rows)
    equal(len(spaces), SPACES, "namespaces")
    states = {r[6] for _, rows in spaces.values() for r in rows}
    equal(states, {*STATES.values()}, "states")
    count = sum(len(rows) for _, rows in spaces.values())
    check(count >= 2000, f"the population is only {count}")
    return spaces


def of_space(records, inode):
    return [ls_row(r) for r in records if r["netns"] == inode]


@test(netns=False)
def population_of_2000(t):
    spaces = population(t)
    records = listed(t)
    for inode, (maker, rows) in spaces.items():
        # The sockets that the test made are those of ss and /proc, except the bound and idle ones.
        seen, inodes = ss_rows(maker.pid)
        idle = [r for r in rows if r[0] == "tcp" and r[6] == "BOUND"]
        equal(len(idle), IDLE + IDLE6, "bound and idle sockets")
        same(
            seen, [r for r in rows if r not in set(idle)], f"ss, compared with the sockets made (netns {inode})"
        )
        same(of_space(records, inode), rows, f"ls, compared with the sockets made (netns {inode})")
        # Each descriptor that ls names is a socket, and ss shows the same socket.
        for record in (r for r in records if r["netns"] == inode):
            for owner in record.get("pids", []):
                link = os.readlink(f"/proc/{owner['pid']}/fd/{owner['fd']}")
                number = int(re.fullmatch(r"socket:\[(\d+)\]", link).group(1))
                if record["state"] != "BOUND" or record["protocol"] == "udp":
                    equal(inodes[number], ls_row(record), f"socket {number}")
        names = {p["comm"] for r in records if r["netns"] == inode for p in r.get("pids", [])}
        equal(names, {maker.comm}, f"names of processes in netns {inode}")
    lines = t.command("ls", "-a", "-H", "-N", min(spaces)).stdout.decode().splitlines()
    equal(len(lines), len(spaces[min(spaces)][1]), "rows of ls -a as text")
    ids = [r["socket"] for r in records if "socket" in r and r["netns"] in spaces]
    equal(len(ids), len(set(ids)), "different socket ids")


@test(netns=False)
def options_t_u_l_a(t):
    spaces = population(t)
    runs = {
        args: listed(t, *args.split())
        for args in ("-a", "-t", "-u", "-l", "-ta", "-ua", "-tl", "-ul", "-tul -a")
    }
    for inode, (_, rows) in spaces.items():

        def of(*protocols, states=None):
            return [r for r in rows if r[0] in protocols and (not states or r[6] in states)]

        def rows_of(args):
            return of_space(runs[args], inode)

        same(rows_of("-a"), rows, "-a")
        same(rows_of("-ta"), of("tcp"), "-ta")
        same(rows_of("-ua"), of("udp"), "-ua")
        same(rows_of("-tul -a"), rows, "-tul -a")
        same(rows_of("-tl"), of("tcp", states=["LISTEN"]), "-tl")
        same(rows_of("-ul"), of("udp", states=["BOUND"]), "-ul")
        same(rows_of("-l"), of("tcp", states=["LISTEN"]) + of("udp", states=["BOUND"]), "-l")
        for args, protocol in (("-t", "tcp"), ("-u", "udp")):
            equal({r[0] for r in rows_of(args)}, {protocol}, f"protocols of {args}")
            connected = of(protocol, states=["ESTABLISHED"])
            same(
                [r for r in rows_of(args) if r[6] == "ESTABLISHED"],
                connected,
                f"established of {args}",
            )


@test()
def ports_and_namespace(t):
    """ls PORT..., -P, -N, --protocol: the shared filters."""
    with tcp(("127.0.0.1", 5001), backlog=1), tcp(("127.0.0.1", 5002)), udp(
        ("127.0.0.1", 5001)
    ), tcp(("::1", 5003)):

        def rows_of(*args):
            return sorted(
                (r["protocol"], r["local_port"]) for r in listed(t, *args) if r["netns"] == t.netns
            )

        everything = [("tcp", 5001), ("tcp", 5002), ("tcp", 5003), ("udp", 5001)]
        equal(rows_of(), everything, "ls")
        equal(rows_of("5001"), [("tcp", 5001), ("udp", 5001)], "ls 5001")
        equal(rows_of("-P", "5002-5003"), [("tcp", 5002), ("tcp", 5003)], "ls -P")
        equal(rows_of("--protocol", "udp"), [("udp", 5001)], "ls --protocol")
        equal(rows_of("-6"), [("tcp", 5003)], "ls -6")
        equal(rows_of("-N", t.netns), everything, "ls -N")
        equal(
            [r for r in listed(t, "-N", t.netns) if r["netns"] != t.netns],
            [],
            "other namespaces in ls -N",
        )
        equal(rows_of("--pid", 1), [], "ls --pid 1")
        equal(rows_of("--pid", os.getpid()), everything, "ls --pid")


@test()
def fields_of_a_socket(t):
    with tcp(("127.0.0.1", 5001), REUSEADDR, REUSEPORT, backlog=6) as sock:
        child = t.fork(stay, comm="pt-heir", keep=[sock])
        found = [r for r in listed(t) if r["netns"] == t.netns]
        equal(len(found), 1, "sockets of this namespace")
        record = found[0]
        equal(sorted(record.get("options", [])), ["reuseaddr", "reuseport"], "options")
        equal(record["state"], "LISTEN", "state")
        equal(record.get("uid"), os.getuid(), "uid")
        equal(
            sorted([{key: p[key] for key in ("pid", "comm", "fd")} for p in record["pids"]], key=str),
            sorted(
                [dict(t.holder, fd=sock.fileno()), dict(child.holder, fd=sock.fileno())], key=str
            ),
            "pids",
        )


@test()
def mptcp_once(t):
    from test_protocols import IPPROTO_MPTCP, need_mptcp

    need_mptcp()
    with tcp(("127.0.0.1", 5001), backlog=1, protocol=IPPROTO_MPTCP):
        found = [r for r in listed(t) if r["netns"] == t.netns]
        equal(
            [(r["protocol"], r["local_port"], r["state"]) for r in found],
            [("mptcp", 5001, "LISTEN")],
            "sockets of this namespace",
        )
        equal([(p["pid"], p["comm"]) for p in found[0]["pids"]], [(os.getpid(), "pt-test")], "pids")


@test()
def kernel_owned(t):
    """A VXLAN device has a UDP port and no process."""
    made = subprocess.run(
        ["ip", "link", "add", "vx0", "type", "vxlan", "id", "5", "dstport", "4789", "dev", "lo"],
        capture_output=True,
        text=True,
        check=False,
    )
    if (
        made.returncode
        or subprocess.run(
            ["ip", "link", "set", "vx0", "up"], check=False, capture_output=True
        ).returncode
    ):
        raise Skip(f"this kernel has no VXLAN: {made.stderr.strip()}")
    found = [r for r in listed(t) if r["netns"] == t.netns and r["local_port"] == 4789]
    check(found, "ls does not show the port of the device")
    for record in found:
        equal(
            (record["protocol"], record.get("kernel_owned"), record.get("pids", [])),
            ("udp", True, []),
            "socket of the device",
        )


def join_group(me, port):
    """Two members of a group on `port` whose queues no process reads."""
    listener, receiver = tcp(("127.0.0.1", port), REUSEPORT, backlog=9), udp(("127.0.0.1", port), REUSEPORT)
    me.send()
    me.receive()
    del listener, receiver


def fill_queues(port, count):
    """Connections and datagrams from many ports reach every member."""
    kept = []
    for _ in range(count):
        kept += [socket.create_connection(("127.0.0.1", port)), udp(("127.0.0.1", 0))]
        kept[-1].sendto(b"x", ("127.0.0.1", port))
    return kept


@test()
def reuseport_groups(t):
    """One row for the members of a group; with -a, a row for each, with the queue that ss shows."""
    members = [t.fork(join_group, 6001, comm=f"pt-member{i}") for i in range(3)]
    for member in members:
        member.receive()
    kept = fill_queues(6001, 12)
    with tcp(("127.0.0.2", 6001), REUSEPORT, backlog=9):  # another address: not a member
        out = listed_text(t, "-l", 6001)
        each = listed_text(t, "-a", "-l", 6001)
        records = listed(t, "-l", "-N", t.netns, 6001)
        rows = run_text("ss", "-Htuln", "sport", "=", ":6001").splitlines()
    for member in members:
        member.send()
        member.wait()
    del kept
    tcp_rows = [line for line in out.splitlines() if " tcp " in line]
    equal(len(tcp_rows), 2, f"rows of TCP\n{out}")
    check(re.search(r"pt-member\d \+2 +tcp +LISTEN +12/27 +127\.0\.0\.1:6001 +group of 3 sockets", out), out)
    check(re.search(r"pt-member\d \+2 +udp +BOUND +\d+/\d+ +127\.0\.0\.1:6001 +group of 3 sockets", out), out)
    for member in members:
        found = [line for line in each.splitlines() if line.split()[0] == str(member.pid)]
        equal(len(found), 2, f"rows of {member.comm}\n{each}")
        check(all(" up " in line and member.comm in line for line in found), each)
    theirs = sorted((row.split()[0], int(row.split()[2])) for row in rows)
    ours = sorted((r["protocol"], r["queue"] if r["protocol"] == "tcp" else r["receive_queue"]) for r in records)
    equal(ours, theirs, "queues, as in ss")


@test()
def a_member_left_behind_is_marked(t):
    """Its process is older than those of the other members, and its queue grows: it has a row without -a."""
    old = t.fork(join_group, 6001, comm="pt-old")
    old.receive()
    time.sleep(10.5)
    young = [t.fork(join_group, 6001, comm="pt-young") for _ in range(2)]
    for member in young:
        member.receive()
    kept = fill_queues(6001, 9)
    filler = t.fork(lambda me: keep_filling(me, 6001))
    filler.receive()
    out = listed_text(t, "-l", "-t", 6001)
    records = listed(t, "-l", "-N", t.netns, 6001)
    filler.kill()
    for member in [old, *young]:
        member.send()
        member.wait()
    del kept
    check(re.search(rf"\n{old.pid} .*older than the rest of its group", out), out)
    marks = {(r["pid"], r["protocol"]): r.get("group_marks", []) for r in records}
    for protocol in ("tcp", "udp"):
        check("older" in marks[old.pid, protocol], f"{marks}")
        check(not any("older" in marks[member.pid, protocol] for member in young), f"{marks}")
        check(any("grows" in found for (_, name), found in marks.items() if name == protocol), f"{marks}")


def keep_filling(me, port):
    kept = []
    me.send()
    while True:
        kept.append(udp(("127.0.0.1", 0)))
        kept[-1].sendto(b"x", ("127.0.0.1", port))
        kept.append(socket.socket())
        kept[-1].setblocking(False)
        kept[-1].connect_ex(("127.0.0.1", port))
        time.sleep(0.01)


@test()
def as_text(t):
    with tcp(("127.0.0.1", 5001), backlog=1), tcp(("0.0.0.0", 5002), backlog=1):
        done = t.command("ls", "-N", t.netns)
        equal((done.returncode, done.stderr.decode()), (0, ""), "exit status and stderr")
        text = done.stdout.decode()
        for want in ("127.0.0.1:5001", "0.0.0.0:5002", "pt-test", str(os.getpid()), "LISTEN"):
            check(want in text, f"{want!r} is not in\n{text}")


def without_sys_admin():
    """For preexec_fn: root, but not allowed to enter network namespaces."""
    libc_check(libc.prctl(PR_CAPBSET_DROP, CAPABILITIES["CAP_SYS_ADMIN"], 0, 0, 0))


@test()
def a_namespace_that_may_not_be_entered_is_named(t):
    """Without CAP_SYS_ADMIN, setns() fails: ls lists sockets that have a descriptor, and reports what is missing."""
    t.fork(stay, comm="pt-other", netns="new")
    done = t.command("ls", "--json", preexec_fn=without_sys_admin)
    if b"loading BPF programs is not permitted" in done.stderr:
        raise Skip("this kernel needs CAP_SYS_ADMIN for BPF")
    equal(done.returncode, 0, "exit status")
    message = re.fullmatch(
        r"porttrace: network namespace (\d+)( \(and \d+ more\))? could not be entered: "
        r"Operation not permitted; its TIME_WAITs and orphans are missing\n",
        done.stderr.decode(),
    )
    check(message, f"stderr: {done.stderr}")
    check(int(message.group(1)) != t.netns, "ls must be able to read porttrace's own namespace")


@test(netns=False)
def namespace_with_a_blank_in_its_name(t):
    """mountinfo escapes blanks. The namespace has a TIME_WAIT, but no process and no descriptor."""
    name = f"pt a\\040b {os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True, timeout=DEADLINE)
    try:
        path = f"/run/netns/{name}"
        inode = os.stat(path).st_ino
        maker = t.fork(leave_timewait, path)
        port = maker.receive()
        maker.wait()
        found = [(r["state"], r["local_port"]) for r in listed(t) if r["netns"] == inode]
        equal(found, [("TIME_WAIT", port)], "sockets of the namespace")
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True, timeout=DEADLINE)


def leave_timewait(me, path):
    with open(path, "rb") as file:
        enter_netns(file.fileno())
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True, timeout=DEADLINE)
    with tcp(("127.0.0.1", 2000), backlog=1) as server:
        client, accepted = pair_on(server)
        port = port_of(client)
        close_first(client, accepted, port)
    me.send(port)
