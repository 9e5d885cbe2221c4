#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Puts raw rates and Ward's own into one document, each result with its ratio to the HSM's working
copy, so that machines can be compared.

usage: ratios.py RAW RESULTS      RAW: JSON objects, one a line; RESULTS: what `ward bench` printed
"""
import json
import sys


def main() -> None:
    raw = {}
    with open(sys.argv[1], encoding="utf-8") as file:
        for line in filter(str.strip, file):
            raw |= json.loads(line)
    with open(sys.argv[2], encoding="utf-8") as file:
        measured = json.load(file)
    for result in measured["results"]:
        result["ratio"] = round(result["per_second"] / raw["hsm_working_copy"], 3)
    print(json.dumps({**measured, "raw": raw}))


if __name__ == "__main__":
    main()
