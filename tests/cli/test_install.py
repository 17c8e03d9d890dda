# SPDX-License-Identifier: GPL-2.0-only
"""What `make install` installs: the program, its man pages, and the completions of shells."""

import fcntl
import os
import pty
import pwd
import re
import select
import shutil
import subprocess

from porttrace_test import DEADLINE, DONE, PORTTRACE, ROOT, Skip, check, equal, test, until

COMMANDS = ("", "ls", "why", "ephemeral", "record", "replay", "doctor")
PAGES = {command: f"porttrace-{command}.1".replace("-.", ".") for command in COMMANDS}

COMPLETIONS = {
    "bash": "share/bash-completion/completions/porttrace",
    "zsh": "share/zsh/site-functions/_porttrace",
    "fish": "share/fish/vendor_completions.d/porttrace.fish",
}
# Asks bash's completion about the words of a command line, of which the last one is being typed.
ASK_BASH = """
source "$1"; shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
"$(complete -p porttrace | sed 's/.* -F \\([^ ]*\\) .*/\\1/')"
printf '%s\\n' "${COMPREPLY[@]}"
"""


def make(*args):
    """Runs make for the build under test, as a user would: without the flags of a make around the tests."""
    environment = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "DESTDIR")}
    if not os.path.exists(os.path.join(ROOT, "Makefile")):
        raise Skip("the source does not exist here")
    build = os.path.dirname(os.path.abspath(PORTTRACE))
    with open(os.path.join(build, "make.lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # other tests call make too, for the same files
        done = subprocess.run(["make", f"BUILD={os.path.relpath(build, ROOT)}", *args], cwd=ROOT, env=environment,
                              capture_output=True, text=True, check=False)  # fmt: skip
    equal(done.returncode, 0, f"exit status of make {args}: {done.stderr}")


def files(root):
    """{path below root: permissions} of every file."""
    found = [os.path.join(path, name) for path, _, names in os.walk(root) for name in names]
    return {os.path.relpath(path, root): os.stat(path).st_mode & 0o777 for path in found}


def options(t, command):
    """The options in --help: [(letter or "", name)], with their dashes."""
    text = t.command(*command.split(), "--help").stdout.decode()
    return re.findall(r"^  (?:(-\w), |    )(--[\w-]+)", text, re.M)


def page(command):
    path = os.path.join(ROOT, "docs", PAGES[command] + ".md")
    if not os.path.exists(path):
        raise Skip("the source does not exist here")
    with open(path, encoding="utf-8") as file:
        return file.read()


@test(netns=False, root=False)
def install_and_uninstall(t):
    """Every file is below DESTDIR and PREFIX; `make uninstall` removes these files and no other."""
    root = t.temp()
    other = os.path.join(root, "opt/pt/share/doc/porttrace/of-the-user")
    os.makedirs(os.path.dirname(other))
    with open(other, "w", encoding="ascii"):
        pass
    make("install", f"DESTDIR={root}", "PREFIX=/opt/pt")
    installed = files(root)
    equal(installed.pop("opt/pt/bin/porttrace", None), 0o755, "permissions of the program")
    wanted = {*(f"share/man/man1/{name}" for name in PAGES.values()),
              "share/doc/porttrace/causes.md", "share/doc/porttrace/json-schema.md", *COMPLETIONS.values(),
              "share/doc/porttrace/of-the-user"}  # fmt: skip
    equal(set(installed), {"opt/pt/" + name for name in wanted}, "files")
    equal(set(installed.values()), {0o644}, "permissions")
    done = subprocess.run([os.path.join(root, "opt/pt/bin/porttrace"), "-V"], check=False, capture_output=True)
    equal(done.returncode, DONE, "exit status of the installed program")
    make("uninstall", f"DESTDIR={root}", "PREFIX=/opt/pt")
    equal(list(files(root)), [os.path.relpath(other, root)], "files after uninstall")


@test(netns=False, root=False)
def man_pages_are_valid_roff(t):
    """man shows each without a warning: title, version, minus signs that can be searched for, and whole examples."""
    if not shutil.which("man"):
        raise Skip("no man here (package man-db)")
    root = t.temp()
    make("install", f"DESTDIR={root}", "PREFIX=/usr")
    version = t.command("-V").stdout.decode().strip()
    for command, name in PAGES.items():
        with open(f"{root}/usr/share/man/man1/{name}", encoding="utf-8") as file:
            done = subprocess.run(["man", "--warnings", "-l", "-"], stdin=file, check=False, text=True, capture_output=True,
                                  env={**os.environ, "MANWIDTH": "200", "LC_ALL": "C.UTF-8"})  # fmt: skip
        equal((done.returncode, done.stderr), (0, ""), f"man {name}")
        lines = re.sub(r".\x08", "", done.stdout).splitlines()
        check(lines[0].startswith(name[:-2].upper() + "(1)"), f"{name}: {lines[0]!r}")
        check(lines[-1].startswith(version), f"{name}: {lines[-1]!r}")
        for section in ("NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXAMPLES"):
            check(section in lines, f"{name} has no section {section}")
        shown = {line.strip() for line in lines}
        example = re.search(r"^## EXAMPLES\n(.*?)^## ", page(command), re.S | re.M)[1]
        for line in re.findall(r"^    (.*)", example, re.M):
            check(line.strip() in shown, f"{name}: this line of an example is missing: {line!r}")


@test(netns=False, root=False)
def without_go_md2man(_):
    """The message says what to do."""
    tool = os.path.join(ROOT, "tools/man-page")
    if not os.path.exists(tool):
        raise Skip("the source does not exist here")
    done = subprocess.run([tool, "docs/porttrace.1.md", "0"], env={"PATH": "/nonexistent"}, check=False, text=True,
                          capture_output=True)  # fmt: skip
    equal((done.returncode, done.stdout), (1, ""), "exit status and output")
    equal(done.stderr, "man-page: go-md2man is missing: 'sudo make deps' installs it (package go-md2man)\n", "message")


@test(netns=False, root=False)
def help_and_man_pages_have_the_same_options(t):
    """The page of porttrace names each option in both forms. That of a command may name an option that porttrace has
    too by one form."""
    for command in COMMANDS:
        described = re.search(r"^## OPTIONS\n(.*?)^## ", page(command), re.S | re.M)[1]
        named = {re.split(r"[= ]", token)[0] for token in re.findall(r"`(-[^`]*)`", described)}
        listed = options(t, command)
        check(len(listed) > 3, f"options in the help of {command or 'porttrace'}: {listed}")
        missing = [pair for pair in listed if not set(pair) - {""} <= named and not (command and set(pair) & named)]
        equal(missing, [], f"options in --help that {PAGES[command]} does not name")
        every = {form for pair in listed for form in pair}
        equal(sorted(named - every), [], f"options in {PAGES[command]} that --help does not list")


# --- completions of shells ------------------------------------------------------------------------


def completion(t, shell):
    """The installed file."""
    root = t.temp()
    make("install", f"DESTDIR={root}", "PREFIX=/usr")
    return os.path.join(root, "usr", COMPLETIONS[shell])


def run(*command, **environment):
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=DEADLINE,
                          env={**os.environ, **environment}, stdin=subprocess.DEVNULL)  # fmt: skip
    equal((done.returncode, done.stderr), (0, ""), f"status and stderr of {command}")
    return done.stdout


@test(netns=False, root=False)
def bash_completion(t):
    """It offers the commands, every option of --help and no other, and the values of options."""
    script, commands = completion(t, "bash"), t.temp()
    for name, text in (("ip", "blue (id: 0)\ngreen"), ("systemctl", "\n/system.slice/nginx.service")):
        path = os.path.join(commands, name)
        with open(path, "w", encoding="ascii") as file:
            file.write(f"#!/bin/sh\nprintf '{text}\\n'\n")
        os.chmod(path, 0o755)

    def ask(*words):
        out = run("bash", "-c", ASK_BASH, "bash", script, "porttrace", *words, PATH=f"{commands}:{os.environ['PATH']}")
        return out.split()

    equal(sorted(ask("")), sorted(COMMANDS[1:]), "first words")
    for command in COMMANDS:
        listed = {form for pair in options(t, command) for form in pair if form}
        equal({word.rstrip("=") for word in ask(*command.split(), "-")}, listed, f"options of {command or 'porttrace'}")
    for words, values in (
        (("ephe",), ["ephemeral"]),
        (("--event", "=", "bi"), ["bind"]),
        (("-e", "bind,li"), ["bind,listen"]),
        (("--user", "=", "roo"), ["root"]),
        (("ls", "--user", "="), sorted({user.pw_name for user in pwd.getpwall()})),
        (("-N", ""), ["blue", "green"]),
        (("--cgroup", "="), ["/system.slice/nginx.service"]),
        (("why", "--device", "=", "l"), ["lo"]),
        (("record", f"{commands}/sys"), [f"{commands}/systemctl"]),
        (("ls", "-p", ""), []),  # takes no value there
    ):
        equal(sorted(set(ask(*words))), values, f"{words}")
    check(str(os.getpid()) in ask("-p", ""), "the process of this test is not offered")


@test(netns=False, root=False)
def fish_completion(t):
    if not shutil.which("fish"):
        raise Skip("no fish here")
    script = completion(t, "fish")
    run("fish", "--no-config", "-n", script)

    def ask(line):
        out = run("fish", "--no-config", "-c", f"source {script}; complete -C '{line}'", HOME=t.temp())
        return [row.split("\t")[0] for row in out.splitlines()]

    equal(sorted(ask("porttrace ")), sorted(COMMANDS[1:]), "first words")
    listed = [name for _, name in options(t, "why")]
    equal(sorted(ask("porttrace why --")), sorted(listed), "options of why")
    equal(ask("porttrace --event=bi"), ["--event=bind"], "an event")


@test(netns=False, root=False)
def zsh_completion(t):
    """An interactive zsh completes what is typed."""
    if not shutil.which("zsh"):
        raise Skip("no zsh here")
    script = completion(t, "zsh")
    run("zsh", "-f", "-n", script)
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ["TERM"] = "xterm"
        os.execvp("zsh", ["zsh", "-f", "-i"])
    shown = ""

    def shows(pattern):
        nonlocal shown
        while select.select([terminal], [], [], 0)[0]:
            shown += os.read(terminal, 65536).decode(errors="replace")
        return re.search(pattern, shown)

    try:
        os.write(terminal, f"fpath=({os.path.dirname(script)} $fpath); autoload -Uz compinit; compinit -u -D; PS1=rea'dy> '\n"
                 .encode())  # fmt: skip
        until(lambda: shows("ready> "), "zsh starts")
        for typed, completed in (("porttrace ephem", "ephemeral "), ("porttrace ls --list", "--listening "),
                                 ("porttrace --event=bi", "--event=bind"), ("porttrace -u roo", "root ")):  # fmt: skip
            shown = ""
            os.write(terminal, typed.encode() + b"\t")
            until(lambda wanted=completed: shows(re.escape(wanted[:-1])), f"{typed} becomes {completed}: {shown!r}")
            os.write(terminal, b"\x15")  # deletes the line
    finally:
        os.close(terminal)
        os.kill(pid, 9)
        os.waitpid(pid, 0)
