# SPDX-License-Identifier: GPL-2.0-only
"""Runs `porttrace why` before a bind(): the kernel must then return what it predicted."""

import json
import os
import re
import socket

from porttrace_test import DUAL, IP_FREEBIND, IPPROTO_MPTCP, REUSEADDR, REUSEPORT, V6ONLY, check, equal, udp

ARGUMENTS = {
    REUSEADDR: ["--reuseaddr"],
    REUSEPORT: ["--reuseport"],
    V6ONLY: ["--v6only"],
    DUAL: [],
    (socket.IPPROTO_IP, IP_FREEBIND, 1): ["--freebind"],
}
ERRORS = {
    "privileged-port": ("EACCES",),
    "not-local-address": ("EADDRNOTAVAIL",),
    "address-tentative": ("EADDRNOTAVAIL",),
    "scope-missing": ("EINVAL", "ENODEV"),
    "bad-address": ("EINVAL",),
}


# No process has these sockets open, and porttrace did not run when their process closed them.
OWNERLESS = ("time-wait", "time-wait-holder-noreuse", "fin-wait2", "orphan")


def arguments(options):
    """The socket options as options of `why`; None: `why` has no option for one of them."""
    args = []
    for option in options:
        if option[:2] == (socket.SOL_SOCKET, socket.SO_BINDTODEVICE):
            args += ["--device", option[2].rstrip(b"\0").decode()]
        elif option in ARGUMENTS:
            args += ARGUMENTS[option]
        else:
            return None
    return args


def question(make, where, protocol=0):
    name = "mptcp" if protocol == IPPROTO_MPTCP else make.__name__
    address = f"[{where[0]}]" if ":" in where[0] else where[0]
    return f"{name}:{address}:{where[1]}"


def check_prediction(t, make, where, options=(), uid=None, protocol=0, error=None, cause=None, pids=None):
    """Runs `why` for this bind() and checks the answer. error, cause, pids: the expected result of the bind()."""
    args = arguments(options)
    # `why` uses no probes: the matrix of kernels and backends runs it once for each kernel.
    if args is None or os.environ.get("PORTTRACE_PREDICT") == "0":
        return None
    question_text = question(make, where, protocol)
    done = t.command("why", "--json", *args, *(["--uid", uid] if uid is not None else []), question_text)
    equal(done.stderr, b"", f"stderr of why {question_text}")
    answer = json.loads(done.stdout)
    equal(done.returncode, 0 if answer["free_with_reuseaddr"] else 1, f"exit status of why {question_text}")
    equal(answer["free"], error is None, f"free, where bind() returns {error}: {answer}")
    if error:
        equal(answer.get("cause"), cause, f"predicted cause ({answer['why']})")
        check(error in ERRORS.get(cause, ("EADDRINUSE",)), f"{error} is not an errno of {cause}")
    if pids is not None and cause not in ERRORS:
        found = {p["pid"] for holder in answer["holders"] for p in holder.get("pids", [])}
        equal(found, set() if cause in OWNERLESS else set(pids), f"pids of the predicted holders ({answer['holders']})")
    return answer


def comparable(remedy, caller):
    """A remedy without what differs between an answer and an event: who calls, seconds that pass, the way into the
    network namespace (the stream is traced from another one)."""
    remedy = dict(remedy)
    remedy.pop("after_s", None)
    # The BPF programs report 16 sockets of a refusal, `why` finds more.
    remedy["text"] = re.sub(r"\bDestroy \d+ ", "Destroy N ", remedy["text"])
    remedy["text"] = re.sub(r"\bWait (up to )?\d+ s", "Wait N s", remedy["text"].replace(caller, "the caller"))
    if "command" in remedy:
        remedy["command"] = re.sub(r"(nsenter --net=\S+|ip netns exec \S+) ", "", remedy["command"])
        remedy["command"] = re.sub(r"^sh -c '([^']*)'$", r"\1", remedy["command"])
    return remedy


def check_same_advice(answer, record):
    """`why` gives the same cause and remedies as the stream for the same sockets. answer: of check_prediction()."""
    if not answer:
        return
    conflict = record["conflict"]
    caller = f"{record['comm']}[{record['pid']}]"
    equal(answer["cause"], conflict["cause"], "cause of why, and of the stream")
    equal([comparable(r, caller) for r in answer.get("remedies", [])],
          [comparable(r, caller) for r in conflict.get("remedies", [])],
          f"remedies of why, and of the stream ({conflict['why']} | {answer['why']})")
    for before, after in zip(answer.get("remedies", []), conflict.get("remedies", [])):
        check(abs(before.get("after_s", 0) - after.get("after_s", 0)) <= 5, f"{before} and {after}")
