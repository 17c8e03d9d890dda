# SPDX-License-Identifier: GPL-2.0-only
"""Remedies for containers, done by a real docker.

dockerd runs in the network namespace of the test and in a mount namespace of its own, with its data in a temporary folder
and one image, which has a static busybox only. test_supervisors.py has what does not fit in there: podman, user managers.
"""

import contextlib
import io
import json
import os
import shutil
import signal
import subprocess
import tarfile
import time

from porttrace_test import SLOW, Skip, can_bind, check, equal, test, until
from remedy_table import print_remedy

OWN_TRACER = True

PORT = 6201
RESTART_S = 1  # docker starts a container that has ended at once


class Docker:
    def __init__(self, t):
        self.t = t
        self.dockerd, self.busybox = shutil.which("dockerd"), shutil.which("busybox")
        if not self.dockerd or not self.busybox:
            raise Skip("no dockerd and busybox on this machine; see 'tools/install-deps docker'")
        self.process, self.folder = None, t.temp()
        self.host = f"unix://{self.folder}/sock"

    def __enter__(self):
        self.log = open(os.path.join(self.folder, "log"), "w+", encoding="utf-8", errors="replace")
        self.process = subprocess.Popen(
            ["unshare", "--mount", self.dockerd, "--data-root", f"{self.folder}/data", "--exec-root", f"{self.folder}/exec",
             "--pidfile", f"{self.folder}/pid", "--host", self.host, "--storage-driver", "vfs", "--iptables=false",
             "--ip6tables=false"], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        try:
            until(lambda: self.process.poll() is not None or self.run("info").returncode == 0, "dockerd answers", 30 * SLOW)
            if self.process.poll() is not None:
                self.log.seek(0)
                raise Skip(f"dockerd does not run here: {self.log.read().splitlines()[-1:]}")
            self.make_image()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            for container in self.run("ps", "--all", "--quiet").stdout.split():
                self.run("rm", "--force", container)
            self.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(20 * SLOW)
        self.process.kill()
        self.process.wait()
        self.log.close()

    def run(self, *args, command=None, stdin=b""):
        done = subprocess.run(command or ["docker", *args], input=stdin, capture_output=True, check=False, timeout=60 * SLOW,
                              env={**os.environ, "DOCKER_HOST": self.host})
        done.stdout, done.stderr = done.stdout.decode(), done.stderr.decode()
        return done

    def make_image(self):
        image = io.BytesIO()
        with tarfile.open(fileobj=image, mode="w") as tar:
            tar.add(self.busybox, "bin/busybox")
        done = self.run("import", "-", "pt:1", stdin=image.getvalue())
        equal(done.returncode, 0, f"docker import ({done.stderr})")

    def serve(self, port, *options):
        """A container whose web server has the port; returns its id."""
        done = self.run("run", "--detach", "--stop-timeout=1", *options, "pt:1", "/bin/busybox", "httpd", "-f", "-p", str(port))
        equal(done.returncode, 0, f"docker run ({done.stderr})")
        return done.stdout.strip()

    def stop(self):
        """Runs the command that stops, exactly as printed; the port is free, and stays so."""
        until(lambda: not can_bind(PORT), "the container has the port", 20 * SLOW)
        answer = json.loads(self.t.command("why", "--json", f"tcp:127.0.0.1:{PORT}").stdout)
        remedy = answer["remedies"][0]
        equal((remedy["action"], remedy["effect"]), ("stop_container", "now"), f"{answer}")
        done = self.run(command=["sh", "-c", remedy["command"]])
        equal(done.returncode, 0, f"exit status of {remedy['command']} ({done.stderr})")
        check(can_bind(PORT), f"the port is free after {remedy['command']}")
        time.sleep(RESTART_S)
        check(can_bind(PORT), f"the port is still free a moment after {remedy['command']}")
        print_remedy(answer["cause"], remedy, True)
        return answer


@test()
def containers(t):
    """Each with --restart=always: one whose port docker publishes, which docker-proxy holds; one in the network of the host."""
    with Docker(t) as docker:
        docker.serve(80, "--restart=always", f"--publish=127.0.0.1:{PORT}:80")
        answer = docker.stop()
        equal(answer["holders"][0]["pids"][0]["comm"], "docker-proxy", "the holder")
        container = docker.serve(PORT, "--restart=always", "--network=host")
        answer = docker.stop()
        equal(answer["holders"][0]["pids"][0]["container"], container, "the container of the holder")
