#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""docs/kernels.md, as the matrix writes it; as a program it checks that the file is of this make, or makes it
of what matrix.py left: one vm.json for each machine that was emulated.

    tests/vm/report.py FILE [VM.JSON...]
"""

import json
import os
import re
import sys

HEAD = """# What is seen on which kernel

Written by `make docs-kernels`, which boots the kernels and runs the live tests on them: not by hand.
The facts are those of `porttrace doctor --probes=BACKEND` there, with everything loaded and attached: `yes`,
the backend reports it; `-`, it does not, and doctor says why. Of the tests: passed, failed, skipped.
"""


def facts_of(lines):
    """For each fact: whether doctor reports it as available."""
    inside, facts = False, {}
    for line in lines:
        if line.startswith("facts, and"):
            inside = True
        elif not line:
            inside = False
        elif inside and (row := re.match(r"  ([a-z][a-z-]*) +(-|[a-z]+) ", line + " ")):
            facts[row.group(1)] = row.group(2) != "-"
    return facts


def results(jobs, machine):
    """The results of the guests, as plain data."""
    facts, rows = [], []
    for job in jobs:
        for name in facts_of(job.lines["doctor"]):
            if name not in facts:
                facts.append(name)
    for job in jobs:
        start = job.start_record()
        rows.append({"kernel": start["kernel"] if start else f"{os.path.basename(job.kernel)} {machine}",
                     "backend": job.probes, "tests": list(job.counts),
                     "facts": facts_of(job.lines["doctor"])})
    return {"facts": facts, "rows": rows}


def render(data):
    """The file's text."""
    head = ["kernel", "backend", *data["facts"], "tests"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in data["rows"]:
        seen = ["yes" if row["facts"].get(fact) else "-" for fact in data["facts"]]
        if not row["facts"]:
            seen = ["does not start"] * len(data["facts"])
        tests = ", ".join(map(str, row["tests"]))
        lines.append("| " + " | ".join([row["kernel"], row["backend"], *seen, tests]) + " |")
    return HEAD + "\n" + "\n".join(lines) + "\n"


def join(parts):
    """The results of several runs, as one."""
    facts = list(dict.fromkeys(fact for part in parts for fact in part["facts"]))
    return {"facts": facts, "rows": [row for part in parts for row in part["rows"]]}


def read(text):
    """Parses the file back into the data from which render() made it."""
    table = [[cell.strip() for cell in line.strip("|").split("|")]
             for line in text.splitlines() if line.startswith("|")]
    facts = table[0][2:-1]
    rows = []
    for cells in table[2:]:
        row = {"kernel": cells[0], "backend": cells[1],
               "tests": [int(n) for n in cells[-1].split(",")]}
        seen = cells[2:-1]
        if any(s not in ("yes", "-", "does not start") for s in seen):
            raise ValueError(f"not a cell of the table: {seen}")
        row["facts"] = {f: s == "yes" for f, s in zip(facts, seen) if s != "does not start"}
        rows.append(row)
    return {"facts": facts, "rows": rows}


def write(path, sources):
    """Writes the file from vm.json files."""
    parts = []
    for source in sources:
        with open(source, encoding="utf-8") as file:
            parts.append(json.load(file))
    with open(path, "w", encoding="utf-8") as file:
        file.write(render(join(parts)))


def main():
    if sys.argv[2:]:
        write(sys.argv[1], sys.argv[2:])
    with open(sys.argv[1], encoding="utf-8") as file:
        text = file.read()
    try:
        good = render(read(text)) == text
    except (ValueError, IndexError) as error:
        print(error)
        good = False
    print(f"{'ok  ' if good else 'FAIL'} {sys.argv[1]} is as make docs-kernels writes it")
    print(f"{int(good)} passed, {int(not good)} failed, 0 skipped")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
