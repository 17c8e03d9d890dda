# SPDX-License-Identifier: GPL-2.0-only
"""A container's name is that of its network namespace, and its id is said once."""

import json
import os
import re
import subprocess

from porttrace_test import PORTTRACE, Skip, cgroup2_mount, check, equal, netns_inode, tcp, test

OWN_TRACER = True
ID = "c0ffee" * 10 + "abcd"
# The directory of docker exists only in the mount namespace of this command.
RUN = 'mount -t tmpfs tmpfs /var/lib && mkdir -p /var/lib/docker/containers/$ID && \
echo "{\\"Name\\":\\"/pt-web\\"}" > /var/lib/docker/containers/$ID/config.v2.json && exec "$@"'


def serve(me, cgroup):
    with open(os.path.join(cgroup, "cgroup.procs"), "w", encoding="ascii") as file:
        file.write(str(os.getpid()))
    with tcp(("127.0.0.1", 6001), backlog=9):
        me.send(netns_inode())
        me.receive()


def ls(*args):
    return subprocess.run(
        ["unshare", "-m", "sh", "-c", RUN, "sh", PORTTRACE, "ls", "-l", *map(str, args)],
        env={**os.environ, "ID": ID},
        check=True,
        capture_output=True,
        text=True,
    ).stdout


@test()
def of_docker(t):
    if not os.path.isdir("/var/lib"):
        raise Skip("there is no /var/lib to mount over")
    cgroup = os.path.join(cgroup2_mount(), f"docker-{ID}.scope")
    os.mkdir(cgroup)
    try:
        server = t.fork(serve, cgroup, netns="new")
        inode = server.receive()
        text = ls(6001)
        record = next(r for r in map(json.loads, ls("--json", 6001).splitlines()) if r["netns"] == inode)
        server.send()
        server.wait()
    finally:
        os.rmdir(cgroup)
    wanted = {"netns_name": "pt-web", "container": ID, "container_name": "pt-web", "unit": f"docker-{ID}.scope"}
    equal({key: record.get(key) for key in wanted}, wanted, "names")
    line = next(line for line in text.splitlines() if str(server.pid) in line)
    check(re.match(r"pt-web +\d+ ", line), f"the namespace is not named\n{text}")
    check(line.endswith("container pt-web") and ID[:12] not in line, f"the id besides the name\n{text}")
