# SPDX-License-Identifier: GPL-2.0-only
"""`porttrace why` before a bind(): what it foretells must be what the kernel then says."""

import json
import os
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


# What is left of a connection is in no process, and who left it was not seen.
OWNERLESS = ("time-wait", "time-wait-holder-noreuse", "fin-wait2", "orphan")


def arguments(options):
    """The options of a socket on the command line; None: one of them cannot be said there."""
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
    """Asks what would become of this bind. error, cause, pids: what the bind is about to show."""
    args = arguments(options)
    # `why` uses no probes: in the matrix of kernels and backends once for each kernel is enough.
    if args is None or os.environ.get("PORTTRACE_PREDICT") == "0":
        return None
    question_text = question(make, where, protocol)
    done = t.command("why", "--json", *args, *(["--uid", uid] if uid is not None else []), question_text)
    equal(done.stderr, b"", f"stderr of why {question_text}")
    answer = json.loads(done.stdout)
    equal(done.returncode, 0 if answer["free"] else 1, f"exit status of why {question_text}")
    equal(answer["free"], error is None, f"free, where bind says {error}: {answer}")
    if error:
        equal(answer.get("cause"), cause, f"cause foretold ({answer['why']})")
        check(error in ERRORS.get(cause, ("EADDRINUSE",)), f"{error} is not of {cause}")
    if pids is not None and cause not in ERRORS:
        found = {p["pid"] for holder in answer["holders"] for p in holder.get("pids", [])}
        equal(found, set() if cause in OWNERLESS else set(pids), f"pids of the holders foretold ({answer['holders']})")
    return answer
