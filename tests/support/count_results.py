#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Adds up JUnit files of meson and pytest: prints "PASSED FAILED SKIPPED", and on standard error the
names of what failed or was skipped.

usage: count_results.py FILE...
"""
import sys
import xml.etree.ElementTree as xml


def kind(case: xml.Element) -> str:
    """failed, skipped or passed."""
    tags = {child.tag for child in case}
    if tags & {"failure", "error"}:
        return "failed"
    return "skipped" if "skipped" in tags else "passed"


def main() -> None:
    count = {"passed": 0, "failed": 0, "skipped": 0}
    for path in sys.argv[1:]:
        for case in xml.parse(path).iter("testcase"):
            count[kind(case)] += 1
            if kind(case) != "passed":
                reason = next((child.get("message") or "" for child in case), "").split("\n")[0][:120]
                print(f"  {kind(case)}: {case.get('classname')} {case.get('name')} {reason}", file=sys.stderr)
    print(count["passed"], count["failed"], count["skipped"])


if __name__ == "__main__":
    main()
