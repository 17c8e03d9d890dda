#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The table of causes and remedies: how often each was offered in a test, carried out, and made the call succeed.

    python3 tests/live/porttrace_test.py -v remedies. cases. supervisors. capability. | python3 tests/live/remedy_table.py
"""

import collections
import re
import sys

LINE = re.compile(r"remedy: (\S+) (\S+) (\S+) (worked|not-tried)")


def print_remedy(cause, remedy, tried):
    """A line for the table. A remedy that was tried and did not work fails its test, so it has no line."""
    option = f":{remedy['option']}" if remedy.get("option") else ""
    print(f"remedy: {cause} {remedy['action']}{option} {remedy['effect']} {'worked' if tried else 'not-tried'}")


def main():
    counts = collections.defaultdict(lambda: [0, 0])
    failed = 0
    for line in sys.stdin:
        found = LINE.search(line)
        failed += line.startswith("FAIL ")
        if found:
            row = counts[found.groups()[:3]]
            row[0] += 1
            row[1] += found[4] == "worked"
    widths = [max((len(row[i]) for row in counts), default=0) for i in range(3)]
    for row, (offered, worked) in sorted(counts.items()):
        print("  ".join(text.ljust(width) for text, width in zip(row, widths)), f"{offered:4} offered {worked:4} worked")
    offered, worked = (sum(row[i] for row in counts.values()) for i in (0, 1))
    print(f"{len({row[0] for row in counts})} causes, {len(counts)} remedies of a cause, {offered} times offered, {worked} tried "
          f"and worked, {offered - worked} not tried, {failed} tests failed")
    return 1 if failed or not counts else 0


if __name__ == "__main__":
    sys.exit(main())
