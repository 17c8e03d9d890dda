# SPDX-License-Identifier: GPL-2.0-only
"""What a person sees: the answer at the start, and nothing that was not asked for."""

import json
import os
import re
import socket
import subprocess
import time

from porttrace_test import DEADLINE, check, enter_netns, equal, netns_inode, new_netns, refused, tcp, test, udp

OWN_TRACER = True


@test()
def holders_come_first(t):
    """porttrace PORT: who has the port, above the header of the events; in JSON a record each, as in `ls`."""
    with tcp(("127.0.0.1", 5001), backlog=5) as server, socket.create_connection(("127.0.0.1", 5001)):
        server.accept()[0].detach()
        with t.text(5001) as screen:
            screen.wait(r"^TIME ")
            screen.stop()
            lines = screen.out.decode().splitlines()
            check(re.match(rf"now +pt-test\[{os.getpid()}\] root, up .*: tcp LISTEN 127\.0\.0\.1:5001", lines[0]), lines[0])
            check(any(re.search(r"^ +1 connection: 1 ESTABLISHED$", line) for line in lines), str(lines))
            check(lines[-1].startswith("TIME "), str(lines))
        with t.trace(5001, marker=False) as trace:
            trace.wait(event="socket", state="LISTEN", local_port=5001)
            trace.stop()
            first, *rest = trace.records
            equal(first["event"], "start", "first record")
            listed = t.command("ls", "--json", "-N", t.netns, 5001).stdout.decode()
            equal(
                sorted(r["socket"] for r in rest if r["event"] == "socket"),
                sorted(re.findall(r'"socket":"(\w+)"', listed)),
                "sockets",
            )


@test()
def a_free_port_says_so(t):
    with t.text(5001) as screen:
        screen.wait(r"^now +no socket has a watched port$")
        screen.stop()


@test()
def a_port_is_all_that_is_shown(t):
    """Under PORT there is no line about others: no churn, no warning, no event."""
    with t.text(5001, "-i", "0.1") as screen:
        with tcp(("127.0.0.1", 5002), backlog=64):
            for _ in range(20):
                socket.create_connection(("127.0.0.1", 5002)).close()
        time.sleep(0.5)  # several intervals
        with tcp(("127.0.0.1", 5001), backlog=1), tcp() as sock:
            equal(refused(sock.bind, ("127.0.0.1", 5001)), "EADDRINUSE", "bind")
        screen.wait(r"close .*127\.0\.0\.1:5001")
        screen.stop()
        rows = [line for line in screen.out.decode().splitlines() if re.match(r"\d\d:", line)]
        equal(len(rows), 4, f"rows:\n{screen.text}")
        for row in rows:
            check("127.0.0.1:5001" in row, row)


@test()
def a_process_is_all_that_is_shown(t):
    """Under -p PID the churn of others is left out; that of the process is shown."""

    def connects(me):
        me.receive()
        for _ in range(5):
            socket.create_connection(("127.0.0.1", 5002)).close()

    with tcp(("127.0.0.1", 5002), backlog=64):
        child = t.fork(connects, comm="pt-child")
        with t.text("-p", child.pid, "-i", "0.2") as screen:
            for _ in range(20):
                socket.create_connection(("127.0.0.1", 5002)).close()
            time.sleep(0.6)  # several intervals
            check("ephemeral" not in screen.text, f"churn of others:\n{screen.text}")
            child.send()
            child.result()
            screen.wait(r"ephemeral .*taken")
            screen.stop()


@test()
def a_crash_loop_is_explained_once(t):
    """Each try by a new process: one explanation, then counts. JSON has every refusal."""

    def tries(me):
        with tcp() as sock:
            me.send(refused(sock.bind, ("127.0.0.1", 5001)))

    with tcp(("127.0.0.1", 5001), backlog=1), t.text() as screen, t.trace(marker=False) as trace:
        pids = []
        for _ in range(8):
            child = t.fork(tries, comm="pt-loop")
            equal(child.receive(), "EADDRINUSE", "bind")
            pids.append(child.pid)
            child.result()
        trace.wait(event="bind", errno="EADDRINUSE", pid=pids[-1])
        screen.wait(rf"^\S+ +again ×\d+ pt-loop\[.*\b{pids[-1]}\] tcp 127\.0\.0\.1:5001 EADDRINUSE")
        screen.stop()
        trace.stop()
        rows = re.findall(r"^\S+ +bind .*EADDRINUSE", screen.text, re.M)
        counts = re.findall(r"again ×(\d+) pt-loop", screen.text)
        equal((len(rows), sum(map(int, counts))), (1, 7), "rows and repeats")
        equal(len(re.findall(r"^ +in use ", screen.text, re.M)), 1, "explanations")
        records = [r for r in trace.records if r.get("errno") == "EADDRINUSE"]
        equal([r["pid"] for r in records], pids, "pids in JSON")


@test()
def ends_of_connections_need_an_option(t):
    """Text shows connections that begin or fail, and the end of a server; with -e close every end."""
    with t.text() as screen, t.text("-e", "close") as closes:
        with tcp(("127.0.0.1", 5001), backlog=5) as server:
            client = socket.create_connection(("127.0.0.1", 5001))
            accepted = server.accept()[0]
            client.close()
            accepted.close()
            with tcp() as sock:
                equal(refused(sock.connect, ("127.0.0.1", 5009)), "ECONNREFUSED", "connect")
        screen.wait(r"close .*127\.0\.0\.1:5001( |$)")
        closes.wait(r"close .*127\.0\.0\.1:5001( |$)")
        screen.stop()
        closes.stop()
        kinds = re.findall(r"^\S+ +(bind|listen|connect|close) ", screen.text, re.M)
        equal(sorted(kinds), ["bind", "close", "close", "connect", "connect", "listen"], screen.text)
        check(re.search(r"close .*-> 127\.0\.0\.1:5009 ECONNREFUSED", screen.text), screen.text)
        equal(len(re.findall(r"^\S+ +close ", closes.text, re.M)), 4, closes.text)


@test()
def ports_are_written_as_anywhere(t):
    """Each form of PORT finds the listener, and none finds another one."""
    with tcp(("127.0.0.1", 5432), backlog=1), tcp(("127.0.0.2", 5433), backlog=1), tcp(("0.0.0.0", 5434), backlog=1):
        for form in ("5432", ":5432", "postgresql", "tcp:5432", "tcp/5432", "5432/tcp", "127.0.0.1:5432",
                     "localhost:5432", "*:5432", "5430-5432", "5432,5431"):  # fmt: skip
            out = t.command("ls", "-N", t.netns, "-H", form).stdout.decode()
            equal(re.findall(r"127\.0\.0\.\d:\d+", out), ["127.0.0.1:5432"], f"ls {form}")
        for form, listed in (("localhost:5433", 0), ("127.0.0.1:5434", 1), ("udp:5432", 0), ("[::1]:5432", 0)):
            out = t.command("ls", "-N", t.netns, "-H", form).stdout.decode()
            equal(len(out.splitlines()), listed, f"ls {form}")
        for form in ("5432/tcp", "localhost:5432", "tcp:postgresql"):
            equal(t.command("why", "-N", t.netns, form).returncode, 1, f"why {form}")


@test()
def ls_as_the_reader_of_ss_types_it(t):
    """ls -tulpn, the accept queue, and connections that nobody has accepted."""
    with tcp(("127.0.0.1", 5001), backlog=7), udp(("127.0.0.1", 5002)):
        clients = [socket.create_connection(("127.0.0.1", 5001)) for _ in range(2)]
        out = t.command("ls", "-tulpn", "-N", t.netns).stdout.decode().splitlines()
        equal(out[0].split(), ["PID", "USER", "COMM", "PROTO", "STATE", "QUEUE", "LOCAL", "DETAIL"], "header")
        equal(len(out), 3, f"rows: {out}")
        check(re.match(rf"{os.getpid()} +root +pt-test +tcp +LISTEN +2/7 +127\.0\.0\.1:5001", out[1]), out[1])
        check(re.match(rf"{os.getpid()} +root +pt-test +udp +BOUND +127\.0\.0\.1:5002", out[2]), out[2])
        out = t.command("ls", "-H", "-N", t.netns, 5001).stdout.decode()
        equal(len(re.findall(r"^- +root +not accepted yet tcp +ESTABLISHED ", out, re.M)), 2, out)
        records = t.command("ls", "--json", "-l", "-t", "-N", t.netns).stdout.decode()
        check('"backlog":7,"queue":2' in records, records)
        done = t.command("ls", "-p", 5001, "-N", t.netns)
        check(b"-p takes no value, as in ss: 5001 is a port; for a process use --pid=5001" in done.stderr, done.stderr)
        for client in clients:
            client.close()


@test()
def time_waits_are_one_row(t):
    """Without -a; JSON and -a have a row for each."""
    with tcp(("127.0.0.1", 5001), backlog=16) as server:
        for _ in range(5):
            client = socket.create_connection(("127.0.0.1", 5001))
            accepted = server.accept()[0]
            client.close()
            accepted.close()
        out = t.command("ls", "-H", "-N", t.netns).stdout.decode()
        equal((out.count("TIME_WAIT"), "5 TIME_WAITs (-a lists them)" in out), (1, True), out)
        for args in (("-a",), ("--json",)):
            out = t.command("ls", "-N", t.netns, *args).stdout.decode()
            equal(out.count("TIME_WAIT"), 5, out)


@test()
def rows_of_another_namespace_say_so(t):
    """A row of another namespace than the reader's has its number; with -N no row has."""

    def elsewhere(me):
        new_netns()
        me.send(netns_inode())
        me.receive()
        tcp(("127.0.0.1", 5001)).close()

    child = t.fork(elsewhere, comm="pt-other")
    inode = child.receive()
    with t.text(5001, everywhere=True) as screen, t.text(5001) as own:
        tcp(("127.0.0.1", 5001)).close()
        child.send()
        child.result()
        screen.wait(rf"bind .* pt-other .*127\.0\.0\.1:5001 .*netns {inode}$")
        screen.wait(rf"bind .* pt-test .*127\.0\.0\.1:5001 .*netns {t.netns}$")
        own.wait(r"bind .* pt-test .*127\.0\.0\.1:5001$")
        screen.stop()
        own.stop()


def serve_in(me, path):
    with open(path, "rb") as file:
        enter_netns(file.fileno())
    with tcp(("0.0.0.0", 5061), backlog=1):
        me.send(os.getpid())
        me.receive()
        with tcp(("0.0.0.0", 5062), backlog=1):
            me.receive()


@test()
def namespaces_have_their_names(t):
    """That of `ip netns` in every view, also of a namespace that is named while porttrace runs."""
    name = f"pt-blue-{os.getpid()}"
    with t.text("-v", "-P", "5061-5062", everywhere=True) as screen, \
            t.trace("-P", "5061-5062", marker=False, everywhere=True) as trace:
        subprocess.run(["ip", "netns", "add", name], check=True, timeout=DEADLINE)
        try:
            inode = os.stat(f"/run/netns/{name}").st_ino
            child = t.fork(serve_in, f"/run/netns/{name}")
            child.receive()
            time.sleep(1.1)  # names are read again after a second
            child.send("more")
            equal(trace.wait(event="listen", local_port=5062, netns=inode).get("netns_name"), name, "of the event")
            screen.wait(rf"listen .*:5062 .*netns {name}, ")
            listed = t.command("ls", "--json", 5061, 5062).stdout.decode().splitlines()
            found = {r.get("netns_name") for r in map(json.loads, listed) if r["netns"] == inode}
            equal(found, {name}, "of ls")
            with tcp(("0.0.0.0", 5061), backlog=1):
                rows = t.command("ls", 5061).stdout.decode().splitlines()
                check(any(row.startswith(f"{name} ") for row in rows), f"{rows}")
                why = t.command("why", 5061).stdout.decode()
            check(re.search(rf"^note +also on port 5061, no conflict: pt-child\[\d+\] .*, in netns {name}$", why, re.M), why)
        finally:
            subprocess.run(["ip", "netns", "delete", name], check=True, timeout=DEADLINE)
