# SPDX-License-Identifier: GPL-2.0-only
"""Failed connects: which failed, why, and what would help. Every failure is the kernel's own, on loopback or between
network namespaces of the test."""

import functools
import json
import os
import re
import socket
import struct

from porttrace_test import (
    DEADLINE, Skip, V6ONLY, check, comm_of, equal, new_netns, pair_on, port_of, refused, reset,
    run_text, sysctl, tcp, test, udp, until)

PORT, HERE = 0, ()  # of the running test: what listens on it in other namespaces is named as well
NOWHERE = "10.99.0.2"  # has a link layer address and no host


def case(function):
    """Registers a test, which has two ports of its own."""
    @functools.wraps(function)
    def run(t):
        global PORT, HERE  # pylint: disable=global-statement
        PORT = 20000 + 2 * (os.getpid() % 6000)  # and PORT + 1, for the next test has the next pid
        HERE = ("127.0.0.1", PORT)
        function(t)

    return test()(run)


# --- servers ------------------------------------------------------------------------------------


def listen(me, where, options=(), backlog=8):
    with tcp(where, *options, backlog=backlog):
        me.send()
        me.receive()


def bound(me, make, where):
    with make(where):
        me.send()
        me.receive()


def listen_in_netns(me, where):
    new_netns()
    listen(me, where)


def server(t, function, *args):
    """A process that serves until the test sends it a message."""
    process = t.fork(function, *args, comm="pt-server")
    process.receive()
    return process


def end(process):
    process.send()
    process.result()


# --- the network --------------------------------------------------------------------------------


def add_link():
    """10.99.0.1 is ours; pt-v1 is the other end, without an address."""
    run_text("ip", "link", "add", "pt-v0", "type", "veth", "peer", "name", "pt-v1")
    run_text("ip", "address", "add", "10.99.0.1/24", "dev", "pt-v0")
    run_text("ip", "link", "set", "pt-v1", "up")
    run_text("ip", "link", "set", "pt-v0", "up")


def add_nowhere():
    """Packets to NOWHERE leave, and no host answers."""
    add_link()
    run_text("ip", "neighbour", "add", NOWHERE, "lladdr", "02:00:00:00:00:02", "dev", "pt-v0", "nud", "permanent")


def few_syns():
    sysctl("ipv4/tcp_syn_retries", 1)
    path = "/proc/sys/net/ipv4/tcp_syn_linear_timeouts"
    if os.path.exists(path):
        sysctl("ipv4/tcp_syn_linear_timeouts", 0)


# --- what is expected ---------------------------------------------------------------------------


def fail(where, error, make=tcp):
    """A connect() that fails with this errno, on a socket of its own."""
    with make(address=where[0]) as sock:
        equal(refused(sock.connect, where), error, f"connect to {where}")


def fail_udp(where, error="ECONNREFUSED"):
    with udp(address=where[0]) as sock:
        sock.connect(where)
        sock.send(b"x")
        sock.settimeout(DEADLINE)
        equal(refused(sock.recv, 1), error, f"recv from {where}")


def need_udp_errors(trace):
    """Skips the test on a kernel whose probes do not show them (before 5.14 with tracepoints); doctor says so."""
    if "udp-error" in trace.start_record.get("missing", []):
        raise Skip("no probe reports the errors of UDP sockets here")


def conflict_of(record, cause, holders=()):
    """The conflict of a record; holders: the processes of the sockets that it names."""
    conflict = record["conflict"]
    equal(conflict["cause"], cause, "cause")
    named = [pid["pid"] for holder in conflict["holders"] for pid in holder.get("pids", [])]
    equal(named, [process.pid for process in holders], f"processes of the holders ({conflict['why']})")
    return conflict


def closed(t, trace, cause, error="ECONNREFUSED", holders=(), **want):
    want = {"remote_port": PORT, **want, **t.me}
    record = trace.once(event="close", error=error, errno=None, **want)
    return conflict_of(record, cause, holders)


def name(process):
    return f"pt-server[{process.pid}]"


def contains(text, *parts):
    for part in parts:
        check(part in text, f"'{part}' is not in: {text}")


def actions(conflict):
    return [remedy["action"] for remedy in conflict.get("remedies", [])]


def connect_as_advised(remedy, make=tcp):
    """Does what a remedy says: 'Connect X to ADDRESS:PORT, where ...'."""
    found = re.search(r" to (\[?[0-9a-f.:]+\]?):(\d+), where ", remedy["text"])
    check(found, f"no address in: {remedy['text']}")
    address = found[1].strip("[]")
    with make(address=address) as sock:
        sock.connect((address, int(found[2])))


# --- refused by this machine --------------------------------------------------------------------


@case
def other_address(t):
    process = server(t, listen, ("127.0.0.2", PORT))
    with t.trace() as trace:
        fail(HERE, "ECONNREFUSED")
        conflict = closed(t, trace, "no-listener", holders=[process])
    contains(conflict["why"], f"127.0.0.1:{PORT}", f"{name(process)} listens on 127.0.0.2:{PORT}")
    equal(actions(conflict), ["other_address", "fix_address"], "remedies")
    connect_as_advised(conflict["remedies"][0])
    end(process)
    process = server(t, listen, HERE)  # "Start it on ADDRESS"
    contains(conflict["remedies"][1]["text"], f"127.0.0.1:{PORT}")
    with tcp() as sock:
        sock.connect(HERE)


@case
def other_family(t):
    process = server(t, listen, ("::1", PORT))
    with t.trace() as trace:
        fail(HERE, "ECONNREFUSED")
        conflict = closed(t, trace, "no-listener", holders=[process])
    contains(conflict["why"], f"{name(process)} listens on [::1]:{PORT}")
    equal(conflict["remedies"][0]["action"], "other_address", "first remedy")
    connect_as_advised(conflict["remedies"][0])


@case
def v6only_wildcard(t):
    process = server(t, listen, ("::", PORT), (V6ONLY,))
    with t.trace() as trace:
        fail(HERE, "ECONNREFUSED")
        conflict = closed(t, trace, "no-listener", holders=[process])
    contains(conflict["why"], f"{name(process)} listens on [::]:{PORT}")
    connect_as_advised(conflict["remedies"][0])


@case
def ipv4_wildcard(t):
    process = server(t, listen, ("0.0.0.0", PORT))
    with t.trace() as trace:
        fail(("::1", PORT), "ECONNREFUSED")
        conflict = closed(t, trace, "no-listener", holders=[process], remote_address="::1")
    contains(conflict["why"], f"{name(process)} listens on 0.0.0.0:{PORT}")
    connect_as_advised(conflict["remedies"][0])


@case
def other_network_namespace(t):
    process = server(t, listen_in_netns, HERE)
    inode = os.stat(f"/proc/{process.pid}/ns/net").st_ino
    with t.trace() as trace:
        fail(HERE, "ECONNREFUSED")
        conflict = closed(t, trace, "no-listener", holders=[process])
    contains(conflict["why"], f"{name(process)} listens on 127.0.0.1:{PORT} in network namespace {inode}")
    check("other_address" not in actions(conflict), "an address in another namespace cannot be connected to")


@case
def not_listening_yet(t):
    process = server(t, bound, tcp, HERE)
    with t.trace() as trace:
        fail(HERE, "ECONNREFUSED")
        conflict = closed(t, trace, "no-listener", holders=[process])
    contains(conflict["why"], f"{name(process)} has bound 127.0.0.1:{PORT} and does not listen")


@case
def closed_before(t):
    with t.trace() as trace:
        process = server(t, listen, ("0.0.0.0", PORT))
        trace.once(event="listen", local_port=PORT, pid=process.pid)
        end(process)
        fail(HERE, "ECONNREFUSED")
        conflict = closed(t, trace, "no-listener")
    contains(conflict["why"], f"{name(process)} listened on 0.0.0.0:{PORT} until ", "s ago")
    equal(actions(conflict), ["start_process"], "remedies")
    contains(conflict["remedies"][0]["text"], name(process))
    server(t, listen, ("0.0.0.0", PORT))
    with tcp() as sock:
        sock.connect(HERE)


@case
def closed_before_with_filters(t):
    """-x hides the listener's close; who had it is known all the same."""
    process = server(t, listen, HERE)
    with t.trace("-x", "-p", os.getpid(), marker=False) as trace:
        end(process)
        fail(HERE, "ECONNREFUSED")
        conflict = closed(t, trace, "no-listener")
        trace.never(pid=process.pid)
    contains(conflict["why"], f"{name(process)} listened on 127.0.0.1:{PORT}")


def filters():
    """Filters that leave out the server and its close, but not the failure."""
    return ("-x", "-c", "pt-test"), ("-x", "-p", os.getpid()), ("-x", "-D", PORT)


@case
def near_miss_with_filters(t):
    process = server(t, listen, ("127.0.0.2", PORT))
    for args in filters():
        with t.trace(*args, marker=False) as trace:
            fail(HERE, "ECONNREFUSED")
            conflict = closed(t, trace, "no-listener", holders=[process])
        contains(conflict["why"], f"{name(process)} listens on 127.0.0.2:{PORT}")


@case
def last_listener_with_filters(t):
    for args in filters():
        process = server(t, listen, HERE)
        with t.trace(*args, marker=False) as trace:
            end(process)
            fail(HERE, "ECONNREFUSED")
            conflict = closed(t, trace, "no-listener")
        contains(conflict["why"], f"{name(process)} listened on 127.0.0.1:{PORT} until ")


@case
def nothing_known(t):
    with t.trace() as trace:
        fail(HERE, "ECONNREFUSED")
        trace.once(event="connect", errno=None, conflict=None, remote_port=PORT, **t.me)
        conflict = closed(t, trace, "no-listener")
    contains(conflict["why"], f"No socket listens on 127.0.0.1:{PORT}, so the kernel refused the connection of {comm_of()}")
    equal([(r["action"], r["effect"]) for r in conflict["remedies"]], [("start_process", "restart")], "remedies")


@case
def listens_now(t):
    with t.trace() as trace:
        with tcp() as sock:
            equal(refused(sock.connect, HERE), "ECONNREFUSED", "connect")
            process = server(t, listen, HERE)
            trace.once(event="listen", local_port=PORT, pid=process.pid)
        conflict = closed(t, trace, "no-listener", holders=[process])
    contains(conflict["why"], f"{name(process)} listens on 127.0.0.1:{PORT} now")
    equal([(r["action"], r["effect"]) for r in conflict["remedies"]], [("wait", "now")], "remedies")
    with tcp() as sock:
        sock.connect(HERE)


@case
def same_socket_again(t):
    """Each connect() of one socket that fails is reported."""
    with t.trace() as trace:
        with tcp() as sock:
            for _ in range(3):
                equal(refused(sock.connect, HERE), "ECONNREFUSED", "connect")
        trace.times(3, event="close", error="ECONNREFUSED", remote_port=PORT,
                    conflict=lambda conflict: conflict["cause"] == "no-listener", **t.me)


@case
def not_blocking(t):
    with t.trace() as trace:
        with tcp() as sock:
            sock.setblocking(False)
            sock.connect_ex(HERE)
            until(lambda: sock.connect_ex(HERE) != 115, "the end of the connection")
        closed(t, trace, "no-listener")


# --- connected UDP ------------------------------------------------------------------------------


@case
def udp_refused(t):
    process = server(t, bound, udp, ("127.0.0.2", PORT))
    with t.trace() as trace:
        need_udp_errors(trace)
        fail_udp(HERE)
        conflict = closed(t, trace, "no-listener", holders=[process], protocol="udp")
    contains(conflict["why"], f"UDP 127.0.0.1:{PORT}", f"{name(process)} is bound to 127.0.0.2:{PORT}")
    connect_as_advised(conflict["remedies"][0], udp)


@case
def udp6_refused(t):
    with t.trace() as trace:
        need_udp_errors(trace)
        fail_udp(("::1", PORT))
        closed(t, trace, "no-listener", protocol="udp", remote_address="::1")


@case
def udp_answered(t):
    """A server that answered and went away later is no failed connect."""
    with t.trace() as trace, udp(HERE) as peer:
        with udp() as sock:
            sock.connect(HERE)
            port = port_of(sock)
            sock.send(b"x")
            peer.sendto(b"y", peer.recvfrom(1)[1])
            equal(sock.recv(1), b"y", "answer")
            peer.close()
            sock.send(b"x")
            equal(refused(sock.recv, 1), "ECONNREFUSED", "recv")
        trace.once(event="close", local_port=port, error=None, conflict=None, **t.me)


# --- not about ports ----------------------------------------------------------------------------


@case
def no_route(t):
    with t.trace() as trace:
        for make, protocol in ((tcp, "tcp"), (udp, "udp")):
            fail(("10.99.0.9", PORT), "ENETUNREACH", make)
            record = trace.once(event="connect", errno="ENETUNREACH", protocol=protocol, remote_port=PORT,
                                remote_address="10.99.0.9", **t.me)
            conflict = conflict_of(record, "no-route")
            contains(conflict["why"], "no route to 10.99.0.9", "Ports are not the cause")
            contains(conflict["fix"], "ip route get 10.99.0.9")


@case
def no_route_ipv6(t):
    with t.trace() as trace:
        fail(("2001:db8::9", PORT), "ENETUNREACH")
        conflict_of(trace.once(event="connect", errno="ENETUNREACH", remote_address="2001:db8::9", **t.me), "no-route")
        trace.never(event="close", remote_port=PORT)


@case
def unreachable_route(t):
    run_text("ip", "route", "add", "unreachable", "10.98.0.0/16")
    with t.trace() as trace:
        fail(("10.98.0.9", PORT), "EHOSTUNREACH")
        conflict_of(trace.once(event="connect", errno="EHOSTUNREACH", **t.me), "no-route")


@case
def bound_before_no_route(t):
    """The port that bind() took is not the reason either."""
    with t.trace() as trace, tcp(("0.0.0.0", PORT)) as sock:
        equal(refused(sock.connect, ("10.99.0.9", 80)), "ENETUNREACH", "connect")
        conflict_of(trace.once(event="connect", errno="ENETUNREACH", local_port=PORT, **t.me), "no-route")


@case
def no_neighbour(t):
    add_link()
    sysctl("ipv4/neigh/pt-v0/mcast_solicit", 1)
    with t.trace() as trace:
        fail(("10.99.0.9", PORT), "EHOSTUNREACH")
        conflict = closed(t, trace, "no-route", error="EHOSTUNREACH")
    contains(conflict["why"], "10.99.0.9", "EHOSTUNREACH")


@case
def no_answer(t):
    add_nowhere()
    few_syns()
    with t.trace() as trace:
        fail((NOWHERE, PORT), "ETIMEDOUT")
        conflict = closed(t, trace, "no-answer", error="ETIMEDOUT")
    contains(conflict["why"], f"{NOWHERE}:{PORT} did not answer", "Ports of this machine are not the cause")


@case
def backlog_full(t):
    few_syns()
    process = server(t, listen, HERE, (), 1)
    waiting = [tcp(), tcp()]  # one more than the backlog
    for sock in waiting:
        sock.connect(HERE)
    with t.trace() as trace:
        fail(HERE, "ETIMEDOUT")
        conflict = closed(t, trace, "backlog-full", error="ETIMEDOUT", holders=[process])
    contains(conflict["why"], f"{name(process)} listens on 127.0.0.1:{PORT}", "2 connections wait", "backlog is 1")
    row = run_text("ss", "-Hltn", "sport", "=", str(PORT)).split()
    equal(row[1:3], ["2", "1"], "queue and backlog, as ss has them")


@case
def given_up(t):
    """A program that does not wait for the answer has not failed."""
    add_nowhere()
    with t.trace() as trace:
        with tcp() as sock:
            sock.setblocking(False)
            equal(sock.connect_ex((NOWHERE, PORT)), 115, "EINPROGRESS")
        trace.once(event="close", remote_port=PORT, error=None, conflict=None, **t.me)


@case
def established_then_reset(t):
    with t.trace() as trace, tcp(HERE, backlog=1) as listener:
        client, accepted = pair_on(listener)
        port = port_of(client)
        reset(accepted)
        equal(refused(client.recv, 1), "ECONNRESET", "recv")
        client.close()
        trace.once(event="close", local_port=port, error="ECONNRESET", conflict=None, **t.me)


@case
def listener_closes_its_queue(t):
    """A connection in the accept queue is established for its client."""
    with t.trace() as trace:
        listener, client = tcp(HERE, backlog=1), tcp()
        client.connect(HERE)
        port = port_of(client)
        listener.close()
        equal(refused(client.recv, 1), "ECONNRESET", "recv")
        client.close()
        trace.once(event="close", local_port=port, error="ECONNRESET", conflict=None, **t.me)


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xffff)
    return ~(total + (total >> 16)) & 0xffff


def segment(to, number, flags, acked=0):
    """An IPv4 packet with a TCP segment from NOWHERE:PORT to a port of 10.99.0.1."""
    ends = socket.inet_aton(NOWHERE) + socket.inet_aton("10.99.0.1")
    header = struct.pack("!HHIIBBHHH", PORT, to, number, acked, 5 << 4, flags, 65535, 0, 0)
    total = checksum(ends + struct.pack("!BBH", 0, socket.IPPROTO_TCP, len(header)) + header)
    header = header[:16] + struct.pack("!H", total) + header[18:]
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(header), 0, 0, 64, socket.IPPROTO_TCP, 0) + ends
    return ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:] + header


@case
def reset_before_established(t):
    """A peer that connects at the same time and then resets: the only RST that is not ECONNREFUSED."""
    add_nowhere()
    ours = bytes.fromhex(re.search(r"link/ether (\S+)", run_text("ip", "link", "show", "pt-v0"))[1].replace(":", ""))
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
    wire.bind(("pt-v1", 0x0800))
    wire.settimeout(DEADLINE)
    link = ours + bytes.fromhex("020000000002") + b"\x08\x00"
    with t.trace() as trace:
        with tcp() as sock:
            sock.setblocking(False)
            sock.connect_ex((NOWHERE, PORT))
            port = port_of(sock)
            got = wire.recv(2048)
            while got[23] != socket.IPPROTO_TCP or got[34:36] != struct.pack("!H", port):
                got = wire.recv(2048)
            seq = struct.unpack("!I", got[38:42])[0]
            wire.send(link + segment(port, 1000, 0x02))  # SYN
            wire.send(link + segment(port, 1001, 0x14, seq + 1))  # RST, ACK
            until(lambda: sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 104, "ECONNRESET")
        closed(t, trace, "reset-by-peer", error="ECONNRESET")
    wire.close()


# --- what is shown ------------------------------------------------------------------------------


@case
def only_failures(t):
    """-x shows the record that has the failure, and no other."""
    with t.trace("-x", marker=False) as trace:
        fail(HERE, "ECONNREFUSED")
        closed(t, trace, "no-listener", protocol="tcp")
        if "udp-error" not in trace.start_record.get("missing", []):
            fail_udp(HERE)
            closed(t, trace, "no-listener", protocol="udp")
        fail(("10.99.0.9", PORT), "ENETUNREACH")
        trace.once(event="connect", errno="ENETUNREACH", **t.me)
        trace.never(event="connect", errno=None)
        trace.never(event="close", error=None)


@case
def as_text(t):
    process = server(t, listen, ("127.0.0.2", PORT))
    with t.text("-x") as screen:
        fail(HERE, "ECONNREFUSED")
        screen.wait(r"ECONNREFUSED")
        screen.wait(rf"pt-server\[{process.pid}\] listens on 127\.0\.0\.2:{PORT}")
        screen.wait(rf"Connect .* to 127\.0\.0\.2:{PORT}")


@case
def replayed(t):
    """A capture has what the explanation needs."""
    process = server(t, listen, ("127.0.0.2", PORT))
    gone = server(t, listen, ("127.0.0.1", PORT + 1))
    path = os.path.join(t.temp(), "capture")
    with t.text("record", path) as record, t.trace() as trace:
        record.wait("recording|probes")
        fail(HERE, "ECONNREFUSED")
        live = [closed(t, trace, "no-listener", holders=[process])["why"]]
        end(gone)
        fail(("127.0.0.1", PORT + 1), "ECONNREFUSED")
        live.append(closed(t, trace, "no-listener", remote_port=PORT + 1)["why"])
        trace.mark()
        equal(record.stop(), 0, "the status of record")
    events = [json.loads(line) for line in t.command("replay", "--json", "-x", path).stdout.splitlines()]
    replayed = [event["conflict"]["why"] for event in events if "conflict" in event]
    equal([re.sub(r"[0-9.]+ m?s ago", "", why) for why in replayed], [re.sub(r"[0-9.]+ m?s ago", "", why) for why in live], "why")


@case
def many(t):
    """Refusals in a loop are all reported, and each is explained."""
    with t.trace("-x", marker=False) as trace:
        for _ in range(500):
            fail(HERE, "ECONNREFUSED")
        found = trace.times(500, event="close", error="ECONNREFUSED", remote_port=PORT, **t.me)
    equal({record["conflict"]["cause"] for record in found}, {"no-listener"}, "causes")


# --- why --connect ------------------------------------------------------------------------------


def why(t, where, *args):
    """The answer, whose exit status must be that of `connects`."""
    target = f"[{where[0]}]:{where[1]}" if ":" in where[0] else f"{where[0]}:{where[1]}"
    done = t.command("why", "--json", *args, "--connect", target)
    check(done.stdout, f"no answer: {done.stderr}")
    answer = json.loads(done.stdout)
    equal(done.returncode, 0 if answer["connects"] else 1, "exit status")
    equal(t.command("why", *args, "-q", "--connect", target).returncode, done.returncode, "exit status with -q")
    return answer


def check_prediction(t, where, error, cause, make=tcp):
    """`why` must say what the connect() then does."""
    answer = why(t, where)
    equal((answer.get("errno"), answer.get("cause")), (error, cause), f"answer of why ({answer['why']})")
    if error:
        fail(where, error, make)
    else:
        with make(address=where[0]) as sock:
            sock.connect(where)
    return answer


@case
def why_refused(t):
    process = server(t, listen, ("127.0.0.2", PORT))
    answer = check_prediction(t, HERE, "ECONNREFUSED", "no-listener")
    equal(answer["local"], True, "local")
    contains(answer["why"], f"No socket listens on 127.0.0.1:{PORT}", f"{name(process)} listens on 127.0.0.2:{PORT}")
    with t.trace() as trace:
        fail(HERE, "ECONNREFUSED")
        conflict = closed(t, trace, "no-listener", holders=[process])
    equal(actions(answer), actions(conflict), "remedies of why and of the stream")
    connect_as_advised(answer["remedies"][0])


@case
def why_accepted(t):
    process = server(t, listen, ("::", PORT))
    for address in ("127.0.0.1", "::1"):
        answer = check_prediction(t, (address, PORT), None, None)
        equal([pid["pid"] for pid in answer["holders"][0]["pids"]], [process.pid], "the server")
    equal(t.command("why", "--connect", f"localhost:{PORT}").returncode, 0, "status for localhost")


@case
def why_backlog_full(t):
    few_syns()
    process = server(t, listen, HERE, (), 1)
    waiting = [tcp(), tcp()]
    waiting[0].connect(HERE)
    equal(why(t, HERE)["connects"], True, "one place is left")
    waiting[1].connect(HERE)
    answer = check_prediction(t, HERE, "ETIMEDOUT", "backlog-full")
    contains(answer["why"], name(process), "2 connections wait")


@case
def why_no_route(t):
    check_prediction(t, ("10.99.0.9", PORT), "ENETUNREACH", "no-route")
    check_prediction(t, ("2001:db8::9", PORT), "ENETUNREACH", "no-route")
    run_text("ip", "route", "add", "unreachable", "10.98.0.0/16")
    check_prediction(t, ("10.98.0.9", PORT), "EHOSTUNREACH", "no-route")
    run_text("ip", "-6", "route", "add", "unreachable", "2001:db8:1::/48")
    check_prediction(t, ("2001:db8:1::9", PORT), "EHOSTUNREACH", "no-route")


@case
def why_remote(t):
    add_nowhere()
    answer = why(t, (NOWHERE, PORT))
    equal((answer["connects"], answer["local"], answer["source_address"], answer["device"]),
          (True, False, "10.99.0.1", "pt-v0"), "answer")
    contains(answer["why"], "is not known without connecting")
    check("cause" not in answer, "no cause is known")


@case
def why_no_port_left(t):
    process = server(t, listen, HERE, (), 64)
    sysctl("ipv4/ip_local_port_range", "41000 41003")
    held = []
    for left in (4, 3, 2, 1):
        answer = why(t, HERE)
        equal((answer["ports"], answer["ports_left"], answer["connects"]), (4, left, True), "ports left")
        held.append(tcp())
        held[-1].connect(HERE)
    answer = check_prediction(t, HERE, "EADDRNOTAVAIL", "range-exhausted")
    equal(answer["ports_left"], 0, "ports left")
    end(process)


@case
def why_udp(t):
    answer = json.loads(t.command("why", "--json", "--connect", f"udp:127.0.0.1:{PORT}").stdout)
    equal((answer["errno"], answer["cause"], answer["protocol"]), ("ECONNREFUSED", "no-listener", "udp"), "answer")
    server(t, bound, udp, HERE)
    equal(t.command("why", "--connect", f"udp:127.0.0.1:{PORT}").returncode, 0, "status")


@case
def why_other_netns(t):
    """-p asks for a process of another network namespace."""
    process = server(t, listen_in_netns, HERE)
    equal(why(t, HERE)["connects"], False, "from here")
    equal(why(t, HERE, "-p", process.pid)["connects"], True, "from there")
