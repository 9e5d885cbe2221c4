#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A program that its environment can tell to die must not ship: these have no trace of it."""
import pathlib
import sys

MARKS = (b"WARD_FAILPOINT", b"WARD_CLOCK_OFFSET", b"making.after-intent")
bad = [f"{name}: has {mark.decode()}" for name in sys.argv[1:] for mark in MARKS if mark in pathlib.Path(name).read_bytes()]
print("\n".join(bad), file=sys.stderr)
sys.exit(bool(bad))
