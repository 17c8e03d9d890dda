# SPDX-License-Identifier: GPL-2.0-only
"""Terminals on a machine of their own: tmux in new pid, network and mount namespaces, with `porttrace` in PATH.

Everything that runs there ends with it. Loopback is its only network device. It has the users of this machine and those
of USERS; /root, /home, /srv, /run and /var/log are empty.
"""

import os
import re
import shlex
import shutil
import subprocess
import tempfile
import time

DEADLINE = 30 * float(os.environ.get("PORTTRACE_SLOW", "1"))  # seconds
NEEDED = ("tmux", "setpriv", "unshare", "nsenter", "ip", "mount")
USERS = {"alice": 3001, "bob": 3002, "worker": 3003, "batch": 3004, "carol": 3005}
# Pids begin here, if the kernel lets us choose (CONFIG_CHECKPOINT_RESTORE), so that they have four digits.
FIRST_PID = 4200

# Becomes process 1 of the pid namespace, which collects exited processes until it is killed.
INIT = """
set -eu
dir=$1 users=$2 pid=$3
mount --make-rprivate /
for empty in /root /home /srv /run /var/log; do mount -t tmpfs -o mode=755 none $empty; done
cp /etc/passwd $dir/passwd
echo "$users" >> $dir/passwd
mount --bind $dir/passwd /etc/passwd
echo "$users" | while IFS=: read -r user _; do mkdir /home/$user && chown $user /home/$user; done
mkdir /var/log/nginx
ip link set lo up
echo $pid > /proc/sys/kernel/ns_last_pid || true
tmux -S $dir/tmux -f $dir/tmux.conf new-session -d -s others
exec python3 -c '
import os
while True:
    os.wait()
'
"""

TMUX = """
set -g status off
set -g default-terminal screen-256color
set -g history-limit 5000
"""


class Late(AssertionError):
    """Something did not appear in time. The message has the screen."""


def home(user):
    return "/root" if user == "root" else f"/home/{user}"


class Machine:
    """`with Machine(porttrace, [(80, 24), (120, 40)]) as machine`: one terminal of each size, in columns and rows.

    Commands are typed in all of them at once. start() runs other programs, on terminals that are not shown.
    """

    def __init__(self, porttrace, sizes, user="root"):
        self.dir = tempfile.mkdtemp(prefix="porttrace-terminal-")
        os.chmod(self.dir, 0o755)
        os.mkdir(f"{self.dir}/bin")
        shutil.copy(porttrace, f"{self.dir}/bin/porttrace")
        for name, text in (("tmux.conf", TMUX), ("bashrc", r"PS1='\$ '" + "\n")):
            with open(f"{self.dir}/{name}", "w", encoding="ascii") as file:
                file.write(text)
        self.environment = {
            "PATH": f"{self.dir}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": "/root",
            "LC_ALL": "C.UTF-8",
            "SHELL": "/bin/sh",
        }
        users = "\n".join(f"{name}:x:{uid}:{uid}::{home(name)}:/bin/bash" for name, uid in USERS.items())
        self.output = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "unshare", "--pid", "--net", "--mount", "--fork", "--kill-child", "--mount-proc",
             "sh", "-c", INIT, "init", self.dir, users, str(FIRST_PID)],
            env=self.environment, stdin=subprocess.DEVNULL, stdout=self.output, stderr=subprocess.STDOUT)  # fmt: skip
        self.terminals = [f"{columns}x{rows}" for columns, rows in sizes]
        try:
            self._open(sizes, user)
        except BaseException:
            self.close()
            raise

    def _open(self, sizes, user):
        self.until(lambda: self._tmux("has-session", "-t", "others").returncode == 0, "tmux runs")
        for terminal, (columns, rows) in zip(self.terminals, sizes):
            self._tmux("new-session", "-d", "-s", terminal, "-x", str(columns), "-y", str(rows), "-c", home(user),
                       self._shell(user))  # fmt: skip
        self._wait_for_prompts(1)

    def _shell(self, user):
        """The command of a user's interactive shell."""
        shell = f"bash --rcfile {self.dir}/bashrc"
        if user == "root":
            return shell
        return f"setpriv --reuid {USERS[user]} --regid {USERS[user]} --clear-groups env HOME={home(user)} {shell}"

    def _tmux(self, *args):
        return subprocess.run(["tmux", "-S", f"{self.dir}/tmux", *args], env=self.environment, capture_output=True, text=True,
                              check=False)  # fmt: skip

    def _wait_for_prompts(self, count):
        def all_there():
            return all(len(re.findall(r"^[#$]", self.lines(name), re.M)) >= count for name in self.terminals)

        self.until(all_there, "the prompt")

    def lines(self, terminal=None):
        """What a terminal (the first) shows, and what has scrolled off it."""
        return self._tmux("capture-pane", "-p", "-J", "-t", terminal or self.terminals[0], "-S", "-").stdout.rstrip()

    def screens(self):
        """{"80x24": what this terminal shows}"""
        return {name: self._tmux("capture-pane", "-p", "-t", name).stdout.rstrip() for name in self.terminals}

    def until(self, fact, what):
        end = time.monotonic() + DEADLINE
        while not fact():
            if time.monotonic() > end or self.process.poll() is not None:
                self.output.seek(0)
                raise Late(f"did not happen: {what}\n{self.lines()}\n{self.output.read()}")
            time.sleep(0.02)

    def wait(self, pattern):
        """Waits until every terminal has shown a regular expression."""
        self.until(lambda: all(re.search(pattern, self.lines(name), re.M) for name in self.terminals), repr(pattern))

    def type(self, text):
        """Types a line in every terminal."""
        for name in self.terminals:
            self._tmux("send-keys", "-t", name, "-l", text)
            self._tmux("send-keys", "-t", name, "Enter")

    def run(self, command):
        """Types a command in every terminal and waits until it has ended."""
        before = len(re.findall(r"^[#$]", self.lines(), re.M))
        self.type(command)
        self._wait_for_prompts(before + 1)

    def forget(self):
        """Clears the terminals, and what has scrolled off them."""
        self.type("clear")

        def is_empty():
            for name in self.terminals:
                self._tmux("clear-history", "-t", name)
            return all(self.lines(name) in "#$" for name in self.terminals)

        self.until(is_empty, "clear")

    def interrupt(self):
        """Presses Ctrl-C, and waits until the program has ended."""
        before = len(re.findall(r"^[#$]", self.lines(), re.M))
        for name in self.terminals:
            self._tmux("send-keys", "-t", name, "C-c")
        self._wait_for_prompts(before + 1)

    def start(self, command, user="root", cwd=None, until=None):
        """Types a command in a shell of this user, on another terminal, and waits until it has printed a regular
        expression. Returns what it has printed."""
        pane = self._tmux("new-window", "-d", "-P", "-F", "#{pane_id}", "-t", "others:", "-c", cwd or home(user),
                          self._shell(user)).stdout.strip()  # fmt: skip
        self._tmux("send-keys", "-t", pane, "-l", command)
        self._tmux("send-keys", "-t", pane, "Enter")
        self.until(lambda: not until or re.search(until, self.lines(pane), re.M), f"{command}: {until!r}")
        return pane

    def stop(self, pane):
        """Presses Ctrl-C on a terminal of start()."""
        self._tmux("send-keys", "-t", pane, "C-c")

    def inside(self, command):
        """Runs a shell command without a terminal."""
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children", encoding="ascii") as file:
            init = file.read().strip()
        subprocess.run(["nsenter", "-t", init, "-a", "sh", "-c", command], check=True, capture_output=True)

    def write(self, path, text):
        self.inside(f"printf %s {shlex.quote(text)} > {path}")

    def close(self):
        self.process.kill()
        self.process.wait()
        self.output.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
