# SPDX-License-Identifier: GPL-2.0-only
"""The outputs in README.md, the man pages and docs/screens are those of today's porttrace: their stories run again and
must show the same, apart from what differs between any two runs. `make docs-outputs` writes them again."""

import fcntl
import os
import shutil
import sys

from porttrace_test import PORTTRACE, ROOT, Skip, check, test

sys.path.insert(0, os.path.join(ROOT, "tests/screens"))

# pylint: disable=wrong-import-position
import documents
import stories
import terminal

OWN_TRACER = True
TRIES = 3  # other tests may use the same port in another namespace, and a busy machine may be late


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            raise Skip(f"no {program} here (sudo make deps-test)")
    if not os.path.isdir(os.path.join(ROOT, "docs/screens")):
        raise Skip("the documents do not exist here")
    if programs and not os.path.exists("/proc/sys/kernel/ns_last_pid"):
        raise Skip("this kernel does not let us choose pids (CONFIG_CHECKPOINT_RESTORE), by which we know them on a screen")


def same(name, run, is_like, kept):
    """Runs a story until it shows what is kept. The lock is for the tests of other builds on this machine: the same
    story uses the same ports and users there."""
    need(*terminal.NEEDED, "python3", "nginx", "redis-server", "curl")
    text = ""
    with open(f"/tmp/porttrace-story-{name}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for _ in range(TRIES):
            try:
                text = run(name, PORTTRACE)
                if is_like(text):
                    return
            except terminal.Late as late:
                text = str(late)
    check(False, f"{name}: if this is right, `make docs-outputs` updates the documents.\nkept:\n{kept}\nnow:\n{text}")


def kept_screens(name):
    need()
    paths = [documents.screen_path(name, f"{columns}x{rows}") for columns, rows in stories.SIZES]
    check(all(map(os.path.exists, paths)), f"run `make docs-outputs`: no screens of {name}")
    return dict(zip((f"{columns}x{rows}" for columns, rows in stories.SIZES), map(documents.read, paths)))


def screen_test(name):
    def shows_the_screens_of(_):
        kept = kept_screens(name)
        same(name, stories.run_screen,
             lambda texts: all(stories.is_like_screen(name, kept[size], texts[size]) for size in kept), kept)  # fmt: skip

    shows_the_screens_of.__name__ = f"shows_{name}"
    return test(netns=False)(shows_the_screens_of)


def output_test(document, name):
    def prints_what_is_in(_):
        kept = documents.blocks(document)[name]
        same(name, stories.run_output,
             lambda text: stories.is_like_output(name, kept, documents.as_typed(document, text)), kept)  # fmt: skip

    prints_what_is_in.__name__ = f"prints_{name}_of_{os.path.basename(document)}"
    return test(netns=False)(prints_what_is_in)


for story in stories.SCREENS:
    screen_test(story)
for page in documents.DOCUMENTS:
    for marked in documents.blocks(page):
        output_test(page, marked)


@test(netns=False, root=False)
def every_output_has_a_story(_):
    """No document has an output that was typed by hand, and every story has a document."""
    need()
    marked = [name for document in documents.DOCUMENTS for name in documents.blocks(document)]
    check(sorted(marked) == sorted(stories.OUTPUTS), f"in documents: {sorted(marked)}, stories: {sorted(stories.OUTPUTS)}")
    by_hand = [(d, line) for d in documents.DOCUMENTS for line in documents.outputs_without_marker(d)]
    check(not by_hand, f"outputs without a line `<!-- output: NAME -->` before them: {by_hand}")
    wanted = {f"{name}-{c}x{r}.txt" for name in stories.SCREENS for c, r in stories.SIZES} | {"README.md"}
    there = set(os.listdir(os.path.join(ROOT, "docs/screens")))
    check(there == wanted, f"in docs/screens: missing {sorted(wanted - there)}, not needed {sorted(there - wanted)}")


@test(netns=False, root=False)
def screens_fit_their_terminals(_):
    """A kept screen is no wider and no higher than its terminal."""
    for name in stories.SCREENS:
        for (columns, rows), text in zip(stories.SIZES, kept_screens(name).values()):
            lines = text.splitlines()
            wide = [line for line in lines if len(line) > columns]
            check(len(lines) <= rows and not wide, f"{name} on {columns}x{rows}: {len(lines)} rows, too wide: {wide}")
