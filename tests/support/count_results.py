#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Adds up JUnit files of meson and pytest: prints "PASSED FAILED SKIPPED", and on standard error the
names of what failed or was skipped, with the last lines of what a failure said: the first often only names
what was waited for. A file that is not there or is cut off counts as one failure.

usage: count_results.py FILE...
"""
import sys
import xml.etree.ElementTree as xml

MOST_LINES = 80
LAST_LINES = 6
MOST_CHARACTERS = 200  # of each of these


def kind(case: xml.Element) -> str:
    """failed, skipped or passed."""
    tags = {child.tag for child in case}
    if tags & {"failure", "error"}:
        return "failed"
    return "skipped" if "skipped" in tags else "passed"


def message(case: xml.Element) -> list:
    """The lines of the first thing that is said of it."""
    said = next((child.get("message") or "" for child in case), "")
    return [line for line in said.split("\n") if line.strip()]


def tell(case: xml.Element) -> list:
    lines = message(case)
    head = f"  {kind(case)}: {case.get('classname')} {str(case.get('name'))[:100]} {''.join(lines[:1])[:120]}"
    last = lines[1:][-LAST_LINES:] if kind(case) == "failed" else []
    return [head, *(f"    {line[:MOST_CHARACTERS]}" for line in last)]


def main() -> None:
    count, told = {"passed": 0, "failed": 0, "skipped": 0}, []
    for path in sys.argv[1:]:
        try:
            cases = list(xml.parse(path).iter("testcase"))
        except (OSError, xml.ParseError):
            count["failed"] += 1
            told.append(f"  failed: no results in {path}")
            continue
        for case in cases:
            count[kind(case)] += 1
            if kind(case) != "passed":
                told.extend(tell(case))
    if len(told) > MOST_LINES:
        told[MOST_LINES:] = [f"  and {len(told) - MOST_LINES} more"]
    for line in told:
        print(line, file=sys.stderr)
    print(count["passed"], count["failed"], count["skipped"])


if __name__ == "__main__":
    main()
