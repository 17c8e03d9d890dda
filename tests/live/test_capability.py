# SPDX-License-Identifier: GPL-2.0-only
"""The remedy `grant_capability`: done on a copy of a program, and not offered where it has no effect."""

import os
import shutil
import subprocess

from porttrace_test import NOBODY, Skip, check, equal, require_userns, test
from remedy_table import print_remedy

PYTHON = "/usr/bin/python3"
PORTS = iter(range(600, 700))
BIND = """
import errno, os, socket, sys
if "give-up-root" in sys.argv:
    os.setgid(65534)
    os.setuid(65534)
try:
    socket.socket().bind(("127.0.0.1", int(sys.argv[1])))
    print("bound", flush=True)
except OSError as error:
    print(errno.errorcode[error.errno], flush=True)
sys.stdin.readline()
"""


def program(t, name="pt-server"):
    """A program that is no script's interpreter, as far as its name says."""
    if not os.path.exists(PYTHON):
        raise Skip(f"no {PYTHON}")
    folder = t.temp()
    os.chmod(folder, 0o755)
    path = os.path.join(folder, name)
    shutil.copy(os.path.realpath(PYTHON), path)
    return path


def bind(command, port, *args, user=NOBODY):
    """Starts it; the process, and what its bind() returned."""
    process = subprocess.Popen([*command, "-c", BIND, str(port), *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               text=True, user=user, group=user, env={"PYTHONHOME": "/usr", "PATH": os.environ["PATH"]})
    return process, process.stdout.readline().strip()


def refused(t, command, *args, user=NOBODY):
    """The remedies of a bind() that the privilege refuses, and the port."""
    port = next(PORTS)
    with t.trace() as trace:
        process, said = bind(command, port, *args, user=user)
        try:
            equal(said, "EACCES", "errno of bind()")
            conflict = trace.once(event="bind", errno="EACCES", local_port=port)["conflict"]
        finally:
            process.kill()
            process.wait()
    equal(conflict["cause"], "privileged-port", "cause")
    return conflict["remedies"], port


@test()
def granted(t):
    """setcap, exactly as printed; started again, the program binds the port. Its name only begins like an interpreter's."""
    path = program(t, "node_exporter")
    if os.statvfs(path).f_flag & os.ST_NOSUID:
        raise Skip("the folder is on a file system with nosuid")
    remedies, port = refused(t, [path])
    grant = [r for r in remedies if r["action"] == "grant_capability"]
    equal([(r["effect"], r["command"]) for r in grant], [("restart", f"setcap cap_net_bind_service=+ep {path}")], "remedy")
    subprocess.run(["sh", "-c", grant[0]["command"]], check=True, timeout=20)
    process, said = bind([path], port)
    process.kill()
    process.wait()
    equal(said, "bound", "bind() after the remedy")
    print_remedy("privileged-port", grant[0], True)


@test()
def granted_to_hostile_name(t):
    """The path of a program is one word to the shell."""
    path = program(t, "pt '$(touch MARK)';x")
    remedies, port = refused(t, [path])
    command = [r["command"] for r in remedies if r["action"] == "grant_capability"][0]
    folder = os.path.dirname(path)
    subprocess.run(["sh", "-c", command], check=True, timeout=20, cwd=folder)
    equal(os.listdir(folder), [os.path.basename(path)], "files")
    process, said = bind([path], port)
    process.kill()
    process.wait()
    equal(said, "bound", "bind() after the remedy")


def not_offered(remedies):
    equal([r for r in remedies if r["action"] == "grant_capability"], [], "remedy without effect")
    check([r for r in remedies if r.get("option") == "net.ipv4.ip_unprivileged_port_start"], f"the sysctl is missing: {remedies}")


@test()
def script(t):
    """Every script would get the capability of its interpreter."""
    if not os.path.exists(PYTHON):
        raise Skip(f"no {PYTHON}")
    not_offered(refused(t, [PYTHON])[0])


@test()
def gave_up_root(t):
    """setuid() takes the capability that the file gave."""
    path = program(t)
    subprocess.run(["setcap", "cap_net_bind_service=+ep", path], check=True, timeout=20)
    not_offered(refused(t, [path], "give-up-root", user=0)[0])


@test()
def root_of_user_namespace(t):
    """Its capabilities are those of its own namespace, to which the network does not belong."""
    require_userns()
    path = program(t)
    not_offered(refused(t, ["unshare", "--user", "--map-root-user", path])[0])
    subprocess.run(["setcap", "cap_net_bind_service=+ep", path], check=True, timeout=20)
    not_offered(refused(t, ["unshare", "--user", "--map-root-user", path])[0])


@test()
def no_new_privileges(t):
    path = program(t)
    subprocess.run(["setcap", "cap_net_bind_service=+ep", path], check=True, timeout=20)
    not_offered(refused(t, ["setpriv", "--no-new-privs", path])[0])
