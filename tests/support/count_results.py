#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Adds up JUnit files of meson and pytest: prints "PASSED FAILED SKIPPED", and on standard error the
names of what failed or was skipped. A file that is not there or is cut off counts as one failure.

usage: count_results.py FILE...
"""
import sys
import xml.etree.ElementTree as xml

MOST_LINES = 80


def kind(case: xml.Element) -> str:
    """failed, skipped or passed."""
    tags = {child.tag for child in case}
    if tags & {"failure", "error"}:
        return "failed"
    return "skipped" if "skipped" in tags else "passed"


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
                reason = next((child.get("message") or "" for child in case), "").split("\n")[0][:120]
                told.append(f"  {kind(case)}: {case.get('classname')} {str(case.get('name'))[:100]} {reason}")
    if len(told) > MOST_LINES:
        told[MOST_LINES:] = [f"  and {len(told) - MOST_LINES} more"]
    for line in told:
        print(line, file=sys.stderr)
    print(count["passed"], count["failed"], count["skipped"])


if __name__ == "__main__":
    main()
