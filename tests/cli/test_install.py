# SPDX-License-Identifier: GPL-2.0-only
"""What `make install` installs: the program and its man pages."""

import os
import re
import shutil
import subprocess

from porttrace_test import DONE, PORTTRACE, ROOT, Skip, check, equal, test

COMMANDS = ("", "ls", "why", "ephemeral", "record", "replay", "doctor")
PAGES = {command: f"porttrace-{command}.1".replace("-.", ".") for command in COMMANDS}


def make(*args):
    """Runs make for the build under test, as a user would: without the flags of a make around the tests."""
    environment = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "DESTDIR")}
    if not os.path.exists(os.path.join(ROOT, "Makefile")):
        raise Skip("the source does not exist here")
    build = os.path.dirname(os.path.abspath(PORTTRACE))
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
              "share/doc/porttrace/causes.md", "share/doc/porttrace/json-schema.md",
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
