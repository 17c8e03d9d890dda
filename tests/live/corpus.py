# SPDX-License-Identifier: GPL-2.0-only
"""What the corpus tests share: a registry of case names, and callers whose call fails or succeeds.

A case is one situation of the catalogue of causes, under its name there (`tcp4-listener`); its test
is `corpus.tcp4-listener`. The test process holds the port, unless the case is about the holder;
another process, pt-caller, makes the call under test.
"""

import errno
import json
import os
import socket

from prediction import check_prediction, check_same_advice
from porttrace_test import (
    DEADLINE,
    check,
    equal,
    family_of,
    run_text,
    stay,
    sysctl,
    tcp,
    test,
    timewaits,
    udp,
    until,
)

PORT = 5001
HERE = ("127.0.0.1", PORT)
RANGE = range(40000, 40004)
CASES = {}


def case(name, **how):
    """Registers a test under the catalogue's name for the situation."""

    def register(function):
        test(**how)(function)
        function.name = "corpus." + name
        check(name not in CASES, f"two cases are named {name}")
        CASES[name] = function.name
        return function

    return register


def sock_for(make, where, *options, protocol=0):
    kind = socket.SOCK_DGRAM if make is udp else socket.SOCK_STREAM
    sock = socket.socket(family_of(where[0]), kind, protocol)
    for option in options:
        sock.setsockopt(*option)
    return sock


def outcome(call, *args):
    """The name of the errno that a call fails with; None: it succeeds."""
    try:
        call(*args)
    except OSError as error:
        return errno.errorcode[error.errno]
    return None


def attempt(t, function, uid=None, comm="pt-caller", keep=(), error=None):
    """Runs function() in another process, which must fail with `error`; that process exits at a message."""

    def run(me):
        held = []
        me.send(outcome(function, held))
        me.receive()

    child = t.fork(run, comm=comm, uid=uid, keep=keep)
    equal(child.receive(), error, "errno of the caller")
    return child


def binder(make, where, *options, listen=False, protocol=0):
    """Returns a function for attempt() that binds a socket to `where`."""

    def bind(held):
        sock = sock_for(make, where, *options, protocol=protocol)
        held.append(sock)
        sock.bind(where)
        if listen:
            sock.listen(1)

    return bind


def pids_of(record):
    """Every process that the record names as a holder."""
    holders = record["conflict"].get("holders", [])
    return {p["pid"] for holder in holders for p in holder.get("pids", [])}


def judge(record, cause, pids=None, hint=None):
    """Checks the cause and the holders of a refusal; pids None: do not check the holders."""
    conflict = record["conflict"]
    equal((conflict["cause"], conflict["why"][:0]), (cause, ""), f"cause ({conflict['why']})")
    if pids is not None:
        equal(pids_of(record), set(pids), f"pids of the holders ({conflict.get('holders')})")
    if hint:
        text = conflict["why"] + conflict["fix"] + json.dumps(conflict.get("remedies", []))
        check(hint in text, f"{hint!r} is in neither why nor fix nor remedies: {conflict}")
    return record


def refuse(t, trace, make, where, *options, cause, pids=None, error="EADDRINUSE", uid=None, hint=None,
           listen=False, protocol=0, event="bind", predicted_pids=None, predicted=True, same_advice=True):
    """bind() of another process must fail with `error`, and the stream must report it; returns the record. Before
    that, `why` must predict it: predicted_pids are the pids that `why` can know, predicted False: it cannot know,
    same_advice False: its remedies differ."""
    answer = None
    if event == "bind" and predicted:
        answer = check_prediction(t, make, where, options, uid, protocol, error, cause,
                                  pids if predicted_pids is None else predicted_pids)
    child = attempt(t, binder(make, where, *options, listen=listen, protocol=protocol), uid=uid,
                    error=error)
    record = trace.once(event=event, errno=error, netns=t.netns, **child.who)
    child.send()
    child.result()
    equal(record.get("local_port", 0), where[1], "requested port")
    equal(record.get("local_address"), where[0].removeprefix("::ffff:"), "requested address")
    if same_advice:
        check_same_advice(answer, record)
    return judge(record, cause, pids, hint)


def allow(t, trace, make, where, *options, uid=None, listen=False):
    """bind() of another process must succeed, and the stream must report it without an error."""
    check_prediction(t, make, where, options, uid)
    child = attempt(t, binder(make, where, *options, listen=listen), uid=uid)
    record = trace.once(event="bind", errno=None, local_port=where[1], netns=t.netns, **child.who)
    if listen:
        trace.once(event="listen", errno=None, local_port=where[1], netns=t.netns, **child.who)
    trace.never(pid=child.pid, errno=lambda name: True)
    child.send()
    child.result()
    return record


def me():
    return {os.getpid()}


def small_range(low=RANGE[0], high=RANGE[-1]):
    sysctl("ipv4/ip_local_port_range", f"{low} {high}")


def own_refusal(t, trace, call, *args, event, error, cause, pids=None, hint=None, **want):
    """Makes a call in the test process, which must fail with `error`."""
    equal(outcome(call, *args), error, "errno")
    record = trace.once(event=event, errno=error, **want, **t.me)
    return judge(record, cause, pids, hint)


def add_hole():
    """Adds the local address 10.99.0.1, and the neighbour 10.99.0.2, which answers no packet."""
    run_text("ip", "link", "add", "pt-v0", "type", "veth", "peer", "name", "pt-v1")
    run_text("ip", "address", "add", "10.99.0.1/24", "dev", "pt-v0")
    run_text("ip", "link", "set", "pt-v0", "up")
    run_text("ip", "link", "set", "pt-v1", "up")
    run_text("ip", "neighbour", "add", "10.99.0.2", "lladdr", "02:00:00:00:00:02", "dev", "pt-v0",
             "nud", "permanent")


def in_state(state, port=PORT):
    """Waits until ss shows a socket with this local port in this state."""
    def rows():
        return run_text("ss", "-Htan", "state", state, "sport", "=", str(port)).strip()

    return until(rows, f"{state} on port {port}", DEADLINE)


__all__ = [
    "HERE", "PORT", "RANGE", "CASES", "add_hole", "allow", "attempt", "binder", "case", "in_state",
    "judge", "me", "outcome", "own_refusal", "pids_of", "refuse", "small_range", "sock_for", "stay",
    "tcp", "timewaits", "udp",
]
