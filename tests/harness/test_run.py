#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Unit tests of tests/run and .ci/run (counts, and what is a failure), and of Screen in the live tests."""

import contextlib
import importlib.machinery
import importlib.util
import io
import os
import select
import stat
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.dont_write_bytecode = True  # do not write bytecode beside tests/run, whose name does not end in .py


def load():
    loader = importlib.machinery.SourceFileLoader("tests_run", os.path.join(ROOT, "tests/run"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("tests_run", loader))
    loader.exec_module(module)
    return module


tests_run = load()
sys.path.insert(0, os.path.join(ROOT, "tests/live"))
import porttrace_test  # noqa: E402 (its folder is not a package)


def quietly(function, *args, **more):
    """Returns (return value, output)."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        result = function(*args, **more)
    return result, out.getvalue()


def counted(passed, failed, skipped, status):
    return ["sh", "-c", f"echo '{passed} passed, {failed} failed, {skipped} skipped'; exit {status}"]


class Script(unittest.TestCase):
    def counts(self, command, **env):
        return quietly(tests_run.script, command, **env)

    def test_counts_of_the_runner(self):
        self.assertEqual(self.counts(counted(3, 0, 1, 0))[0], [3, 0, 1])
        self.assertEqual(self.counts(counted(3, 2, 1, 1))[0], [3, 2, 1])

    def test_no_count_fails(self):
        counts, output = self.counts(["true"])
        self.assertEqual(counts, [0, 1, 0])
        self.assertIn("without a count", output)

    def test_status_without_a_failed_test_fails(self):
        self.assertEqual(self.counts(counted(3, 0, 0, 1))[0], [3, 1, 0])

    def test_missing_sanitizer_build_is_named(self):
        counts, output = self.counts(["true"], PORTTRACE="/nonexistent/san/porttrace")
        self.assertEqual(counts, [0, 1, 0])
        self.assertIn("make SAN=1 BUILD=/nonexistent/san", output)


class Unit(unittest.TestCase):
    def test_missing_sanitizer_build_is_named(self):
        counts, output = quietly(tests_run.unit, "/nonexistent/san")
        self.assertEqual(counts, [0, 1, 0])
        self.assertIn("make SAN=1 BUILD=/nonexistent/san", output)

    def test_a_crash_fails(self):
        with tempfile.TemporaryDirectory() as build:
            os.mkdir(os.path.join(build, "tests"))
            program = os.path.join(build, "tests/test_crash")
            with open(program, "w", encoding="ascii") as file:
                file.write("#!/bin/sh\nkill -SEGV $$\n")
            os.chmod(program, stat.S_IRWXU)
            self.assertEqual(quietly(tests_run.unit, build)[0], [0, 1, 0])


class Groups(unittest.TestCase):
    def test_a_group_that_ran_no_test_fails(self):
        counts, output = quietly(tests_run.run_groups, {"empty": (False, lambda: [0, 0, 0])}, ["empty"])
        self.assertEqual(counts, [0, 1, 0])
        self.assertIn("ran no test", output)

    def test_sums(self):
        available = {"a": (False, lambda: [1, 0, 2]), "b": (False, lambda: [4, 1, 0])}
        self.assertEqual(quietly(tests_run.run_groups, available, ["a", "b"])[0], [5, 1, 2])

    def test_make_check_names_groups(self):
        self.assertLessEqual(set(tests_run.CHECK), set(tests_run.groups("build")))

    def test_unknown_group_is_misuse(self):
        done = subprocess.run([sys.executable, os.path.join(ROOT, "tests/run"), "build", "unti"],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("unti", done.stderr)


class Ci(unittest.TestCase):
    """Tests of .ci/run with test steps instead of its own."""

    def run_steps(self, *steps):
        done = subprocess.run([os.path.join(ROOT, ".ci/run")], capture_output=True, text=True, check=False,
                              env={**os.environ, "CI_STEPS": "\n".join(steps)})
        return done.returncode, done.stdout.splitlines()

    def test_sum_of_all_steps(self):
        status, lines = self.run_steps("echo 2 passed, 0 failed, 1 skipped", "echo 3 passed, 0 failed, 0 skipped")
        self.assertEqual((status, lines[-1]), (0, "5 passed, 0 failed, 1 skipped"))

    def test_a_failed_step_does_not_hide_the_next(self):
        status, lines = self.run_steps("echo 2 passed, 1 failed, 0 skipped; false", "echo 3 passed, 0 failed, 0 skipped")
        self.assertEqual((status, lines[-1]), (1, "5 passed, 1 failed, 0 skipped"))

    def test_a_step_that_breaks_off_is_a_failure(self):
        status, lines = self.run_steps("false", "echo 3 passed, 0 failed, 0 skipped")
        self.assertEqual((status, lines[-1]), (1, "3 passed, 1 failed, 0 skipped"))

    def test_a_step_without_a_count_is_a_failure(self):
        self.assertEqual(self.run_steps("true")[0], 1)


class LateScreen(porttrace_test.Screen):
    """A porttrace whose output arrives just after wait() has searched it."""

    def __init__(self):
        self.out, self.err, self.command = bytearray(), bytearray(), ["porttrace"]
        ours, self.theirs = os.pipe()
        self.pipes = {ours: self.out}
        self.poll = select.poll()
        self.poll.register(ours, select.POLLIN)
        self.is_late = True

    @property
    def text(self):
        text = super().text
        if self.is_late:
            os.write(self.theirs, b"close")
            self.is_late = False
        return text


class Wait(unittest.TestCase):
    def test_output_that_arrives_after_the_search_is_not_waited_for(self):
        began = time.monotonic()
        self.assertTrue(LateScreen().wait("close", 5))
        self.assertLess(time.monotonic() - began, 4)


def main():
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=0).run(
        unittest.defaultTestLoader.loadTestsFromModule(sys.modules["__main__"]))
    failed, skipped = len(result.failures) + len(result.errors), len(result.skipped)
    print(f"{result.testsRun - failed - skipped} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
