# SPDX-License-Identifier: GPL-2.0-only
"""Where the outputs of stories.py are kept, and what of them must be the same in every run."""

import glob
import os
import re

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DOCUMENTS = ["README.md", *sorted(os.path.relpath(path, ROOT) for path in glob.glob(f"{ROOT}/docs/*.1.md"))]
# The marker, an empty line or the ``` of a block, and the lines of the block.
BLOCK = re.compile(r"^<!-- output: (\S+) -->\n(?:\n((?:    .*\n|\n(?=    ))+)|```\n((?:.*\n)*?)```\n)", re.M)

# What differs between two runs.
VARIES = (
    (r"porttrace \d+\.\d+ ", "porttrace VERSION "),
    (r"Linux \S+", "Linux RELEASE"),
    (r"probes \w+", "probes BACKEND"),
    (r"\d\d:\d\d:\d\d(\.\d+)?", "TIME"),
    (r"\d{4}/\d\d/\d\d", "DATE"),
    (r"^[\d.]+ +(?=[a-z])", "TIME "),  # --time=relative
    (r"\b42\d\d\b", "PID"),  # terminal.FIRST_PID
    (r"\b402653\d{4}\b", "NETNS"),
    (r":(3[2-9]\d{3}|4\d{4}|5\d{4}|60\d{3})\b", ":EPHEMERAL"),
    (r"\b\d[\d.,]*\s+(s|ms|µs|min|h|more seconds)(?=\W|$)", "DURATION"),
    (r"\b[\d.,]+/s", "RATE"),
    (r"Couldn't connect", "Could not connect"),  # curl before 8.10
    (r"\S*…", "…"),  # where a line is cut depends on what is before
    (r"\s+", " "),  # the width of a column, and where a sentence is wrapped, depend on what is in it
)


def shape(text):
    """What of an output is the same in every run."""
    for pattern, word in VARIES:
        text = re.sub(pattern, word, text, flags=re.M)
    return text.strip()


def as_typed(document, text):
    """In README.md a command of root is written with sudo, to be copied."""
    return re.sub(r"\A# ", "$ sudo ", text) if document == "README.md" else text


def read(document):
    with open(os.path.join(ROOT, document), encoding="utf-8") as file:
        return file.read()


def blocks(document):
    """{name: text} of the outputs in a document."""
    return {m[1]: re.sub(r"^    ", "", m[2], flags=re.M).rstrip() if m[2] else m[3].rstrip()
            for m in BLOCK.finditer(read(document))}  # fmt: skip


def outputs_without_marker(document):
    """First lines of blocks that show what porttrace prints, and have no marker."""
    text = BLOCK.sub("", read(document))
    text = re.sub(r"[|\\]\n +", "", text)  # a command of several lines
    found = re.findall(r"^(    [#$] .*porttrace.*\n(?:    (?![#$] ).*\n)+)", text, re.M)
    found += re.findall(r"^```\n([#$] .*porttrace.*\n(?:(?!```|[#$] ).*\n)+)", text, re.M)
    return [block.split("\n")[0].strip() for block in found]


def with_block(document, name, output):
    """The document's text with another output."""

    def replaced(match):
        if match[1] != name:
            return match[0]
        if match[3] is not None:
            return f"<!-- output: {name} -->\n```\n{output}\n```\n"
        return f"<!-- output: {name} -->\n\n" + "".join(f"    {line}".rstrip() + "\n" for line in output.split("\n"))

    return BLOCK.sub(replaced, read(document))


def screen_path(name, size):
    return os.path.join(ROOT, "docs/screens", f"{name}-{size}.txt")
